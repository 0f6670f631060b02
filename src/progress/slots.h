/*
 * slots.h
 *	  Trainings and loads as other sessions see them: shared memory, if the library was
 *	  preloaded.  Private to this folder.
 */
#ifndef PF_SLOTS_H
#define PF_SLOTS_H

#include "progress/progress.h"

/* Asks for the shared memory, when the server is starting. */
extern void pf_slots_init(void);
extern bool pf_slots_exist(void);

/* This backend's slot; none does anything where there are no slots. */
extern void pf_slot_write(const PfProgress *progress, double seconds_left);
extern void pf_slot_write_loading(const PfLoading *loading, double seconds_left);
extern void pf_slot_free(void);

#endif							/* PF_SLOTS_H */

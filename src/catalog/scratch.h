/*
 * scratch.h
 *	  The engine's files of planes inside PostgreSQL.
 */
#ifndef PF_SCRATCH_H
#define PF_SCRATCH_H

#include "postgres.h"
#include "engine/model/encode.h"

/*
 * Temporary files of the current resource owner, which closes them after an error.  Memory: the
 * current context.  Close them in that owner, too.
 */
extern const PfScratch *pf_scratch_open(void);
extern void pf_scratch_close(const PfScratch *scratch);

#endif							/* PF_SCRATCH_H */

/*
 * unit_encode.h
 *	  The bytes of a model, in memory, for tests.
 */
#ifndef PF_UNIT_ENCODE_H
#define PF_UNIT_ENCODE_H

#include "engine/model/encode.h"

/* Files in memory. */
extern const PfScratch *unit_scratch(void);

/* The bytes of a model in memory; of one whose trees are in planes, which go with their files. */
extern uint8_t *unit_encode(const PfModel *model, size_t *size);
extern uint8_t *unit_encode_planes(const PfScratch *scratch, const PfModel *model, PfPlanes *planes,
								   size_t *size);

#endif							/* PF_UNIT_ENCODE_H */

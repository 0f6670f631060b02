/*
 * wire.h
 *	  The wire format in numbers, for those who write and read it.
 *
 * The format itself is described in docs/model-format.md.  All numbers are
 * little-endian.
 */
#ifndef PF_WIRE_H
#define PF_WIRE_H

#include <string.h>

#include "engine/model/encode.h"

#define PF_WIRE_MAGIC		"PGFOREST"
#define PF_WIRE_VERSION		2	/* the newest; see pf_wire_version */
#define PF_WIRE_BLOCK		1048576 /* payload bytes a compressed block holds */
#define PF_WIRE_LEVEL		3	/* of zstd */

/* Tags of sections. */
#define PF_WIRE_CALIBRATION	1
#define PF_WIRE_SAMPLES		2
#define PF_WIRE_SETS		3

#define PF_WIRE_BY_SET		255 /* a threshold: the split has a set */

/* The format version that a model is written in: the oldest that can say it. */
static inline uint32_t
pf_wire_version(const PfModel *model)
{
	return model->kind == PF_MODEL_FOREST &&
		model->calibration.method == PF_NOT_CALIBRATED && model->samples.nvalues == 0 ? 1 : 2;
}

/* Bytes that an index below n takes: one plane each. */
static inline uint32_t
pf_wire_planes(uint32_t n)
{
	uint32_t	planes = 1;

	while (planes < 4 && n > (UINT32_C(1) << (8 * planes)))
		planes++;
	return planes;
}

static inline void
pf_wire_store(uint8_t *at, uint64_t value, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		at[i] = (uint8_t) (value >> (8 * i));
}

static inline void
pf_wire_store_real(uint8_t *at, double value)
{
	uint64_t	bits;

	memcpy(&bits, &value, sizeof(bits));
	pf_wire_store(at, bits, 8);
}

/*
 * The content of the section of sets (sets.c).  Put: *size bytes, from env.  Get: into a
 * model whose nodes name model->nsets of them; NULL or what is wrong, *memory grows by what
 * the model takes.
 */
extern uint8_t *pf_wire_put_sets(const PfEnv *env, const PfModel *model, size_t *size);
extern const char *pf_wire_get_sets(const PfEnv *env, PfModel *model, const uint8_t *bytes,
									uint64_t size, size_t *memory);

#endif							/* PF_WIRE_H */

/*
 * quantile.h
 *	  Quantiles of a prediction, from the training rows that a forest's leaves keep.
 */
#ifndef PF_QUANTILE_H
#define PF_QUANTILE_H

#include "engine/model/model.h"

/* What one tree answers: samples of the model, from begin to before end. */
typedef struct PfSpan
{
	uint64_t	begin,
				end;
} PfSpan;

/*
 * Quantiles (each in 0 .. 1) of a row, of a model that has samples.  Each tree weighs
 * the same, and so does each sample of a tree.  A quantile q is the smallest value
 * that so much of the weight does not exceed: always one that was seen.  spans is room
 * for the model's ntrees.
 */
extern void pf_walk_quantiles(const PfEnv *env, const PfModel *model, const uint8_t *row,
							  PfSpan *spans, const double *quantiles, uint32_t n, double *out);

#endif							/* PF_QUANTILE_H */

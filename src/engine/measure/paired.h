/*
 * paired.h
 *	  Two models on the same rows: how sure is the difference of their metrics.
 *
 * A paired bootstrap: in each resample every row has a weight, how often it was drawn, and
 * both models are measured with these weights; the spread of the differences is that of the
 * difference.  Weights are Poisson numbers of mean 1, each a function of (seed, resample, row), so
 * that nothing depends on who draws them in what order.  The rows are put in an order of their
 * own first (by what is true and what was predicted), so the result does not depend on theirs.
 *
 * Rows that belong together (those of one patient) may be given as groups, which are then drawn
 * as a whole.
 */
#ifndef PF_PAIRED_H
#define PF_PAIRED_H

#include "engine/measure/measure.h"

typedef struct PfPaired
{
	size_t		n;
	const uint64_t *group;		/* of each row a number or hash; NULL: each row is one */

	/* classification */
	uint32_t	nclasses[2];	/* 0: regression; that of the two may differ */
	const uint32_t *actual[2];	/* by the numbering of each model */
	const double *shares[2];	/* n * nclasses */

	/* regression */
	const double *value;
	const double *predicted[2];
} PfPaired;

/* A metric of both in each resample; NaN where it is not defined. */
typedef struct PfPairedMetric
{
	const char *name;
	double	   *values[2];		/* resamples */
} PfPairedMetric;

/* Bytes a row that it takes while it runs, at most; and 16 for each resample and metric. */
#define PF_PAIRED_ROW 72

/* All metrics of the whole set, or only that of a name; returns how many, in *metrics. */
extern uint32_t pf_paired_bootstrap(const PfEnv *env, const PfPaired *paired, const char *only,
									uint32_t resamples, uint64_t seed, PfPairedMetric **metrics);

/*
 * The interval that holds the share `confidence` of the second's value less the first's, as
 * much below as above it; false when the metric is not defined in too many resamples (a twentieth).
 */
extern bool pf_paired_interval(const PfEnv *env, const PfPairedMetric *metric, uint32_t resamples,
							   double confidence, double *low, double *high);

#endif							/* PF_PAIRED_H */

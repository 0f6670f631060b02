/*
 * parts.h
 *	  What the files of this folder share: exact sums, ranking.
 *
 * Private to engine/measure.
 */
#ifndef PF_MEASURE_PARTS_H
#define PF_MEASURE_PARTS_H

#include <math.h>

#include "engine/measure/measure.h"

/* Units of work (rows, or shares of rows) between two interrupt checks. */
#define PF_CHUNK 65536

/*
 * A sum that carries its rounding error along (Neumaier's variant of Kahan's):
 * with ten million rows a plain sum may lose the ninth digit, and what is lost
 * would depend on the order of the rows.
 */
typedef struct PfSum
{
	double		sum;
	double		error;
} PfSum;

static inline void
pf_sum_add(PfSum *total, double value)
{
	double		sum = total->sum + value;

	if (fabs(total->sum) >= fabs(value))
		total->error += (total->sum - sum) + value;
	else
		total->error += (value - sum) + total->sum;
	total->sum = sum;
}

static inline double
pf_sum_value(const PfSum *total)
{
	/* once the sum is infinite, the error is inf - inf */
	return isfinite(total->sum) ? total->sum + total->error : total->sum;
}

/*
 * curve.c: the rows of one class and the rows of all others, each as their sorted
 * scores.  Two lists without row numbers take half the memory of one list of
 * pairs, and sort faster.
 */
typedef struct PfRanking
{
	size_t		npositive,
				nnegative;
	double	   *positive,		/* ascending; one block with negative */
			   *negative;
} PfRanking;

extern void pf_ranking_create(const PfEnv *env, size_t n, PfRanking *ranking);
extern void pf_ranking_fill(const PfEnv *env, PfRanking *ranking, uint32_t nclasses, size_t n,
							const uint32_t *actual, const double *shares, uint32_t class);
extern void pf_ranking_release(const PfEnv *env, PfRanking *ranking);

/* Area under the ROC curve (NaN when a side is empty), and average precision. */
extern void pf_ranking_areas(const PfEnv *env, const PfRanking *ranking,
							 double *roc_auc, double *average_precision);

#endif							/* PF_MEASURE_PARTS_H */

/*
 * parts.h
 *	  What the files of this folder share: exact sums, ranking.
 *
 * Private to engine/measure.
 */
#ifndef PF_MEASURE_PARTS_H
#define PF_MEASURE_PARTS_H

#include <float.h>
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

/* A share whose logarithm is finite. */
extern double pf_clip_share(double share);

/* A row's part of log loss and Brier score; that of two classes is of the positive one alone. */
static inline void
pf_share_losses(uint32_t nclasses, const double *shares, uint32_t actual,
				double *log_loss, double *brier)
{
	double		total = 0;

	*brier = 0;
	for (uint32_t c = 0; c < nclasses; c++)
	{
		double		miss = shares[c] - (c == actual);

		total += pf_clip_share(shares[c]);
		if (c > 0 || nclasses != 2)
			*brier += miss * miss;
	}
	*log_loss = -log(pf_clip_share(shares[actual]) / total);
}

/* Weight of an error relative to the actual value. */
static inline double
pf_relative_weight(double actual)
{
	double		size = fabs(actual);

	return 1 / (size > DBL_EPSILON ? size : DBL_EPSILON);
}

/* 1 - error / spread, with scikit-learn's answers where that is not finite. */
static inline double
pf_r2(double error, double spread)
{
	if (error == 0)
		return 1;
	return spread == 0 ? 0 : 1 - error / spread;
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

/* ----- metrics.c: what follows from how many rows there are of a class, and are predicted ----- */

#define PF_SET_METRICS		10	/* of the whole set */
#define PF_CLASS_METRICS	5	/* of each class */

/* The margins of a confusion matrix, counted or expected. */
typedef struct PfMargins
{
	uint32_t	nclasses;
	double		n;
	double	   *actual,			/* rows of a class */
			   *predicted,		/* rows predicted to be of it */
			   *correct;
	uint32_t	noccurring;		/* classes with actual rows */
	uint32_t	nseen;			/* classes with actual or predicted rows */
	double		largest;		/* share of the most frequent class */
} PfMargins;

/* All 0; when the three lists are filled, finish sets the rest. */
extern void pf_margins_create(const PfEnv *env, PfMargins *margins, uint32_t nclasses, double n);
extern void pf_margins_finish(PfMargins *margins);
extern void pf_margins_release(const PfEnv *env, PfMargins *margins);

extern double pf_class_precision(const PfMargins *margins, uint32_t class);
extern double pf_class_recall(const PfMargins *margins, uint32_t class);
extern double pf_class_f1(const PfMargins *margins, uint32_t class);

/* There must be room for it. */
extern void pf_metric_put(PfMetrics *out, const char *name, int32_t class, double value,
						  double baseline);
extern void pf_put_set_metrics(const PfMargins *margins, PfMetrics *out);

/* Rows whose shares make up a chunk of work. */
extern size_t pf_rows_per_chunk(uint32_t nclasses);

#endif							/* PF_MEASURE_PARTS_H */

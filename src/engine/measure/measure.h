/*
 * measure.h
 *	  How good are predictions: metrics, confusion matrix, curves.
 *
 * Definitions and edge cases are scikit-learn's (1e-9 on the same
 * predictions; tested).  NaN means undefined.
 */
#ifndef PF_MEASURE_H
#define PF_MEASURE_H

#include "engine/env.h"

typedef struct PfMetric
{
	const char *name;			/* accuracy, balanced_accuracy, ... */
	int32_t		class;			/* index of the class, -1: the whole set */
	double		value;
	double		baseline;		/* the best constant predictor's value */
} PfMetric;

typedef struct PfMetrics
{
	uint32_t	count;
	PfMetric   *metrics;
} PfMetrics;

typedef struct PfCurve
{
	uint32_t	count;
	double	   *threshold,
			   *tpr,
			   *fpr,
			   *precision,
			   *recall;
} PfCurve;

/* Bytes a row that the functions below take while they run, at most. */
#define PF_MEASURE_ROW 24

/* actual[n] class indexes < nclasses, shares[n * nclasses]. */
extern void pf_measure_classes(const PfEnv *env, uint32_t nclasses, size_t n,
							   const uint32_t *actual, const double *shares, PfMetrics *out);
/*
 * The same before anybody knows what is true (estimate.c): the values to expect when
 * the shares mean what they say.
 */
extern void pf_estimate_classes(const PfEnv *env, uint32_t nclasses, size_t n,
								const double *shares, PfMetrics *out);
extern void pf_measure_values(const PfEnv *env, size_t n,
							  const double *actual, const double *predicted, PfMetrics *out);

/* counts[actual * nclasses + predicted], predicted being the class of the largest share. */
extern void pf_confusion(const PfEnv *env, uint32_t nclasses, size_t n,
						 const uint32_t *actual, const double *shares, uint64_t *counts);

/*
 * One point for every distinct score of `class`, from the highest down (the
 * first point: threshold infinity, nothing predicted).  max_points 0: all of
 * them; else thinned evenly to at most that many, ends kept.
 */
extern void pf_curve(const PfEnv *env, uint32_t nclasses, size_t n, const uint32_t *actual,
					 const double *shares, uint32_t class, uint32_t max_points, PfCurve *out);

/* +1: more is better, -1: less is better, 0: no metric of that name. */
extern int	pf_metric_direction(const char *name);
/* A metric of a task?  For error messages: all names of the task, separated by commas. */
extern const char *pf_metric_names(PfTask task);

#endif							/* PF_MEASURE_H */

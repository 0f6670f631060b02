/*
 * linear.h
 *	  Linear models: ridge and elastic-net regression, logistic regression.
 *
 * They learn from values where trees learn from bins (pf_matrix_values).  A category
 * is its bin, so more categories than bins share coefficients with those of like
 * targets.
 *
 * Inside, numbers are brought to mean 0 and standard deviation 1 (divided by
 * it only, when there is no intercept), a missing one takes the mean, each
 * bin of a category is a column of 0 and 1, and a feature that has missing
 * values in training has one such column for them.  What comes out is on the
 * scale of the values as they came.
 *
 * All sums run over the rows in their order, so the same rows give the same bits.
 */
#ifndef PF_LINEAR_H
#define PF_LINEAR_H

#include <math.h>

#include "engine/bins/binmap.h"
#include "engine/bins/matrix.h"
#include "engine/grow/params.h"

/*
 * Names and meanings are scikit-learn's.  Regression: l1_ratio 0 is Ridge (a
 * sum of squares plus alpha times that of the coefficients), more is ElasticNet
 * (half a mean of squares plus alpha times a mixture of both norms).
 * Classification: LogisticRegression, whose penalty is l2 with l1_ratio 0, l1 with 1
 * and a mixture of both between them.
 */
typedef struct PfLinearParams
{
	double		alpha;
	double		l1_ratio;
	double		inverse_penalty;	/* C */
	uint32_t	max_iter;
	double		tol;			/* of the gradient a unit of weight, on standardised values */
	bool		fit_intercept;
	PfClassWeight class_weight; /* balanced: by rows, as of forests */
	double	   *class_weights;	/* nclasses, for PF_WEIGHT_EXPLICIT */
} PfLinearParams;

/*
 * Each output is intercept + what the features add.  A feature's coefficients
 * lie together, from first[feature] on: of a number its slope, of a category
 * one a bin; then what a missing value adds.
 */
typedef struct PfLinear
{
	uint32_t	noutputs;		/* 1, or nclasses when there are more than two */
	uint32_t	ncoefficients;	/* of an output: first[nfeatures] */
	uint32_t   *first;			/* nfeatures + 1 */
	double	   *intercept;		/* noutputs */
	double	   *coefficient;	/* noutputs x ncoefficients */
} PfLinear;

/* How the solver got there. */
typedef struct PfLinearFit
{
	uint32_t	iterations;		/* 0: solved directly */
	bool		converged;
} PfLinearFit;

#define PF_LARGEST_VALUE	1e100	/* a number beyond it counts as missing */
#define PF_DIRECT_COLUMNS	4096	/* up to so many, the matrix of their products is made */

/* A value as linear models take it: what cannot be summed is missing. */
static inline double
pf_linear_value(double value)
{
	/* also false for NaN */
	if (value >= -PF_LARGEST_VALUE && value <= PF_LARGEST_VALUE)
		return value + 0.0;		/* -0 becomes 0 */
	return (double) NAN;
}

/* The numbers of outputs and coefficients, and where each feature's begin. */
extern void pf_linear_layout(const PfEnv *env, PfLinear *linear, const PfBins *bins,
							 uint32_t nfeatures, uint32_t nclasses);

/* Columns that a training sees: never more than the layout's coefficients. */
extern uint64_t pf_linear_columns(const PfBins *bins, uint32_t nfeatures);

/* May all products of the coefficients be kept?  l1_ratio above 0 needs that. */
extern bool pf_linear_is_direct(uint64_t ncolumns, uint32_t nclasses);

/* Bytes that a fit takes beside the rows. */
extern uint64_t pf_linear_memory(uint64_t ncolumns, uint32_t nclasses, const PfLinearParams *params);

/*
 * Fits a model to the matrix; importance[nfeatures] becomes the standard
 * deviation of what each feature adds over the rows (the mean over outputs), as a
 * share of all.  Memory of *linear comes from env.
 */
extern void pf_linear_fit(const PfEnv *env, const PfMatrix *matrix, const PfBins *bins,
						  const PfLinearParams *params, PfLinear *linear,
						  double *importance, PfLinearFit *fit);
extern void pf_linear_release(const PfEnv *env, PfLinear *linear);

/* The outputs of one row: the value, or what the link makes shares of. */
extern void pf_linear_outputs(const PfLinear *linear, const PfBins *bins, uint32_t nfeatures,
							  const double *row, double *out);

#endif							/* PF_LINEAR_H */

/*
 * solve.h
 *	  What the files of this folder share: rows as columns, and the solvers.
 *
 * Private to engine/linear.
 */
#ifndef PF_SOLVE_H
#define PF_SOLVE_H

#include "engine/linear/linear.h"

#define PF_NO_COLUMN	UINT32_MAX
#define PF_FLOPS_A_CHECK 1000000	/* of plain arithmetic between two checks */

/*
 * The matrix as a solver sees it: a row is ndense standardised numbers and a
 * list of the columns, from ndense on, in which it has a 1.
 */
typedef struct PfDesign
{
	const PfEnv *env;
	const PfMatrix *matrix;
	const PfBins *bins;
	uint32_t	ndense;
	uint32_t	ncolumns;
	uint32_t   *column;			/* nfeatures: the number's, or the category's first one */
	uint32_t   *missing;		/* nfeatures: of missing values, or PF_NO_COLUMN */
	double	   *mean;			/* nfeatures: of numbers */
	double	   *scale;			/* nfeatures: their standard deviation, 1 when it is 0 */
	bool	   *constant;		/* nfeatures: a number of one value */
	double	   *share;			/* ncolumns: the column's mean over the rows */
	double	   *class_weight;	/* nclasses, or NULL */
	double		total;			/* weight of all rows */
	bool		centred;
	uint64_t	work;			/* since the last check */

	/* the row at hand */
	double	   *dense;			/* ndense */
	uint32_t   *ones;			/* nfeatures at most */
	uint32_t	nones;
	double		weight;
} PfDesign;

/* design.c */
extern void pf_design_make(PfDesign *design, const PfEnv *env, const PfMatrix *matrix,
						   const PfBins *bins, const PfLinearParams *params);
extern void pf_design_row(PfDesign *design, uint32_t row);
extern void pf_design_release(PfDesign *design);

static inline void
pf_work(PfDesign *design, uint64_t flops)
{
	design->work += flops;
	if (design->work >= PF_FLOPS_A_CHECK)
	{
		design->work = 0;
		pf_check(design->env);
	}
}

/* Four partial sums: quick, and the same on every machine. */
static inline double
pf_dot(const double *a, const double *b, size_t n)
{
	double		sum[4] = {0};
	size_t		i = 0;

	for (; i + 4 <= n; i += 4)
	{
		sum[0] += a[i] * b[i];
		sum[1] += a[i + 1] * b[i + 1];
		sum[2] += a[i + 2] * b[i + 2];
		sum[3] += a[i + 3] * b[i + 3];
	}
	for (; i < n; i++)
		sum[0] += a[i] * b[i];
	return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static inline void
pf_add_multiple(double *to, double factor, const double *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] += factor * from[i];
}

/*
 * cholesky.c: solves a symmetric system whose lower triangle is given (row by
 * row, n a row; overwritten).  A column that depends on those before it gets 0.
 */
extern void pf_solve_symmetric(const PfEnv *env, double *matrix, uint32_t n, double *vector);

/*
 * coordinates.c: minimises w'Pw / 2 - b'w + squared / 2 * w'w + absolute times the
 * sum of |w|, from what w holds.  Sweeps until no derivative was further than tol
 * from that of a minimum; a coordinate whose P[a][a] is 0 stays.
 */
typedef struct PfQuadratic
{
	uint32_t	n;
	const double *products;		/* P: n x n, all of it */
	double	   *slope;			/* n: b - Pw, kept up */
	double	   *w;				/* n */
	double		absolute;
	double		squared;
	const bool *free;			/* n: of no absolute penalty; NULL: none is */
} PfQuadratic;

extern void pf_descend_coordinates(PfDesign *design, PfQuadratic *problem, uint32_t max_sweeps,
								   double tol, PfLinearFit *fit);

/* least_squares.c: w[ncolumns], intercept of the standardised columns */
extern void pf_fit_squares(PfDesign *design, const PfLinearParams *params,
						   double *w, double *intercept, PfLinearFit *fit);

/*
 * descend.c: minimises a mean loss plus penalty / 2 times the squares of the
 * coefficients plus absolute times their absolute values: that of classes, or the halved
 * squares of target / scale (offset taken away).  With absolute above 0 there are
 * PF_DIRECT_COLUMNS coefficients at most.
 * theta: of each output ncolumns coefficients and the intercept; starts from what it holds.
 */
extern void pf_fit_descent(PfDesign *design, const PfLinearParams *params, double penalty,
						   double absolute, double offset, double scale, double *theta, PfLinearFit *fit);

/* What descend.c and proximal.c work on. */
typedef struct PfDescent
{
	PfDesign   *design;
	uint32_t	noutputs;
	uint32_t	width;			/* of an output: ncolumns + 1, the intercept last */
	uint32_t	size;			/* noutputs * width */
	double		penalty;
	double		absolute;
	double		offset,
				scale;
	bool		fit_intercept;
	double	   *output;			/* noutputs */
	double	   *share;			/* noutputs */
} PfDescent;

/*
 * Of the row at hand: the outputs; then the loss, while share[k] becomes its derivative by
 * output k; then the second derivative by outputs a and b.
 */
extern void pf_descent_outputs(PfDescent *problem, const double *theta);
extern double pf_descent_loss(const PfDescent *problem, uint32_t row);
extern double pf_descent_curvature(const PfDescent *problem, uint32_t row, uint32_t a, uint32_t b);

/*
 * The objective; the gradient of what is smooth in it, and, when they are wanted, the second
 * derivatives (lower triangle).
 */
extern double pf_descent_objective(PfDescent *problem, const double *theta, double *gradient,
								   double *hessian);

/* How far the derivative that is furthest from that of a minimum is. */
extern double pf_descent_violation(const PfDescent *problem, const double *theta,
								   const double *gradient);

/*
 * Goes along a direction until the objective is lower; trial, its gradient and value
 * are then those of the new point.  False when it does not get lower.
 */
extern bool pf_descent_step(PfDescent *problem, const double *theta, const double *gradient,
							double *value, const double *direction, double *trial,
							double *trial_gradient, double *hessian);

/* proximal.c: with absolute above 0, from what theta holds */
extern void pf_descend_to_corner(PfDescent *problem, const PfLinearParams *params, double *theta,
								 PfLinearFit *fit);

#endif							/* PF_SOLVE_H */

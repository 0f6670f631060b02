/*
 * least_squares.c
 *	  Ridge and elastic-net regression from the products of the columns.
 *
 * One pass over the rows makes the matrix of products; what follows no longer
 * depends on their number.  Ridge is then one linear system, elastic net is
 * coordinate descent, which goes on until the conditions of a minimum hold to the
 * tolerance.  When there are too many columns for their products, ridge is left to
 * descend.c.
 */
#include <string.h>

#include "engine/linear/solve.h"

/* The mean of the target, and the standard deviation about it (1 when it is 0). */
static void
measure_target(PfDesign *design, double *mean, double *deviation)
{
	const PfMatrix *matrix = design->matrix;
	double		total = 0;
	double		squares = 0;

	*mean = 0;
	for (uint32_t i = 0; i < matrix->nrows; i++)
	{
		double		weight = matrix->weight ? matrix->weight[i] : 1;

		total += weight;
		*mean += (matrix->target[i] - *mean) * (weight / total);
		pf_work(design, 8);
	}
	for (uint32_t i = 0; i < matrix->nrows; i++)
	{
		double		distance = matrix->target[i] - *mean;

		squares += (matrix->weight ? matrix->weight[i] : 1) * distance * distance;
		pf_work(design, 8);
	}
	*deviation = sqrt(squares / total);
	if (!(*deviation > 1e-14 * fabs(*mean)))
		*deviation = 1;
}

/* Weighted sums of products: the lower triangle, and with (target - offset) / scale. */
static void
multiply(PfDesign *design, double offset, double scale, double *products, double *with_target)
{
	uint32_t	n = design->ncolumns;
	double	   *dense = design->dense;

	pf_clear(design->env, products, (size_t) n * n * sizeof(double));
	memset(with_target, 0, n * sizeof(double));
	for (uint32_t i = 0; i < design->matrix->nrows; i++)
	{
		double		weight;
		double		target;

		pf_design_row(design, i);
		weight = design->weight;
		target = weight * ((design->matrix->target[i] - offset) / scale);
		for (uint32_t a = 0; a < design->ndense; a++)
		{
			pf_add_multiple(products + (size_t) a * n, weight * dense[a], dense, a + 1);
			with_target[a] += target * dense[a];
		}
		for (uint32_t a = 0; a < design->nones; a++)
		{
			double	   *row = products + (size_t) design->ones[a] * n;

			pf_add_multiple(row, weight, dense, design->ndense);
			for (uint32_t b = 0; b < design->nones; b++)
			{
				if (design->ones[b] <= design->ones[a])
					row[design->ones[b]] += weight;
			}
			with_target[design->ones[a]] += target;
		}
		pf_work(design, (uint64_t) design->ndense * (design->ndense + 2 * design->nones));
	}
}

/* The same about the columns' means; the target's mean is 0 already. */
static void
centre(const PfDesign *design, double *products)
{
	uint32_t	n = design->ncolumns;

	for (uint32_t a = 0; a < n; a++)
	{
		pf_add_multiple(products + (size_t) a * n, -design->total * design->share[a],
						design->share, a + 1);
		if (a % 256 == 0)
			pf_check(design->env);
	}
}

/* One coordinate after the other, in units of a row's weight. */
static void
fit_elastic_net(PfDesign *design, const PfLinearParams *params, double scale,
				double *products, double *with_target, double *w, PfLinearFit *fit)
{
	uint32_t	n = design->ncolumns;
	PfQuadratic problem = {
		.n = n,.products = products,.slope = with_target,.w = w,
		.absolute = params->alpha * params->l1_ratio / scale,
		.squared = params->alpha * (1 - params->l1_ratio)
	};

	/* whole rows are needed from here on */
	for (uint32_t a = 0; a < n; a++)
	{
		for (uint32_t b = 0; b <= a; b++)
			products[(size_t) b * n + a] = products[(size_t) a * n + b] /= design->total;
		with_target[a] /= design->total;
		w[a] = 0;
		pf_work(design, 10 * (uint64_t) n);
	}
	pf_descend_coordinates(design, &problem, params->max_iter, params->tol, fit);
}

void
pf_fit_squares(PfDesign *design, const PfLinearParams *params,
			   double *w, double *intercept, PfLinearFit *fit)
{
	const PfEnv *env = design->env;
	uint32_t	n = design->ncolumns;
	double		mean,
				deviation;

	*intercept = 0;
	fit->iterations = 0;
	fit->converged = true;
	measure_target(design, &mean, &deviation);
	if (!params->fit_intercept)
		mean = 0;
	if (n > PF_DIRECT_COLUMNS)
	{
		double	   *theta = pf_alloc(env, ((size_t) n + 1) * sizeof(double));

		memset(theta, 0, ((size_t) n + 1) * sizeof(double));
		pf_fit_descent(design, params, params->alpha / design->total, 0, mean, deviation, theta, fit);
		memcpy(w, theta, n * sizeof(double));
		*intercept = mean + deviation * theta[n];
		pf_release(env, theta);
	}
	else
	{
		double	   *products = pf_alloc(env, ((size_t) n * n + 1) * sizeof(double));
		double	   *with_target = pf_alloc(env, ((size_t) n + 1) * sizeof(double));

		multiply(design, mean, deviation, products, with_target);
		if (params->fit_intercept)
			centre(design, products);
		if (params->l1_ratio > 0)
			fit_elastic_net(design, params, deviation, products, with_target, w, fit);
		else
		{
			for (uint32_t a = 0; a < n; a++)
				products[(size_t) a * n + a] += params->alpha;
			pf_solve_symmetric(env, products, n, with_target);
			memcpy(w, with_target, n * sizeof(double));
		}
		pf_release(env, products);
		pf_release(env, with_target);
		if (params->fit_intercept)
			*intercept = mean - deviation * pf_dot(w, design->share, n);
	}
	for (uint32_t a = 0; a < n; a++)
		w[a] *= deviation;
}

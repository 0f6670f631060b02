/*
 * proximal.c
 *	  Minimising a smooth loss with a penalty of absolute values: proximal Newton steps.
 *
 * Lee, Sun and Saunders (2014), "Proximal Newton-type methods for minimizing composite
 * functions".  The quadratic of a step is solved by coordinate descent, over the
 * coordinates only that are not 0 or should not be: with a strong penalty those are few,
 * and second derivatives are what costs most.
 */
#include <string.h>

#include "engine/linear/solve.h"

#define SWEEPS			1000	/* of coordinate descent in a step */
#define SWEPT			1e-3	/* of what a step begins with may be left by the sweeps */

/* Coordinates that a step may change: those that are not 0, and those that should not be. */
typedef struct Active
{
	uint32_t	n;
	uint32_t   *coordinate;		/* ascending */
	bool	   *free;			/* of the penalty of absolute values: an intercept */
	uint32_t   *first;			/* noutputs + 1: where an output's begin */
	double	   *value;			/* of the row at hand */
	bool	   *one;			/* ncolumns: has the row a 1 there? */
} Active;

static void
choose_active(const PfDescent *problem, const double *theta, const double *gradient, Active *active)
{
	active->n = 0;
	for (uint32_t i = 0; i < problem->size; i++)
	{
		bool		intercept = i % problem->width == problem->design->ncolumns;

		if (i % problem->width == 0)
			active->first[i / problem->width] = active->n;
		if (intercept ? !problem->fit_intercept : theta[i] == 0 && fabs(gradient[i]) <= problem->absolute)
			continue;
		active->coordinate[active->n] = i;
		active->free[active->n++] = intercept;
	}
	active->first[problem->noutputs] = active->n;
}

/* The row's values in the columns of the active coordinates. */
static void
set_values(const PfDescent *problem, Active *active)
{
	const PfDesign *design = problem->design;

	for (uint32_t s = 0; s < design->nones; s++)
		active->one[design->ones[s]] = true;
	for (uint32_t i = 0; i < active->n; i++)
	{
		uint32_t	column = active->coordinate[i] % problem->width;

		active->value[i] = column < design->ndense ? design->dense[column]
			: column == design->ncolumns || active->one[column];
	}
	for (uint32_t s = 0; s < design->nones; s++)
		active->one[design->ones[s]] = false;
}

/* The second derivatives of the active coordinates, all of them. */
static void
active_curvature(PfDescent *problem, const double *theta, Active *active, double *hessian)
{
	PfDesign   *design = problem->design;
	uint32_t	n = active->n;

	pf_clear(design->env, hessian, (size_t) n * n * sizeof(double));
	for (uint32_t row = 0; row < design->matrix->nrows; row++)
	{
		pf_design_row(design, row);
		pf_descent_outputs(problem, theta);
		pf_descent_loss(problem, row);
		set_values(problem, active);
		for (uint32_t a = 0; a < problem->noutputs; a++)
			for (uint32_t b = 0; b <= a; b++)
			{
				double		factor = design->weight * pf_descent_curvature(problem, row, a, b);
				uint32_t	start = active->first[b];

				for (uint32_t i = active->first[a]; i < active->first[a + 1]; i++)
					if (active->value[i] != 0)
						pf_add_multiple(hessian + (size_t) i * n + start, factor * active->value[i],
										active->value + start,
										(a == b ? i + 1 : active->first[b + 1]) - start);
			}
		pf_work(design, (uint64_t) n * n + 4 * (uint64_t) problem->noutputs * (design->ndense + design->nones + 20));
	}
	for (uint32_t i = 0; i < n; i++)
	{
		for (uint32_t j = 0; j <= i; j++)
			hessian[(size_t) j * n + i] = hessian[(size_t) i * n + j] /= design->total;
		if (!active->free[i])
			hessian[(size_t) i * n + i] += problem->penalty;
		pf_work(design, 10 * (uint64_t) n);
	}
}

/*
 * Newton's method where the penalty has corners: each step leads to where the quadratic that
 * has the derivatives of what is smooth, with that penalty, is least.  What should no longer be
 * 0 after a step is active in the next.
 */
void
pf_descend_to_corner(PfDescent *problem, const PfLinearParams *params, double *theta, PfLinearFit *fit)
{
	const PfEnv *env = problem->design->env;
	uint32_t	n = problem->size;
	double	   *gradient = pf_alloc(env, 7 * (size_t) n * sizeof(double));
	double	   *direction = gradient + n;
	double	   *trial = gradient + 2 * (size_t) n;
	double	   *trial_gradient = gradient + 3 * (size_t) n;
	double	   *slope = gradient + 4 * (size_t) n;
	double	   *wanted = gradient + 5 * (size_t) n;
	Active		active = {
		.coordinate = pf_alloc(env, n * sizeof(uint32_t)),
		.free = pf_alloc(env, n * sizeof(bool)),
		.first = pf_alloc(env, ((size_t) problem->noutputs + 1) * sizeof(uint32_t)),
		.value = gradient + 6 * (size_t) n,
		.one = pf_alloc(env, problem->width * sizeof(bool))
	};
	double		value = pf_descent_objective(problem, theta, gradient, NULL);

	memset(active.one, 0, problem->width * sizeof(bool));
	for (;;)
	{
		double		off = pf_descent_violation(problem, theta, gradient);
		PfLinearFit inner;
		PfQuadratic quadratic = {.slope = slope,.w = wanted,.absolute = problem->absolute,.free = active.free};
		double	   *hessian;

		fit->converged = off <= params->tol;
		if (fit->converged || fit->iterations == params->max_iter)
			break;
		fit->iterations++;
		choose_active(problem, theta, gradient, &active);
		hessian = pf_alloc(env, ((size_t) active.n * active.n + 1) * sizeof(double));
		active_curvature(problem, theta, &active, hessian);
		for (uint32_t i = 0; i < active.n; i++)
		{
			slope[i] = -gradient[active.coordinate[i]];
			wanted[i] = theta[active.coordinate[i]];
		}
		quadratic.n = active.n;
		quadratic.products = hessian;
		pf_descend_coordinates(problem->design, &quadratic, SWEEPS, SWEPT * off, &inner);
		pf_release(env, hessian);
		memset(direction, 0, n * sizeof(double));
		for (uint32_t i = 0; i < active.n; i++)
			direction[active.coordinate[i]] = wanted[i] - theta[active.coordinate[i]];
		if (!pf_descent_step(problem, theta, gradient, &value, direction, trial, trial_gradient, NULL))
		{
			fit->converged = true;	/* as far as the arithmetic goes */
			break;
		}
		memcpy(theta, trial, n * sizeof(double));
		memcpy(gradient, trial_gradient, n * sizeof(double));
	}
	pf_release(env, active.coordinate);
	pf_release(env, active.free);
	pf_release(env, active.first);
	pf_release(env, active.one);
	pf_release(env, gradient);
}

/*
 * descend.c
 *	  Minimising a smooth loss: Newton's method, or L-BFGS when there are many coefficients.
 *
 * Newton's method needs the matrix of second derivatives and takes few steps;
 * L-BFGS (Nocedal 1980; Liu and Nocedal 1989) keeps the last changes instead,
 * and starts each step from the diagonal, so that rare categories do not hold it up.
 * A penalty of absolute values is proximal.c's.
 * All go on until no derivative of the objective is further than the tolerance from
 * that of a minimum, or until the arithmetic cannot tell a better point.
 */
#include <string.h>

#include "engine/linear/solve.h"

#define NEWTON_STEPS	10		/* that are usual */
#define DESCENT_STEPS	300
#define KEPT			10		/* changes that L-BFGS keeps */
#define HALVINGS		40		/* of a step, before it is given up */
#define ENOUGH			1e-4	/* of the decrease that the slope promises */
#define NOISE			1e-14	/* of a loss is what rounding may add */

/*
 * The row's loss; share[k] becomes its derivative by output k.  The loss of a
 * class is computed from the outputs' differences, which cannot overflow.
 */
double
pf_descent_loss(const PfDescent *problem, uint32_t row)
{
	const PfMatrix *matrix = problem->design->matrix;
	const double *output = problem->output;
	double	   *share = problem->share;
	uint32_t	label;
	double		highest;
	double		sum = 0;

	if (matrix->nclasses == 0)
	{
		share[0] = output[0] - (matrix->target[row] - problem->offset) / problem->scale;
		return share[0] * share[0] / 2;
	}
	label = matrix->label[row];
	if (problem->noutputs == 1)
	{
		double		tail = exp(-fabs(output[0]));
		double		positive = output[0] >= 0 ? 1 / (1 + tail) : tail / (1 + tail);
		double		margin = label == 1 ? output[0] : -output[0];

		share[0] = positive - (label == 1);
		return log1p(tail) + (margin < 0 ? -margin : 0);
	}
	highest = output[0];
	for (uint32_t k = 1; k < problem->noutputs; k++)
		highest = output[k] > highest ? output[k] : highest;
	for (uint32_t k = 0; k < problem->noutputs; k++)
	{
		share[k] = exp(output[k] - highest);
		sum += share[k];
	}
	for (uint32_t k = 0; k < problem->noutputs; k++)
		share[k] = share[k] / sum - (k == label);
	return log(sum) + highest - output[label];
}

double
pf_descent_curvature(const PfDescent *problem, uint32_t row, uint32_t a, uint32_t b)
{
	const PfMatrix *matrix = problem->design->matrix;
	double		share_a,
				share_b;

	if (matrix->nclasses == 0)
		return 1;
	share_a = problem->share[a] + (problem->noutputs == 1 ? matrix->label[row] == 1 : matrix->label[row] == a);
	if (problem->noutputs == 1)
		return share_a * (1 - share_a);
	share_b = problem->share[b] + (matrix->label[row] == b);
	return a == b ? share_a * (1 - share_a) : -share_a * share_b;
}

/* Adds factor times the row to an output's coefficients. */
static void
add_row(const PfDescent *problem, double factor, double *to)
{
	const PfDesign *design = problem->design;

	pf_add_multiple(to, factor, design->dense, design->ndense);
	for (uint32_t s = 0; s < design->nones; s++)
		to[design->ones[s]] += factor;
	if (problem->fit_intercept)
		to[design->ncolumns] += factor;
}

void
pf_descent_outputs(PfDescent *problem, const double *theta)
{
	const PfDesign *design = problem->design;

	for (uint32_t k = 0; k < problem->noutputs; k++)
	{
		const double *w = theta + (size_t) k * problem->width;
		double		sum = pf_dot(w, design->dense, design->ndense) + w[design->ncolumns];

		for (uint32_t s = 0; s < design->nones; s++)
			sum += w[design->ones[s]];
		problem->output[k] = sum;
	}
}

/* Adds the row's second derivatives to the lower triangle. */
static void
add_curvature(const PfDescent *problem, uint32_t row, double *hessian)
{
	const PfDesign *design = problem->design;
	uint32_t	width = problem->width;

	for (uint32_t a = 0; a < problem->noutputs; a++)
	{
		for (uint32_t b = 0; b <= a; b++)
		{
			double		factor = design->weight * pf_descent_curvature(problem, row, a, b);
			double	   *block = hessian + (size_t) a * width * problem->size + (size_t) b * width;

			/* numbers come first, so those of one output fill a triangle */
			for (uint32_t i = 0; i < design->ndense; i++)
			{
				double	   *at = block + (size_t) i * problem->size;
				double		times = factor * design->dense[i];

				if (a != b)
					add_row(problem, times, at);
				else
					pf_add_multiple(at, times, design->dense, i + 1);
			}
			for (uint32_t s = 0; s < design->nones; s++)
				add_row(problem, factor, block + (size_t) design->ones[s] * problem->size);
			if (problem->fit_intercept)
				add_row(problem, factor, block + (size_t) design->ncolumns * problem->size);
		}
	}
}

/* About what a row's second derivatives cost. */
static uint64_t
row_work(const PfDescent *problem)
{
	const PfDesign *design = problem->design;
	uint64_t	pairs = (uint64_t) problem->noutputs * (problem->noutputs + 1);
	uint64_t	filled = design->ndense + design->nones + 1;

	return pairs * filled * filled / 2;
}

/* The penalty of absolute values. */
static double
absolute_penalty(const PfDescent *problem, const double *theta)
{
	double		sum = 0;

	if (problem->absolute == 0)
		return 0;
	for (uint32_t i = 0; i < problem->size; i++)
		if (i % problem->width != problem->design->ncolumns)
			sum += fabs(theta[i]);
	return problem->absolute * sum;
}

double
pf_descent_objective(PfDescent *problem, const double *theta, double *gradient, double *hessian)
{
	PfDesign   *design = problem->design;
	uint32_t	width = problem->width;
	double		loss = 0;
	double		squares = 0;

	memset(gradient, 0, problem->size * sizeof(double));
	if (hessian)
		pf_clear(design->env, hessian, (size_t) problem->size * problem->size * sizeof(double));
	for (uint32_t i = 0; i < design->matrix->nrows; i++)
	{
		pf_design_row(design, i);
		pf_descent_outputs(problem, theta);
		loss += design->weight * pf_descent_loss(problem, i);
		for (uint32_t k = 0; k < problem->noutputs; k++)
			add_row(problem, design->weight * problem->share[k], gradient + (size_t) k * width);
		if (hessian)
			add_curvature(problem, i, hessian);
		pf_work(design, 4 * (uint64_t) problem->noutputs * (design->ndense + design->nones + 20) +
				(hessian ? row_work(problem) : 0));
	}
	for (uint32_t i = 0; i < problem->size; i++)
	{
		bool		intercept = i % width == design->ncolumns;

		gradient[i] /= design->total;
		if (!intercept)
		{
			gradient[i] += problem->penalty * theta[i];
			squares += theta[i] * theta[i];
		}
		if (hessian)
		{
			for (uint32_t j = 0; j <= i; j++)
				hessian[(size_t) i * problem->size + j] /= design->total;
			if (!intercept)
				hessian[(size_t) i * problem->size + i] += problem->penalty;
		}
	}
	return loss / design->total + problem->penalty / 2 * squares + absolute_penalty(problem, theta);
}

double
pf_descent_violation(const PfDescent *problem, const double *theta, const double *gradient)
{
	double		most = 0;

	for (uint32_t i = 0; i < problem->size; i++)
	{
		double		absolute = i % problem->width == problem->design->ncolumns ? 0 : problem->absolute;
		double		off = theta[i] > 0 ? fabs(gradient[i] + absolute)
			: theta[i] < 0 ? fabs(gradient[i] - absolute)
			: fabs(gradient[i]) - absolute;

		most = off > most ? off : most;
	}
	return most;
}

bool
pf_descent_step(PfDescent *problem, const double *theta, const double *gradient, double *value,
	 const double *direction, double *trial, double *trial_gradient,
	 double *hessian)
{
	double		slope = pf_dot(gradient, direction, problem->size);
	double		length = 1;

	/* of the whole way, where the penalty has corners */
	if (problem->absolute > 0)
	{
		for (uint32_t i = 0; i < problem->size; i++)
			trial[i] = theta[i] + direction[i];
		slope += absolute_penalty(problem, trial) - absolute_penalty(problem, theta);
	}
	if (!(slope < 0))
		return false;
	for (int halving = 0; halving < HALVINGS; halving++, length /= 2)
	{
		double		lower;
		bool		hidden;		/* by rounding, may the decrease be */

		for (uint32_t i = 0; i < problem->size; i++)
			trial[i] = theta[i] + length * direction[i];
		lower = pf_descent_objective(problem, trial, trial_gradient, hessian);
		hidden = lower <= *value + NOISE * fabs(*value);
		/* then the derivatives tell */
		if (lower <= *value + ENOUGH * length * slope ||
			(hidden && (problem->absolute > 0
						? pf_descent_violation(problem, trial, trial_gradient) < pf_descent_violation(problem, theta, gradient) * 0.9
						: fabs(pf_dot(trial_gradient, direction, problem->size)) < -slope * 0.9)))
		{
			*value = lower;
			return true;
		}
	}
	return false;
}

static void
newton(PfDescent *problem, const PfLinearParams *params, double *theta, PfLinearFit *fit)
{
	const PfEnv *env = problem->design->env;
	uint32_t	n = problem->size;
	double	   *gradient = pf_alloc(env, 4 * (size_t) n * sizeof(double));
	double	   *direction = gradient + n;
	double	   *trial = gradient + 2 * n;
	double	   *trial_gradient = gradient + 3 * n;
	double	   *hessian = pf_alloc(env, (size_t) n * n * sizeof(double));
	double		value = pf_descent_objective(problem, theta, gradient, hessian);

	for (;;)
	{
		fit->converged = pf_descent_violation(problem, theta, gradient) <= params->tol;
		if (fit->converged || fit->iterations == params->max_iter)
			break;
		fit->iterations++;
		for (uint32_t i = 0; i < n; i++)
			direction[i] = -gradient[i];
		pf_solve_symmetric(env, hessian, n, direction);
		if (!pf_descent_step(problem, theta, gradient, &value, direction, trial, trial_gradient, hessian))
		{
			fit->converged = true;	/* as far as the arithmetic goes */
			break;
		}
		memcpy(theta, trial, n * sizeof(double));
		memcpy(gradient, trial_gradient, n * sizeof(double));
	}
	pf_release(env, hessian);
	pf_release(env, gradient);
}

/* About the second derivatives' diagonal: classes count as if they were equally likely. */
static void
set_diagonal(PfDescent *problem, double *diagonal)
{
	PfDesign   *design = problem->design;
	double		share = problem->noutputs > 1 ? 1.0 / problem->noutputs : 0.5;
	double		factor = design->matrix->nclasses ? share * (1 - share) : 1;

	for (uint32_t k = 0; k < problem->noutputs; k++)
	{
		double	   *at = diagonal + (size_t) k * problem->width;

		for (uint32_t c = 0; c < design->ncolumns; c++)
			at[c] = (c < design->ndense ? 1 : factor > 0 ? design->share[c] : 0) * factor +
				problem->penalty + 1e-8;
		at[design->ncolumns] = factor;
	}
}

/* The changes kept, the oldest overwritten first. */
typedef struct History
{
	uint32_t	count;
	double	   *change[KEPT];	/* of theta */
	double	   *turn[KEPT];		/* of the gradient */
	double		product[KEPT];	/* of the two */
} History;

static void
choose_direction(const PfDescent *problem, const History *history, const double *gradient,
				 const double *diagonal, double *direction)
{
	uint32_t	n = problem->size;
	uint32_t	kept = history->count < KEPT ? history->count : KEPT;
	double		factor[KEPT];
	double		scale = 1;

	for (uint32_t i = 0; i < n; i++)
		direction[i] = -gradient[i];
	for (uint32_t back = 1; back <= kept; back++)
	{
		uint32_t	h = (history->count - back) % KEPT;

		factor[h] = pf_dot(history->change[h], direction, n) / history->product[h];
		pf_add_multiple(direction, -factor[h], history->turn[h], n);
	}
	if (kept > 0)
	{
		uint32_t	h = (history->count - 1) % KEPT;
		double		curvature = 0;

		for (uint32_t i = 0; i < n; i++)
			curvature += history->turn[h][i] * history->turn[h][i] / diagonal[i];
		scale = history->product[h] / curvature;
	}
	for (uint32_t i = 0; i < n; i++)
		direction[i] *= scale / diagonal[i];
	for (uint32_t back = kept; back >= 1; back--)
	{
		uint32_t	h = (history->count - back) % KEPT;

		pf_add_multiple(direction, factor[h] - pf_dot(history->turn[h], direction, n) / history->product[h],
						history->change[h], n);
	}
}

static void
quasi_newton(PfDescent *problem, const PfLinearParams *params, double *theta, PfLinearFit *fit)
{
	const PfEnv *env = problem->design->env;
	uint32_t	n = problem->size;
	double	   *gradient = pf_alloc(env, (5 + 2 * KEPT) * (size_t) n * sizeof(double));
	double	   *direction = gradient + (size_t) n;
	double	   *trial = gradient + 2 * (size_t) n;
	double	   *trial_gradient = gradient + 3 * (size_t) n;
	double	   *diagonal = gradient + 4 * (size_t) n;
	History		history = {0};
	double		value = pf_descent_objective(problem, theta, gradient, NULL);

	for (int h = 0; h < KEPT; h++)
	{
		history.change[h] = gradient + (5 + 2 * (size_t) h) * n;
		history.turn[h] = history.change[h] + n;
	}
	set_diagonal(problem, diagonal);
	for (;;)
	{
		uint32_t	h = history.count % KEPT;

		fit->converged = pf_descent_violation(problem, theta, gradient) <= params->tol;
		if (fit->converged || fit->iterations == params->max_iter)
			break;
		fit->iterations++;
		choose_direction(problem, &history, gradient, diagonal, direction);
		pf_check(env);
		if (!pf_descent_step(problem, theta, gradient, &value, direction, trial, trial_gradient, NULL))
		{
			/* once more from the steepest descent, unless that was it */
			fit->converged = history.count == 0;
			if (fit->converged)
				break;
			history.count = 0;
			continue;
		}
		for (uint32_t i = 0; i < n; i++)
		{
			history.change[h][i] = trial[i] - theta[i];
			history.turn[h][i] = trial_gradient[i] - gradient[i];
		}
		history.product[h] = pf_dot(history.change[h], history.turn[h], n);
		history.count += history.product[h] > 0;
		memcpy(theta, trial, n * sizeof(double));
		memcpy(gradient, trial_gradient, n * sizeof(double));
	}
	pf_release(env, gradient);
}

/* Few steps that cost more, or many? */
static bool
newton_is_quicker(PfDescent *problem)
{
	PfDesign   *design = problem->design;
	double		rows = design->matrix->nrows;
	double		size = problem->size;
	double		direct;
	double		descent;

	if (problem->size > PF_DIRECT_COLUMNS)
		return false;
	design->nones = design->matrix->nfeatures - design->ndense;
	direct = NEWTON_STEPS * (rows * row_work(problem) + size * size * size / 3);
	descent = DESCENT_STEPS * rows * problem->noutputs * 4 * (design->ndense + design->nones + 10);
	return direct <= descent;
}

void
pf_fit_descent(PfDesign *design, const PfLinearParams *params, double penalty,
			   double absolute, double offset, double scale, double *theta, PfLinearFit *fit)
{
	uint32_t	nclasses = design->matrix->nclasses;
	PfDescent		problem = {
		.design = design,.noutputs = nclasses > 2 ? nclasses : 1,
		.width = design->ncolumns + 1,.penalty = penalty,.absolute = absolute,
		.offset = offset,.scale = scale,.fit_intercept = params->fit_intercept
	};

	problem.size = problem.noutputs * problem.width;
	problem.output = pf_alloc(design->env, 2 * problem.noutputs * sizeof(double));
	problem.share = problem.output + problem.noutputs;
	fit->iterations = 0;
	if (absolute > 0)
		pf_descend_to_corner(&problem, params, theta, fit);
	else if (newton_is_quicker(&problem))
		newton(&problem, params, theta, fit);
	else
		quasi_newton(&problem, params, theta, fit);
	pf_release(design->env, problem.output);
}

/*
 * coordinates.c
 *	  Coordinate descent on a quadratic with a penalty of absolute values.
 *
 * Friedman, Hastie and Tibshirani (2010), "Regularization paths for generalized
 * linear models via coordinate descent".  Memory: what the caller gives.
 */
#include "engine/linear/solve.h"

static double
shrink(double value, double by)
{
	return value > by ? value - by : value < -by ? value + by : 0;
}

void
pf_descend_coordinates(PfDesign *design, PfQuadratic *problem, uint32_t max_sweeps, double tol,
					   PfLinearFit *fit)
{
	uint32_t	n = problem->n;
	double	   *slope = problem->slope;
	double	   *w = problem->w;

	fit->converged = false;
	for (fit->iterations = 0; fit->iterations < max_sweeps && !fit->converged; fit->iterations++)
	{
		double		worst = 0;

		for (uint32_t a = 0; a < n; a++)
		{
			const double *row = problem->products + (size_t) a * n;
			double		whole = row[a] + problem->squared;
			bool		free = problem->free && problem->free[a];
			double		wanted,
						change;

			/* a constant column, or one of rounding errors only */
			if (!(row[a] > 1e-14))
				continue;
			wanted = shrink(slope[a] + row[a] * w[a], free ? 0 : problem->absolute) / whole;
			change = wanted - w[a];
			if (change != 0)
			{
				pf_add_multiple(slope, -change, row, n);
				w[a] = wanted;
			}
			/* how far the slope was from that of a minimum */
			if (fabs(change) * whole > worst)
				worst = fabs(change) * whole;
			pf_work(design, 2 * (uint64_t) n);
		}
		fit->converged = worst <= tol;
	}
}

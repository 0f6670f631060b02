/*
 * cholesky.c
 *	  A symmetric system with no negative eigenvalue, as L D L'.
 *
 * Row by row, so that all inner loops run along rows.
 */
#include "engine/linear/solve.h"

#define DEPENDENT 1e-12			/* of its diagonal is left of a column that the others make up */

void
pf_solve_symmetric(const PfEnv *env, double *matrix, uint32_t n, double *vector)
{
	double	   *pivot = pf_alloc(env, n * sizeof(double));
	double	   *scaled = pf_alloc(env, n * sizeof(double));
	uint64_t	work = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		double	   *row = matrix + (size_t) i * n;
		double		whole = row[i];
		double		rest = whole;

		/* row[j] becomes L[i][j] * D[j] first, then L[i][j] */
		for (uint32_t j = 0; j < i; j++)
		{
			row[j] -= pf_dot(row, matrix + (size_t) j * n, j);
			work += 2 * (uint64_t) j + 10;
			if (work >= PF_FLOPS_A_CHECK)
			{
				work = 0;
				pf_check(env);
			}
		}
		for (uint32_t j = 0; j < i; j++)
		{
			double		raw = row[j];

			row[j] = pivot[j] > 0 ? raw / pivot[j] : 0;
			rest -= row[j] * raw;
		}
		pivot[i] = rest > DEPENDENT * whole ? rest : 0;
		scaled[i] = vector[i] - pf_dot(row, scaled, i);
	}
	/* L z = v is done: now D, then L' from the end */
	for (uint32_t i = 0; i < n; i++)
		vector[i] = pivot[i] > 0 ? scaled[i] / pivot[i] : 0;
	for (uint32_t i = n; i-- > 0;)
	{
		if (!(pivot[i] > 0))
			vector[i] = 0;
		pf_add_multiple(vector, -vector[i], matrix + (size_t) i * n, i);
		if (i % 256 == 0)
			pf_check(env);
	}
	pf_release(env, pivot);
	pf_release(env, scaled);
}

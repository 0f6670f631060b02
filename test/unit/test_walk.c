/*
 * test_walk.c
 *	  The fast walkers against the plain one: equal bits.
 */
#include <string.h>

#include "engine/walk/walk.h"
#include "fixture.h"
#include "unit.h"

static void
walkers_agree(uint32_t nclasses, uint32_t nrows)
{
	const PfEnv *env = unit_env();
	PfMatrix	matrix = fixture_matrix(2000, 6, nclasses, 0.1, 5);
	PfMatrix	rows = fixture_matrix(nrows, 6, nclasses, 0.1, 6);
	PfForestParams params = fixture_params(&matrix);
	PfModel    *model = fixture_model(&matrix, &params);
	double	   *block = pf_alloc(env, (size_t) nrows * model->width * sizeof(double));
	double	   *one = pf_alloc(env, model->width * sizeof(double));
	double	   *again = pf_alloc(env, model->width * sizeof(double));
	uint32_t	differ = 0;

	pf_walk_block(env, model, rows.bins, rows.stride, nrows, block);
	for (uint32_t i = 0; i < nrows; i++)
	{
		pf_walk_row(model, rows.bins + (size_t) i * rows.stride, one);
		pf_walk_row_fast(env, model, rows.bins + (size_t) i * rows.stride, again);
		differ += memcmp(one, again, model->width * sizeof(double)) != 0;
		differ += memcmp(one, block + (size_t) i * model->width, model->width * sizeof(double)) != 0;
	}
	CHECK_INT(differ, 0);
	unit_release_all();
}

void
test_walk(void)
{
	double		shares[3] = {0.4, 0.4, 0.2};

	walkers_agree(2, 1);
	walkers_agree(2, 7);
	walkers_agree(3, 2500);
	walkers_agree(0, 1025);
	CHECK_INT(pf_best_class(shares, 3), 0);
}

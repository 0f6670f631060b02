/*
 * test_walk.c
 *	  The fast walkers against the plain one: equal bits.
 */
#include <math.h>
#include <string.h>

#include "engine/walk/output.h"
#include "engine/walk/walk.h"
#include "fixture.h"
#include "unit.h"

static void
walkers_agree(const PfModel *model, uint32_t nrows)
{
	const PfEnv *env = unit_env();
	size_t		stride = (pf_row_size(model) + 7) / 8 * 8;
	uint8_t    *rows = pf_alloc(env, nrows * stride);
	uint64_t	random = 6;
	double	   *block = pf_alloc(env, (size_t) nrows * model->width * sizeof(double));
	double	   *one = pf_alloc(env, model->width * sizeof(double));
	double	   *again = pf_alloc(env, model->width * sizeof(double));
	uint32_t	differ = 0;
	uint32_t	wrong = 0;

	for (uint32_t i = 0; i < nrows; i++)
		fixture_row(model, &random, rows + i * stride);
	pf_walk_block(env, model, rows, stride, nrows, block);
	for (uint32_t i = 0; i < nrows; i++)
	{
		pf_walk_row(model, rows + i * stride, one);
		pf_walk_row_fast(env, model, rows + i * stride, again);
		differ += memcmp(one, again, model->width * sizeof(double)) != 0;
		for (uint32_t c = 1; c < model->nclasses; c++)
			one[0] += one[c];
		wrong += model->nclasses > 0 && !(one[0] > 1 - 1e-12 && one[0] < 1 + 1e-12);
		differ += memcmp(again, block + (size_t) i * model->width, model->width * sizeof(double)) != 0;
	}
	CHECK_INT(differ, 0);
	CHECK_INT(wrong, 0);
	unit_release_all();
}

static PfModel *
forest(uint32_t nclasses)
{
	PfMatrix	matrix = fixture_matrix(2000, 6, nclasses, 0.1, 5);
	PfForestParams params = fixture_params(&matrix);

	return fixture_model(&matrix, &params);
}

/* What the links make of sums, also of those that only a made-up model has. */
static void
links(void)
{
	double		out[3] = {log(3), 0, 0};

	pf_link_apply(PF_LINK_LOGISTIC, 2, out);
	CHECK_NEAR(out[1], 0.75, 1e-15);
	CHECK_DOUBLE(out[0], 1 - out[1]);
	out[0] = -1e308;
	pf_link_apply(PF_LINK_LOGISTIC, 2, out);
	CHECK(out[1] > 0 && out[0] == 1);
	out[0] = 1e308;
	pf_link_apply(PF_LINK_EXP, 1, out);
	CHECK(isfinite(out[0]));
	out[0] = log(7);
	pf_link_apply(PF_LINK_EXP, 1, out);
	CHECK_NEAR(out[0], 7, 1e-14);
	memcpy(out, (double[3]) {1, 1 + log(2), NAN}, sizeof(out));
	pf_link_apply(PF_LINK_SOFTMAX, 3, out);
	CHECK_NEAR(out[1], 2 * out[0], 1e-15);
	CHECK_NEAR(out[0] + out[1] + out[2], 1, 1e-15);
	memcpy(out, (double[3]) {INFINITY, -INFINITY, INFINITY}, sizeof(out));
	pf_link_apply(PF_LINK_SOFTMAX, 3, out);
	CHECK_DOUBLE(out[2], 0.5);
}

/* Path lengths become scores as in the paper: the average one 0.5, none at all 1. */
static void
scores(void)
{
	PfModel		model = {.kind = PF_MODEL_ISOLATION,.width = 1,.ntrees = 4,.path = 8};
	double		out = 32;

	pf_output_finish(&model, &out);
	CHECK_DOUBLE(out, 0.5);
	out = 0;
	pf_output_finish(&model, &out);
	CHECK_DOUBLE(out, 1);
	model.path = 0;
	out = 0;
	pf_output_finish(&model, &out);
	CHECK_DOUBLE(out, 0.5);
}

void
test_walk(void)
{
	double		shares[3] = {0.4, 0.4, 0.2};

	walkers_agree(forest(2), 1);
	walkers_agree(forest(2), 7);
	walkers_agree(forest(3), 2500);
	walkers_agree(forest(0), 1025);
	for (PfLink link = PF_LINK_IDENTITY; link <= PF_LINK_SOFTMAX; link++)
	{
		walkers_agree(fixture_boosting(link), 1025);
		walkers_agree(fixture_sets(link), 1025);
	}
	walkers_agree(fixture_isolation(), 1025);
	for (uint32_t nclasses = 0; nclasses <= 4; nclasses += 2)
		walkers_agree(fixture_linear(nclasses), 1025);
	for (PfCalibrationMethod method = PF_SIGMOID; method <= PF_ISOTONIC; method++)
	{
		for (uint32_t nclasses = 2; nclasses <= 3; nclasses++)
		{
			PfModel    *model = forest(nclasses);

			fixture_calibrate(model, method);
			walkers_agree(model, 100);
			model = fixture_linear(nclasses);
			fixture_calibrate(model, method);
			walkers_agree(model, 100);
		}
	}
	links();
	scores();
	CHECK_INT(pf_best_class(shares, 3), 0);
}

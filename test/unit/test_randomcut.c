/*
 * test_randomcut.c
 *	  Random cuts: where they fall, and what they count.
 */
#include <math.h>
#include <string.h>

#include "engine/grow/grow.h"
#include "engine/grow/random.h"
#include "fixture.h"
#include "unit.h"

/* Places of all features' bins: bin b at power(b / 254). */
static float *
make_places(uint32_t nfeatures, double power)
{
	float	   *places = pf_alloc(unit_env(), nfeatures * 256 * sizeof(float));

	for (uint32_t i = 0; i < nfeatures * 256; i++)
		places[i] = (float) pow(i % 256 / 254.0, power);
	return places;
}

static PfForestParams
random_params(const PfMatrix *matrix, double power)
{
	PfForestParams params = fixture_params(matrix);

	params.bootstrap = false;
	params.places = make_places(matrix->nfeatures, power);
	return params;
}

/* The cuts of many roots are even on the scale of the places, not of the bins. */
static void
falls_evenly(double power)
{
	PfMatrix	matrix = fixture_matrix(2000, 1, 2, 0, 7);
	PfForestParams params = random_params(&matrix, power);
	uint32_t	counts[4] = {0};

	params.max_depth = 1;
	for (uint32_t t = 0; t < 2000; t++)
	{
		PfTree		tree = fixture_tree(&matrix, &params, t);

		for (int quarter = 0; quarter < 4; quarter++)
			counts[quarter] += params.places[tree.nodes[0].threshold] < (quarter + 1) / 4.0 &&
				params.places[tree.nodes[0].threshold + 1] >= quarter / 4.0 &&
				params.places[tree.nodes[0].threshold] >= quarter / 4.0;
		pf_tree_release(unit_env(), &tree);
	}
	for (int quarter = 0; quarter < 4; quarter++)
		CHECK_NEAR(counts[quarter], 500, 90);
	unit_release_all();
}

/* However what lies left is summed up: counted, or with weights that are 1. */
static void
ways_agree(uint32_t nrows, double missing)
{
	PfMatrix	matrix = fixture_matrix(nrows, 9, 2, missing, 11);
	PfForestParams params = random_params(&matrix, 1);
	uint32_t	differ = 0;
	PfTree		trees[5];

	params.max_features = 6;
	for (uint32_t t = 0; t < 5; t++)
		trees[t] = fixture_tree(&matrix, &params, t);
	matrix.weight = pf_alloc(unit_env(), nrows * sizeof(float));
	for (uint32_t i = 0; i < nrows; i++)
		matrix.weight[i] = 1;
	for (uint32_t t = 0; t < 5; t++)
	{
		PfTree		again = fixture_tree(&matrix, &params, t);

		differ += !fixture_same_tree(&trees[t], &again);
	}
	CHECK_INT(differ, 0);
	unit_release_all();
}

/* Without limits the training rows are learnt by heart; with them, leaves are large enough. */
static void
learns(uint32_t nclasses, double missing)
{
	PfMatrix	matrix = fixture_matrix(1500, 6, nclasses, missing, 13);
	PfForestParams params = random_params(&matrix, 2);
	uint32_t   *rows;
	PfTree		tree = fixture_tree(&matrix, &params, 3);
	uint32_t	wrong = 0;

	for (uint32_t i = 0; i < matrix.nrows; i++)
	{
		const double *leaf = tree.leaves +
			(size_t) pf_tree_leaf(tree.nodes, matrix.bins + (size_t) i * matrix.stride) * tree.width;

		wrong += nclasses ? leaf[matrix.label[i]] != 1 : leaf[0] != matrix.target[i];
	}
	/* rows may be alike but for the answer when much is missing */
	CHECK(wrong <= (missing > 0 ? 30 : 0));

	params.min_samples_leaf = 20;
	params.max_features = 2;
	tree = fixture_tree(&matrix, &params, 4);
	rows = pf_alloc(unit_env(), tree.nnodes * sizeof(uint32_t));
	memset(rows, 0, tree.nnodes * sizeof(uint32_t));
	for (uint32_t i = 0; i < matrix.nrows; i++)
	{
		const PfNode *node = tree.nodes;

		while (!pf_is_leaf(node))
			node = tree.nodes + pf_child(node, matrix.bins + (size_t) i * matrix.stride);
		rows[node - tree.nodes]++;
	}
	wrong = 0;
	for (uint32_t i = 0; i < tree.nnodes; i++)
		wrong += pf_is_leaf(&tree.nodes[i]) && rows[i] < 20;
	CHECK_INT(wrong, 0);
	CHECK(tree.nleaves > 2);
	unit_release_all();
}

static void
few_rows(void)
{
	for (uint32_t nrows = 1; nrows < 9; nrows++)
	{
		PfMatrix	matrix = fixture_matrix(nrows, 5, 2, 0.2, nrows);
		PfForestParams params = random_params(&matrix, 1);
		PfTree		tree = fixture_tree(&matrix, &params, 0);

		CHECK(tree.nnodes >= 1 && tree.nnodes < 2 * nrows);
		unit_release_all();
	}
}

static void
grow_some(void *arg)
{
	PfMatrix	matrix = fixture_matrix(300, 3, 2, 0.1, 31);
	PfForestParams params = random_params(&matrix, 1);

	(void) arg;
	fixture_tree(&matrix, &params, 0);
}

/* Where bins lie: in the middle between their cuts. */
static void
places_are_middles(void)
{
	double		cuts[] = {1, 3, 7};
	double		wild[] = {-INFINITY, 0, INFINITY};
	double		far[] = {-1.7e308, 0, 1.7e308};
	PfBins		bins = {.kind = PF_NUMBER,.nbins = 4,.cuts = cuts};
	float		out[256];

	pf_bin_places(&bins, out);	/* 0, 2, 5, 9 */
	CHECK_DOUBLE(out[0], 0);
	CHECK_NEAR(out[1], 2 / 9.0, 1e-7);
	CHECK_NEAR(out[2], 5 / 9.0, 1e-7);
	CHECK_DOUBLE(out[3], 1);
	bins.cuts = wild;
	pf_bin_places(&bins, out);
	CHECK_NEAR(out[1], 1 / 3.0, 1e-7);
	bins.cuts = far;
	pf_bin_places(&bins, out);
	CHECK_NEAR(out[2], 2 / 3.0, 1e-7);
	bins.nbins = 2;
	pf_bin_places(&bins, out);
	CHECK(out[0] == 0 && out[1] == 1);
	bins.nbins = 1;
	pf_bin_places(&bins, out);
	CHECK_DOUBLE(out[0], 0);
	bins.kind = PF_CATEGORY;
	bins.nbins = 5;
	pf_bin_places(&bins, out);
	CHECK_DOUBLE(out[1], 0.25);
}

void
test_randomcut(void)
{
	falls_evenly(1);
	falls_evenly(3);
	ways_agree(1000, 0);
	ways_agree(1000, 0.1);
	ways_agree(40000, 0);
	learns(2, 0);
	learns(2, 0.1);
	learns(4, 0);
	learns(0, 0);
	learns(0, 0.1);
	few_rows();
	places_are_middles();
	for (uint64_t after = 0; after < 200; after += 29)
		unit_interrupt(after, grow_some, NULL);
	unit_release_all();
}

/*
 * test_view.c
 *	  A tree that ends earlier is the top of one that goes on, to the last bit.
 */
#include "fixture.h"
#include "unit.h"

#include "engine/forest/samples.h"

/* What a row gets in the view of a tree, and in the tree that was grown like it. */
static uint32_t
count_differences(const PfMatrix *matrix, PfTree *whole, uint32_t view, PfTree *grown)
{
	const PfEnv *env = unit_env();
	uint32_t   *in_view = pf_alloc(env, matrix->nrows * sizeof(uint32_t));
	uint32_t   *in_tree = pf_alloc(env, matrix->nrows * sizeof(uint32_t));
	uint32_t	differ = 0;

	pf_find_view_leaves(env, matrix, whole, view, in_view);
	pf_find_leaves(env, matrix, grown, in_tree);
	for (uint32_t i = 0; i < matrix->nrows; i++)
		differ += memcmp(whole->leaves + (size_t) in_view[i] * whole->width,
						 grown->leaves + (size_t) in_tree[i] * grown->width,
						 grown->width * sizeof(double)) != 0;
	return differ;
}

static void
views_are_trees(PfMatrix matrix, PfForestParams params)
{
	static const PfView views[] = {{1, 2}, {3, 2}, {7, 2}, {0, 5}, {0, 400}, {4, 60}, {30, 100000}};
	uint32_t	nviews = sizeof(views) / sizeof(views[0]);
	PfTree		whole;
	PfTree		before;

	params.by_place = true;
	before = fixture_tree(&matrix, &params, 5);
	CHECK_INT(before.nends, 0);
	params.nviews = nviews;
	memcpy(params.views, views, sizeof(views));
	whole = fixture_tree(&matrix, &params, 5);
	CHECK_INT(whole.nnodes, before.nnodes);
	params.nviews = 0;
	for (uint32_t v = 0; v < nviews; v++)
	{
		PfTree		grown;

		params.max_depth = views[v].max_depth;
		params.min_samples_split = views[v].min_samples_split;
		grown = fixture_tree(&matrix, &params, 5);
		CHECK(grown.nnodes <= whole.nnodes);
		CHECK_INT(count_differences(&matrix, &whole, v, &grown), 0);
	}
	/* asking the views has left the tree as it was */
	CHECK_INT(count_differences(&matrix, &whole, PF_MAX_VIEWS, &before), 0);
}

static void
of_all_kinds(uint32_t nclasses)
{
	PfMatrix	matrix = fixture_matrix(3000, 7, nclasses, 0.1, 19);
	PfForestParams params = fixture_params(&matrix);
	float	   *places = pf_alloc(unit_env(), 7 * 256 * sizeof(float));

	params.max_features = 2;
	views_are_trees(matrix, params);
	params.min_samples_leaf = 3;
	params.min_impurity_decrease = 1e-4;
	views_are_trees(matrix, params);
	for (uint32_t i = 0; i < 7 * 256; i++)
		places[i] = (float) (i % 256);
	params.places = places;
	views_are_trees(matrix, params);
	unit_release_all();
}

/* By number, a tree that ends earlier draws other features: else nobody would need places. */
static void
not_by_number(void)
{
	PfMatrix	matrix = fixture_matrix(3000, 7, 2, 0.1, 19);
	PfForestParams params = fixture_params(&matrix);
	PfTree		whole;
	PfTree		grown;

	params.max_features = 2;
	params.nviews = 1;
	params.views[0] = (PfView) {
		5, 2
	};
	whole = fixture_tree(&matrix, &params, 5);
	params.nviews = 0;
	params.max_depth = 5;
	grown = fixture_tree(&matrix, &params, 5);
	CHECK(count_differences(&matrix, &whole, 0, &grown) > 0);
	unit_release_all();
}

void
test_view(void)
{
	of_all_kinds(2);
	of_all_kinds(3);
	of_all_kinds(6);
	of_all_kinds(0);
	not_by_number();
}

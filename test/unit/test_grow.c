/*
 * test_grow.c
 *	  Trees: do they split where they should, and always the same way?
 */
#include <math.h>
#include <string.h>

#include "engine/grow/boundaries.h"
#include "engine/grow/grow.h"
#include "engine/grow/random.h"
#include "fixture.h"
#include "unit.h"

/* The impurity of some rows times their number, by the definition. */
static double
impurity(const PfMatrix *matrix, const PfForestParams *params, const bool *taken, uint32_t *n)
{
	double		counts[8] = {0};
	double		sum = 0;
	double		result = 0;

	*n = 0;
	for (uint32_t i = 0; i < matrix->nrows; i++)
	{
		if (!taken[i])
			continue;
		(*n)++;
		if (matrix->nclasses)
			counts[matrix->label[i]]++;
		else
			sum += matrix->target[i];
	}
	if (*n == 0)
		return 0;
	if (matrix->nclasses == 0)
	{
		for (uint32_t i = 0; i < matrix->nrows; i++)
			result += taken[i] ? pow(matrix->target[i] - sum / *n, 2) : 0;
		return result;
	}
	for (uint32_t c = 0; c < matrix->nclasses; c++)
	{
		double		share = counts[c] / *n;

		if (params->criterion == PF_GINI)
			result += *n * share * (1 - share);
		else if (share > 0)
			result -= *n * share * log2(share);
	}
	return result;
}

/* The decrease of impurity of a cut of all rows; -1 when a side is too small. */
static double
gain_by_hand(const PfMatrix *matrix, const PfForestParams *params,
			 uint32_t feature, uint32_t threshold, bool missing_left)
{
	bool	   *taken = pf_alloc(unit_env(), matrix->nrows);
	double		gain = 0;
	uint32_t	n;

	for (int side = 0; side < 3; side++)
	{
		double		impure;

		for (uint32_t i = 0; i < matrix->nrows; i++)
		{
			uint8_t		bin = matrix->bins[(size_t) i * matrix->stride + feature];
			bool		left = bin == PF_MISSING_BIN ? missing_left : bin <= threshold;

			taken[i] = side == 2 || left == (side == 0);
		}
		impure = impurity(matrix, params, taken, &n);
		if (n < params->min_samples_leaf)
		{
			gain = -1;
			break;
		}
		gain += side == 2 ? impure : -impure;
	}
	pf_release(unit_env(), taken);
	return gain;
}

/*
 * On small and large nodes, for all criteria: no cut by hand is better than the one
 * found.  weighted: with weights, all of them 1, which are summed in another way.
 */
static void
finds_the_best_split(uint32_t nrows, uint32_t nclasses, PfCriterion criterion, double missing,
					 uint32_t min_leaf, bool weighted)
{
	PfMatrix	matrix = fixture_matrix(nrows, 2, nclasses, missing, nrows + nclasses);
	PfForestParams params = fixture_params(&matrix);
	PfTree		tree;
	double		best = 0;

	/* few bins, for there are many rows to count by hand */
	for (uint32_t i = 0; nrows > 2000 && i < nrows * matrix.stride; i++)
	{
		if (matrix.bins[i] != PF_MISSING_BIN)
			matrix.bins[i] = matrix.bins[i] / 16 * 16;
	}
	if (weighted)
	{
		matrix.weight = pf_alloc(unit_env(), nrows * sizeof(float));
		for (uint32_t i = 0; i < nrows; i++)
			matrix.weight[i] = 1;
	}
	params.criterion = criterion;
	params.bootstrap = false;
	params.max_depth = 1;
	params.min_samples_leaf = min_leaf;
	tree = fixture_tree(&matrix, &params, 0);
	for (uint32_t f = 0; f < 2; f++)
	{
		for (uint32_t t = 0; t < 255; t += nrows > 2000 ? 8 : 1)
		{
			for (int m = 0; m < (missing > 0 ? 2 : 1); m++)
				best = fmax(best, gain_by_hand(&matrix, &params, f, t, m));
		}
		best = fmax(best, gain_by_hand(&matrix, &params, f, 254, false));
	}
	if (CHECK_INT(tree.nnodes, best > 0 ? 3 : 1) && best > 0)
	{
		const PfNode *root = &tree.nodes[0];

		CHECK_NEAR(gain_by_hand(&matrix, &params, root->feature, root->threshold,
								root->link & PF_MISSING_LEFT), best, 1e-9 * best);
		CHECK_NEAR(tree.importance[root->feature], best, 1e-9 * best);
	}
	unit_release_all();
}

static void
finds_the_best_splits(void)
{
	static const struct
	{
		uint32_t	nclasses;
		PfCriterion criterion;
	}			kinds[] = {{2, PF_GINI}, {3, PF_GINI}, {4, PF_GINI}, {5, PF_GINI},
	{3, PF_ENTROPY}, {0, PF_SQUARED_ERROR}};

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
	{
		for (int weighted = 0; weighted < 2; weighted++)
		{
			for (uint32_t min_leaf = 1; min_leaf < 8; min_leaf += 6)
			{
				uint32_t	nclasses = kinds[k].nclasses;
				PfCriterion criterion = kinds[k].criterion;

				finds_the_best_split(15, nclasses, criterion, 0, min_leaf, weighted);
				finds_the_best_split(16, nclasses, criterion, 0.3, min_leaf, weighted);
				finds_the_best_split(100, nclasses, criterion, 0.2, min_leaf, weighted);
			}
			finds_the_best_split(2, kinds[k].nclasses, kinds[k].criterion, 0, 1, weighted);
			finds_the_best_split(700, kinds[k].nclasses, kinds[k].criterion, 0, 7, weighted);
		}
	}
	finds_the_best_split(9000, 2, PF_GINI, 0.2, 1, false);
	/* heavier than what 16 bits a class can count */
	finds_the_best_split(70000, 3, PF_GINI, 0.2, 1, false);
}

/* Every processor scores alike, for any number of boundaries. */
static void
scores_are_the_same_bits(void)
{
	PfBoundaries *boundaries = pf_alloc(unit_env(), sizeof(PfBoundaries));
	double		scores[2][PF_BOUNDARY_ROOM];
	uint64_t	stream = pf_random_stream(1, PF_CHOOSE_ROWS, 1, 1);

	for (PfCellShape shape = PF_PAIRS; shape <= PF_SUMS; shape++)
	{
		for (uint32_t n = 1; n < 256; n += 9)
		{
			PfPile		total = {0};
			PfPile		more = {shape == PF_PAIRS ? UINT64_C(0x100000002) : UINT64_C(0x1000200010003), 0.25, 3};

			for (uint32_t i = 0; i < n; i++)
			{
				if (shape == PF_SUMS)
				{
					total.weight += 1 + pf_random_below(stream, i, 100) / 7.0;
					total.sum += pf_random_below(stream, i + 256, 1000) / 3.0 - 100;
					boundaries->left.weight[i] = total.weight;
					boundaries->sum[i] = total.sum;
				}
				else
				{
					total.cell += UINT64_C(1) << (shape == PF_PAIRS ? 32 : 16) *
						pf_random_below(stream, i, shape == PF_PAIRS ? 2 : 4);
					boundaries->left.cell[i] = total.cell;
				}
			}
			total.cell += more.cell * 2;
			total.weight += 1;
			for (int portable = 0; portable < 2; portable++)
			{
				double		best = -INFINITY;
				double		most = -INFINITY;
				uint32_t	at = UINT32_MAX;
				uint32_t	found = pf_boundary_scorer(portable) (shape, boundaries, total, more, n / 3, n,
																  scores[portable], &best);

				for (uint32_t i = n / 3; i < n; i++)
				{
					if (scores[portable][i] > most)
					{
						most = scores[portable][i];
						at = i;
					}
				}
				CHECK_INT(found, at);
				CHECK(best == most);
				found = pf_boundary_scorer(portable) (shape, boundaries, total, more, n / 3, n,
													  scores[portable], &best);
				CHECK_INT(found, UINT32_MAX);
			}
			CHECK(memcmp(&scores[0][n / 3], &scores[1][n / 3], (n - n / 3) * sizeof(double)) == 0);
		}
	}
}

/* An unlimited tree without bootstrap repeats what it was taught. */
static void
learns_by_heart(uint32_t nclasses, PfCriterion criterion)
{
	PfMatrix	matrix = fixture_matrix(5000, 6, nclasses, 0.1, 7);
	PfForestParams params = fixture_params(&matrix);
	PfTree		tree;
	uint32_t	wrong = 0;

	params.bootstrap = false;
	params.criterion = criterion;
	params.max_features = 2;
	tree = fixture_tree(&matrix, &params, 3);
	for (uint32_t i = 0; i < matrix.nrows; i++)
	{
		const double *leaf = tree.leaves +
			(size_t) pf_tree_leaf(tree.nodes, matrix.bins + (size_t) i * matrix.stride) * tree.width;

		if (nclasses ? leaf[matrix.label[i]] != 1 : leaf[0] != matrix.target[i])
			wrong++;
	}
	CHECK_INT(wrong, 0);
	/* every leaf is of one class alone, and these share a row */
	CHECK_INT(tree.nleaves, nclasses ? nclasses : (tree.nnodes + 1) / 2);
}

static void
keeps_the_limits(void)
{
	PfMatrix	matrix = fixture_matrix(3000, 5, 3, 0.05, 11);
	PfForestParams params = fixture_params(&matrix);
	uint32_t	rows[3000] = {0};
	uint32_t	depth[3000] = {0};
	uint32_t	least = UINT32_MAX;
	uint32_t	deepest = 0;
	PfTree		tree;

	params.bootstrap = false;
	params.min_samples_leaf = 40;
	tree = fixture_tree(&matrix, &params, 0);
	for (uint32_t i = 0; i < matrix.nrows; i++)
		rows[pf_tree_leaf(tree.nodes, matrix.bins + (size_t) i * matrix.stride)]++;
	for (uint32_t i = 0; i < tree.nleaves; i++)
		least = rows[i] < least ? rows[i] : least;
	CHECK(least >= 40);
	CHECK(tree.nleaves > 10);

	params.min_samples_leaf = 1;
	params.max_leaf_nodes = 17;
	tree = fixture_tree(&matrix, &params, 0);
	CHECK_INT(tree.nleaves, 17);
	CHECK_INT(tree.nnodes, 33);

	params.max_leaf_nodes = 0;
	params.max_depth = 4;
	tree = fixture_tree(&matrix, &params, 0);
	for (uint32_t i = 0; i < tree.nnodes; i++)
	{
		if (pf_is_leaf(&tree.nodes[i]))
			continue;
		CHECK((tree.nodes[i].link & PF_LINK_MASK) > i);
		depth[tree.nodes[i].link & PF_LINK_MASK] = depth[i] + 1;
		depth[(tree.nodes[i].link & PF_LINK_MASK) + 1] = depth[i] + 1;
		deepest = depth[i] + 1 > deepest ? depth[i] + 1 : deepest;
	}
	CHECK_INT(deepest, 4);

	params.max_depth = 0;
	params.min_impurity_decrease = 0.01;
	tree = fixture_tree(&matrix, &params, 0);
	CHECK(tree.nleaves > 1 && tree.nleaves < 60);
}

/* Best first is depth first in another order when nothing stops it. */
static void
order_does_not_matter(void)
{
	PfMatrix	matrix = fixture_matrix(400, 4, 2, 0, 13);
	PfForestParams params = fixture_params(&matrix);
	PfTree		depth_first,
				best_first;
	uint32_t	differ = 0;

	params.bootstrap = false;	/* and all features: no random choice is left */
	depth_first = fixture_tree(&matrix, &params, 0);
	params.max_leaf_nodes = 1000000;
	best_first = fixture_tree(&matrix, &params, 0);
	CHECK_INT(best_first.nnodes, depth_first.nnodes);
	for (uint32_t i = 0; i < matrix.nrows; i++)
	{
		const uint8_t *row = matrix.bins + (size_t) i * matrix.stride;

		differ += memcmp(depth_first.leaves + 2 * pf_tree_leaf(depth_first.nodes, row),
						 best_first.leaves + 2 * pf_tree_leaf(best_first.nodes, row),
						 2 * sizeof(double)) != 0;
	}
	CHECK_INT(differ, 0);
}

static void
is_the_same_every_time(void)
{
	PfMatrix	matrix = fixture_matrix(2000, 8, 3, 0.1, 17);
	PfForestParams params = fixture_params(&matrix);
	PfGrower   *grower;
	PfTree		first,
				other,
				again;

	params.max_features = 3;
	first = fixture_tree(&matrix, &params, 5);
	/* by a participant that has grown other trees before */
	grower = pf_grower_create(unit_env(), &matrix, &params);
	pf_forest_grow_tree(grower, 9, NULL, &other);
	pf_forest_grow_tree(grower, 5, NULL, &again);
	pf_grower_release(grower);
	CHECK(fixture_same_tree(&first, &again));
	CHECK(!fixture_same_tree(&first, &other));
	params.seed++;
	other = fixture_tree(&matrix, &params, 5);
	CHECK(!fixture_same_tree(&first, &other));
}

/* Weighing a row 3 times is having it 3 times. */
static void
weights_are_repeats(void)
{
	PfMatrix	weighted = fixture_matrix(500, 4, 2, 0, 19);
	PfMatrix	repeated = fixture_matrix(1500, 4, 2, 0, 19);
	PfForestParams params;
	PfTree		a,
				b;
	uint32_t	differ = 0;

	weighted.weight = pf_alloc(unit_env(), 500 * sizeof(float));
	for (uint32_t i = 0; i < 500; i++)
	{
		weighted.weight[i] = 3;
		for (uint32_t j = 3 * i; j < 3 * i + 3; j++)
		{
			memcpy(repeated.bins + (size_t) j * repeated.stride,
				   weighted.bins + (size_t) i * weighted.stride, weighted.stride);
			repeated.label[j] = weighted.label[i];
		}
	}
	params = fixture_params(&weighted);
	params.bootstrap = false;
	params.max_depth = 5;
	a = fixture_tree(&weighted, &params, 0);
	b = fixture_tree(&repeated, &params, 0);
	for (uint32_t i = 0; i < 500; i++)
	{
		const uint8_t *row = weighted.bins + (size_t) i * weighted.stride;

		differ += fabs(a.leaves[2 * pf_tree_leaf(a.nodes, row)] -
					   b.leaves[2 * pf_tree_leaf(b.nodes, row)]) > 1e-12;
	}
	CHECK_INT(differ, 0);
}

static void
votes_are_of_trees_that_did_not_see_the_row(void)
{
	PfMatrix	matrix = fixture_matrix(1000, 4, 3, 0, 23);
	PfForestParams params = fixture_params(&matrix);
	const PfEnv *env = unit_env();
	PfGrower   *grower = pf_grower_create(env, &matrix, &params);
	PfVotes		votes;
	double		shares[3];
	uint64_t	votes_cast = 0;
	uint32_t	right = 0;

	pf_votes_scale(env, &matrix, &votes);
	votes.sum = pf_alloc(env, 3000 * sizeof(uint64_t));
	votes.trees = pf_alloc(env, 1000 * sizeof(uint32_t));
	memset(votes.sum, 0, 3000 * sizeof(uint64_t));
	memset(votes.trees, 0, 1000 * sizeof(uint32_t));
	for (uint32_t t = 0; t < 20; t++)
	{
		PfTree		tree;

		pf_forest_grow_tree(grower, t, &votes, &tree);
		pf_tree_release(env, &tree);
	}
	pf_grower_release(grower);
	for (uint32_t i = 0; i < 1000; i++)
	{
		votes_cast += votes.trees[i];
		if (!pf_votes_read(&votes, &matrix, i, shares))
			continue;
		CHECK_NEAR(shares[0] + shares[1] + shares[2], 1, 1e-8);
		right += shares[matrix.label[i]] > 0.5;
	}
	/* a row is left out by a tree with probability (1 - 1/n)^n */
	CHECK_NEAR((double) votes_cast / 20000, exp(-1), 0.01);
	CHECK(right > 900);
}

/*
 * Small subtrees are grown on a copy of their rows, and how many rows that are depends on
 * the bytes of a row: with wide gaps between the rows it is other subtrees.
 */
static void
gaps_between_rows_change_nothing(uint32_t nclasses)
{
	PfMatrix	close = fixture_matrix(20000, 4, nclasses, 0.1, 37);
	PfMatrix	apart = close;
	PfForestParams params = fixture_params(&close);
	PfTree		a,
				b;

	apart.stride = 1024;
	apart.bins = pf_alloc(unit_env(), (size_t) apart.nrows * apart.stride);
	for (uint32_t i = 0; i < close.nrows; i++)
		memcpy(apart.bins + (size_t) i * apart.stride, close.bins + (size_t) i * close.stride, 4);
	a = fixture_tree(&close, &params, 0);
	b = fixture_tree(&apart, &params, 0);
	CHECK(fixture_same_tree(&a, &b));
	CHECK(a.nnodes > 1000);
}

static void
odd_shapes(void)
{
	PfMatrix	matrix = fixture_matrix(1, 1, 2, 0, 29);
	PfForestParams params = fixture_params(&matrix);
	PfTree		tree = fixture_tree(&matrix, &params, 0);

	CHECK_INT(tree.nnodes, 1);

	/* nothing to split by */
	matrix = fixture_matrix(100, 2, 2, 1, 29);
	params = fixture_params(&matrix);
	tree = fixture_tree(&matrix, &params, 0);
	CHECK_INT(tree.nnodes, 1);

	/* only missing against not missing tells */
	matrix = fixture_matrix(100, 1, 2, 0, 29);
	for (uint32_t i = 0; i < 100; i++)
	{
		matrix.label[i] = i % 2;
		matrix.bins[i * matrix.stride] = i % 2 ? PF_MISSING_BIN : 7;
	}
	params = fixture_params(&matrix);
	params.bootstrap = false;
	tree = fixture_tree(&matrix, &params, 0);
	CHECK_INT(tree.nnodes, 3);
	CHECK_DOUBLE(tree.leaves[2 * pf_tree_leaf(tree.nodes, (uint8_t[]) {PF_MISSING_BIN}) + 1], 1);
	CHECK_DOUBLE(tree.leaves[2 * pf_tree_leaf(tree.nodes, (uint8_t[]) {200})], 1);

	/* a path as deep as there are rows */
	matrix = fixture_matrix(255, 1, 0, 0, 29);
	for (uint32_t i = 0; i < 255; i++)
	{
		matrix.bins[i * matrix.stride] = (uint8_t) i;
		matrix.target[i] = pow(3, i);
	}
	params = fixture_params(&matrix);
	params.bootstrap = false;
	tree = fixture_tree(&matrix, &params, 0);
	CHECK_INT(tree.nleaves, 255);
}

/* Rooms of so many rows.  moved: rows are moved with their items, if they may be. */
static void
make_rooms(PfGrowth *growth, const uint32_t *rows, bool moved)
{
	for (int k = 0; k < 2; k++)
	{
		pf_release(unit_env(), growth->nearby[k]);
		growth->nearby_rows[k] = rows[k];
		growth->nearby[k] = pf_alloc(unit_env(), (size_t) rows[k] * growth->matrix->stride + PF_MOVED_MOST * (rows[k] + 1));
	}
	pf_release(unit_env(), growth->nearby_other);
	growth->nearby_other = pf_alloc(unit_env(), PF_MOVED_MOST * (rows[1] + 1));
	if (!moved)
		growth->nearby_moved = 0;
}

/* Wherever the bins of a subtree are brought to, and whether they are moved there, its tree is the same. */
static void
nearness_changes_nothing(uint32_t nclasses, uint32_t nfeatures, bool random_cuts, uint32_t how)
{
	static const uint32_t rooms[][2] = {{0, 0}, {0, 100}, {700, 0}, {700, 100}, {2000, 2}, {100, 100}, {0, 2000}};
	PfMatrix	matrix = fixture_matrix(2000, nfeatures, nclasses, 0.1, 17);
	PfForestParams params = fixture_params(&matrix);
	PfTree		plain;

	params.bootstrap = how == 1;
	params.max_features = how == 2 ? nfeatures : 3;
	params.min_samples_leaf = how == 3 ? 3 : 1;
	if (how == 4)
	{
		params.by_place = true;
		params.nviews = 1;
		params.views[0] = (PfView) {.max_depth = 5,.min_samples_split = 2};
	}
	if (random_cuts)
	{
		params.places = pf_alloc(unit_env(), nfeatures * 256 * sizeof(float));
		for (uint32_t i = 0; i < nfeatures * 256; i++)
			params.places[i] = (float) (i % 256);
	}
	for (int moved = 0; moved < 2; moved++)
	{
		for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++)
		{
			PfGrowth	growth;
			PfTree		tree;

			pf_growth_init(&growth, unit_env(), &matrix, &params);
			CHECK_INT(growth.nearby_moved, !random_cuts || nfeatures > 32 ? 0 : nfeatures > 16 ? 32 : 16);
			make_rooms(&growth, rooms[i], moved);
			pf_grow_tree(&growth, 3, fixture_items(&matrix), matrix.nrows, &tree);
			pf_growth_release(&growth);
			if (moved == 0 && i == 0)
				plain = tree;
			CHECK(fixture_same_tree(&plain, &tree));
			CHECK_INT(tree.nends, plain.nends);
		}
	}
	CHECK(plain.nnodes > 100 || nclasses == 1);
	unit_release_all();
}

static void
draws_evenly(void)
{
	uint32_t	counts[10] = {0};
	uint64_t	stream = pf_random_stream(1, PF_CHOOSE_ROWS, 2, 3);

	for (uint32_t i = 0; i < 100000; i++)
		counts[pf_random_below(stream, i, 10)]++;
	for (int i = 0; i < 10; i++)
		CHECK_NEAR(counts[i], 10000, 500);
	CHECK(stream != pf_random_stream(1, PF_CHOOSE_FEATURES, 2, 3));
	CHECK(stream != pf_random_stream(1, PF_CHOOSE_ROWS, 3, 2));
}

static void
names_are_found(void)
{
	CHECK_INT(pf_edit_distance("kitten", "sitting"), 3);
	CHECK(pf_find_param(pf_random_forest_params, "max_depth") != NULL);
	CHECK(pf_find_param(pf_random_forest_params, "") == NULL);
}

static void
grow_some(void *arg)
{
	PfMatrix   *matrix = arg;
	PfForestParams params = fixture_params(matrix);

	for (uint32_t t = 0; t < 3; t++)
		fixture_tree(matrix, &params, t);
}

void
test_grow(void)
{
	finds_the_best_splits();
	scores_are_the_same_bits();
	unit_release_all();
	learns_by_heart(2, PF_GINI);
	learns_by_heart(3, PF_GINI);
	learns_by_heart(4, PF_GINI);
	learns_by_heart(5, PF_GINI);
	learns_by_heart(5, PF_ENTROPY);
	learns_by_heart(0, PF_SQUARED_ERROR);
	unit_release_all();
	keeps_the_limits();
	order_does_not_matter();
	is_the_same_every_time();
	weights_are_repeats();
	votes_are_of_trees_that_did_not_see_the_row();
	gaps_between_rows_change_nothing(0);
	gaps_between_rows_change_nothing(2);
	gaps_between_rows_change_nothing(3);
	nearness_changes_nothing(0, 9, false, 0);
	nearness_changes_nothing(2, 9, false, 0);
	for (int i = 0; i < 6 * 6 * 5; i++)
		nearness_changes_nothing((uint32_t[]) {0, 1, 2, 3, 4, 6}[i % 6], (uint32_t[]) {3, 9, 16, 17, 32, 33}[i / 6 % 6], true,
								 i / 36);
	odd_shapes();
	draws_evenly();
	names_are_found();
	unit_release_all();
	for (uint64_t after = 0; after < 400; after += 37)
	{
		/* the rows are made inside, since what was allocated goes */
		PfMatrix	matrix = fixture_matrix(300, 3, 2, 0, 31);

		unit_interrupt(after, grow_some, &matrix);
		unit_release_all();
	}
}

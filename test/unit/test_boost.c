/*
 * test_boost.c
 *	  Boosted trees: splits by hand, losses, constraints, and the same trees whoever grows them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/boost/boost.h"
#include "engine/boost/parts.h"
#include "engine/walk/output.h"
#include "fixture.h"
#include "unit.h"

static PfBoostParams
boost_params(const PfMatrix *matrix, PfLoss loss)
{
	PfBoostParams params = {
		.loss = loss,.quantile = 0.5,.learning_rate = 0.1,.n_estimators = 20,
		.max_leaf_nodes = 31,.min_samples_leaf = 20,.subsample = 1,
		.tree_features = matrix->nfeatures,.max_features = matrix->nfeatures,.seed = 42
	};

	return params;
}

/* Tasks last to first, and now and then by somebody else: another view of the same block. */
typedef struct Helpers
{
	PfBoost    *other;
	uint64_t	random;
} Helpers;

static void
run_mixed(void *arg, PfBoost *boost, uint32_t n, double work)
{
	Helpers    *helpers = arg;

	(void) work;
	while (n-- > 0)
		pf_boost_task(unit_random(&helpers->random) % 2 ? boost : helpers->other, n);
}

static void *
make_block(const PfMatrix *matrix, const PfBoostParams *params)
{
	char	   *memory = pf_alloc(unit_env(), pf_boost_shared_size(matrix, params) + 64);

	return memory + (64 - (uintptr_t) memory % 64);
}

static PfBoosted
boost_rows(const PfMatrix *matrix, const PfBoostParams *params)
{
	PfBoost    *boost = pf_boost_create(unit_env(), matrix, params, make_block(matrix, params), true);
	PfBoosted	result;

	pf_boost_run(boost, pf_boost_alone, NULL, NULL, &result);
	pf_boost_release(boost);
	return result;
}

static uint32_t
leaf_of(const PfTree *tree, const uint8_t *row)
{
	return pf_tree_leaf_by_sets(tree->nodes, tree->sets, row);
}

static void
predict(const PfBoosted *boosted, PfLoss loss, const PfMatrix *matrix, const uint8_t *row, double *out)
{
	memcpy(out, boosted->base, boosted->nsums * sizeof(double));
	for (uint32_t t = 0; t < boosted->rounds * boosted->nsums; t++)
		out[t % boosted->nsums] += boosted->trees[t].leaves[leaf_of(&boosted->trees[t], row)];
	pf_link_apply(loss == PF_LOSS_POISSON ? PF_LINK_EXP : loss != PF_LOSS_LOG ? PF_LINK_IDENTITY
				  : boosted->nsums == 1 ? PF_LINK_LOGISTIC : PF_LINK_SOFTMAX,
				  matrix->nclasses ? matrix->nclasses : 1, out);
}

static const uint8_t *
row_of(const PfMatrix *matrix, uint32_t i)
{
	return matrix->bins + (size_t) i * matrix->stride;
}

/* The mean loss of all rows, by the definitions. */
static double
loss_by_hand(const PfBoosted *boosted, const PfMatrix *matrix, const PfBoostParams *params)
{
	double		loss = 0;

	for (uint32_t i = 0; i < matrix->nrows; i++)
	{
		double		out[8];
		double		rest;

		predict(boosted, params->loss, matrix, row_of(matrix, i), out);
		rest = matrix->nclasses ? 0 : matrix->target[i] - out[0];
		switch (params->loss)
		{
			case PF_LOSS_SQUARED_ERROR:
				loss += rest * rest / 2;
				break;
			case PF_LOSS_ABSOLUTE_ERROR:
				loss += fabs(rest);
				break;
			case PF_LOSS_QUANTILE:
				loss += rest > 0 ? params->quantile * rest : (params->quantile - 1) * rest;
				break;
			case PF_LOSS_POISSON:
				loss += out[0] - matrix->target[i] * log(out[0]);
				break;
			case PF_LOSS_LOG:
				loss -= log(out[matrix->label[i]]);
				break;
		}
	}
	return loss / matrix->nrows;
}

static bool
same_trees(const PfBoosted *a, const PfBoosted *b)
{
	if (a->rounds != b->rounds || a->nsums != b->nsums)
		return false;
	for (uint32_t t = 0; t < a->rounds * a->nsums; t++)
	{
		const PfTree *x = &a->trees[t],
				   *y = &b->trees[t];

		if (x->nnodes != y->nnodes || memcmp(x->nodes, y->nodes, x->nnodes * sizeof(PfNode)) != 0 ||
			memcmp(x->leaves, y->leaves, x->nleaves * sizeof(double)) != 0 ||
			x->nsets != y->nsets ||
			(x->nsets > 0 && memcmp(x->sets, y->sets, x->nsets * sizeof(PfSet)) != 0))
			return false;
	}
	return true;
}

/* Each round lowers the loss, much of it is gone at the end, and leaves have the rows they must. */
static void
learns(uint32_t nclasses, PfLoss loss, double missing)
{
	PfMatrix	matrix = fixture_matrix(3000, 5, nclasses, missing, 3);
	PfBoostParams params = boost_params(&matrix, loss);
	PfBoosted	boosted;
	uint32_t	wrong = 0;
	double		before = INFINITY;
	double		first = 0;

	params.quantile = 0.8;
	boosted = boost_rows(&matrix, &params);
	CHECK_INT(boosted.rounds, 20);
	CHECK_INT(boosted.nsums, nclasses > 2 ? nclasses : 1);
	for (boosted.rounds = 0; boosted.rounds <= 20; boosted.rounds++)
	{
		double		now = loss_by_hand(&boosted, &matrix, &params);

		wrong += !(now < before);
		before = now;
		first = boosted.rounds == 0 ? now : first;
	}
	boosted.rounds = 20;
	CHECK_INT(wrong, 0);
	CHECK(before < (loss == PF_LOSS_POISSON ? first : first * (missing > 0 ? 0.8 : 0.6)));

	for (uint32_t t = 0; t < 20 * boosted.nsums; t++)
	{
		uint32_t	counts[64] = {0};

		CHECK(boosted.trees[t].nleaves <= 31);
		for (uint32_t i = 0; i < matrix.nrows; i++)
			counts[leaf_of(&boosted.trees[t], row_of(&matrix, i))]++;
		for (uint32_t l = 0; l < boosted.trees[t].nleaves; l++)
			wrong += counts[l] < 20;
	}
	CHECK_INT(wrong, 0);
	CHECK(boosted.importance[0] > boosted.importance[1] && boosted.importance[1] > boosted.importance[2]);
	CHECK_NEAR(boosted.importance[0] + boosted.importance[1] + boosted.importance[2] +
			   boosted.importance[3] + boosted.importance[4], 1, 1e-12);
	unit_release_all();
}

/* The first split of squared errors is the best there is, and its leaves are means. */
static void
splits_as_by_hand(double missing, double l2)
{
	PfMatrix	matrix = fixture_matrix(900, 4, 0, missing, 9);
	PfBoostParams params = boost_params(&matrix, PF_LOSS_SQUARED_ERROR);
	PfBoosted	boosted;
	double		best = 0,
				found = 0;
	double		mean = 0;
	const PfNode *root;

	params.n_estimators = 1;
	params.max_leaf_nodes = 2;
	params.learning_rate = 1;
	params.l2_regularization = l2;
	boosted = boost_rows(&matrix, &params);
	root = boosted.trees[0].nodes;
	for (uint32_t i = 0; i < matrix.nrows; i++)
		mean += matrix.target[i] / matrix.nrows;
	CHECK_NEAR(boosted.base[0], mean, 1e-9);
	for (uint32_t f = 0; f < matrix.nfeatures; f++)
	{
		for (uint32_t cut = 0; cut < 510; cut++)
		{
			double		sum[2] = {0},
						n[2] = {0};
			double		gain;

			for (uint32_t i = 0; i < matrix.nrows; i++)
			{
				uint8_t		bin = row_of(&matrix, i)[f];
				int			side = bin == PF_MISSING_BIN ? cut % 2 : bin > cut / 2;

				sum[side] += matrix.target[i] - mean;
				n[side]++;
			}
			if (n[0] < 20 || n[1] < 20)
				continue;
			gain = sum[0] * sum[0] / (n[0] + l2) + sum[1] * sum[1] / (n[1] + l2);
			best = gain > best ? gain : best;
			if (f == root->feature && cut / 2 == root->threshold &&
				(cut % 2 == 0) == ((root->link & PF_MISSING_LEFT) != 0 || missing == 0))
			{
				found = gain;
				CHECK_NEAR(boosted.trees[0].leaves[0], sum[0] / (n[0] + l2), 1e-6);
				CHECK_NEAR(boosted.trees[0].leaves[1], sum[1] / (n[1] + l2), 1e-6);
			}
		}
	}
	CHECK_NEAR(found, best, best * 1e-6);
	unit_release_all();
}

/* Marks features 2 and up as categories of so many bins, which their values are folded into. */
static void
make_categories(PfMatrix *matrix, PfBoostParams *params, uint32_t nbins)
{
	params->category_bins = pf_alloc(unit_env(), matrix->nfeatures);
	for (uint32_t f = 0; f < matrix->nfeatures; f++)
		params->category_bins[f] = f < 2 ? 0 : (uint8_t) nbins;
	for (uint32_t i = 0; i < matrix->nrows; i++)
	{
		uint8_t    *row = matrix->bins + (size_t) i * matrix->stride;

		for (uint32_t f = 2; f < matrix->nfeatures; f++)
			row[f] = row[f] == PF_MISSING_BIN ? PF_MISSING_BIN : (uint8_t) (row[f] % nbins);
	}
}

/* Who does which task, and in what order, cannot be seen. */
static void
is_the_same_whoever(uint32_t nrows, uint32_t nclasses, PfLoss loss, uint32_t max_leaf_nodes,
					uint32_t categories)
{
	PfMatrix	matrix = fixture_matrix(nrows, 6, nclasses, 0.1, 5);
	PfBoostParams params = boost_params(&matrix, loss);
	PfBoosted	alone,
				together;
	PfBoost    *leader;
	Helpers		helpers = {.random = 1};
	void	   *block;

	params.n_estimators = 6;
	params.max_leaf_nodes = max_leaf_nodes;
	params.subsample = 0.7;
	params.tree_features = 5;
	params.max_features = 3;
	params.n_iter_no_change = 5;
	matrix.apart = pf_alloc(unit_env(), nrows);
	for (uint32_t i = 0; i < nrows; i++)
		matrix.apart[i] = i % 10 == 0;
	if (!nclasses)
	{
		matrix.weight = pf_alloc(unit_env(), nrows * sizeof(float));
		for (uint32_t i = 0; i < nrows; i++)
			matrix.weight[i] = 0.25f * (1 + i % 7);
	}
	else
		params.class_weight = PF_WEIGHT_BALANCED;
	if (categories > 0)
		make_categories(&matrix, &params, categories);
	alone = boost_rows(&matrix, &params);
	block = make_block(&matrix, &params);
	leader = pf_boost_create(unit_env(), &matrix, &params, block, true);
	helpers.other = pf_boost_create(unit_env(), &matrix, &params, block, false);
	pf_boost_run(leader, run_mixed, NULL, &helpers, &together);
	CHECK(same_trees(&alone, &together));
	CHECK(memcmp(alone.losses, together.losses, (alone.rounds_grown + 1) * sizeof(double)) == 0);
	CHECK(alone.losses[alone.rounds] < alone.losses[0]);
	unit_release_all();
}

/*
 * Of many rows gradients are coarse: here the unit is that of one row that weighs as much as all others, and
 * theirs are far below it.  They are rounded by chance, so what many of them say is heard.
 */
static void
hears_the_many(void)
{
	PfMatrix	matrix = fixture_matrix(100000, 3, 0, 0, 23);
	PfBoostParams params = boost_params(&matrix, PF_LOSS_SQUARED_ERROR);
	PfBoosted	boosted;
	uint32_t	right = 0;

	matrix.weight = pf_alloc(unit_env(), matrix.nrows * sizeof(float));
	for (uint32_t i = 0; i < matrix.nrows; i++)
	{
		matrix.weight[i] = i == 0 ? 1e5f : 1;
		matrix.target[i] = row_of(&matrix, i)[0] > 127;
	}
	params.learning_rate = 0.3;
	boosted = boost_rows(&matrix, &params);
	for (uint32_t i = 1; i < matrix.nrows; i++)
	{
		double		out;

		predict(&boosted, params.loss, &matrix, row_of(&matrix, i), &out);
		right += fabs(out - matrix.target[i]) < 0.1;
	}
	CHECK(right > matrix.nrows / 10 * 9);
	unit_release_all();
}

/* What a split lowers the squared error by, twice; left: of the bins and, as its last bit, of missing. */
static double
gain_by_hand(const PfMatrix *matrix, double mean, uint32_t nbins, uint32_t left, double *leaf)
{
	double		sum[2] = {0},
				n[2] = {0};

	for (uint32_t i = 0; i < matrix->nrows; i++)
	{
		uint8_t		bin = row_of(matrix, i)[2];
		int			side = !(left >> (bin == PF_MISSING_BIN ? nbins : bin) & 1);

		sum[side] += matrix->target[i] - mean;
		n[side]++;
	}
	if (leaf != NULL)
		*leaf = n[0] > 0 ? sum[0] / n[0] : 0;
	return n[0] == 0 || n[1] == 0 ? 0 : sum[0] * sum[0] / n[0] + sum[1] * sum[1] / n[1];
}

/* Of all subsets of the bins the one that is found is the best, when nothing holds it back. */
static void
finds_best_set(uint32_t nbins, double missing, uint64_t seed)
{
	PfMatrix	matrix = fixture_matrix(500, 3, 0, missing, seed);
	PfBoostParams params = boost_params(&matrix, PF_LOSS_SQUARED_ERROR);
	PfBoosted	boosted;
	const PfTree *tree;
	double		best = 0,
				found,
				leaf;
	uint32_t	left = 0;
	uint64_t	random = seed;

	make_categories(&matrix, &params, nbins);
	for (uint32_t i = 0; i < matrix.nrows; i++)
	{
		uint8_t    *row = matrix.bins + (size_t) i * matrix.stride;

		/* only the category tells, and not in the order of its bins */
		row[0] = row[1] = 0;
		matrix.target[i] = (row[2] * 7 + seed) % 5 + 4 * unit_uniform(&random);
	}
	params.n_estimators = 1;
	params.max_leaf_nodes = 2;
	params.learning_rate = 1;
	params.min_samples_leaf = 1;
	boosted = boost_rows(&matrix, &params);
	tree = &boosted.trees[0];
	if (!CHECK_INT(tree->nnodes, 3) || !CHECK_INT(tree->nodes[0].feature, 2))
		return;
	for (uint32_t subset = 1; subset < UINT32_C(1) << (nbins + 1); subset++)
	{
		double		gain = gain_by_hand(&matrix, boosted.base[0], nbins, subset, NULL);

		best = gain > best ? gain : best;
	}
	for (uint32_t bin = 0; bin <= nbins; bin++)
	{
		uint8_t		row[3] = {0, 0, (uint8_t) (bin == nbins ? PF_MISSING_BIN : bin)};

		left |= (uint32_t) (leaf_of(tree, row) == tree->nodes[1].link) << bin;
	}
	found = gain_by_hand(&matrix, boosted.base[0], nbins, left, &leaf);
	CHECK_NEAR(found, best, best * 1e-6);
	CHECK_NEAR(tree->leaves[tree->nodes[1].link], leaf, 1e-6);
	CHECK(!pf_has_set(&tree->nodes[0]) || nbins > 1);
	unit_release_all();
}

/* What a node has not seen goes where most rows go, and no further bins than there are. */
static void
places_strangers(void)
{
	PfMatrix	matrix = fixture_matrix(600, 3, 0, 0, 5);
	PfBoostParams params = boost_params(&matrix, PF_LOSS_SQUARED_ERROR);
	PfBoosted	boosted;
	const PfTree *tree;

	make_categories(&matrix, &params, 9);
	params.category_bins[2] = 12;
	for (uint32_t i = 0; i < matrix.nrows; i++)
		matrix.target[i] = row_of(&matrix, i)[2] % 3 == 1;
	params.n_estimators = 1;
	params.max_leaf_nodes = 2;
	boosted = boost_rows(&matrix, &params);
	tree = &boosted.trees[0];
	CHECK_INT(tree->nsets, 1);
	for (uint32_t bin = 0; bin < 12; bin++)
	{
		uint8_t		row[3] = {0, 0, (uint8_t) bin};
		double		value = tree->leaves[leaf_of(tree, row)];

		CHECK(bin % 3 == 1 && bin < 9 ? value > 0 : value < 0);
	}
	CHECK(tree->leaves[leaf_of(tree, (uint8_t[]) {0, 0, PF_MISSING_BIN})] < 0);
	CHECK_INT(tree->sets[0].bits[0] >> 12, 0);
	CHECK_INT(tree->sets[0].bits[1] | tree->sets[0].bits[2], 0);
	unit_release_all();
}

/* Many categories that tell nothing are hardly used; some that tell something are. */
static void
is_not_misled(void)
{
	PfMatrix	matrix = fixture_matrix(4000, 3, 0, 0, 11);
	PfBoostParams params = boost_params(&matrix, PF_LOSS_SQUARED_ERROR);
	PfBoosted	boosted;
	uint64_t	random = 9;

	make_categories(&matrix, &params, 250);
	for (uint32_t i = 0; i < matrix.nrows; i++)
		matrix.target[i] = unit_uniform(&random) + row_of(&matrix, i)[0] / 400.0;
	boosted = boost_rows(&matrix, &params);
	CHECK(boosted.importance[2] < 0.02);
	for (uint32_t i = 0; i < matrix.nrows; i++)
		matrix.target[i] += row_of(&matrix, i)[2] * 7 % 10 == 3 ? 0.6 : 0;
	boosted = boost_rows(&matrix, &params);
	CHECK(boosted.importance[2] > 0.1);
	unit_release_all();
}

/*
 * Bin 5 has five rows far above all others, bin 4 many that are a little above: as they are, the few are
 * set apart; with so many more rows like the node they stand below the many, and go with
 * them.  A great l2 makes other splits better.
 */
static void
holds_back(void)
{
	PfMatrix	matrix = fixture_matrix(1805, 3, 0, 0, 13);
	PfBoostParams params = boost_params(&matrix, PF_LOSS_SQUARED_ERROR);
	PfBoosted	boosted;

	make_categories(&matrix, &params, 6);
	for (uint32_t i = 0; i < matrix.nrows; i++)
	{
		uint8_t		bin = (uint8_t) (i < 1200 ? i % 4 : i < 1800 ? 4 : 5);

		matrix.bins[(size_t) i * matrix.stride + 2] = bin;
		matrix.target[i] = bin == 5 ? 30 : bin == 4 ? 0.6 : 0;
	}
	params.n_estimators = 1;
	params.max_leaf_nodes = 2;
	params.min_samples_leaf = 5;
	for (int smooth = 0; smooth < 2; smooth++)
	{
		uint32_t	leaf[6];

		params.cat_smooth = smooth ? 1e6 : 0;
		boosted = boost_rows(&matrix, &params);
		if (!CHECK_INT(boosted.trees[0].nsets, 1))
			return;
		for (uint8_t bin = 0; bin < 6; bin++)
			leaf[bin] = leaf_of(&boosted.trees[0], (uint8_t[]) {0, 0, bin});
		CHECK(leaf[5] != leaf[0] && leaf[1] == leaf[0] && leaf[3] == leaf[0]);
		CHECK((leaf[5] == leaf[4]) == (smooth != 0));
	}
	params.cat_l2 = 1e12;
	boosted = boost_rows(&matrix, &params);
	CHECK_INT(boosted.trees[0].nsets, 0);
	unit_release_all();
}

/* It ends when the rows set apart get no better, and keeps what was best: here the answers are noise. */
static void
stops_early(void)
{
	PfMatrix	matrix = fixture_matrix(2000, 4, 0, 0, 17);
	PfBoostParams params = boost_params(&matrix, PF_LOSS_SQUARED_ERROR);
	PfBoosted	boosted;
	uint64_t	random = 3;

	matrix.apart = pf_alloc(unit_env(), matrix.nrows);
	for (uint32_t i = 0; i < matrix.nrows; i++)
	{
		matrix.apart[i] = i % 4 == 0;
		matrix.target[i] = unit_uniform(&random) + (row_of(&matrix, i)[0] > 127);
	}
	params.n_estimators = 500;
	params.n_iter_no_change = 10;
	params.tol = 1e-7;
	params.learning_rate = 0.3;
	boosted = boost_rows(&matrix, &params);
	CHECK(boosted.rounds_grown < 100 && boosted.rounds >= 5);
	CHECK(boosted.rounds_grown >= boosted.rounds + 10 || boosted.rounds_grown == 500);
	for (uint32_t i = 1; i <= boosted.rounds_grown; i++)
		CHECK(boosted.losses[i] >= boosted.losses[boosted.rounds]);
	unit_release_all();
}

/* Predictions along a constrained feature never turn back, whatever the others are. */
static void
keeps_constraints(uint32_t nclasses, bool by_sets)
{
	PfMatrix	matrix = fixture_matrix(4000, 4, nclasses, 0, 23);
	PfBoostParams params = boost_params(&matrix, nclasses ? PF_LOSS_LOG : PF_LOSS_SQUARED_ERROR);
	int8_t		constraints[4] = {1, -1, 0, 1};
	PfBoosted	boosted;
	uint64_t	random = 1;
	uint32_t	turns = 0;

	/* all are bent: f1 and f4 up and down, f2 up */
	for (uint32_t i = 0; i < matrix.nrows; i++)
	{
		const uint8_t *row = row_of(&matrix, i);
		double		signal = sin(row[0] / 40.0) + row[1] / 200.0 + cos(row[3] / 30.0) + unit_uniform(&random);

		if (nclasses)
			matrix.label[i] = signal > 1.2;
		else
			matrix.target[i] = signal;
	}
	params.n_estimators = 60;
	params.monotonic = constraints;
	if (by_sets)
	{
		params.category_bins = pf_alloc(unit_env(), 4);
		memcpy(params.category_bins, (uint8_t[]) {0, 0, 255, 0}, 4);
	}
	boosted = boost_rows(&matrix, &params);
	for (uint32_t i = 0; i < 300; i++)
	{
		uint8_t		row[4];

		for (int f = 0; f < 4; f++)
			row[f] = (uint8_t) (unit_random(&random) % 255);
		for (int f = 0; f < 4; f++)
		{
			double		last = 0;
			uint8_t		kept = row[f];

			for (int bin = 0; bin < 255; bin++)
			{
				double		out[2];

				row[f] = (uint8_t) bin;
				predict(&boosted, params.loss, &matrix, row, out);
				turns += bin > 0 && (out[nclasses ? 1 : 0] - last) * constraints[f] < 0;
				last = out[nclasses ? 1 : 0];
			}
			row[f] = kept;
		}
	}
	CHECK_INT(turns, 0);
	CHECK(boosted.importance[0] > 0 && boosted.importance[3] > 0);
	unit_release_all();
}

/* Limits of depth and leaves; more open nodes than there is room for histograms. */
static void
keeps_limits(void)
{
	PfMatrix	matrix = fixture_matrix(6000, 3, 0, 0.1, 29);
	PfBoostParams params = boost_params(&matrix, PF_LOSS_SQUARED_ERROR);
	PfBoosted	boosted,
				wide;
	PfMatrix	padded;

	params.n_estimators = 2;
	params.max_depth = 3;
	boosted = boost_rows(&matrix, &params);
	CHECK_INT(boosted.trees[0].nleaves, 8);
	params.max_depth = 0;
	params.max_leaf_nodes = 5;
	boosted = boost_rows(&matrix, &params);
	CHECK_INT(boosted.trees[0].nleaves, 5);
	params.max_leaf_nodes = 0;
	params.min_samples_leaf = 1;
	params.max_depth = 30;
	boosted = boost_rows(&matrix, &params);
	CHECK(boosted.trees[0].nleaves > 3000);

	/* the same rows with thousands of constant features: few histograms fit, the trees are the same */
	padded = matrix;
	padded.nfeatures = 9000;
	padded.stride = 9000;
	padded.bins = pf_alloc(unit_env(), (size_t) 6000 * 9000);
	memset(padded.bins, 0, (size_t) 6000 * 9000);
	for (uint32_t i = 0; i < matrix.nrows; i++)
		memcpy(padded.bins + (size_t) i * 9000, row_of(&matrix, i), 3);
	params.tree_features = params.max_features = 9000;
	params.max_leaf_nodes = 12;
	params.max_depth = 0;
	wide = boost_rows(&padded, &params);
	params.tree_features = params.max_features = 3;
	boosted = boost_rows(&matrix, &params);
	CHECK(same_trees(&wide, &boosted));
	unit_release_all();
}

static void
odd_shapes(void)
{
	for (uint32_t nrows = 1; nrows < 6; nrows++)
	{
		for (uint32_t nclasses = 0; nclasses < 4; nclasses++)
		{
			PfMatrix	matrix = fixture_matrix(nrows, 2, nclasses == 1 ? 0 : nclasses, 0.3, nrows);
			PfBoostParams params = boost_params(&matrix, nclasses > 1 ? PF_LOSS_LOG
												: nclasses ? PF_LOSS_ABSOLUTE_ERROR : PF_LOSS_SQUARED_ERROR);
			PfBoosted	boosted;
			double		out[4];

			params.min_samples_leaf = 1;
			params.subsample = 0.5;
			boosted = boost_rows(&matrix, &params);
			predict(&boosted, params.loss, &matrix, row_of(&matrix, 0), out);
			CHECK(isfinite(out[0]));
			unit_release_all();
		}
	}
}

/*
 * Targets of any size, and weights that are only told beside each other: the same trees, the leaves
 * in proportion.  Multiplied by a power of 2, every bit of them.
 */
static void
knows_no_units(PfLoss loss, int exponent)
{
	PfMatrix	matrix = fixture_matrix(2000, 4, loss == PF_LOSS_LOG ? 2 : 0, 0.1, 37);
	PfBoostParams params = boost_params(&matrix, loss);
	PfBoosted	plain,
				scaled;

	matrix.weight = pf_alloc(unit_env(), matrix.nrows * sizeof(float));
	for (uint32_t i = 0; i < matrix.nrows; i++)
		matrix.weight[i] = 1 + i % 3;
	plain = boost_rows(&matrix, &params);
	for (uint32_t i = 0; i < matrix.nrows; i++)
	{
		matrix.weight[i] *= 0x1p-40f;
		if (matrix.target)
			matrix.target[i] = ldexp(matrix.target[i], exponent);
	}
	scaled = boost_rows(&matrix, &params);
	CHECK(!scaled.diverged && scaled.trees[0].nleaves > 10);
	for (uint32_t t = 0; t < scaled.rounds * scaled.nsums; t++)
	{
		for (uint32_t i = 0; i < scaled.trees[t].nleaves; i++)
			scaled.trees[t].leaves[i] = ldexp(scaled.trees[t].leaves[i], matrix.target ? -exponent : 0);
	}
	CHECK(same_trees(&plain, &scaled));
	CHECK(memcmp(plain.importance, scaled.importance, matrix.nfeatures * sizeof(double)) == 0);
	unit_release_all();
}

/* A learning rate that makes it worse each round: it ends, and says so, and all that is kept can be counted with. */
static void
diverges(PfLoss loss, bool stop)
{
	PfMatrix	matrix = fixture_matrix(500, 3, 0, 0, 41);
	PfBoostParams params = boost_params(&matrix, loss);
	PfBoosted	boosted;
	double		out[1];

	params.learning_rate = 1000;
	params.n_estimators = 400;
	if (stop)
	{
		matrix.apart = pf_alloc(unit_env(), matrix.nrows);
		for (uint32_t i = 0; i < matrix.nrows; i++)
			matrix.apart[i] = i % 5 == 0;
		params.n_iter_no_change = 400;
	}
	boosted = boost_rows(&matrix, &params);
	CHECK(boosted.diverged && boosted.rounds_grown > 5 && boosted.rounds_grown < 400);
	CHECK_INT(boosted.rounds, stop ? 1 : boosted.rounds_grown);
	predict(&boosted, loss, &matrix, row_of(&matrix, 0), out);
	CHECK(isfinite(out[0]));
	unit_release_all();
}

static void
boost_some(void *arg)
{
	PfMatrix	matrix = fixture_matrix(300, 3, 3, 0.1, 31);
	PfBoostParams params = boost_params(&matrix, PF_LOSS_LOG);

	(void) arg;
	params.n_estimators = 3;
	make_categories(&matrix, &params, 20);
	boost_rows(&matrix, &params);
}

void
test_boost(void)
{
	learns(2, PF_LOSS_LOG, 0);
	learns(4, PF_LOSS_LOG, 0);
	learns(2, PF_LOSS_LOG, 0.2);
	learns(0, PF_LOSS_SQUARED_ERROR, 0);
	learns(0, PF_LOSS_SQUARED_ERROR, 0.2);
	learns(0, PF_LOSS_ABSOLUTE_ERROR, 0);
	learns(0, PF_LOSS_QUANTILE, 0);
	learns(0, PF_LOSS_POISSON, 0);
	splits_as_by_hand(0, 0);
	splits_as_by_hand(0.3, 0);
	splits_as_by_hand(0.1, 50);
	is_the_same_whoever(2000, 2, PF_LOSS_LOG, 31, 0);
	is_the_same_whoever(2000, 2, PF_LOSS_LOG, 31, 30);
	is_the_same_whoever(70000, 2, PF_LOSS_LOG, 0, 0);
	is_the_same_whoever(70000, 2, PF_LOSS_LOG, 0, 255);
	is_the_same_whoever(70000, 0, PF_LOSS_SQUARED_ERROR, 20, 0);
	is_the_same_whoever(3000, 3, PF_LOSS_LOG, 0, 0);
	is_the_same_whoever(3000, 3, PF_LOSS_LOG, 0, 12);
	is_the_same_whoever(3000, 0, PF_LOSS_QUANTILE, 31, 0);
	for (uint32_t nbins = 2; nbins <= 9; nbins++)
	{
		finds_best_set(nbins, 0, nbins);
		finds_best_set(nbins, 0.2, nbins + 20);
	}
	places_strangers();
	is_not_misled();
	holds_back();
	is_the_same_whoever(70000, 0, PF_LOSS_POISSON, 31, 0);
	hears_the_many();
	stops_early();
	keeps_constraints(0, false);
	keeps_constraints(2, false);
	keeps_constraints(0, true);
	keeps_constraints(2, true);
	keeps_limits();
	odd_shapes();
	knows_no_units(PF_LOSS_SQUARED_ERROR, 200);
	knows_no_units(PF_LOSS_SQUARED_ERROR, -900);
	knows_no_units(PF_LOSS_ABSOLUTE_ERROR, -30);
	knows_no_units(PF_LOSS_LOG, 0);
	diverges(PF_LOSS_SQUARED_ERROR, false);
	diverges(PF_LOSS_SQUARED_ERROR, true);
	diverges(PF_LOSS_ABSOLUTE_ERROR, false);
	for (uint64_t after = 0; after < 400; after += 29)
		unit_interrupt(after, boost_some, NULL);
	unit_release_all();
}

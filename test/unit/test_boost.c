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

static void
predict(const PfBoosted *boosted, PfLoss loss, const PfMatrix *matrix, const uint8_t *row, double *out)
{
	memcpy(out, boosted->base, boosted->nsums * sizeof(double));
	for (uint32_t t = 0; t < boosted->rounds * boosted->nsums; t++)
		out[t % boosted->nsums] += boosted->trees[t].leaves[pf_tree_leaf(boosted->trees[t].nodes, row)];
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
			memcmp(x->leaves, y->leaves, x->nleaves * sizeof(double)) != 0)
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
			counts[pf_tree_leaf(boosted.trees[t].nodes, row_of(&matrix, i))]++;
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

/* Who does which task, and in what order, cannot be seen. */
static void
is_the_same_whoever(uint32_t nrows, uint32_t nclasses, PfLoss loss, uint32_t max_leaf_nodes)
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
keeps_constraints(uint32_t nclasses)
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
	is_the_same_whoever(2000, 2, PF_LOSS_LOG, 31);
	is_the_same_whoever(70000, 2, PF_LOSS_LOG, 0);
	is_the_same_whoever(70000, 0, PF_LOSS_SQUARED_ERROR, 20);
	is_the_same_whoever(3000, 3, PF_LOSS_LOG, 0);
	is_the_same_whoever(3000, 0, PF_LOSS_QUANTILE, 31);
	is_the_same_whoever(70000, 0, PF_LOSS_POISSON, 31);
	hears_the_many();
	stops_early();
	keeps_constraints(0);
	keeps_constraints(2);
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

/*
 * test_isolation.c
 *	  Isolation forests: are those who stand apart found, and always the same way?
 */
#include <math.h>
#include <string.h>

#include "engine/bins/cuts.h"
#include "engine/forest/isolation.h"
#include "engine/walk/walk.h"
#include "unit.h"

#define ROWS		2000
#define FEATURES	3
#define STRIDE		4
#define APART		20			/* the last rows, far from the others */

typedef struct Rows
{
	PfMatrix	matrix;
	PfBins		bins[FEATURES];
	double		positions[FEATURES * PF_MAX_BINS];
} Rows;

/* Cuts of values that nobody has counted. */
static void
cut_spread(double *values, size_t n, uint32_t max_bins, PfBins *bins, double *positions)
{
	double	   *count = pf_alloc(unit_env(), (n + 1) * sizeof(double));

	n = pf_count_values(unit_env(), values, n, count);
	pf_cut_spread(unit_env(), values, count, n, max_bins, bins, positions);
	pf_release(unit_env(), count);
}

/* A cloud, and a few rows that lie outside; some values are missing. */
static void
make_rows(Rows *rows, double missing)
{
	const PfEnv *env = unit_env();
	double	   *values = pf_alloc(env, ROWS * sizeof(double));
	double	   *sorted = pf_alloc(env, ROWS * sizeof(double));
	uint64_t	state = 3;

	memset(rows, 0, sizeof(*rows));
	rows->matrix.nrows = ROWS;
	rows->matrix.nfeatures = FEATURES;
	rows->matrix.stride = STRIDE;
	rows->matrix.bins = pf_alloc(env, ROWS * STRIDE);
	memset(rows->matrix.bins, 0, ROWS * STRIDE);
	for (uint32_t f = 0; f < FEATURES; f++)
	{
		size_t		n = 0;

		for (uint32_t i = 0; i < ROWS; i++)
		{
			values[i] = unit_uniform(&state) + unit_uniform(&state) + unit_uniform(&state);
			if (i >= ROWS - APART)
				values[i] += f < 2 ? 4 : 0;
			if (unit_uniform(&state) < missing)
				values[i] = NAN;
			else
				sorted[n++] = values[i];
		}
		cut_spread(sorted, n, 255, &rows->bins[f], rows->positions + f * PF_MAX_BINS);
		pf_bin_numbers(&rows->bins[f], values, ROWS, rows->matrix.bins + f, STRIDE);
	}
	pf_release(env, values);
	pf_release(env, sorted);
}

static void
release_rows(Rows *rows)
{
	for (uint32_t f = 0; f < FEATURES; f++)
		pf_release(unit_env(), rows->bins[f].cuts);
	pf_release(unit_env(), rows->matrix.bins);
}

static PfIsolationParams
make_params(void)
{
	PfIsolationParams params = {
		.n_estimators = 50,.max_samples = 256,.max_features = FEATURES,.seed = 42
	};

	return params;
}

static void
release_tree(PfTree *tree)
{
	pf_release(unit_env(), tree->nodes);
	pf_release(unit_env(), tree->leaves);
}

/* The mean path length of every row. */
static void
walk(const Rows *rows, const PfIsolationParams *params, double *path)
{
	const PfEnv *env = unit_env();
	PfIsolator *isolator = pf_isolator_create(env, &rows->matrix, rows->positions, params);

	memset(path, 0, ROWS * sizeof(double));
	for (uint32_t t = 0; t < params->n_estimators; t++)
	{
		PfTree		tree;

		pf_isolate(isolator, t, &tree);
		for (uint32_t i = 0; i < ROWS; i++)
			path[i] += tree.leaves[pf_tree_leaf(tree.nodes, rows->matrix.bins + i * STRIDE)] /
				params->n_estimators;
		release_tree(&tree);
	}
	pf_isolator_release(isolator);
}

static void
finds_who_stands_apart(double missing)
{
	Rows		rows;
	PfIsolationParams params = make_params();
	static double path[ROWS];
	double		inside = 0;
	uint32_t	wrong = 0;
	double		longest = 0;

	make_rows(&rows, missing);
	walk(&rows, &params, path);
	for (uint32_t i = 0; i < ROWS - APART; i++)
		inside += path[i] / (ROWS - APART);
	for (uint32_t i = ROWS - APART; i < ROWS; i++)
	{
		longest = path[i] > longest ? path[i] : longest;
		wrong += path[i] > inside;
	}
	CHECK(wrong <= (missing > 0));	/* one may lack both values that tell */
	if (missing == 0)
		CHECK(longest < 0.8 * inside);
	/* all rows together take about as many cuts as they should on average */
	CHECK_NEAR(inside, pf_average_path(256), 2);
	release_rows(&rows);
}

/* A tree depends on its number, not on those before it; and its shape is sound. */
static void
grows_the_same(bool bootstrap, uint32_t max_samples, uint32_t max_features)
{
	const PfEnv *env = unit_env();
	Rows		rows;
	PfIsolationParams params = make_params();
	PfIsolator *isolator;
	PfTree		one,
				again;
	uint64_t	weight = 0;

	params.bootstrap = bootstrap;
	params.max_samples = max_samples;
	params.max_features = max_features;
	make_rows(&rows, 0.1);
	isolator = pf_isolator_create(env, &rows.matrix, rows.positions, &params);
	pf_isolate(isolator, 7, &one);
	pf_isolate(isolator, 3, &again);
	if (max_samples > 1)
		CHECK(again.nnodes != one.nnodes || memcmp(one.nodes, again.nodes, one.nnodes * sizeof(PfNode)) != 0);
	release_tree(&again);
	pf_isolate(isolator, 7, &again);
	CHECK(again.nnodes == one.nnodes && memcmp(one.nodes, again.nodes, one.nnodes * sizeof(PfNode)) == 0);
	CHECK_INT(one.nleaves, (one.nnodes + 1) / 2);
	for (uint32_t i = 0; i < one.nnodes; i++)
	{
		if (pf_is_leaf(&one.nodes[i]))
			continue;
		CHECK((one.nodes[i].link & PF_LINK_MASK) > i && one.nodes[i].threshold < 254);
		weight |= UINT64_C(1) << one.nodes[i].feature;
	}
	if (max_features == 1)
		CHECK_INT(weight & (weight - 1), 0);
	release_tree(&one);
	release_tree(&again);
	pf_isolator_release(isolator);
	release_rows(&rows);
}

/* Cuts: half of equal counts, half of equal width, no bin empty, all values in their order. */
static void
spreads_the_cuts(void)
{
	const PfEnv *env = unit_env();
	static double values[ROWS];
	double		positions[PF_MAX_BINS];
	uint64_t	state = 9;

	for (uint32_t max_bins = 2; max_bins <= 255; max_bins += 11)
	{
		PfBins		bins;
		bool		seen[PF_MAX_BINS] = {false};

		for (uint32_t i = 0; i < ROWS; i++)
			values[i] = exp(4 * (unit_uniform(&state) + unit_uniform(&state)));
		values[0] = INFINITY;
		values[1] = -INFINITY;
		cut_spread(values, ROWS, max_bins, &bins, positions);
		CHECK(bins.nbins >= 2 && bins.nbins <= max_bins);
		for (uint32_t i = 0; i < ROWS; i++)
			seen[pf_bin_number(&bins, values[i])] = true;
		for (uint32_t b = 0; b < bins.nbins; b++)
		{
			CHECK(seen[b] && isfinite(positions[b]));
			CHECK(b == 0 || positions[b] >= positions[b - 1]);
		}
		pf_release(env, bins.cuts);
	}
	values[0] = 5;
	values[1] = 1;
	values[2] = 5;
	{
		PfBins		bins;

		cut_spread(values, 3, 255, &bins, positions);
		CHECK_INT(bins.nbins, 2);
		CHECK_DOUBLE(bins.cuts[0], 3);
		CHECK_DOUBLE(positions[0], 1);
		CHECK_DOUBLE(positions[1], 5);
		pf_release(env, bins.cuts);
		cut_spread(values, 0, 255, &bins, positions);
		CHECK_INT(bins.nbins, 0);
	}
}

/* Without a target, categories are ordered by their number, the rarest first. */
static void
orders_by_count(void)
{
	const PfEnv *env = unit_env();
	double		count[3] = {5, 1, 3};
	PfBins		bins = {.kind = PF_CATEGORY,.ncategories = 3};

	pf_cut_categories(env, 0, NULL, count, 255, &bins);
	CHECK_INT(bins.category_bin[0], 2);
	CHECK_INT(bins.category_bin[1], 0);
	CHECK_INT(bins.category_bin[2], 1);
	pf_release(env, bins.category_bin);
}

static void
grow_and_forget(void *arg)
{
	PfIsolationParams params = make_params();
	static double path[ROWS];

	params.max_samples = ROWS;
	walk(arg, &params, path);
}

static void
can_be_interrupted(void)
{
	Rows		rows;
	uint64_t	before = unit_interrupt_checks();

	make_rows(&rows, 0);
	CHECK(unit_interrupt(10, grow_and_forget, &rows));
	CHECK(!unit_interrupt(UINT64_MAX / 2, grow_and_forget, &rows));
	CHECK(unit_interrupt_checks() - before > 50);
	release_rows(&rows);
}

void
test_isolation(void)
{
	finds_who_stands_apart(0);
	finds_who_stands_apart(0.1);
	grows_the_same(false, 256, FEATURES);
	grows_the_same(true, 256, 1);
	grows_the_same(false, ROWS, 2);
	grows_the_same(false, 1, FEATURES);
	CHECK_DOUBLE(pf_average_path(1), 0);
	CHECK_DOUBLE(pf_average_path(2), 1);
	CHECK_NEAR(pf_average_path(256), 10.244770920119917, 1e-12);
	spreads_the_cuts();
	orders_by_count();
	can_be_interrupted();
}

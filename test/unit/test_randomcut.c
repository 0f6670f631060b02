/*
 * test_randomcut.c
 *	  Random cuts: where they fall, and what they count.
 */
#include <math.h>
#include <string.h>

#include "engine/grow/draw.h"
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

/* A node, and how its features look. */
typedef struct Case
{
	uint32_t	nclasses;
	uint32_t	nrows;
	uint32_t	nbins;
	double		missing;
	uint32_t	heaviest;		/* weights of rows are 1 to this; 0: fractions, from the matrix */
	uint32_t	min_leaf;
} Case;

static double
plain_score(const PfGrowth *growth, const double *sums, double *weight)
{
	double		squares = 0;

	*weight = sums[0];
	if (growth->matrix->nclasses == 0)
		return sums[0] > 0 ? sums[1] * sums[1] / sums[0] : 0;
	*weight = 0;
	for (uint32_t c = 0; c < growth->width; c++)
	{
		*weight += sums[c];
		squares += sums[c] * sums[c];
	}
	return *weight > 0 ? squares / *weight : 0;
}

/* A feature's cut, row by row.  rank: that of the best so far. */
static void
try_plainly(PfGrowth *growth, uint64_t stream, const PfItem *items, uint32_t n, double unsplit, uint32_t feature,
			uint32_t threshold, bool missing_here, bool missing_left, PfSplit *best, uint32_t *rank)
{
	double		left[8] = {0},
				missing[8] = {0},
				right[8];
	uint32_t	rows = 0;
	uint32_t	new_rank = (uint32_t) pf_random(stream, growth->matrix->nfeatures + feature);
	double		left_weight,
				right_weight,
				gain;

	for (uint32_t i = 0; i < n; i++)
	{
		uint8_t		bin = growth->bins[(size_t) items[i].row * growth->matrix->stride + feature];
		bool		absent = bin == PF_MISSING_BIN;
		double	   *sums = absent ? missing : left;
		double		weight = items[i].weight;

		if (absent ? !missing_left : bin > threshold)
			continue;
		rows++;
		if (growth->matrix->nclasses)
			sums[items[i].y.label] += weight;
		else
		{
			sums[0] += weight;
			sums[1] += weight * (items[i].y.target - growth->offset);
		}
	}
	for (uint32_t c = 0; c < growth->width; c++)
	{
		left[c] += missing[c];
		right[c] = growth->total[c] - left[c];
	}
	gain = plain_score(growth, left, &left_weight);
	gain = gain + plain_score(growth, right, &right_weight) - unsplit;
	gain = gain > 0 ? gain : 0;
	if (rows < growth->min_leaf || n - rows < growth->min_leaf || (best->found && (gain < best->gain || (gain == best->gain && new_rank <= *rank))))
		return;
	*rank = new_rank;
	best->found = true;
	best->feature = (uint16_t) feature;
	best->threshold = (uint16_t) threshold;
	best->gain = gain;
	best->missing_left = missing_here ? missing_left : left_weight >= right_weight;
	memcpy(best->left, left, growth->width < PF_COUNTED_CLASSES ? growth->width * sizeof(double) : sizeof(best->left));
}

static void
find_plainly(PfGrowth *growth, uint64_t stream, const PfItem *items, uint32_t n, double unsplit,
			 uint64_t *constant, PfSplit *best)
{
	uint32_t	wanted = n == 2 ? 1 : growth->params->max_features;
	uint32_t	drawn = 0;
	uint32_t	rank = 0;
	bool		variable = false;

	while (drawn < growth->matrix->nfeatures && (drawn < wanted || !variable))
	{
		uint32_t	feature = pf_draw_feature(growth, stream, drawn++);
		const float *places = growth->params->places + feature * 256;
		double		share = (double) (pf_random(stream, growth->matrix->nfeatures + feature) >> 11) / 9007199254740992.0;
		uint32_t	lowest = PF_MISSING_BIN,
					highest = 0,
					threshold;
		bool		missing_here = false;

		for (uint32_t i = 0; i < n; i++)
		{
			uint8_t		bin = growth->bins[(size_t) items[i].row * growth->matrix->stride + feature];

			missing_here |= bin == PF_MISSING_BIN;
			lowest = bin < lowest ? bin : lowest;
			highest = bin != PF_MISSING_BIN && bin > highest ? bin : highest;
		}
		if (lowest == PF_MISSING_BIN || (lowest == highest && !missing_here))
		{
			*constant |= UINT64_C(1) << feature;
			continue;
		}
		variable = true;
		threshold = lowest;
		while (threshold + 1 < highest &&
			   places[threshold + 1] <= (float) (places[lowest] + share * ((double) places[highest] - places[lowest])))
			threshold++;
		if (lowest == highest)
			threshold = PF_MISSING_BIN - 1;
		for (int left = 0; left <= missing_here; left++)
			try_plainly(growth, stream, items, n, unsplit, feature, threshold, missing_here, left, best, &rank);
	}
	pf_undraw_features(growth, drawn);
}

/* The split of one node is the plain one to the last bit, on this processor and on any. */
static void
finds_the_plain_split(const Case *c, uint32_t nfeatures, uint32_t max_features, uint64_t *random)
{
	PfMatrix	matrix = fixture_matrix(c->nrows, nfeatures, c->nclasses, 0, *random);
	PfForestParams params = random_params(&matrix, 2);
	PfItem	   *items = pf_alloc(unit_env(), c->nrows * sizeof(PfItem));
	uint64_t	stream = pf_random_stream(*random, PF_CHOOSE_FEATURES, 1, 1);

	params.max_features = max_features;
	params.min_samples_leaf = c->min_leaf;
	params.bootstrap = c->heaviest > 1;
	if (c->heaviest == 0)
		matrix.weight = pf_alloc(unit_env(), c->nrows * sizeof(float));
	for (uint32_t i = 0; i < c->nrows; i++)
	{
		fixture_few_bins(&matrix, i, c->nbins, c->missing, random);
		items[i].row = i;
		if (c->heaviest == 0)
			items[i].weight = matrix.weight[i] = (float) (0.1 + unit_uniform(random));
		else
			items[i].weight = 1 + (float) floor(unit_uniform(random) * c->heaviest);
		if (c->nclasses)
			items[i].y.label = (uint32_t) (unit_uniform(random) * c->nclasses);
		else
			items[i].y.target = matrix.target[i];
	}
	for (int portable = 0; portable < 2; portable++)
	{
		PfGrowth	growth;
		PfNodeStats stats;
		PfSplit		wanted = {0},
					split = {0};
		uint64_t	known = 0,
					constant = 0;

		pf_growth_init(&growth, unit_env(), &matrix, &params);
		growth.find_random_split = pf_random_splitter(portable);
		growth.bins = matrix.bins;
		pf_node_stats(&growth, items, c->nrows, &stats);
		if (!stats.pure)
		{
			find_plainly(&growth, stream, items, c->nrows, stats.score, &known, &wanted);
			growth.find_random_split(&growth, stream, items, c->nrows, &stats, &constant, &split);
		}
		CHECK_INT(split.found, wanted.found);
		if (split.found)
		{
			CHECK_INT(split.feature, wanted.feature);
			CHECK_INT(split.threshold, wanted.threshold);
			CHECK_INT(split.missing_left, wanted.missing_left);
			CHECK_DOUBLE(split.gain, wanted.gain);
			CHECK_INT(split.summed, growth.counted || c->nclasses == 0);
			CHECK(!split.summed || memcmp(split.left, wanted.left, growth.width * sizeof(double)) == 0);
		}
		/* of two rows nobody asks again, and who looks at all features does not ask */
		CHECK(constant == known || (constant == 0 && (c->nrows == 2 || max_features == nfeatures)));
		pf_growth_release(&growth);
	}
	unit_release_all();
}

static void
finds_the_plain_splits(void)
{
	static const uint32_t classes[] = {0, 2, 3, 4, 5};
	static const uint32_t sizes[] = {2, 3, 4, 5, 7, 8, 9, 16, 31, 251, 252, 253, 2047, 2048, 20000, 70000};
	static const uint32_t bins[] = {1, 2, 5, 40, 254};
	static const uint32_t widths[] = {38, 3, 7, 11, 16};
	uint64_t	random = 1;

	for (size_t k = 0; k < sizeof(classes) / sizeof(classes[0]); k++)
	{
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
		{
			for (size_t b = 0; b < sizeof(bins) / sizeof(bins[0]); b++)
			{
				for (int missing = 0; missing < 3; missing++)
				{
					if (sizes[s] > 300 && (bins[b] < 254 || missing == 2))
						continue;
					for (uint32_t heaviest = 0; heaviest < 4; heaviest++)
					{
						Case		c = {classes[k], sizes[s], bins[b], missing * 0.4, heaviest, 1 + (heaviest + missing) % 3 / 2};

						for (uint32_t features = 1; features <= (sizes[s] <= 31 ? 11 : 6); features += 5)
							finds_the_plain_split(&c, 11, features, &random);
						/* all features, as many as make different vectors: regression has a way of its own */
						for (uint32_t f = 0; heaviest == 1 && f < sizeof(widths) / sizeof(widths[0]); f++)
						{
							if (f == k || (k == 0 && sizes[s] < 3000))
								finds_the_plain_split(&c, widths[f], widths[f], &random);
						}
					}
				}
			}
		}
	}
}

/* moved: rows are moved with their items, if they are few features. */
static PfTree
grow_with(const PfMatrix *matrix, const PfForestParams *params, bool at_once, bool moved, bool portable)
{
	PfGrowth	growth;
	PfTree		tree;

	pf_growth_init(&growth, unit_env(), matrix, params);
	CHECK(growth.grow_subtree != NULL);
	growth.grow_subtree = at_once ? pf_subtree_grower(&growth, portable) : NULL;
	growth.find_random_split = pf_random_splitter(portable);
	if (!moved)
		growth.nearby_moved = 0;
	pf_grow_tree(&growth, 5, fixture_items(matrix), matrix->nrows, &tree);
	pf_growth_release(&growth);
	return tree;
}

/* A subtree that is grown in one go is what is grown node by node, on this processor and on any. */
static void
grows_subtrees(uint32_t nclasses, uint32_t nrows, uint32_t nfeatures, uint32_t nbins, double missing, uint64_t *random)
{
	PfMatrix	matrix = fixture_matrix(nrows, nfeatures, nclasses, 0, *random);
	PfForestParams params = random_params(&matrix, 2);

	for (uint32_t i = 0; i < nrows; i++)
	{
		fixture_few_bins(&matrix, i, nbins, missing, random);
		/* answers of which some are the same */
		if (nclasses == 0)
			matrix.target[i] = unit_uniform(random) < 0.3 ? 0.1 : 1e6 + matrix.target[i];
		else
			matrix.label[i] = (uint32_t) (unit_uniform(random) * nclasses);
	}
	for (int how = 0; how < 4; how++)
	{
		PfTree		one;

		params.max_features = how == 0 ? nfeatures : 1 + (uint32_t) (unit_uniform(random) * (nfeatures < 10 ? nfeatures : 10));
		params.by_place = how == 1;
		params.max_depth = how == 2 ? 6 : 0;
		params.min_samples_split = how == 3 ? 4 : 2;
		one = grow_with(&matrix, &params, false, false, true);
		for (int other_way = 0; other_way < 8; other_way++)
		{
			PfTree		other = grow_with(&matrix, &params, other_way & 1, other_way & 2, other_way & 4);

			CHECK(fixture_same_tree(&one, &other));
			CHECK(memcmp(one.importance, other.importance, nfeatures * sizeof(double)) == 0);
		}
	}
	unit_release_all();
}

static void
grows_subtrees_alike(void)
{
	static const uint32_t classes[] = {0, 2, 3, 4};
	static const uint32_t sizes[] = {2, 3, 5, 8, 9, 17, 60, 700};
	static const uint32_t widths[] = {4, 5, 8, 15, 16, 17, 38, 64, 65, 256};
	static const uint32_t bins[] = {2, 5, 254};
	uint64_t	random = 1;

	for (int i = 0; i < 4 * 8 * 10 * 3; i++)
		grows_subtrees(classes[i % 4], sizes[i / 4 % 8], widths[i / 32 % 10], bins[i / 320], i % 3 * 0.2, &random);
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
	CHECK(isinf(out[4]) && isinf(out[255]));
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
	bins.nbins = 0;
	pf_bin_places(&bins, out);
	CHECK(out[0] == 0 && isinf(out[1]));
}

void
test_randomcut(void)
{
	falls_evenly(1);
	falls_evenly(3);
	ways_agree(1000, 0);
	ways_agree(1000, 0.1);
	ways_agree(40000, 0);
	finds_the_plain_splits();
	grows_subtrees_alike();
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

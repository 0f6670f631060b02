/*
 * test_abreast.c
 *	  Features searched side by side: the splits are those of the search one by one, to the last bit.
 */
#include <math.h>
#include <string.h>

#include "engine/grow/abreast.h"
#include "engine/grow/random.h"
#include "fixture.h"
#include "unit.h"

typedef enum Way
{
	ONE_BY_ONE,
	ABREAST,
	ABREAST_PORTABLE,
	WAYS
} Way;

static void
set_way(PfGrowth *growth, Way way)
{
	CHECK(growth->abreast);
	growth->abreast = way != ONE_BY_ONE;
	growth->search_few = pf_search_few(way == ABREAST_PORTABLE);
	growth->search_many = pf_search_many(way == ABREAST_PORTABLE);
}

/* A class, a number of rows, how many bins there are, how many values are missing, how heavy rows are. */
typedef struct Case
{
	uint32_t	nclasses;
	uint32_t	nrows;
	uint32_t	nbins;
	double		missing;
	uint32_t	heaviest;
} Case;

#define FEATURES 11

/* Few features are constant, and where there are few bins many splits are equally good. */
static PfMatrix
make_matrix(const Case *c, uint64_t *random)
{
	PfMatrix	matrix = fixture_matrix(c->nrows, FEATURES, c->nclasses, 0, *random);

	for (uint32_t i = 0; i < c->nrows; i++)
	{
		fixture_few_bins(&matrix, i, c->nbins, c->missing, random);
		/* labels do not depend on the bins: all of them have a chance in every node */
		if (c->nclasses)
			matrix.label[i] = (uint32_t) (unit_uniform(random) * c->nclasses);
	}
	return matrix;
}

static bool
is_constant(const PfMatrix *matrix, uint32_t feature)
{
	for (uint32_t i = 1; i < matrix->nrows; i++)
	{
		if (matrix->bins[(size_t) i * matrix->stride + feature] != matrix->bins[feature])
			return false;
	}
	return true;
}

/* One node: max_features of it at a time, so lanes stay free, or features are drawn that are constant. */
static void
finds_the_same_split(const Case *c, uint32_t max_features, uint64_t *random)
{
	PfMatrix	matrix = make_matrix(c, random);
	PfForestParams params = fixture_params(&matrix);
	PfItem	   *items = pf_alloc(unit_env(), c->nrows * sizeof(PfItem));
	uint64_t	stream = pf_random_stream(*random, PF_CHOOSE_FEATURES, 1, 1);
	PfSplit		wanted = {0};
	uint64_t	known = 0;

	params.max_features = max_features;
	for (uint32_t i = 0; i < c->nrows; i++)
	{
		items[i].row = i;
		items[i].weight = 1 + (float) floor(unit_uniform(random) * c->heaviest);
		if (c->nclasses)
			items[i].y.label = matrix.label[i];
		else
			items[i].y.target = matrix.target[i];
	}
	for (Way way = ONE_BY_ONE; way < WAYS; way++)
	{
		PfGrowth	growth;
		PfNodeStats stats;
		PfSplit		split = {0};
		uint64_t	constant = 0;
		uint32_t	dirty = 0;

		pf_growth_init(&growth, unit_env(), &matrix, &params);
		set_way(&growth, way);
		growth.bins = matrix.bins;
		pf_node_stats(&growth, items, c->nrows, &stats);
		if (!stats.pure)
			pf_find_split(&growth, stream, items, c->nrows, &stats, &constant, &split);
		for (uint32_t i = 0; i < PF_ABREAST_TABLE; i++)
			dirty += ((uint8_t *) growth.table)[i] != 0;
		CHECK_INT(dirty, 0);
		pf_growth_release(&growth);

		if (way == ONE_BY_ONE)
		{
			wanted = split;
			known = constant;
			continue;
		}
		CHECK_INT(split.found, wanted.found);
		if (split.found)
		{
			CHECK_INT(split.feature, wanted.feature);
			CHECK_INT(split.threshold, wanted.threshold);
			CHECK_INT(split.missing_left, wanted.missing_left);
			CHECK_DOUBLE(split.gain, wanted.gain);
			CHECK_INT(split.summed, wanted.summed);
			CHECK(!split.summed || memcmp(split.left, wanted.left, c->nclasses * sizeof(double)) == 0);
		}
		/* one by one ends at a split that cannot be better, so it may know less */
		CHECK_INT(known & ~constant, 0);
		for (uint32_t f = 0; f < FEATURES; f++)
			CHECK(!(constant >> f & 1) || is_constant(&matrix, f));
	}
	unit_release_all();
}

static void
finds_the_same_splits(void)
{
	static const uint32_t classes[] = {0, 2, 3, 4};
	static const uint32_t sizes[] = {2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 31, 60, 255, 256, 257, 700, 2047, 2048, 20000};
	static const uint32_t bins[] = {1, 2, 5, 40, 254};
	uint64_t	random = 1;

	for (size_t k = 0; k < 4; k++)
	{
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
		{
			for (size_t b = 0; b < sizeof(bins) / sizeof(bins[0]); b++)
			{
				for (int missing = 0; missing < 3; missing++)
				{
					Case		c = {classes[k], sizes[s], bins[b], missing * 0.4, 3};

					if (sizes[s] > 2048 && (bins[b] < 254 || missing == 2))
						continue;
					for (uint32_t features = 1; features <= (sizes[s] <= 20 ? FEATURES : 4); features += 3)
						finds_the_same_split(&c, features, &random);
				}
			}
		}
		/* few rows that are too heavy for few bits, and many whose sums need all of theirs */
		for (uint32_t heaviest = 100; heaviest < 10000; heaviest *= 3)
		{
			Case		few = {classes[k], 9, 20, 0.1, heaviest};
			Case		many = {classes[k], 300, 254, 0.1, heaviest};

			finds_the_same_split(&few, 4, &random);
			finds_the_same_split(&many, 4, &random);
		}
	}
}

/* Whole trees, of drawn rows and to the end. */
static void
grows_the_same_tree(uint32_t nclasses, double missing, uint32_t max_features)
{
	PfMatrix	matrix = fixture_matrix(6000, 7, nclasses, missing, 5 + nclasses);
	PfForestParams params = fixture_params(&matrix);
	PfTree		trees[WAYS];

	params.max_features = max_features;
	for (Way way = ONE_BY_ONE; way < WAYS; way++)
	{
		PfItem	   *items = pf_alloc(unit_env(), matrix.nrows * sizeof(PfItem));
		uint64_t	random = 3;
		uint32_t	n = 0;
		PfGrowth	growth;

		for (uint32_t i = 0; i < matrix.nrows; i++)
		{
			uint32_t	times = (uint32_t) (unit_uniform(&random) * 3);

			if (times == 0)
				continue;
			items[n].row = i;
			items[n].weight = (float) times;
			if (nclasses)
				items[n].y.label = matrix.label[i];
			else
				items[n].y.target = matrix.target[i];
			n++;
		}
		pf_growth_init(&growth, unit_env(), &matrix, &params);
		set_way(&growth, way);
		pf_grow_tree(&growth, 1, items, n, &trees[way]);
		pf_growth_release(&growth);
		CHECK(trees[way].nnodes > 100);
		CHECK(fixture_same_tree(&trees[way], &trees[ONE_BY_ONE]));
	}
	unit_release_all();
}

/* What a split must not do is looked after one by one. */
static void
is_for_plain_trees(void)
{
	PfMatrix	matrix = fixture_matrix(50, 3, 2, 0, 1);
	int8_t		monotonic[3] = {0, 1, 0};

	for (int i = 0; i < 6; i++)
	{
		PfForestParams params = fixture_params(&matrix);
		float		weight[50];
		PfGrowth	growth;

		for (int r = 0; r < 50; r++)
			weight[r] = 1;
		params.min_samples_leaf = i == 1 ? 2 : 1;
		params.min_weight_fraction_leaf = i == 2 ? 0.1 : 0;
		params.monotonic = i == 3 ? monotonic : NULL;
		params.class_weight = i == 4 ? PF_WEIGHT_BALANCED : PF_WEIGHT_NONE;
		matrix.weight = i == 5 ? weight : NULL;
		pf_growth_init(&growth, unit_env(), &matrix, &params);
		CHECK_INT(growth.abreast, i == 0);
		pf_growth_release(&growth);
	}
	matrix.weight = NULL;
	unit_release_all();
}

void
test_abreast(void)
{
	finds_the_same_splits();
	for (uint32_t nclasses = 0; nclasses <= 5; nclasses++)
	{
		for (int missing = 0; missing < 2; missing++)
		{
			grows_the_same_tree(nclasses == 1 ? 0 : nclasses, missing * 0.1, 2);
			grows_the_same_tree(nclasses == 1 ? 0 : nclasses, missing * 0.1, 5);
		}
	}
	is_for_plain_trees();
}

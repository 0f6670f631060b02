/*
 * test_quantile.c
 *	  Samples in leaves, and quantiles of predictions against the plain definition.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/forest/samples.h"
#include "engine/model/wire.h"
#include "engine/walk/quantile.h"
#include "fixture.h"
#include "unit.h"
#include "unit_encode.h"

static const double wanted[] = {0.5, 0, 0.05, 0.95, 1, 0.5, 0.25};

#define WANTED (sizeof(wanted) / sizeof(wanted[0]))

static PfModel *
sampled(uint32_t nrows, PfMatrix *matrix)
{
	PfForestParams params;

	*matrix = fixture_matrix(nrows, 4, 0, 0.1, 3);
	params = fixture_params(matrix);
	return fixture_sampled(matrix, params);
}

static void
quantiles_of(const PfModel *model, const uint8_t *row, double *out)
{
	PfSpan	   *spans = pf_alloc(unit_env(), model->ntrees * sizeof(PfSpan));

	pf_walk_quantiles(unit_env(), model, row, spans, wanted, WANTED, out);
	pf_release(unit_env(), spans);
}

/* ----- the definition ----- */

typedef struct Pair
{
	double		value;
	uint64_t	weight;
} Pair;

static int
by_value(const void *a, const void *b)
{
	double		x = ((const Pair *) a)->value;
	double		y = ((const Pair *) b)->value;

	return x < y ? -1 : x > y;
}

/* Does a row of the matrix come by this node? */
static bool
passes(const PfNode *tree, uint32_t node, const uint8_t *row)
{
	uint32_t	at = 0;

	while (at < node && !pf_is_leaf(&tree[at]))
		at = pf_child(&tree[at], row);
	return at == node;
}

static uint32_t
count_rows(const PfNode *tree, uint32_t node, const PfMatrix *matrix)
{
	uint32_t	n = 0;

	for (uint32_t i = 0; i < matrix->nrows; i++)
		n += passes(tree, node, matrix->bins + (size_t) i * matrix->stride);
	return n;
}

static uint32_t
answering_node(const PfNode *tree, const uint8_t *row, const PfMatrix *matrix)
{
	uint32_t	at = 0;

	while (!pf_is_leaf(&tree[at]))
	{
		uint32_t	next = pf_child(&tree[at], row);

		if (count_rows(tree, next, matrix) < PF_LEAST_SAMPLES &&
			count_rows(tree, at, matrix) <= PF_MOST_SAMPLES)
			break;
		at = next;
	}
	return at;
}

static void
define(const PfModel *model, const PfMatrix *matrix, const uint8_t *row, double *out)
{
	Pair	   *pairs = pf_alloc(unit_env(), (size_t) model->ntrees * matrix->nrows * sizeof(Pair));
	uint64_t	total = 0;
	uint32_t	n = 0;

	for (uint32_t t = 0; t < model->ntrees; t++)
	{
		const PfNode *tree = model->nodes + model->roots[t];
		uint32_t	node = answering_node(tree, row, matrix);
		uint64_t	weight = (UINT64_C(1) << 32) / count_rows(tree, node, matrix);

		for (uint32_t i = 0; i < matrix->nrows; i++)
		{
			if (!passes(tree, node, matrix->bins + (size_t) i * matrix->stride))
				continue;
			pairs[n++] = (Pair) {.value = matrix->target[i],.weight = weight};
			total += weight;
		}
	}
	qsort(pairs, n, sizeof(Pair), by_value);
	for (uint32_t q = 0; q < WANTED; q++)
	{
		uint64_t	sum = 0;
		uint32_t	i = 0;

		while ((double) (sum += pairs[i].weight) < wanted[q] * (double) total)
			i++;
		out[q] = pairs[i].value;
	}
	pf_release(unit_env(), pairs);
}

static void
as_defined(void)
{
	PfMatrix	matrix;
	PfModel    *model = sampled(300, &matrix);
	uint32_t	differ = 0;
	uint64_t	random = 8;

	CHECK_INT(model->samples.base[model->ntrees], 300 * model->ntrees);
	for (int i = 0; i < 40; i++)
	{
		uint8_t		row[4];
		double		got[WANTED],
					defined[WANTED];

		fixture_row(model, &random, row);
		quantiles_of(model, row, got);
		define(model, &matrix, row, defined);
		differ += memcmp(got, defined, sizeof(got)) != 0;
	}
	CHECK_INT(differ, 0);
	unit_release_all();
}

/* ----- ranks ----- */

static void
ranks(void)
{
	PfMatrix	matrix = fixture_matrix(90000, 1, 0, 0, 12);
	uint16_t   *rank = pf_alloc(unit_env(), matrix.nrows * sizeof(uint16_t));
	double	   *values;
	double		lowest = matrix.target[0];
	double		highest = lowest;
	double		worst = 0;
	uint32_t	n,
				disorder = 0;

	/* more values than ranks: both ends are there, and none is far */
	n = pf_rank_targets(unit_env(), &matrix, &values, rank);
	CHECK(n > 60000 && n <= PF_MAX_VALUES);
	for (uint32_t i = 0; i < matrix.nrows; i++)
	{
		double		off = values[rank[i]] - matrix.target[i];

		lowest = matrix.target[i] < lowest ? matrix.target[i] : lowest;
		highest = matrix.target[i] > highest ? matrix.target[i] : highest;
		worst = off > worst ? off : -off > worst ? -off : worst;
	}
	for (uint32_t i = 1; i < n; i++)
		disorder += !(values[i] > values[i - 1]);
	CHECK_INT(disorder, 0);
	CHECK_DOUBLE(values[0], lowest);
	CHECK_DOUBLE(values[n - 1], highest);
	CHECK(worst < 0.05);

	/* few values: the values themselves */
	for (uint32_t i = 0; i < matrix.nrows; i++)
		matrix.target[i] = ((double) (i % 3) - 1) * 1e308;
	n = pf_rank_targets(unit_env(), &matrix, &values, rank);
	CHECK_INT(n, 3);
	CHECK(rank[0] == 0 && rank[1] == 1 && rank[2] == 2 && rank[3] == 0);
	CHECK_DOUBLE(values[2], 1e308);
	matrix.nrows = 1;
	CHECK_INT(pf_rank_targets(unit_env(), &matrix, &values, rank), 1);
	unit_release_all();
}

/* ----- which rows are kept ----- */

static void
full_leaves(void)
{
	PfMatrix	matrix = fixture_matrix(5000, 3, 0, 0, 4);
	PfForestParams params = fixture_params(&matrix);
	PfModel    *model;
	uint32_t	differ = 0;

	params.max_depth = 2;
	model = fixture_sampled(&matrix, params);
	for (uint32_t t = 0; t < params.n_estimators; t++)
	{
		const uint16_t *rank = model->samples.rank + model->samples.base[t];

		CHECK_INT(model->samples.base[t + 1] - model->samples.base[t], 4 * PF_LEAF_SAMPLES);
		for (uint32_t i = 1; i < PF_LEAF_SAMPLES; i++)
			CHECK(rank[i] >= rank[i - 1]);
		differ += t > 0 && memcmp(rank, model->samples.rank, PF_LEAF_SAMPLES * sizeof(uint16_t)) != 0;
	}
	CHECK(differ >= params.n_estimators - 2);
	unit_release_all();
}

/* Of weighted rows each is kept as often as its weight says, on the average of many trees. */
static void
weights(void)
{
	PfMatrix	matrix = fixture_matrix(30, 3, 0, 0, 4);
	PfForestParams params = fixture_params(&matrix);
	PfModel    *model;
	double		kept[30] = {0};

	matrix.weight = pf_alloc(unit_env(), 30 * sizeof(float));
	for (uint32_t i = 0; i < 30; i++)
	{
		matrix.target[i] = i;
		matrix.weight[i] = i < 10 ? 0.25f : i < 20 ? 2.5f : 0.01f;
	}
	params.n_estimators = 500;
	params.max_depth = 1;
	model = fixture_sampled(&matrix, params);
	for (uint64_t i = 0; i < model->samples.base[500]; i++)
		kept[model->samples.rank[i]] += 1 / 500.0;
	for (uint32_t i = 0; i < 30; i++)
		CHECK_NEAR(kept[i], matrix.weight[i] / 0.92, 0.1);

	/* equal weights are no weights, whatever they are */
	for (uint32_t i = 0; i < 30; i++)
		matrix.weight[i] = 0.1f;
	params.max_depth = 0;
	model = fixture_sampled(&matrix, params);
	CHECK_INT(model->samples.base[500], 500 * 30);

	/* leaves of light rows may be empty, and no tree answers with nothing */
	for (uint32_t i = 0; i < 30; i++)
		matrix.weight[i] = i < 29 ? 1e-6f : 1;
	model = fixture_sampled(&matrix, params);
	for (uint32_t i = 0; i < 30; i++)
	{
		double		out[WANTED];

		quantiles_of(model, matrix.bins + (size_t) i * matrix.stride, out);
		CHECK_DOUBLE(out[0], 29);
	}
	unit_release_all();
}

/* ----- the section of a model ----- */

static void
there_and_back(uint32_t nrows)
{
	const PfEnv *env = unit_env();
	PfMatrix	matrix;
	PfModel    *model = sampled(nrows, &matrix);
	PfModel    *decoded;
	size_t		size,
				size_again;
	const char *reason = NULL;
	uint8_t    *bytes = unit_encode(model, &size);
	uint8_t    *again;
	size_t		memory;
	uint64_t	random = 8;

	CHECK_INT(bytes[8], 2);
	decoded = pf_model_decode(env, bytes, size, 0, &reason);
	if (!CHECK(decoded != NULL))
	{
		printf("%s\n", reason);
		return;
	}
	again = unit_encode(decoded, &size_again);
	CHECK(size == size_again && memcmp(bytes, again, size) == 0);
	memory = decoded->memory;
	for (int i = 0; i < 50; i++)
	{
		uint8_t		row[4];
		double		a[WANTED],
					b[WANTED];

		fixture_row(model, &random, row);
		quantiles_of(model, row, a);
		quantiles_of(decoded, row, b);
		CHECK(memcmp(a, b, sizeof(a)) == 0);
	}

	/* without them it is what it always was, and smaller */
	model->samples.nvalues = 0;
	bytes = unit_encode(model, &size);
	CHECK_INT(bytes[8], 1);
	decoded = pf_model_decode(env, bytes, size, 0, &reason);
	CHECK(decoded != NULL && decoded->samples.nvalues == 0);
	CHECK(memory >= decoded->memory + model->samples.base[model->ntrees] * sizeof(uint16_t) +
		  model->roots[model->ntrees] * sizeof(uint32_t));
	unit_release_all();
}

static void
lying_samples(void)
{
	const char *reasons[] = {
		"values do not ascend", "a value is not finite", "a sample is not in the table",
		"the number of samples is out of range", "the number of values is out of range",
		"a section that this release does not know"
	};

	for (int i = 0; i < 6; i++)
	{
		PfMatrix	matrix;
		PfModel    *model = sampled(100, &matrix);
		PfSamples  *samples = &model->samples;
		const char *reason = NULL;
		uint8_t    *bytes;
		size_t		size;

		switch (i)
		{
			case 0:
				samples->values[5] = samples->values[4];
				break;
			case 1:
				samples->values[0] = 0.0 / 0.0;
				break;
			case 2:
				samples->rank[samples->base[3]] = (uint16_t) samples->nvalues;
				break;
			case 3:				/* a tree without any */
				for (uint32_t n = model->roots[9]; n < model->roots[10]; n++)
					samples->start[n] = 0;
				samples->base[10] = samples->base[9];
				break;
			case 4:
				samples->values = pf_resize(unit_env(), samples->values, (PF_MAX_VALUES + 1) * sizeof(double));
				for (uint32_t v = samples->nvalues; v <= PF_MAX_VALUES; v++)
					samples->values[v] = samples->values[v - 1] + 1;
				samples->nvalues = PF_MAX_VALUES + 1;
				break;
			case 5:				/* boosted trees have no use for them */
				model->kind = PF_MODEL_BOOSTING;
				model->nsums = 1;
				model->base = pf_alloc(unit_env(), sizeof(double));
				model->base[0] = 0;
				break;
		}
		bytes = unit_encode(model, &size);
		CHECK(pf_model_decode(unit_env(), bytes, size, 0, &reason) == NULL);
		CHECK_TEXT(reason, reasons[i]);
		unit_release_all();
	}
}

static void
whole_life(void *arg)
{
	PfMatrix	matrix;
	PfModel    *model = sampled(100, &matrix);
	double		out[WANTED];
	const char *reason;
	size_t		size;
	uint8_t    *bytes = unit_encode(model, &size);

	(void) arg;
	quantiles_of(pf_model_decode(unit_env(), bytes, size, 0, &reason), matrix.bins, out);
}

void
test_quantile(void)
{
	as_defined();
	ranks();
	full_leaves();
	weights();
	there_and_back(200);
	there_and_back(1000);
	lying_samples();
	for (uint64_t after = 0; after < 1500; after += 31)
		unit_interrupt(after, whole_life, NULL);
	unit_release_all();
}

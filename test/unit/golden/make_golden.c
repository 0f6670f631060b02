/*
 * make_golden.c
 *	  Writes the golden files of the wire format.  No test runs this.
 *
 * Usage: make_golden DIRECTORY.  Files that exist are never overwritten: those
 * of a released format version stay as they are for good, and it goes on with the next.
 * To build it, from
 * the top folder:
 *
 *	  cc -std=gnu11 -O2 -ffp-contract=off -Isrc -o make_golden \
 *		  test/unit/golden/make_golden.c test/unit/fixture.c test/unit/unit_env.c \
 *		  test/unit/unit_encode.c $(find src/engine -name '*.c') -lzstd -lm
 *
 * For each model there are two files: NAME.model, the bytes, and NAME.txt, what
 * a reader must make of them.  Lines of the latter:
 *	  zstd VERSION				the library that compressed the bytes
 *	  number FEATURE VALUE BIN	a value and its bin
 *	  category FEATURE HEX BIN	a category's bytes and its bin
 *	  row HEX VALUE...			a row's bins, a byte each, or values, eight each, and its prediction
 *	  quantile HEX Q VALUE		likewise, and a quantile of its prediction
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "engine/bins/cuts.h"
#include "engine/boost/boost.h"
#include "engine/forest/forest.h"
#include "engine/model/model.h"
#include "engine/model/wire.h"
#include "engine/walk/quantile.h"
#include "engine/walk/walk.h"
#include "../fixture.h"
#include "../unit.h"
#include "../unit_encode.h"

#define ROWS		510			/* a multiple of 255: see pixels() */
#define PIXELS		520			/* 520 x 254 cut points: more than a block */
#define SHOWN		24			/* rows whose prediction is written */
#define CATEGORIES	12

static const PfEnv *env;
static uint64_t random_state;

/* A model in the making. */
typedef struct Draft
{
	PfModel		model;
	PfMatrix	matrix;
	uint32_t	max_bins;
	PfColumn	columns[8];
	char	   *classes[4];
} Draft;

static const char *const words[CATEGORIES] = {
	"", "a", "ab", "b", "cat", "caf\xc3\xa9", "dog", "zero \xe2\x88\x85", "x y", "\"quoted\"", "Zoo", "z"
};

static void
start(Draft *draft, uint32_t nclasses, char *const *classes)
{
	memset(draft, 0, sizeof(*draft));
	draft->model.kind = PF_MODEL_FOREST;
	draft->model.width = nclasses ? nclasses : 1;
	draft->model.task = nclasses ? PF_CLASSIFICATION : PF_REGRESSION;
	draft->model.columns = draft->columns;
	draft->model.nclasses = draft->matrix.nclasses = nclasses;
	draft->model.classes = draft->classes;
	for (uint32_t i = 0; i < nclasses; i++)
		draft->classes[i] = classes[i];
	draft->max_bins = PF_MAX_BINS;
	draft->matrix.nrows = ROWS;
	if (nclasses)
		draft->matrix.label = pf_alloc(env, ROWS * sizeof(uint32_t));
	else
		draft->matrix.target = pf_alloc(env, ROWS * sizeof(double));
}

static void
add_column(Draft *draft, char *name, PfKind kind, uint32_t length)
{
	PfColumn	column = {.name = name,.kind = kind,.length = length};

	draft->columns[draft->model.ncolumns++] = column;
	draft->model.nfeatures += pf_column_features(&column);
}

/* All columns are known: room for bins. */
static void
make_room(Draft *draft)
{
	PfMatrix   *matrix = &draft->matrix;

	matrix->nfeatures = draft->model.nfeatures;
	matrix->stride = (matrix->nfeatures + 3) / 4 * 4;
	matrix->bins = pf_alloc(env, (size_t) ROWS * matrix->stride);
	memset(matrix->bins, 0, (size_t) ROWS * matrix->stride);
	draft->model.bins = pf_alloc(env, draft->model.nfeatures * sizeof(PfBins));
	memset(draft->model.bins, 0, draft->model.nfeatures * sizeof(PfBins));
}

static void
bin_numbers(Draft *draft, uint32_t feature, const double *values)
{
	PfBins	   *bins = &draft->model.bins[feature];
	double	   *sample = pf_alloc(env, ROWS * sizeof(double));
	size_t		n = 0;

	for (uint32_t i = 0; i < ROWS; i++)
	{
		if (!isnan(values[i]))
			sample[n++] = values[i];
	}
	pf_cut_numbers(env, sample, n, draft->max_bins, bins);
	for (uint32_t i = 0; i < ROWS; i++)
		draft->matrix.bins[(size_t) i * draft->matrix.stride + feature] =
			pf_bin_number(bins, values[i]);
	pf_release(env, sample);
}

static int
compare_words(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* which[i]: index into the sorted words, or -1 for missing. */
static void
bin_categories(Draft *draft, uint32_t feature, const int *which)
{
	PfBins	   *bins = &draft->model.bins[feature];
	uint32_t	width = draft->matrix.nclasses ? draft->matrix.nclasses : 1;
	const char *sorted[CATEGORIES];
	double		stats[CATEGORIES * 4] = {0};
	double		count[CATEGORIES] = {0};

	memcpy(sorted, words, sizeof(words));
	qsort(sorted, CATEGORIES, sizeof(*sorted), compare_words);
	bins->ncategories = CATEGORIES;
	bins->offsets = pf_alloc(env, (CATEGORIES + 1) * sizeof(uint32_t));
	bins->text = pf_alloc(env, 256);
	bins->offsets[0] = 0;
	for (uint32_t i = 0; i < CATEGORIES; i++)
	{
		memcpy(bins->text + bins->offsets[i], sorted[i], strlen(sorted[i]));
		bins->offsets[i + 1] = bins->offsets[i] + (uint32_t) strlen(sorted[i]);
	}
	for (uint32_t i = 0; i < ROWS; i++)
	{
		if (which[i] < 0)
			continue;
		count[which[i]]++;
		if (draft->matrix.nclasses)
			stats[(uint32_t) which[i] * width + draft->matrix.label[i]]++;
		else
			stats[which[i]] += draft->matrix.target[i];
	}
	pf_cut_categories(env, width, stats, count, draft->max_bins, bins);
	for (uint32_t i = 0; i < ROWS; i++)
		draft->matrix.bins[(size_t) i * draft->matrix.stride + feature] =
			which[i] < 0 ? PF_MISSING_BIN : bins->category_bin[which[i]];
}

static void
grow(Draft *draft, PfForestParams params)
{
	params.min_samples_split = 2;
	params.bootstrap = true;
	params.max_samples = ROWS;
	params.seed = 20;
	params.criterion = draft->matrix.nclasses ? PF_GINI : PF_SQUARED_ERROR;
	fixture_grow(&draft->model, &draft->matrix, &params);
}

static void
next_tree(void *trees, uint32_t number, PfTree *tree)
{
	*tree = ((PfTree *) trees)[number];
}

/* Boosted trees on the same rows, instead of the forest; by_sets: categories are split by sets. */
static void
boost(Draft *draft, PfLoss loss, PfLink link, bool by_sets)
{
	PfModel    *model = &draft->model;
	PfBoostParams params = {
		.loss = loss,.learning_rate = 0.3,.n_estimators = 6,.max_leaf_nodes = 12,.min_samples_leaf = 10,
		.subsample = 0.9,.tree_features = 5,.max_features = 4,.seed = 20
	};
	char	   *block;
	PfBoost    *view;
	PfBoosted	boosted;
	uint32_t	nnodes = 0;

	if (by_sets)
	{
		params.category_bins = pf_alloc(env, model->nfeatures);
		for (uint32_t f = 0; f < model->nfeatures; f++)
			params.category_bins[f] = model->bins[f].kind == PF_CATEGORY ? (uint8_t) model->bins[f].nbins : 0;
		params.cat_smooth = 1;
		params.cat_l2 = 1;
	}
	block = pf_alloc(env, pf_boost_shared_size(&draft->matrix, &params) + 64);
	view = pf_boost_create(env, &draft->matrix, &params, block + (64 - (uintptr_t) block % 64), true);
	pf_boost_run(view, pf_boost_alone, NULL, NULL, &boosted);
	for (uint32_t t = 0; t < boosted.rounds * boosted.nsums; t++)
		nnodes += boosted.trees[t].nnodes;
	pf_model_take_trees(env, model, boosted.rounds * boosted.nsums, 1, nnodes, next_tree, boosted.trees);
	pf_model_take_sets(env, model, boosted.trees);
	model->kind = PF_MODEL_BOOSTING;
	model->link = link;
	model->nsums = boosted.nsums;
	model->base = boosted.base;
	model->importance = boosted.importance;
}

/* ----- writing ----- */

static FILE *
create(const char *directory, const PfModel *model, const char *name, const char *suffix)
{
	char		path[4096];
	FILE	   *file;

	snprintf(path, sizeof(path), "%s/format-%u-%s.%s", directory, pf_wire_version(model), name, suffix);
	file = fopen(path, "wbx");
	if (file == NULL)
		perror(path);
	return file;
}

static void
write_hex(FILE *file, const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(file, "%02x", ((const uint8_t *) bytes)[i]);
}

/* Values at and beside the cut points, and those that are no numbers to speak of. */
static void
write_numbers(FILE *file, const PfBins *bins, uint32_t feature)
{
	const double special[] = {NAN, -INFINITY, INFINITY, 0, -1e300, 1e300};

	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		fprintf(file, "number %u %a %u\n", feature, special[i], pf_bin_number(bins, special[i]));
	for (uint32_t i = 0; i + 1 < bins->nbins; i += 1 + bins->nbins / 4)
	{
		const double near[] = {
			nextafter(bins->cuts[i], -INFINITY), bins->cuts[i], nextafter(bins->cuts[i], INFINITY)
		};

		for (int j = 0; j < 3; j++)
			fprintf(file, "number %u %a %u\n", feature, near[j], pf_bin_number(bins, near[j]));
	}
}

static void
write_categories(FILE *file, const PfBins *bins, uint32_t feature)
{
	const char *const strangers[] = {"aa", "\xff", "catalogue"};

	for (uint32_t i = 0; i < bins->ncategories; i++)
	{
		fprintf(file, "category %u x", feature);
		write_hex(file, bins->text + bins->offsets[i], bins->offsets[i + 1] - bins->offsets[i]);
		fprintf(file, " %u\n", bins->category_bin[i]);
	}
	for (int i = 0; i < 3; i++)
	{
		fprintf(file, "category %u x", feature);
		write_hex(file, strangers[i], strlen(strangers[i]));
		fprintf(file, " %u\n", pf_bin_category(bins, strangers[i], strlen(strangers[i])));
	}
}

static void
write_quantiles(FILE *file, const PfModel *model, const uint8_t *row)
{
	const double quantiles[] = {0, 0.05, 0.5, 0.95, 1};
	double		values[5];
	PfSpan	   *spans = pf_alloc(env, model->ntrees * sizeof(PfSpan));

	pf_walk_quantiles(env, model, row, spans, quantiles, 5, values);
	for (int i = 0; i < 5; i++)
	{
		fprintf(file, "quantile ");
		write_hex(file, row, pf_row_size(model));
		fprintf(file, " %a %a\n", quantiles[i], values[i]);
	}
	pf_release(env, spans);
}

/* Rows of training, made-up rows, and one where all is missing. */
static void
write_rows(FILE *file, const Draft *draft)
{
	const PfModel *model = &draft->model;
	size_t		size = pf_row_size(model);
	uint8_t    *row = pf_alloc(env, size);
	double		out[4];

	for (uint32_t i = 0; i < SHOWN; i++)
	{
		if (i < SHOWN / 2 && draft->matrix.bins != NULL)
			memcpy(row, draft->matrix.bins + (size_t) i * draft->matrix.stride, size);
		else if (i + 1 < SHOWN)
			fixture_row(model, &random_state, row);
		else
			memset(row, PF_MISSING_BIN, size);	/* of values, too: a NaN */
		pf_walk_row(model, row, out);
		fprintf(file, "row ");
		write_hex(file, row, size);
		for (uint32_t c = 0; c < model->width; c++)
			fprintf(file, " %a", out[c]);
		fprintf(file, "\n");
		if (model->samples.nvalues > 0)
			write_quantiles(file, model, row);
	}
	pf_release(env, row);
}

static void
write_files(const Draft *draft, const char *directory, const char *name)
{
	const PfModel *model = &draft->model;
	size_t		size;
	uint8_t    *bytes = unit_encode(model, &size);
	FILE	   *file = create(directory, model, name, "model");

	if (file != NULL)
	{
		fwrite(bytes, 1, size, file);
		fclose(file);
		file = create(directory, model, name, "txt");
	}
	if (file == NULL)
	{
		unit_release_all();
		return;
	}
	fprintf(file, "zstd %u\n", ZSTD_versionNumber());
	for (uint32_t f = 0; f < model->nfeatures; f += f < 8 ? 1 : 100)
	{
		if (model->bins[f].kind == PF_NUMBER)
			write_numbers(file, &model->bins[f], f);
		else
			write_categories(file, &model->bins[f], f);
	}
	write_rows(file, draft);
	fclose(file);
	printf("%s: %zu bytes, %u trees\n", name, size, model->kind == PF_MODEL_LINEAR ? 0 : model->ntrees);
	unit_release_all();
}

/* ----- the models ----- */

/*
 * Two numbers, one of them with gaps, a constant, nothing at all, and a category.
 * With a max_depth, bins are few as well: a model so small that a fuzzer comes by
 * all of its bytes.
 */
static void
mixed(Draft *draft, uint32_t nclasses, char *const *classes, PfForestParams params)
{
	double		x[ROWS],
				y[ROWS],
				constant[ROWS],
				nothing[ROWS];
	int			which[ROWS];

	start(draft, nclasses, classes);
	if (params.max_depth > 0)
		draft->max_bins = 5;
	add_column(draft, "x", PF_NUMBER, 0);
	add_column(draft, "half there", PF_NUMBER, 0);
	add_column(draft, "constant", PF_NUMBER, 0);
	add_column(draft, "nothing", PF_NUMBER, 0);
	add_column(draft, "k\xc3\xa4se", PF_CATEGORY, 0);
	make_room(draft);
	for (uint32_t i = 0; i < ROWS; i++)
	{
		double		signal;

		x[i] = unit_uniform(&random_state) * 20 - 10;
		y[i] = floor(unit_uniform(&random_state) * 50) / 10;
		constant[i] = 7;
		nothing[i] = NAN;
		which[i] = (int) (unit_random(&random_state) % CATEGORIES);
		signal = x[i] / 10 + (which[i] % 3) * 0.5 + (y[i] > 2 ? 0.7 : 0) +
			unit_uniform(&random_state);
		if (unit_uniform(&random_state) < 0.3)
			y[i] = NAN;
		if (unit_uniform(&random_state) < 0.1)
			which[i] = -1;
		if (nclasses)
			draft->matrix.label[i] = signal < 0.4 ? 0 : signal < 1.5 || nclasses == 2 ? 1 : 2;
		else
			draft->matrix.target[i] = signal * 1000;
	}
	bin_numbers(draft, 0, x);
	bin_numbers(draft, 1, y);
	bin_numbers(draft, 2, constant);
	bin_numbers(draft, 3, nothing);
	bin_categories(draft, 4, which);
	params.max_features = 2;
	grow(draft, params);
}

/* Each pixel has all values 0 .. 254, so all have the same 254 cut points. */
static void
pixels(Draft *draft)
{
	static char *const classes[] = {"0", "1", "2", "10"};
	double		values[ROWS];

	start(draft, 4, classes);
	add_column(draft, "image", PF_NUMBER, PIXELS);
	add_column(draft, "scale", PF_NUMBER, 0);
	make_room(draft);
	for (uint32_t i = 0; i < ROWS; i++)
		draft->matrix.label[i] = unit_uniform(&random_state) < 0.2
			? (uint32_t) (unit_random(&random_state) % 4) : i % 255 / 64;
	for (uint32_t f = 0; f < PIXELS; f++)
	{
		/* every fifth pixel tells the class; 2 and 255 have no common divisor */
		for (uint32_t i = 0; i < ROWS; i++)
			values[i] = f % 5 == 0 ? i % 255 : (i * 2 + f * 7) % 255;
		bin_numbers(draft, f, values);
	}
	for (uint32_t i = 0; i < ROWS; i++)
		values[i] = i % 2 ? 1 : -1;
	bin_numbers(draft, PIXELS, values);
	grow(draft, (PfForestParams) {
		.n_estimators = 6,.max_features = 8,.max_depth = 8,.min_samples_leaf = 2
	});
}

/* A model of the fixtures, which has no rows of its own. */
static void
write_model(const PfModel *model, const char *directory, const char *name)
{
	Draft		draft = {.model = *model};

	write_files(&draft, directory, name);
}

static void
write_calibrated(Draft *draft, PfCalibrationMethod method, const char *directory, const char *name)
{
	fixture_calibrate(&draft->model, method);
	write_files(draft, directory, name);
}

/* A regression that can give quantiles. */
static void
write_sampled(PfForestParams params, uint64_t seed, const char *directory, const char *name)
{
	Draft		draft;

	random_state = seed;
	params.ranks = pf_alloc(env, ROWS * sizeof(uint16_t));
	mixed(&draft, 0, NULL, params);
	write_files(&draft, directory, name);
}

int
main(int argc, char **argv)
{
	static char *const two[] = {"false", "true"};
	static char *const three[] = {"low", "mid", "h\xc3\xb6h"};
	Draft		draft;

	if (argc != 2)
	{
		fprintf(stderr, "usage: make_golden DIRECTORY\n");
		return 2;
	}
	env = unit_env();

	random_state = 1;
	mixed(&draft, 2, two, (PfForestParams) {.n_estimators = 8,.min_samples_leaf = 5});
	write_files(&draft, argv[1], "binary");
	random_state = 2;
	mixed(&draft, 3, three, (PfForestParams) {.n_estimators = 8,.min_samples_leaf = 1});
	write_files(&draft, argv[1], "classes");
	random_state = 3;
	mixed(&draft, 0, NULL, (PfForestParams) {.n_estimators = 3,.min_samples_leaf = 1});
	write_files(&draft, argv[1], "regression");
	random_state = 5;
	mixed(&draft, 3, three, (PfForestParams) {.n_estimators = 3,.min_samples_leaf = 5,.max_depth = 3});
	write_files(&draft, argv[1], "small");
	random_state = 6;
	mixed(&draft, 2, two, (PfForestParams) {.n_estimators = 1,.min_samples_leaf = 5});
	boost(&draft, PF_LOSS_LOG, PF_LINK_LOGISTIC, false);
	write_files(&draft, argv[1], "boosting-binary");
	random_state = 7;
	mixed(&draft, 3, three, (PfForestParams) {.n_estimators = 1,.min_samples_leaf = 5,.max_depth = 3});
	boost(&draft, PF_LOSS_LOG, PF_LINK_SOFTMAX, false);
	write_files(&draft, argv[1], "boosting-classes");
	random_state = 8;
	mixed(&draft, 0, NULL, (PfForestParams) {.n_estimators = 1,.min_samples_leaf = 5});
	boost(&draft, PF_LOSS_SQUARED_ERROR, PF_LINK_IDENTITY, false);
	write_files(&draft, argv[1], "boosting-value");
	random_state = 9;
	mixed(&draft, 0, NULL, (PfForestParams) {.n_estimators = 1,.min_samples_leaf = 5});
	for (uint32_t i = 0; i < ROWS; i++)
		draft.matrix.target[i] = floor(fabs(draft.matrix.target[i]) / 300);
	boost(&draft, PF_LOSS_POISSON, PF_LINK_EXP, false);
	write_files(&draft, argv[1], "boosting-counts");
	random_state = 4;
	pixels(&draft);
	write_files(&draft, argv[1], "array");

	random_state = 7;
	write_model(fixture_isolation(), argv[1], "isolation");
	write_model(fixture_linear(0), argv[1], "linear-regression");
	write_model(fixture_linear(2), argv[1], "linear-binary");
	write_model(fixture_linear(3), argv[1], "linear-classes");
	mixed(&draft, 2, two, (PfForestParams) {.n_estimators = 3,.min_samples_leaf = 5,.max_depth = 3});
	write_calibrated(&draft, PF_SIGMOID, argv[1], "sigmoid");
	mixed(&draft, 3, three, (PfForestParams) {.n_estimators = 3,.min_samples_leaf = 5,.max_depth = 3});
	write_calibrated(&draft, PF_ISOTONIC, argv[1], "isotonic");
	write_sampled((PfForestParams) {.n_estimators = 3,.min_samples_leaf = 1}, 9, argv[1], "quantiles");
	write_sampled((PfForestParams) {.n_estimators = 2,.min_samples_leaf = 5,.max_depth = 2}, 10,
				  argv[1], "quantiles-small");
	random_state = 11;
	mixed(&draft, 0, NULL, (PfForestParams) {.n_estimators = 1,.min_samples_leaf = 5});
	boost(&draft, PF_LOSS_SQUARED_ERROR, PF_LINK_IDENTITY, true);
	write_files(&draft, argv[1], "sets-value");
	mixed(&draft, 3, three, (PfForestParams) {.n_estimators = 1,.min_samples_leaf = 5,.max_depth = 3});
	boost(&draft, PF_LOSS_LOG, PF_LINK_SOFTMAX, true);
	write_files(&draft, argv[1], "sets-classes");
	return 0;
}

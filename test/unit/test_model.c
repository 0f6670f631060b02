/*
 * test_model.c
 *	  The model as a value: there and back, and bytes that lie.
 */
#include <string.h>

#include "engine/model/model.h"
#include "engine/model/wire.h"
#include "engine/walk/walk.h"
#include "fixture.h"
#include "unit.h"
#include "unit_encode.h"

static PfModel *
small_model(uint32_t nclasses)
{
	PfMatrix	matrix = fixture_matrix(300, 4, nclasses, 0.1, 3);
	PfForestParams params = fixture_params(&matrix);

	params.n_estimators = 5;
	return fixture_model(&matrix, &params);
}

static void
there_and_back(PfModel *model, uint32_t version)
{
	const PfEnv *env = unit_env();
	PfModel    *decoded;
	const char *reason = NULL;
	size_t		size,
				size_again;
	uint8_t    *bytes = unit_encode(model, &size);
	uint8_t    *again;
	uint8_t    *row = pf_alloc(env, pf_row_size(model));
	uint64_t	random = 99;
	uint32_t	differ = 0;

	decoded = pf_model_decode(env, bytes, size, 0, &reason);
	if (!CHECK(decoded != NULL))
	{
		printf("%s\n", reason);
		return;
	}
	again = unit_encode(decoded, &size_again);
	CHECK(size == size_again && memcmp(bytes, again, size) == 0);
	CHECK_INT(bytes[8], version);
	CHECK_INT(decoded->kind, model->kind);
	CHECK_INT(decoded->nclasses, model->nclasses);
	CHECK_INT(decoded->nsums, model->nsums);
	CHECK_TEXT(decoded->columns[2].name, "f3");
	CHECK_INT(decoded->bins[3].kind, PF_CATEGORY);
	CHECK_INT(pf_bin_category(&decoded->bins[3], "c017", 4), 17);
	CHECK_INT(pf_bin_category(&decoded->bins[3], "nope", 4), PF_MISSING_BIN);
	CHECK_DOUBLE(decoded->importance[0], model->importance[0]);
	CHECK_INT(decoded->calibration.method, model->calibration.method);
	CHECK_DOUBLE(decoded->threshold, model->threshold);
	for (uint32_t i = 0; i < 500; i++)
	{
		double		a[8],
					b[8];

		fixture_row(model, &random, row);
		pf_walk_row(model, row, a);
		pf_walk_row(decoded, row, b);
		differ += memcmp(a, b, model->width * sizeof(double)) != 0;
	}
	CHECK_INT(differ, 0);
	if (model->kind == PF_MODEL_LINEAR)
		CHECK(decoded->memory >= model->linear.noutputs * model->linear.ncoefficients * sizeof(double));
	else
		CHECK(decoded->memory >= decoded->roots[decoded->ntrees] * sizeof(PfNode));
}

/* A decode of these bytes may fail, but not otherwise than by saying so. */
static bool
survives(const uint8_t *bytes, size_t size)
{
	const char *reason = NULL;
	PfModel    *model = pf_model_decode(unit_env(), bytes, size, 1 << 26, &reason);

	if (model == NULL)
		return CHECK(reason != NULL);

	/* what was accepted must be safe to walk, and to write again */
	for (int bin = 0; bin < 256; bin += 51)
	{
		uint8_t    *row = pf_alloc(unit_env(), pf_row_size(model));
		double	   *out = pf_alloc(unit_env(), model->width * sizeof(double));

		memset(row, bin, pf_row_size(model));
		pf_walk_row(model, row, out);
	}
	unit_encode(model, &size);
	return true;
}

/*
 * Flipped bytes mostly die at the checksum.  To get past it, the payload is
 * damaged before it is packed: encode with a broken model.
 */
static void
lying_models(void)
{
	uint64_t	random = 5;

	for (int i = 0; i < 300; i++)
	{
		PfModel    *model = small_model(i % 2 ? 2 : 0);
		uint32_t	nnodes = model->roots[model->ntrees];
		PfNode	   *node = &model->nodes[unit_random(&random) % nnodes];
		const char *reason = NULL;
		uint8_t    *bytes;
		size_t		size;

		switch (i % 10)
		{
			case 0:
				if (pf_is_leaf(node))
					node->link = 0x00FFFFFF & (uint32_t) unit_random(&random);
				break;
			case 1:
				if (!pf_is_leaf(node))
					node->feature = (uint16_t) (unit_random(&random) % 65535);
				break;
			case 2:
				if (!pf_is_leaf(node))
					node->threshold = 255;
				break;
			case 3:
				model->nleaves = 1;
				break;
			case 4:
				model->bins[0].cuts[5] = model->bins[0].cuts[4];
				break;
			case 5:
				model->bins[3].category_bin[9] = 255;
				break;
			case 6:
				memcpy(model->bins[3].text + 8, "c000", 4);
				break;
			case 7:
				model->columns[1].name[0] = '\0';
				break;
			case 8:
				model->columns[0].length = 3;
				break;
			case 9:
				model->leaves[0] = 0.0 / 0.0;
				break;
		}
		bytes = unit_encode(model, &size);
		if (i % 10 > 2)
			CHECK(pf_model_decode(unit_env(), bytes, size, 0, &reason) == NULL && reason != NULL);
		else
			survives(bytes, size);
		unit_release_all();
	}
}

/* Only forests are of the first format. */
static void
refuses_first_format(const PfModel *model)
{
	const char *reason = NULL;
	size_t		size;
	uint8_t    *bytes = unit_encode(model, &size);

	bytes[8] = 1;
	CHECK(pf_model_decode(unit_env(), bytes, size, 0, &reason) == NULL);
	CHECK_TEXT(reason, "a kind of model that this release does not know");
}

/* Links, sums and versions that do not go together. */
static void
lying_boosting(void)
{
	const char *reason;
	PfModel    *model;
	uint8_t    *bytes;
	size_t		size;

	for (int i = 0; i < 8; i++)
	{
		model = fixture_boosting(i < 4 ? PF_LINK_LOGISTIC : PF_LINK_SOFTMAX);
		switch (i)
		{
			case 0:
				model->link = PF_LINK_SOFTMAX;
				break;
			case 1:
				model->link = (PfLink) 4;
				break;
			case 2:
				model->task = PF_REGRESSION;
				break;
			case 3:
				model->base[0] = 1.0 / 0.0;
				break;
			case 4:
				model->ntrees--;
				break;
			case 5:
				model->nclasses = 2;
				break;
			case 6:
				model->kind = (PfModelKind) 9;
				break;
			case 7:
				model->leaves[0] = 0.0 / 0.0;
				break;
		}
		bytes = unit_encode(model, &size);
		reason = NULL;
		CHECK(pf_model_decode(unit_env(), bytes, size, 0, &reason) == NULL && reason != NULL);
	}

	refuses_first_format(fixture_boosting(PF_LINK_EXP));
}

/* Sets that are not there, or too many, or of what has none. */
static void
lying_sets(void)
{
	static const char *const reasons[] = {
		"the sets of its splits are not there",
		"a split is out of range",
		"a set has a bin that its feature has not",
		"a split is out of range"
	};
	PfModel    *model;
	const char *reason;
	uint8_t    *bytes;
	size_t		size;
	size_t		memory = 0;

	for (int i = 0; i < 4; i++)
	{
		uint32_t	at = 0;

		model = fixture_sets(PF_LINK_IDENTITY);
		reason = NULL;
		while (!pf_has_set(&model->nodes[at]))
			at++;
		switch (i)
		{
			case 0:
				model->nsets = 0;
				break;
			case 1:
				model->nodes[at].feature = 0;
				break;
			case 2:
				model->bins[3].nbins = 29;
				for (uint32_t c = 0; c < model->bins[3].ncategories; c++)
					model->bins[3].category_bin[c] %= 29;
				pf_add_to_set(&model->sets[0], 29);
				break;
			case 3:
				model->kind = PF_MODEL_ISOLATION;
				model->task = PF_ANOMALY;
				model->nsums = 0;
				break;
		}
		bytes = unit_encode(model, &size);
		if (!CHECK(pf_model_decode(unit_env(), bytes, size, 0, &reason) == NULL) ||
			!CHECK_TEXT(reason, reasons[i]))
			printf("case %d\n", i);
		unit_release_all();
	}

	/* bytes that are too many, or too few */
	model = fixture_sets(PF_LINK_LOGISTIC);
	bytes = pf_wire_put_sets(unit_env(), model, &size);
	CHECK_INT(size, 32 * model->nsets);
	CHECK(pf_wire_get_sets(unit_env(), model, bytes, size, &memory) == NULL);
	CHECK(memory > model->nsets * sizeof(PfSet));
	CHECK_TEXT(pf_wire_get_sets(unit_env(), model, bytes, size - 1, &memory), "a section has the wrong length");
	CHECK_TEXT(pf_wire_get_sets(unit_env(), model, bytes, size + 1, &memory), "a section has the wrong length");
	unit_release_all();
}

/* Scores, coefficients and curves that cannot be. */
static void
lying_others(void)
{
	const char *reason;
	PfModel    *model;
	uint8_t    *bytes;
	size_t		size;

	for (int i = 0; i < 16; i++)
	{
		model = i < 4 ? fixture_isolation() : i < 8 ? fixture_linear(i < 6 ? 2 : 0) : small_model(i < 12 ? 3 : 2);
		if (i >= 8)
			fixture_calibrate(model, i < 10 ? PF_SIGMOID : PF_ISOTONIC);
		switch (i)
		{
			case 0:
				model->path = -1;
				break;
			case 1:
				model->threshold = 0.0 / 0.0;
				break;
			case 2:
				model->task = PF_REGRESSION;
				break;
			case 3:
				model->path = 1.0 / 0.0;
				break;
			case 4:
				model->linear.coefficient[7] = 1.0 / 0.0;
				break;
			case 5:
				model->nclasses = 1;
				break;
			case 6:
				model->task = PF_ANOMALY;
				break;
			case 7:
				model->linear.ncoefficients--;
				break;
			case 8:
				model->calibration.curves[1].x[0] = 0.0 / 0.0;
				break;
			case 9:
				model->calibration.ncurves = 2;
				break;
			case 10:
				model->calibration.curves[2].n = 0;
				break;
			case 11:
				model->calibration.curves[0].x[2] = model->calibration.curves[0].x[1];
				break;
			case 12:
				model->calibration.curves[0].y[4] = 0;
				break;
			case 13:
				model->calibration.curves[0].y[4] = 1.5;
				break;
			case 14:
				model->calibration.method = (PfCalibrationMethod) 3;
				break;
			case 15:
				model->nclasses = 0;
				model->task = PF_REGRESSION;
				break;
		}
		bytes = unit_encode(model, &size);
		reason = NULL;
		if (!CHECK(pf_model_decode(unit_env(), bytes, size, 0, &reason) == NULL && reason != NULL))
			printf("case %d\n", i);
		unit_release_all();
	}
	refuses_first_format(fixture_isolation());
	refuses_first_format(fixture_linear(3));
}

static void
damaged_bytes(void)
{
	const PfEnv *env = unit_env();
	size_t		size;
	uint8_t    *bytes = unit_encode(small_model(3), &size);
	uint8_t    *copy = pf_alloc(env, size + 8);
	uint64_t	random = 77;
	const char *reason;

	for (size_t length = 0; length < size; length += length < 64 ? 1 : 97)
	{
		reason = NULL;
		CHECK(pf_model_decode(env, bytes, length, 0, &reason) == NULL && reason != NULL);
	}
	for (int i = 0; i < 2000; i++)
	{
		memcpy(copy, bytes, size);
		for (int n = 0; n <= i % 3; n++)
			copy[unit_random(&random) % (i % 4 ? size : 48)] ^= (uint8_t) (1 + unit_random(&random) % 255);
		survives(copy, size);
	}
	memcpy(copy, bytes, size);
	memset(copy + size, 0, 8);
	reason = NULL;
	CHECK(pf_model_decode(env, copy, size + 8, 0, &reason) == NULL);
	CHECK_TEXT(reason, "bytes are left over");

	/* a length that would take all memory */
	memcpy(copy, bytes, size);
	memset(copy + 16, 0xFF, 8);
	CHECK(pf_model_decode(env, copy, size, 0, &reason) == NULL);
	CHECK_TEXT(reason, "the length is out of range");
	CHECK(pf_model_decode(env, bytes, size, 100, &reason) == NULL);
	CHECK_TEXT(reason, "the length is out of range");
	memcpy(copy, bytes, size);
	copy[8] = PF_WIRE_VERSION + 1;
	CHECK(pf_model_decode(env, copy, size, 0, &reason) == NULL);
	CHECK_TEXT(reason, "a format version that this release does not know");
}

static void
decode_some(void *arg)
{
	size_t		size;
	const char *reason;
	uint8_t    *bytes = unit_encode(small_model(2), &size);

	(void) arg;
	pf_model_decode(unit_env(), bytes, size, 0, &reason);
}

/* Equal leaves share a row, and a node takes what docs/model-format.md says. */
static void
is_small(void)
{
	PfMatrix	matrix = fixture_matrix(20000, 10, 2, 0, 41);
	PfForestParams params = fixture_params(&matrix);
	PfModel    *model;
	size_t		size;

	params.max_features = 3;
	model = fixture_model(&matrix, &params);
	unit_encode(model, &size);
	CHECK_INT(model->nleaves, 2);
	CHECK_INT(sizeof(PfNode), 8);
	CHECK(size < 4 * (size_t) model->roots[model->ntrees] + 40000);
}

void
test_model(void)
{
	there_and_back(small_model(2), 1);
	there_and_back(small_model(7), 1);
	there_and_back(small_model(0), 1);
	unit_release_all();
	for (PfLink link = PF_LINK_IDENTITY; link <= PF_LINK_SOFTMAX; link++)
	{
		there_and_back(fixture_boosting(link), 2);
		there_and_back(fixture_sets(link), 2);
	}
	there_and_back(fixture_isolation(), 2);
	for (uint32_t nclasses = 0; nclasses <= 4; nclasses += 2)
		there_and_back(fixture_linear(nclasses), 2);
	for (PfCalibrationMethod method = PF_SIGMOID; method <= PF_ISOTONIC; method++)
	{
		for (uint32_t nclasses = 2; nclasses <= 3; nclasses++)
		{
			PfModel    *model = small_model(nclasses);

			fixture_calibrate(model, method);
			there_and_back(model, 2);
		}
	}
	lying_boosting();
	lying_sets();
	lying_others();
	unit_release_all();
	lying_models();
	damaged_bytes();
	unit_release_all();
	is_small();
	unit_release_all();
	for (uint64_t after = 0; after < 300; after += 29)
		unit_interrupt(after, decode_some, NULL);
	unit_release_all();
}

/*
 * test_golden.c
 *	  Models that earlier releases wrote: every later one must read them alike.
 *
 * The files are in test/unit/golden; what the lines of a .txt mean is said in
 * make_golden.c, which wrote them.  Predictions must agree in every bit,
 * unless the mathematical library has a part in them.
 */
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "engine/model/model.h"
#include "engine/model/wire.h"
#include "engine/walk/quantile.h"
#include "engine/walk/walk.h"
#include "unit.h"
#include "unit_encode.h"

/* The build says where the files are; else we were started from the top folder. */
#ifndef GOLDEN_DIR
#define GOLDEN_DIR "test/unit/golden"
#endif

/* A file with a zero byte after it, or NULL. */
static char *
read_file(const char *name, size_t *size)
{
	char		path[4096];
	FILE	   *file;
	char	   *bytes = NULL;
	size_t		room = 65536;
	size_t		n;

	snprintf(path, sizeof(path), "%s/%s", GOLDEN_DIR, name);
	file = fopen(path, "rb");
	if (file == NULL)
	{
		perror(path);
		return NULL;
	}
	bytes = pf_alloc(unit_env(), room);
	*size = 0;
	while ((n = fread(bytes + *size, 1, room - 1 - *size, file)) > 0)
	{
		*size += n;
		if (*size == room - 1)
			bytes = pf_resize(unit_env(), bytes, room *= 2);
	}
	fclose(file);
	bytes[*size] = '\0';
	return bytes;
}

/* Bytes from hexadecimal digits, in place; returns their number. */
static size_t
unhex(char *text)
{
	size_t		n = strlen(text) / 2;

	for (size_t i = 0; i < n; i++)
	{
		char		digits[3] = {text[2 * i], text[2 * i + 1], '\0'};

		text[i] = (char) strtoul(digits, NULL, 16);
	}
	return n;
}

static bool
same_bits(const double *a, const double *b, uint32_t n)
{
	return memcmp(a, b, n * sizeof(double)) == 0;
}

/* Another library's exp may differ in the last bits. */
static bool
as_expected(const PfModel *model, const double *is, const double *expected)
{
	if ((model->kind == PF_MODEL_FOREST && model->calibration.ncurves == 0) ||
		(model->kind == PF_MODEL_BOOSTING && model->link == PF_LINK_IDENTITY))
		return same_bits(is, expected, model->width);
	for (uint32_t c = 0; c < model->width; c++)
	{
		if (!(fabs(is[c] - expected[c]) <= 1e-14 * fabs(expected[c])))
			return false;
	}
	return true;
}

static void
check_row(const PfModel *model, char *digits)
{
	char	   *values = strchr(digits, ' ');
	uint8_t    *bytes;
	double		expected[PF_MAX_CLASSES];
	double		row[PF_MAX_CLASSES],
				block[PF_MAX_CLASSES];

	for (uint32_t c = 0; c < model->width; c++)
		expected[c] = strtod(values, &values);
	*strchr(digits, ' ') = '\0';
	if (!CHECK_INT(unhex(digits), pf_row_size(model)))
		return;
	bytes = pf_alloc(unit_env(), pf_row_size(model));	/* aligned, as the digits are not */
	memcpy(bytes, digits, pf_row_size(model));
	pf_walk_row(model, bytes, row);
	pf_walk_block(unit_env(), model, bytes, pf_row_size(model), 1, block);
	CHECK(as_expected(model, row, expected));
	CHECK(same_bits(block, row, model->width));
	pf_walk_row_fast(unit_env(), model, bytes, block);
	CHECK(same_bits(block, row, model->width));
	pf_release(unit_env(), bytes);
}

static void
check_quantile(const PfModel *model, char *digits)
{
	char	   *values = strchr(digits, ' ');
	PfSpan	   *spans = pf_alloc(unit_env(), model->ntrees * sizeof(PfSpan));
	double		quantile = strtod(values, &values);
	double		expected = strtod(values, &values);
	double		value;

	*strchr(digits, ' ') = '\0';
	if (CHECK_INT(unhex(digits), pf_row_size(model)) && CHECK(model->samples.nvalues > 0))
	{
		pf_walk_quantiles(unit_env(), model, (uint8_t *) digits, spans, &quantile, 1, &value);
		CHECK(same_bits(&value, &expected, 1));
	}
	pf_release(unit_env(), spans);
}

/* The lines of a .txt; returns the version of zstd that it names. */
static unsigned
check_lines(const PfModel *model, char *text)
{
	unsigned	zstd = 0;
	uint32_t	lines = 0;

	for (char *next, *line = text; (next = strchr(line, '\n')) != NULL; line = next + 1, lines++)
	{
		char		word[16] = "",
					value[512] = "";
		unsigned	feature,
					bin;

		*next = '\0';
		sscanf(line, "%15s", word);
		if (strcmp(word, "zstd") == 0)
			sscanf(line, "zstd %u", &zstd);
		else if (strcmp(word, "row") == 0)
			check_row(model, line + strlen("row "));
		else if (strcmp(word, "quantile") == 0)
			check_quantile(model, line + strlen("quantile "));
		else if (CHECK_INT(sscanf(line, "%*s %u %511s %u", &feature, value, &bin), 3) &&
				 CHECK(feature < model->nfeatures))
		{
			const PfBins *bins = &model->bins[feature];

			if (bins->kind == PF_NUMBER)
			{
				double		number = strtod(value, NULL);
				uint8_t		again;

				CHECK_TEXT(word, "number");
				CHECK_INT(pf_bin_number(bins, number), bin);
				pf_bin_numbers(bins, &number, 1, &again, 1);
				CHECK_INT(again, bin);
			}
			else
			{
				/* an x before the digits: the empty text is a category too */
				size_t		length = unhex(value + 1);

				CHECK_TEXT(word, "category");
				CHECK_INT(pf_bin_category(bins, value + 1, length), bin);
			}
		}
	}
	CHECK(lines > 24);
	return zstd;
}

/*
 * Written again, a model has the same payload, which the checksum in the header stands
 * for: what an old format version can say is still written in it.  Compressed bytes are another zstd's
 * own affair.
 */
static void
check_again(const PfModel *model, const char *bytes, size_t size, unsigned zstd)
{
	size_t		size_again;
	uint8_t    *again = unit_encode(model, &size_again);

	CHECK(memcmp(bytes, again, PF_WIRE_HEADER) == 0);
	if (zstd == ZSTD_versionNumber())
		CHECK(size == size_again && memcmp(bytes, again, size) == 0);
}

static void
check_model(const char *name)
{
	char		text_name[300];
	size_t		size,
				text_size;
	char	   *bytes = read_file(name, &size);
	char	   *text;
	PfModel    *model;
	const char *reason = NULL;
	uint64_t	checks = unit_interrupt_checks();

	snprintf(text_name, sizeof(text_name), "%.*s.txt", (int) (strlen(name) - strlen(".model")), name);
	text = read_file(text_name, &text_size);
	if (!CHECK(bytes != NULL && text != NULL))
		return;
	model = pf_model_decode(unit_env(), (const uint8_t *) bytes, size, 0, &reason);
	if (!CHECK(model != NULL))
	{
		printf("%s: %s\n", name, reason);
		return;
	}
	CHECK(unit_interrupt_checks() > checks);
	check_again(model, bytes, size, check_lines(model, text));
	unit_release_all();
}

void
test_golden(void)
{
	DIR		   *directory = opendir(GOLDEN_DIR);
	struct dirent *entry;
	int			models = 0;

	if (!CHECK(directory != NULL))
	{
		perror(GOLDEN_DIR);
		return;
	}
	while ((entry = readdir(directory)) != NULL)
	{
		size_t		length = strlen(entry->d_name);

		if (length < 7 || length > 200 || strcmp(entry->d_name + length - 6, ".model") != 0)
			continue;
		check_model(entry->d_name);
		models++;
	}
	closedir(directory);
	CHECK(models >= 9);
	unit_release_all();
}

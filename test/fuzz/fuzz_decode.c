/*
 * fuzz_decode.c
 *	  Hostile bytes against the decoder, and what it accepted against the rest.
 *
 * An input is a model's bytes.  The checksum would stop nearly every change to
 * them, so it is the payload that is changed: unpacked, mutated, packed again
 * with the right lengths and checksum.  What breaks the decoder is thus a
 * file that can be given to it as it is.
 *
 * With libFuzzer this is a custom mutator; it mostly changes bytes in ways of our
 * own, because libFuzzer leans to changes of length, and most of a model is planes
 * of fixed size.  Built with -DFUZZ_STANDALONE it has a main of its own that takes
 * the same arguments as far as it knows them (-max_total_time=SECONDS, -seed=N,
 * -artifact_prefix=PATH, files and directories of seeds) and mutates blindly;
 * without a time the seeds are just run, to repeat a finding.
 *
 * Broken promises abort: a decode that takes more memory than its bound, a
 * refusal without a reason, an accepted model that cannot be walked or written
 * and read again.  The sanitizers see to the rest.
 */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "engine/bins/hash.h"
#include "engine/model/model.h"
#include "engine/model/wire.h"
#include "engine/walk/quantile.h"
#include "engine/walk/walk.h"
#include "../unit/unit.h"
#include "../unit/unit_encode.h"

#define MAX_PAYLOAD		(4 * PF_WIRE_BLOCK)
#define MAX_ROWS		9			/* walked together */
#define TABLES			(2 << 20)	/* of columns and classes, made before they are read */

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
extern size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static void
demand(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_decode: broken promise: %s\n", what);
	abort();
}

/* ----- the container around a payload ----- */

static uint64_t
load(const uint8_t *at, uint32_t size)
{
	uint64_t	value = 0;

	for (uint32_t i = 0; i < size; i++)
		value |= (uint64_t) at[i] << (8 * i);
	return value;
}

static void
store(uint8_t *at, uint64_t value, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		at[i] = (uint8_t) (value >> (8 * i));
}

/* The payload's size, 0 when the bytes are no container that we can open. */
static size_t
open_container(const uint8_t *data, size_t size, uint8_t *payload)
{
	size_t		at = PF_WIRE_HEADER;
	size_t		done = 0;

	if (size < PF_WIRE_HEADER)
		return 0;
	while (size - at >= 4)
	{
		uint64_t	packed = load(data + at, 4);
		size_t		raw;

		at += 4;
		if (packed > size - at)
			break;
		raw = ZSTD_decompress(payload + done, MAX_PAYLOAD - done, data + at, packed);
		if (ZSTD_isError(raw))
			break;
		done += raw;
		at += packed;
	}
	return done;
}

/* 0 when there is not enough room. */
static size_t
make_container(const uint8_t *payload, size_t length, uint64_t version, uint8_t *data, size_t room)
{
	uint64_t	checksum = PF_HASH_START;
	size_t		size = PF_WIRE_HEADER;

	if (room < size)
		return 0;
	for (size_t done = 0; done < length; done += PF_WIRE_BLOCK)
	{
		size_t		raw = length - done < PF_WIRE_BLOCK ? length - done : PF_WIRE_BLOCK;
		size_t		packed;

		if (room - size < 4)
			return 0;
		packed = ZSTD_compress(data + size + 4, room - size - 4, payload + done, raw, 1);
		if (ZSTD_isError(packed))
			return 0;
		store(data + size, packed, 4);
		size += 4 + packed;
		checksum = pf_hash_combine(checksum, pf_hash_bytes(payload + done, raw));
	}
	memset(data, 0, PF_WIRE_HEADER);
	memcpy(data, PF_WIRE_MAGIC, 8);
	store(data + 8, version, 2);
	store(data + 16, length, 8);
	store(data + 24, checksum, 8);
	return size;
}

/* ----- changes ----- */

static uint64_t random_state = 1;

static uint32_t
below(size_t n)
{
	return n ? (uint32_t) (unit_random(&random_state) % n) : 0;
}

/* One of the changes that break parsers. */
static size_t
change(uint8_t *data, size_t size, size_t max_size)
{
	static const uint32_t odd[] = {
		0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF, 0x100, 0x101, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x10000,
		0x7FFFFFFE, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF
	};
	/* lengths and counts are mostly at the beginning */
	uint32_t	at = below(below(2) ? size : size < 256 ? size : 256);
	uint32_t	n = 1 + below(below(4) ? 8 : 4096);
	uint32_t	width = 1u << below(4);

	if (size == 0)
	{
		data[0] = (uint8_t) unit_random(&random_state);
		return 1;
	}
	switch (below(8))
	{
		case 0:
			data[at] ^= (uint8_t) (1 << below(8));
			return size;
		case 1:
			data[at] = (uint8_t) unit_random(&random_state);
			return size;
		case 2:
			if (width <= size - at)
				store(data + at, odd[below(sizeof(odd) / sizeof(odd[0]))], width);
			return size;
		case 3:					/* a number a little off */
			if (width <= size - at)
				store(data + at, load(data + at, width) + below(9) - 4, width);
			return size;
		case 4:					/* bytes removed */
			n = n < size - at ? n : (uint32_t) (size - at);
			memmove(data + at, data + at + n, size - at - n);
			return size - n;
		case 5:					/* bytes inserted, copied from elsewhere */
			if (n > max_size - size)
				return size;
			memmove(data + at + n, data + at, size - at);
			for (uint32_t i = 0; i < n; i++)
				data[at + i] = data[(at + n + i) % (size + n)];
			return size + n;
		case 6:					/* bytes copied over others */
			n = n < size - at ? n : (uint32_t) (size - at);
			memmove(data + at, data + below(size - n + 1), n);
			return size;
		default:
			return below(40) == 0 ? below(size) : size;
	}
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	static uint8_t payload[MAX_PAYLOAD];
	uint64_t	version = size >= PF_WIRE_HEADER ? load(data + 8, 2) : PF_WIRE_VERSION;
	size_t		length;
	size_t		made;

	/* now and then the container itself */
	if (seed % 16 == 0)
		return LLVMFuzzerMutate(data, size, max_size);
	length = open_container(data, size, payload);
	random_state += seed;
	for (uint32_t n = below(4) + 1; n > 0; n--)
		length = below(4) ? change(payload, length, MAX_PAYLOAD)
			: LLVMFuzzerMutate(payload, length, MAX_PAYLOAD);
	made = make_container(payload, length, version, data, max_size);
	return made ? made : LLVMFuzzerMutate(data, size, max_size);
}

/* ----- what is demanded ----- */

/* Is it a threshold, or a set of its tree that has no bins beyond its feature's? */
static bool
is_split(const PfModel *model, uint32_t tree, const PfNode *node)
{
	const PfBins *bins = &model->bins[node->feature];
	uint32_t	set = node->threshold - PF_FIRST_SET;

	if (!pf_has_set(node))
		return node->threshold < PF_MISSING_BIN;
	set += model->first_set[tree];
	if (model->kind != PF_MODEL_BOOSTING || bins->kind != PF_CATEGORY ||
		set >= (tree + 1 < model->ntrees ? model->first_set[tree + 1] : model->nsets))
		return false;
	for (uint32_t bin = bins->nbins; bin < PF_MISSING_BIN; bin++)
	{
		if (pf_in_set(&model->sets[set], (uint8_t) bin))
			return false;
	}
	return pf_in_set(&model->sets[set], PF_MISSING_BIN) == ((node->link & PF_MISSING_LEFT) != 0);
}

/* Nodes that no row visits must be right as well. */
static void
check_trees(const PfModel *model)
{
	for (uint32_t t = 0; t < model->ntrees; t++)
	{
		const PfNode *tree = model->nodes + model->roots[t];
		uint32_t	n = model->roots[t + 1] - model->roots[t];
		uint8_t    *parents = pf_alloc(unit_env(), n);

		memset(parents, 0, n);
		for (uint32_t i = 0; i < n; i++)
		{
			uint32_t	child = tree[i].link & PF_LINK_MASK;

			demand(i == 0 || parents[i] == 1, "each node but the root has one parent");
			if (pf_is_leaf(&tree[i]))
			{
				demand(tree[i].link < model->nleaves, "a leaf is in the table");
				continue;
			}
			demand(tree[i].feature < model->nfeatures && is_split(model, t, &tree[i]),
				   "a split is in range");
			demand(child > i && child < n - 1, "children come after their parent");
			parents[child]++;
			parents[child + 1]++;
		}
		pf_release(unit_env(), parents);
	}
}

static void
check_bins(const PfBins *bins)
{
	demand(bins->nbins <= PF_MAX_BINS, "a feature has at most 255 bins");
	for (uint32_t i = 0; bins->kind == PF_NUMBER && i + 1 < bins->nbins; i++)
		demand(i == 0 ? bins->cuts[i] == bins->cuts[i] : bins->cuts[i] > bins->cuts[i - 1],
			   "cut points ascend");
	for (uint32_t i = 0; bins->kind == PF_CATEGORY && i < bins->ncategories; i++)
	{
		demand(bins->category_bin[i] < bins->nbins, "a category has a bin");
		demand(pf_find_category(bins, bins->text + bins->offsets[i],
								bins->offsets[i + 1] - bins->offsets[i]) == (int32_t) i,
			   "each category is found");
	}
}

static void
take_quantiles(const PfModel *model, const uint8_t *row)
{
	const double quantiles[] = {0, 0.3, 1};
	double		values[3];
	PfSpan	   *spans = pf_alloc(unit_env(), model->ntrees * sizeof(PfSpan));

	pf_walk_quantiles(unit_env(), model, row, spans, quantiles, 3, values);
	demand(values[0] >= model->samples.values[0] && values[0] <= values[1] && values[1] <= values[2] &&
		   values[2] <= model->samples.values[model->samples.nvalues - 1], "quantiles ascend");
	pf_release(unit_env(), spans);
}

/* Rows that are the input's own bytes, which are as good as any. */
static void
walk_model(const PfModel *model, const uint8_t *data, size_t size)
{
	size_t		stride = pf_row_size(model);
	size_t		cells = stride * MAX_ROWS;
	uint8_t    *rows = pf_alloc(unit_env(), cells);
	double	   *one = pf_alloc(unit_env(), model->width * sizeof(double));
	double	   *again = pf_alloc(unit_env(), model->width * sizeof(double));
	double	   *many = pf_alloc(unit_env(), MAX_ROWS * model->width * sizeof(double));

	for (size_t i = 0; i < cells; i++)
		rows[i] = data[i % size];
	memset(rows, PF_MISSING_BIN, stride);
	pf_walk_block(unit_env(), model, rows, stride, MAX_ROWS, many);
	for (uint32_t i = 0; i < MAX_ROWS; i++)
	{
		pf_walk_row(model, rows + i * stride, one);
		demand(memcmp(one, many + (size_t) i * model->width, model->width * sizeof(double)) == 0,
			   "both walkers give equal bits");
		pf_walk_row_fast(unit_env(), model, rows + i * stride, again);
		demand(memcmp(one, again, model->width * sizeof(double)) == 0, "so does the third");
		demand(model->nclasses == 0 || pf_best_class(one, model->nclasses) < model->nclasses,
			   "a class is one of the model's");
		if (model->samples.nvalues > 0)
			take_quantiles(model, rows + i * stride);
	}
}

static void
bin_values(const PfModel *model, const uint8_t *data, size_t size)
{
	for (uint32_t f = 0; f < model->nfeatures; f++)
	{
		const PfBins *bins = &model->bins[f];
		uint32_t	bin;

		check_bins(bins);
		if (bins->kind == PF_NUMBER)
		{
			double		value = 0;
			uint8_t		again;

			memcpy(&value, data + f % size, size - f % size < 8 ? size - f % size : 8);
			bin = pf_bin_number(bins, value);
			pf_bin_numbers(bins, &value, 1, &again, 1);
			demand(again == bin, "one number and many have the same bins");
		}
		else
		{
			size_t		at = f % size;

			bin = pf_bin_category(bins, (const char *) data + at, size - at < 8 ? size - at : 8);
		}
		demand(bin < bins->nbins || bin == PF_MISSING_BIN, "a bin is one of the feature's");
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *reason = NULL;
	uint64_t	length = size >= PF_WIRE_HEADER ? load(data + 16, 8) : 0;
	PfModel    *model;

	if (length > MAX_PAYLOAD)
		length = MAX_PAYLOAD;
	unit_reset_peak();
	model = pf_model_decode(unit_env(), data, size, MAX_PAYLOAD, &reason);
	demand(unit_peak_bytes() <= TABLES + 24 * length,
		   "memory is a small multiple of the payload");
	if (model == NULL)
		demand(reason != NULL, "a refusal has a reason");
	else
	{
		uint8_t    *bytes,
				   *again;
		size_t		n,
					n_again;

		check_trees(model);
		walk_model(model, data, size);
		bin_values(model, data, size);
		bytes = unit_encode(model, &n);
		model = pf_model_decode(unit_env(), bytes, n, 0, &reason);
		demand(model != NULL, "what was written can be read");
		again = unit_encode(model, &n_again);
		demand(n == n_again && memcmp(bytes, again, n) == 0, "there and back gives equal bytes");
	}
	unit_release_all();
	return 0;
}

#ifdef FUZZ_STANDALONE

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>

#define MAX_SEEDS	256

typedef struct Seed
{
	uint8_t    *bytes;
	size_t		size;
} Seed;

static Seed seeds[MAX_SEEDS];
static uint32_t nseeds;
size_t
LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size)
{
	return change(data, size, max_size);
}

static void
add_seed(const char *path)
{
	FILE	   *file = fopen(path, "rb");
	Seed	   *seed = &seeds[nseeds];

	if (file == NULL || nseeds == MAX_SEEDS)
	{
		perror(path);
		exit(2);
	}
	seed->bytes = malloc(MAX_PAYLOAD);
	seed->size = fread(seed->bytes, 1, MAX_PAYLOAD, file);
	fclose(file);
	nseeds++;
}

static void
add_seeds(const char *path)
{
	DIR		   *directory = opendir(path);
	struct dirent *entry;

	if (directory == NULL)
	{
		add_seed(path);
		return;
	}
	while ((entry = readdir(directory)) != NULL)
	{
		char		name[4096];
		struct stat status;

		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (stat(name, &status) == 0 && S_ISREG(status.st_mode))
			add_seed(name);
	}
	closedir(directory);
}

/* The input that is being tried stays behind when the program dies of it. */
static void
keep_input(const char *path, const uint8_t *data, size_t size)
{
	FILE	   *file = fopen(path, "wb");

	if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0)
	{
		perror(path);
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	uint8_t    *data = malloc(MAX_PAYLOAD);
	char		path[4096] = "crash-fuzz_decode";
	long		seconds = 0;
	uint64_t	runs = 0;
	time_t		end;

	for (int i = 1; i < argc; i++)
	{
		if (strncmp(argv[i], "-max_total_time=", 16) == 0)
			seconds = atol(argv[i] + 16);
		else if (strncmp(argv[i], "-seed=", 6) == 0)
			random_state = strtoull(argv[i] + 6, NULL, 10);
		else if (strncmp(argv[i], "-artifact_prefix=", 17) == 0)
			snprintf(path, sizeof(path), "%scrash-fuzz_decode", argv[i] + 17);
		else if (argv[i][0] != '-')
			add_seeds(argv[i]);
	}
	for (uint32_t i = 0; i < nseeds; i++)
		LLVMFuzzerTestOneInput(seeds[i].bytes, seeds[i].size);
	if (nseeds == 0)
	{
		fprintf(stderr, "fuzz_decode: no seeds\n");
		return 2;
	}
	end = time(NULL) + seconds;
	while (time(NULL) < end)
	{
		const Seed *seed = &seeds[below(nseeds)];
		size_t		size = seed->size;

		memcpy(data, seed->bytes, size);
		size = LLVMFuzzerCustomMutator(data, size, MAX_PAYLOAD,
									   (unsigned) unit_random(&random_state));
		keep_input(path, data, size);
		LLVMFuzzerTestOneInput(data, size);
		runs++;
	}
	if (runs > 0)
		remove(path);
	for (uint32_t i = 0; i < nseeds; i++)
		free(seeds[i].bytes);
	free(data);
	printf("%llu inputs tried\n", (unsigned long long) runs);
	return 0;
}

#endif							/* FUZZ_STANDALONE */

/*
 * sample.c
 *	  The sample of training rows, and the bin maps made from it.
 *
 * The sample is the k training rows with the smallest (sample key, content
 * hash): a property of the set of rows, whatever their order, so that the
 * samples of parts merge into the sample of the whole.  Sums of floats go through
 * the sample in that order; nothing depends on arrival.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include <math.h>

#include "catalog/pgenv.h"
#include "engine/bins/cuts.h"
#include "engine/bins/hash.h"
#include "load/stages.h"

#define SAMPLE_ROWS			200000	/* if there are few features */
#define SAMPLE_VALUES		(1 << 26)	/* if there are many */
#define SAMPLE_LEAST_ROWS	10000
#define PROFILE_ROWS		20000	/* of it, where bins are not wanted */
#define HISTOGRAM_BITS		16
#define SLACK_ROWS			32768	/* in a team: so many rows too many are not worth dropping */
#define BOUND_ROWS			4096	/* likewise: seen by a process until it looks for the bound again */
#define TILE				16	/* elements of an array that are gathered together */
#define PIECE				16384	/* values gathered between two interrupt checks */

/* The number of rows in a full sample. */
static uint32
sample_rows(const PfLoad *load)
{
	uint32		rows = SAMPLE_VALUES / Max(load->nfeatures, 1);

	return Max(Min(rows, SAMPLE_ROWS), SAMPLE_LEAST_ROWS);
}

/* How many rows are stored at most, before the sample so far is chosen among them. */
static inline uint32
most_stored(const PfLoad *load)
{
	return sample_rows(load) / 2 * 3;
}

/* Bytes that the sample takes at most, of so many rows. */
uint64
pf_sample_memory(const PfLoad *load, uint32 nrows)
{
	uint64		a_row = sizeof(PfBlock) / PF_BLOCK_ROWS + sizeof(double);

	for (int f = 0; f < load->nfeature_columns; f++)
		a_row += pf_value_size(load->features[f]) * load->features[f]->length;
	return a_row * Min(nrows, most_stored(load));
}

static inline uint64
sample_key(const PfLoad *load, uint32 row)
{
	int			place;
	PfBlock    *block = pf_block_of(load, row, &place);

	return pf_purpose(block->identity[place], PF_FOR_SAMPLE);
}

/* Content of stored rows, for those with one sample key. */
static int
compare_content(uint32 a, uint32 b, const void *arg)
{
	const PfLoad *load = arg;
	int			aplace;
	int			bplace;
	PfBlock    *ablock = pf_block_of(load, a, &aplace);
	PfBlock    *bblock = pf_block_of(load, b, &bplace);
	uint64		acontent = ablock->content[aplace];
	uint64		bcontent = bblock->content[bplace];

	return acontent < bcontent ? -1 : acontent > bcontent;
}

/* Sorts items by key, those with one key by the comparison of what they stand for. */
void
pf_sort_rows(const PfEnv *env, PfItem *items, uint32 n, PfCompare compare, const void *arg)
{
	pf_sort_items(env, items, n);
	for (uint32 start = 0, end; start < n; start = end)
	{
		uint32	   *rows;

		if (start % PIECE == 0)
			pf_check(env);
		for (end = start + 1; end < n && items[end].key == items[start].key; end++)
			;
		if (end - start == 1)
			continue;
		rows = pf_alloc(env, (end - start) * sizeof(uint32));
		for (uint32 i = start; i < end; i++)
			rows[i - start] = items[i].index;
		pf_sort_indexes(env, rows, end - start, compare, arg);
		for (uint32 i = start; i < end; i++)
			items[i].index = rows[i - start];
		pf_release(env, rows);
	}
}

/*
 * The rows of the sample among those stored, in sample order.  Keys are spread
 * evenly, so a histogram of their top bits leaves little more than the sample to
 * sort.
 */
uint32 *
pf_choose_sample(PfLoad *load, uint32 *n)
{
	const PfEnv *env = load->env;
	uint32		wanted = sample_rows(load);
	uint32		stored = pf_stored_rows(load);
	uint32	   *histogram = pf_alloc(env, sizeof(uint32) << HISTOGRAM_BITS);
	uint32		last = 0;
	uint32		sum = 0;
	uint32		nitems = 0;
	PfItem	   *items;
	uint32	   *rows;
	int			place;

	memset(histogram, 0, sizeof(uint32) << HISTOGRAM_BITS);
	for (uint32 row = 0; row < stored; row++)
	{
		if (row % PIECE == 0)
			pf_check(env);
		if (pf_block_of(load, row, &place)->side[place] == PF_TRAIN)
			histogram[sample_key(load, row) >> (64 - HISTOGRAM_BITS)]++;
	}
	for (; last < UINT32_C(1) << HISTOGRAM_BITS; last++)
	{
		sum += histogram[last];
		if (sum >= wanted)
			break;
	}
	pf_release(env, histogram);

	items = pf_alloc(env, Max(sum, 1) * sizeof(PfItem));
	for (uint32 row = 0; row < stored; row++)
	{
		uint64		key = sample_key(load, row);

		if (row % PIECE == 0)
			pf_check(env);
		if (pf_block_of(load, row, &place)->side[place] == PF_TRAIN &&
			key >> (64 - HISTOGRAM_BITS) <= last)
		{
			items[nitems].key = key;
			items[nitems++].index = row;
		}
	}
	pf_sort_rows(env, items, nitems, compare_content, load);

	*n = Min(nitems, wanted);
	if (*n == wanted)
		load->sample_bound = items[wanted - 1].key;
	rows = pf_alloc(env, Max(*n, 1) * sizeof(uint32));
	for (uint32 i = 0; i < *n; i++)
		rows[i] = items[i].index;
	pf_release(env, items);
	return rows;
}

/* The same rows in the order in which they are stored. */
static uint32 *
in_stored_order(PfLoad *load, const uint32 *rows, uint32 n)
{
	uint32		stored = pf_stored_rows(load);
	uint8	   *wanted = pf_alloc(load->env, Max(stored, 1));
	uint32	   *ascending = pf_alloc(load->env, Max(n, 1) * sizeof(uint32));
	uint32		found = 0;

	memset(wanted, 0, stored);
	for (uint32 i = 0; i < n; i++)
		wanted[rows[i]] = 1;
	for (uint32 row = 0; row < stored; row++)
	{
		if (row % PIECE == 0)
			pf_check(load->env);
		if (wanted[row])
			ascending[found++] = row;
	}
	pf_release(load->env, wanted);
	return ascending;
}

/* Drops all stored rows but those of the sample so far. */
static void
thin_alone(PfLoad *load)
{
	uint32		n;
	uint32	   *rows = pf_choose_sample(load, &n);
	uint32	   *ascending = in_stored_order(load, rows, n);

	pf_copy_rows(load, ascending, n);
	pfree(ascending);
	pfree(rows);
	load->thin_at = most_stored(load);
}

/*
 * In a team: drops what is behind the bound that all of its rows together make.  Rows behind it are
 * not even stored when it is known, so it is looked for whenever a process has seen a
 * part more of training rows.
 */
static void
thin_in_team(PfLoad *load, bool now)
{
	uint32		stored = pf_stored_rows(load);
	uint32	   *rows;
	uint32		n = 0;

	if (load->rows_train >= load->bound_at || now)
	{
		load->sample_bound = Min(load->sample_bound, pf_team_bound(load->team, sample_rows(load)));
		load->bound_at = load->rows_train + Max(load->rows_train / 8, BOUND_ROWS);
	}
	if (stored < load->thin_at && !now)
		return;

	rows = pf_alloc(load->env, Max(stored, 1) * sizeof(uint32));
	for (uint32 row = 0; row < stored; row++)
	{
		if (row % PIECE == 0)
			pf_check(load->env);
		if (sample_key(load, row) <= load->sample_bound)
			rows[n++] = row;
	}
	if (n < stored)
		pf_copy_rows(load, rows, n);
	pfree(rows);
	load->thin_at = n + Max(n / 2, SLACK_ROWS);
}

/* Drops stored rows that cannot be in the sample, if there are many, or now. */
void
pf_thin_sample(PfLoad *load, bool now)
{
	if (load->team)
		thin_in_team(load, now);
	else if (now || pf_stored_rows(load) >= load->thin_at)
		thin_alone(load);
}

/* One value of a number column of a stored row. */
static inline double
stored_number(const PfLoadColumn *column, const PfBlock *block, int c, Size at)
{
	if (column->store == PF_FLOATS)
		return ((const float *) block->values[c])[at];
	return ((const double *) block->values[c])[at];
}

/* The values of a column of one feature that are there, in rows; returns how many. */
static Size
gather_numbers(PfLoad *load, const PfLoadColumn *column, const uint32 *rows, uint32 n, double *values)
{
	int			c = column - load->columns;
	Size		found = 0;

	for (uint32 i = 0; i < n; i++)
	{
		int			place;
		PfBlock    *block = pf_block_of(load, rows[i], &place);

		if (i % PIECE == 0)
			pf_check(load->env);
		/* what is missing is overwritten */
		values[found] = stored_number(column, block, c, place);
		found += values[found] == values[found];
	}
	return found;
}

/* The bin maps of a number column: of one feature, or of an array's elements. */
static void
bin_numbers(PfLoad *load, const PfEnv *env, PfLoadColumn *column, const uint32 *rows, uint32 n)
{
	int			c = column - load->columns;
	int			tile = Min(column->length, TILE);
	bool		cuts = !load->values || load->folds;
	double	   *values = pf_alloc(load->env, Max((Size) tile * n, 1) * sizeof(double));
	double	   *counts = pf_alloc(load->env, Max(n, 1) * sizeof(double));

	for (int first = 0; first < column->length; first += tile)
	{
		int			width = Min(tile, column->length - first);
		Size		count[TILE] = {0};

		if (!OidIsValid(column->reader.element))
			count[0] = gather_numbers(load, column, rows, n, values);
		for (uint32 i = 0; i < n && OidIsValid(column->reader.element); i++)
		{
			int			place;
			PfBlock    *block = pf_block_of(load, rows[i], &place);

			if (i % (PIECE / TILE) == 0)
				pf_check(env);
			if (block->values[c] == NULL)
				continue;
			for (int e = 0; e < width; e++)
			{
				double		value = stored_number(column, block, c,
												  (Size) place * column->length + first + e);

				if (value == value)
					values[(Size) e * n + count[e]++] = value;
			}
		}
		for (int e = 0; e < width; e++)
		{
			uint32		feature = column->first_feature + first + e;
			double	   *own = values + (Size) e * n;
			PfBins	   *bins = &load->bins[feature];
			Size		distinct = pf_count_values(env, own, count[e], counts);

			bins->kind = PF_NUMBER;
			if (cuts && load->positions)
				pf_cut_spread(env, own, counts, distinct, load->spec->max_bins, bins,
							  load->positions + (Size) feature * PF_MAX_BINS);
			else if (cuts)
				pf_cut_counted(env, own, counts, distinct, load->spec->max_bins, bins);
			pf_profile_numbers(load, env, feature, own, counts, distinct, n - count[e]);
		}
	}
	pfree(values);
	pfree(counts);
}

/*
 * The entries of a category's map: the values of training rows, by their bytes.
 * Returns the entry of every code, or PF_NO_CODE.
 */
static uint32 *
list_categories(PfLoad *load, const PfEnv *env, const PfDictionary *dictionary, PfBins *bins)
{
	uint32	   *codes = pf_alloc(load->env, Max(dictionary->n, 1) * sizeof(uint32));
	uint32	   *entry = pf_alloc(load->env, Max(dictionary->n, 1) * sizeof(uint32));
	Size		total = 0;
	Size		length;

	bins->ncategories = 0;
	for (uint32 code = 0; code < dictionary->n; code++)
	{
		entry[code] = PF_NO_CODE;
		if (!dictionary->in_training[code])
			continue;
		codes[bins->ncategories++] = code;
		pf_dictionary_value(dictionary, code, &length);
		total += length;
	}
	pf_sort_indexes(env, codes, bins->ncategories, pf_dictionary_compare, dictionary);

	bins->offsets = pf_alloc(env, ((Size) bins->ncategories + 1) * sizeof(uint32));
	bins->text = pf_alloc(env, Max(total, 1));
	bins->offsets[0] = 0;
	for (uint32 i = 0; i < bins->ncategories; i++)
	{
		const char *bytes = pf_dictionary_value(dictionary, codes[i], &length);

		if (i % 64 == 0)
			pf_check(env);
		memcpy(bins->text + bins->offsets[i], bytes, length);
		bins->offsets[i + 1] = bins->offsets[i] + (uint32) length;
		entry[codes[i]] = i;
	}
	pfree(codes);
	return entry;
}

/* The bin map of a category column, the entry_place-th of them. */
static void
bin_categories(PfLoad *load, const PfEnv *env, PfLoadColumn *column, const uint32 *rows,
			   uint32 n, double mean, int entry_place)
{
	int			c = column - load->columns;
	PfBins	   *bins = &load->bins[column->first_feature];
	uint32	   *entry = list_categories(load, env, column->dictionary, bins);
	uint32		width = load->task == PF_CLASSIFICATION ? load->nclasses : load->target ? 1 : 0;
	Size		size = Max((Size) bins->ncategories * width, 1);
	double	   *stats = pf_alloc(load->env, size * sizeof(double));
	double	   *count = pf_alloc(load->env, Max(bins->ncategories, 1) * sizeof(double));
	uint64	   *seen = pf_alloc(load->env, Max(bins->ncategories, 1) * sizeof(uint64));

	for (Size i = 0; i < size; i++)
	{
		if (i % PIECE == 0)
			pf_check(env);
		stats[i] = 0;
	}
	memset(count, 0, bins->ncategories * sizeof(double));
	memset(seen, 0, bins->ncategories * sizeof(uint64));
	for (uint32 i = 0; i < n; i++)
	{
		int			place;
		PfBlock    *block = pf_block_of(load, rows[i], &place);
		uint32		code = ((const uint32 *) block->values[c])[place];
		double		weight = block->weight ? block->weight[place] : 1.0;

		if (i % PIECE == 0)
			pf_check(env);
		if (code == PF_NO_CODE)
			continue;
		count[entry[code]] += weight;
		seen[entry[code]]++;
		if (load->task == PF_CLASSIFICATION)
			stats[(Size) entry[code] * width + load->class_of_code[block->label[place]]] += weight;
		else if (width > 0)
			stats[entry[code]] += weight * (block->target[place] - mean);
	}
	pf_cut_categories(env, width, stats, count, load->spec->max_bins, bins);
	pf_profile_categories(load, env, column->first_feature, seen, n);
	if (load->positions)
	{
		for (uint32 b = 0; b < bins->nbins; b++)
			load->positions[(Size) column->first_feature * PF_MAX_BINS + b] = b;
	}
	pfree(stats);
	pfree(count);
	pfree(seen);

	/* rows keep codes, so they go to bins without looking at bytes again */
	column->code_bin = pf_alloc(load->env, Max(column->dictionary->n, 1));
	for (uint32 code = 0; code < column->dictionary->n; code++)
		column->code_bin[code] = entry[code] == PF_NO_CODE ? PF_MISSING_BIN
			: bins->category_bin[entry[code]];
	if (load->nentries > 0)
	{
		column->entry_place = entry_place;
		column->code_entry = pf_alloc(load->env, Max(column->dictionary->n, 1) * sizeof(uint16));
		for (uint32 code = 0; code < column->dictionary->n; code++)
			column->code_entry[code] = entry[code] == PF_NO_CODE ? PF_NO_ENTRY : entry[code];
	}
	pfree(entry);
}

/* The mean target of the sample. */
static double
mean_target(PfLoad *load, const uint32 *rows, uint32 n)
{
	double		mean = 0;
	double		total = 0;

	for (uint32 i = 0; i < n; i++)
	{
		int			place;
		PfBlock    *block = pf_block_of(load, rows[i], &place);
		double		weight = block->weight ? block->weight[place] : 1.0;

		if (i % PIECE == 0)
			pf_check(load->env);
		/* a running mean: the sum of large values may not be finite */
		total += weight;
		mean += (block->target[place] - mean) * (weight / total);
	}
	return mean;
}

/* Makes the bin maps from the sample among the stored rows. */
void
pf_make_bins(PfLoad *load, MemoryContext context)
{
	const PfEnv *env = pf_pg_env(context);
	uint32		n;
	uint32	   *rows = pf_choose_sample(load, &n);
	/* numbers do not mind the order, memory does */
	uint32	   *ascending = in_stored_order(load, rows, n);
	double		mean = load->task == PF_REGRESSION ? mean_target(load, rows, n) : 0;
	uint32		first = 0;
	int			categories = 0;
	/* models of values want no bins, and are trained fast: then a part of the sample has to do */
	bool		profile_only = load->values && !load->folds;

	load->bins = MemoryContextAllocExtended(context, load->nfeatures * sizeof(PfBins),
											MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	if (load->task == PF_ANOMALY)
		load->positions = MemoryContextAllocHuge(context, (Size) load->nfeatures * PF_MAX_BINS *
												 sizeof(double));
	pf_profile_start(load, context);
	for (int f = 0; f < load->nfeature_columns; f++)
	{
		PfLoadColumn *column = load->features[f];

		column->first_feature = first;
		first += column->length;
		if (column->store == PF_CODES)
			bin_categories(load, env, column, rows, n, mean, categories++);
		else
			bin_numbers(load, env, column, profile_only ? rows : ascending,
						profile_only ? Min(n, PROFILE_ROWS) : n);
	}
	pf_profile_target(load, env, ascending, n);
	pfree(ascending);
	pfree(rows);
}

/*
 * profile.c
 *	  Frames and tallies; see profile.h.
 *
 * Sums carry their rounding error along, so that the order in which rows come and
 * parts are merged does not show in what is made of them.
 *
 * Memory: what frames and tallies point to comes from env and stays with the caller.
 */
#include <math.h>

#include "engine/bins/cuts.h"
#include "engine/bins/hash.h"
#include "engine/bins/sort.h"
#include "engine/measure/profile.h"

#define FAR			1e150		/* squares of what is nearer are finite */
#define BLOCK		256			/* values that are binned together */

/* ----- frames ----- */

/* Entries by falling count, those of one count in their order. */
static int
compare_counts(uint32_t a, uint32_t b, const void *count)
{
	const uint64_t *by_entry = count;

	return by_entry[a] > by_entry[b] ? -1 : by_entry[a] < by_entry[b];
}

void
pf_frame_categories(const PfEnv *env, const uint64_t *count, uint32_t ncategories, PfFrame *frame)
{
	uint32_t   *order = pf_alloc(env, (ncategories + 1) * sizeof(uint32_t));

	memset(frame, 0, sizeof(*frame));
	frame->present = true;
	frame->kind = PF_CATEGORY;
	frame->ncategories = ncategories;
	for (uint32_t entry = 0; entry < ncategories; entry++)
	{
		order[entry] = entry;
		frame->singles += count[entry] == 1;
	}
	pf_sort_indexes(env, order, ncategories, compare_counts, count);
	frame->nlisted = ncategories < PF_LISTED_CATEGORIES ? ncategories : PF_LISTED_CATEGORIES;
	frame->ncells = frame->nlisted + (frame->nlisted < ncategories);
	frame->listed = pf_alloc(env, (frame->nlisted + 1) * sizeof(uint32_t));
	frame->cell = pf_alloc(env, (ncategories + 1) * sizeof(uint16_t));
	for (uint32_t i = 0; i < ncategories; i++)
	{
		frame->cell[order[i]] = i < frame->nlisted ? i : frame->nlisted;
		if (i < frame->nlisted)
			frame->listed[i] = order[i];
	}
	pf_release(env, order);
}

/* ----- tallies ----- */

void
pf_tally_init(const PfEnv *env, const PfFrame *frame, PfTally *tally)
{
	memset(tally, 0, sizeof(*tally));
	tally->cells = pf_alloc(env, (frame->ncells + 1) * sizeof(uint64_t));
	memset(tally->cells, 0, (frame->ncells + 1) * sizeof(uint64_t));
	tally->distinct = NAN;
	tally->min = tally->max = NAN;
}

/*
 * Distinct values are counted by the HyperLogLog of Flajolet, Fusy, Gandouet and Meunier
 * (2007): a register keeps the most leading zeros among the hashes that it gets.
 */
static inline void
note_value(PfTally *tally, uint64_t hash)
{
	uint32_t	which = hash % PF_REGISTERS;
	uint8_t		zeros = (uint8_t) (__builtin_clzll(hash | PF_REGISTERS) + 1);

	if (tally->registers[which] < zeros)
		tally->registers[which] = zeros;
}

/* A sum as exact as pf_sum_add's, without a branch (Knuth's two-sum). */
static inline void
add_exactly(PfSum *total, double value)
{
	double		sum = total->sum + value;
	double		added = sum - total->sum;

	total->error += (total->sum - (sum - added)) + (value - added);
	total->sum = sum;
}

void
pf_tally_numbers(const PfFrame *frame, PfTally *tally, const double *values, size_t n,
				 uint8_t *out, size_t stride)
{
	uint8_t		cells[BLOCK];
	bool		few = pf_frame_is_few(frame);
	PfSum		sum = tally->sum;
	PfSum		squares = tally->squares;
	double		min = isnan(tally->min) ? INFINITY : tally->min;
	double		max = isnan(tally->max) ? -INFINITY : tally->max;
	uint64_t	missing = 0;
	uint64_t	below = 0;
	uint64_t	above = 0;
	uint64_t	far = 0;

	for (size_t first = 0; first < n; first += BLOCK)
	{
		size_t		some = n - first < BLOCK ? n - first : BLOCK;

		pf_bin_numbers(&frame->bins, values + first, some, cells, 1);
		for (size_t i = 0; out != NULL && i < some; i++)
			out[(first + i) * stride] = cells[i];
		for (size_t i = 0; i < some; i++)
		{
			double		value = values[first + i] + 0.0;	/* -0 becomes 0 */
			double		apart = value - frame->shift;
			uint64_t	bits;

			if (value != value)
			{
				missing++;
				continue;
			}
			if (cells[i] < frame->ncells &&
				!(few && value != frame->places[cells[i]] &&
				  value > frame->lowest && value < frame->highest))
				tally->cells[cells[i]]++;
			else
				tally->unseen++;
			below += value < frame->lowest;
			above += value > frame->highest;
			min = value < min ? value : min;
			max = value > max ? value : max;
			memcpy(&bits, &value, sizeof(bits));
			note_value(tally, pf_mix64(bits));
			if (!(fabs(value) <= FAR))
			{
				far++;
				continue;
			}
			add_exactly(&sum, apart);
			add_exactly(&squares, apart * apart);
		}
	}
	tally->rows += n;
	tally->missing += missing;
	tally->below += frame->ncells > 0 ? below : 0;
	tally->above += frame->ncells > 0 ? above : 0;
	tally->far += far;
	tally->sum = sum;
	tally->squares = squares;
	if (missing < n)
	{
		tally->min = min;
		tally->max = max;
	}
}

/* A value that is there several times. */
static inline void
add_times(PfSum *total, double value, double times)
{
	double		product = value * times;

	add_exactly(total, product);
	if (times != 1)
		total->error += fma(value, times, -product);
}

/* The frame of a number from its training values in order. */
static void
make_frame(const PfEnv *env, const PfBins *bins, const double *values, const double *count,
		   size_t n, PfFrame *frame)
{
	size_t		i = 0;

	memset(frame, 0, sizeof(*frame));
	frame->present = true;
	frame->kind = PF_NUMBER;
	frame->exact = true;
	frame->bins = *bins;
	frame->ncells = n > 0 ? bins->nbins : 0;
	frame->places = pf_alloc(env, (frame->ncells + 1) * sizeof(double));
	frame->lowest = n > 0 ? values[0] : 0;
	frame->highest = n > 0 ? values[n - 1] : 0;
	for (uint32_t c = 0; c < frame->ncells; c++)
	{
		double		end = c + 1 < frame->ncells ? bins->cuts[c] : INFINITY;
		PfSum		sum = {0};
		double		rows = 0;
		double		one = 0;
		uint32_t	different = 0;

		for (; i < n && values[i] <= end; i++)
		{
			if (i % PF_CHUNK == 0)
				pf_check(env);
			if (fabs(values[i]) > FAR)
				continue;
			one = values[i];
			different++;
			add_times(&sum, values[i], count[i]);
			rows += count[i];
		}
		frame->exact &= different <= 1;
		/* a cell with no value to speak of lies at its boundaries */
		if (rows > 0)
			frame->places[c] = different == 1 ? one : pf_sum_value(&sum) / rows;
		else if (frame->ncells == 1)
			frame->places[c] = 0;
		else
			frame->places[c] = bins->cuts[c > 0 ? c - 1 : 0] / 2 +
				bins->cuts[c + 1 < frame->ncells ? c : c - 1] / 2;
	}
	frame->shift = frame->ncells > 0 ? frame->places[frame->ncells / 2] : 0;
}

/*
 * What pf_tally_numbers finds in the same values, but for the registers: in their order no cell is
 * looked for, and how many are distinct is known.
 */
void
pf_profile_counted(const PfEnv *env, const PfBins *bins, const double *values, const double *count,
				   size_t n, PfFrame *frame, PfTally *tally)
{
	uint32_t	cell = 0;
	bool		few;

	make_frame(env, bins, values, count, n, frame);
	pf_tally_init(env, frame, tally);
	few = pf_frame_is_few(frame);
	for (size_t i = 0; i < n; i++)
	{
		double		value = values[i];
		double		apart = value - frame->shift;
		uint64_t	rows = (uint64_t) count[i];

		if (i % PF_CHUNK == 0)
			pf_check(env);
		while (cell + 1 < frame->ncells && bins->cuts[cell] < value)
			cell++;
		if (few && value != frame->places[cell] && value > frame->lowest && value < frame->highest)
			tally->unseen += rows;
		else
			tally->cells[cell] += rows;
		tally->rows += rows;
		if (!(fabs(value) <= FAR))
		{
			tally->far += rows;
			continue;
		}
		add_times(&tally->sum, apart, count[i]);
		add_times(&tally->squares, apart * apart, count[i]);
	}
	tally->distinct = (double) n;
	if (n > 0)
	{
		tally->min = values[0];
		tally->max = values[n - 1];
	}
}

void
pf_profile_values(const PfEnv *env, double *values, size_t n, uint32_t max_cells, PfFrame *frame,
				  PfTally *tally)
{
	double	   *count = pf_alloc(env, (n + 1) * sizeof(double));
	PfBins		bins;

	n = pf_count_values(env, values, n, count);
	pf_cut_counted(env, values, count, n, max_cells, &bins);
	pf_profile_counted(env, &bins, values, count, n, frame, tally);
	frame->own_cuts = true;
	pf_release(env, count);
}

void
pf_tally_missing(PfTally *tally, uint64_t n)
{
	tally->rows += n;
	tally->missing += n;
}

void
pf_tally_category(const PfFrame *frame, PfTally *tally, uint32_t entry, uint64_t count)
{
	if (count == 0)
		return;
	tally->rows += count;
	tally->cells[frame->cell[entry]] += count;
	note_value(tally, pf_mix64(entry + UINT64_C(1)));
}

/* Adds a category to those remembered, if its hash is among the smallest. */
static void
remember(const PfEnv *env, PfTally *tally, const PfStranger *stranger)
{
	uint32_t	at = 0;

	if (tally->strangers == NULL)
		tally->strangers = pf_alloc(env, PF_STRANGERS * sizeof(PfStranger));
	while (at < tally->nstrangers && tally->strangers[at].hash < stranger->hash)
		at++;
	if (at < tally->nstrangers && tally->strangers[at].hash == stranger->hash)
	{
		tally->strangers[at].count += stranger->count;
		return;
	}
	if (at == PF_STRANGERS)
		return;
	if (tally->nstrangers < PF_STRANGERS)
		tally->nstrangers++;
	memmove(tally->strangers + at + 1, tally->strangers + at,
			(tally->nstrangers - at - 1) * sizeof(PfStranger));
	tally->strangers[at] = *stranger;
}

void
pf_tally_stranger(const PfEnv *env, PfTally *tally, const char *text, size_t length)
{
	PfStranger	stranger;

	memset(&stranger, 0, sizeof(stranger));
	stranger.hash = pf_hash_bytes(text, length);
	stranger.count = 1;
	stranger.length = length < PF_STRANGER_BYTES ? length : PF_STRANGER_BYTES;
	memcpy(stranger.text, text, stranger.length);
	tally->rows++;
	tally->unseen++;
	note_value(tally, stranger.hash);
	remember(env, tally, &stranger);
}

void
pf_tally_merge(const PfEnv *env, uint32_t ncells, PfTally *tally, const PfTally *part)
{
	tally->rows += part->rows;
	tally->missing += part->missing;
	tally->unseen += part->unseen;
	tally->below += part->below;
	tally->above += part->above;
	tally->far += part->far;
	for (uint32_t c = 0; c < ncells; c++)
		tally->cells[c] += part->cells[c];
	for (uint32_t r = 0; r < PF_REGISTERS; r++)
	{
		if (tally->registers[r] < part->registers[r])
			tally->registers[r] = part->registers[r];
	}
	if (!(tally->min <= part->min) && part->min == part->min)
		tally->min = part->min;
	if (!(tally->max >= part->max) && part->max == part->max)
		tally->max = part->max;
	add_exactly(&tally->sum, part->sum.sum);
	tally->sum.error += part->sum.error;
	add_exactly(&tally->squares, part->squares.sum);
	tally->squares.error += part->squares.error;
	for (uint32_t i = 0; i < part->nstrangers; i++)
		remember(env, tally, &part->strangers[i]);
}

double
pf_tally_distinct(const PfTally *tally)
{
	const double m = PF_REGISTERS;
	double		sum = 0;
	double		estimate;
	uint32_t	empty = 0;

	if (tally->distinct == tally->distinct)
		return tally->distinct;
	for (uint32_t r = 0; r < PF_REGISTERS; r++)
	{
		sum += ldexp(1, -tally->registers[r]);
		empty += tally->registers[r] == 0;
	}
	estimate = 0.7213 / (1 + 1.079 / m) * m * m / sum;
	/* few values: how many registers got none tells more */
	if (estimate <= 2.5 * m && empty > 0)
		estimate = m * log(m / empty);
	estimate = floor(estimate + 0.5);
	return estimate < tally->rows - tally->missing ? estimate : tally->rows - tally->missing;
}

void
pf_tally_moments(const PfFrame *frame, const PfTally *tally, double *mean, double *sd)
{
	double		n = (double) (tally->rows - tally->missing - tally->far);
	double		sum = pf_sum_value(&tally->sum);
	double		squares;

	*mean = *sd = NAN;
	if (frame->kind != PF_NUMBER || n < 1)
		return;
	*mean = frame->shift + sum / n;
	if (n < 2)
		return;
	squares = pf_sum_value(&tally->squares) - sum * (sum / n);
	*sd = squares > 0 ? sqrt(squares / (n - 1)) : 0;
}

double
pf_tally_quantile(const PfFrame *frame, const PfTally *tally, double share)
{
	uint64_t	n = 0;
	double		wanted;

	if (frame->kind != PF_NUMBER)
		return NAN;
	for (uint32_t c = 0; c < frame->ncells; c++)
		n += tally->cells[c];
	wanted = share * n;
	for (uint32_t c = 0; c < frame->ncells; c++)
	{
		double		low,
					high;

		if (tally->cells[c] == 0)
			continue;
		if (wanted > tally->cells[c])
		{
			wanted -= tally->cells[c];
			continue;
		}
		if (frame->exact)
			return frame->places[c];
		low = c > 0 && frame->bins.cuts[c - 1] > tally->min ? frame->bins.cuts[c - 1] : tally->min;
		high = c + 1 < frame->ncells && frame->bins.cuts[c] < tally->max ? frame->bins.cuts[c] : tally->max;
		return low + (high - low) * (wanted / tally->cells[c]);
	}
	return NAN;
}

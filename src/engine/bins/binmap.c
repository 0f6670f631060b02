/*
 * binmap.c
 *	  Looking up many numbers, or a category, in a bin map.
 */
#include "engine/bins/binmap.h"

#include <math.h>
#include <string.h>

#define ROUND 256				/* numbers that are searched side by side */

/* The cell of a value; NaN has the first.  Of two values the greater is in no earlier cell. */
static inline uint32_t
cell_of(const PfBinTable *table, double value)
{
	double		cell = (value - table->low) * table->scale;

	cell = cell > 0 ? cell : 0;
	return (uint32_t) (int32_t) (cell < table->last ? cell : table->last);
}

/* A table of one cell: all cuts have to be compared with. */
static void
make_plain(const PfBins *bins, PfBinTable *table)
{
	uint32_t	ncuts = bins->nbins > 0 ? bins->nbins - 1 : 0;

	table->nbins = bins->nbins;
	table->low = table->scale = table->last = 0;
	table->before[0] = 0;
	table->reach = 1;
	while (table->reach <= ncuts)
		table->reach *= 2;
	for (uint32_t c = 0; c < ncuts + table->reach; c++)
		table->cuts[c] = c < ncuts ? bins->cuts[c] : INFINITY;
}

/* Cells where they spare steps: cuts that lie very unevenly leave one cell with most of them. */
void
pf_bin_table(const PfBins *bins, PfBinTable *table)
{
	uint32_t	ncuts = bins->nbins > 0 ? bins->nbins - 1 : 0;
	uint32_t	reach = 1;
	uint32_t	most = 0;
	uint32_t	next = 0;

	make_plain(bins, table);
	if (ncuts < 3)
		return;
	table->low = bins->cuts[0];
	table->last = PF_BIN_CELLS - 1;
	table->scale = PF_BIN_CELLS / (bins->cuts[ncuts - 1] - table->low);
	if (isfinite(table->scale) && table->scale > 0)
	{
		for (uint32_t cell = 0; cell < PF_BIN_CELLS; cell++)
		{
			uint32_t	first = next;

			table->before[cell] = (uint8_t) next;
			while (next < ncuts && cell_of(table, bins->cuts[next]) == cell)
				next++;
			most = next - first > most ? next - first : most;
		}
		while (reach <= most)
			reach *= 2;
	}
	if (next == ncuts && reach < table->reach)
		table->reach = reach;
	else
		make_plain(bins, table);
}

/*
 * The bins of many numbers.  A binary search's branches cannot be predicted and
 * cost more than all else, so this one has none: every number takes the same steps,
 * and the numbers go side by side, so that their loads overlap.  (The product
 * is there because compilers make a branch of a conditional.)
 */
void
pf_bin_by_table(const PfBinTable *table, const double *values, size_t n, uint8_t *out,
				size_t stride)
{
	for (size_t start = 0; start < n; start += ROUND)
	{
		const double *value = values + start;
		size_t		count = n - start < ROUND ? n - start : ROUND;
		uint32_t	bin[ROUND];

		for (size_t i = 0; i < count; i++)
			bin[i] = table->before[cell_of(table, value[i])];
		for (uint32_t step = table->reach / 2; step > 0; step /= 2)
		{
			for (size_t i = 0; i < count; i++)
				bin[i] += step * (table->cuts[bin[i] + step - 1] < value[i]);
		}
		for (size_t i = 0; i < count; i++)
			out[(start + i) * stride] = value[i] == value[i] && table->nbins > 0 ? (uint8_t) bin[i]
				: PF_MISSING_BIN;
	}
}

void
pf_bin_numbers(const PfBins *bins, const double *values, size_t n, uint8_t *out,
			   size_t stride)
{
	PfBinTable	table;

	if (n >= 2 * PF_BIN_CELLS)
		pf_bin_table(bins, &table);
	else
		make_plain(bins, &table);
	pf_bin_by_table(&table, values, n, out, stride);
}

/* The index of a category, or -1: a binary search over the sorted entries. */
int32_t
pf_find_category(const PfBins *bins, const char *bytes, size_t length)
{
	uint32_t	low = 0;
	uint32_t	high = bins->ncategories;

	while (low < high)
	{
		uint32_t	middle = low + (high - low) / 2;
		const char *entry = bins->text + bins->offsets[middle];
		size_t		size = bins->offsets[middle + 1] - bins->offsets[middle];
		size_t		common = size < length ? size : length;
		int			order = common > 0 ? memcmp(entry, bytes, common) : 0;

		if (order == 0 && size == length)
			return (int32_t) middle;
		if (order < 0 || (order == 0 && size < length))
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}

/* A number's bin lies in its middle; the outermost have one end, and are as wide as their neighbours. */
static double
middle_of(const PfBins *bins, uint32_t bin)
{
	const double *cuts = bins->cuts;
	uint32_t	last = bins->nbins - 1;

	if (bin == 0)
		return cuts[0] - (cuts[1] / 2 - cuts[0] / 2);
	if (bin == last)
		return cuts[last - 1] + (cuts[last - 1] / 2 - cuts[last - 2] / 2);
	return cuts[bin - 1] / 2 + cuts[bin] / 2;
}

void
pf_bin_places(const PfBins *bins, float *out)
{
	uint32_t	n = bins->nbins;
	bool		even = bins->kind == PF_CATEGORY || n < 3;
	double		low = even ? 0 : middle_of(bins, 0);
	double		width = even ? n - 1.0 : middle_of(bins, n - 1) - low;

	/* infinite cuts, or nearly: no scale */
	if (!isfinite(width) || width <= 0)
	{
		even = true;
		low = 0;
		width = n > 1 ? n - 1.0 : 1;
	}
	for (uint32_t b = 0; b < n; b++)
		out[b] = (float) (((even ? b : middle_of(bins, b)) - low) / width);
	/* a feature without values has a place all the same */
	out[0] = 0;
	for (uint32_t b = n > 0 ? n : 1; b < 256; b++)
		out[b] = INFINITY;
}

/*
 * binmap.c
 *	  Looking up many numbers, or a category, in a bin map.
 */
#include "engine/bins/binmap.h"

#include <math.h>
#include <string.h>

#define ROUND 256				/* numbers that are searched side by side */

/*
 * The bins of many numbers.  A binary search's branches cannot be predicted and
 * cost more than all else, so this one has none: every number takes the same steps,
 * and the numbers go side by side, so that their loads overlap.  (The product
 * is there because compilers make a branch of a conditional.)
 */
void
pf_bin_numbers(const PfBins *bins, const double *values, size_t n, uint8_t *out,
			   size_t stride)
{
	double		cuts[PF_MAX_BINS];
	uint32_t	ncuts = bins->nbins > 0 ? bins->nbins - 1 : 0;
	uint32_t	reach = 1;

	if (bins->nbins == 0)
	{
		for (size_t i = 0; i < n; i++)
			out[i * stride] = PF_MISSING_BIN;
		return;
	}

	/* as many cuts as the steps can reach; no number is greater than the added ones */
	while (reach <= ncuts)
		reach *= 2;
	for (uint32_t c = 0; c < reach - 1; c++)
		cuts[c] = c < ncuts ? bins->cuts[c] : INFINITY;

	for (size_t start = 0; start < n; start += ROUND)
	{
		const double *value = values + start;
		size_t		count = n - start < ROUND ? n - start : ROUND;
		uint32_t	bin[ROUND] = {0};

		for (uint32_t step = reach / 2; step > 0; step /= 2)
		{
			for (size_t i = 0; i < count; i++)
				bin[i] += step * (cuts[bin[i] + step - 1] < value[i]);
		}
		for (size_t i = 0; i < count; i++)
			out[(start + i) * stride] = value[i] == value[i] ? (uint8_t) bin[i] : PF_MISSING_BIN;
	}
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
}

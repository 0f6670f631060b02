/*
 * binmap.c
 *	  Looking up a category among the entries of a bin map.
 */
#include "engine/bins/binmap.h"

#include <string.h>

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

/*
 * binmap.h
 *	  From a value to its bin: at most 255 bins a feature and one for missing.
 *
 * Trees see bins only, so a model carries these maps: a row is binned once and
 * then walks every tree on small integers.
 *
 * A number's bin b holds the values v with cuts[b-1] < v <= cuts[b].
 * A category's bins are ordered (see cuts.h), so a tree splits both kinds by
 * "bin <= threshold".  A category that training never saw, NULL and NaN are
 * PF_MISSING_BIN.
 */
#ifndef PF_BINMAP_H
#define PF_BINMAP_H

#include "engine/env.h"

#define PF_MAX_BINS		255
#define PF_MISSING_BIN	255		/* values have bins 0 .. 254 */

typedef struct PfBins
{
	PfKind		kind;
	uint32_t	nbins;			/* 0 (nothing but missing) .. 255 */

	/* PF_NUMBER */
	double	   *cuts;			/* nbins - 1, ascending; NULL when none */

	/* PF_CATEGORY: entries ascending by bytes, shorter first on a tie (memcmp) */
	uint32_t	ncategories;
	uint32_t   *offsets;		/* ncategories + 1, into text */
	char	   *text;
	uint8_t    *category_bin;	/* ncategories */
} PfBins;

/* The bin of a number; NaN is missing, infinities are ordinary values. */
static inline uint8_t
pf_bin_number(const PfBins *bins, double value)
{
	const double *base = bins->cuts;
	uint32_t	n = bins->nbins;

	if (value != value || n == 0)
		return PF_MISSING_BIN;
	/* first cut >= value; the number of cuts below value is the bin */
	n--;
	while (n > 0)
	{
		uint32_t	half = n >> 1;

		if (base[half] < value)
		{
			base += half + 1;
			n -= half + 1;
		}
		else
			n = half;
	}
	return (uint8_t) (base - bins->cuts);
}

/*
 * A number's bin map, prepared for many look-ups: the range of the cuts is divided into cells of equal
 * width, and a cell knows how many cuts lie before it, so that few are left to compare with.
 */
#define PF_BIN_CELLS	2048

typedef struct PfBinTable
{
	uint32_t	nbins;
	uint32_t	reach;			/* more cuts than any cell has, a power of two */
	double		low;			/* where the first cell begins */
	double		scale;			/* cells in a unit */
	double		last;			/* the last cell */
	uint8_t		before[PF_BIN_CELLS];
	double		cuts[2 * PF_MAX_BINS];	/* no value is greater than those after the last one */
} PfBinTable;

extern void pf_bin_table(const PfBins *bins, PfBinTable *table);

/*
 * The bins of many numbers: out[i * stride] is that of values[i], as
 * pf_bin_number has it, only faster.
 */
extern void pf_bin_by_table(const PfBinTable *table, const double *values, size_t n,
							uint8_t *out, size_t stride);

/* The same without a table. */
extern void pf_bin_numbers(const PfBins *bins, const double *values, size_t n,
						   uint8_t *out, size_t stride);

/*
 * Where on a feature's scale its bins lie, from 0 for the lowest to 1 for the highest:
 * out[256], infinite after the last bin.  A category's bins lie evenly.
 */
extern void pf_bin_places(const PfBins *bins, float *out);

/* The index of a category among the map's entries, or -1. */
extern int32_t pf_find_category(const PfBins *bins, const char *bytes, size_t length);

/* The bin of a category; one that is not in the map is missing. */
static inline uint8_t
pf_bin_category(const PfBins *bins, const char *bytes, size_t length)
{
	int32_t		entry = pf_find_category(bins, bytes, length);

	return entry < 0 ? PF_MISSING_BIN : bins->category_bin[entry];
}

#endif							/* PF_BINMAP_H */

/*
 * partition.c
 *	  Puts the items that go left before those that go right.
 *
 * Stable: each side keeps the rows' order, so that the bins of a node are read
 * in ascending addresses.
 */
#include <string.h>

#include "engine/grow/grow.h"

/* Weight, and weight x target. */
typedef double Two __attribute__((vector_size(16)));
typedef int64_t Mask __attribute__((vector_size(16)));

/* An item is moved as a whole. */
typedef uint64_t Moved __attribute__((vector_size(16), aligned(8), may_alias));

_Static_assert(sizeof(PfItem) == sizeof(Moved), "an item has 16 bytes");

static inline __attribute__((always_inline)) uint32_t
partition(PfGrowth *growth, const PfSplit *split, PfItem *items, uint32_t n, double (*sums)[2])
{
	const uint8_t *bins = growth->bins + split->feature;
	const size_t stride = growth->matrix->stride;
	char	   *const left_side = (char *) items;
	char	   *right_side = (char *) growth->spare;	/* where an item goes if all before it do */
	size_t		left_bytes = 0;
	uint32_t	nright;
	const double offset = growth->offset;
	Two			left_sums = {0, 0};
	Two			right_sums = {0, 0};

	/* missing values are the last bin; where they go left all bins move up by one, and they become the first */
	const uint8_t up = split->missing_left;
	const uint8_t threshold = (uint8_t) (split->threshold + up);

	for (uint32_t start = 0; start < n; start += PF_CHECK_EVERY)
	{
		uint32_t	end = n - start < PF_CHECK_EVERY ? n : start + PF_CHECK_EVERY;

		for (uint32_t i = start; i < end; i++)
		{
			const PfItem *item = &items[i];
			Moved		moved = *(const Moved *) item;
			double		weight = item->weight;
			double		target = sums != NULL ? item->y.target : 0;
			size_t		left = (uint8_t) (bins[item->row * stride] + up) <= threshold;

			/* both stores, one counts: no branch to mispredict */
			*(Moved *) (left_side + left_bytes) = moved;
			*(Moved *) (right_side - left_bytes) = moved;
			left_bytes += left * sizeof(Moved);
			right_side += sizeof(Moved);
			if (sums != NULL)
			{
				/* in the order of the items of each side, since to add 0 changes nothing */
				static const Mask keep[2] = {{0, 0}, {-1, -1}};
				Two			pile = {weight, weight * (target - offset)};

				left_sums += (Two) ((Mask) pile & keep[left]);
				right_sums += (Two) ((Mask) pile & keep[left ^ 1]);
			}
		}
		pf_check(growth->env);
	}
	nright = n - (uint32_t) (left_bytes / sizeof(Moved));
	pf_copy(growth->env, left_side + left_bytes, growth->spare, (size_t) nright * sizeof(PfItem));
	for (int i = 0; sums != NULL && i < 2; i++)
	{
		sums[0][i] = left_sums[i];
		sums[1][i] = right_sums[i];
	}
	return n - nright;
}

/* The same of rows that are moved, blocks of 16 bytes each: of so few that it takes but a moment. */
static inline __attribute__((always_inline)) uint32_t
partition_rows(uint32_t blocks, PfGrowth *growth, const PfSplit *split, PfItem *items, uint32_t n)
{
	char	   *const items_left = (char *) items;
	char	   *const items_right = (char *) (growth->free_items + split->rows);
	char	   *const rows_left = (char *) growth->moved_bins;
	char	   *const rows_right = (char *) growth->free_bins + split->rows * blocks * sizeof(Moved);
	const size_t all_right = (n - split->rows) * sizeof(Moved); /* bytes of items, like all that follow */
	const uint16_t feature = split->feature;
	const uint8_t up = split->missing_left;
	const uint8_t threshold = (uint8_t) (split->threshold + up);
	size_t		left = 0,
				right,
				at;

	/* both stores, one counts; never behind the last that goes right, where another node's may lie */
	for (at = 0; (right = at - left) < all_right; at += sizeof(Moved))
	{
		const Moved *row = (const Moved *) (rows_left + at * blocks);
		const Moved item = *(const Moved *) (items_left + at);
		const size_t goes_left = (uint8_t) (((const uint8_t *) row)[feature] + up) <= threshold;
		Moved		block[PF_MOVED_MOST / sizeof(Moved)];

		for (uint32_t b = 0; b < blocks; b++)
			block[b] = row[b];
		*(Moved *) (items_left + left) = item;
		*(Moved *) (items_right + right) = item;
		for (uint32_t b = 0; b < blocks; b++)
		{
			((Moved *) (rows_left + left * blocks))[b] = block[b];
			((Moved *) (rows_right + right * blocks))[b] = block[b];
		}
		left += goes_left * sizeof(Moved);
	}
	memmove(items_left + left, items_left + at, n * sizeof(Moved) - at);
	memmove(rows_left + left * blocks, rows_left + at * blocks, (n * sizeof(Moved) - at) * blocks);
	return split->rows;
}

uint32_t
pf_partition(PfGrowth *growth, const PfSplit *split, PfItem *items, uint32_t n, double (*sums)[2])
{
	if (growth->moved)
		return growth->moved == PF_MOVED_LEAST ? partition_rows(1, growth, split, items, n)
			: partition_rows(2, growth, split, items, n);
	return sums != NULL ? partition(growth, split, items, n, sums)
		: partition(growth, split, items, n, NULL);
}

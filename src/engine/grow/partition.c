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

static inline __attribute__((always_inline)) uint32_t
partition(PfGrowth *growth, const PfSplit *split, PfItem *items, uint32_t n, double (*sums)[2])
{
	const uint8_t *bins = growth->bins + split->feature;
	const size_t stride = growth->matrix->stride;
	PfItem	   *spare = growth->spare;
	uint32_t	nleft = 0;
	uint32_t	nright = 0;
	const double offset = growth->offset;
	Two			left_sums = {0, 0};
	Two			right_sums = {0, 0};

	for (uint32_t start = 0; start < n; start += PF_CHECK_EVERY)
	{
		uint32_t	end = n - start < PF_CHECK_EVERY ? n : start + PF_CHECK_EVERY;

		for (uint32_t i = start; i < end; i++)
		{
			PfItem		item = items[i];
			uint8_t		bin = bins[item.row * stride];
			bool		left = bin == PF_MISSING_BIN ? split->missing_left
				: bin <= split->threshold;

			/* both stores, one counts: no branch to mispredict */
			items[nleft] = item;
			spare[nright] = item;
			nleft += left;
			nright += !left;
			if (sums != NULL)
			{
				/* in the order of the items of each side, since to add 0 changes nothing */
				Two			pile = {item.weight, item.weight * (item.y.target - offset)};
				Mask		mask = {-(int64_t) left, -(int64_t) left};

				left_sums += (Two) ((Mask) pile & mask);
				right_sums += (Two) ((Mask) pile & ~mask);
			}
		}
		pf_check(growth->env);
	}
	pf_copy(growth->env, items + nleft, spare, (size_t) nright * sizeof(PfItem));
	for (int i = 0; sums != NULL && i < 2; i++)
	{
		sums[0][i] = left_sums[i];
		sums[1][i] = right_sums[i];
	}
	return nleft;
}

uint32_t
pf_partition(PfGrowth *growth, const PfSplit *split, PfItem *items, uint32_t n, double (*sums)[2])
{
	return sums != NULL ? partition(growth, split, items, n, sums)
		: partition(growth, split, items, n, NULL);
}

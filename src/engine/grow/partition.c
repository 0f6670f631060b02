/*
 * partition.c
 *	  Puts the items that go left before those that go right.
 *
 * Stable: each side keeps the rows' order, so that the bins of a node are read
 * in ascending addresses.
 */
#include <string.h>

#include "engine/grow/grow.h"

uint32_t
pf_partition(PfGrowth *growth, const PfSplit *split, PfItem *items, uint32_t n)
{
	const uint8_t *bins = growth->bins + split->feature;
	const size_t stride = growth->matrix->stride;
	PfItem	   *spare = growth->spare;
	uint32_t	nleft = 0;
	uint32_t	nright = 0;

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
		}
		pf_check(growth->env);
	}
	pf_copy(growth->env, items + nleft, spare, (size_t) nright * sizeof(PfItem));
	return nleft;
}

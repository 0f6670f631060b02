/*
 * wholerows.h
 *	  Random cuts of all features of a node: rows are read as they lie.
 *
 * Where a node looks at every feature there is nothing to pick out: sixteen bins of a row
 * that lie side by side are one vector for what is compared, and four of what is summed up.
 * For randomcut.c, which compiles this twice on x86.  Regression of rows that weigh 1.
 */
#ifndef PF_WHOLEROWS_H
#define PF_WHOLEROWS_H

#include "engine/grow/cutlanes.h"

/* Of the features of a block: the bins in a node, and the cuts. */
typedef struct Block
{
	uint32_t	first;			/* feature */
	bool		any_missing;
	Bytes		lowest,
				highest,		/* of the bins that are not missing */
				threshold;
	uint32_t	rank[WORD_LANES];
} Block;

/* What lies left of four cuts, and where their features are missing: targets, and rows. */
typedef struct QuadSums
{
	Real		left,
				missing;
	Whole		rows,
				missing_rows;
} QuadSums;

/* quads: how many times four bins. */
pf_inline Bytes
bins_of(uint32_t quads, const PfGrowth *growth, const PfItem *items, uint32_t i, uint32_t first)
{
	Bytes		bins = {0};

	memcpy(&bins, pf_row(growth, items, i) + first, PF_ABREAST * quads);
	return bins;
}

pf_inline void
find_block_ranges(uint32_t quads, const PfGrowth *growth, const PfItem *items, uint32_t n, Block *block)
{
	Bytes		lowest,
				highest = {0},
				top = {0};
	Bytes		missing;
	Words		any;

	memset(&lowest, PF_MISSING_BIN, sizeof(lowest));
	for (uint32_t start = 0, end; start < n; start = end)
	{
		end = n - start < PF_CHECK_EVERY ? n : start + PF_CHECK_EVERY;
		for (uint32_t i = start; i < end; i++)
		{
			Bytes		bins = bins_of(quads, growth, items, i, block->first);

			if (n >= SCATTERED && i + AHEAD < n)
				__builtin_prefetch(pf_row(growth, items, i + AHEAD) + block->first);
			add_to_range(bins, &lowest, &highest, &top);
		}
		if (n >= PF_CHECK_EVERY)
			pf_check(growth->env);
	}
	missing = (Bytes) (top == PF_MISSING_BIN);
	any = (Words) missing;
	block->any_missing = (any[0] | any[1] | any[2] | any[3]) != 0;
	/* what is missing in all rows is constant */
	block->lowest = lowest & ~(Bytes) (lowest == PF_MISSING_BIN);
	block->highest = (highest - 1) & ~(Bytes) (highest == 0);
}

pf_inline void
draw_block(uint32_t quads, const PfGrowth *growth, uint64_t stream, Block *block)
{
	const uint32_t last = growth->matrix->nfeatures - 1;
	uint8_t		lowest[WORD_LANES];
	uint8_t		highest[WORD_LANES];
	uint32_t	threshold[WORD_ROWS] = {0};

	memcpy(lowest, &block->lowest, sizeof(lowest));
	memcpy(highest, &block->highest, sizeof(highest));
	UNROLL
	for (uint32_t q = 0; q < quads; q++)
	{
		uint32_t	from = q * PF_ABREAST;
		uint32_t	features[PF_ABREAST];
		float		place[PF_ABREAST];

		for (uint32_t c = 0; c < PF_ABREAST; c++)
		{
			features[c] = block->first + from + c;
			/* what fills up a row is 0 */
			if (features[c] > last)
				features[c] = last;
			place[c] = draw_place(growth, stream, features[c], lowest[from + c], highest[from + c],
								  &block->rank[from + c]);
		}
		threshold[q] = cut_between(growth, features, place, lowest + from, highest + from);
	}
	block->threshold = (Bytes) (Words) {threshold[0], threshold[1], threshold[2], threshold[3]};
}

pf_inline void
sum_block(uint32_t quads, bool any_missing, const PfGrowth *growth, const PfItem *items, uint32_t n,
		  const Block *block, QuadSums *out)
{
	const double offset = growth->offset;
	const Bytes threshold = block->threshold;
	QuadSums	sums[PF_ABREAST];

	UNROLL
	for (uint32_t q = 0; q < quads; q++)
		sums[q] = (QuadSums) {{0}, {0}, {0}, {0}};
	for (uint32_t start = 0, end; start < n; start = end)
	{
		Bytes		rows = {0},
					missing_rows = {0};

		/* so many fit a byte */
		end = n - start < 255 ? n : start + 255;
		for (uint32_t i = start; i < end; i++)
		{
			const double target = items[i].y.target - offset;
			const Real	sum = all(target);
			Bytes		bins = bins_of(quads, growth, items, i, block->first);
			Bytes		left = (Bytes) (lower(bins, threshold) == bins);
			Bytes		missing = (Bytes) (bins == PF_MISSING_BIN);
			const uint32_t left_bits = bits_of(left);
			const uint32_t missing_bits = any_missing ? bits_of(missing) : 0;

			if (n >= SCATTERED && i + AHEAD < n)
				__builtin_prefetch(pf_row(growth, items, i + AHEAD) + block->first);
			rows -= left;		/* true is -1 */
			if (any_missing)
				missing_rows -= missing;
			UNROLL
			for (uint32_t q = 0; q < quads; q++)
			{
				sums[q].left += (Real) ((Whole) sum & kept(left_bits, q));
				if (any_missing)
					sums[q].missing += (Real) ((Whole) sum & kept(missing_bits, q));
			}
		}
		UNROLL
		for (uint32_t q = 0; q < quads; q++)
		{
			sums[q].rows += widen_counts(rows, q);
			if (any_missing)
				sums[q].missing_rows += widen_counts(missing_rows, q);
		}
		if (start % PF_CHECK_EVERY > PF_CHECK_EVERY - 255)
			pf_check(growth->env);
	}
	UNROLL
	for (uint32_t q = 0; q < quads; q++)
		out[q] = sums[q];
}

pf_inline void
try_block(uint32_t quads, PfGrowth *growth, uint64_t stream, const PfItem *items, uint32_t n, double unsplit,
		  uint32_t first, Best *best)
{
	Block		block;
	QuadSums	sums[PF_ABREAST];

	block.first = first;
	find_block_ranges(quads, growth, items, n, &block);
	draw_block(quads, growth, stream, &block);
	if (block.any_missing)
		sum_block(quads, true, growth, items, n, &block, sums);
	else
		sum_block(quads, false, growth, items, n, &block, sums);
	for (uint32_t q = 0; q < quads; q++)
	{
		const CutSums quad = {
			.left = {.weight = as_real(sums[q].rows),.sum = sums[q].left},.rows = sums[q].rows,
			.missing = {.weight = as_real(sums[q].missing_rows),.sum = sums[q].missing},
			.missing_rows = sums[q].missing_rows
		};
		CutWorth	worth[2];

		score_sums(PF_SUMS, growth, unsplit, block.any_missing, &quad, worth);
		for (uint32_t c = 0; c < PF_ABREAST; c++)
		{
			uint32_t	lane = q * PF_ABREAST + c;
			const Cut	cut = {
				.feature = first + lane,.lane = c,.rank = block.rank[lane],.threshold = block.threshold[lane],
				.missing_here = quad.missing_rows[c] > 0
			};

			keep_lane(growth, &cut, n, block.any_missing, &quad, worth, best);
		}
	}
}

pf_inline void
find_in_whole_rows(PfGrowth *growth, uint64_t stream, const PfItem *items, uint32_t n, double unsplit,
				   Best *best)
{
	const uint32_t quads = (growth->matrix->nfeatures + PF_ABREAST - 1) / PF_ABREAST;

	for (uint32_t from = 0; from < quads; from += WORD_ROWS)
	{
		uint32_t	first = from * PF_ABREAST;

		switch (quads - from)
		{
			case 1:
				try_block(1, growth, stream, items, n, unsplit, first, best);
				break;
			case 2:
				try_block(2, growth, stream, items, n, unsplit, first, best);
				break;
			case 3:
				try_block(3, growth, stream, items, n, unsplit, first, best);
				break;
			default:
				try_block(4, growth, stream, items, n, unsplit, first, best);
				break;
		}
		pf_check(growth->env);
	}
}

#endif							/* PF_WHOLEROWS_H */

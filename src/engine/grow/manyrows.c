/*
 * manyrows.c
 *	  The best split of many rows: four features side by side, summed up by bin.
 *
 * The sums of four features lie side by side in one table: a row adds to four of its places, and a
 * sweep over the bins adds up and scores four features at a time.  Where a feature has no rows in a
 * bin its sums stay as they were, and a score that is no greater than the best is not kept: so nobody
 * need know which bins each feature has.
 */
#include <string.h>

#include "engine/grow/lanes.h"

#define NOTED		256			/* rows up to which it is noted which bins there are */
#define SCATTERED	2048		/* rows from which they are fetched ahead */
#define AHEAD		8			/* rows between the one counted and the one fetched */
#define LINE		64			/* bytes of a cache line */

/* Weight and sum of a bin. */
typedef double Two __attribute__((vector_size(16), may_alias));

/*
 * The table has PF_ABREAST places a bin, of 8 bytes for a cell and of 16 for weight and sum.  In a vector
 * of two such places the lanes are weight, sum, weight, sum; so that two of these vectors become
 * one of weights and one of sums without crossing over, the second feature has the third place.
 */
pf_inline uint32_t
place_of(PfCellShape shape, uint32_t f)
{
	return shape == PF_SUMS && (f == 1 || f == 2) ? 3 - f : f;
}

typedef enum Reading
{
	NOTING,						/* few rows: notes the bins that there are */
	READING,
	FETCHING					/* many rows, which are fetched ahead */
} Reading;

pf_inline void
fill_any(const PfGrowth *growth, PfCellShape shape, const PfItem *items, uint32_t n,
		 const uint32_t *features, Reading reading, uint8_t *seen)
{
	const uint8_t *bins = growth->bins;
	const size_t stride = growth->matrix->stride;
	const double offset = growth->offset;
	const size_t feature[PF_ABREAST] = {features[0], features[1], features[2], features[3]};
	uint64_t   *cells = growth->table;
	Two		   *sums = growth->table;

	for (uint32_t i = 0; i < n; i++)
	{
		const uint8_t *row = bins + items[i].row * stride;
		PfPile		pile = pile_of(shape, shape == PF_PAIRS ? 32 : 16, &items[i], offset);

		if (reading == FETCHING && i + AHEAD < n)
		{
			const uint8_t *ahead = bins + items[i + AHEAD].row * stride;

			/* a narrow row lies in a line or two; of a wide one only what is looked at */
			for (uint32_t f = 0; f < (stride <= LINE ? 1 : PF_ABREAST); f++)
				__builtin_prefetch(ahead + feature[f]);
		}
		UNROLL
		for (uint32_t f = 0; f < PF_ABREAST; f++)
		{
			size_t		bin = row[feature[f]];

			if (shape == PF_SUMS)
				sums[bin * PF_ABREAST + place_of(shape, f)] += (Two) {pile.weight, pile.sum};
			else
				cells[bin * PF_ABREAST + f] += pile.cell;
			if (reading == NOTING)
				seen[bin] = 1;
		}
	}
}

pf_inline void
fill_shape(const PfGrowth *growth, PfCellShape shape, const PfItem *items, uint32_t n,
		   const uint32_t *features, uint8_t *seen)
{
	if (seen != NULL)
		fill_any(growth, shape, items, n, features, NOTING, seen);
	else if (n < SCATTERED)
		fill_any(growth, shape, items, n, features, READING, NULL);
	else
		fill_any(growth, shape, items, n, features, FETCHING, NULL);
}

/* Adds a node's rows to the table.  seen[bin] is set to 1 for bins that there are; may be NULL. */
static __attribute__((noinline)) void
fill(const PfGrowth *growth, PfCellShape shape, const PfAbreast *node, const uint32_t *features,
	 uint8_t *seen)
{
	for (uint32_t start = 0; start < node->nrows; start += PF_CHECK_EVERY)
	{
		const PfItem *items = node->items + start;
		uint32_t	n = node->nrows - start < PF_CHECK_EVERY ? node->nrows - start : PF_CHECK_EVERY;

		if (shape == PF_PAIRS)
			fill_shape(growth, PF_PAIRS, items, n, features, seen);
		else if (shape == PF_SUMS)
			fill_shape(growth, PF_SUMS, items, n, features, seen);
		else
			fill_shape(growth, PF_QUADS, items, n, features, seen);
		pf_check(growth->env);
	}
}

/* A bit for each of 64 bytes that are 0 or 1. */
static inline uint64_t
bits_of(const uint8_t *bytes)
{
	uint64_t	bits = 0;

	for (uint32_t i = 0; i < 8; i++)
	{
		uint64_t	eight;

		memcpy(&eight, bytes + 8 * i, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		eight = __builtin_bswap64(eight);
#endif
		/* each byte's bit is moved to its place in the topmost byte */
		bits |= (eight * UINT64_C(0x0102040810204080) >> 56) << 8 * i;
	}
	return bits;
}

/* The places of a bin as lanes. */
pf_inline Piles
piles_at(PfCellShape shape, const void *table, uint32_t bin)
{
	Piles		piles = {all(0), all(0), all(0)};

	if (shape == PF_SUMS)
	{
		Real		a = ((const Real *) table)[2 * bin];
		Real		b = ((const Real *) table)[2 * bin + 1];

		piles.weight = (Real) {a[0], b[0], a[2], b[2]};
		piles.sum = (Real) {a[1], b[1], a[3], b[3]};
	}
	else
		piles.cell = ((const Whole *) table)[bin];
	return piles;
}

/* The sums of the bins before it are added to a bin's places. */
pf_inline void
add_up(PfCellShape shape, void *table, uint32_t bin, Whole *cells, Real *first, Real *second)
{
	if (shape == PF_SUMS)
	{
		Real	   *at = (Real *) table + 2 * bin;

		at[0] = *first += at[0];
		at[1] = *second += at[1];
	}
	else
	{
		Whole	   *at = (Whole *) table + bin;

		*at = *cells += *at;
	}
}

pf_inline void
clear(PfCellShape shape, void *table, uint32_t bin)
{
	const uint32_t size = shape == PF_SUMS ? 2 : 1;

	for (uint32_t i = 0; i < size; i++)
		((Whole *) table)[bin * size + i] = (Whole) all(0);
}

pf_inline bool
differ(PfCellShape shape, const void *table, uint32_t a, uint32_t b, uint32_t f)
{
	uint32_t	place = place_of(shape, f);

	if (shape == PF_SUMS)
		return ((const Two *) table)[a * PF_ABREAST + place][0] != ((const Two *) table)[b * PF_ABREAST + place][0];
	return ((const uint64_t *) table)[a * PF_ABREAST + place] != ((const uint64_t *) table)[b * PF_ABREAST + place];
}

pf_inline uint32_t
search_table(PfCellShape shape, PfGrowth *growth, PfAbreast *node, const uint32_t *features)
{
	void	   *table = growth->table;
	const uint32_t size = shape == PF_PAIRS ? 32 : 16;
	const Totals total = totals_of(shape, node->total);
	const uint8_t *row = row_of(growth, &node->items[0]);
	uint64_t	bins[4] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX >> 1};
	Found		on_right = {all(node->best), all(0)};
	Found		on_left = on_right;
	Piles		missing;
	Whole		cells = all(0);
	Real		first = all(0);
	Real		second = all(0);
	uint32_t	constant = 0;
	bool		missing_here = false;
	uint32_t	lane;

	if (node->nrows <= NOTED)
	{
		uint8_t		seen[256] = {0};

		fill(growth, shape, node, features, seen);
		seen[PF_MISSING_BIN] = 0;
		for (uint32_t i = 0; i < 4; i++)
			bins[i] = bits_of(seen + 64 * i);
	}
	else
		fill(growth, shape, node, features, NULL);

	missing = piles_at(shape, table, PF_MISSING_BIN);
	for (uint32_t f = 0; f < PF_ABREAST; f++)
	{
		Piles		pile = piles_at(shape, table, row[features[f]]);
		bool		alone = shape == PF_SUMS ? pile.weight[f] == node->total.weight : pile.cell[f] == node->total.cell;

		constant |= (uint32_t) alone << f;
		missing_here |= shape == PF_SUMS ? missing.weight[f] != 0 : missing.cell[f] != 0;
	}
	for (uint32_t word = 0; word < 4; word++)
	{
		for (uint64_t bits = bins[word]; bits != 0; bits &= bits - 1)
		{
			uint32_t	bin = word * 64 + (uint32_t) __builtin_ctzll(bits);
			Piles		left;

			add_up(shape, table, bin, &cells, &first, &second);
			left = piles_at(shape, table, bin);
			keep_better(&on_right, score_of(shape, size, total, left), bin);
		}
	}
	for (uint32_t word = 0; missing_here && word < 4; word++)
	{
		for (uint64_t bits = bins[word]; bits != 0; bits &= bits - 1)
		{
			uint32_t	bin = word * 64 + (uint32_t) __builtin_ctzll(bits);
			Piles		left = piles_at(shape, table, bin);
			Real		score;

			left = add(shape, left, missing);
			score = score_of(shape, size, total, left);
			/* missing values alone on the left: tried the other way around, and rounded otherwise */
			if (shape == PF_SUMS)
				score = (Real) ((Mask) score | (Mask) (left.weight == missing.weight));
			keep_better(&on_left, score, bin);
		}
	}
	lane = find_lane(node, &on_right, missing_here ? &on_left : NULL);
	if (lane < PF_ABREAST)
	{
		uint32_t	bin = (uint32_t) (node->missing_left ? on_left : on_right).step[lane];
		uint32_t	next = bin + 1;
		Piles		left = piles_at(shape, table, bin);

		if (node->missing_left)
			left = add(shape, left, missing);
		while (next < PF_MISSING_BIN &&
			   (!(bins[next / 64] >> next % 64 & 1) || !differ(shape, table, bin, next, lane)))
			next++;
		node->feature = lane;
		node->left = (PfPile) {left.cell[lane], left.weight[lane], left.sum[lane]};
		node->bin = (uint8_t) bin;
		node->next = (uint8_t) next;
		node->missing_here = shape == PF_SUMS ? missing.weight[lane] != 0 : missing.cell[lane] != 0;
	}

	clear(shape, table, PF_MISSING_BIN);
	for (uint32_t word = 0; word < 4; word++)
	{
		for (uint64_t bits = bins[word]; bits != 0; bits &= bits - 1)
			clear(shape, table, word * 64 + (uint32_t) __builtin_ctzll(bits));
	}
	return constant;
}

pf_inline uint32_t
search_many(PfGrowth *growth, PfCellShape shape, PfAbreast *node, const uint32_t *features)
{
	shape = exact_shape(growth, shape);
	return BY_SHAPE(shape, search_table, growth, node, features);
}

COMPILE_SEARCH(pf_search_many, search_many)

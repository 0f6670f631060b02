/*
 * fewrows.c
 *	  The best split of a few rows: four features side by side, sorted by bin.
 *
 * Keys are vectors, a feature a lane, and a sorting network puts them in order in all lanes at
 * once.  A key of counted classes carries the row's weight with it, so that what lies left of a boundary
 * is a running sum of keys.
 */
#include "engine/grow/lanes.h"

/* The first feature in which they differ is as good as any. */
pf_inline uint32_t
search_two(PfCellShape shape, const PfGrowth *growth, PfAbreast *node, const uint32_t *features)
{
	const uint32_t bits = shape == PF_PAIRS ? 32 : 16;
	const uint8_t *a = row_of(growth, &node->items[0]);
	const uint8_t *b = row_of(growth, &node->items[1]);
	uint32_t	constant = 0;

	for (uint32_t f = PF_ABREAST; f-- > 0;)
	{
		if (a[features[f]] == b[features[f]])
			constant |= 1 << f;
		else
			node->feature = f;
	}
	if (constant != (1 << PF_ABREAST) - 1)
	{
		uint32_t	feature = features[node->feature];
		bool		ascend = a[feature] < b[feature];
		PfPile		left = pile_of(shape, bits, &node->items[!ascend], growth->offset);
		Piles		piles = {all(left.cell), all(left.weight), all(left.sum)};

		node->found = true;
		node->best = score_of(shape, bits, totals_of(shape, node->total), piles)[0];
		node->bin = ascend ? a[feature] : b[feature];
		node->next = ascend ? b[feature] : a[feature];
		node->missing_here = node->next == PF_MISSING_BIN;
		node->missing_left = false;
		node->left = left;
	}
	return constant;
}

/*
 * A key is a bin, and below it the row's cell, with fewer bits a class, or its number.  Above it are the
 * bits of 2^52: then keys compare as doubles, which every processor does in vectors.
 */
#define BIN_SHIFT		44
#define KEY_BITS		PF_FEW_WEIGHT_BITS	/* of a class */
#define BELOW_BIN		((UINT64_C(1) << BIN_SHIFT) - 1)
#define LAST_KEY		(TWO_TO_52_BITS + (UINT64_C(1) << 52) - 1)
#define key_bin(key)	((uint32_t) ((key) >> BIN_SHIFT) & 0xFF)

pf_inline void
make_keys(PfCellShape shape, const PfGrowth *growth, const PfAbreast *node,
		  const uint32_t *features, Whole *keys, PfPile *piles)
{
	for (uint32_t i = 0; i < node->nrows; i++)
	{
		const uint8_t *row = row_of(growth, &node->items[i]);
		PfPile		pile = pile_of(shape, KEY_BITS, &node->items[i], growth->offset);
		uint64_t	key = TWO_TO_52_BITS + (shape == PF_SUMS ? i : pile.cell);
		uint64_t	a = key + ((uint64_t) row[features[0]] << BIN_SHIFT),
					b = key + ((uint64_t) row[features[1]] << BIN_SHIFT),
					c = key + ((uint64_t) row[features[2]] << BIN_SHIFT),
					d = key + ((uint64_t) row[features[3]] << BIN_SHIFT);

		keys[i] = (Whole) {a, b, c, d};
		if (shape == PF_SUMS)
			piles[i] = pile;
	}
}

/* The lesser of two keys in each lane goes first. */
pf_inline void
order(Whole *a, Whole *b)
{
	Whole		change = (*a ^ *b) & (Whole) ((Real) *b < (Real) *a);

	*a ^= change;
	*b ^= change;
}

typedef struct Comparison
{
	uint8_t		a,
				b;
} Comparison;

pf_inline void
compare(Whole *keys, const Comparison *comparisons, int n)
{
	UNROLL
	for (int i = 0; i < n; i++)
		order(&keys[comparisons[i].a], &keys[comparisons[i].b]);
}

/* Networks of the fewest comparisons that are known; 16 keys are two halves, and these are merged (Batcher). */
static const Comparison four[5] = {{0, 2}, {1, 3}, {0, 1}, {2, 3}, {1, 2}};
static const Comparison eight[19] = {
	{0, 2}, {1, 3}, {4, 6}, {5, 7}, {0, 4}, {1, 5}, {2, 6}, {3, 7}, {0, 1}, {2, 3}, {4, 5}, {6, 7},
	{2, 4}, {3, 5}, {1, 4}, {3, 6}, {1, 2}, {3, 4}, {5, 6}
};
static const Comparison halves[25] = {
	{0, 8}, {1, 9}, {2, 10}, {3, 11}, {4, 12}, {5, 13}, {6, 14}, {7, 15}, {4, 8}, {5, 9}, {6, 10}, {7, 11},
	{2, 4}, {3, 5}, {6, 8}, {7, 9}, {10, 12}, {11, 13},
	{1, 2}, {3, 4}, {5, 6}, {7, 8}, {9, 10}, {11, 12}, {13, 14}
};

/* Ascending in each lane. */
pf_inline void
sort_keys(Whole *keys, uint32_t n)
{
	uint32_t	until = n <= 4 ? 4 : n <= 8 ? 8 : 16;

	for (uint32_t i = n; i < until; i++)
		keys[i] = (Whole) all(LAST_KEY);
	if (n <= 4)
		compare(keys, four, 5);
	else
		compare(keys, eight, 19);
	if (n > 8)
	{
		compare(keys + 8, eight, 19);
		compare(keys, halves, 25);
	}
}

/* The sums of the rows of four keys. */
pf_inline Piles
piles_of(PfCellShape shape, const PfPile *row, Whole keys)
{
	Piles		piles = {keys & BELOW_BIN, all(0), all(0)};

	if (shape == PF_SUMS)
	{
		const PfPile *a = &row[keys[0] % PF_FEW_ROWS];
		const PfPile *b = &row[keys[1] % PF_FEW_ROWS];
		const PfPile *c = &row[keys[2] % PF_FEW_ROWS];
		const PfPile *d = &row[keys[3] % PF_FEW_ROWS];

		piles.weight = (Real) {a->weight, b->weight, c->weight, d->weight};
		piles.sum = (Real) {a->sum, b->sum, c->sum, d->sum};
	}
	return piles;
}

pf_inline uint32_t
search_keys(PfCellShape shape, PfAbreast *node, const Whole *keys, const PfPile *row)
{
	const uint32_t bits = KEY_BITS;
	const Whole missing_key = all(TWO_TO_52_BITS + ((uint64_t) PF_MISSING_BIN << BIN_SHIFT));
	const Totals total = totals_of(shape, node->total);
	const uint32_t n = node->nrows;
	Piles		left[PF_FEW_ROWS];
	Piles		pile = {all(0), all(0), all(0)};
	Piles		missing = {all(0), all(0), all(0)};
	Found		on_right = {all(node->best), all(0)};
	Found		on_left = on_right;
	uint32_t	constant = 0;
	bool		missing_here = false;
	uint32_t	lane;

	for (uint32_t f = 0; f < PF_ABREAST; f++)
	{
		constant |= (uint32_t) (key_bin(keys[0][f]) == key_bin(keys[n - 1][f])) << f;
		missing_here |= key_bin(keys[n - 1][f]) == PF_MISSING_BIN;
	}
	for (uint32_t i = n; missing_here && i-- > 0;)
	{
		Mask		here = (Mask) ((Real) keys[i] >= (Real) missing_key);
		Piles		own = piles_of(shape, row, keys[i]);

		own.cell &= (Whole) here;
		own.weight = (Real) ((Mask) own.weight & here);
		own.sum = (Real) ((Mask) own.sum & here);
		missing = add(shape, missing, own);
	}
	for (uint32_t i = 0; i + 1 < n; i++)
	{
		/* a boundary lies where bins differ; else the score becomes NaN */
		Mask		none = (Mask) (keys[i] >> BIN_SHIFT == keys[i + 1] >> BIN_SHIFT);

		pile = left[i] = add(shape, pile, piles_of(shape, row, keys[i]));
		keep_better(&on_right, (Real) ((Mask) score_of(shape, bits, total, pile) | none), i);
	}
	for (uint32_t i = 0; missing_here && i + 1 < n; i++)
	{
		Mask		none = (Mask) (keys[i] >> BIN_SHIFT == keys[i + 1] >> BIN_SHIFT);

		pile = add(shape, left[i], missing);
		keep_better(&on_left, (Real) ((Mask) score_of(shape, bits, total, pile) | none), i);
	}
	lane = find_lane(node, &on_right, missing_here ? &on_left : NULL);
	if (lane < PF_ABREAST)
	{
		uint32_t	i = (uint32_t) (node->missing_left ? on_left : on_right).step[lane];
		uint64_t	cell;

		pile = node->missing_left ? add(shape, left[i], missing) : left[i];
		cell = pile.cell[lane];
		node->feature = lane;
		node->left = (PfPile) {0, pile.weight[lane], pile.sum[lane]};
		for (uint32_t c = 0; shape != PF_SUMS && c < (shape == PF_PAIRS ? 2 : 4); c++)
			node->left.cell |= (cell >> bits * c & ((1u << bits) - 1)) << (shape == PF_PAIRS ? 32 : 16) * c;
		node->bin = (uint8_t) key_bin(keys[i][lane]);
		node->next = (uint8_t) key_bin(keys[i + 1][lane]);
		node->missing_here = key_bin(keys[n - 1][lane]) == PF_MISSING_BIN;
	}
	return constant;
}

pf_inline uint32_t
search_few(PfGrowth *growth, PfCellShape shape, PfAbreast *node, const uint32_t *features)
{
	Whole		keys[PF_FEW_ROWS];
	PfPile		piles[PF_FEW_ROWS];

	shape = exact_shape(growth, shape);
	if (node->nrows == 2)
		return BY_SHAPE(shape, search_two, growth, node, features);
	if (shape == PF_PAIRS)
		make_keys(PF_PAIRS, growth, node, features, keys, piles);
	else if (shape == PF_SUMS)
		make_keys(PF_SUMS, growth, node, features, keys, piles);
	else
		make_keys(PF_QUADS, growth, node, features, keys, piles);
	sort_keys(keys, node->nrows);
	return BY_SHAPE(shape, search_keys, node, keys, piles);
}

COMPILE_SEARCH(pf_search_few, search_few)

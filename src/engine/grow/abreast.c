/*
 * abreast.c
 *	  Four features of a node side by side.
 *
 * Few rows are sorted by bin, by a sorting network whose keys are vectors, a feature a
 * lane.  Of more, the sums by bin of four features lie side by side in one table: a row adds to four
 * of its places, and a sweep over the bins adds up and scores four features at a
 * time.  Where a feature has no rows in a bin its sums stay as they were, and a score that is no greater
 * than the best is not kept, so nobody need ask which bins a feature has.
 *
 * Written once, with the vector types of gcc and clang, and compiled twice on x86 (as boundaries.c).
 */
#include <math.h>
#include <string.h>

#include "engine/grow/abreast.h"

#define pf_inline static inline __attribute__((always_inline))

typedef uint64_t Whole __attribute__((vector_size(32), may_alias));
typedef int64_t Mask __attribute__((vector_size(32), may_alias));
typedef double Real __attribute__((vector_size(32), may_alias));
typedef double Two __attribute__((vector_size(16), may_alias));

/* Numbers below 2^52 as doubles: they become the fraction of 2^52 + x. */
#define TWO_TO_52 4503599627370496.0
#define TWO_TO_52_BITS UINT64_C(0x4330000000000000)
#define as_real(x) ((Real) ((x) | TWO_TO_52_BITS) - TWO_TO_52)
#define all(x) {(x), (x), (x), (x)}

#define SORTED		16			/* rows up to which a node is sorted */
#define NOTED		256			/* rows up to which it is noted which bins there are */
#define SCATTERED	2048		/* rows from which they are fetched ahead */
#define AHEAD		8			/* rows between the one counted and the one fetched */
#define LINE		64			/* bytes of a cache line */

/* Three of four classes, where that is known, are less to do. */
#define TRIPLES	((PfCellShape) (PF_SUMS + 1))

/* What lies left in each lane, in the shape of PfPile. */
typedef struct Piles
{
	Whole		cell;
	Real		weight,
				sum;
} Piles;

/* The best of each lane so far, and at which step it was. */
typedef struct Found
{
	Real		score;
	Whole		step;
} Found;

/* What a node holds, as it is wanted for scores. */
typedef struct Totals
{
	double		weight;
	double		sum[4];			/* of each class; of pairs, the second class */
	double		mean;
} Totals;

pf_inline Totals
totals_of(PfCellShape shape, PfPile pile)
{
	Totals		total = {0};

	if (shape == PF_SUMS)
	{
		total.weight = pile.weight;
		total.mean = pile.sum / pile.weight;
	}
	for (uint32_t c = 0; shape != PF_SUMS && c < (shape == PF_PAIRS ? 2 : 4); c++)
	{
		total.sum[c] = (double) pf_cell_weight(shape == PF_PAIRS ? PF_PAIRS : PF_QUADS, pile.cell, c);
		total.weight += total.sum[c];
	}
	return total;
}

/* bits: those of a class in a cell */
pf_inline Real
score_of(PfCellShape shape, uint32_t bits, Totals total, Piles pile)
{
	const uint64_t mask = (UINT64_C(1) << bits) - 1;

	if (shape == PF_PAIRS)
	{
		Real		second = as_real(pile.cell >> bits);
		Real		left = as_real(pile.cell & mask) + second;
		Real		excess = second * total.weight - total.sum[1] * left;

		return excess * excess / (left * (total.weight - left));
	}
	if (shape == TRIPLES)
	{
		Real		a = as_real(pile.cell & mask);
		Real		b = as_real(pile.cell >> bits & mask);
		Real		c = as_real(pile.cell >> 2 * bits);
		Real		left = a + b + c;
		Real		on_left = a * a + b * b + c * c;
		Real		right = total.weight - left;

		a = total.sum[0] - a;
		b = total.sum[1] - b;
		c = total.sum[2] - c;
		return (on_left * right + (a * a + b * b + c * c) * left) / (left * right);
	}
	if (shape == PF_QUADS)
	{
		Real		a = as_real(pile.cell & mask);
		Real		b = as_real(pile.cell >> bits & mask);
		Real		c = as_real(pile.cell >> 2 * bits & mask);
		Real		d = as_real(pile.cell >> 3 * bits);
		Real		left = a + b + c + d;
		Real		on_left = a * a + b * b + c * c + d * d;
		Real		right = total.weight - left;

		a = total.sum[0] - a;
		b = total.sum[1] - b;
		c = total.sum[2] - c;
		d = total.sum[3] - d;
		return (on_left * right + (a * a + b * b + c * c + d * d) * left) / (left * right);
	}
	else
	{
		Real		excess = pile.sum - total.mean * pile.weight;
		Real		right = total.weight - pile.weight;

		/* with nothing on the right rounding would decide */
		return (Real) ((Mask) (excess * excess / (pile.weight * right)) | (Mask) (right <= 0));
	}
}

/* NaN is not greater than anything. */
pf_inline void
keep_better(Found *found, Real score, uint32_t step)
{
	Mask		better = (Mask) (score > found->score);
	Whole		here = all(step);

	found->score = (Real) (((Mask) score & better) | ((Mask) found->score & ~better));
	found->step = (Whole) (((Mask) here & better) | ((Mask) found->step & ~better));
}

/* A row in the shape of the sums. */
pf_inline PfPile
pile_of(PfCellShape shape, uint32_t bits, const PfItem *item, double offset)
{
	PfPile		pile = {0};

	if (shape == PF_SUMS)
	{
		pile.weight = item->weight;
		pile.sum = pile.weight * (item->y.target - offset);
	}
	else
		pile.cell = (uint64_t) (int64_t) item->weight << bits * item->y.label;
	return pile;
}

pf_inline Piles
add(PfCellShape shape, Piles a, Piles b)
{
	if (shape == PF_SUMS)
	{
		a.weight += b.weight;
		a.sum += b.sum;
	}
	else
		a.cell += b.cell;
	return a;
}

/*
 * The best lane, if it is better than what was known; the first of equals, and the missing values
 * rather on the right.  Sets best and missing_left; PF_ABREAST: none.
 */
pf_inline uint32_t
find_lane(PfAbreast *node, const Found *right, const Found *left)
{
	uint32_t	lane = PF_ABREAST;

	for (uint32_t f = 0; f < PF_ABREAST; f++)
	{
		bool		missing_left = left != NULL && left->score[f] > right->score[f];
		double		score = missing_left ? left->score[f] : right->score[f];

		if (score > node->best)
		{
			lane = f;
			node->best = score;
			node->found = true;
			node->missing_left = missing_left;
		}
	}
	return lane;
}

/* ----- two rows ----- */

pf_inline const uint8_t *
row_of(const PfGrowth *growth, const PfItem *item)
{
	return growth->bins + item->row * (size_t) growth->matrix->stride;
}

/* The first feature in which they differ is as good as any. */
pf_inline uint32_t
search_two(const PfGrowth *growth, PfCellShape shape, PfAbreast *node, const uint32_t *features)
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

/* ----- few rows: sorted by bin ----- */

/*
 * A key is a bin, and below it the row's cell, with fewer bits a class, or its number.  Above it are the
 * bits of 2^52: then keys compare as doubles, which every processor does in vectors.
 */
#define BIN_SHIFT		44
#define KEY_BITS(shape) ((shape) == PF_PAIRS ? 22u : 11u)
#define KEY_LIMIT		2048	/* of four classes: a node weighs less */
#define BELOW_BIN		((UINT64_C(1) << BIN_SHIFT) - 1)
#define LAST_KEY		(TWO_TO_52_BITS + (UINT64_C(1) << 52) - 1)
#define key_bin(key)	((uint32_t) ((key) >> BIN_SHIFT) & 0xFF)

pf_inline void
make_keys(const PfGrowth *growth, PfCellShape shape, const PfAbreast *node,
		  const uint32_t *features, Whole *keys, PfPile *piles)
{
	for (uint32_t i = 0; i < node->nrows; i++)
	{
		const uint8_t *row = row_of(growth, &node->items[i]);
		PfPile		pile = pile_of(shape, KEY_BITS(shape), &node->items[i], growth->offset);
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

/* Networks of the fewest comparisons that are known. */
pf_inline void
sort_4(Whole *k)
{
	order(&k[0], &k[2]);
	order(&k[1], &k[3]);
	order(&k[0], &k[1]);
	order(&k[2], &k[3]);
	order(&k[1], &k[2]);
}

pf_inline void
sort_8(Whole *k)
{
	static const uint8_t pair[19][2] = {
		{0, 2}, {1, 3}, {4, 6}, {5, 7}, {0, 4}, {1, 5}, {2, 6}, {3, 7}, {0, 1}, {2, 3}, {4, 5}, {6, 7},
		{2, 4}, {3, 5}, {1, 4}, {3, 6}, {1, 2}, {3, 4}, {5, 6}
	};

#pragma GCC unroll 19
	for (int i = 0; i < 19; i++)
		order(&k[pair[i][0]], &k[pair[i][1]]);
}

/* Halves that are sorted become one: a step of Batcher's network, of n keys at a distance. */
pf_inline void
merge(Whole *k, int n, int distance)
{
#pragma GCC unroll 16
	for (int i = distance; i < n - distance; i += 2 * distance)
	{
#pragma GCC unroll 16
		for (int j = i; j < i + distance; j++)
			order(&k[j], &k[j + distance]);
	}
}

pf_inline void
merge_halves(Whole *k, int n)
{
#pragma GCC unroll 16
	for (int i = 0; i < n / 2; i++)
		order(&k[i], &k[i + n / 2]);
	if (n == 32)
		merge(k, n, 8);
	merge(k, n, 4);
	merge(k, n, 2);
	merge(k, n, 1);
}

/* Ascending in each lane; there is room for SORTED keys. */
pf_inline void
sort_keys(Whole *keys, uint32_t n)
{
	uint32_t	until = n <= 4 ? 4 : n <= 8 ? 8 : n <= 16 ? 16 : 32;

	for (uint32_t i = n; i < until; i++)
		keys[i] = (Whole) all(LAST_KEY);
	if (n <= 4)
	{
		sort_4(keys);
		return;
	}
	for (uint32_t i = 0; i < n; i += 8)
		sort_8(keys + i);
	for (uint32_t i = 0; n > 8 && i < n; i += 16)
		merge_halves(keys + i, 16);
	if (n > 16)
		merge_halves(keys, 32);
}

/* The sums of the rows of four keys. */
pf_inline Piles
piles_of(PfCellShape shape, const PfPile *row, Whole keys)
{
	Piles		piles = {keys & BELOW_BIN, all(0), all(0)};

	if (shape == PF_SUMS)
	{
		const PfPile *a = &row[keys[0] % SORTED];
		const PfPile *b = &row[keys[1] % SORTED];
		const PfPile *c = &row[keys[2] % SORTED];
		const PfPile *d = &row[keys[3] % SORTED];

		piles.weight = (Real) {a->weight, b->weight, c->weight, d->weight};
		piles.sum = (Real) {a->sum, b->sum, c->sum, d->sum};
	}
	return piles;
}

pf_inline uint32_t
search_keys(PfCellShape shape, PfAbreast *node, const Whole *keys, const PfPile *row)
{
	const uint32_t bits = KEY_BITS(shape);
	const Whole missing_key = all(TWO_TO_52_BITS + ((uint64_t) PF_MISSING_BIN << BIN_SHIFT));
	const Totals total = totals_of(shape, node->total);
	const uint32_t n = node->nrows;
	Piles		left[SORTED];
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

		/* something must be left for the right */
		none |= (Mask) ((Real) keys[i + 1] >= (Real) missing_key);
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

/* ----- more rows: sums by bin ----- */

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
#pragma GCC unroll 4
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
search_table(PfGrowth *growth, PfCellShape shape, PfAbreast *node, const uint32_t *features)
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

			/* missing values alone are on the left: that was tried the other way around */
			Mask		none = shape == PF_SUMS ? (Mask) (left.weight == 0) : (Mask) (left.cell == 0);

			left = add(shape, left, missing);
			keep_better(&on_left, (Real) ((Mask) score_of(shape, size, total, left) | none), bin);
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

static inline uint64_t
quad_weight(uint64_t cell)
{
	uint64_t	weight = 0;

	for (uint32_t c = 0; c < 4; c++)
		weight += pf_cell_weight(PF_QUADS, cell, c);
	return weight;
}

/* The constants let the compiler write the loops of each shape by themselves. */
pf_inline uint32_t
search(PfGrowth *growth, PfCellShape shape, PfAbreast *node, const uint32_t *features)
{
	Whole		keys[SORTED];
	PfPile		piles[SORTED];

	if (shape == PF_QUADS && growth->width == 3)
		shape = TRIPLES;
	if (node->nrows == 2)
		return shape == PF_PAIRS ? search_two(growth, PF_PAIRS, node, features)
			: shape == TRIPLES ? search_two(growth, TRIPLES, node, features)
			: shape == PF_QUADS ? search_two(growth, PF_QUADS, node, features)
			: search_two(growth, PF_SUMS, node, features);
	if (node->nrows > SORTED || ((shape == PF_QUADS || shape == TRIPLES) && quad_weight(node->total.cell) >= KEY_LIMIT))
		return shape == PF_PAIRS ? search_table(growth, PF_PAIRS, node, features)
			: shape == TRIPLES ? search_table(growth, TRIPLES, node, features)
			: shape == PF_QUADS ? search_table(growth, PF_QUADS, node, features)
			: search_table(growth, PF_SUMS, node, features);
	if (shape == PF_PAIRS)
		make_keys(growth, PF_PAIRS, node, features, keys, piles);
	else if (shape == PF_SUMS)
		make_keys(growth, PF_SUMS, node, features, keys, piles);
	else
		make_keys(growth, PF_QUADS, node, features, keys, piles);
	sort_keys(keys, node->nrows);
	return shape == PF_PAIRS ? search_keys(PF_PAIRS, node, keys, piles)
		: shape == TRIPLES ? search_keys(TRIPLES, node, keys, piles)
		: shape == PF_QUADS ? search_keys(PF_QUADS, node, keys, piles)
		: search_keys(PF_SUMS, node, keys, piles);
}

static uint32_t
search_anywhere(PfGrowth *growth, PfCellShape shape, PfAbreast *node, const uint32_t *features)
{
	return search(growth, shape, node, features);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static uint32_t
search_avx2(PfGrowth *growth, PfCellShape shape, PfAbreast *node, const uint32_t *features)
{
	return search(growth, shape, node, features);
}
#endif

PfSearchAbreast
pf_abreast_search(bool portable)
{
#ifdef __x86_64__
	if (!portable && __builtin_cpu_supports("avx2"))
		return search_avx2;
#endif
	return search_anywhere;
}

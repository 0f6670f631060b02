/*
 * lanes.h
 *	  Four features of a node side by side: their sums, scores and best boundaries.
 *
 * A lane of a vector is a feature.  For fewrows.c and manyrows.c, which compile this twice on
 * x86, as boundaries.c does: for any processor, and for those with AVX2.
 */
#ifndef PF_LANES_H
#define PF_LANES_H

#include "engine/grow/abreast.h"

#define pf_inline static inline __attribute__((always_inline))

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

/* all of it is inlined, so nobody passes a vector to anybody */
#pragma GCC diagnostic ignored "-Wpsabi"

typedef uint64_t Whole __attribute__((vector_size(32), aligned(16), may_alias));
typedef int64_t Mask __attribute__((vector_size(32), aligned(16), may_alias));
typedef double Real __attribute__((vector_size(32), aligned(16), may_alias));

/* Numbers below 2^52 as doubles: they become the fraction of 2^52 + x. */
#define TWO_TO_52 4503599627370496.0
#define TWO_TO_52_BITS UINT64_C(0x4330000000000000)
#define as_real(x) ((Real) ((x) | TWO_TO_52_BITS) - TWO_TO_52)
#define all(x) {(x), (x), (x), (x)}

/* Three of four classes, where that is known, are less to do. */
#define TRIPLES		((PfCellShape) (PF_SUMS + 1))

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

/* As pf_row, where rows are never moved: the best cuts. */
pf_inline const uint8_t *
row_of(const PfGrowth *growth, const PfItem *item)
{
	return growth->bins + item->row * (size_t) growth->matrix->stride;
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

/* PF_QUADS of three classes is TRIPLES. */
pf_inline PfCellShape
exact_shape(const PfGrowth *growth, PfCellShape shape)
{
	return shape == PF_QUADS && growth->width == 3 ? TRIPLES : shape;
}

/* The constants let the compiler write the loops of each shape by themselves. */
#define BY_SHAPE(shape, what, ...) \
	((shape) == PF_PAIRS ? what(PF_PAIRS, __VA_ARGS__) \
	 : (shape) == TRIPLES ? what(TRIPLES, __VA_ARGS__) \
	 : (shape) == PF_QUADS ? what(PF_QUADS, __VA_ARGS__) \
	 : what(PF_SUMS, __VA_ARGS__))

/* A search, compiled for any processor and for a better one, and the choice between them. */
#ifdef __x86_64__
#define COMPILE_SEARCH(choice, search) \
	static uint32_t search##_anywhere(PfGrowth *growth, PfCellShape shape, PfAbreast *node, const uint32_t *features) \
	{ return search(growth, shape, node, features); } \
	__attribute__((target("avx2"))) static uint32_t \
	search##_avx2(PfGrowth *growth, PfCellShape shape, PfAbreast *node, const uint32_t *features) \
	{ return search(growth, shape, node, features); } \
	PfSearchAbreast choice(bool portable) \
	{ return !portable && __builtin_cpu_supports("avx2") ? search##_avx2 : search##_anywhere; }
#else
#define COMPILE_SEARCH(choice, search) \
	static uint32_t search##_anywhere(PfGrowth *growth, PfCellShape shape, PfAbreast *node, const uint32_t *features) \
	{ return search(growth, shape, node, features); } \
	PfSearchAbreast choice(bool portable) \
	{ return search##_anywhere; }
#endif

#endif							/* PF_LANES_H */

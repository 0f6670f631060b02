/*
 * boundaries.c
 *	  Scores of boundaries, four at a time.
 *
 * Written once, with the vector types of gcc and clang, and compiled twice on x86: for
 * any processor, and for those with AVX2.  Both do the same operations on the same
 * doubles, so they give the same bits.
 */
#include "engine/grow/boundaries.h"

#define pf_inline static inline __attribute__((always_inline))

typedef uint64_t Whole __attribute__((vector_size(32), aligned(8), may_alias));
typedef double Real __attribute__((vector_size(32), aligned(8), may_alias));

#define TWO_TO_52 4503599627370496.0

/* Numbers below 2^52 as doubles: they become the fraction of 2^52 + x. */
#define as_real(x) ((Real) ((x) | (uint64_t) 0x4330000000000000) - TWO_TO_52)

pf_inline void
score_pairs(const PfBoundaries *boundaries, PfPile total, PfPile more,
			uint32_t from, uint32_t to, double *scores)
{
	double		sum = (double) (total.cell >> 32);
	double		weight = (double) (total.cell & 0xFFFFFFFF) + sum;

	for (uint32_t i = from; i < to; i += 4)
	{
		Whole		cell = *(const Whole *) &boundaries->left.cell[i] + more.cell;
		Real		second = as_real(cell >> 32);
		Real		left = as_real(cell & 0xFFFFFFFF) + second;
		Real		excess = second * weight - sum * left;

		*(Real *) &scores[i] = excess * excess / (left * (weight - left));
	}
}

pf_inline void
score_quads(const PfBoundaries *boundaries, PfPile total, PfPile more,
			uint32_t from, uint32_t to, double *scores)
{
	double		sums[4];
	double		weight;

	for (uint32_t c = 0; c < 4; c++)
		sums[c] = (double) pf_cell_weight(PF_QUADS, total.cell, c);
	weight = sums[0] + sums[1] + sums[2] + sums[3];

	for (uint32_t i = from; i < to; i += 4)
	{
		Whole		cell = *(const Whole *) &boundaries->left.cell[i] + more.cell;
		Real		a = as_real(cell & 0xFFFF);
		Real		b = as_real(cell >> 16 & 0xFFFF);
		Real		c = as_real(cell >> 32 & 0xFFFF);
		Real		d = as_real(cell >> 48);
		Real		left = a + b + c + d;
		Real		right = weight - left;
		Real		on_left = a * a + b * b + c * c + d * d;

		a = sums[0] - a;
		b = sums[1] - b;
		c = sums[2] - c;
		d = sums[3] - d;
		*(Real *) &scores[i] =
			(on_left * right + (a * a + b * b + c * c + d * d) * left) / (left * right);
	}
}

pf_inline void
score_sums(const PfBoundaries *boundaries, PfPile total, PfPile more,
			uint32_t from, uint32_t to, double *scores)
{
	double		mean = total.sum / total.weight;

	for (uint32_t i = from; i < to; i += 4)
	{
		Real		left = *(const Real *) &boundaries->left.weight[i] + more.weight;
		Real		sum = *(const Real *) &boundaries->sum[i] + more.sum;
		Real		excess = sum - mean * left;

		*(Real *) &scores[i] =
			excess * excess / (left * (total.weight - left));
	}
}

pf_inline void
score(PfCellShape shape, const PfBoundaries *boundaries, PfPile total, PfPile more,
	  uint32_t from, uint32_t to, double *scores)
{
	switch (shape)
	{
		case PF_PAIRS:
			score_pairs(boundaries, total, more, from, to, scores);
			break;
		case PF_QUADS:
			score_quads(boundaries, total, more, from, to, scores);
			break;
		case PF_SUMS:
			score_sums(boundaries, total, more, from, to, scores);
			break;
	}
}

/*
 * The first of the greatest scores, if it is greater than *best.  Of many, each of four lanes has
 * its own best first; which of them is better is not to be foreseen, so there are no branches.
 */
pf_inline uint32_t
find_best(const double *scores, uint32_t from, uint32_t to, double *best)
{
	uint32_t	found = UINT32_MAX;
	uint32_t	i = from;

	if (to - from >= 12)
	{
		Real		most = {*best, *best, *best, *best};
		Real		at = {i, i + 1, i + 2, i + 3};
		Real		most_at = at;

		for (; i + 4 <= to; i += 4)
		{
			Real		score = *(const Real *) &scores[i];
			Whole		better = (Whole) (score > most);

			most = (Real) ((better & (Whole) score) | (~better & (Whole) most));
			most_at = (Real) ((better & (Whole) at) | (~better & (Whole) most_at));
			at += 4;
		}
		for (int lane = 0; lane < 4; lane++)
		{
			if (most[lane] > *best ||
				(most[lane] == *best && found != UINT32_MAX && most_at[lane] < found))
			{
				*best = most[lane];
				found = (uint32_t) most_at[lane];
			}
		}
	}
	for (; i < to; i++)
	{
		if (scores[i] > *best)
		{
			*best = scores[i];
			found = i;
		}
	}
	return found;
}

static uint32_t
score_anywhere(PfCellShape shape, const PfBoundaries *boundaries, PfPile total, PfPile more,
			   uint32_t from, uint32_t to, double *scores, double *best)
{
	score(shape, boundaries, total, more, from, to, scores);
	return find_best(scores, from, to, best);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static uint32_t
score_avx2(PfCellShape shape, const PfBoundaries *boundaries, PfPile total, PfPile more,
		   uint32_t from, uint32_t to, double *scores, double *best)
{
	score(shape, boundaries, total, more, from, to, scores);
	return find_best(scores, from, to, best);
}
#endif

PfScoreBoundaries
pf_boundary_scorer(bool portable)
{
#ifdef __x86_64__
	if (!portable && __builtin_cpu_supports("avx2"))
		return score_avx2;
#endif
	return score_anywhere;
}

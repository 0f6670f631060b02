/*
 * cutlanes.h
 *	  What lies left of four random cuts of a node, and what each cut is worth.
 *
 * A lane of a vector is a cut, a feature each, whose bins stand side by side in one word a row.
 * For randomcut.c, which compiles this twice on x86, as fewrows.c does.
 */
#ifndef PF_CUTLANES_H
#define PF_CUTLANES_H

#include "engine/grow/lanes.h"

#define WORD_LANES	16			/* bytes of a vector of words */
#define WORD_ROWS	(WORD_LANES / PF_ABREAST)	/* rows of such a vector */

typedef uint8_t Bytes __attribute__((vector_size(WORD_LANES)));
typedef uint32_t Words __attribute__((vector_size(WORD_LANES)));

/* Where the byte of a lane lies in a word: in memory it is that of the same number. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define byte_shift(lane)	(8 * (PF_ABREAST - 1 - (lane)))
#else
#define byte_shift(lane)	(8 * (lane))
#endif

/* The sums left of each cut, and those of the rows where its feature is missing. */
typedef struct CutSums
{
	Piles		left,
				missing;
	Whole		rows,
				missing_rows;
} CutSums;

/* What the cuts are worth with the missing values on one side. */
typedef struct CutWorth
{
	double		gain[PF_ABREAST];
	double		sums[PF_COUNTED_CLASSES][PF_ABREAST];	/* left of them: classes, or weight and sum */
	double		left_weight[PF_ABREAST];
	double		right_weight[PF_ABREAST];
} CutWorth;

/* A bit of four for each lane, as masks. */
#define KEEP(i) {-(uint64_t) ((i) & 1), -(uint64_t) ((i) >> 1 & 1), -(uint64_t) ((i) >> 2 & 1), -(uint64_t) ((i) >> 3 & 1)}
static const struct
{
	uint64_t	lane[PF_ABREAST];
}			keep[16] __attribute__((aligned(32))) = {
	{KEEP(0)}, {KEEP(1)}, {KEEP(2)}, {KEEP(3)}, {KEEP(4)}, {KEEP(5)}, {KEEP(6)}, {KEEP(7)},
	{KEEP(8)}, {KEEP(9)}, {KEEP(10)}, {KEEP(11)}, {KEEP(12)}, {KEEP(13)}, {KEEP(14)}, {KEEP(15)}
};

/* The bits of a row's lanes, of a word whose bytes are all ones or 0. */
pf_inline const Whole *
kept(uint32_t word)
{
	const uint32_t bits = UINT32_C(1) << byte_shift(0) | UINT32_C(2) << byte_shift(1) |
		UINT32_C(4) << byte_shift(2) | UINT32_C(8) << byte_shift(3);

	/* the bytes are added up in the topmost one */
	return (const Whole *) &keep[(word & bits) * UINT32_C(0x01010101) >> 24];
}

pf_inline void
add_row(PfCellShape shape, bool unit, Piles *piles, Whole *rows, Whole mask, const PfPile *row)
{
	*rows -= mask;				/* true is -1 */
	if (shape != PF_SUMS)
		piles->cell += (Whole) all(row->cell) & mask;
	else
	{
		piles->sum += (Real) ((Whole) (Real) all(row->sum) & mask);
		if (!unit)
			piles->weight += (Real) ((Whole) (Real) all(row->weight) & mask);
	}
}

/*
 * words: of the rows, up to whole vectors.  Rows are added in their order, so the sums are those of
 * one lane after the other, and to what is in out.  unit: every row weighs 1, and weights are not summed up.
 */
pf_inline void
sum_cuts(PfCellShape shape, bool unit, bool any_missing, const PfGrowth *growth, const PfItem *items,
		 uint32_t n, const uint32_t *words, Bytes threshold, CutSums *out)
{
	const uint32_t bits = shape == PF_PAIRS ? 32 : 16;
	const double offset = growth->offset;
	CutSums		sums = *out;
	uint32_t	left[WORD_ROWS];
	uint32_t	missing[WORD_ROWS];

	for (uint32_t i = 0; i < n; i++)
	{
		PfPile		row = {0};

		if (i % WORD_ROWS == 0)
		{
			Bytes		bins,
						goes;

			memcpy(&bins, words + i, sizeof(bins));
			goes = (Bytes) (bins <= threshold);
			memcpy(left, &goes, sizeof(goes));
			goes = (Bytes) (bins == PF_MISSING_BIN);
			memcpy(missing, &goes, sizeof(goes));
		}
		if (unit && shape == PF_SUMS)
			row.sum = items[i].y.target - offset;
		else
			row = pile_of(shape, bits, &items[i], offset);
		add_row(shape, unit, &sums.left, &sums.rows, *kept(left[i % WORD_ROWS]), &row);
		if (any_missing)
			add_row(shape, unit, &sums.missing, &sums.missing_rows, *kept(missing[i % WORD_ROWS]), &row);
	}
	*out = sums;
}

/* The score of one side, see split.c. */
pf_inline Real
side_scores(PfCellShape shape, const Real *sums, Real *weight)
{
	Real		score = all(0);

	if (shape == PF_SUMS)
	{
		*weight = sums[0];
		score = sums[1] * sums[1];
	}
	else
	{
		*weight = (Real) all(0);
		for (uint32_t c = 0; c < (shape == PF_PAIRS ? 2 : 4); c++)
		{
			*weight += sums[c];
			score += sums[c] * sums[c];
		}
	}
	score /= *weight;
	return (Real) ((Mask) score & (Mask) (*weight > 0));
}

/* total: as growth->total, filled up with 0 */
pf_inline void
score_cuts(PfCellShape shape, const double *total, double unsplit, Piles left, CutWorth *worth)
{
	const uint32_t count = shape == PF_QUADS ? 4 : 2;
	const uint32_t bits = shape == PF_PAIRS ? 32 : 16;
	Real		sums[PF_COUNTED_CLASSES],
				right[PF_COUNTED_CLASSES];
	Real		left_weight,
				right_weight,
				gain;

	for (uint32_t c = 0; c < count; c++)
	{
		if (shape == PF_SUMS)
			sums[c] = c == 0 ? left.weight : left.sum;
		else
			sums[c] = as_real(left.cell >> bits * c & ((UINT64_C(1) << bits) - 1));
		right[c] = total[c] - sums[c];
	}
	gain = side_scores(shape, sums, &left_weight);
	gain = gain + side_scores(shape, right, &right_weight) - unsplit;
	memcpy(worth->gain, &gain, sizeof(gain));
	memcpy(worth->sums, sums, count * sizeof(Real));
	memcpy(worth->left_weight, &left_weight, sizeof(left_weight));
	memcpy(worth->right_weight, &right_weight, sizeof(right_weight));
}

#endif							/* PF_CUTLANES_H */

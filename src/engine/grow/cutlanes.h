/*
 * cutlanes.h
 *	  What lies left of four random cuts of a node, and what each cut is worth.
 *
 * A lane of a vector is a cut, a feature each, whose bins stand side by side in one word a row.
 * For randomcut.c, which compiles this twice on x86, as fewrows.c does.
 */
#ifndef PF_CUTLANES_H
#define PF_CUTLANES_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "engine/grow/lanes.h"
#include "engine/grow/random.h"

#define AHEAD		8			/* rows between the one looked at and the one fetched */
#define SCATTERED	2048		/* rows of fewer lie in a cache */

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

/* One feature's cut in a node. */
typedef struct Cut
{
	uint32_t	feature;
	uint32_t	lane;			/* of the words */
	uint32_t	rank;			/* among those as good as this one */
	uint8_t		lowest,
				highest,		/* of the bins that are not missing */
				threshold;
	bool		missing_here;
	uint32_t	rows;			/* left of it */
	uint32_t	missing_rows;
	double	   *left;			/* the sums left of it: any weights and classes only */
	double	   *missing;
} Cut;

/* The best split so far, its gain (0 at first) and its rank. */
typedef struct Best
{
	PfSplit    *split;
	double		gain;
	uint32_t	rank;
} Best;

/* Places of bins, and what comes of comparing them. */
typedef float Places __attribute__((vector_size(32), aligned(4), may_alias));
typedef uint32_t PlaceMasks __attribute__((vector_size(32), aligned(4), may_alias));

/* Byte by byte.  Compilers do not see what is meant. */
pf_inline Bytes
lower(Bytes a, Bytes b)
{
#ifdef __SSE2__
	return (Bytes) _mm_min_epu8((__m128i) a, (__m128i) b);
#else
	Bytes		first = (Bytes) (a < b);

	return (a & first) | (b & ~first);
#endif
}

pf_inline Bytes
higher(Bytes a, Bytes b)
{
#ifdef __SSE2__
	return (Bytes) _mm_max_epu8((__m128i) a, (__m128i) b);
#else
	return ~lower(~a, ~b);
#endif
}

/* Of many bins lane by lane: the lowest, one more than the highest that is not missing (0: none), the highest of all. */
pf_inline void
add_to_range(Bytes bins, Bytes *lowest, Bytes *highest, Bytes *top)
{
	Bytes		next = bins + 1;	/* of missing 0, the least */

	*lowest = lower(bins, *lowest);
	*highest = higher(next, *highest);
	*top = higher(bins, *top);
}

/* The lanes of the other half, or of the neighbour within a half. */
pf_inline Bytes
swap_halves(Bytes bytes)
{
	Words		w = (Words) bytes;

	return (Bytes) (Words) {w[2], w[3], w[0], w[1]};
}

pf_inline Bytes
swap_words(Bytes bytes)
{
	Words		w = (Words) bytes;

	return (Bytes) (Words) {w[1], w[0], w[3], w[2]};
}

/* Of sixteen places each, how many are not above a place: a byte each. */
pf_inline uint32_t
count_not_above(const float *const *places, const float *place)
{
	PlaceMasks	counts = {0};
	Bytes		sum;

	UNROLL
	for (uint32_t c = 0; c < PF_ABREAST; c++)
	{
		const uint32_t one = UINT32_C(1) << 8 * c;
		const Places high = {place[c], place[c], place[c], place[c], place[c], place[c], place[c], place[c]};
		const PlaceMasks each = {one, one, one, one, one, one, one, one};

		counts += (PlaceMasks) (*(const Places *) places[c] <= high) & each;
		counts += (PlaceMasks) (*(const Places *) (places[c] + 8) <= high) & each;
	}
	sum = (Bytes) (Words) {counts[0], counts[1], counts[2], counts[3]} +
		(Bytes) (Words) {counts[4], counts[5], counts[6], counts[7]};
	sum += swap_halves(sum);
	sum += swap_words(sum);
	return ((Words) sum)[0];
}

/*
 * The last bins of four features whose places are not above these.  Places ascend: of every sixteenth
 * first, then of the sixteen from there, all are compared and counted.  Where a search that halves would
 * wait for memory eight times this does twice, whatever the bins are.
 */
pf_inline void
bins_at(const PfGrowth *growth, const uint32_t *features, const float *place, uint32_t *bins)
{
	const float *places[PF_ABREAST];
	uint32_t	counts;

	for (uint32_t c = 0; c < PF_ABREAST; c++)
		places[c] = growth->sixteenths + (size_t) features[c] * 16;
	counts = count_not_above(places, place);
	for (uint32_t c = 0; c < PF_ABREAST; c++)
	{
		bins[c] = ((counts >> 8 * c & 255) - 1) * 16;
		places[c] = growth->params->places + (size_t) features[c] * 256 + bins[c];
	}
	counts = count_not_above(places, place);
	for (uint32_t c = 0; c < PF_ABREAST; c++)
		bins[c] += (counts >> 8 * c & 255) - 1;
}

/* The same of one. */
pf_inline uint32_t
bin_at(const PfGrowth *growth, uint32_t feature, float place)
{
	const Places high = {place, place, place, place, place, place, place, place};
	const float *places = growth->sixteenths + (size_t) feature * 16;
	uint32_t	bin = 0;

	UNROLL
	for (int step = 0; step < 2; step++)
	{
		PlaceMasks	counts = -((PlaceMasks) (*(const Places *) places <= high) +
							   (PlaceMasks) (*(const Places *) (places + 8) <= high));
		Words		sum = (Words) {counts[0], counts[1], counts[2], counts[3]} +
			(Words) {counts[4], counts[5], counts[6], counts[7]};

		bin = bin * 16 + sum[0] + sum[1] + sum[2] + sum[3] - 1;
		places = growth->params->places + (size_t) feature * 256 + bin * 16;
	}
	return bin;
}

/*
 * A place between the lowest and the highest bin that a feature has in the node, and how the feature
 * ranks among those whose cuts are equally good.  Both are random.
 */
pf_inline float
draw_place(const PfGrowth *growth, uint64_t stream, uint32_t feature, uint8_t lowest, uint8_t highest,
		   uint32_t *rank)
{
	uint64_t	random = pf_random(stream, (uint64_t) growth->matrix->nfeatures + feature);
	double		share = (double) (int64_t) (random >> 11) / 9007199254740992.0;
	const float *places = growth->params->places + (size_t) feature * 256;

	*rank = (uint32_t) random;
	return (float) (places[lowest] + share * ((double) places[highest] - places[lowest]));
}

/* The bins up to which the cuts at these places go left: a word of four. */
pf_inline uint32_t
cut_between(const PfGrowth *growth, const uint32_t *features, const float *place, const uint8_t *lowest,
			const uint8_t *highest)
{
	uint32_t	bins[PF_ABREAST];
	uint32_t	thresholds = 0;

	bins_at(growth, features, place, bins);
	for (uint32_t c = 0; c < PF_ABREAST; c++)
	{
		uint32_t	threshold = bins[c] < highest[c] ? bins[c] : highest[c] - 1u;

		/* one value and missing: all that is not missing goes left */
		if (lowest[c] == highest[c])
			threshold = PF_MISSING_BIN - 1;
		thresholds |= threshold << byte_shift(c);
	}
	return thresholds;
}

/* The same of one feature that has more than one bin. */
pf_inline uint32_t
cut_one_between(const PfGrowth *growth, uint32_t feature, float place, uint8_t highest)
{
	uint32_t	bin = bin_at(growth, feature, place);

	return bin < highest ? bin : highest - 1u;
}

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

/* A bit of each byte, which are all ones or 0: sixteen of them. */
pf_inline uint32_t
bits_of(Bytes mask)
{
#ifdef __SSE2__
	return (uint32_t) _mm_movemask_epi8((__m128i) mask);
#else
	const uint32_t weights = UINT32_C(1) << byte_shift(0) | UINT32_C(2) << byte_shift(1) |
		UINT32_C(4) << byte_shift(2) | UINT32_C(8) << byte_shift(3);
	uint32_t	bits = 0;

	/* those of a word are added up in its topmost byte */
	for (uint32_t i = 0; i < WORD_ROWS; i++)
		bits |= (((Words) mask)[i] & weights) * UINT32_C(0x01010101) >> 24 << 4 * i;
	return bits;
#endif
}

/* The masks of four lanes, by their bits. */
pf_inline Whole
kept(uint32_t bits, uint32_t quad)
{
	return *(const Whole *) &keep[bits >> 4 * quad & 15];
}

pf_inline Whole
widen_counts(Bytes counts, uint32_t quad)
{
	typedef uint8_t Narrow __attribute__((vector_size(PF_ABREAST)));
	uint32_t	word = ((Words) counts)[quad];
	Narrow		bytes;

	memcpy(&bytes, &word, sizeof(bytes));
	return __builtin_convertvector(bytes, Whole);
}

pf_inline void
add_row(PfCellShape shape, bool unit, Piles *piles, Whole mask, const PfPile *row)
{
	if (shape != PF_SUMS)
		piles->cell += (Whole) all(row->cell) & mask;
	else
	{
		piles->sum += (Real) ((Whole) (Real) all(row->sum) & mask);
		if (!unit)
			piles->weight += (Real) ((Whole) (Real) all(row->weight) & mask);
	}
}

/* A row whose lanes go left, or are missing, by the bits from `quad` on. */
pf_inline void
add_to_cuts(PfCellShape shape, bool unit, bool any_missing, double offset, const PfItem *item, uint32_t left,
			uint32_t missing, uint32_t quad, CutSums *sums)
{
	const uint32_t bits = shape == PF_PAIRS ? 32 : 16;
	PfPile		row = {0};

	if (unit && shape == PF_SUMS)
		row.sum = item->y.target - offset;
	else
		row = pile_of(shape, bits, item, offset);
	add_row(shape, unit, &sums->left, kept(left, quad), &row);
	if (any_missing)
		add_row(shape, unit, &sums->missing, kept(missing, quad), &row);
}

/*
 * words: of the rows, up to whole vectors.  Rows are added in their order, so the sums are those of
 * one lane after the other, and to what is in out.  unit: every row weighs 1, and weights are not summed up.
 */
pf_inline void
sum_cuts(PfCellShape shape, bool unit, bool any_missing, const PfGrowth *growth, const PfItem *items,
		 uint32_t n, const uint32_t *words, Bytes threshold, CutSums *out)
{
	const double offset = growth->offset;
	CutSums		sums = *out;

	for (uint32_t start = 0, end; start < n; start = end)
	{
		Bytes		rows = {0},
					missing_rows = {0};

		/* so many vectors can be counted in bytes */
		end = n - start < 255 * WORD_ROWS ? n : start + 255 * WORD_ROWS;
		for (uint32_t i = start; i < end; i += WORD_ROWS)
		{
			const uint32_t here = end - i;
			Bytes		bins,
						left,
						missing;

			memcpy(&bins, words + i, sizeof(bins));
			left = (Bytes) (lower(bins, threshold) == bins);
			missing = (Bytes) (bins == PF_MISSING_BIN);
			if (here < WORD_ROWS)
			{
				const Bytes filled = (Bytes) ((Words) {0, 1, 2, 3} < (Words) {here, here, here, here});

				left &= filled;
				missing &= filled;
				for (uint32_t k = 0; k < here; k++)
					add_to_cuts(shape, unit, any_missing, offset, &items[i + k], bits_of(left), bits_of(missing), k, &sums);
			}
			else
			{
				const uint32_t left_bits = bits_of(left);
				const uint32_t missing_bits = any_missing ? bits_of(missing) : 0;

				UNROLL
				for (uint32_t k = 0; k < WORD_ROWS; k++)
					add_to_cuts(shape, unit, any_missing, offset, &items[i + k], left_bits, missing_bits, k, &sums);
			}
			rows -= left;		/* true is -1 */
			if (any_missing)
				missing_rows -= missing;
		}
		UNROLL
		for (uint32_t i = 0; i < WORD_ROWS; i++)
		{
			sums.rows += widen_counts(rows, i);
			if (any_missing)
				sums.missing_rows += widen_counts(missing_rows, i);
		}
	}
	*out = sums;
}

/* Of each class, or the weight and the sum of targets. */
pf_inline void
spread(PfCellShape shape, Piles piles, Real *sums)
{
	const uint32_t bits = shape == PF_PAIRS ? 32 : 16;

	if (shape == PF_SUMS)
	{
		sums[0] = piles.weight;
		sums[1] = piles.sum;
	}
	for (uint32_t c = 0; shape != PF_SUMS && c < (shape == PF_PAIRS ? 2 : 4); c++)
		sums[c] = as_real(piles.cell >> bits * c & ((UINT64_C(1) << bits) - 1));
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

/* total: as growth->total, filled up with 0; sums: left of the cuts, as spread out */
pf_inline void
score_cuts(PfCellShape shape, const double *total, double unsplit, const Real *sums, CutWorth *worth)
{
	const uint32_t count = shape == PF_QUADS ? 4 : 2;
	Real		right[PF_COUNTED_CLASSES];
	Real		left_weight,
				right_weight,
				gain;

	for (uint32_t c = 0; c < count; c++)
		right[c] = total[c] - sums[c];
	gain = side_scores(shape, sums, &left_weight);
	gain = gain + side_scores(shape, right, &right_weight) - unsplit;
	memcpy(worth->gain, &gain, sizeof(gain));
	memcpy(worth->sums, sums, count * sizeof(Real));
	memcpy(worth->left_weight, &left_weight, sizeof(left_weight));
	memcpy(worth->right_weight, &right_weight, sizeof(right_weight));
}

/* Is a cut allowed, and the best so far?  rows: left of it; sums: likewise. */
pf_inline void
keep_best(PfGrowth *growth, const Cut *cut, bool missing_left, uint32_t rows, uint32_t n, double gain,
		  const double *sums, size_t stride, double left_weight, double right_weight, Best *best)
{
	double		middle = 0;

	gain = gain > 0 ? gain : 0;
	if (gain < best->gain || (gain == best->gain && cut->rank <= best->rank && best->split->found) ||
		rows < growth->min_leaf || n - rows < growth->min_leaf || rows == 0 || rows == n ||
		left_weight < growth->min_leaf_weight || right_weight < growth->min_leaf_weight)
		return;
	if (growth->params->monotonic != NULL)
	{
		double		left_value = sums[stride] / left_weight;
		double		right_value = (growth->total[1] - sums[stride]) / right_weight;

		if (!pf_keeps_order(growth, cut->feature, left_value, right_value))
			return;
		middle = (left_value + right_value) / 2;
	}
	*best->split = (PfSplit) {
		.found = true,.missing_left = cut->missing_here ? missing_left : left_weight >= right_weight,
			.feature = (uint16_t) cut->feature,.threshold = cut->threshold,.gain = gain,.rows = rows,
			.middle = middle,.summed = growth->counted || growth->matrix->nclasses == 0
	};
	best->gain = gain;
	best->rank = cut->rank;
	for (uint32_t c = 0; best->split->summed && c < growth->width; c++)
		best->split->left[c] = sums[c * stride];
}

/* What four cuts are worth, with the missing values on the right; any_missing: and on the left. */
pf_inline void
score_sides(PfCellShape shape, const PfGrowth *growth, double unsplit, bool any_missing, const Real *left,
			const Real *missing, CutWorth *worth)
{
	double		total[PF_COUNTED_CLASSES] = {0};

	for (uint32_t c = 0; c < growth->width; c++)
		total[c] = growth->total[c];
	score_cuts(shape, total, unsplit, left, &worth[0]);
	if (any_missing)
	{
		Real		both[PF_COUNTED_CLASSES];

		for (uint32_t c = 0; c < (shape == PF_QUADS ? 4 : 2); c++)
			both[c] = left[c] + missing[c];
		score_cuts(shape, total, unsplit, both, &worth[1]);
	}
}

/* The same of what was summed up. */
pf_inline void
score_sums(PfCellShape shape, const PfGrowth *growth, double unsplit, bool any_missing, const CutSums *sums,
		   CutWorth *worth)
{
	Real		left[PF_COUNTED_CLASSES];
	Real		missing[PF_COUNTED_CLASSES];

	spread(shape, sums->left, left);
	spread(shape, sums->missing, missing);
	score_sides(shape, growth, unsplit, any_missing, left, missing, worth);
}

/* Keeps one of the four, if it is the best. */
pf_inline void
keep_lane(PfGrowth *growth, const Cut *cut, uint32_t n, bool any_missing, const CutSums *sums,
		  const CutWorth *worth, Best *best)
{
	uint32_t	lane = cut->lane;
	uint32_t	rows = (uint32_t) sums->rows[lane];

	keep_best(growth, cut, false, rows, n, worth[0].gain[lane], &worth[0].sums[0][lane], PF_ABREAST,
			  worth[0].left_weight[lane], worth[0].right_weight[lane], best);
	if (any_missing && cut->missing_here)
		keep_best(growth, cut, true, rows + (uint32_t) sums->missing_rows[lane], n, worth[1].gain[lane],
				  &worth[1].sums[0][lane], PF_ABREAST, worth[1].left_weight[lane],
				  worth[1].right_weight[lane], best);
}

/*
 * The cut that is better than all others and what was known, of those without missing values that nothing
 * forbids; PF_ABREAST: none.  lanes: of the cuts, if not the same numbers.  Without branches, which nobody could foretell.
 */
pf_inline uint32_t
pick_cut(const uint32_t *rank, const uint32_t *lanes, uint32_t ncuts, uint32_t n, const CutSums *sums, const CutWorth *worth,
		  const Best *best)
{
	uint32_t	picked = PF_ABREAST;
	uint32_t	first = best->split->found ? best->rank : 0;
	uint64_t	gain;

	/* numbers that are not negative are in the order of their bits */
	memcpy(&gain, &best->gain, sizeof(gain));
	gain += best->split->found;
	for (uint32_t c = 0; c < ncuts; c++)
	{
		uint32_t	lane = lanes != NULL ? lanes[c] : c;
		uint32_t	rows = (uint32_t) sums->rows[lane];
		double		own = worth->gain[lane] > 0 ? worth->gain[lane] : 0;
		uint64_t	bits;
		bool		better;

		memcpy(&bits, &own, sizeof(bits));
		bits++;
		better = (bits > gain) | ((bits == gain) & (rank[c] > first));
		better &= (rows != 0) & (rows != n);
		picked = better ? c : picked;
		gain = better ? bits : gain;
		first = better ? rank[c] : first;
	}
	return picked;
}

#endif							/* PF_CUTLANES_H */

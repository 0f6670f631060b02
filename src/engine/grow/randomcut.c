/*
 * randomcut.c
 *	  A split of extremely randomised trees: one cut a feature, drawn at random.
 *
 * Geurts, Ernst and Wehenkel 2006, "Extremely randomized trees", in scikit-learn's
 * form: for each feature drawn the cut lies evenly between the lowest and the
 * highest value in the node, and of these cuts the best is taken.  We know bins
 * only; but params->places says where on the feature's scale each bin lies, and
 * the cut is drawn on that scale.  Evenly over the bins would be evenly over the
 * ranks of values, which gives other trees.
 *
 * Missing values are tried on both sides of the cut.
 *
 * The bins of four features are brought together in a word a row, which is then
 * gone over twice: for the range of the bins, and for what lies left of the cuts.
 * Rows and features that lie side by side are looked at sixteen at a time.
 */
#include <math.h>
#include <string.h>

#include "engine/grow/cutlanes.h"
#include "engine/grow/draw.h"

#define AHEAD		8			/* rows between the one looked at and the one fetched */
#define SCATTERED	2048		/* rows of fewer lie in a cache */

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

pf_inline Bytes
lower(Bytes a, Bytes b)
{
	Bytes		first = (Bytes) (a < b);

	return (a & first) | (b & ~first);
}

/* One feature's cut in a node. */
typedef struct Cut
{
	uint32_t	feature;
	uint32_t	lane;			/* of the words */
	uint8_t		lowest,
				highest,		/* of the bins that are not missing */
				threshold;
	bool		missing_here;
	uint32_t	rows;			/* left of it */
	uint32_t	missing_rows;
	double	   *left;			/* the sums left of it: any weights and classes only */
	double	   *missing;
} Cut;

pf_inline void
bring_rows(bool fetch, const PfGrowth *growth, const PfItem *items, uint32_t from, uint32_t to,
		   uint32_t n, const size_t *feature, uint32_t *words, uint32_t *labels)
{
	const size_t stride = growth->matrix->stride;
	const uint8_t *bins = growth->bins;

	for (uint32_t i = from; i < to; i++)
	{
		const uint8_t *row = bins + items[i].row * stride;

		if (fetch && i + AHEAD < n)
			__builtin_prefetch(bins + items[i + AHEAD].row * stride + feature[0]);
		words[i] = (uint32_t) row[feature[0]] << byte_shift(0) | (uint32_t) row[feature[1]] << byte_shift(1) |
			(uint32_t) row[feature[2]] << byte_shift(2) | (uint32_t) row[feature[3]] << byte_shift(3);
		if (labels != NULL)
			labels[i] = -items[i].y.label;
	}
}

/*
 * The words of a node's rows, filled up to whole vectors with the last one.  labels,
 * if there is room for them: all bits set for a row of the second class.
 */
pf_inline void
bring_together(PfGrowth *growth, const PfItem *items, uint32_t n, const Cut *cuts,
			   uint32_t ncuts, uint32_t *words, uint32_t *labels)
{
	size_t		feature[PF_ABREAST];

	for (uint32_t c = 0; c < PF_ABREAST; c++)
		feature[c] = cuts[c < ncuts ? c : 0].feature;
	if (n < SCATTERED && labels == NULL)
		bring_rows(false, growth, items, 0, n, n, feature, words, NULL);
	else if (n < SCATTERED)
		bring_rows(false, growth, items, 0, n, n, feature, words, labels);
	for (uint32_t start = 0, end; n >= SCATTERED && start < n; start = end)
	{
		end = n - start < PF_CHECK_EVERY ? n : start + PF_CHECK_EVERY;
		bring_rows(true, growth, items, start, end, n, feature, words, labels);
		pf_check(growth->env);
	}
	for (uint32_t i = n; i % WORD_ROWS != 0; i++)
	{
		words[i] = words[n - 1];
		if (labels != NULL)
			labels[i] = 0;
	}
}

pf_inline void
find_ranges(const uint32_t *words, uint32_t n, Cut *cuts, uint32_t ncuts)
{
	Bytes		lowest,
				highest = {0},
				top = {0};

	memset(&lowest, PF_MISSING_BIN, sizeof(lowest));
	for (uint32_t i = 0; i < n; i += WORD_ROWS)
	{
		Bytes		bins,
					next;

		memcpy(&bins, words + i, sizeof(bins));
		next = bins + 1;		/* of missing 0, the least */
		lowest = lower(bins, lowest);
		highest = ~lower(~next, ~highest);
		top = ~lower(~bins, ~top);
	}
	lowest = lower(lowest, swap_halves(lowest));
	lowest = lower(lowest, swap_words(lowest));
	highest = ~lower(~highest, swap_halves(~highest));
	highest = ~lower(~highest, swap_words(~highest));
	top = ~lower(~top, swap_halves(~top));
	top = ~lower(~top, swap_words(~top));
	for (uint32_t c = 0; c < ncuts; c++)
	{
		cuts[c].lane = c;
		cuts[c].lowest = lowest[c];
		cuts[c].highest = (uint8_t) (highest[c] - 1);
		cuts[c].missing_here = top[c] == PF_MISSING_BIN;
	}
}

/*
 * The bins up to which random places between two bins go left.  Places ascend: that is the last bin
 * which is not above the place, below the highest.  All cuts at once, in as many steps whatever the
 * bins are, since each step waits for memory and nothing of it is to be foreseen.
 */
pf_inline void
draw_thresholds(const PfGrowth *growth, uint64_t stream, Cut *cuts, uint32_t ncuts)
{
	const float *places[PF_ABREAST];
	double		place[PF_ABREAST];
	uint32_t	threshold[PF_ABREAST];
	uint32_t	highest[PF_ABREAST];

	for (uint32_t c = 0; c < PF_ABREAST; c++)
	{
		const Cut  *cut = &cuts[c < ncuts ? c : 0];
		uint64_t	random = pf_random(stream, (uint64_t) growth->matrix->nfeatures + cut->feature);
		double		share = (double) (int64_t) (random >> 11) / 9007199254740992.0;

		places[c] = growth->params->places + (size_t) cut->feature * 256;
		threshold[c] = cut->lowest;
		highest[c] = cut->highest;
		place[c] = places[c][cut->lowest] + share * ((double) places[c][cut->highest] - places[c][cut->lowest]);
	}
	for (uint32_t step = 128; step > 0; step /= 2)
	{
		UNROLL
		for (uint32_t c = 0; c < PF_ABREAST; c++)
		{
			uint32_t	next = threshold[c] + step;
			uint32_t	known = next < highest[c] ? next : highest[c];

			threshold[c] += step & -(uint32_t) (places[c][known] <= place[c]);
		}
	}
	for (uint32_t c = 0; c < ncuts; c++)
	{
		/* one value and missing: all that is not missing goes left */
		if (cuts[c].lowest == cuts[c].highest)
			cuts[c].threshold = PF_MISSING_BIN - 1;
		else
			cuts[c].threshold = (uint8_t) (threshold[c] < highest[c] ? threshold[c] : highest[c] - 1);
	}
}

static inline uint8_t
bin_of(uint32_t word, uint32_t lane)
{
	return (uint8_t) (word >> byte_shift(lane));
}

/*
 * Two classes and rows that weigh 1: what lies left is counted in bytes, and
 * these are emptied before they overflow.  No value is missing here.
 */
pf_inline void
count_left(PfGrowth *growth, uint32_t n, uint32_t *words, const uint32_t *labels,
		   Bytes threshold, CutSums *sums)
{
	uint32_t	end;

	for (uint32_t i = n; i % WORD_ROWS != 0; i++)
		words[i] = UINT32_MAX;	/* right of every cut */
	for (uint32_t start = 0; start < n; start = end)
	{
		Bytes		rows = {0},
					ones = {0};

		/* 63 vectors: the four lanes of a feature fit one byte together */
		end = n - start < 63 * WORD_ROWS ? n : start + 63 * WORD_ROWS;
		for (uint32_t i = start; i < end; i += WORD_ROWS)
		{
			Bytes		bins,
						mask,
						left;

			memcpy(&bins, words + i, sizeof(bins));
			memcpy(&mask, labels + i, sizeof(mask));
			left = (Bytes) (bins <= threshold);
			rows -= left;		/* true is -1 */
			ones -= left & mask;
		}
		rows += swap_halves(rows);
		rows += swap_words(rows);
		ones += swap_halves(ones);
		ones += swap_words(ones);
		for (uint32_t c = 0; c < PF_ABREAST; c++)
		{
			sums->rows[c] += rows[c];
			sums->left.cell[c] += (uint64_t) (rows[c] - ones[c]) | (uint64_t) ones[c] << 32;
		}
		if (start % PF_CHECK_EVERY > PF_CHECK_EVERY - 63 * WORD_ROWS)
			pf_check(growth->env);
	}
}

/* Any weights and classes. */
static void
sum_classes(PfGrowth *growth, const PfItem *items, uint32_t n, const uint32_t *words,
			Cut *cuts, uint32_t ncuts)
{
	for (uint32_t c = 0; c < ncuts; c++)
	{
		Cut		   *cut = &cuts[c];

		memset(cut->left, 0, growth->width * sizeof(double));
		memset(cut->missing, 0, growth->width * sizeof(double));
		cut->rows = cut->missing_rows = 0;
		for (uint32_t i = 0; i < n; i++)
		{
			uint8_t		bin = bin_of(words[i], cut->lane);
			bool		left = bin <= cut->threshold;
			bool		missing = bin == PF_MISSING_BIN;
			double	   *sums = missing ? cut->missing : cut->left;

			sums[items[i].y.label] += left | missing ? items[i].weight : 0;
			cut->rows += left;
			cut->missing_rows += missing;
			if (i % PF_CHECK_EVERY == PF_CHECK_EVERY - 1)
				pf_check(growth->env);
		}
	}
}

/* The score of one side: see split.c. */
static double
side_score(const PfGrowth *growth, const double *sums, double *weight)
{
	double		w = 0,
				score = 0;

	for (uint32_t c = 0; c < growth->width; c++)
		w += sums[c];
	for (uint32_t c = 0; c < growth->width; c++)
	{
		if (growth->params->criterion != PF_ENTROPY)
			score += sums[c] * sums[c];
		else if (sums[c] > 0)
			score += sums[c] * log2(sums[c] / w);
	}
	*weight = w;
	return growth->params->criterion == PF_ENTROPY ? score : w > 0 ? score / w : 0;
}

/* Is a cut allowed, and the best so far?  rows: left of it; sums: likewise. */
pf_inline void
keep_best(PfGrowth *growth, const Cut *cut, bool missing_left, uint32_t rows, uint32_t n, double gain,
		  const double *sums, size_t stride, double left_weight, double right_weight, PfSplit *best)
{
	double		middle = 0;

	gain = gain > 0 ? gain : 0;
	if (rows < growth->min_leaf || n - rows < growth->min_leaf || rows == 0 || rows == n ||
		left_weight < growth->min_leaf_weight || right_weight < growth->min_leaf_weight ||
		(best->found && !(gain > best->gain)))
		return;
	if (growth->params->monotonic != NULL)
	{
		double		left_value = sums[stride] / left_weight;
		double		right_value = (growth->total[1] - sums[stride]) / right_weight;

		if (!pf_keeps_order(growth, cut->feature, left_value, right_value))
			return;
		middle = (left_value + right_value) / 2;
	}
	*best = (PfSplit) {
		.found = true,.missing_left = cut->missing_here ? missing_left : left_weight >= right_weight,
			.feature = (uint16_t) cut->feature,.threshold = cut->threshold,.gain = gain,
			.middle = middle,.summed = growth->counted
	};
	for (uint32_t c = 0; growth->counted && c < growth->width; c++)
		best->left[c] = sums[c * stride];
}

/* The cut with the missing values on the left or not. */
static void
try_cut(PfGrowth *growth, const Cut *cut, bool missing_left, uint32_t n, double unsplit,
		PfSplit *best)
{
	double	   *left = growth->left;
	double	   *right = growth->missing;
	uint32_t	rows = cut->rows + (missing_left ? cut->missing_rows : 0);
	double		left_weight,
				right_weight,
				gain;

	for (uint32_t c = 0; c < growth->width; c++)
	{
		left[c] = cut->left[c] + (missing_left ? cut->missing[c] : 0);
		right[c] = growth->total[c] - left[c];
	}
	gain = side_score(growth, left, &left_weight);
	gain = gain + side_score(growth, right, &right_weight) - unsplit;
	keep_best(growth, cut, missing_left, rows, n, gain, left, 1, left_weight, right_weight, best);
}

/* Any weights and classes. */
static __attribute__((noinline)) void
try_classes(PfGrowth *growth, const PfItem *items, uint32_t n, const uint32_t *words, Cut *cuts,
			uint32_t ncuts, double unsplit, PfSplit *best)
{
	double		sums[2 * PF_ABREAST][PF_MAX_CLASSES];

	for (uint32_t c = 0; c < ncuts; c++)
	{
		cuts[c].left = sums[2 * c];
		cuts[c].missing = sums[2 * c + 1];
	}
	sum_classes(growth, items, n, words, cuts, ncuts);
	for (uint32_t c = 0; c < ncuts; c++)
	{
		try_cut(growth, &cuts[c], false, n, unsplit, best);
		if (cuts[c].missing_here)
			try_cut(growth, &cuts[c], true, n, unsplit, best);
	}
}

/* How a node's rows are summed up. */
typedef enum Way
{
	COUNTED,					/* two classes, rows that weigh 1, nothing missing: in bytes */
	PAIRS,						/* counted classes, in cells */
	QUADS,
	UNITS,						/* regression, rows that weigh 1 */
	SUMS,						/* regression */
	CLASSES						/* any weights and classes */
} Way;

/* Four cuts, side by side.  Sums are made in pieces, for the sake of interrupts. */
pf_inline void
try_abreast(Way way, PfGrowth *growth, const PfItem *items, uint32_t n, uint32_t *words,
			const uint32_t *labels, const Cut *cuts, uint32_t ncuts, bool any_missing, double unsplit,
			PfSplit *best)
{
	const PfCellShape shape = way == COUNTED || way == PAIRS ? PF_PAIRS : way == QUADS ? PF_QUADS : PF_SUMS;
	Bytes		threshold = {0};
	double		total[PF_COUNTED_CLASSES] = {0};
	CutSums		sums = {{all(0), all(0), all(0)}, {all(0), all(0), all(0)}, all(0), all(0)};
	CutWorth	worth[2];

	for (uint32_t c = 0; c < ncuts; c++)
	{
		for (uint32_t i = cuts[c].lane; i < WORD_LANES; i += PF_ABREAST)
			threshold[i] = cuts[c].threshold;
	}
	for (uint32_t c = 0; c < growth->width; c++)
		total[c] = growth->total[c];
	if (way == COUNTED)
		count_left(growth, n, words, labels, threshold, &sums);
	else
	{
		for (uint32_t start = 0, end; start < n; start = end)
		{
			end = n - start < PF_CHECK_EVERY ? n : start + PF_CHECK_EVERY;
			if (any_missing)
				sum_cuts(shape, way == UNITS, true, growth, items + start, end - start, words + start, threshold, &sums);
			else
				sum_cuts(shape, way == UNITS, false, growth, items + start, end - start, words + start, threshold, &sums);
			if (n >= PF_CHECK_EVERY)
				pf_check(growth->env);
		}
		if (way == UNITS)
		{
			sums.left.weight = as_real(sums.rows);
			sums.missing.weight = as_real(sums.missing_rows);
		}
	}
	score_cuts(shape, total, unsplit, sums.left, &worth[0]);
	if (any_missing)
		score_cuts(shape, total, unsplit, add(shape, sums.left, sums.missing), &worth[1]);
	for (uint32_t c = 0; c < ncuts; c++)
	{
		uint32_t	lane = cuts[c].lane;
		uint32_t	rows = (uint32_t) sums.rows[lane];

		for (int left = 0; left <= cuts[c].missing_here; left++)
			keep_best(growth, &cuts[c], left, rows + (left ? (uint32_t) sums.missing_rows[lane] : 0), n,
					  worth[left].gain[lane], &worth[left].sums[0][lane], PF_ABREAST,
					  worth[left].left_weight[lane], worth[left].right_weight[lane], best);
	}
}

/* Two rows: every cut parts them, so one is drawn only of the best feature.  What is best is a matter of rounding. */
pf_inline void
part_two(PfCellShape shape, PfGrowth *growth, uint64_t stream, const PfItem *items, double unsplit,
		 PfSplit *split)
{
	const uint32_t nfeatures = growth->matrix->nfeatures;
	const uint32_t wanted = growth->params->max_features;
	const uint32_t bits = shape == PF_PAIRS ? 32 : 16;
	const uint8_t *a = row_of(growth, &items[0]);
	const uint8_t *b = row_of(growth, &items[1]);
	const PfPile first = pile_of(shape, bits, &items[0], growth->offset);
	const PfPile second = pile_of(shape, bits, &items[1], growth->offset);
	const Piles left = {
		{first.cell, second.cell, first.cell, second.cell},
		{first.weight, second.weight, first.weight, second.weight},
		{first.sum, second.sum, first.sum, second.sum}
	};
	double		total[PF_COUNTED_CLASSES] = {0};
	double		best = -1;
	uint32_t	drawn = 0;
	Cut			cut = {0};
	uint32_t	side = 0;		/* which row goes left */
	CutWorth	worth;

	for (uint32_t c = 0; c < growth->width; c++)
		total[c] = growth->total[c];
	score_cuts(shape, total, unsplit, left, &worth);
	while (drawn < nfeatures && (drawn < wanted || best < 0))
	{
		uint32_t	feature = pf_draw_feature(growth, stream, drawn++);
		uint32_t	lower = b[feature] < a[feature];
		double		gain = worth.gain[lower] > 0 ? worth.gain[lower] : 0;

		if (a[feature] != b[feature] && gain > best)
		{
			best = gain;
			side = lower;
			cut.feature = feature;
		}
	}
	pf_undraw_features(growth, drawn);
	if (best < 0)
		return;
	cut.lowest = (side ? b : a)[cut.feature];
	cut.highest = (side ? a : b)[cut.feature];
	cut.missing_here = cut.highest == PF_MISSING_BIN;
	if (cut.missing_here)
		cut.highest = cut.lowest;
	draw_thresholds(growth, stream, &cut, 1);
	keep_best(growth, &cut, false, 1, 2, best, &worth.sums[0][side], PF_ABREAST,
			  worth.left_weight[side], worth.right_weight[side], split);
}

pf_inline void
find_random_split(PfGrowth *growth, uint64_t stream, const PfItem *items, uint32_t n,
				  const PfNodeStats *stats, uint64_t *constant, PfSplit *split)
{
	const uint32_t nfeatures = growth->matrix->nfeatures;
	const uint32_t wanted = growth->params->max_features;
	const bool unit = growth->matrix->weight == NULL && !growth->params->bootstrap;
	uint32_t	drawn = 0;
	bool		variable = false;
	Way			way = CLASSES;
	uint32_t   *words = (uint32_t *) growth->spare;		/* four words a row */
	uint32_t   *labels;
	Cut			cuts[PF_ABREAST];

	split->found = false;
	if (growth->matrix->nclasses == 0)
		way = unit ? UNITS : SUMS;
	else if (growth->counted && growth->width == 2)
		way = unit ? COUNTED : PAIRS;
	else if (growth->counted && stats->weight < PF_QUAD_LIMIT)
		way = QUADS;
	if (n == 2 && growth->abreast && way != CLASSES)
	{
		if (growth->matrix->nclasses == 0)
			part_two(PF_SUMS, growth, stream, items, stats->score, split);
		else if (growth->width == 2)
			part_two(PF_PAIRS, growth, stream, items, stats->score, split);
		else
			part_two(PF_QUADS, growth, stream, items, stats->score, split);
		return;
	}
	labels = way == COUNTED ? words + (n + WORD_ROWS) / WORD_ROWS * WORD_ROWS : NULL;
	while (drawn < nfeatures && (drawn < wanted || !variable))
	{
		uint32_t	ncuts = 0,
					kept = 0;
		bool		any_missing = false;

		while (drawn < nfeatures && ncuts < PF_ABREAST && (drawn < wanted || (!variable && ncuts == 0)))
		{
			uint32_t	feature = pf_draw_feature(growth, stream, drawn++);

			if (!(constant[feature / 64] >> feature % 64 & 1))
				cuts[ncuts++].feature = feature;
		}
		if (ncuts == 0)
			continue;
		bring_together(growth, items, n, cuts, ncuts, words, labels);
		find_ranges(words, n, cuts, ncuts);
		for (uint32_t c = 0; c < ncuts; c++)
		{
			Cut			cut = cuts[c];
			bool		all_missing = cut.lowest == PF_MISSING_BIN;

			if (all_missing || (cut.lowest == cut.highest && !cut.missing_here))
			{
				constant[cut.feature / 64] |= UINT64_C(1) << cut.feature % 64;
				continue;
			}
			any_missing |= cut.missing_here;
			cuts[kept++] = cut;
		}
		if (kept == 0)
			continue;
		variable = true;
		draw_thresholds(growth, stream, cuts, kept);
		switch (way)
		{
			case COUNTED:
				if (!any_missing)
				{
					try_abreast(COUNTED, growth, items, n, words, labels, cuts, kept, false, stats->score, split);
					break;
				}
				/* FALLTHROUGH */
			case PAIRS:
				try_abreast(PAIRS, growth, items, n, words, NULL, cuts, kept, any_missing, stats->score, split);
				break;
			case QUADS:
				try_abreast(QUADS, growth, items, n, words, NULL, cuts, kept, any_missing, stats->score, split);
				break;
			case UNITS:
				try_abreast(UNITS, growth, items, n, words, NULL, cuts, kept, any_missing, stats->score, split);
				break;
			case SUMS:
				try_abreast(SUMS, growth, items, n, words, NULL, cuts, kept, any_missing, stats->score, split);
				break;
			case CLASSES:
				try_classes(growth, items, n, words, cuts, kept, stats->score, split);
				break;
		}
		pf_check(growth->env);
	}
	pf_undraw_features(growth, drawn);
}

static void
find_anywhere(PfGrowth *growth, uint64_t stream, const PfItem *items, uint32_t n,
			  const PfNodeStats *stats, uint64_t *constant, PfSplit *split)
{
	find_random_split(growth, stream, items, n, stats, constant, split);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static void
find_avx2(PfGrowth *growth, uint64_t stream, const PfItem *items, uint32_t n,
		  const PfNodeStats *stats, uint64_t *constant, PfSplit *split)
{
	find_random_split(growth, stream, items, n, stats, constant, split);
}
#endif

PfFindSplit
pf_random_splitter(bool portable)
{
#ifdef __x86_64__
	if (!portable && __builtin_cpu_supports("avx2"))
		return find_avx2;
#endif
	return find_anywhere;
}

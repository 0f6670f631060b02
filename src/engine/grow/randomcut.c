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

#include "engine/grow/draw.h"
#include "engine/grow/grow.h"

#define TOGETHER	4			/* features brought together: bytes of a word */
#define AHEAD		8			/* rows between the one looked at and the one fetched */
#define LANES		16
#define ROWS		(LANES / TOGETHER)	/* in a vector */

typedef uint8_t Bytes __attribute__((vector_size(LANES)));

typedef uint32_t Words __attribute__((vector_size(LANES)));

/* The lanes of the other half, or of the neighbour within a half. */
static inline Bytes
swap_halves(Bytes bytes)
{
	Words		w = (Words) bytes;

	return (Bytes) (Words) {w[2], w[3], w[0], w[1]};
}

static inline Bytes
swap_words(Bytes bytes)
{
	Words		w = (Words) bytes;

	return (Bytes) (Words) {w[1], w[0], w[3], w[2]};
}

static inline Bytes
lower(Bytes a, Bytes b)
{
	Bytes		first = (Bytes) (a < b);

	return (a & first) | (b & ~first);
}

/* One feature's cut in a node. */
typedef struct Cut
{
	uint32_t	feature;
	uint32_t	byte;			/* of the words */
	uint8_t		lowest,
				highest,		/* of the bins that are not missing */
				threshold;
	bool		missing_here;
	uint32_t	rows;			/* left of it */
	uint32_t	missing_rows;
	uint32_t	ones;			/* of the rows, those of the second class: count_left */
	double	   *left;			/* else: the sums left of it */
	double	   *missing;
} Cut;

/*
 * The words of a node's rows, filled up to whole vectors with the last one.  labels,
 * if there is room for them: all bits set for a row of the second class.
 */
static void
bring_together(PfGrowth *growth, const PfItem *items, uint32_t n, const Cut *cuts,
			   uint32_t ncuts, uint32_t *words, uint32_t *labels)
{
	const size_t stride = growth->matrix->stride;
	const uint8_t *column[TOGETHER];
	uint32_t	end;

	for (uint32_t c = 0; c < TOGETHER; c++)
		column[c] = growth->bins + cuts[c < ncuts ? c : 0].feature;
	for (uint32_t start = 0; start < n; start = end)
	{
		end = n - start < PF_CHECK_EVERY ? n : start + PF_CHECK_EVERY;
		for (uint32_t i = start; i < end; i++)
		{
			size_t		at = items[i].row * stride;

			if (i + AHEAD < n)
				__builtin_prefetch(column[0] + items[i + AHEAD].row * stride);
			words[i] = column[0][at] | (uint32_t) column[1][at] << 8 |
				(uint32_t) column[2][at] << 16 | (uint32_t) column[3][at] << 24;
			if (labels != NULL)
				labels[i] = -items[i].y.label;
		}
		if (n >= PF_CHECK_EVERY)
			pf_check(growth->env);
	}
	for (uint32_t i = n; i % ROWS != 0; i++)
	{
		words[i] = words[n - 1];
		if (labels != NULL)
			labels[i] = 0;
	}
}

static void
find_ranges(const uint32_t *words, uint32_t n, Cut *cuts, uint32_t ncuts)
{
	Bytes		lowest,
				highest = {0},
				top = {0};

	memset(&lowest, PF_MISSING_BIN, sizeof(lowest));
	for (uint32_t i = 0; i < n; i += ROWS)
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
		cuts[c].byte = c;
		cuts[c].lowest = lowest[c];
		cuts[c].highest = (uint8_t) (highest[c] - 1);
		cuts[c].missing_here = top[c] == PF_MISSING_BIN;
	}
}

/* The bin up to which a random place between two bins goes left. */
static uint8_t
draw_threshold(const float *places, uint8_t lowest, uint8_t highest, uint64_t random)
{
	double		share = (double) (random >> 11) / 9007199254740992.0;
	double		place = places[lowest] + share * ((double) places[highest] - places[lowest]);
	uint32_t	threshold = lowest;

	/* places ascend: the last bin that is not above the place, below the highest */
	for (uint32_t left = highest - lowest, half; left > 1; left -= half)
	{
		half = left / 2;
		threshold += places[threshold + half] <= place ? half : 0;
	}
	return (uint8_t) threshold;
}

static inline uint8_t
bin_of(uint32_t word, uint32_t byte)
{
	return (uint8_t) (word >> 8 * byte);
}

/*
 * Two classes and rows that weigh 1: what lies left is counted in bytes, and
 * these are emptied before they overflow.  No value is missing here.
 */
static void
count_left(PfGrowth *growth, uint32_t n, uint32_t *words, const uint32_t *labels,
		   Cut *cuts, uint32_t ncuts)
{
	Bytes		threshold = {0};
	uint32_t	end;

	for (uint32_t c = 0; c < ncuts; c++)
	{
		for (uint32_t i = cuts[c].byte; i < LANES; i += TOGETHER)
			threshold[i] = cuts[c].threshold;
	}
	for (uint32_t i = n; i % ROWS != 0; i++)
		words[i] = UINT32_MAX;	/* right of every cut */
	for (uint32_t start = 0; start < n; start = end)
	{
		Bytes		rows = {0},
					ones = {0};

		/* 63 vectors: the four lanes of a feature fit one byte together */
		end = n - start < 63 * ROWS ? n : start + 63 * ROWS;
		for (uint32_t i = start; i < end; i += ROWS)
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
		for (uint32_t c = 0; c < ncuts; c++)
		{
			cuts[c].rows += rows[cuts[c].byte];
			cuts[c].ones += ones[cuts[c].byte];
		}
		if (start % PF_CHECK_EVERY > PF_CHECK_EVERY - 63 * ROWS)
			pf_check(growth->env);
	}
}

typedef double Pair __attribute__((vector_size(16)));
typedef int64_t Mask __attribute__((vector_size(16)));

/* Regression: weight and weighted target, together and without branches. */
static void
sum_values(PfGrowth *growth, const PfItem *items, uint32_t n, const uint32_t *words,
		   Cut *cuts, uint32_t ncuts, bool any_missing)
{
	Pair		left[TOGETHER] = {{0}},
				missing[TOGETHER] = {{0}};
	uint32_t	rows[TOGETHER] = {0},
				missing_rows[TOGETHER] = {0};
	uint8_t		threshold[TOGETHER] = {0};

	for (uint32_t c = 0; c < ncuts; c++)
		threshold[cuts[c].byte] = cuts[c].threshold;
	for (uint32_t i = 0; i < n; i++)
	{
		double		weight = items[i].weight;
		Mask		own = (Mask) (Pair) {weight, weight * (items[i].y.target - growth->offset)};

		for (uint32_t c = 0; c < TOGETHER; c++)
		{
			bool		goes = bin_of(words[i], c) <= threshold[c];

			left[c] += (Pair) (own & (Mask) {-(int64_t) goes, -(int64_t) goes});
			rows[c] += goes;
		}
		for (uint32_t c = 0; any_missing && c < TOGETHER; c++)
		{
			bool		goes = bin_of(words[i], c) == PF_MISSING_BIN;

			missing[c] += (Pair) (own & (Mask) {-(int64_t) goes, -(int64_t) goes});
			missing_rows[c] += goes;
		}
		if (i % PF_CHECK_EVERY == PF_CHECK_EVERY - 1)
			pf_check(growth->env);
	}
	for (uint32_t c = 0; c < ncuts; c++)
	{
		uint32_t	byte = cuts[c].byte;

		cuts[c].rows = rows[byte];
		cuts[c].missing_rows = missing_rows[byte];
		memcpy(cuts[c].left, &left[byte], sizeof(Pair));
		memcpy(cuts[c].missing, &missing[byte], sizeof(Pair));
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
		for (uint32_t i = 0; i < n; i++)
		{
			uint8_t		bin = bin_of(words[i], cut->byte);
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

	if (growth->matrix->nclasses == 0)
	{
		*weight = sums[0];
		return sums[0] > 0 ? sums[1] * sums[1] / sums[0] : 0;
	}
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

/* The cut with the missing values on the left or not; is it the best so far? */
static void
try_cut(PfGrowth *growth, const Cut *cut, bool missing_left, uint32_t n, double unsplit,
		PfSplit *best)
{
	double	   *left = growth->left;
	double	   *right = growth->missing;
	uint32_t	rows = cut->rows + (missing_left ? cut->missing_rows : 0);
	double		left_weight,
				right_weight,
				left_value,
				right_value,
				gain;

	if (rows < growth->min_leaf || n - rows < growth->min_leaf || rows == 0 || rows == n)
		return;
	for (uint32_t c = 0; c < growth->width; c++)
	{
		left[c] = cut->left[c] + (missing_left ? cut->missing[c] : 0);
		right[c] = growth->total[c] - left[c];
	}
	gain = side_score(growth, left, &left_weight);
	gain = gain + side_score(growth, right, &right_weight) - unsplit;
	gain = gain > 0 ? gain : 0;
	if (left_weight < growth->min_leaf_weight || right_weight < growth->min_leaf_weight ||
		(best->found && !(gain > best->gain)))
		return;
	left_value = left[1] / left_weight;
	right_value = right[1] / right_weight;
	if (growth->params->monotonic != NULL &&
		!pf_keeps_order(growth, cut->feature, left_value, right_value))
		return;
	*best = (PfSplit) {
		.found = true,.missing_left = cut->missing_here ? missing_left : left_weight >= right_weight,
			.feature = (uint16_t) cut->feature,.threshold = cut->threshold,.gain = gain,
			.middle = (left_value + right_value) / 2,.summed = growth->counted
	};
	if (growth->counted)
		memcpy(best->left, left, growth->width * sizeof(double));
}

/* The same for two counted classes and no missing values. */
static void
try_counted(PfGrowth *growth, const Cut *cut, uint32_t n, double unsplit, PfSplit *best)
{
	double		left = cut->rows;
	double		right = n - cut->rows;
	double		ones = cut->ones;
	double		zeros = left - ones;
	double		right_ones = growth->total[1] - ones;
	double		right_zeros = growth->total[0] - zeros;
	double		gain = (zeros * zeros + ones * ones) / left +
		(right_zeros * right_zeros + right_ones * right_ones) / right - unsplit;

	gain = gain > 0 ? gain : 0;
	if ((best->found && !(gain > best->gain)) ||
		cut->rows < growth->min_leaf || n - cut->rows < growth->min_leaf ||
		left < growth->min_leaf_weight || right < growth->min_leaf_weight)
		return;
	if (growth->params->monotonic != NULL &&
		!pf_keeps_order(growth, cut->feature, ones / left, right_ones / right))
		return;
	*best = (PfSplit) {
		.found = true,.missing_left = left >= right,.feature = (uint16_t) cut->feature,
			.threshold = cut->threshold,.gain = gain,.middle = (ones / left + right_ones / right) / 2,
			.summed = true,.left = {zeros, ones}
	};
}

void
pf_find_random_split(PfGrowth *growth, uint64_t stream, const PfItem *items, uint32_t n,
					 const PfNodeStats *stats, uint64_t *constant, PfSplit *split)
{
	uint32_t	nfeatures = growth->matrix->nfeatures;
	uint32_t	wanted = growth->params->max_features;
	uint32_t	drawn = 0;
	bool		variable = false;
	bool		count = growth->counted && growth->width == 2 && !growth->params->bootstrap;
	double		sums[2 * TOGETHER][PF_MAX_CLASSES];
	uint32_t   *words = (uint32_t *) growth->spare;		/* four words a row */
	uint32_t   *labels = count ? words + (n + ROWS) / ROWS * ROWS : NULL;
	Cut			cuts[TOGETHER];

	split->found = false;
	while (drawn < nfeatures && (drawn < wanted || !variable))
	{
		uint32_t	ncuts = 0,
					kept = 0;
		bool		any_missing = false;

		while (drawn < nfeatures && ncuts < TOGETHER && (drawn < wanted || (!variable && ncuts == 0)))
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
			variable = true;
			cut.threshold = draw_threshold(growth->params->places + (size_t) cut.feature * 256,
										   cut.lowest, cut.highest,
										   pf_random(stream, (uint64_t) nfeatures + cut.feature));
			/* one value and missing: all that is not missing goes left */
			if (cut.lowest == cut.highest)
				cut.threshold = PF_MISSING_BIN - 1;
			cut.rows = cut.missing_rows = cut.ones = 0;
			cut.left = sums[2 * kept];
			cut.missing = sums[2 * kept + 1];
			any_missing |= cut.missing_here;
			cuts[kept++] = cut;
		}
		if (kept == 0)
			continue;
		if (count && !any_missing)
		{
			count_left(growth, n, words, labels, cuts, kept);
			for (uint32_t c = 0; c < kept; c++)
				try_counted(growth, &cuts[c], n, stats->score, split);
			continue;
		}
		if (growth->matrix->nclasses == 0)
			sum_values(growth, items, n, words, cuts, kept, any_missing);
		else
			sum_classes(growth, items, n, words, cuts, kept);
		for (uint32_t c = 0; c < kept; c++)
		{
			try_cut(growth, &cuts[c], false, n, stats->score, split);
			if (cuts[c].missing_here)
				try_cut(growth, &cuts[c], true, n, stats->score, split);
		}
		pf_check(growth->env);
	}
	pf_undraw_features(growth, drawn);
}

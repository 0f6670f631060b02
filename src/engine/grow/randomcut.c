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
 * Missing values are tried on both sides of the cut.  Of cuts that are equally good
 * one is taken at random.
 *
 * The bins of four features are brought together in a word a row, which is then
 * gone over twice: for the range of the bins, and for what lies left of the cuts.
 * Rows and features that lie side by side are looked at sixteen at a time.
 */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "engine/grow/draw.h"
#include "engine/grow/wholerows.h"

/* Of the lanes of words: see add_to_range. */
typedef struct Range
{
	Bytes		lowest,
				highest,
				top;
} Range;

/* Where the rows are that words are made of. */
typedef enum Rows
{
	ANYWHERE,					/* where pf_row says */
	SCATTERED_ROWS,				/* likewise, and they are fetched ahead */
	ROWS_OF_16,					/* moved, so many bytes each; where one instruction shuffles bytes */
	ROWS_OF_32
} Rows;

/* Shuffles of variable order. */
#if defined(__clang__) || !defined(__x86_64__)
#define SHUFFLES	false
#define shuffle(a, b, order)	(a)
#else
#define SHUFFLES	true
#define shuffle(a, b, order)	__builtin_shuffle(a, b, order)
#endif

pf_inline uint32_t
word_of(const uint8_t *row, const size_t *feature)
{
	return (uint32_t) row[feature[0]] << byte_shift(0) | (uint32_t) row[feature[1]] << byte_shift(1) |
		(uint32_t) row[feature[2]] << byte_shift(2) | (uint32_t) row[feature[3]] << byte_shift(3);
}

/* The bytes of a row that make its word, in each of the four words. */
pf_inline Words
pick_bytes(Rows where, const uint8_t *row, Bytes order)
{
	Bytes		first,
				second;

	memcpy(&first, row, sizeof(first));
	if (where == ROWS_OF_16)
		return (Words) shuffle(first, first, order);
	memcpy(&second, row + sizeof(first), sizeof(second));
	return (Words) shuffle(first, second, order);
}

/* A vector of words: of so many rows from row i, the last of which fills it up.  rows: those that are moved. */
pf_inline void
bring_four(Rows where, const PfGrowth *growth, const uint8_t *rows, const PfItem *items, uint32_t i, uint32_t n,
		   const size_t *feature, Bytes order, uint32_t *words, Range *range)
{
#define ROW(k) (where < ROWS_OF_16 ? pf_row(growth, items, k) : rows + (size_t) (k) * (where == ROWS_OF_16 ? 16 : 32))
	const uint8_t *a = ROW(i);
	const uint8_t *b = ROW(i + (n > 1 ? 1 : 0));
	const uint8_t *c = ROW(i + (n > 2 ? 2 : n - 1));
	const uint8_t *d = ROW(i + (n > 3 ? 3 : n - 1));
#undef ROW
	Words		four;

	if (where < ROWS_OF_16)
		four = (Words) {word_of(a, feature), word_of(b, feature), word_of(c, feature), word_of(d, feature)};
	else
		four = (Words) {
			pick_bytes(where, a, order)[0], pick_bytes(where, b, order)[0], pick_bytes(where, c, order)[0],
			pick_bytes(where, d, order)[0]
		};
	memcpy(words, &four, sizeof(four));
	add_to_range((Bytes) four, &range->lowest, &range->highest, &range->top);
}

/* From row `from`, where a vector of words begins, up to `to`.  Behind them there are as many rows as are fetched ahead. */
pf_inline void
bring_rows(Rows where, const PfGrowth *growth, const PfItem *items, uint32_t from, uint32_t to,
		   const size_t *feature, uint32_t *words, Range *range)
{
	const uint8_t *rows = growth->bins;
	Range		here = *range;
	Bytes		order = {0};
	uint32_t	i = from;

	for (uint32_t lane = 0; lane < PF_ABREAST; lane++)
		order[lane] = (uint8_t) feature[lane];
	for (; i + WORD_ROWS <= to; i += WORD_ROWS)
	{
		UNROLL
		for (uint32_t k = 0; where == SCATTERED_ROWS && k < WORD_ROWS; k++)
			__builtin_prefetch(pf_row(growth, items, i + k + AHEAD) + feature[0]);
		bring_four(where, growth, rows, items, i, WORD_ROWS, feature, order, words + i, &here);
	}
	if (i < to)
		bring_four(where, growth, rows, items, i, to - i, feature, order, words + i, &here);
	*range = here;
}

/* The words of a node's rows, filled up to whole vectors with the last one, and the range of their bins. */
pf_inline void
bring_together(bool shuffles, PfGrowth *growth, const PfItem *items, uint32_t n, Cut *cuts, uint32_t ncuts,
			   uint32_t *words)
{
	size_t		feature[PF_ABREAST];
	Range		range = {{0}, {0}, {0}};
	/* whole vectors of rows that are fetched ahead, while there are any ahead */
	const uint32_t scattered = n < SCATTERED || growth->moved ? 0 : (n - AHEAD) / WORD_ROWS * WORD_ROWS;

	for (uint32_t c = 0; c < PF_ABREAST; c++)
		feature[c] = cuts[c < ncuts ? c : 0].feature;
	memset(&range.lowest, PF_MISSING_BIN, sizeof(range.lowest));
	for (uint32_t start = 0, end; start < n; start = end)
	{
		if (start < scattered)
		{
			end = scattered - start < PF_CHECK_EVERY ? scattered : start + PF_CHECK_EVERY;
			bring_rows(SCATTERED_ROWS, growth, items, start, end, feature, words, &range);
		}
		else
		{
			end = n - start < PF_CHECK_EVERY ? n : start + PF_CHECK_EVERY;
			if (shuffles && growth->moved == PF_MOVED_LEAST)
				bring_rows(ROWS_OF_16, growth, items, start, end, feature, words, &range);
			else if (shuffles && growth->moved == PF_MOVED_MOST)
				bring_rows(ROWS_OF_32, growth, items, start, end, feature, words, &range);
			else
				bring_rows(ANYWHERE, growth, items, start, end, feature, words, &range);
		}
		if (n >= PF_CHECK_EVERY)
			pf_check(growth->env);
	}
	range.lowest = lower(range.lowest, swap_halves(range.lowest));
	range.lowest = lower(range.lowest, swap_words(range.lowest));
	range.highest = higher(range.highest, swap_halves(range.highest));
	range.highest = higher(range.highest, swap_words(range.highest));
	range.top = higher(range.top, swap_halves(range.top));
	range.top = higher(range.top, swap_words(range.top));
	for (uint32_t c = 0; c < ncuts; c++)
	{
		cuts[c].lane = c;
		cuts[c].lowest = range.lowest[c];
		cuts[c].highest = (uint8_t) (range.highest[c] - 1);
		cuts[c].missing_here = range.top[c] == PF_MISSING_BIN;
	}
}

static inline uint8_t
bin_of(uint32_t word, uint32_t lane)
{
	return (uint8_t) (word >> byte_shift(lane));
}

/* All cuts at once: up to four. */
pf_inline void
draw_thresholds(const PfGrowth *growth, uint64_t stream, Cut *cuts, uint32_t ncuts)
{
	uint32_t	features[PF_ABREAST];
	float		place[PF_ABREAST];
	uint8_t		lowest[PF_ABREAST];
	uint8_t		highest[PF_ABREAST];
	uint32_t	thresholds;

	for (uint32_t c = 0; c < PF_ABREAST; c++)
	{
		Cut		   *cut = &cuts[c < ncuts ? c : 0];

		features[c] = cut->feature;
		lowest[c] = cut->lowest;
		highest[c] = cut->highest;
		place[c] = draw_place(growth, stream, cut->feature, cut->lowest, cut->highest, &cut->rank);
	}
	thresholds = cut_between(growth, features, place, lowest, highest);
	for (uint32_t c = 0; c < ncuts; c++)
		cuts[c].threshold = bin_of(thresholds, c);
}

/* Words that are filled up to whole vectors: so many. */
static inline uint32_t
whole_words(uint32_t n)
{
	return (n + WORD_ROWS - 1) / WORD_ROWS * WORD_ROWS;
}

#define LABEL (offsetof(PfItem, y) / sizeof(uint32_t))

/* The labels of four items, each of which is a vector of words. */
pf_inline Words
labels_of(const PfItem *items)
{
	Words		a,
				b,
				c,
				d;

	memcpy(&a, &items[0], sizeof(a));
	memcpy(&b, &items[1], sizeof(b));
	memcpy(&c, &items[2], sizeof(c));
	memcpy(&d, &items[3], sizeof(d));
	return (Words) {a[LABEL], b[LABEL], c[LABEL], d[LABEL]};
}

/* For each class but the first, words of which all bits are set where the row is of that class. */
pf_inline void
mark_classes(uint32_t nclasses, PfGrowth *growth, const PfItem *items, uint32_t n, uint32_t *marks)
{
	const uint32_t whole = whole_words(n);

	for (uint32_t i = 0; i < whole; i += WORD_ROWS)
	{
		Words		labels = {0};

		if (i + WORD_ROWS <= n)
			labels = labels_of(items + i);
		else
			for (uint32_t k = 0; i + k < n; k++)
				labels[k] = items[i + k].y.label;
		UNROLL
		for (uint32_t c = 1; c < nclasses; c++)
		{
			const Words mark = (Words) (labels == c);

			memcpy(marks + (size_t) (c - 1) * whole + i, &mark, sizeof(mark));
		}
		if (i % PF_CHECK_EVERY == PF_CHECK_EVERY - WORD_ROWS)
			pf_check(growth->env);
	}
}

/* Rows of each class on one side of four cuts. */
typedef struct Counts
{
	Whole		rows,
				of_class[PF_COUNTED_CLASSES];
} Counts;

/* The rows that a mask says of sixteen lanes, four rows of four cuts. */
typedef struct ByteCounts
{
	Bytes		rows,
				of_class[PF_COUNTED_CLASSES];	/* but of the first */
} ByteCounts;

pf_inline void
count_bytes(uint32_t nclasses, Bytes side, const Bytes *marks, ByteCounts *counts)
{
	counts->rows -= side;		/* true is -1 */
	UNROLL
	for (uint32_t c = 1; c < nclasses; c++)
		counts->of_class[c] -= side & marks[c];
}

pf_inline Whole
add_lanes(Bytes counts)
{
	counts += swap_halves(counts);
	counts += swap_words(counts);
	return widen_counts(counts, 0);
}

pf_inline void
add_counts(uint32_t nclasses, const ByteCounts *bytes, Counts *counts)
{
	counts->rows += add_lanes(bytes->rows);
	UNROLL
	for (uint32_t c = 1; c < nclasses; c++)
		counts->of_class[c] += add_lanes(bytes->of_class[c]);
}

/* filled: rows that are none. */
pf_inline void
tell_counts(uint32_t nclasses, Counts *counts, uint32_t filled, Real *sums)
{
	Whole		first;

	counts->rows -= filled;
	first = counts->rows;
	UNROLL
	for (uint32_t c = 1; c < nclasses; c++)
	{
		first -= counts->of_class[c];
		sums[c] = as_real(counts->of_class[c]);
	}
	sums[0] = as_real(first);
}

/*
 * Few classes and rows that weigh 1: what lies left is counted in bytes, and these are emptied before they
 * overflow.  marks: of mark_classes.  Fills sums->rows, and of the classes left; likewise of what is missing.
 */
pf_inline void
count_cuts(uint32_t nclasses, bool any_missing, PfGrowth *growth, uint32_t n, uint32_t *words, const uint32_t *marks,
		   Bytes threshold, CutSums *sums, Real *left, Real *missing)
{
	const uint32_t whole = whole_words(n);
	Counts		on_left = {all(0), {all(0), all(0), all(0), all(0)}};
	Counts		lacking = {all(0), {all(0), all(0), all(0), all(0)}};
	uint32_t	end;

	for (uint32_t i = n; i < whole; i++)
		words[i] = UINT32_MAX;	/* right of every cut */
	for (uint32_t start = 0; start < n; start = end)
	{
		ByteCounts	bytes = {{0}, {{0}, {0}, {0}, {0}}};
		ByteCounts	lacks = {{0}, {{0}, {0}, {0}, {0}}};

		/* 63 vectors: the four lanes of a cut fit one byte together */
		end = n - start < 63 * WORD_ROWS ? n : start + 63 * WORD_ROWS;
		for (uint32_t i = start; i < end; i += WORD_ROWS)
		{
			Bytes		bins;
			Bytes		mark[PF_COUNTED_CLASSES];

			memcpy(&bins, words + i, sizeof(bins));
			UNROLL
			for (uint32_t c = 1; c < nclasses; c++)
				memcpy(&mark[c], marks + (size_t) (c - 1) * whole + i, sizeof(bins));
			count_bytes(nclasses, (Bytes) (lower(bins, threshold) == bins), mark, &bytes);
			if (any_missing)
				count_bytes(nclasses, (Bytes) (bins == PF_MISSING_BIN), mark, &lacks);
		}
		add_counts(nclasses, &bytes, &on_left);
		if (any_missing)
			add_counts(nclasses, &lacks, &lacking);
		if (start % PF_CHECK_EVERY > PF_CHECK_EVERY - 63 * WORD_ROWS)
			pf_check(growth->env);
	}
	tell_counts(nclasses, &on_left, 0, left);
	sums->rows = on_left.rows;
	if (any_missing)
	{
		tell_counts(nclasses, &lacking, whole - n, missing);
		sums->missing_rows = lacking.rows;
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

			sums[items[i].y.label] += (left | missing) ? items[i].weight : 0;
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

/* The cut with the missing values on the left or not. */
static void
try_cut(PfGrowth *growth, const Cut *cut, bool missing_left, uint32_t n, double unsplit,
		Best *best)
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
			uint32_t ncuts, double unsplit, Best *best)
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
	BYTES_OF_2,					/* so many counted classes at most, rows that weigh 1 */
	BYTES_OF_4,
	PAIRS,						/* counted classes, in cells */
	QUADS,
	UNITS,						/* regression, rows that weigh 1 */
	SUMS,						/* regression */
	CLASSES						/* any weights and classes */
} Way;

/* Four cuts, side by side.  Sums are made in pieces, for the sake of interrupts. */
pf_inline void
try_abreast(Way way, bool any_missing, PfGrowth *growth, const PfItem *items, uint32_t n, uint32_t *words,
			const uint32_t *marks, const Cut *cuts, uint32_t ncuts, double unsplit, Best *best)
{
	const uint32_t nclasses = way == BYTES_OF_2 ? 2 : way == BYTES_OF_4 ? 4 : 0;
	const PfCellShape shape = way == BYTES_OF_2 || way == PAIRS ? PF_PAIRS : way <= QUADS ? PF_QUADS : PF_SUMS;
	Bytes		threshold = {0};
	CutSums		sums = {{all(0), all(0), all(0)}, {all(0), all(0), all(0)}, all(0), all(0)};
	CutWorth	worth[2];

	for (uint32_t c = 0; c < ncuts; c++)
	{
		for (uint32_t i = cuts[c].lane; i < WORD_LANES; i += PF_ABREAST)
			threshold[i] = cuts[c].threshold;
	}
	if (nclasses > 0)
	{
		Real		left[PF_COUNTED_CLASSES] = {all(0), all(0), all(0), all(0)};
		Real		missing[PF_COUNTED_CLASSES] = {all(0), all(0), all(0), all(0)};

		count_cuts(nclasses, any_missing, growth, n, words, marks, threshold, &sums, left, missing);
		score_sides(shape, growth, unsplit, any_missing, left, missing, worth);
	}
	else
	{
		for (uint32_t start = 0, end; start < n; start = end)
		{
			end = n - start < PF_CHECK_EVERY ? n : start + PF_CHECK_EVERY;
			sum_cuts(shape, way == UNITS, any_missing, growth, items + start, end - start, words + start, threshold, &sums);
			if (n >= PF_CHECK_EVERY)
				pf_check(growth->env);
		}
		if (way == UNITS)
		{
			sums.left.weight = as_real(sums.rows);
			sums.missing.weight = as_real(sums.missing_rows);
		}
		score_sums(shape, growth, unsplit, any_missing, &sums, worth);
	}
	if (any_missing || !growth->abreast)
	{
		for (uint32_t c = 0; c < ncuts; c++)
			keep_lane(growth, &cuts[c], n, any_missing, &sums, worth, best);
	}
	else
	{
		uint32_t	rank[PF_ABREAST];
		uint32_t	lanes[PF_ABREAST];
		uint32_t	picked;

		for (uint32_t c = 0; c < ncuts; c++)
		{
			rank[c] = cuts[c].rank;
			lanes[c] = cuts[c].lane;
		}
		picked = pick_cut(rank, lanes, ncuts, n, &sums, worth, best);
		if (picked < ncuts)
			keep_lane(growth, &cuts[picked], n, false, &sums, worth, best);
	}
}

/* Two rows: every feature that parts them is as good as any other, so the first one drawn is taken. */
pf_inline void
part_two(PfCellShape shape, PfGrowth *growth, uint64_t stream, const PfItem *items, double unsplit,
		 Best *best)
{
	const uint32_t nfeatures = growth->matrix->nfeatures;
	const uint32_t bits = shape == PF_PAIRS ? 32 : 16;
	const uint8_t *a = pf_row(growth, items, 0);
	const uint8_t *b = pf_row(growth, items, 1);
	uint32_t	drawn = 0;
	Cut			cut = {0};
	PfPile		pile;
	CutSums		sums = {0};
	CutWorth	worth[2];

	do
		cut.feature = pf_draw_feature(growth, stream, drawn++);
	while (a[cut.feature] == b[cut.feature] && drawn < nfeatures);
	pf_undraw_features(growth, drawn);
	if (a[cut.feature] == b[cut.feature])
		return;

	pile = pile_of(shape, bits, &items[a[cut.feature] > b[cut.feature]], growth->offset);
	sums.left = (Piles) {all(pile.cell), all(pile.weight), all(pile.sum)};
	sums.rows = (Whole) all(1);
	cut.lowest = a[cut.feature] < b[cut.feature] ? a[cut.feature] : b[cut.feature];
	cut.highest = a[cut.feature] < b[cut.feature] ? b[cut.feature] : a[cut.feature];
	cut.missing_here = cut.highest == PF_MISSING_BIN;
	if (cut.missing_here)
		cut.highest = cut.lowest;
	draw_thresholds(growth, stream, &cut, 1);
	score_sums(shape, growth, unsplit, false, &sums, worth);
	keep_lane(growth, &cut, 2, false, &sums, worth, best);
}

pf_inline void
find_random_split(bool shuffles, PfGrowth *growth, uint64_t stream, const PfItem *items, uint32_t n,
				  const PfNodeStats *stats, uint64_t *constant, PfSplit *split)
{
	const uint32_t nfeatures = growth->matrix->nfeatures;
	const uint32_t wanted = n == 2 && growth->params->monotonic == NULL ? 1 : growth->params->max_features;
	const bool unit = growth->matrix->weight == NULL && !growth->params->bootstrap;
	uint32_t	drawn = 0;
	bool		variable = false;
	Way			way = CLASSES;
	/* four words a row: in all, or in each of the rooms where moved rows do not lie */
	uint32_t   *words = growth->moved ? (uint32_t *) growth->free_bins : (uint32_t *) growth->spare;
	uint32_t   *marks = growth->moved ? (uint32_t *) growth->free_items : words + whole_words(n);
	Cut			cuts[PF_ABREAST];
	Best		best = {split, 0, 0};

	split->found = false;
	if (growth->matrix->nclasses == 0)
		way = unit ? UNITS : SUMS;
	else if (growth->counted && unit && growth->width <= 2)
		way = BYTES_OF_2;
	else if (growth->counted && unit && 3 * whole_words(n) <= 4 * n)
		way = BYTES_OF_4;
	else if (growth->counted && growth->width == 2)
		way = PAIRS;
	else if (growth->counted && stats->weight < PF_QUAD_LIMIT)
		way = QUADS;
	if (n == 2 && growth->abreast && way != CLASSES)
	{
		if (growth->matrix->nclasses == 0)
			part_two(PF_SUMS, growth, stream, items, stats->score, &best);
		else if (growth->width == 2)
			part_two(PF_PAIRS, growth, stream, items, stats->score, &best);
		else
			part_two(PF_QUADS, growth, stream, items, stats->score, &best);
		return;
	}
	if (way == UNITS && wanted >= nfeatures && growth->params->monotonic == NULL)
	{
		find_in_whole_rows(growth, stream, items, n, stats->score, &best);
		return;
	}
	if (way == BYTES_OF_2)
		mark_classes(2, growth, items, n, marks);
	else if (way == BYTES_OF_4)
		mark_classes(4, growth, items, n, marks);
	while (drawn < nfeatures && (drawn < wanted || !variable))
	{
		uint32_t	ncuts = 0,
					kept = 0;
		bool		any_missing = false;

		while (drawn < nfeatures && ncuts < PF_ABREAST && (drawn < wanted || (!variable && ncuts == 0)))
		{
			uint32_t	feature = wanted < nfeatures ? pf_draw_feature(growth, stream, drawn) : drawn;

			drawn++;
			if (!(constant[feature / 64] >> feature % 64 & 1))
				cuts[ncuts++].feature = feature;
		}
		if (ncuts == 0)
			continue;
		bring_together(shuffles, growth, items, n, cuts, ncuts, words);
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
#define TRY(way, missing) try_abreast(way, missing, growth, items, n, words, marks, cuts, kept, stats->score, &best)
			case BYTES_OF_2:
				any_missing ? TRY(BYTES_OF_2, true) : TRY(BYTES_OF_2, false);
				break;
			case BYTES_OF_4:
				any_missing ? TRY(BYTES_OF_4, true) : TRY(BYTES_OF_4, false);
				break;
			case UNITS:
				any_missing ? TRY(UNITS, true) : TRY(UNITS, false);
				break;
				/* rarer, and not worth two copies */
			case PAIRS:
				TRY(PAIRS, true);
				break;
			case QUADS:
				TRY(QUADS, true);
				break;
			case SUMS:
				TRY(SUMS, true);
				break;
#undef TRY
			case CLASSES:
				try_classes(growth, items, n, words, cuts, kept, stats->score, &best);
				break;
		}
		pf_check(growth->env);
	}
	if (wanted < nfeatures)
		pf_undraw_features(growth, drawn);
}

static void
find_anywhere(PfGrowth *growth, uint64_t stream, const PfItem *items, uint32_t n,
			  const PfNodeStats *stats, uint64_t *constant, PfSplit *split)
{
	find_random_split(false, growth, stream, items, n, stats, constant, split);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static void
find_avx2(PfGrowth *growth, uint64_t stream, const PfItem *items, uint32_t n,
		  const PfNodeStats *stats, uint64_t *constant, PfSplit *split)
{
	find_random_split(SHUFFLES, growth, stream, items, n, stats, constant, split);
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

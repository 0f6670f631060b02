/*
 * split.c
 *	  The best split of a node.
 *
 * For each feature drawn, the node's rows are summed up by bin (a histogram;
 * few rows are sorted by bin instead) and every boundary between two occupied
 * bins is tried, with the node's missing values on the right and on the left,
 * and once missing against not missing.  The threshold is put midway between the two
 * bins, as exact trees put it midway between two values.  Without missing
 * values in the node they are sent to the heavier side, should they come later.
 *
 * Features are drawn without replacement until max_features have been looked at
 * and at least one of them was not constant in the node, as in scikit-learn.
 *
 * Criteria are written as a score to be maximised: the sum over both sides of
 *	 gini: sum over classes of w_c^2 / w;  entropy: sum of w_c log2(w_c / w);
 *	 squared error: (sum of w y)^2 / w.
 * The score of the split less that of the node is the node's weight times the
 * decrease of impurity.  With two sums (two classes of gini, or squared error) that
 * difference is one fraction, which is then used instead: see try_two.
 */
#include <math.h>
#include <string.h>

#include "engine/grow/draw.h"
#include "engine/grow/grow.h"

/* the loops are written once and compiled for each criterion */
#define pf_inline static inline __attribute__((always_inline))

#define SMALL_NODE	16			/* rows up to which a node is sorted */
#define SPARSE_NODE 2048		/* rows up to which occupied bins are noted */
#define AHEAD		8			/* rows between the one counted and the one fetched */
#define LINE		64			/* bytes of a cache line */

typedef enum Measure
{
	GINI_TWO,					/* two classes: no loops */
	GINI_COUNTS,				/* two classes, weights are whole numbers: see Cell */
	GINI,
	ENTROPY,
	VARIANCE
} Measure;

/* The state of the search for one node. */
typedef struct Search
{
	PfGrowth   *growth;
	Measure		measure;
	uint32_t	nrows;
	bool		variable;		/* some feature was not constant */
	double		best_numerator; /* the best score so far, as a fraction */
	double		best_denominator;
	PfSplit    *best;
	uint64_t   *constant;		/* a bit for each feature known to be constant here */
} Search;

/* What lies in one bin, or left of a boundary. */
typedef struct Pile
{
	double	   *sums;			/* width */
	uint32_t	rows;
} Pile;

/*
 * The score of a side is numerator / weight (entropy: the numerator alone).
 * Scores of cuts are compared as fractions: no division in the loops.
 */
pf_inline double
side_score(Measure measure, uint32_t width, const double *sums, double *weight)
{
	double		w = 0;
	double		score = 0;

	switch (measure)
	{
		case GINI_TWO:
		case GINI_COUNTS:
			w = sums[0] + sums[1];
			score = sums[0] * sums[0] + sums[1] * sums[1];
			break;
		case GINI:
			for (uint32_t c = 0; c < width; c++)
			{
				w += sums[c];
				score += sums[c] * sums[c];
			}
			break;
		case ENTROPY:
			for (uint32_t c = 0; c < width; c++)
				w += sums[c];
			for (uint32_t c = 0; c < width; c++)
			{
				if (sums[c] > 0)
					score += sums[c] * log2(sums[c] / w);
			}
			break;
		case VARIANCE:
			w = sums[0];
			score = sums[1] * sums[1];
			break;
	}
	*weight = w;
	return score;
}

static Measure
measure_of(const PfGrowth *growth)
{
	if (growth->matrix->nclasses == 0)
		return VARIANCE;
	if (growth->params->criterion == PF_ENTROPY)
		return ENTROPY;
	if (growth->width > 2)
		return GINI;
	return growth->counted ? GINI_COUNTS : GINI_TWO;
}

void
pf_node_stats(PfGrowth *growth, const PfItem *items, uint32_t n, PfNodeStats *stats)
{
	double	   *total = growth->total;

	memset(stats, 0, sizeof(*stats));
	memset(total, 0, growth->width * sizeof(double));
	if (growth->matrix->nclasses)
	{
		uint32_t	present = 0;

		for (uint32_t i = 0; i < n; i++)
		{
			total[items[i].y.label] += items[i].weight;
			if (i % PF_CHECK_EVERY == PF_CHECK_EVERY - 1)
				pf_check(growth->env);
		}
		for (uint32_t c = 0; c < growth->width; c++)
			present += total[c] > 0;
		stats->pure = present <= 1;
	}
	else
	{
		stats->lowest = INFINITY;
		stats->highest = -INFINITY;
		for (uint32_t i = 0; i < n; i++)
		{
			double		target = items[i].y.target;

			total[0] += items[i].weight;
			total[1] += items[i].weight * (target - growth->offset);
			stats->lowest = target < stats->lowest ? target : stats->lowest;
			stats->highest = target > stats->highest ? target : stats->highest;
			if (i % PF_CHECK_EVERY == PF_CHECK_EVERY - 1)
				pf_check(growth->env);
		}
		stats->sum = total[1];
		stats->pure = stats->lowest == stats->highest;
	}
	stats->score = side_score(measure_of(growth), growth->width, total, &stats->weight);
	if (measure_of(growth) != ENTROPY)
		stats->score /= stats->weight;
}

void
pf_counted_stats(PfGrowth *growth, PfNodeStats *stats)
{
	const double *total = growth->total;

	memset(stats, 0, sizeof(*stats));
	stats->pure = total[0] == 0 || total[1] == 0;
	stats->score = side_score(GINI_COUNTS, 2, total, &stats->weight) / stats->weight;
}

/* One side of a cut as the criterion sees it. */
typedef struct Side
{
	double		numerator;
	double		weight;
} Side;

/*
 * Takes the occupied bins of a feature one after another, in ascending order,
 * and tries the boundary before each, with the missing values on the right
 * ([0]) and on the left ([1]).  For many classes the sides are kept up to date
 * as rows move over, since a bin holds few of the classes; else they are made
 * from growth->left when they are needed.
 */
typedef struct Sweep
{
	int32_t		last;			/* the bin before; -1 at first */
	uint32_t	rows;			/* rows in the bins so far */
	bool		missing_here;
	uint32_t	missing_rows;
	Side		left[2],
				right[2];

	/* two sums only: here, where the compiler can keep them in registers */
	double		two_left[2],
				two_missing[2],
				two_total[2];
	double		weight,			/* of the node */
				mean;			/* the second sum over it */
} Sweep;

pf_inline bool
has_two_sums(Measure measure)
{
	return measure == GINI_TWO || measure == GINI_COUNTS || measure == VARIANCE;
}

/* One way to cut, better than the best so far? */
pf_inline void
try_cut(Search *search, Measure measure, Side left, Side right, uint32_t left_rows,
		uint32_t feature, uint32_t threshold, bool missing_left)
{
	PfGrowth   *growth = search->growth;
	double		numerator,
				denominator;

	if (growth->counts != NULL &&
		(left_rows < growth->min_leaf || search->nrows - left_rows < growth->min_leaf))
		return;
	if (measure == ENTROPY)
	{
		numerator = left.numerator + right.numerator;
		denominator = 1;
	}
	else
	{
		numerator = left.numerator * right.weight + right.numerator * left.weight;
		denominator = left.weight * right.weight;
	}
	if (!(numerator * search->best_denominator > search->best_numerator * denominator))
		return;
	if (left.weight < growth->min_leaf_weight || right.weight < growth->min_leaf_weight)
		return;
	search->best_numerator = numerator;
	search->best_denominator = denominator;
	search->best->found = true;
	search->best->feature = (uint16_t) feature;
	search->best->threshold = (uint16_t) threshold;
	search->best->missing_left = missing_left;
}

/* The two sides from growth->left, with the missing values on the left or not. */
pf_inline void
make_sides(Search *search, Measure measure, uint32_t width, bool missing_left,
		   Side *left, Side *right)
{
	PfGrowth   *growth = search->growth;
	double		left_sums[PF_MAX_CLASSES];
	double		right_sums[PF_MAX_CLASSES];

	for (uint32_t c = 0; c < width; c++)
	{
		left_sums[c] = growth->left[c] + (missing_left ? growth->missing[c] : 0);
		right_sums[c] = growth->total[c] - left_sums[c];
	}
	left->numerator = side_score(measure, width, left_sums, &left->weight);
	right->numerator = side_score(measure, width, right_sums, &right->weight);
}

/*
 * The same for two sums, where the decrease of impurity is one fraction: with w the
 * weight and s the second sum (of the targets, or of the second class's weights),
 *	 s_l^2/w_l + s_r^2/w_r - s^2/w = w (s_l - w_l s/w)^2 / (w_l w_r).
 * Counted classes keep clear of s/w, so that ties stay ties.
 */
pf_inline void
try_two(Search *search, Measure measure, const Sweep *sweep, bool with_missing,
		uint32_t feature, uint32_t threshold)
{
	PfGrowth   *growth = search->growth;
	double		first = sweep->two_left[0];
	double		second = sweep->two_left[1];
	uint32_t	rows = sweep->rows;
	double		left,
				right,
				excess,
				numerator,
				denominator;

	if (with_missing)
	{
		first += sweep->two_missing[0];
		second += sweep->two_missing[1];
		rows += sweep->missing_rows;
	}
	left = measure == VARIANCE ? first : first + second;
	right = sweep->weight - left;
	excess = measure == GINI_COUNTS ? second * sweep->weight - sweep->two_total[1] * left
		: second - sweep->mean * left;
	numerator = excess * excess;
	denominator = left * right;
	if (!(numerator * search->best_denominator > search->best_numerator * denominator) ||
		!(denominator > 0))
		return;
	if (growth->counts != NULL &&
		(rows < growth->min_leaf || search->nrows - rows < growth->min_leaf))
		return;
	if (left < growth->min_leaf_weight || right < growth->min_leaf_weight)
		return;
	search->best_numerator = numerator;
	search->best_denominator = denominator;
	search->best->found = true;
	search->best->feature = (uint16_t) feature;
	search->best->threshold = (uint16_t) threshold;
	search->best->missing_left = sweep->missing_here ? with_missing : left >= right;
	search->best->left[0] = first;
	search->best->left[1] = second;
}

pf_inline void
sweep_boundary(Search *search, Measure measure, uint32_t width, const Sweep *sweep,
			   uint32_t feature, uint32_t threshold)
{
	Side		left = sweep->left[0];
	Side		right = sweep->right[0];

	if (has_two_sums(measure))
	{
		try_two(search, measure, sweep, false, feature, threshold);
		if (sweep->missing_here && threshold < PF_MISSING_BIN - 1)
			try_two(search, measure, sweep, true, feature, threshold);
		return;
	}
	if (measure == ENTROPY)
		make_sides(search, measure, width, false, &left, &right);
	try_cut(search, measure, left, right, sweep->rows, feature, threshold,
			sweep->missing_here ? false : left.weight >= right.weight);
	if (sweep->missing_here && threshold < PF_MISSING_BIN - 1)
	{
		left = sweep->left[1];
		right = sweep->right[1];
		if (measure == ENTROPY)
			make_sides(search, measure, width, true, &left, &right);
		try_cut(search, measure, left, right, sweep->rows + sweep->missing_rows,
				feature, threshold, true);
	}
}

/* Rows of one class go over from right to left: sums of squares follow. */
pf_inline void
move_over(Side *left, Side *right, double on_left, double on_right, double moved)
{
	left->numerator += moved * (on_left + on_left + moved);
	left->weight += moved;
	right->numerator -= moved * (on_right + on_right - moved);
	right->weight -= moved;
}

pf_inline void
sweep_bin(Search *search, Measure measure, uint32_t width, Sweep *sweep,
		  uint32_t feature, uint32_t bin, Pile pile)
{
	PfGrowth   *growth = search->growth;
	double	   *left = has_two_sums(measure) ? sweep->two_left : growth->left;

	if (sweep->last >= 0)
		sweep_boundary(search, measure, width, sweep, feature,
					   ((uint32_t) sweep->last + bin) / 2);
	for (uint32_t c = 0; c < width; c++)
	{
		double		moved = pile.sums[c];

		if (measure == GINI)
		{
			double		rest = growth->total[c] - left[c];

			if (moved == 0)
				continue;
			move_over(&sweep->left[0], &sweep->right[0], left[c], rest, moved);
			if (sweep->missing_here)
				move_over(&sweep->left[1], &sweep->right[1],
						  left[c] + growth->missing[c], rest - growth->missing[c], moved);
		}
		left[c] += moved;
	}
	sweep->rows += pile.rows;
	sweep->last = (int32_t) bin;
}

pf_inline void
sweep_start(Search *search, Measure measure, uint32_t width, Sweep *sweep,
			bool missing_here, Pile missing)
{
	if (has_two_sums(measure))
	{
		for (int i = 0; i < 2; i++)
		{
			sweep->two_left[i] = 0;
			sweep->two_missing[i] = missing_here ? missing.sums[i] : 0;
			sweep->two_total[i] = search->growth->total[i];
		}
		sweep->weight = measure == VARIANCE ? sweep->two_total[0]
			: sweep->two_total[0] + sweep->two_total[1];
		sweep->mean = sweep->two_total[1] / sweep->weight;
	}
	else
	{
		memset(search->growth->left, 0, width * sizeof(double));
		if (missing_here)
			memcpy(search->growth->missing, missing.sums, width * sizeof(double));
	}
	sweep->last = -1;
	sweep->rows = 0;
	sweep->missing_here = missing_here;
	sweep->missing_rows = missing.rows;
	if (measure == GINI)
	{
		for (int i = 0; i < 2; i++)
			make_sides(search, measure, width, i == 1 && missing_here,
					   &sweep->left[i], &sweep->right[i]);
	}
}

pf_inline void
sweep_end(Search *search, Measure measure, uint32_t width, Sweep *sweep, uint32_t feature)
{
	if (sweep->missing_here && sweep->last >= 0)
		sweep_boundary(search, measure, width, sweep, feature, PF_MISSING_BIN - 1);
}

pf_inline void
add_item(Measure measure, double *sums, const PfItem *item, double offset)
{
	if (measure == VARIANCE)
	{
		sums[0] += item->weight;
		sums[1] += item->weight * (item->y.target - offset);
	}
	else
		sums[item->y.label] += item->weight;
}

static inline void
note_constant(Search *search, uint32_t feature)
{
	search->constant[feature / 64] |= UINT64_C(1) << feature % 64;
}

/* ----- few rows: sorted by bin ----- */

pf_inline void
search_sorted(Search *search, Measure measure, uint32_t width, const PfItem *items,
			  uint32_t feature)
{
	PfGrowth   *growth = search->growth;
	const uint8_t *bins = growth->bins + feature;
	const size_t stride = growth->matrix->stride;
	uint32_t	n = search->nrows;
	uint16_t	order[SMALL_NODE] = {0};	/* bin and item */
	double		sums[PF_MAX_CLASSES];
	Pile		pile = {sums, 0};
	Sweep		sweep;
	uint32_t	values = n;

	for (uint32_t i = 0; i < n; i++)
	{
		uint16_t	key = (uint16_t) (bins[items[i].row * stride] << 8 | i);
		uint32_t	j = i;

		for (; j > 0 && order[j - 1] > key; j--)
			order[j] = order[j - 1];
		order[j] = key;
	}
	if (order[0] >> 8 == order[n - 1] >> 8)
	{
		note_constant(search, feature);
		return;
	}
	search->variable = true;

	memset(sums, 0, width * sizeof(double));
	while (values > 0 && order[values - 1] >> 8 == PF_MISSING_BIN)
	{
		values--;
		add_item(measure, sums, &items[order[values] & 0xFF], growth->offset);
	}
	pile.rows = n - values;
	sweep_start(search, measure, width, &sweep, values < n, pile);
	for (uint32_t i = 0; i < values;)
	{
		uint32_t	bin = order[i] >> 8;

		memset(sums, 0, width * sizeof(double));
		for (pile.rows = 0; i < values && (uint32_t) (order[i] >> 8) == bin; i++, pile.rows++)
			add_item(measure, sums, &items[order[i] & 0xFF], growth->offset);
		sweep_bin(search, measure, width, &sweep, feature, bin, pile);
	}
	sweep_end(search, measure, width, &sweep, feature);
}

/* ----- many rows: histograms of a group of features in one pass ----- */

/*
 * A bin of GINI_COUNTS: the weights of both classes in one number, the first
 * class's in the lower half.  One addition a row, and half the memory to touch.
 */
pf_inline uint64_t
pair_of(const PfItem *item)
{
	return (uint64_t) item->weight << 32 * item->y.label;
}

/* A narrow row lies in a line or two; of a wide one only what is looked at. */
pf_inline void
prefetch_row(const uint8_t *row, const uint32_t *features, uint32_t nfeatures)
{
	for (uint32_t f = 0; f < nfeatures; f++)
		__builtin_prefetch(row + features[f]);
}

pf_inline void
fill_histograms(Search *search, Measure measure, uint32_t width, const PfItem *items,
				const uint32_t *features, uint32_t nfeatures, uint64_t (*occupied)[4])
{
	PfGrowth   *growth = search->growth;
	const uint8_t *bins = growth->bins;
	const size_t stride = growth->matrix->stride;
	const double offset = growth->offset;
	bool		note = search->nrows <= SPARSE_NODE;

	if (!note)
		memset(occupied, 0xFF, nfeatures * sizeof(*occupied));
	else
		memset(occupied, 0, nfeatures * sizeof(*occupied));

	for (uint32_t start = 0; start < search->nrows; start += PF_CHECK_EVERY)
	{
		uint32_t	end = search->nrows - start < PF_CHECK_EVERY
			? search->nrows : start + PF_CHECK_EVERY;

		for (uint32_t i = start; i < end; i++)
		{
			const PfItem *item = &items[i];
			const uint8_t *row = bins + item->row * stride;
			double	   *histogram = growth->histogram;
			uint64_t   *pairs = (uint64_t *) growth->histogram;
			uint64_t	pair = measure == GINI_COUNTS ? pair_of(item) : 0;

			if (i + AHEAD < end)
				prefetch_row(bins + items[i + AHEAD].row * stride, features,
							 stride <= LINE ? 1 : nfeatures);
			for (uint32_t f = 0; f < nfeatures; f++, histogram += 256 * width, pairs += 256)
			{
				uint32_t	bin = row[features[f]];

				if (measure == GINI_COUNTS)
					pairs[bin] += pair;
				else
					add_item(measure, histogram + bin * width, item, offset);
				if (note)
					occupied[f][bin >> 6] |= UINT64_C(1) << (bin & 63);
			}
			if (growth->counts != NULL)
			{
				for (uint32_t f = 0; f < nfeatures; f++)
					growth->counts[f * 256 + row[features[f]]]++;
			}
		}
		pf_check(growth->env);
	}
}

pf_inline bool
is_empty(Measure measure, uint32_t width, const double *sums)
{
	if (measure == VARIANCE)
		return sums[0] == 0;
	for (uint32_t c = 0; c < width; c++)
	{
		if (sums[c] != 0)
			return false;
	}
	return true;
}

/* The sums of a bin: where they are, or for GINI_COUNTS in sums. */
pf_inline double *
take_bin(Measure measure, uint32_t width, double *histogram, const uint64_t *pairs,
		 uint32_t bin, double *sums)
{
	if (measure != GINI_COUNTS)
		return histogram + bin * width;
	sums[0] = (double) (uint32_t) pairs[bin];
	sums[1] = (double) (uint32_t) (pairs[bin] >> 32);
	return sums;
}

pf_inline void
clear_bin(Measure measure, uint32_t width, double *histogram, uint64_t *pairs, uint32_t bin)
{
	if (measure == GINI_COUNTS)
		pairs[bin] = 0;
	else
		memset(histogram + bin * width, 0, width * sizeof(double));
}

/* Tries a feature's boundaries and leaves its histogram empty again. */
pf_inline void
search_histogram(Search *search, Measure measure, uint32_t width, uint32_t feature,
				 uint32_t slot, const uint64_t *occupied)
{
	PfGrowth   *growth = search->growth;
	double	   *histogram = growth->histogram + (size_t) slot * 256 * width;
	uint64_t   *pairs = (uint64_t *) growth->histogram + slot * 256;
	uint32_t   *counts = growth->counts ? growth->counts + slot * 256 : NULL;
	double		sums[2];
	Pile		pile = {.rows = counts ? counts[PF_MISSING_BIN] : 0};
	uint32_t	nbins = 0;		/* occupied */
	Sweep		sweep;

	pile.sums = take_bin(measure, width, histogram, pairs, PF_MISSING_BIN, sums);
	sweep_start(search, measure, width, &sweep, !is_empty(measure, width, pile.sums), pile);
	clear_bin(measure, width, histogram, pairs, PF_MISSING_BIN);
	for (uint32_t word = 0; word < 4; word++)
	{
		uint64_t	bits = occupied[word];

		for (; bits != 0; bits &= bits - 1)
		{
			uint32_t	bin = word * 64 + (uint32_t) __builtin_ctzll(bits);

			pile.sums = take_bin(measure, width, histogram, pairs, bin, sums);
			if (bin == PF_MISSING_BIN || is_empty(measure, width, pile.sums))
				continue;
			pile.rows = counts ? counts[bin] : 0;
			nbins++;
			sweep_bin(search, measure, width, &sweep, feature, bin, pile);
			clear_bin(measure, width, histogram, pairs, bin);
		}
	}
	sweep_end(search, measure, width, &sweep, feature);
	if (nbins + sweep.missing_here > 1)
		search->variable = true;
	else
		note_constant(search, feature);
	if (counts)
		memset(counts, 0, 256 * sizeof(uint32_t));
}

pf_inline void
search_features(Search *search, Measure measure, uint32_t width, const PfItem *items,
				const uint32_t *features, uint32_t nfeatures)
{
	if (search->nrows <= SMALL_NODE)
	{
		for (uint32_t f = 0; f < nfeatures; f++)
			search_sorted(search, measure, width, items, features[f]);
		return;
	}
	for (uint32_t f = 0; f < nfeatures; f += search->growth->group)
	{
		uint64_t	occupied[32][4];
		uint32_t	group = nfeatures - f < search->growth->group
			? nfeatures - f : search->growth->group;

		fill_histograms(search, measure, width, items, features + f, group, occupied);
		for (uint32_t g = 0; g < group; g++)
			search_histogram(search, measure, width, features[f + g], g, occupied[g]);
	}
}

/* The constants let the compiler write each criterion's loops by itself. */
static void
search_any(Search *search, const PfItem *items, const uint32_t *features, uint32_t nfeatures)
{
	switch (search->measure)
	{
		case GINI_TWO:
			search_features(search, GINI_TWO, 2, items, features, nfeatures);
			break;
		case GINI_COUNTS:
			search_features(search, GINI_COUNTS, 2, items, features, nfeatures);
			break;
		case GINI:
			search_features(search, GINI, search->growth->width, items, features, nfeatures);
			break;
		case ENTROPY:
			search_features(search, ENTROPY, search->growth->width, items, features, nfeatures);
			break;
		case VARIANCE:
			search_features(search, VARIANCE, 2, items, features, nfeatures);
			break;
	}
}

void
pf_find_split(PfGrowth *growth, uint64_t stream, const PfItem *items, uint32_t n,
			  const PfNodeStats *stats, uint64_t *constant, PfSplit *split)
{
	uint32_t	nfeatures = growth->matrix->nfeatures;
	uint32_t	wanted = growth->params->max_features;
	uint32_t	drawn = 0;
	Search		search = {
		.growth = growth,.measure = measure_of(growth),.nrows = n,
		.best_numerator = -INFINITY,.best_denominator = 1,.best = split,
		.constant = constant
	};

	split->found = false;
	while (drawn < nfeatures && (drawn < wanted || !search.variable))
	{
		uint32_t	until = drawn < wanted ? wanted : drawn + 1;
		uint32_t	candidates = 0;

		/* what is constant is drawn, but not looked at */
		for (; drawn < until; drawn++)
		{
			uint32_t	feature = pf_draw_feature(growth, stream, drawn);

			if (!(constant[feature / 64] >> feature % 64 & 1))
				growth->candidates[candidates++] = feature;
		}
		if (candidates > 0)
		{
			search_any(&search, items, growth->candidates, candidates);
			pf_check(growth->env);
		}
	}
	pf_undraw_features(growth, drawn);
	if (split->found)
	{
		double		score = search.best_numerator / search.best_denominator;

		if (!has_two_sums(search.measure))
			split->gain = score > stats->score ? score - stats->score : 0;
		else if (search.measure == GINI_COUNTS)
			split->gain = 2 * score / stats->weight;
		else
			split->gain = (search.measure == GINI_TWO ? 2 : 1) * score * stats->weight;
	}
}

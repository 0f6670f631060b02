/*
 * split.c
 *	  The best split of a node.
 *
 * In a plain tree four features are searched side by side (abreast.h).  Else, for each
 * feature drawn, the node's rows are summed up by bin (a histogram; few rows are sorted
 * by bin instead) and the sums left of every boundary between two occupied bins are
 * written down; then all boundaries are scored, with the node's missing values on the
 * right and on the left, and missing against not missing once (boundaries.h).
 *
 * The threshold is put midway between the two bins, as exact trees put it midway between
 * two values.  Without missing values in the node they are sent to the heavier side,
 * should they come later.
 *
 * Features are drawn without replacement until max_features have been looked at
 * and at least one of them was not constant in the node, as in scikit-learn.
 *
 * Criteria are written as a score to be maximised: the sum over both sides of
 *	 gini: sum over classes of w_c^2 / w;  entropy: sum of w_c log2(w_c / w);
 *	 squared error: (sum of w y)^2 / w,
 * whose excess over that of the node is the node's weight times the decrease of
 * impurity.  Where there are but two sums the excess itself is scored.
 */
#include <math.h>
#include <string.h>

#include "engine/grow/abreast.h"
#include "engine/grow/boundaries.h"
#include "engine/grow/draw.h"
#include "engine/grow/grow.h"

/* the loops are written once and compiled for each criterion */
#define pf_inline static inline __attribute__((always_inline))

#define SMALL_NODE	16			/* rows up to which a node is sorted: see sort_keys */
#define SORTED_AT_ONCE 4		/* features whose keys are made at once */
#define SPARSE_NODE 2048		/* rows up to which occupied bins are noted */
#define AHEAD		8			/* rows between the one counted and the one fetched */
#define LINE		64			/* bytes of a cache line */

/*
 * Where it matters how many rows a side has, they are counted for each bin.  In a node that weighs
 * little, up to three classes leave 16 bits of a cell free for that.
 */
#define ROWS_SHIFT	48
#define ONE_ROW		(UINT64_C(1) << ROWS_SHIFT)

typedef enum Measure
{
	GINI_PAIRS,					/* two classes, weights are whole numbers */
	GINI_QUADS,					/* three or four, and the node not too heavy */
	GINI_TWO,					/* two classes */
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
	bool		tallied;		/* rows are counted in the cells: see ROWS_SHIFT */
	bool		variable;		/* some feature was not constant */
	bool		perfect;		/* nothing can be better than the best so far */
	PfPile		total;
	double		best;			/* score */
	PfSplit    *split;
	uint64_t   *constant;		/* a bit for each feature known to be constant here */

	/* few rows: what is asked of them for every feature */
	const uint8_t *row[SMALL_NODE];
	PfPile		pile[SMALL_NODE];
} Search;

/* The score of a side is numerator / weight (entropy: the numerator alone). */
pf_inline double
side_score(Measure measure, uint32_t width, const double *sums, double *weight)
{
	double		w = 0;
	double		score = 0;

	switch (measure)
	{
		case GINI_PAIRS:
		case GINI_QUADS:
		case GINI_TWO:
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

/* The criterion, and how a node of so much weight keeps its sums. */
static Measure
measure_of(const PfGrowth *growth, double weight)
{
	if (growth->matrix->nclasses == 0)
		return VARIANCE;
	if (growth->params->criterion == PF_ENTROPY)
		return ENTROPY;
	if (growth->counted && growth->width == 2)
		return GINI_PAIRS;
	if (growth->counted && weight < PF_QUAD_LIMIT)
		return GINI_QUADS;
	return growth->width == 2 ? GINI_TWO : GINI;
}

pf_inline bool
has_cells(Measure measure)
{
	return measure == GINI_PAIRS || measure == GINI_QUADS;
}

/* Are the boundaries scored by boundaries.c, from their sums? */
pf_inline bool
has_sums(Measure measure)
{
	return measure != GINI && measure != ENTROPY;
}

pf_inline PfCellShape
shape_of(Measure measure)
{
	return measure == GINI_PAIRS ? PF_PAIRS : measure == GINI_QUADS ? PF_QUADS : PF_SUMS;
}

/* Sums by class, of whole numbers, as a cell. */
static uint64_t
cell_of(Measure measure, uint32_t width, const double *sums)
{
	uint64_t	cell = 0;

	for (uint32_t c = 0; c < width; c++)
		cell |= (uint64_t) sums[c] << (measure == GINI_PAIRS ? 32 : 16) * c;
	return cell;
}

/* From the sums in growth->total. */
static void
finish_stats(const PfGrowth *growth, PfNodeStats *stats)
{
	Measure		measure = measure_of(growth, INFINITY);

	stats->score = side_score(measure, growth->width, growth->total, &stats->weight);
	if (measure != ENTROPY)
		stats->score /= stats->weight;
}

/* At most one class is there. */
static bool
is_pure(const PfGrowth *growth)
{
	uint32_t	present = 0;

	for (uint32_t c = 0; c < growth->width; c++)
		present += growth->total[c] > 0;
	return present <= 1;
}

void
pf_node_stats(PfGrowth *growth, const PfItem *items, uint32_t n, PfNodeStats *stats)
{
	double	   *total = growth->total;

	memset(total, 0, growth->width * sizeof(double));
	if (growth->matrix->nclasses)
	{
		for (uint32_t i = 0; i < n; i++)
		{
			total[items[i].y.label] += items[i].weight;
			if (i % PF_CHECK_EVERY == PF_CHECK_EVERY - 1)
				pf_check(growth->env);
		}
	}
	else
	{
		for (uint32_t i = 0; i < n; i++)
		{
			total[0] += items[i].weight;
			total[1] += items[i].weight * (items[i].y.target - growth->offset);
			if (i % PF_CHECK_EVERY == PF_CHECK_EVERY - 1)
				pf_check(growth->env);
		}
	}
	pf_summed_stats(growth, items, n, stats);
}

void
pf_summed_stats(PfGrowth *growth, const PfItem *items, uint32_t n, PfNodeStats *stats)
{
	memset(stats, 0, sizeof(*stats));
	if (growth->matrix->nclasses)
		stats->pure = is_pure(growth);
	else
	{
		uint32_t	i = 1;

		stats->first = items[0].y.target;
		stats->sum = growth->total[1];
		while (i < n && items[i].y.target == stats->first)
		{
			i++;
			if (i % PF_CHECK_EVERY == 0)
				pf_check(growth->env);
		}
		stats->pure = i == n;
	}
	finish_stats(growth, stats);
}

/* ----- the boundaries of a feature that were filled in ----- */

/* What lies left of a boundary. */
pf_inline PfPile
left_of(Measure measure, const PfBoundaries *boundaries, uint32_t i, PfPile more)
{
	if (has_cells(measure))
		more.cell += boundaries->left.cell[i];
	else
	{
		more.weight += boundaries->left.weight[i];
		more.sum += boundaries->sum[i];
	}
	return more;
}

pf_inline double
weight_of(Measure measure, PfPile pile)
{
	uint64_t	weight = 0;

	if (!has_cells(measure))
		return pile.weight;
	for (uint32_t c = 0; c < (measure == GINI_PAIRS ? 2 : 4); c++)
		weight += pf_cell_weight(shape_of(measure), pile.cell, c);
	return (double) weight;
}

/* What constraints are about, see PfGrowth. */
pf_inline double
value_of(Measure measure, PfPile pile)
{
	return (has_cells(measure) ? (double) pf_cell_weight(PF_PAIRS, pile.cell, 1) : pile.sum) /
		weight_of(measure, pile);
}

pf_inline PfPile
rest_of(PfPile total, PfPile left)
{
	return (PfPile) {
		total.cell - left.cell, total.weight - left.weight, total.sum - left.sum
	};
}

/* Of one class alone? */
pf_inline bool
is_pure_cell(Measure measure, uint64_t cell)
{
	uint32_t	present = 0;

	for (uint32_t c = 0; c < (measure == GINI_PAIRS ? 2 : 4); c++)
		present += pf_cell_weight(shape_of(measure), cell, c) > 0;
	return present <= 1;
}

/*
 * Keeps the boundary between two bins as the best split so far; next PF_MISSING_BIN: after it are
 * missing values only.
 */
pf_inline void
keep(Search *search, Measure measure, uint32_t feature, uint32_t bin, uint32_t next, PfPile left,
	 bool missing_here, bool missing_left)
{
	PfSplit    *split = search->split;
	double		weight = weight_of(measure, left);

	split->found = true;
	split->feature = (uint16_t) feature;
	split->threshold = next == PF_MISSING_BIN ? PF_MISSING_BIN - 1 : (uint16_t) ((bin + next) / 2);
	split->missing_left = missing_here ? missing_left
		: weight >= weight_of(measure, search->total) - weight;
	if (search->growth->params->monotonic != NULL)
		split->middle = (value_of(measure, left) +
						 value_of(measure, rest_of(search->total, left))) / 2;
	split->summed = has_cells(measure);
	if (has_cells(measure))
	{
		for (uint32_t c = 0; c < search->growth->width; c++)
			split->left[c] = (double) pf_cell_weight(shape_of(measure), left.cell, c);
		search->perfect = is_pure_cell(measure, left.cell) &&
			is_pure_cell(measure, search->total.cell - left.cell);
	}
	else
		search->perfect = search->nrows == 2;
}

/*
 * Is one of the boundaries better than the best so far?  missing: what the missing
 * values of the node sum up to; 0 rows: there are none, or nobody counted.
 */
pf_inline void
try_boundaries(Search *search, Measure measure, PfBoundaries *boundaries, uint32_t feature,
			   bool missing_here, PfPile missing, uint32_t missing_rows)
{
	PfGrowth   *growth = search->growth;
	double		weight = weight_of(measure, search->total);
	bool		ordered = growth->params->monotonic != NULL;

	if (boundaries->count + missing_here <= 1)
	{
		search->constant[feature / 64] |= UINT64_C(1) << feature % 64;
		return;
	}
	search->variable = true;

	for (uint32_t side = 0; side <= missing_here; side++)
	{
		PfPile		more = side == 1 ? missing : (PfPile) {0};
		double	   *scores = boundaries->score[side];
		uint32_t	from = 0;
		uint32_t	to = boundaries->count - (side == 1 || !missing_here);
		uint32_t	best = UINT32_MAX;

		/* both sides must keep some rows and weight, and both grow from end to end */
		if (growth->counts != NULL)
		{
			uint32_t	rows = side == 1 ? missing_rows : 0;

			while (from < to && boundaries->rows[from] + rows < growth->min_leaf)
				from++;
			while (from < to && search->nrows - boundaries->rows[to - 1] - rows < growth->min_leaf)
				to--;
		}
		if (growth->min_leaf_weight > 0 || !has_cells(measure))
		{
			while (from < to && weight_of(measure, left_of(measure, boundaries, from, more)) < growth->min_leaf_weight)
				from++;
			for (; from < to; to--)
			{
				double		right = weight - weight_of(measure, left_of(measure, boundaries, to - 1, more));

				if (right > 0 && right >= growth->min_leaf_weight)
					break;
			}
		}
		if (has_sums(measure) && from < to)
		{
			double		any = search->best;

			best = growth->score_boundaries(shape_of(measure), boundaries, search->total, more,
											from, to, scores, ordered ? &any : &search->best);
		}
		if (!has_sums(measure) || ordered)
		{
			best = UINT32_MAX;
			for (uint32_t i = from; i < to; i++)
			{
				PfPile		left = left_of(measure, boundaries, i, more);

				if (scores[i] > search->best &&
					(!ordered || pf_keeps_order(growth, feature, value_of(measure, left),
												value_of(measure, rest_of(search->total, left)))))
				{
					search->best = scores[i];
					best = i;
				}
			}
		}
		if (best != UINT32_MAX)
			keep(search, measure, feature, boundaries->bin[best],
				 best + 1 < boundaries->count ? boundaries->bin[best + 1] : PF_MISSING_BIN,
				 left_of(measure, boundaries, best, more), missing_here, side == 1);
	}
}

/* ----- many classes, or entropy: scored as the bins come ----- */

/* One side of a boundary as the criterion sees it. */
typedef struct Side
{
	double		numerator;
	double		weight;
} Side;

/*
 * Both sides, with the missing values on the right ([0]) and on the left ([1]).  For gini
 * they are kept up to date as rows move over, since a bin holds few of the classes;
 * for entropy they are made anew.
 */
typedef struct Sweep
{
	bool		missing_here;
	Side		left[2],
				right[2];
} Sweep;

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
sweep_start(Search *search, Measure measure, uint32_t width, Sweep *sweep,
			bool missing_here, const double *missing)
{
	memset(search->growth->left, 0, width * sizeof(double));
	if (missing_here)
		memcpy(search->growth->missing, missing, width * sizeof(double));
	sweep->missing_here = missing_here;
	for (int i = 0; i < 2; i++)
		make_sides(search, measure, width, i == 1 && missing_here,
				   &sweep->left[i], &sweep->right[i]);
}

/* A bin's sums go over, which makes the next boundary. */
pf_inline void
sweep_bin(Search *search, Measure measure, uint32_t width, Sweep *sweep,
		  const double *sums, PfBoundaries *boundaries)
{
	PfGrowth   *growth = search->growth;
	double	   *left = growth->left;
	uint32_t	n = boundaries->count;

	for (uint32_t c = 0; c < width; c++)
	{
		double		moved = sums[c];

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
	for (int i = 0; i <= sweep->missing_here; i++)
	{
		Side	   *l = &sweep->left[i];
		Side	   *r = &sweep->right[i];

		if (measure == ENTROPY)
		{
			make_sides(search, measure, width, i == 1, l, r);
			boundaries->score[i][n] = l->numerator + r->numerator;
		}
		else
			boundaries->score[i][n] = l->numerator / l->weight + r->numerator / r->weight;
	}
	boundaries->left.weight[n] = sweep->left[0].weight;
	boundaries->sum[n] = left[1];
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

/* A row in the shape of the sums. */
pf_inline uint64_t
item_cell(Measure measure, const PfItem *item)
{
	return (uint64_t) item->weight << (measure == GINI_PAIRS ? 32 : 16) * item->y.label;
}

pf_inline PfPile
item_pile(Measure measure, const PfItem *item, double offset)
{
	PfPile		pile = {0};
	double		sums[2] = {0, 0};

	if (has_cells(measure))
		pile.cell = item_cell(measure, item);
	else
	{
		add_item(measure, sums, item, offset);
		pile.weight = measure == GINI_TWO ? sums[0] + sums[1] : sums[0];
		pile.sum = sums[1];
	}
	return pile;
}

/* ----- few rows: sorted by bin ----- */

typedef int16_t Keys __attribute__((vector_size(16), may_alias));

/*
 * Bin and item of each row, as a number to sort by, for some features at once: numbers that were
 * written one by one cannot be read as vectors at once.
 */
pf_inline void
make_keys(const Search *search, const uint32_t *features, uint32_t nfeatures,
		  int16_t (*keys)[SMALL_NODE])
{
	for (uint32_t i = 0; i < search->nrows; i++)
	{
		const uint8_t *row = search->row[i];

		for (uint32_t f = 0; f < nfeatures; f++)
			keys[f][i] = (int16_t) (row[features[f]] * SMALL_NODE + i);
	}
}

/*
 * n keys ascending; after them one that is greater than any.  The place of a key is the
 * number of smaller keys: no branches to mispredict, and 8 are compared at once.
 */
pf_inline void
sort_keys(const int16_t *keys, uint32_t n, uint16_t *sorted)
{
	int16_t		places[SMALL_NODE] __attribute__((aligned(16)));
	Keys		low = *(const Keys *) keys;
	Keys		low_place = {0};

	sorted[n] = INT16_MAX;
	if (n == 2)
	{
		/* half of all nodes of a regression tree */
		bool		swap = keys[1] < keys[0];

		sorted[swap] = (uint16_t) keys[0];
		sorted[!swap] = (uint16_t) keys[1];
		return;
	}
	if (n <= 8)
	{
		for (uint32_t i = 0; i < n; i++)
			low_place -= low > keys[i];
	}
	else
	{
		Keys		high = *(const Keys *) (keys + 8);
		Keys		high_place = {0};

		for (uint32_t i = 0; i < n; i++)
		{
			low_place -= low > keys[i];
			high_place -= high > keys[i];
		}
		*(Keys *) (places + 8) = high_place;
	}
	*(Keys *) places = low_place;
	for (uint32_t i = 0; i < n; i++)
		sorted[places[i]] = (uint16_t) keys[i];
}

pf_inline void
search_sorted(Search *search, Measure measure, uint32_t width, const PfItem *items,
			  uint32_t feature, const int16_t *keys)
{
	PfGrowth   *growth = search->growth;
	PfBoundaries *boundaries = growth->boundaries;
	uint16_t	sorted[SMALL_NODE + 1];
	uint32_t	n = search->nrows;
	uint32_t	values = n;
	PfPile		left = {0};
	PfPile		missing = {0};
	double		sums[PF_MAX_CLASSES];
	Sweep		sweep;

	sort_keys(keys, n, sorted);
	boundaries->count = 0;
	if (!has_sums(measure))
		memset(sums, 0, width * sizeof(double));
	for (; values > 0 && sorted[values - 1] >= PF_MISSING_BIN * SMALL_NODE; values--)
	{
		uint32_t	i = sorted[values - 1] % SMALL_NODE;

		missing.cell += search->pile[i].cell;
		missing.weight += search->pile[i].weight;
		missing.sum += search->pile[i].sum;
		if (!has_sums(measure))
			add_item(measure, sums, &items[i], growth->offset);
	}
	if (!has_sums(measure))
	{
		missing.weight = 0;
		for (uint32_t c = 0; c < width; c++)
			missing.weight += sums[c];
		missing.sum = sums[1];
		sweep_start(search, measure, width, &sweep, values < n, sums);
		memset(sums, 0, width * sizeof(double));
	}
	for (uint32_t i = 0; i < values; i++)
	{
		uint32_t	which = sorted[i] % SMALL_NODE;
		uint32_t	bin = sorted[i] / SMALL_NODE;
		bool		last = bin != sorted[i + 1] / SMALL_NODE;	/* of its bin */
		uint32_t	at = boundaries->count;

		if (has_cells(measure))
		{
			left.cell += search->pile[which].cell;
			boundaries->left.cell[at] = left.cell;
		}
		else if (has_sums(measure))
		{
			left.weight += search->pile[which].weight;
			left.sum += search->pile[which].sum;
			boundaries->left.weight[at] = left.weight;
			boundaries->sum[at] = left.sum;
		}
		else
		{
			add_item(measure, sums, &items[which], growth->offset);
			if (last)
			{
				sweep_bin(search, measure, width, &sweep, sums, boundaries);
				memset(sums, 0, width * sizeof(double));
			}
		}
		boundaries->bin[at] = (uint8_t) bin;
		boundaries->rows[at] = i + 1;
		boundaries->count += last;
	}
	try_boundaries(search, measure, boundaries, feature, values < n, missing, n - values);
}

/* ----- many rows: histograms of a group of features in one pass ----- */

/* A narrow row lies in a line or two; of a wide one only what is looked at. */
pf_inline void
prefetch_row(const uint8_t *row, const uint32_t *features, uint32_t nfeatures)
{
	for (uint32_t f = 0; f < nfeatures; f++)
		__builtin_prefetch(row + features[f]);
}

/* Weight and sum of a bin. */
typedef double Two __attribute__((vector_size(16), aligned(8), may_alias));

/*
 * The number of features is a constant where this is compiled for the square root of a usual number
 * of columns, and so is whether occupied bins are noted.
 */
pf_inline void
fill_some(Search *search, Measure measure, uint32_t width, const PfItem *items,
		  const uint32_t *features, uint32_t nfeatures, bool note, uint32_t *counts,
		  uint64_t (*occupied)[4])
{
	PfGrowth   *growth = search->growth;
	const uint8_t *bins = growth->bins;
	const size_t stride = growth->matrix->stride;
	const double offset = growth->offset;
	const uint64_t one = search->tallied ? ONE_ROW : 0;

	for (uint32_t start = 0; start < search->nrows; start += PF_CHECK_EVERY)
	{
		uint32_t	end = search->nrows - start < PF_CHECK_EVERY
			? search->nrows : start + PF_CHECK_EVERY;

		for (uint32_t i = start; i < end; i++)
		{
			const PfItem *item = &items[i];
			const uint8_t *row = bins + item->row * stride;
			double	   *histogram = growth->histogram;
			uint64_t   *cells = (uint64_t *) growth->histogram;
			uint64_t	cell = has_cells(measure) ? item_cell(measure, item) + one : 0;
			double		weight = item->weight;
			double		sum = measure == VARIANCE ? weight * (item->y.target - offset) : 0;

			if (i + AHEAD < end)
				prefetch_row(bins + items[i + AHEAD].row * stride, features,
							 stride <= LINE ? 1 : nfeatures);
			for (uint32_t f = 0; f < nfeatures; f++, histogram += 256 * width, cells += 256)
			{
				uint32_t	bin = row[features[f]];

				if (has_cells(measure))
					cells[bin] += cell;
				else if (measure == VARIANCE)
					*(Two *) (histogram + bin * 2) += (Two) {weight, sum};
				else
					histogram[bin * width + item->y.label] += weight;
				if (note)
					occupied[f][bin >> 6] |= UINT64_C(1) << (bin & 63);
				if (counts != NULL)
					counts[f * 256 + bin]++;
			}
		}
		pf_check(growth->env);
	}
}

pf_inline void
fill_histograms(Search *search, Measure measure, uint32_t width, const PfItem *items,
				const uint32_t *features, uint32_t nfeatures, uint64_t (*occupied)[4])
{
	bool		note = search->nrows <= SPARSE_NODE;
	uint32_t   *counts = search->tallied ? NULL : search->growth->counts;
	uint32_t	usual = (has_cells(measure) || measure == VARIANCE) && counts == NULL ? nfeatures : 0;

	memset(occupied, note ? 0 : 0xFF, nfeatures * sizeof(*occupied));
	if (usual == 4 && note)
		fill_some(search, measure, width, items, features, 4, true, NULL, occupied);
	else if (usual == 4)
		fill_some(search, measure, width, items, features, 4, false, NULL, occupied);
	else if (usual == 3 && note)
		fill_some(search, measure, width, items, features, 3, true, NULL, occupied);
	else if (counts == NULL)
		fill_some(search, measure, width, items, features, nfeatures, note, NULL, occupied);
	else
		fill_some(search, measure, width, items, features, nfeatures, note, counts, occupied);
}

static inline bool
is_empty(uint32_t width, const double *sums)
{
	for (uint32_t c = 0; c < width; c++)
	{
		if (sums[c] != 0)
			return false;
	}
	return true;
}

/*
 * Takes one bin: empties it, and writes down the boundary after it.  An empty one's
 * is overwritten by the next.
 */
pf_inline void
take_bin(Search *search, Measure measure, uint32_t width, Sweep *sweep, PfPile *left,
		 uint32_t *rows, double *histogram, uint64_t *cells, uint32_t bin, PfBoundaries *boundaries)
{
	uint32_t	at = boundaries->count;
	bool		occupied;

	boundaries->bin[at] = (uint8_t) bin;
	if (has_cells(measure))
	{
		uint64_t	cell = cells[bin];

		occupied = cell != 0;
		if (search->tallied)
		{
			*rows += (uint32_t) (cell >> ROWS_SHIFT);
			boundaries->rows[at] = *rows;
			cell &= ONE_ROW - 1;
		}
		left->cell += cell;
		cells[bin] = 0;
		boundaries->left.cell[at] = left->cell;
	}
	else if (has_sums(measure))
	{
		double	   *sums = histogram + bin * 2;
		double		weight = measure == GINI_TWO ? sums[0] + sums[1] : sums[0];

		occupied = weight != 0;
		left->weight += weight;
		left->sum += sums[1];
		sums[0] = sums[1] = 0;
		boundaries->left.weight[at] = left->weight;
		boundaries->sum[at] = left->sum;
	}
	else
	{
		double	   *sums = histogram + bin * width;

		occupied = !is_empty(width, sums);
		if (occupied)
		{
			sweep_bin(search, measure, width, sweep, sums, boundaries);
			memset(sums, 0, width * sizeof(double));
		}
	}
	boundaries->count += occupied;
}

/* Tries a feature's boundaries and leaves its histogram empty again. */
pf_inline void
search_histogram(Search *search, Measure measure, uint32_t width, uint32_t feature,
				 uint32_t slot, const uint64_t *occupied)
{
	PfGrowth   *growth = search->growth;
	PfBoundaries *boundaries = growth->boundaries;
	double	   *histogram = growth->histogram + (size_t) slot * 256 * width;
	uint64_t   *cells = (uint64_t *) growth->histogram + slot * 256;
	uint32_t   *counts = growth->counts && !search->tallied ? growth->counts + slot * 256 : NULL;
	uint32_t	rows = 0;
	uint32_t	missing_rows = counts ? counts[PF_MISSING_BIN] : 0;
	PfPile		left = {0};
	PfPile		missing = {0};
	bool		missing_here;
	Sweep		sweep;

	/* the missing values first, as if they were a feature of one bin */
	boundaries->count = 0;
	if (!has_sums(measure))
	{
		double	   *sums = histogram + PF_MISSING_BIN * width;

		missing_here = !is_empty(width, sums);
		for (uint32_t c = 0; c < width; c++)
			missing.weight += sums[c];
		missing.sum = sums[1];
		sweep_start(search, measure, width, &sweep, missing_here, sums);
		memset(sums, 0, width * sizeof(double));
	}
	else
	{
		take_bin(search, measure, width, &sweep, &missing, &missing_rows, histogram, cells,
				 PF_MISSING_BIN, boundaries);
		missing_here = boundaries->count > 0;
		boundaries->count = 0;
	}

	for (uint32_t word = 0; word < 4; word++)
	{
		uint64_t	bits = occupied[word];

		if (word == 3)
			bits &= UINT64_MAX >> 1;	/* all but PF_MISSING_BIN */
		for (; bits != 0; bits &= bits - 1)
		{
			uint32_t	bin = word * 64 + (uint32_t) __builtin_ctzll(bits);

			if (counts)
			{
				rows += counts[bin];
				boundaries->rows[boundaries->count] = rows;
			}
			take_bin(search, measure, width, &sweep, &left, &rows, histogram, cells, bin, boundaries);
		}
	}
	try_boundaries(search, measure, boundaries, feature, missing_here, missing, missing_rows);
	if (counts)
		memset(counts, 0, 256 * sizeof(uint32_t));
}

pf_inline void
search_features(Search *search, Measure measure, uint32_t width, const PfItem *items,
				const uint32_t *features, uint32_t nfeatures)
{
	PfGrowth   *growth = search->growth;

	if (search->nrows <= SMALL_NODE)
	{
		for (uint32_t i = 0; i < search->nrows; i++)
		{
			search->row[i] = growth->bins + items[i].row * (size_t) growth->matrix->stride;
			if (has_sums(measure))
				search->pile[i] = item_pile(measure, &items[i], growth->offset);
		}
		for (uint32_t f = 0; f < nfeatures && !search->perfect; f += SORTED_AT_ONCE)
		{
			int16_t		keys[SORTED_AT_ONCE][SMALL_NODE] __attribute__((aligned(16)));
			uint32_t	group = nfeatures - f < SORTED_AT_ONCE ? nfeatures - f : SORTED_AT_ONCE;

			make_keys(search, features + f, group, keys);
			for (uint32_t g = 0; g < group && !search->perfect; g++)
				search_sorted(search, measure, width, items, features[f + g], keys[g]);
		}
		return;
	}
	for (uint32_t f = 0; f < nfeatures; f += growth->group)
	{
		uint64_t	occupied[32][4];
		uint32_t	group = nfeatures - f < growth->group ? nfeatures - f : growth->group;

		fill_histograms(search, measure, width, items, features + f, group, occupied);
		for (uint32_t g = 0; g < group; g++)
			search_histogram(search, measure, width, features[f + g], g, occupied[g]);
	}
}

/* The constants let the compiler write each criterion's loops by itself. */
static void
search_any(Search *search, const PfItem *items, const uint32_t *features, uint32_t nfeatures)
{
	uint32_t	width = search->growth->width;

	switch (search->measure)
	{
		case GINI_PAIRS:
			search_features(search, GINI_PAIRS, 2, items, features, nfeatures);
			break;
		case GINI_QUADS:
			search_features(search, GINI_QUADS, width, items, features, nfeatures);
			break;
		case GINI_TWO:
			search_features(search, GINI_TWO, 2, items, features, nfeatures);
			break;
		case GINI:
			search_features(search, GINI, width, items, features, nfeatures);
			break;
		case ENTROPY:
			search_features(search, ENTROPY, width, items, features, nfeatures);
			break;
		case VARIANCE:
			search_features(search, VARIANCE, 2, items, features, nfeatures);
			break;
	}
}

/* Four features at a time, where rows weigh how often they were drawn and nothing restricts a split. */
static void
search_abreast(Search *search, const PfItem *items, const uint32_t *features, uint32_t nfeatures)
{
	PfGrowth   *growth = search->growth;
	PfAbreast	node = {
		.items = items,.nrows = search->nrows,.total = search->total,.best = search->best
	};
	bool		few = search->nrows <= PF_FEW_ROWS &&
		(search->measure == VARIANCE || weight_of(search->measure, search->total) < 1 << PF_FEW_WEIGHT_BITS);

	for (uint32_t f = 0; f < nfeatures; f += PF_ABREAST)
	{
		uint32_t	group = nfeatures - f < PF_ABREAST ? nfeatures - f : PF_ABREAST;
		uint32_t	lane[PF_ABREAST];
		uint32_t	constant;

		/* one that is looked at twice is no better than itself */
		for (uint32_t g = 0; g < PF_ABREAST; g++)
			lane[g] = features[f + (g < group ? g : 0)];
		node.found = false;
		constant = (few ? growth->search_few : growth->search_many)
			(growth, shape_of(search->measure), &node, lane);
		for (uint32_t g = 0; g < group; g++)
		{
			if (constant >> g & 1)
				search->constant[features[f + g] / 64] |= UINT64_C(1) << features[f + g] % 64;
			else
				search->variable = true;
		}
		if (!node.found)
			continue;
		search->best = node.best;
		keep(search, search->measure, lane[node.feature], node.bin, node.next, node.left,
			 node.missing_here, node.missing_left);
		if (search->perfect)
			break;
	}
}

/* The weight times the decrease of impurity, from the best score. */
static double
gain_of(const Search *search, const PfNodeStats *stats)
{
	switch (search->measure)
	{
		case GINI_PAIRS:
			return 2 * search->best / stats->weight;
		case GINI_TWO:
			return 2 * search->best * stats->weight;
		case VARIANCE:
			return search->best * stats->weight;
		default:
			return search->best > stats->score ? search->best - stats->score : 0;
	}
}

void
pf_find_split(PfGrowth *growth, uint64_t stream, const PfItem *items, uint32_t n,
			  const PfNodeStats *stats, uint64_t *constant, PfSplit *split)
{
	uint32_t	nfeatures = growth->matrix->nfeatures;
	uint32_t	wanted = growth->params->max_features;
	uint32_t	drawn = 0;
	Search		search;

	search.growth = growth;
	search.measure = measure_of(growth, stats->weight);
	search.nrows = n;
	search.tallied = growth->counts != NULL && has_cells(search.measure) && growth->width <= 3 &&
		stats->weight < PF_QUAD_LIMIT;
	search.variable = search.perfect = false;
	search.best = -INFINITY;
	search.split = split;
	search.constant = constant;
	if (has_cells(search.measure))
		search.total.cell = cell_of(search.measure, growth->width, growth->total);
	else
	{
		search.total.weight = stats->weight;
		search.total.sum = growth->total[1];
	}

	split->found = false;
	while (drawn < nfeatures && !search.perfect && (drawn < wanted || !search.variable))
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
			if (growth->abreast && (has_cells(search.measure) || search.measure == VARIANCE))
				search_abreast(&search, items, growth->candidates, candidates);
			else
				search_any(&search, items, growth->candidates, candidates);
			pf_check(growth->env);
		}
	}
	pf_undraw_features(growth, drawn);
	if (split->found)
		split->gain = gain_of(&search, stats);
}

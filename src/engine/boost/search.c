/*
 * search.c
 *	  The best split of a node from its histogram.
 *
 * With G and H the sums of gradients and hessians of some rows, the best value for
 * them is v = -G / (H + l2), and it lowers the loss by G^2 / 2(H + l2).  Every
 * boundary between two bins that have rows in the node is tried, with the missing
 * values on the right and on the left, and once missing against not missing; the
 * threshold is put midway between the two bins.  Without missing values in the node
 * they go where most rows go.
 *
 * Of a category feature a split takes any set of bins.  Those that have rows in the node
 * are put in order by G / H; for a loss that is quadratic, as it is taken to be here, the
 * best set of all is the first bins of that order (Fisher 1958, "On grouping for maximum
 * homogeneity").  Bins without rows go where most rows go.
 *
 * That is a choice among very many sets, and noise alone makes one of them look good.  LightGBM
 * holds it back by smoothing the order and a greater l2, and so do we: a bin has cat_smooth rows
 * more, which are like the node, and cat_l2 is added to l2.  But bins of equal counts keep their order
 * whatever the smoothing, and l2 is little beside hundreds of rows, so there is a toll as well, which a
 * set must gain before it gains anything: what noise would.  Where sums of bins are noise, G / sqrt(H) of each
 * is normal with some variance v, and parted by its sign it is worth 2 v / pi; a bin of one row
 * may be worth all of v, and those of a few rows are taken to be between.  v is the mean of squared gradients
 * by that of the hessians in the tree, near 1 for classes.  Where bins are few, nothing of this is done.
 *
 * With monotonic constraints values are kept within the bounds of their node, and
 * the loss is that of the bounded value.
 */
#include <string.h>

#include "engine/boost/parts.h"
#include "engine/grow/random.h"

#define LEAST_HESSIAN	1e-3	/* of a side, as in scikit-learn, where the mean weight is 1 */
#define LEAST_GAIN		1e-9	/* as a share: less is rounding */
#define FEW_BINS		4		/* of a category in a node: any set of them will do */
#define NOISE_GAIN		0.64	/* of a bin of many rows: 2 / pi */
#define LANES			2

typedef double Doubles __attribute__((vector_size(LANES * sizeof(double))));
typedef int64_t Wholes __attribute__((vector_size(LANES * sizeof(int64_t))));

double
pf_boost_value(const PfBoost *boost, PfCell sums, double lower, double upper)
{
	double		gradient = pf_cell_gradient(sums) * boost->shared->gradient_unit;
	double		hessian = pf_cell_hessian(boost, sums) * boost->shared->hessian_unit +
		boost->params->l2_regularization;
	double		value = hessian > 0 ? -gradient / hessian : 0;

	return value < lower ? lower : value > upper ? upper : value;
}

/* The search of one feature. */
typedef struct Search
{
	const PfBoost *boost;
	const PfBoostNode *node;
	uint32_t	feature;
	int			direction;		/* monotonic constraint */
	bool		bounded;		/* values may be */
	uint32_t	count;			/* rows of the node */
	double		l2;				/* in units of the hessian */
	double		least_hessian;	/* likewise */
	double		to_gain;		/* from g^2 / h in units to real loss */
	double		unsplit;		/* what the node as it is lowers the loss by, in units */
	PfBoostSplit *best;
	double		best_score;
	double		toll;			/* what a split has to score besides, in units */
} Search;

/* Twice what a side with its own value lowers the loss by, in units. */
static inline double
side_score(const Search *search, PfCell side, double hessian)
{
	double		gradient = pf_cell_gradient(side);

	return gradient * gradient / (hessian + search->l2);
}

/* The same when its value is bounded, in units as well. */
static double
bounded_score(const Search *search, PfCell side, double hessian, double value)
{
	const PfBoostShared *shared = search->boost->shared;
	double		gradient = pf_cell_gradient(side) * shared->gradient_unit;
	double		real = (hessian + search->l2) * shared->hessian_unit;

	return -(2 * gradient * value + real * value * value) / search->to_gain;
}

static void
try_cut(Search *search, PfCell left, uint32_t threshold, bool missing_left)
{
	const PfBoost *boost = search->boost;
	const PfBoostNode *node = search->node;
	PfCell		right = node->sums - left;
	uint32_t	nleft = pf_cell_count(boost, left);
	uint32_t	nright = search->count - nleft;
	double		left_hessian = pf_cell_hessian(boost, left);
	double		right_hessian = pf_cell_hessian(boost, right);
	double		score;

	if (nleft < boost->params->min_samples_leaf || nright < boost->params->min_samples_leaf ||
		left_hessian < search->least_hessian || right_hessian < search->least_hessian)
		return;
	if (search->bounded)
	{
		double		left_value = pf_boost_value(boost, left, node->lower, node->upper);
		double		right_value = pf_boost_value(boost, right, node->lower, node->upper);

		if ((search->direction > 0 && left_value > right_value) ||
			(search->direction < 0 && left_value < right_value))
			return;
		score = bounded_score(search, left, left_hessian, left_value) +
			bounded_score(search, right, right_hessian, right_value);
	}
	else
		score = side_score(search, left, left_hessian) + side_score(search, right, right_hessian);
	score -= search->toll;
	if (!(score > search->best_score))
		return;
	search->best_score = score;
	search->best->found = true;
	search->best->feature = (uint16_t) search->feature;
	search->best->threshold = (uint16_t) threshold;
	search->best->missing_left = missing_left;
	search->best->by_set = false;
	search->best->left = left;
}

/*
 * All cuts of a feature, with what is in left already on the left.  Sums are made first, and then
 * scored LANES at a time; only the best is tried as a cut.
 */
static void
search_unbounded(Search *search, const PfCell *cells, uint32_t nbins, PfCell left, bool missing_left,
				 bool missing_right)
{
	const PfBoost *boost = search->boost;
	const PfBoostNode *node = search->node;
	const PfCell first = left;
	uint32_t	least = boost->params->min_samples_leaf;
	double		gradient = pf_cell_gradient(node->sums);
	double		hessian = pf_cell_hessian(boost, node->sums);
	double		gradients[256];
	double		hessians[256];
	uint8_t		bins[256 + 1];
	Doubles		best = {0};
	Wholes		best_at = {0};
	Wholes		at = {0, 1};
	uint32_t	n = 0,
				found = 0;
	double		score = 0;

	for (uint32_t bin = 0; bin < nbins; bin++)
	{
		uint32_t	count;

		left += cells[bin];
		count = pf_cell_count(boost, left);
		gradients[n] = pf_cell_gradient(left);
		hessians[n] = count < least || search->count - count < least ? -1 : pf_cell_hessian(boost, left);
		bins[n] = (uint8_t) bin;
		n += cells[bin][1] != 0;
	}
	/* behind the last bin there are but missing values, if any */
	n -= !missing_right && n > 0;
	for (uint32_t i = n; i % LANES != 0; i++)
	{
		gradients[i] = 0;
		hessians[i] = -1;
	}
	for (uint32_t i = 0; i < n; i += LANES, at += LANES)
	{
		Doubles		left_gradient,
					right_gradient,
					left_hessian,
					right_hessian,
					scores;
		Wholes		good;

		memcpy(&left_gradient, gradients + i, sizeof(Doubles));
		memcpy(&left_hessian, hessians + i, sizeof(Doubles));
		right_gradient = gradient - left_gradient;
		right_hessian = hessian - left_hessian;
		good = (left_hessian >= search->least_hessian) & (right_hessian >= search->least_hessian);
		left_hessian += search->l2;
		right_hessian += search->l2;
		scores = (left_gradient * left_gradient * right_hessian + right_gradient * right_gradient * left_hessian) /
			(left_hessian * right_hessian);
		good &= scores > best;
		best = (Doubles) (((Wholes) scores & good) | ((Wholes) best & ~good));
		best_at = (at & good) | (best_at & ~good);
	}
	for (int lane = 0; lane < LANES; lane++)
	{
		if (best[lane] > score || (best[lane] == score && best_at[lane] < found))
		{
			score = best[lane];
			found = (uint32_t) best_at[lane];
		}
	}
	if (!(score > search->best_score))
		return;
	left = first;
	for (uint32_t bin = 0; bin <= bins[found]; bin++)
		left += cells[bin];
	try_cut(search, left,
			missing_right && found + 1 == n ? PF_MISSING_BIN - 1 : ((uint32_t) bins[found] + bins[found + 1]) / 2,
			missing_left || (!missing_right && 2 * pf_cell_count(boost, left) >= search->count));
}

static void
search_feature(Search *search, const PfCell *cells, uint32_t ncells)
{
	const PfBoost *boost = search->boost;
	uint32_t	nbins = ncells == 256 ? PF_MISSING_BIN : ncells;
	PfCell		missing = {0, 0};
	PfCell		left = {0, 0};
	int32_t		last = -1;
	bool		missing_here;

	if (ncells == 256)
		missing = cells[PF_MISSING_BIN];
	missing_here = missing[1] != 0;
	if (!search->bounded)
	{
		search_unbounded(search, cells, nbins, left, false, missing_here);
		if (missing_here)
			search_unbounded(search, cells, nbins, missing, true, false);
		return;
	}
	for (uint32_t bin = 0; bin < nbins; bin++)
	{
		if (cells[bin][1] == 0)
			continue;
		if (last >= 0)
		{
			uint32_t	threshold = ((uint32_t) last + bin) / 2;

			try_cut(search, left, threshold,
					!missing_here && 2 * pf_cell_count(boost, left) >= search->count);
			if (missing_here)
				try_cut(search, left + missing, threshold, true);
		}
		left += cells[bin];
		last = (int32_t) bin;
	}
	if (missing_here && last >= 0)
		try_cut(search, left, PF_MISSING_BIN - 1, false);
}

/* A bin of a category feature that has rows in the node. */
typedef struct Part
{
	double		ratio;			/* its place in the order */
	uint8_t		bin;
} Part;

static inline bool
comes_before(Part a, Part b)
{
	return a.ratio < b.ratio || (a.ratio == b.ratio && a.bin < b.bin);
}

/* They are few, and pf_sort_* would take memory for each node and feature: Shell's sort. */
static void
sort_parts(Part *parts, uint32_t n)
{
	for (uint32_t gap = n / 2; gap > 0; gap /= 2)
	{
		for (uint32_t i = gap; i < n; i++)
		{
			Part		part = parts[i];
			uint32_t	j = i;

			for (; j >= gap && comes_before(part, parts[j - gap]); j -= gap)
				parts[j] = parts[j - gap];
			parts[j] = part;
		}
	}
}

/* The bins of a feature that have rows in the node, in the node's order; returns their number. */
static uint32_t
order_bins(const Search *search, const PfCell *cells, uint32_t nbins, Part *parts)
{
	const PfBoost *boost = search->boost;
	double		hessian = pf_cell_hessian(boost, search->node->sums);
	double		mean = hessian > 0 ? pf_cell_gradient(search->node->sums) / hessian : 0;
	double		smooth = 0;
	uint32_t	n = 0;

	for (uint32_t bin = 0; bin < nbins; bin++)
	{
		if (cells[bin][1] != 0)
			parts[n++].bin = (uint8_t) bin;
	}
	if (n > FEW_BINS)
		smooth = boost->params->cat_smooth * hessian / search->count;
	for (uint32_t i = 0; i < n; i++)
	{
		double		own = pf_cell_hessian(boost, cells[parts[i].bin]);

		parts[i].ratio = own + smooth > 0
			? (pf_cell_gradient(cells[parts[i].bin]) - mean * own) / (own + smooth) : 0;
	}
	sort_parts(parts, n);
	return n;
}

/* The best split is the first parts of an order: the bins that go left. */
static void
make_set(const Search *search, const PfCell *cells, uint32_t nbins, const Part *parts, uint32_t nleft)
{
	PfBoostSplit *best = search->best;
	uint32_t	known = search->boost->params->category_bins[search->feature];

	best->by_set = true;
	memset(&best->set, 0, sizeof(PfSet));
	for (uint32_t i = 0; i < nleft; i++)
		pf_add_to_set(&best->set, parts[i].bin);
	if (best->missing_left)
		pf_add_to_set(&best->set, PF_MISSING_BIN);
	if (2 * pf_cell_count(search->boost, best->left) < search->count)
		return;
	for (uint32_t bin = 0; bin < known; bin++)
	{
		if (bin >= nbins || cells[bin][1] == 0)
			pf_add_to_set(&best->set, (uint8_t) bin);
	}
}

/* What the parts of an order would be worth if they were noise, in units. */
static double
noise_gain(const Search *search, const PfCell *cells, const Part *parts, uint32_t n)
{
	const PfBoostShared *shared = search->boost->shared;
	double		rows = 0;		/* inverse ones */

	for (uint32_t i = 0; i < n; i++)
		rows += 1.0 / pf_cell_count(search->boost, cells[parts[i].bin]);
	return (NOISE_GAIN * n + (1 - NOISE_GAIN) * rows) * (n - 1) / n * shared->noise / search->to_gain;
}

static void
search_sets(Search *search, const PfCell *cells, uint32_t ncells)
{
	const PfBoost *boost = search->boost;
	const PfBoostParams *params = boost->params;
	uint32_t	nbins = ncells == 256 ? PF_MISSING_BIN : ncells;
	double		score = search->best_score;
	double		l2 = search->l2;
	PfCell		missing = {0, 0};
	PfCell		left = {0, 0};
	Part		parts[PF_MAX_BINS];
	uint32_t	n = order_bins(search, cells, nbins, parts);
	bool		missing_here;

	if (ncells == 256)
		missing = cells[PF_MISSING_BIN];
	missing_here = missing[1] != 0;
	if (n > FEW_BINS)
	{
		search->l2 += params->cat_l2 / boost->shared->hessian_unit;
		search->toll = noise_gain(search, cells, parts, n);
	}
	for (uint32_t i = 0; i + 1 < n; i++)
	{
		left += cells[parts[i].bin];
		try_cut(search, left, i + 1, !missing_here && 2 * pf_cell_count(boost, left) >= search->count);
		if (missing_here)
			try_cut(search, left + missing, i + 1, true);
	}
	search->l2 = l2;
	search->toll = 0;
	if (search->best_score > score)
		make_set(search, cells, nbins, parts, search->best->threshold);
	/* no choice of bins: a threshold says it */
	if (missing_here && n > 0)
		try_cut(search, search->node->sums - missing, PF_MISSING_BIN - 1, false);
}

/* Marks the features that a node draws among those of its tree. */
static void
draw_features(PfBoost *boost, uint32_t number)
{
	uint32_t	nfeatures = boost->matrix->nfeatures;
	uint64_t	stream = pf_random_stream(boost->params->seed, PF_CHOOSE_FEATURES,
										  boost->shared->tree, number);
	uint32_t	n = 0;

	for (uint32_t f = 0; f < nfeatures; f++)
	{
		if (boost->used[f])
			boost->drawn[n++] = f;
	}
	memset(boost->wanted, 0, nfeatures);
	for (uint32_t i = 0; i < n && i < boost->params->max_features; i++)
	{
		uint32_t	other = i + pf_random_below(stream, i, n - i);
		uint32_t	feature = boost->drawn[other];

		boost->drawn[other] = boost->drawn[i];
		boost->wanted[feature] = 1;
	}
}

void
pf_boost_search(PfBoost *boost, const PfBoostNode *node, uint32_t number, uint32_t range,
				PfBoostSplit *best)
{
	const PfBoostShared *shared = boost->shared;
	const PfBoostParams *params = boost->params;
	const PfCell *cells = boost->cells + (size_t) node->slot * boost->sizes.ncells;
	const uint8_t *wanted = boost->used;
	double		hessian = pf_cell_hessian(boost, node->sums);
	Search		search = {
		.boost = boost,.node = node,.best = best,
		.bounded = params->monotonic != NULL,
		.count = pf_cell_count(boost, node->sums),
		.l2 = params->l2_regularization / shared->hessian_unit,
		.least_hessian = LEAST_HESSIAN * shared->mean_weight / shared->hessian_unit,
		.to_gain = shared->gradient_unit * shared->gradient_unit / shared->hessian_unit
	};

	memset(best, 0, sizeof(*best));
	if (params->max_features < params->tree_features)
	{
		draw_features(boost, number);
		wanted = boost->wanted;
	}
	search.unsplit = search.bounded
		? bounded_score(&search, node->sums, hessian,
						pf_boost_value(boost, node->sums, node->lower, node->upper))
		: side_score(&search, node->sums, hessian);
	search.best_score = search.unsplit > 0 ? search.unsplit * (1 + LEAST_GAIN) : 0;
	for (uint32_t f = pf_range_start(boost, range); f < pf_range_start(boost, range + 1); f++)
	{
		if (!wanted[f])
			continue;
		search.feature = f;
		search.direction = params->monotonic ? params->monotonic[f] : 0;
		if (params->category_bins != NULL && params->category_bins[f] > 0)
			search_sets(&search, cells + boost->start[f], boost->start[f + 1] - boost->start[f]);
		else
			search_feature(&search, cells + boost->start[f], boost->start[f + 1] - boost->start[f]);
		pf_check(boost->env);
	}
	if (best->found)
		best->gain = (search.best_score - search.unsplit) * search.to_gain / 2;
}

/* A histogram less another, for the features of a range. */
void
pf_boost_subtract(PfBoost *boost, uint32_t from, uint32_t what, uint32_t range)
{
	PfCell	   *left = boost->cells + (size_t) from * boost->sizes.ncells;
	const PfCell *right = boost->cells + (size_t) what * boost->sizes.ncells;
	uint32_t	end = boost->start[pf_range_start(boost, range + 1)];

	for (uint32_t i = boost->start[pf_range_start(boost, range)]; i < end; i++)
	{
		left[i] -= right[i];
		if (i % 262144 == 0)
			pf_check(boost->env);
	}
}

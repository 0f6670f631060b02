/*
 * cuts.c
 *	  Cut points of numbers, and the order and bins of categories.
 *
 * Memory: bins->cuts stays with the caller, scratch goes back to env.
 */
#include "engine/bins/cuts.h"
#include "engine/bins/hash.h"
#include "engine/bins/sort.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define PIECE			65536	/* elements between two checks */
#define POWER_STEPS		50		/* of the power iteration; fixed, so that bytes repeat */

/* A number that parts two neighbours: a <= result < b, also at the ends of the range. */
static double
cut_between(double a, double b)
{
	double		low = a < -DBL_MAX ? -DBL_MAX : a;
	double		high = b > DBL_MAX ? DBL_MAX : b;
	double		middle = low / 2 + high / 2;

	return middle >= a && middle < b ? middle : a;
}

/*
 * Deals n counted values, in their order, into at most max_bins bins of about
 * equal counts; first[b] is the first value of bin b.  Returns the number of bins.
 *
 * A value that holds a bin's share or more is "big" and gets a bin to itself;
 * the rest divide what is left of rows and bins.  Only when the bins run out do
 * the small values before a big one join it.
 */
static uint32_t
deal_bins(const PfEnv *env, const double *count, size_t n, uint32_t max_bins,
		  uint32_t *first)
{
	uint8_t    *big = pf_alloc(env, n);
	double		rows = 0;		/* in small values that have no bin yet */
	uint32_t	free_bins = max_bins;	/* for them */
	size_t		small = 0;		/* values among them */
	uint32_t	nbins = 0;
	double		open = 0;		/* rows of the bin being filled */
	bool		empty = true;	/* does it hold no value yet? */
	bool		changed;

	memset(big, 0, n);
	for (size_t i = 0; i < n; i++)
		rows += count[i];
	small = n;

	/* big values leave less for the others, which may make more values big */
	do
	{
		double		limit = rows / free_bins;

		pf_check(env);
		changed = false;
		for (size_t i = 0; i < n && free_bins > 1; i++)
		{
			if (i % PIECE == PIECE - 1)
				pf_check(env);
			if (big[i] || !(count[i] > 0) || count[i] < limit)
				continue;
			big[i] = 1;
			changed = true;
			rows -= count[i];
			free_bins--;
			small--;
		}
	} while (changed);

	for (size_t i = 0; i < n; i++)
	{
		bool		close = false;

		if (i % PIECE == PIECE - 1)
			pf_check(env);
		if (!empty)
		{
			if (big[i])
				close = free_bins > 1 || small == 0;
			else
				close = free_bins > 1 &&
					(2 * open + count[i]) * free_bins > 2 * rows;
		}
		if (close)
		{
			rows -= open;
			free_bins--;
			empty = true;
		}
		if (empty)
		{
			first[nbins++] = (uint32_t) i;
			open = 0;
		}
		if (big[i])
		{
			/* small values that had to join it take their rows along */
			rows -= open;
			open = 0;
			empty = true;
		}
		else
		{
			open += count[i];
			small--;
			empty = false;
		}
	}
	pf_release(env, big);
	return nbins;
}

/* Values in order, each once, and how often there are; returns how many. */
size_t
pf_count_values(const PfEnv *env, double *values, size_t n, double *count)
{
	size_t		distinct = 0;

	pf_sort_numbers(env, values, n);
	for (size_t i = 0; i < n; i++)
	{
		if (i % PIECE == 0)
			pf_check(env);
		if (distinct > 0 && values[distinct - 1] == values[i])
			count[distinct - 1]++;
		else
		{
			values[distinct] = values[i];
			count[distinct++] = 1;
		}
	}
	return distinct;
}

/* Bins that begin with the values number first[b], the first of them with the first. */
static void
place_cuts(const PfEnv *env, const double *values, const uint32_t *first, uint32_t nbins,
		   PfBins *bins)
{
	bins->nbins = nbins;
	if (nbins < 2)
		return;
	bins->cuts = pf_alloc(env, (nbins - 1) * sizeof(double));
	for (uint32_t b = 1; b < nbins; b++)
		bins->cuts[b - 1] = cut_between(values[first[b] - 1], values[first[b]]);
}

/* Cut points of a number from a sample of its values, counted. */
void
pf_cut_counted(const PfEnv *env, const double *values, const double *count, size_t n,
			   uint32_t max_bins, PfBins *bins)
{
	uint32_t	first[PF_MAX_BINS];
	uint32_t	nbins;

	bins->kind = PF_NUMBER;
	bins->nbins = 0;
	bins->cuts = NULL;
	if (n == 0)
		return;
	if (n <= max_bins)
	{
		nbins = (uint32_t) n;
		for (uint32_t b = 0; b < nbins; b++)
			first[b] = b;
	}
	else
		nbins = deal_bins(env, count, n, max_bins, first);
	place_cuts(env, values, first, nbins, bins);
}

void
pf_cut_numbers(const PfEnv *env, double *values, size_t n, uint32_t max_bins,
			   PfBins *bins)
{
	double	   *count = pf_alloc(env, (n + 1) * sizeof(double));

	n = pf_count_values(env, values, n, count);
	pf_cut_counted(env, values, count, n, max_bins, bins);
	pf_release(env, count);
}

static double
make_finite(double value)
{
	return value < -DBL_MAX ? -DBL_MAX : value > DBL_MAX ? DBL_MAX : value;
}

/* Which of so many cells of equal width a value lies in. */
static uint32_t
cell_of(double value, double low, double high, uint32_t cells)
{
	double		cell = (value / 2 - low / 2) / (high / 2 - low / 2) * cells;

	return cell >= cells ? cells - 1 : (uint32_t) cell;
}

/* A bin begins where one of equal counts does, or a cell of equal width. */
void
pf_cut_spread(const PfEnv *env, const double *values, const double *count, size_t n,
			  uint32_t max_bins, PfBins *bins, double *positions)
{
	uint32_t	first[PF_MAX_BINS + 1] = {0};
	uint32_t	nbins = 0;

	bins->kind = PF_NUMBER;
	bins->nbins = 0;
	bins->cuts = NULL;
	if (n == 0)
		return;
	if (n <= max_bins)
	{
		for (; nbins < n; nbins++)
			first[nbins] = nbins;
	}
	else
	{
		uint32_t	by_count[PF_MAX_BINS];
		uint32_t	half = max_bins / 2 > 1 ? max_bins / 2 : 1;
		uint32_t	ncounts = deal_bins(env, count, n, half, by_count);
		uint32_t	next = 0;
		uint32_t	cell = UINT32_MAX;
		double		low = make_finite(values[0]);
		double		high = make_finite(values[n - 1]);

		for (uint32_t i = 0; i < n; i++)
		{
			uint32_t	into = cell_of(make_finite(values[i]), low, high, max_bins - half + 1);
			bool		begins = into != cell;

			if (i % PIECE == PIECE - 1)
				pf_check(env);
			if (next < ncounts && by_count[next] == i)
			{
				begins = true;
				next++;
			}
			if (begins)
				first[nbins++] = i;
			cell = into;
		}
	}
	place_cuts(env, values, first, nbins, bins);
	first[nbins] = (uint32_t) n;
	for (uint32_t b = 0; b < nbins; b++)
		positions[b] = make_finite(values[first[b]]) / 2 + make_finite(values[first[b + 1] - 1]) / 2;
}

/*
 * The first principal component of the categories' smoothed class shares, as
 * their scores, by power iteration.  An entry's deviation from the overall
 * shares is (stats - count * overall) / (count + prior); the matrix of
 * covariances is never built.
 */
static void
project_classes(const PfEnv *env, uint32_t width, const double *stats,
				const double *count, uint32_t n, const double *overall, double *score)
{
	double	   *axis = pf_alloc(env, 2 * (size_t) width * sizeof(double));
	double	   *next = axis + width;
	size_t		work = 0;
	uint32_t	largest = 0;

	/* any start that is not orthogonal to the component will do */
	for (uint32_t c = 0; c < width; c++)
		axis[c] = (double) (pf_mix64(c + 1) >> 11) / 9007199254740992.0 - 0.5;

	for (int step = 0; step <= POWER_STEPS; step++)
	{
		double		along = 0;	/* of the overall shares */
		double		norm = 0;

		for (uint32_t c = 0; c < width; c++)
		{
			along += overall[c] * axis[c];
			next[c] = 0;
		}
		for (uint32_t e = 0; e < n; e++)
		{
			const double *entry = stats + (size_t) e * width;
			double		scale = 1.0 / (count[e] + PF_CATEGORY_PRIOR);
			double		dot = 0;

			work += 2 * (size_t) width;
			if (work >= PIECE)
			{
				pf_check(env);
				work = 0;
			}
			for (uint32_t c = 0; c < width; c++)
				dot += entry[c] * axis[c];
			score[e] = (dot - count[e] * along) * scale;
			if (step == POWER_STEPS)
				continue;
			for (uint32_t c = 0; c < width; c++)
				next[c] += count[e] * score[e] * scale * (entry[c] - count[e] * overall[c]);
		}
		if (step == POWER_STEPS)
			break;
		for (uint32_t c = 0; c < width; c++)
			norm += next[c] * next[c];
		norm = sqrt(norm);
		if (!(norm > 0))
			break;				/* all categories alike: the scores are 0 */
		for (uint32_t c = 0; c < width; c++)
			axis[c] = next[c] / norm;
	}

	/* a component has no direction of its own */
	for (uint32_t c = 1; c < width; c++)
		if (fabs(axis[c]) > fabs(axis[largest]))
			largest = c;
	if (axis[largest] < 0)
		for (uint32_t e = 0; e < n; e++)
			score[e] = -score[e];
	pf_release(env, axis);
}

/* The score of each category, by which they are ordered. */
static void
score_categories(const PfEnv *env, uint32_t width, const double *stats,
				 const double *count, uint32_t n, double *score)
{
	double	   *overall;
	double		rows = 0;
	size_t		work = 0;

	if (width == 0)
	{
		memcpy(score, count, n * sizeof(double));
		return;
	}
	overall = pf_alloc(env, width * sizeof(double));

	for (uint32_t c = 0; c < width; c++)
		overall[c] = 0;
	for (uint32_t e = 0; e < n; e++)
	{
		work += width;
		if (work >= PIECE)
		{
			pf_check(env);
			work = 0;
		}
		rows += count[e];
		for (uint32_t c = 0; c < width; c++)
			overall[c] += stats[(size_t) e * width + c];
	}
	for (uint32_t c = 0; c < width; c++)
		overall[c] = rows > 0 ? overall[c] / rows : 0;

	if (width > 2)
		project_classes(env, width, stats, count, n, overall, score);
	else
	{
		/* one value, or the second class's share */
		for (uint32_t e = 0; e < n; e++)
			score[e] = (stats[(size_t) e * width + width - 1] +
						PF_CATEGORY_PRIOR * overall[width - 1]) /
				(count[e] + PF_CATEGORY_PRIOR);
	}
	pf_release(env, overall);
}

/* By score; equal ones by entry, that is by bytes. */
static int
compare_scores(uint32_t a, uint32_t b, const void *arg)
{
	const double *score = arg;

	if (score[a] != score[b])
		return score[a] < score[b] ? -1 : 1;
	return a < b ? -1 : a > b;
}

/* The order and bins of a feature's categories. */
void
pf_cut_categories(const PfEnv *env, uint32_t width, const double *stats,
				  const double *count, uint32_t max_bins, PfBins *bins)
{
	uint32_t	n = bins->ncategories;
	double	   *score;
	uint32_t   *order;

	bins->kind = PF_CATEGORY;
	bins->nbins = 0;
	bins->category_bin = NULL;
	if (n == 0)
		return;

	score = pf_alloc(env, n * sizeof(double));
	order = pf_alloc(env, n * sizeof(uint32_t));
	bins->category_bin = pf_alloc(env, n);

	score_categories(env, width, stats, count, n, score);
	for (uint32_t e = 0; e < n; e++)
		order[e] = e;
	pf_sort_indexes(env, order, n, compare_scores, score);

	if (n <= max_bins)
	{
		bins->nbins = n;
		for (uint32_t rank = 0; rank < n; rank++)
			bins->category_bin[order[rank]] = (uint8_t) rank;
	}
	else
	{
		uint32_t	first[PF_MAX_BINS];
		double	   *ranked = score;	/* its values are no longer needed */
		uint32_t	bin = 0;

		/* one row more each: those that the sample missed exist as well */
		for (uint32_t rank = 0; rank < n; rank++)
			ranked[rank] = count[order[rank]] + 1;
		bins->nbins = deal_bins(env, ranked, n, max_bins, first);
		for (uint32_t rank = 0; rank < n; rank++)
		{
			if (bin + 1 < bins->nbins && first[bin + 1] <= rank)
				bin++;
			bins->category_bin[order[rank]] = (uint8_t) bin;
		}
	}
	pf_release(env, order);
	pf_release(env, score);
}

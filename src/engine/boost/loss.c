/*
 * loss.c
 *	  What the losses have to say: where to begin, gradients, leaves.
 *
 * Definitions are scikit-learn's.  The hessian of the absolute error and of a
 * quantile is 1, and their leaves are set anew to the quantile of what is left.
 */
#include <string.h>

#include "engine/bins/sort.h"
#include "engine/boost/parts.h"
#include "engine/grow/random.h"
#include "engine/walk/output.h"

#define CHECK_EVERY 8192		/* rows */
#define BLOCK		256			/* rows whose gradients are made together */
#define LARGEST		700.0		/* of an exponent */
#define TINY		1e-15		/* the least share of a class */

#define LANES	2				/* what every processor of 64 bits can do at once */

typedef double Doubles __attribute__((vector_size(LANES * sizeof(double))));
typedef int64_t Wholes __attribute__((vector_size(LANES * sizeof(int64_t))));

static inline double
bounded(double exponent)
{
	return exponent > LARGEST ? LARGEST : exponent < -LARGEST ? -LARGEST : exponent;
}

/* Does a tree of the round whose stream it is see the row? */
bool
pf_boost_sampled(const PfBoost *boost, uint64_t stream, uint32_t row)
{
	if (pf_is_apart(boost, row))
		return false;
	return boost->params->subsample >= 1 ||
		(double) (pf_random(stream, row) >> 11) < boost->params->subsample * 9007199254740992.0;
}

/* ----- quantiles ----- */

static uint64_t
ascending_key(double value)
{
	uint64_t	bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

/*
 * The value below which a share of the weight lies; between two values their mean.
 * Values may change places.
 */
static double
quantile_of(const PfEnv *env, double *values, const double *weights, uint32_t n, double share)
{
	PfItem	   *items;
	double		all = 0,
				below = 0;
	double		result;

	if (weights == NULL)
	{
		double		place = share * n;
		uint32_t	k = (uint32_t) place;

		pf_sort_numbers(env, values, n);
		if (k > 0 && k < n && place == k)
			return values[k - 1] + (values[k] - values[k - 1]) / 2;
		return values[k < n ? k : n - 1];
	}
	items = pf_alloc(env, n * sizeof(PfItem));
	for (uint32_t i = 0; i < n; i++)
	{
		items[i] = (PfItem) {.key = ascending_key(values[i]),.index = i};
		all += weights[i];
		if (i % CHECK_EVERY == 0)
			pf_check(env);
	}
	pf_sort_items(env, items, n);
	result = values[items[n - 1].index];
	for (uint32_t i = 0; i < n; i++)
	{
		if (i % CHECK_EVERY == 0)
			pf_check(env);
		below += weights[items[i].index];
		if (below < share * all)
			continue;
		result = values[items[i].index];
		if (below == share * all && i + 1 < n)
			result += (values[items[i + 1].index] - result) / 2;
		break;
	}
	pf_release(env, items);
	return result;
}

/* The quantile of what is left to predict of some rows: all, or those of a node. */
static double
residual_quantile(PfBoost *boost, const uint32_t *rows, uint32_t n, bool fresh)
{
	const PfEnv *env = boost->env;
	bool		weighted = boost->matrix->weight != NULL;
	double	   *values = pf_alloc(env, ((size_t) n + 1) * sizeof(double));
	double	   *weights = weighted ? pf_alloc(env, ((size_t) n + 1) * sizeof(double)) : NULL;
	double		share = boost->params->loss == PF_LOSS_QUANTILE ? boost->params->quantile : 0.5;
	uint32_t	used = 0;
	double		result;

	for (uint32_t i = 0; i < n; i++)
	{
		uint32_t	row = rows ? rows[i] : i;

		if (i % CHECK_EVERY == 0)
			pf_check(env);
		if (pf_is_apart(boost, row))
			continue;
		if (weighted)
			weights[used] = boost->matrix->weight[row];
		values[used++] = boost->matrix->target[row] - (fresh ? 0 : boost->raw[row]);
	}
	result = used > 0 ? quantile_of(env, values, weights, used, share) : 0;
	pf_release(env, values);
	pf_release(env, weights);
	return result;
}

void
pf_boost_renew(PfBoost *boost, uint32_t number)
{
	const PfBoostNode *node = &boost->nodes[number];

	if (!pf_is_leaf(&boost->tree[number]))
		return;
	boost->values[number] = boost->params->learning_rate *
		residual_quantile(boost, boost->order + node->start, node->n, false);
}

/* ----- where to begin ----- */

void
pf_boost_base(PfBoost *boost, double *base)
{
	const PfMatrix *matrix = boost->matrix;
	double		counts[PF_MAX_CLASSES] = {0};
	double		all = 0,
				sum = 0,
				mean = 0;

	if (boost->params->loss == PF_LOSS_ABSOLUTE_ERROR || boost->params->loss == PF_LOSS_QUANTILE)
	{
		base[0] = residual_quantile(boost, NULL, matrix->nrows, true);
		return;
	}
	for (uint32_t i = 0; i < matrix->nrows; i++)
	{
		double		weight;

		if (i % CHECK_EVERY == 0)
			pf_check(boost->env);
		if (pf_is_apart(boost, i))
			continue;
		weight = pf_boost_weight(boost, i);
		all += weight;
		if (matrix->nclasses)
			counts[matrix->label[i]] += weight;
		else
			sum += weight * matrix->target[i];
	}
	if (matrix->nclasses == 0)
	{
		base[0] = boost->params->loss == PF_LOSS_POISSON ? log(sum / all) : sum / all;
		return;
	}
	for (uint32_t c = 0; c < matrix->nclasses; c++)
	{
		double		share = counts[c] / all;

		counts[c] = share < TINY ? TINY : share > 1 - TINY ? 1 - TINY : share;
	}
	if (boost->nsums == 1)
	{
		base[0] = log(counts[1] / (1 - counts[1]));
		return;
	}
	for (uint32_t c = 0; c < matrix->nclasses; c++)
		mean += log(counts[c]) / matrix->nclasses;
	for (uint32_t c = 0; c < matrix->nclasses; c++)
		base[c] = log(counts[c]) - mean;
}

/* ----- many classes: all shares of a row at once, before the round's trees ----- */

void
pf_boost_shares(PfBoost *boost, uint32_t piece)
{
	PfPieceSums *sums = &boost->piece_sums[piece];
	uint32_t	width = boost->nsums;
	double		out[PF_MAX_CLASSES];

	sums->loss = sums->weight = 0;
	for (uint32_t row = pf_piece_start(boost, piece); row < pf_piece_end(boost, piece); row++)
	{
		float	   *shares = boost->shares + (size_t) row * width;

		if (row % (CHECK_EVERY / 64) == 0)
			pf_check(boost->env);
		memcpy(out, boost->raw + (size_t) row * width, width * sizeof(double));
		pf_link_apply(PF_LINK_SOFTMAX, width, out);
		for (uint32_t c = 0; c < width; c++)
			shares[c] = (float) out[c];
		if (pf_is_apart(boost, row))
		{
			double		weight = pf_boost_weight(boost, row);
			double		share = out[boost->matrix->label[row]];

			sums->weight += weight;
			sums->loss -= weight * log(share > 1e-300 ? share : 1e-300);
		}
	}
}

/* ----- gradients ----- */

static double
loss_of(const PfBoost *boost, uint32_t row, double raw)
{
	double		target = boost->matrix->nclasses ? boost->matrix->label[row] : boost->matrix->target[row];
	double		rest = target - raw;

	switch (boost->params->loss)
	{
		case PF_LOSS_SQUARED_ERROR:
			return rest * rest / 2;
		case PF_LOSS_ABSOLUTE_ERROR:
			return fabs(rest);
		case PF_LOSS_QUANTILE:
			return rest >= 0 ? boost->params->quantile * rest : (boost->params->quantile - 1) * rest;
		case PF_LOSS_POISSON:
			return exp(bounded(raw)) - target * raw;
		case PF_LOSS_LOG:
			raw = bounded(raw);
			return (raw > 0 ? raw + log1p(exp(-raw)) : log1p(exp(raw))) - target * raw;
	}
	return 0;
}

/*
 * Shares of the positive class by log-odds: n is a multiple of LANES.  exp() is made here, of what
 * is left of the exponent by powers of two: the same everywhere.
 */
static void
shares_of(const double *raw, double *share, uint32_t n)
{
	const double log2e = 1.4426950408889634;
	const double ln2_high = 0.693145751953125;
	const double ln2_low = 1.4286068203094172e-06;
	const double whole = 6755399441055744.0;	/* 1.5 x 2^52: adding it rounds */

	for (uint32_t i = 0; i < n; i += LANES)
	{
		Doubles		x,
					power,
					rest,
					sum;
		Wholes		exponent,
					beyond;

		memcpy(&x, raw + i, sizeof(x));
		beyond = x > LARGEST;
		x = (Doubles) (((Wholes) x & ~beyond) | ((Wholes) ((Doubles) {} + LARGEST) & beyond));
		beyond = x < -LARGEST;
		x = -(Doubles) (((Wholes) x & ~beyond) | ((Wholes) ((Doubles) {} - LARGEST) & beyond));
		power = x * log2e + whole;
		exponent = (Wholes) power << 52;
		power -= whole;
		rest = x - power * ln2_high - power * ln2_low;
		sum = rest * (1.0 / 3628800) + 1.0 / 362880;
		sum = sum * rest + 1.0 / 40320;
		sum = sum * rest + 1.0 / 5040;
		sum = sum * rest + 1.0 / 720;
		sum = sum * rest + 1.0 / 120;
		sum = sum * rest + 1.0 / 24;
		sum = sum * rest + 1.0 / 6;
		sum = sum * rest + 0.5;
		sum = sum * rest + 1;
		sum = sum * rest + 1;
		sum = (Doubles) ((Wholes) sum + exponent);
		sum = 1 / (1 + sum);
		memcpy(share + i, &sum, sizeof(sum));
	}
}

/* Of one sum, for n rows: of the value, the log-odds, or the share of one of many classes. */
static void
derive(const PfBoost *boost, uint32_t first, uint32_t n, const double *raw,
	   double *gradient, double *hessian)
{
	const PfMatrix *matrix = boost->matrix;
	const double *target = matrix->target ? matrix->target + first : NULL;
	const uint32_t *label = matrix->label ? matrix->label + first : NULL;
	double		quantile = boost->params->quantile;
	uint32_t	sum = boost->shared->sum;

	for (uint32_t i = 0; i < n; i++)
		hessian[i] = 1;
	switch (boost->params->loss)
	{
		case PF_LOSS_SQUARED_ERROR:
			for (uint32_t i = 0; i < n; i++)
				gradient[i] = (raw[i] - target[i]) * boost->shared->target_scale;
			break;
		case PF_LOSS_ABSOLUTE_ERROR:
			for (uint32_t i = 0; i < n; i++)
				gradient[i] = raw[i] > target[i] ? 1 : -1;
			break;
		case PF_LOSS_QUANTILE:
			for (uint32_t i = 0; i < n; i++)
				gradient[i] = raw[i] > target[i] ? 1 - quantile : -quantile;
			break;
		case PF_LOSS_POISSON:
			for (uint32_t i = 0; i < n; i++)
			{
				hessian[i] = exp(bounded(raw[i]));
				gradient[i] = hessian[i] - target[i];
			}
			break;
		case PF_LOSS_LOG:
			if (boost->shares == NULL)
			{
				shares_of(raw, gradient, (n + LANES - 1) / LANES * LANES);
				sum = 1;
			}
			else
			{
				for (uint32_t i = 0; i < n; i++)
					gradient[i] = boost->shares[(size_t) (first + i) * boost->nsums + sum];
			}
			for (uint32_t i = 0; i < n; i++)
			{
				hessian[i] = gradient[i] * (1 - gradient[i]);
				gradient[i] -= label[i] == sum;
			}
			break;
	}
}

/*
 * One pass over a piece of all rows: the last tree is added, gradients are made, the
 * rows that the next tree sees are counted, and the loss of those set apart is
 * summed up (of many classes: by pf_boost_shares).  plain: every row is seen by every
 * tree, none is set apart, and all weigh 1.
 */
static inline __attribute__((always_inline)) void
pass(PfBoost *boost, uint32_t piece, const bool plain)
{
	const PfBoostShared *shared = boost->shared;
	const PfBoostParams *params = boost->params;
	const PfMatrix *matrix = boost->matrix;
	const uint32_t *leaves = boost->spare;
	const double *values = boost->values;
	PfPieceSums *sums = &boost->piece_sums[piece];
	uint64_t	last = pf_random_stream(params->seed, PF_CHOOSE_ROWS, shared->last_round, 0);
	uint64_t	next = pf_random_stream(params->seed, PF_CHOOSE_ROWS, shared->round, 0);
	bool		measure = params->n_iter_no_change > 0 && boost->shares == NULL;
	bool		update = shared->update;
	bool		sampling = shared->sampling && !plain;
	uint32_t	nsums = boost->nsums;
	uint32_t	last_sum = shared->last_sum;
	uint32_t	sampled = 0;
	double		hessian_sum = 0,
				squares = 0,
				largest_gradient = 0,
				largest_hessian = 0;

	memset(sums, 0, sizeof(*sums));
	for (uint32_t start = pf_piece_start(boost, piece), end = pf_piece_end(boost, piece); start < end; start += BLOCK)
	{
		uint32_t	n = end - start < BLOCK ? end - start : BLOCK;
		double		raw[BLOCK];
		double		gradients[BLOCK];
		double		hessians[BLOCK];

		if (start % CHECK_EVERY == 0)
			pf_check(boost->env);
		for (uint32_t i = 0; i < n; i++)
		{
			uint32_t	row = start + i;
			double	   *of_row = boost->raw + (size_t) row * nsums;

			if (update)
			{
				uint32_t	leaf = !sampling || pf_boost_sampled(boost, last, row) ? leaves[row]
					: pf_tree_leaf_by_sets(boost->tree, boost->sets, matrix->bins + (size_t) row * matrix->stride);

				of_row[last_sum] += values[leaf];
			}
			raw[i] = of_row[0];
			if (!plain && measure && pf_is_apart(boost, row))
			{
				double		weight = pf_boost_weight(boost, row);

				sums->weight += weight;
				sums->loss += weight * loss_of(boost, row, raw[i]);
			}
		}
		if (!shared->derive)
			continue;
		for (uint32_t i = n; i % LANES != 0; i++)
			raw[i] = 0;
		derive(boost, start, n, raw, gradients, hessians);
		for (uint32_t i = 0; i < n; i++)
		{
			uint32_t	row = start + i;
			double		weight = plain ? 1 : pf_boost_weight(boost, row);
			double		gradient = gradients[i] * weight;
			double		hessian = hessians[i] * weight;
			double		size = fabs(gradient);

			if (sampling && !pf_boost_sampled(boost, next, row))
				continue;
			boost->gradients[row].real.gradient = (float) gradient;
			boost->gradients[row].real.hessian = (float) hessian;
			sampled++;
			hessian_sum += hessian;
			squares += gradient * gradient;
			largest_gradient = size > largest_gradient ? size : largest_gradient;
			largest_hessian = hessian > largest_hessian ? hessian : largest_hessian;
		}
	}
	sums->sampled = sampled;
	sums->hessian = hessian_sum;
	sums->squares = squares;
	sums->largest_gradient = largest_gradient;
	sums->largest_hessian = largest_hessian;
}

void
pf_boost_gradients(PfBoost *boost, uint32_t piece)
{
	if (boost->shared->sampling || boost->class_weight != NULL || boost->matrix->weight != NULL)
		pass(boost, piece, false);
	else
		pass(boost, piece, true);
}

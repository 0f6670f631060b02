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
#define LARGEST		700.0		/* of an exponent */
#define TINY		1e-15		/* the least share of a class */

static double
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
	for (uint32_t row = piece * PF_PIECE; row < pf_piece_end(boost, piece); row++)
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

/* Of one sum: of the value, the log-odds, or the share of one of many classes. */
static inline void
derive(const PfBoost *boost, uint32_t row, double raw, double *gradient, double *hessian)
{
	const PfMatrix *matrix = boost->matrix;
	double		share;

	*gradient = 0;
	*hessian = 1;
	switch (boost->params->loss)
	{
		case PF_LOSS_SQUARED_ERROR:
			*gradient = raw - matrix->target[row];
			break;
		case PF_LOSS_ABSOLUTE_ERROR:
			*gradient = raw > matrix->target[row] ? 1 : -1;
			break;
		case PF_LOSS_QUANTILE:
			*gradient = raw > matrix->target[row] ? 1 - boost->params->quantile : -boost->params->quantile;
			break;
		case PF_LOSS_POISSON:
			*hessian = exp(bounded(raw));
			*gradient = *hessian - matrix->target[row];
			break;
		case PF_LOSS_LOG:
			if (boost->shares == NULL)
			{
				share = 1 / (1 + exp(-bounded(raw)));
				*gradient = share - matrix->label[row];
			}
			else
			{
				share = boost->shares[(size_t) row * boost->nsums + boost->shared->sum];
				*gradient = share - (matrix->label[row] == boost->shared->sum);
			}
			*hessian = share * (1 - share);
			break;
	}
}

/*
 * One pass over a piece of all rows: the last tree is added, gradients are made, the
 * rows that the next tree sees are counted, and the loss of those set apart is
 * summed up (of many classes: by pf_boost_shares).
 */
void
pf_boost_gradients(PfBoost *boost, uint32_t piece)
{
	const PfBoostShared *shared = boost->shared;
	const PfBoostParams *params = boost->params;
	const PfMatrix *matrix = boost->matrix;
	PfPieceSums *sums = &boost->piece_sums[piece];
	uint64_t	last = pf_random_stream(params->seed, PF_CHOOSE_ROWS, shared->last_round, 0);
	uint64_t	next = pf_random_stream(params->seed, PF_CHOOSE_ROWS, shared->round, 0);
	bool		measure = params->n_iter_no_change > 0 && boost->shares == NULL;

	memset(sums, 0, sizeof(*sums));
	for (uint32_t row = piece * PF_PIECE; row < pf_piece_end(boost, piece); row++)
	{
		double	   *raw = boost->raw + (size_t) row * boost->nsums;
		double		gradient,
					hessian,
					weight;

		if (row % CHECK_EVERY == 0)
			pf_check(boost->env);
		if (shared->update)
		{
			uint32_t	leaf = !shared->sampling || pf_boost_sampled(boost, last, row)
				? boost->spare[row]
				: pf_tree_leaf_by_sets(boost->tree, boost->sets, matrix->bins + (size_t) row * matrix->stride);

			raw[shared->last_sum] += boost->values[leaf];
		}
		if (measure && pf_is_apart(boost, row))
		{
			weight = pf_boost_weight(boost, row);
			sums->weight += weight;
			sums->loss += weight * loss_of(boost, row, raw[0]);
		}
		if (!shared->derive || (shared->sampling && !pf_boost_sampled(boost, next, row)))
			continue;
		derive(boost, row, raw[0], &gradient, &hessian);
		weight = pf_boost_weight(boost, row);
		gradient *= weight;
		hessian *= weight;
		boost->gradients[row].real.gradient = (float) gradient;
		boost->gradients[row].real.hessian = (float) hessian;
		sums->sampled++;
		sums->hessian += hessian;
		sums->squares += gradient * gradient;
		gradient = fabs(gradient);
		if (gradient > sums->largest_gradient)
			sums->largest_gradient = gradient;
		if (hessian > sums->largest_hessian)
			sums->largest_hessian = hessian;
	}
}

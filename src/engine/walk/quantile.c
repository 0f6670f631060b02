/*
 * quantile.c
 *	  Quantiles of a prediction.
 *
 * Weights are integers, so their sums are exact.  Ranks are not sorted but counted, in two steps:
 * by their high byte, then within the one that a quantile falls into by the low byte.
 */
#include <string.h>

#include "engine/walk/quantile.h"

#define ONE			(UINT64_C(1) << 32)	/* weight of a tree; of 2^31 trees the sum fits */
#define CHECK_EVERY 1000000		/* samples between two checks for interrupts */

typedef struct Count
{
	const PfEnv *env;
	const PfModel *model;
	const PfSpan *spans;
	uint64_t	work;			/* since the last check */
} Count;

/* The samples of the node on the row's way that answers for the tree. */
static PfSpan
find_span(const PfModel *model, uint32_t t, const uint8_t *row)
{
	const PfSamples *samples = &model->samples;
	const PfNode *tree = model->nodes + model->roots[t];
	const uint32_t *start = samples->start + model->roots[t];
	uint64_t	base = samples->base[t];
	uint64_t	begin = 0;
	uint64_t	end = samples->base[t + 1] - base;
	uint32_t	at = 0;

	while (!pf_is_leaf(&tree[at]))
	{
		uint32_t	right = (tree[at].link & PF_LINK_MASK) + 1;
		uint32_t	next = pf_child(&tree[at], row);
		uint64_t	from = next == right ? start[right] : begin;
		uint64_t	to = next == right ? end : start[right];

		if (from == to || (to - from < samples->least && end - begin <= samples->most))
			break;
		begin = from;
		end = to;
		at = next;
	}
	return (PfSpan) {.begin = base + begin,.end = base + end};
}

/* Weights of the ranks whose high byte is `high`, by the low one; or of all by the high one (high < 0). */
static void
weigh(Count *count, int high, uint64_t *weights)
{
	const uint16_t *rank = count->model->samples.rank;

	memset(weights, 0, 256 * sizeof(uint64_t));
	for (uint32_t t = 0; t < count->model->ntrees; t++)
	{
		PfSpan		span = count->spans[t];
		uint64_t	weight = ONE / (span.end - span.begin);

		for (uint64_t i = span.begin; i < span.end; i++)
		{
			if (high < 0)
				weights[rank[i] >> 8] += weight;
			else if (rank[i] >> 8 == high)
				weights[rank[i] & 255] += weight;
		}
		count->work += span.end - span.begin;
		if (count->work > CHECK_EVERY)
		{
			pf_check(count->env);
			count->work = 0;
		}
	}
}

/*
 * The first of 256 with which the sum of the weights comes to `need`, which is at most
 * that of all; *below is the sum of those before it.
 */
static uint32_t
reach(const uint64_t *weights, double need, uint64_t *below)
{
	for (uint32_t i = 0;; i++)
	{
		uint64_t	sum = *below + weights[i];

		if (i == 255 || (weights[i] > 0 && (double) sum >= need))
			return i;
		*below = sum;
	}
}

void
pf_walk_quantiles(const PfEnv *env, const PfModel *model, const uint8_t *row, PfSpan *spans,
				  const double *quantiles, uint32_t n, double *out)
{
	Count		count = {.env = env,.model = model,.spans = spans};
	uint64_t	coarse[256];
	uint64_t	fine[256];
	uint64_t	total = 0;
	int			counted = -1;	/* the high byte that fine is about */

	for (uint32_t t = 0; t < model->ntrees; t++)
	{
		spans[t] = find_span(model, t, row);
		if (t % 1024 == 1023)
			pf_check(env);
	}
	weigh(&count, -1, coarse);
	for (int i = 0; i < 256; i++)
		total += coarse[i];
	for (uint32_t i = 0; i < n; i++)
	{
		double		need = quantiles[i] * (double) total;
		uint64_t	below = 0;
		int			high = (int) reach(coarse, need, &below);

		if (high != counted)
			weigh(&count, high, fine);
		counted = high;
		out[i] = model->samples.values[(uint32_t) high << 8 | reach(fine, need, &below)];
	}
}

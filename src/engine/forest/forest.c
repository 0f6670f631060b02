/*
 * forest.c
 *	  Which rows a tree sees, what they weigh, and how the others vote.
 *
 * Breiman 2001, "Random forests", in scikit-learn's form: rows are drawn with
 * replacement, a leaf keeps the shares of the classes, and shares (not votes)
 * are averaged.
 */
#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "engine/forest/forest.h"
#include "engine/forest/samples.h"
#include "engine/grow/grow.h"
#include "engine/grow/random.h"
#include "engine/grow/together.h"

struct PfGrower
{
	const PfEnv *env;
	const PfMatrix *matrix;
	const PfForestParams *params;
	PfGrowth	growth;
	PfItem	   *items;			/* nrows */
	uint32_t   *times;			/* nrows: how often the tree drew the row */
	double	   *class_weight;	/* nclasses; NULL when all weigh 1 */
};

/* The weights that make all classes present weigh the same; counts[nclasses]. */
static void
balance(uint32_t nclasses, const uint64_t *counts, double *weights)
{
	uint64_t	n = 0;
	uint32_t	present = 0;

	for (uint32_t c = 0; c < nclasses; c++)
	{
		n += counts[c];
		present += counts[c] > 0;
	}
	for (uint32_t c = 0; c < nclasses; c++)
		weights[c] = counts[c] ? (double) n / ((double) present * (double) counts[c]) : 1;
}

/* times NULL: every row once */
static void
balance_rows(const PfEnv *env, const PfMatrix *matrix, const uint32_t *times, double *weights)
{
	uint64_t	counts[PF_MAX_CLASSES] = {0};

	for (uint32_t i = 0; i < matrix->nrows; i++)
	{
		counts[matrix->label[i]] += times ? times[i] : 1;
		if (i % PF_CHECK_EVERY == 0)
			pf_check(env);
	}
	balance(matrix->nclasses, counts, weights);
}

PfGrower *
pf_grower_create(const PfEnv *env, const PfMatrix *matrix, const PfForestParams *params)
{
	PfGrower   *grower = pf_alloc(env, sizeof(PfGrower));

	grower->env = env;
	grower->matrix = matrix;
	grower->params = params;
	grower->class_weight = NULL;
	pf_growth_init(&grower->growth, env, matrix, params);
	grower->items = pf_alloc(env, matrix->nrows * sizeof(PfItem));
	grower->times = pf_alloc(env, matrix->nrows * sizeof(uint32_t));

	if (params->class_weight != PF_WEIGHT_NONE)
	{
		grower->class_weight = pf_alloc(env, matrix->nclasses * sizeof(double));
		if (params->class_weight == PF_WEIGHT_EXPLICIT)
			memcpy(grower->class_weight, params->class_weights,
				   matrix->nclasses * sizeof(double));
		else
			balance_rows(env, matrix, NULL, grower->class_weight);
	}
	return grower;
}

void
pf_grower_release(PfGrower *grower)
{
	pf_growth_release(&grower->growth);
	pf_release(grower->env, grower->items);
	pf_release(grower->env, grower->times);
	pf_release(grower->env, grower->class_weight);
	pf_release(grower->env, grower);
}

uint64_t
pf_matrix_memory(const PfMatrix *matrix, bool votes)
{
	uint64_t	answer = matrix->nclasses ? sizeof(uint32_t) : sizeof(double);
	uint64_t	a_row = matrix->stride + answer + (matrix->weight ? sizeof(float) : 0);

	if (votes)
		a_row += pf_votes_width(matrix) * sizeof(uint64_t) + sizeof(uint32_t);
	return matrix->nrows * a_row;
}

uint64_t
pf_forest_memory(const PfMatrix *matrix, const PfForestParams *params, bool votes,
				 uint32_t participants)
{
	uint64_t	rows = matrix->nrows;
	uint64_t	drawn = params->bootstrap ? rows * 2 / 3 : rows;	/* 1 - 1/e of them */
	uint64_t	each;

	/* items, the half of them that a partition puts aside, a node for each; the draws; bins that are brought together */
	each = drawn * (sizeof(PfItem) * 3 / 2 + sizeof(PfNode)) + rows * sizeof(uint32_t) +
		pf_nearby_memory(matrix, params);
	if (params->ranks != NULL)
		each += pf_samples_memory(rows);
	return pf_matrix_memory(matrix, votes && params->bootstrap) + participants * each +
		(params->ranks != NULL ? rows * sizeof(uint16_t) : 0);
}

void
pf_tree_release(const PfEnv *env, PfTree *tree)
{
	pf_release(env, tree->nodes);
	pf_release(env, tree->leaves);
	pf_release(env, tree->importance);
	pf_release(env, tree->starts);
	pf_release(env, tree->samples);
	pf_release(env, tree->ends);
	memset(tree, 0, sizeof(*tree));
}

/*
 * Draws the rows of a tree.  Without bootstrap and with max_samples below the
 * number of rows, scikit-learn ignores max_samples; so do we.
 */
static void
draw_rows(PfGrower *grower, uint32_t number)
{
	const PfForestParams *params = grower->params;
	uint32_t	nrows = grower->matrix->nrows;
	uint64_t	stream;

	if (!params->bootstrap)
	{
		for (uint32_t i = 0; i < nrows; i++)
		{
			grower->times[i] = 1;
			if (i % PF_CHECK_EVERY == 0)
				pf_check(grower->env);
		}
		return;
	}
	pf_clear(grower->env, grower->times, nrows * sizeof(uint32_t));
	stream = pf_random_stream(params->seed, PF_CHOOSE_ROWS, number, 0);
	for (uint32_t i = 0; i < params->max_samples; i++)
	{
		grower->times[pf_random_below(stream, i, nrows)]++;
		if (i % PF_CHECK_EVERY == 0)
			pf_check(grower->env);
	}
}

/* Rows drawn become items, in row order; returns how many. */
static uint32_t
make_items(PfGrower *grower)
{
	const PfMatrix *matrix = grower->matrix;
	uint32_t	n = 0;

	if (grower->params->class_weight == PF_WEIGHT_BALANCED_SUBSAMPLE)
		balance_rows(grower->env, matrix, grower->times, grower->class_weight);

	for (uint32_t i = 0; i < matrix->nrows; i++)
	{
		PfItem	   *item = &grower->items[n];
		double		weight = grower->times[i];

		if (i % PF_CHECK_EVERY == 0)
			pf_check(grower->env);
		if (grower->times[i] == 0)
			continue;
		if (matrix->weight)
			weight *= matrix->weight[i];
		if (grower->class_weight)
			weight *= grower->class_weight[matrix->label[i]];
		/* products of extreme weights must stay positive and finite */
		weight = weight < FLT_MIN ? FLT_MIN : weight > 1e30 ? 1e30 : weight;

		item->row = i;
		item->weight = (float) weight;
		if (matrix->nclasses)
			item->y.label = matrix->label[i];
		else
			item->y.target = matrix->target[i];
		n++;
	}
	return n;
}

uint32_t
pf_votes_width(const PfMatrix *matrix)
{
	return matrix->nclasses ? matrix->nclasses : 1;
}

/* Every leaf's value lies between the lowest and the highest target. */
void
pf_votes_scale(const PfEnv *env, const PfMatrix *matrix, PfVotes *votes)
{
	double		low = 0;
	double		high = 0;

	votes->low = 0;
	votes->scale = PF_VOTE_ONE;
	if (matrix->nclasses)
		return;
	for (uint32_t i = 0; i < matrix->nrows; i++)
	{
		if (i == 0 || matrix->target[i] < low)
			low = matrix->target[i];
		if (i == 0 || matrix->target[i] > high)
			high = matrix->target[i];
		if (i % PF_CHECK_EVERY == 0)
			pf_check(env);
	}
	votes->low = low;
	votes->scale = high > low ? 1024 * PF_VOTE_ONE / (high - low) : 0;
	if (!isfinite(votes->scale))
		votes->scale = 0;
}

static void
vote_on(const PfTree *tree, uint32_t leaf, uint32_t row, PfVotes *votes)
{
	const double *shares = tree->leaves + (size_t) leaf * tree->width;
	_Atomic uint64_t *sum = (_Atomic uint64_t *) (votes->sum + (size_t) row * tree->width);

	for (uint32_t c = 0; c < tree->width; c++)
	{
		double		value = (shares[c] - votes->low) * votes->scale;

		if (value > 0)
			atomic_fetch_add_explicit(&sum[c], (uint64_t) (value + 0.5), memory_order_relaxed);
	}
	atomic_fetch_add_explicit((_Atomic uint32_t *) &votes->trees[row], 1, memory_order_relaxed);
}

/* The trees that did not see a row vote on it; others add at the same time. */
static void
vote(PfGrower *grower, const PfTree *tree, PfVotes *votes)
{
	const PfMatrix *matrix = grower->matrix;
	const PfNode *trees[PF_TOGETHER];
	const uint8_t *bins[PF_TOGETHER];
	uint32_t	rows[PF_TOGETHER];
	uint32_t	leaf[PF_TOGETHER];
	uint32_t	n = 0;

	for (uint32_t i = 0; i < matrix->nrows; i++)
	{
		if (i % 4096 == 0)
			pf_check(grower->env);
		if (grower->times[i] == 0)
		{
			trees[n] = tree->nodes;
			bins[n] = matrix->bins + (size_t) i * matrix->stride;
			rows[n++] = i;
		}
		if (n == PF_TOGETHER || (n > 0 && i == matrix->nrows - 1))
		{
			pf_walk_together(trees, bins, n, leaf);
			while (n > 0)
			{
				n--;
				vote_on(tree, leaf[n], rows[n], votes);
			}
		}
	}
}

bool
pf_votes_read(const PfVotes *votes, const PfMatrix *matrix, uint32_t row, double *out)
{
	uint32_t	width = pf_votes_width(matrix);
	uint32_t	trees = votes->trees[row];

	if (trees == 0)
		return false;
	for (uint32_t c = 0; c < width; c++)
	{
		double		mean = (double) votes->sum[(size_t) row * width + c] / trees;

		out[c] = votes->low + (votes->scale > 0 ? mean / votes->scale : 0);
	}
	return true;
}

void
pf_forest_grow_tree(PfGrower *grower, uint32_t number, PfVotes *votes, PfTree *tree)
{
	draw_rows(grower, number);
	pf_grow_tree(&grower->growth, number, grower->items, make_items(grower), tree);
	if (votes != NULL && votes->sum != NULL && grower->params->bootstrap)
		vote(grower, tree, votes);
	if (grower->params->ranks != NULL)
		pf_take_samples(grower->env, grower->matrix, grower->params, number, tree);
}

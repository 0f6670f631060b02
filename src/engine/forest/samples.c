/*
 * samples.c
 *	  Ranks of targets, and those that the leaves of a tree keep.
 */
#include <string.h>

#include "engine/bins/sort.h"
#include "engine/forest/samples.h"
#include "engine/grow/random.h"
#include "engine/grow/together.h"

#define CHECK_EVERY 16384		/* rows between two checks for interrupts */

/* Values of a sorted list that differ from the one before, in place; how many. */
static uint32_t
drop_repeats(const PfEnv *env, double *values, uint32_t n)
{
	uint32_t	kept = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		if (kept == 0 || values[i] != values[kept - 1])
			values[kept++] = values[i];
		if (i % CHECK_EVERY == 0)
			pf_check(env);
	}
	return kept;
}

/* The index of the value nearest to a target, the lower of two. */
static uint32_t
nearest(const double *values, uint32_t n, double target)
{
	uint32_t	low = 0;
	uint32_t	high = n - 1;

	while (low < high)
	{
		uint32_t	middle = (low + high) / 2;

		if (values[middle] < target)
			low = middle + 1;
		else
			high = middle;
	}
	/* halves: the distance of two doubles may be greater than any */
	if (low > 0 && values[low] > target && target / 2 - values[low - 1] / 2 <= values[low] / 2 - target / 2)
		low--;
	return low;
}

uint32_t
pf_rank_targets(const PfEnv *env, const PfMatrix *matrix, double **values, uint16_t *ranks)
{
	uint32_t	rows = matrix->nrows;
	double	   *sorted = pf_alloc(env, rows * sizeof(double));
	uint32_t	n;

	pf_copy(env, sorted, matrix->target, rows * sizeof(double));
	pf_sort_numbers(env, sorted, rows);

	/* of too many, evenly by rows: where targets are dense, values are; both ends are kept */
	n = 1;
	for (uint32_t i = 1; i < rows && n <= PF_MAX_VALUES; i++)
	{
		n += sorted[i] != sorted[i - 1];
		if (i % CHECK_EVERY == 0)
			pf_check(env);
	}
	if (n > PF_MAX_VALUES)
	{
		for (uint64_t i = 0; i < PF_MAX_VALUES; i++)
			sorted[i] = sorted[i * (rows - 1) / (PF_MAX_VALUES - 1)];
		rows = PF_MAX_VALUES;
	}
	n = drop_repeats(env, sorted, rows);
	for (uint32_t i = 0; i < matrix->nrows; i++)
	{
		ranks[i] = (uint16_t) nearest(sorted, n, matrix->target[i]);
		if (i % CHECK_EVERY == 0)
			pf_check(env);
	}
	*values = pf_resize(env, sorted, n * sizeof(double));
	return n;
}

void
pf_find_leaves(const PfEnv *env, const PfMatrix *matrix, const PfTree *tree, uint32_t *leaf_of)
{
	for (uint32_t i = 0; i < matrix->nrows; i += PF_TOGETHER)
	{
		uint32_t	n = matrix->nrows - i < PF_TOGETHER ? matrix->nrows - i : PF_TOGETHER;
		const PfNode *trees[PF_TOGETHER];
		const uint8_t *rows[PF_TOGETHER];
		uint32_t	leaf[PF_TOGETHER];

		if (i % 4096 == 0)
			pf_check(env);
		for (uint32_t j = 0; j < n; j++)
		{
			trees[j] = tree->nodes;
			rows[j] = matrix->bins + (size_t) (i + j) * matrix->stride;
		}
		pf_walk_together(trees, rows, n, leaf);
		memcpy(leaf_of + i, leaf, n * sizeof(uint32_t));
	}
}

/* The nodes where the view ends are leaves meanwhile. */
void
pf_find_view_leaves(const PfEnv *env, const PfMatrix *matrix, PfTree *tree, uint32_t view,
					uint32_t *leaf_of)
{
	PfNode	   *inner = pf_alloc(env, tree->nends * sizeof(PfNode) + 1);

	for (uint32_t i = 0; i < tree->nends; i++)
	{
		PfNode	   *node = &tree->nodes[tree->ends[i].node];

		inner[i] = *node;
		if (tree->ends[i].views >> view & 1)
			*node = (PfNode) {
			.link = tree->ends[i].leaf,.feature = PF_LEAF
		};
	}
	pf_find_leaves(env, matrix, tree, leaf_of);
	for (uint32_t i = 0; i < tree->nends; i++)
		tree->nodes[tree->ends[i].node] = inner[i];
	pf_release(env, inner);
}

/*
 * ends[leaf], which counts the leaf's samples, becomes where its samples begin; starts of
 * all nodes follow from it.
 */
static void
lay_out(const PfEnv *env, PfTree *tree, uint32_t *ends)
{
	uint32_t   *before = tree->starts;
	uint32_t   *begin = pf_alloc(env, tree->nleaves * sizeof(uint32_t));
	uint32_t	sum = 0;

	pf_number_leaves(env, tree->nodes, tree->nnodes, before);
	for (uint32_t i = 0; i < tree->nnodes; i++)
	{
		if (pf_is_leaf(&tree->nodes[i]))
			begin[before[i]] = tree->nodes[i].link;
		if (i % CHECK_EVERY == 0)
			pf_check(env);
	}
	for (uint32_t i = 0; i < tree->nleaves; i++)
	{
		uint32_t	leaf = begin[i];

		begin[i] = sum;
		sum += ends[leaf];
		ends[leaf] = begin[i];
		if (i % CHECK_EVERY == 0)
			pf_check(env);
	}
	for (uint32_t i = 0; i < tree->nnodes; i++)
	{
		tree->starts[i] = begin[before[i]];
		if (i % CHECK_EVERY == 0)
			pf_check(env);
	}
	tree->nsamples = sum;
	pf_release(env, begin);
}

/* Into its place among the leaf's samples, which ascend. */
static void
insert(uint16_t *samples, uint32_t begin, uint32_t end, uint16_t rank)
{
	while (end > begin && samples[end - 1] > rank)
	{
		samples[end] = samples[end - 1];
		end--;
	}
	samples[end] = rank;
}

/* Draws of a tree. */
typedef struct Draws
{
	const float *weight;		/* NULL: every row once */
	double		mean;			/* of the weights */
	uint64_t	stream;
	uint32_t	first;			/* row */
} Draws;

static Draws
begin_draws(const PfEnv *env, const PfMatrix *matrix, const PfForestParams *params,
			uint32_t number)
{
	uint64_t	start = pf_random_stream(params->seed, PF_CHOOSE_SAMPLES, number, 0);
	Draws		draws = {
		.weight = matrix->weight,
		.stream = pf_random_stream(params->seed, PF_CHOOSE_SAMPLES, number, 1),
		.first = pf_random_below(start, 0, matrix->nrows)
	};

	for (uint32_t i = 0; matrix->weight != NULL && i < matrix->nrows; i++)
	{
		draws.mean += (double) matrix->weight[i] / matrix->nrows;
		if (i % CHECK_EVERY == 0)
			pf_check(env);
	}
	return draws;
}

/*
 * How often a row is a sample: once, or as its weight to the mean one; what is left of whole numbers
 * by chance, in each tree anew.
 */
static inline uint32_t
count_row(const Draws *draws, uint32_t row)
{
	double		times;

	if (draws->weight == NULL)
		return 1;
	/* a bit more, so that not even rounding makes none of a mean weight */
	times = draws->weight[row] / draws->mean + 1e-9 +
		(double) (pf_random(draws->stream, row) >> 32) / 4294967296.0;
	return times < PF_LEAF_SAMPLES ? (uint32_t) times : PF_LEAF_SAMPLES;
}

void
pf_take_samples(const PfEnv *env, const PfMatrix *matrix, const PfForestParams *params,
				uint32_t number, PfTree *tree)
{
	uint32_t	rows = matrix->nrows;
	uint32_t   *leaf_of = pf_alloc(env, rows * sizeof(uint32_t));
	uint32_t   *ends = pf_alloc(env, tree->nleaves * sizeof(uint32_t));
	uint8_t    *taken = pf_alloc(env, tree->nleaves);
	Draws		draws = begin_draws(env, matrix, params, number);
	uint32_t	row = draws.first;

	pf_find_leaves(env, matrix, tree, leaf_of);
	pf_clear(env, ends, tree->nleaves * sizeof(uint32_t));
	pf_clear(env, taken, tree->nleaves);
	for (uint32_t i = 0; i < rows; i++)
	{
		uint32_t   *n = &ends[leaf_of[i]];

		*n += count_row(&draws, i);
		*n = *n < PF_LEAF_SAMPLES ? *n : PF_LEAF_SAMPLES;
		if (i % CHECK_EVERY == 0)
			pf_check(env);
	}
	tree->starts = pf_alloc(env, tree->nnodes * sizeof(uint32_t));
	lay_out(env, tree, ends);

	tree->samples = pf_alloc(env, tree->nsamples * sizeof(uint16_t));
	for (uint32_t i = 0; i < rows; i++, row = row + 1 < rows ? row + 1 : 0)
	{
		uint32_t	leaf = leaf_of[row];

		if (i % 4096 == 0)
			pf_check(env);
		for (uint32_t n = count_row(&draws, row); n > 0 && taken[leaf] < PF_LEAF_SAMPLES; n--)
		{
			insert(tree->samples, ends[leaf] - taken[leaf], ends[leaf], params->ranks[row]);
			ends[leaf]++;
			taken[leaf]++;
		}
	}
	pf_release(env, leaf_of);
	pf_release(env, ends);
	pf_release(env, taken);
}

/*
 * isolation.c
 *	  Growing the trees of an isolation forest.
 *
 * A node draws features until one is not constant, and cuts it at a value drawn
 * uniformly between the lowest and the highest that its rows have.  Rows that lack the
 * value go where most rows go: what is not known makes nobody an anomaly.
 */
#include <math.h>
#include <string.h>

#include "engine/forest/isolation.h"
#include "engine/grow/random.h"

#define EULER		0.57721566490153286061
#define CUT			(UINT64_C(1) << 40)	/* the place in a node's stream that its cut comes from */
#define WHOLE_TREE	UINT32_MAX	/* instead of a node */
#define STEPS		100000		/* between two checks */
#define FAR_AWAY	10			/* what a row costs that is not in the cache, in steps */

/* Rows that still are to be cut. */
typedef struct Open
{
	uint32_t	node;
	uint32_t	first;
	uint32_t	n;
	uint32_t	depth;
} Open;

struct PfIsolator
{
	const PfEnv *env;
	const PfMatrix *matrix;
	const double *positions;
	const PfIsolationParams *params;
	uint32_t	deepest;
	uint64_t   *drawn;			/* a bit a row */
	uint32_t   *rows;			/* max_samples: those of the tree, node by node */
	uint32_t   *right;			/* max_samples: put aside by a partition */
	uint32_t   *features;		/* nfeatures */
	Open	   *open;			/* deepest + 1 */
	uint64_t	work;
};

double
pf_average_path(uint32_t n)
{
	if (n <= 2)
		return n == 2;
	return 2 * (log(n - 1.0) + EULER) - 2 * (n - 1.0) / n;
}

uint64_t
pf_isolation_memory(const PfIsolationParams *params, uint32_t nrows)
{
	uint64_t	nodes = 2 * (uint64_t) params->max_samples;

	/* nodes of a tree, a path length for every other one; the numbers of these and a stack, when it is stored */
	return nrows / 8 + (uint64_t) params->max_samples * 4 * sizeof(uint32_t) +
		nodes * (sizeof(PfNode) + sizeof(double) / 2);
}

PfIsolator *
pf_isolator_create(const PfEnv *env, const PfMatrix *matrix, const double *positions,
				   const PfIsolationParams *params)
{
	PfIsolator *isolator = pf_alloc(env, sizeof(PfIsolator));
	uint32_t	samples = params->max_samples;

	isolator->env = env;
	isolator->matrix = matrix;
	isolator->positions = positions;
	isolator->params = params;
	isolator->deepest = 1;
	while ((UINT64_C(1) << isolator->deepest) < samples)
		isolator->deepest++;
	isolator->drawn = pf_alloc(env, ((size_t) matrix->nrows / 64 + 1) * sizeof(uint64_t));
	pf_clear(env, isolator->drawn, ((size_t) matrix->nrows / 64 + 1) * sizeof(uint64_t));
	isolator->rows = pf_alloc(env, samples * sizeof(uint32_t));
	isolator->right = pf_alloc(env, samples * sizeof(uint32_t));
	isolator->features = pf_alloc(env, matrix->nfeatures * sizeof(uint32_t));
	isolator->open = pf_alloc(env, (isolator->deepest + 1) * sizeof(Open));
	isolator->work = 0;
	return isolator;
}

void
pf_isolator_release(PfIsolator *isolator)
{
	const PfEnv *env = isolator->env;

	pf_release(env, isolator->drawn);
	pf_release(env, isolator->rows);
	pf_release(env, isolator->right);
	pf_release(env, isolator->features);
	pf_release(env, isolator->open);
	pf_release(env, isolator);
}

static inline void
count_work(PfIsolator *isolator, uint64_t steps)
{
	isolator->work += steps;
	if (isolator->work > STEPS)
	{
		isolator->work = 0;
		pf_check(isolator->env);
	}
}

/* The rows of a tree; without replacement after Floyd (Bentley 1987). */
static void
draw_rows(PfIsolator *isolator, uint32_t number)
{
	const PfIsolationParams *params = isolator->params;
	uint32_t	nrows = isolator->matrix->nrows;
	uint64_t	stream = pf_random_stream(params->seed, PF_CHOOSE_ROWS, number, 0);

	for (uint32_t i = 0; i < params->max_samples; i++)
	{
		uint32_t	last = nrows - params->max_samples + i;
		uint32_t	row = pf_random_below(stream, i, params->bootstrap ? nrows : last + 1);

		if (!params->bootstrap)
		{
			if (isolator->drawn[row / 64] >> row % 64 & 1)
				row = last;
			isolator->drawn[row / 64] |= UINT64_C(1) << row % 64;
		}
		isolator->rows[i] = row;
		count_work(isolator, 20);
	}
	for (uint32_t i = 0; i < params->max_samples && !params->bootstrap; i++)
	{
		isolator->drawn[isolator->rows[i] / 64] = 0;
		count_work(isolator, 4);
	}
}

/* Swaps a feature drawn from `at` on into that place, and returns it. */
static uint32_t
draw_feature(PfIsolator *isolator, uint64_t stream, uint32_t at, uint32_t n)
{
	uint32_t	other = at + pf_random_below(stream, at, n - at);
	uint32_t	feature = isolator->features[other];

	isolator->features[other] = isolator->features[at];
	isolator->features[at] = feature;
	return feature;
}

static void
draw_tree_features(PfIsolator *isolator, uint32_t number)
{
	uint32_t	n = isolator->matrix->nfeatures;
	uint64_t	stream = pf_random_stream(isolator->params->seed, PF_CHOOSE_FEATURES, number, WHOLE_TREE);

	for (uint32_t f = 0; f < n; f++)
		isolator->features[f] = f;
	for (uint32_t f = 0; f < isolator->params->max_features; f++)
		draw_feature(isolator, stream, f, n);
	count_work(isolator, n);
}

/* The lowest and the highest bin of some rows; false when they have less than two. */
static bool
find_range(PfIsolator *isolator, const uint32_t *rows, uint32_t n, uint32_t feature,
		   uint32_t *lowest, uint32_t *highest)
{
	const PfMatrix *matrix = isolator->matrix;

	*lowest = PF_MISSING_BIN;
	*highest = 0;
	for (uint32_t i = 0; i < n; i++)
	{
		uint8_t		bin = matrix->bins[(size_t) rows[i] * matrix->stride + feature];

		count_work(isolator, FAR_AWAY);
		if (bin == PF_MISSING_BIN)
			continue;
		*lowest = bin < *lowest ? bin : *lowest;
		*highest = bin > *highest ? bin : *highest;
	}
	return *lowest < *highest;
}

/* The last bin whose position is at most a value drawn between those of two bins. */
static uint32_t
draw_cut(const PfIsolator *isolator, uint64_t stream, uint32_t feature,
		 uint32_t lowest, uint32_t highest)
{
	const double *position = isolator->positions + (size_t) feature * PF_MAX_BINS;
	double		share = (double) (pf_random(stream, CUT) >> 11) / 9007199254740992.0;
	double		value = position[lowest] * (1 - share) + position[highest] * share;
	uint32_t	cut = lowest;

	while (cut + 1 < highest && position[cut + 1] <= value)
		cut++;
	return cut;
}

/* Left rows first, in their order; returns how many they are, and where missing values went. */
static uint32_t
part_rows(PfIsolator *isolator, uint32_t *rows, uint32_t n, uint32_t feature, uint32_t cut,
		  bool *missing_left)
{
	const PfMatrix *matrix = isolator->matrix;
	uint32_t	left = 0;
	uint32_t	right = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		uint8_t		bin = matrix->bins[(size_t) rows[i] * matrix->stride + feature];

		count_work(isolator, FAR_AWAY);
		left += bin <= cut;
		right += bin > cut && bin != PF_MISSING_BIN;
	}
	*missing_left = left >= right;
	left = right = 0;
	for (uint32_t i = 0; i < n; i++)
	{
		uint8_t		bin = matrix->bins[(size_t) rows[i] * matrix->stride + feature];

		count_work(isolator, FAR_AWAY);
		if (bin == PF_MISSING_BIN ? *missing_left : bin <= cut)
			rows[left++] = rows[i];
		else
			isolator->right[right++] = rows[i];
	}
	memcpy(rows + left, isolator->right, right * sizeof(uint32_t));
	return left;
}

void
pf_isolate(PfIsolator *isolator, uint32_t number, PfTree *tree)
{
	const PfIsolationParams *params = isolator->params;
	const PfEnv *env = isolator->env;
	size_t		room = 2 * (size_t) params->max_samples;
	uint32_t	nopen = 0;

	memset(tree, 0, sizeof(*tree));
	tree->width = 1;
	tree->nodes = pf_alloc(env, room * sizeof(PfNode));
	tree->leaves = pf_alloc(env, params->max_samples * sizeof(double));
	tree->nnodes = 1;
	draw_rows(isolator, number);
	draw_tree_features(isolator, number);
	isolator->open[nopen++] = (Open) {0, 0, params->max_samples, 0};
	while (nopen > 0)
	{
		Open		at = isolator->open[--nopen];
		uint32_t   *rows = isolator->rows + at.first;
		uint64_t	stream = pf_random_stream(params->seed, PF_CHOOSE_FEATURES, number, at.node);
		uint32_t	lowest,
					highest;
		uint32_t	left;
		bool		missing_left;
		uint32_t	cut;
		uint32_t	f = params->max_features;

		if (at.n > 1 && at.depth < isolator->deepest)
		{
			for (f = 0; f < params->max_features; f++)
			{
				draw_feature(isolator, stream, f, params->max_features);
				if (find_range(isolator, rows, at.n, isolator->features[f], &lowest, &highest))
					break;
			}
		}
		if (f == params->max_features)
		{
			tree->leaves[tree->nleaves] = at.depth + pf_average_path(at.n);
			tree->nodes[at.node] = (PfNode) {.link = tree->nleaves++,.feature = PF_LEAF};
			continue;
		}
		cut = draw_cut(isolator, stream, isolator->features[f], lowest, highest);
		left = part_rows(isolator, rows, at.n, isolator->features[f], cut, &missing_left);
		tree->nodes[at.node] = (PfNode) {
			.link = tree->nnodes | (missing_left ? PF_MISSING_LEFT : 0),
			.feature = (uint16_t) isolator->features[f],.threshold = (uint16_t) cut
		};
		isolator->open[nopen++] = (Open) {tree->nnodes + 1, at.first + left, at.n - left, at.depth + 1};
		isolator->open[nopen++] = (Open) {tree->nnodes, at.first, left, at.depth + 1};
		tree->nnodes += 2;
	}
}

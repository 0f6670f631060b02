/*
 * boost.c
 *	  The leader's part: what is done next, and what it comes to.
 *
 * A round: gradients of all rows; then, for each sum of the model, a tree.  Nodes
 * that may be split are open.  Where the number of leaves is limited, the one whose
 * split gains most is next, and is split by itself; else all that are open are split
 * together, which makes for more to do at a time.
 *
 * Splitting takes two steps: rows are divided and histograms counted; rows are put
 * in place, the other histograms subtracted, and splits searched.
 *
 * Memory: the shared block, whose sections are laid out in lay_out(); grown trees.
 */
#include <float.h>
#include <string.h>

#include "engine/boost/parts.h"
#include "engine/grow/random.h"

#define SLOTS_BYTES	((size_t) 64 << 20)	/* of histograms, about: those of open nodes are kept */
#define MAX_RANGES	16
#define RANGE_CELLS	1024		/* cells that are worth a task */
#define ALIGN		64
#define LARGEST_LEAF 1e130		/* squares of sums of them are finite */
#define MOST_UNITS	1073741824.0	/* of a gradient or hessian */
#define FEW_GRADIENTS	16382.0	/* the same when they are packed: a chance may add one, */
#define FEW_HESSIANS	4094.0	/* and the sum of 4096 rows fits in 27 bits with its sign, or 24 */

uint32_t
pf_boost_sums(uint32_t nclasses)
{
	return nclasses > 2 ? nclasses : 1;
}

/* ----- sizes ----- */

uint32_t
pf_boost_most_leaves(const PfMatrix *matrix, const PfBoostParams *params)
{
	uint32_t	leaves = matrix->nrows / (params->min_samples_leaf ? params->min_samples_leaf : 1);

	if (params->max_leaf_nodes > 0 && params->max_leaf_nodes < leaves)
		leaves = params->max_leaf_nodes;
	if (params->max_depth > 0 && params->max_depth < 31 && UINT32_C(1) << params->max_depth < leaves)
		leaves = UINT32_C(1) << params->max_depth;
	return leaves > 1 ? leaves : 1;
}

static PfBoostSizes
sizes_of(const PfMatrix *matrix, const PfBoostParams *params)
{
	uint32_t	leaves = pf_boost_most_leaves(matrix, params);
	uint32_t	piece = pf_piece_of(matrix->nrows);
	PfBoostSizes sizes = {
		.piece = piece,
		.npieces = (matrix->nrows + piece - 1) / piece,
		.max_nodes = 2 * leaves - 1,
		.ncells = matrix->nfeatures * 256
	};
	size_t		slots = SLOTS_BYTES / ((size_t) sizes.ncells * sizeof(PfCell));

	sizes.nslots = slots < 2 ? 2 : slots > (size_t) leaves + 1 ? leaves + 1 : (uint32_t) slots;
	return sizes;
}

/* Sets the sections of a block, or with NULL says how large it must be. */
static uint64_t
lay_out(PfBoost *boost, char *block)
{
	uint64_t	at = 0;
	uint64_t	rows = boost->matrix->nrows;
	const PfBoostSizes *sizes = &boost->sizes;

#define SECTION(field, count) \
	do { \
		if (block != NULL) \
			*(void **) &boost->field = block + at; \
		at += ((uint64_t) (count) * sizeof(*boost->field) + ALIGN - 1) / ALIGN * ALIGN; \
	} while (0)

	SECTION(shared, 1);
	SECTION(cells, (uint64_t) sizes->nslots * sizes->ncells);
	SECTION(locks, sizes->nslots);
	SECTION(filled, sizes->nslots);
	SECTION(raw, rows * boost->nsums);
	if (boost->nsums > 1)
		SECTION(shares, rows * boost->nsums);
	SECTION(gradients, rows);
	SECTION(order, rows);
	SECTION(spare, rows);
	SECTION(piece_sums, sizes->npieces);
	SECTION(start, boost->matrix->nfeatures + 1);
	SECTION(used, boost->matrix->nfeatures);
	SECTION(nodes, sizes->max_nodes);
	SECTION(tree, sizes->max_nodes);
	if (boost->params->category_bins != NULL)
		SECTION(sets, sizes->max_nodes / 2);
	SECTION(values, sizes->max_nodes);
	SECTION(branches, PF_BATCH);
	SECTION(pieces, sizes->npieces + PF_SHARES + sizes->max_nodes);
	SECTION(found, PF_BATCH * 2);
#undef SECTION
	return at;
}

uint64_t
pf_boost_shared_size(const PfMatrix *matrix, const PfBoostParams *params)
{
	PfBoost		boost = {
		.matrix = matrix,.params = params,.nsums = pf_boost_sums(matrix->nclasses),
		.sizes = sizes_of(matrix, params)
	};

	return lay_out(&boost, NULL);
}

uint64_t
pf_boost_private_size(const PfMatrix *matrix)
{
	return (uint64_t) matrix->nfeatures *
		(2 * 256 * (sizeof(PfCell) + sizeof(int64_t)) + sizeof(uint32_t) + 1);
}

uint64_t
pf_boost_trees_memory(uint64_t nodes, uint64_t sets, uint64_t trees)
{
	/* half of the nodes are leaves, and have a value */
	return nodes * (sizeof(PfNode) + sizeof(double) / 2) + sets * sizeof(PfSet) + trees * sizeof(PfTree);
}

/* ----- views ----- */

/* How many cells each feature takes: as many as it has bins, and all when some are missing. */
static void
place_features(PfBoost *boost)
{
	const PfMatrix *matrix = boost->matrix;
	uint8_t    *highest = boost->used;
	uint32_t	at = 0;

	memset(highest, 0, matrix->nfeatures);
	for (uint32_t i = 0; i < matrix->nrows; i++)
	{
		const uint8_t *row = matrix->bins + (size_t) i * matrix->stride;

		for (uint32_t f = 0; f < matrix->nfeatures; f++)
			highest[f] = row[f] > highest[f] ? row[f] : highest[f];
		if (i % 64 == 0)
			pf_check(boost->env);
	}
	for (uint32_t f = 0; f < matrix->nfeatures; f++)
	{
		boost->start[f] = at;
		at += highest[f] == PF_MISSING_BIN ? 256 : highest[f] + 1;
	}
	boost->start[matrix->nfeatures] = at;
}

/* The weights that make the classes weigh the same; counts of rows, as scikit-learn has it. */
static void
balance_classes(PfBoost *boost)
{
	const PfMatrix *matrix = boost->matrix;
	uint32_t	counts[PF_MAX_CLASSES] = {0};
	uint32_t	present = 0;

	for (uint32_t i = 0; i < matrix->nrows; i++)
	{
		counts[matrix->label[i]]++;
		if (i % 65536 == 0)
			pf_check(boost->env);
	}
	for (uint32_t c = 0; c < matrix->nclasses; c++)
		present += counts[c] > 0;
	for (uint32_t c = 0; c < matrix->nclasses; c++)
		boost->class_weight[c] = counts[c] ? (double) matrix->nrows / ((double) present * counts[c]) : 1;
}

/*
 * Hessians that are all 1 leave room for gradients of 30 bits.  Else the units are coarser, and rounded
 * by chance, as in Shi et al. 2022, "Quantized training of gradient boosting decision
 * trees"; of few rows they stay fine.
 */
static PfPacking
packing_of(const PfMatrix *matrix, const PfBoostParams *params)
{
	if (matrix->nclasses == 0 && params->loss != PF_LOSS_POISSON && matrix->weight == NULL)
		return (PfPacking) {.rows = PF_PIECE,.count_bits = 16};
	if (matrix->nrows > PF_PIECE)
		return (PfPacking) {.rows = 4096,.count_bits = 13,.hessian_bits = 24};
	return (PfPacking) {0};
}

PfBoost *
pf_boost_create(const PfEnv *env, const PfMatrix *matrix, const PfBoostParams *params,
				void *block, bool leader)
{
	PfBoost    *boost = pf_alloc(env, sizeof(PfBoost));

	memset(boost, 0, sizeof(*boost));
	boost->env = env;
	boost->matrix = matrix;
	boost->params = params;
	boost->nsums = pf_boost_sums(matrix->nclasses);
	boost->sizes = sizes_of(matrix, params);
	while (boost->count_bits < 32 && matrix->nrows >> boost->count_bits != 0)
		boost->count_bits++;
	lay_out(boost, block);
	boost->packing = packing_of(matrix, params);
	boost->own_memory = pf_alloc(env, (size_t) boost->sizes.ncells * 2 * (sizeof(PfCell) + sizeof(int64_t)) + ALIGN);
	boost->own = (PfCell *) (((uintptr_t) boost->own_memory + ALIGN - 1) / ALIGN * ALIGN);
	boost->own_packed = (int64_t *) (boost->own + 2 * (size_t) boost->sizes.ncells);
	pf_clear(env, boost->own_packed, 2 * (size_t) boost->sizes.ncells * sizeof(int64_t));
	boost->drawn = pf_alloc(env, matrix->nfeatures * sizeof(uint32_t));
	boost->wanted = pf_alloc(env, matrix->nfeatures);
	if (params->class_weight == PF_WEIGHT_EXPLICIT)
	{
		boost->class_weight = pf_alloc(env, matrix->nclasses * sizeof(double));
		memcpy(boost->class_weight, params->class_weights, matrix->nclasses * sizeof(double));
	}
	else if (params->class_weight != PF_WEIGHT_NONE)
	{
		boost->class_weight = pf_alloc(env, matrix->nclasses * sizeof(double));
		balance_classes(boost);
	}
	if (leader)
	{
		memset(boost->shared, 0, sizeof(PfBoostShared));
		for (uint32_t i = 0; i < boost->sizes.nslots; i++)
			atomic_init(&boost->locks[i], 0);
		place_features(boost);
	}
	return boost;
}

void
pf_boost_release(PfBoost *boost)
{
	const PfEnv *env = boost->env;

	pf_release(env, boost->own_memory);
	pf_release(env, boost->drawn);
	pf_release(env, boost->wanted);
	pf_release(env, boost->class_weight);
	pf_release(env, boost);
}

/* ----- tasks ----- */

/* Histogram and split of a new node, for a range of the features. */
static void
search_branch(PfBoost *boost, uint32_t task)
{
	const PfBoostShared *shared = boost->shared;
	uint32_t	range = task % shared->ranges;
	const PfBranch *branch = &boost->branches[task / shared->ranges];

	if (branch->subtract)
		pf_boost_subtract(boost, branch->parent_slot,
						  branch->slot[branch->build[0] ? 0 : 1], range);
	for (uint32_t side = 0; side < 2; side++)
	{
		if (branch->search[side])
			pf_boost_search(boost, &boost->nodes[branch->left + side], branch->left + side, range,
							&boost->found[2 * task + side]);
	}
}

void
pf_boost_task(PfBoost *boost, uint32_t task)
{
	const PfBoostShared *shared = boost->shared;

	switch (shared->phase)
	{
		case PF_BOOST_SHARES:
			pf_boost_shares(boost, task);
			break;
		case PF_BOOST_GRADIENTS:
			pf_boost_gradients(boost, task);
			break;
		case PF_BOOST_ROOT:
			pf_boost_root(boost, task);
			break;
		case PF_BOOST_SEARCH_ROOT:
			pf_boost_search(boost, &boost->nodes[0], 0, task, &boost->found[2 * task]);
			break;
		case PF_BOOST_DIVIDE:
			pf_boost_divide(boost, task);
			break;
		case PF_BOOST_SEARCH:
			/* the longer ones first */
			if (task < shared->nbranches * shared->ranges)
				search_branch(boost, task);
			else
				pf_boost_place(boost, task - shared->nbranches * shared->ranges);
			break;
		case PF_BOOST_RENEW:
			pf_boost_renew(boost, task);
			break;
		case PF_BOOST_ASSIGN:
			pf_boost_assign(boost, task);
			break;
	}
}

void
pf_boost_alone(void *arg, PfBoost *boost, uint32_t n, double work)
{
	for (uint32_t i = 0; i < n; i++)
		pf_boost_task(boost, i);
}

/* ----- the leader ----- */

typedef struct Leader
{
	PfBoost    *boost;
	const PfEnv *env;
	PfRunTasks	run;
	void	   *arg;
	uint32_t   *open;			/* numbers of open nodes */
	uint32_t	nopen;
	uint32_t   *free_slots;
	uint32_t	nfree;
	uint32_t	nleaves;
	bool		limited;		/* the number of leaves is: one node at a time */
	uint32_t	piece;			/* rows of a piece of the nodes that are being split */
	double	   *importance;
} Leader;

static void
run_phase(Leader *leader, PfBoostPhase phase, uint32_t n, double work)
{
	leader->boost->shared->phase = phase;
	leader->run(leader->arg, leader->boost, n, work);
	pf_check(leader->env);
}

static uint32_t
ranges_for(const PfBoost *boost, uint32_t nnodes)
{
	uint32_t	ranges = boost->start[boost->matrix->nfeatures] / RANGE_CELLS / nnodes;

	if (ranges > boost->matrix->nfeatures)
		ranges = boost->matrix->nfeatures;
	if (ranges > PF_BATCH / nnodes)
		ranges = PF_BATCH / nnodes;
	return ranges < 1 ? 1 : ranges > MAX_RANGES ? MAX_RANGES : ranges;
}

static uint32_t
take_slot(Leader *leader)
{
	uint32_t	slot = leader->free_slots[--leader->nfree];

	leader->boost->filled[slot] = 0;
	return slot;
}

static void
give_slot(Leader *leader, uint32_t slot)
{
	if (slot != PF_NO_SLOT)
		leader->free_slots[leader->nfree++] = slot;
}

/* A new node is a leaf until it is split. */
static void
make_leaf(PfBoost *boost, uint32_t number)
{
	const PfBoostNode *node = &boost->nodes[number];

	boost->tree[number] = (PfNode) {.link = number,.feature = PF_LEAF};
	boost->values[number] = boost->params->learning_rate * boost->shared->target_unit *
		pf_boost_value(boost, node->sums, node->lower, node->upper);
}

/* Can the node be split at all? */
static bool
is_divisible(const PfBoost *boost, const PfBoostNode *node)
{
	const PfBoostParams *params = boost->params;

	return (params->max_depth == 0 || node->depth < params->max_depth) &&
		node->n >= 2 && node->n / 2 >= params->min_samples_leaf;
}

/* Of two open nodes the one to be split first. */
static bool
comes_first(const PfBoost *boost, uint32_t a, uint32_t b)
{
	double		gain_a = boost->nodes[a].split.gain;
	double		gain_b = boost->nodes[b].split.gain;

	return gain_a != gain_b ? gain_a > gain_b : a < b;
}

/* Open nodes are a heap, the best on top, when one at a time is split; else a queue. */
static void
open_node(Leader *leader, uint32_t number)
{
	uint32_t	i = leader->nopen++;

	for (; leader->limited && i > 0 && comes_first(leader->boost, number, leader->open[(i - 1) / 2]);
		 i = (i - 1) / 2)
		leader->open[i] = leader->open[(i - 1) / 2];
	leader->open[i] = number;
}

static uint32_t
take_best(Leader *leader)
{
	uint32_t	best = leader->open[0];
	uint32_t	last = leader->open[--leader->nopen];
	uint32_t	i = 0;

	for (uint32_t child = 1; child < leader->nopen; child = 2 * i + 1)
	{
		if (child + 1 < leader->nopen &&
			comes_first(leader->boost, leader->open[child + 1], leader->open[child]))
			child++;
		if (comes_first(leader->boost, last, leader->open[child]))
			break;
		leader->open[i] = leader->open[child];
		i = child;
	}
	leader->open[i] = last;
	return best;
}

/* Takes the best of all ranges; opens the node if there is one. */
static void
settle(Leader *leader, uint32_t number, const PfBoostSplit *found, uint32_t ranges)
{
	PfBoostNode *node = &leader->boost->nodes[number];

	for (uint32_t i = 0; i < ranges; i++)
	{
		const PfBoostSplit *split = &found[2 * i];

		if (split->found && (!node->split.found || split->gain > node->split.gain))
			node->split = *split;
	}
	if (node->split.found)
		open_node(leader, number);
	else
	{
		give_slot(leader, node->slot);
		node->slot = PF_NO_SLOT;
	}
}

/*
 * Targets may be as small or large as they like, and weights count beside each other only.
 * Powers of 2 leave every bit of what is computed with them as it is.
 */
static void
measure_scales(PfBoost *boost, double base)
{
	PfBoostShared *shared = boost->shared;
	const PfMatrix *matrix = boost->matrix;
	double		largest = 0,
				weights = 0;
	uint32_t	rows = 0;
	int			exponent = 0;

	for (uint32_t i = 0; i < matrix->nrows; i++)
	{
		if (i % 65536 == 0)
			pf_check(boost->env);
		if (pf_is_apart(boost, i))
			continue;
		rows++;
		weights += pf_boost_weight(boost, i);
		if (boost->params->loss == PF_LOSS_SQUARED_ERROR && fabs(matrix->target[i] - base) > largest)
			largest = fabs(matrix->target[i] - base);
	}
	if (largest > 0)
		frexp(largest, &exponent);
	exponent = exponent < -1000 ? -1000 : exponent;
	shared->target_scale = ldexp(1, -exponent);
	shared->target_unit = ldexp(1, exponent);
	shared->mean_weight = weights > 0 ? weights / rows : 1;
}

/* The features that the tree sees, and the units of its gradients; false when they are too large for any. */
static bool
prepare_tree(PfBoost *boost)
{
	PfBoostShared *shared = boost->shared;
	const PfBoostParams *params = boost->params;
	uint32_t	nfeatures = boost->matrix->nfeatures;
	uint64_t	stream = pf_random_stream(params->seed, PF_CHOOSE_FEATURES, shared->tree, UINT32_MAX);
	double		gradient = 0,
				hessian = 0,
				most_gradient = MOST_UNITS,
				most_hessian = MOST_UNITS,
				sum = 0,
				squares = 0,
				scale;

	shared->nsampled = 0;
	for (uint32_t i = 0; i < boost->sizes.npieces; i++)
	{
		PfPieceSums *piece = &boost->piece_sums[i];

		gradient = piece->largest_gradient > gradient ? piece->largest_gradient : gradient;
		hessian = piece->largest_hessian > hessian ? piece->largest_hessian : hessian;
		sum += piece->hessian;
		squares += piece->squares;
		piece->first = shared->nsampled;
		shared->nsampled += piece->sampled;
	}
	if (!(gradient <= FLT_MAX && hessian <= FLT_MAX))
		return false;

	/* 30 bits a row; the hessians' sum must leave room for the number of rows */
	if (boost->packing.hessian_bits > 0)
	{
		most_gradient = FEW_GRADIENTS;
		most_hessian = FEW_HESSIANS;
	}
	shared->gradient_scale = gradient > 0 ? most_gradient / gradient : 1;
	shared->hessian_scale = hessian > 0 ? most_hessian / hessian : 1;
	scale = sum > 0 ? ldexp(0.99, 63 - (int) boost->count_bits) / sum : 1;
	if (scale < shared->hessian_scale)
		shared->hessian_scale = scale;
	if (boost->packing.rows > 0 && boost->packing.hessian_bits == 0)
		shared->hessian_scale = 1;
	if (!isfinite(shared->gradient_scale))
		shared->gradient_scale = 1e300;
	if (!isfinite(shared->hessian_scale))
		shared->hessian_scale = 1e300;
	shared->noise = sum > 0 ? squares / sum : 0;
	shared->gradient_unit = 1 / shared->gradient_scale;
	shared->hessian_unit = 1 / shared->hessian_scale;

	memset(boost->used, params->tree_features >= nfeatures, nfeatures);
	if (params->tree_features >= nfeatures)
		return true;
	for (uint32_t f = 0; f < nfeatures; f++)
		boost->drawn[f] = f;
	for (uint32_t i = 0; i < params->tree_features; i++)
	{
		uint32_t	other = i + pf_random_below(stream, i, nfeatures - i);

		boost->used[boost->drawn[other]] = 1;
		boost->drawn[other] = boost->drawn[i];
	}
	return true;
}

static void
grow_root(Leader *leader)
{
	PfBoost    *boost = leader->boost;
	PfBoostShared *shared = boost->shared;
	PfBoostNode *root = &boost->nodes[0];
	uint32_t	nfeatures = boost->matrix->nfeatures;

	leader->nopen = 0;
	leader->nleaves = 1;
	leader->nfree = 0;
	for (uint32_t i = boost->sizes.nslots; i-- > 0;)
		leader->free_slots[leader->nfree++] = i;
	shared->nnodes = 1;
	shared->nsets = 0;
	memset(root, 0, sizeof(*root));
	root->n = shared->nsampled;
	root->slot = take_slot(leader);	/* number 0 */
	root->lower = -INFINITY;
	root->upper = INFINITY;
	run_phase(leader, PF_BOOST_ROOT, boost->sizes.npieces, (double) root->n * nfeatures);

	/* any feature has all the rows */
	for (uint32_t i = boost->start[0]; i < boost->start[1]; i++)
		root->sums += boost->cells[(size_t) root->slot * boost->sizes.ncells + i];
	make_leaf(boost, 0);
	if (!is_divisible(boost, root))
		return;
	shared->ranges = ranges_for(boost, 1);
	run_phase(leader, PF_BOOST_SEARCH_ROOT, shared->ranges, boost->start[nfeatures]);
	settle(leader, 0, boost->found, shared->ranges);
}

/* The children of a node, and what is to be counted for them. */
static void
branch_off(Leader *leader, uint32_t number)
{
	PfBoost    *boost = leader->boost;
	PfBoostShared *shared = boost->shared;
	PfBoostNode *node = &boost->nodes[number];
	PfBranch   *branch = &boost->branches[shared->nbranches];
	PfBoostNode *child;
	uint32_t	small;

	memset(branch, 0, sizeof(*branch));
	branch->node = number;
	branch->left = shared->nnodes;
	branch->parent_slot = node->slot;
	branch->npieces = (node->n + leader->piece - 1) / leader->piece;
	child = &boost->nodes[shared->nnodes];
	shared->nnodes += 2;
	leader->nleaves++;
	for (int side = 0; side < 2; side++)
	{
		memset(&child[side], 0, sizeof(PfBoostNode));
		child[side].depth = node->depth + 1;
		child[side].slot = PF_NO_SLOT;
		child[side].sums = side == 0 ? node->split.left : node->sums - node->split.left;
		child[side].n = pf_cell_count(boost, child[side].sums);
		child[side].lower = node->lower;
		child[side].upper = node->upper;
		branch->slot[side] = PF_NO_SLOT;
	}
	child[0].start = node->start;
	child[1].start = node->start + child[0].n;
	if (boost->params->monotonic && boost->params->monotonic[node->split.feature] != 0)
	{
		double		middle = (pf_boost_value(boost, child[0].sums, node->lower, node->upper) +
							  pf_boost_value(boost, child[1].sums, node->lower, node->upper)) / 2;

		if (boost->params->monotonic[node->split.feature] > 0)
			child[0].upper = child[1].lower = middle;
		else
			child[0].lower = child[1].upper = middle;
	}
	for (int side = 0; side < 2; side++)
	{
		make_leaf(boost, branch->left + side);
		branch->search[side] = is_divisible(boost, &child[side]);
	}

	boost->tree[number] = (PfNode) {
		.link = branch->left | (node->split.missing_left ? PF_MISSING_LEFT : 0),
			.feature = node->split.feature,.threshold = node->split.threshold
	};
	if (node->split.by_set)
	{
		boost->tree[number].threshold = (uint16_t) (PF_FIRST_SET + shared->nsets);
		boost->sets[shared->nsets++] = node->split.set;
	}
	leader->importance[node->split.feature] += node->split.gain;

	/* which histograms: that of the smaller child, and the parent's becomes the other */
	small = child[1].n < child[0].n;
	if (node->slot != PF_NO_SLOT && branch->search[!small])
	{
		branch->build[small] = true;
		branch->subtract = true;
		branch->slot[small] = take_slot(leader);
		branch->slot[!small] = node->slot;
	}
	else
	{
		for (int side = 0; side < 2; side++)
		{
			branch->build[side] = branch->search[side];
			if (branch->search[side])
				branch->slot[side] = take_slot(leader);
		}
		give_slot(leader, node->slot);
	}
	for (int side = 0; side < 2; side++)
		child[side].slot = branch->slot[side];

	for (uint32_t i = 0; i < branch->npieces; i++)
	{
		PfPiece    *piece = &boost->pieces[shared->npieces++];

		piece->branch = shared->nbranches;
		piece->start = node->start + i * leader->piece;
		piece->n = node->n - i * leader->piece < leader->piece ? node->n - i * leader->piece : leader->piece;
	}
	shared->nbranches++;
}

/* A node that waits gives back its histogram: it will be counted anew. */
static bool
rob_open_node(Leader *leader)
{
	for (uint32_t i = leader->nopen; i-- > 0;)
	{
		PfBoostNode *node = &leader->boost->nodes[leader->open[i]];

		if (node->slot != PF_NO_SLOT)
		{
			give_slot(leader, node->slot);
			node->slot = PF_NO_SLOT;
			return true;
		}
	}
	return false;
}

/* Makes sure that a node can be split; two slots are always enough, if it may take all. */
static bool
has_slots(Leader *leader, uint32_t number, bool rob)
{
	uint32_t	needed = leader->boost->nodes[number].slot == PF_NO_SLOT ? 2 : 1;

	while (leader->nfree < needed && rob && rob_open_node(leader))
		;
	return leader->nfree >= needed;
}

/* Splits the best node, or as many as can be split together. */
static void
split_nodes(Leader *leader)
{
	PfBoost    *boost = leader->boost;
	PfBoostShared *shared = boost->shared;
	uint32_t	taken = 0;
	uint32_t	rows = 0;
	double		work = 0;
	uint32_t	at;

	for (uint32_t i = 0; i < (leader->limited ? 1 : leader->nopen); i++)
		rows += boost->nodes[leader->open[i]].n;
	leader->piece = pf_piece_of(rows);
	shared->nbranches = 0;
	shared->npieces = 0;
	while (taken < leader->nopen && shared->nbranches < (leader->limited ? 1 : PF_BATCH))
	{
		uint32_t	number = leader->limited ? take_best(leader) : leader->open[taken];

		if (!has_slots(leader, number, shared->nbranches == 0))
			break;
		work += (double) boost->nodes[number].n * (boost->matrix->nfeatures / 2 + 4);
		branch_off(leader, number);
		taken += !leader->limited;
	}
	leader->nopen -= taken;
	memmove(leader->open, leader->open + taken, leader->nopen * sizeof(uint32_t));

	run_phase(leader, PF_BOOST_DIVIDE, shared->npieces, work);

	at = 0;
	for (uint32_t b = 0; b < shared->nbranches; b++)
	{
		uint32_t	left = boost->nodes[boost->branches[b].left].start;
		uint32_t	right = boost->nodes[boost->branches[b].left + 1].start;

		for (uint32_t i = 0; i < boost->branches[b].npieces; i++, at++)
		{
			boost->pieces[at].left_at = left;
			boost->pieces[at].right_at = right;
			left += boost->pieces[at].nleft;
			right += boost->pieces[at].n - boost->pieces[at].nleft;
		}
	}
	shared->ranges = ranges_for(boost, shared->nbranches);
	run_phase(leader, PF_BOOST_SEARCH, shared->nbranches * shared->ranges + shared->npieces,
			  3.0 * shared->nbranches * boost->start[boost->matrix->nfeatures] + work / 16);
	for (uint32_t b = 0; b < shared->nbranches; b++)
	{
		const PfBranch *branch = &boost->branches[b];

		for (uint32_t side = 0; side < 2; side++)
		{
			if (branch->search[side])
				settle(leader, branch->left + side,
					   &boost->found[2 * b * shared->ranges + side], shared->ranges);
			else
				give_slot(leader, branch->slot[side]);
		}
	}
}

/* All is grown: the leaves' values, and each row's leaf. */
static void
finish_tree(Leader *leader)
{
	PfBoost    *boost = leader->boost;
	PfBoostShared *shared = boost->shared;
	PfLoss		loss = boost->params->loss;

	if (loss == PF_LOSS_ABSOLUTE_ERROR || loss == PF_LOSS_QUANTILE)
		run_phase(leader, PF_BOOST_RENEW, shared->nnodes, 20.0 * shared->nsampled);
	shared->npieces = 0;
	for (uint32_t i = 0; i < shared->nnodes; i++)
	{
		const PfBoostNode *node = &boost->nodes[i];

		if (i % 16384 == 0)
			pf_check(leader->env);
		for (uint32_t start = 0; pf_is_leaf(&boost->tree[i]) && start < node->n; start += PF_PIECE)
			boost->pieces[shared->npieces++] = (PfPiece) {
			.branch = i,.start = node->start + start,
				.n = node->n - start < PF_PIECE ? node->n - start : PF_PIECE
		};
	}
	run_phase(leader, PF_BOOST_ASSIGN, shared->npieces, shared->nsampled);
}

/* The sets of a tree as they are kept: numbered in preorder. */
static void
keep_sets(const PfBoost *boost, PfTree *tree)
{
	const PfEnv *env = boost->env;
	uint32_t	n = boost->shared->nsets;
	uint32_t   *stack;
	uint32_t	depth = 0;
	uint32_t	done = 0;

	if (n == 0)
		return;
	tree->sets = pf_alloc(env, n * sizeof(PfSet));
	stack = pf_alloc(env, ((size_t) tree->nnodes / 2 + 2) * sizeof(uint32_t));
	stack[depth++] = 0;
	while (depth > 0)
	{
		PfNode	   *node = &tree->nodes[stack[--depth]];

		if (++done % 16384 == 0)
			pf_check(env);
		if (pf_is_leaf(node))
			continue;
		if (pf_has_set(node))
		{
			tree->sets[tree->nsets] = boost->sets[node->threshold - PF_FIRST_SET];
			node->threshold = (uint16_t) (PF_FIRST_SET + tree->nsets++);
		}
		stack[depth++] = (node->link & PF_LINK_MASK) + 1;
		stack[depth++] = node->link & PF_LINK_MASK;
	}
	pf_release(env, stack);
}

/* The tree as it is kept: leaves numbered from 0.  False when a leaf's value is too large. */
static bool
keep_tree(const PfBoost *boost, PfTree *tree)
{
	uint32_t	n = boost->shared->nnodes;
	bool		held = true;

	memset(tree, 0, sizeof(*tree));
	tree->nnodes = n;
	tree->width = 1;
	tree->nodes = pf_alloc(boost->env, n * sizeof(PfNode));
	tree->leaves = pf_alloc(boost->env, (n / 2 + 1) * sizeof(double));
	for (uint32_t i = 0; i < n; i++)
	{
		if (i % 16384 == 0)
			pf_check(boost->env);
		tree->nodes[i] = boost->tree[i];
		if (pf_is_leaf(&tree->nodes[i]))
		{
			held = held && fabs(boost->values[i]) <= LARGEST_LEAF;
			tree->leaves[tree->nleaves] = boost->values[i];
			tree->nodes[i].link = tree->nleaves++;
		}
	}
	keep_sets(boost, tree);
	return held;
}

/* False when gradients or leaves are too large: learning_rate is too high, or the weights are. */
static bool
grow_tree(Leader *leader, PfTree *tree)
{
	if (!prepare_tree(leader->boost))
		return false;
	grow_root(leader);
	while (leader->nopen > 0 && (!leader->limited || leader->nleaves < leader->boost->params->max_leaf_nodes))
		split_nodes(leader);
	finish_tree(leader);
	return keep_tree(leader->boost, tree);
}

/* The mean loss of the rows set apart, by the pieces in their order. */
static double
mean_loss(const PfBoost *boost)
{
	double		loss = 0,
				weight = 0;

	for (uint32_t i = 0; i < boost->sizes.npieces; i++)
	{
		loss += boost->piece_sums[i].loss;
		weight += boost->piece_sums[i].weight;
	}
	return weight > 0 ? loss / weight : 0;
}

/*
 * Has none of the last rounds been better than the one before them?  losses[0] is that
 * of the base.
 */
static bool
should_stop(const PfBoostParams *params, const double *losses, uint32_t rounds)
{
	uint32_t	patience = params->n_iter_no_change;

	if (patience == 0 || rounds < patience)
		return false;
	for (uint32_t i = rounds - patience + 1; i <= rounds; i++)
	{
		if (losses[i] < losses[rounds - patience] - params->tol)
			return false;
	}
	return true;
}

static void
update_rows(Leader *leader, bool update, bool derive)
{
	PfBoost    *boost = leader->boost;

	boost->shared->update = update;
	boost->shared->derive = derive;
	run_phase(leader, PF_BOOST_GRADIENTS, boost->sizes.npieces, 8.0 * boost->matrix->nrows);
}

static void
note_last(PfBoostShared *shared)
{
	shared->last_round = shared->round;
	shared->last_sum = shared->sum;
}

void
pf_boost_run(PfBoost *boost, PfRunTasks run, PfCountRound count, void *arg, PfBoosted *result)
{
	const PfBoostParams *params = boost->params;
	const PfEnv *env = boost->env;
	PfBoostShared *shared = boost->shared;
	uint32_t	nsums = boost->nsums;
	uint32_t	nfeatures = boost->matrix->nfeatures;
	uint32_t	room = 0;
	uint32_t	rounds = 0;
	uint64_t	nodes = 0,
				sets = 0;
	double		total = 0;
	Leader		leader = {.boost = boost,.env = env,.run = run,.arg = arg};

	memset(result, 0, sizeof(*result));
	result->nsums = nsums;
	result->base = pf_alloc(env, nsums * sizeof(double));
	result->importance = leader.importance = pf_alloc(env, nfeatures * sizeof(double));
	memset(leader.importance, 0, nfeatures * sizeof(double));
	if (params->n_iter_no_change > 0)
		result->losses = pf_alloc(env, ((size_t) params->n_estimators + 1) * sizeof(double));
	leader.open = pf_alloc(env, boost->sizes.max_nodes * sizeof(uint32_t));
	leader.free_slots = pf_alloc(env, boost->sizes.nslots * sizeof(uint32_t));
	leader.limited = params->max_leaf_nodes > 0 &&
		(params->max_depth == 0 || params->max_depth > 30 ||
		 UINT32_C(1) << params->max_depth > params->max_leaf_nodes);

	pf_boost_base(boost, result->base);
	measure_scales(boost, result->base[0]);
	for (uint32_t i = 0; i < boost->matrix->nrows; i++)
	{
		memcpy(boost->raw + (size_t) i * nsums, result->base, nsums * sizeof(double));
		if (i % 4096 == 0)
			pf_check(env);
	}
	shared->sampling = params->subsample < 1 || params->n_iter_no_change > 0;
	for (;;)
	{
		bool		last = rounds == params->n_estimators;

		/* what the rounds so far have come to, and with it the next gradients */
		shared->round = rounds;
		shared->sum = 0;
		if (nsums > 1)
		{
			if (rounds > 0)
				update_rows(&leader, true, false);
			run_phase(&leader, PF_BOOST_SHARES, boost->sizes.npieces, 20.0 * boost->matrix->nrows * nsums);
			if (result->losses)
				result->losses[rounds] = mean_loss(boost);
		}
		else
		{
			update_rows(&leader, rounds > 0, !last);
			if (result->losses)
				result->losses[rounds] = mean_loss(boost);
		}
		if (last || should_stop(params, result->losses, rounds))
			break;

		if ((rounds + 1) * nsums > room)
		{
			room = (rounds + 1) * nsums * 2;
			result->trees = pf_resize(env, result->trees, room * sizeof(PfTree));
		}
		for (uint32_t s = 0; s < nsums; s++)
		{
			shared->tree = rounds * nsums + s;
			shared->sum = s;
			if (nsums > 1)
				update_rows(&leader, s > 0, true);
			result->diverged = !grow_tree(&leader, &result->trees[shared->tree]);
			if (result->diverged)
				break;
			nodes += result->trees[shared->tree].nnodes;
			sets += result->trees[shared->tree].nsets;
			note_last(shared);
		}
		if (result->diverged)
			break;
		rounds++;
		if (count)
			count(arg, rounds, nodes, sets);
	}

	/* the best round is the last that is kept, though there is one at least if there was one */
	result->rounds_grown = result->rounds = rounds;
	if (result->losses)
	{
		result->rounds = rounds > 0;
		for (uint32_t i = 2; i <= rounds; i++)
		{
			if (result->losses[i] < result->losses[result->rounds])
				result->rounds = i;
		}
	}
	for (uint32_t f = 0; f < nfeatures; f++)
		total += leader.importance[f];
	for (uint32_t f = 0; f < nfeatures; f++)
		leader.importance[f] = total > 0 && isfinite(total) ? leader.importance[f] / total : 0;
	pf_release(env, leader.open);
	pf_release(env, leader.free_slots);
}

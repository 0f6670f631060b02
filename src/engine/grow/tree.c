/*
 * tree.c
 *	  Grows one tree: which node is next, when to stop, what a leaf says.
 *
 * Without max_leaf_nodes the tree grows depth first, left before right.  With
 * it the node whose split improves most is next (best first, as in
 * scikit-learn); nodes still open when the leaves run out become leaves.
 *
 * Memory: scratch lives as long as the PfGrowth; the tree's three arrays are
 * the caller's.
 */
#include <math.h>
#include <string.h>

#include "engine/grow/abreast.h"
#include "engine/grow/grow.h"
#include "engine/grow/random.h"

#define NO_ROW UINT32_MAX
#define AHEAD	16				/* rows between the one copied and the one fetched */

/* Bytes of rows that are brought together: see bring_together. */
#ifndef NEARBY_BYTES
#define NEARBY_BYTES	2097152
#endif
#ifndef LESS_NEARBY_BYTES
#define LESS_NEARBY_BYTES	16777216
#endif
#ifndef MOVED_BYTES
#define MOVED_BYTES		4194304 /* where rows are moved with their items */
#endif

/* A node that may still be split. */
typedef struct Open
{
	uint32_t	node;
	uint32_t	start,
				n;
	uint32_t	depth;
	uint64_t	place;			/* what it draws features by, if not by its number */
	uint32_t	ended;			/* views that end above it */
	uint8_t		nearby;			/* the items' rows are in growth->nearby[nearby - 1]; 0: in the matrix */
	uint8_t		room;			/* of growth->items, and of rows that are moved */
	bool		few;			/* growth->grow_subtree takes it */
	uint32_t	set;			/* where its set of constant features is kept */
	bool		summed;			/* the split that made the node left its sums */
	double		sums[PF_COUNTED_CLASSES];	/* its part of growth->total */
	double		lower,			/* bounds of its value, by monotonic constraints */
				upper;
	PfSplit		split;
} Open;

typedef struct Frontier
{
	Open	   *open;
	uint32_t	count,
				room;
	bool		best_first;

	uint64_t   *sets;			/* of constant features: one for each open node */
	uint32_t   *free_sets;		/* numbers of those not in use */
	uint32_t	nfree,
				nsets;
	uint64_t   *set;			/* that of the node at hand */
	uint32_t	end_room;		/* of the tree's ends */
} Frontier;

/* Half a matrix, if that is much more than what lies nearby in the end, but not more than is worth it. */
uint32_t
pf_less_nearby_rows(const PfMatrix *matrix, const PfForestParams *params)
{
	const uint64_t bytes = (uint64_t) matrix->nrows * matrix->stride / 2;

	if (params->max_leaf_nodes > 0 || bytes < 3 * NEARBY_BYTES)
		return 0;
	return (uint32_t) ((bytes < LESS_NEARBY_BYTES ? bytes : LESS_NEARBY_BYTES) / matrix->stride);
}

/*
 * Rows that lie in the order of a node's items are read one after the other, which is worth moving them where
 * a node's passes over its rows are few and its rows are short: random cuts of few features.
 */
static uint32_t
moved_bytes(const PfMatrix *matrix, const PfForestParams *params)
{
	if (params->places == NULL || params->max_leaf_nodes > 0 || matrix->nfeatures > PF_MOVED_MOST)
		return 0;
	return matrix->nfeatures <= PF_MOVED_LEAST ? PF_MOVED_LEAST : PF_MOVED_MOST;
}

static uint32_t
nearby_rows(const PfMatrix *matrix, const PfForestParams *params)
{
	const uint32_t moved = moved_bytes(matrix, params);
	uint32_t	rows;

	/* no bytes: the length of its arrays is not known yet */
	if (params->max_leaf_nodes > 0 || matrix->stride == 0)
		return 0;
	rows = moved ? MOVED_BYTES / moved : NEARBY_BYTES / matrix->stride;
	return rows < matrix->nrows ? rows : matrix->nrows;
}

uint64_t
pf_nearby_memory(const PfMatrix *matrix, const PfForestParams *params)
{
	const uint32_t moved = moved_bytes(matrix, params);

	return (uint64_t) pf_less_nearby_rows(matrix, params) * matrix->stride +
		(uint64_t) nearby_rows(matrix, params) * (moved ? 2 * moved : matrix->stride) +
		(moved ? matrix->nrows * sizeof(PfItem) / 2 : 0);
}

static void
make_nearby_room(PfGrowth *growth)
{
	const PfEnv *env = growth->env;
	const PfMatrix *matrix = growth->matrix;
	const uint32_t moved = moved_bytes(matrix, growth->params);
	size_t		bytes;

	growth->nearby_rows[0] = pf_less_nearby_rows(matrix, growth->params);
	growth->nearby_rows[1] = nearby_rows(matrix, growth->params);
	growth->nearby_moved = moved;
	bytes = (size_t) growth->nearby_rows[1] * (moved ? moved : matrix->stride) + PF_MOVED_MOST;
	growth->nearby[0] = pf_alloc(env, (size_t) growth->nearby_rows[0] * matrix->stride + PF_SUBTREE_SLACK);
	growth->nearby[1] = pf_alloc(env, bytes);
	if (moved)
	{
		growth->nearby_other = pf_alloc(env, bytes);
		pf_clear(env, growth->nearby[1], bytes);
		pf_clear(env, growth->nearby_other, bytes);
	}
}

void
pf_growth_init(PfGrowth *growth, const PfEnv *env, const PfMatrix *matrix,
			   const PfForestParams *params)
{
	uint32_t	nfeatures = matrix->nfeatures;
	size_t		cell;

	memset(growth, 0, sizeof(*growth));
	growth->env = env;
	growth->matrix = matrix;
	growth->params = params;
	growth->width = matrix->nclasses ? matrix->nclasses : 2;
	growth->counted = matrix->nclasses > 0 && matrix->nclasses <= PF_COUNTED_CLASSES && params->criterion == PF_GINI &&
		matrix->weight == NULL && params->class_weight == PF_WEIGHT_NONE;
	growth->min_leaf = params->min_samples_leaf;

	if (matrix->nclasses == 0)
	{
		double		sum = 0;

		for (uint32_t i = 0; i < matrix->nrows; i++)
		{
			sum += matrix->target[i] / matrix->nrows;
			if (i % PF_CHECK_EVERY == 0)
				pf_check(env);
		}
		growth->offset = sum;
	}

	/* many at once hide each other's latency; most nodes touch few of their bins */
	cell = (size_t) 256 * growth->width * sizeof(double);
	growth->group = (uint32_t) (524288 / cell);
	if (growth->group > 32)
		growth->group = 32;
	if (growth->group < 1)
		growth->group = 1;
	if (growth->group > nfeatures)
		growth->group = nfeatures;

	growth->spare = pf_alloc(env, ((size_t) matrix->nrows + 4) * sizeof(PfItem));
	make_nearby_room(growth);
	growth->features = pf_alloc(env, nfeatures * sizeof(uint32_t));
	growth->swaps = pf_alloc(env, nfeatures * sizeof(uint32_t));
	growth->candidates = pf_alloc(env, nfeatures * sizeof(uint32_t));
	growth->words = (nfeatures + 63) / 64;
	for (uint32_t i = 0; i < nfeatures; i++)
		growth->features[i] = i;
	growth->histogram = pf_alloc(env, growth->group * cell);
	memset(growth->histogram, 0, growth->group * cell);
	if (growth->min_leaf > 1)
	{
		growth->counts = pf_alloc(env, growth->group * 256 * sizeof(uint32_t));
		memset(growth->counts, 0, growth->group * 256 * sizeof(uint32_t));
	}
	growth->pure_leaf = pf_alloc(env, growth->width * sizeof(uint32_t));
	growth->total = pf_alloc(env, 3 * growth->width * sizeof(double));
	growth->left = growth->total + growth->width;
	growth->missing = growth->left + growth->width;
	growth->boundaries = pf_alloc(env, sizeof(PfBoundaries));
	memset(growth->boundaries, 0, sizeof(PfBoundaries));
	growth->score_boundaries = pf_boundary_scorer(false);

	growth->abreast = matrix->weight == NULL && params->class_weight == PF_WEIGHT_NONE &&
		growth->min_leaf == 1 && params->min_weight_fraction_leaf == 0 && params->monotonic == NULL;
	growth->search_few = pf_search_few(false);
	growth->search_many = pf_search_many(false);
	if (params->places)
	{
		growth->find_random_split = pf_random_splitter(false);
		growth->grow_subtree = pf_subtree_grower(growth, false);
		growth->sixteenths = pf_alloc(env, (size_t) nfeatures * 16 * sizeof(float));
		for (size_t i = 0; i < (size_t) nfeatures * 16; i++)
			growth->sixteenths[i] = params->places[i * 16];
	}
	growth->tables = pf_alloc(env, PF_ABREAST_TABLE + PF_ABREAST_ALIGN);
	growth->table = (char *) growth->tables + PF_ABREAST_ALIGN - (uintptr_t) growth->tables % PF_ABREAST_ALIGN;
	memset(growth->table, 0, PF_ABREAST_TABLE);
}

void
pf_growth_release(PfGrowth *growth)
{
	pf_release(growth->env, growth->spare);
	pf_release(growth->env, growth->nearby[0]);
	pf_release(growth->env, growth->nearby[1]);
	pf_release(growth->env, growth->nearby_other);
	pf_release(growth->env, growth->features);
	pf_release(growth->env, growth->swaps);
	pf_release(growth->env, growth->candidates);
	pf_release(growth->env, growth->histogram);
	pf_release(growth->env, growth->counts);
	pf_release(growth->env, growth->sixteenths);
	pf_release(growth->env, growth->pure_leaf);
	pf_release(growth->env, growth->total);
	pf_release(growth->env, growth->boundaries);
	pf_release(growth->env, growth->tables);
}

/* Says where the node's rows are; returns its items. */
static PfItem *
find_rows(PfGrowth *growth, const Open *entry)
{
	growth->bins = entry->nearby ? growth->nearby[entry->nearby - 1] : growth->matrix->bins;
	growth->moved = entry->nearby == 2 ? growth->nearby_moved : 0;
	if (growth->moved)
	{
		size_t		at = (entry->start - growth->nearby_start) * (size_t) growth->moved;

		growth->moved_bins = (entry->room ? growth->nearby_other : growth->nearby[1]) + at;
		growth->free_bins = (entry->room ? growth->nearby[1] : growth->nearby_other) + at;
		growth->free_items = growth->items[!entry->room] + entry->start;
		growth->bins = growth->moved_bins;
	}
	return growth->items[entry->room] + entry->start;
}

/*
 * The rows of a subtree that is small enough are brought together, so that all
 * that is done below finds them in the cache; and before, of a matrix that is much larger than
 * caches, those of a subtree of which a line of memory and a page would hold few.  There is one such
 * subtree of each kind at a time, since a tree that grows depth first is done with it before the next.
 */
static PfItem *
bring_together(PfGrowth *growth, Open *entry)
{
	PfItem	   *items = find_rows(growth, entry);
	const size_t stride = growth->matrix->stride;
	const uint8_t nearby = entry->n <= growth->nearby_rows[1] ? 2 : entry->n <= growth->nearby_rows[0] ? 1 : 0;

	if (entry->nearby < nearby)
	{
		const uint8_t *bins = growth->bins;
		uint8_t    *to = growth->nearby[nearby - 1];
		const size_t apart = nearby == 2 && growth->nearby_moved ? growth->nearby_moved : stride;
		const size_t bytes = apart < stride ? apart : stride;

		for (uint32_t i = 0; i < entry->n; i++)
		{
			PfItem	   *item = &items[i];

			if (i + AHEAD < entry->n)
				__builtin_prefetch(bins + item[AHEAD].row * stride);
			memcpy(to + i * apart, bins + item->row * stride, bytes);
			item->row = i;
			if (i % PF_CHECK_EVERY == 0)
				pf_check(growth->env);
		}
		entry->nearby = nearby;
		if (nearby == 2)
			growth->nearby_start = entry->start;
		find_rows(growth, entry);
	}
	return items;
}

/* Which of two open nodes is next: the greater gain, the older node of equals. */
static bool
comes_first(const Open *a, const Open *b)
{
	if (a->split.gain != b->split.gain)
		return a->split.gain > b->split.gain;
	return a->node < b->node;
}

/* Keeps the set at hand for an open node; returns where. */
static uint32_t
keep_set(const PfGrowth *growth, Frontier *frontier)
{
	const size_t size = growth->words * sizeof(uint64_t);
	uint32_t	number;

	if (frontier->nfree == 0)
	{
		uint32_t	more = frontier->nsets ? frontier->nsets : 32;

		frontier->sets = pf_resize(growth->env, frontier->sets, (frontier->nsets + more) * size);
		frontier->free_sets = pf_resize(growth->env, frontier->free_sets,
										(frontier->nsets + more) * sizeof(uint32_t));
		while (more-- > 0)
			frontier->free_sets[frontier->nfree++] = frontier->nsets++;
	}
	number = frontier->free_sets[--frontier->nfree];
	for (uint32_t i = 0; i < growth->words; i++)
		frontier->sets[(size_t) number * growth->words + i] = frontier->set[i];
	return number;
}

/* Takes the set of an open node to hand for a child, and leaves it in its place. */
static void
take_set(const PfGrowth *growth, Frontier *frontier, uint32_t number)
{
	for (uint32_t i = 0; i < growth->words; i++)
		frontier->set[i] = frontier->sets[(size_t) number * growth->words + i];
}

static void
push(const PfEnv *env, Frontier *frontier, const Open *entry)
{
	uint32_t	i;

	if (frontier->count == frontier->room)
	{
		frontier->room = frontier->room ? frontier->room * 2 : 64;
		frontier->open = pf_resize(env, frontier->open, frontier->room * sizeof(Open));
	}
	i = frontier->count++;
	if (frontier->best_first)
	{
		while (i > 0 && comes_first(entry, &frontier->open[(i - 1) / 2]))
		{
			frontier->open[i] = frontier->open[(i - 1) / 2];
			i = (i - 1) / 2;
		}
	}
	frontier->open[i] = *entry;
}

static Open
pop(Frontier *frontier)
{
	Open		result;
	Open		last = frontier->open[--frontier->count];
	uint32_t	i = 0;

	if (!frontier->best_first || frontier->count == 0)
		return last;
	result = frontier->open[0];
	for (;;)
	{
		uint32_t	child = 2 * i + 1;

		if (child >= frontier->count)
			break;
		if (child + 1 < frontier->count &&
			comes_first(&frontier->open[child + 1], &frontier->open[child]))
			child++;
		if (comes_first(&last, &frontier->open[child]))
			break;
		frontier->open[i] = frontier->open[child];
		i = child;
	}
	frontier->open[i] = last;
	return result;
}

/* Splits keep to the bounds but for rounding, leaves to the last bit.  Was it moved? */
static bool
clamp(double *value, double lower, double upper)
{
	double		before = *value;

	*value = before < lower ? lower : before > upper ? upper : before;
	return *value != before;
}

/*
 * The node's own sums are in growth->total.  Leaves of one class are alike, and
 * most leaves of an unlimited tree are such, so they share a row for each class:
 * of many classes a row each would take gigabytes.  Not best first, where slots are
 * given back.
 */
void
pf_add_leaf(PfGrowth *growth, PfTree *tree, uint32_t node, const PfNodeStats *stats)
{
	double	   *leaf;

	tree->nodes[node].feature = PF_LEAF;
	tree->nodes[node].threshold = 0;
	if (growth->matrix->nclasses && stats->pure && growth->params->max_leaf_nodes == 0 &&
		growth->params->monotonic == NULL)
	{
		uint32_t	c = 0;

		while (growth->total[c] == 0)
			c++;
		if (growth->pure_leaf[c] != NO_ROW)
		{
			tree->nodes[node].link = growth->pure_leaf[c];
			return;
		}
		growth->pure_leaf[c] = tree->nleaves;
	}

	leaf = tree->leaves + (size_t) tree->nleaves * tree->width;
	if (growth->matrix->nclasses)
	{
		for (uint32_t c = 0; c < tree->width; c++)
			leaf[c] = growth->total[c] / stats->weight;
		if (growth->params->monotonic != NULL && clamp(&leaf[1], growth->lower, growth->upper))
			leaf[0] = 1 - leaf[1];
	}
	else
	{
		leaf[0] = stats->pure ? stats->first
			: growth->offset + stats->sum / stats->weight;
		if (growth->params->monotonic != NULL)
			clamp(leaf, growth->offset + growth->lower, growth->offset + growth->upper);
	}

	tree->nodes[node].link = tree->nleaves++;
}

/* Makes room for so many more. */
static void
make_leaf_room(const PfGrowth *growth, PfTree *tree, uint32_t *room, uint32_t more)
{
	if (tree->nleaves + more > *room)
	{
		*room = *room ? *room * 2 : 16;
		tree->leaves = pf_resize(growth->env, tree->leaves,
								 (size_t) *room * tree->width * sizeof(double));
	}
}

static void
add_leaf(PfGrowth *growth, PfTree *tree, uint32_t *room, uint32_t node, const PfNodeStats *stats)
{
	make_leaf_room(growth, tree, room, 1);
	pf_add_leaf(growth, tree, node, stats);
}

static void
make_node_room(const PfGrowth *growth, PfTree *tree, uint32_t *room, uint32_t more)
{
	if (tree->nnodes + more > *room)
	{
		*room *= 2;
		tree->nodes = pf_resize(growth->env, tree->nodes, *room * sizeof(PfNode));
	}
}

/* What a leaf says is the mean of its rows, not what is left of the sums above them. */
static PfNodeStats
stats_of_leaf(PfGrowth *growth, const PfItem *items, const Open *entry, PfNodeStats stats)
{
	if (entry->summed && growth->matrix->nclasses == 0 && !stats.pure)
		pf_node_stats(growth, items, entry->n, &stats);
	return stats;
}

/* Keeps what a node that is split says in the views that end there; those are ended below it. */
static void
end_views(PfGrowth *growth, PfTree *tree, const PfItem *items, Open *entry, const PfNodeStats *stats,
		  Frontier *frontier, uint32_t *leaf_room)
{
	PfNodeStats leaf;
	const PfForestParams *params = growth->params;
	uint32_t	views = 0;

	for (uint32_t v = 0; v < params->nviews; v++)
	{
		const PfView *view = &params->views[v];

		if ((view->max_depth != 0 && entry->depth >= view->max_depth) ||
			entry->n < view->min_samples_split)
			views |= UINT32_C(1) << v;
	}
	views &= ~entry->ended;
	if (views == 0)
		return;
	entry->ended |= views;
	if (tree->nends == frontier->end_room)
	{
		frontier->end_room = frontier->end_room ? frontier->end_room * 2 : 64;
		tree->ends = pf_resize(growth->env, tree->ends, frontier->end_room * sizeof(PfEnd));
	}
	leaf = stats_of_leaf(growth, items, entry, *stats);
	add_leaf(growth, tree, leaf_room, entry->node, &leaf);
	tree->ends[tree->nends++] = (PfEnd) {
		.node = entry->node,.leaf = tree->nodes[entry->node].link,.views = views
	};
}

/*
 * A leaf is written for every new node at once, and its slot given back when
 * the node is split after all: so a node that stays open to the end is a leaf.
 * Looks for the node's split and opens it when there is one.
 */
static void
visit(PfGrowth *growth, PfTree *tree, uint32_t number, Open *entry, Frontier *frontier, uint32_t *leaf_room)
{
	const PfForestParams *params = growth->params;
	const PfItem *items = find_rows(growth, entry);
	PfNodeStats stats;

	pf_check(growth->env);
	growth->lower = entry->lower;
	growth->upper = entry->upper;
	if (entry->summed)
	{
		memcpy(growth->total, entry->sums, growth->width * sizeof(double));
		pf_summed_stats(growth, items, entry->n, &stats);
	}
	else
		pf_node_stats(growth, items, entry->n, &stats);
	if (growth->counted || growth->matrix->nclasses == 0)
		memcpy(entry->sums, growth->total, growth->width * sizeof(double));
	if (entry->depth == 0)
		growth->min_leaf_weight = params->min_weight_fraction_leaf * stats.weight;

	entry->split.found = false;
	if (!stats.pure && entry->n >= params->min_samples_split &&
		entry->n / 2 >= params->min_samples_leaf &&
		stats.weight >= 2 * growth->min_leaf_weight &&
		(params->max_depth == 0 || entry->depth < params->max_depth))
	{
		uint64_t	stream = params->by_place ? entry->place
			: pf_random_stream(params->seed, PF_CHOOSE_FEATURES, number, entry->node);

		(params->places ? growth->find_random_split : pf_find_split)
			(growth, stream, items, entry->n, &stats, frontier->set, &entry->split);
	}
	if (entry->split.found)
	{
		if (params->nviews > 0)
			end_views(growth, tree, items, entry, &stats, frontier, leaf_room);
		entry->set = keep_set(growth, frontier);
		push(growth->env, frontier, entry);
	}
	if (!entry->split.found || frontier->best_first)
	{
		stats = stats_of_leaf(growth, items, entry, stats);
		add_leaf(growth, tree, leaf_room, entry->node, &stats);
	}
}

/* Leaf slots of nodes that were split later are unused: close the gaps. */
static void
drop_unused_leaves(const PfEnv *env, PfTree *tree)
{
	uint32_t	used = 0;

	/* slots were handed out in the order of the nodes' numbers */
	for (uint32_t i = 0; i < tree->nnodes; i++)
	{
		PfNode	   *node = &tree->nodes[i];

		if (i % 4096 == 0)
			pf_check(env);
		if (!pf_is_leaf(node))
			continue;
		memmove(tree->leaves + (size_t) used * tree->width,
				tree->leaves + (size_t) node->link * tree->width,
				tree->width * sizeof(double));
		node->link = used++;
	}
	tree->nleaves = used;
}

/*
 * Grows the tree of `number` on items, which are reordered.  Every item has a
 * positive weight.
 */
void
pf_grow_tree(PfGrowth *growth, uint32_t number, PfItem *items, uint32_t nitems,
			 PfTree *tree)
{
	const PfForestParams *params = growth->params;
	const PfEnv *env = growth->env;
	uint32_t	node_room = 64;	/* there may be 100,000 trees of few nodes */
	uint32_t	leaf_room = 0;
	uint32_t	nleaves = 1;
	double		root_weight = 0;
	Frontier	frontier = {.best_first = params->max_leaf_nodes > 0};
	Open		entry = {
		.node = 0,.start = 0,.n = nitems,.depth = 0,.lower = -INFINITY,.upper = INFINITY,
		.place = pf_random_stream(params->seed, PF_CHOOSE_FEATURES, number, 0)
	};

	memset(tree, 0, sizeof(*tree));
	tree->width = growth->matrix->nclasses ? growth->matrix->nclasses : 1;
	tree->nodes = pf_alloc(env, node_room * sizeof(PfNode));
	tree->importance = pf_alloc(env, growth->matrix->nfeatures * sizeof(double));
	memset(tree->importance, 0, growth->matrix->nfeatures * sizeof(double));

	for (uint32_t c = 0; c < growth->width; c++)
		growth->pure_leaf[c] = NO_ROW;
	for (uint32_t i = 0; i < nitems; i++)
	{
		root_weight += items[i].weight;
		if (i % PF_CHECK_EVERY == 0)
			pf_check(env);
	}

	frontier.set = pf_alloc(env, growth->words * sizeof(uint64_t));
	memset(frontier.set, 0, growth->words * sizeof(uint64_t));
	tree->nnodes = 1;
	growth->items[0] = items;
	growth->items[1] = growth->spare;
	bring_together(growth, &entry);
	visit(growth, tree, number, &entry, &frontier, &leaf_room);

	while (frontier.count > 0)
	{
		uint32_t	children = tree->nnodes;
		uint32_t	nleft;
		double		sums[2][2];
		Open		left,
					right;

		if (params->max_leaf_nodes > 0 && nleaves >= params->max_leaf_nodes)
			break;
		entry = pop(&frontier);
		if (entry.few)
		{
			const PfSubtree top = {
				.node = entry.node,.depth = entry.depth,.place = entry.place,.sum = entry.sums[1],
				.constant = frontier.sets + (size_t) entry.set * growth->words
			};

			pf_check(env);
			make_node_room(growth, tree, &node_room, 2 * PF_SUBTREE_ROWS);
			make_leaf_room(growth, tree, &leaf_room, PF_SUBTREE_ROWS);
			growth->grow_subtree(growth, number, find_rows(growth, &entry), entry.n, &top, tree);
			frontier.free_sets[frontier.nfree++] = entry.set;
			continue;
		}

		if (entry.split.gain < params->min_impurity_decrease * root_weight)
		{
			if (!frontier.best_first)
			{
				PfNodeStats stats;

				growth->lower = entry.lower;
				growth->upper = entry.upper;
				pf_node_stats(growth, find_rows(growth, &entry), entry.n, &stats);
				add_leaf(growth, tree, &leaf_room, entry.node, &stats);
			}
			frontier.free_sets[frontier.nfree++] = entry.set;
			continue;
		}

		make_node_room(growth, tree, &node_room, 2);
		tree->nnodes += 2;
		nleaves++;
		tree->nodes[entry.node].link = children | (entry.split.missing_left ? PF_MISSING_LEFT : 0);
		tree->nodes[entry.node].feature = entry.split.feature;
		tree->nodes[entry.node].threshold = entry.split.threshold;
		tree->importance[entry.split.feature] += entry.split.gain;

		nleft = pf_partition(growth, &entry.split, bring_together(growth, &entry), entry.n,
							 growth->matrix->nclasses || entry.split.summed ? NULL : sums);
		left = (Open) {
			.node = children,.start = entry.start,.n = nleft,.depth = entry.depth + 1,
				.nearby = entry.nearby,.room = entry.room,.lower = entry.lower,.upper = entry.upper,
				.ended = entry.ended
		};
		right = (Open) {
			.node = children + 1,.start = entry.start + nleft,.n = entry.n - nleft,
				.depth = entry.depth + 1,.nearby = entry.nearby,.room = growth->moved ? !entry.room : 0,
				.lower = entry.lower,.upper = entry.upper,
				.ended = entry.ended
		};
		if (params->by_place)
		{
			left.place = pf_random_place(entry.place, 0);
			right.place = pf_random_place(entry.place, 1);
		}
		if (params->monotonic != NULL && params->monotonic[entry.split.feature] > 0)
			left.upper = right.lower = entry.split.middle;
		else if (params->monotonic != NULL && params->monotonic[entry.split.feature] < 0)
			left.lower = right.upper = entry.split.middle;
		left.summed = right.summed = entry.split.summed || growth->matrix->nclasses == 0;
		if (growth->matrix->nclasses == 0 && !entry.split.summed)
		{
			memcpy(left.sums, sums[0], sizeof(sums[0]));
			memcpy(right.sums, sums[1], sizeof(sums[1]));
		}
		for (uint32_t c = 0; entry.split.summed && c < growth->width; c++)
		{
			left.sums[c] = entry.split.left[c];
			right.sums[c] = entry.sums[c] - entry.split.left[c];
		}
		/* of a stack the one on top is next: left before right */
		for (int i = 0; i < 2; i++)
		{
			Open	   *child = (i == 0) == frontier.best_first ? &left : &right;

			/* most leaves of a regression */
			if (child->n == 1 && growth->matrix->nclasses == 0 && !frontier.best_first)
			{
				PfNodeStats stats = {.pure = true,.first = growth->items[child->room][child->start].y.target};

				growth->lower = child->lower;
				growth->upper = child->upper;
				add_leaf(growth, tree, &leaf_room, child->node, &stats);
				continue;
			}
			take_set(growth, &frontier, entry.set);
			if (growth->grow_subtree != NULL && child->n <= PF_SUBTREE_ROWS)
			{
				child->few = true;
				child->set = keep_set(growth, &frontier);
				push(env, &frontier, child);
				continue;
			}
			visit(growth, tree, number, child, &frontier, &leaf_room);
		}
		frontier.free_sets[frontier.nfree++] = entry.set;
	}
	if (frontier.best_first)
		drop_unused_leaves(env, tree);
	pf_release(env, frontier.open);
	pf_release(env, frontier.sets);
	pf_release(env, frontier.free_sets);
	pf_release(env, frontier.set);
}

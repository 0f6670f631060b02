/*
 * grow.h
 *	  Inside the grower: what split.c, partition.c and tree.c share.
 *
 * The way of a tree: tree.c takes the items of the root, asks split.c for the
 * best split of a node, has partition.c put the left side's items before the
 * right side's, and goes on with both until nothing splits.
 */
#ifndef PF_GROW_H
#define PF_GROW_H

#include "engine/grow/boundaries.h"
#include "engine/grow/tree.h"

/* A row in a tree.  Items of a node lie together, in the rows' order. */
typedef struct PfItem
{
	uint32_t	row;
	float		weight;			/* times drawn x row weight x class weight */
	union
	{
		uint32_t	label;
		double		target;
	}			y;
} PfItem;

/* What a node holds, from one pass over its items. */
typedef struct PfNodeStats
{
	double		weight;
	double		sum;			/* regression: of weight * (target - offset) */
	double		first;			/* regression: target of the first row */
	double		score;			/* what the criterion gives the unsplit node */
	bool		pure;
} PfNodeStats;

typedef struct PfSplit
{
	bool		found;
	bool		missing_left;
	uint16_t	feature;
	uint16_t	threshold;
	double		gain;			/* weight x decrease of impurity */
	double		middle;			/* between the values of both sides, for the bounds of what is below them */
	uint32_t	rows;			/* that go left; of a random cut only */
	bool		summed;			/* left is known */
	double		left[PF_COUNTED_CLASSES];	/* of the rows that go left: weights of counted classes; or weight, and sum */
} PfSplit;

typedef struct PfGrowth PfGrowth;
typedef struct PfAbreast PfAbreast;
typedef void (*PfFindSplit) (PfGrowth *growth, uint64_t stream, const PfItem *items, uint32_t n,
							 const PfNodeStats *stats, uint64_t *constant, PfSplit *split);

/* The top of a subtree that is grown in one go. */
typedef struct PfSubtree
{
	uint32_t	node;
	uint32_t	depth;
	uint64_t	place;			/* what it draws features by, if not by its number */
	double		sum;			/* regression: of its targets less the offset */
	const uint64_t *constant;	/* see pf_find_split */
} PfSubtree;

typedef void (*PfGrowSubtree) (PfGrowth *growth, uint32_t number, const PfItem *items, uint32_t n,
							   const PfSubtree *top, PfTree *tree);
typedef uint32_t (*PfSearchAbreast) (PfGrowth *growth, PfCellShape shape, PfAbreast *node,
									 const uint32_t *features);

/* Scratch of one participant; made once, used for every tree. */
struct PfGrowth
{
	const PfEnv *env;
	const PfMatrix *matrix;
	const PfForestParams *params;
	uint32_t	width;			/* classes, or 2 sums for regression */
	bool		counted;		/* gini of few classes, and rows weigh how often they were drawn: all sums are exact */
	double		offset;			/* regression: about the mean target, against cancellation */
	uint32_t	min_leaf;		/* rows */
	double		min_leaf_weight;

	PfItem	   *spare;			/* nrows, for the partition */
	/*
	 * The bins of the node at hand: what its items' rows index.  But where moved is not 0, its rows lie
	 * there in the order of its items, so many bytes each, and are moved as they are.  There are two rooms
	 * for such rows and two for all items, and the part of a room where a node could lie is the node's, so
	 * where it does not lie is free.
	 */
	const uint8_t *bins;
	uint32_t	moved;
	uint8_t    *moved_bins;		/* bins, to be written to */
	uint8_t    *free_bins;
	PfItem	   *free_items;
	PfItem	   *items[2];		/* of the tree at hand, and spare */
	uint8_t    *nearby[2];		/* bins of the rows of a small subtree, side by side; [0] of a larger one */
	uint32_t	nearby_rows[2];	/* room; 0: not worth it */
	uint32_t	nearby_moved;	/* moved, for what lies in nearby[1], */
	uint32_t	nearby_start;	/* whose first item this is */
	uint8_t    *nearby_other;	/* the other room */

	uint32_t   *features;		/* 0 .. nfeatures - 1 */
	uint32_t   *swaps;			/* how to put them back */
	uint32_t   *candidates;		/* those to look at */
	uint32_t	words;			/* of a set of features, 64 a word */

	uint32_t	group;			/* features that are counted in one pass */
	double	   *histogram;		/* group x 256 x width */
	uint32_t   *counts;			/* group x 256, rows; NULL when min_leaf is 1 */
	uint32_t   *pure_leaf;		/* width: the tree's leaf of that class alone */
	double	   *total;			/* width: the node's sums */
	double	   *left;			/* width */
	double	   *missing;		/* width */

	/* monotonic constraints: the value of a node is the share of the second class, or the mean without the offset */
	double		lower,			/* bounds of that of the node at hand */
				upper;

	PfBoundaries *boundaries;	/* of the feature at hand */
	PfScoreBoundaries score_boundaries;

	/* features side by side, see abreast.h */
	bool		abreast;		/* may be searched so */
	void	   *tables;			/* as allocated */
	void	   *table;			/* aligned */
	PfSearchAbreast search_few,
				search_many;
	PfFindSplit find_random_split;	/* likewise, when params->places is there, */
	float	   *sixteenths;		/* and of these every sixteenth: nfeatures x 16 */
	PfGrowSubtree grow_subtree;	/* NULL: node by node */
};

#define PF_CHECK_EVERY 16384	/* items between two checks for interrupts */

/* May a split give its sides these values?  In scikit-learn's way: one that goes out of bounds is not made. */
static inline bool
pf_keeps_order(const PfGrowth *growth, uint32_t feature, double left, double right)
{
	return (right - left) * growth->params->monotonic[feature] >= 0 &&
		left >= growth->lower && left <= growth->upper &&
		right >= growth->lower && right <= growth->upper;
}

/* Bytes of rows that are moved with their items: so many. */
#define PF_MOVED_LEAST	16
#define PF_MOVED_MOST	32

/* The bins of a row of the node at hand. */
static inline const uint8_t *
pf_row(const PfGrowth *growth, const PfItem *items, uint32_t i)
{
	return growth->moved ? growth->bins + i * (size_t) growth->moved
		: growth->bins + items[i].row * (size_t) growth->matrix->stride;
}

/* tree.c; the caller of pf_add_leaf has seen to it that there is room, and put the node's sums into growth->total */
extern void pf_add_leaf(PfGrowth *growth, PfTree *tree, uint32_t node, const PfNodeStats *stats);
extern uint32_t pf_less_nearby_rows(const PfMatrix *matrix, const PfForestParams *params);	/* see bring_together */
/* Bytes for it, and for the other room of items that are moved beside half of them. */
extern uint64_t pf_nearby_memory(const PfMatrix *matrix, const PfForestParams *params);
extern void pf_growth_init(PfGrowth *growth, const PfEnv *env, const PfMatrix *matrix,
						   const PfForestParams *params);
extern void pf_growth_release(PfGrowth *growth);
extern void pf_grow_tree(PfGrowth *growth, uint32_t number, PfItem *items,
						 uint32_t nitems, PfTree *tree);

/*
 * split.c.  pf_node_stats leaves the node's sums in growth->total, where
 * pf_find_split takes them.  constant: a bit for each feature that is known to
 * have one value in the node, which holds for the nodes below; more are set.
 */
extern void pf_node_stats(PfGrowth *growth, const PfItem *items, uint32_t n,
						  PfNodeStats *stats);
/* The same from sums that are in growth->total already. */
extern void pf_summed_stats(PfGrowth *growth, const PfItem *items, uint32_t n,
							PfNodeStats *stats);
extern void pf_find_split(PfGrowth *growth, uint64_t stream, const PfItem *items,
						  uint32_t n, const PfNodeStats *stats, uint64_t *constant,
						  PfSplit *split);

/*
 * randomcut.c: what finds one random cut a feature, the fastest that this processor has, or that of
 * every processor.  They give equal bits.
 */
extern PfFindSplit pf_random_splitter(bool portable);

/*
 * subtree.c: what grows a subtree of at most PF_SUBTREE_ROWS rows in one go, as pf_random_splitter chooses;
 * NULL: nothing does with these parameters.  The tree has room for what may come of so many rows.
 */
#define PF_SUBTREE_ROWS		8
#define PF_SUBTREE_FEATURES	256
#define PF_SUBTREE_SLACK	16	/* bytes that may be read behind the rows that lie nearby */
extern PfGrowSubtree pf_subtree_grower(const PfGrowth *growth, bool portable);

/*
 * partition.c: how many items went left.  Of rows that are moved those that go right, and their items, are
 * put into the other rooms.  sums, of a regression: what pf_node_stats would sum up on the
 * left and on the right; else NULL.
 */
extern uint32_t pf_partition(PfGrowth *growth, const PfSplit *split,
							 PfItem *items, uint32_t n, double (*sums)[2]);

#endif							/* PF_GROW_H */

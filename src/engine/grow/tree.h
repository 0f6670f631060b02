/*
 * tree.h
 *	  A grown tree: flat nodes, and the step from a node to its child.
 */
#ifndef PF_TREE_H
#define PF_TREE_H

#include "engine/bins/binmap.h"
#include "engine/bins/matrix.h"
#include "engine/grow/params.h"

#define PF_LEAF			0xFFFF	/* feature number of a leaf */
#define PF_MISSING_LEFT UINT32_C(0x80000000)
#define PF_LINK_MASK	UINT32_C(0x7FFFFFFF)
#define PF_FIRST_SET	256		/* a threshold that names set 0 of the tree; more are the next ones */
#define PF_MAX_SETS		(65536 - PF_FIRST_SET)	/* of a tree */

/*
 * 8 bytes.  Inner node: link is the left child's index in its tree (the right
 * child follows it), the top bit says that missing values go left; rows with
 * bin <= threshold go left.  A threshold of PF_FIRST_SET or more: the rows whose
 * bin is in that set of the tree do, which only boosted trees have.  Leaf: link is an
 * index into the leaf table.  Children come after their parent.
 */
typedef struct PfNode
{
	uint32_t	link;
	uint16_t	feature;
	uint16_t	threshold;
} PfNode;

/* Bins that go left, PF_MISSING_BIN among them if missing values do. */
typedef struct PfSet
{
	uint64_t	bits[4];
} PfSet;

static inline bool
pf_in_set(const PfSet *set, uint8_t bin)
{
	return (set->bits[bin >> 6] >> (bin & 63)) & 1;
}

static inline void
pf_add_to_set(PfSet *set, uint8_t bin)
{
	set->bits[bin >> 6] |= UINT64_C(1) << (bin & 63);
}

static inline bool
pf_has_set(const PfNode *node)
{
	return node->threshold >= PF_FIRST_SET;
}

static inline bool
pf_is_leaf(const PfNode *node)
{
	return node->feature == PF_LEAF;
}

static inline uint32_t
pf_child(const PfNode *node, const uint8_t *row)
{
	uint8_t		bin = row[node->feature];
	bool		left = bin == PF_MISSING_BIN ? (node->link & PF_MISSING_LEFT) != 0
		: bin <= node->threshold;

	return (node->link & PF_LINK_MASK) + !left;
}

/* The leaf-table index that a row ends in. */
static inline uint32_t
pf_tree_leaf(const PfNode *tree, const uint8_t *row)
{
	const PfNode *node = tree;

	while (!pf_is_leaf(node))
		node = tree + pf_child(node, row);
	return node->link;
}

/* The same of a tree that may have sets. */
static inline uint32_t
pf_tree_leaf_by_sets(const PfNode *tree, const PfSet *sets, const uint8_t *row)
{
	const PfNode *node = tree;

	while (!pf_is_leaf(node))
		node = tree + (!pf_has_set(node) ? pf_child(node, row)
					   : (node->link & PF_LINK_MASK) +
					   !pf_in_set(&sets[node->threshold - PF_FIRST_SET], row[node->feature]));
	return node->link;
}

/* An inner node where some views of the tree end (see PfView), and what it says as a leaf. */
typedef struct PfEnd
{
	uint32_t	node;
	uint32_t	leaf;			/* in the leaf table */
	uint32_t	views;			/* a bit for each */
} PfEnd;

/*
 * A tree as it was grown.  leaves: nleaves x width (class shares, or the mean);
 * a leaf's link is its row here, which leaves of one class alone may share.
 * importance: nfeatures, the weighted decrease of impurity, not yet normalised.
 * starts and samples: what quantiles are taken from, see forest/samples.h.
 * ends: of its views, if there are any.
 * sets: numbered in the order in which a preorder walk meets their nodes.
 * One allocation each.
 */
typedef struct PfTree
{
	uint32_t	nnodes;
	uint32_t	nleaves;
	uint32_t	width;
	uint32_t	nsets;			/* of a boosted tree */
	PfNode	   *nodes;
	double	   *leaves;
	double	   *importance;
	uint32_t	nsamples;		/* 0: none were asked for */
	uint32_t	nends;
	uint32_t   *starts;			/* nnodes */
	uint16_t   *samples;
	PfSet	   *sets;
	PfEnd	   *ends;
} PfTree;

/*
 * Leaves from left to right: before[node] is how many there are before the first one
 * of each node, so the node's own number if it is a leaf (leaves.c).
 */
extern void pf_number_leaves(const PfEnv *env, const PfNode *nodes, uint32_t nnodes,
							 uint32_t *before);

#endif							/* PF_TREE_H */

/*
 * together.h
 *	  Several walks down trees at once.
 *
 * Each step of a walk waits for memory, and walks that do not depend on each
 * other can wait at the same time.
 */
#ifndef PF_TOGETHER_H
#define PF_TOGETHER_H

#include "engine/grow/tree.h"

#define PF_TOGETHER 8			/* walks at once */

/*
 * The node after this one; a leaf stays where it is.  No branches: where a row
 * goes is not to be foreseen.  sets: those of the tree and at least one, or NULL
 * for a tree without.
 */
static inline __attribute__((always_inline)) uint32_t
next_node(const PfNode *tree, const PfSet *sets, uint32_t at, const uint8_t *row)
{
	PfNode		node = tree[at];
	bool		leaf = pf_is_leaf(&node);
	uint8_t		bin = row[leaf ? 0 : node.feature];
	uint32_t	left = (bin <= node.threshold) |
		((bin == PF_MISSING_BIN) & (node.link >> 31));

	if (sets != NULL)
	{
		uint32_t	in_set = pf_in_set(&sets[pf_has_set(&node) ? node.threshold - PF_FIRST_SET : 0], bin);

		left = pf_has_set(&node) ? in_set : left;
	}
	return leaf ? at : (node.link & PF_LINK_MASK) + 1 - left;
}

/* See below; sets[i]: of tree[i]; NULL when no tree has any. */
static inline __attribute__((always_inline)) void
pf_walk_together_by_sets(const PfNode **tree, const PfSet **sets, const uint8_t **row, uint32_t n,
						 uint32_t *leaf)
{
	uint32_t	at[PF_TOGETHER] = {0};
	uint32_t	moved;

	/* what is missing walks with the first */
	for (uint32_t i = n; i < PF_TOGETHER; i++)
	{
		tree[i] = tree[0];
		row[i] = row[0];
		if (sets != NULL)
			sets[i] = sets[0];
	}
	do
	{
		moved = 0;
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC unroll 8			/* clang does so unasked */
#endif
		for (uint32_t i = 0; i < PF_TOGETHER; i++)
		{
			uint32_t	next = next_node(tree[i], sets != NULL ? sets[i] : NULL, at[i], row[i]);

			moved |= next ^ at[i];
			at[i] = next;
		}
	} while (moved != 0);
	for (uint32_t i = 0; i < PF_TOGETHER; i++)
		leaf[i] = tree[i][at[i]].link;
}

/*
 * n (at most PF_TOGETHER) walks: in tree[i], of row[i].  Puts the walks' leaf
 * indexes into leaf[PF_TOGETHER].
 */
static inline void
pf_walk_together(const PfNode **tree, const uint8_t **row, uint32_t n, uint32_t *leaf)
{
	pf_walk_together_by_sets(tree, NULL, row, n, leaf);
}

#endif							/* PF_TOGETHER_H */

/*
 * samples.h
 *	  The training rows in the leaves of a regression forest, of which quantiles
 *	  of a prediction are made.
 *
 * Meinshausen 2006, "Quantile regression forests": all training rows go down each tree,
 * those that it did not draw among them, and stay in the leaf where they end.  What is kept of
 * a row is its target, as the rank in one table of values for the forest: 2 bytes.  A
 * leaf keeps PF_LEAF_SAMPLES rows at most, which are as good as any: rows lie in the order of
 * their hashes, and each tree begins at another one.  Rows of different weights are kept more
 * often or less, so a leaf may be empty.
 *
 * Samples of a tree lie in the order of its leaves from left to right, so those below any node
 * are side by side: starts has where those of each node begin.
 */
#ifndef PF_SAMPLES_H
#define PF_SAMPLES_H

#include "engine/grow/tree.h"

#define PF_LEAF_SAMPLES		64
#define PF_MAX_VALUES		65536	/* that ranks can tell apart */

/*
 * A leaf of a tree that is grown until its leaves are pure has one row or two, and few of the
 * forest's trees differ in them: quantiles of these alone are much too narrow.  So the node that
 * answers for a tree is the first on the row's way whose next one has less than the least
 * number of samples, or a leaf.  Not where a few rows are split off many: then the few answer.
 * (Measured, see docs/how-it-works.md.)
 */
#define PF_LEAST_SAMPLES	10
#define PF_MOST_SAMPLES		32

/*
 * The values that stand for the targets of a matrix, ascending, and for each row the rank of
 * the nearest of them.  They are the targets themselves when no more than PF_MAX_VALUES differ, else
 * as many of them, evenly drawn.  Returns their number; ranks[nrows].
 */
extern uint32_t pf_rank_targets(const PfEnv *env, const PfMatrix *matrix, double **values,
								uint16_t *ranks);

/* Bytes that a participant needs to take the samples of a tree of so many rows. */
static inline uint64_t
pf_samples_memory(uint64_t nrows)
{
	return nrows * (sizeof(uint32_t) + sizeof(uint16_t));
}

/* The leaf of each row, its number in the tree's leaf rows. */
extern void pf_find_leaves(const PfEnv *env, const PfMatrix *matrix, const PfTree *tree,
						   uint32_t *leaf_of);

/* The same in a view of the tree: where the row's way ends in it. */
extern void pf_find_view_leaves(const PfEnv *env, const PfMatrix *matrix, PfTree *tree,
								uint32_t view, uint32_t *leaf_of);

/* Sets starts, samples and nsamples of a tree that was grown on the rows with params->ranks. */
extern void pf_take_samples(const PfEnv *env, const PfMatrix *matrix,
							const PfForestParams *params, uint32_t number, PfTree *tree);

#endif							/* PF_SAMPLES_H */

/*
 * forest.h
 *	  A random forest: which rows a tree sees, out-of-bag votes, importance.
 *
 * Trees are independent: pf_forest_grow_tree(n) gives the same tree in whatever
 * process and order.  What the participants share is kept in integers (votes
 * and importance in fixed point), so their sums do not depend on the order.
 */
#ifndef PF_FOREST_H
#define PF_FOREST_H

#include "engine/grow/tree.h"

/*
 * Out-of-bag votes: of every row the sum over the trees that did not see it,
 * in fixed point, and the number of those trees.  In shared memory when there
 * are workers; added to atomically.  Regression: (leaf - low) * scale.
 */
#define PF_VOTE_ONE 4294967296.0	/* a class share of 1 from one tree */
typedef struct PfVotes
{
	uint64_t   *sum;			/* nrows x width; NULL: no votes wanted */
	uint32_t   *trees;			/* nrows */
	double		low,
				scale;			/* regression only */
} PfVotes;

typedef struct PfGrower PfGrower;	/* scratch memory of one participant */

/* Reads the matrix, which must outlive it; memory from env. */
extern PfGrower *pf_grower_create(const PfEnv *env, const PfMatrix *matrix,
								  const PfForestParams *params);
/* Tree number `number`; its memory is the caller's (release with pf_tree_release). */
extern void pf_forest_grow_tree(PfGrower *grower, uint32_t number,
								PfVotes *votes, PfTree *tree);
extern void pf_tree_release(const PfEnv *env, PfTree *tree);
extern void pf_grower_release(PfGrower *grower);

/* Bytes of a matrix (its sizes only are looked at), and of votes on its rows. */
extern uint64_t pf_matrix_memory(const PfMatrix *matrix, bool votes);

/*
 * Bytes that growing takes in all: the matrix, the votes if there are any, and what each participant works with.  Trees count once
 * a participant: they are written out when they are grown.
 */
extern uint64_t pf_forest_memory(const PfMatrix *matrix, const PfForestParams *params,
								 bool votes, uint32_t participants);

/*
 * Sizes and scales of the votes of a matrix; the caller allocates sum and trees,
 * zeroed.  pf_votes_read: row's class shares or value in out[width], which may be the
 * place of its own sums or of an earlier row's; false when no tree left the row out.
 */
extern uint32_t pf_votes_width(const PfMatrix *matrix);
extern void pf_votes_scale(const PfEnv *env, const PfMatrix *matrix, PfVotes *votes);
extern bool pf_votes_read(const PfVotes *votes, const PfMatrix *matrix,
						  uint32_t row, double *out);

/*
 * Impurity importance of a forest: each tree's importance is normalised to sum
 * 1 and the mean taken in fixed point; out[nfeatures] sums to 1, or is all 0.
 */
extern void pf_importance_add(const PfTree *tree, uint32_t nfeatures, int64_t *sum);
extern void pf_importance_finish(const int64_t *sum, uint32_t nfeatures, double *out);

#endif							/* PF_FOREST_H */

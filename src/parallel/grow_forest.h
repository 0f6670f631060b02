/*
 * grow_forest.h
 *	  A forest grown by this backend and parallel workers.
 */
#ifndef PF_GROW_FOREST_H
#define PF_GROW_FOREST_H

#include "postgres.h"
#include "engine/forest/forest.h"

typedef struct PfGrown
{
	PfTree	   *trees;			/* params->n_estimators, in order */
	PfVotes		votes;			/* sum NULL when none were asked for */
	double	   *importance;		/* nfeatures */
	int			workers;		/* launched */
} PfGrown;

/*
 * Grows all trees of a matrix.  The same bytes for any number of workers, also
 * for none.  Memory: the current context.  The caller holds no snapshot or lock
 * for it and must not be in parallel mode.
 */
extern void pf_grow_forest(const PfMatrix *matrix, const PfForestParams *params,
						   bool want_votes, PfGrown *grown);

#endif							/* PF_GROW_FOREST_H */

/*
 * grow_forest.h
 *	  A forest grown by this backend and parallel workers.
 */
#ifndef PF_GROW_FOREST_H
#define PF_GROW_FOREST_H

#include "postgres.h"
#include "engine/forest/forest.h"
#include "engine/model/encode.h"

/* Rows that are not trained on, and what the trees say of them. */
typedef struct PfHeldOut
{
	PfMatrix   *rows;			/* NULL: none */
	double	   *sums;			/* of their leaves, in the order of the trees; NULL: nobody made them */
} PfHeldOut;

/*
 * Forests that are parts of one: of fewer trees, or of trees that end earlier (see PfView).  The sums
 * of rows held out are (nviews + 1) x rows x width, those of the whole trees first.
 */
typedef struct PfParts
{
	uint32		nviews;
	PfView		views[PF_MAX_VIEWS];
	void		(*reached) (void *arg, uint32 ntrees);	/* so many trees are in the sums; may be NULL */
	void	   *arg;
} PfParts;

#define PF_HELD_OUT	2			/* to validate, to test */

typedef struct PfGrown
{
	PfVotes		votes;			/* sum NULL when none were asked for */
	int			workers;		/* launched */
	PfHeldOut	held[PF_HELD_OUT];	/* rows: what the caller wants to be predicted on the way */
	const PfScratch *scratch;	/* where averaged trees go; NULL: the rows held out are all that is asked for */
	PfPlanes   *planes;			/* then, unless the trees are in the model */
	double	   *answers;		/* for the first training rows, where the model itself cannot be asked; or NULL */
	uint32		nanswers;
	bool		by_place;		/* see PfForestParams; as folds are trained */
	PfParts    *parts;			/* without scratch, by_place; or NULL */
	char	   *fit;			/* how it ended, as JSON, to be kept with the version; or NULL */
} PfGrown;

/*
 * Grows all trees of a matrix and puts them into grown->planes, and their importance into *model.  The
 * same bytes for any number of workers, also for none.  The matrix's bins, and those of the rows
 * held out, may be gone after it (NULL then).  Memory: the current context.  The caller holds no
 * snapshot or lock for it and must not be in parallel mode.
 */
extern void pf_grow_forest(PfMatrix *matrix, const PfForestParams *params,
						   bool want_votes, PfModel *model, PfGrown *grown);

#endif							/* PF_GROW_FOREST_H */

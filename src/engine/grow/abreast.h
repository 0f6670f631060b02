/*
 * abreast.h
 *	  The best split of up to four features of a node, searched side by side.
 *
 * The lanes of a vector are features.  What lies left of a boundary is summed up, and the
 * boundary scored, for four features by the same few instructions, so neither the loops
 * over bins nor those over rows depend on what the rows are, and little is left for the
 * processor to guess.  Sums and scores are those of boundaries.h, to the last bit.
 */
#ifndef PF_ABREAST_H
#define PF_ABREAST_H

#include "engine/grow/boundaries.h"
#include "engine/grow/grow.h"

#define PF_ABREAST	4			/* features */

/* A node, and the best split of the features looked at. */
struct PfAbreast
{
	const PfItem *items;		/* their weights are whole numbers */
	uint32_t	nrows;			/* at least 2 */
	PfPile		total;

	double		best;			/* score; only what is greater is kept */
	bool		found;			/* something was */
	uint32_t	feature;		/* which of those looked at */
	uint8_t		bin;			/* the boundary lies after this one, */
	uint8_t		next;			/* and before this one; PF_MISSING_BIN: after it are missing values only */
	bool		missing_here;	/* values of the feature are missing in the node */
	bool		missing_left;
	PfPile		left;
};

/* Bytes of growth->table, which is all 0 between two searches, and what its address is a multiple of. */
#define PF_ABREAST_TABLE	(256 * PF_ABREAST * 16)
#define PF_ABREAST_ALIGN	64

/*
 * fewrows.c and manyrows.c.  A search looks at PF_ABREAST features, some of which may be the same, and
 * returns a bit for each that is constant.  These give the fastest that this processor has, or that
 * of every processor; results are equal bits.
 */
extern PfSearchAbreast pf_search_few(bool portable);
extern PfSearchAbreast pf_search_many(bool portable);

/* What few rows are; and if there are classes, they weigh less together than so many bits can count. */
#define PF_FEW_ROWS			16
#define PF_FEW_WEIGHT_BITS	11

#endif							/* PF_ABREAST_H */

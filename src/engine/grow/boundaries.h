/*
 * boundaries.h
 *	  The boundaries of one feature in one node, and what each is worth.
 *
 * A boundary lies after each bin that the node's rows occupy; the last one
 * has no values on its right, but the missing ones may be there.  What lies left
 * of each boundary is kept in arrays, so that all are scored by straight loops.
 *
 * Sums come in two shapes.  Counted: the weights of up to four classes are whole
 * numbers and stand side by side in one 64-bit cell, 32 bits each for two classes, 16
 * for more; they are added, and later scored, without rounding.  Else: two
 * doubles, the weight and a second sum (of the targets, or of the second class).
 */
#ifndef PF_BOUNDARIES_H
#define PF_BOUNDARIES_H

#include <stdbool.h>
#include <stdint.h>

#define PF_COUNTED_CLASSES	4
#define PF_QUAD_LIMIT		65536	/* a node's weight stays below, for 16 bits a class */
#define PF_BOUNDARY_ROOM	260		/* 256 bins, and what a step of four goes over */

typedef enum PfCellShape
{
	PF_PAIRS,					/* cells of two classes */
	PF_QUADS,					/* cells of up to four */
	PF_SUMS						/* no cells: weight and sum */
} PfCellShape;

typedef struct PfBoundaries
{
	uint32_t	count;			/* occupied bins */
	uint8_t		bin[PF_BOUNDARY_ROOM];	/* the one before the boundary */
	uint32_t	rows[PF_BOUNDARY_ROOM]; /* left of it; only when asked for */
	union
	{
		uint64_t	cell[PF_BOUNDARY_ROOM];
		double		weight[PF_BOUNDARY_ROOM];
	}			left;
	double		sum[PF_BOUNDARY_ROOM];
	double		score[2][PF_BOUNDARY_ROOM]; /* missing values on the right, on the left */
} PfBoundaries;

/* Sums in either shape. */
typedef struct PfPile
{
	uint64_t	cell;
	double		weight,
				sum;
} PfPile;

/* The weight of class c in a cell. */
static inline uint64_t
pf_cell_weight(PfCellShape shape, uint64_t cell, uint32_t c)
{
	return shape == PF_PAIRS ? cell >> 32 * c & 0xFFFFFFFF : cell >> 16 * c & 0xFFFF;
}

/*
 * Scores the boundaries from .. to - 1 of a node that holds total, with `more` (the
 * missing values) added to each left side; scores[] has PF_BOUNDARY_ROOM, of which up to
 * three more are overwritten.  With L and R the sides' weights, W theirs together and s the
 * second sum, less is impure the greater
 *	 pairs: (s_L W - s_W L)^2 / (L R)		the decrease, times W^2 / 2
 *	 sums:  (s_L - L s_W / W)^2 / (L R)		the decrease, divided by W (pairs of weights: by 2 W)
 *	 quads: sum of squares left / L + the same right / R
 * Pairs and quads are exact but for the division, so equal cuts have equal scores.
 *
 * Returns the first boundary of the best score, and sets *best to that, if it is greater than
 * *best was; else UINT32_MAX.
 */
typedef uint32_t (*PfScoreBoundaries) (PfCellShape shape, const PfBoundaries *boundaries,
									   PfPile total, PfPile more, uint32_t from, uint32_t to,
									   double *scores, double *best);

/* The fastest that this processor has; or that of every processor.  They give equal bits. */
extern PfScoreBoundaries pf_boundary_scorer(bool portable);

#endif							/* PF_BOUNDARIES_H */

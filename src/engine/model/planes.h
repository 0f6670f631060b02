/*
 * planes.h
 *	  Inside the encoder: what planes.c leaves in the scratch, for encode.c to read.
 */
#ifndef PF_PLANES_H
#define PF_PLANES_H

#include "engine/model/encode.h"
#include "engine/model/leaftable.h"

#define PF_BATCH 8192			/* nodes that are put into planes at a time */

/* Bits on their way to a stream, which takes whole bytes. */
typedef struct PfBits
{
	uint32_t	n;				/* bits, less than 8 of them left from the last batch */
	uint8_t		bytes[PF_BATCH / 8 + 2];
} PfBits;

struct PfPlanes
{
	const PfEnv *env;
	const PfScratch *scratch;
	uint32_t	feature_planes;
	uint32_t	leaf_planes;	/* those that a leaf has needed so far */
	uint32_t	rank_planes;	/* 0: no samples */
	uint64_t	leaf_start[4];	/* leaves before the first one in the plane: zeros there */

	PfLeafTable table;
	uint32_t	leaf_width;
	uint32_t	nleaves;		/* leaf rows, once it is finished */
	uint32_t	ntrees,
				tree_room;
	uint32_t   *sizes;			/* nodes of each tree */
	uint64_t	nodes,
				inner,
				leaves,
				samples;

	/* scratch memory for the tree at hand */
	uint32_t   *numbers;		/* of its leaf rows, in the table */
	uint32_t   *stack;
	size_t		number_room,
				stack_room;

	/* the batch at hand: what has not gone to the scratch */
	uint32_t	nbatch,			/* nodes */
				ninner,
				nleaf,
				ncounts;
	uint32_t	largest;		/* all bits of its leaves' numbers */
	PfBits		is_leaf;
	PfBits		missing_left;
	uint8_t		feature[2][PF_BATCH];
	uint8_t		threshold[PF_BATCH];
	uint8_t		leaf[4][PF_BATCH];
	uint8_t		counts[PF_BATCH + 1];	/* one behind the leaves */
};

#endif							/* PF_PLANES_H */

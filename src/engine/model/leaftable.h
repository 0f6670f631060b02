/*
 * leaftable.h
 *	  The different leaf rows of many trees.
 *
 * Most leaves of an unlimited forest are pure, so a table of a few hundred rows serves
 * millions of leaves.  Rows are numbered in the order in which trees and their leaf rows come, which
 * no number of workers changes.
 */
#ifndef PF_LEAFTABLE_H
#define PF_LEAFTABLE_H

#include "engine/grow/tree.h"

/* An open-addressing set of leaf rows; slots hold row number + 1. */
typedef struct PfLeafTable
{
	const PfEnv *env;
	uint32_t	width;
	uint32_t	count,
				room;			/* rows */
	double	   *rows;			/* count x width */
	uint32_t	nslots;			/* a power of two */
	uint32_t   *slots;
} PfLeafTable;

extern void pf_leaf_table_init(PfLeafTable *table, const PfEnv *env, uint32_t width);

/* The numbers of all leaf rows of a tree, which are put into the table where they are new. */
extern void pf_leaf_table_add(PfLeafTable *table, const PfTree *tree, uint32_t *numbers);

#endif							/* PF_LEAFTABLE_H */

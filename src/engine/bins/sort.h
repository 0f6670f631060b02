/*
 * sort.h
 *	  Sorts that look for interrupts: qsort cannot be left halfway.
 *
 * All are stable and depend on nothing but their input.  Scratch memory of the
 * input's size comes from env and goes back.
 */
#ifndef PF_SORT_H
#define PF_SORT_H

#include "engine/env.h"

/* A 64-bit key and what it belongs to. */
typedef struct PfItem
{
	uint64_t	key;
	uint32_t	index;
} PfItem;

/* Numbers ascending, in place; no NaN.  -0 becomes 0. */
extern void pf_sort_numbers(const PfEnv *env, double *values, size_t n);

/* Items ascending by key. */
extern void pf_sort_items(const PfEnv *env, PfItem *items, size_t n);

/* Indexes by a comparison: < 0 when a comes first. */
typedef int (*PfCompare) (uint32_t a, uint32_t b, const void *arg);
extern void pf_sort_indexes(const PfEnv *env, uint32_t *indexes, size_t n,
							PfCompare compare, const void *arg);

#endif							/* PF_SORT_H */

/*
 * isolation.h
 *	  An isolation forest: how few random cuts set a row apart from others?
 *
 * Liu, Ting and Zhou 2008, "Isolation forest", with scikit-learn's parameters.
 * Trees are independent: pf_isolate(n) gives the same tree whatever was grown before.
 */
#ifndef PF_ISOLATION_H
#define PF_ISOLATION_H

#include "engine/grow/tree.h"

typedef struct PfIsolationParams
{
	uint32_t	n_estimators;
	uint32_t	max_samples;	/* rows a tree sees: 1 .. nrows */
	uint32_t	max_features;	/* features a tree sees: 1 .. nfeatures */
	bool		bootstrap;		/* drawn with replacement */
	uint64_t	seed;
} PfIsolationParams;

typedef struct PfIsolator PfIsolator;	/* scratch memory */

/*
 * positions: of each feature's bins (PF_MAX_BINS a feature) where they lie, ascending and finite:
 * cuts are uniform in value, not in the bins' numbers.
 */
extern PfIsolator *pf_isolator_create(const PfEnv *env, const PfMatrix *matrix,
									  const double *positions, const PfIsolationParams *params);

/* A tree; a leaf's row is its depth and what more cuts its rows would take on average. */
extern void pf_isolate(PfIsolator *isolator, uint32_t number, PfTree *tree);
extern void pf_isolator_release(PfIsolator *isolator);

/* The average number of cuts that set a row apart from n - 1 others. */
extern double pf_average_path(uint32_t n);

/* Bytes that growing takes beside the matrix, with one tree. */
extern uint64_t pf_isolation_memory(const PfIsolationParams *params, uint32_t nrows);

#endif							/* PF_ISOLATION_H */

/*
 * boost.h
 *	  Gradient boosting on histograms.
 *
 * After Friedman 2001, "Greedy function approximation", in the form of Chen and
 * Guestrin 2016 (XGBoost) and Ke et al. 2017 (LightGBM), with the parameters of
 * scikit-learn's HistGradientBoosting.
 *
 * One process leads: it decides what is next, and hands out tasks, which whoever
 * is there takes.  All that tasks read and write lies in one block of memory that
 * the participants share.  What more than one of them adds to are integers, and
 * floating-point sums belong to pieces of fixed size, so the trees do not depend on
 * who took which task, nor on how many there were.
 */
#ifndef PF_BOOST_H
#define PF_BOOST_H

#include "engine/bins/matrix.h"
#include "engine/grow/params.h"
#include "engine/grow/tree.h"

typedef enum PfLoss
{
	PF_LOSS_SQUARED_ERROR,
	PF_LOSS_ABSOLUTE_ERROR,
	PF_LOSS_QUANTILE,
	PF_LOSS_POISSON,
	PF_LOSS_LOG					/* of two classes or more */
} PfLoss;

typedef struct PfBoostParams
{
	PfLoss		loss;
	double		quantile;
	double		learning_rate;
	uint32_t	n_estimators;	/* rounds; in each, a tree for every sum of the model */
	uint32_t	max_depth;		/* 0: no limit */
	uint32_t	max_leaf_nodes; /* 0: no limit */
	uint32_t	min_samples_leaf;
	double		l2_regularization;
	double		subsample;		/* share of the rows that a tree sees */
	uint32_t	tree_features;	/* drawn for a tree: 1 .. nfeatures */
	uint32_t	max_features;	/* drawn of these for a node */
	uint32_t	n_iter_no_change;	/* rounds without improvement that end it; 0: no early stopping */
	double		tol;
	PfClassWeight class_weight;
	double	   *class_weights;	/* nclasses, for PF_WEIGHT_EXPLICIT; else NULL */
	int8_t	   *monotonic;		/* nfeatures: -1, 0, 1; NULL: all 0 */
	uint8_t    *category_bins;	/* nfeatures: bins of a feature that is split by sets, else 0; NULL: all 0 */
	double		cat_smooth;		/* see search.c */
	double		cat_l2;
	uint64_t	seed;
} PfBoostParams;

typedef struct PfBoost PfBoost;	/* a participant's view */

/*
 * Has everybody do tasks 0 .. n - 1 by pf_boost_task, and returns when all are
 * done.  work: additions that they are worth, about; a little is done alone.
 */
typedef void (*PfRunTasks) (void *arg, PfBoost *boost, uint32_t n, double work);

typedef struct PfBoosted
{
	uint32_t	nsums;			/* trees a round */
	double	   *base;			/* nsums */
	uint32_t	rounds;			/* kept */
	uint32_t	rounds_grown;	/* before early stopping ended it, or all */
	PfTree	   *trees;			/* rounds x nsums, leaves of width 1, without importance */
	double	   *importance;		/* nfeatures: the sum is 1, or all are 0 */
	double	   *losses;			/* early stopping: rounds_grown + 1, of the rows set apart; else NULL */
	bool		diverged;		/* the round after these could not be grown: its numbers were too large */
} PfBoosted;

/* Leaves that a tree may have; splits by sets are fewer, and there may be PF_MAX_SETS. */
extern uint32_t pf_boost_most_leaves(const PfMatrix *matrix, const PfBoostParams *params);

/* Sums (and trees a round) for a number of classes. */
extern uint32_t pf_boost_sums(uint32_t nclasses);

/* Bytes of the block that participants share, beside the matrix; to be aligned to 32 bytes. */
extern uint64_t pf_boost_shared_size(const PfMatrix *matrix, const PfBoostParams *params);

/* Bytes that each participant takes besides. */
extern uint64_t pf_boost_private_size(const PfMatrix *matrix);

/*
 * A view of a block: of the leader, who makes it ready, or of somebody who helps.
 * Matrix, parameters and block must outlive it.
 */
extern PfBoost *pf_boost_create(const PfEnv *env, const PfMatrix *matrix,
								const PfBoostParams *params, void *block, bool leader);
extern void pf_boost_release(PfBoost *boost);

/* A task of what is being done; by anybody. */
extern void pf_boost_task(PfBoost *boost, uint32_t task);

/* Told after each round: how many there are now, and nodes and sets in their trees.  May leave, as a check may. */
typedef void (*PfCountRound) (void *arg, uint32_t rounds, uint64_t nodes, uint64_t sets);

/* Bytes that so many nodes and sets take as trees, and again as a model beside these. */
extern uint64_t pf_boost_trees_memory(uint64_t nodes, uint64_t sets, uint64_t trees);

/* The leader's part: all rounds.  arg is that of both functions; count may be NULL. */
extern void pf_boost_run(PfBoost *boost, PfRunTasks run, PfCountRound count, void *arg,
						 PfBoosted *result);

/* Another host's loop: all tasks in this process. */
extern void pf_boost_alone(void *arg, PfBoost *boost, uint32_t n, double work);

#endif							/* PF_BOOST_H */

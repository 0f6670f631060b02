/*
 * model.h
 *	  The model as a value: what a version is once it is decoded.
 *
 * The wire format is written down in docs/model-format.md; see encode.h for the way there.
 */
#ifndef PF_MODEL_H
#define PF_MODEL_H

#include "engine/bins/binmap.h"
#include "engine/grow/tree.h"
#include "engine/linear/linear.h"
#include "engine/model/calibrate.h"

/*
 * How the trees make an answer.  Of a forest, their leaf rows are averaged; of
 * boosted trees, tree t is added to the sum number t % nsums, which begins at its
 * base, and the link makes of the sums what is predicted.  The leaves of an isolation
 * forest are path lengths, whose mean becomes a score.  A linear model has no
 * trees; its outputs are the sums, and its rows are values, not bins.
 */
typedef enum PfModelKind
{
	PF_MODEL_FOREST = 1,
	PF_MODEL_BOOSTING = 2,
	PF_MODEL_ISOLATION = 3,
	PF_MODEL_LINEAR = 4
} PfModelKind;

typedef enum PfLink
{
	PF_LINK_IDENTITY = 0,		/* one sum, the value */
	PF_LINK_EXP = 1,			/* one sum, the logarithm of the value */
	PF_LINK_LOGISTIC = 2,		/* one sum, the log-odds of the second of two classes */
	PF_LINK_SOFTMAX = 3			/* a sum for each of three or more classes */
} PfLink;

/*
 * Training rows in the leaves, see forest/samples.h; each is the rank of its target in the
 * table of values.
 */
typedef struct PfSamples
{
	uint32_t	nvalues;		/* 0: a model without samples */
	double	   *values;			/* ascending */
	uint32_t	least,			/* see PF_LEAST_SAMPLES */
				most;
	uint64_t   *base;			/* ntrees + 1: first sample of each tree, then the end */
	uint32_t   *start;			/* of each node: its first sample, counted from its tree's */
	uint16_t   *rank;			/* base[ntrees] */
} PfSamples;

typedef struct PfModel
{
	PfModelKind kind;
	PfTask		task;
	uint32_t	ncolumns;
	PfColumn   *columns;
	uint32_t	nfeatures;		/* sum of pf_column_features */
	PfBins	   *bins;			/* nfeatures */
	uint32_t	nclasses;		/* 0: regression */
	char	  **classes;		/* text of each, in the order of the probabilities */
	uint32_t	ntrees;
	uint32_t   *roots;			/* ntrees + 1: first node of each tree, then the end */
	PfNode	   *nodes;
	uint32_t	nleaves;
	uint32_t	width;			/* of a prediction: nclasses, or 1 */
	uint32_t	leaf_width;		/* of a leaf row: width for a forest, else 1 */
	double	   *leaves;			/* nleaves x leaf_width */

	/* boosted trees */
	PfLink		link;
	uint32_t	nsums;			/* 0 for all others */
	double	   *base;			/* nsums */
	uint32_t	nsets;			/* of categories, see PfSet; 0 for all others */
	uint32_t   *first_set;		/* ntrees: where each tree's sets begin; NULL: no sets */
	PfSet	   *sets;			/* nsets, and an empty one for walks that look before they know */

	/* isolation forest */
	double		path;			/* the average one, that makes a score of 0.5 */
	double		threshold;		/* a greater score is an anomaly */

	PfLinear	linear;			/* of a linear model */

	PfCalibration calibration;	/* of a classification, or none */
	PfSamples	samples;		/* of a regression forest, or none */
	double	   *importance;		/* nfeatures */
	size_t		memory;			/* bytes that the decoded model takes */
} PfModel;

/* Fills *tree with the tree of a number; it is needed until the next call only. */
typedef void (*PfNextTree) (void *arg, uint32_t number, PfTree *tree);

/*
 * Trees into one model: gathers nodes, merges equal leaves into one table.  next
 * is asked for the trees in order; nnodes is the sum of their nodes.  Sets ntrees,
 * roots, nodes, nleaves, leaf_width, leaves of *model; the rest is the caller's.  A model
 * whose samples have values gets the trees' samples as well.
 */
extern void pf_model_take_trees(const PfEnv *env, PfModel *model, uint32_t ntrees,
								uint32_t leaf_width, uint32_t nnodes, PfNextTree next, void *arg);

/* sets.c: gives a boosting model, whose trees are taken, the sets of these trees. */
extern void pf_model_take_sets(const PfEnv *env, PfModel *model, const PfTree *trees);

/* The link of so many classes, each of which has a sum, or only the second of two. */
static inline PfLink
pf_class_link(uint32_t nclasses)
{
	return nclasses == 0 ? PF_LINK_IDENTITY : nclasses == 2 ? PF_LINK_LOGISTIC : PF_LINK_SOFTMAX;
}

/* The number of sums that a link makes a prediction of; 0 when it does not fit so many classes. */
extern uint32_t pf_link_sums(PfLink link, uint32_t nclasses);

/* Bytes of a row as the walkers take it: what the caller's values are bound to. */
static inline size_t
pf_row_size(const PfModel *model)
{
	return model->kind == PF_MODEL_LINEAR ? model->nfeatures * sizeof(double) : model->nfeatures;
}

/*
 * A model from bytes that nobody vouches for: every length and index is checked
 * before use, no cycle can be walked, and what is allocated is bounded by
 * max_memory (0: no limit).  NULL and *reason (a static string, lower case) when
 * the bytes are not a model.  All memory comes from env; after an error the
 * host frees what was allocated.
 */
extern PfModel *pf_model_decode(const PfEnv *env, const uint8_t *bytes, size_t size,
								size_t max_memory, const char **reason);

#endif							/* PF_MODEL_H */

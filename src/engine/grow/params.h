/*
 * params.h
 *	  Hyper-parameters: one table of names, types, defaults, ranges and doc lines.
 *
 * ml_train checks user input against this table, ml_parameters() and
 * docs/reference.md are printed from it.  Names and defaults are scikit-learn's.
 */
#ifndef PF_PARAMS_H
#define PF_PARAMS_H

#include "engine/env.h"

typedef enum PfCriterion
{
	PF_GINI,
	PF_ENTROPY,
	PF_SQUARED_ERROR
} PfCriterion;

typedef enum PfClassWeight
{
	PF_WEIGHT_NONE,
	PF_WEIGHT_BALANCED,
	PF_WEIGHT_BALANCED_SUBSAMPLE,
	PF_WEIGHT_EXPLICIT			/* by class, in class_weights */
} PfClassWeight;

typedef struct PfForestParams
{
	uint32_t	n_estimators;
	PfCriterion criterion;
	uint32_t	max_depth;		/* 0: no limit */
	uint32_t	max_leaf_nodes; /* 0: no limit */
	uint32_t	min_samples_split;
	uint32_t	min_samples_leaf;
	double		min_weight_fraction_leaf;
	double		min_impurity_decrease;
	uint32_t	max_features;	/* features drawn a node: 1 .. nfeatures */
	bool		bootstrap;
	uint32_t	max_samples;	/* draws a tree: 1 .. nrows */
	bool		oob_score;
	PfClassWeight class_weight;
	double	   *class_weights;	/* nclasses, for PF_WEIGHT_EXPLICIT; else NULL */
	uint64_t	seed;
} PfForestParams;

typedef enum PfParamType
{
	PF_PARAM_INT,
	PF_PARAM_REAL,
	PF_PARAM_BOOL,
	PF_PARAM_NAME,				/* one of choices */
	PF_PARAM_INT_OR_SHARE,		/* an integer >= 1 is a count, a fraction in (0,1) or 1.0 a share */
	PF_PARAM_CLASS_WEIGHT		/* a choice or an object: class to weight */
} PfParamType;

typedef struct PfParam
{
	const char *name;
	PfParamType type;
	bool		null_allowed;	/* null: no limit, or the default of the task */
	double		min,
				max;			/* of numbers, inclusive */
	const char *choices;		/* names separated by ", ", or NULL */
	const char *default_json;	/* the default as JSON, for random forests */
	const char *doc;
} PfParam;

extern const PfParam pf_forest_params[];	/* ends with a NULL name */

/* The entry of that name, or NULL. */
extern const PfParam *pf_find_param(const char *name);

/* The known name nearest to an unknown one, never NULL. */
extern const char *pf_nearest_param(const char *name);

/* Number of single-character edits between two names (Levenshtein), for hints. */
extern uint32_t pf_edit_distance(const char *a, const char *b);

#endif							/* PF_PARAMS_H */

/*
 * params.h
 *	  Hyper-parameters: for each algorithm a table of names, types, defaults, ranges and doc lines.
 *
 * ml_train reads user input by these tables, ml_parameters() and
 * docs/reference.md are printed from them.  Names and defaults are scikit-learn's.
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

/*
 * A tree that ends earlier than another, and is else the same: its top.  Of trees whose
 * features are drawn by place.
 */
typedef struct PfView
{
	uint32_t	max_depth;		/* 0: no limit */
	uint32_t	min_samples_split;
} PfView;

#define PF_MAX_VIEWS	16

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
	PfClassWeight class_weight;
	double	   *class_weights;	/* nclasses, for PF_WEIGHT_EXPLICIT; else NULL */
	uint16_t   *ranks;			/* of the rows' targets, to keep in the leaves, see forest/samples.h; NULL: not wanted */
	float	   *places;			/* nfeatures x 256, see pf_bin_places: random cuts; NULL: the best */
	int8_t	   *monotonic;		/* nfeatures: -1, 0, 1; NULL: all 0.  For regression and two classes */
	uint64_t	seed;

	/*
	 * A node draws its features by its place in the tree, not by its number, so that a tree that ends earlier
	 * is the top of one that goes on.  nviews: such tops, of which the tree keeps where they end
	 * (PfTree.ends); no max_leaf_nodes then.
	 */
	bool		by_place;
	uint32_t	nviews;
	PfView		views[PF_MAX_VIEWS];
} PfForestParams;

/* A count (3), a share (0.3), or a name; what max_features and max_samples are. */
typedef struct PfAmount
{
	bool		given;
	bool		is_share;
	double		value;
	const char *name;			/* sqrt, log2, or NULL */
} PfAmount;

/* A name, or an object of numbers. */
typedef struct PfNumbers
{
	const char *name;			/* NULL: an object, or nothing */
	uint32_t	count;
	const char **keys;
	double	   *values;
} PfNumbers;

/*
 * What the parameters say, as given or by default and before they meet any rows.
 * One struct for all algorithms, each of which reads its own fields.  Of a null,
 * integers are 0, names NULL and numbers NaN.
 */
typedef struct PfParams
{
	uint32_t	n_estimators;
	const char *criterion;
	uint32_t	max_depth;
	PfAmount	max_features;
	uint32_t	max_leaf_nodes;
	uint32_t	min_samples_split;
	uint32_t	min_samples_leaf;
	double		min_weight_fraction_leaf;
	double		min_impurity_decrease;
	bool		bootstrap;
	PfAmount	max_samples;
	const char *oob_score;		/* auto, true, false */
	bool		quantiles;
	PfNumbers	class_weight;
	PfNumbers	monotonic_cst;
	uint32_t	max_bins;
	uint32_t	max_rows;

	/* boosting */
	const char *loss;
	double		quantile;
	double		learning_rate;
	double		l2_regularization;
	double		subsample;
	PfAmount	colsample_bytree;
	const char *categorical_splits;	/* ordered, gradient */
	double		cat_smooth;
	double		cat_l2;
	const char *early_stopping; /* auto, true, false */
	double		validation_fraction;
	uint32_t	n_iter_no_change;
	double		tol;

	/* linear models, isolation forests, calibration */
	double		alpha;
	double		l1_ratio;
	double		C;
	uint32_t	max_iter;
	bool		fit_intercept;
	double		contamination;
	const char *calibration;
} PfParams;

/* How a value is read, and the type of its field. */
typedef enum PfParamType
{
	PF_PARAM_INT,				/* uint32_t */
	PF_PARAM_REAL,				/* double */
	PF_PARAM_BOOL,				/* bool */
	PF_PARAM_NAME,				/* const char *, one of choices */
	PF_PARAM_INT_OR_SHARE,		/* PfAmount: an integer >= 1 is a count, a fraction in (0,1) or 1.0 a share */
	PF_PARAM_BOOL_OR_NAME,		/* const char *: true, false or one of choices */
	PF_PARAM_CLASS_WEIGHT,		/* PfNumbers: a choice or an object from class to weight */
	PF_PARAM_SIGNS				/* PfNumbers: an object from feature to -1, 0 or 1 */
} PfParamType;

typedef struct PfParam
{
	const char *name;
	PfParamType type;
	size_t		field;			/* its offset in PfParams */
	bool		null_allowed;	/* null: no limit, or the default of the task */
	double		min,
				max;			/* of numbers, inclusive */
	const char *choices;		/* names separated by ", ", or NULL */
	const char *default_json;	/* the default as JSON */
	const char *doc;
} PfParam;

/* Each ends with a NULL name. */
extern const PfParam pf_random_forest_params[];
extern const PfParam pf_extra_trees_params[];
extern const PfParam pf_gradient_boosting_params[];
extern const PfParam pf_linear_params[];
extern const PfParam pf_isolation_forest_params[];

/* The entry of that name in a table, or NULL. */
extern const PfParam *pf_find_param(const PfParam *table, const char *name);

/* Number of single-character edits between two names (Levenshtein), for hints. */
extern uint32_t pf_edit_distance(const char *a, const char *b);

/* Is one name near enough to another to have been meant? */
extern bool pf_may_mean(const char *name, const char *other);

#endif							/* PF_PARAMS_H */

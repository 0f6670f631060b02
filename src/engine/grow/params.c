/*
 * params.c
 *	  The tables of hyper-parameters, and the nearest name to a misspelt one.
 *
 * A parameter that several algorithms have alike is a macro below; what is not
 * alike, mostly a default, is an argument of it.
 */
#include <string.h>

#include "engine/grow/params.h"

#define BIG 2147483647.0

#define PARAM(name, type) #name, type, offsetof(PfParams, name)
/* Whatever is trained: which rows are taken, for the load. */
#define MAX_ROWS \
	{PARAM(max_rows, PF_PARAM_INT), true, 1, BIG, NULL, "null", \
	"Rows of the source taken at most, held-out ones among them: those with the smallest hashes, the same ones every time. null: all."}
#define MONOTONIC_CST \
	{PARAM(monotonic_cst, PF_PARAM_SIGNS), true, -1, 1, NULL, "null", \
	"An object from feature to 1 (predictions must not fall as it rises), -1 (must not rise) or 0. For two classes it speaks of the second one."}
#define END {NULL, PF_PARAM_INT, 0, false, 0, 0, NULL, NULL, NULL}

/* Averaged trees: which rows a tree sees by default is all they differ in. */
#define FOREST_PARAMS(bootstrap_default) \
	{PARAM(n_estimators, PF_PARAM_INT), false, 1, 100000, NULL, "100", \
	"Number of trees."}, \
	{PARAM(criterion, PF_PARAM_NAME), true, 0, 0, "gini, entropy, log_loss, squared_error", "null", \
	"What a split improves: gini or entropy (log_loss is the same) for classification, squared_error for regression. null: gini, or squared_error."}, \
	{PARAM(max_depth, PF_PARAM_INT), true, 1, 10000, NULL, "null", \
	"Depth of a tree at most. null: until the leaves are pure."}, \
	{PARAM(max_features, PF_PARAM_INT_OR_SHARE), true, 0, PF_MAX_FEATURES, "sqrt, log2", "null", \
	"Features drawn for each split: a number, a share of all, sqrt or log2. null: sqrt for classification, 1.0 (all) for regression."}, \
	{PARAM(max_leaf_nodes, PF_PARAM_INT), true, 2, BIG, NULL, "null", \
	"Leaves of a tree at most; the split that improves most comes first. null: no limit."}, \
	{PARAM(min_samples_split, PF_PARAM_INT), false, 2, BIG, NULL, "2", \
	"A node with fewer rows is a leaf."}, \
	{PARAM(min_samples_leaf, PF_PARAM_INT), false, 1, BIG, NULL, "1", \
	"Rows that each side of a split must keep."}, \
	{PARAM(min_weight_fraction_leaf, PF_PARAM_REAL), false, 0, 0.5, NULL, "0", \
	"Share of the tree's weight that each side of a split must keep."}, \
	{PARAM(min_impurity_decrease, PF_PARAM_REAL), false, 0, 1e300, NULL, "0", \
	"A split must lower the impurity, weighted by the node's share of the rows, by this much."}, \
	{PARAM(bootstrap, PF_PARAM_BOOL), false, 0, 0, NULL, bootstrap_default, \
	"Each tree sees rows drawn with replacement. false: all rows."}, \
	{PARAM(max_samples, PF_PARAM_INT_OR_SHARE), true, 0, BIG, NULL, "null", \
	"Rows drawn for each tree: a number or a share of all. null: as many as there are."}, \
	{PARAM(oob_score, PF_PARAM_BOOL_OR_NAME), false, 0, 0, "auto", "\"auto\"", \
	"Measure each training row by the trees that did not see it. auto: when no rows are held out."}, \
	{PARAM(class_weight, PF_PARAM_CLASS_WEIGHT), true, 0, 1e12, "balanced, balanced_subsample", "null", \
	"Weights of the classes: balanced (inverse to their counts), balanced_subsample (within each tree), or an object from class to weight. null: all 1."}, \
	MONOTONIC_CST, \
	{PARAM(quantiles, PF_PARAM_BOOL), false, 0, 0, NULL, "false", \
	"Regression: keep targets of training rows in the leaves, for ml_predict_quantile."}, \
	{PARAM(calibration, PF_PARAM_NAME), true, 0, 0, "sigmoid, isotonic", "null", \
	"Classification: make shares mean probabilities, by a curve fitted to out-of-bag shares, or to those of five cross-validated forests when bootstrap is false or rows share a key. null: as they are."}, \
	{PARAM(max_bins, PF_PARAM_INT), false, 2, 255, NULL, "255", \
	"Bins of a feature at most; missing values have one more."}, \
	MAX_ROWS

const PfParam pf_random_forest_params[] = {FOREST_PARAMS("true"), END};
const PfParam pf_extra_trees_params[] = {FOREST_PARAMS("false"), END};

const PfParam pf_linear_params[] = {
	{PARAM(alpha, PF_PARAM_REAL), false, 0, 1e100, NULL, "1",
	"Regression: weight of the penalty. With l1_ratio 0 of the sum of squared coefficients beside the sum of squared errors, as Ridge has it; else beside half the mean of them, as ElasticNet."},
	{PARAM(l1_ratio, PF_PARAM_REAL), false, 0, 1, NULL, "0",
	"Share of the penalty that is of absolute coefficients, which makes small ones 0. 0: squared ones only (ridge, l2); 1: absolute ones only (lasso, l1)."},
	{PARAM(C, PF_PARAM_REAL), false, 1e-12, 1e12, NULL, "1",
	"Classification: the smaller, the stronger the penalty. The sum of the losses counts C times beside half the squared coefficients, or what l1_ratio mixes with the absolute ones."},
	{PARAM(fit_intercept, PF_PARAM_BOOL), false, 0, 0, NULL, "true",
	"Is there an intercept? false: a row of zeros gives 0, or equal shares."},
	{PARAM(max_iter, PF_PARAM_INT), false, 1, 1000000, NULL, "1000",
	"Steps of the solver at most. Ridge is solved in one."},
	{PARAM(tol, PF_PARAM_REAL), false, 1e-15, 1, NULL, "1e-08",
	"The solver is done when no derivative of the mean loss, on standardised columns and target, is greater."},
	{PARAM(class_weight, PF_PARAM_CLASS_WEIGHT), true, 0, 1e12, "balanced", "null",
	"Weights of the classes: balanced (inverse to their counts), or an object from class to weight. null: all 1."},
	{PARAM(calibration, PF_PARAM_NAME), true, 0, 0, "sigmoid, isotonic", "null",
	"Classification: make shares mean probabilities, by a curve fitted to the shares of five cross-validated models. null: as they are."},
	{PARAM(max_bins, PF_PARAM_INT), false, 2, 255, NULL, "255",
	"Coefficients of a category column at most; when it has more categories, those with like targets share one."},
	MAX_ROWS,
	END
};

const PfParam pf_isolation_forest_params[] = {
	{PARAM(n_estimators, PF_PARAM_INT), false, 1, 100000, NULL, "100",
	"Number of trees."},
	{PARAM(max_samples, PF_PARAM_INT_OR_SHARE), true, 0, BIG, NULL, "null",
	"Rows drawn for each tree: a number or a share of all. null: 256, or all when there are fewer."},
	{PARAM(contamination, PF_PARAM_REAL), true, 1e-9, 0.5, NULL, "null",
	"Share of the training rows that are labelled anomalies. null: those whose score is above 0.5."},
	{PARAM(max_features, PF_PARAM_INT_OR_SHARE), false, 0, PF_MAX_FEATURES, NULL, "1.0",
	"Features drawn for each tree: a number or a share of all."},
	{PARAM(bootstrap, PF_PARAM_BOOL), false, 0, 0, NULL, "false",
	"Rows of a tree are drawn with replacement."},
	{PARAM(max_bins, PF_PARAM_INT), false, 2, 255, NULL, "255",
	"Bins of a feature at most; missing values have one more."},
	MAX_ROWS,
	END
};

const PfParam pf_gradient_boosting_params[] = {
	{PARAM(n_estimators, PF_PARAM_INT), false, 1, 100000, NULL, "100",
	"Number of rounds; in each a tree is added, for more than two classes a tree for each class."},
	{PARAM(loss, PF_PARAM_NAME), true, 0, 0, "squared_error, absolute_error, poisson, quantile, log_loss", "null",
	"What is made less: log_loss for classification, the others for regression. null: log_loss, or squared_error."},
	{PARAM(quantile, PF_PARAM_REAL), true, 0, 1, NULL, "null",
	"The quantile that loss quantile predicts."},
	{PARAM(learning_rate, PF_PARAM_REAL), false, 1e-6, 1000, NULL, "0.1",
	"What each tree's values are multiplied by."},
	{PARAM(max_leaf_nodes, PF_PARAM_INT), true, 2, BIG, NULL, "31",
	"Leaves of a tree at most; the split that improves most comes first. null: no limit."},
	{PARAM(max_depth, PF_PARAM_INT), true, 1, 10000, NULL, "null",
	"Depth of a tree at most. null: no limit."},
	{PARAM(min_samples_leaf, PF_PARAM_INT), false, 1, BIG, NULL, "20",
	"Rows that each side of a split must keep."},
	{PARAM(l2_regularization, PF_PARAM_REAL), false, 0, 1e300, NULL, "0",
	"Added to the sum of the hessians, which makes the leaves' values smaller."},
	{PARAM(subsample, PF_PARAM_REAL), false, 0.001, 1, NULL, "1.0",
	"Share of the rows that each tree sees."},
	{PARAM(max_features, PF_PARAM_INT_OR_SHARE), false, 0, PF_MAX_FEATURES, "sqrt, log2", "1.0",
	"Features drawn for each split, of those that the tree sees: a number, a share, sqrt or log2."},
	{PARAM(colsample_bytree, PF_PARAM_INT_OR_SHARE), false, 0, PF_MAX_FEATURES, "sqrt, log2", "1.0",
	"Features drawn for each tree: a number, a share of all, sqrt or log2."},
	{PARAM(categorical_splits, PF_PARAM_NAME), false, 0, 0, "ordered, gradient", "\"gradient\"",
	"How categories are split: by one order for the whole model (ordered), or by sets that each node makes of its own gradients (gradient)."},
	{PARAM(cat_smooth, PF_PARAM_REAL), false, 0, 1e300, NULL, "10",
	"Splits by sets: a category is put in order as though it had so many more rows, which are like the node."},
	{PARAM(cat_l2, PF_PARAM_REAL), false, 0, 1e300, NULL, "10",
	"Splits by sets: added to l2_regularization when their gain is measured."},
	MONOTONIC_CST,
	{PARAM(early_stopping, PF_PARAM_BOOL_OR_NAME), false, 0, 0, "auto", "\"auto\"",
	"End when rows set apart are predicted no better, and keep the best rounds. auto: with more than 10,000 rows."},
	{PARAM(validation_fraction, PF_PARAM_REAL), false, 0.001, 0.5, NULL, "0.1",
	"Share of the training rows that are set apart for early stopping; rows with the same key stay together."},
	{PARAM(n_iter_no_change, PF_PARAM_INT), false, 1, 100000, NULL, "10",
	"Early stopping: rounds in a row that must have been no better."},
	{PARAM(tol, PF_PARAM_REAL), false, 0, 1e300, NULL, "1e-07",
	"Early stopping: a loss that is lower by no more than this is no better."},
	{PARAM(class_weight, PF_PARAM_CLASS_WEIGHT), true, 0, 1e12, "balanced", "null",
	"Weights of the classes: balanced (inverse to their counts) or an object from class to weight. null: all 1."},
	{PARAM(calibration, PF_PARAM_NAME), true, 0, 0, "sigmoid, isotonic", "null",
	"Classification: make shares mean probabilities, by a curve fitted to the shares of five cross-validated models. null: as they are."},
	{PARAM(max_bins, PF_PARAM_INT), false, 2, 255, NULL, "255",
	"Bins of a feature at most; missing values have one more."},
	MAX_ROWS,
	END
};

const PfParam *
pf_find_param(const PfParam *table, const char *name)
{
	for (const PfParam *param = table; param->name != NULL; param++)
	{
		if (strcmp(param->name, name) == 0)
			return param;
	}
	return NULL;
}

/* One row of the table at a time; names longer than the row count as far away. */
uint32_t
pf_edit_distance(const char *a, const char *b)
{
	uint32_t	row[65];
	size_t		m = strlen(a);
	size_t		n = strlen(b);

	if (m > 64 || n > 64)
		return (uint32_t) (m > n ? m : n);

	for (size_t j = 0; j <= n; j++)
		row[j] = (uint32_t) j;
	for (size_t i = 1; i <= m; i++)
	{
		uint32_t	diagonal = row[0];

		row[0] = (uint32_t) i;
		for (size_t j = 1; j <= n; j++)
		{
			uint32_t	best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

bool
pf_may_mean(const char *name, const char *other)
{
	uint32_t	half = (uint32_t) (strlen(name) < 64 ? strlen(name) / 2 : 32);

	return pf_edit_distance(name, other) <= (half > 2 ? half : 2);
}

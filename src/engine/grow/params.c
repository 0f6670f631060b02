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
#define END {NULL, PF_PARAM_INT, 0, false, 0, 0, NULL, NULL, NULL}

const PfParam pf_random_forest_params[] = {
	{PARAM(n_estimators, PF_PARAM_INT), false, 1, 100000, NULL, "100",
	"Number of trees."},
	{PARAM(criterion, PF_PARAM_NAME), true, 0, 0, "gini, entropy, log_loss, squared_error", "null",
	"What a split improves: gini or entropy (log_loss is the same) for classification, squared_error for regression. null: gini, or squared_error."},
	{PARAM(max_depth, PF_PARAM_INT), true, 1, 10000, NULL, "null",
	"Depth of a tree at most. null: until the leaves are pure."},
	{PARAM(max_features, PF_PARAM_INT_OR_SHARE), true, 0, PF_MAX_FEATURES, "sqrt, log2", "null",
	"Features drawn for each split: a number, a share of all, sqrt or log2. null: sqrt for classification, 1.0 (all) for regression."},
	{PARAM(max_leaf_nodes, PF_PARAM_INT), true, 2, BIG, NULL, "null",
	"Leaves of a tree at most; the split that improves most comes first. null: no limit."},
	{PARAM(min_samples_split, PF_PARAM_INT), false, 2, BIG, NULL, "2",
	"A node with fewer rows is a leaf."},
	{PARAM(min_samples_leaf, PF_PARAM_INT), false, 1, BIG, NULL, "1",
	"Rows that each side of a split must keep."},
	{PARAM(min_weight_fraction_leaf, PF_PARAM_REAL), false, 0, 0.5, NULL, "0",
	"Share of the tree's weight that each side of a split must keep."},
	{PARAM(min_impurity_decrease, PF_PARAM_REAL), false, 0, 1e300, NULL, "0",
	"A split must lower the impurity, weighted by the node's share of the rows, by this much."},
	{PARAM(bootstrap, PF_PARAM_BOOL), false, 0, 0, NULL, "true",
	"Each tree sees rows drawn with replacement. false: all rows."},
	{PARAM(max_samples, PF_PARAM_INT_OR_SHARE), true, 0, BIG, NULL, "null",
	"Rows drawn for each tree: a number or a share of all. null: as many as there are."},
	{PARAM(oob_score, PF_PARAM_BOOL), false, 0, 0, NULL, "true",
	"Measure each row by the trees that did not see it. Always done when no rows are held out."},
	{PARAM(class_weight, PF_PARAM_CLASS_WEIGHT), true, 0, 1e12, "balanced, balanced_subsample", "null",
	"Weights of the classes: balanced (inverse to their counts), balanced_subsample (within each tree), or an object from class to weight. null: all 1."},
	{PARAM(max_bins, PF_PARAM_INT), false, 2, 255, NULL, "255",
	"Bins of a feature at most; missing values have one more."},
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

const char *
pf_nearest_param(const PfParam *table, const char *name)
{
	const char *nearest = table[0].name;
	uint32_t	least = UINT32_MAX;

	for (const PfParam *param = table; param->name != NULL; param++)
	{
		uint32_t	distance = pf_edit_distance(name, param->name);

		if (distance < least)
		{
			least = distance;
			nearest = param->name;
		}
	}
	return nearest;
}

bool
pf_may_mean(const char *name, const char *other)
{
	uint32_t	half = (uint32_t) (strlen(name) < 64 ? strlen(name) / 2 : 32);

	return pf_edit_distance(name, other) <= (half > 2 ? half : 2);
}

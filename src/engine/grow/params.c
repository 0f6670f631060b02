/*
 * params.c
 *	  The table of hyper-parameters, and the nearest name to a misspelt one.
 */
#include <string.h>

#include "engine/grow/params.h"

#define BIG 2147483647.0

const PfParam pf_forest_params[] = {
	{"n_estimators", PF_PARAM_INT, false, 1, 100000, NULL, "100",
	"Number of trees."},
	{"criterion", PF_PARAM_NAME, true, 0, 0, "gini, entropy, log_loss, squared_error", "null",
	"What a split improves: gini or entropy (log_loss is the same) for classification, squared_error for regression. null: gini, or squared_error."},
	{"max_depth", PF_PARAM_INT, true, 1, 10000, NULL, "null",
	"Depth of a tree at most. null: until the leaves are pure."},
	{"max_features", PF_PARAM_INT_OR_SHARE, true, 0, PF_MAX_FEATURES, "sqrt, log2", "null",
	"Features drawn for each split: a number, a share of all, sqrt or log2. null: sqrt for classification, 1.0 (all) for regression."},
	{"max_leaf_nodes", PF_PARAM_INT, true, 2, BIG, NULL, "null",
	"Leaves of a tree at most; the split that improves most comes first. null: no limit."},
	{"min_samples_split", PF_PARAM_INT, false, 2, BIG, NULL, "2",
	"A node with fewer rows is a leaf."},
	{"min_samples_leaf", PF_PARAM_INT, false, 1, BIG, NULL, "1",
	"Rows that each side of a split must keep."},
	{"min_weight_fraction_leaf", PF_PARAM_REAL, false, 0, 0.5, NULL, "0",
	"Share of the tree's weight that each side of a split must keep."},
	{"min_impurity_decrease", PF_PARAM_REAL, false, 0, 1e300, NULL, "0",
	"A split must lower the impurity, weighted by the node's share of the rows, by this much."},
	{"bootstrap", PF_PARAM_BOOL, false, 0, 0, NULL, "true",
	"Each tree sees rows drawn with replacement. false: all rows."},
	{"max_samples", PF_PARAM_INT_OR_SHARE, true, 0, BIG, NULL, "null",
	"Rows drawn for each tree: a number or a share of all. null: as many as there are."},
	{"oob_score", PF_PARAM_BOOL, false, 0, 0, NULL, "true",
	"Measure each row by the trees that did not see it. Always done when no rows are held out."},
	{"class_weight", PF_PARAM_CLASS_WEIGHT, true, 0, 1e12, "balanced, balanced_subsample", "null",
	"Weights of the classes: balanced (inverse to their counts), balanced_subsample (within each tree), or an object from class to weight. null: all 1."},
	{"max_bins", PF_PARAM_INT, false, 2, 255, NULL, "255",
	"Bins of a feature at most; missing values have one more."},
	{"max_rows", PF_PARAM_INT, true, 1, BIG, NULL, "null",
	"Rows of the source taken at most, held-out ones among them: those with the smallest hashes, the same ones every time. null: all."},
	{NULL, PF_PARAM_INT, false, 0, 0, NULL, NULL, NULL}
};

const PfParam *
pf_find_param(const char *name)
{
	const PfParam *param;

	for (param = pf_forest_params; param->name != NULL; param++)
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
pf_nearest_param(const char *name)
{
	const char *nearest = pf_forest_params[0].name;
	uint32_t	least = UINT32_MAX;

	for (const PfParam *param = pf_forest_params; param->name != NULL; param++)
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

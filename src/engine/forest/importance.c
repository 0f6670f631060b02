/*
 * importance.c
 *	  Impurity importance: how much each feature's splits lowered the impurity.
 *
 * As scikit-learn's feature_importances_: normalised within each tree, the mean
 * over the trees that split at all, normalised again.  Trees finish in any
 * order, so the sums are integers.
 */
#include <math.h>

#include "engine/forest/forest.h"

#define ONE 1099511627776.0		/* 2^40 */

void
pf_importance_add(const PfTree *tree, uint32_t nfeatures, int64_t *sum)
{
	double		total = 0;

	for (uint32_t f = 0; f < nfeatures; f++)
		total += tree->importance[f];
	if (!(total > 0) || !isfinite(total))
		return;
	for (uint32_t f = 0; f < nfeatures; f++)
		sum[f] += (int64_t) (tree->importance[f] / total * ONE + 0.5);
}

void
pf_importance_finish(const int64_t *sum, uint32_t nfeatures, double *out)
{
	double		total = 0;

	for (uint32_t f = 0; f < nfeatures; f++)
		total += (double) sum[f];
	for (uint32_t f = 0; f < nfeatures; f++)
		out[f] = total > 0 ? (double) sum[f] / total : 0;
}

/*
 * walk.c
 *	  The plain walker (one row) and the block walker.
 *
 * The block walker takes a tree and sends a handful of rows down it together:
 * each step of a walk waits for memory, and rows that do not depend on each
 * other wait at the same time.
 */
#include <string.h>

#include "engine/walk/walk.h"

#define TOGETHER 8				/* rows on the way down at once */
#define BLOCK	 1024			/* rows whose sums stay in the cache */

void
pf_walk_row(const PfModel *model, const uint8_t *row, double *out)
{
	uint32_t	width = model->width;

	for (uint32_t c = 0; c < width; c++)
		out[c] = 0;
	for (uint32_t t = 0; t < model->ntrees; t++)
	{
		const double *leaf = model->leaves +
			(size_t) pf_tree_leaf(model->nodes + model->roots[t], row) * width;

		for (uint32_t c = 0; c < width; c++)
			out[c] += leaf[c];
	}
	for (uint32_t c = 0; c < width; c++)
		out[c] /= model->ntrees;
}

/* Leaf indexes of n (at most TOGETHER) rows. */
static inline void
walk_together(const PfNode *tree, const uint8_t *rows, size_t stride, uint32_t n,
			  uint32_t *leaf)
{
	const PfNode *at[TOGETHER];
	bool		moving = true;

	for (uint32_t i = 0; i < n; i++)
		at[i] = tree;
	while (moving)
	{
		moving = false;
		for (uint32_t i = 0; i < n; i++)
		{
			if (pf_is_leaf(at[i]))
				continue;
			at[i] = tree + pf_child(at[i], rows + i * stride);
			moving = true;
		}
	}
	for (uint32_t i = 0; i < n; i++)
		leaf[i] = at[i]->link;
}

static void
walk_block(const PfEnv *env, const PfModel *model, const uint8_t *rows, size_t stride,
		   uint32_t nrows, double *out)
{
	uint32_t	width = model->width;

	memset(out, 0, (size_t) nrows * width * sizeof(double));
	for (uint32_t t = 0; t < model->ntrees; t++)
	{
		const PfNode *tree = model->nodes + model->roots[t];

		for (uint32_t i = 0; i < nrows; i += TOGETHER)
		{
			uint32_t	leaf[TOGETHER];
			uint32_t	n = nrows - i < TOGETHER ? nrows - i : TOGETHER;

			walk_together(tree, rows + i * stride, stride, n, leaf);
			for (uint32_t j = 0; j < n; j++)
			{
				const double *shares = model->leaves + (size_t) leaf[j] * width;
				double	   *sum = out + (size_t) (i + j) * width;

				for (uint32_t c = 0; c < width; c++)
					sum[c] += shares[c];
			}
		}
		pf_check(env);
	}
	for (size_t i = 0; i < (size_t) nrows * width; i++)
		out[i] /= model->ntrees;
}

void
pf_walk_block(const PfEnv *env, const PfModel *model, const uint8_t *rows, size_t stride,
			  uint32_t nrows, double *out)
{
	for (uint32_t i = 0; i < nrows; i += BLOCK)
		walk_block(env, model, rows + i * stride, stride,
				   nrows - i < BLOCK ? nrows - i : BLOCK, out + (size_t) i * model->width);
}

uint32_t
pf_best_class(const double *shares, uint32_t nclasses)
{
	uint32_t	best = 0;

	for (uint32_t c = 1; c < nclasses; c++)
	{
		if (shares[c] > shares[best])
			best = c;
	}
	return best;
}

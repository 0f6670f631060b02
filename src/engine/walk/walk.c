/*
 * walk.c
 *	  The plain walker, and two fast ones: one row, a block of rows.
 *
 * The fast ones walk several ways together (grow/together.h): one row goes down
 * several trees, or several rows of a block down one tree.
 */
#include <string.h>

#include "engine/grow/together.h"
#include "engine/walk/walk.h"

#define BLOCK	 1024			/* rows whose sums stay in the cache */
#define STEPS	 100			/* what a tree's way down costs, in additions of a share */
#define CHECK_EVERY 1000000		/* of these between two checks */

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

static inline void
add_leaf(const PfModel *model, uint32_t leaf, double *sum)
{
	const double *shares = model->leaves + (size_t) leaf * model->width;

	for (uint32_t c = 0; c < model->width; c++)
		sum[c] += shares[c];
}

void
pf_walk_row_fast(const PfEnv *env, const PfModel *model, const uint8_t *row, double *out)
{
	uint32_t	work = 0;		/* since the last check */

	memset(out, 0, model->width * sizeof(double));
	for (uint32_t t = 0; t < model->ntrees; t += PF_TOGETHER)
	{
		const PfNode *trees[PF_TOGETHER];
		const uint8_t *rows[PF_TOGETHER];
		uint32_t	leaf[PF_TOGETHER];
		uint32_t	n = model->ntrees - t < PF_TOGETHER ? model->ntrees - t : PF_TOGETHER;

		for (uint32_t i = 0; i < n; i++)
		{
			trees[i] = model->nodes + model->roots[t + i];
			rows[i] = row;
		}
		pf_walk_together(trees, rows, n, leaf);
		for (uint32_t i = 0; i < n; i++)
			add_leaf(model, leaf[i], out);
		work += PF_TOGETHER * (model->width + STEPS);
		if (work > CHECK_EVERY)
		{
			pf_check(env);
			work = 0;
		}
	}
	for (uint32_t c = 0; c < model->width; c++)
		out[c] /= model->ntrees;
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

		for (uint32_t i = 0; i < nrows; i += PF_TOGETHER)
		{
			const PfNode *trees[PF_TOGETHER];
			const uint8_t *at[PF_TOGETHER];
			uint32_t	leaf[PF_TOGETHER];
			uint32_t	n = nrows - i < PF_TOGETHER ? nrows - i : PF_TOGETHER;

			for (uint32_t j = 0; j < n; j++)
			{
				trees[j] = tree;
				at[j] = rows + (i + j) * stride;
			}
			pf_walk_together(trees, at, n, leaf);
			for (uint32_t j = 0; j < n; j++)
				add_leaf(model, leaf[j], out + (size_t) (i + j) * width);
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

/*
 * walk.c
 *	  The plain walker, and two fast ones: one row, a block of rows.
 *
 * Each step of a walk waits for memory, and walks that do not depend on each
 * other can wait at the same time: one row goes down several trees together, or
 * several rows of a block down one tree.
 */
#include <string.h>

#include "engine/walk/walk.h"

#define TOGETHER 8				/* walks at once */
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

/*
 * The node after this one; a leaf stays where it is.  No branches: where a row
 * goes is not to be foreseen.
 */
static inline uint32_t
next_node(const PfNode *tree, uint32_t at, const uint8_t *row)
{
	PfNode		node = tree[at];
	bool		leaf = pf_is_leaf(&node);
	uint8_t		bin = row[leaf ? 0 : node.feature];
	uint32_t	left = (bin <= node.threshold) |
		((bin == PF_MISSING_BIN) & (node.link >> 31));

	return leaf ? at : (node.link & PF_LINK_MASK) + 1 - left;
}

/*
 * n (at most TOGETHER) walks: in tree[i], of row[i].  Puts the walks' leaf
 * indexes into leaf[TOGETHER].
 */
static inline void
walk_together(const PfNode **tree, const uint8_t **row, uint32_t n, uint32_t *leaf)
{
	uint32_t	at[TOGETHER] = {0};
	uint32_t	moved;

	/* what is missing walks with the first */
	for (uint32_t i = n; i < TOGETHER; i++)
	{
		tree[i] = tree[0];
		row[i] = row[0];
	}
	do
	{
		moved = 0;
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC unroll 8			/* clang does so unasked */
#endif
		for (uint32_t i = 0; i < TOGETHER; i++)
		{
			uint32_t	next = next_node(tree[i], at[i], row[i]);

			moved |= next ^ at[i];
			at[i] = next;
		}
	} while (moved != 0);
	for (uint32_t i = 0; i < TOGETHER; i++)
		leaf[i] = tree[i][at[i]].link;
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
	for (uint32_t t = 0; t < model->ntrees; t += TOGETHER)
	{
		const PfNode *trees[TOGETHER];
		const uint8_t *rows[TOGETHER];
		uint32_t	leaf[TOGETHER];
		uint32_t	n = model->ntrees - t < TOGETHER ? model->ntrees - t : TOGETHER;

		for (uint32_t i = 0; i < n; i++)
		{
			trees[i] = model->nodes + model->roots[t + i];
			rows[i] = row;
		}
		walk_together(trees, rows, n, leaf);
		for (uint32_t i = 0; i < n; i++)
			add_leaf(model, leaf[i], out);
		work += TOGETHER * (model->width + STEPS);
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

		for (uint32_t i = 0; i < nrows; i += TOGETHER)
		{
			const PfNode *trees[TOGETHER];
			const uint8_t *at[TOGETHER];
			uint32_t	leaf[TOGETHER];
			uint32_t	n = nrows - i < TOGETHER ? nrows - i : TOGETHER;

			for (uint32_t j = 0; j < n; j++)
			{
				trees[j] = tree;
				at[j] = rows + (i + j) * stride;
			}
			walk_together(trees, at, n, leaf);
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

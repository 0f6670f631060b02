/*
 * walk.c
 *	  The plain walker, and two fast ones: one row, a block of rows.
 *
 * The fast ones walk several ways together (grow/together.h): one row goes down
 * several trees, or several rows of a block down one tree.  Both are made twice, so that
 * trees without sets do not pay for those that have some.
 */
#include <string.h>

#include "engine/grow/together.h"
#include "engine/walk/output.h"
#include "engine/walk/walk.h"

#define BLOCK	 1024			/* rows whose sums stay in the cache */
#define STEPS	 100			/* what a tree's way down costs, in additions of a share */
#define CHECK_EVERY 1000000		/* of these between two checks */

/* A model without trees: its rows are values. */
static void
answer_linear(const PfModel *model, const uint8_t *row, double *out)
{
	pf_linear_outputs(&model->linear, model->bins, model->nfeatures, (const double *) row, out);
	pf_link_apply(pf_class_link(model->nclasses), model->width, out);
	pf_calibration_apply(&model->calibration, model->nclasses, out);
}

void
pf_walk_row(const PfModel *model, const uint8_t *row, double *out)
{
	if (model->kind == PF_MODEL_LINEAR)
	{
		answer_linear(model, row, out);
		return;
	}
	pf_output_start(model, out);
	for (uint32_t t = 0; t < model->ntrees; t++)
	{
		const PfNode *tree = model->nodes + model->roots[t];
		uint32_t	leaf = model->nsets == 0 ? pf_tree_leaf(tree, row)
			: pf_tree_leaf_by_sets(tree, model->sets + model->first_set[t], row);

		pf_output_add(model, leaf, out + pf_output_place(model, t));
	}
	pf_output_finish(model, out);
}

static inline __attribute__((always_inline)) void
walk_row(const PfEnv *env, const PfModel *model, const uint8_t *row, bool by_sets, double *out)
{
	uint32_t	work = 0;		/* since the last check */

	pf_output_start(model, out);
	for (uint32_t t = 0; t < model->ntrees; t += PF_TOGETHER)
	{
		const PfNode *trees[PF_TOGETHER];
		const PfSet *sets[PF_TOGETHER];
		const uint8_t *rows[PF_TOGETHER];
		uint32_t	leaf[PF_TOGETHER];
		uint32_t	n = model->ntrees - t < PF_TOGETHER ? model->ntrees - t : PF_TOGETHER;

		for (uint32_t i = 0; i < n; i++)
		{
			trees[i] = model->nodes + model->roots[t + i];
			rows[i] = row;
			if (by_sets)
				sets[i] = model->sets + model->first_set[t + i];
		}
		pf_walk_together_by_sets(trees, by_sets ? sets : NULL, rows, n, leaf);
		for (uint32_t i = 0; i < n; i++)
			pf_output_add(model, leaf[i], out + pf_output_place(model, t + i));
		work += PF_TOGETHER * (model->leaf_width + STEPS);
		if (work > CHECK_EVERY)
		{
			pf_check(env);
			work = 0;
		}
	}
	pf_output_finish(model, out);
}

void
pf_walk_row_fast(const PfEnv *env, const PfModel *model, const uint8_t *row, double *out)
{
	if (model->kind == PF_MODEL_LINEAR)
		answer_linear(model, row, out);
	else if (model->nsets > 0)
		walk_row(env, model, row, true, out);
	else
		walk_row(env, model, row, false, out);
}

static void
answer_linear_block(const PfEnv *env, const PfModel *model, const uint8_t *rows, size_t stride,
					uint32_t nrows, double *out)
{
	uint64_t	work = 0;

	for (uint32_t i = 0; i < nrows; i++)
	{
		answer_linear(model, rows + i * stride, out + (size_t) i * model->width);
		work += (uint64_t) model->nfeatures * model->width;
		if (work > CHECK_EVERY || i == nrows - 1)
		{
			pf_check(env);
			work = 0;
		}
	}
}

static inline __attribute__((always_inline)) void
walk_block(const PfEnv *env, const PfModel *model, const uint8_t *rows, size_t stride,
		   uint32_t nrows, bool by_sets, double *out)
{
	uint32_t	width = model->width;

	for (uint32_t i = 0; i < nrows; i++)
		pf_output_start(model, out + (size_t) i * width);
	for (uint32_t t = 0; t < model->ntrees; t++)
	{
		const PfNode *tree = model->nodes + model->roots[t];
		double	   *place = out + pf_output_place(model, t);

		for (uint32_t i = 0; i < nrows; i += PF_TOGETHER)
		{
			const PfNode *trees[PF_TOGETHER];
			const PfSet *sets[PF_TOGETHER];
			const uint8_t *at[PF_TOGETHER];
			uint32_t	leaf[PF_TOGETHER];
			uint32_t	n = nrows - i < PF_TOGETHER ? nrows - i : PF_TOGETHER;

			for (uint32_t j = 0; j < n; j++)
			{
				trees[j] = tree;
				at[j] = rows + (i + j) * stride;
				if (by_sets)
					sets[j] = model->sets + model->first_set[t];
			}
			pf_walk_together_by_sets(trees, by_sets ? sets : NULL, at, n, leaf);
			for (uint32_t j = 0; j < n; j++)
				pf_output_add(model, leaf[j], place + (size_t) (i + j) * width);
		}
		pf_check(env);
	}
	for (uint32_t i = 0; i < nrows; i++)
		pf_output_finish(model, out + (size_t) i * width);
}

void
pf_walk_block(const PfEnv *env, const PfModel *model, const uint8_t *rows, size_t stride,
			  uint32_t nrows, double *out)
{
	for (uint32_t i = 0; i < nrows; i += BLOCK)
	{
		const uint8_t *block = rows + i * stride;
		double	   *place = out + (size_t) i * model->width;
		uint32_t	n = nrows - i < BLOCK ? nrows - i : BLOCK;

		if (model->kind == PF_MODEL_LINEAR)
			answer_linear_block(env, model, block, stride, n, place);
		else if (model->nsets > 0)
			walk_block(env, model, block, stride, n, true, place);
		else
			walk_block(env, model, block, stride, n, false, place);
	}
}

void
pf_walk_finish(const PfEnv *env, const PfModel *model, uint32_t nrows, double *out)
{
	for (uint32_t i = 0; i < nrows; i++)
	{
		pf_output_finish(model, out + (size_t) i * model->width);
		if (i % BLOCK == 0)
			pf_check(env);
	}
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

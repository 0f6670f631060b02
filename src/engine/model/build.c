/*
 * build.c
 *	  Grown trees into one model.
 *
 * The nodes of all trees lie one after another, and equal leaves share one row
 * of the leaf table.
 */
#include "engine/model/leaftable.h"
#include "engine/model/model.h"

/* Adds those of tree t.  Without a full leaf all trees have as many, so that the first guess is right. */
static void
take_samples(const PfEnv *env, PfModel *model, uint32_t t, const PfTree *tree, uint64_t *room)
{
	PfSamples  *samples = &model->samples;
	uint64_t	end = samples->base[t] + tree->nsamples;

	if (end > *room)
	{
		*room = t == 0 ? end * model->ntrees : end + end / 8;
		samples->rank = pf_resize(env, samples->rank, *room * sizeof(uint16_t));
	}
	pf_copy(env, samples->rank + samples->base[t], tree->samples, tree->nsamples * sizeof(uint16_t));
	pf_copy(env, samples->start + model->roots[t], tree->starts, tree->nnodes * sizeof(uint32_t));
	samples->base[t + 1] = end;
}

void
pf_model_take_trees(const PfEnv *env, PfModel *model, uint32_t ntrees, uint32_t leaf_width,
					uint32_t nnodes, PfNextTree next, void *arg)
{
	PfLeafTable table;
	uint32_t   *numbers = NULL;
	uint64_t	samples = 0;

	model->ntrees = ntrees;
	model->leaf_width = leaf_width;
	model->roots = pf_alloc(env, (ntrees + 1) * sizeof(uint32_t));
	model->roots[0] = 0;
	model->nodes = pf_alloc(env, nnodes * sizeof(PfNode));
	if (model->samples.nvalues > 0)
	{
		model->samples.base = pf_alloc(env, (ntrees + 1) * sizeof(uint64_t));
		model->samples.base[0] = 0;
		model->samples.start = pf_alloc(env, nnodes * sizeof(uint32_t));
	}
	pf_leaf_table_init(&table, env, leaf_width);

	for (uint32_t t = 0; t < ntrees; t++)
	{
		PfNode	   *nodes = model->nodes + model->roots[t];
		PfTree		tree;

		next(arg, t, &tree);
		pf_release(env, numbers);
		numbers = pf_alloc(env, tree.nleaves * sizeof(uint32_t));
		pf_leaf_table_add(&table, &tree, numbers);
		for (uint32_t i = 0; i < tree.nnodes; i++)
		{
			if (i % 16384 == 0)
				pf_check(env);
			nodes[i] = tree.nodes[i];
			if (pf_is_leaf(&nodes[i]))
				nodes[i].link = numbers[nodes[i].link];
		}
		model->roots[t + 1] = model->roots[t] + tree.nnodes;
		if (model->samples.nvalues > 0)
			take_samples(env, model, t, &tree, &samples);
	}
	pf_release(env, numbers);
	pf_release(env, table.slots);
	model->nleaves = table.count;
	model->leaves = table.rows;
}

uint32_t
pf_link_sums(PfLink link, uint32_t nclasses)
{
	switch (link)
	{
		case PF_LINK_IDENTITY:
		case PF_LINK_EXP:
			return nclasses == 0 ? 1 : 0;
		case PF_LINK_LOGISTIC:
			return nclasses == 2 ? 1 : 0;
		case PF_LINK_SOFTMAX:
			return nclasses > 2 ? nclasses : 0;
	}
	return 0;
}

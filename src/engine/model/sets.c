/*
 * sets.c
 *	  Sets of categories: of trees into a model, and as a section of its bytes.
 *
 * A set is written in as many bytes as its feature has bins for, eight each; where
 * missing values go is said by the node, as of all nodes.  A tree's sets have the
 * numbers in which a preorder walk meets their nodes, so they are written one after
 * another.
 */
#include <string.h>

#include "engine/model/model.h"
#include "engine/model/wire.h"

#define CHECK_EVERY 16384		/* nodes, or sets, between two checks */

void
pf_model_take_sets(const PfEnv *env, PfModel *model, const PfTree *trees)
{
	model->nsets = 0;
	for (uint32_t t = 0; t < model->ntrees; t++)
		model->nsets += trees[t].nsets;
	if (model->nsets == 0)
		return;
	model->first_set = pf_alloc(env, model->ntrees * sizeof(uint32_t));
	model->sets = pf_alloc(env, ((size_t) model->nsets + 1) * sizeof(PfSet));
	model->nsets = 0;
	for (uint32_t t = 0; t < model->ntrees; t++)
	{
		model->first_set[t] = model->nsets;
		pf_copy(env, model->sets + model->nsets, trees[t].sets, trees[t].nsets * sizeof(PfSet));
		model->nsets += trees[t].nsets;
	}
	memset(&model->sets[model->nsets], 0, sizeof(PfSet));
}

/* The node of each set, as a number in the whole model. */
static uint32_t *
find_nodes(const PfEnv *env, const PfModel *model)
{
	uint32_t   *nodes = pf_alloc(env, model->nsets * sizeof(uint32_t));

	for (uint32_t t = 0; t < model->ntrees; t++)
	{
		for (uint32_t i = model->roots[t]; i < model->roots[t + 1]; i++)
		{
			const PfNode *node = &model->nodes[i];

			if (pf_has_set(node))
				nodes[model->first_set[t] + node->threshold - PF_FIRST_SET] = i;
			if (i % CHECK_EVERY == 0)
				pf_check(env);
		}
	}
	return nodes;
}

static uint32_t
bytes_of(const PfBins *bins)
{
	return (bins->nbins + 7) / 8;
}

uint8_t *
pf_wire_put_sets(const PfEnv *env, const PfModel *model, size_t *size)
{
	uint8_t    *bytes = pf_alloc(env, (size_t) model->nsets * sizeof(PfSet));
	uint32_t   *nodes = find_nodes(env, model);
	size_t		at = 0;

	for (uint32_t s = 0; s < model->nsets; s++)
	{
		uint32_t	n = bytes_of(&model->bins[model->nodes[nodes[s]].feature]);

		for (uint32_t i = 0; i < n; i++)
			bytes[at++] = (uint8_t) (model->sets[s].bits[i / 8] >> (8 * (i % 8)));
		/* the last one has a bit for missing values */
		if (n == sizeof(PfSet))
			bytes[at - 1] &= 0x7F;
		if (s % CHECK_EVERY == 0)
			pf_check(env);
	}
	pf_release(env, nodes);
	*size = at;
	return bytes;
}

/* Where each tree's sets begin; the bytes that all of them take. */
static uint64_t
count_sets(const PfEnv *env, PfModel *model)
{
	uint64_t	size = 0;
	uint32_t	nsets = 0;

	for (uint32_t t = 0; t < model->ntrees; t++)
	{
		model->first_set[t] = nsets;
		for (uint32_t i = model->roots[t]; i < model->roots[t + 1]; i++)
		{
			if (pf_has_set(&model->nodes[i]))
			{
				size += bytes_of(&model->bins[model->nodes[i].feature]);
				nsets++;
			}
			if (i % CHECK_EVERY == 0)
				pf_check(env);
		}
	}
	return size;
}

const char *
pf_wire_get_sets(const PfEnv *env, PfModel *model, const uint8_t *bytes, uint64_t size,
				 size_t *memory)
{
	const char *reason = NULL;
	uint32_t   *nodes;

	model->first_set = pf_alloc(env, model->ntrees * sizeof(uint32_t));
	if (count_sets(env, model) != size)
		return "a section has the wrong length";
	/* each has a byte at least, so there are no more sets than bytes */
	model->sets = pf_alloc(env, ((size_t) model->nsets + 1) * sizeof(PfSet));
	*memory += ((size_t) model->nsets + 1) * sizeof(PfSet) + model->ntrees * sizeof(uint32_t);
	nodes = find_nodes(env, model);
	for (uint32_t s = 0; s < model->nsets && reason == NULL; s++)
	{
		const PfNode *node = &model->nodes[nodes[s]];
		const PfBins *bins = &model->bins[node->feature];
		uint32_t	n = bytes_of(bins);
		PfSet	   *set = &model->sets[s];

		memset(set, 0, sizeof(*set));
		for (uint32_t i = 0; i < n; i++)
			set->bits[i / 8] |= (uint64_t) bytes[i] << (8 * (i % 8));
		if (bins->nbins % 8 != 0 && bytes[n - 1] >> (bins->nbins % 8) != 0)
			reason = "a set has a bin that its feature has not";
		if (node->link & PF_MISSING_LEFT)
			pf_add_to_set(set, PF_MISSING_BIN);
		bytes += n;
		if (s % CHECK_EVERY == 0)
			pf_check(env);
	}
	memset(&model->sets[model->nsets], 0, sizeof(PfSet));
	pf_release(env, nodes);
	return reason;
}

/*
 * build.c
 *	  Grown trees into one model.
 *
 * The nodes of all trees lie one after another, and equal leaves share one row
 * of the leaf table: most leaves of an unlimited forest are pure, so a table
 * of a few hundred rows serves millions of leaves.  Rows are numbered in the
 * order in which trees and their leaf rows come, which no number of workers changes.
 */
#include <string.h>

#include "engine/bins/hash.h"
#include "engine/model/model.h"

/* An open-addressing set of leaf rows; slots hold row number + 1. */
typedef struct LeafTable
{
	const PfEnv *env;
	uint32_t	width;
	uint32_t	count,
				room;			/* rows */
	double	   *rows;
	uint32_t	nslots;			/* a power of two */
	uint32_t   *slots;
} LeafTable;

/* Where the search for a row with this hash begins. */
static inline uint32_t
first_slot(const LeafTable *table, uint64_t hash)
{
	return (uint32_t) hash & (table->nslots - 1);
}

static uint32_t *
find_slot(LeafTable *table, const double *row, uint64_t hash)
{
	size_t		size = table->width * sizeof(double);
	uint32_t	at = first_slot(table, hash);

	while (table->slots[at] != 0 &&
		   memcmp(table->rows + (size_t) (table->slots[at] - 1) * table->width, row, size) != 0)
		at = (at + 1) & (table->nslots - 1);
	return &table->slots[at];
}

static void
grow_slots(LeafTable *table)
{
	pf_release(table->env, table->slots);
	table->nslots *= 2;
	table->slots = pf_alloc(table->env, (size_t) table->nslots * sizeof(uint32_t));
	pf_clear(table->env, table->slots, (size_t) table->nslots * sizeof(uint32_t));
	for (uint32_t i = 0; i < table->count; i++)
	{
		const double *row = table->rows + (size_t) i * table->width;

		if (i % 16384 == 0)
			pf_check(table->env);
		*find_slot(table, row, pf_hash_bytes(row, table->width * sizeof(double))) = i + 1;
	}
}

/* The number of a row in the table, where it is put if it is new. */
static uint32_t
leaf_number(LeafTable *table, const double *row, uint64_t hash)
{
	uint32_t   *slot = find_slot(table, row, hash);

	if (*slot != 0)
		return *slot - 1;
	if (table->count == table->room)
	{
		table->room = table->room ? table->room * 2 : 64;
		table->rows = pf_resize(table->env, table->rows,
								(size_t) table->room * table->width * sizeof(double));
	}
	memcpy(table->rows + (size_t) table->count * table->width, row,
		   table->width * sizeof(double));
	*slot = ++table->count;
	if (table->count > table->nslots / 2)
		grow_slots(table);
	return table->count - 1;
}

/*
 * The numbers of all rows of a tree.  A regression forest has a hundred million leaves whose
 * rows are anywhere in a large table, so some are looked for at once: their slots are
 * fetched first, then the rows that these name.
 */
#define AT_ONCE 32
static void
number_leaves(LeafTable *table, const PfTree *tree, uint32_t *numbers)
{
	size_t		size = table->width * sizeof(double);

	for (uint32_t start = 0; start < tree->nleaves; start += AT_ONCE)
	{
		uint32_t	n = tree->nleaves - start < AT_ONCE ? tree->nleaves - start : AT_ONCE;
		const double *rows = tree->leaves + (size_t) start * table->width;
		uint64_t	hash[AT_ONCE];

		for (uint32_t i = 0; i < n; i++)
		{
			hash[i] = pf_hash_bytes(rows + (size_t) i * table->width, size);
			__builtin_prefetch(&table->slots[first_slot(table, hash[i])]);
		}
		for (uint32_t i = 0; i < n; i++)
		{
			uint32_t	number = table->slots[first_slot(table, hash[i])];

			if (number != 0)
				__builtin_prefetch(table->rows + (size_t) (number - 1) * table->width);
		}
		for (uint32_t i = 0; i < n; i++)
			numbers[start + i] = leaf_number(table, rows + (size_t) i * table->width, hash[i]);
		pf_check(table->env);
	}
}

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
	LeafTable	table = {.env = env,.width = leaf_width,.nslots = 512};
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
	grow_slots(&table);

	for (uint32_t t = 0; t < ntrees; t++)
	{
		PfNode	   *nodes = model->nodes + model->roots[t];
		PfTree		tree;

		next(arg, t, &tree);
		pf_release(env, numbers);
		numbers = pf_alloc(env, tree.nleaves * sizeof(uint32_t));
		number_leaves(&table, &tree, numbers);
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

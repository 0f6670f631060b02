/*
 * planes.c
 *	  Trees into planes: nodes in preorder without any links, each kind of datum by itself.
 *
 * Like stands beside like, which is what makes them small.  A tree is taken in batches of nodes that
 * fit in a few pages, so that the inner loop looks at no limits, and a batch goes to the streams
 * when it is full.
 *
 * How many bytes a leaf's number takes is known when all leaves are.  So the plane of a
 * higher byte begins with the batch that has the first leaf to need it; for the leaves before,
 * the encoder writes zeros.
 */
#include <string.h>

#include "engine/model/planes.h"
#include "engine/model/wire.h"

static void
append(PfPlanes *planes, PfStream stream, const void *bytes, size_t size)
{
	if (size > 0)
		planes->scratch->append(planes->scratch->arg, stream, bytes, size);
}

PfPlanes *
pf_planes_create(const PfEnv *env, const PfScratch *scratch, const PfModel *model, uint32_t leaf_width)
{
	PfPlanes   *planes = pf_alloc(env, sizeof(PfPlanes));

	memset(planes, 0, sizeof(*planes));
	planes->env = env;
	planes->scratch = scratch;
	planes->feature_planes = pf_wire_planes(model->nfeatures);
	planes->leaf_planes = 1;
	/* ranks have 16 bits */
	planes->rank_planes = model->samples.nvalues > 256 ? 2 : model->samples.nvalues > 0;
	planes->leaf_width = leaf_width;
	pf_leaf_table_init(&planes->table, env, leaf_width);
	return planes;
}

static void
put_bit(PfBits *bits, bool bit)
{
	bits->bytes[bits->n / 8] |= (uint8_t) (bit << bits->n % 8);
	bits->n++;
}

/* Whole bytes go; the bits left over are the first of the next batch. */
static void
flush_bits(PfPlanes *planes, PfStream stream, PfBits *bits)
{
	uint32_t	whole = bits->n / 8;
	uint8_t		rest = bits->bytes[whole];

	append(planes, stream, bits->bytes, whole);
	memset(bits->bytes, 0, whole + 1);
	bits->bytes[0] = rest;
	bits->n %= 8;
}

static void
flush_batch(PfPlanes *planes)
{
	flush_bits(planes, PF_STREAM_IS_LEAF, &planes->is_leaf);
	flush_bits(planes, PF_STREAM_MISSING_LEFT, &planes->missing_left);
	for (uint32_t p = 0; p < planes->feature_planes; p++)
		append(planes, PF_STREAM_FEATURE + p, planes->feature[p], planes->ninner);
	append(planes, PF_STREAM_THRESHOLD, planes->threshold, planes->ninner);
	while (planes->leaf_planes < 4 && planes->largest >> (8 * planes->leaf_planes) != 0)
		planes->leaf_start[planes->leaf_planes++] = planes->leaves;
	for (uint32_t p = 0; p < planes->leaf_planes; p++)
		append(planes, PF_STREAM_LEAF + p, planes->leaf[p], planes->nleaf);
	append(planes, PF_STREAM_SAMPLES, planes->counts, planes->ncounts);
	planes->nodes += planes->nbatch;
	planes->inner += planes->ninner;
	planes->leaves += planes->nleaf;
	planes->nbatch = planes->ninner = planes->nleaf = planes->ncounts = 0;
	pf_check(planes->env);
}

/* numbers: that of each leaf row, or NULL when links are such numbers already. */
static void
put_nodes(PfPlanes *planes, const PfTree *tree, const uint32_t *numbers)
{
	bool		sampled = planes->rank_planes > 0;
	uint32_t	depth = 0;
	uint32_t	start = UINT32_MAX; /* of the samples of the last leaf */

	planes->stack[depth++] = 0;
	while (depth > 0)
	{
		uint32_t	at = planes->stack[--depth];
		const PfNode *node = &tree->nodes[at];
		bool		is_leaf = pf_is_leaf(node);

		if (planes->nbatch == PF_BATCH)
			flush_batch(planes);
		planes->nbatch++;
		put_bit(&planes->is_leaf, is_leaf);
		if (is_leaf)
		{
			uint32_t	number = numbers ? numbers[node->link] : node->link;
			uint32_t	i = planes->nleaf++;

			for (uint32_t p = 0; p < 4; p++)
				planes->leaf[p][i] = (uint8_t) (number >> (8 * p));
			planes->largest |= number;
			if (!sampled)
				continue;
			if (start != UINT32_MAX)
				planes->counts[planes->ncounts++] = (uint8_t) (tree->starts[at] - start);
			start = tree->starts[at];
		}
		else
		{
			uint32_t	i = planes->ninner++;

			put_bit(&planes->missing_left, (node->link & PF_MISSING_LEFT) != 0);
			for (uint32_t p = 0; p < 2; p++)
				planes->feature[p][i] = (uint8_t) (node->feature >> (8 * p));
			planes->threshold[i] = pf_has_set(node) ? PF_WIRE_BY_SET : (uint8_t) node->threshold;
			planes->stack[depth++] = (node->link & PF_LINK_MASK) + 1;
			planes->stack[depth++] = node->link & PF_LINK_MASK;
		}
	}
	if (sampled)
		planes->counts[planes->ncounts++] = (uint8_t) (tree->nsamples - start);
}

static void
put_ranks(PfPlanes *planes, const PfTree *tree)
{
	for (uint32_t done = 0; done < tree->nsamples; done += PF_BATCH)
	{
		uint32_t	n = tree->nsamples - done < PF_BATCH ? tree->nsamples - done : PF_BATCH;
		uint8_t		bytes[PF_BATCH];

		for (uint32_t p = 0; p < planes->rank_planes; p++)
		{
			for (uint32_t i = 0; i < n; i++)
				bytes[i] = (uint8_t) (tree->samples[done + i] >> (8 * p));
			append(planes, PF_STREAM_RANK + p, bytes, n);
		}
		pf_check(planes->env);
	}
	planes->samples += tree->nsamples;
}

/* Room for n numbers, whose old ones are not needed. */
static uint32_t *
make_room(const PfEnv *env, uint32_t *numbers, size_t *room, size_t n)
{
	if (n <= *room)
		return numbers;
	pf_release(env, numbers);
	*room = n;
	return pf_alloc(env, n * sizeof(uint32_t));
}

static void
put_tree(PfPlanes *planes, const PfTree *tree, const uint32_t *numbers)
{
	/* a tree of n nodes has at most (n + 1) / 2 open at once, and two are pushed before one is taken */
	planes->stack = make_room(planes->env, planes->stack, &planes->stack_room,
							  (size_t) tree->nnodes / 2 + 2);
	if (planes->ntrees == planes->tree_room)
	{
		planes->tree_room = planes->tree_room ? 2 * planes->tree_room : 128;
		planes->sizes = pf_resize(planes->env, planes->sizes, planes->tree_room * sizeof(uint32_t));
	}
	planes->sizes[planes->ntrees++] = tree->nnodes;
	put_nodes(planes, tree, numbers);
	if (planes->rank_planes > 0)
		put_ranks(planes, tree);
}

void
pf_planes_add(PfPlanes *planes, const PfTree *tree)
{
	planes->numbers = make_room(planes->env, planes->numbers, &planes->number_room, tree->nleaves);
	pf_leaf_table_add(&planes->table, tree, planes->numbers);
	put_tree(planes, tree, planes->numbers);
}

uint32_t
pf_planes_leaves(const PfPlanes *planes)
{
	return planes->table.count;
}

uint64_t
pf_planes_memory(const PfPlanes *planes)
{
	return planes->table.nslots * sizeof(uint32_t) +
		(uint64_t) planes->table.room * planes->leaf_width * sizeof(double);
}

/* What is left of the batch, and of each plane of bits; the leaf rows as the payload has them. */
static void
end_planes(PfPlanes *planes, const double *rows, uint32_t nrows)
{
	uint64_t	n = (uint64_t) nrows * planes->leaf_width;
	uint8_t		bytes[PF_BATCH];
	uint32_t	filled = 0;

	flush_batch(planes);
	append(planes, PF_STREAM_IS_LEAF, planes->is_leaf.bytes, planes->is_leaf.n > 0);
	append(planes, PF_STREAM_MISSING_LEFT, planes->missing_left.bytes, planes->missing_left.n > 0);
	planes->nleaves = nrows;
	for (uint64_t i = 0; i < n; i++)
	{
		pf_wire_store_real(bytes + filled, rows[i]);
		filled += 8;
		if (filled == PF_BATCH || i + 1 == n)
		{
			append(planes, PF_STREAM_LEAF_ROWS, bytes, filled);
			filled = 0;
			pf_check(planes->env);
		}
	}
}

static void
release_table(PfPlanes *planes)
{
	pf_release(planes->env, planes->table.rows);
	pf_release(planes->env, planes->table.slots);
	pf_release(planes->env, planes->numbers);
	pf_release(planes->env, planes->stack);
	planes->table.rows = NULL;
	planes->table.slots = planes->numbers = planes->stack = NULL;
}

void
pf_planes_finish(PfPlanes *planes)
{
	end_planes(planes, planes->table.rows, planes->table.count);
	release_table(planes);
}

uint64_t
pf_planes_decoded(const PfPlanes *planes)
{
	uint64_t	node = sizeof(PfNode) + (planes->rank_planes > 0 ? sizeof(uint32_t) : 0);

	return planes->nodes * node + planes->samples * sizeof(uint16_t) +
		(uint64_t) planes->nleaves * planes->leaf_width * sizeof(double);
}

PfPlanes *
pf_planes_of_model(const PfEnv *env, const PfScratch *scratch, const PfModel *model)
{
	PfPlanes   *planes = pf_planes_create(env, scratch, model, model->leaf_width);
	const PfSamples *samples = &model->samples;

	for (uint32_t t = 0; t < model->ntrees; t++)
	{
		PfTree		tree = {
			.nnodes = model->roots[t + 1] - model->roots[t],
			.nodes = model->nodes + model->roots[t]
		};

		if (planes->rank_planes > 0)
		{
			tree.nsamples = (uint32_t) (samples->base[t + 1] - samples->base[t]);
			tree.starts = samples->start + model->roots[t];
			tree.samples = samples->rank + samples->base[t];
		}
		put_tree(planes, &tree, NULL);
	}
	end_planes(planes, model->leaves, model->nleaves);
	release_table(planes);
	return planes;
}

void
pf_planes_release(PfPlanes *planes)
{
	const PfEnv *env = planes->env;

	release_table(planes);
	pf_release(env, planes->sizes);
	pf_release(env, planes);
}

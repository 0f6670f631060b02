/*
 * encode.c
 *	  A model into its bytes.
 *
 * The payload is written first, then compressed block by block: a block is a
 * zstd frame of its own, so that no call into zstd is long and nothing of its
 * memory is held while the host may leave.
 *
 * Nodes are written in preorder without any links, and each kind of datum in a
 * plane of its own: like stands beside like, which is what makes them small.
 */
#include <string.h>
#include <zstd.h>

#include "engine/bins/hash.h"
#include "engine/model/model.h"
#include "engine/model/wire.h"

typedef struct Writer
{
	const PfEnv *env;
	uint8_t    *bytes;
	size_t		size,
				room;
} Writer;

static uint8_t *
reserve(Writer *writer, size_t size)
{
	uint8_t    *at;

	if (writer->size + size > writer->room)
	{
		writer->room = (writer->size + size) * 2;
		writer->bytes = pf_resize(writer->env, writer->bytes, writer->room);
	}
	at = writer->bytes + writer->size;
	writer->size += size;
	return at;
}

static void
store(uint8_t *at, uint64_t value, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		at[i] = (uint8_t) (value >> (8 * i));
}

static void
put(Writer *writer, uint64_t value, uint32_t size)
{
	store(reserve(writer, size), value, size);
}

static void
put_real(Writer *writer, double value)
{
	uint64_t	bits;

	memcpy(&bits, &value, sizeof(bits));
	put(writer, bits, 8);
}

static void
put_text(Writer *writer, const char *text, size_t length)
{
	put(writer, length, 4);
	if (length > 0)
		memcpy(reserve(writer, length), text, length);
}

static void
put_bins(Writer *writer, const PfBins *bins)
{
	put(writer, bins->kind, 1);
	put(writer, bins->nbins, 2);
	if (bins->kind == PF_NUMBER)
	{
		for (uint32_t i = 0; i + 1 < bins->nbins; i++)
			put_real(writer, bins->cuts[i]);
		return;
	}
	put(writer, bins->ncategories, 4);
	for (uint32_t i = 0; i < bins->ncategories; i++)
	{
		put_text(writer, bins->text + bins->offsets[i],
				 bins->offsets[i + 1] - bins->offsets[i]);
		put(writer, bins->category_bin[i], 1);
	}
}

/* The planes of all trees' nodes; sizes are known before the first is written. */
typedef struct Planes
{
	uint8_t    *is_leaf;		/* a bit a node */
	uint8_t    *missing_left;	/* a bit an inner node */
	uint8_t    *feature[2];		/* an inner node each */
	uint8_t    *threshold;
	uint8_t    *leaf[4];		/* a leaf each */
	uint32_t	nodes,
				inner,
				leaves;
} Planes;

static void
put_tree(const PfEnv *env, const PfNode *tree, uint32_t *stack,
		 uint32_t feature_planes, uint32_t leaf_planes, Planes *planes)
{
	uint32_t	depth = 0;

	stack[depth++] = 0;
	while (depth > 0)
	{
		const PfNode *node = &tree[stack[--depth]];
		uint32_t	n = planes->nodes++;
		uint32_t	i;

		if (n % 16384 == 0)
			pf_check(env);
		if (pf_is_leaf(node))
		{
			planes->is_leaf[n / 8] |= (uint8_t) (1 << n % 8);
			i = planes->leaves++;
			for (uint32_t p = 0; p < leaf_planes; p++)
				planes->leaf[p][i] = (uint8_t) (node->link >> (8 * p));
			continue;
		}
		i = planes->inner++;
		if (node->link & PF_MISSING_LEFT)
			planes->missing_left[i / 8] |= (uint8_t) (1 << i % 8);
		for (uint32_t p = 0; p < feature_planes; p++)
			planes->feature[p][i] = (uint8_t) (node->feature >> (8 * p));
		planes->threshold[i] = pf_has_set(node) ? PF_WIRE_BY_SET : (uint8_t) node->threshold;
		stack[depth++] = (node->link & PF_LINK_MASK) + 1;
		stack[depth++] = node->link & PF_LINK_MASK;
	}
}

static void
put_nodes(Writer *writer, const PfModel *model)
{
	const PfEnv *env = writer->env;
	uint32_t	nnodes = model->roots[model->ntrees];
	uint32_t	ninner = (nnodes - model->ntrees) / 2;
	uint32_t	nleaves = nnodes - ninner;
	uint32_t	feature_planes = pf_wire_planes(model->nfeatures);
	uint32_t	leaf_planes = pf_wire_planes(model->nleaves);
	size_t		size = (nnodes + 7) / 8 + (ninner + 7) / 8 +
		(size_t) ninner * (feature_planes + 1) + (size_t) nleaves * leaf_planes;
	uint32_t	largest = 0;
	uint32_t   *stack;
	Planes		planes = {0};
	uint8_t    *at;

	for (uint32_t t = 0; t < model->ntrees; t++)
	{
		uint32_t	n = model->roots[t + 1] - model->roots[t];

		put(writer, n, 4);
		largest = n > largest ? n : largest;
	}
	at = reserve(writer, size);
	pf_clear(env, at, size);
	planes.is_leaf = at;
	at += (nnodes + 7) / 8;
	planes.missing_left = at;
	at += (ninner + 7) / 8;
	for (uint32_t p = 0; p < feature_planes; p++, at += ninner)
		planes.feature[p] = at;
	planes.threshold = at;
	at += ninner;
	for (uint32_t p = 0; p < leaf_planes; p++, at += nleaves)
		planes.leaf[p] = at;

	/* a tree of n nodes has at most (n + 1) / 2 open at once, and two are pushed before one is taken */
	stack = pf_alloc(env, ((size_t) largest / 2 + 2) * sizeof(uint32_t));
	for (uint32_t t = 0; t < model->ntrees; t++)
		put_tree(env, model->nodes + model->roots[t], stack,
				 feature_planes, leaf_planes, &planes);
	pf_release(env, stack);
}

static void
put_trees(Writer *writer, const PfModel *model)
{
	put(writer, model->nleaves, 4);
	for (size_t i = 0; i < (size_t) model->nleaves * model->leaf_width; i++)
	{
		if (i % 65536 == 0)
			pf_check(writer->env);
		put_real(writer, model->leaves[i]);
	}
	put(writer, model->ntrees, 4);
	put_nodes(writer, model);
}

static void
put_linear(Writer *writer, const PfLinear *linear)
{
	for (uint32_t k = 0; k < linear->noutputs; k++)
		put_real(writer, linear->intercept[k]);
	for (size_t i = 0; i < (size_t) linear->noutputs * linear->ncoefficients; i++)
	{
		if (i % 65536 == 0)
			pf_check(writer->env);
		put_real(writer, linear->coefficient[i]);
	}
}

/* A tag, the length, and the bytes of it. */
static void
put_calibration(Writer *writer, const PfCalibration *calibration)
{
	bool		isotonic = calibration->method == PF_ISOTONIC;
	uint64_t	length = 1;

	for (uint32_t c = 0; c < calibration->ncurves; c++)
		length += (isotonic ? 4 : 0) + 16 * (uint64_t) calibration->curves[c].n;
	put(writer, PF_WIRE_CALIBRATION, 1);
	put(writer, length, 8);
	put(writer, calibration->method, 1);
	for (uint32_t c = 0; c < calibration->ncurves; c++)
	{
		const PfCalibrationCurve *curve = &calibration->curves[c];

		if (isotonic)
			put(writer, curve->n, 4);
		for (uint32_t i = 0; i < curve->n; i++)
		{
			if (i % 65536 == 0)
				pf_check(writer->env);
			put_real(writer, curve->x[i]);
			put_real(writer, curve->y[i]);
		}
	}
}

/* How many samples each leaf of a tree has, in the order of its leaves. */
static void
put_counts(const PfEnv *env, const PfModel *model, uint32_t tree, uint8_t *counts)
{
	const PfSamples *samples = &model->samples;
	const PfNode *nodes = model->nodes + model->roots[tree];
	const uint32_t *start = samples->start + model->roots[tree];
	uint32_t	nnodes = model->roots[tree + 1] - model->roots[tree];
	uint32_t	nleaves = nnodes / 2 + 1;
	uint32_t   *before = pf_alloc(env, nnodes * sizeof(uint32_t));
	uint32_t   *begin = pf_alloc(env, (nleaves + 1) * sizeof(uint32_t));

	pf_number_leaves(env, nodes, nnodes, before);
	for (uint32_t i = 0; i < nnodes; i++)
	{
		begin[before[i]] = start[i];
		if (i % 65536 == 0)
			pf_check(env);
	}
	begin[nleaves] = (uint32_t) (samples->base[tree + 1] - samples->base[tree]);
	for (uint32_t i = 0; i < nleaves; i++)
		counts[i] = (uint8_t) (begin[i + 1] - begin[i]);
	pf_release(env, before);
	pf_release(env, begin);
}

static void
put_samples(Writer *writer, const PfModel *model)
{
	const PfEnv *env = writer->env;
	const PfSamples *samples = &model->samples;
	uint64_t	n = samples->base[model->ntrees];
	uint32_t	planes = pf_wire_planes(samples->nvalues);
	uint64_t	nleaves = ((uint64_t) model->roots[model->ntrees] + model->ntrees) / 2;
	uint8_t    *at;

	put(writer, PF_WIRE_SAMPLES, 1);
	put(writer, 8 + 8 * (uint64_t) samples->nvalues + nleaves + planes * n, 8);
	put(writer, samples->least, 2);
	put(writer, samples->most, 2);
	put(writer, samples->nvalues, 4);
	for (uint32_t i = 0; i < samples->nvalues; i++)
	{
		if (i % 16384 == 0)
			pf_check(env);
		put_real(writer, samples->values[i]);
	}
	at = reserve(writer, nleaves + planes * n);
	for (uint32_t t = 0; t < model->ntrees; t++)
	{
		put_counts(env, model, t, at);
		at += (model->roots[t + 1] - model->roots[t]) / 2 + 1;
	}
	for (uint32_t p = 0; p < planes; p++, at += n)
	{
		for (uint64_t i = 0; i < n; i++)
		{
			if (i % 65536 == 0)
				pf_check(env);
			at[i] = (uint8_t) (samples->rank[i] >> (8 * p));
		}
	}
}

static void
put_sets(Writer *writer, const PfModel *model)
{
	size_t		size;
	uint8_t    *bytes = pf_wire_put_sets(writer->env, model, &size);

	put(writer, PF_WIRE_SETS, 1);
	put(writer, size, 8);
	pf_copy(writer->env, reserve(writer, size), bytes, size);
	pf_release(writer->env, bytes);
}

static void
put_sections(Writer *writer, const PfModel *model)
{
	bool		calibrated = model->calibration.method != PF_NOT_CALIBRATED;
	bool		sampled = model->samples.nvalues > 0;

	put(writer, (uint32_t) calibrated + sampled + (model->nsets > 0), 4);
	if (calibrated)
		put_calibration(writer, &model->calibration);
	if (sampled)
		put_samples(writer, model);
	if (model->nsets > 0)
		put_sets(writer, model);
}

static void
put_payload(Writer *writer, const PfModel *model)
{
	put(writer, model->kind, 1);
	put(writer, model->task, 1);
	put(writer, model->ncolumns, 4);
	for (uint32_t i = 0; i < model->ncolumns; i++)
	{
		put(writer, model->columns[i].kind, 1);
		put(writer, model->columns[i].length, 4);
		put_text(writer, model->columns[i].name, strlen(model->columns[i].name));
	}
	for (uint32_t i = 0; i < model->nfeatures; i++)
	{
		if (i % 256 == 0)
			pf_check(writer->env);
		put_bins(writer, &model->bins[i]);
	}
	put(writer, model->nclasses, 4);
	for (uint32_t i = 0; i < model->nclasses; i++)
		put_text(writer, model->classes[i], strlen(model->classes[i]));
	for (uint32_t i = 0; i < model->nfeatures; i++)
		put_real(writer, model->importance[i]);
	if (model->kind == PF_MODEL_BOOSTING)
	{
		put(writer, model->link, 1);
		for (uint32_t i = 0; i < model->nsums; i++)
			put_real(writer, model->base[i]);
	}
	if (model->kind == PF_MODEL_ISOLATION)
	{
		put_real(writer, model->path);
		put_real(writer, model->threshold);
	}
	if (model->kind == PF_MODEL_LINEAR)
		put_linear(writer, &model->linear);
	else
		put_trees(writer, model);
	if (pf_wire_version(model) > 1)
		put_sections(writer, model);
}

/* The checksum runs over the blocks' hashes, so that it can be taken in pieces. */
uint8_t *
pf_model_encode(const PfEnv *env, const PfModel *model, size_t *size)
{
	Writer		payload = {.env = env};
	Writer		out = {.env = env};
	uint64_t	checksum = PF_HASH_START;
	uint8_t    *header;

	put_payload(&payload, model);
	memset(reserve(&out, PF_WIRE_HEADER), 0, PF_WIRE_HEADER);
	for (size_t done = 0; done < payload.size; done += PF_WIRE_BLOCK)
	{
		size_t		raw = payload.size - done < PF_WIRE_BLOCK ? payload.size - done : PF_WIRE_BLOCK;
		size_t		bound = ZSTD_compressBound(raw);
		uint8_t    *block = reserve(&out, 4 + bound);
		size_t		packed;

		checksum = pf_hash_combine(checksum, pf_hash_bytes(payload.bytes + done, raw));
		packed = ZSTD_compress(block + 4, bound, payload.bytes + done, raw, PF_WIRE_LEVEL);
		if (ZSTD_isError(packed))
			return NULL;
		store(block, packed, 4);
		out.size -= bound - packed;
		pf_check(env);
	}
	pf_release(env, payload.bytes);

	header = out.bytes;
	memcpy(header, PF_WIRE_MAGIC, 8);
	store(header + 8, pf_wire_version(model), 2);
	store(header + 16, payload.size, 8);
	store(header + 24, checksum, 8);
	*size = out.size;
	return out.bytes;
}

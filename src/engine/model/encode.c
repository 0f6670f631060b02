/*
 * encode.c
 *	  A model into its bytes.
 *
 * The payload is made in its order, and a block of it is compressed as soon as it is full: a
 * zstd frame of its own, so that no call into zstd is long and nothing of its
 * memory is held while the host may leave.  The header tells the payload's length and checksum, so it is
 * known last.
 */
#include <string.h>
#include <zstd.h>

#include "engine/bins/hash.h"
#include "engine/model/planes.h"
#include "engine/model/wire.h"

#define READ_PIECE	65536		/* that is read from a stream between two checks */

typedef struct Writer
{
	const PfEnv *env;
	const PfScratch *scratch;
	uint8_t    *block;			/* what is not compressed yet */
	size_t		used;			/* of PF_WIRE_BLOCK */
	uint8_t    *packed;
	uint64_t	raw_size,		/* of the blocks that are */
				packed_size;
	uint64_t	checksum;		/* runs over the blocks' hashes, so that it can be taken in pieces */
	bool		failed;
} Writer;

/* What is put in between takes less time than this. */
static void
end_block(Writer *writer)
{
	size_t		size;

	writer->checksum = pf_hash_combine(writer->checksum, pf_hash_bytes(writer->block, writer->used));
	size = ZSTD_compress(writer->packed + 4, ZSTD_compressBound(PF_WIRE_BLOCK),
						 writer->block, writer->used, PF_WIRE_LEVEL);
	if (ZSTD_isError(size))
	{
		writer->failed = true;
		size = 0;
	}
	pf_wire_store(writer->packed, size, 4);
	writer->scratch->append(writer->scratch->arg, PF_STREAM_BLOCKS, writer->packed, 4 + size);
	writer->raw_size += writer->used;
	writer->packed_size += 4 + size;
	writer->used = 0;
	pf_check(writer->env);
}

/* Room for the next bytes: as many as the block has, at most size. */
static uint8_t *
reserve(Writer *writer, uint64_t *size)
{
	uint8_t    *at;

	if (writer->used == PF_WIRE_BLOCK)
		end_block(writer);
	at = writer->block + writer->used;
	if (*size > PF_WIRE_BLOCK - writer->used)
		*size = PF_WIRE_BLOCK - writer->used;
	writer->used += *size;
	return at;
}

static void
put_bytes(Writer *writer, const void *bytes, size_t size)
{
	for (size_t done = 0; done < size;)
	{
		uint64_t	n = size - done;
		uint8_t    *at = reserve(writer, &n);

		memcpy(at, (const uint8_t *) bytes + done, n);
		done += n;
	}
}

static void
put(Writer *writer, uint64_t value, uint32_t size)
{
	uint8_t		bytes[8];

	pf_wire_store(bytes, value, size);
	put_bytes(writer, bytes, size);
}

static void
put_real(Writer *writer, double value)
{
	uint8_t		bytes[8];

	pf_wire_store_real(bytes, value);
	put_bytes(writer, bytes, 8);
}

static void
put_text(Writer *writer, const char *text, size_t length)
{
	put(writer, length, 4);
	put_bytes(writer, text, length);
}

static void
put_zeros(Writer *writer, uint64_t size)
{
	while (size > 0)
	{
		uint64_t	n = size;
		uint8_t    *at = reserve(writer, &n);

		memset(at, 0, n);
		size -= n;
	}
}

static void
put_stream(Writer *writer, PfStream stream, uint64_t size)
{
	while (size > 0)
	{
		uint64_t	n = size < READ_PIECE ? size : READ_PIECE;
		uint8_t    *at = reserve(writer, &n);

		writer->scratch->read(writer->scratch->arg, stream, at, n);
		size -= n;
		pf_check(writer->env);
	}
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

static void
put_trees(Writer *writer, const PfPlanes *planes)
{
	uint32_t	leaf_planes = pf_wire_planes(planes->nleaves);

	put(writer, planes->nleaves, 4);
	put_stream(writer, PF_STREAM_LEAF_ROWS, (uint64_t) planes->nleaves * planes->leaf_width * sizeof(double));
	put(writer, planes->ntrees, 4);
	for (uint32_t t = 0; t < planes->ntrees; t++)
		put(writer, planes->sizes[t], 4);
	put_stream(writer, PF_STREAM_IS_LEAF, (planes->nodes + 7) / 8);
	put_stream(writer, PF_STREAM_MISSING_LEFT, (planes->inner + 7) / 8);
	for (uint32_t p = 0; p < planes->feature_planes; p++)
		put_stream(writer, PF_STREAM_FEATURE + p, planes->inner);
	put_stream(writer, PF_STREAM_THRESHOLD, planes->inner);
	for (uint32_t p = 0; p < leaf_planes; p++)
	{
		uint64_t	start = p < planes->leaf_planes ? planes->leaf_start[p] : planes->leaves;

		put_zeros(writer, start);
		put_stream(writer, PF_STREAM_LEAF + p, planes->leaves - start);
	}
}

static void
put_linear(Writer *writer, const PfLinear *linear)
{
	for (uint32_t k = 0; k < linear->noutputs; k++)
		put_real(writer, linear->intercept[k]);
	for (size_t i = 0; i < (size_t) linear->noutputs * linear->ncoefficients; i++)
		put_real(writer, linear->coefficient[i]);
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
			put_real(writer, curve->x[i]);
			put_real(writer, curve->y[i]);
		}
	}
}

static void
put_samples(Writer *writer, const PfSamples *samples, const PfPlanes *planes)
{
	put(writer, PF_WIRE_SAMPLES, 1);
	put(writer, 8 + 8 * (uint64_t) samples->nvalues + planes->leaves +
		planes->rank_planes * planes->samples, 8);
	put(writer, samples->least, 2);
	put(writer, samples->most, 2);
	put(writer, samples->nvalues, 4);
	for (uint32_t i = 0; i < samples->nvalues; i++)
		put_real(writer, samples->values[i]);
	put_stream(writer, PF_STREAM_SAMPLES, planes->leaves);
	for (uint32_t p = 0; p < planes->rank_planes; p++)
		put_stream(writer, PF_STREAM_RANK + p, planes->samples);
}

static void
put_sets(Writer *writer, const PfModel *model)
{
	size_t		size;
	uint8_t    *bytes = pf_wire_put_sets(writer->env, model, &size);

	put(writer, PF_WIRE_SETS, 1);
	put(writer, size, 8);
	put_bytes(writer, bytes, size);
	pf_release(writer->env, bytes);
}

static void
put_sections(Writer *writer, const PfModel *model, const PfPlanes *planes)
{
	bool		calibrated = model->calibration.method != PF_NOT_CALIBRATED;
	bool		sampled = model->samples.nvalues > 0;

	put(writer, (uint32_t) calibrated + sampled + (model->nsets > 0), 4);
	if (calibrated)
		put_calibration(writer, &model->calibration);
	if (sampled)
		put_samples(writer, &model->samples, planes);
	if (model->nsets > 0)
		put_sets(writer, model);
}

static void
put_payload(Writer *writer, const PfModel *model, const PfPlanes *planes)
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
		put_bins(writer, &model->bins[i]);
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
		put_trees(writer, planes);
	if (pf_wire_version(model) > 1)
		put_sections(writer, model, planes);
}

bool
pf_model_encode(const PfEnv *env, const PfScratch *scratch, const PfModel *model,
				const PfPlanes *planes, PfEncoded *encoded)
{
	Writer		writer = {.env = env,.scratch = scratch,.checksum = PF_HASH_START};

	writer.block = pf_alloc(env, PF_WIRE_BLOCK);
	writer.packed = pf_alloc(env, 4 + ZSTD_compressBound(PF_WIRE_BLOCK));
	put_payload(&writer, model, planes);
	end_block(&writer);
	pf_release(env, writer.block);
	pf_release(env, writer.packed);

	encoded->size = PF_WIRE_HEADER + writer.packed_size;
	memset(encoded->header, 0, PF_WIRE_HEADER);
	memcpy(encoded->header, PF_WIRE_MAGIC, 8);
	pf_wire_store(encoded->header + 8, pf_wire_version(model), 2);
	pf_wire_store(encoded->header + 16, writer.raw_size, 8);
	pf_wire_store(encoded->header + 24, writer.checksum, 8);
	return !writer.failed;
}

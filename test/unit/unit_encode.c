/*
 * unit_encode.c
 *	  A host of the encoder whose files are in memory, and the bytes that come out.
 */
#include <stdlib.h>
#include <string.h>

#include "unit.h"
#include "unit_encode.h"

typedef struct File
{
	uint8_t    *bytes;
	size_t		size,
				room,
				done;			/* read so far */
} File;

static void
demand(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "unit: %s\n", what);
	abort();
}

static void
file_append(void *arg, PfStream stream, const void *bytes, size_t size)
{
	File	   *file = (File *) arg + stream;

	demand(file->done == 0, "a stream was read while it was written");
	if (file->size + size > file->room)
	{
		file->room = 2 * (file->size + size);
		file->bytes = pf_resize(unit_env(), file->bytes, file->room);
	}
	memcpy(file->bytes + file->size, bytes, size);
	file->size += size;
}

static void
file_read(void *arg, PfStream stream, void *bytes, size_t size)
{
	File	   *file = (File *) arg + stream;

	demand(size <= file->size - file->done, "a stream was read beyond its end");
	memcpy(bytes, file->bytes + file->done, size);
	file->done += size;
}

const PfScratch *
unit_scratch(void)
{
	PfScratch  *scratch = pf_alloc(unit_env(), sizeof(PfScratch));

	scratch->append = file_append;
	scratch->read = file_read;
	scratch->arg = pf_alloc(unit_env(), PF_STREAMS * sizeof(File));
	memset(scratch->arg, 0, PF_STREAMS * sizeof(File));
	return scratch;
}

uint8_t *
unit_encode_planes(const PfScratch *scratch, const PfModel *model, PfPlanes *planes, size_t *size)
{
	const PfEnv *env = unit_env();
	File	   *files = scratch->arg;
	PfEncoded	encoded;
	uint8_t    *bytes;

	demand(pf_model_encode(env, scratch, model, planes, &encoded), "zstd has no memory");
	if (planes != NULL)
		pf_planes_release(planes);
	*size = encoded.size;
	bytes = pf_alloc(env, encoded.size);
	memcpy(bytes, encoded.header, PF_WIRE_HEADER);
	file_read(files, PF_STREAM_BLOCKS, bytes + PF_WIRE_HEADER, encoded.size - PF_WIRE_HEADER);
	demand(files[PF_STREAM_BLOCKS].done == files[PF_STREAM_BLOCKS].size, "the size is not that of the blocks");
	for (int i = 0; i < PF_STREAMS; i++)
		pf_release(env, files[i].bytes);
	pf_release(env, files);
	pf_release(env, (void *) scratch);
	return bytes;
}

uint8_t *
unit_encode(const PfModel *model, size_t *size)
{
	const PfScratch *scratch = unit_scratch();

	return unit_encode_planes(scratch, model, model->kind == PF_MODEL_LINEAR ? NULL :
							  pf_planes_of_model(unit_env(), scratch, model), size);
}

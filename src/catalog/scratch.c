/*
 * scratch.c
 *	  The engine's files of planes inside PostgreSQL: a BufFile each.
 *
 * They lie in temp_tablespaces and count against temp_file_limit.  What is small stays in
 * memory: most models need no file at all.
 */
#include "postgres.h"

#include "catalog/pgenv.h"
#include "catalog/scratch.h"
#include "storage/buffile.h"

#define SMALL	65536			/* bytes of a stream before it has a file */

typedef struct Stream
{
	uint8	   *bytes;			/* SMALL of them, or NULL */
	Size		size;			/* of the bytes */
	BufFile    *file;			/* then nothing is in bytes */
	Size		done;			/* read so far */
} Stream;

static void
scratch_append(void *arg, PfStream number, const void *bytes, size_t size)
{
	Stream	   *stream = (Stream *) arg + number;

	if (stream->file == NULL && stream->size + size > SMALL)
	{
		stream->file = BufFileCreateTemp(false);
		BufFileWrite(stream->file, stream->bytes, stream->size);
	}
	if (stream->file != NULL)
	{
		pf_check_interrupts();
		BufFileWrite(stream->file, unconstify(void *, bytes), size);
		return;
	}
	memcpy(stream->bytes + stream->size, bytes, size);
	stream->size += size;
}

static void
scratch_read(void *arg, PfStream number, void *bytes, size_t size)
{
	Stream	   *stream = (Stream *) arg + number;

	if (stream->file == NULL)
		memcpy(bytes, stream->bytes + stream->done, size);
	else
	{
		pf_check_interrupts();
		if ((stream->done == 0 && BufFileSeek(stream->file, 0, 0, SEEK_SET) != 0) ||
			BufFileRead(stream->file, bytes, size) != size)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read a temporary file of a model")));
	}
	stream->done += size;
}

const PfScratch *
pf_scratch_open(void)
{
	PfScratch  *scratch = palloc(sizeof(PfScratch));
	Stream	   *streams = palloc0(PF_STREAMS * sizeof(Stream));

	for (int i = 0; i < PF_STREAMS; i++)
		streams[i].bytes = palloc(SMALL);
	scratch->append = scratch_append;
	scratch->read = scratch_read;
	scratch->arg = streams;
	return scratch;
}

void
pf_scratch_close(const PfScratch *scratch)
{
	Stream	   *streams = scratch->arg;

	for (int i = 0; i < PF_STREAMS; i++)
	{
		if (streams[i].file != NULL)
			BufFileClose(streams[i].file);
		pfree(streams[i].bytes);
	}
	pfree(streams);
	pfree(unconstify(PfScratch *, scratch));
}

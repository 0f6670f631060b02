/*
 * spool.c
 *	  The bytes of a batch, between reading and loading.
 *
 * Up to PF_SPOOL_MEMORY they are in memory, which grows as needed and is kept for the next batch; what
 * comes beyond is written to a temporary file of PostgreSQL's, which temp_file_limit
 * counts.  It belongs to no transaction, so it is closed by hand (pf_spool_close).
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "ingest/ingest.h"

/* Written and read in pieces: each is an interrupt check. */
#define PIECE (1024 * 1024)

void
pf_spool_empty(PfSpool *spool)
{
	if (spool->file != NULL)
		BufFileClose(spool->file);
	spool->file = NULL;
	spool->bytes = 0;
}

void
pf_spool_close(PfSpool *spool)
{
	pf_spool_empty(spool);
	if (spool->memory != NULL)
		pfree(spool->memory);
	spool->memory = NULL;
	spool->size = 0;
}

static void
grow_memory(PfSpool *spool, Size needed)
{
	Size		size = Max(spool->size, PF_READ_SIZE);

	while (size < needed)
		size *= 2;
	if (size == spool->size)
		return;
	spool->memory = spool->memory == NULL ? MemoryContextAllocHuge(spool->context, size)
		: repalloc_huge(spool->memory, size);
	spool->size = size;
}

/* The first bytes go to memory, once and for all; those behind to the file. */
void
pf_spool_add(PfSpool *spool, const char *bytes, Size size)
{
	if (spool->bytes < PF_SPOOL_MEMORY)
	{
		Size		fits = Min(size, (Size) (PF_SPOOL_MEMORY - spool->bytes));

		grow_memory(spool, spool->bytes + fits);
		memcpy(spool->memory + spool->bytes, bytes, fits);
		spool->bytes += fits;
		bytes += fits;
		size -= fits;
	}
	if (size > 0 && spool->file == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(spool->context);

		spool->file = BufFileCreateTemp(true);
		MemoryContextSwitchTo(caller);
	}
	while (size > 0)
	{
		Size		piece = Min(size, PIECE);

		CHECK_FOR_INTERRUPTS();
		BufFileWrite(spool->file, unconstify(char *, bytes), piece);
		spool->bytes += piece;
		bytes += piece;
		size -= piece;
	}
}

static void
read_file(PfSpool *spool, int64 from, char *bytes, Size size)
{
	/* costs nothing where the last read ended */
	if (BufFileSeek(spool->file, 0, (off_t) from, SEEK_SET) != 0 ||
		BufFileRead(spool->file, bytes, size) != size)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read a temporary file")));
}

Size
pf_spool_read(PfSpool *spool, int64 from, char *bytes, Size size)
{
	Size		in_memory = 0;

	if (from >= spool->bytes)
		return 0;
	size = Min((int64) size, spool->bytes - from);
	if (from < PF_SPOOL_MEMORY)
	{
		in_memory = Min((int64) size, PF_SPOOL_MEMORY - from);
		memcpy(bytes, spool->memory + from, in_memory);
	}
	for (Size done = in_memory; done < size;)
	{
		Size		piece = Min(size - done, PIECE);

		CHECK_FOR_INTERRUPTS();
		read_file(spool, from + done - PF_SPOOL_MEMORY, bytes + done, piece);
		done += piece;
	}
	return size;
}

/*
 * input.c
 *	  The bytes of a source: a file on the server, or what a URL answers.
 *
 * An input outlives transactions: a file is a virtual file descriptor of PostgreSQL's that no
 * transaction closes, so whoever opened it closes it, also after an error.
 *
 * gzip and zstd are undone: of a URL by the network library, and of a file by the same code in it, so only
 * who reads a compressed file needs that library.
 *
 * Rights: files need pg_read_server_files, as for COPY; URLs must stand under a prefix of
 * pgforest.url_allowed.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "ingest/ingest.h"
#include "net/net.h"

bool
pf_is_url(const char *source)
{
	return pg_strncasecmp(source, "http://", 7) == 0 || pg_strncasecmp(source, "https://", 8) == 0;
}

bool
pf_is_file(const char *source)
{
	return source[0] == '/';
}

/* ----- a file ----- */

typedef struct FileInput
{
	PfInput		base;
	MemoryContext context;
	File		file;
	off_t		offset;

	/* of a compressed one */
	PfUnpacker *unpacker;
	char	   *packed;			/* PF_READ_SIZE, from start to end not yet unpacked */
	Size		start;
	Size		end;
	bool		at_end;
} FileInput;

static Size
read_file(PfInput *base, char *bytes, Size size)
{
	FileInput  *input = (FileInput *) base;
	int			got;

	CHECK_FOR_INTERRUPTS();
	got = FileRead(input->file, bytes, Min(size, PF_READ_SIZE), input->offset, WAIT_EVENT_COPY_FILE_READ);
	if (got < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", base->name)));
	input->offset += got;
	return got;
}

static Size
read_packed_file(PfInput *base, char *bytes, Size size)
{
	FileInput  *input = (FileInput *) base;

	for (;;)
	{
		Size		used = 0;
		Size		got;

		if (input->start == input->end && !input->at_end)
		{
			input->start = 0;
			input->end = read_file(base, input->packed, PF_READ_SIZE);
			input->at_end = input->end == 0;
		}
		CHECK_FOR_INTERRUPTS();
		got = pf_net_unpack(input->unpacker, input->packed + input->start, input->end - input->start,
							input->at_end, &used, bytes, size);
		input->start += used;
		if (got > 0)
			return got;
		if (input->at_end && input->start == input->end)
			break;
	}
	if (!pf_net_unpack_is_complete(input->unpacker))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" is truncated", base->name),
				 errdetail("Its compressed content has no end.")));
	return 0;
}

static void
skip_file(PfInput *base, int64 bytes)
{
	((FileInput *) base)->offset += bytes;
}

/* What the unpacker holds goes with the context. */
static void
close_file(PfInput *base)
{
	FileInput  *input = (FileInput *) base;

	FileClose(input->file);
	MemoryContextDelete(input->context);
}

/* Is it compressed, by its first bytes? */
static void
look_at_file(FileInput *input)
{
	MemoryContext caller;
	char		bytes[4] = {0};

	read_file(&input->base, bytes, sizeof(bytes));
	input->offset = 0;
	if (memcmp(bytes, "\x1f\x8b", 2) != 0 && memcmp(bytes, "\x28\xb5\x2f\xfd", 4) != 0)
		return;
	caller = MemoryContextSwitchTo(input->context);
	input->unpacker = pf_net_unpack_begin();
	input->packed = palloc(PF_READ_SIZE);
	MemoryContextSwitchTo(caller);
	input->base.read = read_packed_file;
	input->base.skip = NULL;
	input->base.size = 0;
}

pg_noreturn static void
cannot_open(const char *name)
{
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not open file \"%s\" for reading: %m", name),
			 errhint("The file must be on the server, where the server's user can read it.")));
}

static PfInput *
open_file(const char *name)
{
	MemoryContext context;
	MemoryContext caller;
	FileInput  *input;
	struct stat status;
	File		file;

	/* a pipe would have us wait in open() for a writer, deaf to a cancel */
	if (stat(name, &status) < 0)
		cannot_open(name);
	if (!S_ISREG(status.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a regular file", name)));
	file = PathNameOpenFile(name, O_RDONLY | PG_BINARY);
	if (file < 0)
		cannot_open(name);

	context = AllocSetContextCreate(CurrentMemoryContext, "pgforest file", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	input = palloc0(sizeof(FileInput));
	input->context = context;
	input->file = file;
	input->base.name = pstrdup(name);
	input->base.size = status.st_size;
	input->base.read = read_file;
	input->base.skip = skip_file;
	input->base.close = close_file;
	MemoryContextSwitchTo(caller);
	return &input->base;
}

/* ----- a URL ----- */

typedef struct UrlInput
{
	PfInput		base;
	PfUrlReader *reader;
} UrlInput;

static Size
read_url(PfInput *input, char *bytes, Size size)
{
	return pf_net_read(((UrlInput *) input)->reader, bytes, size);
}

static void
close_url(PfInput *input)
{
	pf_net_close(((UrlInput *) input)->reader);
	pfree(input);
}

static PfInput *
open_url(const char *url)
{
	UrlInput   *input = palloc0(sizeof(UrlInput));

	input->reader = pf_net_open(url);
	input->base.name = pf_net_show_url(url);
	input->base.read = read_url;
	input->base.close = close_url;
	return &input->base;
}

/* ----- either ----- */

char *
pf_input_check(const char *source)
{
	if (pf_is_url(source))
	{
		char	   *url = pf_net_check_url(source);

		pf_net_need();
		return url;
	}
	if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to read a file on the server"),
				 errdetail("Only roles with privileges of the \"%s\" role may read files on the server.",
						   "pg_read_server_files"),
				 errhint("Load it with psql's \\copy, which reads files on the client.")));
	return pstrdup(source);
}

PfInput *
pf_input_open(const char *source)
{
	return pf_is_url(source) ? open_url(source) : open_file(source);
}

void
pf_input_begin(PfInput *input)
{
	if (input->close == close_file)
		look_at_file((FileInput *) input);
}

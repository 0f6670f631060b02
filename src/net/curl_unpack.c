/*
 * curl_unpack.c
 *	  Compressed content, unpacked as it comes: gzip and zstd, known by their first bytes.
 *
 * A server may send a compressed file as it is, or compress a file because we said that
 * we understand it; either way the content is what is inside.  No text begins with
 * the bytes that tell, as they are not valid in any encoding that rows come in.
 *
 * Several members or frames one after another are one content.  What follows the last is an error,
 * but for zero bytes, which tapes and some writers leave.
 *
 * Memory: zlib's 44 kB; zstd's window, 8 MB with its usual levels, 128 MB where the writer asked for the most.
 */
#include "postgres.h"

#include <zlib.h>
#include <zstd.h>

#include "compat.h"
#include "net/curl_unpack.h"
#include "utils/memutils.h"

#define MAGIC_SIZE 4

typedef enum Packing
{
	UNKNOWN,
	PLAIN,
	GZIP,
	ZSTD
} Packing;

struct PfUnpacker
{
	Packing		packing;
	char		magic[MAGIC_SIZE];	/* kept until there are enough of them */
	Size		nmagic;
	Size		given;			/* of these, on as input */
	bool		inside;			/* of a member or frame */
	bool		padding;		/* after the last */
	bool		has_zlib;
	z_stream	zlib;
	ZSTD_DStream *zstd;
	MemoryContextCallback callback;
};

static void
end_unpacker(void *arg)
{
	PfUnpacker *unpacker = arg;

	if (unpacker->has_zlib)
		inflateEnd(&unpacker->zlib);
	ZSTD_freeDStream(unpacker->zstd);
}

PfUnpacker *
pf_unpack_begin(void)
{
	PfUnpacker *unpacker = palloc0(sizeof(PfUnpacker));

	unpacker->callback.func = end_unpacker;
	unpacker->callback.arg = unpacker;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &unpacker->callback);
	return unpacker;
}

static void
out_of_memory(void)
{
	ereport(ERROR,
			errcode(ERRCODE_OUT_OF_MEMORY),
			errmsg("out of memory"),
			errdetail("Failed while unpacking what a server sent."));
}

pg_noreturn static void
corrupted(const char *format, const char *why)
{
	ereport(ERROR,
			errcode(ERRCODE_DATA_CORRUPTED),
			errmsg("what the server sent cannot be unpacked"),
			errdetail("It is not valid %s: %s.", format, why));
}

static bool
begins_with(const PfUnpacker *unpacker, const char *bytes, Size size)
{
	return unpacker->nmagic >= size && memcmp(unpacker->magic, bytes, size) == 0;
}

static void
recognize(PfUnpacker *unpacker)
{
	if (begins_with(unpacker, "\x1f\x8b", 2))
	{
		unpacker->packing = GZIP;
		if (inflateInit2(&unpacker->zlib, 16 + MAX_WBITS) != Z_OK)
			out_of_memory();
		unpacker->has_zlib = true;
	}
	else if (begins_with(unpacker, "\x28\xb5\x2f\xfd", 4))
	{
		unpacker->packing = ZSTD;
		unpacker->zstd = ZSTD_createDStream();
		if (unpacker->zstd == NULL)
			out_of_memory();
	}
	else
		unpacker->packing = PLAIN;
}

static Size
inflate_some(PfUnpacker *unpacker, const char *input, Size size, Size *used, char *output, Size room)
{
	z_stream   *zlib = &unpacker->zlib;
	int			result;

	if (!unpacker->inside && size > 0)
	{
		if (unpacker->padding || (input[0] == '\0' && zlib->total_in > 0))
		{
			unpacker->padding = true;
			*used = size;
			return 0;
		}
		unpacker->inside = true;
	}
	zlib->next_in = (Bytef *) unconstify(char *, input);
	zlib->avail_in = Min(size, PG_INT32_MAX);
	zlib->next_out = (Bytef *) output;
	zlib->avail_out = Min(room, PG_INT32_MAX);
	result = inflate(zlib, Z_NO_FLUSH);
	*used = (const char *) zlib->next_in - input;
	if (result == Z_STREAM_END)
	{
		Size		given = (char *) zlib->next_out - output;
		uLong		taken = zlib->total_in;

		unpacker->inside = false;
		inflateReset(zlib);
		zlib->total_in = taken;	/* tells that this was not the first */
		return given;
	}
	if (result == Z_MEM_ERROR)
		out_of_memory();
	if (result != Z_OK && result != Z_BUF_ERROR)
		corrupted("gzip", zlib->msg ? zlib->msg : "malformed");
	return (char *) zlib->next_out - output;
}

static Size
decompress_some(PfUnpacker *unpacker, const char *input, Size size, Size *used, char *output, Size room)
{
	ZSTD_inBuffer in = {input, size, 0};
	ZSTD_outBuffer out = {output, room, 0};
	size_t		result;

	if (size == 0 && !unpacker->inside)
		return 0;
	result = ZSTD_decompressStream(unpacker->zstd, &out, &in);
	if (ZSTD_isError(result))
		corrupted("zstd", ZSTD_getErrorName(result));
	unpacker->inside = result != 0;
	*used = in.pos;
	return out.pos;
}

static Size
pass_on(PfUnpacker *unpacker, const char *input, Size size, Size *used, char *output, Size room)
{
	*used = 0;
	switch (unpacker->packing)
	{
		case GZIP:
			return inflate_some(unpacker, input, size, used, output, room);
		case ZSTD:
			return decompress_some(unpacker, input, size, used, output, room);
		default:
			*used = Min(size, room);
			memcpy(output, input, *used);
			return *used;
	}
}

Size
pf_unpack(PfUnpacker *unpacker, const char *input, Size size, bool at_end, Size *used,
		  char *output, Size room)
{
	Size		given = 0;
	Size		now;

	*used = 0;
	if (unpacker->packing == UNKNOWN)
	{
		while (unpacker->nmagic < MAGIC_SIZE && *used < size)
			unpacker->magic[unpacker->nmagic++] = input[(*used)++];
		if (unpacker->nmagic < MAGIC_SIZE && !at_end)
			return 0;
		recognize(unpacker);
	}

	/* those first bytes, then the others, until there is something to give */
	while (given == 0 && unpacker->given < unpacker->nmagic)
	{
		given = pass_on(unpacker, unpacker->magic + unpacker->given,
						unpacker->nmagic - unpacker->given, &now, output, room);
		unpacker->given += now;
		if (now == 0)
			break;
	}
	if (given == 0)
	{
		given = pass_on(unpacker, input + *used, size - *used, &now, output, room);
		*used += now;
	}
	return given;
}

bool
pf_unpack_is_complete(const PfUnpacker *unpacker)
{
	return !unpacker->inside;
}

bool
pf_unpack_is_packed(const PfUnpacker *unpacker)
{
	return unpacker->packing == GZIP || unpacker->packing == ZSTD;
}

/*
 * container.c
 *	  Puts a model and what is known of it into one bytea, and takes it apart; see container.h.
 */
#include "postgres.h"

#include "catalog/move.h"
#include "catalog/pgenv.h"
#include "move/container.h"
#include "utils/memutils.h"

#define MAGIC			"pgforest"
#define FORMAT			1
#define HEADER			32
#define CHECKSUM		32

static void
put_number(uint8 *to, uint64 number, int size)
{
	for (int i = 0; i < size; i++)
		to[i] = (uint8) (number >> (8 * i));
}

static uint64
get_number(const uint8 *from, int size)
{
	uint64		number = 0;

	for (int i = 0; i < size; i++)
		number |= (uint64) from[i] << (8 * i);
	return number;
}

bytea *
pf_container_write(const PfContainer *container, const char *model)
{
	Size		size = HEADER + container->nsections + container->nmodel + CHECKSUM;
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	bytea	   *data;
	uint8	   *to;

	if (size > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("model \"%s\" is too large to be exported", model),
				 errdetail("It has %zu bytes, a value of type bytea has %zu at most.",
						   container->nmodel, MaxAllocSize - VARHDRSZ),
				 errhint("Move it by pg_dump or by logical replication.")));
	data = palloc(size + VARHDRSZ);
	SET_VARSIZE(data, size + VARHDRSZ);
	to = (uint8 *) VARDATA(data);
	memcpy(to, MAGIC, 8);
	put_number(to + 8, FORMAT, 4);
	put_number(to + 12, 0, 4);
	put_number(to + 16, container->nsections, 8);
	put_number(to + 24, container->nmodel, 8);
	pf_copy(env, to + HEADER, container->sections, container->nsections);
	pf_copy(env, to + HEADER + container->nsections, container->model, container->nmodel);
	pf_catalog_sha256(to, size - CHECKSUM, to + size - CHECKSUM);
	return data;
}

void
pf_not_exported(const char *reason)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("data is not an exported model"),
			 errdetail("Reading it gave: %s.", reason),
			 errhint("Pass what ml_export gave, byte for byte.")));
}

void
pf_container_read(const bytea *data, PfContainer *container)
{
	const uint8 *from = (const uint8 *) VARDATA_ANY(data);
	Size		size = VARSIZE_ANY_EXHDR(data);
	uint64		nsections;
	uint64		nmodel;
	uint8		sha256[CHECKSUM];

	if (size < HEADER + CHECKSUM || memcmp(from, MAGIC, 8) != 0)
		pf_not_exported("it does not begin as one");
	if (get_number(from + 8, 4) != FORMAT || get_number(from + 12, 4) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("data is an exported model of format " UINT64_FORMAT, get_number(from + 8, 4)),
				 errdetail("This version of pgforest reads format %d.", FORMAT),
				 errhint("Update the extension.")));
	nsections = get_number(from + 16, 8);
	nmodel = get_number(from + 24, 8);
	size -= HEADER + CHECKSUM;
	if (nsections > size || nmodel != size - nsections)
		pf_not_exported("its parts do not have the lengths that it says");
	pf_catalog_sha256(from, HEADER + size, sha256);
	if (memcmp(from + HEADER + size, sha256, CHECKSUM) != 0)
		pf_not_exported("it has another SHA-256");
	container->sections = (const char *) from + HEADER;
	container->nsections = nsections;
	container->model = from + HEADER + nsections;
	container->nmodel = nmodel;
}

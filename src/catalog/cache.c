/*
 * cache.c
 *	  Decoded models, kept in this backend.
 *
 * The key is the SHA-256 of the model's bytes, so that what is cached never goes stale, whoever
 * drops, promotes or rolls back what; which bytes answer, and whether the caller may use them, was
 * decided before (resolve.c).
 *
 * Each decoded model has a memory context of its own.  It is built below the current
 * context and moved below CacheMemoryContext when it is whole, so an error or an
 * interrupt on the way leaves nothing behind.
 *
 * pgforest.model_cache_size bounds the sum of what is kept.  The least recently used go
 * first; a pinned one never goes, so a model larger than the setting stays just as long
 * as somebody uses it.  Unpinning may come from a reset callback of a memory context during an
 * abort: it reads no table and raises nothing.
 */
#include "postgres.h"

#include "catalog/move.h"
#include "catalog/pgenv.h"
#include "catalog/tables.h"
#include "common/cryptohash.h"
#include "lib/ilist.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "settings.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

struct PfCached
{
	uint8		sha256[32];
	PfModel    *model;
	MemoryContext context;		/* holds the model and this struct */
	Size		size;
	int			pins;
	dlist_node	recent;			/* in `recently_used` */
};

typedef struct CacheEntry
{
	uint8		sha256[32];		/* key */
	PfCached   *cached;
} CacheEntry;

static HTAB *cache = NULL;
static dlist_head recently_used = DLIST_STATIC_INIT(recently_used); /* latest first */
static Size total_size = 0;

static void
create_cache(void)
{
	HASHCTL		control;

	if (CacheMemoryContext == NULL)
		CreateCacheMemoryContext();
	control.keysize = sizeof(((CacheEntry *) NULL)->sha256);
	control.entrysize = sizeof(CacheEntry);
	control.hcxt = CacheMemoryContext;
	cache = hash_create("pgforest models", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Drops the least recently used that nobody pins until the rest fits. */
static void
evict(void)
{
	Size		limit = (Size) pf_model_cache_size * 1024;
	dlist_node *node = dlist_is_empty(&recently_used) ? NULL : dlist_tail_node(&recently_used);

	while (node != NULL && total_size > limit)
	{
		PfCached   *cached = dlist_container(PfCached, recent, node);

		node = dlist_has_prev(&recently_used, node) ?
			dlist_prev_node(&recently_used, node) : NULL;
		if (cached->pins > 0)
			continue;
		dlist_delete(&cached->recent);
		hash_search(cache, cached->sha256, HASH_REMOVE, NULL);
		total_size -= cached->size;
		MemoryContextDelete(cached->context);
	}
}

static void
not_a_model(const PfVersionInfo *version, const char *reason)
{
	ereport(ERROR,
			errcode(ERRCODE_DATA_CORRUPTED),
			errmsg("stored bytes of model \"%s\", version %d, are damaged",
				   version->model.name, version->version),
			errdetail("Reading them gave: %s.", reason),
			errhint("Restore them from a backup, or train the model again."));
}

/* In the current context; hashed as they come. */
uint8 *
pf_catalog_bytes(const PfVersionInfo *version)
{
	PfScan		scan;
	ScanKeyData key[2];
	uint8	   *bytes;
	uint8		sha256[32];
	Size		size = version->nbytes;
	Size		done = 0;
	int32		chunk = 0;
	pg_cryptohash_ctx *hash;
	bool		good;

	if (version->nbytes < 0 || !AllocHugeSizeIsValid(size))
		not_a_model(version, "impossible length");
	bytes = MemoryContextAllocHuge(CurrentMemoryContext, Max(size, 1));
	hash = pg_cryptohash_create(PG_SHA256);
	good = hash != NULL && pg_cryptohash_init(hash) >= 0;

	pf_key_int8(&key[0], DATA_MODEL_ID, version->model.id);
	pf_key_int4(&key[1], DATA_VERSION, version->version);
	pf_scan_begin(&scan, "version_data", "version_data_pkey", 2, key);
	while (good && pf_scan_next(&scan))
	{
		Datum		value = pf_scan_datum(&scan, DATA_DATA);
		bytea	   *data = DatumGetByteaPP(value);
		Size		length = VARSIZE_ANY_EXHDR(data);

		CHECK_FOR_INTERRUPTS();
		if (DatumGetInt32(pf_scan_datum(&scan, DATA_CHUNK)) != chunk++)
			not_a_model(version, "a chunk is missing");
		if (length > size - done)
			not_a_model(version, "more bytes than the version says");
		memcpy(bytes + done, VARDATA_ANY(data), length);
		good = pg_cryptohash_update(hash, bytes + done, length) >= 0;
		done += length;
		if ((Pointer) data != DatumGetPointer(value))
			pfree(data);
	}
	pf_scan_end(&scan);
	good = good && pg_cryptohash_final(hash, sha256, sizeof(sha256)) >= 0;
	if (!good)
		ereport(ERROR,
				errcode(ERRCODE_INTERNAL_ERROR),
				errmsg("could not compute SHA-256: %s",
					   hash ? pg_cryptohash_error(hash) : "out of memory"));
	pg_cryptohash_free(hash);
	if (done != size)
		not_a_model(version, "fewer bytes than the version says");
	if (memcmp(sha256, version->sha256, sizeof(sha256)) != 0)
		not_a_model(version, "they have another SHA-256");
	return bytes;
}

/* Is every category valid in the database's encoding? */
static bool
valid_categories(const PfModel *model)
{
	for (uint32 f = 0; f < model->nfeatures; f++)
	{
		const PfBins *bins = &model->bins[f];

		for (uint32 i = 0; i < bins->ncategories; i++)
		{
			if (i % 1024 == 0)
				CHECK_FOR_INTERRUPTS();
			if (!pg_verify_mbstr(GetDatabaseEncoding(), bins->text + bins->offsets[i],
								 bins->offsets[i + 1] - bins->offsets[i], true))
				return false;
		}
	}
	return true;
}

/*
 * A dump restored into a database with another encoding converts the names in the
 * version's row, but not those in the bytes: they would be shown wrong, and match nothing.
 */
static void
check_encoding(const PfVersionInfo *version, const PfModel *model)
{
	PfScan		scan;
	ScanKeyData key[2];
	char	  **columns = NULL;
	char	  **classes = NULL;
	uint32		ncolumns = 0;
	uint32		nclasses = 0;
	bool		same;

	pf_key_int8(&key[0], VERSION_MODEL_ID, version->model.id);
	pf_key_int4(&key[1], VERSION_VERSION, version->version);
	pf_scan_begin(&scan, "version", "version_pkey", 2, key);
	if (pf_scan_next(&scan))
	{
		ncolumns = pf_scan_texts(&scan, VERSION_COLUMNS, &columns);
		nclasses = pf_scan_texts(&scan, VERSION_CLASSES, &classes);
	}
	pf_scan_end(&scan);
	same = ncolumns == model->ncolumns && nclasses == model->nclasses;
	for (uint32 i = 0; same && i < ncolumns; i++)
		same = strcmp(model->columns[i].name, columns[i]) == 0;
	for (uint32 i = 0; same && i < nclasses; i++)
		same = strcmp(model->classes[i], classes[i]) == 0;
	if (!same || !valid_categories(model))
		ereport(ERROR,
				errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				errmsg("names in model \"%s\", version %d, are not those of this database",
					   version->model.name, version->version),
				errdetail("A model with names, labels or categories beyond ASCII can only be used in databases with the encoding of the one where it was trained."),
				errhint("Train the model again in this database, whose encoding is %s.",
						GetDatabaseEncodingName()));
}

/* Reads and decodes; the result is not in the cache yet. */
static PfCached *
load(const PfVersionInfo *version)
{
	MemoryContext before = CurrentMemoryContext;
	MemoryContext scratch = AllocSetContextCreate(before, "pgforest model bytes",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext context = AllocSetContextCreate(before, "pgforest model",
												  ALLOCSET_DEFAULT_SIZES);
	PfCached   *cached;
	PfModel    *model;
	uint8	   *bytes;
	Size		limit;
	const char *reason = NULL;

	MemoryContextSwitchTo(scratch);
	bytes = pf_catalog_bytes(version);

	/*
	 * No honest model unpacks to thousands of times its size (a thousand times the same tree
	 * comes near), so few bytes that claim to be an enormous one are refused before memory is
	 * exhausted.
	 */
	limit = Max((Size) version->nbytes * 4096, (Size) 1 << 30);
	MemoryContextSwitchTo(context);
	model = pf_model_decode(pf_pg_env(context), bytes, version->nbytes, limit, &reason);
	if (model == NULL)
		not_a_model(version, reason);
	MemoryContextSwitchTo(scratch);
	check_encoding(version, model);
	MemoryContextSwitchTo(context);

	cached = palloc0(sizeof(PfCached));
	memcpy(cached->sha256, version->sha256, sizeof(cached->sha256));
	cached->model = model;
	cached->context = context;
	MemoryContextSetIdentifier(context,
							   psprintf("%s@%d", version->model.name, version->version));
	cached->size = MemoryContextMemAllocated(context, true);
	MemoryContextSwitchTo(before);
	MemoryContextDelete(scratch);
	return cached;
}

PfCached *
pf_cache_pin(const PfVersionInfo *version)
{
	CacheEntry *entry;
	PfCached   *cached;
	bool		found;

	if (cache == NULL)
		create_cache();
	entry = hash_search(cache, version->sha256, HASH_FIND, NULL);
	if (entry != NULL)
	{
		cached = entry->cached;
		dlist_move_head(&recently_used, &cached->recent);
	}
	else
	{
		cached = load(version);
		entry = hash_search(cache, version->sha256, HASH_ENTER, &found);
		/* from here on nothing can fail */
		entry->cached = cached;
		MemoryContextSetParent(cached->context, CacheMemoryContext);
		dlist_push_head(&recently_used, &cached->recent);
		total_size += cached->size;
	}
	cached->pins++;
	evict();
	return cached;
}

const PfModel *
pf_cached_model(const PfCached *cached)
{
	return cached->model;
}

void
pf_cache_unpin(PfCached *cached)
{
	Assert(cached->pins > 0);
	cached->pins--;
	if (cached->pins == 0)
		evict();
}

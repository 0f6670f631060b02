/*
 * usage.c
 *	  Counters of predictions, shared by all sessions: the view pgforest.stat_models.
 *
 * When the library is in shared_preload_libraries, a hash table in shared memory has an
 * entry for each version that was used, as pg_stat_statements has for statements.  When
 * it is full, the entry that was not used for the longest time makes room.  Nothing
 * of it survives a restart.
 *
 * A prediction must not pay for this: a call counts in memory of its own and reads the clock for
 * few rows (usage.h), and adds to the entry when the context of its resolution goes,
 * which is at the end of the statement, also by an error.  A callback of a memory context
 * must not fail; all that it needs is there already.
 *
 * Locks: the LWLock guards the table; who holds it shared may find an entry, and change
 * its counters under the entry's spinlock.
 */
#include "postgres.h"

#include <math.h>

#include "access/parallel.h"
#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "predict/usage.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#define TRANCHE			"pgforest"
#define MAX_ENTRIES		512

/* No padding: it is compared as bytes. */
typedef struct Key
{
	Oid			database;
	int32		version;
	int64		model;
} Key;

typedef struct Counters
{
	TimestampTz since;
	TimestampTz last;
	uint64		calls;
	uint64		rows;
	uint64		errors;
	double		seconds;		/* of so many rows */
	uint64		timed;
	double		longest;
	uint64		buckets[PF_USAGE_BUCKETS];
} Counters;

typedef struct Entry
{
	Key			key;
	slock_t		mutex;
	Counters	counters;
} Entry;

static HTAB *entries = NULL;
static LWLock *entries_lock = NULL;
static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void tell(void *arg);

PG_FUNCTION_INFO_V1(pf_model_usage);
PG_FUNCTION_INFO_V1(ml_reset_stats);

PGDLLEXPORT Datum pf_model_usage(PG_FUNCTION_ARGS);

/* ----- shared memory ----- */

static void
request_entries(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(hash_estimate_size(MAX_ENTRIES, sizeof(Entry)));
	RequestNamedLWLockTranche(TRANCHE, 1);
}

static void
make_entries(void)
{
	HASHCTL		control = {.keysize = sizeof(Key),.entrysize = sizeof(Entry)};

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	entries = ShmemInitHash("pgforest models", MAX_ENTRIES, MAX_ENTRIES, &control,
							HASH_ELEM | HASH_BLOBS);
	entries_lock = &GetNamedLWLockTranche(TRANCHE)->lock;
	LWLockRelease(AddinShmemInitLock);
}

void
pf_usage_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_entries;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = make_entries;
}

/* ----- counting ----- */

PfUsage *
pf_usage_create(MemoryContext context)
{
	PfUsage    *usage;

	if (entries == NULL)
		return NULL;
	usage = MemoryContextAllocZero(context, sizeof(PfUsage));
	INSTR_TIME_SET_CURRENT(usage->start);
	usage->callback.func = tell;
	usage->callback.arg = usage;
	MemoryContextRegisterResetCallback(context, &usage->callback);
	return usage;
}

void
pf_usage_of(PfUsage *usage, const PfVersionInfo *version)
{
	if (usage == NULL)
		return;
	usage->model = version->model.id;
	usage->version = version->version;
}

static int
bucket_of(double seconds)
{
	double		place = (log2(seconds * 1e9) - PF_USAGE_LEAST) * PF_USAGE_STEPS;

	return place < 0 ? 0 : place >= PF_USAGE_BUCKETS ? PF_USAGE_BUCKETS - 1 : (int) place;
}

/* The middle of a bucket. */
static double
seconds_of(int bucket)
{
	return exp2(PF_USAGE_LEAST + (bucket + 0.5) / PF_USAGE_STEPS) * 1e-9;
}

/* A row that is timed has ended. */
void
pf_usage_time(PfUsage *usage)
{
	instr_time	now;
	double		seconds;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, usage->start);
	seconds = Max(INSTR_TIME_GET_DOUBLE(now), 1e-9);
	usage->seconds += seconds * usage->weight;
	usage->longest = Max(usage->longest, seconds);
	usage->timed += usage->weight;
	usage->buckets[bucket_of(seconds)] += usage->weight;
}

/* Makes room: the entry goes that was used last before all others.  With the lock held. */
static void
forget_oldest(void)
{
	HASH_SEQ_STATUS scan;
	Entry	   *entry;
	Key			oldest = {0};
	TimestampTz last = DT_NOEND;

	hash_seq_init(&scan, entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->counters.last < last)
		{
			last = entry->counters.last;
			oldest = entry->key;
		}
	}
	hash_search(entries, &oldest, HASH_REMOVE, NULL);
}

/* The entry of a version, made when there is none; the lock is held afterwards. */
static Entry *
lock_entry(const Key *key)
{
	Entry	   *entry;
	bool		found;

	LWLockAcquire(entries_lock, LW_SHARED);
	entry = hash_search(entries, key, HASH_FIND, NULL);
	if (entry != NULL)
		return entry;

	LWLockRelease(entries_lock);
	LWLockAcquire(entries_lock, LW_EXCLUSIVE);
	entry = hash_search(entries, key, HASH_FIND, NULL);
	if (entry != NULL)
		return entry;
	if (hash_get_num_entries(entries) >= MAX_ENTRIES)
		forget_oldest();
	entry = hash_search(entries, key, HASH_ENTER_NULL, &found);
	if (entry != NULL)
	{
		memset(&entry->counters, 0, sizeof(Counters));
		SpinLockInit(&entry->mutex);
		entry->counters.since = GetCurrentTimestamp();
	}
	return entry;
}

/* The end of a resolution: what it counted goes to the others. */
static void
tell(void *arg)
{
	const PfUsage *usage = arg;
	Key			key = {.database = MyDatabaseId,.version = usage->version,.model = usage->model};
	Entry	   *entry;

	if (usage->model == 0 || usage->rows + usage->errors + usage->inside == 0)
		return;
	entry = lock_entry(&key);
	if (entry != NULL)
	{
		Counters   *counters = &entry->counters;
		TimestampTz now = GetCurrentTimestamp();

		SpinLockAcquire(&entry->mutex);
		counters->last = now;
		/* those of a worker belong to the call of its leader */
		counters->calls += !IsParallelWorker();
		counters->rows += usage->rows;
		counters->errors += usage->errors + usage->inside;
		counters->seconds += usage->seconds;
		counters->timed += usage->timed;
		counters->longest = Max(counters->longest, usage->longest);
		for (int i = 0; i < PF_USAGE_BUCKETS; i++)
			counters->buckets[i] += usage->buckets[i];
		SpinLockRelease(&entry->mutex);
	}
	LWLockRelease(entries_lock);
}

/* ----- what SQL sees ----- */

/* The time that 99 of 100 rows did not exceed. */
static double
percentile(const Counters *counters)
{
	double		enough = counters->timed * 0.99;
	uint64		sum = 0;

	for (int i = 0; i < PF_USAGE_BUCKETS; i++)
	{
		sum += counters->buckets[i];
		if (sum >= enough)
			return Min(seconds_of(i), counters->longest);
	}
	return counters->longest;
}

/* The rows of pgforest.stat_models, of versions whose model the current role sees. */
Datum
pf_model_usage(PG_FUNCTION_ARGS)
{
	enum
	{
		MODEL_ID, VERSION, CALLS, ROWS, ERRORS, MEAN, P99, LONGEST, SINCE, LAST, COLUMNS
	};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	HASH_SEQ_STATUS scan;
	Entry	   *entry;
	Entry	   *copies;
	int			count = 0;

	InitMaterializedSRF(fcinfo, 0);
	if (entries == NULL)
	{
		ereport(NOTICE,
				(errmsg("predictions are not counted"),
				 errdetail("Counters are in shared memory, which is made when the server starts."),
				 errhint("Add \"pgforest\" to \"shared_preload_libraries\" and restart the server.")));
		return (Datum) 0;
	}

	/* rights are looked up in tables, which must not be done with the lock held */
	copies = palloc(sizeof(Entry) * MAX_ENTRIES);
	LWLockAcquire(entries_lock, LW_SHARED);
	hash_seq_init(&scan, entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->key.database != MyDatabaseId || count >= MAX_ENTRIES)
			continue;
		copies[count].key = entry->key;
		SpinLockAcquire(&entry->mutex);
		copies[count].counters = entry->counters;
		SpinLockRelease(&entry->mutex);
		count++;
	}
	LWLockRelease(entries_lock);

	for (int i = 0; i < count; i++)
	{
		const Counters *counters = &copies[i].counters;
		Datum		values[COLUMNS];
		bool		nulls[COLUMNS] = {0};

		if (pf_catalog_rights(copies[i].key.model) == 0)
			continue;
		values[MODEL_ID] = Int64GetDatum(copies[i].key.model);
		values[VERSION] = Int32GetDatum(copies[i].key.version);
		values[CALLS] = Int64GetDatum((int64) counters->calls);
		values[ROWS] = Int64GetDatum((int64) counters->rows);
		values[ERRORS] = Int64GetDatum((int64) counters->errors);
		nulls[MEAN] = nulls[P99] = nulls[LONGEST] = counters->timed == 0;
		values[MEAN] = Float8GetDatum(counters->seconds / Max(counters->timed, 1) * 1000);
		values[P99] = Float8GetDatum(percentile(counters) * 1000);
		values[LONGEST] = Float8GetDatum(counters->longest * 1000);
		values[SINCE] = TimestampTzGetDatum(counters->since);
		values[LAST] = TimestampTzGetDatum(counters->last);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* ml_reset_stats(model text): what it names, or all models that the current role owns. */
Datum
ml_reset_stats(PG_FUNCTION_ARGS)
{
	PfReference *reference = NULL;
	PfModelInfo model;
	int32		version = 0;	/* all */
	HASH_SEQ_STATUS scan;
	Entry	   *entry;
	Key		   *keys;
	int			count = 0;

	if (!PG_ARGISNULL(0))
	{
		reference = pf_reference_parse(text_to_cstring(PG_GETARG_TEXT_PP(0)));
		pf_catalog_need_model(reference->model, PF_RIGHT_OWNER, &model);
		if (!reference->bare)
		{
			PfVersionInfo info;

			pf_catalog_resolve(text_to_cstring(PG_GETARG_TEXT_PP(0)), PF_RIGHT_OWNER, &info);
			version = info.version;
		}
	}
	if (entries == NULL)
		PG_RETURN_VOID();

	keys = palloc(sizeof(Key) * MAX_ENTRIES);
	LWLockAcquire(entries_lock, LW_SHARED);
	hash_seq_init(&scan, entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->key.database == MyDatabaseId && count < MAX_ENTRIES &&
			(reference == NULL || entry->key.model == model.id) &&
			(version == 0 || entry->key.version == version))
			keys[count++] = entry->key;
	}
	LWLockRelease(entries_lock);

	for (int i = 0; i < count; i++)
	{
		if (reference == NULL && !(pf_catalog_rights(keys[i].model) & PF_RIGHT_OWNER))
			continue;
		LWLockAcquire(entries_lock, LW_EXCLUSIVE);
		hash_search(entries, &keys[i], HASH_REMOVE, NULL);
		LWLockRelease(entries_lock);
	}
	PG_RETURN_VOID();
}

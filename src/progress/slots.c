/*
 * slots.c
 *	  Trainings and loads as other sessions see them: the view pgforest.progress.
 *
 * When the library is in shared_preload_libraries, there is a slot in shared memory
 * for every backend, found by its number, so that none has to be looked for.  Its
 * backend writes it about once a second, everyone reads it.
 *
 * A slot is taken when a training or a load begins and freed when it ends, also by an
 * error (progress.c, ingest/ingest.c), and when its backend exits from the midst of one.
 *
 * Locks: a spinlock a slot, for the time of a copy.  A role sees what it sees in
 * pg_stat_activity: of trainings of others only whose they are.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/acl.h"
#include "utils/ascii.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "compat.h"
#include "progress/slots.h"

PG_FUNCTION_INFO_V1(pf_trainings);

PGDLLEXPORT Datum pf_trainings(PG_FUNCTION_ARGS);

#define RELATION_SIZE	(2 * NAMEDATALEN + 6)	/* schema and name, quoted, as far as they go */

/* What a slot says; rows, trees and bytes of 0 in all are not known. */
typedef struct Training
{
	int			pid;			/* 0: the slot is free */
	Oid			database;
	Oid			role;			/* of the session, as in pg_stat_activity */
	int			encoding;		/* of the names */
	char		model[NAMEDATALEN];
	char		relation[RELATION_SIZE];	/* of a load; empty: it is a training */
	PfPhase		phase;
	int64		rows_done;
	int64		rows_total;
	int64		trees_done;
	int64		trees_total;
	int64		bytes_done;
	int64		bytes_total;
	TimestampTz started_at;
	double		seconds_left;	/* NAN: not known */
} Training;

typedef struct Slot
{
	slock_t		mutex;
	Training	training;
} Slot;

static Slot *slots = NULL;		/* MaxBackends of them */
static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static Size
slots_size(void)
{
	return mul_size(MaxBackends, sizeof(Slot));
}

static void
request_slots(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(slots_size());
}

static void
make_slots(void)
{
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	slots = ShmemInitStruct("pgforest progress", slots_size(), &found);
	if (!found)
	{
		memset(slots, 0, slots_size());
		for (int i = 0; i < MaxBackends; i++)
			SpinLockInit(&slots[i].mutex);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
pf_slots_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_slots;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = make_slots;
}

bool
pf_slots_exist(void)
{
	return slots != NULL;
}

static void
free_at_exit(int code, Datum arg)
{
	pf_slot_free();
}

/* Whose it is, in the slot of this backend. */
static void
write_slot(Training *training)
{
	static bool registered = false;
	Slot	   *slot;

	if (!registered)
	{
		before_shmem_exit(free_at_exit, (Datum) 0);
		registered = true;
	}
	training->pid = MyProcPid;
	training->database = MyDatabaseId;
	training->role = GetSessionUserId();
	training->encoding = GetDatabaseEncoding();
	slot = &slots[MyProcNumber];
	SpinLockAcquire(&slot->mutex);
	slot->training = *training;
	SpinLockRelease(&slot->mutex);
}

void
pf_slot_write(const PfProgress *progress, double seconds_left)
{
	Training	training = {
		.phase = progress->phase,
		.rows_done = progress->rows_done,
		.rows_total = progress->rows_total,
		.trees_done = progress->trees_done,
		.trees_total = progress->trees_total,
		.started_at = progress->started_at,
		.seconds_left = seconds_left
	};

	if (slots == NULL)
		return;
	memcpy(training.model, progress->model, sizeof(training.model));
	write_slot(&training);
}

void
pf_slot_write_loading(const PfLoading *loading, double seconds_left)
{
	Training	training = {
		.phase = loading->phase,
		.rows_done = loading->rows,
		.bytes_done = loading->bytes_done,
		.bytes_total = loading->bytes_total,
		.started_at = loading->started_at,
		.seconds_left = seconds_left
	};

	if (slots == NULL)
		return;
	memcpy(training.relation, loading->relation,
		   pg_mbcliplen(loading->relation, strlen(loading->relation), RELATION_SIZE - 1));
	write_slot(&training);
}

void
pf_slot_free(void)
{
	Slot	   *slot;

	if (slots == NULL)
		return;
	slot = &slots[MyProcNumber];
	SpinLockAcquire(&slot->mutex);
	slot->training.pid = 0;
	SpinLockRelease(&slot->mutex);
}

/* A name in this database's encoding, as far as that goes without errors. */
static Datum
shown_name(const Training *training, const char *name)
{
	char		ascii[RELATION_SIZE];

	if (training->encoding == GetDatabaseEncoding())
		return CStringGetTextDatum(name);
	ascii_safe_strlcpy(ascii, name, sizeof(ascii));
	return CStringGetTextDatum(ascii);
}

static bool
may_see(const Training *training)
{
	return has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS) ||
		has_privs_of_role(GetUserId(), training->role);
}

/* The rows of pgforest.progress. */
Datum
pf_trainings(PG_FUNCTION_ARGS)
{
	enum
	{
		PID, DATNAME, USENAME, MODEL, PHASE, ROWS_DONE, ROWS_TOTAL,
		TREES_DONE, TREES_TOTAL, STARTED_AT, SECONDS, SECONDS_LEFT,
		RELATION, BYTES_DONE, BYTES_TOTAL, COLUMNS
	};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TimestampTz now = GetCurrentTimestamp();

	if (slots == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pgforest.progress needs pgforest in \"shared_preload_libraries\""),
				 errdetail("Sessions tell each other of their trainings and loads in shared memory, which is made when the server starts."),
				 errhint("Add \"pgforest\" to \"shared_preload_libraries\" and restart the server.")));

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < MaxBackends; i++)
	{
		Training	training;
		Datum		values[COLUMNS] = {0};
		bool		nulls[COLUMNS];
		char	   *name;

		SpinLockAcquire(&slots[i].mutex);
		training = slots[i].training;
		SpinLockRelease(&slots[i].mutex);
		if (training.pid == 0)
			continue;

		memset(nulls, true, sizeof(nulls));
		values[PID] = Int32GetDatum(training.pid);
		nulls[PID] = false;

		/* either may have been dropped since */
		name = get_database_name(training.database);
		if (name != NULL)
		{
			values[DATNAME] = DirectFunctionCall1(namein, CStringGetDatum(name));
			nulls[DATNAME] = false;
		}
		name = GetUserNameFromId(training.role, true);
		if (name != NULL)
		{
			values[USENAME] = DirectFunctionCall1(namein, CStringGetDatum(name));
			nulls[USENAME] = false;
		}

		if (may_see(&training))
		{
			bool		loads = training.relation[0] != '\0';

			memset(nulls + MODEL, false, COLUMNS - MODEL);
			values[MODEL] = shown_name(&training, training.model);
			nulls[MODEL] = loads;
			values[PHASE] = CStringGetTextDatum(pf_phase_name(training.phase));
			values[ROWS_DONE] = Int64GetDatum(training.rows_done);
			values[ROWS_TOTAL] = Int64GetDatum(training.rows_total);
			nulls[ROWS_TOTAL] = training.rows_total == 0;
			values[TREES_DONE] = Int32GetDatum((int32) training.trees_done);
			values[TREES_TOTAL] = Int32GetDatum((int32) training.trees_total);
			nulls[TREES_DONE] = loads;
			nulls[TREES_TOTAL] = training.trees_total == 0;
			values[STARTED_AT] = TimestampTzGetDatum(training.started_at);
			values[SECONDS] = Float8GetDatum(Max(now - training.started_at, 0) / 1e6);
			values[SECONDS_LEFT] = Float8GetDatum(training.seconds_left);
			nulls[SECONDS_LEFT] = isnan(training.seconds_left);
			values[RELATION] = shown_name(&training, training.relation);
			values[BYTES_DONE] = Int64GetDatum(training.bytes_done);
			values[BYTES_TOTAL] = Int64GetDatum(training.bytes_total);
			nulls[RELATION] = !loads;
			nulls[BYTES_DONE] = training.bytes_done == 0;
			nulls[BYTES_TOTAL] = training.bytes_total == 0;
		}
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * runs.c
 *	  Runs of pipelines and their steps in our tables.
 *
 * A run is committed as "running" with its process before anything is done, so that a row is
 * there whatever becomes of it.  A process is known by its number and the moment when it
 * began, as numbers come again; when there is no such process any more, the run is lost.
 * On a standby the processes are another server's, and the status stays what it is.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/runs.h"
#include "catalog/tables.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PfRunOrigin pf_run_origin;

enum
{
	RUN_ID = 1,
	RUN_STATUS = 6,
	RUN_ROLE = 7,
	RUN_PIPELINE_ID = 17,
	RUN_REVISION = 19,
	RUN_ROWS = 21,
	RUN_PID = 24,
	RUN_BACKEND_START
};

enum
{
	STEP_RUN_ID = 1,
	STEP_STEP,
	STEP_KIND,
	STEP_STATEMENT,
	STEP_STATUS,
	STEP_STARTED_AT,
	STEP_SECONDS,
	STEP_VERSION,
	STEP_ROWS
};

/* ----- is it still there? ----- */

static bool
is_alive(int32 pid, TimestampTz start)
{
	int			count;

	/* what others have begun since the statistics were looked at in this transaction counts, too */
	pgstat_clear_backend_activity_snapshot();
	count = pgstat_fetch_stat_numbackends();
	for (int i = 1; i <= count; i++)
	{
		LocalPgBackendStatus *backend = pgstat_get_local_beentry_by_index(i);

		if (backend != NULL && backend->backendStatus.st_procpid == pid)
			return backend->backendStatus.st_proc_start_timestamp == start;
	}
	return false;
}

/* The status of a run as it is now, whatever the active snapshot sees; NULL: no such run. */
static char *
committed_status(int64 id)
{
	PfScan		scan;
	ScanKeyData key[1];
	char	   *status;

	PushActiveSnapshot(GetLatestSnapshot());
	pf_key_int8(&key[0], RUN_ID, id);
	pf_scan_begin(&scan, "run", "run_pkey", 1, key);
	status = pf_scan_next(&scan) ? pf_scan_text(&scan, RUN_STATUS) : NULL;
	pf_scan_end(&scan);
	PopActiveSnapshot();
	return status;
}

/* A run that came to its end after the snapshot was taken was running then. */
static const char *
status_now(int64 id, const char *status, bool known, int32 pid, TimestampTz start)
{
	char	   *later;

	if (strcmp(status, "running") != 0 || RecoveryInProgress() ||
		(known && is_alive(pid, start)))
		return status;
	later = committed_status(id);
	return later != NULL && strcmp(later, "running") == 0 ? "lost" : status;
}

PG_FUNCTION_INFO_V1(pf_run_status);

/* pgforest.run_status(run bigint, status text, pid int, backend_start timestamptz) */
Datum
pf_run_status(PG_FUNCTION_ARGS)
{
	bool		known = !PG_ARGISNULL(2) && !PG_ARGISNULL(3);

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(status_now(PG_GETARG_INT64(0),
												text_to_cstring(PG_GETARG_TEXT_PP(1)), known,
												known ? PG_GETARG_INT32(2) : 0,
												known ? PG_GETARG_TIMESTAMPTZ(3) : 0)));
}

/* ----- reading ----- */

static void
read_run(const PfScan *scan, PfRunInfo *run)
{
	bool		known = !pf_scan_isnull(scan, RUN_PID) && !pf_scan_isnull(scan, RUN_BACKEND_START);

	run->id = DatumGetInt64(pf_scan_datum(scan, RUN_ID));
	run->role = pf_scan_name(scan, RUN_ROLE);
	run->pid = known ? DatumGetInt32(pf_scan_datum(scan, RUN_PID)) : 0;
	run->revision = pf_scan_isnull(scan, RUN_REVISION) ? 0 :
		DatumGetInt32(pf_scan_datum(scan, RUN_REVISION));
	run->status = pstrdup(status_now(run->id, pf_scan_text(scan, RUN_STATUS), known, run->pid,
									 known ? DatumGetTimestampTz(pf_scan_datum(scan, RUN_BACKEND_START)) : 0));
}

bool
pf_catalog_run(int64 id, PfRunInfo *run)
{
	PfScan		scan;
	ScanKeyData key[1];
	bool		found;

	pf_key_int8(&key[0], RUN_ID, id);
	pf_scan_begin(&scan, "run", "run_pkey", 1, key);
	found = pf_scan_next(&scan) && !pf_scan_isnull(&scan, RUN_PIPELINE_ID);
	if (found)
		read_run(&scan, run);
	pf_scan_end(&scan);
	return found;
}

bool
pf_catalog_last_run(int64 pipeline, PfRunInfo *run)
{
	PfArgs		args = {0};
	bool		isnull;

	pf_arg_int8(&args, pipeline);
	pf_write("SELECT max(id) FROM pgforest.run WHERE pipeline_id = $1", &args);
	run->id = DatumGetInt64(pf_written(1, &isnull));
	return !isnull && pf_catalog_run(run->id, run);
}

List *
pf_catalog_run_steps(int64 run)
{
	PfScan		scan;
	ScanKeyData key[1];
	List	   *steps = NIL;

	pf_key_int8(&key[0], STEP_RUN_ID, run);
	pf_scan_begin(&scan, "run_step", "run_step_pkey", 1, key);
	while (pf_scan_next(&scan))
	{
		PfRunStep  *step = palloc(sizeof(PfRunStep));

		step->step = DatumGetInt32(pf_scan_datum(&scan, STEP_STEP));
		step->kind = pf_scan_text(&scan, STEP_KIND);
		step->statement = pf_scan_text(&scan, STEP_STATEMENT);
		step->status = pf_scan_text(&scan, STEP_STATUS);
		step->version = pf_scan_isnull(&scan, STEP_VERSION) ? 0 :
			DatumGetInt32(pf_scan_datum(&scan, STEP_VERSION));
		step->rows = pf_scan_isnull(&scan, STEP_ROWS) ? -1 :
			DatumGetInt64(pf_scan_datum(&scan, STEP_ROWS));
		steps = lappend(steps, step);
	}
	pf_scan_end(&scan);
	return steps;
}

int64
pf_catalog_rows_before(int64 pipeline)
{
	PfArgs		args = {0};
	bool		isnull;
	int64		rows;

	pf_arg_int8(&args, pipeline);
	if (pf_write("SELECT rows FROM pgforest.run WHERE pipeline_id = $1 AND status = 'success' "
				 "ORDER BY id DESC LIMIT 1", &args) == 0)
		return -1;
	rows = DatumGetInt64(pf_written(1, &isnull));
	return isnull ? -1 : rows;
}

/* ----- writing ----- */

bool
pf_catalog_lose_runs(int64 pipeline)
{
	PfArgs		args = {0};

	pf_arg_int8(&args, pipeline);
	pf_write("UPDATE pgforest.run_step s SET status = 'lost' FROM pgforest.run r "
			 "WHERE r.pipeline_id = $1 AND r.status = 'running' "
			 "AND s.run_id = r.id AND s.status = 'running'", &args);
	return pf_write("UPDATE pgforest.run SET status = 'lost' "
					"WHERE pipeline_id = $1 AND status = 'running'", &args) > 0;
}

int64
pf_catalog_begin_run(const PfPipeline *pipeline, const char *model, int64 resumes)
{
	PfArgs		args = {0};
	bool		isnull;

	pf_arg_text(&args, model);
	pf_arg_name(&args, GetUserNameFromId(GetUserId(), false));
	pf_arg_int8(&args, pipeline->id);
	pf_arg_text(&args, pipeline->name);
	pf_arg_int4(&args, pipeline->revision);
	pf_arg(&args, INT8OID, Int64GetDatum(resumes), resumes == 0);
	pf_arg_int4(&args, MyProcPid);
	pf_arg(&args, TIMESTAMPTZOID, TimestampTzGetDatum(MyStartTimestamp), false);
	pf_write("INSERT INTO pgforest.run (model_id, model, kind, status, role, started_at, "
			 "pipeline_id, pipeline, revision, resumes, pid, backend_start) "
			 "VALUES ((SELECT id FROM pgforest.model WHERE name = $1), $1, 'pipeline', 'running', "
			 "$2, clock_timestamp(), $3, $4, $5, $6, $7, $8) RETURNING id", &args);
	return DatumGetInt64(pf_written(1, &isnull));
}

/* $3 to $10 of both that follow. */
static void
add_outcome(PfArgs *args, const PfOutcome *outcome)
{
	const ErrorData *error = outcome->error;

	pf_arg_text(args, outcome->status);
	pf_arg(args, INT4OID, Int32GetDatum(outcome->version), outcome->version == 0);
	pf_arg(args, INT8OID, Int64GetDatum(outcome->rows), outcome->rows < 0);
	pf_arg_text(args, outcome->reason);
	pf_arg_text(args, error ? unpack_sql_state(error->sqlerrcode) : NULL);
	pf_arg_text(args, error ? error->message : NULL);
	pf_arg_text(args, error ? error->detail : NULL);
	pf_arg_text(args, error ? error->hint : NULL);
}

void
pf_catalog_end_run(int64 run, const PfOutcome *outcome)
{
	PfArgs		args = {0};

	pf_arg_int8(&args, run);
	pf_arg(&args, BOOLOID, BoolGetDatum(outcome->promoted > 0), outcome->promoted < 0);
	add_outcome(&args, outcome);
	pf_write("UPDATE pgforest.run SET promoted = $2, status = $3, version = $4, rows = $5, "
			 "reason = $6, sqlstate = $7, message = $8, detail = $9, hint = $10, "
			 "model_id = (SELECT m.id FROM pgforest.model m WHERE m.name = run.model), "
			 "seconds = extract(epoch FROM clock_timestamp() - started_at) WHERE id = $1", &args);
}

void
pf_catalog_begin_step(int64 run, int32 step, const char *kind, const char *statement)
{
	PfArgs		args = {0};

	pf_arg_int8(&args, run);
	pf_arg_int4(&args, step);
	pf_arg_text(&args, kind);
	pf_arg_text(&args, statement);
	pf_write("INSERT INTO pgforest.run_step (run_id, step, kind, statement, status, started_at) "
			 "VALUES ($1, $2, $3, $4, 'running', clock_timestamp())", &args);
}

void
pf_catalog_end_step(int64 run, int32 step, const char *statement, const PfOutcome *outcome)
{
	PfArgs		args = {0};

	pf_arg_int8(&args, run);
	pf_arg_int4(&args, step);
	add_outcome(&args, outcome);
	pf_arg_text(&args, statement);
	pf_write("UPDATE pgforest.run_step SET status = $3, version = $4, rows = $5, reason = $6, "
			 "sqlstate = $7, message = $8, detail = $9, hint = $10, statement = $11, "
			 "seconds = extract(epoch FROM clock_timestamp() - started_at) "
			 "WHERE run_id = $1 AND step = $2", &args);
}

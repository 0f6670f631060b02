/*
 * runner.c
 *	  ml_run: the steps of a pipeline, one after another, whatever happens to them.
 *
 * A run is a row that is committed as "running" before anything is done.  Each step has a
 * transaction of its own, in which its row is brought up to date as well: either the work
 * of a step stands and its row says so, or neither does.  An error is caught, the step's
 * work undone, and what went wrong is committed to the rows of the step and of the run before
 * the error goes on to the caller.  So a run that was killed is one that is "running" in a
 * process that is gone; the next one calls it lost.
 *
 * A step is done in a subtransaction, whose abort leaves us a transaction to write in.  A
 * procedure that commits by itself cannot be in one: there the whole transaction is
 * aborted and another one begun, as SPI_rollback does, but with the connections to SPI that
 * the procedure left behind.  That takes ours along, and would take that of a function
 * that called us, so such pipelines run from the top level only.
 *
 * After a failure the next run goes on from there: steps that made a version, and what came
 * after them, are not done again.  Steps that take what is new (ingest, clean, ...) are: they
 * know by themselves where they were, and the rows that they bring may be what was missing.
 *
 * Locks: an advisory lock of the session on the pipeline, so that it runs once at a time; the
 * third key keeps it apart from those of applications.  Memory: one context below the
 * portal's, which outlives transactions.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/alert.h"
#include "catalog/runs.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pipeline/pipeline.h"
#include "pipeline/statement.h"
#include "pipeline/steps.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "tcop/pquery.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#define LOCK_CLASS 0x7066

PG_FUNCTION_INFO_V1(ml_run);

/* ----- the pipeline and its lock ----- */

static void
lock_tag(const PfPipeline *pipeline, LOCKTAG *tag)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (pipeline->id >> 32),
						 (uint32) pipeline->id, LOCK_CLASS);
}

/* Is there a function around us that uses SPI? */
static bool
is_nested(void)
{
	return SPI_unregister_relation("none") != SPI_ERROR_UNCONNECTED;
}

static void
say_busy(const PfPipeline *pipeline)
{
	PfRunInfo	run;
	bool		known;

	SPI_connect();
	pf_push_new_snapshot();
	known = pf_catalog_last_run(pipeline->id, &run);
	PopActiveSnapshot();
	ereport(NOTICE,
			(errmsg("pipeline \"%s\" is running already", pipeline->name),
			 known ? errdetail("It is run " INT64_FORMAT ", by process %d.", run.id, run.pid) : 0,
			 known ? errhint("SELECT ml_cancel(" INT64_FORMAT ") ends it.", run.id) : 0));
	SPI_finish();
}

/* ----- what was done before ----- */

/* Does a version still exist? */
static bool
has_version(const char *model, int32 number)
{
	PfModelInfo info;
	PfVersionInfo version;

	return pf_catalog_model(model, &info) && pf_catalog_version(&info, number, &version);
}

/*
 * Did a run find all versions trained, and fail before it had promoted one?  Then they may be why,
 * as when the source lacks their features by now.
 */
static bool
failed_again(const PfRun *run, const PfRunInfo *last, const List *steps)
{
	bool		kept = false;
	ListCell   *lc;

	if (strcmp(last->status, "failure") != 0)
		return false;
	foreach(lc, steps)
	{
		const PfRunStep *before = lfirst(lc);
		const PfPipelineStep *step;

		if (before->step > list_length(run->steps))
			break;
		step = list_nth(run->steps, before->step - 1);
		if (strcmp(before->status, "kept") == 0)
			kept = true;
		else if (step->kind == PF_STEP_PROMOTE ? strcmp(before->status, "success") == 0 :
				 pf_pipeline_step_trains(step))
			return false;
	}
	return kept;
}

/*
 * Takes over from a run that did not come to its end, of the same pipeline as it is now, what
 * need not be done again.  Its number, or 0.
 */
static int64
take_over(PfRun *run)
{
	PfRunInfo	last;
	bool		training = false;
	bool		whole = true;	/* all so far is taken over */
	List	   *steps;
	ListCell   *lc;

	if (!pf_catalog_last_run(run->pipeline.id, &last) ||
		last.revision != run->pipeline.revision ||
		(strcmp(last.status, "failure") != 0 && strcmp(last.status, "cancelled") != 0 &&
		 strcmp(last.status, "lost") != 0))
		return 0;
	steps = pf_catalog_run_steps(last.id);
	if (failed_again(run, &last, steps))
		return 0;
	foreach(lc, steps)
	{
		const PfRunStep *before = lfirst(lc);
		PfPipelineStep	   *step;
		bool		good = strcmp(before->status, "success") == 0 ||
			strcmp(before->status, "kept") == 0;

		if (before->step > list_length(run->steps))
			break;
		step = list_nth(run->steps, before->step - 1);
		if (pf_pipeline_step_trains(step))
		{
			good = good && has_version(run->spec->model, before->version);
			training = training || good;
			whole = whole && good;
		}
		else
			good = good && training && whole;
		if (!good)
			continue;
		step->done = true;
		if (before->statement != NULL)
			step->statement = MemoryContextStrdup(run->context, before->statement);
		step->outcome.version = before->version;
		step->outcome.rows = before->rows;
	}
	return training ? last.id : 0;
}

/* ----- committing what is known ----- */

/*
 * Nobody's cancel comes between a step and its row: it waits for the next step, where it
 * is caught.
 */
static void
commit(void)
{
	SPI_commit();
	RESUME_CANCEL_INTERRUPTS();
}

/* ----- doing a step ----- */

/* Its own search_path, as that of a function with a SET clause; what the caller has comes back. */
static void
set_path(const char *path, GucAction action)
{
	set_config_option("search_path", path, PGC_USERSET, PGC_S_SESSION, action, true, 0, false);
}

static ErrorData *
do_atomic(PfRun *run, PfPipelineStep *step)
{
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(run->context);
	PG_TRY();
	{
		CHECK_FOR_INTERRUPTS();
		set_path(run->pipeline.search_path, GUC_ACTION_LOCAL);
		pf_pipeline_step_do(run, step);

		/* what would fail at the commit fails here */
		SPI_execute("SET CONSTRAINTS ALL IMMEDIATE", false, 0);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(run->context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(run->context);
	CurrentResourceOwner = owner;
	return error;
}

/* See the head of this file. */
static ErrorData *
do_committing(PfRun *run, PfPipelineStep *step)
{
	char	   *path = pstrdup(GetConfigOption("search_path", false, false));
	ErrorData  *volatile error = NULL;

	PG_TRY();
	{
		CHECK_FOR_INTERRUPTS();
		set_path(run->pipeline.search_path, GUC_ACTION_SET);
		pf_pipeline_step_do(run, step);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(run->context);
		error = CopyErrorData();
		FlushErrorState();

		/* the abort takes all snapshots */
		ActivePortal->portalSnapshot = NULL;
		AbortCurrentTransaction();
		StartTransactionCommand();
		MemoryContextSwitchTo(run->context);
		SPI_connect_ext(SPI_OPT_NONATOMIC);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(run->context);
	set_path(path, GUC_ACTION_SET);
	return error;
}

static void
end_run(PfRun *run, PfOutcome *outcome)
{
	ListCell   *lc;

	foreach(lc, run->steps)
	{
		const PfPipelineStep *step = lfirst(lc);

		if (step->outcome.version > 0 &&
			(pf_pipeline_step_trains(step) || step->kind == PF_STEP_PROMOTE))
			outcome->version = step->outcome.version;
		if (step->outcome.promoted >= 0)
		{
			outcome->promoted = step->outcome.promoted;
			outcome->reason = step->outcome.reason;
		}
	}
	pf_catalog_end_run(run->id, outcome);
}

/* Why a step has nothing to do; NULL: it has. */
static const char *
why_not(const PfRun *run, const PfPipelineStep *step)
{
	const char *on_drift = run->spec->on_drift;
	bool		wants_drift = on_drift != NULL && strcmp(on_drift, "retrain") == 0;

	if (step->kind != PF_STEP_PROMOTE && !pf_pipeline_step_trains(step))
		return NULL;
	if (run->resumes != 0 || (wants_drift && run->drift != PF_DRIFT_NONE))
		return NULL;
	if (run->spec->run_when_rows > 0)
		return run->few ? "too few new rows" : NULL;
	return wants_drift ? "no drift" : NULL;
}

/* Does a step, or leaves it out; the error that it ended with, or NULL. */
static ErrorData *
do_step(PfRun *run, int number, PfPipelineStep *step)
{
	ErrorData  *error = NULL;

	HOLD_CANCEL_INTERRUPTS();
	pf_catalog_begin_step(run->id, number, pf_pipeline_step_name(step->kind), step->statement);
	step->outcome.reason = why_not(run, step);
	if (step->done)
		step->outcome.status = "kept";
	else if (step->outcome.reason != NULL)
	{
		step->outcome.status = "skipped";
		run->skip = step->outcome.reason;
	}
	else
	{
		commit();
		error = step->commits ? do_committing(run, step) : do_atomic(run, step);
		HOLD_CANCEL_INTERRUPTS();
		if (error != NULL)
		{
			bool		cancelled = error->sqlerrcode == ERRCODE_QUERY_CANCELED;

			step->outcome.status = cancelled ? "cancelled" : "failure";
			step->outcome.error = error;
		}
	}
	pf_catalog_end_step(run->id, number, step->statement, &step->outcome);
	if (error != NULL)
	{
		PfOutcome	outcome = {.status = step->outcome.status,.rows = -1,.promoted = -1,.error = error};

		end_run(run, &outcome);
	}
	commit();
	return error;
}

/* ----- telling ----- */

static Jsonb *
alert_details(const PfRun *run, int number, const ErrorData *error)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"run\": " INT64_FORMAT, run->id);
	if (number > 0)
		appendStringInfo(&json, ", \"step\": %d", number);
	if (error != NULL)
	{
		appendStringInfo(&json, ", \"sqlstate\": \"%s\", \"message\": ",
						 unpack_sql_state(error->sqlerrcode));
		escape_json(&json, error->message);
	}
	appendStringInfoChar(&json, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

/* In a transaction of its own, after the rows of the run are there. */
static void
tell_failure(PfRun *run, const char *what, int number, const ErrorData *error)
{
	PfAlert		alert = {.event = "run_failed",.severity = PF_WARNING};

	alert.key = pf_pipeline_alert_key(&run->pipeline, "run_failed");
	alert.title = psprintf("pipeline \"%s\" %s", run->pipeline.name, what);
	alert.model = run->spec->model;
	alert.pipeline = run->pipeline.name;
	alert.details = alert_details(run, number, error);
	pf_alert_raise(&alert);
	SPI_commit();
}

static void
tell_success(PfRun *run, const PfOutcome *outcome)
{
	PfAlert		event = {.event = "run_succeeded",.severity = PF_INFO};

	event.model = run->spec->model;
	event.version = outcome->version;
	event.pipeline = run->pipeline.name;
	event.details = alert_details(run, 0, NULL);
	event.title = psprintf("pipeline \"%s\" came to its end", run->pipeline.name);
	pf_alert_raise(&event);
	if (outcome->promoted > 0)
	{
		event.event = "promoted";
		event.title = psprintf("version %d of model \"%s\" is in production: %s",
							   outcome->version, run->spec->model, outcome->reason);
		pf_alert_raise(&event);
	}
	pf_alert_resolve(pf_pipeline_alert_key(&run->pipeline, "run_failed"));
	SPI_commit();
}

/* ----- the run ----- */

static void
begin_run(PfRun *run)
{
	bool		lost;

	run->spec = pf_pipeline_spec(run->pipeline.spec);
	run->steps = pf_pipeline_steps(run->spec, run->pipeline.name, run->schema);
	run->rows = -1;
	if (is_nested())
	{
		ListCell   *lc;

		foreach(lc, run->steps)
		{
			const PfPipelineStep *step = lfirst(lc);

			if (step->commits)
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("pipeline \"%s\" cannot be run by a procedure",
								run->pipeline.name),
						 errdetail("Its step \"%s\" commits by itself.", pf_pipeline_step_name(step->kind)),
						 errhint("Call it on its own: CALL ml_run(%s).",
								 quote_literal_cstr(run->pipeline.name))));
		}
	}
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	HOLD_CANCEL_INTERRUPTS();
	pf_push_new_snapshot();
	lost = pf_catalog_lose_runs(run->pipeline.id);
	PopActiveSnapshot();
	pf_push_new_snapshot();
	MemoryContextSwitchTo(run->context);
	run->resumes = take_over(run);
	PopActiveSnapshot();
	run->model = pf_pipeline_model(run);
	run->id = pf_catalog_begin_run(&run->pipeline, run->spec->model, run->resumes);
	commit();
	if (lost)
		tell_failure(run, "had lost its process", 0, NULL);
}

/* What came of it, for who waits for it. */
static void
say_done(const PfRun *run, const PfOutcome *outcome)
{
	if (run->skip != NULL)
		ereport(NOTICE,
				(errmsg("pipeline \"%s\" had nothing to train: %s", run->pipeline.name, run->skip)));
	else if (outcome->promoted > 0)
		ereport(NOTICE,
				(errmsg("pipeline \"%s\" promoted version %d of model \"%s\"", run->pipeline.name,
						outcome->version, run->spec->model),
				 errdetail_internal("%s", outcome->reason)));
	else if (outcome->promoted == 0)
		ereport(NOTICE,
				(errmsg("pipeline \"%s\" promoted nothing", run->pipeline.name),
				 errdetail_internal("%s", outcome->reason)));
	else
		ereport(NOTICE,
				(errmsg("pipeline \"%s\" is done", run->pipeline.name)));
}

/* Goes through the steps; the error of the one that failed, or NULL. */
static ErrorData *
do_run(PfRun *run)
{
	PfOutcome	outcome = {.status = "success",.promoted = -1};
	int			number = 0;
	ListCell   *lc;

	begin_run(run);
	foreach(lc, run->steps)
	{
		ErrorData  *error = do_step(run, ++number, lfirst(lc));

		if (error != NULL)
		{
			const char *where = psprintf("step %d (%s) of pipeline \"%s\", run " INT64_FORMAT,
										 number, pf_pipeline_step_name(((PfPipelineStep *) lfirst(lc))->kind),
										 run->pipeline.name, run->id);

			tell_failure(run, psprintf("failed in step %d (%s): %s", number,
									   pf_pipeline_step_name(((PfPipelineStep *) lfirst(lc))->kind), error->message),
						 number, error);
			MemoryContextSwitchTo(run->context);
			error->context = error->context ? psprintf("%s\n%s", error->context, where) : pstrdup(where);
			SPI_finish();
			return error;
		}
	}
	HOLD_CANCEL_INTERRUPTS();
	outcome.rows = run->rows;
	if (run->skip != NULL)
	{
		outcome.status = "skipped";
		outcome.reason = run->skip;
	}
	end_run(run, &outcome);
	commit();
	if (run->skip == NULL)
		tell_success(run, &outcome);
	say_done(run, &outcome);
	SPI_finish();
	return NULL;
}

/* ml_run(pipeline text) */
Datum
ml_run(PG_FUNCTION_ARGS)
{
	CallContext *context = (CallContext *) fcinfo->context;
	PfRun	   *run;
	MemoryContext caller;
	LOCKTAG		tag;
	LockAcquireResult locked;
	char	   *name;
	ErrorData  *error;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("pipeline must not be null")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	PreventCommandIfReadOnly("ml_run()");
	PreventCommandDuringRecovery("ml_run()");
	if (context == NULL || !IsA(context, CallContext) || context->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("ml_run cannot run inside a transaction block"),
				 errdetail("It commits after each step."),
				 errhint("Call it on its own, without BEGIN and not within a function: CALL ml_run(%s).",
						 quote_literal_cstr(name))));

	caller = MemoryContextSwitchTo(AllocSetContextCreate(PortalContext, "pgforest run",
														 ALLOCSET_DEFAULT_SIZES));
	run = palloc0(sizeof(PfRun));
	run->context = CurrentMemoryContext;
	run->schema = pf_function_schema(fcinfo);
	pf_pipeline_open(name, &run->pipeline);
	lock_tag(&run->pipeline, &tag);
	locked = LockAcquire(&tag, ExclusiveLock, true, true);
	if (locked != LOCKACQUIRE_OK)
	{
		/* this session has it: one of the steps calls its own pipeline */
		if (locked != LOCKACQUIRE_NOT_AVAIL)
			LockRelease(&tag, ExclusiveLock, true);
		say_busy(&run->pipeline);
		MemoryContextSwitchTo(caller);
		PG_RETURN_VOID();
	}
	PG_TRY();
	{
		/* it may have been declared anew, or dropped, before the lock was ours */
		pf_pipeline_open(name, &run->pipeline);
		error = do_run(run);
	}
	PG_CATCH();
	{
		/* the error may have come with a lock held that giving back ours needs */
		LWLockReleaseAll();
		LockRelease(&tag, ExclusiveLock, true);
		PG_RE_THROW();
	}
	PG_END_TRY();
	LockRelease(&tag, ExclusiveLock, true);
	if (error != NULL)
		ReThrowError(error);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(run->context);
	PG_RETURN_VOID();
}

/*
 * schedule.c
 *	  Pipelines on pg_cron's clock.
 *
 * pg_cron is asked through its SQL functions, as the current user, so what he may do with its
 * jobs is its own affair.  Nothing of a schedule is stored with us: a pipeline's job is the
 * one with its number in its name, and the view pgforest.schedules reads pg_cron's tables.
 */
#include "postgres.h"

#include "catalog/call.h"
#include "catalog/models.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pipeline/pipeline.h"
#include "pipeline/statement.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#define JOB_PREFIX "pgforest_pipeline_"

PG_FUNCTION_INFO_V1(ml_schedule);
PG_FUNCTION_INFO_V1(ml_unschedule);
PG_FUNCTION_INFO_V1(pf_scheduled_jobs);

static bool
may_use_cron(void)
{
	pf_statement_run("SELECT pg_catalog.has_schema_privilege('cron', 'USAGE') AS may");
	return pf_result_bool("may");
}

static void
need_cron(const PfPipeline *pipeline)
{
	if (!OidIsValid(get_extension_oid("pg_cron", true)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pg_cron is not installed in this database"),
				 errdetail("It is what calls pipelines at their times."),
				 errhint("Install its package, add pg_cron to shared_preload_libraries, set cron.database_name to this database, restart the server, and run CREATE EXTENSION pg_cron. "
						 "Or let any other scheduler run CALL ml_run(%s).",
						 quote_literal_cstr(pipeline->name))));
	if (!may_use_cron())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for schema cron"),
				 errhint("A superuser can give it: GRANT USAGE ON SCHEMA cron TO %s.",
						 quote_identifier(GetUserNameFromId(GetUserId(), false)))));
}

int64
pf_schedule_pipeline(const PfPipeline *pipeline, const char *schema, const char *cron)
{
	char	   *command;

	need_cron(pipeline);
	command = psprintf("CALL %s(%s)", quote_qualified_identifier(schema, "ml_run"),
					   quote_literal_cstr(pipeline->name));
	pf_statement_run(psprintf("SELECT cron.schedule('" JOB_PREFIX INT64_FORMAT "', %s, %s) AS job",
							  pipeline->id, quote_literal_cstr(cron), quote_literal_cstr(command)));
	return pf_result_int("job", 0);
}

/* pg_cron shows the jobs that the caller may end. */
bool
pf_unschedule_pipeline(const PfPipeline *pipeline)
{
	if (!OidIsValid(get_extension_oid("pg_cron", true)) || !may_use_cron())
		return false;
	pf_statement_run(psprintf("SELECT pg_catalog.count(cron.unschedule(jobid)) AS jobs FROM cron.job "
							  "WHERE jobname OPERATOR(pg_catalog.=) '" JOB_PREFIX INT64_FORMAT "'",
							  pipeline->id));
	return pf_result_int("jobs", 0) > 0;
}

static void
need_write(const char *command)
{
	PreventCommandIfReadOnly(command);
	PreventCommandIfParallelMode(command);
	PreventCommandDuringRecovery(command);
}

/* ml_schedule(pipeline text, cron text) */
Datum
ml_schedule(PG_FUNCTION_ARGS)
{
	PfPipeline	pipeline;
	char	   *name = pf_needed_text(fcinfo, 0, "pipeline");
	char	   *cron = pf_needed_text(fcinfo, 1, "cron");
	int64		job;

	need_write("ml_schedule()");
	pf_pipeline_open(name, &pipeline);
	SPI_connect();
	job = pf_schedule_pipeline(&pipeline, pf_function_schema(fcinfo), cron);
	SPI_finish();
	PG_RETURN_INT64(job);
}

/* ml_unschedule(pipeline text) */
Datum
ml_unschedule(PG_FUNCTION_ARGS)
{
	PfPipeline	pipeline;
	char	   *name = pf_needed_text(fcinfo, 0, "pipeline");
	bool		found;

	need_write("ml_unschedule()");
	pf_push_new_snapshot();
	pf_catalog_need_pipeline(name, &pipeline);
	PopActiveSnapshot();
	SPI_connect();
	need_cron(&pipeline);
	found = pf_unschedule_pipeline(&pipeline);
	SPI_finish();
	PG_RETURN_BOOL(found);
}

/* pgforest.scheduled_jobs(): pg_cron's jobs for pipelines, with what came of them; none without pg_cron. */
Datum
pf_scheduled_jobs(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	if (!OidIsValid(get_extension_oid("pg_cron", true)))
		return (Datum) 0;
	SPI_connect();
	if (may_use_cron())
	{
		if (SPI_execute("SELECT pg_catalog.substr(j.jobname::pg_catalog.text, pg_catalog.length('" JOB_PREFIX "') OPERATOR(pg_catalog.+) 1)::pg_catalog.int8, "
						"j.jobid, j.schedule, j.command, j.database, j.username, j.active, "
						"h.runs, h.failures, l.status, l.return_message, l.start_time, l.end_time "
						"FROM cron.job j LEFT JOIN LATERAL ("
						"SELECT pg_catalog.count(*) AS runs, "
						"pg_catalog.count(*) FILTER (WHERE d.status OPERATOR(pg_catalog.=) 'failed') AS failures "
						"FROM cron.job_run_details d WHERE d.jobid OPERATOR(pg_catalog.=) j.jobid) h ON true "
						"LEFT JOIN LATERAL (SELECT d.status, d.return_message, d.start_time, d.end_time "
						"FROM cron.job_run_details d WHERE d.jobid OPERATOR(pg_catalog.=) j.jobid "
						"ORDER BY d.runid DESC LIMIT 1) l ON true "
						"WHERE j.jobname::pg_catalog.text OPERATOR(pg_catalog.~) '^" JOB_PREFIX "[0-9]{1,18}$'",
						true, 0) != SPI_OK_SELECT)
			elog(ERROR, "could not read the jobs of pg_cron");
		for (uint64 i = 0; i < SPI_processed; i++)
			tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
	}
	SPI_finish();
	return (Datum) 0;
}

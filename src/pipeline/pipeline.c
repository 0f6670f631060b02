/*
 * pipeline.c
 *	  ml_pipeline, ml_drop_pipeline, ml_cancel: what is done with pipelines but running them.
 */
#include "postgres.h"

#include "catalog/alert.h"
#include "catalog/runs.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pipeline/pipeline.h"
#include "pipeline/statement.h"
#include "pipeline/steps.h"
#include "predict/target.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(ml_pipeline);
PG_FUNCTION_INFO_V1(ml_drop_pipeline);
PG_FUNCTION_INFO_V1(ml_cancel);

static void
need_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
}

static void
need_write(const char *command)
{
	PreventCommandIfReadOnly(command);
	PreventCommandIfParallelMode(command);
	PreventCommandDuringRecovery(command);
}

char *
pf_pipeline_alert_key(const PfPipeline *pipeline, const char *event)
{
	return psprintf("%s of pipeline %s", event, pipeline->name);
}

void
pf_pipeline_open(const char *name, PfPipeline *pipeline)
{
	pf_push_new_snapshot();
	pf_catalog_need_pipeline(name, pipeline);
	PopActiveSnapshot();
	if (!pf_catalog_is_trusted(pipeline->declared_by))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" must not run a pipeline that role \"%s\" declared",
						GetUserNameFromId(GetUserId(), false), pipeline->declared_by),
				 errdetail("Its SQL would run with your rights, and you are not a member of that role."),
				 errhint("Let a member of that role call it, or declare one of your own with ml_pipeline.")));
}

/* May the caller train and promote the model, and is there one to retrain? */
static void
check_model(const PfPipelineSpec *spec)
{
	PfModelInfo model;
	bool		promotes = strcmp(spec->gate.promote, "never") != 0;

	if (spec->experiments != NIL && !pf_catalog_model(spec->model, &model))
		return;
	pf_catalog_need_model(spec->model, promotes ? PF_RIGHT_TRAIN | PF_RIGHT_PROMOTE : PF_RIGHT_TRAIN,
						  &model);
	pf_gate_check(&spec->gate, strcmp(model.task, "classification") == 0 ? PF_CLASSIFICATION :
				  strcmp(model.task, "regression") == 0 ? PF_REGRESSION : PF_ANOMALY, true);
}

/* The table for scores must be one that ml_score can write, as far as that can be told now. */
static void
check_scores(const PfPipelineSpec *spec)
{
	char	   *quoted;

	if (spec->score_target == NULL)
		return;
	pf_score_check_key(spec->score_key);
	pf_score_target(cstring_to_text(spec->score_target), spec->score_key, AccessShareLock, &quoted);
}

/* ml_pipeline(name text, spec jsonb) returns setof (step, kind, statement) */
Datum
ml_pipeline(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const char *schema = pf_function_schema(fcinfo);
	PfPipeline	before;
	PfPipelineSpec *spec;
	char	   *name;
	ListCell   *lc;

	need_argument(fcinfo, 0, "name");
	need_argument(fcinfo, 1, "spec");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	pf_check_pipeline_name(name);
	need_write("ml_pipeline()");
	InitMaterializedSRF(fcinfo, 0);
	pf_push_new_snapshot();
	spec = pf_pipeline_spec(PG_GETARG_JSONB_P(1));
	check_model(spec);
	check_scores(spec);
	if (pf_catalog_pipeline(name, &before))
		pf_catalog_need_pipeline(name, &before);
	PopActiveSnapshot();

	SPI_connect();
	pf_catalog_put_pipeline(name, PG_GETARG_JSONB_P(1),
							GetConfigOption("search_path", false, false));
	if (spec->schedule != NULL)
	{
		PfPipeline	pipeline;

		pf_pipeline_open(name, &pipeline);
		pf_schedule_pipeline(&pipeline, schema, spec->schedule);
	}
	SPI_finish();
	foreach(lc, pf_pipeline_steps(spec, name, schema))
	{
		const PfPipelineStep *step = lfirst(lc);
		Datum		values[3];
		bool		nulls[3] = {false};

		values[0] = Int32GetDatum(foreach_current_index(lc) + 1);
		values[1] = CStringGetTextDatum(pf_pipeline_step_name(step->kind));
		nulls[2] = step->statement == NULL;
		values[2] = nulls[2] ? (Datum) 0 : CStringGetTextDatum(step->statement);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* ml_drop_pipeline(name text) */
Datum
ml_drop_pipeline(PG_FUNCTION_ARGS)
{
	PfPipeline	pipeline;

	need_argument(fcinfo, 0, "name");
	need_write("ml_drop_pipeline()");
	pf_push_new_snapshot();
	pf_catalog_need_pipeline(text_to_cstring(PG_GETARG_TEXT_PP(0)), &pipeline);
	PopActiveSnapshot();
	SPI_connect();
	pf_unschedule_pipeline(&pipeline);
	pf_catalog_drop_pipeline(&pipeline);
	pf_alert_resolve(pf_pipeline_alert_key(&pipeline, "run_failed"));
	pf_alert_resolve(pf_pipeline_alert_key(&pipeline, "drift"));
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * ml_cancel(run bigint)
 *
 * Whom one may cancel is PostgreSQL's rule, in pg_cancel_backend.
 */
Datum
ml_cancel(PG_FUNCTION_ARGS)
{
	PfRunInfo	run;
	bool		found;

	need_argument(fcinfo, 0, "run");
	pf_push_new_snapshot();
	found = pf_catalog_run(PG_GETARG_INT64(0), &run);
	PopActiveSnapshot();
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("run " INT64_FORMAT " of a pipeline does not exist", PG_GETARG_INT64(0)),
				 errhint("SELECT id, pipeline FROM pgforest.runs WHERE status = 'running' lists those that can be cancelled.")));
	if (!pf_has_role(run.role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to cancel run " INT64_FORMAT, run.id),
				 errdetail("Role \"%s\" started it.", run.role)));
	if (strcmp(run.status, "running") != 0)
		PG_RETURN_BOOL(false);
	PG_RETURN_DATUM(DirectFunctionCall1(pg_cancel_backend, Int32GetDatum(run.pid)));
}

/*
 * steps.c
 *	  The steps of a pipeline.
 *
 * Each step is one SQL statement that anybody could have typed, and runs with the rights of
 * who called the run.  What a step finds out is for the steps after it: which versions were
 * made, how many rows there are, whether they drifted.
 *
 * Locks and memory: those of the statements; what is kept is in the run's context.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/alert.h"
#include "catalog/history.h"
#include "catalog/pg_type_d.h"
#include "engine/measure/measure.h"
#include "executor/spi.h"
#include "load/source.h"
#include "pipeline/pipeline.h"
#include "pipeline/statement.h"
#include "pipeline/steps.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

static const char *const names[] = {
	"ingest", "recipe", "clean", "rows", "drift", "train", "tune", "retrain", "promote", "score"
};

const char *
pf_pipeline_step_name(PfPipelineStepKind kind)
{
	return names[kind];
}

bool
pf_pipeline_step_trains(const PfPipelineStep *step)
{
	return step->kind == PF_STEP_TRAIN || step->kind == PF_STEP_TUNE ||
		step->kind == PF_STEP_RETRAIN;
}

/* ----- which steps there are ----- */

static PfPipelineStep *
add(List **steps, PfPipelineStepKind kind, char *statement)
{
	PfPipelineStep	   *step = palloc0(sizeof(PfPipelineStep));

	step->kind = kind;
	step->statement = statement;
	step->outcome.rows = step->outcome.promoted = -1;
	*steps = lappend(*steps, step);
	return step;
}

static char *
ingest_statement(const PfPipelineSpec *spec, const char *schema)
{
	StringInfoData sql;

	pf_statement_begin(&sql, "CALL", schema, "ml_ingest");
	pf_statement_text(&sql, "target", spec->raw);
	pf_statement_text(&sql, "source", spec->source);
	if (spec->batch_size > 0)
		pf_statement_int(&sql, "batch_size", spec->batch_size);
	if (spec->max_batches > 0)
		pf_statement_int(&sql, "max_batches", spec->max_batches);
	pf_statement_text(&sql, "order_by", spec->order_by);
	pf_statement_jsonb(&sql, "format", spec->format);
	pf_statement_text(&sql, "on_error", spec->on_error);
	if (spec->create_table)
		pf_statement_bool(&sql, "create_table", true);
	return pf_statement_end(&sql);
}

static void
add_columns(StringInfo sql, const PfPipelineSpec *spec)
{
	pf_statement_text(sql, "task", spec->task);
	pf_statement_names(sql, "features", spec->features);
	pf_statement_names(sql, "exclude", spec->exclude);
	pf_statement_names(sql, "key", spec->key);
	pf_statement_text(sql, "weight", spec->weight);
	pf_statement_text(sql, "split", spec->split);
	pf_statement_number(sql, "holdout", spec->holdout);
	if (spec->seed != 0)
		pf_statement_int(sql, "seed", spec->seed);
	pf_statement_text(sql, "note", spec->note);
}

static char *
train_statement(const PfPipelineSpec *spec, const PfExperiment *experiment, const char *recipe,
				const char *schema)
{
	StringInfoData sql;

	pf_statement_begin(&sql, "SELECT * FROM", schema, "ml_train");
	pf_statement_text(&sql, "model", spec->model);
	pf_statement_text(&sql, "source", pf_pipeline_rows(spec));
	pf_statement_text(&sql, "target", spec->target);
	pf_statement_text(&sql, "algorithm", experiment->algorithm);
	pf_statement_jsonb(&sql, "params", experiment->params);
	add_columns(&sql, spec);
	if (spec->clean == NULL)
		pf_statement_text(&sql, "recipe", recipe);
	return pf_statement_end(&sql);
}

static char *
tune_statement(const PfPipelineSpec *spec, const PfExperiment *experiment, const char *recipe,
			   const char *schema)
{
	StringInfoData sql;

	pf_statement_begin(&sql, "SELECT * FROM", schema, "ml_tune");
	pf_statement_text(&sql, "model", spec->model);
	pf_statement_text(&sql, "source", pf_pipeline_rows(spec));
	pf_statement_text(&sql, "target", spec->target);
	pf_statement_jsonb(&sql, "search", experiment->params);
	pf_statement_text(&sql, "strategy", spec->strategy);
	if (spec->trials > 0)
		pf_statement_int(&sql, "trials", spec->trials);
	pf_statement_int(&sql, "folds", spec->folds);
	pf_statement_text(&sql, "metric", spec->gate.metric);
	pf_statement_number(&sql, "seconds", spec->seconds);
	add_columns(&sql, spec);
	if (spec->clean == NULL)
		pf_statement_text(&sql, "recipe", recipe);
	return pf_statement_end(&sql);
}

static char *
retrain_statement(const PfPipelineSpec *spec, const char *schema)
{
	StringInfoData sql;

	pf_statement_begin(&sql, "SELECT * FROM", schema, "ml_retrain");
	pf_statement_text(&sql, "model", spec->model);
	pf_statement_text(&sql, "promote", "never");
	pf_statement_text(&sql, "source", pf_pipeline_rows(spec));
	return pf_statement_end(&sql);
}

static char *
score_statement(const PfPipelineSpec *spec, const char *schema)
{
	StringInfoData sql;

	pf_statement_begin(&sql, "CALL", schema, "ml_score");
	pf_statement_text(&sql, "model", spec->model);
	pf_statement_text(&sql, "source", spec->score_source);
	pf_statement_text(&sql, "target", spec->score_target);
	pf_statement_names(&sql, "key", spec->score_key);
	pf_statement_text(&sql, "on_drift", spec->score_on_drift);
	return pf_statement_end(&sql);
}

List *
pf_pipeline_steps(const PfPipelineSpec *spec, const char *pipeline, const char *schema)
{
	const char *recipe = spec->recipe ? spec->recipe : spec->steps ? pipeline : NULL;
	List	   *steps = NIL;
	StringInfoData sql;
	ListCell   *lc;

	if (spec->source != NULL)
		add(&steps, PF_STEP_INGEST, ingest_statement(spec, schema))->commits = true;
	if (spec->steps != NULL)
	{
		pf_statement_begin(&sql, "SELECT * FROM", schema, "ml_recipe");
		pf_statement_text(&sql, "name", recipe);
		pf_statement_text(&sql, "source", spec->raw);
		pf_statement_jsonb(&sql, "steps", spec->steps);
		add(&steps, PF_STEP_RECIPE, pf_statement_end(&sql));
	}
	if (spec->clean != NULL)
	{
		pf_statement_begin(&sql, "SELECT * FROM", schema, "ml_clean");
		pf_statement_text(&sql, "recipe", recipe);
		pf_statement_text(&sql, "raw", spec->raw);
		pf_statement_text(&sql, "clean", spec->clean);
		pf_statement_text(&sql, "key", spec->clean_key);
		add(&steps, PF_STEP_CLEAN, pf_statement_end(&sql));
	}
	if (spec->run_when_rows > 0)
		add(&steps, PF_STEP_ROWS, NULL);
	if (spec->on_drift != NULL)
		add(&steps, PF_STEP_DRIFT, NULL);
	foreach(lc, spec->experiments)
	{
		if (spec->folds > 0)
			add(&steps, PF_STEP_TUNE, tune_statement(spec, lfirst(lc), recipe, schema));
		else
			add(&steps, PF_STEP_TRAIN, train_statement(spec, lfirst(lc), recipe, schema));
	}
	if (spec->experiments == NIL)
		add(&steps, PF_STEP_RETRAIN, retrain_statement(spec, schema));
	if (strcmp(spec->gate.promote, "never") != 0)
		add(&steps, PF_STEP_PROMOTE, NULL);
	if (spec->score_target != NULL)
		add(&steps, PF_STEP_SCORE, score_statement(spec, schema));
	return steps;
}

/* ----- what depends on what is there ----- */

static char *
keep(const PfRun *run, const char *text)
{
	return text ? MemoryContextStrdup(run->context, text) : NULL;
}

/*
 * The source that will be trained on; NULL when it is what the newest version was trained on and
 * there is none.
 */
static const char *
rows_source(const PfRun *run)
{
	const char *rows = pf_pipeline_rows(run->spec);

	if (rows == NULL)
	{
		PfModelInfo model;
		PfVersionInfo version;

		pf_push_new_snapshot();
		pf_catalog_need_model(run->spec->model, PF_RIGHT_TRAIN, &model);
		for (int32 v = model.last_version; v > 0 && rows == NULL; v--)
		{
			if (pf_catalog_version(&model, v, &version))
			{
				pf_catalog_may_run(version.trained_by);
				rows = version.query;
			}
		}
		PopActiveSnapshot();
	}
	return rows;
}

/* The versions that this run made, or the one that it goes on from (a list of int). */
static List *
made_versions(const PfRun *run)
{
	List	   *versions = NIL;
	ListCell   *lc;

	foreach(lc, run->steps)
	{
		const PfPipelineStep *step = lfirst(lc);

		if (pf_pipeline_step_trains(step) && step->outcome.version > 0)
			versions = lappend_int(versions, step->outcome.version);
	}
	return versions;
}

/* The best of them by what was measured at training; with promote => always. */
static int32
best_version(const PfRun *run, List *versions)
{
	const char *metric = run->spec->gate.metric;
	StringInfoData list;
	ListCell   *lc;

	if (list_length(versions) == 1)
		return linitial_int(versions);
	initStringInfo(&list);
	foreach(lc, versions)
		appendStringInfo(&list, "%s%d", list.len > 0 ? ", " : "", lfirst_int(lc));
	pf_statement_run(psprintf("SELECT v.version FROM pgforest.version v "
							  "JOIN pgforest.model m ON m.id OPERATOR(pg_catalog.=) v.model_id "
							  "LEFT JOIN pgforest.metric x ON x.model_id OPERATOR(pg_catalog.=) v.model_id "
							  "AND x.version OPERATOR(pg_catalog.=) v.version AND x.class IS NULL "
							  "AND x.source IS NULL AND x.set OPERATOR(pg_catalog.=) 'validation' "
							  "AND x.metric OPERATOR(pg_catalog.=) %s "
							  "WHERE m.name OPERATOR(pg_catalog.=) %s "
							  "AND v.version OPERATOR(pg_catalog.=) ANY (ARRAY[%s]) "
							  "ORDER BY x.value %s NULLS LAST, v.version DESC LIMIT 1",
							  metric ? quote_literal_cstr(metric) : "v.metric",
							  quote_literal_cstr(run->spec->model), list.data,
							  pf_metric_direction(metric ? metric : "roc_auc") < 0 ? "ASC" : "DESC"));
	return (int32) pf_result_int("version", linitial_int(versions));
}

/* ----- doing it ----- */

/* A statement of another part of the extension, and how many rows it says that it was about. */
static void
call(PfPipelineStep *step)
{
	SPIExecuteOptions options = {0};
	bool		isnull;

	options.allow_nonatomic = step->commits;
	if (SPI_execute_extended(step->statement, &options) < 0)
		elog(ERROR, "could not run \"%s\"", step->statement);
	if (SPI_tuptable != NULL && SPI_processed == 1 &&
		SPI_fnumber(SPI_tuptable->tupdesc, "rows") > 0)
	{
		int			column = SPI_fnumber(SPI_tuptable->tupdesc, "rows");
		Datum		rows = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull);

		if (!isnull && SPI_gettypeid(SPI_tuptable->tupdesc, column) == INT8OID)
			step->outcome.rows = DatumGetInt64(rows);
		if (step->kind == PF_STEP_SCORE && pf_result_bool("drifted"))
			step->outcome.reason = "the rows have drifted";
	}
}

/* What came is in the ledger. */
static void
ingest(PfRun *run, PfPipelineStep *step)
{
	int64		last;

	pf_statement_run("SELECT pg_catalog.max(id) AS last FROM pgforest.batch");
	last = pf_result_int("last", 0);
	call(step);
	pf_statement_run(psprintf("SELECT pg_catalog.count(*) AS batches, pg_catalog.sum(rows)::pg_catalog.int8 AS rows, "
							  "pg_catalog.sum(rejected)::pg_catalog.int8 AS rejected FROM pgforest.batch "
							  "WHERE id OPERATOR(pg_catalog.>) " INT64_FORMAT " AND pg_catalog.to_regclass(target)::pg_catalog.oid "
							  "OPERATOR(pg_catalog.=) pg_catalog.to_regclass(%s)::pg_catalog.oid",
							  last, quote_literal_cstr(run->spec->raw)));
	step->outcome.rows = pf_result_int("rows", 0);
	step->outcome.reason = keep(run, psprintf("batches: " INT64_FORMAT ", records refused: " INT64_FORMAT,
											  pf_result_int("batches", 0), pf_result_int("rejected", 0)));
}

/*
 * A recipe is fitted once, and again when its steps are others: rows that it made clean stay
 * comparable with those that come.
 */
static void
fit_recipe(PfRun *run, PfPipelineStep *step)
{
	const PfPipelineSpec *spec = run->spec;
	Jsonb	   *steps = spec->steps;

	pf_statement_run(psprintf("SELECT pg_catalog.count(*) AS there FROM ("
							  "SELECT steps FROM pgforest.recipe WHERE name OPERATOR(pg_catalog.=) %s "
							  "ORDER BY version DESC LIMIT 1) AS r WHERE steps OPERATOR(pg_catalog.=) %s::pg_catalog.jsonb",
							  quote_literal_cstr(spec->recipe ? spec->recipe : run->pipeline.name),
							  quote_literal_cstr(JsonbToCString(NULL, &steps->root, VARSIZE(steps)))));
	if (pf_result_int("there", 0) > 0)
	{
		step->outcome.status = "skipped";
		step->outcome.reason = "the recipe is there";
	}
	else
		call(step);
}

static void
count_rows(PfRun *run, PfPipelineStep *step)
{
	const char *source = rows_source(run);
	int64		before;

	if (source == NULL)
	{
		step->outcome.reason = "there is no version yet";
		return;
	}
	step->statement = keep(run, psprintf("SELECT pg_catalog.count(*) AS rows FROM %s",
										 pf_source_open(source)->from));
	pf_statement_run(step->statement);
	run->rows = pf_result_int("rows", 0);
	before = pf_catalog_rows_before(run->pipeline.id);
	step->outcome.rows = before < 0 || run->rows < before ? run->rows : run->rows - before;
	run->few = step->outcome.rows < run->spec->run_when_rows;
	step->outcome.reason = keep(run, psprintf(INT64_FORMAT " new rows, " INT64_FORMAT " are asked for",
											  step->outcome.rows, run->spec->run_when_rows));
}

/* What follows from drift is for on_drift to say. */
static void
found_drift(PfRun *run, const char *columns)
{
	const char *on_drift = run->spec->on_drift;
	char	   *title = psprintf("rows have drifted from those that model \"%s\" was trained on",
								 run->spec->model);

	if (strcmp(on_drift, "stop") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg_internal("%s", title),
				 errdetail("What drifted: %s.", columns),
				 errhint("Let the pipeline train on them with the action \"retrain\" of \"on_drift\".")));
	if (strcmp(on_drift, "alert") == 0)
	{
		PfAlert		alert = {.event = "drift",.severity = PF_WARNING};

		alert.key = pf_pipeline_alert_key(&run->pipeline, "drift");
		alert.title = psprintf("%s: %s", title, columns);
		alert.model = run->spec->model;
		alert.pipeline = run->pipeline.name;
		pf_alert_raise(&alert);
	}
}

/* Are the rows still like those that the version in production was trained on? */
static void
look_for_drift(PfRun *run, PfPipelineStep *step)
{
	const PfPipelineSpec *spec = run->spec;
	const char *source;
	PfModelInfo model;
	StringInfoData sql;
	bool		served;

	pf_push_new_snapshot();
	served = pf_catalog_model(spec->model, &model) && pf_catalog_alias(&model, "production") > 0;
	PopActiveSnapshot();
	if (!served)
	{
		step->outcome.reason = "there is no version in production yet";
		return;
	}
	source = spec->drift_source ? spec->drift_source :
		spec->score_source ? spec->score_source : rows_source(run);
	pf_statement_begin(&sql, "", run->schema, "ml_drift");
	pf_statement_text(&sql, "model", spec->model);
	pf_statement_text(&sql, "source", source);
	step->statement = keep(run, psprintf("SELECT pg_catalog.bool_or(drifted) AS drifted, "
										 "pg_catalog.string_agg(DISTINCT feature, ', ') FILTER (WHERE drifted "
										 "AND feature OPERATOR(pg_catalog.<>) '(all)') AS columns, "
										 "pg_catalog.max(current_rows) AS rows FROM%s",
										 pf_statement_end(&sql)));
	pf_statement_run(step->statement);
	step->outcome.rows = pf_result_int("rows", -1);
	run->drift = pf_result_bool("drifted") ? PF_DRIFT_FOUND : PF_DRIFT_NONE;
	if (run->drift == PF_DRIFT_FOUND)
	{
		char	   *columns = keep(run, pf_result_text("columns"));

		step->outcome.reason = keep(run, psprintf("drift: %s", columns));
		found_drift(run, columns);
	}
	else
	{
		step->outcome.reason = "no drift";
		pf_alert_resolve(pf_pipeline_alert_key(&run->pipeline, "drift"));
	}
}

int64
pf_pipeline_model(const PfRun *run)
{
	PfModelInfo model;
	bool		found;

	pf_push_new_snapshot();
	found = pf_catalog_model(run->spec->model, &model);
	PopActiveSnapshot();
	return found ? model.id : 0;
}

/* What the training and the gate say; of a search, the row of the best. */
static void
train(PfRun *run, PfPipelineStep *step)
{
	PfRunOrigin before = pf_run_origin;
	bool		tune = step->kind == PF_STEP_TUNE;

	pf_run_origin.parent = run->id;
	pf_run_origin.model = run->model;
	PG_TRY();
	{
		pf_statement_run(tune ? psprintf("SELECT * FROM (%s) AS t WHERE version IS NOT NULL",
										 step->statement) : step->statement);
	}
	PG_FINALLY();
	{
		pf_run_origin = before;
	}
	PG_END_TRY();
	step->outcome.version = (int32) pf_result_int("version", 0);
	if (run->model == 0)
		run->model = pf_pipeline_model(run);
	if (!tune)
		step->outcome.rows = pf_result_int("rows", -1);
	if (pf_result_text("score") != NULL)
		step->outcome.reason = keep(run, psprintf("%s %.6g",
												  step->kind == PF_STEP_RETRAIN ? "score" :
												  pf_result_text("metric"),
												  pf_result_number("score")));
}

static void
promote(PfRun *run, PfPipelineStep *step)
{
	List	   *versions = made_versions(run);
	bool		if_better = strcmp(run->spec->gate.promote, "if_better") == 0;

	if (!if_better)
		versions = list_make1_int(best_version(run, versions));
	step->statement = keep(run, pf_gate_statement(&run->spec->gate, run->schema,
												  run->spec->model, versions, if_better));
	pf_statement_run(step->statement);
	step->outcome.version = (int32) pf_result_int("version", 0);
	step->outcome.promoted = pf_result_bool("promoted") ? 1 : 0;
	step->outcome.rows = pf_result_int("rows", -1);
	step->outcome.reason = keep(run, pf_result_text("reason"));
}

void
pf_pipeline_step_do(PfRun *run, PfPipelineStep *step)
{
	step->outcome.status = "success";
	switch (step->kind)
	{
		case PF_STEP_INGEST:
			ingest(run, step);
			break;
		case PF_STEP_CLEAN:
		case PF_STEP_SCORE:
			call(step);
			break;
		case PF_STEP_RECIPE:
			fit_recipe(run, step);
			break;
		case PF_STEP_ROWS:
			count_rows(run, step);
			break;
		case PF_STEP_DRIFT:
			look_for_drift(run, step);
			break;
		case PF_STEP_TRAIN:
		case PF_STEP_TUNE:
		case PF_STEP_RETRAIN:
			train(run, step);
			break;
		case PF_STEP_PROMOTE:
			promote(run, step);
			break;
	}
}

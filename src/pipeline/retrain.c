/*
 * retrain.c
 *	  ml_retrain: the newest version's specification once more, on today's rows.
 *
 * What a version stores is all that ml_train was told, so the training is a call of it,
 * as the caller and in his transaction; then ml_promote, with the new version as the only
 * candidate.  What can be wrong with the conditions is found before the training.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/call.h"
#include "catalog/recipes.h"
#include "catalog/runs.h"
#include "evaluate/score.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "load/source.h"
#include "miscadmin.h"
#include "pipeline/gate.h"
#include "pipeline/statement.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(ml_retrain);

typedef struct Retraining
{
	int32		version;
	int32		previous;		/* 0: none */
	bool		promoted;
	char	   *reason;
	double		score;			/* NaN: none */
	double		previous_score;
	int64		rows;
	double		seconds;
} Retraining;

static double
number_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		return get_float8_nan();
	if (!isfinite(PG_GETARG_FLOAT8(n)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a finite number", name)));
	return PG_GETARG_FLOAT8(n);
}

static void
read_gate(FunctionCallInfo fcinfo, PfGate *gate)
{
	gate->promote = pf_text_argument(fcinfo, 1);
	if (gate->promote == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("promote must not be null"),
				 errhint("Valid values are \"if_better\", \"always\" and \"never\".")));
	gate->alias = pf_text_argument(fcinfo, 3);
	gate->metric = pf_text_argument(fcinfo, 4);
	gate->threshold = number_argument(fcinfo, 5, "threshold");
	gate->max_regression = number_argument(fcinfo, 6, "max_regression");
	gate->min_rows = PG_ARGISNULL(7) ? -1 : PG_GETARG_INT64(7);
	if (!PG_ARGISNULL(7) && gate->min_rows < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("min_rows must not be negative")));
	gate->by = PG_ARGISNULL(8) ? NIL : pf_column_names(PG_GETARG_ARRAYTYPE_P(8), "by");
	gate->source = pf_text_argument(fcinfo, 9);
	gate->confidence = number_argument(fcinfo, 10, "confidence");
	gate->note = pf_text_argument(fcinfo, 11);
}

/* The version keeps what its recipe was fitted to, for predictions; a training takes the recipe of now. */
static void
check_recipe(const PfModelInfo *model, const char *recipe)
{
	if (recipe == NULL || pf_catalog_has_recipe(recipe))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("recipe \"%s\", with which model \"%s\" was trained, does not exist any more", recipe, model->name),
			 errdetail("The versions of the model have copies of it, which serve their predictions only."),
			 errhint("Make it again with ml_recipe, or call ml_train with another recipe or none.")));
}

/*
 * The call of ml_train that repeats the newest version, with its query in *query.  Read from
 * our tables below row security, with what the caller may see of them.
 */
static char *
repeat_statement(const char *schema, const PfModelInfo *model, char **source)
{
	Oid			types[1] = {INT8OID};
	Datum		values[1] = {Int64GetDatum(model->id)};
	StringInfoData sql;

	if (SPI_execute_with_args("SELECT algorithm, target, query, weight, split, holdout, seed, note, "
							  "trained_by, params::pg_catalog.text AS params, "
							  "arguments OPERATOR(pg_catalog.->>) 'task' AS task, "
							  "arguments OPERATOR(pg_catalog.->>) 'features' AS features, "
							  "arguments OPERATOR(pg_catalog.->>) 'exclude' AS exclude, "
							  "arguments OPERATOR(pg_catalog.->>) 'key' AS key, "
							  "arguments OPERATOR(pg_catalog.->>) 'recipe' AS recipe "
							  "FROM pgforest.version WHERE model_id OPERATOR(pg_catalog.=) $1 "
							  "ORDER BY version DESC LIMIT 1",
							  1, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the newest version of model \"%s\"", model->name);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" has no versions", model->name),
				 errhint("Train one with ml_train.")));
	check_recipe(model, pf_result_text("recipe"));
	if (*source == NULL)
	{
		pf_catalog_may_run(pf_result_text("trained_by"));
		*source = pf_result_text("query");
	}

	pf_statement_begin(&sql, "SELECT * FROM", schema, "ml_train");
	pf_statement_text(&sql, "model", model->name);
	pf_statement_text(&sql, "source", *source);
	pf_statement_text(&sql, "target", pf_result_text("target"));
	pf_statement_text(&sql, "algorithm", pf_result_text("algorithm"));
	pf_statement_text(&sql, "params", pf_result_text("params"));
	pf_statement_text(&sql, "task", pf_result_text("task"));
	pf_statement_names(&sql, "features", pf_json_names(pf_result_text("features")));
	pf_statement_names(&sql, "exclude", pf_json_names(pf_result_text("exclude")));
	pf_statement_names(&sql, "key", pf_json_names(pf_result_text("key")));
	pf_statement_text(&sql, "weight", pf_result_text("weight"));
	pf_statement_text(&sql, "split", pf_result_text("split"));
	pf_statement_number(&sql, "holdout", pf_result_number("holdout"));
	pf_statement_int(&sql, "seed", pf_result_int("seed", 0));
	pf_statement_text(&sql, "note", pf_result_text("note"));
	pf_statement_text(&sql, "recipe", pf_result_text("recipe"));
	return pf_statement_end(&sql);
}

/* Its row in pgforest.run says what it was. */
static void
train(const PfModelInfo *model, const char *statement)
{
	PfRunOrigin before = pf_run_origin;

	pf_run_origin.kind = "retrain";
	if (pf_run_origin.model == 0)
		pf_run_origin.model = model->id;
	PG_TRY();
	{
		pf_statement_run(statement);
	}
	PG_FINALLY();
	{
		pf_run_origin = before;
	}
	PG_END_TRY();
}

static Datum
result_row(FunctionCallInfo fcinfo, const char *model, const Retraining *result)
{
	TupleDesc	desc;
	Datum		values[9];
	bool		nulls[9] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = CStringGetTextDatum(model);
	values[1] = Int32GetDatum(result->version);
	values[2] = Int32GetDatum(result->previous);
	nulls[2] = result->previous == 0;
	values[3] = BoolGetDatum(result->promoted);
	values[4] = CStringGetTextDatum(result->reason);
	values[5] = Float8GetDatum(result->score);
	nulls[5] = isnan(result->score);
	values[6] = Float8GetDatum(result->previous_score);
	nulls[6] = isnan(result->previous_score);
	values[7] = Int64GetDatum(result->rows);
	values[8] = Float8GetDatum(result->seconds);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* ml_retrain(model, promote, source, alias, metric, threshold, max_regression, min_rows, by, gate_source, confidence, note) */
Datum
ml_retrain(PG_FUNCTION_ARGS)
{
	const char *schema = pf_function_schema(fcinfo);
	char	   *name = pf_text_argument(fcinfo, 0);
	char	   *source = pf_text_argument(fcinfo, 2);
	MemoryContext caller = CurrentMemoryContext;
	PfModelInfo model;
	PfGate		gate;
	Retraining	result = {0};
	bool		never;
	char	   *statement;

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("model must not be null")));
	pf_check_model_name(name);
	read_gate(fcinfo, &gate);
	PreventCommandIfReadOnly("ml_retrain()");
	PreventCommandIfParallelMode("ml_retrain()");
	PreventCommandDuringRecovery("ml_retrain()");

	pf_push_new_snapshot();
	never = strcmp(gate.promote, "never") == 0;
	pf_catalog_need_model(name, never ? PF_RIGHT_TRAIN : PF_RIGHT_TRAIN | PF_RIGHT_PROMOTE, &model);

	SPI_connect();
	statement = repeat_statement(schema, &model, &source);
	pf_gate_check(&gate, strcmp(model.task, "classification") == 0 ? PF_CLASSIFICATION :
				  strcmp(model.task, "regression") == 0 ? PF_REGRESSION : PF_ANOMALY,
				  pf_result_text("split") != NULL || pf_result_number("holdout") > 0);
	if (gate.by != NIL)
		pf_score_check_slices(pf_source_open(gate.source ? gate.source : source), gate.by);
	PopActiveSnapshot();

	train(&model, statement);
	result.version = (int32) pf_result_int("version", 0);
	result.rows = pf_result_int("rows", 0);
	result.seconds = pf_result_number("seconds");
	result.score = pf_result_number("score");
	result.previous_score = get_float8_nan();
	if (never)
		result.reason = "not asked for";
	else
	{
		pf_statement_run(pf_gate_statement(&gate, schema, model.name,
										   list_make1_int(result.version),
										   strcmp(gate.promote, "if_better") == 0));
		result.previous = (int32) pf_result_int("previous", 0);
		result.promoted = pf_result_bool("promoted");
		result.reason = MemoryContextStrdup(caller, pf_result_text("reason"));
		result.previous_score = pf_result_number("previous_score");

		/* where the version there is the better one, the call's score is that one's */
		if (pf_result_int("version", 0) == result.version)
			result.score = pf_result_number("score");
	}
	SPI_finish();
	return result_row(fcinfo, model.name, &result);
}

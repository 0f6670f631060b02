/*
 * curves.c
 *	  ml_cross_validate, ml_learning_curve, ml_validation_curve: scores by fold, as rows.
 *
 * They differ in what is tried: one thing, one thing on growing shares of the
 * training rows, or several values of a parameter.  Nothing is stored.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"

#include "tune/tune.h"

PG_FUNCTION_INFO_V1(ml_cross_validate);
PG_FUNCTION_INFO_V1(ml_learning_curve);
PG_FUNCTION_INFO_V1(ml_validation_curve);

/* A point of a curve: what is trained there, and how the rows show it. */
typedef struct Point
{
	PfTrial    *trial;
	double		share;
	Datum		shown;			/* the first column, if there is one */
} Point;

typedef struct Curve
{
	PfTuneRequest request;
	const PfAlgorithm *algorithm;
	Jsonb	   *params;
	List	   *points;
	bool		shows;			/* is there a column before the fold? */
} Curve;

/* The arguments that all have; where they are differs. */
static void
read_curve(FunctionCallInfo fcinfo, const char *function, int algorithm, int folds, Curve *curve)
{
	PfTuneRequest *request = &curve->request;

	memset(curve, 0, sizeof(*curve));
	request->function = function;
	pf_tune_need(fcinfo, 0, function, "source");
	pf_tune_need(fcinfo, 1, function, "target");
	pf_tune_need(fcinfo, algorithm, function, "algorithm");
	pf_tune_need(fcinfo, algorithm + 1, function, "params");
	pf_tune_need(fcinfo, folds, function, "folds");
	pf_tune_need(fcinfo, folds + 8, function, "seed");
	request->train.source = pf_tune_text(fcinfo, 0);
	request->train.load.target = pf_tune_text(fcinfo, 1);
	curve->algorithm = pf_find_algorithm(pf_tune_text(fcinfo, algorithm));
	curve->params = PG_GETARG_JSONB_P(algorithm + 1);
	request->nfolds = PG_GETARG_INT32(folds);
	request->goal.metric = pf_tune_text(fcinfo, folds + 1);
	request->goal.train_scores = true;
	pf_tune_columns(fcinfo, folds + 2, request);
	request->train.recipe_name = pf_tune_text(fcinfo, folds + 9);
	request->goal.seed = PG_GETARG_INT64(folds + 8);
}

static void
add_point(Curve *curve, PfTrial *trial, double share, Datum shown)
{
	Point	   *point = palloc(sizeof(Point));

	*point = (Point) {
		.trial = trial,.share = share,.shown = shown
	};
	curve->points = lappend(curve->points, point);
}

/* Loads, trains every point on every fold, and puts out a row for each. */
static void
run_curve(ReturnSetInfo *result, Curve *curve)
{
	PfTuneRequest *request = &curve->request;
	const PfGoal *goal = &request->goal;
	List	   *trials = NIL;
	PfFolds    *folds;
	PfFoldTask *tasks;
	int			ntasks = 0;
	instr_time	start;
	ListCell   *lc;

	foreach(lc, curve->points)
		trials = lappend(trials, ((Point *) lfirst(lc))->trial);
	folds = pf_tune_load(request, trials, false);
	tasks = palloc0(list_length(curve->points) * folds->n * sizeof(PfFoldTask));
	foreach(lc, curve->points)
	{
		const Point *point = lfirst(lc);

		for (int fold = 0; fold < folds->n; fold++)
			tasks[ntasks++] = (PfFoldTask) {
			.trial = point->trial,.fold = fold,.share = point->share
		};
	}
	INSTR_TIME_SET_CURRENT(start);
	pf_fold_run_tasks(folds, tasks, ntasks, goal, start, NAN, false);

	for (int i = 0; i < ntasks; i++)
	{
		const PfFoldScore *score = &tasks[i].score;
		const Point *point = list_nth(curve->points, i / folds->n);
		Datum		values[8];
		bool		nulls[8] = {false};
		int			n = 0;

		if (curve->shows)
			values[n++] = point->shown;
		values[n++] = Int32GetDatum(tasks[i].fold + 1);
		values[n++] = CStringGetTextDatum(goal->metric);
		nulls[n] = isnan(score->train_score);
		values[n++] = Float8GetDatum(score->train_score);
		nulls[n] = isnan(score->score);
		values[n++] = Float8GetDatum(score->score);
		values[n++] = Int64GetDatum(score->train_rows);
		values[n++] = Int64GetDatum(score->rows);
		values[n++] = Float8GetDatum(score->seconds);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/* The progress must end, and all memory go, whatever happens. */
static Datum
draw(FunctionCallInfo fcinfo, const char *name, void (*plan) (FunctionCallInfo, Curve *))
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	PfProgress	progress = {0};
	Curve		curve;

	InitMaterializedSRF(fcinfo, 0);
	context = AllocSetContextCreate(caller, "pgforest folds", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		plan(fcinfo, &curve);
		curve.request.goal.name = name;
		pf_progress_start(&progress, name);
		run_curve((ReturnSetInfo *) fcinfo->resultinfo, &curve);
	}
	PG_CATCH();
	{
		pf_progress_end(&progress);
		PG_RE_THROW();
	}
	PG_END_TRY();
	pf_progress_end(&progress);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return (Datum) 0;
}

/* ml_cross_validate(source, target, algorithm, params, folds, ...) */
static void
plan_cross_validation(FunctionCallInfo fcinfo, Curve *curve)
{
	read_curve(fcinfo, "ml_cross_validate", 2, 4, curve);
	add_point(curve, pf_trial_make(curve->algorithm, curve->params), 1, (Datum) 0);
}

Datum
ml_cross_validate(PG_FUNCTION_ARGS)
{
	return draw(fcinfo, "cross-validation", plan_cross_validation);
}

/* ml_learning_curve(source, target, algorithm, params, sizes, folds, ...) */
static void
plan_learning_curve(FunctionCallInfo fcinfo, Curve *curve)
{
	PfTrial    *trial;
	Datum	   *sizes;
	bool	   *nulls;
	int			n;

	read_curve(fcinfo, "ml_learning_curve", 2, 5, curve);
	curve->shows = true;
	pf_tune_need(fcinfo, 4, curve->request.function, "sizes");
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(4), FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &sizes, &nulls, &n);
	trial = pf_trial_make(curve->algorithm, curve->params);
	for (int i = 0; i < n; i++)
	{
		double		size = nulls[i] ? NAN : DatumGetFloat8(sizes[i]);

		if (!(size > 0 && size <= 1))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 nulls[i] ? errmsg("a size must not be null")
					 : errmsg("a size must be above 0 and at most 1, not %g", size),
					 errhint("It is a share of the rows that a fold is trained on.")));
		add_point(curve, trial, size, sizes[i]);
	}
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sizes has no element"),
				 errhint("For example: sizes => '{0.1, 0.3, 1}'.")));
}

Datum
ml_learning_curve(PG_FUNCTION_ARGS)
{
	return draw(fcinfo, "learning curve", plan_learning_curve);
}

/* The parameters with one more, or another value of it. */
static Jsonb *
with_parameter(Jsonb *params, const char *name, const char *value)
{
	StringInfoData json;
	Datum		one;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	escape_json(&json, name);
	appendStringInfo(&json, ": %s}", value);
	one = DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(params), one));
}

/* ml_validation_curve(source, target, parameter, choices, algorithm, params, folds, ...) */
static void
plan_validation_curve(FunctionCallInfo fcinfo, Curve *curve)
{
	const char *function = "ml_validation_curve";
	Jsonb	   *choices;
	char	   *parameter;

	read_curve(fcinfo, function, 4, 6, curve);
	curve->shows = true;
	pf_tune_need(fcinfo, 2, function, "parameter");
	pf_tune_need(fcinfo, 3, function, "choices");
	parameter = pf_tune_text(fcinfo, 2);
	choices = PG_GETARG_JSONB_P(3);
	if (!JB_ROOT_IS_OBJECT(curve->params))
		pf_trial_make(curve->algorithm, curve->params);
	if (!JB_ROOT_IS_ARRAY(choices) || JB_ROOT_IS_SCALAR(choices) || JB_ROOT_COUNT(choices) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("choices must be a list with at least one value"),
				 errhint("For example: parameter => 'max_depth', choices => '[4, 8, 16, null]'.")));
	pf_check_searchable(parameter);
	for (uint32 i = 0; i < JB_ROOT_COUNT(choices); i++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(&choices->root, i);
		char	   *text = pf_json_text(value);

		add_point(curve,
				  pf_trial_make(curve->algorithm, with_parameter(curve->params, parameter, text)),
				  1, DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
	}
}

Datum
ml_validation_curve(PG_FUNCTION_ARGS)
{
	return draw(fcinfo, "validation curve", plan_validation_curve);
}

/*
 * promote.c
 *	  ml_promote and ml_rollback: which version an alias names.
 *
 * Measuring may take long, so it holds no lock of ours.  The move does: the
 * model's row is locked, and only then is it read again what the alias names and
 * that the version is still there.  If the alias was moved meanwhile, the
 * comparison was made with a version that is no longer the one to beat, and
 * the call ends with serialization_failure.  All of it is part of the caller's
 * transaction.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "catalog/history.h"
#include "fmgr.h"
#include "funcapi.h"
#include "load/source.h"
#include "miscadmin.h"
#include "promote/promote.h"
#include "tcop/utility.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

static void need_write(const char *command);
static void read_model(FunctionCallInfo fcinfo, PfModelInfo *model);
static char *read_alias(FunctionCallInfo fcinfo, int n);
static void read_promotion(FunctionCallInfo fcinfo, PfPromotion *promotion);
static List *read_candidates(FunctionCallInfo fcinfo, int n, const PfPromotion *promotion);
static double read_limit(FunctionCallInfo fcinfo, int n, const char *name);
static void decide_unmeasured(const PfPromotion *promotion, PfVerdict *verdict);
static void move_alias(const PfPromotion *promotion, PfVerdict *verdict);
static Datum result_row(FunctionCallInfo fcinfo, const char *model, const PfVerdict *verdict);

PG_FUNCTION_INFO_V1(ml_promote);
PG_FUNCTION_INFO_V1(ml_rollback);

/* ml_promote(model, version, alias, metric, threshold, max_regression, min_rows, by, source, note, candidates, confidence) */
Datum
ml_promote(PG_FUNCTION_ARGS)
{
	PfPromotion promotion;
	PfVerdict	verdict;
	int32		incumbent;

	need_write("ml_promote()");
	pf_push_new_snapshot();
	read_promotion(fcinfo, &promotion);
	incumbent = pf_catalog_alias(&promotion.model, promotion.alias);

	memset(&verdict, 0, sizeof(verdict));
	verdict.incumbent = incumbent;
	verdict.score = verdict.incumbent_score = NAN;
	verdict.rows = -1;
	if (promotion.measure)
		pf_promotion_compare(&promotion, incumbent, &verdict);
	else
		decide_unmeasured(&promotion, &verdict);
	if (verdict.promote)
		move_alias(&promotion, &verdict);
	PopActiveSnapshot();
	return result_row(fcinfo, promotion.model.name, &verdict);
}

/* ml_rollback(model text, alias text) */
Datum
ml_rollback(PG_FUNCTION_ARGS)
{
	PfModelInfo model;
	PfVersionInfo version;
	PfVerdict	verdict;
	char	   *alias;

	need_write("ml_rollback()");
	pf_push_new_snapshot();
	read_model(fcinfo, &model);
	alias = read_alias(fcinfo, 1);

	memset(&verdict, 0, sizeof(verdict));
	verdict.promote = true;
	verdict.rows = -1;
	pf_catalog_rollback(&model, alias, "rolled back", &verdict.version, &verdict.incumbent);
	verdict.reason = psprintf("back from version %d to the version before it",
							  verdict.incumbent);
	verdict.score = pf_catalog_version(&model, verdict.version, &version) ? version.score : NAN;
	verdict.incumbent_score =
		pf_catalog_version(&model, verdict.incumbent, &version) ? version.score : NAN;
	PopActiveSnapshot();
	return result_row(fcinfo, model.name, &verdict);
}

static void
need_write(const char *command)
{
	PreventCommandIfReadOnly(command);
	PreventCommandIfParallelMode(command);
	PreventCommandDuringRecovery(command);
}

/* ----- arguments ----- */

static void
read_model(FunctionCallInfo fcinfo, PfModelInfo *model)
{
	char	   *name;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("model must not be null")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	pf_check_model_name(name);
	pf_catalog_need_model(name, PF_RIGHT_PROMOTE, model);
}

static char *
read_alias(FunctionCallInfo fcinfo, int n)
{
	char	   *alias;

	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("alias must not be null"),
				 errhint("Leave it out for \"production\".")));
	alias = text_to_cstring(PG_GETARG_TEXT_PP(n));
	pf_check_alias_name(alias);
	return alias;
}

static void
read_promotion(FunctionCallInfo fcinfo, PfPromotion *promotion)
{
	memset(promotion, 0, sizeof(*promotion));
	read_model(fcinfo, &promotion->model);
	promotion->task = strcmp(promotion->model.task, "classification") == 0 ?
		PF_CLASSIFICATION : PF_REGRESSION;
	if (!PG_ARGISNULL(1))
	{
		PfVersionInfo version;

		promotion->version = PG_GETARG_INT32(1);
		if (promotion->version < 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("version must be 1 or more, not %d", promotion->version)));
		/* a number that no version has is an error of the reference */
		pf_catalog_resolve(psprintf("%s@%d", promotion->model.name, promotion->version),
						   PF_RIGHT_PROMOTE, &version);
	}
	promotion->alias = read_alias(fcinfo, 2);

	promotion->metric = PG_ARGISNULL(3) ?
		pstrdup(promotion->task == PF_CLASSIFICATION ? "roc_auc" : "rmse") :
		text_to_cstring(PG_GETARG_TEXT_PP(3));
	promotion->direction = pf_metric_direction(promotion->metric);
	pf_promotion_check_metric(promotion->task, promotion->metric);

	promotion->threshold = read_limit(fcinfo, 4, "threshold");
	promotion->max_regression = read_limit(fcinfo, 5, "max_regression");
	if (promotion->max_regression < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_regression must not be negative"),
				 errhint("It is a share: 0.02 lets the metric become worse by 2 percent.")));
	promotion->confidence = read_limit(fcinfo, 11, "confidence");
	if (promotion->confidence <= 0 || promotion->confidence >= 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("confidence must be between 0 and 1, not %g", promotion->confidence),
				 errhint("Pass confidence => 0.95 to promote only what is better but for a chance of 2.5 percent.")));
	if (!PG_ARGISNULL(6))
	{
		promotion->min_rows = PG_GETARG_INT64(6);
		if (promotion->min_rows < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("min_rows must not be negative")));
	}
	if (!PG_ARGISNULL(7))
		promotion->by = pf_column_names(PG_GETARG_ARRAYTYPE_P(7), "by");
	if (promotion->by != NIL && isnan(promotion->max_regression))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("by needs max_regression"),
				 errdetail("The slices that by makes are where the metric may become worse by no more than that."),
				 errhint("Add max_regression => 0.02, for example.")));
	if (!PG_ARGISNULL(8))
		promotion->source = text_to_cstring(PG_GETARG_TEXT_PP(8));
	if (!PG_ARGISNULL(9))
		promotion->note = text_to_cstring(PG_GETARG_TEXT_PP(9));
	promotion->candidates = read_candidates(fcinfo, 10, promotion);

	/* a version alone is promoted as it is; whoever asks for more gets figures */
	promotion->measure = promotion->version == 0 || !PG_ARGISNULL(3) ||
		!isnan(promotion->threshold) || !isnan(promotion->max_regression) ||
		!isnan(promotion->confidence) || !PG_ARGISNULL(6) || promotion->source != NULL;
	if (promotion->measure && strcmp(promotion->model.task, "anomaly") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" is for anomalies and has no metric to be promoted by",
						promotion->model.name),
				 errhint("Name a version and no condition: SELECT * FROM ml_promote(%s, %d).",
						 quote_literal_cstr(promotion->model.name),
						 promotion->version > 0 ? promotion->version : promotion->model.last_version)));
}

/* The versions among which the best is looked for. */
static List *
read_candidates(FunctionCallInfo fcinfo, int n, const PfPromotion *promotion)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	List	   *candidates = NIL;

	if (PG_ARGISNULL(n))
		return NIL;
	if (promotion->version != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("version and candidates exclude each other"),
				 errhint("Pass version for that one, candidates for the best of several.")));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(n), INT4OID, sizeof(int32), true, TYPALIGN_INT,
					  &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		PfVersionInfo version;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not contain nulls", "candidates")));
		pf_catalog_resolve(psprintf("%s@%d", promotion->model.name, DatumGetInt32(elements[i])),
						   PF_RIGHT_PROMOTE, &version);
		candidates = list_append_unique_int(candidates, DatumGetInt32(elements[i]));
	}
	if (candidates == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("candidates must not be empty"),
				 errhint("Leave it out to let all versions compete.")));
	return candidates;
}

static double
read_limit(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		return NAN;
	if (!isfinite(PG_GETARG_FLOAT8(n)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a finite number", name)));
	return PG_GETARG_FLOAT8(n);
}

/* Is the name in the list of the task's metrics? */
bool
pf_promotion_has_metric(PfTask task, const char *name)
{
	size_t		length = strlen(name);

	if (length == 0)
		return false;
	for (const char *at = pf_metric_names(task); at != NULL; at = strchr(at, ','))
	{
		while (*at == ',' || *at == ' ')
			at++;
		if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0'))
			return true;
	}
	return false;
}

void
pf_promotion_check_metric(PfTask task, const char *metric)
{
	if (!pf_promotion_has_metric(task, metric))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 pf_metric_direction(metric) == 0 ?
				 errmsg("unrecognized metric \"%s\"", metric) :
				 errmsg("metric \"%s\" is not one for %s", metric,
						task == PF_CLASSIFICATION ? "classification" : "regression"),
				 errhint("Valid metrics are %s.", pf_metric_names(task))));
}

/* ----- the move ----- */

/* A version without conditions: that version, now. */
static void
decide_unmeasured(const PfPromotion *promotion, PfVerdict *verdict)
{
	PfVersionInfo version;

	verdict->version = promotion->version;
	if (pf_catalog_version(&promotion->model, promotion->version, &version))
		verdict->score = version.score;
	if (verdict->incumbent != 0 &&
		pf_catalog_version(&promotion->model, verdict->incumbent, &version))
		verdict->incumbent_score = version.score;
	verdict->promote = verdict->version != verdict->incumbent;
	verdict->reason = verdict->promote ? pstrdup("asked for without a condition") :
		psprintf("version %d is \"%s\" already", verdict->version, promotion->alias);
}

static void
move_alias(const PfPromotion *promotion, PfVerdict *verdict)
{
	PfModelInfo now;
	int32		incumbent;
	int32		previous;

	pf_catalog_lock(promotion->model.name, PF_RIGHT_PROMOTE, &now);

	/* what others committed before the lock was ours is not in the statement's snapshot */
	PushActiveSnapshot(GetLatestSnapshot());
	incumbent = pf_catalog_alias(&now, promotion->alias);
	PopActiveSnapshot();
	if (now.id != promotion->model.id ||
		(promotion->measure && incumbent != verdict->incumbent))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("alias \"%s\" of model \"%s\" was moved by another transaction meanwhile",
						promotion->alias, promotion->model.name),
				 errdetail("The comparison was made with a version that it no longer names."),
				 errhint("Call ml_promote again to compare with what is there now.")));

	pf_catalog_set_alias(&promotion->model, promotion->alias, verdict->version, "promote",
						 promotion->note == NULL ? verdict->reason :
						 psprintf("%s (%s)", promotion->note, verdict->reason),
						 &previous);
	verdict->incumbent = previous;
	if (previous == verdict->version)
	{
		/* another transaction made the same move first */
		verdict->promote = false;
		verdict->reason = psprintf("version %d is \"%s\" already", verdict->version,
								   promotion->alias);
	}
}

static Datum
result_row(FunctionCallInfo fcinfo, const char *model, const PfVerdict *verdict)
{
	TupleDesc	desc;
	Datum		values[8];
	bool		nulls[8] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = CStringGetTextDatum(model);
	values[1] = Int32GetDatum(verdict->version);
	values[2] = Int32GetDatum(verdict->incumbent);
	nulls[2] = verdict->incumbent == 0;
	values[3] = BoolGetDatum(verdict->promote);
	values[4] = CStringGetTextDatum(verdict->reason);
	values[5] = Float8GetDatum(verdict->score);
	nulls[5] = isnan(verdict->score);
	values[6] = Float8GetDatum(verdict->incumbent_score);
	nulls[6] = isnan(verdict->incumbent_score);
	values[7] = Int64GetDatum(verdict->rows);
	nulls[7] = verdict->rows < 0;
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

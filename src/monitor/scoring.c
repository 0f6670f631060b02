/*
 * scoring.c
 *	  ml_score: the predictions for a batch of rows, in a table.
 *
 * The rows are scored by one SELECT that PostgreSQL plans, in parallel where it would do so,
 * and that calls ml_predict or ml_predict_proba once a row, with the version that the
 * reference names when the call begins.  A table that is not there yet is made by CREATE
 * TABLE AS and gets a primary key over the key columns.  A statement that
 * adds rows to a table is never planned in parallel; so for a table that is there the
 * rows are first scored into a temporary table and then added, and only those whose key it
 * does not have: to score a batch twice, or to go on where a call was interrupted, adds
 * nothing twice.
 *
 * The batch is tested for drift first.  With on_drift => 'stop' nothing is written then, and the
 * call says so by a warning and in its result, not by an error: the alert that it raises would
 * be undone with everything else.
 *
 * Rights: all statements run as the caller, with his search_path; equality of keys is that
 * of the types' default operator class.
 *
 * Locks: a table that is there is locked against other writers (ShareRowExclusiveLock) to the
 * end of the transaction, so that two calls at once do not both add a key.  Who reads it
 * is not kept waiting.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/alert.h"
#include "catalog/pg_class.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "engine/walk/walk.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "load/source.h"
#include "miscadmin.h"
#include "monitor/found.h"
#include "predict/bind.h"
#include "predict/target.h"
#include "profile/drift.h"
#include "tcop/utility.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

typedef struct Scoring
{
	PfVersionInfo version;
	const PfModel *model;
	char	   *reference;		/* name@number */
	PfSource   *source;
	List	   *key;			/* names of columns */
	Oid			target;			/* InvalidOid: to be made */
	char	   *target_name;	/* quoted */
	char	   *functions;		/* schema of our functions, quoted */
	TimestampTz now;
	char	   *on_drift;
} Scoring;

static void check_on_drift(const char *on_drift);
static List *need_key(FunctionCallInfo fcinfo, int n);
static void check_source(const Scoring *scoring);
static void check_query(const Scoring *scoring);
static bool has_drifted(const Scoring *scoring);
static char *scoring_query(const Scoring *scoring);
static uint64 run(const char *statement, int expected);
static uint64 fill_new(const Scoring *scoring);
static uint64 add_missing(const Scoring *scoring);

PG_FUNCTION_INFO_V1(ml_score);
PG_FUNCTION_INFO_V1(pf_best_of);

PGDLLEXPORT Datum pf_best_of(PG_FUNCTION_ARGS);

/* ml_score(model text, source text, target text, key text[], on_drift text, INOUT version, rows, drifted) */
Datum
ml_score(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"model", "source", "target", "key", "on_drift"};
	Scoring		scoring = {0};
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {false, false, false};
	bool		drifted;
	uint64		rows = 0;

	for (int i = 0; i < (int) lengthof(names); i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not be null", names[i])));
	}
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PreventCommandIfReadOnly("ml_score()");
	PreventCommandIfParallelMode("ml_score()");

	scoring.on_drift = text_to_cstring(PG_GETARG_TEXT_PP(4));
	check_on_drift(scoring.on_drift);
	scoring.key = need_key(fcinfo, 3);
	scoring.now = GetCurrentTimestamp();
	scoring.functions = pstrdup(quote_identifier(get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid))));

	pf_push_new_snapshot();
	pf_catalog_resolve(text_to_cstring(PG_GETARG_TEXT_PP(0)), PF_RIGHT_PREDICT, &scoring.version);
	scoring.model = pf_hold_model(CurrentMemoryContext, &scoring.version);
	scoring.reference = psprintf("%s@%d", scoring.version.model.name, scoring.version.version);
	scoring.source = pf_source_open(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	check_source(&scoring);
	scoring.target = pf_score_target(PG_GETARG_TEXT_PP(2), scoring.key, ShareRowExclusiveLock, &scoring.target_name);
	check_query(&scoring);

	drifted = strcmp(scoring.on_drift, "ignore") != 0 && has_drifted(&scoring);
	if (!drifted || strcmp(scoring.on_drift, "stop") != 0)
	{
		SPI_connect();
		rows = OidIsValid(scoring.target) ? add_missing(&scoring) : fill_new(&scoring);
		SPI_finish();
	}
	PopActiveSnapshot();

	values[0] = Int32GetDatum(scoring.version.version);
	values[1] = Int64GetDatum((int64) rows);
	values[2] = BoolGetDatum(drifted);
	nulls[2] = strcmp(scoring.on_drift, "ignore") == 0;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* The number of the class with the largest share, from 1: for the query of ml_score. */
Datum
pf_best_of(PG_FUNCTION_ARGS)
{
	ArrayType  *shares = PG_GETARG_ARRAYTYPE_P(0);
	int			n = ArrayGetNItems(ARR_NDIM(shares), ARR_DIMS(shares));

	if (n == 0 || array_contains_nulls(shares))
		PG_RETURN_NULL();
	PG_RETURN_INT32((int32) pf_best_class((double *) ARR_DATA_PTR(shares), (uint32) n) + 1);
}

/* ----- before the first row ----- */

static void
check_on_drift(const char *on_drift)
{
	if (strcmp(on_drift, "stop") != 0 && strcmp(on_drift, "warn") != 0 &&
		strcmp(on_drift, "ignore") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized value of on_drift: \"%s\"", on_drift),
				 errhint("Valid values are \"stop\", \"warn\" and \"ignore\".")));
}

static List *
need_key(FunctionCallInfo fcinfo, int n)
{
	List	   *key = pf_column_names(PG_GETARG_ARRAYTYPE_P(n), "key");

	if (key == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key must name at least one column"),
				 errhint("Name the columns that tell the rows of the source apart, such as key => '{id}'.")));
	pf_score_check_key(key);
	return key;
}

/* Has the source the key, and what the model needs? */
static void
check_source(const Scoring *scoring)
{
	StringInfoData missing;
	ListCell   *lc;

	initStringInfo(&missing);
	foreach(lc, scoring->key)
	{
		if (pf_source_column(scoring->source, lfirst(lc)) < 0)
			pf_list_name(&missing, lfirst(lc));
	}
	if (missing.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("source lacks columns of the key"),
				 errdetail("Missing: %s.", missing.data),
				 errhint("Name columns of the source in key.")));
	pf_check_rows(&scoring->version, scoring->model, scoring->reference, scoring->source->desc);
}

/* What PostgreSQL has against the query, such as a label that is no value of its column's type. */
static void
check_query(const Scoring *scoring)
{
	SPI_connect();
	if (SPI_prepare(scoring_query(scoring), 0, NULL) == NULL)
		elog(ERROR, "could not prepare the query: %s", SPI_result_code_string(SPI_result));
	SPI_finish();
}

/* ----- drift ----- */

/* Tests all rows of the source; an empty one has not drifted. */
static bool
has_drifted(const Scoring *scoring)
{
	PfDriftOptions options = PF_DRIFT_DEFAULTS;
	PfWindow	window = {.monitor = 0,.from = DT_NOBEGIN,.until = scoring->now};
	char	   *key = psprintf("drift of model %s in batch %s", scoring->version.model.name,
								   scoring->target_name);
	bool		stop = strcmp(scoring->on_drift, "stop") == 0;
	PfAlert		alert = {0};
	StringInfoData details;
	List	   *rows;
	char	   *summary;
	bool		empty;

	SPI_connect();
	empty = run(psprintf("SELECT 1 FROM %s LIMIT 1", scoring->source->from), SPI_OK_SELECT) == 0;
	SPI_finish();
	if (empty)
		return false;

	initStringInfo(&details);
	rows = pf_drift(&scoring->version, psprintf("SELECT %s FROM %s", pf_columns_but(scoring->source, scoring->version.target),
												scoring->source->from), &options);
	pf_drift_keep(&scoring->version, &window, rows);
	summary = pf_drift_summary(rows, &details);
	if (summary == NULL)
	{
		pf_alert_resolve(key);
		return false;
	}

	appendStringInfoString(&details, ", \"target\": ");
	escape_json(&details, scoring->target_name);
	alert.event = "drift";
	alert.severity = stop ? PF_CRITICAL : PF_WARNING;
	alert.key = key;
	alert.title = psprintf("model %s, version %d: %s in the batch for %s%s", scoring->version.model.name,
						   scoring->version.version, summary, scoring->target_name,
						   stop ? ", which was not scored" : "");
	alert.model = scoring->version.model.name;
	alert.version = scoring->version.version;
	alert.details = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
													   CStringGetDatum(psprintf("{%s}", details.data))));
	pf_alert_raise(&alert);
	ereport(WARNING,
			(stop ? errmsg("nothing was scored: %s", summary) : errmsg("scored in spite of %s", summary),
			 errhint("See pgforest.drift_history%s.", stop ? "; on_drift => 'warn' scores all the same" : "")));
	return true;
}

/* ----- the statements ----- */

/* The type of a column of the target, without its modifier: that is for the assignment. */
static char *
qualified_type(Oid table, const char *column)
{
	return format_type_be_qualified(get_atttype(table, get_attnum(table, column)));
}

/* source.key of type = old.key, by the default operator of the type in the table. */
static void
append_same_key(StringInfo sql, const Scoring *scoring)
{
	ListCell   *lc;

	foreach(lc, scoring->key)
	{
		const char *name = quote_identifier(lfirst(lc));
		Oid			type = get_atttype(scoring->target, get_attnum(scoring->target, lfirst(lc)));
		Oid			equal = lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr;
		HeapTuple	tuple;

		if (!OidIsValid(equal))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_FUNCTION),
					 errmsg("column \"%s\" cannot be a key", (char *) lfirst(lc)),
					 errdetail("Its type %s has no equality operator.", format_type_be(type))));
		tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(equal));
		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for operator %u", equal);
		appendStringInfo(sql, "%sold.%s OPERATOR(%s.%s) CAST(source.%s AS %s)",
						 foreach_current_index(lc) > 0 ? " AND " : "", name,
						 quote_identifier(get_namespace_name(((Form_pg_operator) GETSTRUCT(tuple))->oprnamespace)),
						 NameStr(((Form_pg_operator) GETSTRUCT(tuple))->oprname), name,
						 format_type_be_qualified(type));
		ReleaseSysCache(tuple);
	}
}

/* The prediction and the probabilities, from what one call a row gave: q.answer. */
static void
append_answers(StringInfo sql, const Scoring *scoring, const char *type)
{
	const PfModel *model = scoring->model;

	if (model->nclasses > 0)
	{
		appendStringInfoString(sql, "(ARRAY[");
		for (uint32 i = 0; i < model->nclasses; i++)
			appendStringInfo(sql, "%sCAST(%s AS %s)", i > 0 ? ", " : "",
							 quote_literal_cstr(model->classes[i]), type);
		appendStringInfoString(sql, "])[pgforest.best_class(q.answer)] AS prediction, "
							   "q.answer AS probabilities");
	}
	else if (model->kind == PF_MODEL_ISOLATION)
	{
		bool		truth = strcmp(type, "boolean") == 0;

		appendStringInfo(sql, "CASE WHEN q.answer OPERATOR(pg_catalog.>) '%s'::pg_catalog.float8 "
						 "THEN CAST(%s AS %s) ELSE CAST(%s AS %s) END AS prediction, "
						 "ARRAY[q.answer] AS probabilities",
						 float8out_internal(model->threshold),
						 truth ? "'true'" : "'anomaly'", type, truth ? "'false'" : "'normal'", type);
	}
	else
		appendStringInfoString(sql, "q.answer AS prediction, "
							   "NULL::pg_catalog.float8[] AS probabilities");
}

/*
 * SELECT key, prediction, ...: OFFSET 0 keeps the planner from asking twice for q.answer; and Citus from sending
 * ml_predict to workers that do not have the model.
 */
static char *
scoring_query(const Scoring *scoring)
{
	const PfModel *model = scoring->model;
	const char *reference = quote_literal_cstr(scoring->reference);
	const char *type = OidIsValid(scoring->target) ? qualified_type(scoring->target, "prediction") :
		model->task == PF_REGRESSION ? "double precision" : "pg_catalog.text";
	StringInfoData sql;
	ListCell   *lc;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	foreach(lc, scoring->key)
		appendStringInfo(&sql, "q.k%d AS %s, ", foreach_current_index(lc), quote_identifier(lfirst(lc)));
	append_answers(&sql, scoring, type);
	appendStringInfo(&sql, ", %s::pg_catalog.text AS model, %d AS version, "
					 "pg_catalog.to_timestamp(%.6f) AS scored_at FROM (SELECT ",
					 quote_literal_cstr(scoring->version.model.name), scoring->version.version,
					 scoring->now / (double) USECS_PER_SEC +
					 (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY);
	foreach(lc, scoring->key)
		appendStringInfo(&sql, "source.%s AS k%d, ", quote_identifier(lfirst(lc)),
						 foreach_current_index(lc));
	if (model->nclasses > 0)
		appendStringInfo(&sql, "%s.ml_predict_proba(%s, source.*)", scoring->functions, reference);
	else
		appendStringInfo(&sql, "%s.ml_predict(%s, source.*, NULL::%s)", scoring->functions, reference,
						 model->kind == PF_MODEL_ISOLATION ? "pg_catalog.float8" : type);
	appendStringInfo(&sql, " AS answer FROM (SELECT source.* FROM %s OFFSET 0) AS source", scoring->source->from);
	if (OidIsValid(scoring->target))
	{
		/* an anti-join; Citus cannot do the same with NOT EXISTS */
		appendStringInfo(&sql, " LEFT JOIN %s AS old ON ", scoring->target_name);
		append_same_key(&sql, scoring);
		appendStringInfo(&sql, " WHERE old.%s IS NULL", quote_identifier(linitial(scoring->key)));
	}
	appendStringInfoString(&sql, " OFFSET 0) AS q");
	return sql.data;
}

static uint64
run(const char *statement, int expected)
{
	int			result = SPI_execute(statement, false, 0);

	if (result != expected)
		elog(ERROR, "could not run \"%s\": %s", statement, SPI_result_code_string(result));
	return SPI_processed;
}

/* The columns of the key, with something between them. */
static char *
key_list(const Scoring *scoring, const char *between)
{
	StringInfoData list;
	ListCell   *lc;

	initStringInfo(&list);
	foreach(lc, scoring->key)
		appendStringInfo(&list, "%s%s", foreach_current_index(lc) > 0 ? between : "",
						 quote_identifier(lfirst(lc)));
	return list.data;
}

/* Keys that are NULL or there twice are PostgreSQL's own errors. */
static uint64
fill_new(const Scoring *scoring)
{
	uint64		rows = run(psprintf("CREATE TABLE %s AS %s", scoring->target_name,
									scoring_query(scoring)), SPI_OK_UTILITY);

	run(psprintf("ALTER TABLE %s ADD PRIMARY KEY (%s)", scoring->target_name,
				 key_list(scoring, ", ")), SPI_OK_UTILITY);
	return rows;
}

/* A table that is there may lack a primary key: then nobody else would notice. */
static void
check_keys(const Scoring *scoring, const char *scores)
{
	const char *key = key_list(scoring, ", ");

	if (run(psprintf("SELECT 1 FROM %s WHERE %s IS NULL LIMIT 1", scores,
					 key_list(scoring, " IS NULL OR ")), SPI_OK_SELECT) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("the key is NULL in some rows of the source"),
				 errdetail("The key is (%s).", key),
				 errhint("Leave such rows out in the query passed as source, or name other columns in key.")));
	if (run(psprintf("SELECT ROW(%s)::pg_catalog.text FROM %s GROUP BY %s "
					 "HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 LIMIT 1",
					 key, scores, key), SPI_OK_SELECT) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("the key is not unique in the source"),
				 errdetail("Key (%s)=%s is there more than once.", key,
						   SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1)),
				 errhint("Name all columns that tell rows apart in key.")));
}

static uint64
add_missing(const Scoring *scoring)
{
	static uint32 calls = 0;	/* a trigger may call us again */
	char	   *scores = psprintf("pg_temp.pgforest_scores_%u", ++calls);
	StringInfoData names;
	uint64		rows;

	run(psprintf("CREATE TEMPORARY TABLE %s AS %s", scores + strlen("pg_temp."),
				 scoring_query(scoring)), SPI_OK_UTILITY);
	check_keys(scoring, scores);

	initStringInfo(&names);
	appendStringInfoString(&names, key_list(scoring, ", "));
	for (int i = 0; i < PF_SCORE_COLUMNS; i++)
		appendStringInfo(&names, ", %s", pf_score_columns[i]);
	rows = run(psprintf("INSERT INTO %s (%s) SELECT %s FROM %s", scoring->target_name, names.data,
						names.data, scores), SPI_OK_INSERT);
	run(psprintf("DROP TABLE %s", scores), SPI_OK_UTILITY);
	return rows;
}

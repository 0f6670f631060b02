/*
 * check.c
 *	  ml_check: what is wrong with rows before anybody predicts for them.
 *
 * Columns are compared with those of the training by name and type; then the source is read
 * once, as ml_drift reads it (source.c), with NULL in the place of what is not there.  What
 * is compared are plain shares and bounds, no distributions: that is ml_drift's.
 *
 * Severity.  critical: ml_predict refuses such rows, or half of them and more are affected;
 * warning: beyond the limit; info: there, but within it.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "profile/check.h"
#include "profile/limits.h"
#include "profile/pairs.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#define LEAST_MISSING		0.02	/* more than in training */
#define LEAST_UNSEEN		0.005
#define LEAST_OUT_OF_RANGE	0.01
#define CHANCE_OUT_OF_RANGE	10.0
#define CONSTANT_ROWS		30	/* or a column may well be so by chance */
#define LISTED_STRANGERS	5

PG_FUNCTION_INFO_V1(ml_check);

typedef struct Check
{
	const PfWatched *watched;
	const PfAllLimits *limits;
	List	   *violations;
} Check;

static PfViolation *
add(Check *check, const char *feature, const char *problem, const char *severity)
{
	PfViolation *violation = palloc0(sizeof(PfViolation));

	violation->feature = feature;
	violation->problem = problem;
	violation->severity = severity;
	violation->value = violation->threshold = NAN;
	violation->rows = -1;
	check->violations = lappend(check->violations, violation);
	return violation;
}

/* One of shares: of how many rows, and how many may be. */
static void
add_share(Check *check, const char *feature, const char *problem, uint64 affected, uint64 rows,
		  double threshold, char *detail)
{
	double		share = (double) affected / rows;
	PfViolation *violation;

	if (affected == 0)
		return;
	violation = add(check, feature, problem, share <= threshold ? "info" : share >= 0.5 ? "critical" : "warning");
	violation->value = share;
	violation->threshold = threshold;
	violation->rows = (int64) affected;
	violation->detail = detail;
}

/* ----- columns ----- */

static bool
is_known(const PfWatched *watched, const char *name)
{
	const PfVersionInfo *version = &watched->version;

	for (uint32 i = 0; i < watched->model->ncolumns; i++)
	{
		if (strcmp(watched->model->columns[i].name, name) == 0)
			return true;
	}
	for (int i = 0; i < version->nidentity; i++)
	{
		if (strcmp(version->identity[i], name) == 0)
			return true;
	}
	return (version->target && strcmp(version->target, name) == 0) ||
		(version->weight && strcmp(version->weight, name) == 0) ||
		(version->split && strcmp(version->split, name) == 0);
}

/* Is a type still what the model takes? */
static bool
is_same_kind(const PfColumn *column, Oid type)
{
	PfReader	reader;

	return pf_reader_init(&reader, type) && reader.kind == column->kind &&
		OidIsValid(reader.element) == (column->length > 0);
}

/* Appends what stands for a column: itself, or NULL. */
static void
append_column(StringInfo sql, const PfColumn *column, bool usable)
{
	const char *name = quote_identifier(column->name);

	appendStringInfoString(sql, sql->data[sql->len - 1] == ' ' ? "" : ", ");
	if (!usable)
		appendStringInfo(sql, "NULL::pg_catalog.%s AS %s",
						 column->length > 0 ? "_float8" : column->kind == PF_NUMBER ? "float8" : "text", name);
	else if (column->length > 0)
		appendStringInfo(sql, "CASE WHEN pg_catalog.cardinality(source.%s) OPERATOR(pg_catalog.=) %u "
						 "THEN source.%s END AS %s", name, column->length, name, name);
	else
		appendStringInfo(sql, "source.%s", name);
}

/* The source as the model sees its rows; raw columns that are not as its recipe needs them are NULL there. */
static PfSource *
open_source(Check *check, const PfVersionInfo *version, const char *text)
{
	const PfSource *source;
	List	   *faults = NIL;
	ListCell   *lc;

	if (version->recipe == NULL)
		return pf_source_open(text);
	source = pf_recipe_fill(pf_recipe_read(version->recipe), pf_source_open(text), version->target, &faults);
	foreach(lc, faults)
	{
		const PfRawFault *fault = lfirst(lc);

		add(check, fault->column, fault->missing ? "missing_column" : "changed_kind", "critical")->detail = fault->detail;
	}
	return pf_recipe_rows(pf_recipe_read(version->recipe), source, version->target);
}

/*
 * Compares columns; returns the source with all that the model needs, and in usable[] which of
 * its features have values.
 */
static PfSource *
check_columns(Check *check, const PfSource *source, bool *usable)
{
	const PfWatched *watched = check->watched;
	const PfModel *model = watched->model;
	PfSource   *complete = palloc0(sizeof(PfSource));
	StringInfoData sql;
	char	  **types;
	int			ntypes = pf_catalog_column_types(&watched->version, &types);
	uint32		feature = 0;
	int			target = watched->version.target ? pf_source_column(source, watched->version.target) : -1;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "(SELECT ");
	for (uint32 i = 0; i < model->ncolumns; i++)
	{
		const PfColumn *column = &model->columns[i];
		uint32		n = pf_column_features(column);
		int			at = pf_source_column(source, column->name);
		bool		good = at >= 0 && is_same_kind(column, TupleDescAttr(source->desc, at)->atttypid);
		const char *trained = (int) i < ntypes ? types[i] : "";

		if (at < 0)
			add(check, column->name, "missing_column", "critical")->detail =
				psprintf("The model needs a column of type %s.", trained);
		else
		{
			const char *type = format_type_be(TupleDescAttr(source->desc, at)->atttypid);

			if (!good)
				add(check, column->name, "changed_kind", "critical")->detail =
					psprintf("It is %s, and was %s: ml_predict refuses it.", type, trained);
			else if (strcmp(type, trained) != 0)
				add(check, column->name, "changed_type", "info")->detail =
					psprintf("It is %s, and was %s: ml_predict takes it all the same.", type, trained);
		}
		append_column(&sql, column, good);
		for (uint32 e = 0; e < n; e++)
			usable[feature++] = good;
	}
	usable[feature++] = true;
	usable[feature] = target >= 0;
	for (int i = 0; i < source->desc->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(source->desc, i)->attname);

		if (!is_known(watched, name))
			add(check, pstrdup(name), "extra_column", "info")->detail =
				"The training did not have it; it is left alone.";
	}
	if (target >= 0)
		appendStringInfo(&sql, ", source.%s", quote_identifier(watched->version.target));
	appendStringInfo(&sql, " FROM %s) AS source", source->from);
	complete->from = sql.data;
	/* for the target alone: the other columns are taken by name */
	complete->desc = source->desc;
	return complete;
}

/* ----- values ----- */

/* The unknown categories that most rows have. */
static char *
list_strangers(const PfTally *tally)
{
	StringInfoData list;
	bool		used[PF_STRANGERS] = {false};

	initStringInfo(&list);
	for (int n = 0; n < LISTED_STRANGERS; n++)
	{
		int			best = -1;
		int			length;

		for (uint32 i = 0; i < tally->nstrangers; i++)
		{
			if (!used[i] && (best < 0 || tally->strangers[i].count > tally->strangers[best].count))
				best = (int) i;
		}
		if (best < 0)
			break;
		used[best] = true;
		/* it may have been cut off within a character */
		length = pg_mbcliplen(tally->strangers[best].text, tally->strangers[best].length,
							  tally->strangers[best].length);
		if (pg_verifymbstr(tally->strangers[best].text, length, true))
			appendStringInfo(&list, "%s\"%.*s\" (" UINT64_FORMAT ")", list.len > 0 ? ", " : "Rows by value: ",
							 length, tally->strangers[best].text, tally->strangers[best].count);
	}
	appendStringInfoString(&list, tally->nstrangers > LISTED_STRANGERS ? ", ..." : ".");
	return list.data;
}

static double
or_default(double given, double otherwise)
{
	return isnan(given) ? otherwise : given;
}

/* Fewer categories have values than had; all rows the same. */
static bool
is_constant(const PfFrame *frame, const PfTally *tally)
{
	uint32		used = 0;

	if (frame->kind == PF_NUMBER)
		return tally->min == tally->max;
	for (uint32 c = 0; c < frame->ncells; c++)
		used += tally->cells[c] > 0;
	/* the last cell may be of several categories */
	return used == 1 && tally->unseen == 0 && (frame->nlisted == frame->ncells || tally->cells[frame->ncells - 1] == 0);
}

static void
check_values(Check *check, uint32 column, const PfTally *now)
{
	const PfWatched *watched = check->watched;
	const PfFrame *frame = &watched->frames[column];
	const PfTally *before = &watched->baseline.tallies[column];
	const PfLimits *limits = &check->limits->features[column];
	const char *feature = pf_watched_name(watched, column);
	uint64		values = now->rows - now->missing;
	double		missing = (double) before->missing / Max(before->rows, 1);
	double		spread = 3 * sqrt(Max(missing, 1.0 / Max(before->rows, 1)) * (1 - missing) / now->rows);

	/* a share that was there before is not a violation at all */
	if (now->missing > 0 && (double) now->missing / now->rows >
		or_default(limits->missing, missing + Max(LEAST_MISSING, spread)))
		add_share(check, feature, "null_rate", now->missing, now->rows,
				  or_default(limits->missing, missing + Max(LEAST_MISSING, spread)),
				  psprintf("Training had a share of %.4g.", missing));
	if (values == 0)
		return;
	if (now->unseen > 0)
		add_share(check, feature, frame->kind == PF_NUMBER ? "unseen_values" : "unseen_categories",
				  now->unseen, now->rows,
				  or_default(limits->unseen, LEAST_UNSEEN + (double) frame->singles / Max(before->rows, 1)),
				  frame->kind == PF_CATEGORY ? list_strangers(now) :
				  psprintf("Training had %u values, and these are others.", frame->ncells));

	/*
	 * However alike rows are, of n in training a share of 2/n lies beyond on average; more than 10/n
	 * does after one training in 2,000.
	 */
	add_share(check, feature, "out_of_range", now->below + now->above, now->rows,
			  or_default(limits->out_of_range,
						 LEAST_OUT_OF_RANGE + CHANCE_OUT_OF_RANGE / Max(before->rows - before->missing, 1)),
			  psprintf("They lie between %g and %g, those of training between %g and %g.",
					   now->min, now->max, frame->lowest, frame->highest));
	if (now->min < limits->min || now->max > limits->max)
	{
		PfViolation *violation = add(check, feature, now->min < limits->min ? "below_min" : "above_max", "warning");

		violation->value = now->min < limits->min ? now->min : now->max;
		violation->threshold = now->min < limits->min ? limits->min : limits->max;
	}
	if (values >= CONSTANT_ROWS && is_constant(frame, now) && !is_constant(frame, before))
		add(check, feature, "constant", "warning")->detail =
			psprintf("Training had about %.0f distinct values.", pf_tally_distinct(before));
}

List *
pf_check_source(const PfVersionInfo *version, const char *text, Jsonb *document)
{
	Check		check = {.violations = NIL};
	PfSource   *source = open_source(&check, version, text);
	PfWatched  *watched = pf_watch(version);
	bool	   *usable = palloc(watched->ncolumns);
	PfSource   *complete;
	List	   *profiles;
	int64		rows = 0;

	pf_watch_need_baseline(watched, "Train a new version: from then on what its rows are like is stored with it.");
	check.watched = watched;
	check.limits = pf_limits_parse(watched, document);
	complete = check_columns(&check, source, usable);
	profiles = pf_profile_source(watched, complete, NIL);
	for (uint32 i = 0; profiles != NIL && i < watched->ncolumns; i++)
	{
		const PfTally *tally = &((PfSliceProfile *) linitial(profiles))->profile.tallies[i];

		CHECK_FOR_INTERRUPTS();
		if (i < watched->model->nfeatures)
			rows = Max(rows, (int64) tally->rows);
		if (usable[i] && watched->frames[i].present && tally->rows > 0 && !check.limits->features[i].ignore)
			check_values(&check, i, tally);
	}
	if (rows < check.limits->min_rows || rows > check.limits->max_rows)
	{
		PfViolation *violation = add(&check, NULL, "row_count", rows == 0 ? "critical" : "warning");

		violation->value = violation->rows = rows;
		violation->threshold = rows < check.limits->min_rows ? check.limits->min_rows : check.limits->max_rows;
	}
	return check.violations;
}

/* ml_check(model text, source text, limits jsonb) */
Datum
ml_check(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"model", "source"};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	PfVersionInfo version;
	List	   *violations;
	ListCell   *lc;

	for (int i = 0; i < 2; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not be null", names[i])));
	}
	pf_catalog_resolve(text_to_cstring(PG_GETARG_TEXT_PP(0)), PF_RIGHT_PREDICT, &version);
	violations = pf_check_source(&version, text_to_cstring(PG_GETARG_TEXT_PP(1)),
								 PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2));
	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, violations)
	{
		const PfViolation *violation = lfirst(lc);
		Datum		values[7] = {0};
		bool		nulls[7] = {false};

		CHECK_FOR_INTERRUPTS();
		nulls[0] = violation->feature == NULL;
		if (!nulls[0])
			values[0] = CStringGetTextDatum(violation->feature);
		values[1] = CStringGetTextDatum(violation->problem);
		values[2] = CStringGetTextDatum(violation->severity);
		nulls[3] = isnan(violation->value);
		values[3] = Float8GetDatum(violation->value);
		nulls[4] = isnan(violation->threshold);
		values[4] = Float8GetDatum(violation->threshold);
		nulls[5] = violation->rows < 0;
		values[5] = Int64GetDatum(violation->rows);
		nulls[6] = violation->detail == NULL;
		if (!nulls[6])
			values[6] = CStringGetTextDatum(violation->detail);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

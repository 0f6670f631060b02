/*
 * fit.c
 *	  The constants of a recipe's steps, from the rows of a source.
 *
 * Steps are fitted in their order on rows as the steps before leave them.  Those that
 * follow one another and do not touch each other's columns are fitted together: one query
 * for all that is one value a column, one for the categories of all columns; a
 * target mean takes a query for each of its columns.  The queries run as the caller, read only.
 *
 * Every constant is independent of the order in which rows are read, and of parallel
 * workers: sums are those of numerics, which are exact.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

#include "recipe/parts.h"

#define MAX_CATEGORIES	10000
#define MAD_TO_SD		1.4826	/* of a normal distribution */

/* One value of all rows. */
typedef struct Ask
{
	const PfStep *step;			/* who asks, for which column */
	const char *column;
	char	   *value;			/* expression of a row */
	char	   *aggregate;		/* with $ for the value */
	bool		null;
	double		number;
	char	   *text;			/* when the result is a text */
} Ask;

typedef struct Category
{
	char	   *text;			/* NULL: missing */
	double		rows;
} Category;

/* All values of a column with their numbers, the most frequent first. */
typedef struct Listing
{
	char	   *value;
	double		rows;			/* of all of them */
	bool		cut;			/* there are more than are listed */
	List	   *categories;		/* of Category */
} Listing;

typedef struct Fit
{
	PfProgram  *program;
	const char *from;
	MemoryContext context;
	int64		rows;			/* of the source; -1: not counted yet */
	List	   *pending;		/* steps that are fitted together */
	List	   *asks;
	List	   *listings;
	const PfStep *step;			/* that asks now */
	const char *column;
	int			next_ask;		/* the answer that the next step takes */
	int			next_listing;
} Fit;

/* ----- queries ----- */

static SPITupleTable *
run_query(Fit *fit, const char *sql, uint64 limit)
{
	int			result;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	result = SPI_execute(sql, true, (long) limit);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
	MemoryContextSwitchTo(fit->context);
	return SPI_tuptable;
}

static char *
get_text(SPITupleTable *table, uint64 row, int column)
{
	bool		null;
	Datum		value = SPI_getbinval(table->vals[row], table->tupdesc, column, &null);

	return null ? NULL : TextDatumGetCString(value);
}

static double
get_float8(SPITupleTable *table, uint64 row, int column)
{
	bool		null;
	Datum		value = SPI_getbinval(table->vals[row], table->tupdesc, column, &null);

	return null ? NAN : DatumGetFloat8(value);
}

static void
ask(Fit *fit, char *value, const char *aggregate)
{
	Ask		   *one = palloc0(sizeof(Ask));

	one->step = fit->step;
	one->column = fit->column;
	one->value = value;
	one->aggregate = pstrdup(aggregate);
	fit->asks = lappend(fit->asks, one);
}

static void
list(Fit *fit, char *value)
{
	Listing    *listing = palloc0(sizeof(Listing));

	listing->value = value;
	fit->listings = lappend(fit->listings, listing);
}

/* The aggregates of all asks in one scan; the number of rows with them the first time. */
static void
run_asks(Fit *fit)
{
	List	   *values = NIL;
	StringInfoData sql;
	SPITupleTable *table;
	ListCell   *lc;

	if (fit->asks == NIL && fit->rows >= 0)
		return;
	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT pg_catalog.count(*)");
	foreach(lc, fit->asks)
	{
		const Ask  *one = lfirst(lc);
		int			place = list_length(values) + 1;

		for (int i = 0; i < list_length(values); i++)
		{
			if (strcmp(list_nth(values, i), one->value) == 0)
				place = i + 1;
		}
		if (place > list_length(values))
			values = lappend(values, one->value);
		appendStringInfoString(&sql, ",\n  ");
		for (const char *p = one->aggregate; *p; p++)
		{
			if (*p == '$')
				appendStringInfo(&sql, "s.v%d", place);
			else
				appendStringInfoChar(&sql, *p);
		}
	}
	appendStringInfo(&sql, "\nFROM (%s\nOFFSET 0) AS s", pf_program_select(fit->program, values, fit->from));

	table = run_query(fit, sql.data, 0);
	if (fit->rows < 0)
	{
		bool		null;

		fit->rows = DatumGetInt64(SPI_getbinval(table->vals[0], table->tupdesc, 1, &null));
		if (fit->rows == 0)
			ereport(ERROR,
					(errcode(ERRCODE_NO_DATA_FOUND),
					 errmsg("source has no rows to fit a recipe on")));
	}
	foreach(lc, fit->asks)
	{
		Ask		   *one = lfirst(lc);
		int			column = foreach_current_index(lc) + 2;

		if (SPI_gettypeid(table->tupdesc, column) == TEXTOID)
			one->null = (one->text = get_text(table, 0, column)) == NULL;
		else
			one->null = isnan(one->number = get_float8(table, 0, column));
	}
	SPI_finish();
}

/* The categories of all listings in one scan. */
static void
run_listings(Fit *fit)
{
	List	   *values = NIL;
	StringInfoData pairs;
	SPITupleTable *table;
	ListCell   *lc;

	if (fit->listings == NIL)
		return;
	initStringInfo(&pairs);
	foreach(lc, fit->listings)
	{
		values = lappend(values, ((Listing *) lfirst(lc))->value);
		appendStringInfo(&pairs, "%s(%d, s.v%d)", pairs.len > 0 ? ", " : "",
						 list_length(values), list_length(values));
	}
	table = run_query(fit, psprintf("SELECT h.c, h.v, h.n, h.rows FROM (\n"
									"SELECT g.c, g.v, g.n, pg_catalog.sum(g.n) OVER (PARTITION BY g.c)::pg_catalog.float8 AS rows,\n"
									"  pg_catalog.row_number() OVER (PARTITION BY g.c ORDER BY g.n DESC, g.v COLLATE pg_catalog.\"C\") AS place\n"
									"FROM (SELECT u.c, u.v, pg_catalog.count(*)::pg_catalog.float8 AS n\n"
									"FROM (%s\nOFFSET 0) AS s, LATERAL (VALUES %s) AS u (c, v)\nGROUP BY u.c, u.v) AS g) AS h\n"
									"WHERE h.place" PF_OP("<=") "%d ORDER BY h.c, h.place",
									pf_program_select(fit->program, values, fit->from), pairs.data,
									MAX_CATEGORIES + 2), 0);
	for (uint64 i = 0; i < table->numvals; i++)
	{
		bool		null;
		int			place = DatumGetInt32(SPI_getbinval(table->vals[i], table->tupdesc, 1, &null));
		Listing    *listing = list_nth(fit->listings, place - 1);
		Category   *category = palloc(sizeof(Category));

		CHECK_FOR_INTERRUPTS();
		category->text = get_text(table, i, 2);
		category->rows = get_float8(table, i, 3);
		listing->rows = get_float8(table, i, 4);
		listing->categories = lappend(listing->categories, category);
		listing->cut = list_length(listing->categories) > MAX_CATEGORIES + 1;
	}
	SPI_finish();
}

/* ----- what each step asks ----- */

#define MEAN	"pg_catalog.avg($::pg_catalog.numeric)::pg_catalog.float8"
#define SD		"pg_catalog.stddev_pop($::pg_catalog.numeric)::pg_catalog.float8"
#define MEDIAN	"pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY $)"
#define LEAST	"pg_catalog.min($)"
#define MOST	"pg_catalog.max($)"

static char *
quantile(double share)
{
	return psprintf("pg_catalog.percentile_cont(%s) WITHIN GROUP (ORDER BY $)", pf_sql_float8(share));
}

static bool
is_method(const PfStep *step, const char *method)
{
	return strcmp(step->method, method) == 0;
}

static double
or_default(double value, double other)
{
	return isnan(value) ? other : value;
}

static void
begin_column(Fit *fit, const PfStep *step, PfField *field)
{
	bool		text = pf_use_of(field->type) == PF_USE_TEXT;
	char	   *number = text ? NULL : pf_program_number(fit->program, field, 1);

	fit->step = step;
	fit->column = field->name;
	switch (step->kind)
	{
		case PF_IMPUTE:
			if (is_method(step, "mean"))
				ask(fit, number, MEAN);
			else if (is_method(step, "median"))
				ask(fit, number, MEDIAN);
			else if (is_method(step, "most_frequent"))
				ask(fit, text ? pf_program_text(fit->program, field, 1) : number,
					text ? "pg_catalog.mode() WITHIN GROUP (ORDER BY $ COLLATE pg_catalog.\"C\")" :
					"pg_catalog.mode() WITHIN GROUP (ORDER BY $)");
			break;
		case PF_CLIP:
		case PF_OUTLIERS:
			if (is_method(step, "quantile"))
			{
				ask(fit, number, quantile(or_default(step->low, 0.01)));
				ask(fit, number, quantile(or_default(step->high, 0.99)));
			}
			else if (is_method(step, "iqr"))
			{
				ask(fit, number, quantile(0.25));
				ask(fit, number, quantile(0.75));
			}
			else if (is_method(step, "mad"))
				ask(fit, number, MEDIAN);
			break;
		case PF_SCALE:
			if (is_method(step, "standard"))
			{
				ask(fit, number, MEAN);
				ask(fit, number, SD);
			}
			else if (is_method(step, "min_max"))
			{
				ask(fit, number, LEAST);
				ask(fit, number, MOST);
			}
			else
			{
				ask(fit, number, MEDIAN);
				ask(fit, number, quantile(0.25));
				ask(fit, number, quantile(0.75));
			}
			break;
		case PF_BUCKETIZE:
			if (is_method(step, "quantile"))
			{
				for (int i = 1; i < step->bins; i++)
					ask(fit, number, quantile((double) i / step->bins));
			}
			else if (is_method(step, "uniform"))
			{
				ask(fit, number, LEAST);
				ask(fit, number, MOST);
			}
			break;
		case PF_ORDINAL:
			if (step->values != NIL)
				break;
			/* FALLTHROUGH */
		case PF_GROUP_RARE:
		case PF_ONE_HOT:
			list(fit, pf_program_text(fit->program, field, 1));
			break;
		default:
			break;
	}
}

/* ----- what each step makes of the answers ----- */

static void
append_number(StringInfo json, const PfStep *step, const char *column, double number)
{
	char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];

	if (!isfinite(number))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("%s gets no finite constant from column \"%s\"", pf_step_title(step), column),
				 errhint("It has infinite values, or such as are too large; a step \"filter\", \"null_if\" or \"clip\" with constants before it can keep them away.")));
	double_to_shortest_decimal_buf(number, digits);
	appendStringInfoString(json, digits);
}

static void
append_constant(StringInfo json, const PfStep *step, const char *column, const char *name, double number)
{
	appendStringInfo(json, "%s\"%s\":", json->data[json->len - 1] == '{' ? "" : ",", name);
	append_number(json, step, column, number);
}

static const Ask *
answer(Fit *fit)
{
	return list_nth(fit->asks, fit->next_ask++);
}

static double
answer_number(Fit *fit)
{
	return answer(fit)->number;
}

static void
finish_bounds(Fit *fit, StringInfo json, const PfStep *step, PfField *field)
{
	double		low;
	double		high;

	if (is_method(step, "constant"))
	{
		low = or_default(step->low, -DBL_MAX);
		high = or_default(step->high, DBL_MAX);
	}
	else if (is_method(step, "quantile"))
	{
		low = answer_number(fit);
		high = answer_number(fit);
	}
	else if (is_method(step, "iqr"))
	{
		double		factor = or_default(step->factor, 1.5);
		double		first = answer_number(fit);
		double		third = answer_number(fit);

		low = first - factor * (third - first);
		high = third + factor * (third - first);
	}
	else
	{
		/* the median of the distances from the median, which was not known before */
		double		factor = or_default(step->factor, 3) * MAD_TO_SD;
		double		median = answer_number(fit);
		char	   *number = pf_program_number(fit->program, field, 1);
		double		mad;
		SPITupleTable *table;

		table = run_query(fit, psprintf("SELECT pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY s.v1)\nFROM (%s) AS s",
										pf_program_select(fit->program,
														  list_make1(psprintf("pg_catalog.abs(%s" PF_OP("-") "%s)", number,
																			  pf_sql_float8(median))), fit->from)), 0);
		mad = get_float8(table, 0, 1);
		SPI_finish();
		low = median - factor * mad;
		high = median + factor * mad;
	}
	append_constant(json, step, field->name, "low", low);
	append_constant(json, step, field->name, "high", high);
}

static void
finish_scale(Fit *fit, StringInfo json, const PfStep *step, const char *column)
{
	double		center = answer_number(fit);
	double		scale = answer_number(fit);

	if (is_method(step, "min_max"))
		scale -= center;
	else if (is_method(step, "robust"))
		scale = answer_number(fit) - scale;
	/* what never differs stays 0 */
	append_constant(json, step, column, "center", center);
	append_constant(json, step, column, "scale", scale == 0 ? 1 : scale);
}

static void
finish_bucketize(Fit *fit, StringInfo json, const PfStep *step, const char *column)
{
	double		least = 0;
	double		width = 0;
	double		before = 0;
	int			n = 0;

	if (is_method(step, "uniform"))
	{
		least = answer_number(fit);
		width = (answer_number(fit) - least) / step->bins;
	}
	appendStringInfoString(json, "\"edges\":[");
	for (int i = 1; i < step->bins; i++)
	{
		double		edge = is_method(step, "uniform") ? least + i * width : answer_number(fit);

		if (n > 0 && edge <= before)
			continue;
		appendStringInfoString(json, n++ > 0 ? "," : "");
		append_number(json, step, column, edge);
		before = edge;
	}
	appendStringInfoChar(json, ']');
}

static void
append_names(StringInfo json, const char *name, const List *names)
{
	const ListCell *lc;

	appendStringInfo(json, "\"%s\":[", name);
	foreach(lc, names)
	{
		appendStringInfoString(json, foreach_current_index(lc) > 0 ? "," : "");
		escape_json(json, lfirst(lc));
	}
	appendStringInfoChar(json, ']');
}

pg_noreturn static void
too_many_categories(const PfStep *step, const char *column, int limit)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("column \"%s\" has more than %d categories in %s", column, limit, pf_step_title(step)),
			 errhint("A step \"group_rare\" before it makes one of the rare ones%s.",
					 step->kind == PF_ONE_HOT ? "; \"max_categories\" raises the limit" : "")));
}

static int
compare_bytes(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

static int
compare_numbers(const ListCell *a, const ListCell *b)
{
	double		x = strtod(lfirst(a), NULL);
	double		y = strtod(lfirst(b), NULL);

	return x < y ? -1 : x > y ? 1 : strcmp(lfirst(a), lfirst(b));
}

static void
finish_categories(Fit *fit, StringInfo json, const PfStep *step, const PfField *field)
{
	const Listing *listing = list_nth(fit->listings, fit->next_listing++);
	double		least = 0;
	List	   *names = NIL;
	bool		null = false;
	ListCell   *lc;

	if (step->kind == PF_GROUP_RARE)
		least = step->min_count != 0 ? step->min_count : or_default(step->min_share, 0.01) * listing->rows;
	foreach(lc, listing->categories)
	{
		const Category *category = lfirst(lc);

		if (category->text == NULL)
			null = true;
		else if (category->rows >= least)
			names = lappend(names, category->text);
	}
	if (step->kind == PF_ONE_HOT && list_length(names) > step->max_categories)
		too_many_categories(step, field->name, step->max_categories);
	if (list_length(names) > MAX_CATEGORIES)
		too_many_categories(step, field->name, MAX_CATEGORIES);
	list_sort(names, pf_use_of(field->type) == PF_USE_NUMBER ? compare_numbers : compare_bytes);
	append_names(json, step->kind == PF_GROUP_RARE ? "kept" : "categories", names);
	appendStringInfo(json, ",\"null\":%s", null ? "true" : "false");
}

/* ----- target means ----- */

/* One fit: the mean of all, and those of the categories by the formula. */
static void
append_encoding(StringInfo json, const PfStep *step, const char *column, SPITupleTable *table, uint64 first, uint64 end)
{
	double		mean = get_float8(table, first, 6);
	double		variance = get_float8(table, first, 7) / get_float8(table, first, 5);

	append_constant(json, step, column, "mean", mean);
	appendStringInfoString(json, ",\"categories\":{");
	for (uint64 i = first + 1; i < end; i++)
	{
		char	   *text = get_text(table, i, 3);
		double		n = get_float8(table, i, 5);
		double		own = get_float8(table, i, 6);
		double		within = get_float8(table, i, 7) / n;
		double		encoded;

		CHECK_FOR_INTERRUPTS();
		if (isnan(step->smoothing))
		{
			double		trust = variance * n / (variance * n + within);

			encoded = isnan(trust) ? mean : trust * own + (1 - trust) * mean;
		}
		else
			encoded = (n * own + step->smoothing * mean) / (n + step->smoothing);
		appendStringInfoString(json, i > first + 1 ? "," : "");
		escape_json(json, text ? psprintf("=%s", text) : "");
		appendStringInfoString(json, ":\"");
		append_number(json, step, column, encoded);
		appendStringInfoChar(json, '"');
	}
	appendStringInfoChar(json, '}');
}

static void
finish_target_mean(Fit *fit, StringInfo json, const PfStep *step, PfField *field)
{
	PfProgram  *program = fit->program;
	List	   *values = list_make3(pf_program_text(program, field, 1), pf_program_target(program, step),
									pf_program_fold(program, step)->expr);
	uint64		limit = (uint64) (MAX_CATEGORIES + 2) * (step->folds + 1);
	uint64		all_end = 0;
	SPITupleTable *table;
	uint64		row;
	bool		null = false;

	table = run_query(fit, psprintf("SELECT f.k, GROUPING(g.v), g.v, g.v IS NULL, pg_catalog.sum(g.n)::pg_catalog.float8,\n"
									"  (pg_catalog.sum(g.s)" PF_OP("/") "pg_catalog.sum(g.n))::pg_catalog.float8,\n"
									"  GREATEST(pg_catalog.sum(g.q)" PF_OP("-") "((pg_catalog.sum(g.s)" PF_OP("*") "pg_catalog.sum(g.s))"
									PF_OP("/") "pg_catalog.sum(g.n)), 0::pg_catalog.numeric)::pg_catalog.float8\n"
									"FROM (SELECT s.v1 AS v, s.v3 AS f, pg_catalog.count(*) AS n, pg_catalog.sum(s.v2::pg_catalog.numeric) AS s,\n"
									"  pg_catalog.sum(s.v2::pg_catalog.numeric" PF_OP("*") "s.v2::pg_catalog.numeric) AS q\n"
									"FROM (%s\nOFFSET 0) AS s WHERE s.v2 IS NOT NULL GROUP BY s.v1, s.v3) AS g\n"
									"JOIN pg_catalog.generate_series(-1, %d) AS f (k) ON g.f" PF_OP("<>") "f.k\n"
									"GROUP BY GROUPING SETS ((f.k, g.v), (f.k)) ORDER BY 1, 2 DESC, g.v COLLATE pg_catalog.\"C\"",
									pf_program_select(program, values, fit->from), step->folds - 1), limit);
	if (table->numvals == limit)
		too_many_categories(step, field->name, MAX_CATEGORIES);
	if (table->numvals == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("%s finds no row whose target \"%s\" is not null", pf_step_title(step), step->target)));

	/* a fit is a run of rows with one k; the first of them is of all categories */
	for (row = 0; row < table->numvals; row++)
	{
		bool		isnull;

		if (DatumGetInt32(SPI_getbinval(table->vals[row], table->tupdesc, 1, &isnull)) != -1)
			break;
		null = null || (row > 0 && get_text(table, row, 3) == NULL);
	}
	all_end = row;
	appendStringInfo(json, "\"null\":%s,\"all\":{", null ? "true" : "false");
	append_encoding(json, step, field->name, table, 0, all_end);
	appendStringInfoString(json, "},\"folds\":[");
	for (int k = 0; k < step->folds; k++)
	{
		uint64		first = row;
		bool		isnull;

		while (row < table->numvals &&
			   DatumGetInt32(SPI_getbinval(table->vals[row], table->tupdesc, 1, &isnull)) == k)
			row++;
		appendStringInfoString(json, k > 0 ? ",{" : "{");
		/* no row outside of this fold: very few rows */
		if (first == row)
			append_encoding(json, step, field->name, table, 0, all_end);
		else
			append_encoding(json, step, field->name, table, first, row);
		appendStringInfoChar(json, '}');
	}
	appendStringInfoChar(json, ']');
	SPI_finish();
}

/* ----- a step, a batch of them, all ----- */

static void
finish_column(Fit *fit, StringInfo json, const PfStep *step, PfField *field)
{
	const Ask  *one;
	ListCell   *lc;

	switch (step->kind)
	{
		case PF_IMPUTE:
			if (is_method(step, "constant"))
			{
				if (pf_use_of(field->type) != PF_USE_TEXT)
				{
					append_constant(json, step, field->name, "value", step->value.number);
					break;
				}
				appendStringInfoString(json, "\"value\":");
				escape_json(json, step->value.text);
				break;
			}
			one = answer(fit);
			if (one->text == NULL)
				append_constant(json, step, field->name, "value", one->number);
			else
			{
				appendStringInfoString(json, "\"value\":");
				escape_json(json, one->text);
			}
			break;
		case PF_CLIP:
		case PF_OUTLIERS:
			finish_bounds(fit, json, step, field);
			break;
		case PF_SCALE:
			finish_scale(fit, json, step, field->name);
			break;
		case PF_BUCKETIZE:
			if (step->edges == NIL)
				finish_bucketize(fit, json, step, field->name);
			break;
		case PF_ORDINAL:
			if (step->values != NIL)
			{
				List	   *names = NIL;

				foreach(lc, step->values)
					names = lappend(names, ((PfScalar *) lfirst(lc))->text);
				append_names(json, "categories", names);
				break;
			}
			/* FALLTHROUGH */
		case PF_GROUP_RARE:
		case PF_ONE_HOT:
			finish_categories(fit, json, step, field);
			break;
		case PF_TARGET_MEAN:
			finish_target_mean(fit, json, step, field);
			break;
		default:
			break;
	}
}

/* Errors with all columns of a step in which there was nothing to fit on. */
static void
check_answers(const Fit *fit, const PfStep *step)
{
	StringInfoData empty;
	const char *last = NULL;
	ListCell   *lc;

	initStringInfo(&empty);
	foreach(lc, fit->asks)
	{
		const Ask  *one = lfirst(lc);

		if (one->step == step && one->null && one->column != last)
			appendStringInfo(&empty, "%s\"%s\"", empty.len > 0 ? ", " : "", last = one->column);
	}
	if (empty.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("%s finds no values to fit on", pf_step_title(step)),
				 errdetail("Without any value: %s.", empty.data),
				 errhint("Drop such columns in a step before.")));
}

static void
finish_step(Fit *fit, PfStep *step)
{
	StringInfoData json;
	ListCell   *lc;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	foreach(lc, step->columns)
	{
		PfField    *field = pf_program_field(fit->program, lfirst(lc));

		appendStringInfoString(&json, json.len > 1 ? "," : "");
		escape_json(&json, field->name);
		appendStringInfoString(&json, ":{");
		finish_column(fit, &json, step, field);
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoChar(&json, '}');
	step->fitted = &DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)))->root;
}

static bool
is_fitted(const PfStep *step)
{
	switch (step->kind)
	{
		case PF_IMPUTE:
		case PF_CLIP:
		case PF_OUTLIERS:
		case PF_SCALE:
		case PF_BUCKETIZE:
		case PF_GROUP_RARE:
		case PF_ONE_HOT:
		case PF_ORDINAL:
		case PF_TARGET_MEAN:
			return true;
		default:
			return false;
	}
}

/* Fits what is pending, and goes on to the rows after it. */
static void
run_pending(Fit *fit)
{
	ListCell   *lc;

	run_asks(fit);
	run_listings(fit);
	fit->next_ask = fit->next_listing = 0;
	foreach(lc, fit->pending)
	{
		PfStep	   *step = lfirst(lc);

		if (!is_fitted(step))
			continue;
		check_answers(fit, step);
		finish_step(fit, step);
	}
	foreach(lc, fit->pending)
		pf_program_add(fit->program, lfirst(lc));
	fit->pending = fit->asks = fit->listings = NIL;

	/* what is asked next is asked of columns, not of expressions that go with their layer */
	pf_program_settle(fit->program);
}

static bool
touches(const PfStep *step, const char *name)
{
	ListCell   *lc;

	foreach(lc, step->columns)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	}
	foreach(lc, step->names)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	}
	return false;
}

/* Must what is pending be known before the step can be looked at? */
static bool
depends(const Fit *fit, const PfStep *step)
{
	List	   *names = list_concat_copy(step->columns, step->names);
	ListCell   *lc;
	ListCell   *other;

	if (fit->pending == NIL)
		return false;
	if (step->group != NULL || step->kind == PF_DEDUPLICATE || step->kind == PF_RENAME)
		return true;
	if (step->target != NULL)
		names = lappend(names, step->target);
	foreach(lc, names)
	{
		if (pf_program_field(fit->program, lfirst(lc)) == NULL)
			return true;
	}
	foreach(other, fit->pending)
	{
		if (pf_step_drops_rows(lfirst(other)))
			return true;
		foreach(lc, names)
		{
			if (touches(lfirst(other), lfirst(lc)))
				return true;
		}
	}
	return false;
}

int64
pf_fit(List *steps, const PfSource *source)
{
	Fit			fit = {.context = CurrentMemoryContext,.rows = -1,.from = source->from};
	int			ncolumns = source->desc->natts;
	char	  **columns = palloc(sizeof(char *) * Max(ncolumns, 1));
	Oid		   *types = palloc(sizeof(Oid) * Max(ncolumns, 1));
	ListCell   *lc;
	ListCell   *column;

	for (int i = 0; i < ncolumns; i++)
	{
		columns[i] = NameStr(TupleDescAttr(source->desc, i)->attname);
		types[i] = TupleDescAttr(source->desc, i)->atttypid;
	}
	fit.program = pf_program_start(ncolumns, columns, types, steps, true);
	foreach(lc, steps)
	{
		PfStep	   *step = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		if (depends(&fit, step))
			run_pending(&fit);
		pf_program_resolve(fit.program, step);
		if (is_fitted(step))
		{
			foreach(column, step->columns)
				begin_column(&fit, step, pf_program_field(fit.program, lfirst(column)));
		}
		fit.pending = lappend(fit.pending, step);
	}
	run_pending(&fit);
	pf_program_end(fit.program);
	return fit.rows;
}

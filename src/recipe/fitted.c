/*
 * fitted.c
 *	  What each step asks of the rows, and the constants that it makes of the answers.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

#include "recipe/fit.h"

#define MAD_TO_SD		1.4826	/* of a normal distribution */

/* ----- what each step asks ----- */

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

void
pf_fit_begin(PfFit *fit, const PfStep *step, PfField *field)
{
	bool		text = pf_use_of(field->type) == PF_USE_TEXT;
	char	   *number = text ? NULL : pf_program_number(fit->program, field, 1);

	fit->step = step;
	fit->column = field->name;
	switch (step->kind)
	{
		case PF_IMPUTE:
			if (is_method(step, "mean"))
				pf_fit_ask_kind(fit, number, PF_ASK_MEAN);
			else if (is_method(step, "median"))
				pf_fit_ask(fit, number, MEDIAN);
			else if (is_method(step, "most_frequent"))
				pf_fit_ask(fit, text ? pf_program_text(fit->program, field, 1) : number,
					text ? "pg_catalog.mode() WITHIN GROUP (ORDER BY $ COLLATE pg_catalog.\"C\")" :
					"pg_catalog.mode() WITHIN GROUP (ORDER BY $)");
			break;
		case PF_CLIP:
		case PF_OUTLIERS:
			if (is_method(step, "quantile"))
			{
				pf_fit_ask(fit, number, quantile(or_default(step->low, 0.01)));
				pf_fit_ask(fit, number, quantile(or_default(step->high, 0.99)));
			}
			else if (is_method(step, "iqr"))
			{
				pf_fit_ask(fit, number, quantile(0.25));
				pf_fit_ask(fit, number, quantile(0.75));
			}
			else if (is_method(step, "mad"))
				pf_fit_ask(fit, number, MEDIAN);
			break;
		case PF_SCALE:
			if (is_method(step, "standard"))
			{
				pf_fit_ask_kind(fit, number, PF_ASK_MEAN);
				pf_fit_ask_kind(fit, number, PF_ASK_DEVIATION);
			}
			else if (is_method(step, "min_max"))
			{
				pf_fit_ask(fit, number, LEAST);
				pf_fit_ask(fit, number, MOST);
			}
			else
			{
				pf_fit_ask(fit, number, MEDIAN);
				pf_fit_ask(fit, number, quantile(0.25));
				pf_fit_ask(fit, number, quantile(0.75));
			}
			break;
		case PF_BUCKETIZE:
			if (is_method(step, "quantile"))
			{
				for (int i = 1; i < step->bins; i++)
					pf_fit_ask(fit, number, quantile((double) i / step->bins));
			}
			else if (is_method(step, "uniform"))
			{
				pf_fit_ask(fit, number, LEAST);
				pf_fit_ask(fit, number, MOST);
			}
			break;
		case PF_ORDINAL:
			if (step->values != NIL)
				break;
			/* FALLTHROUGH */
		case PF_GROUP_RARE:
		case PF_ONE_HOT:
			pf_fit_list(fit, pf_program_text(fit->program, field, 1));
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

static const PfAsk *
answer(PfFit *fit)
{
	return list_nth(fit->asks, fit->next_ask++);
}

static double
answer_number(PfFit *fit)
{
	return answer(fit)->number;
}

static void
finish_bounds(PfFit *fit, StringInfo json, const PfStep *step, PfField *field)
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

		table = pf_fit_query(fit, psprintf("SELECT pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY s.v1)\nFROM (%s) AS s",
										pf_program_select(fit->program,
														  list_make1(psprintf("pg_catalog.abs(%s" PF_OP("-") "%s)", number,
																			  pf_sql_float8(median))), fit->from)), 0);
		mad = pf_fit_number(table, 0, 1);
		SPI_finish();
		low = median - factor * mad;
		high = median + factor * mad;
	}
	append_constant(json, step, field->name, "low", low);
	append_constant(json, step, field->name, "high", high);
}

static void
finish_scale(PfFit *fit, StringInfo json, const PfStep *step, const char *column)
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
finish_bucketize(PfFit *fit, StringInfo json, const PfStep *step, const char *column)
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
finish_categories(PfFit *fit, StringInfo json, const PfStep *step, const PfField *field)
{
	const PfListing *listing = list_nth(fit->listings, fit->next_listing++);
	double		least = 0;
	List	   *names = NIL;
	bool		null = false;
	ListCell   *lc;

	if (step->kind == PF_GROUP_RARE)
		least = step->min_count != 0 ? step->min_count : or_default(step->min_share, 0.01) * listing->rows;
	foreach(lc, listing->categories)
	{
		const PfCategory *category = lfirst(lc);

		if (category->text == NULL)
			null = true;
		else if (category->rows >= least)
			names = lappend(names, category->text);
	}
	if (step->kind == PF_ONE_HOT && list_length(names) > step->max_categories)
		too_many_categories(step, field->name, step->max_categories);
	if (list_length(names) > PF_MOST_LISTED)
		too_many_categories(step, field->name, PF_MOST_LISTED);
	list_sort(names, pf_use_of(field->type) == PF_USE_NUMBER ? compare_numbers : compare_bytes);
	append_names(json, step->kind == PF_GROUP_RARE ? "kept" : "categories", names);
	appendStringInfo(json, ",\"null\":%s", null ? "true" : "false");
}

/* ----- target means ----- */

/* One fit: the mean of all, and those of the categories by the formula. */
static void
append_encoding(StringInfo json, const PfStep *step, const char *column, SPITupleTable *table, uint64 first, uint64 end)
{
	double		mean = pf_fit_number(table, first, 6);
	double		variance = pf_fit_number(table, first, 7) / pf_fit_number(table, first, 5);

	append_constant(json, step, column, "mean", mean);
	appendStringInfoString(json, ",\"categories\":{");
	for (uint64 i = first + 1; i < end; i++)
	{
		char	   *text = pf_fit_text(table, i, 3);
		double		n = pf_fit_number(table, i, 5);
		double		own = pf_fit_number(table, i, 6);
		double		within = pf_fit_number(table, i, 7) / n;
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
finish_target_mean(PfFit *fit, StringInfo json, const PfStep *step, PfField *field)
{
	PfProgram  *program = fit->program;
	List	   *values = list_make3(pf_program_text(program, field, 1), pf_program_target(program, step),
									pf_program_fold(program, step)->expr);
	uint64		limit = (uint64) (PF_MOST_LISTED + 2) * (step->folds + 1);
	uint64		all_end = 0;
	const char *sums;
	SPITupleTable *table;
	uint64		row;
	bool		null = false;

	/* of a class the sum and the sum of squares are numbers of rows */
	if (step->positive.text != NULL)
		sums = "pg_catalog.count(*) FILTER (WHERE s.v2" PF_OP("=") "'1'::pg_catalog.float8)::pg_catalog.numeric AS s,\n"
			"  pg_catalog.count(*) FILTER (WHERE s.v2" PF_OP("=") "'1'::pg_catalog.float8)::pg_catalog.numeric AS q";
	else
		sums = "pg_catalog.sum(s.v2::pg_catalog.numeric) AS s,\n"
			"  pg_catalog.sum(s.v2::pg_catalog.numeric" PF_OP("*") "s.v2::pg_catalog.numeric) AS q";
	table = pf_fit_query(fit, psprintf("SELECT f.k, GROUPING(g.v), g.v, g.v IS NULL, pg_catalog.sum(g.n)::pg_catalog.float8,\n"
									   "  (pg_catalog.sum(g.s)" PF_OP("/") "pg_catalog.sum(g.n))::pg_catalog.float8,\n"
									   "  GREATEST(pg_catalog.sum(g.q)" PF_OP("-") "((pg_catalog.sum(g.s)" PF_OP("*") "pg_catalog.sum(g.s))"
									   PF_OP("/") "pg_catalog.sum(g.n)), 0::pg_catalog.numeric)::pg_catalog.float8\n"
									   "FROM (SELECT s.v1 AS v, s.v3 AS f, pg_catalog.count(*) AS n, %s\n"
									   "FROM (%s\nOFFSET 0) AS s WHERE s.v2 IS NOT NULL GROUP BY s.v1, s.v3) AS g\n"
									   "JOIN pg_catalog.generate_series(-1, %d) AS f (k) ON g.f" PF_OP("<>") "f.k\n"
									   "GROUP BY GROUPING SETS ((f.k, g.v), (f.k)) ORDER BY 1, 2 DESC, g.v COLLATE pg_catalog.\"C\"",
									   sums, pf_program_select(program, values, fit->from), step->folds - 1), limit);
	if (table->numvals == limit)
		too_many_categories(step, field->name, PF_MOST_LISTED);
	if (table->numvals == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("%s finds no row whose target \"%s\" is not null", pf_step_title(step), step->target)));
	if (step->positive.text != NULL && pf_fit_number(table, 0, 6) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("%s finds no row whose target \"%s\" is \"%s\"", pf_step_title(step), step->target,
						step->positive.text)));

	/* a fit is a run of rows with one k; the first of them is of all categories */
	for (row = 0; row < table->numvals; row++)
	{
		bool		isnull;

		if (DatumGetInt32(SPI_getbinval(table->vals[row], table->tupdesc, 1, &isnull)) != -1)
			break;
		null = null || (row > 0 && pf_fit_text(table, row, 3) == NULL);
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

/* ----- a step ----- */

static void
finish_column(PfFit *fit, StringInfo json, const PfStep *step, PfField *field)
{
	const PfAsk  *one;
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

void
pf_fit_finish(PfFit *fit, PfStep *step)
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

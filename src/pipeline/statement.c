/*
 * statement.c
 *	  Calls of our SQL functions as text.
 *
 * Text instead of parameters, because it is shown to people too: by ml_pipeline, and in
 * pgforest.run_step.  Every name and value is quoted.
 */
#include "postgres.h"

#include <math.h>

#include "executor/spi.h"
#include "fmgr.h"
#include "pipeline/statement.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/lsyscache.h"

const char *
pf_function_schema(FunctionCallInfo fcinfo)
{
	return get_namespace_name(get_func_namespace(fcinfo->flinfo->fn_oid));
}

void
pf_statement_begin(StringInfo sql, const char *verb, const char *schema, const char *function)
{
	initStringInfo(sql);
	appendStringInfo(sql, "%s %s(", verb, quote_qualified_identifier(schema, function));
}

static void
append(StringInfo sql, const char *name, const char *value)
{
	appendStringInfo(sql, "%s%s => %s", sql->data[sql->len - 1] == '(' ? "" : ", ",
					 quote_identifier(name), value);
}

void
pf_statement_text(StringInfo sql, const char *name, const char *value)
{
	if (value != NULL)
		append(sql, name, quote_literal_cstr(value));
}

void
pf_statement_names(StringInfo sql, const char *name, List *values)
{
	StringInfoData array;
	ListCell   *lc;

	if (values == NIL)
		return;
	initStringInfo(&array);
	foreach(lc, values)
		appendStringInfo(&array, "%s%s", array.len > 0 ? ", " : "",
						 quote_literal_cstr(lfirst(lc)));
	append(sql, name, psprintf("ARRAY[%s]", array.data));
}

void
pf_statement_jsonb(StringInfo sql, const char *name, Jsonb *value)
{
	if (value != NULL)
		append(sql, name, quote_literal_cstr(JsonbToCString(NULL, &value->root, VARSIZE(value))));
}

void
pf_statement_number(StringInfo sql, const char *name, double value)
{
	if (!isnan(value))
		append(sql, name, float8out_internal(value));
}

void
pf_statement_int(StringInfo sql, const char *name, int64 value)
{
	append(sql, name, psprintf(INT64_FORMAT, value));
}

void
pf_statement_ints(StringInfo sql, const char *name, List *values)
{
	StringInfoData array;
	ListCell   *lc;

	initStringInfo(&array);
	foreach(lc, values)
		appendStringInfo(&array, "%s%d", array.len > 0 ? ", " : "", lfirst_int(lc));
	append(sql, name, psprintf("ARRAY[%s]", array.data));
}

void
pf_statement_bool(StringInfo sql, const char *name, bool value)
{
	append(sql, name, value ? "true" : "false");
}

char *
pf_statement_end(StringInfo sql)
{
	appendStringInfoChar(sql, ')');
	return sql->data;
}

List *
pf_json_names(const char *array)
{
	List	   *names = NIL;
	JsonbIterator *it;
	JsonbValue	item;
	JsonbIteratorToken token;

	if (array == NULL)
		return NIL;
	it = JsonbIteratorInit(&DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(array)))->root);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM && item.type == jbvString)
			names = lappend(names, pnstrdup(item.val.string.val, item.val.string.len));
	}
	return names;
}

void
pf_statement_run(const char *statement)
{
	int			result = SPI_execute(statement, false, 0);

	if (result != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "\"%s\" gave no row: %s", statement, SPI_result_code_string(result));
}

char *
pf_result_text(const char *column)
{
	int			number = SPI_fnumber(SPI_tuptable->tupdesc, column);

	if (number <= 0)
		elog(ERROR, "result has no column \"%s\"", column);
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number);
}

int64
pf_result_int(const char *column, int64 none)
{
	char	   *text = pf_result_text(column);

	return text ? strtoll(text, NULL, 10) : none;
}

double
pf_result_number(const char *column)
{
	char	   *text = pf_result_text(column);

	return text ? DatumGetFloat8(DirectFunctionCall1(float8in, CStringGetDatum(text))) : get_float8_nan();
}

bool
pf_result_bool(const char *column)
{
	char	   *text = pf_result_text(column);

	return text != NULL && text[0] == 't';
}

/*
 * constants.c
 *	  Reading the fitted constants of a step.
 *
 * They come from our own table, but what a dump or an import brought there is not to be
 * trusted: whatever is not as it must be is an error.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "recipe/parts.h"

void
pf_no_constant(const PfStep *step, const char *column, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("%s of a stored recipe lacks \"%s\" of column \"%s\"", pf_step_title(step), name, column)));
}

bool
pf_find_constant(const PfStep *step, const char *column, const char *name, JsonbValue *value)
{
	return step->fitted != NULL &&
		getKeyJsonValueFromContainer(step->fitted, column, strlen(column), value) != NULL &&
		value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data) &&
		getKeyJsonValueFromContainer(value->val.binary.data, name, strlen(name), value) != NULL;
}

double
pf_json_number(const JsonbValue *value)
{
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value->val.numeric)));
}

double
pf_constant_number(const PfStep *step, const char *column, const char *name)
{
	JsonbValue	value;

	if (!pf_find_constant(step, column, name, &value) || value.type != jbvNumeric)
		pf_no_constant(step, column, name);
	return pf_json_number(&value);
}

char *
pf_constant_text(const PfStep *step, const char *column, const char *name)
{
	JsonbValue	value;

	if (!pf_find_constant(step, column, name, &value) || value.type != jbvString)
		pf_no_constant(step, column, name);
	return pnstrdup(value.val.string.val, value.val.string.len);
}

/* An array's elements: char * of strings, PfScalar of numbers. */
List *
pf_constant_list(const PfStep *step, const char *column, const char *name, enum jbvType type)
{
	List	   *list = NIL;
	JsonbValue	value;
	JsonbIterator *it;
	JsonbIteratorToken token;

	if (!pf_find_constant(step, column, name, &value) || value.type != jbvBinary ||
		!JsonContainerIsArray(value.val.binary.data))
		pf_no_constant(step, column, name);
	it = JsonbIteratorInit(value.val.binary.data);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (value.type != type)
			pf_no_constant(step, column, name);
		if (type == jbvString)
			list = lappend(list, pnstrdup(value.val.string.val, value.val.string.len));
		else
		{
			PfScalar   *scalar = palloc0(sizeof(PfScalar));

			scalar->number = pf_json_number(&value);
			list = lappend(list, scalar);
		}
	}
	return list;
}

bool
pf_constant_flag(const PfStep *step, const char *column, const char *name)
{
	JsonbValue	value;

	return pf_find_constant(step, column, name, &value) && value.type == jbvBool && value.val.boolean;
}

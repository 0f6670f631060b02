/*
 * words.c
 *	  Pieces of SQL: constants, and values of a type as numbers, texts and points in time.
 *
 * Everything is named with its schema, constants are quoted and carry their type, and
 * no operator is left to the search_path.  Numbers are written so that they come back
 * with the same bits.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "recipe/parts.h"

PfUse
pf_use_of(Oid type)
{
	if (!OidIsValid(type))
		return PF_USE_OTHER;
	switch (getBaseType(type))
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return PF_USE_NUMBER;
		case BOOLOID:
			return PF_USE_BOOLEAN;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case CHAROID:
		case NAMEOID:
		case UUIDOID:
			return PF_USE_TEXT;
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return PF_USE_TIME;
		default:
			return type_is_enum(getBaseType(type)) ? PF_USE_TEXT : PF_USE_OTHER;
	}
}

char *
pf_sql_float8(double value)
{
	char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];

	double_to_shortest_decimal_buf(value, digits);
	return psprintf("'%s'::pg_catalog.float8", digits);
}

char *
pf_sql_text(const char *value)
{
	return psprintf("%s::pg_catalog.text", quote_literal_cstr(value));
}

char *
pf_sql_float8s(const List *values)
{
	StringInfoData list;
	const ListCell *lc;

	initStringInfo(&list);
	foreach(lc, values)
	{
		char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];

		double_to_shortest_decimal_buf(((PfScalar *) lfirst(lc))->number, digits);
		appendStringInfo(&list, "%s%s", list.len > 0 ? "," : "", digits);
	}
	return psprintf("'{%s}'::pg_catalog.float8[]", list.data);
}

char *
pf_sql_texts(const List *values)
{
	Datum	   *datums = palloc(sizeof(Datum) * Max(list_length(values), 1));
	const ListCell *lc;
	ArrayType  *array;

	foreach(lc, values)
		datums[foreach_current_index(lc)] = CStringGetTextDatum(lfirst(lc));
	array = construct_array(datums, list_length(values), TEXTOID, -1, false, TYPALIGN_INT);
	return psprintf("%s::pg_catalog.text[]",
					quote_literal_cstr(OidOutputFunctionCall(F_ARRAY_OUT, PointerGetDatum(array))));
}

/* Booleans as 1 and 0; false for what is no number. */
char *
pf_sql_as_float8(const char *expr, Oid type)
{
	if (type == FLOAT8OID)
		return pstrdup(expr);
	if (pf_use_of(type) == PF_USE_BOOLEAN)
		return psprintf("%s::pg_catalog.int4::pg_catalog.float8", expr);
	return psprintf("%s::pg_catalog.float8", expr);
}

/*
 * A category as text: a number with the fewest digits that say it, whatever its type; an
 * enum's label without a cast, which users can define.
 */
char *
pf_sql_as_text(const char *expr, Oid type)
{
	Oid			base = getBaseType(type);

	switch (pf_use_of(type))
	{
		case PF_USE_NUMBER:
			return psprintf("pg_catalog.trim_scale(%s::pg_catalog.numeric)::pg_catalog.text", expr);
		case PF_USE_TEXT:
			if (base == TEXTOID)
				return pstrdup(expr);
			if (type_is_enum(base))
				return psprintf("pg_catalog.textin(pg_catalog.enum_out(%s::%s))", expr,
								format_type_extended(base, -1, FORMAT_TYPE_FORCE_QUALIFY));
			if (base == UUIDOID)
				return psprintf("pg_catalog.textin(pg_catalog.uuid_out(%s))", expr);
			return psprintf("%s::pg_catalog.text", expr);
		default:
			return psprintf("%s::pg_catalog.text", expr);
	}
}

char *
pf_sql_as_timestamp(const char *expr, Oid type, const char *timezone)
{
	switch (getBaseType(type))
	{
		case TIMESTAMPTZOID:
			return psprintf("pg_catalog.timezone(%s, %s)", pf_sql_text(timezone), expr);
		case TIMESTAMPOID:
			return pstrdup(expr);
		default:
			return psprintf("%s::pg_catalog.timestamp", expr);
	}
}

char *
pf_sql_name(const char *name)
{
	return psprintf("source.%s", quote_identifier(name));
}

/*
 * bind_recipe.c
 *	  Raw rows and JSON objects to a row of the model, through the recipe that its
 *	  version carries.
 *
 * The recipe's raw columns are matched as a model's own columns are elsewhere: by name,
 * nothing guessed, all offenders in one error.  What comes out of the recipe goes on to
 * the binder that clean rows would go to.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "predict/bind.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

static bool read_value(Oid type, JsonbValue *value, Datum *datum);
static bool read_array(JsonbContainer *array, Datum *datum);
static void complain(const PfRawBinder *raw, Jsonb *document);
static const char *wanted_type(Oid type);

void
pf_check_rows(const PfVersionInfo *version, const PfModel *model, const char *reference,
			  TupleDesc desc)
{
	if (version->recipe != NULL)
		pf_raw_binder_create(model, reference, pf_recipe_read(version->recipe), desc);
	else
		pf_binder_create(model, reference, desc);
}

PfRawBinder *
pf_raw_binder_create(const PfModel *model, const char *reference, const PfRecipe *recipe, TupleDesc desc)
{
	PfRawBinder *raw = palloc0(sizeof(PfRawBinder));
	List	   *wanted = NIL;

	for (uint32 i = 0; i < model->ncolumns; i++)
		wanted = lappend(wanted, model->columns[i].name);
	raw->reference = reference;
	raw->cleaner = pf_cleaner_create(recipe, "row", reference, desc, wanted);
	raw->binder = pf_binder_create(model, reference, pf_cleaner_desc(raw->cleaner));
	if (desc == NULL)
	{
		int			n = pf_cleaner_inputs(raw->cleaner)->natts;

		raw->values = palloc0(sizeof(Datum) * Max(n, 1));
		raw->nulls = palloc0(sizeof(bool) * Max(n, 1));
	}
	return raw;
}

void
pf_bind_raw_row(PfRawBinder *raw, const Datum *values, const bool *nulls, uint8 *row)
{
	Datum	   *clean;
	bool	   *clean_nulls;

	pf_clean_row(raw->cleaner, values, nulls, &clean, &clean_nulls);
	pf_bind_row(raw->binder, clean, clean_nulls, row);
}

void
pf_bind_raw_json(PfRawBinder *raw, Jsonb *document, uint8 *row)
{
	TupleDesc	desc = pf_cleaner_inputs(raw->cleaner);

	if (!JB_ROOT_IS_OBJECT(document))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("features of model \"%s\" must be a JSON object", raw->reference),
				 errhint("Write an object with a key for each raw column of the model's recipe.")));
	for (int i = 0; i < desc->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(desc, i)->attname);
		JsonbValue	value;

		if (!pf_cleaner_needs_input(raw->cleaner, i))
			continue;
		if (getKeyJsonValueFromContainer(&document->root, name, (int) strlen(name), &value) == NULL)
			complain(raw, document);
		raw->nulls[i] = value.type == jbvNull;
		if (!raw->nulls[i] && !read_value(TupleDescAttr(desc, i)->atttypid, &value, &raw->values[i]))
			complain(raw, document);
	}
	pf_bind_raw_row(raw, raw->values, raw->nulls, row);
}

/*
 * A JSON value as what the column was; false when it is none.  Points in time are strings, or
 * numbers as the models have them: days or seconds since 2000-01-01.
 */
static bool
read_value(Oid type, JsonbValue *value, Datum *datum)
{
	bool		number = value->type == jbvNumeric;

	switch (type)
	{
		case NUMERICOID:
			*datum = value->type == jbvBool ? NumericGetDatum(int64_to_numeric(value->val.boolean)) :
				NumericGetDatum(value->val.numeric);
			return number || value->type == jbvBool;
		case FLOAT4OID:
			if (number)
				*datum = DirectFunctionCall1(numeric_float4, NumericGetDatum(value->val.numeric));
			return number;
		case BOOLOID:
			if (number)
				*datum = BoolGetDatum(DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value->val.numeric))) != 0);
			else
				*datum = BoolGetDatum(value->val.boolean);
			return number || value->type == jbvBool;
		case TEXTOID:
			if (value->type != jbvString)
				return false;
			*datum = PointerGetDatum(cstring_to_text_with_len(value->val.string.val, value->val.string.len));
			return true;
		case DATEOID:
			if (number)
				*datum = DateADTGetDatum(DatumGetInt32(DirectFunctionCall1(numeric_int4, NumericGetDatum(value->val.numeric))));
			break;
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			if (number)
				*datum = TimestampGetDatum((Timestamp) rint(DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value->val.numeric))) * USECS_PER_SEC));
			break;
		case FLOAT8ARRAYOID:
			return value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data) &&
				read_array(value->val.binary.data, datum);
		default:
			return false;
	}
	if (value->type == jbvString)
	{
		Oid			input;
		Oid			param;

		getTypeInputInfo(type, &input, &param);
		*datum = OidInputFunctionCall(input, pnstrdup(value->val.string.val, value->val.string.len), param, -1);
		return true;
	}
	return number;
}

static bool
read_array(JsonbContainer *array, Datum *datum)
{
	int			n = JsonContainerSize(array);
	int			lower = 1;
	Datum	   *elements = palloc(sizeof(Datum) * Max(n, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(n, 1));
	JsonbIterator *it = JsonbIteratorInit(array);
	JsonbIteratorToken token;
	JsonbValue	value;
	int			i = 0;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		nulls[i] = value.type == jbvNull;
		if (value.type == jbvNumeric)
			elements[i] = DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value.val.numeric));
		else if (!nulls[i])
			return false;
		i++;
	}
	*datum = PointerGetDatum(construct_md_array(elements, nulls, 1, &n, &lower, FLOAT8OID, sizeof(float8),
												FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	return true;
}

/* Something is missing or of the wrong type: one error with all of it. */
static void
complain(const PfRawBinder *raw, Jsonb *document)
{
	TupleDesc	desc = pf_cleaner_inputs(raw->cleaner);
	StringInfoData missing;
	StringInfoData wrong;

	initStringInfo(&missing);
	initStringInfo(&wrong);
	for (int i = 0; i < desc->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(desc, i)->attname);
		Oid			type = TupleDescAttr(desc, i)->atttypid;
		JsonbValue	value;
		Datum		datum;

		if (!pf_cleaner_needs_input(raw->cleaner, i))
			continue;
		if (getKeyJsonValueFromContainer(&document->root, name, (int) strlen(name), &value) == NULL)
			pf_list_name(&missing, name);
		else if (value.type != jbvNull && !read_value(type, &value, &datum))
			appendStringInfo(&wrong, "%s\"%s\" must be %s", wrong.len > 0 ? "; " : "", name, wanted_type(type));
	}
	if (missing.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("JSON object lacks keys that the recipe of model \"%s\" needs", raw->reference),
				 errdetail("Missing: %s.", missing.data),
				 errhint("Give a missing value as null.")));
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("JSON object does not have the types that the recipe of model \"%s\" was fitted on", raw->reference),
			 errdetail("Key %s.", wrong.data)));
}

static const char *
wanted_type(Oid type)
{
	switch (type)
	{
		case NUMERICOID:
		case FLOAT4OID:
			return "a number";
		case BOOLOID:
			return "true or false";
		case TEXTOID:
			return "a string";
		case FLOAT8ARRAYOID:
			return "an array of numbers";
		default:
			return "a date or time, as a string";
	}
}

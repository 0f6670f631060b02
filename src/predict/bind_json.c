/*
 * bind_json.c
 *	  A JSON object to a row, matched by key; or a JSON array, in the order of the features.
 *
 * Nothing is guessed: a string is no number and a number is no category, so a
 * client that sends "7" for 7 hears of it instead of getting an answer for a
 * missing value.  JSON null is a missing value; a key that is not there is an
 * error, since a misspelt one would look the same.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "predict/bind.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

static bool find(Jsonb *document, const PfColumn *column, JsonbValue *value);
static bool fits(const PfColumn *column, const JsonbValue *value);
static void complain(const PfModel *model, const char *reference, Jsonb *document);
static void bind_elements(const PfModel *model, const char *reference, uint32 column,
						  uint32 feature, JsonbContainer *array, uint8 *row);
static bool is_number(const JsonbValue *value);
static double read_number(const JsonbValue *value);
static const char *json_type(const JsonbValue *value);

void
pf_bind_json(const PfModel *model, const char *reference, Jsonb *document, uint8 *row)
{
	uint32		feature = 0;

	if (!JB_ROOT_IS_OBJECT(document))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("features of model \"%s\" must be a JSON object", reference),
				 errhint("Write an object with a key for each column of the model; values in the order of the features are passed as float8[].")));

	for (uint32 i = 0; i < model->ncolumns; i++)
	{
		const PfColumn *column = &model->columns[i];
		uint32		n = pf_column_features(column);
		JsonbValue	value;

		if (!find(document, column, &value) || !fits(column, &value))
			complain(model, reference, document);

		if (value.type == jbvNull)
			pf_put_missing(model, feature, n, row);
		else if (column->length > 0)
			bind_elements(model, reference, i, feature, value.val.binary.data, row);
		else if (column->kind == PF_NUMBER)
			pf_put_number(model, feature, read_number(&value), row);
		else
			pf_put_category(model, feature, value.val.string.val, value.val.string.len, row);
		feature += n;
	}
}

static bool
find(Jsonb *document, const PfColumn *column, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(&document->root, column->name,
										(int) strlen(column->name), value) != NULL;
}

static bool
fits(const PfColumn *column, const JsonbValue *value)
{
	if (value->type == jbvNull)
		return true;
	if (column->length > 0)
		return value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data);
	if (column->kind == PF_NUMBER)
		return is_number(value);
	return value->type == jbvString;
}

/* Something is missing or of the wrong type: one error with all of it. */
static void
complain(const PfModel *model, const char *reference, Jsonb *document)
{
	StringInfoData missing;
	StringInfoData wrong;

	initStringInfo(&missing);
	initStringInfo(&wrong);
	for (uint32 i = 0; i < model->ncolumns; i++)
	{
		const PfColumn *column = &model->columns[i];
		JsonbValue	value;

		if (!find(document, column, &value))
			pf_list_name(&missing, column->name);
		else if (!fits(column, &value))
			appendStringInfo(&wrong, "%s\"%s\" is %s, the model has %s",
							 wrong.len > 0 ? "; " : "", column->name, json_type(&value),
							 column->length > 0 ? "an array of numbers" :
							 column->kind == PF_NUMBER ? "a number" : "a category (a string)");
	}

	if (missing.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("JSON object lacks keys that model \"%s\" needs", reference),
				 errdetail("Missing: %s.", missing.data),
				 errhint("Give a missing value as null.")));
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("JSON object does not have the types that model \"%s\" was trained on", reference),
			 errdetail("Key %s.", wrong.data),
			 errhint("Numbers and booleans are written without quotes; for dates and timestamps pass a row, or their number of days or seconds since 2000-01-01.")));
}

/* An array column: one feature an element. */
static void
bind_elements(const PfModel *model, const char *reference, uint32 column,
			  uint32 feature, JsonbContainer *array, uint8 *row)
{
	const PfColumn *shape = &model->columns[column];
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	value;
	uint32		n = 0;

	if (JsonContainerSize(array) != shape->length)
		pf_wrong_length(reference, shape, JsonContainerSize(array));

	it = JsonbIteratorInit(array);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (value.type == jbvNull)
			pf_put_missing(model, feature + n, 1, row);
		else if (is_number(&value))
			pf_put_number(model, feature + n, read_number(&value), row);
		else
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("JSON object does not have the types that model \"%s\" was trained on", reference),
					 errdetail("Element %u of key \"%s\" is %s, the model has a number.",
							   n + 1, shape->name, json_type(&value))));
		n++;
	}
}

void
pf_bind_json_array(const PfModel *model, const char *reference, JsonbContainer *array, uint8 *row)
{
	JsonbIterator *it = JsonbIteratorInit(array);
	JsonbIteratorToken token;
	JsonbValue	value;
	uint32		n = 0;

	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		const PfBins *bins;

		if (token == WJB_KEY)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("array for model \"%s\" has an object in it", reference),
					 errhint("An array has the values of the features in their order; an object has them by the names of the columns.")));
		if (token != WJB_ELEM)
			continue;
		if (n % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
		if (n++ >= model->nfeatures)
			continue;
		bins = &model->bins[n - 1];
		if (value.type == jbvNull)
			pf_put_missing(model, n - 1, 1, row);
		else if (bins->kind == PF_NUMBER && is_number(&value))
			pf_put_number(model, n - 1, read_number(&value), row);
		else if (bins->kind == PF_CATEGORY && value.type == jbvString)
			pf_put_category(model, n - 1, value.val.string.val, value.val.string.len, row);
		else
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("array does not have the types that model \"%s\" was trained on", reference),
					 errdetail("Element %u is %s, the model has %s.", n, json_type(&value),
							   bins->kind == PF_NUMBER ? "a number" : "a category (a string)")));
	}
	if (n != model->nfeatures)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("array has the wrong length for model \"%s\"", reference),
				 errdetail("The model expects %u elements, one for each feature; the array has %u.",
						   model->nfeatures, n)));
}

static bool
is_number(const JsonbValue *value)
{
	return value->type == jbvNumeric || value->type == jbvBool;
}

/* Booleans are 1 and 0, as in columns. */
static double
read_number(const JsonbValue *value)
{
	if (value->type == jbvBool)
		return value->val.boolean ? 1 : 0;
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
											  NumericGetDatum(value->val.numeric)));
}

static const char *
json_type(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvNull:
			return "null";
		case jbvString:
			return "a string";
		case jbvNumeric:
			return "a number";
		case jbvBool:
			return "a boolean";
		case jbvBinary:
			return JsonContainerIsArray(value->val.binary.data) ? "an array" : "an object";
		default:
			return "of another type";
	}
}

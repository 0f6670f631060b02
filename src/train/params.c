/*
 * params.c
 *	  Hyper-parameters from jsonb, checked against the engine's table.
 *
 * A parameter that is not given has the default of the table, read by the same
 * code as a given one, so a default cannot be out of range or of the wrong type.
 * Memory: the current context.
 */
#include "postgres.h"

#include <math.h>

#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/numeric.h"

#include "train/params.h"

PG_FUNCTION_INFO_V1(ml_parameters);

#define SHOWN_BYTES 60			/* of a refused value, at most */

static void
refuse(const PfParam *param, JsonbValue *value)
{
	StringInfoData allowed;
	char	   *given;

	if (value->type == jbvString)
		given = pnstrdup(value->val.string.val, value->val.string.len);
	else
	{
		Jsonb	   *jsonb = JsonbValueToJsonb(value);

		given = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
	}
	if (strlen(given) > SHOWN_BYTES)
		given = psprintf("%.*s...", pg_mbcliplen(given, strlen(given), SHOWN_BYTES), given);
	initStringInfo(&allowed);
	switch (param->type)
	{
		case PF_PARAM_INT:
			appendStringInfo(&allowed, "an integer from %.0f to %.0f", param->min, param->max);
			break;
		case PF_PARAM_REAL:
			appendStringInfo(&allowed, "a number from %g to %g", param->min, param->max);
			break;
		case PF_PARAM_BOOL:
			appendStringInfoString(&allowed, "true or false");
			break;
		case PF_PARAM_NAME:
			appendStringInfo(&allowed, "one of %s", param->choices);
			break;
		case PF_PARAM_INT_OR_SHARE:
			appendStringInfo(&allowed, "an integer from 1 to %.0f, a share above 0.0 and up to 1.0", param->max);
			if (param->choices)
				appendStringInfo(&allowed, ", or one of %s", param->choices);
			break;
		case PF_PARAM_CLASS_WEIGHT:
			appendStringInfo(&allowed, "one of %s, or an object like {\"yes\": 5, \"no\": 1} of weights above 0", param->choices);
			break;
	}
	if (param->null_allowed)
		appendStringInfoString(&allowed, ", or null");
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for parameter \"%s\": %s", param->name, given),
			 errhint("It must be %s.", allowed.data)));
}

/* Is a name among those separated by ", "? */
static const char *
find_choice(const char *choices, const char *name)
{
	size_t		length = strlen(name);

	for (const char *at = choices; at != NULL && length > 0;)
	{
		const char *comma = strchr(at, ',');

		if (comma ? (size_t) (comma - at) == length && strncmp(at, name, length) == 0
			: strcmp(at, name) == 0)
			return pnstrdup(at, length);
		at = comma ? comma + 2 : NULL;
	}
	return NULL;
}

static double
number_of(const PfParam *param, JsonbValue *value)
{
	double		number;

	if (value->type != jbvNumeric)
		refuse(param, value);
	number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												NumericGetDatum(value->val.numeric)));
	return number;
}

static double
number_in_range(const PfParam *param, JsonbValue *value)
{
	double		number = number_of(param, value);

	if (!(number >= param->min && number <= param->max))
		refuse(param, value);
	return number;
}

static uint32
integer(const PfParam *param, JsonbValue *value)
{
	double		number;

	if (value->type == jbvNull)
		return 0;
	number = number_in_range(param, value);
	if (number != floor(number))
		refuse(param, value);
	return (uint32) number;
}

static const char *
choice(const PfParam *param, JsonbValue *value)
{
	const char *name = NULL;

	if (value->type == jbvNull)
		return NULL;
	if (value->type == jbvString)
		name = find_choice(param->choices, pnstrdup(value->val.string.val, value->val.string.len));
	if (name == NULL)
		refuse(param, value);
	return name;
}

static bool
boolean(const PfParam *param, JsonbValue *value)
{
	if (value->type != jbvBool)
		refuse(param, value);
	return value->val.boolean;
}

/* 3 is a count; 0.3, and 1.0 as it is written, a share. */
static PfAmount
amount(const PfParam *param, JsonbValue *value)
{
	PfAmount	result = {0};

	if (value->type == jbvNull)
		return result;
	result.given = true;
	if (value->type == jbvString)
	{
		if (param->choices == NULL)
			refuse(param, value);
		result.name = choice(param, value);
		return result;
	}
	result.value = number_of(param, value);
	result.is_share = result.value != floor(result.value) ||
		strchr(DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric))), '.') != NULL;
	if (result.is_share ? !(result.value > 0 && result.value <= 1)
		: !(result.value >= 1 && result.value <= param->max))
		refuse(param, value);
	return result;
}

static void
class_weight(PfTrainParams *params, const PfParam *param, JsonbValue *value)
{
	PfForestParams *forest = &params->forest;

	if (value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data))
	{
		JsonbIterator *it = JsonbIteratorInit(value->val.binary.data);
		JsonbIteratorToken token;
		JsonbValue	item;
		int			n = JsonContainerSize(value->val.binary.data);

		if (n == 0)
			refuse(param, value);
		forest->class_weight = PF_WEIGHT_EXPLICIT;
		params->class_names = palloc(n * sizeof(char *));
		params->class_weights = palloc(n * sizeof(double));
		params->nclass_weights = 0;
		while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
		{
			double		weight;

			if (token == WJB_KEY)
				params->class_names[params->nclass_weights] =
					pnstrdup(item.val.string.val, item.val.string.len);
			if (token != WJB_VALUE)
				continue;
			weight = item.type == jbvNumeric ? number_of(param, &item) : 0;
			if (!(weight > 0 && weight <= param->max))
				refuse(param, value);
			params->class_weights[params->nclass_weights++] = weight;
		}
		return;
	}
	if (value->type == jbvNull)
		forest->class_weight = PF_WEIGHT_NONE;
	else
		forest->class_weight = strcmp(choice(param, value), "balanced") == 0
			? PF_WEIGHT_BALANCED : PF_WEIGHT_BALANCED_SUBSAMPLE;
}

static void
set_param(PfTrainParams *params, const PfParam *param, JsonbValue *value)
{
	PfForestParams *forest = &params->forest;
	const char *name = param->name;

	if (value->type == jbvNull && !param->null_allowed)
		refuse(param, value);

	if (strcmp(name, "n_estimators") == 0)
		forest->n_estimators = integer(param, value);
	else if (strcmp(name, "criterion") == 0)
		params->criterion = choice(param, value);
	else if (strcmp(name, "max_depth") == 0)
		forest->max_depth = integer(param, value);
	else if (strcmp(name, "max_features") == 0)
		params->max_features = amount(param, value);
	else if (strcmp(name, "max_leaf_nodes") == 0)
		forest->max_leaf_nodes = integer(param, value);
	else if (strcmp(name, "min_samples_split") == 0)
		forest->min_samples_split = integer(param, value);
	else if (strcmp(name, "min_samples_leaf") == 0)
		forest->min_samples_leaf = integer(param, value);
	else if (strcmp(name, "min_weight_fraction_leaf") == 0)
		forest->min_weight_fraction_leaf = number_in_range(param, value);
	else if (strcmp(name, "min_impurity_decrease") == 0)
		forest->min_impurity_decrease = number_in_range(param, value);
	else if (strcmp(name, "bootstrap") == 0)
		forest->bootstrap = boolean(param, value);
	else if (strcmp(name, "max_samples") == 0)
		params->max_samples = amount(param, value);
	else if (strcmp(name, "oob_score") == 0)
		forest->oob_score = boolean(param, value);
	else if (strcmp(name, "class_weight") == 0)
		class_weight(params, param, value);
	else if (strcmp(name, "max_bins") == 0)
		params->max_bins = integer(param, value);
	else if (strcmp(name, "max_rows") == 0)
		params->max_rows = integer(param, value);
	else
		elog(ERROR, "parameter \"%s\" is not handled", name);
}

/* One text of JSON as a value. */
static JsonbValue *
parse_default(const char *json)
{
	Jsonb	   *jsonb = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(psprintf("[%s]", json))));

	return getIthJsonbValueFromContainer(&jsonb->root, 0);
}

static int
param_count(void)
{
	int			n = 0;

	while (pf_forest_params[n].name != NULL)
		n++;
	return n;
}

/* Errors with all names that no parameter has, and what may have been meant. */
static void
check_names(Jsonb *given)
{
	JsonbIterator *it = JsonbIteratorInit(&given->root);
	JsonbIteratorToken token;
	JsonbValue	item;
	StringInfoData unknown;
	StringInfoData meant;
	int			n = 0;

	initStringInfo(&unknown);
	initStringInfo(&meant);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		char	   *name;
		const char *nearest;

		if (token != WJB_KEY)
			continue;
		name = pnstrdup(item.val.string.val, item.val.string.len);
		if (pf_find_param(name) != NULL)
			continue;
		appendStringInfo(&unknown, "%s\"%s\"", n++ > 0 ? ", " : "", name);
		nearest = pf_nearest_param(name);
		if (pf_edit_distance(name, nearest) <= Max(2, strlen(name) / 2))
			appendStringInfo(&meant, "%s\"%s\"", meant.len > 0 ? ", " : "Perhaps you meant ", nearest);
	}
	if (n == 0)
		return;
	if (meant.len > 0)
		appendStringInfoString(&meant, ". ");
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 n == 1 ? errmsg("unrecognized parameter %s", unknown.data)
			 : errmsg("%d unrecognized parameters", n),
			 n == 1 ? 0 : errdetail("There is no parameter %s.", unknown.data),
			 errhint("%sSELECT * FROM ml_parameters() lists all.", meant.data)));
}

PfTrainParams *
pf_params_check(Jsonb *given)
{
	PfTrainParams *params = palloc0(sizeof(PfTrainParams));
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	item;
	const PfParam *param = NULL;

	params->text = palloc0(param_count() * sizeof(char *));
	for (int i = 0; pf_forest_params[i].name != NULL; i++)
		set_param(params, &pf_forest_params[i], parse_default(pf_forest_params[i].default_json));

	if (!JB_ROOT_IS_OBJECT(given))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("params must be a JSON object"),
				 errhint("For example: params => '{\"n_estimators\": 200}'.")));

	check_names(given);
	it = JsonbIteratorInit(&given->root);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			param = pf_find_param(pnstrdup(item.val.string.val, item.val.string.len));
		else if (token == WJB_VALUE)
		{
			Jsonb	   *jsonb = JsonbValueToJsonb(&item);

			set_param(params, param, &item);
			params->text[param - pf_forest_params] =
				JB_ROOT_IS_SCALAR(jsonb)
				? DatumGetCString(DirectFunctionCall1(jsonb_out, JsonbPGetDatum(jsonb)))
				: JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
		}
	}
	return params;
}

void
pf_params_fit_task(PfTrainParams *params, PfTask task)
{
	const char *criterion = params->criterion;
	bool		classes = task == PF_CLASSIFICATION;

	if (criterion == NULL)
		criterion = classes ? "gini" : "squared_error";
	if (classes == (strcmp(criterion, "squared_error") == 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("criterion \"%s\" does not fit the task \"%s\"",
						criterion, classes ? "classification" : "regression"),
				 errhint("Use %s.", classes ? "gini or entropy" : "squared_error")));
	params->forest.criterion = !classes ? PF_SQUARED_ERROR
		: strcmp(criterion, "gini") == 0 ? PF_GINI : PF_ENTROPY;
	params->criterion = criterion;

	if (!classes && params->forest.class_weight != PF_WEIGHT_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("class_weight does not fit the task \"regression\""),
				 errhint("Give each row a weight of its own with the argument weight.")));
	if (!params->forest.bootstrap && params->max_samples.given)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_samples needs bootstrap"),
				 errhint("Leave out max_samples, or set bootstrap to true.")));
}

static uint32
count_of(const PfAmount *amount, uint32 all, uint32 none)
{
	double		count;

	if (!amount->given)
		return none;
	if (amount->name != NULL)
		count = strcmp(amount->name, "sqrt") == 0 ? floor(sqrt(all)) : floor(log2(all));
	else if (amount->is_share)
		count = floor(amount->value * all);
	else
		count = amount->value;
	return count < 1 ? 1 : count > all ? all : (uint32) count;
}

static void
fit_class_weights(PfTrainParams *params, const PfLoaded *loaded)
{
	PfForestParams *forest = &params->forest;

	forest->class_weights = palloc(loaded->nclasses * sizeof(double));
	for (int c = 0; c < loaded->nclasses; c++)
		forest->class_weights[c] = 1;
	for (int i = 0; i < params->nclass_weights; i++)
	{
		int			c = 0;

		while (c < loaded->nclasses && strcmp(loaded->classes[c], params->class_names[i]) != 0)
			c++;
		if (c == loaded->nclasses)
		{
			StringInfoData classes;

			initStringInfo(&classes);
			for (c = 0; c < Min(loaded->nclasses, 20); c++)
				appendStringInfo(&classes, "%s\"%s\"", c ? ", " : "", loaded->classes[c]);
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("class_weight names a class that the target does not have: \"%s\"",
							params->class_names[i]),
					 errhint("The classes are %s.", classes.data)));
		}
		forest->class_weights[c] = params->class_weights[i];
	}
}

void
pf_params_fit_rows(PfTrainParams *params, const PfLoaded *loaded, int64 seed)
{
	PfForestParams *forest = &params->forest;
	uint32		nfeatures = loaded->train.nfeatures;
	PfAmount	square_root = {.given = true,.name = "sqrt"};

	forest->seed = (uint64) seed;
	forest->max_features = count_of(&params->max_features, nfeatures,
									loaded->task == PF_CLASSIFICATION
									? count_of(&square_root, nfeatures, 0) : nfeatures);
	forest->max_samples = count_of(&params->max_samples, loaded->train.nrows, loaded->train.nrows);
	if (forest->class_weight == PF_WEIGHT_EXPLICIT)
		fit_class_weights(params, loaded);
}

Jsonb *
pf_params_filled(const PfTrainParams *params, PfTask task)
{
	StringInfoData json;

	initStringInfo(&json);
	for (int i = 0; pf_forest_params[i].name != NULL; i++)
	{
		const PfParam *param = &pf_forest_params[i];
		const char *text = params->text[i] ? params->text[i] : param->default_json;

		if (strcmp(param->name, "criterion") == 0)
			text = psprintf("\"%s\"", params->criterion);
		else if (strcmp(param->name, "max_features") == 0 && strcmp(text, "null") == 0)
			text = task == PF_CLASSIFICATION ? "\"sqrt\"" : "1.0";
		appendStringInfo(&json, "%c\"%s\": %s", i ? ',' : '{', param->name, text);
	}
	appendStringInfoChar(&json, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

static const char *
type_name(const PfParam *param)
{
	switch (param->type)
	{
		case PF_PARAM_INT:
			return "integer";
		case PF_PARAM_REAL:
			return "number";
		case PF_PARAM_BOOL:
			return "boolean";
		case PF_PARAM_NAME:
			return "name";
		case PF_PARAM_INT_OR_SHARE:
			return param->choices ? "integer, share or name" : "integer or share";
		case PF_PARAM_CLASS_WEIGHT:
			return "name or object";
	}
	return NULL;
}

/* ml_parameters() -> (parameter, type, default, min, max, choices, description) */
Datum
ml_parameters(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (const PfParam *param = pf_forest_params; param->name != NULL; param++)
	{
		bool		ranged = param->type != PF_PARAM_BOOL && param->type != PF_PARAM_NAME;
		Datum		values[7] = {
			CStringGetTextDatum(param->name),
			CStringGetTextDatum(type_name(param)),
			DirectFunctionCall1(jsonb_in, CStringGetDatum(param->default_json)),
			Float8GetDatum(param->min),
			Float8GetDatum(param->max),
			param->choices ? CStringGetTextDatum(param->choices) : (Datum) 0,
			CStringGetTextDatum(param->doc)
		};
		bool		nulls[7] = {false, false, false, !ranged, !ranged, param->choices == NULL, false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

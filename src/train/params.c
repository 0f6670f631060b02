/*
 * params.c
 *	  Hyper-parameters from jsonb, checked against the engine's tables.
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

#include "catalog/call.h"
#include "train/algorithms.h"

PG_FUNCTION_INFO_V1(ml_parameters);

#define SHOWN_BYTES 60			/* of a refused value, at most */

static void
refuse(const PfParam *param, JsonbValue *value)
{
	StringInfoData allowed;
	Jsonb	   *jsonb = JsonbValueToJsonb(value);
	char	   *given = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));

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
		case PF_PARAM_BOOL_OR_NAME:
			appendStringInfo(&allowed, "true, false or one of %s", param->choices);
			break;
		case PF_PARAM_SIGNS:
			appendStringInfoString(&allowed, "an object like {\"age\": 1, \"price\": -1} of numbers -1, 0 and 1");
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

/* May the object of a parameter have this number? */
static bool
is_allowed(const PfParam *param, double number)
{
	if (param->type == PF_PARAM_SIGNS)
		return number == -1 || number == 0 || number == 1;
	return number > 0 && number <= param->max;
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

/* A choice, or an object whose keys are whatever they are. */
static PfNumbers
numbers(const PfParam *param, JsonbValue *value)
{
	PfNumbers	result = {0};
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	item;
	int			n;

	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
	{
		/* without choices find_choice finds nothing */
		result.name = choice(param, value);
		return result;
	}
	n = JsonContainerSize(value->val.binary.data);
	if (n == 0)
		refuse(param, value);
	result.keys = palloc(n * sizeof(char *));
	result.values = palloc(n * sizeof(double));
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		double		number;

		if (token == WJB_KEY)
			result.keys[result.count] = pnstrdup(item.val.string.val, item.val.string.len);
		if (token != WJB_VALUE)
			continue;
		number = item.type == jbvNumeric ? number_of(param, &item) : NAN;
		if (!is_allowed(param, number))
			refuse(param, value);
		result.values[result.count++] = number;
	}
	return result;
}

static void
set_param(PfTrainParams *params, const PfParam *param, JsonbValue *value)
{
	void	   *field = (char *) &params->given + param->field;

	if (value->type == jbvNull && !param->null_allowed)
		refuse(param, value);
	switch (param->type)
	{
		case PF_PARAM_INT:
			*(uint32 *) field = integer(param, value);
			break;
		case PF_PARAM_REAL:
			*(double *) field = value->type == jbvNull ? NAN : number_in_range(param, value);
			break;
		case PF_PARAM_BOOL:
			*(bool *) field = boolean(param, value);
			break;
		case PF_PARAM_NAME:
			*(const char **) field = choice(param, value);
			break;
		case PF_PARAM_INT_OR_SHARE:
			*(PfAmount *) field = amount(param, value);
			break;
		case PF_PARAM_BOOL_OR_NAME:
			*(const char **) field = value->type != jbvBool ? choice(param, value)
				: value->val.boolean ? "true" : "false";
			break;
		case PF_PARAM_CLASS_WEIGHT:
		case PF_PARAM_SIGNS:
			*(PfNumbers *) field = numbers(param, value);
			break;
	}
}

/* One text of JSON as a value. */
static JsonbValue *
parse_default(const char *json)
{
	Jsonb	   *jsonb = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(psprintf("[%s]", json))));

	return getIthJsonbValueFromContainer(&jsonb->root, 0);
}

static int
param_count(const PfParam *table)
{
	int			n = 0;

	while (table[n].name != NULL)
		n++;
	return n;
}

/* What parameters are called in scikit-learn, XGBoost, LightGBM, ranger and randomForest, where that is not near enough. */
static const PfOtherName names_elsewhere[] = {
	{"max_iter", "n_estimators"},
	{"num_boost_round", "n_estimators"},
	{"num_iterations", "n_estimators"},
	{"nrounds", "n_estimators"},
	{"ntree", "n_estimators"},
	{"num_trees", "n_estimators"},
	{"num.trees", "n_estimators"},
	{"eta", "learning_rate"},
	{"shrinkage", "learning_rate"},
	{"lambda", "l2_regularization"},
	{"reg_lambda", "l2_regularization"},
	{"lambda_l2", "l2_regularization"},
	{"lambda", "alpha"},
	{"num_leaves", "max_leaf_nodes"},
	{"max_leaves", "max_leaf_nodes"},
	{"min_child_samples", "min_samples_leaf"},
	{"min_data_in_leaf", "min_samples_leaf"},
	{"min.node.size", "min_samples_leaf"},
	{"nodesize", "min_samples_leaf"},
	{"mtry", "max_features"},
	{"colsample_bynode", "max_features"},
	{"feature_fraction", "colsample_bytree"},
	{"bagging_fraction", "subsample"},
	{"sample.fraction", "max_samples"},
	{"replace", "bootstrap"},
	{"objective", "loss"},
	{"early_stopping_rounds", "n_iter_no_change"},
	{"monotone_constraints", "monotonic_cst"},
	{NULL, NULL}
};

/* Errors with all names that no parameter has, and what may have been meant. */
static void
check_names(const PfTrainParams *params, Jsonb *given)
{
	StringInfoData unknown;
	StringInfoData meant;
	int			n;

	initStringInfo(&unknown);
	initStringInfo(&meant);
	n = pf_unknown_keys(given, params->table, param_count(params->table), sizeof(PfParam), names_elsewhere,
						&unknown, &meant);
	if (n == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 n == 1 ? errmsg("unrecognized parameter %s", unknown.data)
			 : errmsg("%d unrecognized parameters", n),
			 n == 1 ? 0 : errdetail("There is no parameter %s.", unknown.data),
			 errhint("%sSELECT * FROM ml_parameters(%s) lists all.", meant.data,
					 strcmp(params->algorithm, PF_DEFAULT_ALGORITHM) == 0 ? ""
					 : quote_literal_cstr(params->algorithm))));
}

PfTrainParams *
pf_params_check(const PfParam *table, const char *algorithm, Jsonb *given)
{
	PfTrainParams *params = palloc0(sizeof(PfTrainParams));
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	item;
	const PfParam *param = NULL;
	int			n = param_count(table);

	params->table = table;
	params->algorithm = algorithm;
	params->text = palloc(n * sizeof(char *));
	for (int i = 0; i < n; i++)
	{
		set_param(params, &table[i], parse_default(table[i].default_json));
		params->text[i] = table[i].default_json;
	}

	if (!JB_ROOT_IS_OBJECT(given))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("params must be a JSON object"),
				 errhint("For example: params => '{\"n_estimators\": 200}'.")));

	check_names(params, given);
	it = JsonbIteratorInit(&given->root);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			param = pf_find_param(table, pnstrdup(item.val.string.val, item.val.string.len));
		else if (token == WJB_VALUE)
		{
			Jsonb	   *jsonb = JsonbValueToJsonb(&item);

			set_param(params, param, &item);
			params->text[param - table] =
				JB_ROOT_IS_SCALAR(jsonb)
				? DatumGetCString(DirectFunctionCall1(jsonb_out, JsonbPGetDatum(jsonb)))
				: JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
		}
	}
	return params;
}

void
pf_params_settle(PfTrainParams *params, const char *name, const char *json)
{
	params->text[pf_find_param(params->table, name) - params->table] = json;
}

double
pf_params_apart(const PfParams *given)
{
	return given->early_stopping == NULL || strcmp(given->early_stopping, "false") == 0
		? 0 : given->validation_fraction;
}

uint32
pf_params_count(const PfAmount *amount, uint32 all, uint32 none)
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

double *
pf_params_class_weights(const PfNumbers *weights, const PfLoaded *loaded)
{
	double	   *result = palloc(loaded->nclasses * sizeof(double));

	for (int c = 0; c < loaded->nclasses; c++)
		result[c] = 1;
	for (uint32 i = 0; i < weights->count; i++)
	{
		int			c = 0;

		while (c < loaded->nclasses && strcmp(loaded->classes[c], weights->keys[i]) != 0)
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
							weights->keys[i]),
					 errhint("The classes are %s.", classes.data)));
		}
		result[c] = weights->values[i];
	}
	return result;
}

Jsonb *
pf_params_filled(const PfTrainParams *params)
{
	StringInfoData json;

	initStringInfo(&json);
	for (int i = 0; params->table[i].name != NULL; i++)
		appendStringInfo(&json, "%c\"%s\": %s", i ? ',' : '{', params->table[i].name,
						 params->text[i]);
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
		case PF_PARAM_BOOL_OR_NAME:
			return "boolean or name";
		case PF_PARAM_CLASS_WEIGHT:
			return "name or object";
		case PF_PARAM_SIGNS:
			return "object";
	}
	return NULL;
}

/* ml_parameters(algorithm text) -> (parameter, type, default, min, max, choices, description) */
Datum
ml_parameters(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const PfAlgorithm *algorithm = pf_find_algorithm(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	InitMaterializedSRF(fcinfo, 0);
	for (const PfParam *param = algorithm->params; param->name != NULL; param++)
	{
		bool		ranged = param->type != PF_PARAM_BOOL && param->type != PF_PARAM_NAME &&
			param->type != PF_PARAM_BOOL_OR_NAME;
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

/*
 * request.c
 *	  ml_predict_json: a request with many instances, and its answer, both as JSON.
 *
 * The form is that of the REST calls of common model servers, so that whatever carries
 * HTTP to SQL can stand in for one: {"instances": [...]} comes in, where an instance is an
 * object by column name or an array of the features in their order, and {"predictions":
 * [...], ...} goes out.  The version is resolved once a call.  Nothing is written.
 *
 * Memory: the request and the answer, in the current context.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pgenv.h"
#include "engine/walk/walk.h"
#include "fmgr.h"
#include "predict/bind.h"
#include "predict/usage.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(ml_predict_request);

static void
check_request(Jsonb *request, JsonbValue *instances)
{
	JsonbIterator *it;
	JsonbValue	value;
	StringInfoData unknown;
	JsonbIteratorToken token;

	if (!JB_ROOT_IS_OBJECT(request) ||
		getKeyJsonValueFromContainer(&request->root, "instances", strlen("instances"), instances) == NULL ||
		instances->type != jbvBinary || !JsonContainerIsArray(instances->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("request must be a JSON object with an array \"instances\""),
				 errhint("Write {\"instances\": [{...}, {...}]}, with an object for each row to predict.")));

	/* a key that is not heeded would be a surprise later */
	initStringInfo(&unknown);
	it = JsonbIteratorInit(&request->root);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		char	   *key;

		if (token != WJB_KEY)
			continue;
		key = pnstrdup(value.val.string.val, value.val.string.len);
		if (strcmp(key, "instances") != 0 && strcmp(key, "signature_name") != 0)
			pf_list_name(&unknown, key);
	}
	if (unknown.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("request has keys that mean nothing here"),
				 errdetail("They are %s.", unknown.data),
				 errhint("The keys are \"instances\" and, which is not heeded, \"signature_name\".")));
}

/* Binds and walks one instance after another: out[n * width]. */
static void
predict(const PfModel *model, const PfRecipe *recipe, const char *reference, PfUsage *usage,
		JsonbContainer *instances, uint32 *number, double *out)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgforest instance",
												  ALLOCSET_DEFAULT_SIZES);
	uint8	   *row = palloc(pf_row_size(model));
	PfRawBinder *raw = recipe ? pf_raw_binder_create(model, reference, recipe, NULL) : NULL;
	JsonbIterator *it = JsonbIteratorInit(instances);
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		MemoryContext caller;
		bool		array;

		if (token != WJB_ELEM)
			continue;
		pf_check_interrupts();
		pf_usage_begin(usage);
		if (value.type != jbvBinary)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("an instance for model \"%s\" must be an object or an array", reference),
					 errhint("An object has the values of a row by the names of the columns, an array in the order of the features.")));
		array = JsonContainerIsArray(value.val.binary.data);
		if (array && raw != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("model \"%s\" carries a recipe, which needs the names of the raw columns", reference),
					 errhint("Pass each instance as an object.")));
		caller = MemoryContextSwitchTo(context);
		if (array)
			pf_bind_json_array(model, reference, value.val.binary.data, row);
		else if (raw != NULL)
			pf_bind_raw_json(raw, JsonbValueToJsonb(&value), row);
		else
			pf_bind_json(model, reference, JsonbValueToJsonb(&value), row);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(context);
		pf_walk_row_fast(env, model, row, out + (size_t) *number * model->width);
		pf_usage_end(usage);
		++*number;
	}
	MemoryContextDelete(context);
}

/* The same; an error of an instance says which one it is, counted from 0 as JSON's arrays are. */
static void
predict_all(const PfModel *model, const PfRecipe *recipe, const char *reference, PfUsage *usage,
			JsonbContainer *instances, double *out)
{
	MemoryContext context = CurrentMemoryContext;
	volatile uint32 number = 0;

	PG_TRY();
	{
		predict(model, recipe, reference, usage, instances, (uint32 *) &number, out);
	}
	PG_CATCH();
	{
		ErrorData  *error;
		int			category;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		category = ERRCODE_TO_CATEGORY(error->sqlerrcode);
		if (category == ERRCODE_DATA_EXCEPTION || category == ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION)
			error->message = psprintf("instances[%u]: %s", number, error->message);
		ReThrowError(error);
	}
	PG_END_TRY();
}

/* ----- the answer ----- */

static void
set_text(JsonbValue *value, const char *text)
{
	value->type = jbvString;
	value->val.string.val = unconstify(char *, text);
	value->val.string.len = (int) strlen(text);
}

/* JSON has no infinity. */
static void
set_number(JsonbValue *value, double number)
{
	value->type = jbvNull;
	if (!isfinite(number))
		return;
	value->type = jbvNumeric;
	/* all digits, as float8's own cast to numeric keeps 15 of them only */
	value->val.numeric = DatumGetNumeric(DirectFunctionCall3(numeric_in,
															 CStringGetDatum(float8out_internal(number)),
															 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

static void
push_key(JsonbParseState **state, const char *name)
{
	JsonbValue	key;

	set_text(&key, name);
	pushJsonbValue(state, WJB_KEY, &key);
}

static void
set_prediction(const PfModel *model, const double *out, JsonbValue *value)
{
	if (model->nclasses > 0)
		set_text(value, model->classes[pf_best_class(out, model->nclasses)]);
	else if (model->kind == PF_MODEL_ISOLATION)
		set_text(value, out[0] > model->threshold ? "anomaly" : "normal");
	else
		set_number(value, out[0]);
}

/* A list of n values of each instance, or n lists of them. */
static void
push_numbers(JsonbParseState **state, const PfModel *model, const double *out, uint32 n)
{
	JsonbValue	value;

	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (uint32 i = 0; i < n; i++)
	{
		pf_check_interrupts();
		if (model->nclasses > 0)
			pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
		for (uint32 c = 0; c < model->width; c++)
		{
			set_number(&value, out[(size_t) i * model->width + c]);
			pushJsonbValue(state, WJB_ELEM, &value);
		}
		if (model->nclasses > 0)
			pushJsonbValue(state, WJB_END_ARRAY, NULL);
	}
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

static Jsonb *
make_answer(const PfVersionInfo *version, const PfModel *model, const double *out, uint32 n)
{
	JsonbParseState *state = NULL;
	JsonbValue	value;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_key(&state, "model");
	set_text(&value, version->model.name);
	pushJsonbValue(&state, WJB_VALUE, &value);
	push_key(&state, "version");
	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(version->version);
	pushJsonbValue(&state, WJB_VALUE, &value);

	push_key(&state, "predictions");
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (uint32 i = 0; i < n; i++)
	{
		set_prediction(model, out + (size_t) i * model->width, &value);
		pushJsonbValue(&state, WJB_ELEM, &value);
	}
	pushJsonbValue(&state, WJB_END_ARRAY, NULL);

	if (model->nclasses > 0)
	{
		push_key(&state, "classes");
		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		for (uint32 c = 0; c < model->nclasses; c++)
		{
			set_text(&value, model->classes[c]);
			pushJsonbValue(&state, WJB_ELEM, &value);
		}
		pushJsonbValue(&state, WJB_END_ARRAY, NULL);
		push_key(&state, "probabilities");
		push_numbers(&state, model, out, n);
	}
	else if (model->kind == PF_MODEL_ISOLATION)
	{
		push_key(&state, "scores");
		push_numbers(&state, model, out, n);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* ml_predict_json(model text, request jsonb) returns jsonb */
Datum
ml_predict_request(PG_FUNCTION_ARGS)
{
	PfVersionInfo version;
	const PfModel *model;
	JsonbValue	instances;
	char	   *reference;
	PfUsage    *usage;
	double	   *out;
	uint32		n;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("model must not be null")));
	reference = text_to_cstring(PG_GETARG_TEXT_PP(0));
	usage = pf_usage_create(CurrentMemoryContext);
	pf_catalog_resolve(reference, PF_RIGHT_PREDICT, &version);
	pf_usage_of(usage, &version);
	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	check_request(PG_GETARG_JSONB_P(1), &instances);
	model = pf_hold_model(CurrentMemoryContext, &version);
	n = JsonContainerSize(instances.val.binary.data);
	out = palloc_extended(Max((Size) n * model->width, 1) * sizeof(double), MCXT_ALLOC_HUGE);
	predict_all(model, version.recipe ? pf_recipe_read(version.recipe) : NULL, reference, usage,
				instances.val.binary.data, out);
	PG_RETURN_JSONB_P(make_answer(&version, model, out, n));
}

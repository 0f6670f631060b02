/*
 * predict.c
 *	  ml_predict, ml_predict_proba and ml_predict_quantile: one row in, one answer out.
 *
 * All that does not depend on the row is settled once and kept in fn_extra: the
 * version that the reference names, its decoded model, how the row's columns
 * meet the model's, the result's type and the labels as Datums of that type.
 * It holds for as long as the reference stays the same and PfMoment says that
 * the answer read from the catalog does; fn_extra itself may outlive a
 * statement (PL/pgSQL keeps it), so both are compared at every call.
 *
 * Memory: a predictor lives in fn_mcxt.  What belongs to one resolution is in
 * the child context `resolved`, whose deletion also gives the pinned model
 * back; what belongs to one row type in a child of that.  A row allocates
 * nothing that lasts.
 *
 * No writes, no SPI: works in parallel workers and on a standby.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "catalog/pgenv.h"
#include "engine/walk/quantile.h"
#include "engine/walk/walk.h"
#include "fmgr.h"
#include "predict/bind.h"
#include "predict/predict.h"
#include "predict/usage.h"
#include "storage/shmem.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

typedef enum Form
{
	FORM_RECORD,
	FORM_ARRAY,
	FORM_JSON
} Form;

typedef struct Predictor
{
	MemoryContext home;			/* fn_mcxt */

	/* one resolution */
	MemoryContext resolved;		/* NULL: none */
	char	   *reference;
	Size		reference_length;
	PfMoment	moment;
	PfVersionInfo version;
	const PfModel *model;
	PfUsage    *usage;			/* NULL: nobody counts */
	const PfEnv *env;
	uint8	   *bins;
	double	   *out;			/* shares of the classes, or the value */
	Datum	   *labels;			/* by class, in the type asked for */
	bool	   *label_made;
	int32		class;			/* of ml_predict_proba(..., class); -1: not looked up */
	PfSpan	   *spans;			/* of ml_predict_quantile; NULL: not needed yet */
	void	   *kept;			/* see PfAnswer */
	const PfRecipe *recipe;		/* that the version carries, or NULL */
	PfRawBinder *json;			/* of JSON objects, with a recipe; NULL: not needed yet */

	/* one type of rows, within the resolution */
	MemoryContext bound;		/* NULL: none */
	Oid			row_type;
	int32		row_typmod;
	TupleDesc	desc;
	PfBinder   *binder;			/* or, with a recipe, raw */
	PfRawBinder *raw;
	Datum	   *values;
	bool	   *nulls;

	/* the result's type; never changes */
	Oid			result_type;
	Oid			result_ioparam;
	FmgrInfo	result_input;
} Predictor;

static bool bind_arguments(FunctionCallInfo fcinfo, Form form, Predictor **out);
static bool walk_arguments(FunctionCallInfo fcinfo, Form form, Predictor **out);
static Predictor *find_predictor(FunctionCallInfo fcinfo);
static void resolve(Predictor *predictor, text *reference);
static void bind_record(Predictor *predictor, HeapTupleHeader record);
static void bind_type(Predictor *predictor, Oid type, int32 typmod);
static void bind_raw_json(Predictor *predictor, Jsonb *document);
static void refuse_array(const Predictor *predictor);
static Datum answer(FunctionCallInfo fcinfo, Form form);
static Datum label_result(Predictor *predictor, uint32 class);
static Datum score_result(Predictor *predictor, double score);
static Datum value_result(Predictor *predictor, double value);
static void find_result_type(Predictor *predictor, FmgrInfo *flinfo);
static Datum shares(FunctionCallInfo fcinfo, Form form);
static void find_class(Predictor *predictor, text *class);
static Datum quantiles(FunctionCallInfo fcinfo, Form form);
static void need_samples(const Predictor *predictor);
static double *check_quantiles(ArrayType *array, int *n);

PG_FUNCTION_INFO_V1(ml_predict);
PG_FUNCTION_INFO_V1(ml_predict_array);
PG_FUNCTION_INFO_V1(ml_predict_json);
PG_FUNCTION_INFO_V1(ml_predict_proba);
PG_FUNCTION_INFO_V1(ml_predict_proba_array);
PG_FUNCTION_INFO_V1(ml_predict_proba_json);
PG_FUNCTION_INFO_V1(ml_predict_quantile);
PG_FUNCTION_INFO_V1(ml_predict_quantile_array);
PG_FUNCTION_INFO_V1(ml_predict_quantile_json);

/* ml_predict(model text, features record, result anyelement) */
Datum
ml_predict(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, FORM_RECORD);
}

Datum
ml_predict_array(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, FORM_ARRAY);
}

Datum
ml_predict_json(PG_FUNCTION_ARGS)
{
	return answer(fcinfo, FORM_JSON);
}

/* ml_predict_proba(model text, features record [, class text]) */
Datum
ml_predict_proba(PG_FUNCTION_ARGS)
{
	return shares(fcinfo, FORM_RECORD);
}

Datum
ml_predict_proba_array(PG_FUNCTION_ARGS)
{
	return shares(fcinfo, FORM_ARRAY);
}

Datum
ml_predict_proba_json(PG_FUNCTION_ARGS)
{
	return shares(fcinfo, FORM_JSON);
}

/* ml_predict_quantile(model text, features record, quantiles float8[]) */
Datum
ml_predict_quantile(PG_FUNCTION_ARGS)
{
	return quantiles(fcinfo, FORM_RECORD);
}

Datum
ml_predict_quantile_array(PG_FUNCTION_ARGS)
{
	return quantiles(fcinfo, FORM_ARRAY);
}

Datum
ml_predict_quantile_json(PG_FUNCTION_ARGS)
{
	return quantiles(fcinfo, FORM_JSON);
}

/* Binds the row of a call to (*out)->bins.  False when there is no row and so no answer. */
static bool
bind_arguments(FunctionCallInfo fcinfo, Form form, Predictor **out)
{
	Predictor  *predictor;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("model must not be null")));
	predictor = find_predictor(fcinfo);
	*out = predictor;
	if (PG_ARGISNULL(1))
		return false;
	pf_usage_begin(predictor->usage);

	switch (form)
	{
		case FORM_RECORD:
			bind_record(predictor, PG_GETARG_HEAPTUPLEHEADER(1));
			break;
		case FORM_ARRAY:
			if (predictor->recipe != NULL)
				refuse_array(predictor);
			pf_bind_array(predictor->model, predictor->reference,
						  PG_GETARG_ARRAYTYPE_P(1), predictor->bins);
			break;
		case FORM_JSON:
			if (predictor->recipe != NULL)
			{
				bind_raw_json(predictor, PG_GETARG_JSONB_P(1));
				break;
			}
			pf_bind_json(predictor->model, predictor->reference,
						 PG_GETARG_JSONB_P(1), predictor->bins);
			break;
	}
	return true;
}

/* Binds and walks; the result is in (*out)->out. */
static bool
walk_arguments(FunctionCallInfo fcinfo, Form form, Predictor **out)
{
	Predictor  *predictor;

	if (!bind_arguments(fcinfo, form, out))
		return false;
	predictor = *out;
	pf_walk_row_fast(predictor->env, predictor->model, predictor->bins, predictor->out);
	return true;
}

static Predictor *
find_predictor(FunctionCallInfo fcinfo)
{
	Predictor  *predictor = fcinfo->flinfo->fn_extra;
	text	   *reference = PG_GETARG_TEXT_PP(0);

	if (predictor == NULL)
	{
		predictor = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Predictor));
		predictor->home = fcinfo->flinfo->fn_mcxt;
		fcinfo->flinfo->fn_extra = predictor;
	}
	if (predictor->resolved == NULL ||
		predictor->reference_length != VARSIZE_ANY_EXHDR(reference) ||
		memcmp(predictor->reference, VARDATA_ANY(reference),
			   predictor->reference_length) != 0 ||
		!pf_moment_holds(&predictor->moment))
		resolve(predictor, reference);
	return predictor;
}

/*
 * Finds the version that the reference names now.  The model is pinned before
 * the old resolution is dropped, so that one which is still the same stays in
 * the cache.
 */
static void
resolve(Predictor *predictor, text *reference)
{
	MemoryContext old = predictor->resolved;
	MemoryContext resolved = AllocSetContextCreate(predictor->home, "pgforest predictor",
												   ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(resolved);

	predictor->resolved = NULL;
	predictor->bound = NULL;
	predictor->usage = pf_usage_create(resolved);

	predictor->reference = text_to_cstring(reference);
	predictor->reference_length = strlen(predictor->reference);
	pf_moment_now(&predictor->moment);
	pf_catalog_resolve(predictor->reference, PF_RIGHT_PREDICT, &predictor->version);
	pf_usage_of(predictor->usage, &predictor->version);
	predictor->model = pf_hold_model(resolved, &predictor->version);
	predictor->env = pf_pg_env(resolved);

	predictor->bins = palloc(pf_row_size(predictor->model));
	predictor->out = palloc(sizeof(double) * predictor->model->width);
	predictor->labels = palloc0(sizeof(Datum) * Max(predictor->model->nclasses, 1));
	predictor->label_made = palloc0(sizeof(bool) * Max(predictor->model->nclasses, 1));
	predictor->class = -1;
	predictor->spans = NULL;
	predictor->kept = NULL;
	predictor->recipe = predictor->version.recipe ? pf_recipe_read(predictor->version.recipe) : NULL;
	predictor->json = NULL;
	predictor->resolved = resolved;

	MemoryContextSwitchTo(caller);
	if (old != NULL)
		MemoryContextDelete(old);
}

static void
bind_record(Predictor *predictor, HeapTupleHeader record)
{
	Oid			type = HeapTupleHeaderGetTypeId(record);
	int32		typmod = HeapTupleHeaderGetTypMod(record);
	HeapTupleData tuple;

	if (predictor->bound == NULL || predictor->row_type != type ||
		predictor->row_typmod != typmod)
		bind_type(predictor, type, typmod);

	tuple.t_len = HeapTupleHeaderGetDatumLength(record);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = record;
	heap_deform_tuple(&tuple, predictor->desc, predictor->values, predictor->nulls);
	if (predictor->recipe != NULL)
		pf_bind_raw_row(predictor->raw, predictor->values, predictor->nulls, predictor->bins);
	else
		pf_bind_row(predictor->binder, predictor->values, predictor->nulls, predictor->bins);
}

/* A row type that was not seen in this resolution, or not last. */
static void
bind_type(Predictor *predictor, Oid type, int32 typmod)
{
	MemoryContext caller;

	if (predictor->bound != NULL)
	{
		MemoryContext old = predictor->bound;

		predictor->bound = NULL;
		MemoryContextDelete(old);
	}
	caller = AllocSetContextCreate(predictor->resolved, "pgforest row type",
								   ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(caller);

	/* a copy: a counted reference would belong to one query's resource owner */
	predictor->desc = lookup_rowtype_tupdesc_copy(type, typmod);
	if (predictor->recipe != NULL)
		predictor->raw = pf_raw_binder_create(predictor->model, predictor->reference,
											  predictor->recipe, predictor->desc);
	else
		predictor->binder = pf_binder_create(predictor->model, predictor->reference,
											 predictor->desc);
	predictor->values = palloc(sizeof(Datum) * Max(predictor->desc->natts, 1));
	predictor->nulls = palloc(sizeof(bool) * Max(predictor->desc->natts, 1));
	predictor->row_type = type;
	predictor->row_typmod = typmod;

	predictor->bound = MemoryContextSwitchTo(caller);
}

/* An object, with a recipe. */
static void
bind_raw_json(Predictor *predictor, Jsonb *document)
{
	if (predictor->json == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(predictor->resolved);

		predictor->json = pf_raw_binder_create(predictor->model, predictor->reference,
											   predictor->recipe, NULL);
		MemoryContextSwitchTo(caller);
	}
	pf_bind_raw_json(predictor->json, document, predictor->bins);
}

static void
refuse_array(const Predictor *predictor)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("model \"%s\" carries a recipe, which needs the names of the raw columns",
					predictor->reference),
			 errhint("Pass a row or a jsonb object instead of an array.")));
}

/* ----- ml_predict ----- */

static Datum
answer(FunctionCallInfo fcinfo, Form form)
{
	Predictor  *predictor;
	Datum		result;

	if (!walk_arguments(fcinfo, form, &predictor))
		PG_RETURN_NULL();
	if (!OidIsValid(predictor->result_type))
		find_result_type(predictor, fcinfo->flinfo);
	if (predictor->model->nclasses > 0)
		result = label_result(predictor, pf_best_class(predictor->out,
													   predictor->model->nclasses));
	else if (predictor->model->kind == PF_MODEL_ISOLATION)
		result = score_result(predictor, predictor->out[0]);
	else
		result = value_result(predictor, predictor->out[0]);
	pf_usage_end(predictor->usage);
	return result;
}

bool
pf_answer_json(FunctionCallInfo fcinfo, PfAnswer *answer)
{
	Predictor  *predictor;
	bool		found = walk_arguments(fcinfo, FORM_JSON, &predictor);

	answer->version = &predictor->version;
	answer->model = predictor->model;
	answer->usage = predictor->usage;
	answer->out = predictor->out;
	answer->context = predictor->resolved;
	answer->kept = &predictor->kept;
	return found;
}

/*
 * An anomaly's score where a number with fractions is asked for, else what the score means:
 * anomaly or normal, true or false.
 */
static Datum
score_result(Predictor *predictor, double score)
{
	bool		anomaly = score > predictor->model->threshold;

	switch (predictor->result_type)
	{
		case FLOAT8OID:
		case FLOAT4OID:
		case NUMERICOID:
			return value_result(predictor, score);
		case BOOLOID:
			return BoolGetDatum(anomaly);
		case INT2OID:
		case INT4OID:
		case INT8OID:
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("the score of model \"%s\" is no integer", predictor->reference),
					 errhint("Ask for NULL::float8 to get the score, or NULL::boolean or NULL::text to get whether the row is an anomaly.")));
		default:
			break;
	}
	if (predictor->result_type == TEXTOID)
		return CStringGetTextDatum(anomaly ? "anomaly" : "normal");
	return InputFunctionCall(&predictor->result_input, anomaly ? "anomaly" : "normal",
							 predictor->result_ioparam, -1);
}

/*
 * The label of a class in the type asked for, made when it is first needed: a
 * label that the type does not take is an error only when it is the answer.
 */
static Datum
label_result(Predictor *predictor, uint32 class)
{
	if (!predictor->label_made[class])
	{
		MemoryContext caller = MemoryContextSwitchTo(predictor->resolved);
		char	   *label = predictor->model->classes[class];

		if (predictor->result_type == TEXTOID)
			predictor->labels[class] = CStringGetTextDatum(label);
		else
			predictor->labels[class] = InputFunctionCall(&predictor->result_input, label,
														 predictor->result_ioparam, -1);
		predictor->label_made[class] = true;
		MemoryContextSwitchTo(caller);
	}
	return predictor->labels[class];
}

/* A regression's value in the type asked for. */
static Datum
value_result(Predictor *predictor, double value)
{
	Datum		number = Float8GetDatum(value);

	switch (predictor->result_type)
	{
		case FLOAT8OID:
			return number;
		case FLOAT4OID:
			return DirectFunctionCall1(dtof, number);
		case NUMERICOID:
			return DirectFunctionCall1(float8_numeric, number);
		case INT2OID:
			return DirectFunctionCall1(dtoi2, number);
		case INT4OID:
			return DirectFunctionCall1(dtoi4, number);
		case INT8OID:
			return DirectFunctionCall1(dtoi8, number);
		case TEXTOID:
			return CStringGetTextDatum(float8out_internal(value));
		default:
			return InputFunctionCall(&predictor->result_input, float8out_internal(value),
									 predictor->result_ioparam, -1);
	}
}

/* The type of the third argument, as the parser settled it; text by default. */
static void
find_result_type(Predictor *predictor, FmgrInfo *flinfo)
{
	Oid			type = get_fn_expr_rettype(flinfo);
	Oid			input;

	if (!OidIsValid(type))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("could not determine the result type of the prediction")));
	getTypeInputInfo(type, &input, &predictor->result_ioparam);
	fmgr_info_cxt(input, &predictor->result_input, predictor->home);
	predictor->result_type = type;
}

/* ----- ml_predict_proba ----- */

static Datum
shares(FunctionCallInfo fcinfo, Form form)
{
	Predictor  *predictor;
	const PfModel *model;
	bool		found = walk_arguments(fcinfo, form, &predictor);

	model = predictor->model;
	if (model->nclasses == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 model->kind == PF_MODEL_ISOLATION
				 ? errmsg("model \"%s\" is for anomalies and has no class probabilities", predictor->reference)
				 : errmsg("model \"%s\" is a regression and has no class probabilities",
						  predictor->reference),
				 errhint("Call ml_predict with NULL::float8 as its last argument to get the %s.",
						 model->kind == PF_MODEL_ISOLATION ? "score" : "value")));

	if (PG_NARGS() > 2)
	{
		if (PG_ARGISNULL(2))
		{
			pf_usage_end(predictor->usage);
			PG_RETURN_NULL();
		}
		find_class(predictor, PG_GETARG_TEXT_PP(2));
		if (!found)
			PG_RETURN_NULL();
		pf_usage_end(predictor->usage);
		PG_RETURN_FLOAT8(predictor->out[predictor->class]);
	}

	if (!found)
		PG_RETURN_NULL();
	pf_usage_end(predictor->usage);
	PG_RETURN_ARRAYTYPE_P(pf_float8_array(predictor->out, (int) model->nclasses));
}

ArrayType *
pf_float8_array(const double *values, int n)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
		elements[i] = Float8GetDatum(values[i]);
	return construct_array(elements, n, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

/* The class that was named; mostly the one of the call before. */
static void
find_class(Predictor *predictor, text *class)
{
	const PfModel *model = predictor->model;
	const char *name = VARDATA_ANY(class);
	Size		length = VARSIZE_ANY_EXHDR(class);
	StringInfoData known;

	for (uint32 i = 0; i <= model->nclasses; i++)
	{
		int32		candidate = i == 0 ? predictor->class : (int32) i - 1;

		if (candidate >= 0 && strlen(model->classes[candidate]) == length &&
			memcmp(model->classes[candidate], name, length) == 0)
		{
			predictor->class = candidate;
			return;
		}
	}

	initStringInfo(&known);
	for (uint32 i = 0; i < model->nclasses; i++)
		pf_list_name(&known, model->classes[i]);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("model \"%s\" has no class \"%s\"", predictor->reference,
					text_to_cstring(class)),
			 errdetail("Its classes are %s.", known.data)));
}

/* ----- ml_predict_quantile ----- */

static Datum
quantiles(FunctionCallInfo fcinfo, Form form)
{
	Predictor  *predictor;
	bool		found = bind_arguments(fcinfo, form, &predictor);
	const PfModel *model = predictor->model;
	double	   *wanted;
	double	   *values;
	int			n;

	need_samples(predictor);
	if (PG_ARGISNULL(2))
	{
		pf_usage_end(predictor->usage);
		PG_RETURN_NULL();
	}
	wanted = check_quantiles(PG_GETARG_ARRAYTYPE_P(2), &n);
	if (!found)
		PG_RETURN_NULL();
	if (predictor->spans == NULL)
		predictor->spans = MemoryContextAllocHuge(predictor->resolved,
												  mul_size(model->ntrees, sizeof(PfSpan)));
	values = palloc(sizeof(double) * Max(n, 1));
	pf_walk_quantiles(predictor->env, model, predictor->bins, predictor->spans, wanted,
					  (uint32) n, values);
	pf_usage_end(predictor->usage);
	PG_RETURN_ARRAYTYPE_P(pf_float8_array(values, n));
}

static void
need_samples(const Predictor *predictor)
{
	const PfModel *model = predictor->model;

	if (model->samples.nvalues > 0)
		return;
	if (model->task == PF_CLASSIFICATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" is a classification and has no quantiles", predictor->reference),
				 errhint("Call ml_predict_proba to get the probabilities of the classes.")));
	if (model->task == PF_ANOMALY)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" is for anomalies and has no quantiles", predictor->reference),
				 errhint("Call ml_predict with NULL::float8 as its last argument to get the score.")));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("model \"%s\" was not trained to give quantiles", predictor->reference),
			 errhint("Train a version with params => '{\"quantiles\": true}', as random_forest or extra_trees.")));
}

/* The elements of the array, each of which must be a share. */
static double *
check_quantiles(ArrayType *array, int *n)
{
	double	   *wanted = (double *) ARR_DATA_PTR(array);

	*n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("quantiles must be an array of one dimension")));
	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("quantiles must not contain nulls")));
	for (int i = 0; i < *n; i++)
	{
		if (!(wanted[i] >= 0 && wanted[i] <= 1))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("quantile %g is not between 0 and 1", wanted[i]),
					 errhint("Quantiles are shares: 0.05 and 0.95 are the ends of an interval of 90 %%.")));
	}
	return wanted;
}

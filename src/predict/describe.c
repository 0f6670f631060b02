/*
 * describe.c
 *	  ml_resolve, ml_importance, ml_coefficients: which version answers, what it
 *	  looks at, and how a linear one weighs it.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "predict/bind.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

typedef struct Importance
{
	char	   *name;
	uint32		feature;
	double		value;
} Importance;

static int	by_importance(const void *a, const void *b);

PG_FUNCTION_INFO_V1(ml_resolve);
PG_FUNCTION_INFO_V1(ml_importance);
PG_FUNCTION_INFO_V1(ml_coefficients);

/* ml_resolve(model text, OUT model text, OUT version int) */
Datum
ml_resolve(PG_FUNCTION_ARGS)
{
	char	   *reference = text_to_cstring(PG_GETARG_TEXT_PP(0));
	PfVersionInfo version;
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	pf_catalog_resolve(reference, PF_RIGHT_PREDICT, &version);
	values[0] = CStringGetTextDatum(version.model.name);
	values[1] = Int32GetDatum(version.version);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* ml_importance(model text) returns table (feature text, importance float8) */
Datum
ml_importance(PG_FUNCTION_ARGS)
{
	char	   *reference = text_to_cstring(PG_GETARG_TEXT_PP(0));
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	PfVersionInfo version;
	const PfModel *model;
	Importance *list;
	uint32		n = 0;

	InitMaterializedSRF(fcinfo, 0);
	pf_catalog_resolve(reference, PF_RIGHT_PREDICT, &version);
	model = pf_hold_model(CurrentMemoryContext, &version);

	list = palloc(sizeof(Importance) * Max(model->nfeatures, 1));
	for (uint32 i = 0; i < model->ncolumns; i++)
	{
		const PfColumn *column = &model->columns[i];

		for (uint32 e = 0; e < pf_column_features(column); e++, n++)
		{
			list[n].name = pf_feature_name(column, e);
			list[n].feature = n;
			list[n].value = model->importance[n];
		}
	}
	qsort(list, n, sizeof(Importance), by_importance);

	for (uint32 i = 0; i < n; i++)
	{
		Datum		values[2];
		bool		nulls[2] = {false, false};

		if (i % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		values[0] = CStringGetTextDatum(list[i].name);
		values[1] = Float8GetDatum(list[i].value);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* The most important first; equals in the order of the features. */
static int
by_importance(const void *a, const void *b)
{
	const Importance *x = a;
	const Importance *y = b;

	if (x->value != y->value)
		return x->value > y->value ? -1 : 1;
	return x->feature < y->feature ? -1 : x->feature > y->feature;
}

/* A row of ml_coefficients; NULLs where there is nothing to name. */
static void
put_coefficient(ReturnSetInfo *result, const char *class, const char *feature, const char *kind,
				const char *category, Size length, double coefficient)
{
	Datum		values[5] = {
		class ? CStringGetTextDatum(class) : (Datum) 0,
		feature ? CStringGetTextDatum(feature) : (Datum) 0,
		CStringGetTextDatum(kind),
		category ? PointerGetDatum(cstring_to_text_with_len(category, length)) : (Datum) 0,
		Float8GetDatum(coefficient)
	};
	bool		nulls[5] = {class == NULL, feature == NULL, false, category == NULL, false};

	CHECK_FOR_INTERRUPTS();
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Of one output: its intercept, then feature by feature. */
static void
put_output(ReturnSetInfo *result, const PfModel *model, uint32 output)
{
	const PfLinear *linear = &model->linear;
	const char *class = NULL;
	uint32		f = 0;

	if (model->nclasses > 0)
		class = model->classes[linear->noutputs == 1 ? 1 : output];
	put_coefficient(result, class, NULL, "intercept", NULL, 0, linear->intercept[output]);
	for (uint32 i = 0; i < model->ncolumns; i++)
	{
		const PfColumn *column = &model->columns[i];

		for (uint32 e = 0; e < pf_column_features(column); e++, f++)
		{
			const double *at = linear->coefficient + (Size) output * linear->ncoefficients;
			const PfBins *bins = &model->bins[f];
			char	   *name = pf_feature_name(column, e);

			if (bins->kind == PF_NUMBER)
				put_coefficient(result, class, name, "slope", NULL, 0, at[linear->first[f]]);
			for (uint32 c = 0; c < bins->ncategories; c++)
				put_coefficient(result, class, name, "category", bins->text + bins->offsets[c],
								bins->offsets[c + 1] - bins->offsets[c],
								at[linear->first[f] + bins->category_bin[c]]);
			put_coefficient(result, class, name, "missing", NULL, 0, at[linear->first[f + 1] - 1]);
			pfree(name);
		}
	}
}

/*
 * ml_coefficients(model text) returns table (class text, feature text, kind text, category text,
 * coefficient float8)
 */
Datum
ml_coefficients(PG_FUNCTION_ARGS)
{
	char	   *reference = text_to_cstring(PG_GETARG_TEXT_PP(0));
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	PfVersionInfo version;
	const PfModel *model;

	InitMaterializedSRF(fcinfo, 0);
	pf_catalog_resolve(reference, PF_RIGHT_PREDICT, &version);
	model = pf_hold_model(CurrentMemoryContext, &version);
	if (model->kind != PF_MODEL_LINEAR)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" has no coefficients", reference),
				 errdetail("It is made of trees."),
				 errhint("SELECT * FROM ml_importance(...) says how much each feature matters; algorithm => 'linear' trains a model with coefficients.")));
	for (uint32 k = 0; k < model->linear.noutputs; k++)
		put_output(result, model, k);
	return (Datum) 0;
}

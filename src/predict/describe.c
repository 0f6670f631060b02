/*
 * describe.c
 *	  ml_resolve and ml_importance: which version answers, and what it looks at.
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

/*
 * infer.c
 *	  ml_infer: what ml_predict answers, and a row that says so.
 *
 * For applications: a request is answered by the version that the reference names, and
 * captured in pgforest.prediction, from which drift, late truth and dashboards read.
 * The share of a model's requests that is captured is looked up once a resolution.
 *
 * Where nothing can be written (a standby, a read-only transaction) a request that would be
 * captured is an error: an application that asked for the row must not get its answer
 * without.  Where nothing is to be captured, ml_infer works there as well.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/prediction.h"
#include "common/hashfn.h"
#include "common/pg_prng.h"
#include "engine/walk/walk.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "predict/predict.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* What is the same for all rows of a resolution. */
typedef struct Kept
{
	double		sample_rate;
	TupleDesc	desc;
	text	   *model;
} Kept;

static Kept *keep(FunctionCallInfo fcinfo, const PfAnswer *answer);
static bool is_sampled(double rate, text *request_id);
static void need_writable(void);
static text *prediction_text(const PfAnswer *answer);

PG_FUNCTION_INFO_V1(ml_infer);
PG_FUNCTION_INFO_V1(ml_capture);
PG_FUNCTION_INFO_V1(ml_expire_predictions);

/* ml_infer(model text, features jsonb, request_id text) returns (prediction, probabilities, model, version) */
Datum
ml_infer(PG_FUNCTION_ARGS)
{
	PfAnswer	answer;
	bool		found = pf_answer_json(fcinfo, &answer);
	Kept	   *kept = *answer.kept ? *answer.kept : keep(fcinfo, &answer);
	PfRequest	request = {.version = answer.version,.sample_rate = kept->sample_rate};
	Datum		values[4];
	bool		nulls[4] = {true, true, false, false};

	if (found)
	{
		request.request_id = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2);
		request.features = PG_GETARG_JSONB_P(1);
		request.prediction = prediction_text(&answer);
		if (answer.model->nclasses > 0 || answer.model->kind == PF_MODEL_ISOLATION)
			request.probabilities = pf_float8_array(answer.out, (int) answer.model->width);
		if (is_sampled(kept->sample_rate, request.request_id))
		{
			need_writable();
			pf_capture(&request);
		}
	}

	nulls[0] = !found;
	values[0] = PointerGetDatum(request.prediction);
	nulls[1] = request.probabilities == NULL;
	values[1] = PointerGetDatum(request.probabilities);
	values[2] = PointerGetDatum(kept->model);
	values[3] = Int32GetDatum(answer.version->version);
	pf_usage_end(answer.usage);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(kept->desc, values, nulls)));
}

static Kept *
keep(FunctionCallInfo fcinfo, const PfAnswer *answer)
{
	MemoryContext caller = MemoryContextSwitchTo(answer->context);
	Kept	   *kept = palloc(sizeof(Kept));

	if (get_call_result_type(fcinfo, NULL, &kept->desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	kept->desc = BlessTupleDesc(CreateTupleDescCopy(kept->desc));
	kept->sample_rate = pf_capture_rate(answer->version->model.id);
	kept->model = cstring_to_text(answer->version->model.name);
	MemoryContextSwitchTo(caller);
	*answer->kept = kept;
	return kept;
}

/* A request with an identity is in the sample or not, however often it is made. */
static bool
is_sampled(double rate, text *request_id)
{
	if (rate >= 1)
		return true;
	if (rate <= 0)
		return false;
	if (request_id == NULL)
		return pg_prng_double(&pg_global_prng_state) < rate;
	return hash_bytes((const unsigned char *) VARDATA_ANY(request_id),
								   (int) VARSIZE_ANY_EXHDR(request_id)) < rate * 4294967296.0;
}

static void
need_writable(void)
{
	if (XactReadOnly || RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 RecoveryInProgress()
				 ? errmsg("cannot execute %s during recovery", "ml_infer()")
				 : errmsg("cannot execute %s in a read-only transaction", "ml_infer()"),
				 errdetail("It adds a row to pgforest.prediction for each request that it captures."),
				 errhint("Call ml_predict and ml_predict_proba, which give the same answers and write nothing.")));
}

/* As ml_predict(..., NULL::text). */
static text *
prediction_text(const PfAnswer *answer)
{
	const PfModel *model = answer->model;

	if (model->nclasses > 0)
		return cstring_to_text(model->classes[pf_best_class(answer->out, model->nclasses)]);
	if (model->kind == PF_MODEL_ISOLATION)
		return cstring_to_text(answer->out[0] > model->threshold ? "anomaly" : "normal");
	return cstring_to_text(float8out_internal(answer->out[0]));
}

/* ml_capture(model text, sample_rate float8, retention interval) */
Datum
ml_capture(PG_FUNCTION_ARGS)
{
	char	   *model;
	double		sample_rate = PG_ARGISNULL(1) ? NAN : PG_GETARG_FLOAT8(1);
	Interval   *retention = PG_ARGISNULL(2) ? NULL : PG_GETARG_INTERVAL_P(2);
	Interval	zero = {0};

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "model")));
	model = text_to_cstring(PG_GETARG_TEXT_PP(0));
	pf_check_model_name(model);
	if (!PG_ARGISNULL(1) && !(sample_rate >= 0 && sample_rate <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("sample_rate must be between 0 and 1, not %g", sample_rate),
				 errhint("It is a share of the requests: 0.1 captures every tenth, 0 none.")));
	if (retention != NULL &&
		!DatumGetBool(DirectFunctionCall2(interval_gt, IntervalPGetDatum(retention),
										  IntervalPGetDatum(&zero))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("retention must be more than nothing"),
				 errhint("Give it as an interval such as '30 days', or set sample_rate to 0 to capture nothing.")));
	PreventCommandIfReadOnly("ml_capture()");
	PreventCommandIfParallelMode("ml_capture()");
	pf_push_new_snapshot();
	pf_capture_set(model, sample_rate, retention);
	PopActiveSnapshot();
	PG_RETURN_VOID();
}

/* ml_expire_predictions() returns (rows, partitions) */
Datum
ml_expire_predictions(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	int64		rows;
	int32		partitions;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PreventCommandIfReadOnly("ml_expire_predictions()");
	PreventCommandIfParallelMode("ml_expire_predictions()");
	pf_capture_expire(&rows, &partitions);
	values[0] = Int64GetDatum(rows);
	values[1] = Int32GetDatum(partitions);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

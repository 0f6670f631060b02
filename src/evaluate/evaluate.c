/*
 * evaluate.c
 *	  ml_evaluate, ml_confusion_matrix, ml_roc_curve and ml_calibration.
 *
 * Without a source they show what was stored at training and read no row of
 * the data; with one the source is read as the caller.  Only ml_evaluate keeps
 * what it measured, and only where the transaction may write and for those who may
 * change the model.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pgenv.h"
#include "engine/walk/walk.h"
#include "evaluate/score.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "predict/bind.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

/* A curve has at most so many points; more cannot be told apart when drawn. */
#define CURVE_POINTS 1000

#define MAX_CALIBRATION_BINS 1000

/* What a call is about: a version, and a stored or a fresh measurement of it. */
typedef struct Measurement
{
	PfVersionInfo version;
	PfMeasured	measured;
	const PfScored *scored;		/* NULL: stored */
	PfScores   *scores;
	PfSource   *source;
} Measurement;

static void measure(FunctionCallInfo fcinfo, bool classes_only, uint32 *class, Measurement *out);
static void check_stored(const Measurement *stored, bool curves);
static void read_stored(Measurement *out, bool curves);
static void scan_source(Measurement *out, const char *source, const PfModel *model);
static void count_confusion(Measurement *measurement);
static uint32 choose_class(FunctionCallInfo fcinfo, int n, const char *model,
						   char *const *classes, uint32 nclasses);
static void put_double(Datum *values, bool *nulls, int column, double value);

PG_FUNCTION_INFO_V1(ml_evaluate);
PG_FUNCTION_INFO_V1(ml_confusion_matrix);
PG_FUNCTION_INFO_V1(ml_roc_curve);
PG_FUNCTION_INFO_V1(ml_calibration);

/* ml_evaluate(model text, source text) returns table (metric, class, value, baseline) */
Datum
ml_evaluate(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Measurement measurement;
	PfMeasured *measured = &measurement.measured;

	InitMaterializedSRF(fcinfo, 0);
	pf_push_new_snapshot();
	measure(fcinfo, false, NULL, &measurement);
	if (measurement.scored != NULL)
	{
		pf_score_metrics(measurement.scores, 0, PF_WHOLE, &measured->metrics, NULL);
		if (measured->nclasses > 0)
			count_confusion(&measurement);
		if (measurement.version.model.rights &
			(PF_RIGHT_OWNER | PF_RIGHT_TRAIN | PF_RIGHT_PROMOTE))
			pf_catalog_add_measured(&measurement.version, measured, measurement.source->query);
	}

	for (uint32 i = 0; i < measured->metrics.count; i++)
	{
		const PfMetric *metric = &measured->metrics.metrics[i];
		Datum		values[4];
		bool		nulls[4] = {false, false, false, false};

		values[0] = CStringGetTextDatum(metric->name);
		nulls[1] = metric->class < 0;
		if (!nulls[1])
			values[1] = CStringGetTextDatum(measured->classes[metric->class]);
		put_double(values, nulls, 2, metric->value);
		put_double(values, nulls, 3, metric->baseline);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	PopActiveSnapshot();
	return (Datum) 0;
}

/* ml_confusion_matrix(model text, source text) returns table (actual, predicted, count) */
Datum
ml_confusion_matrix(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Measurement measurement;
	const PfMeasured *measured = &measurement.measured;
	Datum	   *labels;

	InitMaterializedSRF(fcinfo, 0);
	measure(fcinfo, true, NULL, &measurement);
	if (measurement.scored != NULL)
		count_confusion(&measurement);

	labels = palloc(sizeof(Datum) * measured->nclasses);
	for (uint32 i = 0; i < measured->nclasses; i++)
		labels[i] = CStringGetTextDatum(measured->classes[i]);
	for (uint32 actual = 0; actual < measured->nclasses; actual++)
	{
		CHECK_FOR_INTERRUPTS();
		for (uint32 predicted = 0; predicted < measured->nclasses; predicted++)
		{
			Datum		values[3];
			bool		nulls[3] = {false, false, false};

			values[0] = labels[actual];
			values[1] = labels[predicted];
			values[2] = Int64GetDatum((int64) measured->confusion[(size_t) actual *
																  measured->nclasses + predicted]);
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}

/* ml_roc_curve(model text, source text, class text) returns table (threshold, tpr, fpr, precision, recall) */
Datum
ml_roc_curve(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Measurement measurement;
	uint32		class;
	PfCurve		curve;

	InitMaterializedSRF(fcinfo, 0);
	measure(fcinfo, true, &class, &measurement);
	if (measurement.scored == NULL)
		curve = measurement.measured.curves[class];
	else
		pf_curve(pf_pg_env(CurrentMemoryContext), measurement.scored->nclasses,
				 (size_t) measurement.scores->rows, measurement.scored->actual,
				 measurement.scored->shares, class, CURVE_POINTS, &curve);

	for (uint32 i = 0; i < curve.count; i++)
	{
		Datum		values[5];
		bool		nulls[5] = {false, false, false, false, false};

		put_double(values, nulls, 0, curve.threshold[i]);
		put_double(values, nulls, 1, curve.tpr[i]);
		put_double(values, nulls, 2, curve.fpr[i]);
		put_double(values, nulls, 3, curve.precision[i]);
		put_double(values, nulls, 4, curve.recall[i]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * ml_calibration(model text, source text, bins int, class text) returns table (bin, mean_score, rate, count)
 *
 * Of one class its share, and how often it is there.  Of more than two when none is
 * named, the share of the predicted class, and how often that is right.
 */
Datum
ml_calibration(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Measurement measurement;
	const PfScored *scored;
	int32		nbins = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT32(2);
	bool		any;
	uint32		class = 0;
	double	   *sum;
	int64	   *count;
	int64	   *hits;

	if (nbins < 1 || nbins > MAX_CALIBRATION_BINS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bins must be between 1 and %d", MAX_CALIBRATION_BINS),
				 errhint("Leave it out for 10.")));
	if (!PG_ARGISNULL(0) && PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("source must not be null"),
				 errhint("Pass rows that the model was not trained on: a table or a query.")));
	InitMaterializedSRF(fcinfo, 0);
	measure(fcinfo, true, NULL, &measurement);
	scored = measurement.scored;
	any = PG_ARGISNULL(3) && scored->nclasses > 2;
	if (!any)
		class = choose_class(fcinfo, 3, measurement.version.model.name, scored->classes,
							 scored->nclasses);

	sum = palloc0(nbins * sizeof(double));
	count = palloc0(nbins * sizeof(int64));
	hits = palloc0(nbins * sizeof(int64));
	for (int64 row = 0; row < measurement.scores->rows; row++)
	{
		const double *shares = scored->shares + (Size) row * scored->nclasses;
		uint32		of = any ? pf_best_class(shares, scored->nclasses) : class;
		double		place = shares[of] * nbins;
		int			bin = place >= nbins ? nbins - 1 : place > 0 ? (int) place : 0;

		if (row % 16384 == 0)
			CHECK_FOR_INTERRUPTS();
		sum[bin] += shares[of];
		count[bin]++;
		hits[bin] += scored->actual[row] == of;
	}
	for (int bin = 0; bin < nbins; bin++)
	{
		Datum		values[4];
		bool		nulls[4] = {false, false, false, false};

		values[0] = Int32GetDatum(bin + 1);
		put_double(values, nulls, 1, count[bin] ? sum[bin] / count[bin] : NAN);
		put_double(values, nulls, 2, count[bin] ? (double) hits[bin] / count[bin] : NAN);
		values[3] = Int64GetDatum(count[bin]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * The first two arguments, and what they ask for.  class: of a curve, the third
 * argument; NULL: no curve is wanted.
 */
static void
measure(FunctionCallInfo fcinfo, bool classes_only, uint32 *class, Measurement *out)
{
	PfVersionInfo *version = &out->version;

	memset(out, 0, sizeof(*out));
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("model must not be null")));
	pf_catalog_resolve(text_to_cstring(PG_GETARG_TEXT_PP(0)), PF_RIGHT_PREDICT, version);
	if (strcmp(version->model.task, "anomaly") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" is for anomalies and has no target to be measured by",
						version->model.name),
				 errhint("Its scores are given by ml_predict(%s, ..., NULL::float8).",
						 quote_literal_cstr(version->model.name))));
	if (classes_only && strcmp(version->model.task, "classification") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" is a %s and has no classes", version->model.name,
						version->model.task),
				 errhint("Its errors are shown by SELECT * FROM ml_evaluate(%s).",
						 quote_literal_cstr(version->model.name))));

	if (PG_ARGISNULL(1))
	{
		read_stored(out, class != NULL);
		if (class != NULL)
			*class = choose_class(fcinfo, 2, version->model.name, out->measured.classes,
								  out->measured.nclasses);
	}
	else
	{
		const PfModel *model = pf_hold_model(CurrentMemoryContext, version);

		if (class != NULL)
			*class = choose_class(fcinfo, 2, version->model.name, model->classes,
								  model->nclasses);
		scan_source(out, text_to_cstring(PG_GETARG_TEXT_PP(1)), model);
	}
}

/* A dump may have been restored in part. */
static void
check_stored(const Measurement *stored, bool curves)
{
	const PfMeasured *measured = &stored->measured;

	if (measured->metrics.count == 0 ||
		(strcmp(stored->version.model.task, "classification") == 0 &&
		 (measured->confusion == NULL || (curves && measured->curves == NULL))))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("stored measurement of version %d of model \"%s\" is incomplete",
						stored->version.version, stored->version.model.name),
				 errhint("Pass rows to measure on: source => 'a table or a query'.")));
}

/* Of the training, what its score is of: validation rows, else test rows, or out-of-bag where none were held out. */
static void
read_stored(Measurement *out, bool curves)
{
	PfMeasured *list;
	int			n = pf_catalog_measured(&out->version, curves, &list);
	const char *sets[] = {"validation", "test", "oob"};

	for (int s = 0; s < (int) lengthof(sets); s++)
	{
		for (int i = 0; i < n; i++)
		{
			if (strcmp(list[i].set, sets[s]) == 0)
			{
				out->measured = list[i];
				check_stored(out, curves);
				return;
			}
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("version %d of model \"%s\" was not measured when it was trained",
					out->version.version, out->version.model.name),
			 errdetail("No rows were held out, and there are no out-of-bag predictions."),
			 errhint("Pass the rows to measure on: source => 'a table or a query'.")));
}

static void
scan_source(Measurement *out, const char *source, const PfModel *model)
{
	PfVersionInfo *version = &out->version;

	out->source = pf_source_open(source);
	out->scores = pf_score(out->source, &version, &model, 1, false, NIL);
	pf_score_notice(out->scores);
	out->scored = &out->scores->versions[0];
	out->measured.set = "source";
	out->measured.rows = out->scores->rows;
	out->measured.nclasses = out->scored->nclasses;
	out->measured.classes = out->scored->classes;
}

static void
count_confusion(Measurement *measurement)
{
	PfMeasured *measured = &measurement->measured;

	measured->confusion = palloc0(sizeof(uint64) * measured->nclasses * measured->nclasses);
	pf_confusion(pf_pg_env(CurrentMemoryContext), measured->nclasses,
				 (size_t) measurement->scores->rows, measurement->scored->actual,
				 measurement->scored->shares, measured->confusion);
}

/* The class of a curve: argument n, or the second of two. */
static uint32
choose_class(FunctionCallInfo fcinfo, int n, const char *model, char *const *classes,
			 uint32 nclasses)
{
	char	   *name = NULL;
	StringInfoData list;

	if (!PG_ARGISNULL(n))
	{
		name = text_to_cstring(PG_GETARG_TEXT_PP(n));
		for (uint32 i = 0; i < nclasses; i++)
			if (strcmp(classes[i], name) == 0)
				return i;
	}
	else if (nclasses == 2)
		return 1;

	initStringInfo(&list);
	for (uint32 i = 0; i < nclasses; i++)
		pf_list_name(&list, classes[i]);
	if (name != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model \"%s\" has no class \"%s\"", model, name),
				 errdetail("Its classes are %s.", list.data)));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("class must be named, since model \"%s\" has %u of them", model, nclasses),
			 errdetail("Its classes are %s.", list.data),
			 errhint("Add class => %s.", quote_literal_cstr(classes[0]))));
}

/* NaN stands for what is not defined: NULL in SQL. */
static void
put_double(Datum *values, bool *nulls, int column, double value)
{
	nulls[column] = isnan(value);
	values[column] = Float8GetDatum(value);
}

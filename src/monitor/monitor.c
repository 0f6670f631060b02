/*
 * monitor.c
 *	  ml_monitor and ml_drop_monitor: what ml_watch is to look at.
 *
 * Everything is checked when a monitor is declared, as the role that declares it: the model and
 * the right to use it, the source and its columns.  All of it may change until it is
 * watched; then it is an error of that time.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/alert.h"
#include "catalog/call.h"
#include "catalog/monitor.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "load/columns.h"
#include "load/source.h"
#include "miscadmin.h"
#include "monitor/window.h"
#include "predict/bind.h"
#include "profile/check.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

static int64 length_argument(FunctionCallInfo fcinfo, int n, const char *name, bool positive);
static TimestampTz since_argument(FunctionCallInfo fcinfo, int n);
static void check_name(const char *name);
static void read_limits(FunctionCallInfo fcinfo, PfMonitor *monitor);
static void check_metric(const PfMonitor *monitor, const PfModel *model);
static void check_source(PfMonitor *monitor, const PfVersionInfo *version, const PfModel *model);

PG_FUNCTION_INFO_V1(ml_monitor);
PG_FUNCTION_INFO_V1(ml_drop_monitor);

/*
 * ml_monitor(name, model, source, truth, time_column, period, delay, metric, threshold, max_regression,
 * learn, min_rows, drift, since, quality, limits)
 */
Datum
ml_monitor(PG_FUNCTION_ARGS)
{
	static const struct
	{
		int			number;
		const char *name;
	}			needed[] = {{0, "name"}, {1, "model"}, {2, "source"}, {5, "period"}, {6, "delay"},
	{11, "min_rows"}, {12, "drift"}, {14, "quality"}};
	PfMonitor	monitor = {0};
	PfVersionInfo version;
	const PfModel *model;
	TimestampTz start = DT_NOBEGIN;

	for (int i = 0; i < (int) lengthof(needed); i++)
	{
		if (PG_ARGISNULL(needed[i].number))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not be null", needed[i].name)));
	}
	monitor.name = pf_text_argument(fcinfo, 0);
	monitor.reference = pf_text_argument(fcinfo, 1);
	monitor.source = pf_text_argument(fcinfo, 2);
	monitor.truth = pf_text_argument(fcinfo, 3);
	monitor.time_column = pf_text_argument(fcinfo, 4);
	monitor.period = length_argument(fcinfo, 5, "period", true);
	monitor.delay = length_argument(fcinfo, 6, "delay", false);
	monitor.metric = pf_text_argument(fcinfo, 7);
	monitor.drift = PG_GETARG_BOOL(12);
	monitor.quality = PG_GETARG_BOOL(14);
	monitor.limits = PG_ARGISNULL(15) ? NULL : PG_GETARG_JSONB_P(15);
	check_name(monitor.name);
	read_limits(fcinfo, &monitor);
	PreventCommandIfReadOnly("ml_monitor()");
	PreventCommandIfParallelMode("ml_monitor()");

	pf_push_new_snapshot();
	pf_catalog_resolve(monitor.reference, PF_RIGHT_PREDICT, &version);
	model = pf_hold_model(CurrentMemoryContext, &version);
	monitor.model = version.model.id;
	check_metric(&monitor, model);
	check_source(&monitor, &version, model);

	/* from the beginning of a window; without any say, of the last one that is complete */
	monitor.watched_until = DT_NOBEGIN;
	if (monitor.time_column != NULL)
	{
		start = pf_window_start(GetCurrentTimestamp() - monitor.period, monitor.period);
		if (!PG_ARGISNULL(13))
			monitor.watched_until = pf_window_start(since_argument(fcinfo, 13), monitor.period);
	}
	pf_monitor_store(&monitor, start);
	PopActiveSnapshot();
	PG_RETURN_VOID();
}

Datum
ml_drop_monitor(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "name")));
	PreventCommandIfReadOnly("ml_drop_monitor()");
	PreventCommandIfParallelMode("ml_drop_monitor()");
	pf_push_new_snapshot();
	pf_monitor_drop(pf_text_argument(fcinfo, 0));
	for (int i = 0; i < (int) lengthof(pf_monitor_alerts); i++)
		pf_alert_resolve(pf_monitor_alert_key(pf_monitor_alerts[i], pf_text_argument(fcinfo, 0)));
	PopActiveSnapshot();
	PG_RETURN_VOID();
}

/* ----- arguments ----- */

/* An interval in microseconds; months have no length. */
static int64
length_argument(FunctionCallInfo fcinfo, int n, const char *name, bool positive)
{
	Interval   *interval = PG_GETARG_INTERVAL_P(n);
	int64		length = interval->time + interval->day * USECS_PER_DAY;

	if (interval->month != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not have months", name),
				 errdetail("Months are not all equally long, and windows must be."),
				 errhint("Give it in weeks, days or hours, such as '28 days'.")));
	if (length < 0 || (positive && length < USECS_PER_SEC) || length > 36525 * USECS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is out of range", name),
				 errhint("Give it as an interval between %s and 100 years.",
						 positive ? "1 second" : "0")));
	return length;
}

static TimestampTz
since_argument(FunctionCallInfo fcinfo, int n)
{
	TimestampTz since = PG_GETARG_TIMESTAMPTZ(n);

	if (TIMESTAMP_NOT_FINITE(since))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("since must be a finite time")));
	return since;
}

static void
check_name(const char *name)
{
	size_t		length = strlen(name);
	bool		blank = true;

	for (const char *p = name; *p; p++)
	{
		if ((unsigned char) *p < 0x20 || *p == 0x7f)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_NAME),
					 errmsg("monitor name must not contain control characters")));
		blank = blank && *p == ' ';
	}
	if (blank || length > 63)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("monitor name must have 1 to 63 bytes, not all blank")));
}

/* The numbers, each by itself. */
static void
read_limits(FunctionCallInfo fcinfo, PfMonitor *monitor)
{
	monitor->threshold = PG_ARGISNULL(8) ? NAN : PG_GETARG_FLOAT8(8);
	monitor->max_regression = PG_ARGISNULL(9) ? NAN : PG_GETARG_FLOAT8(9);
	monitor->learn = PG_ARGISNULL(10) ? 0 : PG_GETARG_INT32(10);
	monitor->min_rows = PG_GETARG_INT64(11);
	if (!PG_ARGISNULL(8) && !isfinite(monitor->threshold))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("threshold must be a finite number")));
	if (!PG_ARGISNULL(9) && !(monitor->max_regression >= 0 && isfinite(monitor->max_regression)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_regression must not be negative"),
				 errhint("It is a share of the value at training: 0.1 allows a loss of 10 %%.")));
	if (!PG_ARGISNULL(10) && (monitor->learn < 3 || monitor->learn > 10000))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("learn must be between 3 and 10000 windows"),
				 errhint("Leave it out to learn no bound.")));
	if (monitor->min_rows < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("min_rows must not be negative"),
				 errhint("0 means that no rows are nothing to tell of.")));
}

/* Is the metric one of the model's, and can anything be said of it? */
static void
check_metric(const PfMonitor *monitor, const PfModel *model)
{
	bool		bound = monitor->metric != NULL || !isnan(monitor->threshold) ||
		!isnan(monitor->max_regression) || monitor->learn > 0;

	if (model->task == PF_ANOMALY)
	{
		if (bound || monitor->truth != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("model \"%s\" is for anomalies and has no metrics", monitor->reference),
					 errhint("Leave out truth, metric, threshold, max_regression and learn: drift and the number of rows are watched.")));
		return;
	}
	if (monitor->metric != NULL && !pf_metric_of_task(monitor->metric, model->task))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized metric \"%s\"", monitor->metric),
				 errdetail("Metrics of model \"%s\" are %s.", monitor->reference,
						   pf_metric_names(model->task))));
	if (bound && monitor->truth == NULL && !pf_can_estimate(model))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("metrics of model \"%s\" cannot be watched without truth", monitor->reference),
				 errdetail("They can be estimated from calibrated probabilities only."),
				 errhint("Name the column with what came true, as in truth => 'label', or train a classification with the parameter \"calibration\".")));
}

/* The columns that are named, and those that the model needs. */
static void
check_source(PfMonitor *monitor, const PfVersionInfo *version, const PfModel *model)
{
	PfSource   *source = pf_source_open(monitor->source);
	StringInfoData missing;
	const char *const named[] = {monitor->truth, monitor->time_column};

	initStringInfo(&missing);
	for (int i = 0; i < (int) lengthof(named); i++)
		if (named[i] != NULL && pf_source_column(source, named[i]) < 0)
			pf_list_name(&missing, named[i]);
	if (missing.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("source lacks columns that the monitor names"),
				 errdetail("Missing: %s.", missing.data)));
	pf_check_rows(version, model, monitor->reference, source->desc);

	if (monitor->time_column != NULL)
	{
		Oid			type = TupleDescAttr(source->desc,
										 pf_source_column(source, monitor->time_column))->atttypid;

		if (type != TIMESTAMPTZOID && type != TIMESTAMPOID && type != DATEOID)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" is no time", monitor->time_column),
					 errdetail("It has type %s.", format_type_be(type)),
					 errhint("Cast it to timestamptz in the query passed as source.")));
	}
	if (monitor->truth != NULL)
	{
		Oid			type = TupleDescAttr(source->desc,
										 pf_source_column(source, monitor->truth))->atttypid;
		PfReader	reader;

		if (!pf_reader_init(&reader, type) || OidIsValid(reader.element) ||
			(model->nclasses == 0 && reader.kind != PF_NUMBER))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" cannot be compared with the predictions of model \"%s\"",
							monitor->truth, monitor->reference),
					 errdetail("It has type %s, the model predicts %s.", format_type_be(type),
							   model->nclasses > 0 ? "a class" : "a number")));
	}
	/* what is wrong with the limits is said now, without a row */
	if (monitor->limits != NULL)
		pf_check_source(version, psprintf("SELECT * FROM %s WHERE false", source->from), monitor->limits);

	/* as it will be found by whoever watches, whatever his search_path */
	monitor->source = source->query;
}

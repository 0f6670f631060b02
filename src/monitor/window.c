/*
 * window.c
 *	  What a monitor sees in one window of time.
 *
 * The rows of a window are those of the monitor's source whose time is in it, read as the
 * current role.  They are counted first, by a plain query; what is measured is
 * measured by evaluate/score.h, with the truth in the place of the target.  To estimate
 * metrics only the shares are wanted: then the place of the target is taken by a constant.
 *
 * Alerts have keys made of the event and the monitor's name, so that each is raised once and
 * resolved by the first window in which all is well again.  Of a metric there are two: what was
 * measured, and what was estimated before the truth was there.
 *
 * Memory: a context of its own for each window.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/alert.h"
#include "catalog/pg_type_d.h"
#include "catalog/pgenv.h"
#include "evaluate/score.h"
#include "executor/spi.h"
#include "monitor/found.h"
#include "monitor/window.h"
#include "predict/bind.h"
#include "profile/check.h"
#include "profile/drift.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"

/* 2000-01-03, a Monday. */
#define FIRST_MONDAY (2 * USECS_PER_DAY)

/* A window on its way. */
typedef struct View
{
	const PfMonitor *monitor;
	const PfWindow *window;
	PfVersionInfo version;
	const PfModel *model;
	PfSource   *source;
	char	   *rows;			/* FROM ... WHERE ...: its rows */
	int			alerts;
} View;

static MemoryContext open_view(View *view, const PfMonitor *monitor, const PfWindow *window);
static char *rows_of(const View *view);
static void count_rows(const View *view, int64 *rows, int64 *with_truth);
static char *select_rows(const View *view, const char *target);
static char *truth_of(const View *view);
static void check_rows(View *view, int64 rows);
static void estimate(View *view);
static void check_quality(View *view);
static void test_drift(View *view, bool target);
static void judge(View *view, const char *set, const PfMeasured *measured, PfSeverity severity);
static char *find_breach(const View *view, const char *metric, double value, StringInfo details);
static void raise_or_resolve(View *view, const char *event, const char *what, PfSeverity severity,
							 char *reason, StringInfo details);

TimestampTz
pf_window_start(TimestampTz time, int64 period)
{
	int64		since = time - FIRST_MONDAY;
	int64		number = since / period - (since % period < 0);

	return FIRST_MONDAY + number * period;
}

bool
pf_metric_of_task(const char *name, PfTask task)
{
	const char *names = pf_metric_names(task);
	size_t		length = strlen(name);

	for (const char *p = strstr(names, name); p != NULL; p = strstr(p + 1, name))
		if ((p == names || p[-1] == ' ') && (p[length] == ',' || p[length] == '\0'))
			return true;
	return false;
}

bool
pf_can_estimate(const PfModel *model)
{
	return model->nclasses > 0 && model->calibration.method != PF_NOT_CALIBRATED;
}

int64
pf_window_watch(const PfMonitor *monitor, const PfWindow *window, int *alerts)
{
	View		view;
	MemoryContext caller = open_view(&view, monitor, window);
	int64		rows;
	int64		with_truth;

	count_rows(&view, &rows, &with_truth);
	check_rows(&view, rows);
	if (rows > 0 && monitor->quality)
		check_quality(&view);
	if (rows > 0 && pf_can_estimate(view.model))
		estimate(&view);
	if (rows > 0 && monitor->drift)
		test_drift(&view, with_truth == rows);

	*alerts += view.alerts;
	MemoryContextDelete(MemoryContextSwitchTo(caller));
	return rows;
}

int64
pf_window_measure(const PfMonitor *monitor, const PfWindow *window, int *alerts)
{
	View		view;
	MemoryContext caller = open_view(&view, monitor, window);
	int64		rows;
	int64		with_truth;

	count_rows(&view, &rows, &with_truth);
	if (with_truth > 0)
	{
		const PfVersionInfo *version = &view.version;
		PfSource   *source = pf_source_open(select_rows(&view, truth_of(&view)));
		PfScores   *scores = pf_score(source, (PfVersionInfo *const *) &version, &view.model, 1, false, NIL);
		PfMeasured	measured = {.set = "window",.window = window,.rows = scores->rows};

		measured.nclasses = scores->versions[0].nclasses;
		measured.classes = scores->versions[0].classes;
		pf_score_metrics(scores, 0, PF_WHOLE, &measured.metrics, NULL);
		pf_catalog_add_measured(version, &measured, monitor->source);
		judge(&view, PF_ALERT_METRIC, &measured, PF_CRITICAL);
		raise_or_resolve(&view, "metric", PF_ALERT_ESTIMATE, PF_WARNING, NULL, NULL);
	}
	*alerts += view.alerts;
	MemoryContextDelete(MemoryContextSwitchTo(caller));
	return rows == 0 ? -1 : with_truth;
}

TimestampTz
pf_window_next_row(const PfMonitor *monitor, const PfWindow *window)
{
	PfWindow	after = {.monitor = window->monitor,.from = window->until,.until = DT_NOEND};
	View		view;
	MemoryContext caller = open_view(&view, monitor, &after);
	TimestampTz next = DT_NOEND;
	Datum		found;
	bool		isnull;

	SPI_connect();
	if (SPI_execute(psprintf("SELECT pg_catalog.min(source.%s)::pg_catalog.timestamptz %s",
							 quote_identifier(monitor->time_column), view.rows), true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not find the next row of monitor \"%s\"", monitor->name);
	found = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (!isnull)
		next = DatumGetTimestampTz(found);
	SPI_finish();
	MemoryContextDelete(MemoryContextSwitchTo(caller));
	return next;
}

/* ----- the rows ----- */

/* Fills *view, in a context that is the current one then; returns the one before. */
static MemoryContext
open_view(View *view, const PfMonitor *monitor, const PfWindow *window)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgforest window",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);

	memset(view, 0, sizeof(*view));
	view->monitor = monitor;
	view->window = window;
	pf_catalog_resolve(monitor->reference, PF_RIGHT_PREDICT, &view->version);
	view->model = pf_hold_model(context, &view->version);
	view->source = pf_source_open(monitor->source);
	view->rows = rows_of(view);
	return caller;
}

static char *
rows_of(const View *view)
{
	const char *column = view->monitor->time_column;
	StringInfoData sql;
	TimestampTz ends[] = {view->window->from, view->window->until};

	initStringInfo(&sql);
	appendStringInfo(&sql, "FROM %s", view->source->from);
	for (int i = 0; column != NULL && i < 2 && !TIMESTAMP_NOT_FINITE(ends[i]); i++)
	{
		int			place = pf_source_column(view->source, column);

		if (place < 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("source lacks column \"%s\" with the time of rows", column)));
		appendStringInfo(&sql, " %s source.%s OPERATOR(pg_catalog.%s) "
						 "pg_catalog.to_timestamp(%.6f)::%s",
						 i == 0 ? "WHERE" : "AND", quote_identifier(column), i == 0 ? ">=" : "<",
						 ends[i] / (double) USECS_PER_SEC +
						 (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY,
						 format_type_be_qualified(TupleDescAttr(view->source->desc, place)->atttypid));
	}
	return sql.data;
}

static void
count_rows(const View *view, int64 *rows, int64 *with_truth)
{
	const char *truth = view->monitor->truth;
	bool		isnull;

	SPI_connect();
	if (SPI_execute(psprintf("SELECT pg_catalog.count(*), pg_catalog.count(%s%s) %s",
							 truth ? "source." : "NULL", truth ? quote_identifier(truth) : "",
							 view->rows), true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not count the rows of monitor \"%s\"", view->monitor->name);
	*rows = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	*with_truth = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	SPI_finish();
}

/* SELECT the columns of the source, with an expression (or NULL: none) in the place of the target. */
static char *
select_rows(const View *view, const char *target)
{
	StringInfoData sql;
	const char *name = view->version.target;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s", pf_columns_but(view->source, name));
	if (target != NULL)
		appendStringInfo(&sql, ", %s AS %s", target, quote_identifier(name));
	appendStringInfo(&sql, " %s", view->rows);
	return sql.data;
}

/* The truth in the place of the target. */
static char *
truth_of(const View *view)
{
	return psprintf("source.%s", quote_identifier(view->monitor->truth));
}

/* A label in the target's type, if the source has that column. */
static char *
constant_target(const View *view)
{
	int			place = pf_source_column(view->source, view->version.target);

	return psprintf("CAST(%s AS %s)", quote_literal_cstr(view->model->classes[0]),
					place < 0 ? "pg_catalog.text" :
					format_type_be_qualified(TupleDescAttr(view->source->desc, place)->atttypid));
}

/* ----- what is found ----- */

static void
check_rows(View *view, int64 rows)
{
	StringInfoData details;
	char	   *reason = NULL;

	initStringInfo(&details);
	appendStringInfo(&details, "\"rows\": " INT64_FORMAT ", \"min_rows\": " INT64_FORMAT,
					 rows, view->monitor->min_rows);
	if (rows < view->monitor->min_rows)
		reason = rows == 0 ? "no new rows" :
			psprintf(INT64_FORMAT " new rows, fewer than " INT64_FORMAT, rows, view->monitor->min_rows);
	raise_or_resolve(view, "rows", PF_ALERT_ROWS, PF_WARNING, reason, &details);
}

static void
estimate(View *view)
{
	const PfVersionInfo *version = &view->version;
	PfSource   *source = pf_source_open(select_rows(view, constant_target(view)));
	PfScores   *scores = pf_score(source, (PfVersionInfo *const *) &version, &view->model, 1, false, NIL);
	PfMeasured	measured = {.set = "estimated",.window = view->window,.rows = scores->rows};

	measured.nclasses = view->model->nclasses;
	measured.classes = view->model->classes;
	pf_estimate_classes(pf_pg_env(CurrentMemoryContext), view->model->nclasses,
						(size_t) scores->rows, scores->versions[0].shares, &measured.metrics);
	pf_catalog_add_measured(version, &measured, view->monitor->source);

	/* what will be measured in the same breath need not be guessed */
	if (view->monitor->truth == NULL || view->monitor->delay > 0)
		judge(view, PF_ALERT_ESTIMATE, &measured, PF_WARNING);
}

/* What ml_check has against the rows; what it only remarks is no alert. */
static void
check_quality(View *view)
{
	List	   *violations = pf_check_source(&view->version, select_rows(view, NULL), view->monitor->limits);
	StringInfoData details;
	PfSeverity	severity;
	char	   *summary;

	initStringInfo(&details);
	summary = pf_quality_summary(violations, &severity, &details);
	raise_or_resolve(view, "quality", PF_ALERT_QUALITY, severity, summary, &details);
}

/* The target is tested as well when all of it is known: what is not there yet has not drifted. */
static void
test_drift(View *view, bool target)
{
	PfDriftOptions options = PF_DRIFT_DEFAULTS;
	List	   *rows = pf_drift(&view->version, select_rows(view, target ? truth_of(view) : NULL), &options);
	StringInfoData details;

	initStringInfo(&details);
	pf_drift_keep(&view->version, view->window, rows);
	raise_or_resolve(view, "drift", PF_ALERT_DRIFT, PF_WARNING,
					 pf_drift_summary(rows, &details), &details);
}

/* The metric that alerts are about. */
static const char *
metric_of(const View *view)
{
	if (view->monitor->metric != NULL)
		return view->monitor->metric;
	if (view->version.metric != NULL)
		return view->version.metric;
	return view->model->nclasses > 0 ? "roc_auc" : "rmse";
}

static void
judge(View *view, const char *what, const PfMeasured *measured, PfSeverity severity)
{
	const char *metric = metric_of(view);
	double		value = pf_metric_value(&measured->metrics, metric);
	StringInfoData details;
	char	   *reason;

	if (isnan(value))
		return;
	initStringInfo(&details);
	appendStringInfo(&details, "\"metric\": \"%s\", \"value\": %s, \"set\": \"%s\", \"rows\": " INT64_FORMAT,
					 metric, float8out_internal(value), measured->set, measured->rows);
	reason = find_breach(view, metric, value, &details);
	raise_or_resolve(view, "metric", what, severity, reason, &details);
}

/* The value that the version had of a metric when it was trained; NaN: none. */
static double
training_value(const View *view, const char *metric)
{
	static const char *const sets[] = {"validation", "test", "oob"};
	PfMeasured *list;
	int			count = pf_catalog_measured(&view->version, false, &list);

	for (int s = 0; s < (int) lengthof(sets); s++)
		for (int i = 0; i < count; i++)
			if (strcmp(list[i].set, sets[s]) == 0)
				return pf_metric_value(&list[i].metrics, metric);
	return NAN;
}

/* Why a value is not good enough, or NULL. */
static char *
find_breach(const View *view, const char *metric, double value, StringInfo details)
{
	const PfMonitor *monitor = view->monitor;
	int			direction = pf_metric_direction(metric);
	double		trained = training_value(view, metric);
	double		mean;
	double		deviation;
	char	   *reason = NULL;

	if (!isnan(trained))
		appendStringInfo(details, ", \"training\": %s", float8out_internal(trained));
	if (!isnan(monitor->threshold))
	{
		appendStringInfo(details, ", \"threshold\": %s", float8out_internal(monitor->threshold));
		if ((monitor->threshold - value) * direction > 0)
			reason = psprintf("%s is %.6g, worse than the threshold %.6g", metric, value, monitor->threshold);
	}
	if (!isnan(monitor->max_regression) && !isnan(trained))
	{
		double		worst = trained - direction * fabs(trained) * monitor->max_regression;

		if (reason == NULL && (worst - value) * direction > 0)
			reason = psprintf("%s is %.6g, worse by more than %.6g %% than %.6g at training", metric, value,
							  monitor->max_regression * 100, trained);
	}
	if (monitor->learn > 0 &&
		pf_monitor_learned(monitor, metric, TIMESTAMP_IS_NOBEGIN(view->window->from) ?
						   view->window->until - 1 : view->window->from, &mean, &deviation))
	{
		double		worst = mean - direction * 3 * deviation;

		appendStringInfo(details, ", \"learned\": %s", float8out_internal(worst));
		if (reason == NULL && (worst - value) * direction > 0)
			reason = psprintf("%s is %.6g, worse than %.6g, three standard deviations from the mean %.6g of %d windows",
							  metric, value, worst, mean, monitor->learn);
	}
	return reason;
}

static void
raise_or_resolve(View *view, const char *event, const char *what, PfSeverity severity,
				 char *reason, StringInfo details)
{
	const PfMonitor *monitor = view->monitor;
	char	   *key = pf_monitor_alert_key(what, monitor->name);
	PfAlert		alert = {0};

	if (reason == NULL)
	{
		pf_alert_resolve(key);
		return;
	}
	if (!TIMESTAMP_IS_NOBEGIN(view->window->from))
		appendStringInfo(details, ", \"from\": \"%s\"", JsonEncodeDateTime(NULL, TimestampTzGetDatum(view->window->from),
																	   TIMESTAMPTZOID, NULL));
	appendStringInfo(details, ", \"until\": \"%s\"", JsonEncodeDateTime(NULL, TimestampTzGetDatum(view->window->until),
																	TIMESTAMPTZOID, NULL));
	alert.event = event;
	alert.severity = severity;
	alert.key = key;
	alert.title = psprintf("model %s, version %d: %s", view->version.model.name, view->version.version, reason);
	alert.model = view->version.model.name;
	alert.version = view->version.version;
	alert.monitor = monitor->name;
	alert.details = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
													   CStringGetDatum(psprintf("{%s}", details->data))));
	pf_alert_raise(&alert);
	view->alerts++;
}

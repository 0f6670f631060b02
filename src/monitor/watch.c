/*
 * watch.c
 *	  ml_watch: evaluates the monitors that are due.
 *
 * Each window is a transaction of its own, if the call may end transactions (CALL outside of a
 * transaction block and of functions that cannot); else all of it is one.  In either case a
 * window is evaluated in a subtransaction: what fails there is recorded with the
 * monitor and raises an alert, and the next monitor has its turn.  The window that failed is
 * looked at again by the next call.
 *
 * A monitor's row stays locked while a window of it is evaluated; another call passes it over.
 *
 * A monitor runs its source as the current role, so only those of roles whose member that is are
 * evaluated.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/alert.h"
#include "catalog/monitor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "monitor/window.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

/* Windows of one monitor that a call catches up with. */
#define MAX_WINDOWS 1000

/* A call of ml_watch. */
typedef struct Watch
{
	bool		atomic;
	TimestampTz now;
	int			monitors;		/* looked at */
	int			windows;
	int			alerts;
	int			failed;
	int			left_out;		/* of other roles */
} Watch;

/* What to do next with a monitor. */
typedef enum Step
{
	STEP_NONE,
	STEP_WATCH,
	STEP_MEASURE
} Step;

static void watch_monitor(Watch *watch, int64 id);
static Step next_step(const Watch *watch, const PfMonitor *monitor, TimestampTz after, PfWindow *window);
static bool run_step(Watch *watch, PfMonitor *monitor, Step step, const PfWindow *window);
static void do_step(Watch *watch, PfMonitor *monitor, Step step, const PfWindow *window);
static TimestampTz skip_empty(const PfMonitor *monitor, const PfWindow *window, TimestampTz end);
static void tell_failure(const PfMonitor *monitor, const ErrorData *error);

PG_FUNCTION_INFO_V1(ml_watch);

/* ml_watch(INOUT monitors, windows, alerts, failed) */
Datum
ml_watch(PG_FUNCTION_ARGS)
{
	Watch		watch = {.atomic = true,.now = GetCurrentTimestamp()};
	MemoryContext context;
	List	   *ids;
	ListCell   *lc;
	TupleDesc	desc;
	Datum		values[4];
	bool		nulls[4] = {false, false, false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	desc = BlessTupleDesc(desc);
	PreventCommandIfReadOnly("ml_watch()");
	PreventCommandIfParallelMode("ml_watch()");
	if (fcinfo->context != NULL && IsA(fcinfo->context, CallContext))
		watch.atomic = ((CallContext *) fcinfo->context)->atomic;

	SPI_connect_ext(watch.atomic ? 0 : SPI_OPT_NONATOMIC);
	pf_push_new_snapshot();
	ids = pf_monitor_list();
	PopActiveSnapshot();
	context = AllocSetContextCreate(CurrentMemoryContext, "pgforest monitor", ALLOCSET_DEFAULT_SIZES);
	foreach(lc, ids)
	{
		MemoryContext spi = MemoryContextSwitchTo(context);

		watch_monitor(&watch, *(int64 *) lfirst(lc));
		MemoryContextSwitchTo(spi);
		MemoryContextReset(context);
	}
	SPI_finish();

	if (watch.left_out > 0)
		ereport(NOTICE,
				(errmsg_plural("%d monitor of another role was left out",
							   "%d monitors of other roles were left out",
							   watch.left_out, watch.left_out),
				 errhint("A monitor's query is run by members of the role that declared it.")));
	values[0] = Int32GetDatum(watch.monitors);
	values[1] = Int32GetDatum(watch.windows);
	values[2] = Int32GetDatum(watch.alerts);
	values[3] = Int32GetDatum(watch.failed);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

/* One step in one transaction, as long as there is something to do. */
static void
watch_monitor(Watch *watch, int64 id)
{
	TimestampTz after = DT_NOBEGIN; /* windows whose truth is not there yet are passed over */
	bool		counted = false;
	bool		more = true;

	for (int i = 0; more && i < MAX_WINDOWS; i++)
	{
		PfMonitor	monitor;
		PfWindow	window = {0};
		Step		step = STEP_NONE;

		CHECK_FOR_INTERRUPTS();
		pf_push_new_snapshot();
		more = pf_monitor_lock(id, &monitor);
		if (more && !pf_catalog_is_trusted(monitor.owner))
		{
			watch->left_out++;
			more = false;
		}
		if (more)
		{
			step = next_step(watch, &monitor, after, &window);
			more = step != STEP_NONE && run_step(watch, &monitor, step, &window);
			if (step == STEP_MEASURE)
				after = window.until;
		}
		PopActiveSnapshot();
		if (step != STEP_NONE)
		{
			watch->monitors += !counted;
			counted = true;
		}
		if (!watch->atomic)
			SPI_commit();
	}
}

/*
 * The next window that is over; first all are watched, then those are measured whose truth should
 * be there.  Without a column of time, the window is all there is.
 */
static Step
next_step(const Watch *watch, const PfMonitor *monitor, TimestampTz after, PfWindow *window)
{
	window->monitor = monitor->id;
	if (monitor->time_column == NULL)
	{
		window->from = DT_NOBEGIN;
		window->until = watch->now;
		if (TIMESTAMP_IS_NOBEGIN(monitor->watched_until) ||
			monitor->watched_until + monitor->period <= watch->now)
			return STEP_WATCH;
		if (monitor->truth != NULL && monitor->watched_until == watch->now && after != watch->now)
			return STEP_MEASURE;
		return STEP_NONE;
	}

	/* the period may be another than it was */
	window->from = pf_window_start(monitor->watched_until, monitor->period);
	window->until = window->from + monitor->period;
	if (window->until <= watch->now)
		return STEP_WATCH;
	if (monitor->truth == NULL)
		return STEP_NONE;
	window->from = pf_window_start(Max(monitor->measured_until, after), monitor->period);
	window->until = window->from + monitor->period;
	return window->until + monitor->delay <= watch->now ? STEP_MEASURE : STEP_NONE;
}

/* In a subtransaction; false when it failed. */
static bool
run_step(Watch *watch, PfMonitor *monitor, Step step, const PfWindow *window)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		do_step(watch, monitor, step, window);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		/* who cancels us means all of it */
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			ReThrowError(error);
	}
	PG_END_TRY();

	if (error == NULL)
	{
		watch->windows += step == STEP_WATCH;
		return true;
	}
	watch->failed++;
	watch->alerts++;
	pf_monitor_failed(monitor, error);
	tell_failure(monitor, error);
	ereport(WARNING,
			(errcode(error->sqlerrcode),
			 errmsg("monitor \"%s\" failed: %s", monitor->name, error->message),
			 error->detail ? errdetail("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) : 0));
	return false;
}

static void
do_step(Watch *watch, PfMonitor *monitor, Step step, const PfWindow *window)
{
	int			alerts = 0;

	if (step == STEP_WATCH)
		monitor->watched_until = pf_window_watch(monitor, window, &alerts) > 0 ? window->until
			: skip_empty(monitor, window, watch->now);
	else
	{
		int64		measured = pf_window_measure(monitor, window, &alerts);

		if (measured != 0)
			monitor->measured_until = measured > 0 ? window->until
				: skip_empty(monitor, window, watch->now - monitor->delay);
	}
	pf_monitor_passed(monitor);
	pf_alert_resolve(pf_monitor_alert_key(PF_ALERT_FAILED, monitor->name));
	watch->alerts += alerts;
}

/*
 * Where to go on after a window without rows, of those that are over at `end`: at that of the next
 * row, or at the last one, so that an alert tells of a stretch that lasts until now.
 */
static TimestampTz
skip_empty(const PfMonitor *monitor, const PfWindow *window, TimestampTz end)
{
	TimestampTz last;
	TimestampTz next;

	if (monitor->time_column == NULL)
		return window->until;
	last = pf_window_start(end, monitor->period) - monitor->period;
	if (last <= window->until)
		return window->until;
	next = Min(pf_window_next_row(monitor, window), last);
	return Max(window->until, pf_window_start(next, monitor->period));
}

static void
tell_failure(const PfMonitor *monitor, const ErrorData *error)
{
	PfAlert		alert = {0};
	StringInfoData details;

	initStringInfo(&details);
	appendStringInfo(&details, "{\"sqlstate\": \"%s\", \"message\": ", unpack_sql_state(error->sqlerrcode));
	escape_json(&details, error->message ? error->message : "");
	appendStringInfoChar(&details, '}');

	alert.event = "run_failed";
	alert.severity = PF_CRITICAL;
	alert.key = pf_monitor_alert_key(PF_ALERT_FAILED, monitor->name);
	alert.title = psprintf("monitor %s failed: %s", monitor->name, error->message);
	alert.model = pf_reference_parse(monitor->reference)->model;
	alert.monitor = monitor->name;
	alert.details = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(details.data)));
	pf_alert_raise(&alert);
}

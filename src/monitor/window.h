/*
 * window.h
 *	  One window of a monitor: what is looked at, and what came of it.
 */
#ifndef PF_MONITOR_WINDOW_H
#define PF_MONITOR_WINDOW_H

#include "postgres.h"
#include "catalog/monitor.h"
#include "engine/model/model.h"
#include "engine/measure/measure.h"

/* What the keys of a monitor's alerts begin with. */
#define PF_ALERT_ROWS		"rows"
#define PF_ALERT_METRIC		"metric"
#define PF_ALERT_ESTIMATE	"metric (estimated)"
#define PF_ALERT_DRIFT		"drift"
#define PF_ALERT_QUALITY	"quality"
#define PF_ALERT_FAILED		"run_failed"

static const char *const pf_monitor_alerts[] = {
	PF_ALERT_ROWS, PF_ALERT_METRIC, PF_ALERT_ESTIMATE, PF_ALERT_DRIFT, PF_ALERT_QUALITY,
	PF_ALERT_FAILED
};

static inline char *
pf_monitor_alert_key(const char *what, const char *monitor)
{
	return psprintf("%s of monitor %s", what, monitor);
}

/* The beginning of the window that a time is in: they are counted from Monday 2000-01-03, 0:00 UTC. */
extern TimestampTz pf_window_start(TimestampTz time, int64 period);

/* Is it a metric of that task? */
extern bool pf_metric_of_task(const char *name, PfTask task);

/* Do the shares of the model mean what they say, so that metrics can be estimated from them? */
extern bool pf_can_estimate(const PfModel *model);

/*
 * Looks at the rows of a window, with the version that the monitor's reference names now: are there
 * enough, do they drift, what is to be expected of the metrics.  Stores what it finds, raises alerts and resolves
 * them; *alerts counts those that are raised.  Returns the number of rows.
 */
extern int64 pf_window_watch(const PfMonitor *monitor, const PfWindow *window, int *alerts);

/* Measures a window by the truth, if some of it is there.  Returns the number of rows with truth, or -1: no rows. */
extern int64 pf_window_measure(const PfMonitor *monitor, const PfWindow *window, int *alerts);

/* The time of the first row after a window of a monitor with a column of time; DT_NOEND: there is none. */
extern TimestampTz pf_window_next_row(const PfMonitor *monitor, const PfWindow *window);

#endif							/* PF_MONITOR_WINDOW_H */

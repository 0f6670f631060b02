/*
 * monitor.h
 *	  Monitors: what is watched of a model, and up to when it was.
 */
#ifndef PF_CATALOG_MONITOR_H
#define PF_CATALOG_MONITOR_H

#include "postgres.h"
#include "catalog/models.h"
#include "utils/timestamp.h"

/* What ml_monitor declares, checked; and where the watching stands. */
typedef struct PfMonitor
{
	int64		id;
	char	   *name;
	char	   *owner;			/* role that stored the source */
	int64		model;
	char	   *reference;		/* the model as it was named */
	char	   *source;
	char	   *truth;			/* columns of the source, or NULL */
	char	   *time_column;
	int64		period;			/* of a window, in microseconds */
	int64		delay;			/* after its end, until the truth is there */
	char	   *metric;			/* NULL: the version's own */
	double		threshold;		/* NaN: none */
	double		max_regression;
	int32		learn;			/* windows; 0: none */
	int64		min_rows;
	bool		drift;
	bool		quality;
	Jsonb	   *limits;			/* of ml_check, or NULL */
	TimestampTz watched_until;	/* DT_NOBEGIN: never yet */
	TimestampTz measured_until;
} PfMonitor;

/*
 * Stores a monitor in place of the one of that name, if there is one; only who has its owner's
 * rights may replace it.  It begins at watched_until; where that is DT_NOBEGIN, where the one was that
 * is replaced, or at start.  id and owner are set.
 */
extern void pf_monitor_store(PfMonitor *monitor, TimestampTz start);

/* Errors: undefined_object, insufficient_privilege. */
extern void pf_monitor_drop(const char *name);

/* The numbers of all monitors, by their names. */
extern List *pf_monitor_list(void);

/*
 * Locks the monitor's row until the end of the transaction, if nobody else has it, and reads it;
 * false when somebody has it or it is gone.
 */
extern bool pf_monitor_lock(int64 id, PfMonitor *monitor);

/* Where the watching stands now, and that it went well; or (error not NULL) that it failed. */
extern void pf_monitor_passed(const PfMonitor *monitor);
extern void pf_monitor_failed(const PfMonitor *monitor, const ErrorData *error);

/*
 * The mean and the standard deviation of a metric in the first windows of a monitor that were measured; false
 * when they are not that many, or one of them begins at or after `before`.
 */
extern bool pf_monitor_learned(const PfMonitor *monitor, const char *metric, TimestampTz before,
							   double *mean, double *deviation);

/* ----- what tests for drift found ----- */

typedef struct PfDriftFound
{
	const char *feature;		/* or (prediction), (target), (all) */
	const char *test;
	double		statistic;		/* NaN: NULL */
	double		p_value;
	double		threshold;
	bool		drifted;
	int64		reference_rows;
	int64		current_rows;
	double		effect;
} PfDriftFound;

/* Stores it, of a monitor's window or (monitor 0) of a batch that was scored. */
extern void pf_drift_store(const PfVersionInfo *version, const PfWindow *window,
						   const PfDriftFound *found, int count);

#endif							/* PF_CATALOG_MONITOR_H */

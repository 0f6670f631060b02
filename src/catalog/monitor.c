/*
 * monitor.c
 *	  The tables pgforest.monitor and pgforest.drift.
 *
 * A monitor's row is locked by who evaluates it, to the end of his transaction; another
 * passes it over.
 */
#include "postgres.h"

#include "catalog/monitor.h"
#include "catalog/tables.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"

static void
arg_time(PfArgs *args, TimestampTz time)
{
	pf_arg(args, TIMESTAMPTZOID, TimestampTzGetDatum(time), TIMESTAMP_IS_NOBEGIN(time));
}

static void
arg_bool(PfArgs *args, bool value)
{
	pf_arg(args, BOOLOID, BoolGetDatum(value), false);
}

/* A time in microseconds as an interval. */
static void
arg_interval(PfArgs *args, int64 microseconds)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->day = (int32) (microseconds / USECS_PER_DAY);
	interval->time = microseconds % USECS_PER_DAY;
	pf_arg(args, INTERVALOID, IntervalPGetDatum(interval), false);
}

/* The owner of the monitor of that name, with its row locked; NULL when there is none. */
static char *
lock_owner(const char *name)
{
	PfArgs		args = {0};
	bool		isnull;

	pf_arg_text(&args, name);
	if (pf_write("SELECT owner FROM pgforest.monitor WHERE name = $1 FOR UPDATE", &args) == 0)
		return NULL;
	return pstrdup(NameStr(*DatumGetName(pf_written(1, &isnull))));
}

static void
need_owner(const char *name, const char *owner)
{
	if (!superuser() && !pf_has_role(owner))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("must be owner of monitor \"%s\"", name),
				errdetail("It belongs to role \"%s\".", owner));
}

void
pf_monitor_store(PfMonitor *monitor, TimestampTz start)
{
	char	   *owner;
	PfArgs		args = {0};
	bool		isnull;

	SPI_connect();
	owner = lock_owner(monitor->name);
	if (owner != NULL)
		need_owner(monitor->name, owner);
	monitor->owner = GetUserNameFromId(GetUserId(), false);

	pf_arg_text(&args, monitor->name);
	pf_arg_name(&args, monitor->owner);
	pf_arg_int8(&args, monitor->model);
	pf_arg_text(&args, monitor->reference);
	pf_arg_text(&args, monitor->source);
	pf_arg_text(&args, monitor->truth);
	pf_arg_text(&args, monitor->time_column);
	arg_interval(&args, monitor->period);
	arg_interval(&args, monitor->delay);
	pf_arg_text(&args, monitor->metric);
	pf_arg_float8(&args, monitor->threshold);
	pf_arg_float8(&args, monitor->max_regression);
	pf_arg(&args, INT4OID, Int32GetDatum(monitor->learn), monitor->learn == 0);
	pf_arg_int8(&args, monitor->min_rows);
	arg_bool(&args, monitor->drift);
	arg_time(&args, monitor->watched_until);
	pf_arg_name(&args, owner ? owner : monitor->owner);
	arg_time(&args, start);
	arg_bool(&args, monitor->quality);
	pf_arg(&args, JSONBOID, monitor->limits ? JsonbPGetDatum(monitor->limits) : (Datum) 0,
		   monitor->limits == NULL);

	/* another session may have stored one since: it is replaced only if it is ours, too */
	if (pf_write("INSERT INTO pgforest.monitor AS m (name, owner, model_id, reference, source, truth, "
				 "time_column, period, delay, metric, threshold, max_regression, learn, min_rows, drift, "
				 "watched_until, measured_until, quality, limits) "
				 "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, "
				 "coalesce($16, $18), coalesce($16, $18), $19, $20) "
				 "ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, model_id = excluded.model_id, "
				 "reference = excluded.reference, source = excluded.source, truth = excluded.truth, "
				 "time_column = excluded.time_column, period = excluded.period, delay = excluded.delay, "
				 "metric = excluded.metric, threshold = excluded.threshold, "
				 "max_regression = excluded.max_regression, learn = excluded.learn, "
				 "min_rows = excluded.min_rows, drift = excluded.drift, quality = excluded.quality, "
				 "limits = excluded.limits, "
				 "watched_until = coalesce($16, m.watched_until, $18), "
				 "measured_until = coalesce($16, m.measured_until, $18) "
				 "WHERE m.owner = $17 RETURNING id", &args) != 1)
		need_owner(monitor->name, lock_owner(monitor->name));
	monitor->id = DatumGetInt64(pf_written(1, &isnull));
	SPI_finish();
}

void
pf_monitor_drop(const char *name)
{
	char	   *owner;
	PfArgs		args = {0};

	SPI_connect();
	owner = lock_owner(name);
	if (owner == NULL)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("monitor \"%s\" does not exist", name),
				errhint("The monitors that you may see are listed in pgforest.monitors."));
	need_owner(name, owner);
	pf_arg_text(&args, name);
	pf_write("DELETE FROM pgforest.monitor WHERE name = $1", &args);
	SPI_finish();
}

List *
pf_monitor_list(void)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *list = NIL;
	uint64		count;

	SPI_connect();
	count = pf_write("SELECT id FROM pgforest.monitor ORDER BY name", NULL);
	for (uint64 i = 0; i < count; i++)
	{
		bool		isnull;
		MemoryContext spi = MemoryContextSwitchTo(context);
		int64	   *id = palloc(sizeof(int64));

		*id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
		list = lappend(list, id);
		MemoryContextSwitchTo(spi);
	}
	SPI_finish();
	return list;
}

/* ----- a row that was read ----- */

static char *
text_of(int column, MemoryContext context)
{
	char	   *text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);

	return text ? MemoryContextStrdup(context, text) : NULL;
}

static double
float8_of(int column)
{
	bool		isnull;
	Datum		value = pf_written(column, &isnull);

	return isnull ? get_float8_nan() : DatumGetFloat8(value);
}

static TimestampTz
time_of(int column)
{
	bool		isnull;
	Datum		value = pf_written(column, &isnull);

	return isnull ? DT_NOBEGIN : DatumGetTimestampTz(value);
}

/* Stored by us: no months. */
static int64
interval_of(int column)
{
	bool		isnull;
	Interval   *interval = DatumGetIntervalP(pf_written(column, &isnull));

	return interval->time + interval->day * USECS_PER_DAY;
}

bool
pf_monitor_lock(int64 id, PfMonitor *monitor)
{
	MemoryContext context = CurrentMemoryContext;
	PfArgs		args = {0};
	Datum		limits;
	bool		isnull;
	bool		found;

	memset(monitor, 0, sizeof(*monitor));
	SPI_connect();
	pf_arg_int8(&args, id);
	found = pf_write("SELECT id, name, owner, model_id, reference, source, truth, time_column, period, delay, "
					 "metric, threshold, max_regression, coalesce(learn, 0), min_rows, drift, watched_until, "
					 "measured_until, quality, limits FROM pgforest.monitor WHERE id = $1 FOR UPDATE SKIP LOCKED",
					 &args) == 1;
	if (found)
	{
		monitor->id = id;
		monitor->name = text_of(2, context);
		monitor->owner = text_of(3, context);
		monitor->model = DatumGetInt64(pf_written(4, &isnull));
		monitor->reference = text_of(5, context);
		monitor->source = text_of(6, context);
		monitor->truth = text_of(7, context);
		monitor->time_column = text_of(8, context);
		monitor->period = interval_of(9);
		monitor->delay = interval_of(10);
		monitor->metric = text_of(11, context);
		monitor->threshold = float8_of(12);
		monitor->max_regression = float8_of(13);
		monitor->learn = DatumGetInt32(pf_written(14, &isnull));
		monitor->min_rows = DatumGetInt64(pf_written(15, &isnull));
		monitor->drift = DatumGetBool(pf_written(16, &isnull));
		monitor->watched_until = time_of(17);
		monitor->measured_until = time_of(18);
		monitor->quality = DatumGetBool(pf_written(19, &isnull));
		limits = pf_written(20, &isnull);
		if (!isnull)
		{
			MemoryContext spi = MemoryContextSwitchTo(context);

			monitor->limits = DatumGetJsonbPCopy(limits);
			MemoryContextSwitchTo(spi);
		}
	}
	SPI_finish();
	return found;
}

/* ----- how it went ----- */

void
pf_monitor_passed(const PfMonitor *monitor)
{
	PfArgs		args = {0};

	SPI_connect();
	pf_arg_int8(&args, monitor->id);
	arg_time(&args, monitor->watched_until);
	arg_time(&args, monitor->measured_until);
	pf_write("UPDATE pgforest.monitor SET watched_until = $2, measured_until = $3, "
			 "last_at = pg_catalog.clock_timestamp(), last_status = 'success', last_sqlstate = NULL, "
			 "last_message = NULL, last_detail = NULL, last_hint = NULL WHERE id = $1", &args);
	SPI_finish();
}

void
pf_monitor_failed(const PfMonitor *monitor, const ErrorData *error)
{
	PfArgs		args = {0};

	SPI_connect();
	pf_arg_int8(&args, monitor->id);
	pf_arg_text(&args, unpack_sql_state(error->sqlerrcode));
	pf_arg_text(&args, error->message);
	pf_arg_text(&args, error->detail);
	pf_arg_text(&args, error->hint);
	pf_write("UPDATE pgforest.monitor SET last_at = pg_catalog.clock_timestamp(), last_status = 'failure', "
			 "last_sqlstate = $2, last_message = $3, last_detail = $4, last_hint = $5 WHERE id = $1",
			 &args);
	SPI_finish();
}

bool
pf_monitor_learned(const PfMonitor *monitor, const char *metric, TimestampTz before,
				   double *mean, double *deviation)
{
	PfArgs		args = {0};
	bool		known;

	SPI_connect();
	pf_arg_int8(&args, monitor->id);
	pf_arg_text(&args, metric);
	pf_arg_int4(&args, monitor->learn);
	arg_time(&args, before);

	/* a window may have been measured more than once: the last counts */
	pf_write("SELECT pg_catalog.avg(value), pg_catalog.stddev_samp(value) FROM ("
			 "SELECT DISTINCT ON (until_at) until_at, value FROM pgforest.metric "
			 "WHERE monitor_id = $1 AND metric = $2 AND set = 'window' AND class IS NULL "
			 "AND value IS NOT NULL ORDER BY until_at, id DESC LIMIT $3) w "
			 "HAVING pg_catalog.count(*) = $3 AND pg_catalog.max(until_at) <= $4", &args);
	known = SPI_processed == 1;
	if (known)
	{
		*mean = float8_of(1);
		*deviation = float8_of(2);
	}
	SPI_finish();
	return known;
}

/* ----- drift ----- */

void
pf_drift_store(const PfVersionInfo *version, const PfWindow *window, const PfDriftFound *found,
			   int count)
{
	static SPIPlanPtr plan = NULL;
	TimestampTz now = GetCurrentTimestamp();

	SPI_connect();
	for (int i = 0; i < count; i++)
	{
		PfArgs		args = {0};

		CHECK_FOR_INTERRUPTS();
		pf_arg_int8(&args, version->model.id);
		pf_arg_int4(&args, version->version);
		pf_arg(&args, INT8OID, Int64GetDatum(window->monitor), window->monitor == 0);
		arg_time(&args, window->from);
		arg_time(&args, window->until);
		arg_time(&args, now);
		pf_arg_text(&args, found[i].feature);
		pf_arg_text(&args, found[i].test);
		pf_arg_float8(&args, found[i].statistic);
		pf_arg_float8(&args, found[i].p_value);
		pf_arg_float8(&args, found[i].threshold);
		arg_bool(&args, found[i].drifted);
		pf_arg_int8(&args, found[i].reference_rows);
		pf_arg_int8(&args, found[i].current_rows);
		pf_arg_float8(&args, found[i].effect);
		pf_write_saved(&plan, "INSERT INTO pgforest.drift (model_id, version, monitor_id, from_at, until_at, "
					   "measured_at, feature, test, statistic, p_value, threshold, drifted, reference_rows, "
					   "current_rows, effect) "
					   "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)", &args);
	}
	SPI_finish();
}

/*
 * alert.c
 *	  Alerts as rows of our tables: raised, told, acknowledged, resolved.
 *
 * There is at most one open alert with a key: a unique index sees to that where two
 * sessions raise it at once, and the second waits for the first.  Its row is locked before
 * it is read, so that what is told follows from the row as it is.
 *
 * What an outbox row says is fixed when it is written: it is sent as often as it takes, and
 * always the same.  Whose target hears of a model follows from rights as they are then.
 */
#include "postgres.h"

#include "catalog/alert.h"
#include "catalog/tables.h"
#include "commands/async.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "settings.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

const char *const pf_alert_events[] = {
	"drift", "quality", "metric", "rows", "run_failed", "run_succeeded", "promoted", "custom", NULL
};

static const char *const severities[] = {"info", "warning", "critical"};

/* An open alert's row, locked. */
typedef struct OpenAlert
{
	int64		id;
	PfSeverity	severity;
	bool		told;
	bool		acknowledged;
} OpenAlert;

bool
pf_severity_parse(const char *name, PfSeverity *severity)
{
	for (int i = PF_INFO; i <= PF_CRITICAL; i++)
	{
		if (strcmp(name, severities[i]) == 0)
		{
			*severity = (PfSeverity) i;
			return true;
		}
	}
	return false;
}

/* The open alert with that key; false when there is none. */
static bool
lock_open(const char *key, OpenAlert *open)
{
	PfArgs		args = {0};
	bool		isnull;

	pf_arg_text(&args, key);
	if (pf_write("SELECT id, severity, told_at IS NOT NULL, acknowledged_at IS NOT NULL "
				 "FROM pgforest.alert WHERE key = $1 AND resolved_at IS NULL FOR UPDATE", &args) == 0)
		return false;
	open->id = DatumGetInt64(pf_written(1, &isnull));
	pf_severity_parse(TextDatumGetCString(pf_written(2, &isnull)), &open->severity);
	open->told = DatumGetBool(pf_written(3, &isnull));
	open->acknowledged = DatumGetBool(pf_written(4, &isnull));
	return true;
}

/* What an alert and its row, or an event, have in common: $1 to $8, and the role and time: $9 and $10. */
static void
describe(PfArgs *args, const PfAlert *alert, TimestampTz now)
{
	pf_arg_text(args, alert->event);
	pf_arg_text(args, severities[alert->severity]);
	pf_arg_text(args, alert->title);
	pf_arg_text(args, alert->model);
	pf_arg(args, INT4OID, Int32GetDatum(alert->version), alert->version <= 0);
	pf_arg_text(args, alert->monitor);
	pf_arg_text(args, alert->pipeline);
	pf_arg(args, JSONBOID, alert->details ? JsonbPGetDatum(alert->details) : (Datum) 0,
		   alert->details == NULL);
	pf_arg_own_role(args);
	pf_arg_time(args, now);
}

static bool
insert_open(const PfAlert *alert, TimestampTz now, OpenAlert *open)
{
	PfArgs		args = {0};
	bool		isnull;

	describe(&args, alert, now);
	pf_arg_text(&args, alert->key);
	if (pf_write("INSERT INTO pgforest.alert (event, severity, title, model, version, monitor, pipeline, "
				 "details, raised_by, raised_at, last_at, key, model_id) "
				 "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, "
				 "(SELECT id FROM pgforest.model WHERE name = $4)) "
				 "ON CONFLICT (key) WHERE resolved_at IS NULL DO NOTHING RETURNING id", &args) == 0)
		return false;
	open->id = DatumGetInt64(pf_written(1, &isnull));
	open->severity = alert->severity;
	open->told = false;
	open->acknowledged = false;
	return true;
}

static void
update_open(const PfAlert *alert, TimestampTz now, const OpenAlert *open)
{
	PfArgs		args = {0};

	describe(&args, alert, now);
	pf_arg_int8(&args, open->id);
	pf_write("UPDATE pgforest.alert SET event = $1, severity = $2, title = $3, model = $4, version = $5, "
			 "monitor = $6, pipeline = $7, details = $8, count = count + 1, last_at = $10, "
			 "model_id = (SELECT id FROM pgforest.model WHERE name = $4) "
			 "WHERE id = $11", &args);
}

/* Was nothing told of that key for as long as pgforest.alert_cooldown says? */
static bool
has_cooled_down(const char *key, TimestampTz now)
{
	PfArgs		args = {0};

	pf_arg_text(&args, key);
	pf_arg_time(&args, now - pf_alert_cooldown * USECS_PER_SEC);
	return pf_write("SELECT FROM pgforest.alert WHERE key = $1 AND told_at > $2 LIMIT 1", &args) == 0;
}

/* A row in the outbox for each target that wants the event and whose owner may see what it is about. */
static void
put_in_outbox(const PfAlert *alert, const char *status, int64 id, TimestampTz now)
{
	PfArgs		args = {0};

	describe(&args, alert, now);
	pf_arg(&args, INT8OID, Int64GetDatum(id), id == 0);
	pf_arg_text(&args, status);
	pf_write("INSERT INTO pgforest.outbox (target_id, alert_id, event, created_at, next_at, payload) "
			 "SELECT t.id, $11, $1, $10, $10, jsonb_strip_nulls(jsonb_build_object('event', $1, 'status', $12, "
			 "'severity', $2, 'title', $3, 'model', $4, 'version', $5, 'monitor', $6, 'pipeline', $7, "
			 "'alert', $11, 'time', $10, 'database', current_database(), 'role', $9)) "
			 "|| jsonb_build_object('details', coalesce($8, '{}')) "
			 "FROM pgforest.alert_target t JOIN pg_roles o ON o.rolname = t.owner "
			 "LEFT JOIN pgforest.model m ON m.name = $4 "
			 "WHERE $1 = ANY (t.events) AND EXISTS (SELECT FROM pg_roles r "
			 "WHERE (r.rolname IN ($9, m.owner) OR EXISTS (SELECT FROM pgforest.model_grant g "
			 "WHERE g.model_id = m.id AND g.role = r.rolname)) AND pg_has_role(o.oid, r.oid, 'USAGE')) "
			 "ORDER BY t.id", &args);
}

/*
 * Who may LISTEN is everybody, so the message says no more than which alert it is: what it is
 * about shows pgforest.alerts, to those who may see it.
 */
static void
notify(const PfAlert *alert, const char *status, int64 id)
{
	Async_Notify(PF_ALERT_CHANNEL,
				 psprintf("{\"alert\": " INT64_FORMAT ", \"event\": \"%s\", \"status\": \"%s\", \"severity\": \"%s\"}",
						  id, alert->event, status, severities[alert->severity]));
}

static void
tell(const PfAlert *alert, const char *status, int64 id, TimestampTz now)
{
	PfArgs		args = {0};

	pf_arg_time(&args, now);
	pf_arg_int8(&args, id);
	pf_write("UPDATE pgforest.alert SET told_at = $1 WHERE id = $2", &args);
	put_in_outbox(alert, status, id, now);
	notify(alert, status, id);
}

int64
pf_alert_raise(const PfAlert *raised)
{
	PfAlert		alert = *raised;
	TimestampTz now = GetCurrentTimestamp();
	OpenAlert	open = {0};
	bool		worse = false;
	bool		known;

	SPI_connect();
	if (alert.key == NULL)
	{
		put_in_outbox(&alert, "event", 0, now);
		SPI_finish();
		return 0;
	}

	/* whoever raises it at the same time inserts first, or has resolved it when we look */
	while (!(known = lock_open(alert.key, &open)) && !insert_open(&alert, now, &open))
		CHECK_FOR_INTERRUPTS();
	if (known)
	{
		worse = alert.severity > open.severity;
		if (!worse)
			alert.severity = open.severity;
		update_open(&alert, now, &open);
	}
	if (worse || (!open.acknowledged && has_cooled_down(alert.key, now)))
		tell(&alert, "raised", open.id, now);
	SPI_finish();
	return open.id;
}

/* Resolves the locked alert with that number; those who were told of it hear that, too. */
static void
resolve(int64 id, bool told)
{
	TimestampTz now = GetCurrentTimestamp();
	PfAlert		alert = {0};
	PfArgs		args = {0};
	HeapTuple	row;
	TupleDesc	desc;
	Datum		value;
	bool		isnull;

	pf_arg_int8(&args, id);
	pf_arg_own_role(&args);
	pf_arg_time(&args, now);
	pf_write("UPDATE pgforest.alert SET resolved_by = $2, resolved_at = $3 WHERE id = $1 "
			 "RETURNING event, title, model, version, monitor, pipeline, details, severity", &args);
	if (!told)
		return;
	row = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	alert.event = SPI_getvalue(row, desc, 1);
	alert.title = SPI_getvalue(row, desc, 2);
	alert.model = SPI_getvalue(row, desc, 3);
	alert.version = DatumGetInt32(pf_written(4, &isnull));
	if (isnull)
		alert.version = 0;
	alert.monitor = SPI_getvalue(row, desc, 5);
	alert.pipeline = SPI_getvalue(row, desc, 6);
	value = pf_written(7, &isnull);
	alert.details = isnull ? NULL : DatumGetJsonbPCopy(value);
	pf_severity_parse(SPI_getvalue(row, desc, 8), &alert.severity);
	put_in_outbox(&alert, "resolved", id, now);
	notify(&alert, "resolved", id);
}

bool
pf_alert_resolve(const char *key)
{
	OpenAlert	open;
	bool		found;

	SPI_connect();
	found = lock_open(key, &open);
	if (found)
		resolve(open.id, open.told);
	SPI_finish();
	return found;
}

void
pf_alert_resolve_model(int64 model)
{
	PfArgs		args = {0};
	OpenAlert  *open;
	uint64		count;

	SPI_connect();
	pf_arg_int8(&args, model);
	count = pf_write("SELECT id, told_at IS NOT NULL FROM pgforest.alert WHERE model_id = $1 "
					 "AND pipeline IS NULL AND resolved_at IS NULL ORDER BY id FOR UPDATE", &args);
	open = palloc0(count * sizeof(OpenAlert));
	for (uint64 i = 0; i < count; i++)
	{
		bool		isnull;

		open[i].id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
		open[i].told = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull));
	}
	for (uint64 i = 0; i < count; i++)
		resolve(open[i].id, open[i].told);
	SPI_finish();
}

/* Locks the alert and reads its state; the current role must be one who may answer it. */
static void
lock_number(int64 id, bool *open, bool *acknowledged, bool *told)
{
	PfArgs		args = {0};
	char	   *raised_by;
	uint32		rights = 0;
	bool		isnull;

	pf_arg_int8(&args, id);
	if (pf_write("SELECT raised_by, model_id, resolved_at IS NULL, acknowledged_at IS NOT NULL, "
				 "told_at IS NOT NULL FROM pgforest.alert WHERE id = $1 FOR UPDATE", &args) > 0)
	{
		raised_by = pstrdup(NameStr(*DatumGetName(pf_written(1, &isnull))));
		*open = DatumGetBool(pf_written(3, &isnull));
		*acknowledged = DatumGetBool(pf_written(4, &isnull));
		*told = DatumGetBool(pf_written(5, &isnull));
		PushActiveSnapshot(GetTransactionSnapshot());
		rights = pf_catalog_rights(DatumGetInt64(pf_written(2, &isnull)));
		PopActiveSnapshot();
		if (superuser() || pf_has_role(raised_by) || (rights & (PF_RIGHT_TRAIN | PF_RIGHT_PROMOTE)))
			return;
	}

	/* who may not see it shall not hear that it exists */
	if (rights == 0)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("alert " INT64_FORMAT " does not exist", id),
				errhint("The alerts are listed in pgforest.alerts."));
	ereport(ERROR,
			errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			errmsg("permission denied for alert " INT64_FORMAT, id),
			errdetail("It may be answered by the role that raised it, and by those who may train or promote the model."));
}

bool
pf_alert_acknowledge(int64 id)
{
	PfArgs		args = {0};
	bool		open;
	bool		acknowledged;
	bool		told;

	SPI_connect();
	lock_number(id, &open, &acknowledged, &told);
	if (open && !acknowledged)
	{
		pf_arg_int8(&args, id);
		pf_arg_own_role(&args);
		pf_arg_time(&args, GetCurrentTimestamp());
		pf_write("UPDATE pgforest.alert SET acknowledged_by = $2, acknowledged_at = $3 WHERE id = $1", &args);
	}
	SPI_finish();
	return open && !acknowledged;
}

bool
pf_alert_resolve_number(int64 id)
{
	bool		open;
	bool		acknowledged;
	bool		told;

	SPI_connect();
	lock_number(id, &open, &acknowledged, &told);
	if (open)
		resolve(id, told);
	SPI_finish();
	return open;
}

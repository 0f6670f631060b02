/*
 * outbox.c
 *	  Targets of alerts, and the messages that wait for them.
 *
 * A message is sent outside of any transaction.  So it is taken in one (leased: nobody else takes
 * it until the lease ends), and what came of it is noted in the next.  A sender that dies in
 * between leaves the lease and a row in the log without an end; the message is sent again
 * when the lease has ended, so a target may get it twice, and knows it by its number.
 *
 * Messages for a target go out one after another in the order in which they were written: while one is
 * being sent or waits for its next attempt, the later ones wait.  So a target that is down costs one
 * attempt at a time.
 *
 * Locks: a message's row, while it is taken or noted; who meets a locked one passes it over.
 */
#include "postgres.h"

#include "catalog/outbox.h"
#include "catalog/tables.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "settings.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define FIRST_DELAY		INT64CONST(10)	/* s; doubled with each attempt */
#define LONGEST_DELAY	INT64CONST(3600)

int64
pf_outbox_add_target(const PfNewTarget *target)
{
	PfArgs		args = {0};
	int64		id;
	bool		isnull;

	SPI_connect();
	pf_arg_own_role(&args);
	pf_arg_text(&args, target->origin);
	pf_arg_texts(&args, target->events, target->nevents);
	pf_arg_text(&args, target->template);
	pf_write("INSERT INTO pgforest.alert_target (owner, origin, events, template) "
			 "VALUES ($1, $2, $3, $4) RETURNING id", &args);
	id = DatumGetInt64(pf_written(1, &isnull));

	memset(&args, 0, sizeof(args));
	pf_arg_int8(&args, id);
	pf_arg_text(&args, target->url);
	pf_arg_texts(&args, target->headers, target->nheaders);
	pf_arg_text(&args, target->secret);
	pf_write("INSERT INTO pgforest.alert_secret (target_id, url, headers, secret) "
			 "VALUES ($1, $2, $3, $4)", &args);
	SPI_finish();
	return id;
}

void
pf_outbox_drop_target(int64 target)
{
	static const char *const statements[] = {
		"DELETE FROM pgforest.alert_target WHERE id = $1",
		"DELETE FROM pgforest.alert_secret WHERE target_id = $1",
		"DELETE FROM pgforest.outbox WHERE target_id = $1",
		"DELETE FROM pgforest.delivery WHERE target_id = $1"
	};
	PfArgs		args = {0};
	char	   *owner;
	bool		isnull;

	SPI_connect();
	pf_arg_int8(&args, target);
	if (pf_write("SELECT owner FROM pgforest.alert_target WHERE id = $1 FOR UPDATE", &args) == 0)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("alert target " INT64_FORMAT " does not exist", target),
				errhint("The targets are listed in pgforest.alert_targets."));
	owner = pstrdup(NameStr(*DatumGetName(pf_written(1, &isnull))));
	if (!superuser() && !pf_has_role(owner))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("must be owner of alert target " INT64_FORMAT, target),
				errdetail("It belongs to role \"%s\".", owner));
	for (int i = 0; i < (int) lengthof(statements); i++)
		pf_write(statements[i], &args);
	SPI_finish();
}

/* ----- taking ----- */

/* A copy in the current context; NULL for an SQL NULL. */
static char *
taken_text(int column)
{
	bool		isnull;
	Datum		value = pf_written(column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

bool
pf_outbox_take(TimestampTz due, int lease, MemoryContext context, PfMessage *message)
{
	TimestampTz now = GetCurrentTimestamp();
	PfArgs		args = {0};
	MemoryContext caller;
	ArrayType  *headers;
	Datum	   *values;
	bool		isnull;

	pf_arg_time(&args, due);
	pf_arg_time(&args, now);
	pf_arg_time(&args, TimestampTzPlusMilliseconds(now, lease));
	pf_arg_own_role(&args);
	if (pf_write("WITH oldest AS MATERIALIZED (SELECT m.id FROM pgforest.alert_target t "
				 "JOIN pgforest.alert_secret s ON s.target_id = t.id "
				 "JOIN pg_roles his ON his.rolname = t.owner JOIN pg_roles own ON own.rolname = $4, "
				 "LATERAL (SELECT o.id FROM pgforest.outbox o WHERE o.target_id = t.id "
				 "AND o.failed_at IS NULL ORDER BY o.id LIMIT 1) m "
				 "WHERE pg_has_role(own.oid, his.oid, 'USAGE')), "
				 "due AS MATERIALIZED (SELECT o.id FROM pgforest.outbox o "
				 "WHERE o.id IN (SELECT id FROM oldest) AND o.failed_at IS NULL AND o.next_at <= $1 "
				 "AND (o.leased_until IS NULL OR o.leased_until <= $2) "
				 "ORDER BY o.id LIMIT 1 FOR UPDATE OF o SKIP LOCKED), "
				 "taken AS (UPDATE pgforest.outbox o SET attempts = o.attempts + 1, leased_until = $3 "
				 "FROM due WHERE o.id = due.id RETURNING o.*), "
				 "logged AS (INSERT INTO pgforest.delivery (message_id, target_id, alert_id, event, "
				 "attempt, role, started_at) SELECT id, target_id, alert_id, event, attempts, $4, $2 "
				 "FROM taken RETURNING id) "
				 "SELECT m.id, l.id, m.attempts, s.url, s.headers, s.secret, t.template, "
				 "(jsonb_build_object('message', m.id) || m.payload)::text, m.event, "
				 "m.payload ->> 'status', m.payload ->> 'severity', m.payload ->> 'title', "
				 "m.payload ->> 'model', m.payload ->> 'version', m.payload ->> 'monitor', "
				 "m.payload ->> 'pipeline', m.created_at "
				 "FROM taken m, logged l, pgforest.alert_secret s, pgforest.alert_target t "
				 "WHERE s.target_id = m.target_id AND t.id = m.target_id", &args) == 0)
		return false;

	caller = MemoryContextSwitchTo(context);
	message->id = DatumGetInt64(pf_written(1, &isnull));
	message->delivery = DatumGetInt64(pf_written(2, &isnull));
	message->attempt = DatumGetInt32(pf_written(3, &isnull));
	message->url = taken_text(4);
	headers = DatumGetArrayTypePCopy(pf_written(5, &isnull));
	deconstruct_array(headers, TEXTOID, -1, false, TYPALIGN_INT, &values, NULL, &message->nheaders);
	message->headers = palloc(Max(message->nheaders, 1) * sizeof(char *));
	for (int i = 0; i < message->nheaders; i++)
		message->headers[i] = TextDatumGetCString(values[i]);
	message->secret = taken_text(6);
	message->template = taken_text(7);
	message->payload = taken_text(8);
	message->event = taken_text(9);
	message->status = taken_text(10);
	message->severity = taken_text(11);
	message->title = taken_text(12);
	message->model = taken_text(13);
	message->version = taken_text(14);
	message->monitor = taken_text(15);
	message->pipeline = taken_text(16);
	message->last = now - DatumGetTimestampTz(pf_written(17, &isnull)) >=
		pf_alert_retry * USECS_PER_MINUTE;
	MemoryContextSwitchTo(caller);
	return true;
}

/* ----- noting ----- */

static int64
delay_after(int32 attempt)
{
	return attempt > 10 ? LONGEST_DELAY : Min(FIRST_DELAY << (attempt - 1), LONGEST_DELAY);
}

void
pf_outbox_note(const PfMessage *message, double seconds, int status, const char *error,
			   const char *answer)
{
	TimestampTz now = GetCurrentTimestamp();
	PfArgs		args = {0};

	pf_arg_int8(&args, message->delivery);
	pf_arg_float8(&args, seconds);
	pf_arg(&args, BOOLOID, BoolGetDatum(error == NULL), false);
	pf_arg(&args, INT4OID, Int32GetDatum(status), status == 0);
	pf_arg_text(&args, error);
	pf_arg_text(&args, answer);
	pf_write("UPDATE pgforest.delivery SET seconds = $2, delivered = $3, status = $4, error = $5, "
			 "answer = $6 WHERE id = $1", &args);

	memset(&args, 0, sizeof(args));
	pf_arg_int8(&args, message->id);
	if (error == NULL)
	{
		pf_write("DELETE FROM pgforest.outbox WHERE id = $1", &args);
		return;
	}
	/* if our lease has ended, another's may run */
	pf_arg_int4(&args, message->attempt);
	pf_arg_time(&args, now + delay_after(message->attempt) * USECS_PER_SEC);
	pf_arg(&args, TIMESTAMPTZOID, TimestampTzGetDatum(now), !message->last);
	pf_write("UPDATE pgforest.outbox SET leased_until = NULL, next_at = $3, failed_at = $4 "
			 "WHERE id = $1 AND attempts = $2", &args);
}

void
pf_outbox_prune(void)
{
	PfArgs		args = {0};

	pf_arg_time(&args, GetCurrentTimestamp() - pf_alert_retention * USECS_PER_MINUTE);
	pf_write("DELETE FROM pgforest.delivery WHERE started_at < $1", &args);
	pf_write("DELETE FROM pgforest.outbox WHERE failed_at < $1", &args);
}

/*
 * target.c
 *	  ml_alert_to, ml_alert_remove: whom alerts are sent to.
 *
 * URL, headers and secret are keys to somebody else's system.  They are stored where nobody may read
 * them (catalog/outbox.c), and no message of ours shows them.  But the statement that brings them is
 * text: we take it out of pg_stat_activity as soon as we run, and out of the log where an error of
 * this call would put it.  What log_statement and log_min_duration_statement write is beyond us.
 */
#include "postgres.h"

#include "catalog/alert.h"
#include "catalog/outbox.h"
#include "catalog/tables.h"
#include "alert/message.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "net/net.h"
#include "pgstat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#define MAX_HEADERS	20
#define MAX_SECRET	1000			/* bytes; of a header, too */

/* The statement of an error in here stays out of the log, and so do its parameters. */
static void
hide_statement(void *arg)
{
	errhidestmt(true);
	errhidecontext(true);
}

static bool
is_in(const char *const *list, const char *name)
{
	while (*list && strcmp(*list, name) != 0)
		list++;
	return *list != NULL;
}

static char *
join(const char *const *list)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; list[i]; i++)
		appendStringInfo(&text, "%s\"%s\"", i == 0 ? "" : list[i + 1] ? ", " : " and ", list[i]);
	return text.data;
}

/* All events where the argument is NULL. */
static void
read_events(FunctionCallInfo fcinfo, int n, PfNewTarget *target)
{
	Datum	   *values;
	bool	   *nulls;
	int			count;
	StringInfoData unknown;

	if (PG_ARGISNULL(n))
	{
		while (pf_alert_events[target->nevents])
			target->nevents++;
		target->events = (char **) pf_alert_events;
		return;
	}
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(n), TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	target->events = palloc(Max(count, 1) * sizeof(char *));
	initStringInfo(&unknown);
	for (int i = 0; i < count; i++)
	{
		char	   *event = nulls[i] ? pstrdup("NULL") : TextDatumGetCString(values[i]);

		if (nulls[i] || !is_in(pf_alert_events, event))
			appendStringInfo(&unknown, nulls[i] ? "%s%s" : "%s\"%s\"", unknown.len > 0 ? ", " : "", event);
		target->events[target->nevents++] = event;
	}
	if (unknown.len > 0 || count == 0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				unknown.len > 0 ? errmsg("unrecognized events") : errmsg("argument \"events\" names no event"),
				unknown.len > 0 ? errdetail("Not among the events: %s.", unknown.data) : 0,
				errhint("Valid events are %s; NULL stands for all.", join(pf_alert_events)));
}

/* A name as HTTP has it, and none that is ours to set. */
static bool
is_header_name(const char *name)
{
	static const char *const ours[] = {
		"connection", "content-encoding", "content-length", "content-type", "expect", "host",
		"transfer-encoding", NULL
	};
	char	   *lower = pstrdup(name);

	for (char *c = lower; *c; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	return lower[0] && strlen(lower) <= 100 &&
		strspn(lower, "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~") == strlen(lower) &&
		!is_in(ours, lower) && strncmp(lower, "x-pgforest-", 11) != 0;
}

static bool
is_header_value(const char *value)
{
	for (const char *c = value; *c; c++)
	{
		if (*c < ' ' || *c > '~')
			return false;
	}
	return value[0] && value[0] != ' ' && strlen(value) <= MAX_SECRET;
}

/* {"Name": "value", ...} */
static void
read_headers(FunctionCallInfo fcinfo, int n, PfNewTarget *target)
{
	Jsonb	   *json;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	item;
	char	   *name = NULL;
	StringInfoData wrong;

	if (PG_ARGISNULL(n))
		return;
	json = PG_GETARG_JSONB_P(n);
	if (!JB_ROOT_IS_OBJECT(json) || JB_ROOT_COUNT(json) > MAX_HEADERS)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("argument \"headers\" must be a JSON object of at most %d headers", MAX_HEADERS),
				errhint("Write it as {\"Authorization\": \"Bearer ...\"}."));
	target->headers = palloc(Max(JB_ROOT_COUNT(json), 1) * sizeof(char *));
	initStringInfo(&wrong);
	it = JsonbIteratorInit(&json->root);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		char	   *value = NULL;

		if (token == WJB_KEY)
			name = pnstrdup(item.val.string.val, item.val.string.len);
		if (token != WJB_VALUE)
			continue;
		if (item.type == jbvString)
			value = pnstrdup(item.val.string.val, item.val.string.len);
		if (value && is_header_name(name) && is_header_value(value))
			target->headers[target->nheaders++] = psprintf("%s: %s", name, value);
		else
			appendStringInfo(&wrong, "%s\"%s\"", wrong.len > 0 ? ", " : "", name);
	}
	if (wrong.len > 0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("headers are not valid"),
				errdetail("These are not: %s.", wrong.data),
				errhint("A name has letters, digits and hyphens and is none that HTTP or pgforest sets; a value is a string "
						"of printable ASCII characters."));
}

PG_FUNCTION_INFO_V1(ml_alert_to);

Datum
ml_alert_to(PG_FUNCTION_ARGS)
{
	ErrorContextCallback hide = {.callback = hide_statement, .previous = error_context_stack};
	PfNewTarget target = {0};
	int64		id;

	pgstat_report_activity(STATE_RUNNING, "SELECT ml_alert_to(...)");
	error_context_stack = &hide;
	if (PG_ARGISNULL(0) || PG_ARGISNULL(4))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("argument \"%s\" must not be null", PG_ARGISNULL(0) ? "url" : "template"));
	target.url = pf_net_check_url(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	target.origin = pf_net_origin(target.url);
	read_events(fcinfo, 1, &target);
	read_headers(fcinfo, 2, &target);
	if (!PG_ARGISNULL(3))
	{
		target.secret = text_to_cstring(PG_GETARG_TEXT_PP(3));
		if (target.secret[0] == '\0' || strlen(target.secret) > MAX_SECRET)
			ereport(ERROR,
					errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("argument \"secret\" must have 1 to %d bytes", MAX_SECRET),
					errhint("Use a random one, or NULL to send messages without a signature."));
	}
	target.template = text_to_cstring(PG_GETARG_TEXT_PP(4));
	if (!is_in(pf_message_templates, target.template))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("unrecognized template \"%s\"", target.template),
				errhint("Valid templates are %s.", join(pf_message_templates)));
	pf_need_writable("ml_alert_to()");
	id = pf_outbox_add_target(&target);
	error_context_stack = hide.previous;
	PG_RETURN_INT64(id);
}

PG_FUNCTION_INFO_V1(ml_alert_remove);

Datum
ml_alert_remove(PG_FUNCTION_ARGS)
{
	pf_need_writable("ml_alert_remove()");
	pf_outbox_drop_target(PG_GETARG_INT64(0));
	PG_RETURN_VOID();
}

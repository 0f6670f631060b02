/*
 * raise.c
 *	  ml_alert_raise, ml_alert_acknowledge, ml_alert_resolve: what people do with alerts.
 *
 * An alert that somebody raises by hand or in a job of his own has his role in its key, so that it never
 * stands for one of pgforest's own or of another role.
 */
#include "postgres.h"

#include "catalog/alert.h"
#include "catalog/models.h"
#include "catalog/tables.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#define MAX_KEY		500			/* bytes; it is in an index */
#define MAX_TITLE	1000
#define MAX_DETAILS	65536

/* An argument that must be there, be not longer than that and in one line. */
static char *
read_line(FunctionCallInfo fcinfo, int n, const char *name, int max)
{
	char	   *line;

	if (PG_ARGISNULL(n))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("argument \"%s\" must not be null", name));
	line = text_to_cstring(PG_GETARG_TEXT_PP(n));
	if (line[0] == '\0' || strlen(line) > (size_t) max || strpbrk(line, "\r\n") != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("argument \"%s\" must be one line of 1 to %d bytes", name, max));
	return line;
}

PG_FUNCTION_INFO_V1(ml_alert_raise);

Datum
ml_alert_raise(PG_FUNCTION_ARGS)
{
	PfAlert		alert = {.event = "custom"};
	char	   *severity;
	int64		id;

	alert.key = psprintf("custom of role %s: %s", GetUserNameFromId(GetUserId(), false),
						 read_line(fcinfo, 0, "key", MAX_KEY));
	alert.title = read_line(fcinfo, 1, "title", MAX_TITLE);
	severity = read_line(fcinfo, 2, "severity", MAX_KEY);
	if (!pf_severity_parse(severity, &alert.severity))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("unrecognized severity \"%s\"", severity),
				errhint("Valid severities are \"info\", \"warning\" and \"critical\"."));
	pf_need_writable("ml_alert_raise()");
	pf_push_new_snapshot();
	if (!PG_ARGISNULL(3))
	{
		PfModelInfo model;

		alert.model = text_to_cstring(PG_GETARG_TEXT_PP(3));
		pf_check_model_name(alert.model);
		pf_catalog_need_model(alert.model, PF_RIGHT_PREDICT, &model);
	}
	if (!PG_ARGISNULL(4))
	{
		alert.details = PG_GETARG_JSONB_P(4);
		if (VARSIZE(alert.details) > MAX_DETAILS)
			ereport(ERROR,
					errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					errmsg("argument \"details\" must not be larger than %d bytes", MAX_DETAILS),
					errdetail("It has %u bytes.", (unsigned) VARSIZE(alert.details)));
	}
	id = pf_alert_raise(&alert);
	PopActiveSnapshot();
	PG_RETURN_INT64(id);
}

PG_FUNCTION_INFO_V1(ml_alert_acknowledge);
PG_FUNCTION_INFO_V1(ml_alert_resolve);

Datum
ml_alert_acknowledge(PG_FUNCTION_ARGS)
{
	pf_need_writable("ml_alert_acknowledge()");
	PG_RETURN_BOOL(pf_alert_acknowledge(PG_GETARG_INT64(0)));
}

Datum
ml_alert_resolve(PG_FUNCTION_ARGS)
{
	pf_need_writable("ml_alert_resolve()");
	PG_RETURN_BOOL(pf_alert_resolve_number(PG_GETARG_INT64(0)));
}

/*
 * alert.h
 *	  Raising and resolving alerts, and telling of events, for all that watches or runs something.
 *
 * An alert is a state: it is open from the time it was raised first until it is resolved, and is one
 * row of pgforest.alert, however often it is raised meanwhile.  An event just happens: it has no row
 * there, it is only told to the targets that want to hear of it.
 *
 * To tell is: a NOTIFY on the channel pgforest_alert (alerts only, so that who tells of an event can
 * still be in a prepared transaction), and a row in pgforest.outbox for each target that wants it and whose
 * owner may see the model.  An alert is told when it is raised first, again after pgforest.alert_cooldown if it is
 * still raised, at once when it has become more severe, and when it is resolved.
 *
 * All of it is part of the caller's transaction.  The row of an open alert stays locked until that ends, so
 * raise late.  The calls need no SPI connection; the caller says pf_need_writable where it is not certain.
 */
#ifndef PF_ALERT_H
#define PF_ALERT_H

#include "postgres.h"
#include "utils/jsonb.h"

#define PF_ALERT_CHANNEL "pgforest_alert"

typedef enum PfSeverity
{
	PF_INFO,
	PF_WARNING,
	PF_CRITICAL
} PfSeverity;

typedef struct PfAlert
{
	const char *event;			/* one of pf_alert_events */
	PfSeverity	severity;

	/*
	 * What is one alert: 'drift of monitor daily', say.  It begins with the event and names the monitor, pipeline or
	 * model, whose names are unique: so nobody raises or hides another's.  NULL: this is an event.
	 */
	const char *key;
	const char *title;			/* one line for people */
	const char *model;			/* name, or NULL; these four say what it is about */
	int32		version;		/* or 0 */
	const char *monitor;		/* or NULL */
	const char *pipeline;		/* or NULL */
	Jsonb	   *details;		/* figures, or NULL */
} PfAlert;

/* The events that there are, ended by NULL. */
extern const char *const pf_alert_events[];

extern bool pf_severity_parse(const char *name, PfSeverity *severity);

/* Returns the number of the alert, 0 for an event. */
extern int64 pf_alert_raise(const PfAlert *alert);

/* Resolves the open alert with that key; false when there is none. */
extern bool pf_alert_resolve(const char *key);

/* Resolves what is open about a model that is about to be dropped, but for alerts of pipelines, which stay. */
extern void pf_alert_resolve_model(int64 model);

/* What people do, by the number; false when it is so already.  Errors: undefined_object, insufficient_privilege. */
extern bool pf_alert_acknowledge(int64 alert);
extern bool pf_alert_resolve_number(int64 alert);

#endif							/* PF_ALERT_H */

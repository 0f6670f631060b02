/*
 * outbox.h
 *	  Targets of alerts, and the messages that wait for them.
 */
#ifndef PF_OUTBOX_H
#define PF_OUTBOX_H

#include "postgres.h"
#include "datatype/timestamp.h"

typedef struct PfNewTarget
{
	const char *url;
	const char *origin;			/* of it, for people */
	int			nevents;
	char	  **events;
	int			nheaders;
	char	  **headers;		/* 'Name: value' */
	const char *secret;			/* or NULL */
	const char *template;
} PfNewTarget;

/* The current role owns it.  Returns its number. */
extern int64 pf_outbox_add_target(const PfNewTarget *target);

/* With all that waits for it and its log.  Errors: undefined_object, insufficient_privilege. */
extern void pf_outbox_drop_target(int64 target);

/* A message that this session has taken upon itself to send. */
typedef struct PfMessage
{
	int64		id;
	int64		delivery;		/* row of the log */
	int32		attempt;
	bool		last;			/* it will not be tried again */

	/* where to */
	char	   *url;
	int			nheaders;
	char	  **headers;
	char	   *secret;			/* or NULL */
	char	   *template;

	/* what */
	char	   *payload;		/* JSON, with the message's number */
	char	   *event;
	char	   *status;			/* raised | resolved | event */
	char	   *severity;
	char	   *title;
	char	   *model;			/* or NULL, as the next ones */
	char	   *version;
	char	   *monitor;
	char	   *pipeline;
} PfMessage;

/*
 * Takes the next message that was due at the given time and that nobody else is sending, for so many ms; of each
 * target the oldest, of targets only those whose owner's rights the current role has.  Notes the attempt in the
 * log.  False when there is none.  With SPI connected; strings are allocated in the given context.
 */
extern bool pf_outbox_take(TimestampTz due, int lease, MemoryContext context, PfMessage *message);

/* How that went.  error: NULL when it was delivered; answer: or NULL. */
extern void pf_outbox_note(const PfMessage *message, double seconds, int status, const char *error,
						   const char *answer);

/* Deletes what is older than pgforest.alert_retention from the log, and messages given up as long ago. */
extern void pf_outbox_prune(void);

#endif							/* PF_OUTBOX_H */

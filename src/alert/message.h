/*
 * message.h
 *	  What is sent: the body of a message and the headers that go with it.
 */
#ifndef PF_MESSAGE_H
#define PF_MESSAGE_H

#include "catalog/outbox.h"
#include "net/net.h"

/* Names of the forms that a message can have, ended by NULL. */
extern const char *const pf_message_templates[];

/* Fills all but the timeout.  Allocated in the current context. */
extern void pf_message_write(const PfMessage *message, PfPost *post);

/* What a server said, unless it repeats what must stay secret; or NULL. */
extern const char *pf_message_hide(const PfMessage *message, const char *text);

#endif							/* PF_MESSAGE_H */

/*
 * url.h
 *	  URLs in their parts, and whether they are allowed.
 */
#ifndef PF_URL_H
#define PF_URL_H

#include "postgres.h"
#include "utils/guc.h"

/* Strings are allocated in the current context, scheme and host in lower case. */
typedef struct PfUrl
{
	char	   *scheme;			/* http | https */
	char	   *host;			/* [::1] with its brackets */
	int			port;
	char	   *path;			/* begins with a slash */
	char	   *query;			/* NULL: none */
} PfUrl;

/* NULL, or what is wrong with the text, as a full sentence. */
extern const char *pf_url_parse(const char *text, PfUrl *url);

/* The URL written out: what it was parsed from, but for case, a missing path and what is after a '#'. */
extern char *pf_url_text(const PfUrl *url);

/* Does it stand under one of the prefixes of pgforest.url_allowed? */
extern bool pf_url_is_allowed(const PfUrl *url);

extern bool pf_url_check_allowed(char **value, void **extra, GucSource source);

#endif							/* PF_URL_H */

/*
 * net.h
 *	  The network, for those who need it: read from a URL, post to a URL.
 *
 * What talks to libcurl is a second library, pgforest_net, which library.c loads on first use; whoever
 * never reads a URL never loads it.  Only http and https are spoken, only under the prefixes of
 * pgforest.url_allowed, through no proxy, with certificates verified, and within the limits that the
 * settings pgforest.url_* give.
 *
 * Each call serves interrupts while it waits: a cancel ends it at once.  It waits for somebody else's
 * server, so no caller holds a snapshot, a lock or a transaction id meanwhile: commit first.
 *
 * Memory: a reader lives in the memory context that was current when it was opened, and is closed
 * with it, also by an error.  Nothing of it depends on a transaction: it may be read on after
 * a commit.  It takes about 1 MB, however much is read, and what zstd takes: 8 MB with
 * its usual levels, 128 MB where the writer asked for the most.
 */
#ifndef PF_NET_H
#define PF_NET_H

#include "postgres.h"

/*
 * The URL in its canonical form, when its form is sound and it stands under an allowed prefix; else error
 * (invalid_parameter_value, insufficient_privilege).  Touches no network and loads nothing; the calls below do it
 * themselves.
 */
extern char *pf_net_check_url(const char *url);

/* The URL as errors and logs may show it: without what follows a question mark, which may be a secret. */
extern char *pf_net_show_url(const char *url);

/* Scheme, host and port of a URL that was checked: 'https://example.org', 'http://localhost:8080'. */
extern char *pf_net_origin(const char *url);

/* Error feature_not_supported, with a hint, when the second library or libcurl is missing. */
extern void pf_net_need(void);

/* ----- a stream: GET ----- */

typedef struct PfUrlReader PfUrlReader;

/*
 * Connects, follows redirects as long as they stay under allowed prefixes, and returns when the server has begun to
 * answer with 200.  Errors: as above, and connection_exception and its kind for all that can go wrong out there.
 */
extern PfUrlReader *pf_net_open(const char *url);

/*
 * Up to size bytes of the content, gzip and zstd undone; at least one unless the content is at its end: 0.  That
 * the content came whole was checked then, as far as HTTP tells (Content-Length, chunks) and as gzip and zstd do.
 * Errors: the server is silent for too long, it all takes too long, is too large, or breaks off.
 */
extern Size pf_net_read(PfUrlReader *reader, void *buffer, Size size);

extern void pf_net_close(PfUrlReader *reader);

/* ----- compressed bytes that come from elsewhere: what a stream does by itself ----- */

typedef struct PfUnpacker PfUnpacker;

/* In the current memory context, and ends with it. */
extern PfUnpacker *pf_net_unpack_begin(void);

/*
 * Takes bytes from input (*used of them) and gives up to room bytes of content; the number.  at_end: nothing comes
 * after this input.  0 means that it needs more input, or is at the end.
 */
extern Size pf_net_unpack(PfUnpacker *unpacker, const char *input, Size size, bool at_end, Size *used,
						  char *output, Size room);

/* Was what has been unpacked complete? */
extern bool pf_net_unpack_is_complete(const PfUnpacker *unpacker);

/* ----- a message: POST ----- */

typedef struct PfPost
{
	const char *url;
	int			nheaders;
	char	  **headers;		/* 'Name: value' */
	const char *body;
	Size		size;
	int			timeout;		/* for all of it, in ms */
} PfPost;

typedef struct PfAnswer
{
	int			status;			/* of HTTP; 0: there was no answer */
	char	   *error;			/* what went wrong; NULL: the status is between 200 and 299 */
	char	   *excerpt;		/* how it begins: at most 200 printable ASCII characters in one line */
	double		seconds;
} PfAnswer;

/*
 * Posts and waits for the answer.  What goes wrong out there, or a URL that is not allowed (any more), is no error but
 * told in the answer; a redirect is not followed.  Only interrupts and a missing library are errors.  An error's
 * text never shows more of the URL than pf_net_origin, and no header.
 */
extern void pf_net_post(const PfPost *post, PfAnswer *answer);

#endif							/* PF_NET_H */

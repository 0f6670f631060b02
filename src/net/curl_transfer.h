/*
 * curl_transfer.h
 *	  One exchange with a server: a request goes out, an answer comes in piece by piece.
 *
 * Only the second library includes this file.
 */
#ifndef PF_CURL_TRANSFER_H
#define PF_CURL_TRANSFER_H

#include "postgres.h"

#include <curl/curl.h>

#include "net/library.h"
#include "portability/instr_time.h"
#include "storage/latch.h"

#if LIBCURL_VERSION_NUM < 0x073e00
#error "pgforest_net needs libcurl 7.62 or newer"
#endif

#define PF_PIECE_SIZE	(128 * 1024)	/* the most that libcurl gives at once */
#define PF_BUFFER_SIZE	(4 * PF_PIECE_SIZE)
#define PF_MAX_SOCKETS	16
#define PF_MAX_LOCATION 8000
#define PF_EXCERPT_SIZE 200

typedef enum PfFailure
{
	PF_NO_FAILURE,
	PF_FAILED,					/* libcurl says why */
	PF_SILENT,
	PF_TOO_LONG,
	PF_TOO_LARGE
} PfFailure;

typedef struct PfTransfer
{
	PfNetTerms	terms;
	CURLM	   *multi;
	CURL	   *easy;
	struct curl_slist *headers;

	/* what came and was not taken yet: buffer[start] to buffer[end - 1] */
	char	   *buffer;
	Size		start;
	Size		end;
	bool		paused;			/* there was no room for more */
	bool		ended;			/* well or not */
	bool		has_body;		/* its first bytes came: the headers are complete */
	int64		received;		/* bytes of the body */
	PfFailure	failure;
	CURLcode	result;
	char		message[CURL_ERROR_SIZE];

	/* of the answer's headers */
	char		location[PF_MAX_LOCATION + 1];
	char		encoding[64];

	/* what libcurl wants to wait for */
	int			nsockets;
	struct
	{
		curl_socket_t socket;
		int			what;		/* CURL_POLL_IN, ... */
	}			sockets[PF_MAX_SOCKETS];
	WaitEventSet *set;
	bool		set_is_old;
	long		timer;			/* ms from timer_set on; -1: none */
	instr_time	timer_set;

	double		waited;			/* ms, in all */
	double		silent;			/* ms, since something came or went */
	MemoryContextCallback end_callback;
} PfTransfer;

/*
 * A GET, or with a body a POST.  It lives in the current memory context and ends with it; the body
 * must live as long.  Nothing is sent yet.
 */
extern PfTransfer *pf_transfer_begin(const char *url, const PfNetTerms *terms,
									 char **headers, int nheaders, const char *body, Size size);

/*
 * Goes on until there is something new: bytes, headers, an end, or just some time.  Makes room first, when all in the
 * buffer has been taken.  Serves interrupts.
 */
extern void pf_transfer_step(PfTransfer *transfer);

/* HTTP status; 0: not yet known. */
extern int	pf_transfer_status(const PfTransfer *transfer);

/* What went wrong, in words; a failure there must be. */
extern char *pf_transfer_problem(const PfTransfer *transfer);

/* Safe to call more than once. */
extern void pf_transfer_end(PfTransfer *transfer);

/* Readable beginning of what a server said: printable ASCII of one line. */
extern char *pf_transfer_excerpt(const char *bytes, Size size);

#endif							/* PF_CURL_TRANSFER_H */

/*
 * curl_transfer.c
 *	  One exchange with a server: libcurl does the talking, PostgreSQL the waiting.
 *
 * libcurl says which sockets and which time it waits for; we wait for those in a WaitEventSet, together with
 * this process' latch, so that a cancel is heard at once.  Between two waits libcurl does what can be
 * done without waiting.  Interrupts are served only outside of it.
 *
 * While libcurl runs, all signals are blocked: the thread that it starts to resolve a name inherits that, and
 * no handler of ours ever runs in it.  An exchange that is given up does not wait for that thread.
 *
 * libcurl's callbacks must not leave it by an error: they allocate nothing and report nothing, but copy into
 * buffers that were made before.  When the buffer is full libcurl is told to pause, which stops the server in
 * the end; so memory does not depend on who is faster.
 *
 * Limits are on time spent waiting here.  What the caller does between two steps does not count.
 *
 * What libcurl could do beyond http and https is switched off: other protocols, proxies, .netrc, cookies,
 * redirects of its own, signals.
 */
#include "postgres.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>

#include "compat.h"
#include "miscadmin.h"
#include "net/curl_transfer.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#define IDLE_WAIT 10			/* ms, should libcurl wait for nothing at all */

#define SET(option, value) set_option(transfer, option, curl_easy_setopt(transfer->easy, option, value))

/* ----- libcurl's callbacks ----- */

static size_t
on_body(char *bytes, size_t one, size_t size, void *arg)
{
	PfTransfer *transfer = arg;

	transfer->has_body = true;
	if (transfer->start == transfer->end)
		transfer->start = transfer->end = 0;
	if (size > PF_BUFFER_SIZE - transfer->end)
	{
		transfer->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	memcpy(transfer->buffer + transfer->end, bytes, size);
	transfer->end += size;
	transfer->received += size;
	transfer->silent = 0;
	return size;
}

/* The value of a header, if that is its name. */
static void
take_header(const char *line, size_t size, const char *name, char *value, size_t room)
{
	size_t		length = strlen(name);

	if (size <= length || pg_strncasecmp(line, name, length) != 0)
		return;
	line += length;
	size -= length;
	while (size > 0 && (*line == ' ' || *line == '\t'))
		line++, size--;
	while (size > 0 && (unsigned char) line[size - 1] <= ' ')
		size--;
	/* one that is too long is no better than one that is malformed */
	if (size < room)
		memcpy(value, line, size);
	value[size < room ? size : 0] = '\0';
}

static size_t
on_header(char *line, size_t one, size_t size, void *arg)
{
	PfTransfer *transfer = arg;

	transfer->silent = 0;
	if (size >= 5 && memcmp(line, "HTTP/", 5) == 0)
		transfer->location[0] = transfer->encoding[0] = '\0';
	take_header(line, size, "Location:", transfer->location, sizeof(transfer->location));
	take_header(line, size, "Content-Encoding:", transfer->encoding, sizeof(transfer->encoding));
	return size;
}

static int
on_socket(CURL *easy, curl_socket_t socket, int what, void *arg, void *unused)
{
	PfTransfer *transfer = arg;
	int			i = 0;

	while (i < transfer->nsockets && transfer->sockets[i].socket != socket)
		i++;
	if (what == CURL_POLL_REMOVE || what == CURL_POLL_NONE)
	{
		if (i < transfer->nsockets)
			transfer->sockets[i] = transfer->sockets[--transfer->nsockets];
	}
	else if (i < PF_MAX_SOCKETS)
	{
		transfer->sockets[i].socket = socket;
		transfer->sockets[i].what = what;
		transfer->nsockets = Max(transfer->nsockets, i + 1);
	}
	transfer->set_is_old = true;
	return 0;
}

static int
on_timer(CURLM *multi, long milliseconds, void *arg)
{
	PfTransfer *transfer = arg;

	transfer->timer = milliseconds;
	INSTR_TIME_SET_CURRENT(transfer->timer_set);
	return 0;
}

/* A program that this session starts shall not have our sockets. */
static int
on_new_socket(void *arg, curl_socket_t socket, curlsocktype purpose)
{
	fcntl(socket, F_SETFD, FD_CLOEXEC);
	return CURL_SOCKOPT_OK;
}

/* ----- beginning and end ----- */

static void
block_signals(sigset_t *before)
{
	sigset_t	all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, before);
}

static void
unblock_signals(const sigset_t *before)
{
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

void
pf_transfer_end(PfTransfer *transfer)
{
	sigset_t	before;

	if (transfer->set != NULL)
		FreeWaitEventSet(transfer->set);
	transfer->set = NULL;
	if (transfer->multi == NULL)
		return;

	block_signals(&before);
	if (transfer->easy != NULL)
	{
		curl_multi_remove_handle(transfer->multi, transfer->easy);
		curl_easy_cleanup(transfer->easy);
	}
	curl_multi_cleanup(transfer->multi);
	curl_slist_free_all(transfer->headers);
	unblock_signals(&before);
	transfer->easy = NULL;
	transfer->multi = NULL;
	transfer->headers = NULL;
	ReleaseExternalFD();
}

static void
end_transfer(void *arg)
{
	pf_transfer_end(arg);
}

static void
out_of_memory(void)
{
	ereport(ERROR,
			errcode(ERRCODE_OUT_OF_MEMORY),
			errmsg("out of memory"),
			errdetail("Failed in libcurl."));
}

static void
set_option(PfTransfer *transfer, CURLoption option, CURLcode result)
{
	if (result == CURLE_OUT_OF_MEMORY)
		out_of_memory();
	if (result != CURLE_OK)
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("libcurl refuses option %d: %s", (int) option, curl_easy_strerror(result)),
				errhint("libcurl must be built with http, https and TLS."));
}

static void
add_header(PfTransfer *transfer, const char *header)
{
	struct curl_slist *longer = curl_slist_append(transfer->headers, header);

	if (longer == NULL)
		out_of_memory();
	transfer->headers = longer;
}

PfTransfer *
pf_transfer_begin(const char *url, const PfNetTerms *terms, char **headers, int nheaders,
				  const char *body, Size size)
{
	PfTransfer *transfer = palloc0(sizeof(PfTransfer));

	transfer->terms = *terms;
	if (terms->ca_file != NULL)
		transfer->terms.ca_file = pstrdup(terms->ca_file);
	transfer->buffer = palloc(PF_BUFFER_SIZE);
	transfer->timer = -1;
	transfer->set_is_old = true;
	transfer->end_callback.func = end_transfer;
	transfer->end_callback.arg = transfer;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &transfer->end_callback);

	transfer->multi = curl_multi_init();
	if (transfer->multi == NULL)
		out_of_memory();
	ReserveExternalFD();
	transfer->easy = curl_easy_init();
	if (transfer->easy == NULL)
		out_of_memory();

	curl_multi_setopt(transfer->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(transfer->multi, CURLMOPT_SOCKETDATA, transfer);
	curl_multi_setopt(transfer->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(transfer->multi, CURLMOPT_TIMERDATA, transfer);

	SET(CURLOPT_URL, url);
#if LIBCURL_VERSION_NUM >= 0x075500
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, "https");
#else
	SET(CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
	SET(CURLOPT_REDIR_PROTOCOLS, (long) CURLPROTO_HTTPS);
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
	SET(CURLOPT_QUICK_EXIT, 1L);
#endif
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	if (transfer->terms.ca_file != NULL)
		SET(CURLOPT_CAINFO, transfer->terms.ca_file);
	SET(CURLOPT_USERAGENT, "pgforest");
	SET(CURLOPT_BUFFERSIZE, (long) PF_PIECE_SIZE);
	SET(CURLOPT_ERRORBUFFER, transfer->message);
	SET(CURLOPT_SOCKOPTFUNCTION, on_new_socket);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, transfer);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, transfer);
	for (int i = 0; i < nheaders; i++)
		add_header(transfer, headers[i]);
	if (body != NULL)
	{
		add_header(transfer, "Expect:");	/* do not ask whether to send it */
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDS, body);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) size);
	}
	SET(CURLOPT_HTTPHEADER, transfer->headers);

	if (curl_multi_add_handle(transfer->multi, transfer->easy) != CURLM_OK)
		out_of_memory();
	return transfer;
}

/* ----- waiting ----- */

/* Lets libcurl do what can be done for a socket, or because of the time. */
static void
act(PfTransfer *transfer, curl_socket_t socket, int events)
{
	sigset_t	before;
	CURLMcode	code;
	CURLMsg    *message;
	int			count;

	block_signals(&before);
	code = curl_multi_socket_action(transfer->multi, socket, events, &count);
	unblock_signals(&before);
	if (code == CURLM_OUT_OF_MEMORY)
		out_of_memory();
	if (code != CURLM_OK && code != CURLM_BAD_SOCKET)
		elog(ERROR, "libcurl: %s", curl_multi_strerror(code));

	while ((message = curl_multi_info_read(transfer->multi, &count)) != NULL)
	{
		if (message->msg != CURLMSG_DONE)
			continue;
		transfer->ended = true;
		transfer->result = message->data.result;
		if (transfer->result == CURLE_OUT_OF_MEMORY)
			out_of_memory();
		if (transfer->result != CURLE_OK)
			transfer->failure = PF_FAILED;
	}
}

/* What to wait for, as libcurl wants it now. */
static void
renew_set(PfTransfer *transfer)
{
	if (transfer->set != NULL)
		FreeWaitEventSet(transfer->set);
	transfer->set = NULL;		/* if the next step fails */
	transfer->set = PF_CREATE_WAIT_EVENT_SET(GetMemoryChunkContext(transfer), 2 + PF_MAX_SOCKETS);
	AddWaitEventToSet(transfer->set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(transfer->set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	for (int i = 0; i < transfer->nsockets; i++)
	{
		int			what = transfer->sockets[i].what;

		AddWaitEventToSet(transfer->set, (what & CURL_POLL_IN ? WL_SOCKET_READABLE : 0) |
						  (what & CURL_POLL_OUT ? WL_SOCKET_WRITEABLE : 0),
						  transfer->sockets[i].socket, NULL, NULL);
	}
	transfer->set_is_old = false;
}

/* What the session is said to wait for. */
static uint32
wait_event(void)
{
	static uint32 event = 0;

	if (event == 0)
		event = PF_WAIT_EVENT_NEW("PgforestNetwork");
	return event;
}

static double
milliseconds_since(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_MILLISEC(now);
}

/* Milliseconds until libcurl wants to be called, however things stand; less than 0: it is time. */
static double
timer_left(const PfTransfer *transfer)
{
	return transfer->timer < 0 ? 1e9 : transfer->timer - milliseconds_since(transfer->timer_set);
}

static void
fail(PfTransfer *transfer, PfFailure failure)
{
	transfer->ended = true;
	transfer->failure = failure;
}

/* Waits for what libcurl waits for, and lets it go on. */
static void
wait_and_act(PfTransfer *transfer)
{
	WaitEvent	events[2 + PF_MAX_SOCKETS];
	bool		idle = transfer->timer < 0 && transfer->nsockets == 0;
	double		left = idle ? IDLE_WAIT : timer_left(transfer);
	instr_time	start;
	double		time;
	int			count;

	left = Min(left, transfer->terms.max_time - transfer->waited);
	if (transfer->terms.timeout > 0)
		left = Min(left, transfer->terms.timeout - transfer->silent);
	if (transfer->set_is_old)
		renew_set(transfer);

	INSTR_TIME_SET_CURRENT(start);
	count = WaitEventSetWait(transfer->set, (long) Max(ceil(left), 0), events, lengthof(events),
							 wait_event());
	time = milliseconds_since(start);
	transfer->waited += time;
	transfer->silent += time;

	for (int i = 0; i < count; i++)
	{
		if (events[i].events & WL_LATCH_SET)
			ResetLatch(MyLatch);
	}
	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < count && !transfer->ended; i++)
	{
		if (events[i].events & WL_SOCKET_MASK)
			act(transfer, events[i].fd,
				(events[i].events & WL_SOCKET_READABLE ? CURL_CSELECT_IN : 0) |
				(events[i].events & WL_SOCKET_WRITEABLE ? CURL_CSELECT_OUT : 0));
	}
	if (idle)
		act(transfer, CURL_SOCKET_TIMEOUT, 0);
}

void
pf_transfer_step(PfTransfer *transfer)
{
	CHECK_FOR_INTERRUPTS();
	if (transfer->ended)
		return;
	if (transfer->paused && transfer->start == transfer->end)
	{
		sigset_t	before;

		transfer->paused = false;
		block_signals(&before);
		curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
		unblock_signals(&before);
		if (transfer->start < transfer->end)
			return;
	}

	if (timer_left(transfer) <= 0)
	{
		transfer->timer = -1;
		act(transfer, CURL_SOCKET_TIMEOUT, 0);
	}
	else
		wait_and_act(transfer);

	if (transfer->received > transfer->terms.max_size)
		fail(transfer, PF_TOO_LARGE);
	else if (transfer->ended)
		return;
	else if (transfer->waited >= transfer->terms.max_time)
		fail(transfer, PF_TOO_LONG);
	else if (transfer->terms.timeout > 0 && transfer->silent >= transfer->terms.timeout)
		fail(transfer, PF_SILENT);
}

/* ----- what came of it ----- */

int
pf_transfer_status(const PfTransfer *transfer)
{
	long		status = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	return status < 200 ? 0 : (int) status;
}

char *
pf_transfer_excerpt(const char *bytes, Size size)
{
	char	   *excerpt = palloc(size + 1);
	Size		length = 0;

	for (Size i = 0; i < size; i++)
	{
		char		c = bytes[i] >= ' ' && bytes[i] < 127 ? bytes[i] : ' ';

		if (c != ' ' || (length > 0 && excerpt[length - 1] != ' '))
			excerpt[length++] = c;
	}
	while (length > 0 && excerpt[length - 1] == ' ')
		length--;
	excerpt[length] = '\0';
	return excerpt;
}

char *
pf_transfer_problem(const PfTransfer *transfer)
{
	const char *message;

	switch (transfer->failure)
	{
		case PF_SILENT:
			return psprintf("the server sent nothing for %d ms", transfer->terms.timeout);
		case PF_TOO_LONG:
			return psprintf("it took longer than " INT64_FORMAT " ms", transfer->terms.max_time);
		case PF_TOO_LARGE:
			return psprintf("it is larger than " INT64_FORMAT " kB", transfer->terms.max_size / 1024);
		default:
			message = transfer->message[0] ? transfer->message : curl_easy_strerror(transfer->result);
			return pf_transfer_excerpt(message, strlen(message));
	}
}

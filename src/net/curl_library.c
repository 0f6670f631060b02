/*
 * curl_library.c
 *	  The second library's face: its start, the posting of a message, and the table of what it can do.
 */
#include "postgres.h"

#include "compat.h"
#include "fmgr.h"
#include "net/curl_reader.h"
#include "net/curl_transfer.h"
#include "net/curl_unpack.h"
#include "utils/memutils.h"

PF_MODULE_MAGIC("pgforest_net", "1.0");

PGDLLEXPORT void _PG_init(void);
PGDLLEXPORT const PfNetLibrary *pgforest_net_library(void);

void
_PG_init(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		ereport(ERROR,
				errcode(ERRCODE_SYSTEM_ERROR),
				errmsg("libcurl cannot be started"));
}

static bool
is_taken(const PfTransfer *transfer)
{
	int			status = pf_transfer_status(transfer);

	return status >= 200 && status < 300;
}

/*
 * A message was taken when the server says so: what comes after the status does not change that.  Of
 * any other answer its beginning is read.
 */
static void
post_message(const PfPost *post, const PfNetTerms *terms, PfAnswer *answer)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgforest message",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	PfTransfer *transfer = pf_transfer_begin(post->url, terms, post->headers, post->nheaders,
											 post->body, post->size);
	instr_time	start;
	instr_time	time;

	INSTR_TIME_SET_CURRENT(start);
	while (!transfer->ended && !(transfer->has_body && is_taken(transfer)) &&
		   transfer->end < PF_EXCERPT_SIZE)
		pf_transfer_step(transfer);
	INSTR_TIME_SET_CURRENT(time);
	INSTR_TIME_SUBTRACT(time, start);
	answer->seconds = INSTR_TIME_GET_DOUBLE(time);
	answer->status = pf_transfer_status(transfer);

	MemoryContextSwitchTo(caller);
	answer->excerpt = pf_transfer_excerpt(transfer->buffer, Min(transfer->end, PF_EXCERPT_SIZE));
	if (answer->status == 0)
		answer->error = transfer->failure == PF_NO_FAILURE ? pstrdup("the server sent no answer") :
			pf_transfer_problem(transfer);
	else if (answer->status >= 300 && answer->status < 400)
		answer->error = psprintf("the server answered %d: redirects are not followed", answer->status);
	else if (answer->status >= 300)
		answer->error = psprintf("the server answered %d", answer->status);
	MemoryContextDelete(context);
}

const PfNetLibrary *
pgforest_net_library(void)
{
	static const PfNetLibrary library = {
		.version = PF_NET_LIBRARY_VERSION,
		.open = pf_reader_open,
		.read = pf_reader_read,
		.close = pf_reader_close,
		.post = post_message,
		.unpack_begin = pf_unpack_begin,
		.unpack = pf_unpack,
		.unpack_is_complete = pf_unpack_is_complete
	};

	return &library;
}

/*
 * curl_reader.c
 *	  The content of a URL as a stream.
 *
 * Redirects are followed here, not by libcurl: each is checked against the list of allowed prefixes
 * before anything is sent.
 *
 * Memory: a context of the reader's own, under the one that was current when it was opened.
 */
#include "postgres.h"

#include "compat.h"
#include "net/curl_reader.h"
#include "net/curl_transfer.h"
#include "net/curl_unpack.h"
#include "utils/memutils.h"

#define MAX_REDIRECTS	5

struct PfUrlReader
{
	MemoryContext context;
	PfNetTerms	terms;
	char	   *shown;			/* the URL in errors */
	PfTransfer *transfer;
	PfUnpacker *unpacker;
	int64		unpacked;		/* bytes given */
};

/* The transfer has failed: says so. */
pg_noreturn static void
report_failure(const PfUrlReader *reader)
{
	const PfTransfer *transfer = reader->transfer;
	const char *problem = pf_transfer_problem(transfer);

	switch (transfer->failure)
	{
		case PF_SILENT:
			ereport(ERROR,
					errcode(ERRCODE_CONNECTION_FAILURE),
					errmsg("could not read \"%s\": %s", reader->shown, problem),
					errhint("Try again later, or raise the setting pgforest.url_timeout."));
			break;
		case PF_TOO_LONG:
			ereport(ERROR,
					errcode(ERRCODE_CONNECTION_FAILURE),
					errmsg("could not read \"%s\": %s", reader->shown, problem),
					errdetail(INT64_FORMAT " bytes had come.", transfer->received),
					errhint("Raise the setting pgforest.url_max_time."));
			break;
		case PF_TOO_LARGE:
			ereport(ERROR,
					errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					errmsg("could not read \"%s\": %s", reader->shown, problem),
					errhint("Raise the setting pgforest.url_max_size."));
			break;
		default:
			break;
	}
	switch (transfer->result)
	{
		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_SSL_CONNECT_ERROR:
		case CURLE_SSL_ISSUER_ERROR:
			ereport(ERROR,
					errcode(ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION),
					errmsg("could not connect safely for \"%s\"", reader->shown),
					errdetail("%s.", problem),
					errhint("The server must show a certificate for its name that the system, or the file of the setting "
							"pgforest.url_ca_file, trusts."));
			break;
		case CURLE_SSL_CACERT_BADFILE:
			ereport(ERROR,
					errcode(ERRCODE_CONFIG_FILE_ERROR),
					errmsg("could not read the certificates that servers are verified by"),
					errdetail("%s.", problem),
					errhint("Install the system's (package ca-certificates on Debian), or correct the setting "
							"pgforest.url_ca_file."));
			break;
		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_COULDNT_CONNECT:
			ereport(ERROR,
					errcode(ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION),
					errmsg("could not connect for \"%s\"", reader->shown),
					errdetail("%s.", problem));
			break;
		default:
			ereport(ERROR,
					errcode(ERRCODE_CONNECTION_FAILURE),
					errmsg("could not read \"%s\" to its end", reader->shown),
					errdetail("%s.", problem),
					errhint("The server broke off after " INT64_FORMAT " bytes. Try again.",
							transfer->received));
	}
}

/* Waits until the answer's headers have come, and perhaps some of its body. */
static void
await_answer(PfUrlReader *reader)
{
	PfTransfer *transfer = reader->transfer;

	while (!transfer->has_body && !transfer->ended)
		pf_transfer_step(transfer);
	if (transfer->failure != PF_NO_FAILURE && !transfer->has_body)
		report_failure(reader);
}

/* Where a redirect leads, in its canonical form. */
static char *
follow(const PfUrlReader *reader, const char *url)
{
	const unsigned flags = CURLU_PATH_AS_IS | CURLU_NON_SUPPORT_SCHEME;
	CURLU	   *parts = curl_url();
	char	   *absolute = NULL;
	char	   *next = NULL;
	char	   *origin = NULL;

	if (parts != NULL && curl_url_set(parts, CURLUPART_URL, url, flags) == CURLUE_OK &&
		curl_url_set(parts, CURLUPART_URL, reader->transfer->location, flags) == CURLUE_OK &&
		curl_url_get(parts, CURLUPART_URL, &absolute, 0) == CURLUE_OK)
	{
		next = reader->terms.allow(absolute);
		origin = reader->terms.origin(absolute);
	}
	curl_free(absolute);
	curl_url_cleanup(parts);
	if (next == NULL)
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("\"%s\" redirects to a URL that is not allowed", reader->shown),
				origin && origin[0] ? errdetail("It leads to \"%s\".", origin) :
				errdetail("It leads to something that is no plain http or https URL."),
				errhint("If you trust it, a superuser can add where it leads to the setting pgforest.url_allowed."));
	return next;
}

static bool
is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Waits for some of the body, so that the error shows how it begins. */
pg_noreturn static void
report_status(const PfUrlReader *reader, int status)
{
	PfTransfer *transfer = reader->transfer;
	char	   *excerpt;

	while (!transfer->ended && transfer->end < PF_EXCERPT_SIZE)
		pf_transfer_step(transfer);
	excerpt = pf_transfer_excerpt(transfer->buffer, Min(transfer->end, PF_EXCERPT_SIZE));
	ereport(ERROR,
			errcode(status == 404 || status == 410 ? ERRCODE_UNDEFINED_FILE : ERRCODE_CONNECTION_EXCEPTION),
			errmsg("could not read \"%s\": the server answered %d", reader->shown, status),
			excerpt[0] ? errdetail("Its answer begins: %s", excerpt) : 0);
}

static void
check_encoding(const PfUrlReader *reader)
{
	const char *encoding = reader->transfer->encoding;

	if (encoding[0] && pg_strcasecmp(encoding, "identity") != 0 && pg_strcasecmp(encoding, "gzip") != 0 &&
		pg_strcasecmp(encoding, "x-gzip") != 0 && pg_strcasecmp(encoding, "zstd") != 0)
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("could not read \"%s\": its content is encoded as \"%s\"", reader->shown,
					   pf_transfer_excerpt(encoding, strlen(encoding))),
				errhint("Only gzip and zstd are understood."));
}

/* A compressed file shall be sent as it is, anything else may be compressed on the way. */
static char *
accept_header(const char *url)
{
	size_t		length = strcspn(url, "?");

	if ((length > 3 && strncmp(url + length - 3, ".gz", 3) == 0) ||
		(length > 4 && strncmp(url + length - 4, ".zst", 4) == 0))
		return pstrdup("Accept-Encoding: identity");
	return pstrdup("Accept-Encoding: gzip, zstd");
}

PfUrlReader *
pf_reader_open(const char *url, const PfNetTerms *terms)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgforest URL",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	PfUrlReader   *reader = palloc0(sizeof(PfUrlReader));
	char	   *next = pstrdup(url);

	reader->context = context;
	reader->terms = *terms;
	reader->shown = terms->show(url);
	reader->unpacker = pf_unpack_begin();
	for (int redirects = 0;; redirects++)
	{
		char	   *header = accept_header(next);
		int			status;

		reader->transfer = pf_transfer_begin(next, terms, &header, 1, NULL, 0);
		await_answer(reader);
		status = pf_transfer_status(reader->transfer);
		if (status == 200)
			break;
		if (!is_redirect(status) || reader->transfer->location[0] == '\0')
			report_status(reader, status);
		if (redirects == MAX_REDIRECTS)
			ereport(ERROR,
					errcode(ERRCODE_CONNECTION_EXCEPTION),
					errmsg("could not read \"%s\": more than %d redirects", reader->shown, MAX_REDIRECTS));
		next = follow(reader, next);
		pf_transfer_end(reader->transfer);
	}
	check_encoding(reader);
	MemoryContextSwitchTo(caller);
	return reader;
}

/* All that came was unpacked: was it all? */
static void
check_end(const PfUrlReader *reader)
{
	const PfTransfer *transfer = reader->transfer;

	if (transfer->failure != PF_NO_FAILURE)
		report_failure(reader);
	if (!pf_unpack_is_complete(reader->unpacker))
		ereport(ERROR,
				errcode(ERRCODE_CONNECTION_FAILURE),
				errmsg("could not read \"%s\" to its end", reader->shown),
				errdetail("Its compressed content is cut off after " INT64_FORMAT " bytes.",
						  transfer->received),
				errhint("Try again, or have the file written anew."));
}

Size
pf_reader_read(PfUrlReader *reader, void *buffer, Size size)
{
	PfTransfer *transfer = reader->transfer;

	Assert(size > 0);
	for (;;)
	{
		Size		used;
		Size		given = pf_unpack(reader->unpacker, transfer->buffer + transfer->start,
									  transfer->end - transfer->start,
									  transfer->ended, &used, buffer, size);

		transfer->start += used;
		if (given > 0)
		{
			reader->unpacked += given;
			if (reader->unpacked > reader->terms.max_size)
			{
				transfer->failure = PF_TOO_LARGE;
				report_failure(reader);
			}
			return given;
		}
		if (used > 0)
			continue;
		if (transfer->ended)
		{
			check_end(reader);
			return 0;
		}
		pf_transfer_step(transfer);
	}
}

void
pf_reader_close(PfUrlReader *reader)
{
	MemoryContextDelete(reader->context);
}

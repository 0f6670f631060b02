/*
 * library.c
 *	  The second library is loaded here, on first use, and called with the settings as they are.
 *
 * It is looked for where pgforest itself is.  It may be missing: where libcurl was not there when pgforest
 * was built, it was built without; where libcurl is missing now, it cannot be loaded.  The server says
 * which file it could not load, and why; we add what helps.
 */
#include "postgres.h"

#include "fmgr.h"
#include "net/library.h"
#include "net/url.h"
#include "settings.h"

static const PfNetLibrary *library = NULL;

static PfNetLibraryFunction
load(void)
{
	MemoryContext caller = CurrentMemoryContext;
	PfNetLibraryFunction function = NULL;

	PG_TRY();
	{
		function = (PfNetLibraryFunction)
			load_external_function("$libdir/pgforest_net", "pgforest_net_library", true, NULL);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("the network library of pgforest cannot be loaded"),
				errdetail("%s", error->message),
				errhint("Install libcurl (package libcurl4 on Debian). If pgforest was built without it, install its "
						"headers (libcurl4-openssl-dev) and run make install again."));
	}
	PG_END_TRY();
	return function;
}

void
pf_net_need(void)
{
	const PfNetLibrary *loaded;

	if (library != NULL)
		return;
	loaded = load() ();
	if (loaded->version != PF_NET_LIBRARY_VERSION)
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("the network library of pgforest is of another version than pgforest"),
				errhint("Run make install again, then reconnect."));
	library = loaded;
}

/* ----- what the library asks of us ----- */

static char *
allow(const char *text)
{
	PfUrl		url;

	if (pf_url_parse(text, &url) != NULL || !pf_url_is_allowed(&url))
		return NULL;
	return pf_url_text(&url);
}

static void
set_terms(PfNetTerms *terms)
{
	terms->ca_file = pf_url_ca_file[0] ? pf_url_ca_file : NULL;
	terms->timeout = pf_url_timeout;
	terms->max_time = pf_url_max_time * INT64CONST(1000);
	terms->max_size = pf_url_max_size * INT64CONST(1024);
	terms->allow = allow;
	terms->show = pf_net_show_url;
	terms->origin = pf_net_origin;
}

/* ----- the calls ----- */

PfUrlReader *
pf_net_open(const char *url)
{
	char	   *checked = pf_net_check_url(url);
	PfNetTerms	terms;

	pf_net_need();
	set_terms(&terms);
	return library->open(checked, &terms);
}

Size
pf_net_read(PfUrlReader *reader, void *buffer, Size size)
{
	return library->read(reader, buffer, size);
}

void
pf_net_close(PfUrlReader *reader)
{
	library->close(reader);
}

PfUnpacker *
pf_net_unpack_begin(void)
{
	pf_net_need();
	return library->unpack_begin();
}

Size
pf_net_unpack(PfUnpacker *unpacker, const char *input, Size size, bool at_end, Size *used,
			  char *output, Size room)
{
	return library->unpack(unpacker, input, size, at_end, used, output, room);
}

bool
pf_net_unpack_is_complete(const PfUnpacker *unpacker)
{
	return library->unpack_is_complete(unpacker);
}

void
pf_net_post(const PfPost *post, PfAnswer *answer)
{
	PfPost		checked = *post;
	PfNetTerms	terms;

	pf_net_need();
	memset(answer, 0, sizeof(*answer));
	checked.url = allow(post->url);
	if (checked.url == NULL)
	{
		answer->error = pstrdup("the URL is not allowed by the setting pgforest.url_allowed (any more)");
		return;
	}
	set_terms(&terms);
	terms.timeout = 0;
	terms.max_time = post->timeout;
	library->post(&checked, &terms, answer);
}

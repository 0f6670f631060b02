/*
 * url.c
 *	  URLs in their parts, and whether they are allowed.
 *
 * What we take a URL for and what libcurl or a server takes it for must be the same, or
 * the list of allowed prefixes means nothing.  So only plain URLs are understood, anything doubtful is
 * refused, and libcurl is given what we have understood, written out again: no user name or
 * password, no backslash, blank or control character, nothing but ASCII, a host of letters, digits, dots and
 * hyphens or an address, no step of the path that is '.' or '..', however it is escaped.
 *
 * A prefix is a URL without '?' and '#'.  Scheme, host and port must be equal, and the
 * path must begin with the steps of the prefix's: '/data' allows '/data' and '/data/x', not '/database'.
 *
 * The setting is checked when it is set, and parsed anew for each URL, which is nothing beside what
 * the URL costs.
 */
#include "postgres.h"

#include "net/net.h"
#include "net/url.h"
#include "settings.h"
#include "utils/memutils.h"

#define MAX_URL 8000			/* bytes */

#define SEPARATORS ", \t\r\n"

static bool
is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static char *
lower(const char *text, size_t length)
{
	char	   *copy = pnstrdup(text, length);

	for (char *c = copy; *c; c++)
	{
		if (*c >= 'A' && *c <= 'Z')
			*c += 'a' - 'A';
	}
	return copy;
}

/* Undoes escapes in place, with a slash for a zero byte; false when there were none. */
static bool
unescape(char *text)
{
	char	   *to = text;
	bool		found = false;

	for (const char *from = text; *from; to++)
	{
		if (from[0] == '%' && hex_digit(from[1]) >= 0 && hex_digit(from[2]) >= 0)
		{
			*to = (char) (hex_digit(from[1]) * 16 + hex_digit(from[2]));
			if (*to == '\0')
				*to = '/';
			from += 3;
			found = true;
		}
		else
			*to = *from++;
	}
	*to = '\0';
	return found;
}

/*
 * Might a server leave the directory?  It may undo escapes more than once, take a backslash for a
 * slash, end a step at a semicolon or a zero byte, and understand overlong UTF-8: bytes that no
 * text has.
 */
static bool
climbs(const char *path)
{
	char	   *plain = pstrdup(path);

	while (unescape(plain))
		;
	if (strpbrk(plain, "\xc0\xc1") != NULL)
		return true;
	for (const char *step = plain; *step;)
	{
		size_t		length = strcspn(step, "/\\;?#");

		if ((length == 1 && step[0] == '.') || (length == 2 && step[0] == '.' && step[1] == '.'))
			return true;
		step += length;
		if (*step)
			step++;
	}
	return false;
}

/* The host and what may follow it: ":80".  NULL, or what is wrong. */
static const char *
parse_host(const char *text, size_t length, PfUrl *url)
{
	size_t		host = 0;

	if (memchr(text, '@', length) != NULL)
		return "A user name or password must not be part of it.";
	if (length > 0 && text[0] == '[')
	{
		for (host = 1; host < length && (hex_digit(text[host]) >= 0 || strchr(":.", text[host])); host++)
			;
		if (host < 4 || host == length || text[host] != ']')
			return "The address of its host is malformed.";
		host++;
	}
	else
	{
		while (host < length && (is_letter_or_digit(text[host]) || strchr("-._", text[host])))
			host++;
		if (host == 0)
			return "It has no host.";
		if (host > 253 || text[0] == '.' || strstr(pnstrdup(text, host), "..") != NULL)
			return "The name of its host is malformed.";
	}
	url->host = lower(text, host);

	if (host < length)
	{
		int64		port = 0;

		if (text[host] != ':')
			return "The name of its host is malformed.";
		for (size_t i = host + 1; i < length; i++)
		{
			if (text[i] < '0' || text[i] > '9' || length - host > 6)
				return "Its port is not a number.";
			port = port * 10 + (text[i] - '0');
		}
		if (port < 1 || port > 65535)
			return "Its port is not a number from 1 to 65535.";
		url->port = (int) port;
	}
	return NULL;
}

const char *
pf_url_parse(const char *text, PfUrl *url)
{
	const char *rest;
	const char *problem;
	size_t		length;

	memset(url, 0, sizeof(*url));
	if (strlen(text) > MAX_URL)
		return "It is longer than 8000 bytes.";
	for (const char *c = text; *c; c++)
	{
		if ((unsigned char) *c <= ' ' || (unsigned char) *c >= 127 || strchr("\"<>\\^`{|}", *c))
			return "It has a character that must be escaped (as %20 stands for a blank).";
		if (*c == '%' && (hex_digit(c[1]) < 0 || hex_digit(c[2]) < 0))
			return "It has a percent sign that is not followed by two hexadecimal digits.";
	}

	rest = strstr(text, "://");
	if (rest == NULL)
		return "It does not begin with http:// or https://.";
	url->scheme = lower(text, rest - text);
	if (strcmp(url->scheme, "https") == 0)
		url->port = 443;
	else if (strcmp(url->scheme, "http") == 0)
		url->port = 80;
	else
		return "It does not begin with http:// or https://.";

	rest += 3;
	length = strcspn(rest, "/?#");
	problem = parse_host(rest, length, url);
	if (problem != NULL)
		return problem;

	rest += length;
	length = strcspn(rest, "?#");
	url->path = length == 0 ? pstrdup("/") : pnstrdup(rest, length);
	if (climbs(url->path))
		return "A step of its path is \".\" or \"..\".";
	rest += length;
	if (*rest == '?')
		url->query = pnstrdup(rest + 1, strcspn(rest + 1, "#"));
	return NULL;
}

/* Scheme, host and, where it is not the usual one, port. */
static char *
origin(const PfUrl *url)
{
	if (url->port == (strcmp(url->scheme, "https") == 0 ? 443 : 80))
		return psprintf("%s://%s", url->scheme, url->host);
	return psprintf("%s://%s:%d", url->scheme, url->host, url->port);
}

char *
pf_url_text(const PfUrl *url)
{
	return psprintf("%s%s%s%s", origin(url), url->path, url->query ? "?" : "",
					url->query ? url->query : "");
}

/* Does the URL stand under the prefix? */
static bool
is_under(const PfUrl *url, const PfUrl *prefix)
{
	size_t		length = strlen(prefix->path);

	if (strcmp(url->scheme, prefix->scheme) != 0 || strcmp(url->host, prefix->host) != 0 ||
		url->port != prefix->port || strncmp(url->path, prefix->path, length) != 0)
		return false;
	return prefix->path[length - 1] == '/' || url->path[length] == '\0' || url->path[length] == '/';
}

/* The next of the list, and where to go on; NULL at the end. */
static char *
next_prefix(const char **list)
{
	size_t		length;

	*list += strspn(*list, SEPARATORS);
	length = strcspn(*list, SEPARATORS);
	if (length == 0)
		return NULL;
	*list += length;
	return pnstrdup(*list - length, length);
}

bool
pf_url_is_allowed(const PfUrl *url)
{
	const char *list = pf_url_allowed;
	char	   *text;

	while ((text = next_prefix(&list)) != NULL)
	{
		PfUrl		prefix;

		if (pf_url_parse(text, &prefix) == NULL && is_under(url, &prefix))
			return true;
	}
	return false;
}

bool
pf_url_check_allowed(char **value, void **extra, GucSource source)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgforest.url_allowed",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	const char *list = *value;
	bool		good = true;
	char	   *text;

	while (good && (text = next_prefix(&list)) != NULL)
	{
		PfUrl		prefix;
		const char *problem = pf_url_parse(text, &prefix);

		if (problem == NULL && strpbrk(text, "?#") != NULL)
			problem = "A prefix must not have a \"?\" or \"#\".";
		if (problem != NULL)
		{
			GUC_check_errdetail("\"%s\": %s", text, problem);
			GUC_check_errhint("Write prefixes such as https://example.org/data, separated by commas.");
			good = false;
		}
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return good;
}

/* ----- for the callers of net.h ----- */

char *
pf_net_show_url(const char *url)
{
	return pnstrdup(url, strcspn(url, "?#"));
}

char *
pf_net_origin(const char *url)
{
	PfUrl		parts;

	return pf_url_parse(url, &parts) == NULL ? origin(&parts) : pstrdup("");
}

char *
pf_net_check_url(const char *url)
{
	PfUrl		parts;
	const char *problem = pf_url_parse(url, &parts);

	/* nothing of a malformed one is shown: we do not know where its secrets are */
	if (problem != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("invalid URL"),
				errdetail("%s", problem),
				errhint("Write it as https://example.org/data.csv."));
	if (!pf_url_is_allowed(&parts))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("URL under \"%s\" is not allowed", origin(&parts)),
				pf_url_allowed[0] == '\0' ?
				errdetail("The setting pgforest.url_allowed is empty: no URL is.") :
				errdetail("It stands under none of the prefixes of the setting pgforest.url_allowed."),
				errhint("A superuser can add \"%s\", or more of the URL, to the setting.", origin(&parts)));
	return pf_url_text(&parts);
}

/*
 * message.c
 *	  What is sent: the body of a message and the headers that go with it.
 *
 * json: what the outbox holds, as it is.  slack: {"text": "..."}, which Mattermost, Rocket.Chat and
 * others understand, too.
 *
 * Where the target has a secret, the message is signed: the HMAC with SHA-256 of the time, a dot
 * and the body.  The time is part of it so that nobody can send an old message again later on.
 */
#include "postgres.h"

#include <time.h>

#include "alert/message.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/json.h"

const char *const pf_message_templates[] = {"json", "slack", NULL};

/* Slack takes these three for markup. */
static void
append_for_slack(StringInfo text, const char *plain)
{
	for (; *plain; plain++)
	{
		if (*plain == '&')
			appendStringInfoString(text, "&amp;");
		else if (*plain == '<')
			appendStringInfoString(text, "&lt;");
		else if (*plain == '>')
			appendStringInfoString(text, "&gt;");
		else
			appendStringInfoChar(text, *plain);
	}
}

static void
append_part(StringInfo text, const char *what, const char *name)
{
	if (name == NULL)
		return;
	appendStringInfo(text, "%s%s ", text->len > 0 ? ", " : "", what);
	append_for_slack(text, name);
}

static char *
write_slack(const PfMessage *message)
{
	StringInfoData text;
	StringInfoData about;
	StringInfoData body;

	initStringInfo(&about);
	append_part(&about, "model", message->model);
	append_part(&about, "version", message->version);
	append_part(&about, "monitor", message->monitor);
	append_part(&about, "pipeline", message->pipeline);

	initStringInfo(&text);
	appendStringInfo(&text, "*%s* ", strcmp(message->status, "resolved") == 0 ? "resolved" : message->severity);
	append_for_slack(&text, message->title);
	if (about.len > 0)
		appendStringInfo(&text, "\n%s", about.data);

	initStringInfo(&body);
	appendStringInfoString(&body, "{\"text\": ");
	escape_json(&body, text.data);
	appendStringInfoChar(&body, '}');
	return body.data;
}

/* "sha256=" and 64 hexadecimal digits. */
static char *
sign(const char *secret, const char *time, const char *body)
{
	pg_hmac_ctx *hmac = pg_hmac_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char		hex[2 * PG_SHA256_DIGEST_LENGTH + 1];

	if (hmac == NULL ||
		pg_hmac_init(hmac, (const uint8 *) secret, strlen(secret)) < 0 ||
		pg_hmac_update(hmac, (const uint8 *) time, strlen(time)) < 0 ||
		pg_hmac_update(hmac, (const uint8 *) ".", 1) < 0 ||
		pg_hmac_update(hmac, (const uint8 *) body, strlen(body)) < 0 ||
		pg_hmac_final(hmac, digest, sizeof(digest)) < 0)
		ereport(ERROR,
				errcode(ERRCODE_INTERNAL_ERROR),
				errmsg("could not sign a message: %s", hmac ? pg_hmac_error(hmac) : "out of memory"));
	pg_hmac_free(hmac);
	hex_encode((const char *) digest, sizeof(digest), hex);
	hex[sizeof(hex) - 1] = '\0';
	return psprintf("sha256=%s", hex);
}

void
pf_message_write(const PfMessage *message, PfPost *post)
{
	char	   *body = strcmp(message->template, "slack") == 0 ? write_slack(message) : message->payload;
	char	   *now = psprintf(INT64_FORMAT, (int64) time(NULL));
	int			n = 0;

	/* JSON is in UTF-8, and so is a secret, wherever it is typed in */
	body = pg_server_to_any(body, strlen(body), PG_UTF8);

	memset(post, 0, sizeof(*post));
	post->url = message->url;
	post->body = body;
	post->size = strlen(body);
	post->headers = palloc((message->nheaders + 5) * sizeof(char *));
	post->headers[n++] = "Content-Type: application/json; charset=utf-8";
	post->headers[n++] = psprintf("X-Pgforest-Message: " INT64_FORMAT, message->id);
	post->headers[n++] = psprintf("X-Pgforest-Event: %s", message->event);
	post->headers[n++] = psprintf("X-Pgforest-Timestamp: %s", now);
	if (message->secret != NULL)
	{
		char	   *secret = pg_server_to_any(message->secret, strlen(message->secret), PG_UTF8);

		post->headers[n++] = psprintf("X-Pgforest-Signature: %s", sign(secret, now, body));
	}
	for (int i = 0; i < message->nheaders; i++)
		post->headers[n++] = message->headers[i];
	post->nheaders = n;
}

/* Is the beginning of a secret in the text?  The text may be cut off in the midst of it. */
static bool
repeats(const char *text, const char *secret)
{
	return secret[0] != '\0' && strstr(text, pnstrdup(secret, 6)) != NULL;
}

const char *
pf_message_hide(const PfMessage *message, const char *text)
{
	const char *host = strstr(message->url, "://");
	const char *path = host ? strchr(host + 3, '/') : NULL;
	bool		hide;

	if (text == NULL || text[0] == '\0')
		return NULL;
	hide = (path != NULL && path[1] != '\0' && repeats(text, path)) ||
		(message->secret != NULL && repeats(text, message->secret));
	for (int i = 0; i < message->nheaders; i++)
	{
		const char *value = strstr(message->headers[i], ": ");

		hide = hide || (value != NULL && repeats(text, value + 2));
	}
	return hide ? "(not kept: it repeats something secret)" : text;
}

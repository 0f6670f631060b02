/*
 * format.c
 *	  The format of a source, from jsonb: options of COPY under COPY's names, and a few of ours.
 *
 * What a value may be is COPY's to judge (ProcessCopyOptions), with its own messages; here are
 * only the names, the kinds of JSON values, and what COPY does not have: several
 * spellings of NULL, columns found by the header, the limit of refused records.
 * Memory: the current context.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "catalog/call.h"
#include "ingest/ingest.h"

#define REJECT_LIMIT 1000		/* by default */

static const char *const keys[] = {
	"columns", "delimiter", "encoding", "escape", "format", "header", "null", "quote", "reject_limit", "verify"
};

/* The value of a key, or NULL when it is not given; null is no value. */
static JsonbValue *
given_value(Jsonb *given, const char *key)
{
	JsonbValue *value = getKeyJsonValueFromContainer(&given->root, key, strlen(key), NULL);

	return value != NULL && value->type == jbvNull ? NULL : value;
}

static void
refuse(const char *key, JsonbValue *value, const char *allowed)
{
	Jsonb	   *jsonb = JsonbValueToJsonb(value);

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for \"%s\" of format: %s", key, JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb))),
			 errhint("It must be %s.", allowed)));
}

static char *
text_of(const char *key, JsonbValue *value, const char *allowed)
{
	if (value->type != jbvString)
		refuse(key, value, allowed);
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* A text, or an array of texts. */
static List *
texts_of(const char *key, JsonbValue *value, const char *allowed)
{
	List	   *texts = NIL;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	item;

	if (value->type == jbvString)
		return list_make1(text_of(key, value, allowed));
	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		refuse(key, value, allowed);
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (item.type != jbvString)
			refuse(key, value, allowed);
		texts = lappend(texts, pnstrdup(item.val.string.val, item.val.string.len));
	}
	if (texts == NIL)
		refuse(key, value, allowed);
	return texts;
}

/* Errors with all keys that are none, and what may have been meant. */
static void
check_keys(Jsonb *given)
{
	StringInfoData unknown;
	StringInfoData meant;
	StringInfoData all;
	int			n;

	if (!JB_ROOT_IS_OBJECT(given))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("format must be a JSON object"),
				 errhint("For example: format => '{\"header\": true, \"null\": [\"\", \"NA\"]}'.")));
	initStringInfo(&unknown);
	initStringInfo(&meant);
	initStringInfo(&all);
	n = pf_unknown_keys(given, keys, lengthof(keys), sizeof(keys[0]), NULL, &unknown, &meant);
	if (n == 0)
		return;
	for (int i = 0; i < (int) lengthof(keys); i++)
		appendStringInfo(&all, "%s%s", i > 0 ? ", " : "", keys[i]);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 n == 1 ? errmsg("unrecognized key %s of format", unknown.data)
			 : errmsg("%d unrecognized keys of format", n),
			 n == 1 ? 0 : errdetail("There is no %s.", unknown.data),
			 errhint("%sThere are %s.", meant.data, all.data)));
}

static void
add_option(PfFormat *format, const char *name, const char *value)
{
	format->options = lappend(format->options,
							  makeDefElem(pstrdup(name), (Node *) makeString(pstrdup(value)), -1));
}

/* An option of COPY that is one text. */
static void
take_text(PfFormat *format, Jsonb *given, const char *key)
{
	JsonbValue *value = given_value(given, key);

	if (value != NULL)
		add_option(format, key, text_of(key, value, "a string"));
}

static int
by_length(const ListCell *a, const ListCell *b)
{
	return (int) strlen(lfirst(a)) - (int) strlen(lfirst(b));
}

/*
 * COPY knows one spelling of NULL; the shortest becomes that one, so that a record never
 * grows when the others are put in its form.
 */
static void
take_nulls(PfFormat *format, Jsonb *given)
{
	JsonbValue *value = given_value(given, "null");
	List	   *nulls;

	if (value == NULL)
		return;
	nulls = texts_of("null", value, "a string, or an array of strings");
	list_sort(nulls, by_length);
	add_option(format, "null", linitial(nulls));
	format->nnulls = list_length(nulls);
	format->nulls = palloc(sizeof(char *) * format->nnulls);
	for (int i = 0; i < format->nnulls; i++)
		format->nulls[i] = list_nth(nulls, i);
}

static void
take_header(PfFormat *format, Jsonb *given)
{
	JsonbValue *value = given_value(given, "header");

	if (value == NULL)
		format->header = PF_HEADER_GUESS;
	else if (value->type == jbvBool)
		format->header = value->val.boolean ? PF_HEADER_SKIP : PF_HEADER_NONE;
	else if (value->type == jbvString && value->val.string.len == 5 &&
			 strncmp(value->val.string.val, "match", 5) == 0)
		format->header = PF_HEADER_MATCH;
	else
		refuse("header", value, "true, false or \"match\"");
}

static void
take_ours(PfFormat *format, Jsonb *given)
{
	JsonbValue *value = given_value(given, "columns");

	if (value != NULL)
		format->columns = texts_of("columns", value, "an array of names of the target's columns");

	format->verify = true;
	value = given_value(given, "verify");
	if (value != NULL && value->type != jbvBool)
		refuse("verify", value, "true or false");
	if (value != NULL)
		format->verify = value->val.boolean;

	format->reject_limit = REJECT_LIMIT;
	value = given_value(given, "reject_limit");
	if (value != NULL)
	{
		double		limit = value->type != jbvNumeric ? -1 :
			DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric)));

		if (!(limit >= 0 && limit <= 1e15))
			refuse("reject_limit", value, "a number from 0 to 1e15");
		format->reject_limit = (int64) limit;
	}
}

/* What COPY makes of the options, which are checked by that. */
static void
ask_copy(PfFormat *format)
{
	CopyFormatOptions copy = {0};

	ProcessCopyOptions(NULL, &copy, true, format->options);
	format->csv = copy.csv_mode;
	format->delimiter = copy.delim[0];
	format->quote = copy.csv_mode ? copy.quote[0] : '\0';
	format->escape = copy.csv_mode ? copy.escape[0] : '\0';
	format->encoding = copy.file_encoding >= 0 ? copy.file_encoding : GetDatabaseEncoding();
	format->embeds_ascii = PG_ENCODING_IS_CLIENT_ONLY(format->encoding);
	if (format->nnulls == 0)
	{
		format->nnulls = 1;
		format->nulls = palloc(sizeof(char *));
		format->nulls[0] = copy.null_print;
	}
	for (int i = 0; i < format->nnulls; i++)
		format->nulls[i] = pg_server_to_any(format->nulls[i], strlen(format->nulls[i]), format->encoding);
}

/* Checks what COPY checks of its one spelling of NULL for the others, too. */
static void
check_nulls(const PfFormat *format)
{
	for (int i = 1; i < format->nnulls; i++)
	{
		const char *null = format->nulls[i];

		if (strpbrk(null, "\r\n") || strchr(null, format->delimiter) ||
			(format->csv && strchr(null, format->quote)))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a spelling of \"null\" in format must not contain the delimiter, the quote or a line end"),
					 errdetail("It is \"%s\".", null)));
	}
}

PfFormat *
pf_format_parse(Jsonb *given)
{
	PfFormat   *format = palloc0(sizeof(PfFormat));
	JsonbValue *value;

	check_keys(given);
	value = given_value(given, "format");
	if (value != NULL)
	{
		char	   *name = text_of("format", value, "\"csv\" or \"text\"");

		if (strcmp(name, "csv") != 0 && strcmp(name, "text") != 0)
			refuse("format", value, "\"csv\" or \"text\"");
		add_option(format, "format", name);
	}
	else
		add_option(format, "format", "csv");
	take_text(format, given, "delimiter");
	take_text(format, given, "quote");
	take_text(format, given, "escape");

	/* a file says nothing of who reads it: the database's encoding, not the client's */
	value = given_value(given, "encoding");
	add_option(format, "encoding", value ? text_of("encoding", value, "the name of an encoding")
			   : GetDatabaseEncodingName());
	take_nulls(format, given);
	take_header(format, given);
	take_ours(format, given);
	ask_copy(format);
	check_nulls(format);
	return format;
}

PfFormat *
pf_format_of_query(const PfFormat *given)
{
	PfFormat   *format = palloc0(sizeof(PfFormat));

	add_option(format, "format", "text");
	add_option(format, "encoding", GetDatabaseEncodingName());
	format->header = PF_HEADER_NONE;
	format->columns = given->columns;
	format->verify = given->verify;
	format->reject_limit = given->reject_limit;
	ask_copy(format);
	return format;
}

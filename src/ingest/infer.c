/*
 * infer.c
 *	  Names and types of a table that is made for a source.
 *
 * The first rows are cut into fields by COPY's own machinery, as text.  A type is given to a
 * column when all its values have the form that the type's output has, and nothing that it would
 * lose: '007' is no number.  What is left is text.
 */
#include "postgres.h"

#include <ctype.h>

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/scansup.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "ingest/ingest.h"

/* ----- fields ----- */

static const char *reading;
static Size reading_size;

static int
give(void *out, int least, int most)
{
	Size		piece = Min(reading_size, (Size) most);

	memcpy(out, reading, piece);
	reading += piece;
	reading_size -= piece;
	return (int) piece;
}

/*
 * Begins to cut bytes into fields.  COPY wants a relation, though fields are read without a look
 * at it; any does.
 */
static CopyFromState
begin_fields(const PfFormat *format, const char *bytes, Size size, Relation *relation)
{
	*relation = table_open(AccessMethodRelationId, AccessShareLock);
	reading = bytes;
	reading_size = size;
	return BeginCopyFrom(NULL, *relation, NULL, NULL, false, give, list_make1(makeString("amname")),
						 format->options);
}

static void
end_fields(CopyFromState state, Relation relation)
{
	EndCopyFrom(state);
	table_close(relation, AccessShareLock);
}

/*
 * Looks at fields in a subtransaction: false when COPY cannot read them.  The load will say what is wrong
 * with them, and on which line.
 */
static bool
look_safely(void (*look) (void *arg), void *arg)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		look(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	if (error != NULL && ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION)
		ReThrowError(error);
	return error == NULL;
}

/* What is looked at, and what came of it. */
typedef struct Look
{
	const PfFormat *format;
	const char *bytes;
	Size		size;
	PfFields   *row;
	int			count;
	int		   *kinds;
} Look;

static void
look_at_first(void *arg)
{
	Look	   *look = arg;
	Relation	relation;
	CopyFromState state = begin_fields(look->format, look->bytes, look->size, &relation);
	PfFields   *row = palloc0(sizeof(PfFields));
	char	  **fields;

	if (NextCopyFromRawFields(state, &fields, &row->count))
	{
		row->fields = palloc(sizeof(char *) * Max(row->count, 1));
		for (int i = 0; i < row->count; i++)
			row->fields[i] = fields[i] ? pstrdup(fields[i]) : NULL;
	}
	end_fields(state, relation);
	look->row = row;
}

PfFields *
pf_read_fields(const PfFormat *format, const char *bytes, Size size, bool must)
{
	Look		look = {.format = format,.bytes = bytes,.size = size};

	if (must)
		look_at_first(&look);
	else if (!look_safely(look_at_first, &look))
		return NULL;
	return look.row;
}

/* ----- names ----- */

char *
pf_plain_name(const char *given)
{
	StringInfoData name;

	initStringInfo(&name);
	for (const char *p = given; *p; p++)
	{
		if (IS_HIGHBIT_SET(*p) || isalnum((unsigned char) *p))
			appendStringInfoChar(&name, pg_ascii_tolower((unsigned char) *p));
		else if (name.len > 0 && name.data[name.len - 1] != '_')
			appendStringInfoChar(&name, '_');
	}
	while (name.len > 0 && name.data[name.len - 1] == '_')
		name.data[--name.len] = '\0';
	if (name.len > 0 && isdigit((unsigned char) name.data[0]))
		return pf_plain_name(psprintf("c%s", name.data));
	truncate_identifier(name.data, name.len, false);
	return name.data;
}

List *
pf_new_columns(const PfFields *header, int count)
{
	List	   *names = NIL;

	for (int i = 0; i < count; i++)
	{
		const char *given = header != NULL && i < header->count && header->fields[i] ? header->fields[i] : "";
		char	   *plain = pf_plain_name(given);
		char	   *name = plain[0] != '\0' ? plain : psprintf("c%d", i + 1);

		for (int n = 2; pf_names_contain(names, name); n++)
			name = psprintf("%.*s_%d", NAMEDATALEN - 8, plain[0] != '\0' ? plain : "c", n);
		names = lappend(names, name);
	}
	return names;
}

/* ----- types ----- */

typedef enum Kind
{
	KIND_NOTHING,					/* only NULL so far */
	KIND_BOOLEAN,
	KIND_INTEGER,
	KIND_FLOAT,
	KIND_NUMBER,						/* has more digits than a float8 keeps */
	KIND_DAY,
	KIND_MOMENT,
	KIND_MOMENT_IN_ZONE,
	KIND_TEXT
} Kind;

static const Oid type_oids[] = {
	TEXTOID, BOOLOID, INT8OID, FLOAT8OID, NUMERICOID, DATEOID, TIMESTAMPOID, TIMESTAMPTZOID, TEXTOID
};

/* A number: digits with no zero too many, a fraction, an exponent. */
static Kind
number_kind(const char *text)
{
	int			digits = 0;
	int			kept = 0;		/* from the first that is no zero on */
	bool		fraction = false;
	const char *p = text;

	if (*p == '-' || *p == '+')
		p++;
	if (p[0] == '0' && isdigit((unsigned char) p[1]))
		return KIND_TEXT;
	for (; isdigit((unsigned char) *p) || (*p == '.' && !fraction); p++)
	{
		fraction = fraction || *p == '.';
		digits += *p != '.';
		kept += *p != '.' && (kept > 0 || *p != '0');
	}
	if (digits == 0)
		return KIND_TEXT;
	if (*p == 'e' || *p == 'E')
	{
		fraction = true;
		p++;
		if (*p == '-' || *p == '+')
			p++;
		if (!isdigit((unsigned char) *p) || strspn(p, "0123456789") > 2)
			return KIND_TEXT;
		p += strspn(p, "0123456789");
	}
	if (*p != '\0' || text[0] == '+')
		return KIND_TEXT;
	if (!fraction)
		return kept <= 18 ? KIND_INTEGER : KIND_NUMBER;
	return kept <= 17 ? KIND_FLOAT : KIND_NUMBER;
}

static bool
two_digits(const char *text, int least, int most)
{
	int			value;

	if (!isdigit((unsigned char) text[0]) || !isdigit((unsigned char) text[1]))
		return false;
	value = (text[0] - '0') * 10 + text[1] - '0';
	return value >= least && value <= most;
}

/* yyyy-mm-dd, then hh:mm, seconds, their fraction, and a zone. */
static Kind
time_kind(const char *text)
{
	const char *p = text + 10;
	int			year;
	int			month;

	if (strspn(text, "0123456789") != 4 || text[4] != '-' || !two_digits(text + 5, 1, 12) || text[7] != '-')
		return KIND_TEXT;
	year = (int) strtol(text, NULL, 10);
	month = (int) strtol(text + 5, NULL, 10);
	if (year == 0 || !two_digits(text + 8, 1, day_tab[isleap(year)][month - 1]))
		return KIND_TEXT;
	if (*p == '\0')
		return KIND_DAY;
	if ((*p != ' ' && *p != 'T') || !two_digits(p + 1, 0, 23) || p[3] != ':' || !two_digits(p + 4, 0, 59))
		return KIND_TEXT;
	p += 6;
	if (*p == ':')
	{
		if (!two_digits(p + 1, 0, 59))
			return KIND_TEXT;
		p += 3;
		if (*p == '.')
			p += 1 + strspn(p + 1, "0123456789");
	}
	if (*p == '\0')
		return KIND_MOMENT;
	if (strcmp(p, "Z") == 0)
		return KIND_MOMENT_IN_ZONE;
	if ((*p != '+' && *p != '-') || !two_digits(p + 1, 0, 15))
		return KIND_TEXT;
	p += 3;
	if (*p == ':')
		p++;
	if (*p != '\0' && !two_digits(p, 0, 59))
		return KIND_TEXT;
	return *p == '\0' || p[2] == '\0' ? KIND_MOMENT_IN_ZONE : KIND_TEXT;
}

static Kind
value_kind(const char *text)
{
	Kind		kind;

	if (pg_strcasecmp(text, "true") == 0 || pg_strcasecmp(text, "false") == 0)
		return KIND_BOOLEAN;
	kind = number_kind(text);
	return kind != KIND_TEXT ? kind : time_kind(text);
}

/* The kind that holds both. */
static Kind
common_kind(Kind a, Kind b)
{
	if (a == b || b == KIND_NOTHING)
		return a;
	if (a == KIND_NOTHING)
		return b;
	if (a >= KIND_INTEGER && a <= KIND_NUMBER && b >= KIND_INTEGER && b <= KIND_NUMBER)
		return Max(a, b);
	if (Min(a, b) == KIND_DAY && Max(a, b) == KIND_MOMENT)
		return KIND_MOMENT;
	return KIND_TEXT;
}

static void
look_at_rows(void *arg)
{
	Look	   *look = arg;
	Relation	relation;
	CopyFromState state = begin_fields(look->format, look->bytes, look->size, &relation);
	char	  **fields;
	int			count;

	while (NextCopyFromRawFields(state, &fields, &count))
	{
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; count == look->count && i < count; i++)
		{
			if (fields[i] != NULL)
				look->kinds[i] = common_kind(look->kinds[i], value_kind(fields[i]));
		}
	}
	end_fields(state, relation);
}

/*
 * A record that COPY cannot read ends the look at them.  Names have a schema where one of the
 * caller's own types is found first.
 */
List *
pf_infer_types(const PfFormat *format, const char *bytes, Size size, int count)
{
	Look		look = {.format = format,.bytes = bytes,.size = size,.count = count};
	List	   *types = NIL;

	look.kinds = palloc0(sizeof(int) * count);
	(void) look_safely(look_at_rows, &look);
	for (int i = 0; i < count; i++)
		types = lappend(types, format_type_be(type_oids[look.kinds[i]]));
	return types;
}

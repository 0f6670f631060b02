/*
 * records.c
 *	  Where a record ends.
 *
 * This is all that is known here of CSV and of COPY's text format, and it is what CopyFrom knows when
 * it reads a line: a quote, wherever it stands, opens or closes; an escape counts inside quotes and
 * before a quote; in text a backslash takes the next character with it.  What is
 * in a record is COPY's to say.  The kind of line end is that of the first one.
 *
 * The loops look for line ends and quotes with memchr, several bytes at a time.  Only
 * the first record, an escape that is not the quote, and encodings whose later bytes may look like
 * ASCII need a look at each byte.
 *
 * Lines are counted as COPY counts them, so that its errors name the right one.
 *
 * Memory: a buffer that holds the longest record, from the context that was current when it was
 * opened.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "ingest/ingest.h"

#define LOOK_AHEAD 4			/* no character has more bytes */

/* How far a record was looked at. */
typedef struct Look
{
	Size		at;				/* bytes of it that were seen */
	bool		quoted;
	bool		escaped;		/* the byte before was an escape within quotes */
	int			lines;			/* in quotes */
} Look;

void
pf_records_open(PfRecords *records, const PfFormat *format, PfInput *input)
{
	memset(records, 0, sizeof(PfRecords));
	records->format = format;
	records->input = input;
	records->size = PF_READ_SIZE;
	records->buffer = palloc(records->size);
}

void
pf_records_open_spool(PfRecords *records, const PfFormat *format, PfSpool *spool, int64 from,
					  int64 offset, int64 line, EolType line_end)
{
	pf_records_open(records, format, NULL);
	records->spool = spool;
	records->from = from;
	records->offset = offset;
	records->line = line;
	records->line_end = line_end;
}

void
pf_records_close(PfRecords *records)
{
	if (records->buffer != NULL)
		pfree(records->buffer);
	records->buffer = NULL;
}

/* Makes room for so many bytes in all, with what is not yet given out at the beginning. */
static void
make_room(PfRecords *records, Size needed)
{
	Size		held = records->end - records->start;

	if (records->start > 0)
		memmove(records->buffer, records->buffer + records->start, held);
	records->start = 0;
	records->end = held;
	if (needed > records->size)
	{
		while (records->size < needed)
			records->size *= 2;
		records->buffer = repalloc_huge(records->buffer, records->size);
	}
}

/* Reads some more; false at the end. */
static bool
read_more(PfRecords *records)
{
	Size		got;

	if (records->at_end)
		return false;
	if (records->size - records->end < PF_READ_SIZE)
		make_room(records, records->end - records->start + PF_READ_SIZE);
	if (records->spool != NULL)
	{
		got = pf_spool_read(records->spool, records->from, records->buffer + records->end, PF_READ_SIZE);
		records->from += got;
	}
	else
		got = records->input->read(records->input, records->buffer + records->end, PF_READ_SIZE);
	records->end += got;
	records->at_end = got == 0;
	return got > 0;
}

/* The last byte of a line. */
static char
line_end_byte(const PfRecords *records)
{
	return records->line_end == EOL_CR ? '\r' : '\n';
}

/* Is the number of quotes odd? */
static bool
odd_quotes(const char *bytes, Size size, char quote)
{
	const char *end = bytes + size;
	bool		odd = false;

	while ((bytes = memchr(bytes, quote, end - bytes)) != NULL)
	{
		odd = !odd;
		bytes++;
	}
	return odd;
}

/* Is the byte behind these taken by a backslash? */
static bool
is_escaped(const char *bytes, Size size)
{
	Size		n = 0;

	while (n < size && bytes[size - 1 - n] == '\\')
		n++;
	return n % 2 == 1;
}

/* Looks on for the end of the record: behind it stands look->at then. */
static bool
find_end(const PfRecords *records, Look *look)
{
	const char *bytes = records->buffer + records->start;
	Size		size = records->end - records->start;
	char		last = line_end_byte(records);

	while (look->at < size)
	{
		const char *found = memchr(bytes + look->at, last, size - look->at);
		Size		stop = found ? (Size) (found - bytes) : size;

		if (records->format->csv && odd_quotes(bytes + look->at, stop - look->at, records->format->quote))
			look->quoted = !look->quoted;
		look->at = stop;
		if (found == NULL)
			return false;
		look->at++;
		if (records->format->csv ? !look->quoted : !is_escaped(bytes, stop))
			return true;
		if (look->quoted && (records->line_end != EOL_CRNL || (stop > 0 && bytes[stop - 1] == '\r')))
			look->lines++;
	}
	return false;
}

/* The length of the character, which may be cut off by the end of what was read. */
static Size
char_length(const PfRecords *records, const char *bytes, Size left)
{
	Size		length;

	if (!records->format->embeds_ascii || !IS_HIGHBIT_SET(*bytes))
		return 1;
	if (left < 2)
		return left;
	length = (unsigned char) bytes[1] < 0x30 ? 1 :	/* no such character: a line end stays one */
		pg_encoding_mblen(records->format->encoding, bytes);
	return Min(length, left);
}

/* The same, byte by byte; tells the kind of line end by the first. */
static bool
find_end_slowly(PfRecords *records, Look *look)
{
	const PfFormat *format = records->format;
	const char *bytes = records->buffer + records->start;
	Size		size = records->end - records->start;
	char		escape = format->csv && format->escape != format->quote ? format->escape : '\0';

	while (look->at < size)
	{
		char		c = bytes[look->at];

		/* a character of several bytes, or what follows a line end or backslash, must be here whole */
		if (!records->at_end && size - look->at < LOOK_AHEAD)
			return false;
		if (format->csv)
		{
			if (look->quoted && escape != '\0' && c == escape)
				look->escaped = !look->escaped;
			if (c == format->quote && !look->escaped)
				look->quoted = !look->quoted;
			if (c != escape)
				look->escaped = false;
		}
		else if (c == '\\')
		{
			look->at++;
			if (look->at < size)
				look->at += char_length(records, bytes + look->at, size - look->at);
			continue;
		}
		if (c == '\r' && !look->quoted && records->line_end == EOL_UNKNOWN)
			records->line_end = look->at + 1 < size && bytes[look->at + 1] == '\n' ? EOL_CRNL : EOL_CR;
		if (c == '\n' && !look->quoted && records->line_end == EOL_UNKNOWN)
			records->line_end = EOL_NL;
		if (look->quoted && c == (records->line_end == EOL_NL ? '\n' : '\r'))
			look->lines++;
		look->at += char_length(records, bytes + look->at, size - look->at);
		if (records->line_end != EOL_UNKNOWN && c == line_end_byte(records) && !look->quoted)
			return true;
	}
	return false;
}

/* Shortens it to its first line, if it has more than that. */
static bool
cut_line(PfRecords *records, Look *look)
{
	const char *bytes = records->buffer + records->start;
	const char *found = memchr(bytes, line_end_byte(records), look->at);

	if (found == NULL)
		return false;
	look->at = found - bytes + 1;
	look->lines = 0;
	return true;
}

/* A quote that nobody closes makes one record of all that follows. */
static void
give_up(PfRecords *records, Look *look)
{
	if (!records->split_long || !cut_line(records, look))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the record that begins on line " INT64_FORMAT " is longer than %d MB",
						records->line + 1, PF_MAX_RECORD / (1024 * 1024)),
				 records->format->csv ? errhint("There may be a quote that is not closed.") : 0));
}

bool
pf_records_next(PfRecords *records, PfRecord *record)
{
	const PfFormat *format = records->format;
	Look		look = {0};

	for (;;)
	{
		bool		slowly = records->line_end == EOL_UNKNOWN || format->embeds_ascii ||
			(format->csv && format->escape != format->quote);

		if (slowly ? find_end_slowly(records, &look) : find_end(records, &look))
			break;
		if (look.at > PF_MAX_RECORD && !records->first_line)
		{
			give_up(records, &look);
			break;
		}
		if (records->at_end)
		{
			if (records->start == records->end)
				return false;
			break;
		}
		read_more(records);
	}

	if (records->first_line)
		cut_line(records, &look);
	record->bytes = records->buffer + records->start;
	record->size = look.at;
	record->start = records->offset;
	record->line = records->line + 1;
	record->lines = look.lines + 1;
	record->is_end = look.at >= 2 && record->bytes[0] == '\\' && record->bytes[1] == '.' &&
		(look.at == 2 || record->bytes[2] == '\n' || record->bytes[2] == '\r');
	records->start += look.at;
	records->offset += look.at;
	records->line += record->lines;
	return true;
}

Size
pf_records_bytes(PfRecords *records, int64 most, const char **bytes)
{
	Size		size;

	if (records->start == records->end)
	{
		records->start = records->end = 0;
		if (!read_more(records))
			return 0;
	}
	size = Min((int64) (records->end - records->start), most);
	*bytes = records->buffer + records->start;
	records->start += size;
	records->offset += size;
	return size;
}

void
pf_records_unread(PfRecords *records, PfSpool *spool, int64 from, int64 line)
{
	Size		again = spool->bytes - from;
	Size		held = records->end - records->start;

	make_room(records, held + again);
	memmove(records->buffer + again, records->buffer, held);
	pf_spool_read(spool, from, records->buffer, again);
	records->end = held + again;
	records->offset -= again;
	records->line = line;
}

/* ----- spellings of NULL ----- */

bool
pf_records_need_convert(const PfFormat *format)
{
	return format->nnulls > 1;
}

static bool
is_null(const PfFormat *format, const char *field, Size size)
{
	for (int i = 1; i < format->nnulls; i++)
	{
		if (size > 0 && field[0] == format->nulls[i][0] && strlen(format->nulls[i]) == size &&
			memcmp(field, format->nulls[i], size) == 0)
			return true;
	}
	return false;
}

/* Copies a field and what stands behind it, a spelling of NULL as the first of them. */
static char *
put_field(const PfFormat *format, const char *field, Size size, Size behind, char *out)
{
	if (is_null(format, field, size))
	{
		Size		length = strlen(format->nulls[0]);

		memcpy(out, format->nulls[0], length);
		memcpy(out + length, field + size, behind);
		return out + length + behind;
	}
	memcpy(out, field, size + behind);
	return out + size + behind;
}

/*
 * COPY compares what stands between two delimiters with its NULL before it undoes quotes and
 * backslashes; so do we.
 */
static Size
convert_fields(const PfFormat *format, const char *bytes, Size size, Size line_end, char *out)
{
	const char *field = bytes;
	const char *end = bytes + size;
	const char *p = bytes;
	char	   *put = out;
	char		special = format->csv ? format->quote : '\\';
	bool		plain = memchr(bytes, special, size) == NULL && !format->embeds_ascii;
	char		escape = format->csv && format->escape != format->quote ? format->escape : '\0';
	bool		quoted = false;
	bool		escaped = false;

	while (p < end)
	{
		char		c;

		if (plain)
		{
			p = memchr(p, format->delimiter, end - p);
			if (p == NULL)
				break;
		}
		c = *p;
		if (!plain && format->csv)
		{
			if (quoted && escape != '\0' && c == escape)
				escaped = !escaped;
			if (c == format->quote && !escaped)
				quoted = !quoted;
			if (c != escape)
				escaped = false;
		}
		if (c == format->delimiter && !quoted)
		{
			put = put_field(format, field, p - field, 1, put);
			field = p + 1;
		}
		else if (!format->csv && c == '\\')
			p++;
		else if (format->embeds_ascii && IS_HIGHBIT_SET(c) && p + 1 < end && (unsigned char) p[1] >= 0x30)
			p += pg_encoding_mblen(format->encoding, p) - 1;
		p++;
	}
	put = put_field(format, field, end - field, line_end, put);
	return put - out;
}

Size
pf_record_convert(const PfFormat *format, const PfRecord *record, char *out)
{
	Size		size = record->size;

	if (size > 0 && record->bytes[size - 1] == '\n')
		size--;
	if (size > 0 && record->bytes[size - 1] == '\r')
		size--;
	if (record->is_end && format->csv)
	{
		/* a value in CSV, which COPY would take for the end of the data before version 18 */
		out[0] = format->quote;
		memcpy(out + 1, record->bytes, size);
		out[size + 1] = format->quote;
		memcpy(out + size + 2, record->bytes + size, record->size - size);
		return record->size + 2;
	}
	return convert_fields(format, record->bytes, size, record->size - size, out);
}

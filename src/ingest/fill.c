/*
 * fill.c
 *	  A batch's records into the target, by COPY; records that it refuses are kept apart.
 *
 * CopyFrom takes its bytes from a callback without an argument, so what it reads from is a
 * static variable while it runs.  A trigger of the target may call ml_ingest only in a
 * transaction, where that is an error, so no two meet.
 *
 * When an error is to stop the load, the batch is one COPY.  When bad records are
 * to be rejected, it is cut into pieces that are loaded in subtransactions: most pieces are
 * clean, and cost one subtransaction.  COPY says on which line an error was; the records before
 * it are loaded again, the record itself alone, and those behind it next.  So each
 * record is read about twice at most, however many are bad.  An error that COPY reports late (a
 * foreign key, a trigger after the row) is on no line: then the piece is halved until the record is
 * found.
 *
 * A bad record of several lines whose fields are wrong (SQLSTATE 22P04) mostly has a quote too many, and the
 * following lines are innocent: only its first line is rejected, the batch ends there, and
 * the next one begins on the line behind.
 *
 * Memory: a piece, and what COPY needs; a subtransaction's in a context of its own.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"

#include "ingest/ingest.h"

#define PIECE_RECORDS	4096
#define PIECE_SIZE		(4 * 1024 * 1024)
#define FEED_SIZE		(64 * 1024)		/* what CopyFrom asks for at once */
#define MAX_TEXT		(1024 * 1024)	/* of a rejected record is kept */
#define MAX_TEXTS		(16 * 1024 * 1024)	/* then a batch ends */

/* ----- what CopyFrom reads ----- */

typedef struct Feed
{
	const char *bytes;			/* ready to be given */
	Size		size;

	/* where more comes from, when it is not all in memory */
	PfSpool    *spool;
	int64		at;
	PfRecords  *records;		/* when records need to be converted, instead of `at` */
	char	   *buffer;
	Size		buffer_size;
} Feed;

static Feed *feed = NULL;
static CopyFromState copying = NULL;	/* to see where an error was */

/* The next records, in the form that COPY reads. */
static bool
convert_more(Feed *from)
{
	PfRecord	record;

	if (!pf_records_next(from->records, &record))
		return false;
	if (from->buffer_size < record.size + 2)
	{
		from->buffer_size = Max(record.size + 2, FEED_SIZE);
		from->buffer = repalloc_huge(from->buffer, from->buffer_size);
	}
	from->size = pf_record_convert(from->records->format, &record, from->buffer);
	from->bytes = from->buffer;
	return true;
}

static bool
feed_more(Feed *from)
{
	if (from->records != NULL)
		return convert_more(from);
	if (from->spool == NULL)
		return false;
	from->size = pf_spool_read(from->spool, from->at, from->buffer, from->buffer_size);
	from->bytes = from->buffer;
	from->at += from->size;
	return from->size > 0;
}

static int
give(void *out, int least, int most)
{
	int			given = 0;

	CHECK_FOR_INTERRUPTS();
	while (given < most)
	{
		Size		piece;

		if (feed->size == 0 && !feed_more(feed))
			break;
		piece = Min(feed->size, (Size) (most - given));
		memcpy((char *) out + given, feed->bytes, piece);
		feed->bytes += piece;
		feed->size -= piece;
		given += piece;
	}
	return given;
}

/* One COPY; line: lines of the source before it. */
static int64
copy(const PfFill *load, Relation relation, Feed *from, int64 line)
{
	ParseState *pstate = make_parsestate(NULL);
	List	   *columns = NIL;
	ListCell   *lc;
	uint64		rows;
	char		left;

	foreach(lc, load->columns)
		columns = lappend(columns, makeString(lfirst(lc)));
	addRangeTableEntryForRelation(pstate, relation, RowExclusiveLock, NULL, false, false);
	feed = from;
	copying = NULL;
	copying = BeginCopyFrom(pstate, relation, NULL, NULL, false, give, columns, load->format->options);
	copying->cur_lineno = line;
	copying->eol_type = load->line_end;
	rows = CopyFrom(copying);
	if (give(&left, 1, 1) > 0)
		elog(ERROR, "COPY ended before its data");
	EndCopyFrom(copying);
	copying = NULL;
	feed = NULL;
	free_parsestate(pstate);
	if (load->stage)
		pf_stage_forward(load->stage);
	return (int64) rows;
}

/* ----- all at once ----- */

static void
load_all(PfFill *load, Relation relation)
{
	Feed		from = {0};
	PfRecords	records = {0};

	from.buffer_size = FEED_SIZE;
	from.buffer = palloc(FEED_SIZE);
	if (pf_records_need_convert(load->format) || load->convert)
	{
		pf_records_open_spool(&records, load->format, load->spool, load->from, load->offset, load->line,
							  load->line_end);
		from.records = &records;
	}
	else
	{
		from.spool = load->spool;
		from.at = load->from;
	}
	load->rows = copy(load, relation, &from, load->line);
	load->loaded = load->spool->bytes;
	pf_records_close(&records);
	pfree(from.buffer);
}

/* ----- in pieces, with bad records apart ----- */

typedef struct Piece
{
	PfFill	   *load;
	Relation	relation;
	MemoryContext context;		/* of this folder's, outlives an attempt */
	char	   *bytes;			/* converted */
	Size		size;
	Size		room;
	int			count;
	Size		ends[PIECE_RECORDS];	/* of each record, in bytes */
	PfRecord	records[PIECE_RECORDS]; /* without their bytes */
	int64		spool_start;	/* place of the first record in the spool */
	Size		texts;			/* bytes of rejected records in the batch */
	bool		cut;			/* the batch ends before the piece does */
} Piece;

/* Is the error one of the record's, or one of the load's? */
static bool
is_of_record(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION):
		case ERRCODE_TO_CATEGORY(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION):
		case ERRCODE_TO_CATEGORY(ERRCODE_WITH_CHECK_OPTION_VIOLATION):
		case ERRCODE_TO_CATEGORY(ERRCODE_PLPGSQL_ERROR):
		case ERRCODE_TO_CATEGORY(ERRCODE_PROGRAM_LIMIT_EXCEEDED):
			return true;
	}
	return false;
}

/*
 * Tries to load records from a to b - 1.  On an error of theirs: false, with the error and the line that
 * COPY was at.
 */
static bool
attempt(Piece *piece, int a, int b, ErrorData **error, int64 *line)
{
	MemoryContext context = AllocSetContextCreate(piece->context, "pgforest attempt", ALLOCSET_DEFAULT_SIZES);
	ResourceOwner owner = CurrentResourceOwner;
	Size		start = a > 0 ? piece->ends[a - 1] : 0;
	Feed		from = {.bytes = piece->bytes + start,.size = piece->ends[b - 1] - start};
	volatile bool good = true;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		int64		rows = copy(piece->load, piece->relation, &from, piece->records[a].line - 1);

		ReleaseCurrentSubTransaction();
		piece->load->rows += rows;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(piece->context);
		*error = CopyErrorData();
		*line = 0;
		if (copying != NULL)
		{
			*line = (int64) copying->cur_lineno;
			if (copying->cur_attname != NULL && (*error)->column_name == NULL)
				(*error)->column_name = pstrdup(copying->cur_attname);
		}
		copying = NULL;
		feed = NULL;
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		good = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(piece->context);
	CurrentResourceOwner = owner;
	MemoryContextDelete(context);
	/* only now: nobody above would end the subtransaction */
	if (!good && !is_of_record((*error)->sqlerrcode))
		ReThrowError(*error);
	return good;
}

/* Appends bytes as text of this database; what is none as \xNN. */
static char *
show_bytes(const char *bytes, int size, int encoding)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int at = 0; at < size;)
	{
		int			length = pg_encoding_verifymbchar(encoding, bytes + at, size - at);

		CHECK_FOR_INTERRUPTS();
		if (length > 0 && bytes[at] != '\0' && (encoding == GetDatabaseEncoding() || !IS_HIGHBIT_SET(bytes[at])))
			appendBinaryStringInfo(&text, bytes + at, length);
		else
		{
			length = 1;
			appendStringInfo(&text, "\\x%02X", (unsigned char) bytes[at]);
		}
		at += length;
	}
	return text.data;
}

/* The record's text, as much as is kept, in this database's encoding as far as that goes. */
static char *
show_record(Piece *piece, int64 from, int64 bytes)
{
	int			encoding = piece->load->format->encoding;
	int			size = (int) Min(bytes, MAX_TEXT);
	char	   *raw = palloc(size + 1);
	char	   *text;

	pf_spool_read(piece->load->spool, from, raw, size);
	while (bytes == size && size > 0 && (raw[size - 1] == '\n' || raw[size - 1] == '\r'))
	{
		size--;
		bytes--;
	}
	raw[size] = '\0';
	if (encoding != GetDatabaseEncoding() && pg_encoding_verifymbstr(encoding, raw, size) == size)
	{
		Oid			conversion = FindDefaultConversionProc(encoding, GetDatabaseEncoding());
		int			room = size * MAX_CONVERSION_GROWTH + 1;
		char	   *converted = palloc(room);

		if (OidIsValid(conversion) &&
			pg_do_encoding_conversion_buf(conversion, encoding, GetDatabaseEncoding(),
										  (unsigned char *) raw, size, (unsigned char *) converted, room, true) == size)
			return converted;
	}
	text = show_bytes(raw, size, encoding);
	pfree(raw);
	return text;
}

static void
reject(Piece *piece, int i, const ErrorData *error)
{
	PfFill	   *load = piece->load;
	PfReject   *rejected = palloc0(sizeof(PfReject));
	PfRecord   *record = &piece->records[i];
	int64		from = load->from + record->start - load->offset;
	char	   *text;

	if (list_length(load->rejects) >= load->reject_limit)
		ereport(ERROR,
				(errcode(error->sqlerrcode),
				 errmsg("too many records were rejected"),
				 errdetail("The limit for one call is " INT64_FORMAT ". The next one would be that of line " INT64_FORMAT ": %s.",
						   load->format->reject_limit, record->line, error->message),
				 errhint("See pgforest.reject for those of the batches before, or raise the limit: format => '{\"reject_limit\": 100000}'.")));

	if (!load->is_query && error->sqlerrcode == ERRCODE_BAD_COPY_FILE_FORMAT && record->lines > 1)
	{
		PfRecords	lines;
		PfRecord	line;

		/* what stands behind its first line is read again as records of their own */
		pf_records_open_spool(&lines, load->format, load->spool, from, record->start, record->line - 1,
							  load->line_end);
		lines.first_line = true;
		if (!pf_records_next(&lines, &line))
			elog(ERROR, "a record is gone");
		pf_records_close(&lines);
		record->size = line.size;
		record->lines = 1;
		piece->count = i + 1;
		piece->cut = true;
	}
	text = show_record(piece, from, (int64) record->size);
	rejected->line = load->is_query ? 0 : record->line;
	rejected->start_byte = record->start;
	rejected->bytes = (int64) record->size;
	rejected->text = text;
	rejected->sqlstate = error->sqlerrcode;
	rejected->reason = psprintf("%s%s%s%s%s%s", error->message,
								error->column_name ? " (column \"" : "",
								error->column_name ? error->column_name : "",
								error->column_name ? "\")" : "",
								error->detail ? ": " : "", error->detail ? error->detail : "");
	load->rejects = lappend(load->rejects, rejected);
	piece->texts += strlen(text);
}

/* The record among a to b - 1 that a line belongs to, or -1. */
static int
find_line(const Piece *piece, int a, int b, int64 line)
{
	for (int i = a; i < b; i++)
	{
		if (line >= piece->records[i].line && line < piece->records[i].line + piece->records[i].lines)
			return i;
	}
	return -1;
}

/* Loads records from a to b - 1; trust: the line of an error is believed. */
static void
load_range(Piece *piece, int a, int b, bool trust)
{
	while (a < b && !piece->cut)
	{
		ErrorData  *error;
		int64		line;
		int			bad;

		CHECK_FOR_INTERRUPTS();
		if (attempt(piece, a, b, &error, &line))
			return;
		if (b - a == 1)
		{
			reject(piece, a, error);
			return;
		}
		bad = trust ? find_line(piece, a, b, line) : -1;
		FreeErrorData(error);
		if (bad >= 0)
		{
			/* those before are good, unless the line was not the right one */
			load_range(piece, a, bad, false);
			if (!piece->cut)
				load_range(piece, bad, bad + 1, false);
			a = bad + 1;
		}
		else
		{
			load_range(piece, a, a + (b - a) / 2, false);
			a += (b - a) / 2;
		}
	}
}

/* Takes the next records into the piece; false when there are none. */
static bool
fill_piece(Piece *piece, PfRecords *records)
{
	PfRecord	record;

	piece->count = 0;
	piece->size = 0;
	while (piece->count < PIECE_RECORDS && piece->size < PIECE_SIZE && pf_records_next(records, &record))
	{
		if (piece->room < piece->size + record.size + 2)
		{
			piece->room = Max(2 * piece->room, piece->size + record.size + 2);
			piece->bytes = repalloc_huge(piece->bytes, piece->room);
		}
		piece->size += pf_record_convert(piece->load->format, &record, piece->bytes + piece->size);
		record.bytes = NULL;
		piece->ends[piece->count] = piece->size;
		piece->records[piece->count++] = record;
	}
	return piece->count > 0;
}

static void
load_pieces(PfFill *load, Relation relation)
{
	Piece	   *piece = palloc0(sizeof(Piece));
	PfRecords	records;

	piece->load = load;
	piece->relation = relation;
	piece->context = CurrentMemoryContext;
	piece->room = PIECE_SIZE;
	piece->bytes = palloc(PIECE_SIZE);
	pf_records_open_spool(&records, load->format, load->spool, load->from, load->offset, load->line, load->line_end);
	while (!piece->cut && fill_piece(piece, &records))
	{
		const PfRecord *last;

		load_range(piece, 0, piece->count, true);
		last = &piece->records[piece->count - 1];
		load->loaded = load->from + last->start + (int64) last->size - load->offset;
		load->end_line = last->line - 1 + last->lines;
		if (piece->texts > MAX_TEXTS && !load->is_query)
			break;
	}
	pf_records_close(&records);
	pfree(piece->bytes);
	pfree(piece);
}

void
pf_fill(PfFill *load)
{
	Relation	relation = pf_target_lock(load->target, load->columns);
	Relation	into = relation;

	load->rows = 0;
	load->rejects = NIL;
	load->stage = pf_stage_open(load->target, relation, load->columns);
	if (load->stage)
		into = pf_stage_relation(load->stage);
	if (load->reject)
		load_pieces(load, into);
	else
		load_all(load, into);
	if (load->stage)
		pf_stage_close(load->stage);
	relation_close(relation, NoLock);
}

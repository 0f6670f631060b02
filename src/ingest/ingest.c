/*
 * ingest.c
 *	  ml_ingest: a source into a table, in batches that commit one by one.
 *
 * The call, from the top:
 *	  1. arguments, rights, the ledger; then the transaction commits, and with it goes the snapshot of
 *		 the CALL;
 *	  2. what was loaded before is read and compared with the ledger;
 *	  3. again and again: a batch is read into the spool, holding nothing; then it is loaded, its row
 *		 goes into the ledger, and the transaction commits.
 * However the call ends, the next one begins with what is committed.  (A query's rows are read in the
 * transaction that loads them.)
 *
 * Locks: a session lock on (target, source), of the advisory kind but in a class that no user's can be
 * in, from 1 to the end: a second session that loads the same gets an error.  It is
 * the only thing held while a file or the network is read.
 *
 * Memory: all in one context below the procedure's, which lives across commits: a batch (PF_SPOOL_MEMORY, the rest
 * is in a temporary file), the longest record, and the ledger's batches while they are compared.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "catalog/tables.h"
#include "ingest/ingest.h"
#include "settings.h"

#define LOCK_CLASS		0x7066	/* user's advisory locks are of class 1 and 2 */
#define INFER_SIZE		(16 * 1024 * 1024)	/* of the first batch is looked at for types */

typedef struct Ingest
{
	/* the call */
	char	   *target_name;
	char	   *source;			/* as the ledger has it */
	char	   *order_by;
	int32		batch_size;
	int32		max_batches;
	bool		reject;
	bool		create;
	bool		restart;
	PfFormat   *format;

	/* what is held */
	MemoryContext context;
	LOCKTAG		lock;
	bool		locked;
	PfInput    *input;
	PfRecords	records;
	PfSpool		spool;

	/* the load */
	PfTarget   *target;
	PfQuery    *query;			/* or NULL: bytes */
	char		stream[PF_STREAM_SIZE];
	List	   *loaded;			/* PfBatch *, of earlier calls */
	PfBatch		batch;			/* the one being made; its load, number and end say what was before */
	List	   *columns;		/* of the target, char *; NIL: not known yet */
	int64		from;			/* in the spool: where its records begin */
	int64		line;			/* lines before that */
	int64		count;			/* records in the spool */
	bool		convert;
	bool		at_end;

	/* this call */
	int32		batches;
	int64		rows;
	int64		rejected;
	TimestampTz next_notice;
} Ingest;

/* ----- arguments ----- */

static char *
need_text(FunctionCallInfo fcinfo, int argument, const char *name)
{
	char	   *value;

	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
	value = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	if (value[strspn(value, " \t\r\n")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be empty", name)));
	return value;
}

/* null_value: what NULL means; 0: it may not be. */
static int32
count_argument(FunctionCallInfo fcinfo, int argument, const char *name, int32 null_value)
{
	int32		value;

	if (PG_ARGISNULL(argument) && null_value != 0)
		return null_value;
	value = PG_ARGISNULL(argument) ? 0 : PG_GETARG_INT32(argument);
	if (value < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be at least 1", name)));
	return value;
}

static bool
flag_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
	return PG_GETARG_BOOL(argument);
}

static void
read_arguments(FunctionCallInfo fcinfo, Ingest *ing)
{
	char	   *on_error;

	ing->target_name = need_text(fcinfo, 0, "target");
	ing->source = need_text(fcinfo, 1, "source");
	ing->batch_size = count_argument(fcinfo, 2, "batch_size", 0);
	ing->max_batches = count_argument(fcinfo, 3, "max_batches", PG_INT32_MAX);
	ing->order_by = PG_ARGISNULL(4) ? NULL : need_text(fcinfo, 4, "order_by");
	if (PG_ARGISNULL(5))
		ing->format = pf_format_parse(DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"))));
	else
		ing->format = pf_format_parse(PG_GETARG_JSONB_P(5));
	on_error = need_text(fcinfo, 6, "on_error");
	ing->reject = strcmp(on_error, "reject") == 0;
	if (!ing->reject && strcmp(on_error, "stop") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for argument \"on_error\": %s", on_error),
				 errhint("It must be stop or reject.")));
	ing->create = flag_argument(fcinfo, 7, "create_table");
	ing->restart = flag_argument(fcinfo, 8, "restart");
}

/* It commits, which is not for everywhere. */
static void
need_own_transaction(FunctionCallInfo fcinfo)
{
	bool		atomic = fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic;

	if (atomic || IsSubTransaction())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot run inside a transaction block", "ml_ingest"),
				 errdetail("It commits after each batch."),
				 errhint("Call it on its own: not between BEGIN and COMMIT, with no other statement in the same string, "
						 "and not in a function or a block with EXCEPTION.")));
}

/* ----- notices ----- */

static void
say_progress(Ingest *ing, const char *doing, int64 count, const char *what)
{
	TimestampTz now;

	if (pf_progress_interval == 0)
		return;
	now = GetCurrentTimestamp();
	if (ing->next_notice == 0)
		ing->next_notice = TimestampTzPlusMilliseconds(now, pf_progress_interval);
	if (now < ing->next_notice)
		return;
	ing->next_notice = TimestampTzPlusMilliseconds(now, pf_progress_interval);
	ereport(NOTICE,
			(errmsg("%s: %s, " INT64_FORMAT " %s", ing->target_name, doing, count, what)));
}

static void
say_result(const Ingest *ing)
{
	char	   *rejected = ing->rejected > 0 ? psprintf(", " INT64_FORMAT " rejected", ing->rejected) : "";

	if (ing->batches == 0)
		ereport(NOTICE,
				(errmsg("there is nothing new to load into %s", ing->target->qualified)));
	else
		ereport(NOTICE,
				(errmsg("loaded " INT64_FORMAT " rows into %s in %d %s%s", ing->rows, ing->target->qualified,
						ing->batches, ing->batches == 1 ? "batch" : "batches", rejected)));
}

/* Which batch an error is of. */
static void
show_batch(void *arg)
{
	const Ingest *ing = arg;

	errcontext("batch %d into %s", ing->batch.number, ing->target->qualified);
}

/* ----- the beginning ----- */

static void
take_lock(Ingest *ing)
{
	uint32		high = (uint32) strtoul(pnstrdup(ing->stream, 8), NULL, 16);
	uint32		low = (uint32) strtoul(pnstrdup(ing->stream + 8, 8), NULL, 16);

	SET_LOCKTAG_ADVISORY(ing->lock, MyDatabaseId, high, low, LOCK_CLASS);
	if (LockAcquire(&ing->lock, ExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("another session is loading the same source into %s", ing->target->qualified),
				 errhint("Wait until it is done; then this call goes on where it ended.")));
	ing->locked = true;
}

/* Names of columns as a list, from the ledger. */
static List *
ledger_columns(const PfBatch *batch)
{
	List	   *columns = NIL;

	for (int i = 0; i < batch->ncolumns; i++)
		columns = lappend(columns, batch->columns[i]);
	return columns;
}

/* Where the load stands, by the ledger. */
static void
read_ledger(Ingest *ing)
{
	const PfBatch *last;

	ing->loaded = pf_catalog_batches(ing->stream);
	ing->batch.load = 1;
	if (ing->loaded == NIL)
		return;
	last = llast(ing->loaded);
	ing->batch.load = last->load;
	if (ing->restart)
	{
		ing->batch.load++;
		ing->loaded = NIL;
		return;
	}
	ing->batch.number = last->number;
	ing->batch.end_byte = last->end_byte;
	ing->batch.end_line = last->end_line;
	ing->batch.end_key = last->end_key;
	ing->columns = ledger_columns(last);
	if (ing->query != NULL && (ing->order_by == NULL) != (last->order_by == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 last->order_by ? errmsg("source was loaded by order_by => %s before", quote_literal_cstr(last->order_by))
				 : errmsg("source was loaded without order_by before"),
				 errhint("Call it with the same arguments to go on, or with restart => true to load all once more.")));
	if (ing->order_by != NULL && strcmp(ing->order_by, last->order_by) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source was loaded by order_by => %s before", quote_literal_cstr(last->order_by)),
				 errhint("Call it with the same arguments to go on, or with restart => true to load all once more.")));
}

static List *
query_names(const PfQuery *query)
{
	TupleDesc	desc = pf_query_columns(query);
	List	   *names = NIL;

	for (int i = 0; i < desc->natts; i++)
		names = lappend(names, NameStr(TupleDescAttr(desc, i)->attname));
	return names;
}

/* Columns that are known before a byte is read: those asked for, and those of a query. */
static void
find_columns(Ingest *ing)
{
	List	   *there = pf_target_columns(ing->target);
	List	   *given = ing->format->columns;
	char	  **names;
	int			count = 0;
	ListCell   *lc;

	if (ing->query != NULL && given != NIL && list_length(given) != pf_query_columns(ing->query)->natts)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"columns\" of format names %d columns, but the source has %d",
						list_length(given), pf_query_columns(ing->query)->natts)));
	if (ing->query != NULL && given == NIL)
		given = query_names(ing->query);
	if (given == NIL)
		return;
	if (!ing->target->exists)
	{
		ing->columns = given;
		return;
	}
	names = palloc(sizeof(char *) * list_length(given));
	foreach(lc, given)
		names[count++] = lfirst(lc);
	ing->columns = pf_match_columns(there, names, count, ing->format->columns ? "\"columns\" of format" : "source");
}

/* All that can be checked before something is read; ends with no snapshot and no transaction id. */
static void
begin(Ingest *ing)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	ing->target = pf_target_open(ing->target_name, ing->create);
	if (pf_is_url(ing->source) || pf_is_file(ing->source))
	{
		if (ing->order_by != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("order_by is for relations and queries only"),
					 errdetail("A file or URL is read from its beginning to its end.")));
		ing->source = pf_input_check(ing->source);
	}
	else
	{
		ing->query = pf_query_open(ing->source, ing->order_by);
		ing->source = pstrdup(pf_query_text(ing->query));
		ing->format = pf_format_of_query(ing->format);
	}
	pf_batch_stream(ing->target->qualified, ing->source, ing->stream);
	take_lock(ing);
	read_ledger(ing);
	if (ing->columns == NIL)
		find_columns(ing);
	if (ing->query != NULL && ing->loaded != NIL && ing->format->verify)
		pf_query_verify(ing->query, ing->loaded);
	PopActiveSnapshot();
	SPI_commit();
}

/* ----- what was loaded before: bytes ----- */

static void
source_changed(const Ingest *ing, const PfBatch *batch, int64 bytes)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("source \"%s\" has changed in the part that was loaded already", ing->input->name),
			 bytes < batch->end_byte ?
			 errdetail("It ends after " INT64_FORMAT " bytes; " INT64_FORMAT " were loaded.", bytes, batch->end_byte)
			 : errdetail("Batch %d, bytes " INT64_FORMAT " to " INT64_FORMAT ", is not the same.",
						 batch->number, batch->start_byte, batch->end_byte),
			 errhint("restart => true loads all of it once more.")));
}

static void
hash_failed(pg_cryptohash_ctx *hash)
{
	elog(ERROR, "could not compute SHA-256: %s", pg_cryptohash_error(hash));
}

/* Reads the bytes of a batch and compares; returns the last one. */
static char
check_batch(Ingest *ing, pg_cryptohash_ctx *hash, const PfBatch *batch)
{
	uint8		digest[32];
	const char *bytes;
	Size		size;
	char		last = '\n';

	if (pg_cryptohash_init(hash) < 0)
		hash_failed(hash);
	while (ing->records.offset < batch->end_byte)
	{
		CHECK_FOR_INTERRUPTS();
		size = pf_records_bytes(&ing->records, batch->end_byte - ing->records.offset, &bytes);
		if (size == 0)
			source_changed(ing, batch, ing->records.offset);
		if (pg_cryptohash_update(hash, (const uint8 *) bytes, size) < 0)
			hash_failed(hash);
		last = bytes[size - 1];
	}
	if (pg_cryptohash_final(hash, digest, sizeof(digest)) < 0)
		hash_failed(hash);
	if (memcmp(digest, batch->sha256, sizeof(digest)) != 0)
		source_changed(ing, batch, ing->records.offset);
	return last;
}

static char
check_batches(Ingest *ing)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	volatile char last = '\n';
	ListCell   *lc;

	PG_TRY();
	{
		foreach(lc, ing->loaded)
		{
			last = check_batch(ing, hash, lfirst(lc));
			say_progress(ing, "comparing with what was loaded", ing->records.offset, "bytes");
		}
	}
	PG_FINALLY();
	{
		pg_cryptohash_free(hash);
	}
	PG_END_TRY();
	return last;
}

/* Without a check: as quickly as the input can; returns the last byte. */
static char
skip_batches(Ingest *ing)
{
	int64		bytes = ing->batch.end_byte - 1;
	const char *byte;

	if (ing->input->skip != NULL)
	{
		ing->input->skip(ing->input, bytes);
		ing->records.offset = bytes;
	}
	while (ing->records.offset < bytes)
	{
		CHECK_FOR_INTERRUPTS();
		if (pf_records_bytes(&ing->records, bytes - ing->records.offset, &byte) == 0)
			source_changed(ing, &ing->batch, ing->records.offset);
	}
	if (pf_records_bytes(&ing->records, 1, &byte) == 0)
		source_changed(ing, &ing->batch, ing->records.offset);
	return *byte;
}

/*
 * Passes what was loaded.  When it ended without a line end, as a file may, what has
 * come since must begin with one: else its last record has grown.
 */
static void
pass_loaded(Ingest *ing)
{
	char		last = ing->format->verify ? check_batches(ing) : skip_batches(ing);
	const char *byte;

	ing->line = ing->records.line = ing->batch.end_line;
	list_free_deep(ing->loaded);
	ing->loaded = NIL;
	if (last == '\n' || last == '\r')
		return;
	while (last != '\n' && pf_records_bytes(&ing->records, 1, &byte) > 0)
	{
		if (*byte != '\r' && *byte != '\n')
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("source \"%s\" has changed in the part that was loaded already", ing->input->name),
					 errdetail("The record that was its last one has grown."),
					 errhint("restart => true loads all of it once more.")));
		pf_spool_add(&ing->spool, byte, 1);
		last = *byte;
	}
	ing->from = ing->spool.bytes;
}

/* ----- the beginning of bytes ----- */

/* A byte-order mark is no data. */
static void
pass_mark(Ingest *ing, const PfRecord *record, Size *size)
{
	*size = 0;
	if (record->size >= 2 && (memcmp(record->bytes, "\xff\xfe", 2) == 0 || memcmp(record->bytes, "\xfe\xff", 2) == 0))
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("source \"%s\" is in UTF-16", ing->input->name),
				 errhint("Convert it to UTF-8 first, for example with iconv -f UTF-16 -t UTF-8.")));
	if (ing->format->encoding == PG_UTF8 && record->size >= 3 && memcmp(record->bytes, "\xef\xbb\xbf", 3) == 0)
		*size = 3;
}

/* Is the first record a header, and of which columns? */
static bool
take_header(Ingest *ing, const char *bytes, Size size)
{
	PfFormat   *format = ing->format;
	PfFields   *header = pf_read_fields(format, bytes, size);
	List	   *there = pf_target_columns(ing->target);
	List	   *matched;

	if (format->header == PF_HEADER_SKIP)
	{
		if (ing->columns == NIL)
			ing->columns = ing->target->exists ? there : pf_new_columns(header, header->count);
		return true;
	}
	if (!ing->target->exists)
	{
		/* whoever has a table made from a file means its first line to name the columns */
		if (ing->columns == NIL)
			ing->columns = pf_new_columns(header, header->count);
		return true;
	}
	matched = pf_match_columns(there, header->fields, header->count,
							   format->header == PF_HEADER_MATCH ? "the header of source" : NULL);
	if (matched == NIL)
		return false;
	if (ing->columns == NIL || format->header == PF_HEADER_MATCH)
		ing->columns = matched;
	return true;
}

/*
 * The first record goes into the spool in any case; a header is passed by there, so that the
 * bytes of the first batch begin with the source's.
 */
static void
read_first(Ingest *ing)
{
	PfRecord	record;
	Size		mark;

	if (!pf_records_next(&ing->records, &record))
		return;
	pass_mark(ing, &record, &mark);
	pf_spool_add(&ing->spool, record.bytes, record.size);
	if (ing->format->header != PF_HEADER_NONE && take_header(ing, record.bytes + mark, record.size - mark))
	{
		ing->from = ing->spool.bytes;
		ing->line = ing->records.line;
		return;
	}
	ing->from = mark;
	ing->line = 0;
	if (record.size > mark)
		ing->count = 1;
}

/* ----- a batch ----- */

static void
collect_bytes(Ingest *ing)
{
	PfRecord	record;

	ing->convert = false;
	while (!ing->at_end && ing->count < ing->batch_size && (!ing->reject || ing->spool.bytes < PF_SPOOL_MEMORY))
	{
		CHECK_FOR_INTERRUPTS();
		if (!pf_records_next(&ing->records, &record))
			break;
		if (record.is_end && !ing->format->csv)
		{
			/* what follows COPY's mark of the end does not count, for COPY either */
			ing->at_end = true;
			break;
		}
		ing->convert = ing->convert || record.is_end;
		pf_spool_add(&ing->spool, record.bytes, record.size);
		ing->count++;
	}
}

/* A table for the first batch, in its transaction. */
static void
make_target(Ingest *ing)
{
	List	   *types = NIL;

	if (ing->query != NULL)
	{
		TupleDesc	desc = pf_query_columns(ing->query);

		for (int i = 0; i < desc->natts; i++)
			types = lappend(types, format_type_with_typemod(TupleDescAttr(desc, i)->atttypid,
															TupleDescAttr(desc, i)->atttypmod));
	}
	else
	{
		PfRecords	records;
		PfRecord	record;
		StringInfoData sample;

		initStringInfo(&sample);
		pf_records_open_spool(&records, ing->format, &ing->spool, ing->from, 0, 0, ing->records.line_end);
		while (sample.len < INFER_SIZE && pf_records_next(&records, &record) &&
			   record.size < MaxAllocSize / 4)
		{
			enlargeStringInfo(&sample, (int) record.size + 2);
			sample.len += (int) pf_record_convert(ing->format, &record, sample.data + sample.len);
		}
		pf_records_close(&records);
		if (ing->columns == NIL)
			ing->columns = pf_new_columns(NULL, pf_read_fields(ing->format, sample.data, sample.len)->count);
		types = pf_infer_types(ing->format, sample.data, sample.len, list_length(ing->columns));
		pfree(sample.data);
	}
	pf_target_create(ing->target, ing->columns, types);
}

static void
hash_spool(Ingest *ing, int64 bytes, uint8 *digest)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	char	   *buffer = palloc(PF_READ_SIZE);

	PG_TRY();
	{
		if (pg_cryptohash_init(hash) < 0)
			hash_failed(hash);
		for (int64 at = 0; at < bytes;)
		{
			Size		size = pf_spool_read(&ing->spool, at, buffer, Min(PF_READ_SIZE, bytes - at));

			CHECK_FOR_INTERRUPTS();
			if (pg_cryptohash_update(hash, (const uint8 *) buffer, size) < 0)
				hash_failed(hash);
			at += size;
		}
		if (pg_cryptohash_final(hash, digest, 32) < 0)
			hash_failed(hash);
	}
	PG_FINALLY();
	{
		pg_cryptohash_free(hash);
	}
	PG_END_TRY();
	pfree(buffer);
}

/* Loads what is in the spool, with a snapshot pushed. */
static void
load_batch(Ingest *ing)
{
	PfBatch    *batch = &ing->batch;
	MemoryContext context = CurrentMemoryContext;
	PfFill		fill = {0};
	ListCell   *lc;

	MemoryContextSwitchTo(ing->context);
	if (!ing->target->exists)
		make_target(ing);
	if (ing->columns == NIL)
		ing->columns = pf_target_columns(ing->target);
	MemoryContextSwitchTo(context);

	fill.target = ing->target;
	fill.format = ing->format;
	fill.columns = ing->columns;
	fill.spool = &ing->spool;
	fill.from = ing->from;
	fill.offset = batch->start_byte + ing->from;
	fill.line = ing->line;
	fill.line_end = ing->query ? EOL_NL : ing->records.line_end;
	fill.convert = ing->convert;
	fill.reject = ing->reject;
	fill.is_query = ing->query != NULL;
	fill.reject_limit = ing->format->reject_limit - ing->rejected;
	fill.end_line = ing->records.line;
	pf_fill(&fill);

	batch->rows = fill.rows;
	batch->rejected = list_length(fill.rejects);
	batch->order_by = ing->order_by;
	batch->ncolumns = 0;
	batch->columns = palloc(sizeof(char *) * list_length(ing->columns));
	foreach(lc, ing->columns)
		batch->columns[batch->ncolumns++] = lfirst(lc);
	if (ing->query == NULL)
	{
		batch->end_byte = batch->start_byte + fill.loaded;
		batch->end_line = fill.end_line;
		hash_spool(ing, fill.loaded, batch->sha256);
		if (fill.loaded < ing->spool.bytes)
			pf_records_unread(&ing->records, &ing->spool, fill.loaded, fill.end_line);
	}
	pf_catalog_add_batch(ing->stream, ing->target->qualified, ing->input ? ing->input->name : ing->source, ing->query != NULL, batch, fill.rejects);
	ing->rows += fill.rows;
	ing->rejected += batch->rejected;
}

/* One batch; false when there is none. */
static bool
do_batch(Ingest *ing, MemoryContext context)
{
	PfBatch    *batch = &ing->batch;
	MemoryContext caller = MemoryContextSwitchTo(context);
	ErrorContextCallback callback = {.callback = show_batch,.arg = ing,.previous = error_context_stack};

	batch->number++;
	batch->start_byte = batch->end_byte;
	error_context_stack = &callback;
	if (ing->query == NULL)
	{
		collect_bytes(ing);
		if (ing->count > 0)
			PushActiveSnapshot(GetTransactionSnapshot());
	}
	else
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		ing->count = pf_query_batch(ing->query, batch->number > 1 ? batch->end_key : NULL, ing->batch_size,
									&ing->spool, batch);
		if (ing->count == 0)
			PopActiveSnapshot();
	}
	if (ing->count > 0)
	{
		load_batch(ing);
		PopActiveSnapshot();
		SPI_commit();
		ing->batches++;
	}
	error_context_stack = callback.previous;
	MemoryContextSwitchTo(caller);
	return ing->count > 0;
}

static void
run(Ingest *ing)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgforest batch", ALLOCSET_DEFAULT_SIZES);

	begin(ing);
	if (ing->query == NULL)
	{
		ing->input = pf_input_open(ing->source);
		pf_input_begin(ing->input);
		pf_records_open(&ing->records, ing->format, ing->input);
		ing->records.split_long = ing->reject;
		if (ing->loaded != NIL)
			pass_loaded(ing);
		else
			read_first(ing);
	}
	else if (ing->order_by == NULL && ing->loaded != NIL)
		return;

	while (ing->batches < ing->max_batches && do_batch(ing, context))
	{
		say_progress(ing, "loading", ing->rows, "rows");
		pf_spool_empty(&ing->spool);
		ing->from = 0;
		ing->count = 0;
		ing->line = ing->records.line;
		MemoryContextReset(context);
		if (ing->query != NULL && ing->order_by == NULL)
			break;
	}
}

static void
release(Ingest *ing)
{
	if (ing->input != NULL)
		ing->input->close(ing->input);
	ing->input = NULL;
	pf_spool_empty(&ing->spool);
	if (ing->locked)
		LockRelease(&ing->lock, ExclusiveLock, true);
	ing->locked = false;
}

PG_FUNCTION_INFO_V1(ml_ingest);

Datum
ml_ingest(PG_FUNCTION_ARGS)
{
	Ingest	   *ing;
	MemoryContext context;

	need_own_transaction(fcinfo);
	pf_need_writable("ml_ingest()");
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	context = AllocSetContextCreate(CurrentMemoryContext, "pgforest ingest", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	ing = palloc0(sizeof(Ingest));
	ing->context = ing->spool.context = context;
	read_arguments(fcinfo, ing);
	PG_TRY();
	{
		run(ing);
	}
	PG_FINALLY();
	{
		release(ing);
	}
	PG_END_TRY();
	say_result(ing);
	SPI_finish();
	PG_RETURN_VOID();
}

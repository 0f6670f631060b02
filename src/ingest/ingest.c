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
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "catalog/tables.h"
#include "ingest/call.h"
#include "settings.h"

#define LOCK_CLASS		0x7066	/* user's advisory locks are of class 1 and 2 */

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
read_arguments(FunctionCallInfo fcinfo, PfIngest *ing)
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

void
pf_ingest_progress(PfIngest *ing, const char *doing, int64 count, const char *what)
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

void
pf_ingest_show(PfIngest *ing, PfPhase phase)
{
	PfLoading  *loading = &ing->loading;

	loading->phase = phase;
	loading->rows = ing->rows;
	loading->bytes_done = ing->input ? ing->records.offset : 0;
	loading->bytes_total = ing->input ? ing->input->size : 0;
	pf_progress_loading(loading);
}

static void
say_result(const PfIngest *ing)
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

/* ----- the beginning ----- */

static void
take_lock(PfIngest *ing)
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
read_ledger(PfIngest *ing)
{
	const PfBatch *last;

	ing->loaded = pf_catalog_batches(ing->stream);
	ing->batch.load = 1;
	if (ing->loaded == NIL)
		return;
	last = llast(ing->loaded);
	ing->batch.load = last->load;
	/* a table that is not there any more has no rows to go on from */
	if (ing->restart || !ing->target->exists)
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
find_columns(PfIngest *ing)
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
begin(PfIngest *ing)
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

static void
run(PfIngest *ing)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgforest batch", ALLOCSET_DEFAULT_SIZES);

	ing->loading.started_at = GetCurrentTimestamp();
	begin(ing);
	ing->loading.relation = ing->target->qualified;
	if (ing->query == NULL)
	{
		ing->input = pf_input_open(ing->source);
		pf_input_begin(ing->input);
		pf_records_open(&ing->records, ing->format, ing->input);
		ing->records.split_long = ing->reject;
		if (ing->loaded != NIL)
			pf_ingest_pass_loaded(ing);
		else
			pf_ingest_read_first(ing);
		ing->loading.bytes_start = ing->records.offset;
	}
	else if (ing->order_by == NULL && ing->loaded != NIL)
		return;

	while (ing->batches < ing->max_batches && pf_ingest_batch(ing, context))
	{
		pf_ingest_progress(ing, "loading", ing->rows, "rows");
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
release(PfIngest *ing)
{
	if (ing->input != NULL)
		ing->input->close(ing->input);
	ing->input = NULL;
	pf_spool_empty(&ing->spool);
	pf_progress_loaded();
	if (ing->locked)
		LockRelease(&ing->lock, ExclusiveLock, true);
	ing->locked = false;
}

PG_FUNCTION_INFO_V1(ml_ingest);

Datum
ml_ingest(PG_FUNCTION_ARGS)
{
	PfIngest   *ing;
	MemoryContext context;

	need_own_transaction(fcinfo);
	pf_need_writable("ml_ingest()");
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	context = AllocSetContextCreate(CurrentMemoryContext, "pgforest ingest", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	ing = palloc0(sizeof(PfIngest));
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

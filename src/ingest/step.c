/*
 * step.c
 *	  One batch: collected, loaded, written into the ledger, committed.
 *
 * It is collected while nothing is held.  Rows of a query are the exception: reading them needs the
 * snapshot that they are loaded under.
 *
 * Memory: the spool; what the load allocates is in a context that the caller empties.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "ingest/call.h"

#define RECORDS_A_LOOK	256		/* between two times that other sessions are told */
#define INFER_SIZE		(16 * 1024 * 1024)	/* of the first batch is looked at for types */

/* Which batch an error is of. */
static void
show_batch(void *arg)
{
	const PfIngest *ing = arg;

	errcontext("batch %d into %s", ing->batch.number, ing->target->qualified);
}

static void
collect_bytes(PfIngest *ing)
{
	PfRecord	record;

	ing->convert = false;
	while (!ing->at_end && ing->count < ing->batch_size && (!ing->reject || ing->spool.bytes < PF_SPOOL_MEMORY))
	{
		CHECK_FOR_INTERRUPTS();
		if (ing->count % RECORDS_A_LOOK == 0)
			pf_ingest_show(ing, PF_PHASE_READ);
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
make_target(PfIngest *ing)
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
			ing->columns = pf_new_columns(NULL, pf_read_fields(ing->format, sample.data, sample.len, true)->count);
		types = pf_infer_types(ing->format, sample.data, sample.len, list_length(ing->columns));
		pfree(sample.data);
	}
	pf_target_create(ing->target, ing->columns, types);
}

static void
hash_spool(PfIngest *ing, int64 bytes, uint8 *digest)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	char	   *buffer = palloc(PF_READ_SIZE);

	PG_TRY();
	{
		if (pg_cryptohash_init(hash) < 0)
			pf_hash_failed(hash);
		for (int64 at = 0; at < bytes;)
		{
			Size		size = pf_spool_read(&ing->spool, at, buffer, Min(PF_READ_SIZE, bytes - at));

			CHECK_FOR_INTERRUPTS();
			if (pg_cryptohash_update(hash, (const uint8 *) buffer, size) < 0)
				pf_hash_failed(hash);
			at += size;
		}
		if (pg_cryptohash_final(hash, digest, 32) < 0)
			pf_hash_failed(hash);
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
load_batch(PfIngest *ing)
{
	PfBatch    *batch = &ing->batch;
	MemoryContext context = CurrentMemoryContext;
	PfFill		fill = {0};
	ListCell   *lc;

	pf_ingest_show(ing, PF_PHASE_LOAD);
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
bool
pf_ingest_batch(PfIngest *ing, MemoryContext context)
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
		pf_ingest_show(ing, PF_PHASE_READ);
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

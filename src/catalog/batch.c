/*
 * batch.c
 *	  The ledger of ml_ingest: pgforest.batch and pgforest.reject.
 *
 * A batch's row is written in the transaction that loads it: either both are there or
 * neither.  The unique key (stream, load, number) would stop two sessions that load the same;
 * ml_ingest holds a lock of its own long before.
 *
 * It is read without row security: where a load goes on is a matter of the table, not
 * of who loaded the batch before.
 */
#include "postgres.h"

#include "catalog/batch.h"
#include "catalog/tables.h"
#include "common/cryptohash.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

enum
{
	BATCH_ID = 1,
	BATCH_STREAM,
	BATCH_LOAD,
	BATCH_NUMBER,
	BATCH_TARGET,
	BATCH_SOURCE,
	BATCH_ORDER_BY,
	BATCH_COLUMNS,
	BATCH_ROWS,
	BATCH_REJECTED,
	BATCH_START_BYTE,
	BATCH_END_BYTE,
	BATCH_END_LINE,
	BATCH_START_KEY,
	BATCH_END_KEY,
	BATCH_SHA256
};

#define REJECTS_AT_ONCE 100

void
pf_batch_stream(const char *target, const char *source, char *stream)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	uint8		digest[32];

	/* the zero byte between keeps ('a', 'bc') and ('ab', 'c') apart */
	if (hash == NULL || pg_cryptohash_init(hash) < 0 ||
		pg_cryptohash_update(hash, (const uint8 *) target, strlen(target) + 1) < 0 ||
		pg_cryptohash_update(hash, (const uint8 *) source, strlen(source)) < 0 ||
		pg_cryptohash_final(hash, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute SHA-256");
	pg_cryptohash_free(hash);
	for (int i = 0; i < 32; i++)
		snprintf(stream + 2 * i, 3, "%02x", digest[i]);
}

static int64
scan_int8(const PfScan *scan, AttrNumber column)
{
	return pf_scan_isnull(scan, column) ? 0 : DatumGetInt64(pf_scan_datum(scan, column));
}

/* The columns of one batch: those of all would be the same names again and again. */
static void
read_columns(const char *stream, PfBatch *batch)
{
	PfScan		scan;
	ScanKeyData keys[3];

	pf_key_text(&keys[0], BATCH_STREAM, stream);
	pf_key_int4(&keys[1], BATCH_LOAD, batch->load);
	pf_key_int4(&keys[2], BATCH_NUMBER, batch->number);
	pf_scan_begin(&scan, "batch", "batch_stream_load_number_key", 3, keys);
	if (pf_scan_next(&scan))
		batch->ncolumns = pf_scan_texts(&scan, BATCH_COLUMNS, &batch->columns);
	pf_scan_end(&scan);
}

List *
pf_catalog_batches(const char *stream)
{
	List	   *batches = NIL;
	PfBatch    *last = NULL;
	PfScan		scan;
	ScanKeyData key[1];

	pf_key_text(&key[0], BATCH_STREAM, stream);
	pf_scan_begin(&scan, "batch", "batch_stream_load_number_key", 1, key);
	while (pf_scan_next(&scan))
	{
		PfBatch    *batch = palloc0(sizeof(PfBatch));
		bytea	   *sha256 = DatumGetByteaPP(pf_scan_datum(&scan, BATCH_SHA256));

		batch->load = DatumGetInt32(pf_scan_datum(&scan, BATCH_LOAD));
		batch->number = DatumGetInt32(pf_scan_datum(&scan, BATCH_NUMBER));
		batch->order_by = pf_scan_text(&scan, BATCH_ORDER_BY);
		batch->rows = scan_int8(&scan, BATCH_ROWS);
		batch->rejected = scan_int8(&scan, BATCH_REJECTED);
		batch->start_byte = scan_int8(&scan, BATCH_START_BYTE);
		batch->end_byte = scan_int8(&scan, BATCH_END_BYTE);
		batch->end_line = scan_int8(&scan, BATCH_END_LINE);
		batch->start_key = pf_scan_text(&scan, BATCH_START_KEY);
		batch->end_key = pf_scan_text(&scan, BATCH_END_KEY);
		if (VARSIZE_ANY_EXHDR(sha256) != sizeof(batch->sha256))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("batch %d has a hash of %d bytes in pgforest.batch", batch->number,
							(int) VARSIZE_ANY_EXHDR(sha256))));
		memcpy(batch->sha256, VARDATA_ANY(sha256), sizeof(batch->sha256));

		/* the loads come one after the other: only the last counts */
		if (last != NULL && last->load != batch->load)
		{
			list_free(batches);
			batches = NIL;
		}
		batches = lappend(batches, batch);
		last = batch;
	}
	pf_scan_end(&scan);
	if (last != NULL)
		read_columns(stream, last);
	return batches;
}

static void
add_rejects(int64 batch, List *rejects, const char *role)
{
	for (int from = 0; from < list_length(rejects); from += REJECTS_AT_ONCE)
	{
		int			count = Min(REJECTS_AT_ONCE, list_length(rejects) - from);
		char	   *texts[REJECTS_AT_ONCE];
		char	   *states[REJECTS_AT_ONCE];
		char	   *reasons[REJECTS_AT_ONCE];
		int64		lines[REJECTS_AT_ONCE];
		int64		starts[REJECTS_AT_ONCE];
		int64		bytes[REJECTS_AT_ONCE];
		PfArgs		args = {0};

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < count; i++)
		{
			const PfReject *reject = list_nth(rejects, from + i);

			lines[i] = reject->line;
			starts[i] = reject->start_byte;
			bytes[i] = reject->bytes;
			texts[i] = reject->text;
			states[i] = pstrdup(unpack_sql_state(reject->sqlstate));
			reasons[i] = reject->reason;
		}
		pf_arg_int8(&args, batch);
		pf_arg_name(&args, role);
		pf_arg_int8s(&args, lines, count);
		pf_arg_int8s(&args, starts, count);
		pf_arg_int8s(&args, bytes, count);
		pf_arg_texts(&args, texts, count);
		pf_arg_texts(&args, states, count);
		pf_arg_texts(&args, reasons, count);
		pf_write("INSERT INTO pgforest.reject (batch_id, role, line, start_byte, bytes, text, sqlstate, reason) "
				 "SELECT $1, $2, NULLIF(u.line, 0), CASE WHEN u.line > 0 THEN u.start_byte END, u.bytes, u.text, "
				 "u.sqlstate, u.reason FROM unnest($3, $4, $5, $6, $7, $8) WITH ORDINALITY "
				 "AS u (line, start_byte, bytes, text, sqlstate, reason, place) ORDER BY u.place", &args);
	}
}

void
pf_catalog_add_batch(const char *stream, const char *target, const char *source, bool is_query,
					 const PfBatch *batch, List *rejects)
{
	char	   *role = GetUserNameFromId(GetUserId(), false);
	PfArgs		args = {0};
	bool		isnull;

	SPI_connect();
	pf_arg_text(&args, stream);
	pf_arg_int4(&args, batch->load);
	pf_arg_int4(&args, batch->number);
	pf_arg_text(&args, target);
	pf_arg_text(&args, source);
	pf_arg_text(&args, batch->order_by);
	pf_arg_texts(&args, batch->columns, batch->ncolumns);
	pf_arg_int8(&args, batch->rows);
	pf_arg_int8(&args, batch->rejected);
	pf_arg(&args, INT8OID, Int64GetDatum(batch->start_byte), is_query);
	pf_arg(&args, INT8OID, Int64GetDatum(batch->end_byte), is_query);
	pf_arg(&args, INT8OID, Int64GetDatum(batch->end_line), is_query);
	pf_arg_text(&args, batch->start_key);
	pf_arg_text(&args, batch->end_key);
	pf_arg_bytes(&args, batch->sha256, sizeof(batch->sha256));
	pf_arg_name(&args, role);
	pf_write("INSERT INTO pgforest.batch (stream, load, number, target, source, order_by, columns, rows, rejected, "
			 "start_byte, end_byte, end_line, start_key, end_key, sha256, role) "
			 "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) RETURNING id", &args);
	if (rejects != NIL)
		add_rejects(DatumGetInt64(pf_written(1, &isnull)), rejects, role);
	SPI_finish();
}

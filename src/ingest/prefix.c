/*
 * prefix.c
 *	  The part of a file or URL that comes before the next batch.
 *
 * What was loaded by earlier calls is read again and compared with the ledger, batch by batch, so that a
 * source that is not the same any more is noticed before a row of it is loaded.  That costs
 * the reading and a SHA-256, no parsing.  Of a source that is new the byte-order mark and the header are
 * passed; they belong to the bytes of the first batch.
 *
 * Nothing is held meanwhile: no snapshot, lock or transaction id.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "ingest/call.h"

/* ----- what was loaded before ----- */

static void
source_changed(const PfIngest *ing, const PfBatch *batch, int64 bytes)
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

void
pf_hash_failed(pg_cryptohash_ctx *hash)
{
	elog(ERROR, "could not compute SHA-256: %s", pg_cryptohash_error(hash));
}

/* Reads the bytes of a batch and compares; returns the last one. */
static char
check_batch(PfIngest *ing, pg_cryptohash_ctx *hash, const PfBatch *batch)
{
	uint8		digest[32];
	const char *bytes;
	Size		size;
	char		last = '\n';

	if (pg_cryptohash_init(hash) < 0)
		pf_hash_failed(hash);
	while (ing->records.offset < batch->end_byte)
	{
		CHECK_FOR_INTERRUPTS();
		size = pf_records_bytes(&ing->records, batch->end_byte - ing->records.offset, &bytes);
		if (size == 0)
			source_changed(ing, batch, ing->records.offset);
		if (pg_cryptohash_update(hash, (const uint8 *) bytes, size) < 0)
			pf_hash_failed(hash);
		last = bytes[size - 1];
	}
	if (pg_cryptohash_final(hash, digest, sizeof(digest)) < 0)
		pf_hash_failed(hash);
	if (memcmp(digest, batch->sha256, sizeof(digest)) != 0)
		source_changed(ing, batch, ing->records.offset);
	return last;
}

static char
check_batches(PfIngest *ing)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	volatile char last = '\n';
	ListCell   *lc;

	PG_TRY();
	{
		foreach(lc, ing->loaded)
		{
			last = check_batch(ing, hash, lfirst(lc));
			pf_ingest_show(ing, PF_PHASE_COMPARE);
			pf_ingest_progress(ing, "comparing with what was loaded", ing->records.offset, "bytes");
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
skip_batches(PfIngest *ing)
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
void
pf_ingest_pass_loaded(PfIngest *ing)
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

/* ----- how a source begins ----- */

/* A byte-order mark is no data. */
static void
pass_mark(PfIngest *ing, const PfRecord *record, Size *size)
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
take_header(PfIngest *ing, const char *bytes, Size size)
{
	PfFormat   *format = ing->format;
	PfTarget   *target = ing->target;
	List	   *there = pf_target_columns(target);
	PfFields   *header;
	List	   *matched;

	if (format->header == PF_HEADER_SKIP && target->exists)
	{
		if (ing->columns == NIL)
			ing->columns = there;
		return true;
	}
	header = pf_read_fields(format, bytes, size, format->header == PF_HEADER_MATCH || !target->exists);
	if (header == NULL)
		return false;

	/* whoever has a table made from a file means its first line to name the columns */
	if (!target->exists)
	{
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
void
pf_ingest_read_first(PfIngest *ing)
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

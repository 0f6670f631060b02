/*
 * query.c
 *	  Rows of a relation or query, as lines of COPY's text format.
 *
 * With order_by a batch is the next rows above the last value that was loaded:
 *		SELECT * FROM source WHERE column > $1 ORDER BY column LIMIT batch_size + 1
 * The one row more tells whether the column is unique where the batch ends; within the batch the rows tell
 * it themselves.  Values of the column are kept as text, so they must come back from it unchanged.
 *
 * What was loaded is known again by a hash of each row: the sum of the SHA-256 of all lines of a
 * batch.  A sum has no order, so that one scan in whatever order checks all batches: each
 * row is added to the batch that its key falls into.
 *
 * Values become text under settings of our own (set_formats), as in pg_dump, so that the
 * hash does not depend on the session.  The query itself runs under the caller's.
 *
 * Rights: everything runs as the current user through SPI.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_operator.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "compat.h"
#include "ingest/ingest.h"

#define ROWS_AT_ONCE 1000

struct PfQuery
{
	PfSource   *source;
	MemoryContext context;		/* of the query */
	MemoryContext row;			/* emptied after each block of rows */
	FmgrInfo   *output;			/* by column */
	Datum	   *values;			/* of the row */
	bool	   *nulls;
	pg_cryptohash_ctx *hash;	/* while rows are read: it ends with the transaction */
	int			key;			/* column, or -1 */
	char	   *key_name;
	Oid			key_type;
	Oid			key_collation;
	FmgrInfo	compare;
	char	   *greater;		/* OPERATOR(...) */
	char	   *at_most;
};

/* ----- opening ----- */

static char *
operator_text(Oid operator)
{
	char	   *name = get_opname(operator);
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	Oid			schema = ((Form_pg_operator) GETSTRUCT(tuple))->oprnamespace;

	ReleaseSysCache(tuple);
	return psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(schema)), name);
}

static void
find_key(PfQuery *query, const char *order_by)
{
	int			column = pf_source_column(query->source, order_by);
	Form_pg_attribute attribute;
	TypeCacheEntry *type;
	Oid			at_most;

	if (column < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of order_by does not exist in source", order_by),
				 errhint("Name a column of the source whose values are unique, such as its primary key.")));
	attribute = TupleDescAttr(query->source->desc, column);
	type = lookup_type_cache(attribute->atttypid,
							 TYPECACHE_LT_OPR | TYPECACHE_GT_OPR | TYPECACHE_CMP_PROC_FINFO | TYPECACHE_BTREE_OPFAMILY);
	at_most = OidIsValid(type->btree_opf) ?
		get_opfamily_member(type->btree_opf, type->btree_opintype, type->btree_opintype, BTLessEqualStrategyNumber) : InvalidOid;
	if (!OidIsValid(type->gt_opr) || !OidIsValid(at_most) || !OidIsValid(type->cmp_proc_finfo.fn_oid))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of order_by has no order", order_by),
				 errdetail("Its type is %s.", format_type_be(attribute->atttypid)),
				 errhint("Name a column of numbers, times or texts whose values are unique.")));
	query->key = column;
	query->key_name = pstrdup(order_by);
	query->key_type = attribute->atttypid;
	query->key_collation = attribute->attcollation;
	fmgr_info_copy(&query->compare, &type->cmp_proc_finfo, query->context);
	query->greater = operator_text(type->gt_opr);
	query->at_most = operator_text(at_most);
}

pg_noreturn static void
report_null_key(const PfQuery *query)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("column \"%s\" of order_by is null in some rows", query->key_name),
			 errhint("Such a row has no place in the order: leave it out of the source, or order by another column.")));
}

/* A row whose key is null would never be above the last one. */
static void
need_keys(const PfQuery *query)
{
	char	   *sql = psprintf("SELECT 1 FROM %s WHERE source.%s IS NULL", query->source->from,
							   quote_identifier(query->key_name));

	SPI_connect();
	if (SPI_execute(sql, true, 1) == SPI_OK_SELECT && SPI_processed > 0)
		report_null_key(query);
	SPI_finish();
}

PfQuery *
pf_query_open(const char *source, const char *order_by)
{
	PfQuery    *query = palloc0(sizeof(PfQuery));

	query->context = CurrentMemoryContext;
	query->row = AllocSetContextCreate(query->context, "pgforest lines", ALLOCSET_DEFAULT_SIZES);
	query->source = pf_source_open(source);
	query->key = -1;
	if (order_by != NULL)
		find_key(query, order_by);
	query->output = palloc0(sizeof(FmgrInfo) * query->source->desc->natts);
	query->values = palloc0(sizeof(Datum) * query->source->desc->natts);
	query->nulls = palloc0(sizeof(bool) * query->source->desc->natts);
	for (int i = 0; i < query->source->desc->natts; i++)
	{
		Oid			function;
		bool		is_varlena;

		getTypeOutputInfo(TupleDescAttr(query->source->desc, i)->atttypid, &function, &is_varlena);
		fmgr_info_cxt(function, &query->output[i], query->context);
	}
	if (query->key >= 0)
		need_keys(query);
	return query;
}

const char *
pf_query_text(const PfQuery *query)
{
	return query->source->query;
}

TupleDesc
pf_query_columns(const PfQuery *query)
{
	return query->source->desc;
}

/* ----- rows as lines ----- */

/* What the text of a value depends on, until the end of the GUC nest level that it returns. */
static int
set_formats(void)
{
	static const char *const settings[][2] = {
		{"datestyle", "ISO, YMD"}, {"intervalstyle", "postgres"}, {"extra_float_digits", "3"},
		{"bytea_output", "hex"}, {"timezone", "UTC"}, {"lc_monetary", "C"}, {"search_path", "pg_catalog, pg_temp"}
	};
	int			level = NewGUCNestLevel();

	for (int i = 0; i < (int) lengthof(settings); i++)
		set_config_option(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_SESSION,
						  GUC_ACTION_SAVE, true, 0, false);
	return level;
}

/* As COPY writes a value. */
static void
append_escaped(StringInfo line, const char *value)
{
	for (const char *p = value; *p; p++)
	{
		Size		plain = strcspn(p, "\\\b\f\n\r\t\v");

		appendBinaryStringInfo(line, p, (int) plain);
		p += plain;
		switch (*p)
		{
			case '\0':
				return;
			case '\b':
				appendStringInfoString(line, "\\b");
				break;
			case '\f':
				appendStringInfoString(line, "\\f");
				break;
			case '\n':
				appendStringInfoString(line, "\\n");
				break;
			case '\r':
				appendStringInfoString(line, "\\r");
				break;
			case '\t':
				appendStringInfoString(line, "\\t");
				break;
			case '\v':
				appendStringInfoString(line, "\\v");
				break;
			default:
				appendStringInfoString(line, "\\\\");
		}
	}
}

static void
make_line(PfQuery *query, HeapTuple tuple, TupleDesc desc, StringInfo line)
{
	heap_deform_tuple(tuple, desc, query->values, query->nulls);
	resetStringInfo(line);
	for (int i = 0; i < desc->natts; i++)
	{
		if (i > 0)
			appendStringInfoChar(line, '\t');
		if (query->nulls[i])
			appendBinaryStringInfo(line, "\\N", 2);
		else
			append_escaped(line, OutputFunctionCall(&query->output[i], query->values[i]));
	}
	appendStringInfoChar(line, '\n');
}

/* Adds the hash of a line to a sum, as a number of 256 bits. */
static void
add_hash(PfQuery *query, const StringInfo line, uint8 *sum)
{
	uint8		digest[32];
	int			carry = 0;

	if (pg_cryptohash_init(query->hash) < 0 ||
		pg_cryptohash_update(query->hash, (const uint8 *) line->data, line->len) < 0 ||
		pg_cryptohash_final(query->hash, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute SHA-256: %s", pg_cryptohash_error(query->hash));
	for (int i = 31; i >= 0; i--)
	{
		carry += sum[i] + digest[i];
		sum[i] = (uint8) carry;
		carry >>= 8;
	}
}

/* What is done with the rows, as lines and in blocks. */
typedef struct Reading
{
	PfQuery    *query;
	void		(*take) (struct Reading *reading, StringInfo line);
	/* a batch */
	PfSpool    *spool;
	PfBatch    *batch;
	int64		most;
	int64		rows;
	Datum		last_key;
	/* verification */
	PfBatch   **loaded;
	Datum	   *end_keys;
	int			nloaded;
	uint8		(*sums)[32];
	int64	   *counts;
} Reading;

static void
read_rows(Reading *reading, const char *sql, const char *key)
{
	PfQuery    *query = reading->query;
	Oid			types[1] = {query->key_type};
	Datum		values[1] = {0};
	StringInfoData line;
	Portal		portal;
	uint64		count;

	initStringInfo(&line);
	if (key != NULL)
	{
		int			level = set_formats();
		Oid			input;
		Oid			param;

		getTypeInputInfo(query->key_type, &input, &param);
		values[0] = OidInputFunctionCall(input, unconstify(char *, key), param, -1);
		AtEOXact_GUC(true, level);
	}
	query->hash = pg_cryptohash_create(PG_SHA256);
	if (query->hash == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	SPI_connect();
	portal = SPI_cursor_open_with_args(NULL, sql, key ? 1 : 0, types, values, NULL, true, CURSOR_OPT_PARALLEL_OK);
	do
	{
		int			level;
		MemoryContext caller;

		SPI_cursor_fetch(portal, true, ROWS_AT_ONCE);
		count = SPI_processed;
		level = set_formats();
		caller = MemoryContextSwitchTo(query->row);
		for (uint64 i = 0; i < count; i++)
		{
			CHECK_FOR_INTERRUPTS();
			make_line(query, SPI_tuptable->vals[i], SPI_tuptable->tupdesc, &line);
			reading->take(reading, &line);
		}
		MemoryContextSwitchTo(caller);
		MemoryContextReset(query->row);
		AtEOXact_GUC(true, level);
		SPI_freetuptable(SPI_tuptable);
	} while (count == ROWS_AT_ONCE);
	SPI_cursor_close(portal);
	SPI_finish();
	pg_cryptohash_free(query->hash);
	pfree(line.data);
}

/* Of the row that was made a line last. */
static Datum
key_of(const PfQuery *query)
{
	if (query->nulls[query->key])
		report_null_key(query);
	return query->values[query->key];
}

static int
compare(PfQuery *query, Datum a, Datum b)
{
	return DatumGetInt32(FunctionCall2Coll(&query->compare, query->key_collation, a, b));
}

/* A copy of a key that outlives the row; frees the one before. */
static Datum
keep_key(const PfQuery *query, Datum key, Datum before)
{
	MemoryContext caller = MemoryContextSwitchTo(query->context);
	Form_pg_attribute attribute = TupleDescAttr(query->source->desc, query->key);
	Datum		copy = datumCopy(key, attribute->attbyval, attribute->attlen);

	if (!attribute->attbyval && DatumGetPointer(before) != NULL)
		pfree(DatumGetPointer(before));
	MemoryContextSwitchTo(caller);
	return copy;
}

/* ----- a batch ----- */

static char *
key_text(PfQuery *query, Datum key)
{
	char	   *text = OutputFunctionCall(&query->output[query->key], key);

	return MemoryContextStrdup(query->context, text);
}

static void
take_for_batch(Reading *reading, StringInfo line)
{
	PfQuery    *query = reading->query;

	if (query->key >= 0)
	{
		Datum		key = key_of(query);

		if (reading->rows > 0 && compare(query, reading->last_key, key) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("column \"%s\" of order_by is not unique", query->key_name),
					 errdetail("The value %s is in more than one row.",
							   OutputFunctionCall(&query->output[query->key], key)),
					 errhint("A batch that ends between two such rows would lose one: order by a unique column.")));
		if (reading->rows >= reading->most)
			return;				/* the one row more */
		if (reading->rows == 0)
			reading->batch->start_key = key_text(query, key);
		reading->last_key = keep_key(query, key, reading->last_key);
	}
	pf_spool_add(reading->spool, line->data, line->len);
	add_hash(query, line, reading->batch->sha256);
	reading->rows++;
}

int64
pf_query_batch(PfQuery *query, const char *after, int32 size, PfSpool *spool, PfBatch *batch)
{
	Reading		reading = {.query = query,.take = take_for_batch,.spool = spool,.batch = batch,.most = size};
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT * FROM %s", query->source->from);
	if (query->key >= 0)
	{
		const char *key = quote_identifier(query->key_name);

		if (after != NULL)
			appendStringInfo(&sql, " WHERE source.%s %s $1", key, query->greater);
		appendStringInfo(&sql, " ORDER BY source.%s LIMIT " INT64_FORMAT, key, (int64) size + 1);
	}
	memset(batch->sha256, 0, sizeof(batch->sha256));
	read_rows(&reading, sql.data, after);
	if (query->key >= 0 && reading.rows > 0)
	{
		int			level = set_formats();

		batch->end_key = key_text(query, reading.last_key);
		AtEOXact_GUC(true, level);
	}
	return reading.rows;
}

/* ----- verification ----- */

static void
take_for_check(Reading *reading, StringInfo line)
{
	PfQuery    *query = reading->query;
	int			low = 0;

	if (query->key >= 0)
	{
		Datum		key = key_of(query);
		int			high = reading->nloaded - 1;

		/* the first batch that ends at the key or above */
		while (low < high)
		{
			int			middle = (low + high) / 2;

			if (compare(query, key, reading->end_keys[middle]) <= 0)
				high = middle;
			else
				low = middle + 1;
		}
	}
	add_hash(query, line, reading->sums[low]);
	reading->counts[low]++;
}

static void
report_change(const PfQuery *query, const PfBatch *batch, int64 rows)
{
	char	   *which = query->key < 0 ? pstrdup("The source, which was loaded whole")
		: psprintf("Batch %d, from %s to %s", batch->number, batch->start_key, batch->end_key);

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("source has changed in the part that was loaded already"),
			 rows == batch->rows + batch->rejected ? errdetail("%s, has other values.", which)
			 : errdetail("%s, had " INT64_FORMAT " rows; it has " INT64_FORMAT " now.", which,
						 batch->rows + batch->rejected, rows),
			 query->key < 0 ? errhint("Give order_by, a unique column that grows, to load only what is new; restart => true loads all once more.")
			 : errhint("restart => true loads all once more; format => '{\"verify\": false}' goes on without this check.")));
}

void
pf_query_verify(PfQuery *query, List *batches)
{
	Reading		reading = {.query = query,.take = take_for_check};
	StringInfoData sql;
	int			level;

	reading.nloaded = list_length(batches);
	reading.loaded = palloc(sizeof(PfBatch *) * reading.nloaded);
	reading.end_keys = palloc0(sizeof(Datum) * reading.nloaded);
	reading.sums = palloc0(32 * (Size) reading.nloaded);
	reading.counts = palloc0(sizeof(int64) * reading.nloaded);
	level = set_formats();
	for (int i = 0; i < reading.nloaded; i++)
	{
		reading.loaded[i] = list_nth(batches, i);
		if (query->key >= 0)
		{
			Oid			input;
			Oid			param;

			getTypeInputInfo(query->key_type, &input, &param);
			reading.end_keys[i] = OidInputFunctionCall(input, reading.loaded[i]->end_key, param, -1);
		}
	}
	AtEOXact_GUC(true, level);

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT * FROM %s", query->source->from);
	if (query->key >= 0)
		appendStringInfo(&sql, " WHERE source.%s %s $1", quote_identifier(query->key_name), query->at_most);
	read_rows(&reading, sql.data, query->key >= 0 ? reading.loaded[reading.nloaded - 1]->end_key : NULL);
	for (int i = 0; i < reading.nloaded; i++)
	{
		if (memcmp(reading.sums[i], reading.loaded[i]->sha256, 32) != 0)
			report_change(query, reading.loaded[i], reading.counts[i]);
	}
}

/*
 * tables.c
 *	  Reading our tables without SPI.
 *
 * A prediction resolves its model inside any query: in a parallel worker, on a
 * standby, below row security (we check rights ourselves).  So rows are read
 * straight through an index under the active snapshot, which is the statement's.
 * Only AccessShareLock is taken, and given back at once, as PostgreSQL does for its
 * own catalogs.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/tables.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

static Oid
relation_oid(Oid schema, const char *name)
{
	Oid			oid = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;

	if (!OidIsValid(oid))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("relation \"pgforest.%s\" does not exist", name),
				errhint("The extension is not installed in this database; run CREATE EXTENSION pgforest."));
	return oid;
}

void
pf_scan_begin(PfScan *scan, const char *table, const char *index, int nkeys, ScanKey keys)
{
	Oid			schema = get_namespace_oid("pgforest", true);
	int			ncolumns;

	scan->table = table_open(relation_oid(schema, table), AccessShareLock);
	scan->index = index_open(relation_oid(schema, index), AccessShareLock);
	ncolumns = RelationGetDescr(scan->table)->natts;
	scan->values = palloc(ncolumns * sizeof(Datum));
	scan->nulls = palloc(ncolumns * sizeof(bool));
	scan->scan = systable_beginscan_ordered(scan->table, scan->index, GetActiveSnapshot(),
											nkeys, keys);
}

bool
pf_scan_next(PfScan *scan)
{
	HeapTuple	tuple;

	CHECK_FOR_INTERRUPTS();
	tuple = systable_getnext_ordered(scan->scan, ForwardScanDirection);
	if (!HeapTupleIsValid(tuple))
		return false;
	heap_deform_tuple(tuple, RelationGetDescr(scan->table), scan->values, scan->nulls);
	return true;
}

void
pf_scan_end(PfScan *scan)
{
	systable_endscan_ordered(scan->scan);
	index_close(scan->index, AccessShareLock);
	table_close(scan->table, AccessShareLock);
	pfree(scan->values);
	pfree(scan->nulls);
}

void
pf_key_int8(ScanKey key, AttrNumber column, int64 value)
{
	ScanKeyInit(key, column, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(value));
}

void
pf_key_int4(ScanKey key, AttrNumber column, int32 value)
{
	ScanKeyInit(key, column, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(value));
}

/* The key's collation is "C" (ScanKeyInit), as the columns are declared. */
void
pf_key_text(ScanKey key, AttrNumber column, const char *value)
{
	ScanKeyInit(key, column, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(value));
}

char *
pf_scan_text(const PfScan *scan, AttrNumber column)
{
	if (pf_scan_isnull(scan, column))
		return NULL;
	return TextDatumGetCString(pf_scan_datum(scan, column));
}

char *
pf_scan_name(const PfScan *scan, AttrNumber column)
{
	if (pf_scan_isnull(scan, column))
		return NULL;
	return pstrdup(NameStr(*DatumGetName(pf_scan_datum(scan, column))));
}

int
pf_scan_texts(const PfScan *scan, AttrNumber column, char ***texts)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	*texts = NULL;
	if (pf_scan_isnull(scan, column))
		return 0;
	deconstruct_array(DatumGetArrayTypeP(pf_scan_datum(scan, column)), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, &count);
	*texts = palloc(Max(count, 1) * sizeof(char *));
	for (int i = 0; i < count; i++)
		(*texts)[i] = nulls[i] ? pstrdup("") : TextDatumGetCString(elements[i]);
	return count;
}

double
pf_scan_float8(const PfScan *scan, AttrNumber column)
{
	if (pf_scan_isnull(scan, column))
		return get_float8_nan();
	return DatumGetFloat8(pf_scan_datum(scan, column));
}

/*
 * asks.c
 *	  Queries that a fit runs: aggregates of many columns in one scan, categories of
 *	  many columns in another.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "recipe/fit.h"

SPITupleTable *
pf_fit_query(PfFit *fit, const char *sql, uint64 limit)
{
	int			result;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	result = SPI_execute(sql, true, (long) limit);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
	MemoryContextSwitchTo(fit->context);
	return SPI_tuptable;
}

char *
pf_fit_text(SPITupleTable *table, uint64 row, int column)
{
	bool		null;
	Datum		value = SPI_getbinval(table->vals[row], table->tupdesc, column, &null);

	return null ? NULL : TextDatumGetCString(value);
}

double
pf_fit_number(SPITupleTable *table, uint64 row, int column)
{
	bool		null;
	Datum		value = SPI_getbinval(table->vals[row], table->tupdesc, column, &null);

	return null ? NAN : DatumGetFloat8(value);
}

static PfAsk *
add_ask(PfFit *fit, char *value, PfAskKind kind)
{
	PfAsk	   *one = palloc0(sizeof(PfAsk));

	one->step = fit->step;
	one->column = fit->column;
	one->kind = kind;
	one->value = value;
	fit->asks = lappend(fit->asks, one);
	return one;
}

void
pf_fit_ask(PfFit *fit, char *value, const char *aggregate)
{
	add_ask(fit, value, PF_ASK_AGGREGATE)->aggregate = aggregate;
}

void
pf_fit_ask_kind(PfFit *fit, char *value, PfAskKind kind)
{
	add_ask(fit, value, kind);
}

void
pf_fit_list(PfFit *fit, char *value)
{
	PfListing    *listing = palloc0(sizeof(PfListing));

	listing->value = value;
	fit->listings = lappend(fit->listings, listing);
}

/* The aggregates of all asks in one scan; the number of rows with them the first time. */
void
pf_fit_run_asks(PfFit *fit)
{
	List	   *values = NIL;
	StringInfoData sql;
	SPITupleTable *table;
	int			column = 1;
	ListCell   *lc;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT pg_catalog.count(*)");
	foreach(lc, fit->asks)
	{
		const PfAsk *one = lfirst(lc);
		int			place = list_length(values) + 1;

		if (one->kind != PF_ASK_AGGREGATE)
			continue;
		for (int i = 0; i < list_length(values); i++)
		{
			if (strcmp(list_nth(values, i), one->value) == 0)
				place = i + 1;
		}
		if (place > list_length(values))
			values = lappend(values, one->value);
		appendStringInfoString(&sql, ",\n  ");
		for (const char *p = one->aggregate; *p; p++)
		{
			if (*p == '$')
				appendStringInfo(&sql, "s.v%d", place);
			else
				appendStringInfoChar(&sql, *p);
		}
	}
	if (values == NIL && fit->rows >= 0)
		return;
	appendStringInfo(&sql, "\nFROM (%s\nOFFSET 0) AS s", pf_program_select(fit->program, values, fit->from));

	table = pf_fit_query(fit, sql.data, 0);
	if (fit->rows < 0)
	{
		bool		null;

		fit->rows = DatumGetInt64(SPI_getbinval(table->vals[0], table->tupdesc, 1, &null));
		if (fit->rows == 0)
			ereport(ERROR,
					(errcode(ERRCODE_NO_DATA_FOUND),
					 errmsg("source has no rows to fit a recipe on")));
	}
	foreach(lc, fit->asks)
	{
		PfAsk	   *one = lfirst(lc);

		if (one->kind != PF_ASK_AGGREGATE)
			continue;
		column++;
		if (SPI_gettypeid(table->tupdesc, column) == TEXTOID)
			one->null = (one->text = pf_fit_text(table, 0, column)) == NULL;
		else
		{
			SPI_getbinval(table->vals[0], table->tupdesc, column, &one->null);
			one->number = pf_fit_number(table, 0, column);
		}
	}
	SPI_finish();
}

/* The categories of all listings in one scan. */
void
pf_fit_run_listings(PfFit *fit)
{
	List	   *values = NIL;
	StringInfoData pairs;
	SPITupleTable *table;
	ListCell   *lc;

	if (fit->listings == NIL)
		return;
	initStringInfo(&pairs);
	foreach(lc, fit->listings)
	{
		values = lappend(values, ((PfListing *) lfirst(lc))->value);
		appendStringInfo(&pairs, "%s(%d, s.v%d)", pairs.len > 0 ? ", " : "",
						 list_length(values), list_length(values));
	}
	table = pf_fit_query(fit, psprintf("SELECT h.c, h.v, h.n, h.rows FROM (\n"
									"SELECT g.c, g.v, g.n, pg_catalog.sum(g.n) OVER (PARTITION BY g.c)::pg_catalog.float8 AS rows,\n"
									"  pg_catalog.row_number() OVER (PARTITION BY g.c ORDER BY g.n DESC, g.v COLLATE pg_catalog.\"C\") AS place\n"
									"FROM (SELECT u.c, u.v, pg_catalog.count(*)::pg_catalog.float8 AS n\n"
									"FROM (%s\nOFFSET 0) AS s, LATERAL (VALUES %s) AS u (c, v)\nGROUP BY u.c, u.v) AS g) AS h\n"
									"WHERE h.place" PF_OP("<=") "%d ORDER BY h.c, h.place",
									pf_program_select(fit->program, values, fit->from), pairs.data,
									PF_MOST_LISTED + 2), 0);
	for (uint64 i = 0; i < table->numvals; i++)
	{
		bool		null;
		int			place = DatumGetInt32(SPI_getbinval(table->vals[i], table->tupdesc, 1, &null));
		PfListing    *listing = list_nth(fit->listings, place - 1);
		PfCategory   *category = palloc(sizeof(PfCategory));

		CHECK_FOR_INTERRUPTS();
		category->text = pf_fit_text(table, i, 2);
		category->rows = pf_fit_number(table, i, 3);
		listing->rows = pf_fit_number(table, i, 4);
		listing->categories = lappend(listing->categories, category);
		listing->cut = list_length(listing->categories) > PF_MOST_LISTED + 1;
	}
	SPI_finish();
}

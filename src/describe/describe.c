/*
 * describe.c
 *	  ml_describe: what is in the columns of a source, in one pass over it.
 *
 * The source becomes the query of one row that has a sketch of each column (aggregate.c); it is
 * planned and run like every other source, as the caller, in parallel where PostgreSQL
 * finds that worth while.  Columns of types that no model can use are only counted.
 *
 * Memory: the sketches of all columns keep to a common budget, so a source of many columns
 * is exact up to fewer distinct values (sketch.h).
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "describe/sketch.h"
#include "fmgr.h"
#include "funcapi.h"
#include "load/scan.h"
#include "load/source.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ml_describe);

#define MOST_DISTINCT		8192	/* that a column is exact up to */
#define LEAST_DISTINCT		256
#define ALL_DISTINCT		(1 << 19)	/* of all columns together */
#define SHOWN_VALUES		10
#define BARS				20

static const double shares[] = {0.05, 0.25, 0.5, 0.75, 0.95};

/* The one row that comes back: the number of rows, then a sketch or a count of each column. */
typedef struct Answer
{
	MemoryContext context;
	int			ncolumns;
	bool	   *sketched;
	int64		rows;
	int64	   *counts;
	PfSketch  **sketches;
} Answer;

static void
take_answer(Datum *values, bool *nulls, void *arg)
{
	Answer	   *answer = arg;

	answer->rows = DatumGetInt64(values[0]);
	for (int c = 0; c < answer->ncolumns; c++)
	{
		if (!answer->sketched[c])
			answer->counts[c] = DatumGetInt64(values[c + 1]);
		else if (!nulls[c + 1])
			answer->sketches[c] = pf_sketch_read(answer->context,
												 VARDATA_ANY(DatumGetByteaPP(values[c + 1])));
	}
}

/* The source that has one row, of which the columns are 0, 1, 2, ... */
static PfSource *
wrap_source(const PfSource *source, const Answer *answer, List **columns)
{
	PfSource   *wrapped = palloc0(sizeof(PfSource));
	int			limit = Max(Min(MOST_DISTINCT, ALL_DISTINCT / answer->ncolumns), LEAST_DISTINCT);
	StringInfoData from;

	initStringInfo(&from);
	appendStringInfoString(&from, "(SELECT pg_catalog.count(*) AS \"0\"");
	*columns = list_make1(pstrdup("0"));
	for (int c = 0; c < answer->ncolumns; c++)
	{
		const char *name = quote_identifier(NameStr(TupleDescAttr(source->desc, c)->attname));

		if (answer->sketched[c])
			appendStringInfo(&from, ", pgforest.describe_column(source.%s, %d)", name, limit);
		else
			appendStringInfo(&from, ", pg_catalog.count(source.%s)", name);
		appendStringInfo(&from, " AS \"%d\"", c + 1);
		*columns = lappend(*columns, psprintf("%d", c + 1));
	}
	appendStringInfo(&from, " FROM %s) AS source", source->from);
	wrapped->text = source->text;
	wrapped->from = from.data;
	return wrapped;
}

/* ----- values as texts ----- */

static char *
number_text(const PfSketch *sketch, double value)
{
	Oid			type = sketch->reader.base;
	Datum		datum;
	Oid			function;
	bool		varlena;

	switch (type)
	{
		case BOOLOID:
			return pstrdup(value != 0 ? "true" : "false");
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return psprintf("%.0f", value);
		case FLOAT4OID:
			return float_to_shortest_decimal((float) value);
		case DATEOID:
			datum = DateADTGetDatum(value == -INFINITY ? DATEVAL_NOBEGIN :
									value == INFINITY ? DATEVAL_NOEND : (DateADT) rint(value));
			break;
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			datum = TimestampGetDatum(value == -INFINITY ? DT_NOBEGIN :
									  value == INFINITY ? DT_NOEND :
									  (Timestamp) rint(value * USECS_PER_SEC));
			break;
		default:
			return double_to_shortest_decimal(value);
	}
	getTypeOutputInfo(type, &function, &varlena);
	return OidOutputFunctionCall(function, datum);
}

static char *
count_text(const PfSketch *sketch, const PfCount *count)
{
	if (count->text != NULL)
		return count->text;
	if (sketch->reader.base == INT8OID)
		return psprintf(INT64_FORMAT, pf_sketch_integer(count->key));
	return number_text(sketch, pf_sketch_number(sketch, count->key));
}

static Datum
text_array(char *const *texts, int n)
{
	Datum	   *elements = palloc(Max(n, 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		elements[i] = CStringGetTextDatum(texts[i]);
	return PointerGetDatum(construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* ----- what is shown of numbers ----- */

/* The smallest value that a share of all does not exceed; the middle of its bucket. */
static Datum
quantiles(const PfSketch *sketch)
{
	PfCount   **buckets = pf_sketch_buckets(sketch);
	char	   *texts[lengthof(shares)];
	uint32		b = 0;
	uint64		passed = buckets[0]->count;

	for (int q = 0; q < (int) lengthof(shares); q++)
	{
		double		low;
		double		high;

		while (passed < shares[q] * sketch->values && b + 1 < sketch->buckets.used)
			passed += buckets[++b]->count;
		pf_sketch_bucket(sketch, buckets[b]->key, &low, &high);
		texts[q] = sketch->registers == NULL ? count_text(sketch, buckets[b]) :
			number_text(sketch, low == high ? low : low / 2 + high / 2);
	}
	return text_array(texts, lengthof(shares));
}

/* One character a bar, the highest of them as high as can be. */
static char *
draw_bars(const double *bars, int n)
{
	static const char *const blocks[] = {" ", "\342\226\201", "\342\226\202", "\342\226\203", "\342\226\204",
	"\342\226\205", "\342\226\206", "\342\226\207", "\342\226\210"};
	static const char *const signs[] = {" ", ".", ":", "-", "=", "+", "*", "%", "@"};
	const char *const *levels = GetDatabaseEncoding() == PG_UTF8 ? blocks : signs;
	StringInfoData out;
	double		highest = 0;

	for (int i = 0; i < n; i++)
		highest = Max(highest, bars[i]);
	initStringInfo(&out);
	for (int i = 0; i < n; i++)
		appendStringInfoString(&out, levels[(int) ceil(bars[i] / highest * 8)]);
	return out.data;
}

/*
 * A bar for each value where there are few, else for equal parts of what lies between
 * the smallest and the greatest.  A bucket that reaches over several of them is shared out.
 */
static char *
number_histogram(const PfSketch *sketch)
{
	PfCount   **buckets = pf_sketch_buckets(sketch);
	uint32		n = sketch->buckets.used;
	double		bars[BARS] = {0};
	double		least = INFINITY;
	double		greatest = -INFINITY;
	double		low;
	double		high;

	if (n <= BARS)
	{
		for (uint32 b = 0; b < n; b++)
			bars[b] = buckets[b]->count;
		return draw_bars(bars, n);
	}
	for (uint32 b = 0; b < n; b++)
	{
		pf_sketch_bucket(sketch, buckets[b]->key, &low, &high);
		if (isfinite(low))
			least = Min(least, low);
		if (isfinite(high))
			greatest = Max(greatest, high);
	}
	for (uint32 b = 0; b < n; b++)
	{
		int			from;
		int			to;

		/* in halves: their difference may be greater than any number */
		pf_sketch_bucket(sketch, buckets[b]->key, &low, &high);
		from = (int) Min(Max((low / 2 - least / 2) / (greatest / 2 - least / 2) * BARS, 0), BARS - 1);
		to = (int) Min(Max((high / 2 - least / 2) / (greatest / 2 - least / 2) * BARS, from), BARS - 1);
		for (int i = from; i <= to; i++)
			bars[i] += (double) buckets[b]->count / (to - from + 1);
	}
	return draw_bars(bars, BARS);
}

/* ----- rows ----- */

typedef enum Column
{
	COLUMN_NAME,
	TYPE,
	ROWS,
	MISSING,
	DISTINCT,
	LEAST,
	GREATEST,
	MEAN,
	SD,
	QUANTILES,
	FREQUENT,
	FREQUENT_ROWS,
	HISTOGRAM,
	COLUMNS
} Column;

static void
put_number(Datum *values, bool *nulls, Column column, double value)
{
	values[column] = Float8GetDatum(value);
	nulls[column] = isnan(value);
}

static void
put_text(Datum *values, bool *nulls, Column column, const char *text)
{
	values[column] = CStringGetTextDatum(text);
	nulls[column] = false;
}

/* The values that are there most often: twice at least, and not by chance of the counting. */
static void
describe_frequent(const PfSketch *sketch, Datum *values, bool *nulls)
{
	uint32		n;
	PfCount   **list = pf_sketch_frequent(sketch, &n);
	char	   *texts[SHOWN_VALUES];
	Datum		counts[SHOWN_VALUES];
	double		bars[BARS];
	int			shown = 0;
	int			drawn = 0;

	for (uint32 i = 0; i < n && drawn < BARS && list[i]->count > Max(sketch->dropped, 1); i++)
	{
		bars[drawn++] = list[i]->count;
		if (shown == SHOWN_VALUES)
			continue;
		texts[shown] = count_text(sketch, list[i]);
		counts[shown++] = Int64GetDatum((int64) list[i]->count);
	}
	values[FREQUENT] = text_array(texts, shown);
	values[FREQUENT_ROWS] = PointerGetDatum(construct_array(counts, shown, INT8OID, sizeof(int64),
															FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	nulls[FREQUENT] = nulls[FREQUENT_ROWS] = false;
	if (sketch->reader.kind == PF_CATEGORY && drawn > 0)
		put_text(values, nulls, HISTOGRAM, draw_bars(bars, drawn));
}

static void
describe_numbers(PfSketch *sketch, Datum *values, bool *nulls)
{
	Oid			type = sketch->reader.base;
	double		mean;
	double		sd;

	if (type == INT8OID)
	{
		put_text(values, nulls, LEAST, psprintf(INT64_FORMAT, sketch->least_integer));
		put_text(values, nulls, GREATEST, psprintf(INT64_FORMAT, sketch->greatest_integer));
	}
	else
	{
		put_text(values, nulls, LEAST, number_text(sketch, sketch->least));
		put_text(values, nulls, GREATEST, number_text(sketch, sketch->greatest));
	}
	values[QUANTILES] = quantiles(sketch);
	nulls[QUANTILES] = false;
	put_text(values, nulls, HISTOGRAM, number_histogram(sketch));

	/* a time has no mean that is a number */
	if (type == DATEOID || type == TIMESTAMPOID || type == TIMESTAMPTZOID)
		return;
	pf_exact_moments(&sketch->sum, &sketch->squares, sketch->values, &mean, &sd);
	if (sketch->infinite[0] + sketch->infinite[1] > 0)
	{
		mean = sketch->infinite[0] == 0 ? INFINITY : sketch->infinite[1] == 0 ? -INFINITY : NAN;
		sd = NAN;
	}
	else if (sketch->overflow)
		sd = INFINITY;
	put_number(values, nulls, MEAN, mean);
	put_number(values, nulls, SD, sd);
}

/* ml_describe(source text) returns a row a column */
Datum
ml_describe(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Answer		answer = {.context = CurrentMemoryContext};
	PfSource   *source;
	PfSource   *wrapped;
	List	   *columns;
	PfReader	reader;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("source must not be null")));
	InitMaterializedSRF(fcinfo, 0);
	source = pf_source_open(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	answer.ncolumns = source->desc->natts;
	answer.sketched = palloc0(answer.ncolumns * sizeof(bool));
	answer.counts = palloc0(answer.ncolumns * sizeof(int64));
	answer.sketches = palloc0(answer.ncolumns * sizeof(PfSketch *));
	for (int c = 0; c < answer.ncolumns; c++)
		answer.sketched[c] = pf_reader_init(&reader, TupleDescAttr(source->desc, c)->atttypid) &&
			!OidIsValid(reader.element);
	wrapped = wrap_source(source, &answer, &columns);
	pf_source_scan(wrapped, columns, take_answer, &answer);

	for (int c = 0; c < answer.ncolumns; c++)
	{
		PfSketch   *sketch = answer.sketches[c];
		Form_pg_attribute attribute = TupleDescAttr(source->desc, c);
		Datum		values[COLUMNS];
		bool		nulls[COLUMNS];

		CHECK_FOR_INTERRUPTS();
		memset(nulls, true, sizeof(nulls));
		put_text(values, nulls, COLUMN_NAME, NameStr(attribute->attname));
		put_text(values, nulls, TYPE, format_type_with_typemod(attribute->atttypid, attribute->atttypmod));
		values[ROWS] = Int64GetDatum(answer.rows);
		values[MISSING] = Int64GetDatum(sketch ? sketch->missing :
										answer.sketched[c] ? 0 : answer.rows - answer.counts[c]);
		nulls[ROWS] = nulls[MISSING] = false;
		if (answer.sketched[c])
		{
			values[DISTINCT] = Int64GetDatum(sketch ? (int64) pf_sketch_distinct(sketch) : 0);
			nulls[DISTINCT] = false;
		}
		if (sketch != NULL && sketch->values > 0)
		{
			describe_frequent(sketch, values, nulls);
			if (sketch->reader.kind == PF_CATEGORY)
			{
				put_text(values, nulls, LEAST, sketch->first);
				put_text(values, nulls, GREATEST, sketch->last);
			}
			else
				describe_numbers(sketch, values, nulls);
		}
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

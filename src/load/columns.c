/*
 * columns.c
 *	  From a Datum to a number, a category, a label, a hash.
 *
 * The common types are read in place, without a function call; numeric, enum
 * and uuid go through PostgreSQL's own conversion.  What is allocated lives in
 * the current context: call with one that is reset for every row.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include <math.h>

#include "engine/bins/hash.h"
#include "load/columns.h"

#define HASH_PIECE			(1024 * 1024)	/* bytes of a text between two interrupt checks */
#define EXACT_INTEGERS		9007199254740992.0	/* 2^53 */

/* Is a base type a number? */
static bool
is_number(Oid type)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
		case BOOLOID:
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return true;
		default:
			return false;
	}
}

/* Is every value of a number type exact as a float4? */
static bool
fits_float4(Oid type)
{
	return type == INT2OID || type == FLOAT4OID || type == BOOLOID;
}

/* How to read a type; false when it cannot be. */
bool
pf_reader_init(PfReader *reader, Oid type)
{
	Oid			element;
	Oid			function;
	bool		varlena;

	memset(reader, 0, sizeof(*reader));
	reader->type = type;
	reader->base = getBaseType(type);
	reader->by_value = get_typbyval(reader->base);

	if (is_number(reader->base))
	{
		reader->kind = PF_NUMBER;
		reader->exact_float4 = fits_float4(reader->base);
	}
	else if (OidIsValid(element = get_element_type(reader->base)))
	{
		reader->element = getBaseType(element);
		if (!is_number(reader->element))
			return false;
		get_typlenbyvalalign(reader->element, &reader->elmlen, &reader->elmbyval,
							 &reader->elmalign);
		reader->kind = PF_NUMBER;
		reader->exact_float4 = fits_float4(reader->element);
		return true;
	}
	else
	{
		switch (reader->base)
		{
			case TEXTOID:
			case VARCHAROID:
			case BPCHAROID:
			case CHAROID:
			case NAMEOID:
			case UUIDOID:
				break;
			default:
				if (!type_is_enum(reader->base))
					return false;
		}
		reader->kind = PF_CATEGORY;
	}

	getTypeOutputInfo(reader->base, &function, &varlena);
	fmgr_info(function, &reader->output);
	return true;
}

/* A timestamp in seconds since 2000-01-01. */
static inline double
timestamp_seconds(Timestamp value)
{
	if (TIMESTAMP_IS_NOBEGIN(value))
		return -INFINITY;
	if (TIMESTAMP_IS_NOEND(value))
		return INFINITY;
	return value / (double) USECS_PER_SEC;
}

/* A number of a base type. */
static inline double
read_number(Oid type, Datum value)
{
	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		case INT8OID:
			return (double) DatumGetInt64(value);
		case FLOAT4OID:
			return DatumGetFloat4(value);
		case FLOAT8OID:
			return DatumGetFloat8(value);
		case BOOLOID:
			return DatumGetBool(value) ? 1.0 : 0.0;
		case DATEOID:
			{
				DateADT		date = DatumGetDateADT(value);

				if (DATE_IS_NOBEGIN(date))
					return -INFINITY;
				if (DATE_IS_NOEND(date))
					return INFINITY;
				return date;
			}
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return timestamp_seconds(DatumGetTimestamp(value));
		case NUMERICOID:
			return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, value));
		default:
			elog(ERROR, "type %u is not a number", type);
	}
	return 0;					/* keep compilers quiet */
}

/* A scalar number. */
double
pf_read_number(const PfReader *reader, Datum value)
{
	return read_number(reader->base, value);
}

/*
 * The hash of a numeric too long for a double: as an integer if it is one that a
 * bigint can hold, so that a bigint key may be widened.
 */
static uint64
hash_long_numeric(Datum value, double number)
{
	char	   *digits = numeric_normalize(DatumGetNumeric(value));
	char	   *end;
	long long	integer;

	errno = 0;
	integer = strtoll(digits, &end, 10);
	if (errno == 0 && *end == '\0')
		return pf_hash_int64(integer);
	return pf_hash_number(number);
}

/* A scalar number and its hash. */
uint64
pf_read_number_hash(const PfReader *reader, Datum value, double *number)
{
	*number = read_number(reader->base, value);

	/* what a double cannot hold exactly must still tell rows apart */
	if (fabs(*number) >= EXACT_INTEGERS && !isinf(*number))
	{
		if (reader->base == INT8OID)
			return pf_hash_int64(DatumGetInt64(value));
		if (reader->base == NUMERICOID)
			return hash_long_numeric(value, *number);
	}
	return pf_hash_number(*number);
}

/*
 * A loop for each of the common types, so that the compiler knows it; the hashes of many rows are
 * made side by side.
 */
void
pf_read_numbers(const PfReader *reader, const Datum *values, const bool *nulls, int stride, int n,
				double *numbers, uint64 *hashes)
{
	switch (reader->base)
	{
		case FLOAT8OID:
			for (int i = 0; i < n; i++)
				numbers[i] = DatumGetFloat8(values[(Size) i * stride]);
			break;
		case FLOAT4OID:
			for (int i = 0; i < n; i++)
				numbers[i] = DatumGetFloat4(values[(Size) i * stride]);
			break;
		case INT2OID:
			for (int i = 0; i < n; i++)
				numbers[i] = DatumGetInt16(values[(Size) i * stride]);
			break;
		case INT4OID:
			for (int i = 0; i < n; i++)
				numbers[i] = DatumGetInt32(values[(Size) i * stride]);
			break;
		default:
			for (int i = 0; i < n; i++)
				numbers[i] = nulls[(Size) i * stride] ? NAN
					: read_number(reader->base, values[(Size) i * stride]);
			break;
	}
	/* what a double cannot hold exactly must still tell rows apart */
	if (reader->base == INT8OID)
	{
		for (int i = 0; i < n; i++)
			hashes[i] = pf_hash_int64(DatumGetInt64(values[(Size) i * stride]));
	}
	else
	{
		for (int i = 0; i < n; i++)
			hashes[i] = pf_hash_number(numbers[i]);
	}
	for (int i = 0; i < n; i++)
	{
		if (!nulls[(Size) i * stride])
			continue;
		numbers[i] = NAN;
		hashes[i] = PF_HASH_NULL;
	}
}

/* A category's bytes. */
size_t
pf_read_category(PfReader *reader, Datum value, const char **bytes)
{
	switch (reader->base)
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			{
				text	   *string = DatumGetTextPP(value);
				int			length = VARSIZE_ANY_EXHDR(string);

				*bytes = VARDATA_ANY(string);
				if (reader->base == BPCHAROID)
					length = bpchartruelen(VARDATA_ANY(string), length);
				return length;
			}
		case NAMEOID:
			*bytes = NameStr(*DatumGetName(value));
			return strlen(*bytes);
		default:
			*bytes = OutputFunctionCall(&reader->output, value);
			return strlen(*bytes);
	}
}

/* Elements of an array as doubles; more than max of them are only counted. */
int
pf_read_array(const PfReader *reader, Datum value, double *out, int max)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	int			n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	Datum	   *elements;
	bool	   *nulls;

	if (n > max)
		return n;

	/* elements of fixed length lie one after another, unless some are NULL */
	if (!ARR_HASNULL(array))
	{
		char	   *data = (char *) array + ARR_OVERHEAD_NONULLS(ARR_NDIM(array));

		switch (reader->element)
		{
			case INT2OID:
				for (int i = 0; i < n; i++)
					out[i] = ((int16 *) data)[i];
				return n;
			case INT4OID:
				for (int i = 0; i < n; i++)
					out[i] = ((int32 *) data)[i];
				return n;
			case INT8OID:
				for (int i = 0; i < n; i++)
					out[i] = (double) ((int64 *) data)[i];
				return n;
			case FLOAT4OID:
				for (int i = 0; i < n; i++)
					out[i] = ((float4 *) data)[i];
				return n;
			case FLOAT8OID:
				for (int i = 0; i < n; i++)
					out[i] = ((float8 *) data)[i];
				return n;
			default:
				break;
		}
	}

	deconstruct_array(array, reader->element, reader->elmlen, reader->elmbyval,
					  reader->elmalign, &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
		out[i] = nulls[i] ? NAN : read_number(reader->element, elements[i]);
	return n;
}

/* The hash of a category; long texts in pieces, so that the server stays interruptible. */
uint64
pf_hash_category(const char *bytes, size_t length)
{
	uint64		hash;

	if (length <= HASH_PIECE)
		return pf_hash_bytes(bytes, length);

	hash = pf_mix64(length);
	for (size_t start = 0; start < length; start += HASH_PIECE)
	{
		CHECK_FOR_INTERRUPTS();
		hash = pf_hash_combine(hash, pf_hash_bytes(bytes + start,
												   Min(length - start, HASH_PIECE)));
	}
	return hash;
}

/* The hash of an array: of its elements' values, whatever their type. */
uint64
pf_hash_array(const double *elements, int n)
{
	uint64		hash = pf_hash_combine(PF_HASH_START, n);

	for (int i = 0; i < n; i++)
	{
		double		element = elements[i] + 0.0;	/* -0 becomes 0 */
		uint64		bits = PF_HASH_NULL;

		/* every NaN alike */
		if (element == element)
			memcpy(&bits, &element, sizeof(bits));
		hash = pf_hash_combine(hash, bits);
	}
	return hash;
}

/* The hash of a value in its canonical form. */
uint64
pf_read_hash(PfReader *reader, Datum value, bool isnull)
{
	if (isnull)
		return PF_HASH_NULL;
	if (reader->kind == PF_CATEGORY)
	{
		const char *bytes;
		size_t		length = pf_read_category(reader, value, &bytes);

		return pf_hash_category(bytes, length);
	}
	if (OidIsValid(reader->element))
	{
		Datum		array = PointerGetDatum(DatumGetArrayTypeP(value));
		int			n = pf_read_array(reader, array, NULL, -1);
		double	   *elements = palloc_extended(Max(n, 1) * sizeof(double), MCXT_ALLOC_HUGE);

		pf_read_array(reader, array, elements, n);
		return pf_hash_array(elements, n);
	}
	else
	{
		double		number;

		return pf_read_number_hash(reader, value, &number);
	}
}

/*
 * A value as a class label.  Independent of the session's settings: a model
 * trained under another DateStyle or extra_float_digits has the same classes.
 */
char *
pf_read_label(PfReader *reader, Datum value)
{
	char		digits[MAXINT8LEN + 1];
	const char *bytes;
	size_t		length;

	switch (reader->base)
	{
		case INT2OID:
			pg_lltoa(DatumGetInt16(value), digits);
			return pstrdup(digits);
		case INT4OID:
			pg_lltoa(DatumGetInt32(value), digits);
			return pstrdup(digits);
		case INT8OID:
			pg_lltoa(DatumGetInt64(value), digits);
			return pstrdup(digits);
		case BOOLOID:
			return pstrdup(DatumGetBool(value) ? "true" : "false");
		case FLOAT4OID:
			return float_to_shortest_decimal(DatumGetFloat4(value) + 0.0f);
		case FLOAT8OID:
			return double_to_shortest_decimal(DatumGetFloat8(value) + 0.0);
		case NUMERICOID:
			return numeric_normalize(DatumGetNumeric(value));
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			{
				char	   *text = palloc(MAXDATELEN + 1);
				int			utc = 0;

				return JsonEncodeDateTime(text, value, reader->base,
										  reader->base == TIMESTAMPTZOID ? &utc : NULL);
			}
		default:
			length = pf_read_category(reader, value, &bytes);
			return pnstrdup(bytes, length);
	}
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Prepares the hash of a row over chosen columns, taken in the order of their names. */
void
pf_row_hasher_init(PfRowHasher *hasher, char *const *names, int n, TupleDesc desc)
{
	char	  **sorted = palloc(Max(n, 1) * sizeof(char *));

	if (n > 0)
		memcpy(sorted, names, n * sizeof(char *));
	qsort(sorted, n, sizeof(char *), compare_names);

	hasher->ncolumns = n;
	hasher->position = palloc(Max(n, 1) * sizeof(int));
	hasher->reader = palloc0(Max(n, 1) * sizeof(PfReader));
	for (int i = 0; i < n; i++)
	{
		Oid			type;
		int			position = 0;

		while (position < desc->natts &&
			   strcmp(NameStr(TupleDescAttr(desc, position)->attname), sorted[i]) != 0)
			position++;
		if (position == desc->natts)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of the row identity does not exist in the source",
							sorted[i])));
		type = TupleDescAttr(desc, position)->atttypid;
		if (!pf_reader_init(&hasher->reader[i], type))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of the row identity has type %s, which cannot be hashed",
							sorted[i], format_type_be(type))));
		hasher->position[i] = position;
	}
	pfree(sorted);
}

/* The hash of a row. */
uint64
pf_row_hash(PfRowHasher *hasher, Datum *values, bool *nulls)
{
	uint64		hash = PF_HASH_START;

	for (int i = 0; i < hasher->ncolumns; i++)
	{
		int			position = hasher->position[i];

		hash = pf_hash_combine(hash, pf_read_hash(&hasher->reader[i], values[position],
												  nulls[position]));
	}
	return hash;
}

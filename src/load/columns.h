/*
 * columns.h
 *	  SQL types as a model sees them: numbers, categories, arrays of numbers.
 *
 * The one place that knows how a Datum becomes a double or a category; training,
 * evaluation and prediction all use it, so they cannot differ.
 */
#ifndef PF_COLUMNS_H
#define PF_COLUMNS_H

#include "postgres.h"
#include "access/tupdesc.h"
#include "fmgr.h"
#include "engine/env.h"

typedef struct PfReader
{
	Oid			type;			/* as declared */
	Oid			base;			/* without domains; of an array: the array's base */
	Oid			element;		/* element type of an array, else InvalidOid */
	int16		elmlen;
	bool		elmbyval;
	char		elmalign;
	PfKind		kind;
	bool		by_value;		/* the Datum is the value, and not where it lies */
	bool		exact_float4;	/* every value is exact as a float4 (int2, float4, bool) */
	FmgrInfo	output;			/* for types that are read through their text */
} PfReader;

/*
 * How to read a type: fills *reader, or returns false when the type is neither
 * number nor category nor array of numbers.  smallint to numeric, float, boolean, date
 * and timestamps are numbers (date in days, timestamps in seconds, both since 2000-01-01);
 * text, varchar, char, name, enum, uuid are categories (char without its trailing blanks); domains as their base.
 */
extern bool pf_reader_init(PfReader *reader, Oid type);

/* A number; NaN for what has none (numeric NaN).  Not for arrays. */
extern double pf_read_number(const PfReader *reader, Datum value);

/*
 * A category's bytes.  *bytes points into the datum or into the current context.
 */
extern size_t pf_read_category(PfReader *reader, Datum value, const char **bytes);

/*
 * Elements of an array as doubles into out[max], NaN for NULL elements; returns the number of
 * elements the array has (which may be greater than max; then nothing is written).
 */
extern int	pf_read_array(const PfReader *reader, Datum value, double *out, int max);

/* The hash of a value in its canonical form (engine/bins/hash.h): numbers by number (integers by
 * integer), categories by bytes, arrays element by element. */
extern uint64 pf_read_hash(PfReader *reader, Datum value, bool isnull);

/* The parts of pf_read_hash, for those who have read the value already. */
extern uint64 pf_hash_category(const char *bytes, size_t length);
extern uint64 pf_hash_array(const double *elements, int n);
/* A scalar number and its hash at once. */
extern uint64 pf_read_number_hash(const PfReader *reader, Datum value, double *number);

/* The same of many, passed by value, each `stride` behind the one before; NaN for NULL. */
extern void pf_read_numbers(const PfReader *reader, const Datum *values, const bool *nulls,
							int stride, int n, double *numbers, uint64 *hashes);

/* A value as a class label: integers as digits, boolean as true/false, else the type's text. In the current context. */
extern char *pf_read_label(PfReader *reader, Datum value);

/* The hash of a row over chosen columns. */
typedef struct PfRowHasher
{
	int			ncolumns;
	int		   *position;		/* in the values array, in ascending order of the columns' names */
	PfReader   *reader;
} PfRowHasher;

/*
 * Prepares the hash of a row over names[n]; desc has the columns of the values
 * array, in its order.  A name that is not among them, or a type that cannot be
 * read, is an error.  Memory: the current context.
 */
extern void pf_row_hasher_init(PfRowHasher *hasher, char *const *names, int n, TupleDesc desc);
extern uint64 pf_row_hash(PfRowHasher *hasher, Datum *values, bool *nulls);

#endif							/* PF_COLUMNS_H */

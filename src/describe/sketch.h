/*
 * sketch.h
 *	  What ml_describe keeps of a column while its rows go by: bounded, and two of them merge.
 *
 * Exact whatever comes: the numbers of values and missing values, smallest, greatest, and the
 * sums of values and of squares, so that mean and standard deviation do not depend on the order
 * of rows or the number of processes.
 *
 * Exact up to `limit` distinct values, then approximate:
 *
 *	buckets		numbers by the order of their bits as doubles, cut off at `shift` bits from the end so that no
 *				more than `limit` buckets have a value.  The shift is a property of the set of
 *				values, so these do not depend on the order either.  Quantiles, histogram.
 *	frequent	values with a count that is too small by `dropped` at most, which is at most
 *				2 / limit of all values (Misra and Gries; merging as by Agarwal and others).
 *	registers	a HyperLogLog of 2^14 registers, read by Ertl's estimator: the number of distinct
 *				values with a standard error of 0.8 %.
 */
#ifndef PF_SKETCH_H
#define PF_SKETCH_H

#include "postgres.h"

#include "lib/stringinfo.h"

#include "engine/measure/exact.h"
#include "load/columns.h"

/* Texts are kept and shown up to so many bytes. */
#define PF_SKETCH_TEXT		100

typedef struct PfCount
{
	uint64		key;
	uint64		count;			/* 0: an empty slot */
	char	   *text;			/* of a category */
} PfCount;

typedef struct PfCounts
{
	uint32		nslots;			/* a power of two, or 0 */
	uint32		used;
	PfCount    *slots;
} PfCounts;

typedef struct PfSketch
{
	MemoryContext context;
	PfReader	reader;
	uint32		limit;
	int64		missing;		/* NULL, and NaN as in training */
	int64		values;

	/* numbers */
	PfExact		sum;
	PfExact		squares;
	bool		overflow;		/* of a square */
	int64		infinite[2];	/* below, above */
	double		least;
	double		greatest;
	int64		least_integer;	/* bigint, where a double is not exact */
	int64		greatest_integer;
	uint32		shift;
	PfCounts	buckets;

	/* categories; numbers once the buckets are no longer exact */
	PfCounts	frequent;
	uint64		dropped;
	uint8	   *registers;		/* NULL: as long as all is exact */

	/* categories */
	char	   *first;			/* smallest by bytes, and greatest */
	char	   *last;
} PfSketch;

extern PfSketch *pf_sketch_create(MemoryContext context, Oid type, uint32 limit);
extern void pf_sketch_add(PfSketch *sketch, Datum value, bool isnull);
extern void pf_sketch_merge(PfSketch *sketch, PfSketch *other);

extern void pf_sketch_write(PfSketch *sketch, StringInfo out);
extern PfSketch *pf_sketch_read(MemoryContext context, const char *data);

extern double pf_sketch_distinct(const PfSketch *sketch);

/* The slots in use, buckets by key and frequent values by count, the greatest first; palloc'd. */
extern PfCount **pf_sketch_buckets(const PfSketch *sketch);
extern PfCount **pf_sketch_frequent(const PfSketch *sketch, uint32 *n);

/* The number that the key of a frequent value stands for, or of a bucket while these are exact. */
extern double pf_sketch_number(const PfSketch *sketch, uint64 key);

/* The same of a bigint. */
extern int64 pf_sketch_integer(uint64 key);

/* The limits of a bucket; equal while buckets are exact. */
extern void pf_sketch_bucket(const PfSketch *sketch, uint64 key, double *low, double *high);

#endif							/* PF_SKETCH_H */

/*
 * sketch.c
 *	  The sketch of a column: values come in, sketches merge, answers go out.
 *
 * Memory: the context that it was made in, bounded by its limit.  Work on the whole of it is
 * done once in limit / 2 values at most, and takes less than a millisecond.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "describe/sketch.h"
#include "engine/bins/hash.h"
#include "mb/pg_wchar.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

#define REGISTER_BITS		14
#define REGISTERS			(1 << REGISTER_BITS)
#define TOP_BIT				(UINT64CONST(1) << 63)

/* ----- tables of counts ----- */

static PfCount *
find_slot(const PfCounts *counts, uint64 key)
{
	uint32		mask = counts->nslots - 1;
	uint32		i = (uint32) (pf_mix64(key) & mask);

	while (counts->slots[i].count > 0 && counts->slots[i].key != key)
		i = (i + 1) & mask;
	return &counts->slots[i];
}

static void
set_size(MemoryContext context, PfCounts *counts, uint32 nslots)
{
	PfCounts	old = *counts;

	counts->nslots = nslots;
	counts->slots = MemoryContextAllocZero(context, nslots * sizeof(PfCount));
	for (uint32 i = 0; i < old.nslots; i++)
		if (old.slots[i].count > 0)
			*find_slot(counts, old.slots[i].key) = old.slots[i];
	if (old.slots)
		pfree(old.slots);
}

/* Adds to a count; the slot is new when nothing was there. */
static PfCount *
count_key(MemoryContext context, PfCounts *counts, uint64 key, uint64 n)
{
	PfCount    *slot;

	if (counts->used * 4 >= counts->nslots * 3)
		set_size(context, counts, Max(counts->nslots * 2, 16));
	slot = find_slot(counts, key);
	if (slot->count == 0)
	{
		slot->key = key;
		slot->text = NULL;
		counts->used++;
	}
	slot->count += n;
	return slot;
}

static void
forget(PfCounts *counts)
{
	if (counts->slots)
		pfree(counts->slots);
	memset(counts, 0, sizeof(PfCounts));
}

static PfCount **
list_slots(const PfCounts *counts, int (*compare) (const void *, const void *))
{
	PfCount   **list = palloc(Max(counts->used, 1) * sizeof(PfCount *));
	uint32		n = 0;

	for (uint32 i = 0; i < counts->nslots; i++)
		if (counts->slots[i].count > 0)
			list[n++] = &counts->slots[i];
	qsort(list, n, sizeof(PfCount *), compare);
	return list;
}

static int
compare_keys(const void *a, const void *b)
{
	uint64		left = (*(PfCount *const *) a)->key;
	uint64		right = (*(PfCount *const *) b)->key;

	return left < right ? -1 : left > right;
}

/* The greatest first; equal counts by value, so that the answer is one. */
static int
compare_counts(const void *a, const void *b)
{
	const PfCount *left = *(PfCount *const *) a;
	const PfCount *right = *(PfCount *const *) b;

	if (left->count != right->count)
		return left->count > right->count ? -1 : 1;
	if (left->text != NULL && right->text != NULL && strcmp(left->text, right->text) != 0)
		return strcmp(left->text, right->text);
	return compare_keys(a, b);
}

/* ----- numbers in the order of their bits ----- */

static uint64
number_key(double value)
{
	uint64		bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits & TOP_BIT ? ~bits : bits | TOP_BIT;
}

static double
key_number(uint64 key)
{
	uint64		bits = key & TOP_BIT ? key & ~TOP_BIT : ~key;
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* A bigint as it is: a double does not hold each of them. */
static inline uint64
integer_key(int64 value)
{
	return (uint64) value ^ TOP_BIT;
}

int64
pf_sketch_integer(uint64 key)
{
	return (int64) (key ^ TOP_BIT);
}

double
pf_sketch_number(const PfSketch *sketch, uint64 key)
{
	return sketch->reader.base == INT8OID ? (double) pf_sketch_integer(key) : key_number(key);
}

/* ----- from exact to approximate ----- */

static void
register_key(PfSketch *sketch, uint64 key)
{
	uint64		hash = pf_mix64(key);
	uint8	   *at = &sketch->registers[hash >> (64 - REGISTER_BITS)];
	uint64		rest = hash << REGISTER_BITS | (UINT64CONST(1) << (REGISTER_BITS - 1));
	uint8		rank = 64 - pg_leftmost_one_pos64(rest);

	*at = Max(*at, rank);
}

/* Keeps the greater half of the frequent values, each less what the median of them has. */
static void
thin_frequent(PfSketch *sketch)
{
	PfCounts   *counts = &sketch->frequent;
	PfCounts	kept = {0};
	PfCount   **list;
	uint64		median;

	if (counts->used <= sketch->limit)
		return;
	list = list_slots(counts, compare_counts);
	median = list[counts->used / 2]->count;
	for (uint32 i = 0; i < counts->used; i++)
	{
		if (list[i]->count > median)
			count_key(sketch->context, &kept, list[i]->key, list[i]->count - median)->text = list[i]->text;
		else if (list[i]->text != NULL)
			pfree(list[i]->text);
	}
	pfree(list);
	forget(counts);
	*counts = kept;
	sketch->dropped += median;
}

/*
 * From here on values are not all known: those that were go into what takes their place, and
 * buckets are of doubles whatever the type.
 */
static void
become_approximate(PfSketch *sketch)
{
	PfCounts   *counts = sketch->reader.kind == PF_CATEGORY ? &sketch->frequent : &sketch->buckets;
	PfCounts	doubles = {0};

	if (sketch->registers != NULL)
		return;
	sketch->registers = MemoryContextAllocZero(sketch->context, REGISTERS);
	for (uint32 i = 0; i < counts->nslots; i++)
	{
		const PfCount *slot = &counts->slots[i];

		if (slot->count == 0)
			continue;
		register_key(sketch, slot->key);
		if (counts == &sketch->frequent)
			continue;
		count_key(sketch->context, &sketch->frequent, slot->key, slot->count);
		count_key(sketch->context, &doubles, number_key(pf_sketch_number(sketch, slot->key)), slot->count);
	}
	if (counts == &sketch->buckets)
	{
		forget(counts);
		*counts = doubles;
	}
	thin_frequent(sketch);
}

static void
shift_buckets(PfSketch *sketch, uint32 shift)
{
	PfCounts	old = sketch->buckets;

	if (shift == sketch->shift)
		return;
	memset(&sketch->buckets, 0, sizeof(PfCounts));
	for (uint32 i = 0; i < old.nslots; i++)
		if (old.slots[i].count > 0)
			count_key(sketch->context, &sketch->buckets,
					  old.slots[i].key >> (shift - sketch->shift), old.slots[i].count);
	forget(&old);
	sketch->shift = shift;
}

/* The smallest shift at which no more buckets than allowed have a value. */
static void
widen_buckets(PfSketch *sketch)
{
	PfCount   **list;
	uint32		apart[65] = {0};	/* neighbours, by the shift that makes them one */
	uint32		n;
	uint32		more = 0;

	if (sketch->buckets.used <= sketch->limit)
		return;
	become_approximate(sketch);
	n = sketch->buckets.used;
	list = list_slots(&sketch->buckets, compare_keys);
	for (uint32 i = 1; i < n; i++)
		apart[pg_leftmost_one_pos64(list[i]->key ^ list[i - 1]->key) + 1]++;
	pfree(list);
	while (n > sketch->limit)
		n -= apart[++more];
	shift_buckets(sketch, sketch->shift + more);
}

/* ----- values come in ----- */

PfSketch *
pf_sketch_create(MemoryContext context, Oid type, uint32 limit)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	PfSketch   *sketch = palloc0(sizeof(PfSketch));

	sketch->context = context;
	sketch->limit = limit;
	sketch->least = INFINITY;
	sketch->greatest = -INFINITY;
	sketch->least_integer = PG_INT64_MAX;
	sketch->greatest_integer = PG_INT64_MIN;
	if (!pf_reader_init(&sketch->reader, type) || OidIsValid(sketch->reader.element))
		elog(ERROR, "type %u cannot be described", type);
	MemoryContextSwitchTo(caller);
	return sketch;
}

static void
add_number(PfSketch *sketch, double value, uint64 key)
{
	sketch->least = Min(sketch->least, value);
	sketch->greatest = Max(sketch->greatest, value);
	if (isinf(value))
		sketch->infinite[value > 0]++;
	else
	{
		double		square = value * value;

		pf_exact_add(&sketch->sum, value);
		if (isinf(square))
			sketch->overflow = true;
		else
		{
			pf_exact_add(&sketch->squares, square);
			pf_exact_add(&sketch->squares, fma(value, value, -square));
		}
	}

	if (sketch->registers == NULL)
		count_key(sketch->context, &sketch->buckets, key, 1);
	else
	{
		count_key(sketch->context, &sketch->buckets, number_key(value) >> sketch->shift, 1);
		register_key(sketch, key);
		count_key(sketch->context, &sketch->frequent, key, 1);
		thin_frequent(sketch);
	}
	widen_buckets(sketch);
}

/* A category's first bytes, whole characters of them. */
static char *
keep_text(PfSketch *sketch, const char *bytes, size_t length)
{
	size_t		shown = Min(length, 4 * PF_SKETCH_TEXT);
	char	   *text;

	shown = pg_mbcliplen(bytes, (int) shown, PF_SKETCH_TEXT);
	text = MemoryContextAlloc(sketch->context, shown + 1);
	memcpy(text, bytes, shown);
	text[shown] = '\0';
	return text;
}

static void
note_ends(PfSketch *sketch, const char *text)
{
	if (sketch->first == NULL || strcmp(text, sketch->first) < 0)
		sketch->first = MemoryContextStrdup(sketch->context, text);
	if (sketch->last == NULL || strcmp(text, sketch->last) > 0)
		sketch->last = MemoryContextStrdup(sketch->context, text);
}

static void
add_category(PfSketch *sketch, const char *bytes, size_t length)
{
	uint64		key = pf_hash_category(bytes, length);
	PfCount    *slot = count_key(sketch->context, &sketch->frequent, key, 1);

	if (sketch->registers != NULL)
		register_key(sketch, key);
	if (slot->text != NULL)
		return;
	slot->text = keep_text(sketch, bytes, length);
	note_ends(sketch, slot->text);
	if (sketch->frequent.used > sketch->limit)
	{
		become_approximate(sketch);
		thin_frequent(sketch);
	}
}

/* Runs in a context that is emptied after the row. */
void
pf_sketch_add(PfSketch *sketch, Datum value, bool isnull)
{
	if (isnull)
		sketch->missing++;
	else if (sketch->reader.kind == PF_CATEGORY)
	{
		const char *bytes;
		size_t		length = pf_read_category(&sketch->reader, value, &bytes);

		sketch->values++;
		add_category(sketch, bytes, length);
	}
	else
	{
		double		number = pf_read_number(&sketch->reader, value) + 0.0;	/* -0 becomes 0 */

		if (isnan(number))
		{
			sketch->missing++;
			return;
		}
		sketch->values++;
		if (sketch->reader.base == INT8OID)
		{
			sketch->least_integer = Min(sketch->least_integer, DatumGetInt64(value));
			sketch->greatest_integer = Max(sketch->greatest_integer, DatumGetInt64(value));
			add_number(sketch, number, integer_key(DatumGetInt64(value)));
		}
		else
			add_number(sketch, number, number_key(number));
	}
}

/* ----- merging ----- */

static void
merge_counts(PfSketch *sketch, PfCounts *to, const PfCounts *from)
{
	for (uint32 i = 0; i < from->nslots; i++)
	{
		const PfCount *slot = &from->slots[i];
		PfCount    *kept;

		if (slot->count == 0)
			continue;
		kept = count_key(sketch->context, to, slot->key, slot->count);
		if (kept->text == NULL && slot->text != NULL)
			kept->text = MemoryContextStrdup(sketch->context, slot->text);
	}
}

/* Adds another's values; the other is of no use afterwards. */
void
pf_sketch_merge(PfSketch *sketch, PfSketch *other)
{
	sketch->missing += other->missing;
	sketch->values += other->values;
	if (sketch->registers != NULL || other->registers != NULL)
	{
		become_approximate(sketch);
		become_approximate(other);
		for (int i = 0; i < REGISTERS; i++)
			sketch->registers[i] = Max(sketch->registers[i], other->registers[i]);
	}

	sketch->dropped += other->dropped;
	merge_counts(sketch, &sketch->frequent, &other->frequent);
	if (sketch->reader.kind == PF_CATEGORY)
	{
		if (other->first != NULL)
		{
			note_ends(sketch, other->first);
			note_ends(sketch, other->last);
		}
		if (sketch->frequent.used > sketch->limit)
			become_approximate(sketch);
		thin_frequent(sketch);
		return;
	}
	thin_frequent(sketch);

	pf_exact_merge(&sketch->sum, &other->sum);
	pf_exact_merge(&sketch->squares, &other->squares);
	sketch->overflow |= other->overflow;
	for (int i = 0; i < 2; i++)
		sketch->infinite[i] += other->infinite[i];
	sketch->least = Min(sketch->least, other->least);
	sketch->greatest = Max(sketch->greatest, other->greatest);
	sketch->least_integer = Min(sketch->least_integer, other->least_integer);
	sketch->greatest_integer = Max(sketch->greatest_integer, other->greatest_integer);
	shift_buckets(sketch, Max(sketch->shift, other->shift));
	shift_buckets(other, sketch->shift);
	merge_counts(sketch, &sketch->buckets, &other->buckets);
	widen_buckets(sketch);
}

/* ----- as bytes, from process to process ----- */

static void
write_text(StringInfo out, const char *text)
{
	appendStringInfoChar(out, text != NULL);
	if (text != NULL)
		appendBinaryStringInfo(out, text, strlen(text) + 1);
}

static char *
read_text(MemoryContext context, const char **data)
{
	char	   *text = NULL;

	if (*(*data)++ != 0)
	{
		text = MemoryContextStrdup(context, *data);
		*data += strlen(*data) + 1;
	}
	return text;
}

static void
write_counts(StringInfo out, const PfCounts *counts)
{
	appendBinaryStringInfo(out, (const char *) &counts->used, sizeof(uint32));
	for (uint32 i = 0; i < counts->nslots; i++)
	{
		const PfCount *slot = &counts->slots[i];

		if (slot->count == 0)
			continue;
		appendBinaryStringInfo(out, (const char *) &slot->key, sizeof(uint64));
		appendBinaryStringInfo(out, (const char *) &slot->count, sizeof(uint64));
		write_text(out, slot->text);
	}
}

static void
read_counts(MemoryContext context, PfCounts *counts, const char **data)
{
	uint32		used;

	memset(counts, 0, sizeof(PfCounts));
	memcpy(&used, *data, sizeof(uint32));
	*data += sizeof(uint32);
	while (used-- > 0)
	{
		uint64		pair[2];

		memcpy(pair, *data, sizeof(pair));
		*data += sizeof(pair);
		count_key(context, counts, pair[0], pair[1])->text = read_text(context, data);
	}
}

void
pf_sketch_write(PfSketch *sketch, StringInfo out)
{
	PfSketch	plain = *sketch;

	/* no pointers */
	memset(&plain.reader, 0, sizeof(PfReader));
	plain.reader.type = sketch->reader.type;
	plain.context = NULL;
	plain.buckets.slots = plain.frequent.slots = NULL;
	plain.registers = NULL;
	plain.first = plain.last = NULL;
	appendBinaryStringInfo(out, (const char *) &plain, sizeof(PfSketch));
	appendStringInfoChar(out, sketch->registers != NULL);
	write_counts(out, &sketch->buckets);
	write_counts(out, &sketch->frequent);
	if (sketch->registers != NULL)
		appendBinaryStringInfo(out, (const char *) sketch->registers, REGISTERS);
	write_text(out, sketch->first);
	write_text(out, sketch->last);
}

/* Of what pf_sketch_write wrote, in this server. */
PfSketch *
pf_sketch_read(MemoryContext context, const char *data)
{
	PfSketch   *sketch = MemoryContextAlloc(context, sizeof(PfSketch));
	MemoryContext caller = MemoryContextSwitchTo(context);
	bool		approximate;

	memcpy(sketch, data, sizeof(PfSketch));
	data += sizeof(PfSketch);
	approximate = *data++ != 0;
	sketch->context = context;
	pf_reader_init(&sketch->reader, sketch->reader.type);
	read_counts(context, &sketch->buckets, &data);
	read_counts(context, &sketch->frequent, &data);
	if (approximate)
	{
		sketch->registers = palloc(REGISTERS);
		memcpy(sketch->registers, data, REGISTERS);
		data += REGISTERS;
	}
	sketch->first = read_text(context, &data);
	sketch->last = read_text(context, &data);
	MemoryContextSwitchTo(caller);
	return sketch;
}

/* ----- answers ----- */

/* What no register has seen, in the estimator. */
static double
sigma(double x)
{
	double		y = 1;
	double		z = x;
	double		before;

	if (x == 1)
		return INFINITY;
	do
	{
		x *= x;
		before = z;
		z += x * y;
		y += y;
	} while (z != before);
	return z;
}

/* What registers can no longer tell apart. */
static double
tau(double x)
{
	double		y = 1;
	double		z = 1 - x;
	double		before;

	if (x == 0 || x == 1)
		return 0;
	do
	{
		x = sqrt(x);
		before = z;
		y /= 2;
		z -= (1 - x) * (1 - x) * y;
	} while (z != before);
	return z / 3;
}

/* Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), section 4. */
static double
estimate_distinct(const uint8 *registers)
{
	int			last = 64 - REGISTER_BITS;
	uint32		having[66] = {0};
	double		z;

	for (int i = 0; i < REGISTERS; i++)
		having[registers[i]]++;
	z = REGISTERS * tau(1 - (double) having[last + 1] / REGISTERS);
	for (int k = last; k >= 1; k--)
		z = (z + having[k]) / 2;
	z += REGISTERS * sigma((double) having[0] / REGISTERS);
	return (double) REGISTERS * REGISTERS / (2 * M_LN2 * z);
}

double
pf_sketch_distinct(const PfSketch *sketch)
{
	if (sketch->registers != NULL)
		return Min(rint(estimate_distinct(sketch->registers)), (double) sketch->values);
	return sketch->reader.kind == PF_CATEGORY ? sketch->frequent.used : sketch->buckets.used;
}

PfCount **
pf_sketch_buckets(const PfSketch *sketch)
{
	return list_slots(&sketch->buckets, compare_keys);
}

PfCount **
pf_sketch_frequent(const PfSketch *sketch, uint32 *n)
{
	const PfCounts *counts = sketch->registers != NULL || sketch->reader.kind == PF_CATEGORY ?
		&sketch->frequent : &sketch->buckets;

	*n = counts->used;
	return list_slots(counts, compare_counts);
}

void
pf_sketch_bucket(const PfSketch *sketch, uint64 key, double *low, double *high)
{
	uint64		width = (UINT64CONST(1) << sketch->shift) - 1;

	if (sketch->registers == NULL)
	{
		*low = *high = pf_sketch_number(sketch, key);
		return;
	}
	*low = Max(key_number(key << sketch->shift), sketch->least);
	*high = Min(key_number((key << sketch->shift) | width), sketch->greatest);
}

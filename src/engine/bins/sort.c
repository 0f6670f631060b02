/*
 * sort.c
 *	  Radix sorts for 64-bit keys, and a merge sort for everything else.
 *
 * The radix sorts look only at the bits in which the keys differ: small
 * integers held as doubles differ in a handful of them, so a column of pixels
 * takes two passes, not eight.  Of many bits the first ones tell nearly all keys apart: three
 * passes over those, and the few that they leave in disorder are inserted where they belong.
 * Should they not be few, all bits are gone through.
 */
#include "engine/bins/sort.h"

#include <string.h>

#define DIGIT_BITS	10
#define DIGITS		(1 << DIGIT_BITS)
#define MOST_DIGITS ((64 + DIGIT_BITS - 1) / DIGIT_BITS)
#define FIRST_BITS	(3 * DIGIT_BITS)
#define PIECE		65536		/* elements between two checks */
#define MOST_MOVES	4000000		/* of elements out of order, between two checks */
#define RUN			16			/* shorter runs are sorted by insertion */
#define MERGE_PIECE	4096		/* comparisons between two checks */

#define KEY_OF_WORD(x)	(x)
#define KEY_OF_ITEM(x)	((x).key)

/* Where the digits begin that cover these bits, the lowest first; returns how many. */
static int
find_digits(uint64_t bits, int *shift)
{
	int			n = 0;

	for (int at = 0; at < 64 && (bits >> at) != 0;)
	{
		if (((bits >> at) & 1) == 0)
		{
			at++;
			continue;
		}
		shift[n++] = at;
		at += DIGIT_BITS;
	}
	return n;
}

/*
 * sort_digits_*: by the digits of `bits`, least significant first; the result is in data or in other, which
 * is scratch of the same size.
 * settle_*: from nearly sorted elements to sorted ones, which may be the same array; false when they
 * are too much in disorder, and then are all there still, equal ones in their order.
 * sort_*: by all bits of `varying`, which are some; the result is in data.
 */
#define DEFINE_RADIX_SORT(name, type, KEY) \
static type * \
sort_digits_##name(const PfEnv *env, type *data, type *other, size_t n, uint64_t bits) \
{ \
	int			shift[MOST_DIGITS]; \
	int			ndigits = find_digits(bits, shift); \
	uint32_t  (*place)[DIGITS] = pf_alloc(env, ndigits * sizeof(uint32_t[DIGITS])); \
 \
	memset(place, 0, ndigits * sizeof(place[0])); \
	for (size_t start = 0; start < n; start += PIECE) \
	{ \
		size_t		end = n - start < PIECE ? n : start + PIECE; \
 \
		pf_check(env); \
		for (size_t i = start; i < end; i++) \
		{ \
			uint64_t	key = KEY(data[i]); \
 \
			for (int d = 0; d < ndigits; d++) \
				place[d][(key >> shift[d]) & (DIGITS - 1)]++; \
		} \
	} \
	for (int d = 0; d < ndigits; d++) \
	{ \
		uint32_t	sum = 0; \
		type	   *swap = data; \
 \
		for (int digit = 0; digit < DIGITS; digit++) \
		{ \
			uint32_t	count = place[d][digit]; \
 \
			place[d][digit] = sum; \
			sum += count; \
		} \
		for (size_t start = 0; start < n; start += PIECE) \
		{ \
			size_t		end = n - start < PIECE ? n : start + PIECE; \
 \
			pf_check(env); \
			for (size_t i = start; i < end; i++) \
				other[place[d][(KEY(data[i]) >> shift[d]) & (DIGITS - 1)]++] = data[i]; \
		} \
		data = other; \
		other = swap; \
	} \
	pf_release(env, place); \
	return data; \
} \
 \
static bool \
settle_##name(const PfEnv *env, const type *from, type *to, size_t n) \
{ \
	size_t		moves = 0; \
	size_t		most = n < MOST_MOVES ? n : MOST_MOVES; \
 \
	for (size_t i = 0; i < n; i++) \
	{ \
		type		moving = from[i]; \
		size_t		place = i; \
 \
		if (i % PIECE == 0) \
			pf_check(env); \
		for (; place > 0 && moves <= most && KEY(moving) < KEY(to[place - 1]); place--) \
		{ \
			to[place] = to[place - 1]; \
			moves++; \
		} \
		to[place] = moving; \
	} \
	return moves <= most; \
} \
 \
static void \
sort_##name(const PfEnv *env, type *data, type *other, size_t n, uint64_t varying) \
{ \
	int			nbits = 64 - __builtin_clzll(varying); \
	uint64_t	bits = nbits > FIRST_BITS ? varying >> (nbits - FIRST_BITS) << (nbits - FIRST_BITS) \
		: varying; \
	type	   *sorted = sort_digits_##name(env, data, other, n, bits); \
 \
	if (bits != varying) \
	{ \
		if (settle_##name(env, sorted, data, n)) \
			return; \
		sorted = sort_digits_##name(env, data, other, n, varying); \
	} \
	if (sorted != data) \
		pf_copy(env, data, sorted, n * sizeof(type)); \
}

DEFINE_RADIX_SORT(words, uint64_t, KEY_OF_WORD)
DEFINE_RADIX_SORT(items, PfItem, KEY_OF_ITEM)

/* A double as a word that orders as it does. */
static inline uint64_t
ordered_bits(double value)
{
	uint64_t	bits;

	value += 0.0;				/* -0 becomes 0 */
	memcpy(&bits, &value, sizeof(bits));
	return bits ^ ((bits >> 63) ? UINT64_MAX : UINT64_C(1) << 63);
}

static inline double
from_ordered_bits(uint64_t word)
{
	uint64_t	bits = word ^ ((word >> 63) ? UINT64_C(1) << 63 : UINT64_MAX);
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* Numbers ascending, in place. */
void
pf_sort_numbers(const PfEnv *env, double *values, size_t n)
{
	uint64_t   *words;
	uint64_t	any = 0;
	uint64_t	all = UINT64_MAX;

	if (n == 0)
		return;
	words = pf_alloc(env, 2 * n * sizeof(uint64_t));
	for (size_t i = 0; i < n; i++)
	{
		if (i % PIECE == 0)
			pf_check(env);
		words[i] = ordered_bits(values[i]);
		any |= words[i];
		all &= words[i];
	}
	if (any != all)
		sort_words(env, words, words + n, n, any ^ all);
	for (size_t i = 0; i < n; i++)
	{
		if (i % PIECE == 0)
			pf_check(env);
		values[i] = from_ordered_bits(words[i]);
	}
	pf_release(env, words);
}

/* Items ascending by key, in place. */
void
pf_sort_items(const PfEnv *env, PfItem *items, size_t n)
{
	PfItem	   *scratch;
	uint64_t	any = 0;
	uint64_t	all = UINT64_MAX;

	if (n < 2)
		return;
	for (size_t i = 0; i < n; i++)
	{
		if (i % PIECE == 0)
			pf_check(env);
		any |= items[i].key;
		all &= items[i].key;
	}
	if (any == all)
		return;
	scratch = pf_alloc(env, n * sizeof(PfItem));
	sort_items(env, items, scratch, n, any ^ all);
	pf_release(env, scratch);
}

/* Merges two neighbouring sorted runs of from into to. */
static void
merge_runs(const PfEnv *env, const uint32_t *from, uint32_t *to,
		   size_t start, size_t middle, size_t end, PfCompare compare, const void *arg)
{
	size_t		left = start;
	size_t		right = middle;

	for (size_t out = start; out < end; out++)
	{
		if (out % MERGE_PIECE == 0)
			pf_check(env);
		if (left < middle &&
			(right >= end || compare(from[left], from[right], arg) <= 0))
			to[out] = from[left++];
		else
			to[out] = from[right++];
	}
}

/* Sorts a short run in place by insertion. */
static void
insert_run(uint32_t *run, size_t n, PfCompare compare, const void *arg)
{
	for (size_t i = 1; i < n; i++)
	{
		uint32_t	moving = run[i];
		size_t		place = i;

		for (; place > 0 && compare(run[place - 1], moving, arg) > 0; place--)
			run[place] = run[place - 1];
		run[place] = moving;
	}
}

/* Indexes by a comparison: a bottom-up merge sort. */
void
pf_sort_indexes(const PfEnv *env, uint32_t *indexes, size_t n,
				PfCompare compare, const void *arg)
{
	uint32_t   *scratch;
	uint32_t   *from = indexes;
	uint32_t   *to;

	for (size_t start = 0; start < n; start += RUN)
	{
		if (start % MERGE_PIECE == 0)
			pf_check(env);
		insert_run(indexes + start, n - start < RUN ? n - start : RUN, compare, arg);
	}
	if (n <= RUN)
		return;

	scratch = pf_alloc(env, n * sizeof(uint32_t));
	to = scratch;
	for (size_t width = RUN; width < n; width *= 2)
	{
		uint32_t   *swap;

		for (size_t start = 0; start < n; start += 2 * width)
		{
			size_t		middle = n - start < width ? n : start + width;
			size_t		end = n - start < 2 * width ? n : start + 2 * width;

			merge_runs(env, from, to, start, middle, end, compare, arg);
		}
		swap = from;
		from = to;
		to = swap;
	}
	if (from != indexes)
		pf_copy(env, indexes, from, n * sizeof(uint32_t));
	pf_release(env, scratch);
}

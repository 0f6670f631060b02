/*
 * sort.c
 *	  Radix sorts for 64-bit keys, and a merge sort for everything else.
 *
 * The radix sorts look only at the bits in which the keys differ: small
 * integers held as doubles differ in a handful of them, so a column of pixels
 * takes two passes, not eight.
 */
#include "engine/bins/sort.h"

#include <string.h>

#define DIGIT_BITS	11
#define DIGITS		(1 << DIGIT_BITS)
#define PIECE		65536		/* elements between two checks */
#define RUN			16			/* shorter runs are sorted by insertion */
#define MERGE_PIECE	4096		/* comparisons between two checks */

#define KEY_OF_WORD(x)	(x)
#define KEY_OF_ITEM(x)	((x).key)

/*
 * name(): least significant digit first, over the bits of `varying`.  Leaves the
 * result in data; other is scratch of the same size.
 */
#define DEFINE_RADIX_SORT(name, type, KEY) \
static void \
name(const PfEnv *env, type *data, type *other, size_t n, uint64_t varying) \
{ \
	type	   *from = data; \
	type	   *to = other; \
	size_t	   *place = pf_alloc(env, DIGITS * sizeof(size_t)); \
	int			shift = 0; \
 \
	while (shift < 64 && (varying >> shift) != 0) \
	{ \
		type	   *swap; \
		size_t		sum = 0; \
 \
		if (((varying >> shift) & 1) == 0) \
		{ \
			shift++; \
			continue; \
		} \
		memset(place, 0, DIGITS * sizeof(size_t)); \
		for (size_t start = 0; start < n; start += PIECE) \
		{ \
			size_t		end = n - start < PIECE ? n : start + PIECE; \
 \
			pf_check(env); \
			for (size_t i = start; i < end; i++) \
				place[(KEY(from[i]) >> shift) & (DIGITS - 1)]++; \
		} \
		for (int digit = 0; digit < DIGITS; digit++) \
		{ \
			size_t		count = place[digit]; \
 \
			place[digit] = sum; \
			sum += count; \
		} \
		for (size_t start = 0; start < n; start += PIECE) \
		{ \
			size_t		end = n - start < PIECE ? n : start + PIECE; \
 \
			pf_check(env); \
			for (size_t i = start; i < end; i++) \
				to[place[(KEY(from[i]) >> shift) & (DIGITS - 1)]++] = from[i]; \
		} \
		swap = from; \
		from = to; \
		to = swap; \
		shift += DIGIT_BITS; \
	} \
	if (from != data) \
		pf_copy(env, data, from, n * sizeof(type)); \
	pf_release(env, place); \
}

DEFINE_RADIX_SORT(sort_words, uint64_t, KEY_OF_WORD)
DEFINE_RADIX_SORT(sort_items, PfItem, KEY_OF_ITEM)

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

/*
 * test_bins.c
 *	  Hashes, sorts, cut points and bin maps.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "engine/bins/binmap.h"
#include "engine/bins/cuts.h"
#include "engine/bins/hash.h"
#include "engine/bins/sort.h"

static void
test_hash(void)
{
	uint64_t	state = 1;
	int			held_out = 0;
	char		bytes[40];

	/* one canonical form for each value */
	CHECK(pf_hash_number(5.0) == pf_hash_int64(5));
	CHECK(pf_hash_number(-5.0) == pf_hash_int64(-5));
	CHECK(pf_hash_number(-0.0) == pf_hash_int64(0));
	CHECK(pf_hash_number(9007199254740991.0) == pf_hash_int64(INT64_C(9007199254740991)));
	CHECK(pf_hash_number(NAN) == pf_hash_number(-NAN));
	CHECK(pf_hash_number((double) 0.1f) != pf_hash_number(0.1));
	CHECK(pf_hash_number(INFINITY) != pf_hash_number(-INFINITY));
	CHECK(pf_hash_number(9223372036854775808.0) != pf_hash_number(-9223372036854775808.0));
	CHECK(pf_hash_number(1e300) != pf_hash_number(2e300));
	CHECK(pf_hash_number(5.0) != PF_HASH_NULL);

	/* every byte and the length count */
	memset(bytes, 0, sizeof(bytes));
	for (size_t n = 0; n < sizeof(bytes); n++)
	{
		uint64_t	hash = pf_hash_bytes(bytes, n);

		CHECK(hash != pf_hash_bytes(bytes, n + 1));
		for (size_t i = 0; i < n; i++)
		{
			bytes[i] = 1;
			CHECK(hash != pf_hash_bytes(bytes, n));
			bytes[i] = 0;
		}
	}
	CHECK(pf_hash_combine(pf_hash_combine(PF_HASH_START, 1), 2) !=
		  pf_hash_combine(pf_hash_combine(PF_HASH_START, 2), 1));

	/* one purpose follows from another, without the hash itself */
	for (int i = 0; i < 1000; i++)
	{
		uint64_t	hash = i < 2 ? (uint64_t) -i : unit_random(&state);

		if (pf_unmix64(pf_mix64(hash)) != hash || pf_mix64(pf_unmix64(hash)) != hash)
			CHECK(!"mixed and not unmixed");
		if (pf_repurpose(pf_purpose(hash, PF_FOR_ORDER), PF_FOR_ORDER, PF_FOR_FOLD) !=
			pf_purpose(hash, PF_FOR_FOLD))
			CHECK(!"another purpose, another hash");
	}

	/* the split takes its share, and a smaller share is part of a larger one */
	for (int i = 0; i < 100000; i++)
	{
		uint64_t	hash = unit_random(&state);

		held_out += pf_is_held_out(hash, 0.2);
		if (pf_is_held_out(hash, 0.1) && !pf_is_held_out(hash, 0.2))
			CHECK(!"held out at 0.1 but not at 0.2");
		if (pf_is_held_out(hash, 0))
			CHECK(!"held out at 0");
	}
	CHECK_NEAR(held_out / 100000.0, 0.2, 0.01);
}

static int
compare_values(uint32_t a, uint32_t b, const void *arg)
{
	const int  *values = arg;

	return values[a] < values[b] ? -1 : values[a] > values[b];
}

static void
test_sort(void)
{
	static const size_t sizes[] = {0, 1, 2, 16, 17, 33, 1000, 70001};
	const PfEnv *env = unit_env();
	uint64_t	state = 2;

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
	{
		size_t		n = sizes[s];
		double	   *numbers = pf_alloc(env, (n + 1) * sizeof(double));
		PfItem	   *items = pf_alloc(env, (n + 1) * sizeof(PfItem));
		uint32_t   *indexes = pf_alloc(env, (n + 1) * sizeof(uint32_t));
		int		   *values = pf_alloc(env, (n + 1) * sizeof(int));
		bool		ascending = true;

		for (size_t i = 0; i < n; i++)
		{
			numbers[i] = (unit_uniform(&state) - 0.5) * pow(10, (double) (unit_random(&state) % 40) - 20);
			if (i % 100 == 7)
				numbers[i] = i % 200 == 7 ? INFINITY : -INFINITY;
			if (i % 50 == 3)
				numbers[i] = i % 100 == 3 ? 0.0 : -0.0;
			items[i].key = unit_random(&state) >> (s % 2 == 0 ? 0 : 60);
			items[i].index = (uint32_t) i;
			values[i] = (int) (unit_random(&state) % 100);
			indexes[i] = (uint32_t) i;
		}
		pf_sort_numbers(env, numbers, n);
		pf_sort_items(env, items, n);
		pf_sort_indexes(env, indexes, n, compare_values, values);
		for (size_t i = 1; i < n; i++)
		{
			ascending &= numbers[i - 1] <= numbers[i];
			ascending &= items[i - 1].key < items[i].key ||
				(items[i - 1].key == items[i].key && items[i - 1].index < items[i].index);
			ascending &= values[indexes[i - 1]] < values[indexes[i]] ||
				(values[indexes[i - 1]] == values[indexes[i]] && indexes[i - 1] < indexes[i]);
		}
		CHECK(ascending);
		pf_release(env, numbers);
		pf_release(env, items);
		pf_release(env, indexes);
		pf_release(env, values);
	}
}

/* The first bits of the keys tell hardly any apart, and all bits vary: every digit is gone through. */
static void
test_crowded(void)
{
	static const uint64_t high[] = {0, UINT64_C(1) << 63};
	const PfEnv *env = unit_env();
	const size_t n = 20000;
	double	   *numbers = pf_alloc(env, n * sizeof(double));
	PfItem	   *items = pf_alloc(env, n * sizeof(PfItem));
	uint64_t	state = 3;
	double		sum = 0,
				sum_after = 0;
	bool		ascending = true;

	for (size_t i = 0; i < n; i++)
	{
		items[i].key = high[i % 2] | (unit_random(&state) >> 31);
		items[i].index = (uint32_t) i;
		numbers[i] = (i % 2 == 0 ? 1 : -1) * (1 + ldexp((double) (unit_random(&state) >> 44), -52));
		sum += fabs(numbers[i]);
	}
	pf_sort_numbers(env, numbers, n);
	pf_sort_items(env, items, n);
	for (size_t i = 0; i < n; i++)
	{
		sum_after += fabs(numbers[i]);
		if (i == 0)
			continue;
		ascending &= numbers[i - 1] <= numbers[i];
		ascending &= items[i - 1].key < items[i].key ||
			(items[i - 1].key == items[i].key && items[i - 1].index < items[i].index);
	}
	CHECK(ascending);
	CHECK_NEAR(sum_after, sum, 1e-6);
	unit_release_all();
}

static void
test_few_values(void)
{
	const PfEnv *env = unit_env();
	double		values[] = {3, 1, 2, 2, 3, 1, 1};
	double		edges[] = {INFINITY, -INFINITY, 0, DBL_MAX, -DBL_MAX, DBL_TRUE_MIN,
		-DBL_TRUE_MIN, 1, nextafter(1, 2), nextafter(1, 0), -0.0};
	double		sorted[sizeof(edges) / sizeof(edges[0])];
	size_t		n = sizeof(edges) / sizeof(edges[0]);
	PfBins		bins = {0};

	pf_cut_numbers(env, values, 7, 255, &bins);
	CHECK_INT(bins.nbins, 3);
	CHECK_DOUBLE(bins.cuts[0], 1.5);
	CHECK_DOUBLE(bins.cuts[1], 2.5);
	CHECK_INT(pf_bin_number(&bins, 1.5), 0);
	CHECK_INT(pf_bin_number(&bins, 1.6), 1);
	CHECK_INT(pf_bin_number(&bins, -INFINITY), 0);
	CHECK_INT(pf_bin_number(&bins, INFINITY), 2);
	CHECK_INT(pf_bin_number(&bins, NAN), PF_MISSING_BIN);
	pf_release(env, bins.cuts);

	/* neighbouring doubles and infinities each have a bin, in order */
	memcpy(sorted, edges, sizeof(edges));
	pf_cut_numbers(env, sorted, n, 255, &bins);
	CHECK_INT(bins.nbins, n - 1);	/* 0 and -0 are one value */
	for (uint32_t i = 0; i < bins.nbins; i++)
		CHECK_INT(pf_bin_number(&bins, sorted[i]), i);
	for (uint32_t i = 0; i + 1 < bins.nbins; i++)
		CHECK(sorted[i] <= bins.cuts[i] && bins.cuts[i] < sorted[i + 1]);
	pf_release(env, bins.cuts);

	pf_cut_numbers(env, values, 0, 255, &bins);
	CHECK_INT(bins.nbins, 0);
	CHECK(bins.cuts == NULL);
	CHECK_INT(pf_bin_number(&bins, 1), PF_MISSING_BIN);

	values[0] = 7;
	pf_cut_numbers(env, values, 1, 2, &bins);
	CHECK_INT(bins.nbins, 1);
	CHECK(bins.cuts == NULL);
	CHECK_INT(pf_bin_number(&bins, -1e9), 0);
}

/* Bins of many values: how many, how full, and the same whatever the order. */
static void
check_many(size_t n, uint32_t max_bins, double zeros, uint64_t seed)
{
	const PfEnv *env = unit_env();
	uint64_t	state = seed;
	double	   *values = pf_alloc(env, n * sizeof(double));
	double	   *other = pf_alloc(env, n * sizeof(double));
	size_t		count[PF_MAX_BINS] = {0};
	uint8_t    *binned = pf_alloc(env, 2 * n);
	PfBins		bins = {0};
	PfBins		again = {0};
	bool		same = true;

	for (size_t i = 0; i < n; i++)
		values[i] = unit_uniform(&state) < zeros ? 0 : floor(exp(unit_uniform(&state) * 10));
	for (size_t i = 0; i < n; i++)
		other[i] = values[n - 1 - i];
	pf_cut_numbers(env, values, n, max_bins, &bins);
	for (size_t i = 0; i < n; i++)
		values[i] = other[i];
	pf_cut_numbers(env, other, n, max_bins, &again);

	CHECK(bins.nbins <= max_bins);
	CHECK(bins.nbins >= max_bins * 3 / 4);
	CHECK_INT(again.nbins, bins.nbins);
	CHECK(memcmp(bins.cuts, again.cuts, (bins.nbins - 1) * sizeof(double)) == 0);
	for (uint32_t i = 1; i + 1 < bins.nbins; i++)
		same &= bins.cuts[i - 1] < bins.cuts[i];
	CHECK(same);

	for (size_t i = 0; i < n; i++)
		count[pf_bin_number(&bins, values[i])]++;
	for (uint32_t b = 0; b < bins.nbins; b++)
		CHECK(count[b] > 0);

	/* both ways to look up agree */
	values[0] = NAN;
	values[1] = INFINITY;
	values[2] = -INFINITY;
	values[3] = bins.cuts[0];
	pf_bin_numbers(&bins, values, n, binned, 2);
	for (size_t i = 0; i < n; i++)
		same &= binned[2 * i] == pf_bin_number(&bins, values[i]);
	CHECK(same);

	if (zeros > 0.4)
		/* the value that fills a bin shares it with nothing */
		CHECK(pf_bin_number(&bins, 0) != pf_bin_number(&bins, 1));
	pf_release(env, values);
	pf_release(env, other);
	pf_release(env, binned);
	pf_release(env, bins.cuts);
	pf_release(env, again.cuts);
}

static void
test_many_values(void)
{
	const PfEnv *env = unit_env();
	double	   *values = pf_alloc(env, 100000 * sizeof(double));
	PfBins		bins = {0};
	uint32_t	wrong = 0;
	size_t		start = 0;

	check_many(100000, 255, 0, 3);
	check_many(100000, 255, 0.6, 4);
	check_many(100000, 2, 0, 5);
	check_many(20000, 16, 0.9, 6);
	check_many(1000, 255, 0.3, 7);

	/* distinct values: equal counts, give or take one */
	for (int i = 0; i < 100000; i++)
		values[i] = (double) ((i * INT64_C(7919)) % 100000);
	pf_cut_numbers(env, values, 100000, 255, &bins);
	CHECK_INT(bins.nbins, 255);
	for (uint32_t b = 0; b < bins.nbins; b++)
	{
		size_t		end = b + 1 < bins.nbins ? (size_t) ceil(bins.cuts[b]) : 100000;

		wrong += end - start < 391 || end - start > 394;
		start = end;
	}
	CHECK_INT(wrong, 0);
	pf_release(env, bins.cuts);
	pf_release(env, values);
}

/* Entries "0".."n-1" as five digits, so that their order is that of the numbers. */
static void
make_categories(PfBins *bins, uint32_t n)
{
	const PfEnv *env = unit_env();
	char		digits[16];

	memset(bins, 0, sizeof(*bins));
	bins->kind = PF_CATEGORY;
	bins->ncategories = n;
	bins->offsets = pf_alloc(env, (n + 1) * sizeof(uint32_t));
	bins->text = pf_alloc(env, (size_t) n * 5 + 1);
	for (uint32_t i = 0; i <= n; i++)
	{
		bins->offsets[i] = i * 5;
		snprintf(digits, sizeof(digits), "%05u", i);
		if (i < n)
			memcpy(bins->text + (size_t) i * 5, digits, 5);
	}
}

static void
free_categories(PfBins *bins)
{
	const PfEnv *env = unit_env();

	pf_release(env, bins->offsets);
	pf_release(env, bins->text);
	pf_release(env, bins->category_bin);
}

static void
test_find_category(void)
{
	char		text[] = "aabb";	/* entries: "", "a", "ab", "b" */
	uint32_t	offsets[] = {0, 0, 1, 3, 4};
	uint8_t		category_bin[] = {4, 3, 2, 1};
	PfBins		bins = {.kind = PF_CATEGORY, .nbins = 5, .ncategories = 4,
		.text = text, .offsets = offsets, .category_bin = category_bin};

	CHECK_INT(pf_find_category(&bins, "", 0), 0);
	CHECK_INT(pf_find_category(&bins, "a", 1), 1);
	CHECK_INT(pf_find_category(&bins, "ab", 2), 2);
	CHECK_INT(pf_find_category(&bins, "b", 1), 3);
	CHECK_INT(pf_find_category(&bins, "aa", 2), -1);
	CHECK_INT(pf_find_category(&bins, "abc", 3), -1);
	CHECK_INT(pf_find_category(&bins, "\xc3\xa9", 2), -1);
	CHECK_INT(pf_bin_category(&bins, "ab", 2), 2);
	CHECK_INT(pf_bin_category(&bins, "zz", 2), PF_MISSING_BIN);
	bins.ncategories = 0;
	CHECK_INT(pf_bin_category(&bins, "a", 1), PF_MISSING_BIN);
}

static void
test_categories(void)
{
	const PfEnv *env = unit_env();
	double		sums[] = {100, -100, 1, 0};
	double		counts[] = {10, 10, 1, 0};
	double		classes[] = {9, 1, 0, 10, 5, 5, 5, 5};
	double		class_counts[] = {10, 10, 10, 10};
	double		three[] = {9, 1, 0, 0, 1, 9, 5, 0, 5, 9, 1, 0};
	double		three_counts[] = {10, 10, 10, 10};
	PfBins		bins;

	/* regression: by smoothed mean; one row says little, none nothing */
	make_categories(&bins, 4);
	pf_cut_categories(env, 1, sums, counts, 255, &bins);
	CHECK_INT(bins.nbins, 4);
	CHECK_INT(bins.category_bin[1], 0);
	CHECK_INT(bins.category_bin[3], 1);
	CHECK_INT(bins.category_bin[2], 2);
	CHECK_INT(bins.category_bin[0], 3);
	free_categories(&bins);

	/* two classes: by the second's share; equals by entry */
	make_categories(&bins, 4);
	pf_cut_categories(env, 2, classes, class_counts, 255, &bins);
	CHECK_INT(bins.category_bin[0], 0);
	CHECK_INT(bins.category_bin[2], 1);
	CHECK_INT(bins.category_bin[3], 2);
	CHECK_INT(bins.category_bin[1], 3);
	free_categories(&bins);

	/* three: opposites at the ends, the mixed one between, equals side by side */
	make_categories(&bins, 4);
	pf_cut_categories(env, 3, three, three_counts, 255, &bins);
	CHECK_INT(bins.nbins, 4);
	CHECK(bins.category_bin[1] == 0 || bins.category_bin[1] == 3);
	CHECK(bins.category_bin[2] == 1 || bins.category_bin[2] == 2);
	CHECK_INT(abs(bins.category_bin[0] - bins.category_bin[3]), 1);
	free_categories(&bins);

	/* nothing but equal rows, or nothing at all */
	make_categories(&bins, 4);
	memset(three, 0, sizeof(three));
	memset(three_counts, 0, sizeof(three_counts));
	pf_cut_categories(env, 3, three, three_counts, 255, &bins);
	for (int e = 0; e < 4; e++)
		CHECK_INT(bins.category_bin[e], e);
	free_categories(&bins);
	make_categories(&bins, 0);
	pf_cut_categories(env, 1, sums, counts, 255, &bins);
	CHECK_INT(bins.nbins, 0);
	free_categories(&bins);
}

static void
test_many_categories(void)
{
	const PfEnv *env = unit_env();
	uint32_t	n = 65535;
	double	   *sums = pf_alloc(env, n * sizeof(double));
	double	   *counts = pf_alloc(env, n * sizeof(double));
	uint64_t	state = 8;
	uint32_t	used[PF_MAX_BINS] = {0};
	uint32_t	disorder = 0;
	PfBins		bins;

	make_categories(&bins, n);
	for (uint32_t e = 0; e < n; e++)
	{
		/* a third is not in the sample; one category has half of all rows */
		counts[e] = e % 3 == 0 ? 0 : (double) (1 + unit_random(&state) % 5);
		if (e == 40000)
			counts[e] = 150000;
		sums[e] = counts[e] * e;
	}
	pf_cut_categories(env, 1, sums, counts, 255, &bins);
	CHECK(bins.nbins <= 255 && bins.nbins > 200);
	for (uint32_t e = 0; e < n; e++)
		used[bins.category_bin[e]]++;
	for (uint32_t b = 0; b < bins.nbins; b++)
		disorder += used[b] == 0;
	CHECK_INT(disorder, 0);
	CHECK_INT(used[bins.category_bin[40000]], 1);
	CHECK(bins.category_bin[1] < bins.category_bin[n - 1]);
	free_categories(&bins);

	/* as many categories of weight as there are bins, and others without any */
	make_categories(&bins, 400);
	for (uint32_t e = 0; e < 400; e++)
	{
		counts[e] = e < 255 ? 1000000 : 0;
		sums[e] = 0;
	}
	pf_cut_categories(env, 1, sums, counts, 255, &bins);
	CHECK(bins.nbins <= 255 && bins.nbins >= 250);
	free_categories(&bins);
	pf_release(env, sums);
	pf_release(env, counts);
}

/* A query may be cancelled at any check or allocation. */
static void
run_cuts(void *arg)
{
	const PfEnv *env = unit_env();
	double	   *values = pf_alloc(env, 2000 * sizeof(double));
	PfBins		bins = {0};
	uint64_t	state = 9;

	for (int i = 0; i < 2000; i++)
		values[i] = unit_uniform(&state);
	pf_cut_numbers(env, values, 2000, 255, &bins);
	pf_release(env, bins.cuts);
	pf_release(env, values);
	*(bool *) arg = true;
}

static void
test_interrupts(void)
{
	uint64_t	before = unit_interrupt_checks();
	bool		finished = false;
	uint64_t	events = 0;

	while (unit_interrupt(events, run_cuts, &finished))
		events++;
	CHECK(finished);
	CHECK(events > 5);
	CHECK(unit_interrupt_checks() > before);
}

void
test_bins(void)
{
	test_hash();
	test_sort();
	test_crowded();
	test_few_values();
	test_many_values();
	test_find_category();
	test_categories();
	test_many_categories();
	test_interrupts();
}

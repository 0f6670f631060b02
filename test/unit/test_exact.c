/*
 * test_exact.c
 *	  Exact sums: every order and every split gives the same bits, and no bit is lost.
 */
#include <float.h>
#include <math.h>

#include "engine/measure/exact.h"
#include "unit.h"

static double
sum_of(const double *values, int n)
{
	PfExact		sum = {0};

	for (int i = 0; i < n; i++)
		pf_exact_add(&sum, values[i]);
	return pf_exact_value(&sum);
}

static void
test_rounding(void)
{
	/* half a unit of the last place: to even, unless there is anything more */
	double		even[] = {1, DBL_EPSILON / 2};
	double		odd[] = {1 + DBL_EPSILON, DBL_EPSILON / 2};
	double		above[] = {1, DBL_EPSILON / 2, 0x1p-1074};
	double		below[] = {-1, -DBL_EPSILON / 2, -0x1p-1074};
	double		cancels[] = {DBL_MAX, 1e-300, DBL_MAX, -DBL_MAX, -DBL_MAX, 1e300, -1e300};
	double		too_great[] = {DBL_MAX, -DBL_MAX, -DBL_MAX, -DBL_MAX};
	double		smallest[] = {0x1p-1074, 0x1p-1022, -0x1p-1074, 0x1p-1073};
	double		zeros[] = {0.0, -0.0};

	CHECK_DOUBLE(sum_of(even, 2), 1);
	CHECK_DOUBLE(sum_of(odd, 2), 1 + 2 * DBL_EPSILON);
	CHECK_DOUBLE(sum_of(above, 3), 1 + DBL_EPSILON);
	CHECK_DOUBLE(sum_of(below, 3), -1 - DBL_EPSILON);
	CHECK_DOUBLE(sum_of(cancels, 7), 1e-300);
	CHECK_DOUBLE(sum_of(too_great, 4), -INFINITY);
	CHECK_DOUBLE(sum_of(smallest, 4), 0x1p-1022 + 0x1p-1073);
	CHECK_DOUBLE(sum_of(smallest, 1), 0x1p-1074);
	CHECK_DOUBLE(sum_of(zeros, 2), 0);
	CHECK_DOUBLE(sum_of(zeros, 0), 0);
}

/* Integers times a power of two whose sums fit 64 bits, at every place a digit can begin. */
static void
test_places(void)
{
	uint64_t	random = 7;

	for (int exponent = -1074; exponent < 960; exponent++)
	{
		PfExact		sum = {0};
		int64_t		wanted = 0;

		for (int i = 0; i < 50; i++)
		{
			int64_t		value = (int64_t) ((unit_uniform(&random) - 0.5) * 0x1p56) / 8 * 8;

			if (i % 7 == 0)
				value = -wanted + value % 1000;		/* nearly nothing is left */
			value = (int64_t) (double) value;
			wanted += value;
			pf_exact_add(&sum, ldexp((double) value, exponent));
		}
		/* below, doubles have fewer digits than these integers */
		CHECK_DOUBLE(pf_exact_value(&sum), ldexp((double) wanted, exponent));
	}
}

static void
test_order(void)
{
	enum
	{
		N = 2000
	};
	PfExact		forward = {0};
	PfExact		backward = {0};
	PfExact		parts[3] = {0};
	double		values[N];
	uint64_t	random = 11;

	for (int i = 0; i < N; i++)
		values[i] = ldexp(unit_uniform(&random) - 0.5, (int) (unit_uniform(&random) * 1900) - 950);
	for (int i = 0; i < N; i++)
	{
		pf_exact_add(&forward, values[i]);
		pf_exact_add(&backward, values[N - 1 - i]);
		pf_exact_add(&parts[i * i % 3], values[i]);
	}
	pf_exact_merge(&parts[2], &parts[0]);
	pf_exact_merge(&parts[1], &parts[2]);
	CHECK_DOUBLE(pf_exact_value(&backward), pf_exact_value(&forward));
	CHECK_DOUBLE(pf_exact_value(&parts[1]), pf_exact_value(&forward));

	/* what was added is taken away: nothing is left */
	for (int i = 0; i < N; i++)
		pf_exact_add(&forward, -values[i]);
	CHECK_DOUBLE(pf_exact_value(&forward), 0);
}

/* Carries are taken on before a digit overflows. */
static void
test_many(void)
{
	PfExact		sum = {0};

	pf_exact_add(&sum, 0x1.fffffffffffffp0);
	for (int i = 0; i < 40; i++)
	{
		PfExact		twice = sum;

		twice.pending = (1U << 30) - 1;
		pf_exact_add(&twice, 0);
		CHECK_INT(twice.pending, 0);
		pf_exact_merge(&sum, &twice);
		CHECK_DOUBLE(pf_exact_value(&sum), ldexp(0x1.fffffffffffffp0, i + 1));
	}
}

static void
test_moments(void)
{
	PfExact		sum = {0};
	PfExact		squares = {0};
	double		mean;
	double		sd;

	pf_exact_moments(&sum, &squares, 0, &mean, &sd);
	CHECK(isnan(mean) && isnan(sd));
	for (int i = 0; i < 3; i++)
	{
		double		value = 1e9 + i;

		pf_exact_add(&sum, value);
		pf_exact_add(&squares, value * value);
		pf_exact_add(&squares, fma(value, value, -(value * value)));
		pf_exact_moments(&sum, &squares, i + 1, &mean, &sd);
		CHECK_DOUBLE(mean, 1e9 + i / 2.0);
		CHECK_DOUBLE(sd, i == 0 ? NAN : i == 1 ? sqrt(0.5) : 1);
	}
}

void
test_exact(void)
{
	test_rounding();
	test_places();
	test_order();
	test_many();
	test_moments();
}

/*
 * test_distance.c
 *	  Distances between samples against scipy's, and what counts in cells lose; p-values
 *	  of many tests together.
 */
#include <math.h>
#include <string.h>

#include "distance_answers.h"
#include "engine/bins/sort.h"
#include "engine/measure/distance.h"
#include "engine/measure/profile.h"
#include "unit.h"

/* The samples of distance_answers.py, sorted. */
static double *
make_numbers(uint64_t *random, size_t n, double grid, double shift)
{
	double	   *values = pf_alloc(unit_env(), n * sizeof(double));

	for (size_t i = 0; i < n; i++)
	{
		double		u = unit_uniform(random);

		values[i] = (grid > 0 ? floor(u * u * grid) / grid : u * u) + shift;
	}
	pf_sort_numbers(unit_env(), values, n);
	return values;
}

static void
make_counts(uint64_t *random, uint32_t n, double scale, uint64_t *counts)
{
	for (uint32_t i = 0; i < n; i++)
	{
		double		u = unit_uniform(random);

		counts[i] = (uint64_t) (u * unit_uniform(random) * scale);
	}
}

/* Relative, for what may be tiny. */
static void
check_close(double is, double wanted)
{
	CHECK_NEAR(is, wanted, 1e-9 * fabs(wanted));
}

/*
 * What counts in cells say of samples, as docs/monitoring.md promises.  For Kolmogorov and Smirnov
 * no more than the samples, and less by no more than a cell's smaller share.
 */
static void
check_cells(const double *a, size_t na, const double *b, size_t nb, uint32_t max_cells)
{
	const PfEnv *env = unit_env();
	double	   *copy = pf_alloc(env, na * sizeof(double));
	double		exact = pf_ks_samples(env, a, na, b, nb);
	double		bound = 0;
	double		moved = 0;
	double		binned;
	PfFrame		frame;
	PfTally		ta,
				tb;

	memcpy(copy, a, na * sizeof(double));
	pf_profile_values(env, copy, na, max_cells, &frame, &ta);
	pf_tally_init(env, &frame, &tb);
	pf_tally_numbers(&frame, &tb, b, nb, NULL, 0);
	binned = pf_ks_counts(frame.ncells, ta.cells, tb.cells);
	for (uint32_t c = 0; c < frame.ncells; c++)
		bound = fmax(bound, fmin((double) ta.cells[c] / na, (double) tb.cells[c] / nb));
	CHECK(binned <= exact + 1e-12);
	CHECK(exact <= binned + bound + 1e-12);

	/* Wasserstein's distance: off by no more than values lie from their places */
	for (size_t i = 0; i < na; i++)
		moved += fabs(a[i] - frame.places[pf_bin_number(&frame.bins, a[i])]) / na;
	for (size_t i = 0; i < nb; i++)
		moved += fabs(b[i] - frame.places[pf_bin_number(&frame.bins, b[i])]) / nb;
	exact = pf_wasserstein_samples(env, a, na, b, nb);
	binned = pf_wasserstein_counts(frame.ncells, ta.cells, tb.cells, frame.places);
	CHECK(tb.unseen > 0 || fabs(exact - binned) <= moved + 1e-12);

	pf_release(env, copy);
	pf_release(env, ta.cells);
	pf_release(env, tb.cells);
	pf_release(env, frame.places);
	pf_release(env, frame.bins.cuts);
}

static void
check_scipy(void)
{
	uint64_t	random = 7;

	for (size_t t = 0; t < sizeof(number_answers) / sizeof(*number_answers); t++)
	{
		const double *answer = number_answers[t];
		size_t		na = (size_t) answer[0],
					nb = (size_t) answer[1];
		double	   *a = make_numbers(&random, na, answer[2], 0);
		double	   *b = make_numbers(&random, nb, answer[2], answer[3]);
		double		ks = pf_ks_samples(unit_env(), a, na, b, nb);

		check_close(ks, answer[4]);
		check_close(pf_ks_p(ks, (double) na, (double) nb), answer[5]);
		check_close(pf_ks_p_samples(unit_env(), ks, na, nb), answer[6]);
		check_close(pf_ks_p_samples(unit_env(), ks, nb, na), answer[6]);
		check_close(pf_wasserstein_samples(unit_env(), a, na, b, nb), answer[7]);
		CHECK_DOUBLE(pf_ks_samples(unit_env(), b, nb, a, na), ks);
		check_cells(a, na, b, nb, 255);
		check_cells(a, na, b, nb, 10);
		pf_release(unit_env(), a);
		pf_release(unit_env(), b);
	}
	for (size_t t = 0; t < sizeof(large_answers) / sizeof(*large_answers); t++)
	{
		const double *answer = large_answers[t];
		size_t		na = (size_t) answer[0],
					nb = (size_t) answer[1];
		double		p = pf_ks_p_samples(unit_env(), answer[2], na, nb);

		CHECK_NEAR(p, answer[3], answer[3] * (answer[3] > 1e-4 ? 0.01 : 0.04));
		CHECK_DOUBLE(pf_ks_p_samples(unit_env(), answer[2], nb, na), p);
	}
	for (size_t t = 0; t < sizeof(count_answers) / sizeof(*count_answers); t++)
	{
		const double *answer = count_answers[t];
		uint32_t	n = (uint32_t) answer[0];
		uint64_t	a[700],
					b[700];
		double		p;

		make_counts(&random, n, answer[1], a);
		make_counts(&random, n, answer[2], b);
		check_close(pf_chi2(n, a, b, &p), answer[3]);
		check_close(p, answer[4]);
		CHECK_NEAR(pf_jensen_shannon(n, a, b), answer[5], 1e-12);
	}
}

static void
check_edges(void)
{
	const double values[] = {1, 2, 2, INFINITY};
	const double other[] = {1, 2, 2, 3};
	const uint64_t none[] = {0, 0, 0};
	const uint64_t some[] = {5, 0, 5};
	const uint64_t more[] = {20, 0, 20};
	const uint64_t one[] = {7, 0, 0};
	double		p;

	CHECK_DOUBLE(pf_ks_samples(unit_env(), values, 0, values, 4), NAN);
	CHECK_DOUBLE(pf_wasserstein_samples(unit_env(), values, 4, values, 0), NAN);
	CHECK_DOUBLE(pf_ks_samples(unit_env(), values, 4, values, 4), 0);
	CHECK_DOUBLE(pf_wasserstein_samples(unit_env(), values, 4, values, 4), 0);
	CHECK_DOUBLE(pf_wasserstein_samples(unit_env(), values, 4, other, 4), INFINITY);
	CHECK_DOUBLE(pf_ks_counts(3, none, some), NAN);
	CHECK_DOUBLE(pf_psi(3, none, some), NAN);
	CHECK_DOUBLE(pf_jensen_shannon(3, some, none), NAN);
	CHECK_DOUBLE(pf_total_variation(3, none, none), NAN);
	CHECK_DOUBLE(pf_chi2(3, none, some, &p), NAN);
	CHECK_DOUBLE(p, NAN);

	/* equal shares */
	CHECK_DOUBLE(pf_psi(3, some, more), 0);
	CHECK_DOUBLE(pf_jensen_shannon(3, some, more), 0);
	CHECK_DOUBLE(pf_chi2(3, some, more, &p), 0);
	CHECK_DOUBLE(p, 1);
	CHECK_DOUBLE(pf_chi2(3, one, one, &p), 0);
	CHECK_DOUBLE(p, 1);

	/* half a row where there is none */
	CHECK_NEAR(pf_psi(3, one, some), 0.5 * log(2) + (0.5 / 7 - 0.5) * log(1.0 / 7), 1e-12);
	CHECK_NEAR(pf_total_variation(3, one, some), 0.5, 1e-15);
	CHECK_DOUBLE(pf_ks_p(0, 10, 10), 1);
	CHECK_NEAR(pf_ks_p(1, 1e6, 1e6), 0, 0);
	CHECK_DOUBLE(pf_ks_p_samples(unit_env(), 0, 10, 10), 1);
	CHECK_NEAR(pf_ks_p_samples(unit_env(), 1, 3, 2), 0.2, 1e-15);	/* 2 of 10 orders */
	/* of as many on either side it is the limit at once */
	CHECK_NEAR(pf_ks_p_samples(unit_env(), 0.01, 20000, 20000), pf_ks_p(0.01, 20000, 20000), 1e-12);
}

static void
check_corrections(void)
{
	double		p[] = {0.04, 0.001, 0.03, 0.011};
	double		high[] = {0.5, 0.9};

	CHECK_DOUBLE(pf_significant_up_to(unit_env(), PF_CORRECT_NONE, 0.05, p, 4), 0.05);
	CHECK_DOUBLE(pf_significant_up_to(unit_env(), PF_CORRECT_BONFERRONI, 0.05, p, 4), 0.0125);
	/* 0.04 <= 0.05 * 4 / 4 */
	CHECK_DOUBLE(pf_significant_up_to(unit_env(), PF_CORRECT_FDR, 0.05, p, 4), 0.05);
	CHECK_DOUBLE(pf_significant_up_to(unit_env(), PF_CORRECT_FDR, 0.03, p, 4), 0.015);
	CHECK_DOUBLE(pf_significant_up_to(unit_env(), PF_CORRECT_FDR, 0.05, high, 2), 0.025);
	CHECK_DOUBLE(pf_significant_up_to(unit_env(), PF_CORRECT_FDR, 0.05, high, 0), 0.05);
}

void
test_distance(void)
{
	check_scipy();
	check_edges();
	check_corrections();
}

/*
 * distance.c
 *	  Distances between two samples, and their p-values; see distance.h.
 */
#include <math.h>

#include "engine/bins/sort.h"
#include "engine/measure/distance.h"
#include "engine/measure/parts.h"

#define PF_KS_EXACT		1e8		/* product of the numbers of values */
#define PF_KS_CERTAIN	8		/* scaled distance beyond which the limit says 1e-55 or less */

uint64_t
pf_total(uint32_t n, const uint64_t *counts)
{
	uint64_t	sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += counts[i];
	return sum;
}

/* ----- samples ----- */

double
pf_ks_samples(const PfEnv *env, const double *a, size_t na, const double *b, size_t nb)
{
	size_t		i = 0,
				j = 0;
	double		most = 0;

	if (na == 0 || nb == 0)
		return NAN;
	for (size_t steps = 0; i < na && j < nb; steps++)
	{
		double		value = a[i] < b[j] ? a[i] : b[j];
		double		apart;

		if (steps % PF_CHUNK == 0)
			pf_check(env);
		while (i < na && a[i] == value)
			i++;
		while (j < nb && b[j] == value)
			j++;
		apart = fabs((double) i / na - (double) j / nb);
		most = apart > most ? apart : most;
	}
	return most;
}

double
pf_wasserstein_samples(const PfEnv *env, const double *a, size_t na, const double *b, size_t nb)
{
	size_t		i = 0,
				j = 0;
	PfSum		area = {0, 0};
	double		before = 0;

	if (na == 0 || nb == 0)
		return NAN;
	for (size_t steps = 0; i < na || j < nb; steps++)
	{
		double		value = j == nb || (i < na && a[i] < b[j]) ? a[i] : b[j];
		double		apart = fabs((double) i / na - (double) j / nb);

		if (steps % PF_CHUNK == 0)
			pf_check(env);
		/* where both have the same share below, the width does not matter, be it infinite */
		if (apart > 0)
			pf_sum_add(&area, apart * (value - before));
		before = value;
		while (i < na && a[i] == value)
			i++;
		while (j < nb && b[j] == value)
			j++;
	}
	return pf_sum_value(&area);
}

/* ----- counts ----- */

double
pf_ks_counts(uint32_t n, const uint64_t *a, const uint64_t *b)
{
	uint64_t	na = pf_total(n, a),
				nb = pf_total(n, b);
	uint64_t	below_a = 0,
				below_b = 0;
	double		most = 0;

	if (na == 0 || nb == 0)
		return NAN;
	for (uint32_t i = 0; i < n; i++)
	{
		double		apart;

		below_a += a[i];
		below_b += b[i];
		apart = fabs((double) below_a / na - (double) below_b / nb);
		most = apart > most ? apart : most;
	}
	return most;
}

double
pf_wasserstein_counts(uint32_t n, const uint64_t *a, const uint64_t *b, const double *places)
{
	uint64_t	na = pf_total(n, a),
				nb = pf_total(n, b);
	uint64_t	below_a = 0,
				below_b = 0;
	PfSum		area = {0, 0};

	if (na == 0 || nb == 0)
		return NAN;
	for (uint32_t i = 0; i + 1 < n; i++)
	{
		below_a += a[i];
		below_b += b[i];
		pf_sum_add(&area, fabs((double) below_a / na - (double) below_b / nb) *
				   (places[i + 1] - places[i]));
	}
	return pf_sum_value(&area);
}

double
pf_psi(uint32_t n, const uint64_t *a, const uint64_t *b)
{
	uint64_t	na = pf_total(n, a),
				nb = pf_total(n, b);
	double		sum = 0;

	if (na == 0 || nb == 0)
		return NAN;
	for (uint32_t i = 0; i < n; i++)
	{
		double		p = (a[i] > 0 ? a[i] : 0.5) / na;
		double		q = (b[i] > 0 ? b[i] : 0.5) / nb;

		if (a[i] > 0 || b[i] > 0)
			sum += (p - q) * log(p / q);
	}
	return sum;
}

/* p log(p / m), and 0 of nothing */
static inline double
entropy(double p, double m)
{
	return p > 0 ? p * log(p / m) : 0;
}

double
pf_jensen_shannon(uint32_t n, const uint64_t *a, const uint64_t *b)
{
	uint64_t	na = pf_total(n, a),
				nb = pf_total(n, b);
	double		sum = 0;

	if (na == 0 || nb == 0)
		return NAN;
	for (uint32_t i = 0; i < n; i++)
	{
		double		p = (double) a[i] / na;
		double		q = (double) b[i] / nb;
		double		m = (p + q) / 2;

		sum += entropy(p, m) + entropy(q, m);
	}
	/* equal shares may round to a little below zero */
	return sum > 0 ? sqrt(sum / 2) : 0;
}

double
pf_total_variation(uint32_t n, const uint64_t *a, const uint64_t *b)
{
	uint64_t	na = pf_total(n, a),
				nb = pf_total(n, b);
	double		sum = 0;

	if (na == 0 || nb == 0)
		return NAN;
	for (uint32_t i = 0; i < n; i++)
		sum += fabs((double) a[i] / na - (double) b[i] / nb);
	return sum / 2;
}

/* ----- p-values ----- */

/* Kolmogorov's distribution: the chance of x or more. */
static double
kolmogorov(double x)
{
	double		sum = 0;

	if (isnan(x))
		return NAN;
	if (x <= 0)
		return 1;
	if (x < 1)
	{
		/* the series that converges fast for small x gives the other side */
		for (int k = 1; k < 20; k += 2)
			sum += exp(-k * k * M_PI * M_PI / (8 * x * x));
		return 1 - sqrt(2 * M_PI) / x * sum;
	}
	for (int k = 1; k < 20; k++)
		sum += (k % 2 ? 2 : -2) * exp(-2.0 * k * k * x * x);
	return sum;
}

double
pf_ks_p(double distance, double na, double nb)
{
	return kolmogorov(distance * sqrt(na * nb / (na + nb)));
}

static uint64_t
common_divisor(uint64_t a, uint64_t b)
{
	while (b != 0)
	{
		uint64_t	rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/*
 * What is next to the limit, of samples that are large but not endless: Hodges' shift of the
 * distance, as it were of any size, and half of the step back by which distances go.
 */
static double
nearly(double distance, double larger, double smaller, double step)
{
	double		x = (distance - step / 2) * sqrt(larger * smaller / (larger + smaller));

	return kolmogorov(x + (larger + 2 * smaller) / (6 * sqrt(larger * smaller * (larger + smaller))));
}

/*
 * If both samples are of one distribution, every order of them is as likely, and an order is a path
 * of na steps to the right and nb up; i and j steps of each stand for shares of i / na and
 * j / nb below a value.  So the chance looked for is that of a path which touches the points
 * where these shares are that far apart.  Of the paths to (i, j) a share of i / (i + j)
 * comes from the left: out[j] is the chance for paths to (i, j), i by i.
 */
double
pf_ks_p_samples(const PfEnv *env, double distance, size_t one, size_t other)
{
	size_t		na = one > other ? one : other;
	size_t		nb = one > other ? other : one;
	uint64_t	divisor = common_divisor(na, nb);
	double		x = distance * sqrt((double) na * nb / (na + nb));
	int64_t		step_a,
				step_b,
				apart;
	double	   *out;
	double		chance;

	if (!(x > 0) || x > PF_KS_CERTAIN)
		return kolmogorov(x);
	if ((double) na * nb > PF_KS_EXACT)
		return nearly(distance, na, nb, (double) divisor / ((double) na * nb));

	/* the shares after (i, j) differ by i * step_a - j * step_b, in units of one by their least common multiple */
	step_a = nb / divisor;
	step_b = na / divisor;
	apart = llround(distance * step_a * na);
	out = pf_alloc(env, (nb + 1) * sizeof(double));
	for (size_t j = 0; j <= nb; j++)
		out[j] = 1;
	for (int64_t i = 0; i <= (int64_t) na; i++)
	{
		int64_t		least = i * step_a - apart;
		int64_t		j = least < 0 ? 0 : least / step_b + 1;

		pf_check(env);
		if (j > 0 && j <= (int64_t) nb + 1)
			out[j - 1] = 1;
		for (; j <= (int64_t) nb && j * step_b - i * step_a < apart; j++)
			out[j] = i + j == 0 ? 0 : (i * out[j] + (j > 0 ? j * out[j - 1] : 0)) / (i + j);
	}
	chance = out[nb];
	pf_release(env, out);
	return chance < 1 ? chance : 1;
}

/*
 * Q(a, x), the upper regularized incomplete gamma function: by its series below a + 1, by a
 * continued fraction (in Lentz's way) above.
 */
static double
upper_gamma(double a, double x)
{
	double		scale = exp(a * log(x) - x - lgamma(a));

	if (x < a + 1)
	{
		double		term = 1 / a,
					sum = term;

		for (double k = a + 1; term > sum * 1e-17; k++)
		{
			term *= x / k;
			sum += term;
		}
		return 1 - scale * sum;
	}
	else
	{
		double		b = x + 1 - a,
					c = 1e300,
					d = 1 / b,
					fraction = d;

		for (int k = 1; k < 100000; k++)
		{
			double		factor = k * (a - k);
			double		step;

			b += 2;
			d = factor * d + b;
			c = b + factor / c;
			d = fabs(d) < 1e-300 ? 1e300 : 1 / d;
			c = fabs(c) < 1e-300 ? 1e-300 : c;
			step = c * d;
			fraction *= step;
			if (fabs(step - 1) < 1e-16)
				break;
		}
		return scale * fraction;
	}
}

double
pf_chi2(uint32_t n, const uint64_t *a, const uint64_t *b, double *p)
{
	double		na = pf_total(n, a),
				nb = pf_total(n, b);
	uint32_t	cells = 0;
	double		sum = 0;

	*p = NAN;
	if (na == 0 || nb == 0)
		return NAN;
	for (uint32_t i = 0; i < n; i++)
		cells += a[i] > 0 || b[i] > 0;
	for (uint32_t i = 0; i < n; i++)
	{
		double		both = (double) a[i] + (double) b[i];
		double		expected = both * (na / (na + nb));
		double		apart = fabs((double) a[i] - expected);

		if (both == 0)
			continue;
		if (cells == 2)
			apart -= apart < 0.5 ? apart : 0.5;
		/* what one sample has too much, the other has too little */
		sum += apart * apart * (1 / expected + 1 / (both - expected));
	}
	*p = cells < 2 ? 1 : sum > 0 ? upper_gamma((cells - 1) / 2.0, sum / 2) : 1;
	return sum;
}

double
pf_significant_up_to(const PfEnv *env, PfCorrection correction, double level, double *p, size_t n)
{
	if (correction == PF_CORRECT_NONE || n == 0)
		return level;
	if (correction == PF_CORRECT_FDR)
	{
		pf_sort_numbers(env, p, n);
		for (size_t i = n; i > 0; i--)
		{
			if (p[i - 1] <= level * i / n)
				return level * i / n;
		}
	}
	return level / n;
}

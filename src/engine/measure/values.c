/*
 * values.c
 *	  Metrics of regression, beside each what the best constant reaches.
 *
 * The best constant is the mean for squared errors, the median for absolute
 * ones, and for relative ones the median weighted by 1 / |actual|.
 *
 * Memory: 24 bytes a row while it runs; the result is the caller's.
 */
#include "engine/bins/sort.h"
#include "engine/measure/parts.h"

#define NMETRICS 4

/*
 * The mean as an offset from the first value: exact when all are equal, so that
 * a constant target has no spread at all.
 */
static double
mean_of(const PfEnv *env, size_t n, const double *values)
{
	PfSum		offsets = {0, 0};

	for (size_t i = 0; i < n; i++)
	{
		if (i % PF_CHUNK == 0)
			pf_check(env);
		pf_sum_add(&offsets, values[i] - values[0]);
	}
	return values[0] + pf_sum_value(&offsets) / (double) n;
}

/* The value at which the weights of the ascending values reach half their sum. */
static double
weighted_median(const PfEnv *env, size_t n, const double *values)
{
	PfSum		total = {0, 0},
				reached = {0, 0};
	size_t		i;

	for (i = 0; i < n; i++)
	{
		if (i % PF_CHUNK == 0)
			pf_check(env);
		pf_sum_add(&total, pf_relative_weight(values[i]));
	}
	for (i = 0; i < n - 1; i++)
	{
		if (i % PF_CHUNK == 0)
			pf_check(env);
		pf_sum_add(&reached, pf_relative_weight(values[i]));
		if (pf_sum_value(&reached) >= pf_sum_value(&total) / 2)
			break;
	}
	return values[i];
}

/* The two medians, by sorting a copy. */
static void
medians_of(const PfEnv *env, size_t n, const double *values,
		   double *median, double *relative_median)
{
	double	   *sorted = pf_alloc(env, n * sizeof(double));

	for (size_t i = 0; i < n; i++)
	{
		if (i % PF_CHUNK == 0)
			pf_check(env);
		sorted[i] = values[i];
	}
	pf_sort_numbers(env, sorted, n);
	/* between the two in the middle every value is as good */
	*median = sorted[n / 2];
	*relative_median = weighted_median(env, n, sorted);
	pf_release(env, sorted);
}

/* Mean squared, absolute and relative errors. */
typedef struct Errors
{
	double		squared,
				absolute,
				relative;
} Errors;

/*
 * Errors of predictions; where these are NULL, of the constants: each kind of
 * error against its own.
 */
static Errors
errors_of(const PfEnv *env, size_t n, const double *actual, const double *predicted,
		  const Errors *constants)
{
	PfSum		squared = {0, 0},
				absolute = {0, 0},
				relative = {0, 0};
	Errors		errors;

	for (size_t i = 0; i < n; i++)
	{
		Errors		guess;
		double		miss;

		if (i % PF_CHUNK == 0)
			pf_check(env);
		if (predicted != NULL)
			guess.squared = guess.absolute = guess.relative = predicted[i];
		else
			guess = *constants;
		miss = actual[i] - guess.squared;
		pf_sum_add(&squared, miss * miss);
		pf_sum_add(&absolute, fabs(actual[i] - guess.absolute));
		pf_sum_add(&relative, fabs(actual[i] - guess.relative) * pf_relative_weight(actual[i]));
	}
	errors.squared = pf_sum_value(&squared) / (double) n;
	errors.absolute = pf_sum_value(&absolute) / (double) n;
	errors.relative = pf_sum_value(&relative) / (double) n;
	return errors;
}

void
pf_measure_values(const PfEnv *env, size_t n,
				  const double *actual, const double *predicted, PfMetrics *out)
{
	Errors		model = {NAN, NAN, NAN},
				best = {NAN, NAN, NAN};
	double		r2 = NAN,
				best_r2 = NAN;

	if (n > 0)
	{
		Errors		constants;

		constants.squared = mean_of(env, n, actual);
		medians_of(env, n, actual, &constants.absolute, &constants.relative);
		best = errors_of(env, n, actual, NULL, &constants);
		model = errors_of(env, n, actual, predicted, NULL);
	}
	/* one value has no spread to explain */
	if (n > 1)
	{
		r2 = pf_r2(model.squared, best.squared);
		best_r2 = pf_r2(best.squared, best.squared);
	}

	out->count = NMETRICS;
	out->metrics = pf_alloc(env, NMETRICS * sizeof(PfMetric));
	out->metrics[0] = (PfMetric) {"rmse", -1, sqrt(model.squared), sqrt(best.squared)};
	out->metrics[1] = (PfMetric) {"mae", -1, model.absolute, best.absolute};
	out->metrics[2] = (PfMetric) {"r2", -1, r2, best_r2};
	out->metrics[3] = (PfMetric) {"mape", -1, model.relative, best.relative};
}

/*
 * test_paired.c
 *	  The paired bootstrap: its metrics are those of measure.h, its spread is what theory says, and
 *	  it depends on the rows and on nothing else.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/measure/paired.h"
#include "unit.h"

#define ROWS 600
#define RESAMPLES 400

/* Rows of so many classes, or of values when that is 0, and two guesses of them. */
typedef struct Sample
{
	PfPaired	paired;
	uint32_t	actual[ROWS];
	double		shares[2][ROWS * 12];
	double		value[ROWS];
	double		predicted[2][ROWS];
	uint64_t	group[ROWS];
} Sample;

static void
make_sample(Sample *sample, uint32_t nclasses, uint64_t seed)
{
	memset(sample, 0, sizeof(Sample));
	for (int i = 0; i < ROWS; i++)
	{
		sample->actual[i] = nclasses > 0 ? (uint32_t) (unit_random(&seed) % nclasses) : 0;
		sample->value[i] = unit_uniform(&seed) * 10 - 3;
		for (int m = 0; m < 2; m++)
		{
			double		total = 0;

			sample->predicted[m][i] = sample->value[i] + (unit_uniform(&seed) - 0.5) * (m + 1);
			for (uint32_t c = 0; c < nclasses; c++)
			{
				/* coarse, so that there are ties */
				double		share = floor((unit_uniform(&seed) + (c == sample->actual[i]) * (0.3 + 0.2 * m)) * 20) + 1;

				sample->shares[m][i * nclasses + c] = share;
				total += share;
			}
			for (uint32_t c = 0; c < nclasses; c++)
				sample->shares[m][i * nclasses + c] /= total;
		}
	}
	sample->paired.n = ROWS;
	sample->paired.value = sample->value;
	for (int m = 0; m < 2; m++)
	{
		sample->paired.nclasses[m] = nclasses;
		sample->paired.actual[m] = sample->actual;
		sample->paired.shares[m] = sample->shares[m];
		sample->paired.predicted[m] = sample->predicted[m];
	}
}

static void
release(PfPairedMetric *metrics, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		for (int m = 0; m < 2; m++)
			pf_release(unit_env(), metrics[i].values[m]);
	pf_release(unit_env(), metrics);
}

static double
whole(const PfMetrics *metrics, const char *name)
{
	for (uint32_t i = 0; i < metrics->count; i++)
		if (metrics->metrics[i].class < 0 && strcmp(metrics->metrics[i].name, name) == 0)
			return metrics->metrics[i].value;
	return -12345;
}

/* All rows in one group have one weight, and a metric does not mind which: as it is without weights. */
static void
check_metrics(uint32_t nclasses)
{
	static Sample sample;
	PfPairedMetric *metrics;
	uint32_t	n;
	int			undefined = 0;

	make_sample(&sample, nclasses, nclasses + 1);
	sample.paired.group = sample.group;
	n = pf_paired_bootstrap(unit_env(), &sample.paired, NULL, 20, 7, &metrics);
	CHECK_INT(n, nclasses > 0 ? 10 : 4);
	for (int m = 0; m < 2; m++)
	{
		PfMetrics	wanted;

		if (nclasses > 0)
			pf_measure_classes(unit_env(), nclasses, ROWS, sample.actual, sample.shares[m], &wanted);
		else
			pf_measure_values(unit_env(), ROWS, sample.value, sample.predicted[m], &wanted);
		for (uint32_t i = 0; i < n; i++)
			for (int r = 0; r < 20; r++)
			{
				if (isnan(metrics[i].values[m][r]))
					undefined++;
				else if (!(strcmp(metrics[i].name, "average_precision") == 0 && metrics[i].values[m][r] == 0))
					CHECK_NEAR(metrics[i].values[m][r], whole(&wanted, metrics[i].name), 1e-12);
			}
		pf_release(unit_env(), wanted.metrics);
	}
	/* a weight of 0 has the chance 1 / e */
	CHECK(undefined > 0 && undefined < (int) n * 2 * 15);
	release(metrics, n);
}

static double
deviation(const double *values, uint32_t n)
{
	double		sum = 0,
				squares = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += values[i];
	for (uint32_t i = 0; i < n; i++)
		squares += (values[i] - sum / n) * (values[i] - sum / n);
	return sqrt(squares / (n - 1));
}

/* The spread of a mean: that of the rows by the root of their number. */
static void
check_spread(void)
{
	static Sample sample;
	PfPairedMetric *metrics;
	double		low,
				high,
				errors[ROWS];
	uint32_t	n;

	make_sample(&sample, 0, 3);
	n = pf_paired_bootstrap(unit_env(), &sample.paired, "mae", 2000, 1, &metrics);
	CHECK_INT(n, 1);
	for (int i = 0; i < ROWS; i++)
		errors[i] = fabs(sample.predicted[0][i] - sample.value[i]);
	CHECK_NEAR(deviation(metrics->values[0], 2000) / (deviation(errors, ROWS) / sqrt(ROWS)), 1, 0.06);
	for (int i = 0; i < ROWS; i++)
		errors[i] = fabs(sample.predicted[1][i] - sample.value[i]) - errors[i];
	CHECK(pf_paired_interval(unit_env(), metrics, 2000, 0.95, &low, &high));
	CHECK_NEAR((high - low) / (2 * 1.96 * deviation(errors, ROWS) / sqrt(ROWS)), 1, 0.08);
	release(metrics, n);

	/* drawn in groups of ten alike, it is wider by the root of ten */
	for (int i = 0; i < ROWS; i++)
	{
		sample.group[i] = (uint64_t) i / 10;
		sample.value[i] = sample.value[i / 10 * 10];
		for (int m = 0; m < 2; m++)
			sample.predicted[m][i] = sample.predicted[m][i / 10 * 10];
		errors[i] = fabs(sample.predicted[0][i] - sample.value[i]);
	}
	sample.paired.group = sample.group;
	n = pf_paired_bootstrap(unit_env(), &sample.paired, "mae", 2000, 1, &metrics);
	CHECK_NEAR(deviation(metrics->values[0], 2000) / (deviation(errors, ROWS) / sqrt(ROWS / 10)), 1, 0.06);
	release(metrics, n);
}

/* Rows in another order, and one metric instead of all, give the same bits. */
static void
check_order(uint32_t nclasses)
{
	static Sample sample,
				turned;
	PfPairedMetric *metrics,
			   *again,
			   *alone;
	uint32_t	n;

	make_sample(&sample, nclasses, 5);
	make_sample(&turned, nclasses, 5);
	for (int i = 0; i < ROWS; i++)
	{
		int			j = ROWS - 1 - i;

		turned.actual[i] = sample.actual[j];
		turned.value[i] = sample.value[j];
		for (int m = 0; m < 2; m++)
		{
			turned.predicted[m][i] = sample.predicted[m][j];
			for (uint32_t c = 0; c < nclasses; c++)
				turned.shares[m][i * nclasses + c] = sample.shares[m][j * nclasses + c];
		}
	}
	n = pf_paired_bootstrap(unit_env(), &sample.paired, NULL, 50, 9, &metrics);
	CHECK_INT(pf_paired_bootstrap(unit_env(), &turned.paired, NULL, 50, 9, &again), n);
	for (uint32_t i = 0; i < n; i++)
	{
		CHECK_INT(pf_paired_bootstrap(unit_env(), &sample.paired, metrics[i].name, 50, 9, &alone), 1);
		for (int m = 0; m < 2; m++)
		{
			CHECK(memcmp(metrics[i].values[m], again[i].values[m], 50 * sizeof(double)) == 0);
			CHECK(memcmp(metrics[i].values[m], alone->values[m], 50 * sizeof(double)) == 0);
		}
		release(alone, 1);
	}
	release(metrics, n);
	release(again, n);
}

/* A metric that is not defined in many resamples has no interval. */
static void
check_undefined(void)
{
	static Sample sample;
	PfPairedMetric *metrics;
	double		low,
				high;
	uint32_t	n;

	make_sample(&sample, 2, 11);
	for (int i = 0; i < ROWS; i++)
		sample.actual[i] = i == 0;
	n = pf_paired_bootstrap(unit_env(), &sample.paired, "roc_auc", 200, 1, &metrics);
	CHECK(!pf_paired_interval(unit_env(), metrics, 200, 0.95, &low, &high));
	release(metrics, n);
	n = pf_paired_bootstrap(unit_env(), &sample.paired, "accuracy", 200, 1, &metrics);
	CHECK(pf_paired_interval(unit_env(), metrics, 200, 0.95, &low, &high));
	CHECK(low <= high);
	release(metrics, n);
}

static void
run_all(void *arg)
{
	PfPairedMetric *metrics;
	double		low,
				high;
	uint32_t	n = pf_paired_bootstrap(unit_env(), &((Sample *) arg)->paired, NULL, 3, 1, &metrics);

	pf_paired_interval(unit_env(), metrics, 3, 0.5, &low, &high);
	release(metrics, n);
}

void
test_paired(void)
{
	static Sample sample;

	check_metrics(2);
	check_metrics(3);
	check_metrics(12);
	check_metrics(0);
	check_spread();
	check_order(2);
	check_order(3);
	check_order(0);
	check_undefined();

	/* left at any point, nothing is lost */
	make_sample(&sample, 3, 13);
	for (uint64_t after = 0; unit_interrupt(after, run_all, &sample); after++)
		CHECK_INT(unit_live_bytes(), 0);
}

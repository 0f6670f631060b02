/*
 * test_measure.c
 *	  Metrics and curves: values worked out by hand, edge cases, ties, order of
 *	  the rows, interrupts.  Agreement with scikit-learn on random data is
 *	  measure_vs_sklearn.py's part.
 */
#include <math.h>
#include <string.h>

#include "engine/measure/measure.h"
#include "unit.h"

static const PfMetric *
find(const PfMetrics *metrics, const char *name, int32_t class)
{
	static const PfMetric none = {"none", -2, -12345, -12345};

	for (uint32_t i = 0; i < metrics->count; i++)
	{
		if (strcmp(metrics->metrics[i].name, name) == 0 && metrics->metrics[i].class == class)
			return &metrics->metrics[i];
	}
	return &none;
}

#define CHECK_METRIC(metrics, name, class, wanted, wanted_baseline) \
do { \
	CHECK_NEAR(find((metrics), (name), (class))->value, (wanted), 1e-15); \
	CHECK_NEAR(find((metrics), (name), (class))->baseline, (wanted_baseline), 1e-15); \
} while (0)

static void
release_curve(PfCurve *curve)
{
	pf_release(unit_env(), curve->threshold);
	pf_release(unit_env(), curve->tpr);
	pf_release(unit_env(), curve->fpr);
	pf_release(unit_env(), curve->precision);
	pf_release(unit_env(), curve->recall);
}

static void
check_two_classes(void)
{
	const uint32_t actual[] = {0, 0, 1, 1};
	const double shares[] = {0.9, 0.1, 0.6, 0.4, 0.65, 0.35, 0.2, 0.8};
	const double threshold[] = {INFINITY, 0.8, 0.4, 0.35, 0.1};
	const double tpr[] = {0, 0.5, 0.5, 1, 1};
	const double fpr[] = {0, 0, 0.5, 0.5, 1};
	const double precision[] = {1, 1, 0.5, 2.0 / 3, 0.5};
	uint64_t	counts[4];
	PfMetrics	metrics;
	PfCurve		curve;

	pf_measure_classes(unit_env(), 2, 4, actual, shares, &metrics);
	CHECK_INT(metrics.count, 20);
	CHECK_METRIC(&metrics, "accuracy", -1, 0.75, 0.5);
	CHECK_METRIC(&metrics, "balanced_accuracy", -1, 0.75, 0.5);
	CHECK_METRIC(&metrics, "precision", 0, 2.0 / 3, 0.5);
	CHECK_METRIC(&metrics, "precision", 1, 1, 0.5);
	CHECK_METRIC(&metrics, "precision", -1, 5.0 / 6, 0.25);
	CHECK_METRIC(&metrics, "recall", 0, 1, 1);
	CHECK_METRIC(&metrics, "recall", 1, 0.5, 1);
	CHECK_METRIC(&metrics, "recall", -1, 0.75, 0.5);
	CHECK_METRIC(&metrics, "f1", 0, 0.8, 2.0 / 3);
	CHECK_METRIC(&metrics, "f1", 1, 2.0 / 3, 2.0 / 3);
	CHECK_METRIC(&metrics, "f1", -1, 11.0 / 15, 1.0 / 3);
	CHECK_METRIC(&metrics, "mcc", -1, 2 / sqrt(12), 0);
	CHECK_METRIC(&metrics, "log_loss", -1,
				 -(log(0.9) + log(0.6) + log(0.35) + log(0.8)) / 4, log(2));
	CHECK_METRIC(&metrics, "brier", -1, 0.158125, 0.25);
	CHECK_METRIC(&metrics, "roc_auc", -1, 0.75, 0.5);
	CHECK_METRIC(&metrics, "roc_auc", 0, 0.75, 0.5);
	CHECK_METRIC(&metrics, "roc_auc", 1, 0.75, 0.5);
	CHECK_METRIC(&metrics, "average_precision", -1, 5.0 / 6, 0.5);
	CHECK_METRIC(&metrics, "average_precision", 1, 5.0 / 6, 0.5);
	pf_release(unit_env(), metrics.metrics);

	memset(counts, 0xff, sizeof(counts));
	pf_confusion(unit_env(), 2, 4, actual, shares, counts);
	CHECK_INT(counts[0], 2);
	CHECK_INT(counts[1], 0);
	CHECK_INT(counts[2], 1);
	CHECK_INT(counts[3], 1);

	pf_curve(unit_env(), 2, 4, actual, shares, 1, 0, &curve);
	if (CHECK_INT(curve.count, 5))
	{
		for (int i = 0; i < 5; i++)
		{
			CHECK_DOUBLE(curve.threshold[i], threshold[i]);
			CHECK_DOUBLE(curve.tpr[i], tpr[i]);
			CHECK_DOUBLE(curve.fpr[i], fpr[i]);
			CHECK_DOUBLE(curve.precision[i], precision[i]);
			CHECK_DOUBLE(curve.recall[i], tpr[i]);
		}
	}
	release_curve(&curve);
}

/* Two of three classes occur; the third is one that the model does not know. */
static void
check_unknown_class(void)
{
	const uint32_t actual[] = {0, 0, 1, 2};
	const double shares[] = {1, 0, 0, 0.75, 0.25, 0, 0.5, 0.5, 0, 0, 1, 0};
	PfMetrics	metrics;
	PfCurve		curve;

	/* predicted: 0 0 0 (the first of equals) 1 */
	pf_measure_classes(unit_env(), 3, 4, actual, shares, &metrics);
	CHECK_INT(metrics.count, 25);
	CHECK_METRIC(&metrics, "accuracy", -1, 0.5, 0.5);
	CHECK_METRIC(&metrics, "balanced_accuracy", -1, 1.0 / 3, 1.0 / 3);
	CHECK_METRIC(&metrics, "precision", 0, 2.0 / 3, 0.5);
	CHECK_METRIC(&metrics, "precision", 2, 0, 0.25);
	CHECK_METRIC(&metrics, "precision", -1, 2.0 / 9, 0.5 / 3);
	CHECK_METRIC(&metrics, "f1", 2, 0, 0.4);
	CHECK_METRIC(&metrics, "brier", -1, (0 + 0.125 + 0.5 + 2) / 4, 0.625);
	CHECK_NEAR(find(&metrics, "log_loss", -1)->value,
			   -(log(0.75) + log(0.5) + log(ldexp(1, -52))) / 4, 1e-12);
	CHECK_METRIC(&metrics, "roc_auc", 2, 0.5, 0.5);
	CHECK_METRIC(&metrics, "average_precision", 2, 0.25, 0.25);
	CHECK_METRIC(&metrics, "roc_auc", 0, 1, 0.5);
	CHECK_METRIC(&metrics, "roc_auc", 1, 2.0 / 3, 0.5);
	CHECK_METRIC(&metrics, "roc_auc", -1, (1 + 2.0 / 3 + 0.5) / 3, 0.5);
	pf_release(unit_env(), metrics.metrics);

	/* all rows have one score */
	pf_curve(unit_env(), 3, 4, actual, shares, 2, 0, &curve);
	CHECK_INT(curve.count, 2);
	CHECK_DOUBLE(curve.threshold[1], 0);
	CHECK_DOUBLE(curve.tpr[1], 1);
	CHECK_DOUBLE(curve.fpr[1], 1);
	CHECK_DOUBLE(curve.precision[1], 0.25);
	release_curve(&curve);

	/* so they have for a class past the last, which has no rows either */
	pf_curve(unit_env(), 3, 4, actual, shares, 7, 0, &curve);
	CHECK_INT(curve.count, 2);
	CHECK_DOUBLE(curve.tpr[1], NAN);
	CHECK_DOUBLE(curve.fpr[1], 1);
	CHECK_DOUBLE(curve.precision[1], 0);
	CHECK_DOUBLE(curve.recall[0], 0);
	CHECK_DOUBLE(curve.recall[1], 1);
	release_curve(&curve);
}

static void
check_nothing_and_one(void)
{
	const uint32_t ones[] = {1, 1};
	const uint32_t zeros[] = {0, 0};
	const double shares[] = {0.5, 0.5, 0.25, 0.75};
	PfMetrics	metrics;
	PfCurve		curve;

	for (uint32_t nclasses = 0; nclasses < 4; nclasses++)
	{
		pf_measure_classes(unit_env(), nclasses, 0, NULL, NULL, &metrics);
		CHECK_INT(metrics.count, 10 + 5 * nclasses);
		for (uint32_t i = 0; i < metrics.count; i++)
		{
			CHECK(isnan(metrics.metrics[i].value));
			CHECK(isnan(metrics.metrics[i].baseline));
		}
		pf_release(unit_env(), metrics.metrics);
	}
	pf_measure_values(unit_env(), 0, NULL, NULL, &metrics);
	CHECK_INT(metrics.count, 4);
	for (uint32_t i = 0; i < metrics.count; i++)
	{
		CHECK(isnan(metrics.metrics[i].value));
		CHECK(isnan(metrics.metrics[i].baseline));
	}
	pf_release(unit_env(), metrics.metrics);
	pf_curve(unit_env(), 2, 0, NULL, NULL, 1, 0, &curve);
	CHECK_INT(curve.count, 0);
	release_curve(&curve);

	/* only the positive class; only the other one; only one there can be */
	pf_measure_classes(unit_env(), 2, 2, ones, shares, &metrics);
	CHECK_METRIC(&metrics, "accuracy", -1, 0.5, 1);
	CHECK_METRIC(&metrics, "balanced_accuracy", -1, 0.5, 1);
	CHECK_METRIC(&metrics, "precision", -1, 0.5, 1);
	CHECK_METRIC(&metrics, "recall", 0, 0, 0);
	CHECK_METRIC(&metrics, "mcc", -1, 0, 0);
	CHECK_METRIC(&metrics, "log_loss", -1, -(log(0.5) + log(0.75)) / 2, 0);
	CHECK_METRIC(&metrics, "brier", -1, (0.25 + 0.0625) / 2, 0);
	CHECK_METRIC(&metrics, "roc_auc", -1, NAN, NAN);
	CHECK_METRIC(&metrics, "average_precision", -1, 1, 1);
	CHECK_METRIC(&metrics, "average_precision", 0, 0, 0);
	pf_release(unit_env(), metrics.metrics);

	pf_measure_classes(unit_env(), 2, 2, zeros, shares, &metrics);
	CHECK_METRIC(&metrics, "roc_auc", -1, NAN, NAN);
	CHECK_METRIC(&metrics, "average_precision", -1, 0, 0);
	pf_release(unit_env(), metrics.metrics);

	pf_measure_classes(unit_env(), 1, 2, zeros, shares, &metrics);
	CHECK_METRIC(&metrics, "accuracy", -1, 1, 1);
	CHECK_METRIC(&metrics, "log_loss", -1, 0, 0);
	CHECK_METRIC(&metrics, "roc_auc", -1, NAN, NAN);
	CHECK_METRIC(&metrics, "average_precision", -1, 1, 1);
	pf_release(unit_env(), metrics.metrics);
}

static void
check_values(void)
{
	const double actual[] = {3, -0.5, 2, 7};
	const double predicted[] = {2.5, 0, 2, 8};
	const double constant[] = {0.1, 0.1, 0.1};
	const double near[] = {0.1, 0.1, 0.2};
	const double zero[] = {0, 0, 4};
	PfMetrics	metrics;

	pf_measure_values(unit_env(), 4, actual, predicted, &metrics);
	CHECK_METRIC(&metrics, "mae", -1, 0.5, (0 + 3.5 + 1 + 4) / 4);
	CHECK_METRIC(&metrics, "rmse", -1, sqrt(0.375), sqrt(29.1875 / 4));
	CHECK_METRIC(&metrics, "r2", -1, 1 - 1.5 / 29.1875, 0);
	/* the weights are 1/3, 2, 1/2, 1/7: the constant is -0.5 */
	CHECK_METRIC(&metrics, "mape", -1, (0.5 / 3 + 1 + 0 + 1.0 / 7) / 4,
				 (3.5 / 3 + 0 + 2.5 / 2 + 7.5 / 7) / 4);
	pf_release(unit_env(), metrics.metrics);

	/* no spread: as in scikit-learn, 1 for what is exact and 0 for what is not */
	pf_measure_values(unit_env(), 3, constant, constant, &metrics);
	CHECK_METRIC(&metrics, "r2", -1, 1, 1);
	CHECK_METRIC(&metrics, "rmse", -1, 0, 0);
	pf_release(unit_env(), metrics.metrics);
	pf_measure_values(unit_env(), 3, constant, near, &metrics);
	CHECK_METRIC(&metrics, "r2", -1, 0, 1);
	CHECK_METRIC(&metrics, "mape", -1, 1.0 / 3, 0);
	pf_release(unit_env(), metrics.metrics);

	pf_measure_values(unit_env(), 1, actual, predicted, &metrics);
	CHECK_METRIC(&metrics, "r2", -1, NAN, NAN);
	CHECK_METRIC(&metrics, "mae", -1, 0.5, 0);
	pf_release(unit_env(), metrics.metrics);

	/* a relative error of 0 counts against the smallest double step at 1 */
	pf_measure_values(unit_env(), 3, zero, near, &metrics);
	CHECK_NEAR(find(&metrics, "mape", -1)->value * ldexp(1, -52), 0.2 / 3, 1e-15);
	CHECK_DOUBLE(find(&metrics, "mape", -1)->baseline, 1.0 / 3);
	pf_release(unit_env(), metrics.metrics);

	/* what overflows is infinite, not undefined */
	{
		const double huge[] = {1e200, -1e200, 1e200};

		pf_measure_values(unit_env(), 3, huge, near, &metrics);
		CHECK_DOUBLE(find(&metrics, "rmse", -1)->value, INFINITY);
		pf_release(unit_env(), metrics.metrics);
	}
}

/* No constant taken from the rows does better than the baseline. */
static void
check_best_constants(void)
{
	enum
	{
		N = 60
	};
	double		actual[N],
				guess[N];
	uint64_t	state = 7;
	PfMetrics	metrics,
				of_guess;
	double		best[4] = {INFINITY, INFINITY, -INFINITY, INFINITY};

	for (int i = 0; i < N; i++)
		actual[i] = exp(6 * unit_uniform(&state)) - 100;
	pf_measure_values(unit_env(), N, actual, actual, &metrics);
	for (int i = 0; i < N; i++)
	{
		for (int j = 0; j < N; j++)
			guess[j] = actual[i];
		pf_measure_values(unit_env(), N, actual, guess, &of_guess);
		for (int m = 0; m < 4; m++)
		{
			bool		less = pf_metric_direction(of_guess.metrics[m].name) < 0;
			double		value = of_guess.metrics[m].value;

			if (less ? value < best[m] : value > best[m])
				best[m] = value;
		}
		pf_release(unit_env(), of_guess.metrics);
	}
	CHECK(metrics.metrics[0].baseline <= best[0]);
	CHECK_NEAR(metrics.metrics[1].baseline, best[1], 1e-12);
	CHECK(metrics.metrics[2].baseline >= best[2]);
	CHECK_NEAR(metrics.metrics[3].baseline, best[3], 1e-12);
	pf_release(unit_env(), metrics.metrics);
}

/* Random shares of n rows, one decimal: many ties; the last class is rare. */
static void
make_rows(uint64_t seed, uint32_t nclasses, size_t n, uint32_t *actual, double *shares)
{
	for (size_t i = 0; i < n; i++)
	{
		actual[i] = (uint32_t) (unit_uniform(&seed) * unit_uniform(&seed) * nclasses);
		for (uint32_t c = 0; c < nclasses; c++)
			shares[i * nclasses + c] = floor(10 * unit_uniform(&seed)) / 10;
	}
}

/* Area under the ROC curve by its meaning: pairs that are in the right order. */
static void
check_against_pairs(void)
{
	enum
	{
		N = 400,
		C = 3
	};
	uint32_t	actual[N];
	double		shares[N * C];
	PfMetrics	metrics;

	make_rows(1, C, N, actual, shares);
	/* both zeros are one score, and the order reaches below and above them */
	shares[0] = -0.0;
	shares[C] = 0.0;
	shares[2 * C] = -3;
	shares[3 * C] = -INFINITY;
	shares[4 * C] = INFINITY;
	shares[5 * C] = 1e-310;
	pf_measure_classes(unit_env(), C, N, actual, shares, &metrics);
	for (uint32_t c = 0; c < C; c++)
	{
		double		right = 0,
					pairs = 0;

		for (int i = 0; i < N; i++)
		{
			for (int j = 0; j < N && actual[i] == c; j++)
			{
				if (actual[j] == c)
					continue;
				pairs += 1;
				right += shares[i * C + c] > shares[j * C + c] ? 1 :
					shares[i * C + c] == shares[j * C + c] ? 0.5 : 0;
			}
		}
		CHECK_NEAR(find(&metrics, "roc_auc", (int32_t) c)->value, right / pairs, 1e-14);
	}
	pf_release(unit_env(), metrics.metrics);
}

/* The same rows in another order: the same figures, to the last bits but one or two. */
static void
check_row_order(void)
{
	enum
	{
		N = 5000,
		C = 3
	};
	static uint32_t actual[N],
				actual_back[N];
	static double shares[N * C],
				shares_back[N * C];
	PfMetrics	metrics,
				metrics_back;

	make_rows(2, C, N, actual, shares);
	for (int i = 0; i < N; i++)
	{
		actual_back[N - 1 - i] = actual[i];
		memcpy(shares_back + (N - 1 - i) * C, shares + i * C, C * sizeof(double));
	}
	pf_measure_classes(unit_env(), C, N, actual, shares, &metrics);
	pf_measure_classes(unit_env(), C, N, actual_back, shares_back, &metrics_back);
	for (uint32_t i = 0; i < metrics.count; i++)
		CHECK_NEAR(metrics_back.metrics[i].value, metrics.metrics[i].value,
				   1e-15 * fabs(metrics.metrics[i].value));
	pf_release(unit_env(), metrics.metrics);
	pf_release(unit_env(), metrics_back.metrics);
}

/* Nobody promises a figure for NaN, but everything returns. */
static void
check_nan(void)
{
	const uint32_t actual[] = {0, 1, 0, 1, 0};
	const double shares[] = {NAN, -NAN, 0.5, 0.5, -NAN, NAN, -NAN, -NAN, 0.25, -INFINITY};
	PfMetrics	metrics;
	PfCurve		curve;

	for (size_t n = 1; n <= 5; n++)
	{
		for (uint32_t class = 0; class < 3; class++)
		{
			pf_curve(unit_env(), 2, n, actual, shares, class, 0, &curve);
			CHECK(curve.count >= 2 && curve.count <= n + 1);
			release_curve(&curve);
		}
		pf_measure_classes(unit_env(), 2, n, actual, shares, &metrics);
		CHECK_INT(metrics.count, 20);
		pf_release(unit_env(), metrics.metrics);
		pf_measure_values(unit_env(), n, shares, shares + 5, &metrics);
		CHECK_INT(metrics.count, 4);
		pf_release(unit_env(), metrics.metrics);
	}
}

static void
check_thinning(void)
{
	enum
	{
		N = 1000
	};
	uint32_t	actual[N];
	double		shares[N * 2];
	PfCurve		all,
				some;

	for (int i = 0; i < N; i++)
	{
		actual[i] = i % 3 == 0;
		shares[2 * i + 1] = i / (double) N;
		shares[2 * i] = 1 - shares[2 * i + 1];
	}
	pf_curve(unit_env(), 2, N, actual, shares, 1, 0, &all);
	CHECK_INT(all.count, N + 1);
	for (uint32_t wanted = 1; wanted <= N + 2; wanted += wanted < 12 ? 1 : 90)
	{
		uint32_t	place = 0,
					widest = 0;

		pf_curve(unit_env(), 2, N, actual, shares, 1, wanted, &some);
		CHECK_INT(some.count, wanted < all.count ? wanted : all.count);
		for (uint32_t i = 0; i < some.count; i++)
		{
			uint32_t	before = place;

			while (place < all.count && all.threshold[place] != some.threshold[i])
				place++;
			if (!CHECK(place < all.count))
				break;
			if (place - before > widest)
				widest = place - before;
			CHECK(all.tpr[place] == some.tpr[i] && all.fpr[place] == some.fpr[i]);
		}
		CHECK_DOUBLE(some.threshold[0], INFINITY);
		if (wanted > 1)
		{
			CHECK_DOUBLE(some.threshold[some.count - 1], 0);
			CHECK(widest <= N / (some.count - 1) + 1);
		}
		release_curve(&some);
	}
	release_curve(&all);
}

typedef struct Rows
{
	uint32_t	nclasses;
	size_t		n;
	uint32_t   *actual;
	double	   *shares;
} Rows;

static void
run_everything(void *arg)
{
	Rows	   *rows = arg;
	PfMetrics	metrics;
	PfCurve		curve;

	pf_measure_classes(unit_env(), rows->nclasses, rows->n, rows->actual, rows->shares, &metrics);
	pf_release(unit_env(), metrics.metrics);
	pf_measure_values(unit_env(), rows->n, rows->shares, rows->shares + 1, &metrics);
	pf_release(unit_env(), metrics.metrics);
	pf_curve(unit_env(), rows->nclasses, rows->n, rows->actual, rows->shares, 1, 100, &curve);
	release_curve(&curve);
}

/* Left at any event, nothing stays behind and the next run is as good. */
static void
check_interrupts(void)
{
	Rows		rows = {3, 300000, NULL, NULL};
	size_t		before;
	uint64_t	checks;
	uint64_t	after = 0;

	rows.actual = pf_alloc(unit_env(), rows.n * sizeof(uint32_t));
	rows.shares = pf_alloc(unit_env(), rows.n * 3 * sizeof(double));
	for (size_t i = 0; i < rows.n; i++)
		rows.actual[i] = (uint32_t) (i % 3);
	/* one long tie, which must not be walked without a check either */
	for (size_t i = 0; i < rows.n * 3; i++)
		rows.shares[i] = i % 3 == 2 ? 0 : (double) (i % 1000) / 1000;

	before = unit_live_bytes();
	unit_reset_peak();
	checks = unit_interrupt_checks();
	run_everything(&rows);
	checks = unit_interrupt_checks() - checks;
	CHECK(checks > 30 * rows.n / 65536);
	CHECK_INT(unit_live_bytes(), before);
	CHECK(unit_peak_bytes() - before < 24 * rows.n + 20000);

	while (unit_interrupt(after, run_everything, &rows))
	{
		if (!CHECK_INT(unit_live_bytes(), before))
			break;
		after += 7;
	}
	CHECK(after > checks);
	pf_release(unit_env(), rows.actual);
	pf_release(unit_env(), rows.shares);
}

static bool
is_listed(const char *list, const char *name)
{
	size_t		length = strlen(name);

	for (const char *at = strstr(list, name); at != NULL; at = strstr(at + 1, name))
	{
		if ((at == list || at[-1] == ' ') && (at[length] == ',' || at[length] == '\0'))
			return true;
	}
	return false;
}

static void
check_names(void)
{
	const uint32_t actual[] = {0, 1};
	const double shares[] = {0.5, 0.5, 0.25, 0.75};
	PfMetrics	metrics;

	pf_measure_classes(unit_env(), 2, 2, actual, shares, &metrics);
	for (uint32_t i = 0; i < metrics.count; i++)
	{
		CHECK(pf_metric_direction(metrics.metrics[i].name) != 0);
		CHECK(is_listed(pf_metric_names(PF_CLASSIFICATION), metrics.metrics[i].name));
		CHECK(is_listed(pf_metric_names(PF_TASK_AUTO), metrics.metrics[i].name));
		CHECK(!is_listed(pf_metric_names(PF_REGRESSION), metrics.metrics[i].name));
	}
	pf_release(unit_env(), metrics.metrics);
	pf_measure_values(unit_env(), 2, shares, shares, &metrics);
	for (uint32_t i = 0; i < metrics.count; i++)
	{
		CHECK(pf_metric_direction(metrics.metrics[i].name) != 0);
		CHECK(is_listed(pf_metric_names(PF_REGRESSION), metrics.metrics[i].name));
		CHECK(is_listed(pf_metric_names(PF_TASK_AUTO), metrics.metrics[i].name));
		CHECK(!is_listed(pf_metric_names(PF_CLASSIFICATION), metrics.metrics[i].name));
	}
	pf_release(unit_env(), metrics.metrics);
	CHECK_INT(pf_metric_direction("f1"), 1);
	CHECK_INT(pf_metric_direction("rmse"), -1);
	CHECK_INT(pf_metric_direction("f"), 0);
	CHECK_INT(pf_metric_direction(""), 0);
}

/* What is to be expected of shares: of certain ones what is measured, else what can be added up by hand. */
static void
check_estimates(void)
{
	const uint32_t actual[] = {0, 1, 2, 1, 0};
	const double certain[] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0};
	const double shares[] = {0.9, 0.1, 0.6, 0.4, 0.65, 0.35, 0.2, 0.8};
	PfMetrics	metrics;
	PfMetrics	measured;

	pf_estimate_classes(unit_env(), 3, 5, certain, &metrics);
	pf_measure_classes(unit_env(), 3, 5, actual, certain, &measured);
	CHECK_INT(metrics.count, measured.count);
	for (uint32_t i = 0; i < metrics.count; i++)
	{
		CHECK_TEXT(metrics.metrics[i].name, measured.metrics[i].name);
		CHECK_INT(metrics.metrics[i].class, measured.metrics[i].class);
		CHECK_NEAR(metrics.metrics[i].value, measured.metrics[i].value, 1e-14);
		CHECK_NEAR(metrics.metrics[i].baseline, measured.metrics[i].baseline, 1e-14);
	}
	pf_release(unit_env(), metrics.metrics);
	pf_release(unit_env(), measured.metrics);

	/* rows of the classes: 2.35 and 1.65; predicted: 3 and 1; right: 2.15 and 0.8 */
	pf_estimate_classes(unit_env(), 2, 4, shares, &metrics);
	CHECK_METRIC(&metrics, "accuracy", -1, 2.95 / 4, 2.35 / 4);
	CHECK_METRIC(&metrics, "precision", 0, 2.15 / 3, 2.35 / 4);
	CHECK_METRIC(&metrics, "precision", 1, 0.8, 1.65 / 4);
	CHECK_METRIC(&metrics, "recall", 0, 2.15 / 2.35, 1);
	CHECK_METRIC(&metrics, "recall", 1, 0.8 / 1.65, 1);
	CHECK_METRIC(&metrics, "f1", 1, 1.6 / 2.65, 2 * 1.65 / 5.65);
	CHECK_METRIC(&metrics, "brier", -1, (0.09 + 0.24 + 0.2275 + 0.16) / 4,
				 2.35 / 4 * 1.65 / 4);
	CHECK_METRIC(&metrics, "log_loss", -1,
				 -(0.9 * log(0.9) + 0.1 * log(0.1) + 0.6 * log(0.6) + 0.4 * log(0.4) +
				   0.65 * log(0.65) + 0.35 * log(0.35) + 0.2 * log(0.2) + 0.8 * log(0.8)) / 4,
				 -(2.35 / 4 * log(2.35 / 4) + 1.65 / 4 * log(1.65 / 4)));
	/* pairs of a positive and a negative: those with the greater share first, and half of those with themselves */
	CHECK_METRIC(&metrics, "roc_auc", -1,
				 (0.8 * (0.6 + 0.65 + 0.9) + 0.4 * (0.65 + 0.9) + 0.35 * 0.9 +
				  (0.8 * 0.2 + 0.4 * 0.6 + 0.35 * 0.65 + 0.1 * 0.9) / 2) / (1.65 * 2.35), 0.5);
	CHECK_METRIC(&metrics, "average_precision", 1,
				 (0.8 * 0.8 + 0.4 * 1.2 / 2 + 0.35 * 1.55 / 3 + 0.1 * 1.65 / 4) / 1.65, 1.65 / 4);
	pf_release(unit_env(), metrics.metrics);

	pf_estimate_classes(unit_env(), 2, 0, shares, &metrics);
	CHECK(isnan(find(&metrics, "accuracy", -1)->value));
	pf_release(unit_env(), metrics.metrics);
}

void
test_measure(void)
{
	check_two_classes();
	check_estimates();
	check_unknown_class();
	check_nothing_and_one();
	check_values();
	check_best_constants();
	check_against_pairs();
	check_row_order();
	check_nan();
	check_thinning();
	check_interrupts();
	check_names();
}

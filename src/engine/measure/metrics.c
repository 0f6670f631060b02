/*
 * metrics.c
 *	  Metrics of classification, beside each what a constant predictor reaches.
 *
 * Nearly all follow from the confusion matrix; log loss and the Brier score take
 * one pass over the shares, the two areas a sort for each class (curve.c).
 *
 * The baseline of a metric is the best value among predictors that give every
 * row the same answer: one class for the metrics of predicted classes, the class
 * shares of these rows for log loss and Brier score.
 *
 * Memory: nclasses x nclasses counters and 24 bytes a row while it runs; the
 * result is the caller's.
 */
#include <float.h>
#include <string.h>

#include "engine/measure/parts.h"
#include "engine/walk/walk.h"

size_t
pf_rows_per_chunk(uint32_t nclasses)
{
	return nclasses < PF_CHUNK ? PF_CHUNK / (nclasses > 0 ? nclasses : 1) : 1;
}

void
pf_metric_put(PfMetrics *out, const char *name, int32_t class, double value, double baseline)
{
	PfMetric   *metric = &out->metrics[out->count++];

	metric->name = name;
	metric->class = class;
	metric->value = value;
	metric->baseline = baseline;
}

/* zero_division = 0 */
static double
ratio(double numerator, double denominator)
{
	return denominator > 0 ? numerator / denominator : 0;
}

void
pf_confusion(const PfEnv *env, uint32_t nclasses, size_t n,
			 const uint32_t *actual, const double *shares, uint64_t *counts)
{
	size_t		chunk = pf_rows_per_chunk(nclasses);

	memset(counts, 0, (size_t) nclasses * nclasses * sizeof(uint64_t));
	for (size_t i = 0; i < n; i++)
	{
		if (i % chunk == 0)
			pf_check(env);
		counts[(size_t) actual[i] * nclasses + pf_best_class(shares + i * nclasses, nclasses)]++;
	}
}

void
pf_margins_create(const PfEnv *env, PfMargins *margins, uint32_t nclasses, double n)
{
	memset(margins, 0, sizeof(PfMargins));
	margins->nclasses = nclasses;
	margins->n = n;
	margins->actual = pf_alloc(env, nclasses * sizeof(double));
	margins->predicted = pf_alloc(env, nclasses * sizeof(double));
	margins->correct = pf_alloc(env, nclasses * sizeof(double));
	for (uint32_t c = 0; c < nclasses; c++)
		margins->actual[c] = margins->predicted[c] = margins->correct[c] = 0;
}

void
pf_margins_finish(PfMargins *margins)
{
	margins->noccurring = margins->nseen = 0;
	margins->largest = 0;
	for (uint32_t c = 0; c < margins->nclasses; c++)
	{
		margins->noccurring += margins->actual[c] > 0;
		margins->nseen += margins->actual[c] > 0 || margins->predicted[c] > 0;
		if (margins->actual[c] / margins->n > margins->largest)
			margins->largest = margins->actual[c] / margins->n;
	}
}

void
pf_margins_release(const PfEnv *env, PfMargins *margins)
{
	pf_release(env, margins->actual);
	pf_release(env, margins->predicted);
	pf_release(env, margins->correct);
}

/* The margins of the confusion matrix. */
static void
count_margins(const PfEnv *env, PfMargins *margins, uint32_t nclasses, size_t n,
			  const uint32_t *actual, const double *shares)
{
	uint64_t   *counts = pf_alloc(env, (size_t) nclasses * nclasses * sizeof(uint64_t));

	pf_margins_create(env, margins, nclasses, (double) n);
	pf_confusion(env, nclasses, n, actual, shares, counts);
	for (uint32_t c = 0; c < nclasses; c++)
	{
		const uint64_t *row = counts + (size_t) c * nclasses;

		pf_check(env);
		for (uint32_t p = 0; p < nclasses; p++)
		{
			margins->actual[c] += (double) row[p];
			margins->predicted[p] += (double) row[p];
		}
		margins->correct[c] = (double) row[c];
	}
	pf_release(env, counts);
	pf_margins_finish(margins);
}

/* Precision, recall and F1 of a class; F1 from the counts, not from the other two. */
double
pf_class_precision(const PfMargins *margins, uint32_t class)
{
	return ratio(margins->correct[class], margins->predicted[class]);
}

double
pf_class_recall(const PfMargins *margins, uint32_t class)
{
	return ratio(margins->correct[class], margins->actual[class]);
}

double
pf_class_f1(const PfMargins *margins, uint32_t class)
{
	return ratio(2 * margins->correct[class],
				 margins->actual[class] + margins->predicted[class]);
}

/* What the predicted classes say of the whole set. */
void
pf_put_set_metrics(const PfMargins *margins, PfMetrics *out)
{
	double		n = margins->n;
	double		correct = 0,
				precision = 0,
				recall = 0,
				f1 = 0,
				covariance = 0,
				spread_actual = n * n,
				spread_predicted = n * n,
				mcc;
	double		largest = margins->largest;
	double		noccurring = margins->noccurring,
				nseen = margins->nseen;

	for (uint32_t c = 0; c < margins->nclasses; c++)
	{
		double		actual = margins->actual[c],
					predicted = margins->predicted[c];

		correct += margins->correct[c];
		precision += pf_class_precision(margins, c);
		recall += pf_class_recall(margins, c);
		f1 += pf_class_f1(margins, c);
		covariance -= actual * predicted;
		spread_actual -= actual * actual;
		spread_predicted -= predicted * predicted;
	}
	covariance += correct * n;
	mcc = ratio(covariance, sqrt(spread_actual) * sqrt(spread_predicted));

	pf_metric_put(out, "accuracy", -1, correct / n, largest);
	pf_metric_put(out, "balanced_accuracy", -1, recall / noccurring, 1 / noccurring);
	/* a constant predictor scores in one class only, and 0 in the others that occur */
	pf_metric_put(out, "precision", -1, precision / nseen, largest / noccurring);
	pf_metric_put(out, "recall", -1, recall / nseen, 1 / noccurring);
	pf_metric_put(out, "f1", -1, f1 / nseen, 2 * largest / (1 + largest) / noccurring);
	pf_metric_put(out, "mcc", -1, mcc, 0);
}

double
pf_clip_share(double share)
{
	if (!(share > DBL_EPSILON))
		return DBL_EPSILON;
	return share < 1 - DBL_EPSILON ? share : 1 - DBL_EPSILON;
}

/* What the shares say of the whole set. */
static void
put_share_metrics(const PfEnv *env, const PfMargins *margins, size_t n,
				  const uint32_t *actual, const double *shares, PfMetrics *out)
{
	uint32_t	nclasses = margins->nclasses;
	/* the Brier score of two classes is that of the positive one alone */
	uint32_t	first = nclasses == 2 ? 1 : 0;
	size_t		chunk = pf_rows_per_chunk(nclasses);
	PfSum		log_loss = {0, 0},
				brier = {0, 0};
	double		best_log_loss = 0,
				best_brier = 0;

	for (size_t i = 0; i < n; i++)
	{
		double		row_log_loss,
					row_brier;

		if (i % chunk == 0)
			pf_check(env);
		pf_share_losses(nclasses, shares + i * nclasses, actual[i], &row_log_loss, &row_brier);
		pf_sum_add(&log_loss, row_log_loss);
		pf_sum_add(&brier, row_brier);
	}

	for (uint32_t c = 0; c < nclasses; c++)
	{
		double		share = margins->actual[c] / margins->n;

		if (share > 0)
			best_log_loss -= share * log(share);
		if (c >= first)
			best_brier += share * (1 - share);
	}
	pf_metric_put(out, "log_loss", -1, pf_sum_value(&log_loss) / margins->n, best_log_loss);
	pf_metric_put(out, "brier", -1, pf_sum_value(&brier) / margins->n, best_brier);
}

/*
 * The metrics of each class against the rest, and of the two areas the whole
 * set's: of two classes that of the positive (second) one, else the mean over
 * the classes for which it is defined, that is, which occur (and, for the ROC
 * curve, are not alone).
 */
static void
put_class_metrics(const PfEnv *env, const PfMargins *margins, size_t n,
				  const uint32_t *actual, const double *shares, PfMetrics *out)
{
	uint32_t	nclasses = margins->nclasses;
	PfMetric   *set_auc = &out->metrics[out->count];
	PfMetric   *set_precision = set_auc + 1;
	PfRanking	ranking;
	PfSum		aucs = {0, 0},
				precisions = {0, 0};
	uint32_t	naucs = 0;

	pf_metric_put(out, "roc_auc", -1, NAN, NAN);
	pf_metric_put(out, "average_precision", -1, NAN, NAN);

	pf_ranking_create(env, n, &ranking);
	for (uint32_t c = 0; c < nclasses; c++)
	{
		double		share = margins->actual[c] / margins->n;
		double		auc,
					average_precision;

		pf_ranking_fill(env, &ranking, nclasses, n, actual, shares, c);
		pf_ranking_areas(env, &ranking, &auc, &average_precision);

		pf_metric_put(out, "precision", (int32_t) c, pf_class_precision(margins, c), share);
		pf_metric_put(out, "recall", (int32_t) c, pf_class_recall(margins, c), share > 0 ? 1 : 0);
		pf_metric_put(out, "f1", (int32_t) c, pf_class_f1(margins, c), 2 * share / (1 + share));
		pf_metric_put(out, "roc_auc", (int32_t) c, auc, isnan(auc) ? NAN : 0.5);
		pf_metric_put(out, "average_precision", (int32_t) c, average_precision, share);

		if (nclasses == 2)
		{
			/* the second class is the last to be copied */
			*set_auc = out->metrics[out->count - 2];
			*set_precision = out->metrics[out->count - 1];
			continue;
		}
		if (!isnan(auc))
		{
			pf_sum_add(&aucs, auc);
			naucs++;
		}
		if (share > 0)
			pf_sum_add(&precisions, average_precision);
	}
	pf_ranking_release(env, &ranking);

	if (nclasses != 2)
	{
		set_auc->value = pf_sum_value(&aucs) / naucs;
		set_auc->baseline = naucs > 0 ? 0.5 : NAN;
		set_precision->value = pf_sum_value(&precisions) / margins->noccurring;
		/* the mean share of the classes that occur */
		set_precision->baseline = 1.0 / margins->noccurring;
	}
	set_auc->class = set_precision->class = -1;
}

void
pf_measure_classes(const PfEnv *env, uint32_t nclasses, size_t n,
				   const uint32_t *actual, const double *shares, PfMetrics *out)
{
	PfMargins	margins;

	out->count = 0;
	out->metrics = pf_alloc(env, (PF_SET_METRICS + (size_t) nclasses * PF_CLASS_METRICS) *
							sizeof(PfMetric));

	count_margins(env, &margins, nclasses, n, actual, shares);
	pf_put_set_metrics(&margins, out);
	put_share_metrics(env, &margins, n, actual, shares, out);
	put_class_metrics(env, &margins, n, actual, shares, out);
	pf_margins_release(env, &margins);

	/* of no rows nothing is known */
	for (uint32_t i = 0; n == 0 && i < out->count; i++)
		out->metrics[i].value = out->metrics[i].baseline = NAN;
}

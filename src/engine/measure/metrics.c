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

#define SET_METRICS		10		/* of the whole set */
#define CLASS_METRICS	5		/* of each class */

/* Rows whose shares make up a chunk of work. */
static size_t
rows_per_chunk(uint32_t nclasses)
{
	return nclasses < PF_CHUNK ? PF_CHUNK / (nclasses > 0 ? nclasses : 1) : 1;
}

static void
put(PfMetrics *out, const char *name, int32_t class, double value, double baseline)
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
	size_t		chunk = rows_per_chunk(nclasses);

	memset(counts, 0, (size_t) nclasses * nclasses * sizeof(uint64_t));
	for (size_t i = 0; i < n; i++)
	{
		if (i % chunk == 0)
			pf_check(env);
		counts[(size_t) actual[i] * nclasses + pf_best_class(shares + i * nclasses, nclasses)]++;
	}
}

/* The confusion matrix and its margins. */
typedef struct Confusion
{
	uint32_t	nclasses;
	double		n;
	uint64_t   *counts;
	double	   *actual,			/* rows of a class */
			   *predicted,		/* rows predicted to be of it */
			   *correct;
	uint32_t	noccurring;		/* classes with actual rows */
	uint32_t	nseen;			/* classes with actual or predicted rows */
	double		largest;		/* share of the most frequent class */
} Confusion;

static void
confusion_create(const PfEnv *env, Confusion *confusion, uint32_t nclasses, size_t n,
				 const uint32_t *actual, const double *shares)
{
	memset(confusion, 0, sizeof(Confusion));
	confusion->nclasses = nclasses;
	confusion->n = (double) n;
	confusion->counts = pf_alloc(env, (size_t) nclasses * nclasses * sizeof(uint64_t));
	confusion->actual = pf_alloc(env, nclasses * sizeof(double));
	confusion->predicted = pf_alloc(env, nclasses * sizeof(double));
	confusion->correct = pf_alloc(env, nclasses * sizeof(double));
	pf_confusion(env, nclasses, n, actual, shares, confusion->counts);

	for (uint32_t c = 0; c < nclasses; c++)
		confusion->actual[c] = confusion->predicted[c] = 0;
	for (uint32_t c = 0; c < nclasses; c++)
	{
		const uint64_t *row = confusion->counts + (size_t) c * nclasses;

		pf_check(env);
		for (uint32_t p = 0; p < nclasses; p++)
		{
			confusion->actual[c] += (double) row[p];
			confusion->predicted[p] += (double) row[p];
		}
		confusion->correct[c] = (double) row[c];
	}
	for (uint32_t c = 0; c < nclasses; c++)
	{
		confusion->noccurring += confusion->actual[c] > 0;
		confusion->nseen += confusion->actual[c] > 0 || confusion->predicted[c] > 0;
		if (confusion->actual[c] / confusion->n > confusion->largest)
			confusion->largest = confusion->actual[c] / confusion->n;
	}
}

static void
confusion_release(const PfEnv *env, Confusion *confusion)
{
	pf_release(env, confusion->counts);
	pf_release(env, confusion->actual);
	pf_release(env, confusion->predicted);
	pf_release(env, confusion->correct);
}

/* Precision, recall and F1 of a class; F1 from the counts, not from the other two. */
static double
class_precision(const Confusion *confusion, uint32_t class)
{
	return ratio(confusion->correct[class], confusion->predicted[class]);
}

static double
class_recall(const Confusion *confusion, uint32_t class)
{
	return ratio(confusion->correct[class], confusion->actual[class]);
}

static double
class_f1(const Confusion *confusion, uint32_t class)
{
	return ratio(2 * confusion->correct[class],
				 confusion->actual[class] + confusion->predicted[class]);
}

/* What the predicted classes say of the whole set. */
static void
put_set_metrics(const Confusion *confusion, PfMetrics *out)
{
	double		n = confusion->n;
	double		correct = 0,
				precision = 0,
				recall = 0,
				f1 = 0,
				covariance = 0,
				spread_actual = n * n,
				spread_predicted = n * n,
				mcc;
	double		largest = confusion->largest;
	double		noccurring = confusion->noccurring,
				nseen = confusion->nseen;

	for (uint32_t c = 0; c < confusion->nclasses; c++)
	{
		double		actual = confusion->actual[c],
					predicted = confusion->predicted[c];

		correct += confusion->correct[c];
		precision += class_precision(confusion, c);
		recall += class_recall(confusion, c);
		f1 += class_f1(confusion, c);
		covariance -= actual * predicted;
		spread_actual -= actual * actual;
		spread_predicted -= predicted * predicted;
	}
	covariance += correct * n;
	mcc = ratio(covariance, sqrt(spread_actual) * sqrt(spread_predicted));

	put(out, "accuracy", -1, correct / n, largest);
	put(out, "balanced_accuracy", -1, recall / noccurring, 1 / noccurring);
	/* a constant predictor scores in one class only, and 0 in the others that occur */
	put(out, "precision", -1, precision / nseen, largest / noccurring);
	put(out, "recall", -1, recall / nseen, 1 / noccurring);
	put(out, "f1", -1, f1 / nseen, 2 * largest / (1 + largest) / noccurring);
	put(out, "mcc", -1, mcc, 0);
}

static double
clip(double share)
{
	if (!(share > DBL_EPSILON))
		return DBL_EPSILON;
	return share < 1 - DBL_EPSILON ? share : 1 - DBL_EPSILON;
}

/* What the shares say of the whole set. */
static void
put_share_metrics(const PfEnv *env, const Confusion *confusion, size_t n,
				  const uint32_t *actual, const double *shares, PfMetrics *out)
{
	uint32_t	nclasses = confusion->nclasses;
	/* the Brier score of two classes is that of the positive one alone */
	uint32_t	first = nclasses == 2 ? 1 : 0;
	size_t		chunk = rows_per_chunk(nclasses);
	PfSum		log_loss = {0, 0},
				brier = {0, 0};
	double		best_log_loss = 0,
				best_brier = 0;

	for (size_t i = 0; i < n; i++)
	{
		const double *row = shares + i * nclasses;
		double		total = 0,
					squares = 0;

		if (i % chunk == 0)
			pf_check(env);
		for (uint32_t c = 0; c < nclasses; c++)
		{
			double		miss = row[c] - (c == actual[i]);

			total += clip(row[c]);
			if (c >= first)
				squares += miss * miss;
		}
		pf_sum_add(&log_loss, -log(clip(row[actual[i]]) / total));
		pf_sum_add(&brier, squares);
	}

	for (uint32_t c = 0; c < nclasses; c++)
	{
		double		share = confusion->actual[c] / confusion->n;

		if (share > 0)
			best_log_loss -= share * log(share);
		if (c >= first)
			best_brier += share * (1 - share);
	}
	put(out, "log_loss", -1, pf_sum_value(&log_loss) / confusion->n, best_log_loss);
	put(out, "brier", -1, pf_sum_value(&brier) / confusion->n, best_brier);
}

/*
 * The metrics of each class against the rest, and of the two areas the whole
 * set's: of two classes that of the positive (second) one, else the mean over
 * the classes for which it is defined, that is, which occur (and, for the ROC
 * curve, are not alone).
 */
static void
put_class_metrics(const PfEnv *env, const Confusion *confusion, size_t n,
				  const uint32_t *actual, const double *shares, PfMetrics *out)
{
	uint32_t	nclasses = confusion->nclasses;
	PfMetric   *set_auc = &out->metrics[out->count];
	PfMetric   *set_precision = set_auc + 1;
	PfRanking	ranking;
	PfSum		aucs = {0, 0},
				precisions = {0, 0};
	uint32_t	naucs = 0;

	put(out, "roc_auc", -1, NAN, NAN);
	put(out, "average_precision", -1, NAN, NAN);

	pf_ranking_create(env, n, &ranking);
	for (uint32_t c = 0; c < nclasses; c++)
	{
		double		share = confusion->actual[c] / confusion->n;
		double		auc,
					average_precision;

		pf_ranking_fill(env, &ranking, nclasses, n, actual, shares, c);
		pf_ranking_areas(env, &ranking, &auc, &average_precision);

		put(out, "precision", (int32_t) c, class_precision(confusion, c), share);
		put(out, "recall", (int32_t) c, class_recall(confusion, c), share > 0 ? 1 : 0);
		put(out, "f1", (int32_t) c, class_f1(confusion, c), 2 * share / (1 + share));
		put(out, "roc_auc", (int32_t) c, auc, isnan(auc) ? NAN : 0.5);
		put(out, "average_precision", (int32_t) c, average_precision, share);

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
		set_precision->value = pf_sum_value(&precisions) / confusion->noccurring;
		/* the mean share of the classes that occur */
		set_precision->baseline = 1.0 / confusion->noccurring;
	}
	set_auc->class = set_precision->class = -1;
}

void
pf_measure_classes(const PfEnv *env, uint32_t nclasses, size_t n,
				   const uint32_t *actual, const double *shares, PfMetrics *out)
{
	Confusion	confusion;

	out->count = 0;
	out->metrics = pf_alloc(env, (SET_METRICS + (size_t) nclasses * CLASS_METRICS) *
							sizeof(PfMetric));

	confusion_create(env, &confusion, nclasses, n, actual, shares);
	put_set_metrics(&confusion, out);
	put_share_metrics(env, &confusion, n, actual, shares, out);
	put_class_metrics(env, &confusion, n, actual, shares, out);
	confusion_release(env, &confusion);

	/* of no rows nothing is known */
	for (uint32_t i = 0; n == 0 && i < out->count; i++)
		out->metrics[i].value = out->metrics[i].baseline = NAN;
}

/*
 * estimate.c
 *	  How good predictions can be expected to be, before the truth is known.
 *
 * When the shares of the classes are calibrated, a row with a share of 0.8 for a class
 * is of that class with a probability of 0.8.  So it adds 0.8 to the rows that are of
 * the class, and as much to those that are predicted right if that is its
 * predicted class.  The sums over all rows are the expected confusion matrix, and from its
 * margins the metrics follow as from counted ones (confidence-based performance
 * estimation; for the areas under curves each row is a positive by its share and
 * a negative by the rest).
 *
 * What it cannot see is a change in how the classes depend on the features: then the shares
 * no longer mean what they say.
 *
 * Memory: 8 bytes a row, and 16 more while they are sorted; the result is the caller's.
 */
#include "engine/bins/sort.h"
#include "engine/measure/parts.h"
#include "engine/walk/walk.h"

static void
expect_margins(const PfEnv *env, PfMargins *margins, uint32_t nclasses, size_t n,
			   const double *shares)
{
	size_t		chunk = pf_rows_per_chunk(nclasses);
	PfSum	   *actual = pf_alloc(env, nclasses * sizeof(PfSum));
	PfSum	   *correct = pf_alloc(env, nclasses * sizeof(PfSum));

	pf_margins_create(env, margins, nclasses, (double) n);
	for (uint32_t c = 0; c < nclasses; c++)
		actual[c] = correct[c] = (PfSum) {0, 0};
	for (size_t i = 0; i < n; i++)
	{
		const double *row = shares + i * nclasses;
		uint32_t	best = pf_best_class(row, nclasses);

		if (i % chunk == 0)
			pf_check(env);
		for (uint32_t c = 0; c < nclasses; c++)
			pf_sum_add(&actual[c], row[c]);
		pf_sum_add(&correct[best], row[best]);
		margins->predicted[best]++;
	}
	for (uint32_t c = 0; c < nclasses; c++)
	{
		margins->actual[c] = pf_sum_value(&actual[c]);
		margins->correct[c] = pf_sum_value(&correct[c]);
	}
	pf_release(env, actual);
	pf_release(env, correct);
	pf_margins_finish(margins);
}

/* The logarithmic loss, and the Brier score as metrics.c has it, of two classes that of the second alone. */
static void
put_share_metrics(const PfEnv *env, const PfMargins *margins, size_t n, const double *shares,
				  PfMetrics *out)
{
	uint32_t	nclasses = margins->nclasses;
	uint32_t	first = nclasses == 2 ? 1 : 0;
	size_t		chunk = pf_rows_per_chunk(nclasses);
	PfSum		log_loss = {0, 0},
				brier = {0, 0};
	double		best_log_loss = 0,
				best_brier = 0;

	for (size_t i = 0; i < n; i++)
	{
		const double *row = shares + i * nclasses;
		double		total = 0;

		if (i % chunk == 0)
			pf_check(env);
		for (uint32_t c = 0; c < nclasses; c++)
			total += pf_clip_share(row[c]);
		for (uint32_t c = 0; c < nclasses; c++)
		{
			pf_sum_add(&log_loss, -row[c] * log(pf_clip_share(row[c]) / total));
			if (c >= first)
				pf_sum_add(&brier, row[c] * (1 - row[c]));
		}
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
 * The areas under the ROC curve and the precision-recall curve of one class: from the largest share down,
 * rows with equal shares in one step.  NaN where a side is empty.
 */
static void
expect_areas(const PfEnv *env, const PfMargins *margins, size_t n, const double *shares,
			 uint32_t class, double *scores, double *roc_auc, double *average_precision)
{
	double		npositive = margins->actual[class],
				nnegative = margins->n - npositive;
	PfSum		area = {0, 0},
				average = {0, 0},
				tp = {0, 0},
				fp = {0, 0};

	for (size_t i = 0; i < n; i++)
	{
		if (i % PF_CHUNK == 0)
			pf_check(env);
		scores[i] = shares[i * margins->nclasses + class];
	}
	pf_sort_numbers(env, scores, n);
	for (size_t end = n; end > 0;)
	{
		double		share = scores[end - 1];
		size_t		begin = end;
		double		positive,
					negative,
					before = pf_sum_value(&tp);

		while (begin > 0 && !(scores[begin - 1] < share))
			if (--begin % PF_CHUNK == 0)
				pf_check(env);
		positive = share * (double) (end - begin);
		negative = (1 - share) * (double) (end - begin);
		pf_sum_add(&area, negative * (before + positive / 2));
		pf_sum_add(&tp, positive);
		pf_sum_add(&fp, negative);
		pf_sum_add(&average, positive * pf_sum_value(&tp) /
				   (pf_sum_value(&tp) + pf_sum_value(&fp)));
		end = begin;
		if (end % PF_CHUNK == 0)
			pf_check(env);
	}
	*roc_auc = npositive > 0 && nnegative > 0 ? pf_sum_value(&area) / npositive / nnegative : NAN;
	*average_precision = npositive > 0 ? pf_sum_value(&average) / npositive : NAN;
}

/* As in metrics.c: of two classes the areas of the second, else the mean over all that have one. */
static void
put_class_metrics(const PfEnv *env, const PfMargins *margins, size_t n, const double *shares,
				  PfMetrics *out)
{
	uint32_t	nclasses = margins->nclasses;
	double	   *scores = pf_alloc(env, n * sizeof(double));
	PfMetric   *set_auc = &out->metrics[out->count];
	PfMetric   *set_precision = set_auc + 1;
	double		aucs = 0,
				precisions = 0;
	uint32_t	naucs = 0;

	pf_metric_put(out, "roc_auc", -1, NAN, NAN);
	pf_metric_put(out, "average_precision", -1, NAN, NAN);
	for (uint32_t c = 0; c < nclasses; c++)
	{
		double		share = margins->actual[c] / margins->n;
		double		auc,
					average_precision;

		expect_areas(env, margins, n, shares, c, scores, &auc, &average_precision);
		pf_metric_put(out, "precision", (int32_t) c, pf_class_precision(margins, c), share);
		pf_metric_put(out, "recall", (int32_t) c, pf_class_recall(margins, c), share > 0 ? 1 : 0);
		pf_metric_put(out, "f1", (int32_t) c, pf_class_f1(margins, c), 2 * share / (1 + share));
		pf_metric_put(out, "roc_auc", (int32_t) c, auc, isnan(auc) ? NAN : 0.5);
		pf_metric_put(out, "average_precision", (int32_t) c, average_precision, share);
		if (!isnan(auc))
		{
			aucs += auc;
			naucs++;
		}
		if (share > 0)
			precisions += average_precision;
	}
	pf_release(env, scores);

	if (nclasses == 2)
	{
		*set_auc = out->metrics[out->count - 2];
		*set_precision = out->metrics[out->count - 1];
		set_auc->class = set_precision->class = -1;
		return;
	}
	set_auc->value = naucs > 0 ? aucs / naucs : NAN;
	set_auc->baseline = naucs > 0 ? 0.5 : NAN;
	set_precision->value = precisions / margins->noccurring;
	set_precision->baseline = 1.0 / margins->noccurring;
}

void
pf_estimate_classes(const PfEnv *env, uint32_t nclasses, size_t n, const double *shares,
					PfMetrics *out)
{
	PfMargins	margins;

	out->count = 0;
	out->metrics = pf_alloc(env, (PF_SET_METRICS + (size_t) nclasses * PF_CLASS_METRICS) *
							sizeof(PfMetric));
	expect_margins(env, &margins, nclasses, n, shares);
	pf_put_set_metrics(&margins, out);
	put_share_metrics(env, &margins, n, shares, out);
	put_class_metrics(env, &margins, n, shares, out);
	pf_margins_release(env, &margins);

	/* of no rows nothing is known */
	for (uint32_t i = 0; n == 0 && i < out->count; i++)
		out->metrics[i].value = out->metrics[i].baseline = NAN;
}

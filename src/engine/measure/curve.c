/*
 * curve.c
 *	  The rows of a class ranked by their score: ROC and precision-recall curve
 *	  and the areas under them.
 *
 * A threshold is lowered from infinity to the smallest score.  At each distinct
 * score the rows that have it become predicted positives together, so rows with
 * equal scores are one step whatever their order.
 *
 * Memory: 8 bytes a row, and 16 more while they are sorted, released before return;
 * the points of a curve are the caller's.
 */
#include "engine/bins/sort.h"
#include "engine/measure/parts.h"

/* Where the threshold stands: what is predicted positive, right or wrong. */
typedef struct Step
{
	size_t		tp,
				fp;
	double		threshold;
} Step;

void
pf_ranking_create(const PfEnv *env, size_t n, PfRanking *ranking)
{
	ranking->npositive = 0;
	ranking->nnegative = 0;
	ranking->positive = pf_alloc(env, n * sizeof(double));
	ranking->negative = ranking->positive;
}

/*
 * Ranks n rows (as many as at creation) for a class.  The class may lie past the
 * last column of shares: the scores of a class that a model does not know are 0.
 */
void
pf_ranking_fill(const PfEnv *env, PfRanking *ranking, uint32_t nclasses, size_t n,
				const uint32_t *actual, const double *shares, uint32_t class)
{
	size_t		npositive = 0,
				nnegative = 0;

	for (size_t i = 0; i < n; i++)
	{
		double		score = class < nclasses ? shares[i * nclasses + class] : 0;

		if (i % PF_CHUNK == 0)
			pf_check(env);
		/* from both ends of one block */
		if (actual[i] == class)
			ranking->positive[npositive++] = score;
		else
			ranking->positive[n - ++nnegative] = score;
	}
	ranking->npositive = npositive;
	ranking->nnegative = nnegative;
	ranking->negative = ranking->positive + npositive;
	pf_sort_numbers(env, ranking->positive, npositive);
	pf_sort_numbers(env, ranking->negative, nnegative);
}

void
pf_ranking_release(const PfEnv *env, PfRanking *ranking)
{
	pf_release(env, ranking->positive);
}

/*
 * How many of the ascending scores remain when those that reach a threshold are
 * taken off the end.  Written so that even a NaN would be taken.
 */
static size_t
take_reaching(const PfEnv *env, const double *scores, size_t n, double threshold)
{
	while (n > 0 && !(scores[n - 1] < threshold))
	{
		if (--n % PF_CHUNK == 0)
			pf_check(env);
	}
	return n;
}

/* Lowers the threshold to the next distinct score; false when there is none. */
static bool
next_step(const PfEnv *env, const PfRanking *ranking, Step *step)
{
	size_t		npositive = ranking->npositive - step->tp;
	size_t		nnegative = ranking->nnegative - step->fp;
	double		threshold = -INFINITY;

	if (npositive == 0 && nnegative == 0)
		return false;
	if (npositive > 0)
		threshold = ranking->positive[npositive - 1];
	if (nnegative > 0 && ranking->negative[nnegative - 1] > threshold)
		threshold = ranking->negative[nnegative - 1];

	step->tp = ranking->npositive - take_reaching(env, ranking->positive, npositive, threshold);
	step->fp = ranking->nnegative - take_reaching(env, ranking->negative, nnegative, threshold);
	step->threshold = threshold;
	return true;
}

void
pf_ranking_areas(const PfEnv *env, const PfRanking *ranking,
				 double *roc_auc, double *average_precision)
{
	Step		step = {0, 0, INFINITY},
				last = step;
	PfSum		precision = {0, 0};
	uint64_t	area = 0;		/* twice the area in rows: exact below 2^32 rows */

	for (uint32_t i = 0; next_step(env, ranking, &step); i++)
	{
		if (i % PF_CHUNK == 0)
			pf_check(env);
		area += (uint64_t) (step.fp - last.fp) * (step.tp + last.tp);
		if (step.tp > last.tp)
			pf_sum_add(&precision, (double) (step.tp - last.tp) *
					   ((double) step.tp / (double) (step.tp + step.fp)));
		last = step;
	}

	if (ranking->npositive > 0 && ranking->nnegative > 0)
		*roc_auc = (double) area / 2 / (double) ranking->npositive / (double) ranking->nnegative;
	else
		*roc_auc = NAN;

	/* without a positive row: 0, as scikit-learn has it */
	*average_precision = ranking->npositive > 0 ?
		pf_sum_value(&precision) / (double) ranking->npositive : 0;
}

static void
put_point(PfCurve *curve, const PfRanking *ranking, const Step *step)
{
	uint32_t	i = curve->count++;
	bool		first = step->tp + step->fp == 0;
	double		tp = (double) step->tp;

	curve->threshold[i] = step->threshold;
	curve->tpr[i] = ranking->npositive > 0 ? tp / (double) ranking->npositive : NAN;
	curve->fpr[i] = ranking->nnegative > 0 ?
		(double) step->fp / (double) ranking->nnegative : NAN;
	curve->precision[i] = first ? 1 : tp / (double) (step->tp + step->fp);
	/* without a positive row, scikit-learn's recall is 1 as soon as anything is predicted */
	curve->recall[i] = ranking->npositive > 0 ? curve->tpr[i] : !first;
}

void
pf_curve(const PfEnv *env, uint32_t nclasses, size_t n, const uint32_t *actual,
		 const double *shares, uint32_t class, uint32_t max_points, PfCurve *out)
{
	const Step	start = {0, 0, INFINITY};
	Step		step = start;
	PfRanking	ranking;
	uint64_t	points = 1;
	uint64_t	kept;

	*out = (PfCurve) {0};
	if (n == 0)
		return;

	pf_ranking_create(env, n, &ranking);
	pf_ranking_fill(env, &ranking, nclasses, n, actual, shares, class);

	for (; next_step(env, &ranking, &step); points++)
	{
		if (points % PF_CHUNK == 0)
			pf_check(env);
	}
	kept = max_points > 0 ? max_points : UINT32_MAX;
	if (kept > points)
		kept = points;

	out->threshold = pf_alloc(env, kept * sizeof(double));
	out->tpr = pf_alloc(env, kept * sizeof(double));
	out->fpr = pf_alloc(env, kept * sizeof(double));
	out->precision = pf_alloc(env, kept * sizeof(double));
	out->recall = pf_alloc(env, kept * sizeof(double));

	step = start;
	for (uint64_t i = 0; out->count < kept; i++)
	{
		/* the j-th of the kept points is the one at share j / (kept - 1) of all */
		uint64_t	wanted = kept > 1 ? out->count * (points - 1) / (kept - 1) : 0;

		if (i % PF_CHUNK == 0)
			pf_check(env);
		if (i == wanted)
			put_point(out, &ranking, &step);
		next_step(env, &ranking, &step);
	}
	pf_ranking_release(env, &ranking);
}

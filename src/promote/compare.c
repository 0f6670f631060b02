/*
 * compare.c
 *	  Candidates against the version in force, on the same rows.
 *
 * Which rows: those of the source that the caller passed, all of them; or those
 * of the newest candidate's own query, run as the caller, as far as they were held
 * out.  The latter is fair only among versions that held out the same rows, so a
 * version with another split is left out with a notice, or is an error when it is the one to beat.
 *
 * Memory: decoded models are large, and so are their answers for many rows.  So versions
 * are measured in groups that keep within pgforest.train_memory, each group in one scan and in a
 * context of its own; the first one, when the number of rows is not known yet, is small.
 * Several groups see the same rows, since all scans run under one snapshot; a
 * source that gives others each time is found out by their number.
 */
#include "postgres.h"

#include <math.h>

#include "evaluate/score.h"
#include "miscadmin.h"
#include "predict/bind.h"
#include "promote/promote.h"
#include "settings.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* A loss of exactly what is allowed must not fail by a rounding error. */
#define ROUNDING 1e-12

/* Versions measured together while the number of rows is not known. */
#define FIRST_GROUP 8

typedef struct Candidate
{
	PfVersionInfo version;
	double		score;
} Candidate;

static void gather(const PfPromotion *promotion, int32 incumbent,
				   Candidate **list, int *count);
static bool keeps_identity(const PfVersionInfo *version);
static bool same_values(const PfVersionInfo *a, const PfVersionInfo *b);
static bool finds_held_out(const PfVersionInfo *version);
static bool same_text(const char *a, const char *b);
static int64 score_all(const PfPromotion *promotion, const PfSource *source,
					   Candidate *list, int count);
static bool has_room(const PfModel *const *models, int n, int64 rows);
static Candidate *find(Candidate *list, int count, int32 version);
static Candidate *find_best(const PfPromotion *promotion, Candidate *list, int count,
							int32 incumbent);
static char *find_obstacle(const PfPromotion *promotion, const PfSource *source,
						   Candidate *candidate, Candidate *incumbent, int64 rows,
						   int challengers, char **proof);
static char *find_doubt(const PfPromotion *promotion, const PfSource *source,
						Candidate *candidate, Candidate *incumbent, int64 rows,
						int challengers, char **proof);
static char *find_regression(const PfPromotion *promotion, const PfSource *source,
							 Candidate *candidate, Candidate *incumbent);
static double relative_loss(int direction, double before, double after);

void
pf_promotion_compare(const PfPromotion *promotion, int32 incumbent_version, PfVerdict *verdict)
{
	const char *metric = promotion->metric;
	Candidate  *list;
	int			count;
	Candidate  *incumbent;
	Candidate  *best;
	PfSource   *source;
	char	   *proof = "";

	gather(promotion, incumbent_version, &list, &count);
	source = pf_comparison_source(&list[0].version, promotion->source);
	pf_score_check_slices(source, promotion->by);
	verdict->rows = score_all(promotion, source, list, count);

	incumbent = find(list, count, incumbent_version);
	best = promotion->version != 0 ? find(list, count, promotion->version) :
		find_best(promotion, list, count, incumbent_version);
	verdict->version = best->version.version;
	verdict->score = best->score;
	if (incumbent != NULL)
		verdict->incumbent_score = incumbent->score;

	if (best == incumbent)
	{
		verdict->reason = promotion->version != 0 ?
			psprintf("version %d is \"%s\" already", best->version.version, promotion->alias) :
			psprintf("no version beats version %d, which is \"%s\" already: %s %.6g on %lld rows",
					 best->version.version, promotion->alias, metric, best->score,
					 (long long) verdict->rows);
		return;
	}
	if (isnan(best->score))
	{
		verdict->reason = psprintf("%s is not defined on these %lld rows", metric,
								   (long long) verdict->rows);
		return;
	}
	verdict->reason = find_obstacle(promotion, source, best, incumbent, verdict->rows,
									promotion->version != 0 ? 1 : count - 1, &proof);
	if (verdict->reason != NULL)
		return;

	verdict->promote = true;
	if (incumbent == NULL)
		verdict->reason = psprintf("%s %.6g on %lld rows", metric, best->score,
								   (long long) verdict->rows);
	else
		verdict->reason = psprintf("%s %.6g against %.6g of version %d on the same %lld rows%s",
								   metric, best->score, incumbent->score,
								   incumbent->version.version, (long long) verdict->rows, proof);
}

/*
 * The versions to measure, the newest candidate first: the one that was asked
 * for, the candidates, or all; and the one in force.
 */
static void
gather(const PfPromotion *promotion, int32 incumbent, Candidate **out, int *count)
{
	const PfModelInfo *model = &promotion->model;
	int32		newest = promotion->version != 0 ? promotion->version : model->last_version;
	Candidate  *list = palloc_extended(sizeof(Candidate) * ((Size) model->last_version + 1),
									   MCXT_ALLOC_HUGE);
	StringInfoData others;
	int			n = 0;

	initStringInfo(&others);
	for (int32 v = newest; v > 0; v--)
	{
		Candidate  *candidate = &list[n];

		CHECK_FOR_INTERRUPTS();
		if (promotion->version != 0 && v != promotion->version)
			break;
		if (promotion->candidates != NIL && !list_member_int(promotion->candidates, v))
			continue;
		if (pf_catalog_version(model, v, &candidate->version))
		{
			candidate->score = NAN;
			if (n == 0 || pf_same_split(&list[0].version, &candidate->version))
				n++;
			else if (promotion->source != NULL &&
					 same_text(list[0].version.target, candidate->version.target))
				n++;
			else if (v != incumbent)
				appendStringInfo(&others, "%s%d", others.len > 0 ? ", " : "", v);
		}
	}
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" has no versions", model->name),
				 errhint("Train one with ml_train.")));

	if (incumbent != 0 && find(list, n, incumbent) == NULL &&
		pf_catalog_version(model, incumbent, &list[n].version))
	{
		const PfVersionInfo *a = &list[0].version;
		const PfVersionInfo *b = &list[n].version;
		bool		needed = promotion->version == 0 || !isnan(promotion->max_regression) ||
			!isnan(promotion->confidence);

		list[n].score = NAN;
		if (needed)
			pf_need_comparable(a, b, promotion->source);
		if (same_text(a->target, b->target) && (promotion->source != NULL || pf_same_split(a, b)))
			n++;
	}
	if (others.len > 0)
		ereport(NOTICE,
				(errmsg("versions of model \"%s\" that cannot be compared on the same rows were left out: %s",
						model->name, others.data),
				 errdetail("They held out other rows, or predict another column."),
				 errhint("Pass rows that none of them has seen as source to compare them, too.")));
	*out = list;
	*count = n;
}

/* Does the recipe, if there is one, leave the columns alone by which rows are held out? */
static bool
keeps_identity(const PfVersionInfo *version)
{
	const PfRecipe *recipe = version->recipe ? pf_recipe_read(version->recipe) : NULL;

	for (int i = 0; recipe != NULL && i < version->nidentity; i++)
		if (!pf_recipe_keeps(recipe, version->identity[i]))
			return false;
	return true;
}

/* Have those columns the same values for both? */
static bool
same_values(const PfVersionInfo *a, const PfVersionInfo *b)
{
	if (a->recipe == NULL && b->recipe == NULL)
		return true;
	if (a->recipe != NULL && b->recipe != NULL &&
		compareJsonbContainers(&a->recipe->root, &b->recipe->root) == 0)
		return true;
	return keeps_identity(a) && keeps_identity(b);
}

/* Can the rows that a version held out be found again? */
static bool
finds_held_out(const PfVersionInfo *version)
{
	return version->split != NULL || version->recipe == NULL || keeps_identity(version) ||
		!pf_recipe_is_out_of_fold(pf_recipe_read(version->recipe));
}

bool
pf_same_split(const PfVersionInfo *a, const PfVersionInfo *b)
{
	if (!same_text(a->target, b->target) || !same_text(a->split, b->split))
		return false;
	if (a->split != NULL)
		return true;
	if (a->holdout != b->holdout || a->nidentity != b->nidentity)
		return false;
	if (!same_values(a, b))
		return false;
	for (int i = 0; i < a->nidentity; i++)
		if (strcmp(a->identity[i], b->identity[i]) != 0)
			return false;
	return true;
}

void
pf_need_comparable(const PfVersionInfo *a, const PfVersionInfo *b, const char *source)
{
	if (!same_text(a->target, b->target))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("versions %d and %d of model \"%s\" predict different columns",
						a->version, b->version, a->model.name),
				 errdetail("Version %d predicts \"%s\", version %d predicts \"%s\".",
						   a->version, a->target, b->version, b->target),
				 errhint("A version can be promoted by its number, without a condition and so without a comparison.")));
	if (source == NULL && !pf_same_split(a, b))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("versions %d and %d of model \"%s\" did not hold out the same rows",
						a->version, b->version, a->model.name),
				 errdetail("Rows that one of the two held out were seen by the other in training."),
				 errhint("Pass rows that neither has seen: source => 'a table or a query'.")));
}

static bool
same_text(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

PfSource *
pf_comparison_source(const PfVersionInfo *newest, const char *source)
{
	if (source != NULL)
		return pf_source_open(source);
	if (newest->split == NULL && newest->holdout == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d of model \"%s\" held out no rows to compare on",
						newest->version, newest->model.name),
				 errhint("Pass rows that no version has seen: source => 'a table or a query'.")));
	if (!finds_held_out(newest))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the rows that version %d of model \"%s\" held out cannot be told from the others any more",
						newest->version, newest->model.name),
				 errdetail("They were chosen by target means out of fold, which only its training had."),
				 errhint("Train with key => '{a column}' that the recipe leaves as it is, or pass rows that no version has seen: source => 'a table or a query'.")));
	pf_catalog_may_run(newest->trained_by);
	return pf_source_open(newest->query);
}

/* Is there memory for one version more than these? */
static bool
has_room(const PfModel *const *models, int n, int64 rows)
{
	uint64		memory = 0;

	for (int i = 0; i < n; i++)
		memory += models[i]->memory;
	if (rows > 0)
		memory += rows * (pf_score_row_size(models, n, false) + models[0]->width * sizeof(double));
	return memory < (uint64) pf_train_memory * 1024;
}

/* Fills the scores; returns the number of rows that they are of. */
static int64
score_all(const PfPromotion *promotion, const PfSource *source, Candidate *list, int count)
{
	int64		rows = -1;		/* not known yet */
	int			done = 0;
	int			most = FIRST_GROUP;

	while (done < count)
	{
		MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
													  "pgforest comparison",
													  ALLOCSET_DEFAULT_SIZES);
		MemoryContext caller = MemoryContextSwitchTo(context);
		PfVersionInfo **versions = palloc(sizeof(PfVersionInfo *) * count);
		const PfModel **models = palloc(sizeof(PfModel *) * count);
		int			n = 0;
		PfScores   *scores;

		do
		{
			versions[n] = &list[done + n].version;
			models[n] = pf_hold_model(context, versions[n]);
			n++;
		} while (done + n < count && n < most && has_room(models, n, rows));

		scores = pf_score(source, versions, models, n, promotion->source == NULL, NIL);
		if (rows >= 0 && rows != scores->rows)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("source gave %lld rows when it was read again, %lld before",
							(long long) scores->rows, (long long) rows),
					 errhint("Store its rows in a table first.")));
		rows = scores->rows;
		if (scores->counted_only)
			most = n / 2;
		else
		{
			if (done == 0)
				pf_score_notice(scores);
			for (int i = 0; i < n; i++)
			{
				PfMetrics	metrics;

				pf_score_metrics(scores, i, PF_WHOLE, &metrics, NULL);
				list[done + i].score = pf_metric_value(&metrics, promotion->metric);
			}
			done += n;
			most = count;
		}
		MemoryContextSwitchTo(caller);
		MemoryContextDelete(context);
	}
	return rows;
}

static Candidate *
find(Candidate *list, int count, int32 version)
{
	for (int i = 0; i < count; i++)
		if (list[i].version.version == version)
			return &list[i];
	return NULL;
}

/* The best by the metric; of equals the one in force, then the newest. */
static Candidate *
find_best(const PfPromotion *promotion, Candidate *list, int count, int32 incumbent)
{
	Candidate  *best = &list[0];

	for (int i = 1; i < count; i++)
	{
		double		gain = (list[i].score - best->score) * promotion->direction;

		if (isnan(list[i].score))
			continue;
		if (isnan(best->score) || gain > 0 ||
			(gain == 0 && list[i].version.version == incumbent))
			best = &list[i];
	}
	return best;
}

/* The first condition that does not hold, in words; NULL: all hold. */
static char *
find_obstacle(const PfPromotion *promotion, const PfSource *source,
			  Candidate *candidate, Candidate *incumbent, int64 rows, int challengers, char **proof)
{
	char	   *reason = NULL;

	if (rows < promotion->min_rows)
		return psprintf("%lld rows to measure on, %lld are asked for",
						(long long) rows, (long long) promotion->min_rows);
	if (!isnan(promotion->threshold) &&
		(candidate->score - promotion->threshold) * promotion->direction < 0)
		return psprintf("%s %.6g is %s the threshold %.6g", promotion->metric,
						candidate->score, promotion->direction > 0 ? "below" : "above",
						promotion->threshold);
	if (!isnan(promotion->max_regression) && incumbent != NULL)
		reason = find_regression(promotion, source, candidate, incumbent);
	if (reason == NULL && !isnan(promotion->confidence) && incumbent != NULL)
		reason = find_doubt(promotion, source, candidate, incumbent, rows, challengers, proof);
	return reason;
}

/*
 * Why the difference may be chance: its interval is not all on the better side.  Where the best of
 * several is chosen, the doubt that is left is shared among them, since one of many is good by chance
 * more easily than one.  *proof: the interval in words.
 */
static char *
find_doubt(const PfPromotion *promotion, const PfSource *source, Candidate *candidate,
		   Candidate *incumbent, int64 rows, int challengers, char **proof)
{
	PfVersionInfo *versions[2] = {&incumbent->version, &candidate->version};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgforest interval",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	PfPair	   *pair = pf_pair_measure(source, versions, promotion->source == NULL,
									   promotion->metric, PF_RESAMPLES);
	double		confidence = 1 - (1 - promotion->confidence) / Max(challengers, 1);
	double		low;
	double		high;
	bool		defined = pf_pair_interval(pair, promotion->metric, confidence, &low, &high);
	char	   *among = "";

	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	if (challengers > 1)
		among = psprintf(", as %d versions were compared", challengers);
	if (!defined)
		return psprintf("%s is not defined in many resamples of these %lld rows, so that nothing can be said with a confidence of %g",
						promotion->metric, (long long) rows, promotion->confidence);
	*proof = psprintf(", a difference of %.3g to %.3g with a confidence of %g%s", low, high,
					  confidence, among);
	if ((promotion->direction > 0 ? low : -high) > 0)
		return NULL;
	return psprintf("%s %.6g against %.6g of version %d on the same %lld rows %s: the difference is %.3g to %.3g with a confidence of %g%s",
					promotion->metric, candidate->score, incumbent->score,
					incumbent->version.version, (long long) rows,
					(promotion->direction > 0 ? high : -low) < 0 ? "is worse" : "may be chance",
					low, high, confidence, among);
}

/*
 * Where the candidate is worse than the version in force by more than is
 * allowed: on the whole, or in a slice.  A slice in which the metric is not defined
 * for both says nothing.
 */
static char *
find_regression(const PfPromotion *promotion, const PfSource *source,
				Candidate *candidate, Candidate *incumbent)
{
	PfVersionInfo *versions[2] = {&candidate->version, &incumbent->version};
	const PfModel *models[2];
	MemoryContext caller;
	MemoryContext context;
	PfScores   *scores;
	char	   *reason = NULL;
	double		worst = promotion->max_regression + ROUNDING;
	double		loss = relative_loss(promotion->direction, incumbent->score, candidate->score);

	if (loss > worst)
		return psprintf("%s is worse by %.3g%% than in version %d (%.6g against %.6g), %.3g%% is allowed",
						promotion->metric, loss * 100, incumbent->version.version,
						candidate->score, incumbent->score, promotion->max_regression * 100);
	if (promotion->by == NIL)
		return NULL;

	context = AllocSetContextCreate(CurrentMemoryContext, "pgforest slices",
									ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	for (int i = 0; i < 2; i++)
		models[i] = pf_hold_model(context, versions[i]);
	scores = pf_score(source, versions, models, 2, promotion->source == NULL, promotion->by);
	for (int s = 0; s < scores->nslices; s++)
	{
		PfMetrics	metrics;
		double		score[2];
		int64		rows;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < 2; i++)
		{
			pf_score_metrics(scores, i, s, &metrics, &rows);
			score[i] = pf_metric_value(&metrics, promotion->metric);
		}
		loss = relative_loss(promotion->direction, score[1], score[0]);
		if (loss > worst)
		{
			worst = loss;
			reason = MemoryContextStrdup(caller,
										 psprintf("%s is worse by %.3g%% than in version %d where %s (%.6g against %.6g, %lld rows), %.3g%% is allowed",
												  promotion->metric, loss * 100,
												  incumbent->version.version,
												  scores->slice_names[s], score[0], score[1],
												  (long long) rows,
												  promotion->max_regression * 100));
		}
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return reason;
}

/* How much worse, as a share of what it was; 0 or less: not worse; 0 when undefined. */
static double
relative_loss(int direction, double before, double after)
{
	double		loss = (before - after) * direction;

	if (isnan(loss) || loss <= 0)
		return 0;
	return before == 0 ? INFINITY : loss / fabs(before);
}

/*
 * fold.c
 *	  A training on one fold.
 *
 * A fold is made into a load of its own: a copy of the rows that it is trained on
 * and of those that it is measured on, a few milliseconds for a hundred thousand
 * rows.  So trees grow and predictions are made by the very code that ml_train uses.
 *
 * The bins of numbers are those of all training rows, since they do not look at the target.
 * The order of categories does: it is made anew from the fold's training rows, as
 * ml_train would have made it, and a category that none of them has is missing.  Else
 * a rare category would tell in its place what its rows are measured on.
 *
 * Memory: what is made for a fold is in a context of its own, which goes with it.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "catalog/pgenv.h"
#include "engine/bins/cuts.h"
#include "engine/bins/hash.h"
#include "engine/walk/walk.h"
#include "tune/tune.h"

#define PIECE 16384				/* rows between two interrupt checks */

/* The training rows that a fold is trained on, or measured on, ascending. */
static uint32 *
choose_rows(const PfFolds *folds, int fold, bool training, uint32 *n)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	uint32		nrows = folds->loaded->train.nrows;
	uint32	   *rows = pf_alloc(env, Max(nrows, 1) * sizeof(uint32));

	*n = 0;
	for (uint32 i = 0; i < nrows; i++)
	{
		int			part = folds->part[i];
		bool		chosen = folds->forward
			? (training ? part <= fold : part == fold + 1)
			: training == (part != fold);

		if (i % PIECE == 0)
			pf_check(env);
		rows[*n] = i;
		*n += chosen;
	}
	return rows;
}

static inline uint16
entry_of(const PfFolds *folds, uint32 row, int category)
{
	const PfMatrix *all = &folds->loaded->train;
	uint16		entry;

	memcpy(&entry, all->bins + (Size) row * all->stride + folds->entries_at +
		   category * sizeof(entry), sizeof(entry));
	return entry;
}

/* The weighted mean of the targets; a running one, since a sum may not be finite. */
static double
mean_target(const PfMatrix *all, const uint32 *rows, uint32 n)
{
	double		mean = 0;
	double		total = 0;

	for (uint32 i = 0; i < n; i++)
	{
		double		weight = all->weight ? all->weight[rows[i]] : 1.0;

		if (i % PIECE == 0)
			CHECK_FOR_INTERRUPTS();
		total += weight;
		mean += (all->target[rows[i]] - mean) * (weight / total);
	}
	return mean;
}

/* What is known of the categories of a feature; as pf_cut_categories takes it. */
typedef struct Tally
{
	uint32		feature;
	uint32		ncategories;
	double	   *stats;			/* by entry */
	double	   *count;
} Tally;

/* One for each category feature, from the fold's training rows; row by row, as they lie. */
static Tally *
count_categories(const PfFolds *folds, const uint32 *rows, uint32 n)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	const PfLoaded *loaded = folds->loaded;
	const PfMatrix *all = &loaded->train;
	uint32		width = Max(loaded->nclasses, 1);
	double		mean = all->label ? 0 : mean_target(all, rows, n);
	Tally	   *tallies = palloc(loaded->nentries * sizeof(Tally));
	Tally	   *tally = tallies;

	for (int f = 0; f < loaded->nfeatures; f++)
	{
		Size		size;

		if (loaded->bins[f].kind != PF_CATEGORY)
			continue;
		tally->feature = f;
		tally->ncategories = loaded->bins[f].ncategories;
		size = Max((Size) tally->ncategories, 1) * sizeof(double);
		tally->stats = pf_alloc(env, size * width);
		tally->count = palloc0(size);
		pf_clear(env, tally->stats, size * width);
		tally++;
	}
	for (uint32 i = 0; i < n; i++)
	{
		uint32		row = rows[i];
		double		weight = all->weight ? all->weight[row] : 1.0;

		if (i % (PIECE / 16) == 0)
			pf_check(env);
		for (int c = 0; c < loaded->nentries; c++)
		{
			uint16		entry = entry_of(folds, row, c);

			if (entry == PF_NO_ENTRY)
				continue;
			tallies[c].count[entry] += weight;
			if (all->label)
				tallies[c].stats[(Size) entry * width + all->label[row]] += weight;
			else
				tallies[c].stats[entry] += weight * (all->target[row] - mean);
		}
	}
	return tallies;
}

/* The bins of a feature's categories; one that no training row of the fold has is missing. */
static void
order_categories(const PfFolds *folds, const Tally *tally, PfBins *bins)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	uint32		width = Max(folds->loaded->nclasses, 1);
	double	   *count = palloc(Max(tally->ncategories, 1) * sizeof(double));
	PfBins		present = *bins;

	present.ncategories = 0;
	for (uint32 e = 0; e < tally->ncategories; e++)
	{
		if (tally->count[e] == 0)
			continue;
		memmove(tally->stats + (Size) present.ncategories * width,
				tally->stats + (Size) e * width, width * sizeof(double));
		count[present.ncategories++] = tally->count[e];
	}
	pf_cut_categories(env, width, tally->stats, count, folds->max_bins, &present);
	bins->nbins = present.nbins;
	bins->category_bin = palloc(Max(tally->ncategories, 1));
	for (uint32 e = 0, p = 0; e < tally->ncategories; e++)
		bins->category_bin[e] = tally->count[e] == 0 ? PF_MISSING_BIN : present.category_bin[p++];
	pfree(count);
}

/*
 * The rows that may be set apart to stop early by, as the load marks them; it cannot know what share
 * each trial wants.
 */
static void
mark_apart(const PfLoaded *loaded, const uint32 *rows, double share, PfMatrix *out)
{
	if (!(share > 0))
		return;
	out->apart = pf_alloc(pf_pg_env(CurrentMemoryContext), Max(out->nrows, 1));
	for (uint32 i = 0; i < out->nrows; i++)
	{
		if (i % PIECE == 0)
			CHECK_FOR_INTERRUPTS();
		out->apart[i] = pf_is_in_share(loaded->train_order[rows ? rows[i] : i], PF_FOR_STOPPING, share);
	}
}

/*
 * Rows of a matrix (NULL: the first n) in one of their own: values or bins.  categories: with the
 * order that bins has of them; NULL: as they are.
 */
static void
copy_rows(const PfFolds *folds, const PfMatrix *all, const uint32 *rows, uint32 n, bool values,
		  const PfBins *bins, const Tally *categories, PfMatrix *out)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	const PfLoaded *loaded = folds->loaded;
	uint32		nfeatures = all->nfeatures;
	Size		size = values ? nfeatures * sizeof(double) : nfeatures;
	Size		from = values ? 0 : loaded->bins_at;
	uint32		room = Max(n, 1);

	*out = (PfMatrix) {
		.nrows = n,.nfeatures = nfeatures,.stride = (size + 3) / 4 * 4,.nclasses = all->nclasses
	};
	out->bins = pf_alloc(env, (Size) room * out->stride);
	if (all->label)
		out->label = pf_alloc(env, room * sizeof(uint32));
	else
		out->target = pf_alloc(env, room * sizeof(double));
	if (all->weight)
		out->weight = pf_alloc(env, room * sizeof(float));
	for (uint32 i = 0; i < n; i++)
	{
		uint32		row = rows ? rows[i] : i;
		uint8	   *to = out->bins + (Size) i * out->stride;

		if (i % (PIECE / 16) == 0)
			pf_check(env);
		memcpy(to, all->bins + (Size) row * all->stride + from, size);
		memset(to + size, 0, out->stride - size);
		for (int c = 0; c < loaded->nentries && categories; c++)
		{
			uint16		entry = entry_of(folds, row, c);
			uint32		f = categories[c].feature;
			uint8		bin = entry == PF_NO_ENTRY ? PF_MISSING_BIN : bins[f].category_bin[entry];

			if (values)
				((double *) to)[f] = bin == PF_MISSING_BIN ? NAN : bin;
			else
				to[f] = bin;
		}
		if (all->label)
			out->label[i] = all->label[row];
		else
			out->target[i] = all->target[row];
		if (all->weight)
			out->weight[i] = all->weight[row];
	}
}

/* A copy of the bin maps; models of values have no bins of numbers. */
static PfBins *
copy_bins(const PfLoaded *loaded, bool values)
{
	PfBins	   *bins = MemoryContextAllocHuge(CurrentMemoryContext, loaded->nfeatures * sizeof(PfBins));

	memcpy(bins, loaded->bins, loaded->nfeatures * sizeof(PfBins));
	for (int f = 0; f < loaded->nfeatures && values; f++)
	{
		if (bins[f].kind == PF_NUMBER)
			bins[f] = (PfBins) {
			.kind = PF_NUMBER
		};
	}
	return bins;
}

/* The pieces of rows: of them all the keys are known. */
static void
part_rows(const PfLoaded *all, const uint32 *rows, uint32 n, uint32 *border)
{
	uint64	   *keys = NULL;

	if (all->grouped)
	{
		keys = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(uint64));
		for (uint32 i = 0; i < n; i++)
		{
			if (i % PIECE == 0)
				CHECK_FOR_INTERRUPTS();
			keys[i] = all->train_order[rows[i]];
		}
	}
	pf_part_rows(keys, sizeof(uint64), n, border);
	if (keys != NULL)
		pfree(keys);
}

PfLoaded *
pf_fold_rows(const PfFolds *folds, int fold, double share, const PfTrial *trial)
{
	bool		values = trial->algorithm->values;
	const PfLoaded *all = folds->loaded;
	PfLoaded   *loaded = palloc(sizeof(PfLoaded));
	uint32		n;
	uint32		ntest;
	uint32	   *rows = choose_rows(folds, fold, true, &n);
	uint32	   *test = choose_rows(folds, fold, false, &ntest);
	Tally	   *categories;

	n = Max((uint32) ceil(n * share), 1);
	*loaded = *all;
	loaded->bins = copy_bins(all, values);
	categories = count_categories(folds, rows, n);
	for (int c = 0; c < all->nentries; c++)
		order_categories(folds, &categories[c], &loaded->bins[categories[c].feature]);
	copy_rows(folds, &all->train, rows, n, values, loaded->bins, categories, &loaded->train);
	copy_rows(folds, &all->train, test, ntest, values, loaded->bins, categories, &loaded->validation);
	mark_apart(all, rows, pf_params_apart(&trial->params->given), &loaded->train);
	part_rows(all, rows, n, loaded->border);
	memset(&loaded->test, 0, sizeof(PfMatrix));
	pfree(rows);
	pfree(test);
	return loaded;
}

PfLoaded *
pf_fold_all(const PfFolds *folds, const PfTrial *trial)
{
	bool		values = trial->algorithm->values;
	const PfLoaded *all = folds->loaded;
	PfLoaded   *loaded = palloc(sizeof(PfLoaded));

	*loaded = *all;
	loaded->bins = copy_bins(all, values);
	if (values || all->bins_at == 0)
	{
		/* a row begins with what is wanted */
		mark_apart(all, NULL, pf_params_apart(&trial->params->given), &loaded->train);
		return loaded;
	}
	copy_rows(folds, &all->train, NULL, all->train.nrows, false, NULL, NULL, &loaded->train);
	mark_apart(all, NULL, pf_params_apart(&trial->params->given), &loaded->train);
	copy_rows(folds, &all->validation, NULL, all->validation.nrows, false, NULL, NULL,
			  &loaded->validation);
	copy_rows(folds, &all->test, NULL, all->test.nrows, false, NULL, NULL, &loaded->test);
	return loaded;
}

/* The metric of a model on some rows. */
static double
measure(const PfEnv *env, const PfModel *model, PfHeldOut *held, const char *metric)
{
	const PfMatrix *rows = held->rows;
	double	   *predicted = pf_train_predict(env, model, held);
	PfMetrics	metrics;

	if (model->task == PF_REGRESSION)
		pf_measure_values(env, rows->nrows, rows->target, predicted, &metrics);
	else
		pf_measure_classes(env, model->nclasses, rows->nrows, rows->label, predicted, &metrics);
	pf_release(env, predicted);
	return pf_train_metric(&metrics, metric);
}

/* Trials that are trained together. */
typedef struct Family
{
	PfTrial    *const *trials;	/* the head first */
	int			n;
	PfParts		parts;
	uint32	   *view;			/* of each in the head's trees */
	const PfModel *model;
	PfGrown    *grown;
	const char *metric;
	PfFoldScore *scores;
} Family;

/* A PfParts.reached: the forests that have so many trees are complete. */
static void
measure_parts(void *arg, uint32 ntrees)
{
	Family	   *family = arg;
	const PfEnv *env = NULL;
	const PfHeldOut *held = &family->grown->held[0];
	PfModel		model = *family->model;
	Size		size = (Size) held->rows->nrows * model.width * sizeof(double);

	model.ntrees = ntrees;
	for (int i = 1; i < family->n; i++)
	{
		PfHeldOut	part = {.rows = held->rows};

		if (family->trials[i]->params->given.n_estimators != ntrees)
			continue;
		if (env == NULL)
			env = pf_pg_env(CurrentMemoryContext);
		part.sums = pf_alloc(env, Max(size, 1));
		pf_copy(env, part.sums, (char *) held->sums + family->view[i] * size, size);
		family->scores[i].score = measure(env, &model, &part, family->metric);
	}
}

/* The first rounds of boosted trees. */
static void
measure_rounds(Family *family)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);

	for (int i = 1; i < family->n; i++)
	{
		PfHeldOut	held = {.rows = family->grown->held[0].rows};
		PfModel		model = *family->model;

		model.ntrees = family->trials[i]->params->given.n_estimators * model.nsums;
		family->scores[i].score = measure(env, &model, &held, family->metric);
	}
}

static void
run(const PfFolds *folds, int fold, double share, PfTrial *const *trials, int n, const PfGoal *goal,
	PfFoldScore *scores)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	const PfTrial *trial = trials[0];
	PfLoaded   *loaded = pf_fold_rows(folds, fold, share, trial);
	PfTrainParams params = *trial->params;
	PfModel		model = {0};
	PfGrown		grown = {.held = {{.rows = &loaded->validation}},.by_place = true};
	Family		family = {
		.trials = trials,.n = n,.model = &model,.grown = &grown,.metric = goal->metric,.scores = scores,
		.view = palloc(n * sizeof(uint32))
	};

	/* of the rows that are trained on nothing may be left then */
	if (goal->train_scores)
		grown.held[1].rows = &pf_fold_rows(folds, fold, share, trial)->train;

	/* nobody asks a fold's trees about the rows that they left out, or for quantiles */
	params.given.oob_score = "false";
	params.given.quantiles = false;
	for (int i = 0; i < n; i++)
	{
		scores[i].train_rows = loaded->train.nrows;
		scores[i].rows = loaded->validation.nrows;
		family.view[i] = pf_family_view(trial, trials[i], &family.parts);
	}
	if (n > 1)
	{
		family.parts.reached = measure_parts;
		family.parts.arg = &family;
		grown.parts = &family.parts;
	}
	pf_train_grow(trial->algorithm, &params, loaded, goal->seed, &model, &grown);
	pf_progress_phase(PF_PHASE_MEASURE, 0, NULL);
	if (model.kind == PF_MODEL_BOOSTING)
		measure_rounds(&family);
	scores[0].score = measure(env, &model, &grown.held[0], goal->metric);
	if (goal->train_scores)
		scores[0].train_score = measure(env, &model, &grown.held[1], goal->metric);
}

bool
pf_fold_may_fail(const ErrorData *error)
{
	return error->sqlerrcode != ERRCODE_QUERY_CANCELED &&
		ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_OPERATOR_INTERVENTION &&
		ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_INTERNAL_ERROR;
}

/* In a subtransaction, so that workers, files and memory of a failed training go. */
static void
run_and_catch(const PfFolds *folds, int fold, double share, PfTrial *const *trials, int n,
			  const PfGoal *goal, MemoryContext caller, PfFoldScore *scores)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		run(folds, fold, share, trials, n, goal, scores);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		pf_progress_counted(0);
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error == NULL)
		return;
	if (!pf_fold_may_fail(error))
		ReThrowError(error);
	for (int i = 0; i < n; i++)
		scores[i] = (PfFoldScore) {
		.score = NAN,.train_score = NAN,.error = error
	};
}

void
pf_fold_run(const PfFolds *folds, int fold, double share, PfTrial *const *trials, int n,
			const PfGoal *goal, bool catch_errors, PfFoldScore *scores)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "pgforest fold", ALLOCSET_DEFAULT_SIZES);
	int			guc_level = NewGUCNestLevel();
	instr_time	start;
	instr_time	end;

	/* what one of many trainings has to say is too much; tasks.c tells how far all are */
	if (client_min_messages < WARNING)
		set_config_option("client_min_messages", "warning", PGC_USERSET, PGC_S_SESSION,
						  GUC_ACTION_SAVE, true, 0, false);
	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < n; i++)
		scores[i] = (PfFoldScore) {
		.score = NAN,.train_score = NAN
	};
	INSTR_TIME_SET_CURRENT(start);
	MemoryContextSwitchTo(context);
	if (catch_errors)
		run_and_catch(folds, fold, share, trials, n, goal, caller, scores);
	else
		run(folds, fold, share, trials, n, goal, scores);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	AtEOXact_GUC(true, guc_level);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	for (int i = 0; i < n; i++)
		scores[i].seconds = INSTR_TIME_GET_DOUBLE(end) / n;
}

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
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "catalog/pgenv.h"
#include "engine/bins/cuts.h"
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

/* The map of a category feature as the fold's training rows make it. */
static void
order_categories(const PfFolds *folds, const uint32 *rows, uint32 n, double mean, int category,
				 PfBins *bins)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	const PfMatrix *all = &folds->loaded->train;
	uint32		width = Max(folds->loaded->nclasses, 1);
	uint32		ncategories = bins->ncategories;
	double	   *stats = pf_alloc(env, Max((Size) ncategories * width, 1) * sizeof(double));
	double	   *count = palloc0(Max(ncategories, 1) * sizeof(double));
	double	   *packed = palloc(Max(ncategories, 1) * sizeof(double));
	PfBins		present = *bins;

	pf_clear(env, stats, (Size) ncategories * width * sizeof(double));
	for (uint32 i = 0; i < n; i++)
	{
		uint32		row = rows[i];
		uint16		entry = entry_of(folds, row, category);
		double		weight = all->weight ? all->weight[row] : 1.0;

		if (i % PIECE == 0)
			pf_check(env);
		if (entry == PF_NO_ENTRY)
			continue;
		count[entry] += weight;
		if (all->label)
			stats[(Size) entry * width + all->label[row]] += weight;
		else
			stats[entry] += weight * (all->target[row] - mean);
	}

	/* a map of those that are there */
	present.ncategories = 0;
	for (uint32 e = 0; e < ncategories; e++)
	{
		if (count[e] == 0)
			continue;
		memmove(stats + (Size) present.ncategories * width, stats + (Size) e * width,
				width * sizeof(double));
		packed[present.ncategories++] = count[e];
	}
	pf_cut_categories(env, width, stats, packed, folds->max_bins, &present);

	bins->nbins = present.nbins;
	bins->category_bin = palloc(Max(ncategories, 1));
	for (uint32 e = 0, p = 0; e < ncategories; e++)
		bins->category_bin[e] = count[e] == 0 ? PF_MISSING_BIN : present.category_bin[p++];
	pf_release(env, stats);
	pfree(count);
	pfree(packed);
}

/* The chosen rows as a matrix, with the bins of the fold. */
static void
copy_rows(const PfFolds *folds, const uint32 *rows, uint32 n, const PfBins *bins, PfMatrix *out)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	const PfMatrix *all = &folds->loaded->train;
	uint32		nfeatures = all->nfeatures;
	uint32		room = Max(n, 1);

	*out = (PfMatrix) {
		.nrows = n,.nfeatures = nfeatures,.stride = (nfeatures + 3) / 4 * 4,
			.nclasses = all->nclasses
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
		uint32		row = rows[i];
		uint8	   *to = out->bins + (Size) i * out->stride;

		if (i % (PIECE / 16) == 0)
			pf_check(env);
		memcpy(to, all->bins + (Size) row * all->stride, nfeatures);
		memset(to + nfeatures, 0, out->stride - nfeatures);
		if (all->label)
			out->label[i] = all->label[row];
		else
			out->target[i] = all->target[row];
		if (all->weight)
			out->weight[i] = all->weight[row];
	}
	for (uint32 f = 0, category = 0; f < nfeatures && folds->loaded->nentries > 0; f++)
	{
		if (bins[f].kind != PF_CATEGORY)
			continue;
		for (uint32 i = 0; i < n; i++)
		{
			uint16		entry = entry_of(folds, rows[i], category);

			if (i % PIECE == 0)
				pf_check(env);
			out->bins[(Size) i * out->stride + f] =
				entry == PF_NO_ENTRY ? PF_MISSING_BIN : bins[f].category_bin[entry];
		}
		category++;
	}
}

PfLoaded *
pf_fold_rows(const PfFolds *folds, int fold, double share)
{
	const PfLoaded *all = folds->loaded;
	PfLoaded   *loaded = palloc(sizeof(PfLoaded));
	uint32		n;
	uint32		ntest;
	uint32	   *rows = choose_rows(folds, fold, true, &n);
	uint32	   *test = choose_rows(folds, fold, false, &ntest);
	double		mean;

	n = Max((uint32) ceil(n * share), 1);
	*loaded = *all;
	loaded->bins = MemoryContextAllocHuge(CurrentMemoryContext, all->nfeatures * sizeof(PfBins));
	memcpy(loaded->bins, all->bins, all->nfeatures * sizeof(PfBins));
	if (all->nentries > 0)
	{
		mean = all->train.label ? 0 : mean_target(&all->train, rows, n);
		for (int f = 0, category = 0; f < all->nfeatures; f++)
		{
			if (loaded->bins[f].kind == PF_CATEGORY)
				order_categories(folds, rows, n, mean, category++, &loaded->bins[f]);
		}
	}
	copy_rows(folds, rows, n, loaded->bins, &loaded->train);
	copy_rows(folds, test, ntest, loaded->bins, &loaded->validation);
	memset(&loaded->test, 0, sizeof(PfMatrix));
	pfree(rows);
	pfree(test);
	return loaded;
}

/* The metric of a model on some rows. */
static double
measure(const PfEnv *env, const PfModel *model, const PfMatrix *rows, const char *metric)
{
	double	   *predicted = pf_alloc(env, Max((Size) rows->nrows, 1) * model->width * sizeof(double));
	PfMetrics	metrics;

	pf_progress_phase(PF_PHASE_MEASURE, 0, NULL);
	pf_walk_block(env, model, rows->bins, rows->stride, rows->nrows, predicted);
	if (model->task == PF_REGRESSION)
		pf_measure_values(env, rows->nrows, rows->target, predicted, &metrics);
	else
		pf_measure_classes(env, model->nclasses, rows->nrows, rows->label, predicted, &metrics);
	pf_release(env, predicted);
	return pf_train_metric(&metrics, metric);
}

static void
run(const PfFolds *folds, int fold, double share, const PfTrial *trial, const PfGoal *goal,
	PfFoldScore *score)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	PfLoaded   *loaded = pf_fold_rows(folds, fold, share);
	PfTrainParams params = *trial->params;
	PfModel		model = {0};
	PfGrown		grown = {0};

	/* nobody asks a fold's trees about the rows that they left out */
	params.given.oob_score = false;
	score->train_rows = loaded->train.nrows;
	score->rows = loaded->validation.nrows;
	pf_train_grow(trial->algorithm, &params, loaded, goal->seed, &model, &grown);
	score->score = measure(env, &model, &loaded->validation, goal->metric);
	if (!goal->train_scores)
		return;
	/* they may have gone with the growing */
	if (loaded->train.bins == NULL)
		loaded = pf_fold_rows(folds, fold, share);
	score->train_score = measure(env, &model, &loaded->train, goal->metric);
}

/* In a subtransaction, so that workers, files and memory of a failed training go. */
static void
run_and_catch(const PfFolds *folds, int fold, double share, const PfTrial *trial,
			  const PfGoal *goal, MemoryContext caller, PfFoldScore *score)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		run(folds, fold, share, trial, goal, score);
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
	if (error && (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
				  ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION ||
				  ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INTERNAL_ERROR))
		ReThrowError(error);
	score->error = error;
}

void
pf_fold_run(const PfFolds *folds, int fold, double share, const PfTrial *trial,
			const PfGoal *goal, bool catch_errors, PfFoldScore *score)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "pgforest fold", ALLOCSET_DEFAULT_SIZES);
	instr_time	start;
	instr_time	end;

	memset(score, 0, sizeof(*score));
	score->score = score->train_score = NAN;
	INSTR_TIME_SET_CURRENT(start);
	MemoryContextSwitchTo(context);
	if (catch_errors)
		run_and_catch(folds, fold, share, trial, goal, caller, score);
	else
		run(folds, fold, share, trial, goal, score);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	score->seconds = INSTR_TIME_GET_DOUBLE(end);
}

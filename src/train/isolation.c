/*
 * isolation.c
 *	  The isolation forest as an algorithm of ml_train.
 *
 * Its trees see few rows each, so they are grown here and now: to start workers would take
 * longer.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pgenv.h"
#include "engine/bins/sort.h"
#include "engine/forest/isolation.h"
#include "engine/walk/walk.h"
#include "progress/progress.h"
#include "train/algorithms.h"

#define AUTO_SAMPLES	256		/* rows a tree */
#define AUTO_THRESHOLD	(0.5 + 1e-12)	/* of the score: what a row has that is as any other, and rounding */
#define WALKED_ROWS		4096	/* scored at a time */

void
pf_isolation_fit_task(PfTrainParams *params, PfTask task)
{
}

static uint32
samples_of(const PfParams *given, uint32 nrows)
{
	return pf_params_count(&given->max_samples, nrows, Min(AUTO_SAMPLES, nrows));
}

uint64
pf_isolation_train_memory(const void *arg, const PfMatrix *sizes, bool measured, PfGrowNotes *notes)
{
	const PfParams *given = &((const PfTrainParams *) arg)->given;
	PfIsolationParams params = {
		.n_estimators = given->n_estimators,
		.max_samples = samples_of(given, sizes->nrows)
	};

	if (given->max_samples.given)
		notes->saves = "a smaller max_samples";
	return pf_matrix_memory(sizes, false) +
		pf_isolation_memory(&params, sizes->nrows) +
		(isnan(given->contamination) ? 0 : 2 * (uint64) sizes->nrows * sizeof(double));
}

static void
next_tree(void *trees, uint32 number, PfTree *tree)
{
	*tree = ((PfTree *) trees)[number];
}

/*
 * The score that so large a share of the training rows exceeds, between two neighbours in
 * proportion, as numpy's percentile has it.
 */
static double
find_threshold(const PfEnv *env, const PfModel *model, const PfMatrix *rows, double contamination)
{
	double	   *score = pf_alloc(env, rows->nrows * sizeof(double));
	double		place = (1 - contamination) * (rows->nrows - 1);
	uint32		below = (uint32) floor(place);
	double		threshold;

	for (uint32 first = 0; first < rows->nrows; first += WALKED_ROWS)
		pf_walk_block(env, model, rows->bins + (Size) first * rows->stride, rows->stride,
					  Min(WALKED_ROWS, rows->nrows - first), score + first);
	pf_sort_numbers(env, score, rows->nrows);
	threshold = score[below];
	if (below + 1 < rows->nrows)
		threshold += (place - below) * (score[below + 1] - threshold);
	pf_release(env, score);
	return threshold;
}

void
pf_isolation_train(const PfTrainParams *params, PfLoaded *loaded, int64 seed, bool measured,
				   PfModel *model, PfGrown *grown)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	const PfParams *given = &params->given;
	const PfMatrix *rows = &loaded->train;
	PfIsolationParams isolation = {
		.n_estimators = given->n_estimators,
		.max_samples = samples_of(given, rows->nrows),
		.max_features = pf_params_count(&given->max_features, rows->nfeatures, rows->nfeatures),
		.bootstrap = given->bootstrap,
		.seed = (uint64) seed
	};
	PfIsolator *isolator = pf_isolator_create(env, rows, loaded->positions, &isolation);
	PfTree	   *trees = palloc(isolation.n_estimators * sizeof(PfTree));
	volatile int64 done = 0;
	uint32		nnodes = 0;

	pf_progress_phase(PF_PHASE_GROW, isolation.n_estimators, &done);
	for (uint32 t = 0; t < isolation.n_estimators; t++)
	{
		pf_isolate(isolator, t, &trees[t]);
		trees[t].nodes = pf_resize(env, trees[t].nodes, trees[t].nnodes * sizeof(PfNode));
		trees[t].leaves = pf_resize(env, trees[t].leaves, trees[t].nleaves * sizeof(double));
		nnodes += trees[t].nnodes;
		done++;
		if (nnodes > PF_LINK_MASK)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("the trees have more than %u nodes", PF_LINK_MASK),
					 errhint("Pass a smaller n_estimators or max_samples.")));
	}
	pf_progress_phase(PF_PHASE_GROW, 0, NULL);
	pf_isolator_release(isolator);
	model->kind = PF_MODEL_ISOLATION;
	model->path = pf_average_path(isolation.max_samples);
	model->threshold = AUTO_THRESHOLD;
	model->importance = palloc0(rows->nfeatures * sizeof(double));
	pf_model_take_trees(env, model, isolation.n_estimators, 1, nnodes, next_tree, trees);
	for (uint32 t = 0; t < isolation.n_estimators; t++)
	{
		pf_release(env, trees[t].nodes);
		pf_release(env, trees[t].leaves);
	}
	if (!isnan(given->contamination))
		model->threshold = find_threshold(env, model, rows, given->contamination);
}

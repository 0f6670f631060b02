/*
 * isolation.c
 *	  The isolation forest as an algorithm of ml_train.
 *
 * Its trees see few rows each, so they are grown here and now: to start workers would take
 * longer.  A tree goes into the planes of the model as soon as it is grown; rows whose score is
 * wanted have gone down it before.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pgenv.h"
#include "engine/bins/sort.h"
#include "engine/forest/isolation.h"
#include "engine/forest/samples.h"
#include "engine/walk/walk.h"
#include "progress/progress.h"
#include "train/algorithms.h"

#define AUTO_SAMPLES	256		/* rows a tree */
#define AUTO_THRESHOLD	(0.5 + 1e-12)	/* of the score: what a row has that is as any other, and rounding */

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

	return pf_matrix_memory(sizes, false) +
		pf_isolation_memory(&params, sizes->nrows) +
		(isnan(given->contamination) ? 0 : 2 * (uint64) sizes->nrows * sizeof(double));
}

/* Adds the path of each row in a tree to its sum. */
static void
add_paths(const PfEnv *env, const PfMatrix *rows, const PfTree *tree, uint32 *leaf_of, double *sums)
{
	pf_find_leaves(env, rows, tree, leaf_of);
	for (uint32 i = 0; i < rows->nrows; i++)
	{
		sums[i] += tree->leaves[leaf_of[i]];
		if (i % 65536 == 0)
			pf_check(env);
	}
}

/*
 * The score that so large a share of n rows exceeds, between two neighbours in
 * proportion, as numpy's percentile has it.  Sorts the scores.
 */
static double
find_threshold(const PfEnv *env, double *scores, uint32 n, double contamination)
{
	double		place = (1 - contamination) * (n - 1);
	uint32		below = (uint32) floor(place);
	double		threshold;

	pf_sort_numbers(env, scores, n);
	threshold = scores[below];
	if (below + 1 < n)
		threshold += (place - below) * (scores[below + 1] - threshold);
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
	bool		all = !isnan(given->contamination);
	PfMatrix	scored = *rows;
	uint64		nnodes = 0;
	volatile int64 done = 0;
	uint32	   *leaf_of;
	double	   *scores;

	scored.nrows = all ? rows->nrows : Min(rows->nrows, PF_BASELINE_ROWS);
	leaf_of = pf_alloc(env, scored.nrows * sizeof(uint32));
	scores = pf_alloc(env, scored.nrows * sizeof(double));
	pf_clear(env, scores, scored.nrows * sizeof(double));
	model->kind = PF_MODEL_ISOLATION;
	model->ntrees = isolation.n_estimators;
	model->path = pf_average_path(isolation.max_samples);
	model->threshold = AUTO_THRESHOLD;
	model->importance = palloc0(rows->nfeatures * sizeof(double));
	if (grown->scratch != NULL)
		grown->planes = pf_planes_create(env, grown->scratch, model, 1);
	pf_progress_phase(PF_PHASE_GROW, isolation.n_estimators, &done);
	for (uint32 t = 0; t < isolation.n_estimators; t++)
	{
		PfTree		tree;

		pf_isolate(isolator, t, &tree);
		add_paths(env, &scored, &tree, leaf_of, scores);
		nnodes += tree.nnodes;
		if (nnodes > PF_LINK_MASK)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("the trees have more than %u nodes", PF_LINK_MASK),
					 errhint("Pass a smaller n_estimators or max_samples.")));
		if (grown->planes != NULL)
			pf_planes_add(grown->planes, &tree);
		pf_tree_release(env, &tree);
		done++;
	}
	if (grown->planes != NULL)
		pf_planes_finish(grown->planes);
	pf_progress_phase(PF_PHASE_GROW, 0, NULL);
	pf_isolator_release(isolator);
	pf_release(env, leaf_of);
	pf_walk_finish(env, model, scored.nrows, scores);
	grown->nanswers = Min(scored.nrows, PF_BASELINE_ROWS);
	grown->answers = pf_alloc(env, grown->nanswers * sizeof(double));
	memcpy(grown->answers, scores, grown->nanswers * sizeof(double));
	if (all)
		model->threshold = find_threshold(env, scores, scored.nrows, given->contamination);
	pf_release(env, scores);
}

/*
 * forest.c
 *	  Averaged trees as algorithms of ml_train.
 */
#include "postgres.h"

#include "catalog/pgenv.h"
#include "engine/forest/samples.h"
#include "train/algorithms.h"

#define PLACES_SIZE(nfeatures) ((Size) (nfeatures) * 256 * sizeof(float))

/* extra_trees has the parameters of random_forest in a table of its own. */
static bool
cuts_at_random(const PfTrainParams *params)
{
	return params->table == pf_extra_trees_params;
}

void
pf_forest_fit_task(PfTrainParams *params, PfTask task)
{
	PfParams   *given = &params->given;
	bool		classes = task == PF_CLASSIFICATION;

	if (given->criterion == NULL)
		given->criterion = classes ? "gini" : "squared_error";
	if (classes == (strcmp(given->criterion, "squared_error") == 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("criterion \"%s\" does not fit the task \"%s\"",
						given->criterion, pf_task_name(task)),
				 errhint("Use %s.", classes ? "gini or entropy, or pass task => 'regression' if the target is an amount"
						 : "squared_error")));
	pf_params_settle(params, "criterion", psprintf("\"%s\"", given->criterion));

	if (!classes && (given->class_weight.name != NULL || given->class_weight.count > 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("class_weight does not fit the task \"regression\""),
				 errhint("Give each row a weight of its own with the argument weight.")));
	if (classes && given->quantiles)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("quantiles does not fit the task \"classification\""),
				 errhint("Leave out quantiles, as ml_predict_proba gives the shares of the classes; or pass task => 'regression' if the target is an amount.")));
	if (!given->bootstrap && given->max_samples.given)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_samples needs bootstrap"),
				 errhint("Leave out max_samples, or set bootstrap to true.")));

	if (!given->max_features.given)
	{
		given->max_features = classes ? (PfAmount) {.given = true,.name = "sqrt"}
		: (PfAmount) {.given = true,.is_share = true,.value = 1};
		pf_params_settle(params, "max_features", classes ? "\"sqrt\"" : "1.0");
	}
}

/*
 * Does each row get the votes of the trees that did not see it?  measured: there are held-out rows, and nobody
 * needs those votes for a calibration.
 */
static bool
counts_votes(const PfTrainParams *params, bool grouped, bool measured)
{
	const PfParams *given = &params->given;

	if (!given->bootstrap)
		return false;
	return strcmp(given->oob_score, "true") == 0 || pf_calibration_is_out_of_bag(params, grouped) ||
		(strcmp(given->oob_score, "auto") == 0 && !measured);
}

uint64
pf_forest_train_memory(const void *arg, const PfMatrix *sizes, bool measured, PfGrowNotes *notes)
{
	const PfParams *given = &((const PfTrainParams *) arg)->given;
	PfForestParams params = {.bootstrap = given->bootstrap};
	uint16		not_yet;

	notes->votes = counts_votes(arg, false, measured);
	if (notes->votes && !pf_calibration_is_out_of_bag(arg, false) && sizes->nclasses > 16)
		notes->saves = "\"oob_score\": false";
	if (given->quantiles)
		params.ranks = &not_yet;
	return pf_forest_memory(sizes, &params, notes->votes, 1) +
		(cuts_at_random(arg) ? PLACES_SIZE(sizes->nfeatures) : 0);
}

void
pf_forest_train(const PfTrainParams *params, PfLoaded *loaded, int64 seed, bool measured,
				PfModel *model, PfGrown *grown)
{
	const PfParams *given = &params->given;
	const PfNumbers *weights = &given->class_weight;
	PfMatrix   *rows = &loaded->train;
	PfForestParams forest = {
		.n_estimators = given->n_estimators,
		.criterion = loaded->task == PF_REGRESSION ? PF_SQUARED_ERROR
		: strcmp(given->criterion, "gini") == 0 ? PF_GINI : PF_ENTROPY,
		.max_depth = given->max_depth,
		.max_leaf_nodes = given->max_leaf_nodes,
		.min_samples_split = given->min_samples_split,
		.min_samples_leaf = given->min_samples_leaf,
		.min_weight_fraction_leaf = given->min_weight_fraction_leaf,
		.min_impurity_decrease = given->min_impurity_decrease,
		.max_features = pf_params_count(&given->max_features, rows->nfeatures, 0),
		.bootstrap = given->bootstrap,
		.max_samples = pf_params_count(&given->max_samples, rows->nrows, rows->nrows),
		.seed = (uint64) seed,
		.by_place = grown->by_place
	};

	if (grown->parts != NULL)
	{
		forest.nviews = grown->parts->nviews;
		memcpy(forest.views, grown->parts->views, sizeof(forest.views));
	}
	if (weights->count > 0)
	{
		forest.class_weight = PF_WEIGHT_EXPLICIT;
		forest.class_weights = pf_params_class_weights(weights, loaded);
	}
	else if (weights->name != NULL)
		forest.class_weight = strcmp(weights->name, "balanced") == 0
			? PF_WEIGHT_BALANCED : PF_WEIGHT_BALANCED_SUBSAMPLE;
	forest.monotonic = pf_monotonic_signs(params, loaded);
	if (cuts_at_random(params))
	{
		forest.places = palloc0(PLACES_SIZE(rows->nfeatures));
		for (uint32 f = 0; f < rows->nfeatures; f++)
			pf_bin_places(&loaded->bins[f], forest.places + (Size) f * 256);
	}
	if (given->quantiles)
	{
		const PfEnv *env = pf_pg_env(CurrentMemoryContext);

		forest.ranks = pf_alloc(env, rows->nrows * sizeof(uint16));
		model->samples.nvalues = pf_rank_targets(env, rows, &model->samples.values, forest.ranks);
		model->samples.least = PF_LEAST_SAMPLES;
		model->samples.most = PF_MOST_SAMPLES;
	}
	model->kind = PF_MODEL_FOREST;
	pf_grow_forest(rows, &forest, counts_votes(params, loaded->grouped, measured), model, grown);
	if (given->quantiles)
		pfree(forest.ranks);
}

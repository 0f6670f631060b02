/*
 * boosting.c
 *	  Gradient boosting as an algorithm of ml_train.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pgenv.h"
#include "parallel/grow_boosting.h"
#include "train/algorithms.h"

#define EARLY_ROWS 10000		/* early_stopping auto: with more of them */

static const char *const loss_names[] = {
	[PF_LOSS_SQUARED_ERROR] = "squared_error",
	[PF_LOSS_ABSOLUTE_ERROR] = "absolute_error",
	[PF_LOSS_QUANTILE] = "quantile",
	[PF_LOSS_POISSON] = "poisson",
	[PF_LOSS_LOG] = "log_loss"
};

static PfLoss
find_loss(const char *name)
{
	PfLoss		loss = PF_LOSS_SQUARED_ERROR;

	while (strcmp(loss_names[loss], name) != 0)
		loss++;
	return loss;
}

void
pf_boosting_fit_task(PfTrainParams *params, PfTask task)
{
	PfParams   *given = &params->given;
	bool		classes = task == PF_CLASSIFICATION;
	bool		constrained = given->monotonic_cst.count > 0;
	bool		quantile;

	if (given->loss == NULL)
		given->loss = classes ? "log_loss" : "squared_error";
	if (classes != (strcmp(given->loss, "log_loss") == 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("loss \"%s\" does not fit the task \"%s\"", given->loss, pf_task_name(task)),
				 errhint("Use %s.", classes ? "log_loss, or pass task => 'regression' if the target is an amount"
						 : "squared_error, absolute_error, poisson or quantile")));
	pf_params_settle(params, "loss", psprintf("\"%s\"", given->loss));

	quantile = strcmp(given->loss, "quantile") == 0;
	if (quantile && !(given->quantile > 0 && given->quantile < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("loss \"quantile\" needs the parameter quantile, above 0 and below 1"),
				 errhint("For example: params => '{\"loss\": \"quantile\", \"quantile\": 0.9}'.")));
	if (!quantile && !isnan(given->quantile))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("quantile does not fit the loss \"%s\"", given->loss),
				 errhint("Leave out quantile, or set loss to \"quantile\".")));
	if (constrained && (quantile || strcmp(given->loss, "absolute_error") == 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("monotonic_cst does not fit the loss \"%s\"", given->loss),
				 errhint("Leave out monotonic_cst, or use squared_error.")));
	if (!classes && (given->class_weight.name != NULL || given->class_weight.count > 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("class_weight does not fit the task \"regression\""),
				 errhint("Give each row a weight of its own with the argument weight.")));
}

/* What depends on the parameters alone, which is what memory depends on, too. */
static PfBoostParams
boost_params(const PfTrainParams *params, const PfMatrix *rows, int64 seed)
{
	const PfParams *given = &params->given;
	PfBoostParams boost = {
		.loss = find_loss(given->loss),
		.quantile = given->quantile,
		.learning_rate = given->learning_rate,
		.n_estimators = given->n_estimators,
		.max_depth = given->max_depth,
		.max_leaf_nodes = given->max_leaf_nodes,
		.min_samples_leaf = given->min_samples_leaf,
		.l2_regularization = given->l2_regularization,
		.cat_smooth = given->cat_smooth,
		.cat_l2 = given->cat_l2,
		.subsample = given->subsample,
		.tree_features = pf_params_count(&given->colsample_bytree, rows->nfeatures, 0),
		.tol = given->tol,
		.seed = (uint64) seed
	};

	boost.max_features = pf_params_count(&given->max_features, boost.tree_features, 0);
	return boost;
}

/* A tree names its sets in 16 bits, and how many there will be is not known before. */
static bool
has_room_for_sets(const PfMatrix *sizes, const PfBoostParams *boost)
{
	return pf_boost_most_leaves(sizes, boost) <= PF_MAX_SETS;
}

static bool
wants_sets(const PfParams *given)
{
	return strcmp(given->categorical_splits, "gradient") == 0;
}

uint64
pf_boosting_train_memory(const void *arg, const PfMatrix *sizes, bool measured, PfGrowNotes *notes)
{
	const PfTrainParams *params = arg;
	PfBoostParams boost = boost_params(params, sizes, 0);
	uint8		categories = 0;
	uint64		a_row = sizes->stride + (sizes->nclasses ? sizeof(uint32) : sizeof(double)) +
		(sizes->weight ? sizeof(float) : 0) + 1;

	/* that there may be some is all that the size depends on */
	if (wants_sets(&params->given) && has_room_for_sets(sizes, &boost))
		boost.category_bins = &categories;
	return sizes->nrows * a_row + pf_boost_shared_size(sizes, &boost) + pf_boost_private_size(sizes);
}

/* Early stopping, when it is asked for and there are rows to stop by. */
static void
set_patience(const PfParams *given, const PfMatrix *rows, PfBoostParams *boost)
{
	uint32		apart = 0;

	if (rows->apart == NULL ||
		(strcmp(given->early_stopping, "auto") == 0 && rows->nrows <= EARLY_ROWS))
		return;
	for (uint32 i = 0; i < rows->nrows; i++)
	{
		apart += rows->apart[i];
		if (i % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	if (apart > 0 && apart < rows->nrows)
	{
		boost->n_iter_no_change = given->n_iter_no_change;
		return;
	}
	ereport(NOTICE,
			(errmsg("early stopping was left out"),
			 errdetail("Of %u training rows %s are set apart.", rows->nrows, apart ? "all" : "none")));
}

/* For each feature the bins that splits choose from as sets, 0 for numbers; NULL: no such splits. */
static uint8 *
category_bins(const PfParams *given, const PfLoaded *loaded, const PfBoostParams *boost)
{
	uint8	   *bins = palloc0(loaded->nfeatures);
	bool		any = false;

	if (!wants_sets(given))
		return NULL;
	for (int f = 0; f < loaded->nfeatures; f++)
	{
		if (loaded->bins[f].kind != PF_CATEGORY)
			continue;
		bins[f] = (uint8) loaded->bins[f].nbins;
		any |= bins[f] > 0;
	}
	if (!any)
		return NULL;
	if (has_room_for_sets(&loaded->train, boost))
		return bins;
	ereport(NOTICE,
			(errmsg("categorical_splits \"gradient\" was left out"),
			 errdetail("A tree may have more than %d leaves.", PF_MAX_SETS),
			 errhint("Lower max_leaf_nodes or max_depth, or raise min_samples_leaf.")));
	return NULL;
}

static void
check_counts(const PfMatrix *rows)
{
	double		sum = 0;

	for (uint32 i = 0; i < rows->nrows; i++)
	{
		if (i % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
		sum += rows->target[i];
		if (rows->target[i] < 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("loss \"poisson\" needs targets of 0 and above"),
					 errdetail("There is a target of %g.", rows->target[i])));
	}
	if (!(sum > 0))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("loss \"poisson\" needs targets above 0"),
				 errdetail("The target is 0 in every training row.")));
}

static void
next_tree(void *trees, uint32_t number, PfTree *tree)
{
	*tree = ((PfTree *) trees)[number];
}

static void
build_model(const PfBoosted *boosted, PfLoss loss, PfModel *model)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	uint32		ntrees = boosted->rounds * boosted->nsums;
	uint64		nnodes = 0;

	for (uint32 t = 0; t < ntrees; t++)
		nnodes += boosted->trees[t].nnodes;
	/* a model numbers its nodes in 31 bits */
	if (nnodes > PF_LINK_MASK)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the model has more than %u nodes", PF_LINK_MASK),
				 errhint("Lower n_estimators or max_leaf_nodes.")));
	pf_model_take_trees(env, model, ntrees, 1, (uint32) nnodes, next_tree, boosted->trees);
	pf_model_take_sets(env, model, boosted->trees);
	model->kind = PF_MODEL_BOOSTING;
	model->link = loss == PF_LOSS_POISSON ? PF_LINK_EXP
		: loss != PF_LOSS_LOG ? PF_LINK_IDENTITY
		: boosted->nsums > 1 ? PF_LINK_SOFTMAX : PF_LINK_LOGISTIC;
	model->nsums = boosted->nsums;
	model->base = boosted->base;
	model->importance = boosted->importance;
}

void
pf_boosting_train(const PfTrainParams *params, PfLoaded *loaded, int64 seed, bool measured,
				  PfModel *model, PfGrown *grown)
{
	const PfParams *given = &params->given;
	PfBoostParams boost = boost_params(params, &loaded->train, seed);
	PfBoosted	boosted;

	set_patience(given, &loaded->train, &boost);
	boost.monotonic = pf_monotonic_signs(params, loaded);
	boost.category_bins = category_bins(given, loaded, &boost);
	if (boost.loss == PF_LOSS_POISSON)
		check_counts(&loaded->train);
	if (given->class_weight.count > 0)
	{
		boost.class_weight = PF_WEIGHT_EXPLICIT;
		boost.class_weights = pf_params_class_weights(&given->class_weight, loaded);
	}
	else if (given->class_weight.name != NULL)
		boost.class_weight = PF_WEIGHT_BALANCED;

	pf_grow_boosting(&loaded->train, &boost, &boosted);
	/* with early stopping the best rounds before that are kept */
	if (boosted.diverged && (boosted.losses == NULL || boosted.rounds == 0))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("boosting diverged in round %u", boosted.rounds_grown + 1),
				 errdetail("Its trees' values, or gradients of the loss \"%s\" times weights, are too large to be counted with.",
						   given->loss),
				 errhint("Lower learning_rate, now %g, or divide the target or the weights by a constant.",
						 given->learning_rate)));
	if (boosted.losses != NULL)
	{
		grown->fit = psprintf("{\"rounds\": %u, \"rounds_grown\": %u}", boosted.rounds,
							  boosted.rounds_grown);
		ereport(NOTICE,
				(errmsg("early stopping kept %u of %u rounds", boosted.rounds, boosted.rounds_grown),
				 errdetail("The loss of the rows set apart was %.6g before the first round, and is %.6g.",
						   boosted.losses[0], boosted.losses[boosted.rounds])));
	}
	build_model(&boosted, boost.loss, model);
}

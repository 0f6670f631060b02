/*
 * linear.c
 *	  Linear models as an algorithm of ml_train.
 */
#include "postgres.h"

#include "catalog/pgenv.h"
#include "engine/linear/linear.h"
#include "progress/progress.h"
#include "settings.h"
#include "train/algorithms.h"

/* Errors with a parameter that says something only for the other task. */
static void
check_default(const PfTrainParams *params, const char *name, PfTask task)
{
	const PfParam *param = pf_find_param(params->table, name);

	if (strcmp(params->text[param - params->table], param->default_json) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s does not fit the task \"%s\"", name, pf_task_name(task)),
				 errhint("Use %s.", task == PF_CLASSIFICATION ? "C, or pass task => 'regression' if the target is an amount"
						 : strcmp(name, "C") == 0 ? "alpha"
						 : "the argument weight to give each row a weight of its own")));
}

void
pf_linear_fit_task(PfTrainParams *params, PfTask task)
{
	if (task == PF_CLASSIFICATION)
		check_default(params, "alpha", task);
	else
	{
		check_default(params, "C", task);
		check_default(params, "class_weight", task);
	}
}

/* Categories are not known yet: pf_linear_train looks again. */
uint64
pf_linear_train_memory(const void *arg, const PfMatrix *sizes, bool measured, PfGrowNotes *notes)
{
	PfLinearParams params = {0};

	return pf_matrix_memory(sizes, false) +
		pf_linear_memory(2 * (uint64) sizes->nfeatures, sizes->nclasses, &params);
}

static void
check_columns(const PfLoaded *loaded, const PfLinearParams *params)
{
	uint64		columns = pf_linear_columns(loaded->bins, loaded->nfeatures);
	uint64		needed = pf_linear_memory(columns, loaded->nclasses, params) / 1024 + 1 +
		(uint64) loaded->train.nrows * loaded->train.stride / 1024;

	if (params->l1_ratio > 0 && !pf_linear_is_direct(columns, loaded->nclasses))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("l1_ratio above 0 takes at most %d coefficients", PF_DIRECT_COLUMNS),
				 loaded->nclasses > 2
				 ? errdetail("The features have " UINT64_FORMAT " for each of %d classes, since each category is one.",
							 columns, loaded->nclasses)
				 : errdetail("The features have " UINT64_FORMAT ", since each category is one.", columns),
				 errhint("Pass \"l1_ratio\": 0 or a smaller max_bins, or exclude columns.")));
	if (needed > (uint64) pf_train_memory)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("training needs more memory than pgforest.train_memory allows"),
				 errdetail(UINT64_FORMAT " coefficients need " UINT64_FORMAT " kB, and %d kB are allowed.",
						   columns, needed, pf_train_memory),
				 errhint("Raise pgforest.train_memory, pass a smaller max_bins, or exclude columns.")));
}

void
pf_linear_train(const PfTrainParams *params, PfLoaded *loaded, int64 seed, bool measured,
				PfModel *model, PfGrown *grown)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	const PfParams *given = &params->given;
	PfLinearParams linear = {
		.alpha = given->alpha,
		.l1_ratio = given->l1_ratio,
		.inverse_penalty = given->C,
		.max_iter = given->max_iter,
		.tol = given->tol,
		.fit_intercept = given->fit_intercept
	};
	PfLinearFit fit;

	if (given->class_weight.count > 0)
	{
		linear.class_weight = PF_WEIGHT_EXPLICIT;
		linear.class_weights = pf_params_class_weights(&given->class_weight, loaded);
	}
	else if (given->class_weight.name != NULL)
		linear.class_weight = PF_WEIGHT_BALANCED;
	check_columns(loaded, &linear);

	pf_progress_phase(PF_PHASE_GROW, 0, NULL);
	model->kind = PF_MODEL_LINEAR;
	model->importance = palloc(loaded->nfeatures * sizeof(double));
	pf_linear_fit(env, &loaded->train, loaded->bins, &linear, &model->linear,
				  model->importance, &fit);
	grown->fit = psprintf("{\"iterations\": %u, \"converged\": %s}", fit.iterations,
						  fit.converged ? "true" : "false");
	if (!fit.converged)
		ereport(NOTICE,
				(errmsg_plural("the solver did not converge in %u iteration",
							   "the solver did not converge in %u iterations",
							   fit.iterations, fit.iterations),
				 errhint("Raise max_iter or tol, or strengthen the penalty.")));
}

/*
 * algorithms.c
 *	  The table of algorithms.
 *
 * What differs between them is in the functions of their rows; ml_train has no
 * other place that asks which one it is.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "train/algorithms.h"

#define CLASSES (1 << PF_CLASSIFICATION)
#define VALUES	(1 << PF_REGRESSION)

static const PfAlgorithm algorithms[] = {
	{PF_DEFAULT_ALGORITHM, CLASSES | VALUES, pf_random_forest_params,
	pf_forest_fit_task, pf_forest_train_memory, pf_forest_train},
	{"extra_trees", CLASSES | VALUES, pf_extra_trees_params,
	pf_forest_fit_task, pf_forest_train_memory, pf_forest_train},
	{"gradient_boosting", CLASSES | VALUES, pf_gradient_boosting_params,
	pf_boosting_fit_task, pf_boosting_train_memory, pf_boosting_train},
};

const PfAlgorithm *
pf_find_algorithm(const char *name)
{
	StringInfoData names;
	const char *nearest = NULL;
	uint32		least = PG_UINT32_MAX;

	initStringInfo(&names);
	for (int i = 0; i < (int) lengthof(algorithms); i++)
	{
		const char *known = algorithms[i].name;
		uint32		distance = pf_edit_distance(name, known);

		if (distance == 0)
			return &algorithms[i];
		appendStringInfo(&names, "%s\"%s\"", i ? ", " : "", known);
		if (distance < least && pf_may_mean(name, known))
		{
			least = distance;
			nearest = known;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized algorithm \"%s\"", name),
			 errdetail("This release knows %s.", names.data),
			 nearest ? errhint("Perhaps you meant \"%s\".", nearest) : 0));
}

const char *
pf_task_name(PfTask task)
{
	return task == PF_CLASSIFICATION ? "classification" : "regression";
}

void
pf_check_algorithm_task(const PfAlgorithm *algorithm, PfTask task)
{
	StringInfoData names;

	if (algorithm->tasks & (1 << task))
		return;
	initStringInfo(&names);
	for (int i = 0; i < (int) lengthof(algorithms); i++)
	{
		if (algorithms[i].tasks & (1 << task))
			appendStringInfo(&names, "%s\"%s\"", names.len ? ", " : "", algorithms[i].name);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("algorithm \"%s\" does not fit the task \"%s\"",
					algorithm->name, pf_task_name(task)),
			 errhint("Use %s.", names.data)));
}

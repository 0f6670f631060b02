/*
 * request.c
 *	  What the calls of this folder have in common before the first fold: arguments,
 *	  checks, and the load.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "utils/builtins.h"

#include "load/columns.h"
#include "tune/tune.h"

char *
pf_tune_text(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

void
pf_tune_need(FunctionCallInfo fcinfo, int n, const char *function, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" of %s must not be null", name, function)));
}

static List *
names_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	return PG_ARGISNULL(n) ? NIL : pf_column_names(PG_GETARG_ARRAYTYPE_P(n), name);
}

void
pf_tune_columns(FunctionCallInfo fcinfo, int first, PfTuneRequest *request)
{
	PfLoadSpec *load = &request->train.load;

	load->task = pf_parse_task(pf_tune_text(fcinfo, first));
	load->features = names_argument(fcinfo, first + 1, "features");
	load->features_given = !PG_ARGISNULL(first + 1);
	load->exclude = names_argument(fcinfo, first + 2, "exclude");
	load->key = names_argument(fcinfo, first + 3, "key");
	load->weight = pf_tune_text(fcinfo, first + 4);
	request->order_by = pf_tune_text(fcinfo, first + 5);
}

PfTrial *
pf_trial_make(const PfAlgorithm *algorithm, Jsonb *given)
{
	PfTrial    *trial = palloc0(sizeof(PfTrial));

	trial->algorithm = algorithm;
	trial->given = given;
	trial->params = pf_params_check(algorithm->params, algorithm->name, given);
	return trial;
}

/* Do the parameters fit?  Looks at them and nothing else, so that an error leaves nothing behind. */
static void
fit_trial(PfTrial *trial, PfTask task, const List *numbers, bool catch_errors)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		pf_check_algorithm_task(trial->algorithm, task);
		trial->algorithm->fit_task(trial->params, task);
		pf_calibration_fit_task(trial->params, task);
		pf_monotonic_check(trial->params, numbers);
	}
	PG_CATCH();
	{
		if (!catch_errors)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		trial->error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
}

/* Bytes that the hungriest of the trials takes. */
static uint64
trial_memory(const List *trials, const PfMatrix *sizes, PfGrowNotes *notes)
{
	const ListCell *lc;
	uint64		most = 0;

	foreach(lc, trials)
	{
		const PfTrial *trial = lfirst(lc);

		if (trial->error == NULL)
		{
			bool		held_out = !pf_calibration_is_out_of_bag(trial->params, false);
			uint64		bytes = trial->algorithm->memory(trial->params, sizes, held_out, notes) +
				pf_calibration_train_memory(trial->params, sizes);

			most = Max(most, bytes);
		}
	}
	return most;
}

uint64
pf_tune_memory(const List *trials, const PfMatrix *sizes, int participants)
{
	PfGrowNotes notes = {0};

	/* the rows of all folds, here and in shared memory, while each grows on a copy */
	return participants * trial_memory(trials, sizes, &notes) +
		2 * (uint64) sizes->nrows * (sizes->stride + sizeof(uint64) + sizeof(double) + 1);
}

/* A PfGrowMemory: one trial at a time. */
static uint64
fold_memory(const void *arg, const PfMatrix *sizes, bool measured, PfGrowNotes *notes)
{
	return trial_memory(arg, sizes, notes) +
		(uint64) sizes->nrows * (sizes->stride + sizeof(uint64) + sizeof(double) + 1);
}

/* The column that makes the order, as the last feature; no tree will see it. */
static void
add_order(PfTuneRequest *request, PfLoadSpec *spec)
{
	PfLoadSpec *asked = &request->train.load;
	char	   *order_by = request->order_by;
	int			column = pf_source_column(spec->source, order_by);
	List	   *taken = list_make1(spec->target);
	List	   *features = NIL;
	ListCell   *lc;
	PfReader	reader;

	if (column >= 0 &&
		(!pf_reader_init(&reader, TupleDescAttr(spec->source->desc, column)->atttypid) ||
		 reader.kind != PF_NUMBER || OidIsValid(reader.element)))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("order_by column \"%s\" cannot have type %s", order_by,
						format_type_be(TupleDescAttr(spec->source->desc, column)->atttypid)),
				 errhint("It is a date, a time or a number.")));

	if (spec->features_given)
		features = spec->features;
	else
	{
		taken = list_concat(taken, spec->key);
		taken = list_concat(taken, spec->exclude);
		if (spec->weight)
			taken = lappend(taken, spec->weight);
		if (spec->split)
			taken = lappend(taken, spec->split);
		for (int i = 0; i < spec->source->desc->natts; i++)
		{
			char	   *name = NameStr(TupleDescAttr(spec->source->desc, i)->attname);

			if (!pf_names_contain(taken, name))
				features = lappend(features, name);
		}
		/* to repeat the training without the order */
		if (!pf_names_contain(asked->exclude, order_by))
			asked->exclude = lappend(asked->exclude, order_by);
	}
	spec->features = NIL;
	foreach(lc, features)
	{
		if (strcmp(lfirst(lc), order_by) != 0)
			spec->features = lappend(spec->features, lfirst(lc));
	}
	if (spec->features == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no feature column"),
				 errdetail("The column \"%s\" makes the order of the rows and is not one.", order_by)));
	spec->features = lappend(spec->features, order_by);
	spec->order_by = order_by;
	spec->features_given = true;
	features = spec->exclude;
	spec->exclude = NIL;
	foreach(lc, features)
	{
		if (strcmp(lfirst(lc), order_by) != 0)
			spec->exclude = lappend(spec->exclude, lfirst(lc));
	}
}

static void
check_metric(PfGoal *goal, PfTask task)
{
	const char *known = pf_metric_names(task);
	size_t		length;

	if (goal->metric == NULL)
		goal->metric = task == PF_CLASSIFICATION ? "roc_auc" : "rmse";
	goal->direction = pf_metric_direction(goal->metric);
	length = strlen(goal->metric);
	for (const char *at = known; at != NULL && length > 0; at = strchr(at, ','))
	{
		at += strspn(at, ", ");
		if (strncmp(at, goal->metric, length) == 0 && (at[length] == ',' || at[length] == '\0'))
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 goal->direction == 0 ?
			 errmsg("unrecognized metric \"%s\"", goal->metric) :
			 errmsg("metric \"%s\" is not one for %s", goal->metric, pf_task_name(task)),
			 errhint("Valid metrics are %s.", known)));
}

PfFolds *
pf_tune_load(PfTuneRequest *request, List *trials, bool catch_errors)
{
	PfLoadSpec *asked = &request->train.load;
	PfLoadSpec	spec;
	List	   *numbers;
	PfLoaded   *loaded;
	ListCell   *lc;

	if (request->nfolds < 2 || request->nfolds > PF_MAX_FOLDS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("folds must be between 2 and %d, not %d", PF_MAX_FOLDS, request->nfolds)));
	if (asked->task == PF_ANOMALY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the task \"anomaly\" has no score to compare"),
				 errhint("Folds are for classification and regression.")));
	foreach(lc, trials)
	{
		const PfTrial *trial = lfirst(lc);

		/* neither is searched: of those who have it, all have the same */
		asked->max_bins = Max(asked->max_bins, (int) trial->params->given.max_bins);
		asked->max_rows = Max(asked->max_rows, trial->params->given.max_rows);
		asked->values |= trial->algorithm->values;
	}
	if (asked->max_bins == 0)
		asked->max_bins = PF_MAX_BINS;
	pf_train_open_source(&request->train);
	asked->for_folds = true;
	asked->grow_memory = fold_memory;
	asked->grow_arg = trials;

	spec = *asked;
	if (request->order_by)
		add_order(request, &spec);
	asked->task = spec.task = pf_load_check(&spec, &numbers);
	check_metric(&request->goal, spec.task);
	foreach(lc, trials)
		fit_trial(lfirst(lc), spec.task, numbers, catch_errors);
	if (request->train.model)
		pf_train_check_model(request->train.model, spec.task);

	loaded = pf_load(&spec);
	pf_train_report_rows(loaded, spec.max_rows);
	return pf_folds_make(loaded, request->nfolds, spec.key != NIL, request->order_by,
						 spec.max_bins);
}

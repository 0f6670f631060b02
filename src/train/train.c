/*
 * train.c
 *	  ml_train: from a source to a stored version.
 *
 * The stages, each a function elsewhere: arguments and rights -> load (load/) ->
 * grow (train/algorithms.c) -> model (engine/model) -> measure (engine/measure) -> store
 * (catalog/).  Everything that can be checked is checked before the first row is
 * read; the version's number is taken at the very end, so that two trainings of
 * one model wait for each other only there.
 *
 * Memory: one context below the caller's, gone at the end.  Locks: those of the
 * source's query, and of our tables when the version is stored.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "tcop/utility.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"

#include "catalog/call.h"
#include "catalog/models.h"
#include "catalog/pgenv.h"
#include "catalog/scratch.h"
#include "engine/walk/walk.h"
#include "load/load.h"
#include "progress/progress.h"
#include "recipe/recipe.h"
#include "settings.h"
#include "train/train.h"

PG_FUNCTION_INFO_V1(ml_train);

#define CURVE_POINTS 512		/* of a stored curve, at most */
#define LISTED_CLASSES 10		/* in a notice, at most */

/* ----- arguments ----- */

static char *
needed_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" of ml_train must not be null", name)));
	return pf_text_argument(fcinfo, n);
}

static List *
names_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	return PG_ARGISNULL(n) ? NIL : pf_column_names(PG_GETARG_ARRAYTYPE_P(n), name);
}

PfTask
pf_parse_task(const char *task)
{
	if (task == NULL)
		return PF_TASK_AUTO;
	if (strcmp(task, "classification") == 0)
		return PF_CLASSIFICATION;
	if (strcmp(task, "regression") == 0)
		return PF_REGRESSION;
	if (strcmp(task, "anomaly") == 0)
		return PF_ANOMALY;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized task \"%s\"", task),
			 errhint("The tasks are \"classification\", \"regression\" and \"anomaly\".")));
}

/* What the algorithm takes, and a calibration. */
static uint64
train_memory(const void *arg, const PfMatrix *sizes, bool measured, PfGrowNotes *notes)
{
	const PfTrainRequest *request = arg;

	measured = measured && !pf_calibration_is_out_of_bag(request->params, false);
	return request->algorithm->memory(request->params, sizes, measured, notes) +
		pf_calibration_train_memory(request->params, sizes);
}

double
pf_check_holdout(double holdout)
{
	if (!(holdout >= 0 && holdout <= 0.9))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("holdout must be between 0 and 0.9, not %g", holdout),
				 errhint("It is the share of the rows that is kept for measuring.")));
	return holdout;
}

static void
read_request(FunctionCallInfo fcinfo, PfTrainRequest *request)
{
	PfLoadSpec *load = &request->load;

	memset(request, 0, sizeof(*request));
	request->model = needed_argument(fcinfo, 0, "model");
	request->source = needed_argument(fcinfo, 1, "source");
	load->target = pf_text_argument(fcinfo, 2);
	request->algorithm = pf_find_algorithm(needed_argument(fcinfo, 3, "algorithm"));
	if (PG_ARGISNULL(4))
		needed_argument(fcinfo, 4, "params");
	request->params = pf_params_check(request->algorithm->params, request->algorithm->name,
									  PG_GETARG_JSONB_P(4));
	load->task = pf_parse_task(pf_text_argument(fcinfo, 5));
	load->features = names_argument(fcinfo, 6, "features");
	load->features_given = !PG_ARGISNULL(6);
	load->exclude = names_argument(fcinfo, 7, "exclude");
	load->key = names_argument(fcinfo, 8, "key");
	load->weight = pf_text_argument(fcinfo, 9);
	load->split = pf_text_argument(fcinfo, 10);
	if (PG_ARGISNULL(11))
		needed_argument(fcinfo, 11, "holdout");
	load->holdout = pf_check_holdout(PG_GETARG_FLOAT8(11));
	if (PG_ARGISNULL(12))
		needed_argument(fcinfo, 12, "seed");
	request->seed = PG_GETARG_INT64(12);
	request->note = pf_text_argument(fcinfo, 13);
	request->recipe_name = pf_text_argument(fcinfo, 14);
	load->max_bins = request->params->given.max_bins;
	load->max_rows = request->params->given.max_rows;
	load->values = request->algorithm->values;
	load->apart = pf_params_apart(&request->params->given);
	load->grow_memory = train_memory;
	load->grow_arg = request;
}

/*
 * Is there a target where one is needed, and none where it is not?  Nothing is measured
 * without one, so no rows are held out.
 */
static void
check_target(FunctionCallInfo fcinfo, PfTrainRequest *request)
{
	PfLoadSpec *load = &request->load;

	if (load->task == PF_TASK_AUTO && request->algorithm->tasks == 1 << PF_ANOMALY)
		load->task = PF_ANOMALY;
	if (load->task != PF_TASK_AUTO)
		pf_check_algorithm_task(request->algorithm, load->task);
	if (load->task != PF_ANOMALY)
	{
		needed_argument(fcinfo, 2, "target");
		return;
	}
	if (load->target != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the task \"anomaly\" takes no target"),
				 errhint("Leave out target; exclude => ARRAY[%s] keeps that column from the features.",
						 quote_literal_cstr(load->target))));
	if (load->weight != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the task \"anomaly\" takes no weight"),
				 errhint("Leave out weight.")));
	load->holdout = 0;
}

void
pf_train_open_source(PfTrainRequest *request)
{
	request->load.source = pf_source_open(request->source);
	if (request->recipe_name == NULL)
		return;
	request->recipe = pf_recipe_find(request->recipe_name);
	request->load.source = pf_recipe_source(pf_recipe_read(request->recipe), request->load.source);
}

/*
 * May the caller train this model, and as this task?  Checked again when the
 * version is stored; here so that nobody waits an hour for a refusal.
 */
void
pf_train_check_model(const char *name, PfTask task)
{
	PfModelInfo model;

	if (!pf_catalog_model(name, &model))
		return;
	pf_catalog_need_model(name, PF_RIGHT_TRAIN, &model);
	pf_catalog_need_task(&model, pf_task_name(task));
}

/* The arguments that repeat this training on other rows. */
static void
append_names(StringInfo json, const char *name, List *names)
{
	ListCell   *cell;
	const char *separator = "";

	appendStringInfo(json, ",\"%s\":[", name);
	foreach(cell, names)
	{
		appendStringInfoString(json, separator);
		escape_json(json, lfirst(cell));
		separator = ",";
	}
	appendStringInfoChar(json, ']');
}

static Jsonb *
repeat_arguments(const PfTrainRequest *request, PfTask task)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"task\":\"%s\"", pf_task_name(task));
	if (request->load.features_given)
		append_names(&json, "features", request->load.features);
	append_names(&json, "exclude", request->load.exclude);
	append_names(&json, "key", request->load.key);
	if (request->recipe_name != NULL)
	{
		appendStringInfoString(&json, ",\"recipe\":");
		escape_json(&json, request->recipe_name);
	}
	appendStringInfoChar(&json, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

/* ----- stages and their times ----- */

static double
seconds_since(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_DOUBLE(now);
}

/* Of storing all but its end, which comes after they are stored. */
static Jsonb *
stage_seconds(const PfProgress *progress)
{
	StringInfoData json;

	initStringInfo(&json);
	for (PfPhase phase = PF_PHASE_SCAN; phase < PF_PHASES; phase++)
		appendStringInfo(&json, "%c\"%s\": %.6f", json.len ? ',' : '{',
						 pf_phase_name(phase), pf_progress_seconds(progress, phase));
	appendStringInfoChar(&json, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

typedef struct Clock
{
	const PfProgress *progress;
	instr_time	start;
} Clock;

/* A take_times. */
static void
take_times(PfNewVersion *version, void *arg)
{
	Clock	   *clock = arg;

	/* ends what was stored so far */
	pf_progress_phase(PF_PHASE_STORE, 0, NULL);
	version->seconds = seconds_since(clock->start);
	version->stage_seconds = stage_seconds(clock->progress);
}

/* ----- measuring ----- */

static void
measure(const PfEnv *env, const PfModel *model, const char *set, size_t n,
		const uint32 *actual, const double *target, const double *predicted,
		PfMeasured *measured)
{
	memset(measured, 0, sizeof(*measured));
	measured->set = set;
	measured->rows = n;
	if (model->task == PF_REGRESSION)
	{
		pf_measure_values(env, n, target, predicted, &measured->metrics);
		return;
	}
	measured->nclasses = model->nclasses;
	measured->classes = model->classes;
	measured->confusion = palloc0(sizeof(uint64) * model->nclasses * model->nclasses);
	measured->curves = palloc0(sizeof(PfCurve) * model->nclasses);
	pf_measure_classes(env, model->nclasses, n, actual, predicted, &measured->metrics);
	pf_confusion(env, model->nclasses, n, actual, predicted, measured->confusion);
	for (uint32 c = 0; c < model->nclasses; c++)
		pf_curve(env, model->nclasses, n, actual, predicted, c, CURVE_POINTS,
				 &measured->curves[c]);
}

/*
 * Predictions for rows that were held out, in memory of their own: as a prediction makes them, of
 * leaves that are known already if the trees were asked as they were grown.
 */
double *
pf_train_predict(const PfEnv *env, const PfModel *model, PfHeldOut *held)
{
	const PfMatrix *rows = held->rows;
	double	   *predicted = held->sums;

	held->sums = NULL;
	if (predicted != NULL)
	{
		pf_walk_finish(env, model, rows->nrows, predicted);
		return predicted;
	}
	predicted = pf_alloc(env, Max((Size) rows->nrows, 1) * model->width * sizeof(double));
	pf_walk_block(env, model, rows->bins, rows->stride, rows->nrows, predicted);
	return predicted;
}

/* Rows that were held out, walked as a prediction walks them; returns what was predicted. */
static double *
measure_held_out(const PfEnv *env, const PfModel *model, const char *set,
				 PfHeldOut *held, PfMeasured *measured)
{
	const PfMatrix *rows = held->rows;
	double	   *predicted = pf_train_predict(env, model, held);

	measure(env, model, set, rows->nrows, rows->label, rows->target, predicted, measured);
	return predicted;
}

/*
 * Training rows, each by the trees that did not see it; false when there is none.  Of
 * no use afterwards are the votes, in whose place the predictions are put, and the
 * rows' answers, of which those of rows without a vote are taken out.
 */
static bool
measure_out_of_bag(const PfEnv *env, const PfModel *model, PfMatrix *rows,
				   PfVotes *votes, PfMeasured *measured)
{
	uint32		width = model->width;
	double	   *predicted = (double *) votes->sum;
	size_t		n = 0;

	for (uint32 i = 0; i < rows->nrows; i++)
	{
		if (i % 65536 == 0)
			pf_check(env);
		if (!pf_votes_read(votes, rows, i, predicted + n * width))
			continue;
		pf_calibration_apply(&model->calibration, model->nclasses, predicted + n * width);
		if (rows->label)
			rows->label[n] = rows->label[i];
		else
			rows->target[n] = rows->target[i];
		n++;
	}
	if (n > 0)
		measure(env, model, "oob", n, rows->label, rows->target, predicted, measured);
	return n > 0;
}

/* What only growing and measuring need, before the model is compressed. */
static void
release_rows(const PfEnv *env, PfMatrix *rows)
{
	pf_release(env, rows->bins);
	pf_release(env, rows->label);
	pf_release(env, rows->target);
	pf_release(env, rows->weight);
	rows->bins = NULL;
	rows->label = NULL;
	rows->target = NULL;
	rows->weight = NULL;
}

double
pf_train_metric(const PfMetrics *metrics, const char *name)
{
	for (uint32 i = 0; i < metrics->count; i++)
	{
		const PfMetric *metric = &metrics->metrics[i];

		if (metric->class < 0 && strcmp(metric->name, name) == 0)
			return metric->value;
	}
	return NAN;
}

/* ----- what the user should know about the rows ----- */

void
pf_train_report_rows(const PfLoaded *loaded, uint32 max_rows)
{
	const PfMatrix *held = &loaded->validation;

	if (loaded->rows_no_target > 0)
		ereport(NOTICE,
				(errmsg_plural("%lld row without a target was left out",
							   "%lld rows without a target were left out",
							   loaded->rows_no_target,
							   (long long) loaded->rows_no_target)));
	if (loaded->rows_no_split > 0)
		ereport(NOTICE,
				(errmsg_plural("%lld row whose split is null was left out",
							   "%lld rows whose split is null were left out",
							   loaded->rows_no_split,
							   (long long) loaded->rows_no_split)));
	if (loaded->rows_not_drawn > 0)
	{
		int64		taken = (int64) loaded->train.nrows + held->nrows + loaded->test.nrows;

		ereport(NOTICE,
				(errmsg("training on a sample of %lld of %lld rows",
						(long long) taken, (long long) (taken + loaded->rows_not_drawn)),
				 errdetail("These are the rows with the smallest hashes; \"max_rows\" is %u.",
						   max_rows)));
	}
	if (loaded->task == PF_CLASSIFICATION && held->nrows > 0)
	{
		bool	   *present = palloc0(loaded->nclasses);
		StringInfoData absent;
		int			n = 0;

		initStringInfo(&absent);
		for (uint32 i = 0; i < held->nrows; i++)
		{
			if (i % 65536 == 0)
				CHECK_FOR_INTERRUPTS();
			present[held->label[i]] = true;
		}
		for (int c = 0; c < loaded->nclasses; c++)
		{
			if (!present[c] && n++ < LISTED_CLASSES)
				appendStringInfo(&absent, "%s\"%s\"", absent.len ? ", " : "", loaded->classes[c]);
		}
		if (n > 0)
			ereport(NOTICE,
					n == 1 ?
					errmsg("no held-out row has the class %s", absent.data) :
					errmsg("no held-out row has any of %d classes", n),
					n == 1 ? 0 :
					errdetail("The classes are %s%s.", absent.data, n > LISTED_CLASSES ? ", ..." : ""));
	}
}

/* ----- the call ----- */

static Datum
result_row(FunctionCallInfo fcinfo, const PfNewVersion *version, int32 number)
{
	TupleDesc	desc;
	Datum		values[10];
	bool		nulls[10] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = CStringGetTextDatum(version->model);
	values[1] = Int32GetDatum(number);
	values[2] = CStringGetTextDatum(version->task);
	values[3] = CStringGetTextDatum(version->algorithm);
	values[4] = Int64GetDatum(version->rows);
	values[5] = Int32GetDatum(version->features);
	values[6] = version->metric ? CStringGetTextDatum(version->metric) : (Datum) 0;
	nulls[6] = version->metric == NULL;
	values[7] = Float8GetDatum(version->score);
	nulls[7] = isnan(version->score);
	values[8] = Float8GetDatum(version->seconds);
	values[9] = Int64GetDatum((int64) version->encoded.size);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

void
pf_train_grow(const PfAlgorithm *algorithm, const PfTrainParams *params, PfLoaded *loaded,
			  int64 seed, PfModel *model, PfGrown *grown)
{
	bool		out_of_bag = pf_calibration_is_out_of_bag(params, loaded->grouped);
	double	   *shares = NULL;

	model->task = loaded->task;
	model->ncolumns = loaded->ncolumns;
	model->columns = loaded->columns;
	model->nfeatures = loaded->nfeatures;
	model->bins = loaded->bins;
	model->nclasses = loaded->nclasses;
	model->classes = loaded->classes;
	model->width = Max(loaded->nclasses, 1);
	if (params->given.calibration != NULL && !out_of_bag)
		shares = pf_calibration_shares(algorithm, params, loaded, seed, model);
	algorithm->grow(params, loaded, seed, loaded->validation.nrows > 0 && !out_of_bag, model, grown);
	pf_progress_phase(PF_PHASE_MEASURE, 0, NULL);
	if (params->given.calibration != NULL)
		pf_calibration_train(params, &loaded->train, shares, &grown->votes, model);
}

/* The trees, wherever they are, become bytes.  Tells when sessions will not keep what they decode. */
static void
encode(const PfEnv *env, const PfModel *model, PfGrown *grown, PfNewVersion *version)
{
	uint64		decoded;

	if (grown->planes == NULL && model->kind != PF_MODEL_LINEAR)
		grown->planes = pf_planes_of_model(env, grown->scratch, model);
	if (!pf_model_encode(env, grown->scratch, model, grown->planes, &version->encoded))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("The model could not be compressed.")));
	version->scratch = grown->scratch;
	if (grown->planes == NULL)
		return;
	decoded = pf_planes_decoded(grown->planes) / 1024;
	pf_planes_release(grown->planes);
	if (decoded > (uint64) pf_model_cache_size)
		ereport(NOTICE,
				(errmsg("the model does not fit pgforest.model_cache_size"),
				 errdetail("Decoded its trees take " UINT64_FORMAT " kB, and %d kB are allowed: each statement that predicts will decode it anew.",
						   decoded, pf_model_cache_size),
				 errhint("Raise pgforest.model_cache_size where it is used, or train fewer or smaller trees.")));
}

int32
pf_train_version(const PfTrainRequest *request, PfLoaded *loaded, const PfProgress *progress,
				 instr_time start, PfNewVersion *version)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	Clock		clock = {.progress = progress,.start = start};
	PfGrown		grown = {.scratch = pf_scratch_open()};
	PfModel		model = {0};
	PfMeasured *measured = palloc((PF_HELD_OUT + 1) * sizeof(PfMeasured));
	const struct
	{
		const char *name;
		PfMatrix   *rows;
	}			sets[PF_HELD_OUT] = {{"validation", &loaded->validation}, {"test", &loaded->test}};
	double	   *predicted = NULL;
	int64		npredicted = 0;
	uint8		sha256[32];
	int32		number;

	for (int i = 0; i < PF_HELD_OUT && loaded->task != PF_ANOMALY; i++)
		grown.held[i].rows = sets[i].rows->nrows > 0 ? sets[i].rows : NULL;
	pf_train_grow(request->algorithm, request->params, loaded, request->seed, &model, &grown);
	for (int i = 0; i < PF_HELD_OUT; i++)
	{
		double	   *answers;

		if (grown.held[i].rows == NULL)
			continue;
		answers = measure_held_out(env, &model, sets[i].name, &grown.held[i], &measured[version->nmeasured++]);
		if (i == 0)
		{
			predicted = answers;
			npredicted = sets[i].rows->nrows;
		}
		else
			pf_release(env, answers);
	}
	if (grown.votes.sum != NULL &&
		measure_out_of_bag(env, &model, &loaded->train, &grown.votes, &measured[version->nmeasured]))
	{
		if (predicted == NULL)
			npredicted = measured[version->nmeasured].rows;
		/* held-out rows, if there are any, are what the score is of */
		if (loaded->grouped && version->nmeasured == 0)
			ereport(NOTICE,
					(errmsg("the out-of-bag score does not go by the key"),
					 errdetail("A row is predicted by trees that saw other rows with its key."),
					 errhint("Where such rows are alike the score is too good; hold out rows, which keeps those with one key together.")));
		version->nmeasured++;
	}
	if (grown.answers != NULL)
	{
		predicted = grown.answers;
		npredicted = grown.nanswers;
	}
	pf_train_baseline(env, loaded, &model, predicted ? predicted : (double *) grown.votes.sum,
					  npredicted, version);
	pf_release(env, predicted);
	release_rows(env, &loaded->train);
	release_rows(env, &loaded->validation);
	release_rows(env, &loaded->test);
	pf_release(env, grown.votes.sum);
	pf_release(env, grown.votes.trees);

	pf_progress_phase(PF_PHASE_COMPRESS, 0, NULL);
	encode(env, &model, &grown, version);

	version->model = request->model;
	version->task = pf_task_name(loaded->task);
	version->algorithm = request->algorithm->name;
	version->target = request->load.target;
	version->query = request->load.source->query;
	version->weight = request->load.weight;
	version->split = request->load.split;
	version->ncolumns = loaded->ncolumns;
	version->columns = palloc(loaded->ncolumns * sizeof(char *));
	for (int i = 0; i < loaded->ncolumns; i++)
		version->columns[i] = loaded->columns[i].name;
	version->column_types = loaded->column_types;
	version->nclasses = loaded->nclasses;
	version->classes = loaded->classes;
	version->nidentity = loaded->nidentity;
	version->identity = loaded->identity;
	version->holdout = request->load.split ? 0 : request->load.holdout;
	version->params = pf_params_filled(request->params);
	version->arguments = repeat_arguments(request, loaded->task);
	version->seed = request->seed;
	version->note = request->note;
	version->recipe = request->recipe;
	version->rows = loaded->train.nrows;
	version->features = loaded->nfeatures;
	if (loaded->task != PF_ANOMALY)
		version->metric = loaded->task == PF_CLASSIFICATION ? "roc_auc" : "rmse";
	version->score = version->nmeasured > 0 ? pf_train_metric(&measured[0].metrics, version->metric) : NAN;
	if (grown.fit != NULL)
		version->fit = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(grown.fit)));
	memcpy(version->fingerprint, loaded->fingerprint, sizeof(version->fingerprint));
	version->measured = measured;
	version->seconds = seconds_since(start);
	version->take_times = take_times;
	version->take_times_arg = &clock;
	pf_progress_phase(PF_PHASE_STORE, 0, NULL);
	number = pf_catalog_add_version(version, sha256);
	pf_scratch_close(grown.scratch);
	return number;
}

static Datum
train(FunctionCallInfo fcinfo, PfProgress *progress)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	PfTrainRequest request;
	instr_time	start;
	List	   *numbers;
	PfLoaded   *loaded;
	PfNewVersion version = {0};
	int32		number;
	Datum		result;

	PreventCommandIfReadOnly("ml_train()");
	PreventCommandIfParallelMode("ml_train()");
	PreventCommandDuringRecovery("ml_train()");
	context = AllocSetContextCreate(caller, "pgforest training", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	INSTR_TIME_SET_CURRENT(start);

	read_request(fcinfo, &request);
	check_target(fcinfo, &request);
	pf_check_model_name(request.model);
	pf_progress_start(progress, request.model);
	pf_train_open_source(&request);
	request.load.task = pf_load_check(&request.load, &numbers);
	pf_check_algorithm_task(request.algorithm, request.load.task);
	request.algorithm->fit_task(request.params, request.load.task);
	pf_calibration_fit_task(request.params, request.load.task);
	pf_monotonic_check(request.params, numbers);
	pf_train_check_model(request.model, request.load.task);

	loaded = pf_load(&request.load);
	pf_train_report_rows(loaded, request.load.max_rows);
	number = pf_train_version(&request, loaded, progress, start, &version);

	MemoryContextSwitchTo(caller);
	version.seconds = seconds_since(start);
	result = result_row(fcinfo, &version, number);
	MemoryContextDelete(context);
	return result;
}

Datum
ml_train(PG_FUNCTION_ARGS)
{
	PfProgress	progress = {0};
	volatile Datum result;

	PG_TRY();
	{
		result = train(fcinfo, &progress);
	}
	PG_CATCH();
	{
		pf_progress_end(&progress);
		PG_RE_THROW();
	}
	PG_END_TRY();
	pf_progress_end(&progress);
	PG_RETURN_DATUM(result);
}

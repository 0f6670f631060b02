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

#include "catalog/models.h"
#include "catalog/pgenv.h"
#include "engine/walk/walk.h"
#include "load/load.h"
#include "progress/progress.h"
#include "train/train.h"

PG_FUNCTION_INFO_V1(ml_train);

#define CURVE_POINTS 512		/* of a stored curve, at most */
#define LISTED_CLASSES 10		/* in a notice, at most */

/* ----- arguments ----- */

static char *
text_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

static char *
needed_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" of ml_train must not be null", name)));
	return text_argument(fcinfo, n);
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
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized task \"%s\"", task),
			 errhint("This release knows \"classification\" and \"regression\".")));
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
	load->target = needed_argument(fcinfo, 2, "target");
	request->algorithm = pf_find_algorithm(needed_argument(fcinfo, 3, "algorithm"));
	if (PG_ARGISNULL(4))
		needed_argument(fcinfo, 4, "params");
	request->params = pf_params_check(request->algorithm->params, request->algorithm->name,
									  PG_GETARG_JSONB_P(4));
	load->task = pf_parse_task(text_argument(fcinfo, 5));
	load->features = names_argument(fcinfo, 6, "features");
	load->features_given = !PG_ARGISNULL(6);
	load->exclude = names_argument(fcinfo, 7, "exclude");
	load->key = names_argument(fcinfo, 8, "key");
	load->weight = text_argument(fcinfo, 9);
	load->split = text_argument(fcinfo, 10);
	if (PG_ARGISNULL(11))
		needed_argument(fcinfo, 11, "holdout");
	load->holdout = pf_check_holdout(PG_GETARG_FLOAT8(11));
	if (PG_ARGISNULL(12))
		needed_argument(fcinfo, 12, "seed");
	request->seed = PG_GETARG_INT64(12);
	request->note = text_argument(fcinfo, 13);
	load->max_bins = request->params->given.max_bins;
	load->grow_memory = request->algorithm->memory;
	load->grow_arg = request->params;
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

/* All but that of storing, which is not over when they are stored. */
static Jsonb *
stage_seconds(const PfProgress *progress)
{
	StringInfoData json;

	initStringInfo(&json);
	for (PfPhase phase = PF_PHASE_SCAN; phase < PF_PHASE_STORE; phase++)
		appendStringInfo(&json, "%c\"%s\": %.6f", json.len ? ',' : '{',
						 pf_phase_name(phase), pf_progress_seconds(progress, phase));
	appendStringInfoChar(&json, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
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

/* Rows that were held out, walked as a prediction walks them. */
static void
measure_held_out(const PfEnv *env, const PfModel *model, const char *set,
				 const PfMatrix *rows, PfMeasured *measured)
{
	double	   *predicted = pf_alloc(env, (size_t) rows->nrows * model->width * sizeof(double));

	pf_walk_block(env, model, rows->bins, rows->stride, rows->nrows, predicted);
	measure(env, model, set, rows->nrows, rows->label, rows->target, predicted, measured);
	pf_release(env, predicted);
}

/* Training rows, each by the trees that did not see it; false when there is none. */
static bool
measure_out_of_bag(const PfEnv *env, const PfModel *model, const PfMatrix *rows,
				   const PfVotes *votes, PfMeasured *measured)
{
	uint32		width = model->width;
	double	   *predicted = pf_alloc(env, (size_t) rows->nrows * width * sizeof(double));
	uint32	   *label = rows->label ? pf_alloc(env, rows->nrows * sizeof(uint32)) : NULL;
	double	   *target = rows->target ? pf_alloc(env, rows->nrows * sizeof(double)) : NULL;
	size_t		n = 0;

	for (uint32 i = 0; i < rows->nrows; i++)
	{
		if (i % 65536 == 0)
			pf_check(env);
		if (!pf_votes_read(votes, rows, i, predicted + n * width))
			continue;
		if (label)
			label[n] = rows->label[i];
		else
			target[n] = rows->target[i];
		n++;
	}
	if (n > 0)
		measure(env, model, "oob", n, label, target, predicted, measured);
	pf_release(env, predicted);
	pf_release(env, label);
	pf_release(env, target);
	return n > 0;
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
pf_train_report_rows(const PfLoaded *loaded)
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
	values[9] = Int64GetDatum((int64) version->nbytes);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

void
pf_train_grow(const PfAlgorithm *algorithm, const PfTrainParams *params, PfLoaded *loaded,
			  int64 seed, PfModel *model, PfGrown *grown)
{
	model->task = loaded->task;
	model->ncolumns = loaded->ncolumns;
	model->columns = loaded->columns;
	model->nfeatures = loaded->nfeatures;
	model->bins = loaded->bins;
	model->nclasses = loaded->nclasses;
	model->classes = loaded->classes;
	model->width = Max(loaded->nclasses, 1);
	algorithm->grow(params, loaded, seed, loaded->validation.nrows > 0, model, grown);
}

int32
pf_train_version(const PfTrainRequest *request, PfLoaded *loaded, const PfProgress *progress,
				 instr_time start, PfNewVersion *version)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	PfGrown		grown = {0};
	PfModel		model = {0};
	PfMeasured *measured = palloc(3 * sizeof(PfMeasured));
	uint8		sha256[32];
	size_t		nbytes;

	pf_train_grow(request->algorithm, request->params, loaded, request->seed, &model, &grown);

	pf_progress_phase(PF_PHASE_MEASURE, 0, NULL);
	if (loaded->validation.nrows > 0)
		measure_held_out(env, &model, "validation", &loaded->validation,
						 &measured[version->nmeasured++]);
	if (loaded->test.nrows > 0)
		measure_held_out(env, &model, "test", &loaded->test, &measured[version->nmeasured++]);
	if (grown.votes.sum != NULL &&
		measure_out_of_bag(env, &model, &loaded->train, &grown.votes, &measured[version->nmeasured]))
		version->nmeasured++;

	pf_progress_phase(PF_PHASE_COMPRESS, 0, NULL);
	version->bytes = pf_model_encode(env, &model, &nbytes);
	if (version->bytes == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("The model could not be compressed.")));
	version->nbytes = nbytes;

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
	version->rows = loaded->train.nrows;
	version->features = loaded->nfeatures;
	version->metric = loaded->task == PF_CLASSIFICATION ? "roc_auc" : "rmse";
	version->score = version->nmeasured > 0 ? pf_train_metric(&measured[0].metrics, version->metric) : NAN;
	memcpy(version->fingerprint, loaded->fingerprint, sizeof(version->fingerprint));
	version->measured = measured;
	version->seconds = seconds_since(start);
	pf_progress_phase(PF_PHASE_STORE, 0, NULL);
	version->stage_seconds = stage_seconds(progress);
	return pf_catalog_add_version(version, sha256);
}

static Datum
train(FunctionCallInfo fcinfo, PfProgress *progress)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	PfTrainRequest request;
	instr_time	start;
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
	pf_check_model_name(request.model);
	pf_progress_start(progress, request.model);
	request.load.source = pf_source_open(request.source);
	request.load.task = pf_load_check(&request.load);
	pf_check_algorithm_task(request.algorithm, request.load.task);
	request.algorithm->fit_task(request.params, request.load.task);
	pf_train_check_model(request.model, request.load.task);

	loaded = pf_load(&request.load);
	pf_train_report_rows(loaded);
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

/*
 * tune.c
 *	  ml_tune: many trials on the same folds, and the best of them as a new version.
 *
 * The rows are loaded and binned once, and tasks.c runs the trials.  The mean over the
 * folds chooses; of equals the earlier trial.  The winner is grown on all training
 * rows, as ml_train with its parameters and the same seed would grow it.
 *
 * halving: all trials on a small share of the rows first, the best third of them on three
 * times as many, and so on until the last are on all rows.
 *
 * Locks: as ml_train, when the version is stored.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "engine/grow/random.h"
#include "tune/search.h"

PG_FUNCTION_INFO_V1(ml_tune);

#define MAX_TRIALS		10000
#define DEFAULT_TRIALS	20		/* of random and halving */
#define FACTOR			3		/* of halving: trials that go, and rows that come */
#define MISSES			1000	/* draws that were there before, in a row, after which there are no more */
#define TRIAL_STREAM	UINT64_C(0x747269616c73)

typedef enum Strategy
{
	GRID,
	RANDOM,
	HALVING
} Strategy;

static const char *const strategies[] = {"grid", "random", "halving"};

/* A trial and how it went, on the rung it came to. */
typedef struct Candidate
{
	int			number;			/* 1, 2, ... */
	PfTrial    *trial;
	int			rung;			/* the one it was on last */
	double		share;			/* of the training rows */
	int			folds;			/* done there */
	double		sum;
	double		squares;		/* of the scores' deviations from the first of them */
	double		first;
	double		mean;			/* NaN: not all folds, or not defined */
	double		merit;			/* the mean, or what is less the better negated */
	double		seconds;		/* on all rungs */
	const char *status;
	ErrorData  *error;
} Candidate;

typedef struct Tuning
{
	PfTuneRequest request;
	Strategy	strategy;
	int			ntrials;		/* 0: all of the grid */
	double		budget;			/* seconds; NaN: none */
	PfSearch   *search;
	List	   *candidates;
	List	   *rows;			/* of PfTrialRow *, to be stored */
	PfFolds    *folds;
	instr_time	start;
	bool		stopped;		/* the budget is spent */
} Tuning;

/* ----- arguments ----- */

static Strategy
parse_strategy(const char *name)
{
	for (int i = 0; i < (int) lengthof(strategies); i++)
	{
		if (strcmp(name, strategies[i]) == 0)
			return (Strategy) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized strategy \"%s\"", name),
			 errhint("Valid strategies are grid, random, halving.")));
}

/* ml_tune(model, source, target, search, strategy, trials, folds, metric, seconds, ...) */
static void
read_tuning(FunctionCallInfo fcinfo, Tuning *tuning)
{
	static const struct
	{
		int			place;
		const char *name;
	}			needed[] = {
		{0, "model"}, {1, "source"}, {2, "target"}, {3, "search"}, {4, "strategy"}, {6, "folds"},
		{16, "holdout"}, {17, "seed"}
	};
	PfTuneRequest *request = &tuning->request;
	PfTrainRequest *train = &request->train;

	request->function = "ml_tune";
	for (int i = 0; i < (int) lengthof(needed); i++)
		pf_tune_need(fcinfo, needed[i].place, request->function, needed[i].name);
	train->model = pf_tune_text(fcinfo, 0);
	train->source = pf_tune_text(fcinfo, 1);
	train->load.target = pf_tune_text(fcinfo, 2);
	tuning->strategy = parse_strategy(pf_tune_text(fcinfo, 4));
	tuning->search = pf_search_parse(PG_GETARG_JSONB_P(3));
	if (!PG_ARGISNULL(5))
	{
		tuning->ntrials = PG_GETARG_INT32(5);
		if (tuning->strategy == GRID)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a grid has as many trials as it has combinations"),
					 errhint("Leave out trials, or pass strategy => 'random'.")));
		if (tuning->ntrials < 1 || tuning->ntrials > MAX_TRIALS)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("trials must be between 1 and %d, not %d", MAX_TRIALS, tuning->ntrials)));
	}
	request->nfolds = PG_GETARG_INT32(6);
	request->goal.metric = pf_tune_text(fcinfo, 7);
	tuning->budget = PG_ARGISNULL(8) ? NAN : PG_GETARG_FLOAT8(8);
	if (!PG_ARGISNULL(8) && !(tuning->budget > 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("seconds must be above 0, not %g", tuning->budget)));
	pf_tune_columns(fcinfo, 9, request);
	train->load.split = pf_tune_text(fcinfo, 15);
	train->load.holdout = pf_check_holdout(PG_GETARG_FLOAT8(16));
	train->seed = request->goal.seed = PG_GETARG_INT64(17);
	train->note = pf_tune_text(fcinfo, 18);
	train->recipe_name = pf_tune_text(fcinfo, 19);
	pf_check_model_name(train->model);
	request->goal.name = train->model;
}

/* ----- which trials ----- */

static void
add_candidate(Tuning *tuning, PfTrial *trial)
{
	Candidate  *candidate = palloc0(sizeof(Candidate));

	candidate->number = list_length(tuning->candidates) + 1;
	candidate->trial = trial;
	candidate->mean = NAN;
	tuning->candidates = lappend(tuning->candidates, candidate);
}

static int
compare_numbers(const void *a, const void *b)
{
	uint64		x = *(const uint64 *) a;
	uint64		y = *(const uint64 *) b;

	return x < y ? -1 : x > y;
}

/*
 * So many of the combinations, no one twice, by the seed: numbers are drawn one after
 * another, and one that was drawn before counts as the number of the draw (Floyd's way, so
 * that a large space costs no more than a small one).
 */
static void
draw_candidates(Tuning *tuning, uint64 size, int wanted)
{
	uint64		stream = pf_mix64((uint64) tuning->request.goal.seed ^ TRIAL_STREAM);
	uint64	   *drawn = palloc(wanted * sizeof(uint64));

	for (int i = 0; i < wanted; i++)
	{
		uint64		last = size - wanted + i;
		uint64		number = pf_random(stream, i) % (last + 1);

		for (int j = 0; j < i; j++)
		{
			if (drawn[j] == number)
			{
				number = last;
				break;
			}
		}
		drawn[i] = number;
	}
	qsort(drawn, wanted, sizeof(uint64), compare_numbers);
	for (int i = 0; i < wanted; i++)
		add_candidate(tuning, pf_search_trial(tuning->search, drawn[i]));
}

/* Has it been drawn before?  Integers may have few values. */
static bool
is_known(const Tuning *tuning, const PfTrial *trial)
{
	ListCell   *lc;

	foreach(lc, tuning->candidates)
	{
		const PfTrial *known = ((Candidate *) lfirst(lc))->trial;

		if (known->algorithm == trial->algorithm && VARSIZE(known->given) == VARSIZE(trial->given) &&
			memcmp(known->given, trial->given, VARSIZE(trial->given)) == 0)
			return true;
	}
	return false;
}

/* So many of a search with ranges, by the seed; fewer when hardly any other is to be found. */
static void
draw_from_ranges(Tuning *tuning, int wanted)
{
	uint64		stream = pf_mix64((uint64) tuning->request.goal.seed ^ TRIAL_STREAM);
	uint64		position = 0;
	int			misses = 0;

	while (list_length(tuning->candidates) < wanted && misses < MISSES)
	{
		PfTrial    *trial = pf_search_draw(tuning->search, stream, &position);

		CHECK_FOR_INTERRUPTS();
		if (is_known(tuning, trial))
			misses++;
		else
		{
			add_candidate(tuning, trial);
			misses = 0;
		}
	}
}

static void
choose_candidates(Tuning *tuning)
{
	uint64		size = pf_search_size(tuning->search);
	int			wanted = tuning->ntrials ? tuning->ntrials : DEFAULT_TRIALS;

	if (tuning->strategy == GRID)
		pf_search_check_grid(tuning->search);
	if (tuning->strategy == GRID && size > MAX_TRIALS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the grid has " UINT64_FORMAT " combinations", size),
				 errdetail("A grid may have %d.", MAX_TRIALS),
				 errhint("Pass strategy => 'random' and a number of trials.")));
	if (pf_search_has_range(tuning->search))
		draw_from_ranges(tuning, wanted);
	else if (tuning->strategy == GRID || size <= (uint64) wanted)
	{
		for (uint64 number = 0; number < size; number++)
			add_candidate(tuning, pf_search_trial(tuning->search, number));
	}
	else
		draw_candidates(tuning, size, wanted);
}

/* ----- running them ----- */

static void
keep_row(Tuning *tuning, const Candidate *candidate, int fold, const PfFoldScore *score, bool stopped)
{
	PfTrialRow *row = palloc0(sizeof(PfTrialRow));

	row->trial = candidate->number;
	row->rung = candidate->rung + 1;
	row->fold = fold + 1;
	row->algorithm = candidate->trial->algorithm->name;
	row->params = candidate->trial->given;
	row->share = candidate->share;
	row->metric = tuning->request.goal.metric;
	row->score = score->score;
	row->train_rows = score->train_rows;
	row->rows = score->rows;
	row->seconds = score->seconds;
	row->stopped = stopped;
	row->error = score->error;
	tuning->rows = lappend(tuning->rows, row);
}

/* What came of a trial on a rung; false when the budget left no time for all of it. */
static bool
finish_candidate(Tuning *tuning, Candidate *candidate, int rung, double share, const PfFoldTask *tasks)
{
	Candidate	before = *candidate;

	candidate->rung = rung;
	candidate->share = share;
	candidate->folds = 0;
	candidate->sum = candidate->squares = 0;
	candidate->mean = NAN;
	if (candidate->trial->error)
	{
		PfFoldScore none = {.score = NAN,.error = candidate->trial->error};

		keep_row(tuning, candidate, 0, &none, false);
		candidate->status = "failure";
		candidate->error = candidate->trial->error;
		return true;
	}
	for (int fold = 0; fold < tuning->folds->n; fold++)
	{
		const PfFoldScore *score = &tasks[fold].score;

		if (!tasks[fold].done && !tasks[fold].stopped)
			continue;
		keep_row(tuning, candidate, fold, score, tasks[fold].stopped);
		candidate->seconds += score->seconds;
		candidate->status = "stopped";
		if (tasks[fold].stopped)
			continue;
		if (score->error)
		{
			candidate->status = "failure";
			candidate->error = score->error;
			return true;
		}
		if (candidate->folds == 0)
			candidate->first = score->score;
		candidate->folds++;
		candidate->sum += score->score - candidate->first;
		candidate->squares += (score->score - candidate->first) * (score->score - candidate->first);
	}
	if (candidate->folds < tuning->folds->n)
	{
		/* what it was on the rung before still holds */
		if (rung > 0)
			*candidate = before;
		return false;
	}
	candidate->status = "success";
	candidate->mean = candidate->first + candidate->sum / candidate->folds;
	candidate->merit = candidate->mean * tuning->request.goal.direction;
	return true;
}

/* The first so many candidates on a rung. */
static void
run_rung(Tuning *tuning, int alive, int rung, double share)
{
	int			nfolds = tuning->folds->n;
	PfFoldTask *tasks = palloc0(alive * nfolds * sizeof(PfFoldTask));
	int			n = 0;

	for (int i = 0; i < alive; i++)
	{
		Candidate  *candidate = list_nth(tuning->candidates, i);

		for (int fold = 0; fold < nfolds && candidate->trial->error == NULL; fold++)
			tasks[n++] = (PfFoldTask) {
			.trial = candidate->trial,.fold = fold,.share = share
		};
	}
	pf_fold_run_tasks(tuning->folds, tasks, n, &tuning->request.goal, tuning->start, tuning->budget, true);
	for (int i = 0, task = 0; i < alive; i++)
	{
		Candidate  *candidate = list_nth(tuning->candidates, i);

		if (!finish_candidate(tuning, candidate, rung, share, &tasks[task]))
			tuning->stopped = true;
		if (candidate->trial->error == NULL)
			task += nfolds;
	}
}

/* The population deviation of the scores, as scikit-learn's std_test_score. */
static double
deviation(const Candidate *candidate)
{
	double		mean = candidate->sum / candidate->folds;

	return sqrt(fmax(candidate->squares / candidate->folds - mean * mean, 0));
}

/* The better first: those that came further, then by score, then the earlier. */
static int
compare_candidates(const ListCell *a, const ListCell *b)
{
	const Candidate *x = lfirst(a);
	const Candidate *y = lfirst(b);

	if (isnan(x->mean) != isnan(y->mean))
		return isnan(x->mean) ? 1 : -1;
	if (x->rung != y->rung)
		return x->rung > y->rung ? -1 : 1;
	if (!isnan(x->mean) && x->merit != y->merit)
		return x->merit > y->merit ? -1 : 1;
	return x->number < y->number ? -1 : 1;
}

static void
run_candidates(Tuning *tuning)
{
	int			alive = list_length(tuning->candidates);
	int			rungs = 1;

	for (int n = alive; tuning->strategy == HALVING && n >= FACTOR; n /= FACTOR)
		rungs++;
	for (int rung = 0; rung < rungs && !tuning->stopped; rung++)
	{
		double		share = pow(FACTOR, rung - (rungs - 1));

		run_rung(tuning, alive, rung, share);
		list_sort(tuning->candidates, compare_candidates);
		if (rung < rungs - 1)
			alive = (alive + FACTOR - 1) / FACTOR;
	}
}

/* Errors when there is no winner. */
static Candidate *
winner(Tuning *tuning)
{
	Candidate  *best = linitial(tuning->candidates);
	ListCell   *lc;

	if (!isnan(best->mean))
		return best;
	foreach(lc, tuning->candidates)
	{
		const Candidate *candidate = lfirst(lc);

		if (candidate->error)
			ereport(ERROR,
					(errcode(candidate->error->sqlerrcode),
					 errmsg("no trial succeeded"),
					 errdetail("Trial %d: %s.", candidate->number, candidate->error->message),
					 candidate->error->hint ? errhint("%s", candidate->error->hint) : 0));
	}
	if (tuning->stopped)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("no trial was finished in %g seconds", tuning->budget),
				 errhint("Raise seconds, or pass fewer folds.")));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("metric \"%s\" is not defined on every fold", tuning->request.goal.metric),
			 errhint("A fold may lack a class: pass fewer folds, or another metric.")));
}

/* ----- the call ----- */

static void
put_leaderboard(Tuning *tuning, ReturnSetInfo *result, const Candidate *best, int32 version)
{
	int			rank = 0;
	ListCell   *lc;

	foreach(lc, tuning->candidates)
	{
		const Candidate *candidate = lfirst(lc);
		bool		done = !isnan(candidate->mean);
		Datum		values[13] = {0};
		bool		nulls[13] = {false};

		/* the budget was spent before it began */
		if (candidate->status == NULL)
			continue;
		values[0] = Int32GetDatum(++rank);
		values[1] = Int32GetDatum(candidate->number);
		values[2] = CStringGetTextDatum(candidate->trial->algorithm->name);
		values[3] = JsonbPGetDatum(candidate->trial->given);
		values[4] = CStringGetTextDatum(tuning->request.goal.metric);
		values[5] = Float8GetDatum(candidate->mean);
		nulls[5] = !done;
		values[6] = Float8GetDatum(done ? deviation(candidate) : 0);
		nulls[6] = !done;
		values[7] = Int32GetDatum(candidate->folds);
		values[8] = Float8GetDatum(candidate->share);
		values[9] = Float8GetDatum(candidate->seconds);
		values[10] = CStringGetTextDatum(candidate->status);
		nulls[11] = candidate->error == NULL;
		if (candidate->error)
			values[11] = CStringGetTextDatum(candidate->error->message);
		values[12] = Int32GetDatum(version);
		nulls[12] = candidate != best;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

static void
tune(FunctionCallInfo fcinfo, PfProgress *progress)
{
	Tuning		tuning = {0};
	PfTuneRequest *request = &tuning.request;
	List	   *trials = NIL;
	PfNewVersion version = {.kind = "tune"};
	Candidate  *best;
	int32		number;
	ListCell   *lc;

	INSTR_TIME_SET_CURRENT(tuning.start);
	read_tuning(fcinfo, &tuning);
	pf_progress_start(progress, request->train.model);
	choose_candidates(&tuning);
	foreach(lc, tuning.candidates)
		trials = lappend(trials, ((Candidate *) lfirst(lc))->trial);
	tuning.folds = pf_tune_load(request, trials, true);
	run_candidates(&tuning);
	best = winner(&tuning);
	if (tuning.stopped)
		ereport(NOTICE,
				(errmsg("tuning ended after %g seconds", tuning.budget),
				 errdetail("Trials that were not finished have no score.")));

	request->train.algorithm = best->trial->algorithm;
	request->train.params = best->trial->params;
	number = pf_train_version(&request->train, pf_fold_all(tuning.folds, best->trial),
							  progress, tuning.start, &version);
	pf_catalog_add_trials(request->train.model, number, tuning.rows);
	put_leaderboard(&tuning, (ReturnSetInfo *) fcinfo->resultinfo, best, number);
}

Datum
ml_tune(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	PfProgress	progress = {0};

	PreventCommandIfReadOnly("ml_tune()");
	PreventCommandIfParallelMode("ml_tune()");
	PreventCommandDuringRecovery("ml_tune()");
	InitMaterializedSRF(fcinfo, 0);
	context = AllocSetContextCreate(caller, "pgforest tuning", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		tune(fcinfo, &progress);
	}
	PG_CATCH();
	{
		pf_progress_end(&progress);
		PG_RE_THROW();
	}
	PG_END_TRY();
	pf_progress_end(&progress);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return (Datum) 0;
}

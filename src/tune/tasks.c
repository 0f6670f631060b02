/*
 * tasks.c
 *	  Trials on folds, one after another or by several processes at a time.
 *
 * A task is a trial on a fold.  Where there are many, the leader and its workers take task
 * numbers from a counter, and each does a whole task by itself: it makes its copy
 * of the fold from the rows in shared memory, grows, measures.  Nobody waits for another before the
 * end.  Where there are few tasks, or memory for one of them at a time only, they come one after
 * another and each is grown by all processes.  The scores are the same either way: a
 * model does not depend on who grew it.
 *
 * Errors, where they are to be caught: the first who has one writes it down beside its task, and
 * throws it, which ends all participants.  The leader, who runs all of this in a
 * subtransaction, catches it (or another that came right after; the first is what counts),
 * keeps the scores that are there, and what was under way is done again.  A trial that failed
 * on a fold is not tried on later ones.
 *
 * Locks: none; counters are atomic, a score is written by who took the task and read when
 * all have ended, or when its flag is set.
 */
#include "postgres.h"

#include <math.h>

#include "access/parallel.h"
#include "access/xact.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "storage/shm_toc.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "catalog/pgenv.h"
#include "parallel/share.h"
#include "settings.h"
#include "tune/tune.h"

#define KEY_SHARED		UINT64CONST(0x7067660000000101)
#define KEY_ORDER		UINT64CONST(0x7067660000000102)
#define KEY_PARTS		UINT64CONST(0x7067660000000103)
#define KEY_TASKS		UINT64CONST(0x7067660000000104)
#define KEY_LETTER		UINT64CONST(0x7067660000000105)
#define KEY_QUERY		UINT64CONST(0x7067660000000106)

#define TASKS_EACH		4		/* at least, for processes to work side by side */
#define FAILURE_TEXT	1024	/* of a message, at most */
#define LEAST_WORK		20000	/* rows times tasks: less is done before a worker has started */

typedef struct SharedTask
{
	int			trial;
	int			fold;
	double		share;
	pg_atomic_uint32 done;
	double		score;
	double		train_score;
	uint32		rows;
	uint32		train_rows;
	double		seconds;
} SharedTask;

/* The first error. */
#define NONE	0
#define WRITING	1

typedef struct Failure
{
	uint32		task;
	int			sqlerrcode;
	char		message[FAILURE_TEXT];
	char		detail[FAILURE_TEXT];
	char		hint[FAILURE_TEXT];
} Failure;

typedef struct Shared
{
	PfFolds		folds;			/* pointers are set by each process */
	PfLoaded	loaded;			/* likewise */
	PfGoal		goal;			/* likewise */
	int			ntrials;
	uint32		ntasks;
	instr_time	start;
	double		budget;			/* seconds; NaN: none */
	pg_atomic_uint32 next_task;
	pg_atomic_uint32 failed;	/* NONE, WRITING, or task + 2 when the failure is there */
	Failure		failure;
} Shared;

PGDLLEXPORT void pf_fold_tasks_worker(dsm_segment *seg, shm_toc *toc);

static bool
is_spent(instr_time start, double budget)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_DOUBLE(now) > budget;
}

/* Says now and then how many of the trainings are done. */
typedef struct Report
{
	const PfGoal *goal;
	int			total;
	TimestampTz next;
} Report;

static void
report(Report *report, int done)
{
	TimestampTz now;

	if (pf_progress_interval == 0)
		return;
	now = GetCurrentTimestamp();
	if (report->next == 0 || now >= report->next)
	{
		if (report->next != 0)
			ereport(NOTICE,
					(errmsg("training \"%s\": %d of %d trainings on folds",
							report->goal->name, done, report->total)));
		report->next = now + pf_progress_interval * INT64CONST(1000);
	}
}

/* ----- one after another ----- */

/* Has the task's trial failed on a fold before it? */
static bool
is_lost(const PfFoldTask *tasks, int n, int task)
{
	for (int i = 0; i < n; i++)
	{
		if (tasks[i].trial == tasks[task].trial && tasks[i].fold < tasks[task].fold &&
			tasks[i].done && tasks[i].score.error)
			return true;
	}
	return false;
}

static void
run_in_turn(const PfFolds *folds, PfFoldTask *tasks, int n, const PfGoal *goal,
			instr_time start, double budget, bool catch_errors)
{
	Report		progress = {.goal = goal,.total = n};

	for (int i = 0; i < n; i++)
	{
		PfFoldTask *task = &tasks[i];

		report(&progress, i);
		if (task->done || is_lost(tasks, n, i))
			continue;
		if (is_spent(start, budget))
			return;
		pf_fold_run(folds, task->fold, task->share, task->trial, goal, catch_errors, &task->score);
		task->done = true;
	}
}

/* ----- what workers are told beside the rows: names, bin maps, trials ----- */

static void
put_text(StringInfo letter, const char *text)
{
	appendBinaryStringInfo(letter, text, strlen(text) + 1);
}

static char *
get_text(char **letter)
{
	char	   *text = *letter;

	*letter += strlen(text) + 1;
	return text;
}

static void
get_bytes(char **letter, void *to, Size size)
{
	memcpy(to, *letter, size);
	*letter += size;
}

static void
put_load(StringInfo letter, const PfLoaded *loaded)
{
	for (int c = 0; c < loaded->nclasses; c++)
		put_text(letter, loaded->classes[c]);
	for (int c = 0; c < loaded->ncolumns; c++)
	{
		put_text(letter, loaded->columns[c].name);
		appendBinaryStringInfo(letter, (char *) &loaded->columns[c], sizeof(PfColumn));
	}
	for (int f = 0; f < loaded->nfeatures; f++)
	{
		const PfBins *bins = &loaded->bins[f];

		if (f % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		appendBinaryStringInfo(letter, (char *) bins, sizeof(PfBins));
		if (bins->kind == PF_NUMBER && bins->nbins > 1)
			appendBinaryStringInfo(letter, (char *) bins->cuts, (bins->nbins - 1) * sizeof(double));
	}
}

/* Categories have their order from the fold; their texts nobody asks for. */
static void
get_load(char **letter, PfLoaded *loaded)
{
	loaded->classes = palloc(Max(loaded->nclasses, 1) * sizeof(char *));
	for (int c = 0; c < loaded->nclasses; c++)
		loaded->classes[c] = get_text(letter);
	loaded->columns = palloc(loaded->ncolumns * sizeof(PfColumn));
	for (int c = 0; c < loaded->ncolumns; c++)
	{
		char	   *name = get_text(letter);

		get_bytes(letter, &loaded->columns[c], sizeof(PfColumn));
		loaded->columns[c].name = name;
	}
	loaded->bins = MemoryContextAllocHuge(CurrentMemoryContext, loaded->nfeatures * sizeof(PfBins));
	for (int f = 0; f < loaded->nfeatures; f++)
	{
		PfBins	   *bins = &loaded->bins[f];

		get_bytes(letter, bins, sizeof(PfBins));
		bins->offsets = NULL;
		bins->text = NULL;
		bins->category_bin = NULL;
		bins->cuts = NULL;
		if (bins->kind == PF_NUMBER && bins->nbins > 1)
		{
			bins->cuts = palloc((bins->nbins - 1) * sizeof(double));
			get_bytes(letter, bins->cuts, (bins->nbins - 1) * sizeof(double));
		}
	}
}

/* ----- a participant ----- */

typedef struct Part
{
	Shared	   *shared;
	SharedTask *tasks;
	const PfFolds *folds;
	const PfGoal *goal;
	PfTrial   **trials;
} Part;

static void
copy_text(char *to, const char *from)
{
	int			length = from ? pg_mbcliplen(from, strlen(from), FAILURE_TEXT - 1) : 0;

	memcpy(to, from ? from : "", length);
	to[length] = '\0';
}

/* Writes an error down, if it is the first. */
static void
note_failure(Shared *shared, uint32 number)
{
	Failure    *failure = &shared->failure;
	uint32		none = NONE;
	ErrorData  *error;

	if (!pg_atomic_compare_exchange_u32(&shared->failed, &none, WRITING))
		return;
	error = CopyErrorData();
	failure->sqlerrcode = error->sqlerrcode;
	copy_text(failure->message, error->message);
	copy_text(failure->detail, error->detail);
	copy_text(failure->hint, error->hint);
	pg_write_barrier();
	pg_atomic_write_u32(&shared->failed, number + 2);
}

static void
do_task(Part *part, uint32 number)
{
	SharedTask *task = &part->tasks[number];
	MemoryContext context = CurrentMemoryContext;
	PfFoldScore score;

	PG_TRY();
	{
		pf_fold_run(part->folds, task->fold, task->share, part->trials[task->trial], part->goal,
					false, &score);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		note_failure(part->shared, number);
		PG_RE_THROW();
	}
	PG_END_TRY();
	task->score = score.score;
	task->train_score = score.train_score;
	task->rows = score.rows;
	task->train_rows = score.train_rows;
	task->seconds = score.seconds;
	pg_write_barrier();
	pg_atomic_write_u32(&task->done, 1);
}

static void
do_tasks(Part *part)
{
	Report		progress = {.goal = part->goal,.total = part->shared->ntasks};

	for (;;)
	{
		uint32		number = pg_atomic_fetch_add_u32(&part->shared->next_task, 1);

		if (!IsParallelWorker())
			report(&progress, Min(number, part->shared->ntasks));
		if (number >= part->shared->ntasks || is_spent(part->shared->start, part->shared->budget))
			break;
		do_task(part, number);
	}
}

void
pf_fold_tasks_worker(dsm_segment *seg, shm_toc *toc)
{
	Shared	   *shared = shm_toc_lookup(toc, KEY_SHARED, false);
	char	   *letter = shm_toc_lookup(toc, KEY_LETTER, false);
	PfLoaded	loaded = shared->loaded;
	PfFolds		folds = shared->folds;
	PfGoal		goal = shared->goal;
	Part		part = {
		.shared = shared,.tasks = shm_toc_lookup(toc, KEY_TASKS, false),.folds = &folds,.goal = &goal
	};

	debug_query_string = shm_toc_lookup(toc, KEY_QUERY, false);
	pgstat_report_activity(STATE_RUNNING, debug_query_string);

	pf_share_matrix_find(toc, &loaded.train);
	loaded.train_order = shm_toc_lookup(toc, KEY_ORDER, false);
	folds.loaded = &loaded;
	folds.part = shm_toc_lookup(toc, KEY_PARTS, false);
	goal.metric = get_text(&letter);
	get_load(&letter, &loaded);
	part.trials = palloc(shared->ntrials * sizeof(PfTrial *));
	for (int i = 0; i < shared->ntrials; i++)
	{
		const PfAlgorithm *algorithm = pf_find_algorithm(get_text(&letter));
		Datum		given = DirectFunctionCall1(jsonb_in, CStringGetDatum(get_text(&letter)));

		part.trials[i] = pf_trial_make(algorithm, DatumGetJsonbP(given));
		algorithm->fit_task(part.trials[i]->params, loaded.task);
	}
	do_tasks(&part);
}

/* ----- the leader ----- */

/* Those still to be done, with the trials that they are about. */
typedef struct Work
{
	int			ntrials;
	PfTrial   **trials;
	uint32		ntasks;
	int		   *place;			/* among all tasks */
	SharedTask *tasks;
} Work;

static Work
list_work(const PfFoldTask *tasks, int n)
{
	Work		work = {0};

	work.trials = palloc(n * sizeof(PfTrial *));
	work.place = palloc(n * sizeof(int));
	work.tasks = palloc0(n * sizeof(SharedTask));
	for (int i = 0; i < n; i++)
	{
		int			trial = 0;

		if (tasks[i].done || is_lost(tasks, n, i))
			continue;
		/* the tasks of a trial are neighbours */
		trial = work.ntrials - 1;
		if (trial < 0 || work.trials[trial] != tasks[i].trial)
			work.trials[trial = work.ntrials++] = tasks[i].trial;
		work.place[work.ntasks] = i;
		work.tasks[work.ntasks++] = (SharedTask) {
			.trial = trial,.fold = tasks[i].fold,.share = tasks[i].share
		};
	}
	return work;
}

/*
 * All tasks of the work, by this process and workers.  Those that were done are in the work's
 * tasks at the end, at an error too; then *failed says whether it came of a task, and *failure of
 * which.  False when there were no workers to be had, and nothing was done.
 */
static bool
run_work(const PfFolds *folds, Work *work, const PfGoal *goal, instr_time start, double budget,
		 int nworkers, volatile bool *failed, Failure *failure)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	const PfMatrix *rows = &folds->loaded->train;
	const char *query = debug_query_string ? debug_query_string : "";
	PfMatrix	matrix;
	StringInfoData letter;
	Size		sizes[5];
	Size		total = pf_share_matrix_size(rows);
	ParallelContext *pcxt;
	Shared	   *volatile shared = NULL;
	Part		part;

	initStringInfo(&letter);
	put_text(&letter, goal->metric);
	put_load(&letter, folds->loaded);
	for (int i = 0; i < work->ntrials; i++)
	{
		put_text(&letter, work->trials[i]->algorithm->name);
		put_text(&letter, JsonbToCString(NULL, &work->trials[i]->given->root, VARSIZE(work->trials[i]->given)));
	}
	sizes[0] = mul_size(rows->nrows, sizeof(uint64));
	sizes[1] = rows->nrows;
	sizes[2] = mul_size(work->ntasks, sizeof(SharedTask));
	sizes[3] = letter.len;
	sizes[4] = strlen(query) + 1;
	for (int i = 0; i < (int) lengthof(sizes); i++)
		total = add_size(total, sizes[i]);
	if (!pf_has_shared_memory(total))
		return false;

	EnterParallelMode();
	pcxt = CreateParallelContext("pgforest", "pf_fold_tasks_worker", nworkers);
	pf_share_estimate(pcxt, sizeof(Shared));
	for (int i = 0; i < (int) lengthof(sizes); i++)
		pf_share_estimate(pcxt, sizes[i]);
	pf_share_matrix_estimate(pcxt, rows);
	InitializeParallelDSM(pcxt);
	if (pcxt->seg == NULL || pcxt->nworkers == 0)
	{
		DestroyParallelContext(pcxt);
		ExitParallelMode();
		return false;
	}

	part = (Part) {
		.shared = shm_toc_allocate(pcxt->toc, sizeof(Shared)),.folds = folds,.goal = goal,
			.trials = work->trials
	};
	*part.shared = (Shared) {
		.folds = *folds,.loaded = *folds->loaded,.goal = *goal,.ntrials = work->ntrials,
			.ntasks = work->ntasks,.start = start,.budget = budget
	};
	pg_atomic_init_u32(&part.shared->next_task, 0);
	pg_atomic_init_u32(&part.shared->failed, 0);
	shm_toc_insert(pcxt->toc, KEY_SHARED, part.shared);
	pf_share_matrix(pcxt, env, rows, &matrix);
	pf_share_data(pcxt, env, KEY_ORDER, folds->loaded->train_order, sizes[0]);
	pf_share_data(pcxt, env, KEY_PARTS, folds->part, sizes[1]);
	part.tasks = pf_share_data(pcxt, env, KEY_TASKS, work->tasks, sizes[2]);
	pf_share_data(pcxt, env, KEY_LETTER, letter.data, sizes[3]);
	pf_share_data(pcxt, env, KEY_QUERY, query, sizes[4]);
	shared = part.shared;

	PG_TRY();
	{
		LaunchParallelWorkers(pcxt);
		ereport(DEBUG1,
				(errmsg_internal("%u trainings on folds with %d of %d parallel workers",
								 work->ntasks, pcxt->nworkers_launched, nworkers)));
		do_tasks(&part);
		WaitForParallelWorkersToFinish(pcxt);
	}
	PG_CATCH();
	{
		/* the segment is still there; who writes to it needs no more than a moment */
		for (int i = 0; i < 1000 && pg_atomic_read_u32(&shared->failed) == WRITING; i++)
			pg_usleep(1000);
		if (pg_atomic_read_u32(&shared->failed) > WRITING)
		{
			*failure = shared->failure;
			failure->task = pg_atomic_read_u32(&shared->failed) - 2;
			*failed = true;
		}
		memcpy(work->tasks, part.tasks, sizes[2]);
		PG_RE_THROW();
	}
	PG_END_TRY();
	memcpy(work->tasks, part.tasks, sizes[2]);
	DestroyParallelContext(pcxt);
	ExitParallelMode();
	return true;
}

/* The scores that are there. */
static void
take_scores(const Work *work, PfFoldTask *tasks)
{
	for (uint32 i = 0; i < work->ntasks; i++)
	{
		const SharedTask *from = &work->tasks[i];
		PfFoldTask *to = &tasks[work->place[i]];

		if (pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &from->done)) == 0)
			continue;
		to->done = true;
		to->score = (PfFoldScore) {
			.score = from->score,.train_score = from->train_score,.rows = from->rows,
				.train_rows = from->train_rows,.seconds = from->seconds
		};
	}
}

/* How many workers there is memory and work for. */
static int
workers_wanted(const PfFolds *folds, const PfFoldTask *tasks, int n)
{
	const PfMatrix *rows = &folds->loaded->train;
	int			workers = pf_train_workers >= 0 ? pf_train_workers : max_parallel_maintenance_workers;
	List	   *trials = NIL;

	if (IsInParallelMode() || IsParallelWorker() || (double) rows->nrows * n < LEAST_WORK)
		return 0;
	workers = Min(workers, n / TASKS_EACH - 1);
	for (int i = 0; i < n && workers > 0; i++)
		trials = list_append_unique_ptr(trials, tasks[i].trial);
	while (workers > 0 && pf_tune_memory(trials, rows, workers + 1) / 1024 > (uint64) pf_train_memory)
		workers--;
	return workers;
}

/* The parallel way; false when the rest must go the other. */
static bool
run_side_by_side(const PfFolds *folds, PfFoldTask *tasks, int n, const PfGoal *goal,
				 instr_time start, double budget, bool catch_errors, int nworkers)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Work		work = list_work(tasks, n);
	volatile bool failed = false;
	volatile bool done = false;
	ErrorData  *volatile error = NULL;
	Failure		failure;

	if (!catch_errors)
	{
		done = run_work(folds, &work, goal, start, budget, nworkers, &failed, &failure);
		take_scores(&work, tasks);
		return done;
	}
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		done = run_work(folds, &work, goal, start, budget, nworkers, &failed, &failure);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		pf_progress_counted(0);
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error && (!failed || !pf_fold_may_fail(error)))
		ReThrowError(error);
	take_scores(&work, tasks);
	if (error)
	{
		PfFoldTask *task = &tasks[work.place[failure.task]];

		error->sqlerrcode = failure.sqlerrcode;
		error->message = pstrdup(failure.message);
		error->detail = failure.detail[0] ? pstrdup(failure.detail) : NULL;
		error->hint = failure.hint[0] ? pstrdup(failure.hint) : NULL;
		if (!pf_fold_may_fail(error))
			ReThrowError(error);
		task->done = true;
		task->score = (PfFoldScore) {
			.score = NAN,.train_score = NAN,.error = error
		};
		return true;
	}
	return done;
}

void
pf_fold_run_tasks(const PfFolds *folds, PfFoldTask *tasks, int n, const PfGoal *goal,
				  instr_time start, double budget, bool catch_errors)
{
	int			nworkers = workers_wanted(folds, tasks, n);

	while (nworkers > 0 && !is_spent(start, budget))
	{
		int			left = 0;

		for (int i = 0; i < n; i++)
			left += !tasks[i].done && !is_lost(tasks, n, i);
		if (left == 0 ||
			!run_side_by_side(folds, tasks, n, goal, start, budget, catch_errors, nworkers))
			break;
	}
	run_in_turn(folds, tasks, n, goal, start, budget, catch_errors);

	/* of a trial that failed, later folds may have been done by others: as if they had not */
	for (int i = 0; i < n; i++)
	{
		if (is_lost(tasks, n, i))
			tasks[i].done = false;
	}
}

/*
 * tasks.c
 *	  Trials on folds, one after another or by several processes at a time.
 *
 * A task is a trial on a fold, a job the tasks of one fold that are trained together: a trial and those
 * that are parts of it (families.c).  Where there are many, the leader and its workers take job
 * numbers from a counter, and each does a whole job by itself: it makes its copy
 * of the fold from the rows in shared memory, grows, measures.  Nobody waits for another before the
 * end.  Where there are few jobs, or memory for one of them at a time only, they come one after
 * another and each is grown by all processes.  The scores are the same either way: a
 * model does not depend on who grew it, nor on what else was made of its trees.
 *
 * Errors, where they are to be caught: the first who has one writes it down beside its job, and
 * throws it, which ends all participants.  The leader, who runs all of this in a
 * subtransaction, catches it (or another that came right after; the first is what counts),
 * keeps the scores that are there, and what was under way is done again.  A trial that failed
 * on a fold is not tried on later ones.  When a job of several trials fails, each of them is
 * tried alone: it may be that only the largest has no room.  The end of the budget is such an error of
 * the leader's (deadline.c), after which nothing is done again.
 *
 * Locks: none; counters are atomic, a score is written by who took the job and read when
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
#define KEY_JOBS		UINT64CONST(0x7067660000000107)

#define JOBS_EACH		4		/* at least, for processes to work side by side */
#define FAILURE_TEXT	1024	/* of a message, at most */
#define LEAST_WORK		20000	/* rows times tasks: less is done before a worker has started */

typedef struct SharedTask
{
	int			trial;
	int			fold;
	double		share;
	pg_atomic_uint32 done;
	double		begun;			/* seconds after the start; 0: not yet */
	double		score;
	double		train_score;
	uint32		rows;
	uint32		train_rows;
	double		seconds;
} SharedTask;

/* Tasks side by side in the array, the head's first. */
typedef struct Job
{
	uint32		first;
	uint32		n;
} Job;

/* The first error. */
#define NONE	0
#define WRITING	1

typedef struct Failure
{
	uint32		job;
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
	uint32		njobs;
	instr_time	start;
	double		budget;			/* seconds; NaN: none */
	pg_atomic_uint32 next_job;
	pg_atomic_uint32 busy;		/* participants that take jobs */
	pg_atomic_uint32 tasks_done;
	pg_atomic_uint64 trees_done;	/* and rounds, in jobs that are done */
	pg_atomic_uint32 failed;	/* NONE, WRITING, or job + 2 when the failure is there */
	Failure		failure;
} Shared;

PGDLLEXPORT void pf_fold_tasks_worker(dsm_segment *seg, shm_toc *toc);

static double
seconds_since(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_DOUBLE(now);
}

/* Says now and then how many of the trainings are done. */
typedef struct Report
{
	const PfGoal *goal;
	int			total;
	int			done;
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

/* ----- what is to be done ----- */

/* Has the task's trial failed on a fold before it? */
static bool
is_lost(const PfFoldTask *tasks, int task)
{
	/* the tasks of a trial are neighbours */
	for (int i = task - 1; i >= 0 && tasks[i].trial == tasks[task].trial; i--)
	{
		if (tasks[i].fold < tasks[task].fold && tasks[i].done && tasks[i].score.error)
			return true;
	}
	return false;
}

/* Those still to be done, with the trials that they are about. */
typedef struct Work
{
	int			ntrials;
	PfTrial   **trials;
	uint32		ntasks;
	int		   *place;			/* among all tasks */
	SharedTask *tasks;
	uint32		njobs;
	Job		   *jobs;
} Work;

/* Families together, a fold each, the head first; else in their order. */
static int
compare_tasks(const void *a, const void *b, void *arg)
{
	const PfFoldTask *tasks = arg;
	int			i = *(const int *) a;
	int			j = *(const int *) b;
	const PfTrial *x = tasks[i].trial;
	const PfTrial *y = tasks[j].trial;

	if (x->head != y->head)
		return x->head->number < y->head->number ? -1 : 1;
	if (tasks[i].share != tasks[j].share)
		return tasks[i].share < tasks[j].share ? -1 : 1;
	if (tasks[i].fold != tasks[j].fold)
		return tasks[i].fold < tasks[j].fold ? -1 : 1;
	if ((x == x->head) != (y == y->head))
		return x == x->head ? -1 : 1;
	return i < j ? -1 : 1;
}

static Work
list_work(const PfFoldTask *tasks, int n)
{
	Work		work = {0};
	int		   *index = palloc0(n * sizeof(int));	/* by the trials' numbers: one more than where they are */

	work.trials = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(PfTrial *));
	work.place = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(int));
	work.tasks = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(SharedTask));
	work.jobs = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(Job));
	for (int i = 0; i < n; i++)
	{
		if (!tasks[i].done && !is_lost(tasks, i))
			work.place[work.ntasks++] = i;
	}
	qsort_arg(work.place, work.ntasks, sizeof(int), compare_tasks, unconstify(PfFoldTask *, tasks));
	for (uint32 i = 0; i < work.ntasks; i++)
	{
		const PfFoldTask *task = &tasks[work.place[i]];
		Job		   *job = &work.jobs[Max(work.njobs, 1) - 1];
		const PfFoldTask *first = work.njobs > 0 ? &tasks[work.place[job->first]] : NULL;

		if (index[task->trial->number] == 0)
		{
			work.trials[work.ntrials++] = task->trial;
			index[task->trial->number] = work.ntrials;
		}
		work.tasks[i] = (SharedTask) {
			.trial = index[task->trial->number] - 1,.fold = task->fold,.share = task->share
		};
		if (first != NULL && first->trial == task->trial->head && first->trial != task->trial &&
			first->fold == task->fold && first->share == task->share)
			job->n++;
		else
			work.jobs[work.njobs++] = (Job) {
			.first = i,.n = 1
		};
	}
	return work;
}

/* Trees or rounds; a model without them counts as one. */
static uint32
trees_of(const PfTrial *trial)
{
	return Max(trial->params->given.n_estimators, 1);
}

static double
all_trees(const PfFoldTask *tasks, const Work *work)
{
	double		n = 0;

	for (uint32 j = 0; j < work->njobs; j++)
		n += trees_of(tasks[work->place[work->jobs[j].first]].trial);
	return n;
}

/* A job's trials were tried together: from now on each alone. */
static void
part_family(const Work *work, const PfFoldTask *tasks, const Job *job)
{
	for (uint32 i = 0; i < job->n; i++)
	{
		PfTrial    *trial = tasks[work->place[job->first + i]].trial;

		trial->head = trial;
	}
}

/* ----- one after another ----- */

/* The work's jobs in this process; false when it must be listed again, since a family failed. */
static bool
run_in_turn(const PfFolds *folds, PfFoldTask *tasks, const Work *work, const PfGoal *goal,
			instr_time start, double budget, bool catch_errors, Report *progress)
{
	volatile int64 trees_done = 0;

	pf_progress_parts(all_trees(tasks, work), &trees_done);
	for (uint32 j = 0; j < work->njobs; j++)
	{
		const Job  *job = &work->jobs[j];
		const int  *place = &work->place[job->first];
		PfTrial   **trials;
		PfFoldScore *scores;
		double		begun;

		report(progress, progress->done);
		if (is_lost(tasks, place[0]))
			continue;
		if (pf_deadline_is_over(start, budget))
			break;
		trials = palloc(job->n * sizeof(PfTrial *));
		scores = palloc(job->n * sizeof(PfFoldScore));
		for (uint32 i = 0; i < job->n; i++)
			trials[i] = tasks[place[i]].trial;
		begun = seconds_since(start);
		pf_fold_run(folds, tasks[place[0]].fold, tasks[place[0]].share, trials, job->n, goal,
					catch_errors, scores);
		if (scores[0].error != NULL && !pf_deadline_ended() && job->n > 1)
		{
			part_family(work, tasks, job);
			pf_progress_parts(0, NULL);
			return false;
		}
		for (uint32 i = 0; i < job->n; i++)
		{
			PfFoldTask *task = &tasks[place[i]];

			task->score = scores[i];
			if (scores[i].error != NULL && pf_deadline_ended())
			{
				task->stopped = true;
				task->score = (PfFoldScore) {
					.score = NAN,.train_score = NAN,.seconds = (seconds_since(start) - begun) / job->n
				};
			}
			else
				task->done = true;
		}
		if (pf_deadline_ended())
			break;
		pf_progress_counted(0);
		trees_done += trees_of(trials[0]);
		progress->done += job->n;
		pfree(trials);
		pfree(scores);
	}
	pf_progress_parts(0, NULL);
	return true;
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
	const Job  *jobs;
	const PfFolds *folds;
	const PfGoal *goal;
	PfTrial   **trials;
	Report	   *progress;		/* the leader's */
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
do_job(Part *part, uint32 number)
{
	Shared	   *shared = part->shared;
	const Job  *job = &part->jobs[number];
	SharedTask *tasks = &part->tasks[job->first];
	MemoryContext context = CurrentMemoryContext;
	PfTrial   **trials = palloc(job->n * sizeof(PfTrial *));
	PfFoldScore *scores = palloc(job->n * sizeof(PfFoldScore));
	double		begun = seconds_since(shared->start);

	for (uint32 i = 0; i < job->n; i++)
	{
		trials[i] = part->trials[tasks[i].trial];
		tasks[i].begun = begun;
	}
	PG_TRY();
	{
		pf_fold_run(part->folds, tasks[0].fold, tasks[0].share, trials, job->n, part->goal, false,
					scores);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		if (!pf_deadline_ended())
			note_failure(shared, number);
		PG_RE_THROW();
	}
	PG_END_TRY();
	for (uint32 i = 0; i < job->n; i++)
	{
		tasks[i].score = scores[i].score;
		tasks[i].train_score = scores[i].train_score;
		tasks[i].rows = scores[i].rows;
		tasks[i].train_rows = scores[i].train_rows;
		tasks[i].seconds = scores[i].seconds;
		pg_write_barrier();
		pg_atomic_write_u32(&tasks[i].done, 1);
	}
	pg_atomic_fetch_add_u32(&shared->tasks_done, job->n);
	pf_progress_counted(0);
	pg_atomic_fetch_add_u64(&shared->trees_done, trees_of(trials[0]));
	pfree(trials);
	pfree(scores);
}

static void
do_jobs(Part *part)
{
	Shared	   *shared = part->shared;

	pg_atomic_fetch_add_u32(&shared->busy, 1);
	for (;;)
	{
		uint32		number = pg_atomic_fetch_add_u32(&shared->next_job, 1);

		if (!IsParallelWorker())
			report(part->progress, part->progress->done + pg_atomic_read_u32(&shared->tasks_done));
		if (number >= shared->njobs || pf_deadline_is_over(shared->start, shared->budget))
			break;
		do_job(part, number);
	}
	pg_atomic_fetch_sub_u32(&shared->busy, 1);
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
		.shared = shared,.tasks = shm_toc_lookup(toc, KEY_TASKS, false),
		.jobs = shm_toc_lookup(toc, KEY_JOBS, false),.folds = &folds,.goal = &goal
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
	do_jobs(&part);
}

/* ----- the leader ----- */

/*
 * All jobs of the work, by this process and workers.  What was done is in the work's
 * tasks at the end, at an error too; then *failed says whether it came of a job, and *failure of
 * which.  False when there were no workers to be had, and nothing was done.
 */
static bool
run_work(const PfFolds *folds, Work *work, const PfGoal *goal, instr_time start, double budget,
		 double trees, int nworkers, Report *progress, volatile bool *failed, Failure *failure)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	const PfMatrix *rows = &folds->loaded->train;
	const char *query = debug_query_string ? debug_query_string : "";
	PfMatrix	matrix;
	StringInfoData letter;
	Size		sizes[6];
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
	sizes[5] = mul_size(work->njobs, sizeof(Job));
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
			.trials = work->trials,.progress = progress
	};
	*part.shared = (Shared) {
		.folds = *folds,.loaded = *folds->loaded,.goal = *goal,.ntrials = work->ntrials,
			.ntasks = work->ntasks,.njobs = work->njobs,.start = start,.budget = budget
	};
	pg_atomic_init_u32(&part.shared->next_job, 0);
	pg_atomic_init_u32(&part.shared->busy, 0);
	pg_atomic_init_u32(&part.shared->tasks_done, 0);
	pg_atomic_init_u64(&part.shared->trees_done, 0);
	pg_atomic_init_u32(&part.shared->failed, 0);
	shm_toc_insert(pcxt->toc, KEY_SHARED, part.shared);
	pf_share_matrix(pcxt, env, rows, &matrix);
	pf_share_data(pcxt, env, KEY_ORDER, folds->loaded->train_order, sizes[0]);
	pf_share_data(pcxt, env, KEY_PARTS, folds->part, sizes[1]);
	part.tasks = pf_share_data(pcxt, env, KEY_TASKS, work->tasks, sizes[2]);
	pf_share_data(pcxt, env, KEY_LETTER, letter.data, sizes[3]);
	pf_share_data(pcxt, env, KEY_QUERY, query, sizes[4]);
	part.jobs = pf_share_data(pcxt, env, KEY_JOBS, work->jobs, sizes[5]);
	shared = part.shared;

	PG_TRY();
	{
		LaunchParallelWorkers(pcxt);
		ereport(DEBUG1,
				(errmsg_internal("%u trainings on folds with %d of %d parallel workers",
								 work->ntasks, pcxt->nworkers_launched, nworkers)));
		pf_progress_parts(trees, (const volatile int64 *) &shared->trees_done);
		do_jobs(&part);
		/* workers wake us when they end; ones that have not begun will find nothing to do */
		while (pg_atomic_read_u32(&shared->busy) > 0)
		{
			report(progress, progress->done + pg_atomic_read_u32(&shared->tasks_done));
			pf_progress_wait();
		}
		pf_progress_parts(0, NULL);
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
			failure->job = pg_atomic_read_u32(&shared->failed) - 2;
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

/* The scores that are there; how many.  seconds: since the start, when the budget has ended what was under way. */
static int
take_scores(const Work *work, PfFoldTask *tasks, double seconds)
{
	int			done = 0;

	for (uint32 i = 0; i < work->ntasks; i++)
	{
		const SharedTask *from = &work->tasks[i];
		PfFoldTask *to = &tasks[work->place[i]];

		if (pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &from->done)) == 0)
		{
			to->stopped = from->begun > 0 && !isnan(seconds);
			if (to->stopped)
				to->score = (PfFoldScore) {
				.score = NAN,.train_score = NAN,.seconds = seconds - from->begun
			};
			continue;
		}
		to->done = true;
		done++;
		to->score = (PfFoldScore) {
			.score = from->score,.train_score = from->train_score,.rows = from->rows,
				.train_rows = from->train_rows,.seconds = from->seconds
		};
	}
	return done;
}

/* How many workers there is memory and work for. */
static int
workers_wanted(const PfFolds *folds, const PfFoldTask *tasks, int n)
{
	const PfMatrix *rows = &folds->loaded->train;
	int			workers = pf_train_workers >= 0 ? pf_train_workers : max_parallel_maintenance_workers;
	Work		work = list_work(tasks, n);
	uint64		sums = pf_family_memory(folds, pf_family_max_views(folds));
	List	   *trials = NIL;

	if (IsInParallelMode() || IsParallelWorker() || (double) rows->nrows * n < LEAST_WORK)
		return 0;
	workers = Min(workers, (int) work.njobs / JOBS_EACH - 1);
	for (int i = 0; i < n && workers > 0; i++)
	{
		if (i == 0 || tasks[i].trial != tasks[i - 1].trial)
			trials = lappend(trials, tasks[i].trial);
	}
	while (workers > 0 && (pf_tune_memory(trials, rows, workers + 1) + (workers + 1) * sums) / 1024 >
		   (uint64) pf_train_memory)
		workers--;
	return workers;
}

/* The parallel way; false when the rest must go the other. */
static bool
run_side_by_side(const PfFolds *folds, PfFoldTask *tasks, Work *work, const PfGoal *goal,
				 instr_time start, double budget, bool catch_errors, int nworkers, Report *progress)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool failed = false;
	volatile bool done = false;
	ErrorData  *volatile error = NULL;
	Failure		failure;
	const Job  *job;

	if (!catch_errors)
	{
		done = run_work(folds, work, goal, start, budget, all_trees(tasks, work), nworkers, progress,
						&failed, &failure);
		progress->done += take_scores(work, tasks, NAN);
		return done;
	}
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		done = run_work(folds, work, goal, start, budget, all_trees(tasks, work), nworkers, progress,
						&failed, &failure);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		pf_progress_parts(0, NULL);
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error && !pf_deadline_ended() && (!failed || !pf_fold_may_fail(error)))
		ReThrowError(error);
	progress->done += take_scores(work, tasks, pf_deadline_ended() ? seconds_since(start) : NAN);
	if (error == NULL || !failed)
		return done || pf_deadline_ended();

	job = &work->jobs[failure.job];
	error->sqlerrcode = failure.sqlerrcode;
	error->message = pstrdup(failure.message);
	error->detail = failure.detail[0] ? pstrdup(failure.detail) : NULL;
	error->hint = failure.hint[0] ? pstrdup(failure.hint) : NULL;
	if (!pf_fold_may_fail(error))
		ReThrowError(error);
	if (job->n > 1)
		part_family(work, tasks, job);
	else
	{
		PfFoldTask *task = &tasks[work->place[job->first]];

		task->done = true;
		task->stopped = false;
		task->score = (PfFoldScore) {
			.score = NAN,.train_score = NAN,.error = error
		};
	}
	return true;
}

static void
run_jobs(const PfFolds *folds, PfFoldTask *tasks, int n, const PfGoal *goal,
		 instr_time start, double budget, bool catch_errors)
{
	int			nworkers = workers_wanted(folds, tasks, n);
	Report		progress = {.goal = goal,.total = n};
	Work		work;

	for (;;)
	{
		work = list_work(tasks, n);
		if (work.njobs == 0 || pf_deadline_ended() || pf_deadline_is_over(start, budget))
			return;
		if (nworkers == 0)
		{
			if (run_in_turn(folds, tasks, &work, goal, start, budget, catch_errors, &progress))
				return;
		}
		else if (!run_side_by_side(folds, tasks, &work, goal, start, budget, catch_errors, nworkers,
								   &progress))
			nworkers = 0;
	}
}

void
pf_fold_run_tasks(const PfFolds *folds, PfFoldTask *tasks, int n, const PfGoal *goal,
				  instr_time start, double budget, bool catch_errors)
{
	PfTrial   **trials = MemoryContextAllocHuge(CurrentMemoryContext, Max(n, 1) * sizeof(PfTrial *));
	int			ntrials = 0;

	for (int i = 0; i < n; i++)
	{
		if (i > 0 && tasks[i].trial == tasks[i - 1].trial)
			continue;
		tasks[i].trial->number = ntrials;
		tasks[i].trial->head = tasks[i].trial;
		trials[ntrials++] = tasks[i].trial;
	}
	/* of rows that they learnt, trees are asked when they are in a model */
	if (!goal->train_scores)
		pf_families_find(trials, ntrials, pf_family_max_views(folds), !isnan(budget));

	pf_deadline_set(start, budget);
	PG_TRY();
	{
		run_jobs(folds, tasks, n, goal, start, budget, catch_errors);
	}
	PG_FINALLY();
	{
		pf_deadline_clear();
	}
	PG_END_TRY();

	/* of a trial that failed, later folds may have been done by others: as if they had not */
	for (int i = 0; i < n; i++)
	{
		if (is_lost(tasks, i))
			tasks[i].done = tasks[i].stopped = false;
	}
}

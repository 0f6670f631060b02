/*
 * sidebyside.c
 *	  Trainings on folds by several processes at a time.
 *
 * The rows and their folds lie in dynamic shared memory, with a letter of what else a worker has to know.
 * The leader and its workers take job numbers from a counter, and each does a whole job by itself: it makes its
 * copy of the fold from those rows, grows, measures.  Nobody waits for another before the end.
 *
 * Errors, where they are to be caught: the first who has one writes it down beside its job, and
 * throws it, which ends all participants.  The leader, who runs all of this in a
 * subtransaction, catches it (or another that came right after; the first is what counts) and
 * keeps the scores that are there; tasks.c lists anew what was under way.  The end of the
 * budget is such an error of the leader's (deadline.c).
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
#include "storage/shm_toc.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "catalog/pgenv.h"
#include "parallel/share.h"
#include "tune/jobs.h"

#define KEY_SHARED		UINT64CONST(0x7067660000000101)
#define KEY_ORDER		UINT64CONST(0x7067660000000102)
#define KEY_PARTS		UINT64CONST(0x7067660000000103)
#define KEY_TASKS		UINT64CONST(0x7067660000000104)
#define KEY_LETTER		UINT64CONST(0x7067660000000105)
#define KEY_QUERY		UINT64CONST(0x7067660000000106)
#define KEY_JOBS		UINT64CONST(0x7067660000000107)

#define FAILURE_TEXT	1024	/* of a message, at most */

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
	PfSharedTask *tasks;
	const PfJob *jobs;
	const PfFolds *folds;
	const PfGoal *goal;
	PfTrial   **trials;
	PfReport	   *progress;		/* the leader's */
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
	const PfJob *job = &part->jobs[number];
	PfSharedTask *tasks = &part->tasks[job->first];
	MemoryContext context = CurrentMemoryContext;
	PfTrial   **trials = palloc(job->n * sizeof(PfTrial *));
	PfFoldScore *scores = palloc(job->n * sizeof(PfFoldScore));
	double		begun = pf_jobs_seconds(shared->start);

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
	pg_atomic_fetch_add_u64(&shared->trees_done, pf_job_trees(trials[0]));
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
			pf_jobs_report(part->progress, part->progress->done + pg_atomic_read_u32(&shared->tasks_done));
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
run_work(const PfFolds *folds, PfWork *work, const PfGoal *goal, instr_time start, double budget,
		 double trees, int nworkers, PfReport *progress, volatile bool *failed, Failure *failure)
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
	sizes[2] = mul_size(work->ntasks, sizeof(PfSharedTask));
	sizes[3] = letter.len;
	sizes[4] = strlen(query) + 1;
	sizes[5] = mul_size(work->njobs, sizeof(PfJob));
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
			pf_jobs_report(progress, progress->done + pg_atomic_read_u32(&shared->tasks_done));
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
take_scores(const PfWork *work, PfFoldTask *tasks, double seconds)
{
	int			done = 0;

	for (uint32 i = 0; i < work->ntasks; i++)
	{
		const PfSharedTask *from = &work->tasks[i];
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

/* The parallel way; false when the rest must go the other. */
bool
pf_run_side_by_side(const PfFolds *folds, PfFoldTask *tasks, PfWork *work, const PfGoal *goal,
				 instr_time start, double budget, bool catch_errors, int nworkers, PfReport *progress)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool failed = false;
	volatile bool done = false;
	ErrorData  *volatile error = NULL;
	Failure		failure;
	const PfJob *job;

	if (!catch_errors)
	{
		done = run_work(folds, work, goal, start, budget, pf_jobs_trees(tasks, work), nworkers, progress,
						&failed, &failure);
		progress->done += take_scores(work, tasks, NAN);
		return done;
	}
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		done = run_work(folds, work, goal, start, budget, pf_jobs_trees(tasks, work), nworkers, progress,
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
	progress->done += take_scores(work, tasks, pf_deadline_ended() ? pf_jobs_seconds(start) : NAN);
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
		pf_jobs_part(work, tasks, job);
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

/*
 * tasks.c
 *	  Trials on folds, one after another or by several processes at a time.
 *
 * A task is a trial on a fold, a job the tasks of one fold that are trained together: a trial and those
 * that are parts of it (families.c).  Where there are many jobs, the leader and its workers take them
 * (sidebyside.c).  Where there are few, or memory for one of them at a time only, they come one after
 * another and each is grown by all processes.  The scores are the same either way: a
 * model does not depend on who grew it, nor on what else was made of its trees.
 *
 * A trial that failed on a fold is not tried on later ones.  When a job of several trials fails, each of
 * them is tried alone: it may be that only the largest has no room.  After the end of the budget
 * (deadline.c) nothing is done again.
 */
#include "postgres.h"

#include <math.h>

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "settings.h"
#include "tune/jobs.h"

#define JOBS_EACH		4		/* at least, for processes to work side by side */
#define LEAST_WORK		20000	/* rows times tasks: less is done before a worker has started */

double
pf_jobs_seconds(instr_time start)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return INSTR_TIME_GET_DOUBLE(now);
}

void
pf_jobs_report(PfReport *report, int done)
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

static PfWork
list_work(const PfFoldTask *tasks, int n)
{
	PfWork		work = {0};
	int		   *index = palloc0(n * sizeof(int));	/* by the trials' numbers: one more than where they are */

	work.trials = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(PfTrial *));
	work.place = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(int));
	work.tasks = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(PfSharedTask));
	work.jobs = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(PfJob));
	for (int i = 0; i < n; i++)
	{
		if (!tasks[i].done && !is_lost(tasks, i))
			work.place[work.ntasks++] = i;
	}
	qsort_arg(work.place, work.ntasks, sizeof(int), compare_tasks, unconstify(PfFoldTask *, tasks));
	for (uint32 i = 0; i < work.ntasks; i++)
	{
		const PfFoldTask *task = &tasks[work.place[i]];
		PfJob	   *job = &work.jobs[Max(work.njobs, 1) - 1];
		const PfFoldTask *first = work.njobs > 0 ? &tasks[work.place[job->first]] : NULL;

		if (index[task->trial->number] == 0)
		{
			work.trials[work.ntrials++] = task->trial;
			index[task->trial->number] = work.ntrials;
		}
		work.tasks[i] = (PfSharedTask) {
			.trial = index[task->trial->number] - 1,.fold = task->fold,.share = task->share
		};
		if (first != NULL && first->trial == task->trial->head && first->trial != task->trial &&
			first->fold == task->fold && first->share == task->share)
			job->n++;
		else
			work.jobs[work.njobs++] = (PfJob) {
			.first = i,.n = 1
		};
	}
	return work;
}

/* Trees or rounds; a model without them counts as one. */
uint32
pf_job_trees(const PfTrial *trial)
{
	return Max(trial->params->given.n_estimators, 1);
}

double
pf_jobs_trees(const PfFoldTask *tasks, const PfWork *work)
{
	double		n = 0;

	for (uint32 j = 0; j < work->njobs; j++)
		n += pf_job_trees(tasks[work->place[work->jobs[j].first]].trial);
	return n;
}

/* A job's trials were tried together: from now on each alone. */
void
pf_jobs_part(const PfWork *work, const PfFoldTask *tasks, const PfJob *job)
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
run_in_turn(const PfFolds *folds, PfFoldTask *tasks, const PfWork *work, const PfGoal *goal,
			instr_time start, double budget, bool catch_errors, PfReport *progress)
{
	volatile int64 trees_done = 0;

	pf_progress_parts(pf_jobs_trees(tasks, work), &trees_done);
	for (uint32 j = 0; j < work->njobs; j++)
	{
		const PfJob *job = &work->jobs[j];
		const int  *place = &work->place[job->first];
		PfTrial   **trials;
		PfFoldScore *scores;
		double		begun;

		pf_jobs_report(progress, progress->done);
		if (is_lost(tasks, place[0]))
			continue;
		if (pf_deadline_is_over(start, budget))
			break;
		trials = palloc(job->n * sizeof(PfTrial *));
		scores = palloc(job->n * sizeof(PfFoldScore));
		for (uint32 i = 0; i < job->n; i++)
			trials[i] = tasks[place[i]].trial;
		begun = pf_jobs_seconds(start);
		pf_fold_run(folds, tasks[place[0]].fold, tasks[place[0]].share, trials, job->n, goal,
					catch_errors, scores);
		if (scores[0].error != NULL && !pf_deadline_ended() && job->n > 1)
		{
			pf_jobs_part(work, tasks, job);
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
					.score = NAN,.train_score = NAN,.seconds = (pf_jobs_seconds(start) - begun) / job->n
				};
			}
			else
				task->done = true;
		}
		if (pf_deadline_ended())
			break;
		pf_progress_counted(0);
		trees_done += pf_job_trees(trials[0]);
		progress->done += job->n;
		pfree(trials);
		pfree(scores);
	}
	pf_progress_parts(0, NULL);
	return true;
}

/* How many workers there is memory and work for. */
static int
workers_wanted(const PfFolds *folds, const PfFoldTask *tasks, int n)
{
	const PfMatrix *rows = &folds->loaded->train;
	int			workers = pf_train_workers >= 0 ? pf_train_workers : max_parallel_maintenance_workers;
	PfWork		work = list_work(tasks, n);
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

static void
run_jobs(const PfFolds *folds, PfFoldTask *tasks, int n, const PfGoal *goal,
		 instr_time start, double budget, bool catch_errors)
{
	int			nworkers = workers_wanted(folds, tasks, n);
	PfReport		progress = {.goal = goal,.total = n};
	PfWork		work;

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
		else if (!pf_run_side_by_side(folds, tasks, &work, goal, start, budget, catch_errors, nworkers,
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

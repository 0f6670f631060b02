/*
 * jobs.h
 *	  Trainings on folds as tasks.c lists them and sidebyside.c shares them out.
 */
#ifndef PF_JOBS_H
#define PF_JOBS_H

#include "port/atomics.h"
#include "utils/timestamp.h"

#include "tune/tune.h"

typedef struct PfSharedTask
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
} PfSharedTask;

/* Tasks side by side in the array, the head's first. */
typedef struct PfJob
{
	uint32		first;
	uint32		n;
} PfJob;

/* Those still to be done, with the trials that they are about. */
typedef struct PfWork
{
	int			ntrials;
	PfTrial   **trials;
	uint32		ntasks;
	int		   *place;			/* among all tasks */
	PfSharedTask *tasks;
	uint32		njobs;
	PfJob	   *jobs;
} PfWork;

/* Says now and then how many of the trainings are done. */
typedef struct PfReport
{
	const PfGoal *goal;
	int			total;
	int			done;
	TimestampTz next;
} PfReport;

/* tasks.c */
extern void pf_jobs_report(PfReport *report, int done);

/* Seconds since a start. */
extern double pf_jobs_seconds(instr_time start);

/* Trees or rounds of a trial, a model without them counts as one; and of all jobs. */
extern uint32 pf_job_trees(const PfTrial *trial);
extern double pf_jobs_trees(const PfFoldTask *tasks, const PfWork *work);

/* A job's trials were tried together: from now on each alone. */
extern void pf_jobs_part(const PfWork *work, const PfFoldTask *tasks, const PfJob *job);

/* sidebyside.c: jobs by this process and workers; false when the rest must go the other way. */
extern bool pf_run_side_by_side(const PfFolds *folds, PfFoldTask *tasks, PfWork *work, const PfGoal *goal,
								instr_time start, double budget, bool catch_errors, int nworkers,
								PfReport *progress);

#endif							/* PF_JOBS_H */

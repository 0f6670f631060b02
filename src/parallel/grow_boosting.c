/*
 * grow_boosting.c
 *	  The leader of a boosting hands out tasks, and workers help with them.
 *
 * A round depends on the one before, so participants meet some dozen times a tree.
 * There is no barrier that somebody could be missing at: the leader publishes a job of
 * so many tasks, everybody takes numbers from one counter, and the job is over when
 * all its tasks are done, whoever did them.  A worker that comes late, or never, is not
 * waited for.  One that fails while it has a task sends its error to the leader, who
 * looks for interrupts while he waits.
 *
 * Job number, number of tasks and next task are one 64-bit number, so that nobody
 * takes a task of one job for one of another.  What a job is about is written before
 * that number and not touched until all its tasks are done.
 *
 * Who waits spins for a moment, since most jobs take less than a millisecond, and then
 * sleeps on a condition variable.
 *
 * Locks: none but those of the condition variables.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/s_lock.h"
#include "storage/shm_toc.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "catalog/pgenv.h"
#include "parallel/grow_boosting.h"
#include "parallel/share.h"
#include "progress/progress.h"
#include "settings.h"

#define KEY_TEAM		UINT64CONST(0x7067662000000001)
#define KEY_BLOCK		UINT64CONST(0x7067662000000002)
#define KEY_CLASSES		UINT64CONST(0x7067662000000003)
#define KEY_MONOTONIC	UINT64CONST(0x7067662000000004)
#define KEY_QUERY		UINT64CONST(0x7067662000000005)
#define KEY_CATEGORIES	UINT64CONST(0x7067662000000006)

/* A ticket: job (24 bits), number of its tasks (20 bits), the next one (20 bits). */
#define TASK_BITS		20
#define TASK_MASK		((UINT64CONST(1) << TASK_BITS) - 1)
#define NTASKS(ticket)	((uint32) ((ticket) >> TASK_BITS & TASK_MASK))
#define NEXT(ticket)	((uint32) ((ticket) & TASK_MASK))

#define LITTLE_WORK		100000.0	/* additions that are done alone: less than it takes to wake somebody */
#define SPINS			2000
#define SLEEP			1000L	/* milliseconds, at most */

typedef struct Team
{
	pg_atomic_uint64 ticket;
	pg_atomic_uint32 done;		/* tasks of the job */
	pg_atomic_uint32 over;		/* there will be no more jobs */
	uint32		offset;			/* number of the job's first task */
	ConditionVariable published;
	ConditionVariable finished;
	pg_atomic_uint64 rounds;	/* for progress */
	PfBoostParams params;		/* pointers are set by each process */
	PfMatrix	matrix;			/* likewise */
} Team;

/* We give the engine a plain integer: no room for the lock of a platform without such atomics. */
StaticAssertDecl(sizeof(pg_atomic_uint64) == sizeof(int64),
				 "64-bit atomic operations are needed");

PGDLLEXPORT void pf_grow_boosting_worker(dsm_segment *seg, shm_toc *toc);

/* What the leader's functions are told. */
typedef struct Rounds
{
	Team	   *team;			/* NULL: alone */
	volatile int64 *done;		/* for progress */
	const PfMatrix *matrix;
	const PfBoostParams *params;
	uint64		memory;			/* bytes beside the trees, while they grow */
} Rounds;

/* Errors when so many nodes do not fit in memory beside the rows, or beside the model that they become. */
static void
check_trees(const Rounds *rounds, double nodes, double sets, uint32 n, int allowed)
{
	uint64		trees = pf_boost_trees_memory((uint64) nodes, (uint64) sets,
											  (uint64) n * pf_boost_sums(rounds->matrix->nclasses));
	uint64		needed = Max(trees + rounds->memory, 2 * trees) / 1024;

	if (needed > (uint64) allowed)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("the trees need more memory than pgforest.train_memory allows"),
				 errdetail("With some %.0f nodes in %u rounds it is about " UINT64_FORMAT " kB, and %d kB are allowed.",
						   nodes, n, needed, pf_train_memory),
				 errhint("Lower \"n_estimators\" or \"max_leaf_nodes\", raise \"min_samples_leaf\", or raise pgforest.train_memory.")));
}

/*
 * A PfCountRound.  How large trees become is not known before, and those to come may be smaller than
 * those so far: what is to be expected must be far off for an error.  With early stopping nobody knows.
 */
static void
count_round(void *arg, uint32_t n, uint64_t nodes, uint64_t sets)
{
	const Rounds *rounds = arg;
	const PfBoostParams *params = rounds->params;

	*rounds->done = n;
	check_trees(rounds, (double) nodes, (double) sets, n, pf_train_memory);
	if (params->n_iter_no_change == 0 && pf_train_memory <= INT_MAX / 2)
		check_trees(rounds, (double) nodes / n * params->n_estimators, (double) sets / n * params->n_estimators,
					params->n_estimators, 2 * pf_train_memory);
}

/* Takes a task of the job at hand and does it; false when there is none left. */
static bool
do_task(Team *team, PfBoost *boost)
{
	uint64		ticket = pg_atomic_read_u64(&team->ticket);

	while (NEXT(ticket) < NTASKS(ticket))
	{
		if (!pg_atomic_compare_exchange_u64(&team->ticket, &ticket, ticket + 1))
			continue;
		pf_boost_task(boost, team->offset + NEXT(ticket));
		if (pg_atomic_fetch_add_u32(&team->done, 1) + 1 == NTASKS(ticket))
			ConditionVariableBroadcast(&team->finished);
		return true;
	}
	return false;
}

/* Waits for the others' last tasks. */
static void
wait_for_tasks(Team *team, uint32 n)
{
	for (uint32 spins = 0; pg_atomic_read_u32(&team->done) < n; spins++)
	{
		pf_check_interrupts();
		if (spins < SPINS)
			SPIN_DELAY();
		else
		{
			if (spins == SPINS)
				ConditionVariablePrepareToSleep(&team->finished);
			else
				ConditionVariableTimedSleep(&team->finished, SLEEP, PG_WAIT_EXTENSION);
		}
	}
	ConditionVariableCancelSleep();
	pg_memory_barrier();
}

/* A PfRunTasks. */
static void
run_together(void *arg, PfBoost *boost, uint32_t n, double work)
{
	Team	   *team = ((Rounds *) arg)->team;

	if (n < 2 || work < LITTLE_WORK)
	{
		pf_boost_alone(NULL, boost, n, work);
		return;
	}
	for (uint32 first = 0; first < n; first += TASK_MASK)
	{
		uint32		tasks = Min(n - first, (uint32) TASK_MASK);
		uint64		job = (pg_atomic_read_u64(&team->ticket) >> (2 * TASK_BITS)) + 1;

		team->offset = first;
		pg_atomic_write_u32(&team->done, 0);
		/* a full barrier: who sees the ticket sees what it is about */
		pg_atomic_exchange_u64(&team->ticket, job << (2 * TASK_BITS) | (uint64) tasks << TASK_BITS);
		ConditionVariableBroadcast(&team->published);
		while (do_task(team, boost))
			pf_check_interrupts();
		wait_for_tasks(team, tasks);
	}
}

/* A worker's view of its team is over when the leader says so. */
static void
help(Team *team, PfBoost *boost)
{
	uint32		spins = 0;

	while (pg_atomic_read_u32(&team->over) == 0)
	{
		CHECK_FOR_INTERRUPTS();
		if (do_task(team, boost))
		{
			ConditionVariableCancelSleep();
			spins = 0;
		}
		else if (spins++ < SPINS)
			SPIN_DELAY();
		else if (spins == SPINS + 1)
			ConditionVariablePrepareToSleep(&team->published);
		else
			ConditionVariableTimedSleep(&team->published, SLEEP, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
}

void
pf_grow_boosting_worker(dsm_segment *seg, shm_toc *toc)
{
	Team	   *team = shm_toc_lookup(toc, KEY_TEAM, false);
	PfMatrix	matrix = team->matrix;
	PfBoostParams params = team->params;
	PfBoost    *boost;

	debug_query_string = shm_toc_lookup(toc, KEY_QUERY, false);
	pgstat_report_activity(STATE_RUNNING, debug_query_string);
	pf_share_matrix_find(toc, &matrix);
	if (params.class_weights != NULL)
		params.class_weights = shm_toc_lookup(toc, KEY_CLASSES, false);
	if (params.monotonic != NULL)
		params.monotonic = shm_toc_lookup(toc, KEY_MONOTONIC, false);
	if (params.category_bins != NULL)
		params.category_bins = shm_toc_lookup(toc, KEY_CATEGORIES, false);
	boost = pf_boost_create(pf_pg_env(CurrentMemoryContext), &matrix, &params,
							shm_toc_lookup(toc, KEY_BLOCK, false), false);
	help(team, boost);
	pf_boost_release(boost);
}

/*
 * How many workers are worth it: none below some 50 ms of work, at a rough 4 ns for
 * each row, feature and tree; and no more than pgforest.train_memory allows.
 */
static int
workers_wanted(const PfMatrix *matrix, const PfBoostParams *params)
{
	int			workers = pf_train_workers >= 0 ? pf_train_workers
		: max_parallel_maintenance_workers;
	double		work = 4e-6 * params->n_estimators * pf_boost_sums(matrix->nclasses) *
		matrix->nrows * matrix->nfeatures;
	uint64		shared = pf_boost_shared_size(matrix, params) + pf_share_matrix_size(matrix);

	if (work < 50 || IsInParallelMode() || IsParallelWorker())
		return 0;
	while (workers > 0 && (shared + (workers + 1) * pf_boost_private_size(matrix)) / 1024 > (uint64) pf_train_memory)
		workers--;
	return workers;
}

/* False when no worker could be had. */
static bool
grow_with_workers(PfMatrix *matrix, const PfBoostParams *params, int nworkers, PfBoosted *result)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	const char *query = debug_query_string ? debug_query_string : "";
	Size		block = pf_boost_shared_size(matrix, params);
	Size		classes = params->class_weights ? matrix->nclasses * sizeof(double) : 0;
	Size		monotonic = params->monotonic ? matrix->nfeatures : 0;
	Size		categories = params->category_bins ? matrix->nfeatures : 0;
	ParallelContext *pcxt;
	PfMatrix	shared;
	Rounds		rounds;
	Team	   *team;
	PfBoost    *boost;

	if (!pf_has_shared_memory(add_size(block, pf_share_matrix_size(matrix))))
		return false;
	EnterParallelMode();
	pcxt = CreateParallelContext("pgforest", "pf_grow_boosting_worker", nworkers);
	pf_share_estimate(pcxt, sizeof(Team));
	pf_share_estimate(pcxt, block);
	pf_share_estimate(pcxt, classes + 1);
	pf_share_estimate(pcxt, monotonic + 1);
	pf_share_estimate(pcxt, categories + 1);
	pf_share_estimate(pcxt, strlen(query) + 1);
	pf_share_matrix_estimate(pcxt, matrix);
	InitializeParallelDSM(pcxt);
	if (pcxt->seg == NULL || pcxt->nworkers == 0)
	{
		DestroyParallelContext(pcxt);
		ExitParallelMode();
		return false;
	}

	team = pf_share_data(pcxt, env, KEY_TEAM, NULL, sizeof(Team));
	pg_atomic_init_u64(&team->ticket, 0);
	pg_atomic_init_u32(&team->done, 0);
	pg_atomic_init_u32(&team->over, 0);
	pg_atomic_init_u64(&team->rounds, 0);
	ConditionVariableInit(&team->published);
	ConditionVariableInit(&team->finished);
	team->params = *params;
	team->matrix = *matrix;
	pf_share_matrix(pcxt, env, matrix, &shared);
	if (classes > 0)
		pf_share_data(pcxt, env, KEY_CLASSES, params->class_weights, classes);
	if (monotonic > 0)
		pf_share_data(pcxt, env, KEY_MONOTONIC, params->monotonic, monotonic);
	if (categories > 0)
		pf_share_data(pcxt, env, KEY_CATEGORIES, params->category_bins, categories);
	pf_share_data(pcxt, env, KEY_QUERY, query, strlen(query) + 1);
	boost = pf_boost_create(env, &shared, params,
							pf_share_data(pcxt, env, KEY_BLOCK, NULL, block), true);

	LaunchParallelWorkers(pcxt);
	ereport(DEBUG1,
			(errmsg_internal("boosting %u rounds with %d of %d parallel workers",
							 params->n_estimators, pcxt->nworkers_launched, nworkers)));
	/* there is a copy now */
	pfree(matrix->bins);
	matrix->bins = NULL;

	pf_progress_phase(PF_PHASE_GROW, params->n_estimators,
					  (const volatile int64 *) &team->rounds);
	rounds = (Rounds) {
		.team = team,.done = (volatile int64 *) &team->rounds,.matrix = matrix,.params = params,
			.memory = block + pf_share_matrix_size(matrix) +
			(pcxt->nworkers_launched + 1) * pf_boost_private_size(matrix)
	};
	pf_boost_run(boost, pcxt->nworkers_launched > 0 ? run_together : pf_boost_alone, count_round,
				 &rounds, result);
	pf_progress_counted(result->rounds_grown);
	pg_atomic_write_u32(&team->over, 1);
	pg_memory_barrier();
	ConditionVariableBroadcast(&team->published);
	WaitForParallelWorkersToFinish(pcxt);
	pf_boost_release(boost);
	DestroyParallelContext(pcxt);
	ExitParallelMode();
	return true;
}

static void
grow_alone(const PfMatrix *matrix, const PfBoostParams *params, PfBoosted *result)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	Size		size = pf_boost_shared_size(matrix, params);
	char	   *memory = pf_alloc(env, add_size(size, PG_CACHE_LINE_SIZE));
	PfBoost    *boost = pf_boost_create(env, matrix, params,
										(void *) TYPEALIGN(PG_CACHE_LINE_SIZE, memory), true);
	volatile int64 done = 0;
	Rounds		rounds = {
		.done = &done,.matrix = matrix,.params = params,
		.memory = size + pf_share_matrix_size(matrix) + pf_boost_private_size(matrix)
	};

	ereport(DEBUG1,
			(errmsg_internal("boosting %u rounds without parallel workers", params->n_estimators)));
	pf_progress_phase(PF_PHASE_GROW, params->n_estimators, &done);
	pf_boost_run(boost, pf_boost_alone, count_round, &rounds, result);
	pf_progress_counted(result->rounds_grown);
	pf_boost_release(boost);
	pfree(memory);
}

void
pf_grow_boosting(PfMatrix *matrix, const PfBoostParams *params, PfBoosted *result)
{
	int			nworkers = workers_wanted(matrix, params);

	if (nworkers == 0 || !grow_with_workers(matrix, params, nworkers, result))
		grow_alone(matrix, params, result);
}

/*
 * algorithms.h
 *	  What ml_train can train: for each algorithm a row of a table.
 */
#ifndef PF_ALGORITHMS_H
#define PF_ALGORITHMS_H

#include "parallel/grow_forest.h"
#include "train/params.h"

#define PF_DEFAULT_ALGORITHM "random_forest"
#define PF_BASELINE_ROWS 10000	/* whose predictions are profiled, the first in hash order: a sample */

typedef struct PfAlgorithm
{
	const char *name;
	uint32		tasks;			/* a bit 1 << PfTask for each that it can be trained as */
	const PfParam *params;		/* its table in engine/grow/params.c */
	bool		values;			/* it learns from values, not from bins */

	/*
	 * The task is known, but no row yet: errors when a parameter does not fit it, or
	 * another parameter; says what a null comes to (pf_params_settle).
	 */
	void		(*fit_task) (PfTrainParams *params, PfTask task);

	/* See PfGrowMemory; arg is the PfTrainParams. */
	PfGrowMemory memory;

	/*
	 * From rows to a model: sets its kind, what belongs to that, and the importance; its trees
	 * are in the model or in grown->planes.
	 * measured: rows are held out; else predictions of training rows for measuring go to
	 * grown, if the algorithm has such.  The training matrix may be gone after it.
	 */
	void		(*grow) (const PfTrainParams *params, PfLoaded *loaded, int64 seed,
						 bool measured, PfModel *model, PfGrown *grown);
} PfAlgorithm;

/* The row of a name; an error with all names when there is none. */
extern const PfAlgorithm *pf_find_algorithm(const char *name);

/* Errors when the algorithm cannot be trained as the task; names of tasks for messages. */
extern void pf_check_algorithm_task(const PfAlgorithm *algorithm, PfTask task);
extern const char *pf_task_name(PfTask task);

/* forest.c: random_forest and extra_trees */
extern void pf_forest_fit_task(PfTrainParams *params, PfTask task);
extern uint64 pf_forest_train_memory(const void *arg, const PfMatrix *sizes, bool measured,
									 PfGrowNotes *notes);
extern void pf_forest_train(const PfTrainParams *params, PfLoaded *loaded, int64 seed,
							bool measured, PfModel *model, PfGrown *grown);

/* boosting.c: gradient_boosting */
extern void pf_boosting_fit_task(PfTrainParams *params, PfTask task);
extern uint64 pf_boosting_train_memory(const void *arg, const PfMatrix *sizes, bool measured,
									   PfGrowNotes *notes);
extern void pf_boosting_train(const PfTrainParams *params, PfLoaded *loaded, int64 seed,
							  bool measured, PfModel *model, PfGrown *grown);

/* linear.c */
extern void pf_linear_fit_task(PfTrainParams *params, PfTask task);
extern uint64 pf_linear_train_memory(const void *arg, const PfMatrix *sizes, bool measured,
									 PfGrowNotes *notes);
extern void pf_linear_train(const PfTrainParams *params, PfLoaded *loaded, int64 seed,
							bool measured, PfModel *model, PfGrown *grown);

/* isolation.c */
extern void pf_isolation_fit_task(PfTrainParams *params, PfTask task);
extern uint64 pf_isolation_train_memory(const void *arg, const PfMatrix *sizes, bool measured,
										PfGrowNotes *notes);
extern void pf_isolation_train(const PfTrainParams *params, PfLoaded *loaded, int64 seed,
							   bool measured, PfModel *model, PfGrown *grown);

/* monotonic.c: constraints of trees */
extern void pf_monotonic_check(const PfTrainParams *params, const List *numbers);
extern int8_t *pf_monotonic_signs(const PfTrainParams *params, const PfLoaded *loaded);

/* calibrate.c: calibrated classifiers of whatever algorithm */
extern void pf_calibration_fit_task(const PfTrainParams *params, PfTask task);
extern bool pf_calibration_is_out_of_bag(const PfTrainParams *params, bool grouped);
extern uint64 pf_calibration_train_memory(const PfTrainParams *params, const PfMatrix *sizes);
extern double *pf_calibration_shares(const PfAlgorithm *algorithm, const PfTrainParams *params,
									 const PfLoaded *loaded, int64 seed, const PfModel *template);
extern void pf_calibration_train(const PfTrainParams *params, const PfMatrix *rows, double *shares,
								 const PfVotes *votes, PfModel *model);

#endif							/* PF_ALGORITHMS_H */

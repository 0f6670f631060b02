/*
 * tune.h
 *	  Inside tune/: folds of training rows, a training on a fold, and what is searched.
 *
 * The way of a call: the source is loaded and binned once (load/), folds.c deals
 * the training rows into folds, fold.c makes of one fold a load of its own (rows to
 * train on, rows to measure on) and trains as ml_train does, curves.c and tune.c
 * say what is trained on which fold and what is done with the scores.
 */
#ifndef PF_TUNE_H
#define PF_TUNE_H

#include "postgres.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "compat.h"
#include "train/train.h"

#define PF_MAX_FOLDS	100

/* Training rows in folds; the load stays, and is read only. */
typedef struct PfFolds
{
	const PfLoaded *loaded;
	int			n;
	bool		forward;		/* by time: fold f is trained on the parts up to f and measured on the next */
	uint8	   *part;			/* of each training row */
	uint32		entries_at;		/* in a row of the matrix: where the entries of its categories are */
	int			max_bins;
} PfFolds;

/* Something to train: an algorithm with its parameters. */
typedef struct PfTrial
{
	struct PfTrial *head;		/* the trial that it is a part of, or itself: see families.c */
	int			number;			/* among those that are run together */
	const PfAlgorithm *algorithm;
	Jsonb	   *given;			/* parameters that are not by default */
	PfTrainParams *params;
	ErrorData  *error;			/* they do not fit the task or one another; NULL: they do */
} PfTrial;

/* What came of a trial on one fold. */
typedef struct PfFoldScore
{
	double		train_score;	/* NaN: not measured, or not defined */
	double		score;
	uint32		train_rows;
	uint32		rows;			/* measured on */
	double		seconds;
	ErrorData  *error;			/* NULL: none */
} PfFoldScore;

/* What is measured, checked. */
typedef struct PfGoal
{
	const char *name;			/* of the model, or what is done; for notices */
	char	   *metric;
	int			direction;		/* +1: more is better, -1: less is */
	int64		seed;
	bool		train_scores;
} PfGoal;

/* A load for folds, and the arguments that all calls of this folder have. */
typedef struct PfTuneRequest
{
	const char *function;		/* for messages */
	PfTrainRequest train;
	int			nfolds;
	char	   *order_by;		/* or NULL */
	PfGoal		goal;
} PfTuneRequest;

/* folds.c */
extern PfFolds *pf_folds_make(PfLoaded *loaded, int n, bool has_key, const char *order_by,
							  int max_bins);

/*
 * fold.c.  A fold as a load of its own, in the current context: its training rows, the first
 * `share` of them in hash order, and the rows it is measured on as validation rows; values or
 * bins, whatever the trial wants.  And all rows, as ml_train would have loaded them; they may be
 * the load's own.
 */
extern PfLoaded *pf_fold_rows(const PfFolds *folds, int fold, double share, const PfTrial *trial);
extern PfLoaded *pf_fold_all(const PfFolds *folds, const PfTrial *trial);

/*
 * Trains on a fold and measures: a trial, and n - 1 that are parts of it.  With catch_errors an
 * error is the score of all.
 */
extern void pf_fold_run(const PfFolds *folds, int fold, double share, PfTrial *const *trials, int n,
						const PfGoal *goal, bool catch_errors, PfFoldScore *scores);

/* May an error be that of a trial?  Not when it is the user who ends everything, or a bug. */
extern bool pf_fold_may_fail(const ErrorData *error);

/*
 * families.c: sets the heads of trials, so that each has as many views at most as there is memory
 * for; and the bytes that so many take in a process that trains on a fold.  hurried: trials with few trees
 * do not wait for one with many, since a budget may end it.
 */
extern void pf_families_find(PfTrial **trials, int n, uint32 max_views, bool hurried);
extern uint32 pf_family_max_views(const PfFolds *folds);
extern uint64 pf_family_memory(const PfFolds *folds, uint32 views);

/* The view of its head's trees that a part is, added to parts when it is not there; 0: the whole trees. */
extern uint32 pf_family_view(const PfTrial *head, const PfTrial *part, PfParts *parts);

/*
 * deadline.c: between set and clear the next interrupt check of ours after so many seconds since the
 * start is an error, by which pf_deadline_ended tells that it came.  NaN: never.
 */
extern bool pf_deadline_is_over(instr_time start, double budget);
extern void pf_deadline_set(instr_time start, double budget);
extern void pf_deadline_clear(void);
extern bool pf_deadline_ended(void);

/* tasks.c: a trial on a fold, done or not. */
typedef struct PfFoldTask
{
	PfTrial    *trial;
	int			fold;
	double		share;			/* of its training rows */
	bool		done;
	bool		stopped;		/* the budget was spent while it was under way */
	PfFoldScore score;
} PfFoldTask;

/*
 * Runs tasks, those of a trial side by side in the array, as far as the seconds since the start
 * suffice (NaN: all).  With catch_errors a trial that fails on a fold has the error there, and is
 * not run on later folds; without there is no budget.
 */
extern void pf_fold_run_tasks(const PfFolds *folds, PfFoldTask *tasks, int n, const PfGoal *goal,
							  instr_time start, double budget, bool catch_errors);

/*
 * request.c: arguments by position, NULL when they are; all errors before a row is read.
 * pf_tune_columns reads task, features, exclude, key, weight, order_by from `first` on.
 */
extern char *pf_tune_text(FunctionCallInfo fcinfo, int n);
extern void pf_tune_need(FunctionCallInfo fcinfo, int n, const char *function, const char *name);
extern void pf_tune_columns(FunctionCallInfo fcinfo, int first, PfTuneRequest *request);

/* The trial of an algorithm; errors as in ml_train. */
extern PfTrial *pf_trial_make(const PfAlgorithm *algorithm, Jsonb *given);

/* search.c: a value as JSON; error when a parameter is one of the load's and cannot be searched. */
extern char *pf_json_text(JsonbValue *value);
extern void pf_check_searchable(const char *parameter);

/* Bytes that so many participants take, each with a trial of its own, beside the rows. */
extern uint64 pf_tune_memory(const List *trials, const PfMatrix *sizes, int participants);

/*
 * Opens and checks the source with the trials that come into question, and loads its rows
 * into folds.  What the trials need of memory is checked, too.  With catch_errors a trial whose
 * parameters do not fit keeps the error, else it is one.
 */
extern PfFolds *pf_tune_load(PfTuneRequest *request, List *trials, bool catch_errors);

#endif							/* PF_TUNE_H */

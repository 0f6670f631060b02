/*
 * train.h
 *	  The stages of ml_train, for others that make versions (tune/).
 */
#ifndef PF_TRAIN_H
#define PF_TRAIN_H

#include "postgres.h"
#include "portability/instr_time.h"

#include "catalog/models.h"
#include "progress/progress.h"
#include "train/algorithms.h"

/* What the user asked for; strings are NULL when the argument is. */
typedef struct PfTrainRequest
{
	char	   *model;
	char	   *note;
	int64		seed;
	const PfAlgorithm *algorithm;
	PfTrainParams *params;
	PfLoadSpec	load;
	char	   *recipe_name;
	Jsonb	   *recipe;			/* that the source's rows go through, or NULL */
	char	   *source;
} PfTrainRequest;

/* Arguments: errors when the value is not one of theirs. */
extern PfTask pf_parse_task(const char *task);	/* NULL: from the target */
extern double pf_check_holdout(double holdout);

/* Opens the source, seen through the recipe when there is one. */
extern void pf_train_open_source(PfTrainRequest *request);

/*
 * May the caller train this model, and as this task?  Checked again when the
 * version is stored; here so that nobody waits an hour for a refusal.
 */
extern void pf_train_check_model(const char *name, PfTask task);

/* Notices of rows that were left out, and of classes that no held-out row has. */
extern void pf_train_report_rows(const PfLoaded *loaded, uint32 max_rows);

/* Describes the model by the rows, grows and calibrates it; see PfAlgorithm.grow. */
extern void pf_train_grow(const PfAlgorithm *algorithm, const PfTrainParams *params,
						  PfLoaded *loaded, int64 seed, PfModel *model, PfGrown *grown);

/* Predictions for rows held out, before or after the trees were asked; see train.c. */
extern double *pf_train_predict(const PfEnv *env, const PfModel *model, PfHeldOut *held);

/* A metric of the whole set; NaN when it is not among them. */
extern double pf_train_metric(const PfMetrics *metrics, const char *name);

/*
 * What the rows were like, into version->baseline; predicted: the answers of n rows that
 * were held out or are out of bag, or are as good as those, if there are any.
 */
extern void pf_train_baseline(const PfEnv *env, const PfLoaded *loaded, const PfModel *model,
							  const double *predicted, int64 n, PfNewVersion *version);

/* Grows, measures, stores; the number of the version, and what was stored in *version. */
extern int32 pf_train_version(const PfTrainRequest *request, PfLoaded *loaded,
							  const PfProgress *progress, instr_time start,
							  PfNewVersion *version);

#endif							/* PF_TRAIN_H */

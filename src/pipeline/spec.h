/*
 * spec.h
 *	  What a pipeline is told, as a value.
 */
#ifndef PF_PIPELINE_SPEC_H
#define PF_PIPELINE_SPEC_H

#include "postgres.h"
#include "nodes/pg_list.h"
#include "pipeline/gate.h"
#include "utils/jsonb.h"

/* One training: an algorithm with one value for each parameter, or with lists of them for ml_tune. */
typedef struct PfExperiment
{
	const char *algorithm;
	Jsonb	   *params;			/* NULL: all by default */
} PfExperiment;

/* Strings are NULL and lists NIL when they are not given. */
typedef struct PfPipelineSpec
{
	char	   *model;

	/* raw rows */
	char	   *source;
	char	   *raw;
	int64		batch_size;		/* 0: not given */
	int64		max_batches;	/* 0: not given */
	char	   *order_by;
	Jsonb	   *format;
	char	   *on_error;
	bool		create_table;

	/* clean rows */
	char	   *recipe;
	Jsonb	   *steps;			/* of a recipe that the pipeline makes itself */
	char	   *clean;
	char	   *clean_key;		/* column by which new raw rows are told */

	/* training; without a target the newest version is repeated */
	char	   *target;
	char	   *task;
	List	   *features;
	List	   *exclude;
	List	   *key;
	char	   *weight;
	char	   *split;
	double		holdout;		/* NaN: not given */
	int64		seed;
	char	   *note;
	List	   *experiments;	/* of PfExperiment *; NIL: retrain */
	int64		folds;			/* 0: no cross-validation */
	char	   *strategy;
	int64		trials;			/* 0: not given */
	double		seconds;		/* NaN: not given */
	int64		run_when_rows;	/* 0: always */
	char	   *on_drift;		/* retrain, stop, alert; NULL: not looked for */
	char	   *drift_source;	/* rows to look at; NULL: those to be scored, or trained on */

	PfGate		gate;

	/* batch scoring; score_target NULL: none */
	char	   *score_source;
	char	   *score_target;
	List	   *score_key;
	char	   *score_on_drift;

	char	   *schedule;
} PfPipelineSpec;

/* Checks all of it, key by key; errors name all unknown ones and what may have been meant. */
extern PfPipelineSpec *pf_pipeline_spec(Jsonb *json);

/* The rows to train on: the clean table, or the raw one; NULL: what the newest version was trained on. */
extern const char *pf_pipeline_rows(const PfPipelineSpec *spec);

#endif							/* PF_PIPELINE_SPEC_H */

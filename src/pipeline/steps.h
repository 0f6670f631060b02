/*
 * steps.h
 *	  The steps of a pipeline: what they are, and doing one.
 */
#ifndef PF_PIPELINE_STEPS_H
#define PF_PIPELINE_STEPS_H

#include "postgres.h"
#include "catalog/runs.h"
#include "pipeline/spec.h"

typedef enum PfPipelineStepKind
{
	PF_STEP_INGEST,
	PF_STEP_RECIPE,
	PF_STEP_CLEAN,
	PF_STEP_ROWS,
	PF_STEP_DRIFT,
	PF_STEP_TRAIN,
	PF_STEP_TUNE,
	PF_STEP_RETRAIN,
	PF_STEP_PROMOTE,
	PF_STEP_SCORE
} PfPipelineStepKind;

typedef struct PfPipelineStep
{
	PfPipelineStepKind	kind;
	char	   *statement;		/* SQL; of what depends on earlier steps, what is known before */
	bool		commits;		/* a procedure that ends transactions itself */
	bool		done;
	PfOutcome	outcome;		/* once it is done */
} PfPipelineStep;

typedef enum PfDrift
{
	PF_DRIFT_UNKNOWN,			/* not looked for, or there is no version to compare with */
	PF_DRIFT_NONE,
	PF_DRIFT_FOUND
} PfDrift;

/* A run under way. */
typedef struct PfRun
{
	PfPipeline	pipeline;
	PfPipelineSpec *spec;
	const char *schema;			/* of our functions */
	List	   *steps;			/* of PfPipelineStep * */
	int64		id;
	int64		resumes;		/* run that it goes on from; 0: none */
	MemoryContext context;		/* of all of this; outlives transactions */
	int64		model;			/* the model's number; 0: there is none yet */
	int64		rows;			/* counted to be trained on; -1: not */
	bool		few;			/* fewer new ones than run_when_rows */
	PfDrift		drift;
	const char *skip;			/* why nothing is trained; NULL: it is */
} PfRun;

extern const char *pf_pipeline_step_name(PfPipelineStepKind kind);

/* All steps, in order; the number of them does not depend on what is in the database. */
extern List *pf_pipeline_steps(const PfPipelineSpec *spec, const char *pipeline, const char *schema);

/* Does the step make a version? */
extern bool pf_pipeline_step_trains(const PfPipelineStep *step);

/* The number of the run's model; 0: there is none. */
extern int64 pf_pipeline_model(const PfRun *run);

/* Does a step, with SPI connected, and fills its outcome; errors are the caller's to catch. */
extern void pf_pipeline_step_do(PfRun *run, PfPipelineStep *step);

#endif							/* PF_PIPELINE_STEPS_H */

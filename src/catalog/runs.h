/*
 * runs.h
 *	  Pipelines, their runs and the steps of these in our tables.
 *
 * What writes needs SPI connected; it runs as our tables' owner (see write.c).  Rights are the
 * caller's to check.  What is read comes from the active snapshot, in the current context.
 */
#ifndef PF_CATALOG_RUNS_H
#define PF_CATALOG_RUNS_H

#include "postgres.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

typedef struct PfPipeline
{
	int64		id;
	char	   *name;
	char	   *owner;			/* role that first declared it */
	char	   *declared_by;	/* role that stored what it says now */
	Jsonb	   *spec;
	char	   *search_path;	/* of that role then */
	int32		revision;		/* how often it was declared */
} PfPipeline;

/* Error invalid_name unless it has 1 to 63 bytes, no control characters, and is not all blank. */
extern void pf_check_pipeline_name(const char *name);

/* The pipeline of that name; false when there is none. */
extern bool pf_catalog_pipeline(const char *name, PfPipeline *pipeline);

/* Errors: undefined_object (hint: nearest name); insufficient_privilege for who is not of its owner. */
extern void pf_catalog_need_pipeline(const char *name, PfPipeline *pipeline);

/* Declares it, anew when it is there; the caller has been checked to be of its owner. */
extern void pf_catalog_put_pipeline(const char *name, Jsonb *spec, const char *search_path);

/* Runs outlive it. */
extern void pf_catalog_drop_pipeline(const PfPipeline *pipeline);

/* ----- runs ----- */

/* What is stored of a run or a step that is over. */
typedef struct PfOutcome
{
	const char *status;			/* success, failure, cancelled, skipped, kept */
	int32		version;		/* 0: none */
	int64		rows;			/* -1: not counted */
	int			promoted;		/* 1, 0; -1: not asked for */
	const char *reason;			/* in words, or NULL */
	ErrorData  *error;			/* or NULL */
} PfOutcome;

typedef struct PfRunStep
{
	int32		step;
	char	   *kind;
	char	   *statement;
	char	   *status;
	int32		version;		/* 0: none */
	int64		rows;			/* -1: none */
} PfRunStep;

typedef struct PfRunInfo
{
	int64		id;
	char	   *role;
	char	   *status;			/* lost instead of running when its process is gone */
	int32		pid;
	int32		revision;
} PfRunInfo;

/* The run with that number; false when there is none (that is a pipeline's). */
extern bool pf_catalog_run(int64 id, PfRunInfo *run);

/* The last run of a pipeline; and its steps (PfRunStep *) in order. */
extern bool pf_catalog_last_run(int64 pipeline, PfRunInfo *run);
extern List *pf_catalog_run_steps(int64 run);

/* The rows that there were when a run of the pipeline last came to its end; -1: never, or not counted. */
extern int64 pf_catalog_rows_before(int64 pipeline);

/* Runs that are "running" while nobody holds the pipeline's lock: to be called by who does.  Were there any? */
extern bool pf_catalog_lose_runs(int64 pipeline);

/* A run begins; resumes: 0 or the one that it goes on from.  Its number. */
extern int64 pf_catalog_begin_run(const PfPipeline *pipeline, const char *model, int64 resumes);
extern void pf_catalog_end_run(int64 run, const PfOutcome *outcome);

extern void pf_catalog_begin_step(int64 run, int32 step, const char *kind, const char *statement);
extern void pf_catalog_end_step(int64 run, int32 step, const char *statement,
								const PfOutcome *outcome);

/*
 * What versions made from now on in this session are part of, for their row in pgforest.run.
 * Whoever sets it sets it back on every path.
 */
typedef struct PfRunOrigin
{
	const char *kind;			/* NULL: as the call says */
	int64		parent;			/* 0: none */
	int64		model;			/* the one that is trained again: it is not made anew; 0: any */
} PfRunOrigin;

extern PfRunOrigin pf_run_origin;

#endif							/* PF_CATALOG_RUNS_H */

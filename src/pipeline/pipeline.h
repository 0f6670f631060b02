/*
 * pipeline.h
 *	  What the calls on pipelines share.
 */
#ifndef PF_PIPELINE_H
#define PF_PIPELINE_H

#include "postgres.h"
#include "catalog/runs.h"

/*
 * The pipeline, if the caller may run what it says: its SQL runs with his rights, so whoever
 * stored it must be trusted by him, and a superuser trusts nobody.  Errors as
 * pf_catalog_need_pipeline, and insufficient_privilege.
 */
extern void pf_pipeline_open(const char *name, PfPipeline *pipeline);

/* The key of its alert of that event: run_failed, or drift. */
extern char *pf_pipeline_alert_key(const PfPipeline *pipeline, const char *event);

/* schedule.c: with SPI connected.  The job's number; and whether there was one that is the caller's. */
extern int64 pf_schedule_pipeline(const PfPipeline *pipeline, const char *schema, const char *cron);
extern bool pf_unschedule_pipeline(const PfPipeline *pipeline);

#endif							/* PF_PIPELINE_H */

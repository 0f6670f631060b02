/*
 * scan.h
 *	  Running a source: every row goes into a callback, or into several in
 *	  parallel.
 */
#ifndef PF_SCAN_H
#define PF_SCAN_H

#include "postgres.h"
#include "storage/dsm.h"

#include "load/source.h"

/*
 * One row: values and nulls are by the position in the column list asked for.
 * The current context is emptied after it, and the values are gone then.
 */
typedef void (*PfRowCallback) (Datum *values, bool *nulls, void *arg);

typedef struct PfScan PfScan;

/*
 * Plans SELECT columns FROM source; columns: list of char *.  Access rights and
 * row security are PostgreSQL's own, as the current user.  share_from: of so many rows,
 * as the planner thinks, the caller would like a shared scan; INFINITY: of none.  Memory: the
 * current context.
 */
extern PfScan *pf_scan_plan(const PfSource *source, List *columns, double share_from);

/*
 * May its rows be taken by parallel workers?  So when PostgreSQL would read it in
 * parallel if rows cost nothing to hand over, and it is no more than a scan of tables with
 * conditions, so that to read it twice costs little and gives the same rows.
 */
extern bool pf_scan_is_shared(const PfScan *scan);

/* How many rows it gives, as the planner thinks. */
extern double pf_scan_rows(const PfScan *scan);

/*
 * Runs it under the active snapshot, read only, straight into the callback: no
 * cursor, no tuplestore.  Rows that parallel workers find come through their
 * queues to the callback here.  Returns the number of rows.
 */
extern uint64 pf_scan_run(PfScan *scan, PfRowCallback callback, void *arg);

/*
 * The same for a shared scan, but each process takes the rows that it finds itself:
 * here they go into callback(arg), in a worker into what pf_team_join makes of
 * the segment; pf_team_leave is called in the worker when it is at the end.
 */
extern void pf_scan_run_shared(PfScan *scan, PfRowCallback callback, void *arg, dsm_handle segment);

/* A row at a time, plan and run in one. */
extern uint64 pf_source_scan(const PfSource *source, List *columns,
							 PfRowCallback callback, void *arg);

/* _PG_init: parallel workers find the node of a shared scan by its name. */
extern void pf_scan_init(void);

/* team.c: what a worker of a shared scan does. */
extern void *pf_team_join(dsm_segment *segment);
extern void pf_team_row(Datum *values, bool *nulls, void *member);
extern void pf_team_leave(void *member);

/* What the leader does when it finds no more rows: it waits for those that workers have. */
extern void pf_team_wait(void *load);

#endif							/* PF_SCAN_H */

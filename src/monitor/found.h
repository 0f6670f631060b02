/*
 * found.h
 *	  What is tested for drift, and what was found: kept, and said in a line.  Private to
 *	  this folder.
 */
#ifndef PF_MONITOR_FOUND_H
#define PF_MONITOR_FOUND_H

#include "postgres.h"
#include "catalog/alert.h"
#include "catalog/monitor.h"
#include "lib/stringinfo.h"
#include "load/source.h"
#include "nodes/pg_list.h"

/* A select list of the columns of a source but one (or NULL: all). */
extern char *pf_columns_but(const PfSource *source, const char *column);

/* Stores the rows of pf_drift; window->monitor is 0 for a batch. */
extern void pf_drift_keep(const PfVersionInfo *version, const PfWindow *window, List *rows);

/*
 * What drifted, in a line; NULL: nothing.  Adds the figures to the fields of a JSON object.  In the
 * current context.
 */
extern char *pf_drift_summary(List *rows, StringInfo details);

/* The same of the rows of pf_check_source, as far as they are more than remarks; how severe the worst is. */
extern char *pf_quality_summary(List *violations, PfSeverity *severity, StringInfo details);

#endif							/* PF_MONITOR_FOUND_H */

/*
 * drift.h
 *	  Are rows still like those that a version was trained on?
 *
 * For ml_drift, and for whoever scores or watches.
 */
#ifndef PF_DRIFT_H
#define PF_DRIFT_H

#include "postgres.h"
#include "nodes/pg_list.h"

#include "catalog/models.h"
#include "engine/measure/distance.h"
#include "load/source.h"

/* A row of ml_drift; NaN is NULL. */
typedef struct PfDriftRow
{
	const char *feature;		/* a feature, (prediction), (target), (all) */
	const char *test;			/* ks, chi2, psi, js, wasserstein, missing, unseen, any */
	double		statistic;
	double		p_value;
	double		threshold;
	bool		drifted;
	int64		reference_rows;
	int64		current_rows;
	double		effect;
	const char *slice;			/* or NULL: all rows */

	/* between the test and the judgement */
	bool		significant;	/* drifts only if the p-value is significant */
	double		least;			/* and the effect (or statistic) is so large; NaN: any */
} PfDriftRow;

typedef struct PfDriftOptions
{
	const char *reference;		/* a source to compare with; NULL: the stored baseline */
	const char *tests;			/* NULL: auto */
	double		threshold;		/* NaN: each test's own */
	const char *correction;		/* NULL: bonferroni */
	List	   *by;				/* names of columns whose values make slices */
} PfDriftOptions;

#define PF_DRIFT_DEFAULTS {.threshold = NAN}

/*
 * Reads the source as the current user, once, and compares.  The rows of a slice end with one
 * for the whole: (all).  Everything is checked before the first row is read; right PREDICT was
 * checked by the caller (pf_catalog_resolve).  Returns PfDriftRow *, in the current context.
 */
extern List *pf_drift(const PfVersionInfo *version, const char *source,
					  const PfDriftOptions *options);

/* The same of a profile made by ml_profile_agg. */
extern List *pf_drift_of_profile(const PfVersionInfo *version, const bytea *profile,
								 const PfDriftOptions *options);

/*
 * The same of rows that somebody else reads: start, add each, finish.  options->reference and by
 * must not be set.
 */
typedef struct PfDriftWatch PfDriftWatch;

extern PfDriftWatch *pf_drift_start(const PfVersionInfo *version, TupleDesc desc,
									const PfDriftOptions *options);
extern void pf_drift_add(PfDriftWatch *watch, const Datum *values, const bool *nulls);
extern List *pf_drift_finish(PfDriftWatch *watch);

/* Does any row say so? */
extern bool pf_drift_found(List *rows);

#endif							/* PF_DRIFT_H */

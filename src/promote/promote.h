/*
 * promote.h
 *	  What ml_promote is asked for, and the comparison that decides.
 */
#ifndef PF_PROMOTE_H
#define PF_PROMOTE_H

#include "postgres.h"
#include "nodes/pg_list.h"
#include "catalog/models.h"
#include "engine/measure/paired.h"
#include "evaluate/score.h"
#include "load/source.h"

/* The arguments of a call, checked. */
typedef struct PfPromotion
{
	PfModelInfo model;
	PfTask		task;
	int32		version;		/* 0: the best */
	List	   *candidates;		/* of int: which may be the best; NIL: all */
	char	   *alias;
	char	   *metric;			/* never NULL */
	int			direction;		/* +1: more is better, -1: less is */
	double		threshold;		/* NaN: none */
	double		max_regression; /* NaN: none */
	double		confidence;		/* NaN: none */
	int64		min_rows;		/* 0: none */
	List	   *by;
	char	   *source;			/* NULL: the newest version's own */
	char	   *note;
	bool		measure;		/* anything to measure at all? */
} PfPromotion;

/* What came of it. */
typedef struct PfVerdict
{
	int32		version;
	int32		incumbent;		/* 0: the alias is new */
	bool		promote;
	char	   *reason;
	double		score;			/* NaN: not measured */
	double		incumbent_score;
	int64		rows;			/* -1: not measured */
} PfVerdict;

/* Measures the candidates and the incumbent on the same rows and decides (compare.c). */
extern void pf_promotion_compare(const PfPromotion *promotion, int32 incumbent,
								 PfVerdict *verdict);

/* Is it a metric of the task? */
extern bool pf_promotion_has_metric(PfTask task, const char *metric);

/* Error invalid_parameter_value, with their names, when it is no metric of the task. */
extern void pf_promotion_check_metric(PfTask task, const char *metric);
/* Did two versions keep the same rows out of training? */
extern bool pf_same_split(const PfVersionInfo *a, const PfVersionInfo *b);

/* Errors when two versions predict different columns, or held out different rows and no source was passed. */
extern void pf_need_comparable(const PfVersionInfo *a, const PfVersionInfo *b, const char *source);

/* The rows to compare on: the source, or what the newest version's own query gives, as the caller. */
extern PfSource *pf_comparison_source(const PfVersionInfo *newest, const char *source);

/* ----- pair.c: how sure is a difference ----- */

#define PF_RESAMPLES 1000

/* Two versions on the rows of a source, and their metrics in resamples of these rows. */
typedef struct PfPair
{
	PfScores   *scores;
	uint32		resamples;
	uint32		nmetrics;
	PfPairedMetric *metrics;
} PfPair;

/*
 * All metrics, or the one of a name.  held_out: only the rows that both kept out of training.
 * Memory: the current context, with both models held in it.
 */
extern PfPair *pf_pair_measure(const PfSource *source, PfVersionInfo *const *versions,
							   bool held_out, const char *only, uint32 resamples);

/* The interval of the second's metric less the first's; false when it is not defined. */
extern bool pf_pair_interval(const PfPair *pair, const char *metric, double confidence,
							 double *low, double *high);

#endif							/* PF_PROMOTE_H */

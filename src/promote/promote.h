/*
 * promote.h
 *	  What ml_promote is asked for, and the comparison that decides.
 */
#ifndef PF_PROMOTE_H
#define PF_PROMOTE_H

#include "postgres.h"
#include "nodes/pg_list.h"
#include "catalog/models.h"

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

#endif							/* PF_PROMOTE_H */

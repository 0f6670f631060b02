/*
 * check.h
 *	  Can a version answer for rows, and are they such as it knows?
 *
 * For ml_check, and for whoever watches.
 */
#ifndef PF_CHECK_H
#define PF_CHECK_H

#include "postgres.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "catalog/models.h"

typedef struct PfViolation
{
	const char *feature;		/* or column; NULL: the source as a whole */
	const char *problem;
	const char *severity;		/* info, warning or critical */
	double		value;			/* NaN is NULL, here and below */
	double		threshold;
	int64		rows;			/* that it is about; -1: NULL */
	char	   *detail;
} PfViolation;

/*
 * Reads the source as the current user, once.  limits: see ml_check; NULL: none are given.
 * Returns PfViolation *, in the current context; right PREDICT was checked by the caller.
 */
extern List *pf_check_source(const PfVersionInfo *version, const char *source, Jsonb *limits);

#endif							/* PF_CHECK_H */

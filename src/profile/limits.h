/*
 * limits.h
 *	  What ml_check lets pass.
 *
 * Private to this folder.
 */
#ifndef PF_LIMITS_H
#define PF_LIMITS_H

#include "utils/jsonb.h"

#include "profile/watch.h"

/* Of one feature; NaN: not given. */
typedef struct PfLimits
{
	double		missing;		/* shares of the rows */
	double		unseen;
	double		out_of_range;
	double		min;			/* values */
	double		max;
	bool		ignore;
} PfLimits;

typedef struct PfAllLimits
{
	double		min_rows;
	double		max_rows;
	PfLimits   *features;		/* by column of the profile */
} PfAllLimits;

/*
 * {"min_rows": 100, "max_missing": 0.1, ..., "features": {"age": {"min": 0, "max_missing": 0}}}
 * All that is wrong in it is an error.
 */
extern PfAllLimits *pf_limits_parse(const PfWatched *watched, Jsonb *limits);

#endif							/* PF_LIMITS_H */

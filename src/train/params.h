/*
 * params.h
 *	  Hyper-parameters from jsonb, checked against the engine's table.
 */
#ifndef PF_TRAIN_PARAMS_H
#define PF_TRAIN_PARAMS_H

#include "postgres.h"
#include "utils/jsonb.h"
#include "engine/grow/params.h"
#include "load/load.h"

/* Either a count, a share, or a name; kind of what max_features and max_samples are. */
typedef struct PfAmount
{
	bool		given;
	bool		is_share;
	double		value;
	const char *name;			/* sqrt, log2, or NULL */
} PfAmount;

typedef struct PfTrainParams
{
	PfForestParams forest;		/* what does not depend on the rows */
	int			max_bins;
	uint32		max_rows;		/* 0: all */
	const char *criterion;		/* NULL: the task's */
	PfAmount	max_features;
	PfAmount	max_samples;
	int			nclass_weights; /* an explicit class_weight */
	char	  **class_names;
	double	   *class_weights;
	const char **text;			/* each parameter of the table as JSON, NULL: not given */
} PfTrainParams;

/*
 * Checks names, types and ranges.  Errors: invalid_parameter_value, with the
 * nearest name or the allowed range as hint.  Memory: the current context.
 */
extern PfTrainParams *pf_params_check(Jsonb *given);

/* What depends on the task alone; error when a parameter does not fit it. */
extern void pf_params_fit_task(PfTrainParams *params, PfTask task);

/* What depends on the rows: counts for shares, weights for classes. */
extern void pf_params_fit_rows(PfTrainParams *params, const PfLoaded *loaded, int64 seed);

/* All parameters with the defaults filled in, after pf_params_fit_task. */
extern Jsonb *pf_params_filled(const PfTrainParams *params, PfTask task);

#endif							/* PF_TRAIN_PARAMS_H */

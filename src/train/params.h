/*
 * params.h
 *	  Hyper-parameters from jsonb, read by the table of an algorithm.
 */
#ifndef PF_TRAIN_PARAMS_H
#define PF_TRAIN_PARAMS_H

#include "postgres.h"
#include "utils/jsonb.h"
#include "engine/grow/params.h"
#include "load/load.h"

typedef struct PfTrainParams
{
	const PfParam *table;		/* of the algorithm */
	const char *algorithm;		/* its name, for hints */
	PfParams	given;			/* or by default */
	const char **text;			/* each parameter of the table as JSON */
} PfTrainParams;

/*
 * Checks names, types and ranges.  Errors: invalid_parameter_value, with the
 * nearest name or the allowed range as hint.  Memory: the current context.
 */
extern PfTrainParams *pf_params_check(const PfParam *table, const char *algorithm, Jsonb *given);

/* What a null came to, to be kept with the version: JSON. */
extern void pf_params_settle(PfTrainParams *params, const char *name, const char *json);

/* All parameters with the defaults filled in. */
extern Jsonb *pf_params_filled(const PfTrainParams *params);

/* The share of the training rows that the loader marks for early stopping; 0: none. */
extern double pf_params_apart(const PfParams *given);

/* How many an amount is of all; `none` when it was not given. */
extern uint32 pf_params_count(const PfAmount *amount, uint32 all, uint32 none);

/* The explicit weights of the classes that a class_weight names; error when one is not there. */
extern double *pf_params_class_weights(const PfNumbers *weights, const PfLoaded *loaded);

#endif							/* PF_TRAIN_PARAMS_H */

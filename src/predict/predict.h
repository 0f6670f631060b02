/*
 * predict.h
 *	  What ml_predict does for a row, for those who do more with the answer.
 */
#ifndef PF_PREDICT_H
#define PF_PREDICT_H

#include "postgres.h"
#include "fmgr.h"
#include "utils/array.h"
#include "catalog/models.h"
#include "engine/model/model.h"
#include "predict/usage.h"

typedef struct PfAnswer
{
	const PfVersionInfo *version;
	const PfModel *model;
	const double *out;			/* shares of the classes, or the value or score; of this call */
	PfUsage    *usage;			/* for pf_usage_end when all is done */
	MemoryContext context;		/* of this resolution of the reference */
	void	  **kept;			/* for the caller's use, NULL at first; goes with the context */
} PfAnswer;

/*
 * Answers a call whose first arguments are (model text, features jsonb), with what is
 * remembered between rows in fn_extra.  False when there are no features; all but out
 * is filled even so.
 */
extern bool pf_answer_json(FunctionCallInfo fcinfo, PfAnswer *answer);

extern ArrayType *pf_float8_array(const double *values, int n);

#endif							/* PF_PREDICT_H */

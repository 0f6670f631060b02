/*
 * prediction.h
 *	  Captured requests: the table pgforest.prediction, and what of a model is captured.
 */
#ifndef PF_PREDICTION_H
#define PF_PREDICTION_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "catalog/models.h"

/* The share of a model's requests that is captured: its own, or pgforest.capture_sample_rate. */
extern double pf_capture_rate(int64 model);

/* Sets what is captured of a model; NaN and NULL: as the settings say. */
extern void pf_capture_set(const char *model, double sample_rate, const Interval *retention);

typedef struct PfRequest
{
	const PfVersionInfo *version;
	text	   *request_id;		/* or NULL */
	Jsonb	   *features;
	text	   *prediction;
	ArrayType  *probabilities;	/* or NULL */
	double		sample_rate;
} PfRequest;

/* Adds a row for a request that is answered now. */
extern void pf_capture(const PfRequest *request);

/* What is too old goes: rows first, then partitions that nobody uses just then. */
extern void pf_capture_expire(int64 *rows, int32 *partitions);

#endif							/* PF_PREDICTION_H */

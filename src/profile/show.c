/*
 * show.c
 *	  ml_profile: a profile as rows, that of the training or one that was made later.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "profile/watch.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(ml_profile);

static const double shares[] = {0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99};

static void
put_double(Datum *values, bool *nulls, int column, double value)
{
	nulls[column] = isnan(value);
	values[column] = Float8GetDatum(value);
}

static Datum
float8_array(const double *elements, int n)
{
	Datum	   *datums = palloc((n + 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		datums[i] = Float8GetDatum(elements[i]);
	return PointerGetDatum(construct_array(datums, n, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

static Datum
counts_array(const uint64_t *elements, int n)
{
	Datum	   *datums = palloc((n + 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		datums[i] = Int64GetDatum((int64) elements[i]);
	return PointerGetDatum(construct_array(datums, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
										   TYPALIGN_DOUBLE));
}

/* The categories that have a cell of their own; NULL stands for all others. */
static Datum
categories_array(const PfWatched *watched, uint32 column, const PfFrame *frame)
{
	Datum	   *datums = palloc((frame->ncells + 1) * sizeof(Datum));
	bool	   *nulls = palloc0(frame->ncells + 1);
	int			n = (int) frame->ncells;
	int			first = 1;

	for (uint32 c = 0; c < frame->ncells; c++)
	{
		nulls[c] = c == frame->nlisted;
		if (nulls[c])
			continue;
		datums[c] = PointerGetDatum(pf_category_text(watched, column, frame->listed[c]));
	}
	return PointerGetDatum(construct_md_array(datums, nulls, 1, &n, &first, TEXTOID, -1, false,
											  TYPALIGN_INT));
}

/* ml_profile(model text, profile bytea) */
Datum
ml_profile(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	PfVersionInfo version;
	PfWatched  *watched;
	PfProfile	profile;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "model")));
	pf_catalog_resolve(text_to_cstring(PG_GETARG_TEXT_PP(0)), PF_RIGHT_PREDICT, &version);
	watched = pf_watch(&version);
	pf_watch_need_baseline(watched, "Train a new version: from then on what its rows are like is stored with it.");
	profile = watched->baseline;
	if (!PG_ARGISNULL(1))
		pf_watch_read(watched, PG_GETARG_BYTEA_PP(1), &profile);

	InitMaterializedSRF(fcinfo, 0);
	for (uint32 i = 0; i < watched->ncolumns; i++)
	{
		const PfFrame *frame = &watched->frames[i];
		const PfTally *tally = &profile.tallies[i];
		Datum		values[14];
		bool		nulls[14] = {false};
		double		mean;
		double		sd;
		double		quantiles[lengthof(shares)];
		bool		number = frame->kind == PF_NUMBER;

		CHECK_FOR_INTERRUPTS();
		if (!frame->present)
			continue;
		pf_tally_moments(frame, tally, &mean, &sd);
		values[0] = CStringGetTextDatum(pf_watched_name(watched, i));
		values[1] = CStringGetTextDatum(number ? "number" : "category");
		values[2] = Int64GetDatum((int64) tally->rows);
		values[3] = Int64GetDatum((int64) tally->missing);
		values[4] = Int64GetDatum((int64) tally->unseen);
		values[5] = Int64GetDatum((int64) pf_tally_distinct(tally));
		put_double(values, nulls, 6, mean);
		put_double(values, nulls, 7, sd);
		put_double(values, nulls, 8, number ? tally->min : NAN);
		put_double(values, nulls, 9, number ? tally->max : NAN);
		for (int q = 0; q < (int) lengthof(shares); q++)
			quantiles[q] = pf_tally_quantile(frame, tally, shares[q]);
		nulls[10] = isnan(quantiles[0]);
		values[10] = float8_array(quantiles, lengthof(shares));
		nulls[11] = !number;
		if (number)
			values[11] = float8_array(frame->bins.cuts, frame->ncells > 0 ? (int) frame->ncells - 1 : 0);
		nulls[12] = number;
		if (!number)
			values[12] = categories_array(watched, i, frame);
		values[13] = counts_array(tally->cells, (int) frame->ncells);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

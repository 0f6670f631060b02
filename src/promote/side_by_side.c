/*
 * side_by_side.c
 *	  ml_compare: two versions of a model side by side.
 *
 * What they are and were trained with comes from the catalog; metrics from the rows that both
 * held out, or from those of a source.  Nothing is stored.
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "promote/promote.h"
#include "recipe/recipe.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(ml_compare);

#define LEAST_RESAMPLES 100
#define MOST_RESAMPLES	100000

typedef struct Comparison
{
	ReturnSetInfo *result;
	PfVersionInfo version[2];
	PfTrained	trained[2];
	double		confidence;
} Comparison;

static void
put_row(const Comparison *comparison, const char *kind, const char *name, const char *first,
		const char *second, const double *figures, int32 better)
{
	Datum		values[8];
	bool		nulls[8];

	memset(nulls, false, sizeof(nulls));
	values[0] = CStringGetTextDatum(kind);
	values[1] = CStringGetTextDatum(name);
	nulls[2] = first == NULL;
	if (first != NULL)
		values[2] = CStringGetTextDatum(first);
	nulls[3] = second == NULL;
	if (second != NULL)
		values[3] = CStringGetTextDatum(second);
	for (int i = 0; i < 3; i++)
	{
		nulls[4 + i] = figures == NULL || isnan(figures[i]);
		if (!nulls[4 + i])
			values[4 + i] = Float8GetDatum(figures[i]);
	}
	nulls[7] = better == 0;
	values[7] = Int32GetDatum(better);
	tuplestore_putvalues(comparison->result->setResult, comparison->result->setDesc, values, nulls);
}

/* ----- arguments ----- */

static void
read_version(FunctionCallInfo fcinfo, int n, const char *name, PfVersionInfo *version)
{
	char	   *model = text_to_cstring(PG_GETARG_TEXT_PP(0));

	pf_check_model_name(model);
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
	if (PG_GETARG_INT32(n) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("version must be 1 or more, not %d", PG_GETARG_INT32(n))));
	pf_catalog_resolve(psprintf("%s@%d", model, PG_GETARG_INT32(n)), PF_RIGHT_PREDICT, version);
	if (strcmp(version->model.task, "anomaly") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" is for anomalies and has no metrics to be compared by", model)));
}

static void
read_arguments(FunctionCallInfo fcinfo, Comparison *comparison, uint32 *resamples)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("model must not be null")));
	read_version(fcinfo, 1, "v1", &comparison->version[0]);
	read_version(fcinfo, 2, "v2", &comparison->version[1]);
	comparison->confidence = PG_ARGISNULL(4) ? NAN : PG_GETARG_FLOAT8(4);
	if (!(comparison->confidence > 0 && comparison->confidence < 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("confidence must be between 0 and 1"),
				 errhint("Leave it out for 0.95.")));
	*resamples = PG_ARGISNULL(5) ? 0 : (uint32) Max(PG_GETARG_INT32(5), 0);
	if (*resamples < LEAST_RESAMPLES || *resamples > MOST_RESAMPLES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("resamples must be between %d and %d", LEAST_RESAMPLES, MOST_RESAMPLES),
				 errhint("Leave it out for %d.", PF_RESAMPLES)));
}

/* ----- rows ----- */

static char *
recipe_name(const PfVersionInfo *version)
{
	PfRecipe   *recipe = version->recipe ? pf_recipe_read(version->recipe) : NULL;

	return recipe ? psprintf("%s@%d", recipe->name, recipe->version) : NULL;
}

static void
put_versions(const Comparison *comparison)
{
	const PfVersionInfo *version = comparison->version;
	const PfTrained *trained = comparison->trained;

	put_row(comparison, "version", "algorithm", version[0].algorithm, version[1].algorithm, NULL, 0);
	put_row(comparison, "version", "trained_at", trained[0].trained_at, trained[1].trained_at, NULL, 0);
	put_row(comparison, "version", "rows", psprintf(INT64_FORMAT, trained[0].rows),
			psprintf(INT64_FORMAT, trained[1].rows), NULL, 0);
	put_row(comparison, "version", "features", psprintf("%d", trained[0].features),
			psprintf("%d", trained[1].features), NULL, 0);
	put_row(comparison, "version", "seed", psprintf(INT64_FORMAT, trained[0].seed),
			psprintf(INT64_FORMAT, trained[1].seed), NULL, 0);
	put_row(comparison, "version", "note", trained[0].note, trained[1].note, NULL, 0);
	if (version[0].recipe != NULL || version[1].recipe != NULL)
		put_row(comparison, "version", "recipe", recipe_name(&version[0]), recipe_name(&version[1]), NULL, 0);
}

static char *
parameter_text(Jsonb *params, const char *name, int length)
{
	JsonbValue	value;

	if (getKeyJsonValueFromContainer(&params->root, name, length, &value) == NULL)
		return NULL;
	if (value.type == jbvString)
		return pnstrdup(value.val.string.val, value.val.string.len);
	return JsonbToCString(NULL, &JsonbValueToJsonb(&value)->root, 0);
}

/* The parameters of the first, then those that only the second has. */
static void
put_parameters(const Comparison *comparison)
{
	for (int v = 0; v < 2; v++)
	{
		JsonbIterator *it = JsonbIteratorInit(&comparison->trained[v].params->root);
		JsonbIteratorToken token;
		JsonbValue	key;

		while ((token = JsonbIteratorNext(&it, &key, true)) != WJB_DONE)
		{
			char	   *texts[2];

			if (token != WJB_KEY)
				continue;
			for (int i = 0; i < 2; i++)
				texts[i] = parameter_text(comparison->trained[i].params, key.val.string.val,
										  key.val.string.len);
			if (v == 0 || texts[0] == NULL)
				put_row(comparison, "parameter", pnstrdup(key.val.string.val, key.val.string.len),
						texts[0], texts[1], NULL, 0);
		}
	}
}

static void
put_metrics(const Comparison *comparison, const PfPair *pair)
{
	PfMetrics	metrics[2];
	char	   *rows = psprintf(INT64_FORMAT, pair->scores->rows);

	put_row(comparison, "measured", "rows", rows, rows, NULL, 0);
	for (int i = 0; i < 2; i++)
		pf_score_metrics(pair->scores, i, PF_WHOLE, &metrics[i], NULL);
	for (uint32 i = 0; i < metrics[0].count; i++)
	{
		const char *name = metrics[0].metrics[i].name;
		double		value[2];
		double		figures[3] = {NAN, NAN, NAN};
		char	   *texts[2];
		int32		better = 0;

		if (metrics[0].metrics[i].class >= 0)
			continue;
		for (int v = 0; v < 2; v++)
		{
			value[v] = pf_metric_value(&metrics[v], name);
			texts[v] = isnan(value[v]) ? NULL : double_to_shortest_decimal(value[v]);
		}
		figures[0] = value[1] - value[0];
		if (pf_pair_interval(pair, name, comparison->confidence, &figures[1], &figures[2]) &&
			(figures[1] > 0 || figures[2] < 0))
			better = comparison->version[(figures[1] > 0) == (pf_metric_direction(name) > 0)].version;
		put_row(comparison, "metric", name, texts[0], texts[1], figures, better);
	}
}

/*
 * ml_compare(model text, v1 int, v2 int, source text, confidence float8, resamples int)
 * returns table (kind, name, first, second, difference, low, high, better)
 */
Datum
ml_compare(PG_FUNCTION_ARGS)
{
	Comparison	comparison = {.result = (ReturnSetInfo *) fcinfo->resultinfo};
	PfVersionInfo *versions[2] = {&comparison.version[0], &comparison.version[1]};
	const PfVersionInfo *newest;
	char	   *given = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3));
	PfSource   *source;
	PfPair	   *pair;
	uint32		resamples;

	InitMaterializedSRF(fcinfo, 0);
	read_arguments(fcinfo, &comparison, &resamples);
	pf_need_comparable(versions[0], versions[1], given);
	newest = versions[versions[1]->version > versions[0]->version];
	source = pf_comparison_source(newest, given);
	for (int i = 0; i < 2; i++)
		pf_catalog_trained(versions[i], &comparison.trained[i]);
	pair = pf_pair_measure(source, versions, given == NULL, NULL, resamples);
	pf_score_notice(pair->scores);
	put_versions(&comparison);
	put_parameters(&comparison);
	put_metrics(&comparison, pair);
	return (Datum) 0;
}

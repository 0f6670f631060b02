/*
 * limits.c
 *	  The argument limits of ml_check; see limits.h.
 */
#include "postgres.h"

#include <math.h>

#include "profile/limits.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

/* The keys; those of a feature stand alone in its object, and apply to all when they stand outside. */
static const struct
{
	const char *name;
	size_t		offset;			/* in PfLimits; or NOT_OF_FEATURES */
	bool		share;
	bool		everywhere;
}			keys[] =
{
	{"max_missing", offsetof(PfLimits, missing), true, true},
	{"max_unseen", offsetof(PfLimits, unseen), true, true},
	{"max_out_of_range", offsetof(PfLimits, out_of_range), true, true},
	{"min", offsetof(PfLimits, min), false, false},
	{"max", offsetof(PfLimits, max), false, false},
};

static const PfLimits no_limits = {NAN, NAN, NAN, NAN, NAN, false};

static double
read_number(const char *key, const JsonbValue *value, bool share)
{
	double		number = NAN;

	if (value->type == jbvNumeric)
		number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
													NumericGetDatum(value->val.numeric)));
	if (isnan(number) || isinf(number) || (share && !(number >= 0 && number <= 1)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 share ? errmsg("limit \"%s\" must be a number between 0 and 1", key)
				 : errmsg("limit \"%s\" must be a number", key)));
	return number;
}

/* Sets what a key is about; false when there is no such key here. */
static bool
set_limit(const char *key, const JsonbValue *value, bool of_feature, PfLimits *limits)
{
	if (of_feature && strcmp(key, "ignore") == 0)
	{
		if (value->type != jbvBool)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("limit \"%s\" must be true or false", key)));
		limits->ignore = value->val.boolean;
		return true;
	}
	for (int i = 0; i < (int) lengthof(keys); i++)
	{
		if (strcmp(key, keys[i].name) == 0 && (of_feature || keys[i].everywhere))
		{
			*(double *) ((char *) limits + keys[i].offset) = read_number(key, value, keys[i].share);
			return true;
		}
	}
	return false;
}

/* The next key and value of an object; false at its end. */
static bool
next_pair(JsonbIterator **iterator, char **key, JsonbValue *value)
{
	JsonbValue	name;
	JsonbIteratorToken token = JsonbIteratorNext(iterator, &name, true);

	if (token == WJB_BEGIN_OBJECT)
		token = JsonbIteratorNext(iterator, &name, true);
	if (token != WJB_KEY)
		return false;
	*key = pnstrdup(name.val.string.val, name.val.string.len);
	JsonbIteratorNext(iterator, value, true);
	return true;
}

static void
refuse_keys(const char *unknown, const char *hint)
{
	if (unknown[0] != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("limits has keys that are not known"),
				 errdetail("Unknown: %s.", unknown),
				 errhint("%s", hint)));
}

/* The limits of one feature: "age": {...} */
static void
read_feature(const PfWatched *watched, const char *name, JsonbValue *value, PfAllLimits *limits,
			 StringInfo unknown, StringInfo no_features)
{
	JsonbIterator *iterator;
	PfLimits   *feature = NULL;
	char	   *key;
	JsonbValue	inner;

	for (uint32 i = 0; i < watched->ncolumns && feature == NULL; i++)
	{
		if (strcmp(pf_watched_name(watched, i), name) == 0)
			feature = &limits->features[i];
	}
	if (feature == NULL)
	{
		pf_list_name(no_features, name);
		return;
	}
	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("limits of feature \"%s\" must be an object", name)));
	iterator = JsonbIteratorInit(value->val.binary.data);
	while (next_pair(&iterator, &key, &inner))
	{
		if (!set_limit(key, &inner, true, feature))
			pf_list_name(unknown, key);
	}
}

PfAllLimits *
pf_limits_parse(const PfWatched *watched, Jsonb *document)
{
	PfAllLimits *limits = palloc(sizeof(PfAllLimits));
	PfLimits	all = no_limits;
	JsonbIterator *iterator;
	JsonbValue	features = {.type = jbvNull};
	StringInfoData unknown;
	StringInfoData no_features;
	char	   *key;
	JsonbValue	value;

	limits->min_rows = 1;
	limits->max_rows = NAN;
	limits->features = palloc(watched->ncolumns * sizeof(PfLimits));
	initStringInfo(&unknown);
	initStringInfo(&no_features);
	if (document != NULL && !JB_ROOT_IS_OBJECT(document))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("limits must be a JSON object")));
	if (document != NULL)
	{
		iterator = JsonbIteratorInit(&document->root);
		while (next_pair(&iterator, &key, &value))
		{
			if (strcmp(key, "min_rows") == 0)
				limits->min_rows = read_number(key, &value, false);
			else if (strcmp(key, "max_rows") == 0)
				limits->max_rows = read_number(key, &value, false);
			else if (strcmp(key, "features") == 0)
				features = value;
			else if (!set_limit(key, &value, false, &all))
				pf_list_name(&unknown, key);
		}
	}
	refuse_keys(unknown.data, "The keys are \"min_rows\", \"max_rows\", \"max_missing\", \"max_unseen\", \"max_out_of_range\" and \"features\".");
	for (uint32 i = 0; i < watched->ncolumns; i++)
		limits->features[i] = all;
	if (features.type == jbvNull)
		return limits;
	if (features.type != jbvBinary || !JsonContainerIsObject(features.val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("limits of features must be an object"),
				 errhint("As in {\"features\": {\"age\": {\"max_missing\": 0}}}.")));
	iterator = JsonbIteratorInit(features.val.binary.data);
	while (next_pair(&iterator, &key, &value))
		read_feature(watched, key, &value, limits, &unknown, &no_features);
	if (no_features.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("limits names features that model \"%s\" does not have", watched->reference),
				 errdetail("Not there: %s.", no_features.data),
				 errhint("The features are listed by SELECT feature FROM ml_profile(%s).",
						 quote_literal_cstr(watched->reference))));
	refuse_keys(unknown.data, "The keys of a feature are \"max_missing\", \"max_unseen\", \"max_out_of_range\", \"min\", \"max\" and \"ignore\".");
	return limits;
}

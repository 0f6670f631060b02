/*
 * spec.c
 *	  Reads what a pipeline is told.
 *
 * Tables of keys say what each object may have; what a key means beyond its type is checked
 * afterwards.  Whether tables and columns are there is not: the first batch may make them.
 * Memory: the current context.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/call.h"
#include "engine/grow/params.h"
#include "engine/measure/measure.h"
#include "lib/stringinfo.h"
#include "pipeline/spec.h"
#include "promote/promote.h"
#include "tune/search.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/json.h"
#include "utils/numeric.h"

#define MAX_EXPERIMENTS 1000

typedef enum KeyType
{
	KEY_TEXT,					/* char *, not empty */
	KEY_NAMES,					/* List * of char *, or one of them */
	KEY_INT,					/* int64 */
	KEY_NUMBER,					/* double */
	KEY_BOOL,					/* bool */
	KEY_JSON					/* Jsonb *, whatever it is */
} KeyType;

typedef struct Key
{
	const char *name;
	KeyType		type;
	size_t		field;			/* offset in the struct that is filled */
	double		min,
				max;			/* of numbers */
	const char *choices;		/* of a text, separated by ", " */
} Key;

/* What the objects within the specification are read into before they are understood. */
typedef struct Nested
{
	PfPipelineSpec spec;
	Jsonb	   *recipe;
	Jsonb	   *candidates;
	Jsonb	   *cross_validation;
	Jsonb	   *gate;
	Jsonb	   *on_drift;
	Jsonb	   *score;
	char	   *metric;
	char	   *algorithm;		/* of a candidate */
	Jsonb	   *params;
} Nested;

#define SPEC(field_) offsetof(Nested, spec.field_)
#define KEY(name_, type_, field_) {.name = name_,.type = type_,.field = field_}
#define RANGE(name_, type_, field_, min_, max_) \
	{.name = name_,.type = type_,.field = field_,.min = min_,.max = max_}
#define CHOICE(name_, field_, choices_) \
	{.name = name_,.type = KEY_TEXT,.field = field_,.choices = choices_}
#define INT_MAX_	2147483647.0

static const Key spec_keys[] = {
	KEY("model", KEY_TEXT, SPEC(model)),
	KEY("source", KEY_TEXT, SPEC(source)),
	KEY("raw", KEY_TEXT, SPEC(raw)),
	RANGE("batch_size", KEY_INT, SPEC(batch_size), 1, INT_MAX_),
	RANGE("max_batches", KEY_INT, SPEC(max_batches), 1, INT_MAX_),
	KEY("order_by", KEY_TEXT, SPEC(order_by)),
	KEY("format", KEY_JSON, SPEC(format)),
	CHOICE("on_error", SPEC(on_error), "stop, reject"),
	KEY("create_table", KEY_BOOL, SPEC(create_table)),
	KEY("recipe", KEY_JSON, offsetof(Nested, recipe)),
	KEY("clean", KEY_TEXT, SPEC(clean)),
	KEY("clean_key", KEY_TEXT, SPEC(clean_key)),
	KEY("target", KEY_TEXT, SPEC(target)),
	CHOICE("task", SPEC(task), "classification, regression, anomaly"),
	KEY("features", KEY_NAMES, SPEC(features)),
	KEY("exclude", KEY_NAMES, SPEC(exclude)),
	KEY("key", KEY_NAMES, SPEC(key)),
	KEY("weight", KEY_TEXT, SPEC(weight)),
	KEY("split", KEY_TEXT, SPEC(split)),
	RANGE("holdout", KEY_NUMBER, SPEC(holdout), 0, 0.9),
	RANGE("seed", KEY_INT, SPEC(seed), -9.2e18, 9.2e18),
	KEY("note", KEY_TEXT, SPEC(note)),
	KEY("candidates", KEY_JSON, offsetof(Nested, candidates)),
	KEY("cross_validation", KEY_JSON, offsetof(Nested, cross_validation)),
	KEY("metric", KEY_TEXT, offsetof(Nested, metric)),
	KEY("gate", KEY_JSON, offsetof(Nested, gate)),
	RANGE("run_when_rows", KEY_INT, SPEC(run_when_rows), 1, 9.2e18),
	KEY("on_drift", KEY_JSON, offsetof(Nested, on_drift)),
	KEY("score", KEY_JSON, offsetof(Nested, score)),
	KEY("schedule", KEY_TEXT, SPEC(schedule)),
	{.name = NULL}
};

static const Key recipe_keys[] = {
	KEY("name", KEY_TEXT, SPEC(recipe)),
	KEY("steps", KEY_JSON, SPEC(steps)),
	{.name = NULL}
};

static const Key recipe_name = {.name = "recipe",.type = KEY_TEXT};

static const Key candidate_keys[] = {
	KEY("algorithm", KEY_TEXT, offsetof(Nested, algorithm)),
	KEY("params", KEY_JSON, offsetof(Nested, params)),
	{.name = NULL}
};

static const Key cross_validation_keys[] = {
	RANGE("folds", KEY_INT, SPEC(folds), 2, PF_MAX_FOLDS),
	CHOICE("strategy", SPEC(strategy), "grid, random, halving"),
	RANGE("trials", KEY_INT, SPEC(trials), 1, 10000),
	RANGE("seconds", KEY_NUMBER, SPEC(seconds), 0, INT_MAX_),
	{.name = NULL}
};

static const Key gate_keys[] = {
	CHOICE("promote", SPEC(gate.promote), "if_better, always, never"),
	KEY("alias", KEY_TEXT, SPEC(gate.alias)),
	KEY("metric", KEY_TEXT, SPEC(gate.metric)),
	RANGE("threshold", KEY_NUMBER, SPEC(gate.threshold), -1e300, 1e300),
	RANGE("max_regression", KEY_NUMBER, SPEC(gate.max_regression), 0, 1e300),
	RANGE("min_rows", KEY_INT, SPEC(gate.min_rows), 0, 9.2e18),
	KEY("by", KEY_NAMES, SPEC(gate.by)),
	KEY("source", KEY_TEXT, SPEC(gate.source)),
	RANGE("confidence", KEY_NUMBER, SPEC(gate.confidence), 0, 1),
	KEY("note", KEY_TEXT, SPEC(gate.note)),
	{.name = NULL}
};

static const Key drift_keys[] = {
	CHOICE("action", SPEC(on_drift), "retrain, stop, alert"),
	KEY("source", KEY_TEXT, SPEC(drift_source)),
	{.name = NULL}
};

static const Key score_keys[] = {
	KEY("source", KEY_TEXT, SPEC(score_source)),
	KEY("target", KEY_TEXT, SPEC(score_target)),
	KEY("key", KEY_NAMES, SPEC(score_key)),
	CHOICE("on_drift", SPEC(score_on_drift), "stop, warn, ignore"),
	{.name = NULL}
};

/* ----- reading objects by their keys ----- */

/* 'key "threshold" of "gate"' */
static const char *
key_name(const char *where, const char *name)
{
	return where ? psprintf("\"%s\" of \"%s\"", name, where) : psprintf("\"%s\"", name);
}

pg_noreturn static void
refuse(const char *where, const Key *key)
{
	const char *wanted = NULL;

	switch (key->type)
	{
		case KEY_TEXT:
			wanted = key->choices ? psprintf("one of %s", key->choices) : "a text";
			break;
		case KEY_NAMES:
			wanted = "a list of names, such as [\"id\"]";
			break;
		case KEY_INT:
			wanted = psprintf("an integer from %.0f to %.0f", key->min, key->max);
			break;
		case KEY_NUMBER:
			wanted = psprintf("a number from %g to %g", key->min, key->max);
			break;
		case KEY_BOOL:
			wanted = "true or false";
			break;
		case KEY_JSON:
			wanted = "an object";
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for key %s of the pipeline", key_name(where, key->name)),
			 errhint("It must be %s.", wanted)));
}

static char *
read_text(const char *where, const Key *key, const JsonbValue *value)
{
	char	   *text;

	if (value->type != jbvString || value->val.string.len == 0)
		refuse(where, key);
	text = pnstrdup(value->val.string.val, value->val.string.len);
	if (key->choices != NULL)
	{
		size_t		length = strlen(text);
		bool		found = false;

		for (const char *at = key->choices; at != NULL && !found;)
		{
			const char *comma = strchr(at, ',');

			found = strncmp(at, text, length) == 0 &&
				(at[length] == ',' || at[length] == '\0');
			at = comma ? comma + 2 : NULL;
		}
		if (!found)
			refuse(where, key);
	}
	return text;
}

static List *
read_names(const char *where, const Key *key, const JsonbValue *value)
{
	List	   *names = NIL;

	if (value->type == jbvString)
		return list_make1(read_text(where, key, value));
	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		refuse(where, key);
	for (int i = 0; i < (int) JsonContainerSize(value->val.binary.data); i++)
		names = lappend(names, read_text(where, key,
										 getIthJsonbValueFromContainer(value->val.binary.data, i)));
	if (names == NIL)
		refuse(where, key);
	return names;
}

static double
read_number(const char *where, const Key *key, const JsonbValue *value)
{
	double		number;

	if (value->type != jbvNumeric)
		refuse(where, key);
	number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												NumericGetDatum(value->val.numeric)));
	if (!(number >= key->min && number <= key->max) ||
		(key->type == KEY_INT && number != floor(number)))
		refuse(where, key);
	return number;
}

static void
read_key(const char *where, const Key *key, JsonbValue *value, void *out)
{
	void	   *field = (char *) out + key->field;

	switch (key->type)
	{
		case KEY_TEXT:
			*(char **) field = read_text(where, key, value);
			break;
		case KEY_NAMES:
			*(List **) field = read_names(where, key, value);
			break;
		case KEY_INT:
			read_number(where, key, value);
			*(int64 *) field = DatumGetInt64(DirectFunctionCall1(numeric_int8,
																 NumericGetDatum(value->val.numeric)));
			break;
		case KEY_NUMBER:
			*(double *) field = read_number(where, key, value);
			break;
		case KEY_BOOL:
			if (value->type != jbvBool)
				refuse(where, key);
			*(bool *) field = value->val.boolean;
			break;
		case KEY_JSON:
			*(Jsonb **) field = JsonbValueToJsonb(value);
			break;
	}
}

static const Key *
find_key(const Key *keys, const char *name)
{
	for (const Key *key = keys; key->name != NULL; key++)
	{
		if (strcmp(key->name, name) == 0)
			return key;
	}
	return NULL;
}

/* Errors with all keys that there are not, and what may have been meant. */
static void
check_keys(const char *where, const Key *keys, Jsonb *object)
{
	StringInfoData unknown;
	StringInfoData meant;
	StringInfoData all;
	int			count = 0;
	int			n;

	initStringInfo(&unknown);
	initStringInfo(&meant);
	initStringInfo(&all);
	for (const Key *key = keys; key->name != NULL; key++, count++)
		appendStringInfo(&all, "%s\"%s\"", all.len > 0 ? ", " : "", key->name);
	n = pf_unknown_keys(object, keys, count, sizeof(Key), NULL, &unknown, &meant);
	if (n == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 n == 1 ? errmsg("unrecognized key %s in the pipeline", unknown.data)
			 : errmsg("%d unrecognized keys in the pipeline", n),
			 where ? errdetail("There is no key %s in \"%s\".", unknown.data, where)
			 : errdetail("There is no key %s.", unknown.data),
			 errhint("%sValid keys are %s.", meant.data, all.data)));
}

/* A key that is null is one that is not given. */
static void
read_object(const char *where, const Key *keys, Jsonb *object, void *out)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	item;
	const Key  *key = NULL;

	if (!JB_ROOT_IS_OBJECT(object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 where ? errmsg("key \"%s\" of the pipeline must be a JSON object", where)
				 : errmsg("the pipeline must be a JSON object"),
				 where ? errhint("See docs/reference.md for its keys.")
				 : errhint("The shortest one retrains a model: '{\"model\": \"name\"}'.")));
	check_keys(where, keys, object);
	it = JsonbIteratorInit(&object->root);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = find_key(keys, pnstrdup(item.val.string.val, item.val.string.len));
		else if (token == WJB_VALUE && item.type != jbvNull)
			read_key(where, key, &item, out);
	}
}

/* ----- what is more than a value ----- */

/* A scalar's value, or NULL. */
static JsonbValue *
scalar_of(Jsonb *json)
{
	return JB_ROOT_IS_SCALAR(json) ? getIthJsonbValueFromContainer(&json->root, 0) : NULL;
}

/* A recipe: its name, its steps, or an object with both. */
static void
read_recipe(Nested *nested)
{
	JsonbValue *scalar = scalar_of(nested->recipe);

	if (scalar != NULL)
		nested->spec.recipe = read_text(NULL, &recipe_name, scalar);
	else if (JB_ROOT_IS_ARRAY(nested->recipe))
		nested->spec.steps = nested->recipe;
	else
		read_object("recipe", recipe_keys, nested->recipe, nested);
}

/* A number of folds, or an object. */
static void
read_cross_validation(Nested *nested)
{
	JsonbValue *scalar = scalar_of(nested->cross_validation);

	if (scalar != NULL)
		read_key(NULL, &cross_validation_keys[0], scalar, nested);
	else
		read_object("cross_validation", cross_validation_keys, nested->cross_validation, nested);
	if (nested->spec.folds == 0)
		nested->spec.folds = 5;
}

/* What to do, or an object with the rows to look at, too. */
static void
read_on_drift(Nested *nested)
{
	JsonbValue *scalar = scalar_of(nested->on_drift);

	if (scalar != NULL)
		read_key("on_drift", &drift_keys[0], scalar, nested);
	else
		read_object("on_drift", drift_keys, nested->on_drift, nested);
	if (nested->spec.on_drift == NULL)
		refuse("on_drift", &drift_keys[0]);
}

/* The search that ml_tune and pf_search_parse take: the algorithm and its lists in one object. */
static Jsonb *
search_of(const char *algorithm, Jsonb *params)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"algorithm\": ");
	escape_json(&json, algorithm);
	if (params != NULL && JB_ROOT_COUNT(params) > 0)
	{
		char	   *text = JsonbToCString(NULL, &params->root, VARSIZE(params));

		appendStringInfo(&json, ", %s", text + 1);
	}
	else
		appendStringInfoChar(&json, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

/* One candidate: the name of an algorithm, or an object with lists of parameters. */
static void
add_candidate(PfPipelineSpec *spec, JsonbValue *value)
{
	Nested		nested = {0};
	PfSearch   *search;
	uint64		n;

	if (value->type == jbvString)
		nested.algorithm = read_text("candidates", &candidate_keys[0], value);
	else
		read_object("candidates", candidate_keys, JsonbValueToJsonb(value), &nested);
	if (nested.algorithm == NULL)
		nested.algorithm = PF_DEFAULT_ALGORITHM;
	if (nested.params != NULL && !JB_ROOT_IS_OBJECT(nested.params))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("params of a candidate must be a JSON object"),
				 errhint("For example: {\"n_estimators\": [100, 300], \"max_depth\": 8}.")));

	search = pf_search_parse(search_of(nested.algorithm, nested.params));
	if (spec->folds == 0 || spec->strategy == NULL || strcmp(spec->strategy, "grid") == 0)
		pf_search_check_grid(search);
	n = spec->folds > 0 ? 1 : pf_search_size(search);
	if (n + list_length(spec->experiments) > MAX_EXPERIMENTS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the candidates have more than %d combinations", MAX_EXPERIMENTS),
				 errhint("Give fewer values, or let cross_validation search them with a number of trials.")));
	for (uint64 i = 0; i < n; i++)
	{
		PfExperiment *experiment = palloc0(sizeof(PfExperiment));

		experiment->algorithm = nested.algorithm;
		experiment->params = spec->folds > 0 ? search_of(nested.algorithm, nested.params)
			: pf_search_trial(search, i)->given;
		spec->experiments = lappend(spec->experiments, experiment);
	}
}

static void
read_candidates(PfPipelineSpec *spec, Jsonb *candidates)
{
	JsonbValue *scalar = scalar_of(candidates);
	JsonbValue	object;

	if (scalar != NULL)
		add_candidate(spec, scalar);
	else if (JB_ROOT_IS_ARRAY(candidates))
	{
		for (int i = 0; i < (int) JB_ROOT_COUNT(candidates); i++)
			add_candidate(spec, getIthJsonbValueFromContainer(&candidates->root, i));
	}
	else
	{
		object.type = jbvBinary;
		object.val.binary.data = &candidates->root;
		object.val.binary.len = VARSIZE(candidates) - VARHDRSZ;
		add_candidate(spec, &object);
	}
	if (spec->experiments == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the list of candidates is empty"),
				 errhint("Leave it out for a random forest, or name algorithms: [\"random_forest\", \"linear\"].")));
}

/* Which keys need which. */
static void
need(bool given, const char *key, bool there, const char *needed)
{
	if (given && !there)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key \"%s\" of the pipeline needs %s", key, needed),
				 errhint("Add %s, or leave out \"%s\".", needed, key)));
}

static bool
is_anomaly(const PfPipelineSpec *spec)
{
	ListCell   *lc;

	if (spec->task != NULL)
		return strcmp(spec->task, "anomaly") == 0;
	foreach(lc, spec->experiments)
	{
		const PfExperiment *experiment = lfirst(lc);

		if (strcmp(experiment->algorithm, "isolation_forest") != 0)
			return false;
	}
	return spec->experiments != NIL;
}

static void
check_spec(Nested *nested)
{
	PfPipelineSpec *spec = &nested->spec;
	bool		scores = nested->score != NULL;
	bool		trains = spec->experiments != NIL;
	PfTask		task;

	need(spec->source != NULL, "source", spec->raw != NULL, "\"raw\", the table that its rows go to");
	need(spec->batch_size > 0, "batch_size", spec->source != NULL, "\"source\"");
	need(spec->max_batches > 0, "max_batches", spec->source != NULL, "\"source\"");
	need(spec->order_by != NULL, "order_by", spec->source != NULL, "\"source\"");
	need(spec->format != NULL, "format", spec->source != NULL, "\"source\"");
	need(spec->on_error != NULL, "on_error", spec->source != NULL, "\"source\"");
	need(spec->create_table, "create_table", spec->source != NULL, "\"source\"");
	need(spec->clean != NULL, "clean", spec->recipe != NULL || spec->steps != NULL, "\"recipe\"");
	need(spec->clean != NULL, "clean", spec->raw != NULL, "\"raw\"");
	need(spec->steps != NULL, "recipe", spec->raw != NULL, "\"raw\"");
	need(trains && !is_anomaly(spec), "candidates", spec->target != NULL, "\"target\"");
	need(trains, "target", spec->raw != NULL, "\"raw\" or \"clean\", the rows to train on");
	need(spec->clean_key != NULL, "clean_key", spec->clean != NULL, "\"clean\"");
	if (!trains)
	{
		need(spec->features != NIL, "features", false, "\"target\"");
		need(spec->exclude != NIL, "exclude", false, "\"target\"");
		need(spec->key != NIL, "key", false, "\"target\"");
		need(spec->weight != NULL, "weight", false, "\"target\"");
		need(spec->split != NULL, "split", false, "\"target\"");
		need(!isnan(spec->holdout), "holdout", false, "\"target\"");
		need(spec->task != NULL, "task", false, "\"target\"");
		need(spec->folds > 0, "cross_validation", false, "\"target\"");
	}
	need(scores, "score", spec->score_source != NULL && spec->score_target != NULL &&
		 spec->score_key != NIL, "\"source\", \"target\" and \"key\" in it");

	if (scores && ((spec->raw && strcmp(spec->score_target, spec->raw) == 0) ||
				   (spec->clean && strcmp(spec->score_target, spec->clean) == 0)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"target\" of \"score\" is the table of the pipeline's rows, \"%s\"", spec->score_target),
				 errhint("Name a table of its own; it is made when it does not exist.")));

	/* what the task of a model that is there may be is for ml_pipeline to see */
	task = is_anomaly(spec) ? PF_ANOMALY : spec->task == NULL ? PF_TASK_AUTO :
		strcmp(spec->task, "regression") == 0 ? PF_REGRESSION : PF_CLASSIFICATION;
	if (spec->gate.promote == NULL)
		spec->gate.promote = task == PF_ANOMALY ? "always" : "if_better";
	if (spec->gate.metric == NULL)
		spec->gate.metric = nested->metric;
	if (task == PF_TASK_AUTO && spec->gate.metric != NULL)
		task = pf_promotion_has_metric(PF_REGRESSION, spec->gate.metric) ? PF_REGRESSION : PF_CLASSIFICATION;
	pf_gate_check(&spec->gate, task, spec->split != NULL || !(spec->holdout == 0));
}

PfPipelineSpec *
pf_pipeline_spec(Jsonb *json)
{
	Nested	   *nested = palloc0(sizeof(Nested));
	PfPipelineSpec *spec = &nested->spec;

	spec->holdout = spec->seconds = get_float8_nan();
	spec->gate.threshold = spec->gate.max_regression = spec->gate.confidence = get_float8_nan();
	spec->gate.min_rows = -1;
	read_object(NULL, spec_keys, json, nested);
	if (spec->model == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the pipeline has no key \"model\""),
				 errhint("The shortest one retrains a model: '{\"model\": \"name\"}'.")));
	pf_check_model_name(spec->model);
	if (nested->recipe != NULL)
		read_recipe(nested);
	if (nested->cross_validation != NULL)
		read_cross_validation(nested);
	if (nested->gate != NULL)
		read_object("gate", gate_keys, nested->gate, nested);
	if (nested->on_drift != NULL)
		read_on_drift(nested);
	if (nested->score != NULL)
		read_object("score", score_keys, nested->score, nested);
	if (nested->candidates != NULL)
		read_candidates(spec, nested->candidates);
	else if (spec->target != NULL)
	{
		JsonbValue	value = {.type = jbvString};

		value.val.string.val = PF_DEFAULT_ALGORITHM;
		value.val.string.len = strlen(PF_DEFAULT_ALGORITHM);
		add_candidate(spec, &value);
	}
	check_spec(nested);
	return spec;
}

const char *
pf_pipeline_rows(const PfPipelineSpec *spec)
{
	return spec->clean ? spec->clean : spec->raw;
}

/*
 * steps.c
 *	  Steps from jsonb: a closed vocabulary, checked key by key.
 *
 * One table says which keys a step takes and what they may be; a mistake is an
 * error that names the step and, for a name, the nearest one that there is.  What a
 * step does with columns that turn out to have no use for it is checked in program.c.
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "engine/grow/params.h"
#include "recipe/parts.h"

#define MAX_STEPS		1000
#define SHOWN_BYTES		60

typedef enum KeyType
{
	KEY_COLUMNS,				/* names, or a group */
	KEY_RENAMES,
	KEY_NAME,
	KEY_NAMES,
	KEY_CHOICE,
	KEY_CHOICES,
	KEY_SCALAR,
	KEY_SCALARS,
	KEY_NUMBERS,
	KEY_NUMBER,
	KEY_COUNT,
	KEY_AUTO_NUMBER,
	KEY_BOOL
} KeyType;

typedef struct Key
{
	const char *name;
	uint32		steps;
	KeyType		type;
	size_t		place;
	bool		needed;
	double		min;
	double		max;
	const char *choices;
} Key;

#define ON(kind)	(1u << (kind))
#define PLACE(field) offsetof(PfStep, field)

static const char *const step_names[PF_STEP_KINDS] = {
	[PF_DROP] = "drop",
	[PF_RENAME] = "rename",
	[PF_NULL_IF] = "null_if",
	[PF_CAST] = "cast",
	[PF_IMPUTE] = "impute",
	[PF_CLIP] = "clip",
	[PF_OUTLIERS] = "outliers",
	[PF_SCALE] = "scale",
	[PF_LOG] = "log",
	[PF_BUCKETIZE] = "bucketize",
	[PF_GROUP_RARE] = "group_rare",
	[PF_ONE_HOT] = "one_hot",
	[PF_ORDINAL] = "ordinal",
	[PF_TARGET_MEAN] = "target_mean",
	[PF_DATE_PARTS] = "date_parts",
	[PF_FILTER] = "filter",
	[PF_DEDUPLICATE] = "deduplicate"
};

#define WITH_COLUMNS \
	(ON(PF_DROP) | ON(PF_NULL_IF) | ON(PF_CAST) | ON(PF_IMPUTE) | ON(PF_CLIP) | ON(PF_OUTLIERS) | \
	 ON(PF_SCALE) | ON(PF_LOG) | ON(PF_BUCKETIZE) | ON(PF_GROUP_RARE) | ON(PF_ONE_HOT) | \
	 ON(PF_ORDINAL) | ON(PF_TARGET_MEAN) | ON(PF_DATE_PARTS))

static const Key keys[] = {
	{"columns", WITH_COLUMNS, KEY_COLUMNS, PLACE(columns), true, 0, 0, NULL},
	{"columns", ON(PF_DEDUPLICATE), KEY_COLUMNS, PLACE(columns), false, 0, 0, NULL},
	{"columns", ON(PF_RENAME), KEY_RENAMES, PLACE(columns), true, 0, 0, NULL},
	{"column", ON(PF_FILTER), KEY_NAME, PLACE(columns), true, 0, 0, NULL},
	{"except", WITH_COLUMNS | ON(PF_DEDUPLICATE), KEY_NAMES, PLACE(except), false, 0, 0, NULL},
	{"values", ON(PF_NULL_IF), KEY_SCALARS, PLACE(values), true, 0, 0, NULL},
	{"type", ON(PF_CAST), KEY_CHOICE, PLACE(type), true, 0, 0,
	"double precision,integer,bigint,numeric,boolean,text,date,timestamp"},
	{"on_error", ON(PF_CAST), KEY_CHOICE, PLACE(on_error), false, 0, 0, "error,null"},
	{"method", ON(PF_IMPUTE), KEY_CHOICE, PLACE(method), true, 0, 0, "mean,median,most_frequent,constant"},
	{"value", ON(PF_IMPUTE) | ON(PF_FILTER), KEY_SCALAR, PLACE(value), false, 0, 0, NULL},
	{"indicator", ON(PF_IMPUTE), KEY_BOOL, PLACE(indicator), false, 0, 0, NULL},
	{"method", ON(PF_CLIP) | ON(PF_OUTLIERS), KEY_CHOICE, PLACE(method), true, 0, 0,
	"quantile,iqr,mad,constant"},
	{"low", ON(PF_CLIP) | ON(PF_OUTLIERS), KEY_NUMBER, PLACE(low), false, -INFINITY, INFINITY, NULL},
	{"high", ON(PF_CLIP) | ON(PF_OUTLIERS), KEY_NUMBER, PLACE(high), false, -INFINITY, INFINITY, NULL},
	{"factor", ON(PF_CLIP) | ON(PF_OUTLIERS), KEY_NUMBER, PLACE(factor), false, 0, 1e6, NULL},
	{"method", ON(PF_SCALE), KEY_CHOICE, PLACE(method), true, 0, 0, "standard,min_max,robust"},
	{"shift", ON(PF_LOG), KEY_NUMBER, PLACE(shift), false, -INFINITY, INFINITY, NULL},
	{"method", ON(PF_BUCKETIZE), KEY_CHOICE, PLACE(method), true, 0, 0, "quantile,uniform,edges"},
	{"bins", ON(PF_BUCKETIZE), KEY_COUNT, PLACE(bins), false, 2, 1000, NULL},
	{"edges", ON(PF_BUCKETIZE), KEY_NUMBERS, PLACE(edges), false, 0, 0, NULL},
	{"min_share", ON(PF_GROUP_RARE), KEY_NUMBER, PLACE(min_share), false, 0, 1, NULL},
	{"min_count", ON(PF_GROUP_RARE), KEY_COUNT, PLACE(min_count), false, 1, PG_INT32_MAX, NULL},
	{"other", ON(PF_GROUP_RARE), KEY_NAME, PLACE(other), false, 0, 0, NULL},
	{"max_categories", ON(PF_ONE_HOT), KEY_COUNT, PLACE(max_categories), false, 1, 1000, NULL},
	{"values", ON(PF_ORDINAL), KEY_SCALARS, PLACE(values), false, 0, 0, NULL},
	{"target", ON(PF_TARGET_MEAN), KEY_NAME, PLACE(target), true, 0, 0, NULL},
	{"positive", ON(PF_TARGET_MEAN), KEY_SCALAR, PLACE(positive), false, 0, 0, NULL},
	{"smoothing", ON(PF_TARGET_MEAN), KEY_AUTO_NUMBER, PLACE(smoothing), false, 0, 1e15, NULL},
	{"folds", ON(PF_TARGET_MEAN), KEY_COUNT, PLACE(folds), false, 2, 100, NULL},
	{"key", ON(PF_TARGET_MEAN), KEY_NAMES, PLACE(key), false, 0, 0, NULL},
	{"parts", ON(PF_DATE_PARTS), KEY_CHOICES, PLACE(parts), true, 0, 0,
	"year,quarter,month,week,day,dow,isodow,doy,hour,minute,second,epoch"},
	{"timezone", ON(PF_DATE_PARTS), KEY_NAME, PLACE(timezone), false, 0, 0, NULL},
	{"keep", ON(PF_DATE_PARTS), KEY_BOOL, PLACE(keep), false, 0, 0, NULL},
	{"op", ON(PF_FILTER), KEY_CHOICE, PLACE(op), true, 0, 0, "=,<>,<,<=,>,>=,in,not in,is null,is not null"},
	{"values", ON(PF_FILTER), KEY_SCALARS, PLACE(values), false, 0, 0, NULL},
	{"order_by", ON(PF_DEDUPLICATE), KEY_NAME, PLACE(order_by), false, 0, 0, NULL}
};

const char *
pf_step_name(PfStepKind kind)
{
	return step_names[kind];
}

const char *
pf_step_title(const PfStep *step)
{
	return psprintf("step %d (\"%s\")", step->number, step_names[step->kind]);
}

bool
pf_step_drops_rows(const PfStep *step)
{
	return step->kind == PF_OUTLIERS || step->kind == PF_FILTER || step->kind == PF_DEDUPLICATE;
}

/* ----- values ----- */

static char *
show(JsonbValue *value)
{
	Jsonb	   *jsonb = JsonbValueToJsonb(value);
	char	   *text = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));

	if (strlen(text) > SHOWN_BYTES)
		text = psprintf("%.*s...", pg_mbcliplen(text, strlen(text), SHOWN_BYTES), text);
	return text;
}

/* a,b,c -> "a", "b" and "c" */
static char *
show_choices(const char *choices)
{
	StringInfoData list;
	char	   *copy = pstrdup(choices);
	char	   *rest = copy;
	char	   *choice;

	initStringInfo(&list);
	while ((choice = strsep(&rest, ",")) != NULL)
		appendStringInfo(&list, "%s\"%s\"", list.len == 0 ? "" : rest == NULL ? " and " : ", ", choice);
	return list.data;
}

static bool
is_choice(const char *text, const char *choices)
{
	size_t		length = strlen(text);

	for (const char *p = choices; p != NULL; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
	{
		if (strcspn(p, ",") == length && strncmp(p, text, length) == 0)
			return true;
	}
	return false;
}

pg_noreturn static void refuse(const PfStep *step, const Key *key, JsonbValue *value);

static void
refuse(const PfStep *step, const Key *key, JsonbValue *value)
{
	const char *wanted = NULL;

	switch (key->type)
	{
		case KEY_COLUMNS:
			wanted = "an array of column names, or one of \"numbers\", \"categories\" and \"all\"";
			break;
		case KEY_RENAMES:
			wanted = "an object like {\"old name\": \"new name\"}";
			break;
		case KEY_NAME:
			wanted = "a string of 1 to 63 bytes";
			break;
		case KEY_NAMES:
			wanted = "an array of column names";
			break;
		case KEY_CHOICE:
			wanted = psprintf("one of %s", show_choices(key->choices));
			break;
		case KEY_CHOICES:
			wanted = psprintf("an array of some of %s", show_choices(key->choices));
			break;
		case KEY_SCALAR:
			wanted = "a string, a number or a boolean";
			break;
		case KEY_SCALARS:
			wanted = "an array of strings, numbers or booleans";
			break;
		case KEY_NUMBERS:
			wanted = "an array of numbers, each greater than the one before";
			break;
		case KEY_NUMBER:
			wanted = isinf(key->max) ? "a number" :
				psprintf("a number from %g to %g", key->min, key->max);
			break;
		case KEY_COUNT:
			wanted = psprintf("an integer from %.0f to %.0f", key->min, key->max);
			break;
		case KEY_AUTO_NUMBER:
			wanted = psprintf("\"auto\" or a number from %g to %g", key->min, key->max);
			break;
		case KEY_BOOL:
			wanted = "true or false";
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for \"%s\" of %s: %s", key->name, pf_step_title(step), show(value)),
			 errhint("It must be %s.", wanted)));
}

static char *
read_string(const JsonbValue *value)
{
	return value->type == jbvString ? pnstrdup(value->val.string.val, value->val.string.len) : NULL;
}

/* A name of 1 to 63 bytes, or NULL. */
static char *
read_name(const JsonbValue *value)
{
	char	   *name = read_string(value);

	return name != NULL && name[0] != '\0' && strlen(name) < NAMEDATALEN ? name : NULL;
}

static bool
read_number(const JsonbValue *value, double *number)
{
	if (value->type != jbvNumeric)
		return false;
	*number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												 NumericGetDatum(value->val.numeric)));
	return isfinite(*number);
}

static bool
read_scalar(const JsonbValue *value, PfScalar *scalar)
{
	scalar->number = NAN;
	if (value->type == jbvString)
	{
		scalar->text = read_string(value);
		return true;
	}
	if (value->type == jbvBool)
	{
		scalar->text = value->val.boolean ? "true" : "false";
		scalar->number = value->val.boolean;
		return true;
	}
	if (!read_number(value, &scalar->number))
		return false;
	/* as a category of numbers is written, see pf_sql_as_text */
	scalar->text = DatumGetCString(DirectFunctionCall1(numeric_out,
													   DirectFunctionCall1(numeric_trim_scale,
																		   NumericGetDatum(value->val.numeric))));
	return true;
}

/* The elements of an array, each read as its type says; false when one is wrong. */
static bool
read_elements(const Key *key, const JsonbValue *value, List **list)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	element;

	*list = NIL;
	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data) ||
		JsonContainerSize(value->val.binary.data) == 0)
		return false;
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &element, true)) != WJB_DONE)
	{
		void	   *item = NULL;

		CHECK_FOR_INTERRUPTS();
		if (token != WJB_ELEM)
			continue;
		if (key->type == KEY_SCALARS || key->type == KEY_NUMBERS)
		{
			PfScalar   *scalar = palloc(sizeof(PfScalar));

			if (!read_scalar(&element, scalar))
				return false;
			if (key->type == KEY_NUMBERS &&
				(element.type != jbvNumeric ||
				 (*list != NIL && scalar->number <= ((PfScalar *) llast(*list))->number)))
				return false;
			item = scalar;
		}
		else
		{
			item = read_name(&element);
			if (item == NULL || (key->type == KEY_CHOICES && !is_choice(item, key->choices)))
				return false;
			for (int i = 0; i < list_length(*list); i++)
				if (strcmp(list_nth(*list, i), item) == 0)
					return false;
		}
		*list = lappend(*list, item);
	}
	return true;
}

static bool
read_renames(PfStep *step, const JsonbValue *value)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	item;

	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data) ||
		JsonContainerSize(value->val.binary.data) == 0)
		return false;
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		char	   *name;

		if (token != WJB_KEY && token != WJB_VALUE)
			continue;
		name = read_name(&item);
		if (name == NULL)
			return false;
		if (token == WJB_KEY)
			step->columns = lappend(step->columns, name);
		else
			step->names = lappend(step->names, name);
	}
	return true;
}

/* One key's value into its place; false when it is not what it must be. */
static bool
read_value(PfStep *step, const Key *key, const JsonbValue *value)
{
	void	   *place = (char *) step + key->place;
	double		number;
	char	   *text;

	switch (key->type)
	{
		case KEY_COLUMNS:
			text = read_name(value);
			if (text != NULL)
			{
				step->group = text;
				return is_choice(text, "numbers,categories,all");
			}
			return read_elements(key, value, place);
		case KEY_NAMES:
		case KEY_CHOICES:
		case KEY_SCALARS:
		case KEY_NUMBERS:
			return read_elements(key, value, place);
		case KEY_RENAMES:
			return read_renames(step, value);
		case KEY_NAME:
			text = read_name(value);
			if (step->kind == PF_FILTER)
				step->columns = list_make1(text);
			else
				*(char **) place = text;
			return text != NULL;
		case KEY_CHOICE:
			text = read_name(value);
			*(char **) place = text;
			return text != NULL && is_choice(text, key->choices);
		case KEY_SCALAR:
			return read_scalar(value, place);
		case KEY_AUTO_NUMBER:
			text = read_name(value);
			if (text != NULL)
				return strcmp(text, "auto") == 0;
			/* FALLTHROUGH */
		case KEY_NUMBER:
			return read_number(value, place) && *(double *) place >= key->min &&
				*(double *) place <= key->max;
		case KEY_COUNT:
			if (!read_number(value, &number) || number != floor(number) ||
				number < key->min || number > key->max)
				return false;
			*(int *) place = (int) number;
			return true;
		case KEY_BOOL:
			*(bool *) place = value->type == jbvBool && value->val.boolean;
			return value->type == jbvBool;
	}
	return false;
}

/* ----- steps ----- */

static const Key *
find_key(PfStepKind kind, const char *name)
{
	for (int i = 0; i < (int) lengthof(keys); i++)
	{
		if ((keys[i].steps & ON(kind)) != 0 && strcmp(keys[i].name, name) == 0)
			return &keys[i];
	}
	return NULL;
}

/* The keys of a step, for a hint; the nearest alone when one is near. */
static char *
suggest_key(PfStepKind kind, const char *name)
{
	StringInfoData list;
	const char *nearest = NULL;
	uint32		least = Min(Max(2, strlen(name) / 3) + 1, strlen(name));

	initStringInfo(&list);
	for (int i = 0; i < (int) lengthof(keys); i++)
	{
		uint32		distance;

		if ((keys[i].steps & ON(kind)) == 0)
			continue;
		distance = pf_edit_distance(name, keys[i].name);
		if (distance < least)
		{
			least = distance;
			nearest = keys[i].name;
		}
		appendStringInfo(&list, ", \"%s\"", keys[i].name);
	}
	return nearest ? psprintf("Perhaps you meant \"%s\".", nearest) :
		psprintf("Its keys are \"step\"%s.", list.data);
}

static PfStepKind
read_kind(int number, const char *name)
{
	StringInfoData list;
	const char *nearest = NULL;
	uint32		least = Min(Max(2, strlen(name) / 3) + 1, strlen(name));

	initStringInfo(&list);
	for (int i = 0; i < PF_STEP_KINDS; i++)
	{
		uint32		distance = pf_edit_distance(name, step_names[i]);

		if (distance == 0)
			return i;
		if (distance < least)
		{
			least = distance;
			nearest = step_names[i];
		}
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", step_names[i]);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("step %d is \"%s\", which is no step of a recipe", number, name),
			 nearest ? errhint("Perhaps you meant \"%s\".", nearest) :
			 errhint("The steps are %s.", list.data)));
}

pg_noreturn static void
no_steps(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("steps must be an array of objects"),
			 errhint("Write steps such as '[{\"step\": \"impute\", \"columns\": [\"age\"], \"method\": \"median\"}]'.")));
}

/* What depends on more than one key. */
static void
check_together(const PfStep *step)
{
	const char *problem = NULL;
	const char *hint = NULL;
	bool		bounds = !isnan(step->low) || !isnan(step->high);

	switch (step->kind)
	{
		case PF_IMPUTE:
			if ((strcmp(step->method, "constant") == 0) != (step->value.text != NULL))
				problem = "\"value\" belongs to the method \"constant\"";
			break;
		case PF_CLIP:
		case PF_OUTLIERS:
			if (strcmp(step->method, "constant") == 0 ? !bounds :
				strcmp(step->method, "quantile") != 0 && bounds)
				problem = "\"low\" and \"high\" belong to the methods \"constant\" and \"quantile\"";
			else if (strcmp(step->method, "quantile") == 0 &&
					 (step->low < 0 || step->low > 1 || step->high < 0 || step->high > 1))
			{
				problem = "a quantile is not between 0 and 1";
				hint = "Quantiles are shares: 0.01 and 0.99 leave 98 % of the values as they are.";
			}
			else if (step->low > step->high)
				problem = "\"low\" is above \"high\"";
			else if (!isnan(step->factor) && strcmp(step->method, "iqr") != 0 &&
					 strcmp(step->method, "mad") != 0)
				problem = "\"factor\" belongs to the methods \"iqr\" and \"mad\"";
			break;
		case PF_BUCKETIZE:
			if ((strcmp(step->method, "edges") == 0) != (step->edges != NIL) ||
				(step->edges != NIL) == (step->bins != 0))
				problem = "the method \"edges\" takes \"edges\", the others take \"bins\"";
			break;
		case PF_GROUP_RARE:
			if (!isnan(step->min_share) && step->min_count != 0)
				problem = "it takes \"min_share\" or \"min_count\", not both";
			break;
		case PF_FILTER:
			if (strncmp(step->op, "is", 2) == 0)
			{
				if (step->value.text != NULL || step->values != NIL)
					problem = "\"is null\" and \"is not null\" take no value";
			}
			else if (strcmp(step->op, "in") == 0 || strcmp(step->op, "not in") == 0)
			{
				if (step->values == NIL || step->value.text != NULL)
					problem = "\"in\" and \"not in\" take \"values\"";
			}
			else if (step->value.text == NULL || step->values != NIL)
				problem = "a comparison takes \"value\"";
			break;
		case PF_DATE_PARTS:
			/* an error unless there is such a zone */
			(void) DirectFunctionCall2(timestamptz_zone, CStringGetTextDatum(step->timezone),
									   TimestampTzGetDatum(0));
			break;
		default:
			break;
	}
	if (problem == NULL && step->except != NIL && step->group == NULL)
		problem = "\"except\" belongs to \"columns\" that are \"numbers\", \"categories\" or \"all\"";
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s: %s", pf_step_title(step), problem),
				 hint ? errhint("%s", hint) : 0));
}

static PfStep *
read_step(int number, JsonbContainer *object, bool fitted)
{
	PfStep	   *step = palloc0(sizeof(PfStep));
	JsonbValue	value;
	char	   *name;
	JsonbIterator *it;
	JsonbIteratorToken token;
	const Key  *key = NULL;

	if (getKeyJsonValueFromContainer(object, "step", 4, &value) == NULL ||
		(name = read_name(&value)) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("step %d has no name", number),
				 errhint("Each step is an object with a key \"step\", such as {\"step\": \"drop\", \"columns\": [\"id\"]}.")));
	step->kind = read_kind(number, name);
	step->number = number;
	step->low = step->high = step->factor = step->min_share = step->smoothing = NAN;
	step->folds = 5;
	step->max_categories = 100;
	step->on_error = "error";
	step->other = "other";
	step->timezone = "UTC";
	value.type = jbvBinary;
	value.val.binary.data = object;
	value.val.binary.len = 0;

	it = JsonbIteratorInit(object);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			name = pnstrdup(value.val.string.val, value.val.string.len);
			key = find_key(step->kind, name);
			if (key == NULL && strcmp(name, "step") != 0 &&
				!(fitted && strcmp(name, "fitted") == 0))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("%s has no key \"%s\"", pf_step_title(step), name),
						 errhint("%s", suggest_key(step->kind, name))));
		}
		else if (token == WJB_VALUE && key != NULL)
		{
			if (!read_value(step, key, &value))
				refuse(step, key, &value);
		}
		else if (token == WJB_VALUE && strcmp(name, "fitted") == 0 && value.type == jbvBinary)
			step->fitted = value.val.binary.data;
	}

	for (int i = 0; i < (int) lengthof(keys); i++)
	{
		if (keys[i].needed && (keys[i].steps & ON(step->kind)) != 0 &&
			getKeyJsonValueFromContainer(object, keys[i].name, strlen(keys[i].name), &value) == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s lacks \"%s\"", pf_step_title(step), keys[i].name),
					 keys[i].choices ? errhint("It is one of %s.", show_choices(keys[i].choices)) : 0));
	}
	check_together(step);
	return step;
}

List *
pf_steps_read(Jsonb *steps, bool fitted)
{
	List	   *list = NIL;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	value;

	if (!JB_ROOT_IS_ARRAY(steps) || JB_ROOT_IS_SCALAR(steps))
		no_steps();
	if (JB_ROOT_COUNT(steps) > MAX_STEPS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a recipe can have at most %d steps", MAX_STEPS)));
	it = JsonbIteratorInit(&steps->root);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		PfStep	   *step;

		CHECK_FOR_INTERRUPTS();
		if (token != WJB_ELEM)
			continue;
		if (value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data))
			no_steps();
		step = read_step(list_length(list) + 1, value.val.binary.data, fitted);
		step->given = JsonbValueToJsonb(&value);
		list = lappend(list, step);
	}
	return list;
}

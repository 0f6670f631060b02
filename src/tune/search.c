/*
 * search.c
 *	  The space of a search.
 *
 * For each algorithm the lists of those parameters that it knows; a trial is an algorithm
 * and a place in each of its lists.  Trials are numbered as a grid is walked, the last list
 * the fastest (jsonb's order of keys), so that a number stands for the same trial in every
 * session.  Since an algorithm has no lists but its own, no trial is there twice,
 * unless a list has a value twice.
 *
 * With a range there is no end to the trials, and they are drawn: the algorithm, each as often as the
 * others, then a value of each of its lists and ranges.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "engine/grow/random.h"
#include "tune/search.h"

typedef struct Dimension
{
	char	   *name;
	int			n;
	char	  **values;			/* JSON */
	PfRange    *range;			/* then values are its ends; or NULL */
} Dimension;

typedef struct Branch
{
	const PfAlgorithm *algorithm;
	List	   *dimensions;		/* of Dimension *, those that the algorithm knows */
	uint64		size;
} Branch;

struct PfSearch
{
	int			nbranches;
	Branch	   *branches;
	uint64		size;
	const char *range;			/* the name of a parameter that has one */
};

char *
pf_json_text(JsonbValue *value)
{
	Jsonb	   *jsonb = JsonbValueToJsonb(value);

	if (JB_ROOT_IS_SCALAR(jsonb))
		return DatumGetCString(DirectFunctionCall1(jsonb_out, JsonbPGetDatum(jsonb)));
	return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

void
pf_check_searchable(const char *parameter)
{
	if (strcmp(parameter, "max_bins") == 0 || strcmp(parameter, "max_rows") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s cannot be searched", parameter),
				 errdetail("The rows are loaded and put into bins once for all trials."),
				 errhint("Give it one value.")));
}

/* The parameter as one of the algorithms knows it; NULL: none does. */
static const PfParam *
find_param(const PfSearch *search, const char *name)
{
	const PfParam *param = NULL;

	for (int b = 0; b < search->nbranches && param == NULL; b++)
		param = pf_find_param(search->branches[b].algorithm->params, name);
	return param;
}

/* A list, a range, or a value as a list of one. */
static Dimension *
read_dimension(PfSearch *search, const char *name, JsonbValue *value)
{
	Dimension  *dimension = palloc0(sizeof(Dimension));
	const PfParam *param = find_param(search, name);

	dimension->name = pstrdup(name);
	dimension->range = param ? pf_range_parse(param, value) : NULL;
	if (dimension->range)
	{
		dimension->n = 2;
		dimension->values = palloc(2 * sizeof(char *));
		for (int i = 0; i < 2; i++)
			dimension->values[i] = pf_range_end(dimension->range, i == 1);
		search->range = dimension->name;
	}
	else if (value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data) &&
		!JsonContainerIsScalar(value->val.binary.data))
	{
		dimension->n = JsonContainerSize(value->val.binary.data);
		dimension->values = palloc(Max(dimension->n, 1) * sizeof(char *));
		for (int i = 0; i < dimension->n; i++)
			dimension->values[i] = pf_json_text(getIthJsonbValueFromContainer(value->val.binary.data, i));
	}
	else
	{
		dimension->n = 1;
		dimension->values = palloc(sizeof(char *));
		dimension->values[0] = pf_json_text(value);
	}
	if (dimension->n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the list of \"%s\" has no value", name),
				 errhint("Give it values, or leave it out.")));
	if (dimension->n > 1)
		pf_check_searchable(name);
	return dimension;
}

/* The names of the algorithms; the default alone when there are none. */
static void
read_algorithms(PfSearch *search, Jsonb *given)
{
	JsonbValue	buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(&given->root, "algorithm", strlen("algorithm"),
													 &buffer);
	Dimension  *names = value ? read_dimension(search, "algorithm", value) : NULL;
	int			n = names ? names->n : 1;

	search->branches = palloc0(n * sizeof(Branch));
	for (int i = 0; i < n; i++)
	{
		Jsonb	   *name = names ? DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(names->values[i])))
			: NULL;
		JsonbValue *text = name && JB_ROOT_IS_SCALAR(name) ? getIthJsonbValueFromContainer(&name->root, 0) : NULL;
		const PfAlgorithm *algorithm;

		if (name && (text == NULL || text->type != jbvString))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"algorithm\" must be a name, or a list of names")));
		algorithm = pf_find_algorithm(text ? pnstrdup(text->val.string.val, text->val.string.len)
									  : PF_DEFAULT_ALGORITHM);
		for (int j = 0; j < search->nbranches; j++)
		{
			if (search->branches[j].algorithm == algorithm)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("\"algorithm\" has \"%s\" twice", algorithm->name)));
		}
		search->branches[search->nbranches++].algorithm = algorithm;
	}
}

/* One parameter by itself, which must be allowed. */
static Jsonb *
one_parameter(const char *name, const char *value)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	escape_json(&json, name);
	appendStringInfo(&json, ": %s}", value);
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

/* To the algorithms that know it; each value is checked with each of them. */
static void
add_dimension(PfSearch *search, Dimension *dimension)
{
	bool		known = false;

	for (int b = 0; b < search->nbranches; b++)
	{
		Branch	   *branch = &search->branches[b];

		if (pf_find_param(branch->algorithm->params, dimension->name) == NULL)
			continue;
		known = true;
		branch->dimensions = lappend(branch->dimensions, dimension);
		for (int i = 0; i < dimension->n; i++)
			pf_trial_make(branch->algorithm, one_parameter(dimension->name, dimension->values[i]));
	}
	/* the error that ml_train gives */
	if (!known)
		pf_trial_make(search->branches[0].algorithm,
					  one_parameter(dimension->name, dimension->values[0]));
}

PfSearch *
pf_search_parse(Jsonb *given)
{
	PfSearch   *search = palloc0(sizeof(PfSearch));
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	item;
	char	   *name = NULL;

	if (!JB_ROOT_IS_OBJECT(given))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("search must be a JSON object"),
				 errhint("For example: search => '{\"max_depth\": [8, 16, null], \"n_estimators\": 200}'.")));
	read_algorithms(search, given);
	it = JsonbIteratorInit(&given->root);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(item.val.string.val, item.val.string.len);
		else if (token == WJB_VALUE && strcmp(name, "algorithm") != 0)
			add_dimension(search, read_dimension(search, name, &item));
	}
	for (int b = 0; b < search->nbranches; b++)
	{
		Branch	   *branch = &search->branches[b];
		ListCell   *lc;

		branch->size = 1;
		foreach(lc, branch->dimensions)
		{
			branch->size *= ((Dimension *) lfirst(lc))->n;
			if (branch->size > PF_MAX_COMBINATIONS)
				break;
		}
		search->size += branch->size;
	}
	if (search->size > PF_MAX_COMBINATIONS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the search has more than " UINT64_FORMAT " combinations", PF_MAX_COMBINATIONS),
				 errhint("Give fewer values.")));
	return search;
}

uint64
pf_search_size(const PfSearch *search)
{
	return search->size;
}

bool
pf_search_has_range(const PfSearch *search)
{
	return search->range != NULL;
}

void
pf_search_check_grid(const PfSearch *search)
{
	if (search->range != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a grid cannot have the range of \"%s\"", search->range),
				 errhint("Give a list of values, or have trials drawn by the strategy \"random\".")));
}

static void
put_value(StringInfo json, const Dimension *dimension, const char *value)
{
	appendStringInfoString(json, json->len > 0 ? ", " : "{");
	escape_json(json, dimension->name);
	appendStringInfo(json, ": %s", value);
}

static PfTrial *
make_trial(const Branch *branch, StringInfo json)
{
	appendStringInfoString(json, json->len > 0 ? "}" : "{}");
	return pf_trial_make(branch->algorithm,
						 DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json->data))));
}

PfTrial *
pf_search_trial(const PfSearch *search, uint64 number)
{
	const Branch *branch = search->branches;
	StringInfoData json;
	uint64		rest;
	ListCell   *lc;

	while (number >= branch->size)
		number -= (branch++)->size;
	rest = branch->size;
	initStringInfo(&json);
	foreach(lc, branch->dimensions)
	{
		const Dimension *dimension = lfirst(lc);

		rest /= dimension->n;
		put_value(&json, dimension, dimension->values[number / rest]);
		number %= rest;
	}
	return make_trial(branch, &json);
}

PfTrial *
pf_search_draw(const PfSearch *search, uint64 stream, uint64 *position)
{
	const Branch *branch = &search->branches[pf_random_below(stream, (*position)++, search->nbranches)];
	StringInfoData json;
	ListCell   *lc;

	initStringInfo(&json);
	foreach(lc, branch->dimensions)
	{
		const Dimension *dimension = lfirst(lc);

		put_value(&json, dimension, dimension->range
				  ? pf_range_draw(dimension->range, pf_random(stream, (*position)++))
				  : dimension->values[pf_random_below(stream, (*position)++, dimension->n)]);
	}
	return make_trial(branch, &json);
}

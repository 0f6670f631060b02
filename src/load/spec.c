/*
 * spec.c
 *	  What is asked of a load, checked against the source before a row is read.
 *
 * Each kind of mistake is reported for all columns at once.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "catalog/pgenv.h"
#include "engine/grow/params.h"
#include "load/stages.h"

#define LISTED_COLUMNS		20		/* in a hint */

/* A column that is asked for, and as what. */
typedef struct Request
{
	const char *name;
	PfRole		role;
} Request;

static const char *const role_names[] = {"feature", "target", "weight", "split", "key"};

/* Is it there to put rows in an order, and nothing that a model sees? */
static bool
is_order(const PfLoadSpec *spec, const Request *request)
{
	return request->role == PF_FEATURE && spec->order_by && strcmp(request->name, spec->order_by) == 0;
}

static const char *
role_name(const PfLoadSpec *spec, const Request *request)
{
	return is_order(spec, request) ? "order_by" : role_names[request->role];
}

/* "a", "b" */
static void
append_name(StringInfo list, const char *name)
{
	appendStringInfo(list, "%s\"%s\"", list->len > 0 ? ", " : "", name);
}

/* The source's column nearest to a name that it lacks, or NULL when none is near. */
static const char *
nearest_column(const PfSource *source, const char *name)
{
	const char *nearest = NULL;
	uint32		least = Min(Max(2, strlen(name) / 3) + 1, strlen(name));

	for (int i = 0; i < source->desc->natts; i++)
	{
		const char *other = NameStr(TupleDescAttr(source->desc, i)->attname);
		uint32		distance = pg_strcasecmp(name, other) == 0 ? 0 : pf_edit_distance(name, other);

		if (distance < least)
		{
			least = distance;
			nearest = other;
		}
	}
	return nearest;
}

/* Errors when a name is no column of the source: all of them, with what was meant. */
static void
check_names(const PfSource *source, List *names)
{
	List	   *unknown = NIL;
	List	   *meant = NIL;
	StringInfoData list;
	StringInfoData hint;
	ListCell   *lc;

	foreach(lc, names)
	{
		char	   *name = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		if (pf_source_column(source, name) < 0 && !pf_names_contain(unknown, name))
			unknown = lappend(unknown, name);
	}
	if (unknown == NIL)
		return;

	initStringInfo(&list);
	initStringInfo(&hint);
	foreach(lc, unknown)
	{
		const char *nearest = nearest_column(source, lfirst(lc));

		CHECK_FOR_INTERRUPTS();
		append_name(&list, lfirst(lc));
		if (nearest == NULL || pf_names_contain(meant, nearest))
			continue;
		meant = lappend(meant, (char *) nearest);
		appendStringInfo(&hint, "%s\"%s\"", hint.len > 0 ? ", " : "Perhaps you meant ", nearest);
	}
	if (hint.len == 0)
	{
		for (int i = 0; i < source->desc->natts && i < LISTED_COLUMNS; i++)
			appendStringInfo(&hint, "%s\"%s\"", i > 0 ? ", " : "Its columns are ",
							 NameStr(TupleDescAttr(source->desc, i)->attname));
		if (source->desc->natts > LISTED_COLUMNS)
			appendStringInfoString(&hint, ", ...");
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 list_length(unknown) == 1
			 ? errmsg("column %s does not exist in the source", list.data)
			 : errmsg("%d columns do not exist in the source", list_length(unknown)),
			 list_length(unknown) == 1 ? 0 : errdetail("There is no column %s.", list.data),
			 hint.len == 0 ? errhint("The source has no columns.") : errhint("%s.", hint.data)));
}

/* Says once that a column is two things. */
static void
add_clash(StringInfo list, const char *name, const char *one, const char *other)
{
	char	   *clash = psprintf("Column \"%s\" is %s %s.", name, one, other);

	if (strstr(list->data, clash) == NULL)
		appendStringInfo(list, "%s%s", list->len > 0 ? " " : "", clash);
	pfree(clash);
}

/* Errors when a column has two roles, or is both wanted and excluded. */
static void
check_roles(const PfLoadSpec *spec, const Request *requests, int n)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < i; j++)
		{
			if (strcmp(requests[i].name, requests[j].name) != 0)
				continue;
			if (requests[i].role == requests[j].role)
				add_clash(&list, requests[i].name, "twice a", role_names[requests[i].role]);
			else
				add_clash(&list, requests[i].name, role_name(spec, &requests[j]),
						  psprintf("and %s", role_name(spec, &requests[i])));
		}
		if (requests[i].role == PF_FEATURE && spec->features_given &&
			pf_names_contain(spec->exclude, requests[i].name))
			add_clash(&list, requests[i].name, role_names[PF_FEATURE], "and excluded");
	}
	if (list.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_COLUMN),
				 errmsg("a column can have one role only"),
				 errdetail_internal("%s", list.data),
				 errhint("Name each column once among target, features, exclude, key, weight%s.",
						 spec->order_by ? ", split and order_by" : " and split")));
}

/* Every column that is asked for: the roles, then the features in their order. */
static Request *
list_requests(const PfLoadSpec *spec, int *n)
{
	const PfSource *source = spec->source;
	Request    *requests;
	List	   *names = NIL;
	ListCell   *lc;
	int			before;			/* weight, split and key */
	int			nroles;

	if (spec->target)
		names = lappend(names, spec->target);
	before = list_length(names);
	if (spec->weight)
		names = lappend(names, spec->weight);
	if (spec->split)
		names = lappend(names, spec->split);
	names = list_concat(names, spec->key);
	nroles = list_length(names);
	names = list_concat(names, spec->features);
	check_names(source, list_concat_copy(names, spec->exclude));

	if (!spec->features_given)
	{
		List	   *taken = list_copy(names);

		for (int i = 0; i < source->desc->natts; i++)
		{
			char	   *name = NameStr(TupleDescAttr(source->desc, i)->attname);

			if (!pf_names_contain(taken, name) && !pf_names_contain(spec->exclude, name))
				names = lappend(names, name);
		}
	}

	requests = palloc(list_length(names) * sizeof(Request));
	*n = 0;
	foreach(lc, names)
	{
		Request    *request = &requests[*n];

		request->name = lfirst(lc);
		if (*n < before)
			request->role = PF_TARGET;
		else if (*n >= nroles)
			request->role = PF_FEATURE;
		else if (*n == before && spec->weight)
			request->role = PF_WEIGHT;
		else if (*n == before + (spec->weight ? 1 : 0) && spec->split)
			request->role = PF_SPLIT;
		else
			request->role = PF_KEY;
		(*n)++;
	}
	check_roles(spec, requests, *n);

	if (*n == nroles)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no feature column"),
				 errdetail("Every column of the source is target, key, weight, split or excluded."),
				 errhint("A model needs at least one column to predict from.")));
	return requests;
}

/* The task that the target's type allows. */
static PfTask
resolve_task(const PfLoadSpec *spec, const PfLoadColumn *target)
{
	const PfReader *reader = &target->reader;
	const char *type = format_type_be(reader->type);

	if (OidIsValid(reader->element))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("target column \"%s\" is an array", target->name),
				 errhint("The target is one value a row: a label or a number.")));

	if (reader->kind == PF_CATEGORY)
	{
		if (spec->task == PF_REGRESSION)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("target column \"%s\" has type %s, which regression cannot predict",
							target->name, type),
					 errhint("Cast it to a number in the source, or pass task => 'classification'.")));
		return PF_CLASSIFICATION;
	}
	if (spec->task != PF_TASK_AUTO)
		return spec->task;

	switch (reader->base)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return PF_CLASSIFICATION;
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return PF_REGRESSION;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("target column \"%s\" has type %s, which does not tell the task",
							target->name, type),
					 errhint("Pass task => 'regression' to predict a point in time, or task => 'classification' to predict one of few.")));
	}
	return PF_TASK_AUTO;		/* keep compilers quiet */
}

/* Errors when a role's column has a type that cannot have that role. */
static void
check_role_type(const PfLoadColumn *column, bool readable)
{
	const char *wanted = NULL;
	const PfReader *reader = &column->reader;

	switch (column->role)
	{
		case PF_FEATURE:
			break;
		case PF_TARGET:
			if (!readable)
				wanted = "The target is a number, a boolean, a text, an enum or a uuid.";
			break;
		case PF_WEIGHT:
			if (!readable || reader->kind != PF_NUMBER || OidIsValid(reader->element))
				wanted = "The weight is a number.";
			break;
		case PF_SPLIT:
			if (!readable || reader->kind != PF_CATEGORY)
				wanted = "The split is a text: train, validation or test.";
			break;
		case PF_KEY:
			if (!readable)
				wanted = "A key is a number, a boolean, a date or time, a text, an enum, a uuid or an array of numbers.";
			break;
	}
	if (wanted != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("%s column \"%s\" cannot have type %s", role_names[column->role],
						column->name, format_type_be(reader->type)),
				 errhint("%s Cast it in the source.", wanted)));
}

/* Errors with all features of a type that no model takes. */
static void
refuse_features(const PfLoadSpec *spec, List *refused)
{
	StringInfoData detail;
	StringInfoData names;
	ListCell   *lc;

	initStringInfo(&detail);
	initStringInfo(&names);
	foreach(lc, refused)
	{
		const PfLoadColumn *column = lfirst(lc);

		appendStringInfo(&detail, "%s\"%s\" has type %s", detail.len > 0 ? ", " : "",
						 column->name, format_type_be(column->reader.type));
		appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "",
						 quote_literal_cstr(column->name));
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg_plural("%d feature column has a type that cannot be used",
						   "%d feature columns have types that cannot be used",
						   list_length(refused), list_length(refused)),
			 errdetail("Column %s.", detail.data),
			 spec->features_given
			 ? errhint("Leave them out of features, or cast them in the source to a number or a text.")
			 : errhint("Pass exclude => ARRAY[%s], or cast them in the source to a number or a text.",
					   names.data)));
}

static int
compare_columns(const void *a, const void *b)
{
	return strcmp(((const PfLoadColumn *) a)->name, ((const PfLoadColumn *) b)->name);
}

/* What a feature needs while rows come in. */
static void
prepare_feature(PfLoad *load, PfLoadColumn *column)
{
	bool		array = OidIsValid(column->reader.element);

	load->features[column->position] = column;
	if (column->reader.kind == PF_CATEGORY)
	{
		column->store = PF_CODES;
		column->dictionary = pf_dictionary_create(load->context, PF_MAX_CATEGORIES);
		if (load->spec->for_folds)
			load->nentries++;
	}
	else
		column->store = column->reader.exact_float4 ? PF_FLOATS : PF_DOUBLES;
	column->length = array ? 0 : 1;
	load->nfeatures += column->length;
}

/* Checks a spec and lays out the load; reads no row. */
PfLoad *
pf_load_resolve(const PfLoadSpec *spec, MemoryContext context)
{
	MemoryContext previous = MemoryContextSwitchTo(context);
	PfLoad	   *load = palloc0(sizeof(PfLoad));
	List	   *refused = NIL;
	Request    *requests;

	load->spec = spec;
	load->values = spec->values;
	load->folds = spec->for_folds;
	load->context = context;
	load->env = pf_pg_env(context);
	load->task = spec->task;	/* unless a target tells */
	requests = list_requests(spec, &load->ncolumns);
	load->columns = palloc0(load->ncolumns * sizeof(PfLoadColumn));

	for (int i = 0; i < load->ncolumns; i++)
	{
		PfLoadColumn *column = &load->columns[i];
		Oid			type = TupleDescAttr(spec->source->desc,
										 pf_source_column(spec->source, requests[i].name))->atttypid;
		bool		readable = pf_reader_init(&column->reader, type);

		column->name = pstrdup(requests[i].name);
		column->role = requests[i].role;
		column->position = -1;
		if (column->role == PF_FEATURE)
			column->position = load->nfeature_columns++;
		check_role_type(column, readable);
		if (!readable)
			refused = lappend(refused, column);
		/* of the key, or of everything that a model sees */
		column->content = !is_order(spec, &requests[i]);
		if (spec->key != NIL)
			column->identity = column->role == PF_KEY;
		else
			column->identity = column->role != PF_SPLIT && column->content;
		if (column->role == PF_TARGET)
		{
			load->task = resolve_task(spec, column);
			load->target_type = type;
		}
	}
	if (refused != NIL)
		refuse_features(spec, refused);

	/* hashes go over the columns in the order of their names */
	qsort(load->columns, load->ncolumns, sizeof(PfLoadColumn), compare_columns);
	load->features = palloc(load->nfeature_columns * sizeof(PfLoadColumn *));
	for (int i = 0; i < load->ncolumns; i++)
	{
		PfLoadColumn *column = &load->columns[i];

		load->names = lappend(load->names, column->name);
		switch (column->role)
		{
			case PF_FEATURE:
				prepare_feature(load, column);
				break;
			case PF_TARGET:
				load->target = column;
				break;
			case PF_WEIGHT:
				load->weight = column;
				break;
			case PF_SPLIT:
				load->split = column;
				break;
			case PF_KEY:
				break;
		}
	}
	if (load->task == PF_CLASSIFICATION)
		load->labels = pf_dictionary_create(context, PF_MAX_CLASSES);
	load->sample_bound = UINT64_MAX;
	load->draw_bound = UINT64_MAX;
	load->one_hash = spec->key == NIL && load->split == NULL;
	MemoryContextSwitchTo(previous);
	return load;
}

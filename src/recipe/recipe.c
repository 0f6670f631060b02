/*
 * recipe.c
 *	  Recipes as documents, and a source seen through one.
 *
 * The document: {"recipe": name, "version": n, "columns": [{"name": ..., "type": ...}],
 * "steps": [as given, with the columns of groups written out and "fitted"]}.  It holds no
 * SQL, so nobody can bring in any: the text is made from it each time.
 *
 * A column's type is kept as a built-in one; text stands for all kinds of categories.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/lsyscache.h"

#include "catalog/recipes.h"
#include "recipe/parts.h"

static const struct
{
	const char *name;
	Oid			type;
}			type_names[] =
{
	{"smallint", INT2OID},
	{"integer", INT4OID},
	{"bigint", INT8OID},
	{"real", FLOAT4OID},
	{"double precision", FLOAT8OID},
	{"numeric", NUMERICOID},
	{"boolean", BOOLOID},
	{"text", TEXTOID},
	{"date", DATEOID},
	{"timestamp", TIMESTAMPOID},
	{"timestamptz", TIMESTAMPTZOID},
	{"double precision[]", FLOAT8ARRAYOID},
	{"other", InvalidOid}
};

/* ----- documents ----- */

pg_noreturn static void
bad_document(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("stored recipe is damaged")));
}

static void
need(JsonbContainer *object, const char *key, enum jbvType type, JsonbValue *value)
{
	if (getKeyJsonValueFromContainer(object, key, strlen(key), value) == NULL || value->type != type)
		bad_document();
}

static char *
need_text(JsonbContainer *object, const char *key)
{
	JsonbValue	value;

	need(object, key, jbvString, &value);
	return pnstrdup(value.val.string.val, value.val.string.len);
}

static void
read_columns(PfRecipe *recipe, JsonbContainer *array)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	value;
	int			n = JsonContainerSize(array);

	recipe->columns = palloc(sizeof(char *) * Max(n, 1));
	recipe->types = palloc(sizeof(Oid) * Max(n, 1));
	it = JsonbIteratorInit(array);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		char	   *type;
		int			i = 0;

		if (token != WJB_ELEM)
			continue;
		if (value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data))
			bad_document();
		type = need_text(value.val.binary.data, "type");
		while (i < (int) lengthof(type_names) && strcmp(type_names[i].name, type) != 0)
			i++;
		if (i == (int) lengthof(type_names))
			bad_document();
		recipe->columns[recipe->ncolumns] = need_text(value.val.binary.data, "name");
		recipe->types[recipe->ncolumns++] = type_names[i].type;
	}
}

PfRecipe *
pf_recipe_read(Jsonb *document)
{
	PfRecipe   *recipe = palloc0(sizeof(PfRecipe));
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(document))
		bad_document();
	recipe->name = need_text(&document->root, "recipe");
	need(&document->root, "version", jbvNumeric, &value);
	recipe->version = DatumGetInt32(DirectFunctionCall1(numeric_int4, NumericGetDatum(value.val.numeric)));
	need(&document->root, "columns", jbvBinary, &value);
	if (!JsonContainerIsArray(value.val.binary.data))
		bad_document();
	read_columns(recipe, value.val.binary.data);
	need(&document->root, "steps", jbvBinary, &value);
	recipe->steps = pf_steps_read(JsonbValueToJsonb(&value), true);
	return recipe;
}

Jsonb *
pf_recipe_find(const char *reference)
{
	PfRecipeInfo info;

	pf_catalog_recipe(reference, &info);
	return info.document;
}

/* ----- columns ----- */

/* The built-in type that stands for one. */
static const char *
name_of_type(Oid type)
{
	PfUse		use = pf_use_of(type);
	Oid			base;
	int			i = 0;

	if (use == PF_USE_TEXT)
		base = TEXTOID;
	else if (use != PF_USE_OTHER)
		base = getBaseType(type);
	else
		base = OidIsValid(type) && pf_use_of(get_base_element_type(type)) == PF_USE_NUMBER ? FLOAT8ARRAYOID : InvalidOid;

	while (type_names[i].type != base)
		i++;
	return type_names[i].name;
}

Jsonb *
pf_recipe_columns(TupleDesc desc)
{
	StringInfoData json;

	initStringInfo(&json);
	for (int i = 0; i < desc->natts; i++)
	{
		appendStringInfoString(&json, i > 0 ? ",{\"name\":" : "[{\"name\":");
		escape_json(&json, NameStr(TupleDescAttr(desc, i)->attname));
		appendStringInfo(&json, ",\"type\":\"%s\"}", name_of_type(TupleDescAttr(desc, i)->atttypid));
	}
	appendStringInfoString(&json, desc->natts > 0 ? "]" : "[]");
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

void
pf_recipe_match(const PfRecipe *recipe, TupleDesc desc, PfMatch *match)
{
	int			n = Max(recipe->ncolumns, 1);

	match->positions = palloc(sizeof(int) * n);
	match->types = palloc(sizeof(Oid) * n);
	match->changed = palloc0(sizeof(Oid) * n);
	for (int i = 0; i < recipe->ncolumns; i++)
	{
		match->positions[i] = -1;
		match->types[i] = recipe->types[i];
		for (int a = 0; a < desc->natts; a++)
		{
			Form_pg_attribute attribute = TupleDescAttr(desc, a);

			if (attribute->attisdropped || strcmp(NameStr(attribute->attname), recipe->columns[i]) != 0)
				continue;
			if (pf_use_of(attribute->atttypid) != pf_use_of(recipe->types[i]))
				match->changed[i] = attribute->atttypid;
			else
			{
				match->positions[i] = a;
				match->types[i] = attribute->atttypid;
			}
			break;
		}
	}
}

void
pf_recipe_need(const PfRecipe *recipe, const PfMatch *match, const bool *needed, const char *what)
{
	StringInfoData missing;
	StringInfoData changed;
	int			nmissing = 0;

	initStringInfo(&missing);
	initStringInfo(&changed);
	for (int i = 0; i < recipe->ncolumns; i++)
	{
		if (!needed[i] || match->positions[i] >= 0)
			continue;
		if (OidIsValid(match->changed[i]))
			appendStringInfo(&changed, "%s\"%s\" is %s, the recipe has %s", changed.len > 0 ? "; " : "",
							 recipe->columns[i], format_type_be(match->changed[i]), name_of_type(recipe->types[i]));
		else
		{
			appendStringInfo(&missing, "%s\"%s\"", missing.len > 0 ? ", " : "", recipe->columns[i]);
			nmissing++;
		}
	}
	if (nmissing > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg_plural("%s lacks %d column that recipe \"%s\" needs",
							   "%s lacks %d columns that recipe \"%s\" needs",
							   nmissing, what, nmissing, recipe->name),
				 errdetail("Missing: %s.", missing.data),
				 errhint("Columns are matched by name, extra ones are ignored; give a renamed column its old name in a query.")));
	if (changed.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("%s does not have the types that recipe \"%s\" was fitted on", what, recipe->name),
				 errdetail("Column %s.", changed.data),
				 errhint("Cast the values in a query, or fit the recipe again on the columns as they are now.")));
}

/* ----- a source ----- */

/*
 * Columns that a source lacks and that nothing is done with before they are dropped: they
 * are taken out of the recipe.
 */
static PfRecipe *
without_dropped(const PfRecipe *recipe, PfMatch *match)
{
	PfRecipe   *copy = palloc(sizeof(PfRecipe));
	int			n = 0;

	*copy = *recipe;
	copy->columns = palloc(sizeof(char *) * Max(recipe->ncolumns, 1));
	copy->types = palloc(sizeof(Oid) * Max(recipe->ncolumns, 1));
	for (int i = 0; i < recipe->ncolumns; i++)
	{
		PfStep	   *first = NULL;
		ListCell   *lc;
		ListCell   *cell = NULL;

		foreach(lc, recipe->steps)
		{
			PfStep	   *step = lfirst(lc);

			foreach(cell, step->columns)
			{
				if (strcmp(lfirst(cell), recipe->columns[i]) == 0)
					break;
			}
			if (cell != NULL || (step->order_by && strcmp(step->order_by, recipe->columns[i]) == 0) ||
				(step->target && strcmp(step->target, recipe->columns[i]) == 0))
			{
				first = step;
				break;
			}
		}
		if (match->positions[i] < 0 && first != NULL && first->kind == PF_DROP)
		{
			first->columns = list_delete_cell(first->columns, cell);
			continue;
		}
		copy->columns[n] = recipe->columns[i];
		copy->types[n] = recipe->types[i];
		match->positions[n] = match->positions[i];
		match->types[n] = match->types[i];
		match->changed[n++] = match->changed[i];
	}
	copy->ncolumns = n;
	return copy;
}

PfProgram *
pf_recipe_program(const PfRecipe *recipe, const PfSource *raw, bool training)
{
	PfMatch		match;
	bool	   *needed;

	pf_recipe_match(recipe, raw->desc, &match);
	recipe = without_dropped(recipe, &match);
	needed = palloc(sizeof(bool) * Max(recipe->ncolumns, 1));
	memset(needed, true, sizeof(bool) * recipe->ncolumns);
	pf_recipe_need(recipe, &match, needed, "source");
	return pf_program_of(recipe, match.types, training);
}

PfSource *
pf_recipe_source(const PfRecipe *recipe, const PfSource *raw)
{
	PfProgram  *program = pf_recipe_program(recipe, raw, true);
	PfSource   *source = pf_source_open(pf_program_sql(program, raw->from));

	source->text = raw->text;
	source->query = raw->query;
	source->relation = raw->relation;
	return source;
}

/* The raw source with NULL for a column, if that is one of the recipe's; else as it is. */
static const PfSource *
with_null(const PfRecipe *recipe, const PfSource *raw, const char *column)
{
	StringInfoData sql;

	for (int i = 0; i < recipe->ncolumns; i++)
	{
		if (strcmp(recipe->columns[i], column) != 0)
			continue;
		initStringInfo(&sql);
		appendStringInfo(&sql, "SELECT NULL::%s AS %s",
						 OidIsValid(recipe->types[i]) ? format_type_be_qualified(recipe->types[i]) : "pg_catalog.text",
						 quote_identifier(column));
		for (int a = 0; a < raw->desc->natts; a++)
		{
			const char *name = NameStr(TupleDescAttr(raw->desc, a)->attname);

			if (strcmp(name, column) != 0)
				appendStringInfo(&sql, ", source.%s", quote_identifier(name));
		}
		appendStringInfo(&sql, " FROM %s", raw->from);
		return pf_source_open(sql.data);
	}
	return raw;
}

const PfSource *
pf_recipe_fill(const PfRecipe *recipe, const PfSource *raw, const char *target, List **faults)
{
	PfMatch		match;

	pf_recipe_match(recipe, raw->desc, &match);
	recipe = without_dropped(recipe, &match);
	for (int i = 0; i < recipe->ncolumns; i++)
	{
		bool		missing = !OidIsValid(match.changed[i]);
		PfRawFault *fault;

		if (match.positions[i] >= 0 || (missing && target != NULL && strcmp(recipe->columns[i], target) == 0))
			continue;
		fault = palloc(sizeof(PfRawFault));
		fault->column = recipe->columns[i];
		fault->missing = missing;
		fault->detail = missing ? "The recipe needs this raw column."
			: psprintf("It is %s, and the recipe has %s.",
					   format_type_be(match.changed[i]), name_of_type(recipe->types[i]));
		*faults = lappend(*faults, fault);
		raw = with_null(recipe, raw, recipe->columns[i]);
	}
	return raw;
}

PfSource *
pf_recipe_rows(const PfRecipe *recipe, const PfSource *raw, const char *target)
{
	bool		lacks = target != NULL && pf_source_column(raw, target) < 0;
	PfProgram  *program;
	PfSource   *source;
	StringInfoData sql;
	const char *between = "SELECT ";

	if (lacks)
		raw = with_null(recipe, raw, target);
	program = pf_recipe_program(recipe, raw, false);
	source = pf_source_open(pf_program_sql(program, raw->from));
	if (!lacks || pf_source_column(source, target) < 0)
		return source;

	initStringInfo(&sql);
	for (int i = 0; i < source->desc->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(source->desc, i)->attname);

		if (strcmp(name, target) == 0)
			continue;
		appendStringInfo(&sql, "%ssource.%s", between, quote_identifier(name));
		between = ", ";
	}
	appendStringInfo(&sql, " FROM %s", source->from);
	return pf_source_open(sql.data);
}

bool
pf_recipe_keeps(const PfRecipe *recipe, const char *column)
{
	PfProgram  *program = pf_program_start(recipe->ncolumns, recipe->columns, recipe->types, recipe->steps, false);
	const PfField *field;
	ListCell   *lc;

	foreach(lc, recipe->steps)
	{
		pf_program_resolve(program, lfirst(lc));
		pf_program_add(program, lfirst(lc));
	}
	field = pf_program_field(program, column);
	return field != NULL && field->raw != NULL && strcmp(field->raw, column) == 0;
}

bool
pf_recipe_is_out_of_fold(const PfRecipe *recipe)
{
	ListCell   *lc;

	foreach(lc, recipe->steps)
	{
		if (((PfStep *) lfirst(lc))->kind == PF_TARGET_MEAN)
			return true;
	}
	return false;
}

/*
 * categories.c
 *	  Steps that make something of categories: fewer of them, columns, numbers.
 *
 * A category is told by its bytes.  Where there are many, a jsonb constant has them, in which
 * PostgreSQL looks one up by halves; the numbers in it are strings, so that they keep their bits.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "recipe/parts.h"

void
pf_add_group_rare(PfProgram *program, const PfStep *step, PfField *field)
{
	List	   *kept = pf_constant_list(step, field->name, "kept", jbvString);
	char	   *expr = pf_program_text(program, field, 3);

	pf_set_field(field, TEXTOID,
			  psprintf("CASE WHEN %s COLLATE pg_catalog.\"C\"" PF_OP("=") "ANY (%s) THEN %s WHEN %s IS NOT NULL THEN %s END",
					   expr, pf_sql_texts(kept), expr, expr, pf_sql_text(step->other)));
}

/* A column for each category, in the place of the one that had them. */
void
pf_add_one_hot(PfProgram *program, const PfStep *step, PfField *field)
{
	List	   *categories = pf_constant_list(step, field->name, "categories", jbvString);
	bool		null = pf_constant_flag(step, field->name, "null");
	char	   *column = field->name;
	PfField    *last = field;
	char	   *expr = pf_program_text(program, field, list_length(categories) + null);
	ListCell   *lc;

	foreach(lc, categories)
		last = pf_insert_field(program, last, pf_new_name(program, psprintf("%s_%s", column, (char *) lfirst(lc))), INT4OID,
							psprintf("CASE WHEN %s COLLATE pg_catalog.\"C\"" PF_OP("=") "%s THEN 1 ELSE 0 END",
									 expr, pf_sql_text(lfirst(lc))));
	if (null)
		pf_insert_field(program, last, pf_new_name(program, psprintf("%s_null", column)), INT4OID,
					 psprintf("CASE WHEN %s IS NULL THEN 1 ELSE 0 END", expr));
	program->fields = list_delete_ptr(program->fields, field);
}

/* A jsonb object of strings from category to number, as a constant to look up in. */
static char *
lookup(const char *expr, const char *object)
{
	return psprintf("(%s::pg_catalog.jsonb" PF_OP("->>") "%s)::pg_catalog.float8",
					quote_literal_cstr(object), expr);
}

void
pf_add_ordinal(PfProgram *program, const PfStep *step, PfField *field)
{
	List	   *categories = pf_constant_list(step, field->name, "categories", jbvString);
	StringInfoData object;
	ListCell   *lc;

	initStringInfo(&object);
	foreach(lc, categories)
	{
		appendStringInfoChar(&object, object.len == 0 ? '{' : ',');
		escape_json(&object, lfirst(lc));
		appendStringInfo(&object, ":\"%d\"", foreach_current_index(lc));
	}
	appendStringInfoString(&object, object.len == 0 ? "{}" : "}");
	pf_set_field(field, FLOAT8OID, lookup(pf_program_text(program, field, 1), object.data));
}

char *
pf_program_target(PfProgram *program, const PfStep *step)
{
	PfField    *target = pf_program_field(program, step->target);

	if (step->positive.text == NULL)
		return pf_program_number(program, target, 1);
	return psprintf("(CASE WHEN %s COLLATE pg_catalog.\"C\"" PF_OP("=") "%s THEN 1::pg_catalog.float8 "
					"WHEN %s IS NOT NULL THEN 0::pg_catalog.float8 END)",
					pf_sql_as_text(target->expr, target->type), pf_sql_text(step->positive.text), target->expr);
}

/* The mean of a category: looked up in one fit, that of the missing or of all where there is none. */
static char *
encode(const PfStep *step, const char *column, JsonbContainer *fit, const char *expr)
{
	JsonbValue	value;
	char	   *mean;
	Jsonb	   *object;

	if (getKeyJsonValueFromContainer(fit, "mean", 4, &value) == NULL || value.type != jbvNumeric)
		pf_no_constant(step, column, "mean");
	mean = pf_sql_float8(pf_json_number(&value));
	if (getKeyJsonValueFromContainer(fit, "categories", 10, &value) == NULL || value.type != jbvBinary ||
		!JsonContainerIsObject(value.val.binary.data))
		pf_no_constant(step, column, "categories");
	object = JsonbValueToJsonb(&value);
	expr = psprintf("COALESCE(%s, %s)",
					lookup(expr, JsonbToCString(NULL, &object->root, VARSIZE(object))), mean);
	return pstrdup(expr);
}

void
pf_add_target_mean(PfProgram *program, const PfStep *step, PfField *field)
{
	char	   *column = field->name;
	StringInfoData sql;
	JsonbValue	value;
	char	   *expr;
	List	   *fits = NIL;
	JsonbIterator *it;
	JsonbIteratorToken token;
	bool		null = pf_constant_flag(step, column, "null");

	/* a category of its own is told from the others by a character that no text has before it */
	expr = pf_program_text(program, field, 1);
	expr = null ? psprintf("COALESCE('='::pg_catalog.text" PF_OP("||") "%s, '')", expr) :
		psprintf("('='::pg_catalog.text" PF_OP("||") "%s)", expr);
	if (!pf_find_constant(step, column, "all", &value) || value.type != jbvBinary ||
		!JsonContainerIsObject(value.val.binary.data))
		pf_no_constant(step, column, "all");
	if (!program->training)
	{
		pf_set_field(field, FLOAT8OID, encode(step, column, value.val.binary.data, expr));
		return;
	}

	if (!pf_find_constant(step, column, "folds", &value) || value.type != jbvBinary ||
		!JsonContainerIsArray(value.val.binary.data))
		pf_no_constant(step, column, "folds");
	it = JsonbIteratorInit(value.val.binary.data);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM && value.type == jbvBinary && JsonContainerIsObject(value.val.binary.data))
			fits = lappend(fits, value.val.binary.data);
	}
	if (list_length(fits) != step->folds)
		pf_no_constant(step, column, "folds");
	pf_set_field(field, TEXTOID, expr);
	expr = pf_field_as_it_is(program, field);
	initStringInfo(&sql);
	appendStringInfoString(&sql, "CASE");
	for (int i = 0; i < step->folds; i++)
		appendStringInfo(&sql, " WHEN %s" PF_OP("=") "%d THEN %s", pf_program_fold(program, step)->expr, i,
						 encode(step, column, list_nth(fits, i), expr));
	appendStringInfoString(&sql, " END");
	pf_set_field(field, FLOAT8OID, sql.data);
}

/*
 * program.c
 *	  From steps and their constants to SQL expressions, layer by layer.
 *
 * A program holds the columns as they are after the steps so far, each with the
 * expression that makes it from the columns of the layer below; the lowest layer
 * is the raw source.  A step that has a column's expression more than once where it is
 * no plain column ends the layer first, so that nothing is computed twice and no
 * text doubles with each step.  In SQL a layer is a subquery with OFFSET 0: the planner
 * neither merges it into the next one nor loses parallel plans for it.
 *
 * The two sides differ in what is marked training: conditions, deduplication, and
 * target means out of fold.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "recipe/parts.h"

#define FOLD_SEED		20		/* any number: folds are unlike other uses of these hashes */
/* ----- fields ----- */

PfField *
pf_program_field(const PfProgram *program, const char *name)
{
	ListCell   *lc;

	foreach(lc, program->fields)
	{
		PfField    *field = lfirst(lc);

		if (!field->hidden && strcmp(field->name, name) == 0)
			return field;
	}
	return NULL;
}

static char *
fold_name(int number)
{
	return psprintf("pgforest fold of step %d", number);
}

PfField *
pf_program_fold(const PfProgram *program, const PfStep *step)
{
	char	   *name = fold_name(step->number);
	ListCell   *lc;

	foreach(lc, program->fields)
	{
		PfField    *field = lfirst(lc);

		if (field->hidden && strcmp(field->name, name) == 0)
			return field;
	}
	elog(ERROR, "no fold was made for step %d", step->number);
}

void
pf_set_field(PfField *field, Oid type, const char *expr)
{
	field->expr = psprintf("(%s)", expr);
	field->type = type;
	field->plain = false;
	field->may_be_nan = false;
	field->raw = NULL;
}

/* A name for a new field, which no other has; long ones are cut. */
char *
pf_new_name(const PfProgram *program, const char *wanted)
{
	for (int i = 1;; i++)
	{
		char	   *suffix = i > 1 ? psprintf("_%d", i) : "";
		int			room = NAMEDATALEN - 1 - (int) strlen(suffix);
		char	   *name = psprintf("%.*s%s", pg_mbcliplen(wanted, (int) strlen(wanted), room), wanted, suffix);

		if (pf_program_field(program, name) == NULL)
			return name;
	}
}

/* A new field right after another one. */
PfField *
pf_insert_field(PfProgram *program, const PfField *after, char *name, Oid type, const char *expr)
{
	PfField    *field = palloc0(sizeof(PfField));

	field->name = name;
	pf_set_field(field, type, expr);
	for (int i = 0; i < list_length(program->fields); i++)
	{
		if (list_nth(program->fields, i) == after)
		{
			program->fields = list_insert_nth(program->fields, i + 1, field);
			return field;
		}
	}
	program->fields = lappend(program->fields, field);
	return field;
}

void
pf_end_layer(PfProgram *program, char *distinct, char *order)
{
	PfLayer    *layer = palloc0(sizeof(PfLayer));
	ListCell   *lc;

	layer->where = program->where;
	layer->distinct = distinct;
	layer->order = order;
	foreach(lc, program->fields)
	{
		PfField    *field = lfirst(lc);

		layer->names = lappend(layer->names, field->name);
		layer->exprs = lappend(layer->exprs, field->expr);
		field->expr = pf_sql_name(field->name);
		field->plain = true;
	}
	program->where = NIL;
	program->layers = lappend(program->layers, layer);
}

void
pf_program_settle(PfProgram *program)
{
	ListCell   *lc;
	bool		settled = program->where == NIL;

	foreach(lc, program->fields)
		settled = settled && ((PfField *) lfirst(lc))->plain;
	if (!settled)
		pf_end_layer(program, NULL, NULL);
}

/*
 * The field as text or number.  Where the expression is to stand several times and is more
 * than a column, or a cast of one that costs nothing, it becomes a column of a layer first.
 */
static char *
use_field(PfProgram *program, PfField *field, int times, bool as_text)
{
	char	   *expr = as_text ? pf_sql_as_text(field->expr, field->type)
		: pf_sql_as_float8(field->expr, field->type);
	bool		nan = !as_text && field->may_be_nan;
	bool		cheap = field->plain && !nan &&
		(!as_text || getBaseType(field->type) == TEXTOID || getBaseType(field->type) == VARCHAROID);

	if (nan)
	{
		if (!field->plain)
		{
			pf_end_layer(program, NULL, NULL);
			expr = pf_sql_as_float8(field->expr, field->type);
		}
		expr = psprintf("(CASE WHEN %s" PF_OP("<>") "'NaN'::pg_catalog.float8 THEN %s END)", expr, expr);
	}
	if (times < 2 || cheap)
		return expr;
	pf_set_field(field, as_text ? TEXTOID : FLOAT8OID, expr);
	pf_end_layer(program, NULL, NULL);
	return field->expr;
}

char *
pf_program_number(PfProgram *program, PfField *field, int times)
{
	return use_field(program, field, times, false);
}

char *
pf_program_text(PfProgram *program, PfField *field, int times)
{
	return use_field(program, field, times, true);
}

/* The expression of a field, which keeps its type, for several uses. */
char *
pf_field_as_it_is(PfProgram *program, PfField *field)
{
	if (!field->plain)
		pf_end_layer(program, NULL, NULL);
	return field->expr;
}
/* ----- a program as a whole ----- */

/* The fold of a row for a target_mean: by the hash of its key, or of all that can be hashed. */
static void
add_fold(PfProgram *program, const PfStep *step)
{
	PfField    *fold;
	StringInfoData row;
	List	   *missing = NIL;
	ListCell   *lc;

	initStringInfo(&row);
	foreach(lc, step->key)
	{
		if (pf_program_field(program, lfirst(lc)) == NULL)
			missing = lappend(missing, lfirst(lc));
	}
	pf_check_columns(program, step, missing);
	foreach(lc, program->fields)
	{
		const PfField *field = lfirst(lc);

		if (!field->hidden && (step->key == NIL || pf_names_contain(step->key, field->name)) &&
			pf_use_of(field->type) != PF_USE_OTHER)
			appendStringInfo(&row, "%s%s", row.len > 0 ? ", " : "", field->expr);
	}
	fold = pf_insert_field(program, NULL, fold_name(step->number), INT8OID,
						psprintf("(pg_catalog.hash_record_extended(ROW(%s), %d)" PF_OP("&") "2147483647)" PF_OP("%%") "%d",
								 row.data, FOLD_SEED, step->folds));
	fold->hidden = true;
}

PfProgram *
pf_program_start(int ncolumns, char *const *columns, const Oid *types, const List *steps, bool training)
{
	PfProgram  *program = palloc0(sizeof(PfProgram));
	const ListCell *lc;

	program->training = training;
	for (int i = 0; i < ncolumns; i++)
	{
		PfField    *field = palloc0(sizeof(PfField));
		Oid			base = OidIsValid(types[i]) ? getBaseType(types[i]) : InvalidOid;

		field->name = pstrdup(columns[i]);
		field->raw = field->name;
		field->expr = pf_sql_name(field->name);
		field->type = types[i];
		field->plain = true;
		field->may_be_nan = base == FLOAT4OID || base == FLOAT8OID || base == NUMERICOID;
		program->fields = lappend(program->fields, field);
	}
	foreach(lc, steps)
	{
		const PfStep *step = lfirst(lc);

		if (training && step->kind == PF_TARGET_MEAN)
			add_fold(program, step);
	}
	/* an expression over raw columns is needed at any height */
	if (training && list_length(program->fields) > ncolumns)
		pf_end_layer(program, NULL, NULL);
	return program;
}

void
pf_program_end(PfProgram *program)
{
	List	   *visible = NIL;
	ListCell   *lc;

	foreach(lc, program->fields)
	{
		if (!((PfField *) lfirst(lc))->hidden)
			visible = lappend(visible, lfirst(lc));
	}
	program->fields = visible;
	if (visible == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the recipe leaves no column")));
	pf_end_layer(program, NULL, NULL);
}

static void
append_where(StringInfo sql, const List *where)
{
	const ListCell *lc;

	foreach(lc, where)
		appendStringInfo(sql, "%s%s", foreach_current_index(lc) == 0 ? "\nWHERE " : "\n  AND ", (char *) lfirst(lc));
}

static char *
layer_sql(const PfLayer *layer, const char *from)
{
	StringInfoData sql;
	ListCell   *name;
	ListCell   *expr;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT");
	if (layer->distinct != NULL)
		appendStringInfo(&sql, " DISTINCT ON (%s)", layer->distinct);
	forboth(name, layer->names, expr, layer->exprs)
	{
		char	   *plain = pf_sql_name(lfirst(name));

		appendStringInfo(&sql, "%s\n  %s", foreach_current_index(name) > 0 ? "," : "", (char *) lfirst(expr));
		if (strcmp(plain, lfirst(expr)) != 0)
			appendStringInfo(&sql, " AS %s", quote_identifier(lfirst(name)));
	}
	appendStringInfo(&sql, "\nFROM %s", from);
	append_where(&sql, layer->where);
	if (layer->order != NULL)
		appendStringInfo(&sql, "\nORDER BY %s", layer->order);
	return sql.data;
}

/* What the layers from the source up to the n-th make, as an item of FROM. */
static char *
layers_sql(const PfProgram *program, int n, const char *from)
{
	char	   *sql = pstrdup(from);

	for (int i = 0; i < n; i++)
		sql = psprintf("(%s\nOFFSET 0) AS source", layer_sql(list_nth(program->layers, i), sql));
	return sql;
}

char *
pf_program_select(const PfProgram *program, const List *exprs, const char *from)
{
	StringInfoData sql;
	const ListCell *lc;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT");
	foreach(lc, exprs)
		appendStringInfo(&sql, "%s %s AS v%d", foreach_current_index(lc) > 0 ? "," : "",
						 (char *) lfirst(lc), foreach_current_index(lc) + 1);
	/* Citus cannot do with no column */
	if (exprs == NIL)
		appendStringInfoString(&sql, " 1 AS v1");
	appendStringInfo(&sql, "\nFROM %s", layers_sql(program, list_length(program->layers), from));
	append_where(&sql, program->where);
	return sql.data;
}

char *
pf_program_sql(const PfProgram *program, const char *from)
{
	int			last = list_length(program->layers) - 1;

	return layer_sql(list_nth(program->layers, last), layers_sql(program, last, from));
}

PfProgram *
pf_program_of(const PfRecipe *recipe, const Oid *types, bool training)
{
	PfProgram  *program = pf_program_start(recipe->ncolumns, recipe->columns, types, recipe->steps, training);
	ListCell   *lc;

	foreach(lc, recipe->steps)
	{
		PfStep	   *step = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		pf_program_resolve(program, step);
		pf_program_add(program, step);
	}
	pf_program_end(program);
	return program;
}

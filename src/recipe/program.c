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

#include <math.h>

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/typcache.h"

#include "engine/grow/params.h"
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

static void
set_field(PfField *field, Oid type, const char *expr)
{
	field->expr = psprintf("(%s)", expr);
	field->type = type;
	field->plain = false;
	field->may_be_nan = false;
	field->raw = NULL;
}

/* A name for a new field, which no other has; long ones are cut. */
static char *
new_name(const PfProgram *program, const char *wanted)
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
static PfField *
insert_field(PfProgram *program, const PfField *after, char *name, Oid type, const char *expr)
{
	PfField    *field = palloc0(sizeof(PfField));

	field->name = name;
	set_field(field, type, expr);
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

static void
end_layer(PfProgram *program, char *distinct, char *order)
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
		end_layer(program, NULL, NULL);
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
			end_layer(program, NULL, NULL);
			expr = pf_sql_as_float8(field->expr, field->type);
		}
		expr = psprintf("(CASE WHEN %s" PF_OP("<>") "'NaN'::pg_catalog.float8 THEN %s END)", expr, expr);
	}
	if (times < 2 || cheap)
		return expr;
	set_field(field, as_text ? TEXTOID : FLOAT8OID, expr);
	end_layer(program, NULL, NULL);
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
static char *
as_it_is(PfProgram *program, PfField *field)
{
	if (!field->plain)
		end_layer(program, NULL, NULL);
	return field->expr;
}

/* ----- constants ----- */

pg_noreturn static void
no_constant(const PfStep *step, const char *column, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("%s of a stored recipe lacks \"%s\" of column \"%s\"", pf_step_title(step), name, column)));
}

static bool
find_constant(const PfStep *step, const char *column, const char *name, JsonbValue *value)
{
	return step->fitted != NULL &&
		getKeyJsonValueFromContainer(step->fitted, column, strlen(column), value) != NULL &&
		value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data) &&
		getKeyJsonValueFromContainer(value->val.binary.data, name, strlen(name), value) != NULL;
}

static double
read_number(const JsonbValue *value)
{
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value->val.numeric)));
}

static double
constant_number(const PfStep *step, const char *column, const char *name)
{
	JsonbValue	value;

	if (!find_constant(step, column, name, &value) || value.type != jbvNumeric)
		no_constant(step, column, name);
	return read_number(&value);
}

static char *
constant_text(const PfStep *step, const char *column, const char *name)
{
	JsonbValue	value;

	if (!find_constant(step, column, name, &value) || value.type != jbvString)
		no_constant(step, column, name);
	return pnstrdup(value.val.string.val, value.val.string.len);
}

/* An array's elements: char * of strings, PfScalar of numbers. */
static List *
constant_list(const PfStep *step, const char *column, const char *name, enum jbvType type)
{
	List	   *list = NIL;
	JsonbValue	value;
	JsonbIterator *it;
	JsonbIteratorToken token;

	if (!find_constant(step, column, name, &value) || value.type != jbvBinary ||
		!JsonContainerIsArray(value.val.binary.data))
		no_constant(step, column, name);
	it = JsonbIteratorInit(value.val.binary.data);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (value.type != type)
			no_constant(step, column, name);
		if (type == jbvString)
			list = lappend(list, pnstrdup(value.val.string.val, value.val.string.len));
		else
		{
			PfScalar   *scalar = palloc0(sizeof(PfScalar));

			scalar->number = read_number(&value);
			list = lappend(list, scalar);
		}
	}
	return list;
}

static bool
constant_flag(const PfStep *step, const char *column, const char *name)
{
	JsonbValue	value;

	return find_constant(step, column, name, &value) && value.type == jbvBool && value.val.boolean;
}

/* ----- which columns ----- */

static bool
contains(const List *names, const char *name)
{
	const ListCell *lc;

	foreach(lc, names)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	}
	return false;
}

static void
append_name(StringInfo list, const char *name)
{
	appendStringInfo(list, "%s\"%s\"", list->len > 0 ? ", " : "", name);
}

/* Names that are no columns now, all in one error, with the one that was meant. */
static void
check_names(const PfProgram *program, const PfStep *step, const List *names)
{
	StringInfoData missing;
	const char *nearest = NULL;
	const ListCell *lc;
	int			count = 0;

	initStringInfo(&missing);
	foreach(lc, names)
	{
		const char *name = lfirst(lc);
		uint32		least = Max(2, strlen(name) / 3) + 1;
		ListCell   *other;

		CHECK_FOR_INTERRUPTS();
		if (pf_program_field(program, name) != NULL)
			continue;
		append_name(&missing, name);
		if (count++ > 0)
			continue;
		foreach(other, program->fields)
		{
			const PfField *field = lfirst(other);
			uint32		distance = field->hidden ? UINT32_MAX : pf_edit_distance(name, field->name);

			if (distance < least)
			{
				least = distance;
				nearest = field->name;
			}
		}
	}
	if (count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg_plural("%s names %d column that there is not", "%s names %d columns that there are not",
							   count, pf_step_title(step), count),
				 errdetail("Missing: %s.", missing.data),
				 nearest ? errhint("Perhaps you meant \"%s\".", nearest) :
				 errhint("A column may have been dropped, renamed or replaced by a step before.")));
}

/* What a step can work on. */
static bool
fits(const PfStep *step, PfUse use)
{
	bool		number = use == PF_USE_NUMBER || use == PF_USE_BOOLEAN;

	switch (step->kind)
	{
		case PF_CLIP:
		case PF_OUTLIERS:
		case PF_SCALE:
		case PF_LOG:
		case PF_BUCKETIZE:
			return number;
		case PF_IMPUTE:
			if (strcmp(step->method, "mean") == 0 || strcmp(step->method, "median") == 0)
				return number;
			if (step->value.text != NULL && isnan(step->value.number))
				return use == PF_USE_TEXT;
			return number || use == PF_USE_TEXT;
		case PF_NULL_IF:
		case PF_GROUP_RARE:
		case PF_ONE_HOT:
		case PF_ORDINAL:
		case PF_TARGET_MEAN:
			return number || use == PF_USE_TEXT;
		case PF_DATE_PARTS:
			return use == PF_USE_TIME;
		case PF_CAST:
			if (use == PF_USE_TIME)
				return strcmp(step->type, "date") == 0 || strcmp(step->type, "timestamp") == 0;
			if (use == PF_USE_NUMBER || use == PF_USE_BOOLEAN)
				return strcmp(step->type, "date") != 0 && strcmp(step->type, "timestamp") != 0;
			return use == PF_USE_TEXT;
		case PF_FILTER:
			return use != PF_USE_OTHER || strncmp(step->op, "is", 2) == 0;
		default:
			return true;
	}
}

static void
check_uses(const PfProgram *program, const PfStep *step)
{
	StringInfoData wrong;
	const ListCell *lc;

	initStringInfo(&wrong);
	foreach(lc, step->columns)
	{
		const PfField *field = pf_program_field(program, lfirst(lc));

		if (!fits(step, pf_use_of(field->type)))
			appendStringInfo(&wrong, "%s\"%s\" has type %s", wrong.len > 0 ? ", " : "", field->name,
							 OidIsValid(field->type) ? format_type_be(field->type) : "of no use to recipes");
	}
	if (wrong.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("%s cannot work on columns of these types", pf_step_title(step)),
				 errdetail("Column %s.", wrong.data),
				 errhint("A step \"cast\" before it can change a type, or the source can.")));
}

/* Columns of a group, in the order that they have. */
static void
expand_group(const PfProgram *program, PfStep *step)
{
	bool		numbers = strcmp(step->group, "numbers") == 0;
	ListCell   *lc;

	check_names(program, step, step->except);
	step->columns = NIL;
	foreach(lc, program->fields)
	{
		const PfField *field = lfirst(lc);
		PfUse		use = pf_use_of(field->type);

		if (field->hidden || contains(step->except, field->name) || !fits(step, use) ||
			(step->target != NULL && strcmp(step->target, field->name) == 0))
			continue;
		if (strcmp(step->group, "all") == 0 ||
			(numbers ? use == PF_USE_NUMBER || use == PF_USE_BOOLEAN : use == PF_USE_TEXT))
			step->columns = lappend(step->columns, field->name);
	}
}

void
pf_program_resolve(PfProgram *program, PfStep *step)
{
	List	   *names;

	if (step->group != NULL)
		expand_group(program, step);
	names = list_copy(step->columns);
	if (step->target != NULL && program->training)
		names = lappend(names, step->target);
	if (step->order_by != NULL && program->training)
		names = lappend(names, step->order_by);
	check_names(program, step, names);
	check_uses(program, step);

	if (step->kind == PF_TARGET_MEAN && program->training)
	{
		PfUse		use = pf_use_of(pf_program_field(program, step->target)->type);

		if (contains(step->columns, step->target))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s has its target \"%s\" among its columns", pf_step_title(step), step->target)));
		if (step->positive.text == NULL ? use != PF_USE_NUMBER && use != PF_USE_BOOLEAN :
			use != PF_USE_NUMBER && use != PF_USE_BOOLEAN && use != PF_USE_TEXT)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("%s needs a target that is a number", pf_step_title(step)),
					 errhint("For a class add \"positive\": the value of \"%s\" whose share is meant.", step->target)));
	}
}

/* ----- the steps ----- */

static void
add_drop(PfProgram *program, const PfStep *step)
{
	ListCell   *lc;

	foreach(lc, step->columns)
		program->fields = list_delete_ptr(program->fields, pf_program_field(program, lfirst(lc)));
}

static void
add_rename(PfProgram *program, const PfStep *step)
{
	List	   *renamed = NIL;
	ListCell   *from;
	ListCell   *to;
	StringInfoData twice;

	foreach(from, step->columns)
		renamed = lappend(renamed, pf_program_field(program, lfirst(from)));
	forboth(from, renamed, to, step->names)
	{
		PfField    *field = lfirst(from);

		field->name = lfirst(to);
		field->raw = NULL;
	}
	initStringInfo(&twice);
	foreach(to, step->names)
	{
		int			count = 0;

		foreach(from, program->fields)
			count += strcmp(((PfField *) lfirst(from))->name, lfirst(to)) == 0;
		if (count > 1)
			append_name(&twice, lfirst(to));
	}
	if (twice.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_COLUMN),
				 errmsg("%s gives names that are taken", pf_step_title(step)),
				 errdetail("More than one column would have the name %s.", twice.data)));
}

/* expr is one of the values, numbers or texts. */
static char *
is_one_of(const char *expr, const List *values, bool numbers)
{
	List	   *texts = NIL;
	const ListCell *lc;

	if (numbers)
		return psprintf("%s" PF_OP("=") "ANY (%s)", expr, pf_sql_float8s(values));
	foreach(lc, values)
		texts = lappend(texts, ((PfScalar *) lfirst(lc))->text);
	return psprintf("%s COLLATE pg_catalog.\"C\"" PF_OP("=") "ANY (%s)", expr, pf_sql_texts(texts));
}

/* Those that can be equal to a number. */
static List *
numeric_values(const List *values)
{
	List	   *numbers = NIL;
	const ListCell *lc;

	foreach(lc, values)
	{
		if (!isnan(((PfScalar *) lfirst(lc))->number))
			numbers = lappend(numbers, lfirst(lc));
	}
	return numbers;
}

static void
add_null_if(PfProgram *program, const PfStep *step, PfField *field)
{
	bool		numbers = pf_use_of(field->type) != PF_USE_TEXT;
	const List *values = numbers ? numeric_values(step->values) : step->values;
	bool		may_be_nan = field->may_be_nan;
	char	   *expr;

	if (values == NIL)
		return;
	expr = as_it_is(program, field);
	set_field(field, getBaseType(field->type),
			  psprintf("CASE WHEN %s THEN NULL ELSE %s END",
					   is_one_of(numbers ? pf_sql_as_float8(expr, field->type) : pf_sql_as_text(expr, field->type),
								 values, numbers), expr));
	field->may_be_nan = may_be_nan;
}

/* A text to a number or boolean; a text that is none gives null where that is wanted. */
static char *
cast_text(PfProgram *program, const PfStep *step, PfField *field, const char *type)
{
	bool		guard = strcmp(step->on_error, "null") == 0;
	char	   *expr = pf_program_text(program, field, guard ? 2 : 1);
	const char *shape;

	if (!guard)
		return psprintf("%s::pg_catalog.%s", expr, type);
	if (strcmp(type, "bool") == 0)
		return psprintf("CASE WHEN pg_catalog.lower(%s COLLATE pg_catalog.\"C\")" PF_OP("=")
						"ANY ('{t,true,y,yes,on,1,f,false,n,no,off,0}'::pg_catalog.text[]) THEN %s::pg_catalog.bool END",
						expr, expr);
	if (type[0] == 'i')
		/* as many digits as always fit */
		shape = type[3] == '4' ? "^\\s*[+-]?0*[0-9]{1,9}\\s*$" : "^\\s*[+-]?0*[0-9]{1,18}\\s*$";
	else
		shape = "^\\s*[+-]?([0-9]{1,200}(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]{1,2})?\\s*$";
	return psprintf("CASE WHEN %s COLLATE pg_catalog.\"C\"" PF_OP("~") "%s THEN %s::pg_catalog.%s END",
					expr, pf_sql_text(shape), expr, type);
}

static void
add_cast(PfProgram *program, const PfStep *step, PfField *field)
{
	static const struct
	{
		const char *name;
		const char *type;
		Oid			oid;
	}			types[] =
	{
		{"double precision", "float8", FLOAT8OID},
		{"integer", "int4", INT4OID},
		{"bigint", "int8", INT8OID},
		{"numeric", "numeric", NUMERICOID},
		{"boolean", "bool", BOOLOID},
		{"text", "text", TEXTOID},
		{"date", "date", DATEOID},
		{"timestamp", "timestamp", TIMESTAMPOID}
	};
	PfUse		use = pf_use_of(field->type);
	bool		guard = strcmp(step->on_error, "null") == 0;
	char	   *expr;
	int			i = 0;

	while (strcmp(types[i].name, step->type) != 0)
		i++;
	if (types[i].oid == TEXTOID)
		expr = pf_program_text(program, field, 1);
	else if (types[i].oid == DATEOID || types[i].oid == TIMESTAMPOID)
	{
		if (guard)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("%s: \"on_error\" \"null\" is for numbers and booleans", pf_step_title(step))));
		expr = use == PF_USE_TIME ? pf_sql_as_timestamp(field->expr, field->type, "UTC") :
			pf_program_text(program, field, 1);
		expr = psprintf("%s::pg_catalog.%s", expr, types[i].type);
	}
	else if (use == PF_USE_TEXT)
		expr = cast_text(program, step, field, types[i].type);
	else if (types[i].oid == BOOLOID)
		expr = psprintf("%s" PF_OP("<>") "'0'::pg_catalog.float8", pf_program_number(program, field, 1));
	else if (types[i].oid == FLOAT8OID)
		expr = pf_program_number(program, field, 1);
	else if (types[i].oid == NUMERICOID)
		expr = psprintf("%s::pg_catalog.numeric", use == PF_USE_BOOLEAN ?
						psprintf("%s::pg_catalog.int4", field->expr) : field->expr);
	else if (!guard || use == PF_USE_BOOLEAN)
		expr = psprintf("%s::pg_catalog.%s",
						use == PF_USE_BOOLEAN ? psprintf("%s::pg_catalog.int4", field->expr) : field->expr,
						types[i].type);
	else
	{
		const char *limit = types[i].oid == INT4OID ? "2147483647" : "9.2e18";

		expr = pf_program_number(program, field, 2);
		expr = psprintf("CASE WHEN pg_catalog.abs(%s)" PF_OP("<=") "'%s'::pg_catalog.float8 THEN %s::pg_catalog.%s END",
						expr, limit, expr, types[i].type);
	}
	set_field(field, types[i].oid, expr);
	field->may_be_nan = types[i].oid == NUMERICOID || (types[i].oid == FLOAT8OID && use == PF_USE_TEXT && !guard);
}

static void
add_impute(PfProgram *program, const PfStep *step, PfField *field)
{
	bool		text = pf_use_of(field->type) == PF_USE_TEXT;
	char	   *expr = text ? pf_program_text(program, field, step->indicator ? 2 : 1) :
		pf_program_number(program, field, step->indicator ? 2 : 1);

	if (step->indicator)
		insert_field(program, field, new_name(program, psprintf("%s_missing", field->name)), INT4OID,
					 psprintf("CASE WHEN %s IS NULL THEN 1 ELSE 0 END", expr));
	if (text)
		set_field(field, TEXTOID, psprintf("COALESCE(%s, %s)", expr,
										   pf_sql_text(constant_text(step, field->name, "value"))));
	else
		set_field(field, FLOAT8OID, psprintf("COALESCE(%s, %s)", expr,
											 pf_sql_float8(constant_number(step, field->name, "value"))));
}

static void
add_clip(PfProgram *program, const PfStep *step, PfField *field)
{
	char	   *expr = pf_program_number(program, field, 3);
	char	   *low = pf_sql_float8(constant_number(step, field->name, "low"));
	char	   *high = pf_sql_float8(constant_number(step, field->name, "high"));

	set_field(field, FLOAT8OID,
			  psprintf("CASE WHEN %s" PF_OP("<") "%s THEN %s WHEN %s" PF_OP(">") "%s THEN %s ELSE %s END",
					   expr, low, low, expr, high, high, expr));
}

/* A condition on rows; a missing value is no outlier. */
static void
add_outliers(PfProgram *program, const PfStep *step, PfField *field)
{
	char	   *expr;

	if (!program->training)
		return;
	expr = pf_program_number(program, field, 1);
	program->where =
		lappend(program->where,
				psprintf("COALESCE(%s" PF_OP(">=") "%s AND %s" PF_OP("<=") "%s, true)",
						 expr, pf_sql_float8(constant_number(step, field->name, "low")),
						 expr, pf_sql_float8(constant_number(step, field->name, "high"))));
}

static void
add_scale(PfProgram *program, const PfStep *step, PfField *field)
{
	set_field(field, FLOAT8OID,
			  psprintf("(%s" PF_OP("-") "%s)" PF_OP("/") "%s", pf_program_number(program, field, 1),
					   pf_sql_float8(constant_number(step, field->name, "center")),
					   pf_sql_float8(constant_number(step, field->name, "scale"))));
}

/* What has no logarithm becomes missing. */
static void
add_log(PfProgram *program, const PfStep *step, PfField *field)
{
	char	   *expr = pf_program_number(program, field, 2);

	if (step->shift != 0)
		expr = psprintf("(%s" PF_OP("+") "%s)", expr, pf_sql_float8(step->shift));
	set_field(field, FLOAT8OID,
			  psprintf("CASE WHEN %s" PF_OP(">") "'0'::pg_catalog.float8 THEN pg_catalog.ln(%s) END", expr, expr));
}

static void
add_bucketize(PfProgram *program, const PfStep *step, PfField *field)
{
	List	   *edges = step->edges != NIL ? step->edges :
		constant_list(step, field->name, "edges", jbvNumeric);
	char	   *expr = pf_program_number(program, field, 1);

	set_field(field, INT4OID, edges == NIL ?
			  psprintf("CASE WHEN %s IS NOT NULL THEN 0 END", expr) :
			  psprintf("pg_catalog.width_bucket(%s, %s)", expr, pf_sql_float8s(edges)));
}

static void
add_group_rare(PfProgram *program, const PfStep *step, PfField *field)
{
	List	   *kept = constant_list(step, field->name, "kept", jbvString);
	char	   *expr = pf_program_text(program, field, 3);

	set_field(field, TEXTOID,
			  psprintf("CASE WHEN %s COLLATE pg_catalog.\"C\"" PF_OP("=") "ANY (%s) THEN %s WHEN %s IS NOT NULL THEN %s END",
					   expr, pf_sql_texts(kept), expr, expr, pf_sql_text(step->other)));
}

/* A column for each category, in the place of the one that had them. */
static void
add_one_hot(PfProgram *program, const PfStep *step, PfField *field)
{
	List	   *categories = constant_list(step, field->name, "categories", jbvString);
	bool		null = constant_flag(step, field->name, "null");
	char	   *column = field->name;
	PfField    *last = field;
	char	   *expr = pf_program_text(program, field, list_length(categories) + null);
	ListCell   *lc;

	foreach(lc, categories)
		last = insert_field(program, last, new_name(program, psprintf("%s_%s", column, (char *) lfirst(lc))), INT4OID,
							psprintf("CASE WHEN %s COLLATE pg_catalog.\"C\"" PF_OP("=") "%s THEN 1 ELSE 0 END",
									 expr, pf_sql_text(lfirst(lc))));
	if (null)
		insert_field(program, last, new_name(program, psprintf("%s_null", column)), INT4OID,
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

static void
add_ordinal(PfProgram *program, const PfStep *step, PfField *field)
{
	List	   *categories = constant_list(step, field->name, "categories", jbvString);
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
	set_field(field, FLOAT8OID, lookup(pf_program_text(program, field, 1), object.data));
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
		no_constant(step, column, "mean");
	mean = pf_sql_float8(read_number(&value));
	if (getKeyJsonValueFromContainer(fit, "categories", 10, &value) == NULL || value.type != jbvBinary ||
		!JsonContainerIsObject(value.val.binary.data))
		no_constant(step, column, "categories");
	object = JsonbValueToJsonb(&value);
	expr = psprintf("COALESCE(%s, %s)",
					lookup(expr, JsonbToCString(NULL, &object->root, VARSIZE(object))), mean);
	return pstrdup(expr);
}

static void
add_target_mean(PfProgram *program, const PfStep *step, PfField *field)
{
	char	   *column = field->name;
	StringInfoData sql;
	JsonbValue	value;
	char	   *expr;
	List	   *fits = NIL;
	JsonbIterator *it;
	JsonbIteratorToken token;
	bool		null = constant_flag(step, column, "null");

	/* a category of its own is told from the others by a character that no text has before it */
	expr = pf_program_text(program, field, 1);
	expr = null ? psprintf("COALESCE('='::pg_catalog.text" PF_OP("||") "%s, '')", expr) :
		psprintf("('='::pg_catalog.text" PF_OP("||") "%s)", expr);
	if (!find_constant(step, column, "all", &value) || value.type != jbvBinary ||
		!JsonContainerIsObject(value.val.binary.data))
		no_constant(step, column, "all");
	if (!program->training)
	{
		set_field(field, FLOAT8OID, encode(step, column, value.val.binary.data, expr));
		return;
	}

	if (!find_constant(step, column, "folds", &value) || value.type != jbvBinary ||
		!JsonContainerIsArray(value.val.binary.data))
		no_constant(step, column, "folds");
	it = JsonbIteratorInit(value.val.binary.data);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM && value.type == jbvBinary && JsonContainerIsObject(value.val.binary.data))
			fits = lappend(fits, value.val.binary.data);
	}
	if (list_length(fits) != step->folds)
		no_constant(step, column, "folds");
	set_field(field, TEXTOID, expr);
	expr = as_it_is(program, field);
	initStringInfo(&sql);
	appendStringInfoString(&sql, "CASE");
	for (int i = 0; i < step->folds; i++)
		appendStringInfo(&sql, " WHEN %s" PF_OP("=") "%d THEN %s", pf_program_fold(program, step)->expr, i,
						 encode(step, column, list_nth(fits, i), expr));
	appendStringInfoString(&sql, " END");
	set_field(field, FLOAT8OID, sql.data);
}

static void
add_date_parts(PfProgram *program, const PfStep *step, PfField *field)
{
	PfField    *last = field;
	char	   *expr;
	ListCell   *lc;

	expr = pf_sql_as_timestamp(as_it_is(program, field), field->type, step->timezone);
	foreach(lc, step->parts)
		last = insert_field(program, last, new_name(program, psprintf("%s_%s", field->name, (char *) lfirst(lc))),
							FLOAT8OID, psprintf("pg_catalog.date_part('%s', %s)", (char *) lfirst(lc), expr));
	if (!step->keep)
		program->fields = list_delete_ptr(program->fields, field);
}

/* Rows for which the comparison is true stay. */
static void
add_filter(PfProgram *program, const PfStep *step)
{
	PfField    *field = pf_program_field(program, linitial(step->columns));
	PfUse		use = pf_use_of(field->type);
	bool		number = use == PF_USE_NUMBER || use == PF_USE_BOOLEAN;
	char	   *condition;
	char	   *expr;

	if (!program->training)
		return;
	if (strncmp(step->op, "is", 2) == 0)
		condition = psprintf("(%s) %s", field->expr, strcmp(step->op, "is null") == 0 ? "IS NULL" : "IS NOT NULL");
	else if (strcmp(step->op, "in") == 0 || strcmp(step->op, "not in") == 0)
	{
		expr = number ? pf_program_number(program, field, 1) : pf_program_text(program, field, 1);
		condition = is_one_of(expr, number ? numeric_values(step->values) : step->values, number);
		if (step->op[0] == 'n')
			condition = psprintf("NOT (%s)", condition);
	}
	else if (use == PF_USE_TIME)
		condition = psprintf("%s OPERATOR(pg_catalog.%s) %s::pg_catalog.timestamp",
							 pf_sql_as_timestamp(field->expr, field->type, "UTC"), step->op,
							 quote_literal_cstr(step->value.text));
	else if (number)
	{
		if (isnan(step->value.number))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("%s compares column \"%s\" of type %s with a text", pf_step_title(step), field->name,
							format_type_be(field->type))));
		condition = psprintf("%s OPERATOR(pg_catalog.%s) %s", pf_program_number(program, field, 1), step->op,
							 pf_sql_float8(step->value.number));
	}
	else
		condition = psprintf("%s COLLATE pg_catalog.\"C\" OPERATOR(pg_catalog.%s) %s",
							 pf_program_text(program, field, 1), step->op, pf_sql_text(step->value.text));
	program->where = lappend(program->where, condition);
}

static bool
is_sortable(Oid type)
{
	return OidIsValid(type) && OidIsValid(lookup_type_cache(type, TYPECACHE_LT_OPR)->lt_opr);
}

static void
append_order(StringInfo list, const PfField *field)
{
	appendStringInfo(list, "%s%s%s", list->len > 0 ? ", " : "", field->expr,
					 type_is_collatable(field->type) ? " COLLATE pg_catalog.\"C\"" : "");
}

/*
 * One row of those that are alike in the columns: the first by order_by, then by
 * everything else, so that it does not depend on how the rows lie.
 */
static void
add_deduplicate(PfProgram *program, const PfStep *step)
{
	StringInfoData distinct;
	StringInfoData order;
	ListCell   *lc;

	if (!program->training)
		return;
	end_layer(program, NULL, NULL);
	initStringInfo(&distinct);
	initStringInfo(&order);
	foreach(lc, program->fields)
	{
		const PfField *field = lfirst(lc);

		if (!field->hidden && is_sortable(field->type) &&
			(step->columns == NIL || contains(step->columns, field->name)))
			append_order(&distinct, field);
	}
	appendStringInfoString(&order, distinct.data);
	if (step->order_by != NULL)
		append_order(&order, pf_program_field(program, step->order_by));
	foreach(lc, program->fields)
	{
		const PfField *field = lfirst(lc);

		if (!field->hidden && is_sortable(field->type) && step->columns != NIL &&
			!contains(step->columns, field->name))
			append_order(&order, field);
	}
	end_layer(program, distinct.data, order.data);
}

void
pf_program_add(PfProgram *program, const PfStep *step)
{
	ListCell   *lc;

	switch (step->kind)
	{
		case PF_DROP:
			add_drop(program, step);
			return;
		case PF_RENAME:
			add_rename(program, step);
			return;
		case PF_FILTER:
			add_filter(program, step);
			return;
		case PF_DEDUPLICATE:
			add_deduplicate(program, step);
			return;
		default:
			break;
	}
	foreach(lc, step->columns)
	{
		PfField    *field = pf_program_field(program, lfirst(lc));

		CHECK_FOR_INTERRUPTS();
		switch (step->kind)
		{
			case PF_NULL_IF:
				add_null_if(program, step, field);
				break;
			case PF_CAST:
				add_cast(program, step, field);
				break;
			case PF_IMPUTE:
				add_impute(program, step, field);
				break;
			case PF_CLIP:
				add_clip(program, step, field);
				break;
			case PF_OUTLIERS:
				add_outliers(program, step, field);
				break;
			case PF_SCALE:
				add_scale(program, step, field);
				break;
			case PF_LOG:
				add_log(program, step, field);
				break;
			case PF_BUCKETIZE:
				add_bucketize(program, step, field);
				break;
			case PF_GROUP_RARE:
				add_group_rare(program, step, field);
				break;
			case PF_ONE_HOT:
				add_one_hot(program, step, field);
				break;
			case PF_ORDINAL:
				add_ordinal(program, step, field);
				break;
			case PF_TARGET_MEAN:
				add_target_mean(program, step, field);
				break;
			case PF_DATE_PARTS:
				add_date_parts(program, step, field);
				break;
			default:
				break;
		}
	}
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
	check_names(program, step, missing);
	foreach(lc, program->fields)
	{
		const PfField *field = lfirst(lc);

		if (!field->hidden && (step->key == NIL || contains(step->key, field->name)) &&
			pf_use_of(field->type) != PF_USE_OTHER)
			appendStringInfo(&row, "%s%s", row.len > 0 ? ", " : "", field->expr);
	}
	fold = insert_field(program, NULL, fold_name(step->number), INT8OID,
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
		end_layer(program, NULL, NULL);
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
	end_layer(program, NULL, NULL);
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

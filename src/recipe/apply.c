/*
 * apply.c
 *	  What each step does to the columns of a program.
 *
 * What only training does (drop rows) is left out where the program is for predictions.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "recipe/parts.h"

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
			pf_append_name(&twice, lfirst(to));
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
	expr = pf_field_as_it_is(program, field);
	pf_set_field(field, getBaseType(field->type),
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
	pf_set_field(field, types[i].oid, expr);
	field->may_be_nan = types[i].oid == NUMERICOID || (types[i].oid == FLOAT8OID && use == PF_USE_TEXT && !guard);
}

static void
add_impute(PfProgram *program, const PfStep *step, PfField *field)
{
	bool		text = pf_use_of(field->type) == PF_USE_TEXT;
	char	   *expr = text ? pf_program_text(program, field, step->indicator ? 2 : 1) :
		pf_program_number(program, field, step->indicator ? 2 : 1);

	if (step->indicator)
		pf_insert_field(program, field, pf_new_name(program, psprintf("%s_missing", field->name)), INT4OID,
					 psprintf("CASE WHEN %s IS NULL THEN 1 ELSE 0 END", expr));
	if (text)
		pf_set_field(field, TEXTOID, psprintf("COALESCE(%s, %s)", expr,
										   pf_sql_text(pf_constant_text(step, field->name, "value"))));
	else
		pf_set_field(field, FLOAT8OID, psprintf("COALESCE(%s, %s)", expr,
											 pf_sql_float8(pf_constant_number(step, field->name, "value"))));
}

static void
add_clip(PfProgram *program, const PfStep *step, PfField *field)
{
	char	   *expr = pf_program_number(program, field, 3);
	char	   *low = pf_sql_float8(pf_constant_number(step, field->name, "low"));
	char	   *high = pf_sql_float8(pf_constant_number(step, field->name, "high"));

	pf_set_field(field, FLOAT8OID,
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
						 expr, pf_sql_float8(pf_constant_number(step, field->name, "low")),
						 expr, pf_sql_float8(pf_constant_number(step, field->name, "high"))));
}

static void
add_scale(PfProgram *program, const PfStep *step, PfField *field)
{
	pf_set_field(field, FLOAT8OID,
			  psprintf("(%s" PF_OP("-") "%s)" PF_OP("/") "%s", pf_program_number(program, field, 1),
					   pf_sql_float8(pf_constant_number(step, field->name, "center")),
					   pf_sql_float8(pf_constant_number(step, field->name, "scale"))));
}

/* What has no logarithm becomes missing. */
static void
add_log(PfProgram *program, const PfStep *step, PfField *field)
{
	char	   *expr = pf_program_number(program, field, 2);

	if (step->shift != 0)
		expr = psprintf("(%s" PF_OP("+") "%s)", expr, pf_sql_float8(step->shift));
	pf_set_field(field, FLOAT8OID,
			  psprintf("CASE WHEN %s" PF_OP(">") "'0'::pg_catalog.float8 THEN pg_catalog.ln(%s) END", expr, expr));
}

static void
add_bucketize(PfProgram *program, const PfStep *step, PfField *field)
{
	List	   *edges = step->edges != NIL ? step->edges :
		pf_constant_list(step, field->name, "edges", jbvNumeric);
	char	   *expr = pf_program_number(program, field, 1);

	pf_set_field(field, INT4OID, edges == NIL ?
			  psprintf("CASE WHEN %s IS NOT NULL THEN 0 END", expr) :
			  psprintf("pg_catalog.width_bucket(%s, %s)", expr, pf_sql_float8s(edges)));
}

static void
add_date_parts(PfProgram *program, const PfStep *step, PfField *field)
{
	PfField    *last = field;
	char	   *expr;
	ListCell   *lc;

	expr = pf_sql_as_timestamp(pf_field_as_it_is(program, field), field->type, step->timezone);
	foreach(lc, step->parts)
		last = pf_insert_field(program, last, pf_new_name(program, psprintf("%s_%s", field->name, (char *) lfirst(lc))),
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
	pf_end_layer(program, NULL, NULL);
	initStringInfo(&distinct);
	initStringInfo(&order);
	foreach(lc, program->fields)
	{
		const PfField *field = lfirst(lc);

		if (!field->hidden && is_sortable(field->type) &&
			(step->columns == NIL || pf_names_contain(step->columns, field->name)))
			append_order(&distinct, field);
	}
	appendStringInfoString(&order, distinct.data);
	if (step->order_by != NULL)
		append_order(&order, pf_program_field(program, step->order_by));
	foreach(lc, program->fields)
	{
		const PfField *field = lfirst(lc);

		if (!field->hidden && is_sortable(field->type) && step->columns != NIL &&
			!pf_names_contain(step->columns, field->name))
			append_order(&order, field);
	}
	pf_end_layer(program, distinct.data, order.data);
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
				pf_add_group_rare(program, step, field);
				break;
			case PF_ONE_HOT:
				pf_add_one_hot(program, step, field);
				break;
			case PF_ORDINAL:
				pf_add_ordinal(program, step, field);
				break;
			case PF_TARGET_MEAN:
				pf_add_target_mean(program, step, field);
				break;
			case PF_DATE_PARTS:
				add_date_parts(program, step, field);
				break;
			default:
				break;
		}
	}
	if (list_length(program->fields) > MaxHeapAttributeNumber)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s makes too many columns", pf_step_title(step)),
				 errdetail("There would be %d, but a table can have at most %d.",
						   list_length(program->fields), MaxHeapAttributeNumber),
				 errhint("Drop columns in a step before, or pass fewer of them.")));
}

/*
 * columns.c
 *	  The columns that a step names: are they there, and can it work on them?
 *
 * All offenders of a step are in one error.
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "engine/grow/params.h"
#include "recipe/parts.h"

void
pf_append_name(StringInfo list, const char *name)
{
	appendStringInfo(list, "%s\"%s\"", list->len > 0 ? ", " : "", name);
}

/* Names that are no columns now, all in one error, with the one that was meant. */
void
pf_check_columns(const PfProgram *program, const PfStep *step, const List *names)
{
	StringInfoData missing;
	const char *nearest = NULL;
	const ListCell *lc;
	int			count = 0;

	initStringInfo(&missing);
	foreach(lc, names)
	{
		const char *name = lfirst(lc);
		uint32		least = Min(Max(2, strlen(name) / 3) + 1, strlen(name));
		ListCell   *other;

		CHECK_FOR_INTERRUPTS();
		if (pf_program_field(program, name) != NULL)
			continue;
		pf_append_name(&missing, name);
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

	pf_check_columns(program, step, step->except);
	step->columns = NIL;
	foreach(lc, program->fields)
	{
		const PfField *field = lfirst(lc);
		PfUse		use = pf_use_of(field->type);

		if (field->hidden || pf_names_contain(step->except, field->name) || !fits(step, use) ||
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
	pf_check_columns(program, step, names);
	check_uses(program, step);

	if (step->kind == PF_TARGET_MEAN && program->training)
	{
		PfUse		use = pf_use_of(pf_program_field(program, step->target)->type);

		if (pf_names_contain(step->columns, step->target))
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

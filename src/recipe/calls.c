/*
 * calls.c
 *	  ml_recipe, ml_recipe_sql and ml_drop_recipe.
 *
 * Everything runs as the caller.  ml_recipe_sql shows the query that a recipe stands for
 * over the source that it was fitted on; it runs nothing.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "catalog/call.h"
#include "catalog/models.h"
#include "catalog/recipes.h"
#include "recipe/parts.h"

PG_FUNCTION_INFO_V1(ml_recipe);
PG_FUNCTION_INFO_V1(ml_recipe_sql);
PG_FUNCTION_INFO_V1(ml_drop_recipe);

/* The steps as a document keeps them: columns of groups written out, constants added. */
static Jsonb *
document_steps(const List *steps)
{
	StringInfoData json;
	const ListCell *lc;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	foreach(lc, steps)
	{
		const PfStep *step = lfirst(lc);
		JsonbIterator *it = JsonbIteratorInit(&step->given->root);
		JsonbIteratorToken token;
		JsonbValue	value;

		CHECK_FOR_INTERRUPTS();
		appendStringInfo(&json, "%s{", foreach_current_index(lc) > 0 ? "," : "");
		while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
		{
			char	   *key;
			Jsonb	   *kept;

			if (token != WJB_KEY)
				continue;
			key = pnstrdup(value.val.string.val, value.val.string.len);
			JsonbIteratorNext(&it, &value, true);
			if (step->group != NULL && (strcmp(key, "columns") == 0 || strcmp(key, "except") == 0))
				continue;
			escape_json(&json, key);
			kept = JsonbValueToJsonb(&value);
			appendStringInfo(&json, ":%s,", JsonbToCString(NULL, &kept->root, VARSIZE(kept)));
		}
		if (step->group != NULL)
		{
			const ListCell *column;

			appendStringInfoString(&json, "\"columns\":[");
			foreach(column, step->columns)
			{
				appendStringInfoString(&json, foreach_current_index(column) > 0 ? "," : "");
				escape_json(&json, lfirst(column));
			}
			appendStringInfoString(&json, "],");
		}
		if (step->fitted != NULL)
			appendStringInfo(&json, "\"fitted\":%s}", JsonbToCString(NULL, step->fitted, 0));
		else
			json.data[json.len - 1] = '}';
	}
	appendStringInfoChar(&json, ']');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

/* ml_recipe(name text, source text, steps jsonb) -> recipe, version, rows, columns, clean_columns, seconds */
Datum
ml_recipe(PG_FUNCTION_ARGS)
{
	char	   *name = pf_needed_text(fcinfo, 0, "name");
	char	   *text = pf_needed_text(fcinfo, 1, "source");
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	PfSource   *source;
	List	   *steps;
	Jsonb	   *document;
	PfProgram  *program;
	instr_time	start;
	instr_time	end;
	int64		rows;
	TupleDesc	desc;
	Datum		values[6];
	bool		nulls[6] = {false};
	Oid		   *types;
	PfRecipe	recipe = {0};

	if (PG_ARGISNULL(2))
		pf_needed_text(fcinfo, 2, "steps");
	PreventCommandIfReadOnly("ml_recipe()");
	PreventCommandIfParallelMode("ml_recipe()");
	INSTR_TIME_SET_CURRENT(start);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	pf_push_new_snapshot();
	context = AllocSetContextCreate(caller, "pgforest recipe", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);

	pf_catalog_check_recipe(name);
	steps = pf_steps_read(PG_GETARG_JSONB_P(2), false);
	source = pf_source_open(text);
	rows = pf_fit(steps, source);

	/* what it stored must be what will be read */
	document = document_steps(steps);
	recipe.name = name;
	recipe.ncolumns = source->desc->natts;
	recipe.columns = palloc(sizeof(char *) * Max(recipe.ncolumns, 1));
	types = palloc(sizeof(Oid) * Max(recipe.ncolumns, 1));
	for (int i = 0; i < recipe.ncolumns; i++)
	{
		recipe.columns[i] = NameStr(TupleDescAttr(source->desc, i)->attname);
		types[i] = TupleDescAttr(source->desc, i)->atttypid;
	}
	recipe.steps = pf_steps_read(document, true);
	program = pf_program_of(&recipe, types, true);
	pf_source_open(pf_program_sql(program, source->from));

	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	values[1] = Int32GetDatum(pf_catalog_add_recipe(name, source->query, PG_GETARG_JSONB_P(2),
													pf_recipe_columns(source->desc), document, rows,
													INSTR_TIME_GET_DOUBLE(end)));
	MemoryContextSwitchTo(caller);
	values[0] = CStringGetTextDatum(name);
	values[2] = Int64GetDatum(rows);
	values[3] = Int32GetDatum(recipe.ncolumns);
	values[4] = Int32GetDatum(list_length(program->fields));
	values[5] = Float8GetDatum(INSTR_TIME_GET_DOUBLE(end));
	MemoryContextDelete(context);
	PopActiveSnapshot();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* ml_recipe_sql(name text, prediction boolean) */
Datum
ml_recipe_sql(PG_FUNCTION_ARGS)
{
	PfRecipeInfo info;
	PfSource   *source;

	pf_catalog_recipe(text_to_cstring(PG_GETARG_TEXT_PP(0)), &info);
	/* parsed for the types of its columns, not run */
	source = pf_source_open(info.query);
	PG_RETURN_TEXT_P(cstring_to_text(pf_program_sql(pf_recipe_program(pf_recipe_read(info.document), source,
																	  !PG_GETARG_BOOL(1)),
													source->from)));
}

/* ml_drop_recipe(name text) */
Datum
ml_drop_recipe(PG_FUNCTION_ARGS)
{
	char	   *name = pf_needed_text(fcinfo, 0, "name");

	PreventCommandIfReadOnly("ml_drop_recipe()");
	PreventCommandIfParallelMode("ml_drop_recipe()");
	pf_push_new_snapshot();
	pf_catalog_drop_recipe(name);
	PopActiveSnapshot();
	PG_RETURN_VOID();
}

/*
 * clean.c
 *	  ml_clean: raw rows through a recipe into a table.
 *
 * The table is made by CREATE TABLE AS, or filled by INSERT when it is there.  A call
 * that finds rows in it adds those whose key it does not have, whenever they were
 * added to the raw rows and in whatever order their transactions ended; so it takes
 * part of the same recipe version that filled the table before, never of another.
 *
 * Rights: everything runs as the caller.  Locks: the table against other writers, so that
 * two calls add no row twice, until the transaction ends; where there is none yet, its name
 * against other calls, so that the second finds what the first made.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/varlena.h"

#include "catalog/models.h"
#include "catalog/recipes.h"
#include "recipe/parts.h"

PG_FUNCTION_INFO_V1(ml_clean);

/* Where rows go. */
typedef struct Target
{
	Oid			relation;		/* InvalidOid: it is to be made */
	char	   *name;			/* with its schema, quoted */
	bool		empty;
} Target;

/* One statement as the caller; its first value, or the number of rows. */
static void
run(const char *sql, bool *answer, uint64 *rows)
{
	int			result;
	bool		null;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	result = SPI_execute(sql, false, 0);
	if (result < 0)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
	if (answer != NULL)
		*answer = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
	if (rows != NULL)
		*rows = SPI_processed;
	SPI_finish();
}

/* Another session's number of its temporary schema is none of the ledger's business. */
static char *
name_of(Oid schema, const char *table)
{
	return quote_qualified_identifier(isTempNamespace(schema) ? "pg_temp" : get_namespace_name(schema), table);
}

/* Finds the table and keeps others from writing it; or the place where it is to be. */
static void
find_target(text *clean, Target *target)
{
	RangeVar   *name = makeRangeVarFromNameList(textToQualifiedNameList(clean));
	Oid			schema;
	bool		any;

	target->relation = RangeVarGetRelid(name, NoLock, true);
	if (!OidIsValid(target->relation))
	{
		schema = RangeVarGetCreationNamespace(name);
		target->name = name_of(schema, name->relname);
		if (!isTempNamespace(schema))
		{
			pf_catalog_lock_cleaning(target->name);
			/* who had the lock before may have made it */
			AcceptInvalidationMessages();
			target->relation = RangeVarGetRelid(name, NoLock, true);
		}
	}
	if (!OidIsValid(target->relation))
	{
		target->empty = true;
		return;
	}
	if (get_rel_relkind(target->relation) != RELKIND_RELATION &&
		get_rel_relkind(target->relation) != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table", name->relname)));
	if (pg_class_aclcheck(target->relation, GetUserId(), ACL_INSERT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, name->relname);
	LockRelationOid(target->relation, ShareRowExclusiveLock);
	target->name = name_of(get_rel_namespace(target->relation), name->relname);
	run(psprintf("SELECT EXISTS (SELECT 1 FROM %s)", target->name), &any, NULL);
	target->empty = !any;
}

/* May rows be added to those that are there? */
static void
check_same_recipe(const Target *target, const PfCleaning *cleaning)
{
	PfCleaning	last;

	if (cleaning->key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s has rows already", target->name),
				 errdetail("Without a key nobody can tell which raw rows are new."),
				 errhint("Pass key => 'a column' whose values are unique, or empty the table first.")));
	if (!pf_catalog_last_cleaning(target->name, &last))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s has rows that ml_clean did not put there", target->name),
				 errhint("Name a table that does not exist yet, or an empty one.")));
	if (strcmp(last.recipe, cleaning->recipe) != 0 || last.version != cleaning->version)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s was filled by another recipe", target->name),
				 errdetail("Its rows are of version %d of recipe \"%s\".", last.version, last.recipe),
				 errhint("Pass %s to go on with it, or empty the table to clean all rows by version %d of recipe \"%s\".",
						 quote_literal_cstr(psprintf("%s@%d", last.recipe, last.version)),
						 cleaning->version, cleaning->recipe)));
}

static void
check_key(const PfRecipe *recipe, const PfSource *raw, const char *key)
{
	int			column = pf_source_column(raw, key);

	if (column < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("key column \"%s\" does not exist in the raw rows", key)));
	if (!pf_recipe_keeps(recipe, key))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("recipe \"%s\" does not keep the key column \"%s\" as it is", recipe->name, key),
				 errhint("A key goes through no step that changes, renames or drops it.")));
	if (pf_use_of(TupleDescAttr(raw->desc, column)->atttypid) == PF_USE_OTHER)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("key column \"%s\" cannot have type %s", key,
						format_type_be(TupleDescAttr(raw->desc, column)->atttypid))));
}

/* The table must have the columns that the recipe makes. */
static void
check_columns(const Target *target, const PfProgram *program)
{
	StringInfoData missing;
	ListCell   *lc;

	initStringInfo(&missing);
	foreach(lc, program->fields)
	{
		const PfField *field = lfirst(lc);

		if (get_attnum(target->relation, field->name) <= 0)
			appendStringInfo(&missing, "%s\"%s\"", missing.len > 0 ? ", " : "", field->name);
	}
	if (missing.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("table %s lacks columns that the recipe makes", target->name),
				 errdetail("Missing: %s.", missing.data),
				 errhint("A table that does not exist yet is made with the right columns.")));
}

/* A join with the rows that have the same in these columns, and that there are none. */
static void
append_new(StringInfo joins, StringInfo none, const Target *target, List *columns, int *njoins)
{
	int			number = ++*njoins;
	ListCell   *lc;

	appendStringInfo(joins, "\nLEFT JOIN %s AS clean%d ON", target->name, number);
	foreach(lc, columns)
		appendStringInfo(joins, "%s clean%d.%s" PF_OP("=") "%s", foreach_current_index(lc) > 0 ? " AND" : "", number,
						 quote_identifier(lfirst(lc)), pf_sql_name(lfirst(lc)));
	appendStringInfo(none, "%s clean%d.%s IS NULL", number == 1 ? "\nWHERE" : " AND", number,
					 quote_identifier(linitial(columns)));
}

/*
 * Raw rows whose key the table does not have; nor what it must have once only.  Joins that find nothing, which the
 * planner knows as anti-joins, and OFFSET 0, since Citus cannot do the same with NOT EXISTS.
 */
static char *
new_rows(const PfRecipe *recipe, const PfSource *raw, const Target *target, const char *key)
{
	StringInfoData sql;
	StringInfoData none;
	ListCell   *lc;
	int			njoins = 0;

	initStringInfo(&sql);
	initStringInfo(&none);
	appendStringInfo(&sql, "(SELECT source.*\nFROM (SELECT source.* FROM %s OFFSET 0) AS source", raw->from);
	append_new(&sql, &none, target, list_make1((char *) key), &njoins);
	foreach(lc, recipe->steps)
	{
		const PfStep *step = lfirst(lc);
		bool		kept = step->columns != NIL;
		ListCell   *column;

		if (step->kind != PF_DEDUPLICATE)
			continue;
		foreach(column, step->columns)
			kept = kept && pf_recipe_keeps(recipe, lfirst(column));
		if (kept)
			append_new(&sql, &none, target, step->columns, &njoins);
	}
	appendStringInfo(&sql, "%s) AS source", none.data);
	return sql.data;
}

/* A row without a key would be new each time. */
static void
check_no_null(const Target *target, const char *key)
{
	bool		any;

	run(psprintf("SELECT EXISTS (SELECT 1 FROM %s AS clean WHERE clean.%s IS NULL)", target->name,
				 quote_identifier(key)), &any, NULL);
	if (any)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("key column \"%s\" is null in some rows", key),
				 errhint("Leave them out by a step \"filter\" or by the query that is cleaned.")));
}

static uint64
fill(const PfRecipe *recipe, const PfSource *raw, const Target *target, const char *key)
{
	PfProgram  *program = pf_recipe_program(recipe, raw, true);
	StringInfoData columns;
	uint64		rows;
	ListCell   *lc;

	if (!OidIsValid(target->relation))
	{
		run(psprintf("CREATE TABLE %s AS\n%s", target->name, pf_program_sql(program, raw->from)), NULL, &rows);
		if (key != NULL)
			run(psprintf("ALTER TABLE %s ADD PRIMARY KEY (%s)", target->name, quote_identifier(key)), NULL, NULL);
		return rows;
	}
	check_columns(target, program);
	initStringInfo(&columns);
	foreach(lc, program->fields)
		appendStringInfo(&columns, "%s%s", columns.len > 0 ? ", " : "",
						 quote_identifier(((PfField *) lfirst(lc))->name));
	run(psprintf("INSERT INTO %s (%s)\n%s", target->name, columns.data,
				 pf_program_sql(program, target->empty ? raw->from : new_rows(recipe, raw, target, key))),
		NULL, &rows);
	if (key != NULL && rows > 0)
		check_no_null(target, key);
	return rows;
}

/* ml_clean(recipe text, raw text, clean text, key text) -> recipe, version, rows, created, seconds */
Datum
ml_clean(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"recipe", "raw", "clean"};
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	TupleDesc	desc;
	PfRecipeInfo info;
	PfRecipe   *recipe;
	PfSource   *raw;
	Target		target;
	PfCleaning	cleaning;
	uint64		rows;
	instr_time	start;
	instr_time	end;
	Datum		values[5];
	bool		nulls[5] = {false};

	for (int i = 0; i < (int) lengthof(names); i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not be null", names[i])));
	}
	PreventCommandIfReadOnly("ml_clean()");
	PreventCommandIfParallelMode("ml_clean()");
	INSTR_TIME_SET_CURRENT(start);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	pf_push_new_snapshot();
	context = AllocSetContextCreate(caller, "pgforest cleaning", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);

	pf_catalog_recipe(text_to_cstring(PG_GETARG_TEXT_PP(0)), &info);
	recipe = pf_recipe_read(info.document);
	raw = pf_source_open(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	cleaning.recipe = info.name;
	cleaning.version = info.version;
	cleaning.key = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3));
	if (cleaning.key != NULL)
		check_key(recipe, raw, cleaning.key);
	find_target(PG_GETARG_TEXT_PP(2), &target);
	if (!target.empty)
	{
		/* as of now: who had the lock before may have filled it */
		PushActiveSnapshot(GetTransactionSnapshot());
		check_same_recipe(&target, &cleaning);
		PopActiveSnapshot();
	}
	rows = fill(recipe, raw, &target, cleaning.key);

	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	pf_catalog_add_cleaning(target.name, raw->query, &cleaning, (int64) rows, INSTR_TIME_GET_DOUBLE(end));
	MemoryContextSwitchTo(caller);
	values[0] = CStringGetTextDatum(info.name);
	values[1] = Int32GetDatum(info.version);
	values[2] = Int64GetDatum((int64) rows);
	values[3] = BoolGetDatum(!OidIsValid(target.relation));
	values[4] = Float8GetDatum(INSTR_TIME_GET_DOUBLE(end));
	MemoryContextDelete(context);
	PopActiveSnapshot();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

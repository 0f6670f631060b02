/*
 * target.c
 *	  The table that is loaded: found, checked, made.
 *
 * COPY's machinery checks neither privileges nor row security: DoCopy does, which we do
 * not come through.  So both are checked here, before each batch, under the lock that the batch
 * holds: INSERT on the table or on all columns filled, and no row security that applies
 * to the current role, as for COPY.
 *
 * Between batches no lock is held, so the table is found by its name each time.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/varlena.h"

#include "engine/grow/params.h"
#include "ingest/ingest.h"

static Oid
find(const char *schema, const char *name, LOCKMODE lock)
{
	return RangeVarGetRelid(makeRangeVar(pstrdup(schema), pstrdup(name), -1), lock, true);
}

static void
check_kind(Relation relation)
{
	char		kind = relation->rd_rel->relkind;

	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE && kind != RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot load rows into \"%s\"", RelationGetRelationName(relation)),
				 errdetail_relkind_not_supported(kind),
				 errhint("Load them into a table.")));
	if (isTempNamespace(RelationGetNamespace(relation)) || relation->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot load rows into the temporary table \"%s\"", RelationGetRelationName(relation)),
				 errdetail("What was loaded is kept in pgforest.batch, which outlives the table."),
				 errhint("Make a table that is not temporary; UNLOGGED is as fast.")));
	if (check_enable_rls(RelationGetRelid(relation), InvalidOid, false) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot load rows into \"%s\", which has row-level security", RelationGetRelationName(relation)),
				 errhint("Load them into a table without it, and use INSERT ... SELECT from there.")));
}

/* For the table, or for each of the columns; NIL: for any. */
static void
check_privilege(Relation relation, List *columns)
{
	Oid			oid = RelationGetRelid(relation);
	ListCell   *lc;

	if (pg_class_aclcheck(oid, GetUserId(), ACL_INSERT) == ACLCHECK_OK)
		return;
	if (columns == NIL)
	{
		if (pg_attribute_aclcheck_all(oid, GetUserId(), ACL_INSERT, ACLMASK_ANY) == ACLCHECK_OK)
			return;
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, RelationGetRelationName(relation));
	}
	foreach(lc, columns)
	{
		AttrNumber	number = get_attnum(oid, lfirst(lc));

		if (number != InvalidAttrNumber &&
			pg_attribute_aclcheck(oid, number, GetUserId(), ACL_INSERT) != ACLCHECK_OK)
			aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, RelationGetRelationName(relation));
	}
}

/* Fills schema and name of a table that is not there. */
static void
place_new(PfTarget *target, RangeVar *range, bool create)
{
	Oid			schema;

	if (!create)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s\" does not exist", range->relname),
				 errhint("Create it, or pass create_table => true, which makes it with types that fit the first rows.")));
	schema = RangeVarGetCreationNamespace(range);
	if (isTempNamespace(schema))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot create a temporary table"),
				 errdetail("What was loaded is kept in pgforest.batch, which outlives the table.")));
	target->schema = get_namespace_name(schema);
	target->name = range->relname;
}

PfTarget *
pf_target_open(const char *name, bool create)
{
	PfTarget   *target = palloc0(sizeof(PfTarget));
	RangeVar   *range = makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(name)));
	Oid			oid = RangeVarGetRelid(range, AccessShareLock, true);

	if (range->catalogname != NULL && strcmp(range->catalogname, get_database_name(MyDatabaseId)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cross-database references are not implemented: \"%s\"", name)));
	if (OidIsValid(oid))
	{
		Relation	relation = relation_open(oid, NoLock);

		check_kind(relation);
		check_privilege(relation, NIL);
		target->schema = get_namespace_name(RelationGetNamespace(relation));
		target->name = pstrdup(RelationGetRelationName(relation));
		target->exists = true;
		relation_close(relation, NoLock);
	}
	else
		place_new(target, range, create);
	target->qualified = quote_qualified_identifier(target->schema, target->name);
	return target;
}

Relation
pf_target_lock(const PfTarget *target, List *columns)
{
	Oid			oid = find(target->schema, target->name, RowExclusiveLock);
	Relation	relation;

	if (!OidIsValid(oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s\" does not exist any more", target->name)));
	relation = relation_open(oid, NoLock);
	check_kind(relation);
	check_privilege(relation, columns);
	return relation;
}

/* Those that are given values: no dropped or generated ones. */
List *
pf_target_columns(const PfTarget *target)
{
	Oid			oid = find(target->schema, target->name, AccessShareLock);
	List	   *names = NIL;
	Relation	relation;

	if (!OidIsValid(oid))
		return NIL;
	relation = relation_open(oid, NoLock);
	for (int i = 0; i < RelationGetNumberOfAttributes(relation); i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(relation), i);

		if (!attribute->attisdropped && attribute->attgenerated == '\0')
			names = lappend(names, pstrdup(NameStr(attribute->attname)));
	}
	relation_close(relation, AccessShareLock);
	return names;
}

/* ----- columns by their names ----- */

List *
pf_match_columns(List *columns, char **names, int count, const char *where)
{
	List	   *matched = NIL;
	StringInfoData unknown;
	StringInfoData all;
	ListCell   *lc;

	initStringInfo(&unknown);
	initStringInfo(&all);
	for (int i = 0; i < count; i++)
	{
		char	   *name = names[i] ? names[i] : "";

		/* as it stands, or as create_table would have written it */
		if (!pf_names_contain(columns, name))
			name = pf_plain_name(name);
		if (pf_names_contain(columns, name) && !pf_names_contain(matched, name))
			matched = lappend(matched, name);
		else
			appendStringInfo(&unknown, "%s\"%s\"", unknown.len > 0 ? ", " : "", names[i] ? names[i] : "");
	}
	if (unknown.len == 0)
		return matched;
	if (where == NULL)
		return NIL;
	foreach(lc, columns)
		appendStringInfo(&all, "%s\"%s\"", all.len > 0 ? ", " : "", (char *) lfirst(lc));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("%s has columns that the target has not, or has them twice", where),
			 errdetail("They are %s.", unknown.data),
			 errhint("Columns of the target are %s. Name those to fill, in the source's order, in format: '{\"columns\": [\"a\", \"b\"]}'.",
					 all.data)));
}

/* ----- a new table ----- */

void
pf_target_create(PfTarget *target, List *names, List *types)
{
	StringInfoData sql;
	StringInfoData shown;
	ListCell   *name;
	ListCell   *type;

	initStringInfo(&sql);
	initStringInfo(&shown);
	forboth(name, names, type, types)
		appendStringInfo(&shown, "%s%s %s", shown.len > 0 ? ", " : "",
						 quote_identifier(lfirst(name)), (char *) lfirst(type));
	appendStringInfo(&sql, "CREATE TABLE %s (%s)", target->qualified, shown.data);
	SPI_connect();
	if (SPI_execute(sql.data, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not run \"%s\"", sql.data);
	SPI_finish();
	target->exists = true;
	ereport(NOTICE,
			(errmsg("created table %s", target->qualified),
			 errdetail("Its columns are %s.", shown.data)));
}

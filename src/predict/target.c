/*
 * target.c
 *	  The table that scores are written to: found and checked, by whoever will write it.
 *
 * ml_score checks it before it scores, ml_pipeline when a pipeline is declared.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "predict/bind.h"
#include "predict/target.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/varlena.h"

const char *const pf_score_columns[PF_SCORE_COLUMNS] = {
	"prediction", "probabilities", "model", "version", "scored_at"
};

void
pf_score_check_key(const List *key)
{
	StringInfoData again;
	StringInfoData taken;
	ListCell   *lc;

	initStringInfo(&again);
	initStringInfo(&taken);
	foreach(lc, key)
	{
		ListCell   *other;

		for_each_from(other, key, foreach_current_index(lc) + 1)
			if (strcmp(lfirst(lc), lfirst(other)) == 0)
			{
				pf_list_name(&again, lfirst(lc));
				break;
			}
		for (int i = 0; i < PF_SCORE_COLUMNS; i++)
			if (strcmp(lfirst(lc), pf_score_columns[i]) == 0)
				pf_list_name(&taken, pf_score_columns[i]);
	}
	if (again.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_COLUMN),
				 errmsg("key names columns more than once"),
				 errdetail("Named again: %s.", again.data)));
	if (taken.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_COLUMN),
				 errmsg("key has columns whose names the scores need"),
				 errdetail("Taken: %s.", taken.data),
				 errhint("Give them other names in the query passed as source.")));
}

/* May the caller add rows to it, perhaps to some columns only?  Asked before it is locked. */
static void
may_insert(const RangeVar *name, Oid oid, Oid old, void *arg)
{
	if (OidIsValid(oid) &&
		pg_class_aclcheck(oid, GetUserId(), ACL_INSERT) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(oid, GetUserId(), ACL_INSERT, ACLMASK_ANY) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(get_rel_relkind(oid)), name->relname);
}

static void
check_columns(Oid target, const List *key)
{
	Relation	relation = relation_open(target, NoLock);
	StringInfoData missing;
	ListCell   *lc;

	if (relation->rd_rel->relkind != RELKIND_RELATION &&
		relation->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot write scores to \"%s\"", RelationGetRelationName(relation)),
				 errdetail_relkind_not_supported(relation->rd_rel->relkind),
				 errhint("Name a table, or one that does not exist yet.")));

	initStringInfo(&missing);
	foreach(lc, key)
		if (get_attnum(target, lfirst(lc)) <= 0)
			pf_list_name(&missing, lfirst(lc));
	for (int i = 0; i < PF_SCORE_COLUMNS; i++)
		if (get_attnum(target, pf_score_columns[i]) <= 0)
			pf_list_name(&missing, pf_score_columns[i]);
	if (missing.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("table \"%s\" lacks columns that scores are written to",
						RelationGetRelationName(relation)),
				 errdetail("Missing: %s.", missing.data),
				 errhint("Add them, or name a table that does not exist yet: it is made with the columns that are needed.")));
	relation_close(relation, NoLock);
}

Oid
pf_score_target(text *text_name, const List *key, LOCKMODE lock, char **quoted)
{
	RangeVar   *name = makeRangeVarFromNameList(textToQualifiedNameList(text_name));
	Oid			target = RangeVarGetRelidExtended(name, lock, RVR_MISSING_OK, may_insert, NULL);
	Oid			schema = OidIsValid(target) ? get_rel_namespace(target) :
		RangeVarGetAndCheckCreationNamespace(name, NoLock, NULL);

	*quoted = (char *) quote_qualified_identifier(isTempNamespace(schema) ? "pg_temp" : get_namespace_name(schema),
												  name->relname);
	if (OidIsValid(target))
		check_columns(target, key);
	return target;
}

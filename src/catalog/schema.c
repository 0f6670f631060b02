/*
 * schema.c
 *	  Makes the schema pgforest; called by the extension's script only.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

static void
run_utility(const char *statement)
{
	if (SPI_execute(statement, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not run \"%s\"", statement);
}

/*
 * A schema that is there already is taken as it is, so it must belong to somebody who may
 * do anything anyway or who installs us: its owner could put objects of his own into it,
 * or drop ours.
 */
static void
check_owner(Oid schema)
{
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for schema %u", schema);
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	if (owner != GetUserId() && !superuser_arg(owner))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("schema \"pgforest\" belongs to role \"%s\"",
					   GetUserNameFromId(owner, false)),
				errdetail("The tables of the extension must be in a schema of a superuser or of the role that installs it."),
				errhint("Run ALTER SCHEMA pgforest RENAME TO another name, or ALTER SCHEMA pgforest OWNER TO %s.",
						quote_identifier(GetUserNameFromId(GetUserId(), false))));
}

PG_FUNCTION_INFO_V1(pgforest_make_schema);

Datum
pgforest_make_schema(PG_FUNCTION_ARGS)
{
	Oid			schema = get_namespace_oid("pgforest", true);

	if (!creating_extension)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("%s can only be called by CREATE EXTENSION", "pgforest_make_schema()"));
	if (OidIsValid(schema))
	{
		check_owner(schema);
		PG_RETURN_VOID();
	}
	SPI_connect();
	run_utility("CREATE SCHEMA pgforest");
	run_utility("COMMENT ON SCHEMA pgforest IS 'tables and views of the extension pgforest'");
	SPI_finish();
	PG_RETURN_VOID();
}

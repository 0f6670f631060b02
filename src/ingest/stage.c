/*
 * stage.c
 *	  A temporary table between COPY and a table that Citus distributes.
 *
 * Citus brings rows to their shards when it sees a statement, and CopyFrom is none: it would store them in the
 * empty table of that name on the coordinator, where no query finds them.  So a batch, or a piece of one, is copied
 * into a temporary table, and INSERT ... SELECT takes it from there.
 *
 * The table has the columns that are filled; what other columns default to, and what is not allowed, INSERT knows.
 * It is dropped with the stage, or at the end of the transaction.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_namespace.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "ingest/ingest.h"

#define STAGE "pg_temp.pgforest_stage"

struct PfStage
{
	Relation	relation;
	char	   *forward;		/* INSERT */
};

static void
run(const char *sql, int expected)
{
	int			result = SPI_execute(sql, false, 0);

	if (result != expected)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(result));
}

/* Citus lists the tables that it knows of, reference tables too. */
static bool
is_distributed(Oid table)
{
	bool		found;

	if (!OidIsValid(get_relname_relid("pg_dist_partition", PG_CATALOG_NAMESPACE)))
		return false;
	SPI_connect();
	run(psprintf("SELECT FROM pg_catalog.pg_dist_partition WHERE logicalrelid OPERATOR(pg_catalog.=) %u::pg_catalog.regclass", table),
		SPI_OK_SELECT);
	found = SPI_processed > 0;
	SPI_finish();
	return found;
}

PfStage *
pf_stage_open(const PfTarget *target, Relation relation, List *columns)
{
	PfStage    *stage;
	StringInfoData names;
	ListCell   *lc;

	if (!is_distributed(RelationGetRelid(relation)))
		return NULL;
	initStringInfo(&names);
	foreach(lc, columns)
		appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "", quote_identifier(lfirst(lc)));
	SPI_connect();
	run(psprintf("CREATE TEMPORARY TABLE " STAGE " ON COMMIT DROP AS SELECT %s FROM %s WITH NO DATA", names.data,
				 target->qualified), SPI_OK_UTILITY);
	SPI_finish();

	stage = palloc(sizeof(PfStage));
	stage->relation = relation_openrv(makeRangeVar("pg_temp", "pgforest_stage", -1), RowExclusiveLock);
	stage->forward = psprintf("INSERT INTO %s (%s) SELECT %s FROM " STAGE, target->qualified, names.data, names.data);
	pfree(names.data);
	return stage;
}

Relation
pf_stage_relation(const PfStage *stage)
{
	return stage->relation;
}

void
pf_stage_forward(const PfStage *stage)
{
	CommandCounterIncrement();
	SPI_connect();
	run(stage->forward, SPI_OK_INSERT);
	run("DELETE FROM " STAGE, SPI_OK_DELETE);
	SPI_finish();
}

void
pf_stage_close(PfStage *stage)
{
	relation_close(stage->relation, NoLock);
	SPI_connect();
	run("DROP TABLE " STAGE, SPI_OK_UTILITY);
	SPI_finish();
	pfree(stage->forward);
	pfree(stage);
}

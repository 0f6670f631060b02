/*
 * prediction.c
 *	  Captured requests: the table pgforest.prediction.
 *
 * The table is partitioned by weeks, from Monday 0:00 UTC; a partition is made by the request
 * that needs it, as the owner of our tables.  It is made as a table of its own and then
 * attached: that takes ShareUpdateExclusiveLock on the parent, which is in nobody's way
 * who reads or adds rows, where CREATE TABLE ... PARTITION OF would stop them
 * all until our transaction ends.  For the same reason there is no default partition: it
 * would be read, locked against everybody, each time.
 *
 * The lock is kept to the end of the transaction, and who needs the same partition meanwhile
 * waits for it.  So that this does not happen each Monday, the partition of the next
 * week is made on the last day of the week before, by whoever gets the lock without
 * waiting.
 *
 * A partition is no member of the extension: pg_dump writes it as it writes a user's
 * table, and it goes with its parent when the extension is dropped.  It has the parent's
 * row security itself, for those who dump.  Its indexes are its own: if the parent had
 * them, a restore would make them when it attaches the partition, and then once more.
 *
 * DROP TABLE of a partition needs AccessExclusiveLock on the parent.  It is taken when it is
 * free, for the end of a transaction that has done all else; if not, the partition, empty by
 * then, stays until the next time.
 */
#include "postgres.h"

#include <math.h>

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/prediction.h"
#include "catalog/tables.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "settings.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

enum
{
	CAPTURE_MODEL_ID = 1,
	CAPTURE_SAMPLE_RATE,
	CAPTURE_RETENTION
};

#define ONE_WEEK	(7 * USECS_PER_DAY)

/* PostgreSQL's time begins on a Saturday. */
#define FIRST_MONDAY	(2 * USECS_PER_DAY)

double
pf_capture_rate(int64 model)
{
	PfScan		scan;
	ScanKeyData key[1];
	double		rate = NAN;

	pf_key_int8(&key[0], CAPTURE_MODEL_ID, model);
	pf_scan_begin(&scan, "capture", "capture_pkey", 1, key);
	if (pf_scan_next(&scan))
		rate = pf_scan_float8(&scan, CAPTURE_SAMPLE_RATE);
	pf_scan_end(&scan);
	return isnan(rate) ? pf_capture_sample_rate : rate;
}

void
pf_capture_set(const char *name, double sample_rate, const Interval *retention)
{
	PfModelInfo model;
	PfArgs		args = {0};

	SPI_connect();
	pf_lock_model(name, PF_RIGHT_OWNER, &model);
	pf_arg_int8(&args, model.id);
	if (isnan(sample_rate) && retention == NULL)
		pf_write("DELETE FROM pgforest.capture WHERE model_id = $1", &args);
	else
	{
		pf_arg_float8(&args, sample_rate);
		pf_arg(&args, INTERVALOID, IntervalPGetDatum(retention), retention == NULL);
		pf_write("INSERT INTO pgforest.capture (model_id, sample_rate, retention) "
				 "VALUES ($1, $2, $3) ON CONFLICT (model_id) DO UPDATE "
				 "SET sample_rate = excluded.sample_rate, retention = excluded.retention", &args);
	}
	SPI_finish();
}

/* ----- partitions ----- */

static TimestampTz
week_of(TimestampTz time)
{
	TimestampTz since = time - FIRST_MONDAY;
	int64		weeks = since / ONE_WEEK - (since % ONE_WEEK < 0);

	return FIRST_MONDAY + weeks * ONE_WEEK;
}

/* The day at whose beginning, by UTC, a week begins: all digits and hyphens, as ISO 8601 has it. */
static char *
day_of(TimestampTz week)
{
	int			year,
				month,
				day;

	j2date((int) (week / USECS_PER_DAY) + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	return psprintf("%04d-%02d-%02d", year, month, day);
}

static char *
partition_name(TimestampTz week)
{
	const char *day = day_of(week);

	return psprintf("prediction_%.4s%.2s%.2s", day, day + 5, day + 8);
}

/* The parent, or InvalidOid when the extension is being dropped. */
static Oid
parent_table(void)
{
	Oid			schema = get_namespace_oid("pgforest", false);

	return get_relname_relid("prediction", schema);
}

static bool
has_partition(TimestampTz week)
{
	return OidIsValid(get_relname_relid(partition_name(week),
										get_namespace_oid("pgforest", false)));
}

/* With the lock on the parent held, and SPI connected. */
static void
make_partition(TimestampTz week)
{
	char	   *name = partition_name(week);

	pf_write(psprintf("CREATE TABLE pgforest.%s (LIKE pgforest.prediction INCLUDING DEFAULTS, "
					  "PRIMARY KEY (predicted_at, id))", name), NULL);
	pf_write(psprintf("CREATE INDEX ON pgforest.%s (model_id, predicted_at)", name), NULL);
	pf_write(psprintf("CREATE INDEX ON pgforest.%s (request_id) WHERE request_id IS NOT NULL", name), NULL);
	pf_write(psprintf("ALTER TABLE pgforest.prediction ATTACH PARTITION pgforest.%s "
					  "FOR VALUES FROM ('%s 00:00:00+00') TO ('%s 00:00:00+00')",
					  name, day_of(week), day_of(week + ONE_WEEK)), NULL);
	pf_write(psprintf("ALTER TABLE pgforest.%s ENABLE ROW LEVEL SECURITY", name), NULL);
	pf_write(psprintf("CREATE POLICY visible ON pgforest.%s FOR SELECT "
					  "USING (role = CURRENT_USER OR pgforest.is_owner(model_id))", name), NULL);
	pf_write(psprintf("GRANT SELECT ON pgforest.%s TO PUBLIC", name), NULL);
}

/* Does a query of this session use the table?  Then nothing can be attached to it now. */
static bool
is_in_use(Oid table)
{
	Relation	relation = table_open(table, NoLock);
	bool		used = relation->rd_refcnt > 1;

	table_close(relation, NoLock);
	return used;
}

static void
need_partition(TimestampTz now)
{
	TimestampTz week = week_of(now);
	Oid			parent;

	if (!has_partition(week))
	{
		parent = parent_table();
		LockRelationOid(parent, ShareUpdateExclusiveLock);
		if (!has_partition(week))
			make_partition(week);
	}
	if (now < week + ONE_WEEK - USECS_PER_DAY || has_partition(week + ONE_WEEK))
		return;
	parent = parent_table();
	if (!ConditionalLockRelationOid(parent, ShareUpdateExclusiveLock))
		return;
	if (!has_partition(week + ONE_WEEK) && !is_in_use(parent))
		make_partition(week + ONE_WEEK);
}

/* ----- requests ----- */

void
pf_capture(const PfRequest *request)
{
	static SPIPlanPtr plan = NULL;
	TimestampTz now = GetCurrentTimestamp();
	PfArgs		args = {0};

	SPI_connect();
	need_partition(now);
	pf_arg(&args, TIMESTAMPTZOID, TimestampTzGetDatum(now), false);
	pf_arg_int8(&args, request->version->model.id);
	pf_arg_int4(&args, request->version->version);
	pf_arg(&args, TEXTOID, PointerGetDatum(request->request_id), request->request_id == NULL);
	pf_arg(&args, JSONBOID, JsonbPGetDatum(request->features), false);
	pf_arg(&args, TEXTOID, PointerGetDatum(request->prediction), false);
	pf_arg(&args, FLOAT8ARRAYOID, PointerGetDatum(request->probabilities),
		   request->probabilities == NULL);
	pf_arg_float8(&args, request->sample_rate);
	pf_arg_name(&args, GetUserNameFromId(GetUserId(), false));
	pf_write_saved(&plan, "INSERT INTO pgforest.prediction (predicted_at, model_id, version, "
				   "request_id, features, prediction, probabilities, sample_rate, role) "
				   "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", &args);
	SPI_finish();
}

/* Each model with how long its requests are kept; NULL: for ever.  $1 is the setting. */
#define KEPT "(SELECT m.id, coalesce(c.retention, $1) AS kept FROM pgforest.model m " \
	"LEFT JOIN pgforest.capture c ON c.model_id = m.id)"

static void
arg_retention(PfArgs *args)
{
	Interval   *kept = palloc0(sizeof(Interval));

	kept->time = pf_capture_retention * USECS_PER_MINUTE;
	pf_arg(args, INTERVALOID, IntervalPGetDatum(kept), pf_capture_retention == 0);
}

/* Partitions that are empty now and that no more rows come to. */
static int32
drop_partitions(void)
{
	Oid			parent = parent_table();
	List	   *names = NIL;
	ListCell   *lc;
	uint64		count;

	if (is_in_use(parent) || !ConditionalLockRelationOid(parent, AccessExclusiveLock))
		return 0;
	count = pf_write("SELECT c.relname FROM pg_catalog.pg_inherits i "
					 "JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid "
					 "WHERE i.inhparent = 'pgforest.prediction'::pg_catalog.regclass "
					 "ORDER BY c.relname", NULL);
	for (uint64 i = 0; i < count; i++)
		names = lappend(names, pstrdup(SPI_getvalue(SPI_tuptable->vals[i],
													SPI_tuptable->tupdesc, 1)));
	count = 0;
	foreach(lc, names)
	{
		const char *name = lfirst(lc);

		if (strcmp(name, partition_name(week_of(GetCurrentTimestamp()))) >= 0)
			continue;
		if (pf_write(psprintf("SELECT FROM pgforest.%s LIMIT 1", quote_identifier(name)), NULL) > 0)
			continue;
		pf_write(psprintf("DROP TABLE pgforest.%s", quote_identifier(name)), NULL);
		count++;
	}
	return (int32) count;
}

void
pf_capture_expire(int64 *rows, int32 *partitions)
{
	PfArgs		args = {0};

	SPI_connect();
	need_partition(GetCurrentTimestamp());
	arg_retention(&args);
	*rows = (int64) pf_write("DELETE FROM pgforest.prediction p USING " KEPT " k "
							 "WHERE p.model_id = k.id AND p.predicted_at < pg_catalog.now() - k.kept",
							 &args);
	*rows += (int64) pf_write("DELETE FROM pgforest.prediction p WHERE NOT EXISTS "
							  "(SELECT FROM pgforest.model m WHERE m.id = p.model_id)", NULL);
	*partitions = drop_partitions();
	SPI_finish();
}

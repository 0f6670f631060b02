/*
 * write.c
 *	  Statements that change our tables, and the storing of versions and measurements.
 *
 * Users have no right to write our tables.  After the caller's rights were checked, each
 * statement below runs as the tables' owner, which is the extension's: the role is
 * switched around that one statement, with search_path set to pg_catalog, so that no
 * name in it can be caught by something of the user's.  The statements are fixed text with
 * parameters; no expression, cast or trigger of a user is among them.  An error in between
 * needs no care: the abort of the (sub)transaction restores role and settings.
 *
 * SPI gives each statement a snapshot of its own and ends it with a command
 * counter increment, so that it sees what others committed while we waited, and that the next
 * statement sees it.
 *
 * Locks: writers meet at the model's row in pgforest.model; whoever adds a version, moves an
 * alias, changes a right or drops something holds it until the transaction ends.  A
 * training takes it last, when all work is done but the storing.  Only adding a
 * measurement does without: it locks the version's row FOR KEY SHARE.  There are no foreign
 * keys (10-schema.sql says why); these locks stand in for them.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/move.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/runs.h"
#include "catalog/tables.h"
#include "common/cryptohash.h"
#include "compat.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* ----- parameters ----- */

void
pf_arg(PfArgs *args, Oid type, Datum value, bool isnull)
{
	Assert(args->count < PF_MAX_ARGS);
	args->types[args->count] = type;
	args->values[args->count] = value;
	args->nulls[args->count] = isnull ? 'n' : ' ';
	args->count++;
}

void
pf_arg_int8(PfArgs *args, int64 value)
{
	pf_arg(args, INT8OID, Int64GetDatum(value), false);
}

void
pf_arg_int4(PfArgs *args, int32 value)
{
	pf_arg(args, INT4OID, Int32GetDatum(value), false);
}

void
pf_arg_float8(PfArgs *args, double value)
{
	pf_arg(args, FLOAT8OID, Float8GetDatum(value), isnan(value));
}

void
pf_arg_text(PfArgs *args, const char *value)
{
	pf_arg(args, TEXTOID, value ? CStringGetTextDatum(value) : (Datum) 0, value == NULL);
}

void
pf_arg_name(PfArgs *args, const char *value)
{
	Name		name = palloc(NAMEDATALEN);

	namestrcpy(name, value);
	pf_arg(args, NAMEOID, NameGetDatum(name), false);
}

void
pf_arg_own_role(PfArgs *args)
{
	pf_arg_name(args, GetUserNameFromId(GetUserId(), false));
}

void
pf_arg_time(PfArgs *args, TimestampTz value)
{
	pf_arg(args, TIMESTAMPTZOID, TimestampTzGetDatum(value), false);
}

void
pf_arg_bytes(PfArgs *args, const uint8 *bytes, Size size)
{
	bytea	   *value = palloc(size + VARHDRSZ);

	SET_VARSIZE(value, size + VARHDRSZ);
	memcpy(VARDATA(value), bytes, size);
	pf_arg(args, BYTEAOID, PointerGetDatum(value), false);
}

static void
arg_array(PfArgs *args, Oid type, Oid element, int elmlen, bool elmbyval, char elmalign,
		  Datum *values, bool *nulls, int count)
{
	int			lower = 1;
	ArrayType  *array;

	if (count == 0)
		array = construct_empty_array(element);
	else
		array = construct_md_array(values, nulls, 1, &count, &lower,
								   element, elmlen, elmbyval, elmalign);
	pf_arg(args, type, PointerGetDatum(array), false);
}

void
pf_arg_texts(PfArgs *args, char **values, int count)
{
	Datum	   *datums = palloc(sizeof(Datum) * Max(count, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(count, 1));

	for (int i = 0; i < count; i++)
	{
		nulls[i] = values[i] == NULL;
		datums[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(values[i]);
	}
	arg_array(args, TEXTARRAYOID, TEXTOID, -1, false, TYPALIGN_INT, datums, nulls, count);
}

/* nan_is_null: what is undefined shows as NULL. */
static void
arg_float8s(PfArgs *args, const double *values, int count, bool nan_is_null)
{
	Datum	   *datums = palloc(sizeof(Datum) * Max(count, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(count, 1));

	for (int i = 0; i < count; i++)
	{
		nulls[i] = nan_is_null && isnan(values[i]);
		datums[i] = Float8GetDatum(values[i]);
	}
	arg_array(args, FLOAT8ARRAYOID, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
			  TYPALIGN_DOUBLE, datums, nulls, count);
}

void
pf_arg_int8s(PfArgs *args, const int64 *values, int count)
{
	Datum	   *datums = palloc(sizeof(Datum) * Max(count, 1));
	bool	   *nulls = palloc0(sizeof(bool) * Max(count, 1));

	for (int i = 0; i < count; i++)
		datums[i] = Int64GetDatum(values[i]);
	arg_array(args, INT8ARRAYOID, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
			  TYPALIGN_DOUBLE, datums, nulls, count);
}

/* ----- statements ----- */

/* The role that owns our tables. */
static Oid
tables_owner(void)
{
	Oid			schema = get_namespace_oid("pgforest", true);
	Oid			table = OidIsValid(schema) ? get_relname_relid("model", schema) : InvalidOid;
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("relation \"pgforest.model\" does not exist"),
				errhint("The extension is not installed in this database; run CREATE EXTENSION pgforest."));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Who called, while a statement runs as the owner. */
typedef struct Caller
{
	Oid			role;
	int			context;
	int			guc_level;
} Caller;

static void
become_owner(Caller *caller)
{
	caller->guc_level = NewGUCNestLevel();
	GetUserIdAndSecContext(&caller->role, &caller->context);
	SetUserIdAndSecContext(tables_owner(), caller->context | SECURITY_LOCAL_USERID_CHANGE);
	RestrictSearchPath();
}

static uint64
become_caller(const Caller *caller, const char *statement, int result)
{
	AtEOXact_GUC(true, caller->guc_level);
	SetUserIdAndSecContext(caller->role, caller->context);
	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", statement, SPI_result_code_string(result));
	return SPI_processed;
}

uint64
pf_write(const char *statement, PfArgs *args)
{
	Caller		caller;
	int			result;

	become_owner(&caller);
	result = SPI_execute_with_args(statement, args ? args->count : 0,
								   args ? args->types : NULL,
								   args ? args->values : NULL,
								   args ? args->nulls : NULL, false, 0);
	return become_caller(&caller, statement, result);
}

uint64
pf_write_saved(SPIPlanPtr *plan, const char *statement, PfArgs *args)
{
	Caller		caller;
	int			result;

	become_owner(&caller);
	if (*plan == NULL)
	{
		SPIPlanPtr	made = SPI_prepare(statement, args->count, args->types);

		if (made == NULL)
			elog(ERROR, "could not prepare \"%s\": %s", statement,
				 SPI_result_code_string(SPI_result));
		SPI_keepplan(made);
		*plan = made;
	}
	result = SPI_execute_plan(*plan, args->values, args->nulls, false, 0);
	return become_caller(&caller, statement, result);
}

void
pf_push_new_snapshot(void)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
}

Datum
pf_written(int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, isnull);
}

void
pf_need_writable(const char *command)
{
	PreventCommandIfReadOnly(command);
	PreventCommandIfParallelMode(command);
}

/* A copy that outlives SPI_finish; NULL for an SQL NULL. */
static char *
written_text(int column)
{
	char	   *text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);
	char	   *copy;

	if (text == NULL)
		return NULL;
	copy = SPI_palloc(strlen(text) + 1);
	strcpy(copy, text);
	return copy;
}

/*
 * Locks and reads the row of a model; false when there is none.  The lock is an UPDATE
 * that changes nothing: where a row lock would let a REPEATABLE READ transaction go on
 * with its old view of aliases and versions, this makes it fail as it must.
 */
static bool
lock_row(const char *name, PfModelInfo *info)
{
	PfArgs		args = {0};
	bool		isnull;

	pf_arg_text(&args, name);
	if (pf_write("UPDATE pgforest.model SET last_version = last_version WHERE name = $1 "
				 "RETURNING id, name, task, target, owner, last_version", &args) == 0)
		return false;
	info->id = DatumGetInt64(pf_written(1, &isnull));
	info->name = written_text(2);
	info->task = written_text(3);
	info->target = written_text(4);
	info->owner = written_text(5);
	info->last_version = DatumGetInt32(pf_written(6, &isnull));

	/* grants as they are now, not as they were when the statement began */
	PushActiveSnapshot(GetTransactionSnapshot());
	info->rights = pf_rights(info->id, info->owner);
	PopActiveSnapshot();
	return true;
}

void
pf_lock_model(const char *name, uint32 right, PfModelInfo *info)
{
	if (!lock_row(name, info))
		pf_no_such_model(name);
	pf_need_right(info, right);
}

void
pf_catalog_lock(const char *name, uint32 right, PfModelInfo *info)
{
	SPI_connect();
	pf_lock_model(name, right, info);
	SPI_finish();
}

/* ----- measurements ----- */

static void
write_metrics(int64 model, int32 version, const PfMeasured *measured, const char *source,
			  TimestampTz at, const char *role)
{
	const PfWindow *window = measured->window;
	int			count = measured->metrics.count;
	char	  **names = palloc(sizeof(char *) * Max(count, 1));
	char	  **classes = palloc(sizeof(char *) * Max(count, 1));
	double	   *values = palloc(sizeof(double) * Max(count, 1));
	double	   *baselines = palloc(sizeof(double) * Max(count, 1));
	PfArgs		args = {0};

	for (int i = 0; i < count; i++)
	{
		const PfMetric *metric = &measured->metrics.metrics[i];

		names[i] = unconstify(char *, metric->name);
		classes[i] = metric->class < 0 ? NULL : measured->classes[metric->class];
		values[i] = metric->value;
		baselines[i] = metric->baseline;
	}
	pf_arg_int8(&args, model);
	pf_arg_int4(&args, version);
	pf_arg_text(&args, measured->set);
	pf_arg_text(&args, source);
	pf_arg_int8(&args, measured->rows);
	pf_arg(&args, TIMESTAMPTZOID, TimestampTzGetDatum(at), false);
	pf_arg_name(&args, role);
	pf_arg_texts(&args, names, count);
	pf_arg_texts(&args, classes, count);
	arg_float8s(&args, values, count, true);
	arg_float8s(&args, baselines, count, true);
	pf_arg(&args, INT8OID, Int64GetDatum(window ? window->monitor : 0), window == NULL);
	pf_arg(&args, TIMESTAMPTZOID, TimestampTzGetDatum(window ? window->from : 0),
		   window == NULL || TIMESTAMP_IS_NOBEGIN(window->from));
	pf_arg(&args, TIMESTAMPTZOID, TimestampTzGetDatum(window ? window->until : 0), window == NULL);
	pf_write("INSERT INTO pgforest.metric (model_id, version, set, source, rows, measured_at, "
			 "measured_by, metric, class, value, baseline, monitor_id, from_at, until_at) "
			 "SELECT $1, $2, $3, $4, $5, $6, $7, u.metric, u.class, u.value, u.baseline, $12, $13, $14 "
			 "FROM unnest($8, $9, $10, $11) WITH ORDINALITY "
			 "AS u (metric, class, value, baseline, place) ORDER BY u.place", &args);
}

static void
write_confusion(int64 model, int32 version, const PfMeasured *measured, const char *source,
				TimestampTz at, const char *role)
{
	PfArgs		args = {0};

	pf_arg_int8(&args, model);
	pf_arg_int4(&args, version);
	pf_arg_text(&args, measured->set);
	pf_arg_text(&args, source);
	pf_arg_texts(&args, measured->classes, measured->nclasses);
	pf_arg_int8s(&args, (const int64 *) measured->confusion, measured->nclasses * measured->nclasses);
	pf_arg_int8(&args, measured->rows);
	pf_arg(&args, TIMESTAMPTZOID, TimestampTzGetDatum(at), false);
	pf_arg_name(&args, role);
	pf_write("INSERT INTO pgforest.confusion (model_id, version, set, source, classes, counts, "
			 "rows, measured_at, measured_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)", &args);
}

static void
write_curve(int64 model, int32 version, const PfMeasured *measured, const char *source,
			uint32 class)
{
	const PfCurve *curve = &measured->curves[class];
	PfArgs		args = {0};

	pf_arg_int8(&args, model);
	pf_arg_int4(&args, version);
	pf_arg_text(&args, measured->set);
	pf_arg_text(&args, source);
	pf_arg_text(&args, measured->classes[class]);
	arg_float8s(&args, curve->threshold, curve->count, false);
	arg_float8s(&args, curve->tpr, curve->count, false);
	arg_float8s(&args, curve->fpr, curve->count, false);
	arg_float8s(&args, curve->precision, curve->count, false);
	arg_float8s(&args, curve->recall, curve->count, false);
	pf_write("INSERT INTO pgforest.curve (model_id, version, set, source, class, threshold, tpr, "
			 "fpr, precision, recall) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", &args);
}

static void
write_measured(int64 model, int32 version, const PfMeasured *measured, const char *source,
			   TimestampTz at, const char *role)
{
	write_metrics(model, version, measured, source, at, role);
	if (measured->confusion != NULL)
		write_confusion(model, version, measured, source, at, role);
	for (uint32 i = 0; measured->curves != NULL && i < measured->nclasses; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (measured->curves[i].count > 0)
			write_curve(model, version, measured, source, i);
	}
}

void
pf_catalog_add_measured(const PfVersionInfo *version, const PfMeasured *measured,
						const char *source)
{
	PfArgs		args = {0};

	if (XactReadOnly || IsInParallelMode())
		return;
	SPI_connect();

	/*
	 * It may have been dropped while it was measured; if not, a drop waits for us from here on.
	 */
	pf_arg_int8(&args, version->model.id);
	pf_arg_int4(&args, version->version);
	if (pf_write("SELECT FROM pgforest.version WHERE model_id = $1 AND version = $2 "
				 "FOR KEY SHARE", &args) == 0)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("version %d of model \"%s\" was dropped while it was measured",
					   version->version, version->model.name));
	write_measured(version->model.id, version->version, measured, source,
				   GetCurrentTimestamp(), GetUserNameFromId(GetUserId(), false));
	SPI_finish();
}

/* ----- versions ----- */

/* hash NULL: it could not be made */
static void
no_sha256(pg_cryptohash_ctx *hash)
{
	ereport(ERROR,
			errcode(ERRCODE_INTERNAL_ERROR),
			errmsg("could not compute SHA-256: %s",
				   hash ? pg_cryptohash_error(hash) : "out of memory"));
}

static pg_cryptohash_ctx *
start_sha256(void)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);

	if (hash == NULL || pg_cryptohash_init(hash) < 0)
		no_sha256(hash);
	return hash;
}

static void
add_sha256(pg_cryptohash_ctx *hash, const uint8 *bytes, Size size)
{
	CHECK_FOR_INTERRUPTS();
	if (pg_cryptohash_update(hash, bytes, size) < 0)
		no_sha256(hash);
}

static void
end_sha256(pg_cryptohash_ctx *hash, uint8 *out)
{
	if (pg_cryptohash_final(hash, out, 32) < 0)
		no_sha256(hash);
	pg_cryptohash_free(hash);
}

void
pf_catalog_sha256(const uint8 *bytes, Size size, uint8 *out)
{
	pg_cryptohash_ctx *hash = start_sha256();

	for (Size done = 0; done < size; done += PF_CHUNK_SIZE)
		add_sha256(hash, bytes + done, Min(size - done, PF_CHUNK_SIZE));
	end_sha256(hash, out);
}

/* Who trains a model again wants that one, and none of its name that began anew. */
pg_noreturn static void
say_dropped(const char *name)
{
	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_OBJECT),
			errmsg("model \"%s\" was dropped meanwhile", name),
			errdetail("The version that was to be its next is not stored."),
			errhint("To begin it anew, call ml_train, or run the pipeline again if that names the target."));
}

/* The model's row, locked; made first when there is none. */
void
pf_lock_or_make_model(const char *name, const char *task, const char *target, const char *role,
					  PfModelInfo *info)
{
	while (!lock_row(name, info))
	{
		PfArgs		args = {0};

		if (pf_run_origin.model != 0)
			say_dropped(name);

		/*
		 * Another session may make it at the same time: then this waits for it and does nothing,
		 * and the model is theirs.  It may even be dropped again before we have
		 * locked it.
		 */
		CHECK_FOR_INTERRUPTS();
		pf_arg_text(&args, name);
		pf_arg_text(&args, task);
		pf_arg_text(&args, target);
		pf_arg_name(&args, role);
		pf_write("INSERT INTO pgforest.model (name, task, target, owner) "
				 "VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO NOTHING", &args);
	}
	if (pf_run_origin.model != 0 && pf_run_origin.model != info->id)
		say_dropped(name);
	pf_need_right(info, PF_RIGHT_TRAIN);
	pf_catalog_need_task(info, task);
}

int32
pf_next_version(const PfModelInfo *model)
{
	PfArgs		args = {0};
	bool		isnull;

	pf_arg_int8(&args, model->id);
	if (pf_write("UPDATE pgforest.model SET last_version = last_version + 1 WHERE id = $1 "
				 "RETURNING last_version", &args) != 1)
		elog(ERROR, "locked row of model \"%s\" is gone", model->name);
	return DatumGetInt32(pf_written(1, &isnull));
}

static void
write_version(const PfNewVersion *version, int64 model, int32 number, const uint8 *sha256,
			  const char *role)
{
	PfArgs		args = {0};
	uint8		fingerprint[16];

	for (int i = 0; i < 16; i++)
		fingerprint[i] = (uint8) (version->fingerprint[i / 8] >> (56 - 8 * (i % 8)));

	pf_arg_int8(&args, model);
	pf_arg_int4(&args, number);
	pf_arg_text(&args, version->algorithm);
	pf_arg_text(&args, version->target);
	pf_arg_text(&args, version->query);
	pf_arg_text(&args, version->weight);
	pf_arg_text(&args, version->split);
	pf_arg_texts(&args, version->columns, version->ncolumns);
	pf_arg_texts(&args, version->column_types, version->ncolumns);
	if (version->nclasses > 0)
		pf_arg_texts(&args, version->classes, version->nclasses);
	else
		pf_arg(&args, TEXTARRAYOID, (Datum) 0, true);
	pf_arg_texts(&args, version->identity, version->nidentity);
	pf_arg_float8(&args, version->holdout);
	pf_arg(&args, JSONBOID, JsonbPGetDatum(version->params), false);
	pf_arg(&args, JSONBOID, JsonbPGetDatum(version->arguments), false);
	pf_arg_int8(&args, version->seed);
	pf_arg_text(&args, version->note);
	pf_arg_int8(&args, version->rows);
	pf_arg_int4(&args, version->features);
	pf_arg_text(&args, version->metric);
	pf_arg_float8(&args, version->score);
	pf_arg_bytes(&args, fingerprint, sizeof(fingerprint));
	pf_arg_bytes(&args, sha256, 32);
	pf_arg_int8(&args, (int64) version->encoded.size);
	pf_arg_name(&args, role);
	pf_arg_float8(&args, version->seconds);
	pf_arg(&args, JSONBOID, version->stage_seconds ? JsonbPGetDatum(version->stage_seconds) :
		   (Datum) 0, version->stage_seconds == NULL);
	pf_arg(&args, JSONBOID, version->recipe ? JsonbPGetDatum(version->recipe) : (Datum) 0,
		   version->recipe == NULL);
	pf_arg(&args, JSONBOID, version->fit ? JsonbPGetDatum(version->fit) : (Datum) 0,
		   version->fit == NULL);
	pf_write("INSERT INTO pgforest.version (model_id, version, algorithm, target, query, weight, "
			 "split, columns, column_types, classes, identity, holdout, params, arguments, seed, "
			 "note, rows, features, metric, score, data_fingerprint, sha256, bytes, trained_by, "
			 "seconds, stage_seconds, recipe, fit, extension_version) "
			 "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, "
			 "$18, $19, $20, $21, $22, $23, $24, $25, $26, "
			 "($27 ->> 'recipe') || '@' || ($27 ->> 'version'), $28, "
			 "(SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'pgforest'))", &args);
}

/* What its rows go through. */
static void
write_recipe(int64 model, int32 number, Jsonb *recipe)
{
	PfArgs		args = {0};

	pf_arg_int8(&args, model);
	pf_arg_int4(&args, number);
	pf_arg(&args, JSONBOID, JsonbPGetDatum(recipe), false);
	pf_write("INSERT INTO pgforest.version_recipe (model_id, version, document) VALUES ($1, $2, $3)", &args);
}

/* chunk: a varlena value */
static void
write_chunk(int64 model, int32 number, int32 place, bytea *chunk)
{
	PfArgs		args = {0};

	pf_arg_int8(&args, model);
	pf_arg_int4(&args, number);
	pf_arg_int4(&args, place);
	pf_arg(&args, BYTEAOID, PointerGetDatum(chunk), false);
	pf_write("INSERT INTO pgforest.version_data (model_id, version, chunk, data) "
			 "VALUES ($1, $2, $3, $4)", &args);
}

void
pf_write_bytes(int64 model, int32 number, const uint8 *bytes, Size size)
{
	bytea	   *chunk = palloc(PF_CHUNK_SIZE + VARHDRSZ);
	int32		place = 0;

	for (Size done = 0; done < size; done += PF_CHUNK_SIZE)
	{
		Size		n = Min(size - done, PF_CHUNK_SIZE);

		CHECK_FOR_INTERRUPTS();
		SET_VARSIZE(chunk, n + VARHDRSZ);
		memcpy(VARDATA(chunk), bytes + done, n);
		write_chunk(model, number, place++, chunk);
	}
	pfree(chunk);
}

/* The same of bytes that are read as they are needed, and hashed on the way. */
static void
write_encoded(int64 model, int32 number, const PfNewVersion *version, uint8 *sha256)
{
	const PfScratch *scratch = version->scratch;
	Size		size = version->encoded.size;
	pg_cryptohash_ctx *hash = start_sha256();
	bytea	   *chunk = palloc(PF_CHUNK_SIZE + VARHDRSZ);
	int32		place = 0;

	for (Size done = 0; done < size; done += PF_CHUNK_SIZE)
	{
		Size		n = Min(size - done, PF_CHUNK_SIZE);
		Size		header = done == 0 ? PF_WIRE_HEADER : 0;
		uint8	   *bytes = (uint8 *) VARDATA(chunk);

		SET_VARSIZE(chunk, n + VARHDRSZ);
		memcpy(bytes, version->encoded.header, header);
		scratch->read(scratch->arg, PF_STREAM_BLOCKS, bytes + header, n - header);
		add_sha256(hash, bytes, n);
		write_chunk(model, number, place++, chunk);
	}
	pfree(chunk);
	end_sha256(hash, sha256);
}

static void
write_run(const PfNewVersion *version, int64 model, int32 number, const char *role,
		  TimestampTz began)
{
	PfArgs		args = {0};

	pf_arg_int8(&args, model);
	pf_arg_text(&args, version->model);
	pf_arg_int4(&args, number);
	pf_arg_name(&args, role);
	pf_arg(&args, TIMESTAMPTZOID, TimestampTzGetDatum(began), false);
	pf_arg_float8(&args, version->seconds);
	pf_arg(&args, JSONBOID, JsonbPGetDatum(version->params), false);
	pf_arg_text(&args, version->query);
	pf_arg_text(&args, pf_run_origin.kind ? pf_run_origin.kind :
				version->kind ? version->kind : "train");
	pf_arg(&args, INT8OID, Int64GetDatum(pf_run_origin.parent), pf_run_origin.parent == 0);
	pf_write("INSERT INTO pgforest.run (model_id, model, version, kind, status, role, started_at, "
			 "seconds, params, query, parent) "
			 "VALUES ($1, $2, $3, $9, 'success', $4, $5, $6, $7, $8, $10)",
			 &args);
}

int32
pf_catalog_add_version(PfNewVersion *version, uint8 *sha256_out)
{
	char	   *role = GetUserNameFromId(GetUserId(), false);
	TimestampTz began = GetCurrentTimestamp() - (TimestampTz) (version->seconds * USECS_PER_SEC);
	TimestampTz at;
	PfModelInfo model;
	int32		number;

	pf_check_model_name(version->model);
	pf_need_writable("ml_train()");

	SPI_connect();
	pf_lock_or_make_model(version->model, version->task, version->target, role, &model);
	number = pf_next_version(&model);

	/* the version's row last: it says how long the rest has taken */
	write_encoded(model.id, number, version, sha256_out);
	if (version->recipe != NULL)
		write_recipe(model.id, number, version->recipe);
	at = GetCurrentTimestamp();
	for (int i = 0; i < version->nmeasured; i++)
		write_measured(model.id, number, &version->measured[i], NULL, at, role);
	pf_write_baseline(model.id, number, version->baseline, version->nbaseline);
	if (version->take_times)
		version->take_times(version, version->take_times_arg);
	write_version(version, model.id, number, sha256_out, role);
	write_run(version, model.id, number, role, began);
	SPI_finish();
	return number;
}

void
pf_catalog_add_trials(const char *model, int32 version, List *rows)
{
	ListCell   *lc;

	SPI_connect();
	foreach(lc, rows)
	{
		const PfTrialRow *row = lfirst(lc);
		const ErrorData *error = row->error;
		PfArgs		args = {0};

		CHECK_FOR_INTERRUPTS();
		pf_arg_text(&args, model);
		pf_arg_int4(&args, version);
		pf_arg_int4(&args, row->trial);
		pf_arg_int4(&args, row->rung);
		pf_arg_int4(&args, row->fold);
		pf_arg_text(&args, row->algorithm);
		pf_arg(&args, JSONBOID, JsonbPGetDatum(row->params), false);
		pf_arg_float8(&args, row->share);
		pf_arg_text(&args, row->metric);
		pf_arg_float8(&args, row->score);
		pf_arg_int8(&args, row->train_rows);
		pf_arg_int8(&args, row->rows);
		pf_arg_float8(&args, row->seconds);
		pf_arg_text(&args, error ? "failure" : row->stopped ? "stopped" : "success");
		pf_arg_text(&args, error ? unpack_sql_state(error->sqlerrcode) : NULL);
		pf_arg_text(&args, error ? error->message : NULL);
		pf_arg_text(&args, error ? error->detail : NULL);
		pf_arg_text(&args, error ? error->hint : NULL);
		pf_write("INSERT INTO pgforest.trial (model_id, version, trial, rung, fold, algorithm, "
				 "params, share, metric, score, train_rows, rows, seconds, status, sqlstate, "
				 "message, detail, hint) SELECT m.id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, "
				 "$12, $13, $14, $15, $16, $17, $18 FROM pgforest.model m WHERE m.name = $1", &args);
	}
	SPI_finish();
}

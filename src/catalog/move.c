/*
 * move.c
 *	  Versions that leave for another database, and those that arrive.
 *
 * The rows go as JSON made by to_jsonb and come back by jsonb_populate_record: a column
 * that is added to a table travels without a word here.  What a version says of the query that
 * it was trained with comes from elsewhere, so nobody here has stored it: its trained_by is empty
 * and the query never runs (pf_catalog_may_run); who trained it is kept in pgforest.origin.
 *
 * Locks: as for a new version, see write.c.
 */
#include "postgres.h"

#include "catalog/move.h"
#include "catalog/tables.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

/* Every digit of a float8, whatever the session shows. */
static int
push_exact_output(void)
{
	int			level = NewGUCNestLevel();

	set_config_option("extra_float_digits", "1", PGC_USERSET, PGC_S_SESSION,
					  GUC_ACTION_SAVE, true, 0, false);
	set_config_option("bytea_output", "hex", PGC_USERSET, PGC_S_SESSION,
					  GUC_ACTION_SAVE, true, 0, false);
	return level;
}

char *
pf_catalog_describe(const PfVersionInfo *version)
{
	MemoryContext caller = CurrentMemoryContext;
	int			level = push_exact_output();
	PfArgs		args = {0};
	char	   *sections;
	bool		isnull;

	SPI_connect();
	pf_arg_int8(&args, version->model.id);
	pf_arg_int4(&args, version->version);
	pf_arg_name(&args, GetUserNameFromId(GetUserId(), false));
	pf_arg_text(&args, GetDatabaseEncodingName());
	if (pf_write("SELECT jsonb_build_object("
				 "'model', to_jsonb(m) - '{id,last_version}'::text[], "
				 "'version', to_jsonb(v) - 'model_id', "
				 "'metrics', (SELECT jsonb_agg(to_jsonb(x) - '{model_id,version,id}'::text[] ORDER BY x.id) "
				 "FROM pgforest.metric x WHERE x.model_id = $1 AND x.version = $2), "
				 "'confusion', (SELECT jsonb_agg(to_jsonb(x) - '{model_id,version,id}'::text[] ORDER BY x.id) "
				 "FROM pgforest.confusion x WHERE x.model_id = $1 AND x.version = $2), "
				 "'curves', (SELECT jsonb_agg(to_jsonb(x) - '{model_id,version,id}'::text[] ORDER BY x.id) "
				 "FROM pgforest.curve x WHERE x.model_id = $1 AND x.version = $2), "
				 "'recipe', (SELECT to_jsonb(x) - '{model_id,version}'::text[] "
				 "FROM pgforest.version_recipe x WHERE x.model_id = $1 AND x.version = $2), "
				 "'baseline', (SELECT to_jsonb(x) - '{model_id,version}'::text[] "
				 "FROM pgforest.baseline x WHERE x.model_id = $1 AND x.version = $2), "
				 "'origin', (SELECT to_jsonb(x) - '{model_id,version}'::text[] "
				 "FROM pgforest.origin x WHERE x.model_id = $1 AND x.version = $2), "
				 "'exported', jsonb_build_object('database', current_database(), 'by', $3::text, "
				 "'at', clock_timestamp(), 'encoding', $4::text))::text "
				 "FROM pgforest.version v JOIN pgforest.model m ON m.id = v.model_id "
				 "WHERE v.model_id = $1 AND v.version = $2", &args) != 1)
		pf_no_such_version(&version->model, version->version);
	sections = MemoryContextStrdup(caller, TextDatumGetCString(pf_written(1, &isnull)));
	SPI_finish();
	AtEOXact_GUC(true, level);
	return sections;
}

/* Rows of a section into one of the tables below a version. */
static void
write_section(const PfImport *import, int64 model, int32 number, const char *table,
			  const char *section, const char *columns)
{
	PfArgs		args = {0};

	CHECK_FOR_INTERRUPTS();
	pf_arg_int8(&args, model);
	pf_arg_int4(&args, number);
	pf_arg(&args, JSONBOID, JsonbPGetDatum(import->sections), false);
	pf_write(psprintf("INSERT INTO pgforest.%s (model_id, version, %s) SELECT $1, $2, %s "
					  "FROM jsonb_populate_recordset(NULL::pgforest.%s, CASE jsonb_typeof($3->'%s') "
					  "WHEN 'array' THEN $3->'%s' WHEN 'object' THEN jsonb_build_array($3->'%s') "
					  "ELSE '[]' END) WITH ORDINALITY AS x ORDER BY ordinality",
					  table, columns, columns, table, section, section, section), &args);
}

static void
write_version(const PfImport *import, int64 model, int32 number)
{
	PfArgs		args = {0};

	pf_arg_int8(&args, model);
	pf_arg_int4(&args, number);
	pf_arg(&args, JSONBOID, JsonbPGetDatum(import->sections), false);
	pf_arg_text(&args, import->note);
	pf_write("INSERT INTO pgforest.version SELECT x.* FROM jsonb_populate_record(NULL::pgforest.version, "
			 "$3->'version' || jsonb_build_object('model_id', $1, 'version', $2, 'trained_by', '', "
			 "'note', coalesce($4, $3->'version'->>'note'))) AS x", &args);
}

static void
write_origin(const PfImport *import, int64 model, int32 number, const char *role)
{
	PfArgs		args = {0};

	pf_arg_int8(&args, model);
	pf_arg_int4(&args, number);
	pf_arg(&args, JSONBOID, JsonbPGetDatum(import->sections), false);
	pf_arg_name(&args, role);
	pf_write("INSERT INTO pgforest.origin (model_id, version, database, model, number, trained_by, "
			 "exported_by, exported_at, imported_by, earlier) "
			 "VALUES ($1, $2, $3->'exported'->>'database', $3->'model'->>'name', "
			 "($3->'version'->>'version')::integer, "
			 "coalesce($3->'origin'->>'trained_by', $3->'version'->>'trained_by'), "
			 "$3->'exported'->>'by', ($3->'exported'->>'at')::timestamptz, $4, "
			 "CASE jsonb_typeof($3->'origin') WHEN 'object' THEN $3->'origin' END)", &args);
}

static void
write_run(const PfImport *import, int64 model, int32 number, const char *role)
{
	PfArgs		args = {0};

	pf_arg_int8(&args, model);
	pf_arg_text(&args, import->model);
	pf_arg_int4(&args, number);
	pf_arg_name(&args, role);
	pf_arg_float8(&args, import->seconds);
	pf_arg(&args, JSONBOID, JsonbPGetDatum(import->sections), false);
	pf_write("INSERT INTO pgforest.run (model_id, model, version, kind, status, role, started_at, "
			 "seconds, params) VALUES ($1, $2, $3, 'import', 'success', $4, "
			 "clock_timestamp() - $5 * interval '1 second', $5, $6->'version'->'params')", &args);
}

int32
pf_catalog_import(const PfImport *import)
{
	char	   *role = GetUserNameFromId(GetUserId(), false);
	PfModelInfo model;
	int32		number;

	pf_check_model_name(import->model);
	pf_need_writable("ml_import()");
	SPI_connect();
	pf_lock_or_make_model(import->model, import->task, import->target, role, &model);
	number = pf_next_version(&model);
	pf_write_bytes(model.id, number, import->bytes, import->nbytes);
	write_version(import, model.id, number);
	write_section(import, model.id, number, "metric", "metrics",
				  "set, source, class, metric, value, baseline, rows, measured_at, measured_by");
	write_section(import, model.id, number, "confusion", "confusion",
				  "set, source, classes, counts, rows, measured_at, measured_by");
	write_section(import, model.id, number, "curve", "curves",
				  "set, source, class, threshold, tpr, fpr, precision, recall");
	write_section(import, model.id, number, "version_recipe", "recipe", "document");
	write_section(import, model.id, number, "baseline", "baseline", "profile");
	write_origin(import, model.id, number, role);
	write_run(import, model.id, number, role);
	SPI_finish();
	return number;
}

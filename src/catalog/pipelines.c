/*
 * pipelines.c
 *	  What was declared of pipelines in our tables.
 */
#include "postgres.h"

#include "catalog/runs.h"
#include "catalog/tables.h"
#include "engine/grow/params.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

enum
{
	PIPELINE_ID = 1,
	PIPELINE_NAME,
	PIPELINE_OWNER,
	PIPELINE_DECLARED_BY,
	PIPELINE_SPEC,
	PIPELINE_SEARCH_PATH,
	PIPELINE_REVISION
};

void
pf_check_pipeline_name(const char *name)
{
	size_t		length = strlen(name);
	bool		blank = true;

	for (const char *p = name; *p; p++)
	{
		if ((unsigned char) *p < 0x20 || *p == 0x7f)
			ereport(ERROR,
					errcode(ERRCODE_INVALID_NAME),
					errmsg("pipeline name must not contain control characters"));
		blank = blank && *p == ' ';
	}
	if (blank || length > 63)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_NAME),
				length > 63 ? errmsg("pipeline name must have 1 to 63 bytes, not %zu", length) :
				errmsg("pipeline name must not be blank"));
}

bool
pf_catalog_pipeline(const char *name, PfPipeline *pipeline)
{
	PfScan		scan;
	ScanKeyData key[1];
	bool		found;

	pf_key_text(&key[0], PIPELINE_NAME, name);
	pf_scan_begin(&scan, "pipeline", "pipeline_name_key", 1, key);
	found = pf_scan_next(&scan);
	if (found)
	{
		pipeline->id = DatumGetInt64(pf_scan_datum(&scan, PIPELINE_ID));
		pipeline->name = pf_scan_text(&scan, PIPELINE_NAME);
		pipeline->owner = pf_scan_name(&scan, PIPELINE_OWNER);
		pipeline->declared_by = pf_scan_name(&scan, PIPELINE_DECLARED_BY);
		pipeline->spec = DatumGetJsonbPCopy(pf_scan_datum(&scan, PIPELINE_SPEC));
		pipeline->search_path = pf_scan_text(&scan, PIPELINE_SEARCH_PATH);
		pipeline->revision = DatumGetInt32(pf_scan_datum(&scan, PIPELINE_REVISION));
	}
	pf_scan_end(&scan);
	return found;
}

/* Only names that the current role may see are offered. */
pg_noreturn static void
no_such_pipeline(const char *name)
{
	PfScan		scan;
	char	   *nearest = NULL;
	uint32		least = PG_UINT32_MAX;

	pf_scan_begin(&scan, "pipeline", "pipeline_name_key", 0, NULL);
	while (pf_scan_next(&scan))
	{
		char	   *other = pf_scan_text(&scan, PIPELINE_NAME);
		uint32		distance = pf_edit_distance(name, other);

		if (distance < least && pf_may_mean(name, other) &&
			pf_has_role(pf_scan_name(&scan, PIPELINE_OWNER)))
		{
			least = distance;
			nearest = other;
		}
	}
	pf_scan_end(&scan);
	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_OBJECT),
			errmsg("pipeline \"%s\" does not exist", name),
			nearest ? errhint("Perhaps you meant the pipeline \"%s\".", nearest) :
			errhint("Your pipelines are listed in pgforest.pipelines; ml_pipeline makes one."));
}

void
pf_catalog_need_pipeline(const char *name, PfPipeline *pipeline)
{
	if (!pf_catalog_pipeline(name, pipeline))
		no_such_pipeline(name);
	if (!pf_has_role(pipeline->owner))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("must be owner of pipeline \"%s\"", name),
				errdetail("It belongs to role \"%s\".", pipeline->owner));
}

void
pf_catalog_put_pipeline(const char *name, Jsonb *spec, const char *search_path)
{
	char	   *role = GetUserNameFromId(GetUserId(), false);
	PfArgs		args = {0};
	bool		isnull;
	char	   *owner;

	pf_arg_text(&args, name);
	pf_arg_name(&args, role);
	pf_arg(&args, JSONBOID, JsonbPGetDatum(spec), false);
	pf_arg_text(&args, search_path);
	pf_write("INSERT INTO pgforest.pipeline AS p (name, owner, declared_by, spec, search_path) "
			 "VALUES ($1, $2, $2, $3, $4) ON CONFLICT (name) DO UPDATE "
			 "SET declared_by = $2, spec = $3, search_path = $4, revision = p.revision + 1, "
			 "declared_at = clock_timestamp() RETURNING owner", &args);

	/* another session may have made it while we waited */
	owner = NameStr(*DatumGetName(pf_written(1, &isnull)));
	if (!pf_has_role(owner))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("must be owner of pipeline \"%s\"", name),
				errdetail("It belongs to role \"%s\".", owner));
}

void
pf_catalog_drop_pipeline(const PfPipeline *pipeline)
{
	PfArgs		args = {0};

	pf_arg_int8(&args, pipeline->id);
	pf_write("DELETE FROM pgforest.pipeline WHERE id = $1", &args);
}

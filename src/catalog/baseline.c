/*
 * baseline.c
 *	  Table pgforest.baseline: what the rows were like that a version was trained on.
 *
 * One value a version, a few kilobytes, which PostgreSQL compresses; written with the
 * version and never changed.
 */
#include "postgres.h"

#include "catalog/tables.h"
#include "utils/builtins.h"

void
pf_write_baseline(int64 model, int32 version, const uint8 *bytes, Size size)
{
	PfArgs		args = {0};

	if (bytes == NULL)
		return;
	pf_arg_int8(&args, model);
	pf_arg_int4(&args, version);
	pf_arg_bytes(&args, bytes, size);
	pf_write("INSERT INTO pgforest.baseline (model_id, version, profile) VALUES ($1, $2, $3)", &args);
}

bool
pf_catalog_baseline(const PfEnv *env, const PfVersionInfo *version, const PfModel *model,
					PfFrame **frames, PfProfile *profile)
{
	PfScan		scan;
	ScanKeyData key[2];
	bool		found;

	pf_key_int8(&key[0], BASELINE_MODEL_ID, version->model.id);
	pf_key_int4(&key[1], BASELINE_VERSION, version->version);
	pf_scan_begin(&scan, "baseline", "baseline_pkey", 2, key);
	found = pf_scan_next(&scan);
	if (found)
	{
		bytea	   *bytes = DatumGetByteaPP(pf_scan_datum(&scan, BASELINE_PROFILE));
		const char *reason;

		if (!pf_baseline_decode(env, model, (const uint8 *) VARDATA_ANY(bytes),
								VARSIZE_ANY_EXHDR(bytes), frames, profile, &reason))
			ereport(ERROR,
					errcode(ERRCODE_DATA_CORRUPTED),
					errmsg("stored baseline of version %d of model \"%s\" cannot be read",
						   version->version, version->model.name),
					errdetail("Of its bytes: %s.", reason));
	}
	pf_scan_end(&scan);
	return found;
}

int
pf_catalog_column_types(const PfVersionInfo *version, char ***types)
{
	PfScan		scan;
	ScanKeyData key[2];
	int			n = 0;

	pf_key_int8(&key[0], VERSION_MODEL_ID, version->model.id);
	pf_key_int4(&key[1], VERSION_VERSION, version->version);
	pf_scan_begin(&scan, "version", "version_pkey", 2, key);
	if (pf_scan_next(&scan))
		n = pf_scan_texts(&scan, VERSION_COLUMN_TYPES, types);
	pf_scan_end(&scan);
	return n;
}

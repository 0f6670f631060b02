/*
 * history.c
 *	  Which version an alias names.
 */
#include "postgres.h"

#include "catalog/history.h"
#include "catalog/tables.h"

int32
pf_catalog_alias(const PfModelInfo *model, const char *alias)
{
	PfScan		scan;
	ScanKeyData key[2];
	int32		version = 0;

	pf_key_int8(&key[0], ALIAS_MODEL_ID, model->id);
	pf_key_text(&key[1], ALIAS_ALIAS, alias);
	pf_scan_begin(&scan, "alias", "alias_pkey", 2, key);
	if (pf_scan_next(&scan))
		version = DatumGetInt32(pf_scan_datum(&scan, ALIAS_VERSION));
	pf_scan_end(&scan);
	return version;
}

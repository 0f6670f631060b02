/*
 * tables.h
 *	  Our tables as this folder sees them: columns by number, scans, statements.
 *
 * Only src/catalog includes this file.  The numbers are those of
 * src/sql/10-schema.sql; a column that a later release adds goes to the end.
 */
#ifndef PF_TABLES_H
#define PF_TABLES_H

#include "postgres.h"
#include "access/genam.h"
#include "access/skey.h"
#include "catalog/models.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "executor/spi.h"
#include "utils/rel.h"

enum
{
	MODEL_ID = 1,
	MODEL_NAME,
	MODEL_TASK,
	MODEL_TARGET,
	MODEL_OWNER,
	MODEL_CREATED_AT,
	MODEL_LAST_VERSION
};

enum
{
	GRANT_MODEL_ID = 1,
	GRANT_ROLE,
	GRANT_PRIVILEGE
};

enum
{
	VERSION_MODEL_ID = 1,
	VERSION_VERSION,
	VERSION_ALGORITHM,
	VERSION_TARGET,
	VERSION_QUERY,
	VERSION_WEIGHT,
	VERSION_SPLIT,
	VERSION_COLUMNS,
	VERSION_COLUMN_TYPES,
	VERSION_CLASSES,
	VERSION_IDENTITY,
	VERSION_HOLDOUT,
	VERSION_PARAMS,
	VERSION_ARGUMENTS,
	VERSION_SEED,
	VERSION_NOTE,
	VERSION_ROWS,
	VERSION_FEATURES,
	VERSION_METRIC,
	VERSION_SCORE,
	VERSION_DATA_FINGERPRINT,
	VERSION_SHA256,
	VERSION_BYTES,
	VERSION_TRAINED_BY,
	VERSION_TRAINED_AT,
	VERSION_EXTENSION_VERSION,
	VERSION_SECONDS,
	VERSION_STAGE_SECONDS,
	VERSION_RECIPE
};

enum
{
	VERSION_RECIPE_MODEL_ID = 1,
	VERSION_RECIPE_VERSION,
	VERSION_RECIPE_DOCUMENT
};

enum
{
	DATA_MODEL_ID = 1,
	DATA_VERSION,
	DATA_CHUNK,
	DATA_DATA
};

enum
{
	ALIAS_MODEL_ID = 1,
	ALIAS_ALIAS,
	ALIAS_VERSION,
	ALIAS_HISTORY_ID
};

enum
{
	METRIC_MODEL_ID = 1,
	METRIC_VERSION,
	METRIC_ID,
	METRIC_SET,
	METRIC_SOURCE,
	METRIC_CLASS,
	METRIC_METRIC,
	METRIC_VALUE,
	METRIC_BASELINE,
	METRIC_ROWS
};

enum
{
	CONFUSION_MODEL_ID = 1,
	CONFUSION_VERSION,
	CONFUSION_ID,
	CONFUSION_SET,
	CONFUSION_SOURCE,
	CONFUSION_CLASSES,
	CONFUSION_COUNTS
};

enum
{
	CURVE_MODEL_ID = 1,
	CURVE_VERSION,
	CURVE_ID,
	CURVE_SET,
	CURVE_SOURCE,
	CURVE_CLASS,
	CURVE_THRESHOLD,
	CURVE_TPR,
	CURVE_FPR,
	CURVE_PRECISION,
	CURVE_RECALL
};

enum
{
	BASELINE_MODEL_ID = 1,
	BASELINE_VERSION,
	BASELINE_PROFILE
};

/* A model's bytes are stored in pieces of this size. */
#define PF_CHUNK_SIZE	(1024 * 1024)

/* ----- reading (tables.c): an index scan under the active snapshot, in index order ----- */

typedef struct PfScan
{
	Relation	table;
	Relation	index;
	SysScanDesc scan;
	Datum	   *values;			/* of the row, by column number - 1; valid until the next */
	bool	   *nulls;
} PfScan;

extern void pf_scan_begin(PfScan *scan, const char *table, const char *index,
						  int nkeys, ScanKey keys);
extern bool pf_scan_next(PfScan *scan);
extern void pf_scan_end(PfScan *scan);

extern void pf_key_int8(ScanKey key, AttrNumber column, int64 value);
extern void pf_key_int4(ScanKey key, AttrNumber column, int32 value);
extern void pf_key_text(ScanKey key, AttrNumber column, const char *value);

#define pf_scan_isnull(scan, column)	((scan)->nulls[(column) - 1])
#define pf_scan_datum(scan, column)		((scan)->values[(column) - 1])

/* Copies in the current context; NULL for an SQL NULL. */
extern char *pf_scan_text(const PfScan *scan, AttrNumber column);
extern char *pf_scan_name(const PfScan *scan, AttrNumber column);
extern int	pf_scan_texts(const PfScan *scan, AttrNumber column, char ***texts);
/* NaN for an SQL NULL. */
extern double pf_scan_float8(const PfScan *scan, AttrNumber column);

/* ----- writing (write.c) ----- */

/* The parameters $1, $2, ... of a statement, in the order in which they are added. */
#define PF_MAX_ARGS 40

typedef struct PfArgs
{
	int			count;
	Oid			types[PF_MAX_ARGS];
	Datum		values[PF_MAX_ARGS];
	char		nulls[PF_MAX_ARGS];
} PfArgs;

extern void pf_arg(PfArgs *args, Oid type, Datum value, bool isnull);
extern void pf_arg_int8(PfArgs *args, int64 value);
extern void pf_arg_int4(PfArgs *args, int32 value);
extern void pf_arg_int8s(PfArgs *args, const int64 *values, int count);
extern void pf_arg_float8(PfArgs *args, double value);	/* NaN: NULL */
extern void pf_arg_text(PfArgs *args, const char *value);	/* NULL: NULL */
extern void pf_arg_name(PfArgs *args, const char *value);
extern void pf_arg_own_role(PfArgs *args);	/* name of the current role */
extern void pf_arg_time(PfArgs *args, TimestampTz value);
extern void pf_arg_bytes(PfArgs *args, const uint8 *bytes, Size size);
extern void pf_arg_texts(PfArgs *args, char **values, int count);	/* NULL elements are kept */

/*
 * Runs one statement of ours as the owner of our tables, with SPI connected; returns the
 * number of rows.  args may be NULL.
 */
extern uint64 pf_write(const char *statement, PfArgs *args);

/* The same for a statement that is run often: its plan is kept in *plan, NULL at first. */
extern uint64 pf_write_saved(SPIPlanPtr *plan, const char *statement, PfArgs *args);
/* Of a new version, if it has one (baseline.c). */
extern void pf_write_baseline(int64 model, int32 version, const uint8 *bytes, Size size);

/* Value of the first row of what pf_write returned. */
extern Datum pf_written(int column, bool *isnull);

/* Errors where this session may not write: read only, in recovery, in parallel mode. */
extern void pf_need_writable(const char *command);

/*
 * Locks a model's row until the end of the transaction and reads it as it is now (not as
 * of the active snapshot), with SPI connected; then checks the right.  What info points to
 * outlives SPI_finish.
 */
extern void pf_lock_model(const char *name, uint32 right, PfModelInfo *info);

/* The model's row, locked; made first, of that role, when there is none. */
extern void pf_lock_or_make_model(const char *name, const char *task, const char *target,
								  const char *role, PfModelInfo *info);

/* Of a model so locked: the number of its next version; and the bytes of one, in chunks. */
extern int32 pf_next_version(const PfModelInfo *model);
extern void pf_write_bytes(int64 model, int32 number, const uint8 *bytes, Size size);

/* ----- rights (rights.c) ----- */

extern uint32 pf_rights(int64 model, const char *owner);

/* Error insufficient_privilege unless info->rights has the right. */
extern void pf_need_right(const PfModelInfo *info, uint32 right);

/* Errors undefined_object, with hints (resolve.c). */
pg_noreturn extern void pf_no_such_model(const char *name);
pg_noreturn extern void pf_no_such_version(const PfModelInfo *model, int32 version);

/* The newest version that there is, 0 when all were dropped; for hints. */
extern int32 pf_newest_version(const PfModelInfo *model);

#endif							/* PF_TABLES_H */

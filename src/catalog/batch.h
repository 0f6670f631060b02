/*
 * batch.h
 *	  The ledger of ml_ingest: pgforest.batch and pgforest.reject.
 */
#ifndef PF_CATALOG_BATCH_H
#define PF_CATALOG_BATCH_H

#include "postgres.h"
#include "nodes/pg_list.h"

/* What a load goes by: hash of target and source, as text. */
#define PF_STREAM_SIZE 65

typedef struct PfBatch
{
	int32		load;
	int32		number;
	char	   *order_by;		/* or NULL */
	char	  **columns;		/* of the target */
	int			ncolumns;
	int64		rows;
	int64		rejected;
	int64		start_byte;		/* of a file or URL */
	int64		end_byte;
	int64		end_line;
	char	   *start_key;		/* of a query with order_by, else NULL */
	char	   *end_key;
	uint8		sha256[32];
} PfBatch;

/* A record that was refused. */
typedef struct PfReject
{
	int64		line;			/* 0: of a query */
	int64		start_byte;
	int64		bytes;
	char	   *text;
	int			sqlstate;
	char	   *reason;
} PfReject;

extern void pf_batch_stream(const char *target, const char *source, char *stream);

/*
 * The batches (PfBatch *) of the last load of the stream under the active snapshot, in their order, whoever
 * loaded them.  Their columns are left out but for the last.  Memory: the current context.
 */
extern List *pf_catalog_batches(const char *stream);

/*
 * Adds a batch and what was refused of it (PfReject *).  is_query: it has no bytes.  The caller has loaded it
 * in the same transaction, and commits.
 */
extern void pf_catalog_add_batch(const char *stream, const char *target, const char *source, bool is_query,
								 const PfBatch *batch, List *rejects);

#endif							/* PF_CATALOG_BATCH_H */

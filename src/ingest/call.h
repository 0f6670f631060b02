/*
 * call.h
 *	  A call of ml_ingest, for the files that do it: ingest.c (the call), prefix.c (what was
 *	  loaded before, and how a source begins), step.c (a batch).
 */
#ifndef PF_INGEST_CALL_H
#define PF_INGEST_CALL_H

#include "postgres.h"
#include "compat.h"
#include "datatype/timestamp.h"
#include "storage/lock.h"

#include "ingest/ingest.h"
#include "progress/progress.h"

typedef struct PfIngest
{
	/* the call */
	char	   *target_name;
	char	   *source;			/* as the ledger has it */
	char	   *order_by;
	int32		batch_size;
	int32		max_batches;
	bool		reject;
	bool		create;
	bool		restart;
	PfFormat   *format;

	/* what is held */
	MemoryContext context;
	LOCKTAG		lock;
	bool		locked;
	PfInput    *input;
	PfRecords	records;
	PfSpool		spool;

	/* the load */
	PfTarget   *target;
	PfQuery    *query;			/* or NULL: bytes */
	char		stream[PF_STREAM_SIZE];
	List	   *loaded;			/* PfBatch *, of earlier calls */
	PfBatch		batch;			/* the one being made; its load, number and end say what was before */
	List	   *columns;		/* of the target, char *; NIL: not known yet */
	int64		from;			/* in the spool: where its records begin */
	int64		line;			/* lines before that */
	int64		count;			/* records in the spool */
	bool		convert;
	bool		at_end;

	/* this call */
	int32		batches;
	int64		rows;
	int64		rejected;
	TimestampTz next_notice;
	PfLoading	loading;		/* as others see it */
} PfIngest;

/* Tells other sessions what is being done now, and how far it is. */
extern void pf_ingest_show(PfIngest *ing, PfPhase phase);

/* A notice, when it is time for one. */
extern void pf_ingest_progress(PfIngest *ing, const char *doing, int64 count, const char *what);

/* Compares bytes that were loaded with the ledger, and passes them. */
extern void pf_ingest_pass_loaded(PfIngest *ing);

/* The beginning of a source that is new: byte-order mark, header, first record. */
extern void pf_ingest_read_first(PfIngest *ing);

/* One batch, which commits; false when there is none.  What it allocates in the context may go then. */
extern bool pf_ingest_batch(PfIngest *ing, MemoryContext context);

pg_noreturn extern void pf_hash_failed(pg_cryptohash_ctx *hash);

#endif							/* PF_INGEST_CALL_H */

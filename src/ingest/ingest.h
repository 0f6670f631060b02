/*
 * ingest.h
 *	  The parts of ml_ingest, and what they hand to each other.
 *
 *		input		bytes of a file or URL				input.c
 *		  records	where one ends						records.c
 *			spool	the bytes of a batch				spool.c
 *			  load	COPY into the target, refusals		fill.c
 *		query		rows of a relation or query			query.c
 *		  spool		as above, as lines of COPY
 *		target		the table, its rights, making it	target.c, infer.c
 *
 * What puts them together is in ingest.c, prefix.c and step.c (call.h).
 *
 * What a batch needs is collected first, while no snapshot, lock or transaction id
 * is held (a query's rows excepted); then it is loaded and commits.
 */
#ifndef PF_INGEST_H
#define PF_INGEST_H

#include "postgres.h"
#include "commands/copy.h"
#include "commands/copyfrom_internal.h"
#include "common/cryptohash.h"
#include "storage/buffile.h"
#include "utils/jsonb.h"

#include "catalog/batch.h"
#include "load/source.h"

#define PF_READ_SIZE	(256 * 1024)
#define PF_MAX_RECORD	(256 * 1024 * 1024)		/* a record that is longer is an error */
#define PF_SPOOL_MEMORY	(64 * 1024 * 1024)		/* of a batch; the rest goes to a temporary file */

/* ----- the format (format.c) ----- */

typedef enum PfHeader
{
	PF_HEADER_GUESS,			/* a first record that has the names of columns is one */
	PF_HEADER_NONE,
	PF_HEADER_SKIP,
	PF_HEADER_MATCH				/* columns are found by its names */
} PfHeader;

typedef struct PfFormat
{
	bool		csv;
	PfHeader	header;
	char		delimiter;
	char		quote;			/* csv only */
	char		escape;
	int			encoding;
	bool		embeds_ascii;	/* a later byte of a character may look like ASCII */
	int			nnulls;			/* spellings of NULL, as bytes of the source; the first is COPY's */
	char	  **nulls;
	List	   *columns;		/* of the target, char *; NIL: all, or by the header */
	int64		reject_limit;
	bool		verify;
	List	   *options;		/* for BeginCopyFrom */
} PfFormat;

/* Errors list all unknown keys, with the nearest. */
extern PfFormat *pf_format_parse(Jsonb *given);
/* Lines as pf_query_batch makes them. */
extern PfFormat *pf_format_of_query(const PfFormat *given);

/* ----- bytes (input.c) ----- */

typedef struct PfInput PfInput;
struct PfInput
{
	const char *name;			/* for messages */
	int64		size;			/* in bytes; 0: not known */
	Size		(*read) (PfInput *input, char *bytes, Size size);	/* 0: at the end */
	void		(*skip) (PfInput *input, int64 bytes);	/* or NULL */
	void		(*close) (PfInput *input);
};

extern bool pf_is_url(const char *source);
extern bool pf_is_file(const char *source);
/* Errors unless the current role may read it; opens nothing.  Returns the form in which it is known again. */
extern char *pf_input_check(const char *source);
/* Lives until it is closed, whatever transactions come and go. */
extern PfInput *pf_input_open(const char *source);
/* To be called once it is where it will be closed after an error. */
extern void pf_input_begin(PfInput *input);

/* ----- a batch's bytes (spool.c) ----- */

typedef struct PfSpool
{
	MemoryContext context;
	char	   *memory;
	Size		size;			/* of memory */
	int64		bytes;			/* in all */
	BufFile    *file;			/* what did not fit */
} PfSpool;

extern void pf_spool_empty(PfSpool *spool);
extern void pf_spool_add(PfSpool *spool, const char *bytes, Size size);
/* Up to size bytes from a place on. */
extern Size pf_spool_read(PfSpool *spool, int64 from, char *bytes, Size size);
extern void pf_spool_close(PfSpool *spool);

/* ----- records (records.c) ----- */

typedef struct PfRecord
{
	const char *bytes;			/* until the next is asked for */
	Size		size;			/* with its line end */
	int64		start;			/* offset in the source */
	int64		line;			/* that it begins on, from 1 */
	int			lines;			/* that COPY counts in it */
	bool		is_end;			/* it looks like COPY's end of data: \. */
} PfRecord;

typedef struct PfRecords
{
	const PfFormat *format;
	PfInput    *input;			/* or a spool, from `from` to its end */
	PfSpool    *spool;
	int64		from;
	char	   *buffer;
	Size		size;
	Size		start;			/* first byte not yet given out */
	Size		end;
	bool		at_end;			/* of the input */
	int64		offset;			/* of buffer[start] */
	int64		line;			/* lines before it */
	EolType		line_end;
	bool		split_long;		/* of a record that is too long give the first line */
	bool		first_line;		/* give the first line of any */
} PfRecords;

extern void pf_records_open(PfRecords *records, const PfFormat *format, PfInput *input);
/* Of what is in a spool behind a place; offset and line are those of that place. */
extern void pf_records_open_spool(PfRecords *records, const PfFormat *format, PfSpool *spool, int64 from,
								  int64 offset, int64 line, EolType line_end);
extern bool pf_records_next(PfRecords *records, PfRecord *record);
/* Bytes as they come, no records; for what is only hashed. */
extern Size pf_records_bytes(PfRecords *records, int64 most, const char **bytes);
/* Gives bytes of a spool, from a place to its end, back: they come again. */
extern void pf_records_unread(PfRecords *records, PfSpool *spool, int64 from, int64 line);
extern void pf_records_close(PfRecords *records);

/* A record as COPY shall read it: all spellings of NULL become the first.  Returns its size, never more. */
extern Size pf_record_convert(const PfFormat *format, const PfRecord *record, char *out);
extern bool pf_records_need_convert(const PfFormat *format);

/* ----- the target (target.c) ----- */

typedef struct PfTarget
{
	char	   *schema;
	char	   *name;
	char	   *qualified;		/* quoted where needed */
	bool		exists;
} PfTarget;

/* Finds it and checks what can be checked before columns are known. */
extern PfTarget *pf_target_open(const char *name, bool create);
/* Opens and locks it for loading the columns (char *), with all rights checked. */
extern Relation pf_target_lock(const PfTarget *target, List *columns);
/* Columns that COPY would fill by itself; NIL when there is no table. */
extern List *pf_target_columns(const PfTarget *target);
/* Those of the columns that the names are of; where not all are: NIL, or an error about `where`. */
extern List *pf_match_columns(List *columns, char **names, int count, const char *where);
extern void pf_target_create(PfTarget *target, List *names, List *types);

/* ----- fields (infer.c) ----- */

/* The fields of the first record, as COPY reads them; NULL for NULL.  must: else NULL where it cannot. */
typedef struct PfFields
{
	char	  **fields;
	int			count;
} PfFields;

extern PfFields *pf_read_fields(const PfFormat *format, const char *bytes, Size size, bool must);
/* A name that needs no quotes: small letters, digits and underscores; it may be empty. */
extern char *pf_plain_name(const char *given);
/* Such names for so many columns, each one different; header: NULL or those it gives. */
extern List *pf_new_columns(const PfFields *header, int count);
/* Names of types that hold what is in the records, of so many fields. */
extern List *pf_infer_types(const PfFormat *format, const char *bytes, Size size, int count);

/* ----- a query (query.c) ----- */

typedef struct PfQuery PfQuery;

extern PfQuery *pf_query_open(const char *source, const char *order_by);
extern const char *pf_query_text(const PfQuery *query);
extern TupleDesc pf_query_columns(const PfQuery *query);
/* Error when the rows up to the last batch are not those that were loaded. */
extern void pf_query_verify(PfQuery *query, List *batches);
/* The next rows as lines; fills keys and hash of the batch and returns how many they are. */
extern int64 pf_query_batch(PfQuery *query, const char *after, int32 size, PfSpool *spool, PfBatch *batch);

/* ----- loading (fill.c) ----- */

/*
 * Where the records for a table go that Citus distributes, see stage.c; NULL for any other table.  Columns: char *.
 * forward: what was copied goes on into the table; to be called before the stage is closed, within one transaction.
 */
typedef struct PfStage PfStage;

extern PfStage *pf_stage_open(const PfTarget *target, Relation relation, List *columns);
extern Relation pf_stage_relation(const PfStage *stage);
extern void pf_stage_forward(const PfStage *stage);
extern void pf_stage_close(PfStage *stage);

typedef struct PfFill
{
	const PfTarget *target;
	const PfFormat *format;
	List	   *columns;		/* char * */
	PfSpool    *spool;
	int64		from;			/* first byte of the records in the spool */
	int64		offset;			/* of that byte in the source */
	int64		line;			/* lines before it */
	EolType		line_end;
	bool		convert;		/* a record needs pf_record_convert though its nulls do not */
	bool		reject;
	bool		is_query;
	int64		reject_limit;	/* how many more */
	PfStage    *stage;			/* set by pf_fill */
	/* results */
	int64		rows;
	List	   *rejects;
	int64		loaded;			/* bytes of the spool that were dealt with */
	int64		end_line;
} PfFill;

extern void pf_fill(PfFill *load);

#endif							/* PF_INGEST_H */

/*
 * stages.h
 *	  What the stages of a load share; private to this folder.
 *
 * The stages: spec.c checks names and types; scan.c runs the source, team.c is
 * about those who do it together; draw.c keeps to max_rows; collect.c takes rows in
 * and keeps their values in blocks; sample.c chooses the sample and makes the bin maps
 * from it; pack.c bins the rows and puts them in order; load.c calls them.
 *
 * Memory: everything here lives in PfLoad's own context and goes with it; what
 * is handed to the caller comes from his.
 */
#ifndef PF_STAGES_H
#define PF_STAGES_H

#include "storage/dsm.h"

#include "compat.h"
#include "engine/bins/sort.h"
#include "engine/measure/profile.h"
#include "load/columns.h"
#include "load/load.h"

/* ----- dictionary.c: the distinct values of a category, numbered as they come ----- */

#define PF_NO_CODE			UINT32_MAX

typedef struct PfDictionary
{
	MemoryContext context;
	uint32		n;
	uint32		limit;			/* of n */
	uint32		nslots;			/* a power of two */
	uint32	   *slots;			/* code + 1, or 0 */
	uint32		room;			/* of the three arrays below */
	uint64	   *hash;
	Size	   *start;			/* room + 1, into text */
	uint8	   *in_training;	/* does a training row have it? */
	Size		text_room;
	char	   *text;
} PfDictionary;

extern PfDictionary *pf_dictionary_create(MemoryContext context, uint32 limit);

/* The code of a value; with `add` a new one is numbered.  PF_NO_CODE: not known, or one too many. */
extern uint32 pf_dictionary_code(PfDictionary *dictionary, const char *bytes, Size length,
								 uint64 hash, bool add);
extern const char *pf_dictionary_value(const PfDictionary *dictionary, uint32 code, Size *length);

/* Makes it ready for pf_dictionary_code when only its values are there; in the context. */
extern void pf_dictionary_index(PfDictionary *dictionary, MemoryContext context);

/* Order of two codes by bytes, for pf_sort_indexes. */
extern int	pf_dictionary_compare(uint32 a, uint32 b, const void *dictionary);

/* ----- the load as a whole ----- */

typedef enum PfRole
{
	PF_FEATURE,
	PF_TARGET,
	PF_WEIGHT,
	PF_SPLIT,
	PF_KEY
} PfRole;

/* In which of the matrices a row ends. */
typedef enum PfSide
{
	PF_TRAIN,
	PF_VALIDATION,
	PF_TEST
} PfSide;

/* How a feature's raw values are kept. */
typedef enum PfStore
{
	PF_DOUBLES,
	PF_FLOATS,
	PF_CODES
} PfStore;

typedef struct PfLoadColumn
{
	char	   *name;
	PfReader	reader;
	PfRole		role;
	bool		identity;		/* part of the row's identity hash */
	bool		content;		/* and of what the row is: all but what only puts rows in an order */

	/* features only */
	int			position;		/* among the feature columns */
	PfStore		store;
	int			length;			/* values a row; 0: an array, length not known yet */
	uint32		first_feature;	/* known after the first pass */
	PfDictionary *dictionary;	/* categories */
	uint8	   *code_bin;		/* by code, after the bin maps are made */
	uint16	   *code_entry;		/* likewise; NULL unless rows keep them */
	int			entry_place;	/* among the entries of a row */
	bool		batched;		/* its values are read for many rows at once */

	/* the row being read */
	double		number;
	uint32		code;
	double	   *elements;		/* arrays */
	bool		missing;
} PfLoadColumn;

/* Raw values of some rows, column by column. */
#define PF_BLOCK_ROWS 256
#define PF_BATCH_ROWS 64		/* that are read together; a block has several */
typedef struct PfBlock
{
	int			nrows;
	uint64		identity[PF_BLOCK_ROWS];
	uint64		content[PF_BLOCK_ROWS];
	uint8		side[PF_BLOCK_ROWS];
	uint32	   *label;			/* code; NULL for regression */
	double	   *target;			/* NULL for classification */
	float	   *weight;			/* NULL: no weights */
	void	   *values[FLEXIBLE_ARRAY_MEMBER];	/* by column; NULL: all missing so far */
} PfBlock;

/* Rows in bins, or values, in the order they came. */
typedef struct PfPacked
{
	uint32		nrows;
	uint32		room;
	uint32		nfeatures;
	uint32		stride;
	uint64	   *order;			/* pf_purpose(identity, PF_FOR_ORDER) */
	uint64	   *content;
	uint8	   *side;
	uint32	   *label;			/* class */
	double	   *target;
	float	   *weight;
	uint8	   *bins;
} PfPacked;

typedef enum PfPass
{
	PF_COLLECT_ALL,				/* first pass: every row is kept */
	PF_COLLECT_SAMPLE,			/* first pass, memory exceeded: candidates of the sample only */
	PF_COLLECT_BINS,			/* second pass: rows go straight into bins */
	PF_COUNT_ROWS				/* before the first pass: rows are counted by their sample keys */
} PfPass;

/* The code of a class, by the Datum: of those that were met last. */
#define PF_LABEL_CACHE 64
typedef struct PfLabelCode
{
	bool		known;
	Datum		value;
	uint32		code;
	uint64		hash;
} PfLabelCode;

/* Rows are counted by so many first bits of their sample keys. */
#define PF_CENSUS_BITS 16

/* What the processes of a shared scan have together; see team.c. */
typedef struct PfTeam PfTeam;

typedef struct PfLoad
{
	const PfLoadSpec *spec;
	MemoryContext context;
	const PfEnv *env;			/* allocates in context */
	PfTask		task;
	bool		values;			/* wanted, not bins */
	Oid			target_type;

	int			ncolumns;		/* all that are read, ascending by name */
	PfLoadColumn *columns;
	List	   *names;			/* of them */
	PfLoadColumn *target;		/* or NULL; rows then have the target 0 */
	PfLoadColumn *weight;		/* or NULL */
	PfLoadColumn *split;		/* or NULL */
	int			nfeature_columns;
	PfLoadColumn **features;	/* in the order of the model */
	uint32		nfeatures;		/* as far as array lengths are known */
	bool		folds;			/* rows are for folds: see pf_row_bytes */
	int			nentries;		/* category features, if rows keep their entries; else 0 */

	bool		one_hash;		/* a row's identity is its content: neither key nor split */
	uint64		draw_bound;		/* rows whose sample key reaches it are not drawn; UINT64_MAX: all are */
	uint32	   *census;			/* rows by sample key, in the pass that counts; else NULL */

	/* counters of one pass */
	int64		rows_read;
	int64		rows_no_target;
	int64		rows_no_split;
	int64		rows_used;
	int64		rows_train;
	double		highest;		/* place of a row where they are held out from the top; when they are */
	int64		rows_beyond;	/* not drawn */
	uint64		fingerprint[2];
	List	   *bad_splits;		/* values that are none of the three */

	PfDictionary *labels;		/* classification */
	PfLabelCode label_cache[PF_LABEL_CACHE];
	uint32	   *class_of_code;
	int			nclasses;
	char	  **classes;

	/* the rows that come, see collect.c */
	PfBlock    *incoming;
	Datum	   *row_values;		/* PF_BATCH_ROWS x ncolumns */
	bool	   *row_nulls;
	uint64	   *row_hashes;		/* ncolumns x PF_BATCH_ROWS, of columns that are read alone */
	int			nalone;
	int		   *alone;			/* these columns */

	PfPass		pass;
	uint32		nblocks;
	uint32		block_room;
	PfBlock   **blocks;			/* all full but the last */
	Size		raw_bytes;
	uint32		thin_at;		/* stored rows at which the sample is chosen anew */
	int64		bound_at;		/* in a team: training rows at which the bound is looked for */
	uint64		sample_bound;	/* no row with a greater sample key can be in it */

	PfBins	   *bins;			/* nfeatures, in the caller's context */
	double	   *positions;		/* nfeatures x PF_MAX_BINS, likewise; task anomaly only */
	PfFrame    *frames;			/* see PfLoaded; likewise */
	PfTally    *tallies;
	PfPacked	packed;
	PfBinTable *tables;			/* nfeatures; NULL: none */

	dsm_segment *segment;		/* while a pass is a shared scan; else NULL */
	PfTeam	   *team;			/* in it */
} PfLoad;

/* spec.c */
extern PfLoad *pf_load_resolve(const PfLoadSpec *spec, MemoryContext context);

/* collect.c: what a pass does with a row, and the blocks */
extern void pf_collect_row(Datum *values, bool *nulls, void *load);
extern void pf_collect_end(PfLoad *load);
extern void pf_copy_rows(PfLoad *load, const uint32 *rows, uint32 n);
extern void pf_copy_places(PfLoad *load, const PfBlock *from, const int *places, int n);
extern PfBlock *pf_make_block(PfLoad *load);
extern void pf_free_block(PfLoad *load, PfBlock *block);

/* A column's values in a block, made when they are not there; and all of them missing. */
extern void *pf_block_values(PfLoad *load, PfBlock *block, int c);
extern void pf_block_forget(PfLoad *load, PfBlock *block, int c);
extern Size pf_value_size(const PfLoadColumn *column);

/* collect.c, for what workers found: limits that hold for all of them together */
extern void pf_fix_length(PfLoad *load, PfLoadColumn *column, int length);
extern void pf_note_bad_split(PfLoad *load, const char *bytes, Size length);
pg_noreturn extern void pf_refuse_values(const PfLoad *load, const PfLoadColumn *column);
extern void pf_check_row_limit(const PfLoad *load);

/* load.c: how well a number of rows is known, and whether they fit in memory */
typedef enum PfHowMany
{
	PF_EXACTLY,
	PF_ABOUT,
	PF_AT_LEAST
} PfHowMany;

extern void pf_check_memory(const PfLoad *load, double rows, PfHowMany how_many);
/*
 * A row in the matrix: values or bins.  For folds it has the bins in any case, after the
 * values, and after them the entries of the categories.  Where the bins begin, how long all that
 * is, and how far it is to the next row.
 */
static inline uint32
pf_bins_at(const PfLoad *load)
{
	return load->values ? load->nfeatures * sizeof(double) : 0;
}

static inline uint32
pf_row_size(const PfLoad *load)
{
	return pf_bins_at(load) + (load->values && !load->folds ? 0 : load->nfeatures) +
		load->nentries * sizeof(uint16);
}

static inline uint32
pf_row_bytes(const PfLoad *load)
{
	uint32		unit = load->values ? sizeof(double) : 4;

	return (pf_row_size(load) + unit - 1) / unit * unit;
}

/* The block and the place in it of a row, numbered as they were stored. */
static inline PfBlock *
pf_block_of(const PfLoad *load, uint32 row, int *place)
{
	*place = row % PF_BLOCK_ROWS;
	return load->blocks[row / PF_BLOCK_ROWS];
}

static inline uint32
pf_stored_rows(const PfLoad *load)
{
	return load->nblocks == 0 ? 0
		: (load->nblocks - 1) * PF_BLOCK_ROWS + load->blocks[load->nblocks - 1]->nrows;
}

/* draw.c: no more than max_rows */
extern void pf_draw_start(PfLoad *load);
extern uint64 pf_draw_bound(const PfLoad *load, int64 *rows);
extern bool pf_draw_row(PfLoad *load, Datum *values, bool *nulls);

/* sample.c */
extern uint32 *pf_choose_sample(PfLoad *load, uint32 *n);
extern void pf_thin_sample(PfLoad *load, bool now);
extern uint64 pf_sample_memory(const PfLoad *load, uint32 nrows);
extern void pf_make_bins(PfLoad *load, MemoryContext context);
extern void pf_sort_rows(const PfEnv *env, PfItem *items, uint32 n,
						 PfCompare compare, const void *arg);

/* profile.c: what the sample of training rows is like */
extern void pf_profile_start(PfLoad *load, MemoryContext context);
extern void pf_profile_numbers(PfLoad *load, const PfEnv *env, uint32 feature, const double *values,
							   const double *count, size_t n, uint32 missing);
extern void pf_profile_categories(PfLoad *load, const PfEnv *env, uint32 feature,
								  const uint64 *count, uint32 nrows);
extern void pf_profile_target(PfLoad *load, const PfEnv *env, const uint32 *rows, uint32 n);

/* team.c: a pass that is a shared scan, as its leader sees it */
extern bool pf_team_start(PfLoad *load);
extern dsm_handle pf_team_handle(const PfLoad *load);
extern const volatile int64 *pf_team_seen(const PfLoad *load);
extern void pf_team_merge(PfLoad *load);
extern void pf_team_end(PfLoad *load);
extern bool pf_team_place(PfTeam *team, uint32 n, uint32 *first);
extern void pf_team_count(PfTeam *team, uint64 sample_key);
extern void pf_team_census(PfTeam *team, uint32 *census);
extern void pf_team_see(PfTeam *team, uint32 n);
extern uint64 pf_team_bound(PfTeam *team, uint32 wanted);

/* pack.c */
extern uint64 pf_load_memory(const PfLoad *load, uint32 nrows);
extern void pf_pack_start(PfLoad *load);
extern void pf_pack_alone(PfLoad *load);
extern void pf_pack_block(PfLoad *load, const PfBlock *block);
extern void pf_pack_finish(PfLoad *load, PfLoaded *loaded, MemoryContext context);

#endif							/* PF_STAGES_H */

/*
 * load.h
 *	  From a source to binned rows: the first half of ml_train.
 */
#ifndef PF_LOAD_H
#define PF_LOAD_H

#include "postgres.h"
#include "nodes/pg_list.h"
#include "engine/bins/binmap.h"
#include "engine/bins/matrix.h"
#include "engine/measure/profile.h"
#include "load/source.h"

#define PF_NO_ENTRY		0xffff

/* What else is to be known of the memory that training takes. */
typedef struct PfGrowNotes
{
	bool		votes;			/* rows are measured out of bag, see PfVotes */
	const char *saves;			/* a parameter that would lower it much, such as "\"oob_score\": false" */
} PfGrowNotes;

/*
 * Bytes that training takes, without workers, once the rows are loaded into a matrix of
 * which the sizes are given.  measured: rows are held out for measuring.
 */
typedef uint64 (*PfGrowMemory) (const void *arg, const PfMatrix *sizes, bool measured,
								PfGrowNotes *notes);

typedef struct PfLoadSpec
{
	PfSource   *source;
	char	   *target;			/* NULL: none, for the task anomaly */
	List	   *features;		/* of char *; NIL with features_given false: every other column */
	bool		features_given;
	List	   *exclude;
	List	   *key;
	char	   *weight;			/* or NULL */
	char	   *split;			/* or NULL */
	PfTask		task;
	double		holdout;
	int			max_bins;
	uint32		max_rows;		/* taken at most, by hash; 0: all */
	bool		values;			/* rows of values, not of bins: see engine/bins/matrix.h */
	double		apart;			/* share of the training rows to be marked in train.apart, by their identity */
	PfGrowMemory grow_memory;	/* what is made of the rows must fit in memory, too */
	const void *grow_arg;
	bool		for_folds;		/* training rows will be put into folds: keep what that takes */
	const char *order_by;		/* the last feature, if it only puts rows in an order; or NULL */
} PfLoadSpec;

#define PF_PIECES	5

typedef struct PfLoaded
{
	PfTask		task;
	int			ncolumns;
	PfColumn   *columns;		/* the feature columns in order */
	char	  **column_types;	/* format_type of each */
	int			nfeatures;
	PfBins	   *bins;
	double	   *positions;		/* task anomaly: see pf_cut_spread */
	int			nclasses;		/* 0: no classification */
	char	  **classes;
	Oid			target_type;
	PfMatrix	train;
	PfMatrix	validation;		/* held out by the hash, or 'validation' of the split column */
	PfMatrix	test;			/* 'test' of the split column */
	bool		grouped;		/* there is a key, and training rows that share theirs */
	uint32		border[PF_PIECES + 1];	/* pieces of the training rows, about as large, that share no key; some may be empty */
	uint64		fingerprint[2]; /* order-free, of all rows in the three */
	int64		rows_read;
	int64		rows_no_target; /* target NULL: left out */
	int64		rows_no_split;	/* split NULL: left out */
	int64		rows_not_drawn; /* more than max_rows: left out */
	int			nidentity;
	char	  **identity;		/* hash columns, sorted; split by column: none */

	/*
	 * for_folds: the order key of each training row, and in every row of the matrices more than
	 * one training wants.  bins_at: where its bins begin (0, or after the values).  After them, for each
	 * of nentries category features in their order, the two bytes of its entry in the bin map;
	 * PF_NO_ENTRY is a missing value.
	 */
	uint64	   *train_order;
	uint32		bins_at;
	int			nentries;

	/*
	 * What the sample of training rows is like that bins are made from: by feature, then room for
	 * what will be predicted, then the target.
	 */
	PfFrame    *frames;
	PfTally    *tallies;
} PfLoaded;

/*
 * Checks every name and type (all offenders in one error) before the first row
 * is read.  pf_load_check alone does just that and returns the task, and the names of the
 * features that are numbers, without order_by; pf_load does both.  Memory: the current context.
 */
extern PfTask pf_load_check(const PfLoadSpec *spec, List **numbers);
extern PfLoaded *pf_load(const PfLoadSpec *spec);

/*
 * Parts n rows in pieces: those whose keys are the same, which stand together, are in one, if there are two keys.
 * keys: of the first row, `apart` bytes before the next row's; NULL: of no row.
 */
extern void pf_part_rows(const uint64 *keys, Size apart, uint32 n, uint32 *border);

#endif							/* PF_LOAD_H */

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
#include "load/source.h"

#define PF_NO_ENTRY		0xffff

/*
 * Bytes that training takes, without workers, once the rows are loaded into a matrix of
 * which the sizes are given.  measured: rows are held out for measuring.  *saves is set to
 * a parameter that would lower it much, such as "\"oob_score\": false", if there is one.
 */
typedef uint64 (*PfGrowMemory) (const void *arg, const PfMatrix *sizes, bool measured,
								const char **saves);

typedef struct PfLoadSpec
{
	PfSource   *source;
	char	   *target;
	List	   *features;		/* of char *; NIL with features_given false: every other column */
	bool		features_given;
	List	   *exclude;
	List	   *key;
	char	   *weight;			/* or NULL */
	char	   *split;			/* or NULL */
	PfTask		task;
	double		holdout;
	int			max_bins;
	PfGrowMemory grow_memory;	/* what is made of the rows must fit in memory, too */
	const void *grow_arg;
	bool		for_folds;		/* training rows will be put into folds: keep what that takes */
} PfLoadSpec;

typedef struct PfLoaded
{
	PfTask		task;
	int			ncolumns;
	PfColumn   *columns;		/* the feature columns in order */
	char	  **column_types;	/* format_type of each */
	int			nfeatures;
	PfBins	   *bins;
	int			nclasses;		/* 0: regression */
	char	  **classes;
	Oid			target_type;
	PfMatrix	train;
	PfMatrix	validation;		/* held out by the hash, or 'validation' of the split column */
	PfMatrix	test;			/* 'test' of the split column */
	uint64		fingerprint[2]; /* order-free, of all rows in the three */
	int64		rows_read;
	int64		rows_no_target; /* target NULL: left out */
	int64		rows_no_split;	/* split NULL: left out */
	int			nidentity;
	char	  **identity;		/* hash columns, sorted; split by column: none */

	/*
	 * for_folds: the order key of each training row, and the categories themselves.
	 * The latter are in the matrix, after the bins of a row: for each category feature, in their
	 * order, the two bytes of its entry in the bin map; PF_NO_ENTRY is a missing value.
	 */
	uint64	   *train_order;
	int			nentries;
} PfLoaded;

/*
 * Checks every name and type (all offenders in one error) before the first row
 * is read.  pf_load_check alone does just that and returns the task; pf_load does
 * both.  Memory: the current context.
 */
extern PfTask pf_load_check(const PfLoadSpec *spec);
extern PfLoaded *pf_load(const PfLoadSpec *spec);

#endif							/* PF_LOAD_H */

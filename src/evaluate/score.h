/*
 * score.h
 *	  Versions measured on the rows of a source: one scan, every version on
 *	  exactly the same rows.
 */
#ifndef PF_SCORE_H
#define PF_SCORE_H

#include "postgres.h"
#include "nodes/pg_list.h"
#include "catalog/models.h"
#include "load/columns.h"
#include "load/source.h"

/* What one version said of the rows, beside what is true. */
typedef struct PfScored
{
	const PfVersionInfo *version;
	const PfModel *model;

	/* classification: labels that the model does not know come after its own, with share 0 */
	uint32		nclasses;		/* 0: regression */
	char	  **classes;
	uint32	   *actual;
	double	   *shares;			/* rows x nclasses */

	/* regression */
	double	   *value;
	double	   *predicted;
} PfScored;

typedef struct PfScores
{
	int64		rows;			/* measured, or counted */
	bool		counted_only;	/* they did not fit */
	int64		rows_no_target; /* target NULL: left out */
	int			nversions;
	PfScored   *versions;
	int			nslices;		/* 0: not asked for */
	char	  **slice_names;	/* such as: region = north, sex = F */
	size_t	   *slice_start;	/* nslices + 1, into slice_rows */
	size_t	   *slice_rows;		/* row numbers, by slice */
	uint64	   *group;			/* of each row, or NULL: see pf_score_pair */
} PfScores;

#define PF_WHOLE (-1)

/*
 * Scans the source as the caller.  The versions have one target and task; their
 * models are held by the caller.  held_out: only the rows that the versions' split (that
 * of the first; the caller made sure that it is everybody's) kept out of training.
 * by: names of columns whose values make slices, or NIL.
 * Names and types are checked before the first row is read; no row left is an
 * error.  Memory: the current context, up to pgforest.train_memory.  More rows than
 * fit in it are an error; of several versions without slices they are only counted, and
 * the caller measures fewer versions at a time.
 */
extern PfScores *pf_score(const PfSource *source, PfVersionInfo *const *versions,
						  const PfModel *const *models, int nversions,
						  bool held_out, List *by);

/*
 * The same of two versions for a paired bootstrap, which takes room as well.  Rows with equal keys are of one
 * group, if the first version was trained with a key and the source has its columns.
 */
extern PfScores *pf_score_pair(const PfSource *source, PfVersionInfo *const *versions,
							   const PfModel *const *models, bool held_out);

/* Bytes that it takes for a row, and what is done with its answers, at most. */
extern uint64 pf_score_row_size(const PfModel *const *models, int nversions, bool slices);

/* Can these columns of the source make slices?  Else an error, for those who measure in two steps. */
extern void pf_score_check_slices(const PfSource *source, List *by);

/*
 * How to read a column that makes slices, and the name of the slice that values make: a = 1,
 * b = x.  positions: of the columns in values; NULL: they are in their order.
 */
extern void pf_slice_reader(PfReader *reader, const char *name, Oid type);
extern char *pf_slice_name(int n, char *const *names, PfReader *readers, const int *positions,
						   const Datum *values, const bool *nulls);

/* A NOTICE when rows were left out. */
extern void pf_score_notice(const PfScores *scores);

/* The metrics of one version on all rows (PF_WHOLE) or one slice; rows may be NULL. */
extern void pf_score_metrics(const PfScores *scores, int version, int slice,
							 PfMetrics *metrics, int64 *rows);

/* The value of a metric over the whole set; NaN when it is not there or undefined. */
extern double pf_metric_value(const PfMetrics *metrics, const char *name);

#endif							/* PF_SCORE_H */

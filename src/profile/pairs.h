/*
 * pairs.h
 *	  Reference rows and current rows, column by column: what is compared.
 *
 * Private to this folder.
 */
#ifndef PF_PAIRS_H
#define PF_PAIRS_H

#include "load/columns.h"
#include "profile/compare.h"
#include "profile/watch.h"

#define PF_MOST_SLICES 1000

/* One slice, or all rows. */
typedef struct PfPairs
{
	const char *slice;			/* or NULL */
	int64		rows[2];
	uint32		npairs;
	PfColumnPair *pairs;
} PfPairs;

/*
 * Has the source the columns that the model and the slices need, and are they of their types?
 * Else an error; which: the argument that it is, for the message.
 */
extern void pf_check_pair_columns(const PfWatched *watched, const PfSource *source, List *by,
									const char *which);

/* How to read the columns that make slices. */
extern void pf_slice_readers(const PfSource *source, List *by, char ***names, PfReader **readers);

typedef struct PfSliceProfile
{
	const char *slice;			/* or NULL */
	PfProfile	profile;
} PfSliceProfile;

/* The profiles (PfSliceProfile *) of a source's slices in their order; none of no rows (source.c). */
extern List *pf_profile_source(const PfWatched *watched, const PfSource *source, List *by);

/*
 * Reads two sources, keeps their values and pairs them by slice: a slice of the source is
 * compared with the same of the reference.  Memory: up to pgforest.train_memory in the current
 * context.  Returns PfPairs *, in the order of the slices' names.
 */
extern List *pf_pair_sources(const PfWatched *watched, const PfSource *reference,
							 const PfSource *source, List *by);

#endif							/* PF_PAIRS_H */

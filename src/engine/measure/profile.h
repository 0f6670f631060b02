/*
 * profile.h
 *	  What the values of a column are like: the frame in which they are counted, fixed at
 *	  training, and what was counted in it.
 *
 * Counts in one frame can be compared from day to day, and added: tallies of parts merge
 * into the tally of the whole, whatever the parts and their order.
 *
 * The columns of a version are its features, then what it predicts, then its target.  What is
 * predicted is the share of the second of two classes, the class of more, the value of a
 * regression, the score of an anomaly.
 */
#ifndef PF_PROFILE_H
#define PF_PROFILE_H

#include "engine/bins/binmap.h"
#include "engine/measure/parts.h"

#define PF_PROFILED_FEATURES	4096	/* the others of a version have no frame */
#define PF_FEW_VALUES			10	/* of a number: no more are as categories */
#define PF_LISTED_CATEGORIES	64	/* that have a cell of their own */
#define PF_REGISTERS			128 /* of the count of distinct values: right to about 9 % */
#define PF_STRANGERS			32	/* categories never seen in training that are remembered */
#define PF_STRANGER_BYTES		63	/* of each */

typedef struct PfFrame
{
	bool		present;		/* false: the version has no such column */
	PfKind		kind;			/* a class is a category */
	uint32_t	ncells;			/* 0: training had no value */

	/* numbers */
	PfBins		bins;			/* ncells of them */
	bool		own_cuts;		/* the model has none of this column */
	bool		exact;			/* each cell had one value only: its place */
	double		shift;			/* moments are taken about it */
	double		lowest,			/* of the training values; 0 if there were none */
				highest;
	double	   *places;			/* mean of the training values in each cell */

	/* categories: those listed have a cell each, by falling count, the others one together */
	uint32_t	ncategories;
	uint32_t	nlisted;
	uint32_t   *listed;			/* their entries in the model's map, or classes */
	uint16_t   *cell;			/* by entry */
	uint64_t	singles;		/* categories that training saw once */
} PfFrame;

typedef struct PfStranger
{
	uint64_t	hash;
	uint64_t	count;
	uint8_t		length;
	char		text[PF_STRANGER_BYTES + 1];	/* cut off where it is longer */
} PfStranger;

typedef struct PfTally
{
	uint64_t	rows;
	uint64_t	missing;
	uint64_t	unseen;			/* categories unknown to training, and so values of a number that had
								 * few, between them; all values if it had none */
	uint64_t   *cells;			/* of the frame */
	double		distinct;		/* exactly, and there are no registers; NaN: as these say */
	uint8_t		registers[PF_REGISTERS];

	/* numbers */
	uint64_t	below,			/* of the outer cells, values beyond all of training */
				above;
	uint64_t	far;			/* too far from zero for moments */
	double		min,
				max;			/* NaN: no value */
	PfSum		sum,			/* of value - shift, and of its square */
				squares;

	/* categories, those with the smallest hashes; ascending by hash */
	uint32_t	nstrangers;
	PfStranger *strangers;		/* PF_STRANGERS; NULL: none so far */
} PfTally;

typedef struct PfProfile
{
	uint32_t	ncolumns;
	uint64_t	frame;			/* identity of the frames, see pf_profile_encode */
	PfTally    *tallies;
} PfProfile;

/* ----- frames ----- */

/*
 * The frame of a number, and the values of training counted in it: n of them as pf_count_values
 * leaves them.  The cells are those of bins, which the frame shares.
 */
extern void pf_profile_counted(const PfEnv *env, const PfBins *bins, const double *values,
							   const double *count, size_t n, PfFrame *frame, PfTally *tally);

/* The same with at most max_cells cuts of its own; sorts values, of which none is NaN. */
extern void pf_profile_values(const PfEnv *env, double *values, size_t n, uint32_t max_cells,
							  PfFrame *frame, PfTally *tally);

/* A frame of categories: count[ncategories] is by entry. */
extern void pf_frame_categories(const PfEnv *env, const uint64_t *count, uint32_t ncategories,
								PfFrame *frame);

/* A number that had a few values only. */
static inline bool
pf_frame_is_few(const PfFrame *frame)
{
	return frame->exact && frame->ncells <= PF_FEW_VALUES;
}

/* ----- tallies ----- */

extern void pf_tally_init(const PfEnv *env, const PfFrame *frame, PfTally *tally);

/* NaN is missing.  cells: NULL, or where the cell of values[i] goes, at cells[i * stride]. */
extern void pf_tally_numbers(const PfFrame *frame, PfTally *tally, const double *values, size_t n,
							 uint8_t *cells, size_t stride);
extern void pf_tally_missing(PfTally *tally, uint64_t n);

/* A category that the frame knows, `count` times, and one that it does not. */
extern void pf_tally_category(const PfFrame *frame, PfTally *tally, uint32_t entry, uint64_t count);
extern void pf_tally_stranger(const PfEnv *env, PfTally *tally, const char *text, size_t length);

/* Adds what another part counted in the same frame. */
extern void pf_tally_merge(const PfEnv *env, uint32_t ncells, PfTally *tally, const PfTally *part);

extern double pf_tally_distinct(const PfTally *tally);

/* NaN where there are too few values; sd is that of a sample. */
extern void pf_tally_moments(const PfFrame *frame, const PfTally *tally, double *mean, double *sd);

/* The value below which a share of the values lies; of a cell with several, as if evenly spread. */
extern double pf_tally_quantile(const PfFrame *frame, const PfTally *tally, double share);

#endif							/* PF_PROFILE_H */

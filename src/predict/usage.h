/*
 * usage.h
 *	  Counts what is predicted, for the view pgforest.stat_models.
 *
 * A call counts its rows for itself, and adds them to the counters in shared memory when
 * its statement ends; see usage.c.  All of it does nothing when the library
 * was not preloaded: pf_usage_create then gives NULL.
 */
#ifndef PF_USAGE_H
#define PF_USAGE_H

#include "postgres.h"
#include "portability/instr_time.h"
#include "catalog/models.h"

/*
 * Times by their logarithm, eight steps an octave, from 128 ns to 550 s: what is read from them
 * is off by less than 5 %.
 */
#define PF_USAGE_STEPS		8
#define PF_USAGE_LEAST		7
#define PF_USAGE_BUCKETS	256

/* So many rows are timed, then one of so many, that counts for all of them. */
#define PF_USAGE_TIMED		16
#define PF_USAGE_STRIDE		64

typedef struct PfUsage
{
	MemoryContextCallback callback;
	int64		model;			/* 0: not known yet */
	int32		version;
	bool		inside;			/* a row was begun and not ended */
	uint64		rows;
	uint64		errors;
	uint32		weight;			/* of the row under way; 0: it is not timed */
	instr_time	start;
	double		seconds;		/* all that follows: of timed rows, with their weights */
	double		longest;
	uint64		timed;
	uint64		buckets[PF_USAGE_BUCKETS];
} PfUsage;

/* Called once, by _PG_init. */
extern void pf_usage_init(void);

/*
 * Counters for one resolution of a reference, whose time begins now; told to the
 * others when the context goes.
 */
extern PfUsage *pf_usage_create(MemoryContext context);
extern void pf_usage_of(PfUsage *usage, const PfVersionInfo *version);

extern void pf_usage_time(PfUsage *usage);

/* Before and after a row.  One that is begun and never ended was an error. */
static inline void
pf_usage_begin(PfUsage *usage)
{
	if (usage == NULL)
		return;
	usage->errors += usage->inside;
	usage->inside = true;
	usage->weight = usage->rows < PF_USAGE_TIMED ? 1 :
		usage->rows % PF_USAGE_STRIDE == 0 ? PF_USAGE_STRIDE : 0;
	/* the time of the first began with the resolution */
	if (usage->weight > 0 && usage->rows > 0)
		INSTR_TIME_SET_CURRENT(usage->start);
}

static inline void
pf_usage_end(PfUsage *usage)
{
	if (usage == NULL || !usage->inside)
		return;
	usage->inside = false;
	if (usage->weight > 0)
		pf_usage_time(usage);
	usage->rows++;
}

#endif							/* PF_USAGE_H */

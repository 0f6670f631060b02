/*
 * watch.h
 *	  A version whose rows are watched, and profiles of other rows in its frames.
 *
 * Private to this folder but for PfWatched.
 */
#ifndef PF_WATCH_H
#define PF_WATCH_H

#include "postgres.h"

#include "catalog/models.h"
#include "engine/measure/profile_bytes.h"
#include "load/source.h"
#include "predict/bind.h"

typedef struct PfWatched
{
	PfVersionInfo version;
	const char *reference;		/* name@3 */
	const PfModel *model;
	uint32		ncolumns;		/* features, prediction, target */
	PfFrame    *frames;			/* NULL: the version has no baseline */
	PfProfile	baseline;
} PfWatched;

/*
 * The version with its model and baseline, held as long as the current context lives.  Without a
 * baseline pf_watch_need_baseline is an error.
 */
extern PfWatched *pf_watch(const PfVersionInfo *version);
extern void pf_watch_need_baseline(const PfWatched *watched, const char *hint);

/* A source as the version's model sees its rows: through the recipe, if it has one. */
extern PfSource *pf_watched_source(const PfVersionInfo *version, const char *text);

/* The profile that bytes of a user are; an error when they are not one of this version. */
extern void pf_watch_read(const PfWatched *watched, const bytea *bytes, PfProfile *profile);

/* The name of a column of the profile: (prediction) and (target) are the last. */
extern char *pf_watched_name(const PfWatched *watched, uint32 column);

/* A category of a column by its entry, as text. */
extern text *pf_category_text(const PfWatched *watched, uint32 column, uint32 entry);

/* ----- profiler.c: rows into a profile ----- */

typedef struct PfProfiler PfProfiler;

/*
 * Rows with the columns of desc, matched by name as ml_predict does; the target counts where
 * it is there.  desc NULL: only profiles will be merged.  Memory: the context.
 */
extern PfProfiler *pf_profiler_create(MemoryContext context, const PfWatched *watched,
									  TupleDesc desc);
extern void pf_profiler_add(PfProfiler *profiler, const Datum *values, const bool *nulls);
extern void pf_profiler_add_profile(PfProfiler *profiler, const PfProfile *profile);
extern void pf_profiler_merge(PfProfiler *profiler, PfProfiler *part);
extern const PfWatched *pf_profiler_watched(const PfProfiler *profiler);

/* What was profiled so far, with predictions; more rows may follow. */
extern PfProfile *pf_profiler_profile(PfProfiler *profiler);

/* For another process that has the same version. */
extern bytea *pf_profiler_save(PfProfiler *profiler);
extern PfProfiler *pf_profiler_restore(MemoryContext context, const PfWatched *watched,
									   const char *bytes, Size size);

/* draw.c: a sample of rows, those with the smallest keys */
typedef struct PfDrawn PfDrawn;

extern PfDrawn *pf_drawn_create(MemoryContext context, uint32 wanted, Size row_size);
extern void pf_drawn_add(PfDrawn *draw, const uint8 *row);
extern uint32 pf_drawn_rows(PfDrawn *draw, const uint8 **rows);
extern void pf_drawn_merge(PfDrawn *draw, PfDrawn *part);
extern Size pf_drawn_size(PfDrawn *draw);
extern void pf_drawn_save(PfDrawn *draw, char *bytes);
extern void pf_drawn_restore(PfDrawn *draw, const char *bytes);

#endif							/* PF_WATCH_H */

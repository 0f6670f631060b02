/*
 * progress.h
 *	  Where a training is: notices for its client, rows of a view for others.  A load
 *	  of ml_ingest has a row of that view, too.
 *
 * One training of a backend is the current one; the functions below speak of it, and
 * do nothing when there is none, so that load/ and parallel/ need not ask.
 */
#ifndef PF_PROGRESS_H
#define PF_PROGRESS_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "portability/instr_time.h"

/* The stages that a training goes through; pf_phase_name has their names. */
typedef enum PfPhase
{
	PF_PHASE_SCAN,				/* the source's rows are read */
	PF_PHASE_BIN,				/* values become bins; the source may be read again */
	PF_PHASE_SORT,				/* rows are put in the order of their hashes */
	PF_PHASE_GROW,
	PF_PHASE_MEASURE,
	PF_PHASE_COMPRESS,
	PF_PHASE_STORE,

	/* of a load */
	PF_PHASE_COMPARE,			/* what was loaded before is looked at */
	PF_PHASE_READ,				/* a batch is read */
	PF_PHASE_LOAD				/* it goes into the table */
} PfPhase;

#define PF_PHASES (PF_PHASE_STORE + 1)	/* of a training */

/* A training, on the stack of who runs it; the fields are progress.c's. */
typedef struct PfProgress
{
	struct PfProgress *outer;	/* the training whose source called this one */
	char		model[NAMEDATALEN];
	TimestampTz started_at;
	PfPhase		phase;
	TimestampTz phase_started_at;
	instr_time	clock;			/* the same, to the nanosecond */
	instr_time	spent[PF_PHASES];
	int64		total;			/* of what the phase counts; 0: not known */
	int64		done;			/* when there is no counter */
	const volatile int64 *counter;
	bool		in_parts;		/* see pf_progress_parts */
	const volatile int64 *parts;
	int64		rows_done;		/* of the phase that counted rows last */
	int64		rows_total;		/* 0: not known */
	int64		trees_done;
	int64		trees_total;	/* 0: not known yet */
} PfProgress;

/* Called once, when the library is loaded. */
extern void pf_progress_init(void);

/*
 * A training begins; it must end whatever happens (PG_TRY), before the struct
 * goes.  End does nothing for one that is all zeros.
 */
extern void pf_progress_start(PfProgress *progress, const char *model);
extern void pf_progress_end(PfProgress *progress);

/*
 * A phase begins.  What is done is read from the counter whenever somebody wants to
 * know: a number that others make grow, in shared memory perhaps; NULL when nothing is
 * counted.  It must stay until the next phase begins or pf_progress_counted is called.
 * total: how many there will be, exactly for trees, about for rows; 0: not known.
 */
extern void pf_progress_phase(PfPhase phase, double total, const volatile int64 *counter);

/* The phase is done with so many; its counter may go. */
extern void pf_progress_counted(int64 done);

/*
 * Trainings that are parts of this one are grown: all of their trees are counted, and the phases of
 * each say no more than how many of its own are there.  done: trees of the parts that are
 * complete, a number that others make grow; after it the current part begins anew (pf_progress_counted(0)).  NULL
 * ends it.
 */
extern void pf_progress_parts(double total, const volatile int64 *done);

/*
 * Waits for what others do, to be called until it is done: returns when somebody has
 * woken us, as parallel workers do when they end or fail, or when it was time to report.
 */
extern void pf_progress_wait(void);

extern const char *pf_phase_name(PfPhase phase);

/* The seconds that a training has spent in a phase, up to the start of the one it is in. */
extern double pf_progress_seconds(const PfProgress *progress, PfPhase phase);

/* A load as others see it. */
typedef struct PfLoading
{
	const char *relation;		/* that rows go to */
	PfPhase		phase;
	TimestampTz started_at;
	int64		rows;			/* that are committed */
	int64		bytes_start;	/* where in the source this call began */
	int64		bytes_done;		/* where it is */
	int64		bytes_total;	/* 0: not known */
} PfLoading;

/* Shows it to other sessions; costs no look at a clock, but for what is left.  Loaded: it ended. */
extern void pf_progress_loading(const PfLoading *loading);
extern void pf_progress_loaded(void);

#endif							/* PF_PROGRESS_H */

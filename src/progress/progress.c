/*
 * progress.c
 *	  Where a training is, in this backend: the timer, and the notices.
 *
 * Nothing here is called for a row or a tree.  Those who work keep counters of
 * their own, and we know where they are.  A timer of PostgreSQL's (one of those
 * that are free for extensions) sets a flag; the next interrupt check of ours,
 * which comes within 10 ms of work, sees it, reads the counters and reports.  So
 * a check costs the read of one variable more, where a look at the clock would
 * cost some 30 ns, and a signal handler of our own could not write to a client.
 * The timer sets the process latch, too: a leader that waits for its workers
 * wakes up and reports (pf_progress_wait).
 *
 * No check of ours is reached while the source's query works without giving a
 * row: a long sort, say.  Then nothing is said until the first row comes.
 *
 * The timer ticks once a second, or as often as pgforest.progress_interval asks for;
 * not at all when neither a client nor shared memory (slots.c) wants to know.
 *
 * A training may run inside another, in a function that the source of the other
 * calls.  They form a stack, and the innermost reports.  ml_train takes each off
 * again, also when it ends with an error that somebody catches.
 *
 * Locks and memory: none.
 */
#include "postgres.h"

#include <limits.h>
#include <math.h>

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "catalog/pgenv.h"
#include "progress/progress.h"
#include "progress/slots.h"
#include "settings.h"

#define TICK_MS		1000		/* the longest time between two */
#define MAX_TOTAL	1e15		/* a planner may guess anything */

typedef enum Unit
{
	NOTHING,
	ROWS,
	TREES
} Unit;

static const struct
{
	const char *name;			/* in the view, and in stage_seconds */
	const char *doing;			/* in a notice */
	Unit		unit;
}			phases[] = {
	[PF_PHASE_SCAN] = {"scan", "loading", ROWS},
	[PF_PHASE_BIN] = {"bin", "binning", ROWS},
	[PF_PHASE_SORT] = {"sort", "sorting", NOTHING},
	[PF_PHASE_GROW] = {"grow", "growing", TREES},
	[PF_PHASE_MEASURE] = {"measure", "measuring", NOTHING},
	[PF_PHASE_COMPRESS] = {"compress", "compressing", NOTHING},
	[PF_PHASE_STORE] = {"store", "storing", NOTHING},
	[PF_PHASE_COMPARE] = {"compare", NULL, NOTHING},
	[PF_PHASE_READ] = {"read", NULL, NOTHING},
	[PF_PHASE_LOAD] = {"load", NULL, NOTHING},
};

static PfProgress *current = NULL;
static TimeoutId timer = MAX_TIMEOUTS;	/* until it is registered */
static int	period;				/* of the timer, in ms */
static TimestampTz next_notice;

const char *
pf_phase_name(PfPhase phase)
{
	return phases[phase].name;
}

/* The counter as it is now. */
static int64
read_count(const PfProgress *progress)
{
	return (progress->counter ? *progress->counter : progress->done) +
		(progress->in_parts ? *progress->parts : 0);
}

/* Seconds that the phase will take from now on; NAN when nothing tells. */
static double
seconds_left(const PfProgress *progress, int64 done, TimestampTz now)
{
	if (done <= 0 || done >= progress->total || now < progress->phase_started_at)
		return NAN;
	return (now - progress->phase_started_at) / 1e6 * (progress->total - done) / done;
}

/* Rows or trees, whichever the phase counts. */
static void
note_count(PfProgress *progress)
{
	if (phases[progress->phase].unit == ROWS)
	{
		progress->rows_done = read_count(progress);
		progress->rows_total = progress->total;
	}
	else if (phases[progress->phase].unit == TREES)
	{
		progress->trees_done = read_count(progress);
		progress->trees_total = progress->total;
	}
}

/* Shows it to other sessions. */
static void
publish(PfProgress *progress, TimestampTz now)
{
	if (progress->counter != NULL)
		note_count(progress);
	pf_slot_write(progress, seconds_left(progress, read_count(progress), now));
}

static void
send_notice(const PfProgress *progress, TimestampTz now)
{
	int64		done = read_count(progress);
	double		left = seconds_left(progress, done, now);
	Unit		unit = phases[progress->phase].unit;
	ErrorContextCallback *context = error_context_stack;
	const char *doing = phases[progress->phase].doing;
	char		count[96] = "";
	char		rest[48] = "";

	if (unit == TREES && progress->total == 0)
		doing = "fitting";		/* what has no trees */
	else if (unit == TREES)
		snprintf(count, sizeof(count), ", " INT64_FORMAT " of " INT64_FORMAT " trees",
				 done, progress->total);
	else if (unit == ROWS && progress->counter != NULL && done < progress->total)
		snprintf(count, sizeof(count), ", " INT64_FORMAT " of about " INT64_FORMAT " rows",
				 done, progress->total);
	else if (unit == ROWS && progress->counter != NULL)
		snprintf(count, sizeof(count), ", " INT64_FORMAT " rows", done);
	if (!isnan(left))
		snprintf(rest, sizeof(rest), ", about %.0f s left", ceil(left));

	/* a CONTEXT would be the text of our query for rows, every time */
	error_context_stack = NULL;
	ereport(NOTICE,
			(errmsg("training \"%s\": %s%s%s", progress->model, doing, count, rest)));
	error_context_stack = context;
}

/* The timer's handler, in a signal handler: the next check shall report. */
static void
tick(void)
{
	pf_due = true;
}

/* At a check, after a tick. */
static void
report(void)
{
	TimestampTz now;

	pf_due = false;
	if (current == NULL)
		return;
	now = GetCurrentTimestamp();
	publish(current, now);

	/* a tick that comes a little early counts */
	if (pf_progress_interval == 0 || now < next_notice - period * INT64CONST(500))
		return;
	next_notice = now + pf_progress_interval * INT64CONST(1000);
	send_notice(current, now);
}

static void
start_timer(TimestampTz now)
{
	/* an equal part of the interval */
	if (pf_progress_interval > 0)
		period = pf_progress_interval / ((pf_progress_interval - 1) / TICK_MS + 1);
	else if (pf_slots_exist())
		period = TICK_MS;
	else
		return;
	if (timer == MAX_TIMEOUTS)
		timer = RegisterTimeout(USER_TIMEOUT, tick);
	next_notice = now + pf_progress_interval * INT64CONST(1000);
	enable_timeout_every(timer, now + period * INT64CONST(1000), period);
}

static void
stop_timer(void)
{
	if (timer != MAX_TIMEOUTS)
		disable_timeout(timer, false);
	pf_due = false;
}

void
pf_progress_start(PfProgress *progress, const char *model)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		first = current == NULL;

	memset(progress, 0, sizeof(*progress));
	strlcpy(progress->model, model, sizeof(progress->model));
	progress->started_at = progress->phase_started_at = now;
	INSTR_TIME_SET_CURRENT(progress->clock);
	progress->outer = current;
	current = progress;
	if (first)
		start_timer(now);
	publish(progress, now);
}

void
pf_progress_end(PfProgress *progress)
{
	if (progress->started_at == 0)
		return;
	Assert(current == progress);
	current = progress->outer;
	progress->started_at = 0;
	if (current != NULL)
	{
		publish(current, GetCurrentTimestamp());
		return;
	}
	stop_timer();
	pf_slot_free();
}

/* Adds the time of the phase that ends to what it took before. */
static void
end_phase(PfProgress *progress)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_ACCUM_DIFF(progress->spent[progress->phase], now, progress->clock);
	progress->clock = now;
	progress->phase_started_at = GetCurrentTimestamp();
}

double
pf_progress_seconds(const PfProgress *progress, PfPhase phase)
{
	return INSTR_TIME_GET_DOUBLE(progress->spent[phase]);
}

void
pf_progress_phase(PfPhase phase, double total, const volatile int64 *counter)
{
	if (current == NULL)
		return;
	if (current->in_parts)
	{
		if (current->counter != NULL)
			current->done = *current->counter;
		current->counter = phase == PF_PHASE_GROW ? counter : NULL;
		return;
	}
	if (current->counter != NULL)
		pf_progress_counted(*current->counter);
	end_phase(current);
	current->phase = phase;
	current->total = Min(total, MAX_TOTAL);
	current->done = 0;
	current->counter = counter;
	publish(current, current->phase_started_at);
}

void
pf_progress_counted(int64 done)
{
	if (current == NULL)
		return;
	current->done = done;
	current->counter = NULL;
	if (phases[current->phase].unit == ROWS)
		current->total = done;	/* it was a guess */
	note_count(current);
}

void
pf_progress_parts(double total, const volatile int64 *done)
{
	if (current == NULL)
		return;
	if (done == NULL)
	{
		note_count(current);
		current->counter = NULL;
		current->in_parts = false;
		return;
	}
	current->in_parts = false;
	pf_progress_phase(PF_PHASE_GROW, Min(total, INT_MAX), NULL);
	current->parts = done;
	current->in_parts = true;
}

void
pf_progress_wait(void)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	pf_check_interrupts();
}

void
pf_progress_loading(const PfLoading *loading)
{
	int64		done = loading->bytes_done - loading->bytes_start;
	double		left = NAN;

	if (!pf_slots_exist())
		return;
	if (done > 0 && loading->bytes_total >= loading->bytes_done)
		left = (GetCurrentTimestamp() - loading->started_at) / 1e6 *
			(loading->bytes_total - loading->bytes_done) / done;
	pf_slot_write_loading(loading, left);
}

void
pf_progress_loaded(void)
{
	pf_slot_free();
}

void
pf_progress_init(void)
{
	pf_when_due = report;
	pf_slots_init();
}

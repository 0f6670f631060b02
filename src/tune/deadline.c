/*
 * deadline.c
 *	  The end of a budget in seconds, in the middle of a training.
 *
 * A timer of PostgreSQL's sets a flag that all our interrupt checks look at (catalog/pgenv.h), and
 * wakes who waits for workers.  The check is then an error like any other, which takes the training's
 * workers, files and memory with it; tasks.c catches it.  Only the leader has a timer: workers go with the
 * leader's subtransaction.
 *
 * State: of this backend; there is one search at a time that trains.
 */
#include "postgres.h"

#include <limits.h>
#include <math.h>

#include "utils/timeout.h"

#include "catalog/pgenv.h"
#include "tune/tune.h"

static TimeoutId timer = MAX_TIMEOUTS;	/* until it is registered */
static volatile sig_atomic_t is_over = false;
static bool has_ended = false;
static void (*others) (void) = NULL;

static double
seconds_left(instr_time start, double budget)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	return budget - INSTR_TIME_GET_DOUBLE(now);
}

bool
pf_deadline_is_over(instr_time start, double budget)
{
	return seconds_left(start, budget) < 0;
}

/* In a signal handler. */
static void
tick(void)
{
	is_over = true;
	pf_due = true;
}

static void
check(void)
{
	if (others != NULL)
		others();
	pf_due = false;
	if (!is_over || has_ended)
		return;
	has_ended = true;
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("the seconds of the search are over")));
}

void
pf_deadline_set(instr_time start, double budget)
{
	double		left = seconds_left(start, budget);

	is_over = has_ended = false;
	others = pf_when_due;
	pf_when_due = check;
	/* more than a timer can count is never, as NaN is */
	if (!(left < INT_MAX / 1000))
		return;
	if (timer == MAX_TIMEOUTS)
		timer = RegisterTimeout(USER_TIMEOUT, tick);
	enable_timeout_after(timer, Max((int) ceil(left * 1000), 1));
}

void
pf_deadline_clear(void)
{
	if (timer != MAX_TIMEOUTS)
		disable_timeout(timer, false);
	is_over = false;
	pf_when_due = others;
}

bool
pf_deadline_ended(void)
{
	return has_ended;
}

/*
 * unit.h
 *	  The unit tests of the engine: no server, no PostgreSQL header.
 *
 * A suite is a file test_xxx.c with a function void test_xxx(void) that makes
 * CHECKs.  To add one: declare it below, list it in unit_main.c.
 *
 * unit_env() is the engine's host here.  Its memory comes filled with rubbish,
 * and whatever a suite has not released when it returns is a failed check.
 */
#ifndef PF_UNIT_H
#define PF_UNIT_H

#include <stdio.h>

#include "engine/env.h"

/* The suites; weak, so that the harness links with any of them alone. */
extern void test_bins(void) __attribute__((weak));
extern void test_grow(void) __attribute__((weak));
extern void test_abreast(void) __attribute__((weak));
extern void test_randomcut(void) __attribute__((weak));
extern void test_boost(void) __attribute__((weak));
extern void test_model(void) __attribute__((weak));
extern void test_encode(void) __attribute__((weak));
extern void test_walk(void) __attribute__((weak));
extern void test_golden(void) __attribute__((weak));
extern void test_exact(void) __attribute__((weak));
extern void test_measure(void) __attribute__((weak));
extern void test_paired(void) __attribute__((weak));
extern void test_distance(void) __attribute__((weak));
extern void test_profile(void) __attribute__((weak));
extern void test_calibrate(void) __attribute__((weak));
extern void test_quantile(void) __attribute__((weak));
extern void test_view(void) __attribute__((weak));
extern void test_linear(void) __attribute__((weak));
extern void test_isolation(void) __attribute__((weak));

/* Counts one check; a failed one is printed with its place and both values. */
extern bool unit_check(bool passed, const char *file, int line, const char *text);
extern bool unit_check_int(int64_t is, int64_t wanted,
						   const char *file, int line, const char *text);
extern bool unit_check_near(double is, double wanted, double tolerance,
							const char *file, int line, const char *text);
extern bool unit_check_text(const char *is, const char *wanted,
							const char *file, int line, const char *text);

#define CHECK(condition) \
	unit_check((condition), __FILE__, __LINE__, #condition)
#define CHECK_INT(is, wanted) \
	unit_check_int((int64_t) (is), (int64_t) (wanted), __FILE__, __LINE__, #is)
#define CHECK_TEXT(is, wanted) \
	unit_check_text((is), (wanted), __FILE__, __LINE__, #is)

/* Doubles: equal, or within a tolerance.  NaN equals NaN, an infinity itself. */
#define CHECK_DOUBLE(is, wanted) \
	unit_check_near((is), (wanted), 0, __FILE__, __LINE__, #is)
#define CHECK_NEAR(is, wanted, tolerance) \
	unit_check_near((is), (wanted), (tolerance), __FILE__, __LINE__, #is)

/* unit_env.c: the host, what it counts, and the interrupts that it plays. */
extern const PfEnv *unit_env(void);
extern uint64_t unit_interrupt_checks(void);	/* calls of check() so far */
extern size_t unit_live_bytes(void);			/* allocated and not released */
extern size_t unit_peak_bytes(void);			/* the most there was since the last reset */
extern void unit_reset_peak(void);
extern void unit_release_all(void);

/*
 * Runs a function that is left by longjmp at its event number `after` (from 0;
 * events are check, alloc and resize), as a cancelled query leaves the engine.
 * What it allocated is released.  False: it returned before.
 */
extern bool unit_interrupt(uint64_t after, void (*run) (void *arg), void *arg);

/* A small generator for test data: the same numbers on every machine. */
static inline uint64_t
unit_random(uint64_t *state)
{
	uint64_t	x = (*state += UINT64_C(0x9e3779b97f4a7c15));

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* Evenly in [0, 1). */
static inline double
unit_uniform(uint64_t *state)
{
	return (double) (unit_random(state) >> 11) / 9007199254740992.0;
}

#endif							/* PF_UNIT_H */

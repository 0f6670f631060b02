/*
 * exact.h
 *	  A sum of doubles without any rounding, and so the same in every order of the rows and
 *	  with any number of processes.
 *
 * It is one long number in fixed point: digits of 32 bits in 64, the first one in units of the
 * smallest double.  It is rounded once, when it is read.  All bytes 0 is an empty sum.
 */
#ifndef PF_EXACT_H
#define PF_EXACT_H

#include "engine/env.h"

#define PF_EXACT_DIGITS		68		/* all of a double's range, and 2^63 of them */

typedef struct PfExact
{
	int64_t		digit[PF_EXACT_DIGITS];
	uint32_t	pending;		/* additions since carries were taken on */
} PfExact;

/* Adds a finite value. */
extern void pf_exact_add(PfExact *sum, double value);

/* Adds the other sum. */
extern void pf_exact_merge(PfExact *sum, const PfExact *other);

/* The double nearest to the sum. */
extern double pf_exact_value(const PfExact *sum);

/* Mean and standard deviation (of a sample) of n values and their squares; NaN where there is none. */
extern void pf_exact_moments(const PfExact *sum, const PfExact *squares, uint64_t n, double *mean, double *sd);

#endif							/* PF_EXACT_H */

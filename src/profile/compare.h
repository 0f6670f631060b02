/*
 * compare.h
 *	  The tests of one column: reference rows (0) beside current rows (1).
 *
 * Private to this folder.
 */
#ifndef PF_COMPARE_H
#define PF_COMPARE_H

#include "engine/env.h"
#include "profile/drift.h"

/* The tests, as bits of a set; 0: chosen by type and number of rows. */
#define PF_TEST_KS			0x01
#define PF_TEST_CHI2		0x02
#define PF_TEST_PSI			0x04
#define PF_TEST_JS			0x08
#define PF_TEST_WASSERSTEIN 0x10

typedef struct PfColumnPair
{
	const char *feature;
	const char *slice;			/* or NULL */
	bool		number;
	uint64_t	rows[2];
	uint64_t	missing[2];
	uint64_t	unseen[2];		/* rows with categories that the reference does not have; of it,
								 * how many as many rows more of it would have */
	uint64_t	apart;			/* current rows with values that have no cell */
	bool		few;			/* a number that had few values */
	uint32_t	ncells;			/* values by cell; of a number in order, and the first and last
								 * are for what is beyond all of the reference */
	uint64_t   *cells[2];
	double	   *places;			/* of a number: where on the scale a cell lies */
	double		mean[2];		/* of a number */
	double		sd[2];

	/* numbers as they are, ascending; NULL: only counts are known */
	double	   *values[2];
	size_t		nvalues[2];
} PfColumnPair;

typedef struct PfRules
{
	uint32_t	tests;
	double		threshold;		/* NaN: each test's own */
	PfCorrection correction;
} PfRules;

/* Adds the rows of a column's tests to a list of PfDriftRow *; none of them is judged yet. */
extern List *pf_compare_column(const PfEnv *env, const PfRules *rules, const PfColumnPair *pair,
							   List *rows);

/* Says of all rows together which drifted. */
extern void pf_judge(const PfEnv *env, const PfRules *rules, List *rows);

#endif							/* PF_COMPARE_H */

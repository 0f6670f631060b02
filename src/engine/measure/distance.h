/*
 * distance.h
 *	  How far apart are two samples: of numbers as they are, or counted in cells.
 *
 * Definitions are scipy's (tested against its answers): ks_2samp, but for the p-value of
 * large samples, see pf_ks_p; wasserstein_distance; jensenshannon with
 * natural logarithms; chi2_contingency with its correction for 2 x 2.
 * NaN means undefined: a sample is empty.
 */
#ifndef PF_DISTANCE_H
#define PF_DISTANCE_H

#include "engine/env.h"

/* The sum of n counts. */
extern uint64_t pf_total(uint32_t n, const uint64_t *counts);

/* Samples in ascending order, finite or not but without NaN. */
extern double pf_ks_samples(const PfEnv *env, const double *a, size_t na,
							const double *b, size_t nb);
extern double pf_wasserstein_samples(const PfEnv *env, const double *a, size_t na,
									 const double *b, size_t nb);

/*
 * The same of counts in n cells that are in order; places[n]: where on the scale a cell's
 * rows are taken to lie, ascending.
 */
extern double pf_ks_counts(uint32_t n, const uint64_t *a, const uint64_t *b);
extern double pf_wasserstein_counts(uint32_t n, const uint64_t *a, const uint64_t *b,
									const double *places);

/*
 * The chance of a distance of Kolmogorov and Smirnov of `distance` or more: the limit for large
 * samples, scipy.special.kolmogorov(distance * sqrt(na * nb / (na + nb))).
 */
extern double pf_ks_p(double distance, double na, double nb);

/*
 * The same of samples as they are: exactly, by counting paths (Hodges, 1958), as ks_2samp does by default, when the
 * product of the numbers is 10^8 at most; beyond it by the limit with Hodges' correction: with 1,000 values or more on
 * either side that is within 1 % of the exact p where it is above 10^-4, and within 4 % above 10^-8.  Memory: a double for each
 * value of the smaller sample.
 */
extern double pf_ks_p_samples(const PfEnv *env, double distance, size_t one, size_t other);

/*
 * Chi-squared of a 2 x n table, and its p-value; empty cells of both are left out, and with
 * two cells the differences are lessened by up to a half (Yates).
 */
extern double pf_chi2(uint32_t n, const uint64_t *a, const uint64_t *b, double *p);

/* Of shares: population stability index (a cell without rows counts as half a row), the
 * distance of Jensen and Shannon, and half the sum of differences. */
extern double pf_psi(uint32_t n, const uint64_t *a, const uint64_t *b);
extern double pf_jensen_shannon(uint32_t n, const uint64_t *a, const uint64_t *b);
extern double pf_total_variation(uint32_t n, const uint64_t *a, const uint64_t *b);

/* How p-values of many tests are judged together. */
typedef enum PfCorrection
{
	PF_CORRECT_NONE,
	PF_CORRECT_BONFERRONI,		/* chance of any false alarm */
	PF_CORRECT_FDR				/* share of false ones among the alarms: Benjamini and Hochberg */
} PfCorrection;

/* The bound: p-values up to it are significant at `level`.  Sorts p in place; no NaN. */
extern double pf_significant_up_to(const PfEnv *env, PfCorrection correction, double level,
								   double *p, size_t n);

#endif							/* PF_DISTANCE_H */

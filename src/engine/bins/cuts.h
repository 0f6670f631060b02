/*
 * cuts.h
 *	  Cut points from a sample.
 *
 * They depend on the multiset of what they are given, never on its
 * order, so samples of parts that merge give the cuts of the whole.
 */
#ifndef PF_CUTS_H
#define PF_CUTS_H

#include "engine/bins/binmap.h"

/*
 * The values of a number (n of them, no NaN) in order, each once, in place, and how often there
 * are of each; returns how many are left.  -0 is 0.
 */
extern size_t pf_count_values(const PfEnv *env, double *values, size_t n, double *count);

/*
 * Cut points of a number whose n values are counted.
 * At most max_bins (2..255) values: cuts midway between neighbours,
 * as exact trees have them; else bins of about equal counts, a value that
 * fills a bin alone gets one to itself.  bins->cuts comes from env.
 */
extern void pf_cut_counted(const PfEnv *env, const double *values, const double *count, size_t n,
						   uint32_t max_bins, PfBins *bins);

/* The same of values that nobody has counted; they are sorted in place. */
extern void pf_cut_numbers(const PfEnv *env, double *values, size_t n,
						   uint32_t max_bins, PfBins *bins);

/*
 * pf_cut_counted for those who cut uniformly in value: equal counts would lump together what lies
 * far out.  Half of the bins are of equal counts, half of equal width; positions
 * (PF_MAX_BINS) are the middles of the bins' values, finite.
 */
extern void pf_cut_spread(const PfEnv *env, const double *values, const double *count, size_t n,
						  uint32_t max_bins, PfBins *bins, double *positions);

/*
 * What is known of one category of a feature, from the sample.  The bins'
 * category entries (sorted) must be filled; statistics are by entry.
 *
 * width 1: regression, stats[entry] = sum of the target.
 * width 0: no target, stats is not looked at; the order is by count, the rarest first.
 * width k: classification, stats[entry * k + c] = weight of class c.
 * count[entry]: weight of the entry in the sample (0: in training, not in the sample).
 *
 * Sets category_bin and nbins.  The order is that of the smoothed mean of the
 * target (two classes: of the second class's share; more: the smoothed class
 * shares projected on their first principal component, Coppersmith, Hong and
 * Hosking 1999, "Partitioning nominal attributes in decision trees"; ordered
 * once for the forest as Wright and Koenig 2019 recommend).  Smoothing adds
 * PF_CATEGORY_PRIOR rows of the overall mean, so rare categories stay in the
 * middle.  Up to max_bins categories have a bin each, more share bins of about
 * equal counts along that order.
 */
#define PF_CATEGORY_PRIOR 10.0
extern void pf_cut_categories(const PfEnv *env, uint32_t width, const double *stats,
							  const double *count, uint32_t max_bins, PfBins *bins);

#endif							/* PF_CUTS_H */

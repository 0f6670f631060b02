/*
 * walk.h
 *	  From binned rows to predictions.
 *
 * out is width doubles a row: the shares of the classes, or the value.  What
 * becomes of the leaves that a row falls into is written once, in output.h, and sums
 * run in tree order: so all walkers give equal bits.
 */
#ifndef PF_WALK_H
#define PF_WALK_H

#include "engine/model/model.h"

/* One row; plain and slow, what the fast walkers are tested against. */
extern void pf_walk_row(const PfModel *model, const uint8_t *row, double *out);

/* One row, several trees at a time; check is called when there are many. */
extern void pf_walk_row_fast(const PfEnv *env, const PfModel *model, const uint8_t *row, double *out);

/* A block of rows (stride bytes each), trees in the outer loop; check is called between trees. */
extern void pf_walk_block(const PfEnv *env, const PfModel *model, const uint8_t *rows,
						  size_t stride, uint32_t nrows, double *out);

/* Of rows whose leaves are summed up already, in the order of the trees: what remains to be done. */
extern void pf_walk_finish(const PfEnv *env, const PfModel *model, uint32_t nrows, double *out);

/* The class with the largest share, the first of equals. */
extern uint32_t pf_best_class(const double *shares, uint32_t nclasses);

#endif							/* PF_WALK_H */

/*
 * matrix.h
 *	  The rows that trees grow on: bins, targets and weights in hash order.
 *
 * Row-major: row i's bins are bins[i * stride .. + nfeatures).  A node of a deep
 * tree touches few rows that lie far apart, so a row's features share a cache
 * line or two, where one array a feature would cost a line each (measured, see
 * docs/how-it-works.md).  One flat block without pointers inside the arrays, so
 * that it can live in shared memory.
 *
 * Models that want values instead of bins find nfeatures doubles in a row's bytes, see pf_matrix_values.
 */
#ifndef PF_MATRIX_H
#define PF_MATRIX_H

#include "engine/env.h"

typedef struct PfMatrix
{
	uint32_t	nrows;
	uint32_t	nfeatures;
	uint32_t	stride;			/* bytes a row; >= nfeatures, or 8 a feature for values */
	uint32_t	nclasses;		/* 0: regression */
	uint8_t    *bins;
	uint32_t   *label;			/* class of a row; NULL for regression */
	double	   *target;			/* value of a row; NULL for classification */
	float	   *weight;			/* NULL: every row weighs 1 */
	uint8_t    *apart;			/* 1: may be set apart to stop early by; NULL: none is */
} PfMatrix;

/* A row of values: a number as it is, a category as its bin, NaN for missing. */
static inline const double *
pf_matrix_values(const PfMatrix *matrix, uint32_t row)
{
	return (const double *) (matrix->bins + (size_t) row * matrix->stride);
}

#endif							/* PF_MATRIX_H */

/*
 * share.h
 *	  A matrix in the shared memory of a parallel context.
 */
#ifndef PF_SHARE_H
#define PF_SHARE_H

#include "postgres.h"
#include "access/parallel.h"
#include "storage/shm_toc.h"
#include "engine/bins/matrix.h"

/* Room for a piece of data of its own, to be estimated before the segment is made. */
extern void pf_share_estimate(ParallelContext *pcxt, Size size);

/* Room with a copy of the data, or zeros where there is none; found again by its key. */
extern void *pf_share_data(ParallelContext *pcxt, const PfEnv *env, uint64 key,
						   const void *data, Size size);

/* All bytes of a matrix. */
extern Size pf_share_matrix_size(const PfMatrix *matrix);

/* The same for a matrix, which takes several pieces; its keys are its own. */
extern void pf_share_matrix_estimate(ParallelContext *pcxt, const PfMatrix *matrix);
extern void pf_share_matrix(ParallelContext *pcxt, const PfEnv *env, const PfMatrix *matrix,
							PfMatrix *shared);

/* A worker's matrix: sizes as in the leader's, the pointers are found. */
extern void pf_share_matrix_find(shm_toc *toc, PfMatrix *matrix);

#endif							/* PF_SHARE_H */

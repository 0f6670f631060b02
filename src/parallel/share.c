/*
 * share.c
 *	  A matrix in the shared memory of a parallel context.
 *
 * Locks: none; it is written before workers are launched, and not afterwards.
 */
#include "postgres.h"

#include "parallel/share.h"

#define KEY_BINS		UINT64CONST(0x7067661000000001)
#define KEY_ANSWERS		UINT64CONST(0x7067661000000002)
#define KEY_WEIGHTS		UINT64CONST(0x7067661000000003)
#define KEY_APART		UINT64CONST(0x7067661000000004)

typedef struct Sizes
{
	Size		bins,
				answers,
				weights,
				apart;
} Sizes;

static Sizes
sizes_of(const PfMatrix *matrix)
{
	Sizes		sizes = {
		.bins = mul_size(matrix->nrows, matrix->stride),
		.answers = mul_size(matrix->nrows, matrix->nclasses ? sizeof(uint32) : sizeof(double)),
		.weights = matrix->weight ? mul_size(matrix->nrows, sizeof(float)) : 0,
		.apart = matrix->apart ? matrix->nrows : 0
	};

	return sizes;
}

void
pf_share_estimate(ParallelContext *pcxt, Size size)
{
	shm_toc_estimate_chunk(&pcxt->estimator, size);
	shm_toc_estimate_keys(&pcxt->estimator, 1);
}

void *
pf_share_data(ParallelContext *pcxt, const PfEnv *env, uint64 key, const void *data, Size size)
{
	void	   *at = shm_toc_allocate(pcxt->toc, size);

	if (data != NULL)
		pf_copy(env, at, data, size);
	else
		pf_clear(env, at, size);
	shm_toc_insert(pcxt->toc, key, at);
	return at;
}

Size
pf_share_matrix_size(const PfMatrix *matrix)
{
	Sizes		sizes = sizes_of(matrix);

	return add_size(add_size(sizes.bins, sizes.answers), add_size(sizes.weights, sizes.apart));
}

void
pf_share_matrix_estimate(ParallelContext *pcxt, const PfMatrix *matrix)
{
	Sizes		sizes = sizes_of(matrix);

	pf_share_estimate(pcxt, sizes.bins);
	pf_share_estimate(pcxt, sizes.answers);
	if (sizes.weights > 0)
		pf_share_estimate(pcxt, sizes.weights);
	if (sizes.apart > 0)
		pf_share_estimate(pcxt, sizes.apart);
}

void
pf_share_matrix(ParallelContext *pcxt, const PfEnv *env, const PfMatrix *matrix, PfMatrix *shared)
{
	Sizes		sizes = sizes_of(matrix);

	*shared = *matrix;
	shared->bins = pf_share_data(pcxt, env, KEY_BINS, matrix->bins, sizes.bins);
	if (matrix->nclasses)
		shared->label = pf_share_data(pcxt, env, KEY_ANSWERS, matrix->label, sizes.answers);
	else
		shared->target = pf_share_data(pcxt, env, KEY_ANSWERS, matrix->target, sizes.answers);
	if (sizes.weights > 0)
		shared->weight = pf_share_data(pcxt, env, KEY_WEIGHTS, matrix->weight, sizes.weights);
	if (sizes.apart > 0)
		shared->apart = pf_share_data(pcxt, env, KEY_APART, matrix->apart, sizes.apart);
}

void
pf_share_matrix_find(shm_toc *toc, PfMatrix *matrix)
{
	matrix->bins = shm_toc_lookup(toc, KEY_BINS, false);
	if (matrix->nclasses)
		matrix->label = shm_toc_lookup(toc, KEY_ANSWERS, false);
	else
		matrix->target = shm_toc_lookup(toc, KEY_ANSWERS, false);
	if (matrix->weight != NULL)
		matrix->weight = shm_toc_lookup(toc, KEY_WEIGHTS, false);
	if (matrix->apart != NULL)
		matrix->apart = shm_toc_lookup(toc, KEY_APART, false);
}

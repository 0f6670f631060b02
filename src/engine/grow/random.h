/*
 * random.h
 *	  Random choices that depend on where they are made and on nothing else.
 *
 * A counter-based generator: the n-th number of a stream is a hash of the
 * stream's key and n, and the key is a hash of (seed, purpose, tree, node).
 * No state is carried from one choice to the next, so a tree is the same in
 * whatever process and order it is grown.
 */
#ifndef PF_RANDOM_H
#define PF_RANDOM_H

#include "engine/bins/hash.h"

typedef enum PfChoice
{
	PF_CHOOSE_ROWS = 1,			/* the bootstrap of a tree */
	PF_CHOOSE_FEATURES = 2,		/* the features of a node */
	PF_CHOOSE_SAMPLES = 3,		/* the rows that are kept in leaves */
	PF_CHOOSE_RESAMPLES = 4,	/* the weights of a resample, see measure/paired.h */
	PF_CHOOSE_ROUNDING = 5		/* of gradients */
} PfChoice;

static inline uint64_t
pf_random_stream(uint64_t seed, PfChoice purpose, uint32_t tree, uint32_t node)
{
	uint64_t	key = pf_mix64(seed + UINT64_C(0x9e3779b97f4a7c15) * (uint64_t) purpose);

	return pf_mix64(key ^ (((uint64_t) tree << 32) | node));
}

static inline uint64_t
pf_random(uint64_t stream, uint64_t position)
{
	return pf_mix64(stream + (position + 1) * UINT64_C(0x9e3779b97f4a7c15));
}

/* Uniform in 0 .. n-1, by the high half of a product (bias below n / 2^32). */
static inline uint32_t
pf_random_below(uint64_t stream, uint64_t position, uint32_t n)
{
	return (uint32_t) (((pf_random(stream, position) >> 32) * n) >> 32);
}

/* The stream of a node's left (0) or right (1) child, where nodes are known by their place in the tree. */
static inline uint64_t
pf_random_place(uint64_t stream, uint32_t side)
{
	return pf_random(pf_mix64(stream), side);
}

#endif							/* PF_RANDOM_H */

/*
 * draw.h
 *	  The features of a node, drawn without replacement.
 *
 * A shuffle that stops early: growth->features is put back afterwards, so that a
 * node's draws do not depend on those of other nodes.
 */
#ifndef PF_DRAW_H
#define PF_DRAW_H

#include "engine/grow/grow.h"
#include "engine/grow/random.h"

/* The feature drawn after `drawn` others. */
static inline uint32_t
pf_draw_feature(PfGrowth *growth, uint64_t stream, uint32_t drawn)
{
	uint32_t	other = drawn + pf_random_below(stream, drawn, growth->matrix->nfeatures - drawn);
	uint32_t	feature = growth->features[other];

	growth->features[other] = growth->features[drawn];
	growth->features[drawn] = feature;
	growth->swaps[drawn] = other;
	return feature;
}

static inline void
pf_undraw_features(PfGrowth *growth, uint32_t drawn)
{
	while (drawn-- > 0)
	{
		uint32_t	other = growth->swaps[drawn];

		growth->features[drawn] = drawn;
		growth->features[other] = other;
	}
}

#endif							/* PF_DRAW_H */

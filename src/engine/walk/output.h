/*
 * output.h
 *	  From the leaves that a row falls into to a prediction, for each kind of model.
 *
 * A walker calls pf_output_start, then pf_output_add for each tree in their order,
 * then pf_output_finish; out is width doubles all the time.  Class shares of a
 * forest are averaged over the trees, as in scikit-learn (not votes).
 */
#ifndef PF_OUTPUT_H
#define PF_OUTPUT_H

#include "engine/model/model.h"

static inline void
pf_output_start(const PfModel *model, double *out)
{
	for (uint32_t c = 0; c < model->width; c++)
		out[c] = c < model->nsums ? model->base[c] : 0;
}

/* The place in out that a tree's leaves are added to. */
static inline uint32_t
pf_output_place(const PfModel *model, uint32_t tree)
{
	return model->nsums > 1 ? tree % model->nsums : 0;
}

static inline void
pf_output_add(const PfModel *model, uint32_t leaf, double *place)
{
	const double *row = model->leaves + (size_t) leaf * model->leaf_width;

	for (uint32_t c = 0; c < model->leaf_width; c++)
		place[c] += row[c];
}

extern void pf_output_finish(const PfModel *model, double *out);

/* The link by itself: width outputs from the sums that out begins with. */
extern void pf_link_apply(PfLink link, uint32_t width, double *out);

#endif							/* PF_OUTPUT_H */

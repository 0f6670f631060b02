/*
 * output.c
 *	  The last step of a prediction: the mean of trees, or the link of sums.
 */
#include <math.h>

#include "engine/walk/output.h"

#define LARGEST 700.0			/* of an exponent: its exp, and its inverse, are finite */

static double
clamp(double exponent)
{
	/* also from NaN, which hostile sums can be */
	return exponent < LARGEST ? exponent > -LARGEST ? exponent : -LARGEST
		: exponent >= LARGEST ? LARGEST : 0;
}

void
pf_link_apply(PfLink link, uint32_t width, double *out)
{
	double		largest,
				sum = 0;

	switch (link)
	{
		case PF_LINK_IDENTITY:
			break;
		case PF_LINK_EXP:
			out[0] = exp(clamp(out[0]));
			break;
		case PF_LINK_LOGISTIC:
			out[1] = 1 / (1 + exp(-clamp(out[0])));
			out[0] = 1 - out[1];
			break;
		case PF_LINK_SOFTMAX:
			largest = clamp(out[0]);
			for (uint32_t c = 0; c < width; c++)
			{
				out[c] = clamp(out[c]);
				largest = out[c] > largest ? out[c] : largest;
			}
			for (uint32_t c = 0; c < width; c++)
			{
				out[c] = exp(out[c] - largest);
				sum += out[c];
			}
			for (uint32_t c = 0; c < width; c++)
				out[c] /= sum;
			break;
	}
}

void
pf_output_finish(const PfModel *model, double *out)
{
	switch (model->kind)
	{
		case PF_MODEL_FOREST:
			for (uint32_t c = 0; c < model->width; c++)
				out[c] /= model->ntrees;
			break;
		case PF_MODEL_BOOSTING:
			pf_link_apply(model->link, model->width, out);
			break;
		case PF_MODEL_ISOLATION:
			out[0] /= model->ntrees;
			out[0] = exp2(-(model->path > 0 ? out[0] / model->path : 1));
			break;
		case PF_MODEL_LINEAR:
			break;				/* has no leaves */
	}
	pf_calibration_apply(&model->calibration, model->nclasses, out);
}

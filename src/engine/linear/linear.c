/*
 * linear.c
 *	  Fitting a linear model, and what it says of a row.
 *
 * The solvers work on standardised columns (design.c); here their answer goes
 * back to the scale of the values, and into the order of the features.
 */
#include <string.h>

#include "engine/linear/solve.h"

/* Coefficients of a feature: what it is, and one for missing. */
static uint32_t
coefficients(const PfBins *bins)
{
	return (bins->kind == PF_NUMBER ? 1 : bins->nbins) + 1;
}

void
pf_linear_layout(const PfEnv *env, PfLinear *linear, const PfBins *bins,
				 uint32_t nfeatures, uint32_t nclasses)
{
	memset(linear, 0, sizeof(*linear));
	linear->noutputs = nclasses > 2 ? nclasses : 1;
	linear->first = pf_alloc(env, ((size_t) nfeatures + 1) * sizeof(uint32_t));
	linear->first[0] = 0;
	for (uint32_t f = 0; f < nfeatures; f++)
		linear->first[f + 1] = linear->first[f] + coefficients(&bins[f]);
	linear->ncoefficients = linear->first[nfeatures];
}

uint64_t
pf_linear_columns(const PfBins *bins, uint32_t nfeatures)
{
	uint64_t	columns = 0;

	for (uint32_t f = 0; f < nfeatures; f++)
		columns += coefficients(&bins[f]);
	return columns;
}

bool
pf_linear_is_direct(uint64_t ncolumns, uint32_t nclasses)
{
	uint64_t	outputs = nclasses > 2 ? nclasses : 1;

	return (nclasses ? outputs * (ncolumns + 1) : ncolumns) <= PF_DIRECT_COLUMNS;
}

uint64_t
pf_linear_memory(uint64_t ncolumns, uint32_t nclasses, const PfLinearParams *params)
{
	uint64_t	outputs = nclasses > 2 ? nclasses : 1;
	uint64_t	few = ncolumns * 64;	/* what a design has of columns and features */

	if (nclasses == 0 && pf_linear_is_direct(ncolumns, nclasses))
		return few + ncolumns * ncolumns * sizeof(double);
	few += outputs * (ncolumns + 1) * 27 * sizeof(double);
	if (outputs * (ncolumns + 1) <= PF_DIRECT_COLUMNS)
		few += outputs * (ncolumns + 1) * outputs * (ncolumns + 1) * sizeof(double);
	return few;
}

/*
 * One output from the standardised columns to the features' own scale.  add[f]
 * grows by the variance of what the feature adds.
 */
static void
place_output(const PfDesign *design, const double *w, double *intercept,
			 const uint32_t *first, double *coefficient, double *add)
{
	for (uint32_t f = 0; f < design->matrix->nfeatures; f++)
	{
		const PfBins *bins = &design->bins[f];
		double	   *out = coefficient + first[f];
		double		missing = 0;
		double		share = 0;
		double		mean = 0;
		double		squares = 0;

		if (design->missing[f] != PF_NO_COLUMN)
		{
			missing = w[design->missing[f]];
			share = design->share[design->missing[f]];
			mean = share * missing;
			squares = mean * missing;
		}
		if (bins->kind == PF_NUMBER)
		{
			double		slope = design->constant[f] && design->centred ? 0
				: w[design->column[f]] / design->scale[f];

			out[0] = slope;
			out[1] = slope * design->mean[f] + missing;
			if (design->centred)
				*intercept -= slope * design->mean[f];
			if (!design->constant[f])
				squares += w[design->column[f]] * w[design->column[f]];
		}
		else
		{
			const double *of_bins = w + design->column[f];
			const double *shares = design->share + design->column[f];

			memcpy(out, of_bins, bins->nbins * sizeof(double));
			for (uint32_t b = 0; b < bins->nbins; b++)
			{
				mean += shares[b] * of_bins[b];
				squares += shares[b] * of_bins[b] * of_bins[b];
			}
			/* training had no such row: what the others add on average */
			out[bins->nbins] = design->missing[f] != PF_NO_COLUMN ? missing : mean;
		}
		if (squares > mean * mean)
			add[f] += squares - mean * mean;
	}
}

static void
set_importance(const double *add, uint32_t nfeatures, double *importance)
{
	double		sum = 0;

	for (uint32_t f = 0; f < nfeatures; f++)
	{
		importance[f] = sqrt(add[f]);
		sum += importance[f];
	}
	for (uint32_t f = 0; f < nfeatures; f++)
		importance[f] = sum > 0 ? importance[f] / sum : 0;
}

void
pf_linear_fit(const PfEnv *env, const PfMatrix *matrix, const PfBins *bins,
			  const PfLinearParams *params, PfLinear *linear, double *importance,
			  PfLinearFit *fit)
{
	PfDesign	design;
	double	   *theta;
	double	   *add;
	double		level = 0;
	size_t		width;

	pf_linear_layout(env, linear, bins, matrix->nfeatures, matrix->nclasses);
	linear->intercept = pf_alloc(env, linear->noutputs * sizeof(double));
	linear->coefficient = pf_alloc(env, (size_t) linear->noutputs * linear->ncoefficients * sizeof(double));
	pf_design_make(&design, env, matrix, bins, params);
	width = (size_t) design.ncolumns + 1;
	theta = pf_alloc(env, linear->noutputs * width * sizeof(double));
	memset(theta, 0, linear->noutputs * width * sizeof(double));
	if (matrix->nclasses)
	{
		double		penalty = 1 / (params->inverse_penalty * design.total);

		pf_fit_descent(&design, params, penalty * (1 - params->l1_ratio), penalty * params->l1_ratio,
					   0, 1, theta, fit);
	}
	else
		pf_fit_squares(&design, params, theta, &theta[design.ncolumns], fit);

	add = pf_alloc(env, (matrix->nfeatures + 1) * sizeof(double));
	memset(add, 0, matrix->nfeatures * sizeof(double));
	for (uint32_t k = 0; k < linear->noutputs; k++)
	{
		linear->intercept[k] = theta[k * width + design.ncolumns];
		level += linear->intercept[k] / linear->noutputs;
		place_output(&design, theta + k * width, &linear->intercept[k], linear->first,
					 linear->coefficient + (size_t) k * linear->ncoefficients, add);
	}
	/* intercepts of several classes may move together: their mean is made 0 */
	for (uint32_t k = 0; k < linear->noutputs && linear->noutputs > 1; k++)
		linear->intercept[k] -= level;
	set_importance(add, matrix->nfeatures, importance);
	pf_release(env, add);
	pf_release(env, theta);
	pf_design_release(&design);
}

void
pf_linear_release(const PfEnv *env, PfLinear *linear)
{
	pf_release(env, linear->first);
	pf_release(env, linear->intercept);
	pf_release(env, linear->coefficient);
	memset(linear, 0, sizeof(*linear));
}

void
pf_linear_outputs(const PfLinear *linear, const PfBins *bins, uint32_t nfeatures,
				  const double *row, double *out)
{
	for (uint32_t k = 0; k < linear->noutputs; k++)
	{
		const double *coefficient = linear->coefficient + (size_t) k * linear->ncoefficients;
		double		value = linear->intercept[k];

		for (uint32_t f = 0; f < nfeatures; f++)
		{
			const double *at = coefficient + linear->first[f];

			/* what is no bin is missing */
			if (bins[f].kind == PF_CATEGORY)
				value += at[row[f] >= 0 && row[f] < bins[f].nbins ? (uint32_t) row[f] : bins[f].nbins];
			else
				value += row[f] == row[f] ? at[0] * row[f] : at[1];
		}
		out[k] = value;
	}
}

/*
 * design.c
 *	  From a matrix of values to the columns that a solver works on.
 *
 * A row is made anew each time it is looked at: the columns themselves would
 * take many times the memory of the values.
 */
#include <string.h>

#include "engine/linear/solve.h"

/* Weights that make all classes weigh the same, as those of forests do. */
static void
balance(PfDesign *design)
{
	const PfMatrix *matrix = design->matrix;
	uint32_t	present = 0;

	for (uint32_t c = 0; c < matrix->nclasses; c++)
		design->class_weight[c] = 0;
	for (uint32_t i = 0; i < matrix->nrows; i++)
	{
		design->class_weight[matrix->label[i]]++;
		pf_work(design, 10);
	}
	for (uint32_t c = 0; c < matrix->nclasses; c++)
		present += design->class_weight[c] > 0;
	for (uint32_t c = 0; c < matrix->nclasses; c++)
		design->class_weight[c] = design->class_weight[c] > 0
			? matrix->nrows / (present * design->class_weight[c]) : 1;
}

static double
row_weight(const PfDesign *design, uint32_t row)
{
	const PfMatrix *matrix = design->matrix;
	double		weight = matrix->weight ? matrix->weight[row] : 1;

	if (design->class_weight)
		weight *= design->class_weight[matrix->label[row]];
	return weight;
}

/* One pass for the means, one for the standard deviations. */
static void
standardise(PfDesign *design, double *present)
{
	const PfMatrix *matrix = design->matrix;
	uint32_t	n = matrix->nfeatures;

	for (uint32_t f = 0; f < n; f++)
		design->mean[f] = design->scale[f] = present[f] = 0;
	design->total = 0;
	for (uint32_t i = 0; i < matrix->nrows; i++)
	{
		const double *row = pf_matrix_values(matrix, i);
		double		weight = row_weight(design, i);

		design->total += weight;
		for (uint32_t f = 0; f < n; f++)
		{
			if (row[f] != row[f])
				continue;
			present[f] += weight;
			/* a running mean stays exact where all values are one */
			design->mean[f] += (row[f] - design->mean[f]) * (weight / present[f]);
		}
		pf_work(design, 8 * (uint64_t) n);
	}
	for (uint32_t i = 0; i < matrix->nrows; i++)
	{
		const double *row = pf_matrix_values(matrix, i);
		double		weight = row_weight(design, i);

		for (uint32_t f = 0; f < n; f++)
		{
			double		distance = row[f] - design->mean[f];

			if (distance == distance)
				design->scale[f] += weight * distance * distance;
		}
		pf_work(design, 4 * (uint64_t) n);
	}
	for (uint32_t f = 0; f < n; f++)
	{
		design->scale[f] = sqrt(design->scale[f] / design->total);
		/* what rounding leaves of a constant is no spread */
		design->constant[f] = !(design->scale[f] > 1e-14 * fabs(design->mean[f]));
		if (design->constant[f])
			design->scale[f] = 1;
	}
}

/* Does a row lack a feature?  Those that do in training get a column for it. */
static void
number_columns(PfDesign *design)
{
	const PfMatrix *matrix = design->matrix;
	uint32_t	n = matrix->nfeatures;
	uint8_t    *lacks = pf_alloc(design->env, n);

	memset(lacks, 0, n);
	for (uint32_t i = 0; i < matrix->nrows; i++)
	{
		const double *row = pf_matrix_values(matrix, i);

		for (uint32_t f = 0; f < n; f++)
			lacks[f] |= row[f] != row[f];
		pf_work(design, n);
	}
	design->ndense = 0;
	for (uint32_t f = 0; f < n; f++)
	{
		if (design->bins[f].kind == PF_NUMBER)
			design->column[f] = design->ndense++;
	}
	design->ncolumns = design->ndense;
	for (uint32_t f = 0; f < n; f++)
	{
		if (design->bins[f].kind == PF_CATEGORY)
		{
			design->column[f] = design->ncolumns;
			design->ncolumns += design->bins[f].nbins;
		}
		design->missing[f] = PF_NO_COLUMN;
		if (lacks[f])
			design->missing[f] = design->ncolumns++;
	}
	pf_release(design->env, lacks);
}

static void
measure_shares(PfDesign *design)
{
	for (uint32_t c = 0; c < design->ncolumns; c++)
		design->share[c] = 0;
	for (uint32_t i = 0; i < design->matrix->nrows; i++)
	{
		pf_design_row(design, i);
		pf_add_multiple(design->share, design->weight, design->dense, design->ndense);
		for (uint32_t s = 0; s < design->nones; s++)
			design->share[design->ones[s]] += design->weight;
	}
	for (uint32_t c = 0; c < design->ncolumns; c++)
		design->share[c] /= design->total;
}

void
pf_design_make(PfDesign *design, const PfEnv *env, const PfMatrix *matrix,
			   const PfBins *bins, const PfLinearParams *params)
{
	uint32_t	n = matrix->nfeatures;
	double	   *present;

	memset(design, 0, sizeof(*design));
	design->env = env;
	design->matrix = matrix;
	design->bins = bins;
	design->centred = params->fit_intercept;
	if (matrix->nclasses && params->class_weight != PF_WEIGHT_NONE)
	{
		design->class_weight = pf_alloc(env, matrix->nclasses * sizeof(double));
		if (params->class_weight == PF_WEIGHT_EXPLICIT)
			memcpy(design->class_weight, params->class_weights,
				   matrix->nclasses * sizeof(double));
		else
			balance(design);
	}
	design->column = pf_alloc(env, n * sizeof(uint32_t));
	design->missing = pf_alloc(env, n * sizeof(uint32_t));
	design->mean = pf_alloc(env, n * sizeof(double));
	design->scale = pf_alloc(env, n * sizeof(double));
	design->constant = pf_alloc(env, n * sizeof(bool));
	present = pf_alloc(env, n * sizeof(double));
	standardise(design, present);
	pf_release(env, present);
	number_columns(design);
	design->dense = pf_alloc(env, (design->ndense + 1) * sizeof(double));
	design->ones = pf_alloc(env, n * sizeof(uint32_t));
	design->share = pf_alloc(env, (design->ncolumns + 1) * sizeof(double));
	measure_shares(design);
}

void
pf_design_release(PfDesign *design)
{
	pf_release(design->env, design->column);
	pf_release(design->env, design->missing);
	pf_release(design->env, design->mean);
	pf_release(design->env, design->scale);
	pf_release(design->env, design->constant);
	pf_release(design->env, design->share);
	pf_release(design->env, design->class_weight);
	pf_release(design->env, design->dense);
	pf_release(design->env, design->ones);
}

void
pf_design_row(PfDesign *design, uint32_t row)
{
	uint32_t	n = design->matrix->nfeatures;
	const double *value = pf_matrix_values(design->matrix, row);

	design->weight = row_weight(design, row);
	design->nones = 0;
	for (uint32_t f = 0; f < n; f++)
	{
		bool		lacks = value[f] != value[f];

		if (design->bins[f].kind == PF_NUMBER)
		{
			double		number = lacks ? design->mean[f] : value[f];

			if (design->centred)
				number = design->constant[f] ? 0 : (number - design->mean[f]) / design->scale[f];
			else
				number /= design->scale[f];
			design->dense[design->column[f]] = number;
		}
		else if (!lacks)
			design->ones[design->nones++] = design->column[f] + (uint32_t) value[f];
		if (lacks)
			design->ones[design->nones++] = design->missing[f];
	}
	pf_work(design, 8 * (uint64_t) n);
}

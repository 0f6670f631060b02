/*
 * test_linear.c
 *	  Linear models against scikit-learn's answers, and where they may fail.
 */
#include <math.h>
#include <string.h>

#include "engine/linear/linear.h"
#include "engine/walk/output.h"
#include "linear_answers.h"
#include "unit.h"

#define CATEGORIES 4

typedef struct Rows
{
	PfMatrix	matrix;
	PfBins	   *bins;
} Rows;

/* The rows of linear_answers.py: numbers, then a category. */
static Rows
make_rows(uint32_t n, uint32_t numbers, uint32_t nclasses, bool weighted)
{
	const PfEnv *env = unit_env();
	Rows		rows = {.matrix = {.nrows = n,.nfeatures = numbers + 1,.nclasses = nclasses}};
	PfMatrix   *matrix = &rows.matrix;
	uint64_t	state = 7;

	matrix->stride = (numbers + 1) * sizeof(double);
	matrix->bins = pf_alloc(env, (size_t) n * matrix->stride);
	matrix->target = pf_alloc(env, n * sizeof(double));
	matrix->label = pf_alloc(env, n * sizeof(uint32_t));
	matrix->weight = pf_alloc(env, n * sizeof(float));
	for (uint32_t i = 0; i < n; i++)
	{
		double	   *row = (double *) (matrix->bins + (size_t) i * matrix->stride);
		uint32_t	category;
		double		signal;

		for (uint32_t f = 0; f < numbers; f++)
			row[f] = unit_uniform(&state);
		category = (uint32_t) (unit_random(&state) % CATEGORIES);
		signal = unit_uniform(&state) - 0.5;
		signal = 3 * row[0] - 2 * row[1] + (category == 2) + signal;
		matrix->weight[i] = (float) (0.5 + unit_uniform(&state));
		row[1] = 7e8 + 1e5 * row[1];
		if (unit_uniform(&state) < 0.1)
			row[2] = NAN;
		row[numbers] = unit_uniform(&state) < 0.05 ? (double) NAN : category;
		matrix->target[i] = 100 + 20 * signal;
		signal = floor((signal + 1.5) / 4 * nclasses);
		matrix->label[i] = nclasses == 0 || signal < 0 ? 0
			: signal >= nclasses ? nclasses - 1 : (uint32_t) signal;
	}
	if (!weighted)
	{
		pf_release(env, matrix->weight);
		matrix->weight = NULL;
	}
	if (nclasses)
	{
		pf_release(env, matrix->target);
		matrix->target = NULL;
	}
	rows.bins = pf_alloc(env, (numbers + 1) * sizeof(PfBins));
	memset(rows.bins, 0, (numbers + 1) * sizeof(PfBins));
	for (uint32_t f = 0; f < numbers; f++)
		rows.bins[f].kind = PF_NUMBER;
	rows.bins[numbers].kind = PF_CATEGORY;
	rows.bins[numbers].nbins = CATEGORIES;
	return rows;
}

static void
release_rows(Rows *rows)
{
	const PfEnv *env = unit_env();

	pf_release(env, rows->matrix.bins);
	pf_release(env, rows->matrix.target);
	pf_release(env, rows->matrix.label);
	pf_release(env, rows->matrix.weight);
	pf_release(env, rows->bins);
}

static PfLinearParams
make_params(void)
{
	PfLinearParams params = {
		.alpha = 1,.inverse_penalty = 1,.max_iter = 1000,.tol = 1e-8,.fit_intercept = true
	};

	return params;
}

/* All coefficients within a millionth; output after output as linear_answers.py writes them. */
static void
equals(const PfLinear *linear, const double *wanted, size_t nwanted, const char *name)
{
	uint32_t	each = linear->ncoefficients + 1;
	double		worst = 0;

	for (size_t i = 0; i < nwanted; i++)
	{
		uint32_t	k = (uint32_t) (i / each);
		uint32_t	at = (uint32_t) (i % each);
		double		is = at == 0 ? linear->intercept[k]
			: linear->coefficient[(size_t) k * linear->ncoefficients + at - 1];
		/* the slope of the large numbers is small: what their mean adds comes after it */
		double		off = fabs(is - wanted[i]) / (fabs(wanted[i]) < 1 ? 1 : fabs(wanted[i]));

		if (off > worst)
			worst = off;
	}
	if (!CHECK(worst <= 1e-6))
		printf("%s is off by %g\n", name, worst);
}

static void
agrees(const char *name, uint32_t n, uint32_t numbers, uint32_t nclasses, bool weighted,
	   const PfLinearParams *params, const double *wanted, size_t nwanted)
{
	const PfEnv *env = unit_env();
	Rows		rows = make_rows(n, numbers, nclasses, weighted);
	double	   *importance = pf_alloc(env, (numbers + 1) * sizeof(double));
	double		sum = 0;
	PfLinear	linear;
	PfLinearFit fit;

	pf_linear_fit(env, &rows.matrix, rows.bins, params, &linear, importance, &fit);
	CHECK(fit.converged);
	equals(&linear, wanted, nwanted, name);
	for (uint32_t f = 0; f <= numbers; f++)
		sum += importance[f];
	CHECK_NEAR(sum, 1, 1e-12);
	CHECK(importance[0] > importance[2]);
	pf_release(env, importance);
	pf_linear_release(env, &linear);
	release_rows(&rows);
}

#define AGREES(name, n, numbers, nclasses, weighted, params) \
	agrees(#name, n, numbers, nclasses, weighted, params, name, sizeof(name) / sizeof(name[0]))

static void
agrees_with_sklearn(void)
{
	PfLinearParams params = make_params();

	AGREES(ridge, 200, 3, 0, false, &params);
	params.alpha = 10;
	AGREES(ridge_weighted, 200, 3, 0, true, &params);
	params.alpha = 2;
	AGREES(ridge_wide, 60, 4200, 0, false, &params);
	params.alpha = 1;
	params.fit_intercept = false;
	AGREES(ridge_origin, 200, 3, 0, false, &params);
	AGREES(binary_origin, 200, 3, 2, false, &params);
	params.fit_intercept = true;
	AGREES(binary, 200, 3, 2, false, &params);
	AGREES(classes, 200, 3, 3, false, &params);
	AGREES(binary_wide, 300, 80, 2, false, &params);
	AGREES(classes_wide, 300, 40, 3, false, &params);
	AGREES(binary_many, 100, 500, 2, false, &params);
	params.class_weight = PF_WEIGHT_BALANCED;
	AGREES(binary_balanced, 200, 3, 2, false, &params);
	params.class_weight = PF_WEIGHT_NONE;
	params.inverse_penalty = 0.1;
	AGREES(classes_many, 100, 300, 3, false, &params);
	params.inverse_penalty = 100;
	AGREES(binary_weighted, 200, 3, 2, true, &params);
	params.inverse_penalty = 10;
	AGREES(classes_weighted, 200, 3, 3, true, &params);

	params.alpha = 0.5;
	params.l1_ratio = 0.5;
	AGREES(elastic, 200, 3, 0, false, &params);
	params.alpha = 0.1;
	params.l1_ratio = 1;
	AGREES(elastic_weighted, 200, 3, 0, true, &params);

	params.inverse_penalty = 0.3;
	AGREES(binary_lasso, 200, 3, 2, false, &params);
	AGREES(binary_lasso_wide, 300, 80, 2, false, &params);
	params.inverse_penalty = 0.5;
	AGREES(classes_lasso, 200, 3, 3, false, &params);
	params.l1_ratio = 0.5;
	params.class_weight = PF_WEIGHT_BALANCED;
	AGREES(classes_elastic_balanced, 300, 40, 3, false, &params);
	params.class_weight = PF_WEIGHT_NONE;
	params.l1_ratio = 0.4;
	params.inverse_penalty = 1;
	AGREES(binary_elastic, 200, 3, 2, true, &params);
	params.l1_ratio = 0.7;
	params.inverse_penalty = 2;
	AGREES(classes_elastic, 200, 3, 3, true, &params);
}

static PfLinear
fit_rows(const Rows *rows, const PfLinearParams *params, PfLinearFit *fit)
{
	PfLinear	linear;
	double		importance[16];

	pf_linear_fit(unit_env(), &rows->matrix, rows->bins, params, &linear, importance, fit);
	return linear;
}

static void
predict(const PfLinear *linear, const Rows *rows, const double *row, double *out)
{
	pf_linear_outputs(linear, rows->bins, rows->matrix.nfeatures, row, out);
	pf_link_apply(pf_class_link(rows->matrix.nclasses), rows->matrix.nclasses, out);
}

static bool
is_finite(const PfLinear *linear)
{
	bool		finite = true;

	for (uint32_t k = 0; k < linear->noutputs; k++)
		finite &= isfinite(linear->intercept[k]) != 0;
	for (size_t i = 0; i < (size_t) linear->noutputs * linear->ncoefficients; i++)
		finite &= isfinite(linear->coefficient[i]) != 0;
	return finite;
}

/* Columns that depend on one another, constants, one row, one class, large values. */
static void
stays_finite(void)
{
	const PfEnv *env = unit_env();

	for (uint32_t nclasses = 0; nclasses <= 3; nclasses++)
	{
		for (int which = 0; which < 12; which++)
		{
			int			odd = which % 6;
			Rows		rows = make_rows(odd == 0 ? 1 : 100, 3, nclasses, false);
			PfLinearParams params = make_params();
			PfLinearFit fit;
			PfLinear	linear;
			double		out[3];

			if (nclasses == 1)
				rows.matrix.nclasses = 2;	/* of which one has all rows */
			params.alpha = odd == 5 ? 1 : 0;
			params.inverse_penalty = odd == 5 ? 1 : 1e12;
			params.l1_ratio = which < 6 ? 0 : odd == 5 ? 0.5 : 1;
			params.max_iter = 200;
			for (uint32_t i = 0; i < rows.matrix.nrows; i++)
			{
				double	   *row = (double *) pf_matrix_values(&rows.matrix, i);

				if (odd == 1)
					row[1] = 2 * row[0] - 1;
				else if (odd == 2)
					row[1] = 0.1;
				else if (odd == 3)
					row[0] = row[1] = row[2] = row[3] = NAN;
				else if (odd == 4)
					row[0] *= PF_LARGEST_VALUE;
				else if (odd == 5)
					row[0] = -PF_LARGEST_VALUE + row[0];
			}
			if (odd == 4 && nclasses == 0)
				for (uint32_t i = 0; i < rows.matrix.nrows; i++)
					rows.matrix.target[i] *= 1e98;
			linear = fit_rows(&rows, &params, &fit);
			CHECK(is_finite(&linear));
			for (uint32_t i = 0; i < rows.matrix.nrows; i++)
			{
				double		sum = 0;

				predict(&linear, &rows, pf_matrix_values(&rows.matrix, i), out);
				for (uint32_t c = 0; c < rows.matrix.nclasses; c++)
				{
					CHECK(out[c] >= 0 && out[c] <= 1);
					sum += out[c];
				}
				CHECK(rows.matrix.nclasses ? fabs(sum - 1) < 1e-12 : isfinite(out[0]) != 0);
			}
			if (odd == 2 && nclasses == 0)
				CHECK_DOUBLE(linear.coefficient[2], 0);
			pf_linear_release(env, &linear);
			release_rows(&rows);
		}
	}
}

/* The paths of l1 at their ends: nothing but the intercept, and columns that tell the same. */
static void
keeps_to_the_penalty(void)
{
	Rows		rows = make_rows(200, 3, 2, false);
	PfLinearParams params = make_params();
	PfLinearFit fit;
	PfLinear	linear;
	uint32_t	ones = 0;

	for (uint32_t i = 0; i < 200; i++)
		ones += rows.matrix.label[i] == 1;

	/* so strong a penalty leaves the intercept only, which is the class shares */
	params.l1_ratio = 1;
	params.inverse_penalty = 1e-3;
	linear = fit_rows(&rows, &params, &fit);
	CHECK(fit.converged);
	CHECK_NEAR(linear.intercept[0], log(ones / (200.0 - ones)), 1e-8);
	for (uint32_t i = 0; i < linear.ncoefficients; i++)
		CHECK_DOUBLE(linear.coefficient[i], 0);
	pf_linear_release(unit_env(), &linear);

	/* a column twice: together they weigh what one weighs */
	params.inverse_penalty = 0.3;
	linear = fit_rows(&rows, &params, &fit);
	for (uint32_t i = 0; i < 200; i++)
		((double *) pf_matrix_values(&rows.matrix, i))[1] = pf_matrix_values(&rows.matrix, i)[0];
	{
		PfLinear	twice = fit_rows(&rows, &params, &fit);
		double		together = twice.coefficient[0] + twice.coefficient[2];

		CHECK(fit.converged && twice.coefficient[0] >= 0 && twice.coefficient[2] >= 0);
		for (uint32_t i = 0; i < 200; i++)
			((double *) pf_matrix_values(&rows.matrix, i))[1] = 5;
		pf_linear_release(unit_env(), &linear);
		linear = fit_rows(&rows, &params, &fit);
		CHECK(fit.converged);
		CHECK_NEAR(together, linear.coefficient[0], 1e-6);
		CHECK_DOUBLE(linear.coefficient[2], 0);
		pf_linear_release(unit_env(), &twice);
	}
	pf_linear_release(unit_env(), &linear);
	release_rows(&rows);
}

/* What one column tells apart: the penalty keeps its coefficient finite, and the others 0. */
static void
ends_when_separable(void)
{
	for (uint32_t nclasses = 2; nclasses <= 3; nclasses++)
	{
		Rows		rows = make_rows(200, 3, nclasses, false);
		PfLinearParams params = make_params();
		PfLinearFit fit;
		PfLinear	linear;
		double		out[3];

		for (uint32_t i = 0; i < 200; i++)
			((double *) pf_matrix_values(&rows.matrix, i))[0] = rows.matrix.label[i];
		params.l1_ratio = 1;
		for (params.inverse_penalty = 1; params.inverse_penalty < 1e5; params.inverse_penalty *= 100)
		{
			linear = fit_rows(&rows, &params, &fit);
			CHECK(fit.converged && fit.iterations < 100);
			CHECK(is_finite(&linear));
			for (uint32_t i = 0; i < 200; i++)
			{
				predict(&linear, &rows, pf_matrix_values(&rows.matrix, i), out);
				CHECK(out[rows.matrix.label[i]] > 0.5);
			}
			pf_linear_release(unit_env(), &linear);
		}
		release_rows(&rows);
	}
}

/* What cannot be reached says so. */
static void
says_when_not_done(void)
{
	Rows		rows = make_rows(200, 3, 2, false);
	PfLinearParams params = make_params();
	PfLinearFit fit;
	PfLinear	linear;

	params.max_iter = 1;
	linear = fit_rows(&rows, &params, &fit);
	CHECK(!fit.converged);
	CHECK_INT(fit.iterations, 1);
	pf_linear_release(unit_env(), &linear);
	release_rows(&rows);
}

/* A missing value of a kind that training did not have stands for the mean. */
static void
fills_what_is_missing(void)
{
	Rows		rows = make_rows(200, 3, 0, false);
	PfLinearParams params = make_params();
	PfLinearFit fit;
	PfLinear	linear;
	double		mean = 0;
	double		row[4];
	double		with_mean,
				missing;

	for (uint32_t i = 0; i < 200; i++)
		mean += pf_matrix_values(&rows.matrix, i)[0] / 200;
	linear = fit_rows(&rows, &params, &fit);
	memcpy(row, pf_matrix_values(&rows.matrix, 0), sizeof(row));
	row[0] = mean;
	predict(&linear, &rows, row, &with_mean);
	row[0] = NAN;
	predict(&linear, &rows, row, &missing);
	CHECK_NEAR(missing, with_mean, 1e-9 * fabs(with_mean));
	CHECK(isnan(pf_linear_value(INFINITY)) && isnan(pf_linear_value(NAN)) && isnan(pf_linear_value(2e100)));
	CHECK_DOUBLE(1 / pf_linear_value(-0.0), INFINITY);
	pf_linear_release(unit_env(), &linear);
	release_rows(&rows);
}

static void
fit_and_forget(void *arg)
{
	PfLinearFit fit;
	PfLinearParams params = make_params();

	fit_rows(arg, &params, &fit);
}

/* May be left at any event, and asks often. */
static void
can_be_interrupted(void)
{
	Rows		rows = make_rows(5000, 3, 3, false);
	uint64_t	before = unit_interrupt_checks();

	CHECK(unit_interrupt(3, fit_and_forget, &rows));
	CHECK(unit_interrupt(20, fit_and_forget, &rows));
	CHECK(!unit_interrupt(UINT64_MAX / 2, fit_and_forget, &rows));
	CHECK(unit_interrupt_checks() - before > 20);
	release_rows(&rows);
}

void
test_linear(void)
{
	agrees_with_sklearn();
	stays_finite();
	keeps_to_the_penalty();
	ends_when_separable();
	says_when_not_done();
	fills_what_is_missing();
	can_be_interrupted();
}

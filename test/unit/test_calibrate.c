/*
 * test_calibrate.c
 *	  Curves of calibrations against scikit-learn's.
 */
#include <math.h>
#include <string.h>

#include "calibrate_answers.h"
#include "engine/model/calibrate.h"
#include "unit.h"

#define ROWS	300
#define POINTS	25

typedef struct Rows
{
	double		shares[ROWS * 3];
	uint32_t	actual[ROWS];
	float		weight[ROWS];
} Rows;

/* The rows of calibrate_answers.py: the share of the second class is tied now and then. */
static Rows *
make_rows(void)
{
	Rows	   *rows = pf_alloc(unit_env(), sizeof(Rows));
	uint64_t	random = 11;

	for (uint32_t i = 0; i < ROWS; i++)
	{
		double		share = floor(unit_uniform(&random) * 64) / 64;

		rows->shares[2 * i] = 1 - share;
		rows->shares[2 * i + 1] = share;
		rows->actual[i] = unit_uniform(&random) < share * share;
		rows->weight[i] = (float) (0.5 + unit_uniform(&random));
	}
	return rows;
}

static void
release(PfCalibration *calibration)
{
	for (uint32_t c = 0; c < calibration->ncurves; c++)
	{
		pf_release(unit_env(), calibration->curves[c].x);
		pf_release(unit_env(), calibration->curves[c].y);
	}
	pf_release(unit_env(), calibration->curves);
}

/* factor: of the weights, which count beside each other only; 0: there are none */
static void
agrees(PfCalibrationMethod method, float factor, const double *wanted, double tolerance)
{
	Rows	   *rows = make_rows();
	PfCalibration calibration;

	for (uint32_t i = 0; i < ROWS; i++)
		rows->weight[i] *= factor;
	pf_calibration_fit(unit_env(), method, 2, ROWS, rows->actual, rows->shares,
					   factor > 0 ? rows->weight : NULL, &calibration);
	for (int i = 0; i < POINTS; i++)
	{
		double		out[2] = {0, (i - 2) / 20.0};

		pf_calibration_apply(&calibration, 2, out);
		CHECK_NEAR(out[1], wanted[i], tolerance);
		CHECK_DOUBLE(out[0], 1 - out[1]);
	}
	release(&calibration);
	pf_release(unit_env(), rows);
}

/* Each class of three has a curve, and what they give sums to 1. */
static void
has_a_curve_each(PfCalibrationMethod method)
{
	Rows	   *rows = make_rows();
	PfCalibration calibration;
	uint64_t	random = 5;
	double		out[3] = {0.2, 0.3, 0.5};

	for (uint32_t i = 0; i < ROWS; i++)
	{
		double		cut = unit_uniform(&random);
		double		rest = unit_uniform(&random) * (1 - cut);

		memcpy(&rows->shares[3 * i], (double[3]) {cut, rest, 1 - cut - rest}, 3 * sizeof(double));
		rows->actual[i] = (uint32_t) (unit_random(&random) % 3);
	}
	pf_calibration_fit(unit_env(), method, 3, ROWS, rows->actual, rows->shares, NULL, &calibration);
	CHECK_INT(calibration.ncurves, 3);
	pf_calibration_apply(&calibration, 3, out);
	CHECK_NEAR(out[0] + out[1] + out[2], 1, 1e-15);
	/* the classes are drawn whatever the shares */
	CHECK(out[0] > 0.15 && out[1] > 0.15 && out[2] > 0.15);
	release(&calibration);
	pf_release(unit_env(), rows);
}

/* The greater the share, the less likely the class: told apart no more, but never the other way round. */
static void
never_falls(PfCalibrationMethod method)
{
	Rows	   *rows = make_rows();
	PfCalibration calibration;
	double		last = 0;
	double		mean = 0;

	for (uint32_t i = 0; i < ROWS; i++)
	{
		rows->actual[i] = !rows->actual[i];
		mean += rows->actual[i] / (double) ROWS;
	}
	pf_calibration_fit(unit_env(), method, 2, ROWS, rows->actual, rows->shares, NULL, &calibration);
	for (int i = 0; i <= 20; i++)
	{
		double		out[2] = {0, i / 20.0};

		pf_calibration_apply(&calibration, 2, out);
		CHECK(out[1] >= last && (method != PF_SIGMOID || fabs(out[1] - mean) < 0.01));
		last = out[1];
	}
	release(&calibration);
	pf_release(unit_env(), rows);
}

/* Shares that part the classes, that are all alike, of one class, of one row. */
static void
stays_finite(PfCalibrationMethod method)
{
	for (int odd = 0; odd < 4; odd++)
	{
		Rows	   *rows = make_rows();
		PfCalibration calibration;
		double		out[2] = {0, 0.7};

		for (uint32_t i = 0; i < ROWS; i++)
		{
			if (odd == 0)
				rows->actual[i] = rows->shares[2 * i + 1] > 0.5;
			else if (odd == 1)
				rows->shares[2 * i + 1] = 0.25;
			else if (odd == 2)
				rows->actual[i] = 1;
		}
		pf_calibration_fit(unit_env(), method, 2, odd == 3 ? 1 : ROWS, rows->actual, rows->shares,
						   NULL, &calibration);
		pf_calibration_apply(&calibration, 2, out);
		CHECK(out[1] >= 0 && out[1] <= 1);
		if (odd == 0 || odd == 2)
			CHECK(out[1] > 0.99);
		release(&calibration);
		pf_release(unit_env(), rows);
	}
}

void
test_calibrate(void)
{
	PfCalibration none = {.method = PF_NOT_CALIBRATED};
	double		out[2] = {0.25, 0.75};

	/* scikit-learn's own search for the sigmoid ends at a gradient of 1e-5 */
	agrees(PF_SIGMOID, 0, sigmoid_plain, 1e-5);
	agrees(PF_ISOTONIC, 0, isotonic_plain, 1e-12);
	for (int exponent = -40; exponent <= 40; exponent += 40)
	{
		agrees(PF_SIGMOID, ldexpf(1, exponent), sigmoid_weighted, 1e-5);
		agrees(PF_ISOTONIC, ldexpf(1, exponent), isotonic_weighted, 1e-12);
	}
	for (PfCalibrationMethod method = PF_SIGMOID; method <= PF_ISOTONIC; method++)
	{
		has_a_curve_each(method);
		never_falls(method);
		stays_finite(method);
	}
	pf_calibration_apply(&none, 2, out);
	CHECK_DOUBLE(out[1], 0.75);
}

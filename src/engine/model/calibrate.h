/*
 * calibrate.h
 *	  Class shares that mean what they say: of the rows with a share of 0.8, 80 % have the class.
 *
 * A curve is fitted to the shares of rows that the model was not trained on, for
 * the second class of two, or for each class against all others; shares of more
 * than two classes are then brought to the sum of 1 again.  As in scikit-learn's
 * CalibratedClassifierCV: a sigmoid (Platt 1999), or a monotone function (Zadrozny and
 * Elkan 2002) that is linear between its knots.
 */
#ifndef PF_CALIBRATE_H
#define PF_CALIBRATE_H

#include "engine/env.h"

typedef enum PfCalibrationMethod
{
	PF_NOT_CALIBRATED = 0,
	PF_SIGMOID = 1,
	PF_ISOTONIC = 2
} PfCalibrationMethod;

/* Sigmoid: one pair, slope and level.  Isotonic: x ascends strictly, y does not descend. */
typedef struct PfCalibrationCurve
{
	uint32_t	n;
	double	   *x;
	double	   *y;
} PfCalibrationCurve;

typedef struct PfCalibration
{
	PfCalibrationMethod method;
	uint32_t	ncurves;		/* 1 for two classes, else one each */
	PfCalibrationCurve *curves;
} PfCalibration;

static inline uint32_t
pf_calibration_curves(uint32_t nclasses)
{
	return nclasses > 2 ? nclasses : 1;
}

/*
 * Fits the curves to shares[n * nclasses] of rows with the classes actual[n]; weight NULL: each
 * row weighs 1.  The curves' memory comes from env.
 */
extern void pf_calibration_fit(const PfEnv *env, PfCalibrationMethod method, uint32_t nclasses,
							   size_t n, const uint32_t *actual, const double *shares,
							   const float *weight, PfCalibration *calibration);

/* nclasses shares, in place. */
extern void pf_calibration_apply(const PfCalibration *calibration, uint32_t nclasses, double *shares);

/* Bytes that a fit takes, the shares not among them. */
extern uint64_t pf_calibration_memory(uint64_t nrows);

#endif							/* PF_CALIBRATE_H */

/*
 * calibrate.c
 *	  Fitting and applying the curves of a calibration.
 */
#include <math.h>
#include <string.h>

#include "engine/bins/sort.h"
#include "engine/model/calibrate.h"

#define PIECE		16384		/* rows between two checks */
#define STEPS		100			/* of Newton's method, at most */
#define HALVINGS	30

/* One class against the others. */
typedef struct Side
{
	const PfEnv *env;
	size_t		n;
	uint32_t	nclasses;
	uint32_t	class;
	const uint32_t *actual;
	const double *shares;
	const float *weight;
} Side;

static inline double
share_of(const Side *side, size_t row)
{
	return side->shares[row * side->nclasses + side->class];
}

static inline double
weight_of(const Side *side, size_t row)
{
	return side->weight ? side->weight[row] : 1;
}

static double
sigmoid(double slope, double level, double share)
{
	double		z = slope * share + level;
	double		tail = exp(-fabs(z));

	return z >= 0 ? 1 / (1 + tail) : tail / (1 + tail);
}

/*
 * The mean loss, its gradient and second derivatives.  The wanted shares keep a little off 0
 * and 1, as Platt has it, so that there is a minimum even where a score parts the classes.
 */
static double
sigmoid_loss(const Side *side, const double *wanted, double slope, double level,
			 double *gradient, double *hessian)
{
	double		loss = 0;
	double		total = 0;

	memset(gradient, 0, 2 * sizeof(double));
	memset(hessian, 0, 3 * sizeof(double));
	for (size_t i = 0; i < side->n; i++)
	{
		double		share = share_of(side, i);
		double		weight = weight_of(side, i);
		double		target = wanted[side->actual[i] == side->class];
		double		z = slope * share + level;
		double		p = sigmoid(slope, level, share);
		double		curvature = weight * p * (1 - p);

		loss += weight * (log1p(exp(-fabs(z))) + (z > 0 ? z : 0) - target * z);
		gradient[0] += weight * (p - target) * share;
		gradient[1] += weight * (p - target);
		hessian[0] += curvature * share * share;
		hessian[1] += curvature * share;
		hessian[2] += curvature;
		total += weight;
		if (i % PIECE == 0)
			pf_check(side->env);
	}
	for (int i = 0; i < 2; i++)
		gradient[i] /= total;
	for (int i = 0; i < 3; i++)
		hessian[i] /= total;
	return loss / total;
}

static void
fit_sigmoid(const Side *side, PfCalibrationCurve *curve)
{
	double		count[2] = {0};
	double		wanted[2];
	double		slope = 0;
	double		level;
	double		gradient[2];
	double		hessian[3];
	double		loss;
	double		unit;

	for (size_t i = 0; i < side->n; i++)
		count[side->actual[i] == side->class] += weight_of(side, i);
	/* weights count beside each other: as so many rows as there are */
	unit = (double) side->n / (count[0] + count[1]);
	count[0] *= unit;
	count[1] *= unit;
	wanted[1] = (count[1] + 1) / (count[1] + 2);
	wanted[0] = 1 / (count[0] + 2);
	level = log((count[1] + 1) / (count[0] + 1));
	loss = sigmoid_loss(side, wanted, slope, level, gradient, hessian);
	for (int step = 0; step < STEPS && fabs(gradient[0]) + fabs(gradient[1]) > 1e-12; step++)
	{
		/* a trifle on the diagonal: all shares may be alike */
		double		a = hessian[0] + 1e-12;
		double		c = hessian[2] + 1e-12;
		double		determinant = a * c - hessian[1] * hessian[1];
		double		by_slope = -(c * gradient[0] - hessian[1] * gradient[1]) / determinant;
		double		by_level = -(a * gradient[1] - hessian[1] * gradient[0]) / determinant;
		double		length = 1;
		bool		lower = false;

		for (int halving = 0; halving < HALVINGS && !lower; halving++, length /= 2)
		{
			double		trial = sigmoid_loss(side, wanted, slope + length * by_slope,
											 level + length * by_level, gradient, hessian);

			lower = trial < loss;
			if (lower)
			{
				slope += length * by_slope;
				level += length * by_level;
				loss = trial;
			}
		}
		if (!lower)
			break;				/* as low as the arithmetic can tell */
	}
	/* never downwards, as an isotonic curve: the order of the shares stays, and constraints with it */
	if (slope < 0)
	{
		slope = 0;
		level = log((count[1] + 1) / (count[0] + 1));
	}
	curve->n = 1;
	curve->x = pf_alloc(side->env, sizeof(double));
	curve->y = pf_alloc(side->env, sizeof(double));
	curve->x[0] = slope;
	curve->y[0] = level;
}

static int
compare_shares(uint32_t a, uint32_t b, const void *arg)
{
	const Side *side = arg;
	double		one = share_of(side, a);
	double		other = share_of(side, b);

	if (one != other)
		return one < other ? -1 : 1;
	return a < b ? -1 : a > b;
}

/*
 * Rows in the order of their shares become blocks of one height; neighbours that
 * descend are merged (the pool adjacent violators algorithm).
 */
static void
fit_isotonic(const Side *side, PfCalibrationCurve *curve)
{
	const PfEnv *env = side->env;
	uint32_t   *order = pf_alloc(env, side->n * sizeof(uint32_t));
	double	   *first = pf_alloc(env, 4 * side->n * sizeof(double));
	double	   *last = first + side->n;
	double	   *sum = first + 2 * side->n;
	double	   *weight = first + 3 * side->n;
	size_t		nblocks = 0;

	for (size_t i = 0; i < side->n; i++)
		order[i] = (uint32_t) i;
	pf_sort_indexes(env, order, side->n, compare_shares, side);
	for (size_t i = 0; i < side->n; i++)
	{
		double		share = share_of(side, order[i]);
		double		more = weight_of(side, order[i]);
		bool		tied = nblocks > 0 && last[nblocks - 1] == share;

		if (i % PIECE == 0)
			pf_check(env);
		if (!tied)
		{
			/* the block before is whole now: does it descend from those before it? */
			while (nblocks > 1 &&
				   sum[nblocks - 1] * weight[nblocks - 2] <= sum[nblocks - 2] * weight[nblocks - 1])
			{
				nblocks--;
				last[nblocks - 1] = last[nblocks];
				sum[nblocks - 1] += sum[nblocks];
				weight[nblocks - 1] += weight[nblocks];
			}
			first[nblocks] = last[nblocks] = share;
			sum[nblocks] = weight[nblocks] = 0;
			nblocks++;
		}
		weight[nblocks - 1] += more;
		if (side->actual[order[i]] == side->class)
			sum[nblocks - 1] += more;
	}
	while (nblocks > 1 &&
		   sum[nblocks - 1] * weight[nblocks - 2] <= sum[nblocks - 2] * weight[nblocks - 1])
	{
		nblocks--;
		last[nblocks - 1] = last[nblocks];
		sum[nblocks - 1] += sum[nblocks];
		weight[nblocks - 1] += weight[nblocks];
	}

	curve->n = 0;
	curve->x = pf_alloc(env, 2 * nblocks * sizeof(double));
	curve->y = pf_alloc(env, 2 * nblocks * sizeof(double));
	for (size_t b = 0; b < nblocks; b++)
	{
		double		height = sum[b] / weight[b];

		/* what rounding might do */
		height = height > 1 ? 1 : height;
		if (b > 0 && height < curve->y[curve->n - 1])
			height = curve->y[curve->n - 1];
		curve->x[curve->n] = first[b];
		curve->y[curve->n++] = height;
		if (last[b] == first[b])
			continue;
		curve->x[curve->n] = last[b];
		curve->y[curve->n++] = height;
	}
	pf_release(env, first);
	pf_release(env, order);
}

uint64_t
pf_calibration_memory(uint64_t nrows)
{
	return nrows * (2 * sizeof(uint32_t) + 6 * sizeof(double));
}

void
pf_calibration_fit(const PfEnv *env, PfCalibrationMethod method, uint32_t nclasses,
				   size_t n, const uint32_t *actual, const double *shares,
				   const float *weight, PfCalibration *calibration)
{
	calibration->method = method;
	calibration->ncurves = pf_calibration_curves(nclasses);
	calibration->curves = pf_alloc(env, calibration->ncurves * sizeof(PfCalibrationCurve));
	for (uint32_t c = 0; c < calibration->ncurves; c++)
	{
		Side		side = {
			.env = env,.n = n,.nclasses = nclasses,.class = calibration->ncurves == 1 ? 1 : c,
			.actual = actual,.shares = shares,.weight = weight
		};

		if (method == PF_SIGMOID)
			fit_sigmoid(&side, &calibration->curves[c]);
		else
			fit_isotonic(&side, &calibration->curves[c]);
	}
}

static double
interpolate(const PfCalibrationCurve *curve, double share)
{
	uint32_t	low = 0;
	uint32_t	high = curve->n - 1;

	if (!(share > curve->x[0]))
		return curve->y[0];
	if (share >= curve->x[high])
		return curve->y[high];
	/* x[low] <= share < x[high] */
	while (high - low > 1)
	{
		uint32_t	middle = low + (high - low) / 2;

		if (curve->x[middle] <= share)
			low = middle;
		else
			high = middle;
	}
	return curve->y[low] + (curve->y[high] - curve->y[low]) *
		((share - curve->x[low]) / (curve->x[high] - curve->x[low]));
}

void
pf_calibration_apply(const PfCalibration *calibration, uint32_t nclasses, double *shares)
{
	double		sum = 0;

	if (calibration->method == PF_NOT_CALIBRATED)
		return;
	for (uint32_t c = 0; c < calibration->ncurves; c++)
	{
		const PfCalibrationCurve *curve = &calibration->curves[c];
		double	   *share = &shares[calibration->ncurves == 1 ? 1 : c];

		*share = calibration->method == PF_SIGMOID
			? sigmoid(curve->x[0], curve->y[0], *share) : interpolate(curve, *share);
		sum += *share;
	}
	if (calibration->ncurves == 1)
	{
		shares[0] = 1 - shares[1];
		return;
	}
	for (uint32_t c = 0; c < nclasses; c++)
		shares[c] = sum > 0 ? shares[c] / sum : 1.0 / nclasses;
}

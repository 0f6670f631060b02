/*
 * sums.c
 *	  Sums of doubles that are exact, and so the same in every order.
 *
 * A sum is one long number in fixed point: limbs of 32 bits in 64, the lowest bit of which stands
 * for the smallest double.  Carries are taken on before the other half can overflow.
 */
#include "postgres.h"

#include <math.h>

#include "describe/sketch.h"

#define LOWEST_EXPONENT		(-1074)
#define MOST_PENDING		(1 << 30)

typedef struct Pair
{
	double		high;			/* the value is high + low */
	double		low;
} Pair;

static void
take_carries(PfExactSum *sum)
{
	for (int i = 0; i < PF_SUM_LIMBS - 1; i++)
	{
		int64		carry = sum->limb[i] >> 32;

		sum->limb[i] -= carry * (INT64CONST(1) << 32);
		sum->limb[i + 1] += carry;
	}
	sum->pending = 0;
}

/* Adds a finite value. */
void
pf_exact_add(PfExactSum *sum, double value)
{
	uint64		bits;
	uint64		mantissa;
	uint64		above;
	int			position;
	int			offset;
	int64		sign;
	int64	   *limb;

	memcpy(&bits, &value, sizeof(bits));
	mantissa = bits & ((UINT64CONST(1) << 52) - 1);
	position = (bits >> 52) & 0x7ff;
	sign = bits >> 63 ? -1 : 1;
	if (position > 0)
	{
		mantissa |= UINT64CONST(1) << 52;
		position--;
	}
	limb = &sum->limb[position / 32];
	offset = position % 32;
	above = offset > 0 ? mantissa >> (64 - offset) : 0;
	mantissa <<= offset;
	limb[0] += sign * (int64) (mantissa & 0xffffffff);
	limb[1] += sign * (int64) (mantissa >> 32);
	limb[2] += sign * (int64) above;
	if (++sum->pending == MOST_PENDING)
		take_carries(sum);
}

void
pf_exact_merge(PfExactSum *sum, PfExactSum *other)
{
	take_carries(sum);
	take_carries(other);
	for (int i = 0; i < PF_SUM_LIMBS; i++)
		sum->limb[i] += other->limb[i];
	take_carries(sum);
}

static Pair
add(double a, double b)
{
	double		sum = a + b;
	double		part = sum - a;
	Pair		pair = {sum, isfinite(sum) ? (a - (sum - part)) + (b - part) : 0};

	return pair;
}

/* The sum in twice a double's digits. */
static Pair
read_sum(PfExactSum *sum)
{
	PfExactSum	copy = *sum;
	Pair		total = {0, 0};
	double		sign = 1;
	int			top = PF_SUM_LIMBS - 1;

	take_carries(&copy);
	if (copy.limb[top] < 0)
	{
		sign = -1;
		for (int i = 0; i <= top; i++)
			copy.limb[i] = -copy.limb[i];
		take_carries(&copy);
	}
	while (top > 0 && copy.limb[top] == 0)
		top--;
	for (int i = top; i >= Max(top - 4, 0); i--)
	{
		double		limb = ldexp((double) copy.limb[i], 32 * i + LOWEST_EXPONENT);
		Pair		next = add(total.high, limb);

		total = add(next.high, next.low + total.low);
	}
	total.high *= sign;
	total.low *= sign;
	return total;
}

void
pf_exact_moments(PfExactSum *sum, PfExactSum *squares, int64 n, double *mean, double *sd)
{
	Pair		s = read_sum(sum);
	Pair		q = read_sum(squares);
	Pair		square;
	Pair		part;
	Pair		rest;

	*mean = n > 0 ? (s.high + s.low) / n : NAN;
	*sd = NAN;
	if (n < 2)
		return;

	/* q - s * s / n, in twice a double's digits as the two may be close to each other */
	square.high = s.high * s.high;
	square.low = fma(s.high, s.high, -square.high) + 2 * s.high * s.low;
	part.high = square.high / n;
	part.low = (fma(-part.high, (double) n, square.high) + square.low) / n;
	rest = add(q.high, -part.high);
	rest.low += q.low - part.low;
	*sd = sqrt(Max(rest.high + rest.low, 0) / (n - 1));
}

/*
 * exact.c
 *	  Sums of doubles that are exact.
 *
 * An addition touches three digits.  A digit takes 2^30 additions before it could overflow; then
 * what is above its 32 bits is carried on to the next one.  Only the last digit has a sign when
 * all is carried.
 */
#include <math.h>

#include "engine/measure/exact.h"

#define LOWEST_EXPONENT		(-1074)
#define DIGIT_MASK			UINT64_C(0xffffffff)
#define MOST_PENDING		(1U << 30)

/* high + low: twice a double's digits */
typedef struct Pair
{
	double		high;
	double		low;
} Pair;

static void
take_carries(PfExact *sum)
{
	for (int i = 0; i < PF_EXACT_DIGITS - 1; i++)
	{
		int64_t		low = sum->digit[i] & DIGIT_MASK;

		sum->digit[i + 1] += (sum->digit[i] - low) / (INT64_C(1) << 32);
		sum->digit[i] = low;
	}
	sum->pending = 0;
}

void
pf_exact_add(PfExact *sum, double value)
{
	uint64_t	bits;
	uint64_t	mantissa;
	uint64_t	low;
	uint64_t	high;
	int64_t		sign;
	int			place;
	int64_t    *digit;

	memcpy(&bits, &value, sizeof(bits));
	place = (bits >> 52) & 0x7ff;
	mantissa = bits & ((UINT64_C(1) << 52) - 1);
	if (place > 0)
	{
		mantissa |= UINT64_C(1) << 52;
		place--;
	}
	sign = bits >> 63 ? -1 : 1;
	low = (mantissa & DIGIT_MASK) << (place & 31);
	high = ((mantissa >> 32) << (place & 31)) + (low >> 32);
	digit = &sum->digit[place >> 5];
	digit[0] += sign * (int64_t) (low & DIGIT_MASK);
	digit[1] += sign * (int64_t) (high & DIGIT_MASK);
	digit[2] += sign * (int64_t) (high >> 32);
	if (++sum->pending == MOST_PENDING)
		take_carries(sum);
}

void
pf_exact_merge(PfExact *sum, const PfExact *other)
{
	take_carries(sum);
	for (int i = 0; i < PF_EXACT_DIGITS; i++)
		sum->digit[i] += other->digit[i];
	take_carries(sum);
}

/* Takes the sign off, so that no digit has one. */
static double
take_sign(PfExact *sum)
{
	take_carries(sum);
	if (sum->digit[PF_EXACT_DIGITS - 1] >= 0)
		return 1;
	for (int i = 0; i < PF_EXACT_DIGITS; i++)
		sum->digit[i] = -sum->digit[i];
	take_carries(sum);
	return -1;
}

double
pf_exact_value(const PfExact *sum)
{
	PfExact		left = *sum;
	double		sign = take_sign(&left);
	int			top = PF_EXACT_DIGITS - 1;
	uint64_t	high;
	uint64_t	low;
	int			shift = 0;
	bool		more = false;

	while (top > 2 && left.digit[top] == 0)
		top--;

	/* the first 64 bits, the last of which says whether there are more */
	high = (uint64_t) left.digit[top] << 32 | (uint64_t) left.digit[top - 1];
	low = (uint64_t) left.digit[top - 2];
	for (int i = 0; i < top - 2; i++)
		more = more || left.digit[i] != 0;
	if (high == 0)
		return sign * ldexp((double) low, 32 * (top - 2) + LOWEST_EXPONENT);
	if (high <= DIGIT_MASK)
	{
		high = high << 32 | low;
		low = 0;
		top--;
	}
	while (high << shift >> 63 == 0)
		shift++;
	high = high << shift | (low << shift) >> 32;
	if (more || ((low << shift) & DIGIT_MASK) != 0)
		high |= 1;
	return sign * ldexp((double) high, 32 * (top - 1) - shift + LOWEST_EXPONENT);
}

/* The exact sum of two, and what it loses. */
static Pair
add(double a, double b)
{
	double		sum = a + b;
	double		part = sum - a;
	Pair		pair = {sum, isfinite(sum) ? (a - (sum - part)) + (b - part) : 0};

	return pair;
}

static Pair
read_pair(const PfExact *sum)
{
	PfExact		left = *sum;
	double		sign = take_sign(&left);
	int			top = PF_EXACT_DIGITS - 1;
	Pair		total = {0, 0};

	while (top > 0 && left.digit[top] == 0)
		top--;
	for (int i = top; i >= 0 && i >= top - 4; i--)
	{
		Pair		next = add(total.high, ldexp((double) left.digit[i], 32 * i + LOWEST_EXPONENT));

		total = add(next.high, next.low + total.low);
	}
	total.high *= sign;
	total.low *= sign;
	return total;
}

void
pf_exact_moments(const PfExact *sum, const PfExact *squares, uint64_t n, double *mean, double *sd)
{
	Pair		s = read_pair(sum);
	Pair		q = read_pair(squares);
	Pair		square;
	Pair		part;
	Pair		rest;
	double		apart;

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
	apart = rest.high + rest.low;
	*sd = sqrt((apart > 0 ? apart : 0) / (n - 1));
}

/*
 * sums.c
 *	  Means and standard deviations that do not depend on the order of the rows.
 *
 * A sum is kept exactly, as an integer so long that every double is a multiple of its unit, and
 * rounded once at the end.  So parallel workers and the order of rows make no difference, and it
 * costs a few additions a value.  For a deviation the rows are read once more, for the squares
 * of the distances from the mean.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "port/pg_bitutils.h"

#include "load/scan.h"
#include "recipe/fit.h"

/*
 * Digits of 32 bits, the first one in units of 2^-1074; 2^1024 is in the 66th, and the last
 * ones have room for what is carried.  Between carries a digit is more than 32 bits.
 */
#define DIGITS		70
#define DIGIT_MASK	UINT64CONST(0xffffffff)
#define MAX_ADDS	(1 << 28)

typedef struct Exact
{
	int64		digit[DIGITS];
	uint32		adds;			/* since digits were carried */
	double		special;		/* sum of infinities */
	int64		n;
} Exact;

typedef struct Sums
{
	int			n;
	Exact	   *exact;
	const double *mean;			/* squares of distances from them; NULL: the values */
} Sums;

static void
carry(Exact *sum)
{
	for (int i = 0; i < DIGITS - 1; i++)
	{
		int64		low = sum->digit[i] & DIGIT_MASK;

		sum->digit[i + 1] += (sum->digit[i] - low) / (INT64CONST(1) << 32);
		sum->digit[i] = low;
	}
	sum->adds = 0;
}

static void
add(Exact *sum, double value)
{
	uint64		bits;
	uint64		mantissa;
	uint64		low;
	uint64		high;
	int64		sign;
	int			place;

	sum->n++;
	if (!isfinite(value))
	{
		sum->special += value;
		return;
	}
	memcpy(&bits, &value, sizeof(bits));
	place = (bits >> 52) & 0x7ff;
	mantissa = bits & ((UINT64CONST(1) << 52) - 1);
	if (place > 0)
	{
		mantissa |= UINT64CONST(1) << 52;
		place--;
	}
	low = (mantissa & DIGIT_MASK) << (place & 31);
	high = (mantissa >> 32) << (place & 31);
	sign = bits >> 63 ? -1 : 1;
	place >>= 5;
	sum->digit[place] += sign * (int64) (low & DIGIT_MASK);
	sum->digit[place + 1] += sign * (int64) ((low >> 32) + (high & DIGIT_MASK));
	sum->digit[place + 2] += sign * (int64) (high >> 32);
	if (++sum->adds == MAX_ADDS)
		carry(sum);
}

/* The double nearest to the sum. */
static double
result(Exact *sum)
{
	int			top = DIGITS - 1;
	double		sign = 1;
	uint64		high;
	uint64		low;
	int			shift;
	bool		more = false;

	if (sum->special != 0)
		return sum->special;
	carry(sum);
	if (sum->digit[DIGITS - 1] < 0)
	{
		sign = -1;
		for (int i = 0; i < DIGITS; i++)
			sum->digit[i] = -sum->digit[i];
		carry(sum);
	}
	while (top > 2 && sum->digit[top] == 0)
		top--;

	/* the first 64 bits, the last of which says whether there are more */
	high = (uint64) sum->digit[top] << 32 | (uint64) sum->digit[top - 1];
	low = (uint64) sum->digit[top - 2];
	for (int i = 0; i < top - 2; i++)
		more = more || sum->digit[i] != 0;
	if (high == 0)
		return sign * ldexp((double) low, 32 * (top - 2) - 1074);
	shift = 63 - pg_leftmost_one_pos64(high);
	if (shift >= 32)
	{
		high = high << 32 | low;
		low = 0;
		top--;
		shift -= 32;
	}
	high = high << shift | (low << shift) >> 32;
	if (more || ((low << shift) & DIGIT_MASK) != 0)
		high |= 1;
	return sign * ldexp((double) high, 32 * (top - 1) - shift - 1074);
}

static void
take_row(Datum *values, bool *nulls, void *arg)
{
	Sums	   *sums = arg;

	for (int i = 0; i < sums->n; i++)
	{
		double		value;

		if (nulls[i])
			continue;
		value = DatumGetFloat8(values[i]);
		if (sums->mean != NULL)
			value = (value - sums->mean[i]) * (value - sums->mean[i]);
		add(&sums->exact[i], value);
	}
}

static void
scan(Sums *sums, const PfSource *source)
{
	List	   *names = NIL;

	memset(sums->exact, 0, sizeof(Exact) * sums->n);
	for (int i = 0; i < sums->n; i++)
		names = lappend(names, NameStr(TupleDescAttr(source->desc, i)->attname));
	pf_source_scan(source, names, take_row, sums);
}

void
pf_fit_run_sums(PfFit *fit)
{
	List	   *values = NIL;
	bool		deviations = false;
	Sums		sums = {0};
	PfSource   *source;
	double	   *mean;
	ListCell   *lc;

	foreach(lc, fit->asks)
	{
		const PfAsk *ask = lfirst(lc);

		if (ask->kind == PF_ASK_AGGREGATE || pf_names_contain(values, ask->value))
			continue;
		values = lappend(values, ask->value);
	}
	foreach(lc, fit->asks)
		deviations = deviations || ((PfAsk *) lfirst(lc))->kind == PF_ASK_DEVIATION;
	if (values == NIL)
		return;

	source = pf_source_open(pf_program_select(fit->program, values, fit->from));
	sums.n = list_length(values);
	sums.exact = palloc(sizeof(Exact) * sums.n);
	mean = palloc(sizeof(double) * sums.n);
	scan(&sums, source);
	for (int i = 0; i < sums.n; i++)
		mean[i] = sums.exact[i].n > 0 ? result(&sums.exact[i]) / sums.exact[i].n : 0;
	foreach(lc, fit->asks)
	{
		PfAsk	   *ask = lfirst(lc);

		for (int i = 0; i < sums.n && ask->kind == PF_ASK_MEAN; i++)
		{
			if (strcmp(list_nth(values, i), ask->value) == 0)
			{
				ask->null = sums.exact[i].n == 0;
				ask->number = mean[i];
			}
		}
	}
	if (!deviations)
		return;
	sums.mean = mean;
	scan(&sums, source);
	foreach(lc, fit->asks)
	{
		PfAsk	   *ask = lfirst(lc);

		for (int i = 0; i < sums.n && ask->kind == PF_ASK_DEVIATION; i++)
		{
			if (strcmp(list_nth(values, i), ask->value) == 0)
			{
				ask->null = sums.exact[i].n == 0;
				ask->number = ask->null ? 0 : sqrt(result(&sums.exact[i]) / sums.exact[i].n);
			}
		}
	}
}

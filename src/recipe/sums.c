/*
 * sums.c
 *	  Means and standard deviations that do not depend on the order of the rows.
 *
 * Sums are exact, so parallel workers and the order of rows make no difference.  For a deviation
 * the rows are read once more, for the squares of the distances from the mean.
 */
#include "postgres.h"

#include <math.h>

#include "engine/measure/exact.h"
#include "load/scan.h"
#include "recipe/fit.h"

typedef struct Total
{
	PfExact		finite;
	double		infinite;		/* sum of infinities */
	int64		n;
} Total;

typedef struct Sums
{
	int			n;
	Total	   *totals;
	const double *mean;			/* squares of distances from them; NULL: the values */
} Sums;

static void
add(Total *total, double value)
{
	total->n++;
	if (isfinite(value))
		pf_exact_add(&total->finite, value);
	else
		total->infinite += value;
}

static double
average(const Total *total)
{
	if (total->n == 0)
		return 0;
	return (total->infinite != 0 ? total->infinite : pf_exact_value(&total->finite)) / total->n;
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
		add(&sums->totals[i], value);
	}
}

static void
scan(Sums *sums, const PfSource *source)
{
	List	   *names = NIL;

	memset(sums->totals, 0, sizeof(Total) * sums->n);
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
	sums.totals = palloc(sizeof(Total) * sums.n);
	mean = palloc(sizeof(double) * sums.n);
	scan(&sums, source);
	for (int i = 0; i < sums.n; i++)
		mean[i] = average(&sums.totals[i]);
	foreach(lc, fit->asks)
	{
		PfAsk	   *ask = lfirst(lc);

		for (int i = 0; i < sums.n && ask->kind == PF_ASK_MEAN; i++)
		{
			if (strcmp(list_nth(values, i), ask->value) == 0)
			{
				ask->null = sums.totals[i].n == 0;
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
				ask->null = sums.totals[i].n == 0;
				ask->number = sqrt(average(&sums.totals[i]));
			}
		}
	}
}

/*
 * measure_cli.c
 *	  The engine's metrics as a filter, for measure_vs_sklearn.py.
 *
 * Reads one problem from standard input, blanks between all items:
 *	 classes NCLASSES N            then N rows: actual, a share for each class
 *	 values N                      then N rows: actual, predicted
 *	 confusion NCLASSES N          then rows as for classes
 *	 curve NCLASSES N CLASS MAX    then rows as for classes
 * Prints name,class,value,baseline lines; actual,predicted,count lines; or
 * threshold,tpr,fpr,precision,recall lines.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/measure/measure.h"
#include "unit.h"

static void
complain(const char *what)
{
	fprintf(stderr, "measure_cli: %s\n", what);
	exit(2);
}

static unsigned long
read_number(unsigned long max)
{
	unsigned long number;

	if (scanf("%lu", &number) != 1 || number > max)
		complain("expected an integer within its range");
	return number;
}

static double
read_double(void)
{
	char		text[64];
	char	   *end;
	double		value;

	if (scanf("%63s", text) != 1)
		complain("expected a number, not the end");
	value = strtod(text, &end);
	if (*end != '\0')
		complain("expected a number");
	return value;
}

static void
print_metrics(const PfMetrics *metrics)
{
	for (uint32_t i = 0; i < metrics->count; i++)
		printf("%s,%d,%.17g,%.17g\n", metrics->metrics[i].name, metrics->metrics[i].class,
			   metrics->metrics[i].value, metrics->metrics[i].baseline);
	pf_release(unit_env(), metrics->metrics);
}

static void
print_confusion(uint32_t nclasses, size_t n, const uint32_t *actual, const double *shares)
{
	uint64_t   *counts = pf_alloc(unit_env(), sizeof(uint64_t) * nclasses * nclasses);

	pf_confusion(unit_env(), nclasses, n, actual, shares, counts);
	for (uint32_t a = 0; a < nclasses; a++)
	{
		for (uint32_t p = 0; p < nclasses; p++)
			printf("%u,%u,%llu\n", a, p, (unsigned long long) counts[(size_t) a * nclasses + p]);
	}
	pf_release(unit_env(), counts);
}

static void
print_curve(const PfCurve *curve)
{
	for (uint32_t i = 0; i < curve->count; i++)
		printf("%.17g,%.17g,%.17g,%.17g,%.17g\n", curve->threshold[i], curve->tpr[i],
			   curve->fpr[i], curve->precision[i], curve->recall[i]);
	pf_release(unit_env(), curve->threshold);
	pf_release(unit_env(), curve->tpr);
	pf_release(unit_env(), curve->fpr);
	pf_release(unit_env(), curve->precision);
	pf_release(unit_env(), curve->recall);
}

static void
answer_values(void)
{
	size_t		n = read_number(100000000);
	double	   *actual = pf_alloc(unit_env(), n * sizeof(double));
	double	   *predicted = pf_alloc(unit_env(), n * sizeof(double));
	PfMetrics	metrics;

	for (size_t i = 0; i < n; i++)
	{
		actual[i] = read_double();
		predicted[i] = read_double();
	}
	pf_measure_values(unit_env(), n, actual, predicted, &metrics);
	print_metrics(&metrics);
	pf_release(unit_env(), actual);
	pf_release(unit_env(), predicted);
}

static void
answer_classes(const char *what)
{
	uint32_t	nclasses = (uint32_t) read_number(PF_MAX_CLASSES);
	size_t		n = read_number(100000000);
	bool		is_curve = strcmp(what, "curve") == 0;
	uint32_t	class = is_curve ? (uint32_t) read_number(UINT32_MAX) : 0;
	uint32_t	max_points = is_curve ? (uint32_t) read_number(UINT32_MAX) : 0;
	uint32_t   *actual = pf_alloc(unit_env(), n * sizeof(uint32_t));
	double	   *shares = pf_alloc(unit_env(), n * nclasses * sizeof(double));

	if (n > 0 && nclasses == 0)
		complain("rows need a class");
	for (size_t i = 0; i < n; i++)
	{
		actual[i] = (uint32_t) read_number(nclasses - 1);
		for (uint32_t c = 0; c < nclasses; c++)
			shares[i * nclasses + c] = read_double();
	}
	if (is_curve)
	{
		PfCurve		curve;

		pf_curve(unit_env(), nclasses, n, actual, shares, class, max_points, &curve);
		print_curve(&curve);
	}
	else if (strcmp(what, "confusion") == 0)
		print_confusion(nclasses, n, actual, shares);
	else
	{
		PfMetrics	metrics;

		pf_measure_classes(unit_env(), nclasses, n, actual, shares, &metrics);
		print_metrics(&metrics);
	}
	pf_release(unit_env(), actual);
	pf_release(unit_env(), shares);
}

int
main(void)
{
	char		what[16];

	if (scanf("%15s", what) != 1)
		complain("expected a problem");
	if (strcmp(what, "values") == 0)
		answer_values();
	else if (strcmp(what, "classes") == 0 || strcmp(what, "confusion") == 0 ||
			 strcmp(what, "curve") == 0)
		answer_classes(what);
	else
		complain("expected classes, values, confusion or curve");
	if (unit_live_bytes() != 0)
		complain("the engine leaks");
	return 0;
}

/*
 * unit_main.c
 *	  Runs the suites and counts.
 *
 * Usage: unit [suite ...]; without a name, all of them.  Ends with the line
 * "N passed, N failed" and exit status 1 when a check failed.
 */
#include <math.h>
#include <string.h>

#include "unit.h"

static const struct
{
	const char *name;
	void		(*run) (void);
}			suites[] =
{
	{"bins", test_bins},
	{"grow", test_grow},
	{"abreast", test_abreast},
	{"randomcut", test_randomcut},
	{"boost", test_boost},
	{"model", test_model},
	{"encode", test_encode},
	{"walk", test_walk},
	{"golden", test_golden},
	{"exact", test_exact},
	{"measure", test_measure},
	{"paired", test_paired},
	{"distance", test_distance},
	{"profile", test_profile},
	{"calibrate", test_calibrate},
	{"quantile", test_quantile},
	{"view", test_view},
	{"linear", test_linear},
	{"isolation", test_isolation},
};

static uint64_t passed,
			failed;

bool
unit_check(bool ok, const char *file, int line, const char *text)
{
	if (ok)
		passed++;
	else
	{
		failed++;
		printf("%s:%d: not true: %s\n", file, line, text);
	}
	return ok;
}

bool
unit_check_int(int64_t is, int64_t wanted, const char *file, int line, const char *text)
{
	if (is == wanted)
		passed++;
	else
	{
		failed++;
		printf("%s:%d: %s is %lld, not %lld\n", file, line, text, (long long) is, (long long) wanted);
	}
	return is == wanted;
}

bool
unit_check_near(double is, double wanted, double tolerance,
				const char *file, int line, const char *text)
{
	bool		ok = is == wanted || (isnan(is) && isnan(wanted)) ||
		fabs(is - wanted) <= tolerance;

	if (ok)
		passed++;
	else
	{
		failed++;
		printf("%s:%d: %s is %.17g, not %.17g\n", file, line, text, is, wanted);
	}
	return ok;
}

bool
unit_check_text(const char *is, const char *wanted, const char *file, int line, const char *text)
{
	bool		ok = is == wanted || (is != NULL && wanted != NULL && strcmp(is, wanted) == 0);

	if (ok)
		passed++;
	else
	{
		failed++;
		printf("%s:%d: %s is \"%s\", not \"%s\"\n", file, line, text,
			   is != NULL ? is : "(null)", wanted != NULL ? wanted : "(null)");
	}
	return ok;
}

static bool
is_wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
	{
		if (strcmp(argv[i], name) == 0)
			return true;
	}
	return argc == 1;
}

int
main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++)
	{
		bool		known = false;

		for (size_t s = 0; s < sizeof(suites) / sizeof(suites[0]); s++)
			known |= strcmp(argv[i], suites[s].name) == 0;
		if (!known)
		{
			fprintf(stderr, "unit: no suite \"%s\"\n", argv[i]);
			return 2;
		}
	}

	for (size_t s = 0; s < sizeof(suites) / sizeof(suites[0]); s++)
	{
		uint64_t	passed_before = passed,
					failed_before = failed,
					checks_before = unit_interrupt_checks();

		if (!is_wanted(suites[s].name, argc, argv))
			continue;
		if (suites[s].run == NULL)
		{
			printf("%-10s not linked in\n", suites[s].name);
			continue;
		}
		suites[s].run();
		if (!unit_check(unit_live_bytes() == 0, __FILE__, __LINE__, "everything is released"))
			printf("%s leaks %zu bytes\n", suites[s].name, unit_live_bytes());
		unit_release_all();
		printf("%-10s %llu passed, %llu failed (%llu interrupt checks)\n", suites[s].name,
			   (unsigned long long) (passed - passed_before),
			   (unsigned long long) (failed - failed_before),
			   (unsigned long long) (unit_interrupt_checks() - checks_before));
	}
	printf("%llu passed, %llu failed\n", (unsigned long long) passed, (unsigned long long) failed);
	return failed > 0 ? 1 : 0;
}

/*
 * drift.c
 *	  ml_drift: from a source, a profile or rows to the tests of all columns.
 *
 * Against the stored baseline the source becomes a profile (source.c); against another source the
 * values of both are kept (reference.c).
 *
 * Memory: the caller's context.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pgenv.h"
#include "fmgr.h"
#include "funcapi.h"
#include "profile/compare.h"
#include "profile/pairs.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#define REFERENCE_HINT	"A new version has a baseline. Without one ml_drift compares with other rows: reference => 'a table or a query'."

PG_FUNCTION_INFO_V1(ml_drift);
PG_FUNCTION_INFO_V1(ml_drift_profile);

/* ----- options ----- */

static const struct
{
	const char *name;
	uint32		test;
}			test_names[] =
{
	{"auto", 0},
	{"ks", PF_TEST_KS},
	{"chi2", PF_TEST_CHI2},
	{"psi", PF_TEST_PSI},
	{"js", PF_TEST_JS},
	{"wasserstein", PF_TEST_WASSERSTEIN},
};

/* The set of tests that a list like "psi, js" names. */
static uint32
parse_tests(const char *list)
{
	char	   *rest = list ? pstrdup(list) : NULL;
	char	   *word;
	uint32		tests = 0;
	int			n = 0;
	bool		chosen = false;

	while (rest != NULL && (word = strsep(&rest, ",")) != NULL)
	{
		int			i;

		while (*word == ' ')
			word++;
		while (*word != '\0' && word[strlen(word) - 1] == ' ')
			word[strlen(word) - 1] = '\0';
		for (i = 0; i < (int) lengthof(test_names); i++)
		{
			if (strcmp(word, test_names[i].name) == 0)
				break;
		}
		if (i == (int) lengthof(test_names))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unrecognized test \"%s\"", word),
					 errhint("The tests are \"ks\", \"chi2\", \"psi\", \"js\", \"wasserstein\", and \"auto\" by itself.")));
		chosen |= i == 0;
		tests |= test_names[i].test;
		n++;
	}
	if (chosen && n > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"auto\" cannot be combined with other tests"),
				 errhint("It chooses a test for each column; name the tests instead.")));
	return tests;
}

static PfRules
parse_rules(const PfDriftOptions *options)
{
	PfRules		rules = {.tests = parse_tests(options->tests),.threshold = options->threshold};

	if (options->correction == NULL || strcmp(options->correction, "bonferroni") == 0)
		rules.correction = PF_CORRECT_BONFERRONI;
	else if (strcmp(options->correction, "fdr") == 0)
		rules.correction = PF_CORRECT_FDR;
	else if (strcmp(options->correction, "none") == 0)
		rules.correction = PF_CORRECT_NONE;
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized correction \"%s\"", options->correction),
				 errhint("The corrections are \"bonferroni\", \"fdr\" and \"none\".")));
	if (!isnan(rules.threshold) && !(rules.threshold > 0 && isfinite(rules.threshold)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("threshold must be above 0, not %g", rules.threshold),
				 errhint("Leave it out for the threshold of each test.")));
	return rules;
}

/* ----- from pairs of columns to rows ----- */

/* The row of the whole slice: the share of features that drifted, and whether anything did. */
static PfDriftRow *
summarize(const PfWatched *watched, List *rows, const char *slice, int64 reference_rows, int64 current_rows)
{
	PfDriftRow *whole = palloc0(sizeof(PfDriftRow));
	const char *last = NULL;
	double		features = 0;
	double		drifted = 0;
	ListCell   *lc;

	foreach(lc, rows)
	{
		const PfDriftRow *row = lfirst(lc);

		whole->drifted |= row->drifted;
		if (row->feature[0] == '(')
			continue;
		features += row->feature != last;
		last = row->feature;
	}
	last = NULL;
	foreach(lc, rows)
	{
		const PfDriftRow *row = lfirst(lc);

		if (row->feature[0] == '(' || !row->drifted || row->feature == last)
			continue;
		drifted++;
		last = row->feature;
	}
	whole->feature = "(all)";
	whole->test = "any";
	whole->slice = slice;
	whole->statistic = features > 0 ? drifted / features : NAN;
	whole->p_value = whole->effect = whole->threshold = NAN;
	whole->reference_rows = reference_rows;
	whole->current_rows = current_rows;
	return whole;
}

static List *
drift_rows(const PfWatched *watched, const PfRules *rules, List *slices)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	List	   *all = NIL;
	List	   *result = NIL;
	List	   *parts = NIL;
	ListCell   *lc;
	ListCell   *part;

	foreach(lc, slices)
	{
		const PfPairs *pairs = lfirst(lc);
		List	   *rows = NIL;

		for (uint32 i = 0; i < pairs->npairs; i++)
		{
			if (i % 64 == 0)
				pf_check_interrupts();
			rows = pf_compare_column(env, rules, &pairs->pairs[i], rows);
		}
		parts = lappend(parts, rows);
		all = list_concat(all, rows);
	}

	/* one family: all tests of the call */
	pf_judge(env, rules, all);
	forboth(lc, slices, part, parts)
	{
		const PfPairs *pairs = lfirst(lc);
		List	   *rows = lfirst(part);

		result = list_concat(result, rows);
		result = lappend(result, summarize(watched, rows, pairs->slice, pairs->rows[0], pairs->rows[1]));
	}
	return result;
}

/* The cells of a number between those for what is beyond all of training. */
static void
add_outer_cells(const PfFrame *frame, const PfTally *const *tallies, PfColumnPair *pair)
{
	uint32		n = frame->ncells;

	pair->few = pf_frame_is_few(frame);
	pair->ncells = n + 2;
	pair->places = palloc0((n + 2) * sizeof(double));
	if (n == 0)
		return;
	memcpy(pair->places + 1, frame->places, n * sizeof(double));
	/* how far beyond, the means tell */
	pair->places[0] = frame->places[0];
	pair->places[n + 1] = frame->places[n - 1];
	for (int side = 0; side < 2; side++)
	{
		pair->cells[side][0] = tallies[side]->below;
		pair->cells[side][1] -= tallies[side]->below;
		pair->cells[side][n] -= tallies[side]->above;
		pair->cells[side][n + 1] = tallies[side]->above;
	}
}

/* The columns of a profile beside those of the baseline. */
static PfPairs *
pair_profiles(const PfWatched *watched, const PfProfile *profile, const char *slice)
{
	PfPairs    *pairs = palloc0(sizeof(PfPairs));

	pairs->slice = slice;
	pairs->pairs = palloc0(watched->ncolumns * sizeof(PfColumnPair));
	for (uint32 i = 0; i < watched->ncolumns; i++)
	{
		const PfFrame *frame = &watched->frames[i];
		const PfTally *tallies[] = {&watched->baseline.tallies[i], &profile->tallies[i]};
		PfColumnPair *pair = &pairs->pairs[pairs->npairs];

		/* a target that is not among the source's columns */
		if (!frame->present || (i >= watched->model->nfeatures && tallies[1]->rows == 0))
			continue;
		pairs->npairs++;
		pair->feature = pf_watched_name(watched, i);
		pair->slice = slice;
		pair->number = frame->kind == PF_NUMBER;
		for (int side = 0; side < 2; side++)
		{
			pair->rows[side] = tallies[side]->rows;
			pair->missing[side] = tallies[side]->missing;
			pair->cells[side] = palloc0((frame->ncells + 2) * sizeof(uint64));
			memcpy(pair->cells[side] + (pair->number ? 1 : 0), tallies[side]->cells,
				   frame->ncells * sizeof(uint64));
			pf_tally_moments(frame, tallies[side], &pair->mean[side], &pair->sd[side]);
			if (i < watched->model->nfeatures)
				pairs->rows[side] = Max(pairs->rows[side], (int64) tallies[side]->rows);
		}

		pair->ncells = frame->ncells;
		if (pair->number)
			add_outer_cells(frame, tallies, pair);

		/*
		 * Of further rows like those of training, this many would have categories that it did not
		 * have: as many as it had once (Good and Turing).
		 */
		pair->unseen[0] = frame->singles;
		pair->unseen[1] = pair->apart = tallies[1]->unseen;
	}
	return pairs;
}

/* ----- the calls ----- */

static void
refuse_no_rows(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("the %s has no rows", what),
			 errhint("If row-level security applies to it, you see only the rows that its policies show you.")));
}

static bool
has_reference_rows(const List *slices)
{
	ListCell   *lc;

	foreach(lc, slices)
	{
		if (((const PfPairs *) lfirst(lc))->rows[0] > 0)
			return true;
	}
	return false;
}

List *
pf_drift(const PfVersionInfo *version, const char *text, const PfDriftOptions *options)
{
	PfRules		rules = parse_rules(options);
	PfSource   *source = pf_watched_source(version, text);
	PfSource   *reference = options->reference ? pf_watched_source(version, options->reference) : NULL;
	PfWatched  *watched = pf_watch(version);
	List	   *slices;

	if (reference == NULL)
		pf_watch_need_baseline(watched, REFERENCE_HINT);
	pf_check_pair_columns(watched, source, options->by, "source");
	if (reference != NULL)
	{
		pf_check_pair_columns(watched, reference, options->by, "reference");
		slices = pf_pair_sources(watched, reference, source, options->by);
		if (slices != NIL && !has_reference_rows(slices))
			refuse_no_rows("reference");
	}
	else
	{
		List	   *profiles = pf_profile_source(watched, source, options->by);
		ListCell   *lc;

		slices = NIL;
		foreach(lc, profiles)
		{
			const PfSliceProfile *profile = lfirst(lc);

			slices = lappend(slices, pair_profiles(watched, &profile->profile, profile->slice));
		}
	}
	if (slices == NIL)
		refuse_no_rows("source");
	return drift_rows(watched, &rules, slices);
}

List *
pf_drift_of_profile(const PfVersionInfo *version, const bytea *bytes, const PfDriftOptions *options)
{
	PfRules		rules = parse_rules(options);
	PfWatched  *watched = pf_watch(version);
	PfProfile	profile;

	pf_watch_need_baseline(watched, REFERENCE_HINT);
	pf_watch_read(watched, bytes, &profile);
	return drift_rows(watched, &rules, list_make1(pair_profiles(watched, &profile, NULL)));
}

struct PfDriftWatch
{
	PfRules		rules;
	PfWatched  *watched;
	PfProfiler *profiler;
	MemoryContext context;
	int64		rows;
};

PfDriftWatch *
pf_drift_start(const PfVersionInfo *version, TupleDesc desc, const PfDriftOptions *options)
{
	PfDriftWatch *watch = palloc0(sizeof(PfDriftWatch));

	watch->rules = parse_rules(options);
	watch->context = CurrentMemoryContext;
	watch->watched = pf_watch(version);
	pf_watch_need_baseline(watch->watched, REFERENCE_HINT);
	watch->profiler = pf_profiler_create(watch->context, watch->watched, desc);
	return watch;
}

void
pf_drift_add(PfDriftWatch *watch, const Datum *values, const bool *nulls)
{
	pf_profiler_add(watch->profiler, values, nulls);
	watch->rows++;
}

List *
pf_drift_finish(PfDriftWatch *watch)
{
	PfPairs    *pairs;

	if (watch->rows == 0)
		refuse_no_rows("source");
	pairs = pair_profiles(watch->watched, pf_profiler_profile(watch->profiler), NULL);
	return drift_rows(watch->watched, &watch->rules, list_make1(pairs));
}

bool
pf_drift_found(List *rows)
{
	ListCell   *lc;

	foreach(lc, rows)
	{
		if (((PfDriftRow *) lfirst(lc))->drifted)
			return true;
	}
	return false;
}

static void
put_double(Datum *values, bool *nulls, int column, double value)
{
	nulls[column] = isnan(value);
	values[column] = Float8GetDatum(value);
}

static Datum
return_rows(FunctionCallInfo fcinfo, List *rows)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, rows)
	{
		const PfDriftRow *row = lfirst(lc);
		Datum		values[10];
		bool		nulls[10] = {false};

		CHECK_FOR_INTERRUPTS();
		values[0] = CStringGetTextDatum(row->feature);
		values[1] = CStringGetTextDatum(row->test);
		put_double(values, nulls, 2, row->statistic);
		put_double(values, nulls, 3, row->p_value);
		put_double(values, nulls, 4, row->threshold);
		values[5] = BoolGetDatum(row->drifted);
		values[6] = Int64GetDatum(row->reference_rows);
		values[7] = Int64GetDatum(row->current_rows);
		put_double(values, nulls, 8, row->effect);
		nulls[9] = row->slice == NULL;
		if (!nulls[9])
			values[9] = CStringGetTextDatum(row->slice);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

static void
resolve_model(FunctionCallInfo fcinfo, PfVersionInfo *version)
{
	static const char *const names[] = {"model", "source"};

	for (int i = 0; i < 2; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not be null", names[i])));
	}
	pf_catalog_resolve(text_to_cstring(PG_GETARG_TEXT_PP(0)), PF_RIGHT_PREDICT, version);
}

/* Arguments n, n + 1, n + 2. */
static void
read_options(FunctionCallInfo fcinfo, int n, PfDriftOptions *options)
{
	if (!PG_ARGISNULL(n))
		options->tests = text_to_cstring(PG_GETARG_TEXT_PP(n));
	if (!PG_ARGISNULL(n + 1))
	{
		options->threshold = PG_GETARG_FLOAT8(n + 1);
		if (isnan(options->threshold))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("threshold must be above 0, not NaN"),
					 errhint("Leave it out for the threshold of each test.")));
	}
	if (!PG_ARGISNULL(n + 2))
		options->correction = text_to_cstring(PG_GETARG_TEXT_PP(n + 2));
}

/* ml_drift(model text, source text, reference text, tests text, threshold float8, correction text, by text[]) */
Datum
ml_drift(PG_FUNCTION_ARGS)
{
	PfDriftOptions options = PF_DRIFT_DEFAULTS;
	PfVersionInfo version;

	resolve_model(fcinfo, &version);
	if (!PG_ARGISNULL(2))
		options.reference = text_to_cstring(PG_GETARG_TEXT_PP(2));
	read_options(fcinfo, 3, &options);
	if (!PG_ARGISNULL(6))
		options.by = pf_column_names(PG_GETARG_ARRAYTYPE_P(6), "by");
	return return_rows(fcinfo, pf_drift(&version, text_to_cstring(PG_GETARG_TEXT_PP(1)), &options));
}

/* ml_drift(model text, profile bytea, tests text, threshold float8, correction text) */
Datum
ml_drift_profile(PG_FUNCTION_ARGS)
{
	PfDriftOptions options = PF_DRIFT_DEFAULTS;
	PfVersionInfo version;

	resolve_model(fcinfo, &version);
	read_options(fcinfo, 2, &options);
	return return_rows(fcinfo, pf_drift_of_profile(&version, PG_GETARG_BYTEA_PP(1), &options));
}

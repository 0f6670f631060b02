/*
 * compare.c
 *	  The tests of one column, and which of all of them are alarms.
 *
 * What tells drift from chance is the p-value; what tells drift that matters from drift
 * that does not is the effect, since among a million rows the least difference is
 * significant.  By default a column drifts if it does by both.  docs/monitoring.md gives the
 * reasons, and figures.
 *
 * NULL is a cell of chi-squared, PSI and Jensen-Shannon, and so are categories that the
 * reference does not have.  The tests of numbers by their order leave both out, so
 * by default shares of NULL and of new categories are tested by themselves.
 */
#include "postgres.h"

#include <math.h>

#include "engine/bins/cuts.h"
#include "profile/compare.h"

#define LEVEL			0.05	/* of significance, before it is corrected */
#define FEW_ROWS		1000	/* below it p-values say enough */
#define GROUPS			10		/* of a number for chi-squared, PSI and Jensen-Shannon */
#define LEAST_EXPECTED	5.0		/* rows in a cell, or chi-squared by itself is too bold */

/* Effects from which on a difference matters. */
#define LEAST_MOVED		0.1		/* Wasserstein in standard deviations of the reference */
#define LEAST_SHARE		0.03	/* of the rows in other categories */
#define LEAST_MISSING	0.02	/* of the rows */
#define LEAST_UNSEEN	0.005
#define LEAST_PSI		0.1
#define LEAST_JS		0.1

/* Counts of a column as categories: its cells or groups, NULL, new values. */
typedef struct Cells
{
	uint32		n;
	uint64	   *counts[2];		/* with room for two more than the groups and the pair's cells have */
} Cells;

/* Values of one side that are there and known to the other. */
static double
known(const PfColumnPair *pair, int side)
{
	return pair->values[side] ? pair->nvalues[side] : pf_total(pair->ncells, pair->cells[side]);
}

/* ----- cells and groups ----- */

/* Sorted values by groups of about equal counts in the reference, and those beyond it. */
static void
group_values(const PfEnv *env, const PfColumnPair *pair, Cells *cells)
{
	double	   *copy = pf_alloc(env, (pair->nvalues[0] + 1) * sizeof(double));
	PfBins		bins;

	pf_copy(env, copy, pair->values[0], pair->nvalues[0] * sizeof(double));
	pf_cut_numbers(env, copy, pair->nvalues[0], GROUPS, &bins);
	pf_release(env, copy);
	cells->n = bins.nbins + 2;
	for (int side = 0; side < 2 && bins.nbins > 0; side++)
	{
		uint32		group = 0;

		for (size_t i = 0; i < pair->nvalues[side]; i++)
		{
			double		value = pair->values[side][i];

			if (i % 65536 == 0)
				pf_check(env);
			while (group + 1 < bins.nbins && value > bins.cuts[group])
				group++;
			cells->counts[side][value < pair->values[0][0] ? 0 :
								value > pair->values[0][pair->nvalues[0] - 1] ? bins.nbins + 1 :
								group + 1]++;
		}
	}
	if (bins.nbins == 0)
		cells->counts[1][0] = pair->nvalues[1];
}

/* Neighbouring cells into groups of about equal counts in the reference, but for the outer two. */
static void
group_cells(const PfColumnPair *pair, Cells *cells)
{
	double		share = (double) pf_total(pair->ncells, pair->cells[0]) / GROUPS;
	double		before = 0;

	for (uint32 c = 0; c < pair->ncells; c++)
	{
		uint32		group = c == 0 ? 0 : c == pair->ncells - 1 ? GROUPS + 1
			: 1 + Min((uint32) ((before + pair->cells[0][c] / 2.0) / Max(share, 1e-9)), GROUPS - 1);

		before += pair->cells[0][c];
		cells->counts[0][group] += pair->cells[0][c];
		cells->counts[1][group] += pair->cells[1][c];
	}
	cells->n = GROUPS + 2;
}

/* All rows by cell: values, NULL, new ones. */
static Cells
make_cells(const PfEnv *env, const PfColumnPair *pair)
{
	Cells		cells;
	Size		size = (Max(pair->ncells, GROUPS + 2) + 2) * sizeof(uint64);

	for (int side = 0; side < 2; side++)
		cells.counts[side] = palloc0(size);
	if (pair->number && !pair->few && pair->values[0] != NULL)
		group_values(env, pair, &cells);
	else if (pair->number && !pair->few)
		group_cells(pair, &cells);
	else
	{
		cells.n = pair->ncells;
		for (int side = 0; side < 2; side++)
			memcpy(cells.counts[side], pair->cells[side], cells.n * sizeof(uint64));
	}
	for (int side = 0; side < 2; side++)
	{
		cells.counts[side][cells.n] = pair->missing[side];
		cells.counts[side][cells.n + 1] = side == 0 ? 0 : pair->apart;
	}
	cells.n += 2;
	return cells;
}

/* Rare cells together, so that the p-value can be trusted. */
static Cells
pool_rare(const Cells *cells)
{
	double		rows[2] = {pf_total(cells->n, cells->counts[0]), pf_total(cells->n, cells->counts[1])};
	double		smaller = Min(rows[0], rows[1]) / (rows[0] + rows[1]);
	Cells		pooled;
	uint64		rest[2] = {0, 0};

	pooled.n = 0;
	for (int side = 0; side < 2; side++)
		pooled.counts[side] = palloc((cells->n + 1) * sizeof(uint64));
	for (uint32 c = 0; c < cells->n; c++)
	{
		double		both = (double) cells->counts[0][c] + (double) cells->counts[1][c];

		for (int side = 0; side < 2; side++)
		{
			if (both * smaller < LEAST_EXPECTED)
				rest[side] += cells->counts[side][c];
			else
				pooled.counts[side][pooled.n] = cells->counts[side][c];
		}
		pooled.n += both * smaller >= LEAST_EXPECTED;
	}

	/* the rest may be rare, too: then it goes with the last */
	if ((rest[0] + rest[1]) * smaller < LEAST_EXPECTED && pooled.n > 0)
		pooled.n--;
	else
		pooled.counts[0][pooled.n] = pooled.counts[1][pooled.n] = 0;
	for (int side = 0; side < 2; side++)
		pooled.counts[side][pooled.n] += rest[side];
	pooled.n++;
	return pooled;
}

/* ----- the tests ----- */

static PfDriftRow *
make_row(const PfColumnPair *pair, const char *test)
{
	PfDriftRow *row = palloc0(sizeof(PfDriftRow));

	row->feature = pair->feature;
	row->slice = pair->slice;
	row->test = test;
	row->statistic = row->p_value = row->threshold = row->effect = row->least = NAN;
	row->reference_rows = (int64) pair->rows[0];
	row->current_rows = (int64) pair->rows[1];
	return row;
}

static void
ks(const PfEnv *env, const PfColumnPair *pair, double *statistic, double *p)
{
	if (pair->values[0])
	{
		*statistic = pf_ks_samples(env, pair->values[0], pair->nvalues[0], pair->values[1], pair->nvalues[1]);
		*p = pf_ks_p_samples(env, *statistic, pair->nvalues[0], pair->nvalues[1]);
	}
	else
	{
		*statistic = pf_ks_counts(pair->ncells, pair->cells[0], pair->cells[1]);
		*p = pf_ks_p(*statistic, known(pair, 0), known(pair, 1));
	}
}

/*
 * How far values moved, in standard deviations of the reference.  Counts do not show what
 * moves within a cell; the means do, and they are never further apart than all values are.
 */
static double
moved(const PfEnv *env, const PfColumnPair *pair)
{
	double		distance = pair->values[0] ?
	pf_wasserstein_samples(env, pair->values[0], pair->nvalues[0], pair->values[1], pair->nvalues[1]) :
	pf_wasserstein_counts(pair->ncells, pair->cells[0], pair->cells[1], pair->places);

	if (pair->values[0] == NULL && fabs(pair->mean[1] - pair->mean[0]) > distance)
		distance = fabs(pair->mean[1] - pair->mean[0]);
	/* of one value there is no deviation, and any other is infinitely far */
	return distance == 0 || isnan(distance) ? distance : distance / pair->sd[0];
}

/*
 * The p-value of counts and of the means together: what moves within cells shows in the
 * means only.  One of two may be small by chance, so the smaller is doubled.
 */
static double
with_means(const PfColumnPair *pair, double p)
{
	double		error = sqrt(pair->sd[0] * pair->sd[0] / known(pair, 0) + pair->sd[1] * pair->sd[1] / known(pair, 1));
	double		apart = fabs(pair->mean[1] - pair->mean[0]);
	double		of_means = error > 0 ? erfc(apart / error / M_SQRT2) : apart > 0 ? 0 : 1;

	if (isnan(apart) || isnan(error))
		return p;
	return fmin(1, 2 * fmin(p, of_means));
}

/* By default: as few rows are judged by the p-value, many by how far or how many. */
static List *
choose_test(const PfEnv *env, const PfColumnPair *pair, const Cells *cells, List *rows)
{
	bool		few = Min(known(pair, 0), known(pair, 1)) < FEW_ROWS;
	PfDriftRow *row;

	if (pair->number && !pair->few)
	{
		row = make_row(pair, few ? "ks" : "wasserstein");
		ks(env, pair, &row->statistic, &row->p_value);
		if (pair->values[0] == NULL)
			row->p_value = with_means(pair, row->p_value);
		row->effect = moved(env, pair);
		row->least = LEAST_MOVED;
	}
	else
	{
		Cells		pooled = pool_rare(cells);

		row = make_row(pair, few ? "chi2" : "wasserstein");
		row->statistic = pf_chi2(pooled.n, pooled.counts[0], pooled.counts[1], &row->p_value);
		row->effect = pf_total_variation(cells->n, cells->counts[0], cells->counts[1]);
		row->least = LEAST_SHARE;
	}
	if (!few)
		row->statistic = row->effect;
	row->significant = true;
	return lappend(rows, row);
}

/* Is a share of the rows another than it was? */
static List *
test_share(const PfColumnPair *pair, const char *test, const uint64_t *count, double least, List *rows)
{
	const uint64 reference[] = {count[0], pair->rows[0] - count[0]};
	const uint64 current[] = {count[1], pair->rows[1] - count[1]};
	PfDriftRow *row = make_row(pair, test);

	if (pair->rows[0] == 0 || pair->rows[1] == 0)
		return rows;
	pf_chi2(2, reference, current, &row->p_value);
	row->statistic = (double) count[1] / pair->rows[1] - (double) count[0] / pair->rows[0];
	row->effect = fabs(row->statistic);
	/* fewer new values than expected are no alarm */
	if (strcmp(test, "unseen") == 0 && row->statistic < 0)
		row->effect = 0;
	row->significant = true;
	row->least = least;
	return lappend(rows, row);
}

/* The tests that were asked for by name. */
static List *
run_tests(const PfEnv *env, uint32 tests, const PfColumnPair *pair, const Cells *cells, List *rows)
{
	double		effect = pair->number ? moved(env, pair)
		: pf_total_variation(cells->n, cells->counts[0], cells->counts[1]);

	for (uint32 test = PF_TEST_KS; test <= PF_TEST_WASSERSTEIN; test <<= 1)
	{
		PfDriftRow *row;

		if ((tests & test) == 0)
			continue;
		/* categories have no order */
		if (test == PF_TEST_KS && !pair->number)
		{
			if (tests & PF_TEST_CHI2)
				continue;
			row = make_row(pair, "chi2");
			row->statistic = pf_chi2(cells->n, cells->counts[0], cells->counts[1], &row->p_value);
			row->significant = true;
			row->effect = effect;
			rows = lappend(rows, row);
			continue;
		}
		switch (test)
		{
			case PF_TEST_KS:
				row = make_row(pair, "ks");
				ks(env, pair, &row->statistic, &row->p_value);
				row->significant = true;
				break;
			case PF_TEST_CHI2:
				row = make_row(pair, "chi2");
				row->statistic = pf_chi2(cells->n, cells->counts[0], cells->counts[1], &row->p_value);
				row->significant = true;
				break;
			case PF_TEST_PSI:
				row = make_row(pair, "psi");
				row->statistic = pf_psi(cells->n, cells->counts[0], cells->counts[1]);
				row->least = LEAST_PSI;
				break;
			case PF_TEST_JS:
				row = make_row(pair, "js");
				row->statistic = pf_jensen_shannon(cells->n, cells->counts[0], cells->counts[1]);
				row->least = LEAST_JS;
				break;
			default:
				row = make_row(pair, "wasserstein");
				row->statistic = effect;
				row->least = pair->number ? LEAST_MOVED : LEAST_SHARE;
				break;
		}
		row->effect = effect;
		rows = lappend(rows, row);
	}
	return rows;
}

List *
pf_compare_column(const PfEnv *env, const PfRules *rules, const PfColumnPair *pair, List *rows)
{
	Cells		cells = make_cells(env, pair);

	if (rules->tests != 0)
		return run_tests(env, rules->tests, pair, &cells, rows);
	rows = choose_test(env, pair, &cells, rows);
	if (pair->missing[0] > 0 || pair->missing[1] > 0)
		rows = test_share(pair, "missing", pair->missing, LEAST_MISSING, rows);
	if (pair->unseen[1] > 0)
		rows = test_share(pair, "unseen", pair->unseen, LEAST_UNSEEN, rows);
	return rows;
}

/* ----- the judgement ----- */

static void
judge_row(const PfRules *rules, PfDriftRow *row, double bound)
{
	bool		chosen = rules->tests == 0;
	double		least = chosen && !isnan(rules->threshold) && strcmp(row->test, "missing") != 0 &&
		strcmp(row->test, "unseen") != 0 ? rules->threshold : row->least;

	/* by p-value alone */
	if (isnan(row->least))
	{
		row->threshold = bound;
		row->drifted = row->p_value <= bound;
		return;
	}
	if (!row->significant)
	{
		row->threshold = isnan(rules->threshold) ? row->least : rules->threshold;
		row->drifted = row->statistic >= row->threshold;
		return;
	}
	row->threshold = strcmp(row->test, "ks") == 0 || strcmp(row->test, "chi2") == 0 ? bound : least;
	row->drifted = row->p_value <= bound && row->effect >= least;
}

void
pf_judge(const PfEnv *env, const PfRules *rules, List *rows)
{
	double	   *p = palloc((list_length(rows) + 1) * sizeof(double));
	size_t		n = 0;
	double		level = rules->tests != 0 && !isnan(rules->threshold) ? rules->threshold : LEVEL;
	double		bound;
	ListCell   *lc;

	foreach(lc, rows)
	{
		const PfDriftRow *row = lfirst(lc);

		if (row->significant && !isnan(row->p_value))
			p[n++] = row->p_value;
	}
	bound = pf_significant_up_to(env, rules->correction, level, p, n);
	foreach(lc, rows)
		judge_row(rules, lfirst(lc), bound);
	pfree(p);
}

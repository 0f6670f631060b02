/*
 * paired.c
 *	  Both models' metrics in each of many resamples of the rows; see paired.h.
 *
 * Nothing is drawn row by row: the weights of a resample are laid out once and every row is
 * looked at once for the metrics that are sums, in its order by score for each that is an area.
 * For 100,000 rows of two classes and 1,000 resamples that is some 10^8 rows each.
 *
 * Memory: what a row contributes to the sums, 5 bytes and for each model up to 28, and of a regression 16; then
 * what the areas take, 21 bytes, of one class and model at a time.
 */
#include <string.h>

#include "engine/bins/sort.h"
#include "engine/grow/random.h"
#include "engine/measure/paired.h"
#include "engine/measure/parts.h"
#include "engine/walk/walk.h"

#define WEIGHT_BITS		16
#define MOST_WEIGHT		8
#define FEW_CLASSES		16
#define LANES			4		/* sums that go side by side */
#define MOST_METRICS	10
#define LEAST_DEFINED	0.95

/* Ends a run of rows with equal scores; is of the class. */
#define ENDS_RUN		1
#define IS_POSITIVE		2

/* What the rows contribute to the sums of one model, in their order. */
typedef struct Parts
{
	PfMargins	margins;		/* of the resample at hand */
	uint32_t   *cell;			/* of the confusion matrix */
	double	   *first;			/* log loss, or squared error */
	double	   *second;			/* Brier, or absolute error */
	double	   *third;			/* relative error */
} Parts;

typedef struct Bootstrap
{
	const PfEnv *env;
	const PfPaired *paired;
	size_t		n;
	uint32_t	resamples;
	uint64_t	seed;
	uint32_t   *order;			/* rows in an order of their own */
	uint8_t    *table;			/* a weight for each number of WEIGHT_BITS */
	uint8_t    *weight;			/* of each row in that order, in the resample at hand */
	double		total;			/* of the weights */
	double	   *offset;			/* values less the first, and their squares */
	double	   *square;
	PfPairedMetric *metrics;
	uint32_t	nmetrics;
} Bootstrap;

/* ----- weights ----- */

/* How many of the 2^WEIGHT_BITS numbers give at most a weight, of a Poisson variable of mean 1. */
static void
fill_table(uint8_t *table)
{
	double		chance = exp(-1),
				sum = 0;
	uint32_t	number = 0;

	for (uint32_t weight = 0; weight <= MOST_WEIGHT; weight++)
	{
		uint32_t	end;

		sum += chance;
		chance /= weight + 1;
		end = weight == MOST_WEIGHT ? 1 << WEIGHT_BITS : (uint32_t) (sum * (1 << WEIGHT_BITS) + 0.5);
		while (number < end)
			table[number++] = (uint8_t) weight;
	}
}

/* The weights of a resample: of four rows by one random number, or of each group by one. */
static void
draw_weights(Bootstrap *bootstrap, uint32_t resample)
{
	uint64_t	stream = pf_random_stream(bootstrap->seed, PF_CHOOSE_RESAMPLES, resample, 0);
	const uint64_t *group = bootstrap->paired->group;
	const uint8_t *table = bootstrap->table;
	uint8_t    *weight = bootstrap->weight;
	uint64_t	mask = (1 << WEIGHT_BITS) - 1;
	uint64_t	total = 0;

	for (size_t start = 0; start < bootstrap->n; start += PF_CHUNK)
	{
		size_t		end = start + PF_CHUNK < bootstrap->n ? start + PF_CHUNK : bootstrap->n;
		size_t		i = start;

		pf_check(bootstrap->env);
		if (group != NULL)
		{
			for (; i < end; i++)
				weight[i] = table[pf_random(stream, group[bootstrap->order[i]]) & mask];
			continue;
		}
		for (; i + 4 <= end; i += 4)
		{
			uint64_t	random = pf_random(stream, i);

			weight[i] = table[random & mask];
			weight[i + 1] = table[random >> 16 & mask];
			weight[i + 2] = table[random >> 32 & mask];
			weight[i + 3] = table[random >> 48];
		}
		for (; i < end; i++)
			weight[i] = table[pf_random(stream, i) & mask];
	}
	for (size_t i = 0; i < bootstrap->n; i++)
		total += weight[i];
	bootstrap->total = (double) total;
}

static uint64_t
hash_double(uint64_t hash, double value)
{
	return pf_hash_combine(hash, pf_hash_number(value));
}

/* Rows by what is true and predicted of them; those that agree in all of it may be exchanged. */
static void
put_in_order(Bootstrap *bootstrap)
{
	const PfEnv *env = bootstrap->env;
	const PfPaired *paired = bootstrap->paired;
	PfItem	   *items = pf_alloc(env, bootstrap->n * sizeof(PfItem));

	for (size_t i = 0; i < bootstrap->n; i++)
	{
		uint64_t	hash = paired->group ? paired->group[i] : PF_HASH_START;

		if (i % 1024 == 0)
			pf_check(env);
		if (paired->nclasses[0] > 0)
		{
			hash = pf_hash_combine(hash, paired->actual[0][i]);
			for (int m = 0; m < 2; m++)
				for (uint32_t c = 0; c < paired->nclasses[m]; c++)
					hash = hash_double(hash, paired->shares[m][i * paired->nclasses[m] + c]);
		}
		else
		{
			hash = hash_double(hash, paired->value[i]);
			for (int m = 0; m < 2; m++)
				hash = hash_double(hash, paired->predicted[m][i]);
		}
		items[i].key = hash;
		items[i].index = (uint32_t) i;
	}
	pf_sort_items(env, items, bootstrap->n);
	for (size_t i = 0; i < bootstrap->n; i++)
		bootstrap->order[i] = items[i].index;
	pf_release(env, items);
}

/* ----- metrics that are sums ----- */

static bool
is_wanted(const Bootstrap *bootstrap, const char *name)
{
	for (uint32_t i = 0; i < bootstrap->nmetrics; i++)
		if (strcmp(bootstrap->metrics[i].name, name) == 0)
			return true;
	return false;
}

static void
keep(Bootstrap *bootstrap, const char *name, int model, uint32_t resample, double value)
{
	for (uint32_t i = 0; i < bootstrap->nmetrics; i++)
		if (strcmp(bootstrap->metrics[i].name, name) == 0)
			bootstrap->metrics[i].values[model][resample] = value;
}

static double *
make_column(const Bootstrap *bootstrap, bool wanted)
{
	return wanted ? pf_alloc(bootstrap->env, bootstrap->n * sizeof(double)) : NULL;
}

static void
list_parts(Bootstrap *bootstrap, int model, Parts *parts)
{
	const PfEnv *env = bootstrap->env;
	const PfPaired *paired = bootstrap->paired;
	uint32_t	nclasses = paired->nclasses[model];

	memset(parts, 0, sizeof(Parts));
	parts->first = make_column(bootstrap, is_wanted(bootstrap, "log_loss") ||
							   is_wanted(bootstrap, "rmse") || is_wanted(bootstrap, "r2"));
	parts->second = make_column(bootstrap, is_wanted(bootstrap, "brier") || is_wanted(bootstrap, "mae"));
	parts->third = make_column(bootstrap, is_wanted(bootstrap, "mape"));
	if (nclasses > 0)
	{
		parts->cell = pf_alloc(env, bootstrap->n * sizeof(uint32_t));
		parts->margins.nclasses = nclasses;
		parts->margins.actual = pf_alloc(env, 3 * (size_t) nclasses * sizeof(double));
		parts->margins.predicted = parts->margins.actual + nclasses;
		parts->margins.correct = parts->margins.predicted + nclasses;
	}
	for (size_t i = 0; i < bootstrap->n; i++)
	{
		size_t		row = bootstrap->order[i];
		double		loss[2] = {0, 0};

		if (i % 1024 == 0)
			pf_check(env);
		if (nclasses > 0)
		{
			const double *shares = paired->shares[model] + row * nclasses;
			uint32_t	actual = paired->actual[model][row];

			parts->cell[i] = actual * nclasses + pf_best_class(shares, nclasses);
			if (parts->first || parts->second)
				pf_share_losses(nclasses, shares, actual, &loss[0], &loss[1]);
		}
		else
		{
			double		miss = paired->value[row] - paired->predicted[model][row];

			loss[0] = miss * miss;
			loss[1] = fabs(miss);
		}
		if (parts->first)
			parts->first[i] = loss[0];
		if (parts->second)
			parts->second[i] = loss[1];
		if (parts->third)
			parts->third[i] = loss[1] * pf_relative_weight(paired->value[row]);
	}
}

static void
release_parts(const PfEnv *env, Parts *parts)
{
	pf_release(env, parts->cell);
	pf_release(env, parts->margins.actual);
	pf_release(env, parts->first);
	pf_release(env, parts->second);
	pf_release(env, parts->third);
}

/* The mean of a column under the weights. */
static double
mean(const Bootstrap *bootstrap, const double *column)
{
	const uint8_t *weight = bootstrap->weight;
	double		sum[LANES] = {0};

	for (size_t start = 0; start < bootstrap->n; start += PF_CHUNK)
	{
		size_t		end = start + PF_CHUNK < bootstrap->n ? start + PF_CHUNK : bootstrap->n;
		size_t		i = start;

		pf_check(bootstrap->env);
		for (; i + LANES <= end; i += LANES)
			for (int l = 0; l < LANES; l++)
				sum[l] += weight[i + l] * column[i + l];
		for (; i < end; i++)
			sum[0] += weight[i] * column[i];
	}
	return (sum[0] + sum[1] + sum[2] + sum[3]) / bootstrap->total;
}

/* The margins of the confusion matrix under the weights. */
static void
count_margins(const Bootstrap *bootstrap, Parts *parts)
{
	PfMargins  *margins = &parts->margins;
	uint32_t	nclasses = margins->nclasses;
	uint64_t	cells[LANES][FEW_CLASSES * FEW_CLASSES];
	bool		few = nclasses <= FEW_CLASSES;

	memset(margins->actual, 0, 3 * (size_t) nclasses * sizeof(double));
	if (few)
		memset(cells, 0, sizeof(cells));
	for (size_t i = 0; i < bootstrap->n; i++)
	{
		uint32_t	cell = parts->cell[i];
		uint8_t		weight = bootstrap->weight[i];

		if (i % PF_CHUNK == 0)
			pf_check(bootstrap->env);
		if (few)
			cells[i % LANES][cell] += weight;
		else
		{
			margins->actual[cell / nclasses] += weight;
			margins->predicted[cell % nclasses] += weight;
			if (cell / nclasses == cell % nclasses)
				margins->correct[cell / nclasses] += weight;
		}
	}
	for (uint32_t cell = 0; few && cell < nclasses * nclasses; cell++)
	{
		double		count = 0;

		for (int l = 0; l < LANES; l++)
			count += (double) cells[l][cell];
		margins->actual[cell / nclasses] += count;
		margins->predicted[cell % nclasses] += count;
		if (cell / nclasses == cell % nclasses)
			margins->correct[cell / nclasses] += count;
	}
	margins->n = bootstrap->total;
	pf_margins_finish(margins);
}

static void
sum_classes(Bootstrap *bootstrap, int model, uint32_t resample, Parts *parts)
{
	PfMetric	room[PF_SET_METRICS];
	PfMetrics	metrics = {0, room};

	if (parts->first)
		keep(bootstrap, "log_loss", model, resample, mean(bootstrap, parts->first));
	if (parts->second)
		keep(bootstrap, "brier", model, resample, mean(bootstrap, parts->second));
	if (bootstrap->nmetrics == 1 && (parts->first || parts->second))
		return;
	count_margins(bootstrap, parts);
	pf_put_set_metrics(&parts->margins, &metrics);
	for (uint32_t i = 0; i < metrics.count; i++)
		keep(bootstrap, room[i].name, model, resample, bootstrap->total > 0 ? room[i].value : NAN);
}

static void
sum_values(Bootstrap *bootstrap, int model, uint32_t resample, const Parts *parts)
{
	if (parts->first)
	{
		double		squared = mean(bootstrap, parts->first);

		keep(bootstrap, "rmse", model, resample, sqrt(squared));
		if (bootstrap->offset)
		{
			double		offset = mean(bootstrap, bootstrap->offset);
			double		spread = mean(bootstrap, bootstrap->square) - offset * offset;

			keep(bootstrap, "r2", model, resample, bootstrap->total > 1 ? pf_r2(squared, spread) : NAN);
		}
	}
	if (parts->second)
		keep(bootstrap, "mae", model, resample, mean(bootstrap, parts->second));
	if (parts->third)
		keep(bootstrap, "mape", model, resample, mean(bootstrap, parts->third));
}

/* What the spread of the values is computed from. */
static void
list_values(Bootstrap *bootstrap)
{
	const double *value = bootstrap->paired->value;
	bool		wanted = is_wanted(bootstrap, "r2");

	bootstrap->offset = make_column(bootstrap, wanted);
	bootstrap->square = make_column(bootstrap, wanted);
	for (size_t i = 0; wanted && i < bootstrap->n; i++)
	{
		double		offset = value[bootstrap->order[i]] - value[bootstrap->order[0]];

		if (i % PF_CHUNK == 0)
			pf_check(bootstrap->env);
		bootstrap->offset[i] = offset;
		bootstrap->square[i] = offset * offset;
	}
}

static void
resample_sums(Bootstrap *bootstrap)
{
	Parts		parts[2];

	list_values(bootstrap);
	for (int m = 0; m < 2; m++)
		list_parts(bootstrap, m, &parts[m]);
	for (uint32_t r = 0; r < bootstrap->resamples; r++)
	{
		draw_weights(bootstrap, r);
		for (int m = 0; m < 2; m++)
		{
			if (bootstrap->paired->nclasses[m] > 0)
				sum_classes(bootstrap, m, r, &parts[m]);
			else
				sum_values(bootstrap, m, r, &parts[m]);
		}
	}
	for (int m = 0; m < 2; m++)
		release_parts(bootstrap->env, &parts[m]);
	pf_release(bootstrap->env, bootstrap->offset);
	pf_release(bootstrap->env, bootstrap->square);
}

/* ----- metrics that are areas ----- */

/* Rows from the highest score of a class down, as places in the order. */
static void
rank(Bootstrap *bootstrap, int model, uint32_t class, uint32_t *ranked, uint8_t *flags)
{
	const PfEnv *env = bootstrap->env;
	const PfPaired *paired = bootstrap->paired;
	uint32_t	nclasses = paired->nclasses[model];
	size_t		n = bootstrap->n;
	PfItem	   *items = pf_alloc(env, n * sizeof(PfItem));

	for (size_t i = 0; i < n; i++)
	{
		double		score = paired->shares[model][(size_t) bootstrap->order[i] * nclasses + class] + 0.0;
		uint64_t	bits;

		/* shares are not negative, so their bits are in their order */
		if (i % PF_CHUNK == 0)
			pf_check(env);
		memcpy(&bits, &score, sizeof(bits));
		items[i].key = ~bits;
		items[i].index = (uint32_t) i;
	}
	pf_sort_items(env, items, n);
	for (size_t i = 0; i < n; i++)
	{
		if (i % PF_CHUNK == 0)
			pf_check(env);
		ranked[i] = items[i].index;
		flags[i] = (i + 1 == n || items[i + 1].key != items[i].key ? ENDS_RUN : 0) |
			(paired->actual[model][bootstrap->order[items[i].index]] == class ? IS_POSITIVE : 0);
	}
	pf_release(env, items);
}

/* The areas of weighted rows; as pf_ranking_areas has them. */
static void
areas(Bootstrap *bootstrap, const uint32_t *ranked, const uint8_t *flags,
	  double *roc_auc, double *average_precision)
{
	const uint8_t *weight = bootstrap->weight;
	double		area = 0,
				precision = 0;
	uint64_t	count[2] = {0, 0},	/* negative, positive */
				last[2] = {0, 0};

	for (size_t i = 0; i < bootstrap->n; i++)
	{
		uint8_t		flag = flags[i];

		if (i % PF_CHUNK == 0)
			pf_check(bootstrap->env);
		count[flag >> 1] += weight[ranked[i]];
		if ((flag & ENDS_RUN) == 0)
			continue;
		area += (double) (count[0] - last[0]) * (double) (count[1] + last[1]);
		if (count[1] > last[1])
			precision += (double) (count[1] - last[1]) *
				((double) count[1] / (double) (count[0] + count[1]));
		last[0] = count[0];
		last[1] = count[1];
	}
	*roc_auc = count[0] > 0 && count[1] > 0 ? area / 2 / (double) count[0] / (double) count[1] : NAN;
	*average_precision = count[1] > 0 ? precision / (double) count[1] : NAN;
}

/* Of two classes that of the second; else the mean over those for which it is defined. */
static void
resample_areas(Bootstrap *bootstrap, int model)
{
	const PfEnv *env = bootstrap->env;
	uint32_t	nclasses = bootstrap->paired->nclasses[model];
	uint32_t	resamples = bootstrap->resamples;
	uint32_t   *ranked = pf_alloc(env, bootstrap->n * sizeof(uint32_t));
	uint8_t    *flags = pf_alloc(env, bootstrap->n);
	double	   *sums = pf_alloc(env, 4 * (size_t) resamples * sizeof(double));

	for (size_t i = 0; i < 4 * (size_t) resamples; i++)
		sums[i] = 0;
	for (uint32_t c = nclasses == 2 ? 1 : 0; c < nclasses; c++)
	{
		rank(bootstrap, model, c, ranked, flags);
		for (uint32_t r = 0; r < resamples; r++)
		{
			double	   *sum = sums + 4 * (size_t) r;
			double		value[2];

			draw_weights(bootstrap, r);
			areas(bootstrap, ranked, flags, &value[0], &value[1]);
			for (int i = 0; i < 2; i++)
			{
				if (isnan(value[i]))
					continue;
				sum[i] += value[i];
				sum[2 + i]++;
			}
		}
	}
	for (uint32_t r = 0; r < resamples; r++)
	{
		double	   *sum = sums + 4 * (size_t) r;

		keep(bootstrap, "roc_auc", model, r, sum[0] / sum[2]);
		/* of two classes without a positive row: 0, as elsewhere */
		keep(bootstrap, "average_precision", model, r, nclasses == 2 && sum[3] == 0 ? 0 : sum[1] / sum[3]);
	}
	pf_release(env, ranked);
	pf_release(env, flags);
	pf_release(env, sums);
}

/* ----- all of it ----- */

/* Makes room for the metrics that are wanted, of all that a task has. */
static void
list_metrics(Bootstrap *bootstrap, const char *only)
{
	static const char *const of_classes[] = {"accuracy", "balanced_accuracy", "precision", "recall",
	"f1", "mcc", "log_loss", "brier", "roc_auc", "average_precision"};
	static const char *const of_values[] = {"rmse", "mae", "r2", "mape"};
	bool		classes = bootstrap->paired->nclasses[0] > 0;
	const char *const *names = classes ? of_classes : of_values;
	size_t		n = classes ? sizeof(of_classes) / sizeof(char *) : sizeof(of_values) / sizeof(char *);

	bootstrap->metrics = pf_alloc(bootstrap->env, MOST_METRICS * sizeof(PfPairedMetric));
	for (size_t i = 0; i < n; i++)
	{
		PfPairedMetric *metric = &bootstrap->metrics[bootstrap->nmetrics];

		if (only != NULL && strcmp(only, names[i]) != 0)
			continue;
		metric->name = names[i];
		for (int m = 0; m < 2; m++)
			metric->values[m] = pf_alloc(bootstrap->env, bootstrap->resamples * sizeof(double));
		bootstrap->nmetrics++;
	}
}

static bool
is_area(const char *name)
{
	return strcmp(name, "roc_auc") == 0 || strcmp(name, "average_precision") == 0;
}

uint32_t
pf_paired_bootstrap(const PfEnv *env, const PfPaired *paired, const char *only,
					uint32_t resamples, uint64_t seed, PfPairedMetric **metrics)
{
	Bootstrap	bootstrap = {.env = env,.paired = paired,.n = paired->n,.resamples = resamples,.seed = seed};

	list_metrics(&bootstrap, only);
	*metrics = bootstrap.metrics;
	bootstrap.order = pf_alloc(env, paired->n * sizeof(uint32_t));
	bootstrap.table = pf_alloc(env, 1 << WEIGHT_BITS);
	bootstrap.weight = pf_alloc(env, paired->n);
	fill_table(bootstrap.table);
	put_in_order(&bootstrap);
	if (only == NULL || !is_area(only))
		resample_sums(&bootstrap);
	if (paired->nclasses[0] > 0 && (only == NULL || is_area(only)))
		for (int m = 0; m < 2; m++)
			resample_areas(&bootstrap, m);
	pf_release(env, bootstrap.order);
	pf_release(env, bootstrap.table);
	pf_release(env, bootstrap.weight);
	return bootstrap.nmetrics;
}

bool
pf_paired_interval(const PfEnv *env, const PfPairedMetric *metric, uint32_t resamples,
				   double confidence, double *low, double *high)
{
	double	   *differences = pf_alloc(env, resamples * sizeof(double));
	uint32_t	n = 0,
				outside;

	for (uint32_t r = 0; r < resamples; r++)
	{
		double		difference = metric->values[1][r] - metric->values[0][r];

		if (!isnan(difference))
			differences[n++] = difference;
	}
	if (n == 0 || n < LEAST_DEFINED * resamples)
	{
		pf_release(env, differences);
		return false;
	}
	pf_sort_numbers(env, differences, n);
	outside = (uint32_t) ((1 - confidence) / 2 * n);
	*low = differences[outside];
	*high = differences[n - 1 - outside];
	pf_release(env, differences);
	return true;
}

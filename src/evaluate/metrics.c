/*
 * metrics.c
 *	  Metrics of scored rows: of all of them, or of one slice.
 *
 * The engine measures rows that stand together, so those of a slice are copied
 * out first.  Memory: the metrics are in the current context, the copies are
 * given back.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pgenv.h"
#include "evaluate/score.h"
#include "miscadmin.h"
#include "storage/shmem.h"

void
pf_score_notice(const PfScores *scores)
{
	if (scores->rows_no_target > 0)
		ereport(NOTICE,
				(errmsg_plural("%lld row without a target was left out",
							   "%lld rows without a target were left out",
							   (unsigned long) scores->rows_no_target,
							   (long long) scores->rows_no_target)));
}

void
pf_score_metrics(const PfScores *scores, int version, int slice,
				 PfMetrics *metrics, int64 *rows)
{
	const PfScored *scored = &scores->versions[version];
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	size_t		n = (size_t) scores->rows;
	uint32	   *actual = scored->actual;
	double	   *shares = scored->shares;
	double	   *value = scored->value;
	double	   *predicted = scored->predicted;
	uint32		k = scored->nclasses;

	if (slice != PF_WHOLE)
	{
		const size_t *row = scores->slice_rows + scores->slice_start[slice];

		n = scores->slice_start[slice + 1] - scores->slice_start[slice];
		if (k > 0)
		{
			actual = pf_alloc(env, mul_size(n, sizeof(uint32)));
			shares = pf_alloc(env, mul_size(mul_size(n, k), sizeof(double)));
		}
		else
		{
			value = pf_alloc(env, mul_size(n, sizeof(double)));
			predicted = pf_alloc(env, mul_size(n, sizeof(double)));
		}
		for (size_t i = 0; i < n; i++)
		{
			if (i % 1024 == 0)
				CHECK_FOR_INTERRUPTS();
			if (k > 0)
			{
				actual[i] = scored->actual[row[i]];
				memcpy(shares + i * k, scored->shares + row[i] * k, sizeof(double) * k);
			}
			else
			{
				value[i] = scored->value[row[i]];
				predicted[i] = scored->predicted[row[i]];
			}
		}
	}

	if (k > 0)
		pf_measure_classes(env, k, n, actual, shares, metrics);
	else
		pf_measure_values(env, n, value, predicted, metrics);
	if (rows != NULL)
		*rows = (int64) n;

	if (slice != PF_WHOLE)
	{
		if (k > 0)
		{
			pfree(actual);
			pfree(shares);
		}
		else
		{
			pfree(value);
			pfree(predicted);
		}
	}
}

double
pf_metric_value(const PfMetrics *metrics, const char *name)
{
	for (uint32 i = 0; i < metrics->count; i++)
		if (metrics->metrics[i].class < 0 && strcmp(metrics->metrics[i].name, name) == 0)
			return metrics->metrics[i].value;
	return NAN;
}

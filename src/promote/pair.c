/*
 * pair.c
 *	  Two versions on the same rows, and how sure the difference of their metrics is.
 *
 * Memory: both models and their answers, within pgforest.train_memory as for every measurement.
 */
#include "postgres.h"

#include "catalog/pgenv.h"
#include "predict/bind.h"
#include "promote/promote.h"

PfPair *
pf_pair_measure(const PfSource *source, PfVersionInfo *const *versions, bool held_out,
				const char *only, uint32 resamples)
{
	PfPair	   *pair = palloc0(sizeof(PfPair));
	const PfModel *models[2];
	PfPaired	paired = {0};

	for (int i = 0; i < 2; i++)
		models[i] = pf_hold_model(CurrentMemoryContext, versions[i]);
	pair->scores = pf_score_pair(source, versions, models, held_out);
	pair->resamples = resamples;
	paired.n = (size_t) pair->scores->rows;
	paired.group = pair->scores->group;
	for (int i = 0; i < 2; i++)
	{
		const PfScored *scored = &pair->scores->versions[i];

		paired.nclasses[i] = scored->nclasses;
		paired.actual[i] = scored->actual;
		paired.shares[i] = scored->shares;
		paired.value = scored->value;
		paired.predicted[i] = scored->predicted;
	}

	/* a seed of its own would let one try again until it fits */
	pair->nmetrics = pf_paired_bootstrap(pf_pg_env(CurrentMemoryContext), &paired, only, resamples, 0,
										 &pair->metrics);
	return pair;
}

bool
pf_pair_interval(const PfPair *pair, const char *metric, double confidence, double *low, double *high)
{
	for (uint32 i = 0; i < pair->nmetrics; i++)
		if (strcmp(pair->metrics[i].name, metric) == 0)
			return pf_paired_interval(pf_pg_env(CurrentMemoryContext), &pair->metrics[i],
									  pair->resamples, confidence, low, high);
	return false;
}

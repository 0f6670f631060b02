/*
 * profile.c
 *	  What training rows are like, for those who will compare others with them.
 *
 * It is taken of the sample that bins are made from, when its values are at hand: so it
 * takes hardly any time, and depends on the set of rows only.
 *
 * Memory: frames and tallies are the caller's, as bins are; see pf_make_bins.
 */
#include "postgres.h"

#include "engine/bins/cuts.h"
#include "load/stages.h"

#define PIECE			16384	/* rows gathered between two interrupt checks */
#define OWN_CELLS		64		/* of a number that the model does not bin */

void
pf_profile_start(PfLoad *load, MemoryContext context)
{
	uint32		columns = load->nfeatures + 2;

	load->frames = MemoryContextAllocExtended(context, columns * sizeof(PfFrame),
											  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	load->tallies = MemoryContextAllocExtended(context, columns * sizeof(PfTally),
											   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/*
 * n values of a feature, counted (see pf_count_values), as its bin map is made of them; missing
 * rows have none.
 */
void
pf_profile_numbers(PfLoad *load, const PfEnv *env, uint32 feature, const double *values,
				   const double *count, size_t n, uint32 missing)
{
	PfFrame    *frame = &load->frames[feature];
	PfTally    *tally = &load->tallies[feature];
	PfBins		bins;

	if (feature >= PF_PROFILED_FEATURES)
		return;
	if (load->values)
	{
		pf_cut_counted(env, values, count, n, OWN_CELLS, &bins);
		pf_profile_counted(env, &bins, values, count, n, frame, tally);
		frame->own_cuts = true;
	}
	else
		pf_profile_counted(env, &load->bins[feature], values, count, n, frame, tally);
	pf_tally_missing(tally, missing);
}

/* Categories of a feature by their entries. */
void
pf_profile_categories(PfLoad *load, const PfEnv *env, uint32 feature, const uint64 *count,
					  uint32 nrows)
{
	PfFrame    *frame = &load->frames[feature];
	PfTally    *tally = &load->tallies[feature];
	uint32		ncategories = load->bins[feature].ncategories;

	if (feature >= PF_PROFILED_FEATURES)
		return;
	pf_frame_categories(env, count, ncategories, frame);
	pf_tally_init(env, frame, tally);
	for (uint32 entry = 0; entry < ncategories; entry++)
		pf_tally_category(frame, tally, entry, count[entry]);
	pf_tally_missing(tally, nrows - tally->rows);
}

void
pf_profile_target(PfLoad *load, const PfEnv *env, const uint32 *rows, uint32 n)
{
	PfFrame    *frame = &load->frames[load->nfeatures + 1];
	PfTally    *tally = &load->tallies[load->nfeatures + 1];
	uint64	   *count = NULL;
	double	   *values = NULL;

	if (load->task == PF_ANOMALY)
		return;
	if (load->task == PF_CLASSIFICATION)
	{
		count = pf_alloc(load->env, load->nclasses * sizeof(uint64));
		memset(count, 0, load->nclasses * sizeof(uint64));
	}
	else
		values = pf_alloc(load->env, Max(n, 1) * sizeof(double));
	for (uint32 i = 0; i < n; i++)
	{
		int			place;
		PfBlock    *block = pf_block_of(load, rows[i], &place);

		if (i % PIECE == 0)
			pf_check(env);
		if (count)
			count[load->class_of_code[block->label[place]]]++;
		else
			values[i] = block->target[place];
	}
	if (count)
	{
		pf_frame_categories(env, count, load->nclasses, frame);
		pf_tally_init(env, frame, tally);
		for (int c = 0; c < load->nclasses; c++)
			pf_tally_category(frame, tally, c, count[c]);
		pfree(count);
		return;
	}
	pf_profile_values(env, values, n, PF_MAX_BINS, frame, tally);
	pfree(values);
}

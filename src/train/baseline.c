/*
 * baseline.c
 *	  What a version's training rows are like, to be stored with it.
 *
 * Features and target were profiled when the rows were loaded (load/profile.c).  What is
 * predicted is profiled here, on rows that did not shape the answers: the held-out ones, else
 * training rows out of bag; linear models and isolation forests answer much the same for rows
 * that they have seen.  Where there are no such rows the prediction has no baseline.
 */
#include "postgres.h"

#include "engine/walk/walk.h"
#include "train/train.h"

#define PREDICTED_CELLS 64

/* Profiles predictions of n rows. */
static void
profile_predictions(const PfEnv *env, const PfModel *model, const double *predicted, uint32 n,
					PfFrame *frame, PfTally *tally)
{
	if (pf_predicts_class(model))
	{
		uint64	   *count = pf_alloc(env, model->nclasses * sizeof(uint64));

		memset(count, 0, model->nclasses * sizeof(uint64));
		for (uint32 i = 0; i < n; i++)
			count[pf_best_class(predicted + (Size) i * model->width, model->nclasses)]++;
		pf_frame_categories(env, count, model->nclasses, frame);
		pf_tally_init(env, frame, tally);
		for (uint32 c = 0; c < model->nclasses; c++)
			pf_tally_category(frame, tally, c, count[c]);
		pf_release(env, count);
	}
	else
	{
		double	   *values = pf_alloc(env, Max(n, 1) * sizeof(double));

		for (uint32 i = 0; i < n; i++)
			values[i] = pf_predicted_number(model, predicted + (Size) i * model->width);
		pf_profile_values(env, values, n, PREDICTED_CELLS, frame, tally);
		/* others are no surprise, however few these are */
		frame->exact = false;
		pf_release(env, values);
	}
}

/* The model's cuts need not be stored again, unless they were changed after the profile was made. */
static void
compare_cuts(const PfModel *model, PfFrame *frames)
{
	for (uint32 i = 0; i < model->nfeatures; i++)
	{
		const PfBins *made = &frames[i].bins;
		const PfBins *has = &model->bins[i];

		if (frames[i].present && frames[i].kind == PF_NUMBER && !frames[i].own_cuts)
			frames[i].own_cuts = has->nbins != made->nbins ||
				(made->nbins > 1 &&
				 memcmp(made->cuts, has->cuts, (made->nbins - 1) * sizeof(double)) != 0);
	}
}

void
pf_train_baseline(const PfEnv *env, const PfLoaded *loaded, const PfModel *model,
				  const double *predicted, int64 n, PfNewVersion *version)
{
	PfFrame    *frame = &loaded->frames[model->nfeatures];
	PfTally    *tally = &loaded->tallies[model->nfeatures];
	const PfMatrix *rows = &loaded->train;
	PfProfile	profile = {.ncolumns = pf_profile_columns(model),.tallies = loaded->tallies};
	size_t		size;

	if (n > 0)
		profile_predictions(env, model, predicted, (uint32) Min(n, PF_BASELINE_ROWS), frame, tally);
	else if (model->kind == PF_MODEL_LINEAR)
	{
		uint32		some = Min(rows->nrows, PF_BASELINE_ROWS);
		double	   *walked = pf_alloc(env, (Size) some * model->width * sizeof(double));

		pf_walk_block(env, model, rows->bins, rows->stride, some, walked);
		profile_predictions(env, model, walked, some, frame, tally);
		pf_release(env, walked);
	}
	compare_cuts(model, loaded->frames);
	version->baseline = pf_baseline_encode(env, loaded->frames, &profile, &size);
	version->nbaseline = size;
}

/*
 * calibrate.c
 *	  Shares of the training rows from models that did not see them, and the
 *	  calibration that is fitted to these.
 *
 * A forest with bootstrap has such shares anyway, out of bag, unless rows share a key: the
 * trees that did not see a row saw others of its key.  Then, and without bootstrap, it is trained on
 * four fifths of the rows, five times, and predict the last fifth, as scikit-learn's
 * CalibratedClassifierCV does it without an ensemble; what is kept is the model of all
 * rows.  Rows lie in the order of their hashes, so a fifth is a piece of them: rows of
 * one key stay together.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "catalog/pgenv.h"
#include "progress/progress.h"
#include "train/train.h"

bool
pf_calibration_is_out_of_bag(const PfTrainParams *params, bool grouped)
{
	return params->given.calibration != NULL && params->given.bootstrap && !grouped;
}

/* Errors when there is nothing to calibrate. */
void
pf_calibration_fit_task(const PfTrainParams *params, PfTask task)
{
	if (params->given.calibration != NULL && task != PF_CLASSIFICATION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("calibration does not fit the task \"%s\"", pf_task_name(task)),
				 errhint("Leave out calibration.")));
}

/*
 * Bytes beside what the algorithm takes: rows of four fifths and of the last one, the shares, and the fit.
 * Whether rows share a key is not known yet.
 */
uint64
pf_calibration_train_memory(const PfTrainParams *params, const PfMatrix *sizes)
{
	uint64		rows = sizes->nrows;
	uint64		shares = rows * sizes->nclasses * sizeof(double);

	if (params->given.calibration == NULL)
		return 0;
	return shares + Max(rows * (sizes->stride + sizeof(uint32) + sizeof(float)),
						pf_calibration_memory(rows));
}

/* Rows from..to of a matrix, or all others, in memory of their own. */
static void
copy_rows(const PfEnv *env, const PfMatrix *rows, uint32 from, uint32 to, PfMatrix *others)
{
	Size		stride = rows->stride;
	uint32		after = rows->nrows - to;

	*others = *rows;
	others->nrows = from + after;
	others->bins = pf_alloc(env, Max(others->nrows * stride, 1));
	pf_copy(env, others->bins, rows->bins, from * stride);
	pf_copy(env, others->bins + from * stride, rows->bins + to * stride, after * stride);
	others->label = pf_alloc(env, Max(others->nrows, 1) * sizeof(uint32));
	pf_copy(env, others->label, rows->label, from * sizeof(uint32));
	pf_copy(env, others->label + from, rows->label + to, after * sizeof(uint32));
	if (rows->weight != NULL)
	{
		others->weight = pf_alloc(env, Max(others->nrows, 1) * sizeof(float));
		pf_copy(env, others->weight, rows->weight, from * sizeof(float));
		pf_copy(env, others->weight + from, rows->weight + to, after * sizeof(float));
	}
	if (rows->apart != NULL)
	{
		others->apart = pf_alloc(env, Max(others->nrows, 1));
		pf_copy(env, others->apart, rows->apart, from);
		pf_copy(env, others->apart + from, rows->apart + to, after);
	}
}

/*
 * The shares of all training rows, rows x classes, each by a model that was trained without them.
 * template: the model as far as it is known before it is grown.
 */
double *
pf_calibration_shares(const PfAlgorithm *algorithm, const PfTrainParams *params,
					  const PfLoaded *loaded, int64 seed, const PfModel *template)
{
	const PfMatrix *rows = &loaded->train;
	double	   *shares = pf_alloc(pf_pg_env(CurrentMemoryContext),
								  (Size) rows->nrows * loaded->nclasses * sizeof(double));

	if (rows->nrows < 2)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("calibration needs at least two training rows"),
				 errhint("Leave out calibration.")));
	for (int fold = 0; fold < PF_PIECES; fold++)
	{
		uint32		from = loaded->border[fold];
		uint32		to = loaded->border[fold + 1];
		MemoryContext context;
		MemoryContext previous;
		const PfEnv *env;
		PfLoaded	others = *loaded;
		PfModel		model = *template;
		PfMatrix	left = {.nrows = to - from,.stride = rows->stride};
		PfGrown		grown = {.held = {{.rows = &left}}};

		if (from == to)
			continue;
		context = AllocSetContextCreate(CurrentMemoryContext, "pgforest fold", ALLOCSET_DEFAULT_SIZES);
		previous = MemoryContextSwitchTo(context);
		env = pf_pg_env(context);
		copy_rows(env, rows, from, to, &others.train);
		left.bins = pf_alloc(env, left.nrows * left.stride);
		pf_copy(env, left.bins, rows->bins + (Size) from * left.stride, left.nrows * left.stride);
		algorithm->grow(params, &others, seed, true, &model, &grown);
		pf_progress_phase(PF_PHASE_GROW, 0, NULL);
		pf_copy(env, shares + (Size) from * model.width, pf_train_predict(env, &model, &grown.held[0]),
				(Size) left.nrows * model.width * sizeof(double));
		MemoryContextSwitchTo(previous);
		MemoryContextDelete(context);
	}
	return shares;
}

/* Fits to the shares, or to out-of-bag votes if there are none; rows without a vote are left out. */
void
pf_calibration_train(const PfTrainParams *params, const PfMatrix *rows, double *shares,
					 const PfVotes *votes, PfModel *model)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	uint32		width = model->width;
	uint32	   *label = rows->label;
	float	   *weight = rows->weight;
	uint32		n = rows->nrows;

	if (shares == NULL)
	{
		shares = pf_alloc(env, (Size) rows->nrows * width * sizeof(double));
		label = pf_alloc(env, rows->nrows * sizeof(uint32));
		weight = rows->weight ? pf_alloc(env, rows->nrows * sizeof(float)) : NULL;
		n = 0;
		for (uint32 i = 0; i < rows->nrows; i++)
		{
			if (i % 65536 == 0)
				pf_check(env);
			if (!pf_votes_read(votes, rows, i, shares + (Size) n * width))
				continue;
			label[n] = rows->label[i];
			if (weight)
				weight[n] = rows->weight[i];
			n++;
		}
		if (n == 0)
			ereport(ERROR,
					(errcode(ERRCODE_NO_DATA_FOUND),
					 errmsg("calibration needs out-of-bag predictions, and every tree saw every row"),
					 errhint("Leave out calibration, or raise n_estimators.")));
	}
	pf_calibration_fit(env, strcmp(params->given.calibration, "sigmoid") == 0
					   ? PF_SIGMOID : PF_ISOTONIC, model->nclasses, n, label, shares, weight,
					   &model->calibration);
	pfree(shares);
	if (label != rows->label)
		pfree(label);
	if (weight != rows->weight)
		pfree(weight);
}

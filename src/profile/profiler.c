/*
 * profiler.c
 *	  Rows into a profile; see watch.h.
 *
 * Numbers are kept in blocks, column by column, and binned together, which is several times
 * faster than one by one.  The bins make a row as the walkers take it, and of these rows a
 * sample is drawn, whose predictions are profiled in the end: predicting every row
 * would take far longer than all the rest.
 *
 * Memory: the profiler's context.
 */
#include "postgres.h"

#include "catalog/pgenv.h"
#include "engine/walk/walk.h"
#include "miscadmin.h"
#include "profile/watch.h"
#include "utils/memutils.h"

#define BLOCK_ROWS		256
#define BLOCK_VALUES	262144	/* of a block; wide rows make smaller blocks */
#define DRAWN_ROWS		5000	/* whose predictions are profiled */
#define DRAWN_BYTES		(16 * 1024 * 1024)
#define WALK_ROWS		256

struct PfProfiler
{
	MemoryContext context;
	const PfWatched *watched;
	const PfEnv *env;
	PfProfile	profile;
	PfDrawn    *drawn;
	Size		row_size;

	/* rows; no binder: profiles are merged */
	PfBinder   *binder;
	int			target;			/* its position in the row, or -1 */
	PfReader	target_reader;
	uint32		block_rows;
	uint32		pending;		/* in the block */
	double	   *numbers;		/* block_rows a column: features, and the target */
	uint8	   *rows;
};

static void
find_target(PfProfiler *profiler, TupleDesc desc)
{
	const PfWatched *watched = profiler->watched;
	const PfFrame *frame = &watched->frames[watched->ncolumns - 1];

	profiler->target = -1;
	for (int i = 0; i < desc->natts && frame->present; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (attribute->attisdropped || strcmp(NameStr(attribute->attname), watched->version.target) != 0)
			continue;
		/* a label is read as text whatever it is, a value must be a number */
		if (pf_reader_init(&profiler->target_reader, attribute->atttypid) &&
			!OidIsValid(profiler->target_reader.element) &&
			(frame->kind == PF_CATEGORY || profiler->target_reader.kind == PF_NUMBER))
			profiler->target = i;
		return;
	}
}

PfProfiler *
pf_profiler_create(MemoryContext context, const PfWatched *watched, TupleDesc desc)
{
	MemoryContext previous = MemoryContextSwitchTo(context);
	PfProfiler *profiler = palloc0(sizeof(PfProfiler));
	const PfModel *model = watched->model;

	profiler->context = context;
	profiler->watched = watched;
	profiler->env = pf_pg_env(context);
	profiler->profile.ncolumns = watched->ncolumns;
	profiler->profile.frame = watched->baseline.frame;
	profiler->profile.tallies = MemoryContextAllocExtended(context, watched->ncolumns * sizeof(PfTally),
														   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 i = 0; i < watched->ncolumns; i++)
	{
		if (watched->frames[i].present)
			pf_tally_init(profiler->env, &watched->frames[i], &profiler->profile.tallies[i]);
	}
	profiler->row_size = pf_row_size(model);
	profiler->drawn = pf_drawn_create(context, Max(Min(DRAWN_ROWS, DRAWN_BYTES / profiler->row_size), 500),
									  profiler->row_size);
	if (desc != NULL)
	{
		profiler->binder = pf_binder_create(model, watched->reference, desc);
		find_target(profiler, desc);
		profiler->block_rows = Max(Min(BLOCK_ROWS, BLOCK_VALUES / watched->ncolumns), 1);
		profiler->numbers = palloc(profiler->block_rows * sizeof(double) * watched->ncolumns);
		profiler->rows = palloc(profiler->block_rows * profiler->row_size);
	}
	MemoryContextSwitchTo(previous);
	return profiler;
}

const PfWatched *
pf_profiler_watched(const PfProfiler *profiler)
{
	return profiler->watched;
}

/* The place of a number of the row that comes next. */
static inline double *
number_place(PfProfiler *profiler, uint32 column)
{
	return &profiler->numbers[(Size) column * profiler->block_rows + profiler->pending];
}

static void
take_category(PfProfiler *profiler, uint32 feature, PfReader *reader, Datum value, uint8 *row)
{
	const PfModel *model = profiler->watched->model;
	const PfFrame *frame = &profiler->watched->frames[feature];
	PfTally    *tally = &profiler->profile.tallies[feature];
	const PfBins *bins = &model->bins[feature];
	const char *bytes;
	size_t		length = pf_read_category(reader, value, &bytes);
	int32		entry = pf_find_category(bins, bytes, length);

	if (entry < 0)
	{
		pf_put_missing(model, feature, 1, row);
		if (frame->present)
			pf_tally_stranger(profiler->env, tally, bytes, length);
		return;
	}
	if (model->kind == PF_MODEL_LINEAR)
		((double *) row)[feature] = bins->category_bin[entry];
	else
		row[feature] = bins->category_bin[entry];
	if (frame->present)
		pf_tally_category(frame, tally, entry, 1);
}

static void
take_target(PfProfiler *profiler, Datum value, bool isnull)
{
	const PfModel *model = profiler->watched->model;
	uint32		column = profiler->watched->ncolumns - 1;
	const PfFrame *frame = &profiler->watched->frames[column];
	PfTally    *tally = &profiler->profile.tallies[column];
	const char *label;

	if (frame->kind == PF_NUMBER)
	{
		*number_place(profiler, column) = isnull ? NAN : pf_read_number(&profiler->target_reader, value);
		return;
	}
	if (isnull)
	{
		pf_tally_missing(tally, 1);
		return;
	}
	label = pf_read_label(&profiler->target_reader, value);
	for (uint32 c = 0; c < model->nclasses; c++)
	{
		if (strcmp(model->classes[c], label) == 0)
		{
			pf_tally_category(frame, tally, c, 1);
			return;
		}
	}
	pf_tally_stranger(profiler->env, tally, label, strlen(label));
}

/* The block into tallies and rows, and the rows into the sample. */
static void
flush(PfProfiler *profiler)
{
	const PfWatched *watched = profiler->watched;
	const PfModel *model = watched->model;
	uint32		n = profiler->pending;
	bool		values = model->kind == PF_MODEL_LINEAR;

	profiler->pending = 0;
	if (n == 0)
		return;
	for (uint32 f = 0; f < model->nfeatures; f++)
	{
		const PfFrame *frame = &watched->frames[f];
		const double *numbers = profiler->numbers + (Size) f * profiler->block_rows;
		bool		same = frame->present && !frame->own_cuts;

		if (f % 256 == 0)
			pf_check(profiler->env);
		if (model->bins[f].kind != PF_NUMBER)
			continue;
		/* a column that had no value has no cells, and no tree looks at it */
		if (frame->present)
			pf_tally_numbers(frame, &profiler->profile.tallies[f], numbers, n,
							 same ? profiler->rows + f : NULL, profiler->row_size);
		for (uint32 i = 0; values && i < n; i++)
			((double *) (profiler->rows + i * profiler->row_size))[f] = pf_linear_value(numbers[i]);
		if (!values && !same)
			pf_bin_numbers(&model->bins[f], numbers, n, profiler->rows + f, profiler->row_size);
	}
	if (profiler->target >= 0 && watched->frames[watched->ncolumns - 1].kind == PF_NUMBER)
		pf_tally_numbers(&watched->frames[watched->ncolumns - 1],
						 &profiler->profile.tallies[watched->ncolumns - 1],
						 profiler->numbers + (Size) (watched->ncolumns - 1) * profiler->block_rows, n,
						 NULL, 0);
	if (watched->frames[model->nfeatures].present)
	{
		for (uint32 i = 0; i < n; i++)
			pf_drawn_add(profiler->drawn, profiler->rows + i * profiler->row_size);
	}
}

void
pf_profiler_add(PfProfiler *profiler, const Datum *values, const bool *nulls)
{
	const PfModel *model = profiler->watched->model;
	uint8	   *row = profiler->rows + profiler->pending * profiler->row_size;
	uint32		feature = 0;

	for (uint32 c = 0; c < model->ncolumns; c++)
	{
		const PfColumn *column = &model->columns[c];
		PfBound    *bound = &profiler->binder->columns[c];
		Datum		value = values[bound->attribute];
		uint32		n = pf_column_features(column);

		if (nulls[bound->attribute])
		{
			for (uint32 e = 0; e < n; e++)
				*number_place(profiler, feature + e) = NAN;
			if (column->kind == PF_CATEGORY)
			{
				pf_put_missing(model, feature, 1, row);
				if (profiler->watched->frames[feature].present)
					pf_tally_missing(&profiler->profile.tallies[feature], 1);
			}
		}
		else if (column->length > 0)
		{
			int			length = pf_read_array(&bound->reader, value, profiler->binder->elements, (int) n);

			if (length != (int) n)
				pf_wrong_length(profiler->watched->reference, column, length);
			for (uint32 e = 0; e < n; e++)
				*number_place(profiler, feature + e) = profiler->binder->elements[e];
		}
		else if (column->kind == PF_NUMBER)
			*number_place(profiler, feature) = pf_read_number(&bound->reader, value);
		else
			take_category(profiler, feature, &bound->reader, value, row);
		feature += n;
	}
	if (profiler->target >= 0)
		take_target(profiler, values[profiler->target], nulls[profiler->target]);
	if (++profiler->pending == profiler->block_rows)
		flush(profiler);
}

void
pf_profiler_add_profile(PfProfiler *profiler, const PfProfile *profile)
{
	for (uint32 i = 0; i < profile->ncolumns; i++)
	{
		if (i % 256 == 0)
			pf_check(profiler->env);
		if (profiler->watched->frames[i].present)
			pf_tally_merge(profiler->env, profiler->watched->frames[i].ncells,
						   &profiler->profile.tallies[i], &profile->tallies[i]);
	}
}

void
pf_profiler_merge(PfProfiler *profiler, PfProfiler *part)
{
	flush(profiler);
	flush(part);
	pf_profiler_add_profile(profiler, &part->profile);
	pf_drawn_merge(profiler->drawn, part->drawn);
}

/* Adds what is predicted for the drawn rows. */
static void
profile_predictions(PfProfiler *profiler, PfTally *tally)
{
	const PfModel *model = profiler->watched->model;
	const PfFrame *frame = &profiler->watched->frames[model->nfeatures];
	const uint8 *rows;
	uint32		n = pf_drawn_rows(profiler->drawn, &rows);
	double	   *out = palloc(sizeof(double) * WALK_ROWS * model->width);
	double		numbers[WALK_ROWS];

	for (uint32 first = 0; first < n; first += WALK_ROWS)
	{
		uint32		some = Min(n - first, WALK_ROWS);

		pf_walk_block(profiler->env, model, rows + first * profiler->row_size, profiler->row_size,
					  some, out);
		for (uint32 i = 0; i < some; i++)
		{
			const double *answer = out + (Size) i * model->width;

			if (pf_predicts_class(model))
				pf_tally_category(frame, tally, pf_best_class(answer, model->nclasses), 1);
			else
				numbers[i] = pf_predicted_number(model, answer);
		}
		if (!pf_predicts_class(model))
			pf_tally_numbers(frame, tally, numbers, some, NULL, 0);
	}
	pfree(out);
}

/* What is still of a sum in its error goes into the sum: equal rows then have equal bytes. */
static void
settle(PfSum *sum)
{
	sum->sum = pf_sum_value(sum);
	sum->error = 0;
}

PfProfile *
pf_profiler_profile(PfProfiler *profiler)
{
	PfProfile  *profile = palloc(sizeof(PfProfile));
	uint32		predicted = profiler->watched->model->nfeatures;
	const PfFrame *frame = &profiler->watched->frames[predicted];
	Size		size = profiler->profile.ncolumns * sizeof(PfTally);

	flush(profiler);
	*profile = profiler->profile;
	profile->tallies = MemoryContextAllocHuge(CurrentMemoryContext, size);
	memcpy(profile->tallies, profiler->profile.tallies, size);
	if (frame->present)
	{
		/* the profiler's own has none that more rows could join */
		PfTally	   *tally = &profile->tallies[predicted];
		const PfEnv *env = pf_pg_env(CurrentMemoryContext);

		pf_tally_init(env, frame, tally);
		pf_tally_merge(env, frame->ncells, tally, &profiler->profile.tallies[predicted]);
		profile_predictions(profiler, tally);
	}
	for (uint32 i = 0; i < profile->ncolumns; i++)
	{
		settle(&profile->tallies[i].sum);
		settle(&profile->tallies[i].squares);
	}
	return profile;
}

/* ----- for other processes: size of the profile, profile, drawn rows ----- */

bytea *
pf_profiler_save(PfProfiler *profiler)
{
	uint8	   *bytes;
	size_t		size;
	uint64		head;
	Size		drawn;
	bytea	   *saved;

	flush(profiler);
	bytes = pf_profile_encode(profiler->env, profiler->watched->frames, &profiler->profile, &size);
	drawn = pf_drawn_size(profiler->drawn);
	head = size;
	saved = palloc(VARHDRSZ + sizeof(head) + size + drawn);
	SET_VARSIZE(saved, VARHDRSZ + sizeof(head) + size + drawn);
	memcpy(VARDATA(saved), &head, sizeof(head));
	memcpy(VARDATA(saved) + sizeof(head), bytes, size);
	pf_drawn_save(profiler->drawn, VARDATA(saved) + sizeof(head) + size);
	pfree(bytes);
	return saved;
}

PfProfiler *
pf_profiler_restore(MemoryContext context, const PfWatched *watched, const char *bytes, Size size)
{
	PfProfiler *profiler = pf_profiler_create(context, watched, NULL);
	uint64		head;
	const char *reason;

	memcpy(&head, bytes, sizeof(head));
	if (!pf_profile_decode(profiler->env, watched->frames, watched->ncolumns, watched->baseline.frame,
						   (const uint8 *) bytes + sizeof(head), head, &profiler->profile, &reason))
		elog(ERROR, "profile of a parallel worker cannot be read: %s", reason);
	pf_drawn_restore(profiler->drawn, bytes + sizeof(head) + head);
	return profiler;
}

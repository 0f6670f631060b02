/*
 * reference.c
 *	  Two sources whose values are compared as they are; see pairs.h.
 *
 * Numbers are kept and sorted, categories are counted.  Predictions are compared on a sample of
 * the rows of both, if there are more, since they cost most.
 *
 * Memory: the context that pf_pair_sources was called in.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pgenv.h"
#include "common/hashfn.h"
#include "engine/bins/sort.h"
#include "engine/walk/walk.h"
#include "evaluate/score.h"
#include "load/scan.h"
#include "profile/pairs.h"
#include "settings.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define DRAWN_ROWS	5000
#define WALK_ROWS	256
#define FAR			1e150		/* too far for a standard deviation */

/* A text and its number, in the order of first sight. */
typedef struct Word
{
	const char *text;
	uint32		number;
	char		status;
} Word;

#define SH_PREFIX words
#define SH_ELEMENT_TYPE Word
#define SH_KEY_TYPE const char *
#define SH_KEY text
#define SH_HASH_KEY(table, key) hash_bytes((const unsigned char *) (key), (int) strlen(key))
#define SH_EQUAL(table, a, b) (strcmp(a, b) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* Values of one column, of one side of a slice. */
typedef struct Kept
{
	uint64		rows;
	uint64		missing;
	double	   *values;			/* numbers */
	Size		n;
	Size		room;			/* of values or counts */
	uint64	   *counts;			/* categories, by number */
} Kept;

typedef struct Slice
{
	char	   *name;
	uint64		rows[2];
	Kept	   *kept[2];		/* by column: features, prediction, target */
	PfDrawn    *drawn[2];
} Slice;

typedef struct Pairing
{
	MemoryContext context;
	const PfEnv *env;
	const PfWatched *watched;
	words_hash *names;			/* of slices */
	int			nslices;
	Slice	   *slices;
	words_hash **categories;	/* by column; NULL: a number */
	Size		bytes;			/* of values, so far */

	/* the source being read */
	int			side;
	PfBinder   *binder;
	uint8	   *row;
	int			target;			/* its position, or -1 */
	PfReader	target_reader;
	int			nby;
	char	  **by_name;
	PfReader   *by_reader;
	int		   *by;
} Pairing;

void
pf_check_pair_columns(const PfWatched *watched, const PfSource *source, List *by, const char *which)
{
	const PfModel *model = watched->model;
	StringInfoData missing;

	initStringInfo(&missing);
	for (uint32 i = 0; i < model->ncolumns; i++)
	{
		if (pf_source_column(source, model->columns[i].name) < 0)
			pf_list_name(&missing, model->columns[i].name);
	}
	if (missing.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("%s lacks columns that model \"%s\" needs", which, watched->reference),
				 errdetail("Missing: %s.", missing.data),
				 errhint("Columns are matched by name; give a renamed column its old name in a query. ml_check lists all that differs.")));
	pfree(missing.data);
	pf_binder_create(model, watched->reference, source->desc);
	pf_score_check_slices(source, by);
}

void
pf_slice_readers(const PfSource *source, List *by, char ***names, PfReader **readers)
{
	ListCell   *lc;

	*names = palloc((list_length(by) + 1) * sizeof(char *));
	*readers = palloc0((list_length(by) + 1) * sizeof(PfReader));
	foreach(lc, by)
	{
		int			i = foreach_current_index(lc);
		int			at = pf_source_column(source, lfirst(lc));

		(*names)[i] = lfirst(lc);
		pf_slice_reader(&(*readers)[i], lfirst(lc), TupleDescAttr(source->desc, at)->atttypid);
	}
}

/* ----- reading ----- */

/* The number of a text; a new one is added. */
static uint32
find_word(Pairing *pairing, words_hash *words, const char *text)
{
	Word	   *word = words_lookup(words, text);
	bool		found;
	uint32		number = words->members;

	if (word != NULL)
		return word->number;
	if (number == PF_MAX_CATEGORIES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a column has more than %d distinct values", PF_MAX_CATEGORIES)));
	word = words_insert(words, MemoryContextStrdup(pairing->context, text), &found);
	word->number = number;
	return number;
}

static Slice *
find_slice(Pairing *pairing, const char *name)
{
	Word	   *word = words_lookup(pairing->names, name);
	Slice	   *slice;

	if (word != NULL)
		return &pairing->slices[word->number];
	if (pairing->nslices == PF_MOST_SLICES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("more than %d slices", PF_MOST_SLICES),
				 errhint("Name columns with fewer distinct values in by.")));
	slice = &pairing->slices[find_word(pairing, pairing->names, name)];
	pairing->nslices++;
	slice->name = MemoryContextStrdup(pairing->context, name);
	for (int side = 0; side < 2; side++)
	{
		slice->kept[side] = MemoryContextAllocExtended(pairing->context,
													   pairing->watched->ncolumns * sizeof(Kept),
													   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		slice->drawn[side] = pf_drawn_create(pairing->context, DRAWN_ROWS,
											 pf_row_size(pairing->watched->model));
	}
	return slice;
}

/* What is kept grows by doubling; so does what is counted against the limit. */
static void *
grow(Pairing *pairing, void *array, Size *room, Size needed, Size size)
{
	Size		more = Max(Max(64, needed), *room * 2);

	pairing->bytes += (more - *room) * size;
	if (pairing->bytes / 1024 > (Size) pf_train_memory)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("comparing two sources needs more memory than pgforest.train_memory allows"),
				 errdetail("The values of both are kept, and %d kB are allowed.", pf_train_memory),
				 errhint("Compare with the stored baseline (leave out reference), pass a sample of the rows, or raise pgforest.train_memory.")));
	if (array == NULL)
		array = MemoryContextAllocHuge(pairing->context, more * size);
	else
		array = repalloc_huge(array, more * size);
	memset((char *) array + *room * size, 0, (more - *room) * size);
	*room = more;
	return array;
}

static void
keep_number(Pairing *pairing, Kept *kept, double value)
{
	kept->rows++;
	if (isnan(value))
	{
		kept->missing++;
		return;
	}
	if (kept->n == kept->room)
		kept->values = grow(pairing, kept->values, &kept->room, 0, sizeof(double));
	kept->values[kept->n++] = value;
}

/* NULL is missing. */
static void
keep_category(Pairing *pairing, uint32 column, Kept *kept, const char *text)
{
	uint32		number;

	kept->rows++;
	if (text == NULL)
	{
		kept->missing++;
		return;
	}
	number = find_word(pairing, pairing->categories[column], text);
	if (number >= kept->room)
		kept->counts = grow(pairing, kept->counts, &kept->room, number + 1, sizeof(uint64));
	kept->counts[number]++;
}

static void
keep_column(Pairing *pairing, uint32 c, uint32 feature, Kept *kept, Datum value, bool isnull)
{
	const PfColumn *column = &pairing->watched->model->columns[c];
	PfReader   *reader = &pairing->binder->columns[c].reader;

	if (column->kind == PF_CATEGORY)
	{
		const char *bytes;
		size_t		length = isnull ? 0 : pf_read_category(reader, value, &bytes);

		keep_category(pairing, feature, &kept[feature], isnull ? NULL : pnstrdup(bytes, length));
		return;
	}
	if (column->length == 0)
	{
		keep_number(pairing, &kept[feature], isnull ? NAN : pf_read_number(reader, value));
		return;
	}
	/* pf_bind_row has checked its length and read its elements */
	for (uint32 e = 0; e < column->length; e++)
		keep_number(pairing, &kept[feature + e], isnull ? NAN : pairing->binder->elements[e]);
}

static void
take_row(Datum *values, bool *nulls, void *arg)
{
	Pairing    *pairing = arg;
	const PfModel *model = pairing->watched->model;
	char	   *name = pf_slice_name(pairing->nby, pairing->by_name, pairing->by_reader, pairing->by,
									 values, nulls);
	Slice	   *slice = find_slice(pairing, name);
	Kept	   *kept = slice->kept[pairing->side];
	uint32		feature = 0;

	slice->rows[pairing->side]++;
	pf_bind_row(pairing->binder, values, nulls, pairing->row);
	pf_drawn_add(slice->drawn[pairing->side], pairing->row);
	for (uint32 c = 0; c < model->ncolumns; c++)
	{
		int			at = pairing->binder->columns[c].attribute;
		PfReader   *reader = &pairing->binder->columns[c].reader;

		if (model->columns[c].length > 0 && !nulls[at])
			pf_read_array(reader, values[at], pairing->binder->elements, (int) model->columns[c].length);
		keep_column(pairing, c, feature, kept, values[at], nulls[at]);
		feature += pf_column_features(&model->columns[c]);
	}
	if (pairing->target >= 0)
	{
		uint32		column = pairing->watched->ncolumns - 1;
		bool		isnull = nulls[pairing->target];
		Datum		value = values[pairing->target];

		if (pairing->categories[column] != NULL)
			keep_category(pairing, column, &kept[column],
						  isnull ? NULL : pf_read_label(&pairing->target_reader, value));
		else
			keep_number(pairing, &kept[column],
						isnull ? NAN : pf_read_number(&pairing->target_reader, value));
	}
}

/* The target, if the source has one of a type that it may have. */
static bool
has_target(const PfWatched *watched, const PfSource *source, PfReader *reader)
{
	int			at = watched->version.target ? pf_source_column(source, watched->version.target) : -1;

	return at >= 0 && pf_reader_init(reader, TupleDescAttr(source->desc, at)->atttypid) &&
		!OidIsValid(reader->element) &&
		(watched->model->nclasses > 0 || reader->kind == PF_NUMBER);
}

static int
add_column(List **columns, const char *name)
{
	ListCell   *lc;

	foreach(lc, *columns)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return foreach_current_index(lc);
	}
	*columns = lappend(*columns, pstrdup(name));
	return list_length(*columns) - 1;
}

static void
read_side(Pairing *pairing, int side, const PfSource *source, List *by, bool target)
{
	const PfWatched *watched = pairing->watched;
	List	   *columns = NIL;
	TupleDesc	desc;
	ListCell   *lc;

	for (uint32 i = 0; i < watched->model->ncolumns; i++)
		add_column(&columns, watched->model->columns[i].name);
	pairing->side = side;
	pairing->target = -1;
	if (target && has_target(watched, source, &pairing->target_reader))
		pairing->target = add_column(&columns, watched->version.target);
	pairing->nby = list_length(by);
	pairing->by = palloc((pairing->nby + 1) * sizeof(int));
	foreach(lc, by)
		pairing->by[foreach_current_index(lc)] = add_column(&columns, lfirst(lc));
	pf_slice_readers(source, by, &pairing->by_name, &pairing->by_reader);

	desc = CreateTemplateTupleDesc(list_length(columns));
	foreach(lc, columns)
		TupleDescCopyEntry(desc, (AttrNumber) (foreach_current_index(lc) + 1), source->desc,
						   (AttrNumber) (pf_source_column(source, lfirst(lc)) + 1));
	pairing->binder = pf_binder_create(watched->model, watched->reference, desc);
	pairing->row = palloc(pf_row_size(watched->model));
	pf_source_scan(source, columns, take_row, pairing);
}

/* ----- pairs ----- */

/* Predictions of the rows that were drawn, as if they were a column. */
static void
keep_predictions(Pairing *pairing, Slice *slice, int side)
{
	const PfModel *model = pairing->watched->model;
	Kept	   *kept = &slice->kept[side][model->nfeatures];
	const uint8 *rows;
	uint32		n = pf_drawn_rows(slice->drawn[side], &rows);
	double	   *out = palloc(sizeof(double) * WALK_ROWS * model->width);
	Size		size = pf_row_size(model);

	for (uint32 first = 0; first < n; first += WALK_ROWS)
	{
		uint32		some = Min(n - first, WALK_ROWS);

		pf_walk_block(pairing->env, model, rows + first * size, size, some, out);
		for (uint32 i = 0; i < some; i++)
		{
			const double *answer = out + (Size) i * model->width;

			if (pf_predicts_class(model))
				keep_category(pairing, model->nfeatures, kept,
							  model->classes[pf_best_class(answer, model->nclasses)]);
			else
				keep_number(pairing, kept, pf_predicted_number(model, answer));
		}
	}
	pfree(out);
}

/* The standard deviation of a sample; NaN of fewer than two values. */
static double
deviation(const double *values, Size n)
{
	PfSum		sum = {0, 0};
	PfSum		squares = {0, 0};
	double		count = 0;
	double		mean;

	for (Size i = 0; i < n; i++)
	{
		if (fabs(values[i]) > FAR)
			continue;
		pf_sum_add(&sum, values[i]);
		count++;
	}
	if (count < 2)
		return NAN;
	mean = pf_sum_value(&sum) / count;
	for (Size i = 0; i < n; i++)
	{
		if (fabs(values[i]) <= FAR)
			pf_sum_add(&squares, (values[i] - mean) * (values[i] - mean));
	}
	return sqrt(pf_sum_value(&squares) / (count - 1));
}

/* A number of few values as if they were categories: what is below, they, what is above; and between. */
static void
count_values(const double *distinct, uint32 n, PfColumnPair *pair)
{
	pair->ncells = n + 2;
	for (int side = 0; side < 2; side++)
	{
		uint32		cell = 0;

		pair->cells[side] = palloc0(pair->ncells * sizeof(uint64));
		for (Size i = 0; i < pair->nvalues[side]; i++)
		{
			double		value = pair->values[side][i];

			while (cell < n && distinct[cell] < value)
				cell++;
			if (cell < n && distinct[cell] == value)
				pair->cells[side][cell + 1]++;
			else if (cell == 0 || cell == n)
				pair->cells[side][cell == 0 ? 0 : n + 1]++;
			else
				pair->unseen[side]++;
		}
	}
	pair->apart = pair->unseen[1];
}

static void
pair_numbers(Pairing *pairing, Kept *const *kept, PfColumnPair *pair)
{
	double		distinct[PF_FEW_VALUES];
	uint32		ndistinct = 0;

	pair->number = true;
	for (int side = 0; side < 2; side++)
	{
		pair->nvalues[side] = kept[side]->n;
		pair->values[side] = kept[side]->values ? kept[side]->values : palloc(sizeof(double));
		pf_sort_numbers(pairing->env, pair->values[side], pair->nvalues[side]);
		pf_check_interrupts();
	}
	pair->sd = deviation(pair->values[0], pair->nvalues[0]);

	for (Size i = 0; i < pair->nvalues[0]; i++)
	{
		if (i > 0 && pair->values[0][i] == pair->values[0][i - 1])
			continue;
		if (ndistinct == PF_FEW_VALUES)
			return;
		distinct[ndistinct++] = pair->values[0][i];
	}
	pair->few = true;
	count_values(distinct, ndistinct, pair);
}

static void
pair_categories(Kept *const *kept, uint32 n, PfColumnPair *pair)
{
	pair->ncells = n;
	for (int side = 0; side < 2; side++)
	{
		pair->cells[side] = palloc0((n + 1) * sizeof(uint64));
		if (kept[side]->counts != NULL)
			memcpy(pair->cells[side], kept[side]->counts, Min(n, kept[side]->room) * sizeof(uint64));
	}
	for (uint32 i = 0; i < n; i++)
	{
		pair->unseen[0] += pair->cells[0][i] == 1;
		pair->unseen[1] += pair->cells[0][i] == 0 ? pair->cells[1][i] : 0;
	}
}

static PfPairs *
pair_slice(Pairing *pairing, Slice *slice, bool sliced)
{
	const PfWatched *watched = pairing->watched;
	PfPairs    *pairs = palloc0(sizeof(PfPairs));

	pairs->slice = sliced ? slice->name : NULL;
	pairs->rows[0] = (int64) slice->rows[0];
	pairs->rows[1] = (int64) slice->rows[1];
	pairs->pairs = palloc0(watched->ncolumns * sizeof(PfColumnPair));

	/* what only the source has cannot be compared */
	for (uint32 c = 0; slice->rows[0] > 0 && c < watched->ncolumns; c++)
	{
		Kept	   *kept[] = {&slice->kept[0][c], &slice->kept[1][c]};
		PfColumnPair *pair = &pairs->pairs[pairs->npairs];

		if (kept[0]->rows == 0 || kept[1]->rows == 0)
			continue;
		pairs->npairs++;
		pair->feature = pf_watched_name(watched, c);
		pair->slice = pairs->slice;
		for (int side = 0; side < 2; side++)
		{
			pair->rows[side] = kept[side]->rows;
			pair->missing[side] = kept[side]->missing;
		}
		if (pairing->categories[c] != NULL)
			pair_categories(kept, pairing->categories[c]->members, pair);
		else
			pair_numbers(pairing, kept, pair);
		/* what is predicted has an order, however few values it has */
		pair->few &= c != watched->model->nfeatures;
	}
	return pairs;
}

static int
compare_slices(const void *a, const void *b)
{
	return strcmp(((const Slice *) a)->name, ((const Slice *) b)->name);
}

List *
pf_pair_sources(const PfWatched *watched, const PfSource *reference, const PfSource *source, List *by)
{
	Pairing    *pairing = palloc0(sizeof(Pairing));
	const PfModel *model = watched->model;
	List	   *result = NIL;
	PfReader	unused;
	bool		target;

	pairing->context = CurrentMemoryContext;
	pairing->env = pf_pg_env(CurrentMemoryContext);
	pairing->watched = watched;
	pairing->names = words_create(CurrentMemoryContext, 16, NULL);
	pairing->slices = palloc0(PF_MOST_SLICES * sizeof(Slice));
	pairing->categories = palloc0(watched->ncolumns * sizeof(words_hash *));
	for (uint32 c = 0; c < watched->ncolumns; c++)
	{
		bool		category = c < model->nfeatures ? model->bins[c].kind == PF_CATEGORY
			: c == model->nfeatures ? pf_predicts_class(model) : model->nclasses > 0;

		if (category)
			pairing->categories[c] = words_create(CurrentMemoryContext, 16, NULL);
	}
	target = has_target(watched, reference, &unused) && has_target(watched, source, &unused);
	read_side(pairing, 0, reference, by, target);
	read_side(pairing, 1, source, by, target);

	qsort(pairing->slices, pairing->nslices, sizeof(Slice), compare_slices);
	for (int i = 0; i < pairing->nslices; i++)
	{
		Slice	   *slice = &pairing->slices[i];

		if (slice->rows[1] == 0)
			continue;
		for (int side = 0; side < 2; side++)
			keep_predictions(pairing, slice, side);
		result = lappend(result, pair_slice(pairing, slice, by != NIL));
	}
	return result;
}

/*
 * score.c
 *	  Scan, bind, predict, collect; see score.h.
 *
 * Rows come from the scan one by one, are bound to bins for every version and
 * predicted in blocks.  What is kept of a row is its label or value and the
 * versions' answers, in arrays that grow by doubling: every metric is then
 * exact.  The scan may run inside a parallel plan's leader, so nothing here
 * writes or takes a transaction id.
 *
 * Memory: everything that lasts is in the context that pf_score was called in;
 * what the callback allocates on the way dies with the scan's own context.  The arrays
 * never have room for more rows than can be measured within pgforest.train_memory.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pgenv.h"
#include "common/hashfn.h"
#include "engine/bins/hash.h"
#include "engine/measure/paired.h"
#include "engine/walk/walk.h"
#include "evaluate/score.h"
#include "load/columns.h"
#include "load/scan.h"
#include "miscadmin.h"
#include "predict/bind.h"
#include "settings.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define BLOCK_ROWS		512
#define FIRST_CAPACITY	8192
#define MAX_SLICES		10000

/* A text and its number, in the order of first sight. */
typedef struct Word
{
	const char *text;
	uint32		number;
	char		status;
} Word;

static inline uint32
hash_word(const char *text)
{
	return hash_bytes((const unsigned char *) text, (int) strlen(text));
}

#define SH_PREFIX words
#define SH_ELEMENT_TYPE Word
#define SH_KEY_TYPE const char *
#define SH_KEY text
#define SH_HASH_KEY(table, key) hash_word(key)
#define SH_EQUAL(table, a, b) (strcmp(a, b) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

typedef struct Dictionary
{
	words_hash *hash;
	char	  **texts;
	uint32		count;
	uint32		limit;
} Dictionary;

/* One version on its way through the rows. */
typedef struct Runner
{
	PfBinder   *binder;
	PfRawBinder *raw;			/* instead, where the version carries a recipe */
	const PfRecipe *recipe;
	uint8	   *bins;			/* a block of rows */
	double	   *out;			/* rows x width, grows */
} Runner;

typedef struct Scan
{
	MemoryContext context;
	const PfEnv *env;
	PfScores   *scores;
	const PfSource *source;
	List	   *columns;		/* asked for, without repeats */
	TupleDesc	desc;			/* their types, in that order */
	Runner	   *runners;

	/*
	 * What is true of a row, and which rows are meant: from the row as it is, or as the first
	 * version's recipe leaves it.
	 */
	PfCleaner  *cleaner;		/* or NULL */
	TupleDesc	plain;
	int			target;			/* positions in it */
	PfReader	target_reader;
	bool		classes;

	PfRowHasher *hasher;		/* held-out rows by hash, or NULL */
	double		holdout;
	bool		paired;			/* for a paired bootstrap */
	PfRowHasher *grouper;		/* groups by hash, or NULL */
	int			split;			/* held-out rows by column, or -1 */
	PfReader	split_reader;

	int			nby;			/* of the row as it is */
	int		   *by;
	PfReader   *by_reader;
	char	  **by_name;

	uint64		row_size;		/* bytes of memory for a row */
	size_t		limit;			/* rows for which there is enough */
	size_t		capacity;
	size_t		rows;			/* collected */
	uint32		pending;		/* of these, in the block */
	uint32	   *label;			/* by row: number in labels */
	double	   *value;
	uint32	   *slice;
	uint64	   *group;
	Dictionary	labels;
	Dictionary	slices;
} Scan;

static void ask(Scan *scan, const char *name, StringInfo missing);
static bool has_key(const PfSource *source, const PfVersionInfo *version);
static void ask_for_columns(Scan *scan, const PfVersionInfo *first, bool held_out, List *by,
							bool grouped);
static void ask_for_raw(Scan *scan, const PfRecipe *recipe, const char *model, List *wanted);
static List *plain_columns(const PfVersionInfo *first, bool held_out);
static int	position(const Scan *scan, const char *name);
static int	plain_position(const Scan *scan, const char *name);
static void read_types(Scan *scan, const PfVersionInfo *first, bool held_out, List *by);
static void take_row(Datum *values, bool *nulls, void *arg);
static bool is_wanted(Scan *scan, Datum *values, bool *nulls);
static uint32 find_slice(Scan *scan, Datum *values, bool *nulls);
static void start_dictionary(Dictionary *dictionary, MemoryContext context, uint32 limit);
static int64 find_word(Dictionary *dictionary, MemoryContext context, const char *text);
static uint64 further_classes_size(const Scan *scan);
static void give_up(Scan *scan);
static void grow(Scan *scan);
static void predict_block(Scan *scan);
static void refuse_no_rows(const Scan *scan, uint64 scanned, bool held_out);
static void finish_classes(Scan *scan, int version);
static int	compare_texts(const void *a, const void *b);
static void finish_slices(Scan *scan);

static PfScores *
score(const PfSource *source, PfVersionInfo *const *versions, const PfModel *const *models,
	  int nversions, bool held_out, List *by, bool paired)
{
	Scan	   *scan = palloc0(sizeof(Scan));
	PfScores   *scores = palloc0(sizeof(PfScores));
	uint64		scanned;
	bool		grouped;

	scan->context = CurrentMemoryContext;
	scan->env = pf_pg_env(CurrentMemoryContext);
	scan->source = source;
	scan->scores = scores;
	scan->classes = models[0]->nclasses > 0;
	scan->paired = paired;

	scores->nversions = nversions;
	scores->versions = palloc0(sizeof(PfScored) * nversions);
	scan->runners = palloc0(sizeof(Runner) * nversions);
	for (int i = 0; i < nversions; i++)
	{
		scores->versions[i].version = versions[i];
		scores->versions[i].model = models[i];
		if (versions[i]->recipe != NULL)
			scan->runners[i].recipe = pf_recipe_read(versions[i]->recipe);
	}

	grouped = paired && has_key(source, versions[0]);
	ask_for_columns(scan, versions[0], held_out, by, grouped);
	read_types(scan, versions[0], held_out, by);
	if (grouped)
	{
		scan->grouper = palloc0(sizeof(PfRowHasher));
		pf_row_hasher_init(scan->grouper, versions[0]->identity, versions[0]->nidentity, scan->desc);
	}
	start_dictionary(&scan->labels, scan->context, PF_MAX_CLASSES);
	start_dictionary(&scan->slices, scan->context, MAX_SLICES);
	scan->row_size = pf_score_row_size(models, nversions, by != NIL) + (grouped ? sizeof(uint64) : 0) +
		(paired ? PF_PAIRED_ROW : 0);
	scan->limit = (uint64) pf_train_memory * 1024 / scan->row_size;
	grow(scan);

	scanned = pf_source_scan(source, scan->columns, take_row, scan);
	scores->rows = (int64) scan->rows;
	if (!scores->counted_only)
		predict_block(scan);
	if (scan->rows == 0)
		refuse_no_rows(scan, scanned, held_out);
	scan->row_size += further_classes_size(scan);
	if (scan->rows > (uint64) pf_train_memory * 1024 / scan->row_size)
		give_up(scan);
	if (scores->counted_only)
		return scores;

	for (int i = 0; i < nversions; i++)
	{
		if (scan->classes)
			finish_classes(scan, i);
		else
		{
			scores->versions[i].value = scan->value;
			scores->versions[i].predicted = scan->runners[i].out;
		}
	}
	if (scan->nby > 0)
		finish_slices(scan);
	scores->group = scan->group;
	return scores;
}

PfScores *
pf_score(const PfSource *source, PfVersionInfo *const *versions,
		 const PfModel *const *models, int nversions, bool held_out, List *by)
{
	return score(source, versions, models, nversions, held_out, by, false);
}

PfScores *
pf_score_pair(const PfSource *source, PfVersionInfo *const *versions,
			  const PfModel *const *models, bool held_out)
{
	return score(source, versions, models, 2, held_out, NIL, true);
}

/* Is the identity of rows a key (else the target is part of it), and has the source its columns? */
static bool
has_key(const PfSource *source, const PfVersionInfo *version)
{
	for (int i = 0; i < version->nidentity; i++)
		if (strcmp(version->identity[i], version->target) == 0 ||
			pf_source_column(source, version->identity[i]) < 0)
			return false;
	return version->nidentity > 0;
}

/* ----- before the first row ----- */

/* Wants a column of the source; one that is not there goes on the list. */
static void
ask(Scan *scan, const char *name, StringInfo missing)
{
	if (position(scan, name) >= 0)
		return;
	if (pf_source_column(scan->source, name) < 0)
	{
		char	   *quoted = psprintf("\"%s\"", name);

		if (strstr(missing->data, quoted) == NULL)
			pf_list_name(missing, name);
		return;
	}
	scan->columns = lappend(scan->columns, pstrdup(name));
}

/* Wants the raw columns from which a recipe makes some; those that are not there are its error. */
static void
ask_for_raw(Scan *scan, const PfRecipe *recipe, const char *model, List *wanted)
{
	PfCleaner  *cleaner = pf_cleaner_create(recipe, "source", model, scan->source->desc, wanted);
	ListCell   *lc;

	foreach(lc, pf_cleaner_needs(cleaner))
	{
		if (position(scan, lfirst(lc)) < 0)
			scan->columns = lappend(scan->columns, pstrdup(lfirst(lc)));
	}
}

/* What does not depend on a version's features. */
static List *
plain_columns(const PfVersionInfo *first, bool held_out)
{
	List	   *names = list_make1(first->target);

	if (held_out && first->split != NULL)
		names = lappend(names, first->split);
	else if (held_out)
		for (int i = 0; i < first->nidentity; i++)
			if (strcmp(first->identity[i], first->target) != 0)
				names = lappend(names, first->identity[i]);
	return names;
}

/* Everything that the versions, the split and the slices need. */
static void
ask_for_columns(Scan *scan, const PfVersionInfo *first, bool held_out, List *by, bool grouped)
{
	const PfScores *scores = scan->scores;
	StringInfoData missing;
	ListCell   *lc;
	int			n = 0;

	initStringInfo(&missing);
	if (scan->runners[0].recipe == NULL)
		ask(scan, first->target, &missing);
	for (int v = 0; v < scores->nversions; v++)
	{
		const PfModel *model = scores->versions[v].model;
		List	   *names = v == 0 && scan->runners[0].recipe ? plain_columns(first, held_out) : NIL;

		for (uint32 i = 0; i < model->ncolumns; i++)
			names = lappend(names, model->columns[i].name);
		if (scan->runners[v].recipe != NULL)
			ask_for_raw(scan, scan->runners[v].recipe, first->model.name, names);
		else
		{
			foreach(lc, names)
				ask(scan, lfirst(lc), &missing);
		}
	}
	if (scan->runners[0].recipe == NULL)
	{
		foreach(lc, plain_columns(first, held_out))
			ask(scan, lfirst(lc), &missing);
	}
	for (int i = 0; grouped && i < first->nidentity; i++)
		ask(scan, first->identity[i], &missing);
	foreach(lc, by)
		ask(scan, lfirst(lc), &missing);

	if (missing.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("source lacks columns that are needed to measure model \"%s\"",
						first->model.name),
				 errdetail("Missing: %s.", missing.data),
				 errhint("Columns are matched by name; give a renamed column its old name in the query passed as source.")));
	pfree(missing.data);

	scan->desc = CreateTemplateTupleDesc(list_length(scan->columns));
	foreach(lc, scan->columns)
	{
		int			from = pf_source_column(scan->source, lfirst(lc));

		TupleDescCopyEntry(scan->desc, (AttrNumber) ++n, scan->source->desc,
						   (AttrNumber) (from + 1));
	}
}

/* Position of a column among those asked for, or -1. */
static int
position(const Scan *scan, const char *name)
{
	ListCell   *lc;

	foreach(lc, scan->columns)
		if (strcmp(lfirst(lc), name) == 0)
			return foreach_current_index(lc);
	return -1;
}

/* Position of one of the plain columns. */
static int
plain_position(const Scan *scan, const char *name)
{
	int			i = 0;

	while (strcmp(NameStr(TupleDescAttr(scan->plain, i)->attname), name) != 0)
		i++;
	return i;
}

static void
read_types(Scan *scan, const PfVersionInfo *first, bool held_out, List *by)
{
	PfScores   *scores = scan->scores;
	Oid			type;
	ListCell   *lc;

	scan->plain = scan->desc;
	if (scan->runners[0].recipe != NULL)
	{
		scan->cleaner = pf_cleaner_create(scan->runners[0].recipe, "source", first->model.name, scan->desc,
										  plain_columns(first, held_out));
		scan->plain = pf_cleaner_desc(scan->cleaner);
	}
	scan->target = plain_position(scan, first->target);
	type = TupleDescAttr(scan->plain, scan->target)->atttypid;
	if (!pf_reader_init(&scan->target_reader, type) ||
		OidIsValid(scan->target_reader.element) ||
		(!scan->classes && scan->target_reader.kind != PF_NUMBER))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("target column \"%s\" cannot be compared with the predictions of model \"%s\"",
						first->target, first->model.name),
				 errdetail("It has type %s, the model predicts %s.", format_type_be(type),
						   scan->classes ? "a class" : "a number")));

	for (int v = 0; v < scores->nversions; v++)
	{
		const PfScored *scored = &scores->versions[v];
		char	   *reference = psprintf("%s@%d", scored->version->model.name,
										 scored->version->version);

		if (scan->runners[v].recipe != NULL)
			scan->runners[v].raw = pf_raw_binder_create(scored->model, reference,
														scan->runners[v].recipe, scan->desc);
		else
			scan->runners[v].binder = pf_binder_create(scored->model, reference, scan->desc);
		scan->runners[v].bins = palloc(BLOCK_ROWS * pf_row_size(scored->model));
	}

	scan->split = -1;
	if (held_out && first->split != NULL)
	{
		scan->split = plain_position(scan, first->split);
		type = TupleDescAttr(scan->plain, scan->split)->atttypid;
		if (!pf_reader_init(&scan->split_reader, type) ||
			scan->split_reader.kind != PF_CATEGORY)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("split column \"%s\" must hold text", first->split),
					 errdetail("It has type %s.", format_type_be(type))));
	}
	else if (held_out)
	{
		scan->hasher = palloc0(sizeof(PfRowHasher));
		pf_row_hasher_init(scan->hasher, first->identity, first->nidentity, scan->plain);
		scan->holdout = first->holdout;
	}

	scan->nby = list_length(by);
	scan->by = palloc(sizeof(int) * (scan->nby + 1));
	scan->by_reader = palloc0(sizeof(PfReader) * (scan->nby + 1));
	scan->by_name = palloc(sizeof(char *) * (scan->nby + 1));
	foreach(lc, by)
	{
		int			i = foreach_current_index(lc);

		scan->by_name[i] = lfirst(lc);
		scan->by[i] = position(scan, lfirst(lc));
		type = TupleDescAttr(scan->desc, scan->by[i])->atttypid;
		pf_slice_reader(&scan->by_reader[i], scan->by_name[i], type);
	}
}

void
pf_slice_reader(PfReader *reader, const char *name, Oid type)
{
	if (!pf_reader_init(reader, type) || OidIsValid(reader->element))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" cannot make slices", name),
				 errdetail("It has type %s.", format_type_be(type)),
				 errhint("Cast it to text in the query passed as source.")));
}

void
pf_score_check_slices(const PfSource *source, List *by)
{
	StringInfoData missing;
	PfReader	reader;
	ListCell   *lc;

	initStringInfo(&missing);
	foreach(lc, by)
		if (pf_source_column(source, lfirst(lc)) < 0)
			pf_list_name(&missing, lfirst(lc));
	if (missing.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("source lacks columns that are to make slices"),
				 errdetail("Missing: %s.", missing.data)));
	pfree(missing.data);
	foreach(lc, by)
		pf_slice_reader(&reader, lfirst(lc),
						TupleDescAttr(source->desc, pf_source_column(source, lfirst(lc)))->atttypid);
}

/* ----- the rows ----- */

static void
take_row(Datum *values, bool *nulls, void *arg)
{
	Scan	   *scan = arg;
	PfScores   *scores = scan->scores;
	Datum	   *plain = values;
	bool	   *plain_nulls = nulls;

	if (scan->cleaner != NULL)
		pf_clean_row(scan->cleaner, values, nulls, &plain, &plain_nulls);
	if (!is_wanted(scan, plain, plain_nulls))
		return;
	if (plain_nulls[scan->target])
	{
		scores->rows_no_target++;
		return;
	}
	if (scores->counted_only)
	{
		scan->rows++;
		return;
	}
	if (scan->rows == scan->capacity)
	{
		if (scan->rows == scan->limit)
		{
			give_up(scan);
			scan->rows++;
			return;
		}
		grow(scan);
	}

	if (scan->classes)
	{
		int64		label = find_word(&scan->labels, scan->context,
									  pf_read_label(&scan->target_reader, plain[scan->target]));

		if (label < 0)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("target column \"%s\" has more than %d distinct values",
							NameStr(TupleDescAttr(scan->plain, scan->target)->attname), PF_MAX_CLASSES)));
		scan->label[scan->rows] = (uint32) label;
	}
	else
	{
		double		value = pf_read_number(&scan->target_reader, plain[scan->target]);

		if (!isfinite(value))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("target column \"%s\" has a value that is not a finite number",
							NameStr(TupleDescAttr(scan->plain, scan->target)->attname)),
					 errhint("Leave such rows out in the query passed as source.")));
		scan->value[scan->rows] = value;
	}
	if (scan->nby > 0)
		scan->slice[scan->rows] = find_slice(scan, values, nulls);
	if (scan->grouper != NULL)
		scan->group[scan->rows] = pf_row_hash(scan->grouper, values, nulls);

	for (int v = 0; v < scores->nversions; v++)
	{
		Runner	   *runner = &scan->runners[v];
		uint8	   *row = runner->bins + scan->pending * pf_row_size(scores->versions[v].model);

		if (runner->raw != NULL)
			pf_bind_raw_row(runner->raw, values, nulls, row);
		else
			pf_bind_row(runner->binder, values, nulls, row);
	}
	scan->rows++;
	if (++scan->pending == BLOCK_ROWS)
		predict_block(scan);
}

/* Is the row one of those to measure on? */
static bool
is_wanted(Scan *scan, Datum *values, bool *nulls)
{
	if (scan->split >= 0)
		return !nulls[scan->split] &&
			strcmp(pf_read_label(&scan->split_reader, values[scan->split]), "validation") == 0;
	if (scan->hasher != NULL)
		return pf_is_held_out(pf_row_hash(scan->hasher, values, nulls), scan->holdout);
	return true;
}

/* A value in the name of a slice, in quotes where the name could also mean other values. */
static const char *
slice_value(const char *value)
{
	if (value[0] == '\0' || strpbrk(value, ",'\\") != NULL || strcmp(value, "NULL") == 0)
		return quote_literal_cstr(value);
	return value;
}

char *
pf_slice_name(int n, char *const *names, PfReader *readers, const int *positions,
			  const Datum *values, const bool *nulls)
{
	StringInfoData name;

	initStringInfo(&name);
	for (int i = 0; i < n; i++)
	{
		int			at = positions ? positions[i] : i;

		appendStringInfo(&name, "%s%s = %s", i > 0 ? ", " : "", names[i],
						 nulls[at] ? "NULL" : slice_value(pf_read_label(&readers[i], values[at])));
	}
	return name.data;
}

static uint32
find_slice(Scan *scan, Datum *values, bool *nulls)
{
	int64		slice = find_word(&scan->slices, scan->context,
								  pf_slice_name(scan->nby, scan->by_name, scan->by_reader, scan->by,
												values, nulls));

	if (slice < 0)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("more than %d slices", MAX_SLICES),
				 errhint("Name columns with fewer distinct values in by.")));
	return (uint32) slice;
}

static void
start_dictionary(Dictionary *dictionary, MemoryContext context, uint32 limit)
{
	dictionary->hash = words_create(context, 16, NULL);
	dictionary->texts = MemoryContextAlloc(context, sizeof(char *) * limit);
	dictionary->limit = limit;
}

/* The number of a text, given when it is new; -1: there are too many. */
static int64
find_word(Dictionary *dictionary, MemoryContext context, const char *text)
{
	Word	   *word = words_lookup(dictionary->hash, text);
	bool		found;
	char	   *kept;

	if (word != NULL)
		return word->number;
	if (dictionary->count == dictionary->limit)
		return -1;
	kept = MemoryContextStrdup(context, text);
	word = words_insert(dictionary->hash, kept, &found);
	word->number = dictionary->count;
	dictionary->texts[dictionary->count] = kept;
	return dictionary->count++;
}

static void *
grow_array(Scan *scan, void *array, size_t size)
{
	if (array == NULL)
		return MemoryContextAllocHuge(scan->context, mul_size(scan->capacity, size));
	return repalloc_huge(array, mul_size(scan->capacity, size));
}

uint64
pf_score_row_size(const PfModel *const *models, int nversions, bool slices)
{
	bool		classes = models[0]->nclasses > 0;
	uint64		widest = 0;
	uint64		size = classes ? sizeof(uint32) : sizeof(double);

	for (int v = 0; v < nversions; v++)
	{
		uint64		answers = models[v]->width * sizeof(double) + (classes ? sizeof(uint32) : 0);

		size += answers;
		widest = Max(widest, answers);
	}
	if (slices)
		/* their rows stand together while they are measured: all of them, perhaps */
		size += sizeof(uint32) + sizeof(size_t) + widest + (classes ? 0 : sizeof(double));
	return size + PF_MEASURE_ROW;
}

/* What it takes more for labels that models do not know; finish_classes makes room for them. */
static uint64
further_classes_size(const Scan *scan)
{
	uint64		size = 0;

	for (int v = 0; v < scan->scores->nversions; v++)
	{
		const PfModel *model = scan->scores->versions[v].model;
		uint32		known = 0;

		for (uint32 c = 0; c < model->nclasses; c++)
			known += words_lookup(scan->labels.hash, model->classes[c]) != NULL;
		if (known < scan->labels.count)
			size += (model->nclasses + scan->labels.count - known) * sizeof(double);
	}
	return size;
}

/* There is not enough memory: an error, unless it is of use that rows are just counted. */
static void
give_up(Scan *scan)
{
	PfScores   *scores = scan->scores;

	if (scores->counted_only)
		return;
	if (scores->nversions == 1 || scan->nby > 0 || scan->paired)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("measuring needs more memory than pgforest.train_memory allows"),
				 errdetail("A row takes " UINT64_FORMAT " bytes, so that the %d kB allowed are enough for " UINT64_FORMAT " rows.",
						   scan->row_size, pf_train_memory,
						   (uint64) pf_train_memory * 1024 / scan->row_size),
				 errhint("Raise pgforest.train_memory, or pass a part of the rows as source.")));
	for (int v = 0; v < scores->nversions; v++)
		pfree(scan->runners[v].out);
	if (scan->classes)
		pfree(scan->label);
	else
		pfree(scan->value);
	scores->counted_only = true;
}

static void
grow(Scan *scan)
{
	scan->capacity = scan->capacity == 0 ? FIRST_CAPACITY : mul_size(scan->capacity, 2);
	scan->capacity = Min(scan->capacity, scan->limit);
	if (scan->classes)
		scan->label = grow_array(scan, scan->label, sizeof(uint32));
	else
		scan->value = grow_array(scan, scan->value, sizeof(double));
	if (scan->nby > 0)
		scan->slice = grow_array(scan, scan->slice, sizeof(uint32));
	if (scan->grouper != NULL)
		scan->group = grow_array(scan, scan->group, sizeof(uint64));
	for (int v = 0; v < scan->scores->nversions; v++)
		scan->runners[v].out =
			grow_array(scan, scan->runners[v].out,
					   sizeof(double) * scan->scores->versions[v].model->width);
}

static void
predict_block(Scan *scan)
{
	size_t		first = scan->rows - scan->pending;

	if (scan->pending == 0)
		return;
	for (int v = 0; v < scan->scores->nversions; v++)
	{
		const PfModel *model = scan->scores->versions[v].model;

		pf_walk_block(scan->env, model, scan->runners[v].bins, pf_row_size(model),
					  scan->pending, scan->runners[v].out + first * model->width);
	}
	scan->pending = 0;
}

/* ----- after the last row ----- */

static void
refuse_no_rows(const Scan *scan, uint64 scanned, bool held_out)
{
	if (scanned > 0 && scan->scores->rows_no_target > 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("no row to measure on: target column \"%s\" is NULL in all of them",
						NameStr(TupleDescAttr(scan->plain, scan->target)->attname))));
	if (scanned > 0 && held_out)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("no row to measure on: none of the %llu rows of the source is held out",
						(unsigned long long) scanned),
				 errhint("Pass a source whose rows no version was trained on.")));
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("no row to measure on: the source is empty"),
			 errhint("If row-level security applies to it, you see only the rows that its policies show you.")));
}

/*
 * From label numbers to class numbers of one version.  Labels that the model
 * does not know become further classes, by bytes; its shares are then moved
 * apart to make room for theirs, which are 0.
 */
static void
finish_classes(Scan *scan, int version)
{
	PfScored   *scored = &scan->scores->versions[version];
	const PfModel *model = scored->model;
	uint32		nlabels = scan->labels.count;
	uint32	   *class = palloc(sizeof(uint32) * nlabels);

	scored->nclasses = model->nclasses;
	scored->classes = palloc(sizeof(char *) * (model->nclasses + nlabels));
	memcpy(scored->classes, model->classes, sizeof(char *) * model->nclasses);
	for (uint32 i = 0; i < nlabels; i++)
	{
		uint32		c = 0;

		while (c < model->nclasses && strcmp(model->classes[c], scan->labels.texts[i]) != 0)
			c++;
		if (c == model->nclasses)
			scored->classes[scored->nclasses++] = scan->labels.texts[i];
	}
	qsort(scored->classes + model->nclasses, scored->nclasses - model->nclasses,
		  sizeof(char *), compare_texts);
	for (uint32 i = 0; i < nlabels; i++)
		for (uint32 c = 0; c < scored->nclasses; c++)
			if (strcmp(scored->classes[c], scan->labels.texts[i]) == 0)
				class[i] = c;

	scored->actual = MemoryContextAllocHuge(scan->context, mul_size(scan->rows, sizeof(uint32)));
	for (size_t row = 0; row < scan->rows; row++)
	{
		if (row % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
		scored->actual[row] = class[scan->label[row]];
	}

	scored->shares = scan->runners[version].out;
	if (scored->nclasses > model->nclasses)
	{
		double	   *apart = MemoryContextAllocHuge(scan->context,
												   mul_size(mul_size(scan->rows, scored->nclasses),
															sizeof(double)));

		for (size_t row = 0; row < scan->rows; row++)
		{
			double	   *to = apart + row * scored->nclasses;

			if (row % 1024 == 0)
				CHECK_FOR_INTERRUPTS();
			memset(to, 0, sizeof(double) * scored->nclasses);
			memcpy(to, scored->shares + row * model->nclasses, sizeof(double) * model->nclasses);
		}
		pfree(scored->shares);
		scored->shares = apart;
	}
	pfree(class);
}

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Row numbers by slice: counted, then dealt. */
static void
finish_slices(Scan *scan)
{
	PfScores   *scores = scan->scores;
	uint32		n = scan->slices.count;
	size_t	   *next = palloc0(sizeof(size_t) * n);

	scores->nslices = (int) n;
	scores->slice_names = scan->slices.texts;
	scores->slice_start = palloc0(sizeof(size_t) * (n + 1));
	scores->slice_rows = MemoryContextAllocHuge(scan->context,
												mul_size(scan->rows, sizeof(size_t)));
	for (size_t row = 0; row < scan->rows; row++)
		scores->slice_start[scan->slice[row] + 1]++;
	for (uint32 i = 0; i < n; i++)
		scores->slice_start[i + 1] += scores->slice_start[i];
	memcpy(next, scores->slice_start, sizeof(size_t) * n);
	for (size_t row = 0; row < scan->rows; row++)
	{
		if (row % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
		scores->slice_rows[next[scan->slice[row]]++] = row;
	}
	pfree(next);
}

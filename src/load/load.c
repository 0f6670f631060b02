/*
 * load.c
 *	  From a source to binned rows: the stages, one after another.
 *
 * One pass when the raw values fit in pgforest.train_memory: collect, sample,
 * bin maps, bins.  Else two passes under the same snapshot, the first of which
 * keeps the sample and the dictionaries only.  Two passes also when PostgreSQL would
 * read tables in parallel: each process then takes the rows that it reads (team.c).
 * Either way the same bytes come out.
 *
 * Memory: a context of its own for everything raw, deleted at the end; what is
 * returned lives in the caller's.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include <math.h>

#include "engine/bins/hash.h"
#include "engine/forest/forest.h"
#include "engine/measure/measure.h"
#include "load/scan.h"
#include "load/stages.h"
#include "progress/progress.h"
#include "settings.h"

#define IDENTITY_BITS		(1 << 20)	/* a power of two */
#define LEAST_CHANCE		1e-12	/* of an error that is wrong */

/*
 * Rows that a process reads once in the time that it takes to launch workers twice and to read rows
 * twice, for each unit of parallel_setup_cost.
 */
#define SHARE_ROWS			200

/* Errors when the split column holds anything but the three words. */
static void
check_splits(const PfLoad *load)
{
	StringInfoData list;
	ListCell   *lc;

	if (load->bad_splits == NIL)
		return;
	initStringInfo(&list);
	foreach(lc, load->bad_splits)
		appendStringInfo(&list, "%s\"%s\"", list.len > 0 ? ", " : "", (char *) lfirst(lc));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("split column \"%s\" has values that name no part", load->split->name),
			 errdetail("It has %s.", list.data),
			 errhint("The parts are \"train\", \"validation\" and \"test\"; NULL leaves a row out.")));
}

/* Errors when there is nothing to train on. */
static void
check_rows(const PfLoad *load)
{
	if (load->rows_read == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("the source has no rows"),
				 errhint("If row-level security applies to it, you see only the rows that its policies show you.")));
	if (load->target && load->rows_no_target == load->rows_read)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("target column \"%s\" is NULL in every row", load->target->name),
				 errdetail("The source has " INT64_FORMAT " rows.", load->rows_read),
				 errhint("Rows without a target are left out of training.")));
	if (load->rows_used == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("no row of the source can be used"),
				 errdetail("Of " INT64_FORMAT " rows, " INT64_FORMAT " have no target and "
						   INT64_FORMAT " no part; the others have weight 0.",
						   load->rows_read, load->rows_no_target, load->rows_no_split),
				 errhint("A row needs a target, a part if there is a split column, and a weight above 0.")));
	if (load->rows_train == 0)
	{
		if (load->split)
			ereport(ERROR,
					(errcode(ERRCODE_NO_DATA_FOUND),
					 errmsg("no row of the source is for training"),
					 errhint("Mark some rows \"train\" in the split column \"%s\".",
							 load->split->name)));
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("all rows of the source are held out"),
				 errdetail("There are " INT64_FORMAT " rows, and a share of %g is held out by the hash of a row%s.",
						   load->rows_used, load->spec->holdout,
						   load->spec->key ? "'s key" : ""),
				 errhint("Pass holdout => 0 to train on all rows.")));
	}
}

/*
 * So many different identities at least have the rows that are stored: those that fall
 * into bits of their own.  The same whatever the order of the rows.
 */
static uint32
count_identities(const PfLoad *load)
{
	uint32		stored = pf_stored_rows(load);
	uint8	   *seen = palloc0(IDENTITY_BITS / 8);
	uint32		n = 0;
	int			place;

	for (uint32 row = 0; row < stored; row++)
	{
		PfBlock    *block = pf_block_of(load, row, &place);
		uint32		bit = pf_purpose(block->identity[place], PF_FOR_ORDER) % IDENTITY_BITS;

		if (row % 65536 == 0)
			pf_check(load->env);
		n += (seen[bit / 8] >> (bit % 8) & 1) == 0;
		seen[bit / 8] |= 1 << (bit % 8);
	}
	pfree(seen);
	return n;
}

/*
 * Errors when rows to hold out seem to have been taken out of the source before: there are
 * so many identities that the hash would have put one of them where none is, at the top of
 * what is held out, but for a chance of LEAST_CHANCE.  Where all are gone, such a version would be
 * measured out of bag only and be compared with none; where some are, on the few that are left.
 */
static void
check_held_out(const PfLoad *load)
{
	double		share = load->spec->holdout;
	const char *key = load->spec->key ? "'s key" : "";
	bool		all = load->rows_train == load->rows_used;
	double		gap = 1 - load->highest;

	if (load->split || !(share > 0))
		return;
	if (pow(1 - Min(share, gap), pf_stored_rows(load)) >= LEAST_CHANCE ||
		pow(1 - Min(share, gap), count_identities(load)) >= LEAST_CHANCE)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 all ? errmsg("the rows to be held out are not among those of the source")
			 : errmsg("not all rows to be held out are among those of the source"),
			 all ? errdetail("A share of %g is held out by the hash of a row%s, but none of " INT64_FORMAT " rows is; they seem to have been left out before.",
							 share, key, load->rows_used)
			 : errdetail("A share of %g is held out by the hash of a row%s, but none of " INT64_FORMAT " rows is in the top %.2g of all hashes; they seem to have been left out before.",
						 share, key, load->rows_used, gap),
			 errhint("Pass all rows, as ml_train holds these out itself; or holdout => 0, to measure out of bag; or all rows and split => the column that says train, validation or test.")));
}

/* The number of classes that training rows have; one of them in *last. */
static uint32
count_training_classes(const PfLoad *load, uint32 *last)
{
	uint32		n = 0;

	for (uint32 code = 0; code < load->labels->n; code++)
	{
		if (load->labels->in_training[code])
		{
			n++;
			*last = code;
		}
	}
	return n;
}

/* Errors when there are fewer than two classes. */
static void
check_classes(const PfLoad *load)
{
	uint32		code = 0;
	const char *label;
	Size		length;
	int			shown;

	if (load->task != PF_CLASSIFICATION || count_training_classes(load, &code) >= 2)
		return;
	label = pf_dictionary_value(load->labels, code, &length);
	shown = pg_mbcliplen(label, length, NAMEDATALEN);
	if (load->labels->n < 2)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("target column \"%s\" has one class only", load->target->name),
				 errdetail("It is \"%.*s\" in every row.", shown, label),
				 errhint("Classification needs rows of at least two classes.")));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("the training rows have one class only"),
			 errdetail("It is \"%.*s\"; rows of the other classes are held out.",
					   shown, label),
			 load->split ? errhint("Mark rows of other classes \"train\" in the split column \"%s\".", load->split->name)
			 : errhint("Add rows, or pass a smaller holdout.")));
}

/* Errors with the array columns whose length no row told. */
static void
check_arrays(const PfLoad *load)
{
	StringInfoData list;
	StringInfoData names;

	initStringInfo(&list);
	initStringInfo(&names);
	for (int f = 0; f < load->nfeature_columns; f++)
	{
		if (load->features[f]->length > 0)
			continue;
		appendStringInfo(&list, "%s\"%s\"", list.len > 0 ? ", " : "", load->features[f]->name);
		appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "",
						 quote_literal_cstr(load->features[f]->name));
	}
	if (list.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("the length of array column %s is not known", list.data),
				 errdetail("It is NULL in every row."),
				 errhint("Pass exclude => ARRAY[%s].", names.data)));
}

/* Integer labels by number; equal lengths and signs make that an order of texts. */
static int
compare_integers(uint32 a, uint32 b, const void *arg)
{
	const PfDictionary *dictionary = arg;
	Size		alength;
	Size		blength;
	const char *abytes = pf_dictionary_value(dictionary, a, &alength);
	const char *bbytes = pf_dictionary_value(dictionary, b, &blength);
	bool		anegative = *abytes == '-';
	bool		bnegative = *bbytes == '-';
	int			order;

	if (anegative != bnegative)
		return anegative ? -1 : 1;
	if (alength != blength)
		order = alength < blength ? -1 : 1;
	else
		order = memcmp(abytes, bbytes, alength);
	return anegative ? -order : order;
}

/* Numbers the classes in their order: integers by number, others by bytes. */
static void
order_classes(PfLoad *load, MemoryContext context)
{
	PfDictionary *labels = load->labels;
	Oid			base = load->target->reader.base;
	bool		integers = base == INT2OID || base == INT4OID || base == INT8OID;
	uint32	   *codes = pf_alloc(load->env, labels->n * sizeof(uint32));

	for (uint32 code = 0; code < labels->n; code++)
		codes[code] = code;
	pf_sort_indexes(load->env, codes, labels->n,
					integers ? compare_integers : pf_dictionary_compare, labels);

	load->nclasses = labels->n;
	load->classes = MemoryContextAlloc(context, labels->n * sizeof(char *));
	load->class_of_code = pf_alloc(load->env, labels->n * sizeof(uint32));
	for (uint32 i = 0; i < labels->n; i++)
	{
		Size		length;
		const char *bytes = pf_dictionary_value(labels, codes[i], &length);

		load->classes[i] = MemoryContextAllocZero(context, length + 1);
		memcpy(load->classes[i], bytes, length);
		load->class_of_code[codes[i]] = i;
	}
	pfree(codes);
}

/*
 * kB that a training on so many rows needs at its most: to take the sample, to bring them
 * into order, to make a model of them with no worker, or to measure it.  *saves: see
 * PfGrowNotes.
 */
static uint64
memory_needed(const PfLoad *load, double rows, const char **saves)
{
	const PfLoadSpec *spec = load->spec;
	PfGrowNotes notes = {0};
	float		weight;
	PfMatrix	matrix = {
		.nrows = (uint32) Min(rows, PG_INT32_MAX),.nfeatures = load->nfeatures,
		.stride = pf_row_bytes(load),.nclasses = load->labels ? Max(load->labels->n, 2) : 0,
		.weight = load->weight ? &weight : NULL
	};
	bool		measured = spec->holdout > 0 || load->split;
	uint64		sample = pf_sample_memory(load, matrix.nrows);
	uint64		loading = pf_load_memory(load, matrix.nrows);
	uint64		growing = spec->grow_memory(spec->grow_arg, &matrix, measured, &notes);
	uint64		measuring = pf_matrix_memory(&matrix, notes.votes);
	double		held_out = load->rows_used > 0 ? 1 - (double) load->rows_train / load->rows_used
		: load->split ? 0 : spec->holdout;
	uint64		out_of_bag = notes.votes ? matrix.nrows * (1 - held_out) * PF_MEASURE_ROW : 0;

	/* one after the other; votes make room for what they become */
	measuring += Max(out_of_bag, (uint64) (matrix.nrows * held_out *
										   (PF_MEASURE_ROW + pf_votes_width(&matrix) * sizeof(double))));
	*saves = growing > Max(sample, loading) ? notes.saves : NULL;
	return Max(Max(sample, loading), Max(growing, measuring)) / 1024 + 1;
}

/* The largest number of rows that fits, to two digits; 0 when that is none. */
static uint32
rows_that_fit(const PfLoad *load, double rows)
{
	const char *saves;
	uint32		fit = (uint32) (rows * pf_train_memory / memory_needed(load, rows, &saves));
	uint32		unit = 1;

	while (fit / unit >= 100)
		unit *= 10;
	fit -= fit % unit;
	while (fit > 0 && memory_needed(load, fit, &saves) > (uint64) pf_train_memory)
		fit -= Min(fit, unit);
	return fit;
}

/* Errors when so many rows need more memory than pgforest.train_memory allows. */
void
pf_check_memory(const PfLoad *load, double rows, PfHowMany how_many)
{
	const char *words[] = {[PF_EXACTLY] = "",[PF_ABOUT] = "About ",[PF_AT_LEAST] = "At least "};
	const char *saves;
	uint64		needed;
	uint32		fit;
	StringInfoData hint;

	/* a worker knows too little; its leader stores about as many rows */
	if (load->spec->grow_memory == NULL)
		return;

	/* a guess may be wrong: it must be far off for an error */
	needed = memory_needed(load, rows, &saves);
	if (needed <= (uint64) pf_train_memory * (how_many == PF_ABOUT ? 2 : 1))
		return;

	initStringInfo(&hint);
	fit = rows_that_fit(load, rows);
	if (fit > 0)
		appendStringInfo(&hint, "Pass \"max_rows\": %u in %s to train on a sample of the rows", fit,
						 load->spec->for_folds ? "params or search" : "params");
	if (saves != NULL)
		appendStringInfo(&hint, "%s %s", fit > 0 ? ", or" : "Pass", saves);
	appendStringInfo(&hint, "%s pgforest.train_memory.", hint.len > 0 ? ", or raise" : "Raise");
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("training needs more memory than pgforest.train_memory allows"),
			 errdetail("%s%.0f rows need " UINT64_FORMAT " kB, and %d kB are allowed.",
					   words[how_many], rows, needed, pf_train_memory),
			 errhint("%s", hint.data)));
}

/*
 * The first pass.  What is read twice anyway may as well be read by a team; a query that may
 * take long is not, if its values fit in memory.
 */
static void
collect(PfLoad *load, PfScan *scan)
{
	load->pass = PF_COLLECT_SAMPLE;
	if (pf_scan_is_shared(scan) && pf_team_start(load))
	{
		pf_progress_phase(PF_PHASE_SCAN, pf_scan_rows(scan), pf_team_seen(load));
		pf_thin_sample(load, true);
		pf_scan_run_shared(scan, pf_collect_row, load, pf_team_handle(load));
		pf_collect_end(load);
		pf_thin_sample(load, true);
		pf_team_merge(load);
		pf_progress_counted(load->rows_read);
		pf_team_end(load);
		return;
	}
	load->pass = PF_COLLECT_ALL;
	pf_progress_phase(PF_PHASE_SCAN, pf_scan_rows(scan), &load->rows_read);
	pf_scan_run(scan, pf_collect_row, load);
	pf_collect_end(load);
}

/* Errors when two passes saw other rows. */
static void
refuse_other_rows(const PfLoad *load)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("the source gave other rows when it was read again"),
			 load->spec->max_rows > 0
			 ? errdetail("With \"max_rows\" its rows are counted before they are read.")
			 : errdetail("Its values do not fit in pgforest.train_memory, so that it is read twice."),
			 load->spec->max_rows > 0
			 ? errhint("Store its rows in a table first.")
			 : errhint("Store its rows in a table first, or raise pgforest.train_memory.")));
}

/* Counts the rows, so that those can be drawn that max_rows allows; then begins the load anew. */
static PfLoad *
draw_rows(PfLoad *load, PfScan *scan, int64 *rows)
{
	const PfLoadSpec *spec = load->spec;
	MemoryContext context = load->context;
	uint64		bound;

	pf_draw_start(load);
	if (pf_scan_is_shared(scan) && pf_team_start(load))
	{
		pf_progress_phase(PF_PHASE_SCAN, pf_scan_rows(scan), pf_team_seen(load));
		pf_scan_run_shared(scan, pf_collect_row, load, pf_team_handle(load));
		pf_team_merge(load);
		pf_progress_counted(load->rows_read);
		pf_team_end(load);
	}
	else
	{
		pf_progress_phase(PF_PHASE_SCAN, pf_scan_rows(scan), &load->rows_read);
		pf_scan_run(scan, pf_collect_row, load);
		pf_progress_counted(load->rows_read);
	}
	bound = pf_draw_bound(load, rows);
	MemoryContextReset(context);
	load = pf_load_resolve(spec, context);
	load->draw_bound = bound;
	return load;
}

/* Everything that is stored into bins; blocks are freed as they go. */
static void
pack_stored(PfLoad *load)
{
	for (uint32 b = 0; b < load->nblocks; b++)
	{
		pf_pack_block(load, load->blocks[b]);
		pf_free_block(load, load->blocks[b]);
	}
	load->nblocks = 0;
}

/* The second pass: the rows again, straight into bins; they must be the same rows. */
static void
pack_again(PfLoad *load, PfScan *scan)
{
	int64		rows_read = load->rows_read;
	int64		rows_used = load->rows_used;
	int64		no_target = load->rows_no_target;
	int64		no_split = load->rows_no_split;
	int64		beyond = load->rows_beyond;
	uint64		fingerprint[2];

	pf_copy_rows(load, NULL, 0);	/* the sample has served */
	memcpy(fingerprint, load->fingerprint, sizeof(fingerprint));
	memset(load->fingerprint, 0, sizeof(fingerprint));
	load->rows_read = load->rows_used = load->rows_train = 0;
	load->pass = PF_COLLECT_BINS;
	if (pf_scan_is_shared(scan) && pf_team_start(load))
	{
		pf_progress_phase(PF_PHASE_BIN, rows_read, pf_team_seen(load));
		pf_scan_run_shared(scan, pf_collect_row, load, pf_team_handle(load));
		pf_collect_end(load);
		pf_team_merge(load);
		pf_progress_counted(load->rows_read);
	}
	else
	{
		pf_pack_alone(load);
		pf_progress_phase(PF_PHASE_BIN, rows_read, &load->rows_read);
		pf_scan_run(scan, pf_collect_row, load);
		pf_collect_end(load);
	}
	if (rows_read != load->rows_read || rows_used != load->rows_used ||
		memcmp(fingerprint, load->fingerprint, sizeof(fingerprint)) != 0)
		refuse_other_rows(load);

	/* counted in the first pass, and by its workers only */
	load->rows_no_target = no_target;
	load->rows_no_split = no_split;
	load->rows_beyond = beyond;
}

/* The hash columns, ascending by name; none when a column makes the split. */
static void
list_identity(const PfLoad *load, PfLoaded *loaded)
{
	if (load->split)
		return;
	loaded->identity = palloc(load->ncolumns * sizeof(char *));
	for (int c = 0; c < load->ncolumns; c++)
	{
		if (load->columns[c].identity)
			loaded->identity[loaded->nidentity++] = pstrdup(load->columns[c].name);
	}
}

/* What the caller gets, but for the matrices. */
static void
describe(const PfLoad *load, PfLoaded *loaded)
{
	loaded->task = load->task;
	loaded->ncolumns = load->nfeature_columns;
	loaded->columns = palloc0(load->nfeature_columns * sizeof(PfColumn));
	loaded->column_types = palloc(load->nfeature_columns * sizeof(char *));
	for (int f = 0; f < load->nfeature_columns; f++)
	{
		const PfLoadColumn *column = load->features[f];

		loaded->columns[f].name = pstrdup(column->name);
		loaded->columns[f].kind = column->reader.kind;
		loaded->columns[f].length = OidIsValid(column->reader.element) ? column->length : 0;
		loaded->column_types[f] = format_type_be(column->reader.type);
	}
	loaded->nfeatures = load->nfeatures;
	loaded->bins_at = pf_bins_at(load);
	loaded->nentries = load->nentries;
	loaded->bins = load->bins;
	loaded->positions = load->positions;
	loaded->frames = load->frames;
	loaded->tallies = load->tallies;
	loaded->nclasses = load->nclasses;
	loaded->classes = load->classes;
	loaded->target_type = load->target_type;
	loaded->fingerprint[0] = load->fingerprint[0];
	loaded->fingerprint[1] = load->fingerprint[1];
	loaded->rows_read = load->rows_read;
	loaded->rows_no_target = load->rows_no_target;
	loaded->rows_no_split = load->rows_no_split;
	loaded->rows_not_drawn = load->rows_beyond;
	list_identity(load, loaded);
}

/* Checks names, types and task; reads no row. */
PfTask
pf_load_check(const PfLoadSpec *spec, List **numbers)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgforest load",
												  ALLOCSET_DEFAULT_SIZES);
	PfLoad	   *load = pf_load_resolve(spec, context);
	PfTask		task = load->task;

	*numbers = NIL;
	for (int i = 0; i < load->nfeature_columns; i++)
	{
		if (load->features[i]->reader.kind == PF_NUMBER && load->features[i]->content)
			*numbers = lappend(*numbers, pstrdup(load->features[i]->name));
	}
	MemoryContextDelete(context);
	return task;
}

/* From a source to binned rows. */
PfLoaded *
pf_load(const PfLoadSpec *spec)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "pgforest load",
												  ALLOCSET_DEFAULT_SIZES);
	PfLoaded   *loaded = palloc0(sizeof(PfLoaded));
	PfLoad	   *load = pf_load_resolve(spec, context);
	PfScan	   *scan;
	int64		rows;

	scan = pf_scan_plan(spec->source, load->names, SHARE_ROWS * parallel_setup_cost);
	if (spec->max_rows > 0)
	{
		load = draw_rows(load, scan, &rows);
		pf_check_memory(load, rows, PF_EXACTLY);
	}
	else if (pf_scan_is_shared(scan))
		pf_check_memory(load, pf_scan_rows(scan), PF_ABOUT);
	collect(load, scan);
	if (spec->max_rows > 0 && load->rows_used != rows)
		refuse_other_rows(load);
	check_splits(load);
	check_rows(load);
	check_held_out(load);
	check_classes(load);
	check_arrays(load);

	if (load->task == PF_CLASSIFICATION)
		order_classes(load, caller);
	pf_progress_phase(PF_PHASE_BIN, 0, NULL);
	pf_make_bins(load, caller);
	pf_check_memory(load, load->rows_used, PF_EXACTLY);
	pf_pack_start(load);
	if (load->pass == PF_COLLECT_ALL)
	{
		pf_pack_alone(load);
		pack_stored(load);
	}
	else
		pack_again(load, scan);
	pf_progress_phase(PF_PHASE_SORT, 0, NULL);
	pf_pack_finish(load, loaded, caller);
	if (load->team)
		pf_team_end(load);
	describe(load, loaded);
	MemoryContextDelete(context);
	return loaded;
}

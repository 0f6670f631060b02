/*
 * team.c
 *	  A load by several processes: what the leader tells the workers of a shared
 *	  scan, and what they give back.
 *
 * All passes are such scans.  In the first each process keeps the rows that can
 * still be in the sample, and the distinct values that it met; a histogram of the sample
 * keys of all of them, in shared memory, tells where the sample must end, so
 * that together they keep little more than the sample.  A worker leaves what it has in a temporary
 * file, and the leader puts it with its own.  In the second each process bins its rows and
 * writes them where the next free places are; the order is made after that.  The pass
 * that only counts rows (draw.c) needs no more than the histogram.
 *
 * Nothing depends on who read which row: the sample is a property of the set of
 * rows, counters are sums, codes are renumbered by their values' bytes.
 *
 * Memory: a segment of dynamic shared memory for each pass, which goes when the leader
 * lets go of it or its transaction ends.  Locks: none, but atomic counters.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/buffile.h"
#include "storage/dsm.h"
#include "storage/sharedfileset.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "catalog/pgenv.h"
#include "engine/bins/hash.h"
#include "load/scan.h"
#include "load/stages.h"
#include "progress/progress.h"

struct PfTeam
{
	SharedFileSet files;		/* first pass: what the workers leave */
	pg_atomic_uint32 workers;
	pg_atomic_uint32 histogram[1 << PF_CENSUS_BITS];	/* rows by sample key */

	PfPass		pass;
	pg_atomic_uint32 present;	/* workers that read rows */
	pg_atomic_uint32 next_row;	/* second pass: rows that have a place */
	pg_atomic_uint64 rows_seen; /* so far, by all: for the progress */
	pg_atomic_uint64 rows_read; /* sums over the workers */
	pg_atomic_uint64 rows_used;
	pg_atomic_uint64 fingerprint[2];
	uint32		room;			/* rows */
	Size		rows;			/* where the packed rows begin */
	Size		letter;			/* where what the workers are told begins */
	Size		letter_size;
};

/* The part of a column that a worker cannot find out for itself. */
typedef struct ColumnNote
{
	Oid			type;
	PfRole		role;
	bool		identity;
	bool		content;
	int			position;
	PfStore		store;
	int			length;
	uint32		first_feature;
	int			entry_place;
} ColumnNote;

typedef struct LoadNote
{
	PfTask		task;
	double		holdout;
	int			ncolumns;
	int			nfeature_columns;
	uint32		nfeatures;
	int			nentries;
	int			nclasses;
	bool		one_hash;
	uint64		draw_bound;
	bool		values;
	bool		folds;
} LoadNote;

/* ----- letters: values one after another, each at a multiple of 8 ----- */

typedef struct Letter
{
	char	   *data;
	Size		size;
	Size		room;
} Letter;

static void
put(Letter *letter, const void *bytes, Size size)
{
	Size		needed = letter->size + MAXALIGN(size);

	if (needed > letter->room)
	{
		letter->room = Max(needed, Max(letter->room * 2, 8192));
		letter->data = letter->data ? repalloc_huge(letter->data, letter->room)
			: MemoryContextAllocHuge(CurrentMemoryContext, letter->room);
	}
	if (size > 0)
		memcpy(letter->data + letter->size, bytes, size);
	letter->size = needed;
}

static void *
get(Letter *letter, Size size)
{
	void	   *at = letter->data + letter->size;

	letter->size += MAXALIGN(size);
	return at;
}

#define PUT(letter, value) put(letter, &(value), sizeof(value))
#define GET(letter, type) (*(type *) get(letter, sizeof(type)))

static void
put_dictionary(Letter *letter, const PfDictionary *dictionary)
{
	PUT(letter, dictionary->n);
	put(letter, dictionary->hash, dictionary->n * sizeof(uint64));
	put(letter, dictionary->start, (dictionary->n + 1) * sizeof(Size));
	put(letter, dictionary->text, dictionary->start[dictionary->n]);
	put(letter, dictionary->in_training, dictionary->n);
}

/* A dictionary that lies in the letter; nothing can be added to it. */
static PfDictionary *
get_dictionary(Letter *letter)
{
	PfDictionary *dictionary = palloc0(sizeof(PfDictionary));

	dictionary->n = dictionary->limit = GET(letter, uint32);
	dictionary->hash = get(letter, dictionary->n * sizeof(uint64));
	dictionary->start = get(letter, (dictionary->n + 1) * sizeof(Size));
	dictionary->text = get(letter, dictionary->start[dictionary->n]);
	dictionary->in_training = get(letter, dictionary->n);
	return dictionary;
}

/* ----- what the leader tells ----- */

static void
put_bins(Letter *letter, const PfLoad *load, const PfLoadColumn *column)
{
	if (column->store == PF_CODES)
	{
		put_dictionary(letter, column->dictionary);
		put(letter, column->code_bin, column->dictionary->n);
		if (load->nentries > 0)
			put(letter, column->code_entry, column->dictionary->n * sizeof(uint16));
		return;
	}
	for (int e = 0; e < column->length; e++)
	{
		const PfBins *bins = &load->bins[column->first_feature + e];

		PUT(letter, bins->nbins);
		if (bins->nbins > 1)
			put(letter, bins->cuts, (bins->nbins - 1) * sizeof(double));
	}
}

static void
write_letter(const PfLoad *load, Letter *letter)
{
	LoadNote	note = {
		.task = load->task,.holdout = load->spec->holdout,.ncolumns = load->ncolumns,
		.nfeature_columns = load->nfeature_columns,.nfeatures = load->nfeatures,
		.nentries = load->nentries,.nclasses = load->nclasses,.one_hash = load->one_hash,
		.draw_bound = load->draw_bound,.values = load->values,.folds = load->folds
	};

	PUT(letter, note);
	for (int c = 0; c < load->ncolumns; c++)
	{
		const PfLoadColumn *column = &load->columns[c];
		ColumnNote	about = {
			.type = column->reader.type,.role = column->role,.identity = column->identity,
			.content = column->content,.position = column->position,.store = column->store,.length = column->length,
			.first_feature = column->first_feature,.entry_place = column->entry_place
		};

		CHECK_FOR_INTERRUPTS();
		PUT(letter, about);
		put(letter, column->name, strlen(column->name) + 1);
		if (load->pass == PF_COLLECT_BINS && column->role == PF_FEATURE)
			put_bins(letter, load, column);
	}
	if (load->pass == PF_COLLECT_BINS && load->task == PF_CLASSIFICATION)
	{
		put_dictionary(letter, load->labels);
		put(letter, load->class_of_code, load->labels->n * sizeof(uint32));
	}
}

/* The arrays of the packed rows, one after another from `base`; returns the bytes they take. */
static Size
place_rows(PfLoad *load, char *base, uint32 room)
{
	PfPacked   *packed = &load->packed;
	Size		at = 0;

#define PLACE(field, size) \
	(packed->field = (void *) (base + at), \
	 at = add_size(at, MAXALIGN(mul_size(room, size))))
	PLACE(order, sizeof(uint64));
	PLACE(content, sizeof(uint64));
	if (load->task == PF_CLASSIFICATION)
		PLACE(label, sizeof(uint32));
	else
		PLACE(target, sizeof(double));
	if (load->weight)
		PLACE(weight, sizeof(float));
	PLACE(side, sizeof(uint8));
	PLACE(bins, packed->stride);
#undef PLACE
	return at;
}

/*
 * Shared memory for a pass; false when there is not enough for the rows of the second
 * one.  The leader is a member of the team too.
 */
bool
pf_team_start(PfLoad *load)
{
	Letter		letter = {0};
	bool		pack = load->pass == PF_COLLECT_BINS;
	Size		rows = 0;
	Size		size = MAXALIGN(sizeof(PfTeam));
	PfTeam	   *team;

	write_letter(load, &letter);
	if (pack)
		rows = place_rows(load, NULL, load->packed.room);
	size = add_size(size, add_size(letter.size, rows));
	if (!pf_has_shared_memory(size))
	{
		pfree(letter.data);
		return false;
	}

	load->segment = dsm_create(size, DSM_CREATE_NULL_IF_MAXSEGMENTS);
	if (load->segment == NULL)
	{
		pfree(letter.data);
		return false;
	}
	team = load->team = dsm_segment_address(load->segment);
	memset(team, 0, sizeof(PfTeam));
	team->pass = load->pass;
	pg_atomic_init_u32(&team->workers, 0);
	pg_atomic_init_u32(&team->present, 0);
	pg_atomic_init_u32(&team->next_row, 0);
	pg_atomic_init_u64(&team->rows_seen, 0);
	pg_atomic_init_u64(&team->rows_read, 0);
	pg_atomic_init_u64(&team->rows_used, 0);
	pg_atomic_init_u64(&team->fingerprint[0], 0);
	pg_atomic_init_u64(&team->fingerprint[1], 0);
	for (int i = 0; i < (int) lengthof(team->histogram); i++)
		pg_atomic_init_u32(&team->histogram[i], 0);
	team->letter = MAXALIGN(sizeof(PfTeam));
	team->letter_size = letter.size;
	memcpy((char *) team + team->letter, letter.data, letter.size);
	pfree(letter.data);
	if (pack)
	{
		team->room = load->packed.room;
		team->rows = team->letter + team->letter_size;
		place_rows(load, (char *) team + team->rows, team->room);
	}
	else if (load->pass == PF_COLLECT_SAMPLE)
		SharedFileSetInit(&team->files, load->segment);
	return true;
}

/* The counter of rows so far, for the progress. */
const volatile int64 *
pf_team_seen(const PfLoad *load)
{
	return (const volatile int64 *) &load->team->rows_seen;
}

dsm_handle
pf_team_handle(const PfLoad *load)
{
	return dsm_segment_handle(load->segment);
}

/* ----- while rows come in ----- */

/* Room for n packed rows; false when there is none. */
bool
pf_team_place(PfTeam *team, uint32 n, uint32 *first)
{
	*first = pg_atomic_fetch_add_u32(&team->next_row, n);
	return *first <= team->room && n <= team->room - *first;
}

/* Counts a row: a training row that can be in the sample, or any where all are counted. */
void
pf_team_count(PfTeam *team, uint64 sample_key)
{
	pg_atomic_fetch_add_u32(&team->histogram[sample_key >> (64 - PF_CENSUS_BITS)], 1);
}

/* The counts of all. */
void
pf_team_census(PfTeam *team, uint32 *census)
{
	for (int i = 0; i < (int) lengthof(team->histogram); i++)
		census[i] = pg_atomic_read_u32(&team->histogram[i]);
}

/*
 * No row of the sample has a greater key: so many rows with smaller ones have been
 * seen.
 */
uint64
pf_team_bound(PfTeam *team, uint32 wanted)
{
	uint64		sum = 0;

	for (uint64 i = 0; i < lengthof(team->histogram); i++)
	{
		sum += pg_atomic_read_u32(&team->histogram[i]);
		if (sum >= wanted)
			return ((i + 1) << (64 - PF_CENSUS_BITS)) - 1;	/* wraps to all ones at the last */
	}
	return UINT64_MAX;
}

/* Counts n rows that were read, however they were used. */
void
pf_team_see(PfTeam *team, uint32 n)
{
	pg_atomic_fetch_add_u64(&team->rows_seen, n);
}

/* ----- a worker's life ----- */

static void
read_letter(PfLoad *load, Letter *letter)
{
	LoadNote	note = GET(letter, LoadNote);
	PfLoadSpec *spec = palloc0(sizeof(PfLoadSpec));
	bool		pack = load->pass == PF_COLLECT_BINS;

	spec->holdout = note.holdout;
	load->spec = spec;
	load->task = note.task;
	load->nclasses = note.nclasses;
	load->one_hash = note.one_hash;
	load->draw_bound = note.draw_bound;
	load->values = note.values;
	load->folds = note.folds;
	load->nfeatures = note.nfeatures;
	load->nentries = note.nentries;
	load->ncolumns = note.ncolumns;
	load->columns = palloc0(note.ncolumns * sizeof(PfLoadColumn));
	load->nfeature_columns = note.nfeature_columns;
	load->features = palloc(note.nfeature_columns * sizeof(PfLoadColumn *));
	if (pack)
		load->bins = MemoryContextAllocExtended(load->context, note.nfeatures * sizeof(PfBins),
												MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	for (int c = 0; c < note.ncolumns; c++)
	{
		PfLoadColumn *column = &load->columns[c];
		ColumnNote	about = GET(letter, ColumnNote);
		Size		length;

		column->role = about.role;
		column->identity = about.identity;
		column->content = about.content;
		column->position = about.position;
		column->store = about.store;
		column->length = about.length;
		column->first_feature = about.first_feature;
		column->entry_place = about.entry_place;
		column->name = letter->data + letter->size;
		length = strlen(column->name) + 1;
		get(letter, length);
		if (!pf_reader_init(&column->reader, about.type))
			elog(ERROR, "type %u cannot be read", about.type);
		switch (column->role)
		{
			case PF_TARGET:
				load->target = column;
				continue;
			case PF_WEIGHT:
				load->weight = column;
				continue;
			case PF_SPLIT:
				load->split = column;
				continue;
			case PF_KEY:
				continue;
			case PF_FEATURE:
				break;
		}
		load->features[column->position] = column;
		if (OidIsValid(column->reader.element) && column->length > 0)
			column->elements = palloc(column->length * sizeof(double));
		if (column->store == PF_CODES)
		{
			if (!pack)
				column->dictionary = pf_dictionary_create(load->context, PF_MAX_CATEGORIES);
			else
			{
				column->dictionary = get_dictionary(letter);
				column->code_bin = get(letter, column->dictionary->n);
				if (load->nentries > 0)
					column->code_entry = get(letter, column->dictionary->n * sizeof(uint16));
				pf_dictionary_index(column->dictionary, load->context);
			}
			continue;
		}
		for (int e = 0; pack && e < column->length; e++)
		{
			PfBins	   *bins = &load->bins[column->first_feature + e];

			bins->kind = PF_NUMBER;
			bins->nbins = GET(letter, uint32);
			if (bins->nbins > 1)
				bins->cuts = get(letter, (bins->nbins - 1) * sizeof(double));
		}
	}
	if (load->task != PF_CLASSIFICATION)
		return;
	if (!pack)
	{
		load->labels = pf_dictionary_create(load->context, PF_MAX_CLASSES);
		return;
	}
	load->labels = get_dictionary(letter);
	load->class_of_code = get(letter, load->labels->n * sizeof(uint32));
	pf_dictionary_index(load->labels, load->context);
}

/* A load like the leader's, with nothing in it yet. */
void *
pf_team_join(dsm_segment *segment)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgforest load",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	PfLoad	   *load = palloc0(sizeof(PfLoad));
	Letter		letter = {0};

	load->context = context;
	load->env = pf_pg_env(context);
	load->segment = segment;
	load->team = dsm_segment_address(segment);
	pg_atomic_fetch_add_u32(&load->team->present, 1);
	load->pass = load->team->pass;
	load->sample_bound = UINT64_MAX;
	letter.data = (char *) load->team + load->team->letter;
	read_letter(load, &letter);
	if (load->pass == PF_COLLECT_BINS)
	{
		load->packed.nfeatures = load->nfeatures;
		load->packed.stride = pf_row_bytes(load);
		load->packed.room = load->team->room;
		place_rows(load, (char *) load->team + load->team->rows, load->team->room);
	}
	else if (load->pass == PF_COLLECT_SAMPLE)
		SharedFileSetAttach(&load->team->files, segment);
	MemoryContextSwitchTo(previous);
	return load;
}

void
pf_team_row(Datum *values, bool *nulls, void *member)
{
	pf_collect_row(values, nulls, member);
}

/* Sums and distinct values; the rows of the sample come after it. */
static void
write_findings(const PfLoad *load, Letter *letter)
{
	ListCell   *lc;
	int			nbad = list_length(load->bad_splits);

	PUT(letter, load->rows_read);
	PUT(letter, load->rows_no_target);
	PUT(letter, load->rows_no_split);
	PUT(letter, load->rows_used);
	PUT(letter, load->rows_train);
	PUT(letter, load->highest);
	PUT(letter, load->rows_beyond);
	PUT(letter, load->fingerprint);
	PUT(letter, nbad);
	foreach(lc, load->bad_splits)
		put(letter, lfirst(lc), strlen(lfirst(lc)) + 1);
	for (int f = 0; f < load->nfeature_columns; f++)
	{
		PUT(letter, load->features[f]->length);
		if (load->features[f]->dictionary)
			put_dictionary(letter, load->features[f]->dictionary);
	}
	if (load->labels)
		put_dictionary(letter, load->labels);
	PUT(letter, load->nblocks);
}

static void
file_name(char *name, uint32 worker)
{
	snprintf(name, MAXPGPATH, "load.%u", worker);
}

/* Writes or reads a block's parts; those that it does not have are absent on both ways. */
typedef void (*BlockIo) (BufFile *file, void *at, Size size);

static void
write_bytes(BufFile *file, void *at, Size size)
{
	BufFileWrite(file, at, size);
}

static void
read_bytes(BufFile *file, void *at, Size size)
{
	if (BufFileRead(file, at, size) != size)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read the sample of a parallel worker")));
}

static void
move_block(PfLoad *load, BufFile *file, PfBlock *block, BlockIo io)
{
	CHECK_FOR_INTERRUPTS();
	io(file, &block->nrows, sizeof(block->nrows));
	io(file, block->identity, block->nrows * sizeof(uint64));
	io(file, block->content, block->nrows * sizeof(uint64));
	io(file, block->side, block->nrows);
	if (block->label)
		io(file, block->label, block->nrows * sizeof(uint32));
	else
		io(file, block->target, block->nrows * sizeof(double));
	if (block->weight)
		io(file, block->weight, block->nrows * sizeof(float));
	for (int c = 0; c < load->ncolumns; c++)
	{
		bool		present = block->values[c] != NULL;

		if (load->columns[c].role != PF_FEATURE)
			continue;
		io(file, &present, sizeof(present));
		if (present)
			io(file, pf_block_values(load, block, c),
			   pf_value_size(&load->columns[c]) * load->columns[c].length * block->nrows);
		else if (block->values[c] != NULL)
			pf_block_forget(load, block, c);
	}
}

void
pf_team_leave(void *member)
{
	PfLoad	   *load = member;
	PfTeam	   *team = load->team;
	dsm_segment *segment = load->segment;
	MemoryContext previous = MemoryContextSwitchTo(load->context);

	pf_collect_end(load);
	if (load->pass != PF_COLLECT_SAMPLE)
	{
		pg_atomic_fetch_add_u64(&team->rows_read, load->rows_read);
		pg_atomic_fetch_add_u64(&team->rows_used, load->rows_used);
		for (int i = 0; i < 2; i++)
			pg_atomic_fetch_add_u64(&team->fingerprint[i], load->fingerprint[i]);
	}
	else
	{
		char		name[MAXPGPATH];
		Letter		letter = {0};
		BufFile    *file;

		pf_thin_sample(load, true);
		write_findings(load, &letter);
		file_name(name, pg_atomic_fetch_add_u32(&team->workers, 1));
		file = BufFileCreateFileSet(&team->files.fs, name);
		BufFileWrite(file, &letter.size, sizeof(letter.size));
		BufFileWrite(file, letter.data, letter.size);
		for (uint32 b = 0; b < load->nblocks; b++)
			move_block(load, file, load->blocks[b], write_bytes);
		BufFileExportFileSet(file);
		BufFileClose(file);
	}
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(load->context);
	pg_atomic_fetch_sub_u32(&team->present, 1);
	dsm_detach(segment);
}

/*
 * Gather would wait for them, too, but without a word on the progress.  A worker that
 * comes later finds no rows; one that fails is an error that we get while we wait.
 */
void
pf_team_wait(void *arg)
{
	PfLoad	   *load = arg;

	while (pg_atomic_read_u32(&load->team->present) > 0)
		pf_progress_wait();
}

/* ----- what the leader takes over ----- */

/* The leader's codes for a worker's. */
static uint32 *
merge_dictionary(PfLoad *load, PfLoadColumn *column, const PfDictionary *from)
{
	PfDictionary *to = column->role == PF_TARGET ? load->labels : column->dictionary;
	uint32	   *codes = palloc(Max(from->n, 1) * sizeof(uint32));

	for (uint32 code = 0; code < from->n; code++)
	{
		Size		length;
		const char *bytes = pf_dictionary_value(from, code, &length);

		if (code % 1024 == 0)
			CHECK_FOR_INTERRUPTS();
		codes[code] = pf_dictionary_code(to, bytes, length, from->hash[code], true);
		if (codes[code] == PF_NO_CODE)
			pf_refuse_values(load, column);
		to->in_training[codes[code]] |= from->in_training[code];
	}
	return codes;
}

/* The rows of a worker's sample, with the leader's codes. */
static void
merge_rows(PfLoad *load, BufFile *file, uint32 nblocks, uint32 **codes, const uint32 *label_codes)
{
	PfBlock    *block = pf_make_block(load);
	int			places[PF_BLOCK_ROWS];

	for (uint32 b = 0; b < nblocks; b++)
	{
		move_block(load, file, block, read_bytes);
		for (int f = 0; f < load->nfeature_columns; f++)
		{
			uint32	   *values = block->values[load->features[f] - load->columns];

			for (int i = 0; codes[f] != NULL && i < block->nrows; i++)
			{
				if (values[i] != PF_NO_CODE)
					values[i] = codes[f][values[i]];
			}
		}
		for (int i = 0; i < block->nrows; i++)
		{
			places[i] = i;
			if (label_codes)
				block->label[i] = label_codes[block->label[i]];
		}
		pf_copy_places(load, block, places, block->nrows);
	}
	pf_free_block(load, block);
}

static void
merge_worker(PfLoad *load, BufFile *file)
{
	Letter		letter = {0};
	Size		size;
	int			nbad;
	uint32	  **codes = palloc0(load->nfeature_columns * sizeof(uint32 *));
	uint32	   *label_codes = NULL;
	uint64	   *fingerprint;
	double		highest;

	read_bytes(file, &size, sizeof(size));
	letter.data = MemoryContextAllocHuge(CurrentMemoryContext, size);
	read_bytes(file, letter.data, size);
	load->rows_read += GET(&letter, int64);
	load->rows_no_target += GET(&letter, int64);
	load->rows_no_split += GET(&letter, int64);
	load->rows_used += GET(&letter, int64);
	load->rows_train += GET(&letter, int64);
	highest = GET(&letter, double);
	load->highest = Max(load->highest, highest);
	load->rows_beyond += GET(&letter, int64);
	fingerprint = get(&letter, sizeof(load->fingerprint));
	load->fingerprint[0] += fingerprint[0];
	load->fingerprint[1] += fingerprint[1];
	nbad = GET(&letter, int);
	while (nbad-- > 0)
	{
		const char *text = letter.data + letter.size;

		pf_note_bad_split(load, text, strlen(text));
		get(&letter, strlen(text) + 1);
	}
	for (int f = 0; f < load->nfeature_columns; f++)
	{
		PfLoadColumn *column = load->features[f];
		int			length = GET(&letter, int);

		if (length != column->length && length > 0)
			pf_fix_length(load, column, length);
		if (column->dictionary)
			codes[f] = merge_dictionary(load, column, get_dictionary(&letter));
	}
	if (load->labels)
		label_codes = merge_dictionary(load, load->target, get_dictionary(&letter));
	pf_check_row_limit(load);
	merge_rows(load, file, GET(&letter, uint32), codes, label_codes);
}

/* Takes over what the workers found, and lets go of the shared memory. */
void
pf_team_merge(PfLoad *load)
{
	PfTeam	   *team = load->team;
	MemoryContext context = AllocSetContextCreate(load->context, "pgforest team",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);

	for (uint32 i = 0; load->pass == PF_COLLECT_SAMPLE && i < pg_atomic_read_u32(&team->workers); i++)
	{
		char		name[MAXPGPATH];
		BufFile    *file;

		file_name(name, i);
		file = BufFileOpenFileSet(&team->files.fs, name, O_RDONLY, false);
		merge_worker(load, file);
		BufFileClose(file);
		MemoryContextReset(context);
	}
	if (load->pass == PF_COUNT_ROWS)
		pf_team_census(team, load->census);
	if (load->pass != PF_COLLECT_SAMPLE)
	{
		load->rows_read += pg_atomic_read_u64(&team->rows_read);
		load->rows_used += pg_atomic_read_u64(&team->rows_used);
		for (int i = 0; i < 2; i++)
			load->fingerprint[i] += pg_atomic_read_u64(&team->fingerprint[i]);
	}
	if (load->pass == PF_COLLECT_BINS)
		load->packed.nrows = Min(pg_atomic_read_u32(&team->next_row), team->room);
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(context);
}

/* Lets go of the shared memory. */
void
pf_team_end(PfLoad *load)
{
	dsm_detach(load->segment);
	load->segment = NULL;
	load->team = NULL;
}

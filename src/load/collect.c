/*
 * collect.c
 *	  What a pass over the source does with a row.
 *
 * A row is checked and its values are put by.  Some rows later they are read,
 * hashed and put on a side, column by column: a hash of one row has to wait for that of
 * the column before, many rows do not wait for one another.  Only what does not lie in the
 * row itself (texts, arrays, numeric), target and weight are read at once.
 *
 * Rows come together in one block.  When it is full, the first pass keeps it, or, once
 * what it has outgrows pgforest.train_memory, only its rows that can still be in the
 * sample; the second pass turns it into bins.
 *
 * Hashes.  identity: over the key columns, or without a key over features,
 * target and weight.  content: over every column that is read, split and key
 * included.  Both go through the columns in the ascending order of their names, from
 * PF_HASH_START; without key and split they are the same.
 *
 * Runs inside the executor, for every row in a short-lived current context;
 * what stays is allocated in load->context.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include <float.h>
#include <math.h>

#include "engine/bins/hash.h"
#include "load/stages.h"
#include "settings.h"

#define SECOND_SUM			UINT64_C(0xa0761d6478bd642f)	/* tells the fingerprint's sums apart */
#define LISTED_SPLITS		10
#define SEEN_ROWS			1024	/* that a process of a team reads between two reports */
#define MAX_ROWS			INT64_C(0x7fffffff)
#define MAX_TARGET			1e100	/* weights times squares of sums stay finite */

/* Remembers a split that names no side, so that one error can list them. */
void
pf_note_bad_split(PfLoad *load, const char *bytes, Size length)
{
	MemoryContext previous;
	char	   *text;
	ListCell   *lc;

	if (list_length(load->bad_splits) == LISTED_SPLITS)
		return;
	previous = MemoryContextSwitchTo(load->context);
	text = pnstrdup(bytes, pg_mbcliplen(bytes, length, NAMEDATALEN));
	foreach(lc, load->bad_splits)
	{
		if (strcmp((const char *) lfirst(lc), text) == 0)
			break;
	}
	if (lc == NULL)
		load->bad_splits = lappend(load->bad_splits, text);
	MemoryContextSwitchTo(previous);
}

/* Errors when a column or the target has too many distinct values. */
void
pf_refuse_values(const PfLoad *load, const PfLoadColumn *column)
{
	if (column->role == PF_TARGET)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("target column \"%s\" has more than %d classes", column->name,
						PF_MAX_CLASSES),
				 column->reader.kind == PF_NUMBER
				 ? errhint("Pass task => 'regression' to predict the number itself.")
				 : errhint("Group rare classes into one in the source.")));
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 column->dictionary->n == column->dictionary->limit
			 ? errmsg("column \"%s\" has more than %d distinct values", column->name,
					  PF_MAX_CATEGORIES)
			 : errmsg("the distinct values of column \"%s\" are too long", column->name),
			 errhint("A column that is nearly unique does not help to predict: pass exclude => ARRAY[%s].",
					 quote_literal_cstr(column->name))));
}

/* Errors when there are more rows than a matrix holds. */
void
pf_check_row_limit(const PfLoad *load)
{
	if (load->rows_used > MAX_ROWS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the source has more than " INT64_FORMAT " rows", MAX_ROWS),
				 errhint("Train on a part of the rows.")));
}

/* The side that a split column's value names; false when it names none. */
static bool
read_side(PfLoad *load, Datum value, PfSide *side)
{
	const char *bytes;
	size_t		length = pf_read_category(&load->split->reader, value, &bytes);

	if (length == 5 && memcmp(bytes, "train", length) == 0)
		*side = PF_TRAIN;
	else if (length == 10 && memcmp(bytes, "validation", length) == 0)
		*side = PF_VALIDATION;
	else if (length == 4 && memcmp(bytes, "test", length) == 0)
		*side = PF_TEST;
	else
	{
		pf_note_bad_split(load, bytes, length);
		return false;
	}
	return true;
}

/* Reads and checks a weight. */
static uint64
read_weight(PfLoadColumn *column, Datum value, bool isnull)
{
	uint64		hash;

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("weight column \"%s\" has a NULL", column->name),
				 errhint("Give every row a weight of 0 or more, or leave such rows out of the source.")));
	hash = pf_read_number_hash(&column->reader, value, &column->number);
	if (!(column->number >= 0) || column->number > FLT_MAX ||
		(column->number > 0 && column->number < FLT_MIN))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("weight column \"%s\" has the value %g", column->name, column->number),
				 errhint("A weight is 0 or a positive number between %g and %g.", FLT_MIN, FLT_MAX)));
	return hash;
}

/* Reads the target of a row: a number, or the code of a class. */
static uint64
read_target(PfLoad *load, PfLoadColumn *column, Datum value)
{
	PfLabelCode *cached = NULL;
	const char *label;
	size_t		length;
	uint64		hash;

	if (load->task == PF_REGRESSION)
	{
		hash = pf_read_number_hash(&column->reader, value, &column->number);
		if (!isfinite(column->number))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("target column \"%s\" has a value that is not finite", column->name),
					 errdetail("The value is %s.", isnan(column->number) ? "NaN" :
							   column->number > 0 ? "infinity" : "-infinity"),
					 errhint("Make it NULL to leave the row out, or exclude it in the source.")));
		if (fabs(column->number) > MAX_TARGET)
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("target column \"%s\" has the value %g", column->name, column->number),
					 errhint("Regression takes values between %g and %g; scale them in the source.",
							 -MAX_TARGET, MAX_TARGET)));
		column->number += 0.0;	/* -0 becomes 0 */
		return hash;
	}

	if (column->reader.by_value)
	{
		cached = &load->label_cache[pf_mix64(value) % PF_LABEL_CACHE];
		if (cached->known && cached->value == value)
		{
			column->code = cached->code;
			return cached->hash;
		}
	}
	label = pf_read_label(&column->reader, value);
	length = strlen(label);
	column->code = pf_dictionary_code(load->labels, label, length,
									  pf_hash_category(label, length),
									  load->pass != PF_COLLECT_BINS);
	if (column->code == PF_NO_CODE && load->pass != PF_COLLECT_BINS)
		pf_refuse_values(load, column);
	hash = pf_read_hash(&column->reader, value, false);
	if (cached)
		*cached = (PfLabelCode) {
			.known = true,.value = value,.code = column->code,.hash = hash
		};
	return hash;
}

/* Learns an array column's length from its first array; the others must have it. */
void
pf_fix_length(PfLoad *load, PfLoadColumn *column, int length)
{
	if (column->length > 0 && length != column->length)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("arrays of column \"%s\" have different lengths", column->name),
				 errdetail("One has %d elements, another %d.", column->length, length),
				 errhint("All arrays of a column must have the same length; missing elements are NULL.")));
	if (length == 0)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("array column \"%s\" has an empty array", column->name),
				 errhint("All arrays of a column must have the same length; NULL is allowed.")));
	if ((int64) load->nfeatures + length > PF_MAX_FEATURES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the source has more than %d features", PF_MAX_FEATURES),
				 errdetail("The arrays of column \"%s\" have %d elements.", column->name, length),
				 errhint("Pass exclude => ARRAY[%s], or shorten the arrays in the source.",
						 quote_literal_cstr(column->name))));
	column->length = length;
	load->nfeatures += length;
	column->elements = MemoryContextAlloc(load->context, length * sizeof(double));
}

/* Reads an array feature. */
static uint64
read_elements(PfLoad *load, PfLoadColumn *column, Datum value)
{
	Datum		array = PointerGetDatum(PG_DETOAST_DATUM(value));
	int			n;

	if (column->length == 0)
		pf_fix_length(load, column, pf_read_array(&column->reader, array, NULL, -1));
	n = pf_read_array(&column->reader, array, column->elements, column->length);
	if (n != column->length)
		pf_fix_length(load, column, n);
	return pf_hash_array(column->elements, n);
}

/* Reads a category feature. */
static uint64
read_code(PfLoad *load, PfLoadColumn *column, Datum value)
{
	const char *bytes;
	size_t		length = pf_read_category(&column->reader, value, &bytes);
	uint64		hash = pf_hash_category(bytes, length);

	column->code = pf_dictionary_code(column->dictionary, bytes, length, hash,
									  load->pass != PF_COLLECT_BINS);
	if (column->code == PF_NO_CODE && load->pass != PF_COLLECT_BINS)
		pf_refuse_values(load, column);
	return hash;
}

/* Reads one feature into its column; returns the value's hash. */
static uint64
read_feature(PfLoad *load, PfLoadColumn *column, Datum value, bool isnull)
{
	column->missing = isnull;
	if (isnull)
	{
		column->number = NAN;
		column->code = PF_NO_CODE;
		return PF_HASH_NULL;
	}
	if (column->reader.kind == PF_CATEGORY)
		return read_code(load, column, value);
	if (OidIsValid(column->reader.element))
		return read_elements(load, column, value);
	return pf_read_number_hash(&column->reader, value, &column->number);
}

/* Bytes of a value as a column keeps it. */
Size
pf_value_size(const PfLoadColumn *column)
{
	switch (column->store)
	{
		case PF_DOUBLES:
			return sizeof(double);
		case PF_FLOATS:
			return sizeof(float);
		case PF_CODES:
			break;
	}
	return sizeof(uint32);
}

/* Marks a row of an array column in a block as missing. */
static void
store_missing(const PfLoadColumn *column, void *values, int place)
{
	for (int i = 0; i < column->length; i++)
	{
		Size		at = (Size) place * column->length + i;

		if (column->store == PF_FLOATS)
			((float *) values)[at] = NAN;
		else
			((double *) values)[at] = NAN;
	}
}

/* A column's values in a block; an array column gets them with its first array. */
static void *
values_of(PfLoad *load, PfBlock *block, int c, int place)
{
	PfLoadColumn *column = &load->columns[c];

	if (block->values[c] == NULL)
	{
		Size		size = pf_value_size(column) * column->length * PF_BLOCK_ROWS;

		block->values[c] = MemoryContextAllocHuge(load->context, size);
		load->raw_bytes += size;
		if (OidIsValid(column->reader.element))
		{
			for (int before = 0; before < place; before++)
				store_missing(column, block->values[c], before);
		}
	}
	return block->values[c];
}

void *
pf_block_values(PfLoad *load, PfBlock *block, int c)
{
	return values_of(load, block, c, 0);
}

void
pf_block_forget(PfLoad *load, PfBlock *block, int c)
{
	for (int place = 0; place < block->nrows; place++)
		store_missing(&load->columns[c], block->values[c], place);
}

/* Keeps the value that was read in the place of its row. */
static void
store_feature(PfLoad *load, PfBlock *block, int c, int place)
{
	PfLoadColumn *column = &load->columns[c];
	void	   *values;

	if (OidIsValid(column->reader.element))
	{
		if (column->missing)
		{
			if (block->values[c] != NULL)
				store_missing(column, block->values[c], place);
			return;
		}
		values = values_of(load, block, c, place);
		for (int i = 0; i < column->length; i++)
		{
			Size		at = (Size) place * column->length + i;

			if (column->store == PF_FLOATS)
				((float *) values)[at] = (float) column->elements[i];
			else
				((double *) values)[at] = column->elements[i];
		}
		return;
	}

	values = values_of(load, block, c, place);
	switch (column->store)
	{
		case PF_DOUBLES:
			((double *) values)[place] = column->number;
			break;
		case PF_FLOATS:
			((float *) values)[place] = (float) column->number;
			break;
		case PF_CODES:
			((uint32 *) values)[place] = column->code;
			break;
	}
}

/* An empty block. */
PfBlock *
pf_make_block(PfLoad *load)
{
	Size		size = offsetof(PfBlock, values) + load->ncolumns * sizeof(void *);
	PfBlock    *block = MemoryContextAllocZero(load->context, size);

	if (load->task == PF_CLASSIFICATION)
		block->label = MemoryContextAlloc(load->context, PF_BLOCK_ROWS * sizeof(uint32));
	else
		block->target = MemoryContextAlloc(load->context, PF_BLOCK_ROWS * sizeof(double));
	if (load->weight)
		block->weight = MemoryContextAlloc(load->context, PF_BLOCK_ROWS * sizeof(float));
	load->raw_bytes += size + PF_BLOCK_ROWS * sizeof(double);
	return block;
}

/* A block among those that are kept. */
static void
append_block(PfLoad *load, PfBlock *block)
{
	if (load->nblocks == load->block_room)
	{
		uint32		room = Max(64, load->block_room * 2);

		load->blocks = load->blocks == NULL
			? MemoryContextAlloc(load->context, room * sizeof(PfBlock *))
			: repalloc_huge(load->blocks, room * sizeof(PfBlock *));
		load->block_room = room;
	}
	load->blocks[load->nblocks++] = block;
}

/* The kept block that takes the next row. */
static PfBlock *
open_block(PfLoad *load)
{
	if (load->nblocks == 0 || load->blocks[load->nblocks - 1]->nrows == PF_BLOCK_ROWS)
		append_block(load, pf_make_block(load));
	return load->blocks[load->nblocks - 1];
}

/* A block's memory back. */
void
pf_free_block(PfLoad *load, PfBlock *block)
{
	for (int c = 0; c < load->ncolumns; c++)
	{
		if (block->values[c])
			pfree(block->values[c]);
	}
	if (block->label)
		pfree(block->label);
	if (block->target)
		pfree(block->target);
	if (block->weight)
		pfree(block->weight);
	pfree(block);
}

/* One column of some rows of a block behind the rows of another. */
static void
copy_column(PfLoad *load, const PfBlock *from, const int *places, int n, int c, PfBlock *to)
{
	const PfLoadColumn *column = &load->columns[c];
	Size		size = pf_value_size(column) * column->length;
	char	   *values;

	if (from->values[c] == NULL)
	{
		for (int i = 0; i < n && to->values[c] != NULL; i++)
			store_missing(column, to->values[c], to->nrows + i);
		return;
	}
	values = (char *) values_of(load, to, c, to->nrows) + size * to->nrows;
	if (size == sizeof(double))
	{
		for (int i = 0; i < n; i++)
			((double *) values)[i] = ((const double *) from->values[c])[places[i]];
	}
	else
	{
		for (int i = 0; i < n; i++)
			memcpy(values + size * i, (const char *) from->values[c] + size * places[i], size);
	}
}

/* Keeps n rows of a block, at these places. */
void
pf_copy_places(PfLoad *load, const PfBlock *from, const int *places, int n)
{
	while (n > 0)
	{
		PfBlock    *to = open_block(load);
		int			some = Min(n, PF_BLOCK_ROWS - to->nrows);

		for (int i = 0; i < some; i++)
		{
			to->identity[to->nrows + i] = from->identity[places[i]];
			to->content[to->nrows + i] = from->content[places[i]];
			to->side[to->nrows + i] = from->side[places[i]];
			if (to->label)
				to->label[to->nrows + i] = from->label[places[i]];
			else
				to->target[to->nrows + i] = from->target[places[i]];
			if (to->weight)
				to->weight[to->nrows + i] = from->weight[places[i]];
		}
		for (int c = 0; c < load->ncolumns; c++)
		{
			/* an array may be long */
			if (c % 64 == 0)
				pf_check(load->env);
			if (load->columns[c].role == PF_FEATURE)
				copy_column(load, from, places, some, c, to);
		}
		to->nrows += some;
		places += some;
		n -= some;
	}
}

/* Keeps only the chosen rows, n of them in ascending order. */
void
pf_copy_rows(PfLoad *load, const uint32 *rows, uint32 n)
{
	PfBlock   **old = load->blocks;
	uint32		nold = load->nblocks;
	uint32		next = 0;

	load->blocks = NULL;
	load->nblocks = 0;
	load->block_room = 0;
	load->raw_bytes = 0;
	for (uint32 number = 0; number < nold; number++)
	{
		int			places[PF_BLOCK_ROWS];
		int			some = 0;

		while (next < n && rows[next] / PF_BLOCK_ROWS == number)
			places[some++] = rows[next++] % PF_BLOCK_ROWS;
		pf_check(load->env);
		pf_copy_places(load, old[number], places, some);
		/* as soon as they are read, so that there are never two full sets */
		pf_free_block(load, old[number]);
	}
	if (old)
		pfree(old);
}

/* The rows of a block that can still be in the sample. */
static void
keep_candidates(PfLoad *load, const PfBlock *block)
{
	int			places[PF_BLOCK_ROWS];
	int			n = 0;

	for (int i = 0; i < block->nrows; i++)
	{
		uint64		sample_key = pf_purpose(block->identity[i], PF_FOR_SAMPLE);

		if (block->side[i] != PF_TRAIN || sample_key > load->sample_bound)
			continue;
		if (load->team)
			pf_team_count(load->team, sample_key);
		places[n++] = i;
	}
	pf_copy_places(load, block, places, n);
	pf_thin_sample(load, false);
}

/* What the rows that came together mean for memory and for the stage that comes next. */
static void
keep_incoming(PfLoad *load)
{
	PfBlock    *block = load->incoming;

	pf_check_row_limit(load);
	switch (load->pass)
	{
		case PF_COLLECT_ALL:
			append_block(load, block);
			load->incoming = NULL;
			/* with room for what they become */
			if (load->raw_bytes + pf_load_memory(load, load->rows_used) > (Size) pf_train_memory * 1024)
			{
				load->pass = PF_COLLECT_SAMPLE;
				pf_thin_sample(load, true);
			}
			return;
		case PF_COLLECT_SAMPLE:
			keep_candidates(load, block);
			break;
		case PF_COLLECT_BINS:
			pf_pack_block(load, block);
			break;
		case PF_COUNT_ROWS:
			break;
	}
	block->nrows = 0;
}

/* Reads the numbers of a column for the last n rows of a block, which lie in the load; their hashes. */
static void
read_numbers(PfLoad *load, PfBlock *block, int c, int n, uint64 *hash)
{
	const PfLoadColumn *column = &load->columns[c];
	int			first = block->nrows - n;
	double		number[PF_BATCH_ROWS];

	pf_read_numbers(&column->reader, load->row_values + c, load->row_nulls + c, load->ncolumns, n,
					number, hash);
	if (column->role != PF_FEATURE)
		return;
	if (column->store == PF_FLOATS)
	{
		float	   *values = (float *) pf_block_values(load, block, c) + first;

		for (int i = 0; i < n; i++)
			values[i] = (float) number[i];
	}
	else
		memcpy((double *) pf_block_values(load, block, c) + first, number, n * sizeof(double));
}

/* Of the training rows among the last n of a block: which categories and classes are there? */
static void
note_training(PfLoad *load, const PfBlock *block, int n)
{
	int			first = block->nrows - n;

	for (int i = first; i < block->nrows; i++)
		load->rows_train += block->side[i] == PF_TRAIN;
	for (int i = first; i < block->nrows && block->label; i++)
		load->labels->in_training[block->label[i]] |= block->side[i] == PF_TRAIN;
	for (int f = 0; f < load->nfeature_columns; f++)
	{
		PfDictionary *dictionary = load->features[f]->dictionary;
		const uint32 *code;

		if (dictionary == NULL)
			continue;
		code = block->values[load->features[f] - load->columns];
		for (int i = first; i < block->nrows; i++)
		{
			if (code[i] != PF_NO_CODE)
				dictionary->in_training[code[i]] |= block->side[i] == PF_TRAIN;
		}
	}
}

/* The last n rows of a block, of which values were put by: their numbers, hashes and sides. */
static void
finish_batch(PfLoad *load, PfBlock *block, int n)
{
	int			first = block->nrows - n;
	uint64	   *content = block->content + first;
	uint64	   *identity = block->identity + first;

	for (int i = 0; i < n; i++)
		content[i] = identity[i] = PF_HASH_START;
	for (int c = 0; c < load->ncolumns; c++)
	{
		const PfLoadColumn *column = &load->columns[c];
		uint64		numbers[PF_BATCH_ROWS];
		const uint64 *hash = numbers;

		if (column->batched)
			read_numbers(load, block, c, n, numbers);
		else
			hash = load->row_hashes + (Size) c * PF_BATCH_ROWS;
		for (int i = 0; i < n && column->content; i++)
			content[i] = pf_hash_combine(content[i], hash[i]);
		for (int i = 0; i < n && column->identity && !load->one_hash; i++)
			identity[i] = pf_hash_combine(identity[i], hash[i]);
	}
	if (load->one_hash)
		memcpy(identity, content, n * sizeof(uint64));
	for (int i = 0; i < n && !load->split; i++)
	{
		double		place = pf_share_position(identity[i], PF_FOR_SPLIT);

		load->highest = Max(load->highest, place);
		block->side[first + i] = pf_is_held_out(identity[i], load->spec->holdout)
			? PF_VALIDATION : PF_TRAIN;
	}

	/* sums, so that the order of the rows does not matter */
	for (int i = 0; i < n; i++)
	{
		uint64		print = pf_purpose(content[i], PF_FOR_FINGERPRINT);

		load->fingerprint[0] += print;
		load->fingerprint[1] += pf_mix64(print ^ SECOND_SUM);
	}
	load->rows_used += n;
	note_training(load, block, n);

	/* arrays turned out to be long, or the planner's guess was wrong */
	if (load->pass != PF_COLLECT_BINS && load->raw_bytes > (Size) pf_train_memory * 1024)
		pf_check_memory(load, load->rows_used, PF_AT_LEAST);
}

/* Room for the rows that come. */
static void
start_incoming(PfLoad *load)
{
	load->incoming = pf_make_block(load);
	if (load->row_values != NULL)
		return;
	load->row_values = MemoryContextAlloc(load->context, Max(load->ncolumns, 1) * PF_BATCH_ROWS * sizeof(Datum));
	load->row_nulls = MemoryContextAlloc(load->context, Max(load->ncolumns, 1) * PF_BATCH_ROWS);
	load->row_hashes = MemoryContextAlloc(load->context, Max(load->ncolumns, 1) * PF_BATCH_ROWS * sizeof(uint64));
	load->alone = MemoryContextAlloc(load->context, Max(load->ncolumns, 1) * sizeof(int));
	for (int c = 0; c < load->ncolumns; c++)
	{
		PfLoadColumn *column = &load->columns[c];

		column->batched = column->reader.by_value && column->reader.kind == PF_NUMBER &&
			(column->role == PF_FEATURE || column->role == PF_KEY);
		if (!column->batched)
			load->alone[load->nalone++] = c;
	}
}

/* One row of the source. */
void
pf_collect_row(Datum *values, bool *nulls, void *arg)
{
	PfLoad	   *load = arg;
	PfSide		side = PF_TRAIN;
	PfBlock    *block;
	int			place;
	int			in_batch;

	load->rows_read++;
	if (load->team && load->rows_read % SEEN_ROWS == 0)
		pf_team_see(load->team, SEEN_ROWS);
	if (load->target && nulls[load->target - load->columns])
	{
		load->rows_no_target++;
		return;
	}
	if (load->split)
	{
		int			split = load->split - load->columns;

		if (nulls[split])
		{
			load->rows_no_split++;
			return;
		}
		if (!read_side(load, values[split], &side))
			return;
	}
	if (load->weight)
	{
		int			weight = load->weight - load->columns;

		read_weight(load->weight, values[weight], nulls[weight]);
		if (load->weight->number == 0)
			return;
	}
	if ((load->pass == PF_COUNT_ROWS || load->draw_bound < UINT64_MAX) &&
		!pf_draw_row(load, values, nulls))
		return;

	if (load->incoming == NULL)
		start_incoming(load);
	block = load->incoming;
	place = block->nrows;
	in_batch = place % PF_BATCH_ROWS;
	for (int i = 0; i < load->nalone; i++)
	{
		int			c = load->alone[i];
		PfLoadColumn *column = &load->columns[c];
		uint64		hash;

		if (column->role == PF_FEATURE)
		{
			hash = read_feature(load, column, values[c], nulls[c]);
			store_feature(load, block, c, place);
		}
		else if (column->role == PF_TARGET)
			hash = read_target(load, column, values[c]);
		else
			hash = pf_read_hash(&column->reader, values[c], nulls[c]);
		load->row_hashes[(Size) c * PF_BATCH_ROWS + in_batch] = hash;
	}
	if (block->label && load->target->code == PF_NO_CODE)
	{
		/* second pass, other rows: the fingerprint tells */
		load->rows_used++;
		return;
	}
	memcpy(load->row_values + (Size) in_batch * load->ncolumns, values, load->ncolumns * sizeof(Datum));
	memcpy(load->row_nulls + (Size) in_batch * load->ncolumns, nulls, load->ncolumns * sizeof(bool));
	block->side[place] = side;
	if (block->label)
		block->label[place] = load->target->code;
	else
		block->target[place] = load->target ? load->target->number : 0;
	if (block->weight)
		block->weight[place] = (float) load->weight->number;
	block->nrows++;
	if (in_batch + 1 == PF_BATCH_ROWS)
		finish_batch(load, block, PF_BATCH_ROWS);
	if (block->nrows == PF_BLOCK_ROWS)
		keep_incoming(load);
}

/* There are no more rows: those that are waiting for others. */
void
pf_collect_end(PfLoad *load)
{
	PfBlock    *block = load->incoming;

	if (block == NULL || block->nrows == 0)
		return;
	if (block->nrows % PF_BATCH_ROWS > 0)
		finish_batch(load, block, block->nrows % PF_BATCH_ROWS);
	keep_incoming(load);
}

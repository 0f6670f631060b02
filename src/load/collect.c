/*
 * collect.c
 *	  What a pass over the source does with a row.
 *
 * A row is checked, hashed and put on a side; then its values go into blocks,
 * column by column.  In the first pass the blocks keep all rows, or, once they
 * outgrow pgforest.train_memory, only those that can still be in the sample.
 * In the second pass one block is filled again and again and goes into bins.
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
	const char *label;
	size_t		length;

	if (load->task == PF_REGRESSION)
	{
		uint64		hash = pf_read_number_hash(&column->reader, value, &column->number);

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

	label = pf_read_label(&column->reader, value);
	length = strlen(label);
	column->code = pf_dictionary_code(load->labels, label, length,
									  pf_hash_category(label, length),
									  load->pass != PF_COLLECT_BINS);
	if (column->code == PF_NO_CODE && load->pass != PF_COLLECT_BINS)
		pf_refuse_values(load, column);
	return pf_read_hash(&column->reader, value, false);
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
	/* the most common by far */
	if (column->reader.base == FLOAT8OID)
	{
		column->number = DatumGetFloat8(value);
		return pf_hash_number(column->number);
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

/* The block that takes the next row. */
static PfBlock *
open_block(PfLoad *load)
{
	if (load->nblocks > 0)
	{
		PfBlock    *block = load->blocks[load->nblocks - 1];

		if (block->nrows < PF_BLOCK_ROWS)
			return block;
	}
	if (load->nblocks == load->block_room)
	{
		uint32		room = Max(64, load->block_room * 2);

		load->blocks = load->blocks == NULL
			? MemoryContextAlloc(load->context, room * sizeof(PfBlock *))
			: repalloc_huge(load->blocks, room * sizeof(PfBlock *));
		load->block_room = room;
	}
	return load->blocks[load->nblocks++] = pf_make_block(load);
}

/* Keeps the row that was read. */
static void
store_row(PfLoad *load, uint64 identity, uint64 content, PfSide side)
{
	PfBlock    *block = open_block(load);
	int			place = block->nrows;

	block->identity[place] = identity;
	block->content[place] = content;
	block->side[place] = side;
	if (block->label)
		block->label[place] = load->target->code;
	else
		block->target[place] = load->target ? load->target->number : 0;
	if (block->weight)
		block->weight[place] = (float) load->weight->number;
	for (int c = 0; c < load->ncolumns; c++)
	{
		if (load->columns[c].role == PF_FEATURE)
			store_feature(load, block, c, place);
	}
	block->nrows++;
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

/* A row of a block once more. */
void
pf_copy_row(PfLoad *load, const PfBlock *source, int from)
{
	PfBlock    *block = open_block(load);
	int			place = block->nrows;

	block->identity[place] = source->identity[from];
	block->content[place] = source->content[from];
	block->side[place] = source->side[from];
	if (block->label)
		block->label[place] = source->label[from];
	else
		block->target[place] = source->target[from];
	if (block->weight)
		block->weight[place] = source->weight[from];
	for (int c = 0; c < load->ncolumns; c++)
	{
		PfLoadColumn *column = &load->columns[c];
		Size		size;

		if (column->role != PF_FEATURE)
			continue;
		if (source->values[c] != NULL)
		{
			void	   *values = values_of(load, block, c, place);

			size = pf_value_size(column) * column->length;
			if (size == sizeof(double))
				((double *) values)[place] = ((const double *) source->values[c])[from];
			else
				memcpy((char *) values + size * place, (char *) source->values[c] + size * from, size);
		}
		else if (block->values[c] != NULL)
			store_missing(column, block->values[c], place);
	}
	block->nrows++;
}

/* Keeps only the chosen rows, n of them in ascending order. */
void
pf_copy_rows(PfLoad *load, const uint32 *rows, uint32 n)
{
	PfBlock   **old = load->blocks;
	uint32		nold = load->nblocks;
	uint32		freed = 0;

	load->blocks = NULL;
	load->nblocks = 0;
	load->block_room = 0;
	load->raw_bytes = 0;
	for (uint32 i = 0; i < n; i++)
	{
		uint32		number = rows[i] / PF_BLOCK_ROWS;
		int			from = rows[i] % PF_BLOCK_ROWS;
		PfBlock    *source = old[number];

		if (i % PF_BLOCK_ROWS == 0)
			pf_check(load->env);
		pf_copy_row(load, source, from);

		/* as soon as they are read, so that there are never two full sets */
		for (; freed < number; freed++)
			pf_free_block(load, old[freed]);
	}
	for (; freed < nold; freed++)
	{
		if (freed % PF_BLOCK_ROWS == 0)
			pf_check(load->env);
		pf_free_block(load, old[freed]);
	}
	if (old)
		pfree(old);
}

/* What the row means for memory and for the stage that comes next. */
static void
keep_row(PfLoad *load, uint64 identity, uint64 content, PfSide side)
{
	uint64		sample_key;

	switch (load->pass)
	{
		case PF_COLLECT_ALL:
			store_row(load, identity, content, side);
			/* with room for what they become */
			if (load->raw_bytes + pf_load_memory(load, load->rows_used) > (Size) pf_train_memory * 1024)
			{
				load->pass = PF_COLLECT_SAMPLE;
				pf_thin_sample(load);
			}
			break;
		case PF_COLLECT_SAMPLE:
			sample_key = pf_purpose(identity, PF_FOR_SAMPLE);
			if (side != PF_TRAIN || sample_key > load->sample_bound)
				break;
			if (load->team)
				pf_team_count(load->team, sample_key);
			store_row(load, identity, content, side);
			if (pf_stored_rows(load) >= load->thin_at)
				pf_thin_sample(load);
			/* arrays turned out to be long, or the planner's guess was wrong */
			if (load->raw_bytes > (Size) pf_train_memory * 1024)
				pf_check_memory(load, load->rows_used, PF_AT_LEAST);
			break;
		case PF_COLLECT_BINS:
			store_row(load, identity, content, side);
			if (load->blocks[0]->nrows == PF_BLOCK_ROWS)
			{
				pf_pack_block(load, load->blocks[0]);
				load->blocks[0]->nrows = 0;
			}
			break;
		case PF_COUNT_ROWS:
			break;
	}
}

/* One row of the source. */
void
pf_collect_row(Datum *values, bool *nulls, void *arg)
{
	PfLoad	   *load = arg;
	uint64		identity = PF_HASH_START;
	uint64		content = PF_HASH_START;
	PfSide		side = PF_TRAIN;

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

	for (int c = 0; c < load->ncolumns; c++)
	{
		PfLoadColumn *column = &load->columns[c];
		uint64		hash;

		if (column->role == PF_FEATURE)
			hash = read_feature(load, column, values[c], nulls[c]);
		else if (column->role == PF_TARGET)
			hash = read_target(load, column, values[c]);
		else
			hash = pf_read_hash(&column->reader, values[c], nulls[c]);
		content = pf_hash_combine(content, hash);
		if (column->identity && !load->one_hash)
			identity = pf_hash_combine(identity, hash);
	}
	if (load->one_hash)
		identity = content;
	if (!load->split && load->spec->holdout > 0)
	{
		double		place = pf_share_position(identity, PF_FOR_SPLIT);

		load->highest = Max(load->highest, place);
		if (pf_is_held_out(identity, load->spec->holdout))
			side = PF_VALIDATION;
	}

	/* sums, so that the order of the rows does not matter */
	load->fingerprint[0] += pf_purpose(content, PF_FOR_FINGERPRINT);
	load->fingerprint[1] += pf_mix64(pf_purpose(content, PF_FOR_FINGERPRINT) ^ SECOND_SUM);
	load->rows_used++;
	pf_check_row_limit(load);
	if (load->task == PF_CLASSIFICATION && load->target->code == PF_NO_CODE)
		return;					/* second pass, other rows: the fingerprint tells */
	if (side == PF_TRAIN)
	{
		load->rows_train++;
		if (load->task == PF_CLASSIFICATION)
			load->labels->in_training[load->target->code] = 1;
		for (int f = 0; f < load->nfeature_columns; f++)
		{
			PfLoadColumn *column = load->features[f];

			if (column->dictionary && !column->missing && column->code != PF_NO_CODE)
				column->dictionary->in_training[column->code] = 1;
		}
	}
	keep_row(load, identity, content, side);
}

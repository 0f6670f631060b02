/*
 * pack.c
 *	  Rows into bins, and bins into the order of their hashes.
 *
 * Rows are binned in the order they come, column by column, which is kind to the
 * caches; then each side's rows are sorted by (order key, content hash, bins,
 * label or target, weight) and copied.  Rows that still tie are the same row.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "engine/bins/hash.h"
#include "engine/linear/linear.h"
#include "load/stages.h"

#define PIECE			4096	/* rows copied between two interrupt checks */
#define TABLES			1024	/* for numbers, at most: 6 MB */

/* Bytes that it takes to bring so many rows into order: packed, sorted, and the matrices. */
uint64
pf_load_memory(const PfLoad *load, uint32 nrows)
{
	uint64		a_row = pf_row_bytes(load) +
		(load->task == PF_CLASSIFICATION ? sizeof(uint32) : sizeof(double)) +
		(load->weight ? sizeof(float) : 0);
	uint64		keys = (load->spec->for_folds ? 3 : 2) * sizeof(uint64) + sizeof(uint8);

	return nrows * (2 * a_row + keys + 2 * sizeof(PfItem));
}

/* For all rows that the first pass counted. */
void
pf_pack_start(PfLoad *load)
{
	PfPacked   *packed = &load->packed;

	packed->nrows = 0;
	packed->room = (uint32) load->rows_used;
	packed->nfeatures = load->nfeatures;
	packed->stride = pf_row_bytes(load);
}

/* Room for them in private memory. */
void
pf_pack_alone(PfLoad *load)
{
	PfPacked   *packed = &load->packed;
	const PfEnv *env = load->env;
	Size		room = Max(packed->room, 1);

	packed->order = pf_alloc(env, room * sizeof(uint64));
	packed->content = pf_alloc(env, room * sizeof(uint64));
	packed->side = pf_alloc(env, room);
	if (load->task == PF_CLASSIFICATION)
		packed->label = pf_alloc(env, room * sizeof(uint32));
	else
		packed->target = pf_alloc(env, room * sizeof(double));
	if (load->weight)
		packed->weight = pf_alloc(env, room * sizeof(float));
	packed->bins = pf_alloc(env, room * packed->stride);
}

/* The entries of a category column behind the bins of the rows. */
static void
pack_entries(const PfLoad *load, const PfLoadColumn *column, const uint32 *codes, int n, uint8 *row)
{
	row += load->packed.nfeatures + column->entry_place * sizeof(uint16);
	for (int i = 0; i < n; i++)
	{
		uint16		entry = codes[i] == PF_NO_CODE ? PF_NO_ENTRY : column->code_entry[codes[i]];

		memcpy(row + (Size) i * load->packed.stride, &entry, sizeof(entry));
	}
}

/* One column of a block into the rows' bins. */
static void
pack_column(PfLoad *load, const PfBlock *block, int c, uint8 *out)
{
	const PfLoadColumn *column = &load->columns[c];
	const PfBins *bins = &load->bins[column->first_feature];
	uint32		stride = load->packed.stride;
	int			length = column->length;

	out += column->first_feature;
	if (block->values[c] == NULL)
	{
		for (int i = 0; i < block->nrows; i++)
			memset(out + (Size) i * stride, PF_MISSING_BIN, length);
		return;
	}
	if (column->store == PF_CODES)
	{
		const uint32 *codes = block->values[c];

		for (int i = 0; i < block->nrows; i++)
			out[(Size) i * stride] = codes[i] == PF_NO_CODE ? PF_MISSING_BIN
				: column->code_bin[codes[i]];
		if (column->code_entry)
			pack_entries(load, column, codes, block->nrows, out - column->first_feature);
		return;
	}
	for (int e = 0; e < length; e++)
	{
		double		gathered[PF_BLOCK_ROWS];
		const double *values = gathered;

		/* a wide array takes a while */
		if (e % 1024 == 1023)
			pf_check(load->env);
		if (column->store == PF_FLOATS)
		{
			for (int i = 0; i < block->nrows; i++)
				gathered[i] = ((const float *) block->values[c])[(Size) i * length + e];
		}
		else if (length == 1)
			values = block->values[c];
		else
		{
			for (int i = 0; i < block->nrows; i++)
				gathered[i] = ((const double *) block->values[c])[(Size) i * length + e];
		}
		if (load->tables)
			pf_bin_by_table(&load->tables[column->first_feature + e], values, block->nrows,
							out + e, stride);
		else
			pf_bin_numbers(&bins[e], values, block->nrows, out + e, stride);
	}
}

/* Tables for the numbers, unless they would take too much memory. */
static void
make_tables(PfLoad *load)
{
	if (load->nfeatures > TABLES || (load->values && !load->folds))
		return;
	load->tables = pf_alloc(load->env, Max(load->nfeatures, 1) * sizeof(PfBinTable));
	for (uint32 f = 0; f < load->nfeatures; f++)
	{
		if (load->bins[f].kind == PF_NUMBER)
			pf_bin_table(&load->bins[f], &load->tables[f]);
	}
}

/* The same, but the values themselves, and NaN for what is missing. */
static void
pack_values(PfLoad *load, const PfBlock *block, int c, double *out)
{
	const PfLoadColumn *column = &load->columns[c];
	uint32		width = load->packed.stride / sizeof(double);
	int			length = column->length;

	out += column->first_feature;
	for (int i = 0; i < block->nrows; i++, out += width)
	{
		for (int e = 0; e < length; e++)
		{
			Size		at = (Size) i * length + e;

			if (block->values[c] == NULL)
				out[e] = NAN;
			else if (column->store == PF_FLOATS)
				out[e] = pf_linear_value(((const float *) block->values[c])[at]);
			else if (column->store == PF_DOUBLES)
				out[e] = pf_linear_value(((const double *) block->values[c])[at]);
			else
			{
				uint32		code = ((const uint32 *) block->values[c])[at];
				uint8		bin = code == PF_NO_CODE ? PF_MISSING_BIN : column->code_bin[code];

				out[e] = bin == PF_MISSING_BIN ? NAN : bin;
			}
		}
		if (i % 16 == 15)
			pf_check(load->env);
	}
}

/* A block of raw rows into bins. */
void
pf_pack_block(PfLoad *load, const PfBlock *block)
{
	PfPacked   *packed = &load->packed;
	uint32		padding = packed->stride - pf_row_size(load);
	uint32		first = packed->nrows;
	uint8	   *out;

	pf_check(load->env);
	/* more rows than the first pass saw: the caller's comparison will tell */
	if (load->team ? !pf_team_place(load->team, block->nrows, &first)
		: (uint32) block->nrows > packed->room - first)
		return;

	if (load->tables == NULL)
		make_tables(load);
	out = packed->bins + (Size) first * packed->stride;
	for (int c = 0; c < load->ncolumns; c++)
	{
		if (load->columns[c].role != PF_FEATURE)
			continue;
		if (load->values)
			pack_values(load, block, c, (double *) out);
		if (!load->values || load->folds)
			pack_column(load, block, c, out + pf_bins_at(load));
	}
	for (int i = 0; i < block->nrows; i++)
	{
		uint32		row = first + i;

		if (padding > 0)
			memset(out + (Size) (i + 1) * packed->stride - padding, 0, padding);
		packed->order[row] = pf_purpose(block->identity[i], PF_FOR_ORDER);
		packed->content[row] = block->content[i];
		packed->side[row] = block->side[i];
		if (packed->label)
			packed->label[row] = load->class_of_code[block->label[i]];
		else
			packed->target[row] = block->target[i];
		if (packed->weight)
			packed->weight[row] = block->weight[i];
	}
	packed->nrows += block->nrows;
}

/* Order of two rows with one order key. */
static int
compare_packed(uint32 a, uint32 b, const void *arg)
{
	const PfPacked *packed = arg;
	int			order;

	if (packed->content[a] != packed->content[b])
		return packed->content[a] < packed->content[b] ? -1 : 1;
	order = memcmp(packed->bins + (Size) a * packed->stride,
				   packed->bins + (Size) b * packed->stride, packed->stride);
	if (order != 0)
		return order;
	if (packed->label && packed->label[a] != packed->label[b])
		return packed->label[a] < packed->label[b] ? -1 : 1;
	if (packed->target && packed->target[a] != packed->target[b])
		return packed->target[a] < packed->target[b] ? -1 : 1;
	if (packed->weight && packed->weight[a] != packed->weight[b])
		return packed->weight[a] < packed->weight[b] ? -1 : 1;
	return 0;
}

static inline bool
is_same_key(const uint64 *keys, Size apart, uint32 i)
{
	return memcmp((const char *) keys + i * apart, (const char *) keys + (i - 1) * apart, sizeof(uint64)) == 0;
}

void
pf_part_rows(const uint64 *keys, Size apart, uint32 n, uint32 *border)
{
	bool		one_has_all = false;

	for (int k = 0; k <= PF_PIECES; k++)
	{
		uint32		at = (uint64) n * k / PF_PIECES;

		while (keys != NULL && at > 0 && at < n && is_same_key(keys, apart, at))
			at++;
		border[k] = at;
		one_has_all |= k > 0 && n > 1 && at - border[k - 1] == n;
	}
	if (one_has_all)
		pf_part_rows(NULL, 0, n, border);
}

/* The matrix of one side, in hash order; and the order keys, if somebody wants them. */
static void
order_side(PfLoad *load, PfSide side, PfMatrix *matrix, uint64 **order, PfLoaded *loaded, MemoryContext context)
{
	const PfPacked *packed = &load->packed;
	PfItem	   *items;
	uint32		n = 0;
	Size		room;
	bool		same = false;

	for (uint32 row = 0; row < packed->nrows; row++)
	{
		if (row % PIECE == 0)
			pf_check(load->env);
		n += packed->side[row] == side;
	}
	room = Max(n, 1);
	items = pf_alloc(load->env, room * sizeof(PfItem));
	n = 0;
	for (uint32 row = 0; row < packed->nrows; row++)
	{
		if (row % PIECE == 0)
			pf_check(load->env);
		if (packed->side[row] != side)
			continue;
		items[n].key = packed->order[row];
		items[n++].index = row;
	}
	pf_sort_rows(load->env, items, n, compare_packed, packed);

	matrix->nrows = n;
	matrix->nfeatures = packed->nfeatures;
	matrix->stride = packed->stride;
	matrix->nclasses = load->nclasses;
	matrix->bins = MemoryContextAllocHuge(context, room * packed->stride);
	if (packed->label)
		matrix->label = MemoryContextAllocHuge(context, room * sizeof(uint32));
	if (packed->target)
		matrix->target = MemoryContextAllocHuge(context, room * sizeof(double));
	if (packed->weight)
		matrix->weight = MemoryContextAllocHuge(context, room * sizeof(float));
	if (side == PF_TRAIN && load->spec->apart > 0)
		matrix->apart = MemoryContextAllocHuge(context, room);
	if (order)
		*order = MemoryContextAllocHuge(context, room * sizeof(uint64));
	for (uint32 i = 0; i < n; i++)
	{
		uint32		row = items[i].index;

		same |= i > 0 && items[i].key == items[i - 1].key;
		if (order)
			(*order)[i] = items[i].key;
		if (i % (PIECE / 16) == 0)
			pf_check(load->env);
		memcpy(matrix->bins + (Size) i * packed->stride,
			   packed->bins + (Size) row * packed->stride, packed->stride);
		if (packed->label)
			matrix->label[i] = packed->label[row];
		if (packed->target)
			matrix->target[i] = packed->target[row];
		if (packed->weight)
			matrix->weight[i] = packed->weight[row];
		if (matrix->apart)
			matrix->apart[i] = pf_is_in_share(items[i].key, PF_FOR_STOPPING, load->spec->apart);
	}
	if (side == PF_TRAIN)
	{
		loaded->grouped = same && load->spec->key != NIL;
		pf_part_rows(loaded->grouped ? &items[0].key : NULL, sizeof(PfItem), n, loaded->border);
	}
	pfree(items);
}

/* The three matrices. */
void
pf_pack_finish(PfLoad *load, PfLoaded *loaded, MemoryContext context)
{
	order_side(load, PF_TRAIN, &loaded->train, load->spec->for_folds ? &loaded->train_order : NULL, loaded, context);
	order_side(load, PF_VALIDATION, &loaded->validation, NULL, loaded, context);
	order_side(load, PF_TEST, &loaded->test, NULL, loaded, context);
}

/*
 * draw.c
 *	  No more rows than the parameter max_rows allows.
 *
 * The rows drawn are those with the smallest sample keys, so they depend neither on
 * arrival nor on who reads them, samples of parts merge into that of the whole, and the
 * rows that bins are made from are the first among them.  A row that is not drawn is
 * as if the source did not have it: its values are not even looked at.
 *
 * Therefore the bound must be known before the first pass: a pass of its own counts rows by
 * the first bits of their sample keys.  The bound lies between two of these counts, so that
 * up to a 65,536th of the source's rows less than allowed are drawn; rows with one
 * identity are all drawn or none.
 *
 * Memory: 256 kB for the counts; in shared memory when a team counts.
 */
#include "postgres.h"

#include "engine/bins/hash.h"
#include "load/stages.h"

/* Counts from here on. */
void
pf_draw_start(PfLoad *load)
{
	load->pass = PF_COUNT_ROWS;
	load->census = MemoryContextAllocZero(load->context, sizeof(uint32) << PF_CENSUS_BITS);
}

/* The bound for the rows that were counted, and how many lie before it. */
uint64
pf_draw_bound(const PfLoad *load, int64 *rows)
{
	*rows = 0;
	for (uint64 i = 0; i < UINT64CONST(1) << PF_CENSUS_BITS; i++)
	{
		if (*rows + load->census[i] <= load->spec->max_rows)
		{
			*rows += load->census[i];
			continue;
		}
		if (*rows == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("no sample of the source has %u rows or less", load->spec->max_rows),
					 errdetail("The smallest has %u of " INT64_FORMAT " rows; rows with the same %s stay together.",
							   load->census[i], load->rows_used,
							   load->spec->key ? "key" : "values"),
					 errhint("Set \"max_rows\" to %u or more.", load->census[i])));
		return i << (64 - PF_CENSUS_BITS);
	}
	return UINT64_MAX;
}

/* The identity of a row that nothing else was read of. */
static uint64
row_identity(PfLoad *load, Datum *values, bool *nulls)
{
	uint64		identity = PF_HASH_START;

	for (int c = 0; c < load->ncolumns; c++)
	{
		PfLoadColumn *column = &load->columns[c];

		if (column->identity)
			identity = pf_hash_combine(identity,
									   pf_read_hash(&column->reader, values[c], nulls[c]));
	}
	return identity;
}

/* Is a row that can be used one to go on with?  In the pass that counts none is. */
bool
pf_draw_row(PfLoad *load, Datum *values, bool *nulls)
{
	uint64		sample_key = pf_purpose(row_identity(load, values, nulls), PF_FOR_SAMPLE);

	if (load->pass != PF_COUNT_ROWS)
	{
		load->rows_beyond += sample_key >= load->draw_bound;
		return sample_key < load->draw_bound;
	}
	load->rows_used++;
	if (load->team)
		pf_team_count(load->team, sample_key);
	else
		load->census[sample_key >> (64 - PF_CENSUS_BITS)]++;
	return false;
}

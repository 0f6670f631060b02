/*
 * leaftable.c
 *	  The different leaf rows of many trees.
 */
#include <string.h>

#include "engine/bins/hash.h"
#include "engine/model/leaftable.h"

/* Where the search for a row with this hash begins. */
static inline uint32_t
first_slot(const PfLeafTable *table, uint64_t hash)
{
	return (uint32_t) hash & (table->nslots - 1);
}

static uint32_t *
find_slot(PfLeafTable *table, const double *row, uint64_t hash)
{
	size_t		size = table->width * sizeof(double);
	uint32_t	at = first_slot(table, hash);

	while (table->slots[at] != 0 &&
		   memcmp(table->rows + (size_t) (table->slots[at] - 1) * table->width, row, size) != 0)
		at = (at + 1) & (table->nslots - 1);
	return &table->slots[at];
}

static void
grow_slots(PfLeafTable *table)
{
	pf_release(table->env, table->slots);
	table->nslots *= 2;
	table->slots = pf_alloc(table->env, (size_t) table->nslots * sizeof(uint32_t));
	pf_clear(table->env, table->slots, (size_t) table->nslots * sizeof(uint32_t));
	for (uint32_t i = 0; i < table->count; i++)
	{
		const double *row = table->rows + (size_t) i * table->width;

		if (i % 16384 == 0)
			pf_check(table->env);
		*find_slot(table, row, pf_hash_bytes(row, table->width * sizeof(double))) = i + 1;
	}
}

void
pf_leaf_table_init(PfLeafTable *table, const PfEnv *env, uint32_t width)
{
	*table = (PfLeafTable) {.env = env,.width = width,.nslots = 512};
	grow_slots(table);
}

/* The number of a row in the table, where it is put if it is new. */
static uint32_t
leaf_number(PfLeafTable *table, const double *row, uint64_t hash)
{
	uint32_t   *slot = find_slot(table, row, hash);

	if (*slot != 0)
		return *slot - 1;
	if (table->count == table->room)
	{
		table->room = table->room ? table->room * 2 : 64;
		table->rows = pf_resize(table->env, table->rows,
								(size_t) table->room * table->width * sizeof(double));
	}
	memcpy(table->rows + (size_t) table->count * table->width, row,
		   table->width * sizeof(double));
	*slot = ++table->count;
	if (table->count > table->nslots / 2)
		grow_slots(table);
	return table->count - 1;
}

/*
 * A regression forest has a hundred million leaves whose
 * rows are anywhere in a large table, so some are looked for at once: their slots are
 * fetched first, then the rows that these name.
 */
#define AT_ONCE 32
void
pf_leaf_table_add(PfLeafTable *table, const PfTree *tree, uint32_t *numbers)
{
	size_t		size = table->width * sizeof(double);

	for (uint32_t start = 0; start < tree->nleaves; start += AT_ONCE)
	{
		uint32_t	n = tree->nleaves - start < AT_ONCE ? tree->nleaves - start : AT_ONCE;
		const double *rows = tree->leaves + (size_t) start * table->width;
		uint64_t	hash[AT_ONCE];

		for (uint32_t i = 0; i < n; i++)
		{
			hash[i] = pf_hash_bytes(rows + (size_t) i * table->width, size);
			__builtin_prefetch(&table->slots[first_slot(table, hash[i])]);
		}
		for (uint32_t i = 0; i < n; i++)
		{
			uint32_t	number = table->slots[first_slot(table, hash[i])];

			if (number != 0)
				__builtin_prefetch(table->rows + (size_t) (number - 1) * table->width);
		}
		for (uint32_t i = 0; i < n; i++)
			numbers[start + i] = leaf_number(table, rows + (size_t) i * table->width, hash[i]);
		pf_check(table->env);
	}
}

/*
 * drawn.c
 *	  A sample of rows: those with the smallest keys, of rows that are seen once.
 *
 * A row's key is a hash of its bytes, so it matters neither in which order rows come
 * nor who reads them, and samples of parts merge into that of the whole.  But rows that
 * are all alike would be drawn all or none: the second and further ones of such a row get
 * keys of their own, as far as a small table remembers that it was there.  Which of them are
 * drawn is then chance, and does not matter.
 *
 * Memory: twice the sample, and the table once more rows have come than are wanted.
 */
#include "postgres.h"

#include "catalog/pgenv.h"
#include "engine/bins/hash.h"
#include "engine/bins/sort.h"
#include "profile/watch.h"

#define SLOTS 8192

typedef struct Slot
{
	uint64		hash;
	uint64		repeats;
} Slot;

struct PfDrawn
{
	MemoryContext context;
	uint32		wanted;
	Size		row_size;
	uint32		n;
	uint32		room;			/* up to 2 * wanted */
	uint64		bound;			/* rows with greater keys are not among them */
	uint64	   *keys;
	uint8	   *rows;
	Slot	   *slots;			/* NULL: all rows so far are there, keys are hashes */
};

PfDrawn *
pf_drawn_create(MemoryContext context, uint32 wanted, Size row_size)
{
	PfDrawn    *drawn = MemoryContextAllocZero(context, sizeof(PfDrawn));

	drawn->context = context;
	drawn->wanted = wanted;
	drawn->row_size = row_size;
	drawn->bound = UINT64_MAX;
	return drawn;
}

static inline uint8 *
row_at(const PfDrawn *drawn, uint32 i)
{
	return drawn->rows + (Size) i * drawn->row_size;
}

/* The key of a row, which tells it from those like it that came before. */
static inline uint64
make_key(PfDrawn *drawn, uint64 hash)
{
	Slot	   *slot = &drawn->slots[hash % SLOTS];

	if (slot->hash != hash)
	{
		slot->hash = hash;
		return hash;
	}
	return pf_hash_combine(hash, ++slot->repeats);
}

/* Keeps the `wanted` rows with the smallest keys. */
static void
thin(PfDrawn *drawn)
{
	const PfEnv *env;
	PfItem	   *items;
	uint8	   *rows;

	if (drawn->slots == NULL)
	{
		drawn->slots = MemoryContextAllocZero(drawn->context, SLOTS * sizeof(Slot));
		for (uint32 i = 0; i < drawn->n; i++)
			drawn->keys[i] = make_key(drawn, drawn->keys[i]);
	}
	if (drawn->n <= drawn->wanted)
		return;
	env = pf_pg_env(CurrentMemoryContext);
	items = pf_alloc(env, drawn->n * sizeof(PfItem));
	rows = pf_alloc(env, drawn->wanted * drawn->row_size);
	for (uint32 i = 0; i < drawn->n; i++)
	{
		items[i].key = drawn->keys[i];
		items[i].index = i;
	}
	pf_sort_items(env, items, drawn->n);
	for (uint32 i = 0; i < drawn->wanted; i++)
	{
		memcpy(rows + i * drawn->row_size, row_at(drawn, items[i].index), drawn->row_size);
		drawn->keys[i] = items[i].key;
		if (i % 1024 == 0)
			pf_check_interrupts();
	}
	drawn->n = drawn->wanted;
	drawn->bound = drawn->keys[drawn->n - 1];
	pf_copy(env, drawn->rows, rows, drawn->n * drawn->row_size);
	pfree(items);
	pfree(rows);
}

static void
add(PfDrawn *drawn, uint64 key, const uint8 *row)
{
	if (key > drawn->bound)
		return;
	if (drawn->n == drawn->room)
	{
		if (drawn->room == 2 * drawn->wanted)
		{
			thin(drawn);
			add(drawn, key, row);
			return;
		}
		drawn->room = Min(Max(drawn->room * 2, 64), 2 * drawn->wanted);
		if (drawn->keys == NULL)
		{
			drawn->keys = MemoryContextAllocHuge(drawn->context, drawn->room * sizeof(uint64));
			drawn->rows = MemoryContextAllocHuge(drawn->context, drawn->room * drawn->row_size);
		}
		else
		{
			drawn->keys = repalloc_huge(drawn->keys, drawn->room * sizeof(uint64));
			drawn->rows = repalloc_huge(drawn->rows, drawn->room * drawn->row_size);
		}
	}
	drawn->keys[drawn->n] = key;
	memcpy(row_at(drawn, drawn->n++), row, drawn->row_size);
}

void
pf_drawn_add(PfDrawn *drawn, const uint8 *row)
{
	uint64		hash = pf_hash_bytes(row, drawn->row_size);

	if (drawn->slots == NULL && drawn->n == 2 * drawn->wanted)
		thin(drawn);
	add(drawn, drawn->slots ? make_key(drawn, hash) : hash, row);
}

uint32
pf_drawn_rows(PfDrawn *drawn, const uint8 **rows)
{
	if (drawn->n > drawn->wanted)
		thin(drawn);
	*rows = drawn->rows;
	return drawn->n;
}

void
pf_drawn_merge(PfDrawn *drawn, PfDrawn *part)
{
	/* keys are comparable once both have told like rows apart, or neither */
	if (drawn->slots == NULL && (part->slots != NULL || drawn->n + part->n > 2 * drawn->wanted))
		thin(drawn);
	if (drawn->slots != NULL && part->slots == NULL)
	{
		for (uint32 i = 0; i < part->n; i++)
			add(drawn, make_key(drawn, part->keys[i]), row_at(part, i));
		return;
	}
	drawn->bound = Min(drawn->bound, part->bound);
	for (uint32 i = 0; i < part->n; i++)
		add(drawn, part->keys[i], row_at(part, i));
}

/* ----- as bytes: n, are like rows told apart, bound, keys, rows ----- */

#define HEAD (3 * sizeof(uint64))

Size
pf_drawn_size(PfDrawn *drawn)
{
	if (drawn->n > drawn->wanted)
		thin(drawn);
	return HEAD + drawn->n * (sizeof(uint64) + drawn->row_size);
}

void
pf_drawn_save(PfDrawn *drawn, char *bytes)
{
	uint64		head[] = {drawn->n, drawn->slots != NULL, drawn->bound};

	memcpy(bytes, head, HEAD);
	if (drawn->n == 0)
		return;
	memcpy(bytes + HEAD, drawn->keys, drawn->n * sizeof(uint64));
	memcpy(bytes + HEAD + drawn->n * sizeof(uint64), drawn->rows, drawn->n * drawn->row_size);
}

void
pf_drawn_restore(PfDrawn *drawn, const char *bytes)
{
	uint64		head[3];

	memcpy(head, bytes, HEAD);
	drawn->n = drawn->room = (uint32) head[0];
	drawn->bound = head[2];
	if (head[1])
		drawn->slots = MemoryContextAllocZero(drawn->context, SLOTS * sizeof(Slot));
	if (drawn->n == 0)
		return;
	drawn->keys = MemoryContextAllocHuge(drawn->context, drawn->n * sizeof(uint64));
	drawn->rows = MemoryContextAllocHuge(drawn->context, drawn->n * drawn->row_size);
	memcpy(drawn->keys, bytes + HEAD, drawn->n * sizeof(uint64));
	memcpy(drawn->rows, bytes + HEAD + drawn->n * sizeof(uint64), drawn->n * drawn->row_size);
}

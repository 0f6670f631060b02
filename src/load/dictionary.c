/*
 * dictionary.c
 *	  The distinct values of a category column, numbered in the order they come.
 *
 * Codes depend on the order of arrival, so nothing that reaches a model may
 * depend on them: sample.c sorts entries by their bytes first.  Open addressing,
 * at most half full; the hash is the one that the row's identity needs anyway.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "load/stages.h"

#define FIRST_SLOTS		64
#define MAX_TEXT		((Size) 256 * 1024 * 1024)	/* bytes of all values of a column */

/* An empty dictionary for at most `limit` values. */
PfDictionary *
pf_dictionary_create(MemoryContext context, uint32 limit)
{
	PfDictionary *dictionary = MemoryContextAllocZero(context, sizeof(PfDictionary));

	dictionary->context = context;
	dictionary->limit = limit;
	dictionary->nslots = FIRST_SLOTS;
	dictionary->slots = MemoryContextAllocZero(context, FIRST_SLOTS * sizeof(uint32));
	dictionary->room = FIRST_SLOTS / 2;
	dictionary->hash = MemoryContextAlloc(context, dictionary->room * sizeof(uint64));
	dictionary->start = MemoryContextAllocZero(context, (dictionary->room + 1) * sizeof(Size));
	dictionary->in_training = MemoryContextAllocZero(context, dictionary->room);
	dictionary->text_room = 1024;
	dictionary->text = MemoryContextAlloc(context, dictionary->text_room);
	return dictionary;
}

/* Slots for twice as many values as there are; filled anew. */
void
pf_dictionary_index(PfDictionary *dictionary, MemoryContext context)
{
	dictionary->nslots = FIRST_SLOTS;
	while (dictionary->nslots / 2 < dictionary->n + 1)
		dictionary->nslots *= 2;
	dictionary->slots = MemoryContextAllocZero(context, dictionary->nslots * sizeof(uint32));
	for (uint32 code = 0; code < dictionary->n; code++)
	{
		uint32		slot = dictionary->hash[code] & (dictionary->nslots - 1);

		while (dictionary->slots[slot] != 0)
			slot = (slot + 1) & (dictionary->nslots - 1);
		dictionary->slots[slot] = code + 1;
	}
}

/* Twice the room. */
static void
grow(PfDictionary *dictionary)
{
	uint32		room = dictionary->room * 2;

	dictionary->hash = repalloc(dictionary->hash, room * sizeof(uint64));
	dictionary->start = repalloc(dictionary->start, (room + 1) * sizeof(Size));
	dictionary->in_training = repalloc(dictionary->in_training, room);
	memset(dictionary->in_training + dictionary->room, 0, room - dictionary->room);
	dictionary->room = room;

	pfree(dictionary->slots);
	pf_dictionary_index(dictionary, dictionary->context);
}

/* The code of a value. */
uint32
pf_dictionary_code(PfDictionary *dictionary, const char *bytes, Size length, uint64 hash,
				   bool add)
{
	uint32		slot = hash & (dictionary->nslots - 1);
	uint32		code;
	Size		start;

	while ((code = dictionary->slots[slot]) != 0)
	{
		code--;
		start = dictionary->start[code];
		if (dictionary->hash[code] == hash &&
			dictionary->start[code + 1] - start == length &&
			memcmp(dictionary->text + start, bytes, length) == 0)
			return code;
		slot = (slot + 1) & (dictionary->nslots - 1);
	}

	start = dictionary->start[dictionary->n];
	if (!add || dictionary->n == dictionary->limit || length > MAX_TEXT - start)
		return PF_NO_CODE;

	if (start + length > dictionary->text_room)
	{
		while (start + length > dictionary->text_room)
			dictionary->text_room *= 2;
		dictionary->text = repalloc_huge(dictionary->text, dictionary->text_room);
	}
	memcpy(dictionary->text + start, bytes, length);
	code = dictionary->n++;
	dictionary->hash[code] = hash;
	dictionary->start[code + 1] = start + length;
	dictionary->slots[slot] = code + 1;
	if (dictionary->n == dictionary->room)
		grow(dictionary);
	return code;
}

/* The bytes of a code; not terminated. */
const char *
pf_dictionary_value(const PfDictionary *dictionary, uint32 code, Size *length)
{
	*length = dictionary->start[code + 1] - dictionary->start[code];
	return dictionary->text + dictionary->start[code];
}

/* Order of two codes by bytes, the shorter first on a tie. */
int
pf_dictionary_compare(uint32 a, uint32 b, const void *arg)
{
	const PfDictionary *dictionary = arg;
	Size		alength;
	Size		blength;
	const char *abytes = pf_dictionary_value(dictionary, a, &alength);
	const char *bbytes = pf_dictionary_value(dictionary, b, &blength);
	int			order = memcmp(abytes, bbytes, Min(alength, blength));

	if (order != 0)
		return order;
	return alength < blength ? -1 : alength > blength;
}

/*
 * hash.c
 *	  The hash of a text.
 *
 * Not cryptographic: who can choose keys can choose on which side of a split
 * they fall.  Needs no memory and calls no check; a caller hashes long texts
 * in pieces.
 */
#include "engine/bins/hash.h"

#include <string.h>

#define HASH_BYTES		UINT64_C(0xe7037ed1a0b428db)

/* The hash of a text; its length counts, so that trailing zeros do too. */
uint64_t
pf_hash_bytes(const void *bytes, size_t length)
{
	const unsigned char *p = bytes;
	uint64_t	hash = HASH_BYTES ^ (uint64_t) length;
	uint64_t	word;
	size_t		left = length;

	for (; left >= sizeof(word); left -= sizeof(word), p += sizeof(word))
	{
		memcpy(&word, p, sizeof(word));
		hash = pf_hash_combine(hash, word);
	}
	if (left > 0)
	{
		word = 0;
		memcpy(&word, p, left);
		hash = pf_hash_combine(hash, word);
	}
	return pf_mix64(hash);
}

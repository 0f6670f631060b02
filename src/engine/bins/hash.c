/*
 * hash.c
 *	  Hashes of values in their canonical form, and the split drawn from them.
 *
 * Not cryptographic: who can choose keys can choose on which side of a split
 * they fall.  Needs no memory and calls no check; a caller hashes long texts
 * in pieces.
 */
#include "engine/bins/hash.h"

#include <string.h>

#define HASH_INTEGER	UINT64_C(0x2545f4914f6cdd1d)
#define HASH_REAL		UINT64_C(0x9fb21c651e98df25)
#define HASH_NAN		UINT64_C(0x7ff8a0761d6478bd)
#define HASH_BYTES		UINT64_C(0xe7037ed1a0b428db)

/* The hash of an integer of any width. */
uint64_t
pf_hash_int64(int64_t value)
{
	return pf_mix64((uint64_t) value ^ HASH_INTEGER);
}

/*
 * The hash of a number: an integral one hashes as that integer, so that int,
 * bigint and float8 agree.
 */
uint64_t
pf_hash_number(double value)
{
	uint64_t	bits;

	if (value != value)
		return HASH_NAN;

	/* both limits are exact as doubles; beyond them the cast is undefined */
	if (value >= -9223372036854775808.0 && value < 9223372036854775808.0)
	{
		int64_t		integer = (int64_t) value;

		if ((double) integer == value)
			return pf_hash_int64(integer);
	}

	memcpy(&bits, &value, sizeof(bits));
	return pf_mix64(bits ^ HASH_REAL);
}

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

/* Does the row's split hash lie in the top `share` of the range? */
bool
pf_is_held_out(uint64_t row_hash, double share)
{
	double		position;

	if (!(share > 0))
		return false;

	/* 53 bits, so that the conversion is exact */
	position = (double) (pf_purpose(row_hash, PF_FOR_SPLIT) >> 11) / 9007199254740992.0;
	return position >= 1.0 - share;
}

/*
 * hash.h
 *	  The identity of a row: 64-bit hashes of values, and what is drawn from them.
 *
 * Every value has one canonical form, so that a row keeps its hash when a
 * column is widened (int to bigint, to numeric, to float8): an integral number
 * below 2^53 hashes as that integer whatever its type, -0 as 0, every NaN
 * alike; a text by its bytes; NULL by a constant of its own.
 *
 * A row hash is never used as it is: order, sample, split and folds each take
 * pf_purpose(hash, purpose), so that they are independent of one another.
 */
#ifndef PF_HASH_H
#define PF_HASH_H

#include "engine/env.h"

typedef enum PfPurpose
{
	PF_FOR_ORDER = 1,
	PF_FOR_SAMPLE = 2,
	PF_FOR_SPLIT = 3,
	PF_FOR_FOLD = 4,
	PF_FOR_FINGERPRINT = 5,
	PF_FOR_STOPPING = 7			/* rows by which a boosting is stopped early */
} PfPurpose;

#define PF_HASH_START	UINT64_C(0x9ae16a3b2f90404f)	/* of an empty row */
#define PF_HASH_NULL	UINT64_C(0x5851f42d4c957f2d)
#define PF_HASH_INTEGER	UINT64_C(0x2545f4914f6cdd1d)
#define PF_HASH_REAL	UINT64_C(0x9fb21c651e98df25)
#define PF_HASH_NAN		UINT64_C(0x7ff8a0761d6478bd)

/* Stafford's variant 13 of the MurmurHash3 finalizer: a bijection on 64 bits. */
static inline uint64_t
pf_mix64(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	x ^= x >> 31;
	return x;
}

/* The hash of a row so far, and one more value's hash. */
static inline uint64_t
pf_hash_combine(uint64_t row, uint64_t value)
{
	return pf_mix64(row * UINT64_C(0x9e3779b97f4a7c15) + value);
}

/* The inverse of it. */
static inline uint64_t
pf_unmix64(uint64_t x)
{
	x ^= (x >> 31) ^ (x >> 62);
	x *= UINT64_C(0x319642b2d24d8ec3);
	x ^= (x >> 27) ^ (x >> 54);
	x *= UINT64_C(0x96de1b173f119089);
	x ^= (x >> 30) ^ (x >> 60);
	return x;
}

#define PF_PURPOSE_STEP	UINT64_C(0xd1342543de82ef95)

static inline uint64_t
pf_purpose(uint64_t hash, PfPurpose purpose)
{
	return pf_mix64(hash + (uint64_t) purpose * PF_PURPOSE_STEP);
}

/* The same row's hash for another purpose: a matrix keeps one of them only. */
static inline uint64_t
pf_repurpose(uint64_t mixed, PfPurpose from, PfPurpose to)
{
	return pf_purpose(pf_unmix64(mixed) - (uint64_t) from * PF_PURPOSE_STEP, to);
}

/* The hash of an integer of any width. */
static inline uint64_t
pf_hash_int64(int64_t value)
{
	return pf_mix64((uint64_t) value ^ PF_HASH_INTEGER);
}

/*
 * The hash of a number: an integral one hashes as that integer, so that int,
 * bigint and float8 agree.
 */
static inline uint64_t
pf_hash_number(double value)
{
	uint64_t	bits;

	if (value != value)
		return PF_HASH_NAN;

	/* both limits are exact as doubles; beyond them the cast is undefined */
	if (value >= -9223372036854775808.0 && value < 9223372036854775808.0)
	{
		int64_t		integer = (int64_t) value;

		if ((double) integer == value)
			return pf_hash_int64(integer);
	}

	memcpy(&bits, &value, sizeof(bits));
	return pf_mix64(bits ^ PF_HASH_REAL);
}

extern uint64_t pf_hash_bytes(const void *bytes, size_t length);

/* Where a row stands for a purpose: 0 to < 1, in 53 bits so that the conversion is exact. */
static inline double
pf_share_position(uint64_t hash, PfPurpose purpose)
{
	return (double) (pf_purpose(hash, purpose) >> 11) / 9007199254740992.0;
}

/* Does a row's hash for a purpose lie in the top `share` (0 to < 1) of the 64-bit range? */
static inline bool
pf_is_in_share(uint64_t hash, PfPurpose purpose, double share)
{
	return share > 0 && pf_share_position(hash, purpose) >= 1.0 - share;
}

/* Is a row held out?  Independent of seed and row count. */
static inline bool
pf_is_held_out(uint64_t row_hash, double share)
{
	return pf_is_in_share(row_hash, PF_FOR_SPLIT, share);
}

#endif							/* PF_HASH_H */

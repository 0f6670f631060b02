/*
 * histogram.c
 *	  The rows of nodes, and the histograms that are counted from them.
 *
 * A piece of a node's rows is divided in small blocks, and what is wanted of a
 * block is counted while its bins are in the cache.  A piece that is all of its
 * node is counted where the histogram will be; of several, each is counted apart
 * and then added under a lock, for a few microseconds: whole numbers, so that the
 * order does not matter.
 */
#include <string.h>

#include "engine/boost/parts.h"
#include "engine/grow/random.h"

#define BLOCK	1024			/* rows whose bins stay in the cache */
#define AHEAD	64				/* rows between the one that is divided and the one fetched */
#define SOON	16				/* likewise for gradients */
#define FEW_UNITS	65536		/* more than there are of either sign, see boost.c */
#define SPINS	4096			/* between two checks while a lock is taken */
#define CHECK_EVERY 262144		/* cells, or additions, between two checks */
#define TILE	8				/* features that are counted together */
/* How far to shift for a byte of eight that lie one after the other. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define PF_BYTE_PLACE(i)	(8 * (i))
#else
#define PF_BYTE_PLACE(i)	(56 - 8 * (i))
#endif
#define CHECK_FEATURES	256		/* of a block, between two checks */

/*
 * A histogram at which pieces of one node meet.  Who leaves here by an interrupt leaves
 * the lock taken; then all is over, for the others as well.
 */
static void
add_histogram(PfBoost *boost, uint32_t slot, const PfCell *own)
{
	uint32_t	n = boost->start[boost->matrix->nfeatures];
	PfCell	   *cells = boost->cells + (size_t) slot * boost->sizes.ncells;
	uint32_t	spins = 0;

	while (atomic_exchange_explicit(&boost->locks[slot], 1, memory_order_acquire) != 0)
	{
		if (++spins % SPINS == 0)
			pf_check(boost->env);
	}
	for (uint32_t done = 0, end; done < n; done = end)
	{
		end = n - done < CHECK_EVERY ? n : done + CHECK_EVERY;
		if (boost->filled[slot])
		{
			for (uint32_t i = done; i < end; i++)
				cells[i] += own[i];
		}
		else
			memcpy(cells + done, own + done, (end - done) * sizeof(PfCell));
		if (end < n)
			pf_check(boost->env);
	}
	boost->filled[slot] = 1;
	atomic_store_explicit(&boost->locks[slot], 0, memory_order_release);
}

/* ----- counting ----- */

/*
 * Where the rows of a piece are counted: at once in 16 bytes a bin, or first in 8 (packed), which
 * are twice as fast and mostly stay in the nearest cache.
 */
typedef struct Counting
{
	PfCell	   *cells;			/* NULL: nowhere */
	bool		empty;			/* nothing has been written to them */
	int64_t    *packed;			/* all 0 when no rows are in it; NULL: not used */
	uint32_t	nrows;			/* in packed */
} Counting;

/* A row's gradient, or the packed sum of some rows, as a cell. */
static inline PfCell
unpack(int64_t packed, const PfPacking packing, uint32_t count_bits)
{
	uint64_t	low = (uint64_t) packed;
	uint64_t	count = low & ((UINT64_C(1) << packing.count_bits) - 1);
	uint64_t	hessian = packing.hessian_bits == 0 ? count
		: low >> packing.count_bits & ((UINT64_C(1) << packing.hessian_bits) - 1);

	return (PfCell) {
		packed >> (packing.count_bits + packing.hessian_bits),
		(int64_t) (hessian << count_bits | count)
	};
}

/* What is in packed to where it belongs, and packed is empty again. */
static void
empty_packed(const PfBoost *boost, Counting *counting)
{
	const PfPacking packing = boost->packing;
	uint32_t	count_bits = boost->count_bits;
	uint32_t	n = boost->start[boost->matrix->nfeatures];
	int64_t    *packed = counting->packed;
	PfCell	   *cells = counting->cells;

	for (uint32_t first = 0, end; first < n; first = end)
	{
		end = n - first < CHECK_EVERY ? n : first + CHECK_EVERY;
		if (counting->empty)
		{
			for (uint32_t i = first; i < end; i++)
				cells[i] = unpack(packed[i], packing, count_bits);
		}
		else
		{
			for (uint32_t i = first; i < end; i++)
				cells[i] += unpack(packed[i], packing, count_bits);
		}
		memset(packed + first, 0, (end - first) * sizeof(int64_t));
		if (end < n)
			pf_check(boost->env);
	}
	counting->empty = false;
	counting->nrows = 0;
}

/*
 * The slot itself when nobody else counts there, else memory of our own.  expected: rows, about;
 * few are not worth the way through packed.
 */
static Counting
begin_counting(const PfBoost *boost, int side, uint32_t slot, uint32_t npieces, uint32_t expected)
{
	uint32_t	ncells = boost->start[boost->matrix->nfeatures];
	size_t		stride = boost->sizes.ncells;
	Counting	counting = {
		.cells = npieces == 1 ? boost->cells + slot * stride : boost->own + side * stride,
		.empty = true
	};

	if (boost->packing.rows > 0 && (uint64_t) expected * boost->matrix->nfeatures > 2 * (uint64_t) ncells)
		counting.packed = boost->own_packed + side * stride;
	else
	{
		pf_clear(boost->env, counting.cells, ncells * sizeof(PfCell));
		counting.empty = false;
	}
	return counting;
}

static void
end_counting(PfBoost *boost, Counting *counting, uint32_t slot, uint32_t npieces)
{
	if (counting->cells == NULL)
		return;
	if (counting->packed != NULL)
		empty_packed(boost, counting);
	if (npieces > 1)
		add_histogram(boost, slot, counting->cells);
}

/*
 * Some features of some rows.  Their number is known when this is compiled, but for the last ones:
 * then all bins of a row are read at once, and nothing is left of the inner loop.
 */
static inline __attribute__((always_inline)) void
add_packed(const uint8_t *bins, size_t stride, const uint32_t *rows, uint32_t n,
		   const int64_t *values, const uint32_t *start, int64_t *packed, const uint32_t width)
{
	int64_t    *at[TILE];

	for (uint32_t f = 0; f < width; f++)
		at[f] = packed + start[f];
	for (uint32_t i = 0; i < n; i++)
	{
		const uint8_t *row = bins + rows[i] * stride;
		int64_t		value = values[i];

		if (width == TILE || width == TILE / 2)
		{
			uint64_t	all = 0;

			memcpy(&all, row, width);
#pragma GCC unroll 8
			for (uint32_t f = 0; f < width; f++)
				at[f][all >> PF_BYTE_PLACE(f) & 255] += value;
		}
		else
		{
			for (uint32_t f = 0; f < width; f++)
				at[f][row[f]] += value;
		}
	}
}

/* Adds the gradients of rows, a block at most, to a histogram. */
static void
count_rows(const PfBoost *boost, Counting *counting, const uint32_t *rows, uint32_t n)
{
	const uint8_t *bins = boost->matrix->bins;
	const size_t stride = boost->matrix->stride;
	const uint32_t *start = boost->start;
	const PfPacking packing = boost->packing;
	uint32_t	count_bits = boost->count_bits;
	uint32_t	nfeatures = boost->matrix->nfeatures;
	int64_t		values[BLOCK];
	uint32_t	f = 0;

	if (counting->packed == NULL)
	{
		uint32_t	until_check = CHECK_EVERY / nfeatures;

		for (uint32_t i = 0; i < n; i++)
		{
			const uint8_t *row = bins + rows[i] * stride;
			PfGradient	gradient = boost->gradients[rows[i]];
			PfCell		cell = packing.rows > 0 ? unpack(gradient.packed, packing, count_bits)
				: (PfCell) {
				gradient.units.gradient,
				(int64_t) ((uint64_t) gradient.units.hessian << count_bits | 1)
			};

			if (i + SOON < n)
				__builtin_prefetch(&boost->gradients[rows[i + SOON]]);
			for (f = 0; f < nfeatures; f++)
				counting->cells[start[f] + row[f]] += cell;
			if (until_check-- == 0)
			{
				pf_check(boost->env);
				until_check = CHECK_EVERY / nfeatures;
			}
		}
		return;
	}

	if (counting->nrows + n > packing.rows)
		empty_packed(boost, counting);
	counting->nrows += n;
	for (uint32_t i = 0; i < n; i++)
	{
		if (i + SOON < n)
			__builtin_prefetch(&boost->gradients[rows[i + SOON]]);
		values[i] = boost->gradients[rows[i]].packed;
	}
	for (; f + TILE <= nfeatures; f += TILE)
	{
		add_packed(bins + f, stride, rows, n, values, start + f, counting->packed, TILE);
		if (f % CHECK_FEATURES == 0)
			pf_check(boost->env);
	}
	if (f + TILE / 2 <= nfeatures)
	{
		add_packed(bins + f, stride, rows, n, values, start + f, counting->packed, TILE / 2);
		f += TILE / 2;
	}
	if (f < nfeatures)
		add_packed(bins + f, stride, rows, n, values, start + f, counting->packed, nfeatures - f);
}

/* ----- the root ----- */

/* To the nearest whole number: signs come in no order, so no branch. */
static inline int32_t
to_units(float value, double scale)
{
	double		units = value * scale;

	return (int32_t) (units + copysign(0.5, units));
}

/* To one of the two whole numbers beside it, with the chances that make the mean right. */
static inline int64_t
to_few_units(float value, double scale, uint32_t chance)
{
	return (int64_t) (value * scale + chance * (1 / 4294967296.0) + FEW_UNITS) - FEW_UNITS;
}

/* The gradient of a row in units. */
static inline PfGradient
in_units(const PfBoost *boost, PfGradient real, uint64_t stream, uint32_t row)
{
	const PfBoostShared *shared = boost->shared;
	const PfPacking packing = boost->packing;
	PfGradient	units;

	if (packing.rows == 0)
	{
		units.units.gradient = to_units(real.real.gradient, shared->gradient_scale);
		units.units.hessian = (uint32_t) to_units(real.real.hessian, shared->hessian_scale);
	}
	else if (packing.hessian_bits == 0)
		units.packed = to_units(real.real.gradient, shared->gradient_scale) * (INT64_C(1) << packing.count_bits) + 1;
	else
	{
		uint64_t	chance = pf_random(stream, row);
		int64_t		gradient = to_few_units(real.real.gradient, shared->gradient_scale, (uint32_t) chance);
		int64_t		hessian = to_few_units(real.real.hessian, shared->hessian_scale, (uint32_t) (chance >> 32));

		units.packed = ((gradient * (INT64_C(1) << packing.hessian_bits)) + hessian) *
			(INT64_C(1) << packing.count_bits) + 1;
	}
	return units;
}

/* The rows of a piece that the tree sees, in units. */
void
pf_boost_root(PfBoost *boost, uint32_t piece)
{
	const PfBoostShared *shared = boost->shared;
	uint64_t	stream = pf_random_stream(boost->params->seed, PF_CHOOSE_ROWS, shared->round, 0);
	uint64_t	rounding = pf_random_stream(boost->params->seed, PF_CHOOSE_ROUNDING, shared->tree, 0);
	uint32_t	end = pf_piece_end(boost, piece);
	uint32_t	at = boost->piece_sums[piece].first;
	uint32_t	npieces = boost->sizes.npieces;
	Counting	counting = begin_counting(boost, 0, 0, npieces, boost->piece_sums[piece].sampled);

	for (uint32_t start = pf_piece_start(boost, piece); start < end; start += BLOCK)
	{
		uint32_t	until = end - start < BLOCK ? end : start + BLOCK;
		uint32_t	first = at;

		for (uint32_t row = start; row < until; row++)
		{
			if (shared->sampling && !pf_boost_sampled(boost, stream, row))
				continue;
			boost->gradients[row] = in_units(boost, boost->gradients[row], rounding, row);
			boost->order[at++] = row;
		}
		count_rows(boost, &counting, boost->order + first, at - first);
		pf_check(boost->env);
	}
	end_counting(boost, &counting, 0, npieces);
}

/* ----- nodes that are split ----- */

/*
 * A block of rows: those that go left from the front of spare, the others from its back.
 * rest: the rows of this and the following blocks.
 */
static inline __attribute__((always_inline)) void
divide_block(const PfBoost *boost, const PfBoostSplit *split, bool by_set, const uint32_t *rows,
			 uint32_t n, uint32_t rest, uint32_t *left, uint32_t *right, uint32_t *nleft)
{
	const uint8_t *last = boost->matrix->bins + boost->matrix->nfeatures - 1;
	const uint8_t *bins = boost->matrix->bins + split->feature;
	const size_t stride = boost->matrix->stride;
	uint32_t	l = 0,
				r = 0;

	for (uint32_t i = 0; i < n; i++)
	{
		uint32_t	row = rows[i];
		uint8_t		bin = bins[row * stride];
		bool		goes = by_set ? pf_in_set(&split->set, bin)
			: (bin <= split->threshold) | ((bin == PF_MISSING_BIN) & split->missing_left);

		if (i + AHEAD < rest)
		{
			/* a narrow row lies in a line or two, and will be counted next */
			__builtin_prefetch(bins + rows[i + AHEAD] * stride);
			__builtin_prefetch(last + rows[i + AHEAD] * stride);
		}
		/* both stores, one counts; right is filled from its end */
		left[l] = row;
		right[-(int64_t) r - 1] = row;
		l += goes;
		r += !goes;
	}
	*nleft = l;
}

void
pf_boost_divide(PfBoost *boost, uint32_t number)
{
	PfPiece    *piece = &boost->pieces[number];
	const PfBranch *branch = &boost->branches[piece->branch];
	const PfBoostNode *node = &boost->nodes[branch->node];
	uint32_t   *left = boost->spare + piece->start;
	uint32_t   *right = left + piece->n;
	Counting	counting[2] = {{NULL}, {NULL}};

	for (int side = 0; side < 2; side++)
	{
		if (branch->build[side])
			counting[side] = begin_counting(boost, side, branch->slot[side], branch->npieces,
											boost->nodes[branch->left + side].n / branch->npieces);
	}
	for (uint32_t start = 0; start < piece->n; start += BLOCK)
	{
		uint32_t	n = piece->n - start < BLOCK ? piece->n - start : BLOCK;
		uint32_t	nleft;

		/* twice, so that either loop asks once */
		if (node->split.by_set)
			divide_block(boost, &node->split, true, boost->order + piece->start + start, n,
						 piece->n - start, left, right, &nleft);
		else
			divide_block(boost, &node->split, false, boost->order + piece->start + start, n,
						 piece->n - start, left, right, &nleft);
		if (counting[0].cells)
			count_rows(boost, &counting[0], left, nleft);
		if (counting[1].cells)
			count_rows(boost, &counting[1], right - (n - nleft), n - nleft);
		left += nleft;
		right -= n - nleft;
		pf_check(boost->env);
	}
	piece->nleft = (uint32_t) (left - (boost->spare + piece->start));
	for (int side = 0; side < 2; side++)
		end_counting(boost, &counting[side], branch->slot[side], branch->npieces);
}

/* The divided rows of a piece to where they belong, in the order that they had. */
void
pf_boost_place(PfBoost *boost, uint32_t number)
{
	const PfPiece *piece = &boost->pieces[number];
	const uint32_t *from = boost->spare + piece->start;
	uint32_t   *right = boost->order + piece->right_at;
	uint32_t	nright = piece->n - piece->nleft;

	memcpy(boost->order + piece->left_at, from, piece->nleft * sizeof(uint32_t));
	for (uint32_t i = 0; i < nright; i++)
		right[i] = from[piece->n - 1 - i];
	pf_check(boost->env);
}

/* ----- the grown tree ----- */

/* The leaf of each row of a piece of order. */
void
pf_boost_assign(PfBoost *boost, uint32_t number)
{
	const PfPiece *piece = &boost->pieces[number];

	for (uint32_t i = 0; i < piece->n; i++)
		boost->spare[boost->order[piece->start + i]] = piece->branch;
	pf_check(boost->env);
}

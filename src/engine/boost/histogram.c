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
#define SPINS	4096			/* between two checks while a lock is taken */
#define CHECK_EVERY 262144		/* cells, or additions, between two checks */

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

static inline PfCell
cell_of(const PfBoost *boost, PfGradient gradient)
{
	return (PfCell) {
		gradient.units.gradient,
		(int64_t) ((uint64_t) gradient.units.hessian << boost->count_bits | 1)
	};
}

/* Adds the gradients of rows to a histogram. */
static void
count_rows(const PfBoost *boost, const uint32_t *rows, uint32_t n, PfCell *cells)
{
	const uint8_t *bins = boost->matrix->bins;
	const size_t stride = boost->matrix->stride;
	const uint32_t *start = boost->start;
	uint32_t	nfeatures = boost->matrix->nfeatures;
	uint32_t	step = CHECK_EVERY / nfeatures + 1;		/* more than a block, unless rows are wide */

	for (uint32_t first = 0, end; first < n; first = end)
	{
		end = n - first < step ? n : first + step;
		for (uint32_t i = first; i < end; i++)
		{
			const uint8_t *row = bins + rows[i] * stride;
			PfCell		cell = cell_of(boost, boost->gradients[rows[i]]);

			if (i + SOON < n)
				__builtin_prefetch(&boost->gradients[rows[i + SOON]]);
			for (uint32_t f = 0; f < nfeatures; f++)
				cells[start[f] + row[f]] += cell;
		}
		if (end < n)
			pf_check(boost->env);
	}
}

static PfCell *
clear_cells(const PfBoost *boost, PfCell *cells)
{
	pf_clear(boost->env, cells, boost->start[boost->matrix->nfeatures] * sizeof(PfCell));
	return cells;
}

/* Where a piece is counted: in the slot itself when nobody else counts there. */
static PfCell *
begin_counting(const PfBoost *boost, uint32_t slot, uint32_t npieces, PfCell *own)
{
	return clear_cells(boost, npieces == 1 ? boost->cells + (size_t) slot * boost->sizes.ncells : own);
}

/* ----- the root ----- */

static int32_t
to_units(float value, double scale)
{
	double		units = value * scale;

	return (int32_t) (units < 0 ? units - 0.5 : units + 0.5);
}

/* The rows of a piece that the tree sees, in units. */
void
pf_boost_root(PfBoost *boost, uint32_t piece)
{
	const PfBoostShared *shared = boost->shared;
	uint64_t	stream = pf_random_stream(boost->params->seed, PF_CHOOSE_ROWS, shared->round, 0);
	uint32_t	end = pf_piece_end(boost, piece);
	uint32_t	at = boost->piece_sums[piece].first;
	PfCell	   *cells = begin_counting(boost, 0, boost->sizes.npieces, boost->own);

	for (uint32_t start = piece * PF_PIECE; start < end; start += BLOCK)
	{
		uint32_t	until = end - start < BLOCK ? end : start + BLOCK;
		uint32_t	first = at;

		for (uint32_t row = start; row < until; row++)
		{
			PfGradient *gradient = &boost->gradients[row];
			PfGradient	real = *gradient;

			if (shared->sampling && !pf_boost_sampled(boost, stream, row))
				continue;
			gradient->units.gradient = to_units(real.real.gradient, shared->gradient_scale);
			gradient->units.hessian = (uint32_t) to_units(real.real.hessian, shared->hessian_scale);
			boost->order[at++] = row;
		}
		count_rows(boost, boost->order + first, at - first, cells);
		pf_check(boost->env);
	}
	if (boost->sizes.npieces > 1)
		add_histogram(boost, 0, cells);
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
	PfCell	   *cells[2] = {NULL, NULL};

	/* at most one side is counted in own memory: a node of several pieces has one */
	for (int side = 0; side < 2; side++)
	{
		if (branch->build[side])
			cells[side] = begin_counting(boost, branch->slot[side], branch->npieces, boost->own + side * boost->sizes.ncells);
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
		if (cells[0])
			count_rows(boost, left, nleft, cells[0]);
		if (cells[1])
			count_rows(boost, right - (n - nleft), n - nleft, cells[1]);
		left += nleft;
		right -= n - nleft;
		pf_check(boost->env);
	}
	piece->nleft = (uint32_t) (left - (boost->spare + piece->start));
	for (int side = 0; side < 2 && branch->npieces > 1; side++)
	{
		if (cells[side])
			add_histogram(boost, branch->slot[side], cells[side]);
	}
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

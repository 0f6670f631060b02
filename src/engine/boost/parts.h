/*
 * parts.h
 *	  What the files of this folder share.
 *
 * The rows of a tree are an array of row numbers, of which a node has a section;
 * a split puts those that go left before those that go right.  A node that may be
 * split has a histogram: for each bin of each feature the sums of the gradients and
 * hessians, and the number, of its rows.  Only that of the smaller child is counted,
 * the other is what is left of the parent's.
 *
 * Gradients are held as whole numbers of a unit that is chosen for each tree; so
 * sums are exact, and a parent less a child is exactly the other child.
 */
#ifndef PF_BOOST_PARTS_H
#define PF_BOOST_PARTS_H

#include <math.h>
#include <stdatomic.h>

#include "engine/boost/boost.h"

#define PF_PIECE		32768		/* rows of a task, at most, */
#define PF_LEAST_PIECE	4096		/* and at least */
#define PF_SHARES		8			/* as many tasks as this, if pieces are not too small: they share out evenly */
#define PF_BATCH		256			/* nodes that are split together, at most */
#define PF_NO_SLOT		UINT32_MAX

/* Gradient and hessian of a row, first as they are, then in units. */
typedef union PfGradient
{
	struct
	{
		float		gradient;
		float		hessian;
	}			real;
	struct
	{
		int32_t		gradient;
		uint32_t	hessian;
	}			units;
	int64_t		packed;
} PfGradient;

/*
 * Units of which the sums of many rows fit in 8 bytes: from below the number of rows, the hessians and
 * the gradients.
 */
typedef struct PfPacking
{
	uint32_t	rows;			/* that fit; 0: gradients are not packed */
	uint32_t	count_bits;
	uint32_t	hessian_bits;	/* 0: every row's is 1 */
} PfPacking;

/*
 * A bin of a histogram: the gradients' sum, and in one number that of the hessians
 * above the number of rows (count_bits).  Both are added to at once.
 */
typedef int64_t PfCell __attribute__((vector_size(16)));

typedef struct PfBoostSplit
{
	bool		found;
	bool		missing_left;
	uint16_t	feature;
	uint16_t	threshold;
	bool		by_set;			/* of bins; the threshold says nothing */
	double		gain;			/* of the loss, real */
	PfCell		left;			/* sums of what goes left */
	PfSet		set;
} PfBoostSplit;

typedef struct PfBoostNode
{
	uint32_t	start,			/* its section of order */
				n;
	uint32_t	depth;
	uint32_t	slot;			/* of its histogram */
	PfCell		sums;
	double		lower,			/* bounds of its value, by monotonic constraints */
				upper;
	PfBoostSplit split;
} PfBoostNode;

/* A piece of a node's rows while it is split. */
typedef struct PfPiece
{
	uint32_t	branch;			/* in the batch */
	uint32_t	start,
				n;
	uint32_t	nleft;
	uint32_t	left_at,		/* where its rows will lie */
				right_at;
} PfPiece;

/* A node that is being split. */
typedef struct PfBranch
{
	uint32_t	node;			/* its children are left and left + 1 */
	uint32_t	left;
	uint32_t	npieces;
	bool		build[2];		/* histograms to be counted: left, right */
	bool		subtract;		/* the other one is the parent's less that */
	bool		search[2];
	uint32_t	slot[2];
	uint32_t	parent_slot;
} PfBranch;

typedef enum PfBoostPhase
{
	PF_BOOST_SHARES,			/* of the classes, of each row; loss */
	PF_BOOST_GRADIENTS,			/* the last tree is added to the sums; gradients, loss */
	PF_BOOST_ROOT,				/* rows of the tree, units, histogram of the root */
	PF_BOOST_SEARCH_ROOT,
	PF_BOOST_DIVIDE,			/* rows of nodes that are split; histograms */
	PF_BOOST_SEARCH,			/* rows are put in place; splits of the new nodes */
	PF_BOOST_RENEW,				/* leaves of absolute errors and quantiles */
	PF_BOOST_ASSIGN				/* each row's leaf */
} PfBoostPhase;

/* What a piece of the rows comes to. */
typedef struct PfPieceSums
{
	double		largest_gradient,
				largest_hessian;
	double		hessian;
	double		squares;		/* of the gradients */
	double		loss,			/* of the rows set apart */
				weight;
	uint32_t	sampled;		/* rows that the next tree sees */
	uint32_t	first;			/* where they begin in order */
} PfPieceSums;

/* The head of the shared block. */
typedef struct PfBoostShared
{
	PfBoostPhase phase;
	uint32_t	tree;			/* the one being grown */
	uint32_t	round;			/* the one it belongs to */
	uint32_t	sum;			/* of the model that it is for */
	bool		update;			/* PF_BOOST_GRADIENTS: the last tree is to be added */
	uint32_t	last_round,		/* what it was for */
				last_sum;
	bool		derive;			/* gradients are wanted */
	bool		sampling;		/* not every row is seen by the tree */
	double		gradient_scale,
				hessian_scale;	/* from real to units */
	double		gradient_unit,
				hessian_unit;	/* and back */
	double		target_scale,	/* squared errors: powers of 2 that bring what is left of the targets near 1, */
				target_unit;	/* and back */
	double		mean_weight;	/* of the rows that are not set apart */
	double		noise;			/* of gradients: their squares' share of the hessians */
	uint32_t	nnodes;
	uint32_t	nsets;
	uint32_t	nsampled;
	uint32_t	nbranches;
	uint32_t	npieces;
	uint32_t	ranges;			/* sections of the features that are searched apart */
} PfBoostShared;

/* Sizes that follow from the matrix and the parameters. */
typedef struct PfBoostSizes
{
	uint32_t	piece;			/* rows of a piece of all rows */
	uint32_t	npieces;		/* of all rows */
	uint32_t	max_nodes;
	uint32_t	nslots;
	uint32_t	ncells;			/* of a histogram, at most */
} PfBoostSizes;

struct PfBoost
{
	const PfEnv *env;
	const PfMatrix *matrix;
	const PfBoostParams *params;
	uint32_t	nsums;
	uint32_t	count_bits;
	PfPacking	packing;
	PfBoostSizes sizes;
	double	   *class_weight;	/* nclasses, or NULL */

	/* shared */
	PfBoostShared *shared;
	double	   *raw;			/* nrows x nsums */
	float	   *shares;			/* nrows x nsums; NULL unless there are more than two classes */
	PfGradient *gradients;		/* nrows */
	uint32_t   *order;			/* nrows: rows that the tree sees, by node */
	uint32_t   *spare;			/* nrows: divided rows; then the leaf of each row */
	PfPieceSums *piece_sums;
	uint32_t   *start;			/* nfeatures + 1: where a feature's cells are */
	uint8_t    *used;			/* nfeatures: does the tree see it? */
	PfBoostNode *nodes;
	PfNode	   *tree;			/* the same as it is walked; a leaf's link is its own number */
	PfSet	   *sets;			/* of the tree; in the order in which nodes are split */
	double	   *values;			/* of each node as a leaf */
	PfBranch   *branches;
	PfPiece    *pieces;
	PfBoostSplit *found;		/* of each range: of both new nodes */
	_Atomic uint32_t *locks;	/* of the slots */
	uint8_t    *filled;			/* slots */
	PfCell	   *cells;			/* nslots x ncells */

	/* private */
	void	   *own_memory;
	PfCell	   *own;			/* two histograms, aligned */
	int64_t    *own_packed;		/* likewise; all 0 */
	uint32_t   *drawn;			/* nfeatures */
	uint8_t    *wanted;			/* nfeatures: of a node */
};

static inline uint32_t
pf_cell_count(const PfBoost *boost, PfCell cell)
{
	return (uint32_t) ((uint64_t) cell[1] & ((UINT64_C(1) << boost->count_bits) - 1));
}

static inline double
pf_cell_gradient(PfCell cell)
{
	return (double) cell[0];
}

static inline double
pf_cell_hessian(const PfBoost *boost, PfCell cell)
{
	return (double) (int64_t) ((uint64_t) cell[1] >> boost->count_bits);
}

static inline double
pf_boost_weight(const PfBoost *boost, uint32_t row)
{
	double		weight = boost->matrix->weight ? boost->matrix->weight[row] : 1;

	return boost->class_weight ? weight * boost->class_weight[boost->matrix->label[row]] : weight;
}

static inline bool
pf_is_apart(const PfBoost *boost, uint32_t row)
{
	return boost->params->n_iter_no_change > 0 && boost->matrix->apart != NULL &&
		boost->matrix->apart[row];
}

/* How large the pieces of so many rows are: the same, whoever does them. */
static inline uint32_t
pf_piece_of(uint32_t nrows)
{
	uint32_t	rows = (nrows / PF_SHARES / 1024 + 1) * 1024;

	return rows < PF_LEAST_PIECE ? PF_LEAST_PIECE : rows > PF_PIECE ? PF_PIECE : rows;
}

static inline uint32_t
pf_piece_start(const PfBoost *boost, uint32_t piece)
{
	return piece * boost->sizes.piece;
}

static inline uint32_t
pf_piece_end(const PfBoost *boost, uint32_t piece)
{
	uint32_t	start = pf_piece_start(boost, piece);

	return boost->matrix->nrows - start < boost->sizes.piece ? boost->matrix->nrows : start + boost->sizes.piece;
}

/* loss.c */
extern void pf_boost_base(PfBoost *boost, double *base);
extern void pf_boost_shares(PfBoost *boost, uint32_t piece);
extern void pf_boost_gradients(PfBoost *boost, uint32_t piece);
extern void pf_boost_renew(PfBoost *boost, uint32_t node);
extern bool pf_boost_sampled(const PfBoost *boost, uint64_t stream, uint32_t row);

/* histogram.c */
extern void pf_boost_root(PfBoost *boost, uint32_t piece);
extern void pf_boost_divide(PfBoost *boost, uint32_t piece);
extern void pf_boost_place(PfBoost *boost, uint32_t piece);
extern void pf_boost_assign(PfBoost *boost, uint32_t piece);

/* search.c: the best split of a node among the features of a range */
extern void pf_boost_search(PfBoost *boost, const PfBoostNode *node, uint32_t number,
							uint32_t range, PfBoostSplit *best);
extern void pf_boost_subtract(PfBoost *boost, uint32_t from, uint32_t what, uint32_t range);
extern double pf_boost_value(const PfBoost *boost, PfCell sums, double lower, double upper);

/* The features of a range: start <= f < end. */
static inline uint32_t
pf_range_start(const PfBoost *boost, uint32_t range)
{
	return (uint32_t) ((uint64_t) boost->matrix->nfeatures * range / boost->shared->ranges);
}

#endif							/* PF_BOOST_PARTS_H */

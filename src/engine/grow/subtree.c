/*
 * subtree.c
 *	  A subtree of few rows, grown in one go: extremely randomised trees of rows that weigh 1.
 *
 * Most nodes of an unlimited tree hold a handful of rows, and what costs time there is not the rows
 * but everything around them.  Here a node is a mask of eight bytes, one for each row of the subtree, and
 * a feature's bins are eight bytes as well: the bins of four features are two vectors, compared
 * in one go, and nothing is moved when a node is split.
 *
 * Nodes are numbered, features and cuts are drawn and sums are made as randomcut.c and tree.c do it,
 * so the tree is the one that they would grow.
 *
 * Memory: none but the stack.
 */
#include <math.h>
#include <string.h>

#include "engine/grow/cutlanes.h"
#include "engine/grow/draw.h"

#define ONES UINT64_C(0x0101010101010101)

/* Where the byte of a row lies in a mask or a column: in memory it is that of the same number. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define row_shift(row)	(56 - 8 * (row))
#else
#define row_shift(row)	(8 * (row))
#endif

/* The bins of two features, or the masks of two sets of rows. */
typedef uint64_t Pair __attribute__((vector_size(16)));

typedef struct Few
{
	PfGrowth   *growth;
	const PfItem *items;
	double		target[PF_SUBTREE_ROWS];	/* less the offset; where there is no row, 0 */
	uint64_t	of_class[PF_COUNTED_CLASSES];	/* rows */
	uint64_t	column[PF_SUBTREE_FEATURES + PF_SUBTREE_SLACK];	/* bins of the rows */
} Few;

/* A node that is not done. */
typedef struct Part
{
	uint32_t	node;
	uint32_t	depth;
	uint64_t	rows;			/* all bits set in the bytes of its rows */
	uint64_t	place;			/* see Open in tree.c */
	double		sum;			/* regression: of its targets less the offset */
	uint64_t	constant[PF_SUBTREE_FEATURES / 64];
} Part;

pf_inline uint32_t
count_rows(uint64_t rows)
{
	return (uint32_t) ((rows & ONES) * ONES >> 56);
}

pf_inline uint32_t
first_row(uint64_t rows)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return (uint32_t) __builtin_clzll(rows) / 8;
#else
	return (uint32_t) __builtin_ctzll(rows) / 8;
#endif
}

pf_inline uint64_t
without_first_row(uint64_t rows)
{
	return rows & ~(UINT64_C(0xFF) << row_shift(first_row(rows)));
}

/* Rows are added in their order.  Four sets of them side by side. */
pf_inline Real
sum_targets(const Few *few, Whole rows)
{
	Real		sum = all(0);

	UNROLL
	for (int i = 0; i < PF_SUBTREE_ROWS; i++)
	{
		Mask		here = (Mask) (rows << (56 - row_shift(i))) < 0;

		sum += (Real) ((Mask) (Real) all(few->target[i]) & here);
	}
	return sum;
}

pf_inline Whole
count_four(Whole rows)
{
	Whole		count = rows & ONES;

	count += count >> 32;
	count += count >> 16;
	count += count >> 8;
	return count & 0xFF;
}

/*
 * Sixteen bins of each row, side by side, to sixteen columns: rows four apart are taken together, then those
 * two apart, then neighbours.
 */
pf_inline void
turn(const uint8_t *const *row, uint32_t feature, uint64_t *column)
{
#ifdef __SSE2__
	__m128i		a[PF_SUBTREE_ROWS],
				b[PF_SUBTREE_ROWS];

	UNROLL
	for (int i = 0; i < PF_SUBTREE_ROWS; i++)
		a[i] = _mm_loadu_si128((const __m128i *) (row[i] + feature));
	UNROLL
	for (int apart = PF_SUBTREE_ROWS / 2; apart > 0; apart /= 2)
	{
		UNROLL
		for (int i = 0; i < PF_SUBTREE_ROWS / 2; i++)
		{
			int			one = i / apart * 2 * apart + i % apart;

			b[one] = _mm_unpacklo_epi8(a[one], a[one + apart]);
			b[one + apart] = _mm_unpackhi_epi8(a[one], a[one + apart]);
		}
		memcpy(a, b, sizeof(a));
	}
	memcpy(column, a, sizeof(a));
#else
	uint8_t		turned[16][PF_SUBTREE_ROWS];

	for (int i = 0; i < PF_SUBTREE_ROWS; i++)
	{
		for (int c = 0; c < 16; c++)
			turned[c][i] = row[i][feature + c];
	}
	memcpy(column, turned, sizeof(turned));
#endif
}

/* Four features of a node, one of them perhaps more than once. */
typedef struct Four
{
	uint32_t	feature[PF_ABREAST];
	uint64_t	column[PF_ABREAST];
	uint8_t		lowest[PF_ABREAST];
	uint8_t		highest[PF_ABREAST];	/* of the bins that are not missing */
	bool		missing_here[PF_ABREAST];
	bool		variable[PF_ABREAST];
	bool		any_missing,
				any_variable,
				all_variable;
} Four;

pf_inline void
find_ranges(uint64_t rows, Four *four)
{
	four->any_missing = four->any_variable = false;
	four->all_variable = true;
	UNROLL
	for (int half = 0; half < PF_ABREAST; half += 2)
	{
		const Bytes here = (Bytes) (Pair) {rows, rows};
		Bytes		bins = (Bytes) (Pair) {four->column[half], four->column[half + 1]};
		Bytes		low = bins | ~here;
		Bytes		next = (bins + 1) & here;	/* of missing 0, the least */
		Pair		missing = (Pair) ((Bytes) (bins == PF_MISSING_BIN) & here);
		Pair		some = (Pair) next;

		UNROLL
		for (int shift = 32; shift >= 8; shift /= 2)
		{
			low = lower(low, (Bytes) ((Pair) low >> shift));
			next = higher(next, (Bytes) ((Pair) next >> shift));
		}
		/* what is missing in all rows is constant */
		low &= ~(Bytes) (low == PF_MISSING_BIN);
		next = (next - 1) & ~(Bytes) (next == 0);
		UNROLL
		for (int i = 0; i < 2; i++)
		{
			int			c = half + i;

			four->lowest[c] = (uint8_t) ((Pair) low)[i];
			four->highest[c] = (uint8_t) ((Pair) next)[i];
			four->missing_here[c] = missing[i] != 0;
			four->variable[c] = four->lowest[c] != four->highest[c] || (missing[i] != 0 && some[i] != 0);
			four->any_missing |= four->missing_here[c];
			four->any_variable |= four->variable[c];
			four->all_variable &= four->variable[c];
		}
	}
}

/* The rows whose bins are not above the thresholds, and those where they are missing. */
pf_inline void
compare_columns(const uint64_t *column, const uint64_t *threshold, uint64_t rows, Whole *left, Whole *missing)
{
	Pair		goes[2],
				lacks[2];

	UNROLL
	for (int half = 0; half < 2; half++)
	{
		const Pair	here = {rows, rows};
		Bytes		bins = (Bytes) (Pair) {column[2 * half], column[2 * half + 1]};
		Bytes		last = (Bytes) (Pair) {threshold[2 * half], threshold[2 * half + 1]};

		goes[half] = (Pair) (Bytes) (lower(bins, last) == bins) & here;
		lacks[half] = (Pair) (Bytes) (bins == PF_MISSING_BIN) & here;
	}
	*left = (Whole) {goes[0][0], goes[0][1], goes[1][0], goes[1][1]};
	*missing = (Whole) {lacks[0][0], lacks[0][1], lacks[1][0], lacks[1][1]};
}

pf_inline Piles
pile_up(PfCellShape shape, const Few *few, Whole rows, Whole count)
{
	Piles		piles = {all(0), all(0), all(0)};

	if (shape == PF_SUMS)
	{
		piles.weight = as_real(count);
		piles.sum = sum_targets(few, rows);
	}
	else if (shape == PF_PAIRS)
	{
		Whole		ones = count_four(rows & few->of_class[1]);

		piles.cell = (count - ones) | ones << 32;
	}
	else
	{
		for (int c = 0; c < PF_COUNTED_CLASSES; c++)
			piles.cell |= count_four(rows & few->of_class[c]) << 16 * c;
	}
	return piles;
}

/* Cuts of four features; the first ncuts of them count. */
pf_inline void
try_four(PfCellShape shape, const Few *few, uint64_t rows, uint32_t n, uint64_t stream, double unsplit,
		 const Four *four, uint32_t ncuts, bool any_missing, Best *best)
{
	float		place[PF_ABREAST];
	uint32_t	rank[PF_ABREAST];
	uint64_t	threshold[PF_ABREAST];
	uint32_t	thresholds;
	Whole		left,
				missing;
	CutSums		sums = {{all(0), all(0), all(0)}, {all(0), all(0), all(0)}, all(0), all(0)};
	CutWorth	worth[2];

	UNROLL
	for (uint32_t c = 0; c < PF_ABREAST; c++)
		place[c] = draw_place(few->growth, stream, four->feature[c], four->lowest[c], four->highest[c], &rank[c]);
	thresholds = cut_between(few->growth, four->feature, place, four->lowest, four->highest);
	UNROLL
	for (uint32_t c = 0; c < PF_ABREAST; c++)
		threshold[c] = (thresholds >> byte_shift(c) & 0xFF) * ONES;
	compare_columns(four->column, threshold, rows, &left, &missing);
	sums.rows = count_four(left);
	sums.left = pile_up(shape, few, left, sums.rows);
	if (any_missing)
	{
		sums.missing_rows = count_four(missing);
		sums.missing = pile_up(shape, few, missing, sums.missing_rows);
	}
	score_sums(shape, few->growth, unsplit, any_missing, &sums, worth);
	for (uint32_t c = any_missing ? 0 : pick_cut(rank, NULL, ncuts, n, &sums, worth, best); c < ncuts; c++)
	{
		const Cut	cut = {
			.feature = four->feature[c],.lane = c,.rank = rank[c],.threshold = (uint8_t) threshold[c],
			.missing_here = four->missing_here[c]
		};

		if (four->variable[c])
			keep_lane(few->growth, &cut, n, any_missing, &sums, worth, best);
		if (!any_missing)
			break;
	}
}

pf_inline void
find_best(PfCellShape shape, const Few *few, Part *part, uint32_t n, uint64_t stream, double unsplit,
		  Best *best)
{
	PfGrowth   *growth = few->growth;
	const uint32_t nfeatures = growth->matrix->nfeatures;
	const uint32_t wanted = growth->params->max_features;
	uint32_t	drawn = 0;
	bool		variable = false;

	while (drawn < nfeatures && (drawn < wanted || !variable))
	{
		Four		four;
		uint32_t	ncuts = 0;

		while (drawn < nfeatures && ncuts < PF_ABREAST && (drawn < wanted || (!variable && ncuts == 0)))
		{
			uint32_t	feature = wanted < nfeatures ? pf_draw_feature(growth, stream, drawn) : drawn;

			drawn++;
			if (!(part->constant[feature / 64] >> feature % 64 & 1))
				four.feature[ncuts++] = feature;
		}
		if (ncuts == 0)
			continue;
		for (uint32_t c = ncuts; c < PF_ABREAST; c++)
			four.feature[c] = four.feature[0];
		for (uint32_t c = 0; c < PF_ABREAST; c++)
			four.column[c] = few->column[four.feature[c]];
		find_ranges(part->rows, &four);
		for (uint32_t c = 0; c < PF_ABREAST && !four.all_variable; c++)
			part->constant[four.feature[c] / 64] |= (uint64_t) !four.variable[c] << four.feature[c] % 64;
		if (!four.any_variable)
			continue;
		variable = true;
		if (four.any_missing)
			try_four(shape, few, part->rows, n, stream, unsplit, &four, ncuts, true, best);
		else
			try_four(shape, few, part->rows, n, stream, unsplit, &four, ncuts, false, best);
	}
	if (wanted < nfeatures)
		pf_undraw_features(growth, drawn);
}

/* Two rows: the first feature drawn that parts them, see part_two in randomcut.c. */
pf_inline void
part_rows(PfCellShape shape, const Few *few, uint64_t rows, uint64_t stream, double unsplit, PfSplit *split)
{
	PfGrowth   *growth = few->growth;
	const uint32_t nfeatures = growth->matrix->nfeatures;
	const uint32_t one = row_shift(first_row(rows));
	const uint32_t other = row_shift(first_row(without_first_row(rows)));
	uint32_t	drawn = 0;
	uint32_t	feature;
	uint32_t	rank;
	uint8_t		a,
				b;

	do
	{
		feature = pf_draw_feature(growth, stream, drawn++);
		a = (uint8_t) (few->column[feature] >> one);
		b = (uint8_t) (few->column[feature] >> other);
	} while (a == b && drawn < nfeatures);
	pf_undraw_features(growth, drawn);
	if (a == b)
		return;
	split->found = true;
	split->feature = (uint16_t) feature;
	split->missing_left = a != PF_MISSING_BIN && b != PF_MISSING_BIN;
	if (!split->missing_left)
		split->threshold = PF_MISSING_BIN - 1;
	else
	{
		const uint8_t lowest = a < b ? a : b;
		const uint8_t highest = a < b ? b : a;
		float		place = draw_place(growth, stream, feature, lowest, highest, &rank);

		split->threshold = (uint16_t) cut_one_between(growth, feature, place, highest);
	}
	if (shape == PF_SUMS)
	{
		const uint64_t lower_row = a < b ? one : other;
		double		left = few->target[first_row(UINT64_C(0xFF) << lower_row)];
		double		right = growth->total[1] - left;
		double		gain = left * left + right * right - unsplit;

		split->gain = gain > 0 ? gain : 0;
		split->left[1] = left;
	}
	else
		split->gain = 1;
}

/* The node's own sums go to growth->total.  Is there nothing to part? */
pf_inline bool
describe(PfCellShape shape, const Few *few, const Part *part, uint32_t n, double *unsplit)
{
	PfGrowth   *growth = few->growth;
	double	   *total = growth->total;

	if (shape == PF_SUMS)
	{
		const double first = few->items[first_row(part->rows)].y.target;
		uint64_t	rest = part->rows;

		total[0] = n;
		total[1] = part->sum;
		*unsplit = total[1] * total[1] / total[0];
		while (rest != 0 && few->items[first_row(rest)].y.target == first)
			rest = without_first_row(rest);
		return rest == 0;
	}
	else
	{
		double		squares = 0;
		bool		pure = false;

		for (uint32_t c = 0; c < growth->width; c++)
		{
			uint32_t	count = count_rows(part->rows & few->of_class[c]);

			total[c] = count;
			squares += total[c] * total[c];
			pure |= count == n;
		}
		*unsplit = squares / n;
		return pure;
	}
}

pf_inline void
grow_few(PfCellShape shape, PfGrowth *growth, uint32_t number, const PfItem *items, uint32_t n,
		 const PfSubtree *top, PfTree *tree)
{
	const PfForestParams *params = growth->params;
	const uint32_t nfeatures = growth->matrix->nfeatures;
	const uint64_t seed = params->seed;
	const uint8_t *row[PF_SUBTREE_ROWS];
	uint8_t		copies[PF_SUBTREE_ROWS][PF_SUBTREE_FEATURES + PF_SUBTREE_SLACK];
	Few			few;
	Part		open[PF_SUBTREE_ROWS];
	Part		part = {.node = top->node,.depth = top->depth,.place = top->place};
	uint32_t	nopen = 0;

	few.growth = growth;
	few.items = items;
	memset(few.of_class, 0, sizeof(few.of_class));
	memcpy(part.constant, top->constant, growth->words * sizeof(uint64_t));
	for (uint32_t i = 0; i < PF_SUBTREE_ROWS; i++)
	{
		const PfItem *item = &items[i < n ? i : 0];

		row[i] = pf_row(growth, items, i < n ? i : 0);
		if (growth->bins == growth->matrix->bins)
			row[i] = memcpy(copies[i], row[i], nfeatures);
		few.target[i] = shape == PF_SUMS && i < n ? item->y.target - growth->offset : 0;
		if (shape != PF_SUMS && i < n)
			few.of_class[item->y.label] |= UINT64_C(0xFF) << row_shift(i);
		/* whole vectors are read, for which there is room behind the rows that lie nearby */
		part.rows |= (i < n ? UINT64_C(0xFF) : 0) << row_shift(i);
	}
	for (uint32_t f = 0; f < nfeatures; f += 16)
		turn(row, f, few.column + f);
	part.sum = top->sum;

	for (;;)
	{
		PfSplit		split = {.found = false};
		Best		best = {&split, 0, 0};
		PfNodeStats stats = {0};
		double		unsplit;
		bool		pure;

		n = count_rows(part.rows);
		pure = describe(shape, &few, &part, n, &unsplit);
		if (!pure && n >= params->min_samples_split && (params->max_depth == 0 || part.depth < params->max_depth))
		{
			uint64_t	stream = params->by_place ? part.place
				: pf_random_stream(seed, PF_CHOOSE_FEATURES, number, part.node);

			if (n == 2)
				part_rows(shape, &few, part.rows, stream, unsplit, &split);
			else
				find_best(shape, &few, &part, n, stream, unsplit, &best);
		}
		if (split.found)
		{
			uint64_t	column = few.column[split.feature];
			uint64_t	threshold = split.threshold * ONES;
			Whole		left,
						missing;
			Part	   *right = &open[nopen++];

			compare_columns((uint64_t[]) {column, column, column, column},
							(uint64_t[]) {threshold, threshold, threshold, threshold}, part.rows, &left, &missing);
			left[0] |= split.missing_left ? missing[0] : 0;
			tree->nodes[part.node] = (PfNode) {
				.link = tree->nnodes | (split.missing_left ? PF_MISSING_LEFT : 0),.feature = split.feature,
				.threshold = split.threshold
			};
			tree->importance[split.feature] += split.gain;
			*right = part;
			right->rows = part.rows & ~left[0];
			part.rows = left[0];
			part.node = tree->nnodes++;
			right->node = tree->nnodes++;
			part.depth++;
			right->depth++;
			if (params->by_place)
			{
				right->place = pf_random_place(part.place, 1);
				part.place = pf_random_place(part.place, 0);
			}
			right->sum -= split.left[1];
			part.sum = split.left[1];
			continue;
		}
		stats.weight = n;
		stats.pure = pure;
		if (shape == PF_SUMS)
		{
			stats.first = items[first_row(part.rows)].y.target;
			/* of its own rows, see stats_of_leaf in tree.c */
			stats.sum = pure ? 0 : sum_targets(&few, (Whole) {part.rows})[0];
		}
		pf_add_leaf(growth, tree, part.node, &stats);
		if (nopen == 0)
			return;
		part = open[--nopen];
	}
}

pf_inline void
grow_subtree(PfGrowth *growth, uint32_t number, const PfItem *items, uint32_t n, const PfSubtree *top,
			 PfTree *tree)
{
	if (growth->matrix->nclasses == 0)
		grow_few(PF_SUMS, growth, number, items, n, top, tree);
	else if (growth->width == 2)
		grow_few(PF_PAIRS, growth, number, items, n, top, tree);
	else
		grow_few(PF_QUADS, growth, number, items, n, top, tree);
}

static void
grow_anywhere(PfGrowth *growth, uint32_t number, const PfItem *items, uint32_t n, const PfSubtree *top,
			  PfTree *tree)
{
	grow_subtree(growth, number, items, n, top, tree);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static void
grow_avx2(PfGrowth *growth, uint32_t number, const PfItem *items, uint32_t n, const PfSubtree *top,
		  PfTree *tree)
{
	grow_subtree(growth, number, items, n, top, tree);
}
#endif

PfGrowSubtree
pf_subtree_grower(const PfGrowth *growth, bool portable)
{
	const PfForestParams *params = growth->params;

	if (params->places == NULL || !growth->abreast || growth->matrix->nfeatures > PF_SUBTREE_FEATURES ||
		(growth->matrix->nclasses > 0 && !growth->counted) || params->bootstrap || params->max_leaf_nodes > 0 ||
		params->nviews > 0 || params->min_impurity_decrease > 0)
		return NULL;
#ifdef __x86_64__
	if (!portable && __builtin_cpu_supports("avx2"))
		return grow_avx2;
#endif
	return grow_anywhere;
}

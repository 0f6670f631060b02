/*
 * grow_forest.c
 *	  Participants take tree numbers from a counter until none is left.
 *
 * The leader is a participant too.  Shared memory holds the matrix, the votes
 * and the importance sums; both sums are integers that are added to atomically,
 * so they do not depend on who adds first.  A tree goes into a temporary file as
 * soon as it is grown, so that the number of trees does not raise the peak, and
 * the files are put together, one tree at a time, when all are done: into the planes
 * of the model, which are files again.  Workers' files are those of a
 * SharedFileSet: /dev/shm is small in containers, and what is in it is known before
 * the first tree is grown.
 *
 * So no more than a tree a participant is in memory.  What does grow with their number is
 * the table of different leaf rows, which is watched as the files are put together.
 *
 * Locks: none.  The tree counter and the sums are atomics; files are exported by
 * a worker before it ends and opened by the leader after.
 *
 * No worker is launched when the work would be done before one has started, and
 * the leader does all of it when none can be had.
 */
#include "postgres.h"

#include <math.h>

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "storage/buffile.h"
#include "storage/sharedfileset.h"
#include "storage/shm_toc.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"

#include "catalog/pgenv.h"
#include "engine/forest/samples.h"
#include "parallel/grow_forest.h"
#include "progress/progress.h"
#include "settings.h"

#define KEY_SHARED		UINT64CONST(0x7067660000000001)
#define KEY_BINS		UINT64CONST(0x7067660000000002)
#define KEY_ANSWERS		UINT64CONST(0x7067660000000003)
#define KEY_WEIGHTS		UINT64CONST(0x7067660000000004)
#define KEY_CLASSES		UINT64CONST(0x7067660000000005)
#define KEY_VOTES		UINT64CONST(0x7067660000000006)
#define KEY_VOTERS		UINT64CONST(0x7067660000000007)
#define KEY_IMPORTANCE	UINT64CONST(0x7067660000000008)
#define KEY_QUERY		UINT64CONST(0x7067660000000009)
#define KEY_PLACES		UINT64CONST(0x706766000000000A)
#define KEY_RANKS		UINT64CONST(0x706766000000000B)
#define KEY_MONOTONIC	UINT64CONST(0x706766000000000C)
#define KEY_HELD_OUT	UINT64CONST(0x706766000000000D)	/* and those that follow */

typedef struct Shared
{
	SharedFileSet files;
	pg_atomic_uint32 next_tree;
	pg_atomic_uint64 done_trees;
	pg_atomic_uint64 nodes;		/* of these */
	PfForestParams params;		/* class_weights, places, ranks and monotonic are set by each process */
	PfMatrix	matrix;			/* pointers are set by each process */
	PfVotes		votes;			/* likewise */
	PfMatrix	held[PF_HELD_OUT];	/* likewise */
} Shared;

/* What a participant works on, wherever it lies. */
typedef struct Work
{
	const PfMatrix *matrix;
	const PfForestParams *params;
	PfVotes    *votes;			/* NULL: none wanted */
	int64	   *importance;
	pg_atomic_uint32 *next_tree;
	pg_atomic_uint64 *done_trees;
	pg_atomic_uint64 *nodes;
	const PfMatrix *held;		/* PF_HELD_OUT */
	uint32	   *leaf_of;		/* room for each of their rows, in each view */
} Work;

/*
 * One record of a worker's file, before its nodes, leaves, starts and samples if there are any, and
 * the leaf of each row held out, in the whole tree and in each view.
 */
typedef struct TreeHeader
{
	uint32		number;
	uint32		nnodes;
	uint32		nleaves;
	uint32		nsamples;
} TreeHeader;

/* We add to plain integers: no room for the lock of a platform without such atomics. */
StaticAssertDecl(sizeof(pg_atomic_uint64) == sizeof(int64),
				 "64-bit atomic operations are needed");

PGDLLEXPORT void pf_grow_forest_worker(dsm_segment *seg, shm_toc *toc);

/* Errors when there are more nodes than a model can number. */
static void
check_nodes(double nodes, uint32 ntrees)
{
	if (nodes > PF_LINK_MASK)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the forest has more than %u nodes", PF_LINK_MASK),
				 errdetail("Its %u trees have about %.0f nodes.", ntrees, nodes),
				 errhint("Lower \"n_estimators\", or raise \"min_samples_leaf\".")));
}

/*
 * Counts a tree that is done.  How large trees become is not known before, but the first tell it of
 * the others; what is expected must be far off for an error.
 */
static void
count_tree(Work *work, const PfTree *tree)
{
	/* in this order: trees whose nodes are not counted yet make one expect fewer */
	uint64		done = pg_atomic_add_fetch_u64(work->done_trees, 1);
	uint64		nodes = pg_atomic_add_fetch_u64(work->nodes, tree->nnodes);
	uint32		ntrees = work->params->n_estimators;
	double		expected = (double) nodes / done * ntrees;

	if (nodes > PF_LINK_MASK || expected > 1.1 * PF_LINK_MASK)
		check_nodes(expected, ntrees);
}

/* Errors when the different leaf rows of the first trees do not fit in memory with the rows. */
static void
check_leaves(const PfPlanes *planes, uint64 beside, uint32 ntrees, uint32 of)
{
	uint64		needed = (pf_planes_memory(planes) + beside) / 1024;

	if (needed > (uint64) pf_train_memory)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("the forest needs more memory than pgforest.train_memory allows"),
				 errdetail("With the %u different leaf values of %u of its %u trees it is " UINT64_FORMAT " kB, and %d kB are allowed.",
						   pf_planes_leaves(planes), ntrees, of, needed, pf_train_memory),
				 errhint("Raise \"min_samples_leaf\", lower \"n_estimators\", or raise pgforest.train_memory.")));
}

static Size
held_out_leaves(const Work *work)
{
	return ((Size) work->held[0].nrows + work->held[1].nrows) * (work->params->nviews + 1);
}

/* The sums of the rows held out, before the first tree is added; in the caller's memory. */
static void
start_sums(PfHeldOut *held, uint32 nviews, uint32 width)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);

	for (int i = 0; i < PF_HELD_OUT; i++)
	{
		Size		size;

		if (held[i].rows == NULL)
			continue;
		size = mul_size(held[i].rows->nrows, (nviews + 1) * width * sizeof(double));
		held[i].sums = pf_alloc(env, size);
		pf_clear(env, held[i].sums, size);
	}
}

/* Adds the leaves of a tree to them; leaf_of has the leaf of each row, in each view. */
static void
add_leaves(PfHeldOut *held, const uint32 *leaf_of, uint32 nviews, const double *leaves, uint32 width)
{
	for (int i = 0; i < PF_HELD_OUT; i++)
	{
		Size		nrows = held[i].rows != NULL ? (Size) held[i].rows->nrows * (nviews + 1) : 0;
		double	   *sums = held[i].sums;

		for (Size row = 0; row < nrows; row++, sums += width)
		{
			const double *leaf = leaves + (Size) *leaf_of++ * width;

			for (uint32 c = 0; c < width; c++)
				sums[c] += leaf[c];
			if (row % 16384 == 0)
				CHECK_FOR_INTERRUPTS();
		}
	}
}

/* Where the trees of a participant go: into a file, or only into the sums of the rows held out. */
typedef struct TreeFile
{
	BufFile    *file;			/* or NULL: alone, and nobody wants the trees */
	PfGrown    *grown;			/* then */
	const PfEnv *env;
} TreeFile;

/* A tree is in the sums. */
static void
tell_parts(const PfGrown *grown, uint32 ntrees)
{
	if (grown->parts != NULL && grown->parts->reached != NULL)
		grown->parts->reached(grown->parts->arg, ntrees);
}

/* The nodes of one tree may be tens of megabytes. */
static void
write_in_pieces(BufFile *file, const void *from, size_t size)
{
	for (size_t done = 0; done < size; done += PF_COPY_PIECE)
	{
		CHECK_FOR_INTERRUPTS();
		BufFileWrite(file, (char *) from + done, Min(size - done, PF_COPY_PIECE));
	}
}

static void
write_tree(const Work *work, PfTree *tree, uint32 number, TreeFile *to)
{
	BufFile    *file = to->file;
	TreeHeader	header = {number, tree->nnodes, tree->nleaves, tree->nsamples};
	uint32	   *leaf_of = work->leaf_of;
	uint32		nviews = work->params->nviews;

	for (int i = 0; i < PF_HELD_OUT; i++)
	{
		pf_find_leaves(to->env, &work->held[i], tree, leaf_of);
		leaf_of += work->held[i].nrows;
		for (uint32 v = 0; v < nviews; v++, leaf_of += work->held[i].nrows)
			pf_find_view_leaves(to->env, &work->held[i], tree, v, leaf_of);
	}
	if (file == NULL)
	{
		/* in their order */
		add_leaves(to->grown->held, work->leaf_of, nviews, tree->leaves, tree->width);
		pf_tree_release(to->env, tree);
		tell_parts(to->grown, number + 1);
		return;
	}
	BufFileWrite(file, &header, sizeof(header));
	write_in_pieces(file, tree->nodes, tree->nnodes * sizeof(PfNode));
	write_in_pieces(file, tree->leaves, (size_t) tree->nleaves * tree->width * sizeof(double));
	if (tree->nsamples > 0)
	{
		write_in_pieces(file, tree->starts, tree->nnodes * sizeof(uint32));
		write_in_pieces(file, tree->samples, tree->nsamples * sizeof(uint16));
	}
	write_in_pieces(file, work->leaf_of, held_out_leaves(work) * sizeof(uint32));
	pf_tree_release(to->env, tree);
}

/* Grows trees until there are no more, into a file. */
static void
grow_trees(Work *work, TreeFile *to)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	PfGrower   *grower = pf_grower_create(env, work->matrix, work->params);
	uint32		nfeatures = work->matrix->nfeatures;
	int64	   *importance = palloc(nfeatures * sizeof(int64));

	work->leaf_of = pf_alloc(env, held_out_leaves(work) * sizeof(uint32) + 1);
	for (;;)
	{
		uint32		number = pg_atomic_fetch_add_u32(work->next_tree, 1);
		PfTree		tree;

		if (number >= work->params->n_estimators)
			break;
		pf_forest_grow_tree(grower, number, work->votes, &tree);

		memset(importance, 0, nfeatures * sizeof(int64));
		pf_importance_add(&tree, nfeatures, importance);
		for (uint32 f = 0; f < nfeatures; f++)
		{
			if (importance[f] != 0)
				pg_atomic_fetch_add_u64((pg_atomic_uint64 *) &work->importance[f], importance[f]);
		}

		/* not kept: of many trees and features it would be the most of all */
		pf_release(env, tree.importance);
		tree.importance = NULL;
		count_tree(work, &tree);
		write_tree(work, &tree, number, to);
	}
	pf_grower_release(grower);
	pfree(importance);
	pfree(work->leaf_of);
}

static void
read_exactly(BufFile *file, void *to, size_t size)
{
	for (size_t done = 0; done < size; done += PF_COPY_PIECE)
	{
		size_t		piece = Min(size - done, PF_COPY_PIECE);

		CHECK_FOR_INTERRUPTS();
		if (BufFileRead(file, (char *) to + done, piece) != piece)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read the trees of a parallel worker")));
	}
}

/* Where a tree lies. */
typedef struct TreePlace
{
	BufFile    *file;
	int			number;			/* of the file's parts */
	off_t		offset;
	TreeHeader	header;
} TreePlace;

/* All trees of the forest, in the files of those who grew them. */
typedef struct Spool
{
	TreePlace  *places;
	uint64		nnodes;
	uint32		width;
	PfHeldOut  *held;			/* PF_HELD_OUT */
	uint32		nviews;
	uint32	   *leaf_of;		/* of their rows, in each view of the tree at hand */
	PfNode	   *nodes;			/* of the tree at hand */
	double	   *leaves;
	uint32	   *starts;
	uint16	   *samples;
	Size		node_room,
				leaf_room,
				start_room,
				sample_room;
} Spool;

static Size
leaves_size(const Spool *spool, const TreeHeader *header)
{
	return (Size) header->nleaves * spool->width * sizeof(double);
}

static Size
starts_size(const TreeHeader *header)
{
	return header->nsamples > 0 ? header->nnodes * sizeof(uint32) : 0;
}

static Size
spooled_rows(const Spool *spool)
{
	Size		rows = 0;

	for (int i = 0; i < PF_HELD_OUT; i++)
		rows += spool->held[i].rows != NULL ? spool->held[i].rows->nrows : 0;
	return rows * (spool->nviews + 1);
}

/* Notes where the trees of a file are. */
static void
list_trees(Spool *spool, BufFile *file)
{
	TreeHeader	header;

	if (BufFileSeek(file, 0, 0, SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not rewind a file of trees")));
	while (BufFileRead(file, &header, sizeof(header)) == sizeof(header))
	{
		TreePlace  *place = &spool->places[header.number];

		CHECK_FOR_INTERRUPTS();
		place->file = file;
		place->header = header;
		BufFileTell(file, &place->number, &place->offset);
		spool->nnodes += header.nnodes;
		if (BufFileSeek(file, place->number, place->offset + header.nnodes * sizeof(PfNode) +
						leaves_size(spool, &header) + starts_size(&header) +
						header.nsamples * sizeof(uint16) +
						spooled_rows(spool) * sizeof(uint32), SEEK_SET) != 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read the trees of a parallel worker")));
	}
}

/* Room for so many bytes, if there is not yet so much. */
static void
make_room(void **at, Size *room, Size size)
{
	if (size <= *room)
		return;
	if (*at != NULL)
		pfree(*at);
	*at = MemoryContextAllocHuge(CurrentMemoryContext, size);
	*room = size;
}

/* Tree by number; in memory until the next one.  Its leaves are added to the sums of the rows held out. */
static void
read_tree(Spool *spool, uint32 number, PfTree *tree)
{
	TreePlace  *place = &spool->places[number];
	Size		nodes = place->header.nnodes * sizeof(PfNode);
	Size		leaves = leaves_size(spool, &place->header);
	Size		starts = starts_size(&place->header);
	Size		samples = place->header.nsamples * sizeof(uint16);

	make_room((void **) &spool->nodes, &spool->node_room, nodes);
	make_room((void **) &spool->leaves, &spool->leaf_room, leaves);
	make_room((void **) &spool->starts, &spool->start_room, starts);
	make_room((void **) &spool->samples, &spool->sample_room, samples);
	if (BufFileSeek(place->file, place->number, place->offset, SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read the trees of a parallel worker")));
	read_exactly(place->file, spool->nodes, nodes);
	read_exactly(place->file, spool->leaves, leaves);
	read_exactly(place->file, spool->starts, starts);
	read_exactly(place->file, spool->samples, samples);
	read_exactly(place->file, spool->leaf_of, spooled_rows(spool) * sizeof(uint32));
	add_leaves(spool->held, spool->leaf_of, spool->nviews, spool->leaves, spool->width);
	memset(tree, 0, sizeof(*tree));
	tree->nnodes = place->header.nnodes;
	tree->nleaves = place->header.nleaves;
	tree->width = spool->width;
	tree->nodes = spool->nodes;
	tree->leaves = spool->leaves;
	tree->nsamples = place->header.nsamples;
	tree->starts = spool->starts;
	tree->samples = spool->samples;
}

/* The trees of all files into the planes and the sums; beside: bytes in use meanwhile. */
static void
put_together(const PfMatrix *matrix, uint32 ntrees, List *files, uint64 beside,
			 const PfModel *model, PfGrown *grown)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	Spool		spool = {
		.width = pf_votes_width(matrix),.held = grown->held,
		.nviews = grown->parts ? grown->parts->nviews : 0
	};
	ListCell   *lc;

	start_sums(spool.held, spool.nviews, spool.width);
	spool.leaf_of = pf_alloc(env, spooled_rows(&spool) * sizeof(uint32) + 1);
	beside += spooled_rows(&spool) * (spool.width * sizeof(double) + sizeof(uint32));

	spool.places = palloc0(ntrees * sizeof(TreePlace));
	foreach(lc, files)
		list_trees(&spool, lfirst(lc));

	check_nodes(spool.nnodes, ntrees);
	if (grown->scratch != NULL)
		grown->planes = pf_planes_create(env, grown->scratch, model, spool.width);
	for (uint32 t = 0; t < ntrees; t++)
	{
		PfTree		tree;

		read_tree(&spool, t, &tree);
		tell_parts(grown, t + 1);
		if (grown->planes == NULL)
			continue;
		pf_planes_add(grown->planes, &tree);
		check_leaves(grown->planes, beside, t + 1, ntrees);
	}
	if (grown->planes != NULL)
		pf_planes_finish(grown->planes);
	foreach(lc, files)
		BufFileClose(lfirst(lc));
	if (spool.nodes)
		pfree(spool.nodes);
	if (spool.leaves)
		pfree(spool.leaves);
	if (spool.starts)
		pfree(spool.starts);
	if (spool.samples)
		pfree(spool.samples);
	pfree(spool.places);
	pfree(spool.leaf_of);
}

static void
file_name(char *name, int worker)
{
	snprintf(name, MAXPGPATH, "pgforest.%d", worker);
}

/*
 * How many workers are worth it: none below some 50 ms of work (a worker takes
 * about 10 ms to start), at a rough 3 ns for each row, level and feature drawn; and
 * no more than pgforest.train_memory allows.
 */
static int
workers_wanted(const PfMatrix *matrix, const PfForestParams *params, bool votes)
{
	int			workers = pf_train_workers >= 0 ? pf_train_workers
		: max_parallel_maintenance_workers;
	double		work = 3e-6 * params->n_estimators * params->max_features *
		params->max_samples * log2(2.0 + matrix->nrows);

	if (work < 50 || IsInParallelMode() || IsParallelWorker())
		return 0;
	workers = Min(workers, (int) params->n_estimators - 1);
	while (workers > 0 && pf_forest_memory(matrix, params, votes, workers + 1) / 1024 > (uint64) pf_train_memory)
		workers--;
	return workers;
}

static Size
answers_size(const PfMatrix *matrix)
{
	return mul_size(matrix->nrows, matrix->nclasses ? sizeof(uint32) : sizeof(double));
}

/* Room in shared memory with a copy of the data, or zeros where there is none. */
static void *
share(ParallelContext *pcxt, const PfEnv *env, uint64 key, const void *data, Size size)
{
	void	   *at = shm_toc_allocate(pcxt->toc, size);

	if (data != NULL)
		pf_copy(env, at, data, size);
	else
		pf_clear(env, at, size);
	shm_toc_insert(pcxt->toc, key, at);
	return at;
}

typedef struct Sizes
{
	Size		bins,
				answers,
				weights,
				classes,
				places,
				ranks,
				monotonic,
				votes,
				voters,
				importance,
				query;
} Sizes;

/*
 * The parallel way.  False when no worker could be had before anything was
 * grown; the votes are copied out of the segment before it goes.
 */
static bool
grow_with_workers(PfMatrix *matrix, const PfForestParams *params, int nworkers,
				  bool want_votes, int64 *importance, PfModel *model, PfGrown *grown)
{
	uint32		width = pf_votes_width(matrix);
	const char *query = debug_query_string ? debug_query_string : "";
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	Sizes		sizes = {
		.bins = mul_size(matrix->nrows, matrix->stride),
		.answers = answers_size(matrix),
		.weights = matrix->weight ? mul_size(matrix->nrows, sizeof(float)) : 0,
		.classes = params->class_weights ? matrix->nclasses * sizeof(double) : 0,
		.places = params->places ? mul_size(matrix->nfeatures, 256 * sizeof(float)) : 0,
		.ranks = params->ranks ? mul_size(matrix->nrows, sizeof(uint16)) : 0,
		.monotonic = params->monotonic ? matrix->nfeatures : 0,
		.votes = want_votes ? mul_size(mul_size(matrix->nrows, width), sizeof(uint64)) : 0,
		.voters = want_votes ? mul_size(matrix->nrows, sizeof(uint32)) : 0,
		.importance = matrix->nfeatures * sizeof(int64),
		.query = strlen(query) + 1
	};
	const Size *each = (const Size *) &sizes;
	ParallelContext *pcxt;
	Shared	   *shared;
	Work		work;
	PfVotes		votes;
	int64	   *shared_importance;
	Size		total = 0;
	List	   *files;
	TreeFile	own = {.env = env};
	PfMatrix	shared_matrix = *matrix;
	PfMatrix	held[PF_HELD_OUT] = {0};
	Size		held_sizes[PF_HELD_OUT];

	for (int i = 0; i < PF_HELD_OUT; i++)
	{
		const PfMatrix *rows = grown->held[i].rows;

		held_sizes[i] = rows != NULL ? mul_size(rows->nrows, rows->stride) : 0;
		total = add_size(total, held_sizes[i]);
	}
	for (int i = 0; i < (int) (sizeof(sizes) / sizeof(Size)); i++)
		total = add_size(total, each[i]);
	if (!pf_has_shared_memory(total))
		return false;

	EnterParallelMode();
	pcxt = CreateParallelContext("pgforest", "pf_grow_forest_worker", nworkers);
	shm_toc_estimate_chunk(&pcxt->estimator, sizeof(Shared));
	shm_toc_estimate_keys(&pcxt->estimator, 1);
	for (int i = 0; i < (int) (sizeof(sizes) / sizeof(Size)); i++)
	{
		if (each[i] > 0)
		{
			shm_toc_estimate_chunk(&pcxt->estimator, each[i]);
			shm_toc_estimate_keys(&pcxt->estimator, 1);
		}
	}
	for (int i = 0; i < PF_HELD_OUT; i++)
	{
		if (held_sizes[i] > 0)
		{
			shm_toc_estimate_chunk(&pcxt->estimator, held_sizes[i]);
			shm_toc_estimate_keys(&pcxt->estimator, 1);
		}
	}
	InitializeParallelDSM(pcxt);
	if (pcxt->seg == NULL || pcxt->nworkers == 0)
	{
		DestroyParallelContext(pcxt);
		ExitParallelMode();
		return false;
	}

	shared = shm_toc_allocate(pcxt->toc, sizeof(Shared));
	memset(shared, 0, sizeof(Shared));
	SharedFileSetInit(&shared->files, pcxt->seg);
	pg_atomic_init_u32(&shared->next_tree, 0);
	pg_atomic_init_u64(&shared->done_trees, 0);
	pg_atomic_init_u64(&shared->nodes, 0);
	shared->params = *params;
	shared->matrix = *matrix;
	pf_votes_scale(env, matrix, &votes);
	shm_toc_insert(pcxt->toc, KEY_SHARED, shared);

	shared_matrix.bins = share(pcxt, env, KEY_BINS, matrix->bins, sizes.bins);
	share(pcxt, env, KEY_ANSWERS, matrix->nclasses ? (void *) matrix->label : (void *) matrix->target,
		  sizes.answers);
	if (sizes.weights > 0)
		share(pcxt, env, KEY_WEIGHTS, matrix->weight, sizes.weights);
	if (sizes.classes > 0)
		share(pcxt, env, KEY_CLASSES, params->class_weights, sizes.classes);
	if (sizes.places > 0)
		share(pcxt, env, KEY_PLACES, params->places, sizes.places);
	if (sizes.ranks > 0)
		share(pcxt, env, KEY_RANKS, params->ranks, sizes.ranks);
	if (sizes.monotonic > 0)
		share(pcxt, env, KEY_MONOTONIC, params->monotonic, sizes.monotonic);
	votes.sum = want_votes ? share(pcxt, env, KEY_VOTES, NULL, sizes.votes) : NULL;
	votes.trees = want_votes ? share(pcxt, env, KEY_VOTERS, NULL, sizes.voters) : NULL;
	shared->votes = votes;
	shared_importance = share(pcxt, env, KEY_IMPORTANCE, NULL, sizes.importance);
	share(pcxt, env, KEY_QUERY, query, sizes.query);

	for (int i = 0; i < PF_HELD_OUT; i++)
	{
		PfMatrix   *rows = grown->held[i].rows;

		if (held_sizes[i] == 0)
			continue;
		shared->held[i] = *rows;
		shared->held[i].bins = share(pcxt, env, KEY_HELD_OUT + i, rows->bins, held_sizes[i]);
		held[i] = shared->held[i];
		pfree(rows->bins);
		rows->bins = NULL;
	}

	LaunchParallelWorkers(pcxt);
	grown->workers = pcxt->nworkers_launched;
	ereport(DEBUG1,
			(errmsg_internal("growing %u trees with %d of %d parallel workers",
							 params->n_estimators, pcxt->nworkers_launched, nworkers)));

	/* there is a copy now, and the rest is small */
	pfree(matrix->bins);
	matrix->bins = NULL;

	work = (Work) {
		.matrix = &shared_matrix,.params = params,.votes = want_votes ? &votes : NULL,
			.importance = shared_importance,.next_tree = &shared->next_tree,
			.done_trees = &shared->done_trees,.nodes = &shared->nodes,.held = held
	};
	own.file = BufFileCreateTemp(false);
	pf_progress_phase(PF_PHASE_GROW, params->n_estimators,
					  (const volatile int64 *) &shared->done_trees);
	grow_trees(&work, &own);
	while (pg_atomic_read_u64(&shared->done_trees) < params->n_estimators)
		pf_progress_wait();
	pf_progress_counted(params->n_estimators);
	WaitForParallelWorkersToFinish(pcxt);

	files = list_make1(own.file);

	for (int i = 0; i < pcxt->nworkers_launched; i++)
	{
		char		name[MAXPGPATH];
		BufFile    *file;

		/* a worker that found nothing left to grow has made no file */
		file_name(name, i);
		file = BufFileOpenFileSet(&shared->files.fs, name, O_RDONLY, true);
		if (file != NULL)
			files = lappend(files, file);
	}
	put_together(matrix, params->n_estimators, files,
				 pf_forest_memory(matrix, params, want_votes, 0), model, grown);

	memcpy(importance, shared_importance, sizes.importance);
	grown->votes = votes;
	if (want_votes)
	{
		grown->votes.sum = MemoryContextAllocHuge(CurrentMemoryContext, sizes.votes);
		grown->votes.trees = MemoryContextAllocHuge(CurrentMemoryContext, sizes.voters);
		pf_copy(env, grown->votes.sum, votes.sum, sizes.votes);
		pf_copy(env, grown->votes.trees, votes.trees, sizes.voters);
	}
	DestroyParallelContext(pcxt);
	ExitParallelMode();
	return true;
}

/* A worker's life: the same trees from the same counter, into its file. */
void
pf_grow_forest_worker(dsm_segment *seg, shm_toc *toc)
{
	Shared	   *shared = shm_toc_lookup(toc, KEY_SHARED, false);
	PfMatrix	matrix = shared->matrix;
	PfForestParams params = shared->params;
	PfVotes		votes = shared->votes;
	PfMatrix	held[PF_HELD_OUT];
	void	   *answers = shm_toc_lookup(toc, KEY_ANSWERS, false);
	char		name[MAXPGPATH];
	TreeFile	to;
	Work		work;

	debug_query_string = shm_toc_lookup(toc, KEY_QUERY, false);
	pgstat_report_activity(STATE_RUNNING, debug_query_string);

	matrix.bins = shm_toc_lookup(toc, KEY_BINS, false);
	matrix.label = matrix.nclasses ? answers : NULL;
	matrix.target = matrix.nclasses ? NULL : answers;
	if (matrix.weight != NULL)
		matrix.weight = shm_toc_lookup(toc, KEY_WEIGHTS, false);
	if (params.class_weights != NULL)
		params.class_weights = shm_toc_lookup(toc, KEY_CLASSES, false);
	if (params.places != NULL)
		params.places = shm_toc_lookup(toc, KEY_PLACES, false);
	if (params.ranks != NULL)
		params.ranks = shm_toc_lookup(toc, KEY_RANKS, false);
	if (params.monotonic != NULL)
		params.monotonic = shm_toc_lookup(toc, KEY_MONOTONIC, false);
	if (votes.sum != NULL)
	{
		votes.sum = shm_toc_lookup(toc, KEY_VOTES, false);
		votes.trees = shm_toc_lookup(toc, KEY_VOTERS, false);
	}

	for (int i = 0; i < PF_HELD_OUT; i++)
	{
		held[i] = shared->held[i];
		if (held[i].nrows > 0)
			held[i].bins = shm_toc_lookup(toc, KEY_HELD_OUT + i, false);
	}

	SharedFileSetAttach(&shared->files, seg);
	file_name(name, ParallelWorkerNumber);
	to.file = BufFileCreateFileSet(&shared->files.fs, name);
	to.env = pf_pg_env(CurrentMemoryContext);
	work = (Work) {
		.matrix = &matrix,.params = &params,.votes = votes.sum ? &votes : NULL,
			.importance = shm_toc_lookup(toc, KEY_IMPORTANCE, false),
			.next_tree = &shared->next_tree,.done_trees = &shared->done_trees,
			.nodes = &shared->nodes,.held = held
	};
	grow_trees(&work, &to);
	BufFileExportFileSet(to.file);
	BufFileClose(to.file);
}

/* The serial way: the same code with everything in private memory. */
static void
grow_alone(const PfMatrix *matrix, const PfForestParams *params, bool want_votes,
		   int64 *importance, PfModel *model, PfGrown *grown)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	TreeFile	own = {.env = env};
	Size		nvotes = mul_size(matrix->nrows, pf_votes_width(matrix));
	PfMatrix	held[PF_HELD_OUT] = {0};
	pg_atomic_uint32 next_tree;
	pg_atomic_uint64 done_trees;
	pg_atomic_uint64 nodes;
	Work		work = {
		.matrix = matrix,.params = params,.importance = importance,
		.votes = want_votes ? &grown->votes : NULL,.next_tree = &next_tree,
		.done_trees = &done_trees,.nodes = &nodes,.held = held
	};

	for (int i = 0; i < PF_HELD_OUT; i++)
	{
		if (grown->held[i].rows != NULL)
			held[i] = *grown->held[i].rows;
	}

	pf_votes_scale(env, matrix, &grown->votes);
	if (want_votes)
	{
		grown->votes.sum = pf_alloc(env, mul_size(nvotes, sizeof(uint64)));
		grown->votes.trees = pf_alloc(env, mul_size(matrix->nrows, sizeof(uint32)));
		pf_clear(env, grown->votes.sum, nvotes * sizeof(uint64));
		pf_clear(env, grown->votes.trees, matrix->nrows * sizeof(uint32));
	}
	pg_atomic_init_u32(&next_tree, 0);
	pg_atomic_init_u64(&done_trees, 0);
	pg_atomic_init_u64(&nodes, 0);
	ereport(DEBUG1,
			(errmsg_internal("growing %u trees without parallel workers",
							 params->n_estimators)));
	if (grown->scratch == NULL)
	{
		own.grown = grown;
		start_sums(grown->held, params->nviews, pf_votes_width(matrix));
	}
	else
		own.file = BufFileCreateTemp(false);
	pf_progress_phase(PF_PHASE_GROW, params->n_estimators,
					  (const volatile int64 *) &done_trees);
	grow_trees(&work, &own);
	pf_progress_counted(params->n_estimators);
	if (grown->scratch != NULL)
		put_together(matrix, params->n_estimators, list_make1(own.file),
					 pf_forest_memory(matrix, params, want_votes, 0), model, grown);
}

void
pf_grow_forest(PfMatrix *matrix, const PfForestParams *params, bool want_votes,
			   PfModel *model, PfGrown *grown)
{
	int			nworkers = workers_wanted(matrix, params, want_votes);
	int64	   *importance = palloc0(matrix->nfeatures * sizeof(int64));

	want_votes = want_votes && params->bootstrap;
	if (nworkers == 0 ||
		!grow_with_workers(matrix, params, nworkers, want_votes, importance, model, grown))
		grow_alone(matrix, params, want_votes, importance, model, grown);

	model->ntrees = params->n_estimators;
	model->importance = palloc(matrix->nfeatures * sizeof(double));
	pf_importance_finish(importance, matrix->nfeatures, model->importance);
	pfree(importance);
}

/*
 * encode.h
 *	  A model into its bytes, without ever having all of it in memory.
 *
 * Nodes are stored in planes, one for each kind of datum, through all trees.  So trees are taken one
 * after another, each plane goes to a file of its own meanwhile, and the bytes are made
 * when the last tree was there.  What stays in memory are the different leaf rows, 4 bytes a tree, and some
 * small buffers.
 */
#ifndef PF_ENCODE_H
#define PF_ENCODE_H

#include "engine/model/model.h"

/* What is put aside; numbered from the least significant byte where there are several. */
typedef enum PfStream
{
	PF_STREAM_IS_LEAF,
	PF_STREAM_MISSING_LEFT,
	PF_STREAM_FEATURE,
	PF_STREAM_THRESHOLD = PF_STREAM_FEATURE + 2,
	PF_STREAM_LEAF,
	PF_STREAM_LEAF_ROWS = PF_STREAM_LEAF + 4,
	PF_STREAM_SAMPLES,			/* how many of each leaf */
	PF_STREAM_RANK,
	PF_STREAM_BLOCKS = PF_STREAM_RANK + 2,	/* the model's bytes but for its header */
	PF_STREAMS
} PfStream;

/*
 * Files of the host's, one a stream.  All is appended to a stream before the first byte is
 * read, then it is read from its beginning, once and no further than its end.  Both leave as
 * an allocation does when they fail.
 */
typedef struct PfScratch
{
	void		(*append) (void *arg, PfStream stream, const void *bytes, size_t size);
	void		(*read) (void *arg, PfStream stream, void *bytes, size_t size);
	void	   *arg;
} PfScratch;

/*
 * The trees of a model on their way.  Of the model, nfeatures and samples.nvalues must be
 * known; what its leaves are (leaf_width doubles) is known to who made the trees.
 */
typedef struct PfPlanes PfPlanes;

extern PfPlanes *pf_planes_create(const PfEnv *env, const PfScratch *scratch, const PfModel *model,
								  uint32_t leaf_width);

/* The next tree; not needed any more afterwards.  All together must have no more than PF_LINK_MASK nodes. */
extern void pf_planes_add(PfPlanes *planes, const PfTree *tree);

/* The different leaf rows so far, and the bytes that they take. */
extern uint32_t pf_planes_leaves(const PfPlanes *planes);
extern uint64_t pf_planes_memory(const PfPlanes *planes);

/* After the last tree: the leaf rows go to their stream, and their memory goes. */
extern void pf_planes_finish(PfPlanes *planes);

/* Bytes that the finished trees will take in the decoded model. */
extern uint64_t pf_planes_decoded(const PfPlanes *planes);

/* The planes of a model that has its trees in memory, finished. */
extern PfPlanes *pf_planes_of_model(const PfEnv *env, const PfScratch *scratch, const PfModel *model);

extern void pf_planes_release(PfPlanes *planes);

#define PF_WIRE_HEADER		32	/* magic 8, version 2, zero 6, payload length 8, checksum 8 */

typedef struct PfEncoded
{
	uint64_t	size;			/* with the header */
	uint8_t		header[PF_WIRE_HEADER];
} PfEncoded;

/*
 * Writes a model's bytes into PF_STREAM_BLOCKS, compressed; they follow the header.  planes: its trees; NULL for a
 * linear model.  Nothing else of the trees and samples of *model is looked at.  False
 * when zstd has no memory.
 */
extern bool pf_model_encode(const PfEnv *env, const PfScratch *scratch, const PfModel *model,
							const PfPlanes *planes, PfEncoded *encoded);

#endif							/* PF_ENCODE_H */

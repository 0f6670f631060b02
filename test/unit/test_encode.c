/*
 * test_encode.c
 *	  Trees that are put into planes one after another make the bytes that the whole model makes.
 */
#include <string.h>

#include "engine/model/planes.h"
#include "engine/walk/walk.h"
#include "fixture.h"
#include "unit.h"
#include "unit_encode.h"

static void
next_tree(void *trees, uint32_t number, PfTree *tree)
{
	*tree = ((PfTree *) trees)[number];
}

/* What is stored of a model beside its trees. */
static PfModel
without_trees(const PfModel *model)
{
	PfModel		rest = *model;

	rest.nodes = NULL;
	rest.roots = NULL;
	rest.leaves = NULL;
	rest.nleaves = 0;
	rest.samples.base = NULL;
	rest.samples.start = NULL;
	rest.samples.rank = NULL;
	return rest;
}

/* The model is made of the trees; both ways to its bytes, and what can be read of these. */
static void
check_same(const PfModel *model, const PfTree *trees)
{
	const PfEnv *env = unit_env();
	const PfScratch *scratch = unit_scratch();
	PfModel		rest = without_trees(model);
	PfPlanes   *planes = pf_planes_create(env, scratch, &rest, model->leaf_width);
	const char *reason = NULL;
	uint64_t	random = 17;
	uint32_t	differ = 0;
	uint64_t	expected = (uint64_t) model->roots[model->ntrees] * sizeof(PfNode) +
		(uint64_t) model->nleaves * model->leaf_width * sizeof(double);
	size_t		size,
				size_again;
	uint8_t    *bytes,
			   *again;
	PfModel    *decoded;

	for (uint32_t t = 0; t < model->ntrees; t++)
		pf_planes_add(planes, &trees[t]);
	CHECK_INT(pf_planes_leaves(planes), model->nleaves);
	CHECK(pf_planes_memory(planes) >= (uint64_t) model->nleaves * model->leaf_width * sizeof(double));
	pf_planes_finish(planes);
	if (model->samples.nvalues > 0)
		expected += model->samples.base[model->ntrees] * sizeof(uint16_t) +
			model->roots[model->ntrees] * sizeof(uint32_t);
	CHECK_INT(pf_planes_decoded(planes), expected);
	bytes = unit_encode_planes(scratch, &rest, planes, &size);
	again = unit_encode(model, &size_again);
	CHECK(size == size_again && memcmp(bytes, again, size) == 0);

	decoded = pf_model_decode(env, bytes, size, 0, &reason);
	if (!CHECK(decoded != NULL))
	{
		printf("%s\n", reason);
		return;
	}
	CHECK(decoded->memory >= expected);
	CHECK_INT(decoded->nleaves, model->nleaves);
	CHECK(memcmp(decoded->roots, model->roots, (model->ntrees + 1) * sizeof(uint32_t)) == 0);
	for (int i = 0; i < 50; i++)
	{
		uint8_t		row[16];
		double		a[8],
					b[8];

		fixture_row(model, &random, row);
		pf_walk_row(model, row, a);
		pf_walk_row(decoded, row, b);
		differ += memcmp(a, b, model->width * sizeof(double)) != 0;
	}
	CHECK_INT(differ, 0);
	again = unit_encode(decoded, &size_again);
	CHECK(size == size_again && memcmp(bytes, again, size) == 0);
}

/* Trees that were grown. */
static void
grown_forest(uint32_t nrows, uint32_t nclasses, uint32_t ntrees, bool sampled, PfCalibrationMethod method)
{
	PfMatrix	matrix = fixture_matrix(nrows, 4, nclasses, 0.1, 3);
	PfForestParams params = fixture_params(&matrix);
	PfTree	   *trees = pf_alloc(unit_env(), ntrees * sizeof(PfTree));
	PfModel    *model;

	params.n_estimators = ntrees;
	if (sampled)
		params.ranks = pf_alloc(unit_env(), nrows * sizeof(uint16_t));
	model = fixture_model(&matrix, &params);
	for (uint32_t t = 0; t < ntrees; t++)
		trees[t] = fixture_tree(&matrix, &params, t);
	if (method != PF_NOT_CALIBRATED)
		fixture_calibrate(model, method);
	check_same(model, trees);
	unit_release_all();
}

/*
 * A tree that leans to the right.  The values of its leaves are first, first + 1, ... modulo some
 * number; with samples, leaves have 0 to 64 of them.
 */
static PfTree
lean_tree(uint32_t nleaves, uint32_t first, uint32_t modulo, uint32_t nvalues)
{
	const PfEnv *env = unit_env();
	PfTree		tree = {.nnodes = 2 * nleaves - 1,.nleaves = nleaves,.width = 1};
	uint64_t	random = nleaves + first;

	tree.nodes = pf_alloc(env, tree.nnodes * sizeof(PfNode));
	tree.leaves = pf_alloc(env, nleaves * sizeof(double));
	tree.starts = pf_alloc(env, tree.nnodes * sizeof(uint32_t));
	for (uint32_t i = 0; i < nleaves; i++)
	{
		uint32_t	leaf = i + 1 < nleaves ? 2 * i + 1 : 2 * i;

		tree.leaves[i] = (first + i) % modulo;
		tree.starts[2 * i] = tree.starts[leaf] = tree.nsamples;
		if (leaf != 2 * i)
			tree.nodes[2 * i] = (PfNode) {
				.link = leaf | (i % 3 == 0 ? PF_MISSING_LEFT : 0),.feature = (uint16_t) (i % 4),.threshold = (uint16_t) (i % 255)
			};
		tree.nodes[leaf] = (PfNode) {.link = i,.feature = PF_LEAF};
		tree.nsamples += i + 1 == nleaves ? 7 : (uint32_t) (unit_random(&random) % 65);
	}
	tree.samples = pf_alloc(env, tree.nsamples * sizeof(uint16_t));
	for (uint32_t i = 0; i < tree.nsamples; i++)
		tree.samples[i] = (uint16_t) (unit_random(&random) % nvalues);
	return tree;
}

/* A forest of such trees: sizes[], then 0.  nvalues 0: without samples. */
static void
lean_forest(const uint32_t *sizes, uint32_t modulo, uint32_t nvalues)
{
	const PfEnv *env = unit_env();
	PfMatrix	matrix = fixture_matrix(20, 4, 0, 0, 3);
	PfForestParams params = fixture_params(&matrix);
	PfModel    *model;
	PfTree		trees[16];
	uint32_t	ntrees = 0;
	uint32_t	nleaves = 0;

	params.n_estimators = 1;
	model = fixture_model(&matrix, &params);
	for (; sizes[ntrees] != 0; ntrees++)
	{
		trees[ntrees] = lean_tree(sizes[ntrees], nleaves, modulo, nvalues > 0 ? nvalues : 1);
		nleaves += sizes[ntrees];
	}
	if (nvalues > 0)
	{
		model->samples.nvalues = nvalues;
		model->samples.least = 10;
		model->samples.most = 32;
		model->samples.values = pf_alloc(env, nvalues * sizeof(double));
		for (uint32_t i = 0; i < nvalues; i++)
			model->samples.values[i] = i * 0.5;
	}
	pf_model_take_trees(env, model, ntrees, 1, 2 * nleaves - ntrees, next_tree, trees);
	CHECK_INT(model->nleaves, nleaves < modulo ? nleaves : modulo);
	check_same(model, trees);
	unit_release_all();
}

/* The number of bytes of a leaf goes up at any place, in a batch, at its end, in a later tree. */
static void
leaf_planes(void)
{
	const uint32_t a_node[] = {1, 0};
	const uint32_t small[] = {1, 3, 1, 2, 0};
	const uint32_t edge[] = {255, 1, 0};
	const uint32_t beyond[] = {255, 1, 1, 9, 0};
	const uint32_t batch[] = {PF_BATCH / 2, 1, PF_BATCH / 2, PF_BATCH / 2 + 1, 5, 0};
	const uint32_t wide[] = {100, 65436, 0};
	const uint32_t wider[] = {3, 200, 65333, 1, 7, 0};
	const uint32_t large[] = {70000, 20, 70000, 0};

	for (uint32_t nvalues = 0; nvalues <= 300; nvalues += 150)
	{
		lean_forest(a_node, 1000000, nvalues);
		lean_forest(small, 1000000, nvalues);
		lean_forest(small, 2, nvalues);
		lean_forest(edge, 1000000, nvalues);
		lean_forest(beyond, 1000000, nvalues);
		lean_forest(batch, 1000000, nvalues);
		lean_forest(batch, 257, nvalues);
	}
	lean_forest(wide, 1000000, 0);
	lean_forest(wider, 1000000, 0);
	lean_forest(wider, 65537, 70);
	lean_forest(large, 1000000, 65536);
}

/* A table of leaf rows that needs more bytes than the leaves at hand: the higher planes are zeros. */
static void
unused_rows(void)
{
	const PfEnv *env = unit_env();
	const uint32_t counts[] = {256, 257, 65536, 65537};

	for (int i = 0; i < 4; i++)
	{
		PfModel    *model = fixture_isolation();
		const char *reason = NULL;
		uint8_t    *bytes,
				   *again;
		size_t		size,
					size_again;

		model->leaves = pf_resize(env, model->leaves, counts[i] * sizeof(double));
		for (uint32_t l = model->nleaves; l < counts[i]; l++)
			model->leaves[l] = l;
		model->nleaves = counts[i];
		bytes = unit_encode(model, &size);
		model = pf_model_decode(env, bytes, size, 0, &reason);
		if (!CHECK(model != NULL))
			continue;
		CHECK_INT(model->nleaves, counts[i]);
		CHECK_DOUBLE(model->leaves[counts[i] - 1], counts[i] - 1);
		again = unit_encode(model, &size_again);
		CHECK(size == size_again && memcmp(bytes, again, size) == 0);
		unit_release_all();
	}
}

/* Files that forget: what is in memory is the encoder's own. */
static void
forget(void *arg, PfStream stream, const void *bytes, size_t size)
{
	((uint64_t *) arg)[stream] += size;
}

static void
recall(void *arg, PfStream stream, void *bytes, size_t size)
{
	((uint64_t *) arg)[stream] -= size;
	memset(bytes, 0, size);
}

static size_t
peak_of(uint32_t ntrees)
{
	const PfEnv *env = unit_env();
	PfMatrix	matrix = fixture_matrix(20, 4, 0, 0, 3);
	PfForestParams params = fixture_params(&matrix);
	uint64_t	sizes[PF_STREAMS] = {0};
	PfScratch	scratch = {forget, recall, sizes};
	PfTree		tree = lean_tree(9000, 0, 400, 300);
	PfModel    *model;
	PfPlanes   *planes;
	PfEncoded	encoded;
	size_t		before;

	params.n_estimators = 1;
	model = fixture_sampled(&matrix, params);
	model->samples.nvalues = 300;
	model->samples.values = pf_alloc(env, 300 * sizeof(double));
	memset(model->samples.values, 0, 300 * sizeof(double));
	unit_reset_peak();
	before = unit_live_bytes();
	planes = pf_planes_create(env, &scratch, model, 1);
	for (uint32_t t = 0; t < ntrees; t++)
		pf_planes_add(planes, &tree);
	pf_planes_finish(planes);
	CHECK(pf_planes_decoded(planes) > (uint64_t) ntrees * tree.nnodes * (sizeof(PfNode) + sizeof(uint32_t)));
	CHECK(pf_model_encode(env, &scratch, model, planes, &encoded));
	pf_planes_release(planes);
	CHECK_INT(unit_live_bytes(), before);
	CHECK_INT(sizes[PF_STREAM_BLOCKS], encoded.size - PF_WIRE_HEADER);

	/* all that was put aside was asked for */
	for (int i = 0; i < PF_STREAM_BLOCKS; i++)
		CHECK_INT(sizes[i], 0);
	before = unit_peak_bytes() - before;
	unit_release_all();
	return before;
}

/* The number of trees does not raise the peak, but for the sizes of the trees. */
static void
is_bounded(void)
{
	size_t		few = peak_of(20);

	CHECK(few < 3 * 1024 * 1024);
	CHECK(peak_of(400) <= few + 512 * sizeof(uint32_t));
}

static void
encode_some(void *arg)
{
	const uint32_t sizes[] = {300, 9000, 1, 0};

	(void) arg;
	lean_forest(sizes, 1000, 70);
}

void
test_encode(void)
{
	grown_forest(300, 2, 5, false, PF_NOT_CALIBRATED);
	grown_forest(300, 7, 5, false, PF_NOT_CALIBRATED);
	grown_forest(3000, 0, 7, false, PF_NOT_CALIBRATED);
	grown_forest(3000, 0, 7, true, PF_NOT_CALIBRATED);
	grown_forest(100, 0, 3, true, PF_NOT_CALIBRATED);
	grown_forest(300, 2, 1, false, PF_SIGMOID);
	grown_forest(300, 3, 5, false, PF_ISOTONIC);
	leaf_planes();
	unused_rows();
	is_bounded();
	for (uint64_t after = 0; after < 1100; after += 13)
		unit_interrupt(after, encode_some, NULL);
	unit_release_all();
}

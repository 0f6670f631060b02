/*
 * decode.c
 *	  A model from its bytes, which nobody vouches for.
 *
 * A dump is a text file that anybody may have edited, so nothing in it is
 * believed: every length is checked against the bytes that are left before it
 * is used, every index against its table, and the shape of a tree by building
 * it.  Children get higher numbers than their parents, so no walk can loop.
 * What is allocated is at most a small multiple of the payload, and the payload
 * is at most max_memory.
 */
#include <math.h>
#include <string.h>
#include <zstd.h>

#include "engine/bins/hash.h"
#include "engine/forest/samples.h"
#include "engine/model/model.h"
#include "engine/model/wire.h"

typedef struct Reader
{
	const PfEnv *env;
	const uint8_t *at;
	const uint8_t *end;
	const char *reason;			/* the first thing wrong; NULL so far */
	size_t		memory;
} Reader;

static void
fail(Reader *reader, const char *reason)
{
	if (reader->reason == NULL)
		reader->reason = reason;
	reader->at = reader->end;
}

static void *
get_memory(Reader *reader, size_t count, size_t size)
{
	reader->memory += count * size;
	return pf_alloc(reader->env, count > 0 ? count * size : 1);
}

static bool
has_bytes(Reader *reader, uint64_t size)
{
	if (reader->reason == NULL && (uint64_t) (reader->end - reader->at) >= size)
		return true;
	fail(reader, "it ends too early");
	return false;
}

static uint64_t
load(const uint8_t *at, uint32_t size)
{
	uint64_t	value = 0;

	for (uint32_t i = 0; i < size; i++)
		value |= (uint64_t) at[i] << (8 * i);
	return value;
}

/* 0 when there are not enough bytes; the reason is then noted. */
static uint64_t
get(Reader *reader, uint32_t size)
{
	uint64_t	value;

	if (!has_bytes(reader, size))
		return 0;
	value = load(reader->at, size);
	reader->at += size;
	return value;
}

static double
get_real(Reader *reader)
{
	uint64_t	bits = get(reader, 8);
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* A text as a C string; "" after a failure. */
static char *
get_text(Reader *reader)
{
	uint64_t	length = get(reader, 4);
	char	   *text;

	if (!has_bytes(reader, length))
		length = 0;
	if (length > 0 && memchr(reader->at, 0, length) != NULL)
		fail(reader, "a text has a zero byte");
	if (reader->reason != NULL)
		length = 0;
	text = get_memory(reader, length + 1, 1);
	if (length > 0)
		memcpy(text, reader->at, length);
	text[length] = '\0';
	reader->at += length;
	return text;
}

static void
get_columns(Reader *reader, PfModel *model)
{
	uint64_t	features = 0;

	model->ncolumns = (uint32_t) get(reader, 4);
	if (model->ncolumns == 0 || model->ncolumns > PF_MAX_FEATURES)
	{
		fail(reader, "the number of columns is out of range");
		return;
	}
	model->columns = get_memory(reader, model->ncolumns, sizeof(PfColumn));
	for (uint32_t i = 0; i < model->ncolumns && reader->reason == NULL; i++)
	{
		PfColumn   *column = &model->columns[i];
		uint32_t	kind = (uint32_t) get(reader, 1);

		column->kind = (PfKind) kind;
		column->length = (uint32_t) get(reader, 4);
		column->name = get_text(reader);
		if (kind != PF_NUMBER && kind != PF_CATEGORY)
			fail(reader, "a column is neither number nor category");
		if (column->name[0] == '\0')
			fail(reader, "a column has no name");
		if (kind == PF_CATEGORY && column->length != 0)
			fail(reader, "an array of categories");
		features += pf_column_features(column);
		if (features > PF_MAX_FEATURES)
			fail(reader, "too many features");
	}
	model->nfeatures = (uint32_t) features;
}

static void
get_cuts(Reader *reader, PfBins *bins)
{
	uint32_t	n = bins->nbins ? bins->nbins - 1 : 0;

	if (!has_bytes(reader, (uint64_t) n * 8))
		return;
	bins->cuts = get_memory(reader, n, sizeof(double));
	for (uint32_t i = 0; i < n; i++)
	{
		bins->cuts[i] = get_real(reader);
		/* also refuses NaN */
		if (i == 0 ? isnan(bins->cuts[i]) : !(bins->cuts[i] > bins->cuts[i - 1]))
			fail(reader, "cut points do not ascend");
	}
}

/* Texts one after another in one allocation, as PfBins has them. */
static void
get_categories(Reader *reader, PfBins *bins)
{
	const uint8_t *start;
	uint64_t	text_size = 0;

	bins->ncategories = (uint32_t) get(reader, 4);
	if (bins->ncategories > PF_MAX_CATEGORIES ||
		(bins->ncategories > 0) != (bins->nbins > 0))
	{
		fail(reader, "the number of categories is out of range");
		return;
	}

	/* once for the sizes, once for the texts */
	start = reader->at;
	for (uint32_t i = 0; i < bins->ncategories; i++)
	{
		uint64_t	length = get(reader, 4);

		if (!has_bytes(reader, length + 1))
			return;
		if (length > 0 && memchr(reader->at, 0, length) != NULL)
		{
			fail(reader, "a text has a zero byte");
			return;
		}
		text_size += length;
		reader->at += length + 1;
	}
	if (reader->reason != NULL)
		return;
	if (text_size > UINT32_MAX)
	{
		fail(reader, "categories are too long");
		return;
	}
	reader->at = start;
	bins->offsets = get_memory(reader, bins->ncategories + 1, sizeof(uint32_t));
	bins->text = get_memory(reader, text_size, 1);
	bins->category_bin = get_memory(reader, bins->ncategories, 1);
	bins->offsets[0] = 0;
	for (uint32_t i = 0; i < bins->ncategories; i++)
	{
		uint32_t	length = (uint32_t) get(reader, 4);
		char	   *text = bins->text + bins->offsets[i];

		if (i % 4096 == 0)
			pf_check(reader->env);
		if (length > 0)
			memcpy(text, reader->at, length);
		reader->at += length;
		bins->offsets[i + 1] = bins->offsets[i] + length;
		bins->category_bin[i] = (uint8_t) get(reader, 1);
		if (bins->category_bin[i] >= bins->nbins)
			fail(reader, "a category has no bin");
		if (i > 0)
		{
			uint32_t	before = bins->offsets[i] - bins->offsets[i - 1];
			int			order = memcmp(text - before, text, before < length ? before : length);

			if (order > 0 || (order == 0 && before >= length))
				fail(reader, "categories do not ascend");
		}
		if (reader->reason != NULL)
			return;
	}
}

static void
get_bins(Reader *reader, PfModel *model)
{
	/* 3 bytes at least for each feature: the table is no larger than a multiple of the bytes */
	if (!has_bytes(reader, (uint64_t) model->nfeatures * 3))
		return;
	model->bins = get_memory(reader, model->nfeatures, sizeof(PfBins));
	memset(model->bins, 0, model->nfeatures * sizeof(PfBins));
	for (uint32_t c = 0, f = 0; c < model->ncolumns; c++)
	{
		for (uint32_t e = 0; e < pf_column_features(&model->columns[c]); e++, f++)
		{
			PfBins	   *bins = &model->bins[f];
			uint32_t	kind = (uint32_t) get(reader, 1);

			if (f % 256 == 0)
				pf_check(reader->env);
			bins->kind = (PfKind) kind;
			bins->nbins = (uint32_t) get(reader, 2);
			if (reader->reason == NULL &&
				(kind != (uint32_t) model->columns[c].kind || bins->nbins > PF_MAX_BINS))
				fail(reader, "a feature's bins do not fit its column");
			if (reader->reason != NULL)
				return;
			if (bins->kind == PF_NUMBER)
				get_cuts(reader, bins);
			else
				get_categories(reader, bins);
		}
	}
}

static void
get_classes(Reader *reader, PfModel *model)
{
	model->nclasses = (uint32_t) get(reader, 4);
	if (model->task == PF_CLASSIFICATION
		? model->nclasses == 0 || model->nclasses > PF_MAX_CLASSES
		: model->nclasses != 0)
	{
		fail(reader, "the number of classes is out of range");
		return;
	}
	model->width = model->nclasses ? model->nclasses : 1;
	model->leaf_width = model->kind == PF_MODEL_FOREST ? model->width : 1;
	model->classes = get_memory(reader, model->nclasses, sizeof(char *));
	for (uint32_t i = 0; i < model->nclasses; i++)
		model->classes[i] = get_text(reader);
}

static void
get_reals(Reader *reader, uint64_t count, double **reals)
{
	if (!has_bytes(reader, count * 8))
		return;
	*reals = get_memory(reader, count, sizeof(double));
	for (uint64_t i = 0; i < count; i++)
	{
		if (i % 65536 == 0)
			pf_check(reader->env);
		(*reals)[i] = get_real(reader);
		if (!isfinite((*reals)[i]))
		{
			fail(reader, "a value is not finite");
			return;
		}
	}
}

static void
get_sums(Reader *reader, PfModel *model)
{
	model->link = (PfLink) get(reader, 1);
	model->nsums = pf_link_sums(model->link, model->nclasses);
	if (model->nsums == 0)
		fail(reader, "the link does not fit the classes");
	else
		get_reals(reader, model->nsums, &model->base);
}

static void
get_score(Reader *reader, PfModel *model)
{
	model->path = get_real(reader);
	model->threshold = get_real(reader);
	if (!(model->path >= 0 && isfinite(model->path) && isfinite(model->threshold)))
		fail(reader, "a score is out of range");
}

static void
get_linear(Reader *reader, PfModel *model)
{
	PfLinear   *linear = &model->linear;

	if (model->nclasses == 1)
	{
		fail(reader, "the number of classes is out of range");
		return;
	}
	pf_linear_layout(reader->env, linear, model->bins, model->nfeatures, model->nclasses);
	reader->memory += ((size_t) model->nfeatures + 1) * sizeof(uint32_t);
	get_reals(reader, linear->noutputs, &linear->intercept);
	if (reader->reason == NULL)
		get_reals(reader, (uint64_t) linear->noutputs * linear->ncoefficients, &linear->coefficient);
}

static bool
bit(const uint8_t *bits, uint32_t i)
{
	return (bits[i / 8] >> (i % 8)) & 1;
}

/* A split by a set: names the next one of its tree.  Only categories of boosted trees have them. */
static void
name_set(Reader *reader, PfModel *model, PfNode *node, uint32_t *tree_sets)
{
	if (model->kind != PF_MODEL_BOOSTING || node->feature >= model->nfeatures ||
		model->bins[node->feature].kind != PF_CATEGORY || model->bins[node->feature].nbins == 0 ||
		*tree_sets >= PF_MAX_SETS)
	{
		fail(reader, "a split is out of range");
		return;
	}
	node->threshold = (uint16_t) (PF_FIRST_SET + (*tree_sets)++);
	model->nsets++;
}

static void
get_nodes(Reader *reader, PfModel *model)
{
	uint64_t	nnodes = 0;
	uint32_t	feature_planes = pf_wire_planes(model->nfeatures);
	uint32_t	leaf_planes = pf_wire_planes(model->nleaves);
	uint32_t	largest = 0;
	uint32_t	ninner,
				nleaves;
	uint32_t	node = 0,
				inner = 0,
				leaf = 0;
	const uint8_t *is_leaf,
			   *missing_left,
			   *feature,
			   *threshold,
			   *leaves;
	uint32_t   *stack;

	model->ntrees = (uint32_t) get(reader, 4);
	if (model->ntrees == 0 || (model->nsums > 0 && model->ntrees % model->nsums != 0))
	{
		fail(reader, "the number of trees is out of range");
		return;
	}
	if (!has_bytes(reader, (uint64_t) model->ntrees * 4))
		return;
	model->roots = get_memory(reader, (size_t) model->ntrees + 1, sizeof(uint32_t));
	for (uint32_t t = 0; t < model->ntrees; t++)
	{
		uint32_t	n = (uint32_t) get(reader, 4);

		model->roots[t] = (uint32_t) nnodes;
		nnodes += n;
		largest = n > largest ? n : largest;
		if (n % 2 == 0 || nnodes > PF_LINK_MASK)
		{
			fail(reader, "the number of nodes is out of range");
			return;
		}
	}
	model->roots[model->ntrees] = (uint32_t) nnodes;
	ninner = (uint32_t) (nnodes - model->ntrees) / 2;
	nleaves = (uint32_t) nnodes - ninner;
	if (!has_bytes(reader, (nnodes + 7) / 8 + (ninner + 7) / 8 +
				   (uint64_t) ninner * (feature_planes + 1) + (uint64_t) nleaves * leaf_planes))
		return;
	is_leaf = reader->at;
	missing_left = is_leaf + (nnodes + 7) / 8;
	feature = missing_left + (ninner + 7) / 8;
	threshold = feature + (size_t) ninner * feature_planes;
	leaves = threshold + ninner;
	reader->at = leaves + (size_t) nleaves * leaf_planes;

	model->nodes = get_memory(reader, nnodes, sizeof(PfNode));
	stack = pf_alloc(reader->env, ((size_t) largest / 2 + 2) * sizeof(uint32_t));
	for (uint32_t t = 0; t < model->ntrees; t++)
	{
		PfNode	   *tree = model->nodes + model->roots[t];
		uint32_t	n = model->roots[t + 1] - model->roots[t];
		uint32_t	made = 1;
		uint32_t	depth = 0;
		uint32_t	sets = 0;

		/* preorder: the node on top of the stack is the next one written */
		stack[depth++] = 0;
		while (depth > 0)
		{
			PfNode	   *at = &tree[stack[--depth]];

			if (node % 16384 == 0)
				pf_check(reader->env);
			if (bit(is_leaf, node++))
			{
				uint32_t	link = 0;

				if (leaf >= nleaves)
				{
					fail(reader, "a tree has the wrong shape");
					return;
				}
				for (uint32_t p = 0; p < leaf_planes; p++)
					link |= (uint32_t) leaves[(size_t) p * nleaves + leaf] << (8 * p);
				leaf++;
				if (link >= model->nleaves)
				{
					fail(reader, "a leaf is not in the table");
					return;
				}
				*at = (PfNode) {.link = link,.feature = PF_LEAF};
				continue;
			}
			if (made + 2 > n || inner >= ninner)
			{
				fail(reader, "a tree has the wrong shape");
				return;
			}
			at->feature = 0;
			for (uint32_t p = 0; p < feature_planes; p++)
				at->feature |= (uint16_t) (feature[(size_t) p * ninner + inner] << (8 * p));
			at->threshold = threshold[inner];
			at->link = made | (bit(missing_left, inner) ? PF_MISSING_LEFT : 0);
			inner++;
			if (at->threshold == PF_WIRE_BY_SET)
				name_set(reader, model, at, &sets);
			else if (at->feature >= model->nfeatures)
				fail(reader, "a split is out of range");
			if (reader->reason != NULL)
				return;
			stack[depth++] = made + 1;
			stack[depth++] = made;
			made += 2;
		}
		if (made != n)
		{
			fail(reader, "a tree has the wrong shape");
			return;
		}
	}
	pf_release(reader->env, stack);
}

static void
get_trees(Reader *reader, PfModel *model)
{
	model->nleaves = (uint32_t) get(reader, 4);
	if (model->nleaves == 0)
		fail(reader, "no leaves");
	if (reader->reason == NULL)
		get_reals(reader, (uint64_t) model->nleaves * model->leaf_width, &model->leaves);
	if (reader->reason == NULL)
		get_nodes(reader, model);
}

/* A pair that a curve may begin with, or go on with after the one before. */
static bool
is_pair(PfCalibrationMethod method, const PfCalibrationCurve *curve, uint32_t i)
{
	double		x = curve->x[i];
	double		y = curve->y[i];

	if (!isfinite(x) || !isfinite(y))
		return false;
	if (method == PF_SIGMOID)
		return true;
	return y >= 0 && y <= 1 && (i == 0 || (x > curve->x[i - 1] && y >= curve->y[i - 1]));
}

static void
get_calibration(Reader *reader, PfModel *model)
{
	PfCalibration *calibration = &model->calibration;

	calibration->method = (PfCalibrationMethod) get(reader, 1);
	if ((calibration->method != PF_SIGMOID && calibration->method != PF_ISOTONIC) ||
		model->nclasses < 2)
	{
		fail(reader, "the calibration is out of range");
		return;
	}
	calibration->ncurves = pf_calibration_curves(model->nclasses);
	calibration->curves = get_memory(reader, calibration->ncurves, sizeof(PfCalibrationCurve));
	for (uint32_t c = 0; c < calibration->ncurves && reader->reason == NULL; c++)
	{
		PfCalibrationCurve *curve = &calibration->curves[c];

		curve->n = calibration->method == PF_SIGMOID ? 1 : (uint32_t) get(reader, 4);
		if (curve->n == 0 || !has_bytes(reader, 16 * (uint64_t) curve->n))
		{
			fail(reader, "the calibration is out of range");
			return;
		}
		curve->x = get_memory(reader, curve->n, sizeof(double));
		curve->y = get_memory(reader, curve->n, sizeof(double));
		for (uint32_t i = 0; i < curve->n; i++)
		{
			if (i % 65536 == 0)
				pf_check(reader->env);
			curve->x[i] = get_real(reader);
			curve->y[i] = get_real(reader);
			if (!is_pair(calibration->method, curve, i))
			{
				fail(reader, "the calibration is out of range");
				return;
			}
		}
	}
}

/*
 * Where the samples of a tree's nodes begin, from the numbers that its leaves have; returns the
 * tree's number of them.
 */
static uint32_t
get_starts(Reader *reader, const PfNode *nodes, uint32_t nnodes, const uint8_t *counts,
		   uint32_t *start)
{
	uint32_t	nleaves = nnodes / 2 + 1;
	uint32_t   *begin = pf_alloc(reader->env, nleaves * sizeof(uint32_t));
	uint64_t	sum = 0;

	for (uint32_t i = 0; i < nleaves; i++)
	{
		begin[i] = (uint32_t) sum;
		sum += counts[i];
		if (i % 65536 == 0)
			pf_check(reader->env);
	}
	pf_number_leaves(reader->env, nodes, nnodes, start);
	for (uint32_t i = 0; i < nnodes; i++)
	{
		start[i] = begin[start[i]];
		if (i % 65536 == 0)
			pf_check(reader->env);
	}
	pf_release(reader->env, begin);
	if (sum == 0 || sum > UINT32_MAX)
		fail(reader, "the number of samples is out of range");
	return (uint32_t) sum;
}

static void
get_samples(Reader *reader, PfModel *model)
{
	PfSamples  *samples = &model->samples;
	uint32_t	nnodes = model->roots[model->ntrees];
	uint64_t	nleaves = ((uint64_t) nnodes + model->ntrees) / 2;
	uint64_t	n = 0;
	uint32_t	planes;
	const uint8_t *counts;

	samples->least = (uint32_t) get(reader, 2);
	samples->most = (uint32_t) get(reader, 2);
	samples->nvalues = (uint32_t) get(reader, 4);
	if (samples->nvalues == 0 || samples->nvalues > PF_MAX_VALUES)
	{
		fail(reader, "the number of values is out of range");
		return;
	}
	get_reals(reader, samples->nvalues, &samples->values);
	for (uint32_t i = 1; reader->reason == NULL && i < samples->nvalues; i++)
	{
		if (!(samples->values[i] > samples->values[i - 1]))
			fail(reader, "values do not ascend");
	}
	if (!has_bytes(reader, nleaves))
		return;
	counts = reader->at;
	reader->at += nleaves;
	for (uint64_t i = 0; i < nleaves; i++)
	{
		n += counts[i];
		if (i % 65536 == 0)
			pf_check(reader->env);
	}
	planes = pf_wire_planes(samples->nvalues);
	if (!has_bytes(reader, planes * n))
		return;

	samples->base = get_memory(reader, (size_t) model->ntrees + 1, sizeof(uint64_t));
	samples->start = get_memory(reader, nnodes, sizeof(uint32_t));
	samples->base[0] = 0;
	for (uint32_t t = 0; t < model->ntrees; t++)
	{
		uint32_t	root = model->roots[t];
		uint32_t	size = model->roots[t + 1] - root;

		samples->base[t + 1] = samples->base[t] +
			get_starts(reader, model->nodes + root, size, counts, samples->start + root);
		counts += size / 2 + 1;
	}
	if (reader->reason != NULL)
		return;
	samples->rank = get_memory(reader, n, sizeof(uint16_t));
	for (uint64_t i = 0; i < n; i++)
	{
		uint32_t	rank = reader->at[i] | (planes > 1 ? (uint32_t) reader->at[n + i] << 8 : 0);

		if (rank >= samples->nvalues)
		{
			fail(reader, "a sample is not in the table");
			return;
		}
		samples->rank[i] = (uint16_t) rank;
		if (i % 65536 == 0)
			pf_check(reader->env);
	}
	reader->at += planes * n;
}

/* length: of the section, which is there. */
static void
get_sets(Reader *reader, PfModel *model, uint64_t length)
{
	const char *reason = pf_wire_get_sets(reader->env, model, reader->at, length, &reader->memory);

	if (reason != NULL)
		fail(reader, reason);
	else
		reader->at += length;
}

/* What a model may have besides; each kind of section at most once. */
static void
get_sections(Reader *reader, PfModel *model)
{
	uint32_t	count = (uint32_t) get(reader, 4);

	for (uint32_t i = 0; i < count && reader->reason == NULL; i++)
	{
		uint32_t	tag = (uint32_t) get(reader, 1);
		uint64_t	length = get(reader, 8);
		const uint8_t *start = reader->at;

		if (!has_bytes(reader, length))
			return;
		if (tag == PF_WIRE_CALIBRATION && model->calibration.method == PF_NOT_CALIBRATED)
			get_calibration(reader, model);
		else if (tag == PF_WIRE_SAMPLES && model->samples.nvalues == 0 &&
				 model->kind == PF_MODEL_FOREST && model->nclasses == 0)
			get_samples(reader, model);
		else if (tag == PF_WIRE_SETS && model->nsets > 0 && model->sets == NULL)
			get_sets(reader, model, length);
		else
			fail(reader, "a section that this release does not know");
		if (reader->reason == NULL && (uint64_t) (reader->at - start) != length)
			fail(reader, "a section has the wrong length");
	}
	if (model->nsets > 0 && model->sets == NULL)
		fail(reader, "the sets of its splits are not there");
}

/* Is it a kind of model that the format version has? */
static bool
is_kind(uint32_t kind, uint32_t version)
{
	return kind == PF_MODEL_FOREST ||
		(version >= 2 && kind >= PF_MODEL_BOOSTING && kind <= PF_MODEL_LINEAR);
}

static void
get_payload(Reader *reader, uint32_t version, PfModel *model)
{
	uint32_t	kind = (uint32_t) get(reader, 1);
	uint32_t	task = (uint32_t) get(reader, 1);

	if (!is_kind(kind, version))
		fail(reader, "a kind of model that this release does not know");
	model->kind = (PfModelKind) kind;
	if (kind == PF_MODEL_ISOLATION ? task != PF_ANOMALY
		: task != PF_CLASSIFICATION && task != PF_REGRESSION)
		fail(reader, "a task that this release does not know");
	model->task = (PfTask) task;
	if (reader->reason == NULL)
		get_columns(reader, model);
	if (reader->reason == NULL)
		get_bins(reader, model);
	if (reader->reason == NULL)
		get_classes(reader, model);
	if (reader->reason == NULL)
		get_reals(reader, model->nfeatures, &model->importance);
	if (reader->reason == NULL && model->kind == PF_MODEL_BOOSTING)
		get_sums(reader, model);
	if (reader->reason == NULL && model->kind == PF_MODEL_ISOLATION)
		get_score(reader, model);
	if (reader->reason == NULL && model->kind == PF_MODEL_LINEAR)
		get_linear(reader, model);
	else if (reader->reason == NULL)
		get_trees(reader, model);
	if (reader->reason == NULL && version > 1)
		get_sections(reader, model);
	if (reader->reason == NULL && reader->at != reader->end)
		fail(reader, "bytes are left over");
}

/* The payload of `length` bytes from the blocks, or NULL. */
static uint8_t *
unpack(const PfEnv *env, const uint8_t *bytes, size_t size, uint64_t length,
	   uint64_t expected, const char **reason)
{
	uint64_t	checksum = PF_HASH_START;
	uint8_t    *payload = pf_alloc(env, length);
	uint64_t	done = 0;

	while (done < length)
	{
		uint64_t	raw = length - done < PF_WIRE_BLOCK ? length - done : PF_WIRE_BLOCK;
		uint64_t	packed;

		pf_check(env);
		if (size < 4 || (packed = load(bytes, 4)) > size - 4)
		{
			*reason = "it ends too early";
			return NULL;
		}
		/* the frame cannot write past raw, and must fill it */
		if (ZSTD_decompress(payload + done, raw, bytes + 4, packed) != raw)
		{
			*reason = "a block cannot be decompressed";
			return NULL;
		}
		checksum = pf_hash_combine(checksum, pf_hash_bytes(payload + done, raw));
		done += raw;
		bytes += 4 + packed;
		size -= 4 + packed;
	}
	if (size != 0)
	{
		*reason = "bytes are left over";
		return NULL;
	}
	if (checksum != expected)
	{
		*reason = "the checksum is wrong";
		return NULL;
	}
	return payload;
}

PfModel *
pf_model_decode(const PfEnv *env, const uint8_t *bytes, size_t size,
				size_t max_memory, const char **reason)
{
	static const uint8_t zeros[6] = {0};
	Reader		reader = {.env = env};
	PfModel    *model;
	uint8_t    *payload;
	uint64_t	length;
	uint32_t	version;

	if (size < PF_WIRE_HEADER || memcmp(bytes, PF_WIRE_MAGIC, 8) != 0)
	{
		*reason = "it does not begin as a model does";
		return NULL;
	}
	version = (uint32_t) load(bytes + 8, 2);
	if (version < 1 || version > PF_WIRE_VERSION || memcmp(bytes + 10, zeros, 6) != 0)
	{
		*reason = "a format version that this release does not know";
		return NULL;
	}
	length = load(bytes + 16, 8);

	/*
	 * A zstd frame of a few bytes can stand for a whole block, but a block
	 * takes at least 4 bytes: that bounds the length by the bytes at hand.
	 */
	if (length == 0 || length / PF_WIRE_BLOCK > size / 4 ||
		(max_memory != 0 && length > max_memory))
	{
		*reason = "the length is out of range";
		return NULL;
	}
	payload = unpack(env, bytes + PF_WIRE_HEADER, size - PF_WIRE_HEADER, length,
					 load(bytes + 24, 8), reason);
	if (payload == NULL)
		return NULL;

	reader.at = payload;
	reader.end = payload + length;
	model = get_memory(&reader, 1, sizeof(PfModel));
	memset(model, 0, sizeof(PfModel));
	get_payload(&reader, version, model);
	pf_release(env, payload);
	if (reader.reason != NULL)
	{
		*reason = reader.reason;
		return NULL;
	}
	model->memory = reader.memory;
	return model;
}

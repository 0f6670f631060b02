/*
 * fixture.c
 *	  Made-up rows and forests for the suites of grow, model and walk.
 *
 * Everything comes from unit_env() and is given back by unit_release_all().
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/forest/samples.h"
#include "fixture.h"
#include "unit.h"

PfMatrix
fixture_matrix(uint32_t nrows, uint32_t nfeatures, uint32_t nclasses, double missing,
			   uint64_t seed)
{
	const PfEnv *env = unit_env();
	PfMatrix	matrix = {
		.nrows = nrows,.nfeatures = nfeatures,.stride = (nfeatures + 3) / 4 * 4,
		.nclasses = nclasses
	};

	matrix.bins = pf_alloc(env, (size_t) nrows * matrix.stride);
	memset(matrix.bins, 0, (size_t) nrows * matrix.stride);
	if (nclasses)
		matrix.label = pf_alloc(env, nrows * sizeof(uint32_t));
	else
		matrix.target = pf_alloc(env, nrows * sizeof(double));
	for (uint32_t i = 0; i < nrows; i++)
	{
		uint8_t    *row = matrix.bins + (size_t) i * matrix.stride;
		double		signal;

		for (uint32_t f = 0; f < nfeatures; f++)
			row[f] = (uint8_t) (unit_random(&seed) % 255);
		signal = row[0] / 255.0 + (nfeatures > 1 ? row[1] / 510.0 : 0);
		if (nclasses)
			matrix.label[i] = (uint32_t) (signal / 1.5 * nclasses) % nclasses;
		else
			matrix.target[i] = signal * 100 + unit_uniform(&seed);
		for (uint32_t f = 0; f < nfeatures; f++)
		{
			if (unit_uniform(&seed) < missing)
				row[f] = PF_MISSING_BIN;
		}
	}
	return matrix;
}

void
fixture_few_bins(PfMatrix *matrix, uint32_t row, uint32_t nbins, double missing, uint64_t *random)
{
	uint8_t    *bins = matrix->bins + (size_t) row * matrix->stride;

	for (uint32_t f = 0; f < matrix->nfeatures; f++)
	{
		bins[f] = (uint8_t) (unit_uniform(random) * nbins) * (254 / nbins);
		if (f == 3)
			bins[f] = 77;
		if (unit_uniform(random) < missing)
			bins[f] = PF_MISSING_BIN;
	}
}

PfForestParams
fixture_params(const PfMatrix *matrix)
{
	PfForestParams params = {
		.n_estimators = 10,
		.criterion = matrix->nclasses ? PF_GINI : PF_SQUARED_ERROR,
		.min_samples_split = 2,
		.min_samples_leaf = 1,
		.max_features = matrix->nfeatures,
		.bootstrap = true,
		.max_samples = matrix->nrows,
		.seed = 42
	};

	return params;
}

/* Bins that map 0.5, 1.5, ... to themselves; of a category "c000", "c001", ... */
static void
make_bins(const PfEnv *env, PfBins *bins, PfKind kind)
{
	memset(bins, 0, sizeof(*bins));
	bins->kind = kind;
	bins->nbins = 255;
	if (kind == PF_NUMBER)
	{
		bins->cuts = pf_alloc(env, 254 * sizeof(double));
		for (int i = 0; i < 254; i++)
			bins->cuts[i] = i + 1;
		return;
	}
	bins->ncategories = 255;
	bins->offsets = pf_alloc(env, 256 * sizeof(uint32_t));
	bins->text = pf_alloc(env, 255 * 4 + 1);
	bins->category_bin = pf_alloc(env, 255);
	for (uint32_t i = 0; i < 255; i++)
	{
		bins->offsets[i] = 4 * i;
		snprintf(bins->text + 4 * i, 5, "c%03u", i);
		bins->category_bin[i] = (uint8_t) i;
	}
	bins->offsets[255] = 4 * 255;
}

static void
next_tree(void *trees, uint32_t number, PfTree *tree)
{
	*tree = ((PfTree *) trees)[number];
}

void
fixture_grow(PfModel *model, const PfMatrix *matrix, const PfForestParams *params)
{
	const PfEnv *env = unit_env();
	PfTree	   *trees = pf_alloc(env, params->n_estimators * sizeof(PfTree));
	PfGrower   *grower = pf_grower_create(env, matrix, params);
	int64_t    *importance = pf_alloc(env, matrix->nfeatures * sizeof(int64_t));
	uint32_t	nnodes = 0;

	if (params->ranks != NULL)
	{
		model->samples.nvalues = pf_rank_targets(env, matrix, &model->samples.values, params->ranks);
		model->samples.least = PF_LEAST_SAMPLES;
		model->samples.most = PF_MOST_SAMPLES;
	}
	memset(importance, 0, matrix->nfeatures * sizeof(int64_t));
	for (uint32_t t = 0; t < params->n_estimators; t++)
	{
		pf_forest_grow_tree(grower, t, NULL, &trees[t]);
		pf_importance_add(&trees[t], matrix->nfeatures, importance);
		nnodes += trees[t].nnodes;
	}
	model->importance = pf_alloc(env, matrix->nfeatures * sizeof(double));
	pf_importance_finish(importance, matrix->nfeatures, model->importance);
	pf_model_take_trees(env, model, params->n_estimators, pf_votes_width(matrix), nnodes,
						next_tree, trees);
	pf_grower_release(grower);
}

static void
name_classes(PfModel *model, uint32_t nclasses)
{
	const PfEnv *env = unit_env();

	model->task = nclasses ? PF_CLASSIFICATION : PF_REGRESSION;
	model->width = nclasses ? nclasses : 1;
	model->nclasses = nclasses;
	model->classes = pf_alloc(env, (nclasses + 1) * sizeof(char *));
	for (uint32_t i = 0; i < nclasses; i++)
	{
		model->classes[i] = pf_alloc(env, 20);
		snprintf(model->classes[i], 20, "class %u", i);
	}
}

PfModel *
fixture_model(const PfMatrix *matrix, const PfForestParams *params)
{
	const PfEnv *env = unit_env();
	PfModel    *model = pf_alloc(env, sizeof(PfModel));

	memset(model, 0, sizeof(*model));
	model->kind = PF_MODEL_FOREST;
	model->ncolumns = model->nfeatures = matrix->nfeatures;
	model->columns = pf_alloc(env, model->ncolumns * sizeof(PfColumn));
	model->bins = pf_alloc(env, model->nfeatures * sizeof(PfBins));
	for (uint32_t i = 0; i < model->ncolumns; i++)
	{
		PfColumn   *column = &model->columns[i];

		column->name = pf_alloc(env, 16);
		snprintf(column->name, 16, "f%u", i + 1);
		column->kind = i + 1 == model->ncolumns && i > 0 ? PF_CATEGORY : PF_NUMBER;
		column->length = 0;
		make_bins(env, &model->bins[i], column->kind);
	}
	name_classes(model, matrix->nclasses);
	fixture_grow(model, matrix, params);
	return model;
}

PfModel *
fixture_sampled(const PfMatrix *matrix, PfForestParams params)
{
	params.ranks = pf_alloc(unit_env(), matrix->nrows * sizeof(uint16_t));
	return fixture_model(matrix, &params);
}

PfModel *
fixture_boosting(PfLink link)
{
	PfMatrix	matrix = fixture_matrix(300, 4, 0, 0.1, 3);
	PfForestParams params = fixture_params(&matrix);
	PfModel    *model;

	params.n_estimators = 12;
	model = fixture_model(&matrix, &params);
	model->kind = PF_MODEL_BOOSTING;
	model->link = link;
	name_classes(model, link == PF_LINK_SOFTMAX ? 4 : link == PF_LINK_LOGISTIC ? 2 : 0);
	model->nsums = pf_link_sums(link, model->nclasses);
	model->base = pf_alloc(unit_env(), model->nsums * sizeof(double));
	for (uint32_t i = 0; i < model->nsums; i++)
		model->base[i] = 0.25 * (i + 1);
	for (uint32_t i = 0; i < model->nleaves; i++)
		model->leaves[i] = (model->leaves[i] - 75) / 300;
	return model;
}

PfModel *
fixture_sets(PfLink link)
{
	PfModel    *model = fixture_boosting(link);
	uint32_t   *stack = pf_alloc(unit_env(), model->roots[model->ntrees] * sizeof(uint32_t));
	uint64_t	random = 12 + link;

	model->first_set = pf_alloc(unit_env(), model->ntrees * sizeof(uint32_t));
	model->sets = pf_alloc(unit_env(), ((size_t) model->roots[model->ntrees] + 1) * sizeof(PfSet));
	memset(model->sets, 0, ((size_t) model->roots[model->ntrees] + 1) * sizeof(PfSet));
	for (uint32_t t = 0; t < model->ntrees; t++)
	{
		PfNode	   *tree = model->nodes + model->roots[t];
		uint32_t	depth = 0;

		model->first_set[t] = model->nsets;
		stack[depth++] = 0;
		while (depth > 0)
		{
			PfNode	   *node = &tree[stack[--depth]];

			if (pf_is_leaf(node))
				continue;
			if (model->bins[node->feature].kind == PF_CATEGORY)
			{
				PfSet	   *set = &model->sets[model->nsets];

				node->threshold = (uint16_t) (PF_FIRST_SET + model->nsets++ - model->first_set[t]);
				for (uint32_t bin = 0; bin < model->bins[node->feature].nbins; bin++)
				{
					if (unit_random(&random) % 2)
						pf_add_to_set(set, (uint8_t) bin);
				}
				if (node->link & PF_MISSING_LEFT)
					pf_add_to_set(set, PF_MISSING_BIN);
			}
			stack[depth++] = (node->link & PF_LINK_MASK) + 1;
			stack[depth++] = node->link & PF_LINK_MASK;
		}
	}
	return model;
}

PfModel *
fixture_isolation(void)
{
	PfMatrix	matrix = fixture_matrix(300, 4, 0, 0.1, 3);
	PfForestParams params = fixture_params(&matrix);
	PfModel    *model;

	params.n_estimators = 12;
	params.max_leaf_nodes = 20;
	model = fixture_model(&matrix, &params);
	model->kind = PF_MODEL_ISOLATION;
	model->task = PF_ANOMALY;
	model->path = 9.5;
	model->threshold = 0.625;
	for (uint32_t i = 0; i < model->nleaves; i++)
		model->leaves[i] = 2 + i % 40 * 0.37;
	return model;
}

PfModel *
fixture_linear(uint32_t nclasses)
{
	const PfEnv *env = unit_env();
	PfMatrix	matrix = fixture_matrix(50, 4, nclasses, 0.1, 3);
	PfForestParams params = fixture_params(&matrix);
	PfModel    *model;
	PfLinear   *linear;
	uint64_t	random = 8 + nclasses;

	params.n_estimators = 1;
	model = fixture_model(&matrix, &params);
	linear = &model->linear;
	model->kind = PF_MODEL_LINEAR;
	for (uint32_t f = 0; f < model->nfeatures; f++)
	{
		if (model->bins[f].kind == PF_NUMBER)
			model->bins[f].nbins = 0;
	}
	pf_linear_layout(env, linear, model->bins, model->nfeatures, nclasses);
	linear->intercept = pf_alloc(env, linear->noutputs * sizeof(double));
	linear->coefficient = pf_alloc(env, (size_t) linear->noutputs * linear->ncoefficients * sizeof(double));
	for (uint32_t k = 0; k < linear->noutputs; k++)
		linear->intercept[k] = k - 0.75;
	for (size_t i = 0; i < (size_t) linear->noutputs * linear->ncoefficients; i++)
		linear->coefficient[i] = unit_uniform(&random) - 0.5;
	return model;
}

void
fixture_calibrate(PfModel *model, PfCalibrationMethod method)
{
	const PfEnv *env = unit_env();
	PfCalibration *calibration = &model->calibration;

	calibration->method = method;
	calibration->ncurves = pf_calibration_curves(model->nclasses);
	calibration->curves = pf_alloc(env, calibration->ncurves * sizeof(PfCalibrationCurve));
	for (uint32_t c = 0; c < calibration->ncurves; c++)
	{
		PfCalibrationCurve *curve = &calibration->curves[c];

		curve->n = method == PF_SIGMOID ? 1 : 5 + c;
		curve->x = pf_alloc(env, curve->n * sizeof(double));
		curve->y = pf_alloc(env, curve->n * sizeof(double));
		for (uint32_t i = 0; i < curve->n; i++)
		{
			curve->x[i] = method == PF_SIGMOID ? 4.5 + c : 0.1 + i * 0.13;
			curve->y[i] = method == PF_SIGMOID ? -2.25 : i / 2 * 0.2 + c * 0.05;
		}
	}
}

void
fixture_row(const PfModel *model, uint64_t *random, uint8_t *row)
{
	for (uint32_t f = 0; f < model->nfeatures; f++)
	{
		double		value = unit_uniform(random) * 20 - 10;

		if (model->kind != PF_MODEL_LINEAR)
		{
			row[f] = (uint8_t) unit_random(random);
			continue;
		}
		if (model->bins[f].kind == PF_CATEGORY)
			value = (double) (unit_random(random) % model->bins[f].nbins);
		if (unit_uniform(random) < 0.1)
			value = NAN;
		memcpy(row + f * sizeof(double), &value, sizeof(double));
	}
}

PfTree
fixture_tree(const PfMatrix *matrix, const PfForestParams *params, uint32_t number)
{
	PfGrower   *grower = pf_grower_create(unit_env(), matrix, params);
	PfTree		tree;

	pf_forest_grow_tree(grower, number, NULL, &tree);
	pf_grower_release(grower);
	return tree;
}

PfItem *
fixture_items(const PfMatrix *matrix)
{
	PfItem	   *items = pf_alloc(unit_env(), matrix->nrows * sizeof(PfItem));

	for (uint32_t i = 0; i < matrix->nrows; i++)
	{
		items[i].row = i;
		items[i].weight = 1;
		if (matrix->nclasses)
			items[i].y.label = matrix->label[i];
		else
			items[i].y.target = matrix->target[i];
	}
	return items;
}

bool
fixture_same_tree(const PfTree *a, const PfTree *b)
{
	if (a->nnodes != b->nnodes || a->nleaves != b->nleaves)
		return false;
	for (uint32_t i = 0; i < a->nnodes; i++)
	{
		PfNode		one = a->nodes[i];
		PfNode		other = b->nodes[i];

		/* in whatever order leaves are kept */
		if (pf_is_leaf(&one) && pf_is_leaf(&other) &&
			memcmp(a->leaves + (size_t) one.link * a->width, b->leaves + (size_t) other.link * b->width,
				   a->width * sizeof(double)) == 0)
			one.link = other.link;
		if (memcmp(&one, &other, sizeof(one)) != 0)
			return false;
	}
	return true;
}

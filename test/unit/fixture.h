/*
 * fixture.h
 *	  Made-up rows and forests for the suites of grow, model and walk.
 */
#ifndef PF_FIXTURE_H
#define PF_FIXTURE_H

#include "engine/forest/forest.h"
#include "engine/grow/grow.h"
#include "engine/model/model.h"

/*
 * Rows whose label (nclasses > 0) or target depends on the first two features,
 * the rest noise.  missing: share of missing values.
 */
extern PfMatrix fixture_matrix(uint32_t nrows, uint32_t nfeatures, uint32_t nclasses,
							   double missing, uint64_t seed);

/*
 * Draws the bins of one row from nbins values spread over the range; feature 3
 * is constant.  Ties in every node, and missing values.
 */
extern void fixture_few_bins(PfMatrix *matrix, uint32_t row, uint32_t nbins, double missing, uint64_t *random);

extern PfForestParams fixture_params(const PfMatrix *matrix);

/* All rows, each once, as pf_grow_tree takes them. */
extern PfItem *fixture_items(const PfMatrix *matrix);

/* One tree by a participant of its own; are two trees the same to the last bit? */
extern PfTree fixture_tree(const PfMatrix *matrix, const PfForestParams *params, uint32_t number);
extern bool fixture_same_tree(const PfTree *a, const PfTree *b);

/* Grows a forest and puts it, and its importance, into the model; samples too when params has room for ranks. */
extern void fixture_grow(PfModel *model, const PfMatrix *matrix, const PfForestParams *params);

/* A whole model: number columns (the last one a category), trees grown. */
extern PfModel *fixture_model(const PfMatrix *matrix, const PfForestParams *params);

/* The same of a regression that can give quantiles. */
extern PfModel *fixture_sampled(const PfMatrix *matrix, PfForestParams params);

/* A model of boosted trees with this link, which are a forest's in fact. */
extern PfModel *fixture_boosting(PfLink link);

/* The same, and its splits of the category are by sets. */
extern PfModel *fixture_sets(PfLink link);

/* An isolation forest, and a linear model, likewise made up. */
extern PfModel *fixture_isolation(void);
extern PfModel *fixture_linear(uint32_t nclasses);

/* Gives a classification a calibration. */
extern void fixture_calibrate(PfModel *model, PfCalibrationMethod method);

/* A row as the walkers take it: pf_row_size(model) bytes. */
extern void fixture_row(const PfModel *model, uint64_t *random, uint8_t *row);

#endif							/* PF_FIXTURE_H */

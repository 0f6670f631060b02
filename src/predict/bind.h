/*
 * bind.h
 *	  From what the caller gives (a row, an array, a JSON object) to a row as
 *	  the walkers take it: bins, or values for a linear model.
 *
 * Whatever can be checked from types and names is checked when a binder is
 * made, with all offenders in one error; what only a value can show (the
 * length of an array, the type of a JSON value) when the value is bound.
 *
 * Values may be detoasted or printed into the current memory context, which
 * the callers reset row by row (an expression's per-tuple context, a scan's).
 */
#ifndef PF_BIND_H
#define PF_BIND_H

#include "postgres.h"
#include "access/tupdesc.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "catalog/models.h"
#include "engine/model/model.h"
#include "load/columns.h"
#include "recipe/recipe.h"

/* A column of the model and the attribute of the row that feeds it. */
typedef struct PfBound
{
	int			attribute;		/* from 0 */
	bool		untyped;		/* a literal of type unknown in ROW(...) */
	PfReader	reader;
} PfBound;

typedef struct PfBinder
{
	const PfModel *model;
	const char *reference;		/* for messages */
	PfBound    *columns;		/* model->ncolumns */
	double	   *elements;		/* room for the longest array column */
} PfBinder;

/*
 * The decoded model of a version, pinned until the context is reset or
 * deleted, however that comes about.
 */
extern const PfModel *pf_hold_model(MemoryContext context, const PfVersionInfo *version);

/*
 * Matches the model's columns to the attributes of rows, by name; or by
 * position when the row is an anonymous ROW(...).  In the current context.
 */
extern PfBinder *pf_binder_create(const PfModel *model, const char *reference, TupleDesc desc);

/* row: pf_row_size(model) bytes.  values and nulls: as heap_deform_tuple gives them. */
extern void pf_bind_row(PfBinder *binder, const Datum *values, const bool *nulls, uint8 *row);

/* One element a feature, in the order of the features. */
extern void pf_bind_array(const PfModel *model, const char *reference,
						  ArrayType *array, uint8 *row);

/* An object, matched by key (bind_json.c). */
extern void pf_bind_json(const PfModel *model, const char *reference,
						 Jsonb *document, uint8 *row);

/* ----- a version that carries a recipe (bind_recipe.c) ----- */

/* From a raw row to the model's, by the recipe; see PfCleaner. */
typedef struct PfRawBinder
{
	const char *reference;
	PfCleaner  *cleaner;
	PfBinder   *binder;			/* of what comes out */
	Datum	   *values;			/* of a JSON object */
	bool	   *nulls;
} PfRawBinder;

/* desc: the columns of rows; NULL for JSON objects.  In the current context. */
extern PfRawBinder *pf_raw_binder_create(const PfModel *model, const char *reference,
										 const PfRecipe *recipe, TupleDesc desc);
extern void pf_bind_raw_row(PfRawBinder *raw, const Datum *values, const bool *nulls, uint8 *row);
extern void pf_bind_raw_json(PfRawBinder *raw, Jsonb *document, uint8 *row);

/* Errors when rows with these columns are not what the version needs, through its recipe if it has one. */
extern void pf_check_rows(const PfVersionInfo *version, const PfModel *model,
						  const char *reference, TupleDesc desc);

/*
 * An array of the features in their order; arrays in it, such as the lines of an image,
 * are taken apart.
 */
extern void pf_bind_json_array(const PfModel *model, const char *reference,
							   JsonbContainer *array, uint8 *row);

/* One value into its place in a row; NaN is missing. */
static inline void
pf_put_number(const PfModel *model, uint32 feature, double value, uint8 *row)
{
	if (model->kind == PF_MODEL_LINEAR)
		((double *) row)[feature] = pf_linear_value(value);
	else
		row[feature] = pf_bin_number(&model->bins[feature], value);
}

static inline void
pf_put_category(const PfModel *model, uint32 feature, const char *bytes, size_t length, uint8 *row)
{
	uint8		bin = pf_bin_category(&model->bins[feature], bytes, length);

	if (model->kind == PF_MODEL_LINEAR)
		((double *) row)[feature] = bin == PF_MISSING_BIN ? NAN : bin;
	else
		row[feature] = bin;
}

static inline void
pf_put_missing(const PfModel *model, uint32 feature, uint32 n, uint8 *row)
{
	if (model->kind == PF_MODEL_LINEAR)
	{
		for (uint32 i = 0; i < n; i++)
			((double *) row)[feature + i] = NAN;
	}
	else
		memset(row + feature, PF_MISSING_BIN, n);
}

/* An array column's value has the wrong number of elements. */
extern void pf_wrong_length(const char *reference, const PfColumn *column,
							int64 length);

/* Adds a quoted name to a list for a message: "a", "b". */
extern void pf_list_name(StringInfo list, const char *name);

/* The name of a feature: its column's, with [i] for an element of an array.  In the current context. */
extern char *pf_feature_name(const PfColumn *column, uint32 element);

#endif							/* PF_BIND_H */

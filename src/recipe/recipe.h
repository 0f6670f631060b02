/*
 * recipe.h
 *	  Recipes: what turns raw rows into clean ones, as others see them.
 *
 * A recipe is a list of steps with the constants that were fitted for them, kept
 * as one jsonb document; a version of a model that was trained with a recipe has a
 * copy of it.  From the document comes a program of SQL expressions: as one SELECT
 * over a source (training, ml_clean), or evaluated for one row (prediction).  The text
 * of an expression is the same in both, so its values have the same bits.
 */
#ifndef PF_RECIPE_H
#define PF_RECIPE_H

#include "postgres.h"
#include "access/tupdesc.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "load/source.h"

typedef struct PfRecipe
{
	char	   *name;
	int32		version;
	int			ncolumns;		/* of the raw rows that it was fitted on */
	char	  **columns;
	Oid		   *types;			/* built-in ones; InvalidOid: of no use to any step */
	List	   *steps;			/* of PfStep, see parts.h */
} PfRecipe;

/*
 * Reads a document; everything in it is checked as if a user had just written it, for a
 * dump or an import may have brought it.  Memory: the current context.
 */
extern PfRecipe *pf_recipe_read(Jsonb *document);

/* 'name' or 'name@version' of the caller's recipes: the document. */
extern Jsonb *pf_recipe_find(const char *reference);

/*
 * The clean rows of a raw source, as training sees them: a source like any other, but that
 * its query is still that of the raw one.
 */
extern PfSource *pf_recipe_source(const PfRecipe *recipe, const PfSource *raw);

/*
 * The same as predictions see them: no row is left out.  The raw source may lack the target, which is
 * not among the clean columns then.
 */
extern PfSource *pf_recipe_rows(const PfRecipe *recipe, const PfSource *raw, const char *target);

/* What a raw source has not got as the recipe needs it. */
typedef struct PfRawFault
{
	char	   *column;
	bool		missing;		/* else it has another kind of type */
	char	   *detail;			/* a sentence */
} PfRawFault;

/*
 * The raw source with NULL for each column that the recipe needs and that it lacks (but the target),
 * or has with another kind of type; adds a PfRawFault * for each.
 */
extern const PfSource *pf_recipe_fill(const PfRecipe *recipe, const PfSource *raw, const char *target, List **faults);

/*
 * Does a column come through the recipe as it is, with its name?  So a hash of it is the
 * same with or without the recipe.
 */
extern bool pf_recipe_keeps(const PfRecipe *recipe, const char *column);

/* Does training see other values than prediction: target means out of fold? */
extern bool pf_recipe_is_out_of_fold(const PfRecipe *recipe);

/* ----- one row (cleaner.c) ----- */

typedef struct PfCleaner PfCleaner;

/*
 * Prepares the cleaning of rows with the columns of desc for those who want the columns
 * named, no others.  Raw columns that this takes and that desc lacks, or has with
 * another kind of type, are one error; for messages: whose columns, such as "row", and which
 * model.  desc NULL: rows with the columns of pf_cleaner_inputs.  Memory: the current
 * context.  No SPI, no writes: works in a parallel worker and on a standby.
 */
extern PfCleaner *pf_cleaner_create(const PfRecipe *recipe, const char *what,
									const char *model, TupleDesc desc, List *wanted);

/* The columns wanted, in their order, with the types that they have. */
extern TupleDesc pf_cleaner_desc(const PfCleaner *cleaner);

/* The raw columns of the recipe; when desc was NULL, in this order values are expected. */
extern TupleDesc pf_cleaner_inputs(const PfCleaner *cleaner);

/* Is that one of them needed? */
extern bool pf_cleaner_needs_input(const PfCleaner *cleaner, int input);

/* Names of the raw columns that are needed; for any desc. */
extern List *pf_cleaner_needs(const PfCleaner *cleaner);

/*
 * Cleans a row; the results are in *clean and *clean_nulls until the next one, and
 * what they point to as long.
 */
extern void pf_clean_row(PfCleaner *cleaner, const Datum *values, const bool *nulls,
						 Datum **clean, bool **clean_nulls);

#endif							/* PF_RECIPE_H */

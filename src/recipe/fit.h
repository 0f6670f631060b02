/*
 * fit.h
 *	  What the files that fit a recipe share: questions to the rows, and their answers.
 */
#ifndef PF_RECIPE_FIT_H
#define PF_RECIPE_FIT_H

#include "executor/spi.h"

#include "recipe/parts.h"

#define PF_MOST_LISTED	10000

typedef enum PfAskKind
{
	PF_ASK_AGGREGATE,
	PF_ASK_MEAN,
	PF_ASK_DEVIATION
} PfAskKind;

/* One value of all rows. */
typedef struct PfAsk
{
	const PfStep *step;			/* who asks, for which column */
	const char *column;
	PfAskKind	kind;
	char	   *value;			/* expression of a row */
	const char *aggregate;		/* with $ for the value; NULL of the other kinds */
	bool		null;
	double		number;
	char	   *text;			/* when the result is a text */
} PfAsk;

typedef struct PfCategory
{
	char	   *text;			/* NULL: missing */
	double		rows;
} PfCategory;

/* All values of a column with their numbers, the most frequent first. */
typedef struct PfListing
{
	char	   *value;
	double		rows;			/* of all of them */
	bool		cut;			/* there are more than are listed */
	List	   *categories;		/* of PfCategory */
} PfListing;

typedef struct PfFit
{
	PfProgram  *program;
	const char *from;
	MemoryContext context;
	int64		rows;			/* of the source; -1: not counted yet */
	List	   *pending;		/* steps that are fitted together */
	List	   *asks;
	List	   *listings;
	const PfStep *step;			/* that asks now */
	const char *column;
	int			next_ask;		/* the answer that the next step takes */
	int			next_listing;
} PfFit;

/* ----- asks.c ----- */

/*
 * Adds to what the next run finds: an aggregate of a value ($ in its text), or all values of
 * one with their numbers.
 */
extern void pf_fit_ask(PfFit *fit, char *value, const char *aggregate);
extern void pf_fit_ask_kind(PfFit *fit, char *value, PfAskKind kind);
extern void pf_fit_list(PfFit *fit, char *value);
extern void pf_fit_run_asks(PfFit *fit);
extern void pf_fit_run_listings(PfFit *fit);

/* Runs a query as the caller; SPI_finish() ends it.  limit 0: none. */
extern SPITupleTable *pf_fit_query(PfFit *fit, const char *sql, uint64 limit);
extern char *pf_fit_text(SPITupleTable *table, uint64 row, int column);
extern double pf_fit_number(SPITupleTable *table, uint64 row, int column);	/* of an SQL NULL: NaN */

/* ----- sums.c ----- */

/* Means and standard deviations (of the whole, not of a sample), independent of the rows' order. */
extern void pf_fit_run_sums(PfFit *fit);

/* ----- fitted.c ----- */

/* Asks what a step needs to know of a column. */
extern void pf_fit_begin(PfFit *fit, const PfStep *step, PfField *field);

/* Makes a step's constants of the answers. */
extern void pf_fit_finish(PfFit *fit, PfStep *step);

#endif							/* PF_RECIPE_FIT_H */

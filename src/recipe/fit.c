/*
 * fit.c
 *	  The constants of a recipe's steps, from the rows of a source.
 *
 * Steps are fitted in their order on rows as the steps before leave them.  Those that
 * follow one another and do not touch each other's columns are fitted together: one query
 * for all that is one value a column, one for the categories of all columns; a
 * target mean takes a query for each of its columns.  The queries run as the caller, read only.
 *
 * Every constant is independent of the order in which rows are read, and of parallel
 * workers: sums are exact, as in sums.c or as those of numerics.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "recipe/fit.h"

/* Errors with all columns of a step in which there was nothing to fit on. */
static void
check_answers(const PfFit *fit, const PfStep *step)
{
	StringInfoData empty;
	const char *last = NULL;
	ListCell   *lc;

	initStringInfo(&empty);
	foreach(lc, fit->asks)
	{
		const PfAsk  *one = lfirst(lc);

		if (one->step == step && one->null && one->column != last)
			appendStringInfo(&empty, "%s\"%s\"", empty.len > 0 ? ", " : "", last = one->column);
	}
	if (empty.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("%s finds no values to fit on", pf_step_title(step)),
				 errdetail("Without any value: %s.", empty.data),
				 errhint("Drop such columns in a step before.")));
}

static bool
is_fitted(const PfStep *step)
{
	switch (step->kind)
	{
		case PF_IMPUTE:
		case PF_CLIP:
		case PF_OUTLIERS:
		case PF_SCALE:
		case PF_BUCKETIZE:
		case PF_GROUP_RARE:
		case PF_ONE_HOT:
		case PF_ORDINAL:
		case PF_TARGET_MEAN:
			return true;
		default:
			return false;
	}
}

/* Fits what is pending, and goes on to the rows after it. */
static void
run_pending(PfFit *fit)
{
	ListCell   *lc;

	pf_fit_run_asks(fit);
	pf_fit_run_sums(fit);
	pf_fit_run_listings(fit);
	fit->next_ask = fit->next_listing = 0;
	foreach(lc, fit->pending)
	{
		PfStep	   *step = lfirst(lc);

		if (!is_fitted(step))
			continue;
		check_answers(fit, step);
		pf_fit_finish(fit, step);
	}
	foreach(lc, fit->pending)
		pf_program_add(fit->program, lfirst(lc));
	fit->pending = fit->asks = fit->listings = NIL;

	/* what is asked next is asked of columns, not of expressions that go with their layer */
	pf_program_settle(fit->program);
}

static bool
touches(const PfStep *step, const char *name)
{
	ListCell   *lc;

	foreach(lc, step->columns)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	}
	foreach(lc, step->names)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	}
	return false;
}

/* Must what is pending be known before the step can be looked at? */
static bool
depends(const PfFit *fit, const PfStep *step)
{
	List	   *names = list_concat_copy(step->columns, step->names);
	ListCell   *lc;
	ListCell   *other;

	if (fit->pending == NIL)
		return false;
	if (step->group != NULL || step->kind == PF_DEDUPLICATE || step->kind == PF_RENAME)
		return true;
	if (step->target != NULL)
		names = lappend(names, step->target);
	foreach(lc, names)
	{
		if (pf_program_field(fit->program, lfirst(lc)) == NULL)
			return true;
	}
	foreach(other, fit->pending)
	{
		if (pf_step_drops_rows(lfirst(other)))
			return true;
		foreach(lc, names)
		{
			if (touches(lfirst(other), lfirst(lc)))
				return true;
		}
	}
	return false;
}

int64
pf_fit(List *steps, const PfSource *source)
{
	PfFit			fit = {.context = CurrentMemoryContext,.rows = -1,.from = source->from};
	int			ncolumns = source->desc->natts;
	char	  **columns = palloc(sizeof(char *) * Max(ncolumns, 1));
	Oid		   *types = palloc(sizeof(Oid) * Max(ncolumns, 1));
	ListCell   *lc;
	ListCell   *column;

	for (int i = 0; i < ncolumns; i++)
	{
		columns[i] = NameStr(TupleDescAttr(source->desc, i)->attname);
		types[i] = TupleDescAttr(source->desc, i)->atttypid;
	}
	fit.program = pf_program_start(ncolumns, columns, types, steps, true);
	foreach(lc, steps)
	{
		PfStep	   *step = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		if (depends(&fit, step))
			run_pending(&fit);
		pf_program_resolve(fit.program, step);
		if (is_fitted(step))
		{
			foreach(column, step->columns)
				pf_fit_begin(&fit, step, pf_program_field(fit.program, lfirst(column)));
		}
		fit.pending = lappend(fit.pending, step);
	}
	run_pending(&fit);
	pf_program_end(fit.program);
	return fit.rows;
}

/*
 * source.c
 *	  A source into profiles.
 *
 * It is read by the query
 *
 *		SELECT pgforest.profile_rows('model@3', source.*), slices FROM (columns OFFSET 0) AS source GROUP BY slices
 *
 * so that PostgreSQL aggregates in parallel, as the current user; what comes back is a few
 * kilobytes a slice.  OFFSET 0 changes nothing here, but Citus then brings the rows of a distributed table
 * as columns with names to where the model is; it would send the aggregate to its workers.
 *
 * Memory: the caller's context.
 */
#include "postgres.h"

#include "evaluate/score.h"
#include "load/scan.h"
#include "profile/pairs.h"
#include "utils/builtins.h"

typedef struct Reading
{
	MemoryContext context;
	const PfWatched *watched;
	int			nby;
	char	  **by_name;
	PfReader   *by_reader;
	List	   *profiles;
} Reading;

/* One group: the profile, then the values that make the slice. */
static void
take_group(Datum *values, bool *nulls, void *arg)
{
	Reading    *reading = arg;
	MemoryContext previous = MemoryContextSwitchTo(reading->context);
	PfSliceProfile *profile = palloc0(sizeof(PfSliceProfile));

	if (list_length(reading->profiles) == PF_MOST_SLICES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("more than %d slices", PF_MOST_SLICES),
				 errhint("Name columns with fewer distinct values in by.")));
	if (reading->nby > 0)
		profile->slice = pf_slice_name(reading->nby, reading->by_name, reading->by_reader, NULL,
									   values + 1, nulls + 1);
	if (!nulls[0])
	{
		pf_watch_read(reading->watched, DatumGetByteaPP(values[0]), &profile->profile);
		reading->profiles = lappend(reading->profiles, profile);
	}
	MemoryContextSwitchTo(previous);
}

/* Adds names that are not in the list yet. */
static List *
add_names(List *names, List *more)
{
	ListCell   *lc;

	foreach(lc, more)
	{
		ListCell   *other;

		foreach(other, names)
		{
			if (strcmp(lfirst(other), lfirst(lc)) == 0)
				break;
		}
		if (other == NULL)
			names = lappend(names, lfirst(lc));
	}
	return names;
}

/* The columns that are needed; those that are not there were refused before. */
static List *
needed_columns(const PfWatched *watched, const PfSource *source, List *by)
{
	const PfModel *model = watched->model;
	List	   *names = NIL;

	for (uint32 i = 0; i < model->ncolumns; i++)
		names = lappend(names, model->columns[i].name);
	if (watched->version.target != NULL && pf_source_column(source, watched->version.target) >= 0)
		names = add_names(names, list_make1(watched->version.target));
	return add_names(names, by);
}

List *
pf_profile_source(const PfWatched *watched, const PfSource *source, List *by)
{
	Reading		reading = {.context = CurrentMemoryContext,.watched = watched};
	PfSource	grouped = {0};
	StringInfoData sql;
	List	   *columns = list_make1("profile");
	ListCell   *lc;

	initStringInfo(&sql);
	appendStringInfo(&sql, "(SELECT pgforest.profile_rows(%s, source.*) AS profile",
					 quote_literal_cstr(watched->reference));
	foreach(lc, by)
	{
		char	   *alias = psprintf("slice %d", foreach_current_index(lc) + 1);

		appendStringInfo(&sql, ", source.%s AS %s", quote_identifier(lfirst(lc)),
						 quote_identifier(alias));
		columns = lappend(columns, alias);
	}
	appendStringInfoString(&sql, " FROM (SELECT ");
	foreach(lc, needed_columns(watched, source, by))
		appendStringInfo(&sql, "%ssource.%s", foreach_current_index(lc) > 0 ? ", " : "",
						 quote_identifier(lfirst(lc)));
	appendStringInfo(&sql, " FROM %s OFFSET 0) AS source", source->from);
	foreach(lc, by)
		appendStringInfo(&sql, "%s source.%s", foreach_current_index(lc) == 0 ? " GROUP BY" : ",",
						 quote_identifier(lfirst(lc)));
	foreach(lc, by)
		appendStringInfo(&sql, "%s source.%s", foreach_current_index(lc) == 0 ? " ORDER BY" : ",",
						 quote_identifier(lfirst(lc)));
	appendStringInfoString(&sql, ") AS source");

	reading.nby = list_length(by);
	pf_slice_readers(source, by, &reading.by_name, &reading.by_reader);
	grouped.from = sql.data;
	pf_source_scan(&grouped, columns, take_group, &reading);
	return reading.profiles;
}

/*
 * found.c
 *	  What is tested for drift, and what was found: kept in pgforest.drift, and said in a line.
 */
#include "postgres.h"

#include <math.h>

#include "monitor/found.h"
#include "profile/check.h"
#include "profile/drift.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/json.h"

/* Features that are named in the line; the details have all. */
#define MAX_NAMED 5

char *
pf_columns_but(const PfSource *source, const char *column)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < source->desc->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(source->desc, i)->attname);

		if (column == NULL || strcmp(name, column) != 0)
			appendStringInfo(&list, "%ssource.%s", list.len > 0 ? ", " : "", quote_identifier(name));
	}
	return list.data;
}

void
pf_drift_keep(const PfVersionInfo *version, const PfWindow *window, List *rows)
{
	PfDriftFound *found = palloc(sizeof(PfDriftFound) * Max(list_length(rows), 1));
	ListCell   *lc;

	foreach(lc, rows)
	{
		const PfDriftRow *row = lfirst(lc);

		found[foreach_current_index(lc)] = (PfDriftFound)
		{
			.feature = row->feature,
			.test = row->test,
			.statistic = row->statistic,
			.p_value = row->p_value,
			.threshold = row->threshold,
			.drifted = row->drifted,
			.reference_rows = row->reference_rows,
			.current_rows = row->current_rows,
			.effect = row->effect
		};
	}
	pf_drift_store(version, window, found, list_length(rows));
	pfree(found);
}

/* A number as JSON has it. */
static const char *
json_number(double value)
{
	return isfinite(value) ? float8out_internal(value) : "null";
}

char *
pf_drift_summary(List *rows, StringInfo details)
{
	StringInfoData names;
	const char *last = NULL;	/* the tests of a feature stand together */
	int			drifted = 0;
	ListCell   *lc;

	initStringInfo(&names);
	appendStringInfoString(details, "\"drifted\": [");
	foreach(lc, rows)
	{
		const PfDriftRow *row = lfirst(lc);

		if (!row->drifted || strcmp(row->feature, "(all)") == 0)
			continue;
		appendStringInfo(details, "%s{\"feature\": ", last ? ", " : "");
		escape_json(details, row->feature);
		appendStringInfo(details, ", \"test\": \"%s\", \"statistic\": %s, \"p_value\": %s, \"threshold\": %s, \"effect\": %s}",
						 row->test, json_number(row->statistic), json_number(row->p_value),
						 json_number(row->threshold), json_number(row->effect));
		if (last == NULL || strcmp(last, row->feature) != 0)
		{
			if (drifted < MAX_NAMED)
				appendStringInfo(&names, "%s%s", drifted > 0 ? ", " : "", row->feature);
			drifted++;
		}
		last = row->feature;
	}
	appendStringInfoChar(details, ']');
	if (!pf_drift_found(rows))
		return NULL;
	if (drifted > MAX_NAMED)
		return psprintf("drift of %s and %d more", names.data, drifted - MAX_NAMED);
	return psprintf("drift of %s", drifted > 0 ? names.data : "the rows");
}

char *
pf_quality_summary(List *violations, PfSeverity *severity, StringInfo details)
{
	StringInfoData names;
	int			count = 0;
	ListCell   *lc;

	*severity = PF_INFO;
	initStringInfo(&names);
	appendStringInfoString(details, "\"violations\": [");
	foreach(lc, violations)
	{
		const PfViolation *violation = lfirst(lc);
		bool		critical = strcmp(violation->severity, "critical") == 0;

		if (!critical && strcmp(violation->severity, "warning") != 0)
			continue;
		*severity = Max(*severity, critical ? PF_CRITICAL : PF_WARNING);
		appendStringInfo(details, "%s{\"feature\": ", count > 0 ? ", " : "");
		escape_json(details, violation->feature ? violation->feature : "");
		appendStringInfo(details, ", \"problem\": \"%s\", \"severity\": \"%s\", \"value\": %s, \"threshold\": %s}",
						 violation->problem, violation->severity, json_number(violation->value),
						 json_number(violation->threshold));
		if (count < MAX_NAMED)
			appendStringInfo(&names, "%s%s%s%s", count > 0 ? ", " : "", violation->problem,
							 violation->feature ? " of " : "", violation->feature ? violation->feature : "");
		count++;
	}
	appendStringInfoChar(details, ']');
	if (count > MAX_NAMED)
		appendStringInfo(&names, " and %d more", count - MAX_NAMED);
	return count > 0 ? names.data : NULL;
}

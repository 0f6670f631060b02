/*
 * monotonic.c
 *	  The parameter monotonic_cst, of all algorithms that make trees.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "train/algorithms.h"

/* Errors when it names what has no order; numbers: the names of the features that are numbers. */
void
pf_monotonic_check(const PfTrainParams *params, const List *numbers)
{
	const PfNumbers *constraints = &params->given.monotonic_cst;
	StringInfoData unknown;

	initStringInfo(&unknown);
	for (uint32 i = 0; i < constraints->count; i++)
	{
		const ListCell *lc;
		bool		found = false;

		foreach(lc, numbers)
			found |= strcmp(lfirst(lc), constraints->keys[i]) == 0;
		if (!found)
			appendStringInfo(&unknown, "%s\"%s\"", unknown.len ? ", " : "", constraints->keys[i]);
	}
	if (unknown.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("monotonic_cst names what is not a feature of numbers: %s", unknown.data),
				 errhint("It takes features that are numbers; categories have no order that a prediction could follow.")));
}

/* By feature, NULL if all are 0; an array column's constraint is that of each of its elements. */
int8_t *
pf_monotonic_signs(const PfTrainParams *params, const PfLoaded *loaded)
{
	const PfNumbers *constraints = &params->given.monotonic_cst;
	int8_t	   *signs;
	bool		any = false;
	int			feature = 0;

	if (constraints->count == 0)
		return NULL;
	if (loaded->nclasses > 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("monotonic_cst does not fit a target of %d classes", loaded->nclasses),
				 errhint("It is for regression and for two classes.")));
	signs = palloc0(loaded->nfeatures);
	for (int c = 0; c < loaded->ncolumns; c++)
	{
		uint32		n = pf_column_features(&loaded->columns[c]);

		for (uint32 i = 0; i < constraints->count; i++)
		{
			if (strcmp(loaded->columns[c].name, constraints->keys[i]) != 0)
				continue;
			memset(signs + feature, (int8_t) constraints->values[i], n);
			any |= constraints->values[i] != 0;
		}
		feature += n;
	}
	return any ? signs : NULL;
}

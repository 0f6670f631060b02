/*
 * split.c
 *	  ml_split: which part of a three-way split a row with some key belongs to.
 *
 * The hash is that of a row whose identity is the key alone, so the test part is what
 * ml_train holds out when its key is that column and its holdout the same share.  A salt
 * gives another split, independent of it.  Nothing is looked up and no setting is read:
 * the answer is the key's for ever, and may stand in a generated column.
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "engine/bins/hash.h"
#include "load/columns.h"

PG_FUNCTION_INFO_V1(ml_split);

/* Shares have so many units in 1, so that 0.7 and 0.2 leave 0.1. */
#define SHARE_UNITS 1e12

/* What is kept from call to call. */
typedef struct Splitter
{
	PfReader	reader;
	double		train;			/* the shares as they were checked last */
	double		validation;
	double		test;
} Splitter;

static Splitter *
find_splitter(FunctionCallInfo fcinfo)
{
	Splitter   *splitter = fcinfo->flinfo->fn_extra;
	MemoryContext caller;
	Oid		   *types;
	int			ntypes;

	if (splitter != NULL)
		return splitter;
	caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	splitter = palloc0(sizeof(Splitter));
	splitter->train = -1;

	/* of which overload this is */
	get_func_signature(fcinfo->flinfo->fn_oid, &types, &ntypes);
	if (ntypes != 4 || !pf_reader_init(&splitter->reader, types[0]))
		elog(ERROR, "ml_split is declared with another key than it can read");
	MemoryContextSwitchTo(caller);
	fcinfo->flinfo->fn_extra = splitter;
	return splitter;
}

/* Checks the shares, and finds what they leave. */
static void
set_shares(Splitter *splitter, double train, double validation)
{
	/* the double that is nearest to the decimal, as the 0.15 is that ml_train is given */
	double		test = rint((1 - (train + validation)) * SHARE_UNITS) / SHARE_UNITS;

	if (!(train >= 0 && validation >= 0 && test >= 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("train and validation must be shares of which the sum is 1 at most"),
				 errdetail("They are %g and %g.", train, validation),
				 errhint("What they leave is the share of the test rows: train => 0.7, validation => 0.15 leave 0.15.")));
	splitter->train = train;
	splitter->validation = validation;
	splitter->test = test;
}

/*
 * ml_split(key, train float8, validation float8, salt text).  A NULL key is a value like
 * others, as it is in ml_train.
 */
Datum
ml_split(PG_FUNCTION_ARGS)
{
	Splitter   *splitter = find_splitter(fcinfo);
	const char *argument[] = {NULL, "train", "validation", "salt"};
	uint64		hash = PF_HASH_START;
	double		position;
	text	   *salt;

	for (int i = 1; i < 4; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" of ml_split must not be null", argument[i])));
	if (PG_GETARG_FLOAT8(1) != splitter->train || PG_GETARG_FLOAT8(2) != splitter->validation)
		set_shares(splitter, PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2));

	salt = PG_GETARG_TEXT_PP(3);
	if (VARSIZE_ANY_EXHDR(salt) > 0)
		hash = pf_hash_combine(hash, pf_hash_category(VARDATA_ANY(salt), VARSIZE_ANY_EXHDR(salt)));
	hash = pf_hash_combine(hash, pf_read_hash(&splitter->reader,
											  PG_ARGISNULL(0) ? (Datum) 0 : PG_GETARG_DATUM(0),
											  PG_ARGISNULL(0)));
	if (pf_is_held_out(hash, splitter->test))
		PG_RETURN_TEXT_P(cstring_to_text("test"));
	position = pf_share_position(hash, PF_FOR_SPLIT);
	PG_RETURN_TEXT_P(cstring_to_text(position < splitter->train ? "train" : "validation"));
}

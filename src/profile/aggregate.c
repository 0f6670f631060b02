/*
 * aggregate.c
 *	  ml_profile_agg and ml_profile_merge: profiles as aggregates.
 *
 * The state is a profiler in the aggregate's memory.  Parallel workers each have one, and send
 * it as bytes; a profile is the same however rows were dealt out.  Nothing is written, and
 * tables are read without SPI, so it all works in workers and on a standby.
 *
 * The model is named once and for all by the first row: an alias could be answered
 * differently by two processes only if they had different snapshots, and they have not.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/call.h"
#include "catalog/pgenv.h"
#include "fmgr.h"
#include "profile/watch.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#define NO_BASELINE_HINT "Train a new version: from then on what its rows are like is stored with it."

typedef struct State
{
	MemoryContext context;
	char	   *model;			/* as it was given */
	PfProfiler *profiler;

	/* of the rows */
	Oid			type;
	int32		typmod;
	TupleDesc	desc;
	Datum	   *values;
	bool	   *nulls;
} State;

PG_FUNCTION_INFO_V1(pf_profile_row);
PG_FUNCTION_INFO_V1(pf_profile_add);
PG_FUNCTION_INFO_V1(pf_profile_combine);
PG_FUNCTION_INFO_V1(pf_profile_serialize);
PG_FUNCTION_INFO_V1(pf_profile_deserialize);
PG_FUNCTION_INFO_V1(pf_profile_final);

/* The version that a reference names, ready to profile rows; in the current context. */
static const PfWatched *
open_version(const char *reference)
{
	PfVersionInfo version;
	PfWatched  *watched;

	pf_catalog_resolve(reference, PF_RIGHT_PREDICT, &version);
	watched = pf_watch(&version);
	pf_watch_need_baseline(watched, NO_BASELINE_HINT);
	return watched;
}

/* The state for argument 1, the model; all rows of a group must name the same. */
static State *
get_state(FunctionCallInfo fcinfo)
{
	State	   *state = PG_ARGISNULL(0) ? NULL : (State *) PG_GETARG_POINTER(0);
	text	   *model;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("model must not be null")));
	model = PG_GETARG_TEXT_PP(1);
	if (state == NULL)
	{
		MemoryContext context = AllocSetContextCreate(pf_aggregate_context(fcinfo), "pgforest profile",
													  ALLOCSET_DEFAULT_SIZES);

		state = MemoryContextAllocZero(context, sizeof(State));
		state->context = context;
		state->model = MemoryContextStrdup(context, text_to_cstring(model));
	}
	else if (state->model == NULL)
		state->model = MemoryContextStrdup(state->context, text_to_cstring(model));
	else if (strlen(state->model) != VARSIZE_ANY_EXHDR(model) ||
			 memcmp(state->model, VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rows of one group name different models"),
				 errdetail("They name \"%s\" and \"%s\".", state->model, text_to_cstring(model)),
				 errhint("Add the model to GROUP BY.")));
	return state;
}

/* Rows of another type than before begin a profiler of their own, which is merged. */
static void
take_type(State *state, HeapTupleHeader header)
{
	MemoryContext previous = MemoryContextSwitchTo(state->context);
	PfProfiler *before = state->profiler;
	const PfWatched *watched = before ? pf_profiler_watched(before) : open_version(state->model);

	state->type = HeapTupleHeaderGetTypeId(header);
	state->typmod = HeapTupleHeaderGetTypMod(header);
	state->desc = lookup_rowtype_tupdesc_copy(state->type, state->typmod);
	state->values = palloc(sizeof(Datum) * Max(state->desc->natts, 1));
	state->nulls = palloc(sizeof(bool) * Max(state->desc->natts, 1));
	state->profiler = pf_profiler_create(state->context, watched, state->desc);
	if (before != NULL)
		pf_profiler_merge(state->profiler, before);
	MemoryContextSwitchTo(previous);
}

/* A row; a row that is NULL counts for nothing. */
Datum
pf_profile_row(PG_FUNCTION_ARGS)
{
	State	   *state = get_state(fcinfo);
	HeapTupleHeader header;
	HeapTupleData tuple;

	if (PG_ARGISNULL(2))
		PG_RETURN_POINTER(state);
	header = PG_GETARG_HEAPTUPLEHEADER(2);
	if (state->desc == NULL || state->type != HeapTupleHeaderGetTypeId(header) ||
		state->typmod != HeapTupleHeaderGetTypMod(header))
		take_type(state, header);
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, state->desc, state->values, state->nulls);
	pf_profiler_add(state->profiler, state->values, state->nulls);
	PG_RETURN_POINTER(state);
}

/* A profile that was made before. */
Datum
pf_profile_add(PG_FUNCTION_ARGS)
{
	State	   *state = get_state(fcinfo);
	PfProfile	profile;

	if (PG_ARGISNULL(2))
		PG_RETURN_POINTER(state);
	if (state->profiler == NULL)
	{
		MemoryContext previous = MemoryContextSwitchTo(state->context);

		state->profiler = pf_profiler_create(state->context, open_version(state->model), NULL);
		MemoryContextSwitchTo(previous);
	}
	pf_watch_read(pf_profiler_watched(state->profiler), PG_GETARG_BYTEA_PP(2), &profile);
	pf_profiler_add_profile(state->profiler, &profile);
	PG_RETURN_POINTER(state);
}

Datum
pf_profile_combine(PG_FUNCTION_ARGS)
{
	State	   *state = PG_ARGISNULL(0) ? NULL : (State *) PG_GETARG_POINTER(0);
	State	   *part = PG_ARGISNULL(1) ? NULL : (State *) PG_GETARG_POINTER(1);
	MemoryContext context = pf_aggregate_context(fcinfo);

	if (part == NULL || part->profiler == NULL)
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	if (state == NULL)
	{
		context = AllocSetContextCreate(context, "pgforest profile", ALLOCSET_DEFAULT_SIZES);
		state = MemoryContextAllocZero(context, sizeof(State));
		state->context = context;
	}
	if (state->profiler == NULL)
	{
		/* nothing may keep pointing into the part */
		MemoryContext previous = MemoryContextSwitchTo(state->context);

		state->profiler = pf_profiler_create(state->context,
											 open_version(pf_profiler_watched(part->profiler)->reference),
											 NULL);
		MemoryContextSwitchTo(previous);
	}
	pf_profiler_merge(state->profiler, part->profiler);
	PG_RETURN_POINTER(state);
}

/* The name of the version, then the profiler. */
Datum
pf_profile_serialize(PG_FUNCTION_ARGS)
{
	State	   *state = (State *) PG_GETARG_POINTER(0);
	const char *reference;
	bytea	   *saved;
	bytea	   *result;
	Size		name;
	Size		size;

	pf_aggregate_context(fcinfo);
	if (state->profiler == NULL)
		PG_RETURN_BYTEA_P(cstring_to_text(""));
	reference = pf_profiler_watched(state->profiler)->reference;
	saved = pf_profiler_save(state->profiler);
	name = strlen(reference) + 1;
	size = VARHDRSZ + name + VARSIZE(saved) - VARHDRSZ;
	result = palloc(size);
	SET_VARSIZE(result, size);
	memcpy(VARDATA(result), reference, name);
	memcpy(VARDATA(result) + name, VARDATA(saved), VARSIZE(saved) - VARHDRSZ);
	PG_RETURN_BYTEA_P(result);
}

Datum
pf_profile_deserialize(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	Size		size = VARSIZE_ANY_EXHDR(bytes);
	State	   *state;
	Size		name;

	pf_aggregate_context(fcinfo);
	state = palloc0(sizeof(State));
	state->context = CurrentMemoryContext;
	if (size == 0)
		PG_RETURN_POINTER(state);
	name = strlen(VARDATA_ANY(bytes)) + 1;
	state->profiler = pf_profiler_restore(state->context, open_version(VARDATA_ANY(bytes)),
										  VARDATA_ANY(bytes) + name, size - name);
	PG_RETURN_POINTER(state);
}

/* The profile as bytes; NULL of no rows.  The state stays as it is: a window may go on with it. */
Datum
pf_profile_final(PG_FUNCTION_ARGS)
{
	State	   *state = PG_ARGISNULL(0) ? NULL : (State *) PG_GETARG_POINTER(0);
	uint8	   *bytes;
	size_t		size;
	bytea	   *result;

	pf_aggregate_context(fcinfo);
	if (state == NULL || state->profiler == NULL)
		PG_RETURN_NULL();
	bytes = pf_profile_encode(pf_pg_env(CurrentMemoryContext),
							  pf_profiler_watched(state->profiler)->frames,
							  pf_profiler_profile(state->profiler), &size);
	result = palloc(VARHDRSZ + size);
	SET_VARSIZE(result, VARHDRSZ + size);
	memcpy(VARDATA(result), bytes, size);
	PG_RETURN_BYTEA_P(result);
}

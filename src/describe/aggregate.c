/*
 * aggregate.c
 *	  The aggregate pgforest.describe_column: a column's rows become its sketch.
 *
 * As an aggregate it is PostgreSQL that reads the rows, in as many processes as it likes:
 * each makes a sketch of what it reads, and these are merged.
 */
#include "postgres.h"

#include "catalog/call.h"
#include "compat.h"
#include "describe/sketch.h"
#include "fmgr.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(pf_describe_add);
PG_FUNCTION_INFO_V1(pf_describe_merge);
PG_FUNCTION_INFO_V1(pf_describe_write);
PG_FUNCTION_INFO_V1(pf_describe_read);

/* pf_describe_add(internal, "any", limit int) returns internal */
Datum
pf_describe_add(PG_FUNCTION_ARGS)
{
	MemoryContext context = pf_aggregate_context(fcinfo);
	PfSketch   *sketch = PG_ARGISNULL(0) ? NULL : (PfSketch *) PG_GETARG_POINTER(0);

	if (sketch == NULL)
		sketch = pf_sketch_create(context, get_fn_expr_argtype(fcinfo->flinfo, 1),
								  PG_ARGISNULL(2) ? 256 : (uint32) Max(PG_GETARG_INT32(2), 256));
	pf_sketch_add(sketch, PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1), PG_ARGISNULL(1));
	PG_RETURN_POINTER(sketch);
}

/* pf_describe_merge(internal, internal) returns internal */
Datum
pf_describe_merge(PG_FUNCTION_ARGS)
{
	MemoryContext context = pf_aggregate_context(fcinfo);
	PfSketch   *sketch = PG_ARGISNULL(0) ? NULL : (PfSketch *) PG_GETARG_POINTER(0);
	PfSketch   *other = PG_ARGISNULL(1) ? NULL : (PfSketch *) PG_GETARG_POINTER(1);

	if (other == NULL)
	{
		if (sketch == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(sketch);
	}
	if (sketch == NULL)
		sketch = pf_sketch_create(context, other->reader.type, other->limit);
	pf_sketch_merge(sketch, other);
	PG_RETURN_POINTER(sketch);
}

/* pf_describe_write(internal) returns bytea: for a process's result, and the aggregate's */
Datum
pf_describe_write(PG_FUNCTION_ARGS)
{
	StringInfoData out;

	pf_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	initStringInfo(&out);
	appendStringInfoSpaces(&out, VARHDRSZ);
	pf_sketch_write((PfSketch *) PG_GETARG_POINTER(0), &out);
	SET_VARSIZE(out.data, out.len);
	PG_RETURN_BYTEA_P((bytea *) out.data);
}

/* pf_describe_read(bytea, internal) returns internal */
Datum
pf_describe_read(PG_FUNCTION_ARGS)
{
	bytea	   *data = PG_GETARG_BYTEA_PP(0);

	pf_aggregate_context(fcinfo);
	PG_RETURN_POINTER(pf_sketch_read(CurrentMemoryContext, VARDATA_ANY(data)));
}

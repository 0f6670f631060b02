/*
 * call.h
 *	  What an SQL call was given: its arguments, and the keys of JSON objects.
 */
#ifndef PF_CATALOG_CALL_H
#define PF_CATALOG_CALL_H

#include "postgres.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"

/* A text argument; NULL for NULL. */
extern char *pf_text_argument(FunctionCallInfo fcinfo, int n);

/* The same, where NULL is an error (null_value_not_allowed) that has the argument's name. */
extern char *pf_needed_text(FunctionCallInfo fcinfo, int n, const char *name);

/* The memory that the state of an aggregate lives in. */
extern MemoryContext pf_aggregate_context(FunctionCallInfo fcinfo);

/* What something is called here, and in another system. */
typedef struct PfOtherName
{
	const char *elsewhere;
	const char *here;
} PfOtherName;

/*
 * How many keys of an object are not among count names, each of them the first field of an
 * element of `size` bytes.  Appends them to *unknown ("a", "b"), and to *meant the nearest
 * names that may have been meant, as a sentence and a blank; nothing if there are none.
 * others: how they are called elsewhere, up to one that is NULL; or NULL.
 */
extern int	pf_unknown_keys(Jsonb *object, const void *names, int count, Size size, const PfOtherName *others,
							StringInfo unknown, StringInfo meant);

#endif							/* PF_CATALOG_CALL_H */

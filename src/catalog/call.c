/*
 * call.c
 *	  What an SQL call was given: its arguments, and the keys of JSON objects.
 *
 * Memory: the current context.
 */
#include "postgres.h"

#include "catalog/call.h"
#include "engine/grow/params.h"
#include "utils/builtins.h"

char *
pf_text_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

char *
pf_needed_text(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
	return text_to_cstring(PG_GETARG_TEXT_PP(n));
}

MemoryContext
pf_aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "called outside of an aggregate");
	return context;
}

int
pf_unknown_keys(Jsonb *object, const void *names, int count, Size size, const PfOtherName *others,
				StringInfo unknown, StringInfo meant)
{
	JsonbIterator *it = JsonbIteratorInit(&object->root);
	JsonbIteratorToken token;
	JsonbValue	item;
	int			n = 0;

	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		const char *nearest = NULL;
		uint32		least = PG_UINT32_MAX;
		bool		known_elsewhere = false;
		char	   *key;

		if (token != WJB_KEY)
			continue;
		key = pnstrdup(item.val.string.val, item.val.string.len);
		for (int i = 0; i < count && least > 0; i++)
		{
			const char *name = *(const char *const *) ((const char *) names + i * size);
			uint32		distance = pf_edit_distance(key, name);

			if (distance < least)
			{
				least = distance;
				nearest = name;
			}
		}
		if (least == 0)
			continue;
		appendStringInfo(unknown, "%s\"%s\"", n++ > 0 ? ", " : "", key);
		for (const PfOtherName *other = others; other != NULL && other->elsewhere != NULL && !known_elsewhere; other++)
		{
			for (int i = 0; i < count && strcmp(key, other->elsewhere) == 0 && !known_elsewhere; i++)
			{
				known_elsewhere = strcmp(other->here, *(const char *const *) ((const char *) names + i * size)) == 0;
				if (known_elsewhere)
					nearest = other->here;
			}
		}
		if (nearest != NULL && (known_elsewhere || pf_may_mean(key, nearest)))
			appendStringInfo(meant, "%s\"%s\"", meant->len > 0 ? ", " : "Perhaps you meant ", nearest);
	}
	if (meant->len > 0)
		appendStringInfoString(meant, ". ");
	return n;
}

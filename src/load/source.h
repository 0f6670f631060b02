/*
 * source.h
 *	  A source: the name of a relation or the text of a query, read as the caller.
 */
#ifndef PF_SOURCE_H
#define PF_SOURCE_H

#include "postgres.h"
#include "access/tupdesc.h"
#include "nodes/pg_list.h"
#include "utils/array.h"

typedef struct PfSource
{
	char	   *text;			/* as the user gave it */
	char	   *query;			/* self-contained query text: what a version stores ("TABLE a.b" qualified, or the query) */
	char	   *from;			/* what follows FROM: a.b AS source, or (query) AS source */
	Oid			relation;		/* InvalidOid for a query */
	TupleDesc	desc;			/* its columns; dropped ones are absent */
} PfSource;

/*
 * Checks the text (one SELECT and nothing else, no such relation, duplicate
 * column names, ...) and finds its columns; reads no row.  Allocates in the
 * current context.
 */
extern PfSource *pf_source_open(const char *text);

/* A text[] of column names as a list of char *; an element that is null is an error. */
extern List *pf_column_names(ArrayType *names, const char *argument);

/* Is a name in such a list? */
extern bool pf_names_contain(const List *names, const char *name);

/* Position of a column in source->desc, or -1. */
extern int	pf_source_column(const PfSource *source, const char *name);

/*
 * Access rights and row security are PostgreSQL's own, as the current user.  A stored
 * query text may run only if the current role is a member of the role that stored
 * it (checked by the caller through pf_catalog).
 */
#endif							/* PF_SOURCE_H */

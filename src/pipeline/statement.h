/*
 * statement.h
 *	  Calls of our SQL functions as text: what a step runs, and shows.
 *
 * Arguments are passed by name, as literals, and those that are not given are left out.
 */
#ifndef PF_STATEMENT_H
#define PF_STATEMENT_H

#include "postgres.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"

/* The schema that our functions are in: that of the one that is called. */
extern const char *pf_function_schema(FunctionCallInfo fcinfo);

/* "verb" is what stands before the name: SELECT * FROM, or CALL. */
extern void pf_statement_begin(StringInfo sql, const char *verb, const char *schema,
							   const char *function);
extern void pf_statement_text(StringInfo sql, const char *name, const char *value);	/* NULL: left out */
extern void pf_statement_names(StringInfo sql, const char *name, List *values);	/* NIL: left out */
extern void pf_statement_jsonb(StringInfo sql, const char *name, Jsonb *value);	/* NULL: left out */
extern void pf_statement_number(StringInfo sql, const char *name, double value);	/* NaN: left out */
extern void pf_statement_int(StringInfo sql, const char *name, int64 value);
extern void pf_statement_ints(StringInfo sql, const char *name, List *values);
extern void pf_statement_bool(StringInfo sql, const char *name, bool value);
extern char *pf_statement_end(StringInfo sql);

/* The strings of a JSON array, given as its text; NIL for NULL. */
extern List *pf_json_names(const char *array);

/*
 * Runs a SELECT of one row, with SPI connected, as the current user; then the values of
 * its columns by name.
 */
extern void pf_statement_run(const char *statement);
extern char *pf_result_text(const char *column);	/* NULL: NULL */
extern int64 pf_result_int(const char *column, int64 none);
extern double pf_result_number(const char *column);	/* NaN: NULL */
extern bool pf_result_bool(const char *column);

#endif							/* PF_STATEMENT_H */

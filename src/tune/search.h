/*
 * search.h
 *	  What a tuning searches: every trial there could be, by number.
 */
#ifndef PF_SEARCH_H
#define PF_SEARCH_H

#include "tune/tune.h"

typedef struct PfSearch PfSearch;

/*
 * From the argument search: an object whose lists and ranges are searched and whose other values are
 * fixed; "algorithm" is one of the lists.  A parameter is for the algorithms that know
 * it.  Errors: a parameter that none of them knows, a value that is not allowed.
 */
extern PfSearch *pf_search_parse(Jsonb *search);

/* Has a parameter a range, so that trials have no numbers?  And the error where they need them. */
extern bool pf_search_has_range(const PfSearch *search);
extern void pf_search_check_grid(const PfSearch *search);

/* A trial of a search with ranges, from numbers of the stream that begin at *position. */
extern PfTrial *pf_search_draw(const PfSearch *search, uint64 stream, uint64 *position);

/* The number of trials, at most PF_MAX_COMBINATIONS; and one of them. */
#define PF_MAX_COMBINATIONS UINT64CONST(0xffffffff)
extern uint64 pf_search_size(const PfSearch *search);
extern PfTrial *pf_search_trial(const PfSearch *search, uint64 number);

/* range.c: {"low": .., "high": .., "log": .., "step": ..} as the value of a parameter. */
typedef struct PfRange PfRange;

/* NULL when the value, which is JSON, is none, or objects are values of the parameter; errors when it is a bad one. */
extern PfRange *pf_range_parse(const PfParam *param, JsonbValue *value);

/* Its ends, and a value by a random number, as JSON. */
extern char *pf_range_end(const PfRange *range, bool high);
extern char *pf_range_draw(const PfRange *range, uint64 random);

#endif							/* PF_SEARCH_H */

/*
 * search.h
 *	  What a tuning searches: every trial there could be, by number.
 */
#ifndef PF_SEARCH_H
#define PF_SEARCH_H

#include "tune/tune.h"

typedef struct PfSearch PfSearch;

/*
 * From the argument search: an object whose lists are searched and whose other values are
 * fixed; "algorithm" is one of the lists.  A parameter is for the algorithms that know
 * it.  Errors: a parameter that none of them knows, a value that is not allowed.
 */
extern PfSearch *pf_search_parse(Jsonb *search);

/* The number of trials, at most PF_MAX_COMBINATIONS; and one of them. */
#define PF_MAX_COMBINATIONS UINT64CONST(0xffffffff)
extern uint64 pf_search_size(const PfSearch *search);
extern PfTrial *pf_search_trial(const PfSearch *search, uint64 number);

#endif							/* PF_SEARCH_H */

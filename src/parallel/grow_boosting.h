/*
 * grow_boosting.h
 *	  Boosted trees grown by this backend and parallel workers.
 */
#ifndef PF_GROW_BOOSTING_H
#define PF_GROW_BOOSTING_H

#include "postgres.h"
#include "engine/boost/boost.h"

/*
 * All rounds.  The same trees for any number of workers, also for none.  The
 * matrix's bins may be gone after it (NULL then).  Memory: the current context.
 */
extern void pf_grow_boosting(PfMatrix *matrix, const PfBoostParams *params, PfBoosted *result);

#endif							/* PF_GROW_BOOSTING_H */

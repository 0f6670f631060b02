/*
 * pgenv.h
 *	  The engine's environment inside PostgreSQL.
 */
#ifndef PF_PGENV_H
#define PF_PGENV_H

#include "postgres.h"

#include <signal.h>

#include "miscadmin.h"
#include "engine/env.h"

/*
 * An environment that allocates in the given context (and lives there itself), takes
 * more than 1 GB at a time, and serves interrupts.
 */
extern const PfEnv *pf_pg_env(MemoryContext context);

/* Can so much dynamic shared memory be had?  Never an error. */
extern bool pf_has_shared_memory(Size size);

/*
 * Something to do between two steps of long work, besides serving interrupts: the
 * handler of a timer sets pf_due, and the next check calls pf_when_due.  As long as
 * nothing is due that costs the read of one variable.
 */
extern volatile sig_atomic_t pf_due;
extern void (*pf_when_due) (void);

static inline void
pf_check_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
	if (unlikely(pf_due))
		pf_when_due();
}

#endif							/* PF_PGENV_H */

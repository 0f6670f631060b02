/*
 * pgenv.h
 *	  The engine's environment inside PostgreSQL.
 */
#ifndef PF_PGENV_H
#define PF_PGENV_H

#include "postgres.h"
#include "engine/env.h"

/*
 * An environment that allocates in the given context (and lives there itself), takes
 * more than 1 GB at a time, and serves interrupts.
 */
extern const PfEnv *pf_pg_env(MemoryContext context);

/* Can so much dynamic shared memory be had?  Never an error. */
extern bool pf_has_shared_memory(Size size);

#endif							/* PF_PGENV_H */

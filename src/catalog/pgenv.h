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

#endif							/* PF_PGENV_H */

/*
 * pgenv.c
 *	  The engine's environment inside PostgreSQL: a memory context and
 *	  CHECK_FOR_INTERRUPTS.
 *
 * Out of memory and interrupts leave by ereport, straight through the engine's
 * frames; that is safe because the engine keeps nothing outside the memory that it
 * got here, and that memory goes with its context.
 */
#include "postgres.h"

#include "catalog/pgenv.h"
#include "miscadmin.h"
#include "utils/memutils.h"

static void *
env_alloc(void *arg, size_t size)
{
	return MemoryContextAllocExtended((MemoryContext) arg, size, MCXT_ALLOC_HUGE);
}

static void *
env_resize(void *arg, void *ptr, size_t size)
{
	if (ptr == NULL)
		return env_alloc(arg, size);
	return repalloc_huge(ptr, size);
}

static void
env_release(void *arg, void *ptr)
{
	if (ptr != NULL)
		pfree(ptr);
}

static void
env_check(void *arg)
{
	CHECK_FOR_INTERRUPTS();
}

const PfEnv *
pf_pg_env(MemoryContext context)
{
	PfEnv	   *env = MemoryContextAlloc(context, sizeof(PfEnv));

	env->alloc = env_alloc;
	env->resize = env_resize;
	env->release = env_release;
	env->check = env_check;
	env->arg = context;
	return env;
}

/*
 * pgenv.c
 *	  The engine's environment inside PostgreSQL: a memory context and
 *	  CHECK_FOR_INTERRUPTS; and what shared memory there is.
 *
 * Out of memory and interrupts leave by ereport, straight through the engine's
 * frames; that is safe because the engine keeps nothing outside the memory that it
 * got here, and that memory goes with its context.
 */
#include "postgres.h"

#include <sys/statvfs.h>

#include "catalog/pgenv.h"
#include "storage/dsm_impl.h"
#include "utils/memutils.h"

volatile sig_atomic_t pf_due = false;
void		(*pf_when_due) (void) = NULL;

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
	pf_check_interrupts();
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

/*
 * Would so much shared memory be had?  POSIX shared memory is a file system
 * that a container may have made small; asking first lets us go on alone,
 * where a failed allocation would be an error.
 */
bool
pf_has_shared_memory(Size size)
{
#ifdef USE_DSM_POSIX
	struct statvfs room;

	if (dynamic_shared_memory_type == DSM_IMPL_POSIX &&
		statvfs("/dev/shm", &room) == 0 && room.f_blocks > 0)
		return (double) room.f_bavail * room.f_frsize > (double) size * 1.1;
#endif
	return true;
}

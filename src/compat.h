/*
 * compat.h
 *	  The one place that knows which PostgreSQL this is.
 *
 * pgforest is one source for PostgreSQL 15 to 18.  What differs between them and
 * is used by us gets its guard here, under the name that the newest version has;
 * no other file looks at PG_VERSION_NUM.
 */
#ifndef PF_COMPAT_H
#define PF_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "pgforest needs PostgreSQL 15 or newer"
#endif

/* 18 lets a module say its name and version, which pg_get_loaded_modules() shows. */
#if PG_VERSION_NUM >= 180000
#define PF_MODULE_MAGIC(name_, version_) \
	PG_MODULE_MAGIC_EXT(.name = (name_), .version = (version_))
#else
#define PF_MODULE_MAGIC(name_, version_) PG_MODULE_MAGIC
#endif

/* 18 writes "does not return" before a declaration, as C11 does, and only so. */
#if PG_VERSION_NUM < 180000 && !defined(pg_noreturn)
#define pg_noreturn _Noreturn
#endif

/* 16 took what reads and sets varlena headers out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 17 has a function that makes search_path safe for the rest of a GUC nest level. */
#if PG_VERSION_NUM < 170000
#include "utils/guc.h"

static inline void
RestrictSearchPath(void)
{
	set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET,
					  PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}
#endif

/* 17 made the number of a backend's process a global of its own. */
#if PG_VERSION_NUM < 170000
#define MyProcNumber (MyProc->pgprocno)
#endif

/* 16 says in the name that backends are looked at by their place in a list. */
#if PG_VERSION_NUM < 160000
#define pgstat_get_local_beentry_by_index pgstat_fetch_stat_local_beentry
#endif

/* Before 18 the executor wants to know that a plan is run once only. */
#if PG_VERSION_NUM >= 180000
#define PF_EXECUTOR_RUN(desc) ExecutorRun(desc, ForwardScanDirection, 0)
#else
#define PF_EXECUTOR_RUN(desc) ExecutorRun(desc, ForwardScanDirection, 0, true)
#endif

/* 17 gives a set of things to wait for to a resource owner; ours end with a memory context. */
#if PG_VERSION_NUM >= 170000
#define PF_CREATE_WAIT_EVENT_SET(context, n) CreateWaitEventSet(NULL, n)
#else
#define PF_CREATE_WAIT_EVENT_SET(context, n) CreateWaitEventSet(context, n)
#endif

/* 17 lets us name what a session waits for. */
#if PG_VERSION_NUM >= 170000
#define PF_WAIT_EVENT_NEW(name) WaitEventExtensionNew(name)
#else
#define PF_WAIT_EVENT_NEW(name) PG_WAIT_EXTENSION
#endif

#endif							/* PF_COMPAT_H */

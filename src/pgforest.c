/*
 * pgforest.c
 *	  What happens when the library is loaded: settings and hooks; nothing else.
 */
#include "postgres.h"

#include <limits.h>

#include "fmgr.h"
#include "postmaster/bgworker_internals.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "load/scan.h"
#include "predict/plan.h"
#include "predict/usage.h"
#include "progress/progress.h"
#include "settings.h"

PF_MODULE_MAGIC("pgforest", "1.0");

int			pf_train_workers = -1;
int			pf_train_memory = 1024 * 1024;
int			pf_model_cache_size = 256 * 1024;
int			pf_progress_interval = 5000;
double		pf_capture_sample_rate = 1;
int			pf_capture_retention = 90 * HOURS_PER_DAY * MINS_PER_HOUR;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	DefineCustomIntVariable("pgforest.capture_retention",
							"Sets the time that captured requests are kept.",
							"ml_expire_predictions removes older ones; ml_capture sets it for one model. 0 means for ever.",
							&pf_capture_retention,
							90 * HOURS_PER_DAY * MINS_PER_HOUR, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_MIN,
							NULL, NULL, NULL);
	DefineCustomRealVariable("pgforest.capture_sample_rate",
							 "Sets the share of requests to ml_infer that are captured.",
							 "ml_capture sets it for one model. 0 means none.",
							 &pf_capture_sample_rate,
							 1, 0, 1,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("pgforest.model_cache_size",
							"Sets the memory that a session may use for decoded models.",
							"The models used last stay; one that is in use always does.",
							&pf_model_cache_size,
							256 * 1024, 0, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB,
							NULL, NULL, NULL);
	DefineCustomIntVariable("pgforest.progress_interval",
							"Sets the time between two notices of a training on how far it is.",
							"0 means no notices.",
							&pf_progress_interval,
							5000, 0, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS,
							NULL, NULL, NULL);
	DefineCustomIntVariable("pgforest.train_memory",
							"Sets the memory that a training may use.",
							"A source whose values need more is read twice, and as many workers are used as it allows. "
							"The model is the same either way. Rows that do not fit are an error, also where "
							"ml_evaluate, ml_promote and the like measure on a source.",
							&pf_train_memory,
							1024 * 1024, 64, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB,
							NULL, NULL, NULL);
	DefineCustomIntVariable("pgforest.train_workers",
							"Sets the number of parallel workers that a training may use.",
							"-1 means max_parallel_maintenance_workers. The model is the same with any number.",
							&pf_train_workers,
							-1, -1, MAX_PARALLEL_WORKER_LIMIT,
							PGC_USERSET, 0,
							NULL, NULL, NULL);
	MarkGUCPrefixReserved("pgforest");

	pf_scan_init();
	pf_plan_init();
	pf_usage_init();
	pf_progress_init();
}

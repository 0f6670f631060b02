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
#include "net/url.h"
#include "predict/plan.h"
#include "predict/usage.h"
#include "progress/progress.h"
#include "settings.h"

PF_MODULE_MAGIC("pgforest", "1.0");

int			pf_train_workers = -1;
int			pf_train_memory = 1024 * 1024;
int			pf_model_cache_size = 256 * 1024;
int			pf_progress_interval = 5000;
int			pf_alert_cooldown = 3600;
int			pf_alert_retention = 90 * HOURS_PER_DAY * MINS_PER_HOUR;
int			pf_alert_retry = 3 * HOURS_PER_DAY * MINS_PER_HOUR;
int			pf_alert_timeout = 10000;
char	   *pf_url_allowed = NULL;
char	   *pf_url_ca_file = NULL;
int			pf_url_max_size = 16 * 1024 * 1024;
int			pf_url_max_time = 3600;
int			pf_url_timeout = 30000;
double		pf_capture_sample_rate = 1;
int			pf_capture_retention = 90 * HOURS_PER_DAY * MINS_PER_HOUR;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	DefineCustomIntVariable("pgforest.alert_cooldown",
							"Sets the time after which an alert that is still raised is told again.",
							"0 means each time that it is raised.",
							&pf_alert_cooldown,
							3600, 0, INT_MAX,
							PGC_USERSET, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("pgforest.alert_retention",
							"Sets how long the log of deliveries is kept.",
							NULL,
							&pf_alert_retention,
							90 * HOURS_PER_DAY * MINS_PER_HOUR, 60, INT_MAX,
							PGC_SUSET, GUC_UNIT_MIN,
							NULL, NULL, NULL);
	DefineCustomIntVariable("pgforest.alert_retry",
							"Sets the time after which a message that cannot be delivered is given up.",
							NULL,
							&pf_alert_retry,
							3 * HOURS_PER_DAY * MINS_PER_HOUR, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_MIN,
							NULL, NULL, NULL);
	DefineCustomIntVariable("pgforest.alert_timeout",
							"Sets the time that the delivery of one message may take.",
							NULL,
							&pf_alert_timeout,
							10000, 100, 600000,
							PGC_SUSET, GUC_UNIT_MS,
							NULL, NULL, NULL);
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
	DefineCustomStringVariable("pgforest.url_allowed",
							   "Lists the beginnings of the URLs that may be read from and posted to.",
							   "Separated by commas or blanks: https://example.org/data, http://localhost:8080. "
							   "A path matches whole steps of a path. Empty means none.",
							   &pf_url_allowed,
							   "",
							   PGC_SUSET, 0,
							   pf_url_check_allowed, NULL, NULL);
	DefineCustomStringVariable("pgforest.url_ca_file",
							   "Names a file of certificates that servers are verified by.",
							   "Empty means those of the system.",
							   &pf_url_ca_file,
							   "",
							   PGC_SUSET, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);
	DefineCustomIntVariable("pgforest.url_max_size",
							"Sets the size that the content of a URL may have.",
							"As sent and as unpacked.",
							&pf_url_max_size,
							16 * 1024 * 1024, 1, INT_MAX,
							PGC_SUSET, GUC_UNIT_KB,
							NULL, NULL, NULL);
	DefineCustomIntVariable("pgforest.url_max_time",
							"Sets the time that may be spent waiting for the content of a URL, in all.",
							NULL,
							&pf_url_max_time,
							3600, 1, INT_MAX / 1000,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("pgforest.url_timeout",
							"Sets the time after which a server that sends nothing is given up.",
							NULL,
							&pf_url_timeout,
							30000, 100, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS,
							NULL, NULL, NULL);
	MarkGUCPrefixReserved("pgforest");

	pf_scan_init();
	pf_plan_init();
	pf_usage_init();
	pf_progress_init();
}

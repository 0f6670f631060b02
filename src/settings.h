/*
 * settings.h
 *	  The settings (GUCs); defined in pgforest.c.
 */
#ifndef PF_SETTINGS_H
#define PF_SETTINGS_H

extern int	pf_train_workers;		/* -1: as max_parallel_maintenance_workers */
extern int	pf_train_memory;		/* kB */
extern int	pf_model_cache_size;	/* kB */
extern int	pf_progress_interval;	/* ms; 0: no notices */
extern int	pf_alert_cooldown;		/* s */
extern int	pf_alert_retention;		/* min; of the log */
extern int	pf_alert_retry;			/* min; how long delivery is tried */
extern int	pf_alert_timeout;		/* ms; of one delivery */
extern char *pf_url_allowed;		/* prefixes */
extern char *pf_url_ca_file;		/* empty: the system's */
extern int	pf_url_max_size;		/* kB */
extern int	pf_url_max_time;		/* s; of waiting in all */
extern int	pf_url_timeout;			/* ms; of silence */

extern double pf_capture_sample_rate;
extern int	pf_capture_retention;	/* minutes; 0: for ever */

#endif							/* PF_SETTINGS_H */

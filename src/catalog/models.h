/*
 * models.h
 *	  Models, versions and aliases in our tables: the only code that writes them.
 *
 * Reads go straight to the heap through an index under the caller's active
 * snapshot (no SPI: allowed in parallel workers and on a standby); rights are
 * checked here, by us, for the current user.  Writes switch to the extension's
 * owner around one fixed, fully qualified statement; no user expression runs
 * while switched.
 */
#ifndef PF_CATALOG_MODELS_H
#define PF_CATALOG_MODELS_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "engine/model/encode.h"
#include "engine/measure/measure.h"
#include "engine/measure/profile_bytes.h"

/* Rights on a model; the owner (and members of that role, and superusers) has all. */
#define PF_RIGHT_PREDICT	0x01
#define PF_RIGHT_TRAIN		0x02
#define PF_RIGHT_PROMOTE	0x04
#define PF_RIGHT_OWNER		0x08

typedef struct PfModelInfo
{
	int64		id;
	char	   *name;
	char	   *task;
	char	   *target;
	char	   *owner;
	int32		last_version;	/* number given last; it may have been dropped */
	uint32		rights;			/* of the current user */
} PfModelInfo;

typedef struct PfVersionInfo
{
	PfModelInfo model;
	int32		version;
	uint8		sha256[32];
	int64		nbytes;			/* of the stored model */
	char	   *algorithm;
	char	   *query;			/* the stored source */
	char	   *target;
	char	   *weight;			/* or NULL */
	char	   *split;			/* split column, or NULL */
	char	   *trained_by;		/* role that stored the query */
	char	  **identity;		/* hash columns */
	int			nidentity;
	double		holdout;
	uint64		fingerprint[2];
	char	   *metric;			/* or NULL */
	double		score;			/* NaN: none */
	Jsonb	   *recipe;			/* document of the one it carries, or NULL */
} PfVersionInfo;

/* A reference in its parts: 'name', 'name@3', 'name@alias'. */
typedef struct PfReference
{
	char	   *model;
	int32		version;		/* 0: by alias */
	char	   *alias;			/* NULL when a version is given; 'production' when neither */
	bool		bare;			/* neither version nor alias was written */
} PfReference;

extern PfReference *pf_reference_parse(const char *text);

/*
 * What is read is allocated in the current context.
 *
 * The model of that name under the active snapshot; false when there is none.
 */
extern bool pf_catalog_model(const char *name, PfModelInfo *info);
/* The rights of the current role on the model with that number; none when there is no such model. */
extern uint32 pf_catalog_rights(int64 model);

/* Errors: undefined_object (hint: nearest name), insufficient_privilege. */
extern void pf_catalog_need_model(const char *name, uint32 right, PfModelInfo *info);

/*
 * The version that a reference names now, under the active snapshot, with the right
 * checked.  Errors: undefined_object (no such model, version, alias; with hints),
 * object_not_in_prerequisite_state (no production version yet), insufficient_privilege.
 */
extern void pf_catalog_resolve(const char *reference, uint32 right, PfVersionInfo *info);
extern bool pf_catalog_version(const PfModelInfo *model, int32 version, PfVersionInfo *info);

/* What a version was trained with, beside what is in PfVersionInfo. */
typedef struct PfTrained
{
	Jsonb	   *params;
	int64		seed;
	int64		rows;
	int32		features;
	char	   *trained_at;		/* as text */
	char	   *note;			/* or NULL */
} PfTrained;

extern void pf_catalog_trained(const PfVersionInfo *version, PfTrained *trained);

/* Error wrong_object_type when a version of another task would be added to the model. */
extern void pf_catalog_need_task(const PfModelInfo *model, const char *task);

/*
 * May the current role run SQL text that `role` stored?  Only a member of that role may (being a
 * superuser is not enough: it would run somebody's text with all rights).  Else error with the
 * hint to pass source.
 */
extern void pf_catalog_may_run(const char *role);
extern bool pf_catalog_is_trusted(const char *role);

/* Has the current role the privileges of that one?  No, when there is none of that name. */
extern bool pf_has_role(const char *role);

/* ----- decoded models (cache.c), and how long an answer holds (moment.c) ----- */

typedef struct PfCached PfCached;

/*
 * The decoded model with that hash, pinned: from this backend's cache, or read and
 * decoded (data_corrupted when the bytes are not a model).  Bounded by
 * pgforest.model_cache_size; pinned ones are never dropped.
 */
extern PfCached *pf_cache_pin(const PfVersionInfo *version);
extern const PfModel *pf_cached_model(const PfCached *cached);
extern void pf_cache_unpin(PfCached *cached);

/*
 * A token that changes whenever an answer read under the active snapshot may no longer
 * hold: fill once, compare at each call (a few ns).  See moment.c for why it suffices.
 */
typedef struct PfMoment
{
	uint64		generation;		/* of this backend's ends of transactions; 0: never holds */
	TransactionId xmin,
				xmax;
	CommandId	curcid;
	uint32		xcnt;
	int32		subxcnt;
	Oid			user;			/* rights were checked for this role */
} PfMoment;

extern void pf_moment_now(PfMoment *moment);
extern bool pf_moment_holds(const PfMoment *moment);

/* ----- writing ----- */

/* The time that a monitor's measurement is of. */
typedef struct PfWindow
{
	int64		monitor;
	TimestampTz from;			/* DT_NOBEGIN: all there was */
	TimestampTz until;
} PfWindow;

/* A measured set of a version: 'validation', 'test', 'oob', 'source'; of a monitor 'window' or 'estimated'. */
typedef struct PfMeasured
{
	const char *set;
	const PfWindow *window;		/* or NULL */
	int64		rows;
	PfMetrics	metrics;
	uint32		nclasses;
	char	  **classes;		/* may be more than the model's: labels it does not know */
	uint64	   *confusion;		/* nclasses x nclasses, or NULL */
	PfCurve    *curves;			/* nclasses, or NULL */
} PfMeasured;

typedef struct PfNewVersion
{
	const char *model;
	const char *task;			/* classification | regression */
	const char *algorithm;
	const char *target;
	const char *query;
	const char *weight;			/* or NULL */
	const char *split;			/* or NULL */
	int			ncolumns;
	char	  **columns;		/* feature columns */
	char	  **column_types;
	int			nclasses;
	char	  **classes;
	int			nidentity;
	char	  **identity;
	double		holdout;
	Jsonb	   *params;			/* with defaults filled in */
	Jsonb	   *arguments;		/* features/exclude/key as given, for repeating the training */
	int64		seed;
	const char *note;			/* or NULL */
	int64		rows;			/* trained on */
	int32		features;
	const char *metric;
	double		score;			/* NaN: none */
	uint64		fingerprint[2];
	PfEncoded	encoded;		/* its bytes: the header, and in scratch the rest */
	const PfScratch *scratch;
	double		seconds;
	Jsonb	   *stage_seconds;
	Jsonb	   *fit;			/* how it ended, or NULL: see the column's comment */

	/* NULL, or sets the two above when all is stored but them and what describes the version */
	void		(*take_times) (struct PfNewVersion *version, void *arg);
	void	   *take_times_arg;

	int			nmeasured;
	PfMeasured *measured;
	const char *kind;			/* of the run; NULL: train */
	Jsonb	   *recipe;			/* or NULL */
	const uint8 *baseline;		/* what its rows were like, see engine/measure/profile.h */
	Size		nbaseline;
} PfNewVersion;

/* What a tuning tried, on one fold. */
typedef struct PfTrialRow
{
	int32		trial;
	int32		rung;
	int32		fold;
	const char *algorithm;
	Jsonb	   *params;			/* as the search gave them */
	double		share;			/* of the training rows */
	const char *metric;
	double		score;			/* NaN: none */
	int64		train_rows;
	int64		rows;
	double		seconds;
	bool		stopped;		/* the seconds of the search were over */
	ErrorData  *error;			/* NULL: it succeeded, if it was not stopped */
} PfTrialRow;

/*
 * Stores a version: model row made when it is the first (owner: current user),
 * the number taken last under the model's row lock, bytes in chunks, metrics, confusion,
 * curves and a row in run.  Rights (TRAIN on an existing model), an existing model of another
 * task, and names were checked by the caller before training and are checked again here under
 * the lock.  Returns the version's number.
 */
extern int32 pf_catalog_add_version(PfNewVersion *version, uint8 *sha256_out);

/* The trials (PfTrialRow *) that led to a version, right after it was added. */
extern void pf_catalog_add_trials(const char *model, int32 version, List *rows);

/*
 * What was measured of a version at training, one entry a set in the order in which they were
 * stored; curves are left out (NULL) unless asked for.  Returns their number.
 */
extern int	pf_catalog_measured(const PfVersionInfo *version, bool curves,
								PfMeasured **measured);

/*
 * The baseline of a version, decoded; false when it has none.  Error data_corrupted when it is
 * not one of this model.  Memory: env's.
 */
extern bool pf_catalog_baseline(const PfEnv *env, const PfVersionInfo *version,
								const PfModel *model, PfFrame **frames, PfProfile *profile);

/* The SQL types that the feature columns had at training, in the order of the columns. */
extern int	pf_catalog_column_types(const PfVersionInfo *version, char ***types);

/*
 * A measurement made later, with a source.  Does nothing where the transaction may not write
 * (read only, on a standby, in parallel mode).
 */
extern void pf_catalog_add_measured(const PfVersionInfo *version, const PfMeasured *measured,
									const char *source);

/*
 * The rules for names of models (1 to 63 bytes, no '@', no control characters, not all blank) and of
 * aliases ([a-z_][a-z0-9_]* up to 63 bytes); error invalid_name when broken.
 */
extern void pf_check_model_name(const char *name);
extern void pf_check_name(const char *what, const char *name);	/* the same of a recipe, ... */
extern void pf_check_alias_name(const char *alias);

/*
 * Begins a call that is VOLATILE: it sees all that was done before it, in its own statement too,
 * as volatile functions in other languages do, so that ml_train and ml_promote can be
 * called in one.  The caller ends with PopActiveSnapshot().
 */
extern void pf_push_new_snapshot(void);

/*
 * Locks the model's row until the end of the transaction: no alias of it moves, no version
 * comes or goes meanwhile.  Checks the right again and fills *info as of now.  A snapshot
 * taken before may be older than what was waited for: push a new one (GetTransactionSnapshot)
 * to read what is true under the lock.
 */
extern void pf_catalog_lock(const char *name, uint32 right, PfModelInfo *info);

/*
 * Moves (or makes) an alias, with its history row; previous version or 0 in *previous.  Takes the
 * lock above.  An alias that names the version already is left as it is, without a history row.
 * Errors: undefined_object (the model or version is gone), insufficient_privilege.
 */
extern void pf_catalog_set_alias(const PfModelInfo *model, const char *alias, int32 version,
								 const char *action, const char *reason, int32 *previous);

/*
 * Moves an alias back to the version before, like popping a stack: a second call goes back one
 * more.  Versions that have been dropped are passed over.  Errors: undefined_object (no such
 * alias), object_not_in_prerequisite_state (nothing to go back to).
 */
extern void pf_catalog_rollback(const PfModelInfo *model, const char *alias, const char *reason,
								int32 *version, int32 *previous);

#endif							/* PF_CATALOG_MODELS_H */

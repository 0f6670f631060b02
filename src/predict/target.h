/*
 * target.h
 *	  The table that scores are written to.
 */
#ifndef PF_PREDICT_TARGET_H
#define PF_PREDICT_TARGET_H

#include "postgres.h"
#include "nodes/pg_list.h"
#include "storage/lockdefs.h"

/* What is written beside the key. */
#define PF_SCORE_COLUMNS 5
extern const char *const pf_score_columns[PF_SCORE_COLUMNS];

/* Error duplicate_column when the key names a column twice, or one that the scores need. */
extern void pf_score_check_key(const List *key);

/*
 * The table of that name, locked, or InvalidOid when it is to be made; *quoted becomes its name
 * with the schema.  Errors: wrong_object_type when it is no table, insufficient_privilege
 * when the caller may not add rows to it, or make it; undefined_column when it lacks columns.
 * Memory: the current context.
 */
extern Oid	pf_score_target(text *name, const List *key, LOCKMODE lock, char **quoted);

#endif							/* PF_PREDICT_TARGET_H */

/*
 * move.h
 *	  A version as text that another database can take over: all that the tables say of it.
 */
#ifndef PF_CATALOG_MOVE_H
#define PF_CATALOG_MOVE_H

#include "catalog/models.h"

/*
 * Everything about a version but its bytes, as the text of one JSON object of sections: "model",
 * "version", "metrics", "confusion", "curves", "recipe", "baseline" and "origin", each of the columns that the tables have, by
 * name; and "exported": where, by whom, when.
 */
extern char *pf_catalog_describe(const PfVersionInfo *version);

/* The stored bytes of a version in one piece, checked against their SHA-256. */
extern uint8 *pf_catalog_bytes(const PfVersionInfo *version);

extern void pf_catalog_sha256(const uint8 *bytes, Size size, uint8 *out);

typedef struct PfImport
{
	const char *model;			/* name that it gets here */
	const char *task;
	const char *target;
	Jsonb	   *sections;		/* as above, checked to belong to the bytes */
	const char *note;			/* instead of its own; or NULL */
	const uint8 *bytes;
	Size		nbytes;
	double		seconds;
} PfImport;

/*
 * Stores it as a new version of a model, which is made when there is none: the current role is
 * the owner then, and must have the right to train otherwise.  Returns its number.
 */
extern int32 pf_catalog_import(const PfImport *import);

#endif							/* PF_CATALOG_MOVE_H */

/*
 * history.h
 *	  Which version an alias names.
 */
#ifndef PF_HISTORY_H
#define PF_HISTORY_H

#include "catalog/models.h"

/* The version that an alias names under the active snapshot; 0: no such alias. */
extern int32 pf_catalog_alias(const PfModelInfo *model, const char *alias);

#endif							/* PF_HISTORY_H */

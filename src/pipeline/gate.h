/*
 * gate.h
 *	  The conditions under which a new version goes to production.
 */
#ifndef PF_GATE_H
#define PF_GATE_H

#include "postgres.h"
#include "catalog/models.h"

typedef struct PfGate
{
	char	   *promote;		/* if_better, always, never */
	char	   *alias;			/* NULL: production */
	char	   *metric;			/* NULL: by the task */
	double		threshold;		/* NaN: none, as below */
	double		max_regression;
	int64		min_rows;		/* -1: none */
	List	   *by;
	char	   *source;			/* rows to measure on; NULL: the held-out ones */
	double		confidence;
	char	   *note;
} PfGate;

/*
 * Errors for what ml_promote would not take, before anything is trained for it.  held_out: the
 * training will hold rows out to measure on.
 */
extern void pf_gate_check(const PfGate *gate, PfTask task, bool held_out);

/*
 * The call that lets the alias name the best of these versions (a list of int), if all
 * conditions hold: with if_better only when it beats the one there.
 */
extern char *pf_gate_statement(const PfGate *gate, const char *schema, const char *model,
							   List *versions, bool if_better);

#endif							/* PF_GATE_H */

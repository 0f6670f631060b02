/*
 * plan.h
 *	  Parallel plans for predictions over small tables.
 */
#ifndef PF_PLAN_H
#define PF_PLAN_H

/* Called once, by _PG_init. */
extern void pf_plan_init(void);

#endif							/* PF_PLAN_H */

/*
 * plan.c
 *	  Parallel plans for predictions over small tables.
 *
 * The planner counts pages when it decides whether a table is worth several
 * processes: below min_parallel_table_scan_size (8 MB) it does not try.  For
 * predictions the rows count, not the pages: 18,000 rows of a few numbers are
 * 2 MB to read and a noticeable time to predict.  So where a scan is to compute
 * predictions, a parallel scan is offered as well, with a number of workers that
 * follows from the cost of the calls; the planner chooses by cost, and all its own
 * rules (parallel safety, max_parallel_workers_per_gather, the table's
 * parallel_workers) hold.
 *
 * ml_predict_support is the planner's support function of the calls.  It
 * answers no request: that the planner asks it is what loads this library before
 * paths are made, in a session that has not predicted yet.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "predict/plan.h"
#include "utils/lsyscache.h"

static set_rel_pathlist_hook_type next_hook = NULL;

static void offer_parallel_scan(PlannerInfo *root, RelOptInfo *rel, Index rti,
								RangeTblEntry *rte);
static bool predicts(Node *node, void *context);
static bool is_prediction(Oid function, void *context);
static int	count_workers(double calls);

PG_FUNCTION_INFO_V1(ml_predict_support);

Datum
ml_predict_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(NULL);
}

void
pf_plan_init(void)
{
	next_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = offer_parallel_scan;
}

static void
offer_parallel_scan(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
	double		calls = 0;		/* of predicting functions, at most one a row and clause */
	ListCell   *lc;
	int			workers;

	if (next_hook)
		next_hook(root, rel, rti, rte);

	/* only where the planner could have made one, but saw too few pages */
	if (!rel->consider_parallel || rel->partial_pathlist != NIL ||
		rel->reloptkind != RELOPT_BASEREL || rel->rel_parallel_workers >= 0 ||
		rte->rtekind != RTE_RELATION || rte->tablesample != NULL ||
		(rte->relkind != RELKIND_RELATION && rte->relkind != RELKIND_MATVIEW) ||
		rel->lateral_relids != NULL || count_workers(rel->tuples) == 0)
		return;

	foreach(lc, rel->baserestrictinfo)
		if (predicts((Node *) lfirst_node(RestrictInfo, lc)->clause, NULL))
			calls += rel->tuples;

	/* a select list is computed below the Gather when it is parallel safe */
	if (bms_membership(root->all_baserels) != BMS_MULTIPLE &&
		predicts((Node *) root->parse->targetList, NULL))
		calls += rel->rows;

	workers = count_workers(calls);
	if (workers > 0)
		add_partial_path(rel, create_seqscan_path(root, rel, NULL, workers));
}

static bool
predicts(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, is_prediction, context))
		return true;
	return expression_tree_walker(node, predicts, context);
}

/* Is the function one of ours, by the support function that it names? */
static bool
is_prediction(Oid function, void *context)
{
	RegProcedure support = get_func_support(function);
	FmgrInfo	flinfo;

	if (!OidIsValid(support))
		return false;
	fmgr_info(support, &flinfo);
	return flinfo.fn_addr == ml_predict_support;
}

/* What the functions are declared with in SQL. */
#define PREDICTION_COST 1000

/*
 * One worker when the predictions cost ten times what starting workers does,
 * and one more each time that triples, as the planner does with pages.
 */
static int
count_workers(double calls)
{
	double		cost = calls * PREDICTION_COST * cpu_operator_cost;
	double		threshold = 10 * Max(parallel_setup_cost, 1);
	int			workers = 0;

	while (cost >= threshold && workers < max_parallel_workers_per_gather)
	{
		workers++;
		threshold *= 3;
	}
	return workers;
}

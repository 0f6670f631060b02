/*
 * scan.c
 *	  Runs a source's query and hands on its rows.
 *
 * The query is planned and run as COPY (query) TO does it: by PostgreSQL's parser,
 * planner and executor, as the current user, under the active snapshot.
 *
 * A shared scan.  PostgreSQL's Gather brings the rows of its workers to the leader one by
 * one, which costs more than all that a load does with them.  So when the plan is
 * Gather over a scan, a node of ours goes between the two: it takes the rows in the
 * process that found them and gives none to Gather.
 *
 *		Gather
 *		  -> Custom Scan (pgforest load)		takes every row
 *			   -> Parallel Seq Scan, or whatever the planner chose
 *
 * Columns that are asked for by their names only need no projection: where the plan is a scan of one
 * table, the scan gives the row as it is stored, and the columns are picked from it; without taking it
 * apart, when all columns up to the last one have fixed lengths and none is null.
 *
 * Memory: the plan lives as long as the PfScan; the executor's goes when a run ends.
 * Locks: those that PostgreSQL takes on the tables, kept to the end of the transaction.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tupmacs.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "jit/jit.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "parser/parser.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "catalog/pgenv.h"
#include "compat.h"
#include "load/scan.h"

#define NODE_NAME		"pgforest load"
#define NODE_NUMBER		PG_INT32_MAX	/* no planner counts so far */

struct PfScan
{
	char	   *sql;
	PlannedStmt *plan;
	bool		shared;
	List	   *picked;			/* see pick_columns; of a shared scan its node has them */
};

/* Where a column lies in every row that has no nulls. */
typedef struct Field
{
	int			offset;
	int16		length;
	bool		by_value;
} Field;

/* Who gets rows, and how. */
typedef struct Taker
{
	MemoryContext context;		/* of a row */
	PfRowCallback callback;
	void	   *arg;
	int			npicked;		/* 0: a row is as it was asked for */
	AttrNumber	last;			/* of the columns picked */
	AttrNumber *picked;
	Datum	   *values;
	bool	   *nulls;
	Field	   *fields;			/* of the columns picked; NULL: where they lie differs from row to row */
	bool	   *none;			/* no nulls */
} Taker;

typedef struct RowReceiver
{
	DestReceiver base;
	Taker		taker;
	uint64		rows;
} RowReceiver;

/* ----- a row at a time ----- */

static void
start_rows(DestReceiver *self, int operation, TupleDesc desc)
{
}

/* Finds the places of the columns picked, if no column before them is of varying length. */
static void
find_fields(Taker *taker, TupleDesc desc)
{
	Field	   *stored = palloc(taker->last * sizeof(Field));
	int			end = 0;

	for (int i = 0; i < taker->last; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (column->attlen <= 0)
		{
			pfree(stored);
			return;
		}
		stored[i].offset = att_align_nominal(end, column->attalign);
		stored[i].length = column->attlen;
		stored[i].by_value = column->attbyval;
		end = stored[i].offset + column->attlen;
	}
	taker->none = palloc0(taker->npicked * sizeof(bool));
	taker->fields = palloc(taker->npicked * sizeof(Field));
	for (int i = 0; i < taker->npicked; i++)
		taker->fields[i] = stored[taker->picked[i] - 1];
	pfree(stored);
}

/* Reads the columns picked right from a row; false when it has to be taken apart. */
static inline bool
read_fields(TupleTableSlot *slot, Taker *taker)
{
	HeapTuple	tuple;
	const char *data;

	if (taker->fields == NULL || !TTS_IS_BUFFERTUPLE(slot))
		return false;
	tuple = ((HeapTupleTableSlot *) slot)->tuple;
	if (HeapTupleHasNulls(tuple) || HeapTupleHeaderGetNatts(tuple->t_data) < taker->last)
		return false;
	data = (const char *) tuple->t_data + tuple->t_data->t_hoff;
	for (int i = 0; i < taker->npicked; i++)
	{
		const Field *field = &taker->fields[i];

		taker->values[i] = fetch_att(data + field->offset, field->by_value, field->length);
	}
	return true;
}

/* To pick columns of a table, in the current context. */
static void
start_picking(Taker *taker, const List *columns, TupleDesc desc)
{
	const ListCell *lc;

	if (columns == NIL)
		return;
	taker->picked = palloc(list_length(columns) * sizeof(AttrNumber));
	taker->values = palloc(list_length(columns) * sizeof(Datum));
	taker->nulls = palloc(list_length(columns) * sizeof(bool));
	foreach(lc, columns)
	{
		taker->picked[taker->npicked++] = lfirst_int(lc);
		taker->last = Max(taker->last, lfirst_int(lc));
	}
	find_fields(taker, desc);
}

/* One row to the callback; what it allocates is gone after it. */
static void
take_row(TupleTableSlot *slot, Taker *taker)
{
	Datum	   *values = slot->tts_values;
	bool	   *nulls = slot->tts_isnull;
	MemoryContext previous;

	pf_check_interrupts();
	if (taker->npicked == 0)
		slot_getallattrs(slot);
	else if (read_fields(slot, taker))
	{
		values = taker->values;
		nulls = taker->none;
	}
	else
	{
		slot_getsomeattrs(slot, taker->last);
		for (int i = 0; i < taker->npicked; i++)
		{
			taker->values[i] = values[taker->picked[i] - 1];
			taker->nulls[i] = nulls[taker->picked[i] - 1];
		}
		values = taker->values;
		nulls = taker->nulls;
	}
	previous = MemoryContextSwitchTo(taker->context);
	taker->callback(values, nulls, taker->arg);
	MemoryContextSwitchTo(previous);
	MemoryContextReset(taker->context);
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	RowReceiver *receiver = (RowReceiver *) self;

	take_row(slot, &receiver->taker);
	receiver->rows++;
	return true;
}

static void
end_rows(DestReceiver *self)
{
}

/* ----- the node that takes rows where they are found ----- */

/* What the leader's node is to do; set while an executor starts. */
static struct
{
	bool		set;
	PfRowCallback callback;
	void	   *arg;
	dsm_handle	segment;
}			leader;

typedef struct TakerState
{
	CustomScanState base;
	Taker		taker;
	dsm_handle	handle;
	bool		is_worker;
	bool		done;
} TakerState;

static Node *create_taker(CustomScan *node);
static void begin_taker(CustomScanState *node, EState *estate, int eflags);
static TupleTableSlot *run_taker(CustomScanState *node);
static void end_taker(CustomScanState *node);
static void rescan_taker(CustomScanState *node);
static Size estimate_taker(CustomScanState *node, ParallelContext *pcxt);
static void share_taker(CustomScanState *node, ParallelContext *pcxt, void *room);
static void reshare_taker(CustomScanState *node, ParallelContext *pcxt, void *room);
static void join_taker(CustomScanState *node, shm_toc *toc, void *room);

static const CustomScanMethods plan_methods = {
	.CustomName = NODE_NAME,
	.CreateCustomScanState = create_taker
};

static const CustomExecMethods run_methods = {
	.CustomName = NODE_NAME,
	.BeginCustomScan = begin_taker,
	.ExecCustomScan = run_taker,
	.EndCustomScan = end_taker,
	.ReScanCustomScan = rescan_taker,
	.EstimateDSMCustomScan = estimate_taker,
	.InitializeDSMCustomScan = share_taker,
	.ReInitializeDSMCustomScan = reshare_taker,
	.InitializeWorkerCustomScan = join_taker
};

static Node *
create_taker(CustomScan *node)
{
	TakerState *state = palloc0(sizeof(TakerState));

	state->base.ss.ps.type = T_CustomScanState;
	state->base.methods = &run_methods;
	return (Node *) state;
}

static void
begin_taker(CustomScanState *node, EState *estate, int eflags)
{
	TakerState *state = (TakerState *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;

	node->custom_ps = list_make1(ExecInitNode(linitial(plan->custom_plans), estate, eflags));
	state->taker.context = AllocSetContextCreate(CurrentMemoryContext, "pgforest row",
												 ALLOCSET_DEFAULT_SIZES);
	start_picking(&state->taker, plan->custom_private,
				  ExecGetResultType((PlanState *) linitial(node->custom_ps)));
	if (leader.set)
	{
		state->taker.callback = leader.callback;
		state->taker.arg = leader.arg;
		state->handle = leader.segment;
		leader.set = false;
	}
}

static TupleTableSlot *
run_taker(CustomScanState *node)
{
	TakerState *state = (TakerState *) node;
	PlanState  *child = linitial(node->custom_ps);
	TupleTableSlot *slot;

	if (state->done)
		return NULL;
	while (slot = ExecProcNode(child), !TupIsNull(slot))
		take_row(slot, &state->taker);
	state->done = true;
	if (state->is_worker)
		pf_team_leave(state->taker.arg);
	else
		pf_team_wait(state->taker.arg);
	return NULL;
}

static void
end_taker(CustomScanState *node)
{
	ExecEndNode(linitial(node->custom_ps));
}

/* Gather starts its child once: there is no rescan of a whole query. */
static void
rescan_taker(CustomScanState *node)
{
	elog(ERROR, "a load cannot be rescanned");
}

static Size
estimate_taker(CustomScanState *node, ParallelContext *pcxt)
{
	return sizeof(dsm_handle);
}

static void
share_taker(CustomScanState *node, ParallelContext *pcxt, void *room)
{
	*(dsm_handle *) room = ((TakerState *) node)->handle;
}

static void
reshare_taker(CustomScanState *node, ParallelContext *pcxt, void *room)
{
	rescan_taker(node);
}

static void
join_taker(CustomScanState *node, shm_toc *toc, void *room)
{
	TakerState *state = (TakerState *) node;
	dsm_segment *segment = dsm_attach(*(dsm_handle *) room);

	if (segment == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not map dynamic shared memory segment")));
	state->is_worker = true;
	state->taker.callback = pf_team_row;
	state->taker.arg = pf_team_join(segment);
}

void
pf_scan_init(void)
{
	RegisterCustomScanMethods(&plan_methods);
}

/* ----- planning ----- */

/* Says which query an error is in; a position is within it. */
static void
show_query(void *sql)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(sql);
	}
	else
		errcontext("SQL statement \"%s\"", (const char *) sql);
}

static void
push_query(ErrorContextCallback *callback, char *sql)
{
	callback->callback = show_query;
	callback->arg = sql;
	callback->previous = error_context_stack;
	error_context_stack = callback;
}

/* Nothing but scans of tables and what puts them together? */
static bool
is_plain_scan(Plan *plan)
{
	List	   *children = NIL;
	ListCell   *lc;

	if (plan == NULL)
		return true;
	if (plan->initPlan != NIL)
		return false;
	switch (nodeTag(plan))
	{
		case T_SeqScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapIndexScan:
		case T_BitmapHeapScan:
			break;
		case T_Result:
			if (outerPlan(plan) == NULL)
				return false;
			break;
		case T_BitmapAnd:
			children = ((BitmapAnd *) plan)->bitmapplans;
			break;
		case T_BitmapOr:
			children = ((BitmapOr *) plan)->bitmapplans;
			break;
		case T_Append:
			children = ((Append *) plan)->appendplans;
			break;
		case T_SubqueryScan:
			if (!is_plain_scan(((SubqueryScan *) plan)->subplan))
				return false;
			break;
		default:
			return false;
	}
	foreach(lc, children)
	{
		if (!is_plain_scan(lfirst(lc)))
			return false;
	}
	return is_plain_scan(outerPlan(plan)) && innerPlan(plan) == NULL;
}

/*
 * Has a scan of one table give rows as they are stored, if columns of it are all that it gives;
 * returns the numbers of these columns, or NIL and leaves it as it is.  A row that is
 * not as the table's descriptor has it would be put together anew, all of it.
 */
static List *
pick_columns(const PlannedStmt *plan, Plan *node)
{
	List	   *picked = NIL;
	List	   *stored = NIL;
	Index		scanned;
	Relation	relation;
	TupleDesc	desc;
	ListCell   *lc;

	if (!IsA(node, SeqScan))
		return NIL;
	scanned = ((Scan *) node)->scanrelid;
	foreach(lc, node->targetlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);
		Var		   *var = (Var *) entry->expr;

		if (entry->resjunk || !IsA(var, Var) || var->varno != (int) scanned || var->varattno <= 0)
			return NIL;
		picked = lappend_int(picked, var->varattno);
	}
	relation = table_open(rt_fetch(scanned, plan->rtable)->relid, NoLock);
	desc = RelationGetDescr(relation);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (column->attisdropped || column->atthasmissing ||
			(column->attgenerated != '\0' && column->attgenerated != ATTRIBUTE_GENERATED_STORED))
		{
			picked = NIL;
			break;
		}
		stored = lappend(stored,
						 makeTargetEntry((Expr *) makeVar(scanned, i + 1, column->atttypid,
														  column->atttypmod, column->attcollation, 0),
										 i + 1, NULL, false));
	}
	table_close(relation, NoLock);
	if (picked != NIL)
		node->targetlist = stored;
	return picked;
}

/* Puts our node between Gather and its child. */
static void
insert_taker(const PlannedStmt *plan)
{
	Plan	   *gather = plan->planTree;
	Plan	   *child = outerPlan(gather);
	CustomScan *node = makeNode(CustomScan);
	ListCell   *lc;

	node->scan.plan.startup_cost = child->startup_cost;
	node->scan.plan.total_cost = child->total_cost;
	node->scan.plan.plan_rows = child->plan_rows;
	node->scan.plan.plan_width = child->plan_width;
	node->scan.plan.parallel_aware = true;
	node->scan.plan.parallel_safe = true;
	node->scan.plan.plan_node_id = NODE_NUMBER;
	node->scan.plan.extParam = bms_copy(child->extParam);
	node->scan.plan.allParam = bms_copy(child->allParam);
	node->custom_plans = list_make1(child);
	node->methods = &plan_methods;

	/* rows of the child's types, though none is ever given on */
	foreach(lc, child->targetlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);
		Oid			type = exprType((Node *) entry->expr);
		int32		typmod = exprTypmod((Node *) entry->expr);
		Oid			collation = exprCollation((Node *) entry->expr);

		node->custom_scan_tlist =
			lappend(node->custom_scan_tlist,
					makeTargetEntry((Expr *) makeNullConst(type, typmod, collation),
									entry->resno, NULL, false));
		node->scan.plan.targetlist =
			lappend(node->scan.plan.targetlist,
					makeTargetEntry((Expr *) makeVar(INDEX_VAR, entry->resno, type, typmod,
													 collation, 0),
									entry->resno, NULL, false));
	}
	node->custom_private = pick_columns(plan, child);
	outerPlan(gather) = (Plan *) node;
}

/* The plan if rows cost nothing to hand over, as is so for those who take them where they are. */
static PlannedStmt *
plan_without_transfer(Query *query, const char *sql)
{
	int			level = NewGUCNestLevel();
	PlannedStmt *plan;

	set_config_option("parallel_tuple_cost", "0", PGC_USERSET, PGC_S_SESSION,
					  GUC_ACTION_SAVE, true, 0, false);
	plan = pg_plan_query(query, sql, CURSOR_OPT_PARALLEL_OK, NULL);
	AtEOXact_GUC(true, level);

	/* what is left for JIT is not worth the time in which every worker loads it */
	plan->jitFlags = PGJIT_NONE;
	return plan;
}

PfScan *
pf_scan_plan(const PfSource *source, List *columns, double share_from)
{
	PfScan	   *scan = palloc0(sizeof(PfScan));
	StringInfoData sql;
	ListCell   *lc;
	List	   *queries;
	Query	   *query;
	ErrorContextCallback callback;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT");
	foreach(lc, columns)
		appendStringInfo(&sql, "%s source.%s", foreach_current_index(lc) > 0 ? "," : "",
						 quote_identifier((const char *) lfirst(lc)));
	appendStringInfo(&sql, " FROM %s", source->from);
	scan->sql = sql.data;

	push_query(&callback, scan->sql);
	queries = pg_analyze_and_rewrite_fixedparams(linitial_node(RawStmt, raw_parser(sql.data, RAW_PARSE_DEFAULT)),
												 sql.data, NULL, 0, NULL);
	if (list_length(queries) != 1)
		elog(ERROR, "the source became %d queries", list_length(queries));
	query = linitial_node(Query, queries);
	/* a lone process had better read once */
	if (!isinf(share_from) && max_parallel_workers > 0 && !contain_volatile_functions((Node *) query))
	{
		/* the planner changes the query it is given */
		scan->plan = plan_without_transfer(copyObject(query), scan->sql);
		scan->shared = scan->plan->planTree->plan_rows >= share_from &&
			IsA(scan->plan->planTree, Gather) &&
			scan->plan->planTree->initPlan == NIL &&
			is_plain_scan(outerPlan(scan->plan->planTree));
	}
	if (!scan->shared)
	{
		scan->plan = pg_plan_query(query, scan->sql, CURSOR_OPT_PARALLEL_OK, NULL);
		scan->picked = pick_columns(scan->plan, scan->plan->planTree);
	}
	error_context_stack = callback.previous;
	return scan;
}

bool
pf_scan_is_shared(const PfScan *scan)
{
	return scan->shared;
}

double
pf_scan_rows(const PfScan *scan)
{
	return scan->plan->planTree->plan_rows;
}

/* ----- running ----- */

/* From the executor's start to its end. */
static void
run(const PfScan *scan, PlannedStmt *plan, RowReceiver *receiver)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgforest scan",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	QueryDesc  *desc;
	ErrorContextCallback callback;

	push_query(&callback, scan->sql);
	/* the active snapshot as it is: a second scan sees the same rows */
	PushActiveSnapshot(GetActiveSnapshot());
	desc = CreateQueryDesc(plan, scan->sql, GetActiveSnapshot(), InvalidSnapshot,
						   &receiver->base, NULL, NULL, 0);
	receiver->taker.context = AllocSetContextCreate(context, "pgforest row", ALLOCSET_DEFAULT_SIZES);
	receiver->base.receiveSlot = receive_row;
	receiver->base.rStartup = start_rows;
	receiver->base.rShutdown = end_rows;
	receiver->base.rDestroy = end_rows;
	receiver->base.mydest = DestTuplestore; /* neither of those that the executor treats in ways of their own */

	ExecutorStart(desc, 0);
	start_picking(&receiver->taker, scan->picked, desc->tupDesc);
	PF_EXECUTOR_RUN(desc);
	ExecutorFinish(desc);
	ExecutorEnd(desc);
	FreeQueryDesc(desc);
	PopActiveSnapshot();
	error_context_stack = callback.previous;

	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

uint64
pf_scan_run(PfScan *scan, PfRowCallback callback, void *arg)
{
	RowReceiver receiver = {.taker = {.callback = callback,.arg = arg}};

	run(scan, scan->plan, &receiver);
	return receiver.rows;
}

void
pf_scan_run_shared(PfScan *scan, PfRowCallback callback, void *arg, dsm_handle segment)
{
	RowReceiver receiver = {0};
	PlannedStmt *plan = copyObject(scan->plan);

	insert_taker(plan);
	leader.set = true;
	leader.callback = callback;
	leader.arg = arg;
	leader.segment = segment;
	run(scan, plan, &receiver);
}

uint64
pf_source_scan(const PfSource *source, List *columns, PfRowCallback callback, void *arg)
{
	return pf_scan_run(pf_scan_plan(source, columns, INFINITY), callback, arg);
}

/*
 * cleaner.c
 *	  One row through a recipe: what a prediction does with raw rows.
 *
 * The expressions are those of the program's SQL text.  They are parsed by PostgreSQL's
 * parser with the columns of the layer below in reach and nothing else, folded, and compiled
 * once; a row then goes from slot to slot, layer by layer.  They name functions and operators
 * of pg_catalog only and read no table, so it is safe to evaluate them for whoever may
 * use the model, in a parallel worker and on a standby.
 *
 * What the columns wanted do not need is not computed, nor asked of the row.
 *
 * Memory: a cleaner lives in the context it was made in and goes with it; a row's values
 * live in the expression context's, until the next row.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "recipe/parts.h"

#define BELOW	1				/* varno of the layer below */

struct PfCleaner
{
	int			ninputs;
	int		   *positions;		/* of raw columns in a row; -1: not needed */
	List	   *needs;			/* names of those that are */
	TupleDesc	inputs;
	TupleTableSlot *input;
	ExprContext *econtext;
	int			nlayers;
	ProjectionInfo **layers;
	TupleDesc	clean;
};

/* ----- expressions ----- */

/* source."name" is a column of the layer below. */
static Node *
find_column(ParseState *pstate, ColumnRef *reference)
{
	TupleDesc	desc = pstate->p_ref_hook_state;
	const char *name = strVal(llast(reference->fields));

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (strcmp(NameStr(attribute->attname), name) == 0)
			return (Node *) makeVar(BELOW, i + 1, attribute->atttypid, attribute->atttypmod,
									attribute->attcollation, 0);
	}
	return NULL;
}

/* The expressions of a layer over one with these columns. */
static List *
parse_layer(const PfLayer *layer, TupleDesc below)
{
	StringInfoData sql;
	List	   *exprs = NIL;
	SelectStmt *select;
	ListCell   *lc;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT");
	foreach(lc, layer->exprs)
		appendStringInfo(&sql, "%s %s", foreach_current_index(lc) > 0 ? "," : "", (char *) lfirst(lc));
	select = (SelectStmt *) linitial_node(RawStmt, raw_parser(sql.data, RAW_PARSE_DEFAULT))->stmt;
	foreach(lc, select->targetList)
	{
		ParseState *pstate = make_parsestate(NULL);
		Node	   *expr;

		CHECK_FOR_INTERRUPTS();
		pstate->p_sourcetext = sql.data;
		pstate->p_pre_columnref_hook = find_column;
		pstate->p_ref_hook_state = below;
		expr = transformExpr(pstate, lfirst_node(ResTarget, lc)->val, EXPR_KIND_SELECT_TARGET);
		assign_expr_collations(pstate, expr);
		free_parsestate(pstate);
		expr = (Node *) expression_planner((Expr *) expr);
		/* long lists of values are looked up in a hash table, as in a query */
		convert_saop_to_hashed_saop(expr);
		exprs = lappend(exprs, expr);
	}
	return exprs;
}

static TupleDesc
describe(const List *names, const List *exprs)
{
	TupleDesc	desc = CreateTemplateTupleDesc(list_length(exprs));
	const ListCell *name;
	const ListCell *expr;

	forboth(name, names, expr, exprs)
	{
		AttrNumber	place = foreach_current_index(name) + 1;

		TupleDescInitEntry(desc, place, lfirst(name), exprType(lfirst(expr)), exprTypmod(lfirst(expr)), 0);
		TupleDescInitEntryCollation(desc, place, exprCollation(lfirst(expr)));
	}
	return desc;
}

/* What is not needed is NULL; the rest marks what it needs of the layer below. */
static List *
prune(const List *exprs, const Bitmapset *needed, Bitmapset **below)
{
	List	   *kept = NIL;
	const ListCell *lc;

	foreach(lc, exprs)
	{
		Node	   *expr = lfirst(lc);

		if (needed == NULL || !bms_is_member(foreach_current_index(lc), needed))
			expr = (Node *) makeNullConst(exprType(expr), exprTypmod(expr), exprCollation(expr));
		else
		{
			Bitmapset  *columns = NULL;
			int			column = -1;

			pull_varattnos(expr, BELOW, &columns);
			while ((column = bms_next_member(columns, column)) >= 0)
				*below = bms_add_member(*below, column + FirstLowInvalidHeapAttributeNumber - 1);
		}
		kept = lappend(kept, expr);
	}
	return kept;
}

static List *
target_list(const List *exprs)
{
	List	   *targets = NIL;
	const ListCell *lc;

	foreach(lc, exprs)
		targets = lappend(targets, makeTargetEntry(lfirst(lc), foreach_current_index(lc) + 1, NULL, false));
	return targets;
}

/* ----- making one ----- */

/* A type in which a JSON value of the recipe's column can be given. */
static Oid
json_type(Oid type)
{
	if (!OidIsValid(type))
		return TEXTOID;
	return pf_use_of(type) == PF_USE_NUMBER && type != FLOAT4OID ? NUMERICOID : type;
}

static void
match_inputs(PfCleaner *cleaner, const PfRecipe *recipe, TupleDesc desc, PfMatch *match)
{
	if (desc != NULL)
		pf_recipe_match(recipe, desc, match);
	else
	{
		match->positions = palloc(sizeof(int) * Max(recipe->ncolumns, 1));
		match->types = palloc(sizeof(Oid) * Max(recipe->ncolumns, 1));
		match->changed = NULL;
	}
	cleaner->inputs = CreateTemplateTupleDesc(recipe->ncolumns);
	for (int i = 0; i < recipe->ncolumns; i++)
	{
		if (desc == NULL)
		{
			match->positions[i] = i;
			match->types[i] = json_type(recipe->types[i]);
		}
		TupleDescInitEntry(cleaner->inputs, i + 1, recipe->columns[i],
						   OidIsValid(match->types[i]) ? match->types[i] : TEXTOID,
						   desc != NULL && match->positions[i] >= 0 ?
						   TupleDescAttr(desc, match->positions[i])->atttypmod : -1, 0);
	}
	cleaner->positions = match->positions;
}

PfCleaner *
pf_cleaner_create(const PfRecipe *recipe, const char *what, const char *model, TupleDesc desc, List *wanted)
{
	PfCleaner  *cleaner = palloc0(sizeof(PfCleaner));
	PfMatch		match;
	bool	   *used;
	PfProgram  *program;
	List	  **exprs;
	TupleDesc	below;
	const PfLayer *last;
	List	   *outputs = NIL;
	Bitmapset  *needed = NULL;
	ListCell   *lc;

	cleaner->ninputs = recipe->ncolumns;
	match_inputs(cleaner, recipe, desc, &match);
	program = pf_program_of(recipe, match.types, false);

	cleaner->nlayers = list_length(program->layers);
	exprs = palloc(sizeof(List *) * cleaner->nlayers);
	below = cleaner->inputs;
	for (int i = 0; i < cleaner->nlayers; i++)
	{
		const PfLayer *layer = list_nth(program->layers, i);

		exprs[i] = parse_layer(layer, below);
		below = describe(layer->names, exprs[i]);
	}

	/* of the last layer only what is wanted, in that order */
	last = llast(program->layers);
	foreach(lc, wanted)
	{
		int			place = 0;

		while (place < list_length(last->names) && strcmp(list_nth(last->names, place), lfirst(lc)) != 0)
			place++;
		if (place == list_length(last->names))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("recipe of model \"%s\" does not make its column \"%s\"", model, (char *) lfirst(lc))));
		outputs = lappend(outputs, list_nth(exprs[cleaner->nlayers - 1], place));
		needed = bms_add_member(needed, foreach_current_index(lc));
	}
	exprs[cleaner->nlayers - 1] = outputs;
	cleaner->clean = describe(wanted, outputs);

	cleaner->layers = palloc(sizeof(ProjectionInfo *) * cleaner->nlayers);
	for (int i = cleaner->nlayers - 1; i >= 0; i--)
	{
		Bitmapset  *below_needed = NULL;

		exprs[i] = prune(exprs[i], needed, &below_needed);
		needed = below_needed;
	}
	used = palloc(sizeof(bool) * Max(recipe->ncolumns, 1));
	for (int i = 0; i < recipe->ncolumns; i++)
	{
		used[i] = bms_is_member(i, needed);
		if (used[i])
			cleaner->needs = lappend(cleaner->needs, recipe->columns[i]);
	}
	pf_recipe_need(recipe, &match, used, what);
	for (int i = 0; i < recipe->ncolumns; i++)
		cleaner->positions[i] = used[i] ? match.positions[i] : -1;

	cleaner->econtext = CreateStandaloneExprContext();
	cleaner->input = MakeSingleTupleTableSlot(cleaner->inputs, &TTSOpsVirtual);
	below = cleaner->inputs;
	for (int i = 0; i < cleaner->nlayers; i++)
	{
		const PfLayer *layer = list_nth(program->layers, i);
		TupleDesc	made = i == cleaner->nlayers - 1 ? cleaner->clean : describe(layer->names, exprs[i]);

		cleaner->layers[i] = ExecBuildProjectionInfo(target_list(exprs[i]), cleaner->econtext,
													 MakeSingleTupleTableSlot(made, &TTSOpsVirtual), NULL, below);
		below = made;
	}
	return cleaner;
}

TupleDesc
pf_cleaner_desc(const PfCleaner *cleaner)
{
	return cleaner->clean;
}

TupleDesc
pf_cleaner_inputs(const PfCleaner *cleaner)
{
	return cleaner->inputs;
}

List *
pf_cleaner_needs(const PfCleaner *cleaner)
{
	return cleaner->needs;
}

bool
pf_cleaner_needs_input(const PfCleaner *cleaner, int input)
{
	return cleaner->positions[input] >= 0;
}

/* ----- a row ----- */

void
pf_clean_row(PfCleaner *cleaner, const Datum *values, const bool *nulls, Datum **clean, bool **clean_nulls)
{
	TupleTableSlot *slot = cleaner->input;

	ResetExprContext(cleaner->econtext);
	ExecClearTuple(slot);
	for (int i = 0; i < cleaner->ninputs; i++)
	{
		int			position = cleaner->positions[i];

		slot->tts_isnull[i] = position < 0 || nulls[position];
		slot->tts_values[i] = slot->tts_isnull[i] ? (Datum) 0 : values[position];
	}
	ExecStoreVirtualTuple(slot);
	for (int i = 0; i < cleaner->nlayers; i++)
	{
		cleaner->econtext->ecxt_scantuple = slot;
		slot = ExecProject(cleaner->layers[i]);
	}
	*clean = slot->tts_values;
	*clean_nulls = slot->tts_isnull;
}

/*
 * source.c
 *	  From the text that a user gives to checked columns and a stream of rows.
 *
 * A source is a dotted name (a relation) or one SELECT, VALUES or TABLE.  A
 * query is parsed alone first, so that what is wrapped into
 * SELECT ... FROM (query) AS source is one complete statement.
 *
 * Rights: everything runs as the current user through SPI, so privileges and
 * row security are PostgreSQL's.  Locks: access share on the relations, held to
 * the end of the transaction.  Memory: the current context.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parser.h"
#include "parser/scansup.h"
#include "tcop/dest.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/rel.h"

#include <ctype.h>

#include "load/source.h"

#define SOURCE_HINT \
	"A source is the name of a table, view or foreign table, or the text of a SELECT query."

/* Our receiver: hands each row to the callback, keeps none. */
/*
 * The parts of a dotted name, or NIL when the text is something else.  Stricter
 * than SplitIdentifierString, which takes "select(1)" for a name.
 */
static List *
parse_name(const char *text)
{
	List	   *parts = NIL;
	const char *p = text;

	for (;;)
	{
		while (scanner_isspace(*p))
			p++;
		if (*p == '"')
		{
			StringInfoData part;

			initStringInfo(&part);
			for (p++; *p != '\0'; p++)
			{
				if (*p == '"')
				{
					if (p[1] != '"')
						break;
					p++;
				}
				appendStringInfoChar(&part, *p);
			}
			if (*p != '"' || part.len == 0)
				return NIL;
			p++;
			truncate_identifier(part.data, part.len, true);
			parts = lappend(parts, makeString(part.data));
		}
		else
		{
			const char *start = p;

			while (isalpha((unsigned char) *p) || *p == '_' || IS_HIGHBIT_SET(*p) ||
				   (p > start && (isdigit((unsigned char) *p) || *p == '$')))
				p++;
			if (p == start)
				return NIL;
			parts = lappend(parts, makeString(downcase_truncate_identifier(start, p - start, true)));
		}
		while (scanner_isspace(*p))
			p++;
		if (*p == '\0')
			return parts;
		if (*p != '.')
			return NIL;
		p++;
	}
}

/* Fills a source from a relation's name. */
static void
open_relation(PfSource *source, List *name)
{
	RangeVar   *rangevar = makeRangeVarFromNameList(name);
	Relation	relation;
	char	   *schema;
	int			natts = 0;

	source->relation = RangeVarGetRelid(rangevar, AccessShareLock, true);
	if (!OidIsValid(source->relation))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s\" does not exist", NameListToString(name)),
				 errhint(SOURCE_HINT)));

	relation = relation_open(source->relation, NoLock);
	switch (relation->rd_rel->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_FOREIGN_TABLE:
		case RELKIND_VIEW:
		case RELKIND_MATVIEW:
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("cannot read rows from \"%s\"", RelationGetRelationName(relation)),
					 errdetail_relkind_not_supported(relation->rd_rel->relkind),
					 errhint(SOURCE_HINT)));
	}

	/* made for exactly what it holds: where its parts lie depends on the number */
	for (int i = 0; i < RelationGetNumberOfAttributes(relation); i++)
		natts += !TupleDescAttr(RelationGetDescr(relation), i)->attisdropped;
	source->desc = CreateTemplateTupleDesc(natts);
	natts = 0;
	for (int i = 0; i < RelationGetNumberOfAttributes(relation); i++)
	{
		if (!TupleDescAttr(RelationGetDescr(relation), i)->attisdropped)
			TupleDescCopyEntry(source->desc, ++natts, RelationGetDescr(relation), i + 1);
	}

	/* another session's number of its temporary schema is none of a version's business */
	schema = isTempNamespace(RelationGetNamespace(relation)) ? "pg_temp"
		: get_namespace_name(RelationGetNamespace(relation));
	source->from = psprintf("%s AS source",
							quote_qualified_identifier(schema, RelationGetRelationName(relation)));
	source->query = psprintf("TABLE %s",
							 quote_qualified_identifier(schema, RelationGetRelationName(relation)));
	relation_close(relation, NoLock);
}

/* Shows a syntax error's position within the source, not within the caller's statement. */
static void
syntax_error_callback(void *arg)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery((const char *) arg);
		errhint(SOURCE_HINT " A name with capitals, spaces or signs needs double quotes.");
	}
}

/* Errors unless the statement is a SELECT that writes and locks nothing. */
static void
check_statement(RawStmt *raw)
{
	SelectStmt *select = (SelectStmt *) raw->stmt;
	SelectStmt *leaf;

	if (!IsA(select, SelectStmt))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source must be a SELECT query, not %s", CreateCommandName(raw->stmt)),
				 errhint(SOURCE_HINT)));

	if (select->withClause != NULL)
	{
		ListCell   *lc;

		foreach(lc, select->withClause->ctes)
		{
			CommonTableExpr *cte = lfirst_node(CommonTableExpr, lc);

			if (!IsA(cte->ctequery, SelectStmt))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("source must not change data"),
						 errdetail("The WITH query \"%s\" is %s.",
								   cte->ctename, CreateCommandName(cte->ctequery)),
						 errhint("Run the statement that changes data first, then read its result.")));
		}
	}

	for (leaf = select; leaf->op != SETOP_NONE; leaf = leaf->larg)
		 /* INTO hides in the leftmost SELECT of a UNION */ ;
	if (leaf->intoClause != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source must not be SELECT INTO"),
				 errhint("Leave out the INTO clause.")));
}

/* Is there a FOR UPDATE or FOR SHARE anywhere in a query? */
static bool
find_row_locks(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		if (((Query *) node)->rowMarks != NIL)
			return true;
		return query_tree_walker((Query *) node, find_row_locks, context, 0);
	}
	return expression_tree_walker(node, find_row_locks, context);
}

/* Errors when two columns of a query have one name. */
static void
check_duplicates(TupleDesc desc)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < desc->natts; i++)
	{
		bool		again = false;
		bool		before = false;

		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < desc->natts; j++)
		{
			if (j != i && strcmp(NameStr(TupleDescAttr(desc, i)->attname),
								 NameStr(TupleDescAttr(desc, j)->attname)) == 0)
			{
				again = true;
				before = before || j < i;
			}
		}
		if (again && !before)
			appendStringInfo(&names, "%s\"%s\"", names.len > 0 ? ", " : "",
							 NameStr(TupleDescAttr(desc, i)->attname));
	}
	if (names.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_COLUMN),
				 errmsg("source has columns of the same name"),
				 errdetail("More than one column has the name %s.", names.data),
				 errhint("Give each column of the query a name of its own with AS.")));
}

/* Fills a source from a query's text. */
static void
open_query(PfSource *source)
{
	ErrorContextCallback callback;
	List	   *statements;
	RawStmt    *raw;
	const char *start;
	char	   *query;
	SPIPlanPtr	plan;
	CachedPlanSource *plansource;
	MemoryContext context = CurrentMemoryContext;

	callback.callback = syntax_error_callback;
	callback.arg = source->text;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	statements = raw_parser(source->text, RAW_PARSE_DEFAULT);
	error_context_stack = callback.previous;

	if (statements == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source is empty"),
				 errhint(SOURCE_HINT)));
	if (list_length(statements) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source must be one query"),
				 errdetail("It has %d statements.", list_length(statements)),
				 errhint(SOURCE_HINT)));
	raw = linitial_node(RawStmt, statements);
	check_statement(raw);

	/* the statement without what surrounds it; its end may be a comment */
	start = source->text + raw->stmt_location;
	query = raw->stmt_len > 0 ? pnstrdup(start, raw->stmt_len) : pstrdup(start);
	while (scanner_isspace(*query))
		query++;
	source->query = query;
	source->from = psprintf("(%s\n) AS source", query);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = SPI_prepare(psprintf("SELECT * FROM %s", source->from), 0, NULL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	plansource = linitial(SPI_plan_get_plan_sources(plan));
	if (find_row_locks(linitial(plansource->query_list), NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("source must not lock rows"),
				 errhint("Leave out FOR UPDATE or FOR SHARE.")));
	MemoryContextSwitchTo(context);
	source->desc = CreateTupleDescCopy(plansource->resultDesc);
	SPI_finish();

	check_duplicates(source->desc);
}

/* Checks the text and finds its columns; reads no row. */
PfSource *
pf_source_open(const char *text)
{
	PfSource   *source = palloc0(sizeof(PfSource));
	List	   *name;

	source->text = pstrdup(text);
	source->relation = InvalidOid;

	name = parse_name(text);
	if (name != NIL)
		open_relation(source, name);
	else
		open_query(source);
	return source;
}

List *
pf_column_names(ArrayType *names, const char *argument)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	List	   *list = NIL;

	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not contain nulls", argument)));
		list = lappend(list, TextDatumGetCString(elements[i]));
	}
	return list;
}

bool
pf_names_contain(const List *names, const char *name)
{
	const ListCell *lc;

	foreach(lc, names)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	}
	return false;
}

/* Position of a column, or -1. */
int
pf_source_column(const PfSource *source, const char *name)
{
	for (int i = 0; i < source->desc->natts; i++)
	{
		if (strcmp(NameStr(TupleDescAttr(source->desc, i)->attname), name) == 0)
			return i;
	}
	return -1;
}

/*
 * parts.h
 *	  What the files of this folder share.
 *
 * steps.c reads steps; fit.c, asks.c, sums.c and fitted.c find their constants; program.c holds columns as SQL
 * expressions, layer by layer; columns.c finds those that a step names, apply.c and categories.c
 * do what it says, with constants.c and words.c; recipe.c keeps documents; cleaner.c evaluates
 * a program for one row; clean.c and calls.c are the SQL calls.
 *
 * Memory: the current context throughout.
 */
#ifndef PF_RECIPE_PARTS_H
#define PF_RECIPE_PARTS_H

#include "lib/stringinfo.h"

#include "compat.h"
#include "recipe/recipe.h"

typedef enum PfStepKind
{
	PF_DROP,
	PF_RENAME,
	PF_NULL_IF,
	PF_CAST,
	PF_IMPUTE,
	PF_CLIP,
	PF_OUTLIERS,
	PF_SCALE,
	PF_LOG,
	PF_BUCKETIZE,
	PF_GROUP_RARE,
	PF_ONE_HOT,
	PF_ORDINAL,
	PF_TARGET_MEAN,
	PF_DATE_PARTS,
	PF_FILTER,
	PF_DEDUPLICATE
} PfStepKind;

#define PF_STEP_KINDS (PF_DEDUPLICATE + 1)

/* A value in a step: a number, a string or a boolean. */
typedef struct PfScalar
{
	char	   *text;			/* NULL: not given */
	double		number;			/* NaN: it is none; booleans are 1 and 0 */
} PfScalar;

/* A step as it was written; what was not given is NULL, NIL, NaN or the default. */
typedef struct PfStep
{
	PfStepKind	kind;
	int			number;			/* 1, 2, ... for messages */
	Jsonb	   *given;
	List	   *columns;		/* of char * */
	char	   *group;			/* instead of columns: "numbers", "categories" or "all" */
	List	   *except;			/* of a group */
	List	   *names;			/* rename: the new names */
	List	   *values;			/* of PfScalar */
	PfScalar	value;
	PfScalar	positive;
	List	   *edges;			/* of PfScalar, numbers */
	List	   *parts;			/* of char * */
	List	   *key;
	char	   *method;
	char	   *type;
	char	   *on_error;
	char	   *other;
	char	   *target;
	char	   *op;
	char	   *order_by;
	char	   *timezone;
	double		low;
	double		high;
	double		factor;
	double		shift;
	double		min_share;
	double		smoothing;		/* NaN: auto */
	int			bins;
	int			min_count;		/* 0: not given */
	int			max_categories;
	int			folds;
	bool		indicator;
	bool		keep;
	JsonbContainer *fitted;		/* by column; NULL: not fitted */
} PfStep;

/* steps.c */
extern const char *pf_step_name(PfStepKind kind);
extern List *pf_steps_read(Jsonb *steps, bool fitted);

/* How a message names a step: step 2 ("impute"). */
extern const char *pf_step_title(const PfStep *step);

/* Does it drop rows of a training? */
extern bool pf_step_drops_rows(const PfStep *step);

/* ----- words.c: pieces of SQL, and how a type is used in them ----- */

typedef enum PfUse
{
	PF_USE_NUMBER,
	PF_USE_BOOLEAN,
	PF_USE_TEXT,
	PF_USE_TIME,
	PF_USE_OTHER
} PfUse;

extern PfUse pf_use_of(Oid type);

#define PF_OP(op)	" OPERATOR(pg_catalog." op ") "

extern char *pf_sql_float8(double value);	/* '1.5'::pg_catalog.float8 */
extern char *pf_sql_text(const char *value);
extern char *pf_sql_float8s(const List *values);	/* PfScalar */
extern char *pf_sql_texts(const List *values);	/* char * */
extern char *pf_sql_as_float8(const char *expr, Oid type);
extern char *pf_sql_as_text(const char *expr, Oid type);
extern char *pf_sql_as_timestamp(const char *expr, Oid type, const char *timezone);
extern char *pf_sql_name(const char *name); /* source."name" */

/* ----- program.c ----- */

/* A column between two steps. */
typedef struct PfField
{
	char	   *name;
	char	   *expr;			/* over the layer below */
	Oid			type;
	bool		plain;			/* expr is a column below and nothing else */
	bool		may_be_nan;
	bool		hidden;			/* the fold of a row; of no use outside */
	char	   *raw;			/* raw column that it still is, or NULL */
} PfField;

/* SELECT [DISTINCT ON] exprs AS names FROM the layer below WHERE ... */
typedef struct PfLayer
{
	List	   *names;
	List	   *exprs;
	List	   *where;
	char	   *distinct;		/* what follows DISTINCT ON, or NULL */
	char	   *order;			/* what follows ORDER BY, or NULL */
} PfLayer;

typedef struct PfProgram
{
	bool		training;		/* rows are dropped, encodings are out of fold */
	List	   *fields;			/* of the layer that is being made */
	List	   *where;			/* its conditions */
	List	   *layers;			/* of PfLayer, those below it */
} PfProgram;

/* Begins with raw columns; steps: for what training needs of raw rows. */
extern PfProgram *pf_program_start(int ncolumns, char *const *columns, const Oid *types,
								   const List *steps, bool training);

/* Makes every field a plain column of a layer. */
extern void pf_program_settle(PfProgram *program);

/* Ends the last layer. */
extern void pf_program_end(PfProgram *program);

extern PfField *pf_program_field(const PfProgram *program, const char *name);

/* The field as a number (float8, never NaN) or as text, for an expression that has it so many times. */
extern char *pf_program_number(PfProgram *program, PfField *field, int times);
extern char *pf_program_text(PfProgram *program, PfField *field, int times);
extern char *pf_field_as_it_is(PfProgram *program, PfField *field);	/* keeps its type; for several uses */

extern PfField *pf_program_fold(const PfProgram *program, const PfStep *step);

/* 1 or 0 where the target of a target_mean is a class, else its number. */
extern char *pf_program_target(PfProgram *program, const PfStep *step);

/* SELECT exprs AS v1, v2, ... of the rows as they are now; from: as in PfSource. */
extern char *pf_program_select(const PfProgram *program, const List *exprs, const char *from);

/* The program as one query, after its end. */
extern char *pf_program_sql(const PfProgram *program, const char *from);

/* For the files that make fields: a new expression, a name that is free, a field after another (NULL: the last). */
extern void pf_set_field(PfField *field, Oid type, const char *expr);
extern char *pf_new_name(const PfProgram *program, const char *wanted);
extern PfField *pf_insert_field(PfProgram *program, const PfField *after, char *name, Oid type, const char *expr);
extern void pf_end_layer(PfProgram *program, char *distinct, char *order);

/* All steps of a recipe, its raw columns being of these types. */
extern PfProgram *pf_program_of(const PfRecipe *recipe, const Oid *types, bool training);

/* ----- columns.c ----- */

/* Finds the columns of a step's group and checks those that it names. */
extern void pf_program_resolve(PfProgram *program, PfStep *step);

/* Names that are no columns now are an error. */
extern void pf_check_columns(const PfProgram *program, const PfStep *step, const List *names);
extern void pf_append_name(StringInfo list, const char *name);

/* ----- apply.c, categories.c ----- */

/* Adds a step, whose constants are known. */
extern void pf_program_add(PfProgram *program, const PfStep *step);

extern void pf_add_group_rare(PfProgram *program, const PfStep *step, PfField *field);
extern void pf_add_one_hot(PfProgram *program, const PfStep *step, PfField *field);
extern void pf_add_ordinal(PfProgram *program, const PfStep *step, PfField *field);
extern void pf_add_target_mean(PfProgram *program, const PfStep *step, PfField *field);

/* ----- constants.c: of a column of a step ----- */

extern bool pf_find_constant(const PfStep *step, const char *column, const char *name, JsonbValue *value);
extern double pf_constant_number(const PfStep *step, const char *column, const char *name);
extern char *pf_constant_text(const PfStep *step, const char *column, const char *name);
extern List *pf_constant_list(const PfStep *step, const char *column, const char *name, enum jbvType type);
extern bool pf_constant_flag(const PfStep *step, const char *column, const char *name);
extern double pf_json_number(const JsonbValue *value);
pg_noreturn extern void pf_no_constant(const PfStep *step, const char *column, const char *name);

/* ----- recipe.c ----- */

/*
 * Where the recipe's raw columns are among those of desc, and of which types; -1 and the
 * recipe's own type where one is not there, or is of another use: then with its type in
 * changed, which is InvalidOid elsewhere.
 */
typedef struct PfMatch
{
	int		   *positions;
	Oid		   *types;
	Oid		   *changed;
} PfMatch;

extern void pf_recipe_match(const PfRecipe *recipe, TupleDesc desc, PfMatch *match);

/* Error when one of these raw columns was not found; what: whose columns they are. */
extern void pf_recipe_need(const PfRecipe *recipe, const PfMatch *match, const bool *needed, const char *what);

/* The columns of raw rows, for a document. */
extern Jsonb *pf_recipe_columns(TupleDesc desc);

/* The program over a raw source, whose columns are checked. */
extern PfProgram *pf_recipe_program(const PfRecipe *recipe, const PfSource *raw, bool training);


/* ----- fit.c ----- */

/* Fits the steps on a source, in sequence; the number of rows it has. */
extern int64 pf_fit(List *steps, const PfSource *source);

#endif							/* PF_RECIPE_PARTS_H */

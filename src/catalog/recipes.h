/*
 * recipes.h
 *	  Recipes and cleanings in our tables: the only code that writes them.
 *
 * A recipe belongs to the role that first made it; its owner (and members of that
 * role, and superusers) may use it, nobody else.  Versions of models carry
 * copies, which are used with the rights on the model.
 */
#ifndef PF_CATALOG_RECIPES_H
#define PF_CATALOG_RECIPES_H

#include "postgres.h"
#include "utils/jsonb.h"

typedef struct PfRecipeInfo
{
	char	   *name;
	int32		version;
	char	   *owner;
	char	   *made_by;		/* role that stored the query */
	char	   *query;			/* what it was fitted on */
	Jsonb	   *document;		/* see recipe/recipe.c */
} PfRecipeInfo;

/*
 * The recipe that 'name' (its newest version) or 'name@version' names, under the active
 * snapshot.  Errors: undefined_object (hint: nearest name), insufficient_privilege.
 */
extern void pf_catalog_recipe(const char *reference, PfRecipeInfo *info);

/* Is there one, whoever owns it? */
extern bool pf_catalog_has_recipe(const char *reference);

/* May the current role make a version of it?  Errors: invalid_name, insufficient_privilege. */
extern void pf_catalog_check_recipe(const char *name);

/*
 * Stores a version and returns its number; columns and steps are the parts of the
 * document.  Two who do that with one name wait for each other until the transaction ends.
 */
extern int32 pf_catalog_add_recipe(const char *name, const char *query, Jsonb *given,
								   Jsonb *columns, Jsonb *steps, int64 rows, double seconds);

/* Drops the recipe, or one version of it. */
extern void pf_catalog_drop_recipe(const char *reference);

/* What was cleaned into a table last. */
typedef struct PfCleaning
{
	char	   *recipe;
	int32		version;
	char	   *key;			/* or NULL */
} PfCleaning;

/* Who fills a table that is not there yet goes on when those who began before have ended. */
extern void pf_catalog_lock_cleaning(const char *target);

extern bool pf_catalog_last_cleaning(const char *target, PfCleaning *cleaning);
extern void pf_catalog_add_cleaning(const char *target, const char *source, const PfCleaning *cleaning,
									int64 rows, double seconds);

#endif							/* PF_CATALOG_RECIPES_H */

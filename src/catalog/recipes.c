/*
 * recipes.c
 *	  Recipes and cleanings as rows.
 *
 * Locks: makers of versions of one recipe meet at an advisory lock on its name, in the
 * space of our table's OID, until their transactions end; so do those who clean into a
 * table that is not there yet.
 */
#include "postgres.h"

#include "catalog/recipes.h"
#include "catalog/tables.h"
#include "engine/grow/params.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

enum
{
	RECIPE_NAME = 1,
	RECIPE_VERSION,
	RECIPE_OWNER,
	RECIPE_QUERY,
	RECIPE_STEPS,
	RECIPE_DOCUMENT,
	RECIPE_ROWS,
	RECIPE_MADE_BY
};

enum
{
	CLEANING_ID = 1,
	CLEANING_TARGET,
	CLEANING_SOURCE,
	CLEANING_RECIPE,
	CLEANING_VERSION,
	CLEANING_KEY
};

static bool
may_use(const char *owner)
{
	Oid			oid = get_role_oid(owner, true);

	return superuser() || (OidIsValid(oid) && has_privs_of_role(GetUserId(), oid));
}

/* The newest version, or that one; false when there is none. */
static bool
find(const char *name, int32 version, PfRecipeInfo *info)
{
	PfScan		scan;
	ScanKeyData key[2];
	bool		found = false;

	memset(info, 0, sizeof(*info));
	pf_key_text(&key[0], RECIPE_NAME, name);
	if (version > 0)
		pf_key_int4(&key[1], RECIPE_VERSION, version);
	pf_scan_begin(&scan, "recipe", "recipe_pkey", version > 0 ? 2 : 1, key);
	while (pf_scan_next(&scan))
	{
		found = true;
		info->name = pf_scan_text(&scan, RECIPE_NAME);
		info->version = DatumGetInt32(pf_scan_datum(&scan, RECIPE_VERSION));
		info->owner = pf_scan_name(&scan, RECIPE_OWNER);
		info->made_by = pf_scan_name(&scan, RECIPE_MADE_BY);
		info->query = pf_scan_text(&scan, RECIPE_QUERY);
		info->document = DatumGetJsonbPCopy(pf_scan_datum(&scan, RECIPE_DOCUMENT));
	}
	pf_scan_end(&scan);
	return found;
}

/* Only names that the current role may use are offered. */
pg_noreturn static void
no_such_recipe(const char *name)
{
	PfScan		scan;
	char	   *nearest = NULL;
	uint32		least = Min(Max(2, strlen(name) / 3) + 1, strlen(name));

	pf_scan_begin(&scan, "recipe", "recipe_pkey", 0, NULL);
	while (pf_scan_next(&scan))
	{
		char	   *other = pf_scan_text(&scan, RECIPE_NAME);
		uint32		distance = pf_edit_distance(name, other);

		if (distance < least && may_use(pf_scan_name(&scan, RECIPE_OWNER)))
		{
			least = distance;
			nearest = other;
		}
	}
	pf_scan_end(&scan);
	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_OBJECT),
			errmsg("recipe \"%s\" does not exist", name),
			nearest ? errhint("Perhaps you meant the recipe \"%s\".", nearest) :
			errhint("Your recipes are listed in pgforest.recipes; ml_recipe makes one."));
}

static void
need_owner(const PfRecipeInfo *info)
{
	if (!may_use(info->owner))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("must be owner of recipe \"%s\"", info->name),
				errdetail("It belongs to role \"%s\".", info->owner));
}

/* name[@version] in its parts; 0: none was given. */
static int32
parse(const char *reference, char **name)
{
	const char *at = strchr(reference, '@');
	int64		version = 0;

	*name = at ? pnstrdup(reference, at - reference) : pstrdup(reference);
	pf_check_name("recipe", *name);
	if (at == NULL)
		return 0;
	for (const char *p = at + 1; *p >= '0' && *p <= '9' && version <= PG_INT32_MAX; p++)
		version = version * 10 + (*p - '0');
	if (version < 1 || version > PG_INT32_MAX || strspn(at + 1, "0123456789") != strlen(at + 1))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("invalid version in recipe reference \"%s\"", reference),
				errhint("Write the name of a recipe, or a version of it such as %s.",
						quote_literal_cstr(psprintf("%s@1", *name))));
	return (int32) version;
}

void
pf_catalog_recipe(const char *reference, PfRecipeInfo *info)
{
	char	   *name;
	int32		version = parse(reference, &name);

	if (!find(name, version, info))
	{
		if (version == 0 || !find(name, 0, info))
			no_such_recipe(name);
		need_owner(info);
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("version %d of recipe \"%s\" does not exist", version, name),
				errhint("Its newest version is %d.", info->version));
	}
	need_owner(info);
}

bool
pf_catalog_has_recipe(const char *reference)
{
	PfRecipeInfo info;
	char	   *name;
	int32		version = parse(reference, &name);

	return find(name, version, &info);
}

void
pf_catalog_check_recipe(const char *name)
{
	PfRecipeInfo info;

	pf_check_name("recipe", name);
	if (find(name, 0, &info))
		need_owner(&info);
}

/* Makers of one recipe one after the other; then what is there now. */
static void
lock_recipe(const char *name)
{
	PfArgs		args = {0};

	pf_arg_text(&args, name);
	pf_write("SELECT pg_advisory_xact_lock('pgforest.recipe'::regclass::oid::int8::bit(32)::int4, hashtext($1))", &args);
	PushActiveSnapshot(GetTransactionSnapshot());
	pf_catalog_check_recipe(name);
	PopActiveSnapshot();
}

int32
pf_catalog_add_recipe(const char *name, const char *query, Jsonb *given, Jsonb *columns,
					  Jsonb *steps, int64 rows, double seconds)
{
	char	   *role = GetUserNameFromId(GetUserId(), false);
	PfArgs		args = {0};
	int32		version;
	bool		isnull;

	SPI_connect();
	lock_recipe(name);
	pf_arg_text(&args, name);
	pf_arg_name(&args, role);
	pf_arg_text(&args, query);
	pf_arg(&args, JSONBOID, JsonbPGetDatum(given), false);
	pf_arg(&args, JSONBOID, JsonbPGetDatum(columns), false);
	pf_arg(&args, JSONBOID, JsonbPGetDatum(steps), false);
	pf_arg_int8(&args, rows);
	pf_arg_float8(&args, seconds);
	pf_write("INSERT INTO pgforest.recipe (name, version, owner, query, steps, document, rows, made_by, seconds) "
			 "SELECT $1, v.version, COALESCE(v.owner, $2), $3, $4, "
			 "jsonb_build_object('recipe', $1, 'version', v.version, 'columns', $5, 'steps', $6), $7, $2, $8 "
			 "FROM (SELECT COALESCE(max(r.version), 0) + 1 AS version, min(r.owner::text)::name AS owner "
			 "FROM pgforest.recipe r WHERE r.name = $1) v RETURNING version", &args);
	version = DatumGetInt32(pf_written(1, &isnull));
	SPI_finish();
	return version;
}

void
pf_catalog_drop_recipe(const char *reference)
{
	PfRecipeInfo info;
	PfArgs		args = {0};
	char	   *name;
	int32		version = parse(reference, &name);

	pf_catalog_recipe(reference, &info);
	SPI_connect();
	lock_recipe(name);
	pf_arg_text(&args, name);
	pf_arg_int4(&args, version);
	pf_write("DELETE FROM pgforest.recipe WHERE name = $1 AND ($2 = 0 OR version = $2)", &args);
	SPI_finish();
}

void
pf_catalog_lock_cleaning(const char *target)
{
	PfArgs		args = {0};

	SPI_connect();
	pf_arg_text(&args, target);
	pf_write("SELECT pg_advisory_xact_lock('pgforest.cleaning'::regclass::oid::int8::bit(32)::int4, hashtext($1))", &args);
	SPI_finish();
}

bool
pf_catalog_last_cleaning(const char *target, PfCleaning *cleaning)
{
	PfScan		scan;
	ScanKeyData key[1];
	bool		found = false;

	pf_key_text(&key[0], CLEANING_TARGET, target);
	pf_scan_begin(&scan, "cleaning", "cleaning_target_idx", 1, key);
	while (pf_scan_next(&scan))
	{
		found = true;
		cleaning->recipe = pf_scan_text(&scan, CLEANING_RECIPE);
		cleaning->version = DatumGetInt32(pf_scan_datum(&scan, CLEANING_VERSION));
		cleaning->key = pf_scan_text(&scan, CLEANING_KEY);
	}
	pf_scan_end(&scan);
	return found;
}

void
pf_catalog_add_cleaning(const char *target, const char *source, const PfCleaning *cleaning,
						int64 rows, double seconds)
{
	PfArgs		args = {0};

	SPI_connect();
	pf_arg_text(&args, target);
	pf_arg_text(&args, source);
	pf_arg_text(&args, cleaning->recipe);
	pf_arg_int4(&args, cleaning->version);
	pf_arg_text(&args, cleaning->key);
	pf_arg_int8(&args, rows);
	pf_arg_name(&args, GetUserNameFromId(GetUserId(), false));
	pf_arg_float8(&args, seconds);
	pf_write("INSERT INTO pgforest.cleaning (target, source, recipe, version, key, rows, role, seconds) "
			 "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", &args);
	SPI_finish();
}

/*
 * rights.c
 *	  Who may do what with a model.
 *
 * The owner is the role that first trained the model; whoever has that role's privileges
 * (PostgreSQL's own rule for owning things) may do everything.  Others have what ml_grant
 * gave to them or to a role they have the privileges of.  Roles are known by name
 * here: one that does not exist (any more) gives nobody anything.
 */
#include "postgres.h"

#include "catalog/tables.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#define ALL_RIGHTS (PF_RIGHT_PREDICT | PF_RIGHT_TRAIN | PF_RIGHT_PROMOTE | PF_RIGHT_OWNER)

static const struct
{
	const char *name;
	uint32		right;
}			privileges[] =
{
	{"predict", PF_RIGHT_PREDICT},
	{"train", PF_RIGHT_TRAIN},
	{"promote", PF_RIGHT_PROMOTE}
};

bool
pf_has_role(const char *role)
{
	Oid			oid = get_role_oid(role, true);

	return OidIsValid(oid) && has_privs_of_role(GetUserId(), oid);
}

uint32
pf_rights(int64 model, const char *owner)
{
	PfScan		scan;
	ScanKeyData key[1];
	uint32		rights = 0;

	if (superuser() || pf_has_role(owner))
		return ALL_RIGHTS;

	pf_key_int8(&key[0], GRANT_MODEL_ID, model);
	pf_scan_begin(&scan, "model_grant", "model_grant_pkey", 1, key);
	while (pf_scan_next(&scan))
	{
		char	   *privilege;

		if (!pf_has_role(NameStr(*DatumGetName(pf_scan_datum(&scan, GRANT_ROLE)))))
			continue;
		privilege = pf_scan_text(&scan, GRANT_PRIVILEGE);
		for (int i = 0; i < (int) lengthof(privileges); i++)
		{
			if (strcmp(privilege, privileges[i].name) == 0)
				rights |= privileges[i].right;
		}
	}
	pf_scan_end(&scan);
	return rights;
}

void
pf_need_right(const PfModelInfo *info, uint32 right)
{
	const char *name = NULL;

	if ((info->rights & right) == right)
		return;
	for (int i = 0; i < (int) lengthof(privileges); i++)
	{
		if (right & privileges[i].right & ~info->rights)
			name = privileges[i].name;
	}
	if (right & PF_RIGHT_OWNER)
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("must be owner of model \"%s\"", info->name),
				errdetail("It belongs to role \"%s\".", info->owner));
	ereport(ERROR,
			errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			errmsg("permission denied for model \"%s\"", info->name),
			errdetail("Role \"%s\" lacks the privilege \"%s\".",
					  GetUserNameFromId(GetUserId(), false), name),
			errhint("Its owner \"%s\" can give it: SELECT ml_grant(%s, %s, '%s').",
					info->owner, quote_literal_cstr(info->name),
					quote_literal_cstr(quote_identifier(GetUserNameFromId(GetUserId(), false))),
					name));
}

/*
 * The text runs with the current role's rights, so whoever wrote it must be trusted by that
 * role: being a superuser makes nobody a member here.  Nor does a membership that gives no
 * rights: from 16 on CREATE ROLE makes the creator such a member of every role made.
 */
bool
pf_catalog_is_trusted(const char *role)
{
	Oid			oid = get_role_oid(role, true);

	return OidIsValid(oid) && is_member_of_role_nosuper(GetUserId(), oid) &&
		has_privs_of_role(GetUserId(), oid);
}

void
pf_catalog_may_run(const char *role)
{
	/* a version that was imported: its query came with it, from anybody */
	if (role[0] == '\0')
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("the query of a version that was imported is not run"),
				errdetail("It came from another database, and would run with your rights."),
				errhint("Pass the rows yourself: source => 'a table or a query'."));
	if (pf_catalog_is_trusted(role))
		return;
	ereport(ERROR,
			errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			errmsg("role \"%s\" must not run a query that role \"%s\" stored",
				   GetUserNameFromId(GetUserId(), false), role),
			errdetail("The stored query would run with your rights, and you are not a member of that role."),
			errhint("Pass the rows yourself: source => 'a table or a query'."));
}

uint32
pf_catalog_rights(int64 model)
{
	PfScan		scan;
	ScanKeyData key[1];
	char	   *owner = NULL;

	pf_key_int8(&key[0], MODEL_ID, model);
	pf_scan_begin(&scan, "model", "model_pkey", 1, key);
	if (pf_scan_next(&scan))
		owner = pf_scan_name(&scan, MODEL_OWNER);
	pf_scan_end(&scan);
	return owner ? pf_rights(model, owner) : 0;
}

/*
 * Row security asks for each row, and rows of a model mostly stand together: the
 * last answer is kept as long as it holds.
 */
typedef struct LastAnswer
{
	int64		model;
	uint32		rights;
	PfMoment	moment;
} LastAnswer;

static uint32
rights_for_row(FunctionCallInfo fcinfo, int64 model)
{
	LastAnswer *last = fcinfo->flinfo->fn_extra;

	if (last == NULL)
		last = fcinfo->flinfo->fn_extra =
			MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(LastAnswer));
	if (last->model != model || !pf_moment_holds(&last->moment))
	{
		last->rights = pf_catalog_rights(model);
		last->model = model;
		pf_moment_now(&last->moment);
	}
	return last->rights;
}

PG_FUNCTION_INFO_V1(pf_can_see);
PG_FUNCTION_INFO_V1(pf_is_owner);
PG_FUNCTION_INFO_V1(pf_is_member);

Datum
pf_can_see(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(rights_for_row(fcinfo, PG_GETARG_INT64(0)) != 0);
}

Datum
pf_is_owner(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL((rights_for_row(fcinfo, PG_GETARG_INT64(0)) & PF_RIGHT_OWNER) != 0);
}

Datum
pf_is_member(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(pf_has_role(NameStr(*PG_GETARG_NAME(0))));
}

/* ----- ml_grant, ml_revoke ----- */

static uint32
parse_privilege(const char *name)
{
	if (strcmp(name, "all") == 0)
		return PF_RIGHT_PREDICT | PF_RIGHT_TRAIN | PF_RIGHT_PROMOTE;
	for (int i = 0; i < (int) lengthof(privileges); i++)
	{
		if (strcmp(name, privileges[i].name) == 0)
			return privileges[i].right;
	}
	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("unrecognized privilege \"%s\"", name),
			errhint("Valid privileges are \"predict\", \"train\", \"promote\" and \"all\"."));
}

/* The three arguments of both calls, checked; pushes the snapshot that both work under. */
static uint32
grant_arguments(FunctionCallInfo fcinfo, const char *command, PfModelInfo *model, char **role)
{
	static const char *const names[] = {"model", "role", "privilege"};
	char	   *name;
	uint32		rights;

	for (int i = 0; i < (int) lengthof(names); i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					errmsg("argument \"%s\" must not be null", names[i]));
	}
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	pf_check_model_name(name);
	rights = parse_privilege(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	*role = GetUserNameFromId(PG_GETARG_OID(1), true);
	if (*role == NULL)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("role with OID %u does not exist", PG_GETARG_OID(1)));
	pf_need_writable(command);
	pf_push_new_snapshot();
	pf_catalog_need_model(name, PF_RIGHT_OWNER, model);
	return rights;
}

PG_FUNCTION_INFO_V1(ml_grant);
PG_FUNCTION_INFO_V1(ml_revoke);

Datum
ml_grant(PG_FUNCTION_ARGS)
{
	PfModelInfo model;
	char	   *role;
	uint32		rights = grant_arguments(fcinfo, "ml_grant()", &model, &role);

	SPI_connect();
	pf_lock_model(model.name, PF_RIGHT_OWNER, &model);
	for (int i = 0; i < (int) lengthof(privileges); i++)
	{
		PfArgs		args = {0};

		if ((rights & privileges[i].right) == 0)
			continue;
		pf_arg_int8(&args, model.id);
		pf_arg_name(&args, role);
		pf_arg_text(&args, privileges[i].name);
		pf_arg_name(&args, GetUserNameFromId(GetUserId(), false));
		pf_write("INSERT INTO pgforest.model_grant (model_id, role, privilege, granted_by) "
				 "VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", &args);
	}
	SPI_finish();
	PopActiveSnapshot();
	PG_RETURN_VOID();
}

Datum
ml_revoke(PG_FUNCTION_ARGS)
{
	PfModelInfo model;
	char	   *role;
	uint32		rights = grant_arguments(fcinfo, "ml_revoke()", &model, &role);

	SPI_connect();
	pf_lock_model(model.name, PF_RIGHT_OWNER, &model);
	for (int i = 0; i < (int) lengthof(privileges); i++)
	{
		PfArgs		args = {0};

		if ((rights & privileges[i].right) == 0)
			continue;
		pf_arg_int8(&args, model.id);
		pf_arg_name(&args, role);
		pf_arg_text(&args, privileges[i].name);
		pf_write("DELETE FROM pgforest.model_grant "
				 "WHERE model_id = $1 AND role = $2 AND privilege = $3", &args);
	}
	SPI_finish();
	PopActiveSnapshot();
	PG_RETURN_VOID();
}

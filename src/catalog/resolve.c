/*
 * resolve.c
 *	  Names: the rules for them, and the version that a reference names.
 *
 * 'pulsar' is the version that the alias production names, 'pulsar@3' version 3,
 * 'pulsar@candidate' what that alias names.  A name cannot contain '@', so the
 * first one divides.
 */
#include "postgres.h"

#include "catalog/history.h"
#include "catalog/tables.h"
#include "engine/grow/params.h"
#include "utils/builtins.h"

#define DEFAULT_ALIAS "production"

void
pf_check_name(const char *what, const char *name)
{
	size_t		length = strlen(name);
	bool		blank = true;

	if (length == 0 || length > 63)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_NAME),
				errmsg("%s name must have 1 to 63 bytes, not %zu", what, length));
	for (const char *p = name; *p; p++)
	{
		unsigned char c = (unsigned char) *p;

		if (c == '@')
			ereport(ERROR,
					errcode(ERRCODE_INVALID_NAME),
					errmsg("%s name \"%s\" must not contain \"@\"", what, name),
					errdetail("What follows \"@\" is a version or an alias; only the name of a %s is wanted here.", what),
					p == name ? 0 : errhint("Try %s.",
											quote_literal_cstr(pnstrdup(name, p - name))));
		if (c < 0x20 || c == 0x7f)
			ereport(ERROR,
					errcode(ERRCODE_INVALID_NAME),
					errmsg("%s name must not contain control characters", what),
					errdetail("Byte %d of the name is 0x%02x.", (int) (p - name) + 1, c));
		if (c != ' ')
			blank = false;
	}
	if (blank)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_NAME),
				errmsg("%s name must not be blank", what));
}

void
pf_check_model_name(const char *name)
{
	pf_check_name("model", name);
}

void
pf_check_alias_name(const char *alias)
{
	size_t		length = strlen(alias);
	bool		good = length >= 1 && length <= 63 && !(alias[0] >= '0' && alias[0] <= '9');

	for (const char *p = alias; good && *p; p++)
		good = (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '_';
	if (!good)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_NAME),
				errmsg("invalid alias \"%s\"", alias),
				errdetail("An alias has up to 63 lower-case letters, digits and underscores and does not begin with a digit."),
				errhint("Try an alias such as \"production\" or \"candidate\"."));
}

/* A version number, or 0 when the text is not all digits. */
static int32
parse_version(const char *reference, const char *text)
{
	int64		number = 0;

	if (*text == '\0')
		return 0;
	for (const char *p = text; *p; p++)
	{
		if (*p < '0' || *p > '9')
			return 0;
		if (number <= PG_INT32_MAX)
			number = number * 10 + (*p - '0');
	}
	if (number < 1 || number > PG_INT32_MAX)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("version number out of range in model reference \"%s\"", reference),
				errdetail("Versions are numbered from 1."));
	return (int32) number;
}

PfReference *
pf_reference_parse(const char *text)
{
	PfReference *reference = palloc0(sizeof(PfReference));
	const char *at = strchr(text, '@');

	reference->model = at ? pnstrdup(text, at - text) : pstrdup(text);
	pf_check_model_name(reference->model);
	if (at == NULL)
	{
		reference->bare = true;
		reference->alias = pstrdup(DEFAULT_ALIAS);
		return reference;
	}
	reference->version = parse_version(text, at + 1);
	if (reference->version == 0)
	{
		pf_check_alias_name(at + 1);
		reference->alias = pstrdup(at + 1);
	}
	return reference;
}

/* Is a name near enough to one that was meant? */
static bool
is_near(const char *wanted, const char *name, uint32 *best)
{
	uint32		distance = pf_edit_distance(wanted, name);

	if (distance > Max(2, strlen(wanted) / 4) || distance >= strlen(wanted) ||
		distance >= *best)
		return false;
	*best = distance;
	return true;
}

/*
 * Only names that the current role may see are offered, and not the name itself: who waited for a
 * model's lock while it was dropped still sees it.
 */
void
pf_no_such_model(const char *name)
{
	PfScan		scan;
	char	   *nearest = NULL;
	uint32		best = UINT32_MAX;

	pf_scan_begin(&scan, "model", "model_name_key", 0, NULL);
	while (pf_scan_next(&scan))
	{
		char	   *other = pf_scan_text(&scan, MODEL_NAME);
		uint32		before = best;

		if (strcmp(name, other) == 0 || !is_near(name, other, &best))
			continue;
		if (pf_rights(DatumGetInt64(pf_scan_datum(&scan, MODEL_ID)),
					  pf_scan_name(&scan, MODEL_OWNER)) != 0)
			nearest = other;
		else
			best = before;
	}
	pf_scan_end(&scan);

	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_OBJECT),
			errmsg("model \"%s\" does not exist", name),
			nearest ? errhint("Perhaps you meant the model \"%s\".", nearest) :
			errhint("The models you may use are listed in pgforest.models; ml_train makes one."));
}

void
pf_no_such_version(const PfModelInfo *model, int32 version)
{
	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_OBJECT),
			errmsg("version %d of model \"%s\" does not exist", version, model->name),
			errhint("Its versions are listed in pgforest.versions; the number given last is %d.",
					model->last_version));
}

int32
pf_newest_version(const PfModelInfo *model)
{
	PfVersionInfo info;

	for (int32 version = model->last_version; version > 0; version--)
	{
		if (pf_catalog_version(model, version, &info))
			return version;
	}
	return 0;
}

void
pf_catalog_need_task(const PfModelInfo *model, const char *task)
{
	if (strcmp(model->task, task) != 0)
		ereport(ERROR,
				errcode(ERRCODE_WRONG_OBJECT_TYPE),
				errmsg("model \"%s\" is for %s, not %s", model->name, model->task, task),
				errhint("Train under another name, say task => '%s', or drop the model first with ml_drop(%s).",
						model->task, quote_literal_cstr(model->name)));
}

static void
no_such_alias(const PfModelInfo *model, const PfReference *reference)
{
	PfScan		scan;
	ScanKeyData key[1];
	char	   *nearest = NULL;
	uint32		best = UINT32_MAX;
	int32		newest = pf_newest_version(model);

	if (newest == 0)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("model \"%s\" has no versions", model->name),
				errhint("Train one with ml_train."));
	if (strcmp(reference->alias, DEFAULT_ALIAS) == 0)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("model \"%s\" has no production version", model->name),
				errdetail("Its newest version is %d.", newest),
				errhint("Name a version, as in %s, or promote one: SELECT * FROM ml_promote(%s, %d).",
						quote_literal_cstr(psprintf("%s@%d", model->name, newest)),
						quote_literal_cstr(model->name), newest));

	pf_key_int8(&key[0], ALIAS_MODEL_ID, model->id);
	pf_scan_begin(&scan, "alias", "alias_pkey", 1, key);
	while (pf_scan_next(&scan))
	{
		char	   *other = pf_scan_text(&scan, ALIAS_ALIAS);

		if (is_near(reference->alias, other, &best))
			nearest = other;
	}
	pf_scan_end(&scan);
	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_OBJECT),
			errmsg("alias \"%s\" of model \"%s\" does not exist", reference->alias, model->name),
			nearest ? errhint("Perhaps you meant \"%s@%s\".", model->name, nearest) :
			errhint("Its aliases are listed in pgforest.versions; ml_promote(%s, %d, alias => '%s') makes this one.",
					quote_literal_cstr(model->name), newest, reference->alias));
}

void
pf_catalog_resolve(const char *text, uint32 right, PfVersionInfo *info)
{
	PfReference *reference = pf_reference_parse(text);
	PfModelInfo model;
	int32		version = reference->version;

	pf_catalog_need_model(reference->model, right, &model);
	if (version == 0)
	{
		version = pf_catalog_alias(&model, reference->alias);
		if (version == 0)
			no_such_alias(&model, reference);
	}
	if (!pf_catalog_version(&model, version, info))
		pf_no_such_version(&model, version);
}

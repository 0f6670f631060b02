/*
 * drop.c
 *	  ml_drop: the end of a version, or of a model.
 *
 * What belongs to it goes along, but runs, which outlive models.  The model's row is
 * locked first, so promotions, trainings and grants under way come before or after.  Then
 * the versions' rows go, which waits for measurements that are being added and hold those
 * rows, and only then what hangs on them.
 */
#include "postgres.h"

#include "catalog/alert.h"
#include "catalog/history.h"
#include "catalog/tables.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

/* Tables whose rows belong to one version, and to a model as such. */
static const char *const version_tables[] = {"version", "version_data", "metric", "confusion", "curve",
	"trial", "prediction", "origin", "baseline", "drift", "version_recipe"};
static const char *const model_tables[] = {"alias", "alias_history", "model_grant", "capture"};

static void
drop_model(const PfModelInfo *model)
{
	PfArgs		args = {0};

	/* as ml_watch locks them: a monitor, the version, its alerts */
	pf_arg_int8(&args, model->id);
	pf_write("DELETE FROM pgforest.monitor WHERE model_id = $1", &args);
	for (int i = 0; i < (int) lengthof(version_tables); i++)
		pf_write(psprintf("DELETE FROM pgforest.%s WHERE model_id = $1", version_tables[i]), &args);
	/* while it is known who may hear of it */
	pf_alert_resolve_model(model->id);
	for (int i = 0; i < (int) lengthof(model_tables); i++)
		pf_write(psprintf("DELETE FROM pgforest.%s WHERE model_id = $1", model_tables[i]), &args);
	pf_write("DELETE FROM pgforest.model WHERE id = $1", &args);
}

static void
drop_version(const PfModelInfo *model, int32 version)
{
	PfArgs		args = {0};
	bool		isnull;

	pf_arg_int8(&args, model->id);
	pf_arg_int4(&args, version);
	pf_write("SELECT string_agg(alias, ', ' ORDER BY alias), "
			 "(SELECT max(version) FROM pgforest.version WHERE model_id = $1 AND version <> $2) "
			 "FROM pgforest.alias WHERE model_id = $1 AND version = $2", &args);
	pf_written(1, &isnull);
	if (!isnull)
	{
		char	   *aliases = TextDatumGetCString(pf_written(1, &isnull));
		char	   *first = pnstrdup(aliases, strcspn(aliases, ","));
		int32		other = DatumGetInt32(pf_written(2, &isnull));

		ereport(ERROR,
				errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				errmsg("cannot drop version %d of model \"%s\" because an alias names it",
					   version, model->name),
				errdetail("Aliases that name it: %s.", aliases),
				isnull ?
				errhint("Drop the whole model: SELECT ml_drop(%s).",
						quote_literal_cstr(model->name)) :
				errhint("Let them name another version first, as in SELECT * FROM ml_promote(%s, %d, alias => '%s').",
						quote_literal_cstr(model->name), other, first));
	}
	for (int i = 0; i < (int) lengthof(version_tables); i++)
	{
		uint64		gone = pf_write(psprintf("DELETE FROM pgforest.%s WHERE model_id = $1 AND version = $2",
											 version_tables[i]), &args);

		if (i == 0 && gone == 0)
			pf_no_such_version(model, version);
	}
}

pg_noreturn static void
refuse_alias(const PfModelInfo *model, const char *alias)
{
	int32		version = pf_catalog_alias(model, alias);

	if (version == 0)
		version = pf_newest_version(model);
	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("cannot drop by alias \"%s\"", alias),
			errdetail("An alias may move between looking and dropping."),
			version == 0 ?
			errhint("Name the whole model, %s.", quote_literal_cstr(model->name)) :
			errhint("Name a version, as in %s, or the whole model, %s.",
					quote_literal_cstr(psprintf("%s@%d", model->name, version)),
					quote_literal_cstr(model->name)));
}

PG_FUNCTION_INFO_V1(ml_drop);

Datum
ml_drop(PG_FUNCTION_ARGS)
{
	PfReference *reference;
	PfModelInfo model;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("argument \"%s\" must not be null", "model"));
	reference = pf_reference_parse(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	pf_need_writable("ml_drop()");
	pf_push_new_snapshot();
	pf_catalog_need_model(reference->model, PF_RIGHT_OWNER, &model);
	if (!reference->bare && reference->version == 0)
		refuse_alias(&model, reference->alias);

	SPI_connect();
	pf_lock_model(reference->model, PF_RIGHT_OWNER, &model);
	if (reference->bare)
		drop_model(&model);
	else
		drop_version(&model, reference->version);
	SPI_finish();
	PopActiveSnapshot();
	PG_RETURN_VOID();
}

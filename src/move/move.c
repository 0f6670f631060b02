/*
 * move.c
 *	  ml_export and ml_import: a version from one database to another.
 *
 * What arrives may come from anybody: lengths and checksum are checked, the model is decoded
 * as untrusted bytes are, and what the sections say must be what the model says before anything
 * is stored; what was stored is then read as a prediction and ml_evaluate will read it, so that
 * what they cannot read is refused here.  Nothing of what arrives is ever run.
 *
 * Memory: the data once more, and the decoded model.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/move.h"
#include "catalog/pgenv.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "move/container.h"
#include "portability/instr_time.h"
#include "predict/bind.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(ml_export);
PG_FUNCTION_INFO_V1(ml_import);

/* ml_export(model text) returns bytea */
Datum
ml_export(PG_FUNCTION_ARGS)
{
	PfVersionInfo version;
	PfContainer container;
	char	   *sections;

	pf_catalog_resolve(text_to_cstring(PG_GETARG_TEXT_PP(0)), PF_RIGHT_OWNER, &version);
	sections = pf_catalog_describe(&version);
	container.sections = pg_server_to_any(sections, (int) strlen(sections), PG_UTF8);
	container.nsections = strlen(container.sections);
	container.model = pf_catalog_bytes(&version);
	container.nmodel = version.nbytes;
	PG_RETURN_BYTEA_P(pf_container_write(&container, version.model.name));
}

/* ----- what the sections say ----- */

static Jsonb *
read_sections(const PfContainer *container)
{
	char	   *utf8;
	char	   *text;

	if (memchr(container->sections, '\0', container->nsections) != NULL)
		pf_not_exported("its sections have a zero byte");
	utf8 = pnstrdup(container->sections, container->nsections);
	text = pg_any_to_server(utf8, (int) container->nsections, PG_UTF8);
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

/* An object in the sections, by its name. */
static JsonbContainer *
need_section(Jsonb *sections, const char *name)
{
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(sections) ||
		getKeyJsonValueFromContainer(&sections->root, name, strlen(name), &value) == NULL ||
		value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data))
		pf_not_exported(psprintf("it has no section \"%s\"", name));
	return value.val.binary.data;
}

/* A text in a section; NULL when it is null, or none is needed and none is there. */
static char *
read_text(JsonbContainer *section, const char *name, bool needed)
{
	JsonbValue	value;

	if (getKeyJsonValueFromContainer(section, name, strlen(name), &value) != NULL)
	{
		if (value.type == jbvString)
			return pnstrdup(value.val.string.val, value.val.string.len);
		if (value.type == jbvNull && !needed)
			return NULL;
	}
	if (needed)
		pf_not_exported(psprintf("\"%s\" is not a text", name));
	return NULL;
}

/* Are the elements of an array these texts?  An array that is null or not there has none. */
static bool
has_texts(JsonbContainer *section, const char *name, const char *(*text) (const PfModel *, uint32),
		  const PfModel *model, uint32 n)
{
	JsonbValue	value;

	if (getKeyJsonValueFromContainer(section, name, strlen(name), &value) == NULL ||
		value.type == jbvNull)
		return n == 0;
	if (value.type != jbvBinary || !JsonContainerIsArray(value.val.binary.data) ||
		JsonContainerSize(value.val.binary.data) != n)
		return false;
	for (uint32 i = 0; i < n; i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(value.val.binary.data, i);

		if (element->type != jbvString ||
			element->val.string.len != (int) strlen(text(model, i)) ||
			memcmp(element->val.string.val, text(model, i), element->val.string.len) != 0)
			return false;
		pfree(element);
	}
	return true;
}

static const char *
column_text(const PfModel *model, uint32 i)
{
	return model->columns[i].name;
}

static const char *
class_text(const PfModel *model, uint32 i)
{
	return model->classes[i];
}

static bool
has_number(JsonbContainer *section, const char *name, int64 number)
{
	JsonbValue	value;

	return getKeyJsonValueFromContainer(section, name, strlen(name), &value) != NULL &&
		value.type == jbvNumeric &&
		DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(value.val.numeric),
										 DirectFunctionCall1(int8_numeric, Int64GetDatum(number))));
}

/* Every section against the bytes of the model. */
static void
check_sections(const PfContainer *container, JsonbContainer *about, JsonbContainer *version,
			   const PfModel *model, const char *sha256)
{
	static const char *const tasks[] = {[PF_CLASSIFICATION] = "classification",
	[PF_REGRESSION] = "regression",[PF_ANOMALY] = "anomaly"};
	static const char *const needed[] = {"algorithm", "query", "identity", "holdout", "params",
	"arguments", "seed", "rows", "data_fingerprint", "trained_at", "extension_version", "seconds"};
	char	   *stated = read_text(version, "sha256", true);
	JsonbValue	value;

	for (int i = 0; i < (int) lengthof(needed); i++)
		if (getKeyJsonValueFromContainer(version, needed[i], strlen(needed[i]), &value) == NULL ||
			value.type == jbvNull)
			pf_not_exported(psprintf("its version has no \"%s\"", needed[i]));
	if (strncmp(stated, "\\x", 2) != 0 || strcmp(stated + 2, sha256) != 0)
		pf_not_exported("the model has another SHA-256 than its version");
	if (!has_number(version, "bytes", (int64) container->nmodel))
		pf_not_exported("the model has another length than its version says");
	if (strcmp(read_text(about, "task", true), tasks[model->task]) != 0)
		pf_not_exported("the model has another task than its version says");
	if (!has_texts(version, "columns", column_text, model, model->ncolumns) ||
		!has_number(version, "features", model->nfeatures))
		pf_not_exported("the model has other features than its version says");
	if (!has_texts(version, "classes", class_text, model, model->nclasses))
		pf_not_exported("the model has other classes than its version says");
}

static bool
is_ascii(const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (IS_HIGHBIT_SET(bytes[i]))
			return false;
	return true;
}

/* Has a model any name, label or category beyond ASCII? */
static bool
is_model_ascii(const PfModel *model)
{
	bool		ascii = true;

	for (uint32 i = 0; i < model->ncolumns; i++)
		ascii &= is_ascii(model->columns[i].name, strlen(model->columns[i].name));
	for (uint32 i = 0; i < model->nclasses; i++)
		ascii &= is_ascii(model->classes[i], strlen(model->classes[i]));
	for (uint32 i = 0; ascii && i < model->nfeatures; i++)
	{
		const PfBins *bins = &model->bins[i];

		pf_check_interrupts();
		if (bins->ncategories > 0)
			ascii = is_ascii(bins->text, bins->offsets[bins->ncategories]);
	}
	return ascii;
}

/* Its bytes are in the encoding of the database that it was trained in. */
static void
check_encoding(Jsonb *sections, const PfModel *model)
{
	char	   *encoding = read_text(need_section(sections, "exported"), "encoding", true);

	if (strcmp(encoding, GetDatabaseEncodingName()) == 0 || is_model_ascii(model))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
			 errmsg("model with names beyond ASCII comes from a database with another encoding"),
			 errdetail("Its encoding is %s, that of this database %s.", encoding, GetDatabaseEncodingName()),
			 errhint("Import it into a database with the encoding %s, or train it again in this one.", encoding)));
}

/* A model of that name is continued only with versions of the same columns and target. */
static void
check_existing(const char *name, const char *task, const char *target, const PfModel *model)
{
	PfModelInfo existing;
	PfVersionInfo newest;
	const PfModel *other;
	bool		same;

	if (!pf_catalog_model(name, &existing))
		return;
	pf_catalog_need_model(name, PF_RIGHT_TRAIN, &existing);
	pf_catalog_need_task(&existing, task);
	for (int32 v = existing.last_version; v > 0; v--)
		if (pf_catalog_version(&existing, v, &newest))
			break;
		else if (v == 1)
			return;
	if (existing.last_version == 0)
		return;

	other = pf_hold_model(CurrentMemoryContext, &newest);
	same = other->ncolumns == model->ncolumns &&
		strcmp(newest.target ? newest.target : "", target ? target : "") == 0;
	for (uint32 i = 0; same && i < model->ncolumns; i++)
	{
		bool		found = false;

		for (uint32 j = 0; !found && j < other->ncolumns; j++)
			found = strcmp(model->columns[i].name, other->columns[j].name) == 0 &&
				model->columns[i].kind == other->columns[j].kind &&
				model->columns[i].length == other->columns[j].length;
		same = found;
	}
	if (!same)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" has another target or other features than the model to be imported", name),
				 errdetail("Version %d of it is not of the same columns.", newest.version),
				 errhint("Import it under another name: ml_import(data, name => %s).",
						 quote_literal_cstr(psprintf("%.*s 2", pg_mbcliplen(name, strlen(name), 60), name)))));
}

/* ----- the call ----- */

static Datum
result_row(FunctionCallInfo fcinfo, const PfVersionInfo *version, const PfModel *model,
		   const char *sha256)
{
	TupleDesc	desc;
	Datum		values[7];
	bool		nulls[7] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = CStringGetTextDatum(version->model.name);
	values[1] = Int32GetDatum(version->version);
	values[2] = CStringGetTextDatum(version->model.task);
	values[3] = CStringGetTextDatum(version->algorithm);
	values[4] = Int32GetDatum((int32) model->nfeatures);
	values[5] = Int64GetDatum(version->nbytes);
	values[6] = CStringGetTextDatum(sha256);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* ml_import(data bytea, name text, note text) returns the new version */
Datum
ml_import(PG_FUNCTION_ARGS)
{
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	PfContainer container;
	PfImport	import = {0};
	PfVersionInfo stored;
	PfMeasured *measured;
	PfFrame    *frames;
	PfProfile	profile;
	JsonbContainer *about;
	JsonbContainer *version;
	const PfModel *model;
	const char *reason = NULL;
	uint8		sha256[32];
	char		hex[65];
	instr_time	start;
	instr_time	now;
	int32		number;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("data must not be null")));
	INSTR_TIME_SET_CURRENT(start);
	pf_push_new_snapshot();
	pf_container_read(PG_GETARG_BYTEA_PP(0), &container);
	import.sections = read_sections(&container);
	about = need_section(import.sections, "model");
	version = need_section(import.sections, "version");
	import.bytes = container.model;
	import.nbytes = container.nmodel;
	import.model = PG_ARGISNULL(1) ? read_text(about, "name", true) : text_to_cstring(PG_GETARG_TEXT_PP(1));
	import.task = read_text(about, "task", true);
	import.target = read_text(version, "target", false);
	import.note = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	pf_check_model_name(import.model);

	pf_catalog_sha256(container.model, container.nmodel, sha256);
	hex_encode((const char *) sha256, 32, hex);
	hex[64] = '\0';
	model = pf_model_decode(env, container.model, container.nmodel,
							Max(container.nmodel * 4096, (Size) 1 << 30), &reason);
	if (model == NULL)
		pf_not_exported(reason);
	check_encoding(import.sections, model);
	check_sections(&container, about, version, model, hex);
	check_existing(import.model, import.task, import.target, model);

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, start);
	import.seconds = INSTR_TIME_GET_DOUBLE(now);
	number = pf_catalog_import(&import);

	/* as those read it who use it */
	PopActiveSnapshot();
	pf_push_new_snapshot();
	pf_catalog_resolve(psprintf("%s@%d", import.model, number), PF_RIGHT_TRAIN, &stored);
	pf_hold_model(CurrentMemoryContext, &stored);
	pf_catalog_measured(&stored, true, &measured);
	pf_catalog_baseline(env, &stored, model, &frames, &profile);
	if (stored.recipe != NULL)
		pf_raw_binder_create(model, import.model, pf_recipe_read(stored.recipe), NULL);
	PopActiveSnapshot();
	return result_row(fcinfo, &stored, model, hex);
}

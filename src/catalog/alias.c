/*
 * alias.c
 *	  Moving aliases, forth and back.
 *
 * Each move is a row in alias_history, and an alias points to the one that put it
 * where it is.  A move's previous_id is the one that a rollback returns to.  A
 * rollback writes a row as well, but takes over the previous_id of the move that it
 * returns to: seen from it, the history is that of the older move, so that the
 * next rollback goes back one more, as popping a stack does.
 *
 * All of it happens under the lock on the model's row, so two promotions, or a
 * promotion and a drop, come one after the other.
 */
#include "postgres.h"

#include "catalog/alert.h"
#include "catalog/tables.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

/* What an alias is now. */
typedef struct Current
{
	int32		version;		/* 0: there is no such alias */
	int64		history;
} Current;

static Current
read_current(int64 model, const char *alias)
{
	PfArgs		args = {0};
	Current		current = {0, 0};
	bool		isnull;

	pf_arg_int8(&args, model);
	pf_arg_text(&args, alias);
	if (pf_write("SELECT version, history_id FROM pgforest.alias "
				 "WHERE model_id = $1 AND alias = $2", &args) == 0)
		return current;
	current.version = DatumGetInt32(pf_written(1, &isnull));
	current.history = DatumGetInt64(pf_written(2, &isnull));
	return current;
}

/* Writes the move and points the alias to it.  back_to: 0 for none. */
static void
move(int64 model, const char *alias, const Current *from, int32 to, int64 back_to,
	 const char *action, const char *reason)
{
	PfArgs		args = {0};
	int64		history;
	bool		isnull;

	pf_arg_int8(&args, model);
	pf_arg_text(&args, alias);
	pf_arg(&args, INT4OID, Int32GetDatum(from->version), from->version == 0);
	pf_arg_int4(&args, to);
	pf_arg_text(&args, action);
	pf_arg_text(&args, reason);
	pf_arg_name(&args, GetUserNameFromId(GetUserId(), false));
	pf_arg(&args, INT8OID, Int64GetDatum(back_to), back_to == 0);
	pf_write("INSERT INTO pgforest.alias_history (model_id, alias, from_version, to_version, "
			 "action, reason, role, previous_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "
			 "RETURNING id", &args);
	history = DatumGetInt64(pf_written(1, &isnull));

	memset(&args, 0, sizeof(args));
	pf_arg_int8(&args, model);
	pf_arg_text(&args, alias);
	pf_arg_int4(&args, to);
	pf_arg_int8(&args, history);
	pf_write("INSERT INTO pgforest.alias (model_id, alias, version, history_id) "
			 "VALUES ($1, $2, $3, $4) ON CONFLICT (model_id, alias) "
			 "DO UPDATE SET version = $3, history_id = $4", &args);
}

/* Tells those who want to hear of promotions. */
static void
tell_move(const PfModelInfo *model, const char *alias, int32 from, int32 to, const char *action,
		  const char *reason)
{
	PfAlert		event = {.event = "promoted",.severity = PF_INFO,.model = model->name,.version = to};
	StringInfoData details;

	initStringInfo(&details);
	appendStringInfoString(&details, "{\"action\": ");
	escape_json(&details, action);
	appendStringInfoString(&details, ", \"alias\": ");
	escape_json(&details, alias);
	if (from > 0)
		appendStringInfo(&details, ", \"previous\": %d", from);
	appendStringInfoString(&details, ", \"reason\": ");
	escape_json(&details, reason ? reason : "");
	appendStringInfoChar(&details, '}');
	event.details = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(details.data)));
	event.title = psprintf("version %d of model %s is %s now", to, model->name, alias);
	pf_alert_raise(&event);
}

/* The model under its lock; it must still be the one that the caller looked at. */
static void
lock_same(const PfModelInfo *model, PfModelInfo *locked)
{
	pf_lock_model(model->name, PF_RIGHT_PROMOTE, locked);
	if (locked->id != model->id)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("model \"%s\" was dropped and trained anew meanwhile", model->name),
				errhint("Look at its versions in pgforest.versions and call again."));
}

void
pf_catalog_set_alias(const PfModelInfo *model, const char *alias, int32 version,
					 const char *action, const char *reason, int32 *previous)
{
	PfModelInfo locked;
	PfArgs		args = {0};
	Current		current;

	pf_check_alias_name(alias);
	pf_need_writable("ml_promote()");
	SPI_connect();
	lock_same(model, &locked);
	pf_arg_int8(&args, locked.id);
	pf_arg_int4(&args, version);
	if (pf_write("SELECT FROM pgforest.version WHERE model_id = $1 AND version = $2", &args) == 0)
		pf_no_such_version(&locked, version);
	current = read_current(locked.id, alias);
	*previous = current.version;
	if (current.version != version)
	{
		move(locked.id, alias, &current, version, current.history, action, reason);
		tell_move(&locked, alias, current.version, version, action, reason);
	}
	SPI_finish();
}

/*
 * The nearest move before the current one whose version still exists and is another one.
 * Returns false when there is none.
 */
static bool
find_earlier(int64 model, const Current *current, int32 *version, int64 *back_to)
{
	PfArgs		args = {0};
	bool		isnull;

	pf_arg_int8(&args, model);
	pf_arg_int8(&args, current->history);
	pf_arg_int4(&args, current->version);
	if (pf_write("WITH RECURSIVE stack (place, id, to_version, previous_id) AS ("
				 "SELECT 0, h.id, h.to_version, h.previous_id "
				 "FROM pgforest.alias_history h WHERE h.id = $2 "
				 "UNION ALL "
				 "SELECT s.place + 1, h.id, h.to_version, h.previous_id "
				 "FROM stack s JOIN pgforest.alias_history h ON h.id = s.previous_id "
				 "AND h.id < s.id) "
				 "SELECT s.to_version, s.previous_id FROM stack s "
				 "WHERE s.place > 0 AND s.to_version <> $3 "
				 "AND EXISTS (SELECT FROM pgforest.version v "
				 "WHERE v.model_id = $1 AND v.version = s.to_version) "
				 "ORDER BY s.place LIMIT 1", &args) == 0)
		return false;
	*version = DatumGetInt32(pf_written(1, &isnull));
	*back_to = DatumGetInt64(pf_written(2, &isnull));
	if (isnull)
		*back_to = 0;
	return true;
}

void
pf_catalog_rollback(const PfModelInfo *model, const char *alias, const char *reason,
					int32 *version, int32 *previous)
{
	PfModelInfo locked;
	Current		current;
	int64		back_to;

	pf_check_alias_name(alias);
	pf_need_writable("ml_rollback()");
	SPI_connect();
	lock_same(model, &locked);
	current = read_current(locked.id, alias);
	if (current.version == 0)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("alias \"%s\" of model \"%s\" does not exist", alias, locked.name),
				pf_newest_version(&locked) == 0 ? errhint("Train a version with ml_train.") :
				errhint("ml_promote(%s, %d, alias => '%s') makes it.",
						quote_literal_cstr(locked.name), pf_newest_version(&locked), alias));
	if (!find_earlier(locked.id, &current, version, &back_to))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("alias \"%s\" of model \"%s\" has no earlier version to go back to",
					   alias, locked.name),
				errdetail("It names version %d.", current.version),
				errhint("Its moves are listed in pgforest.alias_history; ml_promote(%s, <version>) moves it to any version.",
						quote_literal_cstr(locked.name)));
	*previous = current.version;
	move(locked.id, alias, &current, *version, back_to, "rollback", reason);
	tell_move(&locked, alias, current.version, *version, "rollback", reason);
	SPI_finish();
}

/*
 * deliver.c
 *	  ml_deliver_alerts: sends what waits in the outbox.
 *
 * For each message there are two short transactions: one takes it, the next notes what came of it.  In
 * between, while the message is on its way, this session holds no snapshot, no lock and no transaction
 * id, so that it keeps neither VACUUM nor anybody else from working, however slow the target is.
 *
 * What was due when the call began is tried once; what fails is tried again by a later call.  So a
 * call comes to an end, and a schedule may start one each minute: two at once share the work.
 *
 * Memory: a context that is reset for each message.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "alert/message.h"
#include "catalog/outbox.h"
#include "catalog/tables.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "net/net.h"
#include "nodes/parsenodes.h"
#include "settings.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define LEASE_MARGIN 5000		/* ms, for taking and noting */

/* It commits, so it cannot be part of a transaction. */
static void
need_own_transaction(FunctionCallInfo fcinfo)
{
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				errmsg("ml_deliver_alerts cannot run inside a transaction block or a function"),
				errdetail("It commits after each message."),
				errhint("Run CALL ml_deliver_alerts() by itself."));
}

/* Posts it, and notes how that went; was it delivered? */
static bool
deliver(const PfMessage *message, const PfPost *post)
{
	PfAnswer	answer;

	Assert(!ActiveSnapshotSet() && !TransactionIdIsValid(GetTopTransactionIdIfAny()));
	pf_net_post(post, &answer);

	pf_outbox_note(message, answer.seconds, answer.status, pf_message_hide(message, answer.error),
				   answer.error == NULL ? NULL : pf_message_hide(message, answer.excerpt));
	return answer.error == NULL;
}

PG_FUNCTION_INFO_V1(ml_deliver_alerts);

Datum
ml_deliver_alerts(PG_FUNCTION_ARGS)
{
	TimestampTz due = GetCurrentTimestamp();
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgforest delivery",
												  ALLOCSET_DEFAULT_SIZES);
	int64		count[2] = {0, 0};	/* failed, delivered */
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	need_own_transaction(fcinfo);
	pf_need_writable("ml_deliver_alerts()");
	pf_net_need();
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	for (;;)
	{
		MemoryContext caller;
		PfMessage	message;
		PfPost		post;

		MemoryContextReset(context);
		if (!pf_outbox_take(due, pf_alert_timeout + LEASE_MARGIN, context, &message))
			break;
		caller = MemoryContextSwitchTo(context);
		pf_message_write(&message, &post);
		post.timeout = pf_alert_timeout;
		SPI_commit();
		count[deliver(&message, &post)]++;
		MemoryContextSwitchTo(caller);
		SPI_commit();
	}
	pf_outbox_prune();
	SPI_finish();
	MemoryContextDelete(context);

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Int64GetDatum(count[true]);
	values[1] = Int64GetDatum(count[false]);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * moment.c
 *	  Does an answer that was read from our tables still hold?
 *
 * ml_predict is called for every row, but which version answers is looked up once
 * a statement.  The calling function keeps the answer where it keeps its state
 * (fn_extra), which may live longer than a statement (PL/pgSQL, cached plans) and may
 * see several snapshots.  So the answer is kept together with the moment it
 * belongs to, and asked for again when the moment is another.
 *
 * What our tables show to a backend is a function of (a) the set of transactions that
 * its snapshot takes for finished, (b) what its own transaction has done before
 * curcid, and (c) the role, for the rights.  The moment pins all three with a few
 * integers:
 *
 * (a) xmax and the numbers of running transactions suffice; the lists need not be
 *	   compared.  xmax is the latest completed xid + 1, so every xid below it was
 *	   assigned and in the shared array before any snapshot with this xmax was taken.
 *	   None can join that set later, only leave it, by ending.  Of two
 *	   snapshots with the same xmax the younger one's set is therefore contained in the
 *	   older one's, and with the same counts they are equal.  (When subtransaction lists
 *	   overflow, running ones are told by their top-level xid, for which the same holds;
 *	   an aborted subtransaction is invisible either way.  On a standby all xids
 *	   stand in the subxip list; additions there go above xmax as well.)  A difference that
 *	   does not matter, such as in xmin, costs a look-up and nothing else.
 * (b) Commands of the own transaction are told apart by curcid, except that a
 *	   ROLLBACK TO SAVEPOINT, or an error caught in PL/pgSQL, takes rows away without
 *	   touching the snapshot: every abort of a subtransaction counts up the
 *	   generation.  So does every end of a transaction, since curcid begins again.
 *	   That also covers imported snapshots, which come from another
 *	   backend's point of view: they are set once, at the beginning of a transaction.
 *
 * A pointer to a snapshot says nothing: the memory is used again for the next one.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/models.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

static uint64 generation = 0;	/* 0: callbacks not registered yet */

static void
transaction_event(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PREPARE:
			generation++;
			break;
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			break;
	}
}

static void
subtransaction_event(SubXactEvent event, SubTransactionId mine,
					 SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		generation++;
}

void
pf_moment_now(PfMoment *moment)
{
	Snapshot	snapshot = GetActiveSnapshot();

	if (generation == 0)
	{
		RegisterXactCallback(transaction_event, NULL);
		RegisterSubXactCallback(subtransaction_event, NULL);
		generation = 1;
	}

	/* the argument above is about MVCC snapshots; under any other, ask each time */
	moment->generation = snapshot->snapshot_type == SNAPSHOT_MVCC ? generation : 0;
	moment->xmin = snapshot->xmin;
	moment->xmax = snapshot->xmax;
	moment->curcid = snapshot->curcid;
	moment->xcnt = snapshot->xcnt;
	moment->subxcnt = snapshot->subxcnt;
	moment->user = GetUserId();
}

bool
pf_moment_holds(const PfMoment *moment)
{
	Snapshot	snapshot;

	if (moment->generation != generation || generation == 0)
		return false;
	snapshot = GetActiveSnapshot();
	return snapshot->snapshot_type == SNAPSHOT_MVCC &&
		snapshot->xmax == moment->xmax &&
		snapshot->xmin == moment->xmin &&
		snapshot->curcid == moment->curcid &&
		snapshot->xcnt == moment->xcnt &&
		snapshot->subxcnt == moment->subxcnt &&
		GetUserId() == moment->user;
}

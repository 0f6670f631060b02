/*
 * folds.c
 *	  Which fold a training row is in.
 *
 * By the hash of the row and nothing else: rows in the order of their fold hashes are cut
 * into n pieces of equal size, for classification within each class, so that every fold has
 * its share of each.  Rows of one hash stay together, those of one key or, without a key, those
 * that are equal in everything; they go with the class of the first of them.  Neither the
 * seed nor the order of arrival has a say.
 *
 * By time: the bins of the column order_by are dealt into n + 1 parts of about equal size in
 * their order; fold f is trained on the first f + 1 of them and measured on the next, so that
 * nothing is predicted from what came after it.  The column is read as the last
 * feature, which gives it its bins, and taken off again here: no tree sees it.
 */
#include "postgres.h"

#include "catalog/pgenv.h"
#include "engine/bins/binmap.h"
#include "engine/bins/hash.h"
#include "engine/bins/sort.h"
#include "tune/tune.h"

#define PIECE 65536				/* rows between two interrupt checks */

static void
too_few(int n, const char *what, uint32 there)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the training rows cannot make %d folds", n),
			 errdetail("They have %u different %s.", there, what),
			 errhint(there < 2 ? "There must be at least 2." : "Pass fewer folds.")));
}

/* Pieces of equal size along the hash, for each class. */
static void
deal_by_hash(PfFolds *folds, bool has_key)
{
	const PfLoaded *loaded = folds->loaded;
	const PfEnv *env = pf_pg_env(CurrentMemoryContext);
	const PfMatrix *rows = &loaded->train;
	uint32		n = rows->nrows;
	uint32	   *size = palloc0(Max(loaded->nclasses, 1) * sizeof(uint32));
	uint32	   *rank = palloc0(Max(loaded->nclasses, 1) * sizeof(uint32));
	uint32	   *members = palloc0(folds->n * sizeof(uint32));
	PfItem	   *items = pf_alloc(env, Max(n, 1) * sizeof(PfItem));
	uint32		different = 0;

	for (uint32 i = 0; i < n; i++)
	{
		if (i % PIECE == 0)
			pf_check(env);
		items[i].key = pf_repurpose(loaded->train_order[i], PF_FOR_ORDER, PF_FOR_FOLD);
		items[i].index = i;
	}
	pf_sort_items(env, items, n);

	/* first the sizes of the classes, then the parts; rows of one hash count as the first of them */
	for (int pass = 0; pass < 2; pass++)
	{
		for (uint32 i = 0, end; i < n; i = end)
		{
			uint32		c = rows->label ? rows->label[items[i].index] : 0;
			uint8		part = pass ? (uint8) ((uint64) rank[c] * folds->n / size[c]) : 0;

			if (different++ % PIECE == 0)
				pf_check(env);
			for (end = i; end < n && items[end].key == items[i].key; end++)
			{
				if (pass)
					folds->part[items[end].index] = part;
			}
			if (pass)
			{
				rank[c] += end - i;
				members[part] += end - i;
			}
			else
				size[c] += end - i;
		}
	}
	for (int f = 0; f < folds->n; f++)
	{
		if (members[f] == 0)
			too_few(folds->n, has_key ? "keys" : "rows", different / 2);
	}
	pf_release(env, items);
}

/* Parts of about equal size along the bins of the last feature, which goes. */
static void
deal_by_time(PfFolds *folds, PfLoaded *loaded, const char *order_by)
{
	const PfMatrix *rows = &loaded->train;
	uint32		feature = loaded->bins_at + loaded->nfeatures - 1;
	uint32		size[PF_MAX_BINS + 1] = {0};
	uint8		part[PF_MAX_BINS + 1] = {0};
	uint32		nbins = 0;
	uint64		rows_left = rows->nrows;	/* those of parts that are full are taken off */
	uint32		parts_left = folds->n + 1;
	uint64		members = 0;	/* of the part at hand */

	for (uint32 i = 0; i < rows->nrows; i++)
	{
		if (i % PIECE == 0)
			CHECK_FOR_INTERRUPTS();
		size[rows->bins[(Size) i * rows->stride + feature]]++;
	}
	if (size[PF_MISSING_BIN] > 0)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("column \"%s\" is NULL in %u of the training rows", order_by, size[PF_MISSING_BIN]),
				 errhint("Rows that are put in an order need a value there; leave the others out in the source.")));
	for (int b = 0; b < PF_MAX_BINS; b++)
		nbins += size[b] > 0;
	if (nbins < parts_left)
		too_few(folds->n, psprintf("values of \"%s\" to part them by", order_by), nbins);
	for (int b = 0; b < PF_MAX_BINS; b++)
	{
		if (size[b] == 0)
			continue;
		/* the part is as full as those to come will be on average, or each of them needs a bin */
		if (members > 0 && parts_left > 1 &&
			((2 * members + size[b]) * parts_left >= 2 * rows_left || nbins < parts_left))
		{
			rows_left -= members;
			members = 0;
			parts_left--;
		}
		part[b] = (uint8) (folds->n + 1 - parts_left);
		members += size[b];
		nbins--;
	}
	for (uint32 i = 0; i < rows->nrows; i++)
	{
		if (i % PIECE == 0)
			CHECK_FOR_INTERRUPTS();
		folds->part[i] = part[rows->bins[(Size) i * rows->stride + feature]];
	}
	folds->forward = true;
	loaded->ncolumns--;
	loaded->nfeatures--;
	loaded->train.nfeatures--;
	loaded->validation.nfeatures--;
	loaded->test.nfeatures--;
	/* what is known of the prediction and of the target stands behind the features */
	memmove(&loaded->frames[loaded->nfeatures], &loaded->frames[loaded->nfeatures + 1], 2 * sizeof(PfFrame));
	memmove(&loaded->tallies[loaded->nfeatures], &loaded->tallies[loaded->nfeatures + 1], 2 * sizeof(PfTally));
}

PfFolds *
pf_folds_make(PfLoaded *loaded, int n, bool has_key, const char *order_by, int max_bins)
{
	PfFolds    *folds = palloc0(sizeof(PfFolds));

	folds->loaded = loaded;
	folds->n = n;
	folds->entries_at = loaded->bins_at + loaded->nfeatures;
	folds->max_bins = max_bins;
	folds->part = MemoryContextAllocHuge(CurrentMemoryContext, Max(loaded->train.nrows, 1));
	if (order_by)
		deal_by_time(folds, loaded, order_by);
	else
		deal_by_hash(folds, has_key);
	return folds;
}

/*
 * families.c
 *	  Trials that are parts of another trial, and cost next to nothing beside it.
 *
 * Trees of folds draw the features of a node by its place in the tree (PfForestParams.by_place).  So
 * a forest that differs from another in no more than a lower max_depth, a higher min_samples_split
 * or fewer trees is a part of it, to the last bit: the tops of the first trees.  The larger one is
 * grown, and the rows of the fold are asked where they end in the others, too.  Of boosted trees
 * without early stopping, the first rounds are what fewer rounds would be.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "settings.h"
#include "tune/tune.h"

#define MEMORY_SHARE 8			/* a part of pgforest.train_memory, at most, is for the sums of views */

/* What may differ within a family. */
typedef enum Kind
{
	ALONE,
	ROUNDS,						/* the number of trees */
	TOPS						/* and where they end */
} Kind;

typedef struct Member
{
	PfTrial    *trial;
	int			place;			/* among all */
	char	   *rest;			/* what must not differ; NULL: it is alone */
	PfParts	   *parts;			/* when it is a head */
} Member;

static Kind
kind_of(const PfTrial *trial)
{
	const PfParams *given = &trial->params->given;

	if (given->calibration != NULL)
		return ALONE;
	if (trial->algorithm->grow == pf_forest_train)
		return given->max_leaf_nodes == 0 ? TOPS : ROUNDS;
	if (trial->algorithm->grow == pf_boosting_train && strcmp(given->early_stopping, "false") == 0)
		return ROUNDS;
	return ALONE;
}

static bool
may_differ(Kind kind, const char *parameter, bool hurried)
{
	return (!hurried && strcmp(parameter, "n_estimators") == 0) ||
		(kind == TOPS && (strcmp(parameter, "max_depth") == 0 ||
						  strcmp(parameter, "min_samples_split") == 0));
}

static char *
describe_rest(const PfTrial *trial, bool hurried)
{
	const PfParam *table = trial->params->table;
	Kind		kind = kind_of(trial);
	StringInfoData rest;

	if (kind == ALONE)
		return NULL;
	initStringInfo(&rest);
	appendStringInfoString(&rest, trial->algorithm->name);
	for (int i = 0; table[i].name != NULL; i++)
	{
		if (!may_differ(kind, table[i].name, hurried))
			appendStringInfo(&rest, "\n%s", trial->params->text[i]);
	}
	return rest.data;
}

/* UINT32_MAX: no limit */
static uint32
depth_of(const PfTrial *trial)
{
	return trial->params->given.max_depth ? trial->params->given.max_depth : UINT32_MAX;
}

/* The larger first, of each kind; then nothing is a part of what comes after it. */
static int
compare_members(const void *a, const void *b)
{
	const Member *x = a;
	const Member *y = b;
	const PfParams *p = &x->trial->params->given;
	const PfParams *q = &y->trial->params->given;
	int			order;

	if (x->rest == NULL || y->rest == NULL)
		return (x->rest == NULL) != (y->rest == NULL) ? (x->rest == NULL) - (y->rest == NULL)
			: x->place - y->place;
	order = strcmp(x->rest, y->rest);
	if (order != 0)
		return order;
	if (p->n_estimators != q->n_estimators)
		return p->n_estimators > q->n_estimators ? -1 : 1;
	if (kind_of(x->trial) == TOPS && depth_of(x->trial) != depth_of(y->trial))
		return depth_of(x->trial) > depth_of(y->trial) ? -1 : 1;
	if (kind_of(x->trial) == TOPS && p->min_samples_split != q->min_samples_split)
		return p->min_samples_split < q->min_samples_split ? -1 : 1;
	return x->place - y->place;
}

static bool
is_part(const PfTrial *trial, const PfTrial *head)
{
	const PfParams *part = &trial->params->given;
	const PfParams *whole = &head->params->given;

	return part->n_estimators <= whole->n_estimators &&
		(kind_of(head) != TOPS ||
		 (depth_of(trial) <= depth_of(head) && part->min_samples_split >= whole->min_samples_split));
}

uint64
pf_family_memory(const PfFolds *folds, uint32 views)
{
	const PfLoaded *loaded = folds->loaded;
	uint64		rows = loaded->train.nrows / folds->n + 1;

	/* a sum for each class, and the leaf of a tree */
	return rows * views * (Max(loaded->nclasses, 1) * sizeof(double) + sizeof(uint32));
}

uint32
pf_family_max_views(const PfFolds *folds)
{
	return (uint32) Min((uint64) pf_train_memory * 1024 / MEMORY_SHARE / pf_family_memory(folds, 1),
						PF_MAX_VIEWS);
}

uint32
pf_family_view(const PfTrial *head, const PfTrial *part, PfParts *parts)
{
	const PfParams *given = &part->params->given;
	PfView		view = {given->max_depth, given->min_samples_split};

	if (kind_of(head) != TOPS || (view.max_depth == head->params->given.max_depth &&
								  view.min_samples_split == head->params->given.min_samples_split))
		return 0;
	for (uint32 v = 0; v < parts->nviews; v++)
	{
		if (parts->views[v].max_depth == view.max_depth &&
			parts->views[v].min_samples_split == view.min_samples_split)
			return v + 1;
	}
	if (parts->nviews < PF_MAX_VIEWS)
		parts->views[parts->nviews] = view;
	return ++parts->nviews;
}

/* A part of the head, for whose view there is room? */
static bool
join(Member *head, PfTrial *trial, uint32 max_views)
{
	uint32		before = head->parts->nviews;

	if (!is_part(trial, head->trial))
		return false;
	if (pf_family_view(head->trial, trial, head->parts) <= max_views)
		return true;
	head->parts->nviews = before;
	return false;
}

void
pf_families_find(PfTrial **trials, int n, uint32 max_views, bool hurried)
{
	Member	   *members = MemoryContextAllocHuge(CurrentMemoryContext, Max(n, 1) * sizeof(Member));

	for (int i = 0; i < n; i++)
	{
		trials[i]->head = trials[i];
		members[i] = (Member) {
			.trial = trials[i],.place = i,.rest = describe_rest(trials[i], hurried)
		};
	}
	qsort(members, n, sizeof(Member), compare_members);
	for (int first = 0, end; first < n; first = end)
	{
		for (end = first; end < n && members[end].rest != NULL &&
			 strcmp(members[end].rest, members[first].rest) == 0; end++)
		{
			Member	   *member = &members[end];

			CHECK_FOR_INTERRUPTS();
			for (int i = first; i < end && member->trial->head == member->trial; i++)
			{
				if (members[i].parts != NULL && join(&members[i], member->trial, max_views))
					member->trial->head = members[i].trial;
			}
			if (member->trial->head == member->trial)
				member->parts = palloc0(sizeof(PfParts));
		}
		if (end == first)
			break;				/* the rest are alone */
	}
	for (int i = 0; i < n; i++)
	{
		if (members[i].parts != NULL)
			pfree(members[i].parts);
		if (members[i].rest != NULL)
			pfree(members[i].rest);
	}
	pfree(members);
}

/*
 * bind.c
 *	  Rows and arrays; see bind.h.
 *
 * A row is matched by column name, so columns may be added, reordered and
 * widened without any change in the answers.  What a column is to the model
 * (number, category, array) must still hold; the values go through
 * load/columns.h, as in training.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "predict/bind.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

typedef struct Hold
{
	MemoryContextCallback callback;
	PfCached   *cached;
} Hold;

static void release(void *arg);
static bool is_positional(const PfModel *model, TupleDesc desc);
static int	find_attribute(TupleDesc desc, const char *name);
static void check_names(const PfModel *model, const char *reference, TupleDesc desc);
static void bind_type(PfBound *bound, const PfColumn *column, Oid type, StringInfo changed);
static const char *describe(bool number, bool array);
static void refuse_categories(const PfModel *model, const char *reference);

const PfModel *
pf_hold_model(MemoryContext context, const PfVersionInfo *version)
{
	Hold	   *hold = MemoryContextAllocZero(context, sizeof(Hold));

	/* nothing between the pin and the registration can fail */
	hold->cached = pf_cache_pin(version);
	hold->callback.func = release;
	hold->callback.arg = hold;
	MemoryContextRegisterResetCallback(context, &hold->callback);
	return pf_cached_model(hold->cached);
}

static void
release(void *arg)
{
	pf_cache_unpin(((Hold *) arg)->cached);
}

PfBinder *
pf_binder_create(const PfModel *model, const char *reference, TupleDesc desc)
{
	PfBinder   *binder = palloc0(sizeof(PfBinder));
	bool		positional = is_positional(model, desc);
	uint32		longest = 0;
	StringInfoData changed;

	binder->model = model;
	binder->reference = reference;
	binder->columns = palloc0(sizeof(PfBound) * Max(model->ncolumns, 1));

	if (positional && desc->natts != (int) model->ncolumns)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("row has %d values, but model \"%s\" has %u columns",
						desc->natts, reference, model->ncolumns),
				 errhint("Give ROW(...) one value for each column of the model, or pass a row whose columns have the model's names.")));
	if (!positional)
		check_names(model, reference, desc);

	initStringInfo(&changed);
	for (uint32 i = 0; i < model->ncolumns; i++)
	{
		const PfColumn *column = &model->columns[i];
		PfBound    *bound = &binder->columns[i];

		bound->attribute = positional ? (int) i : find_attribute(desc, column->name);
		bind_type(bound, column, TupleDescAttr(desc, bound->attribute)->atttypid, &changed);
		longest = Max(longest, column->length);
	}
	if (changed.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("row does not have the types that model \"%s\" was trained on", reference),
				 errdetail("%s.", changed.data),
				 errhint("Cast the values in a subquery, or train a new version on the columns as they are now.")));
	pfree(changed.data);

	if (longest > 0)
		binder->elements = palloc(sizeof(double) * longest);
	return binder;
}

/*
 * An anonymous ROW(...): a record with the columns f1..fn and nothing else.
 * A model whose own columns have these names is matched by name all the same.
 */
static bool
is_positional(const PfModel *model, TupleDesc desc)
{
	char		name[16];

	if (desc->tdtypeid != RECORDOID || desc->natts == 0)
		return false;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		snprintf(name, sizeof(name), "f%d", i + 1);
		if (attribute->attisdropped || strcmp(NameStr(attribute->attname), name) != 0)
			return false;
	}
	for (uint32 i = 0; i < model->ncolumns; i++)
		if (find_attribute(desc, model->columns[i].name) < 0)
			return true;
	return false;
}

/* Position of a column in a row, or -1. */
static int
find_attribute(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), name) == 0)
			return i;
	}
	return -1;
}

/* All columns that the row lacks, in one error. */
static void
check_names(const PfModel *model, const char *reference, TupleDesc desc)
{
	StringInfoData missing;
	int			count = 0;

	initStringInfo(&missing);
	for (uint32 i = 0; i < model->ncolumns; i++)
	{
		if (find_attribute(desc, model->columns[i].name) < 0)
		{
			pf_list_name(&missing, model->columns[i].name);
			count++;
		}
	}
	if (count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg_plural("row lacks %d column that model \"%s\" needs",
							   "row lacks %d columns that model \"%s\" needs",
							   count, count, reference),
				 errdetail("Missing: %s.", missing.data),
				 errhint("Columns are matched by name, extra ones are ignored; give a renamed column its old name in a subquery.")));
	pfree(missing.data);
}

/*
 * Is the attribute still what the column was in training?  If not, says so in
 * the list.
 */
static void
bind_type(PfBound *bound, const PfColumn *column, Oid type, StringInfo changed)
{
	bool		array;

	/* a bare literal, '...' or NULL: its value decides, see pf_bind_row */
	if (type == UNKNOWNOID && column->length == 0)
	{
		bound->untyped = true;
		return;
	}
	if (pf_reader_init(&bound->reader, type))
	{
		array = OidIsValid(bound->reader.element);
		if (array == (column->length > 0) && bound->reader.kind == column->kind)
			return;
		appendStringInfo(changed, "%sColumn \"%s\" is %s (%s), the model has %s",
						 changed->len > 0 ? "; " : "", column->name,
						 describe(bound->reader.kind == PF_NUMBER, array),
						 format_type_be(type),
						 describe(column->kind == PF_NUMBER, column->length > 0));
	}
	else
		appendStringInfo(changed, "%sColumn \"%s\" has type %s, the model has %s",
						 changed->len > 0 ? "; " : "", column->name, format_type_be(type),
						 describe(column->kind == PF_NUMBER, column->length > 0));
}

static const char *
describe(bool number, bool array)
{
	if (array)
		return "an array of numbers";
	return number ? "a number" : "a category";
}

void
pf_bind_row(PfBinder *binder, const Datum *values, const bool *nulls, uint8 *row)
{
	const PfModel *model = binder->model;
	uint32		feature = 0;

	for (uint32 i = 0; i < model->ncolumns; i++)
	{
		const PfColumn *column = &model->columns[i];
		PfBound    *bound = &binder->columns[i];
		Datum		value = values[bound->attribute];

		if (nulls[bound->attribute])
		{
			uint32		n = pf_column_features(column);

			pf_put_missing(model, feature, n, row);
			feature += n;
		}
		else if (bound->untyped)
		{
			const char *text = DatumGetCString(value);

			if (column->kind != PF_CATEGORY)
				ereport(ERROR,
						(errcode(ERRCODE_DATATYPE_MISMATCH),
						 errmsg("value of column \"%s\" must be a number for model \"%s\"",
								column->name, binder->reference),
						 errdetail("It is the literal '%s' without a type.", text),
						 errhint("Write it without quotes, or cast it, as in '%s'::float8.", text)));
			pf_put_category(model, feature, text, strlen(text), row);
			feature++;
		}
		else if (column->length > 0)
		{
			int			n = pf_read_array(&bound->reader, value, binder->elements,
										  (int) column->length);

			if (n != (int) column->length)
				pf_wrong_length(binder->reference, column, n);
			for (int e = 0; e < n; e++, feature++)
				pf_put_number(model, feature, binder->elements[e], row);
		}
		else if (column->kind == PF_NUMBER)
		{
			pf_put_number(model, feature, pf_read_number(&bound->reader, value), row);
			feature++;
		}
		else
		{
			const char *bytes;
			size_t		length = pf_read_category(&bound->reader, value, &bytes);

			pf_put_category(model, feature, bytes, length, row);
			feature++;
		}
	}
}

void
pf_wrong_length(const char *reference, const PfColumn *column, int64 length)
{
	ereport(ERROR,
			(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
			 errmsg("array in column \"%s\" has the wrong length for model \"%s\"",
					column->name, reference),
			 errdetail("The model expects %u elements, the value has %lld.",
					   column->length, (long long) length)));
}

void
pf_bind_array(const PfModel *model, const char *reference, ArrayType *array, uint8 *row)
{
	int			n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	const float8 *value = (const float8 *) ARR_DATA_PTR(array);
	const bits8 *present = ARR_NULLBITMAP(array);

	Assert(ARR_ELEMTYPE(array) == FLOAT8OID);

	if (n != (int) model->nfeatures)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("array has the wrong length for model \"%s\"", reference),
				 errdetail("The model expects %u elements, one for each feature; the array has %d.",
						   model->nfeatures, n)));

	for (int i = 0; i < n; i++)
	{
		if (model->bins[i].kind == PF_CATEGORY)
			refuse_categories(model, reference);
		if (present != NULL && (present[i / 8] & (1 << (i % 8))) == 0)
			pf_put_missing(model, i, 1, row);	/* a NULL takes no room in the data */
		else
			pf_put_number(model, i, *value++, row);
	}
}

static void
refuse_categories(const PfModel *model, const char *reference)
{
	StringInfoData categories;

	initStringInfo(&categories);
	for (uint32 i = 0; i < model->ncolumns; i++)
		if (model->columns[i].kind == PF_CATEGORY)
			pf_list_name(&categories, model->columns[i].name);
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("model \"%s\" has categories, which an array of numbers cannot hold", reference),
			 errdetail("Columns that are categories: %s.", categories.data),
			 errhint("Pass a row or a jsonb object instead.")));
}

void
pf_list_name(StringInfo list, const char *name)
{
	appendStringInfo(list, "%s\"%s\"", list->len > 0 ? ", " : "", name);
}

char *
pf_feature_name(const PfColumn *column, uint32 element)
{
	if (column->length == 0)
		return pstrdup(column->name);
	return psprintf("%s[%u]", column->name, element + 1);
}

/*
 * read.c
 *	  Models, versions and stored measurements as values.
 *
 * Everything is read under the active snapshot and copied into the current
 * context.
 */
#include "postgres.h"

#include "catalog/tables.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgroids.h"

bool
pf_catalog_model(const char *name, PfModelInfo *info)
{
	PfScan		scan;
	ScanKeyData key[1];
	bool		found;

	pf_key_text(&key[0], MODEL_NAME, name);
	pf_scan_begin(&scan, "model", "model_name_key", 1, key);
	found = pf_scan_next(&scan);
	if (found)
	{
		info->id = DatumGetInt64(pf_scan_datum(&scan, MODEL_ID));
		info->name = pf_scan_text(&scan, MODEL_NAME);
		info->task = pf_scan_text(&scan, MODEL_TASK);
		info->target = pf_scan_text(&scan, MODEL_TARGET);
		info->owner = pf_scan_name(&scan, MODEL_OWNER);
		info->last_version = DatumGetInt32(pf_scan_datum(&scan, MODEL_LAST_VERSION));
	}
	pf_scan_end(&scan);
	if (found)
		info->rights = pf_rights(info->id, info->owner);
	return found;
}

void
pf_catalog_need_model(const char *name, uint32 right, PfModelInfo *info)
{
	if (!pf_catalog_model(name, info))
		pf_no_such_model(name);
	pf_need_right(info, right);
}

/* Bytes of a fixed length; anything else can only be damage. */
static void
read_bytes(const PfScan *scan, AttrNumber column, uint8 *out, int length)
{
	bytea	   *bytes = DatumGetByteaPP(pf_scan_datum(scan, column));

	if (VARSIZE_ANY_EXHDR(bytes) != (Size) length)
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("version has a hash of %d bytes, not %d",
					   (int) VARSIZE_ANY_EXHDR(bytes), length));
	memcpy(out, VARDATA_ANY(bytes), length);
}

/* The recipe that a version carries. */
static Jsonb *
read_recipe(int64 model, int32 version)
{
	PfScan		scan;
	ScanKeyData key[2];
	Jsonb	   *document = NULL;

	pf_key_int8(&key[0], VERSION_RECIPE_MODEL_ID, model);
	pf_key_int4(&key[1], VERSION_RECIPE_VERSION, version);
	pf_scan_begin(&scan, "version_recipe", "version_recipe_pkey", 2, key);
	if (pf_scan_next(&scan))
		document = DatumGetJsonbPCopy(pf_scan_datum(&scan, VERSION_RECIPE_DOCUMENT));
	pf_scan_end(&scan);
	if (document == NULL)
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("the recipe of version %d is missing", version));
	return document;
}

bool
pf_catalog_version(const PfModelInfo *model, int32 version, PfVersionInfo *info)
{
	PfScan		scan;
	ScanKeyData key[2];
	bool		found;
	bool		carries = false;

	pf_key_int8(&key[0], VERSION_MODEL_ID, model->id);
	pf_key_int4(&key[1], VERSION_VERSION, version);
	pf_scan_begin(&scan, "version", "version_pkey", 2, key);
	found = pf_scan_next(&scan);
	if (found)
	{
		uint8		fingerprint[16];

		info->model = *model;
		info->version = version;
		read_bytes(&scan, VERSION_SHA256, info->sha256, sizeof(info->sha256));
		info->nbytes = DatumGetInt64(pf_scan_datum(&scan, VERSION_BYTES));
		info->algorithm = pf_scan_text(&scan, VERSION_ALGORITHM);
		info->query = pf_scan_text(&scan, VERSION_QUERY);
		info->target = pf_scan_text(&scan, VERSION_TARGET);
		info->weight = pf_scan_text(&scan, VERSION_WEIGHT);
		info->split = pf_scan_text(&scan, VERSION_SPLIT);
		info->trained_by = pf_scan_name(&scan, VERSION_TRAINED_BY);
		info->nidentity = pf_scan_texts(&scan, VERSION_IDENTITY, &info->identity);
		info->holdout = pf_scan_float8(&scan, VERSION_HOLDOUT);
		read_bytes(&scan, VERSION_DATA_FINGERPRINT, fingerprint, sizeof(fingerprint));
		info->fingerprint[0] = info->fingerprint[1] = 0;
		for (int i = 0; i < 16; i++)
			info->fingerprint[i / 8] = info->fingerprint[i / 8] << 8 | fingerprint[i];
		info->metric = pf_scan_text(&scan, VERSION_METRIC);
		info->score = pf_scan_float8(&scan, VERSION_SCORE);
		carries = !pf_scan_isnull(&scan, VERSION_RECIPE);
	}
	pf_scan_end(&scan);
	if (found)
		info->recipe = carries ? read_recipe(model->id, version) : NULL;
	return found;
}

void
pf_catalog_trained(const PfVersionInfo *version, PfTrained *trained)
{
	PfScan		scan;
	ScanKeyData key[2];

	pf_key_int8(&key[0], VERSION_MODEL_ID, version->model.id);
	pf_key_int4(&key[1], VERSION_VERSION, version->version);
	pf_scan_begin(&scan, "version", "version_pkey", 2, key);
	if (!pf_scan_next(&scan))
		pf_no_such_version(&version->model, version->version);
	trained->params = DatumGetJsonbPCopy(pf_scan_datum(&scan, VERSION_PARAMS));
	trained->seed = DatumGetInt64(pf_scan_datum(&scan, VERSION_SEED));
	trained->rows = DatumGetInt64(pf_scan_datum(&scan, VERSION_ROWS));
	trained->features = DatumGetInt32(pf_scan_datum(&scan, VERSION_FEATURES));
	trained->trained_at = OidOutputFunctionCall(F_TIMESTAMPTZ_OUT,
												pf_scan_datum(&scan, VERSION_TRAINED_AT));
	trained->note = pf_scan_text(&scan, VERSION_NOTE);
	pf_scan_end(&scan);
}

/*
 * Index of a label, which is added when it is new.  There is room for those of the
 * confusion matrix only, so where one was stored no label is new.
 */
static int32
class_index(PfMeasured *measured, const char *label)
{
	for (uint32 i = 0; i < measured->nclasses; i++)
	{
		if (strcmp(measured->classes[i], label) == 0)
			return i;
	}
	if (measured->confusion != NULL)
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("stored measurement names the class \"%s\", which its confusion matrix lacks",
					   label));
	if (measured->classes == NULL)
		measured->classes = palloc(sizeof(char *));
	else
		measured->classes = repalloc(measured->classes,
									 (measured->nclasses + 1) * sizeof(char *));
	measured->classes[measured->nclasses] = pstrdup(label);
	return measured->nclasses++;
}

/* The entry of a set, which is added when it is new. */
static PfMeasured *
find_set(PfMeasured **list, int *count, const char *set)
{
	PfMeasured *measured;

	for (int i = 0; i < *count; i++)
	{
		if (strcmp((*list)[i].set, set) == 0)
			return &(*list)[i];
	}
	if (*count == 0)
		*list = palloc(sizeof(PfMeasured));
	else
		*list = repalloc(*list, (*count + 1) * sizeof(PfMeasured));
	measured = &(*list)[(*count)++];
	memset(measured, 0, sizeof(PfMeasured));
	measured->set = pstrdup(set);
	return measured;
}

static void
version_keys(ScanKey key, const PfVersionInfo *version)
{
	/* all tables below a version begin with these two columns */
	pf_key_int8(&key[0], METRIC_MODEL_ID, version->model.id);
	pf_key_int4(&key[1], METRIC_VERSION, version->version);
}

/* The elements of an array of 8-byte values without NULLs; -1 when it has some. */
static int
read_elements(const PfScan *scan, AttrNumber column, Oid type, Datum **elements)
{
	ArrayType  *array = DatumGetArrayTypeP(pf_scan_datum(scan, column));
	int			count;

	if (ARR_HASNULL(array))
		return -1;
	deconstruct_array(array, type, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  elements, NULL, &count);
	return count;
}

static void
read_confusion(const PfVersionInfo *version, PfMeasured **list, int *count)
{
	PfScan		scan;
	ScanKeyData key[2];

	version_keys(key, version);
	pf_scan_begin(&scan, "confusion", "confusion_pkey", 2, key);
	while (pf_scan_next(&scan))
	{
		PfMeasured *measured;
		Datum	   *counts;
		int64		ncounts;

		if (!pf_scan_isnull(&scan, CONFUSION_SOURCE))
			continue;
		measured = find_set(list, count, pf_scan_text(&scan, CONFUSION_SET));
		measured->nclasses = pf_scan_texts(&scan, CONFUSION_CLASSES, &measured->classes);
		ncounts = read_elements(&scan, CONFUSION_COUNTS, INT8OID, &counts);
		if (ncounts != (int64) measured->nclasses * measured->nclasses)
			ereport(ERROR,
					errcode(ERRCODE_DATA_CORRUPTED),
					errmsg("confusion matrix of model \"%s\", version %d, has not one count for each pair of classes",
						   version->model.name, version->version));
		measured->confusion = palloc(sizeof(uint64) * Max(ncounts, 1));
		for (int64 i = 0; i < ncounts; i++)
			measured->confusion[i] = (uint64) DatumGetInt64(counts[i]);
	}
	pf_scan_end(&scan);
}

static void
read_metrics(const PfVersionInfo *version, PfMeasured **list, int *count)
{
	PfScan		scan;
	ScanKeyData key[2];

	version_keys(key, version);
	pf_scan_begin(&scan, "metric", "metric_pkey", 2, key);
	while (pf_scan_next(&scan))
	{
		PfMeasured *measured;
		PfMetrics  *metrics;
		PfMetric   *metric;
		char	   *label;

		if (!pf_scan_isnull(&scan, METRIC_SOURCE))
			continue;
		measured = find_set(list, count, pf_scan_text(&scan, METRIC_SET));
		measured->rows = DatumGetInt64(pf_scan_datum(&scan, METRIC_ROWS));
		metrics = &measured->metrics;

		/* room for 1, 2, 4, 8, ... */
		if ((metrics->count & (metrics->count - 1)) == 0)
		{
			Size		size = sizeof(PfMetric) * Max(metrics->count * 2, 1);

			metrics->metrics = metrics->count == 0 ? palloc(size) :
				repalloc(metrics->metrics, size);
		}
		metric = &metrics->metrics[metrics->count++];
		label = pf_scan_text(&scan, METRIC_CLASS);
		metric->name = pf_scan_text(&scan, METRIC_METRIC);
		metric->class = label ? class_index(measured, label) : -1;
		metric->value = pf_scan_float8(&scan, METRIC_VALUE);
		metric->baseline = pf_scan_float8(&scan, METRIC_BASELINE);
	}
	pf_scan_end(&scan);
}

/* One array of a curve; all five must have the same length. */
static double *
read_points(const PfScan *scan, AttrNumber column, uint32 *count)
{
	Datum	   *elements;
	int			n = read_elements(scan, column, FLOAT8OID, &elements);
	double	   *points;

	if (n < 0 || (column != CURVE_THRESHOLD && (uint32) n != *count))
		ereport(ERROR,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("arrays of a stored curve do not match"));
	points = palloc(sizeof(double) * Max(n, 1));
	for (int i = 0; i < n; i++)
		points[i] = DatumGetFloat8(elements[i]);
	*count = (uint32) n;
	return points;
}

static void
read_curves(const PfVersionInfo *version, PfMeasured **list, int *count)
{
	PfScan		scan;
	ScanKeyData key[2];

	version_keys(key, version);
	pf_scan_begin(&scan, "curve", "curve_pkey", 2, key);
	while (pf_scan_next(&scan))
	{
		PfMeasured *measured;
		PfCurve    *curve;
		int32		class;
		uint32		nclasses;

		if (!pf_scan_isnull(&scan, CURVE_SOURCE))
			continue;
		measured = find_set(list, count, pf_scan_text(&scan, CURVE_SET));
		nclasses = measured->nclasses;
		class = class_index(measured, pf_scan_text(&scan, CURVE_CLASS));
		if (measured->nclasses > nclasses && measured->curves != NULL)
		{
			/* a class that the confusion matrix did not name */
			measured->curves = repalloc(measured->curves, sizeof(PfCurve) * measured->nclasses);
			memset(&measured->curves[nclasses], 0, sizeof(PfCurve));
		}
		else if (measured->curves == NULL)
			measured->curves = palloc0(sizeof(PfCurve) * measured->nclasses);
		curve = &measured->curves[class];
		curve->threshold = read_points(&scan, CURVE_THRESHOLD, &curve->count);
		curve->tpr = read_points(&scan, CURVE_TPR, &curve->count);
		curve->fpr = read_points(&scan, CURVE_FPR, &curve->count);
		curve->precision = read_points(&scan, CURVE_PRECISION, &curve->count);
		curve->recall = read_points(&scan, CURVE_RECALL, &curve->count);
	}
	pf_scan_end(&scan);
}

int
pf_catalog_measured(const PfVersionInfo *version, bool curves, PfMeasured **measured)
{
	int			count = 0;

	*measured = NULL;
	/* the confusion matrix first: it has the classes in their order */
	read_confusion(version, measured, &count);
	read_metrics(version, measured, &count);
	if (curves)
		read_curves(version, measured, &count);
	return count;
}

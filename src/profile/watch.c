/*
 * watch.c
 *	  A version whose rows are watched; see watch.h.
 */
#include "postgres.h"

#include "catalog/pgenv.h"
#include "profile/watch.h"
#include "utils/builtins.h"

PfWatched *
pf_watch(const PfVersionInfo *version)
{
	PfWatched  *watched = palloc0(sizeof(PfWatched));

	watched->version = *version;
	watched->reference = psprintf("%s@%d", version->model.name, version->version);
	watched->model = pf_hold_model(CurrentMemoryContext, version);
	watched->ncolumns = pf_profile_columns(watched->model);
	if (!pf_catalog_baseline(pf_pg_env(CurrentMemoryContext), version, watched->model,
							 &watched->frames, &watched->baseline))
		watched->frames = NULL;
	return watched;
}

PfSource *
pf_watched_source(const PfVersionInfo *version, const char *text)
{
	PfSource   *source = pf_source_open(text);

	if (version->recipe == NULL)
		return source;
	return pf_recipe_rows(pf_recipe_read(version->recipe), source, version->target);
}

void
pf_watch_need_baseline(const PfWatched *watched, const char *hint)
{
	if (watched->frames != NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("version %d of model \"%s\" has no baseline", watched->version.version,
					watched->version.model.name),
			 errdetail("Its training did not store what its rows were like."),
			 errhint("%s", hint)));
}

void
pf_watch_read(const PfWatched *watched, const bytea *bytes, PfProfile *profile)
{
	const char *reason;

	if (!pf_profile_decode(pf_pg_env(CurrentMemoryContext), watched->frames, watched->ncolumns,
						   watched->baseline.frame, (const uint8 *) VARDATA_ANY(bytes),
						   VARSIZE_ANY_EXHDR(bytes), profile, &reason))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("value is not a profile of version %d of model \"%s\"",
						watched->version.version, watched->version.model.name),
				 errdetail("Of its bytes: %s.", reason),
				 errhint("Profiles are made by ml_profile_agg(%s, ...) and merged by ml_profile_merge.",
						 quote_literal_cstr(watched->reference))));
}

char *
pf_watched_name(const PfWatched *watched, uint32 column)
{
	const PfModel *model = watched->model;
	uint32		first = 0;

	if (column == model->nfeatures)
		return pstrdup("(prediction)");
	if (column > model->nfeatures)
		return pstrdup("(target)");
	for (uint32 i = 0;; i++)
	{
		uint32		n = pf_column_features(&model->columns[i]);

		if (column < first + n)
			return pf_feature_name(&model->columns[i], column - first);
		first += n;
	}
}

text *
pf_category_text(const PfWatched *watched, uint32 column, uint32 entry)
{
	const PfModel *model = watched->model;
	const PfBins *bins;

	if (column >= model->nfeatures)
		return cstring_to_text(model->classes[entry]);
	bins = &model->bins[column];
	return cstring_to_text_with_len(bins->text + bins->offsets[entry],
									(int) (bins->offsets[entry + 1] - bins->offsets[entry]));
}

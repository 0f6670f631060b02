-- 75-profile.sql: what rows are like, and whether others are still like them.

CREATE TABLE pgforest.baseline (
	model_id bigint NOT NULL,
	version integer NOT NULL,
	profile bytea NOT NULL,
	PRIMARY KEY (model_id, version)
);
COMMENT ON TABLE pgforest.baseline IS 'what the rows of each training were like (ml_profile shows it as rows)';
COMMENT ON COLUMN pgforest.baseline.model_id IS 'the model';
COMMENT ON COLUMN pgforest.baseline.version IS 'the version';
COMMENT ON COLUMN pgforest.baseline.profile IS 'counts by cell of features, prediction and target, and the cells';

SELECT pg_catalog.pg_extension_config_dump('pgforest.baseline', '');
ALTER TABLE pgforest.baseline ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON pgforest.baseline FOR SELECT USING (pgforest.can_see(model_id));
GRANT SELECT ON pgforest.baseline TO PUBLIC;

-- ---------------------------------------------------------------------
-- Profiles as aggregates.  What they are made of stands in the schema pgforest.
-- ---------------------------------------------------------------------

CREATE FUNCTION pgforest.profile_row(internal, model text, features record)
	RETURNS internal AS 'MODULE_PATHNAME', 'pf_profile_row' LANGUAGE C STABLE PARALLEL SAFE COST 20;
COMMENT ON FUNCTION pgforest.profile_row(internal, text, record) IS 'adds a row (used by ml_profile_agg)';

CREATE FUNCTION pgforest.profile_add(internal, model text, profile bytea)
	RETURNS internal AS 'MODULE_PATHNAME', 'pf_profile_add' LANGUAGE C STABLE PARALLEL SAFE COST 100;
COMMENT ON FUNCTION pgforest.profile_add(internal, text, bytea) IS 'adds a profile (used by ml_profile_merge)';

CREATE FUNCTION pgforest.profile_combine(internal, internal)
	RETURNS internal AS 'MODULE_PATHNAME', 'pf_profile_combine' LANGUAGE C STABLE PARALLEL SAFE COST 100;
COMMENT ON FUNCTION pgforest.profile_combine(internal, internal) IS 'puts together what workers profiled (used by ml_profile_agg)';

CREATE FUNCTION pgforest.profile_serialize(internal)
	RETURNS bytea AS 'MODULE_PATHNAME', 'pf_profile_serialize' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION pgforest.profile_serialize(internal) IS 'what a worker profiled, as bytes (used by ml_profile_agg)';

CREATE FUNCTION pgforest.profile_deserialize(bytea, internal)
	RETURNS internal AS 'MODULE_PATHNAME', 'pf_profile_deserialize' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION pgforest.profile_deserialize(bytea, internal) IS 'what a worker profiled, from bytes (used by ml_profile_agg)';

CREATE FUNCTION pgforest.profile_final(internal)
	RETURNS bytea AS 'MODULE_PATHNAME', 'pf_profile_final' LANGUAGE C STABLE PARALLEL SAFE COST 1000;
COMMENT ON FUNCTION pgforest.profile_final(internal) IS 'the profile of all rows (used by ml_profile_agg)';

CREATE AGGREGATE @extschema@.ml_profile_agg(model text, features record) (
	SFUNC = pgforest.profile_row, STYPE = internal, SSPACE = 131072,
	FINALFUNC = pgforest.profile_final, COMBINEFUNC = pgforest.profile_combine,
	SERIALFUNC = pgforest.profile_serialize, DESERIALFUNC = pgforest.profile_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.ml_profile_agg(text, record) IS
	'what rows are like, counted in the cells of a version''s training; profiles can be stored, merged and compared';

CREATE AGGREGATE @extschema@.ml_profile_merge(model text, profile bytea) (
	SFUNC = pgforest.profile_add, STYPE = internal, SSPACE = 131072,
	FINALFUNC = pgforest.profile_final, COMBINEFUNC = pgforest.profile_combine,
	SERIALFUNC = pgforest.profile_serialize, DESERIALFUNC = pgforest.profile_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.ml_profile_merge(text, bytea) IS
	'the profile of several profiles together';

-- Also for ml_drift: it has this name whatever schema the functions are in.
CREATE AGGREGATE pgforest.profile_rows(model text, features record) (
	SFUNC = pgforest.profile_row, STYPE = internal, SSPACE = 131072,
	FINALFUNC = pgforest.profile_final, COMBINEFUNC = pgforest.profile_combine,
	SERIALFUNC = pgforest.profile_serialize, DESERIALFUNC = pgforest.profile_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE pgforest.profile_rows(text, record) IS 'ml_profile_agg for ml_drift';

-- ---------------------------------------------------------------------
-- Drift.  PARALLEL UNSAFE: a source is any query.
-- ---------------------------------------------------------------------

CREATE FUNCTION @extschema@.ml_drift(model text, source text, reference text DEFAULT NULL,
									 tests text DEFAULT 'auto', threshold float8 DEFAULT NULL,
									 correction text DEFAULT 'bonferroni', by text[] DEFAULT NULL)
	RETURNS TABLE (feature text, test text, statistic float8, p_value float8, threshold float8,
				   drifted boolean, reference_rows bigint, current_rows bigint, effect float8,
				   slice text)
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL UNSAFE ROWS 20;
COMMENT ON FUNCTION @extschema@.ml_drift(text, text, text, text, float8, text, text[]) IS
	'whether rows are still like those of the training, or of a reference: the tests of each feature and of the prediction';

CREATE FUNCTION @extschema@.ml_drift(model text, profile bytea, tests text DEFAULT 'auto',
									 threshold float8 DEFAULT NULL, correction text DEFAULT 'bonferroni')
	RETURNS TABLE (feature text, test text, statistic float8, p_value float8, threshold float8,
				   drifted boolean, reference_rows bigint, current_rows bigint, effect float8,
				   slice text)
	AS 'MODULE_PATHNAME', 'ml_drift_profile' LANGUAGE C STABLE PARALLEL SAFE ROWS 20;
COMMENT ON FUNCTION @extschema@.ml_drift(text, bytea, text, float8, text) IS
	'the same of a profile made by ml_profile_agg';

CREATE FUNCTION @extschema@.ml_profile(model text, profile bytea DEFAULT NULL)
	RETURNS TABLE (feature text, kind text, rows bigint, missing bigint, unseen bigint,
				   "distinct" bigint, mean float8, sd float8, min float8, max float8,
				   quantiles float8[], bounds float8[], categories text[], counts bigint[])
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 20;
COMMENT ON FUNCTION @extschema@.ml_profile(text, bytea) IS
	'a profile as rows: that of the training, or one made by ml_profile_agg';

CREATE FUNCTION @extschema@.ml_check(model text, source text, limits jsonb DEFAULT NULL)
	RETURNS TABLE (feature text, problem text, severity text, value float8, threshold float8,
				   rows bigint, detail text)
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL UNSAFE ROWS 5;
COMMENT ON FUNCTION @extschema@.ml_check(text, text, jsonb) IS
	'what is wrong with rows for a version: columns, types, NULLs, new categories, ranges, constants, number of rows';

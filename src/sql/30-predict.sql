-- 30-predict.sql: one row in, one answer out.
--
-- Untyped literals and parameters need a cast, '...'::jsonb or '...'::float8[], since three
-- types of features are taken.  The cost is what a hundred trees take, in units of a simple
-- operator: it makes the planner use several processes in good time.

CREATE FUNCTION @extschema@.ml_predict_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.ml_predict_support(internal) IS
	'planner support for ml_predict: loads the library before a plan is made';

CREATE FUNCTION @extschema@.ml_predict(model text, features record,
									   result anyelement DEFAULT NULL::text)
	RETURNS anyelement AS 'MODULE_PATHNAME', 'ml_predict'
	LANGUAGE C STABLE PARALLEL SAFE COST 1000 SUPPORT @extschema@.ml_predict_support;
COMMENT ON FUNCTION @extschema@.ml_predict(text, record, anyelement) IS
	'predicts the label or value of a row, matched by column name; result: a NULL of the type wanted';

CREATE FUNCTION @extschema@.ml_predict(model text, features float8[],
									   result anyelement DEFAULT NULL::text)
	RETURNS anyelement AS 'MODULE_PATHNAME', 'ml_predict_array'
	LANGUAGE C STABLE PARALLEL SAFE COST 1000 SUPPORT @extschema@.ml_predict_support;
COMMENT ON FUNCTION @extschema@.ml_predict(text, float8[], anyelement) IS
	'predicts the label or value of an array with one element for each feature, in their order';

CREATE FUNCTION @extschema@.ml_predict(model text, features jsonb,
									   result anyelement DEFAULT NULL::text)
	RETURNS anyelement AS 'MODULE_PATHNAME', 'ml_predict_json'
	LANGUAGE C STABLE PARALLEL SAFE COST 1000 SUPPORT @extschema@.ml_predict_support;
COMMENT ON FUNCTION @extschema@.ml_predict(text, jsonb, anyelement) IS
	'predicts the label or value of a JSON object, matched by key';

CREATE FUNCTION @extschema@.ml_predict_proba(model text, features record)
	RETURNS float8[] AS 'MODULE_PATHNAME', 'ml_predict_proba'
	LANGUAGE C STABLE PARALLEL SAFE COST 1000 SUPPORT @extschema@.ml_predict_support;
COMMENT ON FUNCTION @extschema@.ml_predict_proba(text, record) IS
	'the probability of each class for a row, in the order of the version''s classes';

CREATE FUNCTION @extschema@.ml_predict_proba(model text, features float8[])
	RETURNS float8[] AS 'MODULE_PATHNAME', 'ml_predict_proba_array'
	LANGUAGE C STABLE PARALLEL SAFE COST 1000 SUPPORT @extschema@.ml_predict_support;
COMMENT ON FUNCTION @extschema@.ml_predict_proba(text, float8[]) IS
	'the probability of each class for an array of features, in the order of the version''s classes';

CREATE FUNCTION @extschema@.ml_predict_proba(model text, features jsonb)
	RETURNS float8[] AS 'MODULE_PATHNAME', 'ml_predict_proba_json'
	LANGUAGE C STABLE PARALLEL SAFE COST 1000 SUPPORT @extschema@.ml_predict_support;
COMMENT ON FUNCTION @extschema@.ml_predict_proba(text, jsonb) IS
	'the probability of each class for a JSON object, in the order of the version''s classes';

CREATE FUNCTION @extschema@.ml_predict_proba(model text, features record, class text)
	RETURNS float8 AS 'MODULE_PATHNAME', 'ml_predict_proba'
	LANGUAGE C STABLE PARALLEL SAFE COST 1000 SUPPORT @extschema@.ml_predict_support;
COMMENT ON FUNCTION @extschema@.ml_predict_proba(text, record, text) IS
	'the probability of one class for a row';

CREATE FUNCTION @extschema@.ml_predict_proba(model text, features float8[], class text)
	RETURNS float8 AS 'MODULE_PATHNAME', 'ml_predict_proba_array'
	LANGUAGE C STABLE PARALLEL SAFE COST 1000 SUPPORT @extschema@.ml_predict_support;
COMMENT ON FUNCTION @extschema@.ml_predict_proba(text, float8[], text) IS
	'the probability of one class for an array of features';

CREATE FUNCTION @extschema@.ml_predict_proba(model text, features jsonb, class text)
	RETURNS float8 AS 'MODULE_PATHNAME', 'ml_predict_proba_json'
	LANGUAGE C STABLE PARALLEL SAFE COST 1000 SUPPORT @extschema@.ml_predict_support;
COMMENT ON FUNCTION @extschema@.ml_predict_proba(text, jsonb, text) IS
	'the probability of one class for a JSON object';

CREATE FUNCTION @extschema@.ml_predict_quantile(model text, features record, quantiles float8[])
	RETURNS float8[] AS 'MODULE_PATHNAME', 'ml_predict_quantile'
	LANGUAGE C STABLE PARALLEL SAFE COST 1000 SUPPORT @extschema@.ml_predict_support;
COMMENT ON FUNCTION @extschema@.ml_predict_quantile(text, record, float8[]) IS
	'quantiles of the value of a row, by a forest that was trained with "quantiles": ''{0.05,0.95}'' is an interval of 90 %';

CREATE FUNCTION @extschema@.ml_predict_quantile(model text, features float8[], quantiles float8[])
	RETURNS float8[] AS 'MODULE_PATHNAME', 'ml_predict_quantile_array'
	LANGUAGE C STABLE PARALLEL SAFE COST 1000 SUPPORT @extschema@.ml_predict_support;
COMMENT ON FUNCTION @extschema@.ml_predict_quantile(text, float8[], float8[]) IS
	'quantiles of the value of an array of features, by a forest that was trained with "quantiles": ''{0.05,0.95}'' is an interval of 90 %';

CREATE FUNCTION @extschema@.ml_predict_quantile(model text, features jsonb, quantiles float8[])
	RETURNS float8[] AS 'MODULE_PATHNAME', 'ml_predict_quantile_json'
	LANGUAGE C STABLE PARALLEL SAFE COST 1000 SUPPORT @extschema@.ml_predict_support;
COMMENT ON FUNCTION @extschema@.ml_predict_quantile(text, jsonb, float8[]) IS
	'quantiles of the value of a JSON object, by a forest that was trained with "quantiles": ''{0.05,0.95}'' is an interval of 90 %';

CREATE FUNCTION @extschema@.ml_predict_json(model text, request jsonb)
	RETURNS jsonb AS 'MODULE_PATHNAME', 'ml_predict_request'
	LANGUAGE C STABLE PARALLEL SAFE COST 1000 SUPPORT @extschema@.ml_predict_support;
COMMENT ON FUNCTION @extschema@.ml_predict_json(text, jsonb) IS
	'predicts all of {"instances": [...]}, objects or arrays, and answers {"predictions": [...], "probabilities": [...], "model": ..., "version": ...}';

CREATE FUNCTION @extschema@.ml_resolve(model text, OUT model text, OUT version integer)
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION @extschema@.ml_resolve(text) IS
	'which version of a model answers now';

CREATE FUNCTION @extschema@.ml_importance(model text)
	RETURNS TABLE (feature text, importance float8)
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION @extschema@.ml_importance(text) IS
	'how much each feature contributed to the splits, the most important first; the sum is 1';

CREATE FUNCTION @extschema@.ml_coefficients(model text)
	RETURNS TABLE (class text, feature text, kind text, category text, coefficient float8)
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION @extschema@.ml_coefficients(text) IS
	'what a linear model adds up for each class: the intercept, slopes times values, and what categories and missing values add';

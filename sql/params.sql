-- Hyper-parameters: what is taken, what it does, and what is refused.
CREATE SCHEMA regress_params;
SET search_path = regress_params, public;

CREATE TABLE rows AS
SELECT x, z, c, CASE WHEN noise < 100 THEN 'rare' WHEN x + z > 1024 THEN 'up' ELSE 'down' END AS y, x + z / 2.0::float8 AS value
FROM (SELECT hashint4extended(i, 1) & 1023 AS x, hashint4extended(i, 2) & 1023 AS z,
             chr(97 + (hashint4extended(i, 3) & 7)::int) AS c, hashint4extended(i, 4) & 1023 AS noise
      FROM generate_series(1, 500) i) r;

-- The table of them.
SELECT parameter, type, default_value, minimum, maximum, choices FROM ml_parameters();
SELECT count(*) AS nothing FROM ml_parameters(NULL);

-- Each has an effect: the model is another one than with the default.
CREATE FUNCTION bytes(params jsonb, target text DEFAULT 'y') RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    PERFORM ml_train('effect', 'SELECT x, z, c, y FROM rows', 'y', params => '{"n_estimators": 8}' || params) WHERE target = 'y';
    PERFORM ml_train('effect', 'SELECT x, z, c, value FROM rows', 'value', params => '{"n_estimators": 8}' || params) WHERE target = 'value';
    SELECT sha256 INTO result FROM pgforest.versions WHERE model = 'effect';
    PERFORM ml_drop('effect');
    RETURN result;
END $$;
SELECT params, bytes(params) <> bytes('{}') AS effect
FROM unnest('{
    "{\"n_estimators\": 9}", "{\"criterion\": \"entropy\"}", "{\"criterion\": \"log_loss\"}", "{\"max_depth\": 3}", "{\"max_features\": 2}", "{\"max_features\": 1.0}",
    "{\"max_features\": 0.7}", "{\"max_leaf_nodes\": 7}", "{\"min_samples_split\": 20}", "{\"min_samples_leaf\": 5}",
    "{\"min_weight_fraction_leaf\": 0.1}", "{\"min_impurity_decrease\": 0.01}", "{\"bootstrap\": false}", "{\"max_samples\": 0.5}", "{\"max_samples\": 100}",
    "{\"class_weight\": \"balanced\"}", "{\"class_weight\": \"balanced_subsample\"}", "{\"class_weight\": {\"rare\": 10}}",
    "{\"class_weight\": {\"up\": 2, \"down\": 3, \"rare\": 10.5}}", "{\"max_bins\": 16}"}'::jsonb[]) WITH ORDINALITY p (params, place)
ORDER BY place;
-- These say the same as the default.
SELECT params, bytes(params) = bytes('{}') AS same
FROM unnest('{"{\"criterion\": null}", "{\"criterion\": \"gini\"}", "{\"max_depth\": null}", "{\"max_depth\": 10000}", "{\"max_features\": \"sqrt\"}", "{\"max_features\": null}",
    "{\"max_features\": 1}", "{\"max_samples\": null}", "{\"max_samples\": 1.0}", "{\"class_weight\": null}",
    "{\"class_weight\": {\"up\": 1}}", "{\"oob_score\": true}", "{\"max_bins\": 255}"}'::jsonb[]) WITH ORDINALITY p (params, place)
ORDER BY place;
SELECT bytes('{"criterion": "entropy"}') = bytes('{"criterion": "log_loss"}') AS two_names, bytes('{"max_features": "log2"}') = bytes('{"max_features": 1}') AS log2;
SELECT bytes('{"criterion": "squared_error"}', 'value') = bytes('{}', 'value') AS squared_error, bytes('{"max_features": 3}', 'value') = bytes('{}', 'value') AS all_features;

-- What they mean: depth, leaves, weights of classes, out-of-bag.
SELECT version FROM ml_train('stump', 'SELECT x, y FROM rows', 'y', params => '{"n_estimators": 1, "max_depth": 1, "bootstrap": false}', holdout => 0);
SELECT count(DISTINCT ml_predict_proba('stump@1', r)) AS leaves FROM rows r;
SELECT version FROM ml_train('stump', 'SELECT x, y FROM rows', 'y', params => '{"n_estimators": 1, "max_leaf_nodes": 5, "bootstrap": false}', holdout => 0);
SELECT count(DISTINCT ml_predict_proba('stump@2', r)) AS leaves FROM rows r;
SELECT version FROM ml_train('stump', 'SELECT x, y FROM rows', 'y', params => '{"n_estimators": 1, "min_samples_leaf": 100, "bootstrap": false}', holdout => 0);
SELECT min(n) >= 100 AS leaves_are_large FROM (SELECT count(*) AS n FROM rows r GROUP BY ml_predict_proba('stump@3', r)) l;
SELECT set, count(*) FROM pgforest.metrics WHERE model = 'stump' GROUP BY set;
SELECT version FROM ml_train('weighted', 'SELECT x, z, y FROM rows', 'y', params => '{"n_estimators": 30, "max_depth": 4}');
SELECT version FROM ml_train('weighted', 'SELECT x, z, y FROM rows', 'y', params => '{"n_estimators": 30, "max_depth": 4, "class_weight": {"rare": 100}}');
SELECT count(*) FILTER (WHERE ml_predict('weighted@1', r) = 'rare') AS without, count(*) FILTER (WHERE ml_predict('weighted@2', r) = 'rare') > 300 AS with_weight
FROM rows r;
SELECT version FROM ml_train('oob', 'rows', 'y', params => '{"n_estimators": 5}');
SELECT version FROM ml_train('oob', 'rows', 'y', params => '{"n_estimators": 5, "oob_score": true}');
SELECT version FROM ml_train('oob', 'rows', 'y', params => '{"n_estimators": 5, "oob_score": false}', holdout => 0);
SELECT version FROM ml_train('oob', 'rows', 'y', params => '{"n_estimators": 5, "calibration": "sigmoid"}');
SELECT version, set, count(*) > 0 AS measured FROM pgforest.metrics WHERE model = 'oob' GROUP BY version, set ORDER BY version, set;
SELECT metric, score FROM ml_train('oob', 'rows', 'y', params => '{"n_estimators": 5, "bootstrap": false}', holdout => 0);
SELECT * FROM ml_evaluate('oob@5');

-- All are kept with the version as they were given, the others with their defaults.
SELECT version FROM ml_train('kept', 'rows', 'y', params => '{"class_weight": {"rare": 2}, "max_features": 0.5, "max_depth": 9, "criterion": "entropy"}', task => 'classification');
SELECT params FROM pgforest.versions WHERE model = 'kept';

-- What is refused.
\getenv here PG_ABS_SRCDIR
\set refuse :here '/sql/include/refuse.sql'
\ir :refuse
CALL refuse($$ml_parameters('random_forrest')$$);
CREATE PROCEDURE refuse_params(params jsonb, target text DEFAULT 'y') LANGUAGE plpgsql AS $$
BEGIN
    CALL refuse(format('ml_train(''refused'', ''SELECT x, z, c, y, value FROM rows'', %L, params => %L)', target, params));
END $$;
CALL refuse_params('{"n_estimator": 10}');
CALL refuse_params('{"max_feature": 10}');
CALL refuse_params('{"MaxDepth": 3}');
CALL refuse_params('{"": 3}');
-- What others call it.
CALL refuse_params('{"mtry": 3, "num.trees": 10, "eta": 0.1}');
CALL refuse_params('{"learning_rate": 0.1, "n_estimators": 10}');
CALL refuse_params('{"max_dept": 3, "learning_rate": 0.1, "bootstrp": true}');
CALL refuse_params('[]');
CALL refuse_params('3');
CALL refuse_params('null');
CALL refuse_params(NULL);
CALL refuse_params('{"n_estimators": 0}');
CALL refuse_params('{"n_estimators": 100001}');
CALL refuse_params('{"n_estimators": 1e400}');
CALL refuse_params('{"n_estimators": 10.5}');
CALL refuse_params('{"n_estimators": "10"}');
CALL refuse_params('{"n_estimators": null}');
CALL refuse_params('{"n_estimators": [10]}');
CALL refuse_params('{"criterion": "ginni"}');
CALL refuse_params('{"criterion": 1}');
CALL refuse_params('{"criterion": ""}');
CALL refuse_params('{"criterion": "gini,entropy"}');
CALL refuse_params('{"criterion": "squared_error"}');
CALL refuse_params('{"criterion": "gini"}', 'value');
CALL refuse_params('{"max_depth": 0}');
CALL refuse_params('{"max_depth": -1}');
CALL refuse_params('{"max_features": 0}');
CALL refuse_params('{"max_features": 1.5}');
CALL refuse_params('{"max_features": 0.0}');
CALL refuse_params('{"max_features": "auto"}');
CALL refuse_params('{"max_features": true}');
CALL refuse_params('{"max_leaf_nodes": 1}');
CALL refuse_params('{"min_samples_split": 1}');
CALL refuse_params('{"min_samples_leaf": 0}');
CALL refuse_params('{"min_samples_leaf": 0.1}');
CALL refuse_params('{"min_weight_fraction_leaf": 0.6}');
CALL refuse_params('{"min_impurity_decrease": -1}');
CALL refuse_params('{"bootstrap": "yes"}');
CALL refuse_params('{"bootstrap": 1}');
CALL refuse_params('{"max_samples": 0.5, "bootstrap": false}');
CALL refuse_params('{"max_samples": "sqrt"}');
CALL refuse_params('{"max_bins": 1}');
CALL refuse_params('{"max_bins": 256}');
CALL refuse_params('{"class_weight": "Balanced"}');
CALL refuse_params('{"class_weight": 5}');
CALL refuse_params('{"class_weight": {}}');
CALL refuse_params('{"class_weight": ["up"]}');
CALL refuse_params('{"class_weight": {"up": 0}}');
CALL refuse_params('{"class_weight": {"up": -1}}');
CALL refuse_params('{"class_weight": {"up": "2"}}');
CALL refuse_params('{"class_weight": {"up": 1e300}}');
CALL refuse_params('{"class_weight": {"up": {"a": 1}}}');
CALL refuse_params('{"class_weight": {"upp": 2}}');
CALL refuse_params('{"class_weight": "balanced"}', 'value');

-- More than there is of is all there is.
SELECT bytes('{"max_features": 60000}') = bytes('{"max_features": 3}') AS features, bytes('{"max_samples": 1000000}') = bytes('{}') AS samples;

SELECT count(ml_drop(name)) FROM pgforest.models;
DROP SCHEMA regress_params CASCADE;

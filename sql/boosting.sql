-- gradient_boosting: its parameters, losses, early stopping, constraints.
CREATE SCHEMA regress_boosting;
SET search_path = regress_boosting, public;

CREATE FUNCTION u(i int, k int) RETURNS float8 IMMUTABLE RETURN (hashint4extended(i, k) & 65535) / 65536.0;
CREATE TABLE rows AS
SELECT i AS id, u(i, 1) AS a, u(i, 2) AS b, u(i, 3) AS c, chr(97 + (u(i, 4) * 5)::int) AS d,
       CASE WHEN u(i, 1) + u(i, 2) / 2 + u(i, 5) > 1.2 THEN 'yes' ELSE 'no' END AS y,
       (ARRAY['one', 'two', 'three'])[1 + least(2, floor(u(i, 1) * 2 + u(i, 5)))::int] AS y3,
       1 + u(i, 1) * 10 + sin(u(i, 2) * 6) + u(i, 5) * 4 AS v
FROM generate_series(1, 3000) i;

SELECT parameter, type, default_value, minimum, maximum, choices FROM ml_parameters('gradient_boosting');

-- Each has an effect.
CREATE FUNCTION bytes(params jsonb, target text DEFAULT 'v') RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    PERFORM ml_train('effect', format('SELECT a, b, c, d, %I FROM rows', target), target, 'gradient_boosting', '{"n_estimators": 12}' || params);
    SELECT sha256 INTO result FROM pgforest.versions WHERE model = 'effect';
    PERFORM ml_drop('effect');
    RETURN result;
END $$;
SET client_min_messages = warning;
SELECT params, bytes(params) <> bytes('{}') AS effect
FROM unnest('{
    "{\"n_estimators\": 13}", "{\"loss\": \"absolute_error\"}", "{\"loss\": \"poisson\"}", "{\"loss\": \"quantile\", \"quantile\": 0.9}",
    "{\"learning_rate\": 0.2}", "{\"max_leaf_nodes\": 8}", "{\"max_leaf_nodes\": null}", "{\"max_depth\": 3}", "{\"min_samples_leaf\": 5}", "{\"l2_regularization\": 5}",
    "{\"subsample\": 0.5}", "{\"max_features\": 2}", "{\"max_features\": \"sqrt\"}", "{\"colsample_bytree\": 0.5}", "{\"monotonic_cst\": {\"b\": 1}}",
    "{\"early_stopping\": true}", "{\"max_bins\": 16}"}'::jsonb[]) WITH ORDINALITY p (params, place)
ORDER BY place;
SELECT params, bytes(params) = bytes('{}') AS same
FROM unnest('{
    "{\"loss\": null}", "{\"loss\": \"squared_error\"}", "{\"quantile\": null}", "{\"max_leaf_nodes\": 31}", "{\"max_depth\": null}", "{\"subsample\": 1}",
    "{\"max_features\": 4}", "{\"colsample_bytree\": 1.0}", "{\"monotonic_cst\": null}", "{\"monotonic_cst\": {\"a\": 0}}", "{\"early_stopping\": false}",
    "{\"validation_fraction\": 0.3}", "{\"tol\": 1}", "{\"class_weight\": null}"}'::jsonb[]) WITH ORDINALITY p (params, place)
ORDER BY place;
SELECT bytes('{"class_weight": "balanced"}', 'y') <> bytes('{}', 'y') AS balanced, bytes('{"class_weight": {"yes": 3}}', 'y') <> bytes('{}', 'y') AS explicit,
       bytes('{"class_weight": {"yes": 1}}', 'y') = bytes('{}', 'y') AS all_1, bytes('{"loss": "log_loss"}', 'y3') = bytes('{}', 'y3') AS log_loss;
SELECT bytes('{"max_leaf_nodes": 8, "max_depth": 3}') = bytes('{"max_leaf_nodes": null, "max_depth": 3}') AS depth_is_enough;
RESET client_min_messages;

-- What they mean.
SELECT version FROM ml_train('stump', 'SELECT a, v FROM rows', 'v', 'gradient_boosting', '{"n_estimators": 1, "max_leaf_nodes": 2}', holdout => 0);
SELECT count(DISTINCT ml_predict('stump@1', r)) AS leaves FROM rows r;
SELECT version FROM ml_train('stump', 'SELECT a, v FROM rows', 'v', 'gradient_boosting', '{"n_estimators": 1, "min_samples_leaf": 500, "max_leaf_nodes": null}', holdout => 0);
SELECT min(n) >= 500 AS leaves_are_large FROM (SELECT count(*) AS n FROM rows r GROUP BY ml_predict('stump@2', r)) l;
SELECT version FROM ml_train('stump', 'SELECT a, v FROM rows', 'v', 'gradient_boosting', '{"n_estimators": 1, "learning_rate": 1, "min_samples_leaf": 1, "max_leaf_nodes": null, "max_bins": 2}', holdout => 0);
SELECT max(abs(p - mean)) < 1e-6 AS leaves_are_means
FROM (SELECT ml_predict('stump@3', r, NULL::float8) AS p, avg(v) OVER (PARTITION BY ml_predict('stump@3', r)) AS mean FROM rows r) m;
-- A quantile, the median, and a Poisson mean.
SELECT version FROM ml_train('quantile', 'SELECT a, b, v FROM rows', 'v', 'gradient_boosting', '{"loss": "quantile", "quantile": 0.9}', holdout => 0);
SELECT round(avg((v <= ml_predict('quantile@1', r, NULL::float8))::int), 1) AS below FROM rows r;
SELECT version FROM ml_train('quantile', 'SELECT a, b, v FROM rows', 'v', 'gradient_boosting', '{"loss": "absolute_error"}', holdout => 0);
SELECT round(avg((v <= ml_predict('quantile@2', r, NULL::float8))::int), 1) AS below FROM rows r;
SELECT version FROM ml_train('counts', 'SELECT a, b, floor(v)::int AS n FROM rows', 'n', 'gradient_boosting', '{"loss": "poisson"}', task => 'regression', holdout => 0);
SELECT abs(avg(ml_predict('counts@1', r, NULL::float8)) / avg(floor(v)) - 1) < 0.02 AS mean, min(ml_predict('counts@1', r, NULL::float8)) > 0 AS positive FROM rows r;

-- Early stopping: on noise it ends soon, and says so; where there is something to learn it goes on. The held-out rows have no part in it.
SELECT version FROM ml_train('noise', 'SELECT a, b, c, v > 7 AS y FROM (SELECT a, b, c, u(id, 9) * 10 AS v FROM rows) r', 'y', 'gradient_boosting', '{"n_estimators": 300, "early_stopping": true}');
SELECT version FROM ml_train('signal', 'SELECT a, b, v FROM rows', 'v', 'gradient_boosting', '{"n_estimators": 20, "early_stopping": true}');
SELECT version FROM ml_train('signal3', 'SELECT a, b, y3 FROM rows', 'y3', 'gradient_boosting', '{"n_estimators": 200, "early_stopping": true, "n_iter_no_change": 3}');
SELECT version FROM ml_train('automatic', 'SELECT a, v FROM rows, generate_series(1, 5)', 'v', 'gradient_boosting', '{"n_estimators": 3}', holdout => 0);
SELECT version FROM ml_train('one_key', 'SELECT a, v, 1 AS k FROM rows', 'v', 'gradient_boosting', '{"n_estimators": 3, "early_stopping": true}', key => '{k}', holdout => 0);
SELECT model, fit FROM pgforest.versions WHERE model IN ('noise', 'signal', 'signal3', 'automatic', 'one_key', 'effect') ORDER BY model;

-- Constraints hold on a grid, whatever the data say.
SELECT version FROM ml_train('monotonic', 'SELECT a, b, v FROM rows', 'v', 'gradient_boosting', '{"monotonic_cst": {"a": -1, "b": 1}}');
SELECT version FROM ml_train('monotonic', 'SELECT a, b, v FROM rows', 'v', 'gradient_boosting', '{"monotonic_cst": {"a": 1, "b": -1}, "max_leaf_nodes": null, "max_depth": 5}');
SELECT version FROM ml_train('monotonic_class', 'SELECT a, b, y FROM rows', 'y', 'gradient_boosting', '{"monotonic_cst": {"a": 1, "b": -1}}');
CREATE VIEW grid AS SELECT a / 40.0::float8 AS a, b / 40.0::float8 AS b FROM generate_series(0, 40) a, generate_series(0, 40) b;
SELECT bool_and(p <= pa) IS NOT FALSE AS falls_with_a, bool_and(p >= pb) IS NOT FALSE AS rises_with_b
FROM (SELECT p, lag(p) OVER (PARTITION BY b ORDER BY a) AS pa, lag(p) OVER (PARTITION BY a ORDER BY b) AS pb
      FROM (SELECT a, b, ml_predict('monotonic@1', g, NULL::float8) AS p FROM grid g) x) y;
SELECT bool_and(p >= pa) IS NOT FALSE AS rises_with_a, bool_and(p <= pb) IS NOT FALSE AS falls_with_b, count(DISTINCT p) > 30 AS moves
FROM (SELECT p, lag(p) OVER (PARTITION BY b ORDER BY a) AS pa, lag(p) OVER (PARTITION BY a ORDER BY b) AS pb
      FROM (SELECT a, b, ml_predict('monotonic@2', g, NULL::float8) AS p FROM grid g) x) y;
SELECT bool_and(p >= pa) IS NOT FALSE AS rises_with_a, bool_and(p <= pb) IS NOT FALSE AS falls_with_b, count(DISTINCT p) > 5 AS moves
FROM (SELECT p, lag(p) OVER (PARTITION BY b ORDER BY a) AS pa, lag(p) OVER (PARTITION BY a ORDER BY b) AS pb
      FROM (SELECT a, b, ml_predict_proba('monotonic_class@1', g, 'yes') AS p FROM grid g) x) y;

-- So they do for forests and extra trees, of whatever criterion, weight and missing values.
CREATE FUNCTION turns(kind text, algorithm text, params jsonb, weight text, OUT turns bigint, OUT moves boolean) LANGUAGE plpgsql AS $$
DECLARE
    model text;
BEGIN
    SELECT format('%s@%s', t.model, t.version) INTO model
    FROM ml_train('ordered_' || kind, format('SELECT CASE WHEN id %% 11 > 0 THEN a END AS a, b, c, %I, 1 + (id %% 3) * 0.3 AS w FROM rows', kind), kind, algorithm,
                  params || '{"n_estimators": 25, "monotonic_cst": {"a": 1, "b": -1}}', weight => weight, features => '{a,b,c}') t;
    SELECT count(*) FILTER (WHERE p < pa OR p > pb), count(DISTINCT p) > 30 INTO turns, moves
    FROM (SELECT p, lag(p) OVER (PARTITION BY b, c ORDER BY a) AS pa, lag(p) OVER (PARTITION BY a, c ORDER BY b) AS pb
          FROM (SELECT a, b, c, CASE kind WHEN 'v' THEN ml_predict(model, to_jsonb(g), NULL::float8) ELSE ml_predict_proba(model, to_jsonb(g), 'yes') END AS p
                FROM (SELECT grid.a, grid.b, c FROM grid, (SELECT c FROM rows WHERE id < 3) r WHERE (grid.a * 40)::int % 2 = 0 AND (grid.b * 40)::int % 2 = 0) g) x) y;
END $$;
SELECT kind, algorithm, params, weight, t.*
FROM unnest('{random_forest,extra_trees}'::text[]) algorithm,
    (VALUES ('v', '{}'::jsonb, NULL), ('v', '{"max_leaf_nodes": 40}', NULL), ('v', '{"min_samples_leaf": 7}', 'w'), ('y', '{}', NULL), ('y', '{"criterion": "entropy"}', 'w'),
            ('y', '{"class_weight": "balanced"}', NULL), ('y', '{"max_features": 1}', 'w'), ('y', '{"max_leaf_nodes": 40}', NULL)) k (kind, params, weight),
    turns(kind, algorithm, params, weight) t
ORDER BY kind, algorithm, params::text COLLATE "C";

-- Categories split by sets that each node makes: here what a category tells depends on a, so that one order for all does not find it.
CREATE TABLE marked AS SELECT id, a, b, c, 'mark ' || m AS mark, CASE WHEN (a > 0.5) = (m IN (1, 4, 9)) THEN 10 ELSE 0 END + c + 0.3 * (m::int % 5) AS v, ((a > 0.5) = (m IN (1, 4, 9)))::text AS y
FROM (SELECT *, floor(sqrt(id % 144)) AS m FROM rows) r;
CREATE TABLE marked_otherwise AS SELECT * FROM marked ORDER BY c;
SELECT splits, round(t.score::numeric, 1) AS r2
FROM unnest('{ordered,gradient}'::text[]) splits,
    LATERAL (SELECT version FROM ml_train('marked', 'marked', 'v', 'gradient_boosting', jsonb_build_object('n_estimators', 30, 'max_leaf_nodes', 4, 'categorical_splits', splits), exclude => '{id,y}')) m,
    LATERAL (SELECT value AS score FROM ml_evaluate('marked@' || version) WHERE metric = 'r2') t
ORDER BY splits DESC;
SELECT version FROM ml_train('marked_class', 'marked', 'y', 'gradient_boosting', '{"n_estimators": 30, "categorical_splits": "gradient"}', exclude => '{id,v}');
SELECT version FROM ml_train('marked_three', 'SELECT a, b, mark, CASE WHEN c < 0.3 THEN ''maybe'' ELSE y END AS y FROM marked', 'y', 'gradient_boosting', '{"n_estimators": 30, "categorical_splits": "gradient", "calibration": "sigmoid"}');
-- A category that nobody has seen is a missing value; a row, an object and many rows have one answer.
SELECT bool_and(ml_predict(model, to_jsonb(m) || '{"mark": "other"}') = ml_predict(model, to_jsonb(m) || '{"mark": null}')) AS missing,
       bool_and(ml_predict(model, m) = ml_predict(model, to_jsonb(m))) AS alike, count(DISTINCT ml_predict(model, m)) > 1 AS moves
FROM marked m, unnest('{marked@2,marked_class@1,marked_three@1}'::text[]) model WHERE id <= 200 GROUP BY model ORDER BY model;
SELECT abs(e.value - s.rmse) < 1e-9 AS measured_alike
FROM (SELECT sqrt(avg((v - ml_predict('marked@2', m, NULL::float8)) ^ 2)) AS rmse FROM marked m) s, ml_evaluate('marked@2', 'marked') e WHERE e.metric = 'rmse';
-- The same bytes whoever trains and in whatever order; each parameter has an effect; there and back.
CREATE FUNCTION marked_bytes(params jsonb, source text DEFAULT 'marked', workers int DEFAULT 0) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    PERFORM set_config('pgforest.train_workers', workers::text, true);
    PERFORM ml_train('effect', source, 'v', 'gradient_boosting', '{"n_estimators": 60, "categorical_splits": "gradient"}' || params, exclude => '{id,y}');
    SELECT sha256 INTO result FROM pgforest.versions WHERE model = 'effect';
    PERFORM ml_drop('effect');
    RETURN result;
END $$;
SELECT marked_bytes('{}') = marked_bytes('{}', 'marked_otherwise', 3) AS same, marked_bytes('{"max_leaf_nodes": null}') = marked_bytes('{"max_leaf_nodes": null}', 'marked_otherwise', 3) AS same_by_levels,
       marked_bytes('{"categorical_splits": "ordered"}') <> marked_bytes('{}') AS splits, marked_bytes('{"cat_smooth": 500}') <> marked_bytes('{}') AS smooth, marked_bytes('{"cat_l2": 500}') <> marked_bytes('{}') AS l2,
       marked_bytes('{"categorical_splits": "ordered", "cat_smooth": 3, "cat_l2": 3}') = marked_bytes('{"categorical_splits": "ordered"}') AS of_sets_only;
SELECT version FROM ml_import(ml_export('marked@2'), 'marked_again');
SELECT v.sha256 = w.sha256 AS there_and_back, bool_and(ml_predict('marked@2', m) = ml_predict('marked_again@1', m)) AS alike
FROM marked m, pgforest.versions v, pgforest.versions w WHERE v.model = 'marked' AND v.version = 2 AND w.model = 'marked_again' GROUP BY 1;
-- Constraints on numbers hold beside sets.
SELECT version FROM ml_train('marked_monotonic', 'marked', 'v', 'gradient_boosting', '{"categorical_splits": "gradient", "monotonic_cst": {"a": 1, "c": 1}}', exclude => '{id,y}');
SELECT bool_and(p >= pa) IS NOT FALSE AS rises_with_a, count(DISTINCT p) > 4 AS moves
FROM (SELECT p, lag(p) OVER (PARTITION BY b, mark ORDER BY a) AS pa
      FROM (SELECT a, b, mark, ml_predict('marked_monotonic@1', to_jsonb(g), NULL::float8) AS p FROM (SELECT grid.a, grid.b, 0.5 AS c, 'mark ' || k AS mark FROM grid, generate_series(0, 12, 3) k WHERE (grid.b * 40)::int % 8 = 0) g) x) y;
-- More leaves than a tree has sets for.
SELECT version FROM ml_train('many', 'SELECT i AS a, chr(97 + i % 9) AS d, 1.0 AS v FROM generate_series(1, 70000) i', 'v', 'gradient_boosting',
                             '{"n_estimators": 1, "max_leaf_nodes": null, "min_samples_leaf": 1, "categorical_splits": "gradient", "early_stopping": false}', holdout => 0);

-- Kept with the version, defaults filled in; what a model looks at.
SELECT params FROM pgforest.versions WHERE model = 'monotonic_class';
SELECT feature, importance > 0.1 AS much FROM ml_importance('signal@1');

-- What is refused.
\getenv here PG_ABS_SRCDIR
\set refuse :here '/sql/include/refuse.sql'
\ir :refuse
CREATE PROCEDURE refuse_params(params jsonb, target text DEFAULT 'v', source text DEFAULT 'SELECT a, b, c, d, y, y3, v FROM rows') LANGUAGE plpgsql AS $$
BEGIN
    CALL refuse(format('ml_train(''refused'', %L, %L, ''gradient_boosting'', %L)', source, target, params));
END $$;
CALL refuse_params('{"learning_rat": 0.2, "bootstrap": true}');
CALL refuse_params('{"loss": "hinge"}');
CALL refuse_params('{"loss": "log_loss"}');
CALL refuse_params('{"loss": "squared_error"}', 'y');
CALL refuse_params('{"loss": "quantile"}');
CALL refuse_params('{"loss": "quantile", "quantile": 1}');
CALL refuse_params('{"loss": "quantile", "quantile": 1.5}');
CALL refuse_params('{"quantile": 0.5}');
CALL refuse_params('{"learning_rate": 0}');
CALL refuse_params('{"max_leaf_nodes": 1}');
CALL refuse_params('{"min_samples_leaf": 0}');
CALL refuse_params('{"l2_regularization": -1}');
CALL refuse_params('{"subsample": 0}');
CALL refuse_params('{"subsample": 1.5}');
CALL refuse_params('{"max_features": null}');
CALL refuse_params('{"colsample_bytree": 0.0}');
CALL refuse_params('{"early_stopping": "sometimes"}');
CALL refuse_params('{"early_stopping": 1}');
CALL refuse_params('{"validation_fraction": 0.9}');
CALL refuse_params('{"n_iter_no_change": 0}');
CALL refuse_params('{"tol": -1}');
CALL refuse_params('{"categorical_splits": "sets"}');
CALL refuse_params('{"categorical_splits": null}');
CALL refuse_params('{"cat_smooth": -1}');
CALL refuse_params('{"cat_l2": "much"}');
CALL refuse_params('{"monotonic_cst": "a"}');
CALL refuse_params('{"monotonic_cst": {}}');
CALL refuse_params('{"monotonic_cst": {"a": 2}}');
CALL refuse_params('{"monotonic_cst": {"a": "1"}}');
CALL refuse_params('{"monotonic_cst": {"a": 1, "d": 1, "x": -1}}');
CALL refuse_params('{"monotonic_cst": {"a": 1}}', 'y3');
CALL refuse_params('{"monotonic_cst": {"d": 1, "x": -1}}', 'v', 'SELECT a, d, v / (id - 9) AS v FROM rows');
CALL refuse($r$ml_train('refused', 'rows', 'v', params => '{"monotonic_cst": {"d": 1, "v": -1}}')$r$);
CALL refuse($r$ml_train('refused', 'rows', 'y3', 'extra_trees', '{"monotonic_cst": {"a": 1}}')$r$);
CALL refuse_params('{"monotonic_cst": {"a": 1}, "loss": "absolute_error"}');
CALL refuse_params('{"class_weight": "balanced_subsample"}', 'y');
CALL refuse_params('{"class_weight": "balanced"}');
CALL refuse_params('{"loss": "poisson"}', 'v', 'SELECT a, a - 0.5 AS v FROM rows');
SET pgforest.train_memory = '20MB';
CALL refuse_params('{"n_estimators": 5000, "max_leaf_nodes": null, "min_samples_leaf": 5}');
RESET pgforest.train_memory;
CALL refuse_params('{"loss": "poisson"}', 'v', 'SELECT a, 0.0 AS v FROM rows');

SELECT count(ml_drop(name)) FROM pgforest.models;
DROP SCHEMA regress_boosting CASCADE;

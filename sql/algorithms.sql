-- Every algorithm goes through what random_forest goes through.
CREATE SCHEMA regress_algorithms;
SET search_path = regress_algorithms, public;
SET client_min_messages = warning;

CREATE FUNCTION u(i int, k int) RETURNS float8 IMMUTABLE RETURN (hashint4extended(i, k) & 65535) / 65536.0;
CREATE TYPE colour AS ENUM ('red', 'green', 'blue');
CREATE TABLE rows AS
SELECT i AS id, (u(i, 1) * 1000)::int AS a, u(i, 2) AS b, (u(i, 3) * 100)::numeric(6, 2) AS c, chr(97 + (u(i, 4) * 20)::int) AS d,
       CASE WHEN u(i, 5) < 0.1 THEN NULL ELSE u(i, 6) END AS e, u(i, 7) > 0.5 AS f, DATE '2020-01-01' + (u(i, 8) * 900)::int AS g,
       (ARRAY['red', 'green', 'blue']::colour[])[1 + (u(i, 9) * 2.99)::int] AS h, ARRAY[u(i, 10), u(i, 11)] AS j,
       CASE WHEN u(i, 1) + u(i, 2) + (u(i, 4) > 0.5)::int + u(i, 12) / 2 > 1.7 THEN 'yes' ELSE 'no' END AS y,
       floor(u(i, 1) * 2 + u(i, 2) * 2 + u(i, 13) / 2)::int AS y3,
       u(i, 1) * 10 + u(i, 2) * 5 + (u(i, 4) > 0.5)::int AS v
FROM generate_series(1, 6000) i;
CREATE TABLE shuffled AS SELECT * FROM rows ORDER BY hashint4extended(id, 99);

-- many: so many that workers are worth it
CREATE TABLE algorithms (place int, algorithm text, params jsonb, many int);
INSERT INTO algorithms VALUES
    (1, 'random_forest', '{"n_estimators": 30, "max_features": 4}', 80),
    (2, 'extra_trees', '{"n_estimators": 30, "max_features": 4}', 80),
    (3, 'gradient_boosting', '{"n_estimators": 40, "subsample": 0.8, "max_features": 0.8, "early_stopping": true, "categorical_splits": "gradient"}', 240);

-- Classification of two and of three classes, and regression: better than the best constant.
SELECT a.algorithm, target, t.task, t.metric, t.rows, t.features, round(t.score::numeric, 1) AS score
FROM algorithms a, unnest('{y,y3,v}'::text[]) WITH ORDINALITY AS targets (target, at),
    ml_train(a.algorithm || '_' || target, 'rows', target, a.algorithm, a.params, exclude => array_remove('{id,y,y3,v}', target)) t
ORDER BY a.place, targets.at;
SELECT a.algorithm, target, bool_and(CASE WHEN e.metric IN ('rmse', 'mae', 'mape', 'log_loss', 'brier') THEN e.value < 0.9 * e.baseline
                                     WHEN e.metric IN ('roc_auc', 'r2', 'f1', 'accuracy') THEN e.value > e.baseline ELSE true END) AS good
FROM algorithms a, unnest('{y,y3,v}'::text[]) AS target, ml_evaluate(a.algorithm || '_' || target || '@1') e
WHERE e.class IS NULL GROUP BY a.place, a.algorithm, target ORDER BY a.place, target;

-- Probabilities sum to 1, and the label is that of the largest.
SELECT a.algorithm, max(abs(s.sum - 1)) < 1e-12 AS sum_to_one, bool_and(s.label = (ARRAY['0', '1', '2', '3', '4'])[s.best]) AS largest
FROM algorithms a, LATERAL (
    SELECT (SELECT sum(x) FROM unnest(p) x) AS sum, array_position(p, (SELECT max(x) FROM unnest(p) x)) AS best, label
    FROM (SELECT ml_predict_proba(a.algorithm || '_y3@1', r) AS p, ml_predict(a.algorithm || '_y3@1', r) AS label FROM rows r WHERE id <= 500) x) s
GROUP BY a.place, a.algorithm ORDER BY a.place;
-- A row, an object and a query give one answer; so does a measuring.
SELECT a.algorithm, bool_and(ml_predict(a.algorithm || '_v@1', r, NULL::float8) = ml_predict(a.algorithm || '_v@1', to_jsonb(r) || jsonb_build_object('g', r.g - DATE '2000-01-01'), NULL::float8)) AS alike
FROM algorithms a, rows r WHERE r.id <= 100 GROUP BY a.place, a.algorithm ORDER BY a.place;
SELECT a.algorithm, abs(e.value - s.rmse) < 1e-9 AS measured_alike
FROM algorithms a, LATERAL (SELECT sqrt(avg((v - ml_predict(a.algorithm || '_v@1', r, NULL::float8)) ^ 2)) AS rmse FROM rows r) s,
    ml_evaluate(a.algorithm || '_v@1', 'rows') e WHERE e.metric = 'rmse' ORDER BY a.place;
-- Rows with nothing in them, and categories that nobody has seen.
SELECT a.algorithm, ml_predict(a.algorithm || '_y@1', r) IS NOT NULL AS nothing, ml_predict(a.algorithm || '_y@1', s) IS NOT NULL AS strange
FROM algorithms a, (SELECT NULL::int AS a, NULL::float8 AS b, NULL::numeric AS c, NULL::text AS d, NULL::float8 AS e, NULL::boolean AS f,
                    NULL::date AS g, NULL::colour AS h, NULL::float8[] AS j) r,
    (SELECT 1 AS a, 'NaN'::float8 AS b, 1e100::numeric AS c, 'never seen' AS d, 'infinity'::float8 AS e, true AS f,
     DATE 'infinity' AS g, NULL::colour AS h, ARRAY[NULL, 1]::float8[] AS j) s
ORDER BY a.place;

-- The same rows give the same bytes: in another order, read in two passes, with any number of workers.
CREATE FUNCTION train(algorithm text, source text, workers int, memory int, target text, params jsonb) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    PERFORM set_config('pgforest.train_workers', workers::text, true);
    IF memory IS NOT NULL THEN
        PERFORM set_config('pgforest.train_memory', memory::text, true);
    END IF;
    PERFORM t.version FROM ml_train('same', source, target, train.algorithm, train.params, exclude => array_remove('{id,y,y3,v}', target)) t;
    SELECT sha256 INTO result FROM pgforest.versions WHERE model = 'same' ORDER BY version DESC LIMIT 1;
    PERFORM ml_drop('same');
    RETURN result;
END $$;
SELECT a.algorithm, target, train(a.algorithm, 'shuffled', 0, NULL, target, p) = f.sha256 AS shuffled,
       train(a.algorithm, 'SELECT * FROM rows ORDER BY b', 3, NULL, target, p) = f.sha256 AS three_workers,
       train(a.algorithm, 'rows', 0, NULL, target, p || '{"min_samples_leaf": 3}') = f.sha256 AS other_parameter
FROM algorithms a, unnest('{y,y3,v}'::text[]) WITH ORDINALITY AS targets (target, at),
    LATERAL (SELECT a.params || jsonb_build_object('n_estimators', a.many) AS p) p,
    LATERAL (SELECT train(a.algorithm, 'rows', 0, NULL, target, p) AS sha256) f
ORDER BY a.place, targets.at;
SELECT a.algorithm, train(a.algorithm, 'rows', 0, 1900, 'y', a.params) = train(a.algorithm, 'rows', 0, NULL, 'y', a.params) AS two_passes
FROM algorithms a ORDER BY a.place;

-- Few rows, one row, weights, a split column, a key.
SELECT a.algorithm, t.rows FROM algorithms a, ml_train('few', 'SELECT a, v FROM rows WHERE id = 1', 'v', a.algorithm, holdout => 0) t ORDER BY a.place;
SELECT a.algorithm, t.rows FROM algorithms a, ml_train('two', 'SELECT a, y FROM (SELECT DISTINCT ON (y) * FROM rows ORDER BY y, id) r', 'y', a.algorithm, holdout => 0) t ORDER BY a.place;
SELECT a.algorithm, t.score IS NOT NULL AS scored
FROM algorithms a, ml_train('weights', 'SELECT a, b, y, 1 + id % 3 AS w, id / 10 AS k FROM rows', 'y', a.algorithm, a.params, key => '{k}', weight => 'w') t ORDER BY a.place;
SELECT a.algorithm, t.rows, t.score IS NOT NULL AS scored
FROM algorithms a, ml_train('split', 'SELECT a, b, y, CASE WHEN id < 4000 THEN ''train'' WHEN id < 5000 THEN ''validation'' ELSE ''test'' END AS s FROM rows', 'y', a.algorithm, a.params, split => 's') t
ORDER BY a.place;
-- Nothing is held out: out-of-bag, where there is such a thing.
SELECT a.algorithm, t.metric, t.score IS NULL AS not_measured
FROM algorithms a, ml_train('none', 'SELECT a, b, y FROM rows', 'y', a.algorithm, a.params - '{subsample,max_features}'::text[] || '{"max_bins": 16}', holdout => 0) t
ORDER BY a.place;

\getenv here PG_ABS_SRCDIR
\set refuse :here '/sql/include/refuse.sql'
\ir :refuse
RESET client_min_messages;
CREATE PROCEDURE refuse_all(arguments text) LANGUAGE plpgsql AS $$
DECLARE
    algorithm text;
BEGIN
    FOR algorithm IN SELECT a.algorithm FROM algorithms a ORDER BY place LOOP
        CALL refuse(format('ml_train(''refused'', %s, algorithm => %L)', arguments, algorithm));
    END LOOP;
END $$;
CALL refuse_all($$'SELECT a, ''same'' AS y FROM rows', 'y'$$);
CALL refuse_all($$'SELECT a, v FROM rows WHERE false', 'v'$$);
CALL refuse_all($$'SELECT a, ''NaN''::float8 AS v FROM rows', 'v'$$);
CALL refuse_all($$'SELECT a, v FROM rows', 'v', params => '{"n_estimator": 3}'$$);
CALL refuse_all($$'SELECT a, v FROM rows', 'v', params => '{"n_estimators": 0}'$$);
CALL refuse_all($$'SELECT a, v FROM rows', 'v', params => '{"class_weight": "balanced"}'$$);
CALL refuse_all($$'SELECT a, y FROM rows', 'y', params => '{"class_weight": {"maybe": 2}}'$$);
SET max_parallel_workers = 0;
SET pgforest.train_memory = 100;
CALL refuse_all($$'SELECT i AS a, i / 2.0 AS v FROM generate_series(1, 6000) i', 'v'$$);
RESET pgforest.train_memory;
RESET max_parallel_workers;

SET client_min_messages = warning;
SELECT count(ml_drop(name)) FROM pgforest.models;
DROP SCHEMA regress_algorithms CASCADE;

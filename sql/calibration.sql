-- Calibrated classifiers, and how well shares and rates agree.
CREATE SCHEMA regress_calibration;
SET search_path = regress_calibration, public;
\getenv here PG_ABS_SRCDIR
\set refuse :here '/sql/include/refuse.sql'
\ir :refuse

CREATE FUNCTION u(i int, k int) RETURNS float8 IMMUTABLE RETURN (hashint4extended(i, k) & 65535) / 65536.0;
-- The probability of yes is known: p.
CREATE TABLE rows AS
SELECT i AS id, a, b, p, CASE WHEN u(i, 3) < p THEN 'yes' ELSE 'no' END AS y,
       CASE WHEN u(i, 3) < p THEN 'x' WHEN u(i, 4) < b THEN 'y' ELSE 'z' END AS three
FROM generate_series(1, 12000) i, LATERAL (SELECT u(i, 1) AS a, u(i, 2) AS b) f,
     LATERAL (SELECT 1 / (1 + exp(-8 * (a - 0.7) - 2 * b)) AS p) q;

-- All versions train on 3,000 rows; the class weights of the last four bend the shares.
CREATE FUNCTION train(algorithm text, params jsonb, target text DEFAULT 'y') RETURNS int
BEGIN ATOMIC
    SELECT version FROM ml_train(target, 'SELECT a, b, ' || target || ' FROM rows WHERE id <= 3000', target, algorithm, params, holdout => 0);
END;
SELECT train('random_forest', '{"n_estimators": 50}');
SELECT train('random_forest', '{"n_estimators": 50, "calibration": "sigmoid"}');
SELECT train('random_forest', '{"n_estimators": 50, "calibration": "isotonic"}');
SELECT train('random_forest', '{"n_estimators": 20, "bootstrap": false, "max_features": 1, "calibration": "isotonic"}');
SELECT train('extra_trees', '{"n_estimators": 20, "calibration": "isotonic"}');
SELECT train('linear', '{"class_weight": {"yes": 9}}');
SELECT train('linear', '{"class_weight": {"yes": 9}, "calibration": "sigmoid"}');
SELECT train('linear', '{"class_weight": {"yes": 9}, "calibration": "isotonic"}');

-- The mean distance of share and rate over the bins, on rows that no version saw: how much of it is left?
CREATE TABLE distance AS
SELECT version, (SELECT sum(count * abs(mean_score - rate)) / sum(count) FROM ml_calibration('y@' || version, 'SELECT * FROM rows WHERE id > 3000')) AS distance
FROM generate_series(1, 8) version;
SELECT version, distance < 0.03 AS near, distance < 0.7 * (SELECT distance FROM distance WHERE version = CASE WHEN d.version > 5 THEN 6 ELSE 1 END) AS nearer
FROM distance d ORDER BY 1;

-- Shares are shares, and the labels follow them.
SELECT version, bool_and(abs(s[1] + s[2] - 1) < 1e-12 AND s[1] BETWEEN 0 AND 1) AS shares, bool_and((s[2] > 0.5) = (label = 'yes') OR s[2] = 0.5) AS labels
FROM generate_series(1, 8) version, rows r, LATERAL (SELECT ml_predict_proba('y@' || version, r) AS s, ml_predict('y@' || version, r) AS label) x
WHERE id > 11000 GROUP BY 1 ORDER BY 1;

-- A calibration keeps the order of the scores; a sigmoid all of it, but for rounding.
SELECT abs((SELECT value FROM ml_evaluate('y@2', 'SELECT * FROM rows WHERE id > 3000') WHERE metric = 'roc_auc' AND class IS NULL) -
       (SELECT value FROM ml_evaluate('y@1', 'SELECT * FROM rows WHERE id > 3000') WHERE metric = 'roc_auc' AND class IS NULL)) < 0.0001 AS same_order;

-- The share and the rate of each bin.
SELECT bin, abs(mean_score - rate) < 0.07 AS agree, count > 100 AS many FROM ml_calibration('y@8', 'SELECT * FROM rows WHERE id > 3000', 5);
SELECT max(abs(mean_score - rate)) > 0.2 AS bent FROM ml_calibration('y@6', 'SELECT * FROM rows WHERE id > 3000');
SELECT sum(count), count(*), count(mean_score) AS filled FROM ml_calibration('y@8', 'SELECT * FROM rows WHERE id > 11990', 100);
SELECT a.count = b.count AND a.mean_score = b.mean_score AS second_class
FROM ml_calibration('y@8', 'rows') a JOIN ml_calibration('y@8', 'rows', class => 'yes') b USING (bin) WHERE bin = 10;

-- Three classes: one curve each, and the sum is 1.
SELECT train('linear', '{"calibration": "isotonic"}', 'three'), train('random_forest', '{"n_estimators": 20, "calibration": "sigmoid"}', 'three');
SELECT version, max(abs(s[1] + s[2] + s[3] - 1)) < 1e-12 AS sum_is_one
FROM generate_series(1, 2) version, rows r, LATERAL (SELECT ml_predict_proba('three@' || version, r) AS s) x WHERE id > 11000 GROUP BY 1 ORDER BY 1;
SELECT bin, abs(mean_score - rate) < 0.07 AS agree FROM ml_calibration('three@1', 'SELECT * FROM rows WHERE id > 3000', 5) WHERE count > 100;
SELECT bin, abs(mean_score - rate) < 0.07 AS agree FROM ml_calibration('three@1', 'SELECT * FROM rows WHERE id > 3000', 5, 'z') WHERE count > 100;

-- Rows that share a key are alike: out of bag a forest knows the others, and is too sure of itself.
CREATE TABLE visits AS
SELECT p, u(p, 1) + u(100 * p + v, 2) / 1000 AS a, u(p, 3) + u(100 * p + v, 4) / 1000 AS b, u(p, 1) + u(p, 5) > 1 AS y
FROM generate_series(1, 400) p, generate_series(1, 8) v;
SELECT t.version, e.value < e.baseline AS better_than_nothing
FROM unnest('{sigmoid,isotonic}'::text[]) kind,
     LATERAL ml_train('visits', 'visits', 'y', params => jsonb_build_object('n_estimators', 30, 'calibration', kind), key => '{p}') t,
     LATERAL ml_evaluate('visits@' || t.version) e
WHERE e.metric = 'log_loss';

-- Nor do five cross-validated models see a key on both sides: of one that they did not see nothing can be known here.
CREATE TABLE keys AS SELECT k, k AS a, k % 2 = 0 AS y FROM generate_series(1, 6) k, generate_series(1, 100);
SELECT version FROM ml_train('keys', 'keys', 'y', 'gradient_boosting', '{"n_estimators": 30, "early_stopping": false, "calibration": "sigmoid"}',
    features => '{a}', key => '{k}', holdout => 0);
SELECT k, ml_predict_proba('keys@1', keys, 'true') FROM keys GROUP BY keys, k ORDER BY k;
SELECT params, trial, round(score::numeric, 3) AS score
FROM ml_tune('keys', 'keys', 'y', '{"algorithm": "gradient_boosting", "n_estimators": 30, "early_stopping": false, "calibration": "sigmoid"}',
    folds => 3, metric => 'log_loss', features => '{a}', key => '{k}', holdout => 0);
SELECT count(DISTINCT sha256) FROM pgforest.versions WHERE model = 'keys';
-- Out of bag a forest does see it, and says so.
SELECT version FROM ml_train('keys', 'keys', 'y', params => '{"n_estimators": 5}', features => '{a}', key => '{k}', holdout => 0);
-- It is part of the same bytes.
CREATE TABLE shuffled AS SELECT * FROM rows ORDER BY hashint4extended(id, 99);
CREATE FUNCTION same(source text, algorithm text) RETURNS int
BEGIN ATOMIC
    SELECT version FROM ml_train('same ' || algorithm, 'SELECT a, b, y FROM ' || source || ' WHERE id <= 3000', 'y', algorithm, '{"calibration": "isotonic"}');
END;
SET pgforest.train_workers = 0;
SELECT same('rows', 'linear'), same('rows', 'random_forest');
SET pgforest.train_workers = 2;
SELECT same('shuffled', 'linear'), same('shuffled', 'random_forest');
RESET pgforest.train_workers;
SELECT model, count(*), count(DISTINCT sha256) AS different FROM pgforest.versions WHERE model LIKE 'same%' GROUP BY 1 ORDER BY 1;

-- What is refused.
CALL refuse($$ml_train('refused', 'SELECT a, b, p FROM rows', 'p', params => '{"calibration": "sigmoid"}')$$);
CALL refuse($$ml_train('refused', 'SELECT a, b, y FROM rows', 'y', params => '{"calibration": "platt"}')$$);
CALL refuse($$ml_train('refused', 'SELECT 1 AS x, i::text AS y FROM generate_series(1, 2) i', 'y', params => '{"calibration": "sigmoid", "n_estimators": 1}', holdout => 0, seed => 2)$$);
SET pgforest.train_memory = 400;
CALL refuse($$ml_train('refused', 'SELECT a, b, y FROM rows', 'y', 'linear', '{"calibration": "sigmoid"}')$$);
RESET pgforest.train_memory;
CALL refuse($$ml_calibration('y@1', NULL)$$);
CALL refuse($$ml_calibration(NULL, 'rows')$$);
CALL refuse($$ml_calibration('y@1', 'rows', 0)$$);
CALL refuse($$ml_calibration('y@1', 'rows', class => 'maybe')$$);
SELECT version FROM ml_train('value', 'SELECT a, b, p FROM rows', 'p', 'linear');
CALL refuse($$ml_calibration('value@1', 'rows')$$);

SET client_min_messages = warning;
DROP SCHEMA regress_calibration CASCADE;
SELECT count(ml_drop(name)) FROM pgforest.models;

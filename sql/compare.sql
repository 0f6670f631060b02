-- Two versions side by side, and how sure their difference is.
CREATE SCHEMA regress_compare;
SET search_path = regress_compare, public;
\i sql/include/refuse.sql
CREATE TABLE rows AS
SELECT i AS id, i / 20 AS patient, x, z, x + noise * 4 AS w, CASE WHEN x + noise > 900 THEN 'yes' ELSE 'no' END AS y, x * 2.0 + noise AS v, chr(97 + i % 3) AS kind
FROM (SELECT i, hashint4extended(i, 1) & 1023 AS x, hashint4extended(i, 2) & 1023 AS z, (hashint4extended(i, 3) & 511)::int AS noise FROM generate_series(1, 2000) i) r;
CREATE FUNCTION train(name text, target text, features text[], params jsonb, key text[] DEFAULT '{id}') RETURNS int
BEGIN ATOMIC
    SELECT version FROM ml_train(name, 'rows', target, features => features, key => key, params => params, holdout => 0.3);
END;
-- 1 knows little, 2 knows more, 3 knows as much as 2 by another seed's luck, 4 knows nothing.
SELECT train('m', 'y', '{w}', '{"n_estimators": 5, "max_depth": 3}'), train('m', 'y', '{x}', '{"n_estimators": 20, "max_depth": 4}'), train('m', 'y', '{x}', '{"n_estimators": 21, "max_depth": 4}'), train('m', 'y', '{z}', '{"n_estimators": 5}');

SELECT kind, name, CASE WHEN name <> 'trained_at' THEN left(first, 8) END AS first, CASE WHEN name <> 'trained_at' THEN left(second, 8) END AS second, round(difference::numeric, 3) AS difference, low < difference AND difference < high AS within, better
FROM ml_compare('m', 1, 2) WHERE kind <> 'parameter' OR first IS DISTINCT FROM second;
SELECT count(*) > 10 AS parameters FROM ml_compare('m', 1, 2) WHERE kind = 'parameter';
-- Metrics are those of ml_promote and of ml_evaluate on the same rows.
SELECT (SELECT bool_and(abs(c.first::float8 - e.value) < 1e-12) FROM ml_compare('m', 2, 3, 'rows') c JOIN ml_evaluate('m@2', 'rows') e ON e.metric = c.name AND e.class IS NULL) AS first,
       (SELECT bool_and(abs(c.second::float8 - e.value) < 1e-12) FROM ml_compare('m', 2, 3, 'rows') c JOIN ml_evaluate('m@3', 'rows') e ON e.metric = c.name AND e.class IS NULL) AS second;
SELECT abs(c.second::float8 - v.score) < 1e-12 AS held_out FROM ml_compare('m', 1, 2) c JOIN pgforest.versions v ON v.model = 'm' AND v.version = 2 WHERE c.name = 'roc_auc';
-- The other way round, and with itself.
SELECT count(*) AS metrics, bool_and(abs(a.difference + b.difference) < 1e-12) AS mirrored, bool_and(a.better IS NOT DISTINCT FROM b.better) AS same_winner FROM ml_compare('m', 1, 2) a JOIN ml_compare('m', 2, 1) b USING (kind, name) WHERE kind = 'metric';
SELECT count(*) FILTER (WHERE low = 0 AND high = 0 AND better IS NULL) AS nothing FROM ml_compare('m', 2, 2) WHERE kind = 'metric';
SELECT name, better FROM ml_compare('m', 2, 4) WHERE kind = 'metric' AND better IS NOT NULL ORDER BY name COLLATE "C";
-- A higher confidence is a wider interval; more resamples are about the same.
SELECT bool_and(b.low <= a.low AND b.high >= a.high) AS wider FROM ml_compare('m', 1, 2, confidence => 0.8) a JOIN ml_compare('m', 1, 2, confidence => 0.99) b USING (kind, name) WHERE kind = 'metric';
SELECT max(abs(a.low - b.low) / (a.high - a.low)) < 0.1 AS about_the_same FROM ml_compare('m', 1, 2) a JOIN ml_compare('m', 1, 2, resamples => 5000) b USING (kind, name) WHERE kind = 'metric';
-- The same every time, whatever the order of the rows.
SELECT count(*) AS metrics, bool_and((a.low, a.high) = (b.low, b.high)) AS same FROM ml_compare('m', 1, 2, 'SELECT * FROM rows ORDER BY id') a JOIN ml_compare('m', 1, 2, 'SELECT * FROM rows ORDER BY z') b USING (kind, name) WHERE kind = 'metric';
-- What the formula of large samples says: the sd of a mean of paired differences.
SELECT abs((c.high - c.low) / (2 * 1.96 * s.sd) - 1) < 0.1 AS as_expected
FROM ml_compare('m', 1, 2, 'rows') c, (SELECT stddev(((ml_predict('m@2', r) = y)::int - (ml_predict('m@1', r) = y)::int)) / sqrt(count(*)) AS sd FROM rows r) s WHERE c.name = 'accuracy';
-- Rows of one key are drawn as a whole: twenty times the same row is not twenty rows.
SELECT train('twenty', 'y', '{w}', '{"n_estimators": 5, "max_depth": 3}', '{patient}'), train('twenty', 'y', '{x}', '{"n_estimators": 5, "max_depth": 3}', '{patient}');
SELECT round((g.high - g.low) / (s.high - s.low)) AS wider
FROM ml_compare('twenty', 1, 2, 'SELECT r.id AS patient, x, w, y FROM rows r, generate_series(1, 16)') g, ml_compare('twenty', 1, 2, 'SELECT x, w, y FROM rows r, generate_series(1, 16)') s WHERE g.name = 'accuracy' AND s.name = 'accuracy';

-- Regression, and more than two classes.
SELECT train('v', 'v', '{w}', '{"n_estimators": 5, "max_depth": 3}'), train('v', 'v', '{x}', '{"n_estimators": 10, "max_depth": 8}');
SELECT name, sign(difference) AS difference, low < difference AND difference < high AS within, better FROM ml_compare('v', 1, 2) WHERE kind = 'metric';
SELECT abs(c.difference - (e2.value - e1.value)) < 1e-9 AS same FROM ml_compare('v', 1, 2, 'rows') c JOIN ml_evaluate('v@1', 'rows') e1 ON e1.metric = c.name JOIN ml_evaluate('v@2', 'rows') e2 ON e2.metric = c.name;
SELECT train('k', 'kind', '{w}', '{"n_estimators": 5, "max_depth": 3}'), train('k', 'kind', '{x,z}', '{"n_estimators": 10, "max_depth": 8}');
SELECT count(*) AS metrics, bool_and(low <= high) AS intervals, count(better) AS better FROM ml_compare('k', 1, 2) WHERE kind = 'metric';
-- A label that a version does not know.
SELECT count(*) AS metrics, count(low) AS intervals FROM ml_compare('m', 1, 2, 'SELECT id, x, w, CASE WHEN id % 9 = 0 THEN ''maybe'' ELSE y END AS y FROM rows') WHERE kind = 'metric';

-- The gate demands that the interval is on the better side.
SELECT version, promoted FROM ml_promote('m', 1);
SELECT version, previous, promoted, regexp_replace(reason, '-?\d+\.\d+(e-\d+)?', 'N', 'g') AS reason FROM ml_promote('m', 2, confidence => 0.95);
SELECT version, previous, promoted, regexp_replace(reason, '-?\d+\.\d+(e-\d+)?', 'N', 'g') AS reason FROM ml_promote('m', 3, confidence => 0.95);
SELECT version, previous, promoted FROM ml_promote('m', 4, metric => 'brier', confidence => 0.95);
SELECT version, previous, promoted FROM ml_promote('m', 2, alias => 'first', confidence => 0.95, threshold => 0.5);
SELECT version, previous, promoted FROM ml_promote('m', 2, alias => 'none', confidence => 0.95, threshold => 0.9999);
-- The best of several is good by chance more easily: they share the doubt.
SELECT version, promoted FROM ml_promote('m', 1, alias => 'best');
SELECT version, previous, promoted, regexp_replace(reason, '-?\d+\.\d+(e-\d+)?', 'N', 'g') AS reason FROM ml_promote('m', alias => 'best', confidence => 0.95);
-- Less is better.
SELECT version FROM ml_promote('v', 1);
SELECT version, previous, promoted, regexp_replace(reason, '-?\d+(\.\d+)?(e[-+]\d+)?', 'N', 'g') AS reason FROM ml_promote('v', 2, metric => 'rmse', confidence => 0.99);
SELECT version, previous, promoted FROM ml_promote('v', 1, metric => 'rmse', confidence => 0.5);

-- What is refused.
CALL refuse('ml_compare(NULL, 1, 2)');
CALL refuse($$ml_compare('m', NULL, 2)$$);
CALL refuse($$ml_compare('m', 1, 0)$$);
CALL refuse($$ml_compare('m', 1, 99)$$);
CALL refuse($$ml_compare('m@1', 1, 2)$$);
CALL refuse($$ml_compare('m', 1, 2, confidence => 1)$$);
CALL refuse($$ml_compare('m', 1, 2, confidence => NULL)$$);
CALL refuse($$ml_compare('m', 1, 2, resamples => 99)$$);
CALL refuse($$ml_compare('m', 1, 2, 'SELECT y FROM rows')$$);
CALL refuse($$ml_promote('m', 1, confidence => 1.5)$$);
CALL refuse($$ml_promote('m', 1, confidence => 0)$$);
CALL refuse($$ml_promote('m', 1, confidence => 'NaN')$$);
SELECT version FROM ml_train('m', 'rows', 'y', features => '{x}', key => '{id}', params => '{"n_estimators": 2}', holdout => 0.2);
CALL refuse($$ml_compare('m', 2, 5)$$);
CALL refuse($$ml_promote('m', 5, alias => 'best', confidence => 0.9)$$);
SELECT count(*) > 0 AS with_a_source FROM ml_compare('m', 2, 5, 'rows');
SELECT version FROM ml_train('odd', 'rows', algorithm => 'isolation_forest', features => '{x}', params => '{"n_estimators": 2}');
CALL refuse($$ml_compare('odd', 1, 1)$$);
SET pgforest.train_memory = '1MB';
CALL refuse($$ml_compare('m', 1, 2, 'SELECT r.* FROM rows r, generate_series(1, 100)')$$);
RESET pgforest.train_memory;
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_ml_judge;
RESET client_min_messages;
CREATE ROLE regress_ml_judge;
GRANT USAGE ON SCHEMA regress_compare TO regress_ml_judge;
SET ROLE regress_ml_judge;
CALL refuse($$ml_compare('m', 1, 2)$$);
RESET ROLE;
SELECT ml_grant('m', 'regress_ml_judge', 'predict');
SET ROLE regress_ml_judge;
CALL refuse($$ml_compare('m', 1, 2)$$);
CALL refuse($$ml_compare('m', 1, 2, 'rows')$$);
RESET ROLE;
GRANT SELECT ON rows TO regress_ml_judge;
SET ROLE regress_ml_judge;
SELECT count(*) > 0 AS compared FROM ml_compare('m', 1, 2, 'rows');
RESET ROLE;

SELECT count(ml_drop(name)) FROM pgforest.models;
\set VERBOSITY terse
DROP SCHEMA regress_compare CASCADE;
DROP ROLE regress_ml_judge;

-- ml_promote and ml_rollback: who may become production, and the way back.
CREATE SCHEMA regress_promote;
SET search_path = regress_promote, public;
CREATE TABLE rows AS
SELECT i AS id, x, z, chr(97 + i % 3) AS region, CASE WHEN x + noise > 900 THEN 'yes' ELSE 'no' END AS y, x * 2.0 + noise AS v
FROM (SELECT i, hashint4extended(i, 1) & 1023 AS x, hashint4extended(i, 2) & 1023 AS z, (hashint4extended(i, 3) & 511)::int AS noise
      FROM generate_series(1, 800) i) r;
-- Version 1 knows little, 2 knows much, 3 knows nothing, 4 is 2 again.
CREATE FUNCTION train(name text, feature text, params jsonb DEFAULT '{"n_estimators": 10, "max_depth": 5}', target text DEFAULT 'y', source text DEFAULT 'rows', holdout float8 DEFAULT 0.3)
RETURNS int
BEGIN ATOMIC
    SELECT version FROM ml_train(name, source, target, features => ARRAY[feature], key => '{id}', params => params, holdout => holdout);
END;
SELECT train('m', 'x', '{"n_estimators": 1, "max_depth": 1, "min_samples_leaf": 200}'), train('m', 'x'), train('m', 'z'), train('m', 'x');
CREATE VIEW production AS SELECT production FROM pgforest.models WHERE name = 'm';

-- A version and no condition: that version, now; nothing is measured.
SELECT model, version, previous, promoted, reason, score IS NOT NULL AS score, previous_score, rows FROM ml_promote('m', 3);
SELECT model, version, previous, promoted, reason, score > previous_score AS better, rows FROM ml_promote('m', 1);
SELECT version, previous, promoted, reason FROM ml_promote('m', 1);

-- No version: the best by the metric, if it beats what is there.
SELECT version, previous, promoted, regexp_replace(reason, '0\.\d+', 'N', 'g') AS reason, score > previous_score AS better, rows FROM ml_promote('m');
SELECT version, previous, promoted, regexp_replace(reason, '0\.\d+', 'N', 'g') AS reason, score = previous_score AS same, rows FROM ml_promote('m');
SELECT * FROM production;
-- Of equals the newest; but one in force is not replaced by its equal.
SELECT version, promoted FROM ml_promote('m', alias => 'first');
SELECT version, promoted FROM ml_promote('m', 2, alias => 'second');
SELECT version, promoted FROM ml_promote('m', alias => 'second');
SELECT version, promoted, previous_score FROM ml_promote('m', 3, alias => 'third');
SELECT version, promoted, score < previous_score AS less FROM ml_promote('m', alias => 'third', metric => 'brier');
SELECT version, promoted, score < previous_score AS less FROM ml_promote('m', alias => 'third', metric => 'brier');

-- The score is the metric of the held-out rows, and what was stored at training.
SELECT abs(p.score - v.score) < 1e-12 AS same FROM ml_promote('m', 2, alias => 'check', metric => 'roc_auc') p JOIN pgforest.versions v ON v.model = 'm' AND v.version = 2;

-- A threshold: at least where more is better, at most where less is.
SELECT version, promoted, regexp_replace(reason, '0\.\d{3,}', 'N') AS reason FROM ml_promote('m', 2, alias => 'gate', threshold => 0.99);
SELECT version, promoted FROM ml_promote('m', 2, alias => 'gate', threshold => 0.6);
SELECT version, promoted, regexp_replace(reason, '0\.\d{3,}', 'N') AS reason FROM ml_promote('m', 3, alias => 'gate', metric => 'brier', threshold => 0.2);
SELECT version, promoted FROM ml_promote('m', 4, alias => 'gate', metric => 'brier', threshold => 0.2);
SELECT count(*) FROM pgforest.alias_history WHERE alias = 'gate';

-- How much worse it may be, on the whole and in every slice.
SELECT version, previous, promoted, regexp_replace(reason, '\d+\.\d+', 'N', 'g') AS reason FROM ml_promote('m', 3, alias => 'gate', max_regression => 0.1);
SELECT version, previous, promoted FROM ml_promote('m', 3, alias => 'gate', max_regression => 0.9);
SELECT version, previous, promoted FROM ml_promote('m', 2, alias => 'gate', max_regression => 0);
SELECT version, previous, promoted, regexp_replace(reason, '\d+\.\d+', 'N', 'g') AS reason FROM ml_promote('m', 3, alias => 'gate', metric => 'brier', max_regression => 0.1);
SELECT version, previous, promoted FROM ml_promote('m', 4, alias => 'gate', max_regression => 0, by => '{region}');
-- A version that learned lies about one region is bad there, and only there.
SELECT version FROM ml_train('m', 'SELECT id, x, region, CASE WHEN region <> ''b'' THEN y WHEN y = ''yes'' THEN ''no'' ELSE ''yes'' END AS y FROM rows', 'y',
                             features => '{x,region}', key => '{id}', holdout => 0.3, params => '{"n_estimators": 10, "max_depth": 6, "max_features": 1.0}');
SELECT version, promoted, regexp_replace(reason, '\d+(\.\d+)?', 'N', 'g') AS reason
FROM ml_promote('m', 5, alias => 'gate', metric => 'accuracy', max_regression => 0.5, by => '{region}', source => 'rows');
SELECT version, promoted FROM ml_promote('m', 5, alias => 'gate3', metric => 'accuracy', max_regression => 0.5, by => '{region}', source => 'rows');
SELECT version, promoted FROM ml_promote('m', 5, alias => 'gate', metric => 'accuracy', max_regression => 0.5, source => 'rows');
SELECT version, promoted, regexp_replace(reason, '\d+\.\d+', 'N', 'g') AS reason
FROM ml_promote('m', 3, alias => 'gate', max_regression => 0.4, by => '{region,y}', metric => 'accuracy', source => 'SELECT id, x, z, y, CASE region WHEN ''a'' THEN NULL ELSE region END AS region FROM rows');

-- Enough rows.
SELECT version, promoted, reason, rows FROM ml_promote('m', 4, alias => 'gate2', min_rows => 5000);
SELECT version, promoted, rows >= 200 AS rows FROM ml_promote('m', 4, alias => 'gate2', min_rows => 200);

-- The rows of the caller, all of them.
SELECT version, promoted, rows FROM ml_promote('m', 4, alias => 'mine', source => 'SELECT * FROM rows WHERE id <= 100');
SELECT version, promoted, reason, score, rows FROM ml_promote('m', 3, alias => 'mine', source => 'SELECT * FROM rows WHERE y = ''no''');

-- Versions that held out other rows cannot be compared, unless on rows that are passed.
SELECT train('m', 'x', holdout => 0.2);
SELECT version, promoted FROM ml_promote('m', 6);
SELECT version, previous, promoted, rows FROM ml_promote('m');
SELECT * FROM ml_promote('m', 4, max_regression => 0.1);
SELECT version, promoted FROM ml_promote('m', 4, threshold => 0.5);
SELECT version, previous, promoted FROM ml_promote('m', alias => 'fresh');
SELECT version <> 3 AS good, promoted, rows FROM ml_promote('m', alias => 'all', source => 'SELECT * FROM rows WHERE id > 700');
SELECT version FROM ml_train('m', 'rows', 'region', features => '{x}', key => '{id}', params => '{"n_estimators": 2}');
SELECT version, promoted FROM ml_promote('m', 7);
SELECT * FROM ml_promote('m', 4, max_regression => 0.1, source => 'rows');
SELECT version, promoted FROM ml_promote('m', 4);

-- Errors and losses of a regression: less is better.
SELECT train('value', 'z', target => 'v'), train('value', 'x', target => 'v');
SELECT version, promoted FROM ml_promote('value', 1);
SELECT version, previous, promoted, score < previous_score AS less FROM ml_promote('value');
SELECT version, previous, promoted, regexp_replace(reason, '\d+\.\d+', 'N', 'g') AS reason FROM ml_promote('value', 1, metric => 'mae', max_regression => 0.05);
SELECT version, previous, promoted, regexp_replace(reason, '\d+\.\d+', 'N', 'g') AS reason FROM ml_promote('value', 1, metric => 'r2', threshold => 0.5);
SELECT version, promoted FROM ml_promote('value', 2, alias => 'gate', metric => 'rmse', threshold => 250);
SELECT version, promoted FROM ml_promote('value', 2, alias => 'gate2', metric => 'rmse', threshold => 25);

-- More versions than are measured in the first reading: all of them on the same rows, the best of all wins.
SELECT count(train('many', 'z')) FROM generate_series(1, 9);
SELECT train('many', 'x', '{"n_estimators": 1, "max_depth": 2}');
SELECT count(train('many', 'z')) FROM generate_series(1, 9);
SELECT version, promoted, rows FROM ml_promote('many');
SET pgforest.train_memory = 64;
SELECT version, promoted, rows FROM ml_promote('many', alias => 'one_by_one');
RESET pgforest.train_memory;

-- Slices whose values read alike stay apart: of the two of each source, version 2 is never right in the second.
SELECT train('slices', 'x'), train('slices', 'z');
SELECT version FROM ml_promote('slices', 1);
SELECT version, promoted, regexp_replace(reason, '.* where (.*) \(.*', '\1') AS worst
FROM (VALUES ('a', 'b, q = c', 'a, q = b', 'c'), (NULL, 'd', 'NULL', 'd'), ('e', 'f', '', 'it''s')) AS s(p1, q1, p2, q2),
     ml_promote('slices', 2, metric => 'accuracy', max_regression => 0.9, by => '{p,q}',
                source => format('SELECT *, CASE WHEN good THEN %L ELSE %L END AS p, CASE WHEN good THEN %L ELSE %L END AS q
                                  FROM (SELECT *, ml_predict(''slices@2'', r) = y AS good FROM rows r) r', s.p1, s.p2, s.q1, s.q2));

-- The way back is a stack: each rollback undoes one move more; a new move starts from there.
SELECT train('stack', 'x'), train('stack', 'z'), train('stack', 'x'), train('stack', 'z');
SELECT version FROM ml_promote('stack', 1, note => 'begin');
SELECT version FROM ml_promote('stack', 2);
SELECT version FROM ml_promote('stack', 3);
SELECT model, version, previous, promoted, reason, score IS NOT NULL AS score, previous_score IS NOT NULL AS previous_score, rows FROM ml_rollback('stack');
SELECT version, previous FROM ml_rollback('stack');
SELECT version, previous FROM ml_rollback('stack');
SELECT version FROM ml_promote('stack', 4);
SELECT version FROM ml_rollback('stack');
SELECT version FROM ml_promote('stack', 4);
SELECT version FROM ml_promote('stack', 3);
SELECT ml_drop('stack@4');
SELECT version, previous FROM ml_rollback('stack');
SELECT from_version, to_version, action, reason, role = current_user AS mine, at <= clock_timestamp() AS at
FROM pgforest.alias_history JOIN pgforest.model m ON m.id = model_id WHERE name = 'stack' ORDER BY alias_history.id;
-- Another alias has its own way.
SELECT version FROM ml_promote('stack', 2, alias => 'candidate');
SELECT * FROM ml_rollback('stack', 'candidate');
SELECT version, aliases FROM pgforest.versions WHERE model = 'stack' ORDER BY version;
SELECT * FROM ml_resolve('stack@candidate');

SELECT count(ml_drop(name)) FROM pgforest.models;
SELECT (SELECT count(*) FROM pgforest.alias) AS aliases, (SELECT count(*) FROM pgforest.alias_history) AS history;
\set VERBOSITY terse
DROP SCHEMA regress_promote CASCADE;

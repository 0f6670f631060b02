-- Missing values: learned from in training, and sent the learned way in prediction.
CREATE SCHEMA regress_missing;
SET search_path = regress_missing, public;

-- Whether a is there tells the class; b tells half of it; c is never there; d is text.
CREATE TABLE gaps AS
SELECT i AS id, CASE WHEN i % 4 > 0 THEN u END AS a, CASE WHEN i % 3 > 0 THEN i % 4 END AS b, NULL::float8 AS c,
       CASE WHEN i % 5 > 0 THEN 'k' || i % 4 END AS d, CASE WHEN i % 4 > 0 THEN 'there' ELSE 'gone' END AS y
FROM (SELECT i, hashint4extended(i, 1) & 255 AS u FROM generate_series(1, 400) i) r;

SELECT features, score FROM ml_train('a', 'gaps', 'y', features => '{a}', key => '{id}', params => '{"n_estimators": 20}');
SELECT ml_predict('a@1', r), ml_predict_proba('a@1', r) FROM (VALUES (NULL::int), (0), (128), (999)) AS r (a);
SELECT ml_predict('a@1', '{"a": null}'::jsonb) AS json_null, ml_predict('a@1', ARRAY[NULL]::float8[]) AS array_null,
       ml_predict('a@1', '{NaN}'::float8[]) AS array_nan, ml_predict('a@1', ROW(NULL::float8)) AS row_null;

-- The same with a text whose absence tells.
SELECT features, score FROM ml_train('d', $$SELECT CASE WHEN y = 'there' THEN d || '' ELSE NULL END AS d, coalesce(y, '') AS y FROM gaps WHERE id % 5 > 0$$,
                                     'y', holdout => 0, params => '{"n_estimators": 20}');
SELECT d, ml_predict('d@1', r) FROM (VALUES (NULL), ('k1'), ('k2'), ('never seen'), ('')) AS r (d);

-- A column that is NULL in every row says nothing and harms nothing.
SELECT features, round(score::numeric, 2) AS score FROM ml_train('c', 'gaps', 'y', features => '{b,c}', holdout => 0);
SELECT feature, importance FROM ml_importance('c@1') WHERE feature = 'c';
SELECT count(DISTINCT ml_predict_proba('c@1', r, 'gone')) AS answers FROM (VALUES (1, NULL::float8), (1, 7), (1, -7)) AS r (b, c);
SELECT features FROM ml_train('nothing', 'gaps', 'y', features => '{c}', holdout => 0);
SELECT ml_predict('nothing@1', r) FROM (VALUES (NULL::float8), (1)) AS r (c);

-- All columns missing in some rows, all columns missing in the row to predict.
SELECT features FROM ml_train('all', 'gaps', 'y', key => '{id}');
SELECT ml_predict('all@1', r) IS NOT NULL AS answers
FROM (VALUES (NULL::bigint, NULL::int, NULL::float8, NULL::text)) AS r (a, b, c, d);
SELECT count(*) AS wrong FROM gaps g WHERE ml_predict('all@1', g) <> y;

-- Missing values in prediction only: an answer, the same one every time.
SELECT features FROM ml_train('whole', 'SELECT id % 4 AS b, ''k'' || id % 4 AS d, y FROM gaps', 'y', holdout => 0);
SELECT count(DISTINCT ml_predict_proba('whole@1', r, 'gone')) AS answers,
       bool_and(ml_predict_proba('whole@1', r, 'gone') BETWEEN 0 AND 1) AS shares
FROM (SELECT NULL::int AS b, NULL::text AS d FROM generate_series(1, 10)) r;
-- An unseen category is as good as none.
SELECT ml_predict_proba('whole@1', r, 'gone') = ml_predict_proba('whole@1', s, 'gone') AS same
FROM (SELECT 1 AS b, NULL AS d) r, (SELECT 1 AS b, 'unseen' AS d) s;

-- Missing in regression; and missing elements of an array.
SELECT rows FROM ml_train('value', 'SELECT CASE WHEN id % 4 > 0 THEN id END AS x, CASE WHEN id % 4 > 0 THEN 10.0 ELSE 90.0 END AS y FROM gaps', 'y');
SELECT x, round(ml_predict('value@1', r, NULL::numeric), 1) AS y FROM (VALUES (NULL::int), (5), (205)) AS r (x);
SELECT features, score FROM ml_train('array', 'SELECT CASE WHEN id % 9 = 0 THEN NULL ELSE ARRAY[1.5, a, NULL] END AS x, y FROM gaps WHERE id % 9 > 0 OR id % 4 = 0', 'y',
                                     params => '{"max_features": 1.0}');
SELECT x, ml_predict('array@1', r) FROM (VALUES (NULL::float8[]), (ARRAY[1.5, 3, 4]), (ARRAY[1.5, NULL, NULL]), (ARRAY[NULL, 3, NULL]::float8[])) AS r (x);

-- A NULL label is left out and counted; NULL keys are a group like any other.
SELECT rows FROM ml_train('labels', 'SELECT a, nullif(y, ''gone'') AS y, id % 2 AS z FROM gaps', 'z', exclude => '{y}', holdout => 0);
SELECT rows FROM ml_train('labels', 'SELECT a, CASE WHEN id % 10 > 0 THEN id % 2 END AS z FROM gaps', 'z', holdout => 0);
SELECT rows = 400 AS all_in, rows BETWEEN 100 AND 360 AS some FROM ml_train('keys', 'SELECT CASE WHEN id % 2 = 0 THEN id END AS k, a, y FROM gaps WHERE id % 4 < 3', 'y', key => '{k}');

SELECT count(ml_drop(name)) FROM pgforest.models;
DROP SCHEMA regress_missing CASCADE;

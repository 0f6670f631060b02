-- Isolation forests: the task anomaly, which has no target.
CREATE SCHEMA regress_isolation;
SET search_path = regress_isolation, public;
\getenv here PG_ABS_SRCDIR
\set refuse :here '/sql/include/refuse.sql'
\ir :refuse

CREATE FUNCTION u(i int, k int) RETURNS float8 IMMUTABLE RETURN (hashint4extended(i, k) & 65535) / 65536.0;
-- The last 20 rows stand apart in a and b, and in a category that is rare.
CREATE TABLE rows AS
SELECT i AS id, i > 1980 AS apart, u(i, 1) + u(i, 2) + u(i, 3) + CASE WHEN i > 1980 THEN 3 ELSE 0 END AS a,
       u(i, 4) + u(i, 5) - CASE WHEN i > 1980 THEN 2 ELSE 0 END AS b,
       CASE WHEN u(i, 6) < 0.2 THEN NULL ELSE (u(i, 7) * 10)::int END AS c,
       CASE WHEN i > 1980 THEN 'odd ' || i % 5 ELSE chr(97 + (u(i, 8) * 4)::int) END AS d
FROM generate_series(1, 2000) i;

SELECT model, version, task, algorithm, rows, features, metric, score
FROM ml_train('odd', 'rows', algorithm => 'isolation_forest', exclude => '{id, apart}');
SELECT task, target, versions FROM pgforest.models WHERE name = 'odd';
SELECT jsonb_pretty(params) AS params, metric, score, holdout, classes FROM pgforest.versions WHERE model = 'odd';

-- The score is between 0 and 1, and those who stand apart have the greatest ones.
SELECT min(score) > 0 AS above_0, max(score) < 1 AS below_1, count(*) FILTER (WHERE apart AND rank <= 20) AS found
FROM (SELECT apart, score, rank() OVER (ORDER BY score DESC)
      FROM (SELECT apart, ml_predict('odd@1', r, NULL::float8) AS score FROM rows r) s) s;

-- As text and as boolean it says what the score means; numbers without fractions cannot hold it.
SELECT ml_predict('odd@1', r) AS label, ml_predict('odd@1', r, NULL::boolean) AS anomaly,
       ml_predict('odd@1', r, NULL::float8) > 0.5 AS above, pg_typeof(ml_predict('odd@1', r, NULL::numeric)), count(*)
FROM rows r WHERE apart GROUP BY 1, 2, 3, 4;
CALL refuse($$rows r WHERE ml_predict('odd@1', r, NULL::int) > 0$$);
CALL refuse($$rows r WHERE ml_predict_proba('odd@1', r) IS NULL$$);
SELECT ml_predict('odd@1', to_jsonb(r), NULL::float8) = ml_predict('odd@1', r, NULL::float8) AS json_as_row FROM rows r LIMIT 1;

-- contamination labels that share of the training rows.
SELECT version FROM ml_train('odd', 'rows', algorithm => 'isolation_forest', exclude => '{id, apart}', params => '{"contamination": 0.01}');
SELECT count(*) FILTER (WHERE ml_predict('odd@2', r) = 'anomaly') AS anomalies, count(*) FILTER (WHERE ml_predict('odd@2', r) = 'anomaly' AND apart) AS right FROM rows r;
SELECT bool_and(ml_predict('odd@1', r, NULL::float8) = ml_predict('odd@2', r, NULL::float8)) AS same_scores FROM rows r;

-- Nothing is held out, and a split's training rows are those trained on.
SELECT task, rows FROM ml_train('split', 'SELECT a, b, CASE WHEN id % 2 = 0 THEN ''train'' ELSE ''test'' END AS part FROM rows', task => 'anomaly',
                                algorithm => 'isolation_forest', split => 'part');

-- Parameters have an effect.
CREATE FUNCTION bytes(params jsonb) RETURNS text
BEGIN ATOMIC
    SELECT sha256 FROM ml_train('bytes', 'SELECT a, b, c, d FROM rows', algorithm => 'isolation_forest', params => params) t
    JOIN pgforest.versions v USING (model, version);
END;
CREATE TABLE settings (n int, params jsonb);
INSERT INTO settings VALUES (1, '{}'), (2, '{"n_estimators": 101}'), (3, '{"max_samples": 100}'), (4, '{"max_samples": 0.5}'), (5, '{"max_features": 2}'),
    (6, '{"max_features": 0.75}'), (7, '{"bootstrap": true}'), (8, '{"max_bins": 30}'), (9, '{"contamination": 0.1}');
DO $$
DECLARE s record;
BEGIN
    FOR s IN SELECT * FROM settings ORDER BY n LOOP
        PERFORM bytes(s.params);
    END LOOP;
END $$;
SELECT count(DISTINCT sha256) FROM pgforest.versions WHERE model = 'bytes';

-- The same bytes whatever the order of the rows, the workers, or the memory.
CREATE TABLE shuffled AS SELECT * FROM rows ORDER BY hashint4extended(id, 99);
CREATE FUNCTION same(source text, seed int DEFAULT 0) RETURNS int
BEGIN ATOMIC
    SELECT version FROM ml_train('same', source, algorithm => 'isolation_forest', exclude => '{id, apart}', seed => seed, params => '{"contamination": 0.05}');
END;
SET pgforest.train_workers = 0;
SELECT same('rows'), same('shuffled');
SET pgforest.train_workers = 2;
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SELECT same('rows');
SET pgforest.train_workers = 0;
SET pgforest.train_memory = 1600;
SELECT same('shuffled');
RESET pgforest.train_memory;
RESET pgforest.train_workers;
RESET min_parallel_table_scan_size;
RESET parallel_setup_cost;
SELECT count(*), count(DISTINCT sha256) AS different, count(DISTINCT data_fingerprint) AS rows FROM pgforest.versions WHERE model = 'same';
SELECT same('rows', 1) AS other_seed;
SELECT count(DISTINCT sha256) AS different FROM pgforest.versions WHERE model = 'same';

-- One row; all rows alike; nothing but missing values.
SELECT rows FROM ml_train('few', 'SELECT 1 AS x', algorithm => 'isolation_forest');
SELECT ml_predict('few@1', ROW(7), NULL::float8) AS score, ml_predict('few@1', ROW(7)) AS label;
SELECT rows FROM ml_train('few', 'SELECT 1 AS x FROM generate_series(1, 100)', algorithm => 'isolation_forest');
SELECT round(ml_predict('few@2', ROW(7), NULL::numeric), 9) AS score, ml_predict('few@2', ROW(7)) AS label;
SELECT rows FROM ml_train('few', 'SELECT NULL::float8 AS x, NULL::text AS t FROM generate_series(1, 100)', algorithm => 'isolation_forest');
SELECT round(ml_predict('few@3', ROW(7.0, 'a'), NULL::numeric), 9) AS score;
SELECT sum(importance) FROM ml_importance('odd@1');

-- Promoted by its number, and only so; there is nothing to measure it by.
SELECT promoted, version FROM ml_promote('odd', 2);
SELECT ml_predict('odd', r) FROM rows r WHERE id = 2000;
CALL refuse($$ml_promote('odd')$$);
CALL refuse($$ml_promote('odd', 1, metric => 'rmse')$$);
CALL refuse($$ml_evaluate('odd')$$);
CALL refuse($$ml_evaluate('odd', 'rows')$$);
CALL refuse($$ml_confusion_matrix('odd', 'rows')$$);
CALL refuse($$ml_coefficients('odd')$$);

-- What is refused.
CALL refuse($$ml_train('refused', 'rows', 'apart', 'isolation_forest')$$);
CALL refuse($$ml_train('refused', 'rows', algorithm => 'isolation_forest', task => 'regression')$$);
CALL refuse($$ml_train('refused', 'rows', 'a', 'isolation_forest', task => 'regression')$$);
CALL refuse($$ml_train('refused', 'rows', task => 'anomaly')$$);
CALL refuse($$ml_train('refused', 'rows')$$);
CALL refuse($$ml_train('refused', 'rows', algorithm => 'isolation_forest', weight => 'id')$$);
CALL refuse($$ml_train('odd', 'rows', 'a')$$);
CALL refuse($$ml_train('refused', 'SELECT 1 AS x WHERE false', algorithm => 'isolation_forest')$$);
CALL refuse($$ml_train('refused', 'rows', algorithm => 'isolation_forest', params => '{"contamination": 0.6}')$$);
CALL refuse($$ml_train('refused', 'rows', algorithm => 'isolation_forest', params => '{"max_samples": "auto"}')$$);
CALL refuse($$ml_train('refused', 'rows', algorithm => 'isolation_forest', params => '{"criterion": "gini"}')$$);
SET max_parallel_workers = 0;
SET pgforest.train_memory = 64;
CALL refuse($$ml_train('refused', 'rows', algorithm => 'isolation_forest', params => '{"max_samples": 1.0}')$$);
RESET pgforest.train_memory;
RESET max_parallel_workers;

SET client_min_messages = warning;
DROP SCHEMA regress_isolation CASCADE;
SELECT count(ml_drop(name)) FROM pgforest.models;

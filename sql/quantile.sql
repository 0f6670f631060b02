-- Quantiles of predictions, from the leaves of forests.
CREATE SCHEMA regress_quantile;
SET search_path = regress_quantile, public;
\getenv here PG_ABS_SRCDIR
\set refuse :here '/sql/include/refuse.sql'
\ir :refuse

CREATE FUNCTION u(i int, k int) RETURNS float8 IMMUTABLE RETURN (hashint4extended(i, k) & 65535) / 65536.0;
-- y is spread evenly over 1 + 9a about 10b: its quantiles are known.
CREATE TABLE rows AS
SELECT i AS id, a, b, CASE WHEN b > 0.5 THEN 'high' ELSE 'low' END AS c, 10 * b + (u(i, 3) - 0.5) * (1 + 9 * a) AS y
FROM generate_series(1, 8000) i, LATERAL (SELECT u(i, 1) AS a, u(i, 2) AS b) f;
CREATE VIEW seen AS SELECT a, b, c, y FROM rows WHERE id <= 5000;
CREATE VIEW unseen AS SELECT a, b, c, y FROM rows WHERE id > 5000;

CREATE FUNCTION train(model text, algorithm text, params jsonb, weight text DEFAULT NULL, source text DEFAULT 'seen') RETURNS int
BEGIN ATOMIC
    SELECT version FROM ml_train(model, source, 'y', algorithm, '{"n_estimators": 40}' || params, holdout => 0, weight => weight);
END;
SELECT train('y', 'random_forest', '{"quantiles": true}');
SELECT train('y', 'extra_trees', '{"quantiles": true}');
SELECT train('y', 'random_forest', '{"quantiles": true, "max_depth": 6}');
SELECT train('y', 'random_forest', '{}');
SELECT train('y', 'random_forest', '{"quantiles": false}');

-- Nine of ten rows lie in an interval of 90 %, and as many below it as above; the interval is wider where the rows are.
SELECT version, avg((y BETWEEN q[1] AND q[3])::int) BETWEEN 0.84 AND 0.97 AS covers, avg((y < q[1])::int) BETWEEN 0.015 AND 0.085 AS below,
       avg((y > q[3])::int) BETWEEN 0.015 AND 0.085 AS above, avg((y < q[2])::int) BETWEEN 0.45 AND 0.55 AS median,
       avg(q[3] - q[1]) FILTER (WHERE a > 0.8) > avg(q[3] - q[1]) FILTER (WHERE a < 0.2) * CASE version WHEN 3 THEN 1 ELSE 2 END AS wider
FROM generate_series(1, 3) version, unseen, LATERAL (SELECT ml_predict_quantile('y@' || version, unseen, '{0.05,0.5,0.95}') AS q) x
GROUP BY version ORDER BY version;

-- In the order asked for, each a value that was seen; the ends are 0 and 1.
SELECT bool_and(q[1] = q[5] AND q[2] <= q[3] AND q[3] <= q[1] AND q[1] <= q[4]) AS ordered, bool_and(q[1] IN (SELECT y FROM seen)) AS seen
FROM unseen, LATERAL (SELECT ml_predict_quantile('y@1', unseen, '{0.5,0,0.25,1,0.5}') AS q) x;
-- Rows, arrays (the category cannot be one) and jsonb.
SELECT bool_and(ml_predict_quantile('y@1', unseen, '{0.1,0.9}') = ml_predict_quantile('y@1', to_jsonb(unseen), '{0.1,0.9}')) AS same FROM unseen;
SELECT train('numbers', 'random_forest', '{"quantiles": true}', source => 'SELECT a, b, y FROM seen');
SELECT bool_and(ml_predict_quantile('numbers@1', unseen, '{0.1,0.9}') = ml_predict_quantile('numbers@1', ARRAY[a, b], '{0.1,0.9}')) AS same FROM unseen;
SELECT cardinality(ml_predict_quantile('numbers@1', ARRAY[0.5, NULL], '{0.5}')) AS missing;

-- The store is a part of the model that changes nothing else of it, and a model without it has the same bytes as ever.
SELECT bool_and(ml_predict('y@1', unseen, NULL::float8) = ml_predict('y@4', unseen, NULL::float8)) AS same FROM unseen;
SELECT a.sha256 = b.sha256 AS without, c.sha256 <> a.sha256 AS with, c.bytes > a.bytes AND c.bytes < 2.5 * a.bytes AS more
FROM pgforest.versions a, pgforest.versions b, pgforest.versions c
WHERE (a.model, b.model, c.model) = ('y', 'y', 'y') AND (a.version, b.version, c.version) = (4, 5, 1);
-- It is part of the same bytes: in another order, by workers or by none.
SET pgforest.train_workers = 0;
SELECT train('y', 'random_forest', '{"quantiles": true, "n_estimators": 150}', source => 'SELECT a, b, c, y FROM rows WHERE id <= 5000 ORDER BY y');
SET pgforest.train_workers = 2;
SELECT train('y', 'random_forest', '{"quantiles": true, "n_estimators": 150}', source => 'SELECT a, b, c, y FROM rows WHERE id <= 5000 ORDER BY b DESC');
RESET pgforest.train_workers;
SELECT count(DISTINCT sha256) AS versions FROM pgforest.versions WHERE model = 'y' AND version IN (6, 7);

-- Weights: of rows that are heavy above and light below, quantiles lie higher.
CREATE VIEW weighted AS SELECT 0 AS a, id::float8 AS y, CASE WHEN id > 900 THEN 9 ELSE 1 END AS w FROM rows WHERE id <= 1000;
SELECT train('weighted', 'random_forest', '{"quantiles": true}', 'w', 'weighted'), train('weighted', 'random_forest', '{"quantiles": true}', source => 'SELECT a, y FROM weighted');
SELECT version, q[1] > 800 AS heavy, q[2] > 950 AS most
FROM generate_series(1, 2) version, LATERAL (SELECT ml_predict_quantile('weighted@' || version, '{"a": 0}'::jsonb, '{0.5,0.9}') AS q) x ORDER BY 1;

-- One row, one value.
SELECT train('one', 'random_forest', '{"quantiles": true}', source => 'SELECT 1 AS a, 7::float8 AS y');
SELECT ml_predict_quantile('one@1', '{"a": 3}'::jsonb, '{0,0.5,1}');

-- Nothing asked, nothing answered.
SELECT ml_predict_quantile('y@1', NULL::rows, '{0.5}') IS NULL AS no_row, ml_predict_quantile('y@1', r, NULL) IS NULL AS no_quantiles,
       ml_predict_quantile('y@1', r, '{}') AS none FROM rows r LIMIT 1;

-- What is refused.
SELECT version FROM ml_train('label', 'SELECT a, b, c FROM seen', 'c', params => '{"n_estimators": 5}');
SELECT version FROM ml_train('odd', 'SELECT a, b FROM seen', algorithm => 'isolation_forest', params => '{"n_estimators": 5}');
SELECT version FROM ml_train('line', 'SELECT a, y FROM seen', 'y', algorithm => 'linear');
CALL refuse($$rows r, ml_predict_quantile('y@4', r, '{0.5}')$$);
CALL refuse($$rows r, ml_predict_quantile('line@1', r, '{0.5}')$$);
CALL refuse($$rows r, ml_predict_quantile('label@1', r, '{0.5}')$$);
CALL refuse($$rows r, ml_predict_quantile('odd@1', r, '{0.5}')$$);
CALL refuse($$rows r, ml_predict_quantile(NULL, r, '{0.5}')$$);
CALL refuse($$rows r, ml_predict_quantile('y@1', r, '{0.5,90}')$$);
CALL refuse($$rows r, ml_predict_quantile('y@1', r, '{-0.1}')$$);
CALL refuse($$rows r, ml_predict_quantile('y@1', r, '{NaN}')$$);
CALL refuse($$rows r, ml_predict_quantile('y@1', r, '{0.5,NULL}')$$);
CALL refuse($$rows r, ml_predict_quantile('y@1', r, '{{0.5,0.6}}')$$);
CALL refuse($$ml_train('label', 'SELECT a, b, c FROM seen', 'c', params => '{"quantiles": true}')$$);
CALL refuse($$ml_train('y', 'seen', 'y', algorithm => 'linear', params => '{"quantiles": true}')$$);
CALL refuse($$ml_train('y', 'seen', 'y', params => '{"quantiles": [0.05, 0.95]}')$$);

SET client_min_messages = warning;
DROP SCHEMA regress_quantile CASCADE;
SELECT count(ml_drop(name)) FROM pgforest.models;

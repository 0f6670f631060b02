-- ml_check, and profiles as rows.
SET client_min_messages = warning;
CREATE TABLE old AS
SELECT i, i % 1000 / 10.0 AS a, i % 7 AS b, 'c' || i % 4 AS c, CASE WHEN i % 50 = 0 THEN NULL ELSE i % 97 END AS gap, ARRAY[i % 3, NULL, i % 11]::float4[] AS list,
	CASE WHEN i % 1000 > 400 + i % 7 * 30 THEN 'yes' ELSE 'no' END AS y, 1.0 AS w
FROM generate_series(1, 3000) i;
SELECT version FROM ml_train('shop', 'old', 'y', key => '{i}', weight => 'w', params => '{"n_estimators": 5}', holdout => 0);
RESET client_min_messages;

-- The training itself: what the figures are of its rows.
SELECT feature, kind, p.rows, missing, unseen, "distinct" BETWEEN 0.7 * d.n AND 1.3 * d.n AS about, round(mean::numeric, 6) AS mean, round(sd::numeric, 6) AS sd, p.min, p.max FROM ml_profile('shop@1') p
LEFT JOIN (VALUES ('a', 1000), ('b', 7), ('c', 4), ('gap', 97), ('list[1]', 3), ('list[2]', 0), ('list[3]', 11), ('(target)', 2)) d (feature, n) USING (feature);
SELECT count(a) AS rows, round(avg(a), 6) AS mean, round(stddev(a), 6) AS sd, min(a), max(a) FROM old;
SELECT feature, quantiles[1:4] AS quantiles, cardinality(bounds) AS bounds, categories, CASE WHEN cardinality(counts) < 12 THEN counts END AS counts FROM ml_profile('shop@1') WHERE feature <> '(prediction)';
SELECT feature, p.rows, missing, unseen, mean, counts FROM ml_profile('shop@1', (SELECT ml_profile_agg('shop@1', r) FROM (SELECT 200 AS a, i AS b, 'new' AS c, NULL::int AS gap, list, 'maybe' AS y FROM old WHERE i < 4) r)) p WHERE feature IN ('b', 'c', 'list[1]', '(target)');

-- Nothing is wrong.
SELECT * FROM ml_check('shop@1', 'old');
SELECT * FROM ml_check('shop@1', 'SELECT list, gap, c, b, a FROM old WHERE i % 3 = 0');
-- Columns.
SELECT * FROM ml_check('shop@1', 'SELECT a::text AS a, b::bigint AS b, gap, list[1] AS list, 1 AS "New ""one" FROM old');
-- Values.
SELECT feature, problem, severity, round(value::numeric, 4) AS value, round(threshold::numeric, 4) AS threshold, rows, detail FROM ml_check('shop@1',
	$$SELECT CASE WHEN i % 20 = 0 THEN -5 ELSE a END AS a, 3 AS b, CASE WHEN i % 10 = 0 THEN 'it''s new' WHEN i % 1000 = 1 THEN 'other' ELSE c END AS c,
	CASE WHEN i % 4 > 0 THEN gap END AS gap, CASE WHEN i % 2 = 0 THEN list ELSE list || 1::float4 END AS list, CASE WHEN i < 3 THEN 'maybe' ELSE y END AS y FROM old$$);
SELECT feature, problem, severity, rows FROM ml_check('shop@1', 'SELECT NULL::float8 AS a, b, c, gap, list FROM old WHERE i <= 20');
SELECT * FROM ml_check('shop@1', 'SELECT * FROM old WHERE false');
-- Limits.
SELECT feature, problem, severity, round(value::numeric, 4) AS value, threshold, rows FROM ml_check('shop@1', 'old', '{"min_rows": 5000, "max_missing": 0.01, "features": {"a": {"min": 10, "max_out_of_range": 0}, "b": {"max": 5}, "list[2]": {"ignore": true}}}');
SELECT feature, problem, severity, round(value::numeric, 4) AS value, threshold, rows FROM ml_check('shop@1', $$SELECT a, b, CASE WHEN i <= 9 THEN 'x' ELSE c END AS c, gap, list FROM old$$, '{"max_rows": 10, "max_unseen": 0.002, "features": {"gap": {"max_missing": 1}}}');

-- What is refused.
SELECT * FROM ml_check(NULL, 'old');
SELECT * FROM ml_check('shop@1', NULL);
SELECT * FROM ml_check('shop@1', 'old', '[]');
SELECT * FROM ml_check('shop@1', 'old', '{"max_nulls": 1, "min": 3}');
SELECT * FROM ml_check('shop@1', 'old', '{"max_missing": 2}');
SELECT * FROM ml_check('shop@1', 'old', '{"min_rows": "many"}');
SELECT * FROM ml_check('shop@1', 'old', '{"features": {"z": {}, "q": {}}}');
SELECT * FROM ml_check('shop@1', 'old', '{"features": {"a": 3}}');
SELECT * FROM ml_check('shop@1', 'old', '{"features": 3}');
SELECT * FROM ml_check('shop@1', 'old', '{"features": {"a": {"ignore": 1}}}');
SELECT * FROM ml_check('shop@1', 'old', '{"features": {"a": {"min_rows": 1}}}');
SELECT * FROM ml_profile(NULL);
SELECT * FROM ml_profile('shop@1', '\x50465001');
UPDATE pgforest.version SET arguments = arguments;
DELETE FROM pgforest.baseline;
SELECT * FROM ml_check('shop@1', 'old');
SELECT * FROM ml_profile('shop@1');
SELECT ml_drop('shop');
DROP TABLE old;

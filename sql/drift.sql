-- Baselines, profiles and drift.
SET client_min_messages = warning;
CREATE TABLE old AS
SELECT i, i % 1000 / 10.0 AS a, ((i * 7919) % 1009)::float8 AS b, i % 3 AS few, (ARRAY['x','y','z','w'])[1 + i * i % 4 * (i % 5) % 4] AS c,
	CASE WHEN i % 50 = 0 THEN NULL ELSE (i * 31 % 97)::float4 END AS gap, CASE WHEN i % 1000 > 400 + i % 7 * 30 THEN 'yes' ELSE 'no' END AS y, i % 2 AS side, i % 1000 * 2.5 AS price
FROM generate_series(1, 6000) i;
CREATE TABLE new AS SELECT * FROM old WHERE i % 7 <> 0;
RESET client_min_messages;
SELECT version FROM ml_train('shop', 'old', 'y', exclude => '{i,side,price}', params => '{"n_estimators": 5}');
SELECT version FROM ml_train('cost', 'old', 'price', exclude => '{i,side,y}', params => '{"n_estimators": 5}');
SELECT version FROM ml_train('line', 'old', 'price', exclude => '{i,side,y}', algorithm => 'linear');
SELECT version FROM ml_train('odd', 'old', exclude => '{i,side,y,price}', algorithm => 'isolation_forest', task => 'anomaly', params => '{"n_estimators": 5}');
SELECT name, version, length(profile) BETWEEN 500 AND 8000 AS a_few_kilobytes FROM pgforest.baseline JOIN pgforest.model ON id = model_id ORDER BY 1;

-- Rows like those of the training.
SELECT feature, test, round(statistic::numeric, 3) AS statistic, round(p_value::numeric, 3) AS p_value, threshold, drifted, reference_rows, current_rows, slice
FROM ml_drift('shop@1', 'new');
SELECT m, d.feature, d.test, d.drifted FROM unnest('{shop@1,cost@1,line@1,odd@1}'::text[]) m, ml_drift(m, 'new') d WHERE drifted OR feature LIKE '(%' ORDER BY m, feature;

-- Others.
SELECT feature, test, round(statistic::numeric, 3) AS statistic, p_value < 0.001 AS significant, drifted FROM ml_drift('shop@1',
	$$SELECT a + 30 AS a, b, few, CASE WHEN i % 100 = 1 THEN 'new' ELSE c END AS c, CASE WHEN i % 15 > 0 THEN gap END AS gap FROM new$$) WHERE drifted ORDER BY feature, test;
-- Few rows are judged by the p-value.
SELECT feature, test, round(statistic::numeric, 3) AS statistic, p_value < threshold AS significant, drifted FROM ml_drift('shop@1', 'SELECT a + 30 AS a, b, few, c, gap FROM new WHERE i < 200');

-- Each test.
SELECT feature, test, round(statistic::numeric, 4) AS statistic, round(p_value::numeric, 4) AS p_value, threshold, drifted
FROM ml_drift('shop@1', 'SELECT a * 1.2 AS a, b, few, c, gap FROM new', tests => 'ks, psi,js,wasserstein', correction => 'none') WHERE feature IN ('a', 'c');
SELECT feature, test, round(statistic::numeric, 4) AS statistic, threshold, drifted
FROM ml_drift('shop@1', 'SELECT a * 1.2 AS a, b, few, c, gap FROM new', tests => 'chi2', correction => 'fdr', threshold => 0.01) WHERE feature IN ('a', 'c');
SELECT feature, threshold, drifted FROM ml_drift('shop@1', 'SELECT a + 3 AS a, b, few, c, gap FROM new', threshold => 0.05) WHERE feature IN ('a', 'gap');

-- A reference: values as they are.
SELECT feature, test, round(statistic::numeric, 6) AS statistic, round(p_value::numeric, 6) AS p_value, drifted, reference_rows, current_rows
FROM ml_drift('shop@1', 'SELECT * FROM old WHERE a > 20', reference => 'old', tests => 'ks,chi2');
SELECT feature, test, round(statistic::numeric, 4) AS statistic, drifted FROM ml_drift('cost@1', 'SELECT * FROM old WHERE a > 20', reference => 'old');

-- Slices.
SELECT slice, feature, drifted, reference_rows, current_rows FROM ml_drift('shop@1', 'SELECT i, CASE side WHEN 1 THEN a + 50 ELSE a END AS a, b, few, c, gap, side FROM new', by => '{side}') WHERE feature IN ('a', '(all)');
SELECT slice, feature, drifted, reference_rows, current_rows FROM ml_drift('shop@1', 'SELECT * FROM old UNION ALL SELECT i, a, b, few, c, gap, y, 7, price FROM old WHERE i < 9', reference => 'old', by => '{side,y}') WHERE feature IN ('a', '(all)');

-- Profiles of parts merge into that of the whole.
CREATE TABLE days AS SELECT i % 4 AS day, ml_profile_agg('shop@1', o) AS profile FROM old o WHERE i <= 4000 GROUP BY 1;
SELECT (SELECT ml_profile_merge('shop@1', profile) FROM days) = (SELECT ml_profile_agg('shop@1', o) FROM old o WHERE i <= 4000) AS same,
	(SELECT ml_profile_merge('shop@1', NULL::bytea) IS NULL) AS nothing, (SELECT ml_profile_agg('shop@1', o) IS NULL FROM old o WHERE false) AS no_rows;
SELECT day, feature, drifted FROM days, ml_drift('shop@1', profile) WHERE feature IN ('b', '(all)') ORDER BY 1, 2;
SELECT count(*) FROM (SELECT ml_profile_agg('shop@1', o) OVER (ORDER BY i) p FROM old o WHERE i < 5) w WHERE p IS NOT NULL;

-- Whoever reads the rows.
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT ml_profile_agg('shop@1', o) FROM old o;
SELECT ml_profile_agg('shop@1', o) = (SELECT ml_profile_merge('shop@1', profile) FROM days) AS same FROM old o WHERE i <= 4000;
CREATE TABLE parallel AS SELECT * FROM ml_drift('cost@1', 'new');
SET max_parallel_workers_per_gather = 0;
SELECT count(*) FROM (TABLE parallel EXCEPT SELECT * FROM ml_drift('cost@1', 'new')) d;
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size; RESET max_parallel_workers_per_gather;

-- Names in quotes, NULLs everywhere, an empty column, a constant.
CREATE TABLE "Odd ""table" AS SELECT i AS "the ""number", CASE WHEN i % 2 = 0 THEN '' ELSE 'it''s' END AS "source", NULL::float8 AS "empty", 1 AS one, ARRAY[i, NULL, i % 2] AS list, i % 2 = 0 AS y FROM generate_series(1, 400) i;
SELECT version FROM ml_train('it''s "odd"', '"Odd ""table"', 'y', params => '{"n_estimators": 3}');
SELECT feature, test, round(statistic::numeric, 3) AS statistic, drifted FROM ml_drift('it''s "odd"@1', '"Odd ""table"', by => '{source}') WHERE slice LIKE '%it%';
SELECT feature, test, round(statistic::numeric, 3) AS statistic, drifted FROM ml_drift('it''s "odd"@1', 'SELECT NULL::int AS "the ""number", NULL::text AS source, 5 AS empty, 2 AS one, NULL::int[] AS list FROM generate_series(1, 100)') WHERE drifted;
SELECT feature, test, round(statistic::numeric, 3) AS statistic, effect, drifted FROM ml_drift('it''s "odd"@1', 'SELECT "the ""number", source, empty, 2 AS one, list FROM "Odd ""table"', reference => '"Odd ""table"') WHERE drifted;

-- What is refused.
SELECT * FROM ml_drift(NULL, 'new');
SELECT * FROM ml_drift('shop@1', NULL::text);
SELECT * FROM ml_drift('shop@1', 'new', tests => 'ks,psy');
SELECT * FROM ml_drift('shop@1', 'new', tests => 'auto,ks');
SELECT * FROM ml_drift('shop@1', 'new', correction => 'holm');
SELECT * FROM ml_drift('shop@1', 'new', threshold => 0);
SELECT * FROM ml_drift('shop@1', 'new', threshold => 'NaN');
SELECT * FROM ml_drift('shop@1', 'SELECT a, b FROM new');
SELECT * FROM ml_drift('shop@1', 'new', reference => 'SELECT a, b FROM new');
SELECT * FROM ml_drift('shop@1', 'SELECT a::text AS a, b, few, c, gap FROM new');
SELECT * FROM ml_drift('shop@1', 'new', by => '{region}');
SELECT * FROM ml_drift('shop@1', 'new', by => '{i}');
SELECT * FROM ml_drift('shop@1', 'new', reference => 'old', by => '{i}');
SELECT * FROM ml_drift('shop@1', 'SELECT * FROM new WHERE false');
SELECT * FROM ml_drift('shop@1', 'SELECT * FROM new WHERE false', reference => 'old');
SELECT * FROM ml_drift('shop@1', 'new', reference => 'SELECT * FROM old WHERE false');
SELECT * FROM ml_drift('shop@1', 'no_such_table');
SELECT * FROM ml_drift('shop', 'new');
SELECT * FROM ml_drift('shop@1', '\x00'::bytea);
SELECT * FROM ml_drift('cost@1', (SELECT profile FROM days LIMIT 1));
SELECT ml_profile_agg(NULL, o) FROM old o;
SELECT ml_profile_agg('shop@' || i, o) FROM old o WHERE i < 3;
SELECT ml_profile_agg('shop@1', d) FROM days d;
SET pgforest.train_memory = 64;
SELECT * FROM ml_drift('shop@1', 'new', reference => 'old');
RESET pgforest.train_memory;
-- A version of an older release.
DELETE FROM pgforest.baseline WHERE model_id = (SELECT id FROM pgforest.model WHERE name = 'odd');
SELECT * FROM ml_drift('odd@1', 'new');
SELECT ml_profile_agg('odd@1', o) FROM old o;
SELECT count(*) FROM ml_drift('odd@1', 'new', reference => 'old');
-- Damaged.
UPDATE pgforest.baseline SET profile = substr(profile, 1, 100) WHERE model_id = (SELECT id FROM pgforest.model WHERE name = 'line');
SELECT * FROM ml_drift('line@1', 'new');

-- Rights are the caller's, and a model must be granted.
CREATE ROLE regress_ml_watcher;
SET ROLE regress_ml_watcher;
SELECT * FROM ml_drift('shop@1', 'new');
RESET ROLE;
SELECT ml_grant('shop', 'regress_ml_watcher', 'predict');
SET ROLE regress_ml_watcher;
SELECT * FROM ml_drift('shop@1', 'new');
SELECT count(*) FROM pgforest.baseline;
RESET ROLE;
GRANT SELECT ON new TO regress_ml_watcher;
SET ROLE regress_ml_watcher;
SELECT drifted FROM ml_drift('shop@1', 'new') WHERE feature = '(all)';
BEGIN READ ONLY;
SELECT drifted FROM ml_drift('shop@1', 'new') WHERE feature = '(all)';
COMMIT;
RESET ROLE;

-- It goes with its version.
SELECT ml_drop('cost@1');
SELECT count(*) FROM pgforest.baseline b WHERE NOT EXISTS (SELECT FROM pgforest.version v WHERE (v.model_id, v.version) = (b.model_id, b.version));
SELECT ml_drop(name) FROM pgforest.model;
SELECT count(*) FROM pgforest.baseline;
DROP TABLE old, new, days, parallel, "Odd ""table";
DROP ROLE regress_ml_watcher;

-- Linear models: the coefficients are scikit-learn's, on the scale of the values.
CREATE SCHEMA regress_linear;
SET search_path = regress_linear, public;
\getenv here PG_ABS_SRCDIR
\set refuse :here '/sql/include/refuse.sql'
\ir :refuse

CREATE FUNCTION u(i int, k int) RETURNS float8 IMMUTABLE RETURN (hashint4extended(i, k) & 65535) / 65536.0;
CREATE TABLE rows AS
SELECT i AS id, u(i, 1) * 100 AS a, (u(i, 2) * 20)::int AS b, chr(97 + (u(i, 3) * 3)::int) AS c,
       CASE WHEN u(i, 4) < 0.1 THEN NULL ELSE u(i, 5) END AS d,
       CASE WHEN u(i, 1) + u(i, 2) + u(i, 6) > 1.7 THEN 'yes' ELSE 'no' END AS y,
       CASE WHEN u(i, 1) + u(i, 6) > 1.3 THEN 'high' WHEN u(i, 2) + u(i, 7) > 1.2 THEN 'mid' ELSE 'low' END AS three,
       u(i, 1) * 7 - (u(i, 2) * 20)::int + 4 * u(i, 6) AS value
FROM generate_series(1, 1000) i;
CREATE FUNCTION train(model text, target text, params jsonb, OUT task text, OUT rows bigint, OUT features int, OUT metric text)
BEGIN ATOMIC
    SELECT task, rows, features, metric
    FROM ml_train(model, 'SELECT a, b, c, d, ' || target || ' FROM rows', target, 'linear', params, holdout => 0);
END;
SELECT * FROM train('ridge', 'value', '{"alpha": 5}');
SELECT * FROM train('elastic', 'value', '{"alpha": 0.2, "l1_ratio": 0.5}');
SELECT * FROM train('binary', 'y', '{"C": 0.5}');
SELECT * FROM train('three', 'three', '{}');

-- What Ridge, ElasticNet and LogisticRegression of scikit-learn 1.2.1 find on the same rows, standardised,
-- categories one-hot, missing values with their mean and a column of their own.
CREATE TABLE sklearn (model text, class text, feature text, kind text, category text, coefficient float8);
INSERT INTO sklearn VALUES
    ('ridge', NULL, NULL, 'intercept', NULL, 1.9089317318857262),
    ('ridge', NULL, 'a', 'slope', NULL, 0.07011856029224228),
    ('ridge', NULL, 'a', 'missing', NULL, 3.588594433354603),
    ('ridge', NULL, 'b', 'slope', NULL, -0.9901600158231342),
    ('ridge', NULL, 'b', 'missing', NULL, -9.84120039726613),
    ('ridge', NULL, 'c', 'category', 'a', -0.06496085345796065),
    ('ridge', NULL, 'c', 'category', 'b', 0.11135183784376766),
    ('ridge', NULL, 'c', 'category', 'c', -0.038857235952868316),
    ('ridge', NULL, 'c', 'category', 'd', -0.007533748432757154),
    ('ridge', NULL, 'c', 'missing', NULL, 0.012518435877837426),
    ('ridge', NULL, 'd', 'slope', NULL, 0.04096081365917123),
    ('ridge', NULL, 'd', 'missing', NULL, 0.0014439141831000951),
    ('elastic', NULL, NULL, 'intercept', NULL, 1.4131549924582965),
    ('elastic', NULL, 'a', 'slope', NULL, 0.060950101069773284),
    ('elastic', NULL, 'a', 'missing', NULL, 3.1193622986521583),
    ('elastic', NULL, 'b', 'slope', NULL, -0.8898683200282568),
    ('elastic', NULL, 'b', 'missing', NULL, -8.844401232760845),
    ('elastic', NULL, 'c', 'category', 'a', -0.0),
    ('elastic', NULL, 'c', 'category', 'b', 0.0),
    ('elastic', NULL, 'c', 'category', 'c', -0.0),
    ('elastic', NULL, 'c', 'category', 'd', 0.0),
    ('elastic', NULL, 'c', 'missing', NULL, 0.0),
    ('elastic', NULL, 'd', 'slope', NULL, 0.0),
    ('elastic', NULL, 'd', 'missing', NULL, 0.0),
    ('binary', 'yes', NULL, 'intercept', NULL, -6.722386031959614),
    ('binary', 'yes', 'a', 'slope', NULL, 0.05669738410101455),
    ('binary', 'yes', 'a', 'missing', NULL, 2.9017127009263373),
    ('binary', 'yes', 'b', 'slope', NULL, 0.2725357171649292),
    ('binary', 'yes', 'b', 'missing', NULL, 2.7087324929022314),
    ('binary', 'yes', 'c', 'category', 'a', -0.34770703808097875),
    ('binary', 'yes', 'c', 'category', 'b', 0.047070174890192065),
    ('binary', 'yes', 'c', 'category', 'c', -0.0070262011012790435),
    ('binary', 'yes', 'c', 'category', 'd', 0.307663064292065),
    ('binary', 'yes', 'c', 'missing', NULL, 0.010685599782361895),
    ('binary', 'yes', 'd', 'slope', NULL, 0.07588099934466251),
    ('binary', 'yes', 'd', 'missing', NULL, -0.14165346957741223),
    ('three', 'high', NULL, 'intercept', NULL, -2.1506962546840898),
    ('three', 'high', 'a', 'slope', NULL, 0.03861971607277008),
    ('three', 'high', 'a', 'missing', NULL, 1.9765165961602216),
    ('three', 'high', 'b', 'slope', NULL, -0.021143044981936993),
    ('three', 'high', 'b', 'missing', NULL, -0.21014072407547177),
    ('three', 'high', 'c', 'category', 'a', -0.08441621255510007),
    ('three', 'high', 'c', 'category', 'b', 0.14072708051292124),
    ('three', 'high', 'c', 'category', 'c', -0.09817977239579972),
    ('three', 'high', 'c', 'category', 'd', 0.04186890426240615),
    ('three', 'high', 'c', 'missing', NULL, 0.007751846198937526),
    ('three', 'high', 'd', 'slope', NULL, -0.016609560777900396),
    ('three', 'high', 'd', 'missing', NULL, -0.04584453141400914),
    ('three', 'low', NULL, 'intercept', NULL, 2.8347758535868124),
    ('three', 'low', 'a', 'slope', NULL, -0.020116306307910985),
    ('three', 'low', 'a', 'missing', NULL, -1.029531475480284),
    ('three', 'low', 'b', 'slope', NULL, -0.10824290912111655),
    ('three', 'low', 'b', 'missing', NULL, -1.0758262737547775),
    ('three', 'low', 'c', 'category', 'a', 0.08796783793868637),
    ('three', 'low', 'c', 'category', 'b', -0.15158440850667748),
    ('three', 'low', 'c', 'category', 'c', 0.04867824434078907),
    ('three', 'low', 'c', 'category', 'd', 0.014938326199927528),
    ('three', 'low', 'c', 'missing', NULL, -0.017731962330286417),
    ('three', 'low', 'd', 'slope', NULL, 0.011185990583830397),
    ('three', 'low', 'd', 'missing', NULL, -0.01136070351384626),
    ('three', 'mid', NULL, 'intercept', NULL, -0.6840795989026758),
    ('three', 'mid', 'a', 'slope', NULL, -0.018503409764858703),
    ('three', 'mid', 'a', 'missing', NULL, -0.9469851206799177),
    ('three', 'mid', 'b', 'slope', NULL, 0.12938595410305317),
    ('three', 'mid', 'b', 'missing', NULL, 1.2859669978302455),
    ('three', 'mid', 'c', 'category', 'a', -0.003551625383589851),
    ('three', 'mid', 'c', 'category', 'b', 0.010857327993756957),
    ('three', 'mid', 'c', 'category', 'c', 0.04950152805501217),
    ('three', 'mid', 'c', 'category', 'd', -0.056807230462334914),
    ('three', 'mid', 'c', 'missing', NULL, 0.009980116131348856),
    ('three', 'mid', 'd', 'slope', NULL, 0.005423570193962727),
    ('three', 'mid', 'd', 'missing', NULL, 0.05720523492779644);
SELECT s.model, count(*) AS coefficients, max(abs(c.coefficient - s.coefficient)) < 1e-6 AS equal
FROM (VALUES ('ridge'), ('elastic'), ('binary'), ('three')) m (name), ml_coefficients(m.name || '@1') c
FULL JOIN sklearn s ON (s.class, s.feature, s.kind, s.category) IS NOT DISTINCT FROM (c.class, c.feature, c.kind, c.category)
WHERE s.model = m.name
GROUP BY s.model ORDER BY 1;

-- A prediction is what the coefficients add up to.
SELECT max(abs(ml_predict('ridge@1', r, NULL::float8) -
               (SELECT sum(CASE WHEN kind = 'intercept' THEN coefficient
                                WHEN feature = 'c' THEN CASE WHEN category = r.c THEN coefficient ELSE 0 END
                                WHEN kind = 'missing' THEN CASE WHEN feature = 'd' AND r.d IS NULL THEN coefficient ELSE 0 END
                                ELSE coefficient * CASE feature WHEN 'a' THEN r.a WHEN 'b' THEN r.b ELSE coalesce(r.d, 0) END END)
                FROM ml_coefficients('ridge@1')))) < 1e-9 AS adds_up
FROM (SELECT * FROM rows LIMIT 20) r;

-- Rows, arrays and JSON; shares sum to 1.
SELECT ml_predict('three@1', r), ml_predict('three@1', to_jsonb(r)) = ml_predict('three@1', r) AS same,
       (SELECT abs(sum(p) - 1) < 1e-12 FROM unnest(ml_predict_proba('three@1', r)) p) AS sum_is_one
FROM rows r LIMIT 3;
SELECT version FROM ml_train('numbers', 'SELECT a, b, y FROM rows', 'y', 'linear');
SELECT bool_and(ml_predict_proba('numbers@1', ARRAY[a, b]) = ml_predict_proba('numbers@1', r)) AS array_as_row FROM rows r;

-- What is missing, unknown, or no number to count with stands for the mean, or has its own coefficient.
SELECT round(ml_predict('ridge@1', ROW(NULL::float8, 5, 'a', 0.5), NULL::numeric), 9) = round(ml_predict('ridge@1', ROW('NaN'::float8, 5, 'a', 0.5), NULL::numeric), 9) AS nan,
       ml_predict('ridge@1', ROW(NULL::float8, 5, 'a', 0.5)) = ml_predict('ridge@1', ROW('Infinity'::float8, 5, 'a', 0.5)) AS infinite,
       ml_predict('ridge@1', ROW(1.0, 5, 'zzz', 0.5)) = ml_predict('ridge@1', ROW(1.0, 5, NULL::text, 0.5)) AS unknown;

-- Exact rows give exact coefficients, also when the penalty is 0 and a column repeats another or is constant.
CREATE TABLE exact AS SELECT i AS a, i % 7 AS b, 2 * i AS twice, 5 AS five, (3 + 2 * i - i % 7)::float8 AS y FROM generate_series(1, 100) i;
SELECT version FROM ml_train('exact', 'SELECT a, b, y FROM exact', 'y', 'linear', '{"alpha": 0}');
SELECT feature, kind, round(coefficient::numeric, 9) AS coefficient FROM ml_coefficients('exact@1') WHERE kind <> 'missing';
SELECT version FROM ml_train('exact', 'exact', 'y', 'linear', '{"alpha": 0}');
SELECT feature, kind, round(coefficient::numeric, 9) AS coefficient FROM ml_coefficients('exact@2') WHERE kind <> 'missing';
SELECT bool_and(abs(ml_predict('exact@2', e, NULL::float8) - y) < 1e-9) AS predicts FROM exact e;
SELECT version FROM ml_train('exact', 'SELECT a, b, y - 3 AS y FROM exact', 'y', 'linear', '{"alpha": 0, "fit_intercept": false}');
SELECT feature, kind, round(coefficient::numeric, 9) AS coefficient FROM ml_coefficients('exact@3') WHERE kind <> 'missing';
SELECT feature, round(importance::numeric, 3) AS importance FROM ml_importance('exact@1');

-- One row; all targets alike; nothing but missing values.
SELECT version FROM ml_train('odd', 'SELECT 1 AS x, 2.5 AS y', 'y', 'linear', holdout => 0);
SELECT ml_predict('odd@1', ROW(7), NULL::float8);
SELECT version FROM ml_train('odd', 'SELECT i AS x, 2.5 AS y FROM generate_series(1, 10) i', 'y', 'linear', holdout => 0);
SELECT ml_predict('odd@2', ROW(7), NULL::float8);
SELECT version FROM ml_train('odd', 'SELECT NULL::float8 AS x, NULL::text AS c, i::float8 AS y FROM generate_series(1, 9) i', 'y', 'linear', holdout => 0);
SELECT ml_predict('odd@3', ROW(7.0, 'a'), NULL::float8);

-- Types: times, booleans, arrays, enums; more categories than bins share coefficients.
CREATE TABLE typed AS
SELECT date '2020-01-01' + id AS day, timestamptz '2020-01-01 00:00+00' + id * interval '1 hour' AS moment, a > 50 AS flag,
       ARRAY[a, b]::numeric[] AS list, ('id' || id % 400) AS many, a::numeric(8, 3) AS exact, value FROM rows;
SELECT features, score < 2 AS good FROM ml_train('typed', 'typed', 'value', 'linear');
SELECT feature, kind, count(*), count(DISTINCT coefficient) FROM ml_coefficients('typed@1') GROUP BY 1, 2 ORDER BY 1, 2;

-- The same bytes whatever the order of the rows, the workers, or the memory.
CREATE TABLE shuffled AS SELECT * FROM rows ORDER BY hashint4extended(id, 99);
CREATE FUNCTION same(name text, source text, target text) RETURNS int
BEGIN ATOMIC
    SELECT version FROM ml_train(name, source, target, 'linear', exclude => ARRAY(SELECT x FROM unnest('{id, y, three, value}'::text[]) x WHERE x <> target));
END;
SET client_min_messages = warning;
SET pgforest.train_workers = 0;
SELECT same('same', 'rows', 'three'), same('same_value', 'rows', 'value');
SELECT same('same', 'shuffled', 'three'), same('same_value', 'shuffled', 'value');
SET pgforest.train_workers = 2;
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SELECT same('same', 'rows', 'three'), same('same_value', 'rows', 'value');
SET pgforest.train_workers = 0;
RESET min_parallel_table_scan_size;
RESET parallel_setup_cost;
SET pgforest.train_memory = 256;
SELECT same('same', 'shuffled', 'three'), same('same_value', 'shuffled', 'value');
RESET pgforest.train_memory;
RESET pgforest.train_workers;
RESET client_min_messages;
SELECT model, count(*), count(DISTINCT sha256) AS different FROM pgforest.versions WHERE model LIKE 'same%' GROUP BY 1 ORDER BY 1;

-- Measuring on a source goes the same way.
SELECT bool_and(abs(e.value - s.value) < 1e-12) AS same_metrics
FROM ml_evaluate('same@1', 'SELECT * FROM rows') e JOIN ml_evaluate('same@1', 'SELECT * FROM shuffled') s USING (metric, class)
WHERE metric <> 'log_loss';

-- What does not end in time says so.
SELECT version FROM ml_train('short', 'SELECT a, b, y FROM rows', 'y', 'linear', '{"max_iter": 1}');
SELECT version FROM ml_train('short', 'SELECT a, b, y FROM rows', 'y', 'linear');
SELECT version, fit->'converged' AS converged, (fit->>'iterations')::int BETWEEN 1 AND 30 AS iterations FROM pgforest.versions WHERE model = 'short' ORDER BY version;

-- With absolute values in the penalty, columns that say nothing get 0: c and d have no part in either.
SELECT train('sparse', 'y', '{"C": 0.05, "l1_ratio": 1}'), train('sparse', 'three', '{"C": 0.05, "l1_ratio": 0.9}');
SELECT version, fit->'converged' AS converged, (fit->>'iterations')::int BETWEEN 1 AND 30 AS iterations, params->'l1_ratio' AS l1_ratio
FROM pgforest.versions WHERE model = 'sparse' ORDER BY version;
SELECT v.version, feature, kind, bool_and(coefficient = 0) AS all_zero
FROM generate_series(1, 2) AS v(version), ml_coefficients('sparse@' || v.version)
WHERE kind <> 'missing' GROUP BY 1, 2, 3 ORDER BY 1, 2 NULLS FIRST, 3;

-- What is refused.
CREATE PROCEDURE refuse_linear(params jsonb, target text DEFAULT 'y') LANGUAGE plpgsql AS $$
BEGIN
    CALL refuse(format('ml_train(''refused'', ''SELECT a, b, c, y, value FROM rows'', %L, ''linear'', %L)', target, params));
END $$;
CALL refuse_linear('{"alhpa": 1}');
CALL refuse_linear('{"alpha": 1.5}');
CALL refuse_linear('{"C": 2}', 'value');
CALL refuse_linear('{"class_weight": "balanced"}', 'value');
CALL refuse_linear('{"class_weight": "balanced_subsample"}');
CALL refuse_linear('{"class_weight": {"maybe": 2}}');
CALL refuse_linear('{"calibration": "sigmoid"}', 'value');
CALL refuse_linear('{"C": 0}');
CALL refuse_linear('{"l1_ratio": 2}', 'value');
CALL refuse_linear('{"max_iter": 0}');
CALL refuse_linear('{"fit_intercept": "yes"}');
CREATE TABLE wide AS SELECT array_agg(i * j % 17) AS list, j::float8 AS y FROM generate_series(1, 2100) i, generate_series(1, 5) j GROUP BY j;
CALL refuse($$ml_train('refused', 'wide', 'y', 'linear', '{"l1_ratio": 0.5}', holdout => 0)$$);
CALL refuse($$ml_train('refused', 'SELECT list, y::int AS y FROM wide', 'y', 'linear', '{"l1_ratio": 0.5}', holdout => 0)$$);
SET pgforest.train_memory = 4096;
CALL refuse($$ml_train('refused', 'SELECT many AS m1, many || 1 AS m2, many || 2 AS m3, many || 3 AS m4, many || 4 AS m5, value FROM typed', 'value', 'linear', holdout => 0)$$);
RESET pgforest.train_memory;
SELECT version FROM ml_train('forest', 'SELECT a, y FROM rows', 'y', params => '{"n_estimators": 1}');
CALL refuse($$ml_coefficients('forest@1')$$);
CALL refuse($$ml_coefficients('nothing@1')$$);

SET client_min_messages = warning;
DROP SCHEMA regress_linear CASCADE;
SELECT ml_drop(name) FROM pgforest.models ORDER BY name;

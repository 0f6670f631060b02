-- ml_infer and what it captures, ml_score, and the counters of predictions.
CREATE SCHEMA regress_serve;
SET search_path = regress_serve, public;
\set VERBOSITY terse
\set SHOW_CONTEXT never
\i sql/include/refuse.sql
CREATE TABLE rows AS
SELECT i AS id, i % 16 AS a, i % 5 / 2.0 AS b, CASE WHEN i % 3 = 0 THEN 'dark' ELSE 'light' END AS c,
       CASE WHEN i % 16 > 7 THEN 2 WHEN i % 3 = 0 THEN 1 ELSE 0 END AS y, i % 16 * 10.0 AS v
FROM generate_series(1, 240) i;
SELECT version FROM ml_train('serve label', 'rows', 'y', key => '{id}', exclude => '{v}', params => '{"n_estimators": 10}', holdout => 0);
SELECT version FROM ml_train('serve value', 'rows', 'v', key => '{id}', exclude => '{y}', params => '{"n_estimators": 10}', holdout => 0);
SELECT version FROM ml_train('serve odd', 'rows', algorithm => 'isolation_forest', features => '{a,b}', params => '{"n_estimators": 10, "contamination": 0.1}');
SELECT count(promoted) FROM (VALUES ('serve label'), ('serve value'), ('serve odd')) m (name), ml_promote(name, 1);

-- ----- ml_infer -----

SELECT * FROM ml_infer('serve label', '{"a": 12, "b": 0.5, "c": "dark"}', 'first');
SELECT * FROM ml_infer('serve label@1', '{"a": 12, "b": 0.5, "c": "dark", "more": [1]}');
SELECT * FROM ml_infer('serve value', '{"a": 12, "b": 0.5, "c": "dark"}', 'second');
SELECT * FROM ml_infer('serve label', NULL, 'nothing asked');
-- It answers what ml_predict answers, of many rows, of several models, and captures all of them.
SELECT model, count(*), bool_and(i.prediction = CASE model WHEN 'serve label' THEN ml_predict('serve label', r) WHEN 'serve value' THEN ml_predict('serve value', r) ELSE ml_predict('serve odd', r) END) AS prediction,
       bool_and(CASE model WHEN 'serve label' THEN i.probabilities = ml_predict_proba('serve label', r) WHEN 'serve value' THEN i.probabilities IS NULL ELSE i.probabilities = ARRAY[ml_predict('serve odd', r, NULL::float8)] END) AS probabilities
FROM rows r, (VALUES ('serve label'), ('serve value'), ('serve odd')) m (name), ml_infer(name, to_jsonb(r), 'row ' || id) i GROUP BY model ORDER BY model COLLATE "C";
SELECT m.name, p.version, count(*), count(request_id), count(DISTINCT request_id), min(sample_rate), bool_and(role = current_user) AS me, bool_and(predicted_at BETWEEN now() - interval '1 minute' AND clock_timestamp()) AS now
FROM pgforest.prediction p JOIN pgforest.model m ON m.id = p.model_id GROUP BY 1, 2 ORDER BY m.name;
SELECT features, prediction, cardinality(probabilities) AS classes FROM pgforest.prediction WHERE request_id IN ('first', 'second') ORDER BY id;
-- The rows of a week are in a table of their own, that others cannot read directly either.
SELECT c.relname = 'prediction_' || to_char(date_trunc('week', now() AT TIME ZONE 'UTC'), 'YYYYMMDD') AS this_week, c.relrowsecurity,
       (SELECT count(*) FROM pg_index WHERE indrelid = c.oid) AS indexes, (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid) AS policies
FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'pgforest.prediction'::regclass ORDER BY c.relname LIMIT 1;
-- A request that fails or is rolled back leaves no row.
BEGIN;
SELECT prediction FROM ml_infer('serve label', '{"a": 12, "b": 0.5, "c": "dark"}', 'rolled back');
ROLLBACK;
SELECT prediction FROM ml_infer('serve label', '{"a": 12}', 'wrong');
SELECT count(*) FROM pgforest.prediction WHERE request_id IN ('rolled back', 'wrong', 'nothing asked');
SELECT * FROM ml_infer('no such model', '{}');
SELECT * FROM ml_infer(NULL, '{}');

-- What is captured: the settings, or what a model's owner says.
SELECT ml_capture('serve label', 0);
SELECT prediction FROM ml_infer('serve label', '{"a": 12, "b": 0.5, "c": "dark"}', 'not captured');
BEGIN READ ONLY;
SELECT prediction FROM ml_infer('serve label', '{"a": 12, "b": 0.5, "c": "dark"}', 'not captured');
CALL refuse('ml_infer(''serve value'', ''{"a": 12, "b": 0.5, "c": "dark"}'')');
CALL refuse('ml_capture(''serve value'')');
CALL refuse('ml_expire_predictions()');
ROLLBACK;
SELECT ml_capture('serve label', 0.5, '1 day');
SELECT count(prediction) FROM generate_series(1, 400) n, ml_infer('serve label', '{"a": 12, "b": 0.5, "c": "dark"}', 'sampled ' || n % 200);
SELECT count(DISTINCT request_id) BETWEEN 60 AND 140 AS half, bool_and(count = 2) AS both_or_neither, min(rate) AS rate
FROM (SELECT request_id, count(*), min(sample_rate) AS rate FROM pgforest.prediction WHERE request_id LIKE 'sampled%' GROUP BY 1) s;
SELECT count(prediction) FROM generate_series(1, 200) n, ml_infer('serve label', '{"a": 12, "b": 0.5, "c": "dark"}' || jsonb_build_object('n', n));
SELECT count(*) BETWEEN 60 AND 140 AS half FROM pgforest.prediction WHERE request_id IS NULL AND sample_rate = 0.5;
SELECT c.sample_rate, c.retention FROM pgforest.capture c;
SELECT ml_capture('serve label');
SELECT count(*) FROM pgforest.capture;
SET pgforest.capture_sample_rate = 0;
SELECT prediction FROM ml_infer('serve label', '{"a": 12, "b": 0.5, "c": "dark"}', 'not captured');
RESET pgforest.capture_sample_rate;
SELECT count(*) FROM pgforest.prediction WHERE request_id = 'not captured';
CALL refuse('ml_capture(NULL)');
CALL refuse('ml_capture(''serve label'', 1.5)');
CALL refuse('ml_capture(''serve label'', ''NaN'')');
CALL refuse('ml_capture(''serve label'', 1, ''0'')');
CALL refuse('ml_capture(''serve label@1'', 1)');
CALL refuse('ml_capture(''no such model'', 1)');

-- Retention: rows that are too old go, and partitions that are empty then.
CREATE TABLE pgforest.prediction_20200106 PARTITION OF pgforest.prediction FOR VALUES FROM ('2020-01-06 00:00+00') TO ('2020-01-13 00:00+00');
INSERT INTO pgforest.prediction (predicted_at, model_id, version, features, prediction, sample_rate, role)
SELECT '2020-01-07 00:00+00', id, 1, '{}', 'old', 1, 'postgres' FROM pgforest.model WHERE name IN ('serve label', 'serve value');
INSERT INTO pgforest.prediction (predicted_at, model_id, version, features, prediction, sample_rate, role) VALUES ('2020-01-07 00:00+00', 0, 1, '{}', 'of no model', 1, 'postgres');
SELECT ml_capture('serve label', retention => '100 years');
SELECT * FROM ml_expire_predictions();
SELECT ml_capture('serve label');
SET pgforest.capture_retention = 0;
SELECT * FROM ml_expire_predictions();
RESET pgforest.capture_retention;
SELECT * FROM ml_expire_predictions();
SELECT * FROM ml_expire_predictions();

-- Rights: as to predict; who asked sees his requests, the owner all.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_ml_app, regress_ml_else;
RESET client_min_messages;
CREATE ROLE regress_ml_app;
CREATE ROLE regress_ml_else;
GRANT USAGE ON SCHEMA regress_serve TO regress_ml_app, regress_ml_else;
SELECT ml_grant('serve label', 'regress_ml_app', 'predict'), ml_grant('serve label', 'regress_ml_else', 'predict');
SET ROLE regress_ml_app;
SELECT prediction FROM ml_infer('serve label', '{"a": 12, "b": 0.5, "c": "dark"}', 'of the application');
SELECT request_id, role FROM pgforest.prediction;
SELECT * FROM ml_infer('serve value', '{"a": 12, "b": 0.5, "c": "dark"}');
CALL refuse('ml_capture(''serve label'', 0)');
CALL refuse('ml_expire_predictions()');
INSERT INTO pgforest.prediction (predicted_at) VALUES (now());
SET ROLE regress_ml_else;
SELECT count(*) FROM pgforest.prediction;
RESET ROLE;
SELECT count(*), min(role) FROM pgforest.prediction WHERE request_id = 'of the application';

-- ----- ml_score -----

CALL ml_score('serve label', 'rows', 'scores', '{id}');
SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = 'scores'::regclass AND attnum > 0 ORDER BY attnum;
SELECT count(*), bool_and(s.prediction = ml_predict('serve label@1', r)) AS prediction, bool_and(s.probabilities = ml_predict_proba('serve label@1', r)) AS probabilities,
       min(model) AS model, min(version) AS version, count(DISTINCT scored_at) AS times, bool_and(scored_at BETWEEN now() - interval '1 minute' AND now()) AS now
FROM scores s JOIN rows r USING (id);
-- A key that is there is left as it is; only what is missing is added.
CALL ml_score('serve label', 'rows', 'scores', '{id}');
DELETE FROM scores WHERE id % 10 = 0;
CALL ml_score('serve label', 'SELECT * FROM rows', 'scores', '{id}');
SELECT count(*), count(DISTINCT id), count(DISTINCT scored_at) FROM scores;
CALL ml_score('serve value', 'rows', 'pg_temp.values', '{id}');
SELECT pg_typeof(prediction), count(*), bool_and(prediction = ml_predict('serve value', r, NULL::float8)) AS prediction, count(probabilities) AS probabilities
FROM pg_temp.values s JOIN rows r USING (id) GROUP BY 1;
CALL ml_score('serve odd', 'rows', 'odd', '{id}');
SELECT count(*), bool_and(s.prediction = ml_predict('serve odd', r)) AS prediction, bool_and(s.probabilities = ARRAY[ml_predict('serve odd', r, NULL::float8)]) AS probabilities
FROM odd s JOIN rows r USING (id);
-- Into a table as somebody else made it: types of his own, more columns, a key of two columns, names that need quotes.
CREATE TYPE regress_serve.label AS ENUM ('0', '1', '2');
CREATE TABLE "My Scores" (scored_at timestamp, "Key" bigint, "key" text, version bigint, model varchar(63), probabilities numeric[], prediction label, remark text DEFAULT 'none');
CREATE VIEW sourced AS SELECT r.*, id AS "Key", c AS "key" FROM rows r;
CALL ml_score('serve label', 'sourced', '"My Scores"', '{Key,key}');
CALL ml_score('serve label', 'sourced', 'regress_serve."My Scores"', '{Key,key}');
SELECT count(*), min(prediction), max(prediction), min(remark), bool_and(s.prediction::text = ml_predict('serve label', r)) AS same FROM "My Scores" s JOIN sourced r USING ("Key", "key");
CREATE TABLE odd_truth (id int, prediction boolean, probabilities real[], model text, version int, scored_at timestamptz) PARTITION BY RANGE (id);
CREATE TABLE odd_truth_1 PARTITION OF odd_truth DEFAULT;
CALL ml_score('serve odd', 'rows', 'odd_truth', '{id}');
SELECT count(*), bool_and(s.prediction = ml_predict('serve odd', r, NULL::boolean)) AS same FROM odd_truth s JOIN rows r USING (id);
-- A source that has a column of the name that we give it.
CALL ml_score('serve label', 'SELECT r.*, id AS source, id AS q, 1 AS answer FROM rows r', 'sources', '{source,answer,q}');
SELECT count(*) FROM sources;
-- Nothing to score.
CALL ml_score('serve label', 'SELECT * FROM rows WHERE false', 'none', '{id}');
SELECT count(*) FROM none;
-- A type in front of that of PostgreSQL.
CREATE TYPE regress_serve.text AS (x int);
SET search_path = regress_serve, pg_catalog, public;
CALL ml_score('serve label', 'rows', 'typed', '{id}');
SET search_path = regress_serve, public;
DROP TYPE regress_serve.text;
-- It is transactional.
BEGIN;
CALL ml_score('serve label', 'rows', 'undone', '{id}');
ROLLBACK;
SELECT to_regclass('undone');

-- Drift: nothing is written, or it is told, or not looked at.
CREATE TABLE drifted AS SELECT id, 15 - a % 2 AS a, b, c FROM rows;
CALL ml_score('serve label', 'drifted', 'stopped', '{id}', on_drift => 'stop');
SELECT to_regclass('stopped');
CALL ml_score('serve label', 'rows', 'batch', '{id}', on_drift => 'stop');
DELETE FROM batch;
CALL ml_score('serve label', 'drifted', 'batch', '{id}', on_drift => 'stop');
SELECT count(*) FROM batch;
SELECT event, severity, state, model, version, title, key FROM pgforest.alerts WHERE model = 'serve label' ORDER BY id;
CALL ml_score('serve label', 'drifted', 'batch', '{id}');
SELECT count(*) FROM batch;
CALL ml_score('serve label', 'drifted', 'batch', '{id}', on_drift => 'ignore');
SELECT severity, state, count FROM pgforest.alerts WHERE key LIKE '%batch' ORDER BY id;
CALL ml_score('serve label', 'rows', 'batch', '{id}');
SELECT state, count FROM pgforest.alerts WHERE key LIKE '%batch' ORDER BY id;
SELECT feature, bool_or(drifted) AS drifted, count(DISTINCT at) >= 5 AS times, count(monitor) AS monitors FROM pgforest.drift_history WHERE model = 'serve label' GROUP BY feature ORDER BY feature COLLATE "C";

-- A version that carries a recipe takes raw rows everywhere: what has drifted is told from the clean ones.
SELECT version FROM ml_recipe('serve recipe', 'SELECT id, a, c, y FROM rows', '[{"step": "impute", "columns": ["a"], "method": "mean"}, {"step": "scale", "columns": ["a"], "method": "standard"}]');
SELECT version FROM ml_train('serve raw', 'SELECT id, a, c, y FROM rows', 'y', key => '{id}', params => '{"n_estimators": 10}', holdout => 0, recipe => 'serve recipe');
SELECT prediction FROM ml_infer('serve raw@1', '{"a": 12, "c": "dark"}');
CALL ml_score('serve raw@1', 'SELECT id, a, c FROM rows', 'raw_scores', '{id}', on_drift => 'stop');
SELECT count(*), bool_and(prediction = ml_predict('serve raw@1', r)) AS same FROM raw_scores JOIN rows r USING (id);
SELECT DISTINCT drifted FROM ml_drift('serve raw@1', 'rows');
CALL ml_score('serve raw@1', 'SELECT id, a + 8 AS a, c FROM rows', 'stopped', '{id}', on_drift => 'stop');
SELECT ml_drop('serve raw'), ml_drop_recipe('serve recipe');

-- Errors come before the first row is read.
CREATE PROCEDURE refuse_score(arguments text) LANGUAGE plpgsql AS $$
DECLARE
    state text;
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE 'CALL ml_score(' || arguments || ')';
    RAISE NOTICE '%: no error', arguments;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RAISE NOTICE E'% %', state, concat_ws(E'\n', message, '  detail: ' || nullif(detail, ''), '  hint: ' || nullif(replace(hint, 'DateStyle', 'datestyle'), ''));
END $$;
CREATE FUNCTION never() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'a row was read'; END $$;
CALL refuse_score($$NULL, 'rows', 'scores', '{id}'$$);
CALL refuse_score($$'serve label', NULL, 'scores', '{id}'$$);
CALL refuse_score($$'serve label', 'rows', NULL, '{id}'$$);
CALL refuse_score($$'serve label', 'rows', 'scores', NULL$$);
CALL refuse_score($$'serve label', 'rows', 'scores', '{id}', NULL$$);
CALL refuse_score($$'serve label', 'rows', 'scores', '{id}', 'perhaps'$$);
CALL refuse_score($$'serve label', 'rows', 'scores', '{}'$$);
CALL refuse_score($$'serve label', 'rows', 'scores', '{id,NULL}'$$);
CALL refuse_score($$'serve label', 'rows', 'scores', '{id,a,id}'$$);
CALL refuse_score($$'serve label', 'rows', 'scores', '{id,name,number}'$$);
CALL refuse_score($$'serve label', 'SELECT *, never() AS version FROM rows', 'new', '{version}'$$);
CALL refuse_score($$'serve label', 'SELECT id, never() AS a FROM rows', 'new', '{id}'$$);
CALL refuse_score($$'serve label', 'SELECT id, never()::text AS a, b, c FROM rows', 'new', '{id}'$$);
CALL refuse_score($$'serve label', 'SELECT id, never() AS a, b, c FROM rows', 'rows', '{id}'$$);
CALL refuse_score($$'serve label', 'SELECT id, never() AS a, b, c FROM rows', 'sourced', '{id}'$$);
CALL refuse_score($$'serve label', 'SELECT id, never() AS a, b, c FROM rows', 'no_schema.new', '{id}'$$);
CALL refuse_score($$'serve label', 'SELECT id, never() AS a, b, c FROM rows', 'two words', '{id}'$$);
CALL refuse_score($$'no such model', 'rows', 'new', '{id}'$$);
CREATE TABLE dates (id int, prediction date, probabilities real[], model text, version int, scored_at timestamptz);
CALL refuse_score($$'serve label', 'SELECT id, never() AS a, b, c FROM rows', 'dates', '{id}'$$);
-- What only the rows can show.
CALL refuse_score($$'serve label', 'rows', 'new', '{c}'$$);
CALL refuse_score($$'serve label', 'SELECT nullif(id, 7) AS id, a, b, c FROM rows', 'new', '{id}'$$);
CALL refuse_score($$'serve label', 'SELECT nullif(id, 7) AS id, a, b, c FROM rows', 'odd', '{id}'$$);
CREATE TABLE "by c" (c text, a int, prediction text, probabilities float8[], model text, version int, scored_at timestamptz);
CALL refuse_score($$'serve label', 'SELECT c, 1 AS a, b FROM rows WHERE c = ''dark''', '"by c"', '{c,a}'$$);
BEGIN READ ONLY;
CALL refuse_score($$'serve label', 'rows', 'new', '{id}'$$);
ROLLBACK;
SET ROLE regress_ml_app;
CALL refuse_score($$'serve value', 'rows', 'new', '{id}'$$);
CALL refuse_score($$'serve label', 'rows', 'new', '{id}'$$);
CALL refuse_score($$'serve label', 'SELECT 1 AS id, 1 AS a, 1 AS b, ''dark'' AS c', 'scores', '{id}'$$);
CALL ml_score('serve label', 'SELECT 1 AS id, 1 AS a, 1 AS b, ''dark'' AS c', 'pg_temp.mine', '{id}');
SELECT id, prediction FROM pg_temp.mine;
RESET ROLE;

-- ----- counters -----

-- Without the library being preloaded there are none, and the view says so.
SELECT count(*) FROM pgforest.stat_models;
SELECT ml_reset_stats(), ml_reset_stats('serve label'), ml_reset_stats('serve label@1'), ml_reset_stats('serve label@production');
CALL refuse('ml_reset_stats(''no such model'')');
SET ROLE regress_ml_app;
CALL refuse('ml_reset_stats(''serve label'')');
SELECT ml_reset_stats();
RESET ROLE;

-- What belongs to a model goes with it.
SELECT ml_capture('serve odd', 0.1);
SELECT ml_drop('serve label'), ml_drop('serve value'), ml_drop('serve odd');
SELECT (SELECT count(*) FROM pgforest.prediction) AS predictions, (SELECT count(*) FROM pgforest.capture) AS captures, (SELECT count(*) FROM pgforest.drift) AS drifts;
DELETE FROM pgforest.alert;
DROP OWNED BY regress_ml_app, regress_ml_else;
DROP ROLE regress_ml_app, regress_ml_else;
\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA regress_serve CASCADE;
DO $$
DECLARE
    partition regclass;
BEGIN
    FOR partition IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'pgforest.prediction'::regclass LOOP
        EXECUTE 'DROP TABLE ' || partition;
    END LOOP;
END $$;

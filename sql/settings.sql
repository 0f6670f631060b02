-- The settings: names, units, ranges; what they change, and that the model is never among it.
CREATE SCHEMA regress_settings;
SET search_path = regress_settings, public;
-- They are there in a session that has not used the library.
\c
SET search_path = regress_settings, public;
SELECT name, unit, min, max, "default", description FROM pgforest.settings ORDER BY name;
SELECT name, context, vartype FROM pg_settings WHERE name LIKE 'pgforest.%' ORDER BY name;
\set VERBOSITY sqlstate
SET pgforest.train_workers = -2;
SET pgforest.train_workers = 2000;
SET pgforest.train_memory = 1;
SET pgforest.model_cache_size = 'much';
SET pgforest.no_such_setting = 1;
\set VERBOSITY default
SET pgforest.model_cache_size = '1TB';
SET pgforest.train_memory = '2MB';
SELECT name, setting, unit FROM pgforest.settings WHERE name = 'pgforest.train_memory';
SHOW pgforest.train_memory;
RESET pgforest.train_memory;

CREATE TABLE rows AS SELECT i AS id, i % 10 AS a, i % 13 AS b, CASE WHEN i % 10 > 4 THEN 'high' ELSE 'low' END AS y FROM generate_series(1, 1000) i;
CREATE FUNCTION train(name text) RETURNS int
BEGIN ATOMIC
    SELECT version FROM ml_train(name, 'rows', 'y', key => '{id}', params => '{"n_estimators": 10}');
END;
SET pgforest.train_memory = '64kB';
SELECT train('m');
SET pgforest.train_memory = '1GB';
SELECT train('m');
SET pgforest.train_workers = 0;
SELECT train('m');
SET pgforest.train_workers = 8;
SELECT train('m');
SET max_parallel_workers = 0;
SELECT train('m');
RESET ALL;
SET search_path = regress_settings, public;
SELECT count(*) AS versions, count(DISTINCT sha256) AS models FROM pgforest.versions WHERE model = 'm';

-- No room for models: each is decoded when it is used, and kept no longer; the answers are the same.
SELECT version FROM ml_train('n', 'SELECT a, b, id % 2 AS y FROM rows', 'y', params => '{"n_estimators": 10}');
CREATE VIEW answers AS SELECT id, ml_predict('m@' || 1 + id % 5, r) AS m, ml_predict('n@1', r) AS n FROM rows r;
SELECT md5(string_agg(m || n, '' ORDER BY id)) AS answers FROM answers \gset
SET pgforest.model_cache_size = 0;
SELECT md5(string_agg(m || n, '' ORDER BY id)) = :'answers' AS same FROM answers;
SET pgforest.model_cache_size = '20kB';
SELECT md5(string_agg(m || n, '' ORDER BY id)) = :'answers' AS same FROM answers;
RESET pgforest.model_cache_size;
SELECT md5(string_agg(m || n, '' ORDER BY id)) = :'answers' AS same FROM answers;

-- Set for one function, one role or one transaction as any other setting.
CREATE FUNCTION alone(name text) RETURNS int SET pgforest.train_workers = 0 LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT version FROM ml_train(name, 'rows', 'y', params => '{"n_estimators": 2}'));
END $$;
SELECT alone('alone'), current_setting('pgforest.train_workers');
BEGIN;
SET LOCAL pgforest.train_workers = 3;
SHOW pgforest.train_workers;
ROLLBACK;
SHOW pgforest.train_workers;

SELECT count(ml_drop(name)) FROM pgforest.models;
\set VERBOSITY terse
DROP SCHEMA regress_settings CASCADE;

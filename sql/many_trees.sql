-- Forests that are larger than the memory that they are trained in: they are never in it as a whole.
CREATE SCHEMA regress_many;
SET search_path = regress_many, public;
SET pgforest.train_workers = 0;

-- Labels and values that nothing can be learnt from: trees become as large as can be.
CREATE TABLE rows AS
SELECT i AS id, (hashint4(i) & 1048575) AS a, (hashint4(i + 7000) & 65535) / 65536.0 AS b, (hashint4(i + 90000) & 1) AS y,
       hashint4(i + 300000) / 1000.0 AS v
FROM generate_series(1, 2000) i;

\getenv here PG_ABS_SRCDIR
\set refuse :here '/sql/include/refuse.sql'
\ir :refuse

-- The same bytes with room for a tree and for all of them.
CREATE FUNCTION train(name text, memory text, algorithm text, target text, params jsonb) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('pgforest.train_memory', memory, true);
    RETURN (SELECT version FROM ml_train(name, 'rows', target, algorithm, params, exclude => array_remove('{id,y,v}', target)));
END $$;
CREATE TABLE forests (name text, algorithm text, target text, params jsonb);
INSERT INTO forests VALUES
    ('classes', 'random_forest', 'y', '{"n_estimators": 500}'),
    ('sigmoid', 'random_forest', 'y', '{"n_estimators": 400, "calibration": "sigmoid"}'),
    ('isotonic', 'extra_trees', 'y', '{"n_estimators": 400, "calibration": "isotonic"}'),
    ('values', 'random_forest', 'v', '{"n_estimators": 300}'),
    ('quantiles', 'extra_trees', 'v', '{"n_estimators": 300, "quantiles": true}'),
    ('odd', 'isolation_forest', NULL, '{"n_estimators": 300, "contamination": 0.1}');
SELECT name, train(name, '1000kB', algorithm, target, params) AS small, train(name, '1GB', algorithm, target, params) AS large
FROM forests;
SELECT model, count(DISTINCT sha256) AS different FROM pgforest.versions GROUP BY model ORDER BY model;
SELECT name, ml_predict(name || '@1', r) = ml_predict(name || '@2', r) AS alike FROM forests, rows r WHERE r.id = 7 ORDER BY name;
SELECT ml_predict_quantile('quantiles@1', r, '{0.1,0.5,0.9}') = ml_predict_quantile('quantiles@2', r, '{0.1,0.5,0.9}') AS alike
FROM rows r WHERE r.id = 7;

-- What does not fit: leaf values that all differ.
SET pgforest.train_memory = 1000;
CALL refuse($$ml_train('refused', 'rows', 'v', exclude => '{id,y}', params => '{"n_estimators": 300, "min_samples_leaf": 2}')$$);
RESET pgforest.train_memory;

-- A model that a session will not keep, and says so; it answers all the same.
SET pgforest.model_cache_size = '1MB';
SELECT version FROM ml_train('classes', 'rows', 'y', exclude => '{id,v}', params => '{"n_estimators": 300}');
SELECT version FROM ml_train('values', 'rows', 'v', exclude => '{id,y}', params => '{"n_estimators": 20}');
SELECT ml_predict('classes@3', r) = ml_predict('classes@3', to_jsonb(r)) AS alike FROM rows r WHERE r.id = 7;
RESET pgforest.model_cache_size;

-- Wherever temporary files end: an error, and nothing is left of them or of the model.
CREATE TABLE more AS SELECT i AS id, (hashint4(i) & 1048575) AS a, hashint4(i + 9) / 7.0 AS b, (hashint4(i + 90000) & 1) AS y FROM generate_series(1, 10000) i;
CREATE FUNCTION fails(workers int) RETURNS TABLE (failed boolean, succeeded boolean) LANGUAGE plpgsql AS $$
DECLARE
    failures int := 0;
BEGIN
    PERFORM set_config('pgforest.train_workers', workers::text, true);
    FOR step IN 1..20 LOOP
        PERFORM set_config('temp_file_limit', (step * 400)::text, true);
        BEGIN
            PERFORM ml_train('full', 'more', 'y', exclude => '{id}', params => '{"n_estimators": 50}');
            RETURN QUERY SELECT failures > 2, true;
            RETURN;
        EXCEPTION WHEN configuration_limit_exceeded THEN
            ASSERT SQLERRM LIKE 'temporary file size exceeds%', SQLERRM;
            failures := failures + 1;
        END;
    END LOOP;
    RETURN QUERY SELECT failures > 2, false;
END $$;
SELECT * FROM fails(0);
SELECT * FROM fails(2);
SELECT count(*) FROM pg_ls_dir('base/pgsql_tmp', true, false);
SELECT version FROM pgforest.versions WHERE model = 'full';

SET client_min_messages = warning;
DROP SCHEMA regress_many CASCADE;
SELECT count(ml_drop(name)) FROM pgforest.models;

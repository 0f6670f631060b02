-- Predictions in parallel plans: chosen where they pay, with the same answers.
CREATE SCHEMA regress_parallel;
SET search_path = regress_parallel, public;
CREATE TABLE candidates WITH (autovacuum_enabled = off) AS
SELECT i AS id, (hashint4extended(i, 1) & 1023) / 8.0::float8 AS a, (hashint4extended(i, 2) & 1023) / 8.0::float8 AS b, chr(97 + (hashint4extended(i, 3) & 7)::int) AS c
FROM generate_series(1, 6000) i;
ALTER TABLE candidates ADD y text;
UPDATE candidates SET y = CASE WHEN a + b > 120 AND c > 'b' THEN '1' ELSE '0' END;
VACUUM (FULL, ANALYZE) candidates;
SELECT version FROM ml_train('pulsar', 'candidates', 'y', key => '{id}', params => '{"n_estimators": 20}');
SELECT version FROM ml_promote('pulsar', 1);
SET max_parallel_workers_per_gather = 2;
-- Plans differ from release to release in details; these lines count.
CREATE FUNCTION plan(query text) RETURNS TABLE (line text) LANGUAGE plpgsql AS $$
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
        IF line ~ 'Gather|Parallel Seq|ml_predict' THEN
            line = regexp_replace(btrim(line), '->  ', '');
            RETURN NEXT;
        END IF;
    END LOOP;
END $$;

-- With settings that make any table eligible.
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT plan($$SELECT count(*) FROM candidates t WHERE ml_predict('pulsar', t) = '1'$$);
SELECT plan($$SELECT id, ml_predict('pulsar', t) FROM candidates t$$);
SELECT plan($$SELECT id FROM candidates t ORDER BY ml_predict_proba('pulsar', t, '1')$$);
SELECT count(*) AS parallel FROM candidates t WHERE ml_predict('pulsar', t) = '1' \gset
SELECT sum(hashtext(ml_predict('pulsar', t) || id)::bigint) AS answers, sum(round(1000 * ml_predict_proba('pulsar', t, '1')))::bigint AS shares FROM candidates t \gset parallel_
SET max_parallel_workers_per_gather = 0;
SELECT count(*) AS serial FROM candidates t WHERE ml_predict('pulsar', t) = '1' \gset
SELECT sum(hashtext(ml_predict('pulsar', t) || id)::bigint) AS answers, sum(round(1000 * ml_predict_proba('pulsar', t, '1')))::bigint AS shares FROM candidates t \gset serial_
SELECT :parallel = :serial AS same, :parallel_answers = :serial_answers AS same_answers, :parallel_shares = :serial_shares AS same_shares, :serial > 1000 AS some;
RESET min_parallel_table_scan_size;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
SET max_parallel_workers_per_gather = 2;

-- A small table, the settings as they are shipped: the predictions count, not the pages.
SET parallel_setup_cost = 1000;
SET parallel_tuple_cost = 0.1;
SET min_parallel_table_scan_size = '8MB';
SELECT pg_relation_size('candidates') < 1024 * 1024 AS small;
SELECT plan($$SELECT count(*) FROM candidates t WHERE ml_predict('pulsar', t) = '1'$$);
ALTER TABLE candidates SET (parallel_workers = 0);
SELECT plan($$SELECT count(*) FROM candidates t WHERE ml_predict('pulsar', t) = '1'$$) ~ '^Gather' AS gather;
ALTER TABLE candidates RESET (parallel_workers);

-- What may not run in a worker does not.
CREATE FUNCTION unsafe(text) RETURNS text PARALLEL UNSAFE LANGUAGE plpgsql AS $$ BEGIN RETURN $1; END $$;
SELECT plan($$SELECT count(*) FROM candidates t WHERE ml_predict(unsafe('pulsar'), t) = '1'$$) ~ '^Gather' AS gather;

-- Workers see the caller's transaction, role and model.
BEGIN;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SELECT version FROM ml_train('pulsar', 'SELECT a, b, c, CASE y WHEN ''1'' THEN ''yes'' ELSE ''no'' END AS y FROM candidates', 'y', params => '{"n_estimators": 5}');
SELECT version FROM ml_promote('pulsar', 2);
SELECT ml_predict('pulsar', t) AS answer, count(*) > 0 AS some FROM candidates t GROUP BY 1 ORDER BY 1;
ROLLBACK;
SELECT ml_predict('pulsar', t) AS answer, count(*) > 0 AS some FROM candidates t GROUP BY 1 ORDER BY 1;
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_ml_parallel;
RESET client_min_messages;
CREATE ROLE regress_ml_parallel;
GRANT USAGE ON SCHEMA regress_parallel TO regress_ml_parallel;
GRANT SELECT ON candidates TO regress_ml_parallel;
SET ROLE regress_ml_parallel;
\set VERBOSITY terse
SELECT count(*) FROM candidates t WHERE ml_predict('pulsar', t) = '1';
\set VERBOSITY default
RESET ROLE;
SELECT ml_grant('pulsar', 'regress_ml_parallel', 'predict');
SET ROLE regress_ml_parallel;
SELECT count(*) = :serial AS same FROM candidates t WHERE ml_predict('pulsar', t) = '1';
RESET ROLE;
-- How long the arrays are is not known yet when workers are asked for.
CREATE TABLE arrays AS SELECT ARRAY[i % 7, i % 11] AS a, i % 2 AS y FROM generate_series(1, 30000) i;
ANALYZE arrays;
SET parallel_setup_cost = 0;
SET min_parallel_table_scan_size = 0;
SET pgforest.train_workers = 2;
SELECT rows FROM ml_train('arrays', 'arrays', 'y', params => '{"n_estimators": 2, "max_depth": 3}', holdout => 0);
RESET parallel_setup_cost;
RESET min_parallel_table_scan_size;
RESET pgforest.train_workers;
-- An error in a worker is the caller's.
SELECT count(*) FROM (SELECT id, a, c, y FROM candidates) t WHERE ml_predict('pulsar', t) = '1';
-- A source may predict, too.
SELECT rows FROM ml_train('pulsar', 'SELECT a, b, c, y, ml_predict(''pulsar@1'', t) AS p FROM candidates t', 'y', params => '{"n_estimators": 3}', holdout => 0);

SELECT count(ml_drop(name)) FROM pgforest.models;
\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA regress_parallel CASCADE;
DROP ROLE regress_ml_parallel;

-- Training, measuring and promoting are transactional work: what is undone leaves nothing.
CREATE SCHEMA regress_transactions;
SET search_path = regress_transactions, public;
CREATE TABLE rows AS SELECT i AS id, i % 10 AS a, CASE WHEN i % 10 > 4 THEN 'high' ELSE 'low' END AS y FROM generate_series(1, 200) i;
CREATE FUNCTION train(name text, source text DEFAULT 'rows') RETURNS int
BEGIN ATOMIC
    SELECT version FROM ml_train(name, source, 'y', key => '{id}', params => '{"n_estimators": 3}');
END;
-- All that there is of ours, in one line.
CREATE VIEW left_behind AS
SELECT (SELECT count(*) FROM pgforest.model) AS model, (SELECT count(*) FROM pgforest.version) AS version, (SELECT count(*) FROM pgforest.version_data) AS data,
       (SELECT count(*) FROM pgforest.metric) AS metric, (SELECT count(*) FROM pgforest.confusion) AS confusion, (SELECT count(*) FROM pgforest.curve) AS curve,
       (SELECT count(*) FROM pgforest.alias) AS alias, (SELECT count(*) FROM pgforest.alias_history) AS history, (SELECT count(*) FROM pgforest.model_grant) AS grants,
       (SELECT count(*) FROM pgforest.run WHERE model LIKE 'tx%') AS run;

-- ROLLBACK.
BEGIN;
INSERT INTO rows VALUES (1000, 3, 'high');
SELECT train('tx'), train('tx');
SELECT version FROM ml_promote('tx', 2);
SELECT ml_predict('tx', r) FROM rows r WHERE id = 1;
SELECT ml_grant('tx', 'pg_monitor', 'predict');
SELECT count(*) > 0 AS measured FROM ml_evaluate('tx', 'rows');
SELECT model, version, alias, history, grants, run FROM left_behind;
ROLLBACK;
SELECT * FROM left_behind;
SELECT ml_predict('tx', r) FROM rows r WHERE id = 1;

-- An error at any place.
BEGIN;
SELECT train('tx');
SELECT train('tx', 'SELECT id, a, y, 1 / (a - 4) AS b FROM rows');
SELECT train('tx');
COMMIT;
SELECT * FROM left_behind;

-- Savepoints.
BEGIN;
SELECT train('tx');
SELECT version FROM ml_promote('tx', 1);
SAVEPOINT s;
SELECT train('tx');
SELECT version FROM ml_promote('tx', 2);
SELECT ml_drop('tx@1');
SELECT * FROM ml_resolve('tx');
ROLLBACK TO s;
SELECT * FROM ml_resolve('tx');
SELECT ml_predict('tx', r) FROM rows r WHERE id = 1;
SELECT train('tx');
COMMIT;
SELECT model, version, aliases FROM pgforest.versions ORDER BY version;

-- PL/pgSQL's exceptions, and a loop with a subtransaction each.
DO $$
BEGIN
    PERFORM train('tx_inner');
    PERFORM ml_promote('tx', 2);
    RAISE EXCEPTION 'undo';
EXCEPTION WHEN raise_exception THEN
    RAISE NOTICE 'undone';
END $$;
SELECT * FROM ml_resolve('tx');
DO $$
DECLARE
    r rows;
BEGIN
    SELECT * INTO r FROM rows WHERE id = 1;
    FOR i IN 1..4 LOOP
        BEGIN
            PERFORM ml_promote('tx', 2);
            PERFORM train('tx', 'SELECT id, a, y FROM rows LIMIT ' || i);
            RAISE NOTICE 'trained on %, % answers', i, (SELECT version FROM ml_resolve('tx'));
            EXIT;
        EXCEPTION WHEN OTHERS THEN
            RAISE NOTICE '%: %; % answers %', i, SQLERRM, (SELECT version FROM ml_resolve('tx')), ml_predict('tx', r);
        END;
    END LOOP;
END $$;
SELECT version FROM pgforest.versions ORDER BY version;

-- A procedure that commits on its way.
CREATE PROCEDURE retrain(n int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..n LOOP
        PERFORM ml_promote('tx_loop', train('tx_loop'));
        IF i % 2 = 1 THEN COMMIT; ELSE ROLLBACK; END IF;
        RAISE NOTICE '% answers', (SELECT version FROM ml_resolve('tx_loop'));
    END LOOP;
END $$;
CALL retrain(4);

-- All in one statement: each call sees what the calls before it did; a prediction sees the statement's beginning.
SELECT t.version, p.promoted, e.value = t.score AS evaluated, ml_grant(t.model, 'pg_monitor', 'predict')
FROM ml_train('tx_one', 'rows', 'y', key => '{id}', params => '{"n_estimators": 3}') t, ml_promote(t.model, t.version) p, ml_evaluate(t.model || '@' || t.version) e
WHERE e.metric = t.metric AND e.class IS NULL;
SELECT ml_drop(t.model) FROM ml_train('tx_one', 'rows', 'y', key => '{id}', params => '{"n_estimators": 3}') t;
SELECT ml_predict(t.model || '@1', r) FROM ml_train('tx_one', 'rows', 'y', key => '{id}', params => '{"n_estimators": 3}') t, (SELECT 1 AS a) r;
SELECT count(*) FROM pgforest.models WHERE name = 'tx_one';

-- Drop, undone; drop and train again in one transaction.
BEGIN;
SELECT ml_drop('tx');
SELECT * FROM ml_resolve('tx');
ROLLBACK;
SELECT * FROM ml_resolve('tx');
BEGIN;
SELECT ml_drop('tx');
SELECT train('tx');
SELECT version FROM ml_promote('tx', 1);
SELECT ml_predict('tx', r) FROM rows r WHERE id = 1;
COMMIT;
SELECT versions, production FROM pgforest.models WHERE name = 'tx';
-- A version's number is not used again.
SELECT train('tx'), train('tx');
SELECT ml_drop('tx@3'), ml_drop('tx@2');
SELECT train('tx');

-- Rows of this transaction are seen; those of a statement that trains are not its own.
BEGIN;
CREATE TEMP TABLE fresh ON COMMIT DROP AS SELECT * FROM rows;
INSERT INTO fresh SELECT id + 1000, a, y FROM rows;
SELECT rows FROM ml_train('tx_fresh', 'fresh', 'y', key => '{id}', holdout => 0, params => '{"n_estimators": 3}');
WITH more AS (INSERT INTO fresh SELECT id + 2000, a, y FROM rows RETURNING 1)
SELECT rows FROM ml_train('tx_fresh', 'fresh', 'y', key => '{id}', holdout => 0, params => '{"n_estimators": 3}'), (SELECT count(*) FROM more) m;
COMMIT;
-- Two phases.
SELECT current_setting('max_prepared_transactions')::int > 0 AS two_phases \gset
\if :two_phases
BEGIN;
SELECT train('tx_two') \gset
PREPARE TRANSACTION 'regress_pgforest';
COMMIT PREPARED 'regress_pgforest';
\else
SELECT train('tx_two') \gset
\endif
SELECT versions FROM pgforest.models WHERE name = 'tx_two';

SELECT count(ml_drop(name)) FROM pgforest.models;
\set VERBOSITY terse
DROP SCHEMA regress_transactions CASCADE;

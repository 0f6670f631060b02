-- A pipeline from the first raw row to scores: ingest, recipe, clean table, experiments, gate.
CREATE SCHEMA regress_pipeline_data;
SET search_path = regress_pipeline_data, public;
\set SHOW_CONTEXT never
DELETE FROM pgforest.run;
CREATE FUNCTION u(i int, k int) RETURNS float8 IMMUTABLE RETURN (hashint4extended(i, k) & 65535) / 65536.0;
CREATE TABLE arriving AS SELECT i AS id, CASE WHEN i % 10 <> 0 THEN u(i, 1) END AS x, CASE WHEN i % 7 = 0 THEN '?' ELSE chr(97 + i % 3) END AS kind,
    CASE WHEN u(i, 1) + u(i, 3) > 1 THEN 'high' ELSE 'low' END AS y FROM generate_series(1, 500) i;
CREATE TABLE raw (id int, x float8, kind text, y text);
CREATE VIEW last_steps AS SELECT step, kind, status, version, rows, reason, sqlstate, message FROM pgforest.run_steps WHERE run = (SELECT max(id) FROM pgforest.runs WHERE kind = 'pipeline') ORDER BY step;

SELECT * FROM ml_pipeline('p', '{"model": "m", "source": "SELECT * FROM arriving", "raw": "raw", "batch_size": 200, "max_batches": 2, "order_by": "id",
    "recipe": [{"step": "null_if", "columns": ["kind"], "values": ["?"]}, {"step": "impute", "columns": ["x"], "method": "median"}, {"step": "impute", "columns": ["kind"], "method": "most_frequent"}],
    "clean": "clean", "clean_key": "id", "target": "y", "key": "id", "candidates": ["linear", {"params": {"n_estimators": 5}}], "run_when_rows": 100,
    "score": {"source": "SELECT * FROM clean", "target": "scores", "key": "id", "on_drift": "ignore"}}');
SET client_min_messages = warning;
CALL ml_run('p');
SELECT * FROM last_steps;
SELECT (SELECT count(*) FROM raw) AS raw, (SELECT count(*) FROM clean) AS clean, (SELECT count(*) FROM scores) AS scores;
-- The rows that are left: enough, once the recipe is there.
CALL ml_run('p');
SELECT * FROM last_steps;
SELECT (SELECT count(*) FROM raw) AS raw, (SELECT count(*) FROM clean) AS clean, (SELECT count(DISTINCT id) FROM scores) AS scores;
-- Too few: they are made clean and scored, but nothing is trained.
INSERT INTO arriving SELECT i, u(i, 1), 'a', 'low' FROM generate_series(501, 510) i;
CALL ml_run('p');
SELECT step, kind, status, rows, reason FROM last_steps;
SELECT (SELECT count(*) FROM raw) AS raw, (SELECT count(*) FROM clean) AS clean, (SELECT count(DISTINCT id) FROM scores) AS scores;
-- The source fails: nothing is lost, and rows come when it is back.
ALTER TABLE arriving RENAME TO gone;
\set VERBOSITY terse
CALL ml_run('p');
\set VERBOSITY default
SELECT * FROM last_steps;
ALTER TABLE gone RENAME TO arriving;
INSERT INTO arriving SELECT i, u(i, 1), 'b', 'low' FROM generate_series(511, 520) i;
CALL ml_run('p');
SELECT step, kind, status, rows FROM last_steps;
SELECT (SELECT count(*) FROM raw) AS raw, (SELECT count(*) FROM clean) AS clean, (SELECT count(DISTINCT id) FROM scores) AS scores;
DO $$ BEGIN CALL ml_run('p'); END $$;
-- Declared anew with the same steps, the recipe stays as it is fitted.
SELECT count(*) FROM ml_pipeline('p', (SELECT spec - 'run_when_rows' || '{"gate": {"promote": "never"}}' FROM pgforest.pipelines WHERE name = 'p'));
CALL ml_run('p');
SELECT step, kind, status, rows, reason IS NOT NULL AS reason FROM last_steps;
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory';

-- Without a clean table the model carries the recipe, also when it is trained again.
SELECT * FROM ml_pipeline('carried', '{"model": "c", "raw": "raw", "recipe": "p", "target": "y", "key": "id", "candidates": "linear"}');
CALL ml_run('carried');
SELECT version, recipe FROM pgforest.versions WHERE model = 'c';
SELECT version, promoted FROM ml_retrain('c');
SELECT version, recipe, count(*) OVER (PARTITION BY sha256) AS same FROM pgforest.versions WHERE model = 'c' ORDER BY version;
SELECT count(ml_predict('c', r)) FROM raw r;
SELECT * FROM ml_pipeline('carried', '{"model": "c", "raw": "raw", "recipe": {"name": "mine", "steps": [{"step": "impute", "columns": ["x"], "method": "mean"}]}, "target": "y", "key": "id", "candidates": {"algorithm": "linear", "params": {"C": [0.1, 1]}}, "cross_validation": {"folds": 2}}');
CALL ml_run('carried');
SELECT step, kind, status, version, reason IS NOT NULL AS reason FROM last_steps;
SELECT version, recipe FROM pgforest.versions WHERE model = 'c' ORDER BY version;

-- Drift: of the rows that arrive, from those that the version in production was trained on.
CREATE VIEW usual AS SELECT x, kind, id FROM clean;
CREATE VIEW shifted AS SELECT x + 5 AS x, kind, id FROM clean;
SELECT step, kind FROM ml_pipeline('drift', '{"model": "m", "on_drift": {"action": "retrain", "source": "usual"}, "gate": {"promote": "never"}}');
CALL ml_run('drift');
SELECT step, kind, status, rows, reason IS NOT NULL AS reason FROM last_steps;
SELECT count(*) FROM ml_pipeline('drift', '{"model": "m", "on_drift": {"action": "retrain", "source": "shifted"}, "gate": {"promote": "never"}, "run_when_rows": 1000}');
CALL ml_run('drift');
SELECT step, kind, status, rows, CASE WHEN kind <> 'retrain' THEN reason END AS reason FROM last_steps;
SELECT count(*) FROM ml_pipeline('drift', '{"model": "m", "on_drift": "stop", "score": {"source": "shifted", "target": "late", "key": "id"}}');
CALL ml_run('drift');
SELECT step, kind, status, sqlstate FROM last_steps;
SELECT count(*) FROM ml_pipeline('drift', '{"model": "m", "on_drift": {"action": "alert", "source": "shifted"}, "gate": {"promote": "never"}}');
CALL ml_run('drift');
SELECT event, severity, key, title, resolved_at IS NULL AS open FROM pgforest.alert WHERE event = 'drift' AND pipeline = 'drift';
SELECT count(*) FROM ml_pipeline('drift', '{"model": "m", "on_drift": {"action": "alert", "source": "usual"}, "gate": {"promote": "never"}}');
CALL ml_run('drift');
SELECT event, resolved_at IS NULL AS open FROM pgforest.alert WHERE event = 'drift' AND pipeline = 'drift';
SELECT ml_pipeline('x', '{"model": "m", "on_drift": "sometimes"}');
SELECT ml_pipeline('x', '{"model": "m", "on_drift": {"source": "raw"}}');
-- The interval of the difference may be demanded.
SELECT version, promoted, reason FROM ml_retrain('c', confidence => 0.95);

SELECT count(ml_drop_pipeline(name)) FROM pgforest.pipelines;
SELECT count(ml_drop(name)) FROM pgforest.models;
SELECT ml_drop_recipe('p'), ml_drop_recipe('mine');
DELETE FROM pgforest.run;
DELETE FROM pgforest.run_step;
DELETE FROM pgforest.alert;
\set VERBOSITY terse
DROP SCHEMA regress_pipeline_data CASCADE;

-- Pipelines: what is declared, what a run does and keeps, who may run it.
CREATE SCHEMA regress_pipeline;
SET search_path = regress_pipeline, public;
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_ml_owner, regress_ml_member, regress_ml_user, regress_ml_super;
RESET client_min_messages;
CREATE ROLE regress_ml_owner;
CREATE ROLE regress_ml_member IN ROLE regress_ml_owner;
CREATE ROLE regress_ml_user;
CREATE ROLE regress_ml_super SUPERUSER;
GRANT ALL ON SCHEMA regress_pipeline TO PUBLIC;

CREATE FUNCTION u(i int, k int) RETURNS float8 IMMUTABLE RETURN (hashint4extended(i, k) & 65535) / 65536.0;
CREATE TABLE rows AS SELECT i AS id, u(i, 1) AS x, u(i, 2) AS z, CASE WHEN u(i, 1) + u(i, 3) > 1 THEN 'high' ELSE 'low' END AS y FROM generate_series(1, 600) i;
GRANT ALL ON rows TO PUBLIC;
CREATE VIEW last_steps AS SELECT step, kind, status, version, rows, reason, sqlstate, message FROM pgforest.run_steps WHERE run = (SELECT max(id) FROM pgforest.runs WHERE kind = 'pipeline') ORDER BY step;
CREATE VIEW last_run AS SELECT model, version, status, promoted, reason, sqlstate, message, seconds > 0 AS took_time FROM pgforest.runs WHERE id = (SELECT max(id) FROM pgforest.runs WHERE kind = 'pipeline');
GRANT SELECT ON last_steps, last_run TO PUBLIC;

\set SHOW_CONTEXT never
DELETE FROM pgforest.run;
-- Two algorithms and a list of two values are three experiments; the best goes to production.
SELECT * FROM ml_pipeline('p', '{"model": "m", "raw": "rows", "target": "y", "key": "id", "seed": 5, "note": "it''s a \"try\"",
    "candidates": [{"algorithm": "random_forest", "params": {"n_estimators": [5, 20], "max_depth": 4}}, "linear"], "metric": "roc_auc", "gate": {"threshold": 0.6}}');
SELECT name, model, owner = current_user AS mine, state, last_run, runs FROM pgforest.pipelines;
CALL ml_run('p');
SELECT * FROM last_steps;
SELECT * FROM last_run;
SELECT name, state, last_version, last_promoted, last_result, last_step, runs FROM pgforest.pipelines;
-- What MLflow's pages answer.
SELECT rank, version, algorithm, metric, is_production, production_since IS NOT NULL AS since, params ->> 'n_estimators' AS n_estimators, note, length(data_fingerprint), run IS NOT NULL AS run, pipeline FROM pgforest.leaderboard WHERE model = 'm';
SELECT r.kind, r.version, r.status, r.algorithm, r.score IS NOT NULL AS scored, r.is_production, p.pipeline FROM pgforest.runs r LEFT JOIN pgforest.runs p ON p.id = r.parent ORDER BY r.id;
-- Again: new versions, none better.
CALL ml_run('p');
SELECT * FROM last_run;

-- A step that fails: what was done before stands, and the next call goes on from there.
SELECT step, kind FROM ml_pipeline('q', '{"model": "q", "raw": "SELECT * FROM later", "target": "y", "key": "id", "candidates": [{"params": {"n_estimators": [3, 4, 5]}}, {"algorithm": "random_forest", "params": {"n_estimators": 6}}]}');
CALL ml_run('q');
SELECT * FROM last_steps;
SELECT * FROM last_run;
CREATE TABLE later AS SELECT id, x, z, y FROM rows;
CALL ml_run('q');
SELECT step, status, version, rows IS NOT NULL AS rows FROM last_steps;
-- The fourth step fails for want of memory: what the three before it did stands, and is not done again.
SELECT step, kind FROM ml_pipeline('q', '{"model": "q", "raw": "SELECT * FROM later", "target": "y", "key": "id", "candidates": [{"params": {"n_estimators": [3, 4], "max_depth": 2}}, "linear", {"algorithm": "gradient_boosting", "params": {"n_estimators": 5}}]}');
SET pgforest.train_memory = '256kB';
\set VERBOSITY terse
CALL ml_run('q');
SELECT * FROM last_steps;
SELECT * FROM last_run;
SELECT state, last_result, last_step FROM pgforest.pipelines WHERE name = 'q';
SELECT versions FROM pgforest.models WHERE name = 'q';
CALL ml_run('q');
SELECT step, status, version, sqlstate FROM last_steps;
\set VERBOSITY default
RESET pgforest.train_memory;
CALL ml_run('q');
SELECT step, status, version FROM last_steps;
SELECT resumes IS NOT NULL AS goes_on FROM pgforest.runs WHERE pipeline = 'q' ORDER BY id;
-- A version that is gone is made again.
SET pgforest.train_memory = '256kB';
\set VERBOSITY terse
CALL ml_run('q');
SELECT ml_drop('q@' || version) FROM last_steps WHERE step = 2;
\set VERBOSITY default
RESET pgforest.train_memory;
CALL ml_run('q');
SELECT step, status, version FROM last_steps;
-- What comes after the training fails again: the next call begins anew.
SELECT count(*) FROM ml_pipeline('s', '{"model": "q", "raw": "later", "target": "y", "key": "id", "candidates": ["random_forest", "extra_trees"], "gate": {"by": ["no_such_column"], "max_regression": 0.1}}');
CALL ml_run('s');
CALL ml_run('s');
CALL ml_run('s');
SELECT string_agg(status, ', ' ORDER BY step) AS steps FROM pgforest.run_steps WHERE pipeline = 's' GROUP BY run ORDER BY run;
-- What is declared anew begins anew.
SELECT count(*) FROM ml_pipeline('q', '{"model": "q", "raw": "later", "target": "y", "key": "id", "gate": {"promote": "never"}}');
CALL ml_run('q');
SELECT step, status, version FROM last_steps;

-- The shortest one retrains.
SELECT * FROM ml_pipeline('r', '{"model": "q"}');
CALL ml_run('r');
SELECT kind, status, version, reason IS NOT NULL AS reason FROM last_steps;
-- Only when rows have come.
SELECT step, kind FROM ml_pipeline('r', '{"model": "q", "run_when_rows": 100, "gate": {"promote": "always"}}');
CALL ml_run('r');
SELECT step, kind, status, version, rows FROM last_steps;
CALL ml_run('r');
SELECT step, kind, status, version, rows, reason FROM last_steps;
SELECT status, reason FROM last_run;
INSERT INTO later SELECT id, x, z, y FROM rows LIMIT 99;
CALL ml_run('r');
INSERT INTO later SELECT id, x, z, y FROM rows LIMIT 1;
CALL ml_run('r');
SELECT step, kind, status, rows FROM last_steps;

-- Cross-validation searches the lists, and keeps the trials with the version.
SELECT * FROM ml_pipeline('cv', '{"model": "cv", "raw": "rows", "target": "y", "key": ["id"], "cross_validation": 2, "metric": "accuracy", "candidates": {"algorithm": "random_forest", "params": {"n_estimators": 5, "max_depth": [2, 5]}}}');
CALL ml_run('cv');
SELECT step, kind, status, version FROM last_steps;
SELECT count(*) AS trials FROM pgforest.trials WHERE model = 'cv';
-- Anomalies have no metric; several candidates are not compared.
SELECT step, kind FROM ml_pipeline('odd', '{"model": "odd", "raw": "rows", "features": ["x", "z"], "candidates": "isolation_forest"}');
CALL ml_run('odd');
SELECT step, kind, status, version, reason FROM last_steps;
SELECT step, kind FROM ml_pipeline('always', '{"model": "always", "raw": "rows", "target": "x", "exclude": ["y", "id"], "candidates": [{"params": {"n_estimators": 3}}, "linear"], "gate": {"promote": "always", "metric": "mae"}}');
CALL ml_run('always');
SELECT step, kind, status, reason FROM last_steps;

-- Rows are scored at the end, those that are new.
SELECT * FROM ml_pipeline('scored', '{"model": "always", "score": {"source": "rows", "target": "scores", "key": "id"}}');
CALL ml_run('scored');
INSERT INTO rows SELECT i, u(i, 1), u(i, 2), 'low' FROM generate_series(601, 610) i;
CALL ml_run('scored');
SELECT step, kind, status, rows FROM last_steps;
SELECT count(*), count(DISTINCT version) FROM scores;
-- What failed is an alert until it goes well.
SELECT count(*) FROM ml_pipeline('alert', '{"model": "always", "raw": "no_such_table"}');
CALL ml_run('alert');
CALL ml_run('alert');
SELECT event, severity, title, pipeline, model, details - 'run' AS details, resolved_at IS NOT NULL AS resolved FROM pgforest.alert WHERE pipeline = 'alert';
CREATE TABLE no_such_table AS TABLE rows;
CALL ml_run('alert');
SELECT event, resolved_at IS NOT NULL AS resolved FROM pgforest.alert WHERE pipeline = 'alert';

-- Names are found as they were when it was declared.
SET search_path = public;
CALL ml_run('always');
SHOW search_path;
SET search_path = regress_pipeline, public;

-- Not inside a transaction block, nor in a function; a procedure may.
BEGIN;
CALL ml_run('p');
ROLLBACK;
CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL ml_run('p'); END $$;
SELECT f();
CREATE PROCEDURE nightly() LANGUAGE plpgsql AS $$ BEGIN CALL ml_run('always'); CALL ml_run('r'); END $$;
CALL nightly();
SET client_min_messages = warning;
DO $$ BEGIN CALL ml_run('p'); EXCEPTION WHEN active_sql_transaction THEN RAISE WARNING 'refused: %', SQLERRM; END $$;
RESET client_min_messages;
SET default_transaction_read_only = on;
CALL ml_run('p');
RESET default_transaction_read_only;
CALL ml_run(NULL);
CALL ml_run('pp');
CALL ml_run('nothing of the kind');
-- Nothing is left locked.
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory';

-- Refused when it is declared.
SELECT ml_pipeline(NULL, '{}'), ml_pipeline('x', NULL);
SELECT ml_pipeline('x', NULL);
SELECT ml_pipeline(' ', '{"model": "q"}');
SELECT ml_pipeline(repeat('x', 64), '{"model": "q"}');
SELECT ml_pipeline(E'a\nb', '{"model": "q"}');
SELECT ml_pipeline('x', '[]');
SELECT ml_pipeline('x', '{}');
SELECT ml_pipeline('x', '{"model": "none"}');
SELECT ml_pipeline('x', '{"model": "a@b"}');
SELECT ml_pipeline('x', '{"modle": "q", "targte": "y", "zzz": 1}');
SELECT ml_pipeline('x', '{"model": "q", "gate": {"treshold": 1}}');
SELECT ml_pipeline('x', '{"model": 7}');
SELECT ml_pipeline('x', '{"model": "q", "gate": 0.9}');
SELECT ml_pipeline('x', '{"model": "q", "gate": {"threshold": "high"}}');
SELECT ml_pipeline('x', '{"model": "q", "gate": {"promote": "sometimes"}}');
SELECT ml_pipeline('x', '{"model": "q", "gate": {"by": ["a"]}}');
SELECT ml_pipeline('x', '{"model": "q", "gate": {"metric": "rmse"}}');
SELECT ml_pipeline('x', '{"model": "q", "metric": "f3"}');
SELECT ml_pipeline('x', '{"model": "q", "run_when_rows": 1.5}');
SELECT ml_pipeline('x', '{"model": "q", "run_when_rows": 0}');
SELECT ml_pipeline('x', '{"model": "q", "source": "rows"}');
SELECT ml_pipeline('x', '{"model": "q", "batch_size": 100}');
SELECT ml_pipeline('x', '{"model": "q", "clean": "c"}');
SELECT ml_pipeline('x', '{"model": "q", "key": []}');
SELECT ml_pipeline('x', '{"model": "q", "key": "id"}');
SELECT ml_pipeline('x', '{"model": "q", "candidates": "linear"}');
SELECT ml_pipeline('x', '{"model": "q", "target": "y"}');
SELECT ml_pipeline('x', '{"model": "q", "target": "y", "raw": "rows", "candidates": []}');
SELECT ml_pipeline('x', '{"model": "q", "target": "y", "raw": "rows", "candidates": {"params": {"max_depth": {"low": 2, "high": 9}}}}');
SELECT ml_pipeline('x', '{"model": "q", "target": "y", "raw": "rows", "candidates": ["random_forrest"]}');
SELECT ml_pipeline('x', '{"model": "q", "target": "y", "raw": "rows", "candidates": [{"algoritm": "linear"}]}');
SELECT ml_pipeline('x', '{"model": "q", "target": "y", "raw": "rows", "candidates": [{"params": {"n_estimator": 5}}]}');
SELECT ml_pipeline('x', '{"model": "q", "target": "y", "raw": "rows", "candidates": [{"params": {"n_estimators": -5}}]}');
SELECT ml_pipeline('x', '{"model": "q", "target": "y", "raw": "rows", "candidates": [{"params": 5}]}');
SELECT ml_pipeline('x', jsonb_build_object('model', 'q', 'target', 'y', 'raw', 'rows', 'candidates', jsonb_build_object('params', jsonb_build_object('n_estimators', (SELECT jsonb_agg(i) FROM generate_series(1, 1001) i)))));
SELECT ml_pipeline('x', '{"model": "q", "target": "y", "raw": "rows", "cross_validation": 1}');
SELECT ml_pipeline('x', '{"model": "q", "clean_key": "id"}');
SELECT ml_pipeline('x', '{"model": "q", "target": "y", "raw": "rows", "holdout": 0}');
SELECT ml_pipeline('x', '{"model": "q", "score": {"source": "rows"}}');
-- ... and the table for scores, which must be one that they can be written to.
CREATE TABLE no_scores (id int, prediction text);
CREATE VIEW scores_view AS SELECT * FROM no_scores;
SELECT ml_pipeline('x', '{"model": "always", "score": {"source": "rows", "target": "no_scores", "key": "id"}}');
SELECT ml_pipeline('x', '{"model": "always", "score": {"source": "rows", "target": "scores_view", "key": "id"}}');
SELECT ml_pipeline('x', '{"model": "always", "score": {"source": "rows", "target": "no_schema.scores", "key": "id"}}');
SELECT ml_pipeline('x', '{"model": "always", "score": {"source": "rows", "target": "a.b.c.d", "key": "id"}}');
SELECT ml_pipeline('x', '{"model": "always", "score": {"source": "rows", "target": "new", "key": ["id", "id"]}}');
SELECT ml_pipeline('x', '{"model": "always", "score": {"source": "rows", "target": "new", "key": "version"}}');
SELECT ml_pipeline('x', '{"model": "always", "raw": "rows", "score": {"source": "rows", "target": "rows", "key": "id"}}');
SELECT count(*) FROM pgforest.pipelines WHERE name = 'x';

-- What a role declared runs for its members only; not even for a superuser.
SET ROLE regress_ml_owner;
CREATE FUNCTION trap() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'run by %', current_user; RETURN 0; END $$;
SELECT count(*) FROM ml_pipeline('o', '{"model": "o", "raw": "SELECT x, y, CASE WHEN id = 1 THEN trap() END AS t FROM rows", "target": "y", "candidates": [{"params": {"n_estimators": 3}}]}');
SET ROLE regress_ml_super;
CALL ml_run('o');
SET ROLE regress_ml_user;
CALL ml_run('o');
SELECT ml_pipeline('o', '{"model": "q"}');
SELECT ml_pipeline('o', '{"model": "mine", "raw": "rows", "target": "y"}');
SELECT ml_drop_pipeline('o');
SELECT count(*) FROM pgforest.pipelines;
CALL ml_run('oo');
SET client_min_messages = warning;
SET ROLE regress_ml_member;
CALL ml_run('o');
RESET client_min_messages;
SELECT status, role FROM pgforest.runs WHERE kind = 'pipeline' AND pipeline = 'o';
SELECT name, owner, declared_by FROM pgforest.pipelines;
SET ROLE regress_ml_user;
SELECT count(*) FROM pgforest.runs;
SELECT count(*) FROM pgforest.run_steps;
SELECT ml_cancel(max(id)) FROM pgforest.run;
RESET ROLE;
SELECT max(id) AS run FROM pgforest.runs WHERE pipeline = 'o' \gset
SELECT ml_cancel(:run) AS was_running;
SET ROLE regress_ml_user;
\set VERBOSITY sqlstate
SELECT ml_cancel(:run);
\set VERBOSITY default
RESET ROLE;
SELECT ml_cancel(0);
SELECT ml_cancel(NULL);
-- Who declares it anew stores what it says, and is trusted by its members only.
SET ROLE regress_ml_super;
SELECT count(*) FROM ml_pipeline('o', '{"model": "o", "raw": "rows", "target": "y"}');
SET ROLE regress_ml_owner;
CALL ml_run('o');
SELECT ml_drop_pipeline('o');
SELECT ml_drop_pipeline('o');
SELECT ml_drop_pipeline(NULL);
SELECT pipeline, status FROM pgforest.runs WHERE pipeline = 'o';
RESET ROLE;

SELECT count(ml_drop_pipeline(name)) FROM pgforest.pipelines;
SELECT count(ml_drop(name)) FROM pgforest.models;
DELETE FROM pgforest.run;
DELETE FROM pgforest.run_step;
DELETE FROM pgforest.alert;
\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA regress_pipeline CASCADE;
DROP ROLE regress_ml_member, regress_ml_owner, regress_ml_user, regress_ml_super;

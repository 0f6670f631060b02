-- The extension in any schema; and nothing of it left when it is dropped.
SELECT current_database() AS home \gset
SET client_min_messages = warning;
DROP DATABASE IF EXISTS regress_pgforest_install;
RESET client_min_messages;
CREATE DATABASE regress_pgforest_install TEMPLATE template0;
\c regress_pgforest_install

-- All objects that are nobody's of PostgreSQL's own.
CREATE VIEW objects AS
SELECT d.classid::regclass::text AS class, count(*) FROM (
    SELECT 'pg_class'::regclass AS classid, oid FROM pg_class UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type UNION ALL
    SELECT 'pg_namespace'::regclass, oid FROM pg_namespace UNION ALL SELECT 'pg_policy'::regclass, oid FROM pg_policy UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint UNION ALL
    SELECT 'pg_trigger'::regclass, oid FROM pg_trigger UNION ALL SELECT 'pg_event_trigger'::regclass, oid FROM pg_event_trigger UNION ALL SELECT 'pg_extension'::regclass, oid FROM pg_extension) d
WHERE oid >= 16384 GROUP BY 1;
CREATE TABLE rows AS SELECT i % 10 AS a, CASE WHEN i % 10 > 4 THEN 'high' ELSE 'low' END AS y FROM generate_series(1, 100) i;
CREATE TABLE before (class text, count bigint);
INSERT INTO before SELECT * FROM objects;

-- In public, as by default.
CREATE EXTENSION pgforest;
SELECT extversion, extnamespace::regnamespace, extrelocatable FROM pg_extension WHERE extname = 'pgforest';
SELECT version FROM ml_train('m', 'public.rows', 'y', holdout => 0, params => '{"n_estimators": 3}');
SELECT version FROM ml_promote('m', 1);
SELECT DISTINCT ml_predict('m', r) = y AS right FROM rows r;
CREATE VIEW answers AS SELECT ml_predict('m', r) FROM rows r;
DROP EXTENSION pgforest;
DROP VIEW answers;
DROP EXTENSION pgforest;
SELECT coalesce(a.class, b.class) AS class, a.count - b.count AS more FROM objects a FULL JOIN before b USING (class) WHERE a.count IS DISTINCT FROM b.count;
SELECT nspname FROM pg_namespace WHERE nspname = 'pgforest';

-- In a schema of its own, whatever is called like the built-ins in it.
CREATE SCHEMA "My ML";
CREATE FUNCTION "My ML".clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$;
CREATE FUNCTION "My ML".octet_length(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$;
CREATE EXTENSION pgforest SCHEMA "My ML";
\set VERBOSITY sqlstate
SELECT version FROM ml_train('m', 'public.rows', 'y', holdout => 0);
\set VERBOSITY default
SELECT version FROM "My ML".ml_train('m', 'public.rows', 'y', holdout => 0, params => '{"n_estimators": 3}');
SELECT version FROM "My ML".ml_promote('m', 1);
SELECT DISTINCT "My ML".ml_predict('m', r) = y AS right FROM rows r;
SET search_path = "My ML";
SELECT DISTINCT ml_predict('m', r, NULL::text) = y AS right FROM public.rows r;
SELECT name, owner = current_user AS mine, production FROM pgforest.models;
SELECT count(*) > 0 AS figures FROM ml_evaluate('m', 'public.rows');
SELECT version FROM ml_retrain('m', promote => 'never');
SELECT step, kind, statement FROM ml_pipeline('it''s a "pipeline"', '{"model": "m", "gate": {"promote": "never"}}');
CALL ml_run('it''s a "pipeline"');
SELECT step, kind, status, version FROM pgforest.run_steps;
SELECT ml_schedule('it''s a "pipeline"', '* * * * *');
SELECT ml_drop_pipeline('it''s a "pipeline"');
SELECT ml_drop('m');
RESET search_path;
DROP EXTENSION pgforest;
DROP SCHEMA "My ML" CASCADE;

-- In pgforest, with its tables.
CREATE SCHEMA pgforest;
CREATE EXTENSION pgforest SCHEMA pgforest;
SELECT version FROM pgforest.ml_train('m', 'rows', 'y', holdout => 0, params => '{"n_estimators": 3}');
SELECT pgforest.ml_predict('m@1', r) FROM (SELECT 1 AS a) r;
DROP EXTENSION pgforest;
DROP SCHEMA pgforest;

-- From 18 on, errors of an extension's script have a context.
\set SHOW_CONTEXT never
-- A schema pgforest of somebody who is not trusted is not used.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_ml_squatter, regress_ml_installer;
RESET client_min_messages;
CREATE ROLE regress_ml_squatter;
CREATE ROLE regress_ml_installer SUPERUSER;
CREATE SCHEMA pgforest AUTHORIZATION regress_ml_squatter;
SET ROLE regress_ml_installer;
CREATE EXTENSION pgforest;
RESET ROLE;
DROP SCHEMA pgforest;
DROP ROLE regress_ml_squatter, regress_ml_installer;
-- Nor one in which a table stands in the way.
CREATE SCHEMA pgforest;
CREATE TABLE pgforest.model (id int);
CREATE EXTENSION pgforest;
DROP SCHEMA pgforest CASCADE;
\set SHOW_CONTEXT errors
-- An installation that is rolled back leaves nothing.
BEGIN;
CREATE EXTENSION pgforest;
SELECT version FROM ml_train('m', 'rows', 'y', holdout => 0, params => '{"n_estimators": 3}');
ROLLBACK;
SELECT coalesce(a.class, b.class) AS class, a.count - b.count AS more FROM objects a FULL JOIN before b USING (class) WHERE a.count IS DISTINCT FROM b.count;
-- The library without the extension.
LOAD 'pgforest';
CREATE FUNCTION make_schema() RETURNS void AS '$libdir/pgforest', 'pgforest_make_schema' LANGUAGE C STRICT;
CREATE FUNCTION can_see(bigint) RETURNS boolean AS '$libdir/pgforest', 'pf_can_see' LANGUAGE C STRICT;
CREATE FUNCTION ml_drop(text) RETURNS void AS '$libdir/pgforest' LANGUAGE C;
SELECT make_schema();
SELECT can_see(1);
SELECT ml_drop('m');

\c :home
DROP DATABASE regress_pgforest_install;

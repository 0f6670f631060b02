-- Who may see, use and change a model; whose rights count when rows are read.
CREATE SCHEMA regress_rights;
SET search_path = regress_rights, public;
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_ml_owner, regress_ml_user, regress_ml_team, regress_ml_member, regress_ml_stranger, regress_ml_super;
RESET client_min_messages;
CREATE ROLE regress_ml_owner;
CREATE ROLE regress_ml_user;
CREATE ROLE regress_ml_team;
CREATE ROLE regress_ml_member IN ROLE regress_ml_team;
CREATE ROLE regress_ml_stranger;
CREATE ROLE regress_ml_super SUPERUSER;
GRANT USAGE, CREATE ON SCHEMA regress_rights TO PUBLIC;

CREATE TABLE rows AS SELECT i AS id, i % 10 AS a, i % 7 AS b, CASE WHEN i % 10 > 4 THEN 'high' ELSE 'low' END AS y, i % 2 = 0 AS open FROM generate_series(1, 200) i;
CREATE TABLE secret AS TABLE rows;
GRANT SELECT ON rows TO PUBLIC;
CREATE FUNCTION train(name text, source text DEFAULT 'rows') RETURNS text
BEGIN ATOMIC
    SELECT model || '@' || version FROM ml_train(name, source, 'y', features => '{a,b}', key => '{id}', params => '{"n_estimators": 5}');
END;

-- A model belongs to who first trained it.
SET ROLE regress_ml_owner;
SELECT train('m'), train('m');
SELECT version FROM ml_promote('m', 1);
SELECT name, owner, versions FROM pgforest.models;
SELECT count(*) > 0 AS bytes FROM pgforest.version_data;

-- A stranger sees nothing of it, cannot use it, and hears no more than that he may not.
SET ROLE regress_ml_stranger;
SELECT (SELECT count(*) FROM pgforest.models) AS models, (SELECT count(*) FROM pgforest.versions) AS versions, (SELECT count(*) FROM pgforest.version_data) AS data,
       (SELECT count(*) FROM pgforest.metrics) AS metrics, (SELECT count(*) FROM pgforest.confusion) AS confusion, (SELECT count(*) FROM pgforest.curve) AS curve,
       (SELECT count(*) FROM pgforest.runs) AS runs, (SELECT count(*) FROM pgforest.alias) AS alias, (SELECT count(*) FROM pgforest.alias_history) AS history,
       (SELECT count(*) FROM pgforest.leaderboard) AS leaderboard, (SELECT count(*) FROM pgforest.model_grant) AS grants;
SELECT ml_predict('m', r) FROM rows r WHERE id = 1;
SELECT ml_predict_proba('m', r) FROM rows r WHERE id = 1;
SELECT * FROM ml_resolve('m');
SELECT * FROM ml_importance('m');
SELECT * FROM ml_evaluate('m');
SELECT * FROM ml_confusion_matrix('m');
SELECT * FROM ml_roc_curve('m');
SELECT train('m');
SELECT * FROM ml_promote('m', 2);
SELECT * FROM ml_rollback('m');
SELECT ml_drop('m');
SELECT ml_grant('m', 'regress_ml_stranger', 'predict');
SELECT ml_revoke('m', 'regress_ml_owner', 'all');
-- Our tables are written by our functions only.
INSERT INTO pgforest.model (name, task, owner) VALUES ('x', 'regression', 'regress_ml_stranger');
UPDATE pgforest.alias SET version = 2;
DELETE FROM pgforest.version;
TRUNCATE pgforest.run;
SELECT nextval('pgforest.model_id_seq');
SET ROLE regress_ml_owner;
UPDATE pgforest.model SET owner = 'regress_ml_stranger';

-- What is granted, and no more.
SELECT ml_grant('m', 'regress_ml_user', 'predict');
SELECT ml_grant('m', 'regress_ml_team', 'train'), ml_grant('m', 'regress_ml_team', 'train');
SELECT role, privilege, granted_by FROM pgforest.model_grant ORDER BY role, privilege;
SET ROLE regress_ml_user;
SELECT ml_predict('m', r) FROM rows r WHERE id = 1;
SELECT count(*) > 0 AS figures FROM ml_evaluate('m');
SELECT count(*) > 0 AS measured FROM ml_evaluate('m', 'rows');
SELECT name, production FROM pgforest.models;
SELECT (SELECT count(*) FROM pgforest.versions) AS versions, (SELECT count(*) FROM pgforest.version_data) AS data,
       (SELECT count(*) FROM pgforest.metric WHERE set = 'source') AS kept;
SELECT train('m');
SELECT * FROM ml_promote('m', 2);
SELECT ml_drop('m@2');
SELECT ml_grant('m', 'regress_ml_stranger', 'predict');
-- A member of a role has its rights. To train is not to use.
SET ROLE regress_ml_member;
SELECT train('m');
SELECT ml_predict('m@3', r) FROM rows r WHERE id = 1;
SELECT * FROM ml_promote('m', 3);
SELECT version, trained_by FROM pgforest.versions ORDER BY version;
SET ROLE regress_ml_owner;
SELECT ml_grant('m', 'regress_ml_team', 'all');
SET ROLE regress_ml_member;
SELECT version, previous FROM ml_promote('m', 3);
SELECT version FROM ml_rollback('m');
SELECT ml_predict('m', r) FROM rows r WHERE id = 1;
SELECT ml_drop('m@3');
SET ROLE regress_ml_owner;
SELECT ml_revoke('m', 'regress_ml_team', 'promote'), ml_revoke('m', 'regress_ml_user', 'all'), ml_revoke('m', 'regress_ml_stranger', 'predict');
SELECT role, privilege FROM pgforest.model_grant ORDER BY role, privilege;
SET ROLE regress_ml_user;
SELECT ml_predict('m', r) FROM rows r WHERE id = 1;
SET ROLE regress_ml_member;
SELECT * FROM ml_promote('m', 3);
-- A name that a stranger hits on is taken, whoever owns it.
SET ROLE regress_ml_stranger;
SELECT train('mm');
SELECT ml_drop('mm');

-- Rows are read as the caller: privileges of tables and columns, views, row security.
SELECT train('s', 'secret');
SELECT train('s', 'SELECT * FROM secret');
SELECT * FROM ml_evaluate('m', 'secret');
RESET ROLE;
GRANT SELECT (id, a, y) ON secret TO regress_ml_stranger;
CREATE VIEW window_to_secret AS SELECT * FROM secret WHERE id <= 50;
GRANT SELECT ON window_to_secret TO regress_ml_stranger;
SET ROLE regress_ml_stranger;
SELECT train('s', 'secret');
SELECT rows BETWEEN 100 AND 200 AS columns_allowed FROM ml_train('s', 'secret', 'y', features => '{a}', key => '{id}', params => '{"n_estimators": 2}');
SELECT rows BETWEEN 20 AND 50 AS view_allowed FROM ml_train('s', 'window_to_secret', 'y', key => '{id}', params => '{"n_estimators": 2}');
RESET ROLE;
CREATE TABLE guarded AS TABLE rows;
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY open_only ON guarded FOR SELECT USING (open);
GRANT SELECT ON guarded TO PUBLIC;
SELECT rows FROM ml_train('all', 'guarded', 'y', features => '{a,b}', key => '{id}', holdout => 0, params => '{"n_estimators": 2}');
SET ROLE regress_ml_stranger;
SELECT rows FROM ml_train('s', 'guarded', 'y', features => '{a,b}', key => '{id}', holdout => 0, params => '{"n_estimators": 2}');
SELECT sum(count) FROM ml_confusion_matrix('s@1', 'guarded');
SET row_security = off;
SELECT train('s', 'guarded');
RESET row_security;
SELECT train('s', 'SELECT * FROM guarded WHERE NOT open');

-- The text that a version stores runs for members of the role that stored it only; not even for a superuser.
SET ROLE regress_ml_owner;
CREATE FUNCTION trap() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'read by %', current_user; RETURN 0; END $$;
SELECT version FROM ml_train('t', 'SELECT *, CASE WHEN id = 1 THEN trap() END AS c FROM rows', 'y', features => '{a,c}', key => '{id}', params => '{"n_estimators": 2}');
SELECT version FROM ml_train('t', 'SELECT *, CASE WHEN id = 1 THEN trap() END AS c FROM rows', 'y', features => '{a,c}', key => '{id}', params => '{"n_estimators": 2}', seed => 1);
SELECT promoted FROM ml_promote('t');
SELECT ml_grant('t', 'regress_ml_user', 'all');
SET ROLE regress_ml_user;
SELECT promoted FROM ml_promote('t');
SELECT promoted FROM ml_promote('t', source => 'SELECT *, 0 AS c FROM rows');
SELECT promoted FROM ml_promote('t', 2);
SELECT train('t', 'SELECT *, 0 AS c FROM rows');
SET ROLE regress_ml_super;
SELECT promoted FROM ml_promote('t', alias => 'x', threshold => 0);
SELECT promoted FROM ml_promote('t', 1);
SELECT ml_predict('t', r) FROM (SELECT 1 AS a, 0 AS c) r;

-- Through a view the caller's rights count; through a SECURITY DEFINER function the definer's.
SET ROLE regress_ml_owner;
CREATE VIEW answers AS SELECT id, ml_predict('m', r) AS answer FROM rows r;
CREATE FUNCTION answer(i int) RETURNS text STABLE SECURITY DEFINER SET search_path = regress_rights, public LANGUAGE sql AS $$ SELECT ml_predict('m', r) FROM rows r WHERE id = i $$;
GRANT SELECT ON answers TO PUBLIC;
SET ROLE regress_ml_stranger;
SELECT answer FROM answers WHERE id = 1;
SELECT answer(1);
-- One plan, two roles.
PREPARE ask AS SELECT ml_predict('m', r) FROM rows r WHERE id = 1;
EXECUTE ask;
SET ROLE regress_ml_owner;
EXECUTE ask;
SET ROLE regress_ml_stranger;
EXECUTE ask;
-- What row security shows is not kept from one role to the next.
SELECT count(*) FROM pgforest.models WHERE name = 'm';
SET ROLE regress_ml_owner;
SELECT count(*) FROM pgforest.models WHERE name = 'm';
RESET ROLE;

-- A role that is gone gives nobody anything; the superuser may clean up.
SELECT ml_grant('m', 'regress_ml_user', 'all');
DROP OWNED BY regress_ml_user;
DROP ROLE regress_ml_user;
SELECT name, owner FROM pgforest.models ORDER BY name;
SELECT role, privilege FROM pgforest.model_grant WHERE role = 'regress_ml_user' ORDER BY privilege;
SELECT count(ml_drop(name)) FROM pgforest.models;
\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA regress_rights CASCADE;
DROP ROLE regress_ml_owner, regress_ml_member, regress_ml_team, regress_ml_stranger, regress_ml_super;

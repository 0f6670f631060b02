-- The newest version's specification once more, and the gate behind it.
CREATE SCHEMA regress_retrain;
SET search_path = regress_retrain, public;
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_ml_owner, regress_ml_user, regress_ml_super;
RESET client_min_messages;
CREATE ROLE regress_ml_owner;
CREATE ROLE regress_ml_user;
CREATE ROLE regress_ml_super SUPERUSER;
GRANT ALL ON SCHEMA regress_retrain TO PUBLIC;

-- Noise in x hides the label in the first rows, and not in those that come later.
CREATE FUNCTION u(i int, k int) RETURNS float8 IMMUTABLE RETURN (hashint4extended(i, k) & 65535) / 65536.0;
CREATE TABLE rows AS SELECT i AS id, u(i, 1) AS x, u(i, 2) AS z, CASE WHEN u(i, 1) + u(i, 3) > 1 THEN 'high' ELSE 'low' END AS y, 1.0::float8 AS w, u(i, 1) * 3 AS v FROM generate_series(1, 400) i;
GRANT ALL ON rows TO PUBLIC;
CREATE VIEW answer AS SELECT model, version, previous, promoted, reason, rows FROM ml_retrain('m');

-- All that was said at training is said again: the same rows give the same bytes.
SELECT version FROM ml_train('m', 'rows', 'y', 'gradient_boosting', features => '{x,z}', key => '{id}', weight => 'w', holdout => 0.3, seed => 7, note => 'it''s a "note"', params => '{"n_estimators": 9, "class_weight": {"high": 2}}');
SELECT version, previous, promoted, reason, rows, seconds > 0 AS took_time, score = (SELECT score FROM pgforest.versions WHERE model = 'm' AND version = 2) AS its_score FROM ml_retrain('m');
SELECT count(DISTINCT sha256) AS different, count(DISTINCT (params, seed, note, query, identity::text, holdout, data_fingerprint)) AS specifications FROM pgforest.versions WHERE model = 'm';
SELECT version, kind, status FROM (SELECT * FROM pgforest.runs WHERE model = 'm' ORDER BY id DESC LIMIT 2) AS newest ORDER BY id;
-- What is no better does not go to production, unless it always shall.
SELECT * FROM answer;
SELECT version, previous, promoted, reason FROM ml_retrain('m', promote => 'always');
SELECT version, previous, promoted, reason, score IS NOT NULL AS scored FROM ml_retrain('m', promote => 'never');
-- Better rows: a better version, which is compared on the rows that both held out.
INSERT INTO rows SELECT i, u(i, 1), u(i, 2), CASE WHEN u(i, 1) > 0.5 THEN 'high' ELSE 'low' END, 1.0 FROM generate_series(401, 2000) i;
SELECT version, previous, promoted, score > previous_score AS better FROM ml_retrain('m');
-- Conditions are ml_promote's.
SELECT version, promoted, reason FROM ml_retrain('m', threshold => 0.999);
SELECT version, promoted, reason FROM ml_retrain('m', promote => 'always', min_rows => 100000);
SELECT version, promoted, reason FROM ml_retrain('m', alias => 'candidate', metric => 'f1', max_regression => 0.01, by => '{w}', gate_source => 'SELECT * FROM rows WHERE id % 7 = 0', note => 'nightly');
SELECT alias, to_version, reason FROM pgforest.alias_history WHERE alias = 'candidate';
-- Every algorithm and task.
DO $$
DECLARE
    algorithm text;
BEGIN
    FOREACH algorithm IN ARRAY '{random_forest,extra_trees,gradient_boosting,linear}'::text[] LOOP
        PERFORM ml_train('c ' || algorithm, 'rows', 'y', algorithm, exclude => '{v}', key => '{id}');
        PERFORM ml_train('r ' || algorithm, 'SELECT x, z, v FROM rows', 'v', algorithm);
    END LOOP;
    PERFORM ml_train('odd', 'rows', algorithm => 'isolation_forest', features => '{x,z}');
    PERFORM ml_train('no holdout', 'rows', 'y', exclude => '{v}', holdout => 0);
    PERFORM ml_train('by column', 'SELECT *, CASE WHEN id % 5 = 0 THEN ''validation'' ELSE ''train'' END AS part FROM rows', 'y', exclude => '{v,id}', split => 'part');
    PERFORM version FROM ml_tune('tuned', 'rows', 'y', '{"max_depth": [2, 4], "n_estimators": 5}', exclude => '{v}', key => '{id}', folds => 2);
END $$;
SELECT name, r.version, r.promoted, (SELECT count(DISTINCT sha256) FROM pgforest.versions WHERE model = name) AS different
FROM pgforest.models, ml_retrain(name, promote => 'never') r WHERE name <> 'm' ORDER BY name;
SELECT version, promoted FROM ml_retrain('odd', promote => 'always');
SELECT version, promoted, reason FROM ml_retrain('by column');
-- A rolled back retraining leaves nothing.
BEGIN;
SELECT version FROM ml_retrain('tuned', promote => 'always');
ROLLBACK;
SELECT versions, production FROM pgforest.models WHERE name = 'tuned';

-- Refused, and before anything is trained.
SELECT ml_retrain(NULL);
SELECT ml_retrain('m', promote => NULL);
SELECT ml_retrain('none');
SELECT ml_retrain('m@3');
SELECT ml_retrain('m', promote => 'maybe');
SELECT ml_retrain('m', alias => 'Alias');
SELECT ml_retrain('m', metric => 'rmse');
SELECT ml_retrain('m', metric => 'f2');
SELECT ml_retrain('m', threshold => 'Infinity');
SELECT ml_retrain('m', max_regression => -1);
SELECT ml_retrain('m', min_rows => -1);
SELECT ml_retrain('m', threshold => 'NaN');
SELECT ml_retrain('m', by => '{w}');
SELECT ml_retrain('m', by => '{nobody}', max_regression => 0.1);
SELECT ml_retrain('m', confidence => 3);
SELECT ml_retrain('m', source => 'no_table');
SELECT ml_retrain('odd');
SELECT ml_retrain('no holdout');
SELECT versions FROM pgforest.models WHERE name IN ('m', 'odd', 'no holdout') ORDER BY name;
BEGIN READ ONLY;
SELECT ml_retrain('m');
ROLLBACK;

-- The candidates of ml_promote.
SELECT version, promoted FROM ml_promote('m', alias => 'one', candidates => '{1}');
SELECT version, promoted, reason FROM ml_promote('m', alias => 'one', candidates => '{2}');
SELECT ml_promote('m', 1, candidates => '{1}');
SELECT ml_promote('m', candidates => '{}');
SELECT ml_promote('m', candidates => '{1,NULL}');
SELECT ml_promote('m', candidates => '{1,99}');

-- The stored query runs for members of the role that stored it, other rows for whoever may train.
SET ROLE regress_ml_owner;
SELECT version FROM ml_train('o', 'SELECT * FROM rows', 'y', features => '{x}', key => '{id}', params => '{"n_estimators": 3}');
SELECT ml_grant('o', 'regress_ml_user', 'train');
SET ROLE regress_ml_super;
SELECT ml_retrain('o');
SET ROLE regress_ml_user;
SELECT ml_retrain('o');
SELECT ml_retrain('o', promote => 'never');
SELECT version, promoted FROM ml_retrain('o', promote => 'never', source => 'SELECT * FROM rows WHERE id < 300');
RESET ROLE;

-- A recipe that was dropped is missed before anything is read.
SELECT recipe, version FROM ml_recipe('scaled', 'rows', '[{"step": "scale", "columns": ["x"], "method": "standard"}]');
SELECT version FROM ml_train('with', 'rows', 'y', features => '{x}', key => '{id}', recipe => 'scaled', params => '{"n_estimators": 3}');
SELECT version FROM ml_retrain('with', promote => 'never');
SELECT ml_drop_recipe('scaled');
SELECT ml_retrain('with');

SELECT count(ml_drop(name)) FROM pgforest.models;
\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA regress_retrain CASCADE;
DROP ROLE regress_ml_owner, regress_ml_user, regress_ml_super;

-- What recipes refuse: each error with its SQLSTATE, detail and hint; and who may use one.
CREATE SCHEMA regress_recipe_errors;
SET search_path = regress_recipe_errors, public;
\getenv here PG_ABS_SRCDIR
\set refuse :here '/sql/include/refuse.sql'
\ir :refuse

CREATE TABLE raw AS SELECT i AS id, i / 2.0::float8 AS x, 'c' || i % 4 AS c, date '2024-01-01' + i AS d, point(i, i) AS p, NULL::float8 AS empty,
	CASE WHEN i = 7 THEN 'Infinity' ELSE i::float8 END AS inf, i % 2 = 0 AS b FROM generate_series(1, 60) AS i;
CREATE PROCEDURE refuse_steps(steps jsonb) LANGUAGE sql AS $$ CALL refuse(format('ml_recipe(''bad'', ''raw'', %L)', steps)) $$;

-- Arguments.
CALL refuse($$ml_recipe(NULL, 'raw', '[]')$$);
CALL refuse($$ml_recipe('bad', NULL, '[]')$$);
CALL refuse($$ml_recipe('bad', 'raw', NULL)$$);
CALL refuse($$ml_recipe('b@d', 'raw', '[]')$$);
CALL refuse($$ml_recipe('bad', 'no_such_table', '[]')$$);
CALL refuse($$ml_recipe('bad', 'SELECT * FROM raw WHERE false', '[]')$$);
CALL refuse($$ml_recipe('bad', 'DELETE FROM raw', '[]')$$);

-- The vocabulary.
CALL refuse_steps('{"step": "drop"}');
CALL refuse_steps('7');
CALL refuse_steps('["drop"]');
CALL refuse_steps('[{"columns": ["x"]}]');
CALL refuse_steps('[{"step": "imput", "columns": ["x"]}]');
CALL refuse_steps('[{"step": "teleport"}]');
CALL refuse_steps('[{"step": "impute", "columns": ["x"], "metod": "mean"}]');
CALL refuse_steps('[{"step": "drop", "columns": ["x"], "whatever": 1}]');
CALL refuse_steps('[{"step": "drop", "columns": ["x"], "fitted": {}}]');
CALL refuse_steps('[{"step": "impute", "columns": ["x"]}]');
CALL refuse_steps('[{"step": "drop"}]');
CALL refuse_steps('[{"step": "impute", "columns": ["x"], "method": "avg"}]');
CALL refuse_steps('[{"step": "impute", "columns": "x", "method": "mean"}]');
CALL refuse_steps('[{"step": "impute", "columns": ["x", "x"], "method": "mean"}]');
CALL refuse_steps('[{"step": "impute", "columns": [], "method": "mean"}]');
CALL refuse_steps('[{"step": "impute", "columns": ["x"], "method": "mean", "indicator": "yes"}]');
CALL refuse_steps('[{"step": "rename", "columns": {"x": 1}}]');
CALL refuse_steps('[{"step": "null_if", "columns": ["x"], "values": [null]}]');
CALL refuse_steps('[{"step": "bucketize", "columns": ["x"], "method": "quantile", "bins": 1}]');
CALL refuse_steps('[{"step": "bucketize", "columns": ["x"], "method": "edges", "edges": [2, 1]}]');
CALL refuse_steps('[{"step": "group_rare", "columns": ["c"], "min_share": 2}]');
CALL refuse_steps('[{"step": "target_mean", "columns": ["c"], "target": "x", "smoothing": "some"}]');
CALL refuse_steps('[{"step": "date_parts", "columns": ["d"], "parts": ["century"]}]');
CALL refuse_steps('[{"step": "date_parts", "columns": ["d"], "parts": ["dow"], "timezone": "Nowhere/Ever"}]');
CALL refuse_steps('[{"step": "drop", "columns": ["x"], "except": ["c"]}]');

-- Keys that do not go together.
CALL refuse_steps('[{"step": "impute", "columns": ["x"], "method": "constant"}]');
CALL refuse_steps('[{"step": "clip", "columns": ["x"], "method": "iqr", "low": 1}]');
CALL refuse_steps('[{"step": "clip", "columns": ["x"], "method": "constant"}]');
CALL refuse_steps('[{"step": "clip", "columns": ["x"], "method": "quantile", "low": 5}]');
CALL refuse_steps('[{"step": "clip", "columns": ["x"], "method": "constant", "low": 5, "high": 4}]');
CALL refuse_steps('[{"step": "clip", "columns": ["x"], "method": "quantile", "factor": 2}]');
CALL refuse_steps('[{"step": "bucketize", "columns": ["x"], "method": "uniform"}]');
CALL refuse_steps('[{"step": "group_rare", "columns": ["c"], "min_share": 0.1, "min_count": 3}]');
CALL refuse_steps('[{"step": "filter", "column": "x", "op": "="}]');
CALL refuse_steps('[{"step": "filter", "column": "x", "op": "in", "value": 1}]');
CALL refuse_steps('[{"step": "filter", "column": "x", "op": "is null", "value": 1}]');

-- Columns and their types.
CALL refuse_steps('[{"step": "drop", "columns": ["xx", "nothing", "c"]}]');
CALL refuse_steps('[{"step": "drop", "columns": ["x"]}, {"step": "log", "columns": ["x"]}]');
CALL refuse_steps('[{"step": "rename", "columns": {"x": "c"}}]');
CALL refuse_steps('[{"step": "drop", "columns": ["id", "x", "c", "d", "p", "empty", "inf", "b"]}]');
CALL refuse_steps('[{"step": "scale", "columns": ["c", "x", "d", "p"], "method": "standard"}]');
CALL refuse_steps('[{"step": "impute", "columns": ["x"], "method": "constant", "value": "much"}]');
SELECT version FROM ml_recipe('cast', 'raw', '[{"step": "cast", "columns": ["c"], "type": "integer"}]');
CALL refuse($$ml_clean('cast', 'raw', 'clean')$$);
CALL refuse_steps('[{"step": "cast", "columns": ["c"], "type": "date", "on_error": "null"}]');
CALL refuse_steps('[{"step": "target_mean", "columns": ["c"], "target": "c", "positive": "c1"}]');
CALL refuse_steps('[{"step": "target_mean", "columns": ["b"], "target": "c"}]');
CALL refuse_steps('[{"step": "target_mean", "columns": ["c"], "target": "nothing"}]');
CALL refuse_steps('[{"step": "target_mean", "columns": ["c"], "target": "x", "key": ["nothing"]}]');
CALL refuse_steps('[{"step": "target_mean", "columns": ["c"], "target": "empty"}]');
CALL refuse_steps('[{"step": "target_mean", "columns": ["x"], "target": "c", "positive": "c9"}]');
CALL refuse_steps('[{"step": "filter", "column": "x", "op": "<", "value": "much"}]');
CALL refuse_steps('[{"step": "filter", "column": "d", "op": "<", "value": "tomorrow-ish"}]');

-- Nothing to fit on, and too much.
CALL refuse_steps('[{"step": "impute", "columns": ["x", "empty"], "method": "mean"}]');
CALL refuse_steps('[{"step": "filter", "column": "x", "op": ">", "value": 1000}, {"step": "scale", "columns": ["x", "id"], "method": "robust"}]');
CALL refuse_steps('[{"step": "scale", "columns": ["inf"], "method": "standard"}]');
CALL refuse_steps('[{"step": "one_hot", "columns": ["c"], "max_categories": 3}]');

-- References.
SELECT version FROM ml_recipe('good', 'raw', '[{"step": "drop", "columns": ["p", "empty"]}, {"step": "impute", "columns": ["x"], "method": "mean"}, {"step": "target_mean", "columns": ["c"], "target": "x"}]');
CALL refuse($$ml_recipe_sql('goood')$$);
CALL refuse($$ml_recipe_sql('good@2')$$);
CALL refuse($$ml_recipe_sql('good@x')$$);
CALL refuse($$ml_drop_recipe('nothing')$$);
CALL refuse($$ml_drop_recipe(NULL)$$);

-- More columns than a table can have.
DO $$ BEGIN EXECUTE (SELECT 'CREATE TABLE many (' || string_agg(format('c%s int', i), ', ') || ')' FROM generate_series(1, 900) i); END $$;
INSERT INTO many DEFAULT VALUES;
SELECT ml_recipe('many', 'many', '[{"step": "impute", "columns": "all", "method": "constant", "value": 0, "indicator": true}]');
-- ml_clean.
CALL refuse($$ml_clean(NULL, 'raw', 'clean')$$);
CALL refuse($$ml_clean('good', 'raw', 'no_schema.clean')$$);
CALL refuse($$ml_clean('good', 'raw', 'pg_stat_activity')$$);
CALL refuse($$ml_clean('good', 'SELECT id, x, d FROM raw', 'clean')$$);
SELECT rows FROM ml_clean('good', 'SELECT id, x, c, d, inf, b FROM raw', 'narrow');
CALL refuse($$ml_clean('good', 'SELECT id, x::text AS x, c, d, p, empty, inf, b::text AS b FROM raw', 'clean')$$);
CALL refuse($$ml_clean('good', 'raw', 'clean', 'nothing')$$);
CALL refuse($$ml_clean('good', 'raw', 'clean', 'x')$$);
CALL refuse($$ml_clean('good', 'SELECT * FROM raw UNION ALL SELECT * FROM raw WHERE id = 3', 'clean', 'id')$$);
SELECT rows FROM ml_clean('good', 'raw', 'clean');
CALL refuse($$ml_clean('good', 'raw', 'clean')$$);
SELECT version FROM ml_recipe('good', 'raw', '[{"step": "drop", "columns": ["p", "empty"]}]');
CALL refuse($$ml_clean('good', 'raw', 'clean', 'id')$$);
CREATE TABLE mine AS SELECT id, c FROM raw;
CALL refuse($$ml_clean('good', 'raw', 'mine', 'id')$$);
TRUNCATE mine;
CALL refuse($$ml_clean('good', 'raw', 'mine', 'id')$$);
CREATE TABLE unfilled AS SELECT id, x, c, d, inf, b FROM raw LIMIT 0;
CALL refuse($$ml_clean('good', 'SELECT * FROM raw UNION ALL SELECT NULL, x, c, d, p, empty, inf, b FROM raw', 'unfilled', 'id')$$);
BEGIN READ ONLY;
CALL refuse($$ml_clean('good', 'raw', 'mine', 'id')$$);
CALL refuse($$ml_recipe('good', 'raw', '[]')$$);
CALL refuse($$ml_drop_recipe('good')$$);
COMMIT;

-- Training and what comes after it.
CALL refuse($$ml_train('m', 'raw', 'x', recipe => 'nothing')$$);
CALL refuse($$ml_train('m', 'SELECT x, id FROM raw', 'x', recipe => 'good@1')$$);
CALL refuse($$ml_train('m', 'raw', 'empty', recipe => 'good@1')$$);
SELECT version FROM ml_train('m', 'raw', 'x', exclude => '{inf}', key => '{id}', recipe => 'good@1', params => '{"n_estimators": 2}');
CALL refuse($$(SELECT id, x FROM raw) AS r WHERE ml_predict('m@1', r, NULL::float8) > 0$$);
CALL refuse($$(SELECT c, d::timestamp, b::text FROM raw) AS r WHERE ml_predict('m@1', r, NULL::float8) > 0$$);
CALL refuse($$raw AS r WHERE ml_predict('m@1', ROW(r.c, r.d, r.b), NULL::float8) > 0$$);
CALL refuse($$ml_predict('m@1', '{1, 2, 3}'::float8[], NULL::float8)$$);
CALL refuse($$ml_predict('m@1', '[]'::jsonb, NULL::float8)$$);
CALL refuse($$ml_predict('m@1', '{"b": true}'::jsonb, NULL::float8)$$);
CALL refuse($$ml_predict('m@1', '{"b": "yes", "c": 7, "d": []}'::jsonb, NULL::float8)$$);
CALL refuse($$ml_predict('m@1', '{"b": true, "c": "c1", "d": "some day"}'::jsonb, NULL::float8)$$);
SELECT ml_predict('m@1', '{"b": null, "c": null, "d": null}'::jsonb, NULL::float8) = ml_predict('m@1', '{"b": null, "c": null, "d": null, "more": 1}'::jsonb, NULL::float8) AS missing,
	ml_predict('m@1', '{"b": 1, "c": "c1", "d": "2024-01-05"}'::jsonb, NULL::float8) = ml_predict('m@1', '{"b": true, "c": "c1", "d": 8770}'::jsonb, NULL::float8) AS alike;
CALL refuse($$ml_evaluate('m@1', 'SELECT c, b FROM raw')$$);
SELECT version FROM ml_train('m', 'raw', 'x', exclude => '{inf}', recipe => 'good@1', params => '{"n_estimators": 2}');
CALL refuse($$ml_promote('m', 2, metric => 'rmse', threshold => 1000)$$);

-- A stored recipe that somebody changed.
CREATE TABLE kept AS SELECT * FROM pgforest.recipe WHERE name = 'good';
UPDATE pgforest.recipe SET document = jsonb_set(document, '{steps,1,fitted}', '{}') WHERE name = 'good' AND version = 1;
CALL refuse($$ml_recipe_sql('good@1')$$);
UPDATE pgforest.recipe SET document = '{"recipe": "good"}' WHERE name = 'good' AND version = 1;
CALL refuse($$ml_recipe_sql('good@1')$$);
UPDATE pgforest.recipe SET document = jsonb_set(kept.document, '{steps,1,fitted,x,value}', '"1); DROP TABLE raw; --"') FROM kept WHERE recipe.name = 'good' AND recipe.version = 1 AND kept.version = 1;
CALL refuse($$ml_recipe_sql('good@1')$$);

-- Who may use a recipe: its owner; the answers of a model go with the rights on the model.
CREATE ROLE regress_recipe_cook;
CREATE ROLE regress_recipe_guest;
GRANT USAGE, CREATE ON SCHEMA regress_recipe_errors TO regress_recipe_cook, regress_recipe_guest;
GRANT SELECT ON raw TO regress_recipe_cook;
SET ROLE regress_recipe_cook;
SELECT version FROM ml_recipe('cooked', 'raw', '[{"step": "drop", "columns": ["p", "empty", "inf"]}, {"step": "scale", "columns": ["id"], "method": "standard"}]');
SELECT version FROM ml_train('cooked', 'raw', 'x', recipe => 'cooked', params => '{"n_estimators": 2}');
SELECT ml_grant('cooked', 'regress_recipe_guest', 'predict');
SELECT rows FROM ml_clean('cooked', 'raw', 'cooked');
SELECT name, version, owner FROM pgforest.recipes;
CALL refuse($$ml_recipe('good', 'raw', '[]')$$);
CALL refuse($$ml_clean('good', 'raw', 'c2')$$);
SET ROLE regress_recipe_guest;
CALL refuse($$ml_recipe('hidden', 'raw', '[]')$$);
CALL refuse($$ml_recipe_sql('cooked')$$);
CALL refuse($$ml_drop_recipe('cooked')$$);
CALL refuse($$ml_clean('cooked', 'SELECT 1', 'c2')$$);
CALL refuse($$ml_train('stolen', 'SELECT 1 AS x', 'x', recipe => 'cooked')$$);
CALL refuse($$ml_recipe_sql('cookd')$$);
SELECT count(*) FROM pgforest.recipes;
SELECT count(*) FROM pgforest.cleaning;
SELECT count(*) AS version, (SELECT count(*) FROM pgforest.version_recipe) AS recipe FROM pgforest.versions WHERE model = 'cooked';
SELECT ml_predict('cooked@1', '{"id": 3, "c": "c1", "d": "2024-01-05", "b": true}'::jsonb, NULL::float8) IS NOT NULL AS answered;
RESET ROLE;
SELECT ml_drop(name) FROM pgforest.models WHERE name IN ('m', 'cooked');
SELECT ml_drop_recipe(name) FROM unnest('{cooked}'::text[]) AS name;
DELETE FROM pgforest.recipe;
DELETE FROM pgforest.cleaning;
DROP TABLE cooked;
REVOKE ALL ON SCHEMA regress_recipe_errors FROM regress_recipe_cook, regress_recipe_guest;
REVOKE ALL ON raw FROM regress_recipe_cook;
DROP ROLE regress_recipe_cook, regress_recipe_guest;
SET client_min_messages = warning;
DROP SCHEMA regress_recipe_errors CASCADE;

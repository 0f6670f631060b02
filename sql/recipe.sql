-- Recipes: each step gives training, ml_clean and ml_predict the same bits; what drops rows or
-- encodes out of fold acts on training only.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN label AS varchar(20);
CREATE TABLE raw AS SELECT i AS id, i % 10 + (i % 7) / 3.0::float8 AS y,
	CASE WHEN i % 9 <> 0 THEN i * 37 % 101 END AS n,
	CASE WHEN i % 11 = 0 THEN NULL WHEN i % 13 = 0 THEN 'NaN' ELSE (i * 17 % 1000)::float8 / 7 - 20 END AS f,
	(i * 7 % 1000)::numeric / 8 AS g, (i % 23)::real / 3 AS r, i::bigint * 1000000007 AS big,
	CASE WHEN i % 8 = 0 THEN '?' WHEN i % 15 <> 0 THEN chr(97 + i * i % 17) END AS c,
	CASE WHEN i % 6 = 0 THEN 'n/a' ELSE (i % 40)::text || '.5' END AS t,
	('it''s "' || i % 3 || '" \')::label AS "odd ""name""", ((ARRAY['sad', 'ok', 'happy'])[1 + i % 3])::mood AS e, i % 3 = 0 AS b,
	date '2024-02-27' + i % 400 AS d, timestamp '2024-12-30 23:59:59.5' + i * interval '7 hours 13 seconds' AS ts,
	timestamptz '2024-03-30 12:00+00' + i * interval '1 hour' AS tz, ARRAY[i % 5, i % 3]::float8[] AS a
FROM generate_series(1, 600) AS i;

-- One recipe: is what training reads what ml_clean stores, is a model trained with the recipe the one trained
-- on the clean table, and do the raw rows get the answers of clean ones, bit by bit?  A linear model's
-- answer shows every bit of its features.
CREATE FUNCTION try(title text, steps jsonb, OUT step text, OUT clean_rows bigint, OUT columns text, OUT same_clean boolean,
	OUT same_model boolean, OUT same_rows bigint, OUT same_objects bigint)
LANGUAGE plpgsql AS $$
BEGIN
	step := title;
	PERFORM ml_recipe('try', 'raw', steps);
	DROP TABLE IF EXISTS stored, clean, seen;
	SELECT rows INTO clean_rows FROM ml_clean('try', 'raw', 'stored');
	EXECUTE 'CREATE TABLE clean AS ' || ml_recipe_sql('try');
	EXECUTE 'CREATE TABLE seen AS ' || ml_recipe_sql('try', true);
	SELECT NOT EXISTS ((TABLE stored EXCEPT ALL TABLE clean) UNION ALL (TABLE clean EXCEPT ALL TABLE stored)) INTO same_clean;
	SELECT string_agg(quote_ident(attname), ' ' ORDER BY attnum) INTO columns
	FROM pg_attribute WHERE attrelid = 'clean'::regclass AND attnum > 0 AND attname NOT IN (SELECT attname FROM pg_attribute WHERE attrelid = 'raw'::regclass AND attnum > 0);
	PERFORM ml_train('with', 'raw', 'y', 'linear', key => '{id}', recipe => 'try');
	PERFORM ml_train('without', 'clean', 'y', 'linear', key => '{id}');
	SELECT count(DISTINCT sha256) = 1 INTO same_model FROM pgforest.versions v WHERE v.version = (SELECT max(version) FROM pgforest.versions WHERE model = 'with');
	EXECUTE format('SELECT count(*) FILTER (WHERE ml_predict(''with@%1$s'', raw, NULL::float8) = ml_predict(''without@%1$s'', seen, NULL::float8)),
		count(*) FILTER (WHERE raw.f = ''NaN'' OR ml_predict(''with@%1$s'', to_jsonb(raw), NULL::float8) = ml_predict(''without@%1$s'', seen, NULL::float8))
		FROM raw JOIN seen USING (id)', (SELECT max(version) FROM pgforest.versions WHERE model = 'with')) INTO same_rows, same_objects;
END $$;

SELECT * FROM try('nothing', '[]');
SELECT * FROM try('drop', '[{"step": "drop", "columns": ["a", "big"]}]');
SELECT * FROM try('rename', '[{"step": "rename", "columns": {"n": "f", "f": "n", "odd \"name\"": "Plain"}}]');
SELECT * FROM try('null_if', '[{"step": "null_if", "columns": "all", "except": ["id"], "values": ["?", "sad", 7, 0.5, true]}]');
SELECT * FROM try('cast', '[{"step": "cast", "columns": ["t"], "type": "double precision", "on_error": "null"}, {"step": "cast", "columns": ["f"], "type": "integer", "on_error": "null"},
	{"step": "cast", "columns": ["n"], "type": "text"}, {"step": "cast", "columns": ["b"], "type": "bigint"}, {"step": "cast", "columns": ["ts", "tz"], "type": "date"},
	{"step": "cast", "columns": ["r"], "type": "boolean"}, {"step": "cast", "columns": ["g", "e"], "type": "text"}]');
SELECT * FROM try('impute mean', '[{"step": "impute", "columns": "numbers", "except": ["id", "y", "big"], "method": "mean", "indicator": true}]');
SELECT * FROM try('impute median', '[{"step": "impute", "columns": ["n", "f"], "method": "median"}]');
SELECT * FROM try('impute most frequent', '[{"step": "impute", "columns": ["n", "f", "c", "e", "odd \"name\""], "method": "most_frequent", "indicator": true}]');
SELECT * FROM try('impute constant', '[{"step": "impute", "columns": ["n", "f", "b"], "method": "constant", "value": -1}, {"step": "impute", "columns": ["c"], "method": "constant", "value": "it''s \\"}]');
SELECT * FROM try('clip quantile', '[{"step": "clip", "columns": ["n", "f", "g"], "method": "quantile", "low": 0.1}]');
SELECT * FROM try('clip iqr', '[{"step": "clip", "columns": ["n", "f", "r"], "method": "iqr", "factor": 0.5}]');
SELECT * FROM try('clip mad', '[{"step": "clip", "columns": ["n", "f"], "method": "mad", "factor": 0.5}]');
SELECT * FROM try('clip constant', '[{"step": "clip", "columns": ["n", "f"], "method": "constant", "high": 30}]');
SELECT * FROM try('outliers', '[{"step": "outliers", "columns": ["n", "f"], "method": "quantile", "low": 0.1, "high": 0.9}]');
SELECT * FROM try('outliers mad', '[{"step": "outliers", "columns": ["f"], "method": "mad", "factor": 1}]');
SELECT * FROM try('scale standard', '[{"step": "scale", "columns": ["n", "f", "g", "r", "b"], "method": "standard"}]');
SELECT * FROM try('scale min_max', '[{"step": "scale", "columns": ["n", "f", "g"], "method": "min_max"}]');
SELECT * FROM try('scale robust', '[{"step": "scale", "columns": ["n", "f", "g"], "method": "robust"}]');
SELECT * FROM try('log', '[{"step": "log", "columns": ["n", "f"]}, {"step": "log", "columns": ["g"], "shift": 1}]');
SELECT * FROM try('bucketize', '[{"step": "bucketize", "columns": ["n", "f"], "method": "quantile", "bins": 5}, {"step": "bucketize", "columns": ["g"], "method": "uniform", "bins": 4},
	{"step": "bucketize", "columns": ["r"], "method": "edges", "edges": [1, 2.5, 7]}]');
SELECT * FROM try('group_rare', '[{"step": "group_rare", "columns": ["c", "t"], "min_share": 0.06}, {"step": "group_rare", "columns": ["n"], "min_count": 6, "other": "-"}]');
SELECT * FROM try('one_hot', '[{"step": "one_hot", "columns": ["c", "e", "b", "odd \"name\""]}, {"step": "cast", "columns": ["r"], "type": "integer"}, {"step": "one_hot", "columns": ["r"]}]');
SELECT * FROM try('ordinal', '[{"step": "ordinal", "columns": ["c", "t", "n"]}, {"step": "ordinal", "columns": ["e"], "values": ["sad", "ok", "happy"]}]');
SELECT * FROM try('target_mean', '[{"step": "target_mean", "columns": ["c", "e", "n"], "target": "y", "key": ["id"]}]');
SELECT * FROM try('target_mean of a class', '[{"step": "target_mean", "columns": ["c", "odd \"name\""], "target": "e", "positive": "sad", "smoothing": 10, "folds": 3}]');
SELECT * FROM try('date_parts', '[{"step": "date_parts", "columns": ["d", "ts"], "parts": ["year", "quarter", "month", "week", "day", "dow", "isodow", "doy", "hour", "minute", "second", "epoch"]},
	{"step": "date_parts", "columns": ["tz"], "parts": ["hour", "dow"], "timezone": "Europe/Berlin", "keep": true}]');
SELECT * FROM try('filter', '[{"step": "filter", "column": "n", "op": ">=", "value": 20}, {"step": "filter", "column": "c", "op": "not in", "values": ["?", "b"]},
	{"step": "filter", "column": "ts", "op": "<", "value": "2025-05-01"}, {"step": "filter", "column": "f", "op": "is not null"}, {"step": "filter", "column": "e", "op": "<>", "value": "ok"}]');
SELECT * FROM try('deduplicate', '[{"step": "deduplicate", "columns": ["n", "e"], "order_by": "tz"}]');
SELECT * FROM try('all', '[{"step": "drop", "columns": ["a", "big"]}, {"step": "null_if", "columns": ["c", "t"], "values": ["?", "n/a"]}, {"step": "cast", "columns": ["t"], "type": "double precision"},
	{"step": "outliers", "columns": ["f"], "method": "iqr"}, {"step": "impute", "columns": ["n", "f", "t"], "method": "mean", "indicator": true}, {"step": "impute", "columns": ["c"], "method": "most_frequent"},
	{"step": "clip", "columns": ["n", "f", "t"], "method": "quantile"}, {"step": "log", "columns": ["n"], "shift": 1}, {"step": "scale", "columns": ["n", "f", "t", "g"], "method": "standard"},
	{"step": "group_rare", "columns": ["c"], "min_share": 0.05}, {"step": "target_mean", "columns": ["c"], "target": "y"}, {"step": "one_hot", "columns": ["e"]}, {"step": "ordinal", "columns": ["odd \"name\""]},
	{"step": "date_parts", "columns": ["d", "ts", "tz"], "parts": ["dow", "hour"]}, {"step": "scale", "columns": ["d_dow", "c"], "method": "min_max"}]');

-- The first of those that are alike, whatever the order in which the rows lie.
SELECT recipe, version, rows FROM ml_recipe('first', 'raw', '[{"step": "drop", "columns": ["a"]}, {"step": "deduplicate", "columns": ["e", "b"], "order_by": "d"}]');
SELECT rows FROM ml_clean('first', 'raw', 'one');
SELECT rows FROM ml_clean('first', 'SELECT * FROM raw ORDER BY md5(id::text)', 'other');
SELECT count(*), bool_and(o.d = (SELECT min(d) FROM raw WHERE raw.e = o.e AND raw.b = o.b)) AS "the first" FROM one AS o JOIN other USING (id);

-- The same constants in any order of the rows.
SELECT version FROM ml_recipe('order', 'raw', '[{"step": "scale", "columns": ["n", "f", "g"], "method": "standard"}, {"step": "target_mean", "columns": ["c"], "target": "y", "key": ["id"]}]');
SELECT version FROM ml_recipe('order', 'SELECT * FROM raw ORDER BY md5(id::text)', '[{"step": "scale", "columns": ["n", "f", "g"], "method": "standard"}, {"step": "target_mean", "columns": ["c"], "target": "y", "key": ["id"]}]');
SELECT count(DISTINCT document -> 'steps') FROM pgforest.recipe WHERE name = 'order';

-- Sums are exact: what is great and goes away again takes nothing along.
SELECT version FROM ml_recipe('exact', 'SELECT x, -x AS y, x / 3 AS z FROM (VALUES (1e308::float8), (1), (-1e308), (1e-300), (5e-324), (-7), (NULL)) AS v (x)',
	'[{"step": "impute", "columns": ["x", "y"], "method": "mean"}, {"step": "clip", "columns": ["x", "y", "z"], "method": "constant", "low": -10, "high": 10}, {"step": "scale", "columns": ["x"], "method": "standard"}]');
SELECT version FROM ml_recipe('exact', 'SELECT 5e-324::float8 AS x FROM generate_series(1, 3) UNION ALL SELECT NULL', '[{"step": "impute", "columns": ["x"], "method": "mean"}]');
SELECT version, (document #>> '{steps,0,fitted,x,value}')::float8 AS x, (document #>> '{steps,0,fitted,y,value}')::float8 AS y, (document #>> '{steps,2,fitted,x,scale}')::float8 AS scale
FROM pgforest.recipe WHERE name = 'exact' ORDER BY version;

-- ml_clean adds what is new, whatever its key, with the version that filled the table.
CREATE TABLE batch (id int, x float8, c text);
INSERT INTO batch SELECT i, i, chr(97 + i % 3) FROM generate_series(1, 100) AS i WHERE i <> 50;
SELECT recipe, version, rows, columns, clean_columns FROM ml_recipe('batch', 'batch', '[{"step": "scale", "columns": ["x"], "method": "min_max"}]');
SELECT recipe, version, rows, created FROM ml_clean('batch', 'batch', 'cleaned', key => 'id');
SELECT recipe, version, rows, created FROM ml_clean('batch', 'batch', 'cleaned', key => 'id');
CREATE TABLE marks AS SELECT xmin::text AS mark, id FROM cleaned;
INSERT INTO batch VALUES (50, 50, 'z'), (101, 199, 'a'), (-1, 0, NULL);
SELECT recipe, version, rows, created FROM ml_clean('batch', 'batch', 'cleaned', key => 'id');
SELECT count(*), count(*) FILTER (WHERE cleaned.xmin::text = mark) AS untouched, count(*) FILTER (WHERE mark IS NULL) AS new, max(x)
FROM cleaned LEFT JOIN marks USING (id);
SELECT version FROM ml_recipe('batch', 'batch', '[{"step": "scale", "columns": ["x"], "method": "min_max"}]');
SELECT recipe, version, rows FROM ml_clean('batch@1', 'batch', 'cleaned', key => 'id');
SELECT recipe, version, rows, created FROM ml_clean('batch', 'SELECT * FROM batch WHERE id > 0', 'elsewhere');
SELECT target, recipe, version, key, rows FROM pgforest.cleaning WHERE recipe = 'batch' ORDER BY id;

-- A version keeps its recipe: neither a new fit nor its end changes an answer.
SELECT model, version, task FROM ml_train('kept', 'SELECT * FROM batch WHERE c IS NOT NULL', 'c', key => '{id}', recipe => 'batch@1', params => '{"n_estimators": 5}');
SELECT version, recipe FROM pgforest.versions WHERE model = 'kept';
CREATE TABLE answers AS SELECT id, ml_predict_proba('kept@1', batch) AS p FROM batch;
SELECT ml_drop_recipe('batch');
SELECT count(*) FILTER (WHERE p = ml_predict_proba('kept@1', batch)), count(*) FROM batch JOIN answers USING (id);
SELECT sum(count) FROM ml_confusion_matrix('kept@1', 'batch');
SELECT count(*) > 0 AS curve FROM ml_roc_curve('kept@1', 'batch', 'a');
SELECT promoted FROM ml_promote('kept', 1);

-- Champion and challenger, each with a recipe of its own, meet on raw rows that neither has seen; the
-- target is what the recipe makes of it.
SELECT version FROM ml_recipe('again', 'batch', '[{"step": "impute", "columns": ["c"], "method": "constant", "value": "a"}, {"step": "scale", "columns": ["x"], "method": "standard"}]');
SELECT version FROM ml_recipe('again', 'batch', '[{"step": "target_mean", "columns": ["c"], "target": "x", "folds": 2}, {"step": "scale", "columns": ["x"], "method": "standard"}]');
SELECT version, split_part(metric, ' ', 1) FROM ml_train('two', 'batch', 'x', key => '{id}', recipe => 'again@1', params => '{"n_estimators": 5}');
SELECT version, split_part(metric, ' ', 1) FROM ml_train('two', 'batch', 'x', key => '{id}', recipe => 'again@2', params => '{"n_estimators": 5}');
SELECT promoted FROM ml_promote('two', 1);
SELECT version, promoted IS NOT NULL AS compared, regexp_replace(reason, '[-0-9.]+', 'N', 'g') FROM ml_promote('two', 2, metric => 'rmse', max_regression => 10);
SELECT rows = (SELECT rows FROM pgforest.metrics WHERE model = 'two' AND version = 1 AND metric = 'rmse' AND set = 'validation') AS "rows held out"
FROM ml_promote('two', 1, metric => 'rmse', max_regression => 10);

-- Tuning and curves take recipes, too.
SELECT count(*), count(DISTINCT version) FROM ml_tune('tuned', 'raw', 'y', '{"max_depth": [2, 4], "n_estimators": [3]}', key => '{id}', recipe => 'try');
SELECT version, recipe FROM pgforest.versions WHERE model = 'tuned';
SELECT count(*) FROM ml_cross_validate('raw', 'y', params => '{"n_estimators": 3}', key => '{id}', recipe => 'try', folds => 3);

-- In a parallel plan, a view and a prepared statement.
SELECT count(*) FROM ml_train('p', 'raw', 'y', key => '{id}', recipe => 'try', params => '{"n_estimators": 5}') WHERE version = 1;
CREATE TABLE one_by_one AS SELECT id, ml_predict('p@1', raw, NULL::float8) AS v FROM raw;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS off) SELECT id FROM raw WHERE ml_predict('p@1', raw, NULL::float8) > 4;
SELECT count(*) FILTER (WHERE a.v = ml_predict('p@1', raw, NULL::float8)) FROM raw JOIN one_by_one AS a USING (id);
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size; RESET max_parallel_workers_per_gather;

DROP FUNCTION try(text, jsonb);
DROP TABLE raw, stored, clean, seen, one, other, batch, cleaned, marks, elsewhere, answers, one_by_one;
DROP TYPE mood;
DROP DOMAIN label;
SELECT ml_drop(name) FROM pgforest.models WHERE name IN ('with', 'without', 'kept', 'two', 'tuned', 'p');
SELECT ml_drop_recipe(name) FROM (SELECT DISTINCT name FROM pgforest.recipes ORDER BY 1) AS r;

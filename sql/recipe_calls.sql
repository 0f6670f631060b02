-- A version that carries a recipe takes raw rows in every call, and answers as one that was trained on
-- the clean rows answers for these.
SET client_min_messages = warning;
CREATE TABLE raw AS SELECT i AS id, timestamptz '2024-05-01 00:00+00' + i * interval '1 hour' AS at,
	CASE WHEN i % 9 = 0 THEN '?' ELSE (i * 37 % 101)::text END AS amount, CASE WHEN i % 11 > 0 THEN (i * 17 % 1000)::float8 / 7 END AS size,
	(ARRAY['red', 'blue', 'it''s "dark"', 'rare'])[CASE WHEN i % 50 = 0 THEN 4 ELSE 1 + i * i % 3 END] AS "the ""colour",
	CASE WHEN i * 37 % 101 + i % 7 * 9 > 70 THEN 'yes' ELSE 'no' END AS y, (i * 37 % 101) / 3.0::float8 + i % 7 AS price
FROM generate_series(1, 900) i;
SELECT recipe, version FROM ml_recipe('calls', 'SELECT id, amount, size, "the ""colour", y FROM raw', '[{"step": "null_if", "columns": ["amount"], "values": ["?"]}, {"step": "cast", "columns": ["amount"], "type": "double precision"},
	{"step": "impute", "columns": ["amount", "size"], "method": "mean", "indicator": true}, {"step": "scale", "columns": ["amount", "size"], "method": "standard"},
	{"step": "group_rare", "columns": ["the \"colour"], "min_share": 0.05}, {"step": "one_hot", "columns": ["the \"colour"]}]');
SELECT recipe, version FROM ml_recipe('calls of prices', 'SELECT id, amount, size, price FROM raw', '[{"step": "cast", "columns": ["amount"], "type": "double precision", "on_error": "null"},
	{"step": "impute", "columns": ["amount"], "method": "median"}, {"step": "log", "columns": ["size"], "shift": 1}]');
DO $$ BEGIN
	EXECUTE 'CREATE VIEW clean AS ' || ml_recipe_sql('calls');
	EXECUTE 'CREATE VIEW clean_prices AS ' || ml_recipe_sql('calls of prices');
END $$;
RESET client_min_messages;
\i sql/include/refuse.sql

SELECT version, rows FROM ml_train('with', 'SELECT id, amount, size, "the ""colour", y FROM raw', 'y', key => '{id}', recipe => 'calls', params => '{"n_estimators": 10}');
SELECT version, rows FROM ml_train('without', 'clean', 'y', key => '{id}', params => '{"n_estimators": 10}');
SELECT version, rows FROM ml_train('with quantiles', 'SELECT id, amount, size, price FROM raw', 'price', key => '{id}', recipe => 'calls of prices', params => '{"n_estimators": 10, "quantiles": true}');
SELECT version, rows FROM ml_train('without quantiles', 'clean_prices', 'price', key => '{id}', params => '{"n_estimators": 10, "quantiles": true}');
SELECT count(DISTINCT sha256) AS models FROM pgforest.versions WHERE model LIKE 'with%';

-- One row.
SELECT count(*), bool_and(ml_predict('with@1', raw) = ml_predict('without@1', clean)) AS label, bool_and(ml_predict_proba('with@1', raw) = ml_predict_proba('without@1', clean)) AS shares,
	bool_and(ml_predict('with@1', to_jsonb(raw)) = ml_predict('without@1', clean)) AS object FROM raw JOIN clean USING (id);
SELECT count(*), bool_and(ml_predict_quantile('with quantiles@1', raw, '{0.1,0.9}') = ml_predict_quantile('without quantiles@1', clean_prices, '{0.1,0.9}')) AS quantiles,
	bool_and(ml_predict_quantile('with quantiles@1', to_jsonb(raw), '{0.1,0.9}') = ml_predict_quantile('without quantiles@1', clean_prices, '{0.1,0.9}')) AS object
FROM raw JOIN clean_prices USING (id);
SELECT count(*), bool_and(a.prediction = b.prediction) AS prediction, bool_and(a.probabilities = b.probabilities) AS probabilities
FROM raw JOIN clean USING (id), ml_infer('with@1', to_jsonb(raw)) a, ml_infer('without@1', to_jsonb(clean)) b WHERE id <= 100;
SELECT ml_predict_json('with@1', jsonb_build_object('instances', jsonb_agg(to_jsonb(raw) ORDER BY id))) -> 'predictions' =
	(SELECT ml_predict_json('without@1', jsonb_build_object('instances', jsonb_agg(to_jsonb(clean) ORDER BY id))) -> 'predictions' FROM clean) AS request FROM raw;
CALL refuse($$ml_predict_json('with@1', '{"instances": [[1, 2, 3]]}')$$);
CALL refuse($$ml_predict('with@1', '{1,2,3}'::float8[])$$);
CALL refuse($$ml_predict_quantile('with quantiles@1', '{1,2,3}'::float8[], '{0.5}')$$);
CALL refuse($$ml_infer('with@1', '[1, 2, 3]')$$);
CALL refuse($$ml_predict('with@1', '{"amount": "7"}'::jsonb)$$);

-- All rows.
SELECT count(*) FROM ((SELECT * FROM ml_evaluate('with@1', 'raw') EXCEPT SELECT * FROM ml_evaluate('without@1', 'clean'))) d;
SELECT count(*) FROM ((SELECT * FROM ml_evaluate('with quantiles@1', 'raw') EXCEPT SELECT * FROM ml_evaluate('without quantiles@1', 'clean_prices'))) d;
SELECT count(*) FROM ((SELECT * FROM ml_confusion_matrix('with@1', 'raw') EXCEPT SELECT * FROM ml_confusion_matrix('without@1', 'clean'))) d;
SELECT count(*) FROM ((SELECT * FROM ml_roc_curve('with@1', 'raw') EXCEPT SELECT * FROM ml_roc_curve('without@1', 'clean'))) d;
SELECT count(*) FROM ((SELECT * FROM ml_calibration('with@1', 'raw') EXCEPT SELECT * FROM ml_calibration('without@1', 'clean'))) d;
CALL ml_score('with@1', 'SELECT * FROM raw WHERE id <= 500', 'scores', '{id}');
CALL ml_score('with@1', 'SELECT * FROM raw WHERE id > 400', 'scores', '{id}');
SELECT count(*), bool_and(prediction = ml_predict('without@1', clean)) AS same FROM scores JOIN clean USING (id);
SELECT count(*) FROM ((SELECT * FROM ml_drift('with@1', 'SELECT * FROM raw WHERE id > 300') EXCEPT SELECT * FROM ml_drift('without@1', 'SELECT * FROM clean WHERE id > 300'))) d;
SELECT feature, drifted FROM ml_drift('with@1', 'SELECT id, CASE WHEN id % 2 = 0 THEN ''?'' ELSE amount END AS amount, size, "the ""colour" FROM raw') WHERE drifted ORDER BY 1;
SELECT count(*) FROM ((SELECT * FROM ml_drift('with@1', 'SELECT * FROM raw WHERE id > 300', reference => 'raw') EXCEPT SELECT * FROM ml_drift('without@1', 'SELECT * FROM clean WHERE id > 300', reference => 'clean'))) d;
SELECT (SELECT ml_profile_agg('with@1', clean) FROM clean) = (SELECT ml_profile_agg('without@1', clean) FROM clean) AS same_profile;
SELECT * FROM ml_check('with@1', 'raw');
SELECT feature, problem, severity, detail FROM ml_check('with@1', 'SELECT id, amount, 1 AS more FROM raw');
SELECT feature, problem, severity, detail FROM ml_check('with@1', 'SELECT id, amount::int4 AS amount, ARRAY[size] AS size, y FROM raw WHERE amount <> ''?''');
SELECT feature, problem, severity, detail FROM ml_check('with@1', 'SELECT id, amount, size, "the ""colour", ARRAY[y] AS y FROM raw');
CALL refuse($$ml_evaluate('with@1', 'clean')$$);
CALL refuse($$ml_drift('with@1', 'clean')$$);
CALL ml_score('with@1', 'SELECT id, size FROM raw', 'other', '{id}');

SELECT version, promoted IS NOT NULL AS compared, rows FROM ml_retrain('with', promote => 'never');
SELECT version, recipe, sha256 = (SELECT sha256 FROM pgforest.versions WHERE model = 'without') AS same FROM pgforest.versions WHERE model = 'with' ORDER BY version;

-- Versions side by side, one of them without a recipe for its raw numbers only.
SELECT version FROM ml_train('with', 'SELECT id, amount, size, "the ""colour", y FROM raw', 'y', key => '{id}', recipe => 'calls', params => '{"n_estimators": 3, "max_depth": 2}');
SELECT version FROM ml_train('with', 'SELECT id, amount, size, "the ""colour", y FROM raw', 'y', exclude => '{amount,"the \"colour"}', key => '{id}', params => '{"n_estimators": 3}');
SELECT kind, name, first, second FROM ml_compare('with', 1, 3, resamples => 100) WHERE kind <> 'metric' AND name <> 'trained_at' AND first IS DISTINCT FROM second OR name = 'rows' ORDER BY 1, 2;
SELECT kind, name, first, second FROM ml_compare('with', 1, 4, 'raw', resamples => 100) WHERE kind <> 'metric' AND name <> 'trained_at' AND first IS DISTINCT FROM second OR name = 'rows' ORDER BY 1, 2;
SELECT version, promoted FROM ml_promote('with', 1);
SELECT version, promoted IS NOT NULL AS compared FROM ml_promote('with', 3, metric => 'accuracy');
SELECT version, promoted IS NOT NULL AS compared FROM ml_promote('with', 4, source => 'raw', metric => 'accuracy', max_regression => 0.9, by => '{y}', confidence => 0.9);
SELECT version, recipe FROM pgforest.versions WHERE model = 'with' ORDER BY version;
SELECT version, promoted IS NOT NULL AS compared, rows FROM ml_retrain('with', source => 'SELECT * FROM raw WHERE id > 100', promote => 'never');

-- Watched.
SELECT ml_monitor('calls', 'with@1', 'SELECT * FROM raw', truth => 'y', time_column => 'at', period => '10 days', since => '2024-05-01 00:00+00', threshold => 0.1, metric => 'accuracy');
CALL ml_watch() \gset
SELECT last_status, last_sqlstate, last_message FROM pgforest.monitors WHERE name = 'calls';
SELECT count(*), bool_and(value > 0.5) AS good FROM pgforest.metric_history WHERE monitor = 'calls' AND metric = 'accuracy' AND rows > 100;

-- Moved.
SELECT model, version FROM ml_import(ml_export('with@1'), 'moved');
SELECT count(*), bool_and(ml_predict_proba('moved@1', raw) = ml_predict_proba('with@1', raw)) AS same, (SELECT count(*) FROM (SELECT * FROM ml_evaluate('moved@1', 'raw') EXCEPT SELECT * FROM ml_evaluate('with@1', 'raw')) d) AS apart FROM raw;
SELECT count(*) FROM (SELECT * FROM ml_drift('moved@1', 'raw') EXCEPT SELECT * FROM ml_drift('with@1', 'raw')) d;
SELECT ml_drop_recipe('calls');
CALL refuse($$ml_retrain('moved', source => 'SELECT * FROM raw WHERE id > 100', promote => 'never')$$);
SELECT ml_predict('moved@1', raw) = ml_predict('with@1', raw) AS same FROM raw WHERE id = 9;

SELECT ml_drop_monitor('calls');
SELECT ml_drop(m) FROM unnest('{with,without,with quantiles,without quantiles,moved}'::text[]) m;
SELECT ml_drop_recipe('calls of prices');
DELETE FROM pgforest.alert;
DROP VIEW clean, clean_prices;
DROP TABLE raw, scores;
DROP PROCEDURE refuse;

-- Recipes, on hospital readmissions: raw rows arrive 15,000 at a time with '?' for what is missing, a recipe fitted on
-- the first of them cleans each batch, the model that was trained with it takes raw rows, and a later fit competes with it.
BEGIN;
\set found `test -r "$PGFOREST_DATA/diabetes_130_hospitals.csv.gz" && echo true || echo false`
SELECT CASE WHEN :found THEN plan(25) ELSE plan(1) END;
\if :found
CREATE TABLE arrived (place serial, encounter_id int, patient_nbr int, race text, gender text, age text, weight text,
	admission_type_id int, discharge_disposition_id int, admission_source_id int, time_in_hospital int,
	payer_code text, medical_specialty text, num_lab_procedures int, num_procedures int, num_medications int,
	number_outpatient int, number_emergency int, number_inpatient int, diag_1 text, diag_2 text, diag_3 text,
	number_diagnoses int, max_glu_serum text, a1c_result text, metformin text, repaglinide text, nateglinide text,
	chlorpropamide text, glimepiride text, acetohexamide text, glipizide text, glyburide text, tolbutamide text,
	pioglitazone text, rosiglitazone text, acarbose text, miglitol text, troglitazone text, tolazamide text,
	examide text, citoglipton text, insulin text, glyburide_metformin text, glipizide_metformin text,
	glimepiride_pioglitazone text, metformin_rosiglitazone text, metformin_pioglitazone text,
	change text, diabetes_med text, readmitted text);
SELECT string_agg(quote_ident(attname), ',') AS columns FROM pg_attribute
	WHERE attrelid = 'arrived'::regclass AND attnum > 1 \gset
\set copy '\\copy arrived(' :columns ') FROM PROGRAM ''gzip -dc "$PGFOREST_DATA/diabetes_130_hospitals.csv.gz"'' WITH (FORMAT csv, HEADER)'
:copy
CREATE TABLE raw (LIKE arrived);
INSERT INTO raw SELECT * FROM arrived WHERE place <= 30000;

\set steps '[{"step": "null_if", "columns": "categories", "values": ["?"]}, {"step": "drop", "columns": ["place", "weight", "payer_code", "examide", "citoglipton"]}, {"step": "cast", "columns": ["admission_type_id", "discharge_disposition_id", "admission_source_id"], "type": "text"}, {"step": "filter", "column": "discharge_disposition_id", "op": "not in", "values": [11, 13, 14, 19, 20, 21]}, {"step": "outliers", "columns": ["num_lab_procedures"], "method": "mad", "factor": 4}, {"step": "impute", "columns": ["race"], "method": "most_frequent"}, {"step": "group_rare", "columns": ["medical_specialty", "admission_source_id"], "min_share": 0.005}, {"step": "target_mean", "columns": ["diag_1", "diag_2", "diag_3"], "target": "readmitted", "positive": "<30", "key": ["patient_nbr"]}, {"step": "clip", "columns": ["number_outpatient", "number_emergency"], "method": "quantile", "high": 0.995}, {"step": "scale", "columns": ["num_medications", "num_lab_procedures", "time_in_hospital"], "method": "standard"}, {"step": "ordinal", "columns": ["age"]}, {"step": "one_hot", "columns": ["gender", "change"]}]'
SELECT is(rows, 30000::bigint, 'the recipe is fitted on two batches: ' || columns || ' columns become ' || clean_columns) FROM ml_recipe('readmission', 'raw', :'steps');
SELECT ok(created AND rows BETWEEN 28000 AND 29900, rows || ' of them are clean') FROM ml_clean('readmission', 'raw', 'clean', 'encounter_id');
SELECT is((SELECT count(*) FROM raw WHERE diag_1 = '?'), 8::bigint, 'raw rows stay as they are');
SELECT is((SELECT count(*) FROM clean WHERE race IS NULL OR diag_1 IS NULL), 0::bigint, '... clean ones are not missing what was imputed');
SELECT is((SELECT array_agg(DISTINCT age ORDER BY age) FROM clean), '{0,1,2,3,4,5,6,7,8,9}'::float8[], 'ages are numbers in their order');

-- Each further batch adds its own rows and nothing else.
CREATE TEMP TABLE first AS SELECT encounter_id, clean::text AS row FROM clean;
INSERT INTO raw SELECT * FROM arrived WHERE place > 30000 AND place <= 45000;
SELECT ok(NOT created AND rows BETWEEN 13000 AND 15000, rows || ' of the third batch are clean') FROM ml_clean('readmission', 'raw', 'clean', 'encounter_id');
SELECT is((SELECT count(*) FROM first JOIN clean USING (encounter_id) WHERE row = clean::text), (SELECT count(*) FROM first), 'the others are untouched');
INSERT INTO raw SELECT * FROM arrived WHERE place > 45000;
SELECT ok(rows > 50000, rows || ' of the rest') FROM ml_clean('readmission', 'raw', 'clean', 'encounter_id');
SELECT is(rows, 0::bigint, 'none twice') FROM ml_clean('readmission', 'raw', 'clean', 'encounter_id');
SELECT is((SELECT count(*) FROM clean), (SELECT count(*) FROM (SELECT encounter_id FROM clean GROUP BY 1) AS c), 'each encounter once');

-- The model that carries the recipe is the one of the clean table, but takes raw rows.
SELECT ok(rows BETWEEN (SELECT count(*) FROM clean) * 0.78 AND (SELECT count(*) FROM clean) * 0.82, 'trained on raw rows: ROC AUC ' || round(score::numeric, 4))
	FROM ml_train('readmission', 'raw', 'readmitted', key => '{patient_nbr}', exclude => '{encounter_id}', params => '{"n_estimators": 15, "min_samples_leaf": 5}', recipe => 'readmission');
SELECT is(version, 2, 'trained on clean rows') FROM ml_train('readmission', 'clean', 'readmitted', key => '{patient_nbr}', exclude => '{encounter_id}', params => '{"n_estimators": 15, "min_samples_leaf": 5}');
SELECT is((SELECT count(DISTINCT sha256) FROM pgforest.versions WHERE model = 'readmission'), 1::bigint, '... gives the same bytes');
SELECT is((SELECT recipe FROM pgforest.versions WHERE model = 'readmission' AND version = 1), 'readmission@1', 'the version says which recipe it carries');
SELECT ok((SELECT count(ml_predict('readmission@1', raw)) FROM raw WHERE place % 20 = 0) = (SELECT count(*) FROM raw WHERE place % 20 = 0), 'every raw row is answered, also those that training left out');
SELECT is((SELECT count(*) FROM (SELECT ml_predict_proba('readmission@1', raw) AS a, ml_predict_proba('readmission@1', to_jsonb(raw)) AS b FROM raw WHERE place % 50 = 0) AS p WHERE a IS DISTINCT FROM b), 0::bigint, 'a JSON object gets the answer of the row');
SELECT cmp_ok(value, '>=', 0.6::float8, 'measured on raw rows, ROC AUC: ' || round(value::numeric, 4)) FROM ml_evaluate('readmission@1', 'SELECT * FROM raw WHERE place > 90000') WHERE metric = 'roc_auc' AND class IS NULL;
SELECT ok(promoted, reason) FROM ml_promote('readmission', 1);

-- A new fit, on all rows but those of every fifth patient, for a new version; the old one keeps its own.
CREATE TEMP TABLE before AS SELECT place, ml_predict_proba('readmission', raw) AS p FROM raw WHERE place % 100 = 0;
SELECT is(version, 2, 'fitted again on ' || rows || ' rows') FROM ml_recipe('readmission', 'SELECT * FROM raw WHERE patient_nbr % 5 <> 0', :'steps');
SELECT is(version, 3, 'trained with it') FROM ml_train('readmission', 'raw', 'readmitted', key => '{patient_nbr}', exclude => '{encounter_id}', params => '{"n_estimators": 30, "min_samples_leaf": 5}', recipe => 'readmission');
SELECT is((SELECT count(*) FROM before JOIN raw USING (place) WHERE p = ml_predict_proba('readmission', raw)), (SELECT count(*) FROM before), 'version 1 answers as before');
SELECT ok(rows BETWEEN 19000 AND 21500 AND score IS NOT NULL AND previous_score IS NOT NULL, reason) FROM ml_promote('readmission', 3, metric => 'roc_auc', max_regression => 0.02, by => '{gender}');
SELECT lives_ok($$ SELECT ml_drop_recipe('readmission') $$, 'the recipe is dropped');
SELECT is((SELECT count(*) FROM before JOIN raw USING (place) WHERE p = ml_predict_proba('readmission@1', raw)), (SELECT count(*) FROM before), '... which changes no answer');
SELECT throws_ok($$ SELECT ml_predict('readmission@1', n) FROM (SELECT race, gender FROM raw LIMIT 1) AS n $$, '42703', NULL, 'columns that the recipe needs are an error when they are missing');
\else
SELECT skip('diabetes_130_hospitals.csv.gz is not in the folder that PGFOREST_DATA names');
\endif
SELECT * FROM finish();
ROLLBACK;

-- # Hospital readmission: many columns, three classes, patients who come back
--
-- 101,766 stays of patients with diabetes in 130 hospitals. Will the patient be readmitted within 30 days, later, or not at
-- all? Rows arrive 15,000 at a time over HTTP; raw and clean rows are kept apart; patients are split three ways; several
-- experiments compete, and the best goes to production by itself; each answer names the version that gave it.
--
-- This page is what [readmission.sql](readmission.sql) prints; the tests run it. By hand, as a superuser in a database of
-- its own, with a web server for the directory that has `diabetes_130_hospitals.csv.gz`:
--
--     python3 -m http.server 8000 --bind 127.0.0.1 --directory /data &
--     createdb readmission
--     psql -X -q -v ON_ERROR_STOP=1 -v url=http://127.0.0.1:8000 -d readmission -f docs/tutorials/readmission.sql
--
-- The data: [Diabetes 130-US Hospitals for Years 1999-2008](https://archive.ics.uci.edu/dataset/296/diabetes+130-us+hospitals+for+years+1999-2008)
-- by J. Clore et al., UCI data set 296, CC BY 4.0, with column names in small letters.

CREATE EXTENSION pgforest;
LOAD 'pgforest';
SET pgforest.progress_interval = 0;		-- nobody is waiting

-- ## Raw rows
--
-- Nothing is read from the network but what a superuser allows. The table is made from the first batch: `?` stands for a
-- missing value.

SET pgforest.url_allowed = :'url';
CALL ml_ingest('raw_encounter', :'url' || '/diabetes_130_hospitals.csv.gz', batch_size => 15000, max_batches => 1,
	create_table => true, format => '{"null": "?"}');
SELECT number, rows, rejected, end_byte FROM pgforest.batch;

-- What is missing, what is constant, what is only a number by its looks?

SELECT column_name, type, missing, distinct_values AS "distinct", frequent[1:3] AS frequent
FROM ml_describe('raw_encounter')
WHERE missing > 0 OR distinct_values = 1 OR column_name ~ '_id$|_nbr$|^age$|^readmitted$';

-- ## Train, validation, test
--
-- `ml_split` says by the hash of the patient to which part a row belongs. All stays of a patient are on one side, whenever
-- they arrive.

ALTER TABLE raw_encounter ADD part text GENERATED ALWAYS AS (ml_split(patient_nbr)) STORED;
SELECT part, count(*) AS encounters, count(DISTINCT patient_nbr) AS patients FROM raw_encounter GROUP BY part ORDER BY part;

-- ## Clean rows
--
-- A recipe makes clean rows of raw ones. The codes are names and not quantities, so they become text; the weight is hardly
-- ever known; who has died is not readmitted; diagnoses that are rare are put together. What is fitted (here, which ones are
-- rare) comes from the train rows only.

SELECT recipe, version, rows, columns, clean_columns FROM ml_recipe('readmission', 'SELECT * FROM raw_encounter WHERE part = ''train''', '[
	{"step": "filter", "column": "discharge_disposition_id", "op": "not in", "values": [11, 13, 14, 19, 20, 21]},
	{"step": "drop", "columns": ["weight", "examide", "citoglipton"]},
	{"step": "cast", "columns": ["admission_type_id", "discharge_disposition_id", "admission_source_id"], "type": "text"},
	{"step": "impute", "columns": ["race", "payer_code", "medical_specialty"], "method": "constant", "value": "unknown"},
	{"step": "group_rare", "columns": ["medical_specialty", "diag_1", "diag_2", "diag_3"], "min_share": 0.002}]');
SELECT rows, created FROM ml_clean('readmission', 'raw_encounter', 'encounter', key => 'encounter_id');
SELECT part, readmitted, count(*) FROM encounter GROUP BY part, readmitted ORDER BY part, readmitted \crosstabview part readmitted count

-- ## Experiments, and the best to production
--
-- A pipeline takes it from here. Its first run loads three more batches from the URL; then each combination of algorithm and
-- parameters is an experiment, a version of its own; the best by `roc_auc` on the validation rows goes to production, if it
-- reaches 0.65. The models carry the recipe: they are trained on what `ml_clean` makes of the raw rows, and take raw rows
-- when they predict.

SELECT step, kind FROM ml_pipeline('readmission', jsonb_build_object(
	'model', 'readmission',
	'source', :'url' || '/diabetes_130_hospitals.csv.gz', 'raw', 'raw_encounter', 'max_batches', 3, 'format', '{"null": "?"}'::jsonb,
	'recipe', 'readmission',
	'target', 'readmitted', 'key', 'patient_nbr', 'split', 'part', 'exclude', '["encounter_id"]'::jsonb,
	'candidates', '[
		{"algorithm": "random_forest", "params": {"n_estimators": 50, "min_samples_leaf": [5, 20]}},
		{"algorithm": "gradient_boosting", "params": {"learning_rate": [0.05, 0.1]}}]'::jsonb,
	'metric', 'roc_auc', 'gate', '{"threshold": 0.65}'::jsonb,
	'run_when_rows', 15000));
CALL ml_run('readmission');

-- The score of a training leaves out what the recipe's filter leaves out. The gate measures on all raw rows of the validation
-- part, since a prediction answers every row.

SELECT step, kind, status, version, rows, reason FROM pgforest.run_steps ORDER BY step;

-- Each experiment is kept, with its parameters, its measurements, the hash of the rows that it saw, and who did it when:

SELECT rank, version, algorithm, params ->> 'min_samples_leaf' AS leaf, params ->> 'learning_rate' AS rate, round(score::numeric, 4) AS roc_auc, bytes,
	left(data_fingerprint, 8) AS data, is_production
FROM pgforest.leaderboard WHERE model = 'readmission' ORDER BY rank;

-- The better forest and the best of all side by side, on the same validation rows and with the interval of the difference:

SELECT name, round(first::numeric, 4) AS first, round(second::numeric, 4) AS second, round(difference::numeric, 4) AS difference,
	round(low::numeric, 4) AS low, round(high::numeric, 4) AS high, better
FROM ml_compare('readmission', 2, 3, resamples => 200) WHERE kind = 'metric';

-- ## The test
--
-- The test rows have had no part in any of this: not in the recipe, not in training, not in the choice. They say what can
-- be expected.

SELECT metric, class, round(value::numeric, 4) AS value, round(baseline::numeric, 4) AS baseline
FROM ml_evaluate('readmission', 'SELECT * FROM raw_encounter WHERE part = ''test''')
WHERE metric IN ('roc_auc', 'accuracy') ORDER BY metric, class NULLS FIRST;
SELECT feature, round(importance::numeric, 3) AS importance FROM ml_importance('readmission') LIMIT 5;

-- ## Answers
--
-- `readmission` is always the version in production. All rows of a statement get the answer of the same one.

SELECT encounter_id, ml_predict('readmission', e) AS readmitted,
	round(ml_predict_proba('readmission', e, '<30')::numeric, 3) AS "within 30 days", version
FROM raw_encounter AS e, ml_resolve('readmission')
WHERE part = 'test' ORDER BY 3 DESC, 1 LIMIT 3;

-- An application sends JSON, as raw as it has it, and the answer says who gave it:

SELECT jsonb_pretty(ml_predict_json('readmission', jsonb_build_object('instances', jsonb_agg(to_jsonb(e) - 'readmitted')))) AS answer
FROM (SELECT * FROM raw_encounter WHERE part = 'test' ORDER BY encounter_id LIMIT 2) AS e;

-- `ml_infer` keeps the request and the answer as well:

SELECT prediction, version FROM raw_encounter AS e, ml_infer('readmission', to_jsonb(e) - 'readmitted', 'ward 7') WHERE encounter_id = 2278392;
SELECT request_id, model, version, prediction, features ->> 'age' AS age FROM pgforest.prediction_history;

-- ## The rest of the rows
--
-- The next call, of pg_cron or by hand, loads the last three batches and lets all candidates compete again, now with the
-- version in production.

CALL ml_run('readmission');
SELECT id, status, version, promoted, reason FROM pgforest.runs WHERE kind = 'pipeline' ORDER BY id;
SELECT number, rows, end_byte FROM pgforest.batch ORDER BY number;

-- The clean table takes what is new, and all of it is ready for whoever analyses it. Who answers now?

SELECT rows FROM ml_clean('readmission', 'raw_encounter', 'encounter', key => 'encounter_id');
SELECT * FROM ml_resolve('readmission');

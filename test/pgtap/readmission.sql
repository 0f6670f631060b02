-- Hospital readmission (Diabetes 130): rows arrive 15,000 at a time, become clean rows, and train
-- candidates; a patient stays on one side of the split; the better one goes to production, which
-- answers and says which version answered.
BEGIN;
\set found `test -r "$PGFOREST_DATA/diabetes_130_hospitals.csv.gz" && echo true || echo false`
SELECT CASE WHEN :found THEN plan(19) ELSE plan(1) END;
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
\set copy '\\copy arrived(' :columns ') FROM PROGRAM ''gzip -dc "$PGFOREST_DATA/diabetes_130_hospitals.csv.gz"'' WITH (FORMAT csv, HEADER, NULL ''?'')'
:copy
SELECT is((SELECT array[count(*), count(DISTINCT patient_nbr)] FROM arrived), '{101766,71518}', '101,766 encounters of 71,518 patients');

-- Codes are not quantities: the clean rows have them as text.  As many as have arrived so far.
CREATE TABLE batch (number int PRIMARY KEY, arrived_at timestamptz);
CREATE VIEW clean AS
	SELECT patient_nbr, race, gender, age, admission_type_id::text AS admission_type, discharge_disposition_id::text AS discharge,
		admission_source_id::text AS admission_source, time_in_hospital, payer_code, medical_specialty, num_lab_procedures,
		num_procedures, num_medications, number_outpatient, number_emergency, number_inpatient, diag_1, diag_2, diag_3,
		number_diagnoses, max_glu_serum, a1c_result, metformin, repaglinide, glimepiride, glipizide, glyburide, pioglitazone,
		rosiglitazone, examide, insulin, change, diabetes_med, readmitted
	FROM arrived WHERE place <= 15000 * (SELECT count(*) FROM batch);

INSERT INTO batch SELECT b, now() FROM generate_series(1, 2) AS b;
SELECT results_eq($$ SELECT version, task, features, rows BETWEEN 23000 AND 25000
	FROM ml_train('readmission', 'clean', 'readmitted', key => '{patient_nbr}', exclude => '{patient_nbr}',
		params => '{"n_estimators": 40, "min_samples_leaf": 5}', note => 'two batches') $$,
	$$ VALUES (1, 'classification', 32, true) $$, 'trained on two batches');
SELECT is((SELECT classes FROM pgforest.versions WHERE model = 'readmission'), '{<30,>30,NO}', 'three classes');
SELECT is((SELECT identity FROM pgforest.versions WHERE model = 'readmission'), '{patient_nbr}', 'split by patient');
SELECT ok(promoted, reason) FROM ml_promote('readmission', 1, note => 'the only one');

-- What an application asks for: the answer, how sure, and by which version.
PREPARE ask AS SELECT r.version, ml_predict('readmission', c), ml_predict_proba('readmission', c)
	FROM (SELECT * FROM clean ORDER BY patient_nbr LIMIT 1) AS c, ml_resolve('readmission') AS r;
SELECT results_eq('EXECUTE ask', $$ SELECT 1, ml_predict('readmission@1', c), ml_predict_proba('readmission@1', c)
	FROM (SELECT * FROM clean ORDER BY patient_nbr LIMIT 1) AS c $$, 'version 1 answers');
SELECT ok((SELECT bool_and(abs((SELECT sum(p) FROM unnest(shares) AS p) - 1) < 1e-9)
	FROM (SELECT ml_predict_proba('readmission', c) AS shares FROM clean AS c LIMIT 1000) AS s), 'probabilities sum to one');

-- The others arrive.  Categories come with them that version 1 has never seen.
INSERT INTO batch SELECT b, now() FROM generate_series(3, 7) AS b;
SELECT cmp_ok((SELECT count(DISTINCT diag_1) FROM clean WHERE diag_1 NOT IN (SELECT diag_1 FROM arrived WHERE place <= 30000 AND diag_1 IS NOT NULL)),
	'>', 50::bigint, 'new diagnoses');
SELECT is((SELECT count(ml_predict('readmission', c)) FROM clean AS c
	WHERE diag_1 NOT IN (SELECT diag_1 FROM arrived WHERE place <= 30000 AND diag_1 IS NOT NULL)),
	(SELECT count(*) FROM clean WHERE diag_1 NOT IN (SELECT diag_1 FROM arrived WHERE place <= 30000 AND diag_1 IS NOT NULL)),
	'... are answered all the same');
SELECT results_eq($$ SELECT version, rows BETWEEN 80000 AND 83000
	FROM ml_train('readmission', 'clean', 'readmitted', key => '{patient_nbr}', exclude => '{patient_nbr}',
		params => '{"n_estimators": 40, "min_samples_leaf": 5}', note => 'all batches') $$, $$ VALUES (2, true) $$, 'trained on all');
SELECT cmp_ok(value, '>=', 0.66::float8, 'ROC AUC: ' || round(value::numeric, 4))
	FROM ml_evaluate('readmission@2') WHERE metric = 'roc_auc' AND class IS NULL;
SELECT cmp_ok(value, '>=', baseline + 0.03, format('accuracy: %s, of the most frequent class: %s', round(value::numeric, 4), round(baseline::numeric, 4)))
	FROM ml_evaluate('readmission@2') WHERE metric = 'accuracy';
SELECT is_empty($$ SELECT metric, value, baseline FROM ml_evaluate('readmission@2')
	WHERE metric IN ('log_loss', 'brier') AND NOT value < baseline $$, 'probabilities are better than the shares of the classes');

-- The same patients are held out, however many rows there are: the two are compared on rows new to both.
SELECT ok(promoted AND version = 2 AND previous = 1 AND rows BETWEEN 19000 AND 21500 AND score > previous_score, reason)
	FROM ml_promote('readmission', metric => 'roc_auc', max_regression => 0.02, by => '{gender}', min_rows => 1000);
SELECT results_eq('EXECUTE ask', $$ SELECT 2, ml_predict('readmission@2', c), ml_predict_proba('readmission@2', c)
	FROM (SELECT * FROM clean ORDER BY patient_nbr LIMIT 1) AS c $$, 'the same statement is answered by version 2');
SELECT ok((SELECT feature IN ('number_inpatient', 'diag_1', 'diag_2', 'diag_3', 'discharge', 'medical_specialty')
	FROM ml_importance('readmission') LIMIT 1), 'what matters is what the literature has');
SELECT is((SELECT importance FROM ml_importance('readmission') WHERE feature = 'examide'), 0::float8, 'a constant column does not');

-- A column goes that the model needs, one comes that it does not know.
CREATE VIEW wider AS SELECT now() AS looked_at, * FROM clean;
SELECT is((SELECT ml_predict('readmission', w) FROM wider AS w ORDER BY patient_nbr LIMIT 1),
	(SELECT ml_predict('readmission', c) FROM clean AS c ORDER BY patient_nbr LIMIT 1), 'another column makes no difference');
SELECT throws_matching($$ SELECT ml_predict('readmission', n) FROM (SELECT patient_nbr, race, gender FROM clean) AS n LIMIT 1 $$,
	'(?i)column|feature', 'missing ones are an error');
\else
SELECT skip('diabetes_130_hospitals.csv.gz is not in the folder that PGFOREST_DATA names');
\endif
SELECT * FROM finish();
ROLLBACK;

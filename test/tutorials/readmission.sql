-- What the tutorial must have left behind.
SELECT no_plan();

SELECT results_eq('SELECT rows::int FROM pgforest.batch ORDER BY number', '{15000,15000,15000,15000,15000,15000,11766}'::int[], 'seven batches');
SELECT results_eq('SELECT count(*), count(DISTINCT encounter_id), count(DISTINCT patient_nbr) FROM raw_encounter',
	'VALUES (101766::bigint, 101766::bigint, 71518::bigint)', 'each row of the file is there once');
SELECT results_eq('SELECT readmitted, count(*)::int FROM raw_encounter GROUP BY readmitted ORDER BY readmitted COLLATE "C"',
	$$VALUES ('<30', 11357), ('>30', 35545), ('NO', 54864)$$, '... with its class');
SELECT is(count(*), 0::bigint, 'no value is a question mark') FROM raw_encounter AS r, jsonb_each_text(to_jsonb(r)) AS v WHERE encounter_id < 10000000 AND v.value = '?';
SELECT is(max(parts), 1::bigint, 'a patient is in one part')
FROM (SELECT count(DISTINCT part) AS parts FROM raw_encounter GROUP BY patient_nbr) AS p;
SELECT results_eq('SELECT count(*) FROM encounter', 'SELECT count(*) FROM raw_encounter WHERE discharge_disposition_id NOT IN (11, 13, 14, 19, 20, 21)',
	'the clean table has the rows that the filter leaves');

SELECT is(count(*), 8::bigint, 'eight experiments') FROM pgforest.versions WHERE model = 'readmission';
SELECT results_eq($$SELECT status, count(*)::int FROM pgforest.runs WHERE kind = 'pipeline' GROUP BY status$$, $$VALUES ('success', 2)$$, 'two runs');
SELECT is(algorithm, 'gradient_boosting', 'boosting is in production') FROM pgforest.leaderboard WHERE model = 'readmission' AND is_production;
SELECT cmp_ok(value, '>', 0.65::float8, 'its roc_auc on the test rows')
FROM ml_evaluate('readmission', 'SELECT * FROM raw_encounter WHERE part = ''test''') WHERE metric = 'roc_auc' AND class IS NULL;
SELECT is((ml_predict_json('readmission', jsonb_build_object('instances', jsonb_build_array(to_jsonb(e) - 'readmitted'))) ->> 'version')::int,
	(SELECT version FROM ml_resolve('readmission')), 'the answer names its version') FROM raw_encounter AS e WHERE encounter_id = 2278392;
SELECT is(count(*), 1::bigint, 'a captured request') FROM pgforest.prediction_history WHERE request_id = 'ward 7';

SELECT * FROM finish();

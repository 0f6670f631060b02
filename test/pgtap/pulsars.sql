-- Pulsar candidates (HTRU2): trained, measured, promoted by a gate, trained again when more candidates
-- have come, compared on rows that neither version has seen, promoted, rolled back.
BEGIN;
\set found `test -r "$PGFOREST_DATA/htru2.csv.gz" && echo true || echo false`
SELECT CASE WHEN :found THEN plan(24) ELSE plan(1) END;
\if :found
CREATE TABLE htru2 (mean_profile float8, std_profile float8, kurtosis_profile float8, skewness_profile float8,
	mean_dmsnr float8, std_dmsnr float8, kurtosis_dmsnr float8, skewness_dmsnr float8, class int);
\copy htru2 FROM PROGRAM 'gzip -dc "$PGFOREST_DATA/htru2.csv.gz"' WITH (FORMAT csv, HEADER)
SELECT is((SELECT array[count(*), sum(class)] FROM htru2), '{17898,1639}', '17,898 candidates, 1,639 of them pulsars');

-- The first two thirds have come, some of them not looked at yet.
CREATE TABLE candidate AS SELECT row_number() OVER (ORDER BY md5(htru2::text)) AS id, * FROM htru2;
CREATE TABLE seen AS SELECT * FROM candidate WHERE id <= 12000;
UPDATE seen SET class = NULL WHERE id % 100 = 0;
SELECT results_eq($$ SELECT version, task, algorithm, features, metric, score > 0.95, rows BETWEEN 9300 AND 9700
	FROM ml_train('pulsar', 'seen', 'class', key => '{id}', exclude => '{id}', note => 'the first ones') $$,
	$$ VALUES (1, 'classification', 'random_forest', 8, 'roc_auc', true, true) $$, 'trained');

-- How good is it?
SELECT cmp_ok(value, '>=', 0.85::float8, 'F1 of the pulsars: ' || round(value::numeric, 4))
	FROM ml_evaluate('pulsar@1') WHERE metric = 'f1' AND class = '1';
SELECT is_empty($$ SELECT metric, value, baseline FROM ml_evaluate('pulsar@1') WHERE class IS NULL AND (
	metric IN ('roc_auc', 'mcc', 'balanced_accuracy', 'f1') AND NOT value > baseline + 0.3
	OR metric = 'accuracy' AND NOT value > baseline + 0.05
	OR metric = 'log_loss' AND NOT value < baseline * 0.6 OR metric = 'brier' AND NOT value < baseline * 0.3) $$,
	'far better than a constant answer');
SELECT is((SELECT sum(count) FROM ml_confusion_matrix('pulsar@1')),
	(SELECT count(*) - (SELECT rows FROM pgforest.versions WHERE model = 'pulsar') FROM seen WHERE class IS NOT NULL)::numeric,
	'the confusion matrix counts the rows held out');
SELECT is((SELECT count FROM ml_confusion_matrix('pulsar@1') WHERE actual = '1' AND predicted = '1')::float8
		/ (SELECT sum(count) FROM ml_confusion_matrix('pulsar@1') WHERE actual = '1')::float8,
	(SELECT value FROM ml_evaluate('pulsar@1') WHERE metric = 'recall' AND class = '1'), '... and gives the recall');
SELECT is((SELECT round(sum(importance)::numeric, 9) FROM ml_importance('pulsar@1')), 1.000000000, 'importances sum to one');
SELECT ok((SELECT array_agg(feature) FROM (SELECT feature FROM ml_importance('pulsar@1') LIMIT 3) AS i) && '{kurtosis_profile,skewness_profile}',
	'... and the profile''s shape is what matters');
SELECT ok((SELECT bool_and(tpr >= previous) FROM (SELECT tpr, lag(tpr, 1, 0) OVER (ORDER BY threshold DESC) AS previous
	FROM ml_roc_curve('pulsar@1')) AS c), 'the ROC curve rises');

-- To production, by a gate.
SELECT ok(promoted AND previous IS NULL, reason) FROM ml_promote('pulsar', metric => 'f1', threshold => 0.8, min_rows => 1000);
SELECT is((SELECT version FROM ml_resolve('pulsar')), 1, 'version 1 answers');
CREATE VIEW alarm AS SELECT id, ml_predict_proba('pulsar', candidate, '1') AS likely FROM candidate
	WHERE id > 12000 AND ml_predict('pulsar', candidate) = '1';
SELECT cmp_ok((SELECT count(*) FILTER (WHERE class = 1)::float8 / count(*) FROM alarm JOIN candidate USING (id)), '>=', 0.88::float8,
	'nine of ten alarms for new candidates are pulsars');
SELECT is((SELECT count(*) FROM alarm WHERE likely < 0.5), 0::bigint, '... that are likely to be');

-- All have come, and are looked at.
INSERT INTO seen SELECT * FROM candidate WHERE id > 12000;
UPDATE seen SET class = c.class FROM candidate AS c WHERE c.id = seen.id AND seen.class IS NULL;
SELECT results_eq($$ SELECT version, features, rows > 14000 FROM ml_train('pulsar', 'seen', 'class', key => '{id}', exclude => '{id}') $$,
	$$ VALUES (2, 8, true) $$, 'trained again on more rows');
SELECT cmp_ok(value, '>=', 0.87::float8, 'F1 of the pulsars: ' || round(value::numeric, 4))
	FROM ml_evaluate('pulsar@2') WHERE metric = 'f1' AND class = '1';
SELECT ok((SELECT count(*) FROM pgforest.metrics WHERE model = 'pulsar' AND version = 1 AND set = 'validation') > 0,
	'what was measured of the first is kept');

-- The challenger meets the champion on rows that neither was trained on.
SELECT ok(rows BETWEEN 3300 AND 3900 AND promoted = (version = 2) AND promoted = (score > previous_score), reason)
	FROM ml_promote('pulsar', metric => 'f1');
SELECT is(promoted, false, 'no worse is not enough: ' || reason) FROM ml_promote('pulsar', metric => 'f1', threshold => 0.999);
SELECT ok(version = 2 AND previous IN (1, 2), 'by hand') FROM ml_promote('pulsar', 2);
SELECT is((SELECT version FROM ml_resolve('pulsar')), 2, 'version 2 answers');
SELECT is(version, 1, 'rolled back') FROM ml_rollback('pulsar');
SELECT is((SELECT version FROM ml_resolve('pulsar')), 1, 'version 1 answers again');
SELECT throws_ok($$ SELECT ml_drop('pulsar@1') $$, '2BP01', NULL, 'what is in production cannot be dropped');
SELECT is((SELECT versions FROM pgforest.models WHERE name = 'pulsar'), 2::bigint, 'both versions are kept');
\else
SELECT skip('htru2.csv.gz is not in the folder that PGFOREST_DATA names');
\endif
SELECT * FROM finish();
ROLLBACK;

-- What the tutorial must have left behind.
SELECT no_plan();
SELECT is(count(*), 150::bigint, 'the delivery') FROM delivery;
SELECT is(count(*), 70::bigint, 'of a hundred flowers seventy are to be trained on') FROM flower
WHERE id IN (SELECT id FROM delivery ORDER BY hashint4(id) LIMIT 100) AND ml_split(id, 0.7, 0) = 'train';
SELECT is(rows, 70::bigint, 'the recipe is fitted on these') FROM pgforest.recipes WHERE name = 'flower';
SELECT is(count(*), 70::bigint, 'seven experiments of five folds, twice') FROM pgforest.trials WHERE status = 'success';
SELECT is(array_agg(version || ' ' || algorithm ORDER BY version), ARRAY['1 random_forest','2 linear','3 random_forest','4 linear'],
	'the best of each algorithm is a version, of both runs') FROM pgforest.versions WHERE model = 'iris';
SELECT results_eq($$SELECT status FROM pgforest.runs WHERE kind = 'pipeline' ORDER BY id$$,
	$$VALUES ('success'), ('skipped'), ('success')$$, 'a run, one without enough rows, one with new rows');
SELECT cmp_ok(value, '>=', 0.9::float8, 'production has passed the threshold')
FROM ml_evaluate('iris') WHERE metric = 'balanced_accuracy' AND class IS NULL;
SELECT is(count(*), 1::bigint, 'the second run compared with production')
FROM pgforest.runs WHERE kind = 'pipeline' AND reason LIKE '%version 2%';
SELECT is(ml_predict('iris', to_jsonb(d) - 'petal_width' || '{"petal_width": null}'), ml_predict('iris', to_jsonb(d)),
	'a missing length is imputed by the model') FROM delivery d WHERE id = 10;
SELECT is(count(*), 50::bigint, 'one batch was scored') FROM answer;
SELECT cmp_ok(count(*), '>=', 45::bigint, '... mostly right') FROM answer a JOIN delivery d USING (id) WHERE a.prediction = d.species;
SELECT is(count(*), 0::bigint, 'the other was stopped') FROM answer WHERE id > 1000;
SELECT is(array_agg(feature ORDER BY feature), ARRAY['petal_length','petal_width'], 'for the features that had changed')
FROM ml_drift('iris', 'greenhouse', tests => 'ks') WHERE drifted AND feature LIKE '%al\_%';
SELECT results_eq($$SELECT event, state, model, version FROM pgforest.alerts$$, $$VALUES ('drift', 'open', 'iris', 2)$$, 'and its owner was told');
SELECT is(coalesce(current_setting('cron.database_name', true) = current_database(), false), EXISTS (SELECT FROM pgforest.schedules),
	'there is a schedule where pg_cron is');
SELECT finish();

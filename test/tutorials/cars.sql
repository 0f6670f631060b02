-- What the tutorial must have left behind.
SELECT no_plan();

SELECT is(count(*), 99187::bigint, 'each row of the file is there once') FROM car;
SELECT is(round(avg(price)::numeric, 2), 16805.35, '... with its price') FROM car;

SELECT results_eq($$SELECT algorithm FROM pgforest.versions WHERE model = 'price' ORDER BY version$$,
	'{linear,gradient_boosting,gradient_boosting}'::text[], 'three versions');
SELECT cmp_ok(b.score, '<', 0.6 * l.score, 'boosted trees are far ahead of the linear model')
FROM pgforest.versions AS b, pgforest.versions AS l WHERE b.model = 'price' AND b.version = 2 AND l.model = 'price' AND l.version = 1;
SELECT results_eq('SELECT to_version FROM pgforest.alias_history ORDER BY id', '{1,2,3}'::int[], 'each of them went to production in turn');

SELECT results_eq('SELECT count(*), count(DISTINCT id), min(version), max(version) FROM estimate', 'VALUES (19837::bigint, 19837::bigint, 2, 2)', 'a batch was scored by one version');
SELECT cmp_ok(sqrt(avg((prediction - price) ^ 2)), '<', 2200::float8, '... well') FROM estimate JOIN car USING (id);
SELECT results_eq('SELECT version, count(*)::int FROM pgforest.prediction_history GROUP BY version ORDER BY version',
	'VALUES (2, 9919), (3, 9919)', 'requests were captured, with who answered');
SELECT is(count(*), 0::bigint, '... and what ml_predict says') FROM pgforest.prediction_history AS p
WHERE p.prediction::float8 IS DISTINCT FROM ml_predict('price@' || p.version, p.features, NULL::float8);

SELECT set_eq('SELECT event, severity, state FROM pgforest.alerts', $$VALUES ('drift', 'warning', 'resolved'), ('metric', 'critical', 'resolved')$$,
	'the rise was found, and so was its end');

SELECT * FROM finish();

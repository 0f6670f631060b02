-- A platform for experiments: several values of a parameter make several versions, the best one that
-- is good enough goes to production, and answers in a batch, to a row and to a JSON document.
BEGIN;
\set found `test -r "$PGFOREST_DATA/iris.csv.gz" && echo true || echo false`
SELECT CASE WHEN :found THEN plan(18) ELSE plan(1) END;
\if :found
CREATE TABLE iris (sepal_length float8, sepal_width float8, petal_length float8, petal_width float8, species text);
\copy iris FROM PROGRAM 'gzip -dc "$PGFOREST_DATA/iris.csv.gz"' WITH (FORMAT csv, HEADER)
SELECT is((SELECT count(*) FROM iris), 150::bigint, '150 flowers');

-- Experiments.
SELECT is(t.version, depth, 'a version of depth ' || depth)
	FROM generate_series(1, 5) AS depth, ml_train('iris', 'iris', 'species', holdout => 0.3,
		params => jsonb_build_object('max_depth', depth), note => 'depth ' || depth) AS t;
SELECT is((SELECT array_agg(params ->> 'max_depth' ORDER BY version) FROM pgforest.versions WHERE model = 'iris'),
	'{1,2,3,4,5}'::text[], 'each is kept with its parameters');
SELECT is((SELECT count(DISTINCT data_fingerprint) FROM pgforest.versions WHERE model = 'iris'), 1::bigint, '... and they saw the same rows');
SELECT ok((SELECT bool_and(score >= next) FROM (SELECT score, lead(score, 1, 0) OVER (ORDER BY rank) AS next
	FROM pgforest.leaderboard WHERE model = 'iris') AS l), 'the leaderboard has the best first');

-- A gate that is too high, and one that is not.
SELECT is(promoted, false, 'not better than is possible: ' || reason) FROM ml_promote('iris', metric => 'accuracy', threshold => 1.01);
SELECT throws_ok($$ SELECT ml_predict('iris', iris) FROM iris $$, '55000', 'model "iris" has no production version', 'nothing answers yet');
SELECT ok(promoted AND score >= 0.9, format('version %s: %s', version, reason))
	FROM ml_promote('iris', metric => 'accuracy', threshold => 0.9, note => 'first of all');
SELECT is((SELECT reason IS NOT NULL AND from_version IS NULL AND role = current_user FROM pgforest.alias_history
	WHERE alias = 'production'), true, 'who, when and why is on record');

-- Batch and online.
SELECT cmp_ok((SELECT count(*) FROM iris WHERE ml_predict('iris', iris) = species), '>=', 142::bigint, 'nearly all flowers are known');
SELECT is_empty($$ SELECT FROM iris WHERE ml_predict('iris', iris) <> ml_predict('iris', to_jsonb(iris)) $$, 'a row and a document are answered alike');
SELECT is_empty($$ SELECT FROM iris WHERE ml_predict('iris', iris) <>
	ml_predict('iris', ARRAY[sepal_length, sepal_width, petal_length, petal_width]) $$, '... and an array');
SELECT is(ml_predict('iris', '{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}'::jsonb), 'setosa',
	'one flower');
SELECT ok(ml_predict('iris', '{"sepal_length": 5.1, "sepal_width": null, "petal_length": 1.4, "petal_width": 0.2}'::jsonb) = 'setosa',
	'... also when a value is missing');
\else
SELECT skip('iris.csv.gz is not in the folder that PGFOREST_DATA names');
\endif
SELECT * FROM finish();
ROLLBACK;

-- What the tutorial must have left behind, in the sandbox and in production.
\if :{?production}
\else
\set production dbname=production
\endif
SELECT jsonb_build_object('instances', jsonb_agg(pixels)) AS request,
	jsonb_build_object('instances', jsonb_agg(jsonb_build_object('pixels', pixels))) AS objects, jsonb_agg(ml_predict('digits', t)) AS answers
FROM (SELECT * FROM mnist_test LIMIT 200) AS t \gset
SELECT :'DBNAME' AS here_name, :'HOST' AS here_host, :'PORT' AS here_port \gset
\c -reuse-previous=on :production
SELECT jsonb_agg(model || '@' || version) AS models, max(sha256) AS sha FROM pgforest.versions \gset
SELECT max(database) AS origin FROM pgforest.origins \gset
SELECT count(*) AS images FROM pg_class WHERE relname ~ 'mnist' \gset
SELECT ml_predict_json('digits', :'request') AS response, ml_predict_json('digits', :'objects') AS of_objects \gset
\c :here_name :USER :here_host :here_port

SELECT no_plan();
SELECT is(count(*), 60000::bigint, 'all images') FROM mnist_train;
SELECT is(rows || ' ' || features, '60000 784', 'arrays of pixels are features') FROM pgforest.versions WHERE model = 'digits';
SELECT is(count(DISTINCT sha256), 1::bigint, 'workers and order change no byte') FROM pgforest.versions WHERE model = 'try';
SELECT cmp_ok(value, '>', 0.965::float8, 'accuracy on the test half')
FROM ml_evaluate('digits', 'mnist_test') WHERE metric = 'accuracy' AND class IS NULL;
SELECT is(:'models'::text, '["digits@1"]', 'production has the one model');
SELECT is(:'images'::int, 0, '... and no images');
SELECT is(:'sha'::text, sha256, '... with the bytes of the sandbox') FROM pgforest.versions WHERE model = 'digits';
SELECT is(:'origin'::text, current_database()::text, '... and knows where it is from');
SELECT is((:'response')::jsonb -> 'predictions', :'answers'::jsonb, 'it answers 200 images as the sandbox does');
SELECT is((:'of_objects')::jsonb, (:'response')::jsonb, '... in either form');
SELECT is((:'response')::jsonb -> 'version', '1'::jsonb, '... and says which version answered');
SELECT finish();

-- What the tutorial must have left behind.
SELECT no_plan();

SELECT results_eq('SELECT count(*), sum(class) FROM raw_candidate', 'VALUES (17898::bigint, 1639::bigint)', 'each row of the file is there once');
SELECT results_eq('SELECT rows::int FROM pgforest.batch ORDER BY number', '{3000,3000,3000,3000,3000,2898}'::int[], 'six batches');
SELECT ok(count(*) BETWEEN 5900 AND 5999, 'the filter left a few out') FROM clean_candidate;
SELECT ok(abs(avg(std_dmsnr)) < 0.1 AND abs(stddev(std_dmsnr) - 1) < 0.1, 'clean numbers are scaled') FROM clean_candidate;

SELECT results_eq($$SELECT status, count(*)::int FROM pgforest.runs WHERE kind = 'pipeline' GROUP BY status ORDER BY status$$,
	$$VALUES ('skipped', 1), ('success', 4)$$, 'four runs trained, one had nothing to train');
SELECT is(count(*), 17::bigint, 'one version by hand, four in each run') FROM pgforest.versions WHERE model = 'pulsar';
SELECT cmp_ok(value, '>', 0.85::float8, 'f1 of the pulsars') FROM ml_evaluate('pulsar') WHERE metric = 'f1' AND class = '1';
SELECT cmp_ok(count(*), '>=', 2::bigint, 'several versions were promoted') FROM pgforest.alias_history WHERE action = 'promote';
SELECT is(count(*), 0::bigint, '... each of them better than the one before')
FROM (SELECT regexp_match(reason, 'f1 (\S+) against (\S+) of') AS m FROM pgforest.alias_history WHERE from_version IS NOT NULL AND action = 'promote') AS s
WHERE m IS NULL OR m[1]::float8 <= m[2]::float8;
SELECT is(version, (SELECT from_version FROM pgforest.alias_history WHERE action = 'promote' ORDER BY id DESC LIMIT 1), 'back to the version before')
FROM ml_resolve('pulsar');

SELECT results_eq($$SELECT value < 0.9 FROM pgforest.metric_history WHERE monitor = 'nights' AND metric = 'f1' AND class IS NULL ORDER BY at$$,
	'{f,f,f,t,f}'::boolean[], 'the quality of the fourth night only is below the bound');
SELECT set_eq('SELECT event, state FROM pgforest.alerts', $$VALUES ('drift', 'resolved'), ('rows', 'resolved'), ('metric', 'resolved')$$,
	'three alerts were raised and resolved');
SELECT CASE WHEN count(*) = 0 THEN skip('pg_cron is not installed')
	ELSE (SELECT is(schedule, '0 3 * * *', 'scheduled') FROM pgforest.schedules) END
FROM pg_extension WHERE extname = 'pg_cron';

SELECT * FROM finish();

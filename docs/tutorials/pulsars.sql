-- # Pulsars: find the few among the many
--
-- A radio survey found 17,898 candidates, of which 1,639 are pulsars and the rest noise. The job: a model that finds
-- pulsars, that is measured by what matters when one in eleven is one, that is trained again as labels come in, that
-- reaches production only when it is good enough, and that says so when its quality falls.
--
-- This page is what [pulsars.sql](pulsars.sql) prints; the tests run it. By hand, as a superuser in a database of its own,
-- with the file `htru2.csv.gz` in a directory that the server can read:
--
--     createdb pulsars
--     psql -X -q -v ON_ERROR_STOP=1 -v data=/data -d pulsars -f docs/tutorials/pulsars.sql
--
-- The data: [HTRU2](https://archive.ics.uci.edu/dataset/372/htru2) by R. J. Lyon, UCI data set 372, CC BY 4.0, with a header line added.
-- Its columns are four statistics of the pulse profile, the same four of the DM-SNR curve, and the class.

CREATE EXTENSION pgforest;

-- ## The first batches
--
-- Raw rows go to a table as they come. Candidates have no identifier, so each gets a number.

CREATE TABLE raw_candidate (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	mean_profile float8, std_profile float8, kurtosis_profile float8, skewness_profile float8,
	mean_dmsnr float8, std_dmsnr float8, kurtosis_dmsnr float8, skewness_dmsnr float8, class int);
CALL ml_ingest('raw_candidate', :'data' || '/htru2.csv.gz', batch_size => 3000, max_batches => 2);

-- Each batch has committed by itself and is a row of the ledger. The next call goes on after the last one.

SELECT number, rows, rejected, start_byte, end_byte FROM pgforest.batch ORDER BY number;

-- What has come?

SELECT column_name, missing, round(mean::numeric, 2) AS mean, round(sd::numeric, 2) AS sd, round(min::numeric, 2) AS min,
	round(max::numeric, 2) AS max, histogram
FROM ml_describe('raw_candidate');

-- ## A noise filter and a scale
--
-- A recipe turns raw rows into clean ones. This one leaves candidates out whose profile is far from all others (by
-- the median absolute deviation), then brings all numbers to mean 0 and standard deviation 1. Its constants come from
-- these rows and stay; `ml_split` leaves the fifth of the candidates out that `ml_train` will hold out, by the same hash
-- of the same key. Trees do not need the scale; a linear model among the candidates would.

SELECT recipe, version, rows, clean_columns FROM ml_recipe('tidy', 'SELECT * FROM raw_candidate WHERE ml_split(id, 0.8, 0) = ''train''', '[
	{"step": "outliers", "columns": ["mean_profile", "std_profile"], "method": "mad", "factor": 5},
	{"step": "scale", "columns": "numbers", "except": ["id", "class"], "method": "standard"}]');
SELECT rows AS clean_rows FROM ml_clean('tidy', 'raw_candidate', 'clean_candidate', key => 'id');
SELECT class, count(*) AS raw, count(c.id) AS clean
FROM raw_candidate AS r LEFT JOIN clean_candidate AS c USING (id, class) GROUP BY class ORDER BY class;

-- ## Train, and measure what matters
--
-- A model that is trained with a recipe carries it and takes raw rows. `key` keeps a fifth of the candidates out of
-- training, the same ones in every later version.

SELECT version, rows, metric, round(score::numeric, 4) AS score
FROM ml_train('pulsar', 'raw_candidate', 'class', key => ARRAY['id'], recipe => 'tidy', note => 'two batches');

-- `baseline` is what the best constant answer reaches. To call everything noise is mostly right, so accuracy says little;
-- precision, recall and F1 of the class `1` say more.

SELECT metric, class, round(value::numeric, 4) AS value, round(baseline::numeric, 4) AS baseline
FROM ml_evaluate('pulsar@1')
WHERE class = '1' OR metric = 'accuracy' ORDER BY class NULLS FIRST, metric;
SELECT * FROM ml_confusion_matrix('pulsar@1') \crosstabview actual predicted count
SELECT feature, round(importance::numeric, 3) AS importance FROM ml_importance('pulsar@1') LIMIT 4;

-- ## A gate
--
-- `f1` of a whole model is the mean over both classes. Nothing is in production yet, so the threshold decides.

SELECT version, promoted, reason FROM ml_promote('pulsar', metric => 'f1', threshold => 0.99);
SELECT version, promoted, reason FROM ml_promote('pulsar', metric => 'f1', threshold => 0.9);

-- Plain `pulsar` is that version from now on.

SELECT id, ml_predict('pulsar', r) AS class, round(ml_predict_proba('pulsar', r, '1')::numeric, 3) AS probability
FROM raw_candidate AS r WHERE id <= 40 ORDER BY probability DESC, id LIMIT 3;

-- ## The same by itself, as batches come
--
-- A pipeline is all of this in one declaration: take one more batch of the file; when 2,500 rows have come since the
-- last training, train a forest of each combination of these parameters; promote the best if it reaches the threshold and
-- beats what is in production on the same rows, those of the new batch among them.

SELECT step, kind FROM ml_pipeline('pulsars', jsonb_build_object(
	'model', 'pulsar',
	'source', :'data' || '/htru2.csv.gz', 'raw', 'raw_candidate', 'batch_size', 3000, 'max_batches', 1,
	'recipe', 'tidy', 'target', 'class', 'key', 'id',
	'candidates', '[{"algorithm": "random_forest", "params": {"min_samples_leaf": [1, 3], "class_weight": [null, "balanced"]}}]'::jsonb,
	'metric', 'f1', 'gate', '{"threshold": 0.9}'::jsonb,
	'run_when_rows', 2500));

-- A call is a run, and each of its steps a row:

CALL ml_run('pulsars');
SELECT step, kind, status, version, rows, reason FROM pgforest.run_steps WHERE run = (SELECT max(run) FROM pgforest.run_steps) ORDER BY step;

-- Three more nights. The last batch is the rest of the file, and then there is nothing more to train on.

CALL ml_run('pulsars');
CALL ml_run('pulsars');
CALL ml_run('pulsars');
CALL ml_run('pulsars');
SELECT id, status, version, promoted, reason FROM pgforest.runs WHERE kind = 'pipeline' ORDER BY id;
SELECT rank, version, params ->> 'min_samples_leaf' AS leaf, params ->> 'class_weight' AS weight, rows, round(score::numeric, 4) AS roc_auc, is_production
FROM pgforest.leaderboard WHERE model = 'pulsar' ORDER BY rank LIMIT 5;

-- Each promotion has its reason:

SELECT from_version, to_version, reason FROM pgforest.alias_history ORDER BY id;

-- Where pg_cron is installed, the nightly call is one more statement:

SELECT count(*) > 0 AS has_cron FROM pg_available_extensions WHERE name = 'pg_cron' \gset
\if :has_cron
CREATE EXTENSION pg_cron;
SELECT ml_schedule('pulsars', '0 3 * * *') > 0 AS scheduled;
SELECT pipeline, schedule, active, command FROM pgforest.schedules;
\endif

-- ## Watch the quality
--
-- The next five nights come with their labels: candidates that no version was trained on. In the fourth night the receiver
-- is out of order, and the profiles come out a third as peaked; of the fifth nothing has come so far.

SELECT date_trunc('day', now(), 'UTC') AS today \gset
CREATE TABLE observation AS
SELECT timestamptz :'today' - interval '98 hours' + (id % 5) * interval '1 day' AS observed, r.*
FROM raw_candidate AS r WHERE ml_split(id, 0.8, 0) = 'test' AND id % 5 < 4;
UPDATE observation SET kurtosis_profile = kurtosis_profile / 3, skewness_profile = skewness_profile / 3, mean_profile = mean_profile + 20
WHERE observed >= timestamptz :'today' - interval '28 hours';

-- The monitor looks at each night: are there enough rows, are they like those of the training, is F1 at least 0.9?

SELECT ml_monitor('nights', 'pulsar', 'observation', truth => 'class', time_column => 'observed', period => '1 day',
	metric => 'f1', threshold => 0.9, min_rows => 300, since => timestamptz :'today' - interval '98 hours') \g /dev/null
CALL ml_watch();
SELECT row_number() OVER (ORDER BY at) AS night, rows, round(value::numeric, 4) AS f1, value < 0.9 AS alarm
FROM pgforest.metric_history WHERE monitor = 'nights' AND metric = 'f1' AND class IS NULL ORDER BY at;
SELECT event, severity, state, title FROM pgforest.alerts ORDER BY id;

-- An alert is told by `NOTIFY`, and over HTTP to whoever asked for it ([alerts.md](../alerts.md)). What has moved in the
-- fourth night:

SELECT feature, test, round(statistic::numeric, 3) AS statistic, round(effect::numeric, 3) AS effect
FROM pgforest.drift_history WHERE drifted AND monitor = 'nights' ORDER BY effect DESC NULLS LAST;

-- The receiver is repaired, and the fifth night comes late but sound. A window is looked at once, when it is over; declared
-- again with `since`, the monitor looks again from there on. The alerts resolve themselves.

INSERT INTO observation
SELECT timestamptz :'today' - interval '2 hours', r.* FROM raw_candidate AS r WHERE ml_split(id, 0.8, 0) = 'test' AND id % 5 = 4;
SELECT ml_monitor('nights', 'pulsar', 'observation', truth => 'class', time_column => 'observed', period => '1 day',
	metric => 'f1', threshold => 0.9, min_rows => 300, since => timestamptz :'today' - interval '2 hours') \g /dev/null
CALL ml_watch();
SELECT event, state, title FROM pgforest.alerts ORDER BY id;

-- ## Back
--
-- Should a version turn out bad all the same, one call takes the one before it:

SELECT previous > version AS back, reason FROM ml_rollback('pulsar');

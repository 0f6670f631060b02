-- # Iris: a platform on a small table
--
-- 150 flowers of three species, with four lengths: small enough to watch every step of a platform. Rows are imputed and
-- scaled by a recipe that goes along with the model. Several values of two parameters, and a linear model beside them, are
-- compared by cross-validation. A gate has a threshold and compares with production. The schedule does it again each night.
-- The model answers one flower at a time and whole batches, and a batch that is not like the training is stopped
-- and its owner told.
--
-- This page is what [iris.sql](iris.sql) prints; the tests run it. By hand, as a superuser in a database of its own, with the
-- file `iris.csv.gz` in a directory that the server can read:
--
--     createdb iris
--     psql -X -q -v ON_ERROR_STOP=1 -v data=/data -d iris -f docs/tutorials/iris.sql
--
-- The data: [Iris](https://archive.ics.uci.edu/dataset/53/iris) by R. A. Fisher, 1936, UCI data set 53, CC BY 4.0, with a
-- header line added.

CREATE EXTENSION IF NOT EXISTS pgforest;

-- ## Raw rows
--
-- The herbarium sends a file. In every tenth flower the petal was too flat to be measured.

CREATE TABLE delivery (id int GENERATED ALWAYS AS IDENTITY,
    sepal_length float8, sepal_width float8, petal_length float8, petal_width float8, species text);
CALL ml_ingest('delivery', :'data' || '/iris.csv.gz');
UPDATE delivery SET petal_width = NULL WHERE id % 10 = 0;

-- A botanist has told the species of a hundred of them; the others wait.

CREATE TABLE flower (LIKE delivery);
INSERT INTO flower SELECT * FROM delivery ORDER BY hashint4(id) LIMIT 100;

-- What is in a table is one call:

SELECT column_name, rows, missing, distinct_values AS "distinct", round(mean::numeric, 2) AS mean, round(sd::numeric, 2) AS sd, histogram
FROM ml_describe('flower');

-- ## A recipe: imputation and scaling
--
-- What is missing becomes the median, and numbers get mean 0 and standard deviation 1. The constants come from the rows to be
-- trained on: `ml_split` leaves those out that `ml_train` will hold out, by the same hash of the same key.

SELECT * FROM ml_recipe('flower', $$SELECT * FROM flower WHERE ml_split(id, 0.7, 0) = 'train'$$, '[
  {"step": "impute", "columns": "numbers", "except": ["id"], "method": "median"},
  {"step": "scale", "columns": "numbers", "except": ["id"], "method": "standard"}]');

-- Forests need neither; the linear model and many other tables do. `ml_recipe_sql('flower')` shows the query that the
-- recipe stands for, with the constants in it.

-- ## Experiments, cross-validation, a gate: a pipeline
--
-- Two parameters of a forest with a list of values each, and a linear model: seven experiments, each measured on five
-- folds of the rows that are not held out. The gate has a threshold for the flowers that are held out, and once a
-- version is in production a new one must also beat it. Declaring a pipeline checks all of it and shows the steps.

SELECT step, kind, left(statement, 130) || ' ...' AS statement FROM ml_pipeline('flowers', '{
  "model": "iris", "raw": "flower", "recipe": "flower", "target": "species", "key": "id", "holdout": 0.3,
  "candidates": [
    {"algorithm": "random_forest", "params": {"n_estimators": [10, 50], "max_depth": [1, 2, null]}},
    {"algorithm": "linear"}],
  "cross_validation": 5,
  "metric": "balanced_accuracy",
  "gate": {"threshold": 0.9},
  "run_when_rows": 30}');

-- `CALL ml_run` does them, each in a transaction of its own:

CALL ml_run('flowers');
SELECT step, kind, status, version, reason FROM pgforest.run_steps ORDER BY step;

-- The experiments stay in `pgforest.trials`, a row for each fold. The differences are smaller than the deviations: so few
-- flowers do not say which is best.

SELECT algorithm, params, round(avg(score)::numeric, 4) AS score, round(stddev(score)::numeric, 4) AS deviation
FROM pgforest.trials GROUP BY version, trial, algorithm, params ORDER BY avg(score) DESC, trial;

-- The best of each algorithm became a version. Which is in production, and since when, is in the leaderboard:

SELECT version, algorithm, metric, round(score::numeric, 4) AS score, rows, is_production, pipeline FROM pgforest.leaderboard ORDER BY version;

-- ## Every night
--
-- Where [pg_cron](https://github.com/citusdata/pg_cron) works in this database, a schedule is a call.
-- A night that finds fewer than 30 new flowers trains nothing.

SELECT coalesce(current_setting('cron.database_name', true) = current_database(), false) AS pg_cron_runs_here \gset
\if :pg_cron_runs_here
CREATE EXTENSION IF NOT EXISTS pg_cron;
SELECT ml_schedule('flowers', '0 3 * * *');
SELECT pipeline, schedule, active, command FROM pgforest.schedules;
\endif

-- Called by hand the same day, it finds nothing to do:

CALL ml_run('flowers');

-- ## Predict online
--
-- The model carries its recipe, so it takes a flower as it was measured, a missing length and all: in a query, or as a request of an
-- application.

SELECT ml_predict('iris', '{"sepal_length": 5.9, "sepal_width": 3.0, "petal_length": 5.1, "petal_width": null}'::jsonb) AS species;
SELECT jsonb_pretty(ml_predict_json('iris', '{"instances": [
  {"sepal_length": 5.9, "sepal_width": 3.0, "petal_length": 5.1, "petal_width": null},
  {"sepal_length": 4.9, "sepal_width": 3.1, "petal_length": 1.5, "petal_width": 0.2}]}')) AS answer;

-- ## Predict a batch
--
-- The flowers that nobody has looked at yet. `ml_score` tests first whether they are like those of the training, and writes one
-- row for each key, with the version that answered.

CREATE VIEW unknown AS
SELECT id, sepal_length, sepal_width, petal_length, petal_width FROM delivery WHERE id NOT IN (SELECT id FROM flower);
CALL ml_score('iris', 'unknown', 'answer', '{id}', on_drift => 'stop');
SELECT prediction, version, count(*) FROM answer GROUP BY prediction, version ORDER BY prediction;

-- ## New rows, and the comparison with production
--
-- The botanist comes back. Was the model right?

SELECT count(*) AS flowers, count(*) FILTER (WHERE a.prediction = d.species) AS correct FROM answer a JOIN delivery d USING (id);

-- With fifty more flowers in the table the pipeline trains, and the gate compares with production, on the same held-out flowers:

INSERT INTO flower SELECT * FROM delivery WHERE id NOT IN (SELECT id FROM flower);
CALL ml_run('flowers');
SELECT version, aliases, round(score::numeric, 4) AS score, rows FROM pgforest.versions ORDER BY version;

-- ## A batch that is not like the training
--
-- A greenhouse measures petals in inches. The test of Kolmogorov and Smirnov says which features are not
-- distributed as they were; what is predicted, a category, is tested by chi-squared:

CREATE TABLE greenhouse AS
SELECT 1000 + id AS id, sepal_length, sepal_width, petal_length / 2.54 AS petal_length, petal_width / 2.54 AS petal_width
FROM delivery WHERE id % 3 = 0;
SELECT feature, test, round(statistic::numeric, 3) AS statistic, round(p_value::numeric, 6) AS p_value, drifted
FROM ml_drift('iris', 'greenhouse', tests => 'ks');

-- `ml_score` tests by itself ([what it tests](../monitoring.md#which-differences-are-drift)). With `on_drift => 'stop'` it
-- then writes nothing, and tells the owner: a warning here, a `NOTIFY` to whoever listens, an alert that stays open until a batch is as it should be again
-- (and goes to the URLs of [`ml_alert_to`](../alerts.md), if there are any).

LISTEN pgforest_alert;
CALL ml_score('iris', 'greenhouse', 'answer', '{id}', on_drift => 'stop');
SELECT count(*) FROM answer WHERE id > 1000;
SELECT event, severity, state, model, version, title FROM pgforest.alerts;

-- ## Where to read on
--
-- [Recipes](../reference.md#recipes), [pipelines](../reference.md#retraining-and-pipelines), [gates](../gates.md),
-- [drift](../monitoring.md), [batches](../serving.md#batches), [alerts](../alerts.md).

-- # Used cars: prices that move
--
-- Prices of 99,187 used cars from nine makers in the United Kingdom. The job: estimate the price of a car by the algorithm that does it
-- best, let only a version into production whose error is small enough and no larger than before, answer single requests
-- and whole tables, and find out when the market has left the model behind.
--
-- This page is what [cars.sql](cars.sql) prints; the tests run it. By hand, as a superuser in a database of its own, with
-- the file `used_cars_uk.csv.gz` in a directory that the server can read:
--
--     createdb cars
--     psql -X -q -v ON_ERROR_STOP=1 -v data=/data -d cars -f docs/tutorials/cars.sql
--
-- The data: ["100,000 UK Used Car Data set"](https://www.kaggle.com/datasets/adityadesai13/used-car-dataset-ford-and-mercedes),
-- published as CC0 1.0, its nine files in one.

CREATE EXTENSION pgforest;
LOAD 'pgforest';
SET pgforest.progress_interval = 0;		-- nobody is waiting

-- ## Load

CREATE TABLE car (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	make text, model text, year int, price float8, transmission text, mileage float8, fuel_type text, tax float8, mpg float8, engine_size float8);
CALL ml_ingest('car', :'data' || '/used_cars_uk.csv.gz');
SELECT column_name, type, "distinct_values" AS "distinct", left(min, 12) AS min, left(max, 12) AS max, round(mean::numeric, 1) AS mean, histogram
FROM ml_describe('car');

-- A year of 2060 and engines of no size: the recipe makes the impossible NULL, which trees take as it is, and fills it in
-- for a linear model. Four in five cars have been sold already; the others are on offer.

CREATE VIEW sold AS SELECT * FROM car WHERE id % 5 > 0;
CREATE VIEW offer AS SELECT * FROM car WHERE id % 5 = 0;
SELECT recipe, version, rows FROM ml_recipe('car', 'SELECT * FROM sold WHERE ml_split(id) = ''train''', '[
	{"step": "null_if", "columns": ["engine_size"], "values": [0]},
	{"step": "null_if", "columns": ["year"], "values": [2060]},
	{"step": "impute", "columns": ["engine_size", "year"], "method": "median"},
	{"step": "scale", "columns": ["year", "mileage", "tax", "mpg", "engine_size"], "method": "standard"}]');

-- ## Boosted and linear, side by side

SELECT version, algorithm, rows, metric, round(score::numeric, 1) AS score, bytes
FROM ml_train('price', 'sold', 'price', 'linear', key => ARRAY['id'], recipe => 'car');
SELECT version, algorithm, rows, metric, round(score::numeric, 1) AS score, bytes
FROM ml_train('price', 'sold', 'price', 'gradient_boosting', key => ARRAY['id'], recipe => 'car', params => '{"n_estimators": 300, "max_leaf_nodes": 63}');

-- On the same held-out cars, with the interval that holds the difference in 95 of 100 cases. Metrics of prices are in pounds;
-- `mape` is the mean share of the price.

SELECT name, round(first::numeric, 3) AS linear, round(second::numeric, 3) AS boosted, round(low::numeric, 3) AS low, round(high::numeric, 3) AS high, better
FROM ml_compare('price', 1, 2, resamples => 200) WHERE kind = 'metric';

-- What a linear model says can be read; of the boosted trees there is the importance.

SELECT feature, kind, category, round(coefficient::numeric) AS pounds
FROM ml_coefficients('price@1') WHERE feature IN ('mileage', 'transmission') ORDER BY feature, kind, category;
SELECT feature, round(importance::numeric, 3) AS importance FROM ml_importance('price@2') LIMIT 5;

-- ## A gate: a threshold, and the best so far
--
-- An RMSE of 1,500 pounds is more than either can do. The linear model reaches 5,000, so it is the first in production; the boosted one
-- must be better than that.

SELECT version, promoted, reason FROM ml_promote('price', 1, metric => 'rmse', threshold => 1500);
SELECT version, promoted, reason FROM ml_promote('price', 1, metric => 'rmse', threshold => 5000);
SELECT version, previous, promoted, reason FROM ml_promote('price', metric => 'rmse', threshold => 2000, confidence => 0.95);

-- No way back to the linear one by mistake: 2 % more than the error of the version in force is allowed, on the whole and for each maker.

SELECT version, promoted, reason FROM ml_promote('price', 1, metric => 'rmse', max_regression => 0.02, by => ARRAY['make']);

-- ## Batches
--
-- `ml_score` writes the estimates of a whole table, with the version that gave them. It tests for drift first. Called again,
-- it adds what is new.

CALL ml_score('price', 'offer', 'estimate', '{id}');
SELECT e.id, make, c.model, year, round(prediction::numeric) AS estimate, price, version
FROM estimate AS e JOIN car AS c USING (id) WHERE e.id IN (2000, 20000, 50000) ORDER BY e.id;
SELECT round(sqrt(avg((prediction - price) ^ 2))) AS rmse FROM estimate JOIN car USING (id);

-- ## Requests
--
-- An application asks for one car at a time. `ml_infer` answers, and keeps what was asked and answered.

SELECT round(prediction::numeric) AS estimate, model, version FROM ml_infer('price', '{"make": "ford", "model": "Fiesta", "year": 2017, "mileage": 25000,
	"transmission": "Manual", "fuel_type": "Petrol", "tax": 145, "mpg": 58.9, "engine_size": 1.0}', 'web 1');
SELECT count(*) AS answered FROM offer AS c, ml_infer('price', to_jsonb(c) - 'price', 'car ' || id) WHERE id % 10 = 0;
SELECT request_id, version, round(prediction::numeric) AS estimate, features ->> 'model' AS car FROM pgforest.prediction_history ORDER BY id LIMIT 3;

-- ## The market moves
--
-- What the training rows were like is kept with each version, as its baseline:

SELECT feature, kind, rows, missing, round(mean::numeric, 1) AS mean, round(sd::numeric, 1) AS sd FROM ml_profile('price') WHERE feature IN ('mileage', 'make', '(prediction)', '(target)');

-- Then prices rise by 20 %. The cars are as they were, so no feature tells. But as soon as it is known at what price the first half
-- of the cars was sold, the target does.

CREATE TABLE sale AS
SELECT 1 AS month, id, make, model, year, 1.2 * price AS price, transmission, mileage, fuel_type, tax, mpg, engine_size
FROM offer WHERE id % 10 = 0;
SELECT feature, test, round(statistic::numeric, 3) AS statistic, round(threshold::numeric, 3) AS threshold, drifted
FROM ml_drift('price', 'sale') ORDER BY drifted DESC, effect DESC NULLS LAST LIMIT 4;

-- A monitor says so by itself, and how much larger the error has become. (Without a column of time it looks at all rows of its
-- source, here once a second at most; a day is more usual.)

SELECT ml_monitor('sales', 'price', 'SELECT * FROM sale WHERE month = (SELECT max(month) FROM sale)', truth => 'price',
	metric => 'rmse', max_regression => 0.2, period => '1 second') \g /dev/null
CALL ml_watch();
SELECT event, severity, state, title FROM pgforest.alerts ORDER BY id;

-- The captured requests, joined to what came true, say the same: estimates are too low by a sixth of the price.

SELECT p.version, count(*), round(sqrt(avg((p.prediction::float8 - s.price) ^ 2))) AS rmse, round(avg(p.prediction::float8 - s.price)) AS bias
FROM pgforest.prediction_history AS p JOIN sale AS s ON p.request_id = 'car ' || s.id GROUP BY p.version;

-- ## Train again
--
-- `ml_retrain` does once more what the newest version was trained as: boosted trees with their parameters, recipe and key, here on
-- what was sold at the new prices. Both versions meet on the held-out sales, and the new one takes over.

SELECT version, previous, promoted, reason, rows
FROM ml_retrain('price', source => 'SELECT * FROM sale WHERE month = 1', metric => 'rmse', threshold => 3500, max_regression => 0);

-- The other half is sold in the second month. No version was trained on those, the alerts resolve themselves, and the requests
-- show who answers since when.

INSERT INTO sale
SELECT 2 AS month, id, make, model, year, 1.2 * price AS price, transmission, mileage, fuel_type, tax, mpg, engine_size
FROM offer WHERE id % 10 = 5;
SELECT pg_sleep(1) \g /dev/null
CALL ml_watch();
SELECT event, state, title FROM pgforest.alerts ORDER BY id;
SELECT count(*) AS answered FROM sale AS c, ml_infer('price', to_jsonb(c) - 'price', 'car ' || id) WHERE month = 2;
SELECT p.version, count(*), round(sqrt(avg((p.prediction::float8 - s.price) ^ 2))) AS rmse, round(avg(p.prediction::float8 - s.price)) AS bias
FROM pgforest.prediction_history AS p JOIN sale AS s ON p.request_id = 'car ' || s.id GROUP BY p.version ORDER BY p.version;
SELECT version, algorithm, rows, round(score::numeric, 1) AS rmse, aliases FROM pgforest.versions WHERE model = 'price' ORDER BY version;

-- A dashboard reads the same from [views](../monitoring.md):

SELECT version, monitor, round(value::numeric) AS rmse, rows FROM pgforest.metric_history WHERE metric = 'rmse' ORDER BY measured_at;

-- ml_monitor and ml_watch: windows, metrics by the truth and before it, bounds, alerts that come and go.
CREATE SCHEMA regress_monitor;
SET search_path = regress_monitor, public;
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET timezone = 'UTC';
\i sql/include/refuse.sql

-- Cars that are sold day by day until today; from yesterday on they cost a fifth more.
CREATE TABLE today AS SELECT date_trunc('day', now()) AS at;
CREATE TABLE cars AS
SELECT i AS id, at - interval '6 days' + i * interval '144 seconds' AS sold, i % 11 AS age, i * 7919 % 100 AS miles,
       30000 - i % 11 * 2000 - i * 7919 % 100 * 50 + i * 104729 % 997 + 0.0 AS price
FROM today, generate_series(0, 3599) i;
SELECT version FROM ml_train('monitor price', 'SELECT * FROM cars WHERE id < 1200', 'price', exclude => '{id,sold}', key => '{id}', params => '{"n_estimators": 20}');
SELECT version FROM ml_promote('monitor price', 1);
UPDATE cars SET price = price * 1.2 WHERE sold >= (SELECT at - interval '1 day' FROM today);

SELECT ml_monitor('daily', 'monitor price', 'cars', truth => 'price', time_column => 'sold', max_regression => 0.5, min_rows => 100, since => at - interval '6 days') FROM today;
SELECT name, model, reference, owner = current_user AS mine, source, truth, time_column, period, delay, metric, max_regression, min_rows, drift, last_status FROM pgforest.monitors;
CALL ml_watch();
SELECT model, version, monitor, set, metric, rows, from_at - at AS from_at, until_at - h.today AS until_at, value > 5 * baseline_at AS much_worse
FROM (SELECT m.*, t.at AS today, (SELECT value FROM pgforest.metric_history WHERE set = 'validation' AND metric = 'rmse' AND model = m.model) AS baseline_at FROM pgforest.metric_history m, today t) h
WHERE monitor IS NOT NULL AND metric = 'rmse' ORDER BY h.at;
SELECT event, severity, state, model, version, monitor, count, details - 'value' - 'training' - 'from' - 'until' - 'drifted' AS details, key FROM pgforest.alerts ORDER BY id;
SELECT watched_until - at AS watched, measured_until - at AS measured, last_status, last_at BETWEEN now() - interval '1 minute' AND now() AS now FROM pgforest.monitors, today;
-- Nothing is due.
CALL ml_watch();

-- The metric recovers: the alert is resolved by the next window.
UPDATE cars SET price = price / 1.2 WHERE sold >= (SELECT at - interval '1 day' FROM today);
SELECT ml_monitor('daily', 'monitor price', 'cars', truth => 'price', time_column => 'sold', max_regression => 0.5, min_rows => 100, since => at - interval '1 day') FROM today;
CALL ml_watch();
SELECT event, state, count FROM pgforest.alerts ORDER BY id;
-- Declared anew it goes on where it was, and a monitor that is dropped takes its alerts back.
SELECT ml_monitor('daily', 'monitor price', 'cars', truth => 'price', time_column => 'sold', min_rows => 1000);
CALL ml_watch();
SELECT watched_until - at AS watched FROM pgforest.monitors, today;
SELECT ml_monitor('daily', 'monitor price', 'cars', truth => 'price', time_column => 'sold', min_rows => 1000, since => at - interval '1 day') FROM today;
CALL ml_watch();
SELECT event, state FROM pgforest.alerts WHERE event = 'rows' ORDER BY id;
-- Bounds: a threshold, and one that is learned from the first windows.
SELECT ml_drop_monitor('daily');
SELECT event, state FROM pgforest.alerts WHERE state = 'open';
UPDATE cars SET price = price * 1.2 WHERE sold >= (SELECT at - interval '1 day' FROM today);
SELECT ml_monitor('threshold', 'monitor price', 'cars', truth => 'price', time_column => 'sold', metric => 'r2', threshold => 0.95, drift => false, since => at - interval '2 days'),
       ml_monitor('learned', 'monitor price@1', 'cars', truth => 'price', time_column => 'sold', metric => 'mae', learn => 4, drift => false, since => at - interval '6 days'),
       ml_monitor('too loose', 'monitor price', 'cars', truth => 'price', time_column => 'sold', threshold => 1e6, max_regression => 1e6, learn => 10, drift => false, since => at - interval '2 days') FROM today;
CALL ml_watch();
SELECT event, monitor, state, regexp_replace(regexp_replace(title, '[0-9.]{3,}', '#', 'g'), '-?#', '#', 'g') AS title, details ?& '{metric,value,training,from,until,rows,set}' AS figures, details ? 'learned' AS learned, details ? 'threshold' AS threshold
FROM pgforest.alerts WHERE state = 'open' ORDER BY id;
SELECT ml_drop_monitor(name) FROM pgforest.monitors;

-- Too few rows, and none.
SELECT ml_monitor('few', 'monitor price', 'SELECT * FROM cars WHERE sold < (SELECT at - interval ''1 day 23 hours'' FROM regress_monitor.today)', time_column => 'sold', min_rows => 100, since => at - interval '3 days') FROM today;
CALL ml_watch();
SELECT event, monitor, title, count, details - 'from' - 'until' AS details FROM pgforest.alerts WHERE monitor = 'few' AND state = 'open';
SELECT ml_monitor('few', 'monitor price', 'cars', time_column => 'sold', min_rows => 100, since => at - interval '1 day') FROM today;
CALL ml_watch();
SELECT state FROM pgforest.alerts WHERE monitor = 'few';
SELECT ml_drop_monitor('few');

-- A long time without rows is passed over at once: of each stretch of empty windows the first is looked at, and the last when it lasts until now.
CREATE TABLE seldom AS SELECT c.id, t.sold, c.age, c.miles, c.price
FROM (SELECT * FROM cars ORDER BY id LIMIT 200) AS c,
    LATERAL (SELECT at - CASE WHEN c.id % 2 = 0 THEN interval '3000 days' ELSE interval '1000 days' END AS sold FROM today) AS t
UNION ALL SELECT -1, 'infinity', 1, 1, 1;
SELECT ml_monitor('seldom', 'monitor price', 'seldom', truth => 'price', time_column => 'sold', drift => false, since => at - interval '9000 days') FROM today;
CALL ml_watch();
SELECT a.at - t.at AS effective_at FROM pgforest.metric_history AS a, today AS t WHERE monitor = 'seldom' AND metric = 'rmse' ORDER BY 1;
SELECT event, count, title, (details ->> 'from')::timestamptz - at AS last_window FROM pgforest.alerts, today WHERE monitor = 'seldom' AND state = 'open';
CALL ml_watch();
SELECT ml_drop_monitor('seldom');

-- Truth that comes late: nothing is measured before it is there, and windows that have none yet are looked at again.
CREATE TABLE late AS SELECT id, sold, age, miles, NULL::float8 AS price FROM cars;
SELECT ml_monitor('late', 'monitor price', 'late', truth => 'price', time_column => 'sold', delay => '1 day', since => at - interval '4 days') FROM today;
CALL ml_watch();
SELECT watched_until - at AS watched, measured_until - at AS measured FROM pgforest.monitors, today;
CALL ml_watch();
UPDATE late SET price = cars.price FROM cars, today WHERE cars.id = late.id AND late.sold >= at - interval '3 days' AND late.sold < at - interval '2 days';
CALL ml_watch();
SELECT from_at - t.at AS from_at, rows FROM pgforest.metric_history, today t WHERE monitor = 'late' AND metric = 'rmse';
SELECT watched_until - at AS watched, measured_until - at AS measured FROM pgforest.monitors, today;
UPDATE late SET price = cars.price FROM cars WHERE cars.id = late.id;
CALL ml_watch();
SELECT from_at - t.at AS from_at, rows FROM pgforest.metric_history, today t WHERE monitor = 'late' AND metric = 'rmse' ORDER BY 1;
SELECT ml_drop_monitor('late');

-- Drift of a feature and of what is predicted with it; the target is tested where all of it is known.
CREATE TABLE drifting AS SELECT id, sold, least(age + CASE WHEN sold >= at - interval '2 days' AND sold < at - interval '1 day' THEN 4 ELSE 0 END, 10) AS age, miles, price FROM cars, today;
SELECT ml_monitor('drifts', 'monitor price', 'SELECT id, sold, age, miles FROM drifting', time_column => 'sold', since => at - interval '3 days') FROM today;
CALL ml_watch();
SELECT until_at - t.at AS until_at, feature, drifted, reference_rows > 0 AS reference, current_rows, h.at = until_at AS at, h.version FROM pgforest.drift_history h, today t WHERE monitor = 'drifts' ORDER BY h.at, h.feature COLLATE "C";
SELECT event, severity, state, title, count, details ? 'drifted' AS figures FROM pgforest.alerts WHERE monitor = 'drifts';
SELECT ml_drop_monitor('drifts');
-- What ml_check has against the rows.
CREATE TABLE broken AS SELECT id, sold, CASE WHEN sold < at - interval '1 day' OR id % 4 > 0 THEN age END AS age, CASE WHEN sold < at - interval '1 day' THEN miles ELSE -5 END AS miles FROM cars, today;
SELECT ml_monitor('quality', 'monitor price', 'broken', time_column => 'sold', drift => false, since => at - interval '2 days') FROM today;
CALL ml_watch();
SELECT event, severity, state, title, count, jsonb_path_query_array(details, '$.violations[*].problem') AS problems FROM pgforest.alerts WHERE monitor = 'quality';
SELECT ml_monitor('quality', 'monitor price', 'broken', time_column => 'sold', drift => false, since => at - interval '1 day', limits => '{"max_missing": 0.5, "features": {"miles": {"ignore": true}}}') FROM today;
CALL ml_watch();
SELECT state FROM pgforest.alerts WHERE monitor = 'quality';
SELECT ml_drop_monitor('quality');

-- Without a column of time all rows are looked at, each time that a period is over.
SELECT ml_monitor('whole', 'monitor price', 'SELECT * FROM cars', truth => 'price', period => '1 hour');
CALL ml_watch();
CALL ml_watch();
SELECT from_at, until_at = watched_until AS until_now, rows FROM pgforest.metric_history JOIN pgforest.monitors ON monitor = monitors.name WHERE monitor = 'whole' AND metric_history.metric = 'rmse';
SELECT ml_drop_monitor('whole');

-- Estimates, of shares that are calibrated, before the truth and against it.
CREATE TABLE seen AS
SELECT id, sold, age, miles, CASE WHEN (id * 15485863::bigint % 1000) / 1000.0 < 1 / (1 + exp((miles - 50) / 10.0)) THEN 'yes' ELSE 'no' END AS liked FROM cars;
SELECT version FROM ml_train('monitor liked', 'seen', 'liked', 'linear', exclude => '{id,sold}', key => '{id}', params => '{"calibration": "sigmoid"}');
SELECT version FROM ml_promote('monitor liked', 1);
SELECT ml_monitor('liked', 'monitor liked', 'seen', truth => 'liked', time_column => 'sold', delay => '1 day', metric => 'accuracy', threshold => 0.99, since => at - interval '3 days') FROM today;
CALL ml_watch();
SELECT metric, class, count(*), count(measured) AS measured, bool_and(abs(error) < 0.04) AS near FROM pgforest.estimates WHERE metric IN ('accuracy', 'roc_auc', 'f1', 'brier', 'log_loss') GROUP BY 1, 2 ORDER BY 1, 2 NULLS FIRST;
SELECT event, severity, state, regexp_replace(title, '[0-9.]{3,}', '#', 'g') AS title, details ->> 'set' AS set, key FROM pgforest.alerts WHERE monitor = 'liked' ORDER BY id;
SELECT ml_drop_monitor('liked');
-- Where nobody will know the truth, estimates alone are watched.
SELECT ml_monitor('guess', 'monitor liked', 'SELECT id, sold, age, miles FROM seen', time_column => 'sold', metric => 'accuracy', threshold => 0.5, since => at - interval '2 days') FROM today;
CALL ml_watch();
SELECT count(*), count(measured) AS measured, bool_and(estimated > 0.7) AS good FROM pgforest.estimates WHERE monitor = 'guess' AND metric = 'accuracy';
SELECT count(*) FROM pgforest.alerts WHERE monitor = 'guess';
SELECT ml_drop_monitor('guess');

-- One that fails does not keep the others from their turn, is told of, and is looked at again.
CREATE TABLE gone AS SELECT * FROM cars;
CREATE FUNCTION fail(price numeric) RETURNS numeric LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no price today' USING DETAIL = 'It is a holiday.', HINT = 'Come back tomorrow.'; END $$;
SELECT ml_monitor('a', 'monitor price', 'gone', truth => 'price', time_column => 'sold', drift => false, since => at - interval '1 day'),
       ml_monitor('b', 'monitor price', 'SELECT id, sold, age, miles, regress_monitor.fail(price) AS price FROM regress_monitor.cars', truth => 'price', time_column => 'sold', drift => false, since => at - interval '1 day'),
       ml_monitor('c', 'monitor price', 'cars', truth => 'price', time_column => 'sold', drift => false, since => at - interval '1 day') FROM today;
DROP TABLE gone;
CALL ml_watch();
SELECT name, last_status, last_sqlstate, last_message, last_detail, last_hint, watched_until = at AS watched FROM pgforest.monitors, today ORDER BY name;
SELECT event, severity, state, title, model, monitor, details, count FROM pgforest.alerts WHERE monitor IN ('a', 'b', 'c') ORDER BY id;
CREATE TABLE gone AS SELECT * FROM cars;
CALL ml_watch();
SELECT monitor, state, count FROM pgforest.alerts WHERE monitor IN ('a', 'b', 'c') ORDER BY id;
-- In a transaction block it is one transaction, and it can be in a function's.
BEGIN;
CREATE OR REPLACE FUNCTION fail(price numeric) RETURNS numeric LANGUAGE sql RETURN price;
CALL ml_watch();
ROLLBACK;
SELECT name, last_status FROM pgforest.monitors ORDER BY name;
SELECT ml_drop_monitor(name) FROM pgforest.monitors;

-- Rights: a monitor's query is run by who may run it.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_ml_one, regress_ml_two;
RESET client_min_messages;
CREATE ROLE regress_ml_one;
CREATE ROLE regress_ml_two;
GRANT USAGE ON SCHEMA regress_monitor TO regress_ml_one, regress_ml_two;
GRANT SELECT ON cars, today TO regress_ml_one;
SELECT ml_grant('monitor price', 'regress_ml_one', 'predict'), ml_grant('monitor price', 'regress_ml_two', 'predict');
SET ROLE regress_ml_one;
SELECT ml_monitor('mine', 'monitor price', 'cars', truth => 'price', time_column => 'sold', drift => false, since => at - interval '1 day') FROM today;
CALL refuse('ml_monitor(''other'', ''monitor liked'', ''cars'')');
SET ROLE regress_ml_two;
SELECT name, owner FROM pgforest.monitors;
CALL ml_watch();
CALL refuse('ml_drop_monitor(''mine'')');
CALL refuse('ml_monitor(''mine'', ''monitor price'', ''SELECT 1 AS age, 2 AS miles'')');
RESET ROLE;
CALL ml_watch();
SET ROLE regress_ml_one;
CALL ml_watch();
SELECT ml_drop_monitor('mine');
RESET ROLE;

-- Errors.
CALL refuse('ml_monitor(NULL, ''monitor price'', ''cars'')');
CALL refuse('ml_monitor(''m'', NULL, ''cars'')');
CALL refuse('ml_monitor(''m'', ''monitor price'', NULL)');
CALL refuse('ml_monitor(''m'', ''monitor price'', ''cars'', period => NULL)');
CALL refuse('ml_monitor('' '', ''monitor price'', ''cars'')');
CALL refuse('ml_monitor(repeat(''m'', 64), ''monitor price'', ''cars'')');
CALL refuse('ml_monitor(E''a\nb'', ''monitor price'', ''cars'')');
CALL refuse('ml_monitor(''m'', ''no such model'', ''cars'')');
CALL refuse('ml_monitor(''m'', ''monitor price'', ''no_such_table'')');
CALL refuse('ml_monitor(''m'', ''monitor price'', ''today'')');
CALL refuse('ml_monitor(''m'', ''monitor price'', ''cars'', truth => ''cost'', time_column => ''at'')');
CALL refuse('ml_monitor(''m'', ''monitor price'', ''SELECT *, ''''a''''::text AS cost FROM cars'', truth => ''cost'')');
CALL refuse('ml_monitor(''m'', ''monitor price'', ''cars'', truth => ''price'', time_column => ''age'')');
CALL refuse('ml_monitor(''m'', ''monitor price'', ''cars'', truth => ''price'', metric => ''accuracy'')');
CALL refuse('ml_monitor(''m'', ''monitor price'', ''cars'', threshold => 1)');
CALL refuse('ml_monitor(''m'', ''monitor price'', ''cars'', truth => ''price'', threshold => ''NaN'')');
CALL refuse('ml_monitor(''m'', ''monitor price'', ''cars'', truth => ''price'', max_regression => -1)');
CALL refuse('ml_monitor(''m'', ''monitor price'', ''cars'', truth => ''price'', learn => 2)');
CALL refuse('ml_monitor(''m'', ''monitor price'', ''cars'', min_rows => -1)');
CALL refuse('ml_monitor(''m'', ''monitor price'', ''cars'', period => ''1 month'')');
CALL refuse('ml_monitor(''m'', ''monitor price'', ''cars'', period => ''0'')');
CALL refuse('ml_monitor(''m'', ''monitor price'', ''cars'', delay => ''-1 day'')');
CALL refuse('ml_monitor(''m'', ''monitor price'', ''cars'', time_column => ''sold'', since => ''infinity'')');
CALL refuse('ml_monitor(''m'', ''monitor price'', ''cars'', limits => ''{"max_missin": 1}'')');
CALL refuse('ml_drop_monitor(NULL)');
CALL refuse('ml_drop_monitor(''no such monitor'')');
SELECT version FROM ml_train('monitor odd', 'cars', algorithm => 'isolation_forest', features => '{age,miles}', params => '{"n_estimators": 5}');
CALL refuse('ml_monitor(''m'', ''monitor odd@1'', ''cars'', truth => ''price'')');
BEGIN READ ONLY;
CALL refuse('ml_monitor(''m'', ''monitor price'', ''cars'')');
SAVEPOINT s;
CALL ml_watch();
ROLLBACK;

-- What belongs to a model goes with it; its alerts stay, resolved.
SELECT ml_monitor('anomalies', 'monitor odd@1', 'cars');
SELECT ml_monitor('none', 'monitor odd@1', 'SELECT * FROM cars WHERE false');
CALL ml_watch();
SELECT ml_drop('monitor price'), ml_drop('monitor liked'), ml_drop('monitor odd');
SELECT (SELECT count(*) FROM pgforest.monitor) AS monitors, (SELECT count(*) FROM pgforest.metric) AS metrics, count(*) > 0 AS alerts, bool_and(resolved_at IS NOT NULL) AS resolved FROM pgforest.alert;
SET client_min_messages = warning;
DELETE FROM pgforest.alert;
DROP OWNED BY regress_ml_one, regress_ml_two;
DROP ROLE regress_ml_one, regress_ml_two;
DROP SCHEMA regress_monitor CASCADE;

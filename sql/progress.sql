-- Where a training is: the interval of the notices, a notice, and the view without shared memory for it.
CREATE SCHEMA regress_progress;
SET search_path = regress_progress, public;
LOAD 'pgforest';

SELECT boot_val, unit FROM pg_settings WHERE name = 'pgforest.progress_interval';
\set VERBOSITY sqlstate
SET pgforest.progress_interval = -1;
SET pgforest.progress_interval = 'often';
SET pgforest.progress_interval = '30 days';
SET pgforest.progress_interval = '2 kB';
\set VERBOSITY default
SET pgforest.progress_interval = 0;
SET pgforest.progress_interval = '1.5s';
SHOW pgforest.progress_interval;
SET pgforest.progress_interval = '2min';
SELECT setting, unit, context FROM pg_settings WHERE name = 'pgforest.progress_interval';

-- A source that rests once, before its last row.
CREATE FUNCTION rest(seconds float8) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN pg_sleep(seconds); END $$;
CREATE FUNCTION train(name text, rest float8 DEFAULT 0) RETURNS int
BEGIN ATOMIC
    SELECT version FROM ml_train(name, format('SELECT i %% 10 AS a, i %% 2 AS y, CASE i WHEN 60 THEN rest(%s) END AS b FROM generate_series(1, 60) i', rest),
        'y', holdout => 0, params => '{"n_estimators": 3}');
END;

-- Nothing is said of a short training; nor of a long one when there is no interval.
SET pgforest.progress_interval = '2s';
SELECT train('short');
SET pgforest.progress_interval = 0;
SELECT train('silent', 0.5);
-- One that takes 2.2 seconds says so once.
SET pgforest.progress_interval = '2s';
SELECT train('it''s "größer"', 2.2);
-- Only to who wants to hear.
SET client_min_messages = warning;
SELECT train('unheard', 2.2);
RESET client_min_messages;
-- A training that fails takes its timer along.
SET pgforest.progress_interval = '100ms';
SET client_min_messages = error;
\set VERBOSITY terse
SELECT ml_train('failed', 'SELECT i % 2 AS y, 1 / (60 - i) AS a FROM generate_series(1, 60) i', 'y');
\set VERBOSITY default
RESET client_min_messages;
SELECT sum(length(ml_resolve::text)) > 0 AS quiet, count(pg_sleep(0.3)) FROM ml_resolve('short@1');

-- Others see a training only when the library was loaded at the start of the server.
SELECT * FROM pgforest.progress;
\set VERBOSITY sqlstate
SELECT * FROM pgforest.progress;
\set VERBOSITY default
CREATE ROLE regress_progress;
SET ROLE regress_progress;
SELECT has_table_privilege('pgforest.progress', 'SELECT');
RESET ROLE;
DROP ROLE regress_progress;

RESET pgforest.progress_interval;
SELECT count(ml_drop(name)) FROM pgforest.models;
\set VERBOSITY terse
DROP SCHEMA regress_progress CASCADE;

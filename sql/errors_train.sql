-- What ml_train refuses, and names of models and versions: each error with its SQLSTATE, detail and hint.
CREATE SCHEMA regress_errors_train;
SET search_path = regress_errors_train, public;

CREATE TABLE rows AS
SELECT i AS id, i % 10 AS a, i % 7 AS b, 'c' || i % 3 AS c, CASE WHEN i % 2 = 0 THEN 'even' ELSE 'odd' END AS y, i / 3.0 AS v
FROM generate_series(1, 200) i;
SELECT version FROM ml_train('m', 'rows', 'y', key => '{id}', params => '{"n_estimators": 3}');
SELECT version FROM ml_train('m', 'rows', 'y', key => '{id}', params => '{"n_estimators": 3}', seed => 1);
SELECT version FROM ml_train('value', 'rows', 'v', key => '{id}', params => '{"n_estimators": 3}');

\getenv here PG_ABS_SRCDIR
\set refuse :here '/sql/include/refuse.sql'
\ir :refuse

-- ml_train: arguments.
CALL refuse($$ml_train(NULL, 'rows', 'y')$$);
CALL refuse($$ml_train('e', NULL, 'y')$$);
CALL refuse($$ml_train('e', 'rows')$$);
CALL refuse($$ml_train('e', 'rows', 'y', algorithm => NULL)$$);
CALL refuse($$ml_train('e', 'rows', 'y', algorithm => 'random_forrest')$$);
CALL refuse($$ml_train('e', 'rows', 'y', algorithm => 'perceptron')$$);
CALL refuse($$ml_train('e', 'rows', 'y', task => 'clustering')$$);
CALL refuse($$ml_train('e', 'rows', 'y', task => 'regression')$$);
CALL refuse($$ml_train('e', 'rows', 'y', holdout => 1)$$);
CALL refuse($$ml_train('e', 'rows', 'y', holdout => -0.1)$$);
CALL refuse($$ml_train('e', 'rows', 'y', holdout => 'NaN')$$);
CALL refuse($$ml_train('e', 'rows', 'y', holdout => NULL)$$);
CALL refuse($$ml_train('e', 'rows', 'y', seed => NULL)$$);
CALL refuse($$ml_train('e', 'rows', 'y', features => ARRAY['a', NULL])$$);
-- Names of models.
CALL refuse($$ml_train('', 'rows', 'y')$$);
CALL refuse($$ml_train('   ', 'rows', 'y')$$);
CALL refuse($$ml_train('e@1', 'rows', 'y')$$);
CALL refuse($$ml_train('@', 'rows', 'y')$$);
CALL refuse($$ml_train(E'a\nb', 'rows', 'y')$$);
CALL refuse($$ml_train(repeat('x', 64), 'rows', 'y')$$);
-- Sources.
CALL refuse($$ml_train('e', 'row', 'y')$$);
CALL refuse($$ml_train('e', 'no_schema.rows', 'y')$$);
CALL refuse($$ml_train('e', 'other_db.public.rows', 'y')$$);
CALL refuse($$ml_train('e', 'a.b.c.d', 'y')$$);
CALL refuse($$ml_train('e', '', 'y')$$);
CALL refuse($$ml_train('e', ';', 'y')$$);
CALL refuse($$ml_train('e', '-- nothing', 'y')$$);
CALL refuse($$ml_train('e', 'my rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT * FORM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT * FROM row', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT nothing FROM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT * FROM rows; SELECT * FROM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT * FROM rows) AS r; DROP TABLE rows; --', 'y')$$);
CALL refuse($$ml_train('e', 'DELETE FROM rows RETURNING *', 'y')$$);
CALL refuse($$ml_train('e', 'WITH d AS (DELETE FROM rows RETURNING *) SELECT * FROM d', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT * INTO other FROM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT * FROM rows FOR UPDATE', 'y')$$);
CALL refuse($$ml_train('e', 'EXPLAIN SELECT * FROM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT $1 AS y', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT 1 AS a, 2 AS b, 3 AS a, 4 AS b, 5 AS y', 'y')$$);
CREATE SEQUENCE counter;
CREATE INDEX rows_id ON rows (id);
CALL refuse($$ml_train('e', 'counter', 'y')$$);
CALL refuse($$ml_train('e', 'rows_id', 'y')$$);
-- Columns.
CALL refuse($$ml_train('e', 'rows', 'Y')$$);
CALL refuse($$ml_train('e', 'rows', 'label')$$);
CALL refuse($$ml_train('e', 'rows', 'y', features => '{aa,b,nothing}', exclude => '{idd}', key => '{none}', weight => 'w', split => 's')$$);
CALL refuse($$ml_train('e', 'rows', 'y', features => '{a,a,y}', exclude => '{a}', key => '{id,id}', weight => 'y')$$);
CALL refuse($$ml_train('e', 'rows', 'y', features => '{}')$$);
CALL refuse($$ml_train('e', 'rows', 'y', exclude => '{id,a,b,c,v}')$$);
CALL refuse($$ml_train('e', 'rows', 'y', weight => 'c')$$);
CALL refuse($$ml_train('e', 'rows', 'y', split => 'a')$$);
CALL refuse($$ml_train('e', 'SELECT now() AS y, 1 AS a', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT ''{}''::json AS j, ''{}''::text[] AS t, 1 AS y', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT ''{}''::json AS j, 1 AS a, 1 AS y', 'y')$$);
-- Models.
CALL refuse($$ml_train('m', 'rows', 'v')$$);
CALL refuse($$ml_train('value', 'rows', 'y')$$);
-- Rows.
CALL refuse($$ml_train('e', 'SELECT * FROM rows WHERE false', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT a, NULL::text AS y FROM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT a, y, 0 AS w FROM rows', 'y', weight => 'w')$$);
CALL refuse($$ml_train('e', 'SELECT a, y, -1.5 AS w FROM rows', 'y', weight => 'w')$$);
CALL refuse($$ml_train('e', 'SELECT a, y, ''NaN''::float8 AS w FROM rows', 'y', weight => 'w')$$);
CALL refuse($$ml_train('e', 'SELECT a, y, ''infinity''::float8 AS w FROM rows', 'y', weight => 'w')$$);
CALL refuse($$ml_train('e', 'SELECT a, y, 1e-200 AS w FROM rows', 'y', weight => 'w')$$);
CALL refuse($$ml_train('e', 'SELECT a, y, NULL::int AS w FROM rows', 'y', weight => 'w')$$);
CALL refuse($$ml_train('e', 'SELECT a, y, ''learn'' || id % 2 AS s FROM rows', 'y', split => 's')$$);
CALL refuse($$ml_train('e', 'SELECT a, y, repeat(chr(8364), 30) AS s FROM rows', 'y', split => 's')$$);
CALL refuse($$ml_train('e', 'SELECT a, y, ''test'' AS s FROM rows', 'y', split => 's')$$);
CALL refuse($$ml_train('e', 'SELECT a, y, NULL::text AS s FROM rows', 'y', split => 's')$$);
CALL refuse($$ml_train('e', 'SELECT a, ''same'' AS y FROM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT a, repeat(chr(8364), 30) AS y FROM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT NULL::int AS x, NULL::int AS z, y FROM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT a, y, CASE y WHEN ''odd'' THEN ''train'' ELSE ''validation'' END AS s FROM rows', 'y', split => 's')$$);
CALL refuse($$ml_train('e', 'SELECT a, CASE WHEN id = 9 THEN ''NaN'' ELSE v END AS v FROM rows', 'v')$$);
CALL refuse($$ml_train('e', 'SELECT a, CASE WHEN id = 9 THEN ''-infinity'' ELSE v END::float8 AS v FROM rows', 'v')$$);
CALL refuse($$ml_train('e', 'SELECT (ARRAY[1, 2])[1:1 + (id > 5)::int] AS x, y FROM rows ORDER BY id', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT ''{}''::int[] AS x, y FROM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT NULL::int[] AS x, NULL::int[] AS z, y FROM rows', 'y', holdout => 0)$$);
CALL refuse($$ml_train('e', 'SELECT array_fill(1, ''{65535}'') AS x, y FROM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT 1 / (id - 9) AS a, y FROM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT i AS y, 1 AS a FROM generate_series(1, 70000) i', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT ''label'' || i AS y, 1 AS a FROM generate_series(1, 70000) i', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT i % 2 AS y, ''c'' || i AS c FROM generate_series(1, 70000) i', 'y')$$);
SET pgforest.train_memory = 512;
CALL refuse($$ml_train('e', 'SELECT i AS a, i % 2 AS y FROM generate_series(1, 30000) i', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT i AS a, i % 500 AS y FROM generate_series(1, 3000) i', 'y', task => 'classification', params => '{"oob_score": true}')$$);
CALL refuse($$ml_train('e', 'SELECT i AS a, i % 500 AS y FROM generate_series(1, 3000) i', 'y', task => 'classification', params => '{"oob_score": true}', holdout => 0)$$);
CALL refuse($$ml_train('e', 'SELECT i AS a, i % 500 AS y FROM generate_series(1, 3000) i', 'y', task => 'classification')$$);
SET parallel_setup_cost = 0;
SET min_parallel_table_scan_size = 0;
CREATE TABLE large AS SELECT i AS a, i % 2 AS y FROM generate_series(1, 30000) i;
ANALYZE large;
CALL refuse($$ml_train('e', 'large', 'y')$$);
RESET parallel_setup_cost;
RESET min_parallel_table_scan_size;
SET pgforest.train_memory = 1000;
CALL refuse($$ml_train('e', 'SELECT array_fill(i, ''{2000}'') AS a, i % 2 AS y FROM generate_series(1, 2000) i', 'y')$$);
SET pgforest.train_memory = 2100;
CALL refuse($$ml_train('e', 'SELECT random() AS a, i % 2 AS y FROM generate_series(1, 30000) i', 'y')$$);
RESET pgforest.train_memory;
SET default_transaction_read_only = on;
CALL refuse($$ml_train('e', 'rows', 'y')$$);
RESET default_transaction_read_only;

-- References.
CALL refuse($$ml_resolve('n')$$);
CALL refuse($$ml_resolve('valeu')$$);
CALL refuse($$ml_resolve('m')$$);
CALL refuse($$ml_resolve('m@3')$$);
CALL refuse($$ml_resolve('m@0')$$);
CALL refuse($$ml_resolve('m@99999999999999999999')$$);
CALL refuse($$ml_resolve('m@candidate')$$);
CALL refuse($$ml_resolve('m@Production')$$);
CALL refuse($$ml_resolve('m@')$$);
CALL refuse($$ml_resolve('m@1@2')$$);
CALL refuse($$ml_resolve('@1')$$);
SELECT version FROM ml_promote('m', 1, alias => 'champion');
CALL refuse($$ml_resolve('m@champoin')$$);
SELECT version FROM ml_promote('m', 1);

-- Nothing came of all this.
SELECT name, versions FROM pgforest.models ORDER BY name;
SELECT count(ml_drop(name)) FROM pgforest.models;
DROP SCHEMA regress_errors_train CASCADE;

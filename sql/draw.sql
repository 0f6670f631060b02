-- max_rows: a sample of the rows, the same ones every time.
CREATE SCHEMA regress_draw;
SET search_path = regress_draw, public;
\getenv here PG_ABS_SRCDIR
\set refuse :here '/sql/include/refuse.sql'
\ir :refuse

CREATE TABLE rows AS
SELECT i AS id, (hashint4extended(i, 1) & 1023)::int AS a, (hashint4extended(i, 2) & 65535) / 65536.0::float8 AS b,
       'c' || (hashint4extended(i, 3) & 7) AS c, CASE WHEN hashint4extended(i, 4) & 3 < 2 THEN 'yes' ELSE 'no' END AS y
FROM generate_series(1, 6000) i;
CREATE TABLE shuffled AS SELECT * FROM rows ORDER BY hashint4extended(id, 9);

CREATE FUNCTION train(name text, source text, max_rows int, split text DEFAULT NULL, key text[] DEFAULT NULL) RETURNS bigint
BEGIN ATOMIC
    SELECT rows FROM ml_train(name, source, 'y', exclude => '{id}', split => split, key => key,
                              params => jsonb_build_object('n_estimators', 5, 'max_rows', max_rows));
END;

-- Whatever the order, the memory and the plan.
SELECT train('draw', 'rows', 2000);
SELECT train('draw', 'shuffled', 2000);
SELECT train('draw', 'SELECT * FROM shuffled ORDER BY b', 2000);
SET pgforest.train_memory = 300;
SELECT train('draw', 'SELECT * FROM shuffled ORDER BY b', 2000);
RESET pgforest.train_memory;
ANALYZE rows;
SET parallel_setup_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT train('draw', 'rows', 2000);
SELECT train('draw', 'SELECT * FROM rows UNION ALL SELECT * FROM rows WHERE id < 0', 2000);
RESET parallel_setup_cost;
RESET min_parallel_table_scan_size;
SELECT count(DISTINCT sha256), count(DISTINCT data_fingerprint), count(*) FROM pgforest.versions WHERE model = 'draw';

-- A row that is not drawn is as if it were not there: its class is unknown.
SELECT train('rare', 'SELECT id, a, b, c, CASE WHEN id <= 12 THEN ''rare '' || id ELSE y END AS y FROM rows', 2000);
SELECT classes FROM pgforest.versions WHERE model = 'rare';

-- As many rows as there are, or more, are all of them.
SELECT train('all', 'rows', NULL);
SELECT train('all', 'rows', 6000);
SELECT train('all', 'rows', 7000);
SELECT count(DISTINCT sha256), count(*) FROM pgforest.versions WHERE model = 'all';

-- Parts of a split column are drawn alike; what has one key stays together.
SELECT train('split', 'SELECT *, CASE WHEN id % 10 = 0 THEN ''test'' WHEN id % 10 = 1 THEN ''validation'' ELSE ''train'' END AS part FROM rows',
             1000, 'part');
SELECT set, rows FROM pgforest.metrics WHERE model = 'split' AND metric = 'accuracy' ORDER BY set;
SELECT train('key', 'SELECT *, id % 60 AS k FROM rows', 1050, key => '{k}');
SELECT v.rows % 100 AS train, m.rows % 100 AS held_out FROM pgforest.versions v JOIN pgforest.metrics m USING (model, version)
WHERE model = 'key' AND m.metric = 'accuracy' AND set = 'validation';

-- It is one of the parameters.
SELECT params->'max_rows' AS max_rows FROM pgforest.versions WHERE model = 'all' ORDER BY version;
CALL refuse($$ml_train('e', 'rows', 'y', params => '{"max_rows": 0}')$$);
CALL refuse($$ml_train('e', 'rows', 'y', params => '{"max_rows": 0.5}')$$);
CALL refuse($$ml_train('e', 'rows', 'y', params => '{"max_row": 5}')$$);
CALL refuse($$ml_train('e', 'SELECT id % 3 AS a, y FROM rows', 'y', params => '{"max_rows": 500}')$$);
CALL refuse($$ml_train('e', 'SELECT a, y FROM rows WHERE id < 0', 'y', params => '{"max_rows": 500}')$$);
CALL refuse($$ml_train('e', 'SELECT a, y FROM rows, pg_sleep(0) WHERE random() < 0.5', 'y', params => '{"max_rows": 500}')$$);

-- The way out of too little memory.
SET pgforest.train_memory = 200;
CALL refuse($$ml_train('e', 'rows', 'y', exclude => '{id}')$$);
CALL refuse($$ml_train('e', 'rows', 'y', exclude => '{id}', params => '{"max_rows": 5000}')$$);
SELECT train('small', 'rows', 1000);
RESET pgforest.train_memory;

SELECT count(ml_drop(name)) FROM pgforest.models;
DROP SCHEMA regress_draw CASCADE;

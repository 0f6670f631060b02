-- The same rows, parameters and seed give the same bytes, however the rows come.
CREATE SCHEMA regress_same;
SET search_path = regress_same, public;
SET client_min_messages = warning;

CREATE FUNCTION u(i int, k int) RETURNS float8 IMMUTABLE RETURN (hashint4extended(i, k) & 65535) / 65536.0;

CREATE TABLE rows AS
SELECT i AS id, (u(i, 1) * 1000)::int AS a, u(i, 2) AS b, chr(97 + (u(i, 3) * 20)::int) AS c,
       CASE WHEN u(i, 4) < 0.1 THEN NULL ELSE u(i, 5) END AS d,
       CASE WHEN u(i, 1) + u(i, 2) + (u(i, 3) > 0.5)::int + u(i, 6) / 2 > 1.7 THEN 'yes' ELSE 'no' END AS y
FROM generate_series(1, 8000) i;

-- One version a call, all of one model, so that their bytes can be compared.
CREATE FUNCTION train(name text, source text, holdout float8 DEFAULT 0.2, seed bigint DEFAULT 0,
                      params jsonb DEFAULT '{"n_estimators": 40, "max_features": 4}') RETURNS int
BEGIN ATOMIC
    SELECT version FROM ml_train(name, source, 'y', exclude => '{id}', holdout => holdout, seed => seed, params => params);
END;
CREATE FUNCTION compare(name text) RETURNS TABLE (version int, same_bytes boolean, same_rows boolean, rows bigint)
BEGIN ATOMIC
    SELECT v.version, v.sha256 = f.sha256, v.data_fingerprint = f.data_fingerprint, v.rows
    FROM pgforest.versions v, pgforest.versions f
    WHERE v.model = name AND f.model = name AND f.version = 1 ORDER BY 1;
END;

SET pgforest.train_workers = 0;
SELECT train('same', 'rows') AS as_it_is;

CREATE TABLE shuffled AS SELECT * FROM rows ORDER BY hashint4extended(id, 99);
SELECT train('same', 'shuffled') AS shuffled;
UPDATE shuffled SET a = a WHERE id % 3 = 0;
VACUUM FULL shuffled;
SELECT train('same', 'shuffled') AS rewritten;

CREATE TABLE parted (LIKE rows) PARTITION BY HASH (id);
SELECT format('CREATE TABLE parted%s PARTITION OF parted FOR VALUES WITH (MODULUS 7, REMAINDER %s)', i, i)
FROM generate_series(0, 6) i \gexec
INSERT INTO parted SELECT * FROM rows;
SELECT train('same', 'parted') AS seven_partitions;

SELECT train('same', 'SELECT * FROM rows') AS query;
SELECT train('same', 'SELECT a, b, c, d, y, id FROM shuffled ORDER BY b') AS sorted;

-- Integers of any width are the same numbers.
CREATE TABLE wide AS SELECT id, a::bigint AS a, b, c::varchar(5) AS c, d::float8 AS d, y::varchar AS y FROM rows;
SELECT train('same', 'wide') AS wider_types;

-- Parallel workers; the training is large enough to start them.
SET pgforest.train_workers = 1;
SELECT train('same', 'rows') AS one_worker;
SET pgforest.train_workers = 2;
SELECT train('same', 'rows') AS two_workers;
RESET pgforest.train_workers;
SELECT train('same', 'rows') AS workers_by_default;

-- Two passes over the rows, since their values do not fit.
SET pgforest.train_memory = 640;
SELECT train('same', 'rows') AS two_passes;
SELECT train('same', 'shuffled') AS two_passes_shuffled;
RESET pgforest.train_memory;

SELECT * FROM compare('same');

-- The order of the features is the caller's choice, and part of the model; so are these.
SELECT train('other', 'rows') AS as_it_is;
SELECT train('other', 'SELECT d, c, b, a, y, id FROM rows') AS other_order;
SELECT train('other', 'rows', seed => 1) AS other_seed;
SELECT train('other', 'rows', holdout => 0.3) AS other_holdout;
SELECT train('other', 'rows', params => '{"n_estimators": 41, "max_features": 4}') AS one_tree_more;
SELECT train('other', 'SELECT * FROM rows WHERE id <> 1') AS one_row_less;
SELECT train('other', 'SELECT id, a, b, c, d, CASE WHEN id < 9 THEN ''no'' ELSE y END AS y FROM rows') AS some_labels;
SELECT * FROM compare('other');

-- Rows that are there more than once, and rows that are equal but for the target.
CREATE TABLE twins AS
SELECT id % 40 AS a, id % 3 AS b, CASE WHEN id % 7 = 0 THEN 1 ELSE id % 2 END AS y FROM rows WHERE id <= 1000;
CREATE TABLE twins_shuffled AS SELECT * FROM twins ORDER BY hashint4extended(a * 7 + b, 5), y;
CREATE FUNCTION train_twins(source text) RETURNS int
BEGIN ATOMIC
    SELECT version FROM ml_train('twins', source, 'y', params => '{"n_estimators": 10}');
END;
SELECT train_twins('twins') AS as_it_is;
SELECT train_twins('twins_shuffled') AS shuffled;
SET pgforest.train_memory = 64;
SELECT train_twins('SELECT * FROM twins ORDER BY b DESC, y, a') AS sorted;
RESET pgforest.train_memory;
SELECT * FROM compare('twins');

-- With a key that several rows share, ties are settled by the rows themselves.
SELECT version FROM ml_train('keyed', 'SELECT id % 50 AS k, a, b, y FROM rows WHERE id <= 2000', 'y', key => '{k}',
                             params => '{"n_estimators": 10}');
SELECT version FROM ml_train('keyed', 'SELECT id % 50 AS k, a, b, y FROM shuffled WHERE id <= 2000', 'y', key => '{k}',
                             params => '{"n_estimators": 10}');
SELECT * FROM compare('keyed');

-- Regression, with weights.
SELECT version FROM ml_train('value', 'SELECT a, b, c, d, b * 3 + a AS y, 1 + id % 4 AS w FROM rows WHERE id <= 3000', 'y',
                             weight => 'w', params => '{"n_estimators": 20}');
SET pgforest.train_workers = 2;
SELECT version FROM ml_train('value', 'SELECT d, c, b * 3 + a AS y, 1 + id % 4 AS w, b, a FROM shuffled WHERE id <= 3000', 'y',
                             features => '{a,b,c,d}', weight => 'w', params => '{"n_estimators": 20}');
SELECT * FROM compare('value');

-- Rows are read as they are stored where that can be done, with and without nulls, and by several processes.
RESET pgforest.train_workers;
CREATE TABLE numbers AS
SELECT i AS id, u(i, 1) AS f8, (u(i, 2) * 100)::smallint AS i2, u(i, 3)::float4 AS f4, (u(i, 4) * 9e18)::bigint AS i8,
       CASE i % 50 WHEN 0 THEN date 'infinity' WHEN 1 THEN date '-infinity' ELSE date '2020-01-01' + (u(i, 5) * 1000)::int END AS day,
       CASE i % 60 WHEN 0 THEN 'infinity' ELSE timestamp '2020-01-01' + u(i, 6) * interval '1 year' END AS at,
       u(i, 7) > 0.5 AS flag, CASE i % 70 WHEN 0 THEN 'NaN' WHEN 1 THEN '-infinity' WHEN 2 THEN '-0' ELSE round((u(i, 8) * 3)::numeric)::float8 END AS few,
       (u(i, 1) + u(i, 9) > 1)::int AS y
FROM generate_series(1, 3000) i;
CREATE TABLE holes AS
SELECT id, CASE WHEN id % 7 > 0 THEN f8 END AS f8, CASE WHEN id % 6 > 0 THEN i2 END AS i2, f4, CASE WHEN id % 5 > 0 THEN i8 END AS i8,
       CASE WHEN id % 7 > 0 THEN day END AS day, at, CASE WHEN id % 9 > 0 THEN flag END AS flag, CASE WHEN id % 4 > 0 THEN few END AS few, y
FROM numbers;
CREATE FUNCTION train_stored(name text, source text) RETURNS int
BEGIN ATOMIC
    SELECT version FROM ml_train(name, source, 'y', features => '{f8,i2,f4,i8,day,at,flag,few}', params => '{"n_estimators": 10}');
END;
CREATE TABLE noted AS SELECT repeat('note', id % 5) AS note, few, y, at, f8, flag, i8, day, i2, f4 FROM numbers;
CREATE TABLE dropped AS SELECT id AS gone, * FROM holes;
ALTER TABLE dropped DROP COLUMN gone;
CREATE TABLE added AS TABLE holes;
ALTER TABLE added ADD COLUMN more int DEFAULT 7;
SELECT train_stored('stored', 'SELECT * FROM numbers ORDER BY f8') AS as_a_query;
SELECT train_stored('stored', 'numbers') AS fixed_lengths;
SELECT train_stored('stored', 'noted') AS behind_a_text;
SELECT train_stored('holes', 'SELECT * FROM holes ORDER BY f8') AS as_a_query;
SELECT train_stored('holes', 'holes') AS nulls;
SELECT train_stored('holes', 'dropped') AS behind_a_dropped_column;
SELECT train_stored('holes', 'added') AS before_an_added_column;
SET parallel_setup_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT train_stored('stored', 'numbers') AS fixed_lengths;
SELECT train_stored('stored', 'noted') AS behind_a_text;
SELECT train_stored('holes', 'holes') AS nulls;
SELECT train_stored('holes', 'dropped') AS behind_a_dropped_column;
RESET parallel_setup_cost;
RESET min_parallel_table_scan_size;
SELECT * FROM compare('stored');
SELECT * FROM compare('holes');

SELECT count(ml_drop(name)) FROM pgforest.models;
DROP SCHEMA regress_same CASCADE;

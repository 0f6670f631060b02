-- What is in the columns of a source.
CREATE SCHEMA regress_describe;
SET search_path = regress_describe, public;
\i sql/include/refuse.sql
SET timezone = 'UTC';
CREATE TYPE mood AS ENUM ('sad', 'ok', 'glad');
CREATE DOMAIN age AS int CHECK (VALUE > 0);
CREATE TABLE t (
    id bigint, small smallint, amount numeric(10,2), ratio float8, single real, flag boolean, day date, at timestamp, zoned timestamptz,
    name text, code char(4), feeling mood, token uuid, years age, points float8[], document jsonb, raw bytea, "Odd ""name""" text);
INSERT INTO t SELECT 9007199254740993 + i, i % 7, i / 100.0, CASE i % 10 WHEN 0 THEN NULL WHEN 1 THEN 'NaN' ELSE i / 8.0 END, i % 4 / 4.0, i % 3 = 0, '2026-01-01'::date + i % 30, '2026-01-01'::timestamp + i * interval '1 hour',
    '2026-01-01 00:00+00'::timestamptz + i * interval '1 minute', 'name ' || (i % 4) * (i % 4), 'c' || i % 2, (enum_range(NULL::mood))[1 + i % 3], md5((i % 5)::text)::uuid, 20 + i % 50,
    ARRAY[i, i], CASE WHEN i % 2 = 0 THEN '{}'::jsonb END, '\x00', NULL
FROM generate_series(1, 1000) i;
\pset null '(null)'
\x on
SELECT * FROM ml_describe('t');
\x off

-- The figures are those of PostgreSQL's own aggregates.
CREATE TABLE numbers AS SELECT i, (hashint4extended(i, 7) & 4095) / 16.0 - 100 AS x, exp((hashint4extended(i, 8) & 65535) / 8192.0) AS skewed FROM generate_series(1, 20000) i;
SELECT d.column_name, d.distinct_values = s.n AS "distinct", d.min::float8 = s.least AS least, d.max::float8 = s.greatest AS greatest,
       abs(d.mean / s.mean - 1) < 1e-12 AS mean, abs(d.sd / s.sd - 1) < 1e-9 AS sd, d.quantiles::float8[] = s.quantiles AS quantiles
FROM ml_describe('SELECT x FROM numbers') d,
     (SELECT count(DISTINCT x) AS n, min(x) AS least, max(x) AS greatest, avg(x) AS mean, stddev(x) AS sd, percentile_disc('{0.05,0.25,0.5,0.75,0.95}'::float8[]) WITHIN GROUP (ORDER BY x)::float8[] AS quantiles FROM numbers) s;
-- Beyond 8192 distinct values: within what docs/limits.md says.
SELECT abs(d.distinct_values / s.n::float8 - 1) < 0.03 AS "distinct", d.min::float8 = s.least AS least, d.max::float8 = s.greatest AS greatest, abs(d.mean / s.mean - 1) < 1e-12 AS mean, abs(d.sd / s.sd - 1) < 1e-9 AS sd,
       (SELECT max(abs(a / b - 1)) < 0.004 FROM unnest(d.quantiles::float8[], s.quantiles) q (a, b)) AS quantiles, d.frequent
FROM ml_describe('SELECT skewed + i * 1e-9 AS v FROM numbers') d,
     (SELECT count(DISTINCT v) AS n, min(v) AS least, max(v) AS greatest, avg(v) AS mean, stddev(v) AS sd, percentile_disc('{0.05,0.25,0.5,0.75,0.95}'::float8[]) WITHIN GROUP (ORDER BY v) AS quantiles FROM (SELECT skewed + i * 1e-9 AS v FROM numbers) n) s;
-- Frequent values are found among many that are not; the count is too small by two in 8192 rows at most.
SELECT abs(distinct_values / 16002.0 - 1) < 0.03 AS "distinct", frequent, (SELECT bool_and(n BETWEEN 2000 - 5 AND 2000) FROM unnest(frequent_rows) n) AS counts
FROM ml_describe($$SELECT CASE i % 10 WHEN 0 THEN 'often' WHEN 1 THEN 'much' ELSE 'value ' || i END AS v FROM numbers$$);
SELECT frequent, (SELECT bool_and(n BETWEEN 2000 - 5 AND 2000) FROM unnest(frequent_rows) n) AS counts
FROM ml_describe($$SELECT CASE i % 10 WHEN 0 THEN -1 WHEN 1 THEN -2 ELSE i END AS v FROM numbers$$);

-- The same whatever the order of the rows and the number of processes, but for frequent values among many.
CREATE FUNCTION digest(source text) RETURNS text RETURN (SELECT md5(string_agg(md5((d.column_name, rows, missing, distinct_values, min, max, mean, sd, quantiles, histogram)::text), '' ORDER BY column_name)) FROM ml_describe(source) d);
CREATE TABLE sorted AS TABLE numbers ORDER BY skewed;
SELECT digest('numbers') AS digest \gset
SELECT digest('sorted') = :'digest' AS other_order;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 3;
ALTER TABLE numbers SET (parallel_workers = 3);
ALTER TABLE t SET (parallel_workers = 3);
SELECT digest('numbers') = :'digest' AS in_parallel;
EXPLAIN (COSTS OFF) SELECT pgforest.describe_column(i, 256), pgforest.describe_column(x, 256) FROM numbers;
SELECT digest('t') AS digest \gset
SET max_parallel_workers_per_gather = 0;
SELECT digest('t') = :'digest' AS alone;
RESET max_parallel_workers_per_gather;

-- Sums are exact: what is lost in the usual way of adding.
SELECT mean, sd FROM ml_describe('SELECT v FROM (VALUES (1e16), (1), (-1e16), (3)) s (v)');
SELECT mean, sd FROM ml_describe('SELECT 1e9 + i % 2 AS v FROM generate_series(1, 1000) i');
SELECT mean, sd FROM ml_describe('SELECT v FROM (VALUES (1e200::float8), (-1e200)) s (v)');
SELECT min, max, mean, sd, quantiles FROM ml_describe($$SELECT v::float8 FROM (VALUES ('Infinity'), ('1'), ('2')) s (v)$$);
SELECT min, max, mean, sd, quantiles FROM ml_describe($$SELECT v::float8 FROM (VALUES ('Infinity'), ('-Infinity'), ('2')) s (v)$$);
SELECT min, max, quantiles FROM ml_describe($$SELECT v::date FROM (VALUES ('infinity'), ('-infinity'), ('2026-02-28')) s (v)$$);
SELECT missing, distinct_values, min, mean FROM ml_describe($$SELECT 'NaN'::numeric AS v$$);

-- No rows, one row, one value; long texts are shown up to 100 bytes, whole characters.
SELECT * FROM ml_describe('SELECT id, name, raw FROM t WHERE false');
SELECT rows, distinct_values, min, max, mean, sd, quantiles, frequent FROM ml_describe('SELECT 1.5 AS v');
SELECT length(min), length(frequent[1]), octet_length(max) FROM ml_describe($$SELECT repeat(U&'\00e9', 100000) AS v$$);
SELECT distinct_values FROM ml_describe($$SELECT repeat('x', 1000) || i % 2 AS v FROM generate_series(1, 10) i$$);
SELECT count(*), max(distinct_values) FROM ml_describe((SELECT 'SELECT ' || string_agg('i % ' || k || ' AS c' || k, ', ') || ' FROM generate_series(1, 2000) i' FROM generate_series(1, 300) k));

-- As the caller: row security and privileges are those of the role that asks.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_ml_looker;
RESET client_min_messages;
CREATE ROLE regress_ml_looker;
GRANT USAGE ON SCHEMA regress_describe TO regress_ml_looker;
GRANT SELECT ON numbers TO regress_ml_looker;
ALTER TABLE numbers ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON numbers USING (i <= 10);
SET ROLE regress_ml_looker;
SELECT rows, max FROM ml_describe('SELECT i FROM numbers');
CALL refuse($$ml_describe('t')$$);
RESET ROLE;

-- What is refused.
CALL refuse('ml_describe(NULL)');
CALL refuse($$ml_describe('nowhere')$$);
CALL refuse($$ml_describe('SELECT 1 AS a; SELECT 2 AS b')$$);
CALL refuse($$ml_describe('DELETE FROM t RETURNING *')$$);
CALL refuse($$ml_describe('SELECT 1 / (id - id) AS v FROM t')$$);

\set VERBOSITY terse
DROP SCHEMA regress_describe CASCADE;
DROP ROLE regress_ml_looker;

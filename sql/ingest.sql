-- ml_ingest from relations and queries; arguments and their errors.  (Files: test/t/010_ingest.pl.)
SET timezone = 'UTC';
CREATE TABLE src AS SELECT i AS id, i % 7 AS k, CASE WHEN i % 5 = 0 THEN NULL ELSE E'a\tb\\\n' || i END AS s, i / 3.0::float8 AS f,
    timestamptz '2024-01-01 00:00Z' + i * interval '1 hour' AS at, interval '1 day' * -i AS iv, ARRAY[i, NULL]::text[] AS l, decode(lpad(to_hex(i), 4, '0'), 'hex') AS y
FROM generate_series(1, 1000) i;
CREATE TABLE raw (LIKE src);

-- In batches above the last key; nothing twice, whatever the session's formats.
CALL ml_ingest('raw', 'src', 300, max_batches => 2, order_by => 'id');
SET timezone = 'Asia/Tokyo';
SET datestyle = 'German';
SET extra_float_digits = -5;
SET intervalstyle = 'sql_standard';
SET bytea_output = 'escape';
CALL ml_ingest('raw', 'src', 300, order_by => 'id');
CALL ml_ingest('raw', 'src', 300, order_by => 'id');
RESET ALL;
SET timezone = 'UTC';
SELECT count(*) FROM (TABLE raw EXCEPT ALL TABLE src) d;
SELECT load, number, target, source, order_by, rows, rejected, start_byte, end_byte, end_line, start_key, end_key, length(sha256), role = current_user AS mine
FROM pgforest.batch WHERE target = 'public.raw' ORDER BY id;
INSERT INTO src SELECT i, 0, 'new', 0, '2025-01-01', '1 day' FROM generate_series(1001, 1010) i;
CALL ml_ingest('raw', 'src', 300, order_by => 'id');
SELECT count(*), count(DISTINCT id), (SELECT max(number) FROM pgforest.batch WHERE target = 'public.raw') FROM raw;
-- The same source by another name, and as a query, which is another one.
CALL ml_ingest('public.raw', ' "public" . SRC ', order_by => 'id');
CALL ml_ingest('raw', 'SELECT id, k FROM src', max_batches => 1, batch_size => 1, order_by => 'id');

-- What was loaded must not change.
UPDATE src SET k = -1 WHERE id = 450;
CALL ml_ingest('raw', 'src', 300, order_by => 'id');
UPDATE src SET k = 450 % 7 WHERE id = 450;
CALL ml_ingest('raw', 'src', 300, order_by => 'id');
DELETE FROM src WHERE id = 1000;
CALL ml_ingest('raw', 'src', 300, order_by => 'id');
INSERT INTO src (id) VALUES (-5);
CALL ml_ingest('raw', 'src', 300, order_by => 'id');
CALL ml_ingest('raw', 'src', 300, order_by => 'id', format => '{"verify": false}');
TRUNCATE raw;
CALL ml_ingest('raw', 'src', 300, order_by => 'id', restart => true);
SELECT load, count(*), sum(rows) FROM pgforest.batch WHERE source = 'TABLE public.src' GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM (TABLE raw EXCEPT ALL TABLE src) d;

-- Keys of other kinds, and what is none.
CREATE TABLE keys (t text COLLATE "C" PRIMARY KEY, n numeric UNIQUE, u uuid UNIQUE, d date UNIQUE, "A b" float8 UNIQUE, j jsonb, p point, x int);
INSERT INTO keys SELECT 'k' || i, i / 7.0, md5(i::text)::uuid, date '2000-01-01' + i, sqrt(i), to_jsonb(i), point(i, i), i / 2 FROM generate_series(1, 100) i;
CREATE TABLE kept (LIKE keys);
CALL ml_ingest('kept', 'keys', 30, order_by => 't');
CALL ml_ingest('kept', 'SELECT * FROM keys', 30, order_by => 'n');
CALL ml_ingest('kept', 'SELECT * FROM keys WHERE true', 30, order_by => 'u');
CALL ml_ingest('kept', 'SELECT * FROM keys WHERE 1 = 1', 30, order_by => 'd');
CALL ml_ingest('kept', 'SELECT * FROM keys WHERE 2 = 2', 30, order_by => 'A b');
CALL ml_ingest('kept', 'SELECT * FROM keys WHERE 3 = 3', 30, order_by => 'j');
SELECT count(*), count(DISTINCT t) FROM kept;
CALL ml_ingest('kept', 'SELECT * FROM keys WHERE 2 = 2', 30, order_by => 'A b');
CALL ml_ingest('kept', 'keys', order_by => 'p', restart => true);
CALL ml_ingest('kept', 'keys', order_by => 'x', restart => true);
CALL ml_ingest('kept', 'SELECT *, nullif(x, 7) AS y FROM keys', order_by => 'y', restart => true);
CALL ml_ingest('kept', 'keys', order_by => 'q', restart => true);
CALL ml_ingest('kept', 'keys', order_by => 'u');
CALL ml_ingest('kept', 'keys');

-- Without order_by the source is one batch.
CALL ml_ingest('one', 'SELECT id, s AS "the Text", numeric(5,2) ''1.5'' AS price FROM src', 10, create_table => true);
\d one
CALL ml_ingest('one', 'SELECT id, s AS "the Text", numeric(5,2) ''1.5'' AS price FROM src', create_table => true);
-- A table that was dropped gets all rows again.
CALL ml_ingest('dropped', 'SELECT generate_series(1, 5) AS id', 2, order_by => 'id', create_table => true);
DROP TABLE dropped;
CALL ml_ingest('dropped', 'SELECT generate_series(1, 5) AS id', 2, max_batches => 2, order_by => 'id', create_table => true);
CALL ml_ingest('dropped', 'SELECT generate_series(1, 5) AS id', 2, order_by => 'id', create_table => true);
SELECT count(*), sum(id) FROM dropped;
INSERT INTO src (id) VALUES (5000);
CALL ml_ingest('one', 'SELECT id, s AS "the Text", numeric(5,2) ''1.5'' AS price FROM src');
CALL ml_ingest('one', 'SELECT id, s AS "the Text", numeric(5,2) ''1.5'' AS price FROM src', order_by => 'id');
CALL ml_ingest('one', 'SELECT 1 AS id WHERE false');
SELECT rows, order_by, start_key FROM pgforest.batch WHERE target = 'public.one';

-- Columns by name; others have their defaults.
CREATE TABLE part (n int GENERATED ALWAYS AS IDENTITY, id int, twice int GENERATED ALWAYS AS (id * 2) STORED, at date DEFAULT '2020-02-02', s text);
CALL ml_ingest('part', 'SELECT s, id FROM src WHERE id BETWEEN 1 AND 2');
SELECT n, id, twice, at, length(s) FROM part;
CALL ml_ingest('part', 'SELECT 1 AS a, 2 AS b, 3 AS id');
CALL ml_ingest('part', 'SELECT 1 AS a, ''x'' AS b', format => '{"columns": ["id", "s"]}');
CALL ml_ingest('part', 'SELECT 1 AS a', format => '{"columns": ["id", "s"]}');
CALL ml_ingest('part', 'SELECT 1 AS a', format => '{"columns": ["ident"]}');
CALL ml_ingest('part', 'SELECT 1 AS twice');
SELECT id, s FROM part WHERE s = 'x';

-- What the target refuses.
CREATE TABLE strict (id int PRIMARY KEY, s text CHECK (s <> 'a'), i smallint);
INSERT INTO strict VALUES (3);
CALL ml_ingest('strict', $$SELECT i AS id, chr(96 + i) AS s, i * 10000 AS i FROM generate_series(1, 5) i$$, order_by => 'id');
CALL ml_ingest('strict', $$SELECT i AS id, chr(96 + i) AS s, i * 10000 AS i FROM generate_series(1, 5) i$$, order_by => 'id', on_error => 'reject');
SELECT line, start_byte, text, sqlstate, reason FROM pgforest.reject ORDER BY id;
SELECT * FROM strict ORDER BY 1;
CALL ml_ingest('strict', $$SELECT i AS id FROM generate_series(1, 5) i$$, on_error => 'reject', format => '{"reject_limit": 2}');

-- Where it can run: it commits.
BEGIN;
CALL ml_ingest('one', 'src');
ROLLBACK;
SELECT 1 \; CALL ml_ingest('one', 'src');
CREATE PROCEDURE load(source text) LANGUAGE plpgsql AS $$ BEGIN CALL ml_ingest('one', source); INSERT INTO one (id) VALUES (-1); ROLLBACK; END $$;
CALL load('SELECT 9077 AS id');
SELECT id FROM one WHERE id IN (9077, -1);
DO $$ BEGIN CALL ml_ingest('one', 'SELECT 9078 AS id'); EXCEPTION WHEN division_by_zero THEN NULL; END $$;
CREATE FUNCTION load() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL ml_ingest('one', 'SELECT 9078 AS id'); END $$;
SELECT load();
SET default_transaction_read_only = on;
CALL ml_ingest('one', 'src');
RESET default_transaction_read_only;

-- Arguments
CALL ml_ingest(NULL, 'src');
CALL ml_ingest('one', NULL);
CALL ml_ingest('one', ' ');
CALL ml_ingest('one', 'src', 0);
CALL ml_ingest('one', 'src', NULL);
CALL ml_ingest('one', 'src', max_batches => 0);
CALL ml_ingest('one', 'src', on_error => 'ignore');
CALL ml_ingest('one', 'src', on_error => NULL);
CALL ml_ingest('one', 'src', create_table => NULL);
CALL ml_ingest('one', 'nowhere');
CALL ml_ingest('one', 'DELETE FROM src');
CALL ml_ingest('nowhere', 'src');
CALL ml_ingest('no.where', 'src', create_table => true);
CALL ml_ingest('other.public.one', 'src');
CALL ml_ingest('a.b.c.d', 'src');
CALL ml_ingest('"', 'src');
CALL ml_ingest('pgforest.models', 'src');
CREATE TEMP TABLE passing (id int);
CALL ml_ingest('passing', 'src');
CALL ml_ingest('pg_temp.other', 'src', create_table => true);
CALL ml_ingest('one', '/nowhere.csv', order_by => 'id');

-- Format: COPY's options under their names, and ours.
CALL ml_ingest('one', '/nowhere.csv', format => '[]');
CALL ml_ingest('one', '/nowhere.csv', format => '{"hedaer": true}');
CALL ml_ingest('one', '/nowhere.csv', format => '{"hedaer": true, "nul": "", "wholly other": 1}');
CALL ml_ingest('one', '/nowhere.csv', format => '{"format": "binary"}');
CALL ml_ingest('one', '/nowhere.csv', format => '{"format": 3}');
CALL ml_ingest('one', '/nowhere.csv', format => '{"header": "yes"}');
CALL ml_ingest('one', '/nowhere.csv', format => '{"null": [1]}');
CALL ml_ingest('one', '/nowhere.csv', format => '{"null": []}');
CALL ml_ingest('one', '/nowhere.csv', format => '{"null": ["x", "a,b"]}');
CALL ml_ingest('one', '/nowhere.csv', format => '{"columns": {}}');
CALL ml_ingest('one', '/nowhere.csv', format => '{"reject_limit": -1}');
CALL ml_ingest('one', '/nowhere.csv', format => '{"verify": 1}');
\set VERBOSITY sqlstate
CALL ml_ingest('one', '/nowhere.csv', format => '{"encoding": "klingon"}');
CALL ml_ingest('one', '/nowhere.csv', format => '{"delimiter": "ab"}');
CALL ml_ingest('one', '/nowhere.csv', format => '{"delimiter": "\""}');
CALL ml_ingest('one', '/nowhere.csv', format => '{"format": "text", "quote": "x"}');
\set VERBOSITY default
CALL ml_ingest('one', '/nowhere.csv', format => '{"header": null, "null": null}');

-- Rights
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_ml_loader;
RESET client_min_messages;
CREATE ROLE regress_ml_loader;
SET ROLE regress_ml_loader;
CALL ml_ingest('one', 'src');
CALL ml_ingest('one', '/nowhere.csv');
CALL ml_ingest('one', 'https://example.org/');
RESET ROLE;
GRANT INSERT ON one TO regress_ml_loader;
SET ROLE regress_ml_loader;
CALL ml_ingest('one', 'src');
CALL ml_ingest('one', '/nowhere.csv');
CALL ml_ingest('one', 'https://example.org/');
CALL ml_ingest('one', 'SELECT 9080 AS id');
SELECT source, rows FROM pgforest.batch;
DELETE FROM pgforest.batch;
RESET ROLE;
ALTER TABLE one ENABLE ROW LEVEL SECURITY;
SET ROLE regress_ml_loader;
CALL ml_ingest('one', 'SELECT 9081 AS id');
RESET ROLE;
SELECT id FROM one WHERE id >= 9000 ORDER BY id;

-- An error that is no record's ends the call where records are rejected, and the session goes on.
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = 'insufficient_privilege'; END $$;
CREATE TABLE refusing (id int);
CREATE TRIGGER refuse BEFORE INSERT ON refusing FOR EACH ROW EXECUTE FUNCTION refuse();
\set VERBOSITY terse
CALL ml_ingest('refusing', 'SELECT 1 AS id', on_error => 'reject');
\set VERBOSITY default
SELECT count(*) FROM refusing;
DROP TABLE refusing;
DROP FUNCTION refuse();

DROP PROCEDURE load(text);
DROP FUNCTION load();
DROP TABLE src, raw, keys, kept, one, part, strict;
DROP ROLE regress_ml_loader;
DELETE FROM pgforest.batch;
DELETE FROM pgforest.reject;

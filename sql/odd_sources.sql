-- Sources of every kind and shape: an answer or a clear error.
CREATE SCHEMA regress_odd;
SET search_path = regress_odd, public;
CREATE TABLE rows AS
SELECT i AS id, i % 8 AS a, i % 5 AS b, CASE WHEN i % 8 > 3 THEN 'high' ELSE 'low' END AS y FROM generate_series(1, 100) i;

-- Few trees are enough here; the answer is what matters: rows, features, and how many it gets right.
CREATE FUNCTION try(source text, target text DEFAULT 'y', holdout float8 DEFAULT 0)
RETURNS TABLE (model text, rows bigint, features int)
BEGIN ATOMIC
    SELECT t.model, t.rows, t.features FROM ml_train('odd', source, target, holdout => holdout, params => '{"n_estimators": 5}') t;
END;

-- Shapes.
SELECT * FROM try('SELECT * FROM rows WHERE false');
CREATE TABLE nothing ();
SELECT * FROM try('nothing');
INSERT INTO nothing DEFAULT VALUES;
SELECT * FROM try('nothing');
SELECT * FROM try('SELECT FROM rows');
SELECT * FROM try('SELECT y FROM rows');
SELECT * FROM try('SELECT 1 AS a, ''x'' AS y');
SELECT * FROM try('SELECT 1 AS a, 2.5 AS y');
SELECT * FROM try('SELECT 1 AS a, 2.5 AS y', holdout => 0.2);
SELECT * FROM try('SELECT 3 AS a, 2.5 AS y', holdout => 0.9);
SELECT ml_predict('odd@1', r, NULL::float8) FROM (VALUES (1), (NULL), (100)) AS r (a);
SELECT ml_drop('odd');
SELECT * FROM try('SELECT 7 AS a, ''k'' AS b, y FROM rows');
SELECT ml_predict('odd@1', r), ml_predict_proba('odd@1', r) = ml_predict_proba('odd@1', r) AS steady
FROM (VALUES (7, 'k'), (NULL, NULL), (8, 'other')) AS r (a, b);
SELECT * FROM try('SELECT a, 5.0 AS y FROM rows', holdout => 0.2);
SELECT ml_drop('odd');
SELECT * FROM try('SELECT a, 5.0 AS y FROM rows', holdout => 0.2);
SELECT count(DISTINCT ml_predict('odd@1', r, NULL::float8)) AS answers, min(ml_predict('odd@1', r, NULL::float8)) AS five FROM rows r;
SELECT metric, value FROM ml_evaluate('odd@1') ORDER BY metric;
SELECT ml_drop('odd');

-- Names.
CREATE TABLE "My ""odd"" Table; --" AS SELECT a AS "A b", b AS "it's", a + b AS "Ünï\", y AS "The ""Label""" FROM rows;
SELECT * FROM try('"My ""odd"" Table; --"', 'The "Label"');
SELECT count(*) AS wrong FROM "My ""odd"" Table; --" t WHERE ml_predict('odd@1', t) <> "The ""Label""";
SELECT query, columns FROM pgforest.versions WHERE model = 'odd';
SELECT ml_predict('odd@1', '{"A b": 1, "it''s": 2, "Ünï\\": 3}'::jsonb);
SELECT * FROM try('my table');
SELECT * FROM try('  regress_odd . ROWS  ');
SELECT * FROM try('Rows');
SELECT * FROM try('"Rows"');
CREATE TABLE "select" AS TABLE rows;
SELECT * FROM try('select');
SELECT * FROM try('"select"');
SELECT version FROM ml_train('A model''s "name" ; ☂', 'rows', 'y', params => '{"n_estimators": 2}');
SELECT * FROM ml_resolve('A model''s "name" ; ☂@1');

-- Relations.
CREATE VIEW a_view AS SELECT * FROM rows;
CREATE MATERIALIZED VIEW a_matview AS SELECT * FROM rows;
CREATE MATERIALIZED VIEW an_empty_matview AS SELECT * FROM rows WITH NO DATA;
CREATE TABLE parts (LIKE rows) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (40);
CREATE TABLE parts_2 PARTITION OF parts DEFAULT;
INSERT INTO parts SELECT * FROM rows;
CREATE TABLE no_parts (LIKE rows) PARTITION BY RANGE (id);
CREATE TABLE parent (LIKE rows);
CREATE TABLE child () INHERITS (parent);
INSERT INTO child SELECT * FROM rows;
CREATE TEMP TABLE temporary AS TABLE rows;
CREATE UNLOGGED TABLE unlogged AS TABLE rows;
SELECT * FROM try('a_view');
SELECT * FROM try('a_matview');
SELECT * FROM try('an_empty_matview');
SELECT * FROM try('parts');
SELECT * FROM try('no_parts');
SELECT * FROM try('parent');
SELECT * FROM try('pg_temp.temporary');
SELECT * FROM try('unlogged');
SELECT count(DISTINCT sha256) AS models FROM pgforest.versions
WHERE query ~ '_view|matview|parts|parent|temporary|unlogged';
-- Foreign tables, where there are any.
SELECT count(*) AS has_fdw FROM pg_available_extensions WHERE name = 'file_fdw' \gset
\set rows 4
\if :has_fdw
SET client_min_messages = warning;
CREATE EXTENSION file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE far (a int, y text) SERVER files OPTIONS (program 'printf "1,x\n2,y\n3,x\n4,y\n"', format 'csv');
SELECT rows FROM try('far') \gset
DROP EXTENSION file_fdw CASCADE;
RESET client_min_messages;
\endif
\echo :rows
CREATE TYPE pair AS (a int, y text);
SELECT * FROM try('pair');
SELECT * FROM try('pg_class_oid_index');

-- Queries.
SELECT * FROM try('TABLE rows');
SELECT * FROM try('VALUES (1, ''x''), (2, ''y''), (1, ''x'')', 'column2');
SELECT * FROM try('WITH r AS (SELECT * FROM rows) SELECT * FROM r');
SELECT * FROM try('WITH RECURSIVE r (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM r WHERE i < 50) SELECT i, i % 2 = 0 AS y FROM r');
SELECT * FROM try('(SELECT * FROM rows)');
SELECT * FROM try('SELECT * FROM rows;');
SELECT * FROM try('/* all */ SELECT * FROM rows -- the end');
SELECT * FROM try('SELECT * FROM rows; -- the end');
SELECT * FROM try(E'\n\tSELECT *\n\tFROM rows\n\tORDER BY a DESC LIMIT 60\n');
SELECT * FROM try('SELECT * FROM rows UNION ALL SELECT * FROM rows');
SELECT * FROM try('SELECT y, count(*) AS n, a FROM rows GROUP BY y, a');
SELECT * FROM try('SELECT r.*, s.b AS sb FROM rows r JOIN rows s USING (id)');
SELECT * FROM try('SELECT a, y, ml_predict(''odd@4'', r) AS p FROM rows r');
SELECT * FROM try('SELECT a, 1, 2, y FROM rows');
SELECT * FROM try('SELECT a, ''x'', y FROM rows');
-- From 18 on, a comment before the query is left out.
SELECT regexp_replace(query, '^/[*] all [*]/ ', '') AS query FROM pgforest.versions
    WHERE model = 'odd' AND query ~ 'end|ORDER|all' ORDER BY version;
PREPARE a_statement AS SELECT * FROM rows;
SELECT * FROM try('EXECUTE a_statement');

-- Columns.
CREATE TABLE dropped AS SELECT 1 AS gone, a, '{}'::json AS gone_too, y, b FROM rows;
ALTER TABLE dropped DROP gone, DROP gone_too;
ALTER TABLE dropped ADD late int DEFAULT 3, ADD sum int GENERATED ALWAYS AS (a + b) STORED;
SELECT * FROM try('dropped');
SELECT columns FROM pgforest.versions WHERE model = 'odd' ORDER BY version DESC LIMIT 1;
SELECT format('CREATE TABLE broad AS SELECT %s, y FROM rows', string_agg(format('(a * %s + b) %% 11 AS c%s', i, i), ', '))
FROM generate_series(1, 1599) i
\gset broad_
\set QUIET on
:broad_format;
\set QUIET off
SELECT * FROM try('broad');
SELECT count(*) AS wrong FROM broad t WHERE ml_predict((SELECT 'odd@' || max(version) FROM pgforest.versions WHERE model = 'odd'), t) <> y;
SELECT * FROM try('SELECT repeat(a::text, 1000000) AS long, y FROM rows WHERE id <= 24');
SELECT ml_predict((SELECT 'odd@' || max(version) FROM pgforest.versions WHERE model = 'odd'), r) FROM (SELECT repeat('7', 1000000) AS long) r;
SELECT * FROM try('SELECT a, repeat(y, 300) AS y FROM rows');
SELECT length(unnest(classes)) FROM pgforest.versions WHERE model = 'odd' ORDER BY version DESC LIMIT 2;
SELECT * FROM try('SELECT a, CASE WHEN a > 3 THEN ''a, "b"'' ELSE E''c\n'' END AS y FROM rows');
SELECT classes FROM pgforest.versions WHERE model = 'odd' ORDER BY version DESC LIMIT 1;

-- Queries that fail, and that look at our own tables.
SELECT * FROM try('SELECT a / (a - 3) AS q, y FROM rows');
SELECT rows > 20 AS rows FROM try('SELECT version, rows, bytes, model AS y FROM pgforest.versions UNION ALL VALUES (1, 2, 3, ''none'')');

SELECT count(ml_drop(name)) FROM pgforest.models;
\set VERBOSITY terse
DROP SCHEMA regress_odd CASCADE;

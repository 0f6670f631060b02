-- ml_predict and ml_predict_proba: every form of a row, every place in a query.
CREATE SCHEMA regress_predict;
SET search_path = regress_predict, public;
CREATE TYPE shade AS ENUM ('light', 'dark');
CREATE DOMAIN shade_domain AS shade;
CREATE DOMAIN positive AS int CHECK (VALUE >= 0);

CREATE TABLE rows AS
SELECT i AS id, i % 16 AS a, (i % 5 / 2.0)::float8 AS b, (CASE WHEN i % 3 = 0 THEN 'dark' ELSE 'light' END)::shade AS c,
       CASE WHEN i % 16 > 7 THEN 2 WHEN i % 3 = 0 THEN 1 ELSE 0 END AS y, i % 16 * 10.0 AS v
FROM generate_series(1, 240) i;
SELECT version FROM ml_train('label', 'rows', 'y', key => '{id}', exclude => '{v}', params => '{"n_estimators": 20}', holdout => 0);
SELECT version FROM ml_train('value', 'rows', 'v', key => '{id}', exclude => '{y}', params => '{"n_estimators": 20}', holdout => 0);
SELECT version FROM ml_train('numbers', 'rows', 'y', key => '{id}', features => '{b,a}', params => '{"n_estimators": 20}', holdout => 0);
SELECT count(promoted) FROM (VALUES ('label'), ('value'), ('numbers')) m (name), ml_promote(name, 1);

-- The forms.
SELECT id, ml_predict('label', r), ml_predict('label@1', r), ml_predict('label@production', r),
       ml_predict('label', ROW(a, b, c)), ml_predict('label', to_jsonb(r)), ml_predict('numbers', ARRAY[b, a]), ml_predict('numbers', r)
FROM rows r WHERE id <= 9 ORDER BY id;
SELECT ml_predict_proba('label', r) FROM rows r WHERE id = 3;
SELECT array_length(ml_predict_proba('label', r), 1) AS classes, sum(p) = 1 AS sum FROM rows r, unnest(ml_predict_proba('label', r)) p WHERE id = 5 GROUP BY r;
SELECT bool_and(ml_predict_proba('label', r, y::text) = (ml_predict_proba('label', r))[y + 1]) AS by_class,
       bool_and(ml_predict_proba('label', r) = ml_predict_proba('label', ROW(a, b, c))) AS row,
       bool_and(ml_predict_proba('label', r) = ml_predict_proba('label', to_jsonb(r))) AS jsonb,
       bool_and(ml_predict_proba('numbers', r) = ml_predict_proba('numbers', ARRAY[b, a])) AS array,
       bool_and(ml_predict_proba('numbers', r, '0') = ml_predict_proba('numbers', ARRAY[b, a], '0')) AS array_class,
       bool_and(ml_predict_proba('label', to_jsonb(r), '0') = ml_predict_proba('label', r, '0')) AS jsonb_class
FROM rows r;
SELECT ml_predict('numbers', ARRAY[1, 12]) AS int, ml_predict('numbers', ARRAY[0.5, 12]) AS numeric, ml_predict('numbers', ARRAY[[0.5], [12]]::real[]) AS of_two_dimensions;
SELECT ml_predict('label', '{"a": 12, "b": 0.5, "c": "dark", "more": [1]}'::jsonb) AS more_keys, ml_predict('numbers', '{0.5,12}'::float8[]) AS literal;

-- The types of the result.
SELECT pg_typeof(ml_predict('label', r)), ml_predict('label', r, NULL::int) + 1 AS int, ml_predict('label', r, NULL::bigint), ml_predict('label', r, NULL::numeric),
       ml_predict('label', r, NULL::float8), ml_predict('label', r, NULL::varchar), ml_predict('label', r, NULL::bool), ml_predict('label', r, 7::smallint)
FROM rows r WHERE id = 3;
SELECT pg_typeof(ml_predict('value', r, NULL::float8)), ml_predict('value', r) AS text, ml_predict('value', r, NULL::float4) AS float4, ml_predict('value', r, NULL::numeric) AS numeric,
       ml_predict('value', r, NULL::int) AS int, ml_predict('value', r, NULL::bigint) AS bigint, ml_predict('value', r, NULL::smallint) AS smallint,
       ml_predict('value', r, NULL::varchar) AS varchar, ml_predict('value', r, NULL::positive) AS domain
FROM rows r WHERE id = 3;
SELECT version FROM ml_train('shade', 'SELECT a, c FROM rows', 'c', params => '{"n_estimators": 5}');
SELECT pg_typeof(ml_predict('shade@1', r, NULL::shade)), ml_predict('shade@1', r, NULL::shade) IN ('light', 'dark') AS enum FROM rows r WHERE id = 1;
SELECT ml_predict('shade@1', r, NULL::int) FROM rows r WHERE id = 1;
SELECT ml_predict('numbers', '{1,2}', NULL::int);

-- NULL: no row, no answer; no model, an error.
SELECT ml_predict('label', NULL::rows) IS NULL AS row, ml_predict('label', NULL::jsonb) IS NULL AS jsonb, ml_predict('label', NULL::float8[]) IS NULL AS array,
       ml_predict_proba('label', NULL::rows) IS NULL AS proba, ml_predict_proba('label', r, NULL) IS NULL AS class FROM rows r WHERE id = 1;
SELECT ml_predict(NULL, r) FROM rows r WHERE id = 1;

-- Columns reordered, added, widened and of a domain: the same answers.
CREATE TABLE other AS SELECT 'x' AS extra, c::text AS c, a::bigint AS a, now() AS "when", id, b::numeric AS b, y FROM rows;
CREATE TABLE narrow AS SELECT id, a::positive AS a, b::float4 AS b, c::shade_domain AS c FROM rows;
SELECT count(*) FROM rows r JOIN other o USING (id) JOIN narrow n USING (id)
WHERE ml_predict_proba('label', r) <> ml_predict_proba('label', o) OR ml_predict_proba('label', r) <> ml_predict_proba('label', n);
ALTER TABLE other ALTER a TYPE numeric, ADD later date, DROP extra;
SELECT count(*) FROM rows r JOIN other o USING (id) WHERE ml_predict_proba('label', r) <> ml_predict_proba('label', o);
ALTER TABLE other DROP b, DROP c;
SELECT count(*) FROM other o WHERE ml_predict('label', o) = '0';
ALTER TABLE other ADD b text, ADD c text;
SELECT count(*) FROM other o WHERE ml_predict('label', o) = '0';

-- Anywhere in a query.
CREATE VIEW answers AS SELECT id, y, ml_predict('label', r, NULL::int) AS p FROM rows r;
SELECT count(*) AS wrong FROM answers WHERE p <> y;
SELECT count(*) FROM rows r WHERE ml_predict('label', r) = '2';
SELECT id FROM rows r WHERE id < 20 ORDER BY ml_predict('value', r, NULL::float8) DESC, id LIMIT 3;
SELECT ml_predict('label', r) AS p, count(*) FROM rows r GROUP BY 1 HAVING min(ml_predict('value', r, NULL::float8)) >= 0 ORDER BY 1;
SELECT count(*) FROM rows r JOIN rows s ON s.y = ml_predict('label', r, NULL::int) AND s.id = r.id;
SELECT sum(ml_predict('value', r, NULL::int)) OVER (ORDER BY id) FROM rows r WHERE id < 4 ORDER BY id;
SELECT (SELECT ml_predict('label', s) FROM rows s WHERE s.id = r.id) AS sub, CASE WHEN id > 1 THEN ml_predict('label', r) END AS branch FROM rows r WHERE id < 3 ORDER BY id;
SELECT m, ml_predict(m, r) FROM rows r, unnest(ARRAY['label', 'value', 'shade@1', 'label@1']) m WHERE id = 9 ORDER BY m;
SELECT ml_predict('label', q) FROM (SELECT 3 AS a, 1.5 AS b, 'dark' AS c) q;
SELECT ml_predict('label', q) FROM (VALUES (3, 1.5, 'dark'), (9, 0, NULL)) AS q (a, b, c);
SELECT ml_predict('label', ROW(3, 1.5, 'dark')), ml_predict('label', ROW(3, NULL, NULL));
-- Rows of functions, of PL/pgSQL's records, of partitions whose columns stand in another order, of columns added later.
CREATE FUNCTION some_rows() RETURNS TABLE (b float8, c shade, a int) LANGUAGE sql AS $$ SELECT b, c, a FROM rows WHERE id < 4 ORDER BY id $$;
SELECT ml_predict('label', f) FROM some_rows() f;
SELECT ml_predict('label', j) FROM jsonb_to_recordset('[{"a": 3, "b": 1.5, "c": "dark"}, {"a": 9, "b": null, "c": null}]') AS j (a int, b float8, c text);
DO $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT a, b, c FROM rows WHERE id < 3 ORDER BY id LOOP RAISE NOTICE '%', ml_predict('label', r); END LOOP;
    FOR r IN SELECT c::text, a::numeric, id, b FROM rows WHERE id = 3 LOOP RAISE NOTICE '%', ml_predict('label', r); END LOOP;
END $$;
CREATE TABLE parts (a int, b float8, c shade, id int) PARTITION BY RANGE (id);
CREATE TABLE parts_1 (junk text, id int, c shade, b float8, a int);
ALTER TABLE parts_1 DROP junk;
ALTER TABLE parts ATTACH PARTITION parts_1 FOR VALUES FROM (0) TO (100);
CREATE TABLE parts_2 PARTITION OF parts DEFAULT;
INSERT INTO parts SELECT a, b, c, id FROM rows;
SELECT count(*) FROM parts p JOIN rows r USING (id) WHERE ml_predict_proba('label', p) <> ml_predict_proba('label', r);
SELECT count(*) FROM parts_1 p JOIN rows r USING (id) WHERE ml_predict_proba('label', p) <> ml_predict_proba('label', r);
CREATE TABLE late AS SELECT id FROM rows;
ALTER TABLE late ADD a int DEFAULT 12, ADD b float8 DEFAULT 1.5, ADD c shade;
SELECT DISTINCT ml_predict('label', l) FROM late l;
SELECT ml_predict('label', s) IS NULL AS no_row FROM rows r LEFT JOIN rows s ON false WHERE r.id = 1;
SELECT count(ml_predict('label', r.*)) FROM rows r TABLESAMPLE BERNOULLI (100);
-- Long values, stored apart from the row or compressed in it.
CREATE TABLE long (words text, numbers int[], y text);
ALTER TABLE long ALTER words SET STORAGE EXTERNAL, ALTER numbers SET STORAGE EXTERNAL;
CREATE TABLE compressed (words text, numbers int[], y text);
INSERT INTO long SELECT repeat(md5((i % 4)::text), 2000), array_fill(i % 4, '{900}'), 'c' || i % 4 FROM generate_series(1, 40) i;
INSERT INTO compressed SELECT * FROM long;
SELECT features FROM ml_train('words', 'long', 'y', features => '{words}', holdout => 0, params => '{"n_estimators": 20}');
SELECT features FROM ml_train('elements', 'long', 'y', features => '{numbers}', holdout => 0, params => '{"n_estimators": 20}');
SELECT count(*) AS wrong FROM (TABLE long UNION ALL TABLE compressed) l WHERE ml_predict('words@1', l) <> y OR ml_predict('elements@1', l) <> y;
SELECT count(*) AS wrong FROM long l, compressed c WHERE c.y = l.y AND ml_predict('words@1', l) || ml_predict('elements@1', c) <> l.y || l.y;
CREATE TABLE kept (a int, b float8, c shade, p int);
INSERT INTO kept SELECT a, b, c, ml_predict('label', r, NULL::int) FROM rows r WHERE id < 4 RETURNING p;
UPDATE kept k SET p = ml_predict('label', k, NULL::int) + 10 RETURNING p;
SELECT * FROM ml_resolve('label');
SELECT feature, round(importance::numeric, 3) > 0 AS used FROM ml_importance('label') ORDER BY feature;
SELECT round(sum(importance)::numeric, 6) AS sum FROM ml_importance('label');

-- Prepared statements, and functions that keep their plans: a promotion counts at the next statement.
SELECT version FROM ml_train('moves', 'SELECT a, ''first'' || a % 2 AS y FROM rows', 'y', params => '{"n_estimators": 1}', holdout => 0);
SELECT version FROM ml_train('moves', 'SELECT a, ''second'' || a % 2 AS y FROM rows', 'y', params => '{"n_estimators": 1}', holdout => 0);
SELECT version FROM ml_promote('moves', 1);
PREPARE ask (int) AS SELECT left(ml_predict('moves', r), -1), ml_predict('moves', r) = ml_predict('moves@production', r) AS agree, version FROM rows r, ml_resolve('moves') WHERE id = $1;
PREPARE ask_jsonb (text, jsonb) AS SELECT left(ml_predict($1, $2), -1);
SET plan_cache_mode = force_generic_plan;
CREATE FUNCTION ask_sql(i int) RETURNS text STABLE LANGUAGE sql AS $$ SELECT left(ml_predict('moves', r), -1) FROM rows r WHERE id = i $$;
CREATE FUNCTION ask_plpgsql(i int) RETURNS text STABLE LANGUAGE plpgsql AS $$
DECLARE
    r rows;
BEGIN
    SELECT * INTO r FROM rows WHERE id = i;
    RETURN left(ml_predict('moves', r), -1);
END $$;
EXECUTE ask(1);
EXECUTE ask_jsonb('moves', '{"a": 1}');
SELECT ask_sql(1), ask_plpgsql(1);
SELECT version, previous FROM ml_promote('moves', 2);
EXECUTE ask(1);
EXECUTE ask_jsonb('moves', '{"a": 1}');
EXECUTE ask_jsonb('moves@1', '{"a": 1}');
SELECT ask_sql(1), ask_plpgsql(1);
DO $$
DECLARE
    r rows;
    said text = '';
BEGIN
    SELECT * INTO r FROM rows WHERE id = 1;
    FOR i IN 1..6 LOOP
        PERFORM ml_promote('moves', 1 + i % 2);
        said = said || left(ml_predict('moves', r), -1) || ' ' || ask_sql(1) || ' ' || ask_plpgsql(1) || E'\n';
    END LOOP;
    RAISE NOTICE E'\n%', said;
END $$;
-- Within one statement the answer stays, though the statement itself promotes.
WITH moved AS MATERIALIZED (SELECT version FROM ml_promote('moves', 2))
SELECT (SELECT version FROM moved), left(ml_predict('moves', r), -1) FROM rows r WHERE id = 1;
SELECT left(ml_predict('moves', r), -1) FROM rows r WHERE id = 1;
-- A cursor answers as when it was opened.
BEGIN;
DECLARE answers CURSOR FOR SELECT left(ml_predict('moves', r), -1) FROM rows r WHERE id IN (1, 3, 5);
FETCH answers;
SELECT version FROM ml_promote('moves', 1);
FETCH answers;
ROLLBACK;
-- Dropped and trained anew: another model, at once.
SELECT ml_drop('moves');
EXECUTE ask_jsonb('moves', '{"a": 1}');
SELECT version FROM ml_train('moves', 'SELECT a, ''third'' || a % 2 AS y FROM rows', 'y', params => '{"n_estimators": 1}', holdout => 0);
SELECT version FROM ml_promote('moves', 1);
EXECUTE ask_jsonb('moves', '{"a": 1}');
SELECT ask_sql(1), ask_plpgsql(1);

SELECT count(ml_drop(name)) FROM pgforest.models;
DEALLOCATE ALL;
\set VERBOSITY terse
DROP SCHEMA regress_predict CASCADE;

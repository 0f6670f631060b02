-- Every type that a feature, a target or a key may have.
CREATE SCHEMA regress_types;
SET search_path = regress_types, public;
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE TYPE shade AS ENUM ('light', 'dark');
CREATE DOMAIN small AS smallint CHECK (VALUE >= -1);
CREATE DOMAIN short AS varchar(10);
CREATE DOMAIN shorter AS short;
CREATE DOMAIN pixels AS smallint[];
CREATE DOMAIN tint AS shade;

-- n runs from 0 to 63, each four times; every column tells the same.
CREATE TABLE wide AS
SELECT n::int2 AS "int2", n AS "int4", (n * 10000000000) AS "int8", (n / 8.0)::float4 AS "float4", n / 7.0::float8 AS "float8",
       n / 3.0::numeric AS "numeric", n > 31 AS "bool", date '2020-01-01' + n AS "date",
       timestamp '2020-01-01' + n * interval '1 hour' AS "timestamp",
       timestamptz '2020-01-01 00:00Z' + n * interval '1 minute' AS "timestamptz",
       CASE WHEN n > 31 THEN 'high' ELSE 'low' END AS "text",
       CASE WHEN n > 31 THEN 'high' ELSE 'low' END::varchar(4) AS "varchar",
       CASE WHEN n > 31 THEN 'high' ELSE 'low' END::char(8) AS "bpchar",
       CASE WHEN n > 31 THEN 'high' ELSE 'low' END::name AS "name",
       CASE WHEN n > 31 THEN 'h' ELSE 'l' END::"char" AS "char",
       CASE WHEN n > 31 THEN 'dark' ELSE 'light' END::shade AS "enum",
       CASE WHEN n > 31 THEN '5b1c6a62-d0b7-4d6b-9f7c-000000000001' ELSE '00000000-0000-0000-0000-000000000000' END::uuid AS "uuid",
       (n - 1)::small AS "domain", CASE WHEN n > 31 THEN 'h' ELSE 'l' END::shorter AS "domain of domain",
       CASE WHEN n > 31 THEN 'dark' ELSE 'light' END::tint AS "domain of enum",
       ARRAY[0, n, 1]::int2[] AS "int2[]", ARRAY[n]::int[] AS "int4[]", ARRAY[n]::int8[] AS "int8[]", ARRAY[n, NULL]::float4[] AS "float4[]",
       ARRAY[n / 3.0]::float8[] AS "float8[]", ARRAY[n / 3.0]::numeric[] AS "numeric[]", ARRAY[n > 31]::bool[] AS "bool[]",
       ARRAY[[n, 0], [0, n]]::int[] AS "int4[][]", ARRAY[0, n]::pixels AS "domain of array",
       CASE WHEN n > 31 THEN 'yes' ELSE 'no' END AS target
FROM (SELECT i % 64 AS n FROM generate_series(0, 255) i) r;

-- A model from each column alone: right on rows that a tree has not seen, and on those of the table.
CREATE TABLE outcome (name text, type text, features int, unseen_right boolean, wrong bigint);
DO $$
DECLARE
    col record;
    row record;
BEGIN
    FOR col IN SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute
               WHERE attrelid = 'wide'::regclass AND attnum > 0 AND attname <> 'target' ORDER BY attnum
    LOOP
        SELECT features, score = 1 AS right INTO row
        FROM ml_train('typed', 'wide', 'target', features => ARRAY[col.attname::text], holdout => 0, params => '{"n_estimators": 25}');
        INSERT INTO outcome SELECT col.attname, col.type, row.features, row.right, count(*) FILTER (WHERE ml_predict('typed@1', w) <> target)
        FROM wide w;
        PERFORM ml_drop('typed');
    END LOOP;
END $$;
SELECT * FROM outcome ORDER BY name COLLATE "C";

-- All of them at once.
SELECT features FROM ml_train('all', 'wide', 'target', params => '{"n_estimators": 5}');
SELECT count(*) AS wrong FROM wide w WHERE ml_predict('all@1', w) <> target;
SELECT unnest(columns) AS "column", unnest(column_types) AS type FROM pgforest.versions WHERE model = 'all';
SELECT feature FROM ml_importance('all@1') WHERE feature LIKE '%[%' ORDER BY feature COLLATE "C";

-- Targets: what the classes are called.
CREATE FUNCTION classes_of(target text) RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE
    result text[];
BEGIN
    PERFORM ml_train('labels', 'SELECT * FROM wide', target, features => '{float8}', task => 'classification',
                     params => '{"n_estimators": 5, "max_depth": 6}');
    SELECT v.classes[1:3] INTO result FROM pgforest.versions v WHERE model = 'labels';
    PERFORM ml_drop('labels');
    RETURN result;
END $$;
SELECT target, classes_of(target)
FROM unnest('{int2,domain,int8,bool,text,varchar,bpchar,name,char,enum,uuid,domain of domain,domain of enum,date,timestamp,timestamptz}'::text[])
     WITH ORDINALITY t (target, place) ORDER BY place;

-- Keys: equal numbers are equal keys whatever their type, and so decide alike which rows are held out.
SELECT key, count(DISTINCT rows) AS rows
FROM unnest('{n::int2,n,n::int8,n::float4,n::float8,n::numeric,n::numeric(10\,2)}'::text[]) key,
     ml_train('keyed', format('SELECT %s AS k, 1.5 * n AS x, n / 7.0 AS y FROM generate_series(1, 200) n', key), 'y',
              key => '{k}', holdout => 0.5, params => '{"n_estimators": 2}')
GROUP BY key ORDER BY key COLLATE "C";
SELECT count(DISTINCT sha256) AS models FROM pgforest.versions WHERE model = 'keyed';
SELECT key, rows BETWEEN 60 AND 140 AS about_half
FROM unnest('{date,timestamptz,uuid,text,bool,enum,int4[][],domain of array}'::text[]) key,
     ml_train('keyed', 'SELECT md5(float8::text)::uuid AS uuid, md5(float8::text) AS text, date, timestamptz, bool, enum, "int4[][]", "domain of array", float4 FROM wide',
              'float4', key => ARRAY[key], holdout => 0.5, params => '{"n_estimators": 2}')
WHERE key NOT IN ('bool', 'enum') ORDER BY key COLLATE "C";

-- NaN is missing, as NULL is; infinities are the greatest and the least of all numbers.
CREATE TABLE special AS
SELECT x, x::float4 AS x4, x::numeric AS xn, CASE WHEN x = 'infinity' OR x = '-infinity' THEN x::text WHEN x <> 'NaN' THEN '2020-01-01' END::date AS day,
       CASE x WHEN 'infinity' THEN 'up' WHEN '-infinity' THEN 'down' WHEN 'NaN' THEN 'none' ELSE 'some' END AS y
FROM (SELECT (ARRAY['NaN', 'infinity', '-infinity', '1', '2', '3', NULL]::float8[])[1 + i % 6] AS x FROM generate_series(1, 120) i) r;
SELECT features, score FROM ml_train('special', 'special', 'y', holdout => 0, params => '{"n_estimators": 30}');
SELECT x, x4, xn, day, ml_predict('special@1', s) AS predicted FROM special s GROUP BY s, x, x4, xn, day ORDER BY x;
SELECT ml_predict('special@1', r) AS null_is_as_nan
FROM (VALUES (NULL::float8, NULL::float4, NULL::numeric, NULL::date)) AS r (x, x4, xn, day);
SELECT features FROM ml_train('ends', 'SELECT CASE WHEN x = ''infinity'' THEN timestamp ''infinity'' WHEN x = ''-infinity'' THEN ''-infinity'' ELSE ''2020-01-01'' END AS at, y FROM special WHERE x <> ''NaN''',
                              'y', holdout => 0, params => '{"n_estimators": 10}');
SELECT at, ml_predict('ends@1', r) FROM (VALUES (timestamp 'infinity'), ('-infinity'), ('2020-01-01'), ('1900-01-01')) AS r (at);

-- Numbers too large or too exact for a double are taken as near as one comes.
SELECT rows FROM ml_train('huge', $$SELECT CASE WHEN i % 2 = 0 THEN 1e400 ELSE -1e400 END::numeric AS x, 9223372036854775807 - i % 2 AS y, i % 2 = 0 AS even
                                    FROM generate_series(1, 40) i$$, 'even', holdout => 0, params => '{"n_estimators": 5}');
SELECT ml_predict('huge@1', r) FROM (VALUES (1e400, 1), (-1e400, 1)) AS r (x, y);

-- What cannot be used is said all at once.
CREATE TABLE odd AS
SELECT 1 AS a, 'x' AS y, '{}'::jsonb AS j, '\x00'::bytea AS b, interval '1 day' AS i, point '(0,0)' AS p, '{a}'::text[] AS t, int4range(1, 2) AS r, now()::time AS c;
SELECT * FROM ml_train('odd', 'odd', 'y');
SELECT * FROM ml_train('odd', 'odd', 'y', features => '{a,j,b}');
SELECT * FROM ml_train('odd', 'odd', 'j', features => '{a}');
SELECT * FROM ml_train('odd', 'odd', 'y', features => '{a}', key => '{j}');
SELECT * FROM ml_train('odd', 'odd', 'y', features => '{a}', weight => 'i');
SELECT * FROM ml_train('odd', 'odd', 'y', features => '{a}', split => 'a');
SELECT * FROM ml_train('odd', 'SELECT 1 AS a, ARRAY[1] AS y', 'y');

SELECT count(ml_drop(name)) FROM pgforest.models;
DROP SCHEMA regress_types CASCADE;

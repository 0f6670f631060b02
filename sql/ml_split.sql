-- A part for every row, by its key; and what ml_train holds out.
CREATE SCHEMA regress_ml_split;
SET search_path = regress_ml_split, public;
\i sql/include/refuse.sql

-- About the shares, and the same answer for the same number whatever its width.
SELECT ml_split(i) AS part, round(count(*) / 20000.0, 2) AS share FROM generate_series(1, 20000) i GROUP BY 1 ORDER BY 1;
SELECT ml_split(i, 0.5, 0.2) AS part, round(count(*) / 20000.0, 2) AS share FROM generate_series(1, 20000) i GROUP BY 1 ORDER BY 1;
SELECT DISTINCT ml_split(i, train => 1, validation => 0) AS part FROM generate_series(1, 1000) i;
SELECT ml_split(i, train => 0, validation => 1) AS part FROM generate_series(1, 1000) i GROUP BY 1;
SELECT ml_split(i, train => 0, validation => 0) AS part FROM generate_series(1, 1000) i GROUP BY 1;
SELECT bool_and(ml_split(i::smallint) = ml_split(i::bigint) AND ml_split(i) = ml_split(i::bigint)) AS any_width,
       bool_and(ml_split(i::text) = ml_split(i::varchar) AND ml_split(i::text) = ml_split(i::text::char(8))) AS any_text
FROM generate_series(1, 1000) i;
-- Every type has its overload; a NULL has a side, as in ml_train.
SELECT ml_split('3f1b2c4d-0000-4000-8000-000000000001'::uuid), ml_split('2026-02-28'::date), ml_split('2026-02-28 12:00'::timestamp), ml_split('2026-02-28 12:00+00'::timestamptz),
       ml_split('a key'), ml_split(42), ml_split(NULL::int);
-- Another time zone is no other instant.
SET timezone = 'Asia/Tokyo';
SELECT count(*) AS parts FROM (SELECT DISTINCT ml_split('2026-02-28 12:00+00'::timestamptz)) s;
RESET timezone;

-- A smaller share of training rows moves rows from one end only: who was in the test part stays.
SELECT count(*) AS moved FROM generate_series(1, 5000) i WHERE ml_split(i, 0.7, 0.15) = 'test' AND ml_split(i, 0.5, 0.35) <> 'test';
-- A salt is another split, independent of the first.
SELECT round(count(*) FILTER (WHERE ml_split(i) = 'test' AND ml_split(i, salt => 'b') = 'test') / 100000.0, 2) AS both_test,
       count(*) FILTER (WHERE ml_split(i, salt => '') <> ml_split(i)) AS differ_without FROM generate_series(1, 100000) i;

-- A generated column, which ml_train takes as its split.
CREATE TABLE patients (id int PRIMARY KEY, x float8, y text, part text GENERATED ALWAYS AS (ml_split(id)) STORED);
INSERT INTO patients SELECT i, hashint4extended(i, 1) & 1023, CASE WHEN hashint4extended(i, 1) & 1023 > 400 + (i % 200) THEN 'sick' ELSE 'well' END FROM generate_series(1, 4000) i;
SELECT part, count(*) FROM patients GROUP BY 1 ORDER BY 1;
SELECT rows FROM ml_train('column', 'patients', 'y', features => '{x}', split => 'part', params => '{"n_estimators": 3}');
SELECT set, rows FROM pgforest.metrics WHERE model = 'column' AND metric = 'accuracy' ORDER BY set;

-- The test part is what ml_train holds out, row for row: the model is the same, byte for byte, when it is trained without them.
CREATE TABLE keys AS SELECT i AS i, i::bigint * 1000003 AS b, 'key ' || i AS t, md5(i::text)::uuid AS u, '2000-01-01'::date + i AS d, '2000-01-01'::timestamp + i * interval '1 hour 1 microsecond' AS ts,
    '2000-01-01 00:00+00'::timestamptz + i * interval '1 minute' AS tz, hashint4extended(i, 1) & 255 AS x, hashint4extended(i, 2) & 1 AS y FROM generate_series(1, 3000) i;
CREATE FUNCTION same_rows(text) RETURNS TABLE (key text, held_out boolean, same_model boolean) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM ml_train('whole', 'keys', 'y', features => '{x}', key => ARRAY[$1], holdout => 0.15, params => '{"n_estimators": 3}');
    PERFORM ml_train('without', format('SELECT * FROM keys WHERE ml_split(%I) <> ''test''', $1), 'y', features => '{x}', key => ARRAY[$1], holdout => 0, params => '{"n_estimators": 3}');
    RETURN QUERY EXECUTE format('SELECT %L, (SELECT rows FROM pgforest.metrics WHERE model = ''whole'' AND set = ''validation'' LIMIT 1) = (SELECT count(*) FROM keys WHERE ml_split(%I) = ''test''),
        (SELECT count(DISTINCT sha256) = 1 FROM pgforest.versions)', $1, $1);
    PERFORM ml_drop('whole'), ml_drop('without');
END $$;
SELECT ml_drop('column');
SELECT s.* FROM unnest('{i,b,t,u,d,ts,tz}'::text[]) k, same_rows(k) s;

-- Rows from which those to be held out were taken before are refused; it says what to do.
CALL refuse($$ml_train('gone', 'SELECT * FROM keys WHERE ml_split(i, 0.6, 0.2) <> ''test''', 'y', features => '{x}', key => '{i}')$$);
CALL refuse($$ml_train('gone', 'SELECT * FROM keys WHERE ml_split(i, 0.6, 0.2) = ''train''', 'y', features => '{x}', key => '{i}', params => '{"max_rows": 1000}')$$);
SET pgforest.train_memory = '4MB';
CALL refuse($$ml_train('gone', 'SELECT * FROM keys, generate_series(1, 20) WHERE ml_split(i, 0.6, 0.2) <> ''test''', 'y', features => '{x}', key => '{i}')$$);
RESET pgforest.train_memory;
-- So are those from which some were taken: by its default shares ml_split leaves a quarter of what ml_train holds out.
CALL refuse($$ml_train('gone', 'SELECT * FROM keys WHERE ml_split(i) <> ''test''', 'y', features => '{x}', key => '{i}')$$);
CALL refuse($$ml_tune('gone', 'SELECT * FROM keys WHERE ml_split(i) <> ''test''', 'y', '{"max_depth": [2, 4]}', features => '{x}', key => '{i}', holdout => 0.5)$$);
-- Another salt takes them from everywhere.
SELECT rows > 1000 AS trained FROM ml_train('other', 'SELECT * FROM keys WHERE ml_split(i, salt => ''x'') <> ''test''', 'y', features => '{x}', key => '{i}', params => '{"n_estimators": 3}');
-- Each way that the hint names works.
SELECT rows FROM ml_train('way', 'SELECT * FROM keys', 'y', features => '{x}', key => '{i}', params => '{"n_estimators": 3}');
SELECT rows FROM ml_train('way', 'SELECT * FROM keys WHERE ml_split(i, 0.6, 0.2) <> ''test''', 'y', features => '{x}', key => '{i}', holdout => 0, params => '{"n_estimators": 3}');
SELECT rows FROM ml_train('way', 'SELECT *, ml_split(i, 0.6, 0.2) AS part FROM keys', 'y', features => '{x}', key => '{i}', split => 'part', params => '{"n_estimators": 3}');
-- A part of them from everywhere is there, or another column is the key: no error.
SELECT rows FROM ml_train('way', 'SELECT * FROM keys WHERE i % 2 = 0 OR ml_split(i, 0.6, 0.2) <> ''test''', 'y', features => '{x}', key => '{i}', params => '{"n_estimators": 3}');
SELECT rows > 0 AS trained FROM ml_train('way', 'SELECT * FROM keys WHERE ml_split(i, 0.6, 0.2) <> ''test''', 'y', features => '{x}', key => '{b}', params => '{"n_estimators": 3}');
-- Few rows, or many of few keys, may have none held out by chance.
SELECT rows FROM ml_train('few', 'SELECT * FROM keys WHERE ml_split(i, 0.6, 0.2) <> ''test'' LIMIT 100', 'y', features => '{x}', key => '{i}', params => '{"n_estimators": 3}');
SELECT rows FROM ml_train('few', 'SELECT * FROM keys, generate_series(1, 100) WHERE ml_split(i, 0.6, 0.2) <> ''test'' AND i < 100', 'y', features => '{x}', key => '{i}', params => '{"n_estimators": 3}');

-- What is refused.
CALL refuse('ml_split(1, 0.8, 0.3)');
CALL refuse('ml_split(1, -0.1, 0.3)');
CALL refuse($$ml_split(1, 'NaN', 0.3)$$);
CALL refuse('ml_split(1, NULL)');
CALL refuse('ml_split(1, 0.5, NULL)');
CALL refuse('ml_split(1, salt => NULL)');
CALL refuse('ml_split(1.5)');

SELECT count(ml_drop(name)) FROM pgforest.models;
\set VERBOSITY terse
DROP SCHEMA regress_ml_split CASCADE;

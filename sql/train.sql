-- ml_train: what it answers, and what it leaves in the catalog.
CREATE SCHEMA regress_train;
SET search_path = regress_train, public;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');

-- Two columns that tell the targets, one that does not, and some rows that lie.
CREATE TABLE people AS
SELECT i AS id, size, weight, colour,
       CASE WHEN lies OR NOT big THEN 'no' ELSE 'yes' END AS label,
       (size / 256)::int AS grade,
       big AS flag,
       (CASE WHEN size < 300 THEN 'sad' WHEN size < 700 THEN 'ok' ELSE 'happy' END)::mood AS feels,
       (2 * size + 10 * weight)::float8 AS price,
       round((size / 7.0)::numeric, 2) AS cost,
       size * 3 AS points
FROM (SELECT i, hashint4extended(i, 1) & 1023 AS size,
             (hashint4extended(i, 2) & 1023) / 10.0::float8 AS weight,
             (ARRAY['red', 'green', 'blue'])[1 + (hashint4extended(i, 3) & 1023) % 3] AS colour,
             hashint4extended(i, 4) % 16 = 0 AS lies
      FROM generate_series(1, 600) i) r,
     LATERAL (SELECT size > 500 AND colour <> 'red' AS big) b;

CREATE VIEW features AS SELECT id, size, weight, colour FROM people;

-- The row that it answers, for each kind of target.
CREATE FUNCTION train(name text, target text, task text DEFAULT NULL)
RETURNS TABLE (model text, version int, task text, algorithm text, rows bigint, features int,
               metric text, score numeric, timed boolean, stored boolean)
BEGIN ATOMIC
    SELECT t.model, t.version, t.task, t.algorithm, t.rows, t.features, t.metric,
           round(t.score::numeric, 3), t.seconds > 0, t.bytes > 100
    FROM ml_train(name, format('SELECT f.*, p.%I FROM features f JOIN people p USING (id)', target), target,
                  task => task, key => '{id}', params => '{"n_estimators": 20}') t;
END;
SELECT * FROM train('by_text', 'label');
SELECT * FROM train('by_int', 'grade');
SELECT * FROM train('by_bool', 'flag');
SELECT * FROM train('by_enum', 'feels');
SELECT * FROM train('by_float', 'price');
SELECT * FROM train('by_numeric', 'cost');
SELECT * FROM train('int_as_number', 'points', 'regression');
SELECT * FROM train('float_as_class', 'cost', 'classification');
SELECT * FROM train('bool_as_number', 'flag', 'regression');

-- The classes: integers by number, booleans by name, all else by bytes.
SELECT model, classes[1:4] FROM pgforest.versions WHERE model LIKE 'by%' ORDER BY model;

-- A second version of a model, of other rows and with a note.
SELECT model, version, rows FROM ml_train('by_text', 'SELECT * FROM people WHERE id <= 300', 'label',
    features => '{weight,size,colour}', key => '{id}', holdout => 0.3, seed => 7, note => 'half of them');

-- What the views say.
SELECT name, task, target, owner = current_user AS mine, versions, production
FROM pgforest.models WHERE name IN ('by_text', 'by_float') ORDER BY name;
SELECT version, task, algorithm, rows, features, classes, seed, metric, round(score::numeric, 3) AS score,
       length(sha256) AS sha256, length(data_fingerprint) AS fingerprint, bytes > 100 AS bytes,
       trained_by = current_user AS mine, clock_timestamp() - trained_at < interval '1 hour' AS now, seconds > 0 AS seconds,
       aliases, target, columns, column_types, identity, holdout, note, extension_version
FROM pgforest.versions WHERE model = 'by_text' ORDER BY version \gx
SELECT version, query FROM pgforest.versions WHERE model = 'by_text' ORDER BY version;
SELECT jsonb_pretty(params) FROM pgforest.versions WHERE model = 'by_text' AND version = 1;
SELECT string_agg(key, ', ' ORDER BY key) AS stages, bool_and(value::float8 >= 0) AS timed
FROM pgforest.versions, jsonb_each_text(stage_seconds) WHERE model = 'by_text' AND version = 1;
SELECT arguments FROM pgforest.version JOIN pgforest.model m ON m.id = model_id
WHERE name = 'by_text' ORDER BY version;

-- Bytes are what the version says they are.
SELECT sum(octet_length(data)) = max(v.bytes) AS whole, sha256(string_agg(data, '' ORDER BY chunk)) = v.sha256 AS same
FROM pgforest.version v JOIN pgforest.version_data d USING (model_id, version) JOIN pgforest.model m ON m.id = model_id
WHERE name = 'by_text' GROUP BY v.model_id, v.version, v.sha256 ORDER BY v.version;

-- What was measured: the rows held out, and they are the score.
SELECT version, set, count(*), min(rows) = max(rows) AS one_set, bool_and(measured_by = current_user) AS mine
FROM pgforest.metrics WHERE model = 'by_text' GROUP BY version, set ORDER BY version, set;
SELECT DISTINCT ON (metric) metric FROM pgforest.metrics WHERE model = 'by_float' ORDER BY metric;
SELECT v.version, v.score = x.value AS equal
FROM pgforest.versions v JOIN pgforest.metrics x USING (model, version, metric)
WHERE v.model = 'by_text' AND x.set = 'validation' AND x.class IS NULL ORDER BY v.version;
SELECT rank, version, algorithm, metric, is_production FROM pgforest.leaderboard WHERE model = 'by_text' ORDER BY rank;

-- Runs: each training, with what it was asked.
SELECT model, version, kind, status, role = current_user AS mine, seconds > 0 AS timed,
       params ->> 'n_estimators' AS trees, sqlstate, message
FROM pgforest.runs WHERE model IN ('by_text', 'by_float') ORDER BY id;

-- What it cannot know.
SELECT * FROM ml_train('by_date', 'SELECT size, current_date + id AS day FROM people', 'day');
SELECT * FROM train('by_text', 'label', 'regression');
SELECT * FROM ml_train('by_float', 'people', 'label', key => '{id}');

-- Rows without a target, and held-out rows that lack a class, are told of.
SELECT rows FROM ml_train('told', $$SELECT size, CASE WHEN id = 3 THEN NULL WHEN id % 50 = 1 THEN 'rare' ELSE label END AS label
    FROM people WHERE id <= 60$$, 'label');
SELECT rows FROM ml_train('told', 'SELECT size, nullif(grade, 1) AS grade FROM people', 'grade', holdout => 0);

SELECT count(ml_drop(name)) FROM pgforest.models;
SELECT (SELECT count(*) FROM pgforest.version) AS versions, (SELECT count(*) FROM pgforest.version_data) AS data,
       (SELECT count(*) FROM pgforest.metric) AS metrics, (SELECT count(*) FROM pgforest.confusion) AS confusions,
       (SELECT count(*) FROM pgforest.curve) AS curves;
-- Runs outlive their models.
SELECT count(*) > 0 AS runs_stay FROM pgforest.runs WHERE model = 'by_text';
DROP SCHEMA regress_train CASCADE;

-- Which rows are held out: by the hash of the row or of its key, by a column, or none.
CREATE SCHEMA regress_split;
SET search_path = regress_split, public;
CREATE TABLE visits AS
SELECT i AS id, i / 20 AS patient, hashint4extended(i, 1) & 255 AS a, hashint4extended(i / 20, 2) & 65535 AS person, hashint4extended(i / 20, 3) & 1 AS y
FROM generate_series(0, 1999) i;

-- With a key all rows of a group are on one side. `person` tells the group, and y belongs to it: on rows of
-- unseen groups a model can do no better than chance; held out row by row it knows them all.
SELECT score < 0.8 AS guesses FROM ml_train('group', 'visits', 'y', features => '{person}', key => '{patient}');
SELECT score > 0.99 AS knows FROM ml_train('row', 'visits', 'y', features => '{person}', key => '{id}');
SELECT v.rows % 20 AS whole_groups, m.rows % 20 AS whole_groups_held_out, v.rows + m.rows AS all
FROM pgforest.versions v JOIN pgforest.metrics m ON m.model = v.model AND m.set = 'validation' AND m.metric = 'accuracy' WHERE v.model = 'group';
SELECT model, identity FROM pgforest.versions WHERE model IN ('group', 'row') ORDER BY model;
-- Without a key it is the values that are used: rows that are the same in these are on one side.
SELECT score < 0.8 AS guesses FROM ml_train('values', 'visits', 'y', features => '{person}');
SELECT identity FROM pgforest.versions WHERE model = 'values';
-- A key of several columns, in whatever order.
SELECT rows FROM ml_train('key', 'visits', 'y', features => '{a}', key => '{id,patient}', holdout => 0.5, params => '{"n_estimators": 3}');
SELECT rows FROM ml_train('key', 'visits', 'y', features => '{a}', key => '{patient,id}', holdout => 0.5, params => '{"n_estimators": 3}');
SELECT count(DISTINCT sha256) AS models, count(DISTINCT identity) AS identities FROM pgforest.versions WHERE model = 'key';

-- About the share that was asked for, independent of the seed; a larger share holds out these rows and more.
SELECT share, round(1 - rows / 2000.0, 1) AS held_out FROM (VALUES (0.0::float8), (0.1), (0.3), (0.5), (0.9)) s (share),
    ml_train('share', 'visits', 'y', features => '{a}', key => '{id}', holdout => share, params => '{"n_estimators": 2}') ORDER BY share;
SELECT count(DISTINCT rows) AS same FROM generate_series(1, 3) seed,
    ml_train('seed', 'visits', 'y', features => '{a}', key => '{id}', seed => seed, params => '{"n_estimators": 2}');

-- A row that is held out stays out when rows are added. Which ones are held out is found by training on
-- one row at a time: a row alone is trained on or is not.
CREATE FUNCTION is_trained_on(visit int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM ml_train('probe', format('SELECT id, a, 1.0 AS y FROM visits WHERE id = %s', visit), 'y', key => '{id}', params => '{"n_estimators": 1}');
    RETURN true;
EXCEPTION WHEN no_data_found THEN
    RETURN false;
END $$;
CREATE TABLE sides AS SELECT id, is_trained_on(id) AS trained_on FROM visits WHERE id < 200;
SELECT count(*) FILTER (WHERE NOT trained_on) BETWEEN 20 AND 60 AS some_held_out FROM sides;
-- 100 rows, 200 rows, and other rows: each time those, and only those.
SELECT n, rows = (SELECT count(*) FROM sides WHERE id < n AND trained_on) AS same_rows
FROM unnest('{50,100,150,200}'::int[]) n, ml_train('more', format('SELECT id, a, y FROM visits WHERE id < %s', n), 'y', key => '{id}', params => '{"n_estimators": 2}') ORDER BY n;
SELECT rows = (SELECT count(*) FROM sides WHERE id % 3 = 1 AND trained_on) AS same_rows
FROM ml_train('more', 'SELECT id, a, y FROM visits WHERE id < 200 AND id % 3 = 1', 'y', key => '{id}', params => '{"n_estimators": 2}');
-- A label for each row of its own: the model cannot know those of rows it has not seen, and knows the others.
CREATE TABLE riddles AS SELECT id, (hashint4extended(id, 9) & 65535) AS x, 'label ' || (hashint4extended(id, 8) & 1) AS y FROM visits WHERE id < 200;
SELECT version FROM ml_train('riddle', 'SELECT * FROM riddles WHERE id < 120', 'y', key => '{id}', params => '{"bootstrap": false, "max_features": 1.0, "n_estimators": 3}');
SELECT version FROM ml_train('riddle', 'riddles', 'y', key => '{id}', params => '{"bootstrap": false, "max_features": 1.0, "n_estimators": 3}');
SELECT v, trained_on, count(*) > 10 AS rows, avg((ml_predict('riddle@' || v, r) = y)::int) > 0.9 AS known
FROM riddles r JOIN sides USING (id), generate_series(1, 2) v WHERE id < 120 GROUP BY v, trained_on ORDER BY v, trained_on;
-- So the two are compared on the same rows that neither has seen.
SELECT version FROM ml_promote('riddle', 1);
SELECT rows = (SELECT count(*) FROM sides WHERE NOT trained_on) AS held_out_of_all FROM ml_promote('riddle', 2, alias => 'new', metric => 'accuracy');

-- A column says it.
CREATE VIEW marked AS SELECT id, a, y, (CASE WHEN id < 1000 THEN 'train' WHEN id < 1500 THEN 'validation' WHEN id < 1900 THEN 'test' END)::text AS part FROM visits;
SELECT rows FROM ml_train('part', 'marked', 'y', features => '{a}', split => 'part', params => '{"n_estimators": 3}');
SELECT set, rows FROM pgforest.metrics WHERE model = 'part' AND metric = 'accuracy' ORDER BY set;
SELECT identity, holdout FROM pgforest.versions WHERE model = 'part';
SELECT rows FROM ml_train('part', 'SELECT a, y, part::char(12) AS part FROM marked WHERE part IN (''train'', ''test'')', 'y', split => 'part', params => '{"n_estimators": 3}');
SELECT set, rows FROM pgforest.metrics WHERE model = 'part' AND version = 2 AND metric = 'accuracy' ORDER BY set;
SELECT rows FROM ml_train('part', 'SELECT a, y, ''train'' AS part FROM visits', 'y', split => 'part', params => '{"n_estimators": 3}');
SELECT set, count(*) > 0 AS measured FROM pgforest.metrics WHERE model = 'part' AND version = 3 GROUP BY set;
SELECT rows FROM ml_promote('part', 1, alias => 'a', metric => 'accuracy');
SELECT rows FROM ml_train('part', 'SELECT a, y, ''Train'' AS part FROM visits', 'y', split => 'part');

-- Without rows for validation the score is that of the test, and ml_evaluate shows what it is of.
SELECT algorithm, score = value AS same FROM unnest('{linear,random_forest}'::text[]) a,
    LATERAL ml_train('tested ' || a, 'SELECT a, y, part FROM marked WHERE part IN (''train'', ''test'')', 'y', a, split => 'part') t,
    LATERAL ml_evaluate('tested ' || a || '@1') e WHERE e.metric = t.metric AND class IS NULL;

-- holdout 0: all rows train, and out-of-bag is the measure.
SELECT rows, score IS NOT NULL AS measured FROM ml_train('none', 'visits', 'y', features => '{a}', key => '{id}', holdout => 0, params => '{"n_estimators": 30}');
SELECT DISTINCT set FROM pgforest.metrics WHERE model = 'none';
SELECT set, count(*) > 0 AS curve FROM pgforest.curve JOIN pgforest.model m ON m.id = model_id WHERE name = 'none' GROUP BY set;

SELECT count(ml_drop(name)) FROM pgforest.models;
\set VERBOSITY terse
DROP SCHEMA regress_split CASCADE;

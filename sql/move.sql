-- Versions as bytes: out, and in again.
CREATE SCHEMA regress_move;
SET search_path = regress_move, public;
\i sql/include/refuse.sql
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_ml_mover, regress_ml_other;
RESET client_min_messages;
CREATE ROLE regress_ml_mover;
CREATE ROLE regress_ml_other;
GRANT USAGE, CREATE ON SCHEMA regress_move TO regress_ml_mover, regress_ml_other;
CREATE TABLE t AS SELECT i AS id, (hashint4extended(i, 1) & 255)::float8 AS a, (ARRAY['red', 'gr"ün', 'blue'])[i % 3 + 1] AS colour, ARRAY[i % 4, i % 5]::float8[] AS pair,
    CASE WHEN (hashint4extended(i, 1) & 255) + (hashint4extended(i, 2) & 63) > 150 THEN 'high' ELSE 'low' END AS y, (hashint4extended(i, 1) & 255) / 7.0::float8 AS v FROM generate_series(1, 500) i;
GRANT SELECT ON t TO PUBLIC;

-- Every kind of model comes back as it was: bytes, predictions, and all that was known of it.
SELECT model, version FROM ml_train('forest', 't', 'y', features => '{a,colour,pair}', key => '{id}', params => '{"n_estimators": 7, "calibration": "isotonic"}', note => 'a note with "quotes"', seed => 9007199254740993);
SELECT model, version FROM ml_train('quantiles', 't', 'v', features => '{a,colour,pair}', params => '{"n_estimators": 5, "quantiles": true}');
SELECT model, version FROM ml_train('boosting', 't', 'v', algorithm => 'gradient_boosting', features => '{a,colour}', params => '{"n_estimators": 5}');
SELECT model, version FROM ml_train('linear', 't', 'y', algorithm => 'linear', features => '{a,colour,pair}');
SELECT model, version FROM ml_train('odd', 't', algorithm => 'isolation_forest', features => '{a,pair}', params => '{"n_estimators": 5}');
SELECT recipe FROM ml_recipe('moved', 'SELECT id, a, colour, y FROM t', '[{"step": "scale", "columns": ["a"], "method": "standard"}, {"step": "one_hot", "columns": ["colour"]}]');
SELECT model, version FROM ml_train('raw', 'SELECT id, a, colour, y FROM t', 'y', key => '{id}', recipe => 'moved', params => '{"n_estimators": 5}');
SELECT count(*) > 0 AS measured FROM ml_evaluate('forest@1', 't');
CREATE TABLE box AS SELECT name, ml_export(name || '@1') AS data FROM pgforest.models;
CREATE VIEW known AS SELECT model, jsonb_build_object('version', to_jsonb(v) - '{model,version,trained_by,aliases}'::text[],
    'metrics', (SELECT jsonb_agg(to_jsonb(m) - '{model,version}'::text[]) FROM (SELECT * FROM pgforest.metrics ORDER BY set, source, metric, class) m WHERE m.model = v.model AND m.version = v.version),
    'confusion', (SELECT jsonb_agg(to_jsonb(c)) FROM ml_confusion_matrix(model || '@1') c WHERE task = 'classification'),
    'curve', (SELECT jsonb_agg(to_jsonb(c)) FROM ml_roc_curve(model || '@1') c WHERE task = 'classification')) AS facts
FROM pgforest.versions v WHERE version = 1;
CREATE TABLE before AS TABLE known;
SELECT model, version, task, algorithm, features, bytes = (SELECT bytes FROM pgforest.versions v WHERE v.model = name) AS bytes, sha256 = (SELECT sha256 FROM pgforest.versions v WHERE v.model = name) AS sha256
FROM box, ml_import(data, 'copy of ' || name) ORDER BY model;
SELECT b.model, a.facts = b.facts AS same FROM before b JOIN known a ON a.model = 'copy of ' || b.model ORDER BY 1;
SELECT name, bool_and(ml_predict(name || '@1', t) = ml_predict('copy of ' || name || '@1', t)) AS same FROM box, t GROUP BY 1 ORDER BY 1;
-- With the recipe that it carries, and what its rows were like.
SELECT a.document = b.document AS same_recipe, c.profile = d.profile AS same_baseline
FROM pgforest.version_recipe a JOIN pgforest.model m ON m.id = a.model_id AND m.name = 'raw' JOIN pgforest.baseline c ON c.model_id = a.model_id,
     pgforest.version_recipe b JOIN pgforest.model n ON n.id = b.model_id AND n.name = 'copy of raw' JOIN pgforest.baseline d ON d.model_id = b.model_id;
-- The name that it had is there no more: it is the default.
SELECT ml_drop('forest');
SELECT model, version FROM box, ml_import(data) WHERE name = 'forest';
SELECT a.facts = b.facts AS same FROM before b JOIN known a USING (model) WHERE model = 'forest';

-- Where it came from; twice on the way.
SELECT model, version, database = current_database() AS database, original, number, trained_by = current_user AS trained, exported_by = current_user AS exported, imported_by = current_user AS imported, exported_at < imported_at AS later, earlier IS NULL AS direct
FROM pgforest.origins WHERE model = 'forest';
SELECT model, version FROM ml_import(ml_export('forest@1'), 'second hand', note => 'another note');
SELECT original, trained_by = current_user AS trained, earlier ->> 'model' AS before FROM pgforest.origins WHERE model = 'second hand';
SELECT note, trained_by FROM pgforest.versions WHERE model = 'second hand';
SELECT kind, status, model, version FROM pgforest.runs WHERE model = 'second hand';
SELECT ml_drop('second hand');
SELECT count(*) FROM pgforest.origin o WHERE NOT EXISTS (SELECT FROM pgforest.version v WHERE v.model_id = o.model_id AND v.version = o.version);

-- As the next version of a model with the same target and features, and of no other.
SELECT version FROM ml_train('forest', 't', 'y', features => '{pair,colour,a}', key => '{id}', params => '{"n_estimators": 3}');
SELECT model, version FROM box, ml_import(data) WHERE name = 'forest';
CALL refuse($$box, ml_import(data, 'linear') WHERE name = 'odd'$$);
CALL refuse($$box, ml_import(data, 'quantiles') WHERE name = 'boosting'$$);
SELECT version FROM ml_promote('forest', 3);
SELECT DISTINCT ml_predict('forest', t) = ml_predict('forest@1', t) AS same FROM t;

-- The query that came along is never run, not even by whoever would be its owner.
CALL refuse($$ml_promote('forest', metric => 'accuracy')$$);
SELECT promoted, reason FROM ml_promote('forest', 2, metric => 'accuracy', source => 't');

-- Owned by who imports it; exported by its owner only; continued by those who may train it.
SET ROLE regress_ml_mover;
CALL refuse($$ml_export('forest')$$);
RESET ROLE;
GRANT SELECT ON box TO regress_ml_mover, regress_ml_other;
SELECT ml_grant('forest', 'regress_ml_mover', 'predict');
SET ROLE regress_ml_mover;
CALL refuse($$ml_export('forest')$$);
CALL refuse($$box, ml_import(data) WHERE name = 'forest'$$);
SELECT model, version FROM box, ml_import(data, 'mine') WHERE name = 'linear';
SELECT name, owner FROM pgforest.models WHERE name = 'mine';
SET ROLE regress_ml_other;
SELECT count(*) FROM pgforest.origins;
CALL refuse($$box, ml_import(data, 'mine') WHERE name = 'linear'$$);
SET ROLE regress_ml_mover;
SELECT ml_grant('mine', 'regress_ml_other', 'train');
SET ROLE regress_ml_other;
SELECT model, version FROM box, ml_import(data, 'mine') WHERE name = 'linear';
RESET ROLE;

-- Other digits are no matter of the session's settings.
SET extra_float_digits = -15;
SET bytea_output = 'escape';
SET datestyle = 'German, DMY';
SET timezone = 'America/Caracas';
SELECT model, version FROM ml_import(ml_export('linear@1'), 'settings');
RESET ALL;
SET search_path = regress_move, public;
SELECT a.facts = b.facts AS same FROM before b JOIN known a ON a.model = 'settings' WHERE b.model = 'linear';

-- What is no exported model.
CALL refuse($$ml_import(NULL)$$);
CALL refuse($$ml_import('')$$);
CALL refuse($$ml_import('pgforest')$$);
CALL refuse($$box, ml_import(substr(data, 1, length(data) - 1)) WHERE name = 'odd'$$);
CALL refuse($$box, ml_import(data || '\x00') WHERE name = 'odd'$$);
CALL refuse($$box, ml_import(set_byte(data, 100, 1)) WHERE name = 'odd'$$);
CALL refuse($$box, ml_import(set_byte(data, 8, 2)) WHERE name = 'odd'$$);
CALL refuse($$box, ml_import(data, 'a@b') WHERE name = 'odd'$$);
CALL refuse($$ml_export('nothing')$$);
BEGIN READ ONLY;
CALL refuse($$box, ml_import(data, 'x') WHERE name = 'odd'$$);
COMMIT;

-- Somebody who can compute a checksum: other sections, or another model, in a container that is whole.
CREATE FUNCTION little(n int) RETURNS bytea LANGUAGE sql AS $$
    SELECT string_agg(decode(lpad(to_hex(n >> 8 * i & 255), 2, '0'), 'hex'), '' ORDER BY i) || '\x00000000' FROM generate_series(0, 3) i
$$;
CREATE FUNCTION container(sections bytea, model bytea) RETURNS bytea LANGUAGE sql AS $$
    SELECT body || sha256(body) FROM (SELECT convert_to('pgforest', 'UTF8') || '\x0100000000000000'::bytea || little(length(sections)) || little(length(model)) || sections || model AS body) b
$$;
CREATE FUNCTION big(b bytea) RETURNS int LANGUAGE sql AS $$ SELECT get_byte(b, 0) + get_byte(b, 1) * 256 + get_byte(b, 2) * 65536 $$;
CREATE TABLE parts AS SELECT name, convert_from(substr(data, 33, big(substr(data, 17, 3))), 'UTF8')::jsonb AS sections, substr(data, 33 + big(substr(data, 17, 3)), big(substr(data, 25, 3))) AS model, data FROM box;
SELECT name, container(convert_to(sections::text, 'UTF8'), model) = data AS taken_apart FROM parts ORDER BY 1;
CREATE FUNCTION forged(change jsonb, path text[], model text DEFAULT 'forest') RETURNS text LANGUAGE sql AS $$
    SELECT format('parts, ml_import(container(convert_to(jsonb_set(sections, %L, %L)::text, %L), model), %L) WHERE name = %L', path, change, 'UTF8', 'forged', model)
$$;
\set VERBOSITY terse
CALL refuse(forged('"x"', '{version,sha256}'));
CALL refuse(forged('1', '{version,bytes}'));
CALL refuse(forged('"regression"', '{model,task}'));
CALL refuse(forged('["a"]', '{version,columns}'));
CALL refuse(forged('["high", "low", "more"]', '{version,classes}'));
CALL refuse(forged('null', '{version,params}'));
CALL refuse(forged('"soon"', '{version,trained_at}'));
CALL refuse(forged('null', '{recipe}', 'raw'));
CALL refuse(forged('{"document": {"recipe": "x", "version": 1, "columns": [], "steps": [{"step": "run", "sql": "DROP TABLE t"}]}}', '{recipe}', 'raw'));
CALL refuse(forged(E'{"profile": "\\\\x00"}', '{baseline}'));
CALL refuse(forged('7', '{version}'));
CALL refuse(forged('[[1]]', '{metrics}'));
CALL refuse(forged('[1, 2]', '{confusion,0,counts}'));
CALL refuse(forged('[0.5]', '{curves,0,tpr}'));
CALL refuse(forged('"EUC_JP"', '{exported,encoding}'));
CALL refuse(forged('{}', '{exported}'));
CALL refuse($$parts, ml_import(container('\x7b7d', model)) WHERE name = 'forest'$$);
CALL refuse($$parts, ml_import(container('\x00', model)) WHERE name = 'forest'$$);
CALL refuse($$parts, ml_import(container('\xff', model)) WHERE name = 'forest'$$);
CALL refuse($$parts a, parts b, ml_import(container(convert_to(a.sections::text, 'UTF8'), b.model)) WHERE a.name = 'forest' AND b.name = 'odd'$$);

-- And a thousand mutations of all of them: each is taken or is an error that is somebody's, and the server lives.
CREATE FUNCTION mutate(data bytea, seed int) RETURNS bytea LANGUAGE sql AS $$
    SELECT CASE seed % 3 WHEN 0 THEN set_byte(data, at, what) WHEN 1 THEN substr(data, 1, at) || substr(data, at + 2) ELSE substr(data, 1, at) || set_byte('\x00', 0, what) || substr(data, at + 1) END
    FROM (SELECT (hashint4extended(seed, 5) & 2147483647)::int % (length(data) - 1) AS at, (hashint4extended(seed, 6) & 255)::int AS what) m
$$;
CREATE FUNCTION attempts(first int, last int) RETURNS TABLE (state text, n bigint) LANGUAGE plpgsql AS $$
DECLARE
    seed int;
    changed bytea;
    sections bytea;
    part record;
    states text[] := '{}';
    code text;
BEGIN
    FOR seed IN first .. last LOOP
        SELECT * INTO part FROM parts ORDER BY name OFFSET seed % 6 LIMIT 1;
        sections := convert_to(part.sections::text, 'UTF8');
        changed := mutate(CASE WHEN seed % 2 = 0 THEN sections ELSE part.model END, seed);
        IF seed % 2 = 0 THEN
            sections := changed;
        ELSE
            part.model := changed;
            sections := convert_to(jsonb_set(jsonb_set(part.sections, '{version,sha256}', to_jsonb('\x' || encode(sha256(changed), 'hex'))), '{version,bytes}', to_jsonb(length(changed)))::text, 'UTF8');
        END IF;
        BEGIN
            PERFORM ml_import(container(sections, part.model), 'mutant ' || seed);
            PERFORM ml_predict('mutant ' || seed || '@1', t) FROM t LIMIT 3;
            code := 'taken';
        EXCEPTION WHEN OTHERS THEN
            code := SQLSTATE;
        END;
        states := states || code;
    END LOOP;
    RETURN QUERY SELECT s, count(*) FROM unnest(states) s GROUP BY 1;
END $$;
SET client_min_messages = error;
SELECT count(*) FILTER (WHERE state LIKE 'XX000' OR state LIKE '57%' OR state LIKE '53%') AS not_clean, sum(n) AS attempts, sum(n) FILTER (WHERE state <> 'taken') > 700 AS refused FROM attempts(1, 1000);
RESET client_min_messages;

SELECT count(ml_drop(name)) > 0 AS dropped FROM pgforest.models;
SELECT ml_drop_recipe('moved');
DROP SCHEMA regress_move CASCADE;
DROP ROLE regress_ml_mover, regress_ml_other;

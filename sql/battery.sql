-- The same for every algorithm, each of its losses, and what can be asked for beside: odd values, rows, targets,
-- weights, names and sources make an answer or a clear error, and the same bytes in another order.
CREATE SCHEMA regress_battery;
SET search_path = regress_battery, public;
SET client_min_messages = warning;

CREATE FUNCTION u(i int, k int) RETURNS float8 IMMUTABLE RETURN (hashint4extended(i, k) & 65535) / 65536.0;
CREATE TYPE shade AS ENUM ('light', 'dark');
CREATE DOMAIN small AS smallint CHECK (VALUE >= -1);
CREATE DOMAIN pixels AS smallint[];
CREATE TABLE rows AS
SELECT i AS id, (u(i, 1) * 1000)::int AS a, u(i, 2) AS b, chr(97 + (u(i, 4) * 20)::int) AS c, CASE WHEN u(i, 5) < 0.1 THEN NULL ELSE u(i, 6) END AS d,
       CASE WHEN u(i, 1) + u(i, 2) + u(i, 7) / 2 > 1.3 THEN 'yes' ELSE 'no' END AS y,
       CASE WHEN u(i, 1) + u(i, 2) + u(i, 7) / 2 > 1.3 THEN 'yes' WHEN u(i, 3) > 0.6 THEN 'maybe' ELSE 'no' END AS y3,
       u(i, 1) * 10 + u(i, 2) * 5 AS v
FROM generate_series(1, 200) i;

CREATE TABLE learners (place serial, learner text, algorithm text, target text, params jsonb);
INSERT INTO learners (learner, algorithm, target, params) VALUES
    ('forest', 'random_forest', 'y', '{"n_estimators": 4, "class_weight": "balanced_subsample"}'),
    ('forest/value', 'random_forest', 'v', '{"n_estimators": 4}'),
    ('forest/quantiles', 'random_forest', 'v', '{"n_estimators": 4, "quantiles": true}'),
    ('forest/isotonic', 'random_forest', 'y3', '{"n_estimators": 4, "calibration": "isotonic"}'),
    ('extra', 'extra_trees', 'y3', '{"n_estimators": 4, "calibration": "sigmoid"}'),
    ('extra/value', 'extra_trees', 'v', '{"n_estimators": 4, "quantiles": true}'),
    ('boost', 'gradient_boosting', 'y', '{"n_estimators": 4, "class_weight": "balanced"}'),
    ('boost/three', 'gradient_boosting', 'y3', '{"n_estimators": 4, "calibration": "sigmoid"}'),
    ('boost/value', 'gradient_boosting', 'v', '{"n_estimators": 4, "early_stopping": true}'),
    ('boost/absolute', 'gradient_boosting', 'v', '{"n_estimators": 4, "loss": "absolute_error", "subsample": 0.7}'),
    ('boost/quantile', 'gradient_boosting', 'v', '{"n_estimators": 4, "loss": "quantile", "quantile": 0.9}'),
    ('boost/poisson', 'gradient_boosting', 'v', '{"n_estimators": 4, "loss": "poisson"}'),
    ('ridge', 'linear', 'v', '{}'),
    ('elastic net', 'linear', 'v', '{"alpha": 0.1, "l1_ratio": 0.5}'),
    ('logistic', 'linear', 'y', '{"calibration": "sigmoid"}'),
    ('multinomial', 'linear', 'y3', '{"class_weight": "balanced"}'),
    ('isolation', 'isolation_forest', NULL, '{"n_estimators": 4, "contamination": 0.1}');

-- Trains a learner on some columns of a source, or twice, the second time on the rows in another order; and predicts. What came of it.
-- targets: other expressions for some of y, y3 and v. probe: rows to predict, if not those.
CREATE FUNCTION attempt(l learners, columns text, source text, targets jsonb, more text, probe text, twice boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    task text = CASE l.target WHEN 'v' THEN 'regression' WHEN 'y' THEN 'classification' WHEN 'y3' THEN 'classification' ELSE 'anomaly' END;
    query text = format('SELECT %s FROM %s', concat_ws(', ', columns, coalesce(targets ->> l.target, l.target) || ' AS ' || l.target), source);
    call text = 'SELECT rows, features FROM ml_train(''tried'', %L, %L, %L, %L, task => %L %s)';
    trained record;
    wrong bigint;
    said text;
BEGIN
    more = CASE WHEN more ~ 'holdout' THEN '' ELSE ', holdout => 0' END || more;
    EXECUTE format(call, query, l.target, l.algorithm, l.params, task, more) INTO trained;
    IF twice THEN
        EXECUTE format(call, query || ' ORDER BY 1 DESC', l.target, l.algorithm, l.params, task, more);
        IF (SELECT count(DISTINCT sha256) FROM pgforest.versions WHERE model = 'tried') > 1 THEN
            RETURN 'other bytes in another order';
        END IF;
    END IF;
    EXECUTE format(CASE task WHEN 'classification' THEN
        'SELECT count(*) FROM (%s) r WHERE (SELECT abs(sum(x) - 1) < 1e-12 AND min(x) >= 0 FROM unnest(ml_predict_proba(''tried@1'', r)) x) IS NOT TRUE OR ml_predict(''tried@1'', r) IS NULL'
        ELSE 'SELECT count(*) FROM (%s) r WHERE (abs(ml_predict(''tried@1'', r, NULL::float8)) < 1e130) IS NOT TRUE' END, coalesce(probe, query)) INTO wrong;
    IF wrong > 0 THEN
        RETURN wrong || ' answers are none';
    END IF;
    IF l.params ? 'quantiles' THEN
        EXECUTE format('SELECT count(*) FROM (%s) r, ml_predict_quantile(''tried@1'', r, ''{0,0.5,1}'') q WHERE (q[1] <= q[2] AND q[2] <= q[3]) IS NOT TRUE', coalesce(probe, query)) INTO wrong;
        IF wrong > 0 THEN
            RETURN wrong || ' quantiles are none';
        END IF;
    END IF;
    PERFORM ml_drop('tried');
    RETURN format('%s rows, %s features', trained.rows, trained.features);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS said = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(E'\n', sqlstate || ' ' || replace(sqlerrm, format('column "%s"', l.target), 'column'), nullif(said, ''));
END $$;
-- What came of it for all of them, the alike together.
CREATE FUNCTION try(columns text, source text DEFAULT 'rows', targets jsonb DEFAULT '{}', more text DEFAULT '', probe text DEFAULT NULL, twice boolean DEFAULT false)
RETURNS TABLE (outcome text, learners text) LANGUAGE sql AS $$
    SELECT t.outcome, CASE WHEN count(*) = (SELECT count(*) FROM learners) THEN 'all' ELSE string_agg(t.learner, ', ' ORDER BY t.place) END
    FROM (SELECT l.place, l.learner, attempt(l, columns, source, targets, more, probe, twice) AS outcome FROM learners l OFFSET 0) t
    GROUP BY t.outcome ORDER BY min(t.place)
$$;
\pset footer off

-- ----- columns -----

CREATE TABLE types AS
SELECT rows.*, a::int2 AS "int2", a::int8 * 10000000000 AS "int8", b::float4 AS "float4", (b * 100)::numeric(8, 3) AS "numeric", a > 500 AS "bool", date '2020-01-01' + a AS "date",
       timestamp '2020-01-01' + a * interval '1 hour' AS "timestamp", timestamptz '2020-01-01 00:00Z' + a * interval '1 minute' AS "timestamptz",
       c::varchar(4) AS "varchar", c::char(8) AS "bpchar", c::name AS "name", c::"char" AS "char", CASE WHEN a > 500 THEN 'dark' ELSE 'light' END::shade AS "enum",
       md5(c)::uuid AS "uuid", (a / 10)::small AS "domain", ARRAY[a, NULL, 1]::int2[] AS "int2[]", ARRAY[b, a]::float4[] AS "float4[]", ARRAY[a / 3.0]::numeric[] AS "numeric[]",
       ARRAY[a > 500, b > 0.5] AS "bool[]", ARRAY[[a, 0], [0, a]] AS "int4[][]", ARRAY[a, 0]::pixels AS "domain of array"
FROM rows;
SELECT string_agg(quote_ident(attname), ', ') AS all_types FROM pg_attribute WHERE attrelid = 'types'::regclass AND attnum > 8 \gset
SELECT * FROM try(:'all_types', 'types', twice => true);
SELECT * FROM try('a, interval ''1 day'' AS i, ''{}''::jsonb AS j, ''{a}''::text[] AS t');
CREATE TABLE cases (place serial, columns text);
INSERT INTO cases (columns) VALUES
    ('1 AS a, ''x''::text AS t, b'), ('1 AS a'),
    ('NULL::float8 AS a, NULL::text AS t, b'), ('NULL::float8 AS a, NULL::text AS t'), ('''NaN''::float8 AS a, ''NaN''::numeric AS n, b'),
    ('(ARRAY[''infinity'', ''-infinity'', ''NaN'', ''1e308'', ''-1e308'', ''5e-324'', NULL]::float8[])[1 + id % 7] AS a, b'), ('''infinity''::float8 AS a, ''-infinity''::float4 AS b'),
    ('(ARRAY[''infinity'', ''-infinity'', ''NaN'', ''1e400'', ''-1e400'', ''1e-400'', NULL]::numeric[])[1 + id % 7] AS a, b'),
    ('(ARRAY[''infinity'', ''-infinity'', ''4713-01-01 BC'', ''5874897-12-31'', NULL]::date[])[1 + id % 5] AS d, (ARRAY[''infinity'', ''-infinity'', ''4713-01-01 BC'', ''294276-12-31'', NULL]::timestamptz[])[1 + id % 5] AS t'),
    ('(b - 0.5) * 1e308 AS a, b * 1e-300 AS b'), ('c || id AS t, b'), ('CASE id % 3 WHEN 0 THEN '''' WHEN 1 THEN E''\n"'' ELSE repeat(''ü'', 1000) END AS t, b'),
    ('a AS "A b", b AS "it''s", c AS "Ünï\", a + b AS "f1", a AS "select", b AS """", c AS "line
break"');
SELECT c.columns, t.* FROM cases c, try(c.columns) t ORDER BY c.place;
SELECT * FROM try('array_fill(b, ''{4100}'') AS l', '(SELECT * FROM rows ORDER BY id LIMIT 20) r');
SELECT * FROM try('repeat(c, 1000000) AS t, b', '(SELECT * FROM rows ORDER BY id LIMIT 6) r');
-- Rows to predict that are nothing like those of the training.
SELECT * FROM try('a::float8, b, c AS t', probe => $$SELECT * FROM (VALUES ('NaN'::float8, NULL::float8, 'never'), (NULL, 'NaN', NULL), ('infinity', '-infinity', ''), (1.7e308, -1.7e308, repeat('x', 1000000)), (5e-324, 0, 'a')) r (a, b, t)$$);

-- ----- rows -----

TRUNCATE cases;
INSERT INTO cases (columns) VALUES ('rows LIMIT 0) r'), ('rows ORDER BY id LIMIT 1) r'), ('rows WHERE id IN (SELECT min(id) FROM rows GROUP BY y)) r'),
    ('rows WHERE id IN (SELECT min(id) FROM rows GROUP BY y3)) r'), ('rows WHERE y = ''yes'') r');
SELECT c.columns AS source, t.* FROM cases c, try('a, b, c', '(SELECT * FROM ' || c.columns) t ORDER BY c.place;
SELECT * FROM try('1 AS a, ''q''::text AS t', targets => '{"y": "chr(97 + id % 2)", "y3": "chr(97 + id % 3)"}');

-- ----- targets -----

CREATE TABLE targets (place serial, y text, v text);
INSERT INTO targets (y, v) VALUES ('''one''::text', '3.5'), ('id % 3 - 1', '(id % 5)::int2'), ('a > 500', '(id % 5)::real'), ('CASE WHEN a > 500 THEN ''dark'' ELSE ''light'' END::shade', 'v::numeric(6, 2)'),
    ('date ''2020-01-01'' + id % 2', 'date ''2020-01-01'' + id'), ('CASE WHEN id % 2 = 0 THEN '''' ELSE E''a\nb"'' END', '0.0'), ('CASE WHEN id % 2 = 0 THEN repeat(''x'', 10000) ELSE ''ü☂'' END', '-v'),
    ('CASE WHEN id % 2 = 0 THEN y END', 'CASE WHEN id % 2 = 0 THEN v END'), ('NULL::text', 'NULL::float8'), ('''c'' || id % 150', '1e15 + v'), ('a::text || b', 'CASE WHEN id = 9 THEN ''NaN'' ELSE v END'), ('id % 2', '1e400'),
    ('y', 'v * 1e36'), ('y', 'v * 1e90'), ('y', 'v * 1e-90'), ('y', 'v * 1e-310'), ('y', 'CASE WHEN id = 9 THEN 1e300 ELSE v END');
SELECT g.y, g.v, t.* FROM targets g, try('a, b', targets => jsonb_build_object('y', g.y, 'y3', g.y, 'v', g.v)) t ORDER BY g.place;

-- ----- weights, keys, seeds, parts -----

-- An isolation forest has no weights.
CREATE TABLE without AS SELECT * FROM learners WHERE algorithm = 'isolation_forest';
DELETE FROM learners WHERE algorithm = 'isolation_forest';
TRUNCATE cases;
INSERT INTO cases (columns) VALUES ('1 + id % 3'), ('CASE WHEN id % 3 > 0 THEN 1.5 ELSE 0 END'), ('0'), ('-1.5'), ('''NaN''::float8'), ('''infinity''::float8'), ('NULL::int'), ('1e12 * (1 + b)'), ('1e-12 * (1 + b)'), ('1e300'),
    ('CASE WHEN id % 2 = 0 THEN 1e-9 ELSE 1e9 END'), ('(y3 = ''yes'')::int');
SELECT c.columns AS weight, t.* FROM cases c, try('a, b, (' || c.columns || ') AS w', more => ', weight => ''w''', twice => true) t ORDER BY c.place;
INSERT INTO learners SELECT * FROM without;
TRUNCATE cases;
INSERT INTO cases (columns) VALUES ('1 AS k, a, b'), ('NULL::text AS k, a, b'), ('id / 7 AS k, a, b');
SELECT c.columns, t.* FROM cases c, try(c.columns, more => ', key => ''{k}''', twice => true) t ORDER BY c.place;
SELECT * FROM try('CASE WHEN id % 4 = 0 THEN ''test'' WHEN id % 4 < 3 THEN ''train'' END AS s, a, b', more => ', split => ''s''');
SELECT seed, t.* FROM unnest('{-9223372036854775808,-1,9223372036854775807}'::bigint[]) seed, try('a, b, c, d', more => ', seed => ' || seed) t ORDER BY seed;
-- Weights count beside each other, and targets have no unit: multiplied by a power of 2, all is learnt as before.
CREATE FUNCTION learnt(l learners, factor float8, weight float8) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
    result float8;
BEGIN
    PERFORM ml_train('tried', format('SELECT id, a, b, %s AS %I, (%s * (1 + id %% 3))::float8 AS w FROM rows', CASE l.target WHEN 'v' THEN 'v * ' || factor ELSE l.target END, l.target, weight), l.target, l.algorithm, l.params, key => '{id}', weight => 'w', holdout => 0);
    IF l.target = 'v' THEN
        SELECT sum(ml_predict('tried@1', r, NULL::float8) / factor) INTO result FROM rows r;
    ELSE
        SELECT sum((ml_predict_proba('tried@1', r))[1]) INTO result FROM rows r;
    END IF;
    PERFORM ml_drop('tried');
    RETURN result;
END $$;
SELECT learner, x = learnt(l, 1, 2 ^ -40) AND x = learnt(l, 1, 2 ^ 40) AS weights, x = learnt(l, 2 ^ -200, 1) AND x = learnt(l, 2 ^ 200, 1) AS targets
FROM learners l, learnt(l, 1, 1) x WHERE algorithm NOT IN ('linear', 'isolation_forest') AND learner <> 'boost/poisson' ORDER BY place;

-- ----- sources -----

CREATE TABLE source AS SELECT id, a, b, c, d, y, y3, v FROM rows;
CREATE VIEW a_view AS SELECT * FROM source;
CREATE MATERIALIZED VIEW a_matview AS SELECT * FROM source ORDER BY b;
CREATE TABLE parts (LIKE source) PARTITION BY HASH (id);
SELECT format('CREATE TABLE parts%s PARTITION OF parts FOR VALUES WITH (MODULUS 3, REMAINDER %s)', i, i) FROM generate_series(0, 2) i \gexec
INSERT INTO parts SELECT * FROM source;
CREATE TABLE parent (LIKE source);
CREATE TABLE child () INHERITS (parent);
INSERT INTO parent SELECT * FROM source WHERE id % 2 = 0;
INSERT INTO child SELECT * FROM source WHERE id % 2 = 1;
CREATE TEMP TABLE temporary AS TABLE source;
CREATE UNLOGGED TABLE unlogged AS TABLE source;
CREATE TABLE dropped AS SELECT 1 AS gone, id, a, '{}'::json AS j, b, c, d, y, y3, v FROM source;
ALTER TABLE dropped DROP gone, DROP j;
CREATE TABLE generated (id int, less int, b float8, c text, d float8, y text, y3 text, v float8, a int GENERATED ALWAYS AS (less + 1) STORED);
INSERT INTO generated SELECT id, a - 1, b, c, d, y, y3, v FROM source;
CREATE TABLE late AS SELECT id, b, c, d, y, y3, v FROM source;
ALTER TABLE late ADD a int DEFAULT 7;
UPDATE late SET a = source.a FROM source WHERE source.id = late.id;
CREATE TABLE guarded AS SELECT * FROM source UNION ALL SELECT id + 1000, b * 9, a, 'z', d, y, y3, v FROM source;
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY small ON guarded USING (id < 1000);
CREATE TABLE sources AS SELECT unnest('{source,a_view,a_matview,parts,parent,temporary,unlogged,dropped,generated,late,guarded}'::text[]) AS name;
-- Foreign tables, where there are any.
SELECT count(*) AS has_fdw FROM pg_available_extensions WHERE name = 'file_fdw' \gset
\if :has_fdw
CREATE EXTENSION file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
DO $$
BEGIN
    EXECUTE (SELECT format('CREATE FOREIGN TABLE far (id int, a int, b float8, c text, d float8, y text, y3 text, v float8) SERVER files OPTIONS (program %L, format ''csv'')',
                           'printf "' || string_agg(concat_ws(',', id, a, b, c, coalesce(d::text, ''), y, y3, v), '\n') || '\n"') FROM source);
END $$;
INSERT INTO sources VALUES ('far');
\endif
DROP ROLE IF EXISTS regress_ml_battery;
CREATE ROLE regress_ml_battery;
GRANT USAGE, CREATE ON SCHEMA regress_battery TO regress_ml_battery;
GRANT SELECT ON ALL TABLES IN SCHEMA regress_battery TO regress_ml_battery;
GRANT SELECT ON temporary TO regress_ml_battery;
CREATE FUNCTION of_source(l learners, source text, OUT bytes text, OUT answers text) LANGUAGE plpgsql AS $$
DECLARE
    trained record;
BEGIN
    SELECT * INTO trained FROM ml_train('sources', source, l.target, l.algorithm, l.params, features => '{a,b,c,d}');
    SELECT sha256 INTO bytes FROM pgforest.versions WHERE model = 'sources' AND version = trained.version;
    EXECUTE format('SELECT md5(string_agg(ml_predict(%1$L, r) %3$s, '','' ORDER BY id)) FROM %2$I r', 'sources@' || trained.version, source,
                   CASE WHEN l.target LIKE 'y%' THEN format('|| ml_predict_proba(%L, r)::text', 'sources@' || trained.version) END) INTO answers;
    PERFORM ml_drop('sources');
END $$;
SET ROLE regress_ml_battery;
SELECT l.learner, count(s) = (SELECT count(*) FROM sources) AS all_trained, count(DISTINCT s.bytes) AS models, count(DISTINCT s.answers) AS answers
FROM learners l, sources n, of_source(l, n.name) s GROUP BY l.place, l.learner ORDER BY l.place;
RESET ROLE;

-- ----- predictions where queries may have them -----

CREATE FUNCTION keep(l learners) RETURNS text LANGUAGE sql AS $$
    SELECT model FROM ml_train(l.learner, 'SELECT a, b, c, d' || coalesce(', ' || l.target, '') || ' FROM rows', l.target, l.algorithm, l.params)
$$;
SELECT count(keep(l)) AS kept FROM learners l;
CREATE VIEW answers AS SELECT l.place, l.learner, r.id, ml_predict(l.learner || '@1', r) AS answer FROM learners l, rows r;
-- In a read-only transaction, in a cursor, prepared, by workers; an object and a row say the same.
SELECT md5(string_agg(concat_ws(' ', learner, id, answer), ',' ORDER BY learner, id)) AS digest FROM answers \gset
PREPARE digest AS SELECT md5(string_agg(concat_ws(' ', learner, id, answer), ',' ORDER BY learner, id)) = $1 AS same FROM answers;
BEGIN READ ONLY;
EXECUTE digest (:'digest');
COMMIT;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXECUTE digest (:'digest');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
SELECT bool_and(answer = ml_predict(learner || '@1', to_jsonb(r))) AS object_as_row FROM answers JOIN rows r USING (id);
\getenv here PG_ABS_SRCDIR
\set refuse :here '/sql/include/refuse.sql'
\ir :refuse
RESET client_min_messages;
\set VERBOSITY terse
CREATE INDEX ON rows (ml_predict('forest@1', rows));
ALTER TABLE rows ADD p text GENERATED ALWAYS AS (ml_predict('forest@1', ARRAY[a, b])) STORED;

-- ----- what is refused -----

CREATE FUNCTION refused(l learners, source text, params jsonb, OUT state text, OUT said text) LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    PERFORM ml_train('refused', source, l.target, l.algorithm, l.params || params, holdout => 0);
    PERFORM ml_drop('refused');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    said = concat_ws(E'\n', sqlerrm, nullif(detail, ''), nullif(hint, ''));
END $$;
SET client_min_messages = warning;
-- Every parameter of every algorithm: values of another kind, beyond its ends, and a letter too few in its name.
SELECT l.learner, p.parameter, value AS taken
FROM (SELECT DISTINCT ON (algorithm) * FROM learners ORDER BY algorithm, place) l, ml_parameters(l.algorithm) p, jsonb_array_elements('[[], [1], {}, {"nothing": 1}, "x", "", "NaN", 1e400, -1e400, -1, 1e301]') value,
    refused((SELECT x FROM learners x WHERE x.place = l.place), 'SELECT a, b, ' || coalesce(l.target, 'c') || ' FROM rows', jsonb_build_object(p.parameter, value)) r
WHERE r.state IS DISTINCT FROM '22023' OR strpos(r.said, p.parameter) = 0;
SELECT l.learner, p.parameter, value AS taken
FROM (SELECT DISTINCT ON (algorithm) * FROM learners ORDER BY algorithm, place) l, ml_parameters(l.algorithm) p, unnest(ARRAY[to_jsonb(p.minimum - 1), to_jsonb(p.maximum + 1 + p.maximum / 1000)]) value,
    refused((SELECT x FROM learners x WHERE x.place = l.place), 'SELECT a, b, ' || coalesce(l.target, 'c') || ' FROM rows', jsonb_build_object(p.parameter, value)) r
WHERE value IS NOT NULL AND r.state IS DISTINCT FROM '22023';
SELECT l.learner, p.parameter, r.said
FROM (SELECT DISTINCT ON (algorithm) * FROM learners ORDER BY algorithm, place) l, ml_parameters(l.algorithm) p,
    refused((SELECT x FROM learners x WHERE x.place = l.place), 'SELECT a, b, ' || coalesce(l.target, 'c') || ' FROM rows', jsonb_build_object(left(p.parameter, -1), 1)) r
WHERE length(p.parameter) > 3 AND (r.state IS DISTINCT FROM '22023' OR strpos(r.said, format('Perhaps you meant "%s"', p.parameter)) = 0);
-- Too little memory, found before or while it is grown; where nothing may be written.
CREATE FUNCTION refusals(source text, params jsonb DEFAULT '{}') RETURNS TABLE (outcome text, learners text) LANGUAGE sql AS $$
    SELECT t.outcome, CASE WHEN count(*) = (SELECT count(*) FROM learners) THEN 'all' ELSE string_agg(t.learner, ', ' ORDER BY t.place) END
    FROM (SELECT l.place, l.learner, r.state || ' ' || regexp_replace(r.said, '\d+', 'n', 'g') AS outcome
          FROM learners l, refused(l, format(source, coalesce(l.target, 'c')), refusals.params) r OFFSET 0) t
    GROUP BY t.outcome ORDER BY min(t.place)
$$;
SET pgforest.train_memory = 64;
SELECT * FROM refusals('SELECT r.a, r.b, r.%s FROM rows r, generate_series(1, 50)');
RESET pgforest.train_memory;
SET default_transaction_read_only = on;
SELECT * FROM refusals('SELECT a, b, %s FROM rows');
RESET default_transaction_read_only;
-- The source fails, in the middle of the rows.
SELECT * FROM refusals('SELECT a / (id - 100) AS a, b, %s FROM rows');
-- A learning rate that makes all worse.
SELECT * FROM refusals('SELECT a, b, %s FROM rows', '{"learning_rate": 1000, "n_estimators": 200, "early_stopping": false}') WHERE learners ~ 'boost';

\pset footer on
SELECT count(ml_drop(name)) FROM pgforest.models;
\set VERBOSITY terse
DROP SCHEMA regress_battery CASCADE;
DROP OWNED BY regress_ml_battery;
DROP ROLE regress_ml_battery;

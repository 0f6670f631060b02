-- Requests with many instances, as HTTP gateways pass them on.
CREATE SCHEMA regress_predict_json;
SET search_path = regress_predict_json, public;
\i sql/include/refuse.sql
CREATE TABLE t AS SELECT i AS id, i % 10 AS a, (ARRAY['red', 'green', 'blue'])[i % 3 + 1] AS colour, ARRAY[i % 4, i % 5]::float8[] AS pair,
    CASE WHEN i % 10 > 4 THEN 'high' ELSE 'low' END AS y, (i % 10)::float8 AS v FROM generate_series(1, 200) i;
CREATE FUNCTION train(name text, target text, algorithm text DEFAULT 'random_forest') RETURNS int
BEGIN ATOMIC
    SELECT (ml_promote(name, version)).version FROM ml_train(name, 't', target, algorithm => algorithm, features => '{a,colour,pair}', holdout => 0, params => CASE algorithm WHEN 'linear' THEN '{}'::jsonb ELSE '{"n_estimators": 5}' END);
END;
SELECT train('label', 'y'), train('value', 'v'), train('line', 'v', 'linear'), train('odd', NULL, 'isolation_forest');

-- Objects by name, arrays in the order of the features; arrays in arrays are taken apart.
SELECT jsonb_pretty(ml_predict_json('label', '{"instances": [{"a": 9, "colour": "red", "pair": [1, 2]}, [0, "blue", 3, 4], [0, "blue", [3, 4]], {"a": null, "colour": null, "pair": null, "more": true}]}'));
SELECT ml_predict_json('value@1', '{"signature_name": "serving_default", "instances": [[3, "red", 1, 2], [3, null, null, 2]]}') - 'predictions';
SELECT ml_predict_json('odd', '{"instances": [[3, "red", 1, 2]]}') - 'scores';
SELECT ml_predict_json('label', '{"instances": []}');
SELECT ml_predict_json('label', NULL);

-- The answers are those of ml_predict, for every kind of model, to the last bit.
CREATE TABLE requests AS SELECT jsonb_build_object('instances', jsonb_agg(to_jsonb(t) ORDER BY id)) AS by_name, jsonb_build_object('instances', jsonb_agg(jsonb_build_array(a, colour, pair) ORDER BY id)) AS by_place FROM t;
SELECT m, bool_and((answer #>> ARRAY['predictions', (id - 1)::text]) = CASE WHEN m IN ('value', 'line') THEN ml_predict(m, t, NULL::float8)::numeric::text ELSE ml_predict(m, t) END
    OR m IN ('value', 'line') AND (answer #>> ARRAY['predictions', (id - 1)::text])::float8 = ml_predict(m, t, NULL::float8)) AS same
FROM unnest('{label,value,line,odd}'::text[]) m, requests, LATERAL ml_predict_json(m, by_name) answer, t GROUP BY m ORDER BY m;
SELECT m, ml_predict_json(m, by_name) = ml_predict_json(m, by_place) AS same FROM unnest('{label,value,line,odd}'::text[]) m, requests ORDER BY m;
SELECT bool_and((SELECT array_agg(p::float8) FROM jsonb_array_elements_text(answer #> ARRAY['probabilities', (id - 1)::text]) p) = ml_predict_proba('label', t)) AS same
FROM requests, ml_predict_json('label', by_name) answer, t;
SELECT bool_and((answer #>> ARRAY['scores', (id - 1)::text])::float8 = ml_predict('odd', t, NULL::float8)) AS same FROM requests, ml_predict_json('odd', by_name) answer, t;

-- The version that answers is the alias's.
SELECT train('label', 'y');
SELECT ml_predict_json('label', '{"instances": []}') -> 'version' AS production, ml_predict_json('label@1', '{"instances": []}') -> 'version' AS asked_for;

-- A model with a recipe takes raw objects.
SELECT recipe FROM ml_recipe('requested', 'SELECT id, a, colour, y FROM t', '[{"step": "scale", "columns": ["a"], "method": "standard"}, {"step": "one_hot", "columns": ["colour"]}]');
SELECT version FROM ml_train('raw', 'SELECT id, a, colour, y FROM t', 'y', key => '{id}', recipe => 'requested', params => '{"n_estimators": 5}');
SELECT bool_and((answer #>> ARRAY['predictions', (id - 1)::text]) = ml_predict('raw@1', t)) AS same FROM requests, ml_predict_json('raw@1', by_name) answer, t;
CALL refuse($$ml_predict_json('raw@1', '{"instances": [{"a": 1, "colour": "red"}, [1, "red"]]}')$$);
CALL refuse($$ml_predict_json('raw@1', '{"instances": [{"a": 1, "colour": "red"}, {"a": 1}]}')$$);

-- It never writes: in a read-only transaction, in a view, in a parallel plan.
BEGIN READ ONLY;
SELECT ml_predict_json('label', '{"instances": [[3, "red", 1, 2]]}') -> 'predictions';
COMMIT;
SELECT provolatile, proparallel FROM pg_proc WHERE proname = 'ml_predict_json';

-- What is refused; an instance by its number.
CALL refuse($$ml_predict_json(NULL, '{"instances": []}')$$);
CALL refuse($$ml_predict_json('nothing', '{"instances": []}')$$);
CALL refuse($$ml_predict_json('label', '[1, 2]')$$);
CALL refuse($$ml_predict_json('label', '{"instance": []}')$$);
CALL refuse($$ml_predict_json('label', '{"instances": {"a": 1}}')$$);
CALL refuse($$ml_predict_json('label', '{"instances": [], "threshold": 0.3, "top": 1}')$$);
CALL refuse($$ml_predict_json('label', '{"instances": [[3, "red", 1, 2], 7]}')$$);
CALL refuse($$ml_predict_json('label', '{"instances": [[3, "red", 1, 2], {"a": 1, "colour": "red"}]}')$$);
CALL refuse($$ml_predict_json('label', '{"instances": [{"a": "1", "colour": "red", "pair": [1, 2]}]}')$$);
CALL refuse($$ml_predict_json('label', '{"instances": [{"a": 1, "colour": "red", "pair": [1, 2, 3]}]}')$$);
CALL refuse($$ml_predict_json('label', '{"instances": [[3, "red", 1]]}')$$);
CALL refuse($$ml_predict_json('label', '{"instances": [[3, "red", 1, 2, 3, 4]]}')$$);
CALL refuse($$ml_predict_json('label', '{"instances": [[3, 4, 1, 2]]}')$$);
CALL refuse($$ml_predict_json('label', '{"instances": [[3, "red", 1, "2"]]}')$$);
CALL refuse($$ml_predict_json('label', '{"instances": [[3, "red", 1, {"b": 2}]]}')$$);
CREATE ROLE regress_ml_gateway;
GRANT USAGE ON SCHEMA regress_predict_json TO regress_ml_gateway;
SET ROLE regress_ml_gateway;
CALL refuse($$ml_predict_json('label', '{"instances": []}')$$);
RESET ROLE;
SELECT ml_grant('label', 'regress_ml_gateway', 'predict');
SET ROLE regress_ml_gateway;
SELECT ml_predict_json('label', '{"instances": [[3, "red", 1, 2]]}') -> 'predictions';
RESET ROLE;

SELECT count(ml_drop(name)) FROM pgforest.models;
SELECT ml_drop_recipe('requested');
\set VERBOSITY terse
DROP SCHEMA regress_predict_json CASCADE;
DROP ROLE regress_ml_gateway;

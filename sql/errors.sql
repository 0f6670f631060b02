-- What each call refuses, and what it says: SQLSTATE, message, detail and hint.
CREATE SCHEMA regress_errors;
SET search_path = regress_errors, public;

CREATE TABLE rows AS
SELECT i AS id, i % 10 AS a, i % 7 AS b, 'c' || i % 3 AS c, CASE WHEN i % 2 = 0 THEN 'even' ELSE 'odd' END AS y, i / 3.0 AS v
FROM generate_series(1, 200) i;
SELECT version FROM ml_train('m', 'rows', 'y', key => '{id}', params => '{"n_estimators": 3}');
SELECT version FROM ml_train('m', 'rows', 'y', key => '{id}', params => '{"n_estimators": 3}', seed => 1);
SELECT version FROM ml_train('value', 'rows', 'v', key => '{id}', params => '{"n_estimators": 3}');

CREATE PROCEDURE refuse(call text) LANGUAGE plpgsql AS $$
DECLARE
    state text;
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE 'SELECT count(*) FROM ' || call;
    RAISE NOTICE '%: no error', call;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RAISE NOTICE E'% %', state, concat_ws(E'\n', message, '  detail: ' || nullif(detail, ''), '  hint: ' || nullif(hint, ''));
END $$;

-- ml_train: arguments.
CALL refuse($$ml_train(NULL, 'rows', 'y')$$);
CALL refuse($$ml_train('e', NULL, 'y')$$);
CALL refuse($$ml_train('e', 'rows')$$);
CALL refuse($$ml_train('e', 'rows', 'y', algorithm => NULL)$$);
CALL refuse($$ml_train('e', 'rows', 'y', algorithm => 'random_forrest')$$);
CALL refuse($$ml_train('e', 'rows', 'y', task => 'clustering')$$);
CALL refuse($$ml_train('e', 'rows', 'y', task => 'regression')$$);
CALL refuse($$ml_train('e', 'rows', 'y', holdout => 1)$$);
CALL refuse($$ml_train('e', 'rows', 'y', holdout => -0.1)$$);
CALL refuse($$ml_train('e', 'rows', 'y', holdout => 'NaN')$$);
CALL refuse($$ml_train('e', 'rows', 'y', holdout => NULL)$$);
CALL refuse($$ml_train('e', 'rows', 'y', seed => NULL)$$);
CALL refuse($$ml_train('e', 'rows', 'y', features => ARRAY['a', NULL])$$);
-- Names of models.
CALL refuse($$ml_train('', 'rows', 'y')$$);
CALL refuse($$ml_train('   ', 'rows', 'y')$$);
CALL refuse($$ml_train('e@1', 'rows', 'y')$$);
CALL refuse($$ml_train('@', 'rows', 'y')$$);
CALL refuse($$ml_train(E'a\nb', 'rows', 'y')$$);
CALL refuse($$ml_train(repeat('x', 64), 'rows', 'y')$$);
-- Sources.
CALL refuse($$ml_train('e', 'row', 'y')$$);
CALL refuse($$ml_train('e', 'no_schema.rows', 'y')$$);
CALL refuse($$ml_train('e', 'other_db.public.rows', 'y')$$);
CALL refuse($$ml_train('e', 'a.b.c.d', 'y')$$);
CALL refuse($$ml_train('e', '', 'y')$$);
CALL refuse($$ml_train('e', ';', 'y')$$);
CALL refuse($$ml_train('e', '-- nothing', 'y')$$);
CALL refuse($$ml_train('e', 'my rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT * FORM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT * FROM row', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT nothing FROM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT * FROM rows; SELECT * FROM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT * FROM rows) AS r; DROP TABLE rows; --', 'y')$$);
CALL refuse($$ml_train('e', 'DELETE FROM rows RETURNING *', 'y')$$);
CALL refuse($$ml_train('e', 'WITH d AS (DELETE FROM rows RETURNING *) SELECT * FROM d', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT * INTO other FROM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT * FROM rows FOR UPDATE', 'y')$$);
CALL refuse($$ml_train('e', 'EXPLAIN SELECT * FROM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT $1 AS y', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT 1 AS a, 2 AS b, 3 AS a, 4 AS b, 5 AS y', 'y')$$);
CREATE SEQUENCE counter;
CREATE INDEX rows_id ON rows (id);
CALL refuse($$ml_train('e', 'counter', 'y')$$);
CALL refuse($$ml_train('e', 'rows_id', 'y')$$);
-- Columns.
CALL refuse($$ml_train('e', 'rows', 'Y')$$);
CALL refuse($$ml_train('e', 'rows', 'label')$$);
CALL refuse($$ml_train('e', 'rows', 'y', features => '{aa,b,nothing}', exclude => '{idd}', key => '{none}', weight => 'w', split => 's')$$);
CALL refuse($$ml_train('e', 'rows', 'y', features => '{a,a,y}', exclude => '{a}', key => '{id,id}', weight => 'y')$$);
CALL refuse($$ml_train('e', 'rows', 'y', features => '{}')$$);
CALL refuse($$ml_train('e', 'rows', 'y', exclude => '{id,a,b,c,v}')$$);
CALL refuse($$ml_train('e', 'rows', 'y', weight => 'c')$$);
CALL refuse($$ml_train('e', 'rows', 'y', split => 'a')$$);
CALL refuse($$ml_train('e', 'SELECT now() AS y, 1 AS a', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT ''{}''::json AS j, ''{}''::text[] AS t, 1 AS y', 'y')$$);
-- Models.
CALL refuse($$ml_train('m', 'rows', 'v')$$);
CALL refuse($$ml_train('value', 'rows', 'y')$$);
-- Rows.
CALL refuse($$ml_train('e', 'SELECT * FROM rows WHERE false', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT a, NULL::text AS y FROM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT a, y, 0 AS w FROM rows', 'y', weight => 'w')$$);
CALL refuse($$ml_train('e', 'SELECT a, y, -1.5 AS w FROM rows', 'y', weight => 'w')$$);
CALL refuse($$ml_train('e', 'SELECT a, y, ''NaN''::float8 AS w FROM rows', 'y', weight => 'w')$$);
CALL refuse($$ml_train('e', 'SELECT a, y, ''infinity''::float8 AS w FROM rows', 'y', weight => 'w')$$);
CALL refuse($$ml_train('e', 'SELECT a, y, 1e-200 AS w FROM rows', 'y', weight => 'w')$$);
CALL refuse($$ml_train('e', 'SELECT a, y, NULL::int AS w FROM rows', 'y', weight => 'w')$$);
CALL refuse($$ml_train('e', 'SELECT a, y, ''learn'' || id % 2 AS s FROM rows', 'y', split => 's')$$);
CALL refuse($$ml_train('e', 'SELECT a, y, ''test'' AS s FROM rows', 'y', split => 's')$$);
CALL refuse($$ml_train('e', 'SELECT a, y, NULL::text AS s FROM rows', 'y', split => 's')$$);
CALL refuse($$ml_train('e', 'SELECT a, ''same'' AS y FROM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT a, y, CASE y WHEN ''odd'' THEN ''train'' ELSE ''validation'' END AS s FROM rows', 'y', split => 's')$$);
CALL refuse($$ml_train('e', 'SELECT a, CASE WHEN id = 9 THEN ''NaN'' ELSE v END AS v FROM rows', 'v')$$);
CALL refuse($$ml_train('e', 'SELECT a, CASE WHEN id = 9 THEN ''-infinity'' ELSE v END::float8 AS v FROM rows', 'v')$$);
CALL refuse($$ml_train('e', 'SELECT (ARRAY[1, 2])[1:1 + (id > 5)::int] AS x, y FROM rows ORDER BY id', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT ''{}''::int[] AS x, y FROM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT NULL::int[] AS x, NULL::int[] AS z, y FROM rows', 'y', holdout => 0)$$);
CALL refuse($$ml_train('e', 'SELECT array_fill(1, ''{65535}'') AS x, y FROM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT 1 / (id - 9) AS a, y FROM rows', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT i AS y, 1 AS a FROM generate_series(1, 70000) i', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT ''label'' || i AS y, 1 AS a FROM generate_series(1, 70000) i', 'y')$$);
CALL refuse($$ml_train('e', 'SELECT i % 2 AS y, ''c'' || i AS c FROM generate_series(1, 70000) i', 'y')$$);
SET pgforest.train_memory = 64;
CALL refuse($$ml_train('e', 'SELECT random() AS a, i % 2 AS y FROM generate_series(1, 30000) i', 'y')$$);
RESET pgforest.train_memory;
SET default_transaction_read_only = on;
CALL refuse($$ml_train('e', 'rows', 'y')$$);
RESET default_transaction_read_only;

-- References.
CALL refuse($$ml_resolve('n')$$);
CALL refuse($$ml_resolve('valeu')$$);
CALL refuse($$ml_resolve('m')$$);
CALL refuse($$ml_resolve('m@3')$$);
CALL refuse($$ml_resolve('m@0')$$);
CALL refuse($$ml_resolve('m@99999999999999999999')$$);
CALL refuse($$ml_resolve('m@candidate')$$);
CALL refuse($$ml_resolve('m@Production')$$);
CALL refuse($$ml_resolve('m@')$$);
CALL refuse($$ml_resolve('m@1@2')$$);
CALL refuse($$ml_resolve('@1')$$);
SELECT version FROM ml_promote('m', 1, alias => 'champion');
CALL refuse($$ml_resolve('m@champoin')$$);
SELECT version FROM ml_promote('m', 1);

-- ml_predict and ml_predict_proba.
CALL refuse($$ml_predict(NULL, ARRAY[1, 2]::float8[])$$);
CALL refuse($$ml_predict('nothing', ARRAY[1, 2]::float8[])$$);
CALL refuse($$ml_predict('m', ARRAY[1, 2]::float8[])$$);
CALL refuse($$ml_predict('m', ARRAY[1, 2, 3, 4]::float8[])$$);
CALL refuse($$rows r WHERE ml_predict('m', ROW(r.a, r.b)) = ''$$);
CALL refuse($$rows r WHERE ml_predict('m', ROW(r.a, r.b, 'c1', 'x'))= ''$$);
CALL refuse($$rows r WHERE ml_predict('m', ROW(r.a, r.b, r.c, 'x'))= ''$$);
CALL refuse($$(SELECT a, c FROM rows) r WHERE ml_predict('m', r) = ''$$);
CALL refuse($$(SELECT 1 AS d) r WHERE ml_predict('m', r) = ''$$);
CALL refuse($$(SELECT a::text, b, 7 AS c, v, id FROM rows) r WHERE ml_predict('m', r) = ''$$);
CALL refuse($$(SELECT ARRAY[a] AS a, '{}'::json AS b, c, v, id FROM rows) r WHERE ml_predict('m', r) = ''$$);
CALL refuse($$ml_predict('m', '3'::jsonb)$$);
CALL refuse($$ml_predict('m', '[1, 2, "c1", 3]'::jsonb)$$);
CALL refuse($$ml_predict('m', '{"a": 1}'::jsonb)$$);
CALL refuse($$ml_predict('m', '{"a": "1", "b": [1], "c": 1, "v": {}}'::jsonb)$$);
CALL refuse($$ml_predict('m', '{"a": 1, "b": 2, "c": "c1", "v": 3}'::jsonb, NULL::int)$$);
CALL refuse($$ml_predict('value', '{"a": 1, "b": 2, "c": "c1", "y": "odd"}'::jsonb, NULL::date)$$);
CALL refuse($$ml_predict_proba('value', '{"a": 1, "b": 2, "c": "c1", "y": "odd"}'::jsonb)$$);
CALL refuse($$ml_predict_proba('m', '{"a": 1, "b": 2, "c": "c1", "v": 3}'::jsonb, 'Odd')$$);
SELECT version FROM ml_promote('value', 1);
CALL refuse($$ml_predict('value', '{"a": 1, "b": 2, "c": "c1", "y": "odd"}'::jsonb, NULL::date)$$);
CALL refuse($$ml_predict_proba('value', '{"a": 1, "b": 2, "c": "c1", "y": "odd"}'::jsonb)$$);
SELECT version FROM ml_train('array', 'SELECT ARRAY[a, b] AS x, y FROM rows', 'y', holdout => 0, params => '{"n_estimators": 3}');
CALL refuse($$ml_predict('array@1', '{"x": [1]}'::jsonb)$$);
CALL refuse($$ml_predict('array@1', '{"x": [1, "2"]}'::jsonb)$$);
CALL refuse($$ml_predict('array@1', '{"x": 1}'::jsonb)$$);
CALL refuse($$ml_predict('array@1', ARRAY[1]::float8[])$$);
CALL refuse($$(SELECT ARRAY[1, 2, 3] AS x) r WHERE ml_predict('array@1', r) = ''$$);
CALL refuse($$ml_importance('nothing')$$);

-- ml_evaluate, ml_confusion_matrix and ml_roc_curve.
CALL refuse($$ml_evaluate(NULL)$$);
CALL refuse($$ml_evaluate('nothing')$$);
CALL refuse($$ml_evaluate('m', 'no_rows')$$);
CALL refuse($$ml_evaluate('m', 'SELECT a, b FROM rows')$$);
CALL refuse($$ml_evaluate('m', 'SELECT a::text, b, c, v, y FROM rows')$$);
CALL refuse($$ml_evaluate('m', 'SELECT * FROM rows WHERE false')$$);
CALL refuse($$ml_evaluate('m', 'SELECT a, b, c, v, NULL::text AS y FROM rows')$$);
CALL refuse($$ml_evaluate('m', 'SELECT a, b, c, v, ARRAY[1] AS y FROM rows')$$);
CALL refuse($$ml_evaluate('value', 'SELECT a, b, c, y, ''x'' AS v FROM rows')$$);
CALL refuse($$ml_evaluate('value', 'SELECT a, b, c, y, ''NaN''::float8 AS v FROM rows')$$);
CALL refuse($$ml_confusion_matrix('value')$$);
CALL refuse($$ml_roc_curve('value', 'rows')$$);
CALL refuse($$ml_roc_curve('m', 'rows', 'Odd')$$);
SELECT version FROM ml_train('three', 'rows', 'c', key => '{id}', params => '{"n_estimators": 3}');
CALL refuse($$ml_roc_curve('three@1')$$);
CALL refuse($$ml_roc_curve('three@1', class => 'c9')$$);
SELECT version FROM ml_train('unmeasured', 'SELECT a, y FROM rows', 'y', holdout => 0, params => '{"n_estimators": 3, "bootstrap": false}');
CALL refuse($$ml_evaluate('unmeasured@1')$$);
CALL refuse($$ml_confusion_matrix('unmeasured@1')$$);
CALL refuse($$ml_roc_curve('unmeasured@1')$$);

-- ml_promote and ml_rollback.
CALL refuse($$ml_promote(NULL)$$);
CALL refuse($$ml_promote('nothing')$$);
CALL refuse($$ml_promote('m@1')$$);
CALL refuse($$ml_promote('m', 0)$$);
CALL refuse($$ml_promote('m', 9)$$);
CALL refuse($$ml_promote('m', alias => 'Best One')$$);
CALL refuse($$ml_promote('m', alias => '1st')$$);
CALL refuse($$ml_promote('m', alias => NULL)$$);
CALL refuse($$ml_promote('m', metric => 'auc')$$);
CALL refuse($$ml_promote('m', metric => 'rmse')$$);
CALL refuse($$ml_promote('value', metric => 'f1')$$);
CALL refuse($$ml_promote('m', threshold => 'NaN')$$);
CALL refuse($$ml_promote('m', threshold => 'infinity')$$);
CALL refuse($$ml_promote('m', max_regression => -0.1)$$);
CALL refuse($$ml_promote('m', min_rows => -1)$$);
CALL refuse($$ml_promote('m', by => '{c}')$$);
CALL refuse($$ml_promote('m', max_regression => 0.1, by => ARRAY[NULL])$$);
CALL refuse($$ml_promote('m', max_regression => 0.1, by => '{d,e}')$$);
CALL refuse($$ml_promote('m', source => 'no_rows')$$);
CALL refuse($$ml_promote('unmeasured')$$);
CALL refuse($$ml_rollback(NULL)$$);
CALL refuse($$ml_rollback('m')$$);
CALL refuse($$ml_rollback('m', 'candidate')$$);
CALL refuse($$ml_rollback('three')$$);
SET default_transaction_read_only = on;
CALL refuse($$ml_promote('m', 1)$$);
CALL refuse($$ml_rollback('m')$$);
CALL refuse($$ml_drop('m')$$);
CALL refuse($$ml_grant('m', 'pg_monitor', 'predict')$$);
RESET default_transaction_read_only;

-- ml_drop, ml_grant and ml_revoke.
CALL refuse($$ml_drop(NULL)$$);
CALL refuse($$ml_drop('nothing')$$);
CALL refuse($$ml_drop('m@9')$$);
CALL refuse($$ml_drop('m@1')$$);
CALL refuse($$ml_drop('m@production')$$);
CALL refuse($$ml_drop('value@1')$$);
CALL refuse($$ml_grant(NULL, 'pg_monitor', 'predict')$$);
CALL refuse($$ml_grant('m', NULL, 'predict')$$);
CALL refuse($$ml_grant('m', 'pg_monitor', NULL)$$);
CALL refuse($$ml_grant('m', 'pg_monitor', 'select')$$);
CALL refuse($$ml_grant('m', 4294967295::oid, 'predict')$$);
CALL refuse($$ml_grant('nothing', 'pg_monitor', 'predict')$$);
CALL refuse($$ml_revoke('m@1', 'pg_monitor', 'predict')$$);

-- Bytes that were damaged say so, and nothing worse.
CREATE PROCEDURE damage(change text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'UPDATE pgforest.version_data SET data = ' || change;
    CALL refuse('ml_predict(''m'', ''{}''::jsonb)');
    ROLLBACK;
END $$;
SELECT count(ml_drop(name)) FROM pgforest.models WHERE name <> 'm';
\c
SET search_path = regress_errors, public;
CALL damage($$set_byte(data, 50, 255 - get_byte(data, 50))$$);
CALL damage($$substr(data, 1, 20)$$);
CALL damage($$''$$);

-- Nothing came of all this.
SELECT name, versions FROM pgforest.models ORDER BY name;
SELECT count(ml_drop(name)) FROM pgforest.models;
DROP SCHEMA regress_errors CASCADE;

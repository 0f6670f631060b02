-- What predicting, measuring, promoting, granting and dropping refuse: each error with its SQLSTATE, detail and hint.
CREATE SCHEMA regress_errors_use;
SET search_path = regress_errors_use, public;

CREATE TABLE rows AS
SELECT i AS id, i % 10 AS a, i % 7 AS b, 'c' || i % 3 AS c, CASE WHEN i % 2 = 0 THEN 'even' ELSE 'odd' END AS y, i / 3.0 AS v
FROM generate_series(1, 200) i;
SELECT version FROM ml_train('m', 'rows', 'y', key => '{id}', params => '{"n_estimators": 3}');
SELECT version FROM ml_train('m', 'rows', 'y', key => '{id}', params => '{"n_estimators": 3}', seed => 1);
SELECT version FROM ml_train('value', 'rows', 'v', key => '{id}', params => '{"n_estimators": 3}');

\getenv here PG_ABS_SRCDIR
\set refuse :here '/sql/include/refuse.sql'
\ir :refuse

CREATE SEQUENCE counter;
SELECT version FROM ml_promote('m', 1, alias => 'champion');
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
CALL refuse($$ml_predict('value', '{"a": 1, "b": 2, "c": "c1", "y": "odd"}'::jsonb, NULL::uuid)$$);
CALL refuse($$ml_predict_proba('value', '{"a": 1, "b": 2, "c": "c1", "y": "odd"}'::jsonb)$$);
CALL refuse($$ml_predict_proba('m', '{"a": 1, "b": 2, "c": "c1", "v": 3}'::jsonb, 'Odd')$$);
SELECT version FROM ml_promote('value', 1);
CALL refuse($$ml_predict('value', '{"a": 1, "b": 2, "c": "c1", "y": "odd"}'::jsonb, NULL::uuid)$$);
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
CALL refuse($$ml_promote('m', max_regression => 0.1, by => '{s}', source => 'SELECT *, ARRAY[1] AS s FROM rows')$$);
CALL refuse($$ml_promote('m', 2, max_regression => 0.1, by => '{s}', metric => 'accuracy', source => 'SELECT a, b, c, v, y, i AS s FROM rows, generate_series(1, 10001) i WHERE id = 1')$$);
CALL refuse($$ml_evaluate('m', 'SELECT a, b, c, v, i AS y FROM rows, generate_series(1, 100000) i WHERE id = 1')$$);
CALL refuse($$ml_promote('unmeasured')$$);
CALL refuse($$ml_rollback(NULL)$$);
CALL refuse($$ml_rollback('m')$$);
CALL refuse($$ml_rollback('m', 'candidate')$$);
CALL refuse($$ml_rollback('three')$$);
-- A source that changed since: columns gone or of another type, rows gone, other rows at each reading.
CREATE TABLE changing AS SELECT id, a, v, y, CASE WHEN id % 3 = 0 THEN 'validation' ELSE 'train' END AS part FROM rows;
SELECT version FROM generate_series(1, 2) seed, ml_train('part', 'changing', 'y', features => '{a,v}', split => 'part', params => '{"n_estimators": 3}', seed => seed);
SELECT version FROM ml_train('keyed', 'changing', 'y', features => '{a}', key => '{id}', params => '{"n_estimators": 3}');
SELECT version FROM generate_series(1, 2) seed, ml_train('big', 'changing', 'v', features => '{id,a}', holdout => 0.1, params => '{"n_estimators": 300}', seed => seed);
SET pgforest.train_memory = 64;
CALL refuse($$ml_evaluate('value', 'SELECT r.* FROM rows r, generate_series(1, 60)')$$);
CALL refuse($$ml_evaluate('m', 'SELECT r.* FROM rows r, generate_series(1, 60)')$$);
CALL refuse($$ml_confusion_matrix('m', 'SELECT r.* FROM rows r, generate_series(1, 60)')$$);
CALL refuse($$ml_roc_curve('m', 'SELECT r.* FROM rows r, generate_series(1, 60)')$$);
CALL refuse($$ml_evaluate('m', 'SELECT a, b, c, v, ''class '' || i % 50 AS y FROM rows, generate_series(1, 10) i')$$);
CALL refuse($$ml_promote('m', source => 'SELECT r.* FROM rows r, generate_series(1, 60)')$$);
CALL refuse($$ml_promote('m', 2, max_regression => 1, by => '{c}', source => 'SELECT r.* FROM rows r, generate_series(1, 6)')$$);
-- Two versions do not fit at once, each alone does.
SELECT version, previous, rows FROM ml_promote('m', alias => 'champion', source => 'SELECT r.* FROM rows r, generate_series(1, 6)');
SET pgforest.train_memory = 450;
CALL refuse($$ml_promote('big', source => 'SELECT c.* FROM changing c, generate_series(1, 50) WHERE nextval(''counter'') <= 10500')$$);
RESET pgforest.train_memory;
UPDATE changing SET part = 'train';
CALL refuse($$ml_promote('part')$$);
ALTER TABLE changing ALTER part TYPE int USING 1;
CALL refuse($$ml_promote('part')$$);
ALTER TABLE changing DROP part, DROP v;
CALL refuse($$ml_promote('part')$$);
ALTER TABLE changing ALTER id TYPE point USING '(1, 2)';
CALL refuse($$ml_promote('keyed')$$);
ALTER TABLE changing DROP id;
CALL refuse($$ml_promote('keyed')$$);
DROP TABLE changing;
CALL refuse($$ml_promote('keyed')$$);
SELECT ml_drop('part@2');
CALL refuse($$ml_resolve('part')$$);
CALL refuse($$ml_resolve('part@other')$$);
SELECT ml_drop('keyed@1');
CALL refuse($$ml_promote('keyed')$$);
CALL refuse($$ml_resolve('keyed')$$);
CALL refuse($$ml_rollback('keyed')$$);
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
CALL refuse($$ml_drop('m@other')$$);
CALL refuse($$ml_drop('keyed@production')$$);
CALL refuse($$ml_drop('nothing@production')$$);
CALL refuse($$ml_drop('value@1')$$);
CALL refuse($$ml_grant(NULL, 'pg_monitor', 'predict')$$);
CALL refuse($$ml_grant('m', NULL, 'predict')$$);
CALL refuse($$ml_grant('m', 'pg_monitor', NULL)$$);
CALL refuse($$ml_grant('m', 'pg_monitor', 'select')$$);
CALL refuse($$ml_grant('m', 4294967295::oid, 'predict')$$);
CALL refuse($$ml_grant('nothing', 'pg_monitor', 'predict')$$);
CALL refuse($$ml_revoke('m@1', 'pg_monitor', 'predict')$$);

-- What was damaged says so, and nothing worse.
CREATE PROCEDURE damage(change text, call text DEFAULT 'ml_predict(''m'', ''{}''::jsonb)') LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'UPDATE pgforest.' || change;
    CALL refuse(call);
    ROLLBACK;
END $$;
SELECT count(ml_drop(name)) FROM pgforest.models WHERE name <> 'm';
\c
SET search_path = regress_errors_use, public;
CALL damage('version_data SET data = set_byte(data, 50, 255 - get_byte(data, 50))');
CALL damage('version_data SET data = substr(data, 1, 20)');
CALL damage('version_data SET data = ''''');
CALL damage('version_data SET chunk = 7');
CALL damage('version SET bytes = 5');
CALL damage('version SET sha256 = ''\x00''');
CALL damage('confusion SET counts = ''{1,2,3}''', 'ml_confusion_matrix(''m'')');
CALL damage('curve SET tpr = ''{0,1}''', 'ml_roc_curve(''m'')');
CALL damage('confusion SET version = 99', 'ml_confusion_matrix(''m'')');
CALL damage('curve SET version = 99', 'ml_roc_curve(''m'')');
CALL damage('metric SET version = 99', 'ml_evaluate(''m'')');

-- Nothing came of all this.
SELECT name, versions FROM pgforest.models ORDER BY name;
SELECT count(ml_drop(name)) FROM pgforest.models;
DROP SCHEMA regress_errors_use CASCADE;

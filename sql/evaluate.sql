-- ml_evaluate, ml_confusion_matrix and ml_roc_curve: the figures, checked by hand in SQL.
CREATE SCHEMA regress_evaluate;
SET search_path = regress_evaluate, public;
CREATE TABLE rows AS
SELECT i AS id, x, z, CASE WHEN noise < 150 THEN 'rare' WHEN x + z > 1024 THEN 'up' ELSE 'down' END AS y3,
       CASE WHEN x + noise > 1100 THEN 'yes' ELSE 'no' END AS y2, x * 2.0 + noise + 10 AS v
FROM (SELECT i, hashint4extended(i, 1) & 1023 AS x, hashint4extended(i, 2) & 1023 AS z, hashint4extended(i, 3) & 1023 AS noise
      FROM generate_series(1, 600) i) r;
-- Shallow trees, so that there is something to measure.
SELECT version FROM ml_train('two', 'rows', 'y2', features => '{x,z}', key => '{id}', params => '{"n_estimators": 15, "max_depth": 4}');
SELECT version FROM ml_train('three', 'rows', 'y3', features => '{x,z}', key => '{id}', params => '{"n_estimators": 15, "max_depth": 4}');
SELECT version FROM ml_train('value', 'rows', 'v', features => '{x,z}', key => '{id}', params => '{"n_estimators": 15, "max_depth": 4}');
SELECT count(promoted) FROM (VALUES ('two'), ('three'), ('value')) m (name), ml_promote(name, 1);

-- What the models say of each row.
CREATE TABLE said AS
SELECT id, y2, y3, v, ml_predict('two', r) AS p2, ml_predict_proba('two', r, 'yes') AS s2, ml_predict('three', r) AS p3, ml_predict_proba('three', r) AS s3,
       ml_predict_proba('three', r, y3) AS s3_actual, ml_predict('value', r, NULL::float8) AS pv
FROM rows r;
-- Are two numbers the same, but for rounding?
CREATE FUNCTION near(a float8, b float8) RETURNS boolean RETURN abs(a - b) < 1e-9;

CREATE TABLE measured AS
SELECT 'two' AS model, * FROM ml_evaluate('two', 'rows') UNION ALL
SELECT 'three', * FROM ml_evaluate('three', 'rows') UNION ALL
SELECT 'value', * FROM ml_evaluate('value', 'TABLE rows');
SELECT model, metric, class, round(value::numeric, 3) AS value, round(baseline::numeric, 3) AS baseline FROM measured
ORDER BY model, class NULLS FIRST, metric;

-- Two classes.
CREATE VIEW m2 AS SELECT metric, value FROM measured WHERE model = 'two' AND class IS NULL;
WITH s AS (SELECT count(*)::float8 AS n, count(*) FILTER (WHERE y2 = p2) AS hits,
                  count(*) FILTER (WHERE y2 = 'yes' AND p2 = 'yes')::float8 AS tp, count(*) FILTER (WHERE y2 = 'no' AND p2 = 'no')::float8 AS tn,
                  count(*) FILTER (WHERE y2 = 'no' AND p2 = 'yes')::float8 AS fp, count(*) FILTER (WHERE y2 = 'yes' AND p2 = 'no')::float8 AS fn,
                  avg(-ln(greatest(CASE y2 WHEN 'yes' THEN s2 ELSE 1 - s2 END, 2.220446049250313e-16))) AS log_loss,
                  avg((s2 - (y2 = 'yes')::int) ^ 2) AS brier FROM said),
     auc AS (SELECT avg(CASE WHEN a.s2 > b.s2 THEN 1 WHEN a.s2 = b.s2 THEN 0.5 ELSE 0 END) AS auc
             FROM said a, said b WHERE a.y2 = 'yes' AND b.y2 = 'no'),
     hand (metric, value) AS (
        SELECT 'accuracy', hits / n FROM s UNION ALL
        SELECT 'balanced_accuracy', (tp / (tp + fn) + tn / (tn + fp)) / 2 FROM s UNION ALL
        SELECT 'precision', (tp / (tp + fp) + tn / (tn + fn)) / 2 FROM s UNION ALL
        SELECT 'recall', (tp / (tp + fn) + tn / (tn + fp)) / 2 FROM s UNION ALL
        SELECT 'f1', (2 * tp / (2 * tp + fp + fn) + 2 * tn / (2 * tn + fp + fn)) / 2 FROM s UNION ALL
        SELECT 'mcc', (tp * tn - fp * fn) / sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)) FROM s UNION ALL
        SELECT 'log_loss', log_loss FROM s UNION ALL
        SELECT 'brier', brier FROM s UNION ALL
        SELECT 'roc_auc', auc FROM auc)
SELECT metric, near(hand.value, m2.value) AS agrees FROM hand FULL JOIN m2 USING (metric) WHERE metric <> 'average_precision' ORDER BY metric;
WITH ranked AS (SELECT DISTINCT s2, count(*) FILTER (WHERE y2 = 'yes') OVER w AS tp, count(*) OVER w AS n FROM said WINDOW w AS (ORDER BY s2 DESC)),
     steps AS (SELECT tp - lag(tp, 1, 0::bigint) OVER (ORDER BY s2 DESC) AS more, tp::float8 / n AS precision FROM ranked)
SELECT near(sum(more * precision) / sum(more), (SELECT value FROM m2 WHERE metric = 'average_precision')) AS average_precision FROM steps;

-- Three classes.
CREATE VIEW m3 AS SELECT metric, coalesce(class, '*') AS class, value FROM measured WHERE model = 'three';
WITH c AS (SELECT c.class, count(*) FILTER (WHERE y3 = c.class AND p3 = c.class)::float8 AS tp, nullif(count(*) FILTER (WHERE p3 = c.class), 0) AS predicted,
                  count(*) FILTER (WHERE y3 = c.class) AS actual FROM said, (VALUES ('down'), ('rare'), ('up')) c (class) GROUP BY c.class),
     each AS (SELECT class, coalesce(tp / predicted, 0) AS precision, tp / actual AS recall, 2 * tp / (coalesce(predicted, 0) + actual) AS f1 FROM c),
     hand (metric, class, value) AS (
        SELECT 'precision', class, precision FROM each UNION ALL SELECT 'recall', class, recall FROM each UNION ALL SELECT 'f1', class, f1 FROM each UNION ALL
        SELECT 'precision', '*', avg(precision) FROM each UNION ALL SELECT 'recall', '*', avg(recall) FROM each UNION ALL SELECT 'f1', '*', avg(f1) FROM each UNION ALL
        SELECT 'balanced_accuracy', '*', avg(recall) FROM each UNION ALL
        SELECT 'accuracy', '*', avg((y3 = p3)::int) FROM said UNION ALL
        SELECT 'log_loss', '*', avg(-ln(greatest(s3_actual, 2.220446049250313e-16))) FROM said UNION ALL
        SELECT 'brier', '*', avg((s3[1] - (y3 = 'down')::int) ^ 2 + (s3[2] - (y3 = 'rare')::int) ^ 2 + (s3[3] - (y3 = 'up')::int) ^ 2) FROM said)
SELECT metric, class, near(hand.value, m3.value) AS agrees FROM hand JOIN m3 USING (metric, class) ORDER BY metric, class;
SELECT near(avg(value) FILTER (WHERE class <> '*'), avg(value) FILTER (WHERE class = '*')) AS roc_auc_is_mean FROM m3 WHERE metric = 'roc_auc';

-- Values.
WITH hand (metric, value) AS (
        SELECT 'rmse', sqrt(avg((v - pv) ^ 2)) FROM said UNION ALL SELECT 'mae', avg(abs(v - pv)) FROM said UNION ALL
        SELECT 'r2', 1 - sum((v - pv) ^ 2) / sum((v - a) ^ 2) FROM said, (SELECT avg(v)::float8 AS a FROM said) m UNION ALL
        SELECT 'mape', avg(abs(v - pv) / abs(v)) FROM said)
SELECT metric, near(hand.value, m.value) AS agrees FROM hand FULL JOIN (SELECT * FROM measured WHERE model = 'value') m USING (metric) ORDER BY metric;
SELECT near(baseline, (SELECT stddev_pop(v) FROM said)) AS rmse_of_mean FROM measured WHERE model = 'value' AND metric = 'rmse';

-- The confusion matrix: all pairs, also those that did not occur.
SELECT m.actual, m.predicted, m.count = (SELECT count(*) FROM said WHERE y3 = m.actual AND p3 = m.predicted) AS agrees
FROM ml_confusion_matrix('three', 'rows') m ORDER BY 1, 2;
SELECT sum(count) FROM ml_confusion_matrix('two', 'rows');
SELECT sum(count) = (SELECT count(*) FROM rows) - rows AS held_out FROM ml_confusion_matrix('two'), pgforest.versions WHERE model = 'two' GROUP BY rows;

-- The curve: from nothing to everything, never back.
SELECT bool_and(tpr >= before_tpr AND fpr >= before_fpr AND threshold <= before) AS monotone, min(tpr + fpr) AS starts, max(tpr + fpr) AS ends,
       bool_and(recall = tpr) AS recall, max(threshold) AS first
FROM (SELECT *, lag(tpr, 1, 0) OVER w AS before_tpr, lag(fpr, 1, 0) OVER w AS before_fpr, lag(threshold, 1, 'infinity') OVER w AS before
      FROM ml_roc_curve('two', 'rows') WINDOW w AS (ORDER BY threshold DESC)) c;
SELECT count(*) > 3 AS points, count(*) = (SELECT count(DISTINCT s2) + 1 FROM said) AS one_a_score FROM ml_roc_curve('two', 'rows');
SELECT bool_and(near(tpr, (SELECT avg((s2 >= threshold)::int) FROM said WHERE y2 = 'yes')) AND near(fpr, (SELECT avg((s2 >= threshold)::int) FROM said WHERE y2 = 'no'))) AS agrees
FROM ml_roc_curve('two', 'rows');
SELECT near(sum((tpr + last_tpr) / 2 * (fpr - last_fpr)), (SELECT value FROM m2 WHERE metric = 'roc_auc')) AS area
FROM (SELECT tpr, fpr, lag(tpr, 1, 0) OVER w AS last_tpr, lag(fpr, 1, 0) OVER w AS last_fpr FROM ml_roc_curve('two', 'rows') WINDOW w AS (ORDER BY threshold DESC)) c;
SELECT class, count(*) > 2 AS points FROM (VALUES ('down'), ('rare'), ('up')) c (class), ml_roc_curve('three', class => class) GROUP BY class ORDER BY class;
SELECT count(*) = (SELECT count(*) FROM ml_roc_curve('two', class => 'yes')) AS second_class FROM ml_roc_curve('two');

-- Stored at training: the rows held out, and the same figures when these are asked for again.
SELECT version, rows FROM ml_train('parted', 'SELECT x, z, y2, CASE WHEN id % 4 = 0 THEN ''validation'' WHEN id % 7 = 0 THEN ''test'' ELSE ''train'' END AS part FROM rows', 'y2',
                                   split => 'part', params => '{"n_estimators": 15, "max_depth": 4}');
SELECT s.metric, s.class, near(s.value, m.value) AND near(s.baseline, m.baseline) AS agrees
FROM ml_evaluate('parted@1') s JOIN ml_evaluate('parted@1', 'SELECT * FROM rows WHERE id % 4 = 0') m ON s.metric = m.metric AND s.class IS NOT DISTINCT FROM m.class
ORDER BY 1, 2 NULLS FIRST;
SELECT bool_and(near(s.value, m.value)) AS agrees
FROM pgforest.metrics s JOIN ml_evaluate('parted@1', 'SELECT * FROM rows WHERE id % 4 > 0 AND id % 7 = 0') m ON s.metric = m.metric AND s.class IS NOT DISTINCT FROM m.class
WHERE s.model = 'parted' AND s.set = 'test';
SELECT s = m AS agrees FROM (SELECT array_agg(s ORDER BY s::text) AS s FROM ml_confusion_matrix('parted@1') s) s,
    (SELECT array_agg(m ORDER BY m::text) AS m FROM ml_confusion_matrix('parted@1', 'SELECT * FROM rows WHERE id % 4 = 0') m) m;
SELECT set, min(rows) = max(rows) AS one, min(rows) AS rows FROM pgforest.metrics WHERE model = 'parted' AND set <> 'source' GROUP BY set ORDER BY set;
SELECT e.metric, e.class, e.value = m.value AND e.baseline = m.baseline AS stored FROM ml_evaluate('three') e
JOIN pgforest.metrics m ON m.model = 'three' AND m.set = 'validation' AND m.metric = e.metric AND m.class IS NOT DISTINCT FROM e.class ORDER BY 1, 2 NULLS FIRST;
SELECT model, set, source, rows, measured_by = current_user AS mine, count(*) FROM pgforest.metrics WHERE set = 'source' GROUP BY 1, 2, 3, 4, 5 ORDER BY model COLLATE "C", source;

-- Labels that the model does not know are further classes; rows without a label are left out.
SELECT * FROM ml_confusion_matrix('two', 'SELECT x, z, CASE WHEN id < 4 THEN ''maybe'' WHEN id = 4 THEN NULL ELSE y2 END AS y2 FROM rows WHERE id <= 20') ORDER BY 1, 2;
SELECT metric, class, round(value::numeric, 3) AS value FROM ml_evaluate('two', 'SELECT x, z, CASE WHEN id < 4 THEN ''maybe'' ELSE y2 END AS y2 FROM rows WHERE id <= 20')
WHERE class = 'maybe' OR metric = 'accuracy' ORDER BY 1, 2;
SELECT count(*) FROM ml_roc_curve('two', 'SELECT x, z, ''new'' AS y2 FROM rows WHERE id <= 20');
-- One row, one class: what is not defined is NULL.
SELECT metric, class, value, baseline FROM ml_evaluate('two', 'SELECT * FROM rows WHERE id = 1') WHERE class IS NULL AND metric NOT IN ('log_loss', 'brier') ORDER BY metric;
SELECT metric, value IS NULL AS undefined FROM ml_evaluate('value', 'SELECT * FROM rows WHERE id = 1') ORDER BY metric;
SELECT metric, value IS NOT NULL AS defined FROM ml_evaluate('value', 'SELECT x, z, 0 AS v FROM rows WHERE id < 3') ORDER BY metric;
-- The label's type does not matter, its text does.
SELECT near(a.value, b.value) FROM ml_evaluate('two', 'SELECT x, z, y2::char(5) FROM rows') a, ml_evaluate('two', 'rows') b
WHERE a.metric = 'accuracy' AND b.metric = 'accuracy';
-- In a transaction that may not write it measures, and keeps nothing.
SELECT count(*) AS before FROM pgforest.metric \gset
BEGIN READ ONLY;
SELECT count(*) FROM ml_evaluate('value', 'rows');
COMMIT;
SELECT count(*) - :before AS kept FROM pgforest.metric;

SELECT count(ml_drop(name)) FROM pgforest.models;
\set VERBOSITY terse
DROP SCHEMA regress_evaluate CASCADE;

-- Folds, curves and tuning: what is trained on which rows, what is kept, and what is refused.
CREATE SCHEMA regress_tune;
SET search_path = regress_tune, public;

CREATE FUNCTION u(i int, k int) RETURNS float8 IMMUTABLE RETURN (hashint4extended(i, k) & 65535) / 65536.0;

-- Few distinct values of each number and some rare texts; part says when, rows of one owner belong together.
CREATE TABLE rows AS
SELECT i AS id, (u(i, 1) * 20)::int AS a, CASE WHEN u(i, 4) > 0.1 THEN (u(i, 2) * 20)::int END AS b,
       CASE WHEN u(i, 5) > 0.1 THEN 't' || (u(i, 3) ^ 2 * 80)::int END AS c, i % 40 AS owner, 1 + i % 4 AS part,
       0.5 + u(i, 7) AS w, round((u(i, 1) * 10 + u(i, 2) * 5 + u(i, 6))::numeric, 2)::float8 AS v,
       CASE WHEN u(i, 1) + u(i, 2) + u(i, 6) > 1.9 THEN 'high' WHEN u(i, 3) + u(i, 6) > 1.2 THEN 'middle' ELSE 'low' END AS y
FROM generate_series(1, 1200) i;
CREATE TABLE shuffled AS SELECT * FROM rows ORDER BY hashint4extended(id, 99);

-- A fold is a training like any other: here folds by time, which a split column can repeat.  (Forests of folds draw
-- features by the place of a node, and are compared with one another below.)
CREATE FUNCTION by_hand(target text, metric text, weight text, params jsonb) RETURNS TABLE (fold int, score float8)
LANGUAGE plpgsql SET client_min_messages = warning AS $$
BEGIN
    FOR i IN 1..3 LOOP
        fold := i;
        PERFORM ml_train('by hand', format('SELECT id, a, b, c, w, %I, CASE WHEN part <= %s THEN ''train'' WHEN part = %s THEN ''validation'' END AS split FROM rows',
                         target, fold, fold + 1), target, key => '{id}', exclude => CASE WHEN weight IS NULL THEN '{w}'::text[] END, weight => weight, split => 'split', algorithm => 'gradient_boosting', params => params);
        score := (SELECT value FROM pgforest.metrics m WHERE model = 'by hand' AND set = 'validation' AND class IS NULL AND m.metric = by_hand.metric);
        PERFORM ml_drop('by hand');
        RETURN NEXT;
    END LOOP;
END $$;
SELECT c.fold, c.train_rows, c.test_rows, round(c.test_score::numeric, 9) = round(h.score::numeric, 9) AS as_by_hand, c.train_score > c.test_score AS better_on_its_own
FROM ml_cross_validate('rows', 'y', 'gradient_boosting', exclude => '{owner,v,w}', key => '{id}', order_by => 'part', folds => 3, params => '{"n_estimators": 10}', metric => 'accuracy') c
    JOIN by_hand('y', 'accuracy', NULL, '{"n_estimators": 10}') h USING (fold);
SELECT c.fold, round(c.test_score::numeric, 9) = round(h.score::numeric, 9) AS as_by_hand
FROM ml_cross_validate('rows', 'v', 'gradient_boosting', exclude => '{owner,y}', weight => 'w', key => '{id}', order_by => 'part', folds => 3, params => '{"n_estimators": 10}') c
    JOIN by_hand('v', 'rmse', 'w', '{"n_estimators": 10}') h USING (fold);

-- Without an order folds are equal parts of the rows, and of each class; with a key, whole owners.
-- An owner goes with the class of one of its rows.
CREATE VIEW folds AS
SELECT 'rows' AS what, * FROM ml_cross_validate('rows', 'y', exclude => '{owner,v,w,part}', params => '{"n_estimators": 3}', folds => 4)
UNION ALL SELECT 'owners', * FROM ml_cross_validate('rows', 'y', exclude => '{id,v,w,part}', key => '{owner}', params => '{"n_estimators": 3}', folds => 4)
UNION ALL SELECT 'ids', * FROM ml_cross_validate('rows', 'y', exclude => '{owner,v,w,part}', key => '{id}', params => '{"n_estimators": 3}', folds => 4)
UNION ALL SELECT 'values', * FROM ml_cross_validate('rows', 'v', exclude => '{id,owner,y,w,part}', params => '{"n_estimators": 3}', folds => 4);
SELECT what, sum(test_rows), min(train_rows + test_rows) = max(train_rows + test_rows) AS all_rows, max(test_rows) - min(test_rows) <= 3 AS equal,
       bool_and(test_rows % 30 = 0) AS of_thirty, metric FROM folds GROUP BY what, metric ORDER BY what;
-- Three of a class are one in each of three folds, with a key as well.
SELECT fold, test_rows FROM ml_cross_validate($$SELECT id, 'rare' AS y FROM rows WHERE id <= 3 UNION ALL SELECT id, 'common' FROM rows WHERE id > 3$$, 'y',
    folds => 3, params => '{"n_estimators": 3}') WHERE test_score IS NOT NULL;
SELECT fold, test_rows FROM ml_cross_validate($$SELECT id, 1 AS a, 'rare' AS y FROM rows WHERE id <= 3 UNION ALL SELECT id, 1, 'common' FROM rows WHERE id > 3$$, 'y',
    key => '{id}', folds => 3, params => '{"n_estimators": 3}') WHERE test_score IS NOT NULL;
-- Equal rows stay together.
SELECT min(test_rows), max(test_rows) FROM ml_cross_validate('SELECT 1 + id % 5 AS a, id % 5 AS v FROM rows', 'v', task => 'regression', folds => 5, params => '{"n_estimators": 3}');

-- The same rows give the same scores, whatever their order and however many processes grow.
CREATE FUNCTION scores(source text) RETURNS TABLE (fold int, train_score float8, test_score float8)
BEGIN ATOMIC
    SELECT fold, train_score, test_score FROM ml_cross_validate(source, 'y', exclude => '{id,owner,v,w,part}', folds => 3, params => '{"n_estimators": 200}');
END;
SET pgforest.train_workers = 0;
CREATE TABLE scores AS SELECT * FROM scores('rows');
SELECT count(*) FROM (TABLE scores INTERSECT SELECT * FROM scores('shuffled')) s;
SET pgforest.train_workers = 2;
SELECT count(*) FROM (TABLE scores INTERSECT SELECT * FROM scores('shuffled')) s;
RESET pgforest.train_workers;
SET pgforest.train_memory = 1024;
SELECT count(*) FROM (TABLE scores INTERSECT SELECT * FROM scores('rows')) s;
RESET pgforest.train_memory;
SELECT count(*) FROM (SELECT * FROM scores INTERSECT SELECT fold, train_score, test_score
    FROM ml_cross_validate('rows', 'y', exclude => '{id,owner,v,w,part}', folds => 3, params => '{"n_estimators": 200}', seed => 1)) s;

-- Curves.
SELECT size, fold, metric, train_rows, test_rows FROM ml_learning_curve('rows', 'y', exclude => '{id,owner,v,w,part}', folds => 2, sizes => '{0.001,0.5,1}', params => '{"n_estimators": 3}');
SELECT size, count(*) FROM ml_learning_curve('rows', 'v', exclude => '{id,owner,y,w,part}', params => '{"n_estimators": 3}') GROUP BY size ORDER BY size;
SELECT value, fold, metric, round(train_score::numeric, 3) < 1 AS short FROM ml_validation_curve('rows', 'v', 'max_depth', '[1, null]', exclude => '{id,owner,y,w,part}', folds => 2,
    params => '{"n_estimators": 3, "max_depth": 7}', metric => 'r2');

-- A grid: every combination, the best of them as ml_train would make it.
CREATE FUNCTION compare(name text) RETURNS TABLE (version int, same_bytes boolean, kind text)
BEGIN ATOMIC
    SELECT v.version, v.sha256 = f.sha256, r.kind
    FROM pgforest.versions v JOIN pgforest.versions f USING (model) JOIN pgforest.runs r ON r.model = v.model AND r.version = v.version
    WHERE v.model = name AND f.version = 1 ORDER BY 1;
END;
CREATE FUNCTION tune(name text, source text, strategy text, trials int DEFAULT NULL, seed bigint DEFAULT 0)
    RETURNS TABLE (rank int, trial int, params jsonb, score numeric, folds int, share numeric, status text, version int)
BEGIN ATOMIC
    SELECT rank, trial, params, round(score::numeric, 4), folds, round(share::numeric, 4), status, version
    FROM ml_tune(name, source, 'y', '{"max_depth": [2, 4, 8, null], "min_samples_leaf": [1, 5, 20], "n_estimators": 12}', strategy, trials, folds => 3,
        exclude => '{id,owner,v,w,part}', seed => seed);
END;
SELECT * FROM tune('grid', 'rows', 'grid');
SELECT params->>'max_depth' AS depth, params->>'min_samples_leaf' AS leaf, params->>'n_estimators' AS trees FROM pgforest.versions WHERE model = 'grid';
SELECT count(*), count(DISTINCT trial) AS trials, count(DISTINCT params) AS params, min(fold), max(fold), max(rung) AS rungs, bool_and(status = 'success') AS good
FROM pgforest.trials WHERE model = 'grid';
SELECT version FROM ml_train('grid', 'rows', 'y', exclude => '{id,owner,v,w,part}',
    params => (SELECT params FROM pgforest.trials WHERE model = 'grid' GROUP BY params ORDER BY avg(score) DESC LIMIT 1));
SELECT * FROM compare('grid');

-- Draws: no combination twice, the same ones for a seed, and all when there are no more.
SELECT * FROM tune('drawn trials', 'rows', 'random', 4, 3);
SET pgforest.train_workers = 0;
SELECT count(*) FROM (SELECT * FROM tune('drawn trials', 'shuffled', 'random', 4, 3) INTERSECT ALL SELECT * FROM tune('drawn trials', 'rows', 'random', 4, 3)) t WHERE version IS NULL;
RESET pgforest.train_workers;
SELECT * FROM compare('drawn trials');
SELECT count(DISTINCT params) FROM tune('all', 'rows', 'random', 100);
SELECT count(*) FROM tune('all', 'rows', 'random');

-- Halving: a third of the trials goes on, with three times the rows.
SELECT * FROM tune('halve', 'rows', 'halving', 9);
SELECT rung, round(share::numeric, 3) AS share, count(DISTINCT trial) AS trials, count(*), max(train_rows) FROM pgforest.trials WHERE model = 'halve' GROUP BY 1, 2 ORDER BY 1;

-- Several algorithms: a parameter is for those that know it.  Trees want bins, linear models values; the winner is
-- what ml_train makes, whichever it is.
CREATE FUNCTION algorithms(name text, target text, search jsonb) RETURNS TABLE (rank int, trial int, algorithm text, params jsonb, status text, message text, version int)
BEGIN ATOMIC
    SELECT rank, trial, algorithm, params, status, message, version FROM ml_tune(name, 'rows', target, search, folds => 3, exclude => ARRAY['id', 'owner', 'w', 'part', CASE target WHEN 'y' THEN 'v' ELSE 'y' END]);
END;
CREATE FUNCTION again(name text, target text) RETURNS boolean LANGUAGE plpgsql SET client_min_messages = warning AS $$
DECLARE v pgforest.versions;
BEGIN
    SELECT * INTO v FROM pgforest.versions WHERE model = name AND version = 1;
    PERFORM ml_train(name || ' again', 'rows', target, v.algorithm, v.params, exclude => ARRAY['id', 'owner', 'w', 'part', CASE target WHEN 'y' THEN 'v' ELSE 'y' END]);
    RETURN (SELECT sha256 = v.sha256 FROM pgforest.versions WHERE model = name || ' again');
END $$;
SELECT * FROM algorithms('classes', 'y', '{"algorithm": ["random_forest", "extra_trees", "linear"], "n_estimators": [5, 20], "C": [0.1, 10], "max_depth": 6, "class_weight": "balanced"}') ORDER BY trial;
SELECT again('classes', 'y');
SELECT algorithm, status FROM algorithms('trees', 'y', '{"algorithm": ["linear", "random_forest"], "C": 1e-9, "n_estimators": 20, "max_depth": 6}');
SELECT again('trees', 'y');
SELECT algorithm, status FROM algorithms('values', 'v', '{"algorithm": ["random_forest", "linear"], "n_estimators": 2, "max_depth": 1}');
SELECT again('values', 'v');
SELECT algorithm, params, status FROM algorithms('calibrated', 'y', '{"algorithm": ["extra_trees", "random_forest"], "calibration": ["sigmoid", "isotonic", null], "n_estimators": 10, "min_samples_leaf": 5}') ORDER BY trial;
SELECT again('calibrated', 'y');
SELECT algorithm, params, status FROM algorithms('boosted', 'v', '{"algorithm": ["gradient_boosting", "linear"], "learning_rate": [0.1, 0.3], "early_stopping": [true, false], "alpha": 1e9, "n_estimators": 60, "validation_fraction": 0.2, "n_iter_no_change": 2}') ORDER BY trial;
SELECT again('boosted', 'v');
SELECT ml_drop(name) FROM pgforest.models WHERE name LIKE '% again' OR name IN ('classes', 'trees', 'values', 'calibrated', 'boosted');
SELECT count(*) FROM ml_cross_validate('rows', 'v', 'linear', exclude => '{id,owner,y}', order_by => 'part', folds => 3) WHERE test_score BETWEEN 0.1 AND 3;

-- A trial that fails is a row; parameters that no algorithm takes, or no value, are errors at once.
SELECT rank, trial, params, score IS NULL AS no_score, status, message, version
FROM ml_tune('fail', 'rows', 'y', '{"bootstrap": [true, false], "max_samples": [null, 0.5], "class_weight": [null, {"none": 2}], "n_estimators": 3}', exclude => '{id,owner,v,w,part}', folds => 2);
SELECT trial, rung, fold, score, train_rows, rows, status, sqlstate, message, hint FROM pgforest.trials WHERE model = 'fail' AND status = 'failure' ORDER BY trial;

-- Many tasks: processes take them one by one, and get what one gets alone, failures as well.
CREATE FUNCTION side_by_side(source text) RETURNS int
BEGIN ATOMIC
    SELECT max(version) FROM ml_tune('side by side', source, 'y', '{"algorithm": ["random_forest", "linear"], "bootstrap": [true, false], "max_samples": [null, 0.5], "class_weight": [null, "balanced", {"none": 2}],
        "n_estimators": 20, "C": [0.01, 1]}', exclude => '{id,owner,v,part}', weight => 'w', folds => 5);
END;
SET pgforest.train_workers = 0;
SELECT side_by_side('rows');
SET pgforest.train_workers = 1;
SELECT side_by_side('shuffled');
SET pgforest.train_workers = 3;
SELECT side_by_side('rows');
RESET pgforest.train_workers;
SELECT version, same_bytes FROM compare('side by side');
SELECT version, count(*), count(DISTINCT trial) AS trials, count(*) FILTER (WHERE status = 'failure') AS failures,
    count(DISTINCT all_of_it) FILTER (WHERE same = 3) AS same
FROM (SELECT version, trial, status, all_of_it, count(*) OVER (PARTITION BY all_of_it) AS same
      FROM (SELECT *, to_jsonb(t) - 'version' - 'seconds' AS all_of_it FROM pgforest.trials t WHERE model = 'side by side') t) t
GROUP BY version ORDER BY version;
SELECT ml_drop('side by side');

-- Trials that are parts of another are not trained: each has the score that it has alone, on every fold.
CREATE FUNCTION alone(name text, target text, weight text) RETURNS TABLE (algorithm text, trials bigint, folds bigint, scores bigint, differ bigint)
BEGIN ATOMIC
    SELECT t.algorithm, count(DISTINCT t.trial), count(*), count(DISTINCT t.score), count(*) FILTER (WHERE t.score IS DISTINCT FROM c.test_score)
    FROM pgforest.trials t CROSS JOIN LATERAL ml_cross_validate('rows', target, t.algorithm, t.params, folds => 3, weight => weight, seed => 7,
        exclude => ARRAY['id', 'owner', 'part', CASE target WHEN 'y' THEN 'v' ELSE 'y' END] || CASE WHEN weight IS NULL THEN '{w}'::text[] END) c
    WHERE t.model = name AND c.fold = t.fold GROUP BY 1 ORDER BY 1;
END;
CREATE FUNCTION families(name text, target text, weight text, search jsonb) RETURNS bigint
BEGIN ATOMIC
    SELECT count(*) FROM ml_tune(name, 'rows', target, search, folds => 3, holdout => 0, weight => weight, seed => 7,
        exclude => ARRAY['id', 'owner', 'part', CASE target WHEN 'y' THEN 'v' ELSE 'y' END] || CASE WHEN weight IS NULL THEN '{w}'::text[] END);
END;
SELECT families('of classes', 'y', NULL, '{"algorithm": ["random_forest", "extra_trees"], "max_depth": [3, 6, null], "min_samples_split": [2, 30], "n_estimators": [4, 9], "min_samples_leaf": [1, 4]}');
SELECT * FROM alone('of classes', 'y', NULL);
SET pgforest.train_workers = 0;
SELECT families('of values', 'v', 'w', '{"max_depth": [3, 6, null], "min_samples_split": [2, 30], "n_estimators": [4, 9], "max_features": [2, 3]}');
RESET pgforest.train_workers;
SELECT * FROM alone('of values', 'v', 'w');
SELECT families('of rounds', 'y', NULL, '{"algorithm": "gradient_boosting", "n_estimators": [3, 10, 30], "learning_rate": [0.1, 0.3], "early_stopping": [false, true]}');
SELECT * FROM alone('of rounds', 'y', NULL);
SELECT families('of leaves', 'y', NULL, '{"max_leaf_nodes": [8, 20], "max_depth": [3, null], "n_estimators": [4, 9]}');
SELECT * FROM alone('of leaves', 'y', NULL);
-- More tops than a tree is asked for; no memory for any.
SELECT families('of depths', 'y', NULL, '{"max_depth": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20], "n_estimators": 3}');
SELECT * FROM alone('of depths', 'y', NULL);
SET pgforest.train_memory = 1024;
SELECT families('of depths', 'y', NULL, '{"max_depth": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20], "n_estimators": 3}');
RESET pgforest.train_memory;
SELECT count(DISTINCT version) AS versions, count(*) AS folds FROM (SELECT trial, fold, score, max(version) AS version FROM pgforest.trials WHERE model = 'of depths' GROUP BY 1, 2, 3 HAVING count(*) = 2) t;
-- The largest has no room, which is no reason for the others to fail.
SET pgforest.train_memory = 3072;
SELECT trial, params->'n_estimators' AS trees, status FROM ml_tune('of sizes', 'rows', 'v', '{"algorithm": "gradient_boosting", "n_estimators": [3, 100000, 5], "learning_rate": [0.1, 0.2], "early_stopping": false}', folds => 2, holdout => 0, exclude => '{id,owner,part,y,w}') ORDER BY trial;
RESET pgforest.train_memory;
SELECT ml_drop(name) FROM pgforest.models WHERE name LIKE 'of %';

-- Ranges: integers, numbers, their logarithms, steps; counts are not shares; none twice.
CREATE FUNCTION ranges(name text, source text, search jsonb, trials int, seed bigint DEFAULT 0, strategy text DEFAULT 'random') RETURNS TABLE (trial int, algorithm text, params jsonb, status text)
BEGIN ATOMIC
    SELECT trial, algorithm, params, status FROM ml_tune(name, source, 'y', search, strategy, trials, folds => 2, holdout => 0, seed => seed, exclude => '{id,owner,v,w,part}') ORDER BY trial;
END;
SELECT * FROM ranges('ranges', 'rows', '{"algorithm": ["random_forest", "gradient_boosting", "linear"], "n_estimators": {"low": 2, "high": 9}, "max_depth": {"low": 1, "high": 64, "log": true}, "learning_rate": {"low": 0.01, "high": 0.3, "log": true},
    "max_features": {"low": 0.25, "high": 1, "step": 0.25}, "C": {"low": 1e-3, "high": 1000, "log": true}, "criterion": ["gini", "entropy"]}', 12, 3);
SELECT count(*), count(DISTINCT params), min((params->>'max_features')::int) >= 1 AND max((params->>'max_features')::int) <= 3 AS counts,
    bool_and((params->>'min_weight_fraction_leaf')::float8 BETWEEN 0.1 AND 0.2) AS between, count(DISTINCT params->'max_features') AS of_counts
FROM ranges('ranges', 'rows', '{"max_features": {"low": 1, "high": 3}, "min_weight_fraction_leaf": {"low": 0.1, "high": 0.2}, "n_estimators": 2}', 30);
SET pgforest.train_workers = 0;
SELECT count(*) FROM (SELECT * FROM ranges('ranges', 'shuffled', '{"max_features": {"low": 1, "high": 3}, "min_weight_fraction_leaf": {"low": 0.1, "high": 0.2}, "n_estimators": 2}', 10)
    INTERSECT SELECT * FROM ranges('ranges', 'rows', '{"max_features": {"low": 1, "high": 3}, "min_weight_fraction_leaf": {"low": 0.1, "high": 0.2}, "n_estimators": 2}', 10)) t;
RESET pgforest.train_workers;
-- All there are.
SELECT count(*) FROM ranges('ranges', 'rows', '{"max_depth": {"low": 2, "high": 10, "step": 4}, "min_samples_leaf": [1, 5], "n_estimators": 2}', 20);
SELECT count(*), max(array_length(regexp_split_to_array(params->>'learning_rate', '\.'), 1)) FROM ranges('ranges', 'rows', '{"algorithm": "gradient_boosting", "learning_rate": {"low": 0.1, "high": 1}, "n_estimators": 2}', 9, strategy => 'halving');
SELECT ml_drop('ranges');

-- The end of a budget: what was under way is stopped, and the best of what was finished wins; in turn, and side by side.
CREATE FUNCTION stopped(name text, workers int, depths jsonb) RETURNS TABLE (status text, done boolean, wins boolean) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('pgforest.train_workers', workers::text, true);
    RETURN QUERY SELECT DISTINCT t.status, t.score IS NOT NULL, t.version IS NOT NULL
        FROM ml_tune(name, 'rows', 'y', jsonb_build_object('algorithm', '["linear", "random_forest"]'::jsonb, 'n_estimators', 100000, 'max_features', depths), folds => 2, seconds => 2, exclude => '{id,owner,v,w,part}') t ORDER BY 1, 2;
END $$;
SET client_min_messages = warning;
SELECT * FROM stopped('stop in turn', 0, '[1]');
SELECT * FROM stopped('stop together', 1, '[1]');
SELECT * FROM stopped('stop side by side', 1, '[1, 2, 3, 0.4, 0.7, 1.0]');
RESET client_min_messages;
SELECT model, algorithm, status, bool_and(score IS NULL) AS no_score, bool_and(seconds > 0) AS took_time, bool_and(message IS NULL) AS no_message FROM pgforest.trials WHERE model LIKE 'stop %' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT ml_drop(name) FROM pgforest.models WHERE name LIKE 'stop %';

-- Few rows, one class, targets that are missing.
SELECT fold, train_rows, test_rows FROM ml_cross_validate('SELECT a, CASE WHEN id % 3 > 0 THEN y END AS y FROM rows WHERE id <= 30', 'y', folds => 2, params => '{"n_estimators": 2}');

-- What a version came of goes with it.
SELECT version FROM ml_promote('grid', 2);
SELECT ml_drop('grid@1');
SELECT count(*) FROM pgforest.trials WHERE model = 'grid';
SELECT ml_drop('drawn trials');
SELECT count(*) FROM pgforest.trial t WHERE NOT EXISTS (SELECT FROM pgforest.version v WHERE v.model_id = t.model_id AND v.version = t.version);

-- Roles: trials are seen by those who see the model; a cross-validation reads as its caller.
CREATE ROLE regress_ml_tuner;
GRANT USAGE ON SCHEMA regress_tune TO regress_ml_tuner;
SET ROLE regress_ml_tuner;
SELECT count(*) FROM pgforest.trials;
SELECT * FROM ml_cross_validate('rows', 'y');
RESET ROLE;
GRANT SELECT ON rows TO regress_ml_tuner;
SET ROLE regress_ml_tuner;
SELECT count(*) FROM ml_cross_validate('rows', 'y', params => '{"n_estimators": 3}');
SELECT count(*) FROM tune('halve', 'rows', 'grid');
SELECT count(*) FROM ml_tune('own', 'rows', 'y', '{"n_estimators": [2, 3]}');
SELECT model, count(*) FROM pgforest.trials GROUP BY model;
INSERT INTO pgforest.trial SELECT * FROM pgforest.trial;
SELECT ml_drop('own');
RESET ROLE;
REVOKE ALL ON rows FROM regress_ml_tuner;
REVOKE ALL ON SCHEMA regress_tune FROM regress_ml_tuner;
DROP ROLE regress_ml_tuner;

-- Errors.
\getenv here PG_ABS_SRCDIR
\set refuse :here '/sql/include/refuse.sql'
\ir :refuse
CALL refuse($$ml_cross_validate(NULL, 'y')$$);
CALL refuse($$ml_cross_validate('rows', NULL)$$);
CALL refuse($$ml_cross_validate('rows', 'y', folds => 1)$$);
CALL refuse($$ml_cross_validate('rows', 'y', folds => 101)$$);
CALL refuse($$ml_cross_validate('rows', 'y', folds => NULL)$$);
CALL refuse($$ml_cross_validate('rows', 'y', algorithm => 'perceptron')$$);
CALL refuse($$ml_cross_validate('rows', 'y', params => '{"n_estimator": 3}')$$);
CALL refuse($$ml_cross_validate('rows', 'y', params => '{"criterion": "squared_error"}')$$);
CALL refuse($$ml_cross_validate('rows', 'y', metric => 'rmse')$$);
CALL refuse($$ml_cross_validate('rows', 'y', metric => '')$$);
CALL refuse($$ml_cross_validate('rows', 'y', metric => 'auc')$$);
CALL refuse($$ml_cross_validate('rows', 'y', order_by => 'c')$$);
CALL refuse($$ml_cross_validate('rows', 'y', order_by => 'parts')$$);
CALL refuse($$ml_cross_validate('rows', 'y', order_by => 'b')$$);
CALL refuse($$ml_cross_validate('rows', 'y', order_by => 'y')$$);
CALL refuse($$ml_cross_validate('rows', 'y', order_by => 'part', key => '{part}')$$);
CALL refuse($$ml_cross_validate('rows', 'y', order_by => 'part', features => '{part}')$$);
CALL refuse($$ml_cross_validate('rows', 'y', order_by => 'part', folds => 4)$$);
CALL refuse($$ml_tune('e', 'rows', 'v', '{"monotonic_cst": [{"part": 1}]}', folds => 3, order_by => 'part')$$);
CALL refuse($$ml_tune('e', 'rows', 'v', '{"algorithm": {"name": "linear"}}')$$);
CALL refuse($$ml_cross_validate('rows', 'y', key => '{owner}', folds => 41)$$);
CALL refuse($$ml_cross_validate('SELECT * FROM rows LIMIT 3', 'v', folds => 4)$$);
CALL refuse($$ml_cross_validate('SELECT * FROM rows LIMIT 1', 'v', folds => 2)$$);
SET pgforest.train_memory = 512;
CALL refuse($$ml_tune('e', 'SELECT i AS a, i % 2 = 0 AS y FROM generate_series(1, 100000) i', 'y', '{"n_estimators": 2}')$$);
RESET pgforest.train_memory;
CALL refuse($$ml_cross_validate('no_rows', 'y')$$);
CALL refuse($$ml_cross_validate('rows', 'y', 'isolation_forest')$$);
CALL refuse($$ml_cross_validate('rows', 'y', 'isolation_forest', task => 'anomaly')$$);
CALL refuse($$ml_cross_validate('rows', 'v', params => '{"calibration": "sigmoid"}')$$);
CALL refuse($$ml_learning_curve('rows', 'y', sizes => NULL)$$);
CALL refuse($$ml_learning_curve('rows', 'y', sizes => '{}')$$);
CALL refuse($$ml_learning_curve('rows', 'y', sizes => '{0.5,0}')$$);
CALL refuse($$ml_learning_curve('rows', 'y', sizes => '{NULL}')$$);
CALL refuse($$ml_validation_curve('rows', 'y', NULL, '[1]')$$);
CALL refuse($$ml_validation_curve('rows', 'y', 'max_depth', NULL)$$);
CALL refuse($$ml_validation_curve('rows', 'y', 'max_depth', '3')$$);
CALL refuse($$ml_validation_curve('rows', 'y', 'max_depth', '[]')$$);
CALL refuse($$ml_validation_curve('rows', 'y', 'max_depth', '[3, "deep"]')$$);
CALL refuse($$ml_validation_curve('rows', 'y', 'depth', '[3]')$$);
CALL refuse($$ml_validation_curve('rows', 'y', 'max_bins', '[16, 32]')$$);
CALL refuse($$ml_validation_curve('rows', 'y', 'max_depth', '[3]', params => '[]')$$);
CALL refuse($$ml_tune(NULL, 'rows', 'y', '{}')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', NULL)$$);
CALL refuse($$ml_tune('e@1', 'rows', 'y', '{}')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '[]')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"max_depth": []}')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"max_deep": [1, 2]}')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"max_depth": [1, "x"]}')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"max_bins": [10, 20]}')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"algorithm": ["random_forest", "random_forrest"]}')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"algorithm": ["random_forest", "random_forest"]}')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"algorithm": 3}')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"algorithm": ["linear", "extra_trees"], "max_rows": [100, 200]}')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"algorithm": ["linear", "extra_trees"], "learning": [100, 200]}')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"algorithm": "isolation_forest"}')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"max_depth": {"low": 2, "high": 5}}')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"max_depth": {"low": 2}}', 'random')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"max_depth": {"low": 5, "high": 2}}', 'random')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"max_depth": {"low": 2.5, "high": 4}}', 'random')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"max_depth": {"low": "2", "high": 4}}', 'random')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"max_depth": {"low": 0, "high": 4}}', 'random')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"max_depth": {"min": 1, "high": 4}}', 'random')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"max_depth": {"low": 1, "high": 4, "step": 0}}', 'random')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"max_depth": {"low": 1, "high": 4, "log": true, "step": 2}}', 'random')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"max_depth": {"low": 1, "high": 4, "log": 1}}', 'random')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"max_depth": {"low": 1, "high": 1e400}}', 'random')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"min_impurity_decrease": {"low": 0, "high": 1, "log": true}}', 'random')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"criterion": {"low": 0, "high": 1}}', 'random')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"max_bins": {"low": 10, "high": 20}}', 'random')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{}', strategy => 'bayes')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{}', trials => 3)$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{}', strategy => 'random', trials => 0)$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{}', seconds => 0)$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{}', seconds => 'NaN')$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{}', seconds => 1e-9)$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{}', holdout => 2)$$);
CALL refuse($$ml_tune('e', 'rows', 'y', '{"bootstrap": false, "max_samples": 0.5}')$$);
CALL refuse($$ml_tune('halve', 'rows', 'v', '{}')$$);
SELECT jsonb_build_object('max_depth', jsonb_agg(i), 'n_estimators', jsonb_agg(i)) AS large FROM generate_series(1, 101) i \gset
CALL refuse(format($$ml_tune('e', 'rows', 'y', %L)$$, :'large'));
SELECT jsonb_build_object('max_depth', jsonb_agg(i), 'n_estimators', jsonb_agg(i), 'max_leaf_nodes', jsonb_agg(i + 1)) AS large FROM generate_series(1, 2000) i \gset
CALL refuse(format($$ml_tune('e', 'rows', 'y', %L, 'random')$$, :'large'));
CALL refuse($$ml_tune('e', 'SELECT a, NULL::text AS y FROM rows', 'y', '{}')$$);
CALL refuse($$ml_tune('e', 'SELECT a, b, y FROM rows LIMIT 1', 'y', '{}', holdout => 0)$$);
CALL refuse($$ml_tune('e', 'SELECT id, a, ''one'' AS y FROM rows', 'y', '{"n_estimators": 2}')$$);
-- A class that a fold lacks has no ROC curve there.
CALL refuse($$ml_tune('e', 'SELECT id, id = 1 AS y FROM rows', 'y', '{"n_estimators": 2}', holdout => 0)$$);
-- A parameter alone: one trial, and a weight and a split column.
SELECT params, folds, version FROM ml_tune('alone', $$SELECT *, CASE WHEN part = 1 THEN 'test' ELSE 'train' END AS split FROM rows$$, 'y', '{"n_estimators": 3}', folds => 2, weight => 'w', split => 'split');
SELECT train_rows, rows FROM pgforest.trials WHERE model = 'alone';
-- By time: the column is none of the model's, and what repeats the training knows it.
SELECT params, folds, version FROM ml_tune('time', 'rows', 'v', '{"n_estimators": 3}', folds => 3, order_by => 'part', exclude => '{id,y}');
SELECT columns, v.arguments->'exclude' AS excluded FROM pgforest.version v JOIN pgforest.model m ON m.id = v.model_id WHERE m.name = 'time';
-- Nor has it a part in which rows are held out, in their order or in what is known of them: ml_train makes the same.
SELECT version FROM ml_train('time', 'rows', 'v', params => '{"n_estimators": 3}', exclude => '{id,y,part}');
SELECT count(DISTINCT sha256), count(DISTINCT data_fingerprint), count(DISTINCT identity) FROM pgforest.versions WHERE model = 'time';
SELECT count(*) FROM (SELECT * FROM ml_profile('time@1') EXCEPT SELECT * FROM ml_profile('time@2')) t;
SELECT version FROM ml_tune('time', 'rows', 'v', '{"n_estimators": 3, "algorithm": "gradient_boosting"}', folds => 3, order_by => 'part', exclude => '{id,y}', key => '{owner}', holdout => 0);
SELECT version FROM ml_train('time', 'rows', 'v', 'gradient_boosting', '{"n_estimators": 3}', exclude => '{id,y,part}', key => '{owner}', holdout => 0);
SELECT count(DISTINCT sha256), count(DISTINCT data_fingerprint), count(DISTINCT identity) FROM pgforest.versions WHERE model = 'time' AND version > 2;
SELECT feature, kind FROM ml_profile('time@3');
BEGIN;
SELECT count(*) FROM ml_tune('rolled back', 'rows', 'y', '{"n_estimators": [2, 3]}', exclude => '{id}');
ROLLBACK;
SELECT count(*) FROM pgforest.models WHERE name = 'rolled back';
-- Canceled at once, and then as if nothing had been.
SET statement_timeout = '300ms';
SELECT ml_tune('e', 'rows', 'y', '{"n_estimators": [100000, 99999]}', exclude => '{id}');
SELECT count(*) FROM ml_cross_validate('rows', 'y', params => '{"n_estimators": 100000}');
RESET statement_timeout;
SELECT count(*) FROM pgforest.models WHERE name = 'e';
BEGIN READ ONLY;
SELECT count(*) FROM ml_cross_validate('rows', 'y', params => '{"n_estimators": 2}');
SELECT ml_tune('e', 'rows', 'y', '{}');
ROLLBACK;

SET client_min_messages = warning;
SELECT ml_drop(name) FROM pgforest.models WHERE name IN ('grid', 'all', 'halve', 'fail', 'alone', 'time');
DROP SCHEMA regress_tune CASCADE;

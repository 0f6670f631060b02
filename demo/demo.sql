-- The life of a model in SQL, from raw rows to a promoted forest that answers.
-- demo.sh runs this in an empty database; with psql's variable `data` the rows
-- come from candidates.csv (HTRU2), else they are simulated.

\pset border 1
\pset footer off
\pset null '-'
SET client_min_messages = warning;
CREATE EXTENSION pgforest;
RESET client_min_messages;

\echo
\echo '== 1. Raw rows arrive =='
\echo
\if :{?data}
\echo 'HTRU2: pulsar candidates of the High Time Resolution Universe survey, as published.'
\else
\echo 'Simulated pulsar candidates: pulse profiles and DM-SNR curves made in SQL, and the'
\echo 'eight statistics of HTRU2 computed from them. They are not real observations.'
\endif
\echo 'Everything lands as text in a raw table, as it came, over two nights.'
\echo

CREATE TABLE raw_candidate (
  night            int,
  candidate_id     text,
  mean_profile     text,
  std_profile      text,
  kurtosis_profile text,
  skewness_profile text,
  mean_dmsnr       text,
  std_dmsnr        text,
  kurtosis_dmsnr   text,
  skewness_dmsnr   text,
  class            text
);

\if :{?data}
\ir import.sql
\else
\ir simulate.sql
\endif

SELECT night, count(*) AS rows,
       count(*) - count(DISTINCT candidate_id) AS sent_twice,
       count(*) FILTER (WHERE 'n/a' IN (mean_profile, std_profile, kurtosis_profile, skewness_profile)) AS "n/a",
       count(*) FILTER (WHERE mean_dmsnr IS NULL) AS nulls,
       count(*) FILTER (WHERE std_dmsnr LIKE '-%') AS impossible,
       count(*) FILTER (WHERE class NOT IN ('0', '1')) AS no_label
FROM raw_candidate GROUP BY night ORDER BY night;

\echo '== 2. Clean rows =='
\echo
\echo 'A view turns raw rows into clean ones: each candidate once, numbers where there were'
\echo 'numbers, NULL for what is not one or cannot be, and no row without a label. NULL is'
\echo 'fine: the trees know what to do with a missing value.'
\echo

CREATE FUNCTION number(value text, low float8 DEFAULT '-infinity', high float8 DEFAULT 'infinity') RETURNS float8
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN CASE WHEN value ~ '^-?[0-9.]+(e[-+]?[0-9]+)?$'
              THEN CASE WHEN value::float8 BETWEEN low AND high THEN value::float8 END END;

\set ECHO queries
CREATE VIEW clean_candidate AS
SELECT DISTINCT ON (candidate_id)
       night,
       candidate_id::bigint,
       number(mean_profile, 0, 255) AS mean_profile,
       number(std_profile, 0)       AS std_profile,
       number(kurtosis_profile)     AS kurtosis_profile,
       number(skewness_profile)     AS skewness_profile,
       number(mean_dmsnr, 0)        AS mean_dmsnr,
       number(std_dmsnr, 0)         AS std_dmsnr,
       number(kurtosis_dmsnr)       AS kurtosis_dmsnr,
       number(skewness_dmsnr)       AS skewness_dmsnr,
       class::int
FROM raw_candidate
WHERE class IN ('0', '1')
ORDER BY candidate_id, night;
\echo
CREATE TABLE candidate AS
SELECT candidate_id, mean_profile, std_profile, kurtosis_profile, skewness_profile,
       mean_dmsnr, std_dmsnr, kurtosis_dmsnr, skewness_dmsnr, class
FROM clean_candidate WHERE night = 1;
\echo
SELECT count(*) AS candidates, sum(class) AS pulsars, round(100 * avg(class), 1) AS percent
FROM candidate;
\set ECHO none

\echo '== 3. Train two forests =='
\echo
\echo 'A small one and a full one. `key` says what a row is: one in five candidates is kept'
\echo 'out of training by it, and is the same one for every version to come.'
\echo
\set ECHO queries
SELECT version, rows, features, metric, round(score::numeric, 4) AS score, round(seconds::numeric, 2) AS seconds
FROM ml_train('pulsar', 'candidate', 'class', key => ARRAY['candidate_id'],
              params => '{"n_estimators": 10, "max_depth": 3}', note => 'ten shallow trees');

SELECT version, rows, features, metric, round(score::numeric, 4) AS score, round(seconds::numeric, 2) AS seconds
FROM ml_train('pulsar', 'candidate', 'class', key => ARRAY['candidate_id'],
              note => 'the defaults: 100 unlimited trees');

SELECT rank, version, algorithm, metric, round(score::numeric, 4) AS score, bytes
FROM pgforest.leaderboard WHERE model = 'pulsar';
\set ECHO none

\echo '== 4. Look closer at the second =='
\echo
\echo 'All of this was measured on the held-out fifth. Beside each value is what the best'
\echo 'constant answer would reach: with one pulsar in eleven, accuracy alone says little.'
\echo
\set ECHO queries
SELECT metric, class, round(value::numeric, 4) AS value, round(baseline::numeric, 4) AS constant
FROM ml_evaluate('pulsar@2')
WHERE class = '1' AND metric IN ('precision', 'recall', 'f1')
   OR class IS NULL AND metric IN ('accuracy', 'roc_auc', 'average_precision', 'log_loss')
ORDER BY class, metric;

SELECT * FROM ml_confusion_matrix('pulsar@2');

SELECT feature, round(importance::numeric, 3) AS importance
FROM ml_importance('pulsar@2') ORDER BY importance DESC;
\set ECHO none

\echo '== 5. Promote =='
\echo
\echo 'No version is named: the best by this metric, and only if it reaches the threshold.'
\echo 'From now on plain `pulsar` means that version.'
\echo
\set ECHO queries
SELECT model, version, previous, promoted, reason, round(score::numeric, 4) AS score
FROM ml_promote('pulsar', metric => 'average_precision', threshold => 0.8);
\set ECHO none

\echo '== 6. Predict =='
\echo
\echo 'The second night has no labels yet. A prediction is an expression like any other.'
\echo
\set ECHO queries
CREATE VIEW tonight AS
SELECT * FROM clean_candidate WHERE night = 2;
\echo
SELECT candidate_id, ml_predict('pulsar', t) AS class,
       round(ml_predict_proba('pulsar', t, '1')::numeric, 3) AS probability
FROM tonight AS t
ORDER BY ml_predict_proba('pulsar', t, '1') DESC, candidate_id
LIMIT 5;

SELECT count(*) AS candidates, count(*) FILTER (WHERE ml_predict('pulsar', t) = '1') AS called_pulsars,
       (SELECT version FROM ml_resolve('pulsar')) AS answered_by_version
FROM tonight AS t;
\set ECHO none

\echo '== 7. The labels come in: train again =='
\echo
\echo 'New rows, a new version and its promotion are one transaction: nobody sees one without'
\echo 'the others. The challenger meets the champion on the same held-out rows; it has seen more'
\echo 'of the sky, so it may be a little worse on them, but by no more than 2%.'
\echo
\set ECHO queries
BEGIN;
INSERT INTO candidate
SELECT candidate_id, mean_profile, std_profile, kurtosis_profile, skewness_profile,
       mean_dmsnr, std_dmsnr, kurtosis_dmsnr, skewness_dmsnr, class
FROM clean_candidate WHERE night = 2;
\echo
SELECT version, rows, metric, round(score::numeric, 4) AS score
FROM ml_train('pulsar', 'candidate', 'class', key => ARRAY['candidate_id'], note => 'both nights');

SELECT version, promoted, reason
FROM ml_promote('pulsar', version => 3, metric => 'average_precision', max_regression => 0.02);
COMMIT;
\set ECHO none

\echo
\echo '== 8. The gate holds =='
\echo
\echo 'A poor version asks for production. It is refused, and the answer says why.'
\echo
\set ECHO queries
SELECT version, metric, round(score::numeric, 4) AS score
FROM ml_train('pulsar', 'candidate', 'class', key => ARRAY['candidate_id'],
              params => '{"n_estimators": 1, "max_depth": 1}', note => 'one stump');

SELECT version, promoted, reason
FROM ml_promote('pulsar', version => 4, metric => 'average_precision', max_regression => 0.02);
\set ECHO none

\echo '== 9. ROLLBACK undoes a training =='
\echo
\echo 'A model is rows in tables, so a transaction that fails takes its model with it.'
\echo
\set ECHO queries
BEGIN;
SELECT version FROM ml_train('pulsar', 'candidate', 'class', key => ARRAY['candidate_id'], seed => 1);
SELECT count(*) AS versions FROM pgforest.versions WHERE model = 'pulsar';
ROLLBACK;
SELECT count(*) AS versions FROM pgforest.versions WHERE model = 'pulsar';
\set ECHO none

\echo '== 10. Second thoughts =='
\echo
\echo 'Back to the version before, with one call; and the history of who did what, and why.'
\echo
\set ECHO queries
SELECT model, version, previous, promoted, reason FROM ml_rollback('pulsar');

SELECT h.from_version, h.to_version, h.action, h.reason, h.role
FROM pgforest.alias_history AS h JOIN pgforest.model AS m ON m.id = h.model_id
WHERE m.name = 'pulsar' ORDER BY h.id;

SELECT version, trained_by, rows, round(score::numeric, 4) AS score, left(sha256, 12) AS sha256, aliases, note
FROM pgforest.versions WHERE model = 'pulsar' ORDER BY version;
\set ECHO none

\echo 'That was the main job. The same rows give the same bytes: run it again and compare sha256.'
\echo 'The throw-away cluster is removed now. Next: README.md, and the tutorials in docs/tutorials/.'

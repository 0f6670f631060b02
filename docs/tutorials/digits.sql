-- # Handwritten digits: from a sandbox to production elsewhere
--
-- MNIST: 60,000 images of handwritten digits to train on and 10,000 to test on, 28 by 28 pixels each. A row is an image,
-- and its pixels are one array column. A model is trained in parallel in one database, the sandbox, and measured there; then
-- it is exported, imported in another one that has none of the images, and answers requests in JSON there.
--
-- This page is what [digits.sql](digits.sql) prints; the tests run it. By hand, as a superuser in a database of its own, with
-- the four files of MNIST in a directory:
--
--     createdb digits
--     psql -X -q -v ON_ERROR_STOP=1 -v data=/data -d digits -f docs/tutorials/digits.sql
--
-- The data: MNIST by Y. LeCun, C. Cortes and C. J. C. Burges, CC BY-SA 3.0.
--
-- Production is a second database of the same server here. With `-v production='host=... dbname=...'` it is one of another
-- server, and nothing else changes: all that goes there are the bytes of the model. The tests run it with two servers.

CREATE EXTENSION IF NOT EXISTS pgforest;

-- ## Images as arrays
--
-- A file of MNIST is a short header and then a byte for each pixel, or a label. A program
-- that psql runs (bash, gzip, od and sed) makes a line of each image.

CREATE TABLE mnist_train (label smallint, pixels smallint[]);
CREATE TABLE mnist_test (LIKE mnist_train);
\cd :data
\copy mnist_train FROM PROGRAM 'bash -c "paste -d: <(gzip -dc mnist_train-labels-idx1-ubyte.gz | tail -c +9 | od -An -v -w1 -tu1 | tr -d \" \") <(gzip -dc mnist_train-images-idx3-ubyte.gz | tail -c +17 | od -An -v -w784 -tu1 | sed \"s/^ */{/;s/  */,/g;s/\$/}/\")"' WITH (FORMAT text, DELIMITER ':')
\copy mnist_test FROM PROGRAM 'bash -c "paste -d: <(gzip -dc mnist_t10k-labels-idx1-ubyte.gz | tail -c +9 | od -An -v -w1 -tu1 | tr -d \" \") <(gzip -dc mnist_t10k-images-idx3-ubyte.gz | tail -c +17 | od -An -v -w784 -tu1 | sed \"s/^ */{/;s/  */,/g;s/\$/}/\")"' WITH (FORMAT text, DELIMITER ':')
SELECT label, count(*), array_length(min(pixels), 1) AS pixels FROM mnist_train GROUP BY label ORDER BY label;

-- ## Train in parallel
--
-- An array of numbers is as many features as it has elements. The test half is kept for the end, and the
-- training half is used whole: `holdout => 0`. The score is then out-of-bag, each image predicted by those trees that
-- did not see it. A training that takes long says how far it is.

SET pgforest.train_workers = 2;
SELECT version, rows, features, metric, round(score::numeric, 4) AS score, round(seconds::numeric, 1) AS seconds, bytes
FROM ml_train('digits', 'mnist_train', 'label', holdout => 0);

-- Workers change the time and nothing else. On a part of the rows, alone and with two workers, and with the rows in another order:

CREATE TABLE some_digits AS SELECT * FROM mnist_train LIMIT 10000;
SET pgforest.train_workers = 0;
SELECT version, round(seconds::numeric, 1) AS seconds FROM ml_train('try', 'some_digits', 'label');
SET pgforest.train_workers = 2;
SELECT version, round(seconds::numeric, 1) AS seconds FROM ml_train('try', 'SELECT * FROM some_digits ORDER BY random()', 'label');
SELECT version, left(sha256, 24) AS sha256, left(data_fingerprint, 12) AS rows FROM pgforest.versions WHERE model = 'try' ORDER BY version;

-- ## Measure on the test half

SELECT metric, round(value::numeric, 4) AS value, round(baseline::numeric, 4) AS baseline
FROM ml_evaluate('digits@1', 'mnist_test') WHERE class IS NULL;
SELECT * FROM ml_confusion_matrix('digits@1', 'mnist_test') \crosstabview actual predicted count

-- Which pixels matter. They are numbered from 1, 28 to a line of the image, so these lie in its middle:

SELECT * FROM ml_importance('digits@1') LIMIT 5;

-- No rows were held out, so a promotion with a condition needs rows to measure on:

SELECT version, promoted, reason FROM ml_promote('digits', 1, metric => 'accuracy', threshold => 0.95, source => 'mnist_test');

-- ## Export
--
-- `ml_export` makes one value of type `bytea` of the model and all that is known of it: parameters, metrics, the baseline of
-- each pixel for tests of drift. Here psql keeps it in a variable; [operations](../operations.md) has it as a file. Eight
-- images go along, to ask for.

SELECT length(ml_export('digits')) AS bytes, left(sha256, 24) AS sha256 FROM pgforest.versions WHERE model = 'digits';
SELECT ml_export('digits') AS exported \gset
SELECT jsonb_build_object('instances', jsonb_agg(pixels)) AS request, jsonb_agg(label) AS labels
FROM (SELECT * FROM mnist_test LIMIT 8) AS t \gset

-- ## Import in production
--
-- Another database, with the extension and nothing else in it.

\if :{?production}
\else
CREATE DATABASE production;
\set production dbname=production
\endif
\c -reuse-previous=on :production
CREATE EXTENSION IF NOT EXISTS pgforest;
SELECT model, version, algorithm, features, left(sha256, 24) AS sha256 FROM ml_import(:'exported');

-- The same bytes, checked by their SHA-256. Where it came from is kept:

SELECT model, version, original, number, database, exported_by = current_user AS by_me FROM pgforest.origins;

-- An import is a version like any other, and is promoted here, by those who are in charge here. What was measured came along:

SELECT version, promoted, reason FROM ml_promote('digits', 1, note => 'accepted by operations');
SELECT metric, round(value::numeric, 4) AS value FROM ml_evaluate('digits') WHERE class IS NULL AND metric = 'accuracy';

-- ## Serve JSON
--
-- A request has instances, arrays as here or objects such as `{"pixels": [...]}`; the answer is in their order and
-- names the version. It never writes, so a standby can give it; any HTTP gateway over SQL can serve it.

SELECT answer -> 'predictions' AS predictions, :'labels' AS labels, answer -> 'model' AS model, answer -> 'version' AS version
FROM ml_predict_json('digits', :'request') AS answer;
SELECT answer -> 'classes' AS classes, answer -> 'probabilities' -> 4 AS probabilities FROM ml_predict_json('digits', :'request') AS answer;

-- A request that is wrong says where:

\set ON_ERROR_STOP off
SELECT ml_predict_json('digits', '{"instances": [[1, 2, 3]]}');
\set ON_ERROR_STOP on

-- The next version comes the same way: `ml_import` of a model that is there makes its next version, and
-- `ml_promote('digits', 2, source => ...)` compares the two on rows that production has.
-- Whole databases and replication: [operations](../operations.md).

-- Drift on real data: two halves of the pulsar candidates and of the cars are alike, and what is changed in
-- one of them is found.  (make bench BENCH=drift does it a hundred times.)
BEGIN;
\set found `test -r "$PGFOREST_DATA/htru2.csv.gz" -a -r "$PGFOREST_DATA/used_cars_uk.csv.gz" && echo true || echo false`
SELECT CASE WHEN :found THEN plan(14) ELSE plan(1) END;
\if :found
CREATE TABLE htru2 (mean_profile float8, std_profile float8, kurtosis_profile float8, skewness_profile float8,
	mean_dmsnr float8, std_dmsnr float8, kurtosis_dmsnr float8, skewness_dmsnr float8, class int);
\copy htru2 FROM PROGRAM 'gzip -dc "$PGFOREST_DATA/htru2.csv.gz"' WITH (FORMAT csv, HEADER)
CREATE TABLE candidate AS SELECT row_number() OVER (ORDER BY md5(htru2::text)) AS id, * FROM htru2;
CREATE TABLE cars (make text, model text, year int, price float8, transmission text, mileage float8, fuel_type text,
	tax float8, mpg float8, engine_size float8);
\copy cars FROM PROGRAM 'gzip -dc "$PGFOREST_DATA/used_cars_uk.csv.gz"' WITH (FORMAT csv, HEADER)
CREATE TABLE car AS SELECT row_number() OVER (ORDER BY md5(cars::text), random()) AS id, * FROM cars;

SELECT is((SELECT version FROM ml_train('pulsar', 'SELECT * FROM candidate WHERE id % 2 = 0', 'class', exclude => '{id}',
	params => '{"n_estimators": 20}')), 1, 'trained on one half of the pulsars');
SELECT is((SELECT version FROM ml_train('price', 'SELECT * FROM car WHERE id % 2 = 0', 'price', exclude => '{id}',
	params => '{"n_estimators": 5, "max_depth": 8}')), 1, '... and of the cars');
SELECT cmp_ok((SELECT max(length(profile)) FROM pgforest.baseline), '<', 12000, 'a baseline has a few kilobytes');

SELECT is_empty($$ SELECT * FROM ml_drift('pulsar@1', 'SELECT * FROM candidate WHERE id % 2 = 1') WHERE drifted $$,
	'the other half of the pulsars is like it');
SELECT is_empty($$ SELECT * FROM ml_drift('price@1', 'SELECT * FROM car WHERE id % 2 = 1') WHERE drifted $$, '... and of the cars');
SELECT is((SELECT array_agg(feature::text ORDER BY feature) FROM ml_drift('pulsar@1', 'SELECT * FROM candidate WHERE id % 2 = 1')),
	'{(all),(prediction),(target),kurtosis_dmsnr,kurtosis_profile,mean_dmsnr,mean_profile,skewness_dmsnr,skewness_profile,std_dmsnr,std_profile}',
	'each feature, prediction, target and the whole have a row');

-- By reference the statistics are exact; by cells they are as near as promised.
SELECT is_empty($$ SELECT * FROM ml_drift('pulsar@1', 'SELECT * FROM candidate WHERE id % 2 = 1', tests => 'ks') b
	JOIN ml_drift('pulsar@1', 'SELECT * FROM candidate WHERE id % 2 = 1', tests => 'ks',
		reference => 'SELECT * FROM candidate WHERE id % 2 = 0') r USING (feature, test)
	WHERE feature !~ '^\(' AND abs(b.statistic - r.statistic) > 0.03 $$, 'counts in cells tell about what values tell');

-- What is changed is found, and nothing else.
CREATE FUNCTION pg_temp.drifted(model text, source text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(feature || ' ' || test, ', ' ORDER BY feature, test) FROM ml_drift(model, source) WHERE drifted AND feature !~ '^\(' $$;
SELECT is(pg_temp.drifted('pulsar@1', 'SELECT id, mean_profile + 0.3 * 25.65 AS mean_profile, std_profile, kurtosis_profile, skewness_profile,
	mean_dmsnr, std_dmsnr, kurtosis_dmsnr, skewness_dmsnr FROM candidate WHERE id % 2 = 1 LIMIT 5000'), 'mean_profile wasserstein', 'a mean');
SELECT is(pg_temp.drifted('price@1', 'SELECT make, model, year, transmission, CASE WHEN id % 20 <> 1 THEN mileage END AS mileage,
	fuel_type, tax, mpg, engine_size FROM car WHERE id % 2 = 1 LIMIT 5000'), 'mileage missing', 'NULLs');
SELECT is(pg_temp.drifted('price@1', 'SELECT make, model, year, transmission, mileage, CASE WHEN id % 100 = 1 THEN ''Hydrogen'' ELSE fuel_type END
	AS fuel_type, tax, mpg, engine_size FROM car WHERE id % 2 = 1 LIMIT 5000'), 'fuel_type unseen', 'a new category');
SELECT is(pg_temp.drifted('price@1', 'SELECT make, model, year, CASE WHEN id % 9 = 1 AND transmission = ''Manual'' THEN ''Automatic''
	ELSE transmission END AS transmission, mileage, fuel_type, tax, mpg, engine_size FROM car WHERE id % 2 = 1 LIMIT 5000'),
	'transmission wasserstein', 'a share');
SELECT ok((SELECT drifted FROM ml_drift('price@1', 'SELECT make, model, year + 3 AS year, transmission, mileage / 4 AS mileage, fuel_type, tax, mpg, engine_size
	FROM car WHERE id % 2 = 1 LIMIT 5000') WHERE feature = '(prediction)'), 'newer cars are dearer, so the predictions drift');
SELECT ok((SELECT drifted FROM ml_drift('price@1', 'SELECT make, model, year, price * 1.2 AS price, transmission, mileage, fuel_type, tax, mpg, engine_size
	FROM car WHERE id % 2 = 1 LIMIT 5000') WHERE feature = '(target)'), 'prices inflated by a fifth: the target drifts');

SELECT results_eq($$ SELECT feature, problem, severity FROM ml_check('price@1', 'SELECT make, model, year, transmission, mileage * 3 AS mileage,
	CASE WHEN id % 20 = 1 THEN ''Hydrogen'' ELSE fuel_type END AS fuel_type, mpg, engine_size::text AS engine_size FROM car WHERE id % 2 = 1')
	WHERE severity <> 'info' $$, $$ VALUES ('tax', 'missing_column', 'critical'), ('engine_size', 'changed_kind', 'critical'),
		('fuel_type', 'unseen_categories', 'warning') $$, 'what is wrong with rows');
\else
SELECT skip('no data in PGFOREST_DATA');
\endif
SELECT * FROM finish();
ROLLBACK;

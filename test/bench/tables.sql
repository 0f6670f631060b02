-- The rows of the benchmark: psql -v rows=100000 -f tables.sql
--
-- 20 numbers, of which the first 15 matter, and a label drawn from a logistic of
-- their interactions.  Every number is a hash of its row and column, so that the
-- rows are the same at every run.  One row in five is for measuring.
CREATE EXTENSION IF NOT EXISTS pgforest;
CREATE SCHEMA bench;

CREATE FUNCTION bench.uniform(id bigint, col int) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN ((hashint8extended(id, col) >> 12 & 1073741823) + 0.5) / 1073741824.0;

CREATE FUNCTION bench.normal(id bigint, col int) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN sqrt(-2 * ln(bench.uniform(id, col))) * cos(2 * pi() * bench.uniform(id, col + 1000));

SELECT string_agg(format('bench.%s(id, %s) AS f%s', CASE WHEN f <= 10 THEN 'normal' ELSE 'uniform' END, f, f), ', ' ORDER BY f)
       AS features
FROM generate_series(1, 20) AS f \gset

CREATE UNLOGGED TABLE bench.classification AS
SELECT f.*,
       (bench.uniform(id, 99) < 1 / (1 + exp(-1.5 * (
            1.2 * f1 * f2 + 1.5 * sin(2 * f3) + 0.8 * abs(f4) - 0.7 * f5 * f5 + 0.5 * f6
            + CASE WHEN f7 > 0 AND f8 > 0 THEN 1.5 WHEN f7 < -1 THEN -1 ELSE 0 END
            + 2 * (f11 - f12) * f13 + CASE WHEN f14 > f15 THEN 0.5 ELSE -0.5 END
            + 0.3 * f9 - 0.2 * f10))))::int AS label,
       CASE WHEN id % 5 = 0 THEN 'validation' ELSE 'train' END AS part
FROM (SELECT id, :features FROM generate_series(1, :rows) AS id OFFSET 0) AS f;

VACUUM (ANALYZE, FREEZE) bench.classification;

-- bench.bench_cls_100k: 100,000 rows, twenty features and a label of two classes.
--
--   psql -v n=100000 -v sfx=100k -f gen.sql
--
-- Every value is a hash of the row's id and the column's number, so the table is
-- the same on every machine and with every plan.  f1..f10 are about normal,
-- f11..f15 uniform in (-1, 1), f16..f20 noise in (0, 1).  The label is drawn
-- with a probability that depends on f1..f15 by products, a sine, a square and
-- steps, so that no model can get all rows right.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE SCHEMA IF NOT EXISTS bench;

-- Uniform in (0, 1), from 52 bits of the hash.
CREATE OR REPLACE FUNCTION bench.uniform(id bigint, number bigint) RETURNS float8
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((hashint8extended(id, number) & 4503599627370495) + 0.5) / 4503599627370496.0::float8;

-- Mean 0, standard deviation 1, bell-shaped: the sum of four uniform values.
CREATE OR REPLACE FUNCTION bench.bell(id bigint, number bigint) RETURNS float8
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN sqrt(3.0) * (bench.uniform(id, 10 * number) + bench.uniform(id, 10 * number + 1) +
        bench.uniform(id, 10 * number + 2) + bench.uniform(id, 10 * number + 3) - 2);

DROP TABLE IF EXISTS bench.bench_cls_:sfx;
CREATE UNLOGGED TABLE bench.bench_cls_:sfx AS
SELECT f.*,
    (bench.uniform(id, 1000) < 1 / (1 + exp(-(
        2 * f1 * f2 + 2 * sin(2 * f3) + abs(f4) - f5 * f5 + f6
        + CASE WHEN f7 > 0 AND f8 > 0 THEN 2 WHEN f7 < -1 THEN -1.5 ELSE 0 END
        + 3 * f11 * f12
        + CASE WHEN f13 > f14 THEN 1.5 ELSE -1.5 END * f15
        + (f9 - f10) / 2))))::int AS label
FROM (
    SELECT id,
        bench.bell(id, 1) AS f1, bench.bell(id, 2) AS f2, bench.bell(id, 3) AS f3,
        bench.bell(id, 4) AS f4, bench.bell(id, 5) AS f5, bench.bell(id, 6) AS f6,
        bench.bell(id, 7) AS f7, bench.bell(id, 8) AS f8, bench.bell(id, 9) AS f9,
        bench.bell(id, 10) AS f10,
        2 * bench.uniform(id, 211) - 1 AS f11, 2 * bench.uniform(id, 212) - 1 AS f12,
        2 * bench.uniform(id, 213) - 1 AS f13, 2 * bench.uniform(id, 214) - 1 AS f14,
        2 * bench.uniform(id, 215) - 1 AS f15,
        bench.uniform(id, 216) AS f16, bench.uniform(id, 217) AS f17, bench.uniform(id, 218) AS f18,
        bench.uniform(id, 219) AS f19, bench.uniform(id, 220) AS f20
    FROM generate_series(1::bigint, :n) AS id
    OFFSET 0) AS f;
ALTER TABLE bench.bench_cls_:sfx ADD PRIMARY KEY (id);
VACUUM (ANALYZE, FREEZE) bench.bench_cls_:sfx;

-- Made tables for the benchmarks, in the schema bench:
--
--   psql -v n=100000 -v sfx=100k -v tables=cls,mix,reg -f gen.sql
--
-- bench_cls_SFX   twenty features and a label of two classes
-- bench_mix_SFX   ten numbers, five texts, a twentieth of each missing, three classes
-- bench_reg_SFX   twenty features and a number
--
-- Every value is a hash of the row's id and the column's number, so the tables are
-- the same on every machine and with every plan, and a small one is the
-- beginning of a large one.
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

SELECT 'cls' = ANY (wanted) AS cls, 'mix' = ANY (wanted) AS mix, 'reg' = ANY (wanted) AS reg
FROM (SELECT string_to_array(:'tables', ',') AS wanted) AS w
\gset

\if :cls
-- f1..f10 are about normal, f11..f15 uniform in (-1, 1), f16..f20 noise in (0, 1).  The label is drawn
-- with a probability that depends on f1..f15 by products, a sine, a square and
-- steps, so that no model can get all rows right.
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
\endif

\if :mix
-- Each class has a score of numbers and texts; the label is the class whose score
-- and some noise is the highest.
DROP TABLE IF EXISTS bench.bench_mix_:sfx;
CREATE UNLOGGED TABLE bench.bench_mix_:sfx AS
SELECT id,
    CASE WHEN bench.uniform(id, 501) > 0.05 THEN f1 END AS f1,
    CASE WHEN bench.uniform(id, 502) > 0.05 THEN f2 END AS f2,
    CASE WHEN bench.uniform(id, 503) > 0.05 THEN f3 END AS f3,
    CASE WHEN bench.uniform(id, 504) > 0.05 THEN f4 END AS f4,
    CASE WHEN bench.uniform(id, 505) > 0.05 THEN f5 END AS f5,
    CASE WHEN bench.uniform(id, 506) > 0.05 THEN f6 END AS f6,
    CASE WHEN bench.uniform(id, 507) > 0.05 THEN f7 END AS f7,
    CASE WHEN bench.uniform(id, 508) > 0.05 THEN f8 END AS f8,
    CASE WHEN bench.uniform(id, 509) > 0.05 THEN f9 END AS f9,
    CASE WHEN bench.uniform(id, 510) > 0.05 THEN f10 END AS f10,
    CASE WHEN bench.uniform(id, 511) > 0.05 THEN (ARRAY['red', 'green', 'blue'])[1 + c1] END AS c1,
    CASE WHEN bench.uniform(id, 512) > 0.05 THEN (ARRAY['north', 'east', 'south', 'west', 'middle'])[1 + c2] END AS c2,
    CASE WHEN bench.uniform(id, 513) > 0.05 THEN 'plan ' || c3 END AS c3,
    CASE WHEN bench.uniform(id, 514) > 0.05 THEN to_char(c4 + 1, '"month "FM00') END AS c4,
    CASE WHEN bench.uniform(id, 515) > 0.05 THEN 'shop ' || c5 END AS c5,
    CASE greatest(low, middle, high) WHEN low THEN 'low' WHEN middle THEN 'middle' ELSE 'high' END AS label
FROM (
    SELECT *,
        2 * (sin(2 * f1) + CASE WHEN c1 = 0 THEN f2 ELSE 0 END - CASE WHEN c2 IN (1, 3) THEN 0.8 ELSE 0 END + f6 / 2)
            - ln(-ln(bench.uniform(id, 601))) AS low,
        2 * (f3 * f4 + CASE WHEN c1 = 1 THEN f5 ELSE 0 END + CASE WHEN c3 % 3 = 1 THEN 0.9 ELSE 0 END - 0.2)
            - ln(-ln(bench.uniform(id, 602))) AS middle,
        2 * (abs(f7) - 0.8 + CASE WHEN c4 % 4 = 0 THEN f8 ELSE 0 END + CASE WHEN c5 % 5 < 2 THEN 0.7 ELSE 0 END)
            - ln(-ln(bench.uniform(id, 603))) AS high
    FROM (
        SELECT id,
            bench.bell(id, 31) AS f1, bench.bell(id, 32) AS f2, bench.bell(id, 33) AS f3,
            bench.bell(id, 34) AS f4, bench.bell(id, 35) AS f5, bench.uniform(id, 236) AS f6,
            bench.bell(id, 37) AS f7, bench.bell(id, 38) AS f8, bench.uniform(id, 239) AS f9,
            exp(bench.bell(id, 40)) AS f10,
            floor(3 * bench.uniform(id, 241))::int AS c1, floor(5 * bench.uniform(id, 242))::int AS c2,
            floor(8 * bench.uniform(id, 243))::int AS c3, floor(12 * bench.uniform(id, 244))::int AS c4,
            floor(20 * bench.uniform(id, 245) ^ 1.5)::int AS c5
        FROM generate_series(1::bigint, :n) AS id
        OFFSET 0) AS f
    OFFSET 0) AS s;
ALTER TABLE bench.bench_mix_:sfx ADD PRIMARY KEY (id);
VACUUM (ANALYZE, FREEZE) bench.bench_mix_:sfx;
\endif

\if :reg
-- The first of Friedman's functions on f1..f5, a product and a step beside it, noise of deviation 1;
-- f11..f20 say nothing.
DROP TABLE IF EXISTS bench.bench_reg_:sfx;
CREATE UNLOGGED TABLE bench.bench_reg_:sfx AS
SELECT f.*,
    10 * sin(pi() * f1 * f2) + 20 * (f3 - 0.5) ^ 2 + 10 * f4 + 5 * f5
    + 3 * f6 * f7 + CASE WHEN f8 > 0.5 AND f9 < 0.3 THEN 4 ELSE 0 END + f10 / 2
    + bench.bell(id, 70) AS target
FROM (
    SELECT id,
        bench.uniform(id, 701) AS f1, bench.uniform(id, 702) AS f2, bench.uniform(id, 703) AS f3,
        bench.uniform(id, 704) AS f4, bench.uniform(id, 705) AS f5,
        bench.bell(id, 66) AS f6, bench.bell(id, 67) AS f7,
        bench.uniform(id, 708) AS f8, bench.uniform(id, 709) AS f9, bench.bell(id, 69) AS f10,
        bench.uniform(id, 711) AS f11, bench.uniform(id, 712) AS f12, bench.uniform(id, 713) AS f13,
        bench.uniform(id, 714) AS f14, bench.uniform(id, 715) AS f15,
        bench.bell(id, 76) AS f16, bench.bell(id, 77) AS f17, bench.bell(id, 78) AS f18,
        bench.bell(id, 79) AS f19, bench.bell(id, 80) AS f20
    FROM generate_series(1::bigint, :n) AS id
    OFFSET 0) AS f;
ALTER TABLE bench.bench_reg_:sfx ADD PRIMARY KEY (id);
VACUUM (ANALYZE, FREEZE) bench.bench_reg_:sfx;
\endif

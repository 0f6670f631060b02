-- Simulated pulsar candidates: what a telescope's search pipeline hands over.
--
-- A candidate is a folded light curve (its integrated pulse profile: brightness
-- over one turn, 64 phases) and a DM-SNR curve (signal-to-noise over 48 trial
-- dispersion measures).  A pulsar shows a narrow pulse, and its curve peaks at
-- the dispersion its light met between the stars.  Noise and man-made
-- interference mostly show neither, yet some of it looks just like a faint
-- pulsar: that is what makes the problem hard.
--
-- Every random number is a hash of what it is for, so that the sky is the same
-- on every machine and at every run.

CREATE FUNCTION uniform(candidate bigint, purpose int) RETURNS float8
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN ((hashint8extended(candidate, purpose) >> 11 & 1073741823) + 0.5) / 1073741824.0;

CREATE FUNCTION normal(candidate bigint, purpose int) RETURNS float8
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN sqrt(-2 * ln(uniform(candidate, purpose))) * cos(2 * pi() * uniform(candidate, purpose + 500000));

-- A bell of height 1; far out it is 0 (PostgreSQL calls an underflow an error).
CREATE FUNCTION bell(x float8) RETURNS float8
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN CASE WHEN abs(x) < 10 THEN exp(-x * x / 2) ELSE 0 END;

-- What each candidate is.  About one in eleven is a pulsar.
CREATE TABLE source AS
SELECT id,
       CASE WHEN uniform(id, 1) < 0.0916 THEN 'pulsar'
            WHEN uniform(id, 1) < 0.20 THEN 'interference'
            ELSE 'noise' END AS kind,
       0.1 + 0.8 * uniform(id, 2) AS phase,                            -- where the pulse is
       0.02 + 0.05 * uniform(id, 3) ^ 2 AS width,          -- how narrow it is
       exp(normal(id, 4)) AS strength,
       5 + 35 * uniform(id, 5) AS dispersion,              -- the trial where the curve peaks
       1.5 + 5 * uniform(id, 6) AS spread
FROM generate_series(1, 17898) AS id;

-- The curves, before a receiver scales them: signal, interference and noise.
CREATE TABLE observation AS
SELECT s.id, s.kind, p.profile, d.dm_snr
FROM source AS s
CROSS JOIN LATERAL (
  SELECT array_agg(
           CASE s.kind
             WHEN 'pulsar' THEN 10 * s.strength ^ 0.6 * bell((i / 64.0 - s.phase) / s.width)
             WHEN 'interference' THEN 3.5 * s.strength ^ 0.8 * bell((i / 64.0 - s.phase) / (2.5 * s.width))
             ELSE 1.2 * s.strength * sin(2 * pi() * (i / 64.0 - s.phase)) END
           + normal(s.id, 1000 + i) ORDER BY i) AS profile
  FROM generate_series(0, 63) AS i) AS p
CROSS JOIN LATERAL (
  SELECT array_agg(
           greatest(0,
             CASE s.kind
               WHEN 'pulsar' THEN 22 * s.strength * bell((j - s.dispersion) / (1.6 * s.spread))
               WHEN 'interference' THEN 10 * s.strength * bell(j / (3 * s.spread))
               ELSE 2.0 * s.strength * bell((j - s.dispersion) / 0.9) END
             + 2 + 1.5 * normal(s.id, 2000 + j)) ORDER BY j) AS dm_snr
  FROM generate_series(0, 47) AS j) AS d;

-- The eight statistics of HTRU2: mean, standard deviation, excess kurtosis and
-- skewness, of the profile scaled to 0..255 and of the DM-SNR curve.
CREATE FUNCTION statistics(curve float8[], OUT mean float8, OUT std float8, OUT kurtosis float8, OUT skewness float8)
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT m, s, avg(((x - m) / s) ^ 4) - 3, avg(((x - m) / s) ^ 3)
  FROM unnest(curve) AS x, (SELECT avg(y) AS m, stddev_pop(y) AS s FROM unnest(curve) AS y) AS moments
  GROUP BY m, s;
END;

CREATE FUNCTION scaled(curve float8[]) RETURNS float8[]
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
  SELECT array_agg(255 * (x - low) / (high - low) ORDER BY i)
  FROM unnest(curve) WITH ORDINALITY AS c(x, i),
       (SELECT min(y) AS low, max(y) AS high FROM unnest(curve) AS y) AS range;
END;

-- Two thirds are seen in the first night.
INSERT INTO raw_candidate
SELECT CASE WHEN o.id <= 12000 THEN 1 ELSE 2 END, o.id,
       p.mean, p.std, p.kurtosis, p.skewness, d.mean, d.std, d.kurtosis, d.skewness,
       (o.kind = 'pulsar')::int
FROM observation AS o, statistics(scaled(o.profile)) AS p, statistics(o.dm_snr) AS d;

-- And the dirt that raw rows have: a value that was not computed, one that is
-- missing, one that cannot be, no label, and rows that were sent twice.
UPDATE raw_candidate SET kurtosis_profile = 'n/a' WHERE uniform(candidate_id::bigint, 11) < 0.01;
UPDATE raw_candidate SET mean_dmsnr = NULL WHERE uniform(candidate_id::bigint, 12) < 0.02;
UPDATE raw_candidate SET std_dmsnr = '-9999' WHERE uniform(candidate_id::bigint, 13) < 0.005;
UPDATE raw_candidate SET class = '?' WHERE uniform(candidate_id::bigint, 14) < 0.003;
INSERT INTO raw_candidate SELECT * FROM raw_candidate WHERE uniform(candidate_id::bigint, 15) < 0.01;

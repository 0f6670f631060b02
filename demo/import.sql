-- HTRU2 from candidates.csv, which demo.sh has put beside us: eight statistics and
-- the class.  The file has neither a name for a row nor a date: its line number is
-- the name, and a hash of that says which of two nights it belongs to.

CREATE TEMPORARY TABLE line (
  number           bigint GENERATED ALWAYS AS IDENTITY,
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

\copy line (mean_profile, std_profile, kurtosis_profile, skewness_profile, mean_dmsnr, std_dmsnr, kurtosis_dmsnr, skewness_dmsnr, class) FROM 'candidates.csv' WITH (FORMAT csv)

INSERT INTO raw_candidate
SELECT CASE WHEN hashint8extended(number, 0) % 3 = 0 THEN 2 ELSE 1 END, number,
       mean_profile, std_profile, kurtosis_profile, skewness_profile,
       mean_dmsnr, std_dmsnr, kurtosis_dmsnr, skewness_dmsnr, trim(class)
FROM line;

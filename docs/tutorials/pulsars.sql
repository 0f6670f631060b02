-- # Pulsars: find the few among the many
--
-- HTRU2 has 17,898 candidates of a radio survey.
CREATE EXTENSION pgforest;
CREATE TABLE raw_candidate (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                            mean_profile float8, std_profile float8, kurtosis_profile float8, skewness_profile float8,
                            mean_dmsnr float8, std_dmsnr float8, kurtosis_dmsnr float8, skewness_dmsnr float8, class int);
CALL ml_ingest('raw_candidate', :'data' || '/htru2.csv.gz', batch_size => 3000, max_batches => 2);

SELECT number, rows FROM pgforest.batch;

-- 80-serve.sql: answers for applications, with what they asked; and how models are used.

-- ---------------------------------------------------------------------
-- Captured requests.  Partitions come and go by themselves (src/catalog/prediction.c); there
-- is no default one, so that attaching one is in nobody's way.  Features may be
-- anything about anybody: only who asked and the model's owner see them.
-- ---------------------------------------------------------------------

CREATE SEQUENCE pgforest.prediction_id_seq;

CREATE TABLE pgforest.prediction (
	id bigint NOT NULL DEFAULT pg_catalog.nextval('pgforest.prediction_id_seq'),
	predicted_at timestamptz NOT NULL,
	model_id bigint NOT NULL,
	version integer NOT NULL,
	request_id text,
	features jsonb NOT NULL,
	prediction text NOT NULL,
	probabilities float8[],
	sample_rate float8 NOT NULL,
	role name NOT NULL
) PARTITION BY RANGE (predicted_at);
COMMENT ON TABLE pgforest.prediction IS 'requests to ml_infer with their answers, by weeks';
COMMENT ON COLUMN pgforest.prediction.id IS 'number of the request';
COMMENT ON COLUMN pgforest.prediction.predicted_at IS 'when it was answered';
COMMENT ON COLUMN pgforest.prediction.model_id IS 'the model';
COMMENT ON COLUMN pgforest.prediction.version IS 'version that answered';
COMMENT ON COLUMN pgforest.prediction.request_id IS 'what the application calls the request; NULL: nothing';
COMMENT ON COLUMN pgforest.prediction.features IS 'what was asked';
COMMENT ON COLUMN pgforest.prediction.prediction IS 'the answer, as text';
COMMENT ON COLUMN pgforest.prediction.probabilities IS 'share of each class, in the order of the version''s classes; of an anomaly its score; NULL for regression';
COMMENT ON COLUMN pgforest.prediction.sample_rate IS 'share of the requests that was captured then: each row stands for 1 / sample_rate';
COMMENT ON COLUMN pgforest.prediction.role IS 'role that asked';

CREATE TABLE pgforest.capture (
	model_id bigint PRIMARY KEY,
	sample_rate float8 CHECK (sample_rate BETWEEN 0 AND 1),
	retention interval
);
COMMENT ON TABLE pgforest.capture IS 'what is captured of models, where it is not what the settings say (ml_capture)';
COMMENT ON COLUMN pgforest.capture.model_id IS 'the model';
COMMENT ON COLUMN pgforest.capture.sample_rate IS 'share of its requests that is captured; NULL: pgforest.capture_sample_rate';
COMMENT ON COLUMN pgforest.capture.retention IS 'how long they are kept; NULL: pgforest.capture_retention';

SELECT pg_catalog.pg_extension_config_dump('pgforest.prediction', '');
SELECT pg_catalog.pg_extension_config_dump('pgforest.prediction_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('pgforest.capture', '');
ALTER TABLE pgforest.prediction ENABLE ROW LEVEL SECURITY;
ALTER TABLE pgforest.capture ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON pgforest.prediction FOR SELECT
	USING (role = CURRENT_USER OR pgforest.is_owner(model_id));
CREATE POLICY visible ON pgforest.capture FOR SELECT USING (pgforest.can_see(model_id));

CREATE FUNCTION @extschema@.ml_infer(model text, features jsonb, request_id text DEFAULT NULL,
									 OUT prediction text, OUT probabilities float8[],
									 OUT model text, OUT version integer)
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10000;
COMMENT ON FUNCTION @extschema@.ml_infer(text, jsonb, text) IS
	'predicts for an application: the answer of ml_predict, which version gave it, and a row in pgforest.prediction';

CREATE FUNCTION @extschema@.ml_capture(model text, sample_rate float8 DEFAULT NULL,
									   retention interval DEFAULT NULL)
	RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ml_capture(text, float8, interval) IS
	'sets which share of a model''s requests ml_infer captures and how long they are kept; NULL: as the settings say';

CREATE FUNCTION @extschema@.ml_expire_predictions(OUT rows bigint, OUT partitions integer)
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ml_expire_predictions() IS
	'removes captured requests that are older than they are to be kept; to be called once a day, by a superuser or a role given EXECUTE';
REVOKE EXECUTE ON FUNCTION @extschema@.ml_expire_predictions() FROM PUBLIC;

-- ---------------------------------------------------------------------
-- Batches.
-- ---------------------------------------------------------------------

CREATE FUNCTION pgforest.best_class(shares float8[]) RETURNS integer
	AS 'MODULE_PATHNAME', 'pf_best_of' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pgforest.best_class(float8[]) IS
	'number of the class with the largest share, the first of equals (used by ml_score)';

CREATE PROCEDURE @extschema@.ml_score(model text, source text, target text, key text[],
									  on_drift text DEFAULT 'warn',
									  INOUT version integer DEFAULT NULL,
									  INOUT rows bigint DEFAULT NULL,
									  INOUT drifted boolean DEFAULT NULL)
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON PROCEDURE @extschema@.ml_score(text, text, text, text[], text, integer, bigint, boolean) IS
	'writes key, prediction, probabilities, model, version and time of each row of a source into a table, once for each key';

-- ---------------------------------------------------------------------
-- How models are used, since the server started or ml_reset_stats was called.
-- ---------------------------------------------------------------------

CREATE FUNCTION pgforest.model_usage(OUT model_id bigint, OUT version integer, OUT calls bigint,
									 OUT rows bigint, OUT errors bigint, OUT mean_time float8,
									 OUT p99_time float8, OUT max_time float8,
									 OUT since timestamptz, OUT last_at timestamptz)
	RETURNS SETOF record AS 'MODULE_PATHNAME', 'pf_model_usage'
	LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 20;
COMMENT ON FUNCTION pgforest.model_usage() IS
	'the rows of pgforest.stat_models, by number of the model';

CREATE VIEW pgforest.stat_models WITH (security_invoker = true) AS
	SELECT m.name AS model, u.version, u.calls, u.rows, u.errors, u.mean_time, u.p99_time,
		u.max_time, u.since, u.last_at
	FROM pgforest.model_usage() u JOIN pgforest.model m ON m.id = u.model_id;
COMMENT ON VIEW pgforest.stat_models IS 'how the models you may use were used, by all sessions; needs the library to be preloaded';
COMMENT ON COLUMN pgforest.stat_models.model IS 'name of the model';
COMMENT ON COLUMN pgforest.stat_models.version IS 'version that answered';
COMMENT ON COLUMN pgforest.stat_models.calls IS 'times that a statement began to predict with it';
COMMENT ON COLUMN pgforest.stat_models.rows IS 'rows that it predicted';
COMMENT ON COLUMN pgforest.stat_models.errors IS 'rows that ended in an error';
COMMENT ON COLUMN pgforest.stat_models.mean_time IS 'mean time of a row, in ms; that of a statement''s first row has all that it took to begin';
COMMENT ON COLUMN pgforest.stat_models.p99_time IS 'time that 99 of 100 rows did not exceed, in ms, within 5 %';
COMMENT ON COLUMN pgforest.stat_models.max_time IS 'longest time of a row that was timed, in ms';
COMMENT ON COLUMN pgforest.stat_models.since IS 'when the counters began';
COMMENT ON COLUMN pgforest.stat_models.last_at IS 'when the last statement ended that used it';

CREATE FUNCTION @extschema@.ml_reset_stats(model text DEFAULT NULL)
	RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION @extschema@.ml_reset_stats(text) IS
	'sets the counters of pgforest.stat_models to zero, of one model or version; NULL: of all models that you own';

GRANT SELECT ON pgforest.prediction, pgforest.capture, pgforest.stat_models TO PUBLIC;
GRANT SELECT ON SEQUENCE pgforest.prediction_id_seq TO PUBLIC;

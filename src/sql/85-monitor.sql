-- 85-monitor.sql: monitors, and what they found, for people and for BI tools.

CREATE TABLE pgforest.monitor (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text COLLATE "C" NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 63),
	owner name NOT NULL,
	model_id bigint NOT NULL,
	reference text NOT NULL,
	source text NOT NULL,
	truth text,
	time_column text,
	period interval NOT NULL,
	delay interval NOT NULL,
	metric text,
	threshold float8,
	max_regression float8,
	learn integer,
	min_rows bigint NOT NULL,
	drift boolean NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	watched_until timestamptz,
	measured_until timestamptz,
	last_at timestamptz,
	last_status text,
	last_sqlstate text,
	last_message text,
	last_detail text,
	last_hint text,
	quality boolean NOT NULL,
	limits jsonb
);
COMMENT ON TABLE pgforest.monitor IS 'monitors: what ml_watch looks at, and up to when it did';
COMMENT ON COLUMN pgforest.monitor.id IS 'number of the monitor';
COMMENT ON COLUMN pgforest.monitor.name IS 'name of the monitor';
COMMENT ON COLUMN pgforest.monitor.owner IS 'role that declared it, and so stored its query';
COMMENT ON COLUMN pgforest.monitor.model_id IS 'the model';
COMMENT ON COLUMN pgforest.monitor.reference IS 'the model as it was named: which version is watched is looked up each time';
COMMENT ON COLUMN pgforest.monitor.source IS 'query that gives the rows';
COMMENT ON COLUMN pgforest.monitor.truth IS 'column with what came true; NULL: nobody will know';
COMMENT ON COLUMN pgforest.monitor.time_column IS 'column with the time of a row; NULL: all rows are looked at each time';
COMMENT ON COLUMN pgforest.monitor.period IS 'length of a window, and how often is looked';
COMMENT ON COLUMN pgforest.monitor.delay IS 'time after the end of a window until its truth is there';
COMMENT ON COLUMN pgforest.monitor.metric IS 'metric that alerts are about; NULL: the version''s own';
COMMENT ON COLUMN pgforest.monitor.threshold IS 'worst value of the metric that is not an alert';
COMMENT ON COLUMN pgforest.monitor.max_regression IS 'largest relative loss against the value at training that is not an alert';
COMMENT ON COLUMN pgforest.monitor.learn IS 'number of first windows whose mean and three standard deviations are the bound';
COMMENT ON COLUMN pgforest.monitor.min_rows IS 'fewer rows in a window are an alert';
COMMENT ON COLUMN pgforest.monitor.drift IS 'are windows tested for drift';
COMMENT ON COLUMN pgforest.monitor.created_at IS 'when it was declared first';
COMMENT ON COLUMN pgforest.monitor.watched_until IS 'end of the last window that was looked at';
COMMENT ON COLUMN pgforest.monitor.measured_until IS 'end of the last window whose truth was there';
COMMENT ON COLUMN pgforest.monitor.last_at IS 'when it was evaluated last';
COMMENT ON COLUMN pgforest.monitor.last_status IS 'how that went: success or failure';
COMMENT ON COLUMN pgforest.monitor.last_sqlstate IS 'SQLSTATE of a failure';
COMMENT ON COLUMN pgforest.monitor.last_message IS 'its message';
COMMENT ON COLUMN pgforest.monitor.last_detail IS 'its detail';
COMMENT ON COLUMN pgforest.monitor.last_hint IS 'its hint';
COMMENT ON COLUMN pgforest.monitor.quality IS 'are windows checked as by ml_check';
COMMENT ON COLUMN pgforest.monitor.limits IS 'limits for that; NULL: none are given';

SELECT pg_catalog.pg_extension_config_dump('pgforest.monitor', '');
SELECT pg_catalog.pg_extension_config_dump('pgforest.monitor_id_seq', '');
ALTER TABLE pgforest.monitor ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON pgforest.monitor FOR SELECT
	USING (owner = CURRENT_USER OR pgforest.can_see(model_id));

CREATE TABLE pgforest.drift (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	model_id bigint NOT NULL,
	version integer NOT NULL,
	monitor_id bigint,
	from_at timestamptz,
	until_at timestamptz NOT NULL,
	measured_at timestamptz NOT NULL,
	feature text NOT NULL,
	test text NOT NULL,
	statistic float8,
	p_value float8,
	threshold float8,
	drifted boolean NOT NULL,
	reference_rows bigint NOT NULL,
	current_rows bigint NOT NULL,
	effect float8
);
CREATE INDEX drift_model_idx ON pgforest.drift (model_id, version, until_at);
COMMENT ON TABLE pgforest.drift IS 'what tests for drift found, of the windows of monitors and of batches that were scored';
COMMENT ON COLUMN pgforest.drift.id IS 'number of the row; those of one test follow one another';
COMMENT ON COLUMN pgforest.drift.model_id IS 'the model';
COMMENT ON COLUMN pgforest.drift.version IS 'version whose training the rows were compared with';
COMMENT ON COLUMN pgforest.drift.monitor_id IS 'monitor that tested; NULL: ml_score did';
COMMENT ON COLUMN pgforest.drift.from_at IS 'beginning of the monitor''s window; NULL: all rows that there were';
COMMENT ON COLUMN pgforest.drift.until_at IS 'end of the window';
COMMENT ON COLUMN pgforest.drift.measured_at IS 'when it was tested';
COMMENT ON COLUMN pgforest.drift.feature IS 'feature, or (prediction), (target), (all)';
COMMENT ON COLUMN pgforest.drift.test IS 'test, as of ml_drift';
COMMENT ON COLUMN pgforest.drift.statistic IS 'its statistic';
COMMENT ON COLUMN pgforest.drift.p_value IS 'its p-value, corrected; NULL: the test has none';
COMMENT ON COLUMN pgforest.drift.threshold IS 'threshold that it was compared with';
COMMENT ON COLUMN pgforest.drift.drifted IS 'is it drift';
COMMENT ON COLUMN pgforest.drift.reference_rows IS 'rows of the training';
COMMENT ON COLUMN pgforest.drift.current_rows IS 'rows that were tested';
COMMENT ON COLUMN pgforest.drift.effect IS 'how large the difference is, as of ml_drift';

SELECT pg_catalog.pg_extension_config_dump('pgforest.drift', '');
SELECT pg_catalog.pg_extension_config_dump('pgforest.drift_id_seq', '');
ALTER TABLE pgforest.drift ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON pgforest.drift FOR SELECT USING (pgforest.can_see(model_id));

CREATE FUNCTION @extschema@.ml_monitor(name text, model text, source text, truth text DEFAULT NULL,
									   time_column text DEFAULT NULL, period interval DEFAULT '1 day',
									   delay interval DEFAULT '0', metric text DEFAULT NULL,
									   threshold float8 DEFAULT NULL,
									   max_regression float8 DEFAULT NULL,
									   learn integer DEFAULT NULL, min_rows bigint DEFAULT 1,
									   drift boolean DEFAULT true, since timestamptz DEFAULT NULL,
									   quality boolean DEFAULT true, limits jsonb DEFAULT NULL)
	RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ml_monitor(text, text, text, text, text, interval, interval, text, float8, float8, integer, bigint, boolean, timestamptz, boolean, jsonb) IS
	'declares what ml_watch looks at: rows of a source by windows of time, their drift, and what a metric must not fall below';

CREATE FUNCTION @extschema@.ml_drop_monitor(name text)
	RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ml_drop_monitor(text) IS 'drops a monitor; what it found stays';

CREATE PROCEDURE @extschema@.ml_watch(INOUT monitors integer DEFAULT NULL,
									  INOUT windows integer DEFAULT NULL,
									  INOUT alerts integer DEFAULT NULL,
									  INOUT failed integer DEFAULT NULL)
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON PROCEDURE @extschema@.ml_watch(integer, integer, integer, integer) IS
	'evaluates all monitors that are due and that the current role may run, each window in a transaction of its own';

CREATE VIEW pgforest.monitors WITH (security_invoker = true) AS
	SELECT o.name, m.name AS model, o.reference, o.owner, o.source, o.truth, o.time_column,
		o.period, o.delay, o.metric, o.threshold, o.max_regression, o.learn, o.min_rows, o.drift,
		o.created_at, o.watched_until, o.measured_until, o.last_at, o.last_status,
		o.last_sqlstate, o.last_message, o.last_detail, o.last_hint, o.quality, o.limits
	FROM pgforest.monitor o LEFT JOIN pgforest.model m ON m.id = o.model_id;
COMMENT ON VIEW pgforest.monitors IS 'the monitors of your own and of the models you may use';
COMMENT ON COLUMN pgforest.monitors.name IS 'name of the monitor';
COMMENT ON COLUMN pgforest.monitors.model IS 'name of the model';
COMMENT ON COLUMN pgforest.monitors.reference IS 'the model as it was named';
COMMENT ON COLUMN pgforest.monitors.owner IS 'role that declared it';
COMMENT ON COLUMN pgforest.monitors.source IS 'query that gives the rows';
COMMENT ON COLUMN pgforest.monitors.truth IS 'column with what came true';
COMMENT ON COLUMN pgforest.monitors.time_column IS 'column with the time of a row';
COMMENT ON COLUMN pgforest.monitors.period IS 'length of a window';
COMMENT ON COLUMN pgforest.monitors.delay IS 'time until the truth is there';
COMMENT ON COLUMN pgforest.monitors.metric IS 'metric that alerts are about; NULL: the version''s own';
COMMENT ON COLUMN pgforest.monitors.threshold IS 'worst value of the metric that is not an alert';
COMMENT ON COLUMN pgforest.monitors.max_regression IS 'largest relative loss against training that is not an alert';
COMMENT ON COLUMN pgforest.monitors.learn IS 'number of windows from which a bound is learned';
COMMENT ON COLUMN pgforest.monitors.min_rows IS 'fewer rows in a window are an alert';
COMMENT ON COLUMN pgforest.monitors.drift IS 'are windows tested for drift';
COMMENT ON COLUMN pgforest.monitors.created_at IS 'when it was declared first';
COMMENT ON COLUMN pgforest.monitors.watched_until IS 'end of the last window that was looked at';
COMMENT ON COLUMN pgforest.monitors.measured_until IS 'end of the last window whose truth was there';
COMMENT ON COLUMN pgforest.monitors.last_at IS 'when it was evaluated last';
COMMENT ON COLUMN pgforest.monitors.last_status IS 'how that went: success or failure';
COMMENT ON COLUMN pgforest.monitors.last_sqlstate IS 'SQLSTATE of a failure';
COMMENT ON COLUMN pgforest.monitors.last_message IS 'its message';
COMMENT ON COLUMN pgforest.monitors.last_detail IS 'its detail';
COMMENT ON COLUMN pgforest.monitors.last_hint IS 'its hint';
COMMENT ON COLUMN pgforest.monitors.quality IS 'are windows checked as by ml_check';
COMMENT ON COLUMN pgforest.monitors.limits IS 'limits for that; NULL: none are given';

CREATE VIEW pgforest.metric_history WITH (security_invoker = true) AS
	SELECT coalesce(x.until_at, x.measured_at) AS at, m.name AS model, x.version,
		o.name AS monitor, x.set, x.class, x.metric, x.value, x.baseline, x.rows, x.from_at,
		x.until_at, x.measured_at
	FROM pgforest.metric x JOIN pgforest.model m ON m.id = x.model_id
		LEFT JOIN pgforest.monitor o ON o.id = x.monitor_id;
COMMENT ON VIEW pgforest.metric_history IS 'all values that were measured or estimated, over time: one a row';
COMMENT ON COLUMN pgforest.metric_history.at IS 'the time that the value is of: the end of its window, or when it was measured';
COMMENT ON COLUMN pgforest.metric_history.model IS 'name of the model';
COMMENT ON COLUMN pgforest.metric_history.version IS 'the version';
COMMENT ON COLUMN pgforest.metric_history.monitor IS 'monitor that measured it, or NULL';
COMMENT ON COLUMN pgforest.metric_history.set IS 'validation, test, oob, source; window: of a monitor, estimated: before the truth was there';
COMMENT ON COLUMN pgforest.metric_history.class IS 'class that the value is of; NULL: all of them';
COMMENT ON COLUMN pgforest.metric_history.metric IS 'name of the metric';
COMMENT ON COLUMN pgforest.metric_history.value IS 'its value; NULL where it is not defined';
COMMENT ON COLUMN pgforest.metric_history.baseline IS 'value that the best constant prediction has on the same rows';
COMMENT ON COLUMN pgforest.metric_history.rows IS 'rows that it was measured on';
COMMENT ON COLUMN pgforest.metric_history.from_at IS 'beginning of the window';
COMMENT ON COLUMN pgforest.metric_history.until_at IS 'end of the window';
COMMENT ON COLUMN pgforest.metric_history.measured_at IS 'when it was measured';

CREATE VIEW pgforest.drift_history WITH (security_invoker = true) AS
	SELECT d.until_at AS at, m.name AS model, d.version, o.name AS monitor, d.feature, d.test,
		d.statistic, d.p_value, d.threshold, d.drifted, d.reference_rows, d.current_rows, d.effect,
		d.from_at, d.until_at, d.measured_at
	FROM pgforest.drift d JOIN pgforest.model m ON m.id = d.model_id
		LEFT JOIN pgforest.monitor o ON o.id = d.monitor_id;
COMMENT ON VIEW pgforest.drift_history IS 'what tests for drift found, over time: one test of one feature a row';
COMMENT ON COLUMN pgforest.drift_history.at IS 'the time that it is of: the end of its window, or when the batch was scored';
COMMENT ON COLUMN pgforest.drift_history.model IS 'name of the model';
COMMENT ON COLUMN pgforest.drift_history.version IS 'version whose training the rows were compared with';
COMMENT ON COLUMN pgforest.drift_history.monitor IS 'monitor that tested; NULL: ml_score did';
COMMENT ON COLUMN pgforest.drift_history.feature IS 'feature, or (prediction), (target), (all)';
COMMENT ON COLUMN pgforest.drift_history.test IS 'test, as of ml_drift';
COMMENT ON COLUMN pgforest.drift_history.statistic IS 'its statistic';
COMMENT ON COLUMN pgforest.drift_history.p_value IS 'its p-value; NULL: the test has none';
COMMENT ON COLUMN pgforest.drift_history.threshold IS 'threshold that it was compared with';
COMMENT ON COLUMN pgforest.drift_history.drifted IS 'is it drift';
COMMENT ON COLUMN pgforest.drift_history.reference_rows IS 'rows of the training';
COMMENT ON COLUMN pgforest.drift_history.current_rows IS 'rows that were tested';
COMMENT ON COLUMN pgforest.drift_history.effect IS 'how large the difference is';
COMMENT ON COLUMN pgforest.drift_history.from_at IS 'beginning of the window';
COMMENT ON COLUMN pgforest.drift_history.until_at IS 'end of the window';
COMMENT ON COLUMN pgforest.drift_history.measured_at IS 'when it was tested';

CREATE VIEW pgforest.estimates WITH (security_invoker = true) AS
	SELECT e.until_at AS at, m.name AS model, e.version, o.name AS monitor, e.class, e.metric,
		e.value AS estimated, t.value AS measured, t.value - e.value AS error, e.from_at,
		e.until_at
	FROM pgforest.metric e JOIN pgforest.model m ON m.id = e.model_id
		JOIN pgforest.monitor o ON o.id = e.monitor_id
		LEFT JOIN LATERAL (SELECT x.value FROM pgforest.metric x
			WHERE x.monitor_id = e.monitor_id AND x.until_at = e.until_at AND x.set = 'window'
			AND x.version = e.version AND x.metric = e.metric
			AND x.class IS NOT DISTINCT FROM e.class
			ORDER BY x.id DESC LIMIT 1) t ON true
	WHERE e.set = 'estimated';
COMMENT ON VIEW pgforest.estimates IS 'metrics that monitors estimated before the truth was there, and how far that was from it';
COMMENT ON COLUMN pgforest.estimates.at IS 'end of the window';
COMMENT ON COLUMN pgforest.estimates.model IS 'name of the model';
COMMENT ON COLUMN pgforest.estimates.version IS 'the version';
COMMENT ON COLUMN pgforest.estimates.monitor IS 'name of the monitor';
COMMENT ON COLUMN pgforest.estimates.class IS 'class that the value is of; NULL: all of them';
COMMENT ON COLUMN pgforest.estimates.metric IS 'name of the metric';
COMMENT ON COLUMN pgforest.estimates.estimated IS 'value to be expected of the shares';
COMMENT ON COLUMN pgforest.estimates.measured IS 'value measured when the truth was there; NULL: it is not yet';
COMMENT ON COLUMN pgforest.estimates.error IS 'measured less estimated';
COMMENT ON COLUMN pgforest.estimates.from_at IS 'beginning of the window';
COMMENT ON COLUMN pgforest.estimates.until_at IS 'end of the window';

CREATE VIEW pgforest.prediction_history WITH (security_invoker = true) AS
	SELECT p.predicted_at AS at, m.name AS model, p.version, p.id, p.request_id, p.prediction,
		(SELECT max(s) FROM unnest(p.probabilities) s) AS probability, p.probabilities,
		p.features, p.sample_rate, p.role
	FROM pgforest.prediction p JOIN pgforest.model m ON m.id = p.model_id;
COMMENT ON VIEW pgforest.prediction_history IS 'captured requests that you may see: your own, and those to your models';
COMMENT ON COLUMN pgforest.prediction_history.at IS 'when it was answered';
COMMENT ON COLUMN pgforest.prediction_history.model IS 'name of the model';
COMMENT ON COLUMN pgforest.prediction_history.version IS 'version that answered';
COMMENT ON COLUMN pgforest.prediction_history.id IS 'number of the request';
COMMENT ON COLUMN pgforest.prediction_history.request_id IS 'what the application calls the request';
COMMENT ON COLUMN pgforest.prediction_history.prediction IS 'the answer, as text';
COMMENT ON COLUMN pgforest.prediction_history.probability IS 'largest share of a class; of an anomaly its score';
COMMENT ON COLUMN pgforest.prediction_history.probabilities IS 'share of each class';
COMMENT ON COLUMN pgforest.prediction_history.features IS 'what was asked';
COMMENT ON COLUMN pgforest.prediction_history.sample_rate IS 'share of the requests that was captured then';
COMMENT ON COLUMN pgforest.prediction_history.role IS 'role that asked';

GRANT SELECT ON pgforest.monitor, pgforest.drift, pgforest.monitors, pgforest.metric_history,
	pgforest.drift_history, pgforest.estimates, pgforest.prediction_history TO PUBLIC;
GRANT SELECT ON SEQUENCE pgforest.monitor_id_seq, pgforest.drift_id_seq TO PUBLIC;

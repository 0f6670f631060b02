-- 70-pipeline.sql: retraining, pipelines, their runs and their schedules.

-- ---------------------------------------------------------------------
-- Tables (see 10-schema.sql for the rules that they follow)
-- ---------------------------------------------------------------------

CREATE TABLE pgforest.pipeline (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text COLLATE "C" NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 63),
	owner name NOT NULL,
	declared_by name NOT NULL,
	spec jsonb NOT NULL,
	search_path text NOT NULL,
	revision integer NOT NULL DEFAULT 1,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	declared_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE pgforest.pipeline IS 'pipelines: from raw rows to a version in production, step by step';
COMMENT ON COLUMN pgforest.pipeline.id IS 'number of the pipeline, never used again';
COMMENT ON COLUMN pgforest.pipeline.name IS 'what the calls name it by';
COMMENT ON COLUMN pgforest.pipeline.owner IS 'role that first declared it; its members may do everything';
COMMENT ON COLUMN pgforest.pipeline.declared_by IS 'role that declared it as it is; only its members can run it';
COMMENT ON COLUMN pgforest.pipeline.spec IS 'what it does, as ml_pipeline was told';
COMMENT ON COLUMN pgforest.pipeline.search_path IS 'search_path when it was declared, under which its steps run';
COMMENT ON COLUMN pgforest.pipeline.revision IS 'how often it was declared';
COMMENT ON COLUMN pgforest.pipeline.created_at IS 'when it was first declared';
COMMENT ON COLUMN pgforest.pipeline.declared_at IS 'when it was declared as it is';

CREATE TABLE pgforest.run_step (
	run_id bigint NOT NULL,
	step integer NOT NULL,
	kind text COLLATE "C" NOT NULL,
	statement text,
	status text NOT NULL,
	started_at timestamptz NOT NULL,
	seconds float8,
	version integer,
	rows bigint,
	reason text,
	sqlstate text,
	message text,
	detail text,
	hint text,
	PRIMARY KEY (run_id, step)
);
COMMENT ON TABLE pgforest.run_step IS 'the steps of the runs of pipelines';
COMMENT ON COLUMN pgforest.run_step.run_id IS 'the run';
COMMENT ON COLUMN pgforest.run_step.step IS '1, 2, ... within the run';
COMMENT ON COLUMN pgforest.run_step.kind IS 'ingest, recipe, clean, rows, drift, train, tune, retrain, promote or score';
COMMENT ON COLUMN pgforest.run_step.statement IS 'SQL that did it';
COMMENT ON COLUMN pgforest.run_step.status IS 'running, success, failure, skipped, cancelled, lost, or kept: done by the run that this one went on from';
COMMENT ON COLUMN pgforest.run_step.started_at IS 'when it began';
COMMENT ON COLUMN pgforest.run_step.seconds IS 'how long it took';
COMMENT ON COLUMN pgforest.run_step.version IS 'version of the model that came of it';
COMMENT ON COLUMN pgforest.run_step.rows IS 'rows that it was about';
COMMENT ON COLUMN pgforest.run_step.reason IS 'what came of it, in words';
COMMENT ON COLUMN pgforest.run_step.sqlstate IS 'SQLSTATE of a failure';
COMMENT ON COLUMN pgforest.run_step.message IS 'its message';
COMMENT ON COLUMN pgforest.run_step.detail IS 'its detail';
COMMENT ON COLUMN pgforest.run_step.hint IS 'its hint';

SELECT pg_catalog.pg_extension_config_dump('pgforest.pipeline', '');
SELECT pg_catalog.pg_extension_config_dump('pgforest.pipeline_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('pgforest.run_step', '');

ALTER TABLE pgforest.pipeline ENABLE ROW LEVEL SECURITY;
ALTER TABLE pgforest.run_step ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON pgforest.pipeline FOR SELECT USING (pgforest.is_member(owner));
CREATE POLICY visible ON pgforest.run_step FOR SELECT
	USING (EXISTS (SELECT FROM pgforest.run r WHERE r.id = run_id));

-- ---------------------------------------------------------------------
-- Views
-- ---------------------------------------------------------------------

CREATE VIEW pgforest.run_steps WITH (security_invoker = true) AS
	SELECT s.run_id AS run, r.pipeline, r.model, s.step, s.kind,
		CASE WHEN s.status = 'running'
			 THEN pgforest.run_status(r.id, r.status, r.pid, r.backend_start)
			 ELSE s.status END AS status,
		s.version, s.rows, s.reason, s.started_at, s.seconds, s.statement, s.sqlstate, s.message,
		s.detail, s.hint
	FROM pgforest.run_step s JOIN pgforest.run r ON r.id = s.run_id;
COMMENT ON VIEW pgforest.run_steps IS 'the steps of the runs of pipelines';
COMMENT ON COLUMN pgforest.run_steps.run IS 'the run';
COMMENT ON COLUMN pgforest.run_steps.pipeline IS 'name of the pipeline';
COMMENT ON COLUMN pgforest.run_steps.model IS 'name of its model';
COMMENT ON COLUMN pgforest.run_steps.step IS '1, 2, ... within the run';
COMMENT ON COLUMN pgforest.run_steps.kind IS 'ingest, recipe, clean, rows, drift, train, tune, retrain, promote or score';
COMMENT ON COLUMN pgforest.run_steps.status IS 'running, success, failure, skipped, cancelled, lost, or kept: done by the run that this one went on from';
COMMENT ON COLUMN pgforest.run_steps.version IS 'version of the model that came of it';
COMMENT ON COLUMN pgforest.run_steps.rows IS 'rows that it was about';
COMMENT ON COLUMN pgforest.run_steps.reason IS 'what came of it, in words';
COMMENT ON COLUMN pgforest.run_steps.started_at IS 'when it began';
COMMENT ON COLUMN pgforest.run_steps.seconds IS 'how long it took';
COMMENT ON COLUMN pgforest.run_steps.statement IS 'SQL that did it';
COMMENT ON COLUMN pgforest.run_steps.sqlstate IS 'SQLSTATE of a failure';
COMMENT ON COLUMN pgforest.run_steps.message IS 'its message';
COMMENT ON COLUMN pgforest.run_steps.detail IS 'its detail';
COMMENT ON COLUMN pgforest.run_steps.hint IS 'its hint';

CREATE VIEW pgforest.pipelines WITH (security_invoker = true) AS
	SELECT p.name, p.spec ->> 'model' AS model, p.owner, p.declared_by, p.declared_at, p.revision,
		coalesce(r.status, 'never run') AS state, r.id AS last_run, r.started_at AS last_started_at,
		r.seconds AS last_seconds, r.version AS last_version, r.promoted AS last_promoted,
		CASE WHEN r.status = 'success' OR r.status = 'skipped' THEN r.reason
			 ELSE r.message END AS last_result,
		(SELECT max(s.step) FROM pgforest.run_step s WHERE s.run_id = r.id) AS last_step,
		(SELECT count(*) FROM pgforest.run c WHERE c.pipeline_id = p.id) AS runs, p.spec
	FROM pgforest.pipeline p LEFT JOIN LATERAL (
		SELECT n.id, pgforest.run_status(n.id, n.status, n.pid, n.backend_start) AS status,
			n.started_at, n.seconds, n.version, n.promoted, n.reason, n.message
		FROM pgforest.run n WHERE n.pipeline_id = p.id ORDER BY n.id DESC LIMIT 1) r ON true;
COMMENT ON VIEW pgforest.pipelines IS 'your pipelines, with what came of their last run';
COMMENT ON COLUMN pgforest.pipelines.name IS 'what the calls name it by';
COMMENT ON COLUMN pgforest.pipelines.model IS 'model that it trains';
COMMENT ON COLUMN pgforest.pipelines.owner IS 'role whose members may do everything with it';
COMMENT ON COLUMN pgforest.pipelines.declared_by IS 'role that declared it as it is; only its members can run it';
COMMENT ON COLUMN pgforest.pipelines.declared_at IS 'when it was declared as it is';
COMMENT ON COLUMN pgforest.pipelines.revision IS 'how often it was declared';
COMMENT ON COLUMN pgforest.pipelines.state IS 'status of the last run, as in runs, or never run';
COMMENT ON COLUMN pgforest.pipelines.last_run IS 'number of the last run';
COMMENT ON COLUMN pgforest.pipelines.last_started_at IS 'when it began';
COMMENT ON COLUMN pgforest.pipelines.last_seconds IS 'how long it took';
COMMENT ON COLUMN pgforest.pipelines.last_version IS 'version that came of it';
COMMENT ON COLUMN pgforest.pipelines.last_promoted IS 'did that version go to production';
COMMENT ON COLUMN pgforest.pipelines.last_result IS 'why it did or not, or what failed';
COMMENT ON COLUMN pgforest.pipelines.last_step IS 'step that it came to';
COMMENT ON COLUMN pgforest.pipelines.runs IS 'number of its runs';
COMMENT ON COLUMN pgforest.pipelines.spec IS 'what it does, as ml_pipeline was told';

-- pg_cron may be installed later, or never: its tables are read by C.
CREATE FUNCTION pgforest.scheduled_jobs(
	OUT pipeline_id bigint,
	OUT jobid bigint,
	OUT schedule text,
	OUT command text,
	OUT database text,
	OUT username text,
	OUT active boolean,
	OUT runs bigint,
	OUT failures bigint,
	OUT last_status text,
	OUT last_message text,
	OUT last_start timestamptz,
	OUT last_end timestamptz)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME', 'pf_scheduled_jobs' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION pgforest.scheduled_jobs() IS
	'pg_cron''s jobs that run pipelines (used by the view pgforest.schedules)';

CREATE VIEW pgforest.schedules WITH (security_invoker = true) AS
	SELECT p.name AS pipeline, j.schedule, j.active, j.username, j.database, j.jobid, j.command,
		j.runs, j.failures, j.last_status, j.last_message, j.last_start, j.last_end
	FROM pgforest.scheduled_jobs() AS j JOIN pgforest.pipeline p ON p.id = j.pipeline_id;
COMMENT ON VIEW pgforest.schedules IS 'when pipelines run by themselves, and how that went: pg_cron''s jobs and their history';
COMMENT ON COLUMN pgforest.schedules.pipeline IS 'name of the pipeline';
COMMENT ON COLUMN pgforest.schedules.schedule IS 'when, as ml_schedule was told';
COMMENT ON COLUMN pgforest.schedules.active IS 'does pg_cron run it';
COMMENT ON COLUMN pgforest.schedules.username IS 'role that it runs as: who scheduled it';
COMMENT ON COLUMN pgforest.schedules.database IS 'database that it runs in';
COMMENT ON COLUMN pgforest.schedules.jobid IS 'number of pg_cron''s job';
COMMENT ON COLUMN pgforest.schedules.command IS 'what it runs';
COMMENT ON COLUMN pgforest.schedules.runs IS 'how often it has run, as far as pg_cron keeps it';
COMMENT ON COLUMN pgforest.schedules.failures IS 'how often it has failed';
COMMENT ON COLUMN pgforest.schedules.last_status IS 'status of the last time, in pg_cron''s words';
COMMENT ON COLUMN pgforest.schedules.last_message IS 'what the server answered then';
COMMENT ON COLUMN pgforest.schedules.last_start IS 'when it began';
COMMENT ON COLUMN pgforest.schedules.last_end IS 'when it ended';

GRANT SELECT ON pgforest.pipeline, pgforest.run_step, pgforest.pipelines, pgforest.run_steps,
	pgforest.schedules TO PUBLIC;
GRANT SELECT ON SEQUENCE pgforest.pipeline_id_seq TO PUBLIC;

-- ---------------------------------------------------------------------
-- Functions
-- ---------------------------------------------------------------------

CREATE FUNCTION @extschema@.ml_retrain(
	model text,
	promote text DEFAULT 'if_better',
	source text DEFAULT NULL,
	alias text DEFAULT 'production',
	metric text DEFAULT NULL,
	threshold float8 DEFAULT NULL,
	max_regression float8 DEFAULT NULL,
	min_rows bigint DEFAULT NULL,
	by text[] DEFAULT NULL,
	gate_source text DEFAULT NULL,
	confidence float8 DEFAULT NULL,
	note text DEFAULT NULL,
	OUT model text,
	OUT version integer,
	OUT previous integer,
	OUT promoted boolean,
	OUT reason text,
	OUT score float8,
	OUT previous_score float8,
	OUT rows bigint,
	OUT seconds float8)
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ml_retrain(text, text, text, text, text, float8, float8, bigint, text[], text, float8, text) IS
	'trains the newest version''s specification again on today''s rows, and promotes what came of it if it deserves to';

CREATE FUNCTION @extschema@.ml_pipeline(
	name text,
	spec jsonb,
	OUT step integer,
	OUT kind text,
	OUT statement text)
	RETURNS SETOF record
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 5;
COMMENT ON FUNCTION @extschema@.ml_pipeline(text, jsonb) IS
	'declares a pipeline, or declares it anew, and shows the steps that CALL ml_run will do';

CREATE FUNCTION @extschema@.ml_drop_pipeline(name text) RETURNS void
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ml_drop_pipeline(text) IS
	'drops a pipeline and its schedule; its runs and the model stay';

CREATE PROCEDURE @extschema@.ml_run(pipeline text)
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON PROCEDURE @extschema@.ml_run(text) IS
	'runs a pipeline, each step in a transaction of its own; after a failure the next call goes on from there';

CREATE FUNCTION @extschema@.ml_cancel(run bigint) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ml_cancel(bigint) IS
	'cancels a run of a pipeline; true if it was still running';

CREATE FUNCTION @extschema@.ml_schedule(pipeline text, cron text) RETURNS bigint
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ml_schedule(text, text) IS
	'lets pg_cron run a pipeline as the current role, say at 0 3 * * *, instead of any schedule before; the job''s number';

CREATE FUNCTION @extschema@.ml_unschedule(pipeline text) RETURNS boolean
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ml_unschedule(text) IS
	'ends the schedule of a pipeline; false if there was none';

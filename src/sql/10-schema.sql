-- 10-schema.sql: tables, who sees what in them, and the views for people.
--
-- Tables live in the schema pgforest whatever schema the functions are in.  Only the
-- extension's own C code writes them (as their owner); everybody may read, under row
-- security.  The C code knows columns by number (src/catalog/tables.h): new ones go to
-- the end of a table.  Roles are kept by name, so that a dump restores where a role is
-- missing; text that C looks up is COLLATE "C", so that no index depends on a locale.

\echo Use "CREATE EXTENSION pgforest" to load this file. \quit

-- Nothing that stands in the schema the user chose may be taken for a built-in here.
SET LOCAL search_path TO pg_catalog, pg_temp;

-- CREATE SCHEMA IF NOT EXISTS is an error in a script when the schema is there and not
-- ours, and it may well be there: CREATE EXTENSION pgforest SCHEMA pgforest.
CREATE FUNCTION @extschema@.pgforest_make_schema() RETURNS void
	AS 'MODULE_PATHNAME', 'pgforest_make_schema' LANGUAGE C STRICT;
SELECT @extschema@.pgforest_make_schema();
DROP FUNCTION @extschema@.pgforest_make_schema();

GRANT USAGE ON SCHEMA pgforest TO PUBLIC;

-- ---------------------------------------------------------------------
-- Who sees a row: C, reading the catalog below row security, so that the policies
-- cannot call themselves.
-- ---------------------------------------------------------------------

CREATE FUNCTION pgforest.can_see(model_id bigint) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pf_can_see' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION pgforest.can_see(bigint) IS
	'does the current role own the model or have a right on it (used by row security)';

CREATE FUNCTION pgforest.is_owner(model_id bigint) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pf_is_owner' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION pgforest.is_owner(bigint) IS
	'has the current role the rights of the model''s owner (used by row security)';

CREATE FUNCTION pgforest.is_member(role name) RETURNS boolean
	AS 'MODULE_PATHNAME', 'pf_is_member' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION pgforest.is_member(name) IS
	'has the current role the rights of that role (used by row security)';

-- It takes a new snapshot, which no parallel query may.
CREATE FUNCTION pgforest.run_status(run bigint, status text, pid integer, backend_start timestamptz) RETURNS text
	AS 'MODULE_PATHNAME', 'pf_run_status' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION pgforest.run_status(bigint, text, integer, timestamptz) IS
	'the status of a run, which is lost when it was running in a process that is gone (used by views)';

-- ---------------------------------------------------------------------
-- Tables
--
-- There are no foreign keys: "pg_restore --jobs" loads the tables of an extension in any
-- order, and would fail on them.  The C code is the only writer, works under a lock on the
-- model's row, and takes along what belongs to a version or model when it drops it.
-- ---------------------------------------------------------------------

CREATE TABLE pgforest.model (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text COLLATE "C" NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 63),
	task text NOT NULL,
	target text,
	owner name NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	last_version integer NOT NULL DEFAULT 0
);
COMMENT ON TABLE pgforest.model IS 'models: a name under which versions are trained';
COMMENT ON COLUMN pgforest.model.id IS 'number of the model, never used again';
COMMENT ON COLUMN pgforest.model.name IS 'what the calls name it by';
COMMENT ON COLUMN pgforest.model.task IS 'classification or regression; the same for all versions';
COMMENT ON COLUMN pgforest.model.target IS 'column that the first version predicts';
COMMENT ON COLUMN pgforest.model.owner IS 'role that first trained it; its members may do everything';
COMMENT ON COLUMN pgforest.model.created_at IS 'when it was first trained';
COMMENT ON COLUMN pgforest.model.last_version IS 'number of the version made last; numbers are not used again';

CREATE TABLE pgforest.model_grant (
	model_id bigint NOT NULL,
	role name NOT NULL,
	privilege text COLLATE "C" NOT NULL CHECK (privilege IN ('predict', 'train', 'promote')),
	granted_by name NOT NULL,
	granted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (model_id, role, privilege)
);
COMMENT ON TABLE pgforest.model_grant IS 'rights on a model beside its owner''s (ml_grant, ml_revoke)';
COMMENT ON COLUMN pgforest.model_grant.model_id IS 'the model';
COMMENT ON COLUMN pgforest.model_grant.role IS 'role that has the right, with its members';
COMMENT ON COLUMN pgforest.model_grant.privilege IS 'predict, train or promote';
COMMENT ON COLUMN pgforest.model_grant.granted_by IS 'role that gave the right';
COMMENT ON COLUMN pgforest.model_grant.granted_at IS 'when it was given';

CREATE TABLE pgforest.version (
	model_id bigint NOT NULL,
	version integer NOT NULL,
	algorithm text NOT NULL,
	target text,
	query text NOT NULL,
	weight text,
	split text,
	columns text[] NOT NULL,
	column_types text[] NOT NULL,
	classes text[],
	identity text[] NOT NULL,
	holdout float8 NOT NULL,
	params jsonb NOT NULL,
	arguments jsonb NOT NULL,
	seed bigint NOT NULL,
	note text,
	rows bigint NOT NULL,
	features integer NOT NULL,
	metric text,
	score float8,
	data_fingerprint bytea NOT NULL,
	sha256 bytea NOT NULL,
	bytes bigint NOT NULL,
	trained_by name NOT NULL,
	trained_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	extension_version text NOT NULL,
	seconds float8 NOT NULL,
	stage_seconds jsonb,
	recipe text,
	fit jsonb,
	PRIMARY KEY (model_id, version)
);
COMMENT ON TABLE pgforest.version IS 'versions of models, each never changed once written';
COMMENT ON COLUMN pgforest.version.model_id IS 'the model';
COMMENT ON COLUMN pgforest.version.version IS '1, 2, 3, ... within the model';
COMMENT ON COLUMN pgforest.version.algorithm IS 'what was trained, such as random_forest';
COMMENT ON COLUMN pgforest.version.target IS 'column that is predicted';
COMMENT ON COLUMN pgforest.version.query IS 'query that gave the rows';
COMMENT ON COLUMN pgforest.version.weight IS 'column of row weights, or NULL';
COMMENT ON COLUMN pgforest.version.split IS 'column that said train, validation or test, or NULL: by the row hash';
COMMENT ON COLUMN pgforest.version.columns IS 'feature columns, in order';
COMMENT ON COLUMN pgforest.version.column_types IS 'SQL types of the feature columns at training';
COMMENT ON COLUMN pgforest.version.classes IS 'class labels, in the order of ml_predict_proba; NULL for regression';
COMMENT ON COLUMN pgforest.version.identity IS 'columns whose hash decides which rows are held out';
COMMENT ON COLUMN pgforest.version.holdout IS 'share of rows held out for measuring';
COMMENT ON COLUMN pgforest.version.params IS 'all hyper-parameters, defaults filled in';
COMMENT ON COLUMN pgforest.version.arguments IS 'features, exclude and key as they were given, to repeat the training';
COMMENT ON COLUMN pgforest.version.seed IS 'seed of all random choices';
COMMENT ON COLUMN pgforest.version.note IS 'the note given at training';
COMMENT ON COLUMN pgforest.version.rows IS 'rows that the trees were grown on';
COMMENT ON COLUMN pgforest.version.features IS 'features; an array column counts one for each element';
COMMENT ON COLUMN pgforest.version.metric IS 'metric of the score';
COMMENT ON COLUMN pgforest.version.score IS 'its value on held-out rows, out-of-bag where none were held out';
COMMENT ON COLUMN pgforest.version.data_fingerprint IS 'hash of all rows used, whatever their order';
COMMENT ON COLUMN pgforest.version.sha256 IS 'SHA-256 of the model''s bytes';
COMMENT ON COLUMN pgforest.version.bytes IS 'length of the model''s bytes';
COMMENT ON COLUMN pgforest.version.trained_by IS 'role that trained it, and so stored the query; empty: it was imported, see origin';
COMMENT ON COLUMN pgforest.version.trained_at IS 'when it was stored';
COMMENT ON COLUMN pgforest.version.extension_version IS 'version of pgforest that trained it';
COMMENT ON COLUMN pgforest.version.seconds IS 'how long the training took';
COMMENT ON COLUMN pgforest.version.stage_seconds IS 'how long each stage of it took';
COMMENT ON COLUMN pgforest.version.recipe IS 'name and version of the recipe that its rows go through; NULL: none';
COMMENT ON COLUMN pgforest.version.fit IS 'how it ended: iterations and converged of linear, rounds and rounds_grown of early stopping; NULL for others';

CREATE TABLE pgforest.version_data (
	model_id bigint NOT NULL,
	version integer NOT NULL,
	chunk integer NOT NULL,
	data bytea NOT NULL,
	PRIMARY KEY (model_id, version, chunk)
);
ALTER TABLE pgforest.version_data ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON TABLE pgforest.version_data IS 'bytes of the models in chunks, for the model''s owner only (docs/model-format.md)';
COMMENT ON COLUMN pgforest.version_data.model_id IS 'the model';
COMMENT ON COLUMN pgforest.version_data.version IS 'the version';
COMMENT ON COLUMN pgforest.version_data.chunk IS '0, 1, 2, ...';
COMMENT ON COLUMN pgforest.version_data.data IS 'bytes, already compressed';

CREATE TABLE pgforest.alias_history (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	model_id bigint NOT NULL,
	alias text NOT NULL,
	from_version integer,
	to_version integer NOT NULL,
	action text NOT NULL,
	reason text,
	role name NOT NULL,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	previous_id bigint
);
CREATE INDEX alias_history_model_id_idx ON pgforest.alias_history (model_id, id);
COMMENT ON TABLE pgforest.alias_history IS 'every move of an alias: who, when, from, to, why';
COMMENT ON COLUMN pgforest.alias_history.id IS 'number of the move';
COMMENT ON COLUMN pgforest.alias_history.model_id IS 'the model';
COMMENT ON COLUMN pgforest.alias_history.alias IS 'the alias';
COMMENT ON COLUMN pgforest.alias_history.from_version IS 'version that it named before; NULL when it was new';
COMMENT ON COLUMN pgforest.alias_history.to_version IS 'version that it named from then on';
COMMENT ON COLUMN pgforest.alias_history.action IS 'promote or rollback';
COMMENT ON COLUMN pgforest.alias_history.reason IS 'why';
COMMENT ON COLUMN pgforest.alias_history.role IS 'role that did it';
COMMENT ON COLUMN pgforest.alias_history.at IS 'when';
COMMENT ON COLUMN pgforest.alias_history.previous_id IS 'move that ml_rollback goes back to; NULL at the first';

CREATE TABLE pgforest.alias (
	model_id bigint NOT NULL,
	alias text COLLATE "C" NOT NULL,
	version integer NOT NULL,
	history_id bigint NOT NULL,
	PRIMARY KEY (model_id, alias)
);
COMMENT ON TABLE pgforest.alias IS 'names such as production for one version of a model';
COMMENT ON COLUMN pgforest.alias.model_id IS 'the model';
COMMENT ON COLUMN pgforest.alias.alias IS 'the name; production answers where no version is asked for';
COMMENT ON COLUMN pgforest.alias.version IS 'version that it names now';
COMMENT ON COLUMN pgforest.alias.history_id IS 'move that put it there';

CREATE TABLE pgforest.metric (
	model_id bigint NOT NULL,
	version integer NOT NULL,
	id bigint GENERATED ALWAYS AS IDENTITY,
	set text NOT NULL,
	source text,
	class text,
	metric text NOT NULL,
	value float8,
	baseline float8,
	rows bigint NOT NULL,
	measured_at timestamptz NOT NULL,
	measured_by name NOT NULL,
	monitor_id bigint,
	from_at timestamptz,
	until_at timestamptz,
	PRIMARY KEY (model_id, version, id)
);
CREATE INDEX metric_monitor_idx ON pgforest.metric (monitor_id, until_at) WHERE monitor_id IS NOT NULL;
COMMENT ON TABLE pgforest.metric IS 'what was measured of a version, at training and later';
COMMENT ON COLUMN pgforest.metric.model_id IS 'the model';
COMMENT ON COLUMN pgforest.metric.version IS 'the version';
COMMENT ON COLUMN pgforest.metric.id IS 'number of the value; those of one measurement follow one another';
COMMENT ON COLUMN pgforest.metric.set IS 'validation, test, oob (out-of-bag), or source; of a monitor window, or estimated';
COMMENT ON COLUMN pgforest.metric.source IS 'query that gave the rows; NULL: the rows of the training';
COMMENT ON COLUMN pgforest.metric.class IS 'class that the value is of; NULL: all of them';
COMMENT ON COLUMN pgforest.metric.metric IS 'name of the metric';
COMMENT ON COLUMN pgforest.metric.value IS 'its value; NULL where it is not defined';
COMMENT ON COLUMN pgforest.metric.baseline IS 'value that the best constant prediction has on the same rows';
COMMENT ON COLUMN pgforest.metric.rows IS 'rows that it was measured on';
COMMENT ON COLUMN pgforest.metric.measured_at IS 'when; the same for all values of one measurement';
COMMENT ON COLUMN pgforest.metric.measured_by IS 'role that measured it';
COMMENT ON COLUMN pgforest.metric.monitor_id IS 'monitor that measured it, or NULL';
COMMENT ON COLUMN pgforest.metric.from_at IS 'beginning of the monitor''s window; NULL: all rows that there were';
COMMENT ON COLUMN pgforest.metric.until_at IS 'end of the monitor''s window';

CREATE TABLE pgforest.confusion (
	model_id bigint NOT NULL,
	version integer NOT NULL,
	id bigint GENERATED ALWAYS AS IDENTITY,
	set text NOT NULL,
	source text,
	classes text[] NOT NULL,
	counts bigint[] NOT NULL,
	rows bigint NOT NULL,
	measured_at timestamptz NOT NULL,
	measured_by name NOT NULL,
	PRIMARY KEY (model_id, version, id)
);
COMMENT ON TABLE pgforest.confusion IS 'confusion matrices, one a measurement (ml_confusion_matrix shows them as rows)';
COMMENT ON COLUMN pgforest.confusion.model_id IS 'the model';
COMMENT ON COLUMN pgforest.confusion.version IS 'the version';
COMMENT ON COLUMN pgforest.confusion.id IS 'number of the matrix';
COMMENT ON COLUMN pgforest.confusion.set IS 'as in metric';
COMMENT ON COLUMN pgforest.confusion.source IS 'as in metric';
COMMENT ON COLUMN pgforest.confusion.classes IS 'class labels of rows and columns';
COMMENT ON COLUMN pgforest.confusion.counts IS 'rows by actual class, then by predicted class';
COMMENT ON COLUMN pgforest.confusion.rows IS 'as in metric';
COMMENT ON COLUMN pgforest.confusion.measured_at IS 'as in metric';
COMMENT ON COLUMN pgforest.confusion.measured_by IS 'as in metric';

CREATE TABLE pgforest.curve (
	model_id bigint NOT NULL,
	version integer NOT NULL,
	id bigint GENERATED ALWAYS AS IDENTITY,
	set text NOT NULL,
	source text,
	class text NOT NULL,
	threshold float8[] NOT NULL,
	tpr float8[] NOT NULL,
	fpr float8[] NOT NULL,
	precision float8[] NOT NULL,
	recall float8[] NOT NULL,
	PRIMARY KEY (model_id, version, id)
);
COMMENT ON TABLE pgforest.curve IS 'ROC and precision-recall curves (ml_roc_curve shows them as rows)';
COMMENT ON COLUMN pgforest.curve.model_id IS 'the model';
COMMENT ON COLUMN pgforest.curve.version IS 'the version';
COMMENT ON COLUMN pgforest.curve.id IS 'number of the curve';
COMMENT ON COLUMN pgforest.curve.set IS 'as in metric';
COMMENT ON COLUMN pgforest.curve.source IS 'as in metric';
COMMENT ON COLUMN pgforest.curve.class IS 'class that is told from all others';
COMMENT ON COLUMN pgforest.curve.threshold IS 'share from which on a row counts as of the class, from the highest down';
COMMENT ON COLUMN pgforest.curve.tpr IS 'true positive rate at each threshold';
COMMENT ON COLUMN pgforest.curve.fpr IS 'false positive rate at each threshold';
COMMENT ON COLUMN pgforest.curve.precision IS 'precision at each threshold';
COMMENT ON COLUMN pgforest.curve.recall IS 'recall at each threshold';

-- A run outlives its model.
CREATE TABLE pgforest.run (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	model_id bigint,
	model text NOT NULL,
	version integer,
	kind text NOT NULL,
	status text NOT NULL,
	role name NOT NULL,
	started_at timestamptz NOT NULL,
	seconds float8,
	params jsonb,
	query text,
	sqlstate text,
	message text,
	detail text,
	hint text,
	parent bigint,
	pipeline_id bigint,
	pipeline text,
	revision integer,
	resumes bigint,
	rows bigint,
	promoted boolean,
	reason text,
	pid integer,
	backend_start timestamptz
);
CREATE INDEX run_model_idx ON pgforest.run (model, started_at);
CREATE INDEX run_version_idx ON pgforest.run (model_id, version);
CREATE INDEX run_pipeline_idx ON pgforest.run (pipeline_id, id) WHERE pipeline_id IS NOT NULL;
COMMENT ON TABLE pgforest.run IS 'what was done: one row a training, tuning, import or call of a pipeline';
COMMENT ON COLUMN pgforest.run.id IS 'number of the run';
COMMENT ON COLUMN pgforest.run.model_id IS 'the model; it may have been dropped since';
COMMENT ON COLUMN pgforest.run.model IS 'name of the model';
COMMENT ON COLUMN pgforest.run.version IS 'version that came of it';
COMMENT ON COLUMN pgforest.run.kind IS 'what was done: train, tune, retrain, import or pipeline';
COMMENT ON COLUMN pgforest.run.status IS 'success or failure; of a pipeline also running, skipped, cancelled or lost';
COMMENT ON COLUMN pgforest.run.role IS 'role that did it';
COMMENT ON COLUMN pgforest.run.started_at IS 'when it began';
COMMENT ON COLUMN pgforest.run.seconds IS 'how long it took';
COMMENT ON COLUMN pgforest.run.params IS 'hyper-parameters';
COMMENT ON COLUMN pgforest.run.query IS 'query that gave the rows';
COMMENT ON COLUMN pgforest.run.sqlstate IS 'SQLSTATE of a failure';
COMMENT ON COLUMN pgforest.run.message IS 'its message';
COMMENT ON COLUMN pgforest.run.detail IS 'its detail';
COMMENT ON COLUMN pgforest.run.hint IS 'its hint';
COMMENT ON COLUMN pgforest.run.parent IS 'run of the pipeline that this was part of';
COMMENT ON COLUMN pgforest.run.pipeline_id IS 'pipeline that was called; NULL: none';
COMMENT ON COLUMN pgforest.run.pipeline IS 'its name';
COMMENT ON COLUMN pgforest.run.revision IS 'how often the pipeline had been declared';
COMMENT ON COLUMN pgforest.run.resumes IS 'earlier run that it goes on from';
COMMENT ON COLUMN pgforest.run.rows IS 'rows that there were to train on, where the pipeline has run_when_rows';
COMMENT ON COLUMN pgforest.run.promoted IS 'did the version go to production';
COMMENT ON COLUMN pgforest.run.reason IS 'why it did, or not';
COMMENT ON COLUMN pgforest.run.pid IS 'process that does it, as in pg_stat_activity';
COMMENT ON COLUMN pgforest.run.backend_start IS 'when that process began';

-- ---------------------------------------------------------------------
-- Dump: everything is the user's data, the sequences too.
-- ---------------------------------------------------------------------

SELECT pg_extension_config_dump('pgforest.model', '');
SELECT pg_extension_config_dump('pgforest.model_id_seq', '');
SELECT pg_extension_config_dump('pgforest.model_grant', '');
SELECT pg_extension_config_dump('pgforest.version', '');
SELECT pg_extension_config_dump('pgforest.version_data', '');
SELECT pg_extension_config_dump('pgforest.alias_history', '');
SELECT pg_extension_config_dump('pgforest.alias_history_id_seq', '');
SELECT pg_extension_config_dump('pgforest.alias', '');
SELECT pg_extension_config_dump('pgforest.metric', '');
SELECT pg_extension_config_dump('pgforest.metric_id_seq', '');
SELECT pg_extension_config_dump('pgforest.confusion', '');
SELECT pg_extension_config_dump('pgforest.confusion_id_seq', '');
SELECT pg_extension_config_dump('pgforest.curve', '');
SELECT pg_extension_config_dump('pgforest.curve_id_seq', '');
SELECT pg_extension_config_dump('pgforest.run', '');
SELECT pg_extension_config_dump('pgforest.run_id_seq', '');

-- ---------------------------------------------------------------------
-- Row security: who may use a model sees it; its bytes are for the owner.
-- ---------------------------------------------------------------------

ALTER TABLE pgforest.model ENABLE ROW LEVEL SECURITY;
ALTER TABLE pgforest.model_grant ENABLE ROW LEVEL SECURITY;
ALTER TABLE pgforest.version ENABLE ROW LEVEL SECURITY;
ALTER TABLE pgforest.version_data ENABLE ROW LEVEL SECURITY;
ALTER TABLE pgforest.alias_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE pgforest.alias ENABLE ROW LEVEL SECURITY;
ALTER TABLE pgforest.metric ENABLE ROW LEVEL SECURITY;
ALTER TABLE pgforest.confusion ENABLE ROW LEVEL SECURITY;
ALTER TABLE pgforest.curve ENABLE ROW LEVEL SECURITY;
ALTER TABLE pgforest.run ENABLE ROW LEVEL SECURITY;

CREATE POLICY visible ON pgforest.model FOR SELECT USING (pgforest.can_see(id));
CREATE POLICY visible ON pgforest.model_grant FOR SELECT USING (pgforest.can_see(model_id));
CREATE POLICY visible ON pgforest.version FOR SELECT USING (pgforest.can_see(model_id));
CREATE POLICY visible ON pgforest.version_data FOR SELECT USING (pgforest.is_owner(model_id));
CREATE POLICY visible ON pgforest.alias_history FOR SELECT USING (pgforest.can_see(model_id));
CREATE POLICY visible ON pgforest.alias FOR SELECT USING (pgforest.can_see(model_id));
CREATE POLICY visible ON pgforest.metric FOR SELECT USING (pgforest.can_see(model_id));
CREATE POLICY visible ON pgforest.confusion FOR SELECT USING (pgforest.can_see(model_id));
CREATE POLICY visible ON pgforest.curve FOR SELECT USING (pgforest.can_see(model_id));
CREATE POLICY visible ON pgforest.run FOR SELECT
	USING (pgforest.is_member(role) OR pgforest.can_see(model_id));

-- ---------------------------------------------------------------------
-- Views
-- ---------------------------------------------------------------------

CREATE VIEW pgforest.models WITH (security_invoker = true) AS
	SELECT m.name, m.task, m.target, m.owner,
		(SELECT count(*) FROM pgforest.version v WHERE v.model_id = m.id) AS versions,
		(SELECT a.version FROM pgforest.alias a
		 WHERE a.model_id = m.id AND a.alias = 'production') AS production
	FROM pgforest.model m;
COMMENT ON VIEW pgforest.models IS 'the models you may use';
COMMENT ON COLUMN pgforest.models.name IS 'what the calls name it by';
COMMENT ON COLUMN pgforest.models.task IS 'classification or regression';
COMMENT ON COLUMN pgforest.models.target IS 'column that it predicts';
COMMENT ON COLUMN pgforest.models.owner IS 'role whose members may do everything with it';
COMMENT ON COLUMN pgforest.models.versions IS 'number of versions kept';
COMMENT ON COLUMN pgforest.models.production IS 'version that answers by default; NULL: none yet';

CREATE VIEW pgforest.versions WITH (security_invoker = true) AS
	SELECT m.name AS model, v.version, m.task, v.algorithm, v.rows, v.features, v.classes,
		v.params, v.seed, v.metric, v.score, encode(v.sha256, 'hex') AS sha256,
		encode(v.data_fingerprint, 'hex') AS data_fingerprint, v.bytes, v.trained_by,
		v.trained_at, v.seconds, v.stage_seconds,
		ARRAY(SELECT a.alias FROM pgforest.alias a
			  WHERE a.model_id = v.model_id AND a.version = v.version
			  ORDER BY a.alias) AS aliases,
		v.target, v.query, v.columns, v.column_types, v.identity, v.holdout, v.note,
		v.extension_version, v.recipe, v.fit
	FROM pgforest.version v JOIN pgforest.model m ON m.id = v.model_id;
COMMENT ON VIEW pgforest.versions IS 'the versions of the models you may use';
COMMENT ON COLUMN pgforest.versions.model IS 'name of the model';
COMMENT ON COLUMN pgforest.versions.version IS '1, 2, 3, ... within the model';
COMMENT ON COLUMN pgforest.versions.task IS 'classification or regression';
COMMENT ON COLUMN pgforest.versions.algorithm IS 'what was trained, such as random_forest';
COMMENT ON COLUMN pgforest.versions.rows IS 'rows that the trees were grown on';
COMMENT ON COLUMN pgforest.versions.features IS 'features; an array column counts one for each element';
COMMENT ON COLUMN pgforest.versions.classes IS 'class labels, in the order of ml_predict_proba; NULL for regression';
COMMENT ON COLUMN pgforest.versions.params IS 'all hyper-parameters, defaults filled in';
COMMENT ON COLUMN pgforest.versions.seed IS 'seed of all random choices';
COMMENT ON COLUMN pgforest.versions.metric IS 'metric of the score';
COMMENT ON COLUMN pgforest.versions.score IS 'its value on held-out rows, out-of-bag where none were held out';
COMMENT ON COLUMN pgforest.versions.sha256 IS 'SHA-256 of the model''s bytes';
COMMENT ON COLUMN pgforest.versions.data_fingerprint IS 'hash of all rows used, whatever their order';
COMMENT ON COLUMN pgforest.versions.bytes IS 'length of the model''s bytes';
COMMENT ON COLUMN pgforest.versions.trained_by IS 'role that trained it; empty: it was imported, see origins';
COMMENT ON COLUMN pgforest.versions.trained_at IS 'when it was stored';
COMMENT ON COLUMN pgforest.versions.seconds IS 'how long the training took';
COMMENT ON COLUMN pgforest.versions.stage_seconds IS 'how long each stage of it took';
COMMENT ON COLUMN pgforest.versions.aliases IS 'aliases that name it now';
COMMENT ON COLUMN pgforest.versions.target IS 'column that is predicted';
COMMENT ON COLUMN pgforest.versions.query IS 'query that gave the rows';
COMMENT ON COLUMN pgforest.versions.columns IS 'feature columns, in order';
COMMENT ON COLUMN pgforest.versions.column_types IS 'SQL types of the feature columns at training';
COMMENT ON COLUMN pgforest.versions.identity IS 'columns whose hash decides which rows are held out';
COMMENT ON COLUMN pgforest.versions.holdout IS 'share of rows held out for measuring';
COMMENT ON COLUMN pgforest.versions.note IS 'the note given at training';
COMMENT ON COLUMN pgforest.versions.extension_version IS 'version of pgforest that trained it';
COMMENT ON COLUMN pgforest.versions.recipe IS 'recipe that its rows go through, and which version of it; NULL: none';
COMMENT ON COLUMN pgforest.versions.fit IS 'how it ended: iterations and converged of linear, rounds and rounds_grown of early stopping; NULL for others';

CREATE VIEW pgforest.metrics WITH (security_invoker = true) AS
	SELECT m.name AS model, x.version, x.set, x.source, x.class, x.metric, x.value,
		x.baseline, x.rows, x.measured_at, x.measured_by
	FROM pgforest.metric x JOIN pgforest.model m ON m.id = x.model_id;
COMMENT ON VIEW pgforest.metrics IS 'what was measured of the versions, at training and later';
COMMENT ON COLUMN pgforest.metrics.model IS 'name of the model';
COMMENT ON COLUMN pgforest.metrics.version IS 'the version';
COMMENT ON COLUMN pgforest.metrics.set IS 'validation, test, oob (out-of-bag), or source';
COMMENT ON COLUMN pgforest.metrics.source IS 'query that gave the rows; NULL: the rows of the training';
COMMENT ON COLUMN pgforest.metrics.class IS 'class that the value is of; NULL: all of them';
COMMENT ON COLUMN pgforest.metrics.metric IS 'name of the metric';
COMMENT ON COLUMN pgforest.metrics.value IS 'its value; NULL where it is not defined';
COMMENT ON COLUMN pgforest.metrics.baseline IS 'value that the best constant prediction has on the same rows';
COMMENT ON COLUMN pgforest.metrics.rows IS 'rows that it was measured on';
COMMENT ON COLUMN pgforest.metrics.measured_at IS 'when; the same for all values of one measurement';
COMMENT ON COLUMN pgforest.metrics.measured_by IS 'role that measured it';

CREATE VIEW pgforest.leaderboard WITH (security_invoker = true) AS
	SELECT m.name AS model,
		rank() OVER (PARTITION BY m.id, v.metric ORDER BY
			CASE WHEN v.metric IN ('rmse', 'mae', 'mape', 'log_loss', 'brier')
				 THEN - v.score ELSE v.score END DESC NULLS LAST) AS rank,
		v.version, v.algorithm, v.metric, v.score, v.rows, v.seconds, v.bytes, v.trained_at,
		EXISTS (SELECT FROM pgforest.alias a
				WHERE a.model_id = v.model_id AND a.version = v.version
				AND a.alias = 'production') AS is_production,
		(SELECT h.at FROM pgforest.alias a JOIN pgforest.alias_history h ON h.id = a.history_id
		 WHERE a.model_id = v.model_id AND a.version = v.version
		 AND a.alias = 'production') AS production_since,
		v.params, v.seed, encode(v.data_fingerprint, 'hex') AS data_fingerprint, v.trained_by,
		v.note, r.id AS run, r.parent, p.pipeline
	FROM pgforest.version v JOIN pgforest.model m ON m.id = v.model_id
		LEFT JOIN pgforest.run r ON r.model_id = v.model_id AND r.version = v.version
			AND r.kind <> 'pipeline'
		LEFT JOIN pgforest.run p ON p.id = r.parent
	ORDER BY model, v.metric, rank, v.version DESC;
COMMENT ON VIEW pgforest.leaderboard IS 'the versions of each model, best score first';
COMMENT ON COLUMN pgforest.leaderboard.model IS 'name of the model';
COMMENT ON COLUMN pgforest.leaderboard.rank IS 'place among the model''s versions with the same metric';
COMMENT ON COLUMN pgforest.leaderboard.version IS 'the version';
COMMENT ON COLUMN pgforest.leaderboard.algorithm IS 'what was trained';
COMMENT ON COLUMN pgforest.leaderboard.metric IS 'metric of the score';
COMMENT ON COLUMN pgforest.leaderboard.score IS 'score that it was stored with; ml_promote compares on the same rows';
COMMENT ON COLUMN pgforest.leaderboard.rows IS 'rows that the trees were grown on';
COMMENT ON COLUMN pgforest.leaderboard.seconds IS 'how long the training took';
COMMENT ON COLUMN pgforest.leaderboard.bytes IS 'length of the model''s bytes';
COMMENT ON COLUMN pgforest.leaderboard.trained_at IS 'when it was stored';
COMMENT ON COLUMN pgforest.leaderboard.is_production IS 'does it answer by default';
COMMENT ON COLUMN pgforest.leaderboard.production_since IS 'since when it does';
COMMENT ON COLUMN pgforest.leaderboard.params IS 'all hyper-parameters, defaults filled in';
COMMENT ON COLUMN pgforest.leaderboard.seed IS 'seed of all random choices';
COMMENT ON COLUMN pgforest.leaderboard.data_fingerprint IS 'hash of all rows used, whatever their order';
COMMENT ON COLUMN pgforest.leaderboard.trained_by IS 'role that trained it';
COMMENT ON COLUMN pgforest.leaderboard.note IS 'the note given at training';
COMMENT ON COLUMN pgforest.leaderboard.run IS 'run that made it';
COMMENT ON COLUMN pgforest.leaderboard.parent IS 'run of a pipeline that this was part of';
COMMENT ON COLUMN pgforest.leaderboard.pipeline IS 'name of that pipeline';

CREATE VIEW pgforest.runs WITH (security_invoker = true) AS
	SELECT r.id, r.model, r.version, r.kind,
		pgforest.run_status(r.id, r.status, r.pid, r.backend_start) AS status, r.role, r.started_at,
		r.seconds, coalesce(r.params, v.params) AS params, coalesce(r.query, v.query) AS query,
		r.sqlstate, r.message, r.detail, r.hint, r.parent, r.pipeline, r.resumes, r.promoted,
		r.reason, v.algorithm, encode(v.data_fingerprint, 'hex') AS data_fingerprint,
		v.rows, v.metric, v.score, h.id IS NOT NULL AS is_production, h.at AS production_since
	FROM pgforest.run r
		LEFT JOIN pgforest.version v ON v.model_id = r.model_id AND v.version = r.version
		LEFT JOIN pgforest.alias a ON a.model_id = v.model_id AND a.version = v.version
			AND a.alias = 'production'
		LEFT JOIN pgforest.alias_history h ON h.id = a.history_id;
COMMENT ON VIEW pgforest.runs IS 'what was done: your own runs, and those of the models you may use';
COMMENT ON COLUMN pgforest.runs.id IS 'number of the run';
COMMENT ON COLUMN pgforest.runs.model IS 'name of the model';
COMMENT ON COLUMN pgforest.runs.version IS 'version that came of it';
COMMENT ON COLUMN pgforest.runs.kind IS 'what was done: train, tune, retrain, import or pipeline';
COMMENT ON COLUMN pgforest.runs.status IS 'success or failure; of a pipeline also running, skipped, cancelled or lost';
COMMENT ON COLUMN pgforest.runs.role IS 'role that did it';
COMMENT ON COLUMN pgforest.runs.started_at IS 'when it began';
COMMENT ON COLUMN pgforest.runs.seconds IS 'how long it took';
COMMENT ON COLUMN pgforest.runs.params IS 'hyper-parameters';
COMMENT ON COLUMN pgforest.runs.query IS 'query that gave the rows';
COMMENT ON COLUMN pgforest.runs.sqlstate IS 'SQLSTATE of a failure';
COMMENT ON COLUMN pgforest.runs.message IS 'its message';
COMMENT ON COLUMN pgforest.runs.detail IS 'its detail';
COMMENT ON COLUMN pgforest.runs.hint IS 'its hint';
COMMENT ON COLUMN pgforest.runs.parent IS 'run of the pipeline that this was part of';
COMMENT ON COLUMN pgforest.runs.pipeline IS 'pipeline that was called; NULL: none';
COMMENT ON COLUMN pgforest.runs.resumes IS 'earlier run that it went on from';
COMMENT ON COLUMN pgforest.runs.promoted IS 'of a pipeline: did the version go to production';
COMMENT ON COLUMN pgforest.runs.reason IS 'why it did, or not';
COMMENT ON COLUMN pgforest.runs.algorithm IS 'what was trained';
COMMENT ON COLUMN pgforest.runs.data_fingerprint IS 'hash of all rows used, whatever their order';
COMMENT ON COLUMN pgforest.runs.rows IS 'rows that the version was grown on';
COMMENT ON COLUMN pgforest.runs.metric IS 'metric of the score';
COMMENT ON COLUMN pgforest.runs.score IS 'score that the version was stored with';
COMMENT ON COLUMN pgforest.runs.is_production IS 'does the version answer by default now';
COMMENT ON COLUMN pgforest.runs.production_since IS 'since when it does';

-- The settings exist once the library is loaded; preparing a call of one of its
-- functions loads it, before the settings are listed.
CREATE VIEW pgforest.settings WITH (security_invoker = true) AS
	SELECT s.name, s.setting, s.unit, s.min_val AS min, s.max_val AS max,
		s.boot_val AS "default", s.short_desc AS description
	FROM pg_catalog.pg_settings s
	WHERE s.name LIKE 'pgforest.%' AND pgforest.can_see(0) IS NOT NULL;
COMMENT ON VIEW pgforest.settings IS 'the settings of pgforest in this session';
COMMENT ON COLUMN pgforest.settings.name IS 'what SET names it by';
COMMENT ON COLUMN pgforest.settings.setting IS 'value now';
COMMENT ON COLUMN pgforest.settings.unit IS 'unit of the value';
COMMENT ON COLUMN pgforest.settings.min IS 'smallest value allowed';
COMMENT ON COLUMN pgforest.settings.max IS 'largest value allowed';
COMMENT ON COLUMN pgforest.settings."default" IS 'value when nothing is set';
COMMENT ON COLUMN pgforest.settings.description IS 'what it does';

-- ---------------------------------------------------------------------
-- Everybody may look; row security decides at what.  Sequences: for pg_dump.
-- ---------------------------------------------------------------------

GRANT SELECT ON
	pgforest.model, pgforest.model_grant, pgforest.version, pgforest.version_data,
	pgforest.alias, pgforest.alias_history, pgforest.metric, pgforest.confusion,
	pgforest.curve, pgforest.run,
	pgforest.models, pgforest.versions, pgforest.metrics, pgforest.leaderboard,
	pgforest.runs, pgforest.settings
	TO PUBLIC;
GRANT SELECT ON SEQUENCE
	pgforest.model_id_seq, pgforest.alias_history_id_seq, pgforest.metric_id_seq,
	pgforest.confusion_id_seq, pgforest.curve_id_seq, pgforest.run_id_seq
	TO PUBLIC;

SET LOCAL search_path TO @extschema@, pg_temp;

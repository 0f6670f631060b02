-- 25-tune.sql: cross-validation, curves, tuning; the trials that a tuning kept.

-- ---------------------------------------------------------------------
-- Trials belong to the version that came of them, and go with it.
-- ---------------------------------------------------------------------

CREATE TABLE pgforest.trial (
	model_id bigint NOT NULL,
	version integer NOT NULL,
	trial integer NOT NULL,
	rung integer NOT NULL,
	fold integer NOT NULL,
	algorithm text NOT NULL,
	params jsonb NOT NULL,
	share float8 NOT NULL,
	metric text NOT NULL,
	score float8,
	train_rows bigint NOT NULL,
	rows bigint NOT NULL,
	seconds float8 NOT NULL,
	status text NOT NULL,
	sqlstate text,
	message text,
	detail text,
	hint text,
	PRIMARY KEY (model_id, version, trial, rung, fold)
);
COMMENT ON TABLE pgforest.trial IS 'what a tuning tried before it made a version: a row for each trial and fold';
COMMENT ON COLUMN pgforest.trial.model_id IS 'the model';
COMMENT ON COLUMN pgforest.trial.version IS 'version that the tuning made';
COMMENT ON COLUMN pgforest.trial.trial IS '1, 2, ... within the tuning';
COMMENT ON COLUMN pgforest.trial.rung IS '1; with halving, 2, 3, ... for those that came further';
COMMENT ON COLUMN pgforest.trial.fold IS 'fold that it was measured on';
COMMENT ON COLUMN pgforest.trial.algorithm IS 'what was trained';
COMMENT ON COLUMN pgforest.trial.params IS 'hyper-parameters that the search gave; the others had their defaults';
COMMENT ON COLUMN pgforest.trial.share IS 'share of the fold''s training rows that were used';
COMMENT ON COLUMN pgforest.trial.metric IS 'what was measured';
COMMENT ON COLUMN pgforest.trial.score IS 'its value on the fold; NULL where it failed or is not defined';
COMMENT ON COLUMN pgforest.trial.train_rows IS 'rows that it was trained on';
COMMENT ON COLUMN pgforest.trial.rows IS 'rows that it was measured on';
COMMENT ON COLUMN pgforest.trial.seconds IS 'how long it took';
COMMENT ON COLUMN pgforest.trial.status IS 'success, failure, or stopped: the seconds of the search were over';
COMMENT ON COLUMN pgforest.trial.sqlstate IS 'SQLSTATE of a failure';
COMMENT ON COLUMN pgforest.trial.message IS 'its message';
COMMENT ON COLUMN pgforest.trial.detail IS 'its detail';
COMMENT ON COLUMN pgforest.trial.hint IS 'its hint';

SELECT pg_catalog.pg_extension_config_dump('pgforest.trial', '');
ALTER TABLE pgforest.trial ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON pgforest.trial FOR SELECT USING (pgforest.can_see(model_id));

CREATE VIEW pgforest.trials WITH (security_invoker = true) AS
	SELECT m.name AS model, t.version, t.trial, t.rung, t.fold, t.algorithm, t.params, t.share,
		t.metric, t.score, t.train_rows, t.rows, t.seconds, t.status, t.sqlstate, t.message,
		t.detail, t.hint
	FROM pgforest.trial t JOIN pgforest.model m ON m.id = t.model_id;
COMMENT ON VIEW pgforest.trials IS 'what tunings tried, by trial and fold';
COMMENT ON COLUMN pgforest.trials.model IS 'name of the model';
COMMENT ON COLUMN pgforest.trials.version IS 'version that the tuning made';
COMMENT ON COLUMN pgforest.trials.trial IS '1, 2, ... within the tuning';
COMMENT ON COLUMN pgforest.trials.rung IS '1; with halving, 2, 3, ... for those that came further';
COMMENT ON COLUMN pgforest.trials.fold IS 'fold that it was measured on';
COMMENT ON COLUMN pgforest.trials.algorithm IS 'what was trained';
COMMENT ON COLUMN pgforest.trials.params IS 'hyper-parameters that the search gave; the others had their defaults';
COMMENT ON COLUMN pgforest.trials.share IS 'share of the fold''s training rows that were used';
COMMENT ON COLUMN pgforest.trials.metric IS 'what was measured';
COMMENT ON COLUMN pgforest.trials.score IS 'its value on the fold; NULL where it failed or is not defined';
COMMENT ON COLUMN pgforest.trials.train_rows IS 'rows that it was trained on';
COMMENT ON COLUMN pgforest.trials.rows IS 'rows that it was measured on';
COMMENT ON COLUMN pgforest.trials.seconds IS 'how long it took';
COMMENT ON COLUMN pgforest.trials.status IS 'success, failure, or stopped: the seconds of the search were over';
COMMENT ON COLUMN pgforest.trials.sqlstate IS 'SQLSTATE of a failure';
COMMENT ON COLUMN pgforest.trials.message IS 'its message';
COMMENT ON COLUMN pgforest.trials.detail IS 'its detail';
COMMENT ON COLUMN pgforest.trials.hint IS 'its hint';

GRANT SELECT ON pgforest.trial, pgforest.trials TO PUBLIC;

-- ---------------------------------------------------------------------
-- Functions
-- ---------------------------------------------------------------------

CREATE FUNCTION @extschema@.ml_tune(
    model     text,
    source    text,
    target    text,
    search    jsonb,
    strategy  text    DEFAULT 'grid',
    trials    int     DEFAULT NULL,
    folds     int     DEFAULT 5,
    metric    text    DEFAULT NULL,
    seconds   float8  DEFAULT NULL,
    task      text    DEFAULT NULL,
    features  text[]  DEFAULT NULL,
    exclude   text[]  DEFAULT NULL,
    key       text[]  DEFAULT NULL,
    weight    text    DEFAULT NULL,
    order_by  text    DEFAULT NULL,
    split     text    DEFAULT NULL,
    holdout   float8  DEFAULT 0.2,
    seed      bigint  DEFAULT 0,
    note      text    DEFAULT NULL,
    recipe    text    DEFAULT NULL,
    OUT rank      int,
    OUT trial     int,
    OUT algorithm text,
    OUT params    jsonb,
    OUT metric    text,
    OUT score     float8,
    OUT deviation float8,
    OUT folds     int,
    OUT share     float8,
    OUT seconds   float8,
    OUT status    text,
    OUT message   text,
    OUT version   int)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 20;
COMMENT ON FUNCTION @extschema@.ml_tune(text, text, text, jsonb, text, int, int, text, float8, text, text[], text[], text[], text, text, text, float8, bigint, text, text) IS
	'tries combinations of hyper-parameters by cross-validation and stores the best, trained on all training rows, as a new version';

CREATE FUNCTION @extschema@.ml_cross_validate(
    source    text,
    target    text,
    algorithm text    DEFAULT 'random_forest',
    params    jsonb   DEFAULT '{}',
    folds     int     DEFAULT 5,
    metric    text    DEFAULT NULL,
    task      text    DEFAULT NULL,
    features  text[]  DEFAULT NULL,
    exclude   text[]  DEFAULT NULL,
    key       text[]  DEFAULT NULL,
    weight    text    DEFAULT NULL,
    order_by  text    DEFAULT NULL,
    seed      bigint  DEFAULT 0,
    recipe    text    DEFAULT NULL,
    OUT fold        int,
    OUT metric      text,
    OUT train_score float8,
    OUT test_score  float8,
    OUT train_rows  bigint,
    OUT test_rows   bigint,
    OUT seconds     float8)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 5;
COMMENT ON FUNCTION @extschema@.ml_cross_validate(text, text, text, jsonb, int, text, text, text[], text[], text[], text, text, bigint, text) IS
	'trains on all folds but one and measures on that one, for each fold; stores nothing';

CREATE FUNCTION @extschema@.ml_learning_curve(
    source    text,
    target    text,
    algorithm text    DEFAULT 'random_forest',
    params    jsonb   DEFAULT '{}',
    sizes     float8[] DEFAULT '{0.1,0.325,0.55,0.775,1}',
    folds     int     DEFAULT 5,
    metric    text    DEFAULT NULL,
    task      text    DEFAULT NULL,
    features  text[]  DEFAULT NULL,
    exclude   text[]  DEFAULT NULL,
    key       text[]  DEFAULT NULL,
    weight    text    DEFAULT NULL,
    order_by  text    DEFAULT NULL,
    seed      bigint  DEFAULT 0,
    recipe    text    DEFAULT NULL,
    OUT size        float8,
    OUT fold        int,
    OUT metric      text,
    OUT train_score float8,
    OUT test_score  float8,
    OUT train_rows  bigint,
    OUT test_rows   bigint,
    OUT seconds     float8)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 25;
COMMENT ON FUNCTION @extschema@.ml_learning_curve(text, text, text, jsonb, float8[], int, text, text, text[], text[], text[], text, text, bigint, text) IS
	'cross-validation on growing shares of the rows: would more rows help?';

CREATE FUNCTION @extschema@.ml_validation_curve(
    source    text,
    target    text,
    parameter text,
    choices   jsonb,
    algorithm text    DEFAULT 'random_forest',
    params    jsonb   DEFAULT '{}',
    folds     int     DEFAULT 5,
    metric    text    DEFAULT NULL,
    task      text    DEFAULT NULL,
    features  text[]  DEFAULT NULL,
    exclude   text[]  DEFAULT NULL,
    key       text[]  DEFAULT NULL,
    weight    text    DEFAULT NULL,
    order_by  text    DEFAULT NULL,
    seed      bigint  DEFAULT 0,
    recipe    text    DEFAULT NULL,
    OUT value       jsonb,
    OUT fold        int,
    OUT metric      text,
    OUT train_score float8,
    OUT test_score  float8,
    OUT train_rows  bigint,
    OUT test_rows   bigint,
    OUT seconds     float8)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 25;
COMMENT ON FUNCTION @extschema@.ml_validation_curve(text, text, text, jsonb, text, jsonb, int, text, text, text[], text[], text[], text, text, bigint, text) IS
	'cross-validation for each of several values of a hyper-parameter';

-- Training.

CREATE FUNCTION ml_train(
    model     text,
    source    text,
    target    text    DEFAULT NULL,
    algorithm text    DEFAULT 'random_forest',
    params    jsonb   DEFAULT '{}',
    task      text    DEFAULT NULL,
    features  text[]  DEFAULT NULL,
    exclude   text[]  DEFAULT NULL,
    key       text[]  DEFAULT NULL,
    weight    text    DEFAULT NULL,
    split     text    DEFAULT NULL,
    holdout   float8  DEFAULT 0.2,
    seed      bigint  DEFAULT 0,
    note      text    DEFAULT NULL,
    recipe    text    DEFAULT NULL,
    OUT model     text,
    OUT version   int,
    OUT task      text,
    OUT algorithm text,
    OUT rows      bigint,
    OUT features  int,
    OUT metric    text,
    OUT score     float8,
    OUT seconds   float8,
    OUT bytes     bigint)
RETURNS record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION ml_train(text, text, text, text, jsonb, text, text[], text[], text[], text, text, float8, bigint, text, text) IS
'trains a model on the rows of a source and stores it as a new version';

CREATE FUNCTION ml_parameters(
    algorithm         text DEFAULT 'random_forest',
    OUT parameter     text,
    OUT type          text,
    OUT default_value jsonb,
    OUT minimum       float8,
    OUT maximum       float8,
    OUT choices       text,
    OUT description   text)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION ml_parameters(text) IS
'the hyper-parameters that ml_train takes in params for an algorithm, with defaults and ranges';

-- What trains now.  The view stands with the others in the schema pgforest.
CREATE FUNCTION pgforest.trainings(
    OUT pid           int,
    OUT datname       name,
    OUT usename       name,
    OUT model         text,
    OUT phase         text,
    OUT rows_done     bigint,
    OUT rows_total    bigint,
    OUT trees_done    int,
    OUT trees_total   int,
    OUT started_at    timestamptz,
    OUT seconds       float8,
    OUT seconds_left  float8,
    OUT relation      text,
    OUT bytes_done    bigint,
    OUT bytes_total   bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'pf_trainings' LANGUAGE C VOLATILE PARALLEL SAFE ROWS 10;

COMMENT ON FUNCTION pgforest.trainings() IS
'the trainings and loads that run now (used by the view pgforest.progress)';

CREATE VIEW pgforest.progress WITH (security_invoker = true) AS
    SELECT t.pid, t.datname, t.usename, t.model, t.phase, t.rows_done, t.rows_total,
        t.trees_done, t.trees_total, t.started_at, t.seconds, t.seconds_left,
        t.relation, t.bytes_done, t.bytes_total
    FROM pgforest.trainings() AS t;

COMMENT ON VIEW pgforest.progress IS
'the trainings and the loads of ml_ingest that run now, in all databases; needs pgforest in shared_preload_libraries';
COMMENT ON COLUMN pgforest.progress.pid IS 'process that trains or loads, as in pg_stat_activity';
COMMENT ON COLUMN pgforest.progress.datname IS 'its database';
COMMENT ON COLUMN pgforest.progress.usename IS 'role that its session logged in as';
COMMENT ON COLUMN pgforest.progress.model IS
'model that is trained; NULL for a load. NULL, as all that follows, unless you have the rights of usename or of pg_read_all_stats';
COMMENT ON COLUMN pgforest.progress.phase IS 'scan, bin, sort, grow, measure, compress or store; of a load compare (with what was loaded before), read or load';
COMMENT ON COLUMN pgforest.progress.rows_done IS 'rows read so far, counted anew when the source is read again; of a load, rows that are committed';
COMMENT ON COLUMN pgforest.progress.rows_total IS
'rows there are; while they are read, the planner''s guess; NULL: not known yet';
COMMENT ON COLUMN pgforest.progress.trees_done IS 'trees grown so far, by all processes; of a search, on all folds; NULL for a load';
COMMENT ON COLUMN pgforest.progress.trees_total IS 'trees to be grown; NULL: not growing yet';
COMMENT ON COLUMN pgforest.progress.started_at IS 'when the training or the call began';
COMMENT ON COLUMN pgforest.progress.seconds IS 'how long it has taken so far';
COMMENT ON COLUMN pgforest.progress.seconds_left IS 'how long the phase may still take; NULL: not known';
COMMENT ON COLUMN pgforest.progress.relation IS 'table that rows are loaded into; NULL for a training';
COMMENT ON COLUMN pgforest.progress.bytes_done IS 'how far a file or URL was read, unpacked; NULL for a query, and before the first byte';
COMMENT ON COLUMN pgforest.progress.bytes_total IS 'size of a file that is not compressed; NULL: not known';

GRANT SELECT ON pgforest.progress TO PUBLIC;

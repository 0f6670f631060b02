-- Training.

-- A row of its own, since arguments and result share names.
CREATE TYPE pgforest.train_result AS (
    model     text,
    version   int,
    task      text,
    algorithm text,
    rows      bigint,
    features  int,
    metric    text,
    score     float8,
    seconds   float8,
    bytes     bigint);

COMMENT ON TYPE pgforest.train_result IS 'What ml_train returns: the version that it stored.';

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
    note      text    DEFAULT NULL)
RETURNS pgforest.train_result
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION ml_train(text, text, text, text, jsonb, text, text[], text[], text[], text, text, float8, bigint, text) IS
'Trains a model on the rows of a source and stores it as a new version.';

CREATE FUNCTION ml_parameters(
    OUT parameter     text,
    OUT type          text,
    OUT default_value jsonb,
    OUT minimum       float8,
    OUT maximum       float8,
    OUT choices       text,
    OUT description   text)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION ml_parameters() IS
'Lists the hyper-parameters that ml_train takes in params, with defaults and ranges.';

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

COMMENT ON FUNCTION ml_train(text, text, text, text, jsonb, text, text[], text[], text[], text, text, float8, bigint, text) IS
'trains a model on the rows of a source and stores it as a new version';

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
'the hyper-parameters that ml_train takes in params, with defaults and ranges';

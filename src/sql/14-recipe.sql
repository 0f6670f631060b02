-- 14-recipe.sql: recipes, which turn raw rows into clean ones.

CREATE TABLE pgforest.recipe (
    name text COLLATE "C" NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 63),
    version integer NOT NULL,
    owner name NOT NULL,
    query text NOT NULL,
    steps jsonb NOT NULL,
    document jsonb NOT NULL,
    rows bigint NOT NULL,
    made_by name NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seconds float8 NOT NULL,
    PRIMARY KEY (name, version)
);
COMMENT ON TABLE pgforest.recipe IS 'versions of recipes, each never changed once written';
COMMENT ON COLUMN pgforest.recipe.name IS 'what the calls name it by';
COMMENT ON COLUMN pgforest.recipe.version IS '1, 2, 3, ... within the name';
COMMENT ON COLUMN pgforest.recipe.owner IS 'role that first made it; its members may use it';
COMMENT ON COLUMN pgforest.recipe.query IS 'query that gave the rows that it was fitted on';
COMMENT ON COLUMN pgforest.recipe.steps IS 'steps as they were given';
COMMENT ON COLUMN pgforest.recipe.document IS 'raw columns and steps with their fitted constants; a model''s version has a copy';
COMMENT ON COLUMN pgforest.recipe.rows IS 'rows that it was fitted on';
COMMENT ON COLUMN pgforest.recipe.made_by IS 'role that made this version, and so stored the query';
COMMENT ON COLUMN pgforest.recipe.made_at IS 'when it was stored';
COMMENT ON COLUMN pgforest.recipe.seconds IS 'how long the fit took';

CREATE TABLE pgforest.version_recipe (
    model_id bigint NOT NULL,
    version integer NOT NULL,
    document jsonb NOT NULL,
    PRIMARY KEY (model_id, version)
);
COMMENT ON TABLE pgforest.version_recipe IS 'recipes that versions of models carry, for the model''s owner only, as they hold values of the rows';
COMMENT ON COLUMN pgforest.version_recipe.model_id IS 'the model';
COMMENT ON COLUMN pgforest.version_recipe.version IS 'the version';
COMMENT ON COLUMN pgforest.version_recipe.document IS 'the recipe as it was at training';

CREATE TABLE pgforest.cleaning (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target text COLLATE "C" NOT NULL,
    source text NOT NULL,
    recipe text NOT NULL,
    version integer NOT NULL,
    key text,
    rows bigint NOT NULL,
    role name NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seconds float8 NOT NULL
);
CREATE INDEX cleaning_target_idx ON pgforest.cleaning (target, id);
COMMENT ON TABLE pgforest.cleaning IS 'what ml_clean did: one row a call';
COMMENT ON COLUMN pgforest.cleaning.id IS 'number of the cleaning';
COMMENT ON COLUMN pgforest.cleaning.target IS 'table that was filled, with its schema';
COMMENT ON COLUMN pgforest.cleaning.source IS 'query that gave the raw rows';
COMMENT ON COLUMN pgforest.cleaning.recipe IS 'name of the recipe';
COMMENT ON COLUMN pgforest.cleaning.version IS 'its version';
COMMENT ON COLUMN pgforest.cleaning.key IS 'column by which new rows are told from old ones, or NULL';
COMMENT ON COLUMN pgforest.cleaning.rows IS 'rows that were added';
COMMENT ON COLUMN pgforest.cleaning.role IS 'role that did it';
COMMENT ON COLUMN pgforest.cleaning.at IS 'when';
COMMENT ON COLUMN pgforest.cleaning.seconds IS 'how long it took';

SELECT pg_extension_config_dump('pgforest.recipe', '');
SELECT pg_extension_config_dump('pgforest.version_recipe', '');
SELECT pg_extension_config_dump('pgforest.cleaning', '');
SELECT pg_extension_config_dump('pgforest.cleaning_id_seq', '');

ALTER TABLE pgforest.recipe ENABLE ROW LEVEL SECURITY;
ALTER TABLE pgforest.version_recipe ENABLE ROW LEVEL SECURITY;
ALTER TABLE pgforest.cleaning ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON pgforest.recipe FOR SELECT USING (EXISTS (
    SELECT FROM pg_catalog.pg_roles r
    WHERE r.rolname OPERATOR(pg_catalog.=) owner AND pg_catalog.pg_has_role(r.oid, 'USAGE')));
CREATE POLICY visible ON pgforest.version_recipe FOR SELECT USING (pgforest.is_owner(model_id));
CREATE POLICY visible ON pgforest.cleaning FOR SELECT USING (EXISTS (
    SELECT FROM pg_catalog.pg_roles r
    WHERE r.rolname OPERATOR(pg_catalog.=) role AND pg_catalog.pg_has_role(r.oid, 'USAGE')));

CREATE VIEW pgforest.recipes WITH (security_invoker = true) AS
    SELECT r.name, r.version, r.owner, r.rows, r.steps, r.query, r.made_by, r.made_at, r.seconds
    FROM pgforest.recipe r;
COMMENT ON VIEW pgforest.recipes IS 'the recipes you may use';
COMMENT ON COLUMN pgforest.recipes.name IS 'what the calls name it by';
COMMENT ON COLUMN pgforest.recipes.version IS '1, 2, 3, ... within the name; the name alone means the newest';
COMMENT ON COLUMN pgforest.recipes.owner IS 'role whose members may use it';
COMMENT ON COLUMN pgforest.recipes.rows IS 'rows that it was fitted on';
COMMENT ON COLUMN pgforest.recipes.steps IS 'steps as they were given';
COMMENT ON COLUMN pgforest.recipes.query IS 'query that gave the rows that it was fitted on';
COMMENT ON COLUMN pgforest.recipes.made_by IS 'role that made this version';
COMMENT ON COLUMN pgforest.recipes.made_at IS 'when it was stored';
COMMENT ON COLUMN pgforest.recipes.seconds IS 'how long the fit took';

GRANT SELECT ON pgforest.recipe, pgforest.version_recipe, pgforest.cleaning, pgforest.recipes TO PUBLIC;
GRANT SELECT ON SEQUENCE pgforest.cleaning_id_seq TO PUBLIC;

CREATE FUNCTION ml_recipe(
    name              text,
    source            text,
    steps             jsonb,
    OUT recipe        text,
    OUT version       int,
    OUT rows          bigint,
    OUT columns       int,
    OUT clean_columns int,
    OUT seconds       float8)
RETURNS record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION ml_recipe(text, text, jsonb) IS
'fits the steps that turn raw rows into clean ones on a source and stores them as a new version of a recipe';

CREATE FUNCTION ml_recipe_sql(name text, prediction boolean DEFAULT false) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION ml_recipe_sql(text, boolean) IS
'the query that a recipe stands for, over the rows that it was fitted on; or as predictions use it';

CREATE FUNCTION ml_clean(
    recipe            text,
    raw               text,
    clean             text,
    key               text DEFAULT NULL,
    OUT recipe        text,
    OUT version       int,
    OUT rows          bigint,
    OUT created       boolean,
    OUT seconds       float8)
RETURNS record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION ml_clean(text, text, text, text) IS
'cleans raw rows by a recipe into a table, which is made when it is not there; with a key, later calls add what is new';

CREATE FUNCTION ml_drop_recipe(name text) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION ml_drop_recipe(text) IS
'drops a recipe, or one version of it (name@version); versions of models keep their copies';

-- 55-move.sql: versions that go to another database, and those that came from one.

CREATE TABLE pgforest.origin (
	model_id bigint NOT NULL,
	version integer NOT NULL,
	database text,
	model text,
	number integer,
	trained_by text,
	exported_by text,
	exported_at timestamptz,
	imported_by name NOT NULL,
	imported_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	earlier jsonb,
	PRIMARY KEY (model_id, version)
);
COMMENT ON TABLE pgforest.origin IS 'where versions came from that were imported';
COMMENT ON COLUMN pgforest.origin.model_id IS 'the model';
COMMENT ON COLUMN pgforest.origin.version IS 'the version';
COMMENT ON COLUMN pgforest.origin.database IS 'database that it was exported from';
COMMENT ON COLUMN pgforest.origin.model IS 'name that the model had there';
COMMENT ON COLUMN pgforest.origin.number IS 'number that the version had there';
COMMENT ON COLUMN pgforest.origin.trained_by IS 'role that trained it, where it was trained';
COMMENT ON COLUMN pgforest.origin.exported_by IS 'role that exported it';
COMMENT ON COLUMN pgforest.origin.exported_at IS 'when it was exported';
COMMENT ON COLUMN pgforest.origin.imported_by IS 'role that imported it';
COMMENT ON COLUMN pgforest.origin.imported_at IS 'when it was imported';
COMMENT ON COLUMN pgforest.origin.earlier IS 'the same of the way before, if it was imported there, too';

SELECT pg_catalog.pg_extension_config_dump('pgforest.origin', '');
ALTER TABLE pgforest.origin ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON pgforest.origin FOR SELECT USING (pgforest.can_see(model_id));

CREATE VIEW pgforest.origins WITH (security_invoker = true) AS
	SELECT m.name AS model, o.version, o.database, o.model AS original, o.number, o.trained_by,
		o.exported_by, o.exported_at, o.imported_by, o.imported_at, o.earlier
	FROM pgforest.origin o JOIN pgforest.model m ON m.id = o.model_id;
COMMENT ON VIEW pgforest.origins IS 'where versions came from that were imported';
COMMENT ON COLUMN pgforest.origins.model IS 'name of the model';
COMMENT ON COLUMN pgforest.origins.version IS 'the version';
COMMENT ON COLUMN pgforest.origins.database IS 'database that it was exported from';
COMMENT ON COLUMN pgforest.origins.original IS 'name that the model had there';
COMMENT ON COLUMN pgforest.origins.number IS 'number that the version had there';
COMMENT ON COLUMN pgforest.origins.trained_by IS 'role that trained it, where it was trained';
COMMENT ON COLUMN pgforest.origins.exported_by IS 'role that exported it';
COMMENT ON COLUMN pgforest.origins.exported_at IS 'when it was exported';
COMMENT ON COLUMN pgforest.origins.imported_by IS 'role that imported it';
COMMENT ON COLUMN pgforest.origins.imported_at IS 'when it was imported';
COMMENT ON COLUMN pgforest.origins.earlier IS 'the same of the way before, if it was imported there, too';

GRANT SELECT ON pgforest.origin, pgforest.origins TO PUBLIC;

CREATE FUNCTION @extschema@.ml_export(model text)
	RETURNS bytea AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ml_export(text) IS
	'a version as bytes that ml_import takes in another database: the model and all that is known of it';

CREATE FUNCTION @extschema@.ml_import(
	data bytea,
	name text DEFAULT NULL,
	note text DEFAULT NULL,
	OUT model text,
	OUT version integer,
	OUT task text,
	OUT algorithm text,
	OUT features integer,
	OUT bytes bigint,
	OUT sha256 text)
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ml_import(bytea, text, text) IS
	'stores an exported version: of a new model, or as the next version of one with the same target and features';

-- 13-describe.sql: rows before they are used: which part of a split they belong to, and what
-- is in them.
--
-- ml_split is one C function that asks which overload it was called by.  smallint and integer
-- widen to bigint, varchar and char to text, and hash as these.  There is one for timestamp
-- as well, as its cast to timestamptz would depend on the session's time zone.

CREATE FUNCTION @extschema@.ml_split(key bigint, train float8 DEFAULT 0.7,
									 validation float8 DEFAULT 0.15, salt text DEFAULT '')
	RETURNS text AS 'MODULE_PATHNAME', 'ml_split' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.ml_split(bigint, float8, float8, text) IS
	'train, validation or test, by the hash of an integer key: the test rows are those that ml_train holds out';

CREATE FUNCTION @extschema@.ml_split(key text, train float8 DEFAULT 0.7,
									 validation float8 DEFAULT 0.15, salt text DEFAULT '')
	RETURNS text AS 'MODULE_PATHNAME', 'ml_split' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.ml_split(text, float8, float8, text) IS
	'train, validation or test, by the hash of a text key: the test rows are those that ml_train holds out';

CREATE FUNCTION @extschema@.ml_split(key uuid, train float8 DEFAULT 0.7,
									 validation float8 DEFAULT 0.15, salt text DEFAULT '')
	RETURNS text AS 'MODULE_PATHNAME', 'ml_split' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.ml_split(uuid, float8, float8, text) IS
	'train, validation or test, by the hash of a uuid: the test rows are those that ml_train holds out';

CREATE FUNCTION @extschema@.ml_split(key date, train float8 DEFAULT 0.7,
									 validation float8 DEFAULT 0.15, salt text DEFAULT '')
	RETURNS text AS 'MODULE_PATHNAME', 'ml_split' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.ml_split(date, float8, float8, text) IS
	'train, validation or test, by the hash of a date: the test rows are those that ml_train holds out';

CREATE FUNCTION @extschema@.ml_split(key timestamp, train float8 DEFAULT 0.7,
									 validation float8 DEFAULT 0.15, salt text DEFAULT '')
	RETURNS text AS 'MODULE_PATHNAME', 'ml_split' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.ml_split(timestamp, float8, float8, text) IS
	'train, validation or test, by the hash of a timestamp: the test rows are those that ml_train holds out';

CREATE FUNCTION @extschema@.ml_split(key timestamptz, train float8 DEFAULT 0.7,
									 validation float8 DEFAULT 0.15, salt text DEFAULT '')
	RETURNS text AS 'MODULE_PATHNAME', 'ml_split' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.ml_split(timestamptz, float8, float8, text) IS
	'train, validation or test, by the hash of a timestamp with time zone: the test rows are those that ml_train holds out';

-- What ml_describe keeps of a column: an aggregate, so that PostgreSQL reads the rows in parallel.

CREATE FUNCTION pgforest.describe_add(internal, "any", integer) RETURNS internal
	AS 'MODULE_PATHNAME', 'pf_describe_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION pgforest.describe_add(internal, "any", integer) IS
	'transition function of pgforest.describe_column';

CREATE FUNCTION pgforest.describe_merge(internal, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'pf_describe_merge' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION pgforest.describe_merge(internal, internal) IS
	'combine function of pgforest.describe_column';

CREATE FUNCTION pgforest.describe_write(internal) RETURNS bytea
	AS 'MODULE_PATHNAME', 'pf_describe_write' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION pgforest.describe_write(internal) IS
	'serialization and final function of pgforest.describe_column';

CREATE FUNCTION pgforest.describe_read(bytea, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'pf_describe_read' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pgforest.describe_read(bytea, internal) IS
	'deserialization function of pgforest.describe_column';

CREATE AGGREGATE pgforest.describe_column("any", integer) (
	SFUNC = pgforest.describe_add,
	STYPE = internal,
	SSPACE = 65536,
	FINALFUNC = pgforest.describe_write,
	COMBINEFUNC = pgforest.describe_merge,
	SERIALFUNC = pgforest.describe_write,
	DESERIALFUNC = pgforest.describe_read,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE pgforest.describe_column("any", integer) IS
	'sketch of a column (used by ml_describe)';

CREATE FUNCTION @extschema@.ml_describe(source text)
	RETURNS TABLE (column_name text, type text, rows bigint, missing bigint, distinct_values bigint,
				   min text, max text, mean float8, sd float8, quantiles text[],
				   frequent text[], frequent_rows bigint[], histogram text)
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL UNSAFE ROWS 20;
COMMENT ON FUNCTION @extschema@.ml_describe(text) IS
	'what is in the columns of a source: counts, smallest and greatest, mean, quantiles at 5, 25, 50, 75 and 95 %, most frequent values, a histogram';

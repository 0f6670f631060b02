-- 50-promote.sql: which version answers.

CREATE FUNCTION @extschema@.ml_promote(
	model text,
	version integer DEFAULT NULL,
	alias text DEFAULT 'production',
	metric text DEFAULT NULL,
	threshold float8 DEFAULT NULL,
	max_regression float8 DEFAULT NULL,
	min_rows bigint DEFAULT NULL,
	by text[] DEFAULT NULL,
	source text DEFAULT NULL,
	note text DEFAULT NULL,
	candidates integer[] DEFAULT NULL,
	confidence float8 DEFAULT NULL,
	OUT model text,
	OUT version integer,
	OUT previous integer,
	OUT promoted boolean,
	OUT reason text,
	OUT score float8,
	OUT previous_score float8,
	OUT rows bigint)
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ml_promote(text, integer, text, text, float8, float8, bigint, text[], text, text, integer[], float8) IS
	'lets an alias name a version, or the best one if it beats the one there on the same rows and all conditions hold';

CREATE FUNCTION @extschema@.ml_rollback(
	model text,
	alias text DEFAULT 'production',
	OUT model text,
	OUT version integer,
	OUT previous integer,
	OUT promoted boolean,
	OUT reason text,
	OUT score float8,
	OUT previous_score float8,
	OUT rows bigint)
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ml_rollback(text, text) IS
	'lets an alias name the version again that it named before the last move';

CREATE FUNCTION @extschema@.ml_compare(
	model text,
	v1 integer,
	v2 integer,
	source text DEFAULT NULL,
	confidence float8 DEFAULT 0.95,
	resamples integer DEFAULT 1000)
	RETURNS TABLE (kind text, name text, first text, second text, difference float8,
				   low float8, high float8, better integer)
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL UNSAFE ROWS 30;
COMMENT ON FUNCTION @extschema@.ml_compare(text, integer, integer, text, float8, integer) IS
	'two versions side by side: parameters, and metrics on the same rows with the interval of their difference';

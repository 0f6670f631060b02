-- 60-rights.sql: rights on a model, and its end.

CREATE FUNCTION @extschema@.ml_grant(model text, role pg_catalog.regrole, privilege text)
	RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ml_grant(text, pg_catalog.regrole, text) IS
	'gives a role a right on a model: predict, train, promote or all';

CREATE FUNCTION @extschema@.ml_revoke(model text, role pg_catalog.regrole, privilege text)
	RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ml_revoke(text, pg_catalog.regrole, text) IS
	'takes a right on a model from a role: predict, train, promote or all';

CREATE FUNCTION @extschema@.ml_drop(model text)
	RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ml_drop(text) IS
	'drops a model with all its versions, or one version of it (''pulsar@3'')';

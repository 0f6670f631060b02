-- 12-ingest.sql: loading raw rows in batches; what was loaded and what was refused.

-- ---------------------------------------------------------------------
-- The ledger.  A batch and its row here commit together, so a call that comes later knows
-- exactly what is in the table already.
-- ---------------------------------------------------------------------

CREATE TABLE pgforest.batch (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	stream text COLLATE "C" NOT NULL,
	load integer NOT NULL,
	number integer NOT NULL,
	target text NOT NULL,
	source text NOT NULL,
	order_by text,
	columns text[] NOT NULL,
	rows bigint NOT NULL,
	rejected bigint NOT NULL,
	start_byte bigint,
	end_byte bigint,
	end_line bigint,
	start_key text,
	end_key text,
	sha256 bytea NOT NULL,
	role name NOT NULL,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	UNIQUE (stream, load, number)
);
COMMENT ON TABLE pgforest.batch IS 'the ledger of ml_ingest: a row for each batch, committed together with the batch';
COMMENT ON COLUMN pgforest.batch.id IS 'number of the batch among all';
COMMENT ON COLUMN pgforest.batch.stream IS 'hash of target and source, by which a call finds where it left off';
COMMENT ON COLUMN pgforest.batch.load IS '1; 2, 3, ... where a load was begun anew with restart';
COMMENT ON COLUMN pgforest.batch.number IS '1, 2, 3, ... within the load';
COMMENT ON COLUMN pgforest.batch.target IS 'table that was loaded';
COMMENT ON COLUMN pgforest.batch.source IS 'file, URL (without what follows a question mark), relation or query that the rows came from';
COMMENT ON COLUMN pgforest.batch.order_by IS 'column of a query by which it was read; NULL: not a query, or read whole';
COMMENT ON COLUMN pgforest.batch.columns IS 'columns of the target that were filled, in the order of the source';
COMMENT ON COLUMN pgforest.batch.rows IS 'rows that came into the target';
COMMENT ON COLUMN pgforest.batch.rejected IS 'records that were refused; they are in pgforest.reject';
COMMENT ON COLUMN pgforest.batch.start_byte IS 'where it begins in a file or URL, after decompression, counted from 0';
COMMENT ON COLUMN pgforest.batch.end_byte IS 'first byte after it';
COMMENT ON COLUMN pgforest.batch.end_line IS 'lines of the source up to its end';
COMMENT ON COLUMN pgforest.batch.start_key IS 'first value of order_by in it';
COMMENT ON COLUMN pgforest.batch.end_key IS 'last value of order_by in it';
COMMENT ON COLUMN pgforest.batch.sha256 IS 'SHA-256 of its bytes; of rows of a query the sum of the hashes of all';
COMMENT ON COLUMN pgforest.batch.role IS 'role that loaded it';
COMMENT ON COLUMN pgforest.batch.at IS 'when';

CREATE TABLE pgforest.reject (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	batch_id bigint NOT NULL,
	line bigint,
	start_byte bigint,
	bytes bigint NOT NULL,
	text text NOT NULL,
	sqlstate text NOT NULL,
	reason text NOT NULL,
	role name NOT NULL
);
CREATE INDEX reject_batch_id_idx ON pgforest.reject (batch_id);
COMMENT ON TABLE pgforest.reject IS 'records that ml_ingest refused with on_error => ''reject''';
COMMENT ON COLUMN pgforest.reject.id IS 'number of the record among all that were refused';
COMMENT ON COLUMN pgforest.reject.batch_id IS 'batch that it would have belonged to';
COMMENT ON COLUMN pgforest.reject.line IS 'line of the source that it begins on, counted from 1; NULL for a row of a query';
COMMENT ON COLUMN pgforest.reject.start_byte IS 'where it begins in the source; NULL for a row of a query';
COMMENT ON COLUMN pgforest.reject.bytes IS 'its length in the source';
COMMENT ON COLUMN pgforest.reject.text IS 'the record without its line end; a byte that is no text here as \xNN; cut after 1 MB';
COMMENT ON COLUMN pgforest.reject.sqlstate IS 'SQLSTATE of the error';
COMMENT ON COLUMN pgforest.reject.reason IS 'its message, and the column where known';
COMMENT ON COLUMN pgforest.reject.role IS 'role that loaded';

SELECT pg_catalog.pg_extension_config_dump('pgforest.batch', '');
SELECT pg_catalog.pg_extension_config_dump('pgforest.batch_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('pgforest.reject', '');
SELECT pg_catalog.pg_extension_config_dump('pgforest.reject_id_seq', '');

-- What a role has loaded is seen by it and by those who have its rights: a source may have a
-- secret in it, and a refused record is data that the target's rules never saw.
ALTER TABLE pgforest.batch ENABLE ROW LEVEL SECURITY;
ALTER TABLE pgforest.reject ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON pgforest.batch FOR SELECT
	USING (role = CURRENT_USER OR EXISTS (SELECT FROM pg_catalog.pg_roles r
		WHERE r.rolname = batch.role AND pg_catalog.pg_has_role(r.oid, 'USAGE')));
CREATE POLICY visible ON pgforest.reject FOR SELECT
	USING (role = CURRENT_USER OR EXISTS (SELECT FROM pg_catalog.pg_roles r
		WHERE r.rolname = reject.role AND pg_catalog.pg_has_role(r.oid, 'USAGE')));
GRANT SELECT ON pgforest.batch, pgforest.reject TO PUBLIC;
GRANT SELECT ON SEQUENCE pgforest.batch_id_seq, pgforest.reject_id_seq TO PUBLIC;

-- ---------------------------------------------------------------------
-- The call
-- ---------------------------------------------------------------------

CREATE PROCEDURE @extschema@.ml_ingest(
    target       text,
    source       text,
    batch_size   int     DEFAULT 15000,
    max_batches  int     DEFAULT NULL,
    order_by     text    DEFAULT NULL,
    format       jsonb   DEFAULT '{}',
    on_error     text    DEFAULT 'stop',
    create_table boolean DEFAULT false,
    restart      boolean DEFAULT false)
AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON PROCEDURE @extschema@.ml_ingest(text, text, int, int, text, jsonb, text, boolean, boolean) IS
	'loads a file, URL, relation or query into a table in batches that commit one by one, and goes on where it left off';

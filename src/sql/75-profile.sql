-- 75-profile.sql: what rows are like, and whether others are still like them.

CREATE TABLE pgforest.baseline (
	model_id bigint NOT NULL,
	version integer NOT NULL,
	profile bytea NOT NULL,
	PRIMARY KEY (model_id, version)
);
COMMENT ON TABLE pgforest.baseline IS 'what the rows of each training were like (ml_profile shows it as rows)';
COMMENT ON COLUMN pgforest.baseline.model_id IS 'the model';
COMMENT ON COLUMN pgforest.baseline.version IS 'the version';
COMMENT ON COLUMN pgforest.baseline.profile IS 'counts by cell of features, prediction and target, and the cells';

SELECT pg_catalog.pg_extension_config_dump('pgforest.baseline', '');
ALTER TABLE pgforest.baseline ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON pgforest.baseline FOR SELECT USING (pgforest.can_see(model_id));
GRANT SELECT ON pgforest.baseline TO PUBLIC;

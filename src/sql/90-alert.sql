-- 90-alert.sql: alerts, whom they are told to, and how that went.
--
-- Row security as in 10-schema.sql: an alert is seen by who may use its model and by who raised it, a
-- target with its deliveries by who has its owner's rights.  A target's URL, headers and secret are
-- keys to somebody else's system: they have a table of their own, of which row security
-- shows nobody a row.

CREATE TABLE pgforest.alert (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	event text NOT NULL,
	severity text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
	key text COLLATE "C" NOT NULL,
	title text NOT NULL,
	model_id bigint,
	model text,
	version integer,
	monitor text,
	pipeline text,
	details jsonb,
	count bigint NOT NULL DEFAULT 1,
	raised_by name NOT NULL,
	raised_at timestamptz NOT NULL,
	last_at timestamptz NOT NULL,
	told_at timestamptz,
	acknowledged_by name,
	acknowledged_at timestamptz,
	resolved_by name,
	resolved_at timestamptz
);
CREATE UNIQUE INDEX alert_open_idx ON pgforest.alert (key) WHERE resolved_at IS NULL;
CREATE INDEX alert_key_idx ON pgforest.alert (key, told_at);
COMMENT ON TABLE pgforest.alert IS 'alerts: each from the time it was raised first until it is resolved';
COMMENT ON COLUMN pgforest.alert.id IS 'number of the alert';
COMMENT ON COLUMN pgforest.alert.event IS 'what happened: drift, quality, metric, rows, run_failed or custom';
COMMENT ON COLUMN pgforest.alert.severity IS 'info, warning or critical; the worst since it is open';
COMMENT ON COLUMN pgforest.alert.key IS 'what makes it one alert: at most one with a key is open';
COMMENT ON COLUMN pgforest.alert.title IS 'what happened, in a line';
COMMENT ON COLUMN pgforest.alert.model_id IS 'the model; it may have been dropped since';
COMMENT ON COLUMN pgforest.alert.model IS 'name of the model, if it is about one';
COMMENT ON COLUMN pgforest.alert.version IS 'version, if it is about one';
COMMENT ON COLUMN pgforest.alert.monitor IS 'monitor that raised it';
COMMENT ON COLUMN pgforest.alert.pipeline IS 'pipeline that raised it';
COMMENT ON COLUMN pgforest.alert.details IS 'figures, as of the last time';
COMMENT ON COLUMN pgforest.alert.count IS 'how often it was raised';
COMMENT ON COLUMN pgforest.alert.raised_by IS 'role that raised it first';
COMMENT ON COLUMN pgforest.alert.raised_at IS 'when it was raised first';
COMMENT ON COLUMN pgforest.alert.last_at IS 'when it was raised last';
COMMENT ON COLUMN pgforest.alert.told_at IS 'when it was told last; NULL: not, for that key was told shortly before';
COMMENT ON COLUMN pgforest.alert.acknowledged_by IS 'role that has taken note of it';
COMMENT ON COLUMN pgforest.alert.acknowledged_at IS 'when; from then on it is not told again until it is resolved or more severe';
COMMENT ON COLUMN pgforest.alert.resolved_by IS 'role that resolved it';
COMMENT ON COLUMN pgforest.alert.resolved_at IS 'when; NULL: it is open';

CREATE TABLE pgforest.alert_target (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	owner name NOT NULL,
	origin text NOT NULL,
	events text[] NOT NULL,
	template text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE pgforest.alert_target IS 'whom alerts are sent to (ml_alert_to)';
COMMENT ON COLUMN pgforest.alert_target.id IS 'number of the target';
COMMENT ON COLUMN pgforest.alert_target.owner IS 'role that added it; it is told what that role may see';
COMMENT ON COLUMN pgforest.alert_target.origin IS 'scheme, host and port of its URL';
COMMENT ON COLUMN pgforest.alert_target.events IS 'events that it wants to be told of';
COMMENT ON COLUMN pgforest.alert_target.template IS 'form of the messages: json or slack';
COMMENT ON COLUMN pgforest.alert_target.created_at IS 'when it was added';

CREATE TABLE pgforest.alert_secret (
	target_id bigint PRIMARY KEY,
	url text NOT NULL,
	headers text[] NOT NULL,
	secret text
);
COMMENT ON TABLE pgforest.alert_secret IS 'what nobody may read of the targets';
COMMENT ON COLUMN pgforest.alert_secret.target_id IS 'the target';
COMMENT ON COLUMN pgforest.alert_secret.url IS 'where messages are posted to';
COMMENT ON COLUMN pgforest.alert_secret.headers IS 'headers that are sent along';
COMMENT ON COLUMN pgforest.alert_secret.secret IS 'key that messages are signed with, or NULL';

CREATE TABLE pgforest.outbox (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	target_id bigint NOT NULL,
	alert_id bigint,
	event text NOT NULL,
	payload jsonb NOT NULL,
	created_at timestamptz NOT NULL,
	attempts integer NOT NULL DEFAULT 0,
	next_at timestamptz NOT NULL,
	leased_until timestamptz,
	failed_at timestamptz
);
CREATE INDEX outbox_target_id_idx ON pgforest.outbox (target_id, id) WHERE failed_at IS NULL;
COMMENT ON TABLE pgforest.outbox IS 'messages that are still to be delivered, in order for each target';
COMMENT ON COLUMN pgforest.outbox.id IS 'number of the message';
COMMENT ON COLUMN pgforest.outbox.target_id IS 'whom it is for';
COMMENT ON COLUMN pgforest.outbox.alert_id IS 'alert that it tells of; NULL: an event';
COMMENT ON COLUMN pgforest.outbox.event IS 'what happened';
COMMENT ON COLUMN pgforest.outbox.payload IS 'what there is to tell';
COMMENT ON COLUMN pgforest.outbox.created_at IS 'when it happened';
COMMENT ON COLUMN pgforest.outbox.attempts IS 'how often delivery was tried';
COMMENT ON COLUMN pgforest.outbox.next_at IS 'not to be tried before';
COMMENT ON COLUMN pgforest.outbox.leased_until IS 'a sender has it until then';
COMMENT ON COLUMN pgforest.outbox.failed_at IS 'when it was given up; NULL: it is still tried';

CREATE TABLE pgforest.delivery (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	message_id bigint NOT NULL,
	target_id bigint NOT NULL,
	alert_id bigint,
	event text NOT NULL,
	attempt integer NOT NULL,
	role name NOT NULL,
	started_at timestamptz NOT NULL,
	seconds float8,
	delivered boolean,
	status integer,
	error text,
	answer text
);
CREATE INDEX delivery_message_id_idx ON pgforest.delivery (message_id);
CREATE INDEX delivery_started_at_idx ON pgforest.delivery (started_at);
COMMENT ON TABLE pgforest.delivery IS 'log of all attempts to deliver a message';
COMMENT ON COLUMN pgforest.delivery.id IS 'number of the attempt';
COMMENT ON COLUMN pgforest.delivery.message_id IS 'the message, as in the outbox and in its header X-Pgforest-Message';
COMMENT ON COLUMN pgforest.delivery.target_id IS 'whom it was for';
COMMENT ON COLUMN pgforest.delivery.alert_id IS 'alert that it tells of; NULL: an event';
COMMENT ON COLUMN pgforest.delivery.event IS 'what happened';
COMMENT ON COLUMN pgforest.delivery.attempt IS '1, 2, 3, ... for each message';
COMMENT ON COLUMN pgforest.delivery.role IS 'role that sent it';
COMMENT ON COLUMN pgforest.delivery.started_at IS 'when the attempt began';
COMMENT ON COLUMN pgforest.delivery.seconds IS 'how long it took; NULL: under way, or the sender was killed';
COMMENT ON COLUMN pgforest.delivery.delivered IS 'did the target take it; NULL: under way, or the sender was killed';
COMMENT ON COLUMN pgforest.delivery.status IS 'HTTP status of the answer, if there was one';
COMMENT ON COLUMN pgforest.delivery.error IS 'what went wrong';
COMMENT ON COLUMN pgforest.delivery.answer IS 'first bytes of an answer that was no success';

SELECT pg_catalog.pg_extension_config_dump('pgforest.alert', '');
SELECT pg_catalog.pg_extension_config_dump('pgforest.alert_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('pgforest.alert_target', '');
SELECT pg_catalog.pg_extension_config_dump('pgforest.alert_target_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('pgforest.alert_secret', '');
SELECT pg_catalog.pg_extension_config_dump('pgforest.outbox', '');
SELECT pg_catalog.pg_extension_config_dump('pgforest.outbox_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('pgforest.delivery', '');
SELECT pg_catalog.pg_extension_config_dump('pgforest.delivery_id_seq', '');

ALTER TABLE pgforest.alert ENABLE ROW LEVEL SECURITY;
ALTER TABLE pgforest.alert_target ENABLE ROW LEVEL SECURITY;
ALTER TABLE pgforest.alert_secret ENABLE ROW LEVEL SECURITY;
ALTER TABLE pgforest.outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE pgforest.delivery ENABLE ROW LEVEL SECURITY;

CREATE POLICY visible ON pgforest.alert FOR SELECT
	USING (pgforest.is_member(raised_by) OR pgforest.can_see(model_id));
CREATE POLICY visible ON pgforest.alert_target FOR SELECT USING (pgforest.is_member(owner));
CREATE POLICY visible ON pgforest.alert_secret FOR SELECT USING (false);
CREATE POLICY visible ON pgforest.outbox FOR SELECT
	USING (EXISTS (SELECT FROM pgforest.alert_target t WHERE t.id OPERATOR(pg_catalog.=) target_id));
CREATE POLICY visible ON pgforest.delivery FOR SELECT
	USING (EXISTS (SELECT FROM pgforest.alert_target t WHERE t.id OPERATOR(pg_catalog.=) target_id));

CREATE VIEW pgforest.alerts WITH (security_invoker = true) AS
	SELECT a.id, a.event, a.severity,
		CASE WHEN a.resolved_at IS NOT NULL THEN 'resolved'
			WHEN a.acknowledged_at IS NOT NULL THEN 'acknowledged' ELSE 'open' END AS state,
		a.title, a.model, a.version, a.monitor, a.pipeline, a.details, a.count, a.raised_by,
		a.raised_at, a.last_at, a.acknowledged_by, a.acknowledged_at, a.resolved_by, a.resolved_at,
		a.key
	FROM pgforest.alert a;
COMMENT ON VIEW pgforest.alerts IS 'the alerts that you may see, open and resolved';
COMMENT ON COLUMN pgforest.alerts.id IS 'number of the alert';
COMMENT ON COLUMN pgforest.alerts.event IS 'what happened: drift, quality, metric, rows, run_failed or custom';
COMMENT ON COLUMN pgforest.alerts.severity IS 'info, warning or critical; the worst since it is open';
COMMENT ON COLUMN pgforest.alerts.state IS 'open, acknowledged or resolved';
COMMENT ON COLUMN pgforest.alerts.title IS 'what happened, in a line';
COMMENT ON COLUMN pgforest.alerts.model IS 'name of the model, if it is about one';
COMMENT ON COLUMN pgforest.alerts.version IS 'version, if it is about one';
COMMENT ON COLUMN pgforest.alerts.monitor IS 'monitor that raised it';
COMMENT ON COLUMN pgforest.alerts.pipeline IS 'pipeline that raised it';
COMMENT ON COLUMN pgforest.alerts.details IS 'figures, as of the last time';
COMMENT ON COLUMN pgforest.alerts.count IS 'how often it was raised';
COMMENT ON COLUMN pgforest.alerts.raised_by IS 'role that raised it first';
COMMENT ON COLUMN pgforest.alerts.raised_at IS 'when it was raised first';
COMMENT ON COLUMN pgforest.alerts.last_at IS 'when it was raised last';
COMMENT ON COLUMN pgforest.alerts.acknowledged_by IS 'role that has taken note of it';
COMMENT ON COLUMN pgforest.alerts.acknowledged_at IS 'when';
COMMENT ON COLUMN pgforest.alerts.resolved_by IS 'role that resolved it';
COMMENT ON COLUMN pgforest.alerts.resolved_at IS 'when';
COMMENT ON COLUMN pgforest.alerts.key IS 'what makes it one alert: at most one with a key is open';

CREATE VIEW pgforest.alert_targets WITH (security_invoker = true) AS
	SELECT t.id, t.owner, t.origin, t.events, t.template, t.created_at,
		(SELECT count(*) FROM pgforest.outbox o
		 WHERE o.target_id = t.id AND o.failed_at IS NULL) AS waiting,
		(SELECT count(*) FROM pgforest.outbox o
		 WHERE o.target_id = t.id AND o.failed_at IS NOT NULL) AS failed,
		(SELECT max(d.started_at) FROM pgforest.delivery d
		 WHERE d.target_id = t.id AND d.delivered) AS delivered_at
	FROM pgforest.alert_target t;
COMMENT ON VIEW pgforest.alert_targets IS 'whom your alerts are sent to, and what waits for them';
COMMENT ON COLUMN pgforest.alert_targets.id IS 'number of the target';
COMMENT ON COLUMN pgforest.alert_targets.owner IS 'role that added it';
COMMENT ON COLUMN pgforest.alert_targets.origin IS 'scheme, host and port of its URL';
COMMENT ON COLUMN pgforest.alert_targets.events IS 'events that it wants to be told of';
COMMENT ON COLUMN pgforest.alert_targets.template IS 'form of the messages: json or slack';
COMMENT ON COLUMN pgforest.alert_targets.created_at IS 'when it was added';
COMMENT ON COLUMN pgforest.alert_targets.waiting IS 'messages that wait to be delivered';
COMMENT ON COLUMN pgforest.alert_targets.failed IS 'messages that were given up';
COMMENT ON COLUMN pgforest.alert_targets.delivered_at IS 'when the last message was delivered';

CREATE VIEW pgforest.deliveries WITH (security_invoker = true) AS
	SELECT d.id, d.message_id, d.target_id, t.origin, d.alert_id, d.event, d.attempt, d.role,
		d.started_at, d.seconds, d.delivered, d.status, d.error, d.answer
	FROM pgforest.delivery d JOIN pgforest.alert_target t ON t.id = d.target_id;
COMMENT ON VIEW pgforest.deliveries IS 'log of all attempts to deliver a message to your targets';
COMMENT ON COLUMN pgforest.deliveries.id IS 'number of the attempt';
COMMENT ON COLUMN pgforest.deliveries.message_id IS 'the message, as in the outbox and in its header X-Pgforest-Message';
COMMENT ON COLUMN pgforest.deliveries.target_id IS 'whom it was for';
COMMENT ON COLUMN pgforest.deliveries.origin IS 'scheme, host and port of the target';
COMMENT ON COLUMN pgforest.deliveries.alert_id IS 'alert that it tells of; NULL: an event';
COMMENT ON COLUMN pgforest.deliveries.event IS 'what happened';
COMMENT ON COLUMN pgforest.deliveries.attempt IS '1, 2, 3, ... for each message';
COMMENT ON COLUMN pgforest.deliveries.role IS 'role that sent it';
COMMENT ON COLUMN pgforest.deliveries.started_at IS 'when the attempt began';
COMMENT ON COLUMN pgforest.deliveries.seconds IS 'how long it took; NULL: under way, or the sender was killed';
COMMENT ON COLUMN pgforest.deliveries.delivered IS 'did the target take it; NULL: under way, or the sender was killed';
COMMENT ON COLUMN pgforest.deliveries.status IS 'HTTP status of the answer, if there was one';
COMMENT ON COLUMN pgforest.deliveries.error IS 'what went wrong';
COMMENT ON COLUMN pgforest.deliveries.answer IS 'first bytes of an answer that was no success';

GRANT SELECT ON pgforest.alert, pgforest.alert_target, pgforest.alert_secret, pgforest.outbox,
	pgforest.delivery, pgforest.alerts, pgforest.alert_targets, pgforest.deliveries TO PUBLIC;
GRANT SELECT ON SEQUENCE pgforest.alert_id_seq, pgforest.alert_target_id_seq, pgforest.outbox_id_seq,
	pgforest.delivery_id_seq TO PUBLIC;

-- ---------------------------------------------------------------------
-- Functions
-- ---------------------------------------------------------------------

CREATE FUNCTION @extschema@.ml_alert_to(
	url text,
	events text[] DEFAULT NULL,
	headers jsonb DEFAULT NULL,
	secret text DEFAULT NULL,
	template text DEFAULT 'json')
	RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ml_alert_to(text, text[], jsonb, text, text) IS
	'adds a URL that alerts and other events are posted to; returns the target''s number';

CREATE FUNCTION @extschema@.ml_alert_remove(target bigint)
	RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ml_alert_remove(bigint) IS
	'removes a target with all that waits for it and its log';

CREATE FUNCTION @extschema@.ml_alert_raise(
	key text,
	title text,
	severity text DEFAULT 'warning',
	model text DEFAULT NULL,
	details jsonb DEFAULT NULL)
	RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ml_alert_raise(text, text, text, text, jsonb) IS
	'raises an alert of your own; while it is open the same key raises the same alert; returns its number';

CREATE FUNCTION @extschema@.ml_alert_acknowledge(alert bigint)
	RETURNS boolean AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ml_alert_acknowledge(bigint) IS
	'takes note of an alert, which is then not told again; false when it was so already';

CREATE FUNCTION @extschema@.ml_alert_resolve(alert bigint)
	RETURNS boolean AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ml_alert_resolve(bigint) IS
	'resolves an alert; false when it was so already';

CREATE PROCEDURE @extschema@.ml_deliver_alerts(
	INOUT delivered bigint DEFAULT NULL,
	INOUT failed bigint DEFAULT NULL)
	AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON PROCEDURE @extschema@.ml_deliver_alerts(bigint, bigint) IS
	'sends the messages that wait in the outbox and are due, each in transactions of its own';

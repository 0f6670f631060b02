-- Alerts as rows: raised, counted, told, answered; targets and the URLs they may have.  What is
-- sent is tested by test/t/014_alerts.pl.
CREATE SCHEMA regress_alerts;
SET search_path = regress_alerts, public;
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_ml_ann, regress_ml_bob;
RESET client_min_messages;
CREATE ROLE regress_ml_ann;
CREATE ROLE regress_ml_bob;
GRANT USAGE ON SCHEMA regress_alerts TO PUBLIC;

-- ----- which URLs are allowed -----

-- None, to begin with.
SET pgforest.url_allowed = '';
SELECT ml_alert_to('https://example.org/hook');
-- What is no prefix is not taken.
SET pgforest.url_allowed = 'ftp://example.org';
SET pgforest.url_allowed = 'https://example.org, https://user:pw@example.org/x';
SET pgforest.url_allowed = 'https://example.org/a?b';
SET pgforest.url_allowed = 'https://example.org/a/../b';
SET pgforest.url_allowed = 'example.org';
-- Only a superuser says so.
SET ROLE regress_ml_ann;
SET pgforest.url_allowed = 'https://example.org';
RESET ROLE;

SET pgforest.url_allowed = 'https://Example.org/hooks, http://localhost:8080
    https://[::1]/,https://dir.example.org/a/';
CREATE FUNCTION try(url text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
    detail text;
BEGIN
    PERFORM ml_alert_remove(ml_alert_to(url));
    RETURN 'allowed';
EXCEPTION WHEN insufficient_privilege OR invalid_parameter_value THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
    RETURN CASE WHEN message LIKE '%not allowed' THEN 'not allowed' ELSE detail END;
END $$;
SELECT url, try(url) FROM unnest(ARRAY[
    'https://example.org/hooks', 'https://example.org/hooks/', 'https://example.org/hooks/a/b?c=d#e', 'HTTPS://EXAMPLE.ORG:443/hooks',
    'http://localhost:8080', 'http://localhost:8080/any', 'https://[::1]/x', 'https://dir.example.org/a/b',
    'https://example.org/hooks2', 'https://example.org/', 'https://example.org', 'https://example.org/Hooks', 'http://example.org/hooks',
    'https://example.org:444/hooks', 'https://example.org.evil.example/hooks', 'https://www.example.org/hooks', 'https://dir.example.org/a',
    'http://localhost/', 'http://localhost:80800/', 'http://localhost:8080.evil.example/', 'http://localhost.:8080/', 'http://127.0.0.1:8080/',
    'https://example.org@evil.example/hooks', 'https://user:pw@example.org/hooks', 'https://evil.example/#@example.org/hooks', 'https://evil.example?https://example.org/hooks',
    'https://example.org\@evil.example/hooks', 'https://evil.example\example.org/hooks', 'https://example.org/hooks/../x', 'https://example.org/hooks/%2e%2e/x',
    'https://example.org/hooks/.%2E/x', 'https://example.org/hooks/%252e%252e/x', 'https://example.org/hooks/..%2fx', 'https://example.org/hooks/..%5cx', 'https://example.org/hooks/..;/x',
    'https://example.org/hooks/..%00/x', 'https://example.org/hooks/%00/../x', 'https://example.org/hooks/%2500/../x',
    'https://example.org/hooks/%c0%ae%c0%ae/x', 'https://example.org/hooks/%C3%A9', 'https://example.org/hooks/./x', 'https://example.org/hooks/...', 'https://example.org/hooks/a..b', 'https://example.org/hooks/%', 'https://example.org/hooks/%zz',
    'https://example.org/ho oks', E'https://example.org/hooks\n', E'https://example.org/hooks\r\nX: y', 'https://example%2eorg/hooks',
    'https:///hooks', 'https://', 'https:example.org/hooks', '//example.org/hooks', 'file:///etc/passwd', 'gopher://example.org/hooks', ' https://example.org/hooks', '',
    'http://localhost:/', 'http://localhost:0/', 'http://localhost:8080a/', 'http://localhost:-1/', 'https://[::1', 'https://[::1]x/', 'https://..example.org/']) WITH ORDINALITY AS u (url, place) ORDER BY place;
SELECT try('https://example.org/hooks/' || repeat('x', 9000));

-- ----- targets -----

SET ROLE regress_ml_ann;
SELECT ml_alert_to(NULL);
SELECT ml_alert_to('https://example.org/hooks', '{drift,drifts,NULL}');
SELECT ml_alert_to('https://example.org/hooks', '{}');
SELECT ml_alert_to('https://example.org/hooks', template => 'xml');
SELECT ml_alert_to('https://example.org/hooks', template => NULL);
SELECT ml_alert_to('https://example.org/hooks', secret => '');
SELECT ml_alert_to('https://example.org/hooks', headers => '["a"]');
SELECT ml_alert_to('https://example.org/hooks', headers => '{"X-A": "b", "Host": "c", "X-Pgforest-Signature": "d", "A b": "e", "X-F": 1, "X-G": "h\r\nX-I: j", "": "k", "X-L": ""}');
SELECT ml_alert_to('https://example.org/hooks?token=t', '{custom,drift}', '{"Authorization": "Bearer b"}', 'secret') AS target \gset
SELECT owner, origin, events, template, waiting, failed, delivered_at FROM pgforest.alert_targets;
SELECT count(*) FROM pgforest.alert_secret;
SET ROLE regress_ml_bob;
SELECT count(*) FROM pgforest.alert_targets;
\set VERBOSITY sqlstate
SELECT ml_alert_remove(:target);
\set VERBOSITY default
RESET ROLE;
SELECT count(*) FROM pgforest.alert_secret WHERE url LIKE '%token=t';

-- ----- alerts -----

SET ROLE regress_ml_ann;
SELECT ml_alert_raise(NULL, 'x');
SELECT ml_alert_raise('', 'x');
SELECT ml_alert_raise('x', E'two\nlines');
SELECT ml_alert_raise(repeat('x', 501), 'x');
SELECT ml_alert_raise('x', 'x', 'bad');
SELECT ml_alert_raise('x', 'x', model => 'no such');
\set VERBOSITY sqlstate
SELECT ml_alert_raise('x', 'x', details => to_jsonb(repeat('x', 100000)));
\set VERBOSITY default
SELECT ml_alert_raise('k', 'first', 'info') AS alert \gset
SELECT ml_alert_raise('k', 'second', 'warning', details => '{"n": 2}') = :alert AS same, ml_alert_raise('k', 'third', 'info') = :alert AS same;
SELECT event, severity, state, title, model, details, count, raised_by, last_at >= raised_at AS times, key FROM pgforest.alerts;
SELECT event, payload ->> 'status' AS status, payload ->> 'severity' AS severity, payload ->> 'title' AS title, payload -> 'details' AS details FROM pgforest.outbox ORDER BY id;

-- The same key of another role is another alert; nobody else sees it, nor may answer it.
SET ROLE regress_ml_bob;
SELECT count(*) FROM pgforest.alerts;
SELECT ml_alert_raise('k', 'of bob') = :alert AS same;
SELECT title FROM pgforest.alerts;
\set VERBOSITY sqlstate
SELECT ml_alert_resolve(:alert + 1000000);
SELECT ml_alert_acknowledge(:alert);
SELECT ml_alert_resolve(:alert);
\set VERBOSITY default
SELECT ml_alert_resolve(NULL);
SET ROLE regress_ml_ann;
SELECT ml_alert_acknowledge(:alert), ml_alert_acknowledge(:alert);
SELECT state, acknowledged_by FROM pgforest.alerts;
SELECT ml_alert_resolve(:alert), ml_alert_resolve(:alert), ml_alert_acknowledge(:alert);
SELECT state, resolved_by, resolved_at IS NOT NULL AS resolved FROM pgforest.alerts;
SELECT event, payload ->> 'status' AS status FROM pgforest.outbox ORDER BY id;
SELECT waiting FROM pgforest.alert_targets;

-- Undone with its transaction.
BEGIN;
SELECT ml_alert_raise('undone', 'undone') IS NOT NULL AS raised;
ROLLBACK;
SELECT count(*) FROM pgforest.alerts WHERE title = 'undone';
-- Once in a transaction, twice in a statement.
SELECT count(DISTINCT ml_alert_raise('many', 'many ' || i)) FROM generate_series(1, 5) AS i;
SELECT title, count FROM pgforest.alerts WHERE state = 'open';
RESET ROLE;
-- Nobody writes our tables.
SET ROLE regress_ml_ann;
DELETE FROM pgforest.alert;
UPDATE pgforest.outbox SET event = 'x';
RESET ROLE;

-- Not in a transaction, not in a function, not read only.
BEGIN;
CALL ml_deliver_alerts();
ROLLBACK;
BEGIN READ ONLY;
SELECT ml_alert_raise('x', 'x');
ROLLBACK;
BEGIN READ ONLY;
SELECT ml_alert_to('https://example.org/hooks');
ROLLBACK;

-- The end.
SELECT ml_alert_remove(:target);
SELECT (SELECT count(*) FROM pgforest.alert_target) AS targets, (SELECT count(*) FROM pgforest.alert_secret) AS secrets, (SELECT count(*) FROM pgforest.outbox) AS messages;
SELECT ml_alert_remove(0);
DELETE FROM pgforest.alert;
\set VERBOSITY terse
DROP SCHEMA regress_alerts CASCADE;
DROP ROLE regress_ml_ann, regress_ml_bob;

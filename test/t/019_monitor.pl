# The alarm chain on used cars: prices rise by a fifth, the monitor sees it, an alert is there, is
# heard by NOTIFY and by one signed webhook; a pipeline trains the model again, the gate promotes,
# the alert is resolved.  And calls of ml_watch that meet, are cancelled or killed.

use strict;
use warnings;

use Digest::SHA 'hmac_sha256_hex';
use FindBin;
use lib $FindBin::RealBin;
use HttpServer;
use JSON::PP;
use PgForestNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $http = HttpServer->start;
my $node = new_node('server', settings => "pgforest.url_allowed = '" . $http->url('/') . "'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pgforest');

# ----- the chain -----

# What the last run of the pipeline did.
sub last_run
{
	return $node->safe_psql('postgres', <<'EOF');
SELECT (SELECT status FROM pgforest.runs WHERE id = run) || ': ' || string_agg(kind || ' ' || status, ', ' ORDER BY step)
FROM pgforest.run_steps GROUP BY run ORDER BY run DESC LIMIT 1
EOF
}

my $data = ($ENV{PGFOREST_DATA} // '') . '/used_cars_uk.csv.gz';
SKIP:
{
	skip 'used_cars_uk.csv.gz is not in the folder that PGFOREST_DATA names', 1 unless -r $data;

	# A quarter of the cars, sold on the five days until midnight.
	$node->safe_psql('postgres', <<'EOF');
CREATE TABLE raw (make text, model text, year int, price float8, transmission text, mileage float8,
	fuel_type text, tax float8, mpg float8, engine_size float8);
EOF
	$node->command_ok([ 'psql', '-Xq', '-d', $node->connstr('postgres'), '-c', "\\copy raw FROM PROGRAM 'gzip -dc $data' WITH (FORMAT csv, HEADER)" ], 'cars');
	$node->safe_psql('postgres', <<'EOF');
CREATE TABLE today AS SELECT date_trunc('day', now()) AS at;
CREATE TABLE car AS
SELECT row_number() OVER (ORDER BY digest) AS id, at - (1 + get_byte(decode(digest, 'hex'), 1) % 5) * interval '1 day' + interval '1 hour' AS sold, c.*
FROM (SELECT *, md5(raw::text) AS digest FROM raw) AS c, today WHERE digest < '4';
CREATE TABLE training (days int);
INSERT INTO training VALUES (5), (4), (3);
CREATE VIEW to_train AS SELECT c.* FROM car c, today WHERE at::date - sold::date IN (SELECT days FROM training);
SELECT ml_train('price', 'SELECT * FROM to_train', 'price', exclude => '{digest,sold,id}', key => '{id}', params => '{"n_estimators": 20}');
SELECT ml_promote('price', 1);
SELECT ml_monitor('cars', 'price', 'car', truth => 'price', time_column => 'sold', max_regression => 0.2, min_rows => 1000, since => at - interval '5 days') FROM today;
SELECT ml_pipeline('cars, when they drift', $${"model": "price", "on_drift": {"action": "retrain", "source": "SELECT car.* FROM car, today WHERE sold >= at - interval '1 day'"}}$$);
EOF
	my $target = $node->safe_psql('postgres', q{SELECT ml_alert_to('} . $http->url('/ok') . q{', events => '{metric,drift}', secret => 'a secret of the cars')});
	my $listener = new_session($node);
	$listener->run('LISTEN pgforest_alert');

	is($node->safe_psql('postgres', 'CALL ml_watch()'), '1|5|0|0', 'five days without an alert');
	is($node->safe_psql('postgres', q{SELECT count(*), min(rows) > 1000 FROM pgforest.metric_history WHERE monitor = 'cars' AND metric = 'rmse'}), '5|t', '... are measured');
	is($node->safe_psql('postgres', q{SELECT count(DISTINCT at), bool_or(drifted) FROM pgforest.drift_history WHERE monitor = 'cars'}), '5|f', '... and tested for drift');

	$node->safe_psql('postgres', 'CALL ml_run($$cars, when they drift$$)');
	is(last_run(), 'skipped: drift success, retrain skipped, promote skipped', '... so that the pipeline leaves the model alone');

	# Yesterday's prices rise by a fifth.
	$node->safe_psql('postgres', <<'EOF');
UPDATE car SET price = price * 1.2 FROM today WHERE sold >= at - interval '1 day';
SELECT ml_monitor('cars', 'price', 'car', truth => 'price', time_column => 'sold', max_regression => 0.2, min_rows => 1000, since => at - interval '1 day') FROM today;
EOF
	like($node->safe_psql('postgres', 'CALL ml_watch()'), qr/^1\|1\|[12]\|0$/, 'a day later');
	is($node->safe_psql('postgres', q{SELECT severity, model, version, monitor FROM pgforest.alerts WHERE state = 'open' AND event = 'metric'}),
		'critical|price|1|cars', 'the monitor sees it: an alert is there');
	like($listener->run('SELECT 1'), qr/Asynchronous notification "pgforest_alert" with payload "\{.*"event": "metric"/, '... and heard');

	$node->safe_psql('postgres', 'CALL ml_deliver_alerts()');
	my @posts = grep { $_->{body} =~ /"metric"/ } $http->posts;
	is(scalar @posts, 1, '... and one webhook has come');
	my ($headers, $body) = @{ $posts[0] }{ 'headers', 'body' };
	is($headers->{'X-Pgforest-Signature'}, 'sha256=' . hmac_sha256_hex("$headers->{'X-Pgforest-Timestamp'}.$body", 'a secret of the cars'), '... that is signed');
	is(decode_json($body)->{monitor}, 'cars', '... names the monitor');
	like($body, qr/rmse is [\d.]+, worse by more than 20 %/, '... and says what it is');

	# The pipeline sees it, too, and trains on what came since: that is better, and the gate lets it pass.
	$node->safe_psql('postgres', 'UPDATE training SET days = 1 WHERE days = 5; DELETE FROM training WHERE days > 1');
	$node->safe_psql('postgres', 'CALL ml_run($$cars, when they drift$$)');
	is(last_run(), 'success: drift success, retrain success, promote success', '... the pipeline trains again');
	is($node->safe_psql('postgres', q{SELECT version, promoted, reason ~ '^rmse [0-9.]+ against [0-9.]+ of version 1' FROM pgforest.runs WHERE pipeline LIKE 'cars%' ORDER BY id DESC LIMIT 1}),
		'2|t|t', '... and the gate promotes');
	$node->safe_psql('postgres', q{SELECT ml_monitor('cars', 'price', 'car', truth => 'price', time_column => 'sold', max_regression => 0.2, min_rows => 1000, since => at - interval '1 day') FROM today});
	is($node->safe_psql('postgres', 'CALL ml_watch()'), '1|1|0|0', 'the same day, seen by it');
	is($node->safe_psql('postgres', q{SELECT count(*) FROM pgforest.alerts WHERE state <> 'resolved'}), 0, '... is well: the alerts are resolved');
	is($node->safe_psql('postgres', q{SELECT string_agg(version || CASE WHEN value > 2500 THEN ' bad' ELSE ' good' END, ', ' ORDER BY measured_at)
		FROM pgforest.metric_history, today WHERE monitor = 'cars' AND metric = 'rmse' AND until_at = today.at}), '1 good, 1 bad, 2 good', 'its history');
	like($listener->run('SELECT 1'), qr/"status": "resolved"/, '... which is heard, too');
	$listener->close;
}

# ----- calls that meet, are cancelled or killed -----

make_rows($node, rows => 2000);
$node->safe_psql('postgres', <<'EOF');
CREATE TABLE control (seconds float8);
INSERT INTO control VALUES (0);
-- sleeps while the second window is looked at
CREATE FUNCTION slow(at timestamptz) RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(seconds) FROM control, pgforest.monitors WHERE seconds > 0 AND watched_until = date_trunc('day', now()) - interval '1 day';
	RETURN at;
END $$;
CREATE VIEW sold AS SELECT *, date_trunc('day', now()) - interval '2 days' + id * interval '86 seconds' AS at FROM item;
SELECT ml_train('value', 'item', 'value', exclude => '{id,label}', params => '{"n_estimators": 5}');
SELECT ml_promote('value', 1);
EOF
$node->safe_psql('postgres', q{SELECT ml_drop_monitor(name) FROM pgforest.monitors});

sub declare
{
	$node->safe_psql('postgres', <<'EOF');
SELECT ml_monitor('slow', 'value', 'SELECT id, a, b, kind, value, slow(at) AS at FROM sold', truth => 'value', time_column => 'at', drift => false, since => now() - interval '2 days')
EOF
	return;
}

sub watched
{
	return $node->safe_psql('postgres', q{SELECT (date_trunc('day', now()) - watched_until)::text, last_status FROM pgforest.monitors WHERE name = 'slow'});
}
my $first  = new_session($node);
my $second = new_session($node);

declare();
$first->run('BEGIN');
is($first->run('CALL ml_watch()'), '1|2|0|0', 'in a transaction block');
is($second->run('CALL ml_watch()'), '0|0|0|0', '... another call passes the monitor over');
$first->run('ROLLBACK');
is($second->run('CALL ml_watch()'), '1|2|0|0', '... until it is free');

for my $end ('cancel', 'terminate')
{
	declare();
	$node->safe_psql('postgres', 'UPDATE control SET seconds = 1');
	$first->begin('CALL ml_watch()');
	ok(wait_for($node, q{EXISTS (SELECT FROM pgforest.monitors WHERE watched_until = date_trunc('day', now()) - interval '1 day')}), 'the first window stands while the second is looked at');
	$node->safe_psql('postgres', "SELECT pg_${end}_backend(" . $first->pid . ')');
	$first->finish;
	like($first->error, $end eq 'cancel' ? qr/canceling statement/ : qr/terminating connection|server closed/, "$end");
	is(watched(), '1 day|success', '... the second window is not, and nothing failed');
	$node->safe_psql('postgres', 'UPDATE control SET seconds = 0');
	is($second->run('CALL ml_watch()'), '1|1|0|0', '... the next call goes on from there');
	is(watched(), '00:00:00|success', '... to the end');
}

# The model is dropped meanwhile: that waits for the window, and there are no more.
$first = new_session($node);
declare();
$node->safe_psql('postgres', 'UPDATE control SET seconds = 0.002');
$first->begin('CALL ml_watch()');
ok(wait_for($node, q{EXISTS (SELECT FROM pgforest.monitors WHERE watched_until = date_trunc('day', now()) - interval '1 day')}), 'the second window is looked at');
$second->run(q{SELECT ml_drop('value')});
$first->finish;
is($first->error . $second->error, '', '... while the model is dropped: none fails');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pgforest.monitors WHERE name = 'slow'}), 0, '... the monitor is gone, too');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pgforest.alerts WHERE monitor = 'slow' AND state <> 'resolved'}), 0, '... and leaves no alert open');
$_->close for $first, $second;
$node->stop;
done_testing();

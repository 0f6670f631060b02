# Alerts and their delivery to a real HTTP server: what is told to whom and how often, the signature,
# servers that are down, slow, broken or not who they say they are, senders that are cancelled, killed or two
# at once.  Nothing is lost, nothing hangs, and what is secret stays so.

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
use Time::HiRes qw(sleep time);

my $http    = HttpServer->start;
my $trusted = HttpServer->start(tls => 1);
my $wrong   = HttpServer->start(tls => 1);
my $gone    = HttpServer->start;
my $allowed = join(', ', map { ($_->url(''), $_->url('/', '127.0.0.1')) } $http, $trusted, $wrong, $gone);

my $node = new_node('server', settings => <<EOF);
pgforest.url_allowed = '$allowed'
pgforest.url_ca_file = '${\($trusted->certificate)}'
pgforest.alert_timeout = 1s
pgforest.alert_cooldown = 1h
restart_after_crash = on
EOF
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pgforest; CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN');
make_rows($node, rows => 200);

my $session  = new_session($node);
my $listener = new_session($node);
$listener->run('LISTEN pgforest_alert');

# Makes what waits due now, as if its time had come.
sub hurry
{
	$node->safe_psql('postgres', 'UPDATE pgforest.outbox SET next_at = now(), leased_until = NULL');
	return;
}

sub deliver
{
	return $node->safe_psql('postgres', 'CALL ml_deliver_alerts()');
}

# A target for a path of a server: its number.
sub add_target
{
	my ($server, $path, %options) = @_;

	return $node->safe_psql('postgres', 'SET ROLE ' . ($options{role} // 'postgres') . q{; SELECT ml_alert_to('}
		  . $server->url($path, $options{host}) . q{'} . ($options{more} // '') . ')');
}

# Forgets all targets and messages, and what was told of the keys.
sub forget
{
	$node->safe_psql('postgres', 'SELECT ml_alert_remove(id) FROM pgforest.alert_target ORDER BY id; DELETE FROM pgforest.alert');
	return;
}

# The last line of the log of a target.
sub last_delivery
{
	my ($target) = @_;

	return $node->safe_psql('postgres',
		"SELECT attempt, delivered, status, error FROM pgforest.deliveries WHERE target_id = $target ORDER BY id DESC LIMIT 1");
}

sub set_and_wait
{
	my ($setting, $value) = @_;

	$node->safe_psql('postgres', "LOAD 'pgforest'; " . (defined $value ? "ALTER SYSTEM SET $setting = '$value'" : "ALTER SYSTEM RESET $setting"));
	$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
	sleep 0.5;
	return;
}

# ----- one alert, one message, signed -----

my $target = add_target($http, '/ok?key=hush', more => q{, headers => '{"Authorization": "Bearer sesame"}', secret => 'a "secret" key'});
my $raise  = q{SELECT ml_alert_raise('disk', 'the disk is <full>', details => '{"used": 0.98}')};
my $alert  = $session->run($raise);
is($node->safe_psql('postgres', 'SELECT count(*) FROM pgforest.outbox'), 1, 'an alert is a message in the outbox');
is(scalar(my @none = $http->posts), 0, '... and nothing was sent yet');
is(deliver(), '1|0', 'it is delivered');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pgforest.outbox'), 0, '... and out of the outbox');
my @posts = $http->posts;
is(scalar @posts, 1, 'one message came');
my ($headers, $body) = @{ $posts[0] }{ 'headers', 'body' };
is($posts[0]{path}, '/ok?key=hush', '... where it should');
is($headers->{Authorization}, 'Bearer sesame', '... with the header');
is($headers->{'Content-Type'}, 'application/json; charset=utf-8', '... as JSON');
is($headers->{'X-Pgforest-Event'}, 'custom', '... with the event');
is($headers->{'X-Pgforest-Signature'}, 'sha256=' . hmac_sha256_hex("$headers->{'X-Pgforest-Timestamp'}.$body", 'a "secret" key'),
	'... signed with the time and the body');
ok(abs($headers->{'X-Pgforest-Timestamp'} - time) < 60, '... now');
my $told = decode_json($body);
is(join(' ', map { $told->{$_} } qw(event status severity title alert database role message)),
	"custom raised warning the disk is <full> $alert postgres postgres $headers->{'X-Pgforest-Message'}", 'what it says');
is($told->{details}{used}, 0.98, '... with the figures');
like($told->{time}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+[+-]\d\d:\d\d$/, '... and the time');
is($node->safe_psql('postgres', 'SELECT message_id, target_id, alert_id, event, attempt, role, delivered, status, error, answer, seconds > 0 FROM pgforest.deliveries'),
	"$headers->{'X-Pgforest-Message'}|$target|$alert|custom|1|postgres|t|200|||t", 'the log has it');

$listener->run('SELECT 1');
my @notified = $listener->{out} =~ /payload "(.*?)" received/g;
is(scalar @notified, 1, 'one notification');
is_deeply(decode_json($notified[0]), { alert => $alert + 0, event => 'custom', status => 'raised', severity => 'warning' },
	'... with the alert');

# ----- the same again, worse, acknowledged, resolved -----

is($session->run($raise), $alert, 'raised again it is the same alert');
is($session->run('SELECT count, state FROM pgforest.alerts'), '2|open', '... counted');
is(deliver(), '0|0', '... and not told again');
is($session->run(q{SELECT ml_alert_raise('disk', 'the disk is full', 'critical')}), $alert, 'it becomes worse');
is(deliver(), '1|0', '... which is told');
is($session->run(q{SET pgforest.alert_cooldown = 0; SELECT ml_alert_raise('disk', 'the disk is full', 'critical')}), $alert, 'the cool-down is over');
is(deliver(), '1|0', '... and it is told again');
is($session->run("SELECT ml_alert_acknowledge($alert), ml_alert_acknowledge($alert)"), 't|f', 'it is acknowledged');
$session->run($raise);
is(deliver(), '0|0', '... and not told any more');
is($session->run("SELECT ml_alert_resolve($alert), ml_alert_resolve($alert)"), 't|f', 'it is resolved');
is(deliver(), '1|0', '... which is told');
$told = decode_json(($http->posts)[-1]{body});
is("$told->{status} $told->{alert}", "resolved $alert", '... as such');
$session->run('RESET pgforest.alert_cooldown');
isnt($session->run($raise), $alert, 'raised after that it is another alert');
is(deliver(), '0|0', '... not told, for the key has not cooled down');
is($session->run('SELECT count, state FROM pgforest.alerts ORDER BY id'), "5|resolved\n1|open", '... but there');
$session->run("BEGIN; SELECT ml_alert_raise('undone', 'undone'); ROLLBACK");
is(deliver(), '0|0', 'what is rolled back is not told');

# Two sessions at once: the second waits for the first, and both count.
my $other = new_session($node);
$session->run(q{BEGIN; SELECT ml_alert_raise('both', 'raised by two')});
$other->begin(q{SELECT ml_alert_raise('both', 'raised by two')});
ok(wait_for($node, 'EXISTS (SELECT FROM pg_locks WHERE NOT granted)'), 'a second session waits for the first');
$session->run('COMMIT');
$other->finish;
is($session->run(q{SELECT count(*), max(count) FROM pgforest.alerts WHERE title = 'raised by two'}), '1|2', '... and counts in the same alert');
is(deliver(), '1|0', '... which is told once');
$other->close;

# ----- who hears of what -----

forget();
add_target($http, '/ok?ann', role => 'ann', more => q{, '{promoted}', template => 'slack'});
add_target($http, '/ok?bob', role => 'bob');
$node->safe_psql('postgres', <<'EOF');
GRANT SELECT ON item TO ann;
SET ROLE ann;
SELECT ml_train('m', 'item', 'label', exclude => '{id,value}', params => '{"n_estimators": 3}');
SELECT ml_promote('m', 1);
SELECT ml_alert_raise('mine', 'of ann', model => 'm');
EOF
is(deliver(), '1|0', 'who may not see the model hears nothing, nor who did not ask for the event');
is_deeply(decode_json(($http->posts)[-1]{body}), { text => "*info* version 1 of model m is production now\nmodel m, version 1" }, 'a promotion, for Slack');
is(($http->posts)[-1]{path}, '/ok?ann', '... told its owner');
$node->safe_psql('postgres', q{SET ROLE ann; SELECT ml_grant('m', 'bob', 'predict'); SELECT ml_promote('m', 1, 'candidate')});
is(deliver(), '2|0', 'who has a right on the model hears of it');
is(($http->posts)[-1]{path}, '/ok?bob', '... too');
is($node->safe_psql('postgres', q{SET ROLE bob; SELECT title FROM pgforest.alerts; SELECT count(*) FROM pgforest.alert_targets; SELECT count(*) FROM pgforest.deliveries}),
	"of ann\n1\n1", 'he sees the alert, and of targets and deliveries only his own');
like(error_of($node, q{SET ROLE bob; SELECT ml_alert_resolve(id) FROM pgforest.alerts}), qr/^42501: permission denied for alert/, '... but may not answer it');
like(error_of($node, q{SET ROLE bob; SELECT ml_alert_remove(1000)}), qr/^42704: alert target 1000 does not exist/, '... nor drop what is not there');
$node->safe_psql('postgres', q{SET ROLE ann; SELECT ml_promote('m', 1, 'third')});
is($node->safe_psql('postgres', q{SET ROLE bob; CALL ml_deliver_alerts()}), '1|0', 'a role sends what is for its own targets');
is($node->safe_psql('postgres', q{SET ROLE ann; CALL ml_deliver_alerts()}), '1|0', '... each');
is(deliver(), '0|0', '... and nothing was left');

# ----- servers as they are -----

my %bad = (
	'an error' => [ '/status/500', qr/^1\|f\|500\|the server answered 500$/ ],
	'a redirect' => [ '/redirect?http://forbidden.example/x', qr/^1\|f\|302\|the server answered 302: redirects are not followed$/ ],
	'silence' => [ '/slow', qr/^1\|f\|\|it took longer than 1000 ms$/ ],
	'an endless error' => [ '/endless-error', qr/^1\|f\|500\|the server answered 500$/ ],
	'no answer' => [ '/reset', qr/^1\|f\|\|Empty reply from server$/ ]);
for my $what (sort keys %bad)
{
	forget();
	my $id = add_target($http, $bad{$what}[0]);
	$node->safe_psql('postgres', $raise);
	my $start = time;
	is(deliver(), '0|1', "$what: not delivered");
	cmp_ok(time - $start, '<', 3, '... in time');
	like(last_delivery($id), $bad{$what}[1], '... and the log says why');
	is($node->safe_psql('postgres', q{SELECT attempts, leased_until IS NULL, failed_at IS NULL, extract(epoch FROM next_at - clock_timestamp()) BETWEEN 3 AND 10 FROM pgforest.outbox}),
		'1|t|t|t', '... and it is tried again in 10 s');
}

for my $path ('/endless', '/drip')
{
	forget();
	add_target($http, $path);
	$node->safe_psql('postgres', $raise);
	my $start = time;
	is(deliver(), '1|0', "$path: taken, whatever comes after");
	cmp_ok(time - $start, '<', 3, '... in time');
}

forget();
my $down      = add_target($gone, '/ok');
my $safe      = add_target($trusted, '/ok');
my $name      = add_target($trusted, '/ok', host => '127.0.0.1');
my $forged    = add_target($wrong, '/ok');
my $forbidden = add_target($http, '/ok');
$gone->stop;
set_and_wait('pgforest.url_allowed', join(', ', map { ($_->url(''), $_->url('/', '127.0.0.1')) } $trusted, $wrong, $gone));
$node->safe_psql('postgres', $raise);
is(deliver(), '1|4', 'one of five servers is good');
like(last_delivery($down), qr/^1\|f\|\|Failed to connect to /, 'one is down');
is(last_delivery($safe), '1|t|200|', 'one shows a certificate that is trusted');
like(last_delivery($name), qr/^1\|f\|\|.*(does not match|no alternative certificate subject name)/, '... but not by another name');
like(last_delivery($forged), qr/^1\|f\|\|SSL certificate problem/, 'one shows a certificate that is not');
is(last_delivery($forbidden), '1|f||the URL is not allowed by the setting pgforest.url_allowed (any more)', 'one is not allowed any more');
set_and_wait('pgforest.url_allowed');

# ----- again and again, later and later, in order, until it is given up -----

forget();
add_target($http, '/flaky/3');
$node->safe_psql('postgres', $raise);
$node->safe_psql('postgres', q{SELECT ml_alert_raise('second', 'another')});
my $before = () = $http->posts;
for my $attempt (1 .. 3)
{
	is(deliver(), '0|1', "attempt $attempt fails, and the second message waits behind the first");
	is(deliver(), '0|0', '... as long as it takes');
	is($node->safe_psql('postgres', q{SELECT ceil(extract(epoch FROM next_at - clock_timestamp()) / 10.0) FROM pgforest.outbox ORDER BY id LIMIT 1}),
		2**($attempt - 1), '... twice as long each time');
	hurry();
}
is(deliver(), '2|0', 'the server is well again: both are delivered');
my @sent = @{ [ $http->posts ] }[ $before .. $before + 4 ];
is(join(', ', map { decode_json($_->{body})->{title} } @sent), join(', ', ('the disk is <full>') x 4, 'another'), '... in order');
my %bodies = map { $_->{body} => 1 } @sent[ 0 .. 3 ];
is(scalar keys %bodies, 1, '... with the same body each time');
is($node->safe_psql('postgres', q{SELECT string_agg(attempt || ' ' || status, ', ' ORDER BY id) FROM pgforest.deliveries}),
	'1 500, 2 500, 3 500, 4 200, 1 200', '... exactly as logged');

forget();
add_target($http, '/status/503');
$node->safe_psql('postgres', $raise);
$node->safe_psql('postgres', q{SELECT ml_alert_raise('second', 'another')});
set_and_wait('pgforest.alert_retry', 0);
is(deliver(), '0|2', 'a message that is given up does not keep the next one');
is($node->safe_psql('postgres', 'SELECT waiting, failed FROM pgforest.alert_targets'), '0|2', '... and stays to be seen');
hurry();
is(deliver(), '0|0', '... but is not sent');
set_and_wait('pgforest.alert_retry');

# ----- while a message is on its way -----

forget();
set_and_wait('pgforest.alert_timeout', '30s');
add_target($http, '/slow');
$node->safe_psql('postgres', $raise);

# Starts a sender, and returns when its message is under way.
sub send_slowly
{
	my ($sender) = @_;
	my $count = () = $http->posts;

	hurry();
	$sender->begin('CALL ml_deliver_alerts()');
	for (1 .. 400)
	{
		my $now = () = $http->posts;
		return 1 if $now > $count;
		sleep 0.05;
	}
	return 0;
}

$session->close;
$session = new_session($node);
ok(send_slowly($session), 'a message is under way');
my $pid = $session->pid;
is($node->safe_psql('postgres', "SELECT backend_xid IS NULL, backend_xmin IS NULL, wait_event_type FROM pg_stat_activity WHERE pid = $pid"),
	't|t|Extension', 'no transaction id and no snapshot is held meanwhile');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_locks WHERE pid = $pid AND locktype <> 'virtualxid'"), 0, '... and no lock');
like($node->safe_psql('postgres', 'SELECT attempts, round(extract(epoch FROM leased_until - clock_timestamp())) FROM pgforest.outbox'), qr/^1\|3[2345]$/, '... but a lease');
is($node->safe_psql('postgres', 'SELECT delivered IS NULL, seconds IS NULL FROM pgforest.deliveries'), 't|t', '... and a line in the log');
is(deliver(), '0|0', 'another sender leaves it alone');
my $moment = $node->safe_psql('postgres', "SELECT clock_timestamp() FROM pg_cancel_backend($pid)");
$session->finish;
like($session->error, qr/canceling statement due to user request/, 'a cancel ends it');
my $late = $node->safe_psql('postgres', qq{SELECT round(1000 * extract(epoch FROM state_change - timestamptz '$moment')) FROM pg_stat_activity WHERE pid = $pid});
cmp_ok($late, '<', 100, "... within 100 ms ($late)");
is(deliver(), '0|0', 'the message is leased still');
ok(send_slowly($session), 'when the lease has ended, it is sent again');
kill 'KILL', $session->pid;
$session->finish;
ok($node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()'), 'kill -9 of the sender, and the server is back');
is($node->safe_psql('postgres', 'SELECT attempts, failed_at IS NULL FROM pgforest.outbox'), '2|t', '... with the message');
$_->close for $session, $listener;
$session = new_session($node);
ok(send_slowly($session), '... which is sent again');
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . $session->pid . ')');
$session->finish;
$session->close;
is($node->safe_psql('postgres', 'SELECT attempts, failed_at IS NULL FROM pgforest.outbox'), '3|t', 'and after pg_terminate_backend it is there still');
$node->safe_psql('postgres', qq{UPDATE pgforest.alert_secret SET url = '${\($http->url('/ok'))}'});
hurry();
is(deliver(), '1|0', 'in the end it arrives');
is($node->safe_psql('postgres', q{SELECT string_agg(attempt || ' ' || coalesce(delivered::text, '?'), ', ' ORDER BY id) FROM pgforest.deliveries}),
	'1 ?, 2 ?, 3 ?, 4 true', '... and the log tells the story');

# ----- two senders -----

forget();
add_target($http, "/ok?t=$_") for 1 .. 8;
$node->safe_psql('postgres', q{SELECT ml_alert_raise('key ' || i, 'title ' || i) FROM generate_series(1, 25) AS i});
$before = () = $http->posts;
my @senders = map { new_session($node) } 1 .. 2;
$_->begin('CALL ml_deliver_alerts()') for @senders;
my @done = map { $_->finish } @senders;
my $sum = 0;
$sum += (split /\|/, $_)[0] for @done;
is($sum, 200, "two senders deliver 200 messages (@done)");
@sent = $http->posts;
splice @sent, 0, $before;
my %ids = map { $_->{headers}{'X-Pgforest-Message'} => 1 } @sent;
is(scalar keys %ids, 200, '... each once');
is(scalar @sent, 200, '... and none twice');
for my $t (1 .. 8)
{
	my @of = map { (decode_json($_->{body})->{title} =~ /(\d+)/)[0] } grep { $_->{path} eq "/ok?t=$t" } @sent;
	is("@of", join(' ', 1 .. 25), "target $t had them in order");
}
$_->close for @senders;

# A target whose secrets a dump left out is passed over, and keeps nobody else waiting.
forget();
my $hollow = add_target($http, '/ok?hollow');
add_target($http, '/ok');
$node->safe_psql('postgres', "DELETE FROM pgforest.alert_secret WHERE target_id = $hollow");
$node->safe_psql('postgres', $raise);
is(deliver(), '1|0', 'a target without its secrets is passed over');

# ----- secrets -----

forget();
$session = new_session($node);
my $secret_target = q{ml_alert_to('} . $http->url('/echo/hush-path?hush-query') . q{', headers => '{"X-Key": "hush-header"}', secret => 'hush-secret'};
$session->run("SELECT $secret_target)");
is($node->safe_psql('postgres', 'SELECT query FROM pg_stat_activity WHERE pid = ' . $session->pid), 'SELECT ml_alert_to(...)', 'the statement is not to be seen');
for my $more (q{, events => '{no}'}, q{, template => 'no'}, q{, events => '{}'})
{
	like(error_of($node, "SELECT $secret_target$more)"), qr/^22023: /, 'an error says nothing of them');
}
my $bound = q{SET log_parameter_max_length_on_error = -1; PREPARE to_secret(text) AS SELECT ml_alert_to($1, events => ARRAY['no']); }
  . q{EXECUTE to_secret('} . $http->url('/hush-path') . q{')};
like(error_of($node, $bound), qr/^22023: unrecognized events/, '... nor of parameters');
like(error_of($node, q{SELECT ml_alert_to('http://hush-user:hush-secret@localhost/')}), qr/^22023: invalid URL/, '... nor one of the URL');
$node->safe_psql('postgres', $raise);
is(deliver(), '0|1', 'a server that repeats all it hears');
is($node->safe_psql('postgres', 'SELECT status, answer FROM pgforest.deliveries'), '400|(not kept: it repeats something secret)', '... is not repeated by the log');
my $everything = q{SELECT * FROM pgforest.alert; SELECT * FROM pgforest.alert_target; SELECT * FROM pgforest.alert_secret; SELECT * FROM pgforest.outbox;
SELECT * FROM pgforest.delivery; SELECT * FROM pgforest.alerts; SELECT * FROM pgforest.alert_targets; SELECT * FROM pgforest.deliveries};
unlike($node->safe_psql('postgres', "SET ROLE ann; $everything"), qr/hush/, 'no other role sees any');
is($node->safe_psql('postgres', 'GRANT pg_read_all_data TO ann; SET ROLE ann; SELECT count(*) FROM pgforest.alert_secret'), 0, '... not even one that may read all data');
$node->safe_psql('postgres', q{UPDATE pgforest.alert_target SET owner = 'ann'});
unlike($node->safe_psql('postgres', "SET ROLE ann; $everything"), qr/hush/, '... nor the owner of the target');
unlike(slurp_file($node->logfile), qr/hush/, 'the log has none');

# ----- where it cannot be -----

like(error_of($node, 'BEGIN; CALL ml_deliver_alerts()'), qr/^2D000: ml_deliver_alerts cannot run inside a transaction block or a function/, 'not in a transaction block');
like(error_of($node, 'SET default_transaction_read_only = on; CALL ml_deliver_alerts()'), qr/^25006: /, 'nor read only');
like(error_of($node, q{SET default_transaction_read_only = on; SELECT ml_alert_to('} . $http->url('/ok') . q{')}), qr/^25006: /, '... nor a new target');

$session->close;
$node->stop;

# Without libcurl: a file in its place that is none.
my $lib = PostgreSQL::Test::Utils::tempdir;
append_to_file("$lib/libcurl.so.4", 'nothing');
{
	local $ENV{LD_LIBRARY_PATH} = $lib;
	$node->start;
}
like(error_of($node, 'CALL ml_deliver_alerts()'), qr/^0A000: the network library of pgforest cannot be loaded/, 'without libcurl there is a clear error');
like($node->safe_psql('postgres', q{SELECT ml_predict('m', item) FROM item LIMIT 1}), qr/./, '... and all else works');
$node->stop;

done_testing();

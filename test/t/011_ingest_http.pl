# ml_ingest from a URL: what is allowed, servers that are slow, endless, broken or change their mind, and
# rows that come once each whoever is killed: the session, the server, the HTTP server.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use HttpServer;
use PgForestNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $http  = HttpServer->start;
my $other = HttpServer->start;
my $files = $http->directory . '/files';
my $node  = new_node('server', settings => <<EOF);
restart_after_crash = on
autovacuum = off
pgforest.url_allowed = '${\($http->url('/'))}'
pgforest.url_timeout = 2s
EOF
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pgforest; CREATE ROLE ann LOGIN; CREATE TABLE u (a int, b text); GRANT INSERT ON u TO ann');

sub write_file
{
	my ($name, $bytes) = @_;

	open(my $file, '>:raw', "$files/$name") or die "$name: $!";
	print $file $bytes;
	close($file);
	return;
}

# What a call says, with SQLSTATE and message of its error.
sub ingest
{
	my ($url, %options) = @_;
	my $before = delete $options{before} // '';
	my $target = delete $options{target} // 'u';
	my $more   = join('', map { ", $_ => $options{$_}" } sort keys %options);
	my ($out, $err);

	$node->psql('postgres', "$before\n\\set VERBOSITY verbose\nCALL ml_ingest('$target', '$url'$more)",
		stdout => \$out, stderr => \$err, on_error_stop => 0);
	$err =~ s/^LOCATION:.*\n?//mg;
	$err =~ s/^psql:\S+ //mg;
	return $err;
}

sub ledger
{
	return $node->safe_psql('postgres', q{SELECT count(*), coalesce(sum(rows), 0), (SELECT count(*) FROM u) FROM pgforest.batch WHERE target = 'public.u'});
}

write_file('rows.csv', "a,b\n" . join('', map { "$_,row $_\n" } 1 .. 1000));

# ----- what is allowed -----

like(ingest($other->url('/rows.csv')), qr/42501: URL under "\S+" is not allowed\nDETAIL/, 'a server that is not listed');
like(ingest($http->url('/rows.csv', '127.0.0.1')), qr/42501/, '... nor the same by another name');
like(ingest($http->url('/redirect?' . $other->url('/rows.csv'))), qr/42501/, 'a redirect to one that is not');
like(ingest($http->url('/loop')), qr/ERROR:  08\w+: /, 'redirects without end');
like(ingest($other->url('/rows.csv'), before => q{SET ROLE ann; SET pgforest.url_allowed = '} . $other->url('/') . q{';}), qr/ERROR:  42501: URL/, 'nobody lists his own');
like(error_of($node, q{LOAD 'pgforest'; SET ROLE ann; SET pgforest.url_allowed = 'http://x'}), qr/42501/, '... but a superuser');
like(ingest($http->url('/rows.csv'), before => 'SET ROLE ann;'), qr/loaded 1000 rows/, 'whoever may INSERT loads what is listed');
is(ledger(), '1|1000|1000', 'nothing else is loaded');
like(ingest($http->url('/redirect?' . $http->url('/rows.csv'))), qr/loaded 1000 rows/, 'a redirect to what is listed');

# ----- servers that do not do as they should -----

$node->safe_psql('postgres', 'TRUNCATE u');
my $before = ledger();
for my $case (
	[ '/status/500', qr/08\w+: could not read "\S+": the server answered 500/, 'an error of the server' ],
	[ '/nowhere.csv', qr/58P01: could not read "\S+": the server answered 404/, 'no such file' ],
	[ '/slow', qr/08006: could not read "\S+": .*\nHINT:  .*pgforest.url_timeout/, 'an answer that does not come' ],
	[ '/reset', qr/ERROR:  08\w+: could not read/, 'a connection that is closed at once' ],
	[ '/cut/5/rows.csv', qr/ERROR:  08\w+: could not read/, 'a body that ends before its first record' ],
	[ '/endless', qr/54000: the record that begins on line 1 is longer than 256 MB/, 'a record without end' ])
{
	my ($path, $error, $name) = @$case;

	like(ingest($http->url($path)), $error, $name);
	is(ledger(), $before, '... and nothing is loaded');
}
like(ingest($http->url('/endless'), before => q{SET pgforest.url_max_size = '10MB';}), qr/54000: could not read "\S+": .*\nHINT:  .*pgforest.url_max_size/s, 'too large');
like(ingest($http->url('/drip'), before => q{SET pgforest.url_max_time = '2s';}, batch_size => 1000000, format => q{'{"columns": ["b"], "header": false}'}),
	qr/08006: could not read "\S+": .*\nDETAIL.*\nHINT:  .*pgforest.url_max_time/s, 'too slow in all');
is(ledger(), $before, '... and nothing is loaded');

# A body that is cut off: the batches before are there, and the next call goes on.
like(ingest($http->url('/cut/9000/rows.csv'), batch_size => 300), qr/ERROR:  08\w+: could not read/, 'a body that is cut off');
is(ledger(), '4|2600|600', '... the batches before it are loaded');
is($node->safe_psql('postgres', 'SELECT count(DISTINCT a), max(a) FROM u'), '600|600', '... with whole rows');
like(ingest($http->url('/cut/9000/rows.csv'), batch_size => 300), qr/ERROR:  08\w+: could not read/, 'again');
is(ledger(), '4|2600|600', '... nothing twice');

# Another body on the second call.
$node->safe_psql('postgres', 'TRUNCATE u');
like(ingest($http->url('/rows.csv?x=secret'), batch_size => 300, max_batches => 2), qr/loaded 600 rows/, 'two batches');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pgforest.batch WHERE source LIKE '%secret%'}), 0, 'what follows a question mark is not kept');
write_file('rows.csv', "a,b\n" . join('', map { $_ . ($_ == 450 ? ',another ' : ',row ') . "$_\n" } 1 .. 1000));
like(ingest($http->url('/rows.csv?x=secret')), qr/55000: source "\S+" has changed in the part that was loaded already\nDETAIL:  Batch 2/, 'another body on the second call');
is($node->safe_psql('postgres', 'SELECT count(*) FROM u'), 600, '... loads nothing');
write_file('rows.csv', "a,b\n" . join('', map { "$_,row $_\n" } 1 .. 1000));
like(ingest($http->url('/rows.csv?x=secret')), qr/loaded 400 rows/, 'the first body again: goes on');
is($node->safe_psql('postgres', 'SELECT count(*), sum(a) FROM u'), '1000|500500', 'each row once');

# ----- while it waits -----

my $session = new_session($node);
my $admin   = new_session($node);
for my $case ([ '/slow', 0.5 ], [ '/drip', 0.7 ], [ '/endless', 0.3 ])
{
	my ($path, $after) = @$case;
	my @late;

	for my $try (1 .. 3)
	{
		my ($held, $moment);

		$session->begin("CALL ml_ingest('u', '" . $http->url($path) . "', batch_size => 1000000, format => '{\"header\": false, \"columns\": [\"b\"]}')");
		sleep $after;
		$held = $admin->run('SELECT backend_xmin IS NULL AND backend_xid IS NULL FROM pg_stat_activity WHERE pid = ' . $session->pid)
		  . $admin->run(q{SELECT string_agg(locktype, ' ' ORDER BY locktype) FROM pg_locks WHERE pid = } . $session->pid);
		is($held, 'tadvisory virtualxid', "$path: it holds no snapshot, no transaction id and no lock but its own") if $try == 1;
		$moment = $admin->run('SELECT clock_timestamp() FROM pg_cancel_backend(' . $session->pid . ')');
		$session->finish;
		like($session->error, qr/canceling statement due to user request/, '... is cancelled') if $try == 1;
		push @late, $admin->run(qq{SELECT round(1000 * extract(epoch FROM state_change - timestamptz '$moment'), 1) FROM pg_stat_activity WHERE state = 'idle' AND pid = } . $session->pid);
		last if $late[-1] <= 100;
	}
	cmp_ok($late[-1], '<=', 100, "... within 100 ms (@late)");
}
is($admin->run(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}), 0, 'nothing is held after it');
$_->close for $session, $admin;

# ----- the readmission data, or rows like them, whoever is killed -----

my $data = $ENV{PGFOREST_DATA} ? "$ENV{PGFOREST_DATA}/diabetes_130_hospitals.csv.gz" : '';
if (-f $data && system("gzip -dc '$data' >'$files/big.csv'") == 0)
{
	system("cp '$data' '$files/big.csv.gz'");
	note('with the readmission data');
}
else
{
	write_file('big.csv', "id,a,b,c\n" . join('', map { "$_," . $_ % 97 . ",\"text \"\"$_\"\"\n of two lines\"," . ($_ % 5 ? $_ / 7 : '?') . "\n" } 1 .. 101766));
	system("gzip -c '$files/big.csv' >'$files/big.csv.gz'");
}
my $url     = $http->url('/big.csv');
my %options = (create_table => 'true', format => q{'{"null": ["?"]}'});
like(ingest($url, target => 'whole', %options), qr/loaded 101766 rows into public.whole in 7 batches/, '101,766 rows in 7 batches');
is($node->safe_psql('postgres', q{SELECT string_agg(rows::text, ' ' ORDER BY number) FROM pgforest.batch WHERE target = 'public.whole'}),
	'15000 15000 15000 15000 15000 15000 11766', '... of 15,000');
$node->safe_psql('postgres', "CREATE TABLE copied (LIKE whole); COPY copied FROM '$files/big.csv' (FORMAT csv, HEADER, NULL '?')");
my $differ = q{SELECT count(*) FROM ((TABLE %s EXCEPT ALL TABLE whole) UNION ALL (TABLE whole EXCEPT ALL TABLE %1$s)) AS d};
is($node->safe_psql('postgres', sprintf($differ, 'copied')), 0, '... as COPY loads them');
like(ingest($http->url('/big.csv.gz'), target => 'packed', %options), qr/loaded 101766 rows/, 'packed');
is($node->safe_psql('postgres', sprintf($differ, 'packed')), 0, '... the same rows');

my $call = "CALL ml_ingest('again', '" . $http->url('/slowly/2/big.csv') . "', format => '{\"null\": [\"?\"]}', batch_size => 3000)";
$node->safe_psql('postgres', 'CREATE TABLE again (LIKE whole)');
my %stops;

# The server may still be busy with starting anew after a kill.
sub next_session
{
	my $session;

	for (1 .. 600)
	{
		last if ($session = eval { new_session($node) }) && $session->pid;
		sleep 0.1;
	}
	return $session;
}

srand(4711);
for my $round (1 .. 60)
{
	my $way     = (qw(session server http))[ $round % 3 ];
	my $session = next_session();
	my $done;

	$session->begin($call);
	sleep rand($round < 20 ? 0.6 : 1.5);
	kill 'KILL', $session->pid if $way eq 'session';
	$node->stop('immediate') if $way eq 'server';
	$http->stop if $way eq 'http';
	$session->finish;
	$done = $session->error =~ /loaded|nothing new/;
	like($session->error, qr/ERROR:  could not (?:read|connect)|connection to server was lost/, 'an HTTP server that is killed') if $way eq 'http' && !$done;
	$session->close;
	$node->start if $way eq 'server';
	$http->start_again if $way eq 'http';
	$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
	$stops{$way}++ if !$done;
	last if $done && $round >= 20;
}
note('stopped: ' . join(', ', map { "$_ $stops{$_}" } sort keys %stops));
$node->safe_psql('postgres', $call);
is($node->safe_psql('postgres', sprintf($differ, 'again')), 0, 'killed at random moments: the rows of the file, each once');
is($node->safe_psql('postgres', q{SELECT sum(rows), count(DISTINCT number) = max(number), max(end_byte) FROM pgforest.batch WHERE target = 'public.again'}),
	'101766|t|' . -s "$files/big.csv", 'and so says the ledger');

$node->stop;
done_testing();

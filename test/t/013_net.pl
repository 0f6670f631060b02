# What reads from the network keeps out of the way of everything else: certificates, proxies, files that
# unpack to more than they should, and a session that has nothing left of a hundred transfers that failed.

use strict;
use warnings;

use Compress::Zlib 'memGzip';
use FindBin;
use lib $FindBin::RealBin;
use HttpServer;
use PgForestNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $http    = HttpServer->start;
my $trusted = HttpServer->start(tls => 1);
my $wrong   = HttpServer->start(tls => 1);
my $allowed = join(', ', map { ($_->url(''), $_->url('', '127.0.0.1')) } $http, $trusted, $wrong);
my $rows    = join('', "id,name\n", map { "$_,row $_\n" } 1 .. 1000);

for my $server ($http, $trusted, $wrong)
{
	append_to_file($server->directory . '/files/rows.csv', $rows);
}

# One that unpacks to hundreds of times its size, several in one, one with padding, and ones that break off.
sub write_file
{
	my ($name, $bytes) = @_;

	open(my $file, '>:raw', $http->directory . "/files/$name") or die "$name: $!";
	print $file $bytes;
	close($file);
	return;
}

my $packed = memGzip($rows);
write_file('bomb.csv.gz', memGzip("id,name\n" . "1,x\n" x 1000000));
write_file('members.csv.gz', memGzip(substr($rows, 0, 100)) . memGzip(substr($rows, 100)));
write_file('padded.csv.gz', $packed . "\0" x 100);
write_file('cut.csv.gz', substr($packed, 0, -10));
write_file('broken.csv.gz', substr($packed, 0, 200) . "\x55" x 50 . substr($packed, 250));

my $node = new_node('server', settings => <<EOF);
pgforest.url_allowed = '$allowed'
pgforest.url_ca_file = '${\($trusted->certificate)}'
pgforest.url_timeout = 500ms
EOF
{
	# a proxy that nobody listens at
	local @ENV{qw(http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY)} = ('http://127.0.0.1:1') x 5;
	$node->start;
}
$node->safe_psql('postgres', 'CREATE EXTENSION pgforest');

my $session = new_session($node);

# Rows of a URL, or the error.
sub rows_of
{
	my ($url, %options) = @_;

	$session->run('DROP TABLE IF EXISTS got');
	$session->run('SET client_min_messages = warning; ' . ($options{settings} // 'SELECT'));
	$session->run("CALL ml_ingest('got', '$url', create_table => true, restart => true)");
	return $session->error =~ /(ERROR:.*)/s ? $1 : $session->run(q{SELECT count(*), md5(string_agg(id || name, ',' ORDER BY id)) FROM got});
}

my $right = $node->safe_psql('postgres', q{SELECT 1000, md5(string_agg(i || 'row ' || i, ',' ORDER BY i)) FROM generate_series(1, 1000) AS i});

is(rows_of($http->url('/rows.csv')), $right, 'http, and no proxy');

# ----- certificates -----

is(rows_of($trusted->url('/rows.csv')), $right, 'a certificate that is trusted');
like(rows_of($trusted->url('/rows.csv', '127.0.0.1')),
	qr/^ERROR:  could not connect safely for .*\nDETAIL:  .*(does not match|no alternative certificate subject name).*\nHINT:  .*pgforest.url_ca_file/, '... of another name');
like(rows_of($wrong->url('/rows.csv')), qr/^ERROR:  could not connect safely for .*\nDETAIL:  SSL certificate problem/, 'one that is not');
like(rows_of($trusted->url('/rows.csv'), settings => q{SET pgforest.url_ca_file = ''}), qr/^ERROR:  could not connect safely for /, 'the system does not trust it');
like(rows_of($trusted->url('/rows.csv'), settings => q{SET pgforest.url_ca_file = '/nowhere/certificates'}),
	qr/^ERROR:  could not read the certificates that servers are verified by\nDETAIL:  .*\nHINT:  .*pgforest.url_ca_file/, 'a file of certificates that is not there');
$session->run('RESET pgforest.url_ca_file');
like(rows_of('https://localhost:' . $http->{port} . '/rows.csv', settings => "SET pgforest.url_allowed = 'https://localhost:$http->{port}'"),
	qr/^ERROR:  could not connect safely for /, 'a server that does not speak TLS');
$session->run('RESET pgforest.url_allowed');
like(rows_of($trusted->url('/redirect?' . $wrong->url('/rows.csv'))), qr/^ERROR:  could not connect safely for /, 'a redirect to one that is not');
like(rows_of($trusted->url('/redirect?file:///etc/passwd')), qr/^ERROR:  .* redirects to a URL that is not allowed/, '... to a file');
like(rows_of($trusted->url('/redirect?//evil.example/x')), qr/^ERROR:  .* redirects to a URL that is not allowed\nDETAIL:  It leads to "https:\/\/evil.example"/, '... to another host');

# ----- what is packed -----

is(rows_of($http->url("/$_.csv.gz")), $right, "gzip: $_") for 'members', 'padded';
like(rows_of($http->url('/cut.csv.gz')), qr/^ERROR:  could not read .* to its end\nDETAIL:  Its compressed content is cut off/, 'cut off');
like(rows_of($http->url('/broken.csv.gz')), qr/^ERROR:  what the server sent cannot be unpacked\nDETAIL:  It is not valid gzip/, 'broken');
like(rows_of($http->url('/bomb.csv.gz'), settings => q{SET pgforest.url_max_size = '1MB'}), qr/^ERROR:  could not read .*: it is larger than 1024 kB/,
	'the limit is on what it unpacks to, too');
$session->run('RESET pgforest.url_max_size');
like(rows_of($http->url('/brotli')), qr/^ERROR:  could not read .*: its content is encoded as "br"/, 'packed in another way');

# ----- nothing is left -----

my $left = q{SELECT (SELECT count(*) FROM pg_ls_dir('/proc/self/fd')), (SELECT count(*) FROM pg_ls_dir('/proc/self/task')),
	(SELECT count(*) FROM pg_backend_memory_contexts WHERE name IN ('pgforest URL', 'pgforest message'))};
SKIP:
{
	skip 'no /proc', 1 unless -d '/proc/self/fd';
	my $before = $session->run($left);
	for my $path (('/slow', '/status/500', '/redirect?http://evil.example/', '/truncated', '/reset', '/loop', '/nothing') x 5)
	{
		rows_of($http->url($path));
		rows_of($trusted->url($path));
	}
	for (1 .. 5)
	{
		rows_of($http->url('/slow'), settings => 'SET statement_timeout = 50');
		$session->run('RESET statement_timeout');
	}
	is($session->run($left), $before, 'no file, no thread, no memory is left of 75 transfers that failed');
}
$session->run('RESET statement_timeout');
is(rows_of($http->url('/rows.csv')), $right, '... and the next one succeeds');

# A session that reads no URL does not load the library.
SKIP:
{
	skip 'no /proc', 2 unless -r '/proc/self/maps';
	my $maps = q{SELECT pg_read_file('/proc/self/maps') LIKE '%pgforest_net%'};
	is($session->run($maps), 't', 'a session that read one has the second library');
	is($node->safe_psql('postgres', qq{LOAD 'pgforest'; $maps}), 'f', 'one that did not has not');
}

$session->close;
$node->stop;

# Without libcurl: a file in its place that is none.
my $lib = PostgreSQL::Test::Utils::tempdir;
append_to_file("$lib/libcurl.so.4", 'nothing');
{
	local $ENV{LD_LIBRARY_PATH} = $lib;
	$node->start;
}
like(error_of($node, "CALL ml_ingest('got', '" . $http->url('/rows.csv') . "')"), qr/^0A000: the network library of pgforest cannot be loaded/,
	'without libcurl there is a clear error');
$node->stop;

done_testing();

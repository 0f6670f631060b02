# A training takes the workers that it may have, fewer when there are fewer, and none where
# none can be had: the same bytes every time.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PgForestNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('server');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pgforest');
make_rows($node, rows => 20_000);

# Enough work for workers to be worth it.
use constant CALL => q{ml_train('m', 'item', 'label', exclude => '{id,value}',
	params => '{"n_estimators": 200, "max_depth": 8, "oob_score": true}')};

# Trains: SHA-256, what was stored of the measurements, and how many workers there were
# ('1 of 2', or '-' when none was asked for).
sub train
{
	my ($settings, $table) = @_;
	my ($out, $err);

	$node->psql('postgres', <<EOF, stdout => \$out, stderr => \$err, on_error_stop => 1);
SET client_min_messages = debug1;
$settings;
SELECT version AS trained FROM ${\ CALL} \\gset
SET client_min_messages = error;
SELECT sha256 FROM pgforest.versions WHERE model = 'm' AND version = :trained;
SELECT md5(string_agg(concat_ws(',', set, class, metric, value, baseline, rows), ';' ORDER BY set, class, metric))
	FROM pgforest.metrics WHERE model = 'm' AND version = :trained;
SELECT md5(string_agg(i::text, ',')) FROM ml_importance('m@' || :trained) AS i;
EOF
	my $workers = $err =~ /growing 200 trees with (\d+ of \d+) parallel workers/ ? $1
	  : $err =~ /growing 200 trees without parallel workers/ ? '-' : $err;
	return ($out, $workers);
}

my ($bytes, $none) = train('SET pgforest.train_workers = 0');
like($bytes, qr/^[0-9a-f]{64}$/m, 'trained');
is($none, '-', 'alone');

sub check
{
	my ($name, $expected, @settings) = @_;
	my ($got, $workers) = train(join('; ', 'SET pgforest.train_workers = 2', @settings));

	is($workers, $expected, "$name: workers");
	is($got, $bytes, '... and the same bytes, metrics and importances');
	return;
}

check('2 workers', '2 of 2');
check('1 worker', '1 of 1', 'SET pgforest.train_workers = 1');
check('8 workers', '8 of 8', 'SET pgforest.train_workers = 8');
check('as many as for maintenance', '3 of 3', 'RESET pgforest.train_workers', 'SET max_parallel_maintenance_workers = 3');
check('none for maintenance', '-', 'RESET pgforest.train_workers', 'SET max_parallel_maintenance_workers = 0');
check('max_parallel_workers = 1', '1 of 2', 'SET max_parallel_workers = 1');
check('max_parallel_workers = 0', '0 of 2', 'SET max_parallel_workers = 0');
check('in a transaction that has written', '2 of 2', 'BEGIN', 'CREATE TABLE written (x int)', 'SAVEPOINT s');
check('in a serializable transaction', '2 of 2', 'BEGIN ISOLATION LEVEL SERIALIZABLE');
check('memory for one worker, and for reading twice', '1 of 1', q{SET pgforest.train_memory = '1500kB'});
check('rows read in parallel', '2 of 2', 'SET parallel_setup_cost = 0', 'SET parallel_tuple_cost = 0', 'SET min_parallel_table_scan_size = 0');
check('trees in temporary files that are few', '2 of 2', q{SET temp_file_limit = '20MB'});

# Not worth it for a little work.
is($node->psql('postgres', <<'EOF', stderr => \my $err), 0, 'a small training');
SET client_min_messages = debug1;
SET pgforest.train_workers = 2;
SELECT count(*) FROM ml_train('small', 'SELECT * FROM item WHERE id < 100', 'label', params => '{"n_estimators": 10}');
EOF
like($err, qr/growing 10 trees without parallel workers/, '... does not start workers');

# From a function.
$node->safe_psql('postgres', <<EOF);
CREATE FUNCTION in_function() RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE trained int;
BEGIN
	BEGIN
		SELECT version INTO trained FROM ${\ CALL};
		RAISE EXCEPTION 'away with it';
	EXCEPTION WHEN raise_exception THEN
		SELECT version INTO trained FROM ${\ CALL};
	END;
	RETURN (SELECT sha256 FROM pgforest.versions WHERE model = 'm' AND version = trained);
END \$\$;
EOF
my ($sha256) = $bytes =~ /^(\w+)/;
is($node->safe_psql('postgres', 'SET pgforest.train_workers = 2; SELECT in_function()'), $sha256,
	'in PL/pgSQL, after one that was rolled back');

# ----- what a running server cannot change -----

for my $settings (
	[ 'no worker processes at all', '0 of 2', 'max_worker_processes = 0' ],
	[ 'one worker process', '1 of 2', 'max_worker_processes = 2' ],
	[ 'shared memory of System V', '2 of 2', 'dynamic_shared_memory_type = sysv' ],
	[ 'shared memory in files', '2 of 2', 'dynamic_shared_memory_type = mmap' ],
	[ 'shared memory taken at the start', '2 of 2', "min_dynamic_shared_memory = '8MB'" ])
{
	my ($name, $workers, $setting) = @$settings;
	my ($variable) = $setting =~ /^(\w+)/;

	$node->append_conf('postgresql.conf', $setting);
	$node->restart;
	check($name, $workers);
	$node->adjust_conf('postgresql.conf', $variable, undef);
	$node->append_conf('postgresql.conf', 'max_worker_processes = 16');
}
$node->stop;

# ----- where shared memory is small, as in many a container -----

SKIP:
{
	my $unshare = 'unshare --user --map-current-user --keep-caps --mount';
	my $mount   = 'mount -t tmpfs none /dev/shm -o size';

	skip 'no small /dev/shm can be made here', 19
	  if system("$unshare sh -c '$mount=3m' >/dev/null 2>&1") != 0;
	my $data  = $node->data_dir;
	my $log   = $node->logfile;
	my $start = sub {
		my ($size) = @_;

		is(system(qq{$unshare sh -c '$mount=$size && exec setpriv --ambient-caps=-all --inh-caps=-all pg_ctl -w -D "$data" -l "$log.small" start' >/dev/null}), 0,
			"a server with $size of shared memory");
	};

	$start->('3m');

	# The rows need some 240 kB, and ten times as many nearly all there is.
	check('small shared memory that is enough', '2 of 2');
	$node->safe_psql('postgres', 'CREATE TABLE large AS SELECT item.* FROM item, generate_series(1, 30)');
	my $large = <<'EOF';
SET client_min_messages = debug1;
SET pgforest.train_workers = 2;
SET max_parallel_workers_per_gather = 0;
SELECT version FROM ml_train('large', 'large', 'label', exclude => '{id,value}', params => '{"n_estimators": 3, "max_depth": 4}');
EOF
	is($node->psql('postgres', $large, stderr => \$err), 0, 'more than there is');
	like($err, qr/growing 3 trees without parallel workers/, '... is done without workers');
	my %others = (
		extra_trees => q{'label', 'extra_trees', exclude => '{id,value}', params => '{"n_estimators": 3, "max_depth": 4}'},
		gradient_boosting => q{'value', 'gradient_boosting', exclude => '{id,label}', params => '{"n_estimators": 4, "loss": "absolute_error"}'},
		isolation_forest => q{algorithm => 'isolation_forest', exclude => '{id}', params => '{"n_estimators": 30, "max_samples": 20000}'},
		linear => q{'label', 'linear', exclude => '{id,value}'});
	for my $name (sort keys %others)
	{
		is($node->psql('postgres', "SET client_min_messages = debug1; SET pgforest.train_workers = 2; SELECT ml_train('$name', 'large', $others{$name})", stderr => \$err),
			0, "$name, where there is little");
		like($err, qr/(growing 3 trees|boosting 4 rounds) without parallel workers/, '... is done without workers') if $name =~ /_(trees|boosting)/;
	}
	system_or_bail('pg_ctl', '-w', '-D', $data, '-m', 'fast', 'stop');

	$node->start;
	$node->psql('postgres', $large, stderr => \$err);
	like($err, qr/growing 3 trees with 2 of 2 parallel workers/, '... which it has where there is more');
	is($node->safe_psql('postgres', q{SELECT count(DISTINCT sha256), count(*) FROM pgforest.versions WHERE model = 'large'}), '1|2',
		'... to make the same bytes');
	$node->safe_psql('postgres', "SET pgforest.train_workers = 2; SELECT ml_train('$_', 'large', $others{$_})") for sort keys %others;
	is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT (model, sha256)) FROM pgforest.versions WHERE model IN (' . join(', ', map { "'$_'" } sort keys %others) . ')'),
		'8|4', '... and so do all others');

	# What Docker gives a container: less than the bins of these rows alone, 420,000 x 200.
	$node->safe_psql('postgres', <<'EOF');
CREATE TABLE images AS
SELECT base[1 + id * 7919 % 800 : 200 + id * 7919 % 800] AS pixels, (base[1 + id * 7919 % 800] % 2)::text AS label, id
FROM (SELECT array_agg((i * 104729 % 251)::int2 ORDER BY i) AS base FROM generate_series(1, 1000) AS i) AS b,
	generate_series(1::bigint, 420000) AS id;
ANALYZE images;
EOF
	$node->stop;
	my $images = <<'EOF';
SET client_min_messages = debug1;
SET pgforest.train_workers = 2;
SELECT version FROM ml_train('images', 'images', 'label', exclude => '{id}',
	params => '{"n_estimators": 4, "max_depth": 5, "oob_score": false}');
EOF
	$start->('64m');
	is($node->psql('postgres', $images, stderr => \$err), 0, 'bins that are more than all of it');
	like($err, qr/growing 4 trees without parallel workers/, '... make a forest without workers');
	system_or_bail('pg_ctl', '-w', '-D', $data, '-m', 'fast', 'stop');

	$node->start;
	$node->psql('postgres', $images, stderr => \$err);
	like($err, qr/growing 4 trees with 2 of 2 parallel workers/, '... and with them where there is more');
	is($node->safe_psql('postgres', q{SELECT count(DISTINCT sha256), count(*) FROM pgforest.versions WHERE model = 'images'}), '1|2',
		'... of the same bytes');
	$node->stop;
}

done_testing();

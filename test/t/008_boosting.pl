# gradient_boosting with workers: participants meet at each step of each tree.  The same bytes
# with any number of them, and nobody waits for one that never comes, is ended, or is stopped.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PgForestNode;
use PostgreSQL::Test::Cluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = new_node('server');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pgforest');
make_rows($node, rows => 20_000);
$node->safe_psql('postgres', 'CREATE TABLE large AS SELECT item.* FROM item, generate_series(1, 4)');

use constant CALL => q{ml_train('m', 'large', 'label', 'gradient_boosting', exclude => '{id,value}',
	params => '{"n_estimators": 40, "subsample": 0.9}')};

# Trains: SHA-256 and how many workers there were.
sub train
{
	my ($settings, $call) = @_;
	my ($out, $err);

	$call //= CALL;

	$node->psql('postgres', <<EOF, stdout => \$out, stderr => \$err, on_error_stop => 1);
SET client_min_messages = debug1;
$settings;
SELECT model, version AS trained FROM $call \\gset
SELECT sha256 FROM pgforest.versions WHERE model = :'model' AND version = :trained;
EOF
	my $workers = $err =~ /boosting \d+ rounds with (\d+ of \d+) parallel workers/ ? $1
	  : $err =~ /boosting \d+ rounds without parallel workers/ ? '-' : $err;
	return ($out, $workers);
}

my ($bytes, $none) = train('SET pgforest.train_workers = 0');
like($bytes, qr/^[0-9a-f]{64}$/, 'trained');
is($none, '-', 'alone');
for my $case (
	[ '1 worker', '1 of 1', 'SET pgforest.train_workers = 1' ],
	[ '3 workers', '3 of 3', 'SET pgforest.train_workers = 3' ],
	[ '8 workers', '8 of 8', 'SET pgforest.train_workers = 8' ],
	[ 'fewer than wanted', '1 of 3', 'SET pgforest.train_workers = 3; SET max_parallel_workers = 1' ],
	[ 'none to be had', '0 of 3', 'SET pgforest.train_workers = 3; SET max_parallel_workers = 0' ])
{
	my ($name, $expected, $settings) = @$case;
	my ($got, $workers) = train($settings);

	is($workers, $expected, "$name: workers");
	is($got, $bytes, '... and the same bytes');
}

# Whatever is asked for, and whatever the order of the rows.
for my $case (
	[ 'value', '"subsample": 0.7, "max_features": 2' ],
	[ 'value', '"loss": "absolute_error", "max_leaf_nodes": null, "max_depth": 5' ],
	[ 'value', '"loss": "quantile", "quantile": 0.9, "subsample": 0.5' ],
	[ 'greatest(value, 0)', '"loss": "poisson", "early_stopping": true' ],
	[ 'value', '"monotonic_cst": {"a": 1}, "colsample_bytree": 0.7' ],
	[ 'label', '"calibration": "isotonic", "class_weight": "balanced"' ],
	[ 'a > 50', '"early_stopping": true, "n_iter_no_change": 3, "validation_fraction": 0.3' ])
{
	my ($target, $params) = @$case;
	my $call = qq{ml_train('m $target', 'SELECT a, b, kind, $target AS target FROM large ORDER BY %s', 'target', 'gradient_boosting',
		params => '{"n_estimators": 160, $params}')};
	my ($alone) = train('SET pgforest.train_workers = 0', sprintf($call, 'id'));
	my ($together, $workers) = train('SET pgforest.train_workers = 3', sprintf($call, 'b DESC'));

	is($workers, '3 of 3', "$target, $params: workers");
	is($together, $alone, '... and the same bytes');
}

# ----- stopped -----

my $session = new_session($node);
my $long    = q{SELECT ml_train('m', 'large', 'label', 'gradient_boosting', exclude => '{id,value}',
	params => '{"n_estimators": 20000, "early_stopping": false}')};
my $catalog = catalog($node);
my $workers = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'parallel worker'};

sub check_nothing_left
{
	my ($when) = @_;

	ok(wait_for($node, "NOT EXISTS ($workers)"), "$when: no worker is left");
	is(catalog($node), $catalog, '... nor a row');
	is($session->run('SELECT 1'), 1, '... and the session goes on');
	return;
}

for my $number (0, 2)
{
	$session->run("SET pgforest.train_workers = $number");
	for my $after (150, 400, 900, 1700)
	{
		$session->run("SET statement_timeout = $after");
		my $start = time;
		$session->run($long);
		my $late = 1000 * (time - $start) - $after;
		$session->run('SET statement_timeout = 0');
		cmp_ok($late, '<', 1000, sprintf('%d workers, stopped after %d ms: late by %.0f ms', $number, $after, $late));
	}
	check_nothing_left("timeout with $number workers");
}

# A worker is ended, or stands still while the session is cancelled.
$session->begin($long);
ok(wait_for($node, "EXISTS ($workers)"), 'a worker helps');
sleep 0.3;
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM ($workers LIMIT 1) AS w");
$session->finish;
like($session->error, qr/ERROR: .*(terminating|lost connection)/, 'the session hears of a worker that was ended');
check_nothing_left('pg_terminate_backend of a worker');

$session->begin($long);
ok(wait_for($node, "EXISTS ($workers)"), 'a worker helps');
sleep 0.3;
my $worker = $node->safe_psql('postgres', "$workers LIMIT 1");
kill 'STOP', $worker;
sleep 0.5;
$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $session->pid . ')');
sleep 0.3;
kill 'CONT', $worker;
$session->finish;
like($session->error, qr/canceling statement due to user request/, 'cancelled while a worker stood still');
check_nothing_left('a worker that stood still');

$session->close;
$node->stop;
done_testing();

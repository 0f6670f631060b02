# ml_train on a million rows stops when it is told to, at whatever it is doing, within 100 ms, and
# leaves nothing behind: statement_timeout, pg_cancel_backend, pg_terminate_backend, kill -9.
#
# How late a stop was is read from the server's own clock: pg_stat_activity says when the
# statement began and when its session was idle again.  A machine that does other things may keep
# a process from running for longer than 100 ms, so a point that was late is tried again, twice
# at most, and fails when it was late each time; a stop that took a second is never forgiven.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use List::Util qw(max min sum);
use PgForestNode;
use PostgreSQL::Test::Cluster;
use Test::More;
use Time::HiRes qw(sleep time);

use constant { LATE => 100, NEVER => 1000, TRIES => 3 };

my $node = new_node('server', settings => <<EOF);
shared_buffers = 256MB
max_wal_size = 4GB
restart_after_crash = on
autovacuum = off
EOF
$node->start;

my @primes = (7919, 104729, 1299709, 15485863, 32452843, 49979687, 67867967, 86028121, 104395301, 122949823, 141650939,
	160481183, 179424673, 198491317, 217645199, 236887691, 256203161, 275604541, 295075147, 314606869);
$node->safe_psql('postgres', 'CREATE EXTENSION pgforest; CREATE TABLE big AS SELECT i::int AS id, '
	  . '((i * 7919 % 1000003) + (i * 104729 % 999983) > 1000000)::int AS y, i * 2654435761 % 4294967296 < 2147483648 AS noise, '
	  . join(', ', map { "(i * $primes[$_] % " . ($_ % 2 ? 999983 : 1000003) . ')::float4 AS f' . ($_ + 1) } 0 .. 19)
	  . ' FROM generate_series(1, 1000000::bigint) AS i; VACUUM ANALYZE big');
make_rows($node);
$node->safe_psql('postgres', q{SELECT ml_train('flower', 'item', 'label', params => '{"n_estimators": 5}'); SELECT ml_promote('flower', 1)});
my $predict = q{SELECT md5(string_agg(ml_predict('flower', item), ',' ORDER BY id)) FROM item};
my $answer  = $node->safe_psql('postgres', $predict);

my ($session, $admin);

my $catalog = catalog($node);
my $files;

# Temporary files, and shared memory where it lies in files of the data directory.
sub files
{
	return join(' ', map { scalar(my @found = glob $node->data_dir . "/$_/*") } 'base/pgsql_tmp', 'pg_dynshmem');
}

sub check_nothing_left
{
	my ($when) = @_;

	is(catalog($node), $catalog, "$when: no row is left");
	is($admin->run(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'}), 0, '... no worker');
	is($admin->run('SELECT count(*) FROM pg_locks WHERE pid <> pg_backend_pid()'), 0, '... no lock');
	is($session->run(q{SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'pgforest training'}), 0, '... no memory');
	is($session->run($predict), $answer, '... and the session goes on');

	# A session that had workers once keeps a small piece of shared memory until it ends.
	new_sessions();
	is(files(), $files, '... no temporary file, no shared memory');
	return;
}

sub new_sessions
{
	for ($session, $admin)
	{
		$_->close if $_;
		$_ = new_session($node);
	}
	ok(wait_for($node, q{(SELECT count(*) = 3 FROM pg_stat_activity WHERE backend_type = 'client backend')}), 'new sessions');
	$files //= files();
	return;
}

new_sessions();

# ----- the trainings that are stopped -----

# Few trees, so that loading and measuring a million rows have their share of the time; and
# many nodes from few rows, so that encoding and storing have.
my %trainings = (
	'serial' => [ 0, q{ml_train('m', 'big', 'y', exclude => '{id,noise}', params => '{"n_estimators": 2}')} ],
	'with workers' => [ 2, q{ml_train('m', 'big', 'y', exclude => '{id,noise}', params => '{"n_estimators": 4}')} ],
	'read twice' => [ 0, q{ml_train('m', 'big', 'f20', exclude => '{id}', params => '{"n_estimators": 1, "max_depth": 6}')}, 'pgforest.train_memory = 150000' ],
	'a sample' => [ 2, q{ml_train('m', 'big', 'y', exclude => '{id,noise}', params => '{"n_estimators": 4, "max_rows": 200000}')} ],
	'with workers, memory in files' => [ 2, q{ml_train('m', 'big', 'y', exclude => '{id}')} ],
	'extra trees' => [ 2, q{ml_train('m', 'big', 'y', 'extra_trees', exclude => '{id,noise}', params => '{"n_estimators": 2, "max_depth": 12}')} ],
	'quantiles' => [ 1, q{ml_train('m', 'SELECT * FROM big WHERE id % 5 = 0', 'f20', exclude => '{id}', params => '{"n_estimators": 6, "max_features": 4, "quantiles": true}')} ],
	'calibrated' => [ 0, q{ml_train('m', 'SELECT * FROM big WHERE id % 5 = 0', 'y', exclude => '{id,noise}', params => '{"n_estimators": 8, "max_depth": 12, "calibration": "isotonic"}')} ],
	'boosting' => [ 0, q{ml_train('m', 'big', 'y', 'gradient_boosting', exclude => '{id,noise}', params => '{"n_estimators": 15}')} ],
	'boosting, calibrated by workers' => [ 2, q{ml_train('m', 'big', 'y', 'gradient_boosting', exclude => '{id,noise}', params => '{"n_estimators": 6, "calibration": "sigmoid"}')} ],
	'medians' => [ 2, q{ml_train('m', 'big', 'f20', 'gradient_boosting', exclude => '{id}', params => '{"n_estimators": 8, "loss": "absolute_error", "max_leaf_nodes": null, "min_samples_leaf": 200}')} ],
	'linear' => [ 0, q{ml_train('m', 'big', 'y', 'linear', exclude => '{id,noise}')} ],
	'elastic net' => [ 2, q{ml_train('m', 'big', 'f20', 'linear', exclude => '{id}', params => '{"alpha": 0.1, "l1_ratio": 0.5}')} ],
	'anomalies' => [ 0, q{ml_train('m', 'big', algorithm => 'isolation_forest', exclude => '{id,y,noise}', params => '{"n_estimators": 20, "contamination": 0.1}')} ],
	'search' => [ 1, q{ml_tune('m', 'SELECT * FROM big WHERE id % 20 = 0', 'y', '{"max_depth": [6, null], "min_samples_leaf": [1, 9], "max_features": [3, 6], "n_estimators": 4}', folds => 2, exclude => '{id,noise}')} ],
	'large model' => [ 1, q{ml_train('m', 'SELECT * FROM big WHERE id % 20 = 0', 'noise', exclude => '{id,y}', holdout => 0.5, params => '{"n_estimators": 60}')} ]);

sub settle
{
	my ($name) = @_;

	$session->run("SET statement_timeout = 0; SET client_min_messages = warning; RESET pgforest.train_memory; SET pgforest.train_workers = $trainings{$name}[0]");
	$session->run("SET $trainings{$name}[2]") if $trainings{$name}[2];
	return;
}

# Milliseconds of a training that nobody stops, and those at which its stages end.
sub time_stages
{
	my ($name) = @_;

	settle($name);
	my $start = time;
	$session->run("SELECT $trainings{$name}[1]");
	is($session->error, '', "$name: trained when nobody stops it");
	my $all    = 1000 * (time - $start);
	my %seconds = split(/[|\n]/, $session->run(q{SELECT key, value FROM pgforest.versions, jsonb_each_text(stage_seconds) WHERE model = 'm'}));
	my $time   = 0;
	my @ends   = map { $time += 1000 * $_ } (sum(@seconds{qw(scan bin sort)}), @seconds{qw(grow measure compress)});

	note(sprintf('%s: load to %d ms, grow to %d, measure to %d, compress to %d, store to %d', $name, @ends, $all));
	forget();
	return ($all, @ends);
}

# Nothing shall be left of a training that came to its end, not even that it was made.
sub forget
{
	$session->run(q{SET statement_timeout = 0; SELECT ml_drop('m'); DELETE FROM pgforest.run WHERE model = 'm'});
	return;
}

# By how many milliseconds the session was late: idle again, after the moment it should have stopped.
sub late_since
{
	my ($moment) = @_;

	return $admin->run(qq{SELECT round(1000 * extract(epoch FROM state_change - ($moment)), 1)
		FROM pg_stat_activity WHERE pid = } . $session->pid . q{ AND state = 'idle'});
}

sub stop_by_timeout
{
	my ($name, $after) = @_;

	$session->run("SET statement_timeout = $after");
	$session->run("SELECT $trainings{$name}[1]");
	return $session->error =~ /canceling statement due to statement timeout/
	  ? late_since("query_start + interval '$after ms'") : undef;
}

sub stop_by_cancel
{
	my ($name, $after) = @_;

	$session->run('SET statement_timeout = 0');
	$session->begin("SELECT $trainings{$name}[1]");
	sleep $after / 1000;
	my $moment = $admin->run('SELECT clock_timestamp() FROM pg_cancel_backend(' . $session->pid . ')');
	$session->finish;
	return $session->error =~ /canceling statement due to user request/ ? late_since("timestamptz '$moment'") : undef;
}

# Stops a training at each of the points (in milliseconds), and says how late the worst one was.
sub stop_at
{
	my ($name, $how, $stop, @points) = @_;
	my (@late, @too_late, $never);

	settle($name);
	for my $point (map { int } @points)
	{
		my (@tries, $done);

		while (@tries < TRIES)
		{
			my $late = $stop->($name, $point);

			if (defined $late)
			{
				push @tries, $late;
				last if $late <= LATE;
			}
			elsif ($done++ < 5 && $session->error eq '')
			{
				# Faster than the one that was timed: there was nothing to stop.
				note("$point ms: done before");
				forget();
				$point = int(0.7 * $point);
			}
			else
			{
				last;
			}
		}
		next unless @tries;
		push @late, min(@tries);
		push @too_late, "$point ms: late by @tries ms" if min(@tries) > LATE;
		$never = $point if max(@tries) > NEVER;
		note("$point ms: late by @tries ms") if @tries > 1;
	}
	note(sprintf('%s, %s: %d stops, late by %.1f ms at most, %.1f on average', $name, $how, scalar @late, max(@late, 0), sum(@late, 0) / max(1, scalar @late)));
	is(scalar @late, scalar @points, "$name, $how: stopped at each point");
	is("@too_late", '', '... within 100 ms');
	is($never, undef, '... and never after a second');
	$session->run('SET statement_timeout = 0');
	check_nothing_left("$name, $how");
	return;
}

# From $first to $last in $n steps.
sub points
{
	my ($n, $first, $last) = @_;

	return map { $first + ($last - $first) * $_ / $n } 0 .. $n - 1;
}

for my $name ('serial', 'with workers')
{
	my ($all, @ends) = time_stages($name);

	stop_at($name, 'statement_timeout', \&stop_by_timeout, 20, 50, points(12, 100, $all));
	stop_at($name, 'pg_cancel_backend', \&stop_by_cancel, points(3, 30, $all),
		($ends[0] + $ends[1]) / 2, ($ends[1] + $ends[2]) / 2);
}
for my $name ('read twice', 'a sample', 'extra trees', 'quantiles', 'calibrated', 'boosting', 'boosting, calibrated by workers',
	'medians', 'linear', 'elastic net', 'anomalies', 'search')
{
	my ($all, @ends) = time_stages($name);

	stop_at($name, 'statement_timeout', \&stop_by_timeout, points(6, 100, $all));
}
{
	my ($all, @ends) = time_stages('large model');

	stop_at('large model', 'statement_timeout', \&stop_by_timeout, points(2, $ends[0], $ends[1]), points(6, $ends[1], $all));
	stop_at('large model', 'pg_cancel_backend', \&stop_by_cancel, points(4, $ends[1], $all));
}

# ----- other ways to end -----

# From here on with shared memory in files, where we see what is left of it.
$_->close for $session, $admin;
$node->append_conf('postgresql.conf', 'dynamic_shared_memory_type = mmap');
$node->restart;
$files = undef;
new_sessions();
stop_at('with workers, memory in files', 'statement_timeout', \&stop_by_timeout, 1000);

my $workers = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'parallel worker' AND query LIKE '%ml_train%' LIMIT 1};

# Starts one that takes long and waits until a worker grows trees for it: that worker.
sub start_long
{
	$session->run('SET statement_timeout = 0; SET pgforest.train_workers = 2; SET max_parallel_workers_per_gather = 0');
	$session->begin(q{SELECT ml_train('m', 'big', 'y', exclude => '{id}')});
	ok(wait_for($node, "EXISTS ($workers)"), 'a worker grows trees');
	sleep 0.3;
	return $node->safe_psql('postgres', $workers);
}

# A worker that an administrator ends: an error in its session, which goes on.
my $worker = start_long();
$admin->run("SELECT pg_terminate_backend($worker)");
$session->finish;
like($session->error, qr/ERROR: .*(terminating|lost connection)/, 'the session hears of a worker that was ended');
check_nothing_left('pg_terminate_backend of a worker');

# The session itself is ended.
start_long();
$admin->run('SELECT pg_terminate_backend(' . $session->pid . ')');
$session->finish;
like($session->error, qr/terminating connection due to administrator command/, 'the session was ended');
new_sessions();
check_nothing_left('pg_terminate_backend');

# A process is killed: the server starts anew by itself.
for my $victim ('worker', 'session')
{
	$worker = start_long();
	kill 'KILL', $victim eq 'worker' ? $worker : $session->pid;
	$session->finish;
	ok($node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()'), "the server is back after kill -9 of a $victim");
	new_sessions();
	check_nothing_left("kill -9 of a $victim");
}
is($session->run(q{SELECT version FROM ml_train('flower', 'item', 'label', params => '{"n_estimators": 5}')}), 2,
	'the next training has the next number');

$_->close for $session, $admin;
$node->stop;
done_testing();

# Runs of pipelines that end badly in their fourth step, in every way there is: what the three
# before it did stands, a row says what failed, and the next call goes on from there.  And two
# sessions that run the same pipeline.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PgForestNode;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = new_node('pipeline', settings => 'restart_after_crash = on');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pgforest');
make_rows($node, rows => 600);

# What the source does once three versions are there.
$node->safe_psql('postgres', <<'EOF');
CREATE TABLE control (does text);
INSERT INTO control VALUES ('nothing');
CREATE FUNCTION trouble() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	does text := (SELECT does FROM control);
BEGIN
	IF (SELECT count(*) % 4 FROM pgforest.versions) <> 3 OR does = 'nothing' THEN
		RETURN true;
	ELSIF does = 'sleep' THEN
		PERFORM pg_sleep(300);
	ELSIF does = 'bad SQL' THEN
		EXECUTE 'SELECT * FROM no_such_table';
	END IF;
	RETURN true;
END $$;
SELECT * FROM ml_pipeline('p', '{"model": "p", "raw": "SELECT a, b, id, label FROM item WHERE (SELECT trouble())", "target": "label", "key": "id",
	"candidates": [{"params": {"n_estimators": [3, 4, 5], "max_depth": 2}}, {"algorithm": "gradient_boosting", "params": {"n_estimators": 5}}]}');
EOF

my $admin = new_session($node);
my $session;

sub steps
{
	return $node->safe_psql('postgres', q{SELECT string_agg(kind || ' ' || status || coalesce(' ' || sqlstate, ''), ', ' ORDER BY step)
		FROM pgforest.run_steps WHERE run = (SELECT max(id) FROM pgforest.runs WHERE kind = 'pipeline')});
}

sub last_run
{
	my ($columns) = @_;

	return $node->safe_psql('postgres', qq{SELECT $columns FROM pgforest.runs WHERE kind = 'pipeline' ORDER BY id DESC LIMIT 1});
}

sub versions
{
	return $node->safe_psql('postgres', 'SELECT count(*) FROM pgforest.versions');
}

# Starts a run that stops at its fourth step.
sub start_run
{
	my ($does) = @_;

	$node->safe_psql('postgres', "UPDATE control SET does = '$does'");
	$session //= new_session($node);
	$session->begin(q{CALL ml_run('p')});
	return;
}

sub wait_for_step
{
	return ok(wait_for($node, q{EXISTS (SELECT FROM pgforest.run_steps WHERE step = 4 AND status = 'running')}), '... its fourth step is under way');
}

# The next call does what is left, and the one after it all of it again.
sub check_goes_on
{
	my ($how, $before) = @_;

	$node->safe_psql('postgres', q{UPDATE control SET does = 'nothing'});
	is(versions(), $before + 3, "$how: three versions stand");
	$session //= new_session($node);
	$session->run(q{CALL ml_run('p')});
	like($session->error, qr/\A(?:\S+ )?NOTICE:  pipeline "p" promoted .*\nDETAIL: .*\n\z/, '... the next call succeeds');
	is(steps(), 'train kept, train kept, train kept, train success, promote success', '... and goes on from there');
	is(versions(), $before + 4, '... nothing was done twice');
	is(last_run('status, resumes IS NOT NULL'), 'success|t', '... and says so');
	is($admin->run(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}), 0, '... no lock is left');
	return;
}

sub check_failed
{
	my ($how, $status, $sqlstate, $message) = @_;
	is(steps(), "train success, train success, train success, train $status $sqlstate", "$how: the step says what failed");
	like(last_run('status, sqlstate, message'), qr/^$status\|$sqlstate\|$message/, '... and so does the run');
	like($session->error, qr/$message/, '... and the session');
	return;
}

# ----- errors -----

my $before = versions();
start_run('bad SQL');
$session->finish;
check_failed('bad SQL', 'failure', '42P01', 'relation "no_such_table" does not exist');
check_goes_on('bad SQL', $before);

$before = versions();
$session->run(q{SET pgforest.train_memory = '256kB'});
start_run('nothing');
$session->finish;
check_failed('out of the memory budget', 'failure', '53400', 'training needs more memory than pgforest.train_memory allows');
$session->run(q{RESET pgforest.train_memory});
check_goes_on('out of the memory budget', $before);

# ----- cancelled -----

$before = versions();
start_run('sleep');
wait_for_step();
is($admin->run(q{SELECT status FROM pgforest.runs WHERE kind = 'pipeline' ORDER BY id DESC LIMIT 1}), 'running', '... the run is running');

# Somebody else calls it meanwhile.
my $second = new_session($node);
$second->run(q{CALL ml_run('p')});
like($second->error, qr/NOTICE:  pipeline "p" is running already\nDETAIL:  It is run \d+, by process @{[$session->pid]}\./, '... a second call says so and leaves');
is($admin->run(q{SELECT ml_cancel(id) FROM pgforest.runs WHERE status = 'running'}), 't', '... ml_cancel finds it');
$session->finish;
check_failed('ml_cancel', 'cancelled', '57014', 'canceling statement due to user request');
is($admin->run(q{SELECT ml_cancel(max(id)) FROM pgforest.runs WHERE kind = 'pipeline'}), 'f', '... once');
check_goes_on('ml_cancel', $before);

$before = versions();
start_run('nothing');
$session->finish;
is(versions(), $before + 4, 'a run from the beginning makes four versions');

$before = versions();
$session->run(q{SET statement_timeout = '5s'});
start_run('sleep');
$session->finish;
check_failed('statement_timeout', 'cancelled', '57014', 'canceling statement due to statement timeout');
$session->run(q{RESET statement_timeout});
check_goes_on('statement_timeout', $before);

# ----- gone -----

for my $how ('pg_terminate_backend', 'kill -9')
{
	$before = versions();
	start_run('sleep');
	wait_for_step();
	if ($how eq 'kill -9')
	{
		kill 'KILL', $session->pid;
		$session->finish;
		ok($node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()'), "$how: the server is back");
		$admin = new_session($node);
		$second = new_session($node);
	}
	else
	{
		$admin->run('SELECT pg_terminate_backend(' . $session->pid . ')');
		$session->finish;
	}
	$session = undef;
	ok(wait_for($node, q{NOT EXISTS (SELECT FROM pgforest.runs WHERE status = 'running')}), "$how: the run is not running");
	is(last_run('status'), 'lost', "... it reads as lost");
	is(steps(), 'train success, train success, train success, train lost', '... and so does its step');
	is($node->safe_psql('postgres', q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
		SELECT count(*) > 0 FROM pgforest.runs WHERE status = 'lost'}), 't', '... where queries are parallel, too');
	is($node->safe_psql('postgres', q{SELECT state FROM pgforest.pipelines}), 'lost', '... and the pipeline');
	check_goes_on($how, $before);
	is($node->safe_psql('postgres', q{SELECT count(*) FROM pgforest.run WHERE status = 'running'}), 0, '... and what was lost stays so');
}

# ----- many sessions at once: one runs, the others leave -----

my @sessions = map { new_session($node) } 1 .. 6;
$before = versions();
$node->safe_psql('postgres', q{UPDATE control SET does = 'sleep'});
$_->begin(q{CALL ml_run('p')}) for @sessions;
wait_for_step();
ok(wait_for($node, q{(SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'CALL%') = 1}), 'of six calls one runs');
is($admin->run(q{SELECT ml_cancel(id) FROM pgforest.runs WHERE status = 'running'}), 't', '... and is cancelled');
$_->finish for @sessions;
is(scalar(grep { $_->error =~ /is running already/ } @sessions), 5, '... five have left');
is(scalar(grep { $_->error =~ /canceling/ } @sessions), 1, '... one was cancelled');
check_goes_on('six calls', $before);

# ----- a deferred constraint fails within the step -----

$node->safe_psql('postgres', <<'EOF');
CREATE TABLE batch (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION put(item) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO batch VALUES (1), (1); RETURN true; END $$;
SELECT * FROM ml_pipeline('d', '{"model": "d", "raw": "SELECT a, b, label FROM item WHERE CASE WHEN id = 1 THEN put(item) ELSE true END", "target": "label", "candidates": "linear"}');
EOF
like(error_of($node, q{CALL ml_run('d')}), qr/^23505:/, 'a deferred constraint is checked in the step');
is(steps(), 'train failure 23505', '... whose row says so');
is($node->safe_psql('postgres', 'SELECT count(*) FROM batch'), 0, '... and which left nothing');

# ----- a step that commits by itself is stopped between two batches -----

$node->safe_psql('postgres', <<'EOF');
CREATE TABLE raw (id int, a float8, b int, label text);
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF NEW.id = 350 AND (SELECT does FROM control) = 'sleep' THEN PERFORM pg_sleep(300); END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER wait BEFORE INSERT ON raw FOR EACH ROW EXECUTE FUNCTION wait();
SELECT * FROM ml_pipeline('i', '{"model": "i", "source": "SELECT id, a, b, label FROM item", "raw": "raw", "order_by": "id", "batch_size": 100,
	"target": "label", "key": "id", "candidates": "linear"}');
EOF
for my $how ('ml_cancel', 'kill -9')
{
	$session //= new_session($node);
	$node->safe_psql('postgres', q{UPDATE control SET does = 'sleep'; TRUNCATE raw; DELETE FROM pgforest.batch});
	$session->run(q{SET search_path = pg_catalog, public, pg_temp});
	$session->begin(q{CALL ml_run('i')});
	ok(wait_for($node, q{(SELECT count(*) FROM raw) = 300}, 30), "$how: three batches are there");
	if ($how eq 'ml_cancel')
	{
		$admin->run(q{SELECT ml_cancel(id) FROM pgforest.runs WHERE status = 'running'});
		$session->finish;
		like($session->error, qr/canceling statement due to user request/, '... the call is cancelled');
		is($session->run('SHOW search_path'), 'pg_catalog, public, pg_temp', '... and leaves the settings of the session');
		is(steps(), 'ingest cancelled 57014', '... the step says so');
	}
	else
	{
		kill 'KILL', $session->pid;
		$session->finish;
		$session = undef;
		ok($node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()'), "$how: the server is back");
		$_ = new_session($node) for $admin, $second, @sessions, $session;
		is(steps(), 'ingest lost', '... the step is lost');
	}
	is($node->safe_psql('postgres', 'SELECT count(*) FROM raw'), 300, '... the batches stand');
	$node->safe_psql('postgres', q{UPDATE control SET does = 'nothing'});
	$session->run(q{CALL ml_run('i')});
	is(steps(), 'ingest success, train success, promote success', '... the next call goes on');
	is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id) FROM raw'), '600|600', '... no row is there twice, and none is lost');
	is($session->run(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}), 0, '... no lock is left');
}

$_->close for $admin, $second, @sessions;
$session->close if $session;
$node->stop;
done_testing();

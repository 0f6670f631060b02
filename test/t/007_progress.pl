# A long training says where it is: to its client by notices, to other sessions in the view
# pgforest.progress when the library is preloaded.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PgForestNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('server', settings => <<EOF);
shared_preload_libraries = 'pgforest'
pgforest.train_workers = 2
log_line_prefix = '%n %p '
log_min_messages = notice
EOF
$node->start;
$node->safe_psql('postgres', <<'EOF');
CREATE EXTENSION pgforest;
CREATE ROLE trainer LOGIN;
CREATE ROLE colleague LOGIN IN ROLE trainer;
CREATE ROLE watcher LOGIN IN ROLE pg_read_all_stats;
CREATE ROLE stranger LOGIN;
EOF
make_rows($node, rows => 20_000);
$node->safe_psql('postgres', 'INSERT INTO item SELECT item.* FROM item, generate_series(1, 4); GRANT SELECT ON item TO trainer; ANALYZE item');

use constant {
	LOAD => q{SELECT ml_train('pülsar', 'SELECT i, i % 2 AS y, pg_sleep(0.05)::text AS s FROM generate_series(1, 400) AS i', 'y')},
	GROW => q{SELECT ml_train('pülsar', 'item', 'label', exclude => '{id,value}', params => '{"n_estimators": 10000}')},
	SEARCH => q{SELECT ml_tune('search', 'item', 'label', '{"n_estimators": 1000, "max_depth": [3, null], "max_features": [1, 2]}', folds => 4, exclude => '{id,value}')},
	SLOW => q{SELECT ml_train('slow', 'SELECT i, i % 2 AS y, pg_sleep(0.0125)::text AS s FROM generate_series(1, 400) AS i', 'y', params => '{"n_estimators": 2}')},
};

# What a role sees of a session in the view, as one line.
sub seen
{
	my ($pid, $columns, $role) = @_;

	return $node->safe_psql('postgres', ($role ? "SET ROLE $role; " : '') . "SELECT $columns FROM pgforest.progress WHERE pid = $pid");
}

sub wait_until
{
	my ($pid, $condition) = @_;

	return wait_for($node, "EXISTS (SELECT FROM pgforest.progress WHERE pid = $pid AND $condition)");
}

sub is_gone
{
	my ($pid, $when) = @_;

	ok(wait_for($node, "NOT EXISTS (SELECT FROM pgforest.progress WHERE pid = $pid)"), "$when, and gone");
	return;
}

sub new_trainer
{
	local $ENV{PGUSER} = 'trainer';

	return new_session($node);
}
my $session = new_trainer();
my $pid     = $session->pid;

# ----- the view -----

is($node->safe_psql('postgres', 'SELECT count(*) FROM pgforest.progress'), 0, 'nobody trains');

$session->begin(LOAD);
ok(wait_until($pid, 'rows_done > 0'), 'loading: rows are counted');
is(seen($pid, 'datname, usename, model, phase, rows_total, trees_done, trees_total'),
	'postgres|trainer|pülsar|scan|400|0|', '... of so many');
my $rows = seen($pid, 'rows_done');
ok(wait_until($pid, "rows_done > $rows AND seconds_left BETWEEN 1 AND 60"), '... and they become more');
ok(wait_until($pid, 'seconds > 1 AND abs(extract(epoch FROM now() - started_at) - seconds) < 1'), '... since some time');

my $columns = q{datname, usename, concat_ws(',', model, phase) AS what,
	num_nonnulls(model, phase, rows_done, rows_total, trees_done, trees_total, started_at, seconds, seconds_left)};
is(seen($pid, $columns, 'stranger'), 'postgres|trainer||0', 'a stranger sees who trains, and no more');
is(seen($pid, $columns, $_), 'postgres|trainer|pülsar,scan|8', "$_ sees all") for qw(trainer colleague watcher);

$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
$session->finish;
like($session->error, qr/canceling statement due to user request/, 'an end by cancel');
is_gone($pid, 'cancelled');

$session->begin(GROW);
ok(wait_until($pid, q{phase = 'grow' AND trees_done > 0 AND trees_total = 10000 AND seconds_left > 0}), 'growing: trees are counted');
my ($trees, $read, $all) = split(/\|/, seen($pid, 'trees_done, rows_done, rows_total'));
is("$read of $all", '100000 of 100000', '... after the rows');
ok(wait_until($pid, "trees_done > $trees"), '... and they become more');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'}), 2, '... with workers');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pgforest.progress'), 1, '... who have no rows of their own');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
$session->finish;
is_gone($pid, 'cancelled');

# Of a search all trees are counted that it will grow, by whomever: two depths are one tree.
$session->run('SET pgforest.train_workers = 1');
$session->begin(SEARCH);
ok(wait_until($pid, q{phase = 'grow' AND trees_done > 0 AND trees_total = 8000}), 'searching: trees are counted');
$trees = seen($pid, 'trees_done');
ok(wait_until($pid, "trees_done > $trees AND trees_total = 8000 AND seconds_left > 0"), '... and they become more');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
$session->finish;
is_gone($pid, 'cancelled');
$session->run('SET pgforest.train_workers = 2');

$session->run('SET statement_timeout = 2000');
$session->run(GROW);
like($session->error, qr/canceling statement due to statement timeout/, 'an end by timeout');
is_gone($pid, 'timed out');
$session->run('RESET statement_timeout');

# ----- loads -----

$node->safe_psql('postgres', <<'EOF');
CREATE TABLE "slow load" (i int, t text);
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END $$;
CREATE TRIGGER wait BEFORE INSERT ON "slow load" FOR EACH ROW EXECUTE FUNCTION wait();
EOF
my $file = $node->basedir . '/rows.csv';
append_to_file($file, join('', map { "$_,row $_\n" } 1 .. 5000));
my $bytes   = -s $file;
my $loader  = new_session($node);
my $its_pid = $loader->pid;
$loader->begin(qq{CALL ml_ingest('"slow load"', '$file', batch_size => 200)});
ok(wait_until($its_pid, 'rows_done >= 200'), 'a load: rows are counted');
is(seen($its_pid, "datname, model, trees_done, trees_total, relation, bytes_total, phase IN ('read', 'load'), rows_done % 200"),
	qq{postgres||||public."slow load"|$bytes|t|0}, '... that are committed');
ok(wait_until($its_pid, "bytes_done BETWEEN 2000 AND $bytes AND seconds_left BETWEEN 0.1 AND 100"), '... and bytes');
is(seen($its_pid, 'num_nonnulls(relation, phase, rows_done, bytes_done, bytes_total)', 'stranger'), 0, '... not for a stranger');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($its_pid)");
$loader->finish;
is_gone($its_pid, 'a cancelled load');
$node->safe_psql('postgres', 'DROP TRIGGER wait ON "slow load"');
$loader->run(qq{CALL ml_ingest('"slow load"', '$file', batch_size => 200)});
is($node->safe_psql('postgres', 'SELECT count(*) FROM "slow load"'), 5000, '... which goes on, and ends');
is_gone($its_pid, 'a load that ended');
$loader->begin(q{CALL ml_ingest('"slow load"', 'SELECT i, pg_sleep(0.01)::text AS t FROM generate_series(1, 3000) AS i', batch_size => 20, order_by => 'i')});
ok(wait_until($its_pid, 'rows_done >= 20'), 'of a query');
is(seen($its_pid, 'num_nonnulls(bytes_done, bytes_total, seconds_left, rows_total)'), 0, '... rows only');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($its_pid)");
$loader->finish;
is_gone($its_pid, 'a cancelled load of a query');

$session->run('SET pgforest.train_workers = 0');
$session->begin(GROW);
ok(wait_until($pid, q{phase = 'grow' AND trees_done > 0}), 'growing without workers');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
$session->finish;
$session->close;
is_gone($pid, 'terminated');

# Two at a time, which end by themselves.
$session = new_trainer();
my $other = new_session($node);
$_->begin(SLOW =~ s/'slow'/'m' || pg_backend_pid()/r) for $session, $other;
ok(wait_for($node, q{(SELECT array_agg(pid ORDER BY pid) FROM pgforest.progress WHERE model = 'm' || pid) = }
	  . q{ARRAY(SELECT unnest(ARRAY[} . join(', ', map { $_->pid } $session, $other) . q{]) ORDER BY 1)}), 'two at a time');
for ($session, $other)
{
	$_->finish;
	is($_->error, '', 'done');
	is(seen($_->pid, '*'), '', '... and gone');
}

# ----- one inside another, and errors that are caught -----

$node->safe_psql('postgres', <<'EOF');
CREATE FUNCTION shown() RETURNS text LANGUAGE sql VOLATILE
	RETURN (SELECT coalesce(string_agg(model || ' ' || phase, ','), 'nothing') FROM pgforest.progress WHERE pid = pg_backend_pid());
CREATE FUNCTION show(what text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%: %', what, shown(); RETURN 1; END $$;
CREATE FUNCTION inner_rows() RETURNS SETOF int LANGUAGE plpgsql AS $$
BEGIN
	PERFORM show('before');
	PERFORM ml_train('inner', 'SELECT i, i % 2 AS y FROM generate_series(1, 100) AS i WHERE i > 1 OR show(''inside'') = 1', 'y',
		params => '{"n_estimators": 2}');
	PERFORM show('between');
	BEGIN
		PERFORM ml_train('wrong', 'SELECT i, i % 2 AS y, 1 / (50 - i) AS x FROM generate_series(1, 100) AS i', 'y');
	EXCEPTION WHEN division_by_zero THEN
		PERFORM show('after an error');
	END;
	BEGIN
		PERFORM ml_train('wrong', 'SELECT 1 AS y', 'no column');
	EXCEPTION WHEN undefined_column THEN
		PERFORM show('after another');
	END;
	RETURN QUERY SELECT generate_series(1, 100);
END $$;
EOF
$other->run(<<'EOF');
DO $$
BEGIN
	PERFORM ml_train('outer', 'SELECT i, i % 2 AS y FROM inner_rows() AS i', 'y', params => '{"n_estimators": 2}');
	PERFORM show('at the end');
END $$
EOF
is(join("\n", $other->error =~ /NOTICE:  (.*)/g), join("\n", 'before: outer scan', 'inside: inner scan', 'between: outer scan',
		'after an error: outer scan', 'after another: outer scan', 'at the end: nothing'), 'one inside another')
  or diag($other->error);

# ----- another database, of another encoding -----

$node->safe_psql('postgres', q{CREATE DATABASE western TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'});
$node->safe_psql('western', 'CREATE EXTENSION pgforest');
my $western = new_session($node, 'western');
$western->run(q{SET client_encoding = 'UTF8'});
$western->begin(LOAD);
ok(wait_until($western->pid, 'rows_done > 0'), 'in another database');
is(seen($western->pid, 'datname, model'), 'western|p?lsar', '... with a name that has other bytes here');
is($node->safe_psql('western', q{SET client_encoding = 'UTF8'; SELECT model FROM pgforest.progress}), 'pülsar', '... but not there');
$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $western->pid . ')');
$western->finish;
$western->close;

# ----- notices -----

$other->run(SLOW);
is($other->error, '', 'no notices when the interval is 0');

$other->run(q{SET pgforest.progress_interval = '1s'});
$other->run(SLOW);
my @notices = $other->error =~ /NOTICE:  (.*)/g;
my @good    = grep { /^training "slow": loading, \d+ of about 400 rows, about \d+ s left$/ } @notices;
cmp_ok(scalar @good, '>=', 3, 'notices of a training of five seconds');
is(scalar @good, scalar @notices, '... all of loading') or diag(join("\n", @notices));

# When they came, the server's log says.
my $log   = slurp_file($node->logfile);
my $mine  = $other->pid;
my @times = $log =~ /^([0-9.]+) $mine NOTICE:  training "slow"/mg;
my @gaps  = map { $times[$_] - $times[ $_ - 1 ] } 1 .. $#times;
is(scalar @times, scalar @notices, '... the log has them, too');
is(scalar(grep { $_ < 0.5 || $_ > 2 } @gaps), 0, '... about every second') or diag("@gaps");
unlike($log, qr/NOTICE:  training "slow".*\n.*CONTEXT:/, '... without the text of a query');

$other->run('SET pgforest.progress_interval = 50; SET statement_timeout = 3000');
$other->run(GROW);
@notices = $other->error =~ /NOTICE:  (training "pülsar": growing.*)/g;
@good    = grep { /, \d+ of 10000 trees(, about \d+ s left)?$/ } @notices;
cmp_ok(scalar @good, '>=', 10, 'notices while growing');
is(scalar @good, scalar @notices, '... all of trees') or diag(join("\n", @notices));
my @counts = map { /(\d+) of/ } @notices;
is("@counts", join(' ', sort { $a <=> $b } @counts), '... that become more');
cmp_ok($counts[-1], '>', $counts[0], '... indeed');

# A leader that waits for the rows that its workers still have is not silent.
$node->safe_psql('postgres', <<'EOF');
CREATE FUNCTION slow_in_worker(leader int, id int) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
	IF pg_backend_pid() <> leader THEN
		PERFORM pg_sleep(0.03);
	END IF;
	RETURN true;
END $$;
EOF
$other->run('SET statement_timeout = 0; SET parallel_setup_cost = 0; SET min_parallel_table_scan_size = 0');
$other->run(qq{SELECT ml_train('wait', 'SELECT a, b, label FROM item WHERE slow_in_worker($mine, id)', 'label', params => '{"n_estimators": 2}')});
for my $what ('loading', 'binning')
{
	@notices = $other->error =~ /NOTICE:  training "wait": $what, (\d+) /g;
	cmp_ok(scalar(grep { $_ == $notices[-1] } @notices), '>=', 10, "notices while the leader waits: $what")
	  or diag($other->error);
}

# What has no trees counts none.
$other->run(q{SET pgforest.progress_interval = 1; SELECT ml_train('line', 'SELECT i % 500 || repeat(''.'', i % 3) AS s, i % 3 AS y FROM generate_series(1, 30000) AS i', 'y', 'linear')});
like($other->error, qr/NOTICE:  training "line": fitting$/m, 'a linear model is fitted');
unlike($other->error, qr/trees/, '... and grows no trees');
$other->run('RESET pgforest.progress_interval');

# The timer ends with the training.
is($other->run(q{SELECT count(*) FROM generate_series(1, 1000000)}), 1000000, 'afterwards');
is($other->error, '', '... silence');

$_->close for $session, $other;
$node->stop;
done_testing();

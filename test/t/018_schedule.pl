# A real pg_cron that retrains while rows arrive and a hundred readers predict: versions appear,
# only better ones go to production, no reader fails or sees two versions in one statement.
# And who may schedule what.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use PgForestNode;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = new_node('schedule', settings => 'max_connections = 130');
$node->start;
if ($node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_cron'}) eq '0')
{
	$node->stop;
	plan skip_all => 'pg_cron is not installed';
}
$node->safe_psql('postgres', 'CREATE EXTENSION pgforest');

# The labels of the first rows are mostly noise, those of later ones are not.
$node->safe_psql('postgres', <<'EOF');
CREATE FUNCTION u(i int, k int) RETURNS float8 IMMUTABLE RETURN (hashint4extended(i, k) & 65535) / 65536.0;
CREATE TABLE item (id int PRIMARY KEY, x float8, z float8, label text);
CREATE SEQUENCE item_id;
CREATE FUNCTION arrive(n int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO item SELECT i, u(i, 1), u(i, 2), CASE WHEN u(i, 1) + u(i, 3) * greatest(0, 2 - i / 500.0) > 0.5 + greatest(0, 1 - i / 1000.0) THEN 'yes' ELSE 'no' END
	FROM (SELECT nextval('item_id')::int AS i FROM generate_series(1, n)) s
$$;
SELECT arrive(400);
CREATE ROLE scientist LOGIN;
CREATE ROLE stranger LOGIN;
CREATE ROLE boss SUPERUSER LOGIN;
GRANT ALL ON item, item_id TO scientist;
GRANT pg_read_all_stats TO scientist;
SET ROLE scientist;
SELECT ml_train('p', 'item', 'label', 'linear', key => '{id}');
SELECT ml_promote('p', 1);
SELECT ml_pipeline('p', '{"model": "p"}');
EOF

# ----- without pg_cron -----

like(error_of($node, q{SELECT ml_schedule('p', '* * * * *')}), qr/^42501: role "\w+" must not run a pipeline that role "scientist" declared/, 'a superuser schedules nobody else\'s pipeline');
like(error_of($node, q{SET ROLE scientist; SELECT ml_schedule('p', '* * * * *')}), qr/^55000: pg_cron is not installed in this database/, 'without pg_cron an error');
like(error_of($node, q{SET ROLE scientist; SELECT ml_unschedule('p')}), qr/^55000: pg_cron is not installed/, '... also to unschedule');
like(error_of($node, q{SET ROLE scientist; SELECT ml_pipeline('s', '{"model": "p", "schedule": "* * * * *"}')}), qr/^55000: pg_cron is not installed/, '... and to declare one with a schedule');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pgforest.schedules'), 0, '... and no schedules');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pgforest.pipelines WHERE name = 's'}), 0, '... which is not declared then');

# ----- who schedules what -----

$node->append_conf('postgresql.conf', <<'EOF');
shared_preload_libraries = 'pg_cron'
cron.database_name = 'postgres'
cron.use_background_workers = on
EOF
$node->restart;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron');
like(error_of($node, q{SET ROLE scientist; SELECT ml_schedule('p', '* * * * *')}), qr/^42501: permission denied for schema cron/, 'pg_cron is for those who may use it');
$node->safe_psql('postgres', 'GRANT USAGE ON SCHEMA cron TO scientist, stranger');
like(error_of($node, q{SET ROLE stranger; SELECT ml_schedule('p', '* * * * *')}), qr/^42501: must be owner of pipeline "p"/, 'a stranger schedules nothing');
like(error_of($node, q{SET ROLE boss; SELECT ml_schedule('p', '* * * * *')}), qr/^42501: role "boss" must not run/, '... nor a superuser');
like(error_of($node, q{SET ROLE scientist; SELECT ml_schedule('p', 'now and then')}), qr/invalid schedule/, 'what is no time is refused');
like(error_of($node, q{SET ROLE scientist; SELECT ml_schedule('q', '* * * * *')}), qr/^42704: pipeline "q" does not exist/, '... and so is what is no pipeline');
like(error_of($node, q{SET ROLE scientist; SELECT ml_schedule('p', NULL)}), qr/^22004: argument "cron" must not be null/, '... and a null');
$node->safe_psql('postgres', q{SET ROLE scientist; SELECT ml_schedule('p', '0 3 * * *'); SELECT ml_schedule('p', '* * * * *')});
is($node->safe_psql('postgres', q{SET ROLE scientist; SELECT pipeline, schedule, active, username, command, runs, last_status FROM pgforest.schedules}),
	q{p|* * * * *|t|scientist|CALL public.ml_run('p')|0|}, 'one schedule a pipeline, a single CALL');
is($node->safe_psql('postgres', q{SET ROLE stranger; SELECT count(*) FROM pgforest.schedules}), 0, 'a stranger sees no schedule');

# ----- rows arrive, readers read, pg_cron retrains -----

my $script = $node->basedir . '/read.sql';
append_to_file($script, <<'EOF');
SELECT 1 / bool_and(ml_predict_proba('p', i) = ml_predict_proba('p@' || r.version, i))::int
FROM (SELECT x, z FROM item ORDER BY id LIMIT 20) i, ml_resolve('p') r;
EOF
my $arrivals = $node->basedir . '/arrive.sql';
append_to_file($arrivals, "SELECT arrive(10);\n");
my $seconds = 70 - time % 60;		# past the next full minute
my ($out, $err, $out2, $err2) = ('', '', '', '');
my $readers = IPC::Run::start([ 'pgbench', '-n', '-c', 100, '-j', 2, '-R', 200, '-T', $seconds, '-f', $script, '-U', 'scientist', $node->connstr('postgres') ], '>', \$out, '2>', \$err);
my $writer = IPC::Run::start([ 'pgbench', '-n', '-R', 5, '-T', $seconds, '-f', $arrivals, $node->connstr('postgres') ], '>', \$out2, '2>', \$err2);
my $until = time + $seconds - 3;
my $calls = 0;
my $session = new_session($node);
my $failed = '';
$session->run('SET ROLE scientist');
while (time < $until)
{
	$session->run(q{CALL ml_run('p')});
	$failed .= $session->error if $session->error =~ /ERROR|FATAL/;
	$calls++;
	sleep 2;
}
$readers->finish;
$writer->finish;
note($out);
is($failed, '', 'the calls by hand succeeded');
is(($readers->full_results)[0], 0, 'the readers came to their end');
unlike($err, qr/ERROR|aborted|FATAL/, '... none failed or saw two versions');
is(($writer->full_results)[0], 0, '... and so did the writer');
my ($transactions) = $out =~ /number of transactions actually processed: (\d+)/;
cmp_ok($transactions // 0, '>', 1000, '... after many readings');

# pg_cron may have met a call by hand, and left.
ok(wait_for($node, q{(SELECT count(*) > 0 FROM cron.job_run_details WHERE status = 'succeeded')}, 75), 'pg_cron ran it');
is($node->safe_psql('postgres', q{SET ROLE scientist; SELECT runs > 0, failures, last_status FROM pgforest.schedules}), 't|0|succeeded', '... as the view says');
my $versions = $node->safe_psql('postgres', 'SELECT count(*) FROM pgforest.versions');
cmp_ok($versions, '>', 3, "... and $versions versions were trained");
is($node->safe_psql('postgres', q{SELECT count(*) FROM pgforest.runs WHERE kind = 'pipeline' AND status NOT IN ('success', 'running')}), 0, '... each by a run that succeeded');
my $promotions = $node->safe_psql('postgres', q{SELECT count(*) FROM pgforest.alias_history});
cmp_ok($promotions, '>', 1, "... $promotions of them went to production");
is($node->safe_psql('postgres', q{SELECT count(*) FROM (SELECT regexp_match(reason, 'roc_auc (\S+) against (\S+) of') AS m FROM pgforest.alias_history WHERE from_version IS NOT NULL) s
	WHERE m IS NULL OR m[1]::float8 <= m[2]::float8}), 0, '... each of them better than the one before');

# ----- the end -----

is($node->safe_psql('postgres', q{SET ROLE scientist; SELECT ml_unschedule('p'); SELECT ml_unschedule('p')}), "t\nf", 'a schedule ends once');
$node->safe_psql('postgres', q{SET ROLE scientist; SELECT ml_pipeline('s', '{"model": "p", "schedule": "0 3 * * 1"}')});
is($node->safe_psql('postgres', q{SELECT pipeline, schedule FROM pgforest.schedules}), 's|0 3 * * 1', 'a pipeline is declared with its schedule');
$node->safe_psql('postgres', q{SET ROLE scientist; SELECT ml_drop_pipeline('s')});
is($node->safe_psql('postgres', q{SELECT count(*) FROM cron.job}), 0, '... and takes it along when it is dropped');

$session->close;
$node->stop;
done_testing();

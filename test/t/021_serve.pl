# Captured requests: sessions that need the same partition, readers who must not wait, a
# standby, a dump; and the counters of predictions.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PgForestNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = new_node('primary', allows_streaming => 1, settings => "shared_preload_libraries = 'pgforest'");
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION pgforest; CREATE ROLE someone LOGIN; CREATE ROLE app LOGIN');
make_rows($primary, rows => 20_000);
$primary->safe_psql('postgres', <<'EOF');
SELECT ml_train('flower', 'item', 'label', exclude => '{id,value}', params => '{"n_estimators": 10}');
SELECT ml_train('value', 'item', 'value', exclude => '{id,label}', params => '{"n_estimators": 10}');
SELECT ml_promote('flower', 1), ml_promote('value', 1);
SELECT ml_grant('flower', 'app', 'predict');
EOF

use constant ASK => q{SELECT prediction IS NOT NULL FROM ml_infer('flower', '{"a": 1, "b": 2, "kind": "kind 3"}')};
my $count      = 'SELECT count(*) FROM pgforest.prediction';
my $partitions = q{SELECT count(*) FROM pg_inherits WHERE inhparent = 'pgforest.prediction'::regclass};

# ----- partitions and locks -----

my $first  = new_session($primary);
my $second = new_session($primary);
my $reader = new_session($primary);

sub waits
{
	return wait_for($primary, 'EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pid = ' . $second->pid . ')');
}

is($primary->safe_psql('postgres', $partitions), 0, 'no partition yet');
$reader->run('BEGIN');
is($reader->run($count), 0, 'a reader holds his lock');
$first->run('BEGIN');
is($first->run(ASK), 't', 'the first request makes a partition, under a reader');
$reader->run("SET lock_timeout = '10s'");
is($reader->run($count), 0,  '... who can go on reading');
is($reader->error,       '', '... and does not wait');
$second->begin(ASK);
ok(waits(), 'another that needs it waits');
$first->run('COMMIT');
is($second->finish, 't', '... until it is there');
$reader->run('COMMIT');
is($primary->safe_psql('postgres', $count), 2, 'both are captured');
cmp_ok($primary->safe_psql('postgres', $partitions), '<=', 2, '... in one partition, and perhaps there is the next');

$first->run('BEGIN');
$first->run(ASK);
is($second->run(ASK), 't', 'nobody waits for somebody else once it is there');
$first->run('ROLLBACK');
is($primary->safe_psql('postgres', $count), 3, 'what is rolled back is not captured');

# The one who makes it gives up: the other makes it.
$primary->safe_psql('postgres', <<'EOF');
DO $$
DECLARE
	p regclass;
BEGIN
	FOR p IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'pgforest.prediction'::regclass LOOP
		EXECUTE 'DROP TABLE ' || p;
	END LOOP;
END $$
EOF
$first->run('BEGIN');
is($first->run(ASK), 't', 'a partition is made');
$second->begin(ASK);
waits();
$first->run('ROLLBACK');
is($second->finish, 't', '... and not kept: the one who waited makes it');
is($primary->safe_psql('postgres', $count), 1, '... and captures');

# What is too old goes, but not over a reader.
$primary->safe_psql('postgres', q{CREATE TABLE pgforest.prediction_20200106 PARTITION OF pgforest.prediction
	FOR VALUES FROM ('2020-01-06 00:00+00') TO ('2020-01-13 00:00+00')});
$reader->run('BEGIN');
$reader->run($count);
is($primary->safe_psql('postgres', q{SET lock_timeout = '10s'; SELECT * FROM ml_expire_predictions()}), '0|0',
	'an empty partition stays while somebody reads');
$reader->run('COMMIT');
is($primary->safe_psql('postgres', 'SELECT * FROM ml_expire_predictions()'), '0|1', '... and goes when nobody does');
$_->close for $first, $second, $reader;

# ----- a standby -----

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
like(error_of($standby, ASK), qr/^25006: cannot execute ml_infer\(\) during recovery/, 'a standby refuses what it cannot capture');
like(error_of($standby, q{CALL ml_score('flower', 'item', 'scores', '{id}')}), qr/^25006: cannot execute ml_score\(\)/, '... and a batch');
$primary->safe_psql('postgres', q{SELECT ml_capture('flower', 0)});
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
is($standby->safe_psql('postgres', ASK), 't', '... and answers where nothing is to be captured');
is($standby->safe_psql('postgres', q{SELECT model, rows, errors FROM pgforest.stat_models}), 'flower|1|1', '... and counts');
$standby->stop;
$primary->safe_psql('postgres', q{SELECT ml_capture('flower')});

# ----- a dump carries the requests and their partitions -----

my $dump     = $primary->basedir . '/dump.sql';
my $requests = 'SELECT p.id, m.name, p.tableoid::regclass FROM pgforest.prediction p JOIN pgforest.model m ON m.id = model_id';
$primary->command_ok([ 'pg_dump', '-d', $primary->connstr('postgres'), '-f', $dump ], 'a dump');
$primary->safe_psql('postgres', 'CREATE DATABASE restored');
$primary->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $primary->connstr('restored'), '-f', $dump ], '... is restored');
is($primary->safe_psql('restored', $requests), $primary->safe_psql('postgres', $requests), '... with the requests');
is($primary->safe_psql('restored', ASK), 't', '... goes on capturing');
is($primary->safe_psql('restored', $count), 2, '... into the partition that came with it');
$primary->safe_psql('restored', 'DROP EXTENSION pgforest');
is($primary->safe_psql('restored', q{SELECT count(*) FROM pg_class WHERE relname LIKE 'prediction%'}), 0, 'partitions go with the extension');

# ----- counters -----

my $stats = q{SELECT model, version, calls, rows, errors FROM pgforest.stat_models ORDER BY model};

sub rows_of
{
	my ($model) = @_;

	return $primary->safe_psql('postgres', "SELECT rows FROM pgforest.stat_models WHERE model = '$model'");
}

$primary->safe_psql('postgres', 'SELECT ml_reset_stats()');
is($primary->safe_psql('postgres', $stats), '', 'reset: nothing is counted');
$primary->safe_psql('postgres', q{SET max_parallel_workers_per_gather = 0; SELECT count(ml_predict('flower', item)) FROM item});
is($primary->safe_psql('postgres', $stats), 'flower|1|1|20000|0', 'a statement of many rows');
is($primary->safe_psql('postgres', <<'EOF'), 't', '... with its times');
SELECT mean_time > 0 AND mean_time < 10 AND p99_time > 0 AND max_time >= p99_time AND since <= last_at FROM pgforest.stat_models
EOF
$primary->safe_psql('postgres', <<'EOF');
SET parallel_setup_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT count(ml_predict_proba('flower', item)) FROM item
EOF
is(rows_of('flower'), 40_000, 'those of parallel workers count too');
error_of($primary, q{SELECT ml_predict('value', '{"a": 1}'::jsonb)});
error_of($primary, q{SELECT ml_predict('value', '{"a": 1, "b": 2, "kind": "kind 3"}'::jsonb, NULL::date)});
is($primary->safe_psql('postgres', q{SELECT rows, errors FROM pgforest.stat_models WHERE model = 'value'}), '0|2', 'and errors');
$primary->safe_psql('postgres', <<'EOF');
DO $$
BEGIN
	FOR i IN 1 .. 10 LOOP
		PERFORM ml_predict('value', '{"a": 1, "b": 2, "kind": "kind 3"}'::jsonb);
	END LOOP;
END $$
EOF
is(rows_of('value'), 10, 'and those of functions');
$primary->safe_psql('postgres', ASK);
is(rows_of('flower'), 40_001, 'and ml_infer');
$primary->safe_psql('postgres', q{CALL ml_score('flower', 'item', 'scores', '{id}')});
is(rows_of('flower'), 60_001, 'and ml_score, each row once');
is($primary->safe_psql('postgres', "SET ROLE someone; $stats"), '', 'who may not use a model does not see how it is used');
is($primary->safe_psql('postgres', 'SET ROLE app; SELECT model FROM pgforest.stat_models'), 'flower', '... who may, does');
$primary->safe_psql('postgres', q{SET ROLE app; SELECT ml_reset_stats()});
like(error_of($primary, q{SET ROLE app; SELECT ml_reset_stats('flower')}), qr/^42501: must be owner/, 'only the owner resets');
is($primary->safe_psql('postgres', 'SELECT count(*) FROM pgforest.stat_models'), 2, '... and nothing was reset');
$primary->safe_psql('postgres', q{SELECT ml_reset_stats('flower@1')});
is($primary->safe_psql('postgres', 'SELECT model FROM pgforest.stat_models'), 'value', 'one version is reset');

# More versions than there is room for: those go that were used before the others.
$primary->safe_psql('postgres', <<'EOF');
SELECT ml_reset_stats();
SELECT count(ml_train('many', 'SELECT a, label FROM item LIMIT 30', 'label', params => '{"n_estimators": 1}', holdout => 0))
FROM generate_series(1, 520);
EOF
$primary->safe_psql('postgres', join(';', map { qq{SELECT ml_predict('many\@$_', '{"a": 1}'::jsonb)} } 1 .. 520));
is($primary->safe_psql('postgres', 'SELECT count(*), min(version), max(version) FROM pgforest.stat_models'), '512|9|520',
	'the table of counters is full, and the last are in it');

$primary->stop;
done_testing();

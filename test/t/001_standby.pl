# A hot standby answers like its primary: the same predictions by the same parallel plan, the
# version of its replay point, and a plain refusal of what would write.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PgForestNode;
use PostgreSQL::Test::Cluster;
use Test::More;

my $primary = new_node('primary', allows_streaming => 1);
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION pgforest; CREATE ROLE someone');
make_rows($primary, rows => 20_000);
make_models($primary);
$primary->safe_psql('postgres', 'ANALYZE item');
$primary->backup('backup');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));

# ----- the same answers, by the same plan -----

my $before = answers($primary);
is(answers($standby), $before, 'the standby answers as the primary does');

my $count = "SELECT count(*) FROM item WHERE ml_predict('flower', item) = 'large'";
my $plan = $primary->safe_psql('postgres', "EXPLAIN (COSTS OFF) $count");
like($plan, qr/Gather.*Parallel Seq Scan/s, 'the primary predicts in parallel');
is($standby->safe_psql('postgres', "EXPLAIN (COSTS OFF) $count"), $plan, 'the standby has the same plan');
is($standby->safe_psql('postgres', $count), $primary->safe_psql('postgres', $count), '... and counts the same');
like($standby->safe_psql('postgres', "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) $count"),
	qr/Workers Launched: [1-9]/, '... with workers that really ran');

# ----- what writes is refused before it begins -----

for my $call (
	q{ml_train('flower', 'item', 'label')},
	q{ml_promote('flower', 3)},
	q{ml_promote('flower', metric => 'accuracy', source => 'item')},
	q{ml_rollback('flower')},
	q{ml_drop('flower')},
	q{ml_grant('flower', 'someone', 'predict')},
	q{ml_revoke('flower', 'someone', 'predict')})
{
	my ($name) = $call =~ /(\w+)/;

	like(error_of($standby, "SELECT $call"), qr/^25006: cannot execute $name\(\)/, "$call is refused");
}

# ----- measuring works, and stores nothing -----

my @measurements = (
	q{SELECT * FROM ml_evaluate('flower@3', 'SELECT * FROM item WHERE id % 3 = 0')},
	q{SELECT * FROM ml_confusion_matrix('flower', 'item')},
	q{SELECT * FROM ml_roc_curve('flower', 'SELECT * FROM item WHERE id % 3 = 0', 'even')},
	q{SELECT metric, class, value, baseline FROM ml_evaluate('it''s a "value"', 'item')});
my $stored   = catalog($standby);
my @measured = map { $standby->safe_psql('postgres', $_) } @measurements;
is(catalog($standby), $stored, 'nothing was stored on the standby');
for my $i (0 .. $#measurements)
{
	isnt($measured[$i], '', "measured on the standby: $measurements[$i]");
	is($measured[$i], $primary->safe_psql('postgres', $measurements[$i]), '... the same as on the primary');
}
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
isnt(catalog($standby), $stored, 'what the primary stored of it ...');
is(catalog($standby), catalog($primary), '... has arrived');

# ----- an alias is what it was at the replay point -----

my $version = q{SELECT version FROM ml_resolve('flower')};
my $reader  = new_session($standby);
my $stays   = new_session($standby);

is($reader->run($version), 1, 'version 1 is in production');
is($reader->run(q{SELECT count(ml_predict('flower', item)) FROM item}), 20_000, 'the session has it in its cache');
$stays->run('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($stays->run($version), 1, '... and another one in a transaction');

$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
wait_for($standby, q{pg_get_wal_replay_pause_state() = 'paused'});
$primary->safe_psql('postgres', q{SELECT ml_promote('flower', 3)});
is($primary->safe_psql('postgres', $version), 3, 'the primary has promoted version 3');
is($reader->run($version), 1, 'not replayed yet: the standby stays with version 1');

$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
is($reader->run($version), 3, 'replayed: the open session answers by version 3');
is($stays->run($version), 1, '... and a transaction keeps what it saw first');
$stays->run('COMMIT');
is($stays->run($version), 3, '... until it ends');

# A version that goes, and one that comes.
is($reader->run(q{SELECT ml_predict('flower@1', item) IS NOT NULL FROM item WHERE id = 1}), 't', 'version 1 answers');
$primary->safe_psql('postgres', q{SELECT ml_drop('flower@1');
	SELECT ml_train('flower', 'item', 'label', exclude => '{id,value}', params => '{"n_estimators": 4}')});
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
$reader->run(q{SELECT ml_predict('flower@1', item) FROM item WHERE id = 1});
like($reader->error, qr/version 1 of model "flower" does not exist/, 'a dropped version answers no longer');
is($reader->run(q{SELECT ml_predict('flower@4', item) IS NOT NULL FROM item WHERE id = 1}), 't', 'a new one does');
$reader->close;
$stays->close;

# ----- after a failover the standby goes on where the primary was -----

my $last = catalog($primary);
$before = answers($primary);
$primary->stop('immediate');
$standby->promote;
is(catalog($standby), $last, 'promoted: everything is there');
is(answers($standby), $before, '... and answers as before');
is($standby->safe_psql('postgres',
		q{SELECT version FROM ml_train('flower', 'item', 'label', exclude => '{id,value}', params => '{"n_estimators": 4}')}),
	5, 'the next version has the next number');
is($standby->safe_psql('postgres',
		q{SELECT count(DISTINCT sha256) FROM pgforest.versions WHERE model = 'flower' AND version IN (4, 5)}),
	1, '... and the same rows give the same bytes here');
is($standby->safe_psql('postgres', q{SELECT version, previous FROM ml_promote('flower', 5)}), '5|3', '... and can be promoted');

$standby->stop;
done_testing();

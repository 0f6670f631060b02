# A server that stops at once, or crashes, has its models when it comes back, and nothing of a
# training that had not committed.  And a second cluster with the same rows makes the same bytes.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PgForestNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# fsync is on: what survives a crash is what was written.
my $node = new_node('one', settings => 'fsync = on');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pgforest');
make_rows($node);
make_models($node);
my $answers = answers($node);
my $catalog = catalog($node);

for my $mode ('immediate', 'fast')
{
	# Trained and promoted in a transaction that does not come to its end.
	my $session = new_session($node);
	$session->run(<<'EOF');
BEGIN;
SELECT ml_train('flower', 'item', 'label', params => '{"n_estimators": 5}');
SELECT ml_promote('flower', 4);
SELECT ml_train('never seen', 'item', 'label', params => '{"n_estimators": 5}')
EOF
	is($session->error, '', 'trained without a commit');
	is($node->safe_psql('postgres', 'CHECKPOINT; SELECT version FROM ml_resolve(\'flower\')'), 1, 'not to be seen by others');
	$node->stop($mode);
	$session->close;
	$node->start;
	is(catalog($node), $catalog, "every row of the catalog is there after an $mode stop, and no other");
	is(answers($node), $answers, '... and every model answers as before');
}

# Committed just before: it is there.
$node->safe_psql('postgres', q{SELECT ml_train('flower', 'item', 'label', params => '{"n_estimators": 5}');
	SELECT ml_promote('flower', 4)});
$answers = answers($node);
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', q{SELECT version FROM ml_resolve('flower')}), 4, 'what had committed is in production');
is(answers($node), $answers, '... and answers as before');
is($node->safe_psql('postgres', q{SELECT version FROM ml_train('flower', 'item', 'label', params => '{"n_estimators": 5}')}),
	5, 'the next version has the next number');

# ----- another cluster -----

# Another place for each row, a wider type, a dropped column in between, little memory.
my $other = new_node('two', extra => [ '--data-checksums', '--wal-segsize=4' ], settings => <<EOF);
max_parallel_maintenance_workers = 0
pgforest.train_memory = '160kB'
extra_float_digits = 0
timezone = 'Asia/Tokyo'
EOF
$other->start;
$other->safe_psql('postgres', 'CREATE EXTENSION pgforest');
my $file = $node->basedir . '/rows';
$node->safe_psql('postgres', "COPY (SELECT * FROM item ORDER BY md5(id::text)) TO '$file'");
$other->safe_psql('postgres', <<EOF);
CREATE TABLE item (id int, a float8, gone text, b bigint, kind varchar, label text, value float8) WITH (fillfactor = 20);
ALTER TABLE item DROP COLUMN gone;
COPY item FROM '$file';
EOF
make_models($other);
is($other->safe_psql('postgres', 'SELECT model, version, sha256, data_fingerprint FROM pgforest.versions ORDER BY 1, 2'),
	$node->safe_psql('postgres', 'SELECT model, version, sha256, data_fingerprint FROM pgforest.versions WHERE version < 4 ORDER BY 1, 2'),
	'the same rows in a second cluster give the same bytes');

$_->stop for $node, $other;
done_testing();

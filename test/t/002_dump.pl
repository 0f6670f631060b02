# pg_dump carries the models: in a fresh cluster every one answers as before, by the same bytes, and
# what comes next goes on where it was.  In plain form, and as an archive restored in parallel.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PgForestNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $from = new_node('from');
$from->start;
$from->safe_psql('postgres', <<'EOF');
CREATE EXTENSION pgforest;
CREATE ROLE analyst LOGIN;
CREATE ROLE guest LOGIN;
GRANT CREATE ON SCHEMA public TO analyst;
EOF
make_rows($from);
# A target of alerts, with what waits for it.
$from->safe_psql('postgres', <<'EOF');
SET pgforest.url_allowed = 'https://example.org';
SELECT ml_alert_to('https://example.org/hook', headers => '{"X-Key": "value"}', secret => 'key');
SELECT ml_alert_raise('disk', 'the disk is full');
EOF
make_models($from);
# A model of somebody else, who lets a third role use it.
$from->safe_psql('postgres', <<'EOF');
GRANT SELECT ON item TO analyst, guest;
SET ROLE analyst;
SELECT ml_train('of the analyst', 'item', 'kind', exclude => '{id}', params => '{"n_estimators": 3}');
SELECT ml_promote('of the analyst', 1);
SELECT ml_grant('of the analyst', 'guest', 'predict');
EOF
my $answers   = answers($from);
my $catalog   = catalog($from);
my $sequences = sequences($from);
my $others    = q{SET ROLE guest; SELECT md5(string_agg(ml_predict('of the analyst', item), ',' ORDER BY id)) FROM item};
my $other     = $from->safe_psql('postgres', $others);

my $dumps = $from->basedir;
$from->command_ok([ 'pg_dump', '-f', "$dumps/plain.sql", 'postgres' ], 'pg_dump, plain');
$from->command_ok([ 'pg_dump', '-Fc', '-f', "$dumps/archive", 'postgres' ], 'pg_dump, archive');
$from->command_ok([ 'pg_dump', '-Fd', '-j', '2', '-f', "$dumps/directory", 'postgres' ], 'pg_dump, in parallel');

sub check_restored
{
	my ($node, $db) = @_;

	is(catalog($node, $db), $catalog, 'every row of the catalog is there');
	is(sequences($node, $db), $sequences, 'the sequences stand where they stood');
	is(answers($node, $db), $answers, 'every model answers as before, and has the same SHA-256');
	is($node->safe_psql($db, $others), $other, 'rights are there');
	is(error_of($node, q{SET ROLE guest; SELECT ml_predict('flower', item) FROM item LIMIT 1}, db => $db),
		'42501: permission denied for model "flower"', '... and no others');

	is($node->safe_psql($db, q{SELECT version FROM ml_train('flower', 'item', 'label',
			exclude => '{id,value}', params => '{"n_estimators": 10}')}), 4, 'the next version has the next number');
	is($node->safe_psql($db, q{SELECT count(*), count(DISTINCT sha256) FROM pgforest.versions
			WHERE model = 'flower' AND version IN (1, 4)}), '2|1', '... and the bytes of the same training before the dump');
	is($node->safe_psql($db, q{SELECT version, previous FROM ml_promote('flower', 4)}), '4|1', 'it can be promoted');
	is($node->safe_psql($db, q{SELECT version, previous FROM ml_rollback('flower')}), '1|4',
		'and the way back goes through the history from before the dump');
	is($node->safe_psql($db, q{SELECT ml_train('another', 'item', 'label', params => '{"n_estimators": 1}') IS NOT NULL}),
		't', 'another model can be trained');
	is($node->safe_psql($db, q{SELECT (SELECT count(*) FROM pgforest.model), (SELECT count(*) FROM pgforest.run)}),
		'10|15', '... under a number that none had before');
	return;
}

# Where everything is new: no roles either, but for those of pg_dumpall.
my $to = new_node('to');
$to->start;
$to->safe_psql('postgres', 'CREATE ROLE analyst; CREATE ROLE guest');
for my $db ('plain', 'archive', 'directory')
{
	$to->safe_psql('postgres', "CREATE DATABASE $db");
	note("restored from $db");
	if ($db eq 'plain')
	{
		$to->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dumps/plain.sql", $db ], 'psql');
	}
	else
	{
		$to->command_ok([ 'pg_restore', '--exit-on-error', '-j', '2', '-d', $db, "$dumps/$db" ], 'pg_restore -j 2');
	}
	check_restored($to, $db);
}

# A dump of the restored database is a dump of the same.
$to->safe_psql('postgres', 'CREATE DATABASE again');
$to->command_ok([ 'pg_dump', '-Fc', '-f', "$dumps/again", 'archive' ], 'pg_dump of what was restored');
$to->command_ok([ 'pg_restore', '--exit-on-error', '-j', '2', '-d', 'again', "$dumps/again" ], 'pg_restore -j 2');
is(catalog($to, 'again'), catalog($to, 'archive'), 'the second copy is like the first');
is(answers($to, 'again'), answers($to, 'archive'), '... and answers like it');

# ----- where a role of the models is missing -----

my $poor = new_node('poor');
$poor->start;
$poor->command_ok([ 'pg_restore', '--exit-on-error', '--no-owner', '--no-privileges', '-d', 'postgres', "$dumps/archive" ],
	'pg_restore where a role is missing');
is(catalog($poor), $catalog, 'every row of the catalog is there');
is(answers($poor), $answers, 'every model answers');
is($poor->safe_psql('postgres', q{SELECT owner FROM pgforest.models WHERE name = 'of the analyst'}), 'analyst',
	'the owner is known by name');
is($poor->safe_psql('postgres', 'CREATE ROLE guest; GRANT SELECT ON item TO guest; ' . $others), $other,
	'a role made later has the right that its name has');

# ----- as another role -----

$from->safe_psql('postgres', 'GRANT SELECT ON ALL TABLES IN SCHEMA public TO analyst; GRANT USAGE ON SCHEMA pgforest TO analyst');
$from->command_fails_like([ 'pg_dump', '-U', 'analyst', '-n', 'public', '-e', 'pgforest', '-f', "$dumps/refused", 'postgres' ],
	qr/would be affected by row-level security/, 'another role is not given a dump that lacks rows unnoticed');
$from->command_ok([ 'pg_dump', '-U', 'analyst', '--enable-row-security', '-f', "$dumps/mine.sql", 'postgres' ],
	'... but one of what it may see with --enable-row-security');
$to->safe_psql('postgres', 'CREATE DATABASE mine');
$to->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dumps/mine.sql", 'mine' ], 'which can be restored');
is($to->safe_psql('mine', 'SELECT name, versions, production FROM pgforest.models'), 'of the analyst|1|1', 'its models are there');
is($to->safe_psql('mine', $others), $other, '... and answer');

$_->stop for $from, $to, $poor;
done_testing();

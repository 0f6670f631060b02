# The extension in a schema of the user's choice, also in the one that its own tables are in:
# it works, is dumped and restored there, and pg_upgrade takes it along.

use strict;
use warnings;

use Cwd;
use FindBin;
use lib $FindBin::RealBin;
use PgForestNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my %installs = (
	'own schema' => 'CREATE SCHEMA "My ml"; CREATE EXTENSION pgforest SCHEMA "My ml"',
	'schema of the tables' => 'CREATE SCHEMA pgforest; CREATE EXTENSION pgforest SCHEMA pgforest',
	'public' => 'CREATE EXTENSION pgforest');
my %schema = ('own schema' => 'My ml', 'schema of the tables' => 'pgforest', 'public' => 'public');

# A database whose name is not plain either.
sub database
{
	my ($install) = @_;

	return "db $install";
}

sub check_functions
{
	my ($node, $install) = @_;

	is($node->safe_psql(database($install), q{SELECT DISTINCT nspname FROM pg_proc AS p
			JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE proname LIKE 'ml\_%'}),
		$schema{$install}, "$install: the functions are all in it");
	return;
}

my $node  = new_node('from');
my $other = new_node('to');
$_->start for $node, $other;

my (%answers, %catalog);
for my $install (sort keys %installs)
{
	my $db   = database($install);
	my $path = $schema{$install};

	for my $server ($node, $other)
	{
		$server->safe_psql('postgres', qq{CREATE DATABASE "$db"});
		$server->safe_psql('postgres', qq{ALTER DATABASE "$db" SET search_path = "$path", public});
	}
	$node->safe_psql($db, $installs{$install});
	make_rows($node, db => $db, table => 'public.item');
	make_models($node, $db);
	check_functions($node, $install);

	# Nothing hangs on the search path.
	my ($row) = $node->safe_psql($db, qq{SET search_path = pg_catalog;
		SELECT "$path".ml_predict('flower', item, NULL::text) FROM public.item WHERE id = 1});
	is($row, $node->safe_psql($db, q{SELECT ml_predict('flower', item) FROM item WHERE id = 1}), 'called by its full name');

	$answers{$install} = answers($node, $db);
	$catalog{$install} = catalog($node, $db);
	my $file = $node->basedir . '/dump';
	$node->command_ok([ 'pg_dump', '-Fc', '-f', $file, $db ], 'pg_dump');
	$node->command_ok([ 'pg_restore', '--exit-on-error', '-j', '2', '-d', $other->connstr($db), $file ], 'pg_restore');
	check_functions($other, $install);
	is(catalog($other, $db), $catalog{$install}, 'every row of the catalog is restored');
	is(answers($other, $db), $answers{$install}, 'every model answers');
}
is($answers{$_}, $answers{public}, "$_: the same answers as in public") for sort keys %installs;

# ----- dropping and making again -----

my $db = database('own schema');
$other->safe_psql($db, 'DROP EXTENSION pgforest');
is($other->safe_psql($db, q{SELECT count(*) FROM pg_namespace WHERE nspname = 'pgforest'}), 0, 'dropped with its tables and their schema');
is($other->safe_psql($db, q{SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE n.nspname = 'pgforest' UNION ALL SELECT count(*) FROM pg_proc WHERE probin LIKE '%pgforest%'}), "0\n0", '... and its functions');
$other->safe_psql($db, 'CREATE EXTENSION pgforest');
is($other->safe_psql($db, 'SELECT count(*) FROM pgforest.models'), 0, 'made again, without models');

# ----- pg_upgrade: of the same version, which takes the same way as from an older one -----

my $upgraded = new_node('upgraded');
my $bindir   = $node->config_data('--bindir');
my $here     = getcwd();
$_->stop for $node, $other;
chdir $upgraded->basedir;
command_ok([ 'pg_upgrade', '--no-sync', '-d', $node->data_dir, '-D', $upgraded->data_dir, '-b', $bindir, '-B', $bindir,
		'-s', $upgraded->host, '-p', $node->port, '-P', $upgraded->port ], 'pg_upgrade');
chdir $here;
$upgraded->start;
for my $install (sort keys %installs)
{
	check_functions($upgraded, $install);
	is(catalog($upgraded, database($install)), $catalog{$install}, 'every row of the catalog is there');
	is(answers($upgraded, database($install)), $answers{$install}, 'every model answers');
	is($upgraded->safe_psql(database($install), q{SELECT version FROM ml_train('flower', 'item', 'label', params => '{"n_estimators": 2}')}),
		4, 'the next version has the next number');
}
$upgraded->stop;

done_testing();

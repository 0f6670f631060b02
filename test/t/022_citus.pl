# A Citus cluster of a coordinator and a worker: rows that are distributed train the same models as rows that are
# not, and whatever reads or writes tables does so with distributed ones, too.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PgForestNode;
use PostgreSQL::Test::Utils;
use Test::More;

my $settings = <<'EOF';
shared_preload_libraries = 'citus'
max_connections = 100
max_prepared_transactions = 100
wal_level = logical
citus.node_conninfo = 'sslmode=disable'
EOF
my $probe = new_node('probe');
$probe->start;
my $found = $probe->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'citus'});
$probe->stop;
plan skip_all => 'Citus is not installed' if $found eq '0';

my ($coordinator, $worker) = map { new_node($_, settings => $settings) } qw(coordinator worker);
for my $node ($worker, $coordinator)
{
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION citus');
}

sub ask
{
	return $coordinator->safe_psql('postgres', "SET client_min_messages = error; $_[0]");
}

ask(sprintf("SELECT citus_set_coordinator_host('%s', %d)", $coordinator->host, $coordinator->port));
ask(sprintf("SELECT citus_add_node('%s', %d)", $worker->host, $worker->port));
ask('CREATE EXTENSION pgforest');
make_rows($coordinator);
ask(q{CREATE TABLE spread AS SELECT * FROM item; SELECT create_distributed_table('spread', 'id')});
is($worker->safe_psql('postgres', q{SELECT count(*) FROM pg_extension WHERE extname = 'pgforest'}), '1', 'workers have pgforest');

for my $algorithm (qw(random_forest gradient_boosting))
{
	for my $source (qw(item spread))
	{
		ask("SELECT ml_train('$algorithm', '$source', 'label', '$algorithm', exclude => '{value}', key => '{id}')");
	}
}
is(ask('SELECT model, count(DISTINCT sha256) FROM pgforest.versions GROUP BY 1 ORDER BY 1'),
	"gradient_boosting|1\nrandom_forest|1", 'the same bytes');
ask("SELECT ml_promote('random_forest', 2)");
is(ask("SELECT count(*) FROM (SELECT * FROM ml_evaluate('random_forest', 'spread') EXCEPT SELECT * FROM ml_evaluate('random_forest', 'item')) d"), '0',
	'measured on distributed rows');
is(ask("SELECT count(*) FROM (SELECT * FROM ml_drift('random_forest', 'spread') EXCEPT SELECT * FROM ml_drift('random_forest', 'item')) d"), '0',
	'looked through for drift');
is(ask("SELECT count(*) FROM ml_check('random_forest', 'spread') WHERE severity = 'error'"), '0', '... and checked');

# Models are on the coordinator: rows come to them, or they are carried to the workers.
my $answers = ask("SELECT id, ml_predict('random_forest', i) FROM item i ORDER BY id");
is(ask("SELECT id, ml_predict('random_forest', s) FROM (SELECT * FROM spread OFFSET 0) s ORDER BY id"), $answers, 'rows come to the model');
my ($status, undef, $error) = $coordinator->psql('postgres', "SELECT ml_predict('random_forest', s) FROM spread s");
like($error, qr/model "random_forest" does not exist/, 'workers do not have it yet');
ask(q{SELECT run_command_on_workers(format('SELECT ml_import(%L::bytea)', ml_export('random_forest')))});
ask(q{SELECT run_command_on_workers($$SELECT ml_promote('random_forest', 1)$$)});
is(ask("SELECT id, ml_predict('random_forest', s) FROM spread s ORDER BY id"), $answers, 'models go to the rows');

# Tables that are written, twice each: only what is new is added.
ask(q{SELECT ml_recipe('plain', 'spread', '[{"step": "impute", "columns": ["a"], "method": "mean"}]')});
for my $kind (qw(near far))
{
	ask("SELECT ml_clean('plain', 'SELECT * FROM spread WHERE id <= 900', 'clean_$kind', key => 'id')");
	ask("CALL ml_score('random_forest', 'SELECT * FROM spread WHERE id <= 900', 'scores_$kind', '{id}')");
	ask("SELECT create_distributed_table('${_}_$kind', 'id')") for $kind eq 'far' ? qw(clean scores) : ();
	ask("SELECT ml_clean('plain', 'spread', 'clean_$kind', key => 'id')");
	ask("CALL ml_score('random_forest', 'spread', 'scores_$kind', '{id}')");
	is(ask("SELECT count(*), count(DISTINCT id) FROM clean_$kind"), '2000|2000', "cleaned into a table that is $kind");
	is(ask("SELECT id, prediction FROM scores_$kind ORDER BY id"), $answers, '... scored');
}

# COPY's rows go to the shards.
ask(q{CREATE TABLE raw (id bigint PRIMARY KEY, a float8, kind text NOT NULL, at timestamptz DEFAULT now());
	SELECT create_distributed_table('raw', 'id')});
my $file = $coordinator->basedir . '/raw.csv';
append_to_file($file, "id,a,kind\n" . join('', map { "$_,0.5,x\n" } 1 .. 1000) . "1001,half,y\n1002,1,z\n");
ask("CALL ml_ingest('raw', '$file', batch_size => 300, on_error => 'reject')");
is(ask('SELECT count(*), count(at), max(id) FROM raw'), '1001|1001|1002', 'loaded in batches');
is(ask('SELECT line FROM pgforest.reject'), '1002', '... one record was rejected');
ask("CALL ml_ingest('raw', 'SELECT id + 5000 AS id, a, kind FROM spread WHERE kind IS NOT NULL', order_by => 'id', batch_size => 400)");
is(ask('SELECT count(*) FROM raw WHERE id > 5000'), ask('SELECT count(kind) FROM item'), '... from a distributed table');
append_to_file($file, "1003,1,\n");
($status, undef, $error) = $coordinator->psql('postgres', "CALL ml_ingest('raw', '$file', batch_size => 300)");
like($error, qr/null value in column "kind"/, 'an error of a shard ends the load');
is(ask('SELECT count(*) FROM raw WHERE id = 1003'), '0', '... of that batch nothing stays');

$_->stop for $coordinator, $worker;
done_testing();

# What docker/ has for those who look: the queries of the Grafana dashboard run, and Debian's
# prometheus-postgres-exporter, with the queries there, shows what our views have.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use PgForestNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $docker = "$FindBin::RealBin/../../docker";
my $node = new_node('server', settings => "shared_preload_libraries = 'pgforest'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pgforest; CREATE ROLE scientist LOGIN; CREATE ROLE exporter LOGIN');
make_rows($node, rows => 2000);
$node->safe_psql('postgres', 'ALTER TABLE item OWNER TO scientist; GRANT CREATE ON SCHEMA public TO scientist');
$node->safe_psql('postgres', <<'EOF');
SET ROLE scientist;
CREATE VIEW sold AS SELECT *, date_trunc('day', now()) - interval '2 days' + id * interval '1 minute' AS at FROM item;
SELECT ml_train('value "1"', 'item', 'value', exclude => '{id,label}', params => '{"n_estimators": 10}');
SELECT ml_train('value "1"', 'item', 'value', exclude => '{id,label}', params => '{"n_estimators": 12}');
SELECT ml_train('secret', 'item', 'label', exclude => '{id,value}', params => '{"n_estimators": 10}');
SELECT ml_promote('value "1"', 2);
SELECT ml_grant('value "1"', 'exporter', 'predict');
SELECT ml_monitor('daily', 'value "1"', 'SELECT * FROM sold', truth => 'value', time_column => 'at', metric => 'r2', threshold => 2,
	since => now() - interval '2 days');
SELECT count(ml_predict('value "1"', item)) FROM item;
EOF
$node->safe_psql('postgres', 'SET ROLE scientist; CALL ml_watch()');

# ----- Grafana -----

my $dashboard = decode_json(slurp_file("$docker/grafana/pgforest.json"));
my @queries   = (
	(map { [ $_->{title}, $_->{targets}[0]{rawSql} ] } @{ $dashboard->{panels} }),
	(map { [ $_->{name}, $_->{query} ] } grep { $_->{type} eq 'query' } @{ $dashboard->{templating}{list} }),
	(map { [ $_->{name}, $_->{rawQuery} ] } @{ $dashboard->{annotations}{list} }));
cmp_ok(scalar @queries, '>', 10, 'a dashboard of many queries');
for my $query (@queries)
{
	my ($title, $sql) = @$query;

	# what Grafana puts in
	$sql =~ s/\$__timeFilter\(([\w.]+)\)/$1 BETWEEN now() - interval '30 days' AND now()/g;
	$sql =~ s/\$__timeGroup\(([\w.]+), \$__interval\)/floor(extract(epoch FROM $1) \/ 3600) * 3600/g;
	$sql =~ s/\$metric/'rmse','r2'/g;
	$sql =~ s/\$model/'value "1"'/g;
	my ($status, $out, $err) = $node->psql('postgres', "SET ROLE scientist; $sql");
	is($status, 0, "query of \"$title\" runs") or diag($err);
	unlike($sql, qr/\$/, '... with nothing in it that we do not know');
}

# ----- the exporter -----

my ($exporter) = grep { -x } map { "$_/prometheus-postgres-exporter" } split(/:/, $ENV{PATH}), '/usr/bin';
unless ($exporter)
{
	note('prometheus-postgres-exporter is not installed: nothing more is tested');
	$node->stop;
	done_testing();
	exit;
}

# A port that is free now; the exporter says when somebody else was faster.
my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no port: $!";
my $port   = $socket->sockport;
$socket->close;
local $ENV{DATA_SOURCE_NAME} = sprintf('postgresql://exporter@/postgres?host=%s&port=%d&sslmode=disable', $node->host, $node->port);
my $log = '';
my $run = IPC::Run::start(
	[ $exporter, "--web.listen-address=127.0.0.1:$port", "--extend.query-path=$docker/postgres_exporter.yaml",
		'--disable-default-metrics', '--disable-settings-metrics' ],
	'>', \$log, '2>&1', IPC::Run::timeout(180));
my $answer;
for (1 .. 100)
{
	$run->pump_nb;
	$answer = HTTP::Tiny->new(timeout => 10)->get("http://127.0.0.1:$port/metrics");
	last if $answer->{success};
	sleep 0.1;
}
ok($answer->{success}, 'the exporter answers') or diag($log);
my $text = $answer->{content};

# The value of a series; its labels may come in any order.
sub value
{
	my ($name, %labels) = @_;

	for my $line (grep { /^$name\{/ } split(/\n/, $text))
	{
		next if grep { index($line, qq($_="$labels{$_}")) < 0 } keys %labels;
		return $1 if $line =~ / (\S+)$/;
	}
	return;
}
my $model = 'value \"1\"';

is(value('pgforest_model_versions',           model => $model), 2, 'versions of a model');
is(value('pgforest_model_production_version', model => $model), 2, '... and which is in production');
is(value('pgforest_stat_rows_total', model => $model, version => 2) >= 2000, 1, 'rows that were predicted');
is(value('pgforest_stat_errors_total', model => $model, version => 2), 0, '... without errors');
cmp_ok(value('pgforest_stat_p99_seconds', model => $model, version => 2), '>', 0, '... how fast');
for my $metric (qw(rmse r2))
{
	my $last = $node->safe_psql('postgres',
		"SELECT value FROM pgforest.metric_history WHERE monitor = 'daily' AND metric = '$metric' AND set = 'window' ORDER BY at DESC LIMIT 1");

	cmp_ok(abs(value('pgforest_metric_value', model => $model, monitor => 'daily', metric => $metric, set => 'window') - $last), '<=', 1e-9 * abs($last), "a metric of the last window: $metric");
}
is(value('pgforest_drift_drifted', model => $model, monitor => 'daily', feature => '(all)'), 0, 'no drift');
is(value('pgforest_monitor_failed', monitor => 'daily', model => $model), 0, 'the monitor runs');
cmp_ok(value('pgforest_monitor_age_seconds', monitor => 'daily'), '<', 600, '... since a short time');
is(value('pgforest_alerts_open', model => $model, monitor => 'daily', event => 'metric', severity => 'critical'), 1, 'an alert is open');
is(value('pgforest_run_total', model => $model, kind => 'train', status => 'success'), 2, 'runs');
unlike($text, qr/secret/, 'a model that the role has no right on does not show');
is($text =~ /pgforest_exporter|^pg_exporter_last_scrape_error 0$/m, 1, 'no query failed') or diag($log);
unlike($log, qr/level=error|level=warn.*pgforest/, '... nor does the log complain') or diag($log);

$run->signal('TERM');
eval { $run->finish };
$node->stop;
done_testing();

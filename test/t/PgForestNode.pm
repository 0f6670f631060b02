# What the TAP tests share: nodes that have pgforest, rows and models on them, a digest
# of all their answers, and sessions that stay open.

package PgForestNode;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(new_node make_rows make_models answers catalog sequences error_of new_session wait_for);

# A psql that a server in recovery refuses may end before its query is written, of which IPC::Run dies: that
# is one more time that the answer was no.
{
	no warnings 'redefine';
	my $poll = \&PostgreSQL::Test::Cluster::poll_query_until;

	*PostgreSQL::Test::Cluster::poll_query_until = sub {
		my @arguments = @_;

		for (1 .. 100)
		{
			my $answer = eval { $poll->(@arguments) };
			return $answer unless $@;
			die $@ unless $@ =~ /Broken pipe/;
			sleep 0.1;
		}
		return 0;
	};
}

# A node like a server that is in use, not like the smallest that starts.  It says nothing
# while it trains, however slow the machine: tests compare what a session was told.
sub new_node
{
	my ($name, %options) = @_;
	my $settings = delete $options{settings} // '';
	my $node     = PostgreSQL::Test::Cluster->new($name);

	$node->init(%options,
		extra => [ '--encoding=UTF8', '--no-locale', @{ $options{extra} // [] } ]);
	$node->append_conf('postgresql.conf', <<EOF);
log_statement = none
shared_buffers = 64MB
max_wal_size = 1GB
max_connections = 30
max_worker_processes = 16
max_parallel_workers = 8
pgforest.progress_interval = 0
timezone = 'UTC'
$settings
EOF
	return $node;
}

# Rows that look like something: two numbers, a category, a label and a value that follow
# from them with noise.  Always the same ones, whatever the machine.
sub make_rows
{
	my ($node, %options) = @_;
	my $table = $options{table} // 'item';
	my $rows  = $options{rows}  // 2000;
	my $db    = $options{db}    // 'postgres';

	$node->safe_psql($db, <<EOF);
CREATE TABLE $table AS
SELECT id, a, b, CASE WHEN b % 7 = 0 THEN NULL ELSE 'kind ' || b % 5 END AS kind,
	CASE WHEN a + noise > 60 THEN 'large' WHEN b % 5 < 2 THEN 'even' ELSE 'small' END AS label,
	a * 2 + b % 5 * 10 + noise AS value
FROM (SELECT id, (id * 7919 % 1000) / 10.0::float8 AS a, id * 104729 % 97 AS b,
		(id * 15485863::bigint % 211) / 10.0 - 10 AS noise FROM generate_series(1, $rows) AS id) AS r
EOF
	return;
}

# Two models with three versions, one of them dropped, aliases with a past, a right that was
# given, a measurement made later, and a name that needs quotes.
sub make_models
{
	my ($node, $db) = @_;

	$node->safe_psql($db // 'postgres', <<'EOF');
SELECT ml_train('flower', 'item', 'label', exclude => '{id,value}', params => '{"n_estimators": 10}', note => 'first');
SELECT ml_train('flower', 'item', 'label', exclude => '{id,value}', params => '{"n_estimators": 3}', seed => 7);
SELECT ml_train('flower', 'item', 'label', exclude => '{id,value}', key => '{b}', params => '{"n_estimators": 12, "class_weight": "balanced"}');
SELECT ml_promote('flower', 1);
SELECT ml_promote('flower', 3);
SELECT ml_promote('flower', 3, alias => 'candidate');
SELECT ml_rollback('flower');
SELECT ml_drop('flower@2');
SELECT count(*) FROM ml_evaluate('flower@3', 'SELECT * FROM item WHERE id < 500');
SELECT ml_train('it''s a "value"', 'SELECT * FROM item', 'value', exclude => '{id,label}', params => '{"n_estimators": 8}', holdout => 0);
SELECT ml_promote('it''s a "value"', 1);
SET pgforest.train_memory = '1GB';
SELECT ml_train('boosted', 'item', 'label', 'gradient_boosting', exclude => '{id,value}', params => '{"n_estimators": 6}');
SELECT ml_train('random', 'item', 'value', 'extra_trees', exclude => '{id,label}', params => '{"n_estimators": 6, "quantiles": true}');
SELECT ml_train('linear', 'item', 'value', 'linear', exclude => '{id,label}');
SELECT ml_train('odd', 'item', algorithm => 'isolation_forest', exclude => '{id}', params => '{"contamination": 0.1}');
SELECT ml_train('calibrated', 'item', 'label', 'linear', exclude => '{id,value}', params => '{"calibration": "isotonic"}');
SELECT ml_recipe('clean item', 'item', '[{"step": "drop", "columns": ["id", "label"]}, {"step": "scale", "columns": ["a"], "method": "standard"},
	{"step": "target_mean", "columns": ["kind"], "target": "value"}, {"step": "one_hot", "columns": ["b"], "max_categories": 97}]');
SELECT ml_train('cooked', 'item', 'value', 'linear', recipe => 'clean item');
SELECT ml_drop_recipe('clean item');
SELECT ml_recipe('clean item', 'item', '[]');
SELECT ml_pipeline('nightly', '{"model": "odd", "gate": {"promote": "never"}}');
CALL ml_run('nightly');
EOF
	return;
}

# All that the models of make_models say, in one digest for each.
sub answers
{
	my ($node, $db) = @_;

	return $node->safe_psql($db // 'postgres', <<'EOF');
SELECT 'flower', version, md5(string_agg(ml_predict('flower', item) || ml_predict_proba('flower', item)::text, ',' ORDER BY id))
	FROM item, ml_resolve('flower') GROUP BY version;
SELECT 'candidate', md5(string_agg(ml_predict_proba('flower@candidate', to_jsonb(item))::text, ',' ORDER BY id)) FROM item;
SELECT 'value', md5(string_agg(ml_predict('it''s a "value"@1', item, NULL::float8)::text, ',' ORDER BY id)) FROM item;
SELECT 'boosted', md5(string_agg(ml_predict_proba('boosted@1', item)::text, ',' ORDER BY id)) FROM item;
SELECT 'random', md5(string_agg(ml_predict('random@1', item, NULL::float8)::text, ',' ORDER BY id)) FROM item;
SELECT 'quantiles', md5(string_agg(ml_predict_quantile('random@1', item, '{0.05,0.5,0.95}')::text, ',' ORDER BY id)) FROM item;
SELECT 'linear', md5(string_agg(ml_predict('linear@1', item, NULL::float8)::text, ',' ORDER BY id)) FROM item;
SELECT 'odd', md5(string_agg(ml_predict('odd@1', item) || ml_predict('odd@1', item, NULL::float8), ',' ORDER BY id)) FROM item;
SELECT 'calibrated', md5(string_agg(ml_predict_proba('calibrated@1', item)::text, ',' ORDER BY id)) FROM item;
SELECT 'cooked', md5(string_agg(ml_predict('cooked@1', item, NULL::float8)::text, ',' ORDER BY id)) FROM item;
SELECT model, version, sha256, aliases FROM pgforest.versions ORDER BY model, version;
SELECT * FROM ml_importance('flower');
SELECT md5(string_agg(m::text, ',' ORDER BY m::text)) FROM ml_evaluate('flower') AS m;
SELECT * FROM ml_confusion_matrix('flower');
SELECT md5(string_agg(r::text, ',')) FROM ml_roc_curve('flower', class => 'small') AS r;
EOF
}

# Every row of our tables: their number and a digest.
sub catalog
{
	my ($node, $db) = @_;

	return per_relation($node, $db, 'r', q{count(*), md5(string_agg(t::text, ',' ORDER BY t::text))});
}

# The state of our sequences.  (That of a standby runs ahead of its primary's.)
sub sequences
{
	my ($node, $db) = @_;

	return per_relation($node, $db, 'S', 'last_value, is_called');
}

sub per_relation
{
	my ($node, $db, $kind, $columns) = @_;
	my $names = $node->safe_psql($db // 'postgres', <<EOF);
SELECT relname FROM pg_class WHERE relnamespace = 'pgforest'::regnamespace AND relkind = '$kind' ORDER BY relname
EOF

	return $node->safe_psql($db // 'postgres',
		join('; ', map { "SELECT '$_', $columns FROM pgforest.$_ AS t" } split(/\n/, $names)));
}

# SQLSTATE and message of a statement that must fail; empty when it does not.
sub error_of
{
	my ($node, $sql, %options) = @_;
	my ($out, $err);

	$node->psql($options{db} // 'postgres', "\\set VERBOSITY verbose\n$sql",
		stdout => \$out, stderr => \$err, on_error_stop => 0);
	return $err =~ /(?:ERROR|FATAL|PANIC):  (\w+: .*)/ ? $1 : '';
}

# Polls until a query gives true, or for $seconds.
sub wait_for
{
	my ($node, $query, $seconds) = @_;
	my $until = time + ($seconds // $PostgreSQL::Test::Utils::timeout_default);

	while (time < $until)
	{
		return 1 if $node->safe_psql('postgres', "SELECT ($query)::int") eq '1';
		sleep 0.02;
	}
	return 0;
}

# A psql that stays open.  begin() sends statements and returns at once, finish() waits until
# they are done and gives what they said, run() is both.
sub new_session
{
	my ($node, $db) = @_;
	my $self = bless { in => '', out => '', err => '', count => 0 }, 'PgForestNode::Session';

	$self->{psql} = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr($db // 'postgres'), '-f', '-' ],
		'<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err},
		IPC::Run::timeout(600));
	$self->{pid} = $self->run('SELECT pg_backend_pid()');
	return $self;
}

package PgForestNode::Session;

sub begin
{
	my ($self, $sql) = @_;

	$self->{count}++;
	$self->{out} = $self->{err} = '';
	$self->{in} .= "$sql;\n\\echo\n\\echo session $self->{count} is done\n";
	$self->{psql}->pump_nb;
	return;
}

sub finish
{
	my ($self) = @_;
	my $mark = qr/\n?session $self->{count} is done\n/;

	until ($self->{out} =~ $mark)
	{
		last unless $self->{psql}->pumpable;
		$self->{psql}->pump;
	}
	$self->{out} =~ s/$mark.*//s;
	$self->{out} =~ s/\n\z//;
	return $self->{out};
}

sub run
{
	my ($self, $sql) = @_;

	$self->begin($sql);
	return $self->finish;
}

sub error { return $_[0]{err}; }
sub pid   { return $_[0]{pid}; }

sub close
{
	my ($self) = @_;

	eval { $self->{in} .= "\\q\n"; $self->{psql}->finish; };
	return;
}

1;

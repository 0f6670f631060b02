# Models go from one cluster to another, and answer there as they did: as bytes of ml_export through
# a pipe, one at a time; and all of them by logical replication of the tables.  (002_dump.pl is about pg_dump.)

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PgForestNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $from = new_node('sandbox', allows_streaming => 'logical');
$from->start;
$from->safe_psql('postgres', 'CREATE EXTENSION pgforest; CREATE ROLE analyst; CREATE ROLE operator');
make_rows($from);
make_models($from);
$from->safe_psql('postgres', q{CREATE TABLE picture AS SELECT id, ARRAY[a, b, a + b] AS pixels, label FROM item;
	SELECT ml_train('picture', 'picture', 'label', exclude => '{id}', key => '{id}', params => '{"n_estimators": 5}')});

# Another system, with other roles, another default encoding of nothing, and the functions in another schema.
my $to = new_node('production');
$to->start;
$to->safe_psql('postgres', 'CREATE SCHEMA ml; CREATE EXTENSION pgforest SCHEMA ml; CREATE ROLE operator LOGIN;'
	. 'GRANT USAGE ON SCHEMA ml TO PUBLIC; ALTER DATABASE postgres SET search_path = public, ml; GRANT TEMPORARY ON DATABASE postgres TO operator');
make_rows($to);
$to->safe_psql('postgres', 'CREATE TABLE picture AS SELECT id, ARRAY[a, b, a + b] AS pixels, label FROM item; GRANT SELECT ON ALL TABLES IN SCHEMA public TO operator');

# ----- one at a time, as docs/operations.md shows -----

my $box = $from->basedir . '/box';

sub carry
{
	my ($reference, $import) = @_;

	$from->command_ok([ 'psql', '-X', '-q', '-d', $from->connstr('postgres'), '-c',
			"COPY (SELECT ml_export('$reference')) TO STDOUT (FORMAT binary)", '-o', $box ], "ml_export('$reference')");
	return $to->safe_psql('postgres', "CREATE TEMP TABLE box (data bytea);\n\\copy box FROM '$box' (FORMAT binary)\nSELECT i.* FROM box, $import AS i",
		extra_params => [ '-U', 'operator' ]);
}

my $digest = q{SELECT md5(string_agg(ml_predict('%s', t)::text || coalesce(to_jsonb(t)->>'none', ''), ',' ORDER BY id)) FROM %s AS t};
for my $case ([ 'flower@3', 'item' ], [ 'it\'\'s a "value"@1', 'item' ], [ 'boosted@1', 'item' ], [ 'random@1', 'item' ],
	[ 'linear@1', 'item' ], [ 'odd@1', 'item' ], [ 'calibrated@1', 'item' ], [ 'picture@1', 'picture' ])
{
	my ($reference, $table) = @$case;
	my ($name) = $reference =~ /(.*)@/;
	my $said = carry($reference, 'ml_import(data)');
	my $sha = $from->safe_psql('postgres', "SELECT sha256 FROM pgforest.versions WHERE model || '\@' || version = '$reference'");

	like($said, qr/\|\Q$sha\E$/, 'the same SHA-256');
	is($to->safe_psql('postgres', sprintf($digest, "$name\@1", $table)), $from->safe_psql('postgres', sprintf($digest, $reference, $table)),
		'the same answers');
	next if $name eq 'odd';		# has no metrics
	is($to->safe_psql('postgres', "SELECT md5(string_agg(m::text, ',' ORDER BY m::text)) FROM ml_evaluate('$name\@1') AS m"),
		$from->safe_psql('postgres', "SELECT md5(string_agg(m::text, ',' ORDER BY m::text)) FROM ml_evaluate('$reference') AS m"), 'the same metrics');
	is($to->safe_psql('postgres', "SELECT md5(string_agg(m::text, ',' ORDER BY m::text)) FROM ml_importance('$name\@1') AS m"),
		$from->safe_psql('postgres', "SELECT md5(string_agg(m::text, ',' ORDER BY m::text)) FROM ml_importance('$reference') AS m"), 'the same importances');
}
is($to->safe_psql('postgres', q{SELECT owner, count(*) FROM pgforest.models GROUP BY 1}), 'operator|8', 'they belong to who imported them');
is($to->safe_psql('postgres', q{SELECT original, number, database, exported_by = 'postgres' OR exported_by <> '', imported_by, version
		FROM pgforest.origins WHERE model = 'flower'}), 'flower|3|postgres|t|operator|1', 'where it came from is known');

# Served there as JSON, and the next one is the next version.
$to->safe_psql('postgres', q{SELECT ml_promote('picture', 1)}, extra_params => [ '-U', 'operator' ]);
is($to->safe_psql('postgres', q{SELECT ml_predict_json('picture', jsonb_build_object('instances', jsonb_agg(pixels ORDER BY id)))->'predictions'
		= (SELECT jsonb_agg(ml_predict('picture', p) ORDER BY id) FROM picture p) FROM picture}), 't', 'answers requests in JSON');
$from->safe_psql('postgres', q{SELECT ml_train('picture', 'picture', 'label', exclude => '{id}', key => '{id}', params => '{"n_estimators": 9}')});
like(carry('picture@2', 'ml_import(data)'), qr/^picture\|2\|/, 'another export is the next version');
is($to->safe_psql('postgres', q{SELECT version, promoted FROM ml_promote('picture', 2, source => 'picture')}, extra_params => [ '-U', 'operator' ]),
	'2|t', 'which can be compared and promoted');
like(error_of($to, q{SELECT ml_promote('picture', metric => 'accuracy')}), qr/^42501: the query of a version that was imported is not run/,
	'its query is not run, by a superuser neither');
is($to->safe_psql('postgres', q{SELECT version FROM ml_train('picture', 'picture', 'label', exclude => '{id}', key => '{id}', params => '{"n_estimators": 9}')}),
	'3', 'and it can be trained on');
is($to->safe_psql('postgres', q{SELECT count(DISTINCT sha256) FROM pgforest.versions WHERE model = 'picture' AND version > 1}), '1',
	'the same rows give the same bytes here');

# A dump carries where they came from.
my $catalog = catalog($to);
$to->command_ok([ 'pg_dump', '-Fc', '-f', "$box.dump", 'postgres' ], 'pg_dump of imported models');
$to->safe_psql('postgres', 'CREATE DATABASE again');
$to->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'again', "$box.dump" ], 'pg_restore');
is(catalog($to, 'again'), $catalog, 'every row of the catalog is there');

# ----- a file that was damaged on the way -----

$from->safe_psql('postgres', 'CREATE TABLE box AS SELECT ml_export(\'boosted@1\') AS data');
like(error_of($from, q{SELECT ml_import(set_byte(data, length(data) / 2, get_byte(data, length(data) / 2) # 1)) FROM box}),
	qr/^XX001: data is not an exported model/, 'a bit that is wrong');
like(error_of($from, q{SELECT ml_import(substr(data, 1, length(data) / 2)) FROM box}), qr/^XX001: data is not an exported model/, 'half of it');

# ----- a database that is not in UTF-8: names beyond ASCII have no meaning there -----

$to->safe_psql('postgres', q{CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'});
$to->safe_psql('latin', 'CREATE EXTENSION pgforest');
$from->safe_psql('postgres', q{CREATE TABLE colour AS SELECT id, CASE WHEN id % 2 = 0 THEN U&'gr\00fcn' ELSE 'red' END AS c, id % 2 AS y FROM generate_series(1, 300) id;
	SELECT ml_train('colour', 'colour', 'y', features => '{c}', holdout => 0, params => '{"n_estimators": 3}')});
sub into_latin
{
	my ($reference) = @_;
	my $hex = $from->safe_psql('postgres', "SELECT encode(ml_export('$reference'), 'hex')");

	return "SELECT model, version FROM ml_import(decode('$hex', 'hex'))";
}
is($to->safe_psql('latin', into_latin('boosted@1')), 'boosted|1', 'a model in ASCII goes anywhere');
like(error_of($to, into_latin('colour@1'), db => 'latin'), qr/^22021: model with names beyond ASCII comes from a database with another encoding/,
	'another does not');

# ----- all of them, by logical replication -----

my $replica = new_node('replica');
$replica->start;
$replica->safe_psql('postgres', 'CREATE EXTENSION pgforest');
make_rows($replica);
$from->safe_psql('postgres', 'CREATE PUBLICATION models FOR TABLES IN SCHEMA pgforest');
$replica->safe_psql('postgres', sprintf(q{CREATE SUBSCRIPTION models CONNECTION $$%s$$ PUBLICATION models}, $from->connstr('postgres')));
$replica->wait_for_subscription_sync($from, 'models');
is(answers($replica), answers($from), 'what was there answers the same');
$from->safe_psql('postgres', q{SELECT ml_promote('flower', 3); SELECT ml_train('linear', 'item', 'value', 'linear', exclude => '{id,label}', seed => 5); SELECT ml_promote('linear', 2); SELECT ml_drop('random')});
$from->wait_for_catchup('models');
is($replica->safe_psql('postgres', q{SELECT model, version FROM ml_resolve('flower')}), 'flower|3', 'a promotion arrives');
is($replica->safe_psql('postgres', sprintf($digest, 'linear', 'item')), $from->safe_psql('postgres', sprintf($digest, 'linear', 'item')), '... and a new version');
is($replica->safe_psql('postgres', q{SELECT count(*) FROM pgforest.version_data d WHERE NOT EXISTS (SELECT FROM pgforest.version v WHERE v.model_id = d.model_id AND v.version = d.version)}),
	'0', '... and a drop leaves nothing behind');
is(catalog($replica), catalog($from), 'the two catalogs are the same, row for row');

# From then on by itself: numbers go on above those that came.
$replica->safe_psql('postgres', 'DROP SUBSCRIPTION models');
$replica->safe_psql('postgres', q{
DO $$
DECLARE
    t text;
    following bigint;
BEGIN
    FOR t IN SELECT format('%I.%I', table_schema, table_name) FROM information_schema.columns
        WHERE table_schema = 'pgforest' AND column_name = 'id' AND is_identity = 'YES' LOOP
        EXECUTE format('SELECT coalesce(max(id), 0) + 1 FROM %s', t) INTO following;
        PERFORM setval(pg_get_serial_sequence(t, 'id'), greatest(following, 1), false);
    END LOOP;
END $$});
is($replica->safe_psql('postgres', q{SELECT version FROM ml_train('linear', 'item', 'value', 'linear', exclude => '{id,label}')}), '3', 'trains on, when it stands alone');
is($replica->safe_psql('postgres', q{SELECT version FROM ml_train('own', 'item', 'value', 'linear', exclude => '{id,label}')}), '1', '... and models of its own');

$_->stop for $from, $to, $replica;
done_testing();

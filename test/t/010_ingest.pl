# ml_ingest from files: what is loaded, what is refused and why, and that nothing is lost and nothing
# comes twice, whatever stops it: an error, a timeout, kill -9 of its session, a server that stops at once.

use strict;
use warnings;

use Digest::SHA 'sha256_hex';
use Encode 'encode';
use FindBin;
use lib $FindBin::RealBin;
use PgForestNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = new_node('server', settings => <<EOF);
restart_after_crash = on
autovacuum = off
EOF
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pgforest; CREATE ROLE ann LOGIN; GRANT CREATE ON SCHEMA public TO ann');
my $files = PostgreSQL::Test::Utils::tempdir;

sub write_file
{
	my ($name, $bytes) = @_;

	open(my $file, '>:raw', "$files/$name") or die "$name: $!";
	print $file $bytes;
	close($file);
	return "$files/$name";
}

# What a call says, with SQLSTATE and message of its error.
sub ingest
{
	my ($target, $source, %options) = @_;
	my $role = delete $options{role};
	my $more = join('', map { ", $_ => $options{$_}" } sort keys %options);
	my ($out, $err);

	$node->psql('postgres', ($role ? "SET ROLE $role;\n" : '') . "\\set VERBOSITY verbose\nCALL ml_ingest('$target', '$source'$more)",
		stdout => \$out, stderr => \$err, on_error_stop => 0);
	$err =~ s/^LOCATION:.*\n?//mg;
	$err =~ s/^psql:\S+ //mg;
	return $err;
}

# As COPY would write them.
sub rows_of
{
	my ($table) = @_;

	return $node->safe_psql('postgres', "SELECT a || '|' || b FROM $table ORDER BY ctid");
}

sub fresh
{
	$node->safe_psql('postgres', 'SET client_min_messages = warning; DROP TABLE IF EXISTS u; CREATE TABLE u (a int, b text)');
	return;
}

# The records rejected in the last load of a source.
sub rejects_of
{
	my ($source) = @_;

	return $node->safe_psql('postgres', qq{SELECT line, r.start_byte, bytes, text, sqlstate, reason
		FROM pgforest.reject AS r JOIN pgforest.batch AS b ON b.id = r.batch_id
		WHERE source = '$source' AND load = (SELECT max(load) FROM pgforest.batch WHERE source = '$source') ORDER BY r.id});
}

# ----- a file in batches, and the ledger -----

my $lines = join('', map { "$_,row $_\n" } 1 .. 1000);
my $file  = write_file('rows.csv', "a,b\n$lines");
fresh();
like(ingest('u', $file, batch_size => 300, max_batches => 1), qr/loaded 300 rows into public.u in 1 batch$/, 'one batch, as asked');
like(ingest('u', $file, batch_size => 300), qr/loaded 700 rows into public.u in 3 batches$/, 'the next call loads the rest');
like(ingest('u', $file, batch_size => 300), qr/nothing new/, 'and then there is nothing new');
is($node->safe_psql('postgres', q{SELECT count(*), count(DISTINCT a), sum(a), count(*) FILTER (WHERE b = 'row ' || a) FROM u}),
	'1000|1000|500500|1000', 'each row once');

my @batches = map { [ split /\|/ ] } split /\n/,
  $node->safe_psql('postgres', q{SELECT number, rows, rejected, start_byte, end_byte, end_line, encode(sha256, 'hex'), columns, role FROM pgforest.batch ORDER BY id});
my $bytes = slurp_file($file);
is(join(' ', map { $_->[1] } @batches), '300 300 300 100', 'the ledger has their rows');
is($batches[0][3], 0, 'the first begins with the file');
is($batches[-1][4], length($bytes), 'the last ends with it');
is($batches[-1][5], 1001, '... and has counted its lines');
is(join(' ', map { $batches[$_][3] } 1 .. 3), join(' ', map { $batches[$_][4] } 0 .. 2), 'each begins where the one before ended');
is(join(' ', map { $_->[6] } @batches), join(' ', map { sha256_hex(substr($bytes, $_->[3], $_->[4] - $_->[3])) } @batches), 'SHA-256 of each');
is($batches[0][7], '{a,b}', 'columns');

# ----- a source that changes -----

write_file('rows.csv', "a,b\n${lines}1001,row 1001\n");
like(ingest('u', $file), qr/loaded 1 rows into public.u in 1 batch$/, 'a file that has grown: what is new');
write_file('rows.csv', "a,b\n" . ($lines =~ s/row 500/row 5OO/r) . "1001,row 1001\n");
like(ingest('u', $file), qr/55000: source "\S+" has changed.*\nDETAIL:  Batch 2, bytes \d+ to \d+, is not the same\.\nHINT:  restart => true/, 'a file that has changed');
like(ingest('u', $file, format => q{'{"verify": false}'}), qr/nothing new/, '... which is not noticed without the check');
write_file('rows.csv', "a,b\n$lines");
like(ingest('u', $file), qr/55000: .*has changed.*\nDETAIL:  It ends after \d+ bytes; \d+ were loaded/, 'a file that is shorter');
like(ingest('u', $file, restart => 'true'), qr/loaded 1000 rows/, 'once more from its beginning, when asked');
is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM u), max(load) FROM pgforest.batch'), '2001|2', 'in a load of its own');

fresh();
my $grows = write_file('grows.csv', "1,x\n2,y");
like(ingest('u', $grows), qr/loaded 2 rows/, 'a last line without its end');
write_file('grows.csv', "1,x\n2,y\n3,z\n");
like(ingest('u', $grows), qr/loaded 1 rows/, '... that comes later');
is(rows_of('u'), "1|x\n2|y\n3|z", 'each row once');
like(ingest('u', $grows), qr/nothing new/, '... and then no more');
$grows = write_file('grows too.csv', "1,x\n2,y");
ingest('u', $grows);
write_file('grows too.csv', "1,x\n2,yy\n");
like(ingest('u', $grows), qr/55000: .*\nDETAIL:  The record that was its last one has grown/, 'a last record that has grown');

# ----- files that are not as they should be -----

# Name, bytes, the error that stops it; the rows that are loaded when it goes on, and what is rejected.
my $utf8 = 'invalid byte sequence for encoding "UTF8"';
for my $case (
	[ 'empty', '', '', '' ],
	[ 'header only', "a,b\n", '', '' ],
	[ 'line ends of Windows', "a,b\r\n1,x\r\n2,\"y\r\nz\"\r\n3,w", '', "1|x\n2|y\r\nz\n3|w" ],
	[ 'line ends of old', "a,b\r1,x\r2,y\r", '', "1|x\n2|y" ],
	[ 'byte-order mark', "\xef\xbb\xbfa,b\n1,x\n2,y\n", '', "1|x\n2|y" ],
	[ 'byte-order mark, no header', "\xef\xbb\xbf1,x\n2,y\n", '', "1|x\n2|y" ],
	[ 'UTF-16', encode('UTF-16', "a,b\n1,x\n"), qr/22021: source ".+" is in UTF-16\nHINT/, undef ],
	[ 'NUL byte', "a,b\n1,x\n2,y\0y\n3,z\n", qr/22021: $utf8: 0x00\n.*line 3/s, "1|x\n3|z", "3|8|6|2,y\\x00y|22021|$utf8: 0x00" ],
	[ 'wrong encoding', "a,b\n1,x\n2,caf\xe9\n3,z\n", qr/22021: $utf8: 0xe9.*line 3/s, "1|x\n3|z", "3|8|7|2,caf\\xE9|22021|$utf8: 0xe9 0x0a" ],
	[ 'wrong encoding at once', "caf\xe9,x\n2,b\n", qr/22021: $utf8: 0xe9.*line 1/s, '2|b', "1|0|7|caf\\xE9,x|22021|$utf8: 0xe9 0x2c 0x78" ],
	[ 'ragged', "a,b\n1,x\n2\n3,z,9\n4,w\n\n5,v\n", qr/22P04: missing data for column "b"\n.*line 3: "2"/s, "1|x\n4|w\n5|v",
		"3|8|2|2|22P04|missing data for column \"b\"\n4|10|6|3,z,9|22P04|extra data after last expected column\n6|20|1||22P04|missing data for column \"b\"" ],
	[ 'quote that is not closed', "a,b\n1,x\n2,\"broken\n3,y\n4,\"z\"\n5,w\n", qr/22P04: unterminated CSV quoted field/, "1|x\n3|y\n4|z\n5|w",
		'3|8|10|2,"broken|22P04|unterminated CSV quoted field' ],
	[ 'quote that takes other lines in', "a,b\n1,x\n2,\"broken\n3,y\n4,z\"w,9\n5,w\n", qr/22P04: extra data/, "1|x\n3|y\n5|w",
		"3|8|10|2,\"broken|22P04|extra data after last expected column\n5|22|8|4,z\"w,9|22P04|unterminated CSV quoted field" ],
	[ 'wrong value in a record of several lines', "a,b\n1,x\nbad,\"two\nlines\"\n3,y\n", qr/22P02: invalid input syntax for type integer: "bad"\n.*line 4, column a/s,
		"1|x\n3|y", "3|8|16|bad,\"two\nlines\"|22P02|invalid input syntax for type integer: \"bad\" (column \"a\")" ],
	[ 'a mark of the end that is none', "a,b\n1,x\n\\.\n2,y\n", qr/22P0[24]: .*line 3/s, "1|x\n2|y", qr/^3\|8\|3\|\\\.\|22P0[24]\|/ ])
{
	my ($name, $content, $error, $rows, $rejects) = @$case;
	my $source = write_file($name, $content);
	my $said;

	fresh();
	$said = ingest('u', $source);
	if ($error)
	{
		like($said, $error, "$name: stops");
		is(rows_of('u'), '', '... and loads nothing of the batch');
	}
	else
	{
		unlike($said, qr/ERROR/, "$name: is loaded");
		is(rows_of('u'), $rows, '... whole');
	}
	next if !defined $rows;
	fresh();
	unlike(ingest('u', $source, on_error => q{'reject'}, restart => 'true'), qr/ERROR/, "$name: goes on");
	is(rows_of('u'), $rows, '... with what is good');
	ref $rejects ? like(rejects_of($source), $rejects, '... and the rest is kept') : is(rejects_of($source), $rejects // '', '... and the rest is kept');
	is($node->safe_psql('postgres', qq{SELECT max(end_byte) FROM pgforest.batch WHERE source = '$source'}), length($content), '... to its end') if $rows;
	like(ingest('u', $source, on_error => q{'reject'}), qr/nothing new/, '... once');
}

# A line of 200 MB.
{
	open(my $long, '>:raw', "$files/long") or die;
	print $long "a,b\n1,x\n2,";
	print $long 'L' x 1_000_000 for 1 .. 200;
	print $long "\nbad,";
	print $long 'M' x 1_000_000 for 1 .. 200;
	print $long "\n3,z\n";
	close($long);
	fresh();
	like(ingest('u', "$files/long"), qr/22P02: .*"bad"\n.*line 4, column a/s, 'a line of 200 MB: stops at the next one');
	like(ingest('u', "$files/long", on_error => q{'reject'}), qr/loaded 3 rows into public.u in \d batches, 1 rejected/, '... goes on');
	is($node->safe_psql('postgres', 'SELECT a, length(b) FROM u ORDER BY a'), "1|1\n2|200000000\n3|1", '... and is whole');
	is($node->safe_psql('postgres', q{SELECT line, bytes, length(text) FROM pgforest.reject ORDER BY id DESC LIMIT 1}), '4|200000005|1048576',
		'... the beginning of the bad one is kept, and where it is');
	unlink "$files/long";
}

# Too long for a record, as after a quote that nobody closes.
{
	open(my $long, '>:raw', "$files/open") or die;
	print $long "a,b\n1,x\n2,\"y\n";
	print $long ('3,' . 'z' x 999_997 . "\n") for 1 .. 270;
	close($long);
	fresh();
	like(ingest('u', "$files/open"), qr/54000: the record that begins on line 3 is longer than 256 MB\nHINT:  There may be a quote that is not closed/, 'a record of more than 256 MB stops');
	like(ingest('u', "$files/open", on_error => q{'reject'}), qr/loaded 271 rows .*, 1 rejected/, '... or loses its first line only');
	unlink "$files/open";
}

# A batch that is larger than what is kept in memory, and a table with columns that are gone.
{
	open(my $long, '>:raw', "$files/large") or die;
	print $long ("$_," . 'z' x 999_997 . "\n") for 1 .. 100;
	close($long);
	fresh();
	$node->safe_psql('postgres', 'ALTER TABLE u ADD COLUMN gone int, ADD COLUMN c int DEFAULT 7; ALTER TABLE u DROP COLUMN gone');
	my $some = q{'{"columns": ["a", "b"]}'};
	like(ingest('u', "$files/large", format => $some), qr/loaded 100 rows into public.u in 1 batch$/, 'a batch of 100 MB');
	is($node->safe_psql('postgres', 'SELECT count(*), sum(a), sum(length(b)), sum(c) FROM u'), '100|5050|99999700|700', '... is whole');
	like(ingest('u', "$files/large", format => $some), qr/nothing new/, '... and known again');
	like(ingest('v', 'SELECT a, b FROM u', create_table => 'true'), qr/loaded 100 rows into public.v in 1 batch$/, 'a query of 100 MB');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM u JOIN v USING (a, b)'), 100, '... is whole');
	like(ingest('u', "$files/large", format => $some, on_error => q{'reject'}, restart => 'true'), qr/loaded 100 rows into public.u in 2 batches$/, '64 MB at a time with reject');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_ls_tmpdir()'), 0, 'no temporary file is left');
	like(ingest('u', "$files/large", format => $some, restart => 'true', batch_size => 100), qr/loaded 100/, 'and again');
	like(error_of($node, "SET statement_timeout = '30ms'; CALL ml_ingest('u', '$files/large', format => $some, restart => true)"), qr/57014/, 'cancelled');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_ls_tmpdir()'), 0, '... no temporary file is left');
	unlink "$files/large";
}

# ----- formats -----

fresh();
like(ingest('u', write_file('latin1', "1,caf\xe9\n"), format => q{'{"encoding": "latin1"}'}), qr/loaded 1 rows/, 'another encoding');
like(ingest('u', write_file('text', "2\tx\\ty\n3\t\\N\n4\ta\\\nb\n5\tNA\n\\.\n6\tno\n"), format => q{'{"format": "text", "null": ["NA", "\\\\N"]}'}), qr/loaded 4 rows/, 'text');
like(ingest('u', "$files/text", format => q{'{"format": "text"}'}), qr/nothing new/, '... to its mark of the end');
like(ingest('u', write_file('odd', "a;b\n6;'x;'\n7;'it!'s'\n8;?\n9;\n10;NA\n11;'NA'\n12;'?;'\n"), format => q{'{"delimiter": ";", "quote": "''", "escape": "!", "null": ["?", "", "NA"]}'}),
	qr/loaded 7 rows/, 'delimiter, quote, escape, three spellings of NULL');
is($node->safe_psql('postgres', q{SELECT a, coalesce(replace(replace(b, E'\t', 'TAB'), E'\n', 'NL'), 'null') FROM u ORDER BY a}),
	"1|caf\x{c3}\x{a9}\n2|xTABy\n3|null\n4|aNLb\n5|null\n6|x;\n7|it's\n8|null\n9|null\n10|null\n11|NA\n12|?;", 'as they were meant');
fresh();
like(ingest('u', write_file('sjis', "1,\x83\x5c\x83\x5c\n2,\"\x95\x5c\"\n3,\x83\x7c\n4,NA\n"), format => q{'{"encoding": "sjis", "escape": "\\\\", "null": ["", "NA"]}'}), qr/loaded 4 rows/,
	'characters whose second byte looks like a backslash');
is($node->safe_psql('postgres', q{SELECT a, b FROM u}), "1|\x{e3}\x{82}\x{bd}\x{e3}\x{82}\x{bd}\n2|\x{e8}\x{a1}\x{a8}\n3|\x{e3}\x{83}\x{9d}\n4|", '... are whole');

fresh();
my $turned = write_file('turned', "B,A\nx,1\ny,2\n");
like(ingest('u', $turned), qr/loaded 2 rows/, 'a header finds the columns, in whatever order');
is(rows_of('u'), "1|x\n2|y", '... as it should');
like(ingest('u', $turned, restart => 'true', format => q{'{"header": true}'}), qr/22P02.*"x"/, 'header => true passes it by, as for COPY');
like(ingest('u', $turned, restart => 'true', format => q{'{"header": false}'}), qr/22P02.*"B"/, 'header => false takes it for a row');
like(ingest('u', write_file('other', "a,c,d\n1,2,3\n"), format => q{'{"header": "match"}'}),
	qr/42703: the header of source has columns that the target has not, or has them twice\nDETAIL:  They are "c", "d"\./, 'header => match insists');
like(ingest('u', write_file('some', "7\n8\n"), format => q{'{"columns": ["a"]}'}), qr/loaded 2 rows/, 'some columns');

for my $name ('gzip', 'zstd')
{
  SKIP:
	{
		skip "there is no $name", 4 if system("$name --version >/dev/null 2>&1") != 0;
		fresh();
		system("$name -qc '$file' >'$files/packed.$name'") == 0 or die;
		like(ingest('u', "$files/packed.$name", batch_size => 600, max_batches => 1), qr/loaded 600 rows/, "$name is undone");
		like(ingest('u', "$files/packed.$name"), qr/loaded 400 rows/, '... and goes on');
		is($node->safe_psql('postgres', 'SELECT count(*), sum(a) FROM u'), '1000|500500', '... each row once');
		write_file("cut.$name", substr(slurp_file("$files/packed.$name"), 0, 1000));
		like(ingest('u', "$files/cut.$name"), qr/XX001: file "\S+" is truncated/, '... and its end is missed');
	}
}

# ----- a table made for it -----

like(ingest('made', write_file('kinds', "An Id,flag,When,At,zoned,\"Gr\x{c3}\x{b6}\x{c3}\x{9f}e, cm\",,an_id,zip,huge,name,void\n"
		. "1,true,2024-02-29,2024-01-01 10:00,2024-01-01T10:00:00Z,1.5,a,4,00123,123456789012345678901,x,\n"
		. "2,FALSE,2024-03-01,2024-01-01,2024-01-01 10:00:00.5+02:00,-2e-3,b,5,45678,1,y,\n"), create_table => 'true'),
	qr/created table public.made\n.*loaded 2 rows/s, 'create_table');
is($node->safe_psql('postgres', q{SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'made'::regclass AND attnum > 0}),
	"an_id bigint, flag boolean, when date, at timestamp without time zone, zoned timestamp with time zone, gr\x{c3}\x{b6}\x{c3}\x{9f}e_cm double precision, c7 text, an_id_2 bigint, zip text, huge numeric, name text, void text",
	'names that need no quotes, types that fit');
$node->safe_psql('postgres', 'CREATE SCHEMA odd; CREATE TYPE odd.text AS (x int); CREATE TYPE odd.date AS (x int); ALTER ROLE CURRENT_USER SET search_path = odd, pg_catalog, public');
like(ingest('public.made_again', "$files/kinds", create_table => 'true'), qr/an_id bigint, flag boolean, "?when"? pg_catalog.date.*loaded 2 rows/s, 'types are PostgreSQL\'s, whatever the search path finds first');
$node->safe_psql('postgres', 'ALTER ROLE CURRENT_USER RESET search_path');
like(ingest('made', write_file('kinds', "x\n"), create_table => 'true', restart => 'true'), qr/ERROR/, 'a table that is there stays');
like(ingest('never', write_file('bad', "a,b\n1,x\n2\n"), create_table => 'true'), qr/22P04/, 'an error in the first batch');
is($node->safe_psql('postgres', q{SELECT to_regclass('never') IS NULL}), 't', '... leaves no table');
like(ingest('never', "$files/bad", create_table => 'true', on_error => q{'reject'}), qr/loaded 1 rows .*1 rejected/, '... unless it goes on');
like(ingest('plain', write_file('no header', "1,2\n3,4\n"), create_table => 'true', format => q{'{"header": false}'}), qr/c1 bigint, c2 bigint.*loaded 2 rows/s, 'columns without names');

# ----- how many are rejected, and which errors are -----

fresh();
my $bad = write_file('many bad', join('', map { ($_ % 3 ? $_ : 'bad') . ",$_\n" } 1 .. 9000));
like(ingest('u', $bad, on_error => q{'reject'}), qr/22P02: too many records were rejected\nDETAIL:  The limit for one call is 1000\. .*line 3003.*\nHINT/, 'a limit');
is(rows_of('u'), '', '... nothing of that batch is there');
like(ingest('u', $bad, on_error => q{'reject'}, batch_size => 2000), qr/too many/, 'with smaller batches');
is($node->safe_psql('postgres', q{SELECT count(*), (SELECT sum(rejected) FROM pgforest.batch WHERE source LIKE '%many bad') FROM u}), '1334|666', '... the one before it is there');
like(ingest('u', $bad, on_error => q{'reject'}, format => q{'{"reject_limit": 3000}'}), qr/loaded 4666 rows into public.u in 1 batch, 2334 rejected/, 'a higher limit');
is($node->safe_psql('postgres', q{SELECT count(*), bool_and(text = 'bad,' || line), bool_and(line % 3 = 0) FROM pgforest.reject r JOIN pgforest.batch b ON b.id = r.batch_id WHERE source LIKE '%many bad'}),
	'3000|t|t', 'each with its line');

$node->safe_psql('postgres', <<'EOF');
CREATE TABLE parent (id int PRIMARY KEY);
INSERT INTO parent SELECT generate_series(1, 100);
CREATE TABLE strict (a int PRIMARY KEY CHECK (a <> 13), b text NOT NULL, p int REFERENCES parent, d text DEFAULT 'd', g int GENERATED ALWAYS AS (a * 2) STORED);
CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.b = 'forbidden' THEN RAISE 'not this'; END IF; IF NEW.b = 'skip' THEN RETURN NULL; END IF; RETURN NEW; END $$;
CREATE TRIGGER forbid BEFORE INSERT ON strict FOR EACH ROW EXECUTE FUNCTION forbid();
CREATE FUNCTION forbid_late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.b = 'late' THEN RAISE 'not this either'; END IF; RETURN NULL; END $$;
CREATE TRIGGER late AFTER INSERT ON strict FOR EACH ROW EXECUTE FUNCTION forbid_late();
EOF
like(ingest('strict', write_file('strict', "a,b,p\n1,x,1\n13,x,1\n2,,1\n3,x,500\n1,again,1\n4,forbidden,1\n5,late,1\n6,x,\n7,skip,7\n8,x,100\n"), on_error => q{'reject'}),
	qr/loaded 3 rows into public.strict in 1 batch, 6 rejected/, 'constraints, keys and triggers');
is($node->safe_psql('postgres', 'SELECT a, b, p, d, g FROM strict ORDER BY a'), "1|x|1|d|2\n6|x||d|12\n8|x|100|d|16", 'rows that keep to them');
is($node->safe_psql('postgres', q{SELECT line, sqlstate FROM pgforest.reject r JOIN pgforest.batch b ON b.id = r.batch_id WHERE source LIKE '%/strict' ORDER BY r.id}),
	"3|23514\n4|23502\n5|23503\n6|23505\n7|P0001\n8|P0001", '... and those that do not');
$node->safe_psql('postgres', q{CREATE TABLE broken (a int);
	CREATE FUNCTION gone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM no_such_function(); RETURN NEW; END $$;
	CREATE TRIGGER gone BEFORE INSERT ON broken FOR EACH ROW EXECUTE FUNCTION gone()});
like(ingest('broken', "$files/some", on_error => q{'reject'}), qr/42883/, 'an error that is not of a record is one of the call');

# ----- rights -----

fresh();
like(ingest('u', $file, role => 'ann'), qr/42501: permission denied for table u/, 'INSERT is needed');
$node->safe_psql('postgres', 'GRANT INSERT (a) ON u TO ann');
like(ingest('u', $file, role => 'ann'), qr/42501: permission denied to read a file on the server/, 'and pg_read_server_files');
$node->safe_psql('postgres', 'GRANT pg_read_server_files TO ann');
like(ingest('u', $file, role => 'ann', restart => 'true'), qr/42501: permission denied for table u/, 'INSERT on all columns');
like(ingest('u', "$files/some", role => 'ann', restart => 'true', format => q{'{"columns": ["a"]}'}), qr/loaded 2 rows/, '... that are filled');
is($node->safe_psql('postgres', 'SET ROLE ann; SELECT count(*), min(role) FROM pgforest.batch'), '1|ann', 'a role sees its own batches only');
is($node->safe_psql('postgres', 'SET ROLE ann; SELECT count(*) FROM pgforest.reject'), '0', '... and what was rejected of them');
like(error_of($node, 'SET ROLE ann; DELETE FROM pgforest.batch'), qr/42501/, '... and cannot change them');
like(ingest('u', "$files/some"), qr/nothing new/, 'another role goes on where it ended');
$node->safe_psql('postgres', 'GRANT INSERT ON u TO ann; ALTER TABLE u ENABLE ROW LEVEL SECURITY; CREATE POLICY all_rows ON u USING (true)');
like(ingest('u', $file, role => 'ann', restart => 'true'), qr/0A000: cannot load rows into "u", which has row-level security/, 'row security');
like(ingest('hers', "$files/no header", role => 'ann', create_table => 'true', format => q{'{"header": false}'}), qr/loaded 2 rows/, 'a table of her own');
is($node->safe_psql('postgres', q{SELECT tableowner FROM pg_tables WHERE tablename = 'hers'}), 'ann', '... is hers');
like(ingest('secret.t', "$files/no header", role => 'ann', create_table => 'true'), qr/3F000: schema "secret" does not exist/, 'no such schema');
like(ingest('pgforest.t', "$files/no header", role => 'ann', create_table => 'true'), qr/42501: permission denied/, 'a schema that is not hers');

# ----- two at once, places where it cannot run -----

fresh();
$node->safe_psql('postgres', q{CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NEW; END $$;
	CREATE TRIGGER wait BEFORE INSERT ON u FOR EACH ROW EXECUTE FUNCTION wait()});
my $holder = new_session($node);
my $first  = new_session($node);
$holder->run('SELECT pg_advisory_lock(42)');
$first->begin("CALL ml_ingest('u', '$file', restart => true)");
ok(wait_for($node, q{EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)}), 'one session is at it');
like(ingest('u', $file, restart => 'true'), qr/55006: another session is loading the same source into public.u\nHINT/, 'a second one cannot be');
$holder->run('SELECT pg_advisory_unlock(42)');
$first->finish;
like($first->error, qr/loaded 1000 rows/, 'the first one is done');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}), 0, 'and holds nothing any more');
$_->close for $holder, $first;
like(error_of($node, "BEGIN; CALL ml_ingest('u', '$file')"), qr/25001: ml_ingest cannot run inside a transaction block/, 'not in a transaction block');
like(error_of($node, "SET default_transaction_read_only = on; CALL ml_ingest('u', '$file')"), qr/25006: cannot execute ml_ingest\(\) in a read-only transaction/, 'not where nothing may be written');
like(ingest('u', "$files/nowhere"), qr/58P01: could not open file "\S+" for reading: No such file or directory\nHINT/, 'no such file');
like(ingest('u', $files), qr/42809: "\S+" is not a regular file/, 'no file at all');
like(ingest('u', $file, order_by => q{'a'}), qr/22023: order_by is for relations and queries only/, 'no order_by');

# ----- stopped at any moment -----

my $data = $ENV{PGFOREST_DATA} ? "$ENV{PGFOREST_DATA}/diabetes_130_hospitals.csv.gz" : '';
my $big  = "$files/big.csv";
if (-f $data && system("gzip -dc '$data' >'$big'") == 0)
{
	note('with the readmission data');
}
else
{
	write_file('big.csv', "id,a,b,c\n" . join('', map { "$_," . $_ % 97 . ",\"text \"\"$_\"\"\n of two lines\"," . ($_ % 5 ? $_ / 7 : '?') . "\n" } 1 .. 100000));
}
my $format = q{'{"null": ["?"]}'};
$node->safe_psql('postgres', "CALL ml_ingest('whole', '$big', format => $format, create_table => true, batch_size => 1000000)");
$node->safe_psql('postgres', 'CREATE TABLE again (LIKE whole); CREATE TABLE copied (LIKE whole)');
$node->safe_psql('postgres', "COPY copied FROM '$big' (FORMAT csv, HEADER, NULL '?')");
is($node->safe_psql('postgres', q{SELECT count(*) FROM ((TABLE copied EXCEPT ALL TABLE whole) UNION ALL (TABLE whole EXCEPT ALL TABLE copied)) AS d}), 0, 'the same rows as COPY loads');

my $call = "CALL ml_ingest('again', '$big', format => $format, batch_size => 1500)";
my %stops;

# The server may still be busy with starting anew after a kill.
sub next_session
{
	my $session;

	for (1 .. 600)
	{
		last if ($session = eval { new_session($node) }) && $session->pid;
		sleep 0.1;
	}
	return $session;
}

srand(4711);
for my $round (1 .. 80)
{
	my $way     = (qw(kill cancel timeout immediate kill kill))[ $round % 6 ];
	my $session = next_session();
	my $wait    = rand(0.25);
	my $done;

	$session->run("SET statement_timeout = '" . int(1 + $wait * 1000) . "ms'") if $way eq 'timeout';
	$session->begin($call);
	sleep $wait if $way ne 'timeout';
	kill 'KILL', $session->pid if $way eq 'kill';
	$node->psql('postgres', 'SELECT pg_cancel_backend(' . $session->pid . ')') if $way eq 'cancel';
	$node->stop('immediate') if $way eq 'immediate';
	$session->finish;
	$done = $session->error =~ /loaded|nothing new/;
	$session->close;
	$node->start if $way eq 'immediate';
	$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
	last if $done;
	$stops{$way}++;
}
note('stopped: ' . join(', ', map { "$_ $stops{$_}" } sort keys %stops));
cmp_ok(scalar(keys %stops), '>=', 3, 'was stopped in several ways');
$node->safe_psql('postgres', $call);
is($node->safe_psql('postgres', q{SELECT count(*) FROM ((TABLE again EXCEPT ALL TABLE whole) UNION ALL (TABLE whole EXCEPT ALL TABLE again)) AS d}), 0, 'called again: the rows of the file, each once');
is($node->safe_psql('postgres', q{SELECT sum(rows) = (SELECT count(*) FROM whole), count(DISTINCT number) = max(number), max(end_byte) FROM pgforest.batch WHERE target = 'public.again'}),
	't|t|' . -s $big, 'and so says the ledger');

# ----- it goes with a dump -----

my ($out, $err);
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$files/dump", $node->connstr('postgres') ], 'dumped');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('restored'), "$files/dump" ], 'restored');
$node->psql('restored', $call, stdout => \$out, stderr => \$err);
like($err, qr/nothing new/, 'a restored database knows what it has loaded');

$node->stop;
done_testing();

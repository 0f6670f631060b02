# Recipes on real rows: every value that a recipe makes is the one that scikit-learn's SimpleImputer,
# StandardScaler, MinMaxScaler, RobustScaler, OneHotEncoder, OrdinalEncoder and the formula of its TargetEncoder
# make, to 1e-9.  Two calls of ml_clean at once add no row twice.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PgForestNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('server');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pgforest');

my %table = (
	diabetes => {
		file    => 'diabetes_130_hospitals.csv.gz',
		columns => q{encounter_id int, patient_nbr int, race text, gender text, age text, weight text,
			admission_type_id int, discharge_disposition_id int, admission_source_id int, time_in_hospital int,
			payer_code text, medical_specialty text, num_lab_procedures int, num_procedures int, num_medications int,
			number_outpatient int, number_emergency int, number_inpatient int, diag_1 text, diag_2 text, diag_3 text,
			number_diagnoses int, max_glu_serum text, a1c_result text, metformin text, repaglinide text, nateglinide text,
			chlorpropamide text, glimepiride text, acetohexamide text, glipizide text, glyburide text, tolbutamide text,
			pioglitazone text, rosiglitazone text, acarbose text, miglitol text, troglitazone text, tolazamide text,
			examide text, citoglipton text, insulin text, glyburide_metformin text, glipizide_metformin text,
			glimepiride_pioglitazone text, metformin_rosiglitazone text, metformin_pioglitazone text,
			change text, diabetes_med text, readmitted text},
		# numbers that are missing, which the data has none of
		source => q{SELECT place, CASE WHEN place % 7 <> 0 THEN num_medications END AS mean,
			CASE WHEN place % 5 <> 0 THEN num_lab_procedures END AS median, CASE WHEN place % 3 <> 0 THEN number_diagnoses END AS often,
			CASE WHEN place % 4 <> 0 THEN number_outpatient END AS fixed, payer_code, time_in_hospital, num_procedures, number_inpatient,
			num_lab_procedures, race, gender, age, admission_type_id, max_glu_serum, a1c_result, diag_1, medical_specialty, readmitted FROM diabetes},
		steps => q([
			{"step": "null_if", "columns": "categories", "values": ["?"]},
			{"step": "impute", "columns": ["mean"], "method": "mean", "indicator": true},
			{"step": "impute", "columns": ["median"], "method": "median"},
			{"step": "impute", "columns": ["often", "payer_code"], "method": "most_frequent"},
			{"step": "impute", "columns": ["fixed"], "method": "constant", "value": -1},
			{"step": "scale", "columns": ["time_in_hospital", "num_procedures"], "method": "standard"},
			{"step": "scale", "columns": ["number_inpatient"], "method": "min_max"},
			{"step": "scale", "columns": ["num_lab_procedures"], "method": "robust"},
			{"step": "one_hot", "columns": ["race", "gender", "age", "admission_type_id"]},
			{"step": "ordinal", "columns": ["max_glu_serum", "a1c_result"]},
			{"step": "target_mean", "columns": ["diag_1"], "target": "readmitted", "positive": "<30", "key": ["place"]},
			{"step": "target_mean", "columns": ["medical_specialty"], "target": "readmitted", "positive": "<30", "smoothing": 20}])
	},
	cars => {
		file    => 'used_cars_uk.csv.gz',
		columns => q{make text, model text, year int, price float8, transmission text, mileage float8,
			fuel_type text, tax float8, mpg float8, engine_size float8},
		source => q{SELECT place, make, model, year, price, transmission, mileage, fuel_type, tax, mpg, engine_size FROM cars},
		steps => q([
			{"step": "scale", "columns": ["mileage", "mpg"], "method": "standard"},
			{"step": "scale", "columns": ["year"], "method": "min_max"},
			{"step": "scale", "columns": ["tax", "engine_size"], "method": "robust"},
			{"step": "one_hot", "columns": ["fuel_type", "transmission"]},
			{"step": "ordinal", "columns": ["make"]},
			{"step": "target_mean", "columns": ["model"], "target": "price"}])
	});

my ($python) = grep { system("$_ -c 'import sklearn, pandas' >/dev/null 2>&1") == 0 } 'python3', '/usr/bin/python3';
my $data = $ENV{PGFOREST_DATA} // '';

foreach my $name (sort keys %table)
{
  SKIP:
	{
		my %t    = %{ $table{$name} };
		my $file = "$data/$t{file}";
		my $csv  = $node->basedir . "/$name.csv";

		skip "$t{file} is not in the folder that PGFOREST_DATA names", 2 unless -r $file;
		# the rows' place in the file, which their place in the table need not be
		my $names = join(', ', $t{columns} =~ /(\w+) \w+(?:,|$)/g);
		$node->safe_psql('postgres', "CREATE TABLE $name ($t{columns}, place int GENERATED ALWAYS AS IDENTITY);
			COPY $name ($names) FROM PROGRAM 'gzip -dc $file' WITH (FORMAT csv, HEADER)");
		my $rows = $node->safe_psql('postgres', "SELECT rows FROM ml_recipe('$name', \$\$$t{source}\$\$, \$\$$t{steps}\$\$)");
		is($rows, $node->safe_psql('postgres', "SELECT count(*) FROM $name"), "$name: $rows rows fitted");
		skip 'no Python here has scikit-learn', 1 unless $python;
		my $sql = $node->safe_psql('postgres', "SELECT ml_recipe_sql('$name', true)");
		$node->safe_psql('postgres', "COPY (SELECT * FROM ($sql) AS clean ORDER BY place) TO '$csv' WITH (FORMAT csv, HEADER)");
		is(system($python, "$FindBin::RealBin/recipe_vs_sklearn.py", $name, $file, $csv), 0, "$name: every value is scikit-learn's");
	}
}

# ----- ml_clean costs no more than three times the same SELECT written by hand.
$node->safe_psql('postgres', q{SELECT setseed(0.5); CREATE TABLE wide AS SELECT i AS id, random() AS y, random() * 100 AS x1, random() * 10 AS x2, random() AS x3,
	random() AS x4, random() AS x5, random() AS x6, random() AS x7, CASE WHEN random() < 0.9 THEN random() END AS x8, (random() * 100)::int AS n1, (random() * 1000)::int AS n2,
	(random() * 9)::int AS n3, (random() * 9)::int AS n4, (random() * 9)::int AS n5, chr(97 + (random() * 20)::int) AS c1, chr(97 + (random() * 10)::int) AS c2,
	chr(97 + (random() * 5)::int) AS c3, random() < 0.5 AS b1, random() < 0.1 AS b2 FROM generate_series(1, 200000) AS i; ANALYZE wide});
$node->safe_psql('postgres', q{SELECT ml_recipe('wide', 'wide', '[{"step": "impute", "columns": ["x8"], "method": "median", "indicator": true}, {"step": "clip", "columns": ["x1", "x2", "x3"], "method": "quantile"},
	{"step": "scale", "columns": ["x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8"], "method": "standard"}, {"step": "log", "columns": ["n2"], "shift": 1},
	{"step": "group_rare", "columns": ["c1"], "min_share": 0.04}, {"step": "one_hot", "columns": ["c3"]}]')});

# The shorter of three times, in seconds.
sub shortest
{
	my ($sql) = @_;
	my $best;

	foreach (1 .. 3)
	{
		my $start = time;
		$node->safe_psql('postgres', $sql);
		my $taken = time - $start;
		$best = $taken if !defined $best || $taken < $best;
	}
	return $best;
}
my $by_hand = shortest(q{DROP TABLE IF EXISTS by_hand; CREATE TABLE by_hand AS SELECT id, y, (least(greatest(x1, 1), 99) - 50) / 29 AS x1, (least(greatest(x2, 0.1), 9.9) - 5) / 2.9 AS x2,
	(least(greatest(x3, 0.01), 0.99) - 0.5) / 0.29 AS x3, (x4 - 0.5) / 0.29 AS x4, (x5 - 0.5) / 0.29 AS x5, (x6 - 0.5) / 0.29 AS x6, (x7 - 0.5) / 0.29 AS x7,
	(coalesce(x8, 0.5) - 0.5) / 0.29 AS x8, (x8 IS NULL)::int AS x8_missing, n1, ln(n2 + 1::float8) AS n2, n3, n4, n5,
	CASE WHEN c1 IN ('b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't') THEN c1 ELSE 'other' END AS c1, c2,
	(c3 = 'a')::int AS c3_a, (c3 = 'b')::int AS c3_b, (c3 = 'c')::int AS c3_c, (c3 = 'd')::int AS c3_d, (c3 = 'e')::int AS c3_e, (c3 = 'f')::int AS c3_f, b1, b2 FROM wide});
my $by_recipe = shortest(q{DROP TABLE IF EXISTS by_recipe; SELECT rows FROM ml_clean('wide', 'wide', 'by_recipe')});
cmp_ok($by_recipe, '<', 3 * $by_hand, sprintf('200,000 rows of 20 columns: %.2f s by ml_clean, %.2f s by hand', $by_recipe, $by_hand));

# ----- Two calls at once, and new rows on the way.
make_rows($node);
$node->safe_psql('postgres', q{SELECT ml_recipe('r', 'item', '[{"step": "scale", "columns": ["a"], "method": "standard"}, {"step": "one_hot", "columns": ["kind"]}]')});
$node->safe_psql('postgres', q{SELECT ml_clean('r', 'SELECT * FROM item WHERE id <= 500', 'clean', 'id')});
my $session = new_session($node);
my $other   = new_session($node);
$session->run(q{BEGIN; SELECT rows FROM ml_clean('r', 'SELECT * FROM item WHERE id <= 1000', 'clean', 'id')});
$other->begin(q{SELECT rows FROM ml_clean('r', 'item', 'clean', 'id')});
ok(wait_for($node, 'SELECT count(*) > 0 FROM pg_locks WHERE NOT granted'), 'the second call waits for the first');
$session->run('COMMIT');
is($other->finish, '1000', '... and adds what it left');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id) FROM clean'), '2000|2000', 'no row twice, none lost');

# ----- Two who fit one recipe at once get versions of their own.
$session->run(q{BEGIN; SELECT version FROM ml_recipe('r', 'item', '[]')});
$other->begin(q{SELECT version FROM ml_recipe('r', 'item', '[]')});
ok(wait_for($node, 'SELECT count(*) > 0 FROM pg_locks WHERE NOT granted'), 'the second fit waits for the first');
$session->run('COMMIT');
is($other->finish, '3', '... and is the next version');

# ----- A fit and a cleaning can be stopped.
$node->safe_psql('postgres', 'CREATE TABLE large AS SELECT item.* FROM item, generate_series(1, 500)');
foreach my $call (q{ml_recipe('r', 'large', '[{"step": "scale", "columns": ["a", "b", "value"], "method": "robust"}]')}, q{ml_clean('r', 'large', 'never')})
{
	like(error_of($node, "SET statement_timeout = '100ms'; SELECT $call"), qr/^57014/, "$call is cancelled");
}
is($node->safe_psql('postgres', q{SELECT to_regclass('never') IS NULL}), 't', 'and leaves nothing behind');
$session->close;
$other->close;

done_testing();

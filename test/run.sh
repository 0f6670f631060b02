#!/bin/bash
# Run test suites, all of them or those named:
#
#   test/run.sh [SUITE...]     unit asan measure regress parallel isolation pgtap tap tutorials
#                              and, on demand only, valgrind fuzz
#
# Each suite has a throw-away cluster of its own and keeps its own closing lines;
# the last line counts suites.  RESULTS=DIR keeps what pg_regress wrote.
set -uo pipefail
cd "$(dirname "$0")/.."
. test/common.sh
. test/cluster.sh

suites=${*:-unit asan measure regress parallel isolation pgtap tap tutorials}

needs=tools
for suite in $suites; do
	case $suite in
		unit | asan | measure) ;;
		valgrind | fuzz) needs+=" $suite" ;;
		regress | parallel | isolation) needs+=" base" ;;
		pgtap | tap | tutorials) needs+=" base $suite" ;;
		*) echo "no such suite: $suite" >&2; exit 2 ;;
	esac
done
test/setup.sh $needs || exit

skip() {
	echo "skipped: $*"
	return 77
}

# The engine and the tests of it in one program.
build_unit() {				# PROGRAM SOURCES... [FLAGS...]
	run "${CC:-cc}" -std=gnu11 -g -ffp-contract=off -fno-fast-math -Isrc -o "../$1" \
		-DGOLDEN_DIR="\"$workspace/source/test/unit/golden\"" \
		$(find src/engine -name '*.c' | sort) "${@:2}" -lzstd -lm
}
unit_sources() {
	ls test/unit/*.c 2>/dev/null | grep -v '_cli\.c$'
}

suite_unit() {
	[ -n "$(unit_sources)" ] || skip "test/unit is empty" || return
	build_unit unit $(unit_sources) -O2 && run ../unit
}

suite_asan() {
	[ -n "$(unit_sources)" ] || skip "test/unit is empty" || return
	build_unit unit $(unit_sources) -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined \
		-fno-omit-frame-pointer && run ../unit
}

suite_valgrind() {
	build_unit unit $(unit_sources) -O1 &&
		run valgrind --quiet --error-exitcode=1 --leak-check=full --errors-for-leak-kinds=definite ../unit
}

# Our metrics against scikit-learn's, where that is installed.
suite_measure() {
	local python
	[ -f test/unit/measure_vs_sklearn.py ] || skip "there is no test/unit/measure_vs_sklearn.py" || return
	for python in python3 /usr/bin/python3 none; do
		"$python" -c 'import sklearn' 2>/dev/null && break
	done
	[ $python != none ] || skip "no Python here has scikit-learn" || return
	build_unit measure_cli test/unit/measure_cli.c test/unit/unit_env.c -O2 &&
		run "$python" test/unit/measure_vs_sklearn.py ../measure_cli
}

# Every target gets FUZZ_SECONDS.  The golden models are the seeds, and what is in
# test/fuzz/corpus/NAME.  Without libFuzzer a target has a main of its own.
build_fuzzer() {			# NAME SOURCES...
	CC=clang build_unit "$@" -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined 2>/dev/null ||
		build_unit "$@" -O1 -DFUZZ_STANDALONE -fsanitize=address,undefined -fno-sanitize-recover=undefined
}

suite_fuzz() {
	local target name status=0
	for target in test/fuzz/*.c; do
		[ -f "$target" ] || skip "test/fuzz is empty" || return
		name=$(basename "$target" .c)
		mkdir -p "$workspace/corpus/$name" "$workspace/fuzz"
		cp test/unit/golden/*.model "$workspace/corpus/$name/"
		chmod -R a+rwX "$workspace/corpus" "$workspace/fuzz"
		build_fuzzer "$name" "$target" test/unit/unit_env.c test/unit/unit_encode.c &&
			run "../$name" -max_total_time="${FUZZ_SECONDS:-60}" -print_final_stats=1 -artifact_prefix=../fuzz/ \
				"../corpus/$name" $(ls -d "test/fuzz/corpus/$name" 2>/dev/null) || status=1
	done
	return $status
}

# pg_regress PROGRAM OUTPUT TESTS...: shows the differences when there are any.
pgxs_tests() {
	dirname "$("$PG_CONFIG" --pgxs)" | sed 's,/makefiles$,/test,'
}

# Notices of long trainings would depend on the machine; the test of them asks for them.
regress() {
	local program=$1 output=$2 bindir test expected
	bindir=$("$PG_CONFIG" --bindir)
	shift 2
	start_server || return
	# One test without an answer must not keep the others from running.
	for test in "$@"; do
		case $test in
			--inputdir=*) expected=${test#*=}/expected ;;
			--*) ;;
			*) [ -f "$expected/$test.out" ] || { mkdir -p "$expected" && : >"$expected/$test.out"; } ;;
		esac
	done
	if ! PGOPTIONS="-c pgforest.progress_interval=0 ${forced:-}" run "$(pgxs_tests)/$program" --bindir="$bindir" --host="$PGHOST" --port="$PGPORT" \
		--outputdir="../$output" --load-extension=pgforest "$@"; then
		head -n 500 "$workspace/$output/regression.diffs" 2>/dev/null
		awk '/^diff / { sub(/.*\//, "", $NF); print "differs: " $NF; lines = 0 }
			/^[-+]/ && !/^(---|\+\+\+) / && lines++ < 3 { print "  " substr($0, 1, 100) }' \
			"$workspace/$output/regression.diffs" >>"$workspace/failures" 2>/dev/null
		grep -E 'PANIC|TRAP|terminated by signal' "$workspace/log/server"
		return 1
	fi
}

sql_tests() {
	ls sql/*.sql 2>/dev/null | sed 's,.*/\(.*\)\.sql,\1,'
}

suite_regress() {
	[ -n "$(sql_tests)" ] || skip "sql is empty" || return
	regress regress/pg_regress regress --inputdir=. --dbname=contrib_regression $(sql_tests)
}

# The same answers when every query that can be is made parallel.
suite_parallel() {
	local force=debug_parallel_query forced
	[ -n "$(sql_tests)" ] || skip "sql is empty" || return
	case $("$PG_CONFIG" --version) in *\ 15*) force=force_parallel_mode ;; esac
	forced="-c $force=regress -c parallel_setup_cost=0 -c parallel_tuple_cost=0 -c min_parallel_table_scan_size=0"
	regress regress/pg_regress parallel --inputdir=. --dbname=contrib_regression $(sql_tests)
}

suite_isolation() {
	local tests
	tests=$(ls test/isolation/specs/*.spec 2>/dev/null | sed 's,.*/\(.*\)\.spec,\1,')
	[ -n "$tests" ] || skip "test/isolation/specs is empty" || return
	regress isolation/pg_isolation_regress isolation --inputdir=test/isolation --dbname=isolation_regression $tests
}

# The real data sets, where the folder shared/data stands beside the project:
# tests find them by the environment variable PGFOREST_DATA, and do without.
bring_data() {
	[ -d "$shared" ] || return 0
	export PGFOREST_DATA=$workspace/shared
	[ -d "$PGFOREST_DATA" ] && return 0
	cp -RL "$shared" "$PGFOREST_DATA" && chmod -R u+w,a+rX "$PGFOREST_DATA"
	[ -z "$server_user" ] || chown -R "$server_user" "$PGFOREST_DATA"
}

# Runs pgTAP's or Perl's tests; what failed is told at the end as well.
prove_all() {				# PROGRAM TESTS...
	local log=$workspace/log/prove
	run "$@" | tee "$log" && return
	sed -n '/^Test Summary Report/,/^Files=/ s/^  Failed\|^test/  &/p' "$log" >>"$workspace/failures"
	return 1
}

suite_pgtap() {
	[ -n "$(ls test/pgtap/*.sql 2>/dev/null)" ] || skip "test/pgtap is empty" || return
	bring_data
	start_server &&
		run psql -X -q -v ON_ERROR_STOP=1 -c 'CREATE EXTENSION pgtap' -c 'CREATE EXTENSION pgforest' &&
		prove_all pg_prove $(ls test/pgtap/*.sql)
}

suite_tap() {
	local perl
	[ -n "$(ls test/t/*.pl 2>/dev/null)" ] || skip "test/t is empty" || return
	bring_data
	perl=$(pgxs_tests)/perl
	[ -d "$perl/PostgreSQL/Test" ] || skip "this installation has no PostgreSQL::Test modules ($perl)" || return
	PERL5LIB=$perl PG_REGRESS=$(pgxs_tests)/regress/pg_regress PATH=$("$PG_CONFIG" --bindir):$PATH \
		TESTDIR=$workspace TESTDATADIR=$workspace/tmp_check TESTLOGDIR=$workspace/tmp_check/log PGPORT=65432 \
		prove_all prove $(ls test/t/*.pl)
}

# The server that serves the data over HTTP: sets $url.
start_http() {
	local log=$workspace/log/http python
	for python in python3 /usr/bin/python3; do
		"${as_server_user[@]}" "$python" -c 'import http.server' 2>/dev/null && break
	done
	behind "$python" -u -m http.server 0 --bind 127.0.0.1 --directory "$PGFOREST_DATA" >"$log" 2>&1
	http=$!
	echo "$http" >"$workspace/http.pid"
	until url=$(grep -o 'http://127[0-9.:]*' "$log"); do
		kill -0 "$http" 2>/dev/null || { cat "$log" >&2; return 1; }
		sleep 0.1
	done
}

# A second cluster for a tutorial that moves a model: sets $production, how to connect to it.
start_production() {
	local data=$workspace/production bindir
	bindir=$("$PG_CONFIG" --bindir)
	run "$bindir/initdb" -D "$data" -U postgres --auth=trust --encoding=UTF8 --no-locale --no-sync >"$workspace/log/initdb" 2>&1 &&
		run "$bindir/pg_ctl" -D "$data" -l "$workspace/log/production" -w start >/dev/null \
			-o "-c listen_addresses= -c unix_socket_directories=$workspace -c port=5433 -c fsync=off" || return
	production="host=$workspace port=5433 dbname=postgres"
}

# Each tutorial has a cluster of its own, with pg_cron if that is installed, and the data as files and over HTTP.
# What it prints makes its page (NAME.md), and its test looks at what it has left behind.
tutorial() {					# NAME
	local name=$1 output=$workspace/tutorials settings=() variables=() production status began
	if [ -f "$("$PG_CONFIG" --pkglibdir)/pg_cron.so" ]; then
		settings=("shared_preload_libraries = 'pg_cron'" "cron.database_name = '$name'" "cron.use_background_workers = on")
	fi
	start_server "${settings[@]}" || return
	run createdb "$name" || return
	export PGDATABASE=$name
	if grep -q '^[\]c.*:production' "docs/tutorials/$name.sql"; then
		start_production || return
		variables=(--set production="$production")
	fi
	began=$SECONDS
	run psql -X -a -q -v ON_ERROR_STOP=1 -v data="$PGFOREST_DATA" -v url="$url" "${variables[@]}" -f "docs/tutorials/$name.sql" \
		>"$output/$name.out" 2>&1 || { tail -n 30 "$output/$name.out"; return 1; }
	echo "$name ran in $((SECONDS - began)) s"
	sed "s,$PGFOREST_DATA,/data,g; s,$url,http://127.0.0.1:8000,g" "$output/$name.out" |
		awk -f docs/tutorials/weave.awk "docs/tutorials/$name.sql" - >"$output/$name.md" &&
		run psql -X -q -v ON_ERROR_STOP=1 -c 'CREATE EXTENSION pgtap' &&
		run pg_prove "${variables[@]}" "test/tutorials/$name.sql"
	status=$?
	[ -z "${production:-}" ] || run "$("$PG_CONFIG" --bindir)/pg_ctl" -D "$workspace/production" -m immediate stop >/dev/null
	return $status
}

suite_tutorials() {
	local file name status=0 http url
	[ -d "$shared" ] || skip "there is no $shared" || return
	bring_data
	mkdir -p "$workspace/tutorials"
	start_http || return
	for file in docs/tutorials/*.sql; do
		name=$(basename "$file" .sql)
		tutorial "$name" || { echo "failed: $name"; status=1; }
		stop_server
		export PGDATABASE=postgres
	done
	kill "$http"
	wait "$http" 2>/dev/null
	rm "$workspace/http.pid"
	return $status
}

declare -A title=(
	[unit]="Engine, unit tests without a server"
	[asan]="Engine, the same under the address and undefined behaviour sanitizers"
	[valgrind]="Engine, the same under valgrind"
	[measure]="Metrics against scikit-learn"
	[fuzz]="Hostile bytes"
	[regress]="pg_regress"
	[parallel]="pg_regress, with parallel query forced"
	[isolation]="Isolation: sessions that meet"
	[pgtap]="pgTAP"
	[tap]="TAP: servers that start, stop and fail over"
	[tutorials]="Tutorials"
)

open_workspace
shared=$(realpath -m ../shared/data)
[ -z "${RESULTS:-}" ] || RESULTS=$(realpath -m "$RESULTS")
cd "$workspace/source" || exit
passed=0 failed=0 failures=
for suite in $suites; do
	heading "${title[$suite]}"
	status=0
	SECONDS=0
	rm -f "$workspace/failures"
	suite_$suite || status=$?
	stop_server
	written=$workspace/$suite
	[ $suite != tap ] || written=$workspace/tmp_check/log
	if [ -n "${RESULTS:-}" ] && [ -d "$written" ]; then
		mkdir -p "$RESULTS" && cp -RT "$written" "$RESULTS/$suite"
	fi
	case $status in
		0) passed=$((passed + 1)); echo "passed in $SECONDS s" ;;
		77) ;;
		*)
			failed=$((failed + 1)) failures+=" $suite"
			echo "failed in $SECONDS s"
			sed "1i $suite:" "$workspace/failures" >>"$workspace/summary" 2>/dev/null
			;;
	esac
done

heading "Suites"
head -n 20 "$workspace/summary" 2>/dev/null
[ -z "$failures" ] || echo "failed:$failures"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]

#!/bin/bash
# What a reader would object to, found by machine.  Ends with `N passed, N failed`.
set -uo pipefail
shopt -s lastpipe		# check counts in this shell
cd "$(dirname "$0")/.."
. test/common.sh

passed=0 failed=0
# check TITLE: standard input lists the offenders.
check() {
	local offenders
	offenders=$(cat)
	if [ -z "$offenders" ]; then
		echo "ok      $1"
		passed=$((passed + 1))
	else
		printf 'failed  %s\n%s\n' "$1" "$(echo "$offenders" | sed 's/^/        /')"
		failed=$((failed + 1))
	fi
}

c_files=$(find src test/unit test/fuzz -name '*.[ch]' 2>/dev/null | sort)
texts=$(find . -name .git -prune -o -type f \( -name '*.[ch]' -o -name '*.sql' -o -name '*.sh' -o -name '*.md' \
	-o -name '*.p[lmy]' -o -name '*.json' -o -name '*.yml' -o -name Makefile -o -path './.ci/*' \) -print |
	grep -v '^./pgforest--\|/expected/\|^./results/\|^./output_iso/' | sort)

if find_pg_config; then
	server_headers=$("$PG_CONFIG" --includedir-server)
	for file in $(find src -name '*.c'); do
		"${CC:-cc}" -std=gnu11 -fsyntax-only -O1 -Wall -Wextra -Wno-unused-parameter -Wmissing-prototypes -Wvla \
			-Wimplicit-fallthrough -Wdeclaration-after-statement -Isrc -isystem "$server_headers" "$file" 2>&1
	done | check "no warnings"
	find src -name '*.h' | while IFS= read -r file; do
		[ ! -e "$server_headers/${file#src/}" ] || echo "$file"
	done | check "no header hides one of the server's"
fi

for file in $(find src/engine -name '*.c'); do
	"${CC:-cc}" -std=gnu11 -fsyntax-only -Isrc "$file" 2>&1
done | check "the engine compiles without PostgreSQL's headers"

# The folders in the order of DESIGN: each uses those above it only.
layers="engine/env.h engine/bins engine/grow engine/linear engine/forest engine/model engine/walk engine/boost engine/measure catalog progress net load describe ingest recipe parallel train tune predict evaluate promote move profile pipeline monitor alert"
for layer in $layers; do
	below="${below:-} ${layer%.h}"
	[ -d "src/$layer" ] || continue
	grep -rnE '^#include "[a-z]+/' "src/$layer" --include='*.[ch]' | while IFS= read -r line; do
		included=$(echo "$line" | sed 's/.*#include "\(.*\)".*/\1/')
		[ -f "src/$included" ] || continue			# PostgreSQL's
		folder=${included%/*}
		[ "$folder" = engine ] && folder=engine/env
		case " $below " in *" $folder "*) ;; *) echo "$line" ;; esac
	done
done | check "a folder includes only those above it"

for file in $c_files; do
	head -n 1 "$file" | grep -q '^/\*' && sed -n 2p "$file" | grep -qF "$(basename "$file")" || echo "$file"
done | check "each C file begins with a comment that names it"

grep -n PG_VERSION_NUM $(find src -name '*.[ch]') | grep -v '^src/compat.h:' | check "server versions are told apart in compat.h only"
grep -nE '^    +[^ *]' $c_files | check "C is indented by tabs"
grep -nE '[[:space:]]+$' $texts | check "no blanks at the end of a line"
for file in $texts; do
	[ -z "$(tail -c 1 "$file")" ] || echo "$file"
done | check "files end with a new line"
grep -nwE 'TODO|FIXME|XXX' $texts | grep -v '^./test/lint.sh' | check "nothing is left to do"
grep -nE '/work/|/tmp/pf' $texts | grep -v '^./test/lint.sh' | check "no path of somebody's machine"

for file in $(ls sql/*.sql 2>/dev/null); do
	[ -f "expected/$(basename "$file" .sql).out" ] || echo "$file"
done | check "each pg_regress test has its answer"
for file in $(ls test/isolation/specs/*.spec 2>/dev/null); do
	[ -f "test/isolation/expected/$(basename "$file" .spec).out" ] || echo "$file"
done | check "each isolation test has its answer"

for file in $(find . -name '*.sh') .ci/run; do
	bash -n "$file" 2>&1
done | check "shell scripts parse"

version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" pgforest.control)
{ grep -q "\"version\": \"$version\.[0-9]*\"" META.json || echo "pgforest.control says $version"; } |
	check "META.json has the version of pgforest.control"

# Each object that the script makes says what it is for.
made=$(cat src/sql/[0-9]*.sql | grep -oE '^CREATE (TABLE|VIEW|FUNCTION) [a-z_.@]+' | sed 's/^CREATE //' | sort -u)
commented=$(cat src/sql/[0-9]*.sql | grep -oE '^COMMENT ON (TABLE|VIEW|FUNCTION) [a-z_.@]+' | sed 's/^COMMENT ON //' | sort -u)
dropped=$(cat src/sql/[0-9]*.sql | grep -oE '^DROP (TABLE|VIEW|FUNCTION) [a-z_.@]+' | sed 's/^DROP //' | sort -u)
comm -23 <(echo "$made") <(printf '%s\n' "$commented" "$dropped" | sort -u) | check "each table, view and function has a COMMENT"

for page in *.md docs/*.md docs/tutorials/*.md docker/*.md; do
	grep -oE '\]\([^)#:]+[)#]' "$page" | sed 's/^](//; s/.$//' | sort -u | while IFS= read -r target; do
		[ -e "$(dirname "$page")/$target" ] || echo "$page: $target"
	done
done | check "links in the documentation lead somewhere"
if [ -n "${server_headers:-}" ]; then
	{ docs/generate.sh --check 2>/dev/null || echo "make docs brings it up to date"; } | check "the documentation has the functions, parameters, settings and tables of the code"
fi

# What the library shows to others: PostgreSQL's entry points, our SQL functions, and pf_ for the rest.
if [ -f pgforest.so ]; then
	nm -D --defined-only $(ls pgforest.so pgforest_net.so 2>/dev/null) | awk 'NF == 3 {print $3}' |
		grep -vE '^(Pg_magic_func|_PG_init|_PG_fini|pg_finfo_.*|ml_.*|pf_.*|pgforest_.*)$' | check "exported names have our prefix"
fi

echo
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]

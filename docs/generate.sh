#!/bin/bash
# Print into docs/*.md what the code itself defines, so that the two cannot differ:
# the lines between <!-- begin NAME --> and <!-- end NAME -->, where NAME is one of
# the parts below.  With --check nothing is written; what differs is shown.
set -euo pipefail
cd "$(dirname "$0")/.."
. test/common.sh
. test/cluster.sh

declare -A part=(
	[functions]="SELECT '\`' || p.oid::regproc || '\`' AS function,
			'\`' || pg_get_function_arguments(p.oid) || '\`' AS arguments,
			'\`' || pg_get_function_result(p.oid) || '\`' AS returns, obj_description(p.oid, 'pg_proc') AS \"what it does\"
		FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
		WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND p.proname LIKE 'ml\\_%'
			AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pgforest')
		ORDER BY p.proname, pg_get_function_arguments(p.oid)"
	[parameters]="SELECT * FROM ml_parameters()"
	[settings]="SELECT * FROM pgforest.settings"
	[views]="SELECT '\`' || c.oid::regclass || '\`' AS view, '\`' || a.attname || '\`' AS column,
			format_type(a.atttypid, a.atttypmod) AS type, col_description(c.oid, a.attnum) AS \"what it holds\"
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = 'pgforest'::regnamespace AND c.relkind = 'v'
		ORDER BY c.relname, a.attnum"
)

test/setup.sh base >&2
find_pg_config
open_workspace
start_server
run psql -X -q -v ON_ERROR_STOP=1 -c 'CREATE EXTENSION pgforest'

# The answer of a query as a Markdown table.
table() {
	run psql -X -q -v ON_ERROR_STOP=1 -A -F $'\t' -P footer=off -c "LOAD 'pgforest'" -c "$1" |
		sed 's/|/\\|/g' |
		awk -F '\t' '{ line = "|"; for (i = 1; i <= NF; i++) line = line " " $i " |"; print line }
			NR == 1 { gsub(/[^|]+/, " --- ", line); print line }'
}

status=0
for page in docs/*.md; do
	[ -f "$page" ] || continue
	cp "$page" "$workspace/page"
	for name in "${!part[@]}"; do
		grep -q "<!-- begin $name -->" "$page" || continue
		table "${part[$name]}" >"$workspace/part"
		awk -v name="$name" -v part="$workspace/part" '
			$0 == "<!-- end " name " -->" { while ((getline line < part) > 0) print line; inside = 0 }
			!inside { print }
			$0 == "<!-- begin " name " -->" { inside = 1 }' "$workspace/page" >"$workspace/new"
		mv "$workspace/new" "$workspace/page"
	done
	cmp -s "$page" "$workspace/page" && continue
	if [ "${1:-}" = --check ]; then
		diff -u "$page" "$workspace/page" || status=1
	else
		cat "$workspace/page" >"$page"
		echo "wrote $page"
	fi
done
exit $status

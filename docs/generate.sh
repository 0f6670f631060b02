#!/bin/bash
# Print into docs/*.md what the code itself defines, so that the two cannot differ:
# the lines between <!-- begin NAME --> and <!-- end NAME -->, where NAME is one of
# the parts below.  With --check nothing is written; what differs is shown.
set -euo pipefail
cd "$(dirname "$0")/.."
. test/common.sh
. test/cluster.sh

# Parts that come out as Markdown are one column named markdown; the others become tables.
relations() {
	cat <<-SQL
		SELECT string_agg(format(E'### \`%s\`\n\n%s.\n\n| column | type | |\n| --- | --- | --- |\n%s\n',
				c.oid::regclass, upper(left(about, 1)) || substr(about, 2), columns),
			E'\n' ORDER BY c.relname) AS markdown
		FROM pg_class c, obj_description(c.oid, 'pg_class') AS about, LATERAL (
			SELECT string_agg(format('| \`%s\` | %s | %s |', attname, format_type(atttypid, atttypmod),
				col_description(attrelid, attnum)), E'\n' ORDER BY attnum) AS columns
			FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS a
		WHERE c.relnamespace = 'pgforest'::regnamespace AND c.relkind = ANY ('{$1}')
	SQL
}

parameters() {
	echo "SELECT '\`' || parameter || '\`' AS parameter, type, default_value AS \"default\", minimum, maximum, choices, description FROM ml_parameters('$1')"
}

declare -A part=(
	[functions]="SELECT '\`' || p.proname || '(' || regexp_replace(regexp_replace(replace(
				pg_get_function_arguments(p.oid), 'double precision', 'float8'),
				',? ?(?:IN)?OUT .*|\mIN ', '', 'g'), 'DEFAULT (''[^'']*''|\S+)::[a-z0-9]+( with time zone)?(\[\])?', 'DEFAULT \1', 'g') || ')\`' AS function,
			obj_description(p.oid, 'pg_proc') AS \"what it does\"
		FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
		WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND p.proname LIKE 'ml\\_%'
			AND p.prorettype <> 'internal'::regtype
			AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pgforest')
		ORDER BY p.proname, pg_get_function_arguments(p.oid)"
	[parameters]="$(parameters random_forest)"
	[parameters_extra_trees]="$(parameters extra_trees)"
	[parameters_gradient_boosting]="$(parameters gradient_boosting)"
	[parameters_linear]="$(parameters linear)"
	[parameters_isolation_forest]="$(parameters isolation_forest)"
	[settings]="SELECT '\`' || name || '\`' AS setting, \"default\", s.unit, min, max, concat_ws(' ', description, extra_desc) AS description
		FROM pgforest.settings AS s JOIN pg_settings USING (name) ORDER BY name"
	[tables]="$(relations r,p)"
	[views]="$(relations v)"
)

test/setup.sh base >&2
find_pg_config
open_workspace
start_server
run psql -X -q -v ON_ERROR_STOP=1 -c 'CREATE EXTENSION pgforest'

# The answer of a query as Markdown.
answer() {
	case $1 in
		*'AS markdown'*) run psql -X -q -v ON_ERROR_STOP=1 -A -t -c "$1" ;;
		*) table "$1" ;;
	esac
}

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
		answer "${part[$name]}" >"$workspace/part"
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

#!/bin/bash
# The main job as a story, in a throw-away cluster: demo/demo.sh [HTRU_2.csv]
#
# Without a file the candidates are simulated.  With one it is HTRU2, as it comes
# from the UCI repository (no header line) or with a header, packed by gzip or not.
set -euo pipefail
cd "$(dirname "$0")/.."
. test/common.sh
. test/cluster.sh

file=${1:-}
if [ -n "$file" ] && ! [ -r "$file" ]; then
	echo "cannot read $file" >&2
	exit 1
fi
test/setup.sh base
find_pg_config
open_workspace

arguments=()
if [ -n "$file" ]; then
	csv=$workspace/source/candidates.csv
	case $file in
		*.gz) gzip -dc "$file" ;;
		*) cat "$file" ;;
	esac | tr -d '\r' | sed '1{/[A-Za-z]\{2\}/d;}' >"$csv"
	if ! head -n 1 "$csv" | grep -qE '^([^,]*,){8}[^,]*$'; then
		echo "$file does not look like HTRU2: 9 columns separated by commas, 8 statistics and the class" >&2
		exit 1
	fi
	[ -z "$server_user" ] || chown "$server_user" "$csv"
	arguments=(-v data=file)
fi

start_server
run psql -X -q -v ON_ERROR_STOP=1 "${arguments[@]}" -f demo/demo.sql

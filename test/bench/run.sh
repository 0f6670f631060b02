#!/bin/bash
# How fast pgforest trains and answers, beside scikit-learn on the same rows in
# the same run.  ROWS (100000), JOBS (2) and REPEATS (3) may be set.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/common.sh
. test/cluster.sh

test/setup.sh base bench
find_pg_config
open_workspace
start_server
heading "${ROWS:=100000} rows, ${JOBS:=2} jobs, best of ${REPEATS:=3}"
run psql -X -q -v ON_ERROR_STOP=1 -v rows="$ROWS" -f test/bench/tables.sql
run /usr/bin/python3 test/bench/compare.py "$JOBS" "$REPEATS"

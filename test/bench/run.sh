#!/bin/bash
# Measure pgforest beside its peers in a throw-away cluster:
# test/bench/run.sh [speed|algorithms|quality|tune|memory|anomalies|gates|drift]
# (make bench, make bench BENCH=quality, and so on)
#
#   PEERS=install   install the peers first (scikit-learn, pandas, XGBoost, ranger; by apt), or which of
#                   those that are installed take part: sklearn,ranger,xgboost,lightgbm or none;
#                   algorithms: xgboost_boosting,lightgbm_boosting,sklearn_boosting,sklearn_extra
#   JOBS=2          processes of pgforest, threads of a peer
#   TABLES=...      speed: these parts, of cls_100k htru2 diabetes mix_100k reg_100k cls_1m mix_1m reg_1m scaling
#                   scaling_10m workers, or all; without it those that take about ten minutes together
#                   algorithms: cls_100k mix_100k reg_100k htru2 diabetes cars, or cls_1m mix_1m reg_1m, or all
#   RUNS=3          speed, algorithms: how often each is run; medians are shown (a peer on a million rows: once)
#   TRIALS=20       tune: combinations that are tried
#   FOLDS=5         tune: folds of each
#   SEEDS=10        quality, anomalies: how many seeds
#   ONE_HOT=10      quality: how many of them for scikit-learn with a column for each text, which is slow
#   SETS=htru2,...  quality: only these data sets (htru2 diabetes cars iris mnist); drift: the first three
#   DRAWS=100       drift: how often each is halved
#   ROWS=1000000    memory and drift: rows of the table; 10000000 is what the promise is for, and takes a while
#   DECISIONS=200   gates: decisions of each kind
#   RESULTS=DIR     keep what was printed, and a line for each training
#   WRITE=docs      put the tables into docs/benchmarks.md; gates: into docs/gates.md; drift: into docs/monitoring.md
#
# The tables of shared/bench and the files of shared/data are used when that
# folder stands beside the project; else the speed test makes a like table of
# its own, and the quality test has nothing to do.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/common.sh
. test/cluster.sh

what=${1:-speed}
shared=$PWD/../shared
case $what in
	speed | algorithms | quality | tune | memory | anomalies | gates | drift) ;;
	*) echo "no such benchmark: $what (speed, algorithms, quality, tune, memory, anomalies, gates or drift)" >&2; exit 2 ;;
esac

if [ "${PEERS:-}" = install ]; then
	heading "Installing the peers"
	if ! command -v apt-get >/dev/null; then
		echo "PEERS=install needs apt; install scikit-learn, pandas, xgboost (Python) and ranger, data.table (R) by other means" >&2
		exit 1
	fi
	as_root apt-get update -qq
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		python3-sklearn python3-pandas python3-xgboost r-cran-ranger r-cran-data.table </dev/null
fi
test/setup.sh base
find_pg_config
open_workspace

# The Python that has the most of the peers, else the first at all; the server's user runs it.
python=
for modules in sklearn,pandas,xgboost sklearn,pandas sys; do
	for candidate in python3 /usr/bin/python3; do
		if [ -z "$python" ] && run "$candidate" -c "import $modules" 2>/dev/null; then
			python=$candidate
		fi
	done
done
if [ -z "$python" ]; then
	echo "this needs Python 3" >&2
	exit 1
fi

start_server
run psql -X -q -c 'CREATE EXTENSION pgforest'
export PYTHONDONTWRITEBYTECODE=1
arguments=(--jobs "${JOBS:-2}")
inputs=$workspace/inputs
mkdir "$inputs"
if [ "$what" = memory ]; then
	heading "Memory"
	arguments+=(--rows "${ROWS:-1000000}")
fi
if [ "$what" = speed ] || [ "$what" = algorithms ]; then
	heading "$([ "$what" = speed ] && echo Speed || echo Algorithms)"
	arguments+=(--runs "${RUNS:-0}" --server "$server" --data "$inputs" --records "$workspace/records.jsonl")
	[ -z "${TABLES:-}" ] || arguments+=(--tables "$TABLES")
	[ "${PEERS:-install}" = install ] || arguments+=(--peers "$PEERS")
	cp "$shared"/data/{htru2,diabetes_130_hospitals,used_cars_uk}.csv.gz "$inputs" 2>/dev/null || true
	if [ -f "$shared/bench/gen.sql" ]; then
		cp "$shared/bench/gen.sql" "$inputs"
		arguments+=(--generator "$inputs/gen.sql")
	fi
elif [ "$what" = tune ]; then
	heading "Tuning"
	arguments+=(--runs "${RUNS:-1}" --trials "${TRIALS:-20}" --folds "${FOLDS:-5}" --server "$server" --data "$inputs"
		--records "$workspace/records.jsonl")
	cp "$shared"/data/diabetes_130_hospitals.csv.gz "$inputs" 2>/dev/null || true
elif [ "$what" = anomalies ]; then
	heading "Anomalies"
	arguments+=(--seeds "${SEEDS:-10}" --data "$inputs")
	cp "$shared"/data/htru2.csv.gz "$inputs" 2>/dev/null || true
elif [ "$what" = gates ]; then
	heading "Gates"
	arguments+=(--decisions "${DECISIONS:-200}")
elif [ "$what" = drift ]; then
	heading "Drift"
	arguments=(--draws "${DRAWS:-100}" --rows "${ROWS:-1000000}" --data "$inputs")
	if [ -d "$shared/data" ]; then
		cp "$shared"/data/{htru2,diabetes_130_hospitals,used_cars_uk}.csv.gz "$inputs"
		arguments+=(--sets "${SETS:-htru2,diabetes,cars}")
	else
		arguments+=(--sets "")
	fi
elif [ "$what" = quality ]; then
	heading "Quality"
	if ! [ -d "$shared/data" ]; then
		echo "skipped: the data sets are expected in the folder shared/data beside the project"
		exit 0
	fi
	cp "$shared"/data/*.gz "$inputs"
	arguments+=(--seeds "${SEEDS:-10}" --one-hot-seeds "${ONE_HOT:-10}" --sets "${SETS:-}"
		--data "$inputs" --records "$workspace/records.jsonl")
fi
touch "$workspace/records.jsonl"
[ -z "$server_user" ] || chown -R "$server_user" "$inputs" "$workspace/records.jsonl"

status=0
exec 8> >(exec tee "$workspace/$what.md" 9>&-)
tee=$!
run "$python" "test/bench/$what.py" "${arguments[@]}" >&8 || status=$?
exec 8>&-
wait "$tee"

if [ -n "${RESULTS:-}" ]; then
	mkdir -p "$RESULTS"
	cp "$workspace/$what.md" "$RESULTS/"
	[ ! -s "$workspace/records.jsonl" ] || cat "$workspace/records.jsonl" >>"$RESULTS/records.jsonl"
fi

# Each part of the page that was measured now is replaced.
page=docs/benchmarks.md
[ "$what" != gates ] || page=docs/gates.md
[ "$what" != drift ] || page=docs/monitoring.md
if [ "${WRITE:-}" = docs ] && grep -q '^<!-- begin ' "$workspace/$what.md"; then
	awk '
		NR == FNR && /^<!-- end / { name = "" }
		NR == FNR && name { part[name] = part[name] $0 "\n" }
		NR == FNR && /^<!-- begin / { name = $3; part[name] = "" }
		NR == FNR { next }
		/^<!-- end / { inside = 0 }
		!inside { print }
		/^<!-- begin / && ($3 in part) { inside = 1; printf "%s", part[$3] }' \
		"$workspace/$what.md" "$page" >"$workspace/page"
	cat "$workspace/page" >"$page"
	echo "wrote $page"
fi
exit $status

"""How long training and prediction take, beside the peers that are installed, in one run.

speed.py [--tables NAME,...|all] [--runs N] [--jobs N] [--peers NAME,...] [--generator FILE] [--data FOLDER]
         [--records FILE]

Tables, all by default or those named: each participant trains 100 trees on four fifths of the
rows and then predicts all of them.  They take turns, so that whatever else
the machine does falls on all of them; medians are printed.  scaling and
scaling_10m show pgforest alone on 10 times and 100 times the rows, workers with
one participant and with two.

Prints Markdown, each part between <!-- begin speed-NAME --> and <!-- end speed-NAME -->.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import db
import footprint
import peers
import report
from tables import TABLES

TREES = 100
LARGE_ROWS = 500000         # from here on one run of a peer takes minutes
STAGES = ["scan", "bin", "sort", "grow", "measure", "compress"]     # of a training, in their order
DEFAULT = "cls_100k,htru2,scaling,workers"
PARTS = list(TABLES)
PARTS.remove("cls_10m")     # no peer is asked to take that
PARTS += ["scaling", "scaling_10m", "workers"]
HERE = os.path.dirname(os.path.abspath(__file__))


class Failed(Exception):
    """What a peer said before it gave up."""


class Results:
    """What was measured of one participant: named steps, a number for each run."""

    def __init__(self):
        self.steps = {}
        self.failed = None

    def add(self, **steps):
        for step, value in steps.items():
            self.steps.setdefault(step, []).append(value)

    def median(self, *steps):
        """Of the sum of the steps over the runs."""
        return statistics.median(map(sum, zip(*(self.steps[step] for step in steps))))

    def runs(self):
        return max(map(len, self.steps.values()), default=0)


def seconds(value):
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def megabytes(results):
    peak = results.median("peak")
    return f"{peak / 2**20:,.0f}" if peak else ""


# ----- one run of one participant -----

def settings(jobs):
    """The leader is one of the processes, for training as well as for queries."""
    return [f"SET max_parallel_maintenance_workers = {jobs - 1}",
            f"SET max_parallel_workers_per_gather = {jobs - 1}"]


def train_pgforest(server, source, target, jobs, seed, algorithm="random_forest", **params):
    """Trains a version; returns its reference and what was measured."""
    if algorithm == "random_forest":
        params["oob_score"] = False         # no peer measures anything either
    params = json.dumps({"n_estimators": TREES, **params})
    statement = (f"SELECT version FROM ml_train('bench', {db.literal(source)}, '{target}', exclude => '{{id}}', "
                 f"algorithm => '{algorithm}', holdout => 0, seed => {seed}, params => '{params}')")
    with footprint.of_new_children(server) as used:
        start = time.perf_counter()
        version = db.rows(settings(jobs) + [statement])[0]["version"]
        elapsed = time.perf_counter() - start
    stages = json.loads(db.rows(f"SELECT stage_seconds FROM pgforest.versions "
                                f"WHERE model = 'bench' AND version = {version}")[0]["stage_seconds"])
    stages = {stage: stages[stage] for stage in STAGES if stage in stages}
    stages["store and the rest"] = elapsed - sum(stages.values())
    fetch = sum(stages[stage] for stage in ("scan", "bin", "sort"))
    measured = {"in all": elapsed, "fetch": fetch, "train": stages["grow"], "peak": used.peak}
    return f"bench@{version}", {**measured, **{"stage " + stage: value for stage, value in stages.items()}}


def answer_of(model, table):
    """What a query asks for, AS p, and the places in p that Table.quality wants."""
    if table.regression:
        return f"ml_predict('{model}', t, NULL::float8) AS p", ["p"]
    return f"ml_predict_proba('{model}', t) AS p", [f"p[{place + 1}]" for place in range(len(table.classes()))]


def run_pgforest(server, table, jobs, seed):
    params = {"max_features": "sqrt"} if table.regression else {}
    model, measured = train_pgforest(server, table.training(), table.target, jobs, seed, **params)

    def timed(*statements):
        start = time.perf_counter()
        db.run(settings(jobs) + list(statements))
        return time.perf_counter() - start

    answer, places = answer_of(model, table)
    count = "> 0" if table.regression else "= '1'"
    db.run("DROP TABLE IF EXISTS bench.answer")
    measured["predict all"] = timed(f"CREATE UNLOGGED TABLE bench.answer AS SELECT id, {answer} FROM {table.relation} t")
    value = f"ml_predict('{model}', t{', NULL::float8' if table.regression else ''})"
    measured["count"] = timed(f"SELECT count(*) FROM {table.relation} t WHERE {value} {count}")
    measured["quality"] = table.quality(places)
    db.run("SELECT ml_drop('bench')")
    return measured


def run_peer(name, table, jobs, seed, fold=0):
    if name == "ranger":
        command = ["Rscript", "--vanilla", os.path.join(HERE, "ranger.R"), table.relation, table.target,
                   "regression" if table.regression else "classification", str(jobs), str(seed), str(TREES)]
    else:
        command = [sys.executable, os.path.join(HERE, "peers.py"), name, "--relation", table.relation,
                   "--target", table.target, "--fold", str(fold), "--depth", str(peers.depth(name, table.rows)),
                   "--jobs", str(jobs), "--seed", str(seed), "--trees", str(TREES)]
        command += ["--regression"] if table.regression else []
    measured = {}
    with tempfile.TemporaryFile("w+") as complaint:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaint, text=True)
        with footprint.of_family(process.pid) as used:
            for line in process.stdout:
                step, value = line.rsplit(" ", 1)
                measured[step] = float(value)
                if step == "train":
                    measured["peak"] = used.peak
        if process.wait() != 0:
            complaint.seek(0)
            raise Failed((complaint.read().strip().splitlines() or [f"ended with {process.returncode}"])[-1])
    measured["in all"] = measured["fetch"] + measured["train"]
    measured["predict all"] = measured["fetch all"] + measured["predict"] + measured["write"]
    nclasses = len(table.classes()) if not table.regression else 1
    measured["quality"] = table.quality([f"p{place}" for place in range(nclasses)], fold)
    return measured


# ----- the parts of the report -----

class Part:
    """with Part(name): what is printed inside becomes a part of the page."""

    def __init__(self, name, benchmark="speed"):
        self.name = f"{benchmark}-{name}"

    def __enter__(self):
        print(f"<!-- begin {self.name} -->")

    def __exit__(self, *cause):
        print(f"<!-- end {self.name} -->\n", flush=True)


def keep(options, record):
    print(json.dumps(record), file=sys.stderr, flush=True)
    if options.records:
        with open(options.records, "a") as records:
            print(json.dumps(record), file=records)


def busy_note(busy):
    if busy > 0.5:
        print(f"Other work was running on the machine (load average {busy:.1f} at the start).\n")


def stages_table(head, lines):
    """lines: [(name, Results)]"""
    stages = [step for step in lines[0][1].steps if step.startswith("stage ")]
    report.table([head] + [stage[len("stage "):] for stage in stages] + ["in all"],
                 [[name] + [seconds(results.median(stage)) for stage in stages] + [seconds(results.median("in all"))]
                  for name, results in lines])


def compare(options, table):
    """pgforest and the peers on one table."""
    busy = report.load()
    who = options.found + ["pgforest"]
    results = {name: Results() for name in who}
    few = table.rows >= LARGE_ROWS
    runs = {name: options.runs or (1 if few and name != "pgforest" else 3) for name in who}
    for turn in range(1, max(runs.values()) + 1):
        for name in who:
            if turn > runs[name] or results[name].failed:
                continue
            try:
                measured = run_pgforest(options.server, table, options.jobs, turn) if name == "pgforest" \
                    else run_peer(name, table, options.jobs, turn)
            except Failed as failure:
                results[name].failed = str(failure)
                continue
            results[name].add(**measured)
            keep(options, {"table": table.name, "who": name, "turn": turn, **measured})

    ours = results["pgforest"]
    all_ours, predict_ours = ours.median("in all"), ours.median("predict all")
    measure = "RMSE" if table.regression else "ROC AUC"
    counts = sorted({results[name].runs() for name in who if not results[name].failed})
    how = f"medians of {counts[0]} runs" if counts[0] > 1 else "one run"
    if len(counts) > 1:
        how = f"medians of {counts[-1]} runs of pgforest, {how if counts[0] == 1 else f'{counts[0]} runs'} of each peer"
    training, predicting, failures = [], [], []
    for name in ["pgforest"] + options.found:
        one, label = results[name], name if name == "pgforest" else peers.title(name, table.rows)
        if one.failed:
            failures.append(f"{label} failed: {one.failed}\n")
            continue
        training.append(
            [label, seconds(one.median("fetch")), seconds(one.median("train")), f"**{seconds(one.median('in all'))}**",
             f"{one.median('train') / all_ours:.1f}" if one is not ours else "",
             f"{one.median('in all') / all_ours:.1f}", f"{one.median('quality'):.4f}", megabytes(one)])
        if one is ours:
            count = one.median("count")
            predicting += [["pgforest, into a table", "", "", "", f"**{seconds(predict_ours)}**", "1.0"],
                           ["pgforest, counted in a query", "", "", "", seconds(count), f"{count / predict_ours:.1f}"]]
        else:
            predicting.append(
                [label, seconds(one.median("fetch all")), seconds(one.median("predict")), seconds(one.median("write")),
                 f"**{seconds(one.median('predict all'))}**", f"{one.median('predict all') / predict_ours:.1f}"])

    with Part(table.name):
        print(f"**{table.title}.** Training {TREES} unlimited trees on four fifths of the rows, {options.jobs} processes "
              f"or threads each, {how} in turn, in seconds:\n")
        report.table(["", "fetch", "train", "in all", "its training alone / our all", "in all / ours",
                      measure, "peak memory, MB"], training)
        print("Predicting all rows, in seconds:\n")
        report.table(["", "fetch", "predict", "write", "in all", "in all / ours"], predicting)
        print("Where pgforest's time to train goes, in seconds:\n")
        stages_table("", [("pgforest", ours)])
        for failure in failures:
            print(failure)
        busy_note(busy)


def show_scaling(options, sizes, part):
    """Ten times the rows, and ten times again."""
    busy = report.load()
    lines, stages, before = [], [], None
    for size in sizes:
        table, results = TABLES["cls_" + size], Results()
        options.make(table)
        runs = options.runs or (1 if table.rows > 10 * LARGE_ROWS else 3)
        for turn in range(1, runs + 1):
            model, measured = train_pgforest(options.server, table.relation, table.target, options.jobs, turn,
                                             min_samples_leaf=20)
            db.run("SELECT ml_drop('bench')")
            results.add(**measured)
            keep(options, {"part": part, "table": table.name, "turn": turn, **measured})
        time_now = results.median("in all")
        lines.append([f"{table.rows:,}", runs, seconds(time_now), f"{time_now / before:.1f}" if before else "",
                      f"{time_now / table.rows * 1e6:.1f}", megabytes(results)])
        stages.append((f"{table.rows:,}", results))
        before = time_now
    with Part(part):
        print(f"**Ten times the rows.** {TREES} trees with `min_samples_leaf` 20 on all rows of bench_cls, 20 numbers, "
              f"{options.jobs} processes, `pgforest.train_memory` at its default:\n")
        report.table(["rows", "runs", "seconds", "times the line above", "microseconds a row", "peak memory, MB"], lines)
        print("Where the time goes, in seconds:\n")
        stages_table("rows", stages)
        busy_note(busy)


def show_workers(options):
    """One participant against two."""
    busy = report.load()
    table = TABLES["cls_1m"]
    options.make(table)
    results = {1: Results(), 2: Results()}
    for turn in range(1, (options.runs or 3) + 1):
        for jobs, one in results.items():
            model, measured = train_pgforest(options.server, table.relation, table.target, jobs, turn)
            db.run("SELECT ml_drop('bench')")
            one.add(**measured)
            keep(options, {"part": "workers", "jobs": jobs, "turn": turn, **measured})
    alone = results[1].median("in all")
    with Part("workers"):
        print(f"**The backend alone, and with one worker.** {TREES} unlimited trees on all {table.rows:,} rows of "
              f"bench_cls_1m, medians of {results[1].runs()} runs in turn:\n")
        report.table(["processes", "seconds", "times faster", "growing alone, times faster", "peak memory, MB"],
                     [[jobs, seconds(one.median("in all")), f"{alone / one.median('in all'):.2f}",
                       f"{results[1].median('train') / one.median('train'):.2f}", megabytes(one)]
                      for jobs, one in results.items()])
        print("Where the time goes, in seconds:\n")
        stages_table("processes", [(str(jobs), one) for jobs, one in results.items()])
        busy_note(busy)


# ----- all of it -----

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", default=DEFAULT)
    parser.add_argument("--runs", type=int, default=0, help="of each participant; 0: three, one of a peer on large tables")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--peers", default=",".join(peers.PEERS))
    parser.add_argument("--generator", default=os.path.join(HERE, "gen.sql"))
    parser.add_argument("--data", default=".")
    parser.add_argument("--server", type=int, default=0, help="the server's process number, to watch its memory")
    parser.add_argument("--records")
    options = parser.parse_args()

    wanted = PARTS if options.tables == "all" else [name for name in options.tables.split(",") if name]
    asked = [name for name in options.peers.split(",") if name and name != "none"]
    for what, names, known in (("table", wanted, PARTS), ("peer", asked, list(peers.PEERS))):
        unknown = [name for name in names if name not in known]
        if unknown:
            print(f"no such {what}: {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
            return 2

    versions = {name: peers.version(name) for name in asked}
    options.found = [name for name in asked if versions[name]]
    lacking = [peers.PEERS[name] for name in asked if not versions[name]]
    if lacking:
        print(f"skipped: {', '.join(lacking)} (not installed for this Python or R; `make bench PEERS=install` "
              "installs all but LightGBM)\n", flush=True)

    db.run("CREATE SCHEMA IF NOT EXISTS bench")
    made = set()

    def make(table):
        if table.name not in made:
            table.load(options)
            made.add(table.name)

    options.make = make
    for part in PARTS:
        if part not in wanted:
            continue
        if part == "scaling":
            show_scaling(options, ["100k", "1m"], part)
        elif part == "scaling_10m":
            show_scaling(options, ["100k", "1m", "10m"], part)
        elif part == "workers":
            show_workers(options)
        elif TABLES[part].lacking(options):
            print(f"skipped: {TABLES[part].title} ({TABLES[part].lacking(options)})\n", flush=True)
        else:
            make(TABLES[part])
            compare(options, TABLES[part])

    with Part("versions"):
        print(report.versions([("pandas", "pandas"), ("numpy", "numpy")] if options.found else [],
                              {peers.PEERS[name].split(",")[0]: versions[name] for name in options.found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

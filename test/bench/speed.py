"""How long training and prediction take, beside scikit-learn, in one run.

speed.py [--runs N] [--jobs N] [--generator FILE]

Both train 100 unlimited trees on four fifths of bench_cls_100k and then
predict all of its rows, in turn, N times; medians are printed.  scikit-learn's
time includes what its user has to do: COPY the rows out of the server and parse
them, and COPY the predictions back.  Without scikit-learn and pandas only
pgforest's figures are printed.
"""
import argparse
import json
import os
import statistics
import time

import db
import report

TABLE = "bench.bench_cls_100k"
TRAIN = f"SELECT * FROM {TABLE} WHERE id % 5 <> 0"
TREES = 100


class Clock:
    """Seconds of named steps, one list of them for each step over all runs."""

    def __init__(self):
        self.steps = {}

    def measure(self, step, action):
        start = time.perf_counter()
        result = action()
        self.add(step, time.perf_counter() - start)
        return result

    def add(self, step, seconds):
        self.steps.setdefault(step, []).append(seconds)

    def total(self, *steps):
        """The median over the runs of the sum of some steps."""
        return statistics.median(map(sum, zip(*(self.steps[step] for step in steps))))

    def show(self, step):
        return f"{self.total(step):.2f}" if step in self.steps else ""


def settings(jobs):
    """The leader is one of the processes, for training as well as for queries."""
    return [f"SET max_parallel_maintenance_workers = {jobs - 1}",
            f"SET max_parallel_workers_per_gather = {jobs - 1}"]


def run_pgforest(clock, jobs, turn):
    """Train a version, predict all rows into a table; returns (accuracy, AUC) on the rows not trained on."""
    train = f"""
        SELECT * FROM ml_train('bench', {db.literal(TRAIN)}, 'label', exclude => '{{id}}', holdout => 0,
            seed => {turn}, params => '{{"n_estimators": {TREES}}}')"""
    version = clock.measure("train, all", lambda: db.rows(settings(jobs) + [train]))[0]["version"]
    stages = json.loads(db.rows(f"""
        SELECT stage_seconds FROM pgforest.versions
        WHERE model = 'bench' AND version = {version}""")[0]["stage_seconds"])
    clock.add("fetch", sum(stages[stage] for stage in ("scan", "bin", "sort")))
    clock.add("grow", stages["grow"])

    model = f"bench@{version}"
    predict = f"""
        CREATE UNLOGGED TABLE bench.answer AS
        SELECT id, ml_predict('{model}', t) AS label FROM {TABLE} t"""
    db.run("DROP TABLE IF EXISTS bench.answer")
    clock.measure("predict, all", lambda: db.run(settings(jobs) + [predict]))
    count = f"SELECT count(*) FROM {TABLE} t WHERE ml_predict('{model}', t) = '1'"
    clock.measure("count", lambda: db.run(settings(jobs) + [count]))
    measured = {row["metric"]: float(row["value"]) for row in db.rows(f"""
        SELECT metric, value FROM ml_evaluate('{model}', 'SELECT * FROM {TABLE} WHERE id % 5 = 0')
        WHERE class IS NULL""")}
    db.run(f"SELECT ml_drop('{model}')")
    return measured["accuracy"], measured["roc_auc"]


def run_sklearn(clock, jobs, turn):
    """The same in scikit-learn."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import accuracy_score, roc_auc_score

    def matrix(frame):
        return frame.drop(columns=["id", "label"]).to_numpy("float32")

    frame = clock.measure("fetch", lambda: db.read_frame(TRAIN))
    forest = RandomForestClassifier(n_estimators=TREES, n_jobs=jobs, random_state=turn)
    clock.measure("train", lambda: forest.fit(matrix(frame), frame["label"].to_numpy()))

    frame = clock.measure("fetch all", lambda: db.read_frame(f"SELECT * FROM {TABLE}"))
    probability = clock.measure("predict", lambda: forest.predict_proba(matrix(frame)))
    answer = frame[["id"]].assign(label=forest.classes_[probability.argmax(axis=1)])
    db.run(["DROP TABLE IF EXISTS bench.answer", "CREATE UNLOGGED TABLE bench.answer (id bigint, label text)"])
    clock.measure("write", lambda: db.write_frame(answer, "bench.answer"))

    held_out = (frame["id"] % 5 == 0).to_numpy()
    actual = frame["label"].to_numpy()[held_out]
    return (accuracy_score(actual, answer["label"].to_numpy()[held_out]),
            roc_auc_score(actual, probability[held_out, 1]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--generator", default=os.path.join(os.path.dirname(__file__), "gen.sql"))
    options = parser.parse_args()
    try:
        import pandas
        import sklearn
        peer = True
    except ImportError as missing:
        print(f"skipped: scikit-learn ({missing.name} is not installed for this Python; "
              "`make bench PEERS=install` installs it)\n", flush=True)
        peer = False

    db.run_file(options.generator, n=100000, sfx="100k", tables="cls")
    ours, theirs = Clock(), Clock()
    our_quality, their_quality = [], []
    busy = report.load()
    for turn in range(1, options.runs + 1):
        if peer:
            their_quality.append(run_sklearn(theirs, options.jobs, turn))
        our_quality.append(run_pgforest(ours, options.jobs, turn))

    def median(quality, place):
        return f"{statistics.median(q[place] for q in quality):.4f}"

    print("<!-- begin speed -->")
    print(f"Training {TREES} unlimited trees on 80,000 of 100,000 rows x 20 features (two classes), "
          f"{options.jobs} processes or threads each, medians of {options.runs} runs in turn, in seconds:\n")
    our_train = ours.total("train, all")
    lines = [["pgforest", ours.show("fetch"), ours.show("grow"), f"**{our_train:.2f}**", "1.0",
              median(our_quality, 0), median(our_quality, 1)]]
    if peer:
        their_train = theirs.total("fetch", "train")
        lines.append(["scikit-learn", theirs.show("fetch"), theirs.show("train"), f"**{their_train:.2f}**",
                      f"{their_train / our_train:.1f}", median(their_quality, 0), median(their_quality, 1)])
    report.table(["", "fetch", "train", "in all", "times pgforest's", "accuracy", "ROC AUC"], lines)

    print("Predicting all 100,000 rows, in seconds:\n")
    our_predict = ours.total("predict, all")
    lines = [["pgforest, into a table", "", "", "", f"**{our_predict:.2f}**", "1.0"],
             ["pgforest, counted in a query", "", "", "", f"{ours.total('count'):.2f}",
              f"{ours.total('count') / our_predict:.1f}"]]
    if peer:
        their_predict = theirs.total("fetch all", "predict", "write")
        lines.append(["scikit-learn, into a table", theirs.show("fetch all"), theirs.show("predict"),
                      theirs.show("write"), f"**{their_predict:.2f}**", f"{their_predict / our_predict:.1f}"])
    report.table(["", "fetch", "predict", "write", "in all", "times pgforest's"], lines)

    modules = [("scikit-learn", "sklearn"), ("pandas", "pandas"), ("numpy", "numpy")] if peer else []
    print(report.versions(modules))
    if busy > 0.5:
        print(f"Other work was running on the machine (load average {busy:.1f} at the start).")
    print("<!-- end speed -->")


if __name__ == "__main__":
    main()

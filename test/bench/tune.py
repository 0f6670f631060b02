"""How long a random search takes, beside scikit-learn's, in one run.

tune.py --data FOLDER [--trials N] [--folds N] [--jobs N] [--runs N] [--records FILE]

Both try the same combinations by cross-validation on four fifths of the rows of diabetes, train
the best on all of those, and are measured on the others.  ml_tune draws them; scikit-learn
searches those that were drawn, of RandomForestClassifier and in two processes, as
its RandomizedSearchCV does (GridSearchCV takes such a list).  It gets texts as numbers.
Prints Markdown between <!-- begin tune --> and <!-- end tune -->.
"""
import argparse
import json
import os
import sys
import time

import db
import footprint
import peers
import report
import speed
from tables import TABLES

SPACE = {"max_depth": [8, 12, 16, 24, None], "min_samples_leaf": [1, 2, 5, 10, 20],
         "max_features": ["sqrt", 0.1, 0.2, 0.3]}
TREES = 100


def run_pgforest(options, table, seed):
    search = json.dumps({**SPACE, "n_estimators": TREES})
    statement = (f"SELECT version, score, params FROM ml_tune('tuned', {db.literal(table.training())}, "
                 f"'{table.target}', '{search}', 'random', {options.trials}, folds => {options.folds}, "
                 f"exclude => '{{id}}', holdout => 0, seed => {seed}) WHERE version IS NOT NULL")
    with footprint.of_new_children(options.server) as used:
        start = time.perf_counter()
        best = db.rows(speed.settings(options.jobs) + [statement])[0]
        elapsed = time.perf_counter() - start
    model = f"tuned@{best['version']}"
    db.run(["DROP TABLE IF EXISTS bench.answer",
            f"CREATE UNLOGGED TABLE bench.answer AS SELECT id, ml_predict_proba('{model}', t) AS p "
            f"FROM ({table.held_out()}) t"])
    score = table.quality([f"p[{place + 1}]" for place in range(len(table.classes()))])
    trials = [json.loads(row["params"]) for row in db.rows("SELECT params FROM pgforest.trials WHERE fold = 1 ORDER BY trial")]
    db.run(f"SELECT ml_drop('{model}')")
    return trials, {"fetch": 0.0, "search": elapsed, "cv": float(best["score"]), "quality": score, "peak": used.peak,
                    "params": best["params"]}


def run_sklearn(options, table, seed, trials):
    import pandas
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import GridSearchCV

    with footprint.of_family(os.getpid()) as used:
        start = time.perf_counter()
        frame = db.read_frame(table.training())
        coding = peers.Coding(frame, ["id", table.target], fill=True)
        rows = coding.matrix(frame)
        fetched = time.perf_counter()
        search = GridSearchCV(RandomForestClassifier(random_state=seed),
                              [{name: [value] for name, value in trial.items()} for trial in trials],
                              cv=options.folds, scoring="roc_auc_ovr", n_jobs=options.jobs)
        search.fit(rows, frame[table.target])
        ended = time.perf_counter()
    held_out = db.read_frame(table.held_out())
    answer = pandas.DataFrame(search.predict_proba(coding.matrix(held_out)),
                              columns=[f"p{place}" for place in range(len(search.classes_))])
    answer.insert(0, "id", held_out["id"])
    db.run(["DROP TABLE IF EXISTS bench.answer", "CREATE UNLOGGED TABLE bench.answer (id bigint, "
            + ", ".join(f"p{place} float8" for place in range(len(search.classes_))) + ")"])
    db.write_frame(answer, "bench.answer")
    score = table.quality([f"p{place}" for place in range(len(search.classes_))])
    return {"fetch": fetched - start, "search": ended - fetched, "cv": search.best_score_, "quality": score,
            "peak": used.peak, "params": json.dumps(search.best_params_)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--server", type=int, default=0)
    parser.add_argument("--records")
    options = parser.parse_args()
    table = TABLES["diabetes"]
    if table.lacking(options):
        print(f"skipped: {table.title} ({table.lacking(options)})")
        return 0
    found = peers.version("sklearn")
    if not found:
        print("skipped: scikit-learn (not installed for this Python; `make bench PEERS=install` installs it)\n")

    table.load(options)
    busy = report.load()
    results = {name: speed.Results() for name in ["pgforest"] + (["scikit-learn"] if found else [])}
    params = {}
    for turn in range(1, options.runs + 1):
        for name in results:
            if name == "pgforest":
                trials, measured = run_pgforest(options, table, turn)
            else:
                measured = run_sklearn(options, table, turn, trials)
            print(json.dumps({"who": name, "turn": turn, **measured}), file=sys.stderr, flush=True)
            if options.records:
                with open(options.records, "a") as records:
                    print(json.dumps({"who": name, "turn": turn, **measured}), file=records)
            params[name] = measured.pop("params")
            results[name].add(**measured)

    ours = results["pgforest"].median("fetch", "search")
    print("<!-- begin tune -->")
    print(f"**{table.title}.** {options.trials} random trials of {TREES} trees by {options.folds} folds on four fifths of the "
          f"rows, then the best on all of them; {options.jobs} processes each; "
          f"{'one run' if options.runs == 1 else f'medians of {options.runs} runs in turn'}, in seconds:\n")
    report.table(["", "fetch", "search", "in all", "in all / ours", "ROC AUC by folds", "ROC AUC on other rows",
                  "peak memory, MB", "the best"],
                 [[name, speed.seconds(one.median("fetch")), speed.seconds(one.median("search")),
                   f"**{speed.seconds(one.median('fetch', 'search'))}**",
                   f"{one.median('fetch', 'search') / ours:.1f}", f"{one.median('cv'):.4f}",
                   f"{one.median('quality'):.4f}", speed.megabytes(one), f"`{params[name]}`"]
                  for name, one in results.items()])
    speed.busy_note(busy)
    print(report.versions([("pandas", "pandas"), ("numpy", "numpy")] if found else [],
                          {"scikit-learn": found} if found else {}))
    print("<!-- end tune -->")
    return 0


if __name__ == "__main__":
    sys.exit(main())

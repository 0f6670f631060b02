"""Gradient boosting and extra trees beside the libraries that are known for them, in one run.

algorithms.py [--tables NAME,...|all] [--runs N] [--jobs N] [--peers NAME,...] [--generator FILE] [--data FOLDER]
              [--records FILE]

Boosting is trained twice, once as XGBoost's is set here and once as LightGBM's and scikit-learn's;
extra trees once, and where there are values to predict again with all features, as both libraries do by
default.  They take turns, and each turn holds out another fifth of the rows, on which all are
measured; on large tables, where a turn of a peer takes minutes, there is one.
Prints Markdown, each part between <!-- begin algorithms-NAME --> and <!-- end algorithms-NAME -->.
"""
import argparse
import os
import statistics
import sys

import db
import peers
import report
import speed
from tables import CARS, TABLES

ROUNDS = speed.TREES
FOLDS = 5
TABLES = {**TABLES, CARS.name: CARS}
DEFAULT = "cls_100k,mix_100k,reg_100k,htru2,diabetes,cars"
BOOSTING = {"algorithm": "gradient_boosting", "early_stopping": False}      # on all rows, as the others do
DEPTH, LEAVES, EXTRA, ALL = "pgforest, depth 6", "pgforest, 31 leaves", "pgforest", "pgforest, all features"
OURS = {DEPTH: {**BOOSTING, "max_depth": 6, "max_leaf_nodes": None}, LEAVES: BOOSTING,
        EXTRA: {"algorithm": "extra_trees", "max_features": "sqrt"}, ALL: {"algorithm": "extra_trees"}}
BESIDE = {"xgboost_boosting": DEPTH, "lightgbm_boosting": LEAVES, "sklearn_boosting": LEAVES, "sklearn_extra": EXTRA,
          "sklearn_extra_all": ALL}
TITLES = {**peers.BOOSTING, **peers.EXTRA_TREES}


def run_pgforest(options, table, params, seed, fold):
    """Trains, and measures on the fold that was held out."""
    model, measured = speed.train_pgforest(options.server, table.training(fold), table.target, options.jobs, seed, **params)
    answer, places = speed.answer_of(model, table)
    db.run(["DROP TABLE IF EXISTS bench.answer",
            f"CREATE UNLOGGED TABLE bench.answer AS SELECT id, {answer} FROM ({table.held_out(fold)}) t"])
    measured["quality"] = table.quality(places, fold)
    db.run("SELECT ml_drop('bench')")
    return measured


def lines_of(results, names, table):
    """A line for each: seconds, against ours in the same settings, and how good it is against the best."""
    quality = {name: statistics.fmean(results[name].steps["quality"]) for name in names}
    best = (min if table.regression else max)(quality.values())
    for name in names:
        one = results[name]
        ours = results[BESIDE.get(name, name)].median("in all")
        worse = f"{quality[name] / best - 1:.1%}" if table.regression else f"{best - quality[name]:.4f}"
        yield [TITLES.get(name, name)] + [speed.seconds(one.median(step)) for step in ("fetch", "train")] + \
            [f"**{speed.seconds(one.median('in all'))}**", f"{one.median('in all') / ours:.1f}",
             f"{quality[name]:.4f}", worse, speed.megabytes(one)]


def compare(options, table):
    busy = report.load()
    who = [name for name in OURS if name in [BESIDE[peer] for peer in options.found]] or list(OURS)
    who += options.found
    if not table.regression:
        who = [name for name in who if name != ALL and BESIDE.get(name) != ALL]
    results = {name: speed.Results() for name in who}
    turns = options.runs or (1 if table.rows >= speed.LARGE_ROWS else 3)
    for turn in range(turns):
        for name in who:
            fold = turn % FOLDS
            try:
                measured = run_pgforest(options, table, OURS[name], turn + 1, fold) if name in OURS \
                    else speed.run_peer(name, table, options.jobs, turn + 1, fold)
            except speed.Failed as failure:
                sys.exit(f"{TITLES[name]} failed: {failure}")
            results[name].add(**measured)
            speed.keep(options, {"table": table.name, "who": name, "turn": turn + 1, "fold": fold, **measured})

    measure = "RMSE" if table.regression else "ROC AUC"
    heads = ["fetch", "train", "in all", "in all / ours", measure, "worse than the best by", "peak memory, MB"]
    how = "one run in turn" if turns == 1 else f"medians of {turns} runs in turn, each on another four fifths"
    with speed.Part(table.name, "algorithms"):
        print(f"**{table.title.replace(', `max_features` sqrt on both sides', '')}.** "
              f"{options.jobs} processes or threads each, {how}, in seconds.\n")
        for title, group in ((f"Gradient boosting, {ROUNDS} rounds, learning rate 0.1:", (DEPTH, LEAVES, *peers.BOOSTING)),
                             (f"Extra trees, {ROUNDS} of them, unlimited, `max_features` sqrt unless it says all:",
                              (EXTRA, ALL, *peers.EXTRA_TREES))):
            names = [name for name in group if name in who]
            if names:
                print(title + "\n")
                report.table([""] + heads, list(lines_of(results, names, table)))
        speed.busy_note(busy)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", default=DEFAULT)
    parser.add_argument("--runs", type=int, default=0, help="turns; 0: three, one on large tables")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--peers", default=",".join(BESIDE))
    parser.add_argument("--generator", default=os.path.join(speed.HERE, "gen.sql"))
    parser.add_argument("--data", default=".")
    parser.add_argument("--server", type=int, default=0, help="the server's process number, to watch its memory")
    parser.add_argument("--records")
    options = parser.parse_args()

    known = [name for name in TABLES if name != "cls_10m"]
    wanted = known if options.tables == "all" else [name for name in options.tables.split(",") if name]
    asked = [name for name in options.peers.split(",") if name and name != "none"]
    for what, names, there in (("table", wanted, known), ("peer", asked, list(BESIDE))):
        unknown = [name for name in names if name not in there]
        if unknown:
            print(f"no such {what}: {', '.join(unknown)}; there are {', '.join(there)}", file=sys.stderr)
            return 2
    versions = {name: peers.version(name) for name in asked}
    options.found = [name for name in asked if versions[name]]
    for name in asked:
        if not versions[name]:
            print(f"skipped: {TITLES[name]} (not installed for this Python; `make bench PEERS=install` "
                  "installs all but LightGBM)\n", flush=True)

    db.run("CREATE SCHEMA IF NOT EXISTS bench")
    for name in wanted:
        table = TABLES[name]
        if table.lacking(options):
            print(f"skipped: {table.title} ({table.lacking(options)})\n", flush=True)
            continue
        table.load(options)
        compare(options, table)
    with speed.Part("versions", "algorithms"):
        print(report.versions([("pandas", "pandas"), ("numpy", "numpy")] if options.found else [],
                              {TITLES[name].split(",")[0]: versions[name] for name in options.found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

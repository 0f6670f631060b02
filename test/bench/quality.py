"""How good the forests are, beside scikit-learn's, on the same rows.

quality.py --data FOLDER [--seeds N] [--one-hot-seeds N] [--jobs N] [--sets NAME,...] [--records FILE]

For each data set and seed both train on exactly the same rows, with 100 trees
and else their defaults, and predict exactly the same held-out rows: a fifth of
the rows (of the patients, for diabetes), one of five folds for iris, the test
half for MNIST.  One function measures both.  scikit-learn gets texts in two
codings, one number for each value or one column for each value; a missing text
is a value of its own, a missing number the median of the training rows.  (The
columns are slow: they can be left to the first few seeds.)
pgforest gets the table as it is.

Prints a table for each data set between <!-- begin quality-NAME --> and
<!-- end quality-NAME -->; ends with an error when pgforest is below the bound.
"""
import argparse
import json
import math
import os
import statistics
import sys
import time

import db
import report

TREES = 100
BOUND = 0.003       # how far below scikit-learn's mean the mean may be
PULSAR_F1 = 0.87    # and on HTRU2 the F1 of the pulsars is at least this
CODINGS = {"ordinal": "texts as numbers", "one-hot": "texts as columns"}


# The two sides: held-out rows in, (labels, probabilities, classes) or numbers out.

def run_pgforest(data, held_out, seed, jobs):
    db.run(["TRUNCATE quality.held_out"])
    db.write_frame(held_out.to_frame("id"), "quality.held_out")
    db.run("ANALYZE quality.held_out")
    query = f"SELECT * FROM {data.table} WHERE id NOT IN (SELECT id FROM quality.held_out)"
    key = f"'{{{data.group}}}'" if data.group else "NULL"
    db.run([f"SET max_parallel_maintenance_workers = {jobs - 1}",
            f"""SELECT ml_train('{data.name}', {db.literal(query)}, '{data.target}',
                exclude => '{{{','.join(["id"] + data.exclude)}}}', key => {key}, holdout => 0,
                params => '{{"n_estimators": {TREES}}}', seed => {seed})"""])
    version, classes = [db.rows(f"""
        SELECT version, array_to_json(classes) AS classes FROM pgforest.versions
        WHERE model = '{data.name}' ORDER BY version DESC LIMIT 1""")[0][k] for k in ("version", "classes")]
    model = f"{data.name}@{version}"
    rows = f"FROM {data.table} t JOIN quality.held_out USING (id) ORDER BY id"
    if data.regression:
        answer = db.read_frame(f"SELECT ml_predict('{model}', t, NULL::float8) AS value {rows}")["value"].to_numpy()
    else:
        import numpy

        frame = db.read_frame(f"""
            SELECT ml_predict('{model}', t) AS label,
                array_to_string(ml_predict_proba('{model}', t), ' ') AS probability {rows}""")
        answer = (frame["label"].astype(str).to_numpy(),
                  numpy.array([line.split(" ") for line in frame["probability"]], float), json.loads(classes))
    db.run(f"SELECT ml_drop('{model}')")
    return answer


def code(features, train, coding):
    """The matrix that scikit-learn trains on."""
    import numpy
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    text = [name for name in features if features[name].dtype == object]
    number = [name for name in features if name not in text]
    numbers = features[number].fillna(features.loc[train, number].median()).to_numpy("float32")
    if not text:
        return numbers
    values = features[text].fillna("?")
    if coding == "ordinal":
        encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype=numpy.float32)
        return numpy.hstack([numbers, encoder.fit(values[train]).transform(values)])
    encoder = OneHotEncoder(handle_unknown="ignore", dtype=numpy.float32)
    # as a dense matrix, which its trees take several times faster than a sparse one
    return numpy.hstack([numbers, encoder.fit(values[train]).transform(values).toarray()])


def run_sklearn(data, frame, test, seed, jobs, coding):
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    if data.name == "mnist":
        matrix = data.pixels
    else:
        matrix = code(frame.drop(columns=data.not_features), ~test, coding)
    target = frame[data.target].to_numpy()
    kind = RandomForestRegressor if data.regression else RandomForestClassifier
    forest = kind(n_estimators=TREES, n_jobs=jobs, random_state=seed)
    forest.fit(matrix[~test], target[~test])
    if data.regression:
        return forest.predict(matrix[test])
    probability = forest.predict_proba(matrix[test])
    classes = [str(c) for c in forest.classes_]
    return forest.classes_[probability.argmax(axis=1)].astype(str), probability, classes


# Measuring

def measure(data, actual, answer):
    from sklearn import metrics

    if data.regression:
        return {"r2": metrics.r2_score(actual, answer)}
    actual = actual.astype(str)
    labels, probability, classes = answer
    values = {"accuracy": metrics.accuracy_score(actual, labels)}
    if len(classes) == 2:
        values["roc_auc"] = metrics.roc_auc_score(actual == classes[1], probability[:, 1])
    else:
        order = sorted(range(len(classes)), key=lambda place: classes[place])
        values["roc_auc"] = metrics.roc_auc_score(actual, probability[:, order], multi_class="ovr",
                                                  labels=[classes[place] for place in order])
    if "f1" in data.metrics:
        values["f1"] = metrics.f1_score(actual, labels, pos_label=data.positive)
    return values


def splits(data, frame, seed):
    """For a seed, the masks of the rows that are held out."""
    import numpy

    random = numpy.random.default_rng(seed)
    if data.name == "mnist":
        yield numpy.arange(len(frame)) >= data.train_rows
    elif data.folds:
        fold = random.permutation(len(frame)) % data.folds
        for place in range(data.folds):
            yield fold == place
    else:
        group = frame[data.group] if data.group else frame["id"]
        values = group.unique()
        chosen = random.permutation(len(values)) < len(values) // 5
        yield group.isin(values[chosen]).to_numpy()


def compare(data, seeds, one_hot_seeds, jobs, keep):
    """{who: {metric: [the mean over its splits, for each seed]}}"""
    frame = data.frame()
    has_text = any(kind == "text" for name, kind in data.columns if name not in data.not_features)
    who = ["pgforest"] + (list(CODINGS) if has_text else ["scikit-learn"])
    results = {name: {metric: [] for metric in data.metrics} for name in who}
    for seed in range(seeds):
        if seed == one_hot_seeds and "one-hot" in who:
            who.remove("one-hot")
        values = {name: [] for name in who}
        seconds = {name: 0.0 for name in who}
        for test in splits(data, frame, seed):
            actual = frame[data.target].to_numpy()[test]
            for name in who:
                start = time.perf_counter()
                if name == "pgforest":
                    answer = run_pgforest(data, frame["id"][test], seed, jobs)
                else:
                    answer = run_sklearn(data, frame, test, seed, jobs, name)
                seconds[name] += time.perf_counter() - start
                values[name].append(measure(data, actual, answer))
        for name in who:
            means = {metric: statistics.fmean(v[metric] for v in values[name]) for metric in data.metrics}
            for metric, value in means.items():
                results[name][metric].append(value)
            keep({"set": data.name, "seed": seed, "who": name, **means, "seconds": round(seconds[name], 2)})
    return results


# Reporting

def deviation(values):
    return statistics.stdev(values) if len(values) > 1 else 0.0


def show(values):
    return f"{statistics.fmean(values):.4f} ± {deviation(values):.4f}"


NAMES = {"roc_auc": "ROC AUC", "accuracy": "accuracy", "r2": "R2", "f1": "F1 of the pulsars"}


def print_table(data, results, seeds):
    """Prints the table of a data set; returns what is below the bound."""
    below, lines = [], []
    peers = [name for name in results if name != "pgforest"]
    for metric in data.metrics:
        ours = results["pgforest"][metric]
        # over the seeds that both have; to the peer that does best against us
        pairs = [[a - b for a, b in zip(ours, results[name][metric])] for name in peers]
        differences = min(pairs, key=statistics.fmean)
        difference = statistics.fmean(differences)
        error = deviation(differences) / math.sqrt(len(differences))
        lines.append([NAMES[metric], show(ours)] + [show(results[name][metric]) for name in peers]
                     + [f"{round(difference, 4) + 0.0:+.4f} ± {error:.4f}"])
        if difference < -BOUND:
            below.append(f"{data.title}: {NAMES[metric]} is {-difference:.4f} below scikit-learn's")
        if metric == "f1" and statistics.fmean(ours) < PULSAR_F1:
            below.append(f"{data.title}: {NAMES[metric]} is below {PULSAR_F1}")
    titles = [f"scikit-learn, {CODINGS[name]}" if name in CODINGS else name for name in peers]
    few = len(results.get("one-hot", results["pgforest"])[data.metrics[0]])
    if few < seeds:
        titles[peers.index("one-hot")] += f" ({few} seeds)"
    how = f"{seeds} x {data.folds} folds" if data.folds else f"{seeds} seeds"
    print(f"<!-- begin quality-{data.name} -->")
    report.table([f"{data.title}, {how}", "pgforest"] + titles
                 + ["difference" if len(peers) == 1 else "difference from the better"], lines)
    print(f"<!-- end quality-{data.name} -->\n", flush=True)
    return below


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--one-hot-seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sets", default="")
    parser.add_argument("--records")
    options = parser.parse_args()

    try:
        import pandas
        import sklearn
    except ImportError as missing:
        print(f"skipped: there is nothing to compare with ({missing.name} is not installed for this Python; "
              "PEERS=install installs it)")
        return 0

    from datasets import DATASETS

    wanted = [name for name in options.sets.split(",") if name]
    unknown = set(wanted) - {data.name for data in DATASETS}
    if unknown:
        print(f"no such data set: {', '.join(sorted(unknown))}; there are "
              f"{', '.join(data.name for data in DATASETS)}", file=sys.stderr)
        return 2

    def keep(record):
        print(json.dumps(record), file=sys.stderr, flush=True)
        if options.records:
            with open(options.records, "a") as records:
                print(json.dumps(record), file=records)

    db.run(["CREATE SCHEMA quality", "CREATE TABLE quality.held_out (id int)"])
    below = []
    for data in DATASETS:
        if wanted and data.name not in wanted:
            continue
        lacking = [name for name in data.files() if not os.path.exists(os.path.join(options.data, name))]
        if lacking:
            print(f"skipped: {data.title} ({', '.join(lacking)} is not there)\n")
            continue
        data.load(options.data)
        results = compare(data, options.seeds, options.one_hot_seeds, options.jobs, keep)
        below += print_table(data, results, options.seeds)
        db.run(f"DROP TABLE {data.table}")

    print("<!-- begin quality-versions -->")
    print(report.versions([("scikit-learn", "sklearn"), ("pandas", "pandas"), ("numpy", "numpy")]))
    print("<!-- end quality-versions -->")
    for line in below:
        print("below the bound:", line, file=sys.stderr)
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())

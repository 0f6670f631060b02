"""How well isolation forests find labelled anomalies, beside scikit-learn's.

anomalies.py --data FOLDER [--seeds N] [--jobs N]

Both see the same rows without their labels, with their defaults, once for each
seed; what is compared is the area under the ROC curve of the scores of all
rows.  Pulsars (if FOLDER has htru2.csv.gz) and the breast cancers that
scikit-learn comes with are real; the other sets are made.

Prints a table between <!-- begin anomalies --> and <!-- end anomalies -->; ends
with an error when the means are more than BOUND apart.
"""
import argparse
import os
import statistics
import sys

import db
import report

BOUND = 0.01


def made_sets(numpy, pandas):
    """Name, rows as a frame of numbers, and who is an anomaly."""
    random = numpy.random.default_rng(5)
    normal = random.normal
    cloud = normal(0, 1, (3000, 6)) @ normal(0, 1, (6, 6))
    other = normal(6, 1, (2000, 6)) * [1, 2, 1, 0.5, 1, 3]
    apart = random.uniform(-15, 15, (150, 6))
    yield "clusters", numpy.vstack([cloud, other, apart]), numpy.arange(5150) >= 5000

    tails = numpy.exp(normal(0, 1.5, (8000, 12)))
    odd = random.uniform(size=8000) < 0.03
    tails[odd, :4] *= numpy.exp(normal(2, 1, (odd.sum(), 4)))
    yield "heavy tails", tails, odd

    counts = random.poisson(2, (6000, 10)).astype(float)
    odd = random.uniform(size=6000) < 0.05
    counts[odd] += random.poisson(1.5, (odd.sum(), 10))
    yield "counts", counts, odd


def all_sets(folder):
    import numpy
    import pandas
    from sklearn.datasets import load_breast_cancer

    path = os.path.join(folder, "htru2.csv.gz")
    if os.path.exists(path):
        frame = pandas.read_csv(path)
        yield "HTRU2", frame.drop(columns="class").to_numpy(), frame["class"].to_numpy() == 1
    cancers = load_breast_cancer()
    yield "breast cancer", cancers.data, cancers.target == 0
    yield from made_sets(numpy, pandas)


def load(rows):
    import pandas

    names = [f"x{i}" for i in range(rows.shape[1])]
    db.run(["DROP TABLE IF EXISTS anomalies",
            f"CREATE TABLE anomalies (id int, {', '.join(name + ' float8' for name in names)})"])
    frame = pandas.DataFrame(rows, columns=names)
    frame.insert(0, "id", range(len(rows)))
    db.write_frame(frame, "anomalies")


def score(seed):
    """Ours, in the order of the rows."""
    version = db.rows(f"""SELECT version FROM ml_train('anomalies', 'anomalies', algorithm => 'isolation_forest',
                          exclude => '{{id}}', seed => {seed})""")[0]["version"]
    return db.read_frame(f"""SELECT ml_predict('anomalies@{version}', a, NULL::float8) AS score
                             FROM anomalies a ORDER BY id""")["score"].to_numpy()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default=".")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    try:
        from sklearn.ensemble import IsolationForest
        from sklearn.metrics import roc_auc_score
    except ImportError:
        sys.exit("this needs scikit-learn and pandas: PEERS=install")

    lines, worst = [], 0
    for name, rows, odd in all_sets(arguments.data):
        load(rows)
        theirs, ours = [], []
        for seed in range(arguments.seeds):
            forest = IsolationForest(random_state=seed, n_jobs=arguments.jobs).fit(rows)
            theirs.append(roc_auc_score(odd, -forest.score_samples(rows)))
            ours.append(roc_auc_score(odd, score(seed)))
        difference = statistics.mean(ours) - statistics.mean(theirs)
        worst = max(worst, abs(difference))
        lines.append([name, f"{len(rows):,}", rows.shape[1], f"{odd.mean():.1%}"] +
                     [f"{statistics.mean(x):.4f} ± {statistics.pstdev(x):.4f}" for x in (theirs, ours)])
    print("<!-- begin anomalies -->")
    report.table(["rows", "number", "features", "anomalies", "scikit-learn", "pgforest"], lines)
    print("<!-- end anomalies -->")
    if worst > BOUND:
        sys.exit(f"the means are {worst:.4f} apart")


if __name__ == "__main__":
    main()

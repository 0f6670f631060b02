"""Train the same forest on the same rows, here and there, and say how long it took.

compare.py JOBS REPEATS; the connection comes from libpq's environment.
pgforest's time is that of ml_train: rows read, forest grown, measured and stored.
scikit-learn's is that of what its user does: COPY the rows out, fit, predict.
"""
import subprocess
import sys
import time

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score

JOBS, REPEATS = int(sys.argv[1]), int(sys.argv[2])
COLUMNS = ", ".join(f"f{i}" for i in range(1, 21))


def sql(text):
    command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
    for statement in text:
        command += ["-c", statement]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def ours(seed):
    """Seconds to train, seconds to predict, AUC."""
    seconds, score = sql([
        # the leader works too
        "SET max_parallel_maintenance_workers = %d" % max(JOBS - 1, 0),
        "SET max_parallel_workers_per_gather = %d" % max(JOBS - 1, 0),
        "SELECT seconds, score FROM ml_train('bench', 'bench.classification', 'label', split => 'part', "
        "exclude => ARRAY['id'], seed => %d)" % seed]).strip().split("|")
    start = time.perf_counter()
    sql(["SET max_parallel_workers_per_gather = %d" % max(JOBS - 1, 0),
         "SELECT sum(ml_predict_proba('bench@' || %d, t, '1')) FROM bench.classification AS t "
         "WHERE part = 'validation'" % (seed + 1)])
    return float(seconds), time.perf_counter() - start, float(score)


def theirs(seed):
    def rows(part):
        text = sql([f"COPY (SELECT {COLUMNS}, label FROM bench.classification WHERE part = '{part}') TO STDOUT (FORMAT csv)"])
        table = np.fromstring(text.replace("\n", ","), sep=",").reshape(-1, 21)
        return table[:, :20].astype(np.float32), table[:, 20].astype(int)

    start = time.perf_counter()
    features, label = rows("train")
    forest = RandomForestClassifier(n_estimators=100, n_jobs=JOBS, random_state=seed).fit(features, label)
    trained = time.perf_counter()
    features, label = rows("validation")
    score = forest.predict_proba(features)[:, 1]
    return trained - start, time.perf_counter() - trained, roc_auc_score(label, score)


def main():
    runs = [(ours(seed), theirs(seed)) for seed in range(REPEATS)]
    us, them = ([min(run[who][i] for run in runs) for i in (0, 1)] for who in (0, 1))
    auc = [np.mean([run[who][2] for run in runs]) for who in (0, 1)]
    print("| 100 unlimited trees | train, s | predict, s | AUC |")
    print("| --- | ---: | ---: | ---: |")
    print(f"| pgforest | {us[0]:.2f} | {us[1]:.2f} | {auc[0]:.4f} |")
    print(f"| scikit-learn | {them[0]:.2f} | {them[1]:.2f} | {auc[1]:.4f} |")
    print(f"| times faster | {them[0] / us[0]:.1f} | {them[1] / us[1]:.1f} | |")


main()

#!/usr/bin/python3
"""The engine's metrics against scikit-learn's on random predictions.

Usage: measure_vs_sklearn.py PATH-TO-MEASURE_CLI

Baselines are checked by brute force: scikit-learn's metric of every constant
predictor that there is, the best of them.  Everything agrees to 1e-9, relative
to the value where that is above 1.  Ends with "N passed, N failed"; says that it
was skipped when scikit-learn is not there.
"""
import subprocess
import sys
import warnings

try:
    import numpy as np
    import sklearn
    from sklearn import metrics as sk
except ImportError as error:
    print(f"measure_vs_sklearn: skipped ({error})")
    sys.exit(0)

TOLERANCE = 1e-9
NAN = float("nan")
passed = failed = 0


def check(what, got, wanted):
    global passed, failed
    got, wanted = np.atleast_1d(got).astype(float), np.atleast_1d(wanted).astype(float)
    if got.shape == wanted.shape and np.allclose(
        got, wanted, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True
    ):
        passed += 1
        return
    failed += 1
    if got.shape == wanted.shape:
        bad = ~np.isclose(got, wanted, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
        print(f"{what}: {got[bad][0]!r}, not {wanted[bad][0]!r}")
    else:
        print(f"{what}: {got.shape} values, not {wanted.shape}")


def ask(cli, head, rows):
    lines = [head] + [" ".join(map(repr, row)) for row in rows]
    answer = subprocess.run(
        [cli], input="\n".join(lines) + "\n", capture_output=True, text=True
    )
    if answer.returncode != 0:
        sys.exit(f"measure_cli: exit status {answer.returncode}\n{answer.stderr}")
    return [line.split(",") for line in answer.stdout.splitlines()]


def ask_metrics(cli, head, rows):
    return {
        (name, int(label)): (float(value), float(baseline))
        for name, label, value, baseline in ask(cli, head, rows)
    }


def of_classes(actual, predicted, nclasses):
    """The metrics that depend on predicted classes."""
    labels = list(range(nclasses))
    result = {
        ("accuracy", -1): sk.accuracy_score(actual, predicted),
        ("balanced_accuracy", -1): sk.balanced_accuracy_score(actual, predicted),
        ("mcc", -1): sk.matthews_corrcoef(actual, predicted),
    }
    for name, function in (
        ("precision", sk.precision_score),
        ("recall", sk.recall_score),
        ("f1", sk.f1_score),
    ):
        result[name, -1] = function(actual, predicted, average="macro", zero_division=0)
        each = function(actual, predicted, labels=labels, average=None, zero_division=0)
        for label in labels:
            result[name, label] = each[label]
    return result


def areas(actual, score):
    """Area under the ROC curve and average precision of a class against the rest."""
    auc = sk.roc_auc_score(actual, score) if 0 < actual.sum() < len(actual) else NAN
    return auc, sk.average_precision_score(actual, score)


def of_shares(actual, shares):
    """The metrics that depend on the shares of the classes."""
    nclasses = shares.shape[1]
    truth = np.eye(nclasses)[actual]
    result = {("log_loss", -1): sk.log_loss(actual, shares, labels=list(range(nclasses)))}
    if nclasses == 2:
        result["brier", -1] = sk.brier_score_loss(truth[:, 1].astype(int), shares[:, 1])
    else:
        result["brier", -1] = sum(
            sk.brier_score_loss(truth[:, c].astype(int), shares[:, c], pos_label=1)
            for c in range(nclasses)
        )
    for c in range(nclasses):
        result["roc_auc", c], result["average_precision", c] = areas(
            truth[:, c].astype(int), shares[:, c]
        )
    occurring = np.unique(actual)
    if nclasses == 2:
        for name in ("roc_auc", "average_precision"):
            result[name, -1] = result[name, 1]
    else:
        aucs = [result["roc_auc", c] for c in occurring]
        result["roc_auc", -1] = np.mean(aucs)
        result["average_precision", -1] = np.mean(
            [result["average_precision", c] for c in occurring]
        )
        if len(occurring) == nclasses:
            rows = shares.sum(axis=1)
            if np.allclose(rows, 1):  # a condition of this function
                ours = sk.roc_auc_score(actual, shares, multi_class="ovr", average="macro")
                check("definition of the macro area", result["roc_auc", -1], ours)
            ours = sk.average_precision_score(truth, shares, average="macro")
            check("definition of macro precision", result["average_precision", -1], ours)
    return result


def best_constants(actual, nclasses):
    """The best value of every metric over all constant predictors."""
    shares = np.bincount(actual, minlength=nclasses) / len(actual)
    best = of_shares(actual, np.tile(shares, (len(actual), 1)))
    for label in range(nclasses):
        reached = of_classes(actual, np.full(len(actual), label), nclasses)
        for key, value in reached.items():
            best[key] = max(best.get(key, value), value)
    return best


def check_dict(what, got, value_wanted, baseline_wanted):
    check(f"{what}: number of metrics", len(got), len(value_wanted))
    for key, value in value_wanted.items():
        check(f"{what}: {key[0]} of {key[1]}", got.get(key, (-9e9, 0))[0], value)
    for key, value in baseline_wanted.items():
        check(f"{what}: baseline of {key[0]} of {key[1]}", got.get(key, (0, -9e9))[1], value)


def check_curve(what, cli, actual, shares, label):
    nclasses = shares.shape[1]
    rows = [[int(a), *map(float, s)] for a, s in zip(actual, shares)]
    points = ask(cli, f"curve {nclasses} {len(actual)} {label} 0", rows)
    threshold, tpr, fpr, precision, recall = np.array(points, dtype=float).T
    truth = (actual == label).astype(int)
    wanted_fpr, wanted_tpr, wanted_threshold = sk.roc_curve(
        truth, shares[:, label], pos_label=1, drop_intermediate=False
    )
    # scikit-learn 1.2 starts at the highest score + 1, later ones at infinity
    check(f"{what}: thresholds", threshold[1:], wanted_threshold[1:])
    check(f"{what}: first threshold", threshold[0], np.inf)
    check(f"{what}: true positive rate", tpr, wanted_tpr)
    check(f"{what}: false positive rate", fpr, wanted_fpr)
    wanted_precision, wanted_recall, _ = sk.precision_recall_curve(
        truth, shares[:, label], pos_label=1
    )
    check(f"{what}: precision", precision[::-1], wanted_precision)
    check(f"{what}: recall", recall[::-1], wanted_recall)


def check_classification(what, cli, actual, shares):
    nclasses = shares.shape[1]
    rows = [[int(a), *map(float, s)] for a, s in zip(actual, shares)]
    predicted = shares.argmax(axis=1)
    wanted = {**of_classes(actual, predicted, nclasses), **of_shares(actual, shares)}
    got = ask_metrics(cli, f"classes {nclasses} {len(actual)}", rows)
    check_dict(what, got, wanted, best_constants(actual, nclasses))
    counts = ask(cli, f"confusion {nclasses} {len(actual)}", rows)
    check(
        f"{what}: confusion matrix",
        [int(count) for _, _, count in counts],
        sk.confusion_matrix(actual, predicted, labels=list(range(nclasses))).ravel(),
    )
    for label in range(nclasses):
        check_curve(f"{what}: curve of {label}", cli, actual, shares, label)


def of_values(actual, predicted):
    return {
        ("rmse", -1): np.sqrt(sk.mean_squared_error(actual, predicted)),
        ("mae", -1): sk.mean_absolute_error(actual, predicted),
        ("r2", -1): sk.r2_score(actual, predicted),
        ("mape", -1): sk.mean_absolute_percentage_error(actual, predicted),
    }


def check_regression(what, cli, actual, predicted):
    # the best constant is the mean, or one of the values
    best = of_values(actual, np.full(len(actual), actual.mean()))
    for constant in np.unique(actual):
        for key, value in of_values(actual, np.full(len(actual), constant)).items():
            better = np.fmax if key[0] == "r2" else np.fmin
            best[key] = better(best[key], value)
    rows = [[float(a), float(p)] for a, p in zip(actual, predicted)]
    got = ask_metrics(cli, f"values {len(actual)}", rows)
    check_dict(what, got, of_values(actual, predicted), best)


def random_shares(rng, n, nclasses, actual, ties):
    """Shares that lean to the actual class, so that the metrics are far from chance."""
    weights = rng.gamma(0.7, size=(n, nclasses))
    weights[np.arange(n), actual] += rng.random(n)
    shares = weights / weights.sum(axis=1, keepdims=True)
    if ties:
        # as a small forest has them: twentieths, with exact zeros and ones
        shares = np.round(shares * 20) / 20
        shares[:, 0] = np.maximum(0, 1 - shares[:, 1:].sum(axis=1))
    return shares


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    cli = sys.argv[1]
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(20)

    for n in (2, 3, 10, 500, 5000):
        for nclasses in (2, 3, 4, 11):
            for ties in (False, True):
                actual = rng.choice(
                    nclasses, size=n, p=np.arange(1, nclasses + 1) / sum(range(nclasses + 1))
                )
                shares = random_shares(rng, n, nclasses, actual, ties)
                what = f"{n} rows, {nclasses} classes{', ties' if ties else ''}"
                check_classification(what, cli, actual, shares)

    # a class without rows; one that the model does not know; both; all rows alike
    for nclasses in (2, 4):
        for missing in range(nclasses):
            actual = rng.integers(0, nclasses - 1, size=300)
            actual[actual >= missing] += 1
            shares = random_shares(rng, 300, nclasses, actual, True)
            check_classification(f"{nclasses} classes, no row of {missing}", cli, actual, shares)
            actual = rng.integers(0, nclasses, size=300)
            shares[:, missing] = 0
            check_classification(f"{nclasses} classes, {missing} unknown", cli, actual, shares)
        actual = rng.integers(0, nclasses, size=300)
        shares = np.tile(np.eye(nclasses)[0], (300, 1))
        check_classification(f"{nclasses} classes, constant shares", cli, actual, shares)
        actual[:] = 1
        check_classification(f"{nclasses} classes, all wrong", cli, actual, shares)

    for n in (1, 2, 3, 10, 500):
        actual = rng.normal(100, 50, size=n)
        noise = rng.normal(0, 20, size=n)
        check_regression(f"{n} values", cli, actual, actual + noise)
        check_regression(f"{n} values, far from 0", cli, actual + 1e6, actual + 1e6 + noise)
        whole = np.round(actual / 30)
        check_regression(f"{n} values, ties and zeros", cli, whole, np.round((actual + noise) / 30))
        check_regression(f"{n} values, exact", cli, actual, actual)
        check_regression(f"{n} values, constant", cli, np.full(n, 3.0), 3 + noise)
        check_regression(f"{n} values, constant and exact", cli, np.full(n, 3.0), np.full(n, 3.0))
        check_regression(f"{n} values, all zero", cli, np.zeros(n), noise)
        check_regression(f"{n} values, long tail", cli, np.exp(actual / 20), np.exp(noise / 5))

    print(f"measure_vs_sklearn (scikit-learn {sklearn.__version__}):")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()

#!/usr/bin/env python3
"""Writes linear_answers.h: what scikit-learn fits to the rows of test_linear.c.

Usage: linear_answers.py > linear_answers.h.  No test runs this: the answers are
kept, and made anew only when a case is added.  The rows are made here and in
test_linear.c by the same generator.
"""
import math
import warnings

import numpy as np
import sklearn
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge

warnings.simplefilter("ignore")		# the tolerance is at the limit of the arithmetic
MASK = (1 << 64) - 1
KEPT = 50					# values of a case


class Random:
    """unit_random and unit_uniform of unit.h"""

    def __init__(self, seed):
        self.state = seed

    def integer(self):
        self.state = x = (self.state + 0x9E3779B97F4A7C15) & MASK
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
        return x ^ (x >> 31)

    def uniform(self):
        return (self.integer() >> 11) / 9007199254740992.0


def make_rows(n, numbers):
    """numbers columns of numbers, then a category of 4 bins; see make_rows in test_linear.c"""
    random = Random(7)
    rows = []
    for _ in range(n):
        values = [random.uniform() for _ in range(numbers)]
        category = random.integer() % 4
        noise = random.uniform() - 0.5
        signal = 3 * values[0] - 2 * values[1] + (category == 2) + noise
        weight = np.float32(0.5 + random.uniform())
        values[1] = 7e8 + 1e5 * values[1]
        if random.uniform() < 0.1:
            values[2] = math.nan
        if random.uniform() < 0.05:
            category = math.nan
        rows.append((values, category, 100 + 20 * signal, weight, signal))
    return rows


def columns(rows, weight, centred):
    """Standardised numbers, one-hot bins, columns for missing values; and the way back."""
    x = np.array([r[0] for r in rows])
    names, out = [], []
    mean = np.empty(x.shape[1])
    scale = np.empty(x.shape[1])
    for f in range(x.shape[1]):
        v = x[:, f].copy()
        gone = np.isnan(v)
        mean[f] = np.average(v[~gone], weights=weight[~gone])
        v[gone] = mean[f]
        scale[f] = math.sqrt(np.average((v - mean[f]) ** 2, weights=weight))
        out.append((v - (mean[f] if centred else 0)) / scale[f])
        names.append((f, "slope"))
        if gone.any():
            out.append(gone.astype(float))
            names.append((f, "missing"))
    category = np.array([r[1] for r in rows], dtype=float)
    for b in range(4):
        out.append((category == b).astype(float))
        names.append((x.shape[1], b))
    out.append(np.isnan(category).astype(float))
    names.append((x.shape[1], "missing"))
    return np.array(out).T, names, mean, scale


def on_own_scale(w, intercept, names, mean, scale, centred):
    """In the order of PfLinear: a number's slope and missing, the bins and missing."""
    slope = np.zeros(len(mean))
    missing = np.zeros(len(mean))
    bins = [0.0] * 5
    for value, (f, what) in zip(w, names):
        if f == len(mean):
            bins[4 if what == "missing" else what] = value
        elif what == "slope":
            slope[f] = value / scale[f]
        else:
            missing[f] = value
    if centred:
        intercept = intercept - float(np.sum(slope * mean))
    out = [intercept]
    for f in range(len(mean)):
        out += [slope[f], slope[f] * mean[f] + missing[f]]
    return out + bins


def answer(name, n, numbers, model, classes=0, weighted=False, class_weight=None):
    rows = make_rows(n, numbers)
    weight = np.array([r[3] for r in rows], dtype=float) if weighted else np.ones(n)
    signal = np.array([r[4] for r in rows])
    if classes == 0:
        y = np.array([r[2] for r in rows])
    else:
        y = np.minimum(np.maximum(np.floor((signal + 1.5) / 4 * classes), 0), classes - 1).astype(int)
    fitted = weight.copy()
    if class_weight == "balanced":
        fitted *= (n / (classes * np.bincount(y)))[y]
    centred = model.fit_intercept
    x, names, mean, scale = columns(rows, fitted, centred)
    model.fit(x, y, sample_weight=fitted)
    coef = np.atleast_2d(model.coef_)
    intercept = np.atleast_1d(model.intercept_) * np.ones(len(coef))
    values = []
    for k in range(len(coef)):
        values += on_own_scale(coef[k], intercept[k], names, mean, scale, centred)
    print("static const double %s[] = {" % name)
    for v in values[:KEPT]:
        print("\t%s," % repr(float(v)))
    print("};\n")


def logistic(c, **more):
    return LogisticRegression(C=c, solver="newton-cg", tol=1e-11, max_iter=1000, **more)


def sparse(c, l1_ratio, **more):
    return LogisticRegression(C=c, penalty="elasticnet", l1_ratio=l1_ratio, solver="saga", tol=1e-13,
                              max_iter=200000, random_state=0, **more)


print("/*\n * linear_answers.h\n *\t  What scikit-learn fits to the rows of test_linear.c.\n *\n"
      " * Written by linear_answers.py with scikit-learn %s; do not edit.\n */\n" % sklearn.__version__)
answer("ridge", 200, 3, Ridge(alpha=1.0, solver="cholesky"))
answer("ridge_weighted", 200, 3, Ridge(alpha=10.0, solver="cholesky"), weighted=True)
answer("ridge_origin", 200, 3, Ridge(alpha=1.0, solver="cholesky", fit_intercept=False))
answer("elastic", 200, 3, ElasticNet(alpha=0.5, l1_ratio=0.5, tol=1e-15, max_iter=10000000))
answer("elastic_weighted", 200, 3, ElasticNet(alpha=0.1, l1_ratio=1.0, tol=1e-15, max_iter=10000000), weighted=True)
answer("binary", 200, 3, logistic(1.0), 2)
answer("binary_weighted", 200, 3, logistic(100.0), 2, weighted=True)
answer("binary_balanced", 200, 3, logistic(1.0), 2, class_weight="balanced")
answer("binary_origin", 200, 3, logistic(1.0, fit_intercept=False), 2)
answer("classes", 200, 3, logistic(1.0), 3)
answer("classes_weighted", 200, 3, logistic(10.0), 3, weighted=True)
answer("binary_wide", 300, 80, logistic(1.0), 2)
answer("classes_wide", 300, 40, logistic(1.0), 3)
answer("ridge_wide", 60, 4200, Ridge(alpha=2.0, solver="cholesky"))
answer("binary_many", 100, 500, logistic(1.0), 2)
answer("classes_many", 100, 300, logistic(0.1), 3)
answer("binary_lasso", 200, 3, sparse(0.3, 1.0), 2)
answer("binary_elastic", 200, 3, sparse(1.0, 0.4), 2, weighted=True)
answer("binary_lasso_wide", 300, 80, sparse(0.3, 1.0), 2)
answer("classes_lasso", 200, 3, sparse(0.5, 1.0), 3)
answer("classes_elastic", 200, 3, sparse(2.0, 0.7), 3, weighted=True)
answer("classes_elastic_balanced", 300, 40, sparse(0.5, 0.5), 3, class_weight="balanced")

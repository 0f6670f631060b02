"""What pgforest is compared with, each run in a process of its own.

peers.py PEER --relation R --target T [--regression] [--fold F] [--depth D] [--jobs N] [--seed N] [--trees N]

As their users do: COPY the rows out of the server, parse them, turn texts into
numbers, train on four fifths (all but fold F), COPY all rows out, predict, COPY the answers back
into bench.answer (id, p0, p1, ...: the probability of each class in the order
of their bytes, or the value).  Prints a line for each step, its name and its
seconds; imports are in none.
"""
import argparse
import math
import shutil
import subprocess
import sys
import time

import db

# How the report calls them; what has to be there.
PEERS = {"sklearn": "scikit-learn", "ranger": "ranger", "xgboost": "XGBoost, forest mode",
         "lightgbm": "LightGBM, forest mode"}
BOOSTING = {"xgboost_boosting": "XGBoost, depth 6", "lightgbm_boosting": "LightGBM, 31 leaves",
            "sklearn_boosting": "scikit-learn, 31 leaves"}
EXTRA_TREES = {"sklearn_extra": "scikit-learn", "sklearn_extra_all": "scikit-learn, all features"}
LIBRARIES = {"sklearn": ["sklearn", "pandas"], "xgboost": ["xgboost", "pandas"],
             "lightgbm": ["lightgbm", "pandas"]}

# XGBoost keeps a histogram for every node of a level and LightGBM for every
# leaf: without a bound they take tens of gigabytes or more minutes than the rest
# together.  XGBoost's trees are bounded above so many rows, LightGBM's always.
UNBOUNDED_ROWS = 200000
XGBOOST_DEPTH = 12
LIGHTGBM_LEAVES = 1024


def libraries(peer):
    return LIBRARIES[peer.split("_")[0]]


def version(peer):
    """The version that is installed, or None."""
    if peer == "ranger":
        if not shutil.which("Rscript"):
            return None
        script = "library(ranger); library(data.table); cat(as.character(packageVersion('ranger')))"
        found = subprocess.run(["Rscript", "--vanilla", "-e", script], capture_output=True, text=True)
        return found.stdout.strip() if found.returncode == 0 else None
    try:
        return [__import__(library) for library in libraries(peer)][0].__version__
    except ImportError:
        return None


def depth(peer, rows):
    """The bound on XGBoost's trees; 0 is none."""
    return XGBOOST_DEPTH if peer == "xgboost" and rows > UNBOUNDED_ROWS else 0


def title(peer, rows):
    if depth(peer, rows):
        return f"{PEERS[peer]}, depth {depth(peer, rows)} at most"
    if peer == "lightgbm":
        return f"{PEERS[peer]}, {LIGHTGBM_LEAVES:,} leaves at most"
    return PEERS[peer]


def step(name, action):
    start = time.perf_counter()
    result = action()
    print(name, f"{time.perf_counter() - start:.6f}", flush=True)
    return result


class Coding:
    """A frame as a float32 matrix: texts are numbered as the training rows have them."""

    def __init__(self, frame, not_features, fill):
        self.names = [name for name in frame.columns if name not in not_features]
        self.texts = {name: sorted(frame[name].dropna().unique())
                      for name in self.names if frame[name].dtype == object}
        self.fill = fill        # for a library that takes no missing values
        self.median = {name: frame[name].median() for name in self.names
                       if fill and name not in self.texts and frame[name].hasnans}

    def matrix(self, frame):
        import numpy
        import pandas

        matrix = numpy.empty((len(frame), len(self.names)), numpy.float32)
        for place, name in enumerate(self.names):
            if name in self.texts:
                codes = pandas.Categorical(frame[name], self.texts[name]).codes.astype(numpy.float32)
                matrix[:, place] = codes if self.fill else numpy.where(codes < 0, numpy.nan, codes)
            else:
                matrix[:, place] = frame[name].fillna(self.median[name]) if name in self.median else frame[name]
        return matrix

    def text_places(self):
        return [place for place, name in enumerate(self.names) if name in self.texts]


def fit_sklearn(options, coding, rows, target, nclasses):
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    kind = RandomForestClassifier if nclasses else RandomForestRegressor
    forest = kind(n_estimators=options.trees, max_features="sqrt", n_jobs=options.jobs, random_state=options.seed)
    forest.fit(rows, target)
    return forest.predict_proba if nclasses else forest.predict


def train_xgboost(options, coding, rows, target, nclasses, settings, rounds):
    import xgboost

    texts = coding.text_places()
    types = ["c" if place in texts else "q" for place in range(rows.shape[1])]
    settings = {"tree_method": "hist", "nthread": options.jobs, "seed": options.seed, "max_bin": 256,
                "objective": {0: "reg:squarederror", 2: "binary:logistic"}.get(nclasses, "multi:softprob"), **settings}
    if nclasses > 2:
        settings["num_class"] = nclasses

    def pack(matrix, label=None):
        return xgboost.DMatrix(matrix, label=label, feature_types=types, enable_categorical=bool(texts),
                               nthread=options.jobs)

    model = xgboost.train(settings, pack(rows, target), rounds)
    return lambda matrix: model.predict(pack(matrix))


def fit_xgboost(options, coding, rows, target, nclasses):
    forest = {"num_parallel_tree": options.trees, "eta": 1, "subsample": 0.632,
              "colsample_bynode": math.isqrt(rows.shape[1]) / rows.shape[1],
              "max_depth": options.depth, "min_child_weight": 0.25 if nclasses > 2 else 1, "reg_lambda": 1e-5}
    return train_xgboost(options, coding, rows, target, nclasses, forest, 1)


def train_lightgbm(options, coding, rows, target, nclasses, settings):
    import lightgbm

    settings = {"num_threads": options.jobs, "seed": options.seed, "verbosity": -1,
                "objective": {0: "regression", 2: "binary"}.get(nclasses, "multiclass"), **settings}
    if nclasses > 2:
        settings["num_class"] = nclasses
    data = lightgbm.Dataset(rows, label=target, categorical_feature=coding.text_places())
    model = lightgbm.train(settings, data, options.trees)
    return lambda matrix: model.predict(matrix, num_threads=options.jobs)


def fit_lightgbm(options, coding, rows, target, nclasses):
    forest = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.632,
              "feature_fraction_bynode": math.isqrt(rows.shape[1]) / rows.shape[1],
              "num_leaves": LIGHTGBM_LEAVES, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0}
    return train_lightgbm(options, coding, rows, target, nclasses, forest)


def fit_sklearn_extra(options, coding, rows, target, nclasses, max_features="sqrt"):
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    kind = ExtraTreesClassifier if nclasses else ExtraTreesRegressor
    trees = kind(n_estimators=options.trees, max_features=max_features, n_jobs=options.jobs, random_state=options.seed)
    trees.fit(rows, target)
    return trees.predict_proba if nclasses else trees.predict


def fit_sklearn_extra_all(options, coding, rows, target, nclasses):
    return fit_sklearn_extra(options, coding, rows, target, nclasses, 1.0)


def fit_sklearn_boosting(options, coding, rows, target, nclasses):
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    # it takes no category with more values than it has bins: those are numbers, in the order of the texts
    few = [place for place in coding.text_places() if len(coding.texts[coding.names[place]]) < 255]
    kind = HistGradientBoostingClassifier if nclasses else HistGradientBoostingRegressor
    model = kind(max_iter=options.trees, learning_rate=0.1, max_leaf_nodes=31, early_stopping=False,
                 categorical_features=few or None, random_state=options.seed)
    model.fit(rows, target)
    return model.predict_proba if nclasses else model.predict


def fit_xgboost_boosting(options, coding, rows, target, nclasses):
    return train_xgboost(options, coding, rows, target, nclasses, {"max_depth": 6, "eta": 0.1}, options.trees)


def fit_lightgbm_boosting(options, coding, rows, target, nclasses):
    return train_lightgbm(options, coding, rows, target, nclasses, {"num_leaves": 31, "learning_rate": 0.1})


FIT = {"sklearn": fit_sklearn, "xgboost": fit_xgboost, "lightgbm": fit_lightgbm,
       "sklearn_extra": fit_sklearn_extra, "sklearn_extra_all": fit_sklearn_extra_all, "sklearn_boosting": fit_sklearn_boosting,
       "xgboost_boosting": fit_xgboost_boosting, "lightgbm_boosting": fit_lightgbm_boosting}


def run(options):
    import numpy
    import pandas

    def fetch_training():
        frame = db.read_frame(f"SELECT * FROM {options.relation} WHERE id % 5 <> {options.fold}")
        coding = Coding(frame, ["id", options.target], fill=options.peer in ("sklearn", *EXTRA_TREES))
        classes, target = (0, frame[options.target].to_numpy()) if options.regression \
            else numpy.unique(frame[options.target].to_numpy(), return_inverse=True)
        return coding, coding.matrix(frame), target, 0 if options.regression else len(classes)

    def fetch_all():
        frame = db.read_frame(f"SELECT * FROM {options.relation}")
        return frame["id"], coding.matrix(frame)

    def write():
        columns = [f"p{place}" for place in range(answer.shape[1])]
        frame = pandas.DataFrame(answer, columns=columns)
        frame.insert(0, "id", ids)
        db.run(["DROP TABLE IF EXISTS bench.answer", "CREATE UNLOGGED TABLE bench.answer (id bigint, "
                + ", ".join(f"{column} float8" for column in columns) + ")"])
        db.write_frame(frame, "bench.answer")

    for library in libraries(options.peer):
        __import__(library)
    if options.peer.startswith("sklearn"):
        import sklearn.ensemble
    coding, rows, target, nclasses = step("fetch", fetch_training)
    predict = step("train", lambda: FIT[options.peer](options, coding, rows, target, nclasses))
    del rows, target
    ids, rows = step("fetch all", fetch_all)
    answer = step("predict", lambda: predict(rows))
    if answer.ndim == 1:
        answer = numpy.column_stack([1 - answer, answer]) if nclasses == 2 else answer.reshape(-1, 1)
    step("write", write)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=sorted(FIT))
    parser.add_argument("--relation", required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--regression", action="store_true")
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--depth", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trees", type=int, default=100)
    run(parser.parse_args())
    return 0


if __name__ == "__main__":
    sys.exit(main())

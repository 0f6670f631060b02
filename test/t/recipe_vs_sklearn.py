"""What a recipe made of real rows beside what scikit-learn makes of them.

Called by 015_recipe.pl: recipe_vs_sklearn.py TABLE RAW.csv.gz CLEAN.csv.  Ends with 1 and says where
the two differ by more than 1e-9.
"""
import sys

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, RobustScaler, StandardScaler

table, raw_file, clean_file = sys.argv[1:]
raw = pd.read_csv(raw_file, keep_default_na=False, na_values=["?"] if table == "diabetes" else [""])
clean = pd.read_csv(clean_file, keep_default_na=False, na_values=[""])
place = np.arange(1, len(raw) + 1)
failed = []


def compare(name, expected):
    expected = np.asarray(expected)
    if expected.dtype == object:
        good = (clean[name].to_numpy(dtype=object) == expected).all()
        worst = "text"
    else:
        actual = clean[name].to_numpy(dtype=float)
        expected = expected.astype(float)
        same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
        error = np.where(same, 0, np.abs(actual - expected) / np.maximum(1, np.abs(expected)))
        good = len(actual) == len(expected) and bool((error <= 1e-9).all())
        worst = f"{np.nanmax(error):.3g}"
    print(f"# {name}: {'same' if good else 'DIFFERS'} ({worst})")
    if not good:
        failed.append(name)


def scale(scaler, names):
    for name, column in zip(names, scaler.fit_transform(raw[names].astype(float)).T):
        compare(name, column)


def one_hot(names):
    for name in names:
        values = raw[[name]].astype(object).where(raw[[name]].notna(), None)
        encoder = OneHotEncoder().fit(values)
        columns = encoder.transform(values).toarray().T
        for category, column in zip(encoder.categories_[0], columns):
            compare(f"{name}_{'null' if category is None else category}", column)


def ordinal(names):
    for name in names:
        compare(name, OrdinalEncoder().fit_transform(raw[[name]])[:, 0])


def target_mean(name, y, smoothing):
    """TargetEncoder's full fit, as its documentation has it; a missing value is a category."""
    values = raw[name].astype(object).where(raw[name].notna(), None).fillna("missing value")
    y = np.asarray(y, dtype=float)
    encoded = {}
    for category, rows in pd.Series(np.arange(len(y))).groupby(values.to_numpy()):
        own = y[rows.to_numpy()]
        if smoothing == "auto":
            trust = y.var() * len(own) / (y.var() * len(own) + own.var())
            encoded[category] = trust * own.mean() + (1 - trust) * y.mean()
        else:
            encoded[category] = (own.sum() + smoothing * y.mean()) / (len(own) + smoothing)
    compare(name, values.map(encoded).to_numpy(dtype=float))


if table == "diabetes":
    def missing(column, every):
        return np.where(place % every != 0, raw[column], np.nan).reshape(-1, 1)

    compare("mean", SimpleImputer().fit_transform(missing("num_medications", 7))[:, 0])
    compare("mean_missing", place % 7 == 0)
    compare("median", SimpleImputer(strategy="median").fit_transform(missing("num_lab_procedures", 5))[:, 0])
    compare("often", SimpleImputer(strategy="most_frequent").fit_transform(missing("number_diagnoses", 3))[:, 0])
    compare("fixed", SimpleImputer(strategy="constant", fill_value=-1).fit_transform(missing("number_outpatient", 4))[:, 0])
    compare("payer_code", SimpleImputer(strategy="most_frequent").fit_transform(raw[["payer_code"]].astype(object))[:, 0])
    scale(StandardScaler(), ["time_in_hospital", "num_procedures"])
    scale(MinMaxScaler(), ["number_inpatient"])
    scale(RobustScaler(), ["num_lab_procedures"])
    one_hot(["race", "gender", "age", "admission_type_id"])
    ordinal(["max_glu_serum", "a1c_result"])
    target_mean("diag_1", raw["readmitted"] == "<30", "auto")
    target_mean("medical_specialty", raw["readmitted"] == "<30", 20)
else:
    scale(StandardScaler(), ["mileage", "mpg"])
    scale(MinMaxScaler(), ["year"])
    scale(RobustScaler(), ["tax", "engine_size"])
    one_hot(["fuel_type", "transmission"])
    ordinal(["make"])
    target_mean("model", raw["price"], "auto")

if failed:
    print("# differs from scikit-learn:", ", ".join(failed))
sys.exit(1 if failed else 0)

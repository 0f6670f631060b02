"""The real data sets: their tables in schema quality, and what is asked of each.

A table has an id in the order of the file, so that rows can be named on both
sides.  The files are those of shared/data: CSV with a header line, packed by
gzip, and MNIST's four IDX files.
"""
import gzip
import os
import shutil

import db


class DataSet:
    """
    name, title    the table in schema quality, and how it is called in the report
    target         what is predicted; a number is a regression
    metrics        what is measured on held-out rows, by the names that ml_evaluate uses
    columns        SQL types, in the file's order; NULL is how the file spells a missing value
    group          rows with the same value stay on one side of a split; no feature
    exclude        other columns that are no features
    positive       the class that precision, recall and f1 are about
    folds          0: a share is held out for each seed; else the seed shuffles these folds
    """

    def __init__(self, name, title, target, metrics, columns, file=None, null="", group=None, exclude=(),
                 positive=None, folds=0):
        self.name, self.title, self.target, self.metrics = name, title, target, metrics
        self.columns, self.file, self.null = columns, file, null
        self.group, self.exclude, self.positive, self.folds = group, list(exclude), positive, folds
        self.regression = "r2" in metrics

    @property
    def table(self):
        return "quality." + self.name

    @property
    def not_features(self):
        return ["id", self.target] + ([self.group] if self.group else []) + self.exclude

    def files(self):
        return [self.file]

    def load(self, folder):
        names = ", ".join(name for name, _ in self.columns)
        db.run(f"CREATE TABLE {self.table} (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
               + ", ".join(f"{name} {kind}" for name, kind in self.columns) + ")")
        with gzip.open(os.path.join(folder, self.file)) as source, \
                db.Copy(f"COPY {self.table} ({names}) FROM STDIN (FORMAT csv, HEADER, NULL '{self.null}')") as sink:
            shutil.copyfileobj(source, sink)
        db.run(f"VACUUM (ANALYZE, FREEZE) {self.table}")

    def frame(self):
        """All rows for the peer, ordered by id."""
        return db.read_frame(f"SELECT * FROM {self.table} ORDER BY id")


class Mnist(DataSet):
    """Images as smallint arrays; the split is that of the files."""

    def __init__(self):
        super().__init__("mnist", "MNIST", "label", ["accuracy", "roc_auc"], [])

    def files(self):
        return [f"mnist_{half}-{part}-ubyte.gz" for half in ("train", "t10k")
                for part in ("images-idx3", "labels-idx1")]

    def load(self, folder):
        import numpy

        def read(half, part, header):
            with gzip.open(os.path.join(folder, f"mnist_{half}-{part}-ubyte.gz")) as source:
                return numpy.frombuffer(source.read(), numpy.uint8, offset=header)

        self.pixels = numpy.concatenate([read(half, "images-idx3", 16) for half in ("train", "t10k")])
        self.pixels = self.pixels.reshape(-1, 784)
        self.labels = numpy.concatenate([read(half, "labels-idx1", 8) for half in ("train", "t10k")])
        self.train_rows = 60000

        text = [str(value) for value in range(256)]
        db.run(f"CREATE TABLE {self.table} (id int PRIMARY KEY, label smallint, pixels smallint[])")
        with db.Copy(f"COPY {self.table} FROM STDIN") as sink:
            for place, (label, image) in enumerate(zip(self.labels, self.pixels)):
                values = ",".join([text[pixel] for pixel in image])
                sink.write(f"{place + 1}\t{label}\t{{{values}}}\n".encode())
        db.run(f"VACUUM (ANALYZE, FREEZE) {self.table}")

    def frame(self):
        """Only what a split needs; the images are in pixels."""
        import pandas

        return pandas.DataFrame({"id": range(1, len(self.labels) + 1), "label": self.labels})


def numbers(*names):
    return [(name, "float8") for name in names]


def texts(*names):
    return [(name, "text") for name in names]


def integers(*names):
    return [(name, "int") for name in names]


DATASETS = [
    DataSet("htru2", "HTRU2 (pulsar candidates)", "class", ["roc_auc", "accuracy", "f1"],
            numbers("mean_profile", "std_profile", "kurtosis_profile", "skewness_profile",
                    "mean_dmsnr", "std_dmsnr", "kurtosis_dmsnr", "skewness_dmsnr") + integers("class"),
            file="htru2.csv.gz", positive="1"),
    DataSet("diabetes", "Diabetes (130 US hospitals), three classes", "readmitted", ["roc_auc", "accuracy"],
            integers("encounter_id", "patient_nbr")
            + texts("race", "gender", "age", "weight")
            + integers("admission_type_id", "discharge_disposition_id", "admission_source_id", "time_in_hospital")
            + texts("payer_code", "medical_specialty")
            + integers("num_lab_procedures", "num_procedures", "num_medications", "number_outpatient",
                       "number_emergency", "number_inpatient")
            + texts("diag_1", "diag_2", "diag_3")
            + integers("number_diagnoses")
            + texts("max_glu_serum", "a1c_result", "metformin", "repaglinide", "nateglinide", "chlorpropamide",
                    "glimepiride", "acetohexamide", "glipizide", "glyburide", "tolbutamide", "pioglitazone",
                    "rosiglitazone", "acarbose", "miglitol", "troglitazone", "tolazamide", "examide",
                    "citoglipton", "insulin", "glyburide_metformin", "glipizide_metformin",
                    "glimepiride_pioglitazone", "metformin_rosiglitazone", "metformin_pioglitazone",
                    "change", "diabetes_med", "readmitted"),
            file="diabetes_130_hospitals.csv.gz", null="?", group="patient_nbr", exclude=["encounter_id"]),
    DataSet("cars", "Used cars (price)", "price", ["r2"],
            texts("make", "model") + integers("year") + numbers("price") + texts("transmission")
            + numbers("mileage") + texts("fuel_type") + numbers("tax", "mpg", "engine_size"),
            file="used_cars_uk.csv.gz"),
    DataSet("iris", "Iris", "species", ["roc_auc", "accuracy"],
            numbers("sepal_length", "sepal_width", "petal_length", "petal_width") + texts("species"),
            file="iris.csv.gz", folds=5),
    Mnist(),
]

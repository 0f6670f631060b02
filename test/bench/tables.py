"""The tables of the speed benchmark."""
import os

import datasets
import db


class Table:
    """
    name        how TABLES calls it
    relation    where it is; its rows have an id, and every fifth is not trained on
    target      what is predicted
    regression  else classification
    title       for the report
    rows        how many
    """

    def __init__(self, name, relation, target, rows, title, regression=False):
        self.name, self.relation, self.target, self.rows, self.title = name, relation, target, rows, title
        self.regression = regression

    def training(self):
        return f"SELECT * FROM {self.relation} WHERE id % 5 <> 0"

    def held_out(self):
        return f"SELECT * FROM {self.relation} WHERE id % 5 = 0"


class Made(Table):
    """One of those that gen.sql makes: cls, mix or reg, in three sizes."""

    KINDS = {"cls": ("label", "20 numbers, two classes"),
             "mix": ("label", "10 numbers, 5 texts, a twentieth of them missing, three classes"),
             "reg": ("target", "20 numbers, regression, `max_features` sqrt on both sides")}
    SIZES = {"100k": 100000, "1m": 1000000, "10m": 10000000}

    def __init__(self, kind, size):
        target, what = self.KINDS[kind]
        rows = self.SIZES[size]
        super().__init__(f"{kind}_{size}", f"bench.bench_{kind}_{size}", target, rows,
                         f"bench_{kind}_{size}: {rows:,} rows, {what}", kind == "reg")
        self.kind, self.size = kind, size

    def load(self, options):
        db.run_file(options.generator, n=self.rows, sfx=self.size, tables=self.kind)

    def lacking(self, options):
        return None


class Pulsars(Table):
    """HTRU2, from shared/data."""

    def __init__(self):
        self.data = next(data for data in datasets.DATASETS if data.name == "htru2")
        super().__init__("htru2", self.data.table, self.data.target, 17898,
                         "HTRU2 (pulsar candidates): 17,898 rows, 8 numbers, two classes")

    def load(self, options):
        db.run("CREATE SCHEMA IF NOT EXISTS quality")
        self.data.load(options.data)

    def lacking(self, options):
        missing = [name for name in self.data.files() if not os.path.exists(os.path.join(options.data, name))]
        return f"{missing[0]} is not there" if missing else None


TABLES = {table.name: table for table in
          [Made("cls", "100k"), Pulsars(), Made("mix", "100k"), Made("reg", "100k"),
           Made("cls", "1m"), Made("mix", "1m"), Made("reg", "1m"), Made("cls", "10m")]}

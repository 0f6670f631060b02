"""The tables of the benchmarks of speed, and how good predictions of their rows are."""
import os
import statistics

import datasets
import db


class Table:
    """
    name        how TABLES calls it
    relation    where it is; its rows have an id, and every fifth is not trained on: there are five such folds
    target      what is predicted
    regression  else classification
    title       for the report
    rows        how many
    """

    def __init__(self, name, relation, target, rows, title, regression=False):
        self.name, self.relation, self.target, self.rows, self.title = name, relation, target, rows, title
        self.regression = regression

    def training(self, fold=0):
        return f"SELECT * FROM {self.relation} WHERE id % 5 <> {fold}"

    def held_out(self, fold=0):
        return f"SELECT * FROM {self.relation} WHERE id % 5 = {fold}"

    def classes(self):
        return [row["class"] for row in db.rows(f"""
            SELECT DISTINCT {self.target}::text COLLATE "C" AS class FROM {self.relation} ORDER BY 1""")]

    def quality(self, columns, fold=0):
        """
        RMSE, or ROC AUC (of several classes the mean of one against the rest), of what bench.answer has of
        the rows that were not trained on: the same query for everybody.  columns: the value, or the
        probability of each class.
        """
        rows = f"FROM ({self.held_out(fold)}) t JOIN bench.answer a USING (id)"
        if self.regression:
            query = f"SELECT sqrt(avg((t.{self.target} - a.{columns[0]})^2)) AS value {rows}"
            return float(db.rows(query)[0]["value"])
        pairs = list(zip(self.classes(), columns))
        if len(pairs) == 2:
            pairs = pairs[1:]
        return statistics.fmean(float(db.rows(f"""
            WITH answer AS (
                SELECT t.{self.target}::text = {db.literal(name)} AS positive, a.{column} AS score {rows}),
            ranked AS (     -- rows of one score share their mean rank
                SELECT positive,
                    rank() OVER (ORDER BY score) + (count(*) OVER (PARTITION BY score) - 1) / 2.0::float8 AS place
                FROM answer)
            SELECT (sum(place) FILTER (WHERE positive) - n * (n + 1) / 2) / (n * (total - n)) AS value
            FROM ranked, (SELECT count(*) FILTER (WHERE positive)::float8 AS n, count(*)::float8 AS total FROM answer) c
            GROUP BY n, total""")[0]["value"]) for name, column in pairs)


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


class Real(Table):
    """One of datasets.py, from shared/data: a view of its id, features and target."""

    def __init__(self, name, rows, title):
        self.data = next(data for data in datasets.DATASETS if data.name == name)
        super().__init__(name, "bench." + name, self.data.target, rows, title, self.data.regression)

    def load(self, options):
        db.run(["CREATE SCHEMA IF NOT EXISTS quality", "CREATE SCHEMA IF NOT EXISTS bench"])
        self.data.load(options.data)
        features = [name for name, _ in self.data.columns if name not in self.data.not_features]
        db.run(f"CREATE VIEW {self.relation} AS SELECT {', '.join(['id'] + features + [self.target])} "
               f"FROM {self.data.table}")

    def lacking(self, options):
        missing = [name for name in self.data.files() if not os.path.exists(os.path.join(options.data, name))]
        return f"{missing[0]} is not there" if missing else None


TABLES = {table.name: table for table in
          [Made("cls", "100k"),
           Real("htru2", 17898, "HTRU2 (pulsar candidates): 17,898 rows, 8 numbers, two classes"),
           Real("diabetes", 101766, "Diabetes (130 US hospitals): 101,766 rows, 10 numbers, 37 texts, three classes"),
           Made("mix", "100k"), Made("reg", "100k"),
           Made("cls", "1m"), Made("mix", "1m"), Made("reg", "1m"), Made("cls", "10m")]}

# For the comparison of algorithms.
CARS = Real("cars", 99187, "Used cars (price): 99,187 rows, 5 numbers, 4 texts, regression")

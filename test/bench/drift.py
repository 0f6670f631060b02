"""How often ml_drift cries wolf, what it finds, and what it costs.

drift.py --data FOLDER [--draws N] [--rows N] [--sets htru2,...] [--repeats N]

Each of the real data sets is halved at random, again and again.  A small forest is trained on one
half; the other, drawn from the same rows, should raise no alarm (the row "(all)").  Of it 5,000
rows are taken and changed in one feature, each time in another one: that feature should be
found.

Then profiling a table of many rows and 20 features is timed beside min, max, avg and stddev of
the same columns, in turns.

Prints tables between <!-- begin ... --> and <!-- end ... -->; ends with an error when there are more
false alarms or fewer finds than PROMISED, or when it costs more than MOST times the aggregates.
"""
import argparse
import statistics
import sys
import time

import datasets
import db
import report

PROMISED = 0.95
MOST = 4
CHANGED_ROWS = 5000
PARAMS = '{"n_estimators": 5, "max_depth": 6}'

CHANGES = {
    "mean": "mean moved by 0.3 standard deviations",
    "share": "5 points of category share",
    "missing": "NULL rate from 0 to 5 %",
    "new": "a new category at 1 %",
}


class Subject:
    """A data set, and which of its features can be changed in which way."""

    def __init__(self, data):
        self.data = data
        self.features = [(name, kind) for name, kind in data.columns if name not in data.not_features]
        self.suitable = {change: [] for change in CHANGES}
        for name, kind in self.features:
            nulls = int(db.rows(f"SELECT count(*) - count({name}) AS n FROM {data.table}")[0]["n"])
            if nulls == 0:
                self.suitable["missing"].append((name, "NULL", "0.05"))
            if kind != "text":
                sd = db.rows(f"SELECT stddev({name}::float8) AS sd FROM {data.table}")[0]["sd"]
                if float(sd) > 0:
                    self.suitable["mean"].append((name, f"{name} + 0.3 * {sd}", "1"))
                continue
            self.suitable["new"].append((name, "'never seen'", "0.01"))
            top = db.rows(f"""SELECT {name} AS value, count(*)::float8 / sum(count(*)) OVER () AS share
                              FROM {data.table} GROUP BY 1 ORDER BY {name} IS NULL, 2 DESC, 1 LIMIT 2""")
            # the most common value must be that of more than 5 % of the rows
            if len(top) == 2 and top[1]["value"] and float(top[0]["share"]) > 0.06:
                # of the rows with the most common value, so many that it makes 5 % of all
                self.suitable["share"].append(
                    (name, f"CASE WHEN {name} = {db.literal(top[0]['value'])} THEN {db.literal(top[1]['value'])} "
                     f"ELSE {name} END", f"0.05 * count(*) OVER () / nullif(count(*) FILTER (WHERE {name} = "
                     f"{db.literal(top[0]['value'])}) OVER (), 0)"))

    def changed(self, change, draw):
        """The feature, and 5,000 rows in which it is changed."""
        if not self.suitable[change]:
            return None, None
        name, value, share = self.suitable[change][draw % len(self.suitable[change])]
        # whether a row is changed: by a hash, so that a query gives the same rows each time
        chance = f"(hashint8extended(id, {draw}) & 1048575) / 1048576.0"
        columns = ", ".join(f"CASE WHEN {chance} < {share} THEN {value} ELSE {n} END AS {n}" if n == name else n
                            for n, _ in self.features)
        return name, f"SELECT {columns} FROM drift_rows"


def alarms(subject, draws):
    """Draws with an alarm without a change; by change, how often it was found, of how many."""
    data = subject.data
    columns = ", ".join(["id", data.target] + [name for name, _ in subject.features])
    false, found, tried = 0, dict.fromkeys(CHANGES, 0), dict.fromkeys(CHANGES, 0)
    for draw in range(draws):
        half = f"hashint8extended(id, {draw} + 1000000) & 1"
        db.run(["DROP TABLE IF EXISTS drift_old, drift_new, drift_rows",
                f"CREATE UNLOGGED TABLE drift_old AS SELECT {columns} FROM {data.table} WHERE {half} = 0",
                f"CREATE UNLOGGED TABLE drift_new AS SELECT {columns} FROM {data.table} WHERE {half} = 1",
                f"""CREATE UNLOGGED TABLE drift_rows AS SELECT * FROM drift_new
                    ORDER BY hashint8extended(id, {draw} + 2000000) LIMIT {CHANGED_ROWS}"""])
        version = db.rows(f"""SELECT version FROM ml_train({db.literal('drift ' + data.name)}, 'drift_old',
            {db.literal(data.target)}, exclude => '{{id}}', params => '{PARAMS}')""")[0]["version"]
        model = db.literal(f"drift {data.name}@{version}")
        rows = db.rows(f"SELECT * FROM ml_drift({model}, 'drift_new') WHERE drifted")
        if rows:
            false += 1
            print(f"{data.name}, draw {draw}: " + ", ".join(f"{r['feature']} {r['test']} {r['statistic']}"
                                                             for r in rows), file=sys.stderr)
        for change in CHANGES:
            name, query = subject.changed(change, draw)
            if name is None:
                continue
            rows = db.rows(f"SELECT * FROM ml_drift({model}, {db.literal(query)}) WHERE drifted")
            tried[change] += 1
            if any(r["feature"] == name for r in rows):
                found[change] += 1
            else:
                print(f"{data.name}, draw {draw}: {change} of {name} not found", file=sys.stderr)
        db.run(f"SELECT ml_drop({model})")
    db.run("DROP TABLE drift_old, drift_new, drift_rows")
    return false, found, tried


def seconds(query):
    start = time.monotonic()
    db.run(query)
    return time.monotonic() - start


def cost(rows, repeats):
    """Medians of the aggregates and of ml_drift, in seconds."""
    names = [f"x{i}" for i in range(1, 21)]
    db.run(["DROP TABLE IF EXISTS drift_wide", "SELECT setseed(0.5)",
            "CREATE TABLE drift_wide AS SELECT " + ", ".join(f"random() * {i} AS x{i}" for i in range(1, 21))
            + f", random() < 0.5 AS y FROM generate_series(1, {rows})",
            "VACUUM (ANALYZE, FREEZE) drift_wide",
            "SELECT ml_train('drift wide', 'drift_wide', 'y', params => '{\"n_estimators\": 100, \"max_rows\": 100000}')",
            "SELECT ml_promote('drift wide', 1)"])
    plain = "SELECT " + ", ".join(f"min({n}), max({n}), avg({n}), stddev({n})" for n in names) + " FROM drift_wide"
    drift = "SELECT count(*) FROM ml_drift('drift wide', 'drift_wide')"
    times = {plain: [], drift: []}
    for _ in range(repeats + 1):
        for query in times:
            times[query].append(seconds(query))
    db.run(["SELECT ml_drop('drift wide')", "DROP TABLE drift_wide"])
    return [statistics.median(t[1:]) for t in times.values()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default=".")
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--rows", type=int, default=1000000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sets", default="htru2,diabetes,cars")
    arguments = parser.parse_args()

    db.run("CREATE SCHEMA IF NOT EXISTS quality")
    lines, broken = [], []
    for data in datasets.DATASETS:
        if data.name not in arguments.sets.split(","):
            continue
        data.load(arguments.data)
        subject = Subject(data)
        false, found, tried = alarms(subject, arguments.draws)
        lines.append([data.title, f"{false} of {arguments.draws}"]
                     + [f"{found[c]} of {tried[c]}" if tried[c] else "-" for c in CHANGES])
        if false > (1 - PROMISED) * arguments.draws:
            broken.append(f"{data.name}: {false} false alarms")
        broken += [f"{data.name}: {found[c]} of {tried[c]} finds of {CHANGES[c]}"
                   for c in CHANGES if found[c] < PROMISED * tried[c]]
    if lines:
        print("<!-- begin drift-alarms -->")
        report.table(["rows of the other half", "false alarms"] + list(CHANGES.values()), lines)
        print("<!-- end drift-alarms -->\n")

    if arguments.rows > 0:
        plain, drift = cost(arguments.rows, arguments.repeats)
        print("<!-- begin drift-cost -->")
        report.table(["rows", "features", "min, max, avg, stddev", "ml_drift", "ratio"],
                     [[f"{arguments.rows:,}", 20, f"{plain:.2f} s", f"{drift:.2f} s", f"{drift / plain:.1f}"]])
        print("<!-- end drift-cost -->")
        if drift > MOST * plain:
            broken.append(f"ml_drift takes {drift / plain:.1f} times as long as the aggregates")
    if broken:
        sys.exit("; ".join(broken))


if __name__ == "__main__":
    main()

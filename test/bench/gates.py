"""How often a gate lets the worse model pass: decisions on models whose true quality is known.

gates.py [--decisions N] [--rows N] [--jobs N]      (0 decisions: only how long an interval takes)

A row has a label and two scores of it, each the truth with noise of its own and some noise
that both have, as two models of the same rows have.  Version 1 of a model is trained on the
first score and answers in production, version 2 on the second; on a score alone a model can do
no more than keep its order (or its scale), so how good they truly are follows from the noise by
a formula.  For each decision fresh rows are made, and ml_promote is asked to promote version 2:
with max_regression => 0, which demands that it is not worse on these rows, and with confidence.

Prints tables between <!-- begin ... --> lines; ends with an error when a worse version was
promoted in 5 % of the decisions or more although the interval was demanded.
"""
import argparse
import math
import statistics
import sys

import db
import report

BOUND = 0.05
GRID = 20000        # rows that the two versions are trained on
SHARED = 0.7        # correlation of the noises
NORMAL = statistics.NormalDist()


def separation(auc):
    """Means of two normal distributions so far apart have that area under the ROC curve."""
    return math.sqrt(2) * NORMAL.inv_cdf(auc)


def train(task):
    """Each version sees one score only, and learns the same of it: more of it is more of the truth."""
    target = {"classification": "random() < 1 / (1 + exp(-1.5 * s))", "regression": "s"}[task]
    db.run(["DO $$ BEGIN PERFORM setseed(0.5); END $$",
            f"""CREATE TABLE {task}_grid AS SELECT unit, s AS s1, s AS s2, {target} AS y
                FROM (SELECT unit, random() * 12 - 6 AS s FROM generate_series(1, {GRID}) AS unit) AS r""",
            f"""SELECT ml_train('{task}', '{task}_grid', 'y', algorithm => 'linear', task => '{task}',
                features => ARRAY['s' || v], key => '{{unit}}', holdout => 0) FROM generate_series(1, 2) AS v"""])


def classified(auc1, auc2, rows, group):
    """SQL of rows with a label and two scores of these areas; group: how many rows have one label and noise."""
    return f"""
        SELECT unit, y, {separation(auc1)} * (y::int - 0.5) + n1 AS s1, {separation(auc2)} * (y::int - 0.5) + n2 AS s2
        FROM (SELECT unit, y, {SHARED ** 0.5} * z0 + {(1 - SHARED) ** 0.5} * z1 AS n1,
                     {SHARED ** 0.5} * z0 + {(1 - SHARED) ** 0.5} * z2 AS n2
              FROM (SELECT unit, random() < 0.4 AS y, {normal()} AS z0, {normal()} AS z1, {normal()} AS z2
                    FROM generate_series(1, {rows // group}) AS unit) AS u, generate_series(1, {group})) AS r"""


def valued(rmse1, rmse2, rows):
    """SQL of rows with a value and two guesses with errors of that size."""
    return f"""
        SELECT unit, y, y + {rmse1} * ({SHARED ** 0.5} * z0 + {(1 - SHARED) ** 0.5} * z1) AS s1,
               y + {rmse2} * ({SHARED ** 0.5} * z0 + {(1 - SHARED) ** 0.5} * z2) AS s2
        FROM (SELECT unit, random() * 4 - 2 AS y, {normal()} AS z0, {normal()} AS z1, {normal()} AS z2
              FROM generate_series(1, {rows}) AS unit) AS u"""


def normal():
    return "sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())"


def decide(task, metric, source, decisions, seed, columns="unit"):
    """Shares of the decisions in which version 2 was promoted: not worse, and better with confidence."""
    answers = db.rows([f"DO $$ BEGIN PERFORM setseed({seed % 1000 / 1000}); END $$", f"""
        CREATE FUNCTION pg_temp.decide() RETURNS TABLE (plain bool, sure bool) LANGUAGE plpgsql AS $f$
        BEGIN
            FOR i IN 1 .. {decisions} LOOP
                DROP TABLE IF EXISTS drawn;
                CREATE TEMP TABLE drawn AS SELECT {columns}, y, s1, s2 FROM ({source}) AS d;
                PERFORM ml_promote('{task}', 1);
                plain := (ml_promote('{task}', 2, metric => '{metric}', source => 'pg_temp.drawn', max_regression => 0)).promoted;
                PERFORM ml_promote('{task}', 1);
                sure := (ml_promote('{task}', 2, metric => '{metric}', source => 'pg_temp.drawn', confidence => 0.95)).promoted;
                RETURN NEXT;
            END LOOP;
        END $f$""", "SELECT avg(plain::int) AS plain, avg(sure::int) AS sure FROM pg_temp.decide()"])
    return float(answers[0]["plain"]), float(answers[0]["sure"])


def processor_seconds(call):
    """What a call takes of a processor, by what the kernel says of the server's process."""
    used = "SELECT (f[14]::int + f[15]::int) / 100.0 AS used FROM regexp_split_to_array(pg_read_file('/proc/self/stat'), ' ') AS f"
    task = call.split("'")[1]
    texts = db.run([f"DO $$ BEGIN PERFORM ml_promote('{task}', 1, alias => 'timed'); END $$", used,
                    f"DO $$ BEGIN PERFORM {call}; END $$", used], ["-At"]).split()
    return float(texts[1]) - float(texts[0])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--decisions", type=int, default=200)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    n, decisions = arguments.rows, arguments.decisions
    for task in "classification", "regression":
        train(task)

    lines, worst, number = [], 0, 0

    def line(what, first, second, better, task, metric, source, columns="unit"):
        nonlocal worst, number
        number += 1
        plain, sure = decide(task, metric, source, decisions, 7 * number, columns)
        truth = "better" if better > 0 else "worse" if better < 0 else "equal"
        lines.append([what, f"{first:g}", f"{second:g}", truth, f"{plain:.1%}", f"{sure:.1%}"])
        if better <= 0:
            worst = max(worst, sure)

    for rows in (n, 5 * n) if decisions else ():
        for second in 0.75, 0.79, 0.8, 0.81, 0.85:
            line(f"roc_auc, {rows:,} rows", 0.8, second, second - 0.8, "classification", "roc_auc",
                 classified(0.8, second, rows, 1))
    for second in (1.1, 1.01, 1.0, 0.99, 0.9) if decisions else ():
        line(f"rmse, {n:,} rows", 1.0, second, 1.0 - second, "regression", "rmse", valued(1.0, second, n))
    for second in (0.75, 0.8, 0.85) if decisions else ():
        line(f"roc_auc, {n:,} rows of {n // 10:,} patients", 0.8, second, second - 0.8, "classification", "roc_auc",
             classified(0.8, second, n, 10))

    if decisions:
        print("<!-- begin gates -->")
        report.table(["measured on", "production", "challenger", "which truly is", "promoted when not worse there",
                      "... when better with a confidence of 0.95"], lines)
        print("<!-- end gates -->")

    # what an interval takes
    lines = []
    for rows in 10000, 100000:
        db.run([f"CREATE TABLE timed_{rows} AS {classified(0.8, 0.81, rows, 1)}",
                f"CREATE TABLE valued_{rows} AS {valued(1, 1.1, rows)}"])
        for task, metric, table in (("classification", "accuracy", "timed"), ("classification", "roc_auc", "timed"),
                                    ("regression", "rmse", "valued")):
            spent = [processor_seconds(f"""ml_promote('{task}', 2, alias => 'timed', metric => '{metric}', min_rows => 1,
                                       source => '{table}_{rows}', confidence => {confidence})""")
                     for confidence in ("NULL", "0.95")]
            lines.append([f"{rows:,}", metric] + [f"{x:.2f}" for x in spent])
    print("<!-- begin seconds -->")
    report.table(["rows", "metric", "processor seconds without", "with a confidence"], lines)
    print(report.versions([]))
    print("<!-- end seconds -->")
    if worst >= BOUND:
        sys.exit(f"a version that is not better was promoted in {worst:.1%} of the decisions")


if __name__ == "__main__":
    main()

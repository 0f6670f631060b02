"""PostgreSQL through psql: statements, answers, and whole tables by COPY.

psql and the libpq environment (PGHOST, ...) are all that is needed, so the
scripts here run with Python's standard library; only read_frame and
write_frame want pandas.  Each call is a session of its own.
"""
import csv
import io
import os
import subprocess

PSQL = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"]
os.environ["PGOPTIONS"] = (os.environ.get("PGOPTIONS", "") + " -c client_min_messages=warning").strip()


class DatabaseError(Exception):
    """What psql said."""


def run(statements, options=()):
    """The text that psql prints for statements, which are one or several."""
    if isinstance(statements, str):
        statements = [statements]
    command = PSQL + list(options)
    for statement in statements:
        command += ["-c", statement]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise DatabaseError(done.stderr.strip())
    return done.stdout


def run_file(path, **variables):
    """Run a script of SQL."""
    run([], [x for name, value in variables.items() for x in ("-v", f"{name}={value}")] + ["-f", path])


def rows(statements):
    """The rows that the last of the statements returns, as dictionaries of texts."""
    return list(csv.DictReader(io.StringIO(run(statements, ["--csv"]))))


def literal(text):
    return "'" + text.replace("'", "''") + "'"


class Copy:
    """A COPY: `with Copy("COPY t TO STDOUT") as stream` or `... FROM STDIN`."""

    def __init__(self, statement):
        self.writes = "FROM STDIN" in statement
        self.process = subprocess.Popen(PSQL + ["-c", statement], stderr=subprocess.PIPE,
                                        stdin=subprocess.PIPE if self.writes else subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL if self.writes else subprocess.PIPE)

    def __enter__(self):
        return self.process.stdin if self.writes else self.process.stdout

    def __exit__(self, kind, value, trace):
        (self.process.stdin if self.writes else self.process.stdout).close()
        message = self.process.stderr.read().decode()
        if self.process.wait() != 0:        # the cause of any other exception
            raise DatabaseError(message.strip())


def read_frame(query):
    """What a query returns as a pandas frame; NULL is a missing value, all other texts are kept."""
    import pandas

    with Copy(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)") as stream:
        return pandas.read_csv(stream, keep_default_na=False, na_values=[""], low_memory=False)


def write_frame(frame, table):
    """Append a pandas frame to a table that has its columns."""
    with Copy(f"COPY {table} ({', '.join(frame.columns)}) FROM STDIN (FORMAT csv)") as stream:
        frame.to_csv(stream, index=False, header=False)

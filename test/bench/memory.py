"""The peak memory of a training: of all processes that take part, and what they share.

memory.py [--rows N] [--trees N] [--leaf N] [--jobs N] [--generator FILE]

Trains on N rows x 20 features of two classes and looks every 50 ms at the backend and its
parallel workers: the sum of their Private_Dirty (/proc/PID/smaps_rollup) and the
dynamic shared memory in /dev/shm.  Runs on Linux, on the server's machine, as the
server's user or root.  A segment that only one process has mapped at the time is
in both figures, so the sum is an upper bound.  Shared buffers and temporary files are
PostgreSQL's and not counted.

Fails when N rows are as many as PROMISE speaks of and the peak is higher.
"""
import argparse
import glob
import json
import os
import subprocess
import sys
import threading
import time

import db
import report

PROMISE = (10_000_000, 1.5e9)       # rows, bytes
EVERY = 0.05
ORDER = ["scan", "bin", "sort", "grow", "measure", "compress", "store"]


def private(pid):
    """Bytes that only this process has; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as lines:
            return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty:")) * 1024
    except OSError:
        return 0


def workers(leader):
    """The processes of a training: its backend and the parallel workers that it started."""
    found = [leader]
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path) as file:
                if f"parallel worker for PID {leader}" in file.read():
                    found.append(int(path.split("/")[2]))
        except OSError:
            pass
    return found


def shared(pids):
    """Bytes of the dynamic shared memory that processes have mapped; what is in use of it, not its length."""
    segments = {}
    for pid in pids:
        try:
            with open(f"/proc/{pid}/maps") as lines:
                paths = {line.split()[5] for line in lines if " /dev/shm/" in line}
            segments.update((path, os.stat(path).st_blocks * 512) for path in paths)
        except OSError:         # the process or the segment is gone
            pass
    return sum(segments.values())


class Sampler(threading.Thread):
    """Looks at a training until it is stopped."""

    def __init__(self, leader):
        super().__init__(daemon=True)
        self.leader = leader
        self.samples = []           # (time, private of each process, shared)
        self.stopped = False

    def run(self):
        while not self.stopped:
            pids = workers(self.leader)
            self.samples.append((time.perf_counter(), [private(pid) for pid in pids], shared(pids)))
            time.sleep(EVERY)

    def peak(self, since, until):
        """The sample with the greatest sum in a span of time, or None."""
        return max((s for s in self.samples if since <= s[0] < until),
                   key=lambda s: sum(s[1]) + s[2], default=None)


def train(statements):
    """Runs statements in one session; returns its samples, and when it began and ended."""
    command = db.PSQL + ["-A", "-t", "-c", "SELECT pg_backend_pid()"]
    for statement in statements:
        command += ["-c", statement]
    psql = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    sampler = Sampler(int(psql.stdout.readline()))
    sampler.start()
    psql.stdout.read()
    ended = time.perf_counter()
    sampler.stopped = True
    sampler.join()
    if psql.wait() != 0:
        sys.exit(1)
    return sampler, ended


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--leaf", type=int, default=20, help="min_samples_leaf")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--generator", default=os.path.join(os.path.dirname(__file__), "gen.sql"))
    options = parser.parse_args()

    table = f"bench.bench_cls_{options.rows}"
    if db.rows(f"SELECT to_regclass('{table}') IS NOT NULL AS there")[0]["there"] == "f":
        db.run_file(options.generator, n=options.rows, sfx=options.rows, tables="cls")
    params = json.dumps({"n_estimators": options.trees, "min_samples_leaf": options.leaf})
    sampler, ended = train([
        f"SET max_parallel_maintenance_workers = {options.jobs - 1}",
        f"SET max_parallel_workers_per_gather = {options.jobs - 1}",
        f"SELECT ml_train('memory', '{table}', 'label', exclude => '{{id}}', params => '{params}')"])
    version = db.rows("""SELECT stage_seconds, bytes, seconds FROM pgforest.versions
                         WHERE model = 'memory' ORDER BY version DESC LIMIT 1""")[0]
    db.run("SELECT ml_drop('memory')")

    # the stages, one after another, up to the end
    stages = json.loads(version["stage_seconds"])
    begin = ended - sum(stages.values())
    lines = []
    for stage in sorted(stages, key=ORDER.index):
        peak = sampler.peak(begin, begin + stages[stage])
        begin += stages[stage]
        if peak:
            lines.append([stage, f"{stages[stage]:.1f}", " + ".join(f"{p / 1e6:.0f}" for p in peak[1]),
                          f"{peak[2] / 1e6:.0f}", f"{(sum(peak[1]) + peak[2]) / 1e6:.0f}"])
    peak = sampler.peak(0, float("inf"))
    peak = sum(peak[1]) + peak[2]

    print("<!-- begin memory -->")
    print(f"{options.rows:,} rows x 20 features, {options.trees} trees with min_samples_leaf {options.leaf}, "
          f"{options.jobs} processes; the model has {int(version['bytes']) / 1e6:.0f} MB. "
          f"The peak is **{peak / 1e6:.0f} MB**; the highest of each stage, in MB:\n")
    report.table(["stage", "seconds", "private, of each process", "shared", "sum"], lines)
    print("<!-- end memory -->")
    if options.rows == PROMISE[0] and peak > PROMISE[1]:
        sys.exit(f"this is more than the {PROMISE[1] / 1e6:.0f} MB that are promised")


if __name__ == "__main__":
    main()

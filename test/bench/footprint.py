"""Peak of the memory that processes have to themselves, from /proc.

Counted are their anonymous pages (RssAnon: the heap, not the code and not the
server's shared buffers) and the dynamic shared memory of PostgreSQL that they
have mapped, each segment once.  They are sampled 20 times a second by a thread
that costs a few hundredths of a processor.  Where there is no /proc the peak is 0.
"""
import os
import threading
import time

PERIOD = 0.05       # seconds between samples
LOOK_AGAIN = 0.25   # seconds between looks for new processes


def parents():
    """{process: its parent} of all there are."""
    found = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as stat:
                    found[int(name)] = int(stat.read().rsplit(")", 1)[1].split()[1])
            except OSError:
                pass        # it has ended
    return found


def descendants(process):
    """The process and all below it."""
    parent = parents()
    family = {process}
    while True:
        more = {p for p in parent if parent[p] in family} - family
        if not more:
            return family
        family |= more


def children(process):
    return {p for p, parent in parents().items() if parent == process}


def anonymous(process):
    try:
        with open(f"/proc/{process}/status") as status:
            for line in status:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def segments(process):
    """{file: bytes} of the dynamic shared memory that a server process has mapped."""
    found = {}
    try:
        with open(f"/proc/{process}/maps") as maps:
            for line in maps:
                if "/dev/shm/PostgreSQL." in line:
                    path = line[line.index("/dev/shm/"):].split()[0]
                    if path not in found:
                        found[path] = os.stat(path).st_blocks * 512
    except OSError:
        pass
    return found


class Footprint:
    """
    with Footprint(find, server) as used: ...; used.peak in bytes.  find() tells which processes
    count now; those of a server may have dynamic shared memory.
    """

    def __init__(self, find, server):
        self.find, self.server = find, server
        self.peak = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        start = looked = time.monotonic()
        processes = self.find()
        while not self.ended.wait(PERIOD):
            now = time.monotonic()
            # In the first second those that are wanted are only starting.
            if now - looked > LOOK_AGAIN or now - start < 1:
                processes, looked = self.find(), now
            shared = {}
            for process in processes if self.server else ():
                shared.update(segments(process))
            self.peak = max(self.peak, sum(map(anonymous, processes)) + sum(shared.values()))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *cause):
        self.ended.set()
        self.thread.join()


def of_new_children(process):
    """The memory of what the process starts from now on: of a server, the sessions and their workers."""
    there = children(process)
    return Footprint(lambda: children(process) - there, True)


def of_family(process):
    return Footprint(lambda: descendants(process), False)

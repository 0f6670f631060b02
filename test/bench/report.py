"""What the benchmarks print: Markdown tables, and where the figures come from."""
import importlib
import os
import platform

import db


def table(heads, lines):
    """A Markdown table; the first column is text, the others are numbers."""
    print("| " + " | ".join(heads) + " |")
    print("| --- |" + " ---: |" * (len(heads) - 1))
    for line in lines:
        print("| " + " | ".join(str(cell) for cell in line) + " |")
    print(flush=True)


def versions(modules, others=None):
    """One sentence: the machine and the versions of everything measured; others are {name: version}."""
    answer = db.rows("""
        SELECT current_setting('server_version') AS server,
            (SELECT extversion FROM pg_extension WHERE extname = 'pgforest') AS pgforest""")[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = [f"pgforest {answer['pgforest']}", f"PostgreSQL {answer['server'].split()[0]}"]
    if modules:
        parts.append("Python " + platform.python_version())
    for name, module in modules:
        parts.append(f"{name} {importlib.import_module(module).__version__}")
    parts += [f"{name} {version}" for name, version in (others or {}).items()]
    return (f"{', '.join(parts)}; {platform.system()} on {platform.machine()}, "
            f"{os.cpu_count()} cores, {memory:.0f} GB of memory.")


def load():
    """How busy the machine is."""
    return os.getloadavg()[0]

"""What dev/up wrote down of the stack that the suites run against: its run/env, or the file that SIGSENTRY_ENV names."""

import contextlib
import os
import pathlib
import shlex
import signal
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


def read():
    """The file as a dict.  Not put into os.environ: it holds keys, which every child process would show."""
    path = pathlib.Path(os.environ.get("SIGSENTRY_ENV", ROOT / "run" / "env"))
    if not path.exists():
        # a suite that silently does nothing would look like one that passed
        pytest.exit("no stack at %s: run dev/up first, or set SIGSENTRY_ENV" % path, returncode=4)
    pairs = (line.partition("=") for line in path.read_text().splitlines())
    return {name: shlex.split(value)[0] for name, _, value in pairs}


ENV = read()

# Another role's state is not shown to ours, but its locks are.
WORKING = ("SELECT 1 FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
           " WHERE a.usename = 'sigsentry_courier' AND l.locktype = 'virtualxid'")


@contextlib.contextmanager
def courier_at_rest(rows):
    """The stack's courier stands still, in no transaction; ${rows} asks the database, as its owner."""
    path = pathlib.Path(ENV["SIGSENTRY_COURIER_PIDS"])
    pids = [int(w) for w in path.read_text().split()] if path.exists() else []

    def tell(what):
        for pid in pids:
            os.kill(pid, what)
        time.sleep(0.01)

    try:
        for _ in range(100):
            tell(signal.SIGSTOP)
            if not rows(WORKING):
                break
            tell(signal.SIGCONT)
        yield
    finally:
        tell(signal.SIGCONT)

"""What dev/up wrote down of the stack that the suites run against: its run/env, or the file that SIGSENTRY_ENV names."""

import os
import pathlib
import shlex

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

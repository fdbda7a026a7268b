"""The suites run against a stack that dev/up made: its run/env, or the file that SIGSENTRY_ENV names, becomes the environment."""

import os
import pathlib
import shlex

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


def load_env():
    path = pathlib.Path(os.environ.get("SIGSENTRY_ENV", ROOT / "run" / "env"))
    if not path.exists():
        # a suite that silently does nothing would look like one that passed
        pytest.exit("no stack at %s: run dev/up first, or set SIGSENTRY_ENV" % path, returncode=4)
    for line in path.read_text().splitlines():
        name, _, value = line.partition("=")
        os.environ.setdefault(name, shlex.split(value)[0])


load_env()

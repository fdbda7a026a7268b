"""What flow's suites have, for these too: tests/flow's and tests/'s modules, and pytest's fixtures."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "flow")]

import stack  # noqa: E402
import pytest  # noqa: E402

if stack.ENV is None:
    # a suite that silently does nothing would look like one that passed
    pytest.exit("no running stack: run dev/up first, or set SIGSENTRY_ENV", returncode=4)

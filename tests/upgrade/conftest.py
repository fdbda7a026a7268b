"""What flow's suites have, for these too: tests/flow's and tests/'s modules, and pytest's fixtures."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "flow")]

import stack  # noqa: E402

stack.required()

"""Makes the FastCGI client of tests/flow importable."""

import pathlib
import sys

import stack

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "flow"))

stack.required()

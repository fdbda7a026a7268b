"""Fixtures of the attack suite.  It speaks to the same stack as the flow suite, and has some of its tools from there."""

import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "flow"))

import stack  # noqa: E402

stack.required()

FIGURES = []


@pytest.fixture
def report():
    """Figures that are told, and not judged, at the end of the run."""
    return FIGURES.append


def pytest_configure(config):
    """What fails in a thread of a test's fails the test."""
    config.addinivalue_line("filterwarnings", "error::pytest.PytestUnhandledThreadExceptionWarning")


def pytest_terminal_summary(terminalreporter):
    if FIGURES:
        terminalreporter.section("figures")
        for line in FIGURES:
            terminalreporter.write_line(line)

"""Fixtures of the attack suite.  It speaks to the same stack as the flow suite, and has some of its tools from there."""

import pathlib
import socket
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "flow"))

import stack  # noqa: E402

if stack.ENV is None:
    # a suite that silently does nothing would look like one that passed
    pytest.exit("no running stack: run dev/up first, or set SIGSENTRY_ENV", returncode=4)
try:
    socket.create_connection(("127.0.0.1", stack.port()), timeout=5).close()
except OSError as e:
    pytest.exit("the stack does not answer at %s (%s): run dev/up" % (stack.env("SIGSENTRY_URL"), e), returncode=4)

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

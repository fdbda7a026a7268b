"""Fixtures of the flow suite; what they are made of is in stack.py."""

import socket

import pytest

import stack

if stack.ENV is None:
    # a suite that silently does nothing would look like one that passed
    pytest.exit("no running stack: run dev/up first, or set SIGSENTRY_ENV", returncode=4)
try:
    socket.create_connection(("127.0.0.1", stack.port()), timeout=5).close()
except OSError as e:
    where = stack.env("SIGSENTRY_URL")
    pytest.exit("the stack of run/env does not answer at %s (%s): run dev/up" % (where, e), returncode=4)


def pytest_configure(config):
    """What fails in a thread of a test's fails the test: answers are looked at there, too (openapi.py)."""
    config.addinivalue_line("filterwarnings", "error::pytest.PytestUnhandledThreadExceptionWarning")


@pytest.fixture(scope="session")
def env():
    return stack.ENV


@pytest.fixture
def place():
    """A tenant of its own (plan business), with a project and a secret key with config:write."""
    return stack.Place()


@pytest.fixture(scope="module")
def shared():
    """The same, one for a whole file: for requests whose outcome does not depend on what others did."""
    return stack.Place("enterprise")


@pytest.fixture
def client(shared):
    """A kept connection that bears the shared place's key."""
    with stack.Client(shared.key) as c:
        yield c


@pytest.fixture
def logs():
    """What is logged from here on."""
    return stack.Logs()

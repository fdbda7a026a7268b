"""Fixtures of the flow suite; what they are made of is in stack.py."""

import pytest

import stack

stack.required()


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

"""Fixtures of the conformance suite; what they are made of is in stack.py."""

import pytest

import stack

if stack.ENV is None:
    # a suite that silently does nothing would look like one that passed
    pytest.exit("no running stack: run dev/up first, or set SIGSENTRY_ENV", returncode=4)


@pytest.fixture(scope="module")
def shared():
    """A tenant with a project and a secret key that may write its config, one for a whole file."""
    return stack.Place("enterprise")


@pytest.fixture
def client(shared):
    """A kept connection that bears the shared place's key."""
    with stack.Client(shared.key) as c:
        yield c

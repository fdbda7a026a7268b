"""Fixtures of the conformance suite; what they are made of is in stack.py."""

import pytest

import stack

stack.required()


@pytest.fixture(scope="module")
def shared():
    """A tenant with a project and a secret key that may write its config, one for a whole file."""
    return stack.Place("enterprise")


@pytest.fixture
def client(shared):
    """A kept connection that bears the shared place's key."""
    with stack.Client(shared.key) as c:
        yield c
